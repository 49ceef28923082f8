"""Similar motifs and families of motifs, on labelled data."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.tl.motif_families import cluster_motifs, motif_similarity

MOTIFS = {
    "GATA": "AGATAA",
    "E-box": "CAGCTG",
    "turned": "TTTATCT",
    "wide": "NNAGATAANN",
    "TATA": "TATAAAAG",
}


def motifs(**parts: object) -> xr.Dataset:
    return mt.MotifSet.build(MOTIFS, **parts)


def pairs(table: xr.Dataset) -> list[tuple[object, ...]]:
    names = ("motif_a", "motif_b", "offset", "strand")
    return list(zip(*(table[name].values.tolist() for name in names), strict=True))


def test_similar_pairs_come_first_with_their_alignment() -> None:
    table = motif_similarity(motifs(), threshold=0.9)
    assert pairs(table) == [
        ("GATA", "wide", -2, 1), ("GATA", "turned", 0, -1), ("turned", "wide", -1, -1),
    ]  # fmt: skip
    assert table["similarity"].values == pytest.approx([1, np.sqrt(6 / 7), np.sqrt(6 / 7)])
    assert table["offset"].attrs["units"] == "letters"


def test_without_the_other_strand_turned_ones_differ() -> None:
    found = motif_similarity(motifs(), threshold=0.9, reverse_complement=False)
    assert pairs(found) == [("GATA", "wide", -2, 1)]


def test_motifs_are_compared_with_targets() -> None:
    targets = mt.MotifSet.build({"x": "TTATCT", "GATA": "CCCCC"}, name=["first", ""])
    found = mt.to_dataframe(motif_similarity(motifs(), targets=targets, threshold=0.95))
    assert found[["motif_a", "motif_b", "name_b"]].values.tolist() == [
        ["GATA", "x", "first"],
        ["wide", "x", "first"],
    ]


def test_a_threshold_of_minus_one_gives_each_pair_once() -> None:
    found = motif_similarity(motifs(), threshold=-1)
    assert found.sizes["row"] == 10
    assert (np.diff(found["similarity"].values) <= 0).all()
    assert motif_similarity(motifs(), targets=motifs(), threshold=-1).sizes["row"] == 25


def test_families_hold_similar_motifs_in_the_order_that_they_had() -> None:
    given = motifs(n_sites=[9, 8, 7, 6, 5])
    found = cluster_motifs(given)
    assert found["family"].values.tolist() == ["GATA", "E-box", "GATA", "GATA", "TATA"]
    assert found["representative"].values.tolist() == [True, True, False, False, True]
    xr.testing.assert_identical(
        found.drop_vars(["family", "representative"]).drop_attrs(),
        given.drop_attrs(),
    )


def test_the_representative_may_be_the_one_with_most_information() -> None:
    found = cluster_motifs(motifs(), representative="information")
    chosen = found.isel(motif=found["representative"].values)
    assert chosen["motif"].values.tolist() == ["E-box", "turned", "TATA"]
    assert found["family"].values.tolist() == ["turned", "E-box", "turned", "turned", "TATA"]


def test_families_have_names_of_their_own() -> None:
    found = cluster_motifs(motifs(name=["same", "same", "", "", ""], family=["old"] * 5))
    assert set(found["family"].values.tolist()) == {"same GATA", "same E-box", "TATA"}


def test_proteins_have_one_strand() -> None:
    proteins = mt.MotifSet.build({"a": "ACDEF", "b": "ACDEY", "c": "FEDCA"}, alphabet="protein")
    assert cluster_motifs(proteins)["family"].values.tolist() == ["a", "a", "c"]


def test_order_of_the_motifs_does_not_matter() -> None:
    given = mt.datasets.jaspar().isel(motif=slice(0, None, 9))
    turned = given.isel(motif=slice(None, None, -1))
    one, other = (cluster_motifs(x)["family"] for x in (given, turned))
    assert len(set(one.values.tolist())) == len(set(other.values.tolist()))
    partners = one.values[:, None] == one.values[None]
    back = other.values[::-1]
    assert ((back[:, None] == back[None]) == partners).all()


@pytest.mark.parametrize("n", [0, 1])
def test_few_motifs_are_families_of_their_own(n: int) -> None:
    given = motifs().isel(motif=slice(n))
    found = cluster_motifs(given)
    assert found["representative"].values.tolist() == [True] * n
    assert motif_similarity(given).sizes["row"] == 0


def test_families_of_jaspar() -> None:
    given = mt.datasets.jaspar()
    found = cluster_motifs(given)
    family: dict[str, str] = {}
    for name, own in zip(*(found[x].values.tolist() for x in ("name", "family")), strict=True):
        family.setdefault(name, own)
    for related in (
        ["GATA1", "GATA2", "GATA4", "GATA5", "GATA6"],
        ["FOS", "JUNB", "FOSL1", "FOSL2"],
        ["SOX2", "SOX10", "SOX4"],
        ["ELK1", "GABPA", "Spi1", "ETS1"],
        ["FOXA1", "FOXA2", "FOXD1"],
    ):
        assert len({family[name] for name in related}) == 1, related
    unrelated = [family[name] for name in ("GATA1", "JUNB", "SOX2", "ETS1", "FOXA1", "TP53", "SP1")]
    assert len(set(unrelated)) == len(unrelated)
    families = set(found["family"].values.tolist())
    assert 200 < len(families) < 350
    assert found["representative"].values.sum() == len(families)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"threshold": 0}, "threshold"),
        ({"threshold": 1.1}, "threshold"),
        ({"representative": "best"}, "representative"),
        ({"reverse_complement": 1}, "reverse_complement"),
    ],
    ids=["zero", "above one", "representative", "reverse_complement"],
)
def test_bad_options_are_refused(options: dict[str, object], argument: str) -> None:
    with pytest.raises(InvalidInput) as error:
        cluster_motifs(motifs(), **options)  # type: ignore[arg-type]
    assert error.value.argument == argument


def test_other_letters_and_other_kinds_are_refused() -> None:
    proteins = mt.MotifSet.build({"a": "ACDEF"}, alphabet="protein")
    with pytest.raises(InvalidInput, match="Give both one alphabet"):
        motif_similarity(motifs(), targets=proteins)
    with pytest.raises(InvalidElement):
        cluster_motifs(mt.from_strings(["ACGT"]))  # type: ignore[type-var]
