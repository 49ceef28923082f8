"""Dependencies between positions through the public functions, on labelled data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from sklearn.metrics import mutual_info_score

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput, MemoryLimit

N, LENGTH = 700, 11


@pytest.fixture(scope="module")
def planted() -> xr.Dataset:
    """Sequences with A at 2 wherever there is C at 7, and a few unknown letters."""
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (N, LENGTH), dtype=np.uint8)
    both = random.random(N) < 0.4
    codes[both, 2], codes[both, 7] = 0, 1
    codes[random.random((N, LENGTH)) < 0.02] = 254
    return mt.SequenceSet.build(codes, alphabet="DNA")


def numbers(mi: xr.Dataset, name: str = "mi") -> np.ndarray:
    return np.asarray(mi[name].values)


def test_the_planted_pair_is_found(planted: xr.Dataset) -> None:
    mi = mt.tl.position_mi(planted, k=1, n_permutations=60)
    assert dict(mi["mi"].where(mi["position_i"] < mi["position_j"]).argmax(...)) == {
        "position_i": 2,
        "position_j": 7,
    }
    found = numbers(mi, "q_value") < 0.01
    assert found[2, 7]
    assert found[7, 2]
    assert found.sum() <= 4
    assert mi["p_familywise"].values[2, 7] == pytest.approx(1 / 61)
    assert mi["p_value"].values[2, 7] < 1e-4
    assert mi.attrs["n_tests"] == LENGTH * (LENGTH - 1) // 2


def test_agrees_with_the_plug_in_estimate_of_scikit_learn(planted: xr.Dataset) -> None:
    mi = mt.tl.position_mi(planted, k=1, pseudocount=0)
    codes = planted["codes"].values
    for i, j in [(0, 1), (2, 7), (3, 10)]:
        known = (codes[:, [i, j]] < 4).all(axis=1)
        expected = mutual_info_score(codes[known, i], codes[known, j]) / np.log(2)
        assert mi["mi"].values[i, j] == pytest.approx(expected, abs=1e-12)


def test_square_symmetric_and_empty_where_kmers_overlap(planted: xr.Dataset) -> None:
    mi = mt.tl.position_mi(planted, k=3)
    matrix = numbers(mi)
    assert matrix.shape == (LENGTH - 2, LENGTH - 2)
    np.testing.assert_array_equal(matrix, matrix.T)
    i, j = np.indices(matrix.shape)
    np.testing.assert_array_equal(np.isnan(matrix), abs(i - j) < 3)


def test_contributions_add_up_to_the_pixel(planted: xr.Dataset) -> None:
    for options in (
        {"pseudocount": 5.0},
        {"pseudocount": 0.0},
        {"pseudocount": 1.0, "gap": "symbol"},
    ):
        mi = mt.tl.position_mi(planted, k=2, **options)
        pairs = mt.tl.explain_pair(planted, 7, 2, k=2, **options)
        assert float(pairs["contribution"].sum()) == pytest.approx(mi["mi"].values[2, 7], abs=1e-12)
        assert float(pairs["observed"].sum()) == pytest.approx(float(pairs["expected"].sum()))


def test_explained_pair_names_kmers_and_keeps_the_order(planted: xr.Dataset) -> None:
    pairs = mt.tl.explain_pair(planted, 2, 7, k=1, pseudocount=0)
    turned = mt.tl.explain_pair(planted, 7, 2, k=1, pseudocount=0)
    codes = planted["codes"].values
    count = ((codes[:, 2] == 0) & (codes[:, 7] == 1)).sum()
    assert pairs["observed"].sel(kmer_i="A", kmer_j="C").item() == count
    assert turned["observed"].sel(kmer_i="C", kmer_j="A").item() == count
    best = pairs["contribution"].argmax(...)
    assert [str(pairs[axis][place].values) for axis, place in best.items()] == ["A", "C"]


def test_unknown_letters_as_a_symbol(planted: xr.Dataset) -> None:
    mi = mt.tl.position_mi(planted, k=1, pseudocount=0, gap="symbol")
    codes = planted["codes"].values
    expected = mutual_info_score(codes[:, 2], codes[:, 7]) / np.log(2)
    assert mi["mi"].values[2, 7] == pytest.approx(expected, abs=1e-12)
    pairs = mt.tl.explain_pair(planted, 2, 7, k=1, gap="symbol")
    assert pairs["kmer_i"].values.tolist() == ["A", "C", "G", "T", "N"]


def test_weights_count_sequences_twice() -> None:
    strings = ["ACGTAC", "CCGTTA", "GATTAC", "TTACGG", "ACCCAT"]
    weighted = mt.from_strings(strings).assign(weight=("sequence", [1.0, 2.0, 1.0, 3.0, 1.0]))
    repeated = mt.from_strings([s for s, n in zip(strings, [1, 2, 1, 3, 1], strict=True)
                                for _ in range(n)])  # fmt: skip
    for options in ({"pseudocount": 0.0}, {"pseudocount": 2.0}):
        one = mt.tl.position_mi(weighted, k=1, **options)
        other = mt.tl.position_mi(repeated, k=1, **options)
        np.testing.assert_allclose(numbers(one), numbers(other), atol=1e-12)
        plain = mt.tl.position_mi(weighted, k=1, weighted=False, **options)
        assert not np.allclose(numbers(plain), numbers(one), equal_nan=True)


def test_permutations_of_weighted_sequences_warn(planted: xr.Dataset) -> None:
    weighted = planted.assign(weight=("sequence", np.ones(N)))
    with pytest.warns(UserWarning, match="treat sequences as independent"):
        mt.tl.position_mi(weighted, k=1, n_permutations=2)


def test_explained_signs_follow_observed_and_expected(planted: xr.Dataset) -> None:
    pairs = mt.tl.explain_pair(planted, 2, 7, k=1)
    excess = numbers(pairs, "observed") - numbers(pairs, "expected")
    seen = numbers(pairs, "observed") > 0
    assert (np.sign(numbers(pairs, "contribution")) == np.sign(excess))[seen].all()


def test_same_bits_in_memory_on_dask_and_from_a_store(planted: xr.Dataset, tmp_path: Path) -> None:
    options = {"k": 2, "n_permutations": 7, "seed": 3}
    direct = mt.tl.position_mi(planted, **options)
    chunked = planted.chunk(sequence=97, position=4)
    study = mt.Analysis({"seqs": planted, "chunked": planted.chunk(sequence=(300, 250, 150))})
    study.write(tmp_path / "s.zarr")
    opened = mt.open(tmp_path / "s.zarr")
    for other in (chunked, opened["seqs"], opened["chunked"]):
        result = mt.tl.position_mi(other, **options)
        for name in direct.data_vars:
            np.testing.assert_array_equal(numbers(result, name), numbers(direct, name), str(name))


def test_same_bits_for_any_number_of_threads(planted: xr.Dataset) -> None:
    results = []
    for threads in (1, 2):
        mt.settings.threads = threads
        results.append(mt.tl.position_mi(planted, k=2, n_permutations=5, seed=1))
    mt.settings.threads = None
    for name in results[0].data_vars:
        np.testing.assert_array_equal(numbers(results[0], name), numbers(results[1], name))


def test_seeds_differ(planted: xr.Dataset) -> None:
    one, other = (mt.tl.position_mi(planted, k=1, n_permutations=5, seed=s) for s in (0, 1))
    np.testing.assert_array_equal(numbers(one), numbers(other))
    assert not np.array_equal(numbers(one, "mi_null"), numbers(other, "mi_null"), equal_nan=True)


def test_shuffle_correction_removes_the_bias() -> None:
    seqs = mt.pp.random_sequences(1000, length=12, seed=0)
    mi = mt.tl.position_mi(seqs, k=2, pseudocount=0, correction="shuffle", n_permutations=40)
    assert np.nanmean(numbers(mi)) > 0.1
    assert abs(np.nanmean(numbers(mi, "mi_corrected"))) < 0.002
    np.testing.assert_allclose(
        numbers(mi, "mi_corrected"), numbers(mi) - numbers(mi, "mi_null"), atol=1e-15
    )


def test_miller_madow_removes_most_of_the_bias_and_needs_no_pseudocount() -> None:
    seqs = mt.pp.random_sequences(3000, length=12, seed=0)
    mi = mt.tl.position_mi(seqs, k=2, pseudocount=0, correction="miller_madow")
    assert abs(np.nanmean(numbers(mi, "mi_corrected"))) < np.nanmean(numbers(mi)) / 20
    with pytest.raises(InvalidInput, match=r"'miller_madow' with pseudocount=5.*pseudocount=0"):
        mt.tl.position_mi(seqs, correction="miller_madow")


def test_average_product_correction(planted: xr.Dataset) -> None:
    mi = mt.tl.position_mi(planted, k=1, pseudocount=0, correction="apc", normalize=True)
    normal = numbers(mi, "mi_normalized")
    mean = np.nanmean(normal, axis=0)
    expected = normal - np.outer(mean, mean) / np.nanmean(normal)
    np.testing.assert_allclose(numbers(mi, "mi_corrected"), expected, atol=1e-12)
    plain = mt.tl.position_mi(planted, k=1, pseudocount=0, correction="apc", n_permutations=30)
    assert plain["p_familywise"].values[2, 7] == pytest.approx(1 / 31)
    assert plain["p_value"].values[2, 7] < 1e-3


def test_measures_compare_single_positions() -> None:
    seqs = mt.from_strings(["AACA", "AGCA", "ATCG", "ACCT"])
    distances = mt.tl.position_mi(seqs, k=1, pseudocount=0, measure="jensen_shannon")
    assert distances["mi"].values[0, 2] == pytest.approx(1.0)  # A only against C only
    assert distances["mi"].values[0, 3] > 0
    inverse = mt.tl.position_mi(seqs, k=1, pseudocount=0, measure="inverse_jensen_shannon")
    np.testing.assert_allclose(numbers(inverse), 1 - numbers(distances), atol=1e-15)
    hellinger = mt.tl.position_mi(seqs, k=1, pseudocount=0, measure="hellinger")
    # A at frequency 1 against A at 1/2: the coefficient is sqrt(1/2).
    assert hellinger["mi"].values[0, 3] == pytest.approx(np.sqrt(1 - np.sqrt(0.5)))
    assert hellinger["mi"].attrs.get("units", "1") != "bits"
    with pytest.raises(InvalidInput, match="compares single positions"):
        mt.tl.position_mi(seqs, k=1, measure="hellinger", n_permutations=10)


def test_positions_of_the_sequences_carry_over(planted: xr.Dataset) -> None:
    numbered = mt.pp.number_positions(planted, -4, label="position relative to the TSS")
    mi = mt.tl.position_mi(numbered, k=2)
    assert mi["position_i"].values.tolist() == list(range(-4, LENGTH - 5))
    assert mi["position_j"].attrs["units"] == "nt"
    pairs = mt.tl.explain_pair(numbered, -2, 3, k=1)
    same = mt.tl.explain_pair(planted, 2, 7, k=1)
    np.testing.assert_array_equal(numbers(pairs, "observed"), numbers(same, "observed"))
    with pytest.raises(InvalidInput, match="Positions go from -4 to 6"):
        mt.tl.explain_pair(numbered, -2, 7, k=1)


@pytest.mark.parametrize("strand", ["+", "-"])
def test_genomic_coordinates_of_one_region(planted: xr.Dataset, strand: str) -> None:
    region = {
        "chrom": ("sequence", ["chr7"] * N),
        "start": ("sequence", np.full(N, 500)),
        "end": ("sequence", np.full(N, 500 + LENGTH)),
        "strand": ("sequence", [strand] * N),
    }
    located = planted.assign_coords(region)
    mi = mt.tl.position_mi(located, k=2)
    numbered = np.arange(500, 500 + LENGTH)[:: 1 if strand == "+" else -1]
    assert mi["position_i"].values.tolist() == numbered[: LENGTH - 1].tolist()
    assert mi["position_j"].attrs == {"long_name": "position on chr7", "units": "bp"}
    pairs = mt.tl.explain_pair(located, numbered[2], numbered[7], k=1)
    same = mt.tl.explain_pair(planted, 2, 7, k=1)
    np.testing.assert_array_equal(numbers(pairs, "observed"), numbers(same, "observed"))
    starts = np.full(N, 500)
    starts[0] = 499
    several = located.assign_coords(start=("sequence", starts))
    assert mt.tl.position_mi(several, k=2)["position_i"].values[0] == 0


def test_by_distance(planted: xr.Dataset) -> None:
    mi = mt.tl.position_mi(planted, k=2)
    by_distance = mt.tl.mi_by_distance(mi)
    assert by_distance["distance"].values.tolist() == list(range(2, LENGTH - 1))
    for row, distance in enumerate(by_distance["distance"].values):
        values = np.diagonal(numbers(mi), distance)
        assert by_distance["mi_mean"].values[row] == pytest.approx(values.mean(), abs=1e-15)
        assert by_distance["mi_max"].values[row] == values.max()
        assert by_distance["n_pairs"].values[row] == len(values)
    with pytest.raises(InvalidInput, match="`variable`: 'mi_corrected'"):
        mt.tl.mi_by_distance(mi, variable="mi_corrected")


def test_distances_are_those_of_the_numbers(planted: xr.Dataset) -> None:
    """Of positions with gaps, out of order, by plain loops."""
    positions = [3, 9, 0, 4, 1]
    mi = mt.tl.position_mi(mt.pp.number_positions(planted, 5).isel(position=positions), k=1)
    found: dict[int, list[float]] = {}
    for i, first in enumerate(positions):
        for j, second in list(enumerate(positions))[i + 1 :]:
            found.setdefault(abs(first - second), []).append(numbers(mi)[i, j])
    by_distance = mt.tl.mi_by_distance(mi)
    assert by_distance["distance"].values.tolist() == sorted(found)
    for row, distance in enumerate(sorted(found)):
        assert by_distance["mi_mean"].values[row] == pytest.approx(np.mean(found[distance]))
        assert by_distance["mi_max"].values[row] == max(found[distance])
        assert by_distance["n_pairs"].values[row] == len(found[distance])


def test_what_was_summarised_is_on_record(planted: xr.Dataset) -> None:
    mi = mt.tl.position_mi(planted, k=1, pseudocount=0, correction="apc")
    for variable, expected in ((None, "mi_corrected"), ("mi", "mi")):
        by_distance = mt.tl.mi_by_distance(mi, variable=variable)
        said = {name: by_distance.attrs[name] for name in ("variable", "correction", "measure")}
        assert said == {"variable": expected, "correction": "apc", "measure": "mi"}
        mt.DistanceMI.check(by_distance, deep=True)


def test_pairs_without_a_value_are_left_out() -> None:
    seqs = mt.from_strings(["ANCA", "ANGT", "ANTC"])
    by_distance = mt.tl.mi_by_distance(mt.tl.position_mi(seqs, k=1, pseudocount=0))
    assert by_distance["n_pairs"].values.tolist() == [1, 1, 1]
    seqs = mt.from_strings(["ANA", "CNG"])
    by_distance = mt.tl.mi_by_distance(mt.tl.position_mi(seqs, k=1, pseudocount=0))
    assert by_distance["n_pairs"].values.tolist() == [0, 1]
    for name in ("mi_mean", "mi_max"):
        np.testing.assert_allclose(by_distance[name].values, [np.nan, 1.0])


def test_input_is_not_changed_and_provenance_is_kept(planted: xr.Dataset) -> None:
    before = planted.copy(deep=True)
    mi = mt.tl.position_mi(planted, k=1, n_permutations=2, seed=4)
    xr.testing.assert_identical(planted, before)
    step = json.loads(mi.attrs["mutua"])["steps"][-1]
    assert step["function"] == "tl.position_mi"
    assert step["seed"] == 4
    assert step["arguments"]["pseudocount"] == 5.0
    assert step["inputs"][0]["argument"] == "sequences"


def test_pairs_that_no_sequence_has_are_empty() -> None:
    seqs = mt.from_strings(["ANCA", "ANGT", "ANTC"])
    mi = mt.tl.position_mi(seqs, k=1, n_permutations=3)
    assert np.isnan(numbers(mi)[1]).all()
    assert np.isnan(numbers(mi, "q_value")[1]).all()
    assert not np.isnan(numbers(mi)[0, 2])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": 0}, InvalidInput, "`k`: 0"),
        ({"k": 2.5}, InvalidInput, "`k`: 2.5 is not a whole number"),
        ({"k": 6}, InvalidInput, "too short"),
        ({"pseudocount": -1}, InvalidInput, "`pseudocount`: -1"),
        ({"pseudocount": float("nan")}, InvalidInput, "`pseudocount`: nan"),
        ({"measure": "cosine"}, InvalidInput, "`measure`: 'cosine'"),
        ({"correction": "bonferroni"}, InvalidInput, "`correction`: 'bonferroni'"),
        ({"gap": "keep"}, InvalidInput, "`gap`: 'keep'"),
        ({"n_permutations": -3}, InvalidInput, "`n_permutations`: -3"),
        ({"correction": "shuffle", "n_permutations": 0}, InvalidInput, "`n_permutations`: 0"),
        ({"weighted": True}, InvalidInput, "sequence_weights"),
        ({"seed": -1}, InvalidInput, "`seed`: -1"),
    ],
)
def test_bad_arguments(
    planted: xr.Dataset, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        mt.tl.position_mi(planted, **options)


def test_other_objects_are_refused(planted: xr.Dataset) -> None:
    with pytest.raises(InvalidElement, match=r"argument `sequences` of tl\.position_mi"):
        mt.tl.position_mi(planted["codes"])
    with pytest.raises(InvalidElement, match="variable 'codes': is missing"):
        mt.tl.position_mi(mt.Table.build(a=[1]))


def test_no_sequences(planted: xr.Dataset) -> None:
    with pytest.raises(InvalidInput, match=r"no sequences|there are none"):
        mt.tl.position_mi(planted.isel(sequence=slice(0)))


def test_all_letters_unknown() -> None:
    seqs = mt.SequenceSet.build(np.full((5, 8), 254, np.uint8), alphabet="DNA")
    with pytest.raises(InvalidInput, match="`sequences`: no sequence with two known k-mers"):
        mt.tl.position_mi(seqs, k=2)


def test_k_beyond_memory() -> None:
    seqs = mt.pp.random_sequences(50, length=60, alphabet="protein", seed=0)
    with pytest.raises(MemoryLimit, match="Use k <= 2"):
        mt.tl.explain_pair(seqs, 0, 30, k=5)


def test_bad_weights(planted: xr.Dataset) -> None:
    weights = np.ones(N)
    weights[3] = np.nan
    with pytest.raises(InvalidElement, match="weight"):
        mt.tl.position_mi(planted.assign(weight=("sequence", weights)), k=1)
    with pytest.raises(InvalidInput, match="0"):
        mt.tl.position_mi(planted.assign(weight=("sequence", np.zeros(N))), k=1)


def test_overlapping_pair(planted: xr.Dataset) -> None:
    with pytest.raises(InvalidInput, match="at least 3 apart"):
        mt.tl.explain_pair(planted, 4, 6, k=3)
    with pytest.raises(InvalidInput, match="whose k-mers fit"):
        mt.tl.explain_pair(planted, 1, LENGTH - 1, k=3)


def test_contacts_score() -> None:
    n = 12
    values = np.zeros((n, n))
    distance = np.full((n, n), 20.0, dtype=np.float32)
    for i, j in [(0, 5), (2, 9), (1, 7)]:
        values[i, j] = values[j, i] = 1
        distance[i, j] = distance[j, i] = 5
    where = {"position_i": np.arange(n), "position_j": np.arange(n)}
    mi = mt.PositionMI.build(
        mi=values, k=1, alphabet="ACGT", pseudocount=0.0, n_sequences=9, measure="mi",
        correction="none", **where,
    )  # fmt: skip
    contacts = mt.ContactMap.build(distance=distance, atom="CA", **where)
    table = mt.tl.compare_contacts(mi, contacts)
    assert table["auroc"].values.tolist() == [1.0]
    assert table["precision"].values.tolist() == [0.5]  # 3 contacts among the top 6
    assert table["n_pairs"].values.tolist() == [36]
    with pytest.raises(InvalidInput, match="0 of 36 pairs are contacts"):
        mt.tl.compare_contacts(mi, contacts, distance=1.0)
    with pytest.raises(InvalidInput, match="aligned_to"):
        mt.tl.compare_contacts(mi, contacts.isel(position_i=slice(5), position_j=slice(5)))
    # Pairs are as far apart as their numbers are.
    named = {"position_i": np.arange(n) * 2, "position_j": np.arange(n) * 2}
    table = mt.tl.compare_contacts(
        mi.assign_coords(named), contacts.assign_coords(named), min_separation=11
    )
    assert table["n_pairs"].values.tolist() == [6 * 7 // 2]


@pytest.fixture(scope="module")
def family() -> xr.Dataset:
    return mt.datasets.rhomboid().isel(sequence=slice(300))


@pytest.mark.parametrize("columns", [slice(40, 110), slice(70), [3, 90, 20, 60, 100, 7, 31]])
def test_a_part_of_an_alignment_keeps_its_columns(family: xr.Dataset, columns: object) -> None:
    contacts = mt.datasets.contacts()
    whole = mt.tl.position_mi(family, k=1, pseudocount=0.05)
    part = mt.tl.position_mi(family.isel(position=columns), k=1, pseudocount=0.05)
    cut = whole.isel(position_i=columns, position_j=columns)
    assert part["position_i"].equals(cut["position_i"])
    np.testing.assert_array_equal(numbers(part), numbers(cut))
    options = {"distance": 12.0}
    found = mt.tl.compare_contacts(part, contacts, **options)
    expected = mt.tl.compare_contacts(cut, contacts, **options)
    xr.testing.assert_equal(found, expected)


def test_positions_that_may_be_others_are_refused(family: xr.Dataset) -> None:
    contacts = mt.datasets.contacts()
    bare = family.drop_vars("position")
    all_columns = mt.tl.position_mi(bare, k=1, pseudocount=0.05)
    expected = mt.tl.compare_contacts(mt.tl.position_mi(family, k=1, pseudocount=0.05), contacts)
    xr.testing.assert_equal(mt.tl.compare_contacts(all_columns, contacts), expected)
    part = mt.tl.position_mi(bare.isel(position=slice(40, 110)), k=1, pseudocount=0.05)
    message = "`contacts`: has 135 positions and the dependencies 70.*number_positions"
    with pytest.raises(InvalidInput, match=message):
        mt.tl.compare_contacts(part, contacts)
    # The remedy that it names.
    named = mt.pp.number_positions(bare, 0, label="alignment column").isel(position=slice(70))
    part = mt.tl.position_mi(named, k=1, pseudocount=0.05)
    assert mt.tl.compare_contacts(part, contacts)["n_pairs"].item() > 0
    # Residues of the chain are no columns.
    chain = mt.read_contacts(mt.datasets.rhomboid_structure_path())
    with pytest.raises(InvalidInput, match="has 182 positions and the dependencies 135"):
        mt.tl.compare_contacts(mt.tl.position_mi(family, k=1, pseudocount=0.05), chain)


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([0, 1, 2, 4, 5, 6], "`k`: 2, but positions 2 and 4 stand side by side"),
        ([5, 4, 3, 2, 0, 1], "positions 2 and 0"),
        ([3, 4, 5, 4 + 3, 6, 8], "positions 5 and 7"),
        ([0, 2, 4, 6, 8, 10], "positions 0 and 2"),
        ([4, 5, 6, 0, 1, 2], "positions 6 and 0"),
    ],
)
def test_kmers_of_letters_that_are_no_neighbours(
    planted: xr.Dataset, positions: list[int], message: str
) -> None:
    chosen = mt.pp.number_positions(planted, 0).isel(position=positions)
    for call in (
        lambda: mt.tl.position_mi(chosen, k=2),
        lambda: mt.tl.explain_pair(chosen, positions[0], positions[-2], k=2),
    ):
        with pytest.raises(InvalidInput, match=message):
            call()
    letters = mt.tl.position_mi(chosen, k=1)
    whole = mt.tl.position_mi(planted, k=1)
    cut = whole.isel(position_i=positions, position_j=positions)
    np.testing.assert_array_equal(numbers(letters), numbers(cut))


def test_numbers_that_fall_or_leave_out_0_are_neighbours(planted: xr.Dataset) -> None:
    expected = numbers(mt.tl.position_mi(planted, k=2))
    without_0 = [*range(-4, 0), *range(1, LENGTH - 3)]
    for named in (list(range(LENGTH))[::-1], without_0):
        seqs = planted.assign_coords(position=named)
        mi = mt.tl.position_mi(seqs, k=2)
        np.testing.assert_array_equal(numbers(mi), expected)
        by_distance = mt.tl.mi_by_distance(mi)
        assert by_distance["distance"].values.tolist() == list(range(2, LENGTH - 1))


def test_units_of_what_is_normalized() -> None:
    seqs = mt.pp.random_sequences(200, length=9, seed=0)
    found = mt.tl.position_mi(seqs, k=1, pseudocount=0, normalize=True, correction="apc")
    assert found["mi"].attrs["units"] == "bits"
    assert "units" not in found["mi_corrected"].attrs
    plain = mt.tl.position_mi(seqs, k=1, pseudocount=0, correction="apc")
    assert plain["mi_corrected"].attrs["units"] == "bits"
