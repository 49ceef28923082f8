"""Which sequences are selected by their predictions."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput

SCORES = [0.5, np.nan, 2.0, -1.0, 2.0, 0.5, np.inf, 2.0]


def scored(scores, target=("score",)) -> xr.Dataset:
    values = np.asarray(scores, dtype=np.float32).reshape(len(scores), len(target))
    names = [f"s{i}" for i in range(len(scores))]
    codes = np.arange(len(scores) * 3).reshape(-1, 3) % 4
    parts = {"prediction": values, "target": list(target), "sequence_id": names}
    return mt.SequenceSet.build(codes, alphabet="DNA", **parts)


def chosen(seqs: xr.Dataset) -> list[int]:
    return [int(name[1:]) for name in seqs["sequence_id"].values.tolist()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"top": 1}, [6]),
        ({"top": 3}, [2, 4, 6]),  # of the three 2.0 the two earlier ones
        ({"top": 7}, [0, 2, 3, 4, 5, 6, 7]),
        ({"top": 0.4}, [2, 4, 6]),  # 2.8 of the 7 with a score
        ({"top": 0.001}, [6]),
        ({"top": np.int32(2)}, [2, 6]),
        ({"bottom": 2}, [0, 3]),
        ({"bottom": 3}, [0, 3, 5]),
        ({"bottom": 0.2}, [3]),
        ({"above": 0.5}, [2, 4, 6, 7]),
        ({"below": 0.5}, [3]),
        ({"above": -9}, [0, 2, 3, 4, 5, 6, 7]),
        ({"below": 2}, [0, 3, 5]),
        ({"above": -1, "below": 2}, [0, 5]),
    ],
)
def test_select(options, expected):
    seqs = scored(SCORES)
    before = seqs.copy(deep=True)
    out = mt.pp.select(seqs, **options)
    assert chosen(out) == expected
    mt.SequenceSet.check(out, deep=True)
    xr.testing.assert_identical(seqs, before)
    np.testing.assert_array_equal(out["codes"], seqs["codes"][expected])


@given(
    scores=st.lists(st.floats(-3, 3, width=16) | st.just(np.nan), min_size=1, max_size=30),
    count=st.integers(1, 30),
    lowest=st.booleans(),
)
def test_ties_go_to_the_earlier(scores, count, lowest):
    known = [i for i, score in enumerate(scores) if not np.isnan(score)]
    if not known:
        return
    count = min(count, len(known))
    sign = 1 if lowest else -1
    expected = sorted(sorted(known, key=lambda i: (sign * scores[i], i))[:count])
    option = {"bottom" if lowest else "top": count}
    assert chosen(mt.pp.select(scored(scores), **option)) == expected


def test_bounds_are_rounded_like_the_scores():
    """0.1 is a bit less than the float32 nearest to it, and 0.7 a bit more."""
    assert chosen(mt.pp.select(scored([0.1, 0.2]), above=0.1)) == [1]
    assert chosen(mt.pp.select(scored([0.7, 0.2]), below=0.7)) == [1]


def test_targets():
    seqs = scored([[3, 0, 1], [2, 5, 1], [1, 4, 9]], target=("a", "b", "c"))
    for target in ("b", 1, -2, np.int64(1)):
        assert chosen(mt.pp.select(seqs, target=target, top=1)) == [1]
    unnamed = seqs.drop_vars("target")
    assert chosen(mt.pp.select(unnamed, target="2", top=1)) == [2]
    with pytest.raises(
        InvalidInput, match=r"`target`: none given. Choose one of \['a', 'b', 'c'\]"
    ):
        mt.pp.select(seqs, top=1)
    for target in ("d", 3, -4, 1.5, True):
        with pytest.raises(InvalidInput, match="`target`"):
            mt.pp.select(seqs, target=target, top=1)


def test_everything_of_a_sequence_comes_along(full, function_of):
    out = mt.pp.select(full, target="b", top=4)
    mt.SequenceSet.check(out, deep=True)
    assert function_of(out) == "pp.select"
    assert set(out.variables) == set(full.variables)
    places = np.sort(np.argsort(-full["prediction"].values[:, 1], kind="stable")[:4])
    xr.testing.assert_identical(out.drop_attrs(), full.isel(sequence=places).drop_attrs())


@pytest.mark.parametrize("chunks", [(17,), (4, 4, 9)])
def test_lazy_sets_stay_lazy(full, forbidden, chunks):
    lazy = full.chunk(sequence=chunks)
    out = mt.pp.select(lazy, target="c", above=0.3)
    for name in ("codes", "tracks"):
        assert dask.is_dask_collection(out[name].data)
    assert not dask.is_dask_collection(out["prediction"].data)
    xr.testing.assert_equal(out.compute(), mt.pp.select(full, target="c", above=0.3))
    assert mt.pp.select(forbidden(full), target="c", above=0.3).sizes == out.sizes


def test_only_the_predictions_are_computed(full):
    calls = []

    def counted(block):
        calls.append(len(block))
        return block

    values = da.from_array(full["prediction"].values, chunks=(6, 3))
    lazy = full.assign(prediction=(("sequence", "target"), values.map_blocks(counted, dtype="f4")))
    calls.clear()
    chosen = mt.pp.select(lazy, target="a", top=2)
    chosen["prediction"].compute()  # the scores that were looked at, not those of another run
    assert sorted(calls) == [5, 6, 6]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "`top, bottom, above, below`: 0 ways to choose"),
        ({"top": 1, "bottom": 1}, "2 ways"),
        ({"top": 1, "above": 0}, "2 ways"),
        ({"top": 0}, "`top`: 0. Use an int from 1 to 7"),
        ({"top": 8}, "`top`: 8"),
        ({"bottom": -1}, "`bottom`"),
        ({"top": 0.0}, "`top`: 0"),
        ({"top": 1.0}, "`top`: the fraction 1. Use one below 1"),
        ({"bottom": np.nan}, "`bottom`: nan"),
        ({"top": "1"}, "`top`"),
        ({"top": True}, "`top`"),
        ({"above": "x"}, "`above`"),
        ({"below": np.inf}, "`below`"),
        ({"above": 2, "below": 1}, "`above`: 2. Use less than below=1"),
        ({"above": 5, "below": 6}, "no score is above 5 and below 6. Scores go from -1 to inf"),
    ],
)
def test_select_refuses(options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.pp.select(scored(SCORES), **options)


def test_sets_without_scores_are_refused(full):
    with pytest.raises(InvalidInput, match=r"have no predictions. Run mutua.tl.predict"):
        mt.pp.select(full.drop_vars(["prediction", "target"]), top=1)
    with pytest.raises(InvalidInput, match="all scores are NaN"):
        mt.pp.select(scored([np.nan, np.nan]), top=1)
    with pytest.raises(InvalidInput, match="there are none"):
        mt.pp.select(scored([]), top=1)
    with pytest.raises(InvalidElement, match=r"argument `sequences` of pp.select"):
        mt.pp.select([1, 2], top=1)
