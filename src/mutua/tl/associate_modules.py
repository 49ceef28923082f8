"""Which features of a second table go with which modules, and through what latent dims."""

from __future__ import annotations

import anndata
import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.models import Dataset, as_kind, checked
from mutua.models.arguments import number, one_of
from mutua.models.build import ordered
from mutua.models.dims import FEATURE, LATENT, MODULE
from mutua.models.feature_mi import FeatureMI
from mutua.models.module_association import RULES, ModuleAssociation
from mutua.tl._module_tables import correlations, members, some

__all__ = ["associate_modules"]

_LEVELS = {"threshold": 0.95, "quantile": 0.95, "fdr": 0.05}


@checked
def associate_modules(
    mi: Dataset[FeatureMI],
    adata: anndata.AnnData,
    *,
    by: str = "fdr",
    level: float | None = None,
    feature_quantile: float = 0.0,
    module_quantile: float = 0.9,
    key: str = "module",
    latent: str | None = None,
) -> Dataset[ModuleAssociation]:
    """Give the modules that a feature is associated with, through the latent dims it informs.

    First every feature of `mi` keeps some latent dims, by one of three rules. Then every latent
    dim has the modules that hold any of the features that correlate with it most. A feature is
    associated with the modules of the latent dims it keeps.

    Parameters
    ----------
    mi
        Mutual information of features, such as genomes, with the latent dims of `adata`, or with
        some of them.
    adata
        With what `mutua.tl.latent_correlation` and `mutua.tl.feature_modules` wrote.
    by
        Which latent dims a feature keeps. ``"fdr"``: those with a q-value up to `level`.
        ``"threshold"``: those with a normalised mutual information, its share of the largest with
        that latent dim, of at least `level`. ``"quantile"``: those where it is among the
        features with a mutual information of at least this quantile. Only ``"fdr"`` controls
        errors: by the others every latent dim has features, related or not.
    level
        By default 0.05 for ``"fdr"``, else 0.95.
    feature_quantile
        Features below this quantile of the mutual information with a latent dim do not keep it,
        whatever the rule; 0 leaves that out.
    module_quantile
        The modules of a latent dim hold features with an absolute correlation of at least this
        quantile, over the features that are not constant.
    key
        The `key_added` of the modules.
    latent
        Key of ``obsm`` with the latent dims; by default that which the modules were made from.

    Returns
    -------
    ModuleAssociation
        (feature, module): ``associated``, ``strength`` (the largest mutual information with a
        linking latent dim, nats) and ``n_links``; with ``feature_latent`` and ``latent_module``,
        which tell the latent dims that link the two.

    Raises
    ------
    InvalidInput
        If latent dims of `mi` are not those of `adata`, there are no q-values for ``"fdr"``, no
        modules or correlations, or an argument is out of its range.

    Notes
    -----
    Quantiles are numpy's, with linear interpolation. Nothing is kept or linked where the mutual
    information or the correlation is 0, or missing.

    Without control of errors, a simple rule is to keep the latent dims that a genome informs
    nearly as much as the best genome does, among the 5 % of genomes that inform each most:
    ``by="threshold", level=0.95, feature_quantile=0.95, module_quantile=0.9``.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> latent = random.normal(size=(60, 2))
    >>> values = latent[:, [0, 0, 0, 1, 1]] + random.normal(0, 0.3, (60, 5))
    >>> adata = anndata.AnnData(values, obsm={"X_pca": latent})
    >>> mt.tl.latent_correlation(adata, latent="X_pca")
    >>> mt.tl.feature_modules(adata, latent="X_pca", n_modules=2)
    >>> mi = mt.FeatureMI.build(
    ...     mi=[[0.7, 0.0], [0.1, 0.0]], q_value=[[0.01, 1.0], [0.6, 1.0]],
    ...     feature=["genome_1", "genome_2"], latent=["pca_0", "pca_1"],
    ...     estimator="knn", n_neighbors=3, n_samples=60,
    ... )
    >>> found = mt.tl.associate_modules(mi, adata)
    >>> [str(name) for name in found["feature"].values[found["associated"].any("module")]]
    ['genome_1']
    """
    by = one_of("by", by, RULES)
    level = _LEVELS[by] if level is None else number("level", level, low=0, high=1)
    feature_quantile = number("feature_quantile", feature_quantile, low=0, high=1)
    module_quantile = number("module_quantile", module_quantile, low=0, high=1)
    modules, codes = members(adata, key)
    if latent is None:
        latent = str(adata.uns[key].get("latent", "X_autoencoder"))
    names, r, constant = correlations(adata, latent)
    own = [str(name) for name in mi[LATENT].values]
    unknown = [name for name in own if name not in names]
    if unknown:
        found = f"latent dims {some(unknown)} are not in obsm[{latent!r}], which has {some(names)}"
        raise InvalidInput("mi", found, "use the latent dims that it was computed with")
    places = [names.index(name) for name in own]
    information = mi["mi"].values.astype(np.float64)
    feature_latent = _kept(mi, information, by, level) & _top(information, feature_quantile)
    latent_module = _modules_of(r[:, places], constant, codes, len(modules), module_quantile)
    n_links = feature_latent.astype(np.int64) @ latent_module.astype(np.int64)
    strength = np.zeros(n_links.shape)
    for place, held in enumerate(latent_module):
        through = np.where(feature_latent[:, place], information[:, place], 0.0)
        strength[:, held] = np.maximum(strength[:, held], through[:, None])
    result = xr.Dataset(
        {
            "associated": ((FEATURE, MODULE), n_links > 0),
            "strength": ((FEATURE, MODULE), strength),
            "n_links": ((FEATURE, MODULE), n_links),
            "feature_latent": ((FEATURE, LATENT), feature_latent),
            "latent_module": ((LATENT, MODULE), latent_module),
        },
        coords={FEATURE: mi[FEATURE].values, LATENT: mi[LATENT].values, MODULE: modules},
        attrs={
            "by": by, "level": level, "feature_quantile": feature_quantile,
            "module_quantile": module_quantile,
        },
    )  # fmt: skip
    return as_kind(ModuleAssociation, ordered(ModuleAssociation, result))


def _kept(mi: xr.Dataset, information: np.ndarray, by: str, level: float) -> np.ndarray:
    """Give which latent dims each feature keeps by the rule alone."""
    if by == "quantile":
        return _top(information, level)
    if by == "fdr":
        if "q_value" not in mi:
            remedy = "call tl.mutual_information with n_permutations, or use another rule"
            raise InvalidInput("mi", "has no variable 'q_value'", remedy)
        return np.asarray(mi["q_value"].values <= level)
    if "mi_normalized" in mi:
        normalized = mi["mi_normalized"].values
    else:
        largest = np.nan_to_num(information).max(axis=0, initial=0)
        normalized = information / np.where(largest > 0, largest, 1)
    return np.asarray((normalized >= level) & (normalized > 0))


def _top(values: np.ndarray, quantile: float) -> np.ndarray:
    """Give which values are at least the quantile of their column, and above 0."""
    top = np.zeros(values.shape, bool)
    for place, column in enumerate(values.T):
        there = column[~np.isnan(column)]
        if len(there):
            top[:, place] = (column >= np.quantile(there, quantile)) & (column > 0)
    return top


def _modules_of(
    r: np.ndarray, constant: np.ndarray, codes: np.ndarray, n_modules: int, quantile: float
) -> np.ndarray:
    """Give (latent, module): whether the module holds a feature that correlates so much."""
    size = np.where(constant[:, None], np.nan, np.abs(r))
    top = _top(size, quantile)
    held = np.zeros((r.shape[1], n_modules), bool)
    for place, chosen in enumerate(top.T):
        held[place, codes[chosen & (codes >= 0)]] = True
    return held
