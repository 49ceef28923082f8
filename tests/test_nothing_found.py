"""Where nothing is found, all that follows takes it and finds nothing."""

import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput

N, LENGTH = 6, 30


def attributions() -> xr.Dataset:
    """Attributions that are all 0."""
    return mt.Attributions.build(
        mt.pp.random_sequences(N, length=LENGTH, seed=0),
        attribution=np.zeros((N, 4, LENGTH)),
        target="signal",
        method="made up",
        hypothetical=False,
    )


def of_no_seqlets() -> xr.Dataset:
    return mt.tl.annotate(mt.tl.seqlets(attributions()), mt.datasets.jaspar())


def of_no_hits() -> xr.Dataset:
    motifs = mt.MotifSet.build({"wide": "ACGT" * LENGTH, "absent": "ACGTACGTAC"})
    return mt.tl.scan(attributions(), motifs)


@pytest.fixture(params=[of_no_seqlets, of_no_hits], ids=["seqlets", "hits"])
def nothing(request: pytest.FixtureRequest) -> xr.Dataset:
    found: xr.Dataset = request.param()
    assert found.sizes["annotation"] == 0
    assert found.sizes["motif"] >= 2
    return found


@pytest.fixture(autouse=True)
def without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    plt.close("all")


def test_counts_and_pairs(nothing: xr.Dataset) -> None:
    counts = mt.tl.count_annotations(nothing)
    assert counts.shape == (N, nothing.sizes["motif"])
    assert counts.X.nnz == 0
    for test in ("hypergeometric", "permutation"):
        pairs = mt.tl.pair_annotations(nothing, test=test)
        assert pairs.sizes["pair"] == 0
    spacings = mt.tl.pair_spacings(nothing, keep="all")
    assert spacings.sizes["pair"] == 0
    assert mt.tl.filter_annotations(nothing, best_of_overlapping="all").sizes["annotation"] == 0
    families = nothing.assign_coords(family=("motif", ["a"] * nothing.sizes["motif"]))
    assert mt.tl.merge_families(families).sizes["annotation"] == 0
    enriched = mt.tl.motif_enrichment(nothing, ["a", "b", "b"] * 2)
    assert enriched.sizes["group"] == 2
    assert not enriched["n_both"].values.any()


def test_plots(nothing: xr.Dataset) -> None:
    pairs = mt.tl.pair_annotations(nothing)
    assert mt.pl.pair_matrix(pairs).get_title() == "no pairs, 6 sequences"
    figure = mt.pl.spacing(mt.tl.pair_spacings(nothing))
    assert figure.axes[0].get_title(loc="left") == "no pairs"
    pair = tuple(nothing["motif"].values[:2].tolist())
    with pytest.raises(InvalidInput, match="has no distances"):
        mt.pl.spacing(mt.tl.pair_spacings(nothing), pair=pair)
    mt.pl.annotation_counts(nothing)
    mt.pl.seqlet_map(nothing)
    ax = mt.pl.logo(attributions(), sequence=2, annotations=nothing)
    assert ax.get_ylim() == (0, 1)
    ax.figure.canvas.draw()


def test_motifs_and_experiments(nothing: xr.Dataset) -> None:
    motifs = mt.tl.annotated_motifs(nothing, attributions())
    assert motifs.sizes["motif"] == 0
    assert mt.tl.cluster_motifs(motifs).sizes["motif"] == 0
    assert mt.tl.motif_similarity(motifs).sizes["row"] == 0
    effects = mt.tl.ablate(
        mt.pp.random_sequences(N, length=LENGTH, seed=0),
        lambda letters: letters[:, 0].sum(dim=1),
        annotations=nothing,
    )
    assert effects.sizes["sequence"] == N


@pytest.mark.parametrize("ending", ["bed", "gff3", "tsv"])
def test_files(nothing: xr.Dataset, ending: str, tmp_path: Path) -> None:
    mt.write_annotations(nothing, tmp_path / f"found.{ending}")
    assert (tmp_path / f"found.{ending}").exists()


def test_frames_and_stores(nothing: xr.Dataset, tmp_path: Path) -> None:
    assert len(mt.to_tangermeme(nothing)) == 0
    assert len(mt.to_dataframe(nothing)) == 0
    mt.Analysis({"found": nothing}).write(tmp_path / "study.zarr")
    assert mt.open(tmp_path / "study.zarr")["found"].sizes["annotation"] == 0


@pytest.mark.parametrize("method", ["recursive", "laplace"])
def test_no_sequences_at_all(method: str) -> None:
    none = mt.tl.seqlets(attributions().isel(sequence=slice(0)), method=method)
    assert none.sizes["sequence"] == none.sizes["annotation"] == 0
    assert mt.tl.annotate(none, mt.datasets.jaspar()).sizes["annotation"] == 0


def test_seqlets_ask_for_their_motifs_first() -> None:
    seqlets = mt.tl.seqlets(attributions())
    for function in (mt.tl.count_annotations, mt.tl.pair_annotations, mt.tl.pair_spacings):
        with pytest.raises(InvalidInput, match=r"spans without motifs.*tl\.annotate"):
            function(seqlets)
