"""Pictures of elements inside the page."""

from __future__ import annotations

import base64
import io

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.image import imread

import mutua as mt
from mutua.report.pictures import pictures_of
from tests.models.examples import EXAMPLES, CountingChunks, neuron_effects
from tests.report.examples import study


def pixels(data: str) -> np.ndarray:
    return imread(io.BytesIO(base64.b64decode(data.split(",", 1)[1])))


@pytest.mark.parametrize(
    ("name", "captions"),
    [
        ("promoters_mi", ["Dependency between all pairs", "Dependency of neighbours"]),
        ("by_distance", ["Dependency by distance"]),
        ("structure", ["Distances in space"]),
        (
            "difference",
            [
                "Difference between the two sets",
                "The first set above, the second below the diagonal",
            ],
        ),
        ("motifs", ["Sequence logos"]),
        ("attributions", ["Attributions of the first sequence"]),
        ("hits", ["Where the annotations are"]),
        ("together", ["Pairs of motifs"]),
        ("spacings", ["Pairs of motifs"]),
        ("effects", ["Changes of the first target"]),
    ],
)
def test_every_kind(name: str, captions: list[str]) -> None:
    element = study()[name]
    kind = next(row.kind for row in study().contents() if row.name == name)
    open_before = plt.get_fignums()
    made = pictures_of(element, kind, name)
    assert plt.get_fignums() == open_before
    assert [picture.caption for picture in made] == captions
    for picture in made:
        assert picture.problem == ""
        image = pixels(picture.data)
        height, width = image.shape[:2]
        assert width / height == pytest.approx(picture.width / picture.height, rel=0.01)
        assert len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 20


@pytest.mark.parametrize(
    ("kind", "caption"),
    [
        ("FeatureMI", "Features that inform latent dims"),
        ("ModuleAssociation", "Features and the modules they go with"),
    ],
)
def test_tables_of_samples(kind: str, caption: str) -> None:
    open_before = plt.get_fignums()
    (made,) = pictures_of(EXAMPLES[kind]().chunk(), kind, "table")
    assert plt.get_fignums() == open_before
    assert (made.caption, made.problem) == (caption, "")
    assert len(np.unique(pixels(made.data).reshape(-1, 4), axis=0)) > 20


def test_a_network() -> None:
    open_before = plt.get_fignums()
    made = pictures_of(EXAMPLES["ProgramNetwork"]().chunk(), "ProgramNetwork", "network")
    assert plt.get_fignums() == open_before
    assert [(picture.caption, picture.problem) for picture in made] == [
        ("Couplings between nodes", ""),
        ("Strong couplings as edges", ""),
        ("Responses of nodes to conditions", ""),
    ]
    for picture in made:
        assert len(np.unique(pixels(picture.data).reshape(-1, 4), axis=0)) > 20


def test_a_kind_without_plots() -> None:
    assert pictures_of(study()["scores"], "Table", "scores") == []


def many_motifs(n: int) -> mt.models.Dataset:
    return mt.MotifSet.build({f"m{i}": "WGATAR" for i in range(n)})


@pytest.mark.slow
def test_of_many_motifs_the_first_are_drawn() -> None:
    (few,) = pictures_of(many_motifs(30), "MotifSet", "few")
    (many,) = pictures_of(many_motifs(50), "MotifSet", "many")
    assert (many.width, many.height) == (few.width, few.height)
    assert many.data != few.data  # which says how many there are


def test_of_many_lazy_motifs_no_more_than_drawn_are_read() -> None:
    motifs = many_motifs(50)
    chunks = CountingChunks(motifs["probability"].values, (10, 4, 6))
    lazy = motifs.assign(probability=(motifs["probability"].dims, chunks.array))
    assert isinstance(lazy["probability"].data, da.Array)
    (picture,) = pictures_of(lazy, "MotifSet", "many")
    assert picture.problem == ""
    assert len(chunks.computed) == 3


def test_a_plot_that_fails_says_so() -> None:
    (picture,) = pictures_of(many_motifs(2).isel(motif=slice(0)), "MotifSet", "none")
    assert picture.data == ""
    assert "there are none" in picture.problem


@pytest.mark.parametrize("distance", [None, [2, 9, 30]])
def test_effects_of_pairs(distance: list[int] | None) -> None:
    parts = {} if distance is None else {"distance": distance}
    pairs = mt.MotifPairs.build(
        motif_a_index=[0, 0, 0], motif_b_index=[1, 1, 1] if distance else [1, 2, 0], n=[9, 8, 7],
        epistasis=[0.5, 0.25, 0], q_value=[1e-9, 0.01, 0.5], motif=["GATA", "ETS", "AP1"],
        interaction=["synergistic", "synergistic", "additive"], counted="sites", ordered=False,
        n_sequences=10, **parts,
    )  # fmt: skip
    (picture,) = pictures_of(pairs, "MotifPairs", "pairs")
    assert picture.problem == ""
    assert picture.caption == "Pairs of motifs"


def test_effects_of_neurons() -> None:
    open_before = plt.get_fignums()
    (picture,) = pictures_of(neuron_effects(), "NeuronEffects", "effects")
    assert picture.problem == ""
    assert plt.get_fignums() == open_before
