"""Windows that activate neurons, found in labelled sequences."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import mutua as mt
from mutua.errors import InvalidInput
from mutua.models.annotations import Annotations

N, LENGTH = 29, 61


def detector(*motifs: str) -> nn.Module:
    """Give a model whose neurons count the letters of motifs that are there."""
    model = nn.Sequential(
        nn.Conv1d(4, len(motifs), len(motifs[0]), padding=2), nn.ReLU(), nn.AdaptiveMaxPool1d(1),
        nn.Flatten(),
    )  # fmt: skip
    with torch.no_grad():
        model[0].weight.copy_(torch.from_numpy(mt.pp.one_hot(mt.from_strings(list(motifs)))))
        model[0].bias.fill_(-1.5)
    return model


@pytest.fixture
def sequences() -> xr.Dataset:
    codes = np.random.default_rng(0).integers(0, 4, (N, LENGTH), dtype=np.uint8)
    codes[3, 20] = 254
    codes[5, 30:] = 255
    return mt.SequenceSet.build(codes, alphabet="DNA", sequence_id=[f"s{i}" for i in range(N)])


def brute(sequences: xr.Dataset, model: nn.Module) -> np.ndarray:
    """Give (sequence, channel, start) activations; NaN at unknown letters."""
    weight = model[0].weight.detach().numpy()
    codes, width = sequences["codes"].values, weight.shape[2]
    found = np.full((N, len(weight), LENGTH - width + 1), np.nan)
    for row in range(N):
        for start in range(LENGTH - width + 1):
            window = codes[row, start : start + width]
            if (window < 4).all():
                found[row, :, start] = weight[:, window, range(width)].sum(1) - 1.5
    return found


def test_best_window_of_each_sequence(sequences: xr.Dataset) -> None:
    model = detector("GATTACA", "CCGTCAA", "TTTTTTT")
    windows = mt.tl.activating_windows(sequences, model, "0", threshold=0.6, neurons=[2, 0])
    values = brute(sequences, model)[:, [2, 0]]
    expected = []
    for row in range(N):
        for place in range(2):
            best = int(np.nanargmax(values[row, place]))
            if values[row, place, best] > 0.6 * np.nanmax(values[:, place]):
                expected.append((row, best, place, values[row, place, best]))
    expected.sort()
    names = ("sequence_index", "start", "motif_index", "score")
    found = list(zip(*(windows[name].values.tolist() for name in names), strict=True))
    assert len(expected) > N // 2
    assert found == expected
    assert windows["motif"].values.tolist() == ["0:2", "0:0"]
    assert windows.attrs["source"] == "neuron"
    assert ((windows["end"] - windows["start"]) == 7).all()
    assert windows["sequence_id"].values[4] == "s4"
    Annotations.validate(windows)


def test_all_windows_do_not_overlap(sequences: xr.Dataset) -> None:
    model = detector("GATTACA", "TTTTTTT")
    windows = mt.tl.activating_windows(sequences, model, "0", threshold=0.3, which="all")
    values = brute(sequences, model)
    expected = set()
    for row in range(N):
        for channel in range(2):
            kept: list[int] = []
            one = np.nan_to_num(values[row, channel], nan=-9)
            for start in np.argsort(-one, kind="stable").tolist():
                above = one[start] > 0.3 * np.nanmax(values[:, channel])
                if above and all(abs(start - other) >= 7 for other in kept):
                    kept.append(start)
            expected |= {(row, start, channel) for start in kept}
    names = ("sequence_index", "start", "motif_index")
    found = list(zip(*(windows[name].values.tolist() for name in names), strict=True))
    assert len(found) > N
    assert found == sorted(expected)


@pytest.mark.parametrize("which", ["best", "all"])
def test_lazy_sequences_give_the_same(sequences: xr.Dataset, which: str) -> None:
    model = detector("GATTACA", "TTTTTTT")
    lazy = sequences.chunk({"sequence": 4, "position": 20})
    both = [
        mt.tl.activating_windows(one, model, "0", threshold=0.5, which=which)
        for one in (sequences, lazy)
    ]
    xr.testing.assert_equal(*both)


def test_dead_neurons_have_no_windows(sequences: xr.Dataset) -> None:
    model = detector("GATTACA", "TTTTTTT")
    with torch.no_grad():
        model[0].bias[1] = -7.0
    for which in ("best", "all"):
        windows = mt.tl.activating_windows(sequences, model, "0", which=which)
        assert set(windows["motif_index"].values.tolist()) == {0}
        assert windows["motif"].values.tolist() == ["0:0", "0:1"]
        alone = mt.tl.activating_windows(sequences, model, "0", which=which, neurons=[1])
        assert alone.sizes["annotation"] == 0


def test_windows_one_by_one_are_warned_of(sequences: xr.Dataset) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(4, 3, 5), nn.InstanceNorm1d(3), nn.Conv1d(3, 2, 3))
    with pytest.warns(UserWarning, match="one by one.*instance_norm") as caught:
        mt.tl.activating_windows(sequences, model, "2")
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mt.tl.activating_windows(sequences, model, "0")


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"layer": "conv"}, "layer"),
        ({"neurons": [2]}, "neurons"),
        ({"neurons": []}, "neurons"),
        ({"neurons": [1, 1]}, "neurons"),
        ({"neurons": "0"}, "neurons"),
        ({"threshold": 1.5}, "threshold"),
        ({"which": "first"}, "which"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(
    sequences: xr.Dataset, options: dict[str, object], argument: str
) -> None:
    options = {"layer": "0"} | options
    layer = options.pop("layer")
    with pytest.raises(InvalidInput) as caught:
        mt.tl.activating_windows(sequences, detector("GATTACA", "TTTTTTT"), layer, **options)
    assert caught.value.argument == argument


def test_short_and_no_sequences_are_refused(sequences: xr.Dataset) -> None:
    model = nn.Sequential(nn.Conv1d(4, 2, 7, padding=3), nn.ReLU(), nn.Conv1d(2, 2, 7, padding=3))
    with pytest.raises(InvalidInput, match="10 letters, and neurons of '2' see 13"):
        mt.tl.activating_windows(sequences.isel(position=slice(10)), model, "2")
    with pytest.raises(InvalidInput, match="there are none"):
        mt.tl.activating_windows(sequences.isel(sequence=slice(0)), model, "2")
