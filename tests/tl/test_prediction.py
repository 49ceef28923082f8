"""tl.predict: what comes out of it, lazily as well, and what it records."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput

N, LENGTH = 23, 9
CHUNKS = [(23,), (7, 7, 9), (1, 20, 2)]


class TwoOutputs(nn.Module):
    """A small network with two named targets; `extra` is added to the first."""

    target_names = ("first", "second")

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn(2, channels * LENGTH, generator=generator)
        self.weights = nn.Parameter(weights)
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs, extra=None):
        result = self.dropout(inputs).flatten(1) @ self.weights.T
        return result if extra is None else result + extra


@pytest.fixture
def seqs():
    return mt.pp.random_sequences(N, length=LENGTH, seed=3)


@pytest.fixture
def with_tracks(seqs):
    values = np.random.default_rng(0).random((N, 2, LENGTH)).astype(np.float32)
    return seqs.assign(tracks=(("sequence", "track", "position"), values))


def never(*_):
    raise AssertionError("computed")


def lazy_that_must_not_be_computed(seqs):
    codes = da.map_blocks(never, seqs["codes"].data, dtype=np.uint8, chunks=seqs["codes"].shape)
    return seqs.assign(codes=(("sequence", "position"), codes))


def steps(element):
    return json.loads(element.attrs["mutua"])["steps"]


def test_predictions_are_labelled(seqs):
    before = seqs.copy(deep=True)
    model = TwoOutputs()
    out = mt.tl.predict(seqs, model)
    mt.SequenceSet.check(out, deep=True)
    assert out["prediction"].dims == ("sequence", "target")
    assert out["prediction"].dtype == np.float32
    assert out["target"].values.tolist() == ["first", "second"]
    inputs = torch.from_numpy(mt.pp.one_hot(seqs))
    expected = (inputs.flatten(1) @ model.weights.T).detach().numpy()
    np.testing.assert_allclose(out["prediction"], expected, rtol=1e-5)
    xr.testing.assert_identical(seqs, before)
    assert "prediction" not in seqs
    assert np.shares_memory(out["codes"].values, seqs["codes"].values)


def test_earlier_predictions_are_replaced(seqs):
    once = mt.tl.predict(seqs, TwoOutputs())
    again = mt.tl.predict(once, lambda x: x[:, 0].sum(1), target_names=["n_a"])
    assert again["prediction"].shape == (N, 1)
    assert again["target"].values.tolist() == ["n_a"]
    assert once["prediction"].shape == (N, 2)


def test_targets(seqs):
    everything = mt.tl.predict(seqs, TwoOutputs())["prediction"]
    for target in ("second", 1, -1, ["second"]):
        one = mt.tl.predict(seqs, TwoOutputs(), target=target)
        assert one["target"].values.tolist() == ["second"]
        np.testing.assert_array_equal(one["prediction"][:, 0], everything[:, 1])

    def difference(output):
        return output[:, 0] - output[:, 1]

    out = mt.tl.predict(seqs, TwoOutputs(), target=difference)
    assert out["target"].values.tolist() == ["difference"]
    np.testing.assert_array_equal(out["prediction"][:, 0], everything[:, 0] - everything[:, 1])


def test_tuples_and_dictionaries(seqs):
    def model(inputs):
        return inputs[:, 0].sum(1), inputs[:, 1:3].sum(2)

    out = mt.tl.predict(seqs, model)
    assert out["target"].values.tolist() == ["0", "1", "2"]
    counts = mt.pp.one_hot(seqs).sum(axis=2)
    np.testing.assert_array_equal(out["prediction"], counts[:, :3])
    out = mt.tl.predict(seqs, lambda x: {"a": model(x)[0], "cg": model(x)[1]}, target=["cg1", "a"])
    assert out["target"].values.tolist() == ["cg1", "a"]
    np.testing.assert_array_equal(out["prediction"], counts[:, [2, 0]])


def test_unknown_letters_as_text():
    proteins = mt.from_strings(["MKV", "M-V"], alphabet="protein")
    out = mt.tl.predict(proteins, lambda texts: [t.count("X") for t in texts], encoding="text")
    assert out["prediction"].values.ravel().tolist() == [0, 1]


def test_tracks_and_arguments(with_tracks):
    model = TwoOutputs(channels=6)
    extra = np.arange(2.0 * N).reshape(N, 2)
    out = mt.tl.predict(with_tracks, model, args=[extra], batch_size=5)
    inputs = np.concatenate([mt.pp.one_hot(with_tracks), with_tracks["tracks"]], axis=1)
    expected = inputs.reshape(N, -1) @ model.weights.detach().numpy().T + extra
    np.testing.assert_allclose(out["prediction"], expected, rtol=1e-5)
    labelled = [xr.DataArray(extra, dims=("sequence", "x"))]
    again = mt.tl.predict(with_tracks, model, args=labelled, batch_size=5)
    xr.testing.assert_equal(again, out)


@pytest.mark.parametrize("chunks", CHUNKS)
def test_lazy_predictions_equal_those_in_memory(with_tracks, chunks):
    model, extra = TwoOutputs(channels=6), np.arange(2.0 * N).reshape(N, 2)
    expected = mt.tl.predict(with_tracks, model, args=[extra], batch_size=4)
    lazy = with_tracks.chunk(sequence=chunks, position=4)
    for given in (extra, torch.tensor(extra).float(), da.from_array(extra, chunks=(5, 1))):
        out = mt.tl.predict(lazy, model, args=[given], batch_size=4)
        assert dask.is_dask_collection(out["prediction"].data)
        assert out["prediction"].data.chunks[0] == chunks
        assert out["target"].values.tolist() == ["first", "second"]
        np.testing.assert_allclose(out["prediction"], expected["prediction"], rtol=1e-5)
        mt.SequenceSet.check(out, deep=True)


def test_lazy_arguments_alone_make_lazy_predictions(seqs):
    extra = np.arange(2.0 * N).reshape(N, 2)
    expected = mt.tl.predict(seqs, TwoOutputs(), args=[extra])
    for given in (da.from_array(extra, chunks=(6, 2)), xr.DataArray(extra).chunk(6)):
        out = mt.tl.predict(seqs, TwoOutputs(), args=[given])
        assert dask.is_dask_collection(out["prediction"].data)
        np.testing.assert_allclose(out["prediction"], expected["prediction"], rtol=1e-5)


def test_each_chunk_gets_its_own_rows_of_the_arguments(seqs):
    place = np.arange(N)
    out = mt.tl.predict(seqs.chunk(sequence=5), lambda x, i: i, args=[place], batch_size=2)
    np.testing.assert_array_equal(out["prediction"][:, 0], place)


def test_nothing_is_computed_until_asked_for(seqs):
    lazy = lazy_that_must_not_be_computed(seqs)
    argument = da.map_blocks(never, da.zeros((N, 2), chunks=(5, 2)), dtype=np.float64)
    out = mt.tl.predict(lazy, TwoOutputs(), args=[argument])
    mt.SequenceSet.check(out)
    with pytest.raises(AssertionError, match="computed"):
        out["prediction"].compute()


def test_lazy_predictions_have_names_of_their_own(seqs):
    lazy, model = seqs.chunk(sequence=7), TwoOutputs()

    def name(target):
        return mt.tl.predict(lazy, model, target=target)["prediction"].data.name

    before = name("first")
    assert name("first") == before
    assert name("second") != before
    model.weights.data += 1
    assert name("first") != before


def test_lazy_predictions_travel_and_run_in_threads(seqs):
    lazy = mt.tl.predict(seqs.chunk(sequence=3), TwoOutputs(), batch_size=2)
    expected = mt.tl.predict(seqs, TwoOutputs())["prediction"]
    moved = cloudpickle.loads(cloudpickle.dumps(lazy))
    for out in (lazy, moved):
        with dask.config.set(scheduler="threads", num_workers=4):
            np.testing.assert_allclose(out["prediction"], expected, rtol=1e-5)


def test_models_run_one_at_a_time(seqs):
    """A second thread would else put a module back into training mode under the first one."""

    class Watching(TwoOutputs):
        running = 0

        def forward(self, inputs):
            assert not self.training
            type(self).running += 1
            assert self.running == 1
            result = super().forward(inputs)
            type(self).running -= 1
            return result

    model = Watching()
    model.train()
    before = threading.active_count()
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(mt.tl.predict, seqs, model, batch_size=1) for _ in range(8)]
        results = [job.result()["prediction"].values for job in jobs]
    assert all(np.array_equal(result, results[0]) for result in results)
    assert model.training
    assert threading.active_count() <= before + 4


def test_the_model_is_left_as_it_was(seqs):
    model = nn.Sequential(TwoOutputs(), nn.BatchNorm1d(2)).train()
    model[0].dropout.eval()
    before = [part.training for part in model.modules()]
    for given in (seqs, seqs.chunk(sequence=4)):
        mt.tl.predict(given, model).compute()
        assert [part.training for part in model.modules()] == before
    broken = nn.Sequential(TwoOutputs(channels=5)).train()
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        mt.tl.predict(seqs, broken)
    assert broken.training


def test_provenance(seqs):
    model = TwoOutputs()
    out = mt.tl.predict(seqs, model, target="second", batch_size=7)
    last = steps(out)[-1]
    assert last["function"] == "tl.predict"
    assert last["arguments"]["target"] == "second"
    assert last["arguments"]["batch_size"] == 7
    described = last["arguments"]["model"]
    assert described["model"].endswith("TwoOutputs")
    assert [step["function"] for step in steps(out)] == ["pp.random_sequences", "tl.predict"]
    changed = TwoOutputs()
    changed.weights.data += 1
    same = steps(mt.tl.predict(seqs, TwoOutputs()))[-1]["arguments"]["model"]
    other = steps(mt.tl.predict(seqs, changed))[-1]["arguments"]["model"]
    assert same["state"] == described["state"] != other["state"]
    by_function = steps(mt.tl.predict(seqs, lambda x: x[:, 0].sum(1)))[-1]["arguments"]["model"]
    assert by_function["reproducible"] is False


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "onehot"}, "`encoding`: 'onehot'"),
        ({"batch_size": 0}, "`batch_size`: 0"),
        ({"batch_size": 2.5}, "`batch_size`"),
        ({"progress": "yes"}, "`progress`: 'yes'"),
        ({"target": "third"}, r"`target`: 'third'.*\['first', 'second'\]"),
        ({"target_names": ["a"]}, "`target_names`"),
        ({"device": "tpu"}, "`device`: 'tpu'"),
        ({"args": np.zeros((N, 2))}, "`args`: a ndarray"),
        ({"args": [np.zeros((N - 1, 2))]}, rf"argument 0 has shape \({N - 1}, 2\)"),
        ({"args": [da.zeros((N - 1, 2))]}, rf"argument 0 has shape \({N - 1}, 2\)"),
    ],
)
def test_arguments_that_are_refused(seqs, options, message, lazy):
    with pytest.raises(InvalidInput, match=message):
        mt.tl.predict(seqs.chunk(sequence=4) if lazy else seqs, TwoOutputs(), **options)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("model", ["model.pt", None, TwoOutputs])
def test_models_that_are_refused(seqs, model, lazy):
    with pytest.raises(InvalidInput, match="`model`"):
        mt.tl.predict(seqs.chunk(sequence=4) if lazy else seqs, model)


@pytest.mark.parametrize("lazy", [False, True])
def test_wrong_outputs(seqs, lazy):
    given = seqs.chunk(sequence=7) if lazy else seqs
    with pytest.raises(InvalidInput, match=r"`model`: gave \d+ rows for \d+ sequences"):
        mt.tl.predict(given, lambda x: x[:-1].sum(dim=(1, 2))).compute()
    place = np.arange(N)

    def sometimes(inputs, i):
        return torch.where(i == 20, torch.nan, 0.0)

    with pytest.raises(InvalidInput, match=r"gave NaN for 1 of .* first for sequence 20"):
        mt.tl.predict(given, sometimes, args=[place]).compute()


def test_sequences_that_are_refused(seqs, with_tracks):
    with pytest.raises(InvalidInput, match="`sequences`: there are none"):
        mt.tl.predict(seqs.isel(sequence=slice(0)), TwoOutputs())
    with pytest.raises(InvalidInput, match="'codes' with tracks"):
        mt.tl.predict(with_tracks, TwoOutputs(), encoding="codes")
    with pytest.raises(InvalidElement, match=r"argument `sequences` of tl\.predict"):
        mt.tl.predict(seqs["codes"], TwoOutputs())
    with pytest.raises(InvalidElement, match="code 77 in an alphabet of 4"):
        mt.tl.predict(seqs.assign(codes=seqs["codes"] * 0 + np.uint8(77)), TwoOutputs())


def test_acceptor_by_chunks_and_batches():
    model = mt.datasets.splice_acceptor()
    seqs = mt.pp.random_sequences(300, length=53, seed=0)
    whole = mt.tl.predict(seqs, model)["prediction"]
    assert whole["target"].values.tolist() == ["acceptor"]
    for other in (
        mt.tl.predict(seqs, model, batch_size=11),
        mt.tl.predict(seqs.chunk(sequence=(100, 199, 1)), model),
    ):
        np.testing.assert_allclose(other["prediction"], whole, rtol=1e-4, atol=1e-7)


def test_a_profile_is_not_taken_for_targets():
    seqs = mt.pp.random_sequences(5, length=7, seed=0)
    for chosen in (seqs, seqs.chunk(sequence=2)):
        with pytest.raises(InvalidInput, match=r"shape \(., 4, 7\).*target=lambda output"):
            mt.tl.predict(chosen, lambda x: x)
        scored = mt.tl.predict(chosen, lambda x: x, target=lambda output: output.sum((2,)))
        assert scored["prediction"].shape == (5, 4)
        both = mt.tl.predict(chosen, lambda x: {"profile": x, "a": x[:, 0].sum(1)}, target="a")
        np.testing.assert_array_equal(both["prediction"][:, 0], scored["prediction"][:, 0])


def test_new_predictions_replace_all_along_targets():
    seqs = mt.tl.predict(mt.pp.random_sequences(5, length=7, seed=0), lambda x: x.sum(2))
    seqs = seqs.assign(spread=(("sequence", "target"), np.ones((5, 4))), age=("sequence", [1] * 5))
    again = mt.tl.predict(seqs, lambda x: x[:, 0].sum(1))
    assert set(again.data_vars) == {"codes", "prediction", "age"}
    assert again.sizes["target"] == 1
