"""The bundled data are the files that SOURCES.md describes, and say what the sources say."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

import mutua as mt
from mutua.datasets import _data
from mutua.datasets._data import RHOMBOID_CHAIN, RHOMBOID_REFERENCE, rhomboid_structure_path
from mutua.errors import InvalidInput
from mutua.io.structures import read_residue_distances

FOLDER = Path(_data.__file__).parent
LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
WILD_TYPE = "QYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE"


def provenance(element: xr.Dataset) -> list[tuple[str, dict[str, object]]]:
    steps = json.loads(element.attrs["mutua"])["steps"]
    return [(step["function"], step["arguments"]) for step in steps]


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
def gb1() -> xr.Dataset:
    return mt.datasets.gb1()


def test_gb1_is_a_sequence_set(gb1: xr.Dataset) -> None:
    mt.SequenceSet.check(gb1, deep=True)
    assert dict(gb1.sizes) == {"sequence": 530_737, "position": 55, "target": 1}
    assert gb1["target"].values.tolist() == ["fitness"]
    assert gb1["prediction"].dtype == np.float32
    for name in ("input_count", "selected_count"):
        assert gb1[name].dims == ("sequence",)
        assert gb1[name].dtype == np.int64
        assert gb1[name].attrs["long_name"].startswith("reads")
    assert gb1.attrs["wild_type"] == WILD_TYPE
    assert gb1.attrs["alphabet"] == "".join(LETTERS)
    assert provenance(gb1) == [("datasets.gb1", {})]


def test_gb1_residues_have_their_numbers(gb1: xr.Dataset) -> None:
    """The numbers of the publication: W43 and F52 are in the core, G41 and V54 beside it."""
    assert gb1["position"].values.tolist() == list(range(2, 57))
    assert gb1["position"].attrs["long_name"] == "residue of GB1"
    residues = dict(zip(gb1["position"].values.tolist(), WILD_TYPE, strict=True))
    assert (residues[43], residues[52], residues[41], residues[54]) == ("W", "F", "G", "V")


def test_gb1_variants_are_different_double_mutants(gb1: xr.Dataset) -> None:
    codes = gb1["codes"].values
    mutated = codes != np.searchsorted(LETTERS, list(WILD_TYPE))
    assert (mutated.sum(axis=1) == 2).all()
    first, second = np.nonzero(mutated)[1].reshape(-1, 2).T
    variant = np.arange(len(first))
    key = first
    for part, size in ((second, 55), (codes[variant, first], 20), (codes[variant, second], 20)):
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
    gb1: xr.Dataset, start: str, input_count: int, selected_count: int, fitness: float
) -> None:
    wanted = np.searchsorted(LETTERS, list(start + WILD_TYPE[2:]))
    (row,) = np.flatnonzero((gb1["codes"].values == wanted).all(axis=1))
    variant = gb1.isel(sequence=row)
    assert (variant["input_count"], variant["selected_count"]) == (input_count, selected_count)
    assert float(variant["prediction"].sel(target="fitness")) == pytest.approx(fitness, rel=1e-6)


def test_gb1_totals(gb1: xr.Dataset) -> None:
    """The mean of the source's counts and scores over all its rows."""
    assert gb1["input_count"].values.mean() == pytest.approx(545.123046, abs=1e-6)
    assert gb1["selected_count"].values.mean() == pytest.approx(411.035093, abs=1e-6)
    fitness = gb1["prediction"].values
    assert fitness.mean(dtype=np.float64) == pytest.approx(-3.369180, abs=1e-6)
    assert gb1["input_count"].values.min() == 10


def test_rhomboid_alignment() -> None:
    alignment = mt.datasets.rhomboid()
    mt.SequenceSet.check(alignment, deep=True)
    assert dict(alignment.sizes) == {"sequence": 2_767, "position": 135}
    codes, names = alignment["codes"].values, alignment["sequence_id"].values
    assert codes.dtype == np.uint8
    assert len(set(names.tolist())) == 2_767
    gap = codes == 254
    assert gap.sum() == 4_530
    assert codes[~gap].max() == 19
    (reference,) = np.flatnonzero(names == RHOMBOID_REFERENCE)
    assert reference == 0
    sequence = "".join(LETTERS[codes[reference]])
    assert sequence.startswith("PTEFWRYFTHALMHFSLMHILFNLLWWWYLGG")
    assert mt.pp.to_strings(mt.sel(alignment, RHOMBOID_REFERENCE)) == [sequence]
    # Where the package lies is nobody's business.
    assert provenance(alignment) == [("datasets.rhomboid", {})]


def test_rhomboid_columns_in_the_structure() -> None:
    """The catalytic serine 201 and histidine 254 of GlpG face each other."""
    structure = read_residue_distances(
        rhomboid_structure_path(), chain=RHOMBOID_CHAIN, atom="heavy"
    )
    assert structure.distance.shape == (182, 182)
    assert structure.residue_number.tolist() == list(range(91, 273))
    (reference,) = mt.pp.to_strings(mt.sel(mt.datasets.rhomboid(), RHOMBOID_REFERENCE))
    serine, histidine = reference.index("GLSG") + 2, reference.index("AHIAG") + 1
    found = mt.datasets.contacts(atom="heavy")
    mt.ContactMap.check(found, deep=True)
    assert found["residue_number"].values[[serine, histidine]].tolist() == [201, 254]
    distance = found["distance"].values
    assert distance.shape == (135, 135)
    assert distance.dtype == np.float32
    assert not np.isnan(distance).any()
    np.testing.assert_array_equal(distance, distance.T)
    assert distance[serine, histidine] == structure.distance[201 - 91, 254 - 91]
    assert 2 < distance[serine, histidine] < 4


@pytest.mark.parametrize("atom", ["CA", "CB", "heavy"])
def test_contacts_are_those_of_the_columns(atom: str) -> None:
    found = mt.datasets.contacts(atom=atom)
    assert found["position_i"].values.tolist() == list(range(135))
    assert {name: found.attrs[name] for name in ("atom", "structure", "chain")} == {
        "atom": atom,
        "structure": "2NRF",
        "chain": "A",
    }
    assert provenance(found) == [("datasets.contacts", {"atom": atom})]
    structure = read_residue_distances(rhomboid_structure_path(), atom=atom)  # type: ignore[arg-type]
    numbers = found["residue_number"].values
    assert (numbers >= 0).all()
    places = np.searchsorted(structure.residue_number, numbers)
    np.testing.assert_array_equal(found["distance"], structure.distance[np.ix_(places, places)])
    (reference,) = mt.pp.to_strings(mt.datasets.rhomboid().isel(sequence=[0]))
    assert "".join(structure.sequence[place] for place in places) == reference


def test_contacts_by_default_are_between_beta_carbons() -> None:
    assert mt.datasets.contacts().attrs["atom"] == "CB"
    with pytest.raises(InvalidInput, match="`atom`: 'N'"):
        mt.datasets.contacts(atom="N")


@pytest.mark.slow
def test_coevolving_columns_are_in_contact() -> None:
    """Mutual information, corrected for its averages, finds the contacts of the structure."""
    codes = mt.datasets.rhomboid()["codes"].values
    pairs = np.triu_indices(codes.shape[1], 4)
    contact = mt.datasets.contacts(atom="CA")["distance"].values[pairs] < 8
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
