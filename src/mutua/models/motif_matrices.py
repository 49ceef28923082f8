"""Motifs as people have them (matrices, tables, consensus strings) as one padded array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from mutua.errors import Fault, InvalidInput
from mutua.models.alphabets import alphabet_name, complement_order
from mutua.models.describe import tensor_values

__all__ = [
    "SUM_TOLERANCE",
    "background_faults",
    "column_information",
    "consensus_matrix",
    "frequencies",
    "letter_rows",
    "normalized_columns",
    "padded",
    "reverse_complemented",
    "used_lengths",
]

SUM_TOLERANCE: Final = 1e-3
"""Files give probabilities with three digits or more: sums are off by less than this."""
_ROUNDING: Final = 1e-6
"""float32 columns that summed to 1 still do so within this: they are not touched again."""
_NUCLEOTIDE_SYMBOLS: Final = {
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
_PROTEIN_SYMBOLS: Final = {"B": "DN", "J": "IL", "Z": "EQ"}
_GAPS: Final = "-."


def padded(
    motifs: Mapping[str, Any], alphabet: str, *, argument: str, probabilities: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Give matrices of several widths as one array, and their widths.

    Parameters
    ----------
    motifs
        By id: (letter, motif_position) arrays or tensors, data frames whose rows or columns are
        the letters, or consensus strings.
    alphabet
        The letters.
    argument
        Name to use in errors.
    probabilities
        Whether they are probabilities, whose rounded columns are brought to a sum of 1.

    Returns
    -------
    values, length : float64 (motif, letter, motif_position), int32 (motif,)
        0 beyond the width of each.

    Raises
    ------
    InvalidInput
        If something is no matrix of numbers with one row a letter, names its motif.
    """
    matrices = []
    for name, motif in motifs.items():
        if isinstance(motif, str) and probabilities:
            matrices.append(consensus_matrix(motif, alphabet, name, argument))
        else:
            matrices.append(letter_rows(motif, alphabet, name, argument))
    length = np.array([matrix.shape[1] for matrix in matrices], dtype=np.int32)
    values = np.zeros((len(matrices), len(alphabet), length.max(initial=0)))
    for place, matrix in enumerate(matrices):
        values[place, :, : matrix.shape[1]] = matrix
    return (normalized_columns(values) if probabilities else values), length


def letter_rows(motif: Any, alphabet: str, name: str, argument: str) -> np.ndarray:
    """Give one motif as float64 (letter, motif_position), or refuse what is none."""
    if isinstance(motif, pd.DataFrame):
        motif = _from_frame(motif, alphabet, name, argument)
    if hasattr(motif, "detach") and hasattr(motif, "cpu"):
        motif = tensor_values(motif)
    try:
        matrix = np.asarray(motif, dtype=np.float64)
    except (TypeError, ValueError):
        found = f"motif {name!r} is a {type(motif).__name__}"
        raise InvalidInput(argument, found, "use a matrix of numbers or a consensus") from None
    if matrix.ndim != 2 or matrix.shape[0] != len(alphabet):
        turned = matrix.ndim == 2 and matrix.shape[1] == len(alphabet)
        remedy = "use its transpose" if turned else f"use ({len(alphabet)} letters, positions)"
        raise InvalidInput(argument, f"motif {name!r} has shape {matrix.shape}", remedy)
    return matrix


def _from_frame(frame: pd.DataFrame, alphabet: str, name: str, argument: str) -> np.ndarray:
    """Give a data frame with its letters, which are its rows or its columns, in order."""
    for table in (frame, frame.T):
        letters = [str(letter) for letter in table.index]
        if sorted(letters) == sorted(alphabet):
            return np.asarray(table.to_numpy()[[letters.index(letter) for letter in alphabet]])
    raise InvalidInput(
        argument,
        f"motif {name!r} has rows {list(frame.index)[:6]} and columns {list(frame.columns)[:6]}",
        f"name its rows or its columns by the letters {list(alphabet)}",
    )


def consensus_matrix(consensus: str, alphabet: str, name: str, argument: str) -> np.ndarray:
    """Give a consensus as probabilities: those of a symbol are shared by the letters it means."""
    meanings = _meanings(alphabet)
    matrix = np.zeros((len(alphabet), len(consensus)))
    for place, symbol in enumerate(consensus):
        letters = meanings.get(symbol, meanings.get(symbol.upper()))
        if letters is None:
            raise InvalidInput(
                argument,
                f"motif {name!r}: {symbol!r} at position {place} of {consensus!r}",
                f"use symbols of {''.join(sorted(meanings))}",
            )
        matrix[letters, place] = 1 / len(letters)
    return matrix


def _meanings(alphabet: str) -> dict[str, list[int]]:
    """Give which letters every symbol stands for, by their place in the alphabet."""
    place = {letter: i for i, letter in enumerate(alphabet)}
    if len({letter.upper() for letter in alphabet}) == len(alphabet):
        place = {letter.upper(): i for letter, i in place.items()}
    any_letter = "".join(letter for letter in place if letter not in _GAPS)
    symbols = {"X": any_letter}
    nucleotides = {letter for letter in place if letter.isalpha()}
    if nucleotides in (set("ACGT"), set("ACGU")):
        thymine = "T" if "T" in place else "U"
        symbols = {s: m.replace("T", thymine) for s, m in _NUCLEOTIDE_SYMBOLS.items()}
        symbols |= {"T": thymine, "U": thymine}
    elif set(place) >= set("ACDEFGHIKLMNPQRSTVWY"):
        symbols |= _PROTEIN_SYMBOLS
    meanings = {symbol: [place[letter] for letter in meant] for symbol, meant in symbols.items()}
    return meanings | {letter: [i] for letter, i in place.items()}


def reverse_complemented(
    values: np.ndarray, length: np.ndarray, alphabet: str, *, argument: str
) -> np.ndarray:
    """Turn motifs around and give each letter the values of its complement.

    Parameters
    ----------
    values
        (motif, letter, motif_position), 0 beyond the `length` (motif,) of each.

    Raises
    ------
    InvalidInput
        Naming `argument`, for an alphabet without complements.
    """
    partner = complement_order(alphabet)
    if partner is None:
        found = f"the alphabet {alphabet_name(alphabet)!r} has no complement"
        raise InvalidInput(argument, found, "use motifs of DNA or RNA")
    columns = np.asarray(length)[:, None] - 1 - np.arange(values.shape[2])
    turned = np.take_along_axis(values[:, partner], np.maximum(columns, 0)[:, None, :], axis=2)
    return np.asarray(np.where((columns >= 0)[:, None, :], turned, 0), dtype=values.dtype)


def normalized_columns(values: np.ndarray, *, tolerance: float = SUM_TOLERANCE) -> np.ndarray:
    """Divide columns whose sum is 1 up to `tolerance` by their sum.

    Others stay as they are: float32 columns unchanged, and what are no probabilities for the
    checks of the kind to say so.
    """
    sums = values.sum(axis=-2, keepdims=True)
    off = np.abs(sums - 1)
    rounded = (off > _ROUNDING) & (off <= tolerance) & (values >= 0).all(-2, keepdims=True)
    return np.asarray(values / np.where(rounded, sums, 1))


def used_lengths(values: np.ndarray) -> np.ndarray:
    """Give the width of each motif of a stack: no column of probabilities is all 0."""
    used = (np.asarray(values) != 0).any(axis=1)
    ends = np.where(used, np.arange(1, used.shape[1] + 1), 0)
    return np.asarray(ends.max(axis=1, initial=0), dtype=np.int32)


def frequencies(background: Any, letters: str) -> list[float]:
    """Give the frequency of every letter in the order of the alphabet."""
    if background is None:
        return [1 / len(letters)] * len(letters)
    if isinstance(background, Mapping):
        if set(background) != set(letters):
            found, remedy = f"letters {list(background)}", f"give one number for each of {letters}"
            raise InvalidInput("background", found, remedy)
        background = [background[letter] for letter in letters]
    try:
        values = [float(value) for value in background]
    except (TypeError, ValueError):
        remedy = f"give one number for each of {letters}"
        raise InvalidInput("background", f"{background!r}", remedy) from None
    for fault in background_faults(values, letters):
        raise InvalidInput("background", fault.found, fault.remedy)
    return values


def background_faults(background: Any, alphabet: str) -> Iterator[Fault]:
    """Yield a fault for frequencies that are not one for each letter, or not above 0."""
    if not isinstance(background, Sequence | np.ndarray) or isinstance(background, str):
        return  # which its attribute says
    place, values = "attribute 'background'", np.asarray(background)
    if values.shape != (len(alphabet),):
        yield Fault(place, f"{values.size} numbers", f"give one for each letter of {alphabet!r}")
    elif values.dtype.kind in "iuf" and not (
        (values > 0).all() and abs(values.sum() - 1) <= SUM_TOLERANCE
    ):
        remedy = "use frequencies above 0 that sum to 1"
        yield Fault(place, f"{values.tolist()}", remedy)


def column_information(probability: np.ndarray, background: Sequence[float]) -> np.ndarray:
    """Give the bits by which every column differs from the background.

    The relative entropy of Schneider et al. 1986 (J. Mol. Biol. 188:415): with equal letter
    frequencies, log2 of the number of letters less the entropy of the column.

    Parameters
    ----------
    probability
        (..., letter, motif_position); a column of zeros has none.
    background
        Frequency of every letter.

    Returns
    -------
    float64 (..., motif_position)
    """
    probability = np.asarray(probability, dtype=np.float64)
    frequency = np.asarray(background, dtype=np.float64)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = probability * np.log2(probability / frequency)
    return np.maximum(np.where(probability > 0, bits, 0).sum(axis=-2), 0)
