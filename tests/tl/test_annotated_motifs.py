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
        counts, projected, sums, n = (*(np.zeros((4, width)) for _ in range(3)), 0)
        for row, start, motif, strand in zip(
            *(found[x].values for x in ("sequence_index", "start", "motif_index", "strand")),
            strict=True,
        ):
            if motif != number:
                continue
            letters = seqs["codes"].values[row, start : start + width]
            there = (letters == np.arange(4)[:, None]).astype(float)
            values = seqs["attribution"].values[row, :, start : start + width]
            counts += oriented(there, strand)
            projected += oriented(there * values, strand)
            sums += oriented(values, strand)
            n += 1
        probability = made["probability"].values[number]
        np.testing.assert_allclose(probability[:, :width], counts / counts.sum(axis=0), rtol=1e-6)
        assert not probability[:, width:].any()
        for name, total in (("contribution", projected), ("hypothetical", sums)):
            matrix = made[name].values[number]
            np.testing.assert_allclose(matrix[:, :width], total / n, atol=1e-6)
            assert not matrix[:, width:].any()
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


MOTIF = "ACCGGATGTC"


def jittered(n: int = 60, length: int = 70, seed: int = 4) -> tuple[xr.Dataset, xr.Dataset]:
    """Sequences with a motif on both strands, and spans that begin up to 4 letters off it."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, length), dtype=np.uint8)
    motif = np.array(["ACGT".index(letter) for letter in MOTIF], np.uint8)
    place, start, end = rng.integers(10, length - 25, n), np.zeros(n, int), np.zeros(n, int)
    for row, at in enumerate(place):
        turned = row % 2 == 1
        codes[row, at : at + len(motif)] = 3 - motif[::-1] if turned else motif
        start[row], end[row] = at + rng.integers(-4, 3), at + len(motif) + rng.integers(-3, 5)
    seqs = mt.SequenceSet.build(codes, alphabet="DNA")
    spans = mt.Annotations.build(
        sequence_index=np.arange(n), start=start, end=end, sequence_length=np.full(n, length),
        source="user",
    )  # fmt: skip
    others = ["TGACTCATAAGC", "GGGCGGGG", "TTTATTGCAATC", "CACGTGACCAAA"]
    motifs = mt.MotifSet.build({"planted": MOTIF} | {f"m{i}": one for i, one in enumerate(others)})
    with pytest.warns(UserWarning, match="5 motifs"):
        return seqs, mt.tl.annotate(spans, motifs, sequences=seqs)


def windows(
    seqs: xr.Dataset, found: xr.Dataset, motif_length: int, width: int
) -> tuple[np.ndarray, int]:
    """The letters around the middle of the motif, counted one by one."""
    counts, n = np.zeros((4, width)), 0
    names = ("sequence_index", "start", "offset", "strand", "motif_index")
    for row, start, offset, strand, motif in zip(*(found[x].values for x in names), strict=True):
        if motif != 0:
            continue
        letters = seqs["codes"].values[row]
        before = (motif_length - width) // 2
        # From the first letter of the motif on, read on its own strand.
        if strand == 1:
            places = [start + offset + before + i for i in range(width)]
        else:
            places = [start + offset + motif_length - 1 - before - i for i in range(width)]
        if min(places) < 0 or max(places) >= len(letters):
            continue
        n += 1
        for column, place in enumerate(places):
            counts[letters[place] if strand == 1 else 3 - letters[place], column] += 1
    return counts, n


@pytest.mark.parametrize("width", [4, 7, 10, 15])
def test_spans_are_aligned_where_their_motif_lies(width: int) -> None:
    seqs, found = jittered()
    assert np.ptp(found["offset"].values) >= 5
    assert set(found["strand"].values) == {-1, 1}
    made = mt.tl.annotated_motifs(found, seqs, width=width).sel(motif="planted")
    counts, n = windows(seqs, found, len(MOTIF), width)
    assert made["n_sites"] == n > 50
    np.testing.assert_allclose(made["probability"], counts / n, rtol=1e-6)


def test_aligned_spans_are_sharper_than_their_middles() -> None:
    seqs, found = jittered()
    aligned = mt.tl.annotated_motifs(found, seqs, width=10).sel(motif="planted")
    middles = mt.tl.annotated_motifs(found.drop_vars("offset"), seqs, width=10)
    middles = middles.sel(motif="planted")
    assert aligned["information"] > 19
    assert middles["information"] < 8
    best = aligned["probability"].values.argmax(axis=0)
    assert "".join("ACGT"[letter] for letter in best) == MOTIF


def test_without_a_width_motifs_are_as_wide_as_they_are() -> None:
    seqs, found = jittered()
    made = mt.tl.annotated_motifs(found, seqs)
    assert made["length"].sel(motif="planted") == len(MOTIF)
    counts, n = windows(seqs, found, len(MOTIF), len(MOTIF))
    planted = made["probability"].sel(motif="planted").values[:, : len(MOTIF)]
    np.testing.assert_allclose(planted, counts / n, rtol=1e-6)


def test_motifs_beyond_the_end_of_their_sequence_are_left_out() -> None:
    seqs = mt.from_strings(["GGATGTCAAA", "AACCGGATGT", "ACCGGATGTC"])
    found = mt.Annotations.build(
        sequence_index=[0, 1, 2], start=[0, 1, 0], end=[7, 10, 10], motif_index=[0, 0, 0],
        motif=["planted"], strand=[1, 1, 1], offset=[-3, 0, 0], overlap=[7, 9, 10],
        sequence_length=[10, 10, 10], source="tomtom",
    )  # fmt: skip
    made = mt.tl.annotated_motifs(found, seqs)
    assert (made["n_sites"].item(), made["length"].item()) == (1, 10)
    shorter = mt.tl.annotated_motifs(found, seqs, width=4)
    assert shorter["n_sites"].item() == 3
    best = shorter["probability"].values[0].argmax(axis=0)
    assert "".join("ACGT"[letter] for letter in best) == "GGAT"
