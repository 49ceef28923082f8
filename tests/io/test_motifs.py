"""Motifs as text: what is read, what comes back, and what is refused."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.models.alphabets import ALPHABETS

FORMATS = ["meme", "jaspar", "transfac", "table"]

# MA0139.1 of JASPAR (CC BY 4.0), its first five columns, whose sums differ.
JASPAR = """>MA0139.1\tCTCF
A  [    87    167    281     56      8 ]
C  [   291    145     49    800    903 ]
G  [    76    414    449     21      0 ]
T  [   459    187    134     36      2 ]
>MA0035.1 Gata1
A  [13  0 52  0]
C  [13  5  0  1]
G  [13 48  0  0]
T  [14  0  1 52]
"""
MEME = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.303 C 0.183 G 0.209 T 0.306

MOTIF crp alternative name
letter-probability matrix: alength= 4 w= 2 nsites= 17 E= 4.1e-009
 0.000000  0.176471  0.000000  0.823529
 0.000000  0.058824  0.647059  0.294118

MOTIF lexA
letter-probability matrix: alength= 4 w= 1 nsites= 14 E= 3.2e-035
 0.214286  0.000000  0.000000  0.785714
"""
TRANSFAC = """VV  TRANSFAC MATRIX TABLE
XX
//
AC  M00001
XX
ID  V$MYOD_01
XX
NA  MyoD
XX
P0      A      C      G      T
01      1      2      2      0      S
02      2      1      2      0      R
03      0      5      0      0      C
XX
CC  tf_family:bHLH
//
"""


def read(text: str, **options: Any) -> xr.Dataset:
    return mt.read_motifs(io.StringIO(text), **options)


def refusal(text: str, **options: Any) -> str:
    with pytest.raises(InvalidInput) as error:
        read(text, **options)
    return str(error.value)


# -- formats -----------------------------------------------------------------------------------


def test_jaspar_counts_become_probabilities() -> None:
    motifs = read(JASPAR)
    mt.MotifSet.check(motifs, deep=True)
    assert motifs["motif"].values.tolist() == ["MA0139.1", "MA0035.1"]
    assert motifs["name"].values.tolist() == ["CTCF", "Gata1"]
    assert motifs["length"].values.tolist() == [5, 4]
    assert motifs["n_sites"].values.tolist() == [913, 53]
    column = motifs["probability"].sel(motif="MA0139.1").values[:, 4]
    np.testing.assert_array_equal(column, (np.array([8, 903, 0, 2]) / 913).astype("f4"))
    counts = [[13, 13, 13, 14], [0, 5, 48, 0], [52, 0, 0, 1], [0, 1, 0, 52]]
    bits = sum(2 - entropy(column, base=2) for column in counts)
    assert motifs["information"].values[1] == pytest.approx(bits, rel=1e-6)


def test_raw_rows_of_jaspar_are_those_with_brackets() -> None:
    bare = "\n".join(
        line.replace("[", " ").replace("]", " ")[0 if line[0] == ">" else 1 :]
        for line in JASPAR.splitlines()
    )
    assert read(bare).drop_attrs().identical(read(JASPAR).drop_attrs())


def test_meme_with_all_that_it_says() -> None:
    motifs = read(MEME)
    assert motifs["name"].values.tolist() == ["alternative name", ""]
    assert motifs["n_sites"].values.tolist() == [17, 14]
    assert motifs["e_value"].values.tolist() == [4.1e-9, 3.2e-35]
    assert "p_value" not in motifs
    np.testing.assert_allclose(motifs.attrs["background"], [0.303, 0.183, 0.209, 0.306], rtol=2e-3)
    assert sum(motifs.attrs["background"]) == pytest.approx(1, abs=1e-12)
    expected = np.array([0, 0.058824, 0.647059, 0.294118])
    np.testing.assert_allclose(
        motifs["probability"].sel(motif="crp").values[:, 1], expected, atol=2e-6
    )
    uniform = read(MEME, background=[0.25] * 4)
    assert uniform.attrs["background"] == [0.25] * 4
    assert not uniform["information"].equals(motifs["information"])


def test_full_output_of_meme() -> None:
    text = """MEME version 5.5.7
ALPHABET "DNA" DNA-LIKE
A "Adenine" CC0000 ~ T "Thymine = T" 008000
C "Cytosine" 0000CC ~ G "Guanine" FFB300
N "Any base" = ACGT
END ALPHABET
Background letter frequencies (from file):
A 0.3
C 0.2 G 0.2
T 0.3
MOTIF GATA MEME-1\twidth =  2  sites =  10  llr = 55  E-value = 1.5e-003
\tMotif GATA MEME-1 position-specific scoring matrix
log-odds matrix: alength= 4 w= 2 n= 100 bayes= 8 E= 1.5e-003
  -1000 100 -50 20
  -1000 100 -50 20
letter-probability matrix: alength= 4 w= 2 nsites= 10 P= 0.015

 0.5 0.5 0 0
 0 0.5 0 0.5
Time 0.1 secs.
"""
    motifs = read(text)
    assert motifs["motif"].values.tolist() == ["GATA"]
    assert "name" not in motifs.coords
    assert motifs["p_value"].values.tolist() == [0.015]
    assert motifs.attrs["background"] == [0.3, 0.2, 0.2, 0.3]
    assert motifs["probability"].values[0, :, 1].tolist() == [0, 0.5, 0, 0.5]


def test_alphabets_of_meme() -> None:
    one = "MOTIF x\nletter-probability matrix:\n" + " ".join(["0.05"] * 20)
    assert read(f"MEME version 4\n{one}").attrs["alphabet"] == ALPHABETS["protein"]
    rna = MEME.replace("ACGT", "ACGU").replace(" T ", " U ")
    assert read(rna).attrs["alphabet"] == "ACGU"
    block = 'ALPHABET "methyl" DNA-LIKE\nA ~ T\nm "mC" ~ 1\nC "Cyt" # note\nG\nEND ALPHABET\n'
    text = f"MEME version 4\n{block}MOTIF x\nletter-probability matrix:\n.1 .2 .1 .2 .3 .1\n"
    motifs = read(text)
    assert motifs.attrs["alphabet"] == "ACGTm1"  # the order of the columns of MEME
    assert motifs["probability"].sel(letter="m").item() == np.float32(0.3)


def test_transfac() -> None:
    motifs = read(TRANSFAC)
    assert motifs["motif"].values.tolist() == ["M00001"]
    assert motifs["name"].values.tolist() == ["MyoD"]
    assert motifs["family"].values.tolist() == ["bHLH"]
    assert motifs["n_sites"].values.tolist() == [5]
    np.testing.assert_array_equal(
        motifs["probability"].values[0].T * 5, [[1, 2, 2, 0], [2, 1, 2, 0], [0, 5, 0, 0]]
    )


@pytest.mark.parametrize(
    "text",
    [
        ">m n\nA 0.1 0.5\nC 0.2 0.5\nG 0.3 0\nT 0.4 0",
        ">m n\nT 0.4 0\nG 0.3 0\nA 0.1 0.5\nC 0.2 0.5",
        ">m\tn\nA C G T\n0.1 0.2 0.3 0.4\n0.5 0.5 0 0",
        ">m n\nPos\tT\tC\tG\tA\n1\t0.4\t0.2\t0.3\t0.1\n2\t0\t0.5\t0\t0.5\n",
        ">m\tn\t6.05\t-1782.9\n0.1 0.2 0.3 0.4\n0.5 0.5 0 0\n",
        ">m n\n0.1 0.5\n0.2 0.5\n0.3 0\n0.4 0\n",
        ">m n\na: 0.1 0.5\nc: 0.2 0.5\ng: 0.3 0\nt: 0.4 0\n",
    ],
    ids=["letters as rows", "in another order", "letters as columns", "with positions",
         "positions as rows", "rows without letters", "lower case"],
)  # fmt: skip
def test_tables_that_lie_either_way(text: str) -> None:
    motifs = read(text)
    assert motifs.attrs["alphabet"] == "ACGT"
    assert (motifs["motif"].item(), motifs["name"].item()) == ("m", "n")
    expected = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0, 0]], dtype=np.float32).T
    np.testing.assert_array_equal(motifs["probability"].values[0], expected)
    assert "n_sites" not in motifs


def test_square_tables_are_told_by_their_sums_or_refused() -> None:
    square = np.array([[1, 2, 3, 4], [4, 3, 2, 1], [10, 0, 0, 0], [0, 0, 5, 5]], float) / 10

    def text(matrix: np.ndarray) -> str:
        return ">a\n" + "\n".join(" ".join(map(str, row)) for row in matrix)

    for shown in (square, square.T):
        np.testing.assert_allclose(read(text(shown))["probability"].values[0], square.T)
    assert "may lie either way" in refusal(text(np.full((4, 4), 0.25)))
    # Another motif of the file tells how all lie.
    more = text(np.full((4, 4), 0.25)) + "\n>b\n1 0 0 0\n"
    assert read(more)["length"].values.tolist() == [4, 1]


def test_a_table_without_an_id_is_called_as_its_file(tmp_path: Path) -> None:
    (tmp_path / "M0123_1.02.txt").write_text("Pos A C G T\n1 .1 .2 .3 .4\n")
    assert mt.read_motifs(tmp_path / "M0123_1.02.txt")["motif"].item() == "M0123_1"


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [JASPAR, MEME, TRANSFAC], ids=FORMATS[:3])
def test_line_ends_compression_and_handles_change_nothing(text: str, tmp_path: Path) -> None:
    expected = read(text)

    def same(found: xr.Dataset) -> bool:
        return bool(found.drop_attrs().identical(expected.drop_attrs()))

    assert same(read(text.rstrip()))
    assert same(read(text.replace("\n", "\r\n")))
    assert same(read("\ufeff" + text))
    assert same(mt.read_motifs(io.BytesIO(text.encode())))
    (tmp_path / "motifs.gz").write_bytes(gzip.compress(text.encode()))
    assert same(mt.read_motifs(tmp_path / "motifs.gz"))
    (tmp_path / "old.txt").write_bytes(text.encode() + b"CC  J\xfcrgen\n//\n" * (text == TRANSFAC))
    assert same(mt.read_motifs(str(tmp_path / "old.txt")))


def test_what_was_read_is_on_record(tmp_path: Path) -> None:
    (tmp_path / "a.jaspar").write_text(JASPAR)
    motifs = mt.read_motifs(tmp_path / "a.jaspar", pseudocount=1)
    step = json.loads(motifs.attrs["mutua"])["steps"][-1]
    assert step["function"] == "read_motifs"
    assert step["arguments"]["format"] == "jaspar"
    assert step["arguments"]["pseudocount"] == 1


def test_pseudocounts_are_of_the_background() -> None:
    motifs = read(JASPAR, pseudocount=2, background={"A": 0.4, "C": 0.3, "G": 0.2, "T": 0.1})
    column = motifs["probability"].sel(motif="MA0035.1").values[:, 1]
    np.testing.assert_allclose(column, np.array([0.8, 5.6, 48.4, 0.2]) / 55, rtol=1e-6)
    assert motifs["n_sites"].values[1] == 53
    assert "has probabilities" in refusal(MEME, pseudocount=1)


def test_letters_in_the_order_asked_for() -> None:
    usual, turned = read(JASPAR), read(JASPAR, alphabet="TGCA")
    assert turned.attrs["alphabet"] == "TGCA"
    np.testing.assert_array_equal(
        turned["probability"].sel(letter="G"), usual["probability"].sel(letter="G")
    )


# -- round trips -------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["DNA", "RNA", "protein"]),
    n=st.integers(1, 5),
    seed=st.integers(0, 10_000),
    sites=st.sampled_from(["none", "whole", "weights"]),
)
def test_every_format_gives_the_same_float32_back(name: str, n: int, seed: int, sites: str) -> None:
    rng = np.random.default_rng(seed)
    size = len(ALPHABETS[name])
    n_sites = {"none": None, "whole": rng.integers(1, 1000, n), "weights": rng.random(n) * 100}
    motifs = mt.MotifSet.build(
        {f"M{i}": rng.dirichlet(np.full(size, 0.4), size=rng.integers(1, 9)).T for i in range(n)},
        alphabet=name,
        n_sites=n_sites[sites],
        name=[f"name {i}" for i in range(n)],
        background=rng.dirichlet(np.full(size, 9.0)),
    )
    for form in FORMATS:
        path = f"memory://motifs.{form}"
        mt.write_motifs(motifs, path, format=form)
        found = mt.read_motifs(path, alphabet=name, background=motifs.attrs["background"])
        for part in ("probability", "length", "motif", "name", "information"):
            np.testing.assert_array_equal(found[part].values, motifs[part].values)
    mt.write_motifs(motifs, "memory://motifs.meme")
    assert mt.read_motifs("memory://motifs.meme").drop_attrs().identical(motifs.drop_attrs())


@pytest.mark.parametrize("form", ["jaspar", "transfac"])
def test_whole_counts_are_written_as_they_were(form: str, tmp_path: Path) -> None:
    counts = np.random.default_rng(0).multinomial(50, [0.1, 0.2, 0.3, 0.4], size=7).T
    motifs = mt.MotifSet.build({"a": counts / 50}, n_sites=[50])
    mt.write_motifs(motifs, tmp_path / f"a.{form}")
    text = (tmp_path / f"a.{form}").read_text()
    assert "." not in text.partition("a\n")[2]
    assert mt.read_motifs(tmp_path / f"a.{form}")["n_sites"].item() == 50


def test_counts_with_columns_of_different_sums_come_back(tmp_path: Path) -> None:
    motifs = read(JASPAR)
    for form in ("jaspar", "transfac", "meme"):
        mt.write_motifs(motifs, tmp_path / "a.gz", format=form)
        found = mt.read_motifs(tmp_path / "a.gz")
        assert found["probability"].equals(motifs["probability"])
        assert found["n_sites"].equals(motifs["n_sites"])


def test_meme_keeps_values_and_any_order_of_letters(tmp_path: Path) -> None:
    motifs = mt.MotifSet.build(
        {"a": "01x", "b": "1"},
        alphabet="10x",
        e_value=[1e-9, np.nan],
        p_value=[0.25, 0.5],
        background=[0.5, 0.2, 0.3],
    )
    mt.write_motifs(motifs, tmp_path / "a.meme")
    assert mt.read_motifs(tmp_path / "a.meme").attrs["alphabet"] == "x01"
    found = mt.read_motifs(tmp_path / "a.meme", alphabet="10x")
    assert found.drop_attrs().identical(motifs.drop_attrs())
    assert found.attrs["background"] == [0.5, 0.2, 0.3]


def test_writing_refuses_what_the_format_cannot_hold(tmp_path: Path) -> None:
    good = mt.MotifSet.build({"a": "ACGT"})
    for motifs, path, message in [
        (mt.MotifSet.build({}), "a.meme", "`motifs`: there are none"),
        (mt.MotifSet.build({"a b": "ACGT"}), "a.meme", "the id 'a b'. Use ids without white space"),
        (mt.MotifSet.build({"a": "A"}, name=["x\ny"]), "a.meme", r"the name 'x\ny'"),
        (mt.MotifSet.build({"a": "01"}, alphabet="01"), "a.pfm", "Tables name letters only"),
        (mt.MotifSet.build({"a": "0!"}, alphabet="0!"), "a.meme", "the alphabet holds '!'"),
        (good, "a.doc", "tells no format"),
        (good, "nowhere/a.meme", "there is no folder"),
    ]:
        with pytest.raises(InvalidInput) as error:
            mt.write_motifs(motifs, tmp_path / path)
        assert message in str(error.value)
    with pytest.raises(InvalidInput, match="`format`: 'xml'"):
        mt.write_motifs(good, tmp_path / "a.meme", format="xml")
    with pytest.raises(InvalidElement, match="argument `motifs` of write_motifs"):
        mt.write_motifs(mt.from_strings(["ACGT"]), tmp_path / "a.meme")
    assert list(tmp_path.iterdir()) == []


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MEME.replace("w= 2", "w= 3"), "line 13: motif 'crp' has 2 of 3 columns. The file"),
        (MEME[:-12], "motif 'lexA', column 0 has 3 of 4 numbers. The file may be cut off"),
        (MEME[: MEME.index("lexA") + 5], "motif 'lexA' has no letter-probability matrix"),
        (MEME.replace("letter-prob", "log-odds matrix: w= 2\n1 2 -3 4\n#"), "has log-odds only"),
        (MEME + MEME[MEME.index("MOTIF") :],
         "ids that stand more than once: crp, lexA"),
        (MEME.replace("0.823529", "0.5"),
         "line 10: motif 'crp', column 0 sums to 0.676471, not 1"),
        (MEME.replace("0.823529", "nan"), "motif 'crp': 'nan' is no number"),
        (MEME.replace("= ACGT", "= ACG"), "background frequencies of ['A', 'C', 'G', 'T']"),
        (MEME.replace("A 0.303", "A 0.9"), "use background="),
        ("MEME version 4\nletter-probability matrix:\n1 0 0 0", "without a line MOTIF before it"),
        ("MEME version 4\nALPHABET x\nA\n", "the alphabet has no END ALPHABET"),
        (MEME[: MEME.index("MOTIF")], "no motifs (read as 'meme')"),
    ],
    ids=["width", "cut in a row", "cut in a motif", "log-odds", "ids", "sums",
         "NaN", "letters", "background", "no id", "alphabet", "none"],
)  # fmt: skip
def test_faults_of_meme_files(text: str, message: str) -> None:
    assert message.lower() in refusal(text).lower()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (JASPAR[:-2], "line 10: a bracket is not closed"),
        (JASPAR[:-18], "motif 'MA0035.1' has the letters 'ACG', not 'ACGT'"),
        (JASPAR[: JASPAR.index("T  [")], "has the letters 'ACG' only. Use alphabet='ACG' if"),
        (JASPAR.replace(" 52]", "]"), "a row of 3 numbers, others of 4"),
        (JASPAR.replace("Gata1", "x\n>MA0139.1 CTCF"), "motif 'MA0035.1' has no rows"),
        (JASPAR + JASPAR, "ids that stand more than once: MA0139.1, MA0035.1"),
        (JASPAR.replace(" 87 ", " -87 "), "motif 'MA0139.1', column 0 has the negative value -87"),
        (JASPAR.replace("48", "0").replace(" 5 ", " 0 "), "motif 'MA0035.1', column 1 has no coun"),
        (JASPAR.replace("48", "4x"), "line 9: motif 'MA0035.1': '4x' is no number"),
        (">\nA [1]\n", "line 1: '>' without an id"),
        (">a\nA .5\nC .1\nG .1\nT .1\n", "motif 'a', column 0 sums to 0.8, not 1"),
        (">a\n1 2 3\n1 2 3\n1 2 3\n", "motif 'a' has 3 rows for 4 letters"),
        (TRANSFAC[:-4], "the last motif does not end with //"),
        (TRANSFAC.replace("0      S", ""), "line 11: position 01 has 3 numbers"),
        (TRANSFAC[: TRANSFAC.index("01 ")] + "//", "motif 'M00001' has no rows below P0"),
        ("XX\nP0 A C G T\n01 1 1 1 1\n//", "a motif without AC, ID or NA"),
        ("once upon a time\n", "columns named"),
        ("<!DOCTYPE html>", "is no text of motifs"),
        ("", "no motifs"),
    ],
    ids=["bracket", "cut off", "cut off in the only one", "ragged", "no rows", "ids", "negative",
         "zeros", "number", "no id", "sums", "rows", "no end", "short row", "no matrix",
         "nameless", "prose", "page", "empty"],
)  # fmt: skip
def test_faults_of_tables(text: str, message: str) -> None:
    assert message in refusal(text)


def test_places_where_no_motifs_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        mt.read_motifs(tmp_path / "none.meme")
    with pytest.raises(InvalidInput, match="`path`: a int"):
        mt.read_motifs(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="`format`: 'xml'"):
        read(JASPAR, format="xml")
    with pytest.raises(InvalidInput, match="`pseudocount`"):
        read(JASPAR, pseudocount=-1)
    assert "has the letters 'ACGT', not 'ACGU'" in refusal(JASPAR, alphabet="RNA")
