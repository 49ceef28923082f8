"""Whether p-values of mutual information are what they say, and what is found by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, kstest

import mutua as mt

N = 90
Draw = Callable[[np.random.Generator, int], np.ndarray]


def frame(values: np.ndarray, prefix: str) -> pd.DataFrame:
    names = [f"{prefix}{number}" for number in range(values.shape[1])]
    return pd.DataFrame(values, [f"s{i}" for i in range(len(values))], names)


def numbers(random: np.random.Generator, size: int) -> np.ndarray:
    return random.normal(size=(N, size))


def half_zeros(random: np.random.Generator, size: int) -> np.ndarray:
    amounts = random.lognormal(size=(N, size))
    return np.where(random.random((N, size)) < 0.5, 0.0, amounts)


def classes(random: np.random.Generator, size: int) -> np.ndarray:
    return random.choice(list("abcd"), (N, size))


def p_values(
    x: Draw, y: Draw, repeats: int, size: tuple[int, int], **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Give p-values of independent tables and the smallest family-wise one of each."""
    found, least = [], []
    for repeat in range(repeats):
        random = np.random.default_rng([repeat, *size])
        tables = frame(x(random, size[0]), "x"), frame(y(random, size[1]), "y")
        mi = mt.tl.mutual_information(*tables, seed=repeat, **options)
        found.append(mi["p_value"].values.ravel())
        least.append(float(mi["p_familywise"].min()))
    return np.concatenate(found), np.array(least)


def assert_level(p: np.ndarray, level: float, *, dependence: float = 1.0) -> None:
    """Hold the number of p-values at or below a level against a binomial distribution.

    Pairs that share a column are not independent tests: `dependence` is how many are worth one.
    """
    n = int(len(p) / dependence)
    reached = (p <= level).mean() * n
    assert reached <= binom.ppf(1 - 1e-4, n, level), f"{reached / n / level:.2f} times {level}"
    assert reached >= binom.ppf(1e-4, n, level), f"{reached / n / level:.2f} times {level}"


CASES: dict[str, tuple[Draw, Draw, dict[str, Any]]] = {
    "numbers": (numbers, numbers, {}),
    "zeros and numbers": (half_zeros, numbers, {}),
    "zeros and classes": (half_zeros, classes, {}),
    "classes and numbers": (classes, numbers, {}),
    "classes": (classes, classes, {}),
    "gaussian_copula": (half_zeros, numbers, {"estimator": "gaussian_copula"}),
    "binned": (half_zeros, numbers, {"estimator": "binned"}),
}


@pytest.mark.parametrize("case", list(CASES))
def test_p_is_uniform_under_the_null(case: str) -> None:
    x, y, options = CASES[case]
    p, _ = p_values(x, y, 4, (9, 11), n_permutations=100, **options)
    for level in (0.5, 0.1, 0.02):
        assert_level(p, level, dependence=2)


@pytest.mark.slow
@pytest.mark.parametrize("case", list(CASES))
def test_p_is_uniform_down_to_the_tail(case: str) -> None:
    x, y, options = CASES[case]
    quick = case in ("gaussian_copula", "binned", "classes")
    repeats = 40 if quick else 12 if case == "numbers" else 6  # which take longer
    p, least = p_values(x, y, repeats, (50, 40), n_permutations=300, **options)
    assert len(p) == repeats * 2000
    if case != "classes":  # whose p-values are discrete
        assert kstest(p[::17], "uniform").pvalue > 1e-4
    for level in (0.5, 0.1, 0.01, 1e-3):
        assert_level(p, level, dependence=3)
    for level in (1e-4, 1e-5):  # not too small; what is too large is lost power
        assert (p <= level).sum() <= 3 * max(1, binom.ppf(1 - 1e-3, len(p), level))
    assert (least <= 0.05).mean() <= 0.3


@pytest.mark.slow
@pytest.mark.parametrize("case", ["numbers", "zeros and numbers", "classes and numbers"])
@pytest.mark.parametrize("n_permutations", [10, 40])
def test_few_permutations_promise_little(case: str, n_permutations: int) -> None:
    x, y, options = CASES[case]
    p, _ = p_values(x, y, 6, (50, 40), n_permutations=n_permutations, **options)
    least = mt.stats.least_permutation_p(n_permutations)
    assert p.min() >= least
    for level in (0.1, 0.01, least * 1.001):  # not too small; what is too large is lost power
        assert (p <= level).sum() <= 1.8 * max(2, binom.ppf(1 - 1e-3, len(p) // 3, level) * 3)
    assert (p <= 0.1).mean() > 0.07


CONFOUNDERS: dict[str, Draw] = {
    "number": lambda random, size: random.normal(size=(N, size)),
    "classes": lambda random, size: random.integers(0, 4, (N, size)) * 1.0,
}


def confounded(kind: str, repeats: int, **options: Any) -> dict[bool, np.ndarray]:
    """Give p-values of columns that both follow z and nothing else, with and without it."""
    found: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for repeat in range(repeats):
        random = np.random.default_rng(repeat)
        z = CONFOUNDERS[kind](random, 1)
        x, y = (frame(z + numbers(random, size), name) for size, name in ((4, "x"), (3, "y")))
        given = frame(z, "z") if kind == "number" else frame(z, "z").astype(str)
        for known, covariates in ((False, None), (True, given)):
            mi = mt.tl.mutual_information(
                x, y, covariates=covariates, n_permutations=100, seed=repeat, **options
            )
            found[known].append(mi["p_value"].values.ravel())
    return {known: np.concatenate(p) for known, p in found.items()}


@pytest.mark.parametrize("kind", list(CONFOUNDERS))
@pytest.mark.parametrize("estimator", ["gaussian_copula", "binned"])
@pytest.mark.slow
def test_covariates_keep_the_level(kind: str, estimator: str) -> None:
    p = confounded(kind, 30, estimator=estimator)
    assert (p[False] <= 0.05).mean() > 0.3
    assert (p[True] <= 0.05).mean() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(CONFOUNDERS))
def test_covariates_keep_the_level_of_neighbours(kind: str) -> None:
    p = confounded(kind, 80)
    assert (p[False] <= 0.05).mean() > 0.4
    assert_level(p[True], 0.05, dependence=3)


def test_small_confounded_null_of_neighbours() -> None:
    p = confounded("number", 12)
    assert (p[False] <= 0.05).mean() > 0.3
    assert (p[True] <= 0.05).mean() < 0.13


@pytest.mark.slow
def test_whole_blocks_keep_the_level() -> None:
    """Blocks of several sizes, whose values are dealt as wholes."""
    found: dict[str, list[np.ndarray]] = {"blocks": [], "samples": []}
    for repeat in range(20):
        random = np.random.default_rng(repeat)
        block = np.repeat(np.arange(24), 3)[:-1]
        x = frame(random.normal(size=(24, 8))[block] + random.normal(size=(71, 8)) / 9, "x")
        y = frame(random.normal(size=(24, 6))[block], "y")
        blocks = pd.Series(block.astype(str), x.index)
        mi = mt.tl.mutual_information(x, y, n_permutations=200, blocks=blocks, permute="blocks")
        found["blocks"].append(mi["p_value"].values.ravel())
        plain = mt.tl.mutual_information(x, y, n_permutations=200)
        found["samples"].append(plain["p_value"].values.ravel())
    assert_level(np.concatenate(found["blocks"]), 0.05, dependence=3)
    assert (np.concatenate(found["samples"]) <= 0.05).mean() > 0.5


@pytest.mark.slow
def test_false_discoveries_are_held_on_simulated_tables() -> None:
    """Of genomes that follow a batch as latent dims do, few are found once the batch is given."""
    false = {None: [0, 0], "batch": [0, 0]}
    for seed in range(8):
        features, genomes = mt.datasets.simulate_metagenome(seed=seed)
        mt.pp.log_abundance(genomes)
        truth = genomes.varm["mi"].to_numpy() > 0
        for covariates, counts in false.items():
            mi = mt.tl.mutual_information(
                genomes,
                features,
                y_obsm="latent",
                estimator="gaussian_copula",
                covariates=covariates,
                n_permutations=1000,
                seed=seed,
            )
            found = mi["q_value"].values < 0.05
            counts[0] += int((found & ~truth).sum())
            counts[1] += int(found.sum())
    assert false[None][0] / false[None][1] > 0.3
    assert false["batch"][0] / false["batch"][1] < 0.08
    assert false["batch"][1] > 90
