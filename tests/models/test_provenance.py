"""Provenance: what is recorded, and that what is on record is the truth."""

import json
from pathlib import Path

import anndata
import numpy as np
import pytest
import torch
import xarray as xr

import mutua as mt
from mutua.models import Dataset, SequenceSet, checked, provenance
from mutua.models.provenance import EDITED, chain, read_record
from tests.models.examples import CountingChunks, never_computed, position_mi, sequence_set, table


@checked
def note(
    sequences: Dataset[SequenceSet],
    other: Dataset[SequenceSet] | None = None,
    *,
    seed: int = 0,
    cutoff: float = 0.5,
    **options: object,
) -> Dataset[SequenceSet]:
    """Give the sequences back."""
    return sequences


@checked
def shuffled_lazily(sequences: Dataset[SequenceSet]) -> Dataset[SequenceSet]:
    """Give a lazy result."""
    return sequences.chunk(sequence=3).isel(sequence=[3, 1, 2, 0, 6, 5, 4])


def record(element: xr.Dataset | anndata.AnnData) -> dict:
    found = read_record(element)
    assert found is not None
    return found


def last(element: xr.Dataset | anndata.AnnData) -> dict:
    return chain(element)[-1]


def was_edited(element: xr.Dataset | anndata.AnnData) -> bool:
    return last(element)["function"] == EDITED


class TestRecord:
    def test_the_record_of_what_a_person_supplied(self) -> None:
        element = sequence_set()
        assert isinstance(element.attrs["mutua"], str)
        found = record(element)
        assert (found["kind"], found["version"]) == ("SequenceSet", 1)
        (step,) = found["steps"]
        assert step["function"] == "SequenceSet.build"
        assert step["source"] == "supplied"
        assert found["element"]["dims"] == {
            "sequence": 7,
            "position": 5,
            "target": 3,
            "track": 2,
        }
        assert found["element"]["dtypes"]["sequence_id"] == "str"

    def test_a_call_records_everything(self) -> None:
        step = last(note(sequence_set(), seed=3, colour="red"))
        assert step["function"] == f"{__name__}.note"
        assert step["arguments"] == {"other": None, "seed": 3, "cutoff": 0.5, "colour": "red"}
        assert step["seed"] == 3
        assert step["versions"] == {
            "mutua": mt.__version__,
            "numpy": np.__version__,
            "torch": torch.__version__,
        }
        (source,) = step["inputs"]
        assert source["argument"] == "sequences"
        assert source["step"] == last(sequence_set())["id"]
        assert source["digest"]["method"] == "content"

    def test_a_call_of_two_elements_has_the_steps_of_both(self) -> None:
        first, second = sequence_set(7), note(sequence_set(9))
        steps = chain(note(first, second))
        assert [step["function"].rpartition(".")[2] for step in steps] == [
            "build",
            "build",
            "note",
            "note",
        ]
        assert [one["step"] for one in steps[-1]["inputs"]] == [
            last(first)["id"],
            last(second)["id"],
        ]
        same_twice = chain(note(second, second))
        assert len(same_twice) == 3

    def test_the_same_call_gives_the_same_record(self) -> None:
        results = [note(sequence_set(), seed=1, tags={"b": 1, "a": 2}) for _ in range(2)]
        assert results[0].attrs["mutua"] == results[1].attrs["mutua"]
        other = note(sequence_set(), seed=2, tags={"b": 1, "a": 2})
        assert last(other)["id"] != last(results[0])["id"]

    def test_a_dataset_without_a_record_counts_as_supplied(self) -> None:
        bare = sequence_set().drop_attrs(deep=False).assign_attrs(alphabet="ACGT")
        assert [step["function"] for step in chain(bare)] == ["supplied"]
        assert chain(bare)[0]["source"] == "supplied"

    @pytest.mark.parametrize(
        "junk",
        [
            "",
            "{",
            "[]",
            "null",
            5,
            None,
            {"kind": "SequenceSet"},
            {1: {2}},
            '{"kind": 1}',
            b"x",
            {"kind": "A", "version": 1, "steps": [1], "element": {}},
        ],
    )
    def test_junk_is_no_record(self, junk: object) -> None:
        element = sequence_set()
        element.attrs["mutua"] = junk
        assert read_record(element) is None
        assert [step["function"].rpartition(".")[2] for step in chain(note(element))] == [
            "supplied",
            "note",
        ]

    def test_a_record_as_an_object_is_read_and_not_shared(self) -> None:
        element = sequence_set()
        element.attrs["mutua"] = json.loads(element.attrs["mutua"])
        found = record(element)
        found["steps"].clear()
        assert record(element)["steps"]
        assert not was_edited(element)

    def test_the_record_is_json_whatever_the_arguments(self) -> None:
        result = note(
            sequence_set(), cutoff=float("nan"), low=-np.inf, text="\ud800", many=[1] * 99
        )
        text = result.attrs["mutua"]
        json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


class TestEditedOutsideMutua:
    @pytest.mark.parametrize(
        "edit",
        [
            lambda e: e.isel(sequence=slice(3)),
            lambda e: e.isel(sequence=slice(None, None, -1)),
            lambda e: xr.concat([e, e], "sequence", data_vars="minimal"),
            lambda e: e.assign(weight=e["weight"] * 2),
            lambda e: e.assign(extra=("sequence", np.zeros(7))),
            lambda e: e.drop_vars("weight"),
            lambda e: e.assign_attrs(alphabet="ACGU"),
            lambda e: e.assign_coords(position=e["position"] + 1),
            lambda e: e.assign(weight=e["weight"].chunk(sequence=2) * 2),
            lambda e: e.reset_coords("strand"),
        ],
    )
    def test_edits(self, edit) -> None:  # type: ignore[no-untyped-def]
        element = sequence_set()
        edited = edit(element)
        assert edited.attrs.get("mutua") == element.attrs["mutua"]
        steps = chain(edited)
        assert [step["function"] for step in steps] == ["SequenceSet.build", EDITED]
        assert steps[-1]["inputs"] == [{"argument": "element", "step": steps[0]["id"]}]
        assert not was_edited(element)

    def test_arithmetic_keeps_the_record_and_is_noticed(self) -> None:
        mi = position_mi()
        with xr.set_options(keep_attrs=True):
            double = mi * 2
        assert double.attrs["mutua"] == mi.attrs["mutua"]
        assert was_edited(double)

    def test_a_change_in_place(self) -> None:
        element = sequence_set()
        element["codes"].values[3, 2] ^= 1
        assert was_edited(element)
        element["codes"].values[3, 2] ^= 1
        assert not was_edited(element)

    def test_a_step_after_the_edit(self) -> None:
        edited = sequence_set().isel(sequence=slice(3))
        names = [step["function"].rpartition(".")[2] for step in chain(note(edited))]
        assert names == ["build", EDITED, "note"]
        assert not was_edited(note(edited))

    @pytest.mark.parametrize(
        "harmless",
        [
            lambda e: e.copy(),
            lambda e: e.copy(deep=True),
            lambda e: e[list(e.data_vars)[::-1]],
            lambda e: e.chunk(sequence=2),
            lambda e: e.chunk(sequence=2).chunk(sequence=5),
            lambda e: e.chunk(sequence=2).compute(),
            lambda e: e.assign_coords(sequence_id=e["sequence_id"].astype(object)),
        ],
    )
    def test_what_is_no_edit(self, harmless) -> None:  # type: ignore[no-untyped-def]
        assert not was_edited(harmless(sequence_set()))

    def test_lazy_data_are_not_computed_for_it(self) -> None:
        lazy = sequence_set().assign(
            codes=(("sequence", "position"), never_computed((7, 5), np.uint8))
        )
        result = note(lazy)
        assert not was_edited(result)
        assert was_edited(result.isel(sequence=slice(None, None, -1)))
        assert was_edited(result.assign(codes=result["codes"] + np.uint8(0)))
        assert not was_edited(result.chunk(sequence=7))

    def test_lazy_when_made_and_in_memory_now(self) -> None:
        result = shuffled_lazily(sequence_set())
        assert record(result)["element"]["digests"].keys() == {"graph"}
        assert not was_edited(result)
        assert not was_edited(result.compute())
        assert was_edited(result.compute().isel(sequence=slice(2)))

    def test_one_variable_loaded_and_another_replaced(self) -> None:
        result = shuffled_lazily(sequence_set())
        result["weight"].load()
        assert not was_edited(result)
        assert was_edited(result.assign_coords(position=np.arange(5)))

    def test_digests_are_made_without_computing(self) -> None:
        counting = CountingChunks(np.zeros((7, 5), np.uint8), (2, 5))
        lazy = sequence_set().assign(codes=(("sequence", "position"), counting.array))
        note(note(lazy))
        assert counting.computed == []


class TestStored:
    @pytest.fixture
    def opened(self, tmp_path: Path) -> mt.Analysis:
        names = {"seqs": note(sequence_set()), "table": table()}
        mt.Analysis(names).write(tmp_path / "study.zarr")
        return mt.open(tmp_path / "study.zarr")

    def test_what_was_opened_is_not_edited(self, opened: mt.Analysis) -> None:
        for element in (opened["seqs"], opened["table"]):
            assert not was_edited(element)
            assert not was_edited(element.chunk(dict.fromkeys(element.chunks, 2)))
            assert not was_edited(element.compute())

    def test_one_variable_loaded(self, opened: mt.Analysis) -> None:
        element = opened["seqs"]
        element["weight"].load()
        assert not was_edited(element)

    def test_lazy_and_other_edits_are_noticed(self, opened: mt.Analysis) -> None:
        element = opened["seqs"]
        assert was_edited(element.isel(sequence=slice(None, None, -1)))
        assert was_edited(element.assign(weight=element["weight"] * 1))
        assert was_edited(element.assign(weight=("sequence", np.ones(7))))
        assert was_edited(element.assign_attrs(more=1))
        assert was_edited(element.compute().assign(weight=("sequence", np.ones(7))))

    def test_the_chain_goes_on(self, opened: mt.Analysis) -> None:
        names = [step["function"].rpartition(".")[2] for step in chain(note(opened["seqs"]))]
        assert names == ["build", "note", "note"]
        assert last(note(opened["seqs"]))["inputs"][0]["digest"]["method"] == "stored"


class TestFunctionNames:
    def test_of_mutua_and_of_others(self) -> None:
        def named(module: str) -> str:
            def verb() -> None:
                pass

            verb.__module__, verb.__qualname__ = module, "verb"
            return provenance.function_name(verb)

        assert named("mutua.tl.position_mi") == "tl.verb"
        assert named("mutua.pp") == "pp.verb"
        assert named("mutua.io.sequences") == "verb"
        assert named("mutua.models.selection") == "verb"
        assert named("lab.analysis") == "lab.analysis.verb"
        assert named("__main__") == "verb"
