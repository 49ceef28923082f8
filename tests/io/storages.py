"""Storage that misbehaves, for the tests of the store."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.memory import MemoryFileSystem


class FailingFileSystem(MemoryFileSystem):
    """Storage in memory whose n-th write fails, and all after it; URLs begin with failing://."""

    protocol = "failing"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    writes = 0
    fail_at: ClassVar[int | None] = None
    error: ClassVar[OSError] = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @classmethod
    def reset(cls, fail_at: int | None = None) -> None:
        FailingFileSystem.writes = 0
        FailingFileSystem.fail_at = fail_at

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("failing://", "memory://"))

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        FailingFileSystem.writes += 1
        if self.fail_at is not None and self.writes >= self.fail_at:
            raise self.error
        super().pipe_file(path, value, mode=mode, **kwargs)


class UnwritableFileSystem(MemoryFileSystem):
    """Storage that can only be read, as http; URLs begin with readable://."""

    protocol = "readable"

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("readable://", "memory://"))

    def makedirs(self, path, exist_ok=False):
        pass

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        raise NotImplementedError


fsspec.register_implementation("failing", FailingFileSystem, clobber=True)
fsspec.register_implementation("readable", UnwritableFileSystem, clobber=True)


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[bool]:
    """Mount something for a while; False where that is not permitted."""
    done = subprocess.run(
        ["mount", *arguments, str(folder)], capture_output=True, check=False, text=True
    )
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def python(code: str, *arguments: Any, **options: Any) -> subprocess.Popen:
    """Start a Python process; its output is text."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
