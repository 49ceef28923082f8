"""BIOM tables (2.x, which is HDF5, and 1.0, which is JSON) and the archives of QIIME 2.

Both formats come from other people. HDF5 files may point to other files and declare arrays that
would fill the memory, zip archives may unpack to anything anywhere: links are not followed, what
is declared is held against what is there, and nothing is ever unpacked to a disk.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from mutua.errors import InvalidInput, MemoryLimit
from mutua.io._table_parts import RawTable, as_annotation

__all__ = ["ArchiveMember", "read_archive", "read_biom", "read_within"]

_MOST_BYTES = 1 << 31
_MOST_DEFLATED = 1100
"""Deflate makes at most 1,032 bytes of one."""
_CHUNK_BYTES = 1 << 20
_DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError)
"""What h5py raises for damaged files, depending on where the damage is."""
_AGAIN = "download or write it again"
_TYPE = re.compile(rb"^type:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)


class ArchiveMember(NamedTuple):
    """The data of an archive of QIIME 2: its type there, its name and its bytes."""

    type: str
    name: str
    content: bytes


def read_within(file: IO[bytes], path: str, argument: str) -> bytes:
    """Read a file whole, unless it is larger than any table should be."""
    content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        found = f"{path} has more than {_MOST_BYTES / 2**30:.0f} GiB"
        raise MemoryLimit(argument, found, "unpack it, and read a part of it")
    return content


# --- archives ------------------------------------------------------------------------------------


def read_archive(file: IO[bytes], path: str, argument: str, suffix: str) -> ArchiveMember:
    """Read the one file with a suffix among the data of a QIIME 2 archive (.qza).

    Raises
    ------
    InvalidInput
        If it is no such archive, is damaged, or holds other data; names the type it holds.
    MemoryLimit
        If the file would have more than 2 GiB.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            root = _root(archive, path, argument)
            about = _member(archive, f"{root}/metadata.yaml", path, argument)
            match = _TYPE.search(about)
            kind = match[1].decode("utf-8", "replace") if match else "unknown"
            names = [
                name
                for name in archive.namelist()
                if name.startswith(f"{root}/data/") and name.count("/") == 2
            ]
            wanted = [name for name in names if name.endswith(suffix)]
            if len(wanted) != 1:
                found = f"{path} is a {kind}, which has no {suffix} of its own"
                remedy = "use a FeatureTable for the table, FeatureData[Taxonomy] or a table of "
                raise InvalidInput(argument, found, f"{remedy}metadata for what describes it")
            return ArchiveMember(kind, wanted[0], _member(archive, wanted[0], path, argument))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise InvalidInput(argument, f"{path} is damaged ({error})", _AGAIN) from error


def _root(archive: zipfile.ZipFile, path: str, argument: str) -> str:
    roots = {name.split("/")[0] for name in archive.namelist()}
    root = next(iter(roots)) if len(roots) == 1 else ""
    if root in ("", "..", ".") or f"{root}/metadata.yaml" not in archive.namelist():
        found = f"{path} is a zip file, and no archive of QIIME 2"
        raise InvalidInput(argument, found, "unpack it, and read the file that you want")
    return root


def _member(archive: zipfile.ZipFile, name: str, path: str, argument: str) -> bytes:
    entry = archive.getinfo(name)
    if entry.flag_bits & 1:
        raise InvalidInput(argument, f"{path}: {name} is encrypted", "decrypt it")
    if entry.file_size > _MOST_BYTES:
        found = f"{path}: {name} has {entry.file_size / 2**30:.1f} GiB unpacked"
        raise MemoryLimit(argument, found, "unpack it, and read the file itself")
    return archive.read(entry)  # no more than the size it declares


# --- BIOM ----------------------------------------------------------------------------------------


def read_biom(file: IO[bytes], path: str, argument: str) -> RawTable:
    """Read a BIOM table of any version, in which samples are the columns.

    Returns
    -------
    RawTable
        ``values``: CSC (feature, sample), so that it is CSR with samples as rows.

    Raises
    ------
    InvalidInput
        If it is no BIOM table or is damaged.
    """
    start = file.read(1)
    file.seek(0)
    if start in (b"{", b" ", b"\n"):
        return _read_json(read_within(file, path, argument), path, argument)
    import h5py

    if isinstance(file, gzip.GzipFile):  # in which HDF5 would move to and fro
        file = io.BytesIO(read_within(file, path, argument))
    try:
        with h5py.File(file, "r") as opened:
            return _Biom(opened, path, argument).table()
    except InvalidInput:
        raise
    except _DAMAGED as error:
        found = f"{path} is no BIOM table, or damaged ({error})"
        raise InvalidInput(argument, found, _AGAIN) from error


class _Biom:
    """An HDF5 file with the groups of BIOM 2."""

    def __init__(self, file: Any, path: str, argument: str) -> None:
        self.file, self.path, self.argument = file, path, argument

    def table(self) -> RawTable:
        features, samples = self.names("observation"), self.names("sample")
        shape = len(samples), len(features)
        if self.has("sample/matrix/indptr"):
            values = self.matrix("sample", shape)
        else:
            values = self.matrix("observation", shape[::-1]).T.tocsr()
        values.sort_indices()
        return RawTable(
            values.T, features, samples,
            self.annotation("observation", features), self.annotation("sample", samples), "columns",
        )  # fmt: skip

    def fault(self, found: str) -> InvalidInput:
        return InvalidInput(self.argument, f"{self.path}: {found}", _AGAIN)

    def has(self, name: str) -> bool:
        """Tell whether there is something of that name in the file itself."""
        import h5py

        group = self.file
        for part in name.split("/"):
            if not isinstance(group, h5py.Group) or part not in group:
                return False
            if not isinstance(group.get(part, getlink=True), h5py.HardLink):
                raise self.fault(f"{name} is a link, which is not followed")
            group = group[part]
        return True

    def array(self, name: str) -> npt.NDArray[Any]:
        """Read an array whose values are in the file, as many as it says."""
        import h5py

        if not self.has(name):
            raise self.fault(f"no {name!r}, which a BIOM table has")
        array = self.file[name]
        if not isinstance(array, h5py.Dataset) or array.external or array.is_virtual:
            raise self.fault(f"{name} is no array of this file")
        if array.nbytes > _MOST_DEFLATED * max(_CHUNK_BYTES, array.id.get_storage_size()):
            raise self.fault(f"{name} declares {array.nbytes:,} bytes, which the file has not")
        is_text = h5py.check_string_dtype(array.dtype) is not None
        return np.asarray(array.asstr()[()] if is_text else array[()])

    def names(self, axis: str) -> list[str]:
        return [str(name) for name in np.ravel(self.array(f"{axis}/ids")).tolist()]

    def matrix(self, axis: str, shape: tuple[int, int]) -> Any:
        data, indices, indptr = (
            self.array(f"{axis}/matrix/{name}") for name in ("data", "indices", "indptr")
        )
        sound = (
            data.ndim == indices.ndim == indptr.ndim == 1
            and data.dtype.kind in "iuf"
            and indices.dtype.kind == indptr.dtype.kind == "i"
            and len(data) == len(indices)
            and len(indptr) == shape[0] + 1
            and indptr[0] == 0
            and indptr[-1] == len(data)
            and bool((np.diff(indptr) >= 0).all())
            and (not len(indices) or (indices.min() >= 0 and indices.max() < shape[1]))
        )
        if not sound:
            raise self.fault(f"the matrix by {axis} does not fit {shape[0]:,} x {shape[1]:,}")
        made = sparse.csr_matrix((data, indices, indptr), shape)
        made.sum_duplicates()
        return made

    def annotation(self, axis: str, names: list[str]) -> pd.DataFrame:
        columns: dict[str, Any] = {}
        group = f"{axis}/metadata"
        for name in self.file[group] if self.has(group) else ():
            values = self.array(f"{group}/{name}")
            if len(values) != len(names):
                raise self.fault(f"{group}/{name} has {len(values):,} values for {len(names):,}")
            columns[str(name)] = [_joined(value) for value in values.tolist()]
        return _annotation(columns, names)


def _read_json(content: bytes, path: str, argument: str) -> RawTable:
    """Read BIOM 1.0."""
    try:
        found = json.loads(content)
        features, samples = ([entry["id"] for entry in found[axis]] for axis in ("rows", "columns"))
        shape = len(features), len(samples)
        dtype = np.int64 if found["matrix_element_type"] == "int" else np.float64
        if found["matrix_type"] == "sparse":
            row, column, data = np.array(found["data"], np.float64).reshape(-1, 3).T
            values = sparse.coo_matrix(
                (data.astype(dtype), (row.astype(np.int64), column.astype(np.int64))), shape
            )
        else:
            values = sparse.coo_matrix(np.array(found["data"], dtype).reshape(shape))
        said = [_json_annotation(found[axis]) for axis in ("rows", "columns")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        problem = f"{path} is no BIOM table in JSON ({type(error).__name__}: {error})"
        raise InvalidInput(argument, problem, _AGAIN) from error
    rows, columns = [str(name) for name in features], [str(name) for name in samples]
    return RawTable(
        values.tocsc(), rows, columns,
        _annotation(said[0], rows), _annotation(said[1], columns), "columns",
    )  # fmt: skip


def _json_annotation(entries: list[dict[str, Any]]) -> dict[str, list[Any]]:
    said = [entry.get("metadata") or {} for entry in entries]
    names = list(dict.fromkeys(name for one in said for name in one))
    return {name: [_joined(one.get(name)) for one in said] for name in names}


def _joined(value: Any) -> Any:
    """Give a list, such as the ranks of a taxonomy, as one text."""
    if isinstance(value, list):
        return "; ".join(str(part) for part in value if part not in ("", None))
    return value


def _annotation(columns: dict[str, Any], names: list[str]) -> pd.DataFrame:
    index = pd.Index(names, dtype=object)
    made = {name: pd.Series(values, index=index) for name, values in columns.items()}
    return as_annotation(pd.DataFrame(made, index=index))
