"""Arguments as JSON: small ones as they are, others by what identifies them."""

import functools
import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from mutua.models import Dataset, SequenceSet, checked
from mutua.models import describe as module
from mutua.models.describe import describe
from mutua.models.provenance import chain
from tests.models.examples import never_computed, sequence_set


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


def last(element: xr.Dataset | anndata.AnnData) -> dict:
    return chain(element)[-1]


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

    def test_many_names_are_digested_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_describe", None)  # one by one
        assert module._of_items([f"s{i}" for i in range(100_000)])["length"] == 100_000

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
