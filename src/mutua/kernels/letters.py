"""Letters as small integers: encode, decode, one-hot, reverse complement.

A code is one uint8: the index of a letter in its alphabet, 254 for an unknown letter, or 255 for
the padding that makes sequences of different lengths rows of one array.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.errors import InvalidInput
from mutua.kernels.rows import over_rows

__all__ = [
    "PADDING",
    "UNKNOWN",
    "check_codes",
    "complement_codes",
    "decode",
    "encode",
    "from_one_hot",
    "has_invalid_code",
    "is_nucleotide",
    "letter_table",
    "one_hot",
    "reverse_complement",
    "spread_rows",
]

Codes = npt.NDArray[np.uint8]
Pad = Literal["left", "right", "center"]
PADS = ("left", "right", "center")

UNKNOWN = np.uint8(254)
PADDING = np.uint8(255)

_PARTNERS = {"A": "T", "C": "G", "G": "C", "T": "A", "U": "A"}
_SCAN = 2**16  # letters looked at before has_invalid_code may stop early


def check_codes(codes: npt.ArrayLike, argument: str = "codes") -> Codes:
    """Give `codes` as a C-contiguous uint8 array (sequence, position).

    Raises
    ------
    InvalidInput
        If it has another number of dims or another dtype.
    """
    array = np.asarray(codes)
    if array.ndim != 2 or array.dtype != np.uint8:
        raise InvalidInput(
            argument,
            f"{array.ndim}-D {array.dtype}",
            "pass letter codes: uint8, (sequence, position)",
        )
    return np.ascontiguousarray(array)


def is_nucleotide(alphabet: str) -> bool:
    """Tell whether the letters of `alphabet` are those of DNA or RNA, in any order and case."""
    letters = {symbol for symbol in alphabet.upper() if symbol.isalpha()}
    return letters in ({"A", "C", "G", "T"}, {"A", "C", "G", "U"})


def letter_table(alphabet: str) -> npt.NDArray[np.uint8]:
    """Give the code of every byte.

    Upper and lower case read the same, unless the alphabet itself holds a letter in both cases.
    In a DNA alphabet U reads as T, and in an RNA alphabet T as U.

    Parameters
    ----------
    alphabet
        1 to 254 different ASCII symbols, e.g. ``"ACGT"``.

    Returns
    -------
    uint8 array (256,)
        Index into `alphabet`, or 254 (unknown) for every other byte.

    Raises
    ------
    InvalidInput
        If the alphabet is empty or repeats a symbol, or a symbol is a space or not ASCII.

    Examples
    --------
    >>> letter_table("ACGT")[list(b"ACGTacgtuN")]
    array([  0,   1,   2,   3,   0,   1,   2,   3,   3, 254], dtype=uint8)
    """
    if not alphabet.isascii() or not alphabet.isprintable() or " " in alphabet or not alphabet:
        raise InvalidInput("alphabet", f"{alphabet!r}", "use printable ASCII symbols, e.g. 'ACGT'")
    if len(set(alphabet)) < len(alphabet):
        raise InvalidInput("alphabet", f"{alphabet!r} repeats a symbol", "name every symbol once")
    table = np.full(256, UNKNOWN)
    cases = [alphabet] if _distinguishes_case(alphabet) else [alphabet.lower(), alphabet.upper()]
    for symbols in cases:
        table[list(symbols.encode())] = np.arange(len(alphabet), dtype=np.uint8)
    if is_nucleotide(alphabet):
        for thymine, uracil in ("TU", "tu"):
            code = min(table[ord(thymine)], table[ord(uracil)])
            table[[ord(thymine), ord(uracil)]] = code
    return table


def _distinguishes_case(alphabet: str) -> bool:
    return len(set(alphabet.upper())) < len(alphabet)


def complement_codes(alphabet: str) -> npt.NDArray[np.uint8]:
    """Give the code of the complement of every letter of a DNA or RNA alphabet.

    Returns
    -------
    uint8 array (len(alphabet),)
        A symbol that is not a letter, e.g. a gap, is its own complement.

    Raises
    ------
    InvalidInput
        If the alphabet is not one of DNA or RNA.

    Examples
    --------
    >>> complement_codes("ACGT")
    array([3, 2, 1, 0], dtype=uint8)
    """
    table = letter_table(alphabet)
    if not is_nucleotide(alphabet) or _distinguishes_case(alphabet):
        raise InvalidInput("alphabet", f"{alphabet!r}", "only DNA and RNA have a complement")
    partners = [_PARTNERS.get(symbol, symbol) for symbol in alphabet.upper()]
    return table[[ord(partner) for partner in partners]]


def encode(text: bytes, table: npt.NDArray[np.uint8]) -> Codes:
    """Give the code of every letter of a text.

    Parameters
    ----------
    text
        ASCII.
    table
        uint8 (256,) from :func:`letter_table`.

    Returns
    -------
    uint8 array (letters,)
        Read-only.

    Examples
    --------
    >>> encode(b"ACGTNA", letter_table("ACGT"))
    array([  0,   1,   2,   3, 254,   0], dtype=uint8)
    """
    return np.frombuffer(text.translate(table.tobytes()), np.uint8)


def spread_rows(codes: Codes, lengths: npt.NDArray[np.int64], *, width: int, pad: Pad) -> Codes:
    """Give records that lie end to end as the rows of one array, in the memory they are in.

    Parameters
    ----------
    codes
        uint8, of at least ``len(lengths) * width`` places, at whose beginning the codes of all
        records lie end to end. What it holds is overwritten.
    lengths
        int64 (records,), none above `width`.
    width
        Length of the rows.
    pad
        The side of a shorter record that is filled with 255. With ``"center"`` both sides are,
        and the right one gets the odd letter.

    Returns
    -------
    uint8 array (records, width)
        A view of `codes`.

    Raises
    ------
    InvalidInput
        If `pad` is none of the three, or the records do not fit.

    Examples
    --------
    >>> codes = np.array([0, 1, 2, 3, 9, 9], np.uint8)
    >>> spread_rows(codes, np.array([1, 3]), width=3, pad="left")
    array([[255, 255,   0],
           [  1,   2,   3]], dtype=uint8)
    """
    if pad not in PADS:
        raise InvalidInput("pad", f"{pad!r}", f"use one of {list(PADS)}")
    lengths = np.ascontiguousarray(lengths, dtype=np.int64)
    if lengths.max(initial=0) > width or codes.size < lengths.size * width:
        raise InvalidInput(
            "width",
            f"{width} for records of up to {lengths.max(initial=0)} letters in {codes.size} places",
            "use the length of the longest record, and room for every row",
        )
    _spread_rows(codes, lengths, width, pad == "left", pad == "center")
    return codes[: lengths.size * width].reshape(lengths.size, width)


@njit(cache=True, nogil=True)
def _spread_rows(
    codes: Codes, lengths: npt.NDArray[np.int64], width: int, pad_left: bool, pad_center: bool
) -> None:
    # From the last record to the first: none comes to lie over one that is still to be moved.
    end = lengths.sum()
    for i in range(lengths.size - 1, -1, -1):
        length = lengths[i]
        left = 0
        if pad_left:
            left = width - length
        elif pad_center:
            left = (width - length) // 2
        first = end - length
        row = i * width
        for j in range(row + left + length, row + width):
            codes[j] = PADDING
        for j in range(length - 1, -1, -1):
            codes[row + left + j] = codes[first + j]
        for j in range(row, row + left):
            codes[j] = PADDING
        end = first


def decode(
    codes: Codes, alphabet: str, *, unknown: str = "N", padding: str | None = "-"
) -> npt.NDArray[np.bytes_]:
    """Give the sequences as text.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    alphabet
        The symbols that the codes index.
    unknown
        Symbol for 254: by custom ``"N"`` for DNA and RNA, ``"X"`` for protein.
    padding
        Symbol for 255, or None to leave padding out.

    Returns
    -------
    bytes array (sequence,), dtype ``S{position}``

    Raises
    ------
    InvalidInput
        If a code is none of a letter, 254 and 255.

    Examples
    --------
    >>> decode(np.array([[0, 1, 254, 255]], np.uint8), "ACGT", padding=None)
    array([b'ACN'], dtype='|S4')
    """
    codes = check_codes(codes)
    if has_invalid_code(codes, len(alphabet)):
        raise InvalidInput(
            "codes",
            f"holds codes that are no letter of {alphabet!r}",
            "pass the alphabet that the codes were made with",
        )
    symbols = np.zeros(256, np.uint8)
    symbols[: len(alphabet)] = list(alphabet.encode("ascii"))
    symbols[UNKNOWN] = ord(unknown)
    symbols[PADDING] = ord(padding) if padding is not None else 0
    n, length = codes.shape
    text = np.zeros((n, max(length, 1)), np.uint8)
    over_rows(_decode_rows, n, codes, symbols, padding is not None, text, row_cost=0.3 * length)
    return text.view(f"S{text.shape[1]}")[:, 0]


@njit(cache=True, nogil=True)
def _decode_rows(
    start: int, stop: int, codes: Codes, symbols: Codes, keep_padding: bool, text: Codes
) -> None:
    for i in range(start, stop):
        end = 0
        for code in codes[i]:
            if keep_padding or code != PADDING:
                text[i, end] = symbols[code]
                end += 1


def one_hot(
    codes: Codes, alphabet_size: int, dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    """Give the codes as one-hot columns; an unknown letter or padding is a column of zeros.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    alphabet_size
        Number of letters.
    dtype
        Any boolean, integer or floating dtype.

    Returns
    -------
    array (sequence, letter, position) of `dtype`

    Examples
    --------
    >>> one_hot(np.array([[1, 254, 0]], np.uint8), 2, np.uint8)
    array([[[0, 0, 1],
            [1, 0, 0]]], dtype=uint8)
    """
    codes = check_codes(codes)
    dtype = np.dtype(dtype)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise InvalidInput("dtype", f"{dtype}", "use a boolean, integer or floating dtype")
    columns = np.empty((codes.shape[0], alphabet_size, codes.shape[1]), dtype)
    # One compiled loop per item size serves every dtype, float16 too: it copies the bits of 1.
    bits = np.dtype(f"u{dtype.itemsize}")
    one = np.ones(1, dtype).view(bits)[0]
    cost = 0.3 * columns[:1].size
    over_rows(_one_hot_rows, codes.shape[0], codes, one, columns.view(bits), row_cost=cost)
    return columns


@njit(cache=True, nogil=True)
def _one_hot_rows(
    start: int, stop: int, codes: Codes, one: np.unsignedinteger, columns: npt.NDArray[Any]
) -> None:
    zero = type(one)(0)
    for i in range(start, stop):
        for letter in range(columns.shape[1]):
            for j in range(codes.shape[1]):
                columns[i, letter, j] = one if codes[i, j] == letter else zero


def from_one_hot(array: npt.ArrayLike) -> Codes:
    """Give the codes of one-hot columns; a column of zeros is an unknown letter (254).

    Parameters
    ----------
    array
        (sequence, letter, position), every column either all zeros or zeros and a single 1.

    Returns
    -------
    uint8 array (sequence, position)

    Raises
    ------
    InvalidInput
        If a column holds anything else (probabilities, several ones, a negative value, NaN);
        names the first one.

    Examples
    --------
    >>> from_one_hot(np.array([[[0, 0, 1], [1, 0, 0]]]))
    array([[  1, 254,   0]], dtype=uint8)
    """
    columns = np.asarray(array)
    if columns.ndim != 3 or columns.dtype.kind not in "biuf" or columns.shape[1] > 254:
        raise InvalidInput(
            "array",
            f"{columns.dtype} of shape {columns.shape}",
            "pass numbers of shape (sequence, letter, position) with at most 254 letters",
        )
    if columns.dtype.kind == "f" and columns.dtype.itemsize not in (4, 8):
        columns = columns.astype(np.float64)
    columns = np.ascontiguousarray(columns)
    codes = np.full((columns.shape[0], columns.shape[2]), UNKNOWN)
    cost = 0.3 * columns[:1].size
    for i, j in over_rows(_from_one_hot_rows, columns.shape[0], columns, codes, row_cost=cost):
        if i >= 0:
            raise InvalidInput(
                "array",
                f"soft one-hot: sequence {i}, position {j} holds {columns[i, :, j].tolist()}",
                "pass columns of zeros with a single 1, or all zeros for an unknown letter",
            )
    return codes


@njit(cache=True, nogil=True)
def _from_one_hot_rows(
    start: int, stop: int, columns: npt.NDArray[Any], codes: Codes
) -> tuple[int, int]:
    n_positions = codes.shape[1]
    for i in range(start, stop):
        first_fault = n_positions
        for letter in range(columns.shape[1]):
            for j in range(n_positions):
                value = columns[i, letter, j]
                if value == 1 and codes[i, j] == UNKNOWN:
                    codes[i, j] = letter
                elif value != 0:
                    first_fault = min(first_fault, j)
        if first_fault < n_positions:
            return i, first_fault
    return -1, -1


def reverse_complement(codes: Codes, complement: npt.NDArray[np.uint8]) -> Codes:
    """Give the other strand of every sequence.

    The whole row is reversed, so padding on the right comes to lie on the left.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    complement
        uint8 (letters,) from :func:`complement_codes`.

    Returns
    -------
    uint8 array (sequence, position)

    Examples
    --------
    >>> reverse_complement(np.array([[0, 1, 1, 254]], np.uint8), complement_codes("ACGT"))
    array([[254,   2,   2,   3]], dtype=uint8)
    """
    codes = check_codes(codes)
    table = np.arange(256, dtype=np.uint8)
    table[: len(complement)] = complement
    reverse = np.empty_like(codes)
    cost = 0.3 * codes.shape[1]
    over_rows(_reverse_complement_rows, codes.shape[0], codes, table, reverse, row_cost=cost)
    return reverse


@njit(cache=True, nogil=True)
def _reverse_complement_rows(
    start: int, stop: int, codes: Codes, table: Codes, reverse: Codes
) -> None:
    last = codes.shape[1] - 1
    for i in range(start, stop):
        for j in range(last + 1):
            reverse[i, j] = table[codes[i, last - j]]


def has_invalid_code(codes: Codes, alphabet_size: int) -> bool:
    """Tell whether a code is none of a letter (< `alphabet_size`), 254 and 255.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    alphabet_size
        Number of letters.

    Examples
    --------
    >>> has_invalid_code(np.array([[0, 3, 254, 255]], np.uint8), 4)
    False
    >>> has_invalid_code(np.array([[0, 4]], np.uint8), 4)
    True
    """
    letters = check_codes(codes).reshape(-1)
    n_scans = -(-letters.size // _SCAN)
    size = np.uint8(alphabet_size)
    return any(over_rows(_any_invalid, n_scans, letters, size, row_cost=0.01 * _SCAN))


@njit(cache=True, nogil=True)
def _any_invalid(start: int, stop: int, letters: Codes, alphabet_size: np.uint8) -> bool:
    n_invalid = np.uint8(UNKNOWN - alphabet_size)
    for scan in range(start, stop):
        invalid = False
        for code in letters[scan * _SCAN : (scan + 1) * _SCAN]:
            # Wraps below alphabet_size, so that one comparison covers both bounds (and is SIMD).
            invalid |= bool(np.uint8(code - alphabet_size) < n_invalid)
        if invalid:
            return True
    return False
