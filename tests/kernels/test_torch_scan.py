"""Bounds of scores against plain sums, and the hits that come of them against the CPU's own."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from mutua.errors import DeviceUnavailable, InvalidInput, MemoryLimit
from mutua.kernels import motif_scan, torch_scan
from mutua.kernels.motif_scan import Hits, MotifScanner
from mutua.kernels.torch_scan import ScoreBounds
from tests.kernels.test_motif_scan import (
    COMPLEMENT,
    padded,
    random_codes,
    random_motifs,
    rows,
    scanner,
)

WIDTHS = [1, 2, 4, 5, 7, 8, 9, 12, 17, 31, 64]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def on_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the way of a GPU taken, with torch on the CPU."""
    monkeypatch.setattr(motif_scan, "torch_gpu", lambda device, **_: "cpu")


def score_columns(seed: int, n_letters: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of strands side by side, their first columns, and thresholds that some exceed."""
    random = np.random.default_rng(seed)
    matrices = random_motifs(seed, WIDTHS, n_letters)
    scores = np.concatenate([np.log2(matrix + 1e-4) + 2 for matrix in matrices], axis=1)
    first = np.concatenate([[0], np.cumsum(WIDTHS)])
    best = np.maximum(np.add.reduceat(scores.max(axis=0), first[:-1]), 0)
    least = np.add.reduceat(scores.min(axis=0), first[:-1])
    return scores, first, least + random.uniform(0.3, 0.95, len(WIDTHS)) * (best - least)


def assert_same(found: Hits, wanted: Hits) -> None:
    """Scores but for their last bit, as compilers of fast mathematics add in an order of theirs."""
    for name, ours, theirs in zip(wanted._fields, found, wanted, strict=True):
        tolerance = 1e-13 if name == "score" else 0
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=name)


def plain_scores(scores: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """The score of the window at each letter; nothing is added for what is no letter."""
    weights = np.vstack([scores, np.zeros(scores.shape[1])])
    codes = np.concatenate([letters, np.full(scores.shape[1], len(scores))])
    codes = np.minimum(codes, len(scores))
    return np.array([
        sum(weights[codes[at + j], j] for j in range(scores.shape[1]))
        for at in range(len(letters))
    ])  # fmt: skip


@pytest.mark.parametrize("half", [False, True], ids=["single", "half"])
@pytest.mark.parametrize("n_letters", [4, 3, 7])
def test_no_hit_is_lost_and_few_others_are_left(n_letters: int, half: bool) -> None:
    scores, first, thresholds = score_columns(5, n_letters)
    letters = np.random.default_rng(6).integers(0, n_letters + 1, 501).astype(np.int8)
    bounds = ScoreBounds(scores, first, thresholds)
    found = bounds.survivors(letters, 0, len(letters), "cpu", half=half)
    pairs = set(zip(found.place.tolist(), found.strand.tolist(), strict=True))
    assert len(pairs) == len(found.place)
    n_hits = n_left = 0
    for strand, threshold in enumerate(thresholds):
        columns = scores[:, first[strand] : first[strand + 1]]
        score = plain_scores(columns, letters)
        own = {at for at, of in pairs if of == strand}
        hits = set(np.flatnonzero(score > threshold).tolist())
        n_hits += len(hits)
        assert hits <= own
        # Each column is at most one step too high.
        room = np.maximum(columns.max(axis=0), 0).sum() - threshold
        largest = max(abs(threshold), columns.max(), min(-columns.min(), room))
        slack = (columns.shape[1] + 1) * largest / 2046
        possible = (score > threshold - slack) | (columns.min() < -room)
        assert own <= set(np.flatnonzero(possible).tolist())
        n_left += len(own)
    assert n_left < 1.1 * n_hits
    assert 200 < n_hits < 0.7 * 501 * len(WIDTHS)


def test_half_precision_leaves_the_same_windows() -> None:
    """As sums up to the threshold are exact, and larger ones stay above."""
    scores, first, thresholds = score_columns(3)
    thresholds[3], thresholds[-1] = -200.0, 1e-9
    letters = np.random.default_rng(1).integers(0, 4, 4001).astype(np.int8)
    bounds = ScoreBounds(scores, first, thresholds)
    single = bounds.survivors(letters, 7, 3990, "cpu")
    half = bounds.survivors(letters, 7, 3990, "cpu", half=True)
    assert len(single.place) > 1000
    np.testing.assert_array_equal(single.place, half.place)
    np.testing.assert_array_equal(single.strand, half.strand)


def test_flags_of_torch_are_left_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = torch.backends.cuda.matmul
    seen = []
    monkeypatch.setattr(torch, "mm", lambda a, b: seen.append(
        flags.allow_fp16_reduced_precision_reduction) or a @ b)  # fmt: skip
    scores, first, thresholds = score_columns(3)
    before = flags.allow_fp16_reduced_precision_reduction
    ScoreBounds(scores, first, thresholds).survivors(np.zeros(99, np.int8), 0, 99, "cpu")
    assert seen
    assert not any(seen)
    assert before
    assert flags.allow_fp16_reduced_precision_reduction


def test_tiles_and_strands_without_hits() -> None:
    scores, first, thresholds = score_columns(4)
    thresholds[[0, 5]] = np.inf
    letters = np.random.default_rng(1).integers(0, 4, 203).astype(np.int8)
    bounds = ScoreBounds(scores, first, thresholds)
    whole = bounds.survivors(letters, 0, 203, "cpu")
    assert set(whole.strand.tolist()).isdisjoint({0, 5})
    parts = [bounds.survivors(letters, at, min(at + 50, 203), "cpu") for at in range(0, 203, 50)]
    both = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    order = [np.lexsort((strand, place)) for place, strand in (whole, both)]
    for ours, theirs in zip(whole, both, strict=True):
        np.testing.assert_array_equal(ours[order[0]], theirs[order[1]])
    none = ScoreBounds(scores, first, np.full(len(WIDTHS), np.inf)).survivors(
        letters, 0, 203, "cpu"
    )
    assert len(none.place) == len(none.strand) == 0


@pytest.mark.parametrize("unknown", [True, False], ids=["neutral", "drop"])
@pytest.mark.parametrize("both", [True, False], ids=["both strands", "one strand"])
@pytest.mark.parametrize("p_threshold", [1e-4, 0.02, 0.9, 1.0])
def test_hits_are_those_of_the_cpu(
    p_threshold: float, both: bool, unknown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With unknown letters, padding and motifs wider than stretches."""
    codes = random_codes(1, (29, 151), 0.01)
    codes[np.random.default_rng(2).random(codes.shape) < 0.004] = 255
    codes[3] = 255
    codes[4, 6:] = 255
    matrices = random_motifs(0, WIDTHS)
    for place, matrix in enumerate(matrices):
        codes[place + 5, 30 : 30 + matrix.shape[1]] = matrix.argmax(axis=0)
    scan = scanner(matrices, p_threshold=p_threshold, complement=COMPLEMENT if both else None)
    wanted, n_tests = scan.scan(codes, unknown=unknown, device="cpu")
    monkeypatch.setattr(motif_scan, "torch_gpu", lambda device, **_: "cpu")
    monkeypatch.setattr(torch_scan, "_CPU_CELLS", 2**18)  # several tiles
    found, n = scan.scan(codes, unknown=unknown)
    assert n == n_tests
    assert len(wanted.start) > 5
    assert_same(found, wanted)
    some = [scan.scan(codes, unknown=unknown, n_starts=40)[0]]
    monkeypatch.undo()
    some.append(scan.scan(codes, unknown=unknown, n_starts=40)[0])
    assert_same(*some)


@pytest.mark.usefixtures("on_torch")
def test_other_letters_and_backgrounds() -> None:
    matrices = random_motifs(3, [4, 1, 5, 3], 20)
    codes = random_codes(4, (7, 97), 0.05, 20)
    for background in (np.full(20, 0.05), np.random.default_rng(0).dirichlet(np.full(20, 5.0))):
        options = {"background": background, "complement": None, "pseudocount": 1e-3,
                   "p_threshold": 0.02}  # fmt: skip
        scan = MotifScanner(*padded(matrices), **options)
        found, _ = scan.scan(codes)
        with pytest.MonkeyPatch.context() as patch:
            patch.undo()
            patch.setattr(motif_scan, "torch_gpu", lambda device, **_: None)
            wanted, _ = scan.scan(codes)
        assert len(wanted.start) > 10
        assert_same(found, wanted)


@pytest.mark.usefixtures("on_torch")
def test_nothing_to_look_through() -> None:
    scan = scanner(random_motifs(3, [4, 9]))
    assert rows(scan.scan(np.zeros((0, 8), np.uint8))[0]) == []
    assert rows(scan.scan(np.full((2, 8), 255, np.uint8))[0]) == []
    assert rows(scan.scan(np.zeros((2, 3), np.uint8))[0]) == []
    assert rows(scanner(random_motifs(3, [2])).scan(np.zeros((2, 30), np.uint8))[0]) == []


@pytest.mark.usefixtures("on_torch")
def test_smaller_tiles_where_memory_does_not_hold_one(monkeypatch: pytest.MonkeyPatch) -> None:
    matrices, codes = random_motifs(3, [7, 9]), random_codes(0, (3, 900))
    wanted = rows(scanner(matrices).scan(codes)[0])
    real, tiles = ScoreBounds.survivors, []

    def limited(
        self: ScoreBounds, letters: np.ndarray, start: int, stop: int, place: str
    ) -> object:
        tiles.append(stop - start)
        if stop - start > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, letters, start, stop, place)

    monkeypatch.setattr(ScoreBounds, "survivors", limited)
    monkeypatch.setattr(ScoreBounds, "tile", lambda self, place: 2000)
    most = 600
    scan = scanner(matrices)
    assert rows(scan.scan(codes)[0]) == wanted
    assert tiles == [2000, 1000, 500, 500, 500, 500, 500, 200]
    tiles.clear()
    scan.scan(codes)
    assert tiles[0] == 500  # the one that fits is kept
    most = 10
    with pytest.raises(MemoryLimit, match=r"`motifs`: the smallest piece needs .* MiB"):
        scanner(matrices).scan(codes)


def test_a_scanner_can_be_sent_to_another_process(on_torch: None) -> None:
    scan, codes = scanner(random_motifs(3, [7, 9])), random_codes(0, (3, 900))
    wanted = rows(scan.scan(codes)[0])
    assert len(wanted) == 3
    assert rows(pickle.loads(pickle.dumps(scan)).scan(codes)[0]) == wanted  # noqa: S301


@pytest.mark.usefixtures("on_torch")
def test_a_gpu_needs_no_memelite(monkeypatch: pytest.MonkeyPatch) -> None:
    matrices, codes = random_motifs(3, [7, 9]), random_codes(0, (3, 900))
    wanted = rows(scanner(matrices).scan(codes)[0])
    monkeypatch.setattr(motif_scan, "_memelite_fimo", None)
    assert rows(scanner(matrices).scan(codes)[0]) == wanted


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_devices() -> None:
    scan, codes = scanner(random_motifs(3, [7])), random_codes(0, (3, 90))
    with pytest.raises(DeviceUnavailable, match="device='cuda'"):
        scan.scan(codes, device="cuda")
    with pytest.raises(InvalidInput, match="device"):
        scan.scan(codes, device="gpu")
    assert rows(scan.scan(codes, device="auto")[0]) == rows(scan.scan(codes)[0])


@pytest.mark.gpu
def test_on_a_gpu_hits_are_those_of_the_cpu() -> None:
    """1,000 motifs on 20 million letters."""
    random = np.random.default_rng(0)
    matrices = random_motifs(1, random.integers(6, 31, 1000).tolist())
    codes = random_codes(1, (3, 7_000_003), 1e-4)
    scan = scanner(matrices, p_threshold=1e-4)
    wanted, found = (scan.scan(codes, device=device)[0] for device in ("cpu", "cuda"))
    assert len(wanted.start) > 1_000_000
    assert_same(found, wanted)
