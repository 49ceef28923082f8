"""Nearest-neighbour mutual information on CUDA against that on the CPU and plain loops."""

from collections.abc import Callable

import numpy as np
import pytest
from numba import cuda

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels import knn_engine
from mutua.kernels.cuda import knn_null as null_module
from mutua.kernels.cuda import knn_pairs, knn_sums
from mutua.kernels.cuda.knn_columns import sort_columns
from mutua.kernels.knn_mi import KnnNull, knn_mi, knn_null, standardized
from mutua.settings import settings
from tests.reference.knn_mi import knn_table

Tables = tuple[np.ndarray, np.ndarray]


def of_normals(n: int, random: np.random.Generator) -> Tables:
    x = random.standard_normal((n, 3))
    return x, x[:, :2] + random.standard_normal((n, 2))


def of_abundances(n: int, random: np.random.Generator) -> Tables:
    x = random.lognormal(sigma=2, size=(n, 3)) * (random.random((n, 3)) < 0.5)
    return standardized(x, np.log10(x[:, :2] + 1e-6), seed=0)


def of_ties(n: int, random: np.random.Generator) -> Tables:
    x = random.integers(0, 3, (n, 3)).astype(float)
    return x, x[:, :2] + random.integers(0, 2, (n, 2))


def of_extremes(n: int, random: np.random.Generator) -> Tables:
    """Distances of 0, below the least normal number, and beyond the largest."""
    several = [0.0, -0.0, 5e-324, -3e-310, 0.1, 0.2, 1e9, 1.7e308, -1.7e308]
    x = random.choice(several, (n, 3))
    return x, random.choice(several, (n, 2))


TABLES = [of_normals, of_abundances, of_ties, of_extremes]
ManyTables = Callable[[int, np.random.Generator], Tables]


@pytest.mark.parametrize("n", [1, 2, 5, 8, 13])
def test_columns_are_sorted_as_by_numpy(n: int) -> None:
    random = np.random.default_rng(n)
    columns = np.stack([random.standard_normal(n), random.integers(0, 3, n), np.zeros(n)])
    values = cuda.to_device(columns)
    samples = sort_columns(values).copy_to_host()
    np.testing.assert_array_equal(samples, np.argsort(columns, axis=1, kind="stable"))
    np.testing.assert_array_equal(values.copy_to_host(), np.sort(columns, axis=1))


@pytest.mark.filterwarnings("ignore:overflow encountered")  # of numpy, in the simulator
@pytest.mark.parametrize("tables", TABLES)
@pytest.mark.parametrize(
    ("n", "k"), [(2, 1), (11, 3), pytest.param(19, 18, marks=pytest.mark.slow)]
)
def test_estimates_are_those_of_the_cpu(tables: ManyTables, n: int, k: int) -> None:
    x, y = tables(n, np.random.default_rng(n))
    expected = knn_mi(x, y, n_neighbors=k, device="cpu")
    np.testing.assert_allclose(expected, knn_table(x, y, k), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(knn_mi(x, y, n_neighbors=k, device="cuda"), expected)
    np.testing.assert_array_equal(knn_mi(y, x, n_neighbors=k, device="cuda"), expected.T)


def test_samples_are_sorted_by_the_table_with_shorter_walks() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((30, 2)) * (random.random((30, 2)) < 0.3)
    y = random.standard_normal((30, 3))
    for own, other, swapped in ((x, y, True), (y, x, False)):
        (pairs,) = knn_pairs.pair_blocks(own, other, 3, 9)
        assert pairs.swapped is swapped


def test_many_samples_are_walked_in_global_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = of_abundances(14, np.random.default_rng(4))
    expected = knn_mi(x, y, device="cpu")
    monkeypatch.setattr(knn_sums, "_IN_SHARED", 13)
    assert knn_sums.work_bytes(13) == 0 < knn_sums.work_bytes(14)
    for n_workers in (1, 4, 99):
        monkeypatch.setattr(knn_sums, "_WORK_BYTES", 8 * 14 * n_workers)
        np.testing.assert_array_equal(knn_mi(x, y, device="cuda"), expected)


def test_tables_without_columns_give_no_pairs() -> None:
    assert knn_mi(np.empty((9, 0)), np.ones((9, 2)), device="cuda").shape == (0, 2)
    assert knn_mi(np.ones((9, 2)), np.empty((9, 0)), device="cuda").shape == (2, 0)


def draw(n: int, n_permutations: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(n)
    x, y = of_abundances(n, random)
    orders = np.stack([random.permutation(n) for _ in range(n_permutations)])
    return x, y, knn_mi(x, y, device="cpu"), orders


def assert_agree(found: KnnNull, expected: KnnNull) -> None:
    for name, one, other in zip(KnnNull._fields, found, expected, strict=True):
        if name in ("mean", "variance", "skewness"):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-11, err_msg=name)
        else:
            np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize("stop", [None, 1, 3])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_null_is_that_of_the_cpu(stop: int | None, swapped: bool) -> None:
    x, y, observed, orders = draw(12, 8)
    x, y, observed = (y, x, observed.T.copy()) if swapped else (x, y, observed)
    orders[5] = np.arange(12)  # reaches what is observed
    found = knn_null(x, y, observed, orders, stop=stop, device="cuda")
    assert_agree(found, knn_null(x, y, observed, orders, stop=stop, device="cpu"))
    each = np.array([knn_mi(x, y[order], device="cpu") for order in orders])
    if stop is None:
        np.testing.assert_array_equal(found.maxima, each.max(axis=(1, 2)))
        np.testing.assert_array_equal(found.n_exceeding, (each >= observed).sum(axis=0))
    else:
        assert found.n_permutations.min() < 8


def test_maxima_are_in_units_of_the_scales() -> None:
    x, y, observed, orders = draw(9, 4)
    scales = np.stack([observed, 0.5 + np.arange(6.0).reshape(3, 2)])
    observed[1, 0] = np.nan  # not tested
    found = knn_null(x, y, observed, orders, scales=scales, device="cuda")
    assert_agree(found, knn_null(x, y, observed, orders, scales=scales, device="cpu"))
    assert np.isnan(found.mean[1, 0])
    assert found.n_permutations[1, 0] == 0
    nothing = knn_null(x, y, np.full((3, 2), np.nan), orders, device="cuda")
    assert (nothing.n_permutations == 0).all()


@pytest.mark.parametrize("stop", [None, 2])
def test_chunks_and_blocks_change_nothing(
    stop: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, observed, orders = draw(10, 5)
    expected = knn_null(x, y, observed, orders, stop=stop, device="cpu")
    monkeypatch.setattr(null_module, "_CHUNK", 2 * 10 * 6)
    assert null_module._chunk(6, 10) == 2
    # What is needed at least, beside the columns and pairs, and then two columns of each.
    room = knn_pairs.SUM_BYTES + 2 * 2 * 10 * 20 + 4 * 96 + 1
    tiles: list[int] = []
    blocks = knn_pairs.pair_blocks

    def recorded(*arguments: object) -> object:
        tiles.append(arguments[3])  # type: ignore[arg-type]
        return blocks(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(null_module, "pair_blocks", recorded)
    monkeypatch.setattr(knn_pairs, "free_memory", lambda: room / 0.8)
    assert_agree(knn_null(x, y, observed, orders, stop=stop, device="cuda"), expected)
    assert tiles == [1]


def test_fewer_columns_are_tried_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, observed, orders = draw(9, 3)
    expected = knn_null(x, y, observed, orders, device="cpu")
    send, most = knn_pairs._sent, 1

    def sent(values: np.ndarray) -> object:
        if values.dtype == np.float64 and len(values) > most:
            raise MemoryError
        return send(values)

    monkeypatch.setattr(knn_pairs, "_sent", sent)
    assert_agree(knn_null(x, y, observed, orders, device="cuda"), expected)
    np.testing.assert_array_equal(knn_mi(x, y, device="cuda"), observed)
    most = 0
    with pytest.raises(MemoryLimit) as caught:
        knn_mi(x, y, device="cuda")
    assert caught.value.argument == "x"
    assert "MiB" in str(caught.value)


def test_a_gpu_takes_so_many_neighbours() -> None:
    x, y, observed, orders = draw(131, 2)
    for call in (
        lambda device: knn_mi(x, y, n_neighbors=129, device=device),
        lambda device: knn_null(x, y, observed, orders, n_neighbors=129, device=device),
    ):
        with pytest.raises(InvalidInput) as caught:
            call("cuda")
        assert caught.value.argument == "n_neighbors"
        call("auto")


def test_the_device_is_chosen_by_argument_setting_and_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = of_normals(9, np.random.default_rng(0))
    with pytest.raises(InvalidInput) as caught:
        knn_mi(x, y, device="tpu")
    assert caught.value.argument == "device"
    calls: list[str] = []
    monkeypatch.setattr(knn_pairs, "estimates", lambda *_: calls.append("cuda"))
    knn_mi(x, y)
    assert calls == []
    monkeypatch.setattr(settings, "_device", "cuda")
    knn_mi(x, y)
    assert calls == ["cuda"]
    asked: list[float] = []
    monkeypatch.setattr(
        knn_engine, "on_cuda", lambda device, *, operations: asked.append(operations)
    )
    knn_mi(x, y)
    knn_null(x, y, np.zeros((3, 2)), np.stack([np.arange(9)] * 5))
    assert asked == [60.0 * 9 * 6, 60.0 * 9 * 6 * 5]


@pytest.mark.gpu
def test_a_table_of_genomes_and_latent_dims_at_real_size() -> None:
    random = np.random.default_rng(0)
    x = random.lognormal(size=(127, 3215)) * (random.random((127, 3215)) < 0.5)
    x, y = standardized(x, random.standard_normal((127, 50)), seed=0)
    observed = knn_mi(x, y, device="cpu")
    np.testing.assert_array_equal(knn_mi(x, y, device="cuda"), observed)
    orders = np.stack([random.permutation(127) for _ in range(70)])
    for stop in (None, 5):
        found = knn_null(x, y, observed, orders, stop=stop, device="cuda")
        assert_agree(found, knn_null(x, y, observed, orders, stop=stop, device="cpu"))


@pytest.mark.gpu
@pytest.mark.parametrize(("n", "f", "l"), [(4096, 30, 3), (10_000, 40, 10), (100_000, 3, 2)])
@pytest.mark.parametrize("share", [1.0, 0.7])
def test_many_samples_at_real_size(n: int, f: int, l: int, share: float) -> None:  # noqa: E741
    random = np.random.default_rng(n)
    x = random.standard_normal((n, f)) * (random.random((n, f)) < share)
    y = x[:, :l] + random.standard_normal((n, l))
    y[:, :1] *= random.random((n, 1)) < share
    x, y = standardized(x, y, seed=1)
    for k in (1, 3, 20):
        expected = knn_mi(x, y, n_neighbors=k, device="cpu")
        np.testing.assert_array_equal(knn_mi(x, y, n_neighbors=k, device="cuda"), expected)
