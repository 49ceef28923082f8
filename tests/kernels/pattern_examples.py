"""Seqlets for the tests of patterns."""

import numpy as np

from mutua.kernels.pattern_sites import Contexts, Sites

PAIRS = np.array([3, 2, 1, 0])


def contexts(
    n: int = 9,
    length: int = 37,
    *,
    seed: int = 0,
    hypothetical: bool = True,
    stranded: bool = False,
) -> Contexts:
    random = np.random.default_rng(seed)
    return Contexts(
        codes=random.integers(0, 4, (n, length)).astype(np.uint8),
        values=random.normal(size=(n, length, 4)).astype(np.float32),
        hypothetical=hypothetical,
        complement=None if stranded else PAIRS,
        sequence=np.arange(n),
        origin=np.full(n, -3),
    )


def sites(n: int, start: int = 5) -> Sites:
    return Sites(np.arange(n), np.full(n, start), np.zeros(n, bool))


def planted(
    motif: list[int],
    n: int = 40,
    length: int = 61,
    *,
    seed: int = 0,
    flip: bool = True,
    jitter: int = 4,
    noise: float = 0.05,
) -> tuple[Contexts, np.ndarray, np.ndarray]:
    """Contexts with a motif near their middle: where it begins, and whether it is turned."""
    random = np.random.default_rng(seed)
    made = contexts(n, length, seed=seed, hypothetical=False)
    there = noise * random.normal(size=(n, length))
    start = (length - len(motif)) // 2 + random.integers(-jitter, jitter + 1, n)
    turned = random.random(n) < 0.5 if flip else np.zeros(n, bool)
    for row in range(n):
        letters = np.array(motif)
        letters = PAIRS[letters[::-1]] if turned[row] else letters
        made.codes[row, start[row] : start[row] + len(motif)] = letters
        there[row, start[row] : start[row] + len(motif)] += 1
    made.values[:] = 0
    np.put_along_axis(made.values, made.codes[:, :, None], there[:, :, None], axis=2)
    return made, start, turned
