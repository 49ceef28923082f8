"""Spacings of pairs of motifs: counts, expectations and tests against plain loops and peers."""

from __future__ import annotations

import importlib
import json
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput, MemoryLimit
from mutua.models.motif_pairs import MotifPairs
from mutua.stats import benjamini_hochberg
from mutua.tl.motif_pairs import pair_annotations
from mutua.tl.pair_spacings import pair_spacings
from tests.reference import motif_pairs as reference
from tests.reference.motif_pairs import Row
from tests.tl.annotated import annotations, large, random_rows

module = importlib.import_module("mutua.tl.pair_spacings")
N_MOTIFS = 4
LENGTHS = [60, 37, 45, 22, 51]


def cells(spacings: xr.Dataset, name: str) -> dict[tuple[int, ...], Any]:
    keys = ["motif_a_index", "motif_b_index", "orientation", "distance"]
    columns = [
        spacings[key].values.tolist() if key in spacings else [0] * spacings.sizes["pair"]
        for key in keys
    ]
    return dict(zip(zip(*columns, strict=True), spacings[name].values.tolist(), strict=True))


def some_rows(seed: int, *, widths: bool = False, n: int = 70) -> list[Row]:
    rows = random_rows(n, n_sequences=len(LENGTHS), length=60, n_motifs=N_MOTIFS, seed=seed,
                       widths=widths)  # fmt: skip
    return [row for row in rows if row.end <= LENGTHS[row.sequence]]


def reference_tests(counts: dict, expected: dict) -> dict[tuple[int, ...], tuple[float, float]]:
    """Give the expected number and the p-value of all cells by plain loops."""
    found = {}
    for pair in {cell[:3] for cell in expected}:
        own = [{cell[3]: n for cell, n in table.items() if cell[:3] == pair}
               for table in (counts, expected)]  # fmt: skip
        found |= {(*pair, d): test for d, test in reference.spacing_p(*own).items()}
    return found


@pytest.mark.parametrize("signed", [False, True], ids=["drop", "signed"])
@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
@pytest.mark.parametrize("orientation", [False, True], ids=["strandless", "oriented"])
@pytest.mark.parametrize("widths", [False, True], ids=["fixed", "varied"])
def test_counts_and_expectations_are_those_of_plain_loops(
    signed: bool, ordered: bool, orientation: bool, widths: bool
) -> None:
    rows = some_rows(3, widths=widths)
    options = {"ordered": ordered, "orientation": orientation, "self_pairs": True}
    counts, expected = reference.spacings(rows, LENGTHS, max_distance=24, signed=signed, **options)
    found = pair_spacings(
        annotations(rows, lengths=LENGTHS, n_motifs=N_MOTIFS), max_distance=24, keep="all",
        overlap="signed" if signed else "drop", min_count=1, **options,
    )  # fmt: skip
    MotifPairs.check(found)
    listed = {cell for cell, n in counts.items() if n} | {
        cell for cell, mean in expected.items() if mean >= 5
    }
    assert cells(found, "n") == {cell: counts.get(cell, 0) for cell in listed}
    tests = reference_tests(counts, expected)
    means = cells(found, "expected")
    within, p = cells(found, "n_within"), cells(found, "p_value")
    for cell in listed:
        assert within[cell] == sum(n for other, n in counts.items() if other[:3] == cell[:3])
        assert means[cell] == pytest.approx(tests[cell][0], rel=1e-9)
        assert p[cell] == pytest.approx(tests[cell][1], rel=1e-7)
    assert found.attrs["n_tests"] == sum(mean > 0 for mean in expected.values())
    order = np.lexsort([found[name].values for name in
                        ("distance", *(["orientation"] if orientation else []),
                         "motif_b_index", "motif_a_index")])  # fmt: skip
    assert (np.diff(order) == 1).all()


def test_expectations_of_one_pair_add_up_to_the_pairs_within() -> None:
    rows = some_rows(5, widths=True)
    _, expected = reference.spacings(rows, LENGTHS, max_distance=30, signed=True)
    counts, _ = reference.spacings(rows, LENGTHS, max_distance=30, signed=True)
    for pair in {cell[:3] for cell in counts}:
        total = sum(n for cell, n in counts.items() if cell[:3] == pair)
        assert sum(mean for cell, mean in expected.items() if cell[:3] == pair) == total


def reverse_complemented(rows: list[Row]) -> list[Row]:
    return [
        Row(row.sequence, LENGTHS[row.sequence] - row.end, LENGTHS[row.sequence] - row.start,
            row.motif, 1 - row.reverse)
        for row in rows
    ]  # fmt: skip


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), data=st.data())
def test_neither_the_strand_nor_the_order_of_rows_matters(seed: int, data: st.DataObject) -> None:
    rows = some_rows(seed, widths=True, n=40)
    options = {"overlap": "signed", "keep": "all", "self_pairs": True, "min_count": 2}
    sizes = {"lengths": LENGTHS, "n_motifs": N_MOTIFS}
    found = pair_spacings(annotations(rows, **sizes), **options)
    for other in (reverse_complemented(rows), data.draw(st.permutations(rows))):
        again = pair_spacings(annotations(other, **sizes), **options)
        for name in ("n", "n_within"):
            assert cells(again, name) == cells(found, name)
        np.testing.assert_allclose(again["p_value"], found["p_value"], rtol=1e-9)
    by_order = pair_spacings(annotations(rows, **sizes), **options, ordered=True)
    assert by_order["n"].values.sum() == found["n"].values.sum()


def planted(n: int = 400, seed: int = 0) -> xr.Dataset:
    """Give pairs m0, m1 that often stand 7 apart, on either strand, among random others."""
    random = np.random.default_rng(seed)
    rows = []
    for s in range(n):
        for motif in range(5):
            start = int(random.integers(0, 294))
            rows.append(Row(s, start, start + 6, motif, int(random.integers(2))))
        if random.random() < 0.4:
            start = int(random.integers(0, 280))
            pair = [Row(s, start, start + 6, 0, 0), Row(s, start + 13, start + 19, 1, 1)]
            if random.random() < 0.5:
                pair = [Row(s, start, start + 6, 1, 0), Row(s, start + 13, start + 19, 0, 1)]
            rows += pair
    return annotations(rows, lengths=[300] * n, n_motifs=5)


def test_a_planted_spacing_is_found_and_no_other() -> None:
    found = pair_spacings(planted(), overlap="drop")
    assert list(cells(found, "n")) == [(0, 1, 1, 7)]
    assert 130 < found["n"].values[0] < 190
    assert found["q_value"].values[0] < 1e-100
    assert found.attrs["listed"] == "significant"
    assert found.attrs["n_tests"] == 10 * 4 * 101
    ordered = pair_spacings(planted(), overlap="drop", ordered=True)
    assert list(cells(ordered, "n")) == [(0, 1, 1, 7), (1, 0, 1, 7)]
    assert ordered["n"].values.sum() == found["n"].values[0]


def with_peaks(peaks: dict[int, int], *, n: int = 500, avoided: int = 0) -> xr.Dataset:
    """Give n pairs at random distances, none in `avoided` from 20 on, and some at `peaks`."""
    random = np.random.default_rng(4)
    distances = random.integers(0, 61, n)
    distances = distances[(distances < 20) | (distances >= 20 + avoided)]
    distances = np.concatenate([distances, *([d] * k for d, k in peaks.items())])
    rows = []
    for s, d in enumerate(distances.tolist()):
        rows += [Row(s, 400, 406, 0, 0), Row(s, 406 + d, 411 + d, 1, 0)]
    return annotations(rows, lengths=[900] * len(distances), n_motifs=2)


@pytest.mark.parametrize("peaks", [{7: 700}, {7: 300, 17: 90, 27: 40}], ids=["one", "three"])
def test_a_peak_does_not_make_the_other_distances_rare(peaks: dict[int, int]) -> None:
    ann = with_peaks(peaks)
    found = pair_spacings(ann, max_distance=60)
    assert found["distance"].values.tolist() == list(peaks)
    assert (found["n"] > found["expected"]).all()
    every = pair_spacings(ann, max_distance=60, keep="all")
    others = ~np.isin(every["distance"].values, list(peaks))
    means = every["expected"].values[others]
    np.testing.assert_allclose(means.sum(), every["n"].values[others].sum(), rtol=1e-9)
    p = every["p_value"].values[others]
    assert 0.2 < (p < 0.5).mean() < 0.6
    assert (p < 0.1).mean() < 0.2
    counts, expected = reference.spacings(
        [Row(*row) for row in zip(*(ann[x].values.tolist() for x in (
            "sequence_index", "start", "end", "motif_index")), [0] * ann.sizes["annotation"],
            strict=True)],
        ann["sequence_length"].values.tolist(), max_distance=60,
    )  # fmt: skip
    tests = reference_tests(counts, expected)
    means, ours = cells(every, "expected"), cells(every, "p_value")
    for cell, value in ours.items():
        assert means[cell] == pytest.approx(tests[cell][0], rel=1e-9)
        assert value == pytest.approx(max(tests[cell][1], np.finfo(float).tiny), rel=1e-6)


def test_distances_that_are_avoided_are_found_beside_a_peak() -> None:
    found = pair_spacings(with_peaks({7: 400}, n=3000, avoided=2), max_distance=60)
    assert found["distance"].values.tolist() == [7, 20, 21]
    assert (found["n"] < found["expected"]).values.tolist() == [False, True, True]


def test_all_pairs_at_one_distance() -> None:
    found = pair_spacings(with_peaks({3: 50}, n=0), keep="all")
    assert found["distance"].values.tolist() == [3]
    assert found["p_value"].values[0] < 1e-50


def test_one_row_for_each_pair() -> None:
    best = pair_spacings(planted(), overlap="drop", by="pair", keep="all")
    every = pair_spacings(planted(), overlap="drop", keep="all")
    assert best.sizes["pair"] == 40 == best.attrs["n_tests"]
    pairs: dict[tuple[int, ...], list] = {}
    for cell, p in cells(every, "p_value").items():
        pairs.setdefault(cell[:3], []).append(p)
    for cell, p in cells(best, "p_value").items():
        smallest = min(pairs[cell[:3]])
        # An empty distance that is not listed may be the least likely one.
        assert p <= min(1, 101 * smallest) * (1 + 1e-9)
        assert p == pytest.approx(min(1, 101 * smallest)) or p > 0.05
    np.testing.assert_array_equal(best["q_value"], benjamini_hochberg(best["p_value"].values))
    significant = pair_spacings(planted(), overlap="drop", by="pair")
    assert list(cells(significant, "n")) == [(0, 1, 1, 7)]


@pytest.mark.parametrize("candidates", [1, 40, 10**6])
def test_all_significant_rows_are_kept_whatever_is_kept_at_first(
    candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    rows = []
    for s in range(300):  # many significant cells of all sizes
        for motif in range(3):
            start = int(random.integers(0, 90))
            start = start // 6 * 6 if random.random() < 0.6 else start
            rows.append(Row(s, start, start + 5, motif, 0))
    ann = annotations(rows, lengths=[100] * 300, n_motifs=3)
    options = {"overlap": "drop", "max_distance": 60, "q_value": 0.2}
    every = pair_spacings(ann, keep="all", **options)
    # Empty cells that are expected less than 5 times are not listed, but none is significant.
    significant = every["q_value"].values <= 0.2
    assert significant.sum() > 15
    monkeypatch.setattr(module, "_CANDIDATES", candidates)
    found = pair_spacings(ann, **options)
    expected = every.isel(pair=significant)
    for name in ("n", "p_value", "q_value", "distance", "motif_b_index"):
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("memory", [2**18, 2**28])
@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_memory_do_not_matter(
    memory: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = large(20_000, n_sequences=700, length=400, n_motifs=31)
    at_places = ann["start"].where(ann["motif_index"] > 2, ann["start"] // 7 * 7)
    ann = ann.assign(start=at_places.astype(np.int32), end=at_places.astype(np.int32) + 5)
    options = {"overlap": "drop", "self_pairs": True}
    expected = pair_spacings(ann, **options)
    assert expected.sizes["pair"] > 3
    monkeypatch.setattr(mt.settings, "_memory", memory)
    monkeypatch.setattr(mt.settings, "_threads", threads)
    found = pair_spacings(ann, **options)
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name], expected[name])


def test_pairs_that_are_asked_for() -> None:
    ann = annotations(some_rows(1), lengths=LENGTHS, n_motifs=N_MOTIFS)
    options = {"overlap": "drop", "keep": "all", "min_count": 1}
    every = cells(pair_spacings(ann, self_pairs=True, **options), "n")
    chosen = cells(pair_spacings(ann, pairs=[("m2", "m0"), ("m3", "m3")], **options), "n")
    assert chosen == {k: n for k, n in every.items() if k[:2] in {(0, 2), (3, 3)}}
    assert {k[:2] for k in chosen} == {(0, 2), (3, 3)}
    named = ann.assign_coords(name=("motif", ["one", "two", "two", "FOS::JUN"]))
    for pair in [("FOS::JUN", "one"), ("m3", "one")]:
        chosen = cells(pair_spacings(named, pairs=[pair], **options), "n")
        assert {k[:2] for k in chosen} == {(0, 3)}
    with pytest.raises(InvalidInput, match=r"'two' is the name of 2 motifs.*\['m1', 'm2'\]"):
        pair_spacings(named, pairs=[("two", "m0")], **options)
    every = cells(pair_spacings(ann, ordered=True, **options), "n")
    chosen = cells(pair_spacings(ann, ordered=True, pairs=[("m2", "m0")], **options), "n")
    assert chosen == {k: n for k, n in every.items() if k[:2] == (2, 0)}
    assert chosen
    together = pair_annotations(ann).isel(pair=slice(1, 3))
    both = set(zip(*(together[f"motif_{x}_index"].values.tolist() for x in "ab"), strict=True))
    chosen = cells(pair_spacings(ann, pairs=together, **options), "n")
    assert {k[:2] for k in chosen} == both
    chosen = cells(pair_spacings(ann, pairs=together, ordered=True, **options), "n")
    assert {k[:2] for k in chosen} == both | {(b, a) for a, b in both}
    assert pair_spacings(ann, pairs=[], **options).sizes["pair"] == 0


def test_nothing_to_count_is_fine() -> None:
    for rows in ([], [Row(0, 3, 8, 1, 0)], [Row(0, 3, 8, -1, 0), Row(0, 12, 15, -1, 0)]):
        ann = annotations(rows, lengths=LENGTHS, n_motifs=N_MOTIFS)
        for by in ("distance", "pair"):
            for keep in ("significant", "all"):
                found = pair_spacings(ann, by=by, keep=keep)
                assert found.sizes["pair"] == 0
                assert found.attrs["n_tests"] == 0
                MotifPairs.check(found)
    none = annotations([], lengths=[], n_motifs=0)
    assert pair_spacings(none, overlap="signed").sizes["pair"] == 0


def test_lazy_annotations_give_the_same() -> None:
    ann = planted(100)
    found = pair_spacings(ann.chunk({"annotation": 77}), overlap="drop", keep="all")
    expected = pair_spacings(ann, overlap="drop", keep="all")
    xr.testing.assert_equal(found, expected)
    step = json.loads(expected.attrs["mutua"])["steps"][-1]
    assert step["function"] == "tl.pair_spacings"
    assert step["arguments"]["overlap"] == "drop"


def test_too_many_rows_are_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = large(40_000, n_sequences=500, length=2000, n_motifs=60)
    monkeypatch.setattr(mt.settings, "_memory", 2**20)
    with pytest.raises(MemoryLimit, match=r"pairs=.*keep='significant'"):
        pair_spacings(ann, overlap="drop", keep="all")
    assert pair_spacings(ann, overlap="drop").sizes["pair"] < 5
    few = pair_spacings(ann, overlap="drop", keep="all", pairs=[("m0", "m1")])
    assert 0 < few.sizes["pair"] <= 404


OVERLAPPING = [Row(0, 3, 8, 0, 0), Row(0, 7, 12, 1, 0)]


@pytest.mark.parametrize(
    ("rows", "options", "argument"),
    [
        (OVERLAPPING, {}, "overlap"),
        (OVERLAPPING, {"overlap": "ignore"}, "overlap"),
        ([], {"max_distance": -1}, "max_distance"),
        ([], {"max_distance": 2.5}, "max_distance"),
        ([], {"orientation": "yes"}, "orientation"),
        ([], {"ordered": 1}, "ordered"),
        ([], {"self_pairs": None}, "self_pairs"),
        ([], {"by": "motif"}, "by"),
        ([], {"keep": "some"}, "keep"),
        ([], {"q_value": 0}, "q_value"),
        ([], {"q_value": 1}, "q_value"),
        ([], {"min_count": 0}, "min_count"),
        ([], {"pairs": "m0"}, "pairs"),
        ([], {"pairs": ["m0"]}, "pairs"),
        ([], {"pairs": [("m0", "m9")]}, "pairs"),
        ([], {"pairs": 3}, "pairs"),
    ],
    ids=["overlap", "overlap name", "negative", "half", "orientation", "ordered", "self", "by",
         "keep", "q 0", "q 1", "count", "pairs text", "pairs names", "unknown", "pairs number"],
)  # fmt: skip
def test_bad_input_is_refused(rows: list[Row], options: dict, argument: str) -> None:
    with pytest.raises(InvalidInput) as error:
        pair_spacings(annotations(rows, lengths=LENGTHS, n_motifs=N_MOTIFS), **options)
    assert error.value.argument == argument


def test_the_error_names_what_overlaps() -> None:
    ann = annotations(OVERLAPPING, lengths=LENGTHS, n_motifs=N_MOTIFS)
    with pytest.raises(InvalidInput, match="m0 at 3-8 and m1 at 7-12 in sequence 0"):
        pair_spacings(ann)
    touching = [Row(0, 3, 8, 0, 0), Row(0, 8, 12, 1, 0)]
    found = pair_spacings(annotations(touching, lengths=LENGTHS, n_motifs=N_MOTIFS), keep="all")
    assert cells(found, "n") == {(0, 1, 0, 0): 1}
    assert np.isnan(found["p_value"].values).all()  # fewer than min_count


def test_strands_and_motifs_are_needed() -> None:
    rows = [Row(0, 3, 8, 0, 0), Row(0, 9, 12, 1, 0)]
    ann = annotations(rows, lengths=LENGTHS, n_motifs=N_MOTIFS, strand=False)
    with pytest.raises(InvalidInput, match="no strand"):
        pair_spacings(ann)
    assert "orientation" not in pair_spacings(ann, orientation=False, keep="all")
    with pytest.raises(InvalidInput, match="1 annotations have no strand"):
        pair_spacings(ann.assign(strand=("annotation", np.array([0, 1], np.int8))))
    with pytest.raises(InvalidInput, match=r"tl\.annotate"):
        pair_spacings(ann.drop_vars(["motif_index", "motif"]), orientation=False)
    with pytest.raises(InvalidElement, match="Annotations"):
        pair_spacings(xr.Dataset())


@pytest.mark.slow
def test_random_places_have_no_preferred_distance() -> None:
    """p-values of random placements are uniform, in sequences of several lengths."""
    random = np.random.default_rng(3)
    lengths = random.choice([150, 240, 600], 6000)
    rows = []
    for s, length in enumerate(lengths.tolist()):
        for motif in range(6):
            start = int(random.integers(0, length - 8))
            rows.append(Row(s, start, start + 8, motif, int(random.integers(2))))
    ann = annotations(rows, lengths=lengths, n_motifs=6)
    found = pair_spacings(ann, overlap="drop", orientation=False, keep="all", max_distance=100)
    assert found.sizes["pair"] == 15 * 101
    p = found["p_value"].values
    for level in (0.5, 0.2, 0.05, 0.01):
        share = (p <= level).mean()
        assert share < level + 4 * np.sqrt(level / len(p))
    assert (p <= 0.2).mean() > 0.1  # counts are whole numbers: less than uniform, not much less
    assert found["q_value"].values.min() > 0.05
    best = pair_spacings(ann, overlap="drop", by="pair", keep="all")
    assert (best["p_value"].values <= 0.1).mean() < 0.1 + 4 * np.sqrt(0.1 / 60)


@pytest.mark.slow
@pytest.mark.parametrize("self_pairs", [False, True])
def test_counts_are_those_of_tangermeme(self_pairs: bool) -> None:
    torch = pytest.importorskip("torch")
    annotate = pytest.importorskip("tangermeme.annotate")
    random = np.random.default_rng(0)
    rows = []
    for s in range(60):
        start = 0
        for _ in range(12):
            start += int(random.integers(0, 30))
            width = int(random.integers(3, 9))
            rows.append(Row(s, start, start + width, int(random.integers(7)), 0))
            start += width
    ann = annotations(rows, lengths=[600] * 60, n_motifs=7)
    table = torch.tensor([[row.sequence, row.motif, row.start, row.end] for row in rows])
    theirs = annotate.pairwise_annotations_spacing(
        table, max_distance=101, dtype=torch.int64, symmetric=False, shape=7
    ).numpy()
    found = pair_spacings(ann, max_distance=100, ordered=True, orientation=False, keep="all",
                          self_pairs=self_pairs)  # fmt: skip
    ours = np.zeros_like(theirs)
    ours[tuple(found[n].values for n in ("motif_a_index", "motif_b_index", "distance"))] = found[
        "n"
    ]
    if not self_pairs:
        theirs[np.arange(7), np.arange(7)] = 0
    np.testing.assert_array_equal(ours, theirs)
