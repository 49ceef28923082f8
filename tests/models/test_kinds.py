"""Every kind: its example is valid, is stored and comes back, and its own faults are found."""

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement
from mutua.models import KINDS, Element, PositionMI, SequenceSet, provenance
from mutua.models.base import find_faults
from mutua.models.position_mi import CORRECTIONS, MEASURES
from tests.models.examples import (
    EXAMPLES,
    contact_map,
    kmer_pairs,
    never_computed,
    position_mi,
    sequence_set,
)

OURS = {name: kind for name, kind in KINDS.items() if kind.__module__.startswith("mutua.")}


def faults(element: xr.Dataset, *, deep: bool = False) -> list[str]:
    kind = KINDS[provenance.read_record(element)["kind"]]  # type: ignore[index]
    return [str(fault) for fault in find_faults(kind, element, deep=deep)]


def test_every_kind_has_an_example() -> None:
    assert set(EXAMPLES) == set(OURS), "add the new kind to tests/models/examples.py"


@pytest.mark.parametrize("name", EXAMPLES)
class TestEveryKind:
    def test_the_example_is_valid(self, name: str) -> None:
        OURS[name].check(EXAMPLES[name](), deep=True)

    def test_its_axes_have_different_sizes(self, name: str) -> None:
        squares = ("position_j", "regulator")
        sizes = [n for dim, n in EXAMPLES[name]().sizes.items() if dim not in squares]
        assert len(sizes) == len(set(sizes))

    def test_it_is_public(self, name: str) -> None:
        assert getattr(mt, name) is OURS[name]
        assert name in mt.models.__all__

    def test_it_is_described(self, name: str) -> None:
        kind = OURS[name]
        assert kind.__doc__ is not None
        assert kind.__doc__ != Element.__doc__
        for spec in kind.specs().values():
            assert spec.description, spec
            assert spec.dims, spec
        for attribute in kind.__config__.attrs.model_fields.values():
            assert attribute.description

    def test_each_required_part_is_asked_for(self, name: str) -> None:
        example = EXAMPLES[name]()
        for field, spec in OURS[name].specs().items():
            if field not in example:
                assert not spec.required
                continue
            found = faults(example.drop_vars(field))
            assert (
                any(line.startswith(f"{spec.place}: is missing") for line in found) == spec.required
            )

    def test_each_dtype_and_each_dim_is_asked_for(self, name: str) -> None:
        example = EXAMPLES[name]()
        for field, spec in OURS[name].specs().items():
            if field not in example:
                continue
            part = example[field].variable
            element = example.drop_vars(field)
            wrong = np.zeros(part.shape, dtype="datetime64[ns]")
            typed = element.assign({field: (part.dims, wrong)})
            typed = typed.set_coords(field) if spec.is_coordinate else typed
            assert any(line.startswith(f"{spec.place}: has dtype") for line in faults(typed)), field
            moved = element.assign({field: ([f"new_{dim}" for dim in part.dims], part.values)})
            moved = moved.set_coords(field) if spec.is_coordinate else moved
            assert any(line.startswith(f"{spec.place}: has dims") for line in faults(moved)), field

    def test_each_required_attribute_is_asked_for(self, name: str) -> None:
        example = EXAMPLES[name]()
        for attribute, field in OURS[name].__config__.attrs.model_fields.items():
            element = example.copy(deep=False)
            element.attrs = {key: own for key, own in example.attrs.items() if key != attribute}
            missing = any(
                f"attribute {attribute!r}: is missing" in line for line in faults(element)
            )
            assert missing == field.is_required()

    def test_it_is_stored_and_comes_back(self, name: str, tmp_path: Path) -> None:
        element = EXAMPLES[name]()
        mt.Analysis({"element": element}).write(tmp_path / "study.zarr")
        opened = mt.open(tmp_path / "study.zarr")["element"]
        assert opened.equals(element) or _equal_texts(opened, element)
        assert faults(opened, deep=True) == []
        assert {key: value for key, value in opened.attrs.items() if key != "mutua"} == {
            key: value for key, value in element.attrs.items() if key != "mutua"
        }
        assert provenance.chain(opened) == provenance.chain(element)

    def test_lazily(self, name: str) -> None:
        element = EXAMPLES[name]()
        lazy = element.chunk(dict.fromkeys(element.dims, 2))
        assert faults(lazy) == []
        assert faults(lazy, deep=True) == []

    def test_a_further_variable_may_be_there(self, name: str) -> None:
        element = EXAMPLES[name]()
        dim = next(iter(element.dims))
        note = ["x"] * element.sizes[dim]
        assert faults(element.assign(note=(dim, note))) == []


def _equal_texts(one: xr.Dataset, other: xr.Dataset) -> bool:
    return all(one[name].values.tolist() == other[name].values.tolist() for name in other.variables)


class TestSequenceSet:
    @pytest.mark.parametrize("code", [4, 5, 77, 253])
    def test_codes_that_stand_for_nothing(self, code: int) -> None:
        element = sequence_set()
        element["codes"].values[5, 3] = code
        element["codes"].values[6, 0] = code
        assert faults(element) == [
            f"variable 'codes', sequence 5, position 3: code {code} in an alphabet of 4 letters"
            " -> use 0 to 3, 254 (unknown) or 255 (padding)"
        ]

    @pytest.mark.parametrize("code", [0, 3, 254, 255])
    def test_codes_that_stand_for_something(self, code: int) -> None:
        element = sequence_set()
        element["codes"].values[5, 3] = code
        assert faults(element) == []

    @pytest.mark.parametrize("size", [2, 3, 20, 90])
    def test_every_code_of_every_alphabet(self, size: int) -> None:
        letters = "".join(map(chr, range(33, 33 + size)))
        for code in range(256):
            element = xr.Dataset(
                {"codes": (("sequence", "position"), np.array([[0, code]], np.uint8))},
                attrs={"alphabet": letters},
            )
            found = list(find_faults(SequenceSet, element))
            assert bool(found) == (size <= code < 254), code

    @pytest.mark.parametrize("layout", ["C", "F", "strided"])
    def test_the_first_bad_code_in_many_blocks(self, layout: str) -> None:
        codes = np.zeros((30_000, 40), np.uint8)
        codes[::7] = 255
        codes[[23_456, 29_999], [38, 1]] = 100
        values = {"C": codes, "F": np.asfortranarray(codes), "strided": np.repeat(codes, 2, 0)[::2]}
        for data in (values[layout], da.from_array(values[layout], chunks=(10_000, 40))):
            element = xr.Dataset(
                {"codes": (("sequence", "position"), data)}, attrs={"alphabet": "ACGT"}
            )
            (fault,) = find_faults(SequenceSet, element, deep=True)
            assert fault.location == "variable 'codes', sequence 23456, position 38"

    @pytest.mark.parametrize(
        ("alphabet", "message"),
        [
            ("DNA", "'DNA' is the name of an alphabet -> use its letters 'ACGT'"),
            ("protein", "'protein' is the name of an alphabet"),
            ("AACG", "names no alphabet and repeats 'A'"),
            ("A C", "the character ' '"),
            ("A", "string should have at least 2 characters"),
            (5, "input should be a valid string"),
            (None, "input should be a valid string"),
        ],
    )
    def test_alphabets_that_are_none(self, alphabet: object, message: str) -> None:
        element = sequence_set().assign_attrs(alphabet=alphabet)
        (found,) = faults(element)
        assert found.startswith("attribute 'alphabet': ")
        assert message in found

    def test_negative_numbers(self) -> None:
        element = sequence_set()
        for name in ("weight", "length", "start", "end"):
            element[name].values[2] = -1
        assert [line.partition(":")[0] for line in faults(element)] == [
            "variable 'weight'",
            "variable 'length'",
            "coordinate 'start'",
            "coordinate 'end'",
        ]

    def test_strands(self) -> None:
        element = sequence_set()
        element["strand"].values[4] = "x"
        assert faults(element) == [
            "coordinate 'strand': 1 value is not in ['+', '-', '.'] (first: 'x' at sequence 4)"
        ]

    def test_targets_have_different_names(self) -> None:
        element = sequence_set().assign_coords(target=["donor", "donor", "neither"])
        assert faults(element) == [
            "coordinate 'target': repeats 'donor' (1 in all) -> make them unique"
        ]


class TestPositionMI:
    def test_a_matrix_that_is_not_symmetric(self) -> None:
        element = position_mi()
        element["mi"].values[0, 2] = 7
        assert faults(element) == ["variable 'mi': is not symmetric -> use (mi + mi.T) / 2"]

    def test_one_that_is_no_square(self) -> None:
        found = faults(position_mi().isel(position_j=slice(3)))
        assert found == ["dims: 4 x 3 is no square -> use the same positions"]

    def test_positions_that_differ(self) -> None:
        element = position_mi().assign_coords(position_j=np.arange(4) + 1)
        assert faults(element) == [
            "coordinate 'position_j': are not those of 'position_i' -> use the same positions"
        ]

    @pytest.mark.parametrize("value", [-0.1, 1.1])
    def test_probabilities(self, value: float) -> None:
        element = position_mi()
        element["p_value"].values[1, 2] = value
        (found,) = faults(element)
        assert "(first: " in found
        assert "at position_i 1, position_j 2)" in found

    def test_every_measure_and_correction(self) -> None:
        for measure in MEASURES:
            assert faults(position_mi().assign_attrs(measure=measure)) == []
        for correction in CORRECTIONS:
            assert faults(position_mi().assign_attrs(correction=correction)) == []
        (found,) = faults(position_mi().assign_attrs(measure="correlation"))
        assert found.startswith("attribute 'measure': input should be 'mi', 'jensen_shannon'")


def test_lazy_matrices_are_not_computed() -> None:
    lazy = position_mi().assign(mi=(("position_i", "position_j"), never_computed((4, 4), float)))
    assert faults(lazy) == []


def test_negative_distances_and_counts() -> None:
    element = contact_map()
    element["distance"].values[0, 1] = -1
    with pytest.raises(InvalidElement, match="1 value is not >= 0"):
        mt.ContactMap.check(element)
    pairs = kmer_pairs()
    pairs["observed"].values[1, 2] = -1
    with pytest.raises(InvalidElement, match=r"first: -1.0 at kmer_i 1, kmer_j 2"):
        mt.KmerPairs.check(pairs)


def test_the_square_is_checked_once_for_one_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    element = position_mi(80)
    PositionMI.check(element)
    monkeypatch.setattr(
        np, "array_equal", lambda *a, **k: pytest.fail("looked again") if k else True
    )
    PositionMI.check(element)
