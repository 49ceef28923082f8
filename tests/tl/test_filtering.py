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
from mutua.tl.filtering import filter_annotations
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
    with pytest.raises(InvalidInput, match="no 'p_value' and no 'score'"):
        filter_annotations(seqlets, best_of_overlapping="all")
    with pytest.raises(InvalidInput, match="have no 'motif_index'"):
        filter_annotations(seqlets.assign(score=hits["score"]), best_of_overlapping="motif")
    with pytest.raises(InvalidInput, match="'family', and the motifs have none"):
        filter_annotations(hits.drop_vars("family"), best_of_overlapping="family")
    with pytest.raises(InvalidInput, match="Say among which"):
        filter_annotations(hits, best_of_overlapping=True)
    for argument, value in (("p_value", "0.1"), ("score", float("nan")),
                            ("best_of_overlapping", "sequence")):  # fmt: skip
        with pytest.raises(InvalidInput, match=f"`{argument}`"):
            filter_annotations(hits, **{argument: value})
