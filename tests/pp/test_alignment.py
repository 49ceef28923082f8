"""Sequences cut and turned so that a motif stands at the same place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.pp import alignment
from tests.reference import sequences as reference

PARTNER = dict(zip("ACGTN-", "TGCAN-", strict=True))
PWM = np.array([[0.7, 0.0, 0.1], [0.1, 0.9, 0.1], [0.1, 0.1, 0.7], [0.1, 0.0, 0.1]])
ROWS = st.integers(5, 14).flatmap(
    lambda length: st.lists(
        st.text("ACGTN", min_size=2, max_size=length), min_size=1, max_size=6
    ).filter(lambda rows: any(set(row) - {"N"} for row in rows))
)


def turned(text: str) -> str:
    return "".join(PARTNER[letter] for letter in reversed(text))


def log_odds(matrix: np.ndarray) -> list[list[float]]:
    return (np.log2((matrix + 1e-4) / (1 + 4e-4) * 4)).tolist()


def by_loops(
    rows: list[str], table: list[list[float]], least: float, options: dict[str, object]
) -> list[tuple[int, str]]:
    """Give (row, window) as `align_on` documents it; rows are padded with "-"."""
    up, down = options["upstream"], options["downstream"]
    codes = {**{letter: i for i, letter in enumerate("ACGT")}, "N": 254, "-": 255}
    kept = []
    for number, row in enumerate(rows):
        partner = [3, 2, 1, 0] if options["both_strands"] else None
        hits = reference.hits([codes[letter] for letter in row], table, least, partner)
        # Scores are compared as float32, the forward strand first.
        ranked = [(p, strand, float(np.float32(score))) for p, strand, score in hits]
        if not ranked:
            continue
        if options["occurrence"] == "first":
            ranked = [hit for hit in ranked if hit[0] == ranked[0][0]]
        position, strand, _ = max(ranked, key=lambda hit: hit[2])
        width = len(table[0])
        text = row if strand == 1 else turned(row)
        anchor = position if strand == 1 else len(row) - position - width
        window = "".join(
            text[i] if 0 <= i < len(text) else "-" for i in range(anchor - up, anchor + down)
        )
        if options["pad"] or "-" not in window:
            kept.append((number, window))
    return kept


@settings(deadline=None)
@given(
    rows=ROWS,
    pad_rows=st.sampled_from(["left", "right", "center"]),
    upstream=st.integers(0, 3),
    downstream=st.integers(3, 6),
    occurrence=st.sampled_from(["best", "first"]),
    both_strands=st.booleans(),
    pad=st.booleans(),
    consensus=st.booleans(),
)
def test_align_on_matches_plain_loops(
    rows, pad_rows, upstream, downstream, occurrence, both_strands, pad, consensus
):
    seqs = mt.from_strings(rows, pad=pad_rows, sequence_id=[str(i) for i in range(len(rows))])
    options = {
        "upstream": upstream,
        "downstream": downstream,
        "occurrence": occurrence,
        "both_strands": both_strands,
        "pad": pad,
    }
    if consensus:
        motif, least = "RCN", 0.0
        accepted = ["AG", "C", "ACGT"]
        table = [[0.0 if letter in some else -np.inf for some in accepted] for letter in "ACGT"]
        # The symbol for any letter takes an unknown one too, which no matrix does.
        rows = [row.replace("N", "T") for row in rows]
        seqs = mt.from_strings(rows, pad=pad_rows, sequence_id=[str(i) for i in range(len(rows))])
    else:
        motif, table, least = PWM, log_odds(PWM), 1.5
        options["threshold"] = least
    padded = mt.pp.to_strings(seqs, padding="-")
    expected = by_loops(padded, table, least, options)
    if not expected:
        with pytest.raises(InvalidInput, match=r"`motif`: \d+ of \d+ sequences have it"):
            mt.pp.align_on(seqs, motif, **options)
        return
    out = mt.pp.align_on(seqs, motif, **options)
    mt.SequenceSet.check(out, deep=True)
    assert mt.pp.to_strings(out, padding="-") == [window for _, window in expected]
    assert out["sequence_id"].values.tolist() == [str(number) for number, _ in expected]
    assert out["position"].values.tolist() == list(range(-upstream, downstream))
    assert out["length"].values.tolist() == [len(w) - w.count("-") for _, w in expected]


def test_blocks_do_not_show(full, monkeypatch):
    options = {"upstream": 2, "downstream": 6, "both_strands": True, "pad": True}
    whole = mt.pp.align_on(full, "GR", **options)
    monkeypatch.setattr(alignment, "_BLOCK", 30)
    xr.testing.assert_identical(mt.pp.align_on(full, "GR", **options), whole)


def test_all_of_a_sequence_comes_along(untouched, function_of):
    out = mt.pp.align_on(untouched, "RY", upstream=1, downstream=4)
    mt.SequenceSet.check(out, deep=True)
    assert function_of(out) == "pp.align_on"
    places = [int(name[1:]) for name in out["sequence_id"].values]
    assert 3 < len(places) < 17
    for name in ("prediction", "weight", "chrom"):
        np.testing.assert_array_equal(out[name], untouched[name][places])
    for row, place in enumerate(places):
        text = mt.pp.to_strings(untouched, padding="-")[place]
        window = mt.pp.to_strings(out)[row]
        begin = text.index(window)
        expected = untouched["tracks"].values[place, :, begin : begin + 5]
        np.testing.assert_array_equal(out["tracks"].values[row], expected)
    again = mt.pp.align_on(untouched.chunk(sequence=5), "RY", upstream=1, downstream=4)
    xr.testing.assert_equal(again.compute(), out)


def test_variables_of_the_users_own(own):
    out = mt.pp.align_on(own, "RY", upstream=1, downstream=4, both_strands=True)
    mt.SequenceSet.check(out, deep=True)
    along_position = {"conserved", "entropy", "region", "base"}
    motifs = {"motif_start", "motif", "strength"}
    assert set(own.variables) - set(out.variables) == along_position | motifs
    places = [int(name[1:]) for name in out["sequence_id"].values]
    for name in ("barcodes", "spread"):
        np.testing.assert_array_equal(out[name], own[name][places])


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    letters = np.random.default_rng(1).choice(list("ACGT"), (3, 997))
    path = tmp_path / "genome.fa"
    path.write_text("".join(f">chr{i}\n{''.join(row)}\n" for i, row in enumerate(letters)))
    return path


@pytest.mark.parametrize("strand", [True, False])
@pytest.mark.parametrize("pad", [True, False])
def test_regions_after_it_are_read_as_the_same_letters(genome, strand, pad):
    """The windows' places, read from the genome again, give the windows."""
    random = np.random.default_rng(2)
    start = random.integers(0, 960, 60)
    start[:3], start[3:6] = 0, 970
    columns = {"chrom": [f"chr{i % 3}" for i in range(60)], "start": start, "end": start + 40}
    if strand:
        columns["strand"] = random.choice(["+", "-"], 60)
    seqs = mt.read_regions(pd.DataFrame(columns), genome, pad=True)
    if not strand:
        seqs = seqs.drop_vars("strand")
    out = mt.pp.align_on(seqs, "GAWR", upstream=9, downstream=13, both_strands=True, pad=pad)
    assert out.sizes["sequence"] > 10
    lengths = np.asarray(out["end"] - out["start"])
    np.testing.assert_array_equal(lengths, out["length"])
    assert (lengths < 22).any() == pad
    for row, text in enumerate(mt.pp.to_strings(out)):
        place = out.isel(sequence=row)
        frame = pd.DataFrame(
            {name: [place[name].item()] for name in ("chrom", "start", "end", "strand")}
        )
        assert mt.pp.to_strings(mt.read_regions(frame, genome)) == [text]
    # And turned around once more.
    back = mt.pp.reverse_complement(out)
    frame = pd.DataFrame(
        {name: back[name].values[:1] for name in ("chrom", "start", "end", "strand")}
    )
    assert mt.pp.to_strings(mt.read_regions(frame, genome)) == mt.pp.to_strings(back)[:1]


def test_places_that_were_not_those_of_the_letters_go(full):
    wrong = full.assign_coords(end=full["end"] + 1)
    out = mt.pp.align_on(wrong, "RY", upstream=0, downstream=2)
    assert not {"start", "end"} & set(out.coords)
    assert "chrom" in out.coords
    assert "start" not in mt.pp.align_on(full.drop_vars("end"), "RY", upstream=0, downstream=2)


def test_tracks_are_turned_and_padded():
    seqs = mt.from_strings(["AAGATC", "GATCTA", "CCCCCC"])
    values = np.arange(18, dtype=np.float32).reshape(3, 1, 6)
    seqs = seqs.assign(tracks=(("sequence", "track", "position"), values))
    out = mt.pp.align_on(seqs, "AGA", upstream=2, downstream=4, both_strands=True, pad=True)
    assert mt.pp.to_strings(out, padding="-") == ["-AAGAT", "-TAGAT"]
    assert out["tracks"].values.tolist() == [[[0, 0, 1, 2, 3, 4]], [[0, 11, 10, 9, 8, 7]]]


def test_the_default_threshold_is_half_of_the_best_score():
    sharp = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=float)
    seqs = mt.from_strings(["TTACGTT", "TTACTTT", "TTATTTT"])
    out = mt.pp.align_on(seqs, sharp, upstream=0, downstream=3)
    assert mt.pp.to_strings(out) == ["ACG"]
    out = mt.pp.align_on(seqs, sharp, upstream=0, downstream=3, threshold=-21)
    assert mt.pp.to_strings(out) == ["ACG", "ACT", "ATT"]


@pytest.mark.parametrize(
    ("motif", "options", "message"),
    [
        ("GAXA", {}, "`motif`: 'X' at position 2"),
        (PWM.T, {}, r"`motif`: 'motif' has shape \(3, 4\)\. Use its transpose"),
        (PWM * 3, {}, "`motif`: 'motif' has columns"),
        (None, {}, "`motif`"),
        ("RY", {"upstream": -1}, "`upstream`: -1"),
        ("RY", {"upstream": 1.5}, "`upstream`"),
        ("RY", {"downstream": 1}, "`downstream`: 1. Keep the motif: at least 2"),
        ("RY", {"downstream": 0}, "`downstream`: 0"),
        ("RY", {"occurrence": "last"}, "`occurrence`: 'last'"),
        ("RY", {"threshold": 1}, "`threshold`: 1. A consensus either matches or not"),
        (PWM, {"threshold": "x"}, "`threshold`"),
        (PWM, {"threshold": np.nan}, "`threshold`"),
        ("RY", {"both_strands": "yes"}, "`both_strands`: 'yes'"),
        ("RY", {"pad": "right"}, "`pad`: 'right'"),
        ("RYRYRYRYRY", {}, "`downstream`: 3"),
        ("RY", {"upstream": 12}, "none of them with room for the window. Use pad=True"),
        ("GGGGGG", {"downstream": 6}, "`motif`: 0 of 17 sequences have it. Check it"),
        (PWM, {"threshold": 99}, "0 of 17 sequences have it"),
    ],
)
def test_align_on_refuses(full, motif, options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.pp.align_on(full, motif, **{"upstream": 1, "downstream": 3, **options})


def test_proteins_have_one_strand():
    proteins = mt.from_strings(["MKVLA"], alphabet="protein")
    options = {"upstream": 0, "downstream": 2}
    assert mt.pp.to_strings(mt.pp.align_on(proteins, "KV", **options)) == ["KV"]
    with pytest.raises(InvalidInput, match="`both_strands`: the alphabet 'protein' has no compl"):
        mt.pp.align_on(proteins, "KV", both_strands=True, **options)
    with pytest.raises(InvalidElement, match="align_on"):
        mt.pp.align_on(["MKV"], "KV", **options)


def test_sequences_without_positions(full):
    none = full.isel(position=slice(0))
    with pytest.raises(InvalidInput, match="`motif`: 0 of 17 sequences have it"):
        mt.pp.align_on(none, "RY", upstream=0, downstream=2)
    with pytest.raises(InvalidInput, match="`motifs`: are 2 letters too long for sequence 0"):
        mt.pp.embed_motifs(none, "RY")
