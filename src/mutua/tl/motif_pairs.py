"""Which motifs stand in the same sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from mutua import stats
from mutua.errors import InvalidInput
from mutua.kernels.hypergeometric import log_overlap_p
from mutua.kernels.motif_pair_null import pair_null
from mutua.kernels.motif_pairs import PairTotals
from mutua.models import Dataset, checked
from mutua.models.annotations import Annotations
from mutua.models.arguments import one_of, whole_number
from mutua.models.motif_pairs import MotifPairs
from mutua.settings import settings
from mutua.tl._motif_rows import as_motif_pairs, log2_ratio
from mutua.tl._pair_counter import PairCounter

__all__ = ["pair_annotations"]

LISTED = 5.0
"""Pairs that never occur are listed if they are expected that often."""
_TINY = float(np.finfo(np.float64).tiny)
_TESTS = ("hypergeometric", "permutation")


@checked
def pair_annotations(
    annotations: Dataset[Annotations],
    *,
    ordered: bool = False,
    unique: bool = True,
    self_pairs: bool = False,
    test: str | None = "hypergeometric",
    n_permutations: int = 1000,
    seed: int = 0,
) -> Dataset[MotifPairs]:
    """Give which pairs of motifs stand together in more, or fewer, sequences than chance.

    Parameters
    ----------
    annotations
        With motifs; rows that have none (-1) are left out.
    ordered
        Keep apart which motif stands to the left: that whose middle is further left on the
        forward strand. Of two with the same middle neither does.
    unique
        Count the sequences in which both motifs stand; else all pairs of rows.
    self_pairs
        List pairs of a motif with itself as well: the sequences that have it twice or more, or
        its k (k - 1) / 2 pairs of rows.
    test
        ``"hypergeometric"``: the exact two-sided test that is Fisher's for one pair, for
        sequences counted without order. ``"permutation"``: see the notes. None for no test.
    n_permutations
        Permutations.
    seed
        Seed of the permutations.

    Returns
    -------
    MotifPairs
        A row for each pair with ``n`` > 0 or ``expected`` >= 5, so that pairs that avoid each
        other are seen; in the order of the motifs, and without order with motif_a before motif_b
        in the set. ``q_value``: Benjamini-Hochberg over all pairs of motifs that occur,
        ``n_tests``. With permutations also ``p_familywise``, from the largest deviation of any
        pair in every permutation.

    Raises
    ------
    InvalidInput
        If the annotations have no motifs, or for a hypergeometric test of order or of rows.
    MemoryLimit
        If there are too many motifs for permutations.

    Notes
    -----
    The hypergeometric test takes every sequence as equally likely to have a motif. Sequences
    differ: long or open ones, or those with low-complexity letters, have many motifs, and then
    most pairs seem to occur together more often than by chance (the p-values are too small).
    Permutations do not have this fault. Those of sequences without order keep the number of motifs
    of each sequence and the number of sequences of each motif (curveball trades [1]_); the others
    shuffle the motifs of all rows and keep their places. Their p-values are two-sided, below
    10 / n_permutations from a fitted gamma tail.

    Similar motifs stand at the same places and so occur together; and where the best of
    overlapping annotations only is left, the sites of one factor are split over many motifs, and
    no pair of them occurs often. Of a redundant collection count families: first
    `mutua.tl.merge_families`, then
    ``tl.filter_annotations(..., best_of_overlapping="all")``.

    Annotations in chunks, such as those of a store, are counted in blocks of chunks if their rows
    are in the order of the sequences, as those of `mutua.tl.scan` are: with a client of
    `dask.distributed` open on its workers, else one after another. That needs `settings.memory`
    and the chunks of a block, and of the caller also the rows of a sequence that goes on in the
    next block. Rows in another order are read as a whole, about 80 bytes each, and so are all for
    permutations.

    A pair of a motif with itself has no hypergeometric or curveball null; its p-value is NaN.

    References
    ----------
    .. [1] Strona, Nappo, Boccacci, Fattorini and San-Miguel-Ayanz 2014, A fast and unbiased
       procedure to randomize ecological binary matrices, Nature Communications 5:4114.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(500, length=100, seed=0)
    >>> seqs = mt.pp.embed_motifs(seqs, ["TGATAAGG", "CACGTGAC"], fraction=0.3)
    >>> motifs = mt.MotifSet.build({"GATA": "TGATAAGG", "E-box": "CACGTGAC", "ETS": "ACCGGAAG"})
    >>> pairs = mt.tl.pair_annotations(mt.tl.scan(seqs, motifs))
    >>> mt.to_dataframe(pairs)[["motif_a_index", "motif_b_index", "n", "expected"]].round(1)
       motif_a_index  motif_b_index    n  expected
    0              0              1  150      46.5
    """
    for argument, value in {"ordered": ordered, "unique": unique, "self_pairs": self_pairs}.items():
        if not isinstance(value, bool):
            raise InvalidInput(argument, f"{value!r}", "use True or False")
    n_permutations = whole_number("n_permutations", n_permutations, low=10)
    whole_number("seed", seed, low=0)
    if test is not None:
        one_of("test", test, _TESTS)
    if test == "hypergeometric" and (ordered or not unique):
        found = "'hypergeometric' of " + ("ordered pairs" if ordered else "pairs of rows")
        raise InvalidInput("test", found, "use 'permutation', or None for no test")
    counter = PairCounter(annotations, ordered=ordered, unique=unique)
    attrs: dict[str, Any] = {
        "counted": "sequences" if unique else "pairs of annotations",
        "ordered": ordered,
        "n_sequences": counter.n_sequences,
        "test": test or "",
    }
    if test == "permutation":
        columns, n_tests = _permuted(counter, self_pairs, n_permutations, seed)
        attrs["n_permutations"] = n_permutations
    else:
        columns, totals = _counted(counter, self_pairs)
        n_there = int((totals.n_with > 0).sum())
        n_tests = n_there * (n_there - 1) // (1 if ordered else 2)
        if test == "hypergeometric":
            columns |= _hypergeometric(columns, totals, counter.n_sequences)
    if test is not None:
        columns["q_value"] = stats.benjamini_hochberg(columns["p_value"], n_tests=n_tests)
        attrs["n_tests"] = n_tests
    return as_motif_pairs(columns, annotations, **attrs)


def _possible(n_motifs: int, ordered: bool, self_pairs: bool, first: int, stop: int) -> np.ndarray:
    """Tell which cells (motif_a, motif_b) are pairs, for motif_a from `first` to before `stop`."""
    a, b = np.arange(first, stop)[:, None], np.arange(n_motifs)
    pairs = (a != b) if ordered else (a < b)
    return pairs | (a == b) if self_pairs else pairs


def _counted(counter: PairCounter, self_pairs: bool) -> tuple[dict[str, np.ndarray], PairTotals]:
    """Count and list all pairs, some motifs at a time."""
    n = counter.n_motifs
    step = max(1, settings.memory // (64 * max(n, 1)))
    found: dict[str, list[np.ndarray]] = {}
    for first in range(0, max(n, 1), step):
        stop = min(first + step, n)
        counts, totals = counter.count(first, stop)
        expected = _expected(counter, totals, first, stop)
        listed = (counts > 0) | (expected >= LISTED)
        listed &= _possible(n, counter.ordered, self_pairs, first, stop)
        a, b = np.nonzero(listed)
        part: dict[str, np.ndarray] = {
            "motif_a_index": (a + first).astype(np.int32),
            "motif_b_index": b.astype(np.int32),
            "n": counts[listed],
            "expected": expected[listed],
        }
        for name, values in part.items():
            found.setdefault(name, []).append(values)
    columns = {name: np.concatenate(parts) for name, parts in found.items()}
    if counter.ordered and counter.unique:
        del columns["expected"]  # there is no formula
        return columns, totals
    columns["log2_ratio"] = log2_ratio(columns["n"], columns["expected"])
    return columns, totals


def _expected(counter: PairCounter, totals: PairTotals, first: int, stop: int) -> np.ndarray:
    """Give the counts if motifs are dealt to sequences, or to rows, at random; NaN if unknown."""
    expected: np.ndarray
    if counter.unique:
        n_with = totals.n_with.astype(np.float64)
        expected = n_with[first:stop, None] * n_with / max(counter.n_sequences, 1)
        if counter.ordered:
            expected[:] = np.nan
        expected[np.arange(stop - first), np.arange(first, stop)] = np.nan
        return expected
    of_motif = totals.n_rows.astype(np.float64)
    total = of_motif.sum()
    share = totals.n_beside / max(total * (total - 1), 1.0)
    expected = share * of_motif[first:stop, None] * of_motif
    own = np.arange(first, stop)
    expected[np.arange(stop - first), own] = share * of_motif[own] * (of_motif[own] - 1) / 2
    if counter.ordered:
        expected[np.arange(counter.n_motifs) != own[:, None]] /= 2
    return expected


def _hypergeometric(
    columns: dict[str, np.ndarray], totals: PairTotals, n_sequences: int
) -> dict[str, np.ndarray]:
    a, b = columns["motif_a_index"], columns["motif_b_index"]
    n_with, different = totals.n_with, a != b
    log_p = np.full(len(a), np.nan)
    log_p[different] = log_overlap_p(
        columns["n"][different], n_with[a[different]], n_with[b[different]],
        total=n_sequences,
    )  # fmt: skip
    return {"p_value": np.maximum(np.exp(log_p), _TINY)}


def _permuted(
    counter: PairCounter, self_pairs: bool, n_permutations: int, seed: int
) -> tuple[dict[str, np.ndarray], int]:
    """Count all pairs of motifs that occur, in the data and in permutations."""
    n, ordered, unique = counter.n_motifs, counter.ordered, counter.unique
    rows, _ = counter.whole()  # permutations shuffle the motifs of all
    counts, totals = counter.count(0, n)
    there = totals.n_with > 0
    possible = _possible(n, ordered, self_pairs, 0, n)
    possible &= there[:, None] & there
    pairs = np.flatnonzero(possible)
    observed = counts.reshape(-1)[pairs]
    a, b = np.divmod(pairs, max(n, 1))
    # Curveball trades say nothing of how often a motif stands in one sequence.
    tested = np.flatnonzero((a != b) | ordered | (not unique))
    null = pair_null(
        rows, pairs[tested], observed[tested], ordered=ordered, unique=unique,
        n_permutations=n_permutations, seed=seed,
    )  # fmt: skip
    values = {name: np.full(len(pairs), np.nan) for name in ("expected", "p_value", "familywise")}
    values["expected"][tested] = null.mean
    values["p_value"][tested] = stats.two_sided_permutation_p(
        observed[tested], null.n_above, null.n_below, null.mean, null.variance, n_permutations,
        skewness=null.skewness,
    )  # fmt: skip
    values["familywise"][tested] = stats.familywise_p(null.standardized, null.maxima)
    listed = (observed > 0) | (values["expected"] >= LISTED)
    columns: dict[str, np.ndarray] = {
        "motif_a_index": a[listed].astype(np.int32),
        "motif_b_index": b[listed].astype(np.int32),
        "n": observed[listed],
        "expected": values["expected"][listed],
        "log2_ratio": log2_ratio(observed[listed], values["expected"][listed]),
        "p_value": values["p_value"][listed],
        "p_familywise": values["familywise"][listed],
    }
    return columns, len(tested)
