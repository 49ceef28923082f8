"""Progress bars: what is long is counted, where it is wanted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua._progress import counted, progress_bar
from mutua.kernels.position_mi import position_mi
from mutua.kernels.sequence_blocks import ArrayBlocks


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(mt.settings, "progress", True)
    yield
    mt.settings.progress = None


def test_what_a_bar_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(counted("abc", 3, "letters", "letter", shown=True)) == ["a", "b", "c"]
    assert "letters:   0%" in capsys.readouterr().err
    with progress_bar(4, "steps", "step", shown=True) as done:
        done(4)
    assert "| 0/4 [" in capsys.readouterr().err


@pytest.mark.parametrize(("total", "shown"), [(3, False), (3, None), (1, True), (0, True)])
def test_no_bar(total: int, shown: bool | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Where none is wanted, none is at a terminal, or there is nothing to wait for."""
    assert list(counted("abc", total, "letters", "letter", shown=shown)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_a_bar_goes_where_something_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), progress_bar(9, "steps", "step", shown=True):
        raise KeyError
    assert capsys.readouterr().err.endswith("\r")


def sequences() -> xr.Dataset:
    return mt.pp.random_sequences(90, length=12, seed=0)


def compare(seqs: xr.Dataset) -> None:
    a, b = seqs.isel(sequence=slice(40)), seqs.isel(sequence=slice(40, None))
    b = b.assign_coords(sequence_id=("sequence", [f"b{i}" for i in range(50)]))
    mt.tl.compare_position_mi(a, b, k=1, n_permutations=20)


def motifs() -> xr.Dataset:
    return mt.datasets.jaspar().isel(motif=slice(3))


CASES: dict[str, tuple[Callable[[xr.Dataset], Any], str]] = {
    "blocks": (
        lambda seqs: position_mi(ArrayBlocks(seqs["codes"].values, 30), k=1, alphabet_size=4),
        "positions:",
    ),
    "shuffles": (lambda seqs: mt.tl.position_mi(seqs, k=1, n_permutations=9), "permutations:"),
    "on CUDA": (
        lambda seqs: mt.tl.position_mi(seqs[{"position": slice(3)}], k=1, n_permutations=2,
                                       device="cuda"),
        "permutations:",
    ),
    "labels": (compare, "permutations:"),
    "scan": (
        lambda seqs: mt.tl.scan(seqs.chunk(sequence=30), motifs(), p_threshold=0.05), "scan:",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_long_work_is_counted(case: str, shown: None, capsys: pytest.CaptureFixture[str]) -> None:
    function, what = CASES[case]
    function(sequences())
    assert what in capsys.readouterr().err


def test_chunks_that_are_written(
    shown: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mt.Analysis({"s": sequences()}).write(tmp_path / "held.zarr")
    assert "write:" not in capsys.readouterr().err
    lazy = sequences().chunk(sequence=30)
    mt.Analysis({"s": lazy}).write(tmp_path / "lazy.zarr")
    assert "write:" in capsys.readouterr().err
    np.testing.assert_array_equal(mt.open(tmp_path / "lazy.zarr")["s"]["codes"], lazy["codes"])
