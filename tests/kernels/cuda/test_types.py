"""Kernels for CUDA typed for the arguments of their launches, which the simulator does not do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mutua

KERNELS = Path(mutua.__file__).parent / "kernels" / "cuda"


@pytest.mark.slow
def test_every_kernel_can_be_typed_and_lowered() -> None:
    """For the arguments that it is launched with, and with the shared memory that blocks have."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in KERNELS.glob("*.py"))
    kernels = re.findall(r"@cuda\.jit(?:\((?!device)[^)]*\))?\s+def (\w+)", code)
    assert len(kernels) > 10
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernels.cuda.typed_launches"],
        capture_output=True,
        text=True,
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "0"},
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == set(kernels)
