"""What goes into a store comes out again, and what cannot is refused before anything is written."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.io import elements
from mutua.io.hashes import HashingStore
from mutua.models import KINDS, provenance
from mutua.models.dims import RECORD
from tests.io import examples
from tests.io.examples import assert_same


@pytest.fixture
def path(tmp_path):
    """A place where no store is yet."""
    return tmp_path / "study.zarr"


def stored(path, element, name="it"):
    """The element as it comes back from a store."""
    if path.exists():
        mt.open(path)[name] = element
    else:
        mt.Analysis({name: element}).write(path)
    study = mt.open(path)
    study.validate(deep=True)
    return study[name]


def chunked(element, sizes):
    return element.chunk({dim: size for dim, size in sizes.items() if dim in element.dims})


def test_every_kind_has_an_example():
    ours = {name for name, kind in KINDS.items() if kind.__module__.startswith("mutua.")}
    assert ours - {"Element"} == set(examples.EXAMPLES)


@pytest.mark.parametrize("kind", examples.EXAMPLES)
def test_every_kind_comes_back_as_it_was(path, kind):
    element = examples.EXAMPLES[kind]()
    before = provenance.digest_of(element, fresh=True), dict(element.attrs), element.copy(deep=True)
    found = stored(path, element)
    KINDS[kind].check(found, deep=True)
    assert_same(found, element)
    assert_same(found.load(), element)
    xr.testing.assert_identical(element, before[2])
    assert (provenance.digest_of(element, fresh=True), dict(element.attrs)) == before[:2]


@pytest.mark.parametrize("kind", examples.EXAMPLES)
def test_the_lazy_form_of_every_kind_comes_back_as_it_was(path, kind):
    element = examples.EXAMPLES[kind]()
    lazy = element.chunk(dict(zip(element.dims, (2, 3, 1, 2), strict=False)))
    assert_same(stored(path, lazy), element)


@pytest.mark.parametrize("kind", examples.EXAMPLES)
def test_plain_xarray_reads_every_kind(path, kind):
    element = examples.EXAMPLES[kind]()
    mt.Analysis({"it": element}).write(path)
    group = mt.open(path).path("it")
    with pytest.warns(RuntimeWarning, match="consolidated"):  # there are none at the root
        assert set(xr.open_zarr(path, group=group, decode_times=False)) == set(element)
    with xr.open_zarr(path / group, decode_times=False) as found:
        assert set(found.coords) == set(element.coords)
        for name, part in element.variables.items():
            if part.dtype.kind not in "mM":
                np.testing.assert_array_equal(found[name].values, part.values)


def test_plain_xarray_reads_times(path):
    element = examples.table().drop_vars("z")
    mt.Analysis({"it": element}).write(path)
    with xr.open_zarr(path / mt.open(path).path("it")) as found:
        for name in ("time", "span"):
            np.testing.assert_array_equal(found[name].values, element[name].values)


def test_an_opened_element_is_lazy_but_for_small_indexes(path):
    found = stored(path, examples.sequence_set())
    lazy = {name for name, part in found.variables.items() if not part._in_memory}
    assert lazy == set(found.variables) - {"target", "track"}
    assert set(found.xindexes) == {"target", "track"}
    assert found["target"].dtype.kind == "U"
    assert found["sequence_id"].dtype == np.dtypes.StringDType()


# -- sizes and layouts -------------------------------------------------------------------------


@pytest.mark.parametrize("lazy", [False, True])
def test_elements_without_entries(path, lazy):
    empty = examples.sequence_set(0)
    rows = examples.table(0)
    assert_same(stored(path, empty.chunk() if lazy else empty, "sequences"), empty)
    assert_same(stored(path, rows.chunk() if lazy else rows, "rows"), rows)


def test_an_empty_small_axis(path):
    codes = np.zeros((3, 4), np.uint8)
    empty = mt.SequenceSet.build(
        codes,
        alphabet="DNA",
        prediction=np.zeros((3, 0), np.float32),
        target=np.array([], dtype=object),
    )
    found = stored(path, empty)
    assert_same(found, empty)
    assert found["target"].dtype.kind == "U"


def test_scalars_come_back(path):
    element = examples.table(3).assign_coords(
        n=np.int64(7), label="ä", when=np.datetime64("2020-01-01T00:00:01", "s"), yes=np.True_
    )
    found = stored(path, element)
    assert_same(found, element)
    assert all(found[name]._in_memory for name in ("n", "label", "when", "yes"))


@pytest.mark.parametrize(
    "arrange",
    [
        lambda v: np.asfortranarray(v),
        lambda v: np.repeat(v, 2, axis=0)[::2],
        lambda v: v[::-1][::-1],
        lambda v: v.T.copy().T,
        lambda v: np.broadcast_to(v[:1], v.shape),
    ],
    ids=["fortran", "strided", "reversed", "transposed", "broadcast"],
)
def test_any_memory_layout(path, arrange):
    codes = arrange(np.random.default_rng(0).integers(0, 4, (6, 5)).astype(np.uint8))
    assert_same(
        stored(path, mt.SequenceSet.build(codes, alphabet="DNA")),
        mt.SequenceSet.build(codes.copy(), alphabet="DNA"),
    )


def test_other_byte_order_comes_back_native(path):
    element = mt.Table.build(n=np.array([1, 256], dtype=">i4"), x=np.array([0.5, 2], dtype=">f8"))
    found = stored(path, element)
    assert found["n"].dtype == np.dtype("i4")
    assert found["n"].dtype.isnative
    np.testing.assert_array_equal(found["n"], [1, 256])
    np.testing.assert_array_equal(found["x"], [0.5, 2])


@pytest.mark.parametrize(
    "chunks", [((1, 4, 2), (3, 2)), ((7,), (1, 1, 3)), ((100,), (100,)), ((2, 2, 2, 1), (5,))]
)
def test_dask_arrays_of_any_chunks(path, chunks):
    codes = np.random.default_rng(0).integers(0, 4, (7, 5)).astype(np.uint8)
    lazy = da.from_array(codes, chunks=(7, 5)).rechunk(
        tuple(c if sum(c) <= n else (n,) for c, n in zip(chunks, (7, 5), strict=True))
    )
    expected = mt.SequenceSet.build(codes, alphabet="DNA")
    assert_same(stored(path, mt.SequenceSet.build(lazy, alphabet="DNA")), expected)


def test_variables_with_different_chunks_along_one_dim(path):
    codes, weight = np.zeros((7, 11), np.uint8), np.arange(7.0)
    expected = mt.SequenceSet.build(codes, alphabet="DNA", weight=weight)
    lazy = mt.SequenceSet.build(
        da.from_array(codes, chunks=(2, 11)),
        alphabet="DNA",
        weight=da.from_array(weight, chunks=3),
    )
    assert_same(stored(path, lazy), expected)
    assert "sequence 2 x position 11" in repr(mt.open(path))
    assert "sequence 2 x position 11" in repr(mt.Analysis({"a": lazy}))


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((10, 3), np.uint8, (10, 3)),
        ((1 << 25, 4), np.uint8, (1 << 22, 4)),
        ((3, 1 << 26), np.uint8, (1, 1 << 24)),
        ((2, 3, 1 << 25), np.float64, (1, 1, 1 << 21)),
        ((0, 5), np.float32, (1, 5)),
        ((), np.float32, ()),
    ],
)
def test_chunks_of_arrays_in_memory(shape, dtype, expected):
    part = xr.Variable(tuple("abc"[: len(shape)]), np.broadcast_to(np.zeros((), dtype), shape))
    assert elements.chunk_sizes(part) == expected


def test_huge_dask_chunks_are_split():
    part = xr.Variable(("a", "b"), da.zeros((1 << 30, 4), chunks=-1, dtype=np.uint8))
    assert elements.chunk_sizes(part) == (1 << 22, 4)


def test_no_encoding_leaks_into_the_store(path, tmp_path):
    element = examples.sequence_set()
    element["prediction"].encoding = {"scale_factor": 0.1, "dtype": "int8", "chunks": (1, 1)}
    element["sequence_id"].encoding = {"dtype": "S1"}
    element.encoding = {"unlimited_dims": {"sequence"}}
    encodings = {name: dict(part.encoding) for name, part in element.variables.items()}
    assert_same(stored(path, element), examples.sequence_set())
    assert {name: part.encoding for name, part in element.variables.items()} == encodings


# -- text --------------------------------------------------------------------------------------


def refused(path, element, match):
    """Hold that nothing is written, by the store itself and behind the checks of the kinds."""
    store = HashingStore(zarr.storage.MemoryStore())
    with pytest.raises(InvalidInput, match=f"(?is){match}"):
        elements.write_dataset(store, element, {})
    lazy = any(part.chunksizes for part in element.variables.values())
    assert lazy or not store.files
    with pytest.raises((InvalidInput, InvalidElement)):
        mt.Analysis({"it": element}).write(path)
    assert lazy or not list(path.glob("it.*"))  # other threads may still have been writing
    assert not (path / "zarr.json").exists()
    mt.Analysis({"it": mt.Table.build(n=[1])}).write(path)  # and the place is free still


@pytest.mark.parametrize("odd", [None, 3, np.nan, b"x"])
@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_no_text_among_text_is_refused(path, odd, lazy):
    element = examples.table(3)
    values = np.array(["a", odd, "c"], dtype=object)
    element = element.assign(objects=("row", da.from_array(values, chunks=2) if lazy else values))
    refused(path, element, r"variable 'objects'.*among strings.*[Uu]se one type")


def test_an_error_in_a_lazy_column_names_the_element(path):
    values = da.from_array(np.array(["a", None], dtype=object), chunks=1)
    element = examples.table(2).assign(objects=("row", values))
    with pytest.raises(InvalidInput, match=r"`it, variable 'objects'`: None among strings"):
        mt.Analysis({"it": element}).write(path)


def test_missing_text_of_numpy_is_refused(path):
    dtype = np.dtypes.StringDType(na_object=None)
    element = examples.table(2).assign(variable=("row", np.array(["a", None], dtype=dtype)))
    refused(path, element, "None among strings")


def test_broken_unicode_is_refused(path):
    element = examples.table(1).assign(objects=("row", np.array(["\ud800"], dtype=object)))
    refused(path, element, "no valid Unicode")


@pytest.mark.parametrize(
    "values",
    [np.array([b"ab"]), np.zeros(1, dtype=[("x", int)]), np.zeros(1, np.longdouble)],
    ids=["bytes", "structured", "longdouble"],
)
def test_types_that_cannot_be_stored_are_refused(path, values):
    refused(path, examples.table(1).assign(odd=("row", values)), "variable 'odd'.*values of type")


# -- times -------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", ["M8", "m8"])
@pytest.mark.parametrize("lazy", [False, True])
def test_times_are_exact(path, unit, kind, lazy):
    ends = np.array([-(2**63) + 1, -1, 0, 2**63 - 1, -(2**63)], dtype=np.int64)
    if unit != "ns" and kind == "M8":
        ends[[0, 3]] = -(10**12), 10**12  # beyond that xarray itself does not print them
    times = ends.astype(f"{kind}[{unit}]")
    element = mt.Table.build(time=times)
    found = stored(path, element.chunk(row=2) if lazy else element)
    assert found["time"].dtype == times.dtype
    np.testing.assert_array_equal(found["time"].values.astype(np.int64), ends)
    assert found["time"].attrs == {}


def test_a_unit_on_times_is_refused(path):
    element = examples.table(1)
    element["time"].attrs["units"] = "UTC"
    refused(path, element, "attributes 'units'")


# -- names and attributes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a/b", "a\\b", "..", ".", "", "zarr.json", "manifest.json", "__x"]
)
def test_variable_names_that_cannot_be_stored(path, name):
    refused(path, mt.Table.build(a=[1, 2]).assign({name: ("row", [1, 2])}), "rename it")


def test_a_variable_name_that_is_no_text(path):
    refused(path, examples.table(2).assign({5: ("row", [1, 2])}), "variable 5")


@pytest.mark.parametrize("name", ["c", "0", "ä b", "-", ".hidden", "C", "x.1"])
def test_unusual_variable_names_come_back(path, name):
    element = mt.Table.build({name: np.arange(3), "other": np.arange(3)})
    assert_same(stored(path, element), element)


def test_attributes_come_back_as_json(path):
    attrs = {
        "numpy": np.float32(0.5),
        "whole": np.int64(2**40),
        "truth": np.True_,
        "text": np.str_("ä"),
        "tuple": (1, (2.5, "x")),
        "array": np.arange(3),
        "nested": {"a": {"b": [np.int8(1), None]}},
        "none": None,
        "empty": [],
    }
    element = examples.table(2).assign_attrs(attrs)
    element["a"].attrs["valid"] = (0, np.int64(9))
    found = stored(path, element)
    assert_same(found, element)
    assert found.attrs["tuple"] == [1, [2.5, "x"]]
    assert isinstance(element.attrs["tuple"], tuple)
    assert len(mt.open(path).lineage("it")) == 2  # attributes were added: an edit
    assert not provenance.was_edited(found.load(), provenance.read_record(found))


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("odd", object(), r"attrs\['odd'\].*JSON cannot hold"),
        ("odd", {"deep": [1, {2}]}, r"attrs\['odd'\]\['deep'\]\[1\]"),
        ("odd", float("nan"), "finite"),
        ("odd", np.array([1, np.inf]), r"attrs\['odd'\]\[1\]"),
        ("odd", b"bytes", "JSON"),
        ("odd", 1j, "JSON"),
        ("odd", np.datetime64("2020-01-01"), "JSON"),
        ("odd", {1: 2}, "JSON"),
        (3, "x", "no string"),
        ("_FillValue", 0, "another name"),
        ("scale_factor", 2.0, "another name"),
        ("coordinates", "x", "another name"),
        ("_nc_thing", 1, "another name"),
    ],
)
@pytest.mark.parametrize("of_variable", [False, True])
def test_attributes_that_cannot_be_stored_are_named(path, key, value, match, of_variable):
    element = mt.Table.build(a=[1, 2])
    if of_variable:
        element["a"].attrs[key] = value
    else:
        element.attrs[key] = value
    refused(path, element, match)


def test_units_do_not_turn_numbers_into_times(path):
    element = mt.Table.build(
        {"a": np.arange(3), "b": np.arange(3.0)},
        units={"a": "days since 2000-01-01", "b": "seconds"},
    )
    found = stored(path, element)
    assert_same(found, element)
    assert found["a"].dtype == np.int64


def test_the_record_is_plain_json_in_the_store(path):
    import json

    mt.Analysis({"it": examples.table()}).write(path)
    text = (path / "it.1" / "zarr.json").read_text()
    body = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert body["attributes"][RECORD]["kind"] == "Table"
    assert RECORD in stored(path, examples.table()).attrs


# -- AnnData -----------------------------------------------------------------------------------


def test_anndata_comes_back_and_is_not_touched(path):
    adata = examples.adata()
    digest, dtypes = provenance.anndata_digest(adata, fresh=True), adata.obs.dtypes.to_dict()
    parts = [adata.X, adata.obs, adata.layers["columns"], adata.uns["rank_genes_groups"]]
    found = stored(path, adata)
    assert provenance.anndata_digest(found) == digest
    assert provenance.anndata_digest(adata, fresh=True) == digest
    for have, before in zip(
        [adata.X, adata.obs, adata.layers["columns"], adata.uns["rank_genes_groups"]],
        parts,
        strict=True,
    ):
        assert have is before
    assert adata.obs.dtypes.to_dict() == dtypes
    assert RECORD not in adata.uns
    assert RECORD in found.uns
    assert found.obs["group"].dtype == adata.obs["group"].dtype
    assert found.obs["count"].dtype == "Int64"
    assert found.X.format == "csr"
    assert found.layers["columns"].format == "csc"
    assert found.layers["dense"].dtype == np.float32
    assert found.obsm["frame"].columns.tolist() == ["u"]
    assert found.raw.shape == adata.raw.shape
    assert found.uns["rank_genes_groups"]["names"].dtype.names == ("a", "b")
    assert found.uns["rank_genes_groups"]["params"] == {"n": 1, "none": None, "on": True}


def test_unsorted_sparse_indices_stay_unsorted(path):
    import anndata
    import scipy.sparse as sp

    matrix = sp.csr_matrix((np.array([1.0, 2.0]), np.array([2, 0]), np.array([0, 2, 2])))
    adata = anndata.AnnData(matrix)
    stored(path, adata)
    assert adata.X.indices.tolist() == [2, 0]


def test_a_view_stays_a_view(path):
    adata = examples.adata()
    view = adata[3:9, ::2]
    found = stored(path, view)
    assert view.is_view
    assert found.shape == (6, 4)
    np.testing.assert_array_equal(found.X.toarray(), adata.X[3:9, ::2].toarray())


def test_anndata_without_x_and_without_cells(path):
    import anndata
    import pandas as pd

    bare = anndata.AnnData(obs=pd.DataFrame(index=["a", "b", "c"]))
    assert stored(path, bare, "bare").X is None
    empty = examples.adata()[:0].copy()
    assert stored(path, empty, "empty").shape == (0, 7)


def test_a_backed_anndata_is_stored(path, tmp_path):
    import anndata

    adata = examples.adata()
    adata.write_h5ad(tmp_path / "file.h5ad")
    backed = anndata.read_h5ad(tmp_path / "file.h5ad", backed="r")
    found = stored(path, backed)
    np.testing.assert_array_equal(found.X.toarray(), adata.X.toarray())
    assert backed.isbacked
    backed.file.close()


@pytest.mark.parametrize("value", [object(), {"x": {1, 2}}, lambda: 0])
def test_what_anndata_cannot_store_is_named(path, value):
    adata = examples.adata()
    adata.uns["odd_thing"] = value
    with pytest.raises(InvalidInput, match=r"it, adata.*odd_thing"):
        mt.Analysis({"it": adata}).write(path)
    assert not list(path.glob("it.*"))


def test_plain_anndata_reads_it(path):
    import anndata

    adata = examples.adata()
    mt.Analysis({"it": adata}).write(path)
    found = anndata.read_zarr(path / mt.open(path).path("it"))
    np.testing.assert_array_equal(found.X.toarray(), adata.X.toarray())


def test_anndata_lazily(path):
    adata = examples.adata()
    mt.Analysis({"it": adata}).write(path)
    lazy = mt.open(path).read("it", lazy=True)
    assert lazy.shape == adata.shape
    assert provenance.read_record(lazy)["kind"] == "AnnData"
    np.testing.assert_array_equal(lazy.X.compute().toarray(), adata.X.toarray())
    assert lazy.obs["group"].to_numpy().tolist() == adata.obs["group"].tolist()
    with pytest.raises(InvalidInput, match="it, adata"):
        mt.Analysis({"it": lazy}).write(path.with_name("other.zarr"))


@pytest.mark.parametrize("sparse", [False, True])
def test_an_anndata_on_dask_arrays(path, sparse):
    import anndata
    import scipy.sparse as sp

    values = np.arange(70, dtype=np.float32).reshape(10, 7)
    lazy = da.from_array(values, chunks=(10, 7)).rechunk(((3, 5, 2), (7,) if sparse else (4, 3)))
    adata = anndata.AnnData(lazy.map_blocks(sp.csr_matrix) if sparse else lazy)
    found = stored(path, adata)
    assert isinstance(adata.X, da.Array)
    np.testing.assert_array_equal(found.X.toarray() if sparse else found.X, values)


def test_a_key_of_ours_that_holds_something_else(path):
    adata = examples.plain_adata()
    adata.uns[RECORD] = "mine"
    found = stored(path, adata)
    assert adata.uns[RECORD] == "mine"
    assert provenance.read_record(found)["kind"] == "AnnData"
