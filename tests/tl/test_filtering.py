"""Which annotations are kept, through the public function."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput
from mutua.models.annotations import Annotations
from mutua.tl.filtering import filter_annotations, merge_families
from tests.reference import motifs as reference

N, N_SEQUENCES, N_MOTIFS = 240, 5, 7
FAMILIES = ["a", "b", "a", "", "", "b", "c"]


@pytest.fixture(scope="module")
def hits() -> xr.Dataset:
    random = np.random.default_rng(0)
    start = random.integers(0, 90, N)
    p = random.integers(1, 9, N) / 10
    p[:11] = np.nan
    return Annotations.build(
        sequence_index=random.integers(0, N_SEQUENCES, N),
        start=start,
        end=start + random.integers(1, 13, N),
        motif_index=random.integers(-1, N_MOTIFS, N),
        strand=random.choice([-1, 1], N),
        score=random.integers(0, 4, N).astype(float),
        p_value=p,
        q_value=np.minimum(1, 1.2 * p),
        attribution=random.normal(size=N),
        similarity=random.uniform(-1, 1, size=N),
        sequence_length=[120] * N_SEQUENCES,
        motif=[f"m{i}" for i in range(N_MOTIFS)],
        family=FAMILIES,
        source="user",
        n_tests=99,
    )


def rows(annotations: xr.Dataset) -> list[tuple]:
    names = [name for name in annotations.data_vars if annotations[name].dims == ("annotation",)]
    columns = [np.nan_to_num(annotations[name].values, nan=-9.0).tolist() for name in names]
    return list(zip(*columns, strict=True))


def test_conditions(hits: xr.Dataset) -> None:
    before = hits.copy(deep=True)
    found = filter_annotations(hits, p_value=0.4, attribution=-0.3)
    keep = (hits["p_value"].values <= 0.4) & (hits["attribution"].values >= -0.3)
    assert 0 < keep.sum() < N
    assert rows(found) == rows(hits.isel(annotation=keep))
    xr.testing.assert_identical(hits, before)
    alike = filter_annotations(hits, similarity=0.5)
    assert rows(alike) == rows(hits.isel(annotation=hits["similarity"].values >= 0.5))
    assert 0 < alike.sizes["annotation"] < N
    assert found.sizes["sequence"] == N_SEQUENCES
    assert found["motif"].values.tolist() == hits["motif"].values.tolist()
    assert found.attrs["n_tests"] == 99
    step = json.loads(found.attrs["mutua"])["steps"][-1]
    assert (step["arguments"]["p_value"], step["arguments"]["attribution"]) == (0.4, -0.3)
    assert filter_annotations(hits, q_value=0.48, score=2).sizes["annotation"] == int(
        ((hits["q_value"] <= 0.48) & (hits["score"] >= 2)).sum()
    )
    assert rows(filter_annotations(hits)) == rows(hits)


@pytest.mark.parametrize("among", ["all", "family", "motif"])
@pytest.mark.parametrize("limit", [None, 0.6])
def test_best_of_overlapping(hits: xr.Dataset, among: str, limit: float | None) -> None:
    found = filter_annotations(hits, p_value=limit, best_of_overlapping=among)
    given = hits if limit is None else hits.isel(annotation=hits["p_value"].values <= limit)
    columns = {
        name: given[name].values.tolist()
        for name in ("sequence_index", "start", "end", "motif_index", "p_value", "score")
    }
    kinds = {
        "all": ["all"] * (N_MOTIFS + 1),
        "motif": [f"m{i}" for i in range(N_MOTIFS)] + ["none"],
        "family": [name or f"m{i}" for i, name in enumerate(FAMILIES)] + ["none"],
    }[among]
    groups = [
        (row, kinds[motif])
        for row, motif in zip(columns["sequence_index"], columns["motif_index"], strict=True)
    ]
    kept = reference.best_spans(
        groups,
        columns["start"],
        columns["end"],
        columns["p_value"],
        [-score for score in columns["score"]],
    )
    assert 0 < sum(kept) < len(kept)
    assert rows(found) == rows(given.isel(annotation=np.flatnonzero(kept)))


def test_without_p_values_the_score_decides(hits: xr.Dataset) -> None:
    found = filter_annotations(hits.drop_vars("p_value"), best_of_overlapping="all")
    kept = reference.best_spans(
        *(hits[name].values.tolist() for name in ("sequence_index", "start", "end")),
        (-hits["score"]).values.tolist(),
    )
    assert rows(found) == rows(hits.drop_vars("p_value").isel(annotation=np.flatnonzero(kept)))


def test_without_both_the_rank_score_decides_or_the_size_of_the_attribution(
    hits: xr.Dataset,
) -> None:
    seqlets = hits.drop_vars(["p_value", "score", "q_value"])
    ranked = seqlets.assign(rank_score=("annotation", hits["p_value"].values))
    size = (-abs(hits["attribution"])).values.tolist()
    places = [hits[name].values.tolist() for name in ("sequence_index", "start", "end")]
    for given, priorities in (
        (seqlets, [size]),
        (ranked, [hits["p_value"].values.tolist(), size]),
    ):
        kept = reference.best_spans(*places, *priorities)
        found = filter_annotations(given, best_of_overlapping="all")
        assert rows(found) == rows(given.isel(annotation=np.flatnonzero(kept)))


def test_a_motif_without_a_family_is_one_by_itself(hits: xr.Dataset) -> None:
    none = hits.drop_vars("family")
    by_family = filter_annotations(none, best_of_overlapping="family")
    assert rows(by_family) == rows(filter_annotations(none, best_of_overlapping="motif"))


def test_families_count_once_in_one_place(hits: xr.Dataset) -> None:
    found = merge_families(hits)
    names = [name or f"m{i}" for i, name in enumerate(FAMILIES)]
    assert found["motif"].values.tolist() == sorted(set(names))
    assert not {"family", "name"} & set(found.coords)
    index = hits["motif_index"].values.tolist()
    often = [index.count(motif) for motif in range(N_MOTIFS)]
    assert len(set(often[:6])) > 3
    kept = reference.best_spans(
        [
            (row, names[motif]) if motif >= 0 else (row, place)
            for place, (row, motif) in enumerate(
                zip(hits["sequence_index"].values.tolist(), index, strict=True)
            )
        ],
        hits["start"].values.tolist(),
        hits["end"].values.tolist(),
        [-often[motif] for motif in index],
        index,
        hits["p_value"].values.tolist(),
        (-hits["score"]).values.tolist(),
    )
    wanted = hits.isel(annotation=np.flatnonzero(kept))
    assert 0 < sum(kept) < N
    numbers = [sorted(set(names)).index(names[m]) if m >= 0 else -1
               for m in wanted["motif_index"].values]  # fmt: skip
    assert found["motif_index"].values.tolist() == numbers
    assert rows(found.drop_vars("motif_index")) == rows(wanted.drop_vars("motif_index"))
    assert found.attrs["n_tests"] == 99
    lazy = merge_families(hits.chunk({"annotation": 17}))
    assert rows(lazy.compute()) == rows(found)
    again = merge_families(found.assign_coords(family=found["motif"].variable))
    assert rows(again) == rows(found)


def test_families_of_nothing(hits: xr.Dataset) -> None:
    none = merge_families(hits.isel(annotation=slice(0)))
    assert (none.sizes["annotation"], none.sizes["motif"]) == (0, 5)
    with pytest.raises(InvalidInput, match=r"no families.*cluster_motifs"):
        merge_families(hits.drop_vars("family"))
    with pytest.raises(InvalidInput, match="spans without motifs"):
        merge_families(hits.drop_vars(["motif_index", "motif", "family"]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:117 of 1,019 motifs")
def test_a_pair_that_a_redundant_collection_hides_is_found_among_families() -> None:
    """AP-1 and ETS, planted 8 apart in 30 %, and all motifs of JASPAR."""
    seqs = mt.pp.random_sequences(1500, length=400, seed=1)
    sites = {"AP-1": "TGAGTCA", "ETS": "ACCGGAAGT"}
    seqs = mt.pp.embed_motifs(seqs, sites, spacings=8, fraction=0.3, seed=2)
    motifs = mt.tl.cluster_motifs(mt.datasets.jaspar())
    every = mt.tl.scan(seqs, motifs)
    split = mt.tl.pair_annotations(filter_annotations(every, best_of_overlapping="all"))
    assert float(split["q_value"].min()) > 0.05
    hits = filter_annotations(merge_families(every), best_of_overlapping="all")
    pairs = mt.tl.pair_annotations(hits)
    families = {
        site: {str(family) for name, family in zip(motifs["name"].values, motifs["family"].values,
                                                   strict=True)
               if any(part in name for part in parts)}
        for site, parts in {"AP-1": ["FOS", "JUN"], "ETS": ["ETS", "ETV", "ELK", "ELF"]}.items()
    }  # fmt: skip

    def is_planted(table: xr.Dataset, row: int) -> bool:
        one, other = (str(table["motif"].values[int(table[f"motif_{x}_index"][row])]) for x in "ab")
        ap1, ets = families["AP-1"], families["ETS"]
        return (one in ap1 and other in ets) or (one in ets and other in ap1)

    significant = np.flatnonzero(pairs["q_value"].values < 1e-4)
    assert len(significant) >= 2
    assert all(is_planted(pairs, row) for row in significant)
    best = mt.tl.pair_spacings(hits, by="pair")
    row = int(np.argmax(best["n"].values))
    assert is_planted(best, row)
    assert best["n"][row] > 100
    assert best["q_value"][row] < 1e-100


def test_order_and_storage_do_not_matter(hits: xr.Dataset, tmp_path: Path) -> None:
    options = {"p_value": 0.7, "best_of_overlapping": "family"}
    wanted = filter_annotations(hits, **options)
    chunked = filter_annotations(hits.chunk({"annotation": 17}), **options)
    xr.testing.assert_identical(chunked.drop_attrs().compute(), wanted.drop_attrs())
    mt.Analysis({"hits": hits}).write(str(tmp_path / "study.zarr"))
    opened = filter_annotations(mt.open(str(tmp_path / "study.zarr"))["hits"], **options)
    assert rows(opened.compute()) == rows(wanted)


def test_none_and_one(hits: xr.Dataset) -> None:
    for n in (0, 1):
        found = filter_annotations(hits.isel(annotation=slice(n)), best_of_overlapping="motif")
        Annotations.check(found, deep=True)
        assert found.sizes["annotation"] == n
    assert filter_annotations(hits, p_value=0).sizes["annotation"] == 0


def test_refusals(hits: xr.Dataset) -> None:
    seqlets = hits.drop_vars(["motif_index", "motif", "family", "p_value", "score"])
    with pytest.raises(InvalidInput, match="`p_value`: asked for, and the annotations have no"):
        filter_annotations(seqlets, p_value=0.1)
    with pytest.raises(InvalidInput, match=r"none of .*'rank_score'"):
        filter_annotations(seqlets.drop_vars("attribution"), best_of_overlapping="all")
    with pytest.raises(InvalidInput, match="have no 'motif_index'"):
        filter_annotations(seqlets.assign(score=hits["score"]), best_of_overlapping="motif")
    with pytest.raises(InvalidInput, match="Say among which"):
        filter_annotations(hits, best_of_overlapping=True)
    for argument, value in (("p_value", "0.1"), ("score", float("nan")),
                            ("best_of_overlapping", "sequence")):  # fmt: skip
        with pytest.raises(InvalidInput, match=f"`{argument}`"):
            filter_annotations(hits, **{argument: value})
