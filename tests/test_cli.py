"""The command ``mutua``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import mutua as mt
from mutua import cli
from mutua.models import KINDS

OURS = {name for name, kind in KINDS.items() if kind.__module__.startswith("mutua.")}


def run(*arguments: str) -> int:
    """Run a command; give its exit status."""
    with pytest.raises(SystemExit) as ended:
        cli.app(list(arguments))
    return int(ended.value.code or 0)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == mt.__version__


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert "schema" in capsys.readouterr().out


def test_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "schemas"
    assert run("schema", "--out", str(folder)) == 0
    assert {file.stem for file in folder.iterdir()} >= OURS
    printed = capsys.readouterr().out
    for name in OURS:
        assert json.loads((folder / f"{name}.json").read_text())["title"] == name
        assert f"{name}.json" in printed


def test_an_unknown_command() -> None:
    assert run("nothing") != 0


def test_as_a_program() -> None:
    code = "import sys; sys.argv = ['mutua', '--version']; from mutua.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.strip() == mt.__version__
