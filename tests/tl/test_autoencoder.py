"""Latent dims in an AnnData, each axis of its own size."""

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.kernels import autoencoder as kernel
from mutua.models import provenance, slots

N, FEATURES, LATENTS, PATIENTS = 90, 21, 4, 13
QUICK = {"n_latent": LATENTS, "hidden_layers": (12, 6), "max_epochs": 6}


def table(n: int = N, seed: int = 0) -> anndata.AnnData:
    """Give half empty abundances of which three gradients decide, and the patient of each."""
    weights = np.random.default_rng(9).normal(size=(3, FEATURES))
    random = np.random.default_rng(seed)
    values = np.maximum(random.normal(size=(n, 3)) @ weights + random.normal(0, 0.2, (n, 1)), 0)
    adata = anndata.AnnData(values.astype(np.float32))
    adata.obs_names = [f"sample{i}" for i in range(n)]
    adata.var_names = [f"genome{i}" for i in range(FEATURES)]
    adata.obs["patient"] = pd.Categorical([f"p{i % PATIENTS}" for i in range(n)])
    adata.layers["twice"] = 2 * values + 1
    adata.uns["kept"] = "as it was"
    return adata


@pytest.fixture
def adata():
    return table()


@pytest.fixture(scope="module")
def trained():
    adata = table()
    mt.tl.autoencoder(adata, **QUICK)
    return adata


class TestAutoencoder:
    def test_what_is_written(self, trained):
        assert set(trained.obsm) == {"X_autoencoder"}
        assert set(trained.obs) == {"patient", "autoencoder_error", "autoencoder_validation"}
        assert set(trained.uns) == {"kept", "autoencoder", "mutua"}
        assert not trained.varm
        assert trained.obsm["X_autoencoder"].shape == (N, LATENTS)
        assert trained.obsm["X_autoencoder"].dtype == np.float32
        entry = trained.uns["autoencoder"]
        assert list(entry["names"]) == [f"autoencoder_{i}" for i in range(LATENTS)]
        assert list(entry["features"]) == list(trained.var_names)
        assert trained.obs["autoencoder_validation"].sum() == round(0.2 * N)
        np.testing.assert_array_equal(trained.X, table().X)

    def test_history(self, trained):
        entry = trained.uns["autoencoder"]
        history = entry["history"]
        assert len(history["train_loss"]) == len(history["validation_loss"]) == 6
        assert entry["best_epoch"] == np.argmin(history["validation_loss"]) + 1
        held = trained.obs["autoencoder_validation"].to_numpy()
        error = trained.obs["autoencoder_error"].to_numpy()
        assert error[held].mean() == pytest.approx(history["validation_loss"].min(), rel=1e-6)
        assert entry["parameters"]["hidden_layers"].tolist() == [12, 6]
        assert entry["parameters"]["layer"] == "X"

    def test_error_is_in_variances_of_a_feature(self, adata):
        mt.tl.autoencoder(adata, **QUICK)
        rows = adata.X[~adata.obs["autoencoder_validation"]].astype(float)
        scaled = (adata.X - rows.mean(axis=0)) / rows.std(axis=0)
        held = adata.obs["autoencoder_validation"].to_numpy()
        baseline = adata.uns["autoencoder"]["baseline_loss"]
        assert baseline == pytest.approx((scaled[held] ** 2).mean(), rel=1e-6)
        twice = adata.copy()
        mt.tl.autoencoder(twice, layer="twice", **QUICK)
        np.testing.assert_allclose(
            twice.obs["autoencoder_error"], adata.obs["autoencoder_error"], rtol=0.02
        )

    def test_learns(self, adata):
        mt.tl.autoencoder(adata, n_latent=3, hidden_layers=(32,), max_epochs=300)
        held = adata.obs["autoencoder_validation"]
        error = adata.obs["autoencoder_error"][held].mean()
        assert error < 0.35 * adata.uns["autoencoder"]["baseline_loss"]

    @pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
    @pytest.mark.parametrize("layer", [None, "counts"])
    def test_sparse_equals_dense(self, adata, trained, form, layer):
        values = form(adata.X)
        if layer is None:
            adata.X = values
        else:
            adata.layers[layer] = values
        mt.tl.autoencoder(adata, layer=layer, **QUICK)
        np.testing.assert_array_equal(adata.obsm["X_autoencoder"], trained.obsm["X_autoencoder"])
        np.testing.assert_array_equal(
            adata.uns["autoencoder"]["model"], trained.uns["autoencoder"]["model"]
        )

    def test_whole_numbers(self, adata):
        adata.layers["counts"] = np.round(adata.X * 10).astype(np.uint16)
        adata.layers["float"] = adata.layers["counts"].astype(float)
        mt.tl.autoencoder(adata, layer="counts", key_added="a", **QUICK)
        mt.tl.autoencoder(adata, layer="float", key_added="b", **QUICK)
        np.testing.assert_array_equal(adata.obsm["X_a"], adata.obsm["X_b"])
        assert adata.uns["b"]["names"][0] == "b_0"

    @pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
    def test_raw_counts(self, form):
        counts = np.random.default_rng(0).poisson(30, (20, 6)) * 1.0
        options = {"n_latent": 1, "hidden_layers": (), "max_epochs": 1}
        counts[3, 4] = 51
        with pytest.warns(UserWarning, match=r"up to \d+, which look like raw.*pp\.log_abund.*clr"):
            mt.tl.autoencoder(anndata.AnnData(form(counts)), **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for values in (counts / 2, np.minimum(counts, 50), -counts, np.log1p(counts)):
                mt.tl.autoencoder(anndata.AnnData(form(values)), **options)

    def test_same_seed_same_bits(self, adata, trained, monkeypatch):
        state = torch.get_rng_state()
        monkeypatch.setattr(mt.settings, "threads", 1)
        mt.tl.autoencoder(adata, **QUICK)
        assert torch.equal(torch.get_rng_state(), state)
        np.testing.assert_array_equal(adata.obsm["X_autoencoder"], trained.obsm["X_autoencoder"])
        mt.tl.autoencoder(adata, seed=1, **QUICK)
        assert not np.array_equal(adata.obsm["X_autoencoder"], trained.obsm["X_autoencoder"])
        held = adata.obs["autoencoder_validation"]
        assert not held.equals(trained.obs["autoencoder_validation"])

    def test_a_patient_is_on_one_side(self, adata):
        mt.tl.autoencoder(adata, split_by="patient", **QUICK)
        sides = adata.obs.groupby("patient", observed=True)["autoencoder_validation"].nunique()
        assert sides.tolist() == [1] * PATIENTS
        assert 0 < adata.obs["autoencoder_validation"].sum() <= round(0.2 * N)
        assert adata.uns["autoencoder"]["parameters"]["split_by"] == "patient"

    def test_copy(self, adata):
        done = mt.tl.autoencoder(adata, copy=True, **QUICK)
        assert not adata.obsm
        assert set(adata.uns) == {"kept"}
        assert list(adata.obs) == ["patient"]
        assert "X_autoencoder" in done.obsm

    def test_of_a_view(self, adata, trained):
        view = adata[:, :]
        with pytest.warns(anndata.ImplicitModificationWarning):
            mt.tl.autoencoder(view, **QUICK)
        np.testing.assert_array_equal(view.obsm["X_autoencoder"], trained.obsm["X_autoencoder"])
        assert not adata.obsm

    def test_again_with_fewer_latent_dims(self, adata):
        mt.tl.autoencoder(adata, **QUICK)
        mt.tl.autoencoder(adata, **QUICK | {"n_latent": 2})
        assert adata.obsm["X_autoencoder"].shape == (N, 2)

    def test_labelled_view(self, trained):
        found = mt.to_xarray(trained, "autoencoder")
        assert dict(found.sizes) == {"sample": N, "latent": LATENTS}
        assert {name: found[name].dtype.kind for name in ("error", "validation")} == {
            "error": "f",
            "validation": "b",
        }

    def test_interrupted_training_writes_nothing(self, adata, monkeypatch):
        steps = iter(range(2))

        def learn(*_):
            if next(steps, None) is None:
                raise KeyboardInterrupt
            return 1.0

        monkeypatch.setattr(kernel, "_learn", learn)
        with pytest.raises(KeyboardInterrupt):
            mt.tl.autoencoder(adata, **QUICK)
        assert not adata.obsm
        assert set(adata.uns) == {"kept"}

    def test_record(self, trained):
        step = provenance.read_record(trained)["steps"][-1]
        assert step["function"] == "tl.autoencoder"
        assert step["seed"] == 0
        assert step["arguments"]["n_latent"] == LATENTS


class TestStored:
    def test_zarr(self, trained, tmp_path):
        mt.Analysis({"sputum": trained}).write(tmp_path / "study.zarr")
        study = mt.open(tmp_path / "study.zarr")
        self.same(study["sputum"], trained)
        assert "tl.autoencoder" in study.history()["function"].tolist()

    def test_h5ad(self, trained, tmp_path):
        trained.write_h5ad(tmp_path / "sputum.h5ad")
        self.same(anndata.read_h5ad(tmp_path / "sputum.h5ad"), trained)

    def test_linear_one_without_hidden_layers(self, adata, tmp_path):
        mt.tl.autoencoder(adata, n_latent=2, hidden_layers=(), max_epochs=2)
        adata.write_h5ad(tmp_path / "sputum.h5ad")
        self.same(anndata.read_h5ad(tmp_path / "sputum.h5ad"), adata)

    @staticmethod
    def same(stored, adata):
        before, after = adata.uns["autoencoder"], stored.uns["autoencoder"]
        np.testing.assert_array_equal(after["model"], before["model"])
        assert after["model"].dtype == np.uint8
        for name, values in before["history"].items():
            np.testing.assert_array_equal(after["history"][name], values)
        new = table(7, seed=1)
        one = mt.tl.encode(new, reference=adata, copy=True)
        other = mt.tl.encode(new, reference=stored, copy=True)
        np.testing.assert_array_equal(one.obsm["X_autoencoder"], other.obsm["X_autoencoder"])
        assert stored.obs["autoencoder_validation"].equals(adata.obs["autoencoder_validation"])
        assert mt.to_xarray(stored, "autoencoder").equals(mt.to_xarray(adata, "autoencoder"))


class TestEncode:
    def test_samples_of_the_training(self, adata, trained):
        mt.tl.encode(adata, reference=trained)
        np.testing.assert_array_equal(adata.obsm["X_autoencoder"], trained.obsm["X_autoencoder"])
        assert adata.obs["autoencoder_error"].equals(trained.obs["autoencoder_error"])
        assert "autoencoder_validation" not in adata.obs

    @pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
    def test_features_go_by_name(self, trained, form):
        new = table(7, seed=1)
        expected = mt.tl.encode(new, reference=trained, copy=True)
        more = np.full((7, 2), np.nan, np.float32)
        order = np.random.default_rng(0).permutation(FEATURES + 2)
        other = anndata.AnnData(form(np.hstack([new.X, more])[:, order]))
        names = np.array([*new.var_names, "more", "most"])[order]
        other.var_names, other.obs_names = names, new.obs_names
        mt.tl.encode(other, reference=trained, key_added="theirs")
        np.testing.assert_array_equal(other.obsm["X_theirs"], expected.obsm["X_autoencoder"])
        np.testing.assert_array_equal(other.obs["theirs_error"], expected.obs["autoencoder_error"])
        values, names = slots.columns(other, "X_theirs", argument="latent")
        assert values.shape == (7, LATENTS)
        assert names[0] == "autoencoder_0"

    def test_few_samples_are_where_they_are_among_many(self, adata, trained):
        few = adata[5:8].copy()
        mt.tl.encode(few, reference=trained)
        expected = trained.obsm["X_autoencoder"][5:8]
        np.testing.assert_allclose(few.obsm["X_autoencoder"], expected, rtol=1e-4, atol=1e-5)

    def test_scaling_is_that_of_the_reference(self, adata, trained):
        far = adata.copy()
        far.X = far.X + 100
        mt.tl.encode(far, reference=trained)
        assert (far.obs["autoencoder_error"] > 100 * trained.obs["autoencoder_error"]).all()

    def test_layer_of_the_training_by_default(self, adata):
        mt.tl.autoencoder(adata, layer="twice", **QUICK)
        new = table()
        mt.tl.encode(new, reference=adata)
        np.testing.assert_array_equal(new.obsm["X_autoencoder"], adata.obsm["X_autoencoder"])
        new.X = new.layers.pop("twice")
        mt.tl.encode(new, reference=adata, layer="X", key_added="x")
        np.testing.assert_array_equal(new.obsm["X_x"], adata.obsm["X_autoencoder"])
        with pytest.raises(InvalidInput, match="no layer 'twice'"):
            mt.tl.encode(new, reference=adata)

    def test_a_reference_that_was_cut_still_serves(self, adata, trained):
        mt.tl.encode(adata, reference=trained[:9, :5].copy())
        np.testing.assert_array_equal(adata.obsm["X_autoencoder"], trained.obsm["X_autoencoder"])

    def test_no_samples(self, adata, trained):
        none = adata[:0].copy()
        mt.tl.encode(none, reference=trained)
        assert none.obsm["X_autoencoder"].shape == (0, LATENTS)

    def test_record_names_both(self, adata, trained):
        mt.tl.encode(adata, reference=trained)
        steps = provenance.read_record(adata)["steps"]
        assert [step["function"] for step in steps][-1] == "tl.encode"
        assert "tl.autoencoder" in [step["function"] for step in steps]

    def test_missing_features_are_listed(self, adata, trained):
        with pytest.raises(InvalidInput, match=r"2 of 21 features .* 'genome3', 'genome8'"):
            mt.tl.encode(adata[:, ~adata.var_names.isin(["genome3", "genome8"])], reference=trained)
        with pytest.raises(InvalidInput, match="and 10 more"):
            mt.tl.encode(adata[:, :1].copy(), reference=trained)

    def test_what_cannot_be_used(self, adata, trained):
        with pytest.raises(InvalidElement, match=r"argument `reference` .*\n.* a str"):
            mt.tl.encode(adata, reference="trained")
        with pytest.raises(InvalidInput, match=r"`key`: no latent dims under uns\['other'\]"):
            mt.tl.encode(adata, reference=trained, key="other")
        with pytest.raises(InvalidInput, match="would replace the autoencoder itself"):
            mt.tl.encode(trained, reference=trained)
        mt.tl.encode(adata, reference=trained)
        with pytest.raises(InvalidInput, match="holds no model"):
            mt.tl.encode(table(), reference=adata)
        twice = table()
        twice.var_names = ["genome0", *twice.var_names[:-1]]
        with pytest.raises(InvalidInput, match="more than once, such as 'genome0'"):
            mt.tl.encode(twice, reference=trained)
        far = table()
        far.X = far.X.astype(np.float64) + 1e60
        with pytest.raises(InvalidInput, match=r"'sample0'.* are beyond single precision"):
            mt.tl.encode(far, reference=trained)
        assert not far.obsm
        damaged = trained.copy()
        damaged.uns["autoencoder"]["model"] = trained.uns["autoencoder"]["model"][:-4]
        with pytest.raises(InvalidInput, match="cannot be used"):
            mt.tl.encode(table(), reference=damaged)


class TestBadInput:
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    @pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
    def test_values_that_are_not_finite(self, adata, value, form):
        values = adata.X.copy()
        values[11, 3] = values[12, 3] = values[12, 7] = value
        adata.X = form(values)
        text = (
            "X has 3 values that are missing or infinite, "
            "in samples 'sample11', 'sample12' and features 'genome3', 'genome7'"
        )
        with pytest.raises(InvalidInput, match=text):
            mt.tl.autoencoder(adata, **QUICK)
        assert not adata.obsm

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"layer": "raw"}, r"no layer 'raw'. Use one of \['twice'\]"),
            ({"n_latent": FEATURES}, "21 for 21 features"),
            ({"n_latent": 0}, "n_latent"),
            ({"n_latent": 2.5}, "n_latent"),
            ({"hidden_layers": 12}, "hidden_layers"),
            ({"hidden_layers": (12, 0)}, "hidden_layers"),
            ({"hidden_layers": "12"}, "hidden_layers"),
            ({"dropout": 1}, "below 1"),
            ({"dropout": -0.1}, "dropout"),
            ({"activation": "sine"}, "activation"),
            ({"standardize": 1}, "standardize"),
            ({"validation": 0}, "validation"),
            ({"validation": 0.99}, "leaves 1 of 90 samples"),
            ({"split_by": "sex"}, r"no obs\['sex'\]. Use one of 'patient'"),
            ({"split_by": ["patient"]}, "split_by"),
            ({"learning_rate": 0}, "learning_rate"),
            ({"learning_rate": 1e30}, "learning_rate"),
            ({"batch_size": 0}, "batch_size"),
            ({"max_epochs": -1}, "max_epochs"),
            ({"patience": 0}, "patience"),
            ({"seed": -1}, "seed"),
            ({"device": "tpu"}, "device"),
            ({"progress": "yes"}, "progress"),
            ({"key_added": ""}, "key_added"),
            ({"key_added": "a/b"}, "key_added"),
            ({"copy": None}, "copy"),
        ],
        ids=lambda part: (
            "-".join(f"{k}={v}" for k, v in part.items()) if isinstance(part, dict) else ""
        ),
    )
    def test_arguments(self, adata, options, message):
        with pytest.raises(InvalidInput, match=message):
            mt.tl.autoencoder(adata, **QUICK | options)
        assert not adata.obsm
        assert set(adata.uns) == {"kept"}

    def test_missing_patients_are_named(self, adata):
        adata.obs["patient"] = adata.obs["patient"].astype(object)
        adata.obs.loc["sample4", "patient"] = None
        with pytest.raises(InvalidInput, match="no value for 'sample4'"):
            mt.tl.autoencoder(adata, split_by="patient", **QUICK)

    def test_one_patient(self, adata):
        adata.obs["patient"] = "p0"
        with pytest.raises(InvalidInput, match="`split_by`: 1 group"):
            mt.tl.autoencoder(adata, split_by="patient", **QUICK)

    def test_too_few_samples(self, adata):
        with pytest.raises(InvalidInput, match="leaves 1 of 2"):
            mt.tl.autoencoder(adata[:2].copy(), **QUICK)

    def test_features_of_one_name(self, adata):
        adata.var_names = ["genome0", *adata.var_names[:-1]]
        with pytest.raises(InvalidInput, match="more than once, such as 'genome0'"):
            mt.tl.autoencoder(adata, **QUICK)

    def test_what_is_no_table(self, adata):
        with pytest.raises(InvalidInput, match="no X"):
            mt.tl.autoencoder(anndata.AnnData(obs=adata.obs, var=adata.var), **QUICK)
        adata.layers["complex"] = adata.X.astype(complex)
        with pytest.raises(InvalidInput, match="type complex128"):
            mt.tl.autoencoder(adata, layer="complex", **QUICK)
        adata.X = np.ones_like(adata.X)
        with pytest.raises(InvalidInput, match="one value in all training samples"):
            mt.tl.autoencoder(adata, **QUICK)
        with pytest.raises(InvalidElement, match="a ndarray"):
            mt.tl.autoencoder(adata.X, **QUICK)
