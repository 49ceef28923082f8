"""`@checked`: what is held against what, what is said, and what is left alone."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement
from mutua.models import (
    Dataset,
    Element,
    PositionMI,
    SequenceSet,
    Table,
    as_kind,
    checked,
    digests,
    faults,
    provenance,
)
from mutua.models import sequence_set as sequence_set_module
from mutua.models.base import variable
from mutua.models.digests import remembered
from tests.models.examples import never_computed, position_mi, sequence_set, table

E = TypeVar("E", bound=Element)
S = TypeVar("S", bound=SequenceSet)
C = TypeVar("C", SequenceSet, PositionMI)


class Scored(SequenceSet):
    """Sequences with a score for every letter."""

    _version = 3

    score: np.float32 = variable("score", dims=("sequence", "letter", "position"))


def scored() -> xr.Dataset:
    element = sequence_set()
    score = np.zeros((7, 4, 5), np.float32)
    return Scored.build(element, score=score)


class Both(NamedTuple):
    """Two elements and a number."""

    sequences: Dataset[SequenceSet]
    rows: Dataset[Table]
    n: int


@checked
def both(sequences: Dataset[SequenceSet], *, rows: object) -> Both:
    """Give several elements."""
    return Both(sequences, rows, 3)


@checked
def same(sequences: Dataset[SequenceSet], *, k: int = 3) -> Dataset[SequenceSet]:
    """Give the sequences back."""
    return sequences


@checked
def measure(sequences: Dataset[SequenceSet]) -> Dataset[PositionMI]:
    """Give a matrix made of nothing."""
    return as_kind(PositionMI, position_mi().drop_attrs().assign_attrs(_MI_ATTRS))


@checked
def either(
    data: Dataset[SequenceSet] | Dataset[PositionMI] | anndata.AnnData | None = None,
) -> str:
    """Say what came in."""
    return type(data).__name__


@checked
def many(*sets: Dataset[SequenceSet], **tables: Dataset[Table]) -> int:
    """Count what came in."""
    return len(sets) + len(tables)


@checked
def generic(element: Dataset[E]) -> Dataset[E]:
    """Give an element of any kind back."""
    return element.assign_attrs(seen="yes")


@checked
def generic_sequences(element: Dataset[S]) -> Dataset[S]:
    """Give sequences of any kind back."""
    return element


@checked
def generic_either(element: Dataset[C]) -> Dataset[C]:
    """Give one of two kinds back."""
    return element


@checked
def reversed_sequences(sequences: Dataset[SequenceSet]) -> Dataset[SequenceSet]:
    """Give the sequences in reverse."""
    return as_kind(SequenceSet, sequences.isel(sequence=slice(None, None, -1)))


@checked
def without_score(sequences: Dataset[SequenceSet]) -> Dataset[SequenceSet]:
    """Drop the score."""
    return as_kind(SequenceSet, sequences.drop_vars("score"))


@checked
def in_place(
    adata: anndata.AnnData, *, key_added: str = "n", copy: bool = False
) -> anndata.AnnData | None:
    """Count into an AnnData, as scanpy does."""
    target = adata.copy() if copy else adata
    target.obs[key_added] = np.arange(target.n_obs)
    return target if copy else None


@checked
def subset(adata: anndata.AnnData) -> anndata.AnnData:
    """Give a view of an AnnData."""
    return adata[:2]


@checked
def look_at(adata: anndata.AnnData) -> str:
    """Give no element, as a plot does not."""
    return "seen"


@checked
def counts(sequences: Dataset[SequenceSet]) -> anndata.AnnData:
    """Give observations by variables."""
    return anndata.AnnData(np.ones((sequences.sizes["sequence"], 3)))


@checked
def broken(sequences: Dataset[SequenceSet]) -> Dataset[PositionMI]:
    """Give what was not promised."""
    return as_kind(PositionMI, sequences)


_MI_ATTRS = {key: value for key, value in position_mi().attrs.items() if key != "mutua"}


def cells() -> anndata.AnnData:
    rng = np.random.default_rng(0)
    return anndata.AnnData(
        scipy.sparse.random(6, 4, density=0.5, format="csr", rng=rng),
        obs=pd.DataFrame(
            {"batch": pd.Categorical(list("aabbab"))}, index=[f"c{i}" for i in range(6)]
        ),
    )


def functions(element: xr.Dataset | anndata.AnnData) -> list[str]:
    return [step["function"].rpartition(".")[2] for step in provenance.chain(element)]


class TestArguments:
    def test_a_valid_call(self) -> None:
        assert same(sequence_set()).identical(same(sequence_set()))

    def test_the_error_names_function_argument_and_every_fault(self) -> None:
        bad = sequence_set().astype(np.int64)
        with pytest.raises(InvalidElement) as error:
            same(sequences=bad.drop_vars("codes"))
        assert error.value.kind == "SequenceSet"
        assert error.value.where == f"argument `sequences` of {__name__}.same"
        lines = str(error.value).splitlines()
        assert lines[0].startswith("argument `sequences` of")
        assert any("variable 'codes': is missing" in line for line in lines)
        assert any("variable 'prediction': has dtype int64" in line for line in lines)

    @pytest.mark.parametrize(
        "thing", [None, 5, pd.DataFrame(), cells(), sequence_set()["codes"], position_mi()]
    )
    def test_other_objects(self, thing: object) -> None:
        with pytest.raises(InvalidElement, match="argument `sequences`"):
            same(thing)  # type: ignore[arg-type]

    def test_wrong_calls_are_said_in_pythons_own_words(self) -> None:
        with pytest.raises(TypeError, match=r"same\(\) missing 1 required positional argument"):
            same()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="unexpected keyword argument 'q'"):
            same(sequence_set(), q=3)  # type: ignore[call-arg]

    def test_lazy_data_are_not_computed(self) -> None:
        codes = ("sequence", "position"), never_computed((7, 5), np.uint8)
        lazy = sequence_set().assign(codes=codes)
        assert functions(same(lazy))[-1] == "same"

    def test_inherited_kinds_are_accepted_where_the_parent_is_asked(self) -> None:
        assert same(scored())["score"].dims == ("sequence", "letter", "position")

    def test_the_name_and_docstring_stay(self) -> None:
        assert same.__name__ == "same"
        assert same.__doc__ == "Give the sequences back."


class TestUnions:
    @pytest.mark.parametrize(
        ("thing", "name"),
        [
            (sequence_set(), "Dataset"),
            (position_mi(), "Dataset"),
            (cells(), "AnnData"),
            (None, "NoneType"),
        ],
    )
    def test_each_option(self, thing: object, name: str) -> None:
        assert either(thing) == name  # type: ignore[arg-type]
        assert either() == "NoneType"

    def test_the_fault_is_told_of_the_kind_it_says_it_is(self) -> None:
        bad = position_mi().drop_vars(["mi", "p_value"])
        with pytest.raises(InvalidElement, match="not a valid PositionMI"):
            either(bad)

    def test_without_record_of_the_kind_of_which_most_is_there(self) -> None:
        bad = position_mi().drop_vars("mi").drop_attrs()
        with pytest.raises(InvalidElement, match="not a valid PositionMI"):
            either(bad)

    @pytest.mark.parametrize("thing", [5, pd.DataFrame(), sequence_set()["codes"]])
    def test_other_objects_are_told_every_option(self, thing: object) -> None:
        with pytest.raises(InvalidElement) as error:
            either(thing)  # type: ignore[arg-type]
        options = "pass a Dataset[SequenceSet] or a Dataset[PositionMI] or an AnnData"
        assert error.value.faults[0].remedy == options

    def test_a_dataset_where_only_anndata_will_do(self) -> None:
        with pytest.raises(InvalidElement, match="object: a Dataset -> pass an AnnData"):
            look_at(sequence_set())  # type: ignore[arg-type]

    def test_plain_containers_of_a_union(self) -> None:
        @checked
        def take(thing: anndata.AnnData | xr.DataArray | pd.DataFrame) -> str:
            return type(thing).__name__

        for thing in (anndata.AnnData(np.eye(2)), xr.DataArray([1.0]), pd.DataFrame({"a": [1]})):
            assert take(thing) == type(thing).__name__
        with pytest.raises(InvalidElement, match="an AnnData or a DataArray or a DataFrame"):
            take(np.eye(2))  # type: ignore[arg-type]

    def test_behind_stars(self) -> None:
        assert many(sequence_set(), scored(), a=table()) == 3
        with pytest.raises(InvalidElement, match=r"argument `sets\[1\]`"):
            many(sequence_set(), table())
        with pytest.raises(InvalidElement, match="argument `b`"):
            many(a=table(), b=sequence_set())


class TestTypeVariables:
    @pytest.mark.parametrize("make", [sequence_set, position_mi, table, scored])
    def test_any_kind_stays_what_it_is(self, make) -> None:  # type: ignore[no-untyped-def]
        element = make()
        result = generic(element)
        before, after = (provenance.read_record(e) for e in (element, result))
        assert before is not None
        assert after is not None
        assert after["kind"] == before["kind"]
        assert after["version"] == before["version"]

    def test_it_is_held_against_its_own_kind(self) -> None:
        with pytest.raises(InvalidElement, match="not a valid PositionMI"):
            generic(position_mi().drop_vars("mi"))

    @pytest.mark.parametrize("thing", [xr.Dataset(), None, 5])
    def test_without_a_record_there_is_no_kind(self, thing: object) -> None:
        with pytest.raises(InvalidElement, match="argument `element`"):
            generic(thing)  # type: ignore[type-var]

    def test_bounds_and_constraints(self) -> None:
        assert provenance.read_record(generic_sequences(scored()))["kind"] == "Scored"
        assert provenance.read_record(generic_either(scored()))["kind"] == "Scored"
        for function in (generic_sequences, generic_either):
            with pytest.raises(InvalidElement):
                function(table())


class TestResults:
    def test_the_result_is_held_against_its_kind(self) -> None:
        with pytest.raises(
            InvalidElement, match=f"the result of {__name__}.broken: not a valid Posit"
        ):
            broken(sequence_set())

    def test_the_input_is_never_changed(self) -> None:
        element = sequence_set()
        before = element.copy(deep=True)
        for function in (same, generic, reversed_sequences):
            result = function(element)
            assert result is not element
            assert result.attrs["mutua"] != element.attrs["mutua"]
        assert element.identical(before)
        assert element.attrs == before.attrs

    def test_a_more_special_kind_stays_where_it_still_holds(self) -> None:
        for result in (same(scored()), reversed_sequences(scored())):
            record = provenance.read_record(result)
            assert (record["kind"], record["version"]) == ("Scored", 3)
        assert provenance.read_record(without_score(scored()))["kind"] == "SequenceSet"

    def test_another_kind_than_that_of_the_input(self) -> None:
        result = measure(sequence_set())
        assert provenance.read_record(result)["kind"] == "PositionMI"
        assert functions(result) == ["build", "measure"]

    def test_an_anndata_from_sequences(self) -> None:
        adata = counts(sequence_set())
        assert functions(adata) == ["build", "counts"]
        assert provenance.read_record(adata)["kind"] == "AnnData"

    def test_a_view_of_an_anndata_comes_back_as_its_own(
        self, recwarn: pytest.WarningsRecorder
    ) -> None:
        adata = cells()
        result = subset(adata)
        assert not result.is_view
        assert "mutua" not in adata.uns
        assert functions(result) == ["supplied", "subset"]
        assert not [w for w in recwarn if "view" in str(w.message)]


class TestAnnDataInPlace:
    def test_the_record_is_written_into_it(self) -> None:
        adata = cells()
        assert in_place(adata, key_added="order") is None
        assert functions(adata) == ["supplied", "in_place"]
        assert in_place(adata) is None
        assert functions(adata) == ["supplied", "in_place", "in_place"]
        last = provenance.chain(adata)[-1]
        assert last["arguments"] == {"key_added": "n", "copy": False}

    def test_a_copy_leaves_it_alone(self) -> None:
        adata = cells()
        result = in_place(adata, copy=True)
        assert "mutua" not in adata.uns
        assert functions(result) == ["supplied", "in_place"]

    def test_nothing_is_written_where_no_anndata_is_given_back(self) -> None:
        adata = cells()
        assert look_at(adata) == "seen"
        assert "mutua" not in adata.uns

    def test_an_edit_by_hand_is_noticed(self) -> None:
        adata = cells()
        in_place(adata)
        adata.obs["by_hand"] = 1
        assert functions(adata) == ["supplied", "in_place", provenance.EDITED]


def test_nested_calls() -> None:
    @checked
    def outer(sequences: Dataset[SequenceSet]) -> Dataset[SequenceSet]:
        return reversed_sequences(same(sequences))

    result = outer(sequence_set())
    assert [name.rpartition(".")[2] for name in functions(result)] == ["build", "outer"]


def test_from_many_threads() -> None:
    @checked
    def fresh(sequences: Dataset[SequenceSet], *, k: int) -> Dataset[SequenceSet]:
        return sequences

    element = sequence_set(n=3000, length=40)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda k: fresh(element, k=k), range(40)))
    arguments = [provenance.chain(result)[-1]["arguments"] for result in results]
    assert arguments == [{"k": k} for k in range(40)]


@pytest.mark.parametrize("names", [None, object, np.dtypes.StringDType(), np.str_])
def test_a_repeated_call_looks_at_no_array_again(
    names: type | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, length = 20_000, 30
    more = {} if names is None else {"sequence_id": np.arange(n).astype("U8").astype(names)}
    codes = np.random.default_rng(0).integers(0, 4, (n, length), dtype=np.uint8)
    element = mt.SequenceSet.build(codes, alphabet="DNA", weight=np.ones(n), **more)
    first = same(element)

    def look(purpose: Any) -> None:
        raise AssertionError(f"{purpose} is not remembered")

    for module in (digests, faults, sequence_set_module):
        monkeypatch.setattr(
            module,
            "remembered",
            lambda values, purpose, _: remembered(values, purpose, lambda: look(purpose)),
        )
    assert same(element).identical(first)
    with pytest.raises(AssertionError, match="is not remembered"):
        same(mt.SequenceSet.build(codes.copy(), alphabet="DNA"))


def test_several_elements_are_each_checked_and_recorded() -> None:
    given = sequence_set()
    found = both(given, rows=table())
    assert isinstance(found, Both)
    assert found.n == 3
    for element, kind in ((found.sequences, "SequenceSet"), (found.rows, "Table")):
        record = provenance.read_record(element)
        assert record is not None
        assert record["kind"] == kind
        assert record["steps"][-1]["function"].endswith("both")
    with pytest.raises(InvalidElement, match=r"both, `rows`"):
        both(given, rows=given)
