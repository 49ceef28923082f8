"""Process-wide settings: which device, how many threads, whether to show progress.

Nothing here has an effect when mutua is imported; a value is looked at when a function needs it.

Examples
--------
>>> import mutua as mt
>>> mt.settings.device
'auto'
>>> mt.settings.threads = 2
>>> mt.settings.threads
2
>>> mt.settings.threads = None
"""

from __future__ import annotations

import contextlib
import os
import sys
import types
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from mutua.errors import InvalidInput

__all__ = ["available_threads", "settings", "settings_here"]

DEVICES = ("auto", "cpu", "cuda")
NAMES = ("device", "threads", "progress", "memory")
_HERE: ContextVar[Mapping[str, Any]] = ContextVar("settings of a task")


class _Settings(types.SimpleNamespace):
    """The settings object behind ``mutua.settings``."""

    _device: str = "auto"
    _threads: int | None = None
    _progress: bool | None = None
    _memory: int = 256 * 2**20

    @property
    def device(self) -> str:
        """Where kernels run: ``"auto"`` (a usable GPU, else the CPU), ``"cpu"`` or ``"cuda"``."""
        return self._now("device")  # type: ignore[no-any-return]

    @device.setter
    def device(self, value: str) -> None:
        if value not in DEVICES:
            raise InvalidInput("settings.device", f"{value!r}", f"use one of {list(DEVICES)}")
        self._device = value

    @property
    def threads(self) -> int | None:
        """Most threads a kernel may use; None for all the cores this process may run on."""
        return self._now("threads")  # type: ignore[no-any-return]

    @threads.setter
    def threads(self, value: int | None) -> None:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise InvalidInput("settings.threads", f"{value!r}", "use a whole number or None")
        if value is not None and value < 1:
            raise InvalidInput("settings.threads", f"{value}", "use at least 1, or None for all")
        self._threads = value

    @property
    def progress(self) -> bool | None:
        """Show progress bars: True, False, or None for only at a terminal or in a notebook."""
        return self._now("progress")  # type: ignore[no-any-return]

    @progress.setter
    def progress(self, value: bool | None) -> None:
        if value is not None and not isinstance(value, bool):
            raise InvalidInput("settings.progress", f"{value!r}", "use True, False or None")
        self._progress = value

    @property
    def memory(self) -> int:
        """Bytes a blockwise computation may use for its working arrays (default 256 MiB)."""
        return self._now("memory")  # type: ignore[no-any-return]

    @memory.setter
    def memory(self, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < 2**20:
            raise InvalidInput("settings.memory", f"{value!r}", "use a number of bytes >= 2**20")
        self._memory = value

    def _now(self, name: str) -> Any:
        """Give the value for this thread: that of the task that it runs, else the process's."""
        return _HERE.get({}).get(name, getattr(self, f"_{name}"))

    def __setattr__(self, name: str, value: object) -> None:
        if name.lstrip("_") not in NAMES:
            raise InvalidInput(
                f"settings.{name}", "no such setting", "use device, threads, progress or memory"
            )
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return (
            f"settings(device={self.device!r}, threads={self.threads!r}, "
            f"progress={self.progress!r}, memory={self.memory!r})"
        )


settings = _Settings()


@contextlib.contextmanager
def settings_here(values: Mapping[str, Any]) -> Iterator[None]:
    """Let this thread see other settings for a while, and no other thread of the process.

    For tasks on a worker of a cluster, which run as the settings of their caller say.

    Examples
    --------
    >>> with settings_here({"threads": 1}):
    ...     settings.threads
    1
    >>> settings.threads is None
    True
    """
    token = _HERE.set({**_HERE.get({}), **values})
    try:
        yield
    finally:
        _HERE.reset(token)


def available_threads() -> int:
    """Give the number of threads a kernel should use now."""
    if hasattr(os, "sched_getaffinity"):
        usable = len(os.sched_getaffinity(0))
    else:
        usable = os.cpu_count() or 1
    return usable if settings.threads is None else min(settings.threads, usable)


def show_progress() -> bool:
    """Tell whether progress bars are to be shown now."""
    return sys.stderr.isatty() if settings.progress is None else settings.progress
