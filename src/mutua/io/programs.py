"""Gene programs that other programs found: result files of cNMF and D-SPIN."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

import anndata
import fsspec
import numpy as np
import numpy.typing as npt
import pandas as pd
from fsspec.implementations.local import LocalFileSystem

from mutua.errors import InvalidInput
from mutua.io._records import open_to_read, path_text
from mutua.io._table_parts import listed
from mutua.io._table_text import TextSource, read_table_text
from mutua.models import checked, slots
from mutua.models.arguments import one_of

__all__ = ["read_programs"]

Path = str | os.PathLike[str]
Floats = npt.NDArray[np.float64]

_CNMF = re.compile(
    r"^(?P<run>.+)\.(?P<part>spectra|gene_spectra_score|gene_spectra_tpm|usages)"
    r"\.(?P<choice>k_\d+\.dt_[\d_]+)(\.consensus)?\.txt(\.gz)?$"
)
_DSPIN = re.compile(
    r"^gene_programs_(?P<run>total_\d+_onmf_\d+_prior_\d+)(?P<part>_weights)?\.csv(\.gz)?$"
)
_CNMF_WEIGHTS = {"spectra": "spectra", "score": "gene_spectra_score", "tpm": "gene_spectra_tpm"}
_USAGES, _WITH_WEIGHTS = "usages", "_weights"
_FILES = {
    "cnmf": "<name>.spectra.k_<K>.dt_<threshold>.consensus.txt",
    "dspin": "gene_programs_total_<M>_onmf_<K>_prior_<P>_weights.csv",
}


class _Programs(NamedTuple):
    """What files say: weights (program, gene), and amounts (cell, program) where they are."""

    names: list[str]
    genes: list[str]
    weight: Floats
    cells: list[str] | None
    activity: Floats | None


class _Run(NamedTuple):
    """The files of one run, by what they hold."""

    format: str
    name: str
    files: Mapping[str, str]


@checked
def read_programs(
    path: Path,
    *,
    adata: anndata.AnnData | None = None,
    format: str | None = None,
    weights: str | None = None,
    join: str = "exact",
    key_added: str = "programs",
    copy: bool = False,
) -> anndata.AnnData | None:
    r"""Read gene programs that cNMF or D-SPIN found, as the slots of `mutua.tl.programs`.

    Parameters
    ----------
    path
        Folder with the results of one run, or any of its files where there are several; a path
        or fsspec URL.

        cNMF: ``<name>.spectra.k_<K>.dt_<threshold>.consensus.txt``, ``….gene_spectra_score.…``,
        ``….gene_spectra_tpm.…`` and ``….usages.…``, of which the last may be missing.

        D-SPIN: ``gene_programs_total_<M>_onmf_<K>_prior_<P>_weights.csv``. Its ``.npy`` files are
        pickled Python objects, which could run any code, and are never opened.
    adata
        Cells to write the programs into, by the names of genes and cells. Without it a new AnnData
        is made of the names in the files.
    format
        ``"cnmf"`` or ``"dspin"``; by default it is told from the names of the files.
    weights
        Of cNMF: ``"spectra"``, which are not negative and know the variable genes only;
        ``"score"``, z-scores, best for choosing the genes that mark a program; ``"tpm"``, in
        transcripts per million. By default those of the file that `path` names, or else
        ``"spectra"``.
    join
        ``"exact"``: every gene of the programs, and every cell of the usages, must be in `adata`.
        ``"inner"``: those that are not are left out.
    key_added
        Key of the result.
    copy
        Return a copy of `adata` with the result, and leave it as it is.

    Returns
    -------
    AnnData or None
        None, the copy, or without `adata` a new AnnData without values. Written are

        ``varm["programs"]``
            float64 (gene, program): weights, 0 of genes that the files do not name. D-SPIN leaves
            weights of 0.01 and less out.
        ``obsm["X_programs"]``
            float64 (cell, program): the usages of cNMF as they are, not divided by their sum. Of
            D-SPIN, which writes none, `mutua.tl.project_programs` with ``scale="own"`` computes
            activities; so it does for new cells.
        ``uns["programs"]``
            ``names``: ``P`` and the number that the program has in the files, from 1 in cNMF and
            from 0 in D-SPIN; ``format``; ``weights``; ``missing_genes``, those left out.

    Raises
    ------
    InvalidInput
        If there are no such files, or those of several runs; a file is damaged, or files disagree
        about the programs; values are missing; or names are not in `adata`. Nothing is written
        then.

    References
    ----------
    Kotliar D. et al., Identifying gene expression programs of cell-type identity and cellular
    activity with single-cell RNA-Seq. eLife 8, e43803 (2019). Jiang J. et al., D-SPIN constructs
    regulatory network models from multiplexed scRNA-seq data. bioRxiv 2023.04.19.537364.

    Examples
    --------
    >>> import fsspec
    >>> import mutua as mt
    >>> name = "memory://screen/gene_programs_total_2_onmf_2_prior_0_weights.csv"
    >>> with fsspec.open(name, "w") as file:
    ...     _ = file.write("0,Weights_0,1,Weights_1\nCD3E,0.8,LYZ,1.0\nCD2,0.6,,\n")
    >>> programs = mt.read_programs("memory://screen")
    >>> mt.to_xarray(programs, "programs")["weight"].to_pandas()
    program   P0   P1
    feature
    CD3E     0.8  0.0
    CD2      0.6  0.0
    LYZ      0.0  1.0
    """
    if format is not None:
        one_of("format", format, list(_FILES))
    if weights is not None:
        one_of("weights", weights, list(_CNMF_WEIGHTS))
    one_of("join", join, ["exact", "inner"])
    run, part = _find(path_text(path), format)
    if run.format == "cnmf":
        own = next((name for name, held in _CNMF_WEIGHTS.items() if held == part), "spectra")
        chosen = weights or own
        found = _read_cnmf(run, chosen)
    else:
        if weights is not None:
            raise InvalidInput("weights", f"{weights!r}, and D-SPIN has one only", "leave it out")
        chosen = "components"
        found = _read_dspin(run)
    if adata is None:
        made = anndata.AnnData(
            obs=pd.DataFrame(index=found.cells or []), var=pd.DataFrame(index=found.genes)
        )
    else:
        made = adata.copy() if copy else adata
    values, missing = _fitted(found, made, join)
    settings = {"format": run.format, "weights": chosen,
                "missing_genes": np.array(missing, dtype=object)}  # fmt: skip
    slots.write(made, slots.PROGRAMS, key_added, values, names=found.names, settings=settings)
    return made if adata is None or copy else None


# --- files ---------------------------------------------------------------------------------------


def _find(path: str, format: str | None) -> tuple[_Run, str | None]:
    """Give the run that a folder holds or a file belongs to, and what that file holds."""
    try:
        system, place = fsspec.core.url_to_fs(path)
    except ValueError as error:  # a protocol that fsspec does not know
        raise InvalidInput("path", f"{path}: {error}", "use a path or fsspec URL") from error
    if not system.exists(place):
        raise InvalidInput("path", f"{path} does not exist", "check the path")
    is_folder = system.isdir(place)
    folder = place if is_folder else place.rpartition("/")[0]
    names = [entry.rstrip("/").rpartition("/")[2] for entry in system.ls(folder, detail=False)]
    runs, place_of = _runs(names, format)
    if not is_folder:
        name = place.rpartition("/")[2]
        if name not in place_of:
            raise _no_result(path, name, format)
        key, part = place_of[name]
        return _located(system, folder, key, runs[key]), part
    if not runs:
        raise _no_result(path, f"a folder with {listed(sorted(names))}", format)
    if len(runs) > 1:
        found = f"{path} holds {len(runs)} runs: {listed(sorted(name for _, name in runs))}"
        raise InvalidInput("path", found, "pass the path of a file of one of them")
    ((key, files),) = runs.items()
    return _located(system, folder, key, files), None


_Key = tuple[str, str]


def _runs(
    names: list[str], format: str | None
) -> tuple[dict[_Key, dict[str, str]], dict[str, tuple[_Key, str]]]:
    """Sort names of files by the run they belong to: format, name of the run, what they hold."""
    runs: dict[_Key, dict[str, str]] = {}
    place_of: dict[str, tuple[_Key, str]] = {}
    for name in sorted(names):
        for kind, pattern in (("cnmf", _CNMF), ("dspin", _DSPIN)):
            match = pattern.match(name)
            if match and format in (None, kind):
                run = ".".join(filter(None, (match["run"], match.groupdict().get("choice"))))
                part = match["part"] or ""
                runs.setdefault((kind, run), {})[part] = name
                place_of[name] = (kind, run), part
    return runs, place_of


def _located(
    system: fsspec.AbstractFileSystem, folder: str, key: _Key, files: dict[str, str]
) -> _Run:
    paths = {part: f"{folder}/{name}" for part, name in files.items()}
    if not isinstance(system, LocalFileSystem):
        paths = {part: system.unstrip_protocol(place) for part, place in paths.items()}
    return _Run(*key, paths)


def _no_result(path: str, what: str, format: str | None) -> InvalidInput:
    if path.endswith((".npy", ".npz", ".pkl")):
        found = f"{path} may hold pickled objects, which could run any code"
        return InvalidInput("path", found, "pass the text files of the run, or their folder")
    wanted = [file for kind, file in _FILES.items() if format in (None, kind)]
    return InvalidInput("path", f"{path} is {what}", f"pass {' or '.join(wanted)}, or its folder")


def _needed(run: _Run, part: str, wanted: str) -> str:
    if part not in run.files:
        names = [path.rpartition("/")[2] for path in run.files.values()]
        found = f"no {wanted} among the files of run {run.name}: {listed(names)}"
        raise InvalidInput("path", found, "add the file, or read another run")
    return run.files[part]


def _read_cnmf(run: _Run, weights: str) -> _Programs:
    part = _CNMF_WEIGHTS[weights]
    labels, genes, weight = _numbers(_needed(run, part, part))
    if _USAGES not in run.files:
        return _Programs(_named(labels), genes, weight, None, None)
    path = run.files[_USAGES]
    cells, columns, activity = _numbers(path)
    if sorted(columns) != sorted(labels):
        found = f"{path} has programs {listed(columns)}, those of the {part} are {listed(labels)}"
        raise InvalidInput("path", found, "use the files of one run")
    order = [columns.index(label) for label in labels]
    return _Programs(_named(labels), genes, weight, cells, activity[:, order])


def _numbers(path: str) -> tuple[list[str], list[str], Floats]:
    """Read a table of names and numbers: rows, columns, values."""
    raw = read_table_text(TextSource(path, "path"), "\t")
    values = np.asarray(raw.values, np.float64)
    _refuse_doubles(path, "rows", raw.rows)
    _refuse_doubles(path, "columns", raw.columns)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        found = f"{path} has no number at {raw.rows[row]!r}, {raw.columns[column]!r}"
        raise InvalidInput("path", found, "complete it")
    return raw.rows, raw.columns, values


def _read_dspin(run: _Run) -> _Programs:
    """Read programs whose genes and weights stand in columns by turns."""
    path = _needed(run, _WITH_WEIGHTS, "file ending with _weights.csv")
    with open_to_read(path, "a table") as file:
        header, *rows = list(csv.reader(io.TextIOWrapper(file, encoding="utf-8"))) or [[]]
    labels = header[::2]
    if not header or header[1::2] != [f"Weights_{label}" for label in labels]:
        found = f"{path} begins with {listed(header)}"
        remedy = "pass a file whose columns are a program and its Weights_ by turns"
        raise InvalidInput("path", found, remedy)
    if any(len(row) != len(header) for row in rows):
        raise InvalidInput("path", f"{path} has lines of other lengths", "write it again")
    place: dict[str, int] = {}
    entries: list[tuple[int, int, float]] = []
    for number, label in enumerate(labels):
        genes = [row[2 * number] for row in rows if row[2 * number]]
        _refuse_doubles(path, f"genes of program {label}", genes)
        for gene, text in ((row[2 * number], row[2 * number + 1]) for row in rows):
            if gene:
                column = place.setdefault(gene, len(place))
                entries.append((number, column, _weight(path, gene, text)))
    weight = np.zeros((len(labels), len(place)))
    for row, column, value in entries:
        weight[row, column] = value
    return _Programs(_named(labels), list(place), weight, None, None)


def _weight(path: str, gene: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InvalidInput("path", f"{path}: weight {text!r} of gene {gene!r}", "use a number")
    return value


def _refuse_doubles(path: str, what: str, names: list[str]) -> None:
    if len(set(names)) < len(names):
        counts = pd.Series(names).value_counts()
        found = f"{path} has {what} of one name: {listed(sorted(counts.index[counts > 1]))}"
        raise InvalidInput("path", found, "rename them")


def _named(labels: list[str]) -> list[str]:
    return [f"P{label}" if label.isdigit() else label for label in labels]


# --- cells ---------------------------------------------------------------------------------------


def _fitted(
    found: _Programs, adata: anndata.AnnData, join: str
) -> tuple[dict[str, Floats], list[str]]:
    """Give the values in the order of the genes and cells of an AnnData, and the missing genes."""
    for axis, names in (("var_names", adata.var_names), ("obs_names", adata.obs_names)):
        if not names.is_unique:
            twice = listed(names[names.duplicated()].unique())
            raise InvalidInput("adata", f"{axis} has names that stand twice: {twice}",
                               f"use adata.{axis}_make_unique()")  # fmt: skip
    gene = adata.var_names.get_indexer(pd.Index(found.genes))
    missing = [name for name, place in zip(found.genes, gene, strict=True) if place < 0]
    _refuse_missing(missing, found.genes, "genes", adata.var_names, join)
    weight = np.zeros((adata.n_vars, len(found.names)))
    weight[gene[gene >= 0]] = found.weight.T[gene >= 0]
    values = {slots.WEIGHT: weight}
    if found.activity is not None and found.cells is not None:
        cells = pd.Index(found.cells)
        more = cells.difference(adata.obs_names, sort=False).tolist()
        _refuse_missing(more, found.cells, "cells", adata.obs_names, join)
        row = cells.get_indexer(adata.obs_names)
        if (row < 0).any():
            lost = adata.obs_names[row < 0]
            text = f"{len(lost):,} of its {adata.n_obs:,} cells have no usages: {listed(lost)}"
            raise InvalidInput("adata", text, "select the cells that the programs were found in")
        values[slots.ACTIVITY] = found.activity[row]
    return values, missing


def _refuse_missing(
    missing: list[str], names: list[str], what: str, there: pd.Index, join: str
) -> None:
    if len(missing) == len(names):
        text = f"has none of the {what} of the programs, which are {listed(names[:3])}; "
        raise InvalidInput("adata", f"{text}it has {listed(there[:3])}", "use the same names")
    if missing and join == "exact":
        text = f"lacks {len(missing):,} of {len(names):,} {what}: {listed(missing)}"
        raise InvalidInput("adata", text, "add them, or leave them out with join='inner'")
