"""A table with latent dims that its features follow."""

from __future__ import annotations

import anndata
import numpy as np

import mutua as mt

N_SAMPLES, N_FEATURES, N_LATENT = 37, 23, 4


def table(*, constant: tuple[int, ...] = (), seed: int = 0) -> anndata.AnnData:
    """Samples x features, half of the values 0, with ``obsm["X_pca"]``."""
    random = np.random.default_rng(seed)
    latent = random.normal(size=(N_SAMPLES, N_LATENT))
    weights = random.normal(size=(N_LATENT, N_FEATURES)) ** 3
    values = np.maximum(latent @ weights + random.normal(0, 0.3, (N_SAMPLES, N_FEATURES)), 0)
    values[:, list(constant)] = 0.1
    adata = anndata.AnnData(values, obsm={"X_pca": latent})
    adata.var_names = [f"taxon_{i}" for i in range(N_FEATURES)]
    return adata


def modules(n_modules: int = 5, **options: tuple[int, ...]) -> anndata.AnnData:
    """The same with correlations, modules and scores."""
    adata = table(**options)
    mt.tl.latent_correlation(adata, latent="X_pca")
    mt.tl.feature_modules(adata, latent="X_pca", n_modules=n_modules)
    mt.tl.module_scores(adata)
    return adata
