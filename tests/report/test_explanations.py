"""Which k-mers a click shows, and what it says where there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput, MemoryLimit
from mutua.report import write_report
from mutua.report.explanations import strongest_pairs
from mutua.report.heatmap import encode
from tests.report.examples import sequences, study
from tests.report.reading import Page, decode


class Recorder:
    """Explains, and keeps what it was called with."""

    def __init__(self, error: Exception | None = None, after: int = 0) -> None:
        self.calls: list[tuple[xr.Dataset, int, int, dict[str, Any]]] = []
        self.error, self.after = error, after

    def __call__(self, seqs: xr.Dataset, i: int, j: int, **options: Any) -> xr.Dataset:
        self.calls.append((seqs, i, j, options))
        if self.error is not None and len(self.calls) > self.after:
            raise self.error
        return mt.tl.explain_pair(seqs, i, j, **options)


def explained(folder: Path, elements: dict[str, Any], **options: Any) -> dict[str, Any]:
    path = write_report(mt.Analysis(elements), folder / "report.html", **options)
    return Page(path).explained("mi")


def test_arguments_of_the_record_are_passed_on(tmp_path: Path) -> None:
    seqs = sequences().assign(weight=("sequence", np.linspace(0, 1, 400)))
    seqs = mt.SequenceSet.build(seqs)
    mi = mt.tl.position_mi(seqs, k=1, pseudocount=0.5, gap="symbol", weighted=True)
    record = Recorder()
    found = explained(tmp_path, {"seqs": seqs, "mi": mi}, explain=record, n_explained=3)
    wanted = {"k": 1, "pseudocount": 0.5, "weighted": True, "gap": "symbol"}
    assert [options for *_, options in record.calls] == [wanted] * 3
    assert len(found["pairs"]) == 3
    assert found["reason"] == ""
    assert found["code"] == (
        'mutua.tl.explain_pair(study["seqs"], {i}, {j}, '
        "k=1, pseudocount=0.5, weighted=True, gap='symbol')"
    )


def test_the_right_set_among_several(tmp_path: Path) -> None:
    seqs, other = sequences(), mt.pp.random_sequences(50, length=14, seed=9)
    record = Recorder()
    elements = {"other": other, "seqs": seqs, "mi": study()["promoters_mi"]}
    explained(tmp_path, elements, explain=record, n_explained=1)
    np.testing.assert_array_equal(record.calls[0][0]["codes"].values, seqs["codes"].values)
    best = study()["promoters_mi"]["mi"].sel(position_i=record.calls[0][1]).max()
    assert best == study()["promoters_mi"]["mi"].max()


@pytest.mark.parametrize(
    ("elements", "explain", "reason", "call"),
    [
        ({"seqs": None}, None, "written without k-mers", 'study["seqs"]'),
        ({}, mt.tl.explain_pair, "are not in this analysis", "sequences"),
        ({"edited": None}, mt.tl.explain_pair, "are not in this analysis", "sequences"),
    ],
)
def test_why_there_are_none(
    tmp_path: Path, elements: dict[str, None], explain: Any, reason: str, call: str
) -> None:
    sets = {"seqs": sequences(), "edited": sequences().isel(sequence=slice(100))}
    chosen = {name: sets[name] for name in elements}
    found = explained(tmp_path, {**chosen, "mi": study()["promoters_mi"]}, explain=explain)
    assert reason in found["reason"]
    assert found["pairs"] == {}
    assert found["code"].startswith(f"mutua.tl.explain_pair({call}, {{i}}, {{j}}, k=2")


def test_values_that_mutua_did_not_compute(tmp_path: Path) -> None:
    mi = study()["promoters_mi"]
    supplied = mt.PositionMI.build(mi)
    found = explained(tmp_path, {"mi": supplied}, explain=mt.tl.explain_pair)
    assert "made by PositionMI.build" in found["reason"]
    edited = mi.assign(mi=mi["mi"] * 2)
    found = explained(tmp_path, {"s": sequences(), "mi": edited}, explain=mt.tl.explain_pair)
    assert "it was edited" in found["reason"]


def test_too_many_kmers(tmp_path: Path) -> None:
    limit = MemoryLimit("k", "9 makes a large table", "use k <= 5")
    elements = {"seqs": sequences(), "mi": study()["promoters_mi"]}
    found = explained(tmp_path, elements, explain=Recorder(limit))
    assert "9 makes a large table. Use k <= 5" in found["reason"]


def test_a_pair_that_cannot_be_explained(tmp_path: Path) -> None:
    error = InvalidInput("sequences", "none has both k-mers known", "use other positions")
    elements = {"seqs": sequences(), "mi": study()["promoters_mi"]}
    found = explained(tmp_path, elements, explain=Recorder(error, after=1), n_explained=2)
    first, second = found["pairs"].values()
    assert first["rows"]
    assert "none has both k-mers known" in second["reason"]


def test_what_explain_gives_is_checked(tmp_path: Path) -> None:
    elements = {"seqs": sequences(), "mi": study()["promoters_mi"]}
    with pytest.raises(InvalidElement, match="the result of `explain`"):
        explained(tmp_path, elements, explain=lambda *_, **__: xr.Dataset())


def test_nothing_is_computed_for_none(tmp_path: Path) -> None:
    record = Recorder()
    elements = {"seqs": sequences(), "mi": study()["promoters_mi"]}
    found = explained(tmp_path, elements, explain=record, n_explained=0)
    assert record.calls == []
    assert found["pairs"] == {}


def test_lazy_sequences_are_read_once(tmp_path: Path) -> None:
    seqs = sequences()
    mi = mt.tl.position_mi(seqs, k=2)
    mt.Analysis({"seqs": seqs, "mi": mi}).write(tmp_path / "study.zarr")
    record = Recorder()
    write_report(mt.open(tmp_path / "study.zarr"), tmp_path / "r.html", explain=record)
    assert len(record.calls) == 66  # 12 * 11 / 2 pairs that do not overlap, of 13 positions
    assert all(isinstance(call[0]["codes"].variable._data, np.ndarray) for call in record.calls)


def test_strongest_pairs() -> None:
    first = np.array([[np.nan, 3, 1], [3, np.nan, np.inf], [1, np.inf, np.nan]])
    second = np.array([[np.nan, 1, 9], [1, np.nan, 2], [9, 2, np.nan]])
    both = xr.Dataset({"a": (("i", "j"), first), "b": (("i", "j"), second)})
    assert strongest_pairs(both, ["a"], 5) == [(0, 1), (0, 2)]
    assert strongest_pairs(both, ["a", "b"], 5) == [(0, 1), (0, 2), (1, 2)]
    assert strongest_pairs(both, ["b"], 1) == [(0, 2)]
    assert strongest_pairs(both, ["b"], 0) == []


@pytest.mark.parametrize(
    ("values", "part", "size"),
    [
        (np.arange(12.0).reshape(3, 4), "all", 4),
        (np.arange(9.0).reshape(3, 3), "all", 4),
        (np.array([[np.nan, 1], [1, 2]]), "upper", 4),
        (np.array([[0, 1e-80], [1e-80, 1]]), "upper", 8),
        (np.array([[np.inf, np.inf]]), "all", 4),
        (np.full((2, 3), 7.0), "constant", None),
        (np.full((2, 3), np.nan), "constant", None),
        (np.zeros((0, 0)), "constant", None),
    ],
)
def test_matrices_come_back(values: np.ndarray, part: str, size: int | None) -> None:
    found = encode(values)
    assert (found["part"], found.get("size")) == (part, size)
    np.testing.assert_allclose(decode(found, *values.shape), values, rtol=1e-6)
