"""The bundled data are the files that SOURCES.md describes, and say what the sources say."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from mutua.datasets import _data
from mutua.datasets._data import (
    RHOMBOID_CHAIN,
    RHOMBOID_REFERENCE,
    GB1Variants,
    load_gb1,
    load_rhomboid,
    load_rhomboid_distances,
    rhomboid_structure_path,
)
from mutua.io.structures import read_residue_distances

FOLDER = Path(_data.__file__).parent
LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWY"))


def test_every_file_is_listed_with_its_checksum() -> None:
    row = re.compile(r"^\| `(\S+)` \| ([\d,]+) \| `([0-9a-f]{64})` \|", re.MULTILINE)
    listed = {
        name: (int(size.replace(",", "")), digest)
        for name, size, digest in row.findall((FOLDER / "SOURCES.md").read_text(encoding="utf-8"))
    }
    found = {}
    for path in (FOLDER / "data").iterdir():
        content = path.read_bytes()
        found[path.name] = (len(content), hashlib.sha256(content).hexdigest())
    assert found == listed
    assert sum(size for size, _ in found.values()) < 4_000_000


@pytest.fixture(scope="module")
def gb1() -> GB1Variants:
    return load_gb1()


def test_gb1_shapes(gb1: GB1Variants) -> None:
    assert gb1.codes.shape == (530_737, 55)
    assert gb1.codes.dtype == np.uint8
    assert gb1.fitness.shape == gb1.input_count.shape == gb1.selected_count.shape == (530_737,)
    assert gb1.fitness.dtype == np.float32
    assert gb1.wild_type == "QYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE"


def test_gb1_variants_are_different_double_mutants(gb1: GB1Variants) -> None:
    wild_type = np.searchsorted(LETTERS, list(gb1.wild_type))
    mutated = gb1.codes != wild_type
    assert (mutated.sum(axis=1) == 2).all()
    first, second = np.nonzero(mutated)[1].reshape(-1, 2).T
    variant = np.arange(len(first))
    key = first
    for part, size in (
        (second, 55),
        (gb1.codes[variant, first], 20),
        (gb1.codes[variant, second], 20),
    ):
        key = key * size + part
    assert (np.diff(key) > 0).all()


@pytest.mark.parametrize(
    ("start", "input_count", "selected_count", "fitness"),
    [
        # Rows of the source.
        ("AA", 173, 33, -3.1451539939809026),
        ("AF", 69, 168, 0.48192307995470407),
        ("CL", 109, 37, -2.3231055394635876),
    ],
)
def test_gb1_rows(
    gb1: GB1Variants, start: str, input_count: int, selected_count: int, fitness: float
) -> None:
    wanted = np.searchsorted(LETTERS, list(start + gb1.wild_type[2:]))
    (row,) = np.flatnonzero((gb1.codes == wanted).all(axis=1))
    assert (gb1.input_count[row], gb1.selected_count[row]) == (input_count, selected_count)
    assert gb1.fitness[row] == pytest.approx(fitness, rel=1e-6)


def test_gb1_totals(gb1: GB1Variants) -> None:
    """The mean of the source's counts and scores over all its rows."""
    assert gb1.input_count.mean() == pytest.approx(545.123046, abs=1e-6)
    assert gb1.selected_count.mean() == pytest.approx(411.035093, abs=1e-6)
    assert gb1.fitness.mean(dtype=np.float64) == pytest.approx(-3.369180, abs=1e-6)
    assert gb1.input_count.min() == 10


def test_rhomboid_alignment() -> None:
    alignment = load_rhomboid()
    assert alignment.codes.shape == (2_767, 135)
    assert alignment.codes.dtype == np.uint8
    assert len(np.unique(alignment.ids)) == 2_767
    gap = alignment.codes == 254
    assert gap.sum() == 4_530
    assert alignment.codes[~gap].max() == 19
    (reference,) = np.flatnonzero(alignment.ids == RHOMBOID_REFERENCE)
    sequence = "".join(LETTERS[alignment.codes[reference]])
    assert sequence.startswith("PTEFWRYFTHALMHFSLMHILFNLLWWWYLGG")


def test_rhomboid_columns_in_the_structure() -> None:
    """The catalytic serine 201 and histidine 254 of GlpG face each other."""
    structure = read_residue_distances(
        rhomboid_structure_path(), chain=RHOMBOID_CHAIN, atom="heavy"
    )
    assert structure.distance.shape == (182, 182)
    assert structure.residue_number.tolist() == list(range(91, 273))
    alignment = load_rhomboid()
    reference = "".join(LETTERS[alignment.codes[alignment.ids.tolist().index(RHOMBOID_REFERENCE)]])
    serine, histidine = reference.index("GLSG") + 2, reference.index("AHIAG") + 1
    distance = load_rhomboid_distances(atom="heavy")
    assert distance.shape == (135, 135)
    assert distance.dtype == np.float32
    assert not np.isnan(distance).any()
    np.testing.assert_array_equal(distance, distance.T)
    assert distance[serine, histidine] == structure.distance[201 - 91, 254 - 91]
    assert 2 < distance[serine, histidine] < 4


def test_coevolving_columns_are_in_contact() -> None:
    """Mutual information, corrected for its averages, finds the contacts of the structure."""
    codes = load_rhomboid().codes
    pairs = np.triu_indices(codes.shape[1], 4)
    contact = load_rhomboid_distances(atom="CA")[pairs] < 8
    information = mutual_information(codes)
    mean = information.sum(axis=0) / (len(information) - 1)
    corrected = information - np.outer(mean, mean) / mean.mean()
    assert contact.mean() == pytest.approx(0.033, abs=0.001)
    assert roc_auc_score(contact, information[pairs]) < 0.6
    assert roc_auc_score(contact, corrected[pairs]) > 0.73


def mutual_information(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """MI (column, column) in bits, 0 on the diagonal, sequences weighted at 80 % identity."""
    n_sequences, n_columns = codes.shape
    one_hot = np.zeros((n_sequences, n_columns, 20), dtype=np.float32)
    sequence, column = np.nonzero(codes < 20)
    one_hot[sequence, column, codes[sequence, column]] = 1
    flat = one_hot.reshape(n_sequences, -1)
    weight = 1 / (flat @ flat.T >= 0.8 * n_columns).sum(axis=1)
    joint = (flat.T * weight.astype(np.float32)) @ flat
    joint = joint.reshape(n_columns, 20, n_columns, 20).transpose(0, 2, 1, 3).astype(np.float64)
    joint /= joint.sum(axis=(2, 3), keepdims=True)

    def entropy(probability: NDArray[np.float64], axis: int | tuple[int, int]) -> NDArray:
        logarithm = np.log2(probability, where=probability > 0, out=np.zeros_like(probability))
        return -(probability * logarithm).sum(axis=axis)

    information = entropy(joint.sum(axis=3), 2) + entropy(joint.sum(axis=2), 2)
    information -= entropy(joint, (2, 3))
    np.fill_diagonal(information, 0)
    return information
