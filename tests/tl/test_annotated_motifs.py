import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput

COMPLEMENT = [3, 2, 1, 0]


def attributions(n: int = 30, length: int = 25, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    codes = rng.choice(np.array([0, 1, 2, 3, 254], np.uint8), (n, length), p=[0.24] * 4 + [0.04])
    return mt.Attributions.build(
        codes,
        alphabet="DNA",
        attribution=rng.normal(size=(n, 4, length)),
        target="signal",
        method="made up",
        hypothetical=True,
        sequence_id=[f"s{i}" for i in range(n)],
    )


def spans(seqs: xr.Dataset, n: int = 90, seed: int = 1, **parts: object) -> xr.Dataset:
    """Three motifs of widths 4, 7 and 6, the last without spans."""
    rng = np.random.default_rng(seed)
    motif = rng.integers(-1, 2, n)
    width = np.array([4, 7, 5])[motif]
    start = rng.integers(0, seqs.sizes["position"] - 7, n)
    return mt.Annotations.build(
        **{
            "sequence_index": rng.integers(0, seqs.sizes["sequence"], n),
            "start": start,
            "end": start + width,
            "motif_index": motif,
            "strand": rng.choice([-1, 1], n),
            "motif": ["A", "B", "C"],
            "name": ["first", "second", "third"],
            "sequence_length": np.full(seqs.sizes["sequence"], seqs.sizes["position"]),
            "source": "user",
        }
        | parts
    )


def oriented(values: np.ndarray, strand: int) -> np.ndarray:
    return values if strand == 1 else values[COMPLEMENT][:, ::-1]


def test_probabilities_and_contributions_equal_those_of_plain_loops() -> None:
    seqs = attributions()
    found = spans(seqs)
    made = mt.tl.annotated_motifs(found, seqs)
    assert made["motif"].values.tolist() == ["A", "B"]
    assert made["name"].values.tolist() == ["first", "second"]
    assert made["length"].values.tolist() == [4, 7]
    for number, width in ((0, 4), (1, 7)):
        counts, sums, n = np.zeros((4, width)), np.zeros((4, width)), 0
        for row, start, motif, strand in zip(
            *(found[x].values for x in ("sequence_index", "start", "motif_index", "strand")),
            strict=True,
        ):
            if motif != number:
                continue
            letters = seqs["codes"].values[row, start : start + width]
            counts += oriented((letters == np.arange(4)[:, None]).astype(float), strand)
            sums += oriented(seqs["attribution"].values[row, :, start : start + width], strand)
            n += 1
        probability = made["probability"].values[number]
        np.testing.assert_allclose(probability[:, :width], counts / counts.sum(axis=0), rtol=1e-6)
        assert not probability[:, width:].any()
        np.testing.assert_allclose(
            made["contribution"].values[number, :, :width], sums / n, atol=1e-6
        )
        assert made["n_sites"].values[number] == n


def test_chunks_and_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seqs = attributions()
    found = spans(seqs)
    expected = mt.tl.annotated_motifs(found, seqs)
    module = __import__("sys").modules["mutua.tl.annotated_motifs"]
    monkeypatch.setattr(module, "_BLOCK", 25 * 7)
    assert mt.tl.annotated_motifs(found, seqs.chunk(sequence=4)).equals(expected)


def test_windows_of_one_width_are_symmetric_under_the_reverse_complement() -> None:
    seqs = attributions()
    found = spans(seqs)
    turned = mt.pp.reverse_complement(seqs)
    length = seqs.sizes["position"]
    mirrored = found.assign(
        start=length - found["end"], end=length - found["start"], strand=-found["strand"]
    )
    for width in (3, 4, 9):
        one = mt.tl.annotated_motifs(found, seqs, width=width)
        other = mt.tl.annotated_motifs(mirrored, turned, width=width)
        np.testing.assert_allclose(one["probability"], other["probability"])
        assert (one["length"] == width).all()
    # Windows over an end are left out.
    assert one["n_sites"].sum() < (found["motif_index"] >= 0).sum()


def test_seqlets_make_motifs_of_their_own() -> None:
    seqs = attributions().drop_vars(["attribution", "letter"])
    seqs = mt.SequenceSet.build(
        seqs["codes"].values, alphabet="DNA", sequence_id=seqs["sequence_id"]
    )
    found = spans(seqs).drop_vars(["motif_index", "motif", "name", "strand"])
    found = found.isel(annotation=slice(3)).assign_coords(sequence_id=seqs["sequence_id"])
    made = mt.tl.annotated_motifs(found, seqs)
    assert "contribution" not in made
    row, start, end = (int(found[x].values[0]) for x in ("sequence_index", "start", "end"))
    assert made["motif"].values[0] == f"s{row}:{start}-{end}"
    letters = mt.pp.to_strings(seqs)[row][start:end]
    best = made["probability"].values[0, :, : end - start].argmax(axis=0)
    for letter, place in zip(letters, best, strict=True):
        assert letter == "N" or letter == "ACGT"[place]


def test_columns_without_letters_and_pseudocounts() -> None:
    seqs = mt.from_strings(["ANGT", "ANGA"])
    found = mt.Annotations.build(
        sequence_index=[0, 1], start=[0, 0], end=[4, 4], motif_index=[0, 0], motif=["m"],
        sequence_length=[4, 4], source="user",
    )  # fmt: skip
    made = mt.tl.annotated_motifs(found, seqs)["probability"].values[0]
    np.testing.assert_allclose(made[:, 1], 0.25)
    np.testing.assert_allclose(made[:, 3], [0.5, 0, 0, 0.5])
    smooth = mt.tl.annotated_motifs(found, seqs, pseudocount=2)["probability"].values[0]
    np.testing.assert_allclose(smooth[:, 0], [2.5 / 4, 0.5 / 4, 0.5 / 4, 0.5 / 4])


def test_nothing_annotated_gives_no_motifs() -> None:
    seqs = attributions()
    empty = spans(seqs).isel(annotation=slice(0))
    assert mt.tl.annotated_motifs(empty, seqs).sizes["motif"] == 0


def test_refusals() -> None:
    seqs = attributions()
    found = spans(seqs)
    uneven = found.assign(end=found["end"] + (np.arange(90) % 2).astype(np.int32))
    with pytest.raises(InvalidInput, match=r"spans of 'B' are 7 to 8 letters wide.*width="):
        mt.tl.annotated_motifs(uneven, seqs)
    with pytest.raises(InvalidInput, match="width"):
        mt.tl.annotated_motifs(found, seqs, width=0)
    with pytest.raises(InvalidInput, match="pseudocount"):
        mt.tl.annotated_motifs(found, seqs, pseudocount=-1)
    with pytest.raises(InvalidInput, match="sequences"):
        mt.tl.annotated_motifs(found, seqs.isel(sequence=slice(9)))
    codes = seqs["codes"].values % 4
    protein = mt.SequenceSet.build(codes, alphabet="protein")
    with pytest.raises(InvalidInput, match="no complement"):
        mt.tl.annotated_motifs(found, protein)
