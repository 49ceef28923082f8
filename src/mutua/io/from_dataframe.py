"""Data frames of pandas as elements: the way back from `to_dataframe`."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from mutua.errors import InvalidInput
from mutua.io.dataframes import TEXT, pair_of, pointers_of, row_dims
from mutua.io.sequences import from_strings
from mutua.models import KINDS, Dataset, Element, SequenceSet, Table
from mutua.models.alphabets import PADDING, resolve_alphabet
from mutua.models.arguments import one_of
from mutua.models.build import assemble
from mutua.models.dims import CODES, LARGE_DIMS, POSITION, PREDICTION, RECORD, SEQUENCE, TARGET

__all__ = ["from_dataframe"]

_PREDICTED = f"{PREDICTION}_"
_AS_RECORDED = ("dims", "attributes", "columns", "labels")


class _Rows(NamedTuple):
    """Where the rows of a frame stand along the dims of the element."""

    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    places: tuple[npt.NDArray[np.intp], ...]
    labels: dict[str, Any]
    """Values of the small dims."""
    n_own: int
    """Rows of the frame itself; mirrored ones come after them."""


def from_dataframe(
    frame: pd.DataFrame, *, kind: str | type[Element] | None = None, **attributes: Any
) -> Dataset[Any]:
    """Make an element from a data frame with one row for every combination of its dims.

    Rows may come in any order. Of a symmetric map each pair may be there once.

    Parameters
    ----------
    frame
        Columns are called as the dims, variables and coordinates of the kind, as in
        `to_dataframe`. An index with names counts as columns.
    kind
        Name of the kind, e.g. ``"PositionMI"``, or its class. May be left out for a frame from
        `to_dataframe`, which also knows attributes, units and order.
    **attributes
        Attributes of the kind, e.g. ``alphabet="DNA"``.

    Returns
    -------
    Dataset of that kind
        Pairs that are missing are NaN. Of a sequence set `tracks` are not in a frame, and what
        rows point to (sequences, motifs) must have at least one row each.

    Raises
    ------
    InvalidInput
        If `frame` is no data frame, its kind is unknown, columns are missing or repeated, two rows
        have the same place, or values are missing that cannot be NaN.
    InvalidElement
        For everything else that is wrong, all faults at once.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(500, length=8, seed=0)
    >>> mi = mt.tl.position_mi(seqs, k=2)
    >>> frame = mt.to_dataframe(mi, upper=True).sort_values("mi")
    >>> mt.from_dataframe(frame).equals(mi)
    True
    """
    if not isinstance(frame, pd.DataFrame):
        raise InvalidInput("frame", f"a {type(frame).__name__}", "pass a pandas.DataFrame")
    record = _record(frame)
    chosen = _kind(kind, record)
    if "alphabet" in attributes:
        attributes["alphabet"] = resolve_alphabet(attributes["alphabet"])
    frame = _plain_frame(frame)
    if issubclass(chosen, Table):
        element = _table(frame, record)
    elif issubclass(chosen, SequenceSet) and TEXT in frame:
        element = _sequences(chosen, frame, record, attributes)
    else:
        element = _cube(chosen, frame, record)
    element.attrs = {**record["attributes"], **element.attrs}
    return assemble(
        chosen,
        element,
        attributes,
        arguments={"kind": chosen.__name__, **attributes},
        function="from_dataframe",
    )


def _record(frame: pd.DataFrame) -> dict[str, Any]:
    """Give what `to_dataframe` wrote down beside the values, empty where it did not."""
    found = frame.attrs.get(RECORD)
    if isinstance(found, Mapping) and all(key in found for key in _AS_RECORDED):
        return dict(found)
    return {"dims": None, "attributes": {}, "columns": {}, "labels": {}}


def _kind(kind: Any, record: Mapping[str, Any]) -> type[Element]:
    if kind is None and "kind" not in record:
        remedy = "name it, e.g. kind='Table', or use a frame from mutua.to_dataframe"
        raise InvalidInput("kind", "the frame does not say its kind", remedy)
    name = record["kind"] if kind is None else kind
    if isinstance(name, type) and issubclass(name, Element):
        return name
    return KINDS[one_of("kind", name, sorted(KINDS))]


def _plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Give a frame without index, whose columns have different names."""
    if any(name is not None for name in frame.index.names):
        try:
            frame = frame.reset_index()
        except ValueError as error:
            raise InvalidInput("frame", f"{error}", "rename the index or the column") from error
    names = [str(name) for name in frame.columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidInput("frame", f"repeated columns {repeated}", "give each its own name")
    return frame.set_axis(names, axis=1)


def _table(frame: pd.DataFrame, record: Mapping[str, Any]) -> xr.Dataset:
    """Give the columns as they are."""
    table = Table.build(frame.reset_index(drop=True))
    known = record["columns"]
    parts = {
        str(name): xr.Variable(
            part.dims, part.values, known[name]["attrs"] if name in known else {}
        )
        for name, part in table.variables.items()
    }
    return _dataset(parts, {name for name in parts if name in known and known[name]["coordinate"]})


def _dataset(parts: Mapping[str, xr.Variable], coordinates: Set[str]) -> xr.Dataset:
    """Put variables together without making any index."""
    coords = {name: part for name, part in parts.items() if name in coordinates}
    variables = {name: part for name, part in parts.items() if name not in coordinates}
    return xr.Dataset(variables, coords=xr.Coordinates(coords, indexes={}))


def _sequences(
    kind: type[Element],
    frame: pd.DataFrame,
    record: Mapping[str, Any],
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """Give text as letter codes, and what a model predicts as one variable."""
    alphabet = attributes.get("alphabet", record["attributes"].get("alphabet"))
    if alphabet is None:
        raise InvalidInput("alphabet", "the frame does not say it", "pass e.g. alphabet='DNA'")
    known, labels = record["columns"], record["labels"]
    predicted = [
        name
        for name in frame.columns
        if known.get(name, {}).get("of") == PREDICTION
        or (not known and name.startswith(_PREDICTED))
    ]
    others = frame.drop(columns=[TEXT, *predicted])
    element = _cube(kind, others, {**record, "dims": [SEQUENCE]})
    codes = _codes(frame[TEXT].tolist(), alphabet, record.get("padding"))
    parts = {CODES: xr.Variable((SEQUENCE, POSITION), codes)}
    coords: dict[str, xr.Variable] = {}
    if predicted:
        values = frame[predicted].to_numpy(np.float32)
        parts[PREDICTION] = xr.Variable((SEQUENCE, TARGET), values)
        if not known or TARGET in labels:
            names = [name.removeprefix(_PREDICTED) for name in predicted]
            coords[TARGET] = xr.Variable((TARGET,), np.array(names, np.dtypes.StringDType()))
    if POSITION in labels:
        values = np.array(labels[POSITION]["values"])
        coords[POSITION] = xr.Variable((POSITION,), values, labels[POSITION]["attrs"])
    added = _dataset({**parts, **coords}, coords.keys())
    return added.merge(element) if element.variables else added


def _codes(texts: list[Any], alphabet: str, padding: str | None) -> npt.NDArray[np.uint8]:
    """Give letter codes; `padding` is the symbol where a sequence is padded."""
    try:
        made = from_strings(texts, alphabet=alphabet)
    except InvalidInput as error:
        if error.argument not in ("pad", "strings"):
            raise
        remedy = error.remedy
        if error.argument == "pad":
            remedy = "use mutua.from_strings(frame['sequence'], pad='right')"
        raise InvalidInput("frame", f"column {TEXT!r}: {error.found}", remedy) from None
    codes = np.array(made[CODES].values)
    if padding is not None:
        text = np.frombuffer("".join(texts).encode("ascii"), np.uint8).reshape(codes.shape)
        codes[text == ord(padding)] = PADDING
    return codes


def _cube(kind: type[Element], frame: pd.DataFrame, record: Mapping[str, Any]) -> xr.Dataset:
    """Give every column as an array along its dims."""
    specs, known = kind.specs(), record["columns"]
    along = {name: tuple(column["dims"]) for name, column in known.items()}
    along = {name: spec.dims for name, spec in specs.items()} | along
    coordinates = {name for name, spec in specs.items() if spec.is_coordinate}
    coordinates = coordinates - known.keys() | {n for n, c in known.items() if c["coordinate"]}
    if record["dims"] is None:
        there = {n: along[n] for n in frame.columns if n in specs and not specs[n].is_coordinate}
        dims = row_dims(there, kind.__name__, "frame")
    else:
        dims = tuple(record["dims"])
    named = record["labels"].keys() if known else specs.keys()
    rows = _rows(frame, dims, record, named)
    if record.get("upper") or (not known and _half_pair(frame, dims)):
        frame, rows = _mirrored(frame, rows)
    _refuse_repeated(frame, rows)
    numbers = {f"{dim}_index" for dim in dims if dim in LARGE_DIMS and len(dims) > 1}
    pointers = pointers_of({n: along.get(n, dims) for n in frame.columns}, dims)
    parts: dict[str, xr.Variable] = {}
    told: dict[str, list[tuple[str, str]]] = {}
    for name in frame.columns.difference([*dims, *numbers], sort=False):
        by = _pointer(name, along.get(name, dims), pointers, known)
        if by is not None:
            told.setdefault(known[name]["of"] if name in known else name, []).append((name, by))
            continue
        attrs = dict(known[name]["attrs"]) if name in known else {}
        values = _spread(frame[name], along.get(name, dims), rows)
        parts[name] = xr.Variable(along.get(name, dims), values, attrs)
    for of, columns in told.items():
        dim = pointers[columns[0][1]]
        size = record.get("sizes", {}).get(dim)
        attrs = known[columns[0][0]]["attrs"] if columns[0][0] in known else {}
        parts[of] = xr.Variable((dim,), _pointed(frame, columns, dim, size, dims[0]), attrs)
        if columns[0][0] in known and known[columns[0][0]]["coordinate"]:
            coordinates.add(of)
    for dim, labels in rows.labels.items():
        recorded = record["labels"].get(dim)
        parts[dim] = xr.Variable((dim,), labels, recorded["attrs"] if recorded else {})
        coordinates.add(dim)
    return _dataset(parts, coordinates)


def _pointer(
    name: str, dims: tuple[str, ...], pointers: Mapping[str, str], known: Mapping[str, Any]
) -> str | None:
    """Give the column that says which entry of another dim this column tells of, if one does."""
    if name in known:
        return known[name].get("by") or None
    return next((by for by, dim in pointers.items() if dims == (dim,)), None)


def _pointed(
    frame: pd.DataFrame, columns: list[tuple[str, str]], dim: str, size: int | None, rows: str
) -> npt.NDArray[Any]:
    """Give what the rows tell of the entries of another dim, each of which must have a row."""
    values, places = [], []
    for name, by in columns:
        about = frame[by].to_numpy()
        if about.dtype.kind not in "iu":
            found = f"column {by!r} holds {about.dtype}"
            raise InvalidInput("frame", found, f"number the entries of {dim!r} from 0")
        values.append(_values(frame[name][about >= 0]))
        places.append(about[about >= 0].astype(np.intp))
    where = np.concatenate(places)
    n = max(size or 0, int(where.max(initial=-1)) + 1)
    n_missing = n - len(np.unique(where))
    if n_missing:
        raise InvalidInput(
            "frame",
            f"no row tells of {n_missing:,} of the {n:,} entries of {dim!r}",
            f"choose rows of the element instead: element.isel({rows}=frame.index)",
        )
    return _filled(columns[0][0], np.concatenate(values), where, n, f"{dim} is")


def _spread(column: pd.Series, dims: tuple[str, ...], rows: _Rows) -> npt.NDArray[Any]:
    """Give the values of a column as an array along its dims."""
    if not set(dims) <= set(rows.dims):
        found = f"column {column.name!r} lies along {dims}, rows along {rows.dims}"
        raise InvalidInput("frame", found, "leave it out")
    values = _values(column)
    if not set(pair_of(rows.dims) or ()) <= set(dims):
        values = values[: rows.n_own]  # a mirrored row is about other positions
    chosen = [rows.dims.index(dim) for dim in dims]
    shape = tuple(rows.sizes[axis] for axis in chosen)
    size = int(np.prod(shape, dtype=np.int64))
    places = [rows.places[axis][: len(values)] for axis in chosen]
    flat = np.ravel_multi_index(places, shape) if chosen else np.zeros(len(values), np.intp)
    n_missing = size - len(np.unique(flat))
    if n_missing and values.dtype.kind != "f":
        found = f"column {column.name!r} has no value for {n_missing:,} of {size:,} places"
        raise InvalidInput("frame", found, f"have a row for every combination of {rows.dims}")
    same = f"{', '.join(dims)} is" if dims else "all rows are"
    return _filled(str(column.name), values, flat, size, same).reshape(shape)


def _filled(
    name: str, values: npt.NDArray[Any], places: npt.NDArray[np.intp], size: int, same: str
) -> npt.NDArray[Any]:
    """Put values where they belong, NaN elsewhere; refuse two at one place that differ."""
    is_float = values.dtype.kind == "f"
    filled = np.full(size, np.nan, values.dtype) if is_float else np.zeros(size, values.dtype)
    filled[places] = values
    if size < len(values):
        again = filled[places]
        if not ((again == values) | ((again != again) & (values != values))).all():
            found = f"column {name!r} differs where {same} the same"
            raise InvalidInput("frame", found, "repair it, or leave it out")
    return filled


def _values(column: pd.Series) -> npt.NDArray[Any]:
    """Give the values of a column as numpy: texts of variable width, NaN for missing numbers."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind != "O":
        return cast("npt.NDArray[Any]", column.to_numpy())
    if pd.api.types.is_numeric_dtype(column.dtype) and column.isna().any():
        return column.to_numpy(np.float64, na_value=np.nan)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return np.asarray(column.to_numpy(column.array.dtype.numpy_dtype))
    texts = column.astype(object).tolist()
    odd = next((item for item in texts if not isinstance(item, str)), "")
    if not isinstance(odd, str):
        remedy = "use texts only; fill missing ones, e.g. with .fillna('')"
        raise InvalidInput("frame", f"column {column.name!r} holds {odd!r}", remedy)
    return np.array(texts, dtype=np.dtypes.StringDType())


def _refuse_repeated(frame: pd.DataFrame, rows: _Rows) -> None:
    """Refuse two rows at one place."""
    flat = np.ravel_multi_index(rows.places, rows.sizes)
    order = np.argsort(flat, kind="stable")
    again = np.flatnonzero(np.diff(flat[order]) == 0)
    if len(again):
        first, second = (int(order[again[0] + step]) for step in (0, 1))
        place = ", ".join(
            f"{dim} {frame[dim].iloc[first]!s}"
            if dim in frame
            else f"{dim} {rows.places[axis][first]}"
            for axis, dim in enumerate(rows.dims)
        )
        raise InvalidInput("frame", f"rows {first} and {second} are both {place}", "leave one out")


def _rows(
    frame: pd.DataFrame, dims: tuple[str, ...], record: Mapping[str, Any], named: Set[str]
) -> _Rows:
    """Find the place of every row; entries of dims that are not `named` are numbered."""
    labels: dict[str, Any] = {}
    sizes, places = [], []
    pair = None if record["columns"] else _half_pair(frame, dims)
    for dim in dims:
        column = f"{dim}_index" if dim in LARGE_DIMS else dim
        if dim in LARGE_DIMS and len(dims) == 1:
            found = np.arange(len(frame))
            sizes.append(len(frame))
        elif column not in frame:
            raise InvalidInput("frame", f"no column {column!r}", f"add it: rows lie along {dims}")
        elif dim not in named or dim in LARGE_DIMS:
            found = _whole(frame[column])
            sizes.append(int(found.max()) + 1 if len(found) else 0)
        else:
            labels[dim] = _labels(frame, dim, pair, record)
            found = pd.Index(labels[dim].tolist()).get_indexer(pd.Index(frame[dim].tolist()))
            if (found < 0).any():
                odd = frame[dim].tolist()[int(np.argmax(found < 0))]
                remedy = "use the labels of the element, or set frame.attrs = {}"
                raise InvalidInput("frame", f"{dim} {odd!r} is not among its labels", remedy)
            sizes.append(len(labels[dim]))
        places.append(np.asarray(found, np.intp))
    return _Rows(dims, tuple(sizes), tuple(places), labels, len(frame))


def _whole(column: pd.Series) -> npt.NDArray[np.intp]:
    values = column.to_numpy()
    if values.dtype.kind not in "iu" or (values < 0).any():
        raise InvalidInput("frame", f"{column.name} holds {values.dtype}", "number rows from 0")
    return cast("npt.NDArray[np.intp]", values.astype(np.intp))


def _labels(
    frame: pd.DataFrame, dim: str, pair: tuple[str, str] | None, record: Mapping[str, Any]
) -> npt.NDArray[Any]:
    """Give the labels of a dim: as recorded, numbers in order, or texts as they come."""
    recorded = record["labels"].get(dim)
    if recorded is not None:
        values = pd.unique(pd.Series(recorded["values"]))
    elif pair is not None and dim in pair:
        values = np.union1d(frame[pair[0]], frame[pair[1]])
    else:
        values = np.asarray(pd.unique(frame[dim]))
        if values.dtype.kind in "iuf":
            values = np.sort(values)
    if values.dtype.kind == "O":
        if not all(isinstance(value, str) for value in values):
            raise InvalidInput("frame", f"column {dim!r} holds other than texts", "use one type")
        return np.array(values.tolist(), dtype=np.dtypes.StringDType())
    return cast("npt.NDArray[Any]", values)


def _half_pair(frame: pd.DataFrame, dims: tuple[str, ...]) -> tuple[str, str] | None:
    """Give the dims of a map of numbered positions of which each pair is there once."""
    pair = pair_of(dims)
    if pair is None or any(d not in frame or frame[d].dtype.kind not in "iu" for d in pair):
        return None
    i, j = (frame[dim] for dim in pair)
    return pair if bool((i <= j).all() and (i < j).any()) else None


def _mirrored(frame: pd.DataFrame, rows: _Rows) -> tuple[pd.DataFrame, _Rows]:
    """Add the rows below the diagonal."""
    pair = pair_of(rows.dims)
    assert pair is not None
    first, second = (rows.dims.index(dim) for dim in pair)
    below = rows.places[first] != rows.places[second]
    turned = list(rows.places)
    turned[first], turned[second] = rows.places[second], rows.places[first]
    places = tuple(np.concatenate([a, b[below]]) for a, b in zip(rows.places, turned, strict=True))
    return pd.concat([frame, frame[below]], ignore_index=True), rows._replace(places=places)
