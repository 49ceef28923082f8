"""Motifs that spans resemble, through the public function, on labelled data."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput
from mutua.models.annotations import Annotations
from mutua.tl.annotation import annotate

N, N_SEQUENCES, LENGTH, N_MOTIFS = 37, 13, 71, 40


@pytest.fixture(scope="module")
def motifs() -> xr.Dataset:
    return mt.datasets.jaspar().isel(motif=slice(100, 100 + N_MOTIFS))


@pytest.fixture(scope="module")
def sequences() -> xr.Dataset:
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (N_SEQUENCES, LENGTH), dtype=np.uint8)
    codes[random.random(codes.shape) < 0.02] = 254
    names = [f"s{i}" for i in range(N_SEQUENCES)]
    return mt.SequenceSet.build(codes, alphabet="DNA", sequence_id=names)


@pytest.fixture(scope="module")
def spans(sequences: xr.Dataset) -> xr.Dataset:
    random = np.random.default_rng(1)
    start = random.integers(0, LENGTH - 21, N)
    return Annotations.build(
        sequence_index=random.integers(0, N_SEQUENCES, N),
        start=start,
        end=start + random.integers(4, 21, N),
        attribution=random.normal(size=N),
        rank_score=random.random(N),
        sequence_length=[LENGTH] * N_SEQUENCES,
        sequence_id=sequences["sequence_id"].values,
        source="seqlets",
    )


def test_numbers_are_those_of_memelite(
    spans: xr.Dataset, motifs: xr.Dataset, sequences: xr.Dataset
) -> None:
    found = annotate(spans, motifs, sequences=sequences, n_nearest=3)
    Annotations.check(found, deep=True)
    columns = np.vstack([np.eye(4), np.full(4, 0.25)])
    queries = [
        columns[np.minimum(sequences["codes"].values[i, a:b], 4)].T
        for i, a, b in zip(
            *(spans[name].values for name in ("sequence_index", "start", "end")), strict=True
        )
    ]
    targets = [
        motifs["probability"].values[m, :, :w].astype(np.float64)
        for m, w in enumerate(motifs["length"].values)
    ]
    p, score, offset, overlap, strand = importlib.import_module("memelite").tomtom(queries, targets)
    nearest = np.argsort(p, axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(found["motif_index"], nearest.ravel())
    for name, theirs in (
        ("p_value", p), ("score", score), ("offset", -offset), ("overlap", overlap),
        ("strand", 1 - 2 * strand),
    ):  # fmt: skip
        wanted = np.take_along_axis(theirs, nearest, axis=1).ravel()
        np.testing.assert_allclose(found[name], wanted, rtol=1e-9, err_msg=name)
    np.testing.assert_array_equal(found["rank"], np.tile([0, 1, 2], N))
    for name in ("sequence_index", "start", "end", "attribution", "rank_score"):
        np.testing.assert_array_equal(found[name], np.repeat(spans[name].values, 3))
    assert found.attrs["n_tests"] == N * N_MOTIFS
    assert found.attrs["source"] == "tomtom"
    np.testing.assert_array_equal(found["family"], motifs["family"])
    np.testing.assert_array_equal(found["sequence_id"], sequences["sequence_id"])
    one = annotate(spans, motifs, sequences=sequences)
    np.testing.assert_array_equal(one["q_value"], found["q_value"].values[::3])


def test_chunks_and_stores_give_the_same_bits(
    spans: xr.Dataset, motifs: xr.Dataset, sequences: xr.Dataset, tmp_path: Path
) -> None:
    whole = annotate(spans, motifs, sequences=sequences)
    chunked = sequences.chunk({"sequence": 4, "position": 19})
    xr.testing.assert_identical(
        whole.drop_attrs(), annotate(spans, motifs, sequences=chunked).drop_attrs()
    )
    study = mt.Analysis({"seqs": sequences, "spans": spans})
    study.write(str(tmp_path / "study.zarr"))
    opened = mt.open(str(tmp_path / "study.zarr"))
    found = annotate(opened["spans"], motifs, sequences=opened["seqs"])
    for name in ("motif_index", "p_value", "score"):
        np.testing.assert_array_equal(found[name], whole[name])


def test_spans_that_keep_their_letters(
    spans: xr.Dataset, motifs: xr.Dataset, sequences: xr.Dataset
) -> None:
    letters = np.full((N, 20), 255, np.uint8)
    for row in range(N):
        i, a, b = (int(spans[name][row]) for name in ("sequence_index", "start", "end"))
        letters[row, : b - a] = sequences["codes"].values[i, a:b]
    keeping = spans.assign(codes=(("annotation", "span_position"), letters))
    found = annotate(keeping.assign_attrs(alphabet="ACGT"), motifs)
    wanted = annotate(spans, motifs, sequences=sequences)
    xr.testing.assert_identical(found.drop_attrs(), wanted.drop_attrs())
    with pytest.raises(InvalidInput, match=r"`sequences`: None, and the spans keep no letters"):
        annotate(spans, motifs)


def test_motifs_are_compared_as_memelite_does(motifs: xr.Dataset) -> None:
    queries = mt.datasets.jaspar().isel(motif=[7, 110, 300, 120, 5])  # two are among the targets
    found = annotate(queries, motifs, n_nearest=2)
    Annotations.check(found, deep=True)
    cut = [
        [matrix[:, :width].astype(np.float64) for matrix, width in zip(
            part["probability"].values, part["length"].values, strict=True)]
        for part in (queries, motifs)
    ]  # fmt: skip
    p, score, offset, overlap, strand = importlib.import_module("memelite").tomtom(*cut)
    nearest = np.argsort(p, axis=1, kind="stable")[:, :2]
    np.testing.assert_array_equal(found["motif_index"], nearest.ravel())
    for name, theirs in (
        ("p_value", p), ("score", score), ("offset", -offset), ("overlap", overlap),
        ("strand", 1 - 2 * strand),
    ):  # fmt: skip
        wanted = np.take_along_axis(theirs, nearest, axis=1).ravel()
        np.testing.assert_allclose(found[name], wanted, rtol=1e-9, err_msg=name)
    assert found["motif_index"].values[[2, 6]].tolist() == [10, 20]
    assert found["sequence_id"].values.tolist() == queries["motif"].values.tolist()
    np.testing.assert_array_equal(found["end"], np.repeat(queries["length"].values, 2))
    assert found.attrs["n_tests"] == 5 * N_MOTIFS
    assert annotate(queries.isel(motif=slice(0)), motifs).sizes["annotation"] == 0


def test_motifs_with_sequences_or_of_other_letters_are_refused(
    motifs: xr.Dataset, sequences: xr.Dataset
) -> None:
    with pytest.raises(InvalidInput, match="`sequences`: given, beside motifs to annotate"):
        annotate(motifs, motifs, sequences=sequences)
    rna = mt.MotifSet.build({"a": "GAUA"}, alphabet="RNA")
    with pytest.raises(InvalidInput, match=r"`motifs`: motifs of 'ACGT'"):
        annotate(rna, motifs)


def test_no_spans(spans: xr.Dataset, motifs: xr.Dataset, sequences: xr.Dataset) -> None:
    found = annotate(spans.isel(annotation=slice(0)), motifs, sequences=sequences, n_nearest=2)
    Annotations.check(found, deep=True)
    assert found.sizes["annotation"] == 0
    assert found.sizes["motif"] == N_MOTIFS
    assert found.attrs["n_tests"] == 0
    some = annotate(spans, motifs, sequences=sequences)
    assert set(found.variables) == set(some.variables)
    assert all(found[name].dtype == some[name].dtype for name in found.data_vars)


def test_letters_in_another_order(
    spans: xr.Dataset, motifs: xr.Dataset, sequences: xr.Dataset
) -> None:
    wanted = annotate(spans, motifs, sequences=sequences)
    codes = sequences["codes"].values
    table = np.arange(256, dtype=np.uint8)
    table[[0, 1, 2, 3]] = [1, 3, 2, 0]  # A, C, G, T in TAGC
    turned = mt.SequenceSet.build(table[codes], alphabet="TAGC")
    found = annotate(spans, motifs, sequences=turned)
    for name in ("motif_index", "strand", "p_value", "offset"):
        np.testing.assert_array_equal(found[name], wanted[name])


def test_few_motifs_and_one_strand(
    spans: xr.Dataset, motifs: xr.Dataset, sequences: xr.Dataset
) -> None:
    few = motifs.isel(motif=slice(0, 24))
    with pytest.warns(UserWarning, match="there are 24 motifs") as seen:
        annotate(spans, few, sequences=sequences)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        enough = motifs.isel(motif=slice(0, 25))
        found = annotate(spans, enough, sequences=sequences, reverse_complement=False)
    assert (found["strand"] == 1).all()


def test_protein() -> None:
    motifs = mt.MotifSet.build({str(i): word for i, word in enumerate(
        ["RGDL", "NATW", "KDEL", "PPPY", "WWLV"] * 5 + ["MKHC"])}, alphabet="protein")  # fmt: skip
    seqs = mt.from_strings(["MKRGDLLLNATW"], alphabet="protein")
    spans = Annotations.build(
        sequence_index=[0, 0], start=[2, 8], end=[6, 12], sequence_length=[12], source="user"
    )
    found = annotate(spans, motifs, sequences=seqs, reverse_complement=False)
    assert found["motif_index"].values.tolist() == [0, 1]  # the first of five that are equal
    with pytest.raises(InvalidInput, match=r"`reverse_complement`: True.*no complement"):
        annotate(spans, motifs, sequences=seqs)


def test_refusals(spans: xr.Dataset, motifs: xr.Dataset, sequences: xr.Dataset) -> None:
    rna = mt.MotifSet.build({"a": "GAUA"}, alphabet="RNA")
    with pytest.raises(InvalidInput, match=r"`motifs`: motifs of 'ACGU'.*alphabet="):
        annotate(spans, rna, sequences=sequences)
    with pytest.raises(InvalidInput, match=r"`n_nearest`: 41, and there are 40 motifs"):
        annotate(spans, motifs, sequences=sequences, n_nearest=41)
    with pytest.raises(InvalidInput, match="`n_nearest`"):
        annotate(spans, motifs, sequences=sequences, n_nearest=0)
    with pytest.raises(InvalidInput, match="`motifs`: none"):
        annotate(spans, motifs.isel(motif=slice(0)), sequences=sequences)
    with pytest.raises(InvalidInput, match="`reverse_complement`"):
        annotate(spans, motifs, sequences=sequences, reverse_complement=1)
    with pytest.raises(InvalidInput, match=r"`sequences`: 12 of 71 letters"):
        annotate(spans, motifs, sequences=sequences.isel(sequence=slice(12)))
    with pytest.raises(InvalidInput, match=r"`sequences`: 13 of 10 letters"):
        annotate(spans, motifs, sequences=sequences.isel(position=slice(10)))
    with pytest.raises(InvalidInput, match=r"sequence 0 is 's12', and the spans are in 's0'"):
        annotate(spans, motifs, sequences=sequences.isel(sequence=slice(None, None, -1)))
