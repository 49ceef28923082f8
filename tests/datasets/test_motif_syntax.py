"""The simulated sequences follow the rules that come with them."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.datasets import MotifSyntax, simulate_motif_syntax
from mutua.datasets._motif_syntax import PATTERNS
from mutua.errors import InvalidInput

SYMBOLS = {"R": "[AG]", "S": "[CG]", "W": "[AT]"}


@pytest.fixture(scope="module")
def syntax() -> MotifSyntax:
    return simulate_motif_syntax(n=300, length=120, share=0.6, noise=0.2, seed=3)


def sites_in(text: str) -> list[tuple[int, int, str]]:
    """Find sites by regular expressions, overlapping ones as well."""
    found = []
    for name, pattern in PATTERNS.items():
        expression = "".join(SYMBOLS.get(symbol, symbol) for symbol in pattern)
        for match in re.finditer(f"(?={expression})", text):
            found.append((match.start(), match.start() + len(pattern), name))
    return sorted(found, key=lambda site: (site[0], list(PATTERNS).index(site[2])))


def value_of(text: str, syntax: MotifSyntax) -> float:
    """Add up what the tables say of the sites of a sequence."""
    effects = mt.to_dataframe(syntax.effects).set_index("motif")["effect"]
    sites = sites_in(text)
    value = sum(effects[name] for *_, name in sites)
    rules = mt.to_dataframe(syntax.interactions).to_dict("records")
    for rule, a, b in product(rules, sites, sites):
        between, most = max(b[0] - a[1], a[0] - b[1]), rule["max_distance"]
        near = between >= 0 and (most < 0 or between <= most)
        if near and (a[2], b[2]) == (rule["motif_a"], rule["motif_b"]):
            value += rule["epistasis"]
    return float(value)


def test_elements(syntax: MotifSyntax) -> None:
    mt.SequenceSet.check(syntax.sequences, deep=True)
    mt.MotifSet.check(syntax.motifs, deep=True)
    mt.Annotations.check(syntax.sites, deep=True)
    assert dict(syntax.sequences.sizes) == {"sequence": 300, "position": 120, "target": 2}
    assert syntax.sequences["target"].values.tolist() == ["measured", "true"]
    assert syntax.motifs["motif"].values.tolist() == list(PATTERNS)
    assert dict(zip(PATTERNS, syntax.motifs["sign"].values.tolist(), strict=True)) == {
        "AP1": 1, "TEAD": 1, "GATA": 1, "SPI1": 1, "EBOX": 1, "ZEB": -1
    }  # fmt: skip


def test_sites_and_values_follow_from_the_letters(syntax: MotifSyntax) -> None:
    texts = mt.pp.to_strings(syntax.sequences)
    table = mt.to_dataframe(syntax.sites)
    for row, text in enumerate(texts):
        own = table[table["sequence_index"] == row]
        listed = list(zip(own["start"], own["end"], own["motif"], strict=True))
        assert listed == sites_in(text)
    expected = np.array([value_of(text, syntax) for text in texts])
    true = syntax.sequences["prediction"].sel(target="true").values
    np.testing.assert_allclose(true, expected, atol=1e-5)


def test_motifs_stand_in_their_share_of_the_sequences(syntax: MotifSyntax) -> None:
    table = mt.to_dataframe(syntax.sites)
    present = table.groupby("motif")["sequence_index"].nunique() / 300
    # Some more arise by chance, of the shortest motif most.
    assert present.between(0.5, 0.75).all()
    starts = table["start"].to_numpy()
    assert starts.min() < 5
    assert table["end"].max() > 115


def test_noise(syntax: MotifSyntax) -> None:
    measured, true = syntax.sequences["prediction"].values.T
    assert 0.17 < (measured - true).std() < 0.23
    exact = simulate_motif_syntax(n=20, noise=0).sequences["prediction"].values
    assert np.array_equal(exact[:, 0], exact[:, 1])


def test_nothing_is_planted_for_a_share_of_0() -> None:
    assert simulate_motif_syntax(n=200, share=0).sites.sizes["annotation"] < 200
    assert simulate_motif_syntax(n=200, share=1).sites.sizes["annotation"] >= 1_200


def test_seed() -> None:
    first, same, other = (simulate_motif_syntax(n=10, seed=seed) for seed in (5, 5, 6))
    for one, two in zip(first, same, strict=True):
        xr.testing.assert_equal(one, two)
    assert not first.sequences["codes"].equals(other.sequences["codes"])


@pytest.mark.parametrize(
    ("argument", "value"),
    [("n", 0), ("length", 63), ("share", 1.1), ("noise", -0.1), ("seed", -1), ("n", 2.5)],
)
def test_numbers_out_of_range(argument: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=f"`{argument}`"):
        simulate_motif_syntax(**{argument: value})  # type: ignore[arg-type]
