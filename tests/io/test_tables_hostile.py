"""Tables in files that are damaged, or made to do harm."""

from __future__ import annotations

import contextlib
import gzip
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import mutua as mt
from mutua.errors import InvalidInput, MemoryLimit
from mutua.io import _table_biom
from tests.io.tables import COUNTS, archive, biom, biom_bytes, biom_json


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_biom_that_points_elsewhere(tmp_path: Path) -> None:
    other = biom(tmp_path / "other.biom")
    for link in (h5py.ExternalLink(str(other), "/sample/ids"), h5py.SoftLink("/observation/ids")):
        path = biom(tmp_path / "t.biom")
        with h5py.File(path, "a") as file:
            del file["sample/ids"]
            file["sample/ids"] = link
        with pytest.raises(InvalidInput, match="sample/ids is a link, which is not followed"):
            mt.read_table(path)


def test_biom_with_values_in_another_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(6, dtype=np.float64).tobytes())
    path = biom(tmp_path / "t.biom")
    with h5py.File(path, "a") as file:
        del file["sample/matrix/data"]
        outside = [(str(secret), 0, 48)]
        file.create_dataset("sample/matrix/data", (6,), np.float64, external=outside)
    with pytest.raises(InvalidInput, match="sample/matrix/data is no array of this file"):
        mt.read_table(path)


def test_biom_that_declares_more_than_it_has(tmp_path: Path) -> None:
    path = biom(tmp_path / "t.biom")
    with h5py.File(path, "a") as file:
        del file["sample/matrix/data"]
        file.create_dataset("sample/matrix/data", (10**12,), np.float64, chunks=(1024,))
    with pytest.raises(InvalidInput, match="declares 8,000,000,000,000 bytes"):
        mt.read_table(path)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sample/matrix/indices", [0, 3, 2, 3, 0, 4]),
        ("sample/matrix/indices", [0, 3, 2, 3, 0, -1]),
        ("sample/matrix/indptr", [0, 2, 4]),
        ("sample/matrix/indptr", [0, 4, 2, 6]),
        ("sample/matrix/indptr", [0, 2, 4, 5]),
        ("sample/matrix/data", [1.0, 2.0]),
    ],
    ids=["column too far", "column negative", "rows missing", "rows going back", "values left over",
         "values missing"],
)  # fmt: skip
def test_biom_of_which_the_parts_do_not_fit(name: str, values: list[float], tmp_path: Path) -> None:
    path = biom(tmp_path / "t.biom")
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = np.array(values)
    with pytest.raises(InvalidInput, match="the matrix by sample does not fit 3 x 4"):
        mt.read_table(path)


def test_files_that_are_no_biom(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.biom", "w") as file:
        file["x"] = [1, 2]
    with pytest.raises(InvalidInput, match="no 'observation/ids', which a BIOM table has"):
        mt.read_table(tmp_path / "t.biom")
    whole = biom_bytes()
    (tmp_path / "u.biom").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match="no BIOM table, or damaged"):
        mt.read_table(tmp_path / "u.biom")
    for text in ('{"rows": 1}', "{", '{"rows": [], "columns": []}', "[" * 9):
        with pytest.raises(InvalidInput, match="no BIOM table"):
            mt.read_table(written(tmp_path / "v.biom", text), format="biom")
    short = biom_json(tmp_path / "w.biom")
    found = json.loads(short.read_text())
    found["data"][0][0] = 99
    with pytest.raises(InvalidInput, match="no BIOM table in JSON"):
        mt.read_table(written(short, json.dumps(found)))


def test_archives_that_are_none(tmp_path: Path) -> None:
    path = archive(tmp_path / "tree.qza", {"tree.nwk": b"(a,b);"}, kind="Phylogeny[Rooted]")
    with pytest.raises(InvalidInput, match=r"is a Phylogeny\[Rooted\], which has no \.biom"):
        mt.read_table(path)
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as file:
        file.writestr("a/x", "1")
        file.writestr("b/x", "1")
    with pytest.raises(InvalidInput, match="a zip file, and no archive of QIIME 2"):
        mt.read_table(tmp_path / "t.zip")
    whole = archive(tmp_path / "t.qza", {"t.biom": biom_bytes()}).read_bytes()
    (tmp_path / "u.qza").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match="is damaged"):
        mt.read_table(tmp_path / "u.qza")
    flipped = bytearray(whole)
    flipped[whole.find(b"t.biom") + 200] ^= 0xFF
    (tmp_path / "v.qza").write_bytes(bytes(flipped))
    with pytest.raises(InvalidInput, match="is damaged"):
        mt.read_table(tmp_path / "v.qza")


def test_archives_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that lead out of the archive are never places on a disk."""
    inside = tmp_path / "deep" / "deeper"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    path = archive(tmp_path / "t.qza", {"../../../../evil.biom": biom_bytes()})
    with pytest.raises(InvalidInput, match=r"no archive of QIIME 2|has no \.biom"):
        mt.read_table(path)
    path = archive(tmp_path / "u.qza", {"t.biom": biom_bytes()}, root="..")
    with pytest.raises(InvalidInput, match="no archive of QIIME 2"):
        mt.read_table(path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["deep", "deeper", "t.qza", "u.qza"]


def test_what_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_table_biom, "_MOST_BYTES", 4096)
    path = archive(tmp_path / "t.qza", {"t.biom": bytes(8192)})
    with pytest.raises(MemoryLimit, match=r"t\.biom has 0\.0 GiB unpacked"):
        mt.read_table(path)
    (tmp_path / "t.biom.gz").write_bytes(gzip.compress(biom_bytes()))
    with pytest.raises(MemoryLimit, match="has more than"):
        mt.read_table(tmp_path / "t.biom.gz")


def test_biom_cut_short_anywhere(tmp_path: Path) -> None:
    """Whatever is left, what comes is a table or one of our errors."""
    whole = biom_bytes()
    for length in np.linspace(4, len(whole) - 1, 200, dtype=int).tolist():
        (tmp_path / "t.biom").write_bytes(whole[:length])
        with contextlib.suppress(InvalidInput):
            np.testing.assert_array_equal(mt.read_table(tmp_path / "t.biom").X.toarray(), COUNTS)
