import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels.kmer_presence import (
    canonical_code,
    check_kmer_number,
    kmer_letters,
    kmer_presence,
)
from mutua.settings import settings as mutua_settings
from tests.reference import kmer_enrichment as reference

COMPLEMENTS = {2: [1, 0], 3: [2, 1, 0], 4: [3, 2, 1, 0], 5: [3, 2, 1, 0, 4]}


def number_of(word, size):
    return sum(letter * size**place for place, letter in enumerate(reversed(word)))


def assert_matches(codes, k, size, complement):
    partner = None if complement is None else np.array(complement, np.uint8)
    counts, n_places = kmer_presence(codes, k, size, complement=partner)
    words, expected_places = reference.sequences_with_kmer(codes.tolist(), k, size, complement)
    expected = np.zeros(size**k, np.int64)
    for word, count in words.items():
        expected[number_of(word, size)] = count
    np.testing.assert_array_equal(counts, expected)
    assert counts.dtype == np.int64
    assert n_places == expected_places


@settings(deadline=None)  # the first example compiles
@given(st.data(), st.integers(2, 5), st.integers(1, 4), st.booleans())
def test_matches_reference(data, size, k, both):
    letters = st.sampled_from([*range(size), 254, 255])
    shape = st.tuples(st.integers(0, 6), st.integers(0, 12))
    codes = data.draw(arrays(np.uint8, shape, elements=letters))
    before = codes.copy()
    assert_matches(codes, k, size, COMPLEMENTS[size] if both else None)
    np.testing.assert_array_equal(codes, before)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_matter(threads, monkeypatch):
    codes = np.random.default_rng(0).integers(0, 5, (103, 37), dtype=np.uint8)  # 4 is no letter
    monkeypatch.setattr("mutua.kernels.threads.available_threads", lambda: threads)
    assert_matches(codes, 3, 4, COMPLEMENTS[4])


def test_views_of_any_strides_are_read():
    codes = np.random.default_rng(0).integers(0, 4, (40, 22), dtype=np.uint8)
    assert_matches(codes[::3, ::2], 2, 4, None)


def test_a_palindrome_counts_once():
    complement = np.array([3, 2, 1, 0], np.uint8)
    codes = np.array([[0, 3, 0, 3]], np.uint8)  # ATAT: AT, TA, AT
    counts, n_places = kmer_presence(codes, 2, 4, complement=complement)
    assert {number: int(counts[number]) for number in np.flatnonzero(counts)} == {3: 1, 12: 1}
    assert n_places == 3


def test_letters_of_numbers():
    words = kmer_letters(np.arange(27), 3, 3)
    assert [number_of(word, 3) for word in words.tolist()] == list(range(27))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_canonical_code_is_that_of_the_smaller_strand(word):
    complement = np.array([3, 2, 1, 0], np.uint8)
    expected = number_of(reference.canonical(tuple(word), complement.tolist()), 4)
    assert canonical_code(word, 4, complement) == expected
    assert canonical_code(word, 4, None) == number_of(word, 4)


@pytest.mark.parametrize(("k", "size", "fits"), [(12, 4, 11), (6, 20, 5), (40, 4, 11)])
def test_too_many_kmers_are_refused_with_what_fits(k, size, fits):
    with pytest.raises(MemoryLimit, match=f"k <= {fits}"):
        check_kmer_number(k, size)
    check_kmer_number(fits, size)


def test_more_memory_holds_more_kmers():
    before = mutua_settings.memory
    try:
        mutua_settings.memory = 2**30
        check_kmer_number(12, 4)
    finally:
        mutua_settings.memory = before


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda codes: kmer_presence(codes, 0, 4), "k"),
        (lambda codes: kmer_presence(codes, 1, 1), "alphabet_size"),
        (lambda codes: kmer_presence(codes[0], 1, 4), "codes"),
        (lambda codes: kmer_presence(codes.astype(int), 1, 4), "codes"),
        (lambda codes: kmer_presence(codes, 1, 4, complement=np.zeros(3, np.uint8)), "complement"),
    ],
    ids=["k", "alphabet_size", "dims", "dtype", "complement"],
)
def test_refuses_what_it_cannot_use(call, argument):
    with pytest.raises(InvalidInput) as error:
        call(np.zeros((2, 3), np.uint8))
    assert error.value.argument == argument
