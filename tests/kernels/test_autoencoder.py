"""The autoencoder on plain arrays, each axis of its own size."""

import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from scipy import sparse

from mutua.errors import DeviceUnavailable, InvalidInput, MemoryLimit
from mutua.kernels import autoencoder as kernel
from mutua.kernels.autoencoder import Split, encode, split_samples, train
from mutua.kernels.autoencoder_model import Architecture, from_bytes, to_bytes
from mutua.settings import settings

N, FEATURES, RANK = 150, 24, 3
SMALL = Architecture(n_latent=RANK, hidden_layers=(16, 8), dropout=0.1)


@pytest.fixture(scope="module")
def values():
    """A table of rank 3 with noise, far from 0 and of different units."""
    random = np.random.default_rng(0)
    clean = random.normal(size=(N, RANK)) @ random.normal(size=(RANK, FEATURES))
    noisy = clean + random.normal(0, 0.3, clean.shape)
    return noisy * random.uniform(1, 50, FEATURES) + 1000


@pytest.fixture(scope="module")
def split():
    return split_samples(N, fraction=0.2)


def principal_components(values, split, rank):
    """Give the mean squared error of each row from the components of the training rows."""
    rows = values[split.training]
    scaled = (values - rows.mean(axis=0)) / rows.std(axis=0)
    _, _, axes = np.linalg.svd(scaled[split.training], full_matrices=False)
    return ((scaled - scaled @ axes[:rank].T @ axes[:rank]) ** 2).mean(axis=1)


class TestTraining:
    def test_a_linear_one_does_what_principal_components_do(self, values, split):
        line = Architecture(n_latent=RANK, hidden_layers=(), dropout=0)
        done = train(values, split, architecture=line, learning_rate=0.01)
        expected = principal_components(values, split, RANK)
        error = encode(done.model, values).error
        assert error[split.training].mean() == pytest.approx(
            expected[split.training].mean(), rel=0.05
        )
        np.testing.assert_allclose(error, expected, rtol=0.5)
        assert np.corrcoef(error, expected)[0, 1] > 0.98

    def test_a_deep_one_comes_near(self, values, split):
        deep = Architecture(n_latent=RANK, hidden_layers=(64, 32), dropout=0.05)
        done = train(values, split, architecture=deep, max_epochs=150)
        best = principal_components(values, split, RANK)[split.validation].mean()
        assert done.validation_loss.min() < 2 * best
        assert done.validation_loss.min() < 0.25 * done.baseline_loss

    def test_the_weights_of_the_best_epoch_are_kept(self, values, split):
        options = {"architecture": SMALL, "learning_rate": 0.03, "patience": 4}
        done = train(values, split, **options)
        assert done.best_epoch == np.argmin(done.validation_loss) + 1
        assert len(done.validation_loss) == len(done.train_loss) == done.best_epoch + 4
        kept = encode(done.model, values).error[split.validation].mean()
        assert kept == pytest.approx(done.validation_loss[done.best_epoch - 1], rel=1e-6)
        assert kept < done.validation_loss[-1]
        shorter = train(values, split, max_epochs=done.best_epoch, **options)
        np.testing.assert_array_equal(to_bytes(shorter.model), to_bytes(done.model))

    def test_baseline_is_the_error_of_the_means(self, values, split):
        done = train(values, split, architecture=SMALL, max_epochs=1)
        rows = values[split.training]
        scaled = (values[split.validation] - rows.mean(axis=0)) / rows.std(axis=0)
        assert done.baseline_loss == pytest.approx((scaled**2).mean(), rel=1e-12)

    def test_scaling_is_that_of_the_training_rows(self, values, split):
        mean, factor = train(values, split, architecture=SMALL, max_epochs=1).model.scaling
        np.testing.assert_allclose(mean, values[split.training].mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(1 / factor, values[split.training].std(axis=0), rtol=1e-9)
        plain = train(values / 1e3, split, architecture=SMALL, max_epochs=1, standardize=False)
        assert plain.model.scaling.mean.tolist() == [0] * FEATURES
        assert plain.model.scaling.factor.tolist() == [1] * FEATURES

    def test_constant_features_have_no_part(self, values, split):
        changed = values.copy()
        changed[:, 5] = 0.1
        changed[split.validation, 7] = 1e6
        changed[split.training, 7] = 0.3
        done = train(changed, split, architecture=SMALL, max_epochs=2)
        factor = done.model.scaling.factor
        assert factor[[5, 7]].tolist() == [0, 0]
        assert (np.delete(factor, [5, 7]) > 0).all()
        assert done.validation_loss.max() < 2

    def test_all_features_constant(self, split):
        with pytest.raises(InvalidInput, match="one value in all training samples"):
            train(np.full((N, FEATURES), 0.1), split, architecture=SMALL)

    @pytest.mark.parametrize("standardize", [True, False])
    def test_losses_that_grow_beyond_all_numbers(self, values, split, standardize):
        with pytest.raises(InvalidInput, match=r"learning_rate.*the loss is"):
            train(
                values * 1e20,
                split,
                architecture=SMALL,
                standardize=standardize,
                learning_rate=1e25,
                max_epochs=5,
            )

    def test_no_gpu(self, values, split):
        if torch.cuda.is_available():
            pytest.skip("there is one")
        with pytest.raises(DeviceUnavailable):
            train(values, split, architecture=SMALL, device="cuda")


class TestSameBits:
    @pytest.fixture(scope="class")
    @classmethod
    def bits(cls, values, split):
        return cls.of(values, split)

    @staticmethod
    def of(values, split, seed=0):
        done = train(values, split, architecture=SMALL, max_epochs=5, seed=seed)
        encoded = encode(done.model, values)
        return [to_bytes(done.model), done.train_loss, done.validation_loss, *encoded]

    @pytest.mark.parametrize("threads", [1, 2, None])
    @pytest.mark.parametrize("torch_threads", [1, 2])
    def test_whatever_the_threads(self, values, split, bits, monkeypatch, threads, torch_threads):
        monkeypatch.setattr(settings, "threads", threads)
        before = torch.get_num_threads()
        torch.set_num_threads(torch_threads)
        try:
            again = self.of(values, split)
            assert torch.get_num_threads() == torch_threads
        finally:
            torch.set_num_threads(before)
        for one, other in zip(bits, again, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_sparse_or_dense(self, values, split, bits):
        few = np.where(values > np.median(values), values, 0)
        dense, csr = self.of(few, split), self.of(sparse.csr_matrix(few), split)
        for one, other in zip(dense, csr, strict=True):
            np.testing.assert_array_equal(one, other)
        assert not np.array_equal(dense[0], bits[0])

    def test_another_seed(self, values, split, bits):
        assert not np.array_equal(self.of(values, split, seed=1)[0], bits[0])

    def test_settings_of_torch_do_not_matter(self, values, split, bits):
        torch.set_default_dtype(torch.float64)
        try:
            with torch.inference_mode():
                again = self.of(values, split)
        finally:
            torch.set_default_dtype(torch.float32)
        np.testing.assert_array_equal(again[0], bits[0])

    def test_random_numbers_are_drawn_on_the_cpu(self, values, split, bits):
        """Whatever device the process takes by default: one without values here."""
        with torch.device("meta"):
            again = self.of(values, split)
        for one, other in zip(bits, again, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_the_random_state_of_the_process_is_left_alone(self, values, split):
        torch.manual_seed(7)
        np.random.seed(7)  # noqa: NPY002
        before = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
        from_bytes(self.of(values, split)[0], n_features=FEATURES, activation="relu")
        assert torch.equal(torch.get_rng_state(), before[0])
        np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


class TestDevice:
    @pytest.mark.parametrize(
        ("batch_size", "hidden", "worth"), [(8, (4,), False), (64, (2048, 1024), True)]
    )
    def test_a_gpu_is_for_large_steps(self, values, split, monkeypatch, batch_size, hidden, worth):
        asked = []

        def chosen(device, *, operations):
            asked.append((device, operations > 2e8))
            return torch.device("cpu")

        monkeypatch.setattr(kernel, "torch_device", chosen)
        wanted = Architecture(n_latent=2, hidden_layers=hidden)
        train(values, split, architecture=wanted, batch_size=batch_size, max_epochs=1)
        assert asked == [(None, worth)]

    @pytest.mark.gpu
    def test_the_first_epoch_is_that_of_the_cpu(self, values, split):
        deep = Architecture(n_latent=RANK, hidden_layers=(512, 128))
        options = {"architecture": deep, "max_epochs": 1}
        cpu, gpu = (train(values, split, device=device, **options) for device in ("cpu", "cuda"))
        np.testing.assert_allclose(gpu.train_loss, cpu.train_loss, rtol=1e-3)
        np.testing.assert_allclose(gpu.validation_loss, cpu.validation_loss, rtol=1e-3)
        one, two = (encode(cpu.model, values, device=device) for device in ("cpu", "cuda"))
        np.testing.assert_allclose(one.embedding, two.embedding, rtol=1e-3, atol=1e-4)


def test_a_sparse_table_is_never_dense_as_a_whole(values, split, monkeypatch):
    largest = []
    plain = kernel._dense_rows

    def watched(table, rows):
        largest.append(len(rows))
        return plain(table, rows)

    monkeypatch.setattr(kernel, "_dense_rows", watched)
    monkeypatch.setattr(kernel, "_BLOCK", 40)
    monkeypatch.setattr(sparse.csr_matrix, "todense", None)
    done = train(sparse.csr_matrix(values), split, architecture=SMALL, max_epochs=2, batch_size=16)
    encode(done.model, sparse.csr_matrix(values))
    assert max(largest) == 40


def test_an_interrupted_training_leaves_threads_as_they_were(values, split, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(kernel, "_learn", stop)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(values, split, architecture=SMALL)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert torch.is_grad_enabled()


class TestLayers:
    @pytest.mark.parametrize(
        ("hidden", "encoder", "decoder"),
        [
            ((), "24-3", "3-24"),
            ((16,), "24-16-drop-3", "3-16-drop-24"),
            ((16, 8), "24-16-drop-8-3", "3-8-drop-16-24"),
            ((16, 8, 5), "24-16-drop-8-drop-5-3", "3-5-drop-8-drop-16-24"),
        ],
        ids=["linear", "one", "two", "three"],
    )
    def test_the_decoder_mirrors_the_encoder(self, values, split, hidden, encoder, decoder):
        wanted = Architecture(n_latent=RANK, hidden_layers=hidden)
        network = train(values, split, architecture=wanted, max_epochs=1).model.network

        def text(part):
            words = [str(part[0].in_features)]
            for layer in part:
                if isinstance(layer, torch.nn.Linear):
                    words.append(str(layer.out_features))
                elif isinstance(layer, torch.nn.Dropout):
                    words.append("drop")
            return "-".join(words)

        assert (text(network.encoder), text(network.decoder)) == (encoder, decoder)

    def test_dropout_acts_in_training_only(self, values, split):
        losses = {}
        for dropout in (0.0, 0.6):
            wanted = SMALL._replace(dropout=dropout)
            done = train(values, split, architecture=wanted, max_epochs=4)
            losses[dropout] = done.train_loss[0]
            one, other = encode(done.model, values), encode(done.model, values)
            np.testing.assert_array_equal(one.embedding, other.embedding)
        assert losses[0.6] > losses[0.0]

    def test_dropped_units_are_made_up_for(self):
        draws = torch.Generator().manual_seed(0)
        mask = kernel._mask((400, 100), 0.25, draws)
        assert sorted(set(mask.ravel().tolist())) == pytest.approx([0, 4 / 3])
        assert mask.mean().item() == pytest.approx(1, abs=0.02)


class TestStoredModel:
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, values, split):
        return train(values, split, architecture=SMALL, max_epochs=2).model

    def test_comes_back(self, values, model):
        stored = to_bytes(model)
        again = from_bytes(stored, n_features=FEATURES, activation="relu")
        np.testing.assert_array_equal(to_bytes(again), stored)
        for one, other in zip(encode(model, values), encode(again, values), strict=True):
            np.testing.assert_array_equal(one, other)
        assert stored.dtype == np.uint8

    def test_is_a_safetensors_file(self, model):
        stored = to_bytes(model).tobytes()
        header = json.loads(stored[8 : 8 + struct.unpack("<Q", stored[:8])[0]])
        assert header["encoder.hidden_1.weight"]["shape"] == [16, FEATURES]
        assert header["encoder.latent.weight"]["shape"] == [RANK, 8]
        assert header["decoder.output.bias"]["shape"] == [FEATURES]
        assert header["scaling.mean"]["dtype"] == "F64"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda parts: parts.pop("scaling.mean"), "scaling.mean has the shape None"),
            (lambda parts: parts.pop("encoder.latent.weight"), "layers of the encoder"),
            (lambda parts: parts.update(more=torch.zeros(2)), "more has the shape"),
            (
                lambda parts: parts.update({"decoder.output.bias": torch.zeros(5)}),
                r"decoder.output.bias has the shape \(5,\), not \(24,\)",
            ),
            (
                lambda parts: parts["decoder.output.bias"].fill_(torch.nan),
                "decoder.output.bias is not made of finite",
            ),
            (
                lambda parts: parts.update({"scaling.mean": torch.zeros(FEATURES)}),
                "scaling.mean is not made of finite torch.float64",
            ),
        ],
        ids=["missing", "no_latent", "more", "shape", "nan", "dtype"],
    )
    def test_weights_that_do_not_fit(self, model, change, message):
        parts = load(to_bytes(model).tobytes())
        change(parts)
        with pytest.raises(InvalidInput, match=message):
            from_bytes(np.frombuffer(save(parts), np.uint8), n_features=FEATURES, activation="relu")

    def test_other_bytes(self, model):
        cut = to_bytes(model)[:-8]
        for stored in (cut, np.zeros(40, np.uint8), np.zeros(0, np.uint8), "text"):
            with pytest.raises(InvalidInput, match="cannot be used"):
                from_bytes(stored, n_features=FEATURES, activation="relu")
        with pytest.raises(InvalidInput, match="cannot be used"):
            from_bytes(to_bytes(model), n_features=FEATURES + 1, activation="relu")
        with pytest.raises(InvalidInput, match="'sine' is unknown"):
            from_bytes(to_bytes(model), n_features=FEATURES, activation="sine")


class TestSplit:
    @given(
        n=st.integers(6, 60), fraction=st.floats(0.05, 0.6), seed=st.integers(0, 5),
    )  # fmt: skip
    def test_every_sample_is_on_one_side(self, n, fraction, seed):
        split = split_samples(n, fraction=fraction, seed=seed)
        assert sorted([*split.training, *split.validation]) == list(range(n))
        assert len(split.validation) == max(1, round(n * fraction))
        assert list(split.validation) == sorted(split.validation)

    @given(
        sizes=st.lists(st.integers(1, 9), min_size=2, max_size=9),
        fraction=st.floats(0.1, 0.5),
        seed=st.integers(0, 5),
    )
    def test_groups_stay_together(self, sizes, fraction, seed):
        groups = np.repeat(np.arange(len(sizes))[::-1] * 3, sizes)
        n = len(groups)
        if n - min(sizes) < 2:
            return
        split = split_samples(n, fraction=fraction, groups=groups, seed=seed)
        assert not set(groups[split.training]) & set(groups[split.validation])
        held = len(split.validation)
        assert 1 <= held <= max(1, round(n * fraction)) or held == min(sizes)

    def test_seed(self):
        drawn = {tuple(split_samples(20, fraction=0.3, seed=s).validation) for s in range(9)}
        assert len(drawn) == 9

    def test_too_few(self):
        with pytest.raises(InvalidInput, match="leaves 1 of 2 samples"):
            split_samples(2, fraction=0.2)
        with pytest.raises(InvalidInput, match="leaves 0 of 5"):
            split_samples(5, fraction=1)
        with pytest.raises(InvalidInput, match="1 group"):
            split_samples(5, fraction=0.2, groups=np.zeros(5, np.int64))


def test_splits_are_typed():
    split = split_samples(9, fraction=0.3)
    assert isinstance(split, Split)
    assert {part.dtype for part in split} == {np.dtype(np.int64)}


def test_progress_counts_epochs(values, split, capsys):
    train(values, split, architecture=SMALL, max_epochs=2, progress=True)
    assert "autoencoder" in capsys.readouterr().err
    train(values, split, architecture=SMALL, max_epochs=2, progress=False)
    assert not capsys.readouterr().err


def test_where_the_memory_of_a_gpu_is_short(values, split, monkeypatch):
    done = train(values, split, architecture=SMALL, max_epochs=2)
    expected = encode(done.model, values)
    real, sizes = kernel._batch, []

    def limited(values, rows, scaling, place):
        sizes.append(len(rows))
        if len(rows) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(values, rows, scaling, place)

    monkeypatch.setattr(kernel, "_batch", limited)
    most = 40
    found = encode(done.model, values)
    np.testing.assert_allclose(found.embedding, expected.embedding, atol=1e-5)
    np.testing.assert_allclose(found.error, expected.error, rtol=1e-5)
    assert max(sizes) > 40
    most = 0
    with pytest.raises(MemoryLimit, match="`adata`: 1 at a time is more than memory holds"):
        encode(done.model, values)
    most = 31  # a smaller batch would be another training
    with pytest.raises(MemoryLimit, match="`batch_size`: 32 at a time is more than memory holds"):
        train(values, split, architecture=SMALL, batch_size=32)
