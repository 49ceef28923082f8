"""The permutation null of nearest-neighbour mutual information against permutations one by one."""

import numpy as np
import pytest
from scipy.stats import skew

from mutua.errors import InvalidInput
from mutua.kernels import knn_null as module
from mutua.kernels.knn_mi import KnnNull, knn_mi, knn_null, standardized
from mutua.settings import settings as limits


def draw(
    n: int,
    f: int,
    l: int,  # noqa: E741
    n_permutations: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng([n, f])
    x = random.lognormal(size=(n, f)) * (random.random((n, f)) < 0.6)
    y = random.standard_normal((n, l))
    y[:, 0] += x[:, 0]
    orders = np.stack([random.permutation(n) for _ in range(n_permutations)])
    return *standardized(x, y, seed=0), orders


def assert_same(a: KnnNull, b: KnnNull) -> None:
    for name, one, other in zip(KnnNull._fields, a, b, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize(("n", "f", "l"), [(21, 1, 1), (40, 5, 3), (64, 2, 19), (129, 18, 2)])
def test_equals_permutations_one_by_one(n: int, f: int, l: int) -> None:  # noqa: E741
    x, y, orders = draw(n, f, l, 23)
    observed = knn_mi(x, y)
    null = knn_null(x, y, observed, orders)
    each = np.array([knn_mi(x, y[order]) for order in orders])
    np.testing.assert_array_equal(null.n_exceeding, (each >= observed).sum(axis=0))
    np.testing.assert_array_equal(null.n_permutations, np.full((f, l), 23))
    np.testing.assert_allclose(null.mean, each.mean(axis=0), rtol=0, atol=1e-13)
    np.testing.assert_allclose(null.variance, each.var(axis=0, ddof=1), rtol=1e-10)
    np.testing.assert_allclose(null.skewness, skew(each, axis=0, bias=False), rtol=1e-6, atol=1e-9)
    assert null.maxima is not None
    np.testing.assert_array_equal(null.maxima, each.max(axis=(1, 2)))
    scales = np.stack([observed, 0.5 + np.arange(f * l).reshape(f, l)])
    standardized = (each - scales[0]) / scales[1]
    found = knn_null(x, y, observed, orders, scales=scales)
    np.testing.assert_array_equal(found.maxima, standardized.max(axis=(1, 2)))
    assert_same(null, found._replace(maxima=null.maxima))


def test_estimates_that_tie_with_the_observed_one_reach_it() -> None:
    x, y, orders = draw(6, 3, 2, 200)
    orders[::4] = np.arange(6)
    observed = knn_mi(x, y)
    null = knn_null(x, y, observed, orders, n_neighbors=3)
    each = np.array([knn_mi(x, y[order]) for order in orders])
    assert null.n_exceeding.min() >= 50
    np.testing.assert_array_equal(null.n_exceeding, (each >= observed).sum(axis=0))


def test_threads_memory_and_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, orders = draw(300, 30, 10, 37)
    observed = knn_mi(x, y)
    everything = [knn_null(x, y, observed, orders, stop=stop) for stop in (None, 3)]
    for threads, memory, chunk in ((1, 2**20, 1e6), (2, 2**17, 2e9), (2, 2**12, 2e9)):
        monkeypatch.setattr(limits, "_threads", threads)
        monkeypatch.setattr(limits, "_memory", memory)
        monkeypatch.setattr(module, "_CHUNK", chunk)
        for stop, expected in zip((None, 3), everything, strict=True):
            assert_same(knn_null(x, y, observed, orders, stop=stop), expected)


@pytest.mark.parametrize("stop", [1, 4])
def test_pairs_stop_after_so_many_permutations_that_reach_them(stop: int) -> None:
    x, y, orders = draw(50, 7, 4, 90)
    observed = knn_mi(x, y)
    null = knn_null(x, y, observed, orders, stop=stop)
    each = np.array([knn_mi(x, y[order]) for order in orders])
    reached = np.cumsum(each >= observed, axis=0)
    for f in range(7):
        for j in range(4):
            stopped = np.flatnonzero(reached[:, f, j] == stop)
            n = stopped[0] + 1 if len(stopped) else 90
            assert null.n_permutations[f, j] == n
            assert null.n_exceeding[f, j] == reached[n - 1, f, j]
            assert null.mean[f, j] == pytest.approx(each[:n, f, j].mean(), abs=1e-13)
            assert np.isnan(null.variance[f, j]) == (n < 2)
            assert np.isnan(null.skewness[f, j]) == (n < 3)
    assert null.maxima is None
    assert null.n_permutations.min() < 90 == null.n_permutations.max()


def test_pairs_that_are_not_tested_have_no_null() -> None:
    x, y, orders = draw(30, 3, 2, 11)
    observed = knn_mi(x, y)
    observed[0], observed[2, 1] = np.nan, np.nan
    null = knn_null(x, y, observed, orders)
    unknown = np.isnan(observed)
    each = np.array([knn_mi(x, y[order]) for order in orders])
    assert (null.n_permutations == np.where(unknown, 0, 11)).all()
    assert (null.n_exceeding[unknown] == 0).all()
    for values in (null.mean, null.variance, null.skewness):
        np.testing.assert_array_equal(np.isnan(values), unknown)
    assert null.maxima is not None
    np.testing.assert_array_equal(null.maxima, each[:, ~unknown].max(axis=1))
    nothing = knn_null(x, y, np.full_like(observed, np.nan), orders)
    assert (nothing.n_permutations == 0).all()


def test_many_neighbours() -> None:
    x, y, orders = draw(40, 2, 3, 5)
    observed = knn_mi(x, y, n_neighbors=20)
    null = knn_null(x, y, observed, orders, n_neighbors=20)
    each = np.array([knn_mi(x, y[order], n_neighbors=20) for order in orders])
    assert null.maxima is not None
    np.testing.assert_array_equal(null.maxima, each.max(axis=(1, 2)))


def test_p_values_of_independent_columns_are_uniform() -> None:
    random = np.random.default_rng(3)
    x, y = random.standard_normal((30, 40)), random.standard_normal((30, 25))
    orders = np.stack([random.permutation(30) for _ in range(99)])
    null = knn_null(x, y, knn_mi(x, y), orders)
    p_values = (1 + null.n_exceeding) / 100
    for level in (0.05, 0.2, 0.5):
        assert (p_values <= level).mean() == pytest.approx(level, abs=0.05)


def test_bad_input_is_refused() -> None:
    x, y, orders = draw(20, 2, 1, 3)
    observed = knn_mi(x, y)
    for options, argument in (
        ({"observed": observed.T}, "observed"),
        ({"orders": orders[:, :-1]}, "orders"),
        ({"orders": orders * 0}, "orders"),
        ({"orders": orders - 1}, "orders"),
        ({"orders": orders[0]}, "orders"),
        ({"stop": 0}, "stop"),
        ({"scales": np.ones((2, 1, 2))}, "scales"),
        ({"n_neighbors": 20}, "n_neighbors"),
    ):
        arguments = {"observed": observed, "orders": orders, **options}
        with pytest.raises(InvalidInput) as caught:
            knn_null(x, y, **arguments)  # type: ignore[arg-type]
        assert caught.value.argument == argument
