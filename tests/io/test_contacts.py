"""Distances in a structure as a labelled map."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import mutua as mt
from mutua.datasets import rhomboid_structure_path
from mutua.errors import InvalidInput
from mutua.io.structures import align_to_columns, read_residue_distances


@pytest.mark.parametrize("atom", ["CA", "CB", "heavy"])
def test_residues_of_the_chain(atom):
    found = mt.read_contacts(rhomboid_structure_path(), atom=atom)
    mt.ContactMap.check(found, deep=True)
    plain = read_residue_distances(rhomboid_structure_path(), chain="A", atom=atom)
    np.testing.assert_array_equal(found["distance"], plain.distance)
    np.testing.assert_array_equal(found["residue_number"], plain.residue_number)
    assert found["position_i"].values.tolist() == list(range(182))
    attributes = {name: found.attrs[name] for name in ("atom", "structure", "chain")}
    assert attributes == {"atom": atom, "structure": "rhomboid_2nrf_a", "chain": "A"}
    step = json.loads(found.attrs["mutua"])["steps"][-1]
    assert step["function"] == "read_contacts"
    assert step["arguments"]["atom"] == atom


def test_alpha_carbons_unless_said_otherwise():
    found = mt.read_contacts(rhomboid_structure_path())
    assert found.attrs["atom"] == "CA"


def test_columns_of_an_alignment():
    plain = read_residue_distances(rhomboid_structure_path(), atom="CB")
    # Three residues are left out, two columns are gaps, one letter is in no residue.
    part = plain.sequence[10:60]
    aligned = "-" + part[:20] + "." + part[23:] + "W"
    found = mt.read_contacts(rhomboid_structure_path(), atom="CB", aligned_to=aligned)
    mt.ContactMap.check(found, deep=True)
    columns = align_to_columns(plain.sequence, aligned)
    assert (columns >= 0).sum() >= 47
    assert found.sizes["position_i"] == found.sizes["position_j"] == len(aligned)
    for i, first in enumerate(columns):
        assert found["residue_number"].values[i] == (
            -1 if first < 0 else plain.residue_number[first]
        )
        for j, second in enumerate(columns):
            expected = np.nan if min(first, second) < 0 else plain.distance[first, second]
            np.testing.assert_array_equal(found["distance"].values[i, j], expected)


def test_a_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(rhomboid_structure_path(), tmp_path / "my.protein.pdb.gz")
    assert mt.read_contacts("~/my.protein.pdb.gz").attrs["structure"] == "my"


@pytest.mark.parametrize(
    ("structure", "options", "message"),
    [
        (3, {}, "`structure`: a int"),
        (None, {}, "`structure`: a NoneType"),
        ("/nowhere/x.pdb", {}, "`structure`: no file '/nowhere/x.pdb'"),
        (__file__, {}, "`structure`: .*(is not a structure|has no polymer chain)"),
        (None, {"atom": "CG"}, "`atom`: 'CG'. Use one of"),
        (None, {"atom": 1}, "`atom`: a int"),
        (None, {"chain": "Z"}, "`chain`: no chain 'Z'"),
        (None, {"chain": 1}, "`chain`: a int"),
        (None, {"aligned_to": ["A"]}, "`aligned_to`: a list"),
        (None, {"aligned_to": "---"}, "`aligned_to`: no letters"),
        (None, {"aligned_to": "MK*"}, "`aligned_to`: the characters"),
        (None, {"aligned_to": "W" * 90}, "`aligned_to`: only .* is the same in both"),
    ],
)
def test_faults(structure, options, message):
    given = rhomboid_structure_path() if structure is None and options else structure
    with pytest.raises(InvalidInput, match=message):
        mt.read_contacts(given, **options)
