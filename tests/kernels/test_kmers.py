"""K-mer codes against the plain loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels.kmers import TILE, kmer_codes, kmer_dtype
from tests.reference import position_mi as reference


def plain(codes: np.ndarray, k: int, alphabet_size: int) -> np.ndarray:
    missing = alphabet_size**k
    return np.array(
        [
            [
                missing if (x := reference.kmer(row, p, k, alphabet_size)) is None else x
                for row in codes.tolist()
            ]
            for p in range(codes.shape[1] - k + 1)
        ]
    ).reshape(codes.shape[1] - k + 1, codes.shape[0])


@given(
    codes=hnp.arrays(
        np.uint8,
        st.tuples(st.integers(0, 12), st.integers(4, 9)),
        elements=st.sampled_from([0, 1, 2, 3, 254, 255]),
    ),
    k=st.integers(1, 4),
    alphabet_size=st.integers(2, 5),
)
@settings(deadline=None)  # the first call compiles
def test_equals_plain_loop(codes: np.ndarray, k: int, alphabet_size: int) -> None:
    columns = kmer_codes(codes, k, alphabet_size)
    assert columns.dtype == kmer_dtype(k, alphabet_size)
    np.testing.assert_array_equal(columns, plain(codes, k, alphabet_size))


@pytest.mark.parametrize("n_sequences", [TILE - 1, TILE, 5 * TILE + 3])
def test_tiles_join_up(n_sequences: int) -> None:
    codes = np.random.default_rng(1).integers(0, 5, (n_sequences, 7), dtype=np.uint8)
    np.testing.assert_array_equal(kmer_codes(codes, 3, 4), plain(codes, 3, 4))


def test_views_of_any_strides() -> None:
    codes = np.random.default_rng(2).integers(0, 4, (40, 22), dtype=np.uint8)
    for view in (codes[::2], codes[:, ::3], codes[::-1, 4:13], np.asfortranarray(codes)):
        np.testing.assert_array_equal(kmer_codes(view, 2, 4), plain(view, 2, 4))


@pytest.mark.parametrize(
    ("k", "alphabet_size", "dtype"),
    [(3, 4, "u1"), (4, 4, "u2"), (7, 4, "u2"), (8, 4, "u4"), (1, 254, "u1"), (8, 2, "u2")],
)
def test_smallest_dtype_with_room_for_missing(k: int, alphabet_size: int, dtype: str) -> None:
    assert kmer_dtype(k, alphabet_size) == dtype


def test_refuses_what_cannot_be_numbered() -> None:
    codes = np.zeros((3, 5), np.uint8)
    with pytest.raises(MemoryLimit, match="Use k <= 15"):
        kmer_codes(codes, 16, 4)
    for k, alphabet_size, argument in (
        (0, 4, "k"),
        (6, 4, "k"),
        (2, 1, "alpha"),
        (2, 255, "alpha"),
    ):
        with pytest.raises(InvalidInput, match=argument):
            kmer_codes(codes, k, alphabet_size)
    with pytest.raises(InvalidInput, match="int64"):
        kmer_codes(codes.astype(np.int64), 2, 4)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="1-dimensional"):
        kmer_codes(codes[0], 2, 4)
