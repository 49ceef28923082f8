"""Kind `ContactMap`: distances between the residues of a structure."""

from __future__ import annotations

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import InvalidInput
from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import POSITION_I, POSITION_J

__all__ = ["ALIGNMENT_COLUMN", "ContactMap", "contacts_at"]

ALIGNMENT_COLUMN = "alignment column"
"""What numbers of positions are called that count the columns of an alignment from 0."""


class ContactMapAttributes(pydantic.BaseModel):
    """Attributes of a `ContactMap`."""

    atom: str = pydantic.Field(description="atom that distances are measured between")
    structure: str = pydantic.Field(default="", description="identifier of the structure")
    chain: str = pydantic.Field(default="", description="chain of the structure")


class ContactMap(Element):
    """Distances in space between residues; NaN where a residue is not in the structure.

    Positions are those of the sequence set it is compared with: alignment columns where the
    structure was mapped to an alignment, residues of the chain otherwise.
    """

    distance: np.float32 = variable(
        "distance in space",
        dims=(POSITION_I, POSITION_J),
        unit="angstrom",
        nullable=True,
        ge=0,
    )
    position_i: Coordinate[np.int64] = coordinate("position", dims=(POSITION_I,), unique=True)
    position_j: Coordinate[np.int64] = coordinate("position", dims=(POSITION_J,), unique=True)
    residue_number: Coordinate[np.int64] | None = coordinate(
        "number of the residue in the structure, -1 where it has none", dims=(POSITION_I,)
    )

    class Config:
        """Options of the pandera model."""

        attrs = ContactMapAttributes


def contacts_at(contacts: xr.Dataset, mi: xr.Dataset, *, argument: str) -> xr.Dataset:
    """Give the contacts between the positions of a `PositionMI`, matched by their numbers.

    Where both are numbered from 0 and there are not equally many, one of them may have been cut
    out of a longer one without numbers of its own, or count the residues of a chain: they are
    refused, unless both say by ``long_name`` that their numbers mean the same.

    Parameters
    ----------
    contacts
        A `ContactMap`.
    mi
        A `PositionMI`.
    argument
        Name of the argument that is at fault.

    Raises
    ------
    InvalidInput
        If positions of `mi` are not among those of the contacts, or may be other ones.
    """
    wanted, there = mi[POSITION_I], contacts[POSITION_I]
    n, n_there = wanted.size, there.size
    if not np.isin(wanted, there).all():
        raise InvalidInput(
            argument,
            f"its {_range(there)} do not hold the {_range(wanted)} of the dependencies",
            "read them with read_contacts(..., aligned_to=<the aligned sequence>)",
        )
    counted = all(np.array_equal(part, np.arange(part.size)) for part in (wanted, there))
    as_many = n_there in (n, n + mi.attrs["k"] - 1)  # places where k-mers start, or all
    if counted and not as_many and not _same_meaning(wanted, there):
        raise InvalidInput(
            argument,
            f"has {n_there} positions and the dependencies {n}, both counted from 0, so they may "
            "be other ones",
            "read contacts with aligned_to=<the aligned sequence>; before taking a part of an "
            "alignment, number its columns with mutua.pp.number_positions(sequences, 0, "
            f"label={ALIGNMENT_COLUMN!r})",
        )
    chosen: xr.Dataset = contacts.sel({POSITION_I: wanted.values, POSITION_J: wanted.values})
    return chosen


def _same_meaning(first: xr.DataArray, second: xr.DataArray) -> bool:
    meaning = first.attrs.get("long_name")
    return meaning is not None and meaning == second.attrs.get("long_name")


def _range(positions: xr.DataArray) -> str:
    if not positions.size:
        return "0 positions"
    values = positions.values
    return f"{len(values)} positions from {values.min()} to {values.max()}"
