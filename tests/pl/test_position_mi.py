"""What the plots show, read back from their artists."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import LogNorm

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput

mpl.use("Agg")
N, K = 9, 2


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    mpl.pyplot.close("all")


def build(
    values: np.ndarray | None = None, *, first: int = 0, label: str = "", **parts: object
) -> xr.Dataset:
    matrix = np.random.default_rng(0).random((N, N)) if values is None else values
    matrix = (matrix + matrix.T) / 2
    i, j = np.indices((N, N))
    matrix[abs(i - j) < K] = np.nan
    attrs = {"long_name": label, "units": "nt"} if label else {}
    where = [
        xr.Variable((dim,), np.arange(first, first + N), attrs)
        for dim in ("position_i", "position_j")
    ]
    options = {"measure": "mi", "correction": "none", "pseudocount": 5.0, **parts}
    return mt.PositionMI.build(
        mi=matrix, position_i=where[0], position_j=where[1], k=K, alphabet="ACGT",
        n_sequences=1000, **options,
    )  # fmt: skip


def contact_map(n: int = N, first: int = 0) -> xr.Dataset:
    distance = np.full((n, n), 20.0, dtype=np.float32)
    distance[6, 2] = distance[2, 6] = 5
    positions = np.arange(first, first + n)
    return mt.ContactMap.build(
        distance=distance, position_i=positions, position_j=positions, atom="CA"
    )


def test_heatmap_shows_the_values_with_the_first_row_on_top() -> None:
    mi = build()
    ax = mt.pl.position_mi(mi)
    image = ax.images[0]
    np.testing.assert_array_equal(image.get_array().filled(np.nan), mi["mi"].values)
    left, right, bottom, top = image.get_extent()
    assert (left, right, bottom, top) == (-0.5, N - 0.5, N - 0.5, -0.5)
    assert image.norm.vmin == 0
    assert image.norm.vmax == pytest.approx(np.nanmax(mi["mi"].values))


def test_axes_carry_the_coordinates_and_units() -> None:
    ax = mt.pl.position_mi(build(first=-50, label="position relative to the exon"))
    assert ax.get_xlabel() == "position relative to the exon (nt)"
    assert ax.images[0].get_extent()[:2] == [-50.5, -50.5 + N]
    bar = ax.figure.axes[-1]
    assert bar.get_ylabel() == "mutual information (bits)"


def test_uneven_coordinates_name_the_ticks() -> None:
    mi = build()
    places = np.array([0, 1, 2, 3, 10, 11, 12, 13, 20])
    mi = mi.assign_coords(position_i=places, position_j=places)
    ax = mt.pl.position_mi(mi)
    name = ax.xaxis.get_major_formatter()
    assert [name(place, None) for place in (0, 4, 8, 12)] == ["0", "10", "20", ""]


def test_a_second_matrix_below() -> None:
    mi, other = build(), build(np.ones((N, N)))
    shown = mt.pl.position_mi(mi, lower=other).images[0].get_array().filled(np.nan)
    assert shown[7, 1] == 1
    assert shown[1, 7] == mi["mi"].values[1, 7]


def test_contacts_below_are_marked() -> None:
    ax = mt.pl.position_mi(build(), lower=contact_map())
    layer = ax.images[1].get_array()
    assert tuple(layer[6, 2]) == (0, 0, 0, 1)
    assert tuple(layer[7, 2]) == (1, 1, 1, 1)
    assert layer[2, 6, 3] == 0
    assert ax.get_legend().get_texts()[0].get_text() == "contact < 8 Å"


def test_a_larger_map_is_cut_to_the_positions() -> None:
    for first, n in ((2, N + 4), (0, N + K - 1)):
        ax = mt.pl.position_mi(build(first=first), lower=contact_map(n=n))
        assert ax.images[1].get_array().shape == (N, N, 4)


def test_other_positions_below_are_refused() -> None:
    with pytest.raises(InvalidInput, match="from 5 to 13 do not hold the 9 positions from 0 to 8"):
        mt.pl.position_mi(build(), lower=contact_map(first=5))
    with pytest.raises(InvalidInput, match="has 13 positions and the dependencies 9"):
        mt.pl.position_mi(build(), lower=contact_map(n=N + 4))
    with pytest.raises(InvalidInput, match="positions 5 to 13 do not hold 0 to 8"):
        mt.pl.position_mi(build(), lower=build(first=5))


def test_insignificant_pairs_are_faded() -> None:
    q = np.ones((N, N))
    q[1, 5] = q[5, 1] = 0.001
    ax = mt.pl.position_mi(build(q_value=q), significant=0.01)
    veil = ax.images[1].get_array()[..., 3]
    assert veil[1, 5] == 0
    assert veil[1, 6] > 0.5
    assert veil[3, 3] == 0  # overlapping k-mers stay grey


def test_significance_that_is_not_there() -> None:
    with pytest.raises(InvalidInput, match=r"has no q_value.*n_permutations"):
        mt.pl.position_mi(build(), significant=0.05)
    with pytest.raises(InvalidInput, match="p_value"):
        mt.pl.position_mi(build(), significant=0.05, p_value="p")


def test_values_of_both_signs_are_centred_at_0_red_up() -> None:
    values = np.random.default_rng(1).normal(size=(N, N))
    mi = build(mi_corrected=(values + values.T) / 2, correction="apc")
    image = mt.pl.position_mi(mi).images[0]
    assert image.norm.vmin == -image.norm.vmax
    assert image.cmap.name == "RdBu_r"
    red, _, blue, _ = image.cmap(1.0)
    assert red > blue


def test_log_colours() -> None:
    image = mt.pl.position_mi(build(), scale="log").images[0]
    assert isinstance(image.norm, LogNorm)
    with pytest.raises(InvalidInput, match="without values above 0"):
        mt.pl.position_mi(build(np.zeros((N, N))), scale="log")


def test_draws_on_given_axes_and_changes_nothing() -> None:
    mi = build()
    before = mi.copy(deep=True)
    parameters = dict(mpl.rcParams)
    figure, axes = mpl.pyplot.subplots(1, 2)
    assert mt.pl.position_mi(mi, ax=axes[1], colorbar=False) is axes[1]
    assert len(figure.axes) == 2
    xr.testing.assert_identical(mi, before)
    assert dict(mpl.rcParams) == parameters


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variable": "nothing"}, "`variable`: 'nothing'"),
        ({"scale": "cubic"}, "`scale`: 'cubic'"),
        ({"ax": "axes"}, "`ax`: a str"),
        ({"significant": 2.0}, "`significant`: 2"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        mt.pl.position_mi(build(), **options)


@pytest.mark.parametrize("plot", ["position_mi", "mi_diagonal", "mi_by_distance", "pair_kmers"])
def test_other_kinds_are_refused(plot: str) -> None:
    with pytest.raises(InvalidElement, match=f"pl.{plot}"):
        getattr(mt.pl, plot)(mt.Table.build(a=[1]))


def test_diagonal() -> None:
    mi = build(first=3)
    line = mt.pl.mi_diagonal(mi).lines[0]
    np.testing.assert_array_equal(line.get_ydata(), np.diagonal(mi["mi"].values, K))
    np.testing.assert_array_equal(line.get_xdata(), np.arange(3 + K, 3 + N))


def test_by_distance() -> None:
    by_distance = mt.DistanceMI.build(
        mi_mean=[0.1, 0.2, 0.05], mi_max=[0.3, 0.4, 0.2], n_pairs=[5, 4, 3],
        distance=[2, 3, 4], k=K, measure="mi",
    )  # fmt: skip
    ax = mt.pl.mi_by_distance(by_distance, scale="log")
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.3, 0.4, 0.2], [0.1, 0.2, 0.05]]
    assert ax.get_yscale() == "log"
    assert ax.get_ylabel() == "mutual information (bits)"


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ({"variable": "mi", "correction": "apc"}, "mutual information (bits)"),
        ({"variable": "mi_corrected", "correction": "apc"}, "mutual information (APC) (bits)"),
        ({"variable": "mi_corrected"}, "mutual information (corrected) (bits)"),
        ({"variable": "mi_null"}, "mean mutual information of shuffled columns (bits)"),
    ],
)
def test_by_distance_says_what_was_summarised(said: dict[str, str], label: str) -> None:
    by_distance = mt.DistanceMI.build(
        mi_mean=[0.1, 0.2], mi_max=[0.3, 0.4], n_pairs=[5, 4], distance=[2, 3], k=K,
        measure="mi", **said,
    )  # fmt: skip
    assert mt.pl.mi_by_distance(by_distance).get_ylabel() == label


def test_pair_kmers_shows_the_strongest() -> None:
    kmers = [a + b for a in "ACGT" for b in "ACGT"]
    contribution = np.random.default_rng(0).normal(size=(16, 16)) * 1e-3
    contribution[3, 7], contribution[9, 2] = 0.5, -0.3
    counts = np.ones((16, 16))
    pairs = mt.KmerPairs.build(
        observed=counts * 7, expected=counts, contribution=contribution, kmer_i=kmers,
        kmer_j=kmers, position_i=4, position_j=8, k=2, pseudocount=5.0,
    )  # fmt: skip
    ax = mt.pl.pair_kmers(pairs, n=3)
    rows = [label.get_text() for label in ax.get_yticklabels()]
    columns = [label.get_text() for label in ax.get_xticklabels()]
    assert len(rows) == len(columns) == 3
    assert {kmers[3], kmers[9]} <= set(rows)
    assert {kmers[7], kmers[2]} <= set(columns)
    shown = ax.images[0].get_array()
    assert shown[rows.index(kmers[3]), columns.index(kmers[7])] == 0.5
    assert ax.get_ylabel() == "2-mer at position 4"
    assert {text.get_text() for text in ax.texts} == {"7\n1"}
    with pytest.raises(InvalidInput, match="`n`"):
        mt.pl.pair_kmers(pairs, n=0)
