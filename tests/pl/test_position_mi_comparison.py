"""What the plot of a comparison shows, read back from its artists."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput

mpl.use("Agg")
N = 8


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    mpl.pyplot.close("all")


def build(*, corrected: bool = True, **parts: object) -> xr.Dataset:
    random = np.random.default_rng(0)

    def matrix() -> np.ndarray:
        values = np.triu(random.random((N, N)), 1)
        values += values.T
        np.fill_diagonal(values, np.nan)
        return values

    a, b = matrix(), 0.5 * matrix()
    null = {"difference_null": a - a + 0.1, "difference_corrected": a - b - 0.1}
    return mt.PositionMIDifference.build(
        mi_a=a, mi_b=b, difference=a - b, position_i=np.arange(N) - 5,
        position_j=np.arange(N) - 5, k=1, alphabet="ACGT", pseudocount=0.0, n_sequences_a=2000,
        n_sequences_b=500, name_a="top", name_b="bottom", correction="shuffle",
        **(null if corrected else {}), **parts,
    )  # fmt: skip


def shown(ax: mpl.axes.Axes) -> np.ndarray:
    return ax.images[0].get_array().filled(np.nan)


def test_difference_is_centred_at_0_and_names_the_sides() -> None:
    comparison = build()
    ax = mt.pl.compare_position_mi(comparison)
    values = comparison["difference_corrected"].values
    np.testing.assert_array_equal(shown(ax), values)
    image = ax.images[0]
    assert image.norm.vmax == pytest.approx(np.nanmax(abs(values)))
    assert image.norm.vmin == -image.norm.vmax
    red, _, blue, _ = image.cmap(image.norm(image.norm.vmax))
    assert red > blue
    label = ax.figure.axes[-1].get_ylabel()
    assert "corrected (bits)" in label
    assert "more in bottom" in label.split("more in top")[0]
    assert ax.get_title() == "top (2,000 sequences)\nagainst bottom (500 sequences)"
    assert image.get_extent() == [-5.5, N - 5.5, N - 5.5, -5.5]


def test_both_maps_on_one_scale() -> None:
    comparison = build()
    ax = mt.pl.compare_position_mi(comparison, view="both")
    found = shown(ax)
    assert found[1, 6] == comparison["mi_a"].values[1, 6]
    assert found[6, 1] == comparison["mi_b"].values[6, 1]
    assert np.isnan(found[3, 3])
    norm = ax.images[0].norm
    assert (norm.vmin, norm.vmax) == (0, np.nanmax(found))
    assert (
        ax.get_title() == "above the diagonal: top (2,000 sequences)\nbelow: bottom (500 sequences)"
    )
    assert ax.figure.axes[-1].get_ylabel() == "mutual information (bits)"


@pytest.mark.parametrize("view", ["difference", "both"])
def test_insignificant_pairs_are_faded(view: str) -> None:
    q = np.ones((N, N))
    q[1, 5] = q[5, 1] = 0.001
    ax = mt.pl.compare_position_mi(build(q_value=q), view=view, significant=0.01)
    veil = ax.images[1].get_array()[..., 3]
    assert veil[1, 5] == veil[5, 1] == veil[3, 3] == 0
    assert veil[1, 6] == veil[6, 1] > 0.5


def test_other_variables_and_limits() -> None:
    plain = build(corrected=False)
    np.testing.assert_array_equal(
        shown(mt.pl.compare_position_mi(plain)), plain["difference"].values
    )
    comparison = build()
    ax = mt.pl.compare_position_mi(
        comparison, variable="difference_null", vmax=0.3, cmap="PuOr", colorbar=False, title="mine"
    )
    np.testing.assert_array_equal(shown(ax), comparison["difference_null"].values)
    assert (ax.images[0].norm.vmin, ax.images[0].norm.vmax) == (-0.3, 0.3)
    assert ax.images[0].cmap.name == "PuOr"
    assert ax.get_title() == "mine"
    assert len(ax.figure.axes) == 1
    assert mt.pl.compare_position_mi(comparison, ax=ax) is ax


def test_refuses_what_is_not_there() -> None:
    comparison = build(corrected=False)
    for options, message in (
        ({"view": "upper"}, "view"),
        ({"variable": "difference_null"}, r"use one of \['difference'\]"),
        ({"variable": "difference", "view": "both"}, "variable"),
        ({"significant": 0.05}, "has no q_value"),
        ({"significant": 2.0}, "significant"),
        ({"vmax": 0.0}, "vmax"),
        ({"ax": 3}, "ax"),
    ):
        with pytest.raises(InvalidInput, match=f"(?i){message}"):
            mt.pl.compare_position_mi(comparison, **options)
    with pytest.raises(InvalidElement, match="comparison"):
        mt.pl.compare_position_mi(xr.Dataset())
