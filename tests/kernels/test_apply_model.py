"""What a model sees, what state it is left in, and what is refused."""

import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from mutua.errors import DeviceUnavailable, InvalidInput, MemoryLimit
from mutua.kernels.apply_model import apply_model, check_arguments, find_targets, ready
from mutua.settings import settings

CODES = np.array([[0, 1, 2, 3, 0], [254, 3, 3, 255, 255], [2, 2, 2, 2, 2]], np.uint8)


def apply(model, codes=CODES, **options):
    return apply_model(codes, model, **{"alphabet": "ACGT", "progress": False, **options})


class Recorder(nn.Module):
    """Keeps what it is called with, and gives the number of Cs."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.calls: list[tuple] = []
        self.states: list[tuple[bool, bool]] = []

    def forward(self, *inputs):
        self.calls.append(inputs)
        self.states.append((self.training, torch.is_grad_enabled()))
        return inputs[0].float()[:, 1].reshape(len(inputs[0]), -1).sum(dim=1) * self.scale


def test_one_hot_is_a_float_tensor_of_letters_before_positions():
    model = Recorder()
    values, names = apply(model)
    (seen,) = model.calls[0]
    assert seen.dtype == torch.float32
    assert seen.shape == (3, 4, 5)
    expected = (CODES[:, None, :] == np.arange(4)[:, None]).astype(np.float32)
    np.testing.assert_array_equal(seen.numpy(), expected)
    assert values.dtype == np.float32
    assert values.tolist() == [[1], [0], [0]]
    assert names == ("prediction",)


def test_tracks_lie_below_the_letters():
    model = Recorder()
    tracks = np.arange(30, dtype=np.float32).reshape(3, 2, 5)
    apply(model, tracks=tracks, batch_size=2)
    assert [seen.shape for (seen,) in model.calls] == [(2, 6, 5), (1, 6, 5)]
    np.testing.assert_array_equal(torch.cat([seen for (seen,) in model.calls])[:, 4:], tracks)


def test_codes_and_text():
    seen = []

    def model(inputs):
        seen.append(inputs)
        return np.zeros(len(inputs))

    apply(model, encoding="codes", batch_size=2)
    assert [type(part) for part in seen] == [np.ndarray, np.ndarray]
    np.testing.assert_array_equal(np.concatenate(seen), CODES)
    seen.clear()
    apply(model, encoding="text")
    assert seen == [["ACGTA", "NTT", "GGGGG"]]
    seen.clear()
    apply(model, encoding="text", unknown="X", batch_size=2)
    assert seen == [["ACGTA", "XTT"], ["GGGGG"]]
    recorder = Recorder()
    apply(recorder, encoding="codes")
    assert isinstance(recorder.calls[0][0], torch.Tensor)
    assert recorder.calls[0][0].dtype == torch.uint8


def test_arguments_are_cut_like_the_sequences():
    model = Recorder()
    given = [
        np.arange(6.0).reshape(3, 2),
        torch.arange(3),
        [True, False, True],
        np.arange(3, dtype=np.float16),
    ]
    apply(model, args=given, batch_size=2)
    types = [torch.float32, torch.int64, torch.bool, torch.float16]
    for number, dtype in enumerate(types):
        parts = [call[number + 1] for call in model.calls]
        assert [len(part) for part in parts] == [2, 1]
        assert {part.dtype for part in parts} == {dtype}
        np.testing.assert_array_equal(torch.cat(parts).numpy(), np.asarray(given[number]))


def test_a_model_that_writes_into_its_input_changes_nothing_of_ours():
    def greedy(*inputs):
        for part in inputs:
            part[:] = 9 if part.dtype != torch.bool else True
        return torch.zeros(len(inputs[0]))

    codes = CODES.copy()
    tracks = np.ones((3, 2, 5), np.float32)
    args = [np.zeros(3, np.float32), torch.zeros(3), np.zeros(3)]
    apply(greedy, codes, tracks=tracks, args=args)

    def greedy_codes(codes):
        codes[:] = 0
        return np.zeros(len(codes))

    apply(greedy_codes, codes, encoding="codes")
    np.testing.assert_array_equal(codes, CODES)
    assert (tracks == 1).all()
    assert all((np.asarray(part) == 0).all() for part in args)


def test_read_only_arrays_raise_no_warning():
    argument = np.zeros(3)
    argument.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        apply(Recorder(), args=[argument])


def test_a_reused_output_buffer_is_copied():
    buffer = np.zeros(2, np.float32)

    def model(codes):
        buffer[: len(codes)] = codes[:, 0]
        return buffer[: len(codes)]

    values, _ = apply(model, encoding="codes", batch_size=2)
    assert values.ravel().tolist() == [0, 254, 2]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_batches_are_put_together_in_order(batch_size):
    values, _ = apply(lambda codes: codes[:, ::2], encoding="codes", batch_size=batch_size)
    np.testing.assert_array_equal(values, CODES[:, ::2])


def a_module_in_mixed_modes():
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Sequential(nn.Dropout(0.5), nn.Conv1d(4, 2, 5)))
    model.train()
    model[1].eval()
    model[1][0].train()
    return model, [part.training for part in model.modules()]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_smaller_batches_where_memory_does_not_hold_one(error):
    sizes = []

    def model(letters):
        sizes.append(len(letters))
        if len(letters) > most:
            raise error
        return letters.sum(dim=2)

    codes = np.random.default_rng(0).integers(0, 4, (19, 5)).astype(np.uint8)
    most = 100
    expected, _ = apply(model, codes, batch_size=8)
    sizes.clear()
    most = 3
    found, _ = apply(model, codes, batch_size=8)
    np.testing.assert_array_equal(found, expected)
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]  # what fits is kept in mind
    most = 0
    with pytest.raises(MemoryLimit, match="`batch_size`: 1 at a time is more than memory holds"):
        apply(model, codes, batch_size=8)


def test_modes_gradients_and_statistics_are_as_before():
    model, modes = a_module_in_mixed_modes()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    recorder = Recorder()
    once, _ = apply(model)
    np.testing.assert_array_equal(apply(model)[0], once)
    assert [part.training for part in model.modules()] == modes
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    apply(recorder)
    assert recorder.states == [(False, False)]
    assert recorder.training
    assert torch.is_grad_enabled()


def test_what_the_model_raises_passes_unchanged_and_leaves_it_as_it_was():
    class Broken(Recorder):
        def forward(self, inputs):
            raise self.error

    model = Broken()
    model.error = KeyError("of its own")
    with pytest.raises(KeyError) as caught:
        apply(model)
    assert caught.value is model.error
    assert model.training
    assert torch.is_grad_enabled()
    # And the lock is free again for other threads.
    done = []
    worker = threading.Thread(target=lambda: done.append(apply(Recorder())))
    worker.start()
    worker.join(timeout=20)
    assert len(done) == 1


def test_what_a_model_keeps_can_be_trained_afterwards():
    """Tensors made in torch's inference mode could not."""

    class Caching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(5))
            self.places = None

        def forward(self, inputs):
            if self.places is None:
                self.places = torch.arange(5.0)
            return (inputs.sum(dim=1) * self.weight * self.places).sum(dim=1)

    model = Caching()
    apply(model)
    model(torch.ones(2, 4, 5)).sum().backward()
    assert model.weight.grad is not None


def test_modules_may_call_for_gradients_of_their_own():
    def saliency(inputs):
        with torch.enable_grad():
            leaf = inputs.requires_grad_()
            (gradient,) = torch.autograd.grad((leaf**2).sum(), leaf)
        return gradient.sum(dim=(1, 2))

    assert apply(saliency)[0].ravel().tolist() == [10, 4, 10]


def test_scripted_and_empty_modules():
    model, _ = a_module_in_mixed_modes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(model)
    scripted.train()
    np.testing.assert_allclose(apply(scripted)[0], apply(model)[0], rtol=1e-6)
    assert scripted.training
    assert apply(nn.Flatten())[0].shape == (3, 20)


def test_a_module_spread_over_devices_stays_there():
    model = Recorder()
    model.other = nn.Parameter(torch.ones(1, device="meta"))
    with ready(model, "cpu") as place:
        assert place == torch.device("cpu")
        assert not model.training
    assert {part.device.type for part in model.parameters()} == {"cpu", "meta"}


def test_a_module_is_moved_and_brought_back(monkeypatch):
    """Only the moves are looked at, as there may be no GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    moves = []

    def break_off(places, place):
        places.append(place)
        raise RuntimeError("broken off")

    class Moving(Recorder):
        def to(self, place):
            moves.append(str(place))
            return self

    model = Moving()
    for device in ("cuda", "auto"):
        places = []
        with pytest.raises(RuntimeError, match="broken off"), ready(model, device) as place:
            break_off(places, place)
        assert places == [torch.device("cuda")]
    assert moves == ["cuda", "cpu", "cuda", "cpu"]
    with ready(model, "cpu"):
        pass
    with ready(lambda x: x, "auto") as place:
        assert place.type == "cpu"
    with ready(lambda x: x, "cuda") as place:
        assert place.type == "cuda"
    assert len(moves) == 4


def test_torch_keeps_to_the_threads_of_the_settings(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        seen = []

        def model(inputs):
            seen.append(torch.get_num_threads())
            return inputs.sum(dim=(1, 2))

        for threads, expected in ((1, 1), (5, 3), (None, 3)):
            monkeypatch.setattr(settings, "threads", threads)
            apply(model)
            assert seen.pop() == expected
            assert torch.get_num_threads() == 3
        monkeypatch.setattr(settings, "threads", 1)
        with pytest.raises(ZeroDivisionError):
            apply(lambda x: 1 / 0)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_device_faults(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceUnavailable, match="device='cuda'"):
        apply(Recorder(), device="cuda")
    with pytest.raises(InvalidInput, match=r"`device`: 'gpu'\. Use one of"):
        apply(Recorder(), device="gpu")
    monkeypatch.setattr(settings, "device", "cuda")
    with pytest.raises(DeviceUnavailable, match="device='cuda'"):
        apply(Recorder())
    assert apply(Recorder(), device="cpu")[0].shape == (3, 1)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("model.pt", "`model`: a str. Pass a torch module or a function"),
        (None, "a NoneType"),
        (Recorder, "the class Recorder. Pass an instance"),
    ],
)
def test_what_is_no_model(model, message):
    with pytest.raises(InvalidInput, match=message):
        apply(model)


def test_rows_and_nan():
    with pytest.raises(InvalidInput, match="`model`: gave 1 rows for 2 sequences"):
        apply(lambda x: x[:1].sum(dim=1), batch_size=2)

    def sometimes(codes):
        return np.where(codes[:, 0] == 2, np.nan, 0)

    message = "gave NaN for 1 of 1 sequences, first for sequence 2. Repair"
    with pytest.raises(InvalidInput, match=message):
        apply(sometimes, encoding="codes", batch_size=2)
    with pytest.raises(InvalidInput, match="first for sequence 102"):
        apply(sometimes, encoding="codes", first_sequence=100)


def test_no_sequences():
    with pytest.raises(InvalidInput, match="`sequences`: there are none"):
        apply(Recorder(), CODES[:0])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (np.zeros(3), r"`args`: a ndarray. Use a list"),
        ([np.zeros(2)], r"argument 0 has shape \(2,\) for 3 sequences"),
        ([np.zeros(3), 1.0], r"argument 1 has shape \(\)"),
        ([np.array(["a", "b", "c"])], "argument 0 is <U1"),
        ([None], "argument 0 is object"),
    ],
)
def test_arguments_that_are_refused(args, message):
    with pytest.raises(InvalidInput, match=message):
        apply(Recorder(), args=args)
    with pytest.raises(InvalidInput, match=message):
        check_arguments(args, 3)


def test_finding_targets_does_not_mind_nan():
    targets = find_targets(CODES, lambda x: x.sum(dim=2) * torch.nan, alphabet="ACGT", target=[2])
    assert targets.names == ("2",)
    values, names = apply(lambda x: x.sum(dim=2), targets=targets)
    assert names == ("2",)
    assert values.ravel().tolist() == [1, 0, 5]


def test_progress(monkeypatch, capsys):
    apply(Recorder(), batch_size=1, progress=True)
    assert "predict" in capsys.readouterr().err
    apply(Recorder(), progress=None)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(settings, "progress", True)
    apply(Recorder(), batch_size=1, progress=None)
    assert "predict" in capsys.readouterr().err
    apply(Recorder(), progress=False)
    assert capsys.readouterr().err == ""


def test_the_arguments_that_a_model_lacks_are_said():
    class Two(torch.nn.Module):
        def forward(self, letters, signal, *, scale=1.0):
            return letters.sum(dim=(1, 2)) + signal * scale

    for model in (Two(), lambda letters, signal: letters.sum(dim=(1, 2)) + signal):
        with pytest.raises(InvalidInput, match=r"`args`: 0 .* \(letters, signal.*'signal'"):
            apply(model)
        with pytest.raises(InvalidInput, match="`args`: 2 for a model"):
            apply(model, args=[np.zeros(3)] * 2)
        assert apply(model, args=[np.ones(3, np.float32)])[0].shape == (3, 1)
