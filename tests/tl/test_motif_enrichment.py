"""Motifs of groups: labels, overlapping sets, genes; against scipy."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import fisher_exact

from mutua.errors import InvalidElement, InvalidInput
from mutua.models.enrichment import Enrichment
from mutua.stats import benjamini_hochberg
from mutua.tl.motif_enrichment import motif_enrichment
from tests.reference.motif_pairs import Row, has_motif
from tests.tl.annotated import annotations, random_rows

N, N_MOTIFS = 31, 5
IDS = [f"peak{i}" for i in range(N)]
LABELS = ["a", "b", "c"] * 10 + [None]


def some() -> tuple[list[Row], xr.Dataset]:
    rows = random_rows(70, n_sequences=N, length=40, n_motifs=N_MOTIFS)
    return rows, annotations(rows, lengths=[40] * N, n_motifs=N_MOTIFS, sequence_id=IDS)


def expected(members: dict[str, set[int]], universe: set[int], has: set[tuple[int, int]]) -> dict:
    found = {}
    for group, own in members.items():
        for motif in range(N_MOTIFS):
            with_motif = {s for s in universe if (s, motif) in has}
            a, b = len(with_motif & own), len(with_motif - own)
            square = [[a, b], [len(own) - a, len(universe - own) - b]]
            found[f"m{motif}", group] = (a, fisher_exact(square, alternative="greater").pvalue)
    return found


def values(found: xr.Dataset) -> dict:
    return {
        (term, group): (
            int(found["n_both"].sel(term=term, group=group)),
            float(found["p_value"].sel(term=term, group=group)),
        )
        for term in found["term"].values
        for group in found["group"].values
    }


def agree(found: xr.Dataset, wanted: dict) -> None:
    Enrichment.check(found)
    assert values(found).keys() == wanted.keys()
    for cell, (n, p) in values(found).items():
        assert n == wanted[cell][0]
        assert p == pytest.approx(wanted[cell][1])
    np.testing.assert_array_equal(
        found["q_value"].values, benjamini_hochberg(found["p_value"].values)
    )
    assert found.attrs["n_tests"] == found["p_value"].size


@pytest.mark.parametrize(
    "groups",
    [
        LABELS,
        dict(zip(IDS, LABELS, strict=True)),
        dict(zip(IDS[:30], LABELS[:30], strict=True)) | {"elsewhere": "d"},
        pd.Series(LABELS, IDS),
        pd.Series(LABELS[:30], IDS[:30]).sample(frac=1, random_state=0),
        pd.Series(LABELS, IDS).astype("category"),
    ],
    ids=["list", "mapping", "part", "series", "shuffled", "categorical"],
)
def test_labels(groups: Any) -> None:
    rows, ann = some()
    members = {label: {i for i in range(30) if LABELS[i] == label} for label in "abc"}
    found = motif_enrichment(ann, groups)
    agree(found, expected(members, set(range(30)), has_motif(rows)))  # one has no label
    assert found.attrs["n"] == 30
    assert found["n_group"].values.tolist() == [10, 10, 10]
    assert found["expected"].values[1, 1] == found["n_term"].values[1] * 10 / 30


def test_sets_may_overlap_and_all_sequences_are_looked_at() -> None:
    rows, ann = some()
    members = {"early": set(range(12)), "late": set(range(8, 25))}
    groups = {group: [IDS[i] for i in own] for group, own in members.items()}
    groups["late"] += ["elsewhere", "peak9"]
    found = motif_enrichment(ann, groups)
    agree(found, expected(members, set(range(N)), has_motif(rows)))
    assert found.attrs["n"] == N
    step = json.loads(found.attrs["mutua"])["steps"][-1]
    assert step["function"] == "tl.motif_enrichment"


def test_genes_are_counted_in_place_of_their_sequences() -> None:
    rows, ann = some()
    genes = {name: f"gene{i // 3}" for i, name in enumerate(IDS) if i < 27}
    programs = {"p1": {"gene0", "gene1", "gene2", "gene77"}, "p2": ["gene2", "gene8"]}
    found = motif_enrichment(ann, programs, genes=genes)
    has = {(s // 3, motif) for s, motif in has_motif(rows) if s < 27}
    agree(found, expected({"p1": {0, 1, 2}, "p2": {2, 8}}, set(range(9)), has))
    labels = {f"gene{i}": "odd" if i % 2 else "even" for i in range(9)}
    by_label = motif_enrichment(ann, labels, genes=pd.Series(genes))
    odd = {i for i in range(9) if i % 2}
    agree(by_label, expected({"even": set(range(9)) - odd, "odd": odd}, set(range(9)), has))


def test_sequences_without_ids_go_by_their_numbers() -> None:
    rows, ann = some()
    plain = ann.drop_vars("sequence_id")
    groups = {"some": range(11)}
    agree(motif_enrichment(plain, groups), expected({"some": set(range(11))}, set(range(N)),
                                                    has_motif(rows)))  # fmt: skip
    agree(motif_enrichment(plain, pd.Series(LABELS)),
          values(motif_enrichment(ann, LABELS)))  # fmt: skip


def test_a_planted_motif_is_found() -> None:
    rows = [Row(s, 0, 5, 0, 0) for s in range(40)] + [Row(s, 0, 5, 1, 0) for s in range(0, 80, 2)]
    ann = annotations(rows, lengths=[9] * 80, n_motifs=2)
    found = motif_enrichment(ann, ["x"] * 40 + ["y"] * 40)
    assert found["q_value"].sel(term="m0", group="x") < 1e-20
    assert found["q_value"].sel(term="m0", group="y") == 1
    assert found["q_value"].sel(term="m1").values.min() > 0.5
    assert np.isfinite(found["odds_ratio"].values).all()


def test_no_annotations_are_fine() -> None:
    found = motif_enrichment(annotations([], lengths=[9] * 4, n_motifs=3), ["a", "b", "a", "b"])
    assert (found["p_value"].values == 1).all()
    Enrichment.check(found)
    none = motif_enrichment(annotations([], lengths=[], n_motifs=0), [])
    assert none.sizes == {"term": 0, "group": 0}


@pytest.mark.parametrize(
    ("groups", "options", "argument"),
    [
        (LABELS[:-1], {}, "groups"),
        ("abc", {}, "groups"),
        (7, {}, "groups"),
        ({"x": "a"}, {}, "groups"),
        (pd.Series(["a", "b"], ["peak1", "peak1"]), {}, "groups"),
        ({"g": ["nowhere"]}, {}, "groups"),
        ({"g": []}, {}, "groups"),
        ({"peak1": "a", "peak2": ["b"]}, {}, "groups"),
        ({1: ["peak1"], "1": ["peak2"]}, {}, "groups"),
        ({"g": ["gene1"]}, {"genes": {"nowhere": "gene1"}}, "genes"),
        ({"g": ["gene1"]}, {"genes": ["gene1"]}, "genes"),
    ],
    ids=["short", "text", "number", "unknown", "repeats", "no member", "empty", "mixed",
         "same names", "unknown sequence", "short genes"],
)  # fmt: skip
def test_bad_input_is_refused(groups: Any, options: dict, argument: str) -> None:
    with pytest.raises(InvalidInput) as error:
        motif_enrichment(some()[1], groups, **options)
    assert error.value.argument == argument
    with pytest.raises(InvalidElement, match="Annotations"):
        motif_enrichment(xr.Dataset(), LABELS)
