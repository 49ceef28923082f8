"""How likely a random sequence reaches each score of a motif: exact tables of tails.

Scores are sums of log-odds, one for each letter. Rounded to steps they are whole numbers, and the
distribution of their sum follows column by column (a dynamic programme), without sampling. With
the same frequency of four letters every probability is a count of sequences times a power of 4,
so that up to 26 columns the tables hold no rounding at all.

Method: Staden 1989, Comput. Appl. Biosci. 5:89; Grant, Bailey and Noble 2011, Bioinformatics
27:1017 (FIMO).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.threads import Workers

__all__ = ["ScoreTables", "log_odds", "score_tables"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def log_odds(
    probability: npt.NDArray[np.floating], background: npt.ArrayLike, pseudocount: float
) -> Floats:
    """Give the score of each letter in bits: log2((probability + pseudocount) / background).

    Parameters
    ----------
    probability
        (letter, column) probabilities of letters.
    background
        (letter,) frequencies, all above 0.
    pseudocount
        Added to each probability, above 0.

    Examples
    --------
    >>> log_odds(np.array([[1.0], [0.0]]), [0.5, 0.5], 0.0001).round(2)
    array([[  1.  ],
           [-12.29]])
    """
    frequency = np.asarray(background, np.float64)[:, None]
    return np.log2(probability.astype(np.float64) + pseudocount) - np.log2(frequency)


@dataclass(frozen=True)
class ScoreTables:
    """For every motif, the probability of a score of at least so many steps.

    Attributes
    ----------
    lowest
        int64 (motif,) the score, in steps, that the first value of a table is of.
    offset
        int64 (motif + 1,) where the table of each motif begins in `tail`.
    tail
        float64, the tables one after the other; 0 where no sequence has so high a score.
    step
        Bits per step.
    """

    lowest: Ints
    offset: Ints
    tail: Floats
    step: float

    def thresholds(self, p: float) -> npt.NDArray[np.float32]:
        """Give the score in bits that each motif must exceed for a p-value below `p`.

        Infinite where the best sequence is not that unlikely.
        """
        starts, ends = self.offset[:-1], self.offset[1:]
        passing = np.append(np.flatnonzero(self.tail < p), len(self.tail))
        first = passing[np.searchsorted(passing, starts)]
        found = first < ends
        found[found] = self.tail[first[found]] > 0
        steps = np.where(found, first - starts + self.lowest, 0)
        return np.where(found, steps * self.step, np.inf).astype(np.float32)

    def reachable(self) -> Floats:
        """Give the tables with the least probability of a sequence in place of 0.

        Rounding may put the score of a sequence above the largest rounded score.
        """
        least = np.minimum.reduceat(np.where(self.tail > 0, self.tail, 1.0), self.offset[:-1])
        return np.maximum(self.tail, np.repeat(least, np.diff(self.offset)))


def score_tables(
    scores: Floats, first_column: npt.ArrayLike, background: npt.ArrayLike, *, step: float = 0.1
) -> ScoreTables:
    """Give the null distribution of the scores of many motifs, in parallel.

    Parameters
    ----------
    scores
        (letter, column) scores of all motifs side by side, in bits.
    first_column
        (motif + 1,) where each motif begins.
    background
        (letter,) frequencies of independent letters.
    step
        Scores are rounded to multiples of this, in bits.

    Examples
    --------
    >>> tables = score_tables(np.array([[1.0, 0], [-1, 1]]), [0, 2], [0.5, 0.5], step=1.0)
    >>> tables.lowest, tables.tail
    (array([-1]), array([1.  , 0.75, 0.5 , 0.25, 0.  , 0.  ]))
    """
    steps = np.round(scores / step).astype(np.int64)
    first = np.asarray(first_column, np.int64)
    # Never above 0 nor below: some letter is at most as frequent as in the background.
    low = np.minimum(np.add.reduceat(steps.min(axis=0), first[:-1]), 0)
    high = np.maximum(np.add.reduceat(steps.max(axis=0), first[:-1]), 0)
    # Rounding changes a column's score by up to half a step, hence one more step for each.
    sizes = high - low + np.diff(first) + 1
    offset = np.concatenate([[0], np.cumsum(sizes)])
    tail = np.empty(offset[-1])
    frequency = np.asarray(background, np.float64)
    with Workers() as workers:
        workers.run(
            _tables,
            [
                (place, stride, steps, first, frequency, low, offset, tail)
                for place, stride in workers.slices(len(low))
            ],
        )
    return ScoreTables(low, offset, tail, step)


@njit(cache=True, nogil=True)
def _tables(
    place: int,
    stride: int,
    steps: Ints,
    first: Ints,
    background: Floats,
    low: Ints,
    offset: Ints,
    tail: Floats,
) -> None:
    widest = 0
    for motif in range(place, len(low), stride):
        widest = max(widest, offset[motif + 1] - offset[motif])
    now, then = np.empty(widest), np.empty(widest)
    for motif in range(place, len(low), stride):
        size = offset[motif + 1] - offset[motif]
        # Sums of the columns so far lie in [below, above]; place 0 of `now` stands for `below`.
        below = above = 0
        now[0] = 1.0
        for column in range(first[motif], first[motif + 1]):
            least, most = steps[0, column], steps[0, column]
            for letter in range(1, len(background)):
                least = min(least, steps[letter, column])
                most = max(most, steps[letter, column])
            then[: above - below + most - least + 1] = 0.0
            for letter in range(len(background)):
                shift = steps[letter, column] - least
                frequency = background[letter]
                for score in range(above - below + 1):
                    then[score + shift] += frequency * now[score]
            below, above = below + least, above + most
            now, then = then, now
        table = tail[offset[motif] : offset[motif + 1]]
        table[:] = 0.0
        for score in range(below, above + 1):
            table[score - low[motif]] = now[score - below]
        for score in range(size - 2, -1, -1):
            table[score] += table[score + 1]
