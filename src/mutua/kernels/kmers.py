"""K-mer codes of a set of sequences, one column per position."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels.threads import Workers

__all__ = ["fill_kmer_codes", "kmer_codes", "kmer_dtype"]

MAX_ALPHABET = 254  # the letter codes 254 (unknown) and 255 (padding) are no letters
TILE = 256  # sequences transposed at a time: a tile of a few hundred positions stays in L2


def kmer_dtype(k: int, alphabet_size: int) -> np.dtype[Any]:
    """Give the smallest unsigned dtype that holds every k-mer code and the missing code.

    The codes are ``0 .. alphabet_size**k - 1``; ``alphabet_size**k`` itself stands for a k-mer
    with a missing letter.

    Raises
    ------
    InvalidInput
        `k` is below 1, or `alphabet_size` is not in 2..254.
    MemoryLimit
        There are more k-mers than 32 bits can number.

    Examples
    --------
    >>> kmer_dtype(3, 4), kmer_dtype(4, 4)
    (dtype('uint8'), dtype('uint16'))
    """
    if k < 1:
        raise InvalidInput("k", f"{k}", "use a k-mer length of at least 1")
    if not 2 <= alphabet_size <= MAX_ALPHABET:
        raise InvalidInput(
            "alphabet_size", f"{alphabet_size}", f"use a number of letters in 2..{MAX_ALPHABET}"
        )
    for dtype in (np.uint8, np.uint16, np.uint32):
        if alphabet_size**k <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    fits = max(length for length in range(1, k) if alphabet_size**length < 2**32)
    raise MemoryLimit(
        "k",
        f"{k}, of which an alphabet of {alphabet_size} letters makes {alphabet_size**k:.2g} k-mers",
        f"use k <= {fits}",
    )


def kmer_codes(codes: NDArray[np.uint8], k: int, alphabet_size: int) -> NDArray[Any]:
    """Give the k-mer at every position of every sequence, position-major.

    Parameters
    ----------
    codes
        (n_sequences, n_positions) uint8, letter codes ``0 .. alphabet_size - 1``; any other
        value is a missing letter. May be a view with any strides.
    k
        Length of the k-mers.
    alphabet_size
        Number of letters. A caller that counts gaps as a symbol of their own gives them a code
        and one letter more.

    Returns
    -------
    NDArray
        (n_positions - k + 1, n_sequences), of the dtype that `kmer_dtype` gives. The first
        letter is the most significant digit. A k-mer with a missing letter is
        ``alphabet_size**k``.

    Raises
    ------
    InvalidInput
        `codes` is not a two-dimensional uint8 array with at least `k` positions, or `k` or
        `alphabet_size` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> kmer_codes(np.array([[0, 1, 2, 3], [3, 3, 254, 0]], dtype=np.uint8), 2, 4)
    array([[ 1, 15],
           [ 6, 16],
           [11, 16]], dtype=uint8)
    """
    dtype = kmer_dtype(k, alphabet_size)
    if codes.ndim != 2 or codes.dtype != np.uint8:
        raise InvalidInput(
            "codes",
            f"a {codes.ndim}-dimensional array of {codes.dtype}",
            "give letter codes as uint8 (sequence, position)",
        )
    n_sequences, n_positions = codes.shape
    if n_positions < k:
        raise InvalidInput(
            "k", f"{k}, longer than the sequences ({n_positions} positions)", "use a smaller k"
        )
    columns = np.empty((n_positions - k + 1, n_sequences), dtype)
    with Workers() as workers:
        fill_kmer_codes(codes, k, alphabet_size, columns, 0, workers)
    return columns


def fill_kmer_codes(
    codes: NDArray[np.uint8],
    k: int,
    alphabet_size: int,
    columns: NDArray[Any],
    offset: int,
    workers: Workers,
) -> None:
    """Write the k-mer codes of `codes` into `columns` (position, sequence), from `offset` on."""
    n_tiles = -(-codes.shape[0] // TILE)
    workers.run(
        _fill_tiles,
        [(codes, k, alphabet_size, columns, offset, *part) for part in workers.slices(n_tiles)],
    )


@njit(nogil=True, cache=True)
def _fill_tiles(
    codes: NDArray[np.uint8],
    k: int,
    alphabet_size: int,
    columns: NDArray[Any],
    offset: int,
    first: int,
    step: int,
) -> None:
    """Transpose every `step`-th tile of sequences in cache and number its k-mers there."""
    n_sequences, n_letters = codes.shape
    missing = np.uint32(alphabet_size**k)
    size = np.uint32(alphabet_size)
    letters = np.empty((n_letters, TILE), np.uint8)
    highest = np.empty(TILE, np.uint8)
    code = np.empty(TILE, np.uint32)
    for start in range(first * TILE, n_sequences, step * TILE):
        tile = codes[start : start + TILE]
        width = tile.shape[0]
        for p in range(n_letters):
            for s in range(width):
                letters[p, s] = tile[s, p]
        for p in range(columns.shape[0]):
            highest[:] = 0
            code[:] = 0
            for q in range(p, p + k):
                letter = letters[q]
                for s in range(width):
                    highest[s] = max(highest[s], letter[s])
                for s in range(width):
                    code[s] = code[s] * size + np.uint32(letter[s])
            column = columns[p, offset + start : offset + start + width]
            for s in range(width):
                column[s] = code[s] if highest[s] < size else missing
