"""At which distances and in which orientation motifs stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from mutua import stats
from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels.annotation_rows import SortedRows, first_overlap
from mutua.kernels.pair_spacings import BINS_PER_OCTAVE, Cells, SpacingTask
from mutua.kernels.pair_spacings import pair_spacings as count_spacings
from mutua.models import Dataset, checked
from mutua.models.annotations import Annotations
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import MOTIF, MOTIF_INDEX, PAIR, SEQUENCE_LENGTH
from mutua.models.motif_names import motif_numbers
from mutua.models.motif_pairs import MotifPairs
from mutua.settings import settings
from mutua.tl._motif_rows import as_motif_pairs, column, log2_ratio, motif_rows

__all__ = ["pair_spacings"]

_TINY = float(np.finfo(np.float64).tiny)
_CELL_BYTES = 200  # of a cell while a result is put together
_CANDIDATES = 2**18  # cells kept at first if there are very many tests


@checked
def pair_spacings(
    annotations: Dataset[Annotations],
    *,
    max_distance: int = 100,
    overlap: str = "raise",
    orientation: bool = True,
    ordered: bool = False,
    self_pairs: bool = False,
    pairs: xr.Dataset | Sequence[tuple[str, str]] | None = None,
    by: str = "distance",
    keep: str = "significant",
    q_value: float = 0.05,
    min_count: int = 5,
) -> Dataset[MotifPairs]:
    """Give the distances at which pairs of motifs stand more, or less, often than chance.

    The distance is the number of letters between two annotations: the start of the right one less
    the end of the left one. Pairs of annotations are counted, whatever stands between them.

    Parameters
    ----------
    annotations
        With motifs; rows that have none (-1) are left out.
    max_distance
        The largest distance that is counted.
    overlap
        What to do where annotations overlap, so that the distance is below 0: ``"raise"``;
        ``"drop"`` these pairs; or count them by ``"signed"`` distances. Then the left one is that
        whose middle is further left, and pairs with the same middle are not counted.
    orientation
        Keep apart the strands of the two motifs; all annotations then need one.
    ordered
        Keep apart which motif stands to the left on the forward strand. Otherwise both strands
        are read alike, and so that motif_a stands to the left; of a motif with itself, ``--``
        counts as ``++``.
    self_pairs
        Count pairs of a motif with itself as well.
    pairs
        Count only these: a `MotifPairs` (e.g. some rows of ``tl.pair_annotations``), or tuples of
        two motifs, by their ids or by names that no other motif has; a motif with itself if it is
        among them. Ordered, a tuple stands for its first motif to the left of its second.
    by
        ``"distance"``: rows are distances. ``"pair"``: one row for each pair and orientation, of
        the distance with the smallest p-value, which is then corrected for the distances tried.
    keep
        ``"significant"``: rows with q-values up to `q_value`. ``"all"``: rows with ``n`` > 0 or
        ``expected`` >= 5; by pair, all that stand within `max_distance`.
    q_value
        False discovery rate, above 0 and below 1.
    min_count
        Pairs that stand within `max_distance`, in one orientation, less often are not tested.

    Returns
    -------
    MotifPairs
        In the order of motifs, orientation and distance, with ``n_within``: how often the pair
        stands within `max_distance` in this orientation. ``p_value``: two-sided. ``q_value``:
        Benjamini-Hochberg over ``n_tests``, which are all distances of all pairs and orientations
        tested, listed or not (by pair: these pairs). What is not tested has NaN.

    Raises
    ------
    InvalidInput
        If annotations overlap, have no motifs, or have no strands; for unknown motifs.
    MemoryLimit
        If the rows to keep do not fit into ``settings.memory``.

    Notes
    -----
    Two annotations of widths v and w, placed at random in a sequence of length L, have the
    distance d with a probability proportional to L - v - w - d + 1 (where one holds the other, to
    L - max(v, w) + 1). Only the pairs within range count, ``n_within`` of them: that motifs
    stand near each other is not taken for a preferred distance. The number at one distance is
    tested as binomial with the mean of the pairs' probabilities. Where lengths and widths are all
    alike that is exact; else it can only be too large in its tails (Hoeffding 1956, Annals of
    Mathematical Statistics 27:713). Counts are whole numbers, so that p-values are too large on
    the whole; those of ``by="pair"``, which Bonferroni's correction adds to, by far: under the
    null 1 to 2 % of them are below 0.05.

    Many pairs at one distance would leave fewer for all others, and make these seem avoided. So
    distances that are too frequent are taken out: those below 0.01 by Bonferroni's correction
    over the distances of the pair, then those among the rest, until there are no more (a
    sequentially rejective test, Goeman and Solari 2010, Annals of Statistics 38:3782). Every
    distance is then tested, and its ``expected`` computed, among itself and those that were not
    taken out. Without such a distance nothing changes. By pair, the best distance is that among
    all.

    Pairs are taken as independent: repeats that hold both motifs several times, or homologous
    sequences, make a distance seem preferred. Overlaps are also a matter of the letters that
    motifs share. Motifs of one family stand at the same places; see `mutua.tl.merge_families`.

    Memory is bounded by `settings.memory`, whatever the number of motifs and annotations, beyond
    the annotations in order (about 60 bytes each) and the rows that are kept. Annotations in
    chunks are read as a whole.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(500, length=100, seed=0)
    >>> seqs = mt.pp.embed_motifs(seqs, ["TGATAAGG", "ACCGGAAG"], spacings=7, fraction=0.2)
    >>> motifs = mt.MotifSet.build({"GATA": "TGATAAGG", "ETS": "ACCGGAAG"})
    >>> spacings = mt.tl.pair_spacings(mt.tl.scan(seqs, motifs), overlap="drop")
    >>> mt.to_dataframe(spacings)[["distance", "n", "n_within", "expected"]].round(1)
       distance    n  n_within  expected
    0         7  100       100       2.1
    """
    options = {"orientation": orientation, "ordered": ordered, "self_pairs": self_pairs}
    for argument, value in options.items():
        if not isinstance(value, bool):
            raise InvalidInput(argument, f"{value!r}", "use True or False")
    max_distance = whole_number("max_distance", max_distance, low=0, high=2**31 - 1)
    one_of("overlap", overlap, ["raise", "drop", "signed"])
    one_of("by", by, ["distance", "pair"])
    one_of("keep", keep, ["significant", "all"])
    q_value = number("q_value", q_value, low=0, high=0.999, open_low=True)
    min_count = whole_number("min_count", min_count, low=1)
    rows = motif_rows(annotations)
    if orientation:
        _check_strands(annotations)
    if overlap == "raise":
        _refuse_overlap(rows, annotations)
    wanted_bounds, wanted = _wanted(annotations, pairs, ordered)
    width = rows.end.astype(np.int64) - rows.start
    widest = np.zeros(rows.n_sequences, np.int64)
    np.maximum.at(widest, rows.sequence, width)
    length = column(annotations, SEQUENCE_LENGTH).astype(np.int64)
    task = SpacingTask(
        widest=widest, length=length, wanted_bounds=wanted_bounds, wanted=wanted,
        self_pairs=self_pairs, ordered=ordered, orientations=4 if orientation else 1,
        lowest=1 - int(widest.max(initial=1)) if overlap == "signed" else 0,
        # No distance is longer than a sequence, so that tables are not either.
        highest=min(max_distance, int(length.max(initial=0))), min_count=min_count,
    )  # fmt: skip
    cells = _cells(rows, task, by == "pair", keep == "all", q_value)
    n_tests = cells.n_pairs if by == "pair" else cells.n_tests
    p = np.maximum(cells.p_value, _TINY)
    q = stats.benjamini_hochberg(p, n_tests=n_tests)
    kept = np.flatnonzero(q <= q_value) if keep == "significant" else np.arange(len(q))
    return as_motif_pairs(
        _columns(cells, p, q, kept, orientation),
        annotations,
        counted="pairs of annotations",
        ordered=ordered,
        n_sequences=rows.n_sequences,
        max_distance=max_distance,
        test=f"binomial, {'best distance of a pair' if by == 'pair' else 'distances of a pair'}",
        n_tests=n_tests,
        listed=keep,
    )


def _columns(
    cells: Cells, p: np.ndarray, q: np.ndarray, kept: np.ndarray, orientation: bool
) -> dict[str, Any]:
    n, expected = cells.n[kept], cells.expected[kept]
    within = {"long_name": "times that the pair stands within the largest distance"}
    columns: dict[str, Any] = {
        "motif_a_index": cells.motif_a[kept].astype(np.int32),
        "motif_b_index": cells.motif_b[kept].astype(np.int32),
        "n": n,
        "expected": expected,
        "log2_ratio": log2_ratio(n, expected),
        "p_value": p[kept],
        "q_value": q[kept],
        "distance": cells.distance[kept].astype(np.int32),
        "n_within": xr.Variable((PAIR,), cells.n_within[kept], within),
    }
    if orientation:
        columns["orientation"] = cells.orientation[kept].astype(np.int8)
    return columns


def _check_strands(annotations: Dataset[Annotations]) -> None:
    remedy = "use orientation=False"
    if "strand" not in annotations:
        raise InvalidInput("orientation", "True, and the annotations have no strand", remedy)
    without = int(((column(annotations, "strand") == 0) & (column(annotations, MOTIF_INDEX) >= 0))
                  .sum())  # fmt: skip
    if without:
        found = f"True, and {without:,} annotations have no strand"
        raise InvalidInput("orientation", found, remedy)


def _refuse_overlap(rows: SortedRows, annotations: Dataset[Annotations]) -> None:
    found = first_overlap(rows)
    if found is None:
        return
    one, other = (
        f"{annotations[MOTIF].values[rows.motif[i]]} at {rows.start[i]}-{rows.end[i]}"
        for i in found
    )
    raise InvalidInput(
        "overlap",
        f"'raise', and annotations overlap, e.g. {one} and {other} in sequence "
        f"{rows.sequence[found[0]]}",
        "use 'drop' or 'signed', or keep the best of them with "
        "tl.filter_annotations(..., best_of_overlapping='all')",
    )


def _wanted(
    annotations: Dataset[Annotations],
    pairs: xr.Dataset | Sequence[tuple[str, str]] | None,
    ordered: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Give the partners that are wanted of each motif; nothing where all are."""
    if pairs is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    n = annotations.sizes[MOTIF]
    both_ways = not ordered
    if isinstance(pairs, xr.Dataset):
        MotifPairs.check(pairs, where="argument `pairs` of tl.pair_spacings")
        ids = [str(name) for name in pairs[MOTIF].values]
        given: list[Any] = [
            (ids[a], ids[b])
            for a, b in zip(
                pairs["motif_a_index"].values, pairs["motif_b_index"].values, strict=True
            )
        ]
        both_ways = both_ways or not pairs.attrs["ordered"]
    else:
        given = [_two_of(pair) for pair in _listed(pairs)]
    numbers = motif_numbers(annotations, [name for pair in given for name in pair], "pairs")
    cells = set(zip(numbers[::2], numbers[1::2], strict=True))
    if both_ways:
        cells |= {(b, a) for a, b in cells}
    if not ordered:
        cells = {(a, b) for a, b in cells if a <= b}
    table = np.array(sorted(cells), np.int64).reshape(-1, 2)
    counts = np.bincount(table[:, 0], minlength=n)
    return np.concatenate([[0], np.cumsum(counts)]), np.ascontiguousarray(table[:, 1])


def _listed(pairs: Any) -> list[Any]:
    if isinstance(pairs, str) or not isinstance(pairs, Sequence):
        found = f"a {type(pairs).__name__}"
        raise InvalidInput("pairs", found, "pass a MotifPairs, or a list of (id, id) tuples")
    return list(pairs)


def _two_of(pair: Any) -> tuple[str, str]:
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise InvalidInput("pairs", f"{pair!r} among them", "use tuples of two motifs")
    return pair[0], pair[1]


def _cells(
    rows: SortedRows, task: SpacingTask, by_pair: bool, everything: bool, level: float
) -> Cells:
    """Count, and keep what may be wanted: all cells, or at least all significant ones."""
    most = max(settings.memory // _CELL_BYTES, 1024)
    if everything or by_pair:
        cells = count_spacings(rows, task, everything=everything, best=by_pair, level=level,
                               threshold=level, most=most)  # fmt: skip
        return _refuse_incomplete(cells, most, task)
    n_motifs = int((np.diff(rows.motif_bounds) > 0).sum())
    n_most = n_motifs**2 * task.orientations * (task.highest - task.lowest + 1)
    # No p-value above q * (rejected / tests) is significant; with many tests that is a small one.
    threshold = min(level, min(_CANDIDATES, most // 4) / max(n_most, 1))
    cells = count_spacings(rows, task, everything=False, best=False, level=level,
                           threshold=threshold, most=most)  # fmt: skip
    needed = _refuse_incomplete(cells, most, task)
    threshold = _needed_threshold(needed, level, threshold)
    if threshold:
        cells = count_spacings(rows, task, everything=False, best=False, level=level,
                               threshold=threshold, most=most)  # fmt: skip
    return _refuse_incomplete(cells, most, task)


def _needed_threshold(cells: Cells, level: float, threshold: float) -> float:
    """Give a p-value above which none can be significant; 0 if that is so of the threshold."""
    filled = np.flatnonzero(cells.histogram)[::-1]  # small p-values first
    at_most = len(cells.p_value) + np.cumsum(cells.histogram[filled])
    least = np.maximum(2.0 ** (-(filled + 1) / BINS_PER_OCTAVE), threshold)
    possible = np.flatnonzero(at_most * level / max(cells.n_tests, 1) >= least * (1 - 1e-9))
    if not len(possible):
        return 0.0
    return min(float(2.0 ** (-filled[possible[-1]] / BINS_PER_OCTAVE)) * (1 + 1e-9), level)


def _refuse_incomplete(cells: Cells, most: int, task: SpacingTask) -> Cells:
    if cells.complete:
        return cells
    raise MemoryLimit(
        "keep",
        f"more than {most:,} rows of pairs, orientations and {task.highest - task.lowest + 1:,} "
        f"distances, and settings.memory is {settings.memory / 2**20:,.0f} MiB",
        "name the pairs that you want in pairs=, use keep='significant' or by='pair', a smaller "
        "max_distance, or raise mutua.settings.memory",
    )
