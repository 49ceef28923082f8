"""Bundled data as labelled elements; `SOURCES.md` beside this file says where each comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mutua.io.contacts import read_contacts
from mutua.io.sequences import read_fasta
from mutua.kernels.letters import decode, encode, letter_table
from mutua.models import ContactMap, Dataset, SequenceSet
from mutua.models.alphabets import ALPHABETS
from mutua.models.build import assemble
from mutua.models.dims import CODES, POSITION, PREDICTION, SEQUENCE, SEQUENCE_ID, TARGET

__all__ = ["contacts", "gb1", "rhomboid", "rhomboid_structure_path"]

DATA = Path(__file__).resolve().parent / "data"
PROTEIN = ALPHABETS["protein"]

RHOMBOID_REFERENCE = "GLPG_ECOLI"
"""Name of the aligned sequence that is the protein of the structure."""
RHOMBOID_CHAIN = "A"
"""The chain of the structure, the only one in the bundled file."""
GB1_FIRST_RESIDUE = 2
"""Number of the first residue of the variants in protein GB1; residue 1 was not varied."""


def gb1() -> Dataset[SequenceSet]:
    """Give the fitness of nearly all double mutants of the IgG-binding domain of protein G (GB1).

    530,737 variants of 55 residues, each with two amino acids that differ from the wild type's,
    selected for binding to IgG-Fc. Ordered by the two positions, then by the two amino acids.
    Fitness is ``log2((selected + 1) / (input + 1))`` minus the same of the wild type, as in the
    source. Single mutants and the wild type are not among them.

    Returns
    -------
    SequenceSet
        ``codes`` uint8 (sequence, position), 530,737 x 55; ``prediction`` float32
        (sequence, target), the one target being ``fitness``; ``input_count`` and
        ``selected_count`` int64 (sequence,), the reads before (at least 10) and after selection;
        ``position``, the residue numbers 2 to 56; attribute ``wild_type``, its 55 letters.

    References
    ----------
    Olson C. A., Wu N. C., Sun R., A comprehensive biophysical description of pairwise epistasis
    throughout an entire protein domain. Current Biology 24, 2643-2651 (2014).

    Examples
    --------
    >>> import mutua as mt
    >>> variants = mt.datasets.gb1()
    >>> dict(variants.sizes)
    {'sequence': 530737, 'position': 55, 'target': 1}
    >>> fittest = mt.pp.select(variants, target="fitness", top=3)
    >>> fittest["prediction"].values.ravel().round(2)
    array([2.99, 3.6 , 3.07], dtype=float32)
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

    codes = np.tile(encode(wild_type.encode("ascii"), letter_table(PROTEIN)), (len(pair), 1))
    position_1, position_2 = np.triu_indices(len(wild_type), 1)
    variant = np.arange(len(pair))
    codes[variant, position_1[pair]] = first
    codes[variant, position_2[pair]] = second
    enrichment = np.log2((selected_count + 1) / (input_count + 1))
    fitness = (enrichment - wild_type_enrichment).astype(np.float32)

    residue = np.arange(GB1_FIRST_RESIDUE, GB1_FIRST_RESIDUE + len(wild_type), dtype=np.int64)
    measured = {"long_name": "log2 enrichment by selection, relative to the wild type"}
    element = xr.Dataset(
        {
            CODES: ((SEQUENCE, POSITION), codes),
            PREDICTION: ((SEQUENCE, TARGET), fitness[:, None], measured),
            "input_count": (SEQUENCE, input_count, {"long_name": "reads before selection"}),
            "selected_count": (SEQUENCE, selected_count, {"long_name": "reads after selection"}),
        },
        coords={
            POSITION: (POSITION, residue, {"long_name": "residue of GB1"}),
            TARGET: (TARGET, ["fitness"]),
        },
        attrs={"alphabet": PROTEIN, "wild_type": wild_type},
    )
    return assemble(SequenceSet, element, {}, function="datasets.gb1")


def rhomboid() -> Dataset[SequenceSet]:
    """Give an alignment of rhomboid proteases, 2,767 sequences x 135 columns.

    The first sequence, GLPG_ECOLI, is GlpG of *Escherichia coli*, the protein of the bundled
    structure (`contacts`); every column holds one of its residues.

    Returns
    -------
    SequenceSet
        ``codes`` uint8 (sequence, position) with 254, the unknown letter, for gaps;
        ``sequence_id``, the UniProt entry names; ``position``, the columns from 0, which a part of
        the alignment keeps.

    References
    ----------
    Mihaljević L., Urban S., Decoding the functional evolution of an intramembrane protease
    superfamily by statistical coupling analysis. Structure 28, 1329-1336 (2020).

    Examples
    --------
    >>> import mutua as mt
    >>> alignment = mt.datasets.rhomboid()
    >>> dict(alignment.sizes), str(alignment["sequence_id"].values[0])
    ({'sequence': 2767, 'position': 135}, 'GLPG_ECOLI')
    >>> weighted = mt.pp.sequence_weights(alignment, identity=0.8)
    >>> round(float(weighted["weight"].sum()))
    1792
    """
    found = read_fasta(DATA / "rhomboid.fasta.gz", alphabet="protein")
    return assemble(SequenceSet, found, {}, function="datasets.rhomboid")


def rhomboid_structure_path() -> Path:
    """Give the path of the structure of GlpG, chain A of PDB entry 2NRF (a gzipped PDB file).

    Returns
    -------
    pathlib.Path
        A file that `mutua.read_contacts` and other programs can read.

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


def contacts(*, atom: str = "CB") -> Dataset[ContactMap]:
    """Give the distances in the structure of GlpG between the columns of the rhomboid alignment.

    Parameters
    ----------
    atom
        ``"CA"``, ``"CB"`` (the alpha carbon in glycine), or ``"heavy"`` for the smallest distance
        between heavy atoms.

    Returns
    -------
    ContactMap
        ``distance`` float32 (position_i, position_j), 135 x 135, angstrom; positions are the
        columns of `rhomboid`, ``residue_number`` the numbers in PDB entry 2NRF.

    Raises
    ------
    InvalidInput
        For any other `atom`.

    References
    ----------
    Wu Z. et al., Structural analysis of a rhomboid family intramembrane protease reveals a gating
    mechanism for substrate entry. Nature Structural & Molecular Biology 13, 1084-1091 (2006).

    Examples
    --------
    >>> import numpy as np
    >>> import mutua as mt
    >>> distance = mt.datasets.contacts()["distance"].values
    >>> distance.shape, round(float((distance[np.triu_indices(135, 4)] < 8).mean()), 3)
    ((135, 135), 0.035)
    """
    alignment = rhomboid()
    row = int(np.flatnonzero(alignment[SEQUENCE_ID].values == RHOMBOID_REFERENCE)[0])
    aligned = decode(alignment[CODES].values[[row]], PROTEIN, unknown="-")[0].decode("ascii")
    found = read_contacts(
        rhomboid_structure_path(), chain=RHOMBOID_CHAIN, atom=atom, aligned_to=aligned
    )
    named = {"structure": "2NRF"}
    return assemble(
        ContactMap, found, named, arguments={"atom": atom}, function="datasets.contacts"
    )


def _join_byte_planes(planes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Give the numbers whose lowest byte is in the first plane, the next one in the second ..."""
    total = np.zeros(planes.shape[1:], dtype=np.int64)
    for place, plane in enumerate(planes):
        total += plane.astype(np.int64) << (8 * place)
    return total
