"""Nearest-neighbour mutual information against plain loops and scikit-learn."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_selection import mutual_info_regression

from mutua.errors import InvalidInput
from mutua.kernels import knn_engine
from mutua.kernels.knn_mi import knn_mi, standardized
from mutua.settings import settings as limits
from tests.reference.knn_mi import knn_table


def of_normals(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = random.standard_normal((n, 3))
    return x, x[:, :1] + random.standard_normal((n, 2))


def of_abundances(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = random.lognormal(sigma=2, size=(n, 3)) * (random.random((n, 3)) < 0.5)
    return x, np.log10(x[:, :2] + 1e-6) + (random.random((n, 2)) < 0.5)


def of_counts(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = random.integers(0, 5, (n, 3)).astype(float)
    return x, x[:, :2] + random.integers(0, 3, (n, 2))


TABLES = [of_normals, of_abundances, of_counts]
Tables = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]


@pytest.mark.parametrize("tables", TABLES)
@pytest.mark.parametrize("n", [5, 16, 127, 128, 250, 256, 257, 700])
def test_equals_scikit_learn(tables: Tables, n: int) -> None:
    x, y = tables(n, np.random.default_rng(n))
    for k in (1, 3, 4):
        found = knn_mi(*standardized(x, y, seed=7), n_neighbors=k)
        expected = [
            mutual_info_regression(x, column, n_neighbors=k, random_state=7) for column in y.T
        ]
        np.testing.assert_allclose(np.maximum(found, 0), np.transpose(expected), rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("tables", TABLES)
@pytest.mark.parametrize("n", [4096, 20_000])
def test_equals_scikit_learn_with_many_samples(tables: Tables, n: int) -> None:
    x, y = tables(n, np.random.default_rng(n))
    found = knn_mi(*standardized(x, y, seed=1))
    expected = [mutual_info_regression(x, column, random_state=1) for column in y.T]
    np.testing.assert_allclose(np.maximum(found, 0), np.transpose(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("f", "l"), [(1, 1), (1, 9), (17, 2), (3, 33)])
def test_equals_plain_loops_for_tables_of_any_width(f: int, l: int) -> None:  # noqa: E741
    random = np.random.default_rng(f)
    x, y = random.standard_normal((23, f)), random.standard_normal((23, l))
    y[:, 0] += x[:, 0]
    np.testing.assert_allclose(knn_mi(x, y), knn_table(x, y, 3), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(knn_mi(x, y), knn_mi(y, x).T)


@settings(max_examples=40)
@given(
    values=st.lists(
        st.tuples(*[st.sampled_from([0.0, 1e-300, 0.1, 0.2, 0.3, 1.0, 1e9])] * 2),
        min_size=2,
        max_size=40,
    ),
    k=st.integers(1, 39),
)
def test_ties_and_extreme_values_without_noise(values: list[tuple[float, float]], k: int) -> None:
    k = min(k, len(values) - 1)
    table = np.array(values)
    x, y = table[:, :1], table[:, 1:]
    for columns in (1, 16):  # in strips, and in lanes
        found = knn_mi(x, np.tile(y, columns), n_neighbors=k)
        np.testing.assert_allclose(found - knn_table(x, y, k), 0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 16, 17, 19])
def test_as_many_neighbours_as_there_are(k: int) -> None:
    random = np.random.default_rng(k)
    x, y = random.standard_normal((k + 1, 2)), random.standard_normal((k + 1, 3))
    found = knn_mi(x, y, n_neighbors=k)
    np.testing.assert_allclose(found, knn_table(x, y, k), rtol=0, atol=1e-13)


@pytest.mark.parametrize("tables", TABLES)
@pytest.mark.parametrize("n", [2, 40, 300, 1500])
def test_lanes_and_strips_give_the_same_bits(
    tables: Tables, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = tables(n, np.random.default_rng(n))
    for x, y in ((x, y), standardized(x, y, seed=0)):  # noqa: B020
        for k in (1, min(n - 1, 16)):
            monkeypatch.setattr(knn_engine, "_STRIPS", 0.0)
            in_strips = knn_mi(x, y, n_neighbors=k)
            monkeypatch.setattr(knn_engine, "_STRIPS", np.inf)
            np.testing.assert_array_equal(knn_mi(x, y, n_neighbors=k), in_strips)


def test_threads_and_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    x, y = random.standard_normal((3000, 21)), random.standard_normal((3000, 11))
    expected = knn_mi(x, y)
    assert next(knn_engine.blocks_of_pairs(x, y, 3, 1)).in_strips is False
    for threads, memory in ((1, 2**20), (2, 2**20), (1, 2**30)):
        monkeypatch.setattr(limits, "_threads", threads)
        monkeypatch.setattr(limits, "_memory", memory)
        np.testing.assert_array_equal(knn_mi(x, y), expected)


def test_finds_the_mutual_information_of_normals() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((5000, 1))
    for r in (0.0, 0.5, 0.9):
        y = r * x + np.sqrt(1 - r**2) * random.standard_normal(x.shape)
        assert knn_mi(x, y)[0, 0] == pytest.approx(-0.5 * np.log(1 - r**2), abs=0.05)


def test_tables_without_columns_give_no_pairs() -> None:
    assert knn_mi(np.empty((9, 0)), np.ones((9, 2))).shape == (0, 2)
    assert knn_mi(np.ones((9, 2)), np.empty((9, 0))).shape == (2, 0)


def test_constant_columns_are_not_scaled() -> None:
    x, y = standardized(np.full((50, 2), 3.0), np.zeros((50, 1)), seed=0)
    assert np.abs(x - 3).max() < 1e-8
    assert 0 < np.abs(y).max() < 1e-8


def test_integers_and_other_orders_in_memory_are_standardized_alike() -> None:
    x = np.random.default_rng(0).integers(0, 9, (40, 3))
    expected = standardized(x.astype(float), x[:, :2].astype(float), seed=2)
    for table in (x, np.asfortranarray(x), x.astype(np.float32)):
        found = standardized(table, table[:, :2], seed=2)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("first", "last"), [(0, 5), (3, 4), (0, 1), (6, 9)])
def test_columns_of_a_larger_table_are_standardized_as_in_it(first: int, last: int) -> None:
    random = np.random.default_rng(3)
    x, y = random.lognormal(size=(1031, 9)), random.normal(size=(1031, 2))
    whole, targets = standardized(x, y, seed=4)
    part, again = standardized(x[:, first:last], y, seed=4, place=(first, 9))
    np.testing.assert_array_equal(part, whole[:, first:last])
    np.testing.assert_array_equal(again, targets)


def test_bad_input_is_refused() -> None:
    x, y = np.ones((9, 2)), np.ones((9, 1))
    for arguments, k, argument in (
        ((x, y[:8]), 3, "y"),
        ((x, y), 9, "n_neighbors"),
        ((x, y), 0, "n_neighbors"),
        ((x * np.nan, y), 3, "x"),
        ((x, y * np.inf), 3, "y"),
        ((x, y[:, 0]), 3, "y"),
    ):
        with pytest.raises(InvalidInput) as caught:
            knn_mi(*arguments, n_neighbors=k)
        assert caught.value.argument == argument
