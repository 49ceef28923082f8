"""Sequences of genomic regions from BED, data frames and AnnData."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

import mutua as mt
from mutua.errors import InvalidInput

CHROMOSOMES = {"chr1": "AACCGGTTACNNacgt", "chr2": "TTTTGGGGCA", "GL000.1": "CATCATCAT"}
PARTNER = dict(zip("ACGTN", "TGCAN", strict=True))


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">{name} x\n{text}\n" for name, text in CHROMOSOMES.items()))
    return path


def frame(**columns: object) -> pd.DataFrame:
    given = {"chrom": ["chr1", "chr2", "chr1"], "start": [0, 4, 8], "end": [4, 8, 12]}
    return pd.DataFrame({**given, **columns})


def expected(table: pd.DataFrame) -> list[str]:
    texts = []
    for _, row in table.iterrows():
        text = CHROMOSOMES[row["chrom"]][row["start"] : row["end"]].upper()
        minus = row.get("strand", "+") == "-"
        texts.append("".join(PARTNER[c] for c in reversed(text)) if minus else text)
    return texts


def last_step(element):
    return json.loads(element.attrs["mutua"])["steps"][-1]


def test_a_data_frame(genome):
    table = frame(strand=["+", "-", "-"], name=["one", "two", "three"], score=[1, 2, 3])
    before = table.copy(deep=True)
    seqs = mt.read_regions(table, genome)
    mt.SequenceSet.check(seqs, deep=True)
    assert mt.pp.to_strings(seqs) == expected(table) == ["AACC", "CCCC", "NNGT"]
    assert seqs.attrs["alphabet"] == "ACGT"
    assert seqs["chrom"].values.tolist() == ["chr1", "chr2", "chr1"]
    assert seqs["start"].values.tolist() == [0, 4, 8]
    assert seqs["end"].values.tolist() == [4, 8, 12]
    assert seqs["strand"].values.tolist() == ["+", "-", "-"]
    assert seqs["sequence_id"].values.tolist() == ["one", "two", "three"]
    assert {seqs[name].dtype for name in ("chrom", "strand", "sequence_id")} == {
        np.dtypes.StringDType()
    }
    assert "length" not in seqs
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    "names",
    [
        ("chrom", "start", "end"),
        ("Chromosome", "Start", "End"),
        ("chr", "chromStart", "chromEnd"),
        ("seqnames", "start", "end"),
        ("#chrom", "chrom_start", "chrom_end"),
        ("contig", "begin", "stop"),
    ],
)
def test_the_usual_names_of_columns(genome, names):
    table = frame()
    texts = expected(table)
    table.columns = list(names)
    seqs = mt.read_regions(table, genome)
    assert mt.pp.to_strings(seqs) == texts
    assert seqs["strand"].values.tolist() == ["+"] * 3
    assert seqs["sequence_id"].values.tolist()[1] == "chr2:4-8(+)"


@pytest.mark.parametrize(
    ("strand", "read"),
    [
        (["+", "-", "."], "+-+"),
        ([1, -1, 1], "+-+"),
        (["1", "-1", "*"], "+-+"),
        (["+", None, np.nan], "+++"),
        (pd.Categorical(["+", "-", "-"]), "+--"),
        (["", "-", "+"], "+-+"),
    ],
)
def test_strands(genome, strand, read):
    seqs = mt.read_regions(frame(strand=strand), genome)
    assert "".join(seqs["strand"].values.tolist()) == read
    assert mt.pp.to_strings(seqs) == expected(frame(strand=list(read)))


def test_columns_of_other_types(genome):
    texts = expected(frame())
    for table in (
        frame(start=[0.0, 4.0, 8.0]),
        frame(start=["0", "4", "8"]),
        frame(start=pd.array([0, 4, 8], dtype="Int64")),
        frame(chrom=pd.Categorical(["chr1", "chr2", "chr1"])),
        frame().set_index(pd.Index([7, 7, 9])),
    ):
        assert mt.pp.to_strings(mt.read_regions(table, genome)) == texts
    names = mt.read_regions(frame(name=["x", ".", None]), genome)["sequence_id"]
    assert names.values.tolist() == ["x", "chr2:4-8(+)", "chr1:8-12(+)"]


@pytest.mark.parametrize("axis", ["obs", "var"])
def test_anndata(genome, axis):
    names = ["chr1:0-4", "chr2_4_8", "chr1-8-12(-)"]
    other = pd.DataFrame(index=["cell0", "cell1"])
    regions = {axis: pd.DataFrame(index=names), ("obs" if axis == "var" else "var"): other}
    shape = (3, 2) if axis == "obs" else (2, 3)
    adata = anndata.AnnData(np.zeros(shape, np.float32), **regions)
    before = adata.copy()
    seqs = mt.read_regions(adata, genome, axis=axis)
    mt.SequenceSet.check(seqs, deep=True)
    assert mt.pp.to_strings(seqs) == expected(frame(strand=["+", "+", "-"]))
    assert seqs["sequence_id"].values.tolist() == names
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    pd.testing.assert_frame_equal(adata.var, before.var)
    assert not adata.uns
    with_columns = getattr(adata, axis)
    with_columns["chrom"], with_columns["start"], with_columns["end"] = "chr2", [0, 1, 2], [4, 5, 6]
    with_columns["strand"] = ["-", "+", "+"]
    assert mt.pp.to_strings(mt.read_regions(adata, genome, axis=axis)) == ["AAAA", "TTTG", "TTGG"]
    with pytest.raises(InvalidInput, match=r"no column \['chrom', 'start', 'end'\] among"):
        mt.read_regions(adata, genome, axis="var" if axis == "obs" else "obs")


def test_names_with_commas_colons_and_underscores(genome):
    table = pd.DataFrame(index=["GL000.1:0-4", "chr1:1,2-6", "chr2:3-7(-)"])
    with pytest.raises(InvalidInput, match=r"chr1:12-6\(\+\) is empty"):
        mt.read_regions(table, genome)  # chr1:12-6
    table = pd.DataFrame(index=["GL000.1:0-4", "chr1:0,2-6", "chr2:3-7(-)"])
    assert mt.pp.to_strings(mt.read_regions(table, genome)) == ["CATC", "CCGG", "CCCA"]
    with pytest.raises(InvalidInput, match="no column"):
        mt.read_regions(pd.DataFrame(index=["chr1:0-4 and more"]), genome)


def test_bed(genome, tmp_path):
    path = tmp_path / "peaks.bed"
    path.write_text(
        "track name=x\nchr1\t0\t4\tone\t0\t+\r\nchr2\t4\t8\t.\t0\t-\nchr1\t8\t12\t\t0\t.\n"
    )
    seqs = mt.read_regions(path, genome)
    assert mt.pp.to_strings(seqs) == expected(frame(strand=["+", "-", "+"]))
    assert seqs["sequence_id"].values.tolist() == ["one", "chr2:4-8(-)", "chr1:8-12(+)"]
    arguments = last_step(seqs)["arguments"]
    assert last_step(seqs)["function"] == "read_regions"
    assert arguments["regions"] == str(path)
    assert arguments["genome"] == str(genome)
    assert last_step(mt.read_regions(frame(), genome))["arguments"]["regions"]["shape"] == [3, 5]


@pytest.mark.parametrize("width", [1, 2, 3, 6])
def test_width(genome, width):
    seqs = mt.read_regions(frame(end=[6, 8, 11]), genome, width=width)
    middle = np.array([3, 6, 9])
    assert seqs["start"].values.tolist() == (middle - width // 2).tolist()
    assert seqs["end"].values.tolist() == (middle - width // 2 + width).tolist()
    assert seqs["sequence_id"].values.tolist()[0] == "chr1:0-6(+)"
    table = frame(start=seqs["start"].values, end=seqs["end"].values)
    assert mt.pp.to_strings(seqs) == expected(table)


@pytest.mark.parametrize("strand", ["+", "-"])
def test_padding_beyond_a_chromosome(genome, strand):
    table = frame(chrom="chr2", start=[0, 3, 8], end=[2, 5, 10], strand=strand)
    seqs = mt.read_regions(table, genome, width=6, pad=True)
    mt.SequenceSet.check(seqs, deep=True)
    assert mt.pp.to_strings(seqs) == expected(
        frame(chrom="chr2", start=[0, 1, 6], end=[4, 7, 10], strand=strand)
    )
    assert seqs["start"].values.tolist() == [0, 1, 6]
    assert seqs["end"].values.tolist() == [4, 7, 10]
    assert seqs["length"].values.tolist() == [4, 6, 4]
    padding = (seqs["codes"].values == 255).tolist()
    left, right = [True] * 2 + [False] * 4, [False] * 4 + [True] * 2
    assert padding == [left, [False] * 6, right] if strand == "+" else [right, [False] * 6, left]


@pytest.mark.parametrize(
    ("regions", "options", "message"),
    [
        (5, {}, "`regions`: a int. Use a BED file"),
        (None, {}, "`regions`: a NoneType"),
        (["chr1:0-4"], {}, "`regions`: a list"),
        (frame().iloc[:0], {}, "`regions`: there are none"),
        (frame().drop(columns="end"), {}, r"no column \['end'\] among \['chrom', 'start'\]"),
        (frame(start=[0, -4, 8]), {}, "start of region 1 is -4. Use whole numbers from 0"),
        (frame(start=[0, np.nan, 8]), {}, "start of region 1 is nan"),
        (frame(end=[4, 8.5, 12]), {}, "end of region 1 is 8.5"),
        (frame(end=[4, "x", 12]), {}, "end of region 1 is 'x'"),
        (frame(end=[4, np.inf, 12]), {}, "end of region 1 is inf"),
        (frame(chrom=["chr1", None, "chr1"]), {}, "region 1 has no chromosome"),
        (frame(chrom=["chr1", "", "chr1"]), {}, "region 1 has no chromosome"),
        (frame(strand=["+", "x", "-"]), {}, "the strand of region 1 is 'x'. Use '\\+'"),
        (frame(start=[4, 8, 12]), {}, r"`regions`: chr1:4-4\(\+\) is empty. Use start < end"),
        (
            frame(end=[5, 8, 12]),
            {},
            r"different lengths: 4 \(2 regions\), 5 \(1 regions\). Use wid",
        ),
        (frame(chrom=["1", "2", "1"]), {}, r"\['1', '2'\] are not in the genome. It has \['chr1'"),
        (
            frame(end=[17, 21, 25], start=[13, 17, 21]),
            {},
            "chr1:13-17.* reaches beyond .* 16 bases, as do 2 more",
        ),
        (frame(), {"width": 9}, r"chr1:-2-7\(\+\) reaches beyond the chromosome of 16 bases"),
        (frame(start=[20] * 3, end=[24] * 3), {"pad": True}, r"chr1:20-24\(\+\) lies beyond"),
        (frame(), {"width": 0}, "`width`: 0"),
        (frame(), {"width": 1.5}, "`width`"),
        (frame(), {"pad": "right"}, "`pad`: 'right'"),
        ("/nowhere/at/all.bed", {}, "`regions`: /nowhere/at/all.bed does not exist"),
    ],
)
def test_regions_that_are_refused(genome, regions, options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.read_regions(regions, genome, **options)


def test_other_faults(genome):
    adata = anndata.AnnData(np.zeros((2, 3), np.float32))
    with pytest.raises(InvalidInput, match="`axis`: 'columns'"):
        mt.read_regions(adata, genome, axis="columns")
    with pytest.raises(InvalidInput, match=r"`regions\.var`: no column"):
        mt.read_regions(adata, genome)
    with pytest.raises(InvalidInput, match=r"`genome`: .* does not exist"):
        mt.read_regions(frame(), str(genome) + "x")
