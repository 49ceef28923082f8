"""Cells with programs that are known."""

import anndata
import numpy as np
import pandas as pd

CELLS, GENES, PROGRAMS = 600, 120, 6


def planted_cells(
    noise: float = 0.3, *, cells: int = CELLS, seed: int = 0, dtype=np.float32
) -> anndata.AnnData:
    """Give cells of disjoint programs; ``var["planted"]`` says which gene is in which."""
    random = np.random.default_rng(seed)
    label = np.arange(GENES) % PROGRAMS
    weights = np.eye(PROGRAMS)[:, label] * np.random.default_rng(9).uniform(0.5, 1.5, GENES)
    signal = random.gamma(1, size=(cells, PROGRAMS)) @ weights
    X = np.maximum(signal + noise * random.normal(size=signal.shape), 0)
    X[X < 0.2] = 0
    adata = anndata.AnnData(X.astype(dtype))
    adata.obs_names = [f"cell{i}" for i in range(cells)]
    adata.var_names = [f"gene{i}" for i in range(GENES)]
    adata.var["planted"] = label
    adata.obs["cluster"] = pd.Categorical(np.where(np.arange(cells) < cells // 6, "few", "many"))
    adata.layers["twice"] = 2 * adata.X
    adata.uns["kept"] = "as it was"
    return adata
