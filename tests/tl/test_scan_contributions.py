import sys
import warnings

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.tl import scan_contributions

LENGTH, WIDTH = 130, 14
IDS = ["a", "b", "c"]


def cwms(seed: int = 0) -> np.ndarray:
    """Contributions (motif, letter, column) of 8 to 12 letters, with noise in all columns."""
    random = np.random.default_rng(seed)
    found = random.normal(0, 0.02, (len(IDS), 4, WIDTH))
    for matrix, width in zip(found, (8, 10, 12), strict=True):
        inside = np.arange(1, width + 1)
        matrix[random.integers(0, 4, width), inside] += random.uniform(0.7, 1.4, width)
    return found


def motif_set(matrices: np.ndarray | None = None, alphabet: str = "DNA") -> xr.Dataset:
    matrices = cwms() if matrices is None else matrices
    ids = IDS + [f"more {i}" for i in range(len(matrices) - len(IDS))]
    uniform = np.full(matrices.shape, 0.25)
    return mt.MotifSet.build(
        uniform, motif=ids[: len(matrices)], contribution=matrices, hypothetical=matrices,
        alphabet=alphabet,
    )  # fmt: skip


def planted(
    n: int = 60, seed: int = 0, hypothetical: bool = False, alphabet: str = "DNA"
) -> tuple[xr.Dataset, set[tuple[int, int, int, int]]]:
    """Instances of amplitude 1 to 5 on both strands, in noise of 0.1; where they stand."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (n, LENGTH)).astype(np.uint8)
    values = random.normal(0, 0.1, (n, 4, LENGTH))
    matrices, there = cwms(), set()
    for row in range(n):
        for slot in range(random.integers(1, 5)):
            motif, strand = int(random.integers(3)), 1
            matrix = matrices[motif]
            start = slot * 30 + int(random.integers(0, 14))
            width = (8, 10, 12)[motif]
            first = 1
            if random.random() < 0.5 and alphabet == "DNA":
                matrix, strand, first = matrix[::-1, ::-1], -1, WIDTH - 1 - width
            codes[row, start : start + WIDTH] = matrix.argmax(axis=0)
            values[row, :, start : start + WIDTH] += random.uniform(1, 5) * matrix
            there.add((row, start + first, motif, strand))
    if not hypothetical:
        values *= np.arange(4)[:, None] == codes[:, None]
    attr = mt.Attributions.build(
        codes, alphabet=alphabet, attribution=values.astype(np.float32), target="signal",
        method="made up", hypothetical=hypothetical, sequence_id=[f"s{i}" for i in range(n)],
    )  # fmt: skip
    return attr, there


def rows(hits: xr.Dataset) -> list[tuple[int, int, int, int]]:
    names = ("sequence_index", "start", "motif_index", "strand")
    return list(zip(*(hits[name].values.tolist() for name in names), strict=True))


@pytest.mark.parametrize(
    "mode",
    [
        {},
        {"letters": "all"},
        {"matrix": "hypothetical"},
        {"matrix": "hypothetical", "letters": "all"},
    ],
    ids=["pp", "ph", "hp", "hh"],
)
def test_planted_instances_are_found_where_they_stand(mode: dict[str, str]) -> None:
    attr, there = planted(hypothetical="letters" in mode)
    hits = scan_contributions(attr, motif_set(), **mode)
    found = rows(hits)
    assert len(there) > 100
    assert len(there & set(found)) >= 0.95 * len(there)
    assert len(there & set(found)) >= 0.95 * len(found)
    assert hits.attrs["source"] == "cwm"
    assert np.array_equal(hits["end"] - hits["start"], np.array([8, 10, 12])[hits["motif_index"]])
    assert (hits["similarity"] >= 0.7).all()
    assert (hits["duality_gap"] <= 1e-5).all()
    assert hits["duality_gap"].dims == ("sequence",)
    assert hits["motif"].values.tolist() == IDS
    assert hits["sequence_id"].values[59] == "s59"
    order = [(s, p, m, -strand) for s, p, m, strand in found]
    assert order == sorted(order)


def test_sums_are_those_of_the_letters_within() -> None:
    attr, _ = planted(hypothetical=True)
    hits = scan_contributions(attr, motif_set())
    observed = (attr["attribution"].values * mt.pp.one_hot(attr)).sum(axis=1)
    for i in range(0, hits.sizes["annotation"], 7):
        row, start, end = (int(hits[x][i]) for x in ("sequence_index", "start", "end"))
        assert hits["attribution"][i] == pytest.approx(observed[row, start:end].sum(), rel=1e-5)
        size = np.abs(observed[row, start:end]).sum()
        assert hits["importance"][i] == pytest.approx(size, rel=1e-5)


def test_scaled_attributions_have_the_same_hits() -> None:
    attr, _ = planted()
    hits = scan_contributions(attr, motif_set(), tolerance=1e-6)
    scaled = scan_contributions(attr.assign(attribution=attr["attribution"] * 8), motif_set(),
                                tolerance=1e-6)  # fmt: skip
    assert rows(scaled) == rows(hits)
    np.testing.assert_allclose(scaled["score"], hits["score"], rtol=1e-3)
    np.testing.assert_allclose(
        scaled["coefficient_global"], 64 * hits["coefficient_global"], rtol=1e-3
    )


def test_overlapping_instances_are_explained_together_and_copies_once() -> None:
    a, b, _ = cwms()
    random = np.random.default_rng(5)
    codes = random.integers(0, 4, (1, LENGTH)).astype(np.uint8)
    values = random.normal(0, 0.02, (1, 4, LENGTH))
    values[0, :, 40:54] += 3 * a
    values[0, :, 46:60] += 3 * b
    attr = mt.Attributions.build(codes, alphabet="DNA", attribution=values, target="signal",
                                 method="made up", hypothetical=True)  # fmt: skip
    options = {"letters": "all", "stranded": True, "penalty": 0.5}
    hits = scan_contributions(attr, motif_set(), **options)
    assert rows(hits) == [(0, 41, 0, 1), (0, 47, 1, 1)]
    copies = motif_set(np.concatenate([cwms(), 2 * cwms()[:2]]))
    assert rows(scan_contributions(attr, copies, **options)) == rows(hits)
    cheaper = scan_contributions(attr, copies, **options | {"penalty": {
        "a": 0.5, "b": 0.5, "c": 0.5, "more 0": 0.45, "more 1": 0.5}})  # fmt: skip
    assert rows(cheaper) == [(0, 41, 3, 1), (0, 47, 1, 1)]


def test_nothing_is_found_in_nothing() -> None:
    attr, _ = planted(n=5)
    for values in (attr["attribution"] * 0, -abs(attr["attribution"])):
        matrices = np.abs(cwms())
        hits = scan_contributions(attr.assign(attribution=values), motif_set(matrices))
        assert hits.sizes["annotation"] == 0
        assert (hits["duality_gap"] == 0).all()
    none = scan_contributions(attr.isel(sequence=slice(0)), motif_set())
    assert (none.sizes["annotation"], none.sizes["sequence"]) == (0, 0)
    wide = motif_set(np.ones((1, 4, LENGTH + 1)))
    assert scan_contributions(attr, wide).sizes["annotation"] == 0


def test_blocks_chunks_and_order_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    attr, _ = planted()
    motifs = motif_set()
    expected = scan_contributions(attr, motifs)
    for size in (1, 3, 64):
        chunked = attr.chunk(sequence=size)
        assert isinstance(chunked["attribution"].data, da.Array)
        assert scan_contributions(chunked, motifs).equals(expected)
    monkeypatch.setattr(sys.modules["mutua.tl.scan_contributions"], "_VALUE_BYTES", 10**5)
    assert scan_contributions(attr, motifs).equals(expected)
    backwards = scan_contributions(attr.isel(sequence=slice(None, None, -1)), motifs)
    back = sorted((59 - row, *rest) for row, *rest in rows(backwards))
    assert back == sorted(rows(expected))


def test_padding_and_unknown_letters() -> None:
    attr, _ = planted(n=30)
    motifs = motif_set()
    expected = scan_contributions(attr, motifs)
    padded = attr.pad(position=(9, 4), mode="constant",
                      constant_values={"codes": 255, "attribution": 0})  # fmt: skip
    padded = padded.assign(codes=padded["codes"].astype(np.uint8))
    moved = scan_contributions(padded, motifs)
    assert [(row, start - 9, *rest) for row, start, *rest in rows(moved)] == rows(expected)
    np.testing.assert_allclose(moved["score"], expected["score"], rtol=1e-5)
    row, start, *_ = rows(expected)[0]
    codes = attr["codes"].values.copy()
    codes[row, start : start + 8] = 254
    hidden = scan_contributions(attr.assign(codes=(("sequence", "position"), codes)), motifs)
    assert rows(expected)[0] not in rows(hidden)


def test_strands() -> None:
    attr, there = planted()
    motifs = motif_set()
    forward = scan_contributions(attr, motifs, stranded=True)
    assert (forward["strand"] == 1).all()
    assert {row for row in there if row[3] == 1} <= set(rows(forward))
    rna, there = planted(alphabet="RNA")
    hits = scan_contributions(rna, motif_set(alphabet="RNA"))
    assert (hits["strand"] == 1).all()
    assert there <= set(rows(hits))


def test_letters_of_motifs_may_stand_in_another_order() -> None:
    attr, _ = planted(n=20)
    motifs = motif_set()
    turned = mt.MotifSet.build(
        motifs["probability"].values, motif=IDS, alphabet="TGCA",
        contribution=motifs["contribution"].values[:, ::-1],
    )  # fmt: skip
    assert scan_contributions(attr, turned).equals(scan_contributions(attr, motifs))


def test_higher_penalties_leave_fewer_hits() -> None:
    attr, _ = planted()
    motifs = motif_set()
    numbers = [rows(scan_contributions(attr, motifs, penalty=x)) for x in (0.3, 0.7, 0.97)]
    assert len(numbers[0]) > len(numbers[1]) > len(numbers[2])
    one = scan_contributions(attr, motifs, penalty={"b": 1.0})
    assert set(one["motif_index"].values.tolist()) == {0, 2}


def test_what_takes_too_many_steps_is_told() -> None:
    attr, _ = planted()
    with pytest.warns(UserWarning, match=r"\d+ of 60 sequences have a duality gap above"):
        hits = scan_contributions(attr, motif_set(), max_steps=1, penalty=0.2)
    assert (hits["duality_gap"] > 1e-5).any()


def test_the_other_tools_take_the_hits() -> None:
    attr, there = planted()
    hits = scan_contributions(attr, motif_set())
    counts = mt.tl.count_annotations(hits)
    assert counts.shape == (60, 3)
    assert counts.X.sum() == hits.sizes["annotation"]
    few = mt.tl.filter_annotations(hits, score=float(hits["score"].median()),
                                   best_of_overlapping="all")  # fmt: skip
    assert 0 < few.sizes["annotation"] < hits.sizes["annotation"]
    assert {"similarity", "duality_gap"} <= set(few)
    assert mt.tl.pair_annotations(hits).sizes["pair"] > 0
    made = mt.tl.annotated_motifs(hits, attr)
    again = scan_contributions(attr, made)
    assert len(there & set(rows(again))) >= 0.9 * len(there)


def test_wrong_input_is_refused() -> None:
    attr, _ = planted(n=3)
    motifs = motif_set()
    with pytest.raises(InvalidInput, match=r"no 'contribution' matrices.*annotated_motifs"):
        scan_contributions(attr, motifs.drop_vars("contribution"))
    with pytest.raises(InvalidInput, match="no 'hypothetical' matrices"):
        scan_contributions(attr, motifs.drop_vars("hypothetical"), matrix="hypothetical")
    empty = cwms()
    empty[1] = 0
    with pytest.raises(InvalidInput, match="of 'b' is 0 everywhere"):
        scan_contributions(attr, motif_set(empty))
    with pytest.raises(InvalidInput, match="alphabet"):
        scan_contributions(attr, motif_set(alphabet="RNA"))
    with pytest.raises(InvalidInput, match="hypothetical=True"):
        scan_contributions(attr, motifs, letters="all")
    with pytest.raises(InvalidInput, match="are no motifs"):
        scan_contributions(attr, motifs, penalty={"d": 0.5})
    nan = attr["attribution"].copy()
    nan[1, 2, 5] = np.nan
    with pytest.raises(InvalidElement):
        scan_contributions(attr.assign(attribution=nan), motifs)
    with pytest.raises(InvalidInput, match="not finite at sequence 1, position 5"):
        scan_contributions(attr.assign(attribution=nan).chunk(sequence=2), motifs)
    for option, value in (
        ("penalty", 0), ("penalty", 1.5), ("penalty", {"a": -1.0}), ("matrix", "probability"),
        ("letters", "some"), ("trim", 2), ("tolerance", 0), ("max_steps", 0), ("device", "tpu"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match=option):
            scan_contributions(attr, motifs, **{option: value})


def test_no_warning_where_all_is_well() -> None:
    attr, _ = planted(n=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scan_contributions(attr, motif_set())
