"""Digests: equal exactly where the contents are, never computing, remembered safely."""

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mutua.models import SequenceSet, digests
from mutua.models.digests import (
    array_digest,
    attributes_digest,
    element_digest,
    hash_values,
    plain,
    remembered,
    variable_digests,
)
from tests.models.examples import never_computed, sequence_set

STRING = np.dtypes.StringDType()


def value(element: xr.Dataset) -> str:
    digest = element_digest(element)
    assert digest["method"] == "content"
    return digest["value"]


# -- equal exactly where the contents are ------------------------------------------------------

DTYPES = st.sampled_from(["u1", "i4", "i8", "f4", "f8", "?", "M8[ns]", "c16"])
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=3)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=4).map(lambda t: t.rstrip("\0"))
WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
SHAPES = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
NUMBERS = st.builds(np.dtype, DTYPES).flatmap(lambda dtype: npst.arrays(dtype, SHAPES))
WORDS = npst.arrays(np.dtype(object), SHAPES, elements=TEXTS)
ATTRIBUTES = st.dictionaries(
    NAMES,
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    max_size=2,
)


@st.composite
def datasets(draw: st.DrawFn) -> xr.Dataset:
    element = xr.Dataset(attrs=draw(ATTRIBUTES))
    for i, values in enumerate(draw(st.lists(NUMBERS | WORDS, min_size=1, max_size=2))):
        dims = tuple(f"v{i}_{axis}" for axis in range(values.ndim))
        element[f"v{i}"] = xr.Variable(dims, values, draw(ATTRIBUTES))
    return element


def same(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Tell whether two datasets are equal to the bit, types and attributes included."""

    def facts(element: xr.Dataset) -> object:
        return repr(element.attrs), {
            name: (
                part.dims,
                part.shape,
                part.dtype.str,
                repr(part.attrs),
                part.values.tolist() if part.dtype == object else part.values.tobytes(),
            )
            for name, part in element.variables.items()
        }

    return facts(one) == facts(other)


@given(datasets(), datasets())
@settings(max_examples=150, deadline=None)
def test_equal_if_and_only_if_the_same(one: xr.Dataset, other: xr.Dataset) -> None:
    assert value(one) == value(one.copy(deep=True))
    assert (value(one) == value(other)) == same(one, other)


@given(st.lists(TEXTS, min_size=1, max_size=4), st.lists(TEXTS, min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_texts_with_separators_in_them(one: list[str], other: list[str]) -> None:
    hashes = [
        hash_values(np.array([*words, ""], dtype=object)).hexdigest() for words in (one, other)
    ]
    assert (hashes[0] == hashes[1]) == (one == other)


@given(npst.arrays("i8", npst.array_shapes(min_dims=2, max_dims=3, max_side=5)))
@settings(max_examples=50, deadline=None)
def test_memory_order_and_contiguity_do_not_matter(values: np.ndarray) -> None:
    expected = hash_values(values).hexdigest()
    wide = np.repeat(values, 2, axis=1)
    assert hash_values(np.asfortranarray(values)).hexdigest() == expected
    assert hash_values(wide[:, ::2]).hexdigest() == expected
    assert hash_values(values[::-1][::-1]).hexdigest() == expected
    assert hash_values(values.astype(">i8")).hexdigest() == expected


@given(npst.arrays(np.dtype(object), SHAPES, elements=WORD))
@settings(max_examples=50, deadline=None)
def test_the_type_of_strings_does_not_matter(words: np.ndarray) -> None:
    expected = hash_values(words).hexdigest()
    assert hash_values(words.astype(STRING)).hexdigest() == expected
    width = max((len(word) for word in words.flat), default=1)
    assert hash_values(words.astype(f"U{max(1, width)}")).hexdigest() == expected


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(35, dtype="f8").reshape(7, 5)
    expected = hash_values(values).hexdigest()
    monkeypatch.setattr(digests, "_BLOCK", 80)
    assert hash_values(values).hexdigest() == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e.isel(sequence=slice(6)),
        lambda e: e.isel(sequence=slice(None, None, -1)),
        lambda e: e.assign(weight=e["weight"].astype("f4")),
        lambda e: e.rename(weight="mass"),
        lambda e: e.rename(position="place"),
        lambda e: e.assign_attrs(alphabet="ACGU"),
        lambda e: e.assign(weight=e["weight"].assign_attrs(units="kg")),
        lambda e: e.drop_vars("chrom"),
        lambda e: e.set_coords("weight"),
        lambda e: e.transpose("position", ...),
        lambda e: e.assign(weight=e["weight"] + 1e-9),
    ],
)
def test_every_change_changes_it(change) -> None:  # type: ignore[no-untyped-def]
    element = sequence_set()
    assert value(change(element)) != value(element)


def test_what_does_not_count() -> None:
    element = sequence_set()
    expected = value(element)
    other = element.copy()
    other.attrs = {"mutua": "another record", "alphabet": np.str_("ACGT")}
    other["weight"].encoding = {"dtype": "int16"}
    reordered = other[list(other.data_vars)[::-1]]
    assert value(other) == value(reordered) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 2), [1, 2]),
        (np.array([1.5, 2.0]), [1.5, 2.0]),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        ({"a": np.int8(1)}, {"a": 1}),
    ],
)
def test_attributes_that_a_store_gives_back_alike(one: object, other: object) -> None:
    assert plain(one) == other
    assert type(plain(one)) is type(other)
    digest = [attributes_digest(xr.Dataset(attrs={"x": item})) for item in (one, other)]
    assert digest[0] == digest[1]


def test_attributes_that_differ_in_type_only() -> None:
    digest = {attributes_digest(xr.Dataset(attrs={"x": item})) for item in (1, 1.0, "1", True, [1])}
    assert len(digest) == 5


def test_objects_that_are_no_strings() -> None:
    mixed = [np.array(items, dtype=object) for items in ([1, "a"], ["1", "a"], [1.0, "a"])]
    assert len({hash_values(array).hexdigest() for array in mixed}) == 3


# -- lazy data ---------------------------------------------------------------------------------


def test_a_digest_never_computes() -> None:
    element = sequence_set().drop_vars("codes")
    element["codes"] = ("sequence", "position"), never_computed((7, 5), np.uint8)
    digest = element_digest(element)
    assert digest["method"] == "graph"
    assert digest == element_digest(element)
    assert variable_digests(element)["codes"]["method"] == "graph"
    assert variable_digests(element)["weight"]["method"] == "content"


def test_a_graph_has_one_digest_whatever_its_chunks() -> None:
    lazy = sequence_set().chunk(sequence=2)
    expected = element_digest(lazy)
    assert expected == element_digest(sequence_set().chunk(sequence=2))
    assert element_digest(lazy.chunk(sequence=3)) == expected
    assert element_digest(lazy.chunk(sequence=3).chunk(sequence=7)) == expected
    assert element_digest(lazy.chunk(sequence=3).isel(sequence=slice(None, None, -1))) != expected


def test_data_that_xarray_opened_without_dask(tmp_path: Path) -> None:
    sequence_set()[["weight"]].drop_attrs().reset_coords(drop=True).to_zarr(
        tmp_path / "weights.zarr", consolidated=False
    )
    opened = xr.open_zarr(tmp_path / "weights.zarr", chunks=None, consolidated=False)
    assert element_digest(opened)["method"] == "graph"
    assert not opened["weight"].variable._in_memory


# -- memory ------------------------------------------------------------------------------------


class Counter:
    """A computation that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return self.calls


LARGE = (1_000, 2_000)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(LARGE, np.uint8),
        np.zeros((40_000,), np.float32),
        np.array(["name"] * 20_000, dtype=object),
        np.array(["name"] * 20_000, dtype=STRING),
        np.array(["name"] * 20_000),
    ],
)
def test_a_result_is_remembered_until_the_array_changes(values: np.ndarray) -> None:
    count = Counter()
    assert [remembered(values, "test", count) for _ in range(3)] == [1, 1, 1]
    assert remembered(values, "another purpose", count) == 2
    assert remembered(values.copy(), "test", count) == 3
    values[:] = "other" if values.dtype.kind in "OTU" else 1
    assert remembered(values, "test", count) == 4
    digests.forget(values)
    assert remembered(values, "test", count) == 5


def test_tiny_arrays_are_looked_at_every_time() -> None:
    count = Counter()
    assert [remembered(np.zeros(5), "test", count) for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("size", [100, 512, 200_000])
def test_a_change_of_one_value_of_up_to_256_kib_is_noticed(size: int) -> None:
    values = np.zeros(size, np.uint8)
    variable = xr.Variable("x", values)
    before = array_digest(variable)
    values[size // 3] = 1
    assert array_digest(variable) != before


def test_a_change_of_a_whole_row_block_or_column_of_a_large_array_is_noticed() -> None:
    values = np.zeros(LARGE, np.uint8)
    variable = xr.Variable(("x", "y"), values)
    before = array_digest(variable)
    values[:, 1234] = 1
    changed = array_digest(variable)
    assert changed != before
    values[500:510] = 2
    assert array_digest(variable) != changed


def test_a_change_of_one_value_of_a_large_array_is_mostly_not_noticed_unless_fresh() -> None:
    values = np.zeros(LARGE, np.uint8)
    variable = xr.Variable(("x", "y"), values)
    before = array_digest(variable)
    rng = np.random.default_rng(0)
    unnoticed = 0
    for x, y in zip(rng.integers(0, 1000, 50), rng.integers(0, 2000, 50), strict=True):
        values[x, y] = 1
        unnoticed += array_digest(variable) == before
        values[x, y] = 0
    assert unnoticed > 45
    values[501, 1001] = 1
    assert array_digest(variable, fresh=True) != before
    assert array_digest(variable) == array_digest(variable, fresh=True)


def test_the_first_and_the_last_value_are_always_in_the_sample() -> None:
    values = np.zeros(LARGE, np.uint8)
    count = Counter()
    remembered(values, "test", count)
    values[0, 0] = 1
    assert remembered(values, "test", count) == 2
    values[-1, -1] = 1
    assert remembered(values, "test", count) == 3


def test_memory_goes_with_the_array() -> None:
    gc.collect()
    before = len(digests._memory)
    values = np.zeros(LARGE, np.uint8)
    remembered(values, "test", Counter())
    remembered(values, "another", Counter())
    assert len(digests._memory) == before + 1
    del values
    gc.collect()
    assert len(digests._memory) == before


def test_memory_does_not_keep_what_it_does_not_need() -> None:
    gc.collect()
    before = len(digests._memory)
    for _ in range(20):
        value(sequence_set(n=500, length=40))
    gc.collect()
    assert len(digests._memory) == before


def test_a_memory_mapped_file_is_read_once(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "codes", dtype=np.uint8, mode="w+", shape=LARGE)
    element = xr.Dataset({"codes": (("sequence", "position"), mapped)}, attrs={"alphabet": "ACGT"})
    gc.collect()
    before = len(digests._memory)
    for _ in range(3):
        element_digest(element.copy(deep=False))
        SequenceSet.check(element.copy(deep=False))
    assert len(digests._memory) == before + 1


def test_many_threads() -> None:
    arrays = [np.full(LARGE, i, np.uint8) for i in range(4)]
    expected = [hash_values(array).hexdigest() for array in arrays]

    def digest(i: int) -> bool:
        found = array_digest(xr.Variable(("x", "y"), arrays[i % 4]))["value"]
        short = np.full(LARGE, 9, np.uint8)
        array_digest(xr.Variable(("x", "y"), short))
        return found == expected[i % 4]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(digest, range(64)))


def test_many_names_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Counter()

    def hash_once(values: np.ndarray) -> Any:
        looked()
        return hash_values(values)

    monkeypatch.setattr(digests, "hash_values", hash_once)
    names = np.array([f"sequence {i}" for i in range(100_000)], dtype=object)
    for strings in (names, names.astype(STRING)):
        variable = xr.Variable("sequence", strings)
        first = array_digest(variable)
        assert all(array_digest(variable) == first for _ in range(5))
    assert looked() == 3


def test_dask_arrays_are_no_array_to_remember() -> None:
    lazy = xr.Variable("x", da.zeros(10))
    assert array_digest(lazy)["method"] == "graph"
