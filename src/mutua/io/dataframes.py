"""Elements as data frames of pandas: one row for every combination of the dims."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels import letters
from mutua.models import KINDS, Dataset, Element, SequenceSet, checked
from mutua.models.alphabets import unknown_symbol
from mutua.models.digests import plain
from mutua.models.dims import CODES, LARGE_DIMS, PREDICTION, RECORD, SEQUENCE, TARGET
from mutua.models.provenance import read_record
from mutua.settings import settings

__all__ = ["TEXT", "iter_dataframes", "pair_of", "pointers_of", "row_dims", "to_dataframe"]

TEXT = SEQUENCE
"""Name of the column that holds sequences as text."""
_MOST_BYTES = 1 << 31
_STRING_BYTES = 64
_PADDING_SYMBOLS = "-.~*?_"


class _Column(NamedTuple):
    """A column of the frame and what it shows of the element."""

    name: str
    of: str
    variable: xr.Variable
    is_coordinate: bool
    label: Any = None
    """Which entry of the dim that the column shows one of (a target of a model)."""
    by: str = ""
    """The variable that says for each row which entry to show (`motif_index`)."""


class _Layout(NamedTuple):
    """What the rows and columns of an element's frame are."""

    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    columns: list[_Column]
    pointers: dict[str, xr.Variable]
    upper: tuple[str, str] | None
    attrs: dict[Any, Any]
    row_bytes: int

    @property
    def n_rows(self) -> int:
        return int(np.prod(self.sizes, dtype=np.int64))


@checked
def to_dataframe(
    element: Dataset[Element], *, dims: Sequence[str] | None = None, upper: bool = False
) -> pd.DataFrame:
    """Give an element as a data frame with one row for every combination of its dims.

    Variables and coordinates along these dims are the columns; where rows point to sequences or
    motifs (``motif_index``), so are the names of these. A sequence set has a row a
    sequence: its letters as text in column ``sequence`` (``-`` where it is padded) and a column
    ``prediction_<target>`` for every output of a model.

    Parameters
    ----------
    element
        An element of any kind; a lazy one is computed.
    dims
        What a row is, e.g. ``("sequence", "position")``; only what lies along these dims is given.
        By default the dims of the variables. Needed where they are not of one piece.
    upper
        Of a symmetric map of pairs give each pair once, with ``position_i <= position_j``.

    Returns
    -------
    pandas.DataFrame
        Units, attributes and order are in ``frame.attrs["mutua"]``, so that `from_dataframe` gives
        the element again, also after sorting and filtering. Small dims are columns of their own;
        a large one among others is numbered, as ``sequence_index``.

    Raises
    ------
    InvalidInput
        If variables lie along different dims and `dims` is not given, there is no such dim, or
        `upper` is asked for what is not symmetric.
    MemoryLimit
        If the frame would take more than 2 GiB: see `mutua.io.interop.iter_dataframes`.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["ACGT", "ACCT", "GGGT"], sequence_id=["a", "b", "c"])
    >>> mt.to_dataframe(seqs)
      sequence_id sequence
    0           a     ACGT
    1           b     ACCT
    2           c     GGGT
    >>> mi = mt.tl.position_mi(seqs, k=1, pseudocount=0)
    >>> mt.to_dataframe(mi, upper=True).dropna().nlargest(2, "mi").round(3)
       position_i  position_j     mi
    1           0           1  0.918
    2           0           2  0.252
    """
    layout = _layout(element, dims, upper)
    needed = layout.n_rows * layout.row_bytes
    if needed > _MOST_BYTES:
        raise MemoryLimit(
            "element",
            f"a frame of {layout.n_rows:,} rows and {len(layout.columns)} columns takes about "
            f"{needed / 2**30:.1f} GiB",
            "take a part of it with .isel(...), or go through it block by block with "
            "mutua.io.interop.iter_dataframes",
        )
    return _frame(layout, 0, layout.sizes[0])


@checked
def iter_dataframes(
    element: Dataset[Element], *, dims: Sequence[str] | None = None, upper: bool = False
) -> Iterator[pd.DataFrame]:
    """Give the rows of `to_dataframe` block by block, within ``settings.memory``.

    Parameters
    ----------
    element, dims, upper
        As for `to_dataframe`; a lazy element is computed block by block.

    Yields
    ------
    pandas.DataFrame
        The next rows; the index goes on.

    Raises
    ------
    InvalidInput
        As for `to_dataframe`.

    Examples
    --------
    >>> import mutua as mt
    >>> from mutua.io.interop import iter_dataframes
    >>> seqs = mt.pp.random_sequences(1000, length=20, seed=0)
    >>> sum(len(frame) for frame in iter_dataframes(seqs))
    1000
    """
    layout = _layout(element, dims, upper)
    return _blocks(layout)


def _blocks(layout: _Layout) -> Iterator[pd.DataFrame]:
    slab = int(np.prod(layout.sizes[1:], dtype=np.int64)) * layout.row_bytes
    step, done = max(1, settings.memory // 4 // max(1, slab)), 0
    for start in range(0, max(1, layout.sizes[0]), step):
        frame = _frame(layout, start, min(start + step, layout.sizes[0]))
        frame.index += done
        done += len(frame)
        yield frame


def _layout(element: xr.Dataset, dims: Sequence[str] | None, upper: Any) -> _Layout:
    """Choose rows and columns, or say what keeps an element from being a frame."""
    record = read_record(element)
    kind = KINDS[record["kind"]] if record else Element
    rows = _row_dims(element, kind, dims)
    columns = [
        _Column(str(name), str(name), part, name in element.coords)
        for name, part in [*element.coords.variables.items(), *element.data_vars.variables.items()]
        if set(part.dims) <= set(rows) and part.dims != (name,)
    ]
    attrs: dict[str, Any] = {"kind": kind.__name__, "dims": list(rows)}
    pointers = pointers_of(dims_of(element), rows)
    for pointer, dim in pointers.items():
        columns += _pointed_columns(element, pointer, dim)
    if issubclass(kind, SequenceSet) and rows == (SEQUENCE,):
        attrs["padding"] = _padding_symbol(str(element.attrs["alphabet"]))
        columns += _sequence_columns(element)
    labels = [_label_column(element, dim) for dim in rows if len(rows) > 1 or dim not in LARGE_DIMS]
    columns = [*labels, *columns]
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise InvalidInput("element", f"two columns would be called {repeated!r}", "rename one")
    if not isinstance(upper, bool):
        raise InvalidInput("upper", f"{upper!r}", "use True or False")
    return _Layout(
        dims=rows,
        sizes=tuple(element.sizes[dim] for dim in rows),
        columns=columns,
        pointers={name: element.variables[name] for name in pointers},
        upper=_symmetric_pair(element, rows, columns) if upper else None,
        attrs={RECORD: attrs | _described(element, columns, upper)},
        row_bytes=sum(_bytes_of(column, rows) for column in columns),
    )


def _row_dims(
    element: xr.Dataset, kind: type[Element], dims: Sequence[str] | None
) -> tuple[str, ...]:
    if dims is None and issubclass(kind, SequenceSet):
        return (SEQUENCE,)
    if dims is None:
        return row_dims(dims_of(element.drop_vars(element.coords)), kind.__name__, "element")
    listed = isinstance(dims, list | tuple) and all(isinstance(dim, str) for dim in dims)
    if not listed or len(set(dims)) < len(dims) or not dims:
        raise InvalidInput("dims", f"{dims!r}", "use a list of different dims")
    unknown = [dim for dim in dims if dim not in element.sizes]
    if unknown:
        raise InvalidInput(
            "dims", f"no dim {unknown[0]!r}", f"use some of {list(map(str, element.sizes))}"
        )
    return tuple(dims)


def dims_of(element: xr.Dataset) -> dict[str, tuple[str, ...]]:
    """Give the dims of every variable and coordinate by its name."""
    return {str(n): tuple(map(str, part.dims)) for n, part in element.variables.items()}


def row_dims(variables: Mapping[str, tuple[str, ...]], kind: str, argument: str) -> tuple[str, ...]:
    """Give the dims that all variables lie along, or refuse to choose among several.

    Parameters
    ----------
    variables
        Dims of every variable by its name.
    kind, argument
        Name of the kind and of the argument, for the error.

    Raises
    ------
    InvalidInput
        If there is no variable with dims, or none has the dims of all others.
    """
    widest = max(variables.values(), key=len, default=())
    if not widest:
        raise InvalidInput(argument, f"a {kind} without variables along a dim", "add one")
    reached = {*widest, *pointers_of(variables, widest).values()}
    if all(set(dims) <= reached for dims in variables.values()):
        return widest
    by_dims: dict[tuple[str, ...], list[str]] = {}
    for name, dims in variables.items():
        by_dims.setdefault(dims, []).append(name)
    found = "; ".join(f"{', '.join(names)} along {dims}" for dims, names in by_dims.items())
    raise InvalidInput("dims", f"a {kind} has {found}", f"choose, e.g. dims={widest!r}")


def pointers_of(variables: Mapping[str, tuple[str, ...]], rows: Sequence[str]) -> dict[str, str]:
    """Give the variables that say for each row which entry of another dim it is about, and the dim.

    `motif_index` points to dim ``motif``, and so does `motif_a_index`.
    """
    others = {dim for dims in variables.values() for dim in dims} - set(rows)
    found = {}
    for name, dims in variables.items():
        base = name.removesuffix("_index")
        to = [dim for dim in others if base == dim or base.startswith(f"{dim}_")]
        if base != name and dims == tuple(rows) and to:
            found[name] = max(to, key=len)
    return found


def _padding_symbol(alphabet: str) -> str:
    """Give the symbol of padding in the text of a frame, which no letter has."""
    taken = alphabet + unknown_symbol(alphabet)
    return next(symbol for symbol in _PADDING_SYMBOLS if symbol not in taken)


def pair_of(dims: Sequence[str]) -> tuple[str, str] | None:
    """Give the two dims of a map of pairs, such as ``position_i`` and ``position_j``."""
    for dim in dims:
        other = f"{dim.removesuffix('_i')}_j"
        if dim.endswith("_i") and other in dims:
            return dim, other
    return None


def _sequence_columns(element: xr.Dataset) -> list[_Column]:
    """Give the columns that hold more of a sequence than one value."""
    columns = [_Column(TEXT, CODES, element.variables[CODES], False)]
    if PREDICTION in element:
        predicted = element.variables[PREDICTION]
        n = element.sizes[TARGET]
        targets = element[TARGET].values.tolist() if TARGET in element.coords else range(n)
        columns += [
            _Column(f"{PREDICTION}_{target}", PREDICTION, predicted.isel({TARGET: i}), False, i)
            for i, target in enumerate(targets)
        ]
    return columns


def _pointed_columns(element: xr.Dataset, pointer: str, dim: str) -> list[_Column]:
    """Give the columns of the entries that the rows are about."""
    base = pointer.removesuffix("_index")
    columns = []
    for name, part in element.variables.items():
        if part.dims == (dim,):
            shown = str(name) if base == dim else base if name == dim else f"{base}_{name}"
            is_coordinate = name in element.coords
            columns.append(_Column(shown, str(name), part, is_coordinate, by=pointer))
    return columns


def _label_column(element: xr.Dataset, dim: str) -> _Column:
    """Give the column that says where along a dim a row is."""
    if dim in LARGE_DIMS:
        numbers = xr.Variable((dim,), np.arange(element.sizes[dim]))
        return _Column(f"{dim}_index", dim, numbers, True)
    if dim in element.coords:
        return _Column(dim, dim, element.variables[dim], True)
    return _Column(dim, dim, xr.Variable((dim,), np.arange(element.sizes[dim])), False)


def _symmetric_pair(
    element: xr.Dataset, rows: tuple[str, ...], columns: list[_Column]
) -> tuple[str, str]:
    """Give the two dims of a symmetric map, or say why it is none."""
    pair = pair_of(rows)
    if pair is None:
        raise InvalidInput("upper", f"there is no map of pairs along {rows}", "use upper=False")
    first, second = (element[dim].values for dim in pair)
    if not np.array_equal(first, second):
        raise InvalidInput("upper", f"{pair[0]} and {pair[1]} differ", "use upper=False")
    for column in columns:
        if set(pair) <= set(column.variable.dims):
            values = column.variable.transpose(*pair, ...).values
            turned = np.swapaxes(values, 0, 1)
            if not np.array_equal(values, turned, equal_nan=values.dtype.kind in "fc"):
                raise InvalidInput("upper", f"{column.name!r} is not symmetric", "use upper=False")
    return pair


def _described(element: xr.Dataset, columns: list[_Column], upper: bool) -> dict[str, Any]:
    """Give, as JSON can hold it, what the values of the frame do not say."""
    labels = {
        str(dim): {"values": plain(element[dim].values), "attrs": plain(element[dim].attrs)}
        for dim in element.dims
        if dim in element.coords and dim not in LARGE_DIMS
    }
    return {
        "upper": upper,
        "attributes": {str(k): plain(v) for k, v in element.attrs.items() if k != RECORD},
        "labels": labels,
        "sizes": {str(dim): size for dim, size in element.sizes.items()},
        "columns": {
            column.name: {
                "of": column.of,
                "dims": [str(dim) for dim in column.variable.dims],
                "attrs": plain(column.variable.attrs),
                "coordinate": column.is_coordinate,
                "label": column.label,
                "by": column.by,
            }
            for column in columns
        },
    }


def _bytes_of(column: _Column, rows: tuple[str, ...]) -> int:
    """Give about how many bytes a value of the column takes in a frame."""
    if column.name == TEXT and column.of == CODES:
        return _STRING_BYTES + int(column.variable.shape[1])
    if column.variable.dtype.kind in "OTU":  # fewer strings than rows are shared by the rows
        return 8 if len(column.variable.dims) < len(rows) else _STRING_BYTES
    return int(column.variable.dtype.itemsize)


def _frame(layout: _Layout, start: int, stop: int) -> pd.DataFrame:
    """Give the rows of a part of the first dim."""
    part = {layout.dims[0]: slice(start, stop)}
    shape = (stop - start, *layout.sizes[1:])
    kept = None
    if layout.upper is not None:
        numbers = dict(zip(layout.dims, np.indices(shape, sparse=True), strict=True))
        numbers[layout.dims[0]] = numbers[layout.dims[0]] + start
        i, j = (numbers[dim] for dim in layout.upper)
        kept = np.broadcast_to(i <= j, shape)
    columns = {}
    for column in layout.columns:
        if column.by:
            rows = np.asarray(layout.pointers[column.by].isel(part).values)
            columns[column.name] = _pointed(np.asarray(column.variable.values), rows)
            continue
        variable = column.variable.isel(part, missing_dims="ignore")
        if column.name == TEXT and column.of == CODES:
            columns[TEXT] = _text(np.asarray(variable.values), layout.attrs[RECORD])
            continue
        dims = [dim for dim in layout.dims if dim in variable.dims]
        values = np.asarray(variable.transpose(*dims).values)
        if values.dtype.kind in "TU":
            values = values.astype(object)
        sizes = [n if dim in dims else 1 for dim, n in zip(layout.dims, shape, strict=True)]
        full = np.broadcast_to(values.reshape(sizes), shape)
        columns[column.name] = full.ravel() if kept is None else full[kept]
    frame = pd.DataFrame(columns)
    frame.attrs = copy.deepcopy(layout.attrs)
    return frame


def _pointed(values: npt.NDArray[Any], rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give the entry of every row; nothing where a row is about none (-1)."""
    values = values.astype(object) if values.dtype.kind in "TU" else values
    if not (rows < 0).any():
        return values[rows]
    if values.dtype.kind == "O":
        return np.append(values, "")[rows]
    return np.append(values.astype(np.float64), np.nan)[rows]


def _text(codes: npt.NDArray[np.uint8], record: dict[str, Any]) -> npt.NDArray[Any]:
    alphabet = record["attributes"]["alphabet"]
    symbol, padding = unknown_symbol(alphabet), record["padding"]
    rows = letters.decode(np.ascontiguousarray(codes), alphabet, unknown=symbol, padding=padding)
    return np.array([row.decode("ascii") for row in rows.tolist()], dtype=object)
