"""One policy for devices, without a GPU: what a GPU would answer is put in its place."""

from __future__ import annotations

import logging
import subprocess
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from mutua.errors import DeviceUnavailable, InvalidInput, MemoryLimit
from mutua.kernels import devices
from mutua.kernels.devices import (
    WORTH,
    asked_device,
    free_memory,
    on_cuda,
    simulated,
    torch_device,
    torch_gpu,
    with_tiles,
)
from mutua.settings import settings

FEW, MANY = WORTH - 1, WORTH


class FakeCuda:
    """What the policy asks of ``numba.cuda``."""

    def __init__(self, usable: bool, error: str | None = None, free: int = 0) -> None:
        self.usable, self.error, self.free = usable, error, free
        self.cleared = 0

    def is_available(self) -> bool:
        return self.usable

    def cuda_error(self) -> str | None:
        return self.error

    def current_context(self) -> FakeCuda:
        return self

    def get_memory_info(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(free=self.free, total=2 * self.free)

    @property
    def deallocations(self) -> FakeCuda:
        return self

    def clear(self) -> None:
        self.cleared += 1


def put_numba(monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda | None) -> None:
    """Replace ``numba.cuda``; None makes importing it fail."""
    monkeypatch.setitem(sys.modules, "numba.cuda", cuda)


NO_DRIVER = FakeCuda(False, "\nCUDA driver library cannot be found.\nEnsure that it is.\n")
NO_TOOLKIT = FakeCuda(False)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No simulator, no GPU, the setting as it is at the start, and nothing logged yet."""
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    put_numba(monkeypatch, NO_DRIVER)
    put_torch(monkeypatch, False, None)
    monkeypatch.setattr(settings, "_device", "auto")
    devices._log_once.cache_clear()
    yield
    devices._log_once.cache_clear()


def put_torch(monkeypatch: pytest.MonkeyPatch, usable: bool, built: str | None) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)
    monkeypatch.setattr(torch.version, "cuda", built)


# -- which device is asked for ------------------------------------------------------------------
def test_the_argument_comes_before_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_device(None) == "auto"
    monkeypatch.setattr(settings, "_device", "cpu")
    assert [asked_device(None), asked_device("cuda")] == ["cpu", "cuda"]


@pytest.mark.parametrize("choose", [asked_device, torch_device, torch_gpu, on_cuda])
def test_unknown_devices(choose: Callable[[str], object]) -> None:
    with pytest.raises(
        InvalidInput, match=r"`device`: 'gpu'. Use one of \['auto', 'cpu', 'cuda'\]"
    ):
        choose("gpu")


# -- torch --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("device", "operations", "usable", "expected"),
    [
        ("cpu", MANY, True, "cpu"),
        ("cuda", FEW, True, "cuda"),
        ("auto", FEW, True, "cpu"),
        ("auto", MANY, True, "cuda"),
        ("auto", MANY, False, "cpu"),
    ],
)
def test_torch(
    monkeypatch: pytest.MonkeyPatch, device: str, operations: float, usable: bool, expected: str
) -> None:
    put_torch(monkeypatch, usable, "13.0")
    assert torch_device(device, operations=operations) == torch.device(expected)
    monkeypatch.setattr(settings, "_device", device)
    assert torch_device(None, operations=operations) == torch.device(expected)
    gpu = torch_gpu(device, operations=operations)
    assert gpu == (None if expected == "cpu" else expected)


@pytest.mark.parametrize("driver", [False, True])
def test_torch_is_loaded_where_there_is_a_driver(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, driver: bool
) -> None:
    """For work that a CPU does without torch; it takes seconds to load."""
    put_torch(monkeypatch, True, "13.0")
    monkeypatch.setattr(devices, "_has_driver", lambda: driver)
    assert torch_gpu("auto") == "cuda"  # torch is loaded here: it is asked
    loaded = torch
    monkeypatch.delitem(sys.modules, "torch")
    if driver:
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(ImportError):
            torch_gpu("auto")
        return
    with caplog.at_level(logging.INFO, logger="mutua"):
        assert [torch_gpu("auto") for _ in range(2)] == [None, None]
    assert [record.getMessage() for record in caplog.records] == [
        "device='auto' runs on the CPU: there is no driver of a GPU"
    ]
    monkeypatch.setitem(sys.modules, "torch", loaded)
    assert torch_gpu("cuda") == "cuda"


@pytest.mark.parametrize(
    ("platform", "there", "expected"),
    [("linux", "libcuda.so.1", True), ("linux", "", False), ("win32", "nvcuda.dll", True)],
)
def test_the_driver_is_looked_for_once(
    monkeypatch: pytest.MonkeyPatch, platform: str, there: str, expected: bool
) -> None:
    asked = []

    def load(name: str) -> None:
        asked.append(name)
        if name != there:
            raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(devices.ctypes, "CDLL", load)
        patched.setattr(devices.sys, "platform", platform)
        devices._has_driver.cache_clear()
        assert [devices._has_driver(), devices._has_driver()] == [expected, expected]
    devices._has_driver.cache_clear()
    assert len(asked) == 1


def test_work_of_unknown_size_is_worth_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    put_torch(monkeypatch, True, "13.0")
    assert torch_device("auto").type == "cuda"


@pytest.mark.parametrize(
    ("built", "says"),
    [(None, "as it is built without CUDA"), ("13.0", "is there one, and its driver?")],
)
def test_torch_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, built: str | None, says: str
) -> None:
    put_torch(monkeypatch, False, built)
    with pytest.raises(DeviceUnavailable) as caught:
        torch_device("cuda")
    text = str(caught.value)
    assert text.startswith(f"device='cuda': torch {torch.__version__} finds no usable GPU")
    assert says in text
    assert text.endswith("Use device='cpu'.")


# -- numba --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("device", "operations", "cuda", "expected"),
    [
        ("cpu", MANY, FakeCuda(True), False),
        ("cuda", FEW, FakeCuda(True), True),
        ("auto", FEW, FakeCuda(True), False),
        ("auto", MANY, FakeCuda(True), True),
        ("auto", MANY, NO_DRIVER, False),
        ("auto", MANY, NO_TOOLKIT, False),
        ("auto", MANY, None, False),
    ],
    ids=["cpu", "cuda", "auto-few", "auto-many", "no-driver", "no-toolkit", "no-numba-cuda"],
)
def test_numba(
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    operations: float,
    cuda: FakeCuda | None,
    expected: bool,
) -> None:
    put_numba(monkeypatch, cuda)
    assert on_cuda(device, operations=operations) is expected
    monkeypatch.setattr(settings, "_device", device)
    assert on_cuda(None, operations=operations) is expected


@pytest.mark.parametrize(
    ("cuda", "says"),
    [
        (None, "numba has no CUDA here (import of numba.cuda halted; None in sys.modules): "
               "pip install 'mutua[cuda]'."),
        (NO_DRIVER, "numba finds no usable GPU: CUDA driver library cannot be found. "
                    "Ensure that it is."),
        (NO_TOOLKIT, "numba finds a driver and no CUDA toolkit: pip install 'numba-cuda[cu12]'"),
    ],
    ids=["no-numba-cuda", "no-driver", "no-toolkit"],
)  # fmt: skip
def test_numba_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, cuda: FakeCuda | None, says: str
) -> None:
    put_numba(monkeypatch, cuda)
    with pytest.raises(DeviceUnavailable) as caught:
        on_cuda("cuda")
    text = str(caught.value)
    assert text.startswith(f"device='cuda': {says}")
    assert text.endswith(". Use device='cpu'.")


@pytest.mark.parametrize(("device", "operations"), [("cpu", MANY), ("auto", FEW)])
def test_the_cpu_never_loads_cuda(device: str, operations: float) -> None:
    code = (
        "import sys\n"
        "from mutua.kernels.devices import on_cuda, torch_gpu\n"
        f"assert not on_cuda({device!r}, operations={operations})\n"
        f"assert torch_gpu({device!r}, operations={operations}) is None\n"
        "print('numba.cuda' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_this_numba_answers_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in above has the functions of the real package, which no test here can run."""
    code = (
        "import inspect, numba.cuda as cuda\n"
        "from numba.cuda.cudadrv.driver import Context\n"
        "assert isinstance(cuda.is_available(), bool)\n"
        "assert cuda.is_available() or cuda.cuda_error() is None or cuda.cuda_error().split()\n"
        "assert callable(cuda.current_context) and callable(Context.get_memory_info)\n"
        "assert 'self.deallocations =' in inspect.getsource(Context.__init__)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- the simulator ------------------------------------------------------------------------------
def test_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs where it is asked for by name, and is never taken for a GPU."""
    assert not simulated()
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    put_numba(monkeypatch, FakeCuda(True))
    put_torch(monkeypatch, True, "13.0")
    assert simulated()
    assert [on_cuda(device) for device in ("auto", "cpu", "cuda")] == [False, False, True]
    assert free_memory() is None
    with pytest.raises(InvalidInput):
        on_cuda("simulator")


def test_torch_has_no_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    with pytest.raises(DeviceUnavailable):
        torch_device("cuda")


# -- what is logged -----------------------------------------------------------------------------
def test_auto_logs_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    put_numba(monkeypatch, NO_DRIVER)
    put_torch(monkeypatch, False, None)
    with caplog.at_level(logging.INFO, logger="mutua"):
        for _ in range(3):
            on_cuda("auto")
            torch_device("auto")
            torch_device("auto", operations=FEW)
    assert [(record.name, record.levelname) for record in caplog.records] == [("mutua", "INFO")] * 2
    numba, of_torch = (record.getMessage() for record in caplog.records)
    assert numba.startswith("device='auto' runs on the CPU: numba finds no usable GPU")
    assert of_torch.startswith(f"device='auto' runs on the CPU: torch {torch.__version__} finds")


def test_little_work_logs_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put_numba(monkeypatch, NO_DRIVER)
    with caplog.at_level(logging.DEBUG, logger="mutua"):
        on_cuda("auto", operations=FEW)
        on_cuda("cpu")
        torch_device("auto", operations=FEW)
        torch_device("cpu")
    assert not caplog.records


# -- smaller tiles ------------------------------------------------------------------------------
class CudaAPIError(Exception):
    """As numba raises it."""


OUT_OF_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    CudaAPIError("[2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_halves_until_it_fits(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    tried = []

    def work(tile: int) -> str:
        tried.append(tile)
        if tile > 30:
            raise error
        return f"with {tile}"

    with caplog.at_level(logging.INFO, logger="mutua"):
        assert with_tiles(work, 100, smallest=1, argument="cells", needed=float) == "with 25"
    assert tried == [100, 50, 25]
    assert [record.getMessage() for record in caplog.records] == [
        "cells: 100 at a time are more than memory holds, half of it",
        "cells: 50 at a time are more than memory holds, half of it",
    ]


def test_what_fits_is_called_once() -> None:
    tried: list[int] = []
    assert with_tiles(tried.append, 7, smallest=3, argument="cells", needed=float) is None
    assert tried == [7]


@pytest.mark.parametrize(("tile", "tried"), [(100, [100, 50, 25, 20]), (20, [20]), (5, [5])])
def test_the_smallest_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, tile: int, tried: list[int]
) -> None:
    monkeypatch.setattr(devices, "free_memory", lambda: 3 * 2**20)
    seen = []

    def work(tile: int) -> None:
        seen.append(tile)
        raise OUT_OF_MEMORY[1]

    with pytest.raises(MemoryLimit) as caught:
        with_tiles(work, tile, smallest=20, argument="cells", needed=lambda tile: tile * 2.0**30)
    assert seen == tried
    assert str(caught.value) == (
        f"`cells`: the smallest piece needs {1024 * tried[-1]:,} MiB of the GPU's memory, of which "
        "3 MiB are free. Free memory, or use device='cpu' if it is the GPU's."
    )
    assert caught.value.__cause__ is OUT_OF_MEMORY[1]


def test_nobody_knows_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    put_numba(monkeypatch, None)

    def work(tile: int) -> None:
        raise MemoryError

    with pytest.raises(MemoryLimit, match=r"needs 8 MiB of the GPU's memory\. Free"):
        with_tiles(work, 1, smallest=1, argument="cells", needed=lambda tile: 8 * 2.0**20)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("of another kind"),
        InvalidInput("cells", "none", "give some"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        CudaAPIError("[701] Call to cuLaunchKernel results in CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"),
        KeyboardInterrupt(),
    ],
    ids=["value", "input", "access", "resources", "interrupt"],
)
def test_other_errors_pass(error: BaseException) -> None:
    tried = []

    def work(tile: int) -> None:
        tried.append(tile)
        raise error

    with pytest.raises(type(error)) as caught:
        with_tiles(work, 100, smallest=1, argument="cells", needed=float)
    assert caught.value is error
    assert tried == [100]


class Memory:
    """What a call allocates on the GPU."""


@pytest.mark.parametrize("threads", [0, 1], ids=["directly", "through-a-future"])
def test_what_the_failed_call_held_is_gone_before_the_next(threads: int) -> None:
    held: list[weakref.ref[Memory]] = []

    def allocate(tile: int) -> int:
        assert all(reference() is None for reference in held)
        memory = Memory()
        held.append(weakref.ref(memory))
        if tile > 30:
            raise MemoryError
        return tile

    def work(tile: int) -> int:
        if not threads:
            return allocate(tile)
        with ThreadPoolExecutor(threads) as pool:
            futures = [pool.submit(allocate, tile)]
            return futures[0].result()

    assert with_tiles(work, 100, smallest=1, argument="cells", needed=float) == 25
    assert len(held) == 3


def test_kept_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """By torch to numba and by numba to torch, before the next try."""
    emptied = []
    cuda = FakeCuda(True)
    put_numba(monkeypatch, cuda)
    put_torch(monkeypatch, True, "13.0")
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(1))

    def work(tile: int) -> int:
        if tile > 60:
            raise MemoryError
        return len(emptied) + cuda.cleared

    assert with_tiles(work, 100, smallest=1, argument="cells", needed=float) == 2


# -- free memory --------------------------------------------------------------------------------
def test_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    put_numba(monkeypatch, FakeCuda(True, free=5 * 2**30))
    assert free_memory() == 5 * 2**30
    put_numba(monkeypatch, NO_DRIVER)
    assert free_memory() is None
    put_torch(monkeypatch, True, "13.0")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (7 * 2**30, 9 * 2**30))
    assert free_memory() == 7 * 2**30


def test_convolutions_are_in_full_precision_for_a_while() -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.deterministic
    with devices.full_precision():
        assert (cudnn.allow_tf32, cudnn.deterministic) == (False, before[1])
    with devices.full_precision(deterministic=True):
        assert (cudnn.allow_tf32, cudnn.deterministic) == (False, True)
    assert (cudnn.allow_tf32, cudnn.deterministic) == before


def test_a_precision_that_was_chosen_stays() -> None:
    """In a process of its own: torch does not mix its two ways to choose one."""
    code = (
        "import torch\n"
        "from mutua.kernels.devices import full_precision\n"
        "conv = torch.backends.cudnn.conv\n"
        "conv.fp32_precision = 'ieee'\n"
        "with full_precision(deterministic=True):\n"
        "    assert torch.backends.cudnn.deterministic\n"
        "assert conv.fp32_precision == 'ieee' and not torch.backends.cudnn.deterministic\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
