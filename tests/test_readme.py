"""What the README shows is there and runs."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import pytest

import mutua as mt

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / target).exists(), target


def test_names_exist() -> None:
    for place, names in re.findall(r"\| `mt\.(pp|tl|pl|datasets)`: ([^|]+)", TEXT):
        for name in re.findall(r"`(\w+)`", names):
            assert callable(getattr(getattr(mt, place), name))
    for row in re.findall(r"\| (`mt\.\w+`(?:, `(?:mt\.)?\w+`)+)", TEXT):
        for name in re.findall(r"`(?:mt\.)?(\w+)`", row):
            assert hasattr(mt, name), name


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(import mutua.*?)```", TEXT, flags=re.DOTALL)
    scope: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), scope)
    lineage = scope["study"].lineage("acceptor_mi")  # type: ignore[attr-defined]
    assert lineage["function"].tolist()[-1] == "tl.position_mi"
    mpl.pyplot.close("all")
