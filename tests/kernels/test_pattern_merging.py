import numpy as np
from scipy.stats import mannwhitneyu

from mutua.kernels.pattern_building import Frame
from mutua.kernels.pattern_merging import contamination, merge_patterns, split_pattern
from mutua.kernels.pattern_sites import Contexts, Sites
from tests.kernels.pattern_examples import planted

GATA = [2, 0, 3, 0, 0, 2, 2, 1, 0, 3]
EBOX = [1, 0, 1, 2, 3, 2, 0, 0, 3, 3]
FRAME = Frame(core=20, flank=5, background=np.full(4, 0.25))


def both(sizes: tuple[int, int] = (70, 60), **options) -> tuple[Contexts, Sites, np.ndarray]:
    """Sites of two motifs, those of each at the same place."""
    parts = [
        planted(motif, n, seed=seed, **{"jitter": 0, **options})
        for seed, (motif, n) in enumerate(zip((GATA, EBOX), sizes, strict=True))
    ]
    made = parts[0][0]._replace(
        codes=np.concatenate([part.codes for part, _, _ in parts]),
        values=np.concatenate([part.values for part, _, _ in parts]),
        sequence=np.arange(sum(sizes)),
        origin=np.zeros(sum(sizes), np.int64),
    )
    turned = np.concatenate([part[2] for part in parts])
    n = len(turned)
    # With the motif in the middle of 61 the frame of 30 is symmetric up to a letter.
    start = np.where(turned, 15, 16)
    return made, Sites(np.arange(n), start, turned), np.repeat([0, 1], sizes)


def test_contamination_follows_from_the_rank_sum() -> None:
    random = np.random.default_rng(0)
    within, between = random.integers(5, 15, 41), random.integers(0, 12, 67)
    area = mannwhitneyu(within, between).statistic / 41 / 67
    found = contamination(np.sort(within).astype(float), between.astype(float))
    assert abs(found - 2 * (1 - max(area, 0.5))) < 1e-12
    assert contamination(np.zeros(3), np.ones(2)) == 1
    assert contamination(np.ones(3), np.zeros(2)) == 0
    assert contamination(np.zeros(0), np.ones(2)) == 1


def test_a_mixed_pattern_is_split() -> None:
    made, where, motif = both()
    parts = split_pattern(made, where, 30, seed=0, n_starts=1)
    assert sorted(np.concatenate([part.context for part in parts]).tolist()) == list(range(130))
    assert all(len(set(motif[part.context].tolist())) == 1 for part in parts)


def test_a_small_pattern_is_not_split() -> None:
    made, where, _ = both((20, 20))
    assert len(split_pattern(made, where, 30, seed=0, n_starts=1)) == 1


def test_parts_of_a_pattern_are_joined_however_they_lie() -> None:
    made, where, motif = both()
    first = where.take(np.flatnonzero(motif == 0))
    n = len(first.context)
    left, right = first.take(np.arange(0, n, 2)), first.take(np.arange(1, n, 2))
    nothing = np.zeros(len(right.context), np.int64)
    # The other strand of it, three letters aside.
    moved = right.moved(nothing + 3, nothing == 0, width=30, to=0, to_width=30)
    other = where.take(np.flatnonzero(motif == 1))
    found = merge_patterns(made, [left, other, moved], FRAME, seed=0)
    assert [len(pattern.context) for pattern in found] == [70, 60]
    assert [set(motif[pattern.context].tolist()) for pattern in found] == [{0}, {1}]
    whole = found[0]
    as_first = whole.flipped ^ where.flipped[whole.context]
    assert (as_first == as_first[0]).all()


def test_on_one_strand_the_other_one_is_not_joined() -> None:
    made, where, motif = both(flip=True)
    made = made._replace(complement=None)
    first = where.take(np.flatnonzero(motif == 0))._replace(flipped=np.zeros(70, bool))
    turned = where.flipped[:70]
    found = merge_patterns(made, [first.take(turned), first.take(~turned)], FRAME, seed=0)
    assert sorted(len(p.context) for p in found) == sorted([turned.sum(), (~turned).sum()])


def test_no_patterns_stay_none() -> None:
    made, _, _ = both()
    assert merge_patterns(made, [], FRAME, seed=0) == []
