import sys

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput
from mutua.kernels.laplace_seqlets import laplace_seqlets
from mutua.models import Attributions, Dataset
from mutua.tl import seqlets
from tests.reference import seqlets as reference


def made_up(
    n: int = 40, length: int = 90, seed: int = 0, scale: float = 1, **parts: object
) -> Dataset[Attributions]:
    """Attributions with a span of one sign in every other sequence."""
    rng = np.random.default_rng(seed)
    seqs = mt.pp.random_sequences(n, length=length, seed=seed)
    values = rng.laplace(0, 0.05, (n, length))
    for row in range(0, n, 2):
        at = rng.integers(15, length - 25)
        values[row, at : at + rng.integers(5, 10)] += scale * (-1) ** (row // 2)
    hot = mt.pp.one_hot(seqs) * values[:, None]
    facts = {"target": "signal", "method": "made up", "hypothetical": False}
    return Attributions.build(seqs, attribution=hot, **facts, **parts)


def rows(found: xr.Dataset) -> list[tuple[int, int, int]]:
    names = ("sequence_index", "start", "end")
    return list(zip(*(found[name].values.tolist() for name in names), strict=True))


def test_planted_spans_are_found_with_their_sign() -> None:
    attr = made_up()
    found = seqlets(attr, threshold=1e-4)
    assert sorted(set(found["sequence_index"].values.tolist())) == list(range(0, 40, 2))
    sign = np.sign(found["attribution"].values)
    assert np.array_equal(sign, (-1.0) ** (found["sequence_index"].values // 2))
    assert found.attrs["source"] == "seqlets"
    for row, start, end, letters in zip(
        *map(list, zip(*rows(found), strict=True)), found["codes"].values, strict=True
    ):
        of_span = attr["codes"].values[row, start:end]
        assert np.array_equal(letters[: end - start], of_span)
        assert (letters[end - start :] == 255).all()
    assert (found["sequence_length"] == 90).all()
    assert (found["rank_score"] < 1e-4).all()


def test_positive_spans_equal_those_of_plain_loops() -> None:
    attr = made_up(n=7, length=45)
    options = {"threshold": 0.05, "min_length": 3, "max_length": 7, "flank": 2, "n_bins": 50}
    found = seqlets(attr, negative=False, **options)
    values = reference.observed(attr["attribution"].values, attr["codes"].values)
    expected = sorted(reference.recursive(values, **options))
    assert rows(found) == [row[:3] for row in expected]
    np.testing.assert_allclose(found["rank_score"], [row[4] for row in expected], rtol=1e-9)


def test_negative_spans_are_the_positive_ones_of_the_opposite() -> None:
    attr = made_up(seed=3)
    turned = attr.assign(attribution=-attr["attribution"])
    positive = seqlets(attr, negative=False)
    negative = seqlets(turned, negative=False)
    both = seqlets(attr)
    up, down, all_ = set(rows(positive)), set(rows(negative)), set(rows(both))
    assert up <= all_ <= up | down
    for row, start, end in down - all_:
        assert any(r == row and s < end and start < e for r, s, e in up)
    for row, start, end in down & all_:
        assert not any(r == row and s < end and start < e for r, s, e in up)


def test_hypothetical_attributions_count_where_the_letter_is() -> None:
    attr = made_up()
    noise = np.random.default_rng(1).normal(size=attr["attribution"].shape)
    hot = mt.pp.one_hot(attr)
    full = attr.assign(attribution=attr["attribution"] + (noise * (1 - hot)).astype(np.float32))
    full.attrs["hypothetical"] = True
    assert rows(seqlets(full)) == rows(seqlets(attr))


def test_unknown_letters_and_padding_are_in_no_seqlet() -> None:
    attr = made_up()
    first = seqlets(attr, threshold=1e-4)
    row, start, end = rows(first)[0]
    codes = attr["codes"].values.copy()
    codes[row, (start + end) // 2] = 254
    codes[4, 50:] = 255
    found = seqlets(attr.assign(codes=(("sequence", "position"), codes)), flank=4)
    for at, begin, stop in rows(found):
        assert (codes[at, begin:stop] < 4).all()


def test_laplace_windows_are_those_of_the_kernel() -> None:
    attr = made_up(length=120)
    values = reference.observed(attr["attribution"].values, attr["codes"].values)
    found = seqlets(attr, method="laplace", window=9, flank=4, seed=5)
    spans = laplace_seqlets(values, window=9, flank=4, seed=5)
    assert rows(found) == list(zip(*(column.tolist() for column in spans[:3]), strict=True))
    assert "rank_score" not in found
    assert (found["end"] - found["start"] == 17).all()


@pytest.mark.parametrize("method", ["recursive", "laplace"])
def test_chunked_and_larger_than_memory(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attr = made_up(n=1600)
    expected = seqlets(attr, method=method)
    chunked = attr.chunk(sequence=701)
    assert isinstance(chunked["attribution"].data, da.Array)
    assert seqlets(chunked, method=method).equals(expected)
    monkeypatch.setattr(mt.settings, "memory", 2**20)
    monkeypatch.setattr(sys.modules["mutua.tl.seqlets"], "_BLOCK", 90 * 199)
    assert seqlets(chunked, method=method).equals(expected)


def test_control_sets_the_threshold() -> None:
    attr = made_up(scale=1)
    control = made_up(seed=9, scale=0)
    found = seqlets(attr, control=control, fdr=0.1)
    sign = (-1) ** (found["sequence_index"].values // 2)
    false = (found["sequence_index"].values % 2 == 1) | (sign != np.sign(found["attribution"]))
    assert found.sizes["annotation"] >= 20
    assert false.mean() <= 0.1
    with pytest.warns(UserWarning, match="there are no positive seqlets"):
        assert seqlets(control, control=attr, negative=False).sizes["annotation"] == 0


def test_attributions_that_are_all_0_are_said_once() -> None:
    zero = made_up(n=5).copy()
    zero["attribution"] = zero["attribution"] * 0
    with pytest.warns(UserWarning, match="all attributions are 0: there are no seqlets") as said:
        assert seqlets(zero, control=zero).sizes["annotation"] == 0
    assert len(said) == 1


def test_names_and_places_of_sequences_are_kept() -> None:
    attr = made_up(n=6)
    attr = attr.assign_coords(
        sequence_id=("sequence", [f"s{i}" for i in range(6)]),
        chrom=("sequence", ["chr1"] * 6),
        start=("sequence", np.arange(6) * 1000),
        end=("sequence", np.arange(6) * 1000 + 90),
        strand=("sequence", ["+", "-"] * 3),
    )
    found = seqlets(attr)
    assert found["sequence_id"].values.tolist() == [f"s{i}" for i in range(6)]
    assert found["sequence_chrom"].dims == ("sequence",)
    assert found["sequence_start"].values.tolist() == [0, 1000, 2000, 3000, 4000, 5000]
    assert found["sequence_strand"].values.tolist() == ["+", "-"] * 3


def test_nothing_found_is_an_element() -> None:
    attr = made_up()
    for empty in (attr.isel(sequence=slice(0)), attr.assign(attribution=0 * attr["attribution"])):
        for method in ("recursive", "laplace"):
            found = seqlets(empty, method=method)
            assert found.sizes["sequence"] == empty.sizes["sequence"]
            assert rows(found) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "other"}, "method"),
        ({"threshold": 0}, "threshold"),
        ({"min_length": 0}, "min_length"),
        ({"max_length": 3}, "max_length"),
        ({"flank": -1}, "flank"),
        ({"n_bins": 1}, "n_bins"),
        ({"fdr": 0.1}, "without a control"),
        ({"method": "laplace", "window": 0}, "window"),
        ({"method": "laplace", "min_fraction": 0.5}, "min_fraction"),
    ],
)
def test_refused_options(options: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        seqlets(made_up(n=4), **options)


def test_refused_attributions() -> None:
    attr = made_up(n=4)
    values = attr["attribution"].values.copy()
    values[2, :, 5] = np.nan
    bad = attr.assign(attribution=(attr["attribution"].dims, values))
    with pytest.raises(InvalidInput, match="`attributions`: not finite at sequence 2, position 5"):
        seqlets(bad.chunk(sequence=2))
    with pytest.raises(InvalidInput, match="control"):
        seqlets(attr, control=attr, method="laplace")
    with pytest.raises(mt.errors.InvalidElement, match="attribution"):
        seqlets(attr.drop_vars(["attribution", "letter"]))
