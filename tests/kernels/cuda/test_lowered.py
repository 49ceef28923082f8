"""Kernels can be compiled for a GPU, and keep in registers and shared memory what they should."""

import pytest

from tests.kernels.cuda.lowered import run_lowering


@pytest.mark.slow
def test_kernels_of_neighbours() -> None:
    found = run_lowering("tests.kernels.cuda.lowered_knn")
    uses = {name: flags for name, *flags in map(str.split, found.splitlines())}
    assert uses.pop("many")[0] == "True"  # neighbours in local memory
    assert all(local == "False" for local, _ in uses.values())
    assert {name for name, (_, shared) in uses.items() if shared == "True"} == {
        "few", "global", "maxima",
    }  # fmt: skip
