"""Mutual information of features on a GPU, which the simulator stands for, as on the CPU."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput
from mutua.kernels.cuda import knn_null as on_gpu

N = 11
run = mt.tl.mutual_information


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(2)
    samples = [f"s{number}" for number in range(N)]
    x = pd.DataFrame(random.normal(size=(N, 2)), samples, ["depth", "flow"])
    y = x[["flow"]].set_axis(["pH"], axis=1) + random.normal(size=(N, 1)) / 4
    return x.assign(site=random.choice(["gut", "skin"], N)), y


@pytest.mark.parametrize("adjust", [pytest.param("max", marks=pytest.mark.slow), "fdr"])
def test_the_gpu_gives_the_same(
    tables: tuple[pd.DataFrame, pd.DataFrame], adjust: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    permuted = on_gpu.permuted
    monkeypatch.setattr(
        on_gpu, "permuted", lambda *arguments: calls.append(1) or permuted(*arguments)
    )
    options = {"n_permutations": 6, "adjust": adjust}
    expected = run(*tables, **options, device="cpu")
    assert not calls
    found = run(*tables, **options, device="cuda")
    assert calls
    for name in ("mi", "mi_normalized", "n_tests"):
        expected_values, values = (of.get(name, of.attrs.get(name)) for of in (expected, found))
        np.testing.assert_array_equal(values, expected_values)
    xr.testing.assert_allclose(found, expected, rtol=1e-9)
    monkeypatch.setattr(mt.settings, "_device", "cuda")
    xr.testing.assert_identical(run(*tables, **options).drop_attrs(), found.drop_attrs())


def test_what_has_no_kernel_for_a_gpu_is_looked_at_on_the_cpu(
    tables: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    x, y = tables
    for options in ({"estimator": "binned"}, {"covariates": x[["depth"]]}):
        on_cpu = run(x[["flow", "site"]], y, **options)
        found = run(x[["flow", "site"]], y, **options, device="cuda")
        np.testing.assert_array_equal(found["mi"], on_cpu["mi"])


def test_devices_that_do_not_exist_and_neighbours_that_do_not_fit(
    tables: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    with pytest.raises(InvalidInput) as caught:
        run(*tables, estimator="binned", device="tpu")
    assert caught.value.argument == "device"
    random = np.random.default_rng(0)
    many = pd.DataFrame(random.normal(size=(140, 1)), [f"s{i}" for i in range(140)], ["a"])
    with pytest.raises(InvalidInput) as caught:
        run(many, many.set_axis(["b"], axis=1), n_neighbors=130, device="cuda")
    assert caught.value.argument == "n_neighbors"
