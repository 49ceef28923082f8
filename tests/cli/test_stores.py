"""``mutua info``, ``validate``, ``vacuum``, ``report`` and ``schema``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import mutua as mt
from mutua import cli
from mutua.models import KINDS

Printed = pytest.CaptureFixture[str]
OURS = {name for name, kind in KINDS.items() if kind.__module__.startswith("mutua.")}


def test_info(store: Path, capsys: Printed) -> None:
    assert cli.run(["info", str(store)]) == 0
    printed = capsys.readouterr().out
    for name, kind in [("seqs", "SequenceSet"), ("mi", "PositionMI"), ("cells", "AnnData")]:
        assert f"  {name} " in printed
        assert kind in printed
    made = printed.split("made by\n")[1]
    assert "  mi       pp.random_sequences, pp.embed_motifs, tl.position_mi\n" in made


def test_info_as_json(store: Path, capsys: Printed) -> None:
    assert cli.run(["info", str(store), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["store"] == str(store)
    elements = {element["name"]: element for element in found["elements"]}
    assert list(elements) == ["seqs", "regions", "mi", "motifs", "scores", "cells"]
    mi = elements["mi"]
    assert mi["kind"] == "PositionMI"
    assert mi["sizes"] == {"position_i": 11, "position_j": 11}
    assert mi["path"] == "mi.1"
    assert min(mi["bytes"], mi["stored_bytes"]) > 0
    assert mi["steps"][-1]["function"] == "tl.position_mi"
    assert mi["steps"][-1]["arguments"]["k"] == 2
    assert mi["steps"][-1]["inputs"][0]["argument"] == "sequences"


def test_info_of_an_empty_store(tmp_path: Path, capsys: Printed) -> None:
    mt.Analysis().write(tmp_path / "empty.zarr")
    assert cli.run(["info", str(tmp_path / "empty.zarr")]) == 0
    assert "0 elements" in capsys.readouterr().out


def test_info_shortens_a_long_way(tmp_path: Path, capsys: Printed) -> None:
    seqs = mt.pp.random_sequences(5, length=6, seed=0)
    for seed in range(9):
        seqs = mt.pp.shuffle(seqs, seed=seed)
    mt.Analysis({"long": seqs}).write(tmp_path / "long.zarr")
    assert cli.run(["info", str(tmp_path / "long.zarr")]) == 0
    assert "pp.random_sequences, pp.shuffle, ..., pp.shuffle" in capsys.readouterr().out


def test_validate(store: Path, capsys: Printed) -> None:
    for words in ([], ["--deep"]):
        assert cli.run(["validate", str(store), *words]) == 0
        assert capsys.readouterr().out == f"{store}: 6 elements, all sound\n"


def test_validate_tells_what_is_damaged(store: Path, tmp_path: Path, capsys: Printed) -> None:
    copy = tmp_path / "copy.zarr"
    shutil.copytree(store, copy)
    chunk = next(path for path in (copy / "mi.1" / "mi" / "c").rglob("*") if path.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    assert cli.run(["validate", str(copy)]) == 0
    capsys.readouterr()
    assert cli.run(["validate", str(copy), "--deep"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "element 'mi'" in printed.err


def test_vacuum(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "study.zarr"
    mt.Analysis({"a": mt.pp.random_sequences(5, length=6, seed=0)}).write(path)
    mt.open(path)["a"] = mt.pp.random_sequences(5, length=6, seed=1)
    assert cli.run(["vacuum", str(path)]) == 0
    assert capsys.readouterr().out == "a.1\n"
    assert not (path / "a.1").exists()
    assert cli.run(["vacuum", str(path)]) == 0
    assert capsys.readouterr().out == ""


def test_report(
    store: Path, tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["report", str(store), "--title", "All of it", "--n-explained", "2"]) == 0
    assert capsys.readouterr().out == "report.html\n"
    assert "All of it" in Path("report.html").read_text(encoding="utf-8")
    assert cli.run(["report", str(store), "-o", "nowhere/x.html"]) == 1
    assert "no folder" in capsys.readouterr().err


def test_schema(tmp_path: Path, capsys: Printed) -> None:
    folder = tmp_path / "new" / "schemas"
    assert cli.run(["schema", "--out", str(folder)]) == 0
    assert {file.stem for file in folder.iterdir()} >= OURS
    printed = capsys.readouterr().out
    for name in OURS:
        assert json.loads((folder / f"{name}.json").read_text())["title"] == name
        assert f"{name}.json" in printed
