"""Motifs by id or by a name that is theirs alone."""

from __future__ import annotations

import pytest

import mutua as mt
from mutua.errors import InvalidInput
from mutua.models.motif_names import motif_numbers

IDS = [f"M{i}" for i in range(11)]


def motifs(names: list[str]) -> mt.MotifSet:
    return mt.MotifSet.build(dict.fromkeys(IDS, "ACG"), name=names)


def test_ids_and_names_that_are_unique() -> None:
    named = motifs(["GATA1", "CTCF", "M0", *["TAL1"] * 8])
    assert motif_numbers(named, ["M4", "CTCF", "GATA1", "CTCF"], "motif") == [4, 1, 0, 1]
    assert motif_numbers(named, ["M0"], "motif") == [0]  # an id comes before a name
    assert motif_numbers(named, [], "motif") == []
    assert motif_numbers(named.drop_vars("name"), ["M10"], "motif") == [10]


def test_errors_list_the_ids() -> None:
    named = motifs(["GATA1", *["TAL1"] * 10])
    with pytest.raises(InvalidInput, match=r"`which`: 'TAL1' is the name of 10 motifs") as error:
        motif_numbers(named, ["GATA1", "TAL1"], "which")
    assert error.value.remedy == f"use one of the ids {IDS[1:9]} and 2 more"
    with pytest.raises(InvalidInput, match=r"'a', 'b' are no motifs\. Use one of .* and 3 more"):
        motif_numbers(named, ["a", "b", "a", "M1"], "which")
    with pytest.raises(InvalidInput, match=r"'3' is no motif"):
        motif_numbers(named.drop_vars("name"), [3], "which")
