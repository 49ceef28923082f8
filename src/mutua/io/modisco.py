"""Motifs and seqlets from the HDF5 files of tfmodisco-lite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mutua.errors import InvalidInput, MissingDependency
from mutua.io._annotation_tables import Rows
from mutua.kernels import letters
from mutua.models import Dataset, MotifSet, SequenceSet
from mutua.models.alphabets import UNKNOWN
from mutua.models.build import assemble
from mutua.models.dims import CODES, POSITION, SEQUENCE

__all__ = ["is_hdf5", "read_patterns", "read_seqlets"]

_LETTERS = "ACGT"
_GROUPS = ("pos_patterns", "neg_patterns")
_COMPARED = 20
"""Seqlets of each pattern whose letters are compared."""
_MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: str) -> bool:
    """Tell whether a file is HDF5, by its first bytes."""
    with _raw(path) as file:
        return bool(file.read(len(_MAGIC)) == _MAGIC)


@contextmanager
def _raw(path: str) -> Iterator[Any]:
    """Open a file that may hold any bytes."""
    import fsspec

    try:
        with fsspec.open(path, "rb") as file:
            yield file
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InvalidInput("path", f"{path} does not exist", "check the path") from error


def read_patterns(path: str, background: list[float] | None = None) -> Dataset[MotifSet]:
    """Read the patterns of a file as motifs.

    Parameters
    ----------
    path
        Path or fsspec URL of what ``modisco motifs`` wrote, version 2 or later.
    background
        Frequency of each letter, equal by default.

    Returns
    -------
    MotifSet
        ``pos_patterns.pattern_0`` and so on, the patterns of positive attribution first, with
        ``contribution`` (the mean attributions) and ``n_sites`` (seqlets). Subpatterns are left
        out.

    Raises
    ------
    InvalidInput
        If the file is missing, is no such file, or holds no pattern.
    """
    with _opened(path) as file:
        found = {name: (_array(group, "sequence"), _array(group, "contrib_scores"),
                        float(_array(group, "seqlets/n_seqlets").sum()))
                 for name, group in _patterns(file)}  # fmt: skip
    if not found:
        raise InvalidInput("path", f"{path} holds no pattern", "check the run of TF-MoDISco")
    probability = {}
    for name, (shares, _, _) in found.items():
        totals = shares.sum(axis=1, keepdims=True)  # less than 1 where there were unknown letters
        probability[name] = np.where(totals > 0, shares / np.where(totals > 0, totals, 1), 0.25).T
    return assemble(
        MotifSet,
        MotifSet.build(
            probability,
            alphabet=_LETTERS,
            background=background,
            contribution={name: cwm.T for name, (_, cwm, _) in found.items()},
            n_sites=[n for _, _, n in found.values()],
        ),
        {},
        arguments={"path": path, "format": "modisco", "background": background},
        function="read_motifs",
    )


def read_seqlets(path: str, sequences: Dataset[SequenceSet]) -> Rows:
    """Read the seqlets of all patterns of a file.

    TF-MoDISco counts positions from the start of the window that it looked at, in the middle of
    the sequences. Where the file does not say how wide that was, and always as a check, the
    letters of the seqlets are compared with those of the sequences.

    Raises
    ------
    InvalidInput
        If the file is missing or is no such file, or its seqlets are not of these sequences.
    """
    if sequences.attrs["alphabet"] != _LETTERS:
        raise InvalidInput("sequences", f"of {sequences.attrs['alphabet']!r}", "use DNA")
    with _opened(path) as file:
        window = file.attrs.get("window_size")
        patterns = [_Pattern(name, *(_array(group, f"seqlets/{part}") for part in _PARTS))
                    for name, group in _patterns(file)]  # fmt: skip
    number, start, end = (
        np.concatenate([np.zeros(0, np.int64), *(getattr(x, part) for x in patterns)]).astype(int)
        for part in ("number", "start", "end")
    )
    turned = np.concatenate([np.zeros(0, bool), *(x.turned.astype(bool) for x in patterns)])
    sums = np.concatenate([np.zeros(0), *(x.contribution.sum(axis=(1, 2)) for x in patterns)])
    shift = _shift(path, sequences, patterns, None if window is None else int(window))
    return Rows(
        names=None,
        numbers=number,
        start=start + shift,
        end=end + shift,
        columns={
            "strand": np.where(turned, -1, 1).astype(np.int8),
            "attribution": sums.astype(np.float64),
        },
        motif=[x.name for x in patterns for _ in range(len(x.number))],
        source="seqlets",
    )


class _Pattern(NamedTuple):
    """The seqlets of a pattern; their one-hot letters are (seqlet, position, letter)."""

    name: str
    number: npt.NDArray[Any]
    start: npt.NDArray[Any]
    end: npt.NDArray[Any]
    turned: npt.NDArray[Any]
    letters: npt.NDArray[Any]
    contribution: npt.NDArray[Any]


_PARTS = ("example_idx", "start", "end", "is_revcomp", "sequence", "contrib_scores")


def _shift(
    path: str, sequences: Dataset[SequenceSet], patterns: list[_Pattern], window: int | None
) -> int:
    """Give the column at which the window begins."""
    length, n = sequences.sizes[POSITION], sequences.sizes[SEQUENCE]
    given = None if window is None else length // 2 - window // 2
    patterns = [pattern for pattern in patterns if len(pattern.number)]
    last = max((int(pattern.end.max()) for pattern in patterns), default=0)
    possible = list(range(length - last + 1)) if given is None else [given]
    complement = np.full(256, UNKNOWN, np.uint8)
    complement[: len(_LETTERS)] = letters.complement_codes(_LETTERS)
    for pattern in patterns:
        if pattern.number.max() >= n:
            found = f"{path} has seqlets of sequence {pattern.number.max()}, and there are {n:,}"
            raise InvalidInput("sequences", found, "give those that TF-MoDISco was run on")
        few = slice(0, _COMPARED)
        rows = pattern.number[few].astype(int)
        codes = np.asarray(sequences[CODES].isel({SEQUENCE: rows}).values)
        one_hot = pattern.letters[few]
        seen = np.where(one_hot.any(axis=2), one_hot.argmax(axis=2), UNKNOWN)
        own = [complement[row[::-1]] if flip else row
               for row, flip in zip(seen, pattern.turned[few], strict=True)]  # fmt: skip
        spans = list(zip(codes, own, pattern.start[few].tolist(), strict=True))
        possible = [x for x in possible if all(_fits(row, one, at + x) for row, one, at in spans)]
    if given is None and len(possible) > 1 and last:
        found = f"{path} does not say its window, and several fit"
        raise InvalidInput("path", found, "write it again with tfmodisco-lite 2.1 or later")
    if not possible:
        found = f"the letters of the seqlets of {path} are not theirs"
        raise InvalidInput("sequences", found, "give those that TF-MoDISco was run on")
    return possible[0]


def _fits(codes: npt.NDArray[np.uint8], own: npt.NDArray[np.uint8], start: int) -> bool:
    """Tell whether all known letters of a seqlet are those of the sequence."""
    if start < 0 or start + len(own) > len(codes):
        return False
    return bool(((own == codes[start : start + len(own)]) | (own >= len(_LETTERS))).all())


def _patterns(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield the patterns by their names, in the order of their numbers."""
    for group in _GROUPS:
        for name in sorted(file.get(group, ()), key=lambda name: (len(name), name)):
            yield f"{group}.{name}", file[group][name]


def _array(group: Any, name: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(group[name][()])
    except KeyError:
        found = f"no {name!r} in {group.name} of {group.file.filename}"
        raise InvalidInput("path", found, "use the HDF5 of tfmodisco-lite 2 or later") from None
    except OSError as error:  # a filter that is not there
        found = f"{group.name}/{name} cannot be read ({error})"
        raise MissingDependency(f"`path`: {found}; try: pip install hdf5plugin") from error


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Open an HDF5 file, which HDF5 can do where it is on a disk."""
    import h5py

    if not is_hdf5(path):
        raise InvalidInput("path", f"{path} is no HDF5", "use the output of tfmodisco-lite")
    with _raw(path) as source:
        try:
            with h5py.File(source, "r") as file:
                if not set(_GROUPS) & set(file):
                    found = f"{path} has {list(file)[:5]}, not {list(_GROUPS)}"
                    remedy = "use the HDF5 of tfmodisco-lite; older ones by `modisco convert`"
                    raise InvalidInput("path", found, remedy)
                yield file
        except OSError as error:
            raise InvalidInput("path", f"{path} is damaged ({error})", "make it again") from error
