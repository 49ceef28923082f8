"""Hits of motifs through the public function, on labelled data."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput
from mutua.models.annotations import Annotations
from mutua.models.attributions import Attributions
from mutua.tl.scanning import scan
from tests.reference import motifs as reference

N, LENGTH = 23, 61
COLUMNS = ["sequence_index", "start", "motif_index", "strand", "score", "p_value"]


@pytest.fixture(scope="module")
def motifs() -> xr.Dataset:
    return mt.MotifSet.build(
        {"GATA": "WGATAR", "E-box": "CANNTG", "site": "TGAC"},
        name=["GATA1", "MYC", "FOS"],
        family=["GATA", "bHLH", "bZIP"],
        background=[0.3, 0.2, 0.2, 0.3],
    )


@pytest.fixture(scope="module")
def sequences() -> xr.Dataset:
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (N, LENGTH), dtype=np.uint8)
    codes[random.random(codes.shape) < 0.02] = 254
    codes[:7, -9:] = 255
    return mt.SequenceSet.build(
        codes,
        alphabet="DNA",
        sequence_id=[f"s{i}" for i in range(N)],
        chrom=["chr1"] * N,
        start=np.arange(N) * 100,
        strand=["+"] * N,
    )


def explained(sequences: xr.Dataset) -> xr.Dataset:
    values = np.random.default_rng(1).normal(size=(N, 4, LENGTH)).astype(np.float32)
    return Attributions.build(
        sequences, attribution=values, letter=list("ACGT"), target="t", method="m",
        hypothetical=True,
    )  # fmt: skip


def rows(hits: xr.Dataset) -> list[tuple]:
    return list(zip(*(hits[name].values.tolist() for name in COLUMNS), strict=True))


@pytest.mark.parametrize("unknown", ["drop", "neutral"])
@pytest.mark.parametrize("background", [None, {"T": 0.1, "G": 0.4, "A": 0.3, "C": 0.2}])
@pytest.mark.parametrize("strand", ["both", "forward"])
def test_hits_are_those_of_plain_loops(
    sequences: xr.Dataset, motifs: xr.Dataset, strand: str, background: dict | None, unknown: str
) -> None:
    hits = scan(
        sequences, motifs, p_threshold=0.02, strand=strand, background=background, unknown=unknown
    )
    Annotations.check(hits, deep=True)
    matrices = [
        motifs["probability"].values[m, :, :w] for m, w in enumerate(motifs["length"].values)
    ]
    wanted = reference.scan(
        sequences["codes"].values.tolist(),
        matrices,
        [0.3, 0.2, 0.2, 0.3] if background is None else [0.3, 0.2, 0.4, 0.1],
        [3, 2, 1, 0] if strand == "both" else None,
        0.02,
        unknown == "neutral",
    )
    found = rows(hits)
    assert len(found) > 15
    assert [row[:4] for row in found] == [row[:4] for row in wanted]
    np.testing.assert_allclose([r[4:] for r in found], [r[4:] for r in wanted], rtol=1e-9)
    q = reference.benjamini_hochberg([row[5] for row in wanted], hits.attrs["n_tests"])
    np.testing.assert_allclose(hits["q_value"], q, rtol=1e-9)
    widths = motifs["length"].values[hits["motif_index"].values]
    np.testing.assert_array_equal(hits["end"] - hits["start"], widths)


def test_names_and_places(sequences: xr.Dataset, motifs: xr.Dataset) -> None:
    hits = scan(sequences, motifs, p_threshold=0.01)
    assert dict(hits.sizes)["sequence"] == N
    assert hits.attrs["source"] == "scan"
    assert hits["motif"].values.tolist() == ["GATA", "E-box", "site"]
    assert hits["family"].values.tolist() == ["GATA", "bHLH", "bZIP"]
    for name, own in (("sequence_id", "sequence_id"), ("sequence_start", "start")):
        np.testing.assert_array_equal(hits[name], sequences[own])
    assert hits["p_value"].attrs["long_name"]
    step = json.loads(hits.attrs["mutua"])["steps"][-1]
    assert step["function"] == "tl.scan"
    assert step["arguments"]["p_threshold"] == 0.01


def test_a_site_is_found_on_its_strand() -> None:
    text = ["CCCCAGATAAGCCCCC", "CCCCCTTATCTCCCCC", "CCCCCCCCCCCCCCCC"]
    hits = scan(mt.from_strings(text), mt.MotifSet.build({"GATA": "AGATAAG"}))
    assert [row[:4] for row in rows(hits)] == [(0, 4, 0, 1), (1, 4, 0, -1)]
    np.testing.assert_allclose(hits["score"], 14, atol=0.01)
    np.testing.assert_allclose(hits["p_value"], 4.0**-7)
    assert hits.attrs["n_tests"] == 3 * 10 * 2
    both = scan(mt.from_strings(text), mt.MotifSet.build({"GATA": "AGATAAG"}), strand="forward")
    assert [row[:4] for row in rows(both)] == [(0, 4, 0, 1)]


def test_attributions_of_the_hits(sequences: xr.Dataset, motifs: xr.Dataset) -> None:
    attributions = explained(sequences)
    hits = scan(attributions, motifs, p_threshold=0.02, unknown="neutral")
    codes, values = sequences["codes"].values, attributions["attribution"].values
    for place, (row, start, end) in enumerate(
        zip(*(hits[name].values for name in ("sequence_index", "start", "end")), strict=True)
    ):
        inside = [
            float(values[row, codes[row, j], j]) if codes[row, j] < 4 else 0.0
            for j in range(start, end)
        ]
        assert hits["attribution"].values[place] == pytest.approx(sum(inside), rel=1e-6)
        assert hits["attribution_mean"].values[place] == pytest.approx(np.mean(inside), rel=1e-6)
        assert hits["attribution_max"].values[place] == max(inside)
    assert rows(hits) == rows(scan(sequences, motifs, p_threshold=0.02, unknown="neutral"))


@pytest.mark.parametrize("chunks", [{"sequence": 5}, {"sequence": 9, "position": 17}])
@pytest.mark.parametrize("memory", [2**20, None], ids=["little memory", "memory"])
def test_chunks_and_blocks_give_the_same_bits(
    sequences: xr.Dataset,
    motifs: xr.Dataset,
    chunks: dict[str, int],
    memory: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attributions = explained(sequences)
    whole = scan(attributions, motifs, p_threshold=0.02)
    if memory:  # blocks of 20 letters: parts of one sequence
        monkeypatch.setattr("mutua.tl.scanning._LETTER_BYTES", memory * 13)
    parts = scan(attributions.chunk(chunks), motifs, p_threshold=0.02)
    xr.testing.assert_identical(whole.drop_attrs(), parts.drop_attrs())
    assert whole.attrs["n_tests"] == parts.attrs["n_tests"]


def test_lazily_opened(sequences: xr.Dataset, motifs: xr.Dataset, tmp_path: Path) -> None:
    study = mt.Analysis({"seqs": sequences, "motifs": motifs})
    study.write(str(tmp_path / "study.zarr"))
    opened = mt.open(str(tmp_path / "study.zarr"))
    found = scan(opened["seqs"], opened["motifs"], p_threshold=0.02)
    assert rows(found) == rows(scan(sequences, motifs, p_threshold=0.02))


def test_motifs_that_can_have_no_hits_are_named_once(sequences: xr.Dataset) -> None:
    given = {f"M{i}": "ACGTAC" for i in range(12)} | {"long": "ACGTACGT", "vague": "ANNNNNNNNNC"}
    many = mt.MotifSet.build(given, name=["", *(f"name{i}" for i in range(1, 14))])
    with pytest.warns(UserWarning, match="can have no hits") as record:
        hits = scan(sequences, many, p_threshold=1.1e-4, strand="forward")
    assert len(record) == 1
    message = str(record[0].message)
    assert message.startswith(
        "13 of 14 motifs can have no hits: even the best sequence of M0, name1"
    )
    assert "name9 and 3 more is not as unlikely as p_threshold=0.00011." in message
    assert record[0].filename == __file__
    assert set(hits["motif_index"].values.tolist()) <= {12}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scan(sequences, many, p_threshold=0.3)


@pytest.mark.filterwarnings("ignore:3 of 3 motifs")
def test_nothing_found(motifs: xr.Dataset, sequences: xr.Dataset) -> None:
    short = mt.from_strings(["ACG", "TTT"])
    for given, options in (
        (short, {}),
        (sequences.isel(sequence=slice(0)), {}),
        (explained(sequences).isel(sequence=slice(0)), {}),
        (sequences, {"p_threshold": 1e-7}),
    ):
        hits = scan(given, motifs, **options)
        Annotations.check(hits, deep=True)
        assert hits.sizes["annotation"] == 0
        assert hits.sizes["motif"] == 3
    assert scan(short, motifs).attrs["n_tests"] == 0


def test_letters_in_another_order(sequences: xr.Dataset, motifs: xr.Dataset) -> None:
    turned = mt.MotifSet.build(
        motifs["probability"].values[:, [3, 0, 2, 1]],
        motif=motifs["motif"].values,
        length=motifs["length"].values,
        alphabet="TAGC",
        background=[0.3, 0.3, 0.2, 0.2],
    )
    assert rows(scan(sequences, turned, p_threshold=0.02)) == rows(
        scan(sequences, motifs, p_threshold=0.02)
    )


def test_protein() -> None:
    motifs = mt.MotifSet.build({"RGD": "RGD", "NxT": "NXT"}, alphabet="protein")
    seqs = mt.from_strings(["MKRGDLLLNATW"], alphabet="protein")
    hits = scan(seqs, motifs, p_threshold=0.01, strand="forward")
    assert [row[:4] for row in rows(hits)] == [(0, 2, 0, 1), (0, 8, 1, 1)]
    with pytest.raises(InvalidInput, match=r"`strand`: 'both'.*one strand\. Use strand='forward'"):
        scan(seqs, motifs)


@pytest.mark.parametrize("unknown", ["drop", "neutral"])
def test_the_way_of_a_gpu_gives_the_same_hits(
    unknown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All motifs of JASPAR, with torch on the CPU; whatever the chunks."""
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (3, 1501), dtype=np.uint8)
    codes[random.random(codes.shape) < 0.003] = 254
    codes[1, -400:] = 255
    seqs = mt.SequenceSet.build(codes, alphabet="DNA")
    known = mt.datasets.jaspar()
    wanted = scan(seqs, known, unknown=unknown, device="cpu")
    monkeypatch.setattr("mutua.kernels.motif_scan.torch_gpu", lambda device, **_: "cpu")
    assert wanted.sizes["annotation"] > 300
    for given in (seqs, seqs.chunk({"sequence": 2, "position": 700})):
        found = scan(given, known, unknown=unknown, device="cuda")
        xr.testing.assert_identical(found.drop_attrs(), wanted.drop_attrs())
    assert json.loads(found.attrs["mutua"])["steps"][-1]["arguments"]["device"] == "cuda"


@pytest.mark.parametrize("level", [0.05, 0.01, 0.002])
def test_p_values_are_uniform_for_random_sequences(level: float) -> None:
    """Scores are rounded for their p-values, towards larger ones."""
    random = np.random.default_rng(3)
    background = [0.35, 0.15, 0.2, 0.3]
    seqs = mt.SequenceSet.build(
        random.choice(4, (400, 500), p=background).astype(np.uint8), alphabet="DNA"
    )
    matrices = random.dirichlet([0.7] * 4, (12, 11)).transpose(0, 2, 1)
    motifs = mt.MotifSet.build(matrices, motif=[str(i) for i in range(12)], background=background)
    hits = scan(seqs, motifs, p_threshold=level)
    assert (hits["p_value"] < level).all()
    fraction = hits.sizes["annotation"] / hits.attrs["n_tests"]
    assert 0.85 * level < fraction < 1.02 * level


def test_refusals(sequences: xr.Dataset, motifs: xr.Dataset) -> None:
    rna = mt.MotifSet.build({"a": "GAUA"}, alphabet="RNA")
    with pytest.raises(InvalidInput, match=r"`motifs`: motifs of 'ACGU', and sequences of 'ACGT'"):
        scan(sequences, rna)
    with pytest.raises(InvalidInput, match=r"`motifs`: none"):
        scan(sequences, motifs.isel(motif=slice(0)))
    for argument, value in (
        ("p_threshold", 0), ("p_threshold", 1.5), ("p_threshold", float("nan")),
        ("strand", "reverse"), ("unknown", "N"), ("pseudocount", 0), ("background", [0.5, 0.5]),
        ("background", [0.0, 0.5, 0.2, 0.3]), ("device", "tpu"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match=f"`{argument}`"):
            scan(sequences, motifs, **{argument: value})
