"""``mutua mi`` and ``mutua demo``."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import mutua as mt
from mutua import cli
from mutua.cli import compute
from mutua.models.position_mi import CORRECTIONS, MEASURES
from mutua.settings import DEVICES
from tests.cli.conftest import planted

Printed = pytest.CaptureFixture[str]


def test_choices_are_those_of_the_function() -> None:
    assert get_args(compute.Measure) == MEASURES
    assert get_args(compute.Correction) == CORRECTIONS
    assert get_args(compute.Device) == DEVICES


def test_options_are_those_of_the_function() -> None:
    import inspect

    ours = inspect.signature(compute.mi).parameters
    for name, parameter in inspect.signature(mt.tl.position_mi).parameters.items():
        if name not in ("sequences", "weighted"):  # a file has no weights: --identity makes them
            assert ours[name].default == parameter.default


def test_summary(text: Path, capsys: Printed) -> None:
    assert cli.run(["mi", str(text), "--k", "3", "-n", "50", "--top", "2", "--fdr", "0.01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    mi = mt.tl.position_mi(planted(), k=3, n_permutations=50)
    assert lines[0] == "300 sequences of length 12, alphabet ACGT"
    n_pairs = 7 * 8 // 2
    assert lines[1].startswith(f"{n_pairs} pairs of 3-mers, median mi ")
    n_significant = int((mi["q_value"] <= 0.01).sum()) // 2
    assert lines[2] == f"{n_significant} pairs significant at a false discovery rate of 0.01"
    assert n_significant >= 1
    assert len(lines) == 4 + 1 + 2
    i, j, value, *_ = lines[5].split()
    upper = np.triu(mi["mi"].values)
    place = np.unravel_index(np.nanargmax(upper), upper.shape)
    assert (int(i), int(j)) == tuple(map(int, place)) == (1, 8)
    assert float(value) == pytest.approx(np.nanmax(upper), rel=1e-3)


def test_without_permutations(text: Path, capsys: Printed) -> None:
    assert cli.run(["mi", str(text), "--measure", "hellinger", "--top", "0"]) == 0
    printed = capsys.readouterr().out
    assert "p-values not computed (--n-permutations 100)" in printed
    assert "strongest" not in printed
    assert "bits" not in printed


def test_store_and_figure(text: Path, tmp_path: Path, capsys: Printed) -> None:
    out, figure = tmp_path / "OUT.zarr", tmp_path / "out.png"
    words = ["mi", str(text), "--k", "1", "--pseudocount", "0", "--correction", "shuffle",
             "-n", "30", "--seed", "4", "-o", str(out), "--figure", str(figure)]  # fmt: skip
    assert cli.run(words) == 0
    study = mt.open(out)
    assert list(study) == ["my_seqs_v1", "my_seqs_v1_mi"]
    expected = mt.tl.position_mi(
        planted(), k=1, pseudocount=0, correction="shuffle", n_permutations=30, seed=4
    )
    assert study["my_seqs_v1_mi"].load().equals(expected)
    functions = study.lineage("my_seqs_v1_mi")
    assert functions["function"].tolist() == ["read_text", "tl.position_mi"]
    assert json.loads(functions["arguments"].iloc[1])["correction"] == "shuffle"
    assert figure.read_bytes()[:4] == b"\x89PNG"
    assert "mi_corrected in bits" in capsys.readouterr().out


def test_a_store_keeps_what_it_has(text: Path, tmp_path: Path, capsys: Printed) -> None:
    out = str(tmp_path / "OUT.zarr")
    first = ["mi", str(text), "--k", "1", "-o", out, "--name", "first"]
    assert cli.run(first) == 0
    before = mt.open(out).path("first_mi")
    assert cli.run([*first, "--seed", "1"]) == 1
    assert "has 'first' and 'first_mi' already" in capsys.readouterr().err
    assert mt.open(out).path("first_mi") == before
    assert cli.run([*first[:-1], "second"]) == 0
    assert cli.run([*first, "--overwrite", "--measure", "hellinger"]) == 0
    study = mt.open(out)
    assert sorted(study) == ["first", "first_mi", "second", "second_mi"]
    assert study["first_mi"].attrs["measure"] == "hellinger"
    assert study["second_mi"].attrs["measure"] == "mi"


def test_fasta_gzip_text_and_protein(tmp_path: Path, capsys: Printed) -> None:
    mt.write_fasta(planted(), tmp_path / "a.fa.gz")
    (tmp_path / "b").write_text(">x\nMKV\n>y\nMRL\n")
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"ACGT\nGTCA\n"))
    (tmp_path / "d.seq").write_text("ACGT\nAC\n")
    for words, found in [
        (["a.fa.gz"], "300 sequences of length 12"),
        (["b", "--alphabet", "protein", "--k", "1"], "2 sequences of length 3"),
        (["c.txt.gz", "--k", "1"], "2 sequences of length 4, alphabet ACGT"),
        (["d.seq", "--k", "1", "--pad", "right"], "2 sequences of length 4"),
    ]:
        assert cli.run(["mi", str(tmp_path / words[0]), *words[1:]]) == 0
        assert capsys.readouterr().out.startswith(found)


def test_related_sequences_weigh_less(tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "a.txt").write_text("ACGT\n" * 9 + "GTAC\nTTGA\n")
    out = str(tmp_path / "OUT.zarr")
    assert cli.run(["mi", str(tmp_path / "a.txt"), "--k", "1", "--identity", "0.9", "-o", out]) == 0
    assert mt.open(out)["a"]["weight"].values.sum() == pytest.approx(3)
    assert mt.open(out).lineage("a_mi")["function"].tolist()[1] == "pp.sequence_weights"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--k", "0"], "`k`: 0"),
        (["--fdr", "1.5"], "`--fdr`: 1.5"),
        (["--top", "-1"], "`--top`: -1"),
        (["--threads", "0"], "`settings.threads`"),
        (["--name", "a b"], "`name`: 'a b'"),
        (["--figure", "x.docx"], "`--figure`: x.docx. Use one of"),
        (["--figure", "nowhere/x.png"], "there is no folder nowhere"),
        (["--alphabet", "protein"], None),
        (["--format", "fasta"], "is not FASTA"),
        (["--correction", "miller_madow"], "use pseudocount=0"),
    ],
)
def test_faults(words: list[str], message: str | None, text: Path, tmp_path: Path,
                capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    status = cli.run(["mi", str(text), "-o", "OUT.zarr", *words])
    printed = capsys.readouterr()
    if message is None:  # every nucleotide is also an amino acid
        assert status == 0
        return
    assert status == 1
    assert message.lower() in printed.err.lower()
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_store_stays(text: Path, tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert cli.run(["mi", str(text), "-o", str(tmp_path)]) == 1
    assert "is not a mutua store" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    assert cli.run(["demo", str(tmp_path)]) == 0
    assert {"demo.zarr", "demo.html", "demo_figures"} == {p.name for p in tmp_path.iterdir()}
    page = (tmp_path / "demo.html").read_text()
    assert "screen_targets" in page
    assert "This picture could not be drawn" not in page
    pictures = {picture.stem for picture in (tmp_path / "demo_figures").iterdir()}
    assert {
        "acceptor_position_mi", "gb1_position_mi", "rhomboid_contacts", "acceptor_attributions",
        "motif_pairs", "sputum_mi", "immune_programs", "immune_activity", "screen_coupling",
        "screen_responses", "sachs_coupling",
    } <= pictures  # fmt: skip
    study = mt.open(tmp_path / "demo.zarr")
    assert study["screen_network"].sizes["node"] == study["screen"].obsm["X_programs"].shape[1]
    shutil.rmtree(tmp_path / "demo.zarr")
