"""pl.neuron_motifs, pl.neuron_effects and pl.patterns: what is drawn where."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput
from mutua.pl.neuron_effects import neuron_effects
from mutua.pl.neuron_motifs import neuron_motifs
from mutua.pl.patterns import patterns

N = 7


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def motifs(**changes):
    """Neuron 3 with three motifs, neuron 5 with two, neuron 0 with one that has no activations."""
    consensus = ["GATTA", "CCGTCA", "TTTT", "ACGTACGT", "CACGTG", "AAAA"]
    channel = [3, 3, 3, 5, 5, 0]
    neurons = [f"conv2:{c}" for c in channel]
    leaves = ["0-0", "0-1", "0-2", "0-0", "0-1", "0"]
    ids = [f"{n}/{leaf}" for n, leaf in zip(neurons, leaves, strict=True)]
    parts = {
        "n_sites": [10, 20, 30, 40, 50, np.nan],
        "activation_max": [2, 2.5, 1, 4, 3, np.nan],
        "activation_consensus": [1.5, 2.5, 0.5, 3, 2.9, np.nan],
        "neuron": neurons,
        "layer": ["conv2"] * 6,
        "channel": channel,
        "leaf": leaves,
        "window_start": [1, 2, 3, 0, 1, 4],
        "neurons_without_motif": {"conv2:1": "dead"},
    }
    parts |= changes
    parts = {name: value for name, value in parts.items() if value is not None}
    return mt.MotifSet.build(dict(zip(ids, consensus, strict=True)), **parts)


def effects(n_targets=1):
    ones = np.ones((N, n_targets))
    effect = np.linspace(-1, 1, N)[:, None] * ones
    effect[2] = np.nan
    p = 10 ** (-np.abs(effect) * 5)
    return mt.NeuronEffects.build(
        activation_max=np.arange(N), activation_sequence=[0] * N, activation_start=[0] * N,
        n_active=(np.arange(N)[:, None] * ones * 1000).astype(int), n_silent=ones.astype(int),
        mean_active=effect, mean_silent=ones, effect=effect, effect_low=effect - 0.1,
        effect_high=effect + 0.1, cohen_d=effect, p_value=p, q_value=p,
        sign=np.where(p < 0.05, np.sign(np.nan_to_num(effect)), 0).astype(int),
        status=["tested", "tested", "dead"] + ["tested"] * (N - 3),
        neuron=[f"conv{1 + i // 5}:{i % 5}" for i in range(N)],
        layer=[f"conv{1 + i // 5}" for i in range(N)], channel=[i % 5 for i in range(N)],
        target=[f"target {i}" for i in range(n_targets)], threshold=0.7, alpha=0.05,
        values="labels", test="Welch",
    )  # fmt: skip


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes if ax.axison]


def test_neurons_in_rows_the_strongest_first_and_their_best_motifs():
    element = motifs()
    before = element.copy(deep=True)
    figure = neuron_motifs(element, columns=2, n=2)
    assert titles(figure) == [
        "0-0: 75 %, n = 40", "0-1: 97 %, n = 50", "0-1: 100 %, n = 20", "0-0: 75 %, n = 10",
    ]  # fmt: skip
    assert figure.axes[0].get_ylabel() == "conv2:5\n(bits)"
    assert figure.axes[3].get_title(loc="right") == "+ 1 more"
    assert figure.get_suptitle() == "the 2 of 3 neurons activated most"
    assert {ax.get_xlim() for ax in figure.axes} == {(-0.6, 7.6)}
    xr.testing.assert_identical(element, before)


def test_motifs_stand_where_they_are_in_the_window():
    figure = neuron_motifs(motifs(), neurons="conv2:3", columns=1)
    corners = np.concatenate([a.get_path().vertices for a in figure.axes[0].patches])
    assert corners[:, 0].min() == pytest.approx(2 - 0.47, abs=0.1)  # CCGTCA from position 2 on
    assert corners[:, 0].max() == pytest.approx(7 + 0.47, abs=0.1)


def test_named_neurons_in_their_order_and_what_is_not_known():
    figure = neuron_motifs(motifs(), neurons=["conv2:0", "conv2:5"])
    assert figure.axes[0].get_ylabel() == "conv2:0\n(bits)"
    assert titles(figure)[0] == "0"
    assert figure.get_suptitle() == ""
    bare = neuron_motifs(
        motifs(activation_max=None, activation_consensus=None, n_sites=None, window_start=None)
    )
    assert titles(bare)[:3] == ["0-0", "0-1", "0-2"]


def test_neurons_without_motifs_are_explained():
    with pytest.raises(InvalidInput, match=r"`neurons`: no motifs of conv2:1 \(dead\), conv9:9"):
        neuron_motifs(motifs(), neurons=["conv2:1", "conv9:9"])
    with pytest.raises(InvalidInput, match="motifs without neurons"):
        neuron_motifs(mt.MotifSet.build({"a": "GATA"}))
    with pytest.raises(InvalidInput, match="`motifs`: there are none"):
        neuron_motifs(motifs().isel(motif=slice(0)))
    with pytest.raises(InvalidInput, match="`neurons`: none"):
        neuron_motifs(motifs(), neurons=[])
    with pytest.raises(InvalidInput, match="`columns`"):
        neuron_motifs(motifs(), columns=0)


def test_effects_are_sorted_and_coloured():
    element = effects()
    ax = neuron_effects(element)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["conv2:1", "conv2:0", "conv1:4", "conv1:3", "conv1:1", "conv1:0"]
    points = ax.collections[1]
    np.testing.assert_allclose(points.get_offsets()[:, 0], [1, 2 / 3, 1 / 3, 0, -2 / 3, -1])
    red, _, _, grey, _, blue = points.get_facecolors()
    assert red[0] > red[2]
    assert grey[0] == grey[2]
    assert blue[2] > blue[0]
    assert [text.get_text() for text in ax.texts] == [
        "6,000", "5,000", "4,000", "3,000", "1,000", "0", "active",
    ]  # fmt: skip
    assert ax.get_title(loc="left") == "1 not tested (dead, or too few sequences)"


def test_effects_of_one_layer_with_the_names_of_motifs():
    ax = neuron_effects(effects(), layer="conv2", motifs=motifs(name=list("abcdef")))
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["conv2:1", "f  conv2:0"]
    few = neuron_effects(effects(), n=2)
    assert len(few.get_yticks()) == 2
    assert few.get_title(loc="left").startswith("2 of 6 neurons")


def test_no_effects_and_bad_options():
    ax = neuron_effects(effects().isel(neuron=[2]))
    assert ax.get_title(loc="left") == "1 not tested (dead, or too few sequences)"
    neuron_effects(effects(2), target="target 1")
    with pytest.raises(InvalidInput, match=r"`target`: there are \['target 0', 'target 1'\]"):
        neuron_effects(effects(2))
    with pytest.raises(InvalidInput, match="`target`: 'x'"):
        neuron_effects(effects(), target="x")
    with pytest.raises(InvalidInput, match=r"`layer`: 'x'.*conv1.*conv2"):
        neuron_effects(effects(), layer="x")
    with pytest.raises(InvalidInput, match="motifs without neurons"):
        neuron_effects(effects(), motifs=mt.MotifSet.build({"a": "GATA"}))


def test_patterns_beside_their_letters_with_known_names():
    known = mt.datasets.jaspar()
    element = known.isel(motif=[7, 40, 300])
    length, shape = element["length"].values, element["probability"].shape
    values = np.random.default_rng(0).normal(size=shape)
    values *= np.arange(shape[2]) < length[:, None, None]
    element = mt.MotifSet.build(
        element["probability"].values, length=length, motif=["pos_0", "pos_1", "neg_0"],
        contribution=values, n_sites=[1200, 30, 22], sign=[1, 1, -1],
    )  # fmt: skip
    names = mt.tl.annotate(element, known, n_nearest=2)
    figure = patterns(element, names=names)
    assert titles(figure)[0] == "pos_0: 1,200 seqlets, raises the output"
    assert titles(figure)[4] == "neg_0: 22 seqlets, lowers the output"
    own = [str(known["name"].values[place]) for place in (7, 40, 300)]
    assert [title.split(",")[0] for title in titles(figure)[1::2]] == own
    assert len(patterns(element, n=2).axes) == 4
    assert patterns(element, n=2).get_suptitle() == "the first 2 of 3 patterns"
    with pytest.raises(InvalidInput, match="`names`"):
        patterns(element, names=mt.tl.annotate(element.isel(motif=[1, 0, 2]), known))
    with pytest.raises(InvalidInput, match="without contributions"):
        patterns(known)
    with pytest.raises(InvalidInput, match="there are none"):
        patterns(element.isel(motif=slice(0)))


def test_motifs_of_a_store_are_drawn_alike(tmp_path):
    mt.Analysis({"motifs": motifs()}).write(tmp_path / "study.zarr")
    stored = mt.open(tmp_path / "study.zarr")["motifs"]
    for options in ({}, {"neurons": ["conv2:5", "conv2:0"]}):
        expected, found = (neuron_motifs(one, **options) for one in (motifs(), stored))
        assert [ax.get_title(loc="left") for ax in found.axes] == [
            ax.get_title(loc="left") for ax in expected.axes
        ]
        assert [ax.get_ylabel() for ax in found.axes] == [ax.get_ylabel() for ax in expected.axes]


@pytest.mark.parametrize("n", [1, 3, 6])
def test_legend_stands_below_the_name_of_the_axis(n):
    ax = neuron_effects(effects(), n=n)
    ax.figure.canvas.draw()
    name = ax.xaxis.label.get_window_extent()
    assert ax.get_legend().get_window_extent().y1 <= name.y0
    assert ax.get_legend().get_window_extent().y1 > name.y0 - 20


def test_means_of_annotations_are_of_sites():
    one = mt.MotifSet.build({"GATA": "GATAAG"}, n_sites=[12], contribution=np.ones((1, 4, 6)))
    assert patterns(one).axes[0].get_title(loc="left") == "GATA: 12 sites"
