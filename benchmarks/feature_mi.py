"""Nearest-neighbour mutual information of two tables beside scikit-learn and ennemi.

All run in this process on the same columns; the peers on a few of the pairs, for they take minutes
for all. Times are of processors, of all threads together, so that they can be compared on a busy
machine; what the clock says is given for mutua.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from ennemi import estimate_mi
from numpy.typing import NDArray
from sklearn.feature_selection import mutual_info_regression

from mutua.kernels.knn_mi import knn_mi, knn_null, standardized
from mutua.settings import available_threads

Reals = NDArray[np.float64]


def tables(n: int, n_features: int, n_latents: int) -> tuple[Reals, Reals]:
    """Draw abundances, half of them 0, and latent dims that depend on a few of them."""
    random = np.random.default_rng(0)
    present = random.random((n, n_features)) < 0.5
    x = np.log10(random.lognormal(sigma=2, size=(n, n_features)) * present + 1e-3)
    y = random.standard_normal((n, n_latents))
    y[:, : min(n_features, n_latents)] += x[:, : min(n_features, n_latents)]
    return x, y


def least_seconds(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Give the least time by the clock and the least of the processors."""
    times = []
    for _ in range(repeats):
        clock, processor = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - clock, time.process_time() - processor))
    return min(clock for clock, _ in times), min(processor for _, processor in times)


def beside_peers(n: int, n_features: int, n_latents: int, n_peer: int, repeats: int) -> None:
    """Time all pairs, and `n_peer` of them with the peers."""
    x, y = tables(n, n_features, n_latents)
    n_pairs = n_features * n_latents

    def ours() -> Reals:
        return knn_mi(*standardized(x, y, seed=0))

    def scikit_learn() -> Reals:
        return mutual_info_regression(x[:, :n_peer], y[:, 0], random_state=0)

    scaled, targets = standardized(x, y, seed=0)

    def ennemi() -> Reals:
        return np.array([estimate_mi(targets[:, 0], scaled[:, f]) for f in range(n_peer)])

    noised = mutual_info_regression(x, y[:, 0], random_state=0) if n_peer == n_features else None
    if noised is not None:
        np.testing.assert_allclose(np.maximum(ours()[:, 0], 0), noised, rtol=0, atol=1e-12)
    clock, processor = least_seconds(ours, repeats)
    print(
        f"n = {n:,}, {n_pairs:,} pairs: {clock:.3g} s, {1e3 * clock / n_pairs:.3g} ms a pair "
        f"({1e3 * processor / n_pairs:.3g} ms of a processor)",
        flush=True,
    )
    for name, call in (("scikit-learn", scikit_learn), ("ennemi", ennemi)):
        _, spent = least_seconds(call, 1)
        print(
            f"  {name}: {1e3 * spent / n_peer:.3g} ms a pair, from {n_peer} pairs: "
            f"{spent / n_peer / (processor / n_pairs):.0f} times as much",
            flush=True,
        )


def null(n: int, n_features: int, n_latents: int, n_permutations: int) -> None:
    """Time permutations of all pairs with maxima."""
    x, y = standardized(*tables(n, n_features, n_latents), seed=0)
    observed = knn_mi(x, y)
    random = np.random.default_rng(1)
    orders = np.stack([random.permutation(n) for _ in range(n_permutations)])
    for stop in (None, 10):
        clock, processor = least_seconds(
            lambda stop=stop: knn_null(x, y, observed, orders, stop=stop), 1
        )
        each = processor / n_permutations / n_features / n_latents
        print(
            f"n = {n:,}, {n_features:,} x {n_latents:,} pairs, {n_permutations:,} permutations, "
            f"stop={stop}: {clock:.3g} s, {processor:.3g} s of processors, "
            f"{1e6 * each:.3g} us of one for a pair and permutation",
            flush=True,
        )


def main() -> None:
    print(f"{available_threads()} threads; pairs of a peer scaled to one pair")
    knn_mi(*standardized(*tables(50, 2, 2), seed=0))
    beside_peers(127, 3215, 50, 30, 3)
    beside_peers(10_000, 16, 8, 4, 2)
    beside_peers(10_000, 1, 1, 1, 3)
    beside_peers(100_000, 8, 4, 2, 1)
    beside_peers(100_000, 1, 1, 1, 1)
    null(127, 3215, 50, 96)


if __name__ == "__main__":
    main()
