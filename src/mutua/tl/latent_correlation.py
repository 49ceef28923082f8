"""How every feature goes with every latent dim."""

from __future__ import annotations

import warnings

import anndata
import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.column_correlation import column_correlation
from mutua.models import checked, slots
from mutua.tl._module_tables import feature_values, some, switch

__all__ = ["latent_correlation"]


@checked
def latent_correlation(
    adata: anndata.AnnData,
    *,
    latent: str = "X_autoencoder",
    layer: str | None = None,
    copy: bool = False,
) -> anndata.AnnData | None:
    """Give the Pearson correlation of every feature with every latent dim.

    Parameters
    ----------
    adata
        Samples x features, finite numbers, dense or sparse; sparse values stay sparse.
    latent
        Key of ``obsm`` with latent dims, of `mutua.tl.autoencoder` or anybody, such as
        ``"X_pca"``.
    layer
        Layer with the features; by default ``X``. It should be what the latent dims were made
        from.
    copy
        Return a copy with the result, and leave `adata` as it is.

    Returns
    -------
    AnnData or None
        None, or the copy. Written are, for ``"X_autoencoder"``,

        ``varm["autoencoder_correlation"]``
            float64 (feature, latent), r from -1 to 1. A constant feature or latent dim has no
            correlation: its values are 0.
        ``var["autoencoder_constant"]``
            Whether the feature has one value only.

    Raises
    ------
    InvalidInput
        For latent dims or a layer that are not there, missing or infinite values, fewer than two
        samples, or names of features that occur twice.

    Warns
    -----
    UserWarning
        Where features or latent dims are constant.

    Notes
    -----
    The same bits whatever the number of threads. Of a sparse matrix only the values that are not
    0 are looked at; the sums are then added in another order, and the last bits differ.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> values = np.array([[1.0, 4.0, 7.0], [2.0, 2.0, 7.0], [3.0, 3.0, 7.0], [4.0, 1.0, 7.0]])
    >>> adata = anndata.AnnData(values[:, :2].copy(), obsm={"X_pca": values[:, :1]})
    >>> mt.tl.latent_correlation(adata, latent="X_pca")
    >>> adata.varm["pca_correlation"].round(6).tolist()
    [[1.0], [-0.8]]
    """
    switch("copy", copy)
    positions, names = slots.columns(adata, latent, argument="latent")
    bad = np.flatnonzero(~np.isfinite(positions).all(axis=0))
    if len(bad):
        found = f"missing or infinite values in {some([names[place] for place in bad])}"
        raise InvalidInput("latent", found, "leave these samples or latent dims out")
    if adata.n_obs < 2:
        raise InvalidInput("adata", f"{adata.n_obs} samples", "a correlation needs at least 2")
    found_r = column_correlation(feature_values(adata, layer), positions)
    _warn(adata.var_names[found_r.constant_x], "features")
    _warn([names[place] for place in np.flatnonzero(found_r.constant_y)], "latent dims")
    target = adata.copy() if copy else adata
    values = {slots.CORRELATION: found_r.r, slots.CONSTANT: found_r.constant_x}
    slots.add(target, slots.LATENTS, latent.removeprefix("X_"), values)
    return target if copy else None


def _warn(constant: object, what: str) -> None:
    names = list(constant)  # type: ignore[call-overload]
    if names:
        text = f"{what} with one value only get the correlation 0: {some(names)}"
        warnings.warn(text, UserWarning, stacklevel=4)
