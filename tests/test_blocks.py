"""Rows mapped chunk by chunk give what they give as a whole."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import mutua as mt
from mutua.blocks import is_chunked, map_rows, row_chunks, row_groups
from mutua.errors import InvalidElement, InvalidInput

VALUES = np.arange(77.0).reshape(11, 7)
OTHER = np.arange(33).reshape(11, 3)


def numbered(block: np.ndarray, first_row: int) -> np.ndarray:
    rows = np.arange(first_row, first_row + len(block))
    return np.stack([rows, block.sum(axis=1)], axis=1)


def combined(block: np.ndarray, other: np.ndarray, first_row: int) -> np.ndarray:
    return block[:, :3] + other + first_row * 0


def chunks_of(size: int) -> st.SearchStrategy[tuple[int, ...]]:
    cuts = st.sets(st.integers(1, size - 1)).map(sorted)
    return cuts.map(lambda places: tuple(np.diff([0, *places, size]).tolist()))


def test_what_is_chunked() -> None:
    assert is_chunked(da.zeros(3))
    assert not is_chunked(np.zeros(3))
    assert not is_chunked([1, 2])


@given(rows=chunks_of(11), columns=chunks_of(7))
def test_chunks_do_not_show(rows: tuple[int, ...], columns: tuple[int, ...]) -> None:
    lazy = da.from_array(VALUES, chunks=(rows, columns))
    out = map_rows(numbered, lazy, shape=(2,), dtype=np.float64)
    assert out.shape == (11, 2)
    assert out.dtype == np.float64
    assert out.chunks == (rows, (2,))
    with dask.config.set(scheduler="synchronous"):
        np.testing.assert_array_equal(out, numbered(VALUES, 0))


def test_in_memory_it_is_one_call() -> None:
    out = map_rows(numbered, VALUES.tolist(), shape=(2,), dtype=np.float64)
    assert isinstance(out, np.ndarray)
    np.testing.assert_array_equal(out, numbered(VALUES, 0))


@pytest.mark.parametrize("first", ["numpy", "dask"])
@pytest.mark.parametrize("second", ["numpy", "dask"])
def test_several_arrays_are_cut_alike(first: str, second: str) -> None:
    a = VALUES if first == "numpy" else da.from_array(VALUES, chunks=(4, 3))
    b = OTHER if second == "numpy" else da.from_array(OTHER, chunks=(5, 2))
    out = map_rows(combined, a, b, shape=(3,), dtype=np.float64)
    assert is_chunked(out) == ("dask" in (first, second))
    np.testing.assert_array_equal(out, VALUES[:, :3] + OTHER)


def test_rows_of_any_shape() -> None:
    lazy = da.from_array(VALUES, chunks=3)
    out = map_rows(
        lambda block, first_row: block[:, None, :2] + np.zeros((4, 1)),
        lazy,
        shape=(4, 2),
        dtype=np.float64,
    )
    assert out.shape == (11, 4, 2)
    np.testing.assert_array_equal(out, VALUES[:, None, :2] + np.zeros((4, 1)))


def test_nothing_is_computed_until_asked_for() -> None:
    def never(*_: object) -> np.ndarray:
        raise AssertionError("computed")

    lazy = da.from_array(VALUES, chunks=3).map_blocks(never, dtype=float)
    out = map_rows(numbered, lazy, shape=(2,), dtype=np.float64)
    with pytest.raises(AssertionError, match="computed"):
        out.compute()


def test_only_the_chunks_that_are_asked_for() -> None:
    seen = []

    def watched(block: np.ndarray, first_row: int) -> np.ndarray:
        seen.append(first_row)
        return block

    lazy = da.from_array(VALUES, chunks=(3, 7))
    map_rows(watched, lazy, shape=(7,), dtype=np.float64)[4:8].compute()
    assert sorted(seen) == [3, 6]


def test_the_name_tells_function_and_arrays() -> None:
    lazy = da.from_array(VALUES, chunks=3)

    def name(function: object, array: object) -> str:
        return map_rows(function, array, shape=(2,), dtype=float).name  # type: ignore[arg-type]

    assert name(numbered, lazy) == name(numbered, lazy)
    assert name(numbered, lazy) != name(numbered, lazy + 1)
    assert name(numbered, lazy) != name(lambda block, first_row: block[:, :2], lazy)


def test_no_rows() -> None:
    lazy = da.zeros((0, 7), chunks=3)
    assert map_rows(numbered, lazy, shape=(2,), dtype=float).compute().shape == (0, 2)


def test_chunks_of_unknown_sizes() -> None:
    lazy = da.from_array(VALUES, chunks=3)
    unknown = lazy[lazy[:, 0] > 20]
    with pytest.raises(InvalidInput, match=r"`args`: a dask array whose chunks have unknown"):
        row_chunks(unknown, "args")
    with pytest.raises(InvalidInput, match="compute_chunk_sizes"):
        map_rows(numbered, unknown, shape=(2,), dtype=float)
    assert row_chunks(unknown.compute_chunk_sizes()) == (0, 3, 3, 2)


def test_elements_of_unknown_size() -> None:
    lazy = da.zeros((9, 8), np.uint8, chunks=(3, 8))
    seqs = mt.SequenceSet.build(codes=lazy, alphabet="ACGT")
    unknown = xr.Dataset({"codes": (("sequence", "position"), lazy[lazy[:, 0] > 0])})
    with pytest.raises(InvalidElement, match="dim 'sequence': has a size that dask does not know"):
        mt.tl.position_mi(unknown.assign_attrs(seqs.attrs), k=1)
    with pytest.raises(InvalidInput, match="`args`: a dask array whose chunks"):
        mt.tl.predict(seqs, lambda *parts: parts[1], args=[lazy[lazy[:, 0] > 0]])


@given(rows=chunks_of(11), most=st.integers(1, 12))
def test_groups_of_whole_chunks(rows: tuple[int, ...], most: int) -> None:
    groups = row_groups(da.zeros((11, 2), chunks=(rows, 2)), most)
    bounds = {0, *np.cumsum(rows).tolist()}
    assert [place for group in groups for place in range(11)[group]] == list(range(11))
    assert all({group.start, group.stop} <= bounds for group in groups)
    for group in groups:
        n_chunks = len({place for place in bounds if group.start <= place < group.stop})
        assert group.stop - group.start <= most or n_chunks == 1


def test_an_error_names_the_rows() -> None:
    def broken(block: np.ndarray, first_row: int) -> np.ndarray:
        return block if first_row != 6 else block[1 // 0]

    lazy = map_rows(broken, da.from_array(VALUES, chunks=3), shape=(7,), dtype=float)
    with pytest.raises(ZeroDivisionError) as caught:
        lazy.compute()
    assert caught.value.__notes__ == ["in the chunk of rows 6 to 8"]
