"""Selection by name along dims that carry no index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from mutua.errors import InvalidInput
from mutua.models.base import Dataset, Element
from mutua.models.checked import checked
from mutua.models.dims import NAMES
from mutua.models.faults import blocks

__all__ = ["sel"]

E = TypeVar("E", bound=Element)


@checked
def sel(element: Dataset[E], names: str | Sequence[str], *, dim: str = "sequence") -> Dataset[E]:
    """Select entries of a dim by name, in the order asked for.

    The names on record are read block by block, so that ten million of them need no index; on a
    small dim with an index ``.sel`` does the same.

    Parameters
    ----------
    element
        An element whose dim carries names: for ``sequence`` the coordinate ``sequence_id``, for
        any other the coordinate called like the dim.
    names
        One name or several; a name may be asked for more than once.
    dim
        The dim to select along.

    Returns
    -------
    xarray.Dataset
        The entries, an element of the same kind; the dim stays even for one name.

    Raises
    ------
    InvalidInput
        If the dim has no names, a name is unknown, or an entry asked for shares its name with
        another.
    InvalidElement
        If it is no element of mutua.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["ACGT", "TTTT"], sequence_id=["first", "second"])
    >>> mt.pp.to_strings(mt.sel(seqs, "second"))
    ['TTTT']
    """
    wanted = pd.Index([names] if np.ndim(names) == 0 else list(names))
    if dim not in element.dims:
        raise InvalidInput("dim", f"{dim!r} is no dim", f"use one of {list(element.dims)}")
    coordinate = NAMES.get(dim, dim)
    if coordinate not in element.coords:
        raise InvalidInput(
            "element",
            f"has no names along {dim!r}",
            f"select by number with .isel({dim}=...), or add the coordinate {coordinate!r}",
        )
    different = wanted.unique()
    found = np.full(len(different), -1)
    for (start,), block in blocks(element.variables[coordinate]):
        known = block.values.astype(object) if block.dtype.kind in "OTU" else block.values
        which = different.get_indexer(pd.Index(known))
        for place in np.flatnonzero(which >= 0):
            if found[which[place]] >= 0:
                raise InvalidInput(
                    "names",
                    f"{different[which[place]]!r} stands more than once",
                    "select by number with .isel, or make the names unique",
                )
            found[which[place]] = start + place
    missing = different[found < 0]
    if len(missing):
        shown = ", ".join(map(repr, missing[:5]))
        remedy = f"use names in the coordinate {coordinate!r}"
        raise InvalidInput("names", f"not found: {shown} ({len(missing)} in all)", remedy)
    return element.isel({dim: found[different.get_indexer(wanted)]})
