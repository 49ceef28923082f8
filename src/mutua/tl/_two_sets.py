"""What both comparisons of two sets of sequences share: their arguments, shuffles, odds ratios."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from mutua.blocks import is_chunked
from mutua.errors import InvalidInput
from mutua.kernels.kmer_presence import check_kmer_number
from mutua.kernels.letters import complement_codes, is_nucleotide
from mutua.kernels.random_sequences import derived_seed, kmer_preserving_shuffle
from mutua.kernels.sequence_blocks import BLOCK
from mutua.models import Dataset, SequenceSet
from mutua.models.alphabets import alphabet_name
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import CODES, SEQUENCE
from mutua.tl._counting import SequenceBlocks

__all__ = [
    "TINY",
    "Comparison",
    "code_blocks",
    "compare_lengths",
    "comparison",
    "odds_ratio",
    "shuffled_blocks",
]

TINY: Final = float(np.finfo(np.float64).tiny)
"""The least p-value that is given."""
_LONGER: Final = 0.05  # difference in the number of k-mers per sequence that is worth a warning


class Comparison(NamedTuple):
    """What is counted and how, checked."""

    alphabet: str
    complement: np.ndarray | None
    strand: str
    lengths: list[int]
    n_foreground: int
    n_background: int
    n_shuffles: int
    seed: int


def comparison(
    foreground: Dataset[SequenceSet],
    background: Dataset[SequenceSet] | None,
    k: int | Sequence[int],
    strand: str | None,
    n_shuffles: int,
    seed: int,
) -> Comparison:
    """Check the arguments that both functions take."""
    alphabet = foreground.attrs["alphabet"]
    n_shuffles = whole_number("n_shuffles", n_shuffles, low=1)
    seed = whole_number("seed", seed, low=0)
    lengths = _lengths(k)
    sets = {"foreground": foreground}
    if background is not None:
        sets["background"] = background
        _refuse_unlike(foreground, background)
    elif lengths[0] <= _kept(alphabet):
        raise InvalidInput(
            "k",
            f"{lengths[0]} without a background: shuffles keep these k-mers",
            f"use at least {_kept(alphabet) + 1}, or give a background",
        )
    for argument, sequences in sets.items():
        n, n_positions = sequences[CODES].shape
        if n == 0:
            raise InvalidInput(argument, "no sequences", "give at least one")
        if n_positions < lengths[-1]:
            found = f"{lengths[-1]}, and the sequences of the {argument} have {n_positions} letters"
            raise InvalidInput("k", found, "use shorter k-mers")
    for length in lengths:
        check_kmer_number(length, len(alphabet))
    n = foreground.sizes[SEQUENCE]
    n_other = n * n_shuffles if background is None else background.sizes[SEQUENCE]
    strand, complement = _strands(strand, alphabet)
    return Comparison(alphabet, complement, strand, lengths, n, n_other, n_shuffles, seed)


def _lengths(k: int | Sequence[int]) -> list[int]:
    """Give the lengths of k-mers in order."""
    several = isinstance(k, Sequence | np.ndarray) and not isinstance(k, str)
    lengths = sorted({whole_number("k", one, low=1) for one in (k if several else [k])})  # type: ignore[union-attr]
    if not lengths:
        raise InvalidInput("k", "no length", "give at least one")
    return lengths


def _refuse_unlike(foreground: Dataset[SequenceSet], background: Dataset[SequenceSet]) -> None:
    """Refuse sets that cannot be compared, or need not be."""
    letters, others = foreground.attrs["alphabet"], background.attrs["alphabet"]
    if letters != others:
        found = f"the alphabet {alphabet_name(others)!r}, and the foreground has "
        found += f"{alphabet_name(letters)!r}"
        raise InvalidInput("background", found, "use sequences over one alphabet")
    own, other = foreground[CODES].variable, background[CODES].variable
    lazy = any(is_chunked(part.data) for part in (own, other))
    if own.data is other.data or (not lazy and np.array_equal(own.values, other.values)):
        raise InvalidInput(
            "background", "the sequences of the foreground", "give others, or none for shuffles"
        )


def _strands(strand: str | None, alphabet: str) -> tuple[str, np.ndarray | None]:
    """Give which strands are looked at, and the complement of each letter if both."""
    if strand is None:
        strand = "both" if is_nucleotide(alphabet) and "T" in alphabet.upper() else "forward"
    if one_of("strand", strand, ["both", "forward"]) == "forward":
        return strand, None
    try:
        return strand, complement_codes(alphabet)
    except InvalidInput:
        found = f"'both', and the alphabet {alphabet_name(alphabet)!r} has no complement"
        raise InvalidInput("strand", found, "use 'forward'") from None


def _kept(alphabet: str) -> int:
    """Give the length of the k-mers whose number shuffles keep.

    Of a short sequence over many letters, shuffles that keep pairs of letters change nothing.
    """
    return 2 if is_nucleotide(alphabet) else 1


def code_blocks(sequences: Dataset[SequenceSet]) -> Iterator[np.ndarray]:
    """Give the codes block by block."""
    blocks = SequenceBlocks(sequences[CODES], None, BLOCK)
    for number_ in range(-(-blocks.n_sequences // blocks.block_size)):
        yield blocks.block(number_)


def shuffled_blocks(sequences: Dataset[SequenceSet], task: Comparison) -> Iterator[np.ndarray]:
    """Give every block shuffled, as often as asked for."""
    seeds = [int(derived_seed(task.seed, f"background {i}")) for i in range(task.n_shuffles)]
    start, kept = 0, _kept(task.alphabet)
    for block in code_blocks(sequences):
        for seed in seeds:
            yield kmer_preserving_shuffle(block, k=kept, seed=seed, first_sequence=start)
        start += len(block)


def compare_lengths(own: float, other: float) -> None:
    """Refuse sets without a known letter, and warn where one has more places for a k-mer.

    Parameters
    ----------
    own, other
        Places in a sequence of the foreground and of the background, on average.
    """
    for argument, places in (("foreground", own), ("background", other)):
        if places == 0:
            found = "no k-mer whose letters are all known"
            raise InvalidInput(argument, found, "use shorter k-mers or other sequences")
    if abs(own - other) > _LONGER * max(own, other):
        longer, shorter = ("foreground", "background")[:: 1 if own > other else -1]
        warnings.warn(
            f"the sequences of the {longer} are {max(own, other) / min(own, other):.3g} times as "
            f"long as those of the {shorter} and have more of every k-mer, which p-values take "
            "for enrichment or hide. Cut them to one length, or leave the background out to "
            "compare with shuffles",
            UserWarning,
            stacklevel=4,
        )


def odds_ratio(a: np.ndarray, b: np.ndarray, n_own: int, n_other: int) -> np.ndarray:
    """Give odds ratios with 1/2 added to all four numbers (Haldane 1956, Anscombe 1956)."""
    return np.asarray((a + 0.5) * (n_other - b + 0.5) / ((n_own - a + 0.5) * (b + 0.5)))
