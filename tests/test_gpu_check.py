"""`tools/gpu_check.py` where there is no GPU, and kernels where there are few packages."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import HAS_GPU

TOOL = Path(__file__).parents[1] / "tools" / "gpu_check.py"
LABELS = ("anndata", "captum", "dask", "memelite", "pandas", "pandera", "pydantic", "scanpy",
          "tangermeme", "xarray", "zarr")  # fmt: skip
OTHERS = ("h5py", "igraph", "leidenalg", "matplotlib", "safetensors", "sklearn", "threadpoolctl",
          "tqdm", "xxhash")  # fmt: skip
WITHOUT = """
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            return None
        return self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""
AS_A_PROGRAM = f"""
import runpy
sys.path.insert(0, {str(TOOL.parent)!r})
sys.argv = [{str(TOOL)!r}, *{{options}}]
runpy.run_path({str(TOOL)!r}, run_name="__main__")
"""


def run(code: str, *missing: str, simulated: bool = True) -> subprocess.CompletedProcess[str]:
    """Run code where packages are missing."""
    environment = {key: os.environ[key] for key in os.environ if key != "NUMBA_ENABLE_CUDASIM"}
    if simulated:
        environment["NUMBA_ENABLE_CUDASIM"] = "1"
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=set(missing) or "()") + code],
        capture_output=True,
        text=True,
        env=environment,
    )


@pytest.mark.slow
def test_kernels_need_no_labels() -> None:
    """Nor anything that reads or writes: a machine with a GPU may have little else."""
    code = (
        "import importlib, pkgutil, mutua.kernels\n"
        "for found in pkgutil.walk_packages(mutua.kernels.__path__, 'mutua.kernels.'):\n"
        "    importlib.import_module(found.name)\n"
        f"assert not set({LABELS}) & set(sys.modules)\n"
    )
    done = run(code, *LABELS)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_everything_agrees_in_the_simulator() -> None:
    """With numpy, scipy, numba, numba-cuda and torch, and no package beyond."""
    done = run(AS_A_PROGRAM.format(options=["--simulate"]), *LABELS, *OTHERS)
    assert done.returncode == 0, done.stdout + done.stderr
    checks, timings = (part.splitlines()[2:] for part in done.stdout.split("\n\n")[1:])
    assert {row.split(" | ")[0].strip("| ") for row in checks} == {
        "position MI", "position MI null", "permuted labels", "knn MI", "knn MI null", "scan",
        "CWM hits", "patterns", "neighbours of seqlets", "neurons", "rows of tables", "oNMF",
        "autoencoder", "network", "network chains",
    }  # fmt: skip
    assert all(row.endswith("| yes |") for row in checks)
    assert len(timings) > 8


@pytest.mark.skipif(HAS_GPU, reason="there is a GPU, and the tool would use it")
def test_without_a_gpu() -> None:
    done = run(AS_A_PROGRAM.format(options=[]), simulated=False)
    assert done.returncode == 2
    assert done.stderr.startswith("device='cuda': numba finds no usable GPU")
    assert "Or give --simulate." in done.stderr
    assert not done.stdout


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(TOOL.parent)
    return importlib.import_module("gpu_check")


@pytest.mark.parametrize("difference", [2.0, float("nan"), float("inf")])
def test_disagreement_is_told(
    tool: ModuleType, capsys: pytest.CaptureFixture[str], difference: float
) -> None:
    cases = importlib.import_module("gpu_cases")

    def function(mode: str) -> Iterator[object]:
        yield cases.Agreement("all", 1.0, 1.0)
        yield cases.Agreement("some", difference, 1.0)

    assert not tool.check([("kernel", function)], "quick", tool.named([]))
    *_, good, bad = capsys.readouterr().out.splitlines()
    assert good == "| kernel | all | 1 | 1 | yes |"
    assert bad == f"| kernel | some | {difference:.2g} | 1 | NO |"
    assert tool.check([("kernel", function)], "quick", tool.named(["another"]))


def test_failures_are_told_and_the_rest_goes_on(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    cases, timings = (importlib.import_module(name) for name in ("gpu_cases", "gpu_timings"))

    def fails(mode: str) -> Iterator[object]:
        raise ValueError("not today")

    def works(mode: str) -> Iterator[object]:
        yield cases.Agreement(mode, 0.0, 0.0)

    def takes_no_time(mode: str) -> Iterator[object]:
        yield timings.Timing("nothing", list)

    every = tool.named([])
    assert not tool.check([("one", fails), ("two", works)], "quick", every)
    assert not tool.measure([("one", fails), ("two", takes_no_time)], "simulate", every)
    said = capsys.readouterr()
    assert said.err.count("ValueError: not today") == 2
    rows = [row for row in said.out.splitlines() if row.startswith(("| one", "| two"))]
    assert [row.split(" | ")[1] for row in rows] == [
        "failed: ValueError", "quick", "failed: ValueError", "nothing",
    ]  # fmt: skip


def test_differences(tool: ModuleType) -> None:
    apart = importlib.import_module("gpu_cases").apart
    nan, inf = float("nan"), float("inf")
    assert apart([1, nan, inf], [1, nan, inf]) == 0
    assert apart([1, 2, nan], [1, 2.5, nan]) == 0.5
    assert apart([4, 2], [4, 3], relative=True) == 0.25
    assert apart([0, 0], [0, 3], relative=True) == 3
    for other in ([1, 2, 3], [1, nan], [1, inf]):
        assert apart([1, 2], other) == inf
