"""Contacts in a structure, as a labelled map."""

from __future__ import annotations

import os

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.io._records import path_text
from mutua.io.structures import align_to_columns, read_residue_distances
from mutua.models import ContactMap, Dataset
from mutua.models.build import assemble
from mutua.models.contact_map import ALIGNMENT_COLUMN
from mutua.models.dims import POSITION_I, POSITION_J

__all__ = ["read_contacts"]

_PAIR = (POSITION_I, POSITION_J)


def read_contacts(
    structure: str | os.PathLike[str],
    *,
    chain: str | None = None,
    atom: str = "CA",
    aligned_to: str | None = None,
) -> Dataset[ContactMap]:
    """Read the distances between the residues of a chain from PDB or mmCIF, plain or gzip.

    Parameters
    ----------
    structure
        Path.
    chain
        Name of the chain; may be left out where there is one only.
    atom
        ``"CA"``, ``"CB"`` (the alpha carbon in glycine), or ``"heavy"`` for the smallest distance
        between heavy atoms.
    aligned_to
        The chain's sequence as it stands in an alignment, gaps included: positions are then
        columns of that alignment, and residues that it lacks are left out.

    Returns
    -------
    ContactMap
        ``distance`` float32 (position_i, position_j) in angstrom, NaN where a residue has no
        coordinates; ``residue_number`` (position_i,), the numbers of the file, -1 for none.
        Positions count the columns of the alignment, or else the residues of the chain, from 0.

    Raises
    ------
    InvalidInput
        If it is no structure, has no such chain or atom, or the sequence is another protein's.

    Examples
    --------
    >>> import mutua as mt
    >>> from mutua.datasets import rhomboid_structure_path
    >>> contacts = mt.read_contacts(rhomboid_structure_path(), chain="A", atom="CB")
    >>> dict(contacts.sizes), contacts.attrs["atom"]
    ({'position_i': 182, 'position_j': 182}, 'CB')
    >>> contacts["residue_number"].values[:3]
    array([91, 92, 93])
    """
    for argument, value in (("chain", chain), ("atom", atom), ("aligned_to", aligned_to)):
        if value is not None and not isinstance(value, str):
            raise InvalidInput(argument, f"a {type(value).__name__}", "use a string")
    path = os.path.expanduser(path_text(structure, "structure"))
    try:
        found = read_residue_distances(path, chain=chain, atom=atom)  # type: ignore[arg-type]
    except InvalidInput as error:
        raise _renamed(error, "path", "structure") from error.__cause__
    numbers = np.asarray(found.residue_number, dtype=np.int64)
    distance = np.asarray(found.distance, dtype=np.float32)
    if aligned_to is not None:
        try:
            columns = align_to_columns(found.sequence, aligned_to)
        except InvalidInput as error:
            raise _renamed(error, "aligned_sequence", "aligned_to") from None
        there = columns >= 0
        numbers = np.where(there, numbers[columns], -1)
        distance = distance[np.ix_(columns, columns)]
        distance[~there, :] = np.nan
        distance[:, ~there] = np.nan
    label = "residue of the chain" if aligned_to is None else ALIGNMENT_COLUMN
    positions = np.arange(len(numbers), dtype=np.int64)
    parts = {
        "distance": distance,
        **{dim: xr.Variable((dim,), positions, {"long_name": label}) for dim in _PAIR},
        "residue_number": numbers,
        "atom": atom,
        "structure": os.path.basename(path).split(".")[0],
        "chain": found.chain,
    }
    arguments = {"structure": structure, "chain": chain, "atom": atom, "aligned_to": aligned_to}
    return assemble(ContactMap, None, parts, arguments=arguments, function="read_contacts")


def _renamed(error: InvalidInput, inner: str, outer: str) -> InvalidInput:
    """Give an error of an inner function with the argument's name as the caller knows it."""
    return InvalidInput(outer, error.found, error.remedy) if error.argument == inner else error
