"""Verbs of sequences give on a cluster what they give in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.kernels.devices import simulated
from mutua.kernels.pair_engine import check_memory
from mutua.kernels.sequence_blocks import PositionTask
from mutua.tl import _counting, _position_workers

N, LENGTH = 1500, 23
MIB = 2**20


@pytest.fixture(autouse=True)
def _settings_as_before() -> Iterator[None]:
    before = mt.settings.memory
    yield
    mt.settings.memory = before


@pytest.fixture(scope="module")
def sequences() -> xr.Dataset:
    rng = np.random.default_rng(0)
    made = mt.pp.random_sequences(N, length=LENGTH, seed=1)
    made = mt.pp.embed_motifs(made, ["GATAAG", "TTGCAT"], position=3, spacings=4, fraction=0.4)
    codes = made["codes"].values.copy()
    codes[rng.random((N, LENGTH)) < 0.01] = 254
    return made.assign(codes=(("sequence", "position"), codes))


@pytest.fixture(scope="module")
def motifs() -> xr.Dataset:
    names = ["GATAAG", "TTGCAT", "CACGTG", "TGACTCA"]
    rng = np.random.default_rng(3)
    others = ["".join(rng.choice(list("ACGT"), 6)) for _ in range(30)]
    return mt.MotifSet.build(dict(zip(map(str, range(34)), names + others, strict=True)))


def chunked(element: xr.Dataset, **chunks: Any) -> xr.Dataset:
    return element.chunk(chunks or {"sequence": (400, 1, 699, 400), "position": 9})


def lethal(element: xr.Dataset, deadly: Any, row: int) -> xr.Dataset:
    """Chunk a set so that whoever computes the chunk of a row dies, once."""
    lazy = element.chunk(sequence=211)
    codes = lazy["codes"].data.map_blocks(deadly, dtype=np.uint8)
    return lazy.assign(codes=(("sequence", "position"), codes))


def assert_same(found: xr.Dataset, wanted: xr.Dataset) -> None:
    assert set(found.variables) == set(wanted.variables)
    for name in wanted.variables:
        if name == "score":  # added up in the order that a compiler of fast mathematics chose
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-13, atol=1e-13)
        else:
            np.testing.assert_array_equal(
                found[name].values, wanted[name].values, err_msg=str(name)
            )


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Passes over the sequences that were counted on workers, with the pairs of each."""
    seen: list[int] = []
    inside = _position_workers._WorkerBlocks._pass

    def watched(self: Any, task: Any, job: Any, *args: Any) -> Any:
        seen.append(job.n_tables)
        return inside(self, task, job, *args)

    monkeypatch.setattr(_position_workers._WorkerBlocks, "_pass", watched)
    return seen


POSITION_MI = {
    "plain": {"k": 2, "pseudocount": 0.0, "correction": "miller_madow"},
    "gaps": {"k": 1, "gap": "symbol", "normalize": True, "correction": "apc"},
    "permuted": {"k": 1, "n_permutations": 11, "seed": 3},
}


@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("options", POSITION_MI.values(), ids=POSITION_MI)
@pytest.mark.filterwarnings("ignore:permutations treat sequences as independent")
def test_position_mi(
    client: Any, sequences: xr.Dataset, counted: list[int], options: Any, weighted: bool
) -> None:
    if weighted:
        weight = np.random.default_rng(2).random(N) + 0.1
        sequences = sequences.assign(weight=("sequence", weight))
    wanted = mt.tl.position_mi(sequences, **options)
    assert not counted
    assert_same(mt.tl.position_mi(chunked(sequences), **options), wanted)
    assert len(counted) == 1 + ("n_permutations" in options)


@pytest.mark.parametrize("n_permutations", [0, pytest.param(3, marks=pytest.mark.slow)])
def test_position_mi_in_several_passes_and_blocks(
    client: Any,
    sequences: xr.Dataset,
    counted: list[int],
    monkeypatch: pytest.MonkeyPatch,
    n_permutations: int,
) -> None:
    monkeypatch.setattr(_counting.SequenceBlocks, "__init__", smaller_blocks(260))
    wanted = mt.tl.position_mi(sequences, k=3, n_permutations=n_permutations)
    monkeypatch.setattr(_position_workers, "tables_budget", lambda task: 2 * 80 * 4 * 64**2)
    monkeypatch.setattr(_position_workers, "resident_bytes", lambda task: mt.settings.memory)
    assert_same(mt.tl.position_mi(chunked(sequences), k=3, n_permutations=n_permutations), wanted)
    passes = 1 + (1 + n_permutations if n_permutations else 0)
    assert counted == [80, 80, 11] * passes  # 19 * 18 / 2 pairs


def smaller_blocks(size: int) -> Any:
    made = _counting.SequenceBlocks.__init__
    return lambda self, codes, gap_code, block_size=size: made(self, codes, gap_code, size)


@pytest.mark.parametrize(
    ("room", "weighted"),
    [
        pytest.param(False, True, id="tables-weighted"),
        pytest.param(True, True, id="whole-weighted", marks=pytest.mark.slow),
        pytest.param(True, False, id="whole", marks=pytest.mark.slow),
        pytest.param(False, False, id="tables", marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore:permutations treat sequences as independent")
@pytest.mark.skipif(not simulated(), reason="both workers would share a GPU")
def test_position_mi_on_the_gpus_of_workers(
    client: Any,
    sequences: xr.Dataset,
    counted: list[int],
    monkeypatch: pytest.MonkeyPatch,
    weighted: bool,
    room: bool,
) -> None:
    few = sequences.isel(sequence=slice(70), position=slice(6))
    if weighted:
        few = few.assign(weight=("sequence", np.random.default_rng(2).random(70) + 0.1))
    monkeypatch.setattr(_counting.SequenceBlocks, "__init__", smaller_blocks(40))
    options: Any = {"k": 1, "n_permutations": 3, "seed": 3}
    wanted = mt.tl.position_mi(few, device="cpu", **options)
    if not room:
        monkeypatch.setattr(_position_workers, "resident_bytes", lambda task: mt.settings.memory)
    found = mt.tl.position_mi(few.chunk(sequence=30), device="cuda", **options)
    assert counted == [15] * (2 if room else 5)
    assert_same(found, wanted)


def test_position_mi_after_a_worker_was_killed(
    client: Any,
    sequences: xr.Dataset,
    counted: list[int],
    deadly: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the middle of a run, when its tables are already filled in part."""
    monkeypatch.setattr(_counting.SequenceBlocks, "__init__", smaller_blocks(200))
    kills = deadly(row=600)
    found = mt.tl.position_mi(lethal(sequences, kills, 600), k=2)
    assert kills.has_killed
    assert counted
    assert_same(found, mt.tl.position_mi(sequences, k=2))


@pytest.mark.slow
def test_what_needs_too_many_passes_is_counted_by_the_caller(
    client: Any, sequences: xr.Dataset, counted: list[int]
) -> None:
    found = mt.tl.position_mi(chunked(sequences), k=6)
    assert not counted
    assert_same(found, mt.tl.position_mi(sequences, k=6))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("memory", [2 * MIB, 64 * MIB])
def test_the_tables_of_a_worker_fit_into_memory_twice(memory: int, weighted: bool) -> None:
    mt.settings.memory = memory
    weights = np.ones(10**4) if weighted else None
    task = PositionTask(_position_workers._Shape(10**4, 80, 10**4), 3, 4, 5.0, weights)
    check_memory(task)
    n_tables = _position_workers._n_tables(task, weighted)
    assert 0 < 2 * n_tables * 64**2 * (8 if weighted else 4) <= memory
    assert n_tables <= task.n_pairs


def test_scan(client: Any, sequences: xr.Dataset, motifs: xr.Dataset) -> None:
    wanted = mt.tl.scan(sequences, motifs, p_threshold=1e-3)
    assert wanted.sizes["annotation"] > 400
    mt.settings.memory = 2**20  # several chunks go together, and are scanned in several blocks
    assert_same(mt.tl.scan(chunked(sequences), motifs, p_threshold=1e-3), wanted)


def test_scan_of_attributions(client: Any, sequences: xr.Dataset, motifs: xr.Dataset) -> None:
    values = np.random.default_rng(5).normal(size=(N, 4, LENGTH)).astype(np.float32)
    explained = mt.Attributions.build(
        sequences, attribution=values, letter=list("ACGT"), target="x", method="m",
        hypothetical=True,
    )  # fmt: skip
    wanted = mt.tl.scan(explained, motifs, p_threshold=1e-3)
    assert "attribution_max" in wanted
    assert_same(mt.tl.scan(chunked(explained), motifs, p_threshold=1e-3), wanted)


@pytest.mark.slow
def test_scan_after_a_worker_was_killed(
    client: Any, sequences: xr.Dataset, motifs: xr.Dataset, deadly: Any
) -> None:
    kills = deadly(row=900)
    found = mt.tl.scan(lethal(sequences, kills, 900), motifs, p_threshold=1e-3)
    assert kills.has_killed
    assert_same(found, mt.tl.scan(sequences, motifs, p_threshold=1e-3))


def short_spans(n: int = 300) -> xr.Dataset:
    rng = np.random.default_rng(4)
    start = rng.integers(0, 10, n)
    return mt.Annotations.build(
        sequence_index=np.arange(n), start=start, end=start + rng.integers(5, 9, n),
        sequence_length=np.full(N, LENGTH), source="user",
    )  # fmt: skip


def test_annotate(
    client: Any, sequences: xr.Dataset, motifs: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = short_spans()
    with monkeypatch.context() as patched:  # first, so that workers find it compiled
        patched.setattr("mutua.tl.annotation.current_client", lambda: None)
        wanted = mt.tl.annotate(spans, motifs, sequences=sequences, n_nearest=2)
    lazy = spans.chunk(annotation=70), chunked(sequences)
    found = mt.tl.annotate(lazy[0], motifs, sequences=lazy[1], n_nearest=2)
    assert_same(found, wanted)


@pytest.mark.slow
def test_annotate_after_a_worker_was_killed(
    client: Any, sequences: xr.Dataset, motifs: xr.Dataset, deadly: Any
) -> None:
    kills, spans = deadly(row=200), short_spans()
    found = mt.tl.annotate(spans, motifs, sequences=lethal(sequences, kills, 200))
    assert kills.has_killed
    assert_same(found, mt.tl.annotate(spans, motifs, sequences=sequences))


class Letters:
    """A model that tells who has unpickled it, and under which settings it runs."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state
        with self.log.open("a") as file:
            file.write(f"{os.getpid()}\n")

    def __call__(self, texts: list[str]) -> np.ndarray:
        counts = [text.count("A") for text in texts]
        told = [mt.settings.memory, mt.settings.threads or 0, mt.settings.device == "cpu"]
        return np.array([[count, *told] for count in counts], np.float32)


@pytest.mark.slow
def test_predict_sends_the_model_once_and_runs_under_the_settings_of_the_caller(
    client: Any, sequences: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.touch()
    lazy = mt.tl.predict(sequences.chunk(sequence=100), Letters(log), encoding="text")
    monkeypatch.setattr(mt.settings, "memory", 3 * MIB)
    monkeypatch.setattr(mt.settings, "device", "cpu")
    values = lazy["prediction"].values
    assert len(values) == N
    np.testing.assert_array_equal(values[:, 0], (sequences["codes"] == 0).sum("position"))
    np.testing.assert_array_equal(values[:, 1:], np.tile([3 * MIB, 1, 1], (N, 1)))
    workers = [pid for pid in log.read_text().split() if int(pid) != os.getpid()]
    assert 0 < len(workers) < 15  # made from its pickle once or twice a worker, not once a chunk


@pytest.mark.slow
def test_attribute(client: Any, sequences: xr.Dataset) -> None:
    model = mt.datasets.splice_acceptor()
    whole = mt.pp.random_sequences(37, length=53, seed=2)
    lazy = mt.tl.attribute(whole.chunk(sequence=13), model, n_references=2, seed=1)
    wanted = mt.tl.attribute(whole, model, n_references=2, seed=1)
    np.testing.assert_allclose(lazy["attribution"], wanted["attribution"], atol=1e-5)


@pytest.mark.slow
def test_predict_and_attribute_after_a_worker_was_killed(
    client: Any, sequences: xr.Dataset, deadly: Any, tmp_path: Path
) -> None:
    model = mt.datasets.splice_acceptor()
    whole = mt.pp.random_sequences(37, length=53, seed=2)

    def dying(row: int, folder: Path) -> tuple[Any, xr.Dataset]:
        folder.mkdir()
        kills = type(deadly(0))(folder / "killed", row)
        codes = whole.chunk(sequence=13)["codes"].data.map_blocks(kills, dtype=np.uint8)
        return kills, whole.chunk(sequence=13).assign(codes=(("sequence", "position"), codes))

    kills, lethal_codes = dying(30, tmp_path / "predict")
    found = mt.tl.predict(lethal_codes, model)["prediction"].values
    assert kills.has_killed
    np.testing.assert_allclose(found, mt.tl.predict(whole, model)["prediction"], atol=1e-6)
    kills, lethal_codes = dying(30, tmp_path / "attribute")
    found = mt.tl.attribute(lethal_codes, model, method="saliency")["attribution"].values
    assert kills.has_killed
    wanted = mt.tl.attribute(whole, model, method="saliency")["attribution"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def refuses(texts: list[str]) -> list[float]:
    if "AAAAAAAAAA" in texts:
        raise ZeroDivisionError("no such sequence")
    return [0.0] * len(texts)


@pytest.mark.slow
def test_an_error_names_the_chunk(client: Any) -> None:
    texts = ["CCCCCCCCCC"] * 10 + ["AAAAAAAAAA"] + ["CCCCCCCCCC"] * 6
    seqs = mt.from_strings(texts).chunk(sequence=4)
    lazy = mt.tl.predict(seqs, refuses, encoding="text")
    with pytest.raises(ZeroDivisionError, match="no such") as caught:
        lazy["prediction"].values
    assert "in the chunk of rows 8 to 11" in caught.value.__notes__


def test_an_error_of_a_task_says_which(client: Any, sequences: xr.Dataset) -> None:
    def broken(block: np.ndarray) -> np.ndarray:
        raise OSError("disk is gone")

    codes = chunked(sequences)["codes"].data.map_blocks(broken, dtype=np.uint8)
    lazy = sequences.assign(codes=(("sequence", "position"), codes))
    with pytest.raises(OSError, match="disk is gone") as caught:
        mt.tl.position_mi(lazy, k=1)
    assert any("position_mi, on a worker" in note for note in caught.value.__notes__)
