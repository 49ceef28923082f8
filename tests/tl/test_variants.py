"""tl.variant_effect: equal to tangermeme; genome coordinates, strands, VCF; what it refuses."""

import gzip

import numpy as np
import pandas as pd
import pytest
import torch

import mutua as mt
from mutua.errors import InvalidInput
from mutua.models.effects import Effects
from mutua.tl.variants import variant_effect

from .networks import LENGTH, Network

N = 6
GENOME = "TTGACCATAGGCATTTACGGACCA"


@pytest.fixture
def seqs():
    return mt.pp.random_sequences(N, length=LENGTH, seed=3)


def table(*rows, where="sequence"):
    return pd.DataFrame(rows, columns=[where, "position", "ref", "alt"])


def texts(seqs, variants, **options):
    """Give the sequences that a model sees before and after."""
    seen = []

    def model(batch):
        seen.append(batch)
        return [0.0] * len(batch)

    effects = variant_effect(seqs, model, variants, encoding="text", **options)
    n = effects.sizes["sequence"]
    return effects, *(list(part) for part in (seen[-2][:n], seen[-1][:n]))


def regions(*rows):
    """Sequences of the genome by (start, end, strand)."""
    swap = str.maketrans("ACGT", "TGCA")
    letters = [GENOME[a:b] if s == "+" else GENOME[a:b].translate(swap)[::-1] for a, b, s in rows]
    starts, ends, strands = zip(*rows, strict=True)
    return mt.from_strings(letters).assign_coords(
        chrom=("sequence", np.array(["chr1"] * len(rows), np.dtypes.StringDType())),
        start=("sequence", np.array(starts)),
        end=("sequence", np.array(ends)),
        strand=("sequence", np.array(strands, np.dtypes.StringDType())),
    )


def test_substitutions_equal_tangermeme(seqs):
    from tangermeme.variant_effect import substitution_effect

    strings = mt.pp.to_strings(seqs)
    rows = [(i, 2 * i, strings[i][2 * i], "ACGT"[(seqs["codes"].values[i, 2 * i] + 1) % 4])
            for i in range(N)]  # fmt: skip
    out = variant_effect(seqs, Network(), table(*rows), batch_size=4)
    edits = torch.tensor([(i, p, "ACGT".index(alt)) for i, p, _, alt in rows])
    x = torch.from_numpy(mt.pp.one_hot(seqs))
    expected = substitution_effect(Network(), x, edits, device="cpu")
    np.testing.assert_allclose(out["before"], expected.y_before, atol=1e-6)
    np.testing.assert_allclose(out["after"][:, 0], expected.y_after, atol=1e-6)
    Effects.check(out, deep=True)
    assert out["after"].dims == ("sequence", "experiment", "target")


def test_insertions_and_deletions_equal_tangermeme():
    from tangermeme.variant_effect import deletion_effect, insertion_effect

    long = mt.pp.random_sequences(3, length=LENGTH + 1, seed=2)
    strings, x = mt.pp.to_strings(long), torch.from_numpy(mt.pp.one_hot(long))
    rows = [(i, 3 + i, strings[i][3 + i], "") for i in range(3)]
    out = variant_effect(long, Network(), table(*rows), length=LENGTH)
    edits = torch.tensor([(i, 3 + i) for i in range(3)])
    expected = deletion_effect(Network(), x, edits, device="cpu")
    np.testing.assert_allclose(out["after"][:, 0], expected.y_after, atol=1e-6)
    np.testing.assert_allclose(out["before"], expected.y_before, atol=1e-6)

    short = mt.pp.random_sequences(3, length=LENGTH, seed=2)
    x = torch.from_numpy(mt.pp.one_hot(short))
    out = variant_effect(short, Network(), table(*[(i, 4, "-", "G") for i in range(3)]))
    edits = torch.tensor([(i, 4, 2) for i in range(3)])
    expected = insertion_effect(Network(), x, edits, device="cpu")
    np.testing.assert_allclose(out["after"][:, 0], expected.y_after, atol=1e-6)


def test_letters_that_a_model_sees():
    seqs = mt.from_strings(["ACGTACGTAC", "TTTTCCCCGG"])
    seqs = seqs.assign_coords(sequence_id=("sequence", ["a", "b"]))
    variants = table(
        ("b", 4, "CC", "A"), ("a", 0, "A", "ACC"), ("a", 8, "AC", "GT"), ("a", 2, "GTA", "")
    )
    effects, before, after = texts(seqs, variants)
    assert before == ["TTTTCCCCGG", "ACGTACGTAC", "ACGTACGTAC", "ACGTACGTAC"]
    assert after == ["TTTTACCGGN", "ACCCGTACGT", "ACGTACGTGT", "ACCGTACNNN"]
    assert effects["sequence_id"].values.tolist() == ["b", "a", "a", "a"]
    assert effects["sequence_index"].values.tolist() == [1, 0, 0, 0]
    assert effects["variant"].values.tolist()[0] == "b:4:CC>A"
    assert effects["column"].values.tolist() == [4, 0, 8, 2]
    _, before, after = texts(seqs, variants.iloc[[0, 3]], length=7)
    assert before == ["TTTTCCC", "ACGTACG"]
    assert after == ["TTTTACC", "ACCGTAC"]


def test_genome_coordinates_and_strands():
    seqs = regions((2, 12, "+"), (6, 16, "-"), (12, 22, "+"))
    assert GENOME[8:10] == "AG"
    variants = table(("chr1", 8, "AG", "T"), ("chr1", 2, "G", "A"), ("chr2", 8, "A", "C"),
                     ("chr1", 11, "CA", "C"), where="chrom")  # fmt: skip
    effects, before, after = texts(seqs, variants)
    strings = mt.pp.to_strings(seqs)
    assert effects["sequence_index"].values.tolist() == [0, 1, 0, 1]
    assert effects["variant"].values.tolist() == [
        "chr1:8:AG>T", "chr1:8:AG>T", "chr1:2:G>A", "chr1:11:CA>C"
    ]  # fmt: skip
    assert before == [strings[i] for i in (0, 1, 0, 1)]
    assert after[0] == strings[0][:6] + "T" + strings[0][8:] + "N"
    # On the minus strand 8-10 are columns 6 and 7, and the alleles their complements.
    assert strings[1][6:8] == "CT"
    assert after[1] == strings[1][:6] + "A" + strings[1][8:] + "N"
    assert effects["ref"].values.tolist() == ["AG", "CT", "G", "TG"]
    assert effects["alt"].values.tolist() == ["T", "A", "A", "G"]


def test_padded_regions():
    codes = np.full((2, 6), 255, np.uint8)
    codes[0, 2:] = mt.from_strings(["TTGA"])["codes"].values
    codes[1, :4] = mt.from_strings(["TCAA"])["codes"].values  # the same four on the other strand
    place = {"start": [0, 0], "end": [4, 4], "chrom": ["chr1"] * 2, "strand": ["+", "-"]}
    seqs = mt.SequenceSet.build(codes, alphabet="DNA", **place)
    _, before, after = texts(seqs, table(("chr1", 2, "G", "C"), where="chrom"))
    assert before == ["TTGA", "TCAA"]
    assert after == ["TTCA", "TGAA"]


@pytest.mark.parametrize("zipped", [False, True])
def test_vcf(tmp_path, zipped):
    text = (
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\n"
        "chr1\t9\trs1\tA\tC\t.\nchr1\t9\trs2\tA\tG,T,*\t.\nchr1\t10\t.\tG\t.\t.\n"
        "chr9\t1\tfar\tA\tC\t.\n"
    )
    path = tmp_path / "variants.vcf"
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    effects, _, after = texts(regions((2, 12, "+")), path)
    assert effects["variant"].values.tolist() == ["rs1", "chr1:9:A>G", "chr1:9:A>T"]
    assert [one[6] for one in after] == ["C", "G", "T"]
    path.write_text("nothing of the kind\n")
    with pytest.raises(InvalidInput, match="line 1"):
        variant_effect(regions((2, 12, "+")), Network(), path)
    with pytest.raises(InvalidInput, match="no file"):
        variant_effect(regions((2, 12, "+")), Network(), tmp_path / "other.vcf")


def test_none_and_lazy_ones(seqs):
    none = variant_effect(seqs, Network(), table())
    assert none["after"].shape == (0, 1, 2)
    Effects.check(none, deep=True)
    strings = mt.pp.to_strings(seqs)
    variants = table(*[(i, 5, strings[i][5], "") for i in (4, 1, 4)])
    whole = variant_effect(seqs, Network(), variants, args=[np.arange(2.0 * N).reshape(N, 2)])
    lazy = variant_effect(
        seqs.chunk(sequence=2), Network(), variants, args=[np.arange(2.0 * N).reshape(N, 2)]
    )
    np.testing.assert_allclose(whole["after"], lazy["after"], atol=1e-6)
    np.testing.assert_allclose(whole["before"][0], whole["before"][2], atol=1e-6)
    assert (whole["before"].values[0] > 7).all()  # the arguments of sequence 4


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        (table((0, 3, "N", "A")), "'0:3:N>A' has 'N' as its reference"),
        (table((0, LENGTH, "A", "C")), "beyond"),
        (table((0, LENGTH - 1, "AA", "C")), "beyond"),
        (table((N, 3, "A", "C")), "there is not"),
        (table((0, -3, "A", "C")), "whole numbers"),
        (table((0, 1.5, "A", "C")), "whole numbers"),
        (table((0, 3, "A", "<DEL>")), "Spell"),
        (table(("chr1", 3, "A", "C"), where="chrom"), "no coordinates"),
        (pd.DataFrame({"position": [1]}), "columns"),
        ([("chr1", 3)], "a list"),
    ],
    ids=["ref", "start", "end", "sequence", "negative", "half", "symbolic", "chrom", "columns",
         "list"],
)  # fmt: skip
def test_bad_input(seqs, variants, message):
    with pytest.raises(InvalidInput, match=message):
        variant_effect(seqs, Network(), variants)


def test_further_bad_input(seqs):
    strings = mt.pp.to_strings(seqs)
    wrong = "ACGT"[("ACGT".index(strings[2][3]) + 1) % 4]
    with pytest.raises(
        InvalidInput, match=f"'2:3:{wrong}>A'.*sequence 2 has '{strings[2][3]}' at 3"
    ):
        variant_effect(seqs, Network(), table((2, 3, wrong, "A")))
    with pytest.raises(InvalidInput, match="names of chromosomes"):
        variant_effect(regions((2, 12, "+")), Network(), table(("1", 8, "A", "C"), where="chrom"))
    tracks = np.zeros((N, 2, LENGTH), np.float32)
    tracked = seqs.assign(tracks=(("sequence", "track", "position"), tracks))
    with pytest.raises(InvalidInput, match="tracks"):
        variant_effect(tracked, Network(6), table((0, 3, strings[0][3], "")))
    alt = "ACGT"[("ACGT".index(strings[0][3]) + 1) % 4]
    out = variant_effect(tracked, Network(6), table((0, 3, strings[0][3], alt)))
    assert out.sizes["sequence"] == 1
