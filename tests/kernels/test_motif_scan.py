"""The scan against memelite's own, whose internals it calls, and against plain loops."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numba
import numpy as np
import pandas as pd
import pytest
import torch

from mutua.errors import MissingDependency
from mutua.kernels import motif_scan
from mutua.kernels.motif_scan import Hits, MotifScanner
from tests.reference import motifs as reference

COMPLEMENT = np.array([3, 2, 1, 0], np.uint8)
UNIFORM = [0.25] * 4


def padded(matrices: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    length = np.array([matrix.shape[1] for matrix in matrices])
    stack = np.zeros((len(matrices), len(matrices[0]), length.max()))
    for place, matrix in enumerate(matrices):
        stack[place, :, : length[place]] = matrix
    return stack, length


def scanner(matrices: list[np.ndarray], **options: object) -> MotifScanner:
    given = {"background": UNIFORM, "complement": COMPLEMENT, "p_threshold": 1e-3,
             "pseudocount": 1e-4}  # fmt: skip
    return MotifScanner(*padded(matrices), **given | options)


def random_motifs(seed: int, widths: list[int], n_letters: int = 4) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.dirichlet(np.full(n_letters, 0.3), width).T for width in widths]


def random_codes(
    seed: int, shape: tuple[int, int], unknown: float = 0.0, n_letters: int = 4
) -> np.ndarray:
    random = np.random.default_rng(seed)
    codes = random.integers(0, n_letters, shape, dtype=np.uint8)
    codes[random.random(shape) < unknown] = 254
    return codes


def rows(hits: Hits) -> list[tuple]:
    return list(zip(*(column.tolist() for column in hits), strict=True))


def test_threads_of_torch_are_left_as_they_were() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        scanner(random_motifs(0, [7])).scan(random_codes(0, (4, 90)))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("both", [True, False], ids=["both strands", "one strand"])
@pytest.mark.parametrize("p_threshold", [1e-4, 0.02])
def test_hits_are_those_of_memelite(both: bool, p_threshold: float) -> None:
    """To the last bit: scores, places and strands; p-values where memelite has any."""
    matrices = random_motifs(0, [*range(7, 31), 9, 12, 4, 1, 2])
    codes = random_codes(1, (41, 503), unknown=0.004)
    for place, matrix in enumerate(matrices):
        codes[place, 30 : 30 + matrix.shape[1]] = matrix.argmax(axis=0)
    hits, _ = scanner(
        matrices, p_threshold=p_threshold, complement=COMPLEMENT if both else None
    ).scan(codes, unknown=True)
    one_hot = (codes[:, None] == np.arange(4)[:, None]).astype(np.int8)
    frames = importlib.import_module("memelite").fimo(
        {str(place): matrix for place, matrix in enumerate(matrices)},
        one_hot,
        threshold=p_threshold,
        reverse_complement=both,
    )
    frame = pd.concat([part for part in frames if len(part)])
    frame["strand"] = frame["strand"].map({"+": 1, "-": -1})
    frame = frame.sort_values(
        ["sequence_name", "start", "motif_idx", "strand"], ascending=[True, True, True, False]
    )
    # memelite gives p = 0 where rounding puts a score above all rounded ones.
    least = [reference_least(matrix) for matrix in matrices]
    frame = frame[frame["motif_idx"].map(lambda motif: least[motif] < p_threshold)]
    assert len(frame) > 40
    for ours, theirs in (
        (hits.sequence, "sequence_name"), (hits.start, "start"), (hits.motif, "motif_idx"),
        (hits.strand, "strand"), (hits.score, "score"),
    ):  # fmt: skip
        np.testing.assert_array_equal(ours, frame[theirs].to_numpy(), err_msg=theirs)
    p = frame["p-value"].to_numpy()
    assert 0 < (p == 0).sum() < len(p) / 5
    np.testing.assert_allclose(hits.p_value[p > 0], p[p > 0], rtol=1e-9)
    np.testing.assert_allclose(hits.p_value[p == 0], np.array(least)[hits.motif[p == 0]], rtol=1e-9)


def reference_least(matrix: np.ndarray) -> float:
    """The share of the sequences with the highest rounded score."""
    steps = np.round((np.log2(matrix + 1e-4) + 2) / 0.1)
    return float(np.prod((steps == steps.max(axis=0)).sum(axis=0) / 4))


@pytest.mark.parametrize("neutral", [True, False], ids=["neutral", "drop"])
@pytest.mark.parametrize(
    ("n_letters", "complement"), [(4, [3, 2, 1, 0]), (4, [1, 0, 3, 2]), (5, None), (3, None)]
)
def test_hits_are_those_of_plain_loops(
    n_letters: int, complement: list[int] | None, neutral: bool
) -> None:
    """For any alphabet and background, unknown letters and padding anywhere."""
    random = np.random.default_rng(5)
    background = random.dirichlet(np.full(n_letters, 8.0)).tolist()
    matrices = random_motifs(3, [4, 1, 5, 3], n_letters)
    codes = random_codes(4, (7, 31), 0.05, n_letters)
    codes[random.random(codes.shape) < 0.05] = 255
    codes[2] = 255
    scan = scanner(
        matrices,
        background=background,
        complement=None if complement is None else np.array(complement, np.uint8),
        p_threshold=0.06,
    )
    hits, n_tests = scan.scan(codes, unknown=neutral)
    wanted = reference.scan(codes.tolist(), matrices, background, complement, 0.06, neutral)
    assert len(wanted) > 10
    assert [row[:4] for row in rows(hits)] == [row[:4] for row in wanted]
    np.testing.assert_allclose(hits.score, [row[4] for row in wanted], rtol=1e-12)
    np.testing.assert_allclose(hits.p_value, [row[5] for row in wanted], rtol=1e-9)
    all_windows = reference.scan(codes.tolist(), matrices, background, complement, 2.0, neutral)
    assert n_tests >= len(all_windows) > 0.9 * n_tests  # the least score exceeds nothing


def test_number_of_windows() -> None:
    matrices = random_motifs(3, [4, 1, 5])
    codes = random_codes(0, (2, 9))
    codes[0, 5] = 254  # stretches of 5 and 3 letters
    codes[1, :2] = 255  # one of 7
    scan = scanner(matrices)
    assert scan.scan(codes)[1] == 2 * ((2 + 0 + 4) + (5 + 3 + 7) + (1 + 0 + 3))
    assert scan.scan(codes, unknown=True)[1] == 2 * ((6 + 4) + (9 + 7) + (5 + 3))
    for unknown in (True, False):
        assert scan.scan(np.full((3, 8), 255, np.uint8), unknown=unknown)[1] == 0
    assert rows(scan.scan(np.zeros((0, 8), np.uint8))[0]) == []
    assert rows(scanner(matrices[2:]).scan(np.zeros((3, 4), np.uint8))[0]) == []


def test_parts_of_a_sequence_give_each_hit_once() -> None:
    matrices = random_motifs(3, [4, 9, 5])
    codes = random_codes(0, (1, 4000), 0.01)
    scan = scanner(matrices, p_threshold=5e-3)
    whole, n_tests = scan.scan(codes)
    parts, n_parts = [], 0
    for first in range(0, 4000, 700):
        stop = min(first + 700, 4000)
        hits, n = scan.scan(codes[:, first : stop + 8], n_starts=stop - first)
        parts += [(row[0], row[1] + first, *row[2:]) for row in rows(hits)]
        n_parts += n
    assert len(parts) > 50
    assert parts == rows(whole)
    assert n_parts == n_tests


def test_threads_do_not_change_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    matrices, codes = random_motifs(3, [7, 9, 15] * 5), random_codes(0, (31, 900))
    found = []
    for threads in (1, 2):
        monkeypatch.setattr(motif_scan, "available_threads", lambda n=threads: n)
        found.append(rows(scanner(matrices).scan(codes)[0]))
    assert len(found[0]) > 100
    assert found[0] == found[1]


def test_several_callers_at_once_and_numba_as_before() -> None:
    matrices, codes = random_motifs(3, [7, 9, 15]), random_codes(0, (31, 900))
    before = numba.get_num_threads(), numba.get_parallel_chunksize()
    scan = scanner(matrices)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: rows(scan.scan(codes)[0]), range(8)))
    assert all(part == found[0] for part in found)
    assert (numba.get_num_threads(), numba.get_parallel_chunksize()) == before


def test_another_memelite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: SimpleNamespace())
    with pytest.raises(MissingDependency, match="memelite has no _block_layout"):
        scanner(random_motifs(3, [7])).scan(random_codes(0, (2, 30)))
