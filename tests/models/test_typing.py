"""What mypy says of the types of elements."""

from pathlib import Path

import pytest

SNIPPET = '''
from typing import reveal_type

import numpy as np
import xarray as xr

from mutua.models import Dataset, PositionMI, SequenceSet, as_kind, checked, sel
from mutua.models.base import variable


class Scored(SequenceSet):
    """A derived kind."""

    score: np.float32 = variable("score", dims=("sequence",))


@checked
def measure(sequences: Dataset[SequenceSet], *, k: int = 3) -> Dataset[PositionMI]:
    return as_kind(PositionMI, xr.Dataset())


def test(scored: Dataset[Scored], mi: Dataset[PositionMI], plain: xr.Dataset) -> None:
    measure(scored)
    measure(scored, k="x")  # error: k is an int
    measure(mi)  # error: another kind
    measure(plain)  # error: of no kind
    measure()  # error: one is missing
    reveal_type(measure(scored))
    reveal_type(sel(scored, "a"))
    reveal_type(SequenceSet.build(None))
    reveal_type(Scored.build(None))
    reveal_type(PositionMI.build())
    reveal_type(mi["mi"])
'''


@pytest.mark.slow
def test_kinds_are_types(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPET, encoding="utf-8")
    cache = f"--cache-dir={tmp_path / 'cache'}"
    options = ["--ignore-missing-imports", "--follow-imports=silent", "--strict", cache]
    report, problems, _ = api.run([*options, str(file)])
    assert problems == ""
    lines = SNIPPET.splitlines()
    expected = {i for i, line in enumerate(lines, start=1) if "# error" in line}
    said = [line.split(":", 3) for line in report.splitlines() if ": " in line and ".py:" in line]
    errors = {int(number) for _, number, how, _ in said if how.strip() == "error"}
    assert errors == expected, report
    revealed = [text for _, _, how, text in said if how.strip() == "note" and "Revealed" in text]
    kinds = ["PositionMI", "Scored", "SequenceSet", "Scored", "PositionMI"]
    for text, kind in zip(revealed, kinds, strict=False):
        assert f"{kind}]" in text, report
    assert "DataArray" in revealed[-1]
