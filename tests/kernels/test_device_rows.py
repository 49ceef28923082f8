"""Rows as they are made on a GPU, here on torch's CPU, beside the dense ones of the CPU."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse

from mutua.errors import MemoryLimit
from mutua.kernels import device_rows, orthogonal_nmf
from mutua.kernels.device_rows import DeviceRows, SparseBlock, rows_of_block
from mutua.kernels.gene_lines import gene_directions
from mutua.kernels.matrix_passes import Passes
from mutua.kernels.orthogonal_nmf import factorize
from mutua.settings import settings
from tests.kernels.test_orthogonal_nmf import planted

N, GENES = 90, 17
KEPT = ["dense", "sparse", ""]


def table(density: float = 0.3, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.gamma(2, size=(N, GENES)) * (random.random((N, GENES)) < density)


@pytest.fixture(params=KEPT)
def keeps(request, monkeypatch):
    """What there is memory for."""
    room = {"dense": 2**30, "sparse": 4 * N * GENES, "": 1}[request.param]
    monkeypatch.setattr(settings, "_memory", room)
    return request.param


@pytest.fixture
def scale():
    return np.random.default_rng(1).uniform(0.5, 3, GENES)


class TestBlocks:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, bool])
    @pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix, sparse.csr_array])
    def test_bits_are_those_of_the_cpu(self, keeps, scale, dtype, layout):
        X = layout((3 * table()).astype(dtype))
        with Passes(X, scale, rows=20) as cpu, Passes(X, scale, rows=20, on_device=True) as gpu:
            assert cpu.lanes == gpu.lanes
            for rows in [rows for lane in cpu.lanes for rows in lane]:
                for _ in range(2):
                    assert torch.equal(gpu._block(rows), cpu._block(rows))
            on = gpu._on_device
            assert on.keeps == (keeps if on.of_csr or keeps != "sparse" else "")
            assert len(on._kept) == (sum(map(len, cpu.lanes)) if on.keeps else 0)
        assert not on._kept

    def test_arrays_that_torch_does_not_take_as_they_are(self, scale):
        factor, place = (1 / scale).astype(np.float32), torch.device("cpu")
        X = table()
        expected = DeviceRows(X, factor, place).block(slice(0, N))
        fixed, swapped = X.copy(), X.astype(">f8")
        fixed.flags.writeable = False
        for other in (fixed, swapped, np.asfortranarray(X), X.astype(np.longdouble)):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert torch.equal(DeviceRows(other, factor, place).block(slice(0, N)), expected)

    def test_repeated_entries_add_up(self, scale):
        X = sparse.csr_matrix(table())
        twice = sparse.csr_matrix(
            (np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), 2 * X.indptr), X.shape
        )
        factor = (1 / scale).astype(np.float32)
        one, two = (
            DeviceRows(part, factor, torch.device("cpu")).block(slice(0, N)) for part in (X, twice)
        )
        assert torch.equal(one, two)
        assert twice.nnz == 2 * X.nnz

    def test_what_the_caller_keeps_is_left_free(self, scale):
        X = table()
        beside = 0.8 * settings.memory - 4 * X.size
        for more, kept in ((0, "dense"), (1, "")):
            found = DeviceRows(
                X, scale.astype(np.float32), torch.device("cpu"), beside=beside + more
            )
            assert found.keeps == kept

    def test_blocks_are_of_one_size_in_memory(self):
        assert rows_of_block(2000) == 33_554
        assert rows_of_block(10**9) == 1


class TestSparse:
    @pytest.fixture
    def block(self, monkeypatch, scale):
        monkeypatch.setattr(device_rows, "_SPARSE", 1.0)
        X = sparse.csr_matrix(table())
        rows = DeviceRows(X, (1 / scale).astype(np.float32), torch.device("cpu"))
        assert rows.sparse
        assert rows.keeps == "sparse"
        block = rows.block(slice(10, 60))
        assert rows.block(slice(10, 60)) is block
        return block, (X.toarray()[10:60] * (1 / scale).astype(np.float32)).astype(np.float32)

    def test_products(self, block):
        found, dense = block
        assert isinstance(found, SparseBlock)
        random = np.random.default_rng(0)
        right = torch.from_numpy(random.random((GENES, 4), np.float32))
        left = torch.from_numpy(random.random((3, 50), np.float32))
        np.testing.assert_allclose(found @ right, dense @ right.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(left @ found, left.numpy() @ dense, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.T @ left.T, dense.T @ left.numpy().T, rtol=1e-5, atol=1e-6)
        assert (left @ found).is_contiguous()
        assert float(found.square().sum()) == pytest.approx(float((dense**2).sum()))

    def test_only_where_few_values_are_above_0(self, scale):
        for density, expected in ((0.001, True), (0.3, False)):
            X = sparse.csr_matrix(table(density))
            assert DeviceRows(X, scale.astype(np.float32), torch.device("cpu")).sparse is expected


@pytest.mark.parametrize("orthogonal", [True, False])
@pytest.mark.parametrize("products", ["dense", "sparse", "array"])
def test_programs_are_those_of_the_cpu(keeps, monkeypatch, orthogonal, products):
    """All runs together, in blocks of another size: the sums are rounded otherwise."""
    X = planted(0.3, cells=300)[0]
    X[X < 0.4] = 0
    monkeypatch.setattr(device_rows, "_SPARSE", 1.0 if products == "sparse" else 0.0)
    values = X if products == "array" else sparse.csr_matrix(X)
    options = (6, [0, 1, 2], orthogonal, 60, 1e-4, False)
    expected = factorize(
        values, 6, seeds=[0, 1, 2], orthogonal=orthogonal, max_iterations=60, device="cpu"
    )
    with Passes(values, np.ones(X.shape[1]), rows=70, on_device=True) as passes:
        found = orthogonal_nmf._factors(passes, *options)
    for one, two in zip(found, expected, strict=True):
        assert one.error[-1] == pytest.approx(two.error[-1], rel=1e-3)
        assert (one.programs * two.programs).sum(axis=1).min() > 0.999


def test_directions_are_those_of_the_cpu(scale, monkeypatch):
    monkeypatch.setattr(device_rows, "_SPARSE", 1.0)
    X = sparse.csr_matrix(table())
    with Passes(X, scale) as cpu, Passes(X, scale, rows=20, on_device=True) as gpu:
        one, two = (gene_directions(passes, 3, seed=0) for passes in (cpu, gpu))
    np.testing.assert_allclose(one.T @ one, two.T @ two, rtol=1e-4, atol=1e-4)


class TestMemory:
    """A GPU whose memory holds blocks of so many rows."""

    @pytest.fixture
    def limit(self, monkeypatch):
        tried: list[int] = []

        def fits(most: int) -> list[int]:
            def passes(values, scale, *, place, rows, beside):
                tried.append(rows)
                assert place.type == "meta"
                assert beside == 8 * len(values) * 2 * 3
                if rows > most:
                    raise torch.OutOfMemoryError("CUDA out of memory")
                return Passes(values, scale, rows=rows, on_device=True)

            monkeypatch.setattr(device_rows, "_BLOCK", 4096 * GENES)
            monkeypatch.setattr(orthogonal_nmf, "Passes", passes)
            monkeypatch.setattr(
                orthogonal_nmf, "torch_device", lambda *_, **__: torch.device("meta")
            )
            return tried

        return fits

    def test_smaller_blocks(self, limit):
        tried = limit(1000)
        found = factorize(table(), 3, seeds=[0, 1], max_iterations=3)
        assert len(found) == 2
        assert tried == [4096, 2048, 1024, 512]

    def test_none_fits(self, limit):
        limit(0)
        with pytest.raises(MemoryLimit, match=r"n_cells.*MiB"):
            factorize(table(), 3, seeds=[0, 1])


@pytest.mark.gpu
@pytest.mark.parametrize("density", [0.01, 0.05])
def test_many_cells(density):
    """As many runs as `mutua.tl.programs` has by default, on 200,000 cells."""
    random = np.random.default_rng(0)
    n, genes, k = 200_000, 2000, 30
    X = sparse.random_array((n, genes), density=density, rng=random, dtype=np.float32)
    row, gene = X.coords
    X.data *= 1 + 5 * (row % k == gene % k)
    X = sparse.csr_matrix(X)
    one, two = (
        factorize(X, k, seeds=range(10), device=device, max_iterations=40)
        for device in ("cpu", "cuda")
    )
    for a, b in zip(one, two, strict=True):
        assert a.error[-1] == pytest.approx(b.error[-1], rel=1e-3)
