"""Comparisons of two sequence sets through the public function, on labelled data."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import DeviceUnavailable, InvalidElement, InvalidInput, MemoryLimit
from mutua.kernels import devices, label_permutation
from mutua.tl import position_mi_comparison as module

LENGTH = 11
P_VALUES = ("p_value", "q_value", "p_familywise")


def draw(n: int, seed: int, letters: list[float] | None = None, **parts: object) -> xr.Dataset:
    random = np.random.default_rng(seed)
    codes = random.choice(4, (n, LENGTH), p=letters).astype(np.uint8)
    return mt.SequenceSet.build(codes, alphabet="DNA", **parts)


def linked(n: int, seed: int, i: int, j: int) -> xr.Dataset:
    """Letters at j copied from i in 40 % of the sequences."""
    found = draw(n, seed)
    both = np.random.default_rng(seed + 100).random(n) < 0.4
    found["codes"].values[both, j] = found["codes"].values[both, i]
    return found


@pytest.fixture(scope="module")
def comparison() -> xr.Dataset:
    """Positions 2 and 7 depend on each other in a, 1 and 9 in b, 4 and 5 in both."""
    a, b = linked(500, 0, 2, 7), linked(900, 1, 1, 9)
    for sequences in (a, b):
        half = sequences.sizes["sequence"] // 2
        sequences["codes"].values[:half, 5] = sequences["codes"].values[:half, 4]
    return mt.tl.compare_position_mi(a, b, k=1, n_permutations=200, names=("own", "other"))


def numbers(found: xr.Dataset, name: str) -> np.ndarray:
    return np.asarray(found[name].values)


def test_the_pairs_that_differ_are_found_with_their_sign(comparison: xr.Dataset) -> None:
    found = numbers(comparison, "q_value") < 0.001
    assert {tuple(pair) for pair in np.argwhere(found)} == {(2, 7), (7, 2), (1, 9), (9, 1)}
    corrected = numbers(comparison, "difference_corrected")
    assert corrected[2, 7] > 0.1
    assert corrected[1, 9] < -0.1
    assert numbers(comparison, "p_familywise")[7, 2] == pytest.approx(1 / 201)
    assert numbers(comparison, "mi_a")[4, 5] > 0.3
    assert numbers(comparison, "p_value")[4, 5] > 0.01


def test_the_element_says_what_was_compared(comparison: xr.Dataset) -> None:
    attrs = comparison.attrs
    expected = {
        "k": 1, "alphabet": "ACGT", "pseudocount": 0.0, "n_sequences_a": 500,
        "n_sequences_b": 900, "name_a": "own", "name_b": "other", "correction": "shuffle",
        "n_permutations": 200, "n_tests": 55,
    }  # fmt: skip
    assert {name: attrs[name] for name in expected} == expected
    for name in ("mi_a", "mi_b", "difference", "difference_null", "difference_corrected"):
        assert comparison[name].attrs["units"] == "bits"
    for name in P_VALUES:
        matrix = numbers(comparison, name)
        np.testing.assert_array_equal(matrix, matrix.T)
        assert np.isnan(np.diag(matrix)).all()


def test_each_map_is_that_of_position_mi() -> None:
    a, b = draw(300, 0), draw(200, 1)
    a["codes"].values[5:9, 3] = 254
    options = {"k": 2, "pseudocount": 0.5}
    found = mt.tl.compare_position_mi(a, b, n_permutations=0, **options)
    for name, sequences in (("mi_a", a), ("mi_b", b)):
        expected = mt.tl.position_mi(sequences, **options)["mi"]
        np.testing.assert_array_equal(found[name].values, expected.values)
    np.testing.assert_array_equal(found["difference"], found["mi_a"] - found["mi_b"])
    assert not {"difference_null", *P_VALUES} & set(found)
    assert (found.attrs["n_tests"], found.attrs["correction"]) == (0, "none")


def test_corrected_is_the_difference_less_the_one_to_expect(comparison: xr.Dataset) -> None:
    expected = comparison["difference"] - comparison["difference_null"]
    np.testing.assert_allclose(comparison["difference_corrected"], expected, atol=1e-14)


def test_size_alone_is_expected_to_make_a_difference() -> None:
    sets = draw(100, 0), draw(1500, 1)
    for correction in ("none", "shuffle"):
        found = mt.tl.compare_position_mi(
            *sets, k=1, n_permutations=100, correction=correction
        )  # fmt: skip
        bias = 9 / (2 * np.log(2)) * (1 / 100 - 1 / 1500)
        upper = np.triu_indices(LENGTH, 1)
        mean = numbers(found, "difference_null")[upper].mean()
        assert mean == pytest.approx(bias, rel=0.15)
        assert (numbers(found, "p_value")[upper] < 0.01).sum() <= 3


def test_composition_alone_is_no_difference_of_dependency() -> None:
    a, b = draw(800, 0), draw(800, 1, [0.15, 0.35, 0.35, 0.15])
    upper = np.triu_indices(LENGTH - 2, 1)
    found = {
        correction: mt.tl.compare_position_mi(
            a, b, k=3, n_permutations=60, correction=correction
        )["q_value"].values[upper]
        for correction in ("none", "shuffle")
    }  # fmt: skip
    tested = ~np.isnan(found["none"])
    assert (found["none"][tested] < 0.05).mean() > 0.9
    assert (found["shuffle"][tested] < 0.05).sum() == 0


def test_weights_stay_with_their_sequences() -> None:
    a, b = draw(150, 0, weight=np.ones(150)), draw(100, 1, weight=np.ones(100))
    options = {"k": 1, "n_permutations": 20, "seed": 3}
    with pytest.warns(UserWarning, match="p-values are too small"):
        ones = mt.tl.compare_position_mi(a, b, **options)
    plain = mt.tl.compare_position_mi(a, b, weighted=False, **options)
    for name in ("mi_a", "difference_null", "p_value"):
        np.testing.assert_allclose(ones[name], plain[name], atol=1e-12)
    # A sequence of weight 3 counts like three.
    a["weight"].values[:50] = 3
    thrice = mt.SequenceSet.build(
        np.concatenate([a["codes"].values, *[a["codes"].values[:50]] * 2]), alphabet="DNA"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = mt.tl.compare_position_mi(a, b, k=1, n_permutations=0)
    expected = mt.tl.compare_position_mi(thrice, b, k=1, n_permutations=0, weighted=False)
    np.testing.assert_allclose(found["difference"], expected["difference"], atol=1e-12)


def test_unknown_letters_are_dropped_or_one_letter_more() -> None:
    a, b = draw(400, 0), draw(400, 1)
    a["codes"].values[::3, 2] = a["codes"].values[::3, 8] = 254
    options = {"k": 1, "n_permutations": 50}
    dropped = mt.tl.compare_position_mi(a, b, **options)
    symbol = mt.tl.compare_position_mi(a, b, gap="symbol", **options)
    assert numbers(dropped, "q_value")[2, 8] > 0.05
    assert numbers(symbol, "q_value")[2, 8] < 0.01


@pytest.mark.slow
def test_the_same_bits_from_chunks_and_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SHUFFLES", 10)
    a, b = draw(300, 0), draw(200, 1)
    options = {"k": 2, "n_permutations": 12, "seed": 5}
    expected = mt.tl.compare_position_mi(a, b, **options)
    mt.Analysis({"a": a, "b": b}).write(tmp_path / "study.zarr")
    study = mt.open(tmp_path / "study.zarr")
    chunked = [part.chunk({"sequence": 70}) for part in (a, b)]
    for sets in (chunked, [study["a"], study["b"]], [a, chunked[1]]):
        found = mt.tl.compare_position_mi(*sets, **options)
        for name in expected.data_vars:
            np.testing.assert_array_equal(found[name], expected[name])
    monkeypatch.setattr(mt.settings, "_memory", 4000)
    found = mt.tl.compare_position_mi(a, b, **options)
    np.testing.assert_array_equal(found["p_value"], expected["p_value"])
    other = mt.tl.compare_position_mi(a, b, **{**options, "seed": 6})
    assert (numbers(other, "difference_null") != numbers(expected, "difference_null")).any()


def test_the_same_bits_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """In numba's simulator where there is no GPU."""
    monkeypatch.setattr(module, "_SHUFFLES", 1)
    for name in ("PILOT", "OWN_SHUFFLES"):
        monkeypatch.setattr(label_permutation, name, 1)
    a, b = (draw(n, 0).isel(position=slice(3)) for n in (20, 30))
    here, there = (
        mt.tl.compare_position_mi(a, b, k=1, n_permutations=2, device=device)
        for device in ("cpu", "cuda")
    )
    assert here.drop_attrs(deep=False).identical(there.drop_attrs(deep=False))
    arguments = [
        json.loads(element.attrs["mutua"])["steps"][-1]["arguments"] for element in (here, there)
    ]
    assert [each.pop("device") for each in arguments] == ["cpu", "cuda"]
    assert arguments[0] == arguments[1]


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "simulated", lambda: False)
    monkeypatch.setattr(devices, "_numba_lacks", lambda: "there is none")
    sets = draw(30, 0), draw(20, 1)
    with pytest.raises(DeviceUnavailable, match="there is none"):
        mt.tl.compare_position_mi(*sets, k=1, device="cuda")
    monkeypatch.setattr(mt.settings, "device", "cuda")
    with pytest.raises(DeviceUnavailable, match="there is none"):
        mt.tl.compare_position_mi(*sets, k=1)
    found = mt.tl.compare_position_mi(*sets, k=1, n_permutations=0, device="cpu")
    assert found.sizes["position_i"] == LENGTH


def test_it_is_stored_with_how_it_came_about(tmp_path: Path, comparison: xr.Dataset) -> None:
    mt.Analysis({"comparison": comparison}).write(tmp_path / "study.zarr")
    study = mt.open(tmp_path / "study.zarr")
    np.testing.assert_array_equal(study["comparison"]["p_value"], comparison["p_value"])
    assert "tl.compare_position_mi" in list(study.lineage("comparison")["function"])


def test_positions_are_numbered_as_the_sequences_are() -> None:
    a, b = (mt.pp.number_positions(draw(50, seed), -4, label="from the exon") for seed in (0, 1))
    found = mt.tl.compare_position_mi(a, b, k=1, n_permutations=0)
    assert found["position_i"].values.tolist() == list(range(-4, LENGTH - 4))
    assert found["position_j"].attrs["long_name"] == "from the exon"


def test_pairs_hardly_known_in_one_set_are_no_tests() -> None:
    a, b = draw(60, 0), draw(80, 1)
    a["codes"].values[1:, 0] = b["codes"].values[1:, 0] = 254
    found = mt.tl.compare_position_mi(a, b, k=1, n_permutations=40, correction="none")
    assert np.isnan(numbers(found, "p_value")[0, 3])
    assert np.isnan(numbers(found, "p_familywise")[0, 3])
    assert np.isfinite(numbers(found, "difference")[0, 3])
    assert found.attrs["n_tests"] == 45


def test_warns_of_sequences_that_stand_in_both_sets() -> None:
    a = draw(50, 0, sequence_id=[f"s{i}" for i in range(50)])
    b = draw(40, 1, sequence_id=[f"s{i + 45}" for i in range(40)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the same names, other letters
        mt.tl.compare_position_mi(a, b, k=1, n_permutations=2)
    b["codes"].values[2] = a["codes"].values[47]
    with pytest.warns(UserWarning, match=r"'s47' does \(5 names are in both\)"):
        mt.tl.compare_position_mi(a, b, k=1, n_permutations=2)


def test_p_is_too_large_where_a_set_is_part_of_the_other() -> None:
    least = []
    for seed in range(4):
        b = draw(400, seed)
        found = mt.tl.compare_position_mi(
            b.isel(sequence=slice(150)), b, k=1, n_permutations=100, correction="none"
        )
        least.append(numbers(found, "p_value")[np.triu_indices(LENGTH, 1)])
    assert (np.concatenate(least) < 0.1).mean() < 0.06


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k"),
        ({"pseudocount": -1.0}, "pseudocount"),
        ({"correction": "apc"}, r"correction.*\['none', 'shuffle'\]"),
        ({"n_permutations": -1}, "n_permutations"),
        ({"gap": "x"}, "gap"),
        ({"seed": -1}, "seed"),
        ({"weighted": True}, "no weight"),
        ({"names": ("a", "a")}, "twice"),
        ({"names": "ab"}, "give two names"),
        ({"names": ("a", "")}, "give two names"),
        ({"k": 6}, "sequences_a.*too short"),
        ({"device": "gpu"}, r"device.*\['auto', 'cpu', 'cuda'\]"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refuses_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=f"(?i){message}"):
        mt.tl.compare_position_mi(draw(30, 0), draw(20, 1), **options)


def test_refuses_sets_that_are_not_alike() -> None:
    a = draw(30, 0)
    rna = mt.SequenceSet.build(draw(20, 1)["codes"].values, alphabet="RNA")
    unknown = draw(20, 1)
    unknown["codes"].values[:] = 254
    numbered = mt.pp.number_positions(draw(20, 1), 5)
    weighted = draw(20, 1, weight=np.ones(20))
    for other, message in (
        (rna, "alphabet 'RNA', and sequences_a have 'DNA'"),
        (draw(20, 1).isel(position=slice(9)), "9 positions, and sequences_a have 11"),
        (numbered, "number 5 for position 0"),
        (draw(1, 1), "sequences_b.*one sequence"),
        (draw(0, 1), "sequences_b.*no sequences"),
        (weighted, "sequences_b have weights but sequences_a have none"),
        (unknown, "known k-mers side by side"),
    ):
        with pytest.raises(InvalidInput, match=message):
            mt.tl.compare_position_mi(a, other, k=1, n_permutations=2)
    with pytest.raises(InvalidElement, match="sequences_b"):
        mt.tl.compare_position_mi(a, xr.Dataset(), k=1)


def test_too_large_k_says_what_would_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mt.settings, "_memory", 3000)
    with pytest.raises(MemoryLimit, match=r"Use k <= \d|raise mutua\.settings\.memory"):
        mt.tl.compare_position_mi(draw(600, 0), draw(600, 1), k=3)
