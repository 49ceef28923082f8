"""Random sequences: shuffles that keep the number of every k-mer, and letters drawn at random.

Every sequence has a random stream of its own, made from the seed and the number of the sequence:
the same bits come out whatever the number of threads and however the sequences are chunked.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.errors import InvalidInput
from mutua.kernels.letters import PADDING, check_codes
from mutua.kernels.rows import over_rows

__all__ = [
    "check_seed",
    "derived_seed",
    "kmer_preserving_shuffle",
    "mix64",
    "random_codes",
    "random_stream",
    "sample_letters",
]

Codes = npt.NDArray[np.uint8]
Nodes = npt.NDArray[Any]
State = npt.NDArray[np.uint64]

# splitmix64: Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_LOW_32 = np.uint64(2**32 - 1)
_S27, _S30, _S31, _S32, _S56 = (np.uint64(shift) for shift in (27, 30, 31, 32, 56))


@njit(cache=True, nogil=True)
def mix64(x: np.uint64) -> np.uint64:
    """Scramble 64 bits, one to one."""
    x = (x ^ (x >> _S30)) * _MIX_A
    x = (x ^ (x >> _S27)) * _MIX_B
    return x ^ (x >> _S31)


@njit(cache=True, nogil=True)
def random_stream(seed: np.uint64, index: int) -> np.uint64:
    """Give the start of the random stream number `index` of a seed, uint64.

    The draw number c (from 0) of the stream is ``mix64(stream + (c + 1) * gamma)``.
    """
    return mix64(mix64(np.uint64(seed) + _GAMMA) + (np.uint64(index) + np.uint64(1)) * _GAMMA)


@njit(cache=True, nogil=True)
def _random_below(state: State, bound: int) -> np.int64:
    """Draw a whole number in [0, bound) without bias (Lemire 2019) and advance ``state[0]``."""
    n = np.uint64(bound)
    while True:
        state[0] += _GAMMA
        product = (mix64(state[0]) >> _S32) * n
        low = product & _LOW_32
        if low >= n or low >= (_LOW_32 + np.uint64(1) - n) % n:
            return np.int64(product >> _S32)


def check_seed(seed: int) -> np.uint64:
    """Give the seed as uint64.

    Raises
    ------
    InvalidInput
        If it is not a whole number from 0 to 2**64 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise InvalidInput("seed", f"{seed!r}", "use a whole number from 0 to 2**64 - 1")
    return np.uint64(seed)


def derived_seed(seed: int, purpose: str) -> np.uint64:
    """Give another seed for each purpose, so that two functions called with one seed differ.

    Without it, a shuffle would use the very numbers that the letters were drawn with.

    Examples
    --------
    >>> int(derived_seed(0, "shuffle")), int(derived_seed(0, "evolve"))
    (9050742962422426722, 12204850748351350122)
    """
    digest = hashlib.blake2b(f"{purpose} {int(check_seed(seed))}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def kmer_preserving_shuffle(codes: Codes, *, k: int, seed: int, first_sequence: int = 0) -> Codes:
    """Shuffle every sequence, keeping the number of each of its k-mers.

    Every order of the letters with the same number of each k-mer, and of each shorter one, is
    equally likely; these are the orders that also begin and end with the same k - 1 letters. A
    sequence is a walk over its (k-1)-mers, and the shuffle draws a uniform random Eulerian walk:
    a random tree of last exits (Wilson's algorithm), then the other exits in random order
    [1]_ [2]_. For k = 1 it is a plain permutation.

    Unknown letters (254) count as one more letter. Padding (255) at the ends stays where it is.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    k
        Length of the words whose numbers are kept, at least 1; 2 keeps the dinucleotides.
    seed
        Whole number from 0 to 2**64 - 1.
    first_sequence
        Number of the first row among all sequences, for data that are shuffled in chunks.

    Returns
    -------
    uint8 array (sequence, position)

    Raises
    ------
    InvalidInput
        If `k`, `seed` or `codes` cannot be used.

    References
    ----------
    .. [1] Kandel, Matias, Unger and Winkler 1996, Discrete Applied Mathematics 71:171-185.
    .. [2] Jiang, Anderson, Gillespie and Mayne 2008, BMC Bioinformatics 9:192.

    Examples
    --------
    >>> codes = np.array([[0, 1, 0, 2, 0, 3, 0, 255]], np.uint8)
    >>> kmer_preserving_shuffle(codes, k=2, seed=1)
    array([[  0,   2,   0,   1,   0,   3,   0, 255]], dtype=uint8)
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise InvalidInput("k", f"{k!r}", "use a whole number of at least 1")
    shuffled = check_codes(codes).copy()
    stream = derived_seed(seed, "shuffle")
    arguments = (stream, first_sequence, int(k), shuffled)
    cost = (2 if k == 1 else 12) * shuffled.shape[1]
    over_rows(_shuffle_rows, len(shuffled), *arguments, row_cost=cost)
    return shuffled


@njit(cache=True, nogil=True)
def _shuffle_rows(
    start: int, stop: int, seed: np.uint64, first_sequence: int, k: int, codes: Codes
) -> None:
    width = codes.shape[1]
    n_slots = 4
    while n_slots < 2 * width:
        n_slots *= 2
    slots = np.empty(n_slots, np.int32)
    node_at = np.empty(width + 1, np.int32)
    found_at = np.empty(width + 1, np.int32)
    last_letter = np.empty(width + 1, np.uint8)
    begin = np.empty(width + 2, np.int32)
    successors = np.empty(width + 1, np.int32)
    last_exit = np.empty(width + 1, np.int32)
    in_tree = np.empty(width + 1, np.bool_)
    state = np.empty(1, np.uint64)
    for i in range(start, stop):
        left, right = 0, width
        while left < right and codes[i, left] == PADDING:
            left += 1
        while left < right and codes[i, right - 1] == PADDING:
            right -= 1
        letters = codes[i, left:right]
        state[0] = random_stream(seed, first_sequence + i)
        if k == 1:
            _permute(letters, 0, letters.size, state)
        elif letters.size > k:
            n_nodes = _number_words(letters, k - 1, slots, node_at, found_at, last_letter)
            n_steps = letters.size - k + 1
            _list_successors(node_at, n_steps, n_nodes, begin, successors)
            end = node_at[n_steps]
            _draw_last_exits(begin, successors, n_nodes, end, state, last_exit, in_tree)
            _order_exits(begin, successors, n_nodes, end, state, last_exit)
            here = node_at[0]
            for step in range(n_steps):
                begin[here] += 1
                here = successors[begin[here] - 1]
                letters[k - 1 + step] = last_letter[here]


@njit(cache=True, nogil=True)
def _permute(values: Nodes, start: int, stop: int, state: State) -> None:
    for i in range(stop - 1, start, -1):
        j = start + _random_below(state, i - start + 1)
        values[i], values[j] = values[j], values[i]


@njit(cache=True, nogil=True)
def _number_words(
    letters: Codes, length: int, slots: Nodes, node_at: Nodes, found_at: Nodes, last_letter: Codes
) -> int:
    """Give every distinct word of `length` letters a number, by a hash table; say how many."""
    slots[:] = -1
    n_nodes = 0
    for p in range(letters.size - length + 1):
        key = np.uint64(0)
        for q in range(p, p + length):
            key = mix64(key + np.uint64(letters[q]) + _GAMMA)
        slot = np.int64(key & np.uint64(slots.size - 1))
        while slots[slot] >= 0 and not _same_word(letters, p, found_at[slots[slot]], length):
            slot = (slot + 1) & (slots.size - 1)
        if slots[slot] < 0:
            slots[slot] = n_nodes
            found_at[n_nodes] = p
            last_letter[n_nodes] = letters[p + length - 1]
            n_nodes += 1
        node_at[p] = slots[slot]
    return n_nodes


@njit(cache=True, nogil=True)
def _same_word(letters: Codes, p: int, q: int, length: int) -> bool:
    for j in range(length):  # noqa: SIM110 (numba has no generator expressions)
        if letters[p + j] != letters[q + j]:
            return False
    return True


@njit(cache=True, nogil=True)
def _list_successors(
    node_at: Nodes, n_steps: int, n_nodes: int, begin: Nodes, successors: Nodes
) -> None:
    """List what follows each node: node v is followed by successors[begin[v]:begin[v + 1]]."""
    begin[: n_nodes + 1] = 0
    for p in range(n_steps):
        begin[node_at[p]] += 1
    for node in range(1, n_nodes + 1):
        begin[node] += begin[node - 1]
    for p in range(n_steps - 1, -1, -1):
        begin[node_at[p]] -= 1
        successors[begin[node_at[p]]] = node_at[p + 1]


@njit(cache=True, nogil=True)
def _draw_last_exits(
    begin: Nodes,
    successors: Nodes,
    n_nodes: int,
    end: int,
    state: State,
    last_exit: Nodes,
    in_tree: Nodes,
) -> None:
    """Draw a uniform random tree towards `end`: loop-erased random walks (Wilson 1996)."""
    in_tree[:n_nodes] = False
    in_tree[end] = True
    for node in range(n_nodes):
        here = node
        while not in_tree[here]:
            last_exit[here] = begin[here] + _random_below(state, begin[here + 1] - begin[here])
            here = successors[last_exit[here]]
        here = node
        while not in_tree[here]:
            in_tree[here] = True
            here = successors[last_exit[here]]


@njit(cache=True, nogil=True)
def _order_exits(
    begin: Nodes, successors: Nodes, n_nodes: int, end: int, state: State, last_exit: Nodes
) -> None:
    """Put the exits of every node in random order, with its last exit last."""
    for node in range(n_nodes):
        stop = begin[node + 1]
        if node != end:
            stop -= 1
            last = last_exit[node]
            successors[stop], successors[last] = successors[last], successors[stop]
        _permute(successors, begin[node], stop, state)


def sample_letters(
    probabilities: npt.ArrayLike, n: int, *, seed: int, first_sequence: int = 0
) -> Codes:
    """Draw sequences whose letters at each position follow that column of probabilities.

    Parameters
    ----------
    probabilities
        float (letter, position): columns that sum to 1 (within 1e-4; scaled to 1).
    n
        Number of sequences.
    seed
        Whole number from 0 to 2**64 - 1. The letter at a position of a sequence depends on the
        seed and these two numbers alone: the same bits come out for any number of threads,
        however the sequences are chunked, and for longer sequences.
    first_sequence
        Number of the first sequence drawn, for sequences drawn in chunks.

    Returns
    -------
    uint8 array (sequence, position)

    Raises
    ------
    InvalidInput
        If a column is not a probability distribution.

    Examples
    --------
    >>> sample_letters([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]], 2, seed=0)
    array([[0, 1, 0],
           [0, 1, 0]], dtype=uint8)
    """
    columns = np.asarray(probabilities, np.float64)
    return _sample(columns, n, columns.shape[-1], seed, first_sequence)


def random_codes(
    n: int, length: int, probabilities: npt.ArrayLike, *, seed: int, first_sequence: int = 0
) -> Codes:
    """Draw sequences of independent letters with the same probabilities at every position.

    Parameters
    ----------
    n, length
        Number and length of the sequences.
    probabilities
        float (letter,), summing to 1 (within 1e-4; scaled to 1).
    seed, first_sequence
        As for :func:`sample_letters`.

    Returns
    -------
    uint8 array (sequence, position)

    Raises
    ------
    InvalidInput
        If `probabilities` is not a probability distribution.

    Examples
    --------
    >>> random_codes(2, 6, [0.25, 0.25, 0.25, 0.25], seed=0)
    array([[0, 3, 1, 3, 2, 1],
           [0, 2, 1, 3, 1, 1]], dtype=uint8)
    """
    return _sample(
        np.asarray(probabilities, np.float64)[..., None], n, length, seed, first_sequence
    )


def _sample(
    columns: npt.NDArray[np.float64], n: int, length: int, seed: int, first_sequence: int
) -> Codes:
    if columns.ndim != 2 or not 0 < columns.shape[0] <= 254:
        raise InvalidInput(
            "probabilities", f"shape {columns.shape}", "pass one probability for each letter"
        )
    sums = columns.sum(axis=0)
    if not ((columns >= 0).all() and (abs(sums - 1) < 1e-4).all()):
        raise InvalidInput(
            "probabilities",
            f"negative or NaN, or sums to {sums[np.argmax(abs(sums - 1))]}",
            "pass probabilities that sum to 1",
        )
    # A draw of 64 bits takes the first letter whose bound lies above it; the last letter that can
    # occur takes the rest. The guide gives the letter to begin with for the draw's top 8 bits.
    upper = np.cumsum(columns / sums, axis=0).T
    bounds = np.minimum(upper * 2.0**64, 2.0**64 - 2**11).astype(np.uint64)
    last = columns.shape[0] - 1 - np.argmax(columns[::-1] > 0, axis=0)
    tops = np.arange(256, dtype=np.uint64) << _S56
    guide = np.stack([np.searchsorted(bound, tops, side="right") for bound in bounds])
    guide = np.minimum(guide, last[:, None]).astype(np.uint8)
    codes = np.empty((n, length), np.uint8)
    arguments = (check_seed(seed), first_sequence, bounds, last, guide, codes)
    over_rows(_sample_rows, n, *arguments, row_cost=3 * length)
    return codes


@njit(cache=True, nogil=True)
def _sample_rows(
    start: int,
    stop: int,
    seed: np.uint64,
    first_sequence: int,
    bounds: npt.NDArray[np.uint64],
    last: Nodes,
    guide: Codes,
    codes: Codes,
) -> None:
    for i in range(start, stop):
        state = random_stream(seed, first_sequence + i)
        for j in range(codes.shape[1]):
            column = j if len(bounds) > 1 else 0
            state += _GAMMA
            draw = mix64(state)
            letter = guide[column, draw >> _S56]
            while letter < last[column] and draw >= bounds[column, letter]:
                letter += 1
            codes[i, j] = letter
