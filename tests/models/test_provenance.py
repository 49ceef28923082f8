"""Provenance: what is recorded, and that what is on record is the truth."""

import functools
import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
import xarray as xr

import mutua as mt
from mutua.models import Dataset, SequenceSet, checked, provenance
from mutua.models.anndata_digest import anndata_digest
from mutua.models.describe import describe
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


class Bilinear(torch.nn.Module):
    """A small model."""

    def __init__(self, value: float, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.full((2, 3), value, dtype=dtype))
        self.register_buffer("step", torch.tensor(4))
        self.note = "first"

    def get_extra_state(self) -> str:
        """Give what is no tensor."""
        return self.note

    def set_extra_state(self, state: str) -> None:
        """Take it back."""
        self.note = state

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the input back."""
        return x


class TestDescribe:
    @pytest.mark.parametrize(
        ("value", "described"),
        [
            (None, None),
            (True, True),
            (3, 3),
            (2.5, 2.5),
            ("text", "text"),
            (float("inf"), "inf"),
            (float("nan"), "nan"),
            (np.float32("nan"), "nan"),
            (np.int64(3), 3),
            (np.bool_(True), True),
            (np.str_("x"), "x"),
            (Path("a/b"), "a/b"),
            (slice(1, 2), {"slice": [1, 2, None]}),
            (range(10**12), {"range": [0, 10**12, 1]}),
            ([1, (2, "x")], [1, [2, "x"]]),
            ({"b": 1, 2: [np.int8(3)]}, {"b": 1, "2": [3]}),
            ({3, 1, 2}, [1, 2, 3]),
            (frozenset("ba"), ["a", "b"]),
            (np.dtype("f4"), "float32"),
            (pd.Timestamp("2024-01-02"), "2024-01-02 00:00:00"),
        ],
    )
    def test_small_values_stay(self, value: object, described: object) -> None:
        assert describe(value) == described
        json.dumps(describe(value), allow_nan=False)

    def test_long_lists_are_digested(self) -> None:
        assert describe(list(range(64))) == list(range(64))
        found = describe(list(range(65)))
        assert found.keys() == {"type", "length", "digest"}
        assert (found["type"], found["length"]) == ("list", 65)
        assert found == describe(list(range(65)))
        assert found["digest"] != describe([*range(64), 65])["digest"]
        assert found["digest"] != describe([*range(64), "64"])["digest"]
        nested = [[i] for i in range(65)]
        assert describe(nested)["digest"] != describe([*nested[:64], [0]])["digest"]

    def test_long_texts_mappings_and_nests_are_digested(self) -> None:
        assert describe("A" * 5000)["length"] == 5000
        assert describe("A" * 5000) != describe("A" * 5001)
        assert describe(b"abc")["type"] == "bytes"
        assert describe({str(i): "x" * 20 for i in range(10_000)})["type"] == "dict"
        assert describe([[list(range(60))] * 60] * 60)["type"] == "list"

    def test_a_million_names_are_quick(self) -> None:
        from time import perf_counter

        names = [f"s{i}" for i in range(1_000_000)]
        start = perf_counter()
        describe(names)
        assert perf_counter() - start < 2

    @pytest.mark.parametrize(
        "array",
        [
            np.arange(6).reshape(2, 3),
            pd.Series([1, 2]),
            pd.DataFrame({"a": [1, 2]}),
            xr.DataArray(np.arange(3)),
            torch.arange(3),
            torch.ones(3, dtype=torch.bfloat16),
            torch.tensor([1 + 2j]).conj(),
        ],
    )
    def test_arrays(self, array: object) -> None:
        found = describe(array)
        assert found["array"] == type(array).__name__
        assert found["shape"] == list(array.shape)  # type: ignore[attr-defined]
        assert found == describe(array)

    def test_labels_of_arrays_count(self) -> None:
        values = np.ones((2, 2))
        frames = [describe(pd.DataFrame(values, columns=list(names))) for names in ("ab", "ba")]
        arrays = [describe(xr.DataArray(values, dims=list(names))) for names in ("ab", "ba")]
        assert frames[0] != frames[1]
        assert arrays[0] != arrays[1]

    def test_a_lazy_array_is_not_computed(self) -> None:
        lazy = xr.DataArray(never_computed((4,), np.float64))
        assert describe(lazy) == describe(lazy)

    def test_a_model_by_class_and_weights(self) -> None:
        found = describe(Bilinear(0.5))
        assert found["model"] == f"{__name__}.Bilinear"
        assert found == describe(Bilinear(0.5))
        states = {
            describe(model)["state"]
            for model in (
                Bilinear(0.5),
                Bilinear(0.25),
                Bilinear(0.5, torch.float64),
                Bilinear(0.5, torch.bfloat16),
                Bilinear(0.5, torch.float16),
            )
        }
        assert len(states) == 5
        changed = Bilinear(0.5)
        changed.step += 1
        assert describe(changed) != found
        noted = Bilinear(0.5)
        noted.note = "second"
        assert describe(noted) != found

    @pytest.mark.parametrize(
        "thing",
        [
            lambda x: x,
            describe,
            functools.partial(describe, 3),
            Bilinear,
            np.random.default_rng(0),
            object(),
        ],
    )
    def test_what_cannot_be_made_again_says_so(self, thing: object) -> None:
        found = describe(thing)
        assert found["reproducible"] is False
        json.dumps(found)

    def test_elements_inside_of_lists(self) -> None:
        (found,) = describe([sequence_set()])
        assert found["element"] == "Dataset"
        assert found["digest"]["method"] == "content"

    def test_a_model_in_a_call(self) -> None:
        step = last(note(sequence_set(), model=Bilinear(1.0), function=len))
        assert step["arguments"]["model"]["model"].endswith("Bilinear")
        assert step["arguments"]["function"] == {"callable": "builtins.len", "reproducible": False}


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


class TestAnnDataDigest:
    def adata(self) -> anndata.AnnData:
        rng = np.random.default_rng(0)
        adata = anndata.AnnData(
            scipy.sparse.random(6, 4, density=0.5, format="csr", rng=rng),
            obs=pd.DataFrame(
                {
                    "batch": pd.Categorical(list("aabbab")),
                    "n": np.arange(6),
                    "name": list("uvwxyz"),
                    "good": pd.array([True, None, False, True, True, True], dtype="boolean"),
                },
                index=[f"c{i}" for i in range(6)],
            ),
        )
        adata.obsm["X_pca"] = rng.normal(size=(6, 2))
        adata.layers["raw"] = adata.X.tocsc()
        adata.uns["pca"] = {"variance": np.ones(2), "params": {"n": 2, "flag": True, "who": "me"}}
        adata.raw = adata
        return adata

    @pytest.mark.parametrize(
        "change",
        [
            lambda a: a.X.data.__setitem__(0, 9.0),
            lambda a: a.obs.__setitem__("n", 1),
            lambda a: setattr(
                a, "obs", a.obs.assign(batch=a.obs["batch"].cat.rename_categories({"a": "q"}))
            ),
            lambda a: a.obs.__setitem__("good", pd.array([True] * 6, dtype="boolean")),
            lambda a: a.obsm["X_pca"].__setitem__((0, 0), 9.0),
            lambda a: a.layers["raw"].data.__setitem__(0, 9.0),
            lambda a: a.uns["pca"]["params"].__setitem__("n", 3),
            lambda a: a.uns.__setitem__("more", [1]),
            lambda a: a.raw.X.data.__setitem__(0, 9.0),
            lambda a: setattr(a, "obs_names", [f"d{i}" for i in range(6)]),
        ],
    )
    def test_every_change_changes_it(self, change) -> None:  # type: ignore[no-untyped-def]
        adata = self.adata()
        before = anndata_digest(adata)
        assert before == anndata_digest(self.adata())
        change(adata)
        assert anndata_digest(adata) != before

    def test_nothing_is_changed_by_it(self) -> None:
        adata = self.adata()
        matrix = adata.X
        matrix.indices = matrix.indices[::-1].copy()
        matrix.has_sorted_indices = False
        before = matrix.indices.copy()
        anndata_digest(adata)
        assert adata.X is matrix
        assert np.array_equal(matrix.indices, before)

    def test_the_record_and_the_width_of_indices_do_not_count(self) -> None:
        adata = self.adata()
        before = anndata_digest(adata)
        adata.uns["mutua"] = "{}"
        adata.X.indices = adata.X.indices.astype(np.int64)
        assert anndata_digest(adata) == before

    @pytest.mark.filterwarnings("ignore:Consolidated metadata")
    def test_writing_and_reading_do_not_change_it(self, tmp_path: Path) -> None:
        adata = self.adata()
        with anndata.settings.override(zarr_write_format=3, auto_shard_zarr_v3=False):
            adata.write_zarr(tmp_path / "a.zarr")
        assert anndata_digest(anndata.read_zarr(tmp_path / "a.zarr")) == anndata_digest(adata)

    def test_lazy_parts_are_not_computed(self) -> None:
        adata = self.adata()
        adata.layers["lazy"] = never_computed((6, 4), np.float64)
        assert anndata_digest(adata)["method"] == "graph"
        assert anndata_digest(adata) == anndata_digest(adata)

    def test_fresh_looks_at_every_value(self) -> None:
        adata = anndata.AnnData(np.zeros((400, 300), np.float32))
        before = anndata_digest(adata)
        adata.X[201, 101] = 1
        assert anndata_digest(adata, fresh=True) != before
