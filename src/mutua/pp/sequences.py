"""Make random sequences, shuffle and turn them, and give them as arrays or text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mutua.blocks import map_rows
from mutua.errors import InvalidInput
from mutua.kernels import letters, random_sequences as kernels
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.alphabets import resolve_alphabet, unknown_symbol
from mutua.models.arguments import whole_number
from mutua.models.dims import CODES, POSITION, PREDICTION, SEQUENCE, TARGET, TRACKS

__all__ = ["one_hot", "random_sequences", "reverse_complement", "shuffle", "to_strings"]

Background = Mapping[str, float] | Sequence[float] | np.ndarray


@checked
def random_sequences(
    n: int,
    *,
    length: int,
    alphabet: str = "DNA",
    background: Background | None = None,
    seed: int = 0,
) -> Dataset[SequenceSet]:
    """Draw sequences of independent letters.

    Parameters
    ----------
    n
        Number of sequences.
    length
        Letters of each.
    alphabet
        ``"DNA"``, ``"RNA"``, ``"protein"`` or the letters.
    background
        Frequency of each letter: a mapping of letters, or numbers in the order of the alphabet,
        that sum to 1. By default all are equally frequent.
    seed
        The same seed gives the same sequences, and the first n of any larger number.

    Returns
    -------
    SequenceSet
        (sequence, position).

    Raises
    ------
    InvalidInput
        For numbers below 1 or a background that is no distribution over the alphabet.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(3, length=8, seed=0)
    >>> mt.pp.to_strings(seqs)
    ['ATCTGCTC', 'AGCTCCGT', 'GTCAGTTA']
    """
    n = whole_number("n", n, low=1)
    length = whole_number("length", length, low=1)
    chosen = resolve_alphabet(alphabet)
    frequencies = _frequencies(background, chosen)
    codes = kernels.random_codes(n, length, frequencies, seed=whole_number("seed", seed, low=0))
    element = xr.Dataset({CODES: ((SEQUENCE, POSITION), codes)}, attrs={"alphabet": chosen})
    return as_kind(SequenceSet, element)


def _frequencies(background: Background | None, alphabet: str) -> np.ndarray:
    if background is None:
        return np.full(len(alphabet), 1 / len(alphabet))
    if isinstance(background, Mapping):
        if sorted(background) != sorted(alphabet):
            raise InvalidInput(
                "background",
                f"letters {sorted(background)}",
                f"give one number for each of {alphabet}",
            )
        background = [background[letter] for letter in alphabet]
    values = np.asarray(background, dtype=float)
    if values.shape != (len(alphabet),):
        raise InvalidInput(
            "background", f"{values.size} numbers", f"give one for each of {alphabet}"
        )
    if not np.isfinite(values).all() or (values < 0).any() or abs(values.sum() - 1) > 1e-4:
        raise InvalidInput(
            "background", f"{values.tolist()}", "use frequencies from 0 to 1 that sum to 1"
        )
    return values


def replaced_codes(
    sequences: Dataset[SequenceSet], codes: Any, *, drop: Sequence[str] = (PREDICTION, TARGET)
) -> Dataset[SequenceSet]:
    """Give the set with other codes, less what no longer holds for them."""
    kept = sequences.drop_vars([name for name in drop if name in sequences.variables])
    variable = xr.Variable((SEQUENCE, POSITION), codes, sequences[CODES].attrs)
    return as_kind(SequenceSet, kept.assign({CODES: variable}))


@checked
def shuffle(sequences: Dataset[SequenceSet], *, k: int = 1, seed: int = 0) -> Dataset[SequenceSet]:
    """Shuffle the letters of every sequence, keeping the number of each of its k-mers exactly.

    Parameters
    ----------
    sequences
        (sequence, position); dask-backed sets are shuffled chunk by chunk.
    k
        1 permutes the letters; 2 keeps the dinucleotides, 3 the trinucleotides and so on. Every
        sequence with the same k-mers is equally likely.
    seed
        Seed. The result depends neither on threads nor on chunks.

    Returns
    -------
    SequenceSet
        Predictions are dropped: they were made for other sequences.

    Raises
    ------
    InvalidInput
        If `k` is not a whole number of at least 1.

    References
    ----------
    Kandel et al. 1996, Discrete Applied Mathematics 71:171; Jiang et al. 2008, BMC
    Bioinformatics 9:192.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["AACAGATA"])
    >>> shuffled = mt.pp.to_strings(mt.pp.shuffle(seqs, k=2, seed=2))[0]
    >>> sorted(shuffled[i:i + 2] for i in range(7))
    ['AA', 'AC', 'AG', 'AT', 'CA', 'GA', 'TA']
    """
    k = whole_number("k", k, low=1)
    seed = whole_number("seed", seed, low=0)

    def one_block(codes: np.ndarray, first_row: int) -> np.ndarray:
        return kernels.kmer_preserving_shuffle(codes, k=k, seed=seed, first_sequence=first_row)

    codes = sequences[CODES]
    shuffled = map_rows(one_block, codes.data, shape=codes.shape[1:], dtype=np.uint8)
    return replaced_codes(sequences, shuffled)


@checked
def reverse_complement(sequences: Dataset[SequenceSet]) -> Dataset[SequenceSet]:
    """Give the opposite strand of every sequence, read from its own 5' end.

    Unknown letters stay unknown, padding changes sides, ``strand`` is swapped, tracks are turned
    around, and predictions, which were made for the other strand, are dropped.

    Parameters
    ----------
    sequences
        DNA or RNA.

    Returns
    -------
    SequenceSet

    Raises
    ------
    InvalidInput
        For an alphabet without complements.

    Examples
    --------
    >>> import mutua as mt
    >>> mt.pp.to_strings(mt.pp.reverse_complement(mt.from_strings(["AACGN"])))
    ['NCGTT']
    """
    partner = letters.complement_codes(sequences.attrs["alphabet"])
    codes = sequences[CODES]

    def one_block(block: np.ndarray, first_row: int) -> np.ndarray:
        return letters.reverse_complement(np.ascontiguousarray(block), partner)

    turned = map_rows(one_block, codes.data, shape=codes.shape[1:], dtype=np.uint8)
    result = replaced_codes(sequences, turned, drop=(PREDICTION, TARGET, POSITION))
    if TRACKS in result:
        result = result.assign({TRACKS: result[TRACKS].isel({POSITION: slice(None, None, -1)})})
    if "strand" in result.coords:
        swap = {"+": "-", "-": "+"}
        names = [swap.get(str(strand), str(strand)) for strand in result["strand"].values]
        result = result.assign_coords(strand=(SEQUENCE, names))
    return as_kind(SequenceSet, result)


def one_hot(
    sequences: Dataset[SequenceSet], *, dtype: Any = np.float32, as_tensor: bool = False
) -> Any:
    """Give the sequences as a one-hot array, letters before positions.

    Parameters
    ----------
    sequences
        (sequence, position).
    dtype
        Any boolean, integer or floating numpy dtype.
    as_tensor
        Give a torch tensor.

    Returns
    -------
    numpy array, torch tensor, or dask array for a dask-backed set
        (sequence, letter, position); unknown letters and padding are columns of zeros.

    Raises
    ------
    InvalidElement
        If it is no sequence set.

    Examples
    --------
    >>> import mutua as mt
    >>> mt.pp.one_hot(mt.from_strings(["AC"]), dtype="uint8")
    array([[[1, 0],
            [0, 1],
            [0, 0],
            [0, 0]]], dtype=uint8)
    """
    SequenceSet.check(sequences, where="argument `sequences` of pp.one_hot")
    size = len(sequences.attrs["alphabet"])

    def one_block(codes: np.ndarray, first_row: int) -> np.ndarray:
        return letters.one_hot(np.ascontiguousarray(codes), size, dtype)

    codes = sequences[CODES]
    columns = map_rows(one_block, codes.data, shape=(size, codes.shape[1]), dtype=np.dtype(dtype))
    if not as_tensor:
        return columns
    import torch

    return torch.from_numpy(np.asarray(columns))


def to_strings(sequences: Dataset[SequenceSet], *, padding: str = "") -> list[str]:
    """Give the sequences as text.

    Parameters
    ----------
    sequences
        (sequence, position).
    padding
        A character to write where a sequence is padded; by default nothing.

    Returns
    -------
    list of str
        Unknown letters are N in DNA and RNA and X in protein.

    Raises
    ------
    InvalidElement
        If it is no sequence set.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["ACG", "TN"], pad="right")
    >>> mt.pp.to_strings(seqs)
    ['ACG', 'TN']
    >>> mt.pp.to_strings(seqs, padding="-")
    ['ACG', 'TN-']
    """
    SequenceSet.check(sequences, where="argument `sequences` of pp.to_strings")
    if not isinstance(padding, str) or len(padding) > 1 or not padding.isascii():
        raise InvalidInput("padding", f"{padding!r}", "use one ASCII character or none")
    alphabet = sequences.attrs["alphabet"]
    text = letters.decode(
        np.ascontiguousarray(sequences[CODES].values),
        alphabet,
        unknown=unknown_symbol(alphabet),
        padding=padding or None,
    )
    return [row.decode("ascii") for row in text.tolist()]
