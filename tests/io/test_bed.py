"""BED files with what people put into them."""

from __future__ import annotations

import gzip

import fsspec
import pytest

from mutua.errors import InvalidInput
from mutua.io._bed import read_bed


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_comments_tracks_and_blank_lines_are_left_out(tmp_path, pack, ending):
    lines = [
        "browser position chr7:127471196-127495720",
        'track name="peaks" description="a b"',
        "#chrom\tstart\tend",
        "",
        "chr1\t0\t4\tfirst\t960\t-\t0\t4",
        "  ",
        "track2\t6\t10\tsecond one\t.\t+",
        "# the end",
    ]
    path = tmp_path / "regions"
    path.write_bytes(pack(ending.join(lines).encode()))
    frame = read_bed(path)
    assert frame.columns.tolist() == ["chrom", "start", "end", "name", "score", "strand"]
    assert frame["chrom"].tolist() == ["chr1", "track2"]
    assert frame["name"].tolist() == ["first", "second one"]
    assert frame["strand"].tolist() == ["-", "+"]


def test_columns_separated_by_spaces(tmp_path):
    path = tmp_path / "a.bed"
    path.write_text("chr1 0   4\nchr2 5 9 named\n")
    frame = read_bed(path)
    assert frame.to_numpy().tolist() == [["chr1", "0", "4"], ["chr2", "5", "9"]]


def test_a_line_of_column_names(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("Chrom\tStart\tEnd\tfold\nchr1\t0\t4\t2.5\n")
    frame = read_bed(str(path))
    assert frame.columns.tolist() == ["Chrom", "Start", "End", "fold"]
    assert len(frame) == 1


def test_empty_columns_are_kept(tmp_path):
    path = tmp_path / "a.bed"
    path.write_text("chr1\t0\t4\t\t\t-\n")
    assert read_bed(path).to_numpy().tolist() == [["chr1", "0", "4", "", "", "-"]]


def test_urls():
    with fsspec.open("memory://bed/a.bed", "w") as file:
        file.write("chr1\t0\t4\n")
    assert len(read_bed("memory://bed/a.bed")) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no region"),
        (b"track name=x\n# nothing\n", "holds no region"),
        (b"chrom\tstart\tend\n", "holds no region"),
        (b"chr1\t0\t4\n\nchr2\t5\n", r"line 3 has 2 column\(s\). Use BED"),
        (b"ACGT\nACGT\n", r"line 1 has 1 column\(s\)"),
        (b"chr1\t0\t4\ta\nchr2\t5\t9\n", "line 2 has 3 columns, the first has 4"),
        (b"\xff\xfe\x00", "is not BED"),
        (gzip.compress(b"chr1\t0\t4\n" * 99, mtime=0)[:-9], "is damaged"),
    ],
)
def test_files_that_are_refused(tmp_path, content, message):
    path = tmp_path / "a.bed"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=f"`regions`: .*a.bed.*{message}"):
        read_bed(path)


def test_no_file(tmp_path):
    with pytest.raises(InvalidInput, match=r"`regions`: .*none\.bed does not exist"):
        read_bed(tmp_path / "none.bed")
    with pytest.raises(InvalidInput, match="`places`: .*is no file"):  # noqa: RUF043
        read_bed(tmp_path, argument="places")
