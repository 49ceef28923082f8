"""What a worker counts on a GPU of its own, in numba's simulator where there is none."""

import functools
from typing import Any

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import DeviceUnavailable
from mutua.kernels.cuda import position_columns, position_pairs
from mutua.kernels.cuda.position_pairs import DevicePairs
from mutua.kernels.pair_engine import units_of
from mutua.kernels.sequence_blocks import ArrayBlocks, PositionTask
from mutua.settings import settings_here
from mutua.tl import _position_workers as module
from mutua.tl._counting import SequenceBlocks

N, LENGTH, SIZE, BLOCK = 53, 6, 3, 40


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    """Letter codes, some of them missing; position 2 depends on position 0."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, SIZE, (N, LENGTH), dtype=np.uint8)
    codes[:, 2] = np.where(rng.random(N) < 0.5, codes[:, 0], codes[:, 2])
    codes[rng.random(codes.shape) < 0.1] = 254
    return codes


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was asked of the GPU."""
    asked: list[tuple[Any, ...]] = []
    for name in ("add_to", "permuted"):
        method = getattr(DevicePairs, name)

        def noted(self: DevicePairs, *args: Any, name: str, method: Any) -> None:
            asked.append((name, *(arg for arg in args if not isinstance(arg, np.ndarray))))
            method(self, *args)

        double = functools.partialmethod(noted, name=name, method=method)
        monkeypatch.setattr(DevicePairs, name, double)
    return asked


def task_of(codes: np.ndarray, *, weighted: bool) -> PositionTask:
    weights = np.random.default_rng(1).random(N) if weighted else None
    return PositionTask(ArrayBlocks(codes, BLOCK), 1, SIZE, 5.0, weights)


def tables_of(
    codes: np.ndarray, devices: list[str | None], shuffled: Any, *, weighted: bool
) -> list[np.ndarray]:
    """The tables of pairs 2 to 8 after each block, each counted where it is said."""
    task = task_of(codes, weighted=weighted)
    tables: list[np.ndarray] = []
    for number, ((start, stop), device) in enumerate(zip(task.blocks, devices, strict=True)):
        plain = PositionTask(module._Shape(N, LENGTH, BLOCK), 1, SIZE, 5.0)
        job = module._Job(plain, None, weighted, 7, shuffled, device)
        before = tables[-1] if tables else None
        units = units_of(task, start, stop)
        tables.append(module._add(job, 2, before, codes[start:stop], units, number))
    return tables


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shuffled", [None, (2**64 - 3, 7)], ids=["observed", "shuffled"])
@pytest.mark.parametrize("devices", [["cuda", "cuda"], ["cuda", "cpu"], ["cpu", "cuda"]])
def test_tables_are_those_of_the_cpu(
    codes: np.ndarray, on_gpu: list[Any], devices: Any, shuffled: Any, weighted: bool
) -> None:
    expected = tables_of(codes, ["cpu", "cpu"], shuffled, weighted=weighted)
    assert not on_gpu
    assert 0 < expected[0][0].sum() < expected[1][0].sum()
    found = tables_of(codes, devices, shuffled, weighted=weighted)
    assert on_gpu == [("add_to", *([shuffled] if shuffled else [None]))] * devices.count("cuda")
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shuffled", [None, (5, 1)], ids=["observed", "shuffled"])
def test_tables_where_memory_of_the_gpu_is_short(
    codes: np.ndarray, monkeypatch: pytest.MonkeyPatch, shuffled: Any
) -> None:
    """A few pairs at a time, and columns that do not stay."""
    expected = tables_of(codes, ["cpu", "cpu"], shuffled, weighted=True)
    make = position_pairs.empty

    def little(shape: int, dtype: Any) -> Any:
        if shape > 3 * SIZE**2:
            raise MemoryError
        return make(shape, dtype)

    monkeypatch.setattr(position_pairs, "empty", little)
    monkeypatch.setattr(position_columns, "free_memory", lambda: 1)
    pairs = DevicePairs(task_of(codes, weighted=True), (2, 9))
    assert pairs.passes == [(2, 5), (5, 8), (8, 9)]
    assert not pairs.columns.resident
    found = tables_of(codes, ["cuda", "cuda"], shuffled, weighted=True)
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("weighted", [False, True])
def test_whole_permutations(codes: np.ndarray, on_gpu: list[Any], weighted: bool) -> None:
    task = task_of(codes, weighted=weighted)
    plain = PositionTask(module._Shape(N, LENGTH, BLOCK), 1, SIZE, 5.0)
    given = 1, 9, codes, task.weights, 4, 3
    expected = module._permuted(plain, "cpu", *given)
    assert not on_gpu
    np.testing.assert_array_equal(module._permuted(plain, "cuda", *given), expected)
    assert on_gpu == [("permuted", 9, 4)]


def test_a_worker_without_a_gpu(codes: np.ndarray, on_gpu: list[Any]) -> None:
    """As the caller's settings say; the simulator is no GPU that is worth it."""
    with settings_here({"device": "auto"}):
        tables_of(codes, ["auto", "auto"], None, weighted=False)
    assert not on_gpu


class Cluster:
    """A client whose workers give certain answers."""

    def __init__(self, *answers: Any) -> None:
        self.answers = answers

    def run(self, function: Any, asked: str, operations: float) -> Any:
        assert function is module._has_gpu
        assert asked in ("auto", "cuda")
        assert operations == 30 * 10 * 9 / 2
        return dict(enumerate(self.answers))


@pytest.mark.parametrize(
    ("device", "here", "there", "workers"),
    [
        ("cuda", True, (True, True), "gpus"),
        ("auto", True, (True, True), "gpus"),
        ("auto", False, (True, True), "gpus"),
        ("auto", True, (True, False), "none"),
        ("cuda", True, (False, True), "none"),
        ("auto", False, (True, False), "any"),
        ("auto", True, (), "none"),
        ("cpu", False, (True, True), "any"),
    ],
)
def test_who_counts(
    monkeypatch: pytest.MonkeyPatch, device: str, here: bool, there: Any, workers: str
) -> None:
    monkeypatch.setattr(module, "current_client", lambda: Cluster(*there))
    monkeypatch.setattr(module, "on_cuda", lambda asked, operations: here)
    seqs = mt.pp.random_sequences(30, length=10, seed=0).chunk(sequence=8)
    blocks = SequenceBlocks(seqs["codes"], None)
    with settings_here({"device": device}):
        found = module.counted_on_workers(blocks, 1, 4, weighted=False, device=None)
    if workers == "none":
        assert found is blocks
    else:
        assert isinstance(found, module._WorkerBlocks)
        assert (found.device, found.on_gpus) == (device, workers == "gpus")


def test_no_gpu_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(asked: str, operations: float) -> bool:
        raise DeviceUnavailable("no GPU here")

    monkeypatch.setattr(module, "current_client", lambda: Cluster(module._has_gpu("cpu", 1)))
    monkeypatch.setattr(module, "on_cuda", lacks)
    assert not module._has_gpu("cuda", 1)
    seqs: xr.Dataset = mt.pp.random_sequences(30, length=10, seed=0).chunk(sequence=8)
    with pytest.raises(DeviceUnavailable, match="no GPU here"):
        mt.tl.position_mi(seqs, k=1, device="cuda")
