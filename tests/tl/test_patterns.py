"""Patterns: what was planted is found, and what cannot be used is refused."""

import functools
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
import torch
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.models import Attributions, Dataset
from mutua.models.provenance import read_record
from mutua.tl import patterns

MOTIFS = ("AGATAAGGCA", "GCCACGTGAC", "TTTCCGGAAGTG")


class Planted(NamedTuple):
    attributions: Dataset[Attributions]
    spans: np.ndarray
    """(span, 4): sequence, motif, start, strand"""


def matrix(motif: str) -> np.ndarray:
    return np.array([[1.0 if letter == one else -0.3 for one in motif] for letter in "ACGT"])


def planted(
    n: int = 150,
    length: int = 150,
    *,
    seed: int = 0,
    noise: float = 0.02,
    hypothetical: bool = True,
    signs: tuple[int, ...] = (1, 1, 1),
    both_strands: bool = True,
    alphabet: str = "DNA",
) -> Planted:
    """Sequences half of which have each motif, somewhere in a third of theirs."""
    random = np.random.default_rng(seed)
    sequences = mt.pp.random_sequences(n, length=length, seed=seed)
    codes = sequences["codes"].values.copy()
    values = random.normal(0, noise, (n, 4, length))
    spans = []
    for row in range(n):
        for place, motif in enumerate(MOTIFS[: len(signs)]):
            if random.random() < 0.5:
                continue
            letters = np.array(["ACGT".index(one) for one in motif])
            part = length // len(signs)
            start = int(random.integers(place * part + 1, (place + 1) * part - 13))
            other = random.random(len(letters)) < 0.1
            letters[other] = random.integers(0, 4, other.sum())
            says, strand = matrix(motif), 1
            if both_strands and random.random() < 0.5:
                letters, says, strand = 3 - letters[::-1], says[::-1, ::-1], -1
            there = slice(start, start + len(letters))
            codes[row, there] = letters
            values[row, :, there] += signs[place] * says * random.uniform(0.15, 0.45)
            spans.append((row, place, start, strand))
    codes_part = (("sequence", "position"), codes)
    sequences = mt.SequenceSet.build(sequences.assign(codes=codes_part)["codes"].values,
                                     alphabet=alphabet)  # fmt: skip
    if not hypothetical:
        values = values * np.asarray(mt.pp.one_hot(sequences))
    facts = {"target": "signal", "method": "made up", "hypothetical": hypothetical}
    made = Attributions.build(sequences, attribution=values.astype(np.float32), **facts)
    return Planted(made, np.array(spans))


small = functools.cache(planted)


def likeness(motifs: xr.Dataset, place: int, motif: str, *, stranded: bool = False) -> float:
    """Correlation of a CWM with that of a plant where it is best, the plant's letters only."""
    wanted = np.where(matrix(motif) == 1, 1.0, 0.0)
    width = int(motifs["length"][place])
    cwm = int(motifs["sign"][place]) * motifs["contribution"].values[place, :, :width]
    pad = np.random.default_rng(0).normal(0, 1e-9, (4, wanted.shape[1]))
    wide = np.concatenate([pad, cwm, pad], axis=1)
    strands = [wanted] if stranded else [wanted, wanted[::-1, ::-1]]
    return max(
        np.corrcoef(wide[:, at : at + wanted.shape[1]].ravel(), turned.ravel())[0, 1]
        for turned in strands
        for at in range(wide.shape[1] - wanted.shape[1])
    )


def covered(found: xr.Dataset, spans: np.ndarray) -> np.ndarray:
    """Which seqlets overlap a plant by half of it."""
    plant = {tuple(row[[0, 2]]): len(MOTIFS[row[1]]) for row in spans}
    columns = (found[name].values.tolist() for name in ("sequence_index", "start", "end"))
    return np.array([
        any(min(end, at + width) - max(start, at) >= width / 2
            for (one, at), width in plant.items() if one == row)
        for row, start, end in zip(*columns, strict=True)
    ])  # fmt: skip


def check_recovery(made: Planted, found, *, extra: int = 1) -> None:
    motifs = found.motifs
    n = motifs.sizes["motif"]
    assert 3 <= n <= 3 + extra
    for motif in MOTIFS:
        assert max(likeness(motifs, place, motif) for place in range(n)) > 0.9
    assert covered(found.seqlets, made.spans).mean() >= 0.8
    assert len(found.seqlets["start"]) >= 0.8 * len(made.spans)


@pytest.mark.parametrize("hypothetical", [True, False])
@pytest.mark.parametrize("density", ["tsne", "lite"])
def test_planted_motifs_are_found(hypothetical: bool, density: str) -> None:
    made = small(hypothetical=hypothetical)
    check_recovery(made, patterns(made.attributions, density=density))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_motifs_are_found_among_many_letters(seed: int) -> None:
    made = planted(1000, 200, seed=seed)
    check_recovery(made, patterns(made.attributions))


def test_motifs_are_what_the_seqlets_say() -> None:
    made = small()
    found = patterns(made.attributions)
    motifs, seqlets = found
    assert motifs["motif"].values.tolist()[:3] == ["pos_0", "pos_1", "pos_2"]
    assert seqlets["motif"].values.tolist() == motifs["motif"].values.tolist()
    n_sites = motifs["n_sites"].values
    assert (np.diff(n_sites) <= 0).all()
    counts = np.bincount(seqlets["motif_index"], minlength=len(n_sites))
    assert counts.tolist() == n_sites.tolist()
    # The same letters and attributions, laid over each other by another function.
    own = mt.tl.annotated_motifs(seqlets, made.attributions)
    np.testing.assert_allclose(own["probability"], motifs["probability"], atol=1e-6)
    one_hot = np.asarray(mt.pp.one_hot(made.attributions))
    projected = made.attributions.assign(
        attribution=made.attributions["attribution"] * one_hot.astype(np.float32)
    )
    means = mt.tl.annotated_motifs(seqlets, projected)["contribution"]
    np.testing.assert_allclose(means, motifs["contribution"], atol=1e-5)
    every = mt.tl.annotated_motifs(seqlets, made.attributions)["contribution"]
    assert motifs["hypothetical"].dims == every.dims
    row, start, end = (seqlets[name].values for name in ("sequence_index", "start", "end"))
    for place in range(0, len(row), 7):
        inside = slice(start[place], end[place])
        total = projected["attribution"].values[row[place], :, inside].sum()
        assert abs(total - seqlets["attribution"].values[place]) < 1e-4
    places = list(zip(row, start, end, strict=True))
    assert places == sorted(places)


def test_hypothetical_contributions_need_hypothetical_attributions() -> None:
    assert "hypothetical" in patterns(small().attributions).motifs
    assert "hypothetical" not in patterns(small(hypothetical=False).attributions).motifs


def test_both_elements_say_how_they_were_made() -> None:
    attributions = small().attributions
    before = attributions.copy(deep=True)
    found = patterns(attributions, seed=3)
    assert attributions.identical(before)
    for element, kind in ((found.motifs, "MotifSet"), (found.seqlets, "Annotations")):
        record = read_record(element)
        assert record is not None
        assert record["kind"] == kind
        assert record["steps"][-1]["function"].endswith("patterns")
        assert record["steps"][-1]["seed"] == 3
    assert isinstance(found, mt.tl.Patterns)


def test_turned_attributions_turn_the_signs() -> None:
    made = small(signs=(1, -1, 1))
    attributions = made.attributions
    found = patterns(attributions, fdr=0.99)
    turned = patterns(attributions.assign(attribution=-attributions["attribution"]), fdr=0.99)
    names = found.motifs["motif"].values.tolist()
    assert {name[:3] for name in names} == {"pos", "neg"}
    swap = {"pos": "neg", "neg": "pos"}
    for name in names:
        one = found.motifs.sel(motif=name)
        other = turned.motifs.sel(motif=f"{swap[name[:3]]}{name[3:]}")
        width = int(one["length"])
        assert int(other["length"]) == width
        assert int(other["sign"]) == -int(one["sign"])
        for part, factor in (("probability", 1), ("contribution", -1), ("hypothetical", -1)):
            values = factor * other[part].values[:, :width]
            assert np.array_equal(one[part].values[:, :width], values)


def test_on_one_strand_reverse_complements_are_patterns_of_their_own() -> None:
    made = planted(300, 60, signs=(1,), seed=2)
    attributions = made.attributions
    free = patterns(attributions)
    assert (free.seqlets["strand"] == -1).any()
    found = patterns(attributions, stranded=True)
    assert (found.seqlets["strand"] == 1).all()
    turned = "".join("ACGT"[3 - "ACGT".index(one)] for one in MOTIFS[0][::-1])
    best = [
        [likeness(found.motifs, place, motif, stranded=True) for motif in (MOTIFS[0], turned)]
        for place in range(found.motifs.sizes["motif"])
    ]
    assert (np.max(best, axis=0) > 0.9).all()
    assert np.max(best, axis=1).min() > 0.8 > np.min(best, axis=1).max()
    assert free.motifs.sizes["motif"] < found.motifs.sizes["motif"]


def test_perfect_copies_make_one_pattern() -> None:
    made = small()
    attributions = made.attributions.isel(sequence=np.repeat(made.spans[0, 0], 60))
    values = np.zeros(attributions["attribution"].shape, np.float32)
    codes = attributions["codes"].values.copy()
    values[:, :, 40:50] = matrix(MOTIFS[0])
    codes[:, 40:50] = ["ACGT".index(one) for one in MOTIFS[0]]
    attributions = Attributions.build(
        codes, alphabet="DNA", attribution=values, target="t", method="m", hypothetical=True
    )
    for density in ("tsne", "lite"):
        found = patterns(attributions, density=density)
        assert found.motifs["n_sites"].values.tolist() == [60]
        assert likeness(found.motifs, 0, MOTIFS[0]) > 0.999
        assert found.motifs["length"].values.tolist() == [10]
        assert found.seqlets["start"].values.tolist() == [40] * 60
        assert found.seqlets["end"].values.tolist() == [50] * 60


def test_of_too_many_seqlets_the_strongest_are_kept() -> None:
    attributions = small().attributions.copy(deep=True)
    strong = np.arange(150) >= 60
    attributions["attribution"] *= np.where(strong, 3, 1)[:, None, None].astype(np.float32)
    found = patterns(attributions, max_seqlets=100)
    assert len(found.seqlets["start"]) <= 100
    assert (found.seqlets["sequence_index"] >= 60).mean() > 0.95


def test_seqlets_of_the_user_are_used() -> None:
    made = small()
    given = mt.tl.seqlets(made.attributions, threshold=0.005, min_length=6)
    check_recovery(made, patterns(made.attributions, seqlets=given))
    few = given.isel(annotation=slice(10))
    with pytest.warns(UserWarning, match=r"are less than min_sites=20$"):
        assert patterns(made.attributions, seqlets=few).motifs.sizes["motif"] == 0


def test_seqlets_near_an_end_are_within_their_sequence() -> None:
    attributions = planted(300, 31, signs=(1,), seed=1).attributions
    found = patterns(attributions).seqlets
    assert len(found["start"]) > 80
    # Windows of 21 and flanks of 10 would not fit into 31 letters.
    assert found["start"].values.min() < 5
    assert found["end"].values.max() > 26
    assert (found["end"] <= 31).all()


def test_unknown_letters_are_no_letters() -> None:
    made = small()
    codes = made.attributions["codes"].values.copy()
    codes[:, 75] = 254
    codes[:20, 130:] = 255
    values = made.attributions["attribution"].values.copy()
    values[:, :, 75] = 9
    attributions = Attributions.build(
        codes, alphabet="DNA", attribution=values, target="t", method="m", hypothetical=True
    )
    found = patterns(attributions)
    assert found.motifs.sizes["motif"] >= 3
    assert np.abs(found.motifs["contribution"].values).max() < 1
    row, end = (found.seqlets[name].values for name in ("sequence_index", "end"))
    assert (end[row < 20] <= 130).all()


def test_letters_of_other_alphabets() -> None:
    rna = patterns(planted(alphabet="RNA").attributions, stranded=True)
    assert rna.motifs.attrs["alphabet"] == "ACGU"
    assert (rna.seqlets["strand"] == 1).all()
    made = small(both_strands=False)
    values = made.attributions["attribution"].values
    few = Attributions.build(
        made.attributions["codes"].values,
        alphabet="wxyz",
        attribution=values,
        target="t",
        method="m",
        hypothetical=True,
    )
    found = patterns(few)
    assert (found.seqlets["strand"] == 1).all()
    assert found.motifs.sizes["motif"] >= 3


@pytest.mark.slow
def test_the_same_seed_gives_the_same_whatever_threads_and_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attributions = small().attributions
    monkeypatch.setattr(mt.settings, "threads", 1)
    expected = patterns(attributions, seed=5)
    monkeypatch.setattr(mt.settings, "threads", 3)
    for given in (attributions, attributions.chunk(sequence=41)):
        found = patterns(given, seed=5)
        for one, other in zip(found, expected, strict=True):
            assert one.equals(other)


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_the_way_of_a_gpu_gives_the_same_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    attributions = planted(60, 70, hypothetical=False, seed=2, signs=(1, 1)).attributions
    near = {"n_neighbors": 9, "window": 12, "flank": 3, "min_sites": 8}
    expected = patterns(attributions, **near, device="cpu")
    for where in ("seqlet_similarity", "seqlet_kmers"):
        monkeypatch.setattr(
            f"mutua.kernels.{where}.torch_gpu",
            lambda device, **_: "cpu" if device == "cuda" else None,
        )
    found = patterns(attributions, **near, device="cuda")
    assert found.motifs.sizes["motif"] > 1
    for one, other in zip(found, expected, strict=True):
        assert one.equals(other)
    arguments = read_record(found.motifs)["steps"][-1]["arguments"]
    assert arguments["device"] == "cuda"


@pytest.mark.gpu
def test_a_gpu_gives_the_same_patterns() -> None:
    """Some 5,000 seqlets."""
    attributions = planted(3000, 200).attributions
    expected, found = (patterns(attributions, device=device) for device in ("cpu", "cuda"))
    assert found.motifs.sizes["motif"] > 2
    for one, other in zip(found, expected, strict=True):
        assert one.equals(other)


def empty_of(attributions: Dataset[Attributions], message: str | None) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = patterns(attributions)
    said = [str(one.message) for one in caught if one.filename == __file__]
    assert len(said) == (message is not None)
    assert all(re.match(message or "", one) for one in said), said
    assert found.motifs.sizes["motif"] == 0
    assert found.seqlets.sizes["annotation"] == 0
    mt.MotifSet.check(found.motifs)


def test_nothing_gives_nothing() -> None:
    attributions = small().attributions
    none = "no patterns: 0 seqlets of positive and 0 of negative attribution are less than min_sit"
    empty_of(attributions.isel(sequence=slice(0)), None)
    empty_of(attributions.assign(attribution=0 * attributions["attribution"]), none)
    few = r"no patterns: \d seqlets of positive and \d of .* are less than min_sites=20$"
    empty_of(attributions.isel(sequence=slice(1)), few)
    unknown = xr.full_like(attributions["codes"], 254)
    empty_of(attributions.assign(codes=unknown), none)


def test_too_few_sites_are_said() -> None:
    with pytest.warns(UserWarning, match=r"have none of 140 sites or more .min_sites=. that say "):
        patterns(small().attributions, min_sites=140)


def test_of_sequences_with_little_room_one_is_told_what_to_do() -> None:
    """Half of each sequence, and with smaller windows there are patterns."""
    made = planted(90, 53, signs=(1,), seed=4, hypothetical=False)
    codes = made.attributions["codes"].values
    noise = np.random.default_rng(0).normal(size=codes.shape)
    meant = mt.pp.one_hot(made.attributions) * noise[:, None]
    with pytest.warns(
        UserWarning,
        match=r"no patterns: .*\. Sequences of 53 letters leave little room for seqlets of 41 .win"
        r"dow= \+ 2 flank=. and patterns of 50 .width= \+ 2 extension=.: use smaller ones, such as",
    ):
        nothing = patterns(made.attributions.assign(
            attribution=made.attributions["attribution"].copy(data=meant.astype(np.float32))
        ))  # fmt: skip
    assert nothing.motifs.sizes["motif"] == 0
    smaller = {"window": 9, "flank": 4, "width": 12, "extension": 3}
    found = patterns(made.attributions, **smaller)
    assert likeness(found.motifs, 0, MOTIFS[0]) > 0.9


def test_one_sign_alone() -> None:
    attributions = small(hypothetical=False).attributions
    for sign, name in ((1, "pos_0"), (-1, "neg_0")):
        one = attributions.assign(attribution=sign * np.abs(attributions["attribution"]))
        found = patterns(one)
        assert found.motifs["motif"].values[0] == name
        assert (found.motifs["sign"] == sign).all()


def test_what_is_refused() -> None:
    attributions = small().attributions
    with pytest.raises(InvalidInput, match="sequences of 20 letters"):
        patterns(attributions.isel(position=slice(20)))
    values = attributions["attribution"].copy(deep=True)
    values[7, 2, :] = np.nan
    for bad in (values, values.fillna(np.inf)):
        with pytest.raises((InvalidInput, InvalidElement), match=r"finite|null|NaN"):
            patterns(attributions.assign(attribution=bad))
    with pytest.raises(InvalidElement, match="codes"):
        patterns(attributions.drop_vars("codes"))
    with pytest.raises(InvalidElement, match="attribution"):
        patterns(mt.pp.random_sequences(3, length=50))
    given = mt.tl.seqlets(attributions, threshold=1e-4)
    with pytest.raises(InvalidInput, match="`seqlets`"):
        patterns(attributions.isel(sequence=slice(149)), seqlets=given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("density", "dense"), ("stranded", "yes"), ("window", 0), ("flank", -1), ("fdr", 1.5),
        ("min_fraction", 0.5), ("max_seqlets", 0), ("n_neighbors", 0), ("perplexity", 0.5),
        ("n_starts", 0), ("min_sites", 1), ("width", 0), ("extension", -1), ("trim", 2),
        ("device", "tpu"), ("seed", -1),
    ],
)  # fmt: skip
def test_options_out_of_range(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name):
        patterns(small().attributions, **{name: value})


def test_trim_keeps_the_ends() -> None:
    attributions = small().attributions
    whole = patterns(attributions, trim=0, width=20, extension=4)
    assert (whole.motifs["length"] == 28).all()
    assert (patterns(attributions).motifs["length"][:3] <= 14).all()


def test_a_single_motif_does_not_vanish() -> None:
    made = planted(200, 80, signs=(1,), seed=4)
    found = patterns(made.attributions)
    # All seqlets are about equally alike, and in which order is noise.
    assert found.motifs["n_sites"].values[0] > 0.9 * len(made.spans)
    assert likeness(found.motifs, 0, MOTIFS[0]) > 0.95
