import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.errors import InvalidInput
from mutua.kernels import letters, rows
from mutua.settings import settings as mutua_settings
from tests.reference import sequences as reference


def rows_of(records: list[str], alphabet: str, *, width: int, pad: str) -> np.ndarray:
    """Encode records that lie end to end, in an array with room for the padding."""
    flat = np.full(len(records) * width + 2, 77, np.uint8)
    codes = letters.encode("".join(records).encode(), letters.letter_table(alphabet))
    flat[: len(codes)] = codes
    lengths = np.array([len(record) for record in records], np.int64)
    rows = letters.spread_rows(flat, lengths, width=width, pad=pad)
    assert rows.base is flat or rows.size == 0
    assert (flat[len(records) * width :] == 77).all() or len(codes) > len(records) * width
    return rows


def random_codes(shape: tuple[int, int], alphabet_size: int = 4, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.array([*range(alphabet_size), letters.UNKNOWN, letters.PADDING], np.uint8)
    return rng.choice(values, shape)


@pytest.mark.parametrize(
    ("alphabet", "text", "codes"),
    [
        ("ACGT", "ACGTUacgtuN-", [0, 1, 2, 3, 3, 0, 1, 2, 3, 3, 254, 254]),
        ("ACGU", "TuN", [3, 3, 254]),
        ("TGCA-", "ATU-", [3, 0, 0, 4]),
        ("ACDEFGHIKLMNPQRSTVWY", "yUX*", [19, 254, 254, 254]),
        ("aA", "aAbB", [0, 1, 254, 254]),
        ("acgtACGT", "tTuU", [3, 7, 3, 7]),
        ("01", "10", [1, 0]),
    ],
)
def test_letter_table(alphabet, text, codes):
    assert letters.letter_table(alphabet)[list(text.encode())].tolist() == codes


@pytest.mark.parametrize("alphabet", ["", "AA", "A C", "ACé", "A\n"])
def test_letter_table_refuses(alphabet):
    with pytest.raises(InvalidInput, match="alphabet"):
        letters.letter_table(alphabet)


def test_complement_codes():
    assert letters.complement_codes("ACGT").tolist() == [3, 2, 1, 0]
    assert letters.complement_codes("ugca").tolist() == [3, 2, 1, 0]
    assert letters.complement_codes("-ATCG").tolist() == [0, 2, 1, 4, 3]
    for alphabet in ("ACDEFGHIKLMNPQRSTVWY", "acgtACGT"):
        with pytest.raises(InvalidInput, match="complement"):
            letters.complement_codes(alphabet)


def test_encode_takes_every_byte():
    text = bytes(range(256))
    table = letters.letter_table("ACGT")
    codes = letters.encode(text, table)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, table)
    assert letters.encode(b"", table).shape == (0,)


@settings(deadline=None)  # the first example compiles
@given(
    records=st.lists(st.text("ACGTacgtN", max_size=6), max_size=5),
    pad=st.sampled_from(["left", "right", "center"]),
    extra=st.integers(0, 3),
)
def test_spread_rows_matches_reference(records, pad, extra):
    width = max(map(len, records), default=0) + extra
    codes = rows_of(records, "ACGT", width=width, pad=pad)
    assert codes.dtype == np.uint8
    assert codes.shape == (len(records), width)
    assert codes.tolist() == reference.encode(records, "ACGT", width, pad)


def test_spread_rows_faults():
    flat, lengths = np.zeros(6, np.uint8), np.array([3, 1])
    assert letters.spread_rows(flat, lengths, width=3, pad="right").shape == (2, 3)
    with pytest.raises(InvalidInput, match="pad"):
        letters.spread_rows(flat, lengths, width=3, pad="both")
    for width in (2, 4):
        with pytest.raises(InvalidInput, match="width"):
            letters.spread_rows(flat, lengths, width=width, pad="right")


@settings(deadline=None)  # the first example compiles
@given(
    st.lists(st.text("ACGTN", max_size=6), min_size=1, max_size=5),
    st.sampled_from(["left", "right", "center"]),
)
def test_decode_is_the_inverse_of_encode(records, pad):
    codes = rows_of(records, "ACGT", width=6, pad=pad)
    text = letters.decode(codes, "ACGT", padding=None)
    assert [row.decode() for row in text] == records


def test_decode_symbols_and_faults():
    codes = np.array([[255, 254, 1, 0], [0, 1, 255, 255]], np.uint8)
    assert letters.decode(codes, "DE", unknown="X").tolist() == [b"-XED", b"DE--"]
    assert letters.decode(codes, "DE", padding=None).dtype == "S4"
    assert letters.decode(np.empty((3, 0), np.uint8), "DE").tolist() == [b""] * 3
    with pytest.raises(InvalidInput, match="codes"):
        letters.decode(codes, "D")


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int16", "int32", "int64", "float16", "float32", "float64"]
)
def test_one_hot_round_trip(dtype):
    codes = random_codes((7, 11), alphabet_size=5)
    columns = letters.one_hot(codes, 5, dtype)
    assert columns.dtype == dtype
    assert columns.shape == (7, 5, 11)
    assert columns.astype(int).tolist() == reference.one_hot(codes.tolist(), 5)
    expected = np.where(codes == letters.PADDING, letters.UNKNOWN, codes)
    np.testing.assert_array_equal(letters.from_one_hot(columns), expected)


def test_one_hot_refuses_other_dtypes():
    for dtype in ("complex64", "S1"):
        with pytest.raises(InvalidInput, match="dtype"):
            letters.one_hot(random_codes((2, 3)), 4, dtype)


@pytest.mark.parametrize(
    "column", [[0.5, 0.5, 0], [1, 1, 0], [1, -1, 0], [0, np.nan, 0], [0, 0, 2], [np.inf, 0, 0]]
)
def test_from_one_hot_names_the_first_soft_column(column):
    columns = letters.one_hot(random_codes((60, 9), alphabet_size=3), 3)
    columns[41, :, 6] = columns[41, :, 8] = columns[59, :, 0] = column
    with pytest.raises(InvalidInput, match=r"soft one-hot: sequence 41, position 6 holds"):
        letters.from_one_hot(columns)


def test_from_one_hot_takes_any_layout_and_refuses_other_shapes():
    codes = random_codes((6, 8), alphabet_size=3)
    codes[codes == letters.PADDING] = 0
    channels_last = np.ascontiguousarray(letters.one_hot(codes, 3).transpose(0, 2, 1))
    np.testing.assert_array_equal(letters.from_one_hot(channels_last.transpose(0, 2, 1)), codes)
    for array in (np.zeros((3, 4)), np.zeros((2, 3, 4), complex)):
        with pytest.raises(InvalidInput, match="array"):
            letters.from_one_hot(array)


def test_reverse_complement():
    codes = np.array([[0, 1, 254, 255, 255], [3, 3, 0, 2, 1]], np.uint8)
    complement = letters.complement_codes("ACGT")
    reverse = letters.reverse_complement(codes, complement)
    assert reverse.tolist() == [[255, 255, 254, 2, 3], [2, 1, 3, 0, 0]]
    np.testing.assert_array_equal(letters.reverse_complement(reverse, complement), codes)


@settings(deadline=None)  # the first example compiles
@given(
    shape=st.tuples(st.integers(0, 40), st.integers(0, 7)),
    alphabet_size=st.integers(1, 253),
    data=st.data(),
)
def test_has_invalid_code(shape, alphabet_size, data):
    codes = random_codes(shape, alphabet_size)
    assert not letters.has_invalid_code(codes, alphabet_size)
    if codes.size:
        i = data.draw(st.integers(0, codes.size - 1))
        codes.flat[i] = data.draw(st.integers(alphabet_size, 253))
        assert letters.has_invalid_code(codes, alphabet_size)


def test_has_invalid_code_looks_everywhere():
    codes = random_codes((1000, 203))
    assert letters.has_invalid_code(codes, 4) is False
    codes[-1, -1] = 4
    assert letters.has_invalid_code(codes, 4) is True


def test_inputs_keep_their_bytes_and_may_be_read_only_views():
    codes = random_codes((9, 12))
    codes.flags.writeable = False
    view = codes[::2, 1:]
    complement = letters.complement_codes("ACGT")
    np.testing.assert_array_equal(
        letters.reverse_complement(view, complement),
        letters.reverse_complement(view.copy(), complement),
    )


def test_check_codes_refuses():
    for codes in (np.zeros(3, np.uint8), np.zeros((2, 3), np.int64)):
        with pytest.raises(InvalidInput, match=r"sequences.*uint8"):
            letters.check_codes(codes, "sequences")


def test_same_bits_for_any_threads(monkeypatch):
    codes = random_codes((205, 31))
    monkeypatch.setattr(rows, "_WORTH_THREADS", 0)
    monkeypatch.setattr(rows, "_RANGE", 1)
    results = []
    for threads in (1, 2):
        monkeypatch.setattr(mutua_settings, "threads", threads)
        columns = letters.one_hot(codes, 4)
        reverse = letters.reverse_complement(codes, letters.complement_codes("ACGT"))
        text = letters.decode(codes, "ACGT")
        results.append((columns, reverse, text, letters.from_one_hot(columns)))
    for once, again in zip(*results, strict=True):
        np.testing.assert_array_equal(once, again)
