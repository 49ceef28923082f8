"""To and from PlotMI, tangermeme, Parquet and BED."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput, MissingDependency
from mutua.io.interop import write_bed, write_parquet
from mutua.models.position_mi import MEASURES
from tests.models.examples import EXAMPLES

LENGTH = 11


def sequences(n: int = 60) -> mt.models.Dataset:
    return mt.pp.random_sequences(n, length=LENGTH, seed=3)


def as_plotmi_does(mi: np.ndarray, k: int) -> np.ndarray:
    """Its loop over pairs, word for word in numbers."""
    length = len(mi) + k - 1
    m = length - 2 * k + 1
    matrix = -np.ones((m, m))
    for i in range(m):
        for j in range(i + k, length - k + 1):
            matrix[j - k, i] = mi[i, j]
            matrix[i, j - k] = mi[i, j]
    return matrix


class TestPlotMI:
    @pytest.mark.parametrize("k", [1, 2, 3])
    @pytest.mark.parametrize("measure", MEASURES)
    def test_layout_and_way_back(self, tmp_path: Path, k: int, measure: str) -> None:
        mi = mt.tl.position_mi(sequences(), k=k, measure=measure)
        file = tmp_path / "MI.txt.gz"
        mt.to_plotmi(mi, file)
        np.testing.assert_array_equal(np.loadtxt(file), as_plotmi_does(mi["mi"].values, k))
        back = mt.from_plotmi(file, k=k, n_sequences=60, measure=measure)
        np.testing.assert_array_equal(back["mi"], mi["mi"])
        np.testing.assert_array_equal(back["position_j"], mi["position_j"])
        attributes = [name for name in mi.attrs if name not in ("mutua", "n_tests")]
        assert {n: back.attrs[n] for n in attributes if n in back.attrs} == {
            n: mi.attrs[n] for n in attributes if n in back.attrs
        }

    def test_the_text_of_the_file(self, tmp_path: Path) -> None:
        mt.to_plotmi(mt.tl.position_mi(sequences(), k=3), tmp_path / "a.gz")
        mt.to_plotmi(mt.tl.position_mi(sequences(), k=3), tmp_path / "a.txt")
        text = gzip.decompress((tmp_path / "a.gz").read_bytes()).decode()
        assert text == (tmp_path / "a.txt").read_text()
        lines = text.splitlines()
        assert len(lines) == LENGTH - 2 * 3 + 1
        assert all(len(line.split("\t")) == len(lines) for line in lines)

    def test_a_pair_that_nobody_has_is_minus_one(self, tmp_path: Path) -> None:
        seqs = mt.from_strings(["ANCG", "CAGG", "NACC"])
        codes = seqs["codes"].values.copy()
        codes[:, 0] = [254, 254, 0]
        codes[2, 3] = 254
        mi = mt.tl.position_mi(mt.SequenceSet.build(codes, alphabet="DNA"), k=1, pseudocount=0)
        assert np.isnan(mi["mi"].values[0, 3])
        mt.to_plotmi(mi, tmp_path / "MI.txt")
        assert np.loadtxt(tmp_path / "MI.txt")[2, 0] == -1
        back = mt.from_plotmi(tmp_path / "MI.txt", k=1, n_sequences=3)
        np.testing.assert_array_equal(back["mi"], mi["mi"])

    def test_the_older_layout_with_one_triangle(self, tmp_path: Path) -> None:
        mi = mt.tl.position_mi(sequences(), k=2)
        matrix = as_plotmi_does(mi["mi"].values, 2)
        matrix[np.triu_indices(len(matrix), 1)] = -1
        np.savetxt(tmp_path / "MI.txt.gz", matrix, delimiter="\t")
        back = mt.from_plotmi(tmp_path / "MI.txt.gz", k=2, n_sequences=60, first_position=-4)
        np.testing.assert_array_equal(back["mi"], mi["mi"])
        assert back["position_i"].values.tolist() == list(range(-4, 6))

    def test_provenance(self, tmp_path: Path) -> None:
        mt.to_plotmi(mt.tl.position_mi(sequences(), k=2), tmp_path / "MI.txt")
        back = mt.from_plotmi(tmp_path / "MI.txt", k=2, n_sequences=60, alphabet="RNA")
        (step,) = json.loads(back.attrs["mutua"])["steps"]
        assert step["function"] == "from_plotmi"
        assert step["arguments"]["k"] == 2
        assert back.attrs["alphabet"] == "ACGU"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "has 0 rows"),
            ("1\t2\n", r"has 1 rows of \[2\] numbers"),
            ("1\t2\n3\n", r"has 2 rows of \[1, 2\] numbers"),
            ("1\ta\n2\t3\n", "could not convert string to float"),
            ("1\t2\n3\t4\n", "differs above and below its diagonal"),
        ],
    )
    def test_no_matrix(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "MI.txt").write_text(text)
        with pytest.raises(InvalidInput, match=f"`path`: .*{message}"):
            mt.from_plotmi(tmp_path / "MI.txt", k=1, n_sequences=5)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"k": 0}, "`k`: 0"),
            ({"n_sequences": 0}, "`n_sequences`: 0"),
            ({"measure": "MI"}, "`measure`: 'MI'"),
            ({"pseudocount": -1}, "`pseudocount`: -1"),
            ({"alphabet": "AAC"}, "`alphabet`"),
            ({"first_position": 0.5}, "`first_position`: 0.5"),
            ({"path": "/nowhere/MI.txt"}, "`path`: /nowhere/MI.txt does not exist"),
        ],
    )
    def test_faults(self, tmp_path: Path, options: dict, message: str) -> None:
        (tmp_path / "MI.txt").write_text("1\t2\n2\t4\n")
        given = {"path": tmp_path / "MI.txt", "k": 1, "n_sequences": 5} | options
        with pytest.raises(InvalidInput, match=message):
            mt.from_plotmi(given.pop("path"), **given)

    def test_what_plotmi_has_no_place_for(self) -> None:
        options = {
            "alphabet": "DNA",
            "pseudocount": 0.0,
            "n_sequences": 9,
            "measure": "mi",
            "correction": "none",
            "position_i": [0, 1, 2],
            "position_j": [0, 1, 2],
        }
        full = np.ones((3, 3))
        with pytest.raises(InvalidInput, match="values where 2-mers overlap"):
            mt.to_plotmi(mt.PositionMI.build(mi=full, k=2, **options), "memory://x")
        with pytest.raises(InvalidInput, match="no two of which are 3 apart"):
            mt.to_plotmi(mt.PositionMI.build(mi=full * np.nan, k=3, **options), "memory://x")
        negative = np.where(np.eye(3), np.nan, -1.0)
        with pytest.raises(InvalidInput, match="a value of -1"):
            mt.to_plotmi(mt.PositionMI.build(mi=negative, k=1, **options), "memory://x")
        with pytest.raises(InvalidElement, match="to_plotmi"):
            mt.to_plotmi(sequences(), "memory://x")


class TestTangermeme:
    """Its tensors: int8 (n, letter, position), N as a column of zeros."""

    def test_as_its_documentation_says(self) -> None:
        torch = pytest.importorskip("torch")
        made = mt.pp.one_hot(mt.from_strings(["ACGTN"]), dtype="int8", as_tensor=True)
        expected = torch.eye(4, 5, dtype=torch.int8)[None]
        assert made.dtype == torch.int8
        assert torch.equal(made, expected)
        assert mt.pp.to_strings(mt.from_one_hot(expected)) == ["ACGTN"]

    def test_beside_tangermeme_itself(self) -> None:
        utils = pytest.importorskip("tangermeme.utils")
        torch = pytest.importorskip("torch")
        seqs = mt.from_strings(["ACGTN", "NNTGA", "CCCCC"])
        theirs = torch.stack([utils.one_hot_encode(text) for text in mt.pp.to_strings(seqs)])
        ours = mt.pp.one_hot(seqs, dtype="int8", as_tensor=True)
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)
        assert [utils.characters(x, allow_N=True) for x in ours] == mt.pp.to_strings(seqs)
        utils._validate_input(ours, "X", shape=(3, 4, 5), ohe=True, allow_N=True)
        assert mt.from_one_hot(theirs)["codes"].equals(seqs["codes"])
        random = utils.random_one_hot((7, 4, 9), random_state=0)
        assert torch.equal(
            mt.pp.one_hot(mt.from_one_hot(random), dtype="int8", as_tensor=True), random
        )

    def test_soft_columns_are_refused(self) -> None:
        torch = pytest.importorskip("torch")
        with pytest.raises(InvalidInput, match="soft one-hot: sequence 1, position 0"):
            mt.from_one_hot(torch.stack([torch.eye(4), torch.full((4, 4), 0.25)]))


class TestParquet:
    def test_without_pyarrow(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
        with pytest.raises(MissingDependency, match="pip install pyarrow"):
            write_parquet(EXAMPLES["Table"](), tmp_path / "x.parquet")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["PositionMI", "SequenceSet", "Table", "MotifSet"])
    def test_there_and_back(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
    ) -> None:
        pytest.importorskip("pyarrow")
        monkeypatch.setattr(mt.settings, "_memory", 2000)  # several blocks
        element = EXAMPLES[name]()
        write_parquet(element, tmp_path / "x.parquet")
        back = mt.from_dataframe(pd.read_parquet(tmp_path / "x.parquet"))
        gone = [part for part in ("tracks", "track") if part in element.variables]
        assert back.equals(element.drop_vars(gone))


class TestBed:
    def regions(self, strand: bool = True) -> mt.models.Dataset:
        parts = {"strand": ["+", "-", "."]} if strand else {}
        return mt.SequenceSet.build(
            np.zeros((3, 4), np.uint8), alphabet="DNA", chrom=["chr1", "chr1", "chrX"],
            start=[0, 7, 100], end=[4, 11, 104], sequence_id=["a", "b b", "c"], **parts,
        )  # fmt: skip

    def test_six_columns(self, tmp_path: Path) -> None:
        write_bed(self.regions(), tmp_path / "a.bed")
        assert (tmp_path / "a.bed").read_text().splitlines() == [
            "chr1\t0\t4\ta\t0\t+",
            "chr1\t7\t11\tb b\t0\t-",
            "chrX\t100\t104\tc\t0\t.",
        ]

    def test_there_and_back_through_a_genome(self, tmp_path: Path) -> None:
        (tmp_path / "genome.fa").write_text(">chr1\nAACCGGTTACAC\n")
        frame = pd.DataFrame(
            {"chrom": "chr1", "start": [0, 6], "end": [4, 10], "strand": ["+", "-"]}
        )
        seqs = mt.read_regions(frame, tmp_path / "genome.fa")
        write_bed(seqs, tmp_path / "a.bed.gz")
        again = mt.read_regions(tmp_path / "a.bed.gz", tmp_path / "genome.fa")
        assert again.equals(seqs)

    def test_without_names_and_strand(self, tmp_path: Path) -> None:
        write_bed(self.regions(strand=False).drop_vars("sequence_id"), tmp_path / "a.bed")
        assert (tmp_path / "a.bed").read_text().splitlines()[2] == "chrX\t100\t104\t2\t0\t."

    def test_faults(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match=r"no coordinate \['chrom', 'start', 'end'\]"):
            write_bed(sequences(), tmp_path / "a.bed")
        odd = self.regions().assign_coords(sequence_id=("sequence", ["a", "b\tb", "c"]))
        with pytest.raises(InvalidInput, match="without tabs"):
            write_bed(odd, tmp_path / "a.bed")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_interop_is_found_without_importing_it_first() -> None:
    import subprocess
    import sys

    code = "import mutua as mt; print(mt.io.interop.to_plotmi is mt.to_plotmi)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mt.io.nothing
