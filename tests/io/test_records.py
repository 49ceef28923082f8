import gzip
import os
from itertools import pairwise

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.errors import InvalidInput, MissingDependency
from mutua.io import _records
from mutua.io._records import read_fasta_records, read_text_records, write_fasta_records


def collect(blocks) -> tuple[list[str], list[str]]:
    names: list[str] = []
    records: list[str] = []
    for text, lengths, block_names in blocks:
        assert isinstance(text, bytes)
        assert lengths.dtype == np.int64
        names += block_names or []
        bounds = np.cumsum([0, *lengths])
        records += [text[a:b].decode() for a, b in pairwise(bounds)]
    return names, records


@pytest.fixture(params=["plain", "gzip", "two gzip members"])
def save(request, tmp_path):
    def save(content: bytes):
        path = tmp_path / "sequences"
        if request.param == "gzip":
            content = gzip.compress(content)
        elif request.param == "two gzip members":
            middle = len(content) // 2
            content = gzip.compress(content[:middle]) + gzip.compress(content[middle:])
        path.write_bytes(content)
        return path

    return save


@pytest.mark.parametrize(
    "content",
    [
        b">a first\nACGTNacgt\n>b\nTT\n>a\nG\n",
        b">a first\nACGT\nNacgt\n>b\nTT\n>a\nG",
        b">a first\r\nACG\r\n\r\nTNacgt\r\n>b\r\nTT\r\n>a\r\nG\r\n\r\n",
        b"\n# note\n>a\tfirst\n\nACGTNacgt \n>b\n T\nT\n\n>a\nG\n",
        b"\xef\xbb\xbf>a first\nACGTNacgt\n>b\nTT\n>a\nG\n",
    ],
)
def test_fasta(save, content):
    names, records = collect(read_fasta_records(save(content)))
    assert names == ["a", "b", "a"]
    assert records == ["ACGTNacgt", "TT", "G"]


def test_fasta_names_may_be_empty_or_not_ascii(save):
    names, records = collect(read_fasta_records(save(">\nA\n>café au lait\nC\n".encode())))
    assert names == ["", "café"]
    assert records == ["A", "C"]


def test_blocks_are_bounded(tmp_path, monkeypatch):
    path = tmp_path / "a.fa"
    path.write_text("".join(f">{i}\n{'ACGTACG'}\n" for i in range(10)))
    blocks = list(read_fasta_records(path, block_letters=20))
    assert [len(block.names) for block in blocks] == [3, 3, 3, 1]
    assert [len(block.text) for block in blocks] == [21, 21, 21, 7]
    monkeypatch.setattr(_records, "_BLOCK_RECORDS", 5)
    assert [len(block.names) for block in read_fasta_records(path)] == [5, 5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no sequence"),
        (b"\n\n", "holds no sequence"),
        (b"ACGT\nACGT\n", "is not FASTA"),
        (b"@read\nACGT\n+\nIIII\n", "is not FASTA"),
        (b"\x00\xff\xfe\x80" * 9, "is not FASTA"),
        (b">a\nACGT\n\n>b\n>c\nA\n", r"record 'b' \(line 4\) is empty"),
        (b">a\nACGT\n>b\n", r"record 'b' \(line 3\) is empty"),
        (b">a\nAC\n>b\nAC GT\n", r"record 'b' \(line 3\) has white space"),
        (">a\nAC\n>b\nACé\n".encode(), r"record 'b' \(line 3\) holds symbols that are not ASCII"),
        (b"\xef\xbb\xbf>a\nAC\n>b\n", r"record 'b' \(line 3\) is empty"),
        (">a\nAC\n".encode("utf-16"), "is not FASTA but UTF-16.* Save it as ASCII or UTF-8"),
        (">a\nAC\n".encode("utf-16-be"), "is not FASTA but UTF-16"),
    ],
)
def test_fasta_faults(save, content, message):
    with pytest.raises(InvalidInput, match=message):
        list(read_fasta_records(save(content)))


def test_fault_in_a_later_block_has_its_line(tmp_path):
    path = tmp_path / "a.fa"
    path.write_text("".join(f">{i}\nACG\nT\n" for i in range(9)) + ">empty\n")
    with pytest.raises(InvalidInput, match=r"record 'empty' \(line 28\) is empty"):
        list(read_fasta_records(path, block_letters=8))


def test_a_pipe_is_read_once(tmp_path):
    reader, writer = os.pipe()
    os.write(writer, b">a\nAC\n>b\n")
    os.close(writer)
    with pytest.raises(InvalidInput, match="record 'b' is empty"):
        list(read_fasta_records(f"/dev/fd/{reader}"))
    os.close(reader)


def test_damaged_gzip(tmp_path):
    whole = gzip.compress(b">a\n" + b"ACGT" * 1000)
    for content in (whole[:-9], whole[:20] + b"\x00" * 9 + whole[29:]):
        path = tmp_path / "a.fa.gz"
        path.write_bytes(content)
        for read in (read_fasta_records, read_text_records):
            with pytest.raises(InvalidInput, match="is damaged"):
                list(read(path))


def test_missing_file(tmp_path):
    for place, message in (
        (tmp_path / "nowhere.fa", r"`path`: .*nowhere\.fa does not exist. Check the path"),
        ("memory://nowhere/at/all.fa", "does not exist"),
        (tmp_path, "is no file"),
        (tmp_path / "file" / "below.fa", "is no file"),
        ("nothing://x/y.fa", r"`path`: nothing://x/y\.fa: .*[Pp]rotocol"),
        (5, "`path`: a int. Use the path or URL"),
        (None, "`path`: a NoneType"),
        (b"a.fa", "`path`: a bytes"),
        ("", "`path`: empty"),
    ):
        (tmp_path / "file").touch()
        for read in (read_fasta_records, read_text_records):
            with pytest.raises(InvalidInput, match=message):
                list(read(place))


def test_a_protocol_whose_package_is_missing(monkeypatch):
    def missing(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "open", missing)
    with pytest.raises(MissingDependency, match=r"`path`: s3://x/y\.fa .*Install s3fs"):
        list(read_fasta_records("s3://x/y.fa"))


@pytest.mark.parametrize(
    "content",
    [
        b"ACGTn\nTT\n",
        b"ACGTn\r\n TT\t\r\n\r\n \r\n",
        b"ACGTn\nTT",
        b"\xef\xbb\xbfACGTn\nTT",
    ],
)
def test_text(save, content):
    (block,) = read_text_records(save(content))
    assert block.names is None
    assert collect([block]) == ([], ["ACGTn", "TT"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no sequence"),
        (b"\n \n", "holds no sequence"),
        (b">a\nACGT\n", "is FASTA"),
        (b"AC\n\nGT\n", "line 2 is empty"),
        (b"AC\nGT\nA C\n", "line 3 has white space"),
        ("AC\né\n".encode(), "line 2 holds symbols"),
        (b"AC\n\xff\n", "is not text"),
        ("AC\n".encode("utf-16"), "is not text but UTF-16"),
        ("AC\n".encode("utf-32-be"), "is not text but UTF-16, UTF-32"),
    ],
)
def test_text_faults(save, content, message):
    with pytest.raises(InvalidInput, match=message):
        list(read_text_records(save(content)))


@settings(deadline=None)
@given(
    records=st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1),
            st.text("ACGTNacgt-*", min_size=1, max_size=9),
        ),
        min_size=1,
        max_size=6,
    ),
    width=st.one_of(st.none(), st.integers(1, 5)),
    suffix=st.sampled_from(["fa", "fa.gz"]),
)
def test_write_then_read(records, width, suffix):
    names, rows = zip(*records, strict=True)
    path = f"memory://round/trip.{suffix}"
    write_fasta_records(path, iter(names), np.array([row.encode() for row in rows]), width=width)
    assert collect(read_fasta_records(path)) == (list(names), list(rows))


def test_written_bytes(tmp_path):
    for name in ("a.fa", "a.fa.gz"):
        path = tmp_path / name
        for _ in range(2):
            write_fasta_records(path, ["x 1", "y"], [b"ACGTA", b"CC"], width=3)
            content = path.read_bytes()
        text = gzip.decompress(content) if name.endswith("gz") else content
        assert text == b">x 1\nACG\nTA\n>y\nCC\n"
        assert content == path.read_bytes()
    assert gzip.decompress(content)[:4] == b">x 1"
    assert sorted(os.listdir(tmp_path)) == ["a.fa", "a.fa.gz"]


def test_writing_that_fails_keeps_what_was_there(tmp_path):
    path = tmp_path / "a.fa"
    path.write_text("before")

    def rows():
        yield b"ACGT"
        raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        write_fasta_records(path, ["a", "b"], rows())
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.fa"]


def test_writing_follows_links_and_urls(tmp_path):
    (tmp_path / "real.fa").write_text("before")
    (tmp_path / "link.fa").symlink_to("real.fa")
    write_fasta_records(f"file://{tmp_path}/link.fa", ["a"], [b"AC"])
    assert (tmp_path / "link.fa").is_symlink()
    assert (tmp_path / "real.fa").read_text() == ">a\nAC\n"
    write_fasta_records("/dev/null", ["a"], [b"AC"])
    assert not os.path.isfile("/dev/null")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ["a"], "rows": [b"A", b"C"]}, "fewer names"),
        ({"names": ["a", "b"], "rows": [b"A"]}, "more names"),
        ({"names": ["a\nb"], "rows": [b"A"]}, "names"),
        ({"names": [""], "rows": [b"A"]}, "names"),
        ({"names": [" a"], "rows": [b"A"]}, "names"),
        ({"names": ["a"], "rows": [b""]}, "'a' is empty"),
        ({"names": ["a"], "rows": [b"A"], "width": 0}, "width"),
        ({"names": ["a"], "rows": [b"A"], "width": 2.5}, "width"),
        ({"names": ["a"], "rows": [b"A"], "path": 3}, "`path`: a int"),
        ({"names": ["a"], "rows": [b"A"], "path": "/no/such/place/a.fa"}, "there is no folder"),
        ({"names": ["a"], "rows": [b"A"], "path": "/"}, "is no file"),
        ({"names": ["a"], "rows": [b"A"], "path": "memory://a.fa.bgz"}, "bgzip"),
    ],
)
def test_write_faults(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        write_fasta_records(**{"path": "memory://fault.fa", **arguments})


def test_urls():
    with fsspec.open("memory://u/a.txt.gz", "wb") as file:
        file.write(gzip.compress(b"ACG\nT\n"))
    assert collect(read_text_records("memory://u/a.txt.gz")) == ([], ["ACG", "T"])
