"""What hypothesis draws, and numba's simulator of CUDA where there is no GPU."""

import gc
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest


def _is_usable() -> bool:
    """Ask numba for a GPU, in another process, as it reads its settings when it is imported."""
    if not Path("/dev/nvidiactl").exists():
        return False
    ask = "import sys; from numba import cuda; sys.exit(not cuda.is_available())"
    return subprocess.run([sys.executable, "-c", ask], check=False).returncode == 0


HAS_GPU = _is_usable()
if not HAS_GPU:
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")
    # The simulator waits for its threads in a busy loop, which holds them up for whole turns.
    sys.setswitchinterval(1e-5)

# The first example may compile, and machines are shared. A change is to be refused for what it
# does, and not for what is drawn: new examples come with `--hypothesis-profile explore`.
hypothesis.settings.register_profile("mutua", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=400)
hypothesis.settings.load_profile("mutua")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have what compiles the same kernels, or needs a cluster, run in one process of xdist."""
    for item in items:
        group = "cluster" if "distributed" in item.path.parts else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    if not HAS_GPU:
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="there is no GPU"))


# Full collections pass millions of objects, most of which are those of imported modules.
gc.set_threshold(10_000, 20, 20)
_modules = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def _modules_are_light_on_each_other() -> Iterator[None]:
    """Have collections of garbage skip what stays, and torch keep its number of threads.

    The former took a tenth of all the time. The latter may be changed by parallel loops of numba,
    which have OpenMP in common with torch.
    """
    if next(_modules) % 10 == 0:
        gc.collect()
        gc.freeze()
    torch = sys.modules.get("torch")
    n_threads = None if torch is None else torch.get_num_threads()
    yield
    if torch is not None and torch.get_num_threads() != n_threads:
        torch.set_num_threads(n_threads)
