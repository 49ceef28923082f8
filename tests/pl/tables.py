"""Made-up results on tables of samples: mutual information, associations and modules."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import xarray as xr
from scipy.cluster.hierarchy import fcluster, linkage

import mutua as mt
from mutua.models import slots


def feature_mi(
    n_features: int = 6, n_latents: int = 4, *, strong: tuple[int, int] = (4, 1), **parts: object
) -> xr.Dataset:
    """Give values below 0.1 but for one strong pair; the first feature is constant."""
    shape = n_features, n_latents
    mi = np.random.default_rng(0).uniform(0, 0.1, shape)
    mi[strong] = 0.75
    q = np.full(shape, 0.6)
    q[strong] = 0.001
    if n_features > 1:
        mi[0], q[0] = np.nan, np.nan
    facts: dict[str, object] = {
        "mi": mi, "p_value": q / 10, "q_value": q, "feature": [f"g{i}" for i in range(n_features)],
        "latent": [f"z{i}" for i in range(n_latents)], "estimator": "knn", "n_neighbors": 3,
        "n_samples": 127,
    }  # fmt: skip
    return mt.FeatureMI.build(**facts | parts)


def module_association(
    links: np.ndarray, *, strength: np.ndarray | None = None, **parts: object
) -> xr.Dataset:
    """Give an association with one latent dim for each module."""
    links = np.asarray(links, bool)
    facts: dict[str, object] = {
        "associated": links, "strength": links * 0.5 if strength is None else strength,
        "n_links": links.astype(int), "feature_latent": links,
        "latent_module": np.eye(links.shape[1], dtype=bool),
        "feature": [f"g{i}" for i in range(len(links))],
        "latent": [f"z{i}" for i in range(links.shape[1])],
        "module": [str(i + 1) for i in range(links.shape[1])], "by": "fdr", "level": 0.05,
        "module_quantile": 0.9,
    }  # fmt: skip
    return mt.ModuleAssociation.build(**facts | parts)


def modules(
    n_features: int, n_modules: int, *, n_constant: int = 0, tree: bool = True
) -> anndata.AnnData:
    """Give an AnnData with modules of features, the last of which may be in none."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(n_modules, 7))
    values = centres[np.arange(n_features) % n_modules] + random.normal(0, 0.05, (n_features, 7))
    merges = linkage(values, "ward")
    numbers = fcluster(merges, n_modules, "maxclust")
    names = [str(i + 1) for i in range(n_modules)]
    adata = anndata.AnnData(np.zeros((3, n_features + n_constant), np.float32))
    adata.var_names = [f"taxon_{i}" for i in range(adata.n_vars)]
    member = pd.Categorical([str(i) for i in numbers] + [None] * n_constant, categories=names)
    settings = {"method": "ward", "linkage": merges} if tree else {"method": "leiden"}
    slots.write(
        adata, slots.MODULES, "module", {"membership": member}, names=names, settings=settings
    )
    return adata
