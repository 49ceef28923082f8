"""What workers have in memory beyond the library stays within what the guide tells them to have."""

import os
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

import mutua as mt

MIB = 2**20
CHUNK = 200_000
N, LENGTH = 10_000_000, 40


def forget_peak() -> int:
    """Let the largest memory of this process be what it has now; give that."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 MB of letters in chunks of 8 MB."""
    path = tmp_path_factory.mktemp("large") / "s.zarr"
    codes = da.random.default_rng(0).integers(
        0, 4, (N, LENGTH), chunks=(CHUNK, LENGTH), dtype=np.uint8
    )
    mt.Analysis({"s": mt.SequenceSet.build(codes, alphabet="DNA")}).write(path)
    return path


@pytest.mark.slow
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="no Linux")
@pytest.mark.parametrize("verb", ["position_mi", "scan"])
def test_workers_stay_within_what_they_are_to_have(
    verb: str, path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mt.settings, "memory", 32 * MIB)
    lazy = mt.open(path)["s"]
    motifs = mt.datasets.jaspar().isel(motif=slice(3))

    def work(sequences: Any) -> Any:
        if verb == "position_mi":
            return mt.tl.position_mi(sequences, k=2)
        return mt.tl.scan(sequences, motifs, p_threshold=1e-4)

    work(lazy.isel(sequence=slice(2 * CHUNK)))  # so that all is compiled
    before = client.run(forget_peak)
    work(lazy)
    after = client.run(peak)
    grown = {worker: after[worker] - before[worker] for worker in before}
    print({worker: round(value / MIB) for worker, value in grown.items()}, "MiB")
    allowed = 2 * 32 * MIB + 4 * CHUNK * LENGTH + 64 * MIB  # the last for what malloc keeps
    assert all(0 < value <= allowed for value in grown.values())
    assert allowed < N * LENGTH / 2  # a worker never had its half
