"""Distances between the residues of a protein structure, and where alignment columns lie in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mutua.errors import InvalidInput

if TYPE_CHECKING:
    import gemmi

__all__ = ["ResidueDistances", "align_to_columns", "read_residue_distances"]

Atom = Literal["CA", "CB", "heavy"]

ATOMS = ("CA", "CB", "heavy")
GAPS = "-."
PAIRS_PER_BLOCK = 4_000_000


class ResidueDistances(NamedTuple):
    """What `read_residue_distances` gives.

    Attributes
    ----------
    distance
        float32 (residue, residue), Å; symmetric, 0 on the diagonal, NaN in the rows and columns of
        residues that lack the atom.
    residue_number
        int64 (residue,): the numbers that the file gives the residues.
    insertion_code
        Strings (residue,): the letter after the number where a file numbers several residues
        alike, else empty.
    sequence
        One letter per residue, X where the residue is none of the known amino acids or bases.
    chain
        Name of the chain.
    """

    distance: NDArray[np.float32]
    residue_number: NDArray[np.int64]
    insertion_code: NDArray[np.str_]
    sequence: str
    chain: str


def read_residue_distances(
    path: str | os.PathLike[str],
    *,
    chain: str | None = None,
    atom: Atom = "CA",
    model: int = 0,
) -> ResidueDistances:
    """Give the distances between the residues of one chain of a structure.

    Only residues with coordinates are given, in the order of the chain; water and ligands are left
    out. Of alternative conformations the first is taken.

    Parameters
    ----------
    path
        A PDB or mmCIF file, plain or compressed with gzip.
    chain
        Name of the chain (in mmCIF the author's, ``auth_asym_id``). May be left out where the
        structure has a single polymer chain.
    atom
        Between which atoms: ``"CA"``; ``"CB"``, for glycine its CA; or ``"heavy"``, the smallest
        distance between any two atoms other than hydrogen.
    model
        Which model of the file, from 0.

    Returns
    -------
    ResidueDistances
        Distances in Å with residue numbers and sequence; NaN where a residue lacks the atom.

    Raises
    ------
    InvalidInput
        The file is missing or no structure; it has no such model or chain; several chains and none
        was named; the chain has no residues or none of them has the atom.

    Examples
    --------
    >>> from mutua.datasets import rhomboid_structure_path
    >>> structure = read_residue_distances(rhomboid_structure_path(), chain="A", atom="CB")
    >>> structure.distance.shape, structure.sequence[:5], int(structure.residue_number[0])
    ((182, 182), 'ERAGP', 91)
    >>> round(float(structure.distance[10, 14]), 2)
    6.46
    """
    if atom not in ATOMS:
        raise InvalidInput("atom", f"{atom!r}", f"use one of {list(ATOMS)}")
    name, residues = _chain_residues(_read_model(path, model), chain, os.fspath(path))
    coordinates, owner = _coordinates(residues, atom)
    if not len(owner):
        raise InvalidInput(
            "atom",
            f"no residue of the chain has an atom {atom}",
            'use atom="heavy", or name a protein chain',
        )
    return ResidueDistances(
        _smallest_distances(coordinates, owner, len(residues)),
        np.array([residue.seqid.num for residue in residues], dtype=np.int64),
        np.array([residue.seqid.icode.strip() for residue in residues], dtype=np.str_),
        _one_letter(residues),
        name,
    )


def align_to_columns(
    chain_sequence: str, aligned_sequence: str, *, min_identity: float = 0.5
) -> NDArray[np.int64]:
    """Give the residue of a chain that each column of an alignment holds.

    The sequence without its gaps is aligned with the chain from end to end (match 5, mismatch -4,
    gap -10 and -1 for each residue), so that residues which only one of the two has are skipped:
    loops without coordinates, tags, and insertions that the alignment leaves out.

    Parameters
    ----------
    chain_sequence
        One letter per residue of the chain, as `read_residue_distances` gives it.
    aligned_sequence
        The row of the alignment that is the chain's protein, one letter or gap (``-`` or ``.``)
        per column.
    min_identity
        Least share of the shorter sequence that must have the same letter in the other one.

    Returns
    -------
    numpy.ndarray
        int64 (column,): index into the chain's residues, from 0; -1 for gaps and for letters with
        no residue in the chain.

    Raises
    ------
    InvalidInput
        A sequence is empty or holds something other than letters and gaps, or the two are too
        different to be the same protein.

    Examples
    --------
    >>> align_to_columns("MKTAYIAKQR", "--TAY-KQRW")
    array([-1, -1,  2,  3,  4, -1,  7,  8,  9, -1])
    """
    import gemmi

    letters = np.array(list(aligned_sequence), dtype=np.str_)
    is_letter = ~np.isin(letters, list(GAPS))
    query = "".join(letters[is_letter]).upper()
    target = chain_sequence.upper()
    _require_letters("aligned_sequence", query)
    _require_letters("chain_sequence", target)

    scoring = gemmi.AlignmentScoring()
    scoring.match, scoring.mismatch = 5, -4
    scoring.gape = -1
    scoring.gapo = scoring.good_gapo = scoring.bad_gapo = -10
    alignment = gemmi.align_string_sequences(list(query), list(target), [], scoring)
    identity = alignment.match_count / min(len(query), len(target))
    if identity < min_identity:
        raise InvalidInput(
            "aligned_sequence",
            f"only {identity:.0%} of it or of the chain is the same in both",
            "give the row of the alignment that is the structure's own protein, or name another "
            "chain",
        )
    in_query = np.array(list(alignment.add_gaps(query, 1))) != "-"
    in_target = np.array(list(alignment.add_gaps(target, 2))) != "-"
    residue = np.where(in_target, np.cumsum(in_target) - 1, -1)
    columns = np.full(len(letters), -1, dtype=np.int64)
    columns[is_letter] = residue[in_query]
    return columns


def _require_letters(argument: str, sequence: str) -> None:
    """Refuse a sequence that is empty or holds anything but letters."""
    if not sequence:
        raise InvalidInput(argument, "no letters", "give a sequence with at least one residue")
    others = sorted({letter for letter in sequence if not (letter.isascii() and letter.isalpha())})
    if others:
        raise InvalidInput(
            argument, f"the characters {others}", f"use letters, and {list(GAPS)} for gaps"
        )


def _read_model(path: str | os.PathLike[str], model: int) -> gemmi.Model:
    """Read one model of a structure file."""
    import gemmi

    if not Path(path).is_file():
        raise InvalidInput("path", f"no file {os.fspath(path)!r}", "give a PDB or mmCIF file")
    try:
        # Detect looks at the content; the default goes by the file name and takes any text for PDB.
        structure = gemmi.read_structure(os.fspath(path), format=gemmi.CoorFormat.Detect)
    except (RuntimeError, ValueError, OSError) as error:
        raise InvalidInput(
            "path",
            f"{os.fspath(path)!r} is not a structure ({error})",
            "give a PDB or mmCIF file, plain or .gz",
        ) from error
    if not len(structure):
        raise InvalidInput(
            "path", f"{os.fspath(path)!r} holds no atoms", "give a file with coordinates"
        )
    if isinstance(model, bool) or not 0 <= model < len(structure):
        raise InvalidInput(
            "model", f"{model!r}, of {len(structure)} model(s)", f"use 0 to {len(structure) - 1}"
        )
    structure.setup_entities()
    # A model lives only as long as its structure, a clone by itself.
    return structure[model].clone()


def _chain_residues(model: gemmi.Model, chain: str | None, name: str) -> tuple[str, list[Any]]:
    """Give the name and the polymer residues of the chain asked for, one conformation each."""
    polymers = {each.name: list(each.get_polymer().first_conformer()) for each in model}
    filled = [each for each, residues in polymers.items() if residues]
    if chain is None:
        if not filled:
            raise InvalidInput(
                "path", f"{name!r} has no polymer chain", "give a structure with a protein chain"
            )
        if len(filled) > 1:
            raise InvalidInput("chain", f"{name!r} has several chains", f"name one of {filled}")
        chain = filled[0]
    if chain not in polymers:
        raise InvalidInput("chain", f"no chain {chain!r} in {name!r}", f"use one of {filled}")
    if not polymers[chain]:
        raise InvalidInput(
            "chain",
            f"chain {chain!r} holds no polymer residues, only water or ligands",
            f"use one of {filled}" if filled else "give a structure with a protein chain",
        )
    return chain, polymers[chain]


def _one_letter(residues: list[Any]) -> str:
    """Give the residues' letters; a modified residue has the letter of its parent."""
    import gemmi

    letters = (gemmi.find_tabulated_residue(residue.name).one_letter_code for residue in residues)
    return "".join(letter.upper() if letter.isalpha() else "X" for letter in letters)


def _coordinates(residues: list[Any], atom: Atom) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give (atom, 3) coordinates and the residue that owns each atom, in ascending order."""
    positions: list[list[float]] = []
    owner: list[int] = []
    for index, residue in enumerate(residues):
        wanted = "CA" if atom == "CB" and residue.name == "GLY" else atom
        for found in residue.first_conformer():
            # The name alone would take a calcium ion for an alpha carbon.
            if (
                not found.is_hydrogen()
                if atom == "heavy"
                else found.name == wanted and found.element.name == "C"
            ):
                positions.append(found.pos.tolist())
                owner.append(index)
    return np.array(positions, dtype=np.float64).reshape(-1, 3), np.array(owner, dtype=np.int64)


def _smallest_distances(
    coordinates: NDArray[np.float64], owner: NDArray[np.int64], n_residues: int
) -> NDArray[np.float32]:
    """Give the smallest distance between the atoms of every two residues, block by block."""
    present, first = np.unique(owner, return_index=True)
    last = np.append(first[1:], len(owner))
    smallest = np.empty((len(present), len(present)))
    start = 0
    while start < len(present):
        # As many whole residues as fit the block, at least one.
        limit = first[start] + max(1, PAIRS_PER_BLOCK // len(owner))
        stop = max(start + 1, int(np.searchsorted(last, limit, side="right")))
        rows = coordinates[first[start] : last[stop - 1]]
        squared = np.zeros((len(rows), len(coordinates)))
        for axis in range(3):
            squared += (rows[:, axis, None] - coordinates[None, :, axis]) ** 2
        by_column = np.minimum.reduceat(squared, first, axis=1)
        smallest[start:stop] = np.minimum.reduceat(
            by_column, first[start:stop] - first[start], axis=0
        )
        start = stop
    distance = np.full((n_residues, n_residues), np.nan, dtype=np.float32)
    distance[np.ix_(present, present)] = np.sqrt(smallest)
    return distance
