"""`tl.position_mi` on CUDA, in numba's simulator where there is no GPU."""

import json
from typing import Any

import pytest
import xarray as xr

import mutua as mt
from mutua.errors import DeviceUnavailable, InvalidInput
from mutua.kernels import devices
from mutua.kernels.cuda.position_pairs import DevicePairs


@pytest.fixture(scope="module")
def seqs() -> xr.Dataset:
    seqs = mt.pp.random_sequences(60, length=6, seed=0)
    return mt.pp.embed_motifs(seqs, ["GATA"], position=1, fraction=0.5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalize": True, "correction": "apc", "n_permutations": 2, "seed": 3},
        {"correction": "shuffle", "n_permutations": 3, "pseudocount": 0.0},
    ],
    ids=["plain", "apc", "shuffle"],
)
def test_same_bits_as_on_the_cpu(
    seqs: xr.Dataset, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def noted(name: str) -> None:
        method = getattr(DevicePairs, name)
        monkeypatch.setattr(
            DevicePairs, name, lambda *own, **more: calls.append(name) or method(*own, **more)
        )

    noted("observed")
    noted("permuted")  # for the workers of a cluster
    noted("moments")
    here = mt.tl.position_mi(seqs, k=1, device="cpu", **options)
    assert not calls
    there = mt.tl.position_mi(seqs, k=1, device="cuda", **options)
    assert set(calls) == ({"observed", "moments"} if "n_permutations" in options else {"observed"})
    assert here.drop_attrs(deep=False).identical(there.drop_attrs(deep=False))
    arguments = [
        json.loads(element.attrs["mutua"])["steps"][-1]["arguments"] for element in (here, there)
    ]
    assert [each.pop("device") for each in arguments] == ["cpu", "cuda"]
    assert arguments[0] == arguments[1]


def test_lazy_sequences(seqs: xr.Dataset) -> None:
    here = mt.tl.position_mi(seqs, k=1, device="cpu")
    there = mt.tl.position_mi(seqs.chunk(sequence=25), k=1, device="cuda")
    assert here["mi"].identical(there["mi"])


def test_device_of_the_settings(seqs: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mt.settings, "device", "cuda")
    monkeypatch.setattr(devices, "simulated", lambda: False)
    monkeypatch.setattr(devices, "_numba_lacks", lambda: "there is none")
    with pytest.raises(DeviceUnavailable, match="there is none"):
        mt.tl.position_mi(seqs, k=1)
    with pytest.raises(DeviceUnavailable, match="there is none"):
        mt.tl.position_mi(seqs, k=1, device="cuda")
    assert mt.tl.position_mi(seqs, k=1, device="cpu").sizes["position_i"] == 6


@pytest.mark.parametrize("measure", ["mi", "hellinger"])
def test_no_such_device(seqs: xr.Dataset, measure: str) -> None:
    with pytest.raises(InvalidInput, match="device"):
        mt.tl.position_mi(seqs, k=1, measure=measure, device="gpu")
