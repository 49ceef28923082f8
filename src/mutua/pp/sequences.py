"""Make random sequences, shuffle and turn them, and give them as arrays or text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import xarray as xr

from mutua.blocks import map_rows
from mutua.errors import InvalidInput
from mutua.kernels import letters
from mutua.kernels import random_sequences as kernels
from mutua.models import Dataset, MotifSet, SequenceSet, as_kind, checked
from mutua.models.alphabets import resolve_alphabet, unknown_symbol
from mutua.models.arguments import whole_number
from mutua.models.dims import CODES, POSITION, PROBABILITY, SEQUENCE, TARGET
from mutua.pp._parts import (
    MOTIF,
    along,
    codes_variable,
    complement,
    opposite_strand,
    replaced_codes,
)
from mutua.pp.motif_sets import turned_motifs

__all__ = ["one_hot", "random_sequences", "reverse_complement", "shuffle", "to_strings"]

S = TypeVar("S", SequenceSet, MotifSet)
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
        Number of sequences, at least 1.
    length
        Letters of each, at least 1.
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
    ['ATCTGCTA', 'AGCTCCAG', 'ACGTACCA']
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
        if set(background) != set(alphabet):
            raise InvalidInput(
                "background",
                f"letters {list(background)}",
                f"give one number for each of {alphabet}",
            )
        background = [background[letter] for letter in alphabet]
    try:
        values = np.asarray(background, dtype=float)
    except (TypeError, ValueError):
        raise InvalidInput(
            "background", f"{background!r}", f"give one number for each of {alphabet}"
        ) from None
    if values.shape != (len(alphabet),):
        raise InvalidInput(
            "background", f"{values.size} numbers", f"give one for each of {alphabet}"
        )
    if not np.isfinite(values).all() or (values < 0).any() or abs(values.sum() - 1) > 1e-4:
        raise InvalidInput(
            "background", f"{values.tolist()}", "use frequencies from 0 to 1 that sum to 1"
        )
    return values


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
        Padding stays where it is, unknown letters count as one more letter. What was made for the
        letters before is dropped: predictions, weights, places of motifs, ``tracks`` and other
        variables along ``position``. Names, coordinates of the positions and variables along
        ``sequence`` stay; ``chrom``, ``start``, ``end`` and ``strand`` say where each sequence
        came from.

    Raises
    ------
    InvalidInput
        If `k` is not a whole number of at least 1, or `seed` not one from 0 to 2**64 - 1.

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
    return replaced_codes(sequences, shuffled, in_place=False)


@checked
def reverse_complement(sequences: Dataset[S]) -> Dataset[S]:
    """Give the opposite strand of every sequence or motif, read from its own 5' end.

    Unknown letters stay unknown, padding changes sides, ``strand`` is swapped (a region without
    one is taken to be on +), and ``tracks`` and whatever else lies along ``position`` are turned
    around. Predictions, places of motifs and the numbers ``position``, which hold for the other
    strand, are dropped; weights stay, for sequences are as much alike as before.

    Of motifs the probabilities and contributions are turned around, with the background;
    activations of neurons are dropped.

    Parameters
    ----------
    sequences
        Sequences or motifs of DNA or RNA; a dask-backed sequence set stays lazy.

    Returns
    -------
    SequenceSet or MotifSet

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
    given: Any = sequences
    turn = turned_motifs if PROBABILITY in given else _opposite_sequences
    return cast("Dataset[S]", turn(given))


def _opposite_sequences(sequences: Dataset[SequenceSet]) -> Dataset[SequenceSet]:
    """Give the opposite strand of every sequence."""
    partner = complement(sequences.attrs["alphabet"], "sequences")
    codes = sequences[CODES]

    def one_block(block: np.ndarray, first_row: int) -> np.ndarray:
        return letters.reverse_complement(np.ascontiguousarray(block), partner)

    turned = map_rows(one_block, codes.data, shape=codes.shape[1:], dtype=np.uint8)
    stale = along(sequences, TARGET, MOTIF) | {POSITION}
    result: xr.Dataset = sequences.drop_vars(stale, errors="ignore")
    result = result.isel({POSITION: slice(None, None, -1)})
    result = result.assign({CODES: codes_variable(sequences, turned)})
    return as_kind(SequenceSet, result.assign_coords(opposite_strand(sequences)))


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
        Give a torch tensor; a lazy set is computed. What tangermeme takes is
        ``one_hot(sequences, dtype="int8", as_tensor=True)``.

    Returns
    -------
    numpy array, torch tensor, or dask array for a dask-backed set
        (sequence, letter, position); unknown letters and padding are columns of zeros.

    Raises
    ------
    InvalidElement
        If it is no sequence set.
    InvalidInput
        For any other dtype.

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
    kind = _one_hot_dtype(dtype)
    if not isinstance(as_tensor, bool):
        raise InvalidInput("as_tensor", f"{as_tensor!r}", "use True or False")

    def one_block(codes: np.ndarray, first_row: int) -> np.ndarray:
        return letters.one_hot(np.ascontiguousarray(codes), size, kind)

    codes = sequences[CODES]
    columns = map_rows(one_block, codes.data, shape=(size, codes.shape[1]), dtype=kind)
    if not as_tensor:
        return columns
    import torch

    return torch.from_numpy(np.asarray(columns))


def _one_hot_dtype(dtype: Any) -> np.dtype:
    kind: np.dtype
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind.kind not in "biuf":
        raise InvalidInput("dtype", f"{dtype!r}", "use a boolean, integer or floating numpy dtype")
    return kind


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
        Unknown letters are N in DNA and RNA and X in protein. A lazy set is computed.

    Raises
    ------
    InvalidElement
        If it is no sequence set.
    InvalidInput
        If `padding` is longer than one character.

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
    printable = isinstance(padding, str) and padding.isascii() and padding.isprintable()
    if not printable or len(padding) > 1:
        raise InvalidInput("padding", f"{padding!r}", "use one printable ASCII character or none")
    alphabet = sequences.attrs["alphabet"]
    text = letters.decode(
        np.ascontiguousarray(sequences[CODES].values),
        alphabet,
        unknown=unknown_symbol(alphabet),
        padding=padding or None,
    )
    return [row.decode("ascii") for row in text.tolist()]
