"""Features that go with the same latent dims, as modules, and one score for each module."""

from __future__ import annotations

import warnings
from typing import Any

import anndata
import numpy as np
import pandas as pd
import scipy.cluster.hierarchy
from scipy import sparse
from threadpoolctl import threadpool_limits

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels.communities import neighbour_communities
from mutua.kernels.first_component import first_component
from mutua.kernels.threads import Workers
from mutua.models import checked, slots
from mutua.models.arguments import number, one_of, whole_number
from mutua.settings import settings
from mutua.tl._module_tables import (
    correlations,
    feature_values,
    key_of,
    members,
    some,
    switch,
)

__all__ = ["feature_modules", "module_scores"]

_METHODS = ("ward", "leiden")
_FEATURES_EACH = 10


@checked
def feature_modules(
    adata: anndata.AnnData,
    *,
    latent: str = "X_autoencoder",
    method: str = "ward",
    n_modules: int | None = None,
    height: float | None = None,
    resolution: float = 1.0,
    n_neighbors: int = 15,
    seed: int = 0,
    key_added: str = "module",
    copy: bool = False,
) -> anndata.AnnData | None:
    """Give every feature a module: those that correlate with the same latent dims have the same.

    Parameters
    ----------
    adata
        With what `mutua.tl.latent_correlation` wrote.
    latent
        Key of ``obsm`` that the correlations are with.
    method
        ``"ward"``: a tree of the features by Ward's linkage of their rows of correlations, cut
        into modules. ``"leiden"``: communities of the graph that joins features with those of the
        nearest rows, by the share of the neighbours they have in common. It needs the extra
        ``leiden``.
    n_modules
        Of ``"ward"``: most modules, by default a tenth of the features. There are fewer where
        features with the same correlations cannot be told apart.
    height
        Of ``"ward"``, in place of `n_modules`: modules are what merges up to this distance.
    resolution
        Of ``"leiden"``: larger values give more modules.
    n_neighbors
        Of ``"leiden"``: neighbours of each feature.
    seed
        Of ``"leiden"``.
    key_added
        Key of the result. A result that was there is replaced, its scores too.
    copy
        Return a copy with the result, and leave `adata` as it is.

    Returns
    -------
    AnnData or None
        None, or the copy. Written are

        ``var["module"]``
            Categories ``"1"``, ``"2"`` and so on, missing for constant features. With ``"ward"``
            they are numbered along the tree, as `scipy.cluster.hierarchy.fcluster` does; with
            ``"leiden"`` the largest comes first.
        ``uns["module"]``
            ``names`` of the modules, the ``features``, and the arguments. With ``"ward"`` also
            ``linkage``, float64 (merge, 4) as scipy gives it, of the features with a module in
            their order.

    Raises
    ------
    InvalidInput
        If there are no correlations or only constant features, `n_modules` is larger than the
        number of the others, or an argument is out of its range or of the other method.
    MemoryLimit
        If the distances between all features do not fit into ``settings.memory``.
    MissingDependency
        For ``"leiden"`` without igraph and leidenalg.

    Warns
    -----
    UserWarning
        If there are fewer modules than asked for.

    Notes
    -----
    Sources: Ward, J. Am. Stat. Assoc. 58:236 (1963); Traag et al., Scientific Reports 9:5233
    (2019), weights by Levine et al., Cell 162:184 (2015).

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> latent = random.normal(size=(40, 3))
    >>> values = latent[:, [0, 0, 1, 1, 2, 2]] + random.normal(0, 0.3, (40, 6))
    >>> adata = anndata.AnnData(values, obsm={"X_pca": latent})
    >>> mt.tl.latent_correlation(adata, latent="X_pca")
    >>> mt.tl.feature_modules(adata, latent="X_pca", n_modules=3)
    >>> adata.var["module"].tolist()
    ['2', '2', '1', '1', '3', '3']
    """
    key, method = key_of("key_added", key_added), one_of("method", method, _METHODS)
    switch("copy", copy)
    _, r, constant = correlations(adata, latent)
    rows = r[~constant]
    if not len(rows):
        raise InvalidInput("adata", "all features are constant", "use features that vary")
    kept: dict[str, Any] = {"method": method, "latent": latent}
    if method == "ward":
        labels, more = _ward(rows, n_modules, height)
    else:
        labels, more = _leiden(rows, n_modules, height, resolution, n_neighbors, seed)
    names = [str(label) for label in range(1, labels.max() + 1)]
    codes = np.full(adata.n_vars, -1)
    codes[~constant] = labels - 1
    member = pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype=object))
    target = adata.copy() if copy else adata
    slots.write(
        target, slots.MODULES, key, {slots.MEMBERSHIP: member}, names=names, settings=kept | more
    )
    return target if copy else None


def _ward(
    rows: np.ndarray, n_modules: int | None, height: float | None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Cut a tree of the rows; give the modules, counted from 1, and what to keep of it."""
    n = len(rows)
    if height is not None and n_modules is not None:
        raise InvalidInput("height", "given with n_modules", "use one of the two")
    cut: dict[str, Any]
    if height is not None:
        cut = {"height": number("height", height, low=0)}
    else:
        default = max(1, round(n / _FEATURES_EACH))
        asked = default if n_modules is None else whole_number("n_modules", n_modules, low=1)
        if asked > n:
            found = f"{asked} of {n} features that vary"
            raise InvalidInput("n_modules", found, "use no more modules than features")
        cut = {"n_modules": asked}
    needed = 8 * n * (n - 1) // 2
    if needed > settings.memory:
        found = f"the distances of {n:,} features need {needed / 2**20:,.0f} MiB"
        remedy = f"use fewer features, method='leiden', or settings.memory = {needed}"
        raise MemoryLimit("adata", found, remedy)
    if n == 1:  # scipy makes no tree of one
        return np.ones(1, np.int64), {"linkage": np.empty((0, 4)), **cut}
    linkage = scipy.cluster.hierarchy.linkage(rows, "ward")
    value, criterion = (
        (cut["height"], "distance") if "height" in cut else (cut["n_modules"], "maxclust")
    )
    labels = scipy.cluster.hierarchy.fcluster(linkage, value, criterion)
    found_modules = int(labels.max())
    if found_modules < cut.get("n_modules", 0):
        text = f"{found_modules} modules in place of {cut['n_modules']}: "
        text += "features with the same correlations cannot be told apart"
        warnings.warn(text, UserWarning, stacklevel=4)
    return labels.astype(np.int64), {"linkage": linkage, **cut}


def _leiden(
    rows: np.ndarray,
    n_modules: int | None,
    height: float | None,
    resolution: float,
    n_neighbors: int,
    seed: int,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Find communities of the rows; give the modules, counted from 1, and what to keep."""
    for name, value in (("n_modules", n_modules), ("height", height)):
        if value is not None:
            raise InvalidInput(name, "is for method='ward'", "use resolution for 'leiden'")
    options: dict[str, Any] = {
        "n_neighbors": whole_number("n_neighbors", n_neighbors, low=1),
        "resolution": number("resolution", resolution, low=0, open_low=True),
        "seed": whole_number("seed", seed, low=0, high=2**31 - 1),
    }
    return neighbour_communities(rows, **options) + 1, options


@checked
def module_scores(
    adata: anndata.AnnData,
    *,
    key: str = "module",
    layer: str | None = None,
    scale: bool = True,
    copy: bool = False,
) -> anndata.AnnData | None:
    """Give every sample a score for each module: the first principal component of its features.

    The sum of the loadings of a module is at least 0, so that a high score means high values of
    most of its features. Where it is 0, as for two features that are opposites, the largest
    loading is positive, that of the first feature among equals.

    Parameters
    ----------
    adata
        With the modules of `mutua.tl.feature_modules`; samples x features, finite numbers, dense
        or sparse. Sparse values are made dense some samples of a module at a time.
    key
        The `key_added` of the modules.
    layer
        Layer with the features; by default ``X``.
    scale
        Divide features by their standard deviations first, so that all of a module count alike.
    copy
        Return a copy with the result, and leave `adata` as it is.

    Returns
    -------
    AnnData or None
        None, or the copy. Written are

        ``obsm["X_module"]``
            float64 (sample, module), with mean 0; 0 for a module of constant features.
        ``var["module_loading"]``
            Weight of the feature in the score of its module, from -1 to 1; NaN without a module.
            The squares of a module sum to 1.
        ``uns["module"]``
            Also ``explained_variance``, for each module the share of the variance of its features
            that is the score's, 1 for a single feature and NaN where all are constant; and
            ``scale``.

    Raises
    ------
    InvalidInput
        If there are no modules, they no longer fit the features, the layer is not there, or
        values are missing or infinite.

    Warns
    -----
    UserWarning
        If all features of a module are constant.

    Notes
    -----
    Where two components of a module explain alike, which one is the score is arbitrary, but
    always the same. Source of modules with one score each: Langfelder and Horvath, BMC Systems
    Biology 1:54 (2007).

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> latent = random.normal(size=(40, 2))
    >>> values = latent[:, [0, 0, 0, 1, 1]] + random.normal(0, 0.3, (40, 5))
    >>> adata = anndata.AnnData(values, obsm={"X_pca": latent})
    >>> mt.tl.latent_correlation(adata, latent="X_pca")
    >>> mt.tl.feature_modules(adata, latent="X_pca", n_modules=2)
    >>> mt.tl.module_scores(adata)
    >>> adata.obsm["X_module"].shape, adata.uns["module"]["explained_variance"].round(2).tolist()
    ((40, 2), [0.95, 0.95])
    """
    scale, _ = switch("scale", scale), switch("copy", copy)
    names, codes = members(adata, key)
    values = feature_values(adata, layer)
    if sparse.issparse(values):
        values = values.tocsc()
    scores = np.zeros((adata.n_obs, len(names)))
    loadings = np.full(adata.n_vars, np.nan)
    explained = np.full(len(names), np.nan)

    def score(module: int) -> None:
        places = np.flatnonzero(codes == module)
        part = values[:, places]
        part = part.tocsr() if sparse.issparse(part) else part
        found = first_component(part, scale=scale)
        scores[:, module], loadings[places] = found.scores, found.loadings
        explained[module] = found.explained

    with threadpool_limits(1, user_api="blas"), Workers() as workers:
        workers.run(score, [(module,) for module in range(len(names))])
    empty = np.flatnonzero(np.isnan(explained))
    if len(empty):
        text = f"all features of module {some([names[m] for m in empty])} are constant; score 0"
        warnings.warn(text, UserWarning, stacklevel=3)
    target = adata.copy() if copy else adata
    results = {slots.SCORE: scores, slots.LOADING: loadings}
    kept = {"explained_variance": explained, "scale": scale}
    slots.add(target, slots.MODULES, key, results, settings=kept)
    return target if copy else None
