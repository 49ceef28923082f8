"""Where a kernel runs: one policy for those of numba and those of torch.

``"auto"`` takes a GPU that is usable and worth it, and the CPU otherwise, which is logged once;
``"cuda"`` takes the GPU or says what is missing; ``"cpu"`` never asks. Nothing here looks for a GPU
before a kernel wants one. Several GPUs are used through one worker process for each, which sees
no other (``CUDA_VISIBLE_DEVICES``): within a process the first visible one is used.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from mutua.errors import DeviceUnavailable, InvalidInput, MemoryLimit
from mutua.settings import DEVICES, settings

__all__ = [
    "WORTH",
    "asked_device",
    "free_memory",
    "full_precision",
    "on_cuda",
    "simulated",
    "torch_device",
    "torch_gpu",
    "with_tiles",
]

WORTH = 2e8
"""Elementary operations (increments, multiplications, comparisons) from which on ``"auto"`` takes
a GPU: what two CPU cores do in about 0.1 s, the time that a GPU's context and first launch take."""

_logger = logging.getLogger("mutua")
T = TypeVar("T")


def asked_device(device: str | None) -> str:
    """Give the device that is asked for, by an argument or else by the setting.

    Raises
    ------
    InvalidInput
        If there is no such device.

    Examples
    --------
    >>> asked_device("cpu")
    'cpu'
    """
    asked = settings.device if device is None else device
    if asked not in DEVICES:
        raise InvalidInput("device", f"{asked!r}", f"use one of {list(DEVICES)}")
    return asked


def torch_device(device: str | None, *, operations: float = float("inf")) -> Any:
    """Choose where torch computes.

    Parameters
    ----------
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; None for the setting.
    operations
        How many elementary operations there are to do, for ``"auto"``.

    Returns
    -------
    torch.device

    Raises
    ------
    InvalidInput
        If there is no such device.
    DeviceUnavailable
        For ``"cuda"`` without a GPU that torch can use; says what is missing.

    Examples
    --------
    >>> torch_device("auto", operations=1_000)
    device(type='cpu')
    """
    import torch

    asked = asked_device(device)
    return torch.device("cuda" if _chosen(asked, operations, _torch_lacks) else "cpu")


def torch_gpu(device: str | None, *, operations: float = float("inf")) -> str | None:
    """Give the GPU of torch for what a CPU does without torch; None where it is the CPU.

    Parameters and errors are those of :func:`torch_device`. For the CPU torch is not imported,
    which takes seconds.

    Examples
    --------
    >>> torch_gpu("cpu") is None
    True
    """
    asked = asked_device(device)
    if asked == "cpu" or (asked == "auto" and operations < WORTH):
        return None
    if asked == "auto" and "torch" not in sys.modules and not _has_driver():
        _log_once("there is no driver of a GPU")
        return None
    place = torch_device(asked, operations=operations).type
    return None if place == "cpu" else str(place)


def on_cuda(device: str | None, *, operations: float = float("inf")) -> bool:
    """Tell whether a kernel of numba is to run on the GPU.

    Under numba's simulator of CUDA (``NUMBA_ENABLE_CUDASIM=1``) ``"cuda"`` runs there, slowly, and
    ``"auto"`` on the CPU.

    Parameters
    ----------
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; None for the setting.
    operations
        How many elementary operations there are to do, for ``"auto"``.

    Raises
    ------
    InvalidInput
        If there is no such device.
    DeviceUnavailable
        For ``"cuda"`` without a GPU that numba can use; says what is missing.

    Examples
    --------
    >>> on_cuda("cpu")
    False
    """
    asked = asked_device(device)
    if simulated():
        return asked == "cuda"
    return _chosen(asked, operations, _numba_lacks)


def simulated() -> bool:
    """Tell whether kernels of numba for CUDA run in numba's simulator."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


def with_tiles(
    function: Callable[[int], T],
    tile: int,
    *,
    smallest: int,
    argument: str,
    needed: Callable[[int], float] | None = None,
) -> T:
    """Call a function with a tile, and with half of it while the GPU's memory does not hold it.

    Parameters
    ----------
    function
        ``function(tile)`` has to give the same result for every tile.
    tile, smallest
        The first tile to try, and the smallest that makes sense.
    argument
        What is too large when even the smallest does not fit, for the message.
    needed
        Gives the bytes that a tile takes, for the message, if they are known.

    Raises
    ------
    MemoryLimit
        If the smallest tile does not fit; says how much it needs and how much there is.

    Examples
    --------
    >>> def sums(tile):
    ...     if tile > 16:
    ...         raise MemoryError
    ...     return tile
    >>> with_tiles(sums, 100, smallest=1, argument="sequences", needed=lambda tile: 8.0 * tile)
    12
    """
    while True:
        try:
            return function(tile)
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            if tile <= smallest:
                found = f"{tile} at a time is more than memory holds"
                if needed is not None:
                    size = f"{needed(tile) / 2**20:,.0f}"
                    found = f"the smallest piece needs {size} MiB of the GPU's memory"
                    if (free := free_memory()) is not None:
                        found += f", of which {free / 2**20:,.0f} MiB are free"
                raise MemoryLimit(
                    argument,
                    found,
                    "free memory, or use device='cpu' if it is the GPU's",
                ) from error
        # After the handler, as the error keeps what the failed call had allocated alive.
        _forget_freed_memory()
        _logger.info("%s: %d at a time are more than memory holds, half of it", argument, tile)
        tile = max(tile // 2, smallest)


def free_memory() -> int | None:
    """Give the bytes that are free on the GPU; None where nobody can tell."""
    if simulated():
        return None
    if not _numba_lacks():
        return int(_numba_cuda().current_context().get_memory_info().free)
    if not _torch_lacks():
        import torch

        return int(torch.cuda.mem_get_info()[0])
    return None


@contextlib.contextmanager
def full_precision(*, deterministic: bool | None = None) -> Iterator[None]:
    """Have cuDNN convolve in single precision for a while, not with 10 bits as torch lets it.

    Where a precision was chosen by ``torch.backends.cudnn.conv.fp32_precision``, it stays.

    Parameters
    ----------
    deterministic
        Also whether only to use algorithms that give the same bits each time.
    """
    import torch

    cudnn: Any = torch.backends.cudnn
    try:
        before = {"allow_tf32": cudnn.allow_tf32, "deterministic": cudnn.deterministic}
        cudnn.allow_tf32 = False
    except RuntimeError:  # torch refuses to mix its two ways to choose a precision
        before = {"deterministic": cudnn.deterministic}
    if deterministic is not None:
        cudnn.deterministic = deterministic
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(cudnn, name, value)


def _chosen(asked: str, operations: float, lacks: Callable[[], str]) -> bool:
    if asked == "cpu" or (asked == "auto" and operations < WORTH):
        return False
    missing = lacks()
    if not missing:
        return True
    if asked == "cuda":
        raise DeviceUnavailable(f"device='cuda': {missing}. Use device='cpu'.")
    _log_once(missing)
    return False


@functools.cache
def _log_once(missing: str) -> None:
    _logger.info("device='auto' runs on the CPU: %s", missing)


def _torch_lacks() -> str:
    """Say why torch cannot use a GPU; nothing if it can."""
    import torch

    if torch.cuda.is_available():
        return ""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} finds no usable GPU, as it is built without CUDA"
    return f"torch {torch.__version__} finds no usable GPU: is there one, and its driver?"


@functools.cache
def _has_driver() -> bool:
    """Tell whether the system has the driver that torch and numba need for a GPU."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _numba_lacks() -> str:
    """Say why numba cannot use a GPU; nothing if it can."""
    try:
        cuda = _numba_cuda()
    except ImportError as error:
        return f"numba has no CUDA here ({error}): pip install 'mutua[cuda]'"
    if cuda.is_available():
        return ""
    if cuda.cuda_error() is not None:
        reason = " ".join(cuda.cuda_error().split()).rstrip(".")
        return f"numba finds no usable GPU: {reason}"
    return (
        "numba finds a driver and no CUDA toolkit: pip install 'numba-cuda[cu12]' or "
        "'numba-cuda[cu13]', the version that nvidia-smi shows"
    )


def _numba_cuda() -> Any:
    return importlib.import_module("numba.cuda")


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # The driver, as numba and torch tell of it, and the libraries of linear algebra (a handle of
    # cuBLAS needs memory too).
    said = str(error)
    return any(sign in said for sign in ("OUT_OF_MEMORY", "out of memory", "STATUS_ALLOC_FAILED"))


def _forget_freed_memory() -> None:
    """Give back to the GPU what torch and numba keep of freed memory: neither sees the other's."""
    # An error that came through a future is part of a cycle, which keeps its frames' arrays.
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if "numba.cuda" in sys.modules and not simulated() and not _numba_lacks():
        _numba_cuda().current_context().deallocations.clear()
