"""Letters of a genome, and the index that is kept beside it."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.errors import InvalidInput
from mutua.io import genome as module
from mutua.io.genome import open_genome
from tests.reference import sequences as reference

CHR1, CHR2 = "AACCGGTTACNNacgt", "TTTT"


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1 first\n{CHR1[:10]}\n{CHR1[10:]}\n>chr2\n{CHR2}\n")
    return path


def letters_of(fasta: Path, chrom: str, start: int, end: int) -> list[int]:
    with open_genome(fasta) as genome:
        return genome.codes([chrom], [start], [end], width=end - start)[0].tolist()


def test_lengths(fasta):
    with open_genome(str(fasta)) as genome:
        assert genome.lengths == {"chr1": 16, "chr2": 4}


@settings(deadline=None)
@given(
    text=st.text("ACGTNacgtn", min_size=1, max_size=40),
    line=st.integers(1, 11),
    ending=st.sampled_from(["\n", "\r\n"]),
    data=st.data(),
)
def test_regions_equal_slices(tmp_path_factory, text, line, ending, data):
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    lines = [text[i : i + line] for i in range(0, len(text), line)]
    path.write_bytes(ending.join([">x", "ACGT", ">c", *lines, ""]).encode())
    start = data.draw(st.integers(-3, len(text) + 2))
    width = data.draw(st.integers(1, 9))
    with open_genome(path) as genome:
        codes = genome.codes(["c", "x"], [start, 0], [start + width, width], width=width)
    padded = dict(enumerate(text))
    for place, code in zip(range(start, start + width), codes[0].tolist(), strict=True):
        letter = padded.get(place)
        expected = 255 if letter is None else reference.encode([letter], "ACGT", 1, "right")[0][0]
        assert code == expected
    assert codes.shape == (2, width)
    shutil.rmtree(path.parent)


def test_the_index_is_made_once_and_renewed(fasta):
    index = Path(f"{fasta}.fai")
    assert letters_of(fasta, "chr1", 8, 12) == [0, 1, 254, 254]
    assert index.read_text().splitlines()[0].split("\t")[:2] == ["chr1", "16"]
    before = index.stat().st_mtime_ns
    letters_of(fasta, "chr1", 0, 2)
    assert index.stat().st_mtime_ns == before
    fasta.write_text(">chr1\nTTTTTTTTTTTTTTTTTTTTTTTT\n")
    os.utime(index, (time.time() - 9, time.time() - 9))
    assert letters_of(fasta, "chr1", 20, 24) == [3, 3, 3, 3]
    assert index.read_text().split("\t")[:2] == ["chr1", "24"]
    assert sorted(path.name for path in fasta.parent.iterdir()) == ["genome.fa", "genome.fa.fai"]


def test_a_read_only_folder(fasta, monkeypatch):
    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr(module.shutil, "copyfile", refuse)
    for _ in range(2):
        assert letters_of(fasta, "chr1", 0, 4) == [0, 0, 1, 1]
    assert [path.name for path in fasta.parent.iterdir()] == ["genome.fa"]
    monkeypatch.undo()
    monkeypatch.setattr(module.os, "replace", refuse)
    assert letters_of(fasta, "chr2", 0, 4) == [3] * 4
    assert [path.name for path in fasta.parent.iterdir()] == ["genome.fa"]


def test_many_readers_at_once(fasta):
    with open_genome(fasta) as first, open_genome(fasta) as second:
        for genome in (first, second):
            codes = genome.codes(["chr1"] * 3, [0, 2, 4], [4, 6, 8], width=4)
            np.testing.assert_array_equal(codes, [[0, 0, 1, 1], [1, 1, 2, 2], [2, 2, 3, 3]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.fa", b"", "cannot be read"),
        ("a.fa", b"ACGT\n", "cannot be read"),
        ("a.fa", b">a\nACGT\nAC\nACGT\n", "cannot be read: Line length"),
        ("a.fa", b">a\nACGT\n>a\nACGT\n", "cannot be read: Duplicate"),
        ("a.fa", bytes(range(256)), "cannot be read"),
        ("a.fa", gzip.compress(b">a\nACGT\n", mtime=0), "cannot be read"),
        ("a.fa.gz", gzip.compress(b">a\nACGT\n", mtime=0), "compress"),
        ("a.fa.bz2", b"x", "ompress"),
    ],
)
def test_files_that_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message) as error, open_genome(path):
        pass
    assert error.value.argument == "genome"
    assert str(path) in str(error.value)


def test_a_damaged_index(fasta):
    Path(f"{fasta}.fai").write_text("chr1\tmany\n")
    with pytest.raises(InvalidInput, match="delete an index that is damaged"), open_genome(fasta):
        pass


def test_no_file(tmp_path):
    for path, message in (
        (tmp_path / "none.fa", "does not exist"),
        (tmp_path, "is no file"),
        (3, "a int"),
        (None, "a NoneType"),
    ):
        with pytest.raises(InvalidInput, match=f"`genome`: .*{message}"), open_genome(path):
            pass
