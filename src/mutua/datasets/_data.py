"""Bundled data as plain arrays; `SOURCES.md` beside this file says where each comes from."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mutua.io.structures import align_to_columns, read_residue_distances
from mutua.models.alphabets import ALPHABETS, UNKNOWN

__all__ = [
    "RHOMBOID_CHAIN",
    "RHOMBOID_REFERENCE",
    "GB1Variants",
    "RhomboidAlignment",
    "load_gb1",
    "load_rhomboid",
    "load_rhomboid_distances",
    "rhomboid_structure_path",
]

DATA = Path(__file__).resolve().parent / "data"

RHOMBOID_REFERENCE = "GLPG_ECOLI"
"""Name of the aligned sequence that is the protein of the structure."""
RHOMBOID_CHAIN = "A"
"""The chain of the structure, the only one in the bundled file."""


class GB1Variants(NamedTuple):
    """What `load_gb1` gives.

    Attributes
    ----------
    codes
        uint8 (variant, position), 530,737 x 55: index into ``ACDEFGHIKLMNPQRSTVWY``.
    fitness
        float32 (variant,): log2 of the enrichment by selection, relative to the wild type's (0).
    input_count
        int64 (variant,): reads before selection, at least 10.
    selected_count
        int64 (variant,): reads after selection.
    wild_type
        The 55 letters of the wild type, which itself is none of the variants.
    """

    codes: NDArray[np.uint8]
    fitness: NDArray[np.float32]
    input_count: NDArray[np.int64]
    selected_count: NDArray[np.int64]
    wild_type: str


class RhomboidAlignment(NamedTuple):
    """What `load_rhomboid` gives.

    Attributes
    ----------
    codes
        uint8 (sequence, column), 2,767 x 135: index into ``ACDEFGHIKLMNPQRSTVWY``; 254 for a gap.
    ids
        UniProt entry names (sequence,).
    """

    codes: NDArray[np.uint8]
    ids: NDArray[np.str_]


def load_gb1() -> GB1Variants:
    """Give the fitness of nearly all double mutants of the IgG-binding domain of protein G (GB1).

    530,737 variants of 55 residues, each with two amino acids that differ from the wild type's,
    selected for binding to IgG-Fc. Ordered by the two positions, then by the two amino acids.
    Fitness is ``log2((selected + 1) / (input + 1))`` minus the same of the wild type, as in the
    source. Single mutants and the wild type are not among them.

    Returns
    -------
    GB1Variants
        Codes, fitness, read counts and the wild type.

    References
    ----------
    Olson C. A., Wu N. C., Sun R., A comprehensive biophysical description of pairwise epistasis
    throughout an entire protein domain. Current Biology 24, 2643-2651 (2014).

    Examples
    --------
    >>> variants = load_gb1()
    >>> variants.codes.shape, variants.wild_type[:10]
    ((530737, 55), 'QYKLILNGKT')
    >>> bool(variants.fitness.mean() < 0), round(float(variants.fitness.max()), 2)
    (True, 3.6)
    """
    with np.load(DATA / "gb1.npz") as stored:
        wild_type = "".join(stored["wild_type"])
        wild_type_enrichment = float(stored["wild_type_enrichment"])
        counts_before = _join_byte_planes(stored["input_bytes"])
        counts_after = _join_byte_planes(stored["selected_bytes"])
    # Every variant that was measured has at least 10 reads before selection.
    pair, first, second = np.nonzero(counts_before)
    input_count = counts_before[pair, first, second]
    selected_count = counts_after[pair, first, second]

    position_1, position_2 = np.triu_indices(len(wild_type), 1)
    codes = np.tile(_encode([wild_type])[0], (len(pair), 1))
    variant = np.arange(len(pair))
    codes[variant, position_1[pair]] = first
    codes[variant, position_2[pair]] = second
    enrichment = np.log2((selected_count + 1) / (input_count + 1))
    fitness = (enrichment - wild_type_enrichment).astype(np.float32)
    return GB1Variants(codes, fitness, input_count, selected_count, wild_type)


def load_rhomboid() -> RhomboidAlignment:
    """Give an alignment of rhomboid proteases, 2,767 sequences x 135 columns.

    The first sequence, `RHOMBOID_REFERENCE`, is GlpG of *Escherichia coli*, the protein of the
    bundled structure; every column holds one of its residues.

    Returns
    -------
    RhomboidAlignment
        Codes with 254 for gaps, and the names of the sequences.

    References
    ----------
    Mihaljević L., Urban S., Decoding the functional evolution of an intramembrane protease
    superfamily by statistical coupling analysis. Structure 28, 1329-1336 (2020).

    Examples
    --------
    >>> alignment = load_rhomboid()
    >>> alignment.codes.shape, str(alignment.ids[0])
    ((2767, 135), 'GLPG_ECOLI')
    """
    ids, sequences = _read_alignment()
    return RhomboidAlignment(_encode(sequences), np.array(ids, dtype=np.str_))


def rhomboid_structure_path() -> Path:
    """Give the path of the structure of GlpG, chain A of PDB entry 2NRF (a gzipped PDB file).

    Returns
    -------
    pathlib.Path
        A file that `mutua.io` and other programs can read.

    References
    ----------
    Wu Z. et al., Structural analysis of a rhomboid family intramembrane protease reveals a gating
    mechanism for substrate entry. Nature Structural & Molecular Biology 13, 1084-1091 (2006).

    Examples
    --------
    >>> rhomboid_structure_path().name
    'rhomboid_2nrf_a.pdb.gz'
    """
    return DATA / "rhomboid_2nrf_a.pdb.gz"


def load_rhomboid_distances(*, atom: Literal["CA", "CB", "heavy"] = "CB") -> NDArray[np.float32]:
    """Give the distances in the structure between the columns of the rhomboid alignment.

    Parameters
    ----------
    atom
        Between which atoms, as in `mutua.io.structures.read_residue_distances`.

    Returns
    -------
    numpy.ndarray
        float32 (column, column), Å.

    Examples
    --------
    >>> distance = load_rhomboid_distances()
    >>> distance.shape, round(float((distance[np.triu_indices(135, 4)] < 8).mean()), 3)
    ((135, 135), 0.035)
    """
    structure = read_residue_distances(rhomboid_structure_path(), chain=RHOMBOID_CHAIN, atom=atom)
    ids, sequences = _read_alignment()
    residue = align_to_columns(structure.sequence, sequences[ids.index(RHOMBOID_REFERENCE)])
    distance = structure.distance[np.ix_(residue, residue)]
    distance[residue < 0, :] = np.nan
    distance[:, residue < 0] = np.nan
    return distance


def _read_alignment() -> tuple[list[str], list[str]]:
    """Give the names and the aligned sequences of the rhomboid alignment."""
    with gzip.open(DATA / "rhomboid.fasta.gz", "rt", encoding="ascii") as file:
        lines = file.read().splitlines()
    # The file has one line for each name and one for each sequence.
    return [line.removeprefix(">") for line in lines[::2]], lines[1::2]


def _encode(sequences: list[str]) -> NDArray[np.uint8]:
    """Give the codes of protein sequences of one length; 254 for anything but the 20 letters."""
    table = np.full(256, UNKNOWN, dtype=np.uint8)
    table[np.frombuffer(ALPHABETS["protein"].encode(), dtype=np.uint8)] = np.arange(20)
    letters = np.frombuffer("".join(sequences).encode("ascii"), dtype=np.uint8)
    return table[letters].reshape(len(sequences), -1)


def _join_byte_planes(planes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Give the numbers whose lowest byte is in the first plane, the next one in the second ..."""
    total = np.zeros(planes.shape[1:], dtype=np.int64)
    for place, plane in enumerate(planes):
        total += plane.astype(np.int64) << (8 * place)
    return total
