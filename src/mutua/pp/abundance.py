"""Abundances as logarithms and as log-ratios."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import numpy.typing as npt
from scipy import sparse

from mutua.errors import InvalidInput
from mutua.models import checked
from mutua.models.arguments import number, one_of

__all__ = ["clr", "log_abundance"]

_ZEROS = ("pseudocount", "multiplicative", "robust", "error")
_BLOCK_VALUES = 1 << 22


@checked
def log_abundance(
    adata: anndata.AnnData,
    *,
    pseudocount: float = 1e-6,
    base: float = 10,
    layer: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> anndata.AnnData | None:
    """Replace every abundance by the logarithm of itself and a pseudocount.

    ``log(x + pseudocount) / log(base)``. The pseudocount is what absence counts as: the default is
    for relative abundances and coverages, of which it is far below the smallest that is measured.

    Parameters
    ----------
    adata
        Abundances of 0 and more in ``X`` or a layer, dense or sparse.
    pseudocount
        Above 0, in the unit of the abundances.
    base
        Base of the logarithm, above 1.
    layer
        Take this layer instead of ``X``.
    key_added
        Write into this layer; by default the values are replaced where they were taken from.
    copy
        Give a changed copy, and leave `adata` as it is.

    Returns
    -------
    AnnData or None
        float32 where the abundances are, else float64. Absence is then no longer 0, so the result
        is dense, but for a pseudocount of 1, which leaves sparse abundances sparse.

    Raises
    ------
    InvalidInput
        If an abundance is negative, infinite or missing (names the sample and the feature), there
        is no such layer, or `pseudocount` or `base` is not in its range.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> adata = anndata.AnnData(np.array([[0.0, 0.1], [0.25, 1.0]]))
    >>> mt.pp.log_abundance(adata)
    >>> adata.X.round(2)
    array([[-6. , -1. ],
           [-0.6,  0. ]])
    """
    pseudocount = number("pseudocount", pseudocount, low=0, open_low=True)
    scale = 1 / math.log(number("base", base, low=1, open_low=True))

    def logarithm(values: npt.NDArray[np.float64], row: int) -> npt.NDArray[np.float64]:
        shifted = np.log1p(values) if pseudocount == 1 else np.log(values + pseudocount)
        return shifted * scale

    return _transformed(adata, logarithm, layer, key_added, copy, zero_stays=pseudocount == 1)


@checked
def clr(
    adata: anndata.AnnData,
    *,
    zeros: str = "pseudocount",
    pseudocount: float | None = None,
    fraction: float | None = None,
    layer: str | None = None,
    key_added: str | None = None,
    copy: bool = False,
) -> anndata.AnnData | None:
    """Replace every abundance by its centred log-ratio: against the geometric mean of its sample.

    Sequencing measures shares, not amounts. The ratio of two features of a sample is free of its
    depth, and so is the centred log-ratio ``ln(x / geometric mean of the sample)``. It has no
    value for zeros, so what is done with them is a choice that has to be made.

    Parameters
    ----------
    adata
        Abundances of 0 and more in ``X`` or a layer, dense or sparse.
    zeros
        ``"pseudocount"``: `pseudocount` is added to every value. ``"multiplicative"``: zeros become
        the share `fraction` of their sample, and the other values shrink so that their ratios
        stay (Martín-Fernández et al. 2003). ``"robust"``: the mean is over the values that are
        not 0, and zeros become NaN, not observed (Martino et al. 2019). ``"error"``: there must
        be none.
    pseudocount
        By default 1, one read, which is for counts only: for anything else it must be given.
    fraction
        By default 1 / (number of features) squared.
    layer
        Take this layer instead of ``X``.
    key_added
        Write into this layer; by default the values are replaced where they were taken from.
    copy
        Give a changed copy, and leave `adata` as it is.

    Returns
    -------
    AnnData or None
        Dense natural logarithms, float32 where the abundances are, else float64. The values of a
        sample that are not NaN have the mean 0.

    Raises
    ------
    InvalidInput
        If an abundance is negative, infinite or missing (names the sample and the feature), a
        sample has nothing but zeros, zeros leave no room for `fraction`, `pseudocount` is not
        given for what is no count, or there is no such layer.

    References
    ----------
    Aitchison 1982, J. R. Stat. Soc. B 44:139; Martín-Fernández et al. 2003, Mathematical Geology
    35:253; Martino et al. 2019, mSystems 4:e00016-19.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> adata = anndata.AnnData(np.array([[0, 3, 9], [2, 8, 2]]))
    >>> mt.pp.clr(adata, zeros="robust", copy=True).X.round(2)
    array([[  nan, -0.55,  0.55],
           [-0.46,  0.92, -0.46]])
    >>> mt.pp.clr(adata)
    >>> adata.X.round(2)
    array([[-1.23,  0.16,  1.07],
           [-0.37,  0.73, -0.37]])
    """
    one_of("zeros", zeros, _ZEROS)
    for argument, value, of in (
        ("pseudocount", pseudocount, "pseudocount"),
        ("fraction", fraction, "multiplicative"),
    ):
        if value is not None and zeros != of:
            found = f"{value!r}, and zeros={zeros!r} has none"
            raise InvalidInput(argument, found, f"leave it out, or use zeros={of!r}")
    names = adata.obs_names
    if zeros == "pseudocount":
        added = _count(adata, layer) if pseudocount is None else pseudocount
        added = number("pseudocount", added, low=0, open_low=True)
    elif zeros == "multiplicative":
        share = 1 / max(2, adata.n_vars) ** 2 if fraction is None else fraction
        share = number("fraction", share, low=0, high=1, open_low=True)

    def ratios(values: npt.NDArray[np.float64], row: int) -> npt.NDArray[np.float64]:
        there = values > 0
        empty = np.flatnonzero(~there.any(axis=1))
        if len(empty):
            found = f"sample {names[row + empty[0]]!r} has nothing but zeros"
            raise InvalidInput(_place(layer), found, "leave it out: scanpy.pp.filter_cells")
        if zeros == "pseudocount":
            values = values + added
        elif zeros == "multiplicative":
            values = _replaced(values, there, share, row, names)
        elif zeros == "error" and not there.all():
            at, feature = np.argwhere(~there)[0]
            found = f"sample {names[row + at]!r} has 0 of feature {adata.var_names[feature]!r}"
            raise InvalidInput(_place(layer), found, f"choose one of {list(_ZEROS[:3])} as zeros=")
        logarithms = np.log(values, where=values > 0, out=np.full_like(values, np.nan))
        return np.asarray(logarithms - np.nanmean(logarithms, axis=1, keepdims=True))

    return _transformed(adata, ratios, layer, key_added, copy)


def _replaced(
    values: npt.NDArray[np.float64],
    there: npt.NDArray[np.bool_],
    share: float,
    row: int,
    names: Any,
) -> npt.NDArray[np.float64]:
    """Give shares of which zeros have `share`, and the others keep their ratios."""
    taken = share * (~there).sum(axis=1, keepdims=True)
    if (taken >= 1).any():
        at = int(np.argmax(taken[:, 0] >= 1))
        found = f"{share:g} for each of {(~there[at]).sum():,} zeros of sample {names[row + at]!r}"
        raise InvalidInput("fraction", f"{found} is all there is", "use a smaller one")
    return np.where(there, values / values.sum(axis=1, keepdims=True) * (1 - taken), share)


def _count(adata: anndata.AnnData, layer: str | None) -> float:
    """Give the pseudocount of counts, or refuse to choose one for what is no count."""
    source = _source(adata, layer)
    _check(source, adata, layer, 0)
    held = source.data if sparse.issparse(source) else source
    if held.dtype.kind == "f" and not (np.floor(held) == held).all():
        found = f"not given, and {_place(layer)} holds no counts"
        remedy = "give one below the smallest abundance, or use zeros='multiplicative'"
        raise InvalidInput("pseudocount", found, remedy)
    return 1.0


# --- where the values come from and go to ---------------------------------------------------------


def _transformed(
    adata: anndata.AnnData,
    transform: Callable[[npt.NDArray[np.float64], int], npt.NDArray[np.float64]],
    layer: str | None,
    key_added: str | None,
    copy: bool,
    *,
    zero_stays: bool = False,
) -> anndata.AnnData | None:
    """Apply a function of blocks of samples, and write when all of it has succeeded."""
    if not isinstance(copy, bool):
        raise InvalidInput("copy", f"{copy!r}", "use True or False")
    if key_added is not None and not isinstance(key_added, str):
        raise InvalidInput("key_added", f"{key_added!r}", "use the name of a layer")
    source = _source(adata, layer)
    kind = np.float32 if source.dtype == np.float32 else np.float64
    if zero_stays and sparse.issparse(source):
        _check(source, adata, layer, 0)
        result = source.astype(kind, copy=True)
        result.data = transform(source.data.astype(np.float64), 0).astype(kind)
    else:
        result = np.empty(source.shape, kind)
        step = max(1, _BLOCK_VALUES // max(1, adata.n_vars))
        rows = source.tocsr() if sparse.issparse(source) else source
        for start in range(0, adata.n_obs, step):
            block = rows[start : start + step]
            _check(block, adata, layer, start)
            dense = block.toarray() if sparse.issparse(block) else np.asarray(block)
            result[start : start + step] = transform(dense.astype(np.float64), start)
    if copy:
        adata = adata.copy()
    elif adata.is_view:  # of which a changed X would be written into its parent
        adata._init_as_actual(adata.copy())
    if key_added is not None or layer is not None:
        adata.layers[key_added if key_added is not None else layer] = result
    else:
        adata.X = result
    return adata if copy else None


def _place(layer: str | None) -> str:
    return "adata.X" if layer is None else f"adata.layers[{layer!r}]"


def _source(adata: anndata.AnnData, layer: str | None) -> Any:
    """Give the abundances in memory, or say why there are none."""
    if layer is not None and layer not in adata.layers:
        there = f"use one of {list(adata.layers)}" if len(adata.layers) else "there are no layers"
        raise InvalidInput("layer", f"no layer {layer!r}", there)
    source = adata.X if layer is None else adata.layers[layer]
    if source is None:
        raise InvalidInput("adata", "no X", "choose a layer with layer=")
    in_memory = isinstance(source, np.ndarray) or sparse.issparse(source)
    if not in_memory or (sparse.issparse(source) and source.format not in ("csr", "csc")):
        found = f"{_place(layer)} is a {type(source).__name__}"
        raise InvalidInput("adata", found, "load it with adata.to_memory(), or use CSR or CSC")
    if source.dtype.kind not in "biuf":
        raise InvalidInput("adata", f"{_place(layer)} has type {source.dtype}", "use numbers")
    if not adata.n_obs or not adata.n_vars:
        found = f"{adata.n_obs} samples x {adata.n_vars} features"
        raise InvalidInput("adata", found, "give one of each or more")
    return source


def _check(block: Any, adata: anndata.AnnData, layer: str | None, start: int) -> None:
    """Refuse what is no abundance, and name its place."""
    is_sparse = sparse.issparse(block)
    held = block.data if is_sparse else np.asarray(block)
    sound = (held >= 0) & (held < np.inf)  # False for NaN
    if sound.all():
        return
    if is_sparse:
        at = block.tocoo()
        bad = int(np.argmin((at.data >= 0) & (at.data < np.inf)))
        row, column, value = at.row[bad], at.col[bad], at.data[bad]
    else:
        row, column = np.argwhere(~sound)[0]
        value = held[row, column]
    where = f"sample {adata.obs_names[start + row]!r}, feature {adata.var_names[column]!r}"
    what = "missing" if np.isnan(value) else f"{value:g}"
    remedy = "use abundances: 0 or more, finite, and before any logarithm or scaling"
    raise InvalidInput(_place(layer), f"{what} at {where}", remedy)
