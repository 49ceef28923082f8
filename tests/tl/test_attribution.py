"""tl.attribute: equal to the packages it rests on, and what it does with all else."""

import warnings

import cloudpickle
import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import mutua as mt
from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels.attribute import METHODS, REFERENCED
from mutua.kernels.random_sequences import derived_seed, kmer_preserving_shuffle
from mutua.models import Attributions, TargetAttributions
from mutua.settings import settings
from mutua.tl.attribution import attribute

from .networks import LENGTH, Crowded, Failing, Network

N, R = 7, 3


@pytest.fixture
def seqs():
    return mt.pp.random_sequences(N, length=LENGTH, seed=3)


@pytest.fixture
def references():
    shape = (N, R, LENGTH)
    codes = np.random.default_rng(1).integers(0, 4, shape)
    return np.eye(4, dtype=np.float32)[codes].transpose(0, 1, 3, 2)


def one_hot(seqs):
    return torch.from_numpy(mt.pp.one_hot(seqs))


def values(element):
    return element["attribution"].values


def predict(model, inputs, target):
    with torch.no_grad():
        return model.eval()(inputs)[:, target].numpy()


@pytest.mark.parametrize("hypothetical", [False, True])
def test_deep_lift_equals_tangermeme(seqs, references, hypothetical):
    from tangermeme.deep_lift_shap import deep_lift_shap

    expected = deep_lift_shap(
        Network(),
        one_hot(seqs),
        target=1,
        references=torch.from_numpy(references),
        hypothetical=hypothetical,
        device="cpu",
    ).numpy()
    options = {"references": references, "hypothetical": hypothetical}
    for batch_size in (1, 4, 1000):
        out = attribute(seqs, Network(), target="second", batch_size=batch_size, **options)
        np.testing.assert_allclose(values(out), expected, atol=1e-6)
    assert np.abs(expected).max() > 0.01
    Attributions.check(out, deep=True)
    assert out.attrs["target"] == "second"
    assert (out.attrs["method"], out.attrs["hypothetical"]) == ("deep_lift_shap", hypothetical)


@pytest.mark.parametrize("hypothetical", [False, True])
def test_mutagenesis_and_saliency_equal_tangermeme(seqs, hypothetical):
    from tangermeme.saliency import saliency
    from tangermeme.saturation_mutagenesis import saturation_mutagenesis

    for function in (saturation_mutagenesis, saliency):
        expected = function(
            Network(), one_hot(seqs), target=1, hypothetical=hypothetical, device="cpu"
        )
        out = attribute(
            seqs,
            Network(),
            target=1,
            method=function.__name__,
            hypothetical=hypothetical,
            batch_size=5,
        )
        np.testing.assert_allclose(values(out), expected, atol=1e-6)
        assert "convergence_delta" not in out


def test_long_mutagenesis_takes_the_fast_way(seqs, monkeypatch):
    import tangermeme.saturation_mutagenesis as theirs

    made = []
    fast = theirs._FastISM
    expected = attribute(seqs, Network(), target=1, method="saturation_mutagenesis")
    monkeypatch.setattr(theirs, "_FAST_MIN_SECONDS", 0)
    monkeypatch.setattr(theirs, "_FAST_MAX_RELATIVE_TIME", np.inf)
    monkeypatch.setattr(theirs, "_FastISM", lambda *args: made.append(fast(*args)) or made[0])
    model = Network()
    before = state(model)
    out = attribute(seqs, model, target=1, method="saturation_mutagenesis")
    assert made
    np.testing.assert_allclose(values(out), values(expected), atol=1e-6)
    assert state(model) == before


@pytest.mark.filterwarnings("ignore:tl.attribute")  # few steps
def test_integrated_gradients_equal_captum(seqs, references):
    from captum.attr import IntegratedGradients

    captum = IntegratedGradients(Network().eval())
    x = one_hot(seqs)
    expected = captum.attribute(x, target=1, n_steps=20).numpy()
    options = {"target": 1, "method": "integrated_gradients", "n_steps": 20}
    out = attribute(seqs, Network(), references=None, **options)
    np.testing.assert_allclose(values(out), expected, atol=1e-6)

    # captum gives each letter its part; what was lost belongs to the letter that is there.
    theirs = [
        captum.attribute(x, torch.from_numpy(references[:, i]), target=1, n_steps=20).numpy()
        for i in range(R)
    ]
    for batch_size in (3, 50, 1000):
        out = attribute(seqs, Network(), references=references, batch_size=batch_size, **options)
        expected = np.mean(theirs, axis=0).sum(axis=1)
        np.testing.assert_allclose(values(out).sum(axis=1), expected, atol=1e-6)
    np.testing.assert_array_equal(values(out) != 0, (values(out) != 0) & (x.numpy() > 0))


def test_real_model_equals_tangermeme_and_explains_it():
    from tangermeme.deep_lift_shap import deep_lift_shap

    model = mt.datasets.splice_acceptor()
    window = "GATTACAGATTACAGATTACAGATTACAGACTAACTTTCTTTTTTTGCAGGTC"
    seqs = mt.from_strings([window, window[::-1]])
    shuffled = mt.pp.shuffle(mt.from_strings([window] * 5), k=2, seed=4)
    out = attribute(seqs, model, references=shuffled)
    given = one_hot(shuffled)[None].repeat(2, 1, 1, 1)
    expected = deep_lift_shap(model, one_hot(seqs), references=given, device="cpu")
    np.testing.assert_allclose(values(out), expected, atol=1e-6)
    difference = predict(model, one_hot(seqs), 0) - predict(model, one_hot(shuffled), 0).mean()
    np.testing.assert_allclose(values(out).sum(axis=(1, 2)), difference, atol=1e-5)
    strongest = np.abs(values(out)[0]).max(axis=0).argsort()[-2:]
    assert sorted(strongest) == [48, 49]
    assert np.abs(out["convergence_delta"]).max() < 1e-5


@pytest.mark.parametrize("method", REFERENCED)
@pytest.mark.parametrize("shape", ["shared", "each", "probabilities", "zeros"])
def test_attributions_add_up(seqs, references, method, shape):
    given = {
        "shared": references[2],
        "each": references,
        "probabilities": np.full((1, 4, LENGTH), 0.25),
        "zeros": "zeros",
    }[shape]
    model = Network()
    out = attribute(seqs, model, target=0, method=method, references=given, n_steps=100)
    shared = np.zeros((1, 4, LENGTH)) if shape == "zeros" else given
    all_given = np.broadcast_to(shared, (N, *np.shape(shared)[-3:])).astype(np.float32)
    others = np.stack([predict(model, torch.from_numpy(one.copy()), 0).mean() for one in all_given])
    difference = predict(model, one_hot(seqs), 0) - others
    total = values(out).sum(axis=(1, 2))
    np.testing.assert_allclose(total, difference, atol=5e-3 if "grad" in method else 1e-5)
    np.testing.assert_allclose(out["convergence_delta"], difference - total, atol=1e-5)
    assert np.abs(difference).min() > 0.01


@pytest.mark.parametrize("method", METHODS)
def test_unknown_letters_and_padding_have_no_share(method):
    seqs = mt.from_strings(["ACGTNNACGTTG", "ACGTTACCA", "GATTACAGATTA"], pad="right")
    model = Network()
    full = attribute(seqs, model, target=0, method=method, hypothetical=True)
    part = attribute(seqs, model, target=0, method=method)
    codes = seqs["codes"].values
    assert (values(part)[np.broadcast_to((codes > 3)[:, None], values(part).shape)] == 0).all()
    padding = np.broadcast_to((codes == 255)[:, None], values(full).shape)
    assert padding.any()
    assert (values(full)[padding] == 0).all()
    unknown = np.broadcast_to((codes == 254)[:, None], values(full).shape)
    assert (values(full)[unknown] != 0).any()
    if method == "deep_lift_shap":
        shuffles = [
            kmer_preserving_shuffle(codes, k=2, seed=int(derived_seed(0, f"reference {i}")))
            for i in range(20)
        ]
        x = one_hot(seqs)
        known = x.any(dim=1, keepdim=True)
        given = [one_hot(mt.SequenceSet.build(one, alphabet="DNA")) * known for one in shuffles]
        others = np.mean([predict(model, one, 0) for one in given], axis=0)
        total = values(part).sum(axis=(1, 2))
        np.testing.assert_allclose(total, predict(model, x, 0) - others, atol=1e-5)


def test_shuffles_depend_on_the_seed_and_the_number_of_the_sequence(seqs, monkeypatch):
    options = {"target": 0, "n_references": 4}
    whole = attribute(seqs, Network(), seed=8, **options)
    assert not np.allclose(values(whole), values(attribute(seqs, Network(), seed=9, **options)))
    monkeypatch.setattr(settings, "_memory", 4 * 4 * LENGTH * 4 * 6 * 2)  # two sequences at a time
    np.testing.assert_allclose(
        values(attribute(seqs, Network(), seed=8, **options)), values(whole), atol=1e-6
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("chunks", [(7,), (2, 4, 1)])
def test_lazy_equals_whole(seqs, method, chunks):
    tracks = np.random.default_rng(0).random((N, 2, LENGTH)).astype(np.float32)
    extra = np.random.default_rng(1).random((N, 2))
    seqs = seqs.assign(tracks=(("sequence", "track", "position"), tracks))
    options = {"target": "first", "method": method, "seed": 2}
    if method in REFERENCED:
        options |= {"n_references": 3, "n_steps": 10}
    model = Network(channels=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few steps
        whole = attribute(seqs, model, args=[extra], **options)
        lazy = attribute(
            seqs.chunk(sequence=chunks),
            model,
            args=[da.from_array(extra, chunks=(3, 2))],
            **options,
        )
        assert da.core.is_dask_collection(lazy["attribution"].data)
        Attributions.check(lazy)
        cloudpickle.loads(cloudpickle.dumps(lazy))
        np.testing.assert_allclose(lazy["attribution"], whole["attribution"], atol=1e-6)
        if method in REFERENCED:
            np.testing.assert_allclose(
                lazy["convergence_delta"], whole["convergence_delta"], atol=1e-6
            )


def test_nothing_is_computed_before_it_is_needed(seqs):
    def never(*_):
        raise AssertionError("computed")

    shape = seqs["codes"].shape
    codes = da.map_blocks(never, seqs["codes"].data, dtype=np.uint8, chunks=shape)
    out = attribute(seqs.assign(codes=(("sequence", "position"), codes)), Network(), target=0)
    assert out["attribution"].shape == (N, 4, LENGTH)
    assert out["convergence_delta"].shape == (N,)


@pytest.mark.parametrize("method", METHODS)
def test_tracks_and_arguments_stay_as_they_are(seqs, method):
    class Embedding(nn.Module):
        """Scales the counts of letters by a track and by a row of a table."""

        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(3, 4)

        def forward(self, inputs, which):
            scaled = inputs[:, :4] * inputs[:, 4:]
            return (scaled.sum(2) * self.table(which)).sum(1)

    track = np.random.default_rng(0).random((N, 1, LENGTH)).astype(np.float32)
    which = np.arange(N) % 3  # whole numbers stay whole numbers
    seqs = seqs.assign(tracks=(("sequence", "track", "position"), track))
    model = Embedding()
    more = {"references": "zeros"} if method in REFERENCED else {}
    out = attribute(seqs, model, args=[which], method=method, hypothetical=True, **more)
    weights = model.table.weight.detach().numpy()[which][:, :, None] * track
    if method not in REFERENCED:
        weights = weights - weights.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(values(out), weights, atol=1e-5)


def state(model):
    return [
        (
            name,
            part.training,
            getattr(part, "inplace", None),
            len(part._forward_hooks),
            len(part._backward_hooks),
            sorted(part.__dict__),
            [parameter.requires_grad for parameter in part.parameters()],
        )
        for name, part in model.named_modules()
    ]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(seqs, method, fails):
    model = Failing(calls=3 if fails else -1)
    model.train()
    model.pool.eval()
    model.relu.inplace = True
    model.dense.bias.requires_grad_(False)
    model.dense.register_forward_hook(lambda *_: None)
    before, weights = state(model), [p.clone() for p in model.parameters()]
    threads = torch.get_num_threads()
    if fails:
        with pytest.raises(ArithmeticError, match="gave up"):
            attribute(seqs, model, target=0, method=method, batch_size=2)
        assert model.left == 0
    else:
        attribute(seqs, model, target=0, method=method)
    assert state(model) == before
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.is_grad_enabled()
    assert torch.get_num_threads() == threads


def test_layers_that_write_over_their_input(seqs):
    plain = attribute(seqs, Network(), target=0)
    inplace = attribute(seqs, Network(inplace=True), target=0)
    np.testing.assert_array_equal(values(plain), values(inplace))


@pytest.mark.parametrize("method", METHODS)
def test_targets_by_name_index_and_function(seqs, method):
    class Dictionary(Network):
        target_names = None

        def forward(self, letters):
            output = super().forward(letters)
            return {"profile": letters[:, :2], "scores": output, "first": output[:, 0]}

    def last(output):
        return output[:, 1]

    expected = values(attribute(seqs, Network(), target="second", method=method))
    for target in (1, -1, last):
        out = attribute(seqs, Network(), target=target, method=method)
        np.testing.assert_array_equal(values(out), expected)
    assert out.attrs["target"] == "last"
    out = attribute(seqs, Dictionary(), target="scores1", method=method)
    np.testing.assert_allclose(values(out), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, "2 outputs: .'first', 'second'.*name one"),
        ("third", "'third'.*outputs are"),
        (2, "index 2"),
        (lambda output: output, "2 outputs"),
        ([lambda output: output, lambda output: output[:, 0]], "3 outputs"),
        ([], "at least one"),
        (["first", "first"], "repeat"),
        (["first", "third"], "'third'.*outputs are"),
        ([["first"], "second"], "target"),
    ],
    ids=["none", "unknown", "index", "function", "functions", "empty", "twice", "one", "nested"],
)
def test_targets_that_are_not_one(seqs, target, message):
    with pytest.raises(InvalidInput, match=f"(?i){message}"):
        attribute(seqs, Network(), target=target)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hypothetical", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_several_targets_are_those_of_a_call_for_each(seqs, method, hypothetical):
    options = {"method": method, "hypothetical": hypothetical, "seed": 2}
    for targets in (["second", "first"], ("second",), [1, 0]):
        both = attribute(seqs, Network(), target=targets, **options)
        TargetAttributions.check(both, deep=True)
        assert both["attribution"].shape == (N, len(targets), 4, LENGTH)
        for name in both["target"].values.tolist():
            one = attribute(seqs, Network(), target=name, **options)
            of_both = mt.tl.select_target(both, target=name)
            xr.testing.assert_allclose(of_both, one, atol=1e-6)
            assert list(of_both) == list(one)
            assert of_both.attrs.keys() == one.attrs.keys()
            assert of_both.attrs["target"] == name
            assert mt.models.provenance.chain(of_both)[-1]["function"] == "tl.select_target"
    assert np.abs(values(both)[:, 0] - values(both)[:, 1]).max() > 0.01


@pytest.mark.parametrize("method", METHODS)
def test_several_targets_of_chunks(seqs, method):
    options = {"target": ["second", "first"], "method": method, "n_references": 3}
    whole = attribute(seqs, Network(), **options)
    chunked = attribute(seqs.chunk(sequence=3), Network(), **options)
    assert isinstance(chunked["attribution"].data, da.Array)
    xr.testing.assert_allclose(chunked.compute(), whole, atol=1e-6)


@pytest.mark.filterwarnings("ignore:tl.attribute")  # the largest of two is no layer
def test_several_functions_and_methods_that_apply_the_model_once(seqs):
    calls = []

    def model(letters):
        calls.append(len(letters))
        return letters[:, :3].sum(dim=2) ** 2

    one = {"target": [0, 2], "batch_size": 1000}
    for method in ("saliency", "saturation_mutagenesis"):
        attribute(seqs, model, target=0, method=method, batch_size=1000)
        alone = sum(calls)
        calls.clear()
        attribute(seqs, model, method=method, **one)
        assert sum(calls) == alone
        calls.clear()

    def largest(output):
        return output.max(dim=1).values

    def total(output):
        return output.sum(dim=1)

    both = attribute(seqs, Network(), target=[largest, total])
    assert both["target"].values.tolist() == ["largest", "total"]
    np.testing.assert_allclose(values(both)[:, 1], values(attribute(seqs, Network(), target=total)))


def test_no_sequences_and_several_targets(seqs):
    for method in METHODS:
        out = attribute(
            seqs.isel(sequence=slice(0)), Network(), target=["first", "second"], method=method
        )
        assert out["attribution"].shape == (0, 2, 4, LENGTH)


@pytest.mark.filterwarnings("error::UserWarning")
def test_one_warning_counts_the_offenders_of_all_targets(seqs):
    class Squared(Network):
        def forward(self, letters):
            output = super().forward(letters)
            return torch.cat([output[:, :1], output[:, 1:] ** 2 * 5], dim=1)

    with pytest.warns(UserWarning, match=f"of [1-7] of {N} sequences do not add up") as caught:
        both = attribute(seqs, Squared(), target=["first", "second"])
    assert len(caught) == 1
    assert np.abs(both["convergence_delta"].sel(target="first")).max() < 1e-5


def test_what_is_made_of_several_targets_takes_one(seqs):
    predicted = mt.tl.predict(seqs, Network())
    both = attribute(predicted, Network(), target=["first", "second"])
    assert "prediction" not in both
    one = mt.tl.select_target(both, target="second")
    for function in (mt.tl.seqlets, mt.pl.logo):
        with pytest.raises(mt.errors.InvalidElement, match=r"is of 2 targets -> .*select_target"):
            function(both)
    found = mt.tl.seqlets(one)
    assert found.equals(mt.tl.seqlets(attribute(seqs, Network(), target="second")))
    ax = mt.pl.logo(one, sequence=0)
    assert ax.get_ylabel() == "attribution to second"
    motifs = mt.MotifSet.build({"AC": "AC"})
    hits = mt.tl.scan(one, motifs, p_threshold=0.1)
    assert "attribution" in hits
    for function in (mt.tl.scan, lambda them, _: mt.tl.annotated_motifs(hits, them)):
        with pytest.raises(InvalidInput, match=r"2 targets.*select_target"):
            function(both, motifs)
    # And on they go as sequence sets.
    again = mt.tl.predict(one, Network())
    assert again["prediction"].dims == ("sequence", "target")
    Attributions.check(attribute(one, Network(), target="first"))
    single = attribute(both, Network(), target="first")
    assert "target" not in single.coords
    for name in ("third", 0, None):
        with pytest.raises(InvalidInput, match="target"):
            mt.tl.select_target(both, target=name)


def test_several_targets_are_stored(seqs, tmp_path):
    both = attribute(seqs, Network(), target=["first", "second"])
    one = mt.tl.select_target(both, target="first")
    mt.Analysis({"both": both, "one": one}).write(tmp_path / "study.zarr")
    opened = mt.open(tmp_path / "study.zarr")
    xr.testing.assert_equal(opened["both"].compute(), both)
    lazy = mt.tl.select_target(opened["both"], target="first")
    assert isinstance(lazy["attribution"].data, da.Array)
    xr.testing.assert_equal(lazy.compute(), opened["one"].compute())


def test_functions(seqs):
    def of_arrays(letters):
        return letters.numpy()[:, 1].sum(axis=1) ** 2

    def of_tensors(letters):
        return letters[:, 1].sum(dim=1) ** 2

    counted = attribute(seqs, of_arrays, method="saturation_mutagenesis", hypothetical=True)
    assert counted.attrs["target"] == "prediction"
    n_c = (seqs["codes"].values == 1).sum(axis=1)
    position = int(np.argmax(seqs["codes"].values[0] != 1))
    gain = (n_c[0] + 1) ** 2 - n_c[0] ** 2
    found = values(counted)[0, :, position]
    np.testing.assert_allclose(found, np.where(np.arange(4) == 1, 0.75, -0.25) * gain, rtol=1e-5)
    same = attribute(seqs, of_tensors, method="saturation_mutagenesis", hypothetical=True)
    np.testing.assert_allclose(values(same), values(counted))

    slope = attribute(seqs, of_tensors, method="saliency")
    expected = np.where(seqs["codes"].values == 1, 0.75, -0.25) * 2 * n_c[:, None]
    np.testing.assert_allclose(values(slope).sum(axis=1), expected, rtol=1e-5)

    for function in (of_arrays, of_tensors):
        with pytest.raises(InvalidInput, match=r"layers of a torch module.*saturation_mutagenesis"):
            attribute(seqs, function)
    for method in ("saliency", "integrated_gradients"):
        with pytest.raises(InvalidInput, match=r"without gradient.*saturation_mutagenesis|numpy"):
            attribute(seqs, lambda letters: of_tensors(letters.detach()), method=method)


@pytest.mark.parametrize("alphabet", ["RNA", "protein", "AB"])
@pytest.mark.parametrize("method", METHODS)
def test_alphabets(alphabet, method):
    seqs = mt.pp.random_sequences(3, length=LENGTH, alphabet=alphabet, seed=0)
    size = len(seqs.attrs["alphabet"])
    out = attribute(seqs, Network(channels=size), target=0, method=method)
    assert out["attribution"].shape == (3, size, LENGTH)
    assert out["letter"].values.tolist() == list(seqs.attrs["alphabet"])
    assert np.abs(values(out)).max() > 0
    Attributions.check(out, deep=True)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_a_number(seqs, method):
    class Broken(Network):
        def forward(self, letters):
            is_bad = (letters[:, 0].sum(1, keepdim=True) > 3).float()
            return super().forward(letters) * torch.where(is_bad > 0, torch.nan, 1.0)

    bad = (seqs["codes"].values == 0).sum(axis=1) > 3
    seqs = seqs.isel(sequence=[*np.flatnonzero(~bad)[:3], *np.flatnonzero(bad)[:1]])
    with pytest.raises(InvalidInput, match="not finite for"):
        attribute(seqs, Broken(), target=0, method=method, references="dinucleotide_shuffle")


@pytest.mark.parametrize("method", METHODS)
def test_no_sequences(seqs, method):
    args = [np.zeros((0, 2), np.float32)]
    none = seqs.isel(sequence=slice(0, 0))
    out = attribute(none, Network(), target="second", method=method, args=args)
    Attributions.check(out, deep=True)
    assert out["attribution"].shape == (0, 4, LENGTH)
    assert out.attrs["target"] == "second"
    assert ("convergence_delta" in out) == (method in REFERENCED)


def test_earlier_attributions_are_replaced_and_the_rest_stays(seqs):
    seqs = mt.tl.predict(seqs, Network()).assign_coords(sequence_id=("sequence", list("abcdefg")))
    before = seqs.copy(deep=True)
    once = attribute(seqs, Network(), target=0)
    again = attribute(once, Network(), target=1, method="saliency")
    assert "convergence_delta" not in again
    assert "prediction" in again
    assert again["sequence_id"].values.tolist() == list("abcdefg")
    xr.testing.assert_identical(seqs, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "shap"}, "method.*use one of"),
        ({"n_references": 0}, "n_references"),
        ({"n_steps": 1.5}, "n_steps"),
        ({"batch_size": 0}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"hypothetical": None}, "hypothetical"),
        ({"progress": "yes"}, "progress"),
        ({"device": "tpu"}, "device"),
        ({"args": np.ones(N)}, "args"),
        ({"args": [np.ones(N + 1)]}, "one row a sequence"),
        ({"references": "ones"}, "references.*zeros"),
        ({"references": np.zeros((4, LENGTH))}, "references.*shape"),
        ({"references": np.zeros((2, 4, LENGTH + 1))}, "references.*shape"),
        ({"references": np.zeros((N + 1, 2, 4, LENGTH))}, "references.*for 7 sequences"),
        ({"references": np.zeros((0, 4, LENGTH))}, "at least one"),
        ({"references": np.full((1, 4, LENGTH), np.nan)}, "references.*NaN"),
        ({"references": "zeros", "method": "saliency"}, "leave them out"),
        ({"references": mt.from_strings(["ACGT"])}, "references.*length 4"),
    ],
    ids=str,
)
def test_bad_input(seqs, options, message):
    with pytest.raises(InvalidInput, match=f"(?i){message}"):
        attribute(seqs, Network(), **{"target": 0, **options})


@pytest.mark.parametrize("model", [Network, None, 3], ids=str)
def test_what_is_no_model(seqs, model):
    with pytest.raises(InvalidInput, match="model"):
        attribute(seqs, model)


@pytest.mark.parametrize("method", METHODS)
def test_smaller_batches_where_the_memory_of_a_gpu_does_not_hold_one(seqs, method):
    options = {"target": "second", "method": method, "batch_size": 16, "n_steps": 3}
    expected = values(attribute(seqs, Network(), **options))
    model = Crowded(most=4)
    hooks = [len(part._forward_hooks) for part in model.modules()]
    np.testing.assert_allclose(values(attribute(seqs, model, **options)), expected, atol=1e-6)
    assert max(model.sizes) > 4
    assert [len(part._forward_hooks) for part in model.modules()] == hooks
    with pytest.raises(MemoryLimit, match="`model`: 2 at a time is more than memory holds"):
        attribute(seqs, Crowded(most=0), **options)
