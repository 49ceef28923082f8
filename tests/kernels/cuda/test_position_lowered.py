"""The kernels of pairs of positions can be compiled for a GPU, which rounds as a CPU does."""

import pytest

from tests.kernels.cuda.lowered import run_lowering


@pytest.mark.slow
def test_kernels_of_pairs_of_positions() -> None:
    found = run_lowering("tests.kernels.cuda.lowered_position")
    kernels = {name: flags for name, *flags in map(str.split, found.splitlines())}
    assert {local for local, _, _ in kernels.values()} == {"False"}
    assert {n_fused for *_, n_fused in kernels.values()} == {"0"}
    assert {name for name, (_, shared, _) in kernels.items() if shared == "True"} == {
        "count3", "count3_weighted", "count4", "summarise", "summarise_weighted",
    }  # fmt: skip
