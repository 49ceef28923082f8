"""Cells with gene programs as `mutua.tl.programs` writes them, made by hand."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd

from mutua.models import slots

N_CELLS, N_GENES, N_PROGRAMS = 60, 14, 3
NAMES = ["P0", "P1", "P2"]


def program_cells() -> anndata.AnnData:
    """60 cells x 14 genes, 3 programs of 5, 4 and 3 genes, and 2 genes of none."""
    random = np.random.default_rng(0)
    program = np.repeat([0, 1, 2, -1], [5, 4, 3, 2])
    weights = np.where(program[:, None] == np.arange(N_PROGRAMS), 1.0, 0.0)
    weights *= random.uniform(0.1, 1.0, weights.shape)
    activity = random.gamma(2.0, size=(N_CELLS, N_PROGRAMS))
    values = activity @ weights.T + random.random((N_CELLS, N_GENES)) / 10
    cells = anndata.AnnData(
        values.astype(np.float32),
        obs=pd.DataFrame(
            {"guide": pd.Categorical(np.array(["none", "A1"])[np.arange(N_CELLS) % 2])},
            index=[f"cell{i}" for i in range(N_CELLS)],
        ),
        var=pd.DataFrame(index=[f"gene{i}" for i in range(N_GENES)]),
        obsm={"X_umap": random.normal(size=(N_CELLS, 2)) * 5},
    )
    correlation = np.corrcoef(values.T, activity.T)[:N_GENES, N_GENES:]
    state = np.digitize(activity, [1.2, 2.5]) - 1.0
    slots.write(
        cells,
        slots.PROGRAMS,
        "programs",
        {
            slots.WEIGHT: weights,
            slots.CORRELATION: correlation,
            slots.ACTIVITY: activity,
            slots.STATE: state,
        },
        names=NAMES,
        settings={},
    )
    return cells
