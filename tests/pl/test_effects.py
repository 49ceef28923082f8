"""pl.effects: what is drawn where."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import PathPatch, Rectangle

from mutua.errors import InvalidElement, InvalidInput
from mutua.models import as_kind
from mutua.models.effects import Effects
from mutua.pl.effects import effects as plot

N = 40


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def made(changes, what="marginalize", targets=("signal",), **coords):
    """Effects whose changes scatter around `changes`."""
    random = np.random.default_rng(0)
    shape = (N, len(changes), len(targets))
    before = random.random((N, len(targets))).astype(np.float32)
    scatter = 0.01 * random.standard_normal(shape)
    after = before[:, None] + np.asarray(changes)[None, :, None] + scatter
    labels = np.array([f"m{i}" for i in range(len(changes))], np.dtypes.StringDType())
    return as_kind(
        Effects,
        xr.Dataset(
            {
                "before": (("sequence", "target"), before),
                "after": (("sequence", "experiment", "target"), after.astype(np.float32)),
            },
            {
                "experiment": labels,
                "target": list(targets),
                **coords,
            },
            {"procedure": what},
        ),
    )


def names(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_boxes_are_sorted_and_coloured():
    element = made([0.1, -0.5, 0.9])
    before = element.copy(deep=True)
    ax = plot(element)
    assert names(ax) == ["m2", "m0", "m1"]
    assert ax.get_xlabel() == "change of signal"
    assert ax.get_ylabel() == "motif put in"
    boxes = [patch for patch in ax.patches if isinstance(patch, PathPatch)]
    middles = [box.get_path().vertices[:, 0].mean() for box in boxes]
    np.testing.assert_allclose(middles, [0.9, 0.1, -0.5], atol=0.05)
    reds = [box.get_edgecolor()[0] > box.get_edgecolor()[2] for box in boxes]
    assert reds == [True, True, False]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first one on top
    assert sum(len(points.get_offsets()) for points in ax.collections) == 3 * N
    xr.testing.assert_identical(element, before)
    assert names(plot(element, sort=False)) == ["m0", "m1", "m2"]


def test_names_with_ids_where_they_repeat():
    name = ("experiment", ["GATA1", "", "TAL1", "TAL1"])
    ax = plot(made([0.1, -0.5, 0.05, 0.02], name=name))
    assert names(ax) == ["GATA1", "TAL1 (m2)", "TAL1 (m3)", "m1"]


def test_only_the_largest_are_shown():
    ax = plot(made([0.1, -0.5, 0.9, 0.0]), n=2)
    assert names(ax) == ["m2", "m1"]
    assert ax.get_ylabel() == "motif put in (2 of 4)"


def test_experiments_without_values_are_left_out_and_others_counted():
    element = made([0.1, 0.2, 0.3])
    element["after"][:, 0] = np.nan
    element["after"][5:, 1] = np.nan
    ax = plot(element)
    assert names(ax) == ["m2", "m1"]
    assert ax.get_ylabel() == "motif put in"
    counts = {text.get_text(): text.xy[1] for text in ax.texts}
    assert counts == {f"n = {N}": 0, "n = 5": 1}
    assert sum(len(points.get_offsets()) for points in ax.collections) == 5 + N
    assert not plot(made([0.1, 0.2])).texts
    element["after"][:] = np.nan
    ax = plot(element)
    assert names(ax) == ["m0", "m1", "m2"]
    assert [text.get_text() for text in ax.texts].count("none") == 3


@pytest.mark.parametrize("change", [[], [0.1]], ids=["no experiments", "no sequences"])
def test_empty_elements(change):
    element = made(change)
    ax = plot(element.isel(sequence=slice(0, 0)) if change else element)
    assert len(names(ax)) == len(change)


def test_spacings_are_a_line():
    spacing = ("experiment", np.array([8, 0, 4]))
    ax = plot(made([0.3, 0.1, 0.2], "space", spacing=spacing))
    (line,) = (line for line in ax.lines if len(line.get_xdata()) == 3)
    assert line.get_xdata().tolist() == [0, 4, 8]
    np.testing.assert_allclose(line.get_ydata(), [0.1, 0.2, 0.3], atol=0.01)
    assert ax.get_xlabel() == "letters between the motifs"
    assert ax.get_ylabel() == "change of signal"
    skewed = made([0.3, 0.1, 0.2], "space", spacing=spacing)
    skewed["after"].values[0] += 1e4  # the median stays within the quartiles
    ax = plot(skewed)
    (line,) = (line for line in ax.lines if len(line.get_xdata()) == 3)
    change = (skewed["after"] - skewed["before"]).values[:, [1, 2, 0], 0]
    np.testing.assert_allclose(line.get_ydata(), np.median(change, axis=0), rtol=1e-6)
    (band,) = ax.collections
    low, high = np.quantile(change, [0.25, 0.75], axis=0)
    assert band.get_paths()[0].vertices[:, 1].min() == pytest.approx(low.min(), rel=1e-6)
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(high.max(), rel=1e-6)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["quartiles", "median"]
    plot(made([0.3], "space", spacing=("experiment", [2])).isel(sequence=slice(0, 0)))


def test_variants_are_bars():
    variants = np.array([f"v{i}" for i in range(N - 1)] + ["v0"], np.dtypes.StringDType())
    element = made([0.0], "variant_effect", variant=("sequence", variants))
    element = element.assign_coords(sequence_index=("sequence", np.arange(N, dtype=np.int32)))
    element["after"].values[:, 0, 0] = element["before"].values[:, 0] + np.linspace(-0.2, 0.3, N)
    ax = plot(element, n=3)
    assert names(ax) == [f"v0 in {N - 1}", "v38 in 38", "v37 in 37"]
    widths = [bar.get_width() for bar in ax.patches if isinstance(bar, Rectangle)]
    np.testing.assert_allclose(widths, np.linspace(-0.2, 0.3, N)[[-1, -2, -3]], atol=1e-6)


def test_targets():
    element = made([0.1, 0.2], targets=("a", "b"))
    assert plot(element, target="b").get_xlabel() == "change of b"
    with pytest.raises(InvalidInput, match=r"'a', 'b'.*Name one"):
        plot(element)
    with pytest.raises(InvalidInput, match="'c'"):
        plot(element, target="c")
    assert plot(made([0.1]).drop_vars("target")).get_xlabel() == "change of the output"


def test_axes_and_bad_input():
    _, ax = plt.subplots()
    assert plot(made([0.1]), ax=ax) is ax
    for options in ({"n": 0}, {"sort": 1}, {"ax": "here"}):
        with pytest.raises(InvalidInput, match=next(iter(options))):
            plot(made([0.1]), **options)
    with pytest.raises(InvalidElement):
        plot(xr.Dataset())
