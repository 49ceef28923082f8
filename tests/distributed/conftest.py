"""One cluster of two worker processes for all tests, each of which opens its own client."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="package")  # not the session: it keeps a processor busy
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        memory_limit=0,  # else a worker of a small machine is paused for good
        dashboard_address=":0",
    ) as running:
        yield running


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    """A client of both workers, also where a test before has killed one."""
    with distributed.Client(cluster) as opened:
        opened.wait_for_workers(2, timeout=300)
        yield opened


class Deadly:
    """Gives blocks as they are, and kills the worker that is given a certain one, once."""

    def __init__(self, path: Path, row: int) -> None:
        self.path, self.row = path, row

    def __call__(self, block: np.ndarray, block_info: Any = None) -> np.ndarray:
        rows = block_info[0]["array-location"][0] if block_info else (-1, -1)
        if rows[0] <= self.row < rows[1] and not self.path.exists():
            distributed.get_worker()  # never the process of the test
            self.path.write_text("killed")
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    @property
    def has_killed(self) -> bool:
        return self.path.exists()


@pytest.fixture
def deadly(tmp_path: Path) -> Any:
    """Give something to map over the blocks of a dask array, deadly for that of a row."""
    return lambda row: Deadly(tmp_path / "killed", row)
