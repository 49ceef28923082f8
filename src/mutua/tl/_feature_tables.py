"""Tables of samples and columns, from an AnnData, a DataArray or a data frame, joined by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import anndata
import numpy as np
import pandas as pd
import xarray as xr
from anndata import abc
from scipy import sparse

from mutua._cluster import compute, current_client, in_order
from mutua.blocks import is_chunked
from mutua.errors import InvalidInput
from mutua.models import slots
from mutua.models.dims import SAMPLE
from mutua.settings import settings

__all__ = [
    "AnyTable",
    "ChunkedTable",
    "ColumnFacts",
    "FeatureTable",
    "Samples",
    "join_samples",
    "listed",
    "of_frame",
    "read_covariates",
    "read_table",
]

Samples: TypeAlias = anndata.AnnData | xr.DataArray | pd.DataFrame

_SHOWN = 5
_COPIES = 6
"""Arrays as large as a block that are there at once where it is worked on."""
_PER_THREAD = 4
_LEAST = 64
"""Blocks for every thread of a cluster, and columns that a block then has at least."""
_SHARED = 0.1
"""Share of the samples from which a lowest value below 0 stands for zeros."""


class ColumnFacts(NamedTuple):
    """What there is to know of the columns of a table before anything is estimated.

    Attributes
    ----------
    infinite, missing
        (n_columns,) bool: columns with such values.
    incomplete
        (n_samples,) bool: samples with missing values.
    useless
        (n_columns,) bool: constant columns, or classes of one sample each.
    several
        (n_columns,) bool: more than two classes.
    zero_fraction
        (n_columns,) float64: share of zeros, also of those that a logarithm moved; of text 0.
    """

    infinite: np.ndarray
    missing: np.ndarray
    incomplete: np.ndarray
    useless: np.ndarray
    several: np.ndarray
    zero_fraction: np.ndarray


class FeatureTable(NamedTuple):
    """Columns of numbers over named samples.

    Attributes
    ----------
    values
        (n_samples, n_columns) float64, NaN where missing; classes by their number.
    samples
        Names of the samples.
    names
        Names of the columns.
    classes
        (n_columns,) bool, which columns hold classes and not numbers.
    text
        (n_columns,) bool, which of those were never numbers, so that none of them is 0.
    """

    values: np.ndarray
    samples: pd.Index
    names: list[str]
    classes: np.ndarray
    text: np.ndarray

    def rows(self, samples: pd.Index) -> FeatureTable:
        """Give the rows of these samples, in their order."""
        if samples.equals(self.samples):
            return self
        return self._replace(values=self.values[self.samples.get_indexer(samples)], samples=samples)

    def codes(self, column: int) -> np.ndarray:
        """Give the classes of a column as whole numbers from 0, without gaps."""
        return np.unique(self.values[:, column], return_inverse=True)[1].astype(np.int64)

    @property
    def facts(self) -> ColumnFacts:
        """Tell what there is to know of the columns before anything is estimated."""
        missing = np.isnan(self.values)
        with np.errstate(invalid="ignore"):  # infinite values, which are refused
            constant = np.asarray(np.ptp(self.values, axis=0) == 0)
        useless, several = constant.copy(), np.zeros(len(self.names), bool)
        for column in np.flatnonzero(self.classes & ~constant & ~missing.any(axis=0)):
            sizes = np.bincount(self.codes(int(column)))
            useless[column] = sizes.max() == 1
            several[column] = len(sizes) > 2
        return ColumnFacts(
            np.isinf(self.values).any(axis=0),
            missing.any(axis=0),
            missing.any(axis=1),
            useless,
            several,
            _zero_fraction(self),
        )


@dataclass(frozen=True)
class ChunkedTable:
    """Columns of numbers that are read block by block: a `FeatureTable` that need not fit.

    Attributes
    ----------
    held
        (n_rows, n_columns): a dask array or a sparse matrix.
    samples, names, classes
        As those of a `FeatureTable`.
    order
        Row of `held` of every sample; None for all of them as they are.
    """

    held: Any
    samples: pd.Index
    names: list[str]
    classes: np.ndarray
    order: np.ndarray | None = None

    def _replace(self, **changed: Any) -> ChunkedTable:
        return replace(self, **changed)

    def rows(self, samples: pd.Index) -> ChunkedTable:
        """Give the rows of these samples, in their order."""
        if samples.equals(self.samples):
            return self
        places = self.samples.get_indexer(samples)
        order = places if self.order is None else self.order[places]
        return replace(self, samples=samples, order=order)

    @cached_property
    def ranges(self) -> list[tuple[int, int]]:
        """First column of every block and of the next: a few chunks, or a part of one.

        Looked up once, for the workers of a cluster may change.
        """
        n_columns = len(self.names)
        most = max(1, settings.memory // (_COPIES * 8 * max(1, self.held.shape[0])))
        client = current_client() if is_chunked(self.held) else None
        if client is not None:
            n_blocks = _PER_THREAD * max(1, sum(client.nthreads().values()))
            most = min(most, max(_LEAST, -(-n_columns // n_blocks)))
        widths = self.held.chunks[1] if is_chunked(self.held) else (n_columns,)
        bounds, before = [0], 0
        for end in np.cumsum(widths).tolist():
            if end - bounds[-1] > most and before > bounds[-1]:
                bounds.append(before)
            while end - bounds[-1] > most:
                bounds.append(bounds[-1] + most)
            before = end
        return list(pairwise([*bounds, n_columns] if bounds[-1] < n_columns else bounds))

    def blocks(
        self, function: Callable[..., Any], *shared: Any, each: Iterable[tuple[Any, ...]] = ()
    ) -> Iterator[Any]:
        """Apply ``function(block, *own, *shared)`` to every block, in order.

        On a cluster if one is open, but for values that are in memory here. `each` gives what is
        the block's own; without it that is nothing.
        """
        ranges = self.ranges
        own = list(each) or [()] * len(ranges)
        tasks = (
            (self.held[:, first:last], first, last, one)
            for (first, last), one in zip(ranges, own, strict=True)
        )
        bare = replace(self, held=None)
        if not is_chunked(self.held):
            return (_on_block(*task, function, bare, shared) for task in tasks)
        return in_order(
            _on_block,
            tasks,
            shared=(function, bare, shared),
            n_tasks=len(ranges),
            what="features",
        )

    def block(self, values: Any, first: int, last: int) -> FeatureTable:
        """Give some columns, of which these are the values, as a table in memory."""
        values = values.toarray() if sparse.issparse(values) else np.asarray(values)
        values = values if self.order is None else values[self.order]
        text = np.zeros(last - first, bool)
        names, classes = self.names[first:last], self.classes[first:last]
        return FeatureTable(np.asarray(values, np.float64), self.samples, names, classes, text)

    def in_memory(self) -> FeatureTable:
        """Give the whole table."""
        held = compute(self.held) if is_chunked(self.held) else self.held
        return self.block(held, 0, len(self.names))

    @cached_property
    def facts(self) -> ColumnFacts:
        """Tell what there is to know of the columns before anything is estimated."""
        found = list(self.blocks(_facts))
        merged = (np.concatenate(parts) for parts in zip(*found, strict=True))
        incomplete = np.any([part.incomplete for part in found], axis=0)
        return ColumnFacts(*merged)._replace(incomplete=incomplete)


AnyTable: TypeAlias = FeatureTable | ChunkedTable


def _on_block(
    values: Any,
    first: int,
    last: int,
    own: tuple[Any, ...],
    function: Callable[..., Any],
    table: ChunkedTable,
    shared: tuple[Any, ...],
) -> Any:
    return function(table.block(values, first, last), *own, *shared)


def _facts(block: FeatureTable) -> ColumnFacts:
    return block.facts


def _zero_fraction(table: FeatureTable) -> np.ndarray:
    share = np.where(table.text, 0.0, (table.values == 0).mean(axis=0))
    lowest = table.values.min(axis=0)
    at_lowest = (table.values == lowest).mean(axis=0)
    for column in np.flatnonzero((share == 0) & (lowest < 0) & (at_lowest >= _SHARED)):
        counts = np.unique(table.values[:, column], return_counts=True)[1]
        if len(counts) > 1 and counts[0] == counts.max() > 1:
            share[column] = at_lowest[column]
    return share


def read_table(
    argument: str,
    table: Samples,
    *,
    layer: str | None,
    obsm: str | None,
    obs: str | Sequence[str] | None,
) -> AnyTable:
    """Give the columns that a caller named: X, a layer, an entry of ``obsm``, columns of ``obs``.

    Chunked and sparse ones that do not fit into one block are left where they are.

    Raises
    ------
    InvalidInput
        Where they are not there, or names of samples or columns repeat.
    """
    given = {"layer": layer, "obsm": obsm, "obs": obs}
    named = [f"{argument}_{name}" for name, value in given.items() if value is not None]
    if isinstance(table, anndata.AnnData):
        if len(named) > 1:
            raise InvalidInput(named[1], f"beside `{named[0]}`", "name one place")
        read: AnyTable = _of_anndata(argument, table, layer, obsm, obs)
    elif named:
        raise InvalidInput(
            named[0], f"of a {type(table).__name__}", "leave it out, or pass an AnnData"
        )
    elif isinstance(table, pd.DataFrame):
        read = of_frame(table)
    elif isinstance(table, xr.DataArray):
        read = _of_array(argument, table)
    else:
        found = f"a {type(table).__name__}"
        raise InvalidInput(argument, found, "pass an AnnData, a DataArray or a data frame")
    for what, names in (("samples", read.samples), ("columns", pd.Index(read.names))):
        if not names.is_unique:
            found = f"{what} of one name: {listed(names[names.duplicated()].unique())}"
            raise InvalidInput(argument, found, f"give the {what} names of their own")
    if not read.names:
        raise InvalidInput(argument, "no columns", "pass a table with at least one")
    if isinstance(read, ChunkedTable) and len(read.ranges) < 2:
        return read.in_memory()
    return read


def _of_anndata(
    argument: str,
    adata: anndata.AnnData,
    layer: str | None,
    obsm: str | None,
    obs: str | Sequence[str] | None,
) -> AnyTable:
    samples = adata.obs_names.astype(str)
    if obs is not None:
        wanted = [obs] if isinstance(obs, str) else list(obs)
        for name in wanted:
            if name not in adata.obs:
                known = f"use one of {listed(adata.obs.columns)}"
                known = known if len(adata.obs.columns) else "obs is empty: put metadata into it"
                raise InvalidInput(f"{argument}_obs", f"no column {name!r} in obs", known)
        return of_frame(_obs(adata, wanted))
    if obsm is not None:
        values, names = slots.columns(adata, obsm, argument=f"{argument}_obsm")
        return _of_numbers(values, samples, names)
    if layer is not None and layer not in adata.layers:
        known = f"use one of {listed(adata.layers)}" if len(adata.layers) else "leave it out"
        raise InvalidInput(f"{argument}_layer", f"no layer {layer!r}", known)
    held: Any = adata.X if layer is None else adata.layers[layer]
    if held is None:
        raise InvalidInput(argument, "no X", f"name one of `{argument}_layer`, `_obsm`, `_obs`")
    names = [str(name) for name in adata.var_names]
    if isinstance(held, abc.CSRDataset | abc.CSCDataset):  # of an AnnData that a file backs
        held = held.to_memory()
    if is_chunked(held) or sparse.issparse(held):
        return _of_parts(held, samples, names)
    return _of_numbers(np.asarray(held), samples, names)


def _of_array(argument: str, table: xr.DataArray) -> AnyTable:
    if table.ndim != 2 or SAMPLE not in table.dims or not set(table.dims) <= set(table.indexes):
        found = f"a DataArray of dims {tuple(map(str, table.dims))}"
        raise InvalidInput(argument, found, f"use dims {SAMPLE!r} and one other, both named")
    if table.dtype.kind not in "biuf":
        remedy = "use numbers, or a data frame for columns of text"
        raise InvalidInput(argument, f"values of type {table.dtype}", remedy)
    table = table.transpose(SAMPLE, ...)
    samples, names = (table.indexes[dim].astype(str) for dim in table.dims)
    if is_chunked(table.data):
        return _of_parts(table.data, samples, list(names))
    return _of_numbers(np.asarray(table.values), samples, list(names))


def _of_numbers(values: np.ndarray, samples: pd.Index, names: list[str]) -> FeatureTable:
    classes = np.full(len(names), values.dtype.kind == "b")
    return FeatureTable(
        np.asarray(values, np.float64), samples, names, classes, np.zeros(len(names), bool)
    )


def _of_parts(held: Any, samples: pd.Index, names: list[str]) -> ChunkedTable:
    return ChunkedTable(held, samples, names, np.full(len(names), held.dtype.kind == "b"))


def of_frame(frame: pd.DataFrame) -> FeatureTable:
    """Give the columns of a data frame; those that hold no numbers are classes."""
    columns, classes, text = [], [], []
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if pd.api.types.is_datetime64_any_dtype(column):
            raise InvalidInput(str(column.name), "dates", "turn them into numbers, such as days")
        classes.append(pd.api.types.is_bool_dtype(column))
        text.append(not pd.api.types.is_numeric_dtype(column))
        if text[-1]:
            named = column.astype(object).map(str, na_action="ignore")
            codes = pd.factorize(named, sort=True)[0]
            columns.append(np.where(codes < 0, np.nan, codes.astype(np.float64)))
        else:
            columns.append(column.to_numpy(np.float64, na_value=np.nan))
    values = np.column_stack(columns) if columns else np.empty((len(frame), 0))
    names = [str(name) for name in frame.columns]
    of_text = np.array(text, bool)
    of_class = np.array(classes, bool) | of_text
    return FeatureTable(values, frame.index.astype(str), names, of_class, of_text)


def read_covariates(
    argument: str,
    wanted: str | Sequence[str] | pd.DataFrame | pd.Series | None,
    tables: Sequence[Samples],
    samples: pd.Index,
) -> FeatureTable:
    """Give columns by their names in ``obs`` of the first table that has them, or of a frame.

    Raises
    ------
    InvalidInput
        Where there is no such column, or a sample is not in the frame.
    """
    if wanted is None:
        return of_frame(pd.DataFrame(index=samples))
    if isinstance(wanted, pd.Series):
        wanted = wanted.to_frame(argument if wanted.name is None else wanted.name)
    if isinstance(wanted, pd.DataFrame):
        _check_covers(argument, wanted.index.astype(str), samples)
        return of_frame(wanted).rows(samples)
    holders = [table for table in tables if isinstance(table, anndata.AnnData)]
    parts = [of_frame(pd.DataFrame(index=samples))]
    for name in [wanted] if isinstance(wanted, str) else list(wanted):
        holder = next((one for one in holders if name in list(one.obs.columns)), None)
        if holder is None:
            known = listed(dict.fromkeys(str(c) for one in holders for c in one.obs.columns))
            remedy = f"use one of {known}" if known else "pass a data frame"
            raise InvalidInput(argument, f"no column {name!r} in obs of x or y", remedy)
        parts.append(of_frame(_obs(holder, [name])).rows(samples))
    return FeatureTable(
        np.column_stack([part.values for part in parts]),
        samples,
        [name for part in parts for name in part.names],
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.text for part in parts]),
    )


def _obs(adata: anndata.AnnData, names: list[str]) -> pd.DataFrame:
    """Give columns of ``obs``, which are still in their file if it was opened lazily."""
    table = adata.obs[names]
    return table if isinstance(table, pd.DataFrame) else table.to_memory()


def _check_covers(argument: str, held: pd.Index, samples: pd.Index) -> None:
    if not held.is_unique:
        found = f"samples of one name: {listed(held[held.duplicated()].unique())}"
        raise InvalidInput(argument, found, "give the samples names of their own")
    missing = samples.difference(held, sort=False)
    if len(missing):
        raise InvalidInput(argument, f"no row for {listed(missing)}", "give one for every sample")


def join_samples(x: AnyTable, y: FeatureTable, join: str) -> tuple[AnyTable, FeatureTable]:
    """Give both tables with the samples of both, in the order of x.

    Raises
    ------
    InvalidInput
        Where a sample is in one only, unless `join` is ``"inner"``; where none is in both.
    """
    only_x = x.samples.difference(y.samples, sort=False)
    only_y = y.samples.difference(x.samples, sort=False)
    if len(only_x) == len(x.samples):
        found = f"no sample of x, such as {listed(only_x)}; y has {listed(only_y)}"
        raise InvalidInput("y", found, "name the samples alike in both")
    if join == "exact" and (len(only_x) or len(only_y)):
        odd = [f"without {listed(only_x)} of x"] if len(only_x) else []
        odd += [f"with {listed(only_y)} that x has not"] if len(only_y) else []
        raise InvalidInput("y", ", ".join(odd), "use join='inner' for the samples of both")
    both = x.samples[x.samples.isin(y.samples)]
    return x.rows(both), y.rows(both)


def listed(names: Iterable[Any]) -> str:
    """Write out the first of some names and how many more there are."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(repr(text) for text in texts[:_SHOWN]) + more
