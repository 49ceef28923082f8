"""``mutua export``."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

import mutua as mt
from mutua import cli

Printed = pytest.CaptureFixture[str]


def export(store: Path, element: str, file: Path, *words: str) -> int:
    return cli.run(["export", str(store), element, str(file), *words])


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t"), (".csv.gz", ",")])
def test_tables(store: Path, tmp_path: Path, suffix: str, separator: str) -> None:
    file = tmp_path / f"mi{suffix}"
    assert export(store, "mi", file, "--upper") == 0
    frame = pd.read_csv(file, sep=separator, float_precision="round_trip")
    expected = mt.to_dataframe(mt.open(store)["mi"], upper=True)
    pd.testing.assert_frame_equal(frame, expected, rtol=0, atol=0)
    back = mt.from_dataframe(frame, kind="PositionMI", **expected.attrs["mutua"]["attributes"])
    assert back.equals(mt.open(store)["mi"].load())


def test_a_table_of_many_blocks(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mt.settings, "_memory", 10_000)
    assert export(store, "seqs", tmp_path / "seqs.csv") == 0
    frame = pd.read_csv(tmp_path / "seqs.csv")
    assert frame["sequence"].tolist() == mt.pp.to_strings(mt.open(store)["seqs"])


def test_rows_of_ones_own_choice(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "letters.csv"
    assert export(store, "seqs", file, "--dims", "sequence", "position") == 0
    assert len(pd.read_csv(file)) == 300 * 12


def test_parquet(store: Path, tmp_path: Path, capsys: Printed) -> None:
    file = tmp_path / "mi.parquet"
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        assert export(store, "mi", file) == 1
        assert "pip install pyarrow" in capsys.readouterr().err
    else:
        assert export(store, "mi", file) == 0
        assert mt.from_dataframe(pd.read_parquet(file)).equals(mt.open(store)["mi"].load())


def test_sequences(store: Path, tmp_path: Path) -> None:
    assert export(store, "seqs", tmp_path / "seqs.fa.gz") == 0
    again = mt.read_fasta(tmp_path / "seqs.fa.gz")
    assert np.array_equal(again["codes"], mt.open(store)["seqs"]["codes"])
    assert export(store, "regions", tmp_path / "regions.bed") == 0
    assert (tmp_path / "regions.bed").read_text().splitlines()[1] == "chr1\t20\t32\t1\t0\t."


def test_plotmi(store: Path, tmp_path: Path) -> None:
    assert export(store, "mi", tmp_path / "MI.txt.gz") == 0
    assert np.loadtxt(tmp_path / "MI.txt.gz").shape == (9, 9)


def test_meme(store: Path, tmp_path: Path) -> None:
    assert export(store, "motifs", tmp_path / "x.meme") == 0
    again = mt.read_motifs(tmp_path / "x.meme")
    assert again["motif"].values.tolist() == ["GATA", "TAL1"]
    assert again["probability"].equals(mt.open(store)["motifs"]["probability"].load())


def test_h5ad(store: Path, tmp_path: Path) -> None:
    assert export(store, "cells", tmp_path / "cells.h5ad") == 0
    assert anndata.read_h5ad(tmp_path / "cells.h5ad").shape == (5, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["cells.h5ad"]


def test_format_by_name(store: Path, tmp_path: Path) -> None:
    assert export(store, "scores", tmp_path / "scores.dat", "--format", "tsv") == 0
    assert (tmp_path / "scores.dat").read_text() == "name\tn\na\t3\nb\t5\n"


@pytest.mark.parametrize(
    ("element", "file", "words", "message"),
    [
        ("mi", "x.fa", [], "'mi' is of kind PositionMI: fasta cannot hold it. Use .csv, .tsv, "
                           ".parquet, .txt.gz, or one of ['csv', 'tsv', 'parquet', 'plotmi']"),
        ("cells", "x.csv", [], "'cells' is of kind AnnData: csv cannot hold it. Use .h5ad"),
        ("scores", "x.h5ad", [], "h5ad cannot hold it. Use .csv, .tsv, .parquet, or"),
        ("seqs", "x.abc", [], "the suffix tells no format. Use .csv, .tsv, .parquet, .fa, .bed"),
        ("motifs", "x.txt", [], "plotmi cannot hold it. Use .csv, .tsv, .parquet, .meme"),
        ("mi", "x.csv", ["--format", "bed"], "bed cannot hold it"),
        ("nothing", "x.csv", [], "no element 'nothing'. There are: 'seqs'"),
        ("nothing", "x.abc", [], "no element 'nothing'. There are: 'seqs'"),
        ("seqs", "x.fa", ["--upper"], "use them with csv, tsv or parquet"),
        ("seqs", "x.bed", [], "no coordinate ['chrom', 'start', 'end']"),
        ("seqs", "x.csv", ["--upper"], "`upper`: there is no map of pairs"),
        ("seqs", "x.csv", ["--dims", "place"], "`dims`: no dim 'place'"),
        ("seqs", "nowhere/x.csv", [], "there is no folder"),
        ("cells", "nowhere/x.h5ad", [], "nowhere"),
    ],
)  # fmt: skip
def test_faults(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed,
                element: str, file: str, words: list[str], message: str) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert export(store, element, Path(file), *words) == 1
    assert message.lower() in capsys.readouterr().err.lower()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_kept(store: Path, tmp_path: Path, capsys: Printed) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("mine")
    assert export(store, "scores", file) == 1
    assert "is there already. Use --overwrite" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert export(store, "scores", file, "--overwrite") == 0
    assert file.read_text() == "name,n\na,3\nb,5\n"


@pytest.mark.slow
def test_appended_to_a_file(store: Path, tmp_path: Path) -> None:
    code = "from mutua.cli import main; main()"
    words = ["export", str(store), "scores", "/dev/stdout", "--format", "csv"]
    command = [sys.executable, "-c", code, *words]
    file = tmp_path / "log.csv"
    file.write_text("before\n")
    with open(file, "ab") as stream:
        subprocess.run(command, stdout=stream, check=True)
    assert file.read_text() == "before\nname,n\na,3\nb,5\n"


def test_what_is_compressed_is_the_same_text(store: Path, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv.gz"):
        assert export(store, "mi", tmp_path / name) == 0
    packed = gzip.decompress((tmp_path / "b.csv.gz").read_bytes())
    assert packed == (tmp_path / "a.csv").read_bytes()
    assert os.path.getsize(tmp_path / "b.csv.gz") < os.path.getsize(tmp_path / "a.csv")
