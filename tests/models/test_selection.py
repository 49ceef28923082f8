"""`mt.sel`: entries of a large dim by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.models import provenance
from tests.models.examples import never_computed, sequence_set, table

STRING = np.dtypes.StringDType()


@pytest.mark.parametrize("dtype", [str, object, STRING])
@pytest.mark.parametrize(
    "names",
    [
        ["s5", "s0", "s3"],
        ("s5", "s0", "s3"),
        np.array(["s5", "s0", "s3"]),
        pd.Index(["s5", "s0", "s3"]),
    ],
)
def test_in_the_order_asked_for(names: object, dtype: type) -> None:
    element = sequence_set()
    element = element.assign_coords(sequence_id=element["sequence_id"].astype(object).astype(dtype))
    chosen = mt.sel(element, names)  # type: ignore[arg-type]
    assert chosen["sequence_id"].values.tolist() == ["s5", "s0", "s3"]
    assert np.array_equal(chosen["codes"], element["codes"][[5, 0, 3]])


def test_one_name_keeps_the_dim() -> None:
    assert mt.sel(sequence_set(), "s2").sizes["sequence"] == 1


def test_none_and_repeated_names() -> None:
    assert mt.sel(sequence_set(), []).sizes["sequence"] == 0
    assert mt.sel(sequence_set(), ["s1", "s1"])["sequence_id"].values.tolist() == ["s1", "s1"]


def test_other_dims() -> None:
    assert mt.sel(sequence_set(), ["neither", "donor"], dim="target")["target"].values.tolist() == [
        "neither",
        "donor",
    ]
    assert mt.sel(sequence_set(), -1, dim="position")["position"].values.tolist() == [-1]  # type: ignore[arg-type]


def test_the_kind_stays_and_the_call_is_recorded() -> None:
    chosen = mt.sel(sequence_set(), ["s2", "s1"])
    steps = provenance.chain(chosen)
    assert [step["function"] for step in steps] == ["SequenceSet.build", "sel"]
    assert steps[-1]["arguments"] == {"names": ["s2", "s1"], "dim": "sequence"}
    mt.SequenceSet.check(chosen)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["s1", "x"], r"`names`: not found: 'x' \(1 in all\). Use names in the coordinate 'seq"),
        ("x", "not found: 'x'"),
        ([f"x{i}" for i in range(9)], r"not found: 'x0', 'x1', 'x2', 'x3', 'x4' \(9 in all\)"),
        ([1], "not found: 1"),
        (["s1", None], "not found: None"),
    ],
)
def test_unknown_names(names: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        mt.sel(sequence_set(), names)  # type: ignore[arg-type]


def test_names_that_stand_twice() -> None:
    element = sequence_set()
    names = [*"abcdef", "a"]
    element = mt.SequenceSet.build(element, sequence_id=names)
    assert mt.sel(element, ["b", "f"])["sequence_id"].values.tolist() == ["b", "f"]
    with pytest.raises(InvalidInput, match=r"`names`: 'a' stands more than once\. Select by"):
        mt.sel(element, ["b", "a"])


def test_a_dim_without_names() -> None:
    bare = mt.SequenceSet.build(np.zeros((3, 2), np.uint8), alphabet="DNA")
    with pytest.raises(InvalidInput, match=r"has no names along 'sequence'\. Select by number"):
        mt.sel(bare, "a")
    with pytest.raises(InvalidInput, match=r"`dim`: 'row' is no dim. Use one of \['sequence'"):
        mt.sel(bare, "a", dim="row")
    with pytest.raises(InvalidInput, match="has no names along 'row'"):
        mt.sel(table(), "a", dim="row")


@pytest.mark.parametrize("thing", [None, 5, pd.DataFrame(), xr.Dataset()])
def test_other_objects(thing: object) -> None:
    with pytest.raises(InvalidElement):
        mt.sel(thing, "a")  # type: ignore[type-var]


def test_a_lazy_element_stays_lazy() -> None:
    lazy = sequence_set().assign(codes=(("sequence", "position"), never_computed((7, 5), np.uint8)))
    assert mt.sel(lazy, ["s4", "s2"])["codes"].chunks


def test_lazy_names_from_a_store(tmp_path: Path) -> None:
    mt.Analysis({"seqs": sequence_set()}).write(tmp_path / "study.zarr")
    opened = mt.open(tmp_path / "study.zarr")["seqs"]
    assert mt.sel(opened, "s4")["sequence_id"].values.tolist() == ["s4"]


def test_names_in_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mutua.models.faults._BLOCK_BYTES", 32)
    assert mt.sel(sequence_set(), ["s6", "s0"])["sequence_id"].values.tolist() == ["s6", "s0"]


def test_the_element_is_never_changed() -> None:
    element = sequence_set()
    before = element.copy(deep=True)
    mt.sel(element, "s1")
    assert element.identical(before)
