"""Kind `MotifSet`: motifs of one alphabet as probabilities of letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import Fault, InvalidElement, InvalidInput
from mutua.models.alphabets import MOST_LETTERS, alphabet_faults, resolve_alphabet
from mutua.models.base import Coordinate, Dataset, Element, coordinate, variable
from mutua.models.build import assemble
from mutua.models.describe import tensor_values
from mutua.models.digests import is_lazy
from mutua.models.dims import (
    CONTRIBUTION,
    INFORMATION,
    LENGTH,
    LETTER,
    MOTIF,
    MOTIF_POSITION,
    PROBABILITY,
)
from mutua.models.motif_matrices import (
    SUM_TOLERANCE,
    background_faults,
    column_information,
    frequencies,
    normalized_columns,
    padded,
    used_lengths,
)

__all__ = ["MotifSet"]

_MATRIX = (MOTIF, LETTER, MOTIF_POSITION)
_SHOWN = 8
"""Motifs of which a fault is told one by one."""


class MotifSetAttributes(pydantic.BaseModel):
    """Attributes of a `MotifSet`."""

    alphabet: str = pydantic.Field(
        min_length=2, max_length=MOST_LETTERS, description="the letters, in order"
    )
    background: list[float] = pydantic.Field(
        description="frequency of each letter where there is no motif; they sum to 1"
    )
    neurons_without_motif: dict[str, str] = pydantic.Field(
        default={}, description="neurons that were looked at and have no motif, and why"
    )


class MotifSet(Element):
    """Motifs as probabilities of the letters at each of their positions.

    Motifs may differ in width: `length` says how many positions each has, and all values beyond
    are 0. The ids of the motifs are stable names by which other elements refer to them.
    """

    probability: np.float32 = variable("probability of the letter", dims=_MATRIX, ge=0)
    length: np.int32 = variable("positions of the motif", dims=(MOTIF,), unit="letters", ge=1)
    contribution: np.float32 | None = variable(
        "mean contribution of the letter to the output of a model (CWM)", dims=_MATRIX
    )
    hypothetical: np.float32 | None = variable(
        "mean contribution that the letter would make if it stood there (hypothetical CWM)",
        dims=_MATRIX,
    )
    n_sites: np.float64 | None = variable(
        "sites (or their weight) that the motif was made of", dims=(MOTIF,), nullable=True, ge=0
    )
    p_value: np.float64 | None = variable(
        "p-value of the motif", dims=(MOTIF,), nullable=True, ge=0, le=1
    )
    q_value: np.float64 | None = variable(
        "false discovery rate", dims=(MOTIF,), nullable=True, ge=0, le=1
    )
    e_value: np.float64 | None = variable(
        "expected number of motifs as good in random sequences",
        dims=(MOTIF,),
        nullable=True,
        ge=0,
    )
    information: np.float64 | None = variable(
        "information of all positions, relative to the background",
        dims=(MOTIF,),
        unit="bits",
        ge=0,
    )
    activation_max: np.float32 | None = variable(
        "largest activation of the neuron seen", dims=(MOTIF,), nullable=True
    )
    activation_consensus: np.float32 | None = variable(
        "activation of the neuron at the most probable letters", dims=(MOTIF,), nullable=True
    )
    homogeneity: np.float32 | None = variable(
        "activation by letters drawn from the probabilities, relative to that by the sites",
        dims=(MOTIF,),
        nullable=True,
        ge=0,
    )
    window_start: np.int32 | None = variable(
        "first position of the motif in the windows that activate its neuron",
        dims=(MOTIF,),
        unit="letters",
        ge=0,
    )
    sign: np.int8 | None = variable(
        "1 where the motif raises the output of the model, -1 where it lowers it",
        dims=(MOTIF,),
        isin=[-1, 1],
    )
    motif: Coordinate[str] = coordinate("id of the motif", dims=(MOTIF,), unique=True)
    letter: Coordinate[str] = coordinate("letter of the alphabet", dims=(LETTER,), unique=True)
    name: Coordinate[str] | None = coordinate("name of the motif", dims=(MOTIF,))
    family: Coordinate[str] | None = coordinate("family of the motif", dims=(MOTIF,))
    neuron: Coordinate[str] | None = coordinate(
        "neuron that detects the motif, as layer:channel", dims=(MOTIF,)
    )
    layer: Coordinate[str] | None = coordinate("layer of the neuron", dims=(MOTIF,))
    channel: Coordinate[np.int32] | None = coordinate("channel of the layer, from 0", dims=(MOTIF,))
    leaf: Coordinate[str] | None = coordinate(
        "place among the clusters of the neuron's sequences, as 0-2-1", dims=(MOTIF,)
    )

    class Config:
        """Options of the pandera model."""

        attrs = MotifSetAttributes

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield faults of the alphabet and of the background."""
        alphabet, background = (element.attrs.get(key) for key in ("alphabet", "background"))
        yield from alphabet_faults(alphabet)
        if isinstance(alphabet, str) and LETTER in element.dims:
            if element.sizes[LETTER] != len(alphabet):
                size, most = element.sizes[LETTER], len(alphabet)
                found = f"{size} letters, and the alphabet {alphabet!r} has {most}"
                yield Fault(f"dim {LETTER!r}", found, "keep all letters of the alphabet")
            yield from background_faults(background, alphabet)

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault for letters out of order and for every motif that is none."""
        alphabet = element.attrs["alphabet"]
        if LETTER in element.variables:
            letters = element.variables[LETTER].values.tolist()
            if letters != list(alphabet):
                remedy = f"use {list(alphabet)}, and values in that order"
                yield Fault(f"coordinate {LETTER!r}", f"{letters}", remedy)
        if LENGTH in element.variables:
            yield from _matrix_faults(element)

    @classmethod
    def build(
        cls,
        motifs: Any = None,
        /,
        *,
        alphabet: str | None = None,
        background: Mapping[str, float] | Sequence[float] | None = None,
        **parts: Any,
    ) -> Dataset[Self]:
        """Make a motif set from matrices or consensus strings.

        Motifs from files come by `mutua.read_motifs`.

        Parameters
        ----------
        motifs
            A mapping of ids to motifs: matrices (letter, motif_position) of probabilities (numpy,
            torch), data frames whose rows or columns are the letters, or consensus strings
            (IUPAC symbols stand for any of their letters). Or a stack (motif, letter,
            motif_position), padded with zeros, with the ids as ``motif=`` and, where columns of
            zeros at the end do not tell it, ``length=``. Or a Dataset or mapping of the
            variables of the kind.
        alphabet
            ``"DNA"`` (the default), ``"RNA"``, ``"protein"`` or the letters.
        background
            Frequency of each letter: a mapping of letters, or numbers in the order of the
            alphabet. By default all are equally frequent.
        **parts
            Further variables and coordinates of the kind, in the order of the motifs:
            ``n_sites``, ``q_value``, ``name`` and so on; ``contribution`` also as a mapping of
            ids to matrices.

        Returns
        -------
        MotifSet
            With ``information``, unless it is given or the probabilities are lazy. Columns that
            sum to 1 up to 0.001 are brought to 1.

        Raises
        ------
        InvalidInput
            If something is no matrix with a row for each letter, or a symbol is unknown.
        InvalidElement
            For motifs that are empty, NaN or negative values, columns that do not sum to 1,
            repeated ids and everything else that is wrong.

        Examples
        --------
        >>> import numpy as np
        >>> import mutua as mt
        >>> gata = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]])
        >>> motifs = mt.MotifSet.build({"GATA": gata, "E-box": "CANNTG"}, n_sites=[120, 64])
        >>> motifs["length"].values
        array([4, 6], dtype=int32)
        >>> motifs["information"].values
        array([8., 8.])
        """
        given = _given(motifs, parts)
        if background is not None and INFORMATION not in parts:
            given.pop(INFORMATION, None)  # it was relative to another one
        attrs = motifs.attrs if isinstance(motifs, xr.Dataset) else {}
        letters = resolve_alphabet(
            given.pop("alphabet", None) or attrs.get("alphabet", "DNA")
            if alphabet is None
            else alphabet
        )
        if background is None:
            background = given.pop("background", attrs.get("background"))
        given.setdefault(LETTER, list(letters))
        for name in (PROBABILITY, CONTRIBUTION):
            if isinstance(given.get(name), Mapping):
                _stack(given, name, letters)
        _complete(given, shares := frequencies(background, letters))
        if faults := list(_early_faults(given)):
            raise InvalidElement(cls.__name__, faults, f"{cls.__name__}.build")
        given |= {"alphabet": letters, "background": shares}
        data = motifs if isinstance(motifs, xr.Dataset) else None
        return assemble(cls, data, given, function=f"{cls.__name__}.build")


def _given(motifs: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """Give everything that was passed by the name of its part."""
    if motifs is None:
        return dict(parts)
    if isinstance(motifs, xr.Dataset):
        # The other parts of it are found by `assemble`; these are looked at before.
        early = {name: motifs[name] for name in (PROBABILITY, LENGTH, INFORMATION, LETTER)
                 if name in motifs.variables}  # fmt: skip
        return early | parts
    if isinstance(motifs, Mapping):
        if _n_dims(motifs.get(PROBABILITY)) == 3:
            return {str(key): value for key, value in motifs.items()} | parts
        return {PROBABILITY: motifs, **parts}
    if _n_dims(motifs) != 3:
        remedy = "pass a mapping of ids to matrices, or a stack (motif, letter, motif_position)"
        raise InvalidInput("motifs", f"a {type(motifs).__name__}", remedy)
    return {PROBABILITY: motifs, **parts}


def _n_dims(value: Any) -> int:
    """Give the number of dims of anything, 0 for what is no array."""
    try:
        return int(value.ndim) if hasattr(value, "ndim") else np.ndim(value)
    except ValueError:  # rows of different lengths
        return 0


def _stack(given: dict[str, Any], name: str, letters: str) -> None:
    """Put motifs given by id in place of the mapping of them, with ids and lengths."""
    is_main = name == PROBABILITY
    motifs = {str(key): value for key, value in given[name].items()}
    if len(motifs) < len(given[name]):
        found = f"ids that are the same as text: {list(given[name])[:_SHOWN]}"
        raise InvalidInput("motifs", found, "give each its own id")
    if not is_main and (missing := [key for key in given[MOTIF] if key not in motifs]):
        raise InvalidInput(name, f"none for {missing[:_SHOWN]}", "give one for each motif")
    if not is_main and (more := [key for key in motifs if key not in list(given[MOTIF])]):
        raise InvalidInput(name, f"{more[:_SHOWN]} are no motifs", f"use {list(given[MOTIF])}")
    ids = list(motifs) if is_main else list(given[MOTIF])
    chosen = {key: motifs[key] for key in ids}
    argument = "motifs" if is_main else name
    values, length = padded(chosen, letters, argument=argument, probabilities=is_main)
    if not is_main and not np.array_equal(length, given[LENGTH]):
        odd = ids[int(np.flatnonzero(length != given[LENGTH])[0])]
        raise InvalidInput(name, f"{odd!r} has another width than its probabilities", "cut one")
    given[name] = values.astype(np.float32)
    if is_main:
        given.setdefault(LENGTH, length)
        given.setdefault(MOTIF, ids)


def _complete(given: dict[str, Any], background: list[float]) -> None:
    """Add what follows from the probabilities, where these are in memory."""
    values = given.get(PROBABILITY)
    if isinstance(values, xr.DataArray | xr.Variable):
        if is_lazy(values) or set(values.dims) != set(_MATRIX):
            return
        array = values.transpose(*_MATRIX).values
    elif hasattr(values, "dask") or _n_dims(values) != 3:
        return
    else:
        array = tensor_values(values) if hasattr(values, "detach") else np.asarray(values)
    if array.dtype.kind not in "iuf" or array.shape[1] != len(background):
        return  # which the checks of the kind say
    array = normalized_columns(array.astype(np.float64)).astype(np.float32)
    if isinstance(values, xr.DataArray | xr.Variable):
        given[PROBABILITY] = values.transpose(*_MATRIX).copy(data=array)
    else:
        given[PROBABILITY] = array
    given.setdefault(LENGTH, used_lengths(array))
    if np.isfinite(array).all():
        given.setdefault(INFORMATION, column_information(array, background).sum(axis=-1))


def _early_faults(given: dict[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each motif that is empty, or has values that are NaN or negative.

    The checks of any kind would find the same, and know no names of motifs.
    """
    length = given.get(LENGTH)
    if not isinstance(length, np.ndarray):
        return
    names = _quoted(given.get(MOTIF), len(length))
    for place in np.flatnonzero(length == 0)[:_SHOWN]:
        remedy = "give it one column or more, or leave it out"
        yield Fault(f"variable {PROBABILITY!r}, {names[place]}", "it has no columns", remedy)
    for name in (PROBABILITY, CONTRIBUTION):
        values = given.get(name)
        if not isinstance(values, np.ndarray) or values.shape[0] != len(length):
            continue
        negative = (values < 0) if name == PROBABILITY else np.zeros_like(values, bool)
        for bad, what, remedy in (
            (np.isnan(values), "is NaN", "use numbers, or leave the motif out"),
            (negative, "is negative", "use probabilities, not log-odds, weights or contributions"),
        ):
            for place, column, count in _first_columns(np.asarray(bad.any(axis=1))):
                where = f"variable {name!r}, {names[place]}"
                yield Fault(where, f"a value of column {column} {what}{count}", remedy)


def _quoted(ids: Any, n: int) -> list[str]:
    """Give how faults call each motif."""
    if isinstance(ids, xr.DataArray | xr.Variable):
        ids = ids.values
    if not isinstance(ids, Sequence | np.ndarray) or len(ids) != n:
        return [f"motif {place}" for place in range(n)]
    return [f"motif {str(name)!r}" for name in ids]


def _matrix_faults(element: xr.Dataset) -> Iterator[Fault]:
    """Yield a fault for each motif that is too long, not 0 beyond its end, or no probabilities."""
    lengths = element.variables[LENGTH].values
    names = _quoted(element.variables.get(MOTIF), len(lengths))
    width = element.sizes.get(MOTIF_POSITION)
    if width is not None and (long := np.flatnonzero(lengths > width)).size:
        for place in long[:_SHOWN]:
            found = f"{lengths[place]} positions, and there is room for {width}"
            yield Fault(f"variable {LENGTH!r}, {names[place]}", found, "use at most that many")
        return
    for name in (PROBABILITY, CONTRIBUTION):
        if name in element.variables:
            found_in = _value_faults(element.variables[name], lengths, name)
            for place, message, remedy in found_in:
                yield Fault(f"variable {name!r}, {names[place]}", message, remedy)


def _value_faults(
    part: xr.Variable, lengths: np.ndarray, name: str
) -> Iterator[tuple[int, str, str]]:
    """Yield place, fault and remedy of the motifs with wrong values, the first few of them."""
    values = np.asarray(part.values)
    inside = np.arange(values.shape[2]) < lengths[:, None]
    beyond = (values != 0).any(axis=1) & ~inside
    infinite = np.isinf(values).any(axis=1) & inside
    for bad, what in ((beyond, "is not 0, beyond the end"), (infinite, "is infinite")):
        for place, column, count in _first_columns(bad):
            remedy = "put 0 there, or raise `length`" if bad is beyond else "use finite numbers"
            yield place, f"column {column} {what}{count}", remedy
    if name != PROBABILITY:
        return
    sums = values.sum(axis=1, dtype=np.float64)
    # Columns with NaN, infinity or negative numbers have a fault already.
    sound = (np.isfinite(values) & (values >= 0)).all(axis=1)
    for place, column, count in _first_columns(inside & sound & (np.abs(sums - 1) > SUM_TOLERANCE)):
        remedy = "use probabilities: counts / counts.sum(axis=0)"
        yield place, f"column {column} sums to {sums[place, column]:.6g}, not 1{count}", remedy


def _first_columns(bad: np.ndarray) -> Iterator[tuple[int, int, str]]:
    """Yield motif, first bad column and how many more there are, for the first few motifs."""
    motifs = np.flatnonzero(bad.any(axis=1))
    for place in motifs[:_SHOWN]:
        more = int(bad[place].sum()) - 1
        count = f", as {more} more of its columns" if more else ""
        if place == motifs[:_SHOWN][-1] and len(motifs) > _SHOWN:
            count += f", and {len(motifs) - _SHOWN} more motifs have such columns"
        yield int(place), int(bad[place].argmax()), count
