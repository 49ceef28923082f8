"""Selection by name along dims that carry no index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from mutua.errors import InvalidInput
from mutua.models.dims import NAMES

__all__ = ["sel"]


def sel(element: xr.Dataset, names: str | Sequence[str], *, dim: str = "sequence") -> xr.Dataset:
    """Select entries of a large dim by name, in the order asked for.

    Parameters
    ----------
    element
        An element whose dim carries the names, for `sequence` the coordinate ``sequence_id``.
    names
        One name or several.
    dim
        The dim to select along.

    Returns
    -------
    xarray.Dataset
        The entries; the dim stays even for one name.

    Raises
    ------
    InvalidInput
        If the dim has no names, a name is unknown, or a name stands more than once.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["ACGT", "TTTT"], sequence_id=["first", "second"])
    >>> mt.pp.to_strings(mt.sel(seqs, "second"))
    ['TTTT']
    """
    if not isinstance(element, xr.Dataset):
        raise InvalidInput("element", f"a {type(element).__name__}", "pass an element of mutua")
    wanted = [names] if isinstance(names, str) else list(names)
    if dim not in element.dims:
        raise InvalidInput("dim", f"{dim!r} is no dim", f"use one of {list(element.dims)}")
    coordinate = NAMES.get(dim, dim)
    if coordinate not in element.coords:
        raise InvalidInput(
            "element",
            f"has no names along {dim!r}",
            f"select by number with .isel({dim}=...), or add the coordinate {coordinate!r}",
        )
    known = np.asarray(element[coordinate].values, dtype=object)
    index = pd.Index(known)
    found = index.get_indexer_for(wanted) if index.is_unique else _first_of(index, wanted)
    missing = [name for name, place in zip(wanted, found, strict=True) if place < 0]
    if missing:
        shown = ", ".join(map(repr, missing[:5]))
        raise InvalidInput("names", f"not found: {shown} ({len(missing)} in all)", "check the names")
    return element.isel({dim: found})


def _first_of(index: pd.Index, wanted: list[str]) -> np.ndarray:
    """Give the place of each name in names that repeat, as long as those asked for do not."""
    repeated = set(index[index.duplicated()])
    ambiguous = [name for name in wanted if name in repeated]
    if ambiguous:
        raise InvalidInput(
            "names",
            f"{ambiguous[0]!r} stands more than once",
            "select by number with .isel, or make the names unique",
        )
    return np.array([index.get_loc(name) if name in index else -1 for name in wanted], dtype=int)
