"""Tables of samples by features: text, Parquet, BIOM, archives of QIIME 2."""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Sequence
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from mutua.errors import InvalidInput, MissingDependency
from mutua.io._records import open_to_read, path_text
from mutua.io._table_biom import read_archive, read_biom
from mutua.io._table_parts import RawTable, check_row_names, listed, numeric_table, with_ranks
from mutua.io._table_text import SEPARATORS, TextSource, read_annotation_text, read_table_text
from mutua.models import checked
from mutua.models.arguments import one_of

__all__ = ["read_table"]

Path = str | os.PathLike[str]

_FORMATS = ("tsv", "csv", "parquet", "biom", "qza")
_SUFFIXES = {".tsv": "tsv", ".txt": "tsv", ".tab": "tsv", ".csv": "csv", ".parquet": "parquet",
             ".pq": "parquet", ".biom": "biom", ".qza": "qza"}  # fmt: skip
_MAGIC = {b"\x89HDF": "biom", b"PK\x03\x04": "qza", b"PAR1": "parquet"}


@checked
def read_table(
    path: Path | pd.DataFrame,
    *,
    format: str | None = None,
    samples: str | None = None,
    metadata: Path | pd.DataFrame | None = None,
    feature_metadata: Path | pd.DataFrame | None = None,
    metadata_columns: Sequence[str] = (),
    join: str = "exact",
    missing: str = "error",
) -> anndata.AnnData:
    r"""Read a table of samples and features, such as abundances, as an AnnData.

    Parameters
    ----------
    path
        Path or fsspec URL, or a data frame with names as its index. Text may be gzip.
    format
        ``"tsv"`` or ``"csv"``: a header, then lines of a name and its values, all of as many
        cells; the header may leave out the first, as R does. Lines before it that begin with
        ``#`` are comments. ``"parquet"``: names are the index, or else the first column.
        ``"biom"``: BIOM 2.x (HDF5) or 1.0 (JSON). ``"qza"``: the FeatureTable of a
        QIIME 2 archive. By default it is told from the content and the suffix.
    samples
        Whether samples are ``"rows"`` or ``"columns"`` of the file. By default columns in BIOM,
        QIIME 2 and text whose header begins with ``#OTU ID`` or ``Feature ID``, else rows.
    metadata, feature_metadata
        What is known of samples and of features: a path (text, Parquet, or a .qza such as
        FeatureData[Taxonomy]) or a data frame, joined by name. Rows of other names are left out.
        Numeric columns may say ``Not applicable`` and the like for a missing value, and types
        that QIIME 2 declares (``#q2:types``) are kept. A taxonomy such as
        ``k__Bacteria; p__Firmicutes`` also becomes a column for each rank.
    metadata_columns
        Columns of the table itself that are no values but describe its rows.
    join
        ``"exact"``: every sample must be in `metadata`, every feature in `feature_metadata`.
        ``"inner"``: those that are not are left out.
    missing
        What to do with empty values: ``"error"``; ``"zero"``; ``"drop"``, which leaves out the
        features that have any; ``"keep"``, as NaN.

    Returns
    -------
    AnnData
        Samples x features. ``X`` has the type of the file: a dense array of whole numbers, float32
        or float64, and a sparse one (CSR) of BIOM. ``obs`` and ``var`` hold the metadata.

    Raises
    ------
    InvalidInput
        If a file is missing, damaged, empty or not UTF-8; lines differ in length; names are
        missing, stand twice or are decimals; columns are no numbers; values are missing, infinite
        or too large; or names are not in the metadata.
    MemoryLimit
        If something packed has more than 2 GiB.
    MissingDependency
        For Parquet without pyarrow.

    Warns
    -----
    UserWarning
        If the names of all rows are whole numbers, in a column that is not called like names.

    References
    ----------
    McDonald et al. 2012, GigaScience 1:7 (BIOM); Bolyen et al. 2019, Nature Biotechnology 37:852
    (QIIME 2).

    Examples
    --------
    >>> import fsspec, pandas as pd
    >>> import mutua as mt
    >>> with fsspec.open("memory://counts.tsv", "w") as file:
    ...     _ = file.write("#OTU ID\ts1\ts2\ttaxonomy\n"
    ...                    "o1\t3\t0\tk__Bacteria; p__Firmicutes\n"
    ...                    "o2\t1\t8\tk__Bacteria; p__Proteobacteria\n")
    >>> about = pd.DataFrame({"ph": [5.0, 7.5]}, index=["s2", "s1"])
    >>> table = mt.read_table("memory://counts.tsv", metadata=about)
    >>> table.to_df()
        o1  o2
    s1   3   1
    s2   0   8
    >>> table.obs["ph"].tolist(), table.var["phylum"].tolist()
    ([7.5, 5.0], ['Firmicutes', 'Proteobacteria'])
    """
    one_of("join", join, ["exact", "inner"])
    one_of("missing", missing, ["error", "zero", "drop", "keep"])
    if samples is not None:
        one_of("samples", samples, ["rows", "columns"])
    raw = _raw_table(path, format, metadata_columns)
    turned = (samples or raw.samples) == "columns"
    values = raw.values.T if turned else raw.values
    names, annotations = (raw.rows, raw.columns), (raw.row_annotation, raw.column_annotation)
    (sample_names, feature_names), (obs, var) = (
        (names[::-1], annotations[::-1]) if turned else (names, annotations)
    )
    _check_names("sample", sample_names, turned)
    _check_names("feature", feature_names, not turned)
    own, more = _joined(obs, metadata, join, "metadata", "samples")
    own_features, more_features = _joined(
        var, feature_metadata, join, "feature_metadata", "features"
    )
    if len(own) < len(obs):
        values = values[own]
    if len(own_features) < len(var):
        values = values[:, own_features]
    values, kept = _complete(values, missing, more.index.tolist(), more_features.index.tolist())
    return anndata.AnnData(values, obs=more, var=with_ranks(more_features.iloc[kept]))


def _raw_table(source: Any, format: str | None, described: Sequence[str]) -> RawTable:
    if isinstance(source, pd.DataFrame):
        return _frame_table(source, described, "path")
    path = path_text(source)
    chosen = _format(path, format, "path")
    if chosen in SEPARATORS:
        return read_table_text(TextSource(path, "path"), SEPARATORS[chosen], described=described)
    if chosen == "parquet":
        return _frame_table(_parquet(path, "path"), described, "path")
    if described:
        found = f"given, and {path} keeps what describes its rows apart"
        raise InvalidInput("metadata_columns", found, "leave it out")
    with open_to_read(path, "a table") as file:
        if chosen == "biom":
            return read_biom(file, path, "path")
        member = read_archive(file, path, "path", ".biom")
    return read_biom(io.BytesIO(member.content), path, "path")


def _format(path: str, format: str | None, argument: str) -> str:
    """Tell the format of a file by what it begins with, or else by its suffix."""
    if format is not None:
        return one_of("format", format, _FORMATS)
    with open_to_read(path, "a table", argument=argument) as file:
        start = file.read(64)
    if not start.strip():
        raise InvalidInput(argument, f"{path} is empty", "check the path")
    if start[:4] in _MAGIC:
        return _MAGIC[start[:4]]
    if start.lstrip()[:1] == b"{":
        return "biom"
    suffix = os.path.splitext(path.lower().removesuffix(".gz"))[1]
    if _SUFFIXES.get(suffix) in SEPARATORS:
        return _SUFFIXES[suffix]
    if suffix in _SUFFIXES:
        found = f"{path} is called {suffix}, and its content is not"
        raise InvalidInput(argument, found, "download it again, or say what it is with format=")
    found = f"the suffix of {path} tells no format"
    raise InvalidInput("format", found, f"use one of {list(_FORMATS)}")


def _parquet(path: str, argument: str) -> pd.DataFrame:
    try:
        pyarrow = importlib.import_module("pyarrow")
    except ImportError as error:
        raise MissingDependency("Parquet needs pyarrow: pip install pyarrow") from error
    with open_to_read(path, "a table", argument=argument) as file:
        try:
            frame = pd.read_parquet(file, engine="pyarrow")
        except (pyarrow.ArrowException, OSError) as error:
            found = f"{path} is no Parquet, or damaged ({error})"
            raise InvalidInput(argument, found, "write it again") from error
    if isinstance(frame.index, pd.RangeIndex) and len(frame.columns):
        first = frame.columns[0]
        check_row_names([str(name) for name in frame[first]], str(first), path, argument)
        frame = frame.set_index(first)
    return frame


def _frame_table(frame: pd.DataFrame, described: Sequence[str], argument: str) -> RawTable:
    if frame.index.nlevels > 1 or frame.columns.nlevels > 1:
        found = "a data frame with several levels of names"
        raise InvalidInput(argument, found, "give every row and column one name")
    rows, columns = ([str(name) for name in axis] for axis in (frame.index, frame.columns))
    return numeric_table(frame, rows, columns, described=described, argument=argument)


def _check_names(kind: str, names: list[str], are_columns: bool) -> None:
    place = "columns" if are_columns else "rows"
    if not names:
        raise InvalidInput("path", f"no {kind}s ({place})", f"give a table with {kind}s")
    if not all(names):
        found = f"{kind} {names.index('')} ({place}) has no name"
        raise InvalidInput("path", found, f"name every {kind}")
    if len(set(names)) < len(names):
        counts = pd.Series(names).value_counts()
        found = f"{kind}s ({place}) of one name: {listed(counts.index[counts > 1])}"
        raise InvalidInput("path", found, f"give every {kind} a name of its own")


# --- metadata ------------------------------------------------------------------------------------


def _joined(
    own: pd.DataFrame, source: Any, join: str, argument: str, what: str
) -> tuple[np.ndarray, pd.DataFrame]:
    """Give which rows are kept, and all that is known of them."""
    if source is None:
        return np.arange(len(own)), own
    more = _annotation(source, argument)
    twice = more.index[more.index.duplicated()].unique()
    if len(twice):
        found = f"names that stand twice: {listed(twice)}"
        raise InvalidInput(argument, found, "give every name one row")
    shared = [name for name in own.columns if name in more.columns]
    if shared:
        found = f"columns that the table itself has: {listed(shared)}"
        raise InvalidInput(argument, found, "rename or remove them")
    places = more.index.get_indexer(own.index)
    lost = own.index[places < 0]
    if len(lost) == len(own):
        found = f"none of the {what} is in it; the table has {listed(own.index[:3])}, "
        found += f"it has {listed(more.index[:3])}"
        raise InvalidInput(argument, found, "check samples= and the column of names")
    if len(lost) and join == "exact":
        found = f"{len(lost):,} of {len(own):,} {what} are not in it: {listed(lost)}"
        raise InvalidInput(argument, found, "add them, or leave them out with join='inner'")
    kept = np.flatnonzero(places >= 0)
    known = more.iloc[places[kept]].set_axis(own.index[kept])
    return kept, pd.concat([own.iloc[kept], known], axis=1)


def _annotation(source: Any, argument: str) -> pd.DataFrame:
    """Read what is known of samples or features, by their names."""
    if isinstance(source, pd.DataFrame):
        frame = source.copy()
    else:
        if not isinstance(source, str | os.PathLike):
            remedy = "use a path or a data frame"
            raise InvalidInput(argument, f"a {type(source).__name__}", remedy)
        frame = _annotation_file(path_text(source, argument), argument)
    frame.index = pd.Index([str(name) for name in frame.index], dtype=object)
    frame.columns = pd.Index([str(name) for name in frame.columns], dtype=object)
    return frame


def _annotation_file(path: str, argument: str) -> pd.DataFrame:
    suffix = os.path.splitext(path.lower().removesuffix(".gz"))[1]
    chosen = _SUFFIXES.get(suffix) or _format(path, None, argument)
    if chosen in SEPARATORS:
        return read_annotation_text(TextSource(path, argument), SEPARATORS[chosen])
    if chosen == "parquet":
        return _parquet(path, argument)
    if chosen == "qza":
        with open_to_read(path, "a table", argument=argument) as file:
            member = read_archive(file, path, argument, ".tsv")
        return read_annotation_text(TextSource(path, argument, member.content), "\t")
    raise InvalidInput(argument, f"{path} is BIOM", "use text, Parquet or .qza")


# --- values --------------------------------------------------------------------------------------


def _complete(
    values: Any, missing: str, samples: list[str], features: list[str]
) -> tuple[Any, np.ndarray]:
    """Give the values, of which none is empty unless that is wished, and the features kept."""
    is_sparse = sparse.issparse(values)
    values = values.tocsr() if is_sparse else np.array(values, order="C")
    held = values.data if is_sparse else values
    everything = np.arange(len(features))
    if held.dtype.kind != "f" or np.isfinite(held).all():
        return values, everything
    if np.isinf(held).any():
        place = _first(values, np.isinf, samples, features)
        raise InvalidInput("path", f"infinite values, the first one {place}", "correct them")
    if missing == "keep":
        return values, everything
    if missing == "zero":
        held[np.isnan(held)] = 0
        if is_sparse:
            values.eliminate_zeros()
        return values, everything
    column = values.indices[np.isnan(held)] if is_sparse else np.nonzero(np.isnan(held))[1]
    empty = np.unique(column)
    if missing == "error":
        place = _first(values, np.isnan, samples, features)
        found = f"{len(column):,} values of {len(empty):,} features are missing, the first {place}"
        remedy = (
            "complete them, or choose by missing= whether they are 0, kept, or features left out"
        )
        raise InvalidInput("path", found, remedy)
    kept = np.setdiff1d(everything, empty)
    if not len(kept):
        raise InvalidInput("missing", "'drop', and every feature misses values", "use 'zero'")
    return values[:, kept], kept


def _first(values: Any, test: Any, samples: list[str], features: list[str]) -> str:
    marked = (
        sparse.csr_matrix((test(values.data), values.indices, values.indptr), values.shape)
        if sparse.issparse(values)
        else test(values)
    )
    row, column = (int(place[0]) for place in marked.nonzero())
    return f"at sample {samples[row]!r}, feature {features[column]!r}"
