"""pl.latent_training: what is drawn where."""

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pytest

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.models import slots
from mutua.pl import latent_training

TRAIN, VALIDATION = [0.9, 0.6, 0.4, 0.35, 0.3], [1.0, 0.7, 0.5, 0.55, 0.6]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def trained(train=TRAIN, validation=VALIDATION, **parameters):
    adata = anndata.AnnData(np.ones((4, 7)))
    settings = {
        "history": {"train_loss": np.array(train), "validation_loss": np.array(validation)},
        "best_epoch": int(np.argmin(validation)) + 1,
        "baseline_loss": 1.1,
        "parameters": {"dropout": 0.2, "hidden_layers": np.array([5]), "standardize": True,
                       "layer": "X"} | parameters,
    }  # fmt: skip
    slots.write(
        adata,
        slots.LATENTS,
        "autoencoder",
        {slots.EMBEDDING: np.zeros((4, 2))},
        names=["a", "b"],
        settings=settings,
    )
    return adata


def lines(ax):
    return {str(line.get_label()): line for line in ax.lines}


def test_curves_and_the_best_epoch():
    adata = trained()
    ax = latent_training(adata)
    drawn = lines(ax)
    np.testing.assert_array_equal(drawn["training, with dropout"].get_xdata(), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(drawn["training, with dropout"].get_ydata(), TRAIN)
    np.testing.assert_array_equal(drawn["validation"].get_ydata(), VALIDATION)
    ring = drawn["best epoch 3: 0.5"]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (3, 0.5)
    assert list(drawn["means of the features"].get_ydata()) == [1.1, 1.1]
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel() == "mean squared error\n(variances of a feature)"
    assert ax.get_yscale() == "linear"
    low, high = ax.get_ylim()
    assert low == 0
    assert high > 1.1
    assert {text.get_text() for text in ax.get_legend().get_texts()} >= {"validation"}


def test_a_wide_range_is_logarithmic():
    ax = latent_training(trained(train=[30.0, 2.0, 0.5, 0.2, 0.1]))
    assert ax.get_yscale() == "log"
    assert latent_training(trained(train=[30.0, 2.0, 0.5, 0.2, 0.0])).get_yscale() == "linear"


def test_units_and_dropout_are_said():
    ax = latent_training(trained(standardize=False, layer="clr", dropout=0.0))
    assert ax.get_ylabel().endswith("(squared unit of layer 'clr')")
    assert "training" in lines(ax)
    ax = latent_training(trained(standardize=False, hidden_layers=np.array([], int)))
    assert ax.get_ylabel().endswith("(squared unit of X)")
    assert "training" in lines(ax)


def test_one_epoch_is_a_point():
    drawn = lines(latent_training(trained(train=[0.9], validation=[1.0])))
    assert drawn["validation"].get_marker() == "."


def test_on_given_axes_and_nothing_changed():
    adata = trained()
    before = adata.copy()
    _, ax = plt.subplots()
    assert latent_training(adata, ax=ax) is ax
    assert adata.uns.keys() == before.uns.keys()
    np.testing.assert_array_equal(adata.obsm["X_autoencoder"], before.obsm["X_autoencoder"])


def test_of_a_stored_training(tmp_path):
    adata = anndata.AnnData(np.random.default_rng(0).normal(size=(30, 7)))
    mt.tl.autoencoder(adata, n_latent=2, hidden_layers=(4,), max_epochs=5)
    mt.Analysis({"table": adata}).write(tmp_path / "study.zarr")
    ax = latent_training(mt.open(tmp_path / "study.zarr")["table"])
    loss = adata.uns["autoencoder"]["history"]["train_loss"]
    np.testing.assert_array_equal(lines(ax)["training, with dropout"].get_ydata(), loss)


def test_what_has_no_training():
    adata = trained()
    with pytest.raises(InvalidInput, match=r"no latent dims under uns\['pca'\]"):
        latent_training(adata, key="pca")
    del adata.uns["autoencoder"]["history"]
    with pytest.raises(InvalidInput, match="has no history"):
        latent_training(adata)
    with pytest.raises(InvalidInput, match="ax"):
        latent_training(trained(), ax="here")
    with pytest.raises(InvalidElement):
        latent_training(np.ones((4, 7)))
