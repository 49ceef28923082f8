"""Tables of samples by features from text, Parquet, BIOM and QIIME 2."""

from __future__ import annotations

import contextlib
import gc
import gzip
import json
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

import mutua as mt
from mutua.errors import InvalidInput, MissingDependency
from tests.io.tables import (
    COUNTS,
    FEATURES,
    SAMPLES,
    TAXONOMY,
    archive,
    biom,
    biom_bytes,
    biom_json,
)


def dense(table: anndata.AnnData) -> np.ndarray:
    return table.X.toarray() if sparse.issparse(table.X) else table.X


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rows(separator: str = "\t") -> str:
    lines = [["name", *FEATURES]]
    lines += [[name, *map(str, row)] for name, row in zip(SAMPLES, COUNTS.tolist(), strict=True)]
    return "\n".join(separator.join(line) for line in lines) + "\n"


def columns() -> str:
    """The text that BIOM calls classic."""
    lines = ["# Constructed from biom file", "\t".join(["#OTU ID", *SAMPLES, "taxonomy"])]
    for name, row, ranks in zip(FEATURES, COUNTS.T.tolist(), TAXONOMY, strict=True):
        lines.append("\t".join([name, *map(str, row), "; ".join(filter(None, ranks))]))
    return "\n".join(lines) + "\n"


# --- formats -------------------------------------------------------------------------------------


def written_as(kind: str, folder: Path) -> Path:
    if kind == "tsv":
        return written(folder / "t.tsv", rows())
    if kind == "csv":
        return written(folder / "t.CSV", rows(","))
    if kind == "gzip":
        path = folder / "t.txt.gz"
        path.write_bytes(gzip.compress(rows().encode()))
        return path
    if kind == "classic":
        return written(folder / "t.txt", columns())
    if kind == "parquet":
        pd.DataFrame(COUNTS, SAMPLES, FEATURES).to_parquet(folder / "t.parquet")
        return folder / "t.parquet"
    if kind == "parquet, first column":
        frame = pd.DataFrame(COUNTS, SAMPLES, FEATURES).reset_index(names="sample")
        frame.to_parquet(folder / "t.pq", index=False)
        return folder / "t.pq"
    if kind == "biom":
        return biom(folder / "t.biom")
    if kind == "biom by observation":
        return biom(folder / "t.biom", by_sample=False)
    if kind == "biom, gzip":
        path = folder / "t.biom.gz"
        path.write_bytes(gzip.compress(biom_bytes()))
        return path
    if kind == "json":
        return biom_json(folder / "t.biom")
    if kind == "json, dense":
        return biom_json(folder / "t.json", dense=True)
    assert kind == "qza"
    return archive(folder / "t.qza", {"feature-table.biom": biom_bytes()})


KINDS = ["tsv", "csv", "gzip", "classic", "parquet", "parquet, first column", "biom",
         "biom by observation", "biom, gzip", "json", "json, dense", "qza"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_table(kind: str, tmp_path: Path) -> None:
    table = mt.read_table(written_as(kind, tmp_path))
    assert table.obs_names.tolist() == SAMPLES
    assert table.var_names.tolist() == FEATURES
    np.testing.assert_array_equal(dense(table), COUNTS)
    is_biom = kind.startswith(("biom", "json", "qza"))
    assert sparse.issparse(table.X) == is_biom
    if is_biom:
        assert table.X.format == "csr"
        assert table.X.has_sorted_indices
    assert table.X.dtype == (np.float64 if kind.startswith(("biom", "qza")) else np.int64)
    if is_biom or kind == "classic":
        assert table.var["phylum"].tolist() == ["Firmicutes", "Proteobacteria", "", "Firmicutes"]
        assert table.var["kingdom"].tolist() == ["Bacteria", "Bacteria", "Archaea", "Bacteria"]
        assert table.var["taxonomy"].iloc[1] == "; ".join(TAXONOMY[1])
    if kind in ("biom", "qza"):
        np.testing.assert_array_equal(table.obs["ph"], [7, np.nan, 5.5])


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_orientation(kind: str, tmp_path: Path) -> None:
    """Rows of the file are the samples where that is said, whatever the format."""
    in_columns = kind == "classic" or kind.startswith(("biom", "json", "qza"))
    path = written_as(kind, tmp_path)
    table = mt.read_table(path, samples="rows" if in_columns else "columns")
    assert (table.obs_names.tolist(), table.var_names.tolist()) == (FEATURES, SAMPLES)
    np.testing.assert_array_equal(dense(table), COUNTS.T)
    if in_columns:
        assert "taxonomy" in table.obs


@pytest.mark.parametrize("kind", ["tsv", "biom"])
def test_the_call_is_on_record(kind: str, tmp_path: Path) -> None:
    path = written_as(kind, tmp_path)
    about = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=SAMPLES)
    table = mt.read_table(path, metadata=about)
    (step,) = json.loads(table.uns["mutua"])["steps"]
    assert step["function"] == "read_table"
    assert step["arguments"]["path"] == str(path)
    assert step["arguments"]["metadata"]["shape"] == [3, 1]
    table.write_h5ad(tmp_path / "t.h5ad")
    back = anndata.read_h5ad(tmp_path / "t.h5ad")
    np.testing.assert_array_equal(dense(back), COUNTS)


def test_a_url_and_a_data_frame() -> None:
    import fsspec

    with fsspec.open("memory://t.tsv", "w") as file:
        file.write(rows())
    np.testing.assert_array_equal(mt.read_table("memory://t.tsv").X, COUNTS)
    frame = pd.DataFrame(COUNTS, SAMPLES, FEATURES)
    np.testing.assert_array_equal(mt.read_table(frame).X, COUNTS)
    frame.iloc[0, 0] = 99
    np.testing.assert_array_equal(mt.read_table(frame.T, samples="columns").X[0, 0], 99)


def test_format_overrides_the_suffix(tmp_path: Path) -> None:
    path = written(tmp_path / "t.dat", rows(","))
    np.testing.assert_array_equal(mt.read_table(path, format="csv").X, COUNTS)
    shutil.copy(biom(tmp_path / "t.biom"), tmp_path / "t.tsv")
    assert sparse.issparse(mt.read_table(tmp_path / "t.tsv").X)  # the content tells


# --- text ----------------------------------------------------------------------------------------


def test_text_with_comments_quotes_and_line_ends(tmp_path: Path) -> None:
    text = '# made by hand\r\n#\r\nsample\t"a#1"\tb c\r\n"x\t1"\t1.5\t-2\r\n007\t1e-3\t0\r\n\r\n'
    table = mt.read_table(written(tmp_path / "t.tsv", "\ufeff" + text))
    assert table.var_names.tolist() == ["a#1", "b c"]
    assert table.obs_names.tolist() == ["x\t1", "007"]
    np.testing.assert_array_equal(table.X, [[1.5, -2], [1e-3, 0]])


def test_names_that_look_missing_are_names(tmp_path: Path) -> None:
    table = mt.read_table(
        written(tmp_path / "t.tsv", "s\tNA\tnan\nNA\t1\t2\nnull\t3\t4\n1.0\t5\t6\n")
    )
    assert table.obs_names.tolist() == ["NA", "null", "1.0"]
    assert table.var_names.tolist() == ["NA", "nan"]


def test_the_header_of_r_has_one_cell_less(tmp_path: Path) -> None:
    table = mt.read_table(written(tmp_path / "t.csv", '"a","b"\n"x",1,2\n"y",3,4\n"z",5,6\n'))
    assert table.var_names.tolist() == ["a", "b"]
    assert table.obs_names.tolist() == ["x", "y", "z"]


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 5), st.integers(1, 7)),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_numbers_come_back_to_the_last_bit(values: np.ndarray) -> None:
    import fsspec

    frame = pd.DataFrame(values, [f"s{i}" for i in range(len(values))])
    with fsspec.open("memory://bits.tsv", "w") as file:
        frame.to_csv(file, sep="\t")
    found = mt.read_table("memory://bits.tsv").X
    np.testing.assert_array_equal(found.astype(np.float64), values)


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (np.array([[1, 2]], np.uint8), np.uint8),
        (np.array([[1, 2]], np.float32), np.float32),
        (np.array([[1, 2]], np.int16), np.int16),
    ],
    ids=["uint8", "float32", "int16"],
)
def test_types_are_kept(cells: np.ndarray, dtype: type, tmp_path: Path) -> None:
    frame = pd.DataFrame(cells, ["s"], ["a", "b"])
    frame.to_parquet(tmp_path / "t.parquet")
    assert mt.read_table(tmp_path / "t.parquet").X.dtype == dtype
    assert mt.read_table(frame.astype({"a": "Float64"})).X.dtype == np.float64


def test_columns_that_describe_the_rows(tmp_path: Path) -> None:
    text = "sample\tsite\ta\tph\tb\ns1\tleft\t1\t5.5\t2\ns2\tright\t3\tmissing\t4\n"
    table = mt.read_table(written(tmp_path / "t.tsv", text), metadata_columns=["site", "ph"])
    assert table.var_names.tolist() == ["a", "b"]
    assert table.obs["site"].tolist() == ["left", "right"]
    np.testing.assert_array_equal(table.obs["ph"], [5.5, np.nan])


# --- metadata ------------------------------------------------------------------------------------


def about(tmp_path: Path, text: str, name: str = "m.tsv") -> Path:
    return written(tmp_path / name, text)


def test_metadata_are_joined_by_name(tmp_path: Path) -> None:
    text = "#SampleID\tph\tpatient\ns3\t7.5\tp1\nother\t1\tp9\ns1\tNot applicable\tp2\ns2\t5\tp1\n"
    table = mt.read_table(
        biom(tmp_path / "t.biom"), metadata=about(tmp_path, text.replace("ph", "pH"))
    )
    assert table.obs_names.tolist() == SAMPLES
    np.testing.assert_array_equal(table.obs["pH"], [np.nan, 5, 7.5])
    assert table.obs["patient"].tolist() == ["p2", "p1", "p1"]
    np.testing.assert_array_equal(dense(table), COUNTS)


def test_types_that_qiime_declares(tmp_path: Path) -> None:
    text = "sample-id\tph\tplate\n#q2:types\tnumeric\tcategorical\ns1\t1\t1\ns2\t\t2\ns3\t3\t3\n"
    table = mt.read_table(written(tmp_path / "t.tsv", rows()), metadata=about(tmp_path, text))
    np.testing.assert_array_equal(table.obs["ph"], [1, np.nan, 3])
    assert table.obs["plate"].tolist() == [1, 2, 3]
    assert table.obs["plate"].dtype == object


def test_inner_join_leaves_samples_and_features_out(tmp_path: Path) -> None:
    path = biom(tmp_path / "t.biom")
    known = pd.DataFrame({"x": [1, 2]}, index=["s3", "s1"])
    features = pd.DataFrame({"y": [1, 2, 3]}, index=[104, 102, 103])
    with pytest.raises(InvalidInput, match=r"`metadata`: 1 of 3 samples are not in it: \['s2'\]"):
        mt.read_table(path, metadata=known)
    with pytest.raises(InvalidInput, match=r"`feature_metadata`: 1 of 4 features .*\['101'\]"):
        mt.read_table(path, feature_metadata=features)
    table = mt.read_table(path, metadata=known, feature_metadata=features, join="inner")
    assert table.obs_names.tolist() == ["s1", "s3"]
    assert table.obs["x"].tolist() == [2, 1]
    assert table.var["y"].tolist() == [2, 3, 1]
    np.testing.assert_array_equal(dense(table), COUNTS[np.ix_([0, 2], [1, 2, 3])])
    assert table.var["phylum"].tolist() == ["Proteobacteria", "", "Firmicutes"]


def test_taxonomy_of_an_archive(tmp_path: Path) -> None:
    lines = ["Feature ID\tTaxon\tConfidence"]
    lines += [f"{name}\td__{ranks[0][3:]}; {ranks[1]}\t0.9" for name, ranks in
              zip(FEATURES, TAXONOMY, strict=True)]  # fmt: skip
    text = "\n".join(lines).encode()
    taxonomy = archive(tmp_path / "x.qza", {"taxonomy.tsv": text}, kind="FeatureData[Taxonomy]")
    table = mt.read_table(written(tmp_path / "t.tsv", rows()), feature_metadata=taxonomy)
    assert table.var["domain"].tolist() == ["Bacteria", "Bacteria", "Archaea", "Bacteria"]
    assert table.var["Confidence"].tolist() == [0.9] * 4


@pytest.mark.parametrize(
    ("taxon", "ranks"),
    [
        ("D_0__Bacteria;D_1__Firmicutes;D_5__Rothia", ["Bacteria", "Firmicutes", "Rothia"]),
        ("d__Bacteria;p__Firmicutes;g__Rothia", ["Bacteria", "Firmicutes", "Rothia"]),
        ("Bacteria;Firmicutes;Rothia", None),
    ],
    ids=["SILVA", "GTDB", "without prefixes"],
)
def test_ranks_of_several_databases(taxon: str, ranks: list[str] | None) -> None:
    frame = pd.DataFrame([[1]], ["s"], ["f"])
    known = pd.DataFrame({"Taxon": [taxon]}, index=["f"])
    var = mt.read_table(frame, feature_metadata=known).var
    wanted = ["Taxon"] if ranks is None else ["Taxon", "domain", "phylum", "genus"]
    assert var.columns.tolist() == wanted
    assert var.iloc[0].tolist()[1:] == (ranks or [])


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (pd.DataFrame({"x": [1, 2]}, index=["s1", "s1"]), r"names that stand twice: \['s1'\]"),
        (pd.DataFrame({"x": [1]}, index=["Z"]), r"none of the samples .*\['s1', .*\['Z'\]"),
        (5, "`metadata`: a int. Use a path or a data frame"),
        ("/nowhere/m.tsv", "`metadata`: /nowhere/m.tsv does not exist"),
    ],
    ids=["twice", "none", "a number", "no file"],
)
def test_metadata_that_do_not_fit(known: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        mt.read_table(pd.DataFrame(COUNTS, SAMPLES, FEATURES), metadata=known)


def test_metadata_with_columns_of_the_table(tmp_path: Path) -> None:
    known = pd.DataFrame({"ph": [1, 2, 3]}, index=SAMPLES)
    with pytest.raises(InvalidInput, match=r"columns that the table itself has: \['ph'\]"):
        mt.read_table(biom(tmp_path / "t.biom"), metadata=known)
    text = "id\tx\tx\ns1\t1\t2\ns2\t1\t2\ns3\t1\t2\n"
    with pytest.raises(InvalidInput, match=r"`metadata`: .* columns of one name: \['x'\]"):
        mt.read_table(biom(tmp_path / "u.biom"), metadata=about(tmp_path, text))
    with pytest.raises(InvalidInput, match="is BIOM"):
        mt.read_table(biom(tmp_path / "v.biom"), metadata=tmp_path / "v.biom")


# --- what is no table ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("s\ta\tb\n", "has a header and no rows"),
        ("# only a comment\n", "has no lines"),
        ("s,a,b\nx,1,2\n", r"1 cells in its header and 1 in line 2, with a tab .*format='csv'"),
        ("s\ta\tb\nx\t1\t2\t3\t4\n", "3 cells in its header and 5"),
        ("s\ta\tb\nx\t1\t2\ny\t1\t2\t3\n", "3 cells in its header and 4 in line 3"),
        ("s\ta\ta\nx\t1\t2\n", r"features \(columns\) of one name: \['a'\]"),
        ("s\ta\tb\nx\t1\t2\nx\t1\t2\n", r"samples \(rows\) of one name: \['x'\]"),
        ("s\ta\t\nx\t1\t2\n", r"feature 1 \(columns\) has no name"),
        ("s\ta\tb\nx\t1\t2\n\t1\t2\n", r"sample 1 \(rows\) has no name"),
        ("s\ta\tsite\nx\t1\tleft\n", r"1 of 2 columns are no numbers: \['site'\]; 'site' is 'left' "
         r"in row 'x' \(line 2\). Name those that describe the rows in metadata_columns="),
        ("s\ta\tb\nx\t1\t1,5\n", "'b' is '1,5' in row 'x'"),
        ("s\ta\tb\nx\t1\tTRUE\n", r"no numbers: \['b'\]"),
        ("s\ta\tb\nx\t1\tNA\ny\t\t2\n", "2 values of 2 features are missing, the first at sample "
         "'x', feature 'b'"),
        ("s\ta\tb\nx\t1\t2\ny\tinf\t2\n", "infinite values, the first one at sample 'y', feature "
         "'a'"),
    ],
    ids=["nothing", "header", "comment", "commas", "too many", "ragged", "features twice",
         "samples twice", "feature unnamed", "sample unnamed", "text", "decimal comma", "bool",
         "missing", "infinite"],
)  # fmt: skip
def test_text_that_is_no_table(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        mt.read_table(written(tmp_path / "t.tsv", text))
    assert caught.value.argument == "path"


def test_missing_values_by_choice(tmp_path: Path) -> None:
    path = written(tmp_path / "t.tsv", "s\ta\tb\tc\nx\t1\tNA\t3\ny\t4\t5\t6\n")
    zero = mt.read_table(path, missing="zero")
    np.testing.assert_array_equal(zero.X, [[1, 0, 3], [4, 5, 6]])
    kept = mt.read_table(path, missing="keep")
    np.testing.assert_array_equal(kept.X, [[1, np.nan, 3], [4, 5, 6]])
    dropped = mt.read_table(path, missing="drop")
    assert dropped.var_names.tolist() == ["a", "c"]
    np.testing.assert_array_equal(dropped.X, [[1, 3], [4, 6]])
    with pytest.raises(InvalidInput, match="every feature misses values"):
        mt.read_table(pd.DataFrame([[np.nan]], ["s"], ["f"]), missing="drop")


@pytest.mark.parametrize("missing", ["error", "zero", "drop", "keep"])
def test_missing_values_of_a_sparse_table(missing: str, tmp_path: Path) -> None:
    path = biom(tmp_path / "t.biom")
    with h5py.File(path, "a") as file:
        file["sample/matrix/data"][1] = np.nan  # s1, feature 104
    if missing == "error":
        with pytest.raises(InvalidInput, match="the first at sample 's1', feature '104'"):
            mt.read_table(path)
        return
    table = mt.read_table(path, missing=missing)
    expected = COUNTS.astype(float)
    expected[0, 3] = np.nan if missing == "keep" else 0
    np.testing.assert_array_equal(dense(table), expected[:, : table.n_vars])
    assert table.n_vars == (3 if missing == "drop" else 4)


def test_a_data_frame_is_not_changed() -> None:
    frame = pd.DataFrame([[1.0, np.nan]], ["s"], ["a", "b"])
    before = frame.copy()
    mt.read_table(frame, missing="zero").X[0, 0] = 9
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"samples": "both"}, "samples"),
        ({"join": "outer"}, "join"),
        ({"missing": "ignore"}, "missing"),
        ({"metadata_columns": "101"}, "metadata_columns"),
        ({"metadata_columns": ["nothing"]}, "metadata_columns"),
        ({"metadata_columns": FEATURES}, "path"),
    ],
    ids=lambda value: str(value),
)
def test_options_that_are_none(options: dict[str, Any], argument: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        mt.read_table(written(tmp_path / "t.tsv", rows()), **options)
    assert caught.value.argument == argument


def test_paths_and_formats_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="`path`: a int"):
        mt.read_table(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="does not exist"):
        mt.read_table(tmp_path / "nothing.tsv")
    with pytest.raises(InvalidInput, match=r"`format`: the suffix .* tells no format"):
        mt.read_table(written(tmp_path / "t.dat", rows()))
    with pytest.raises(InvalidInput, match="`format`: 'xlsx'"):
        mt.read_table(tmp_path / "t.dat", format="xlsx")
    with pytest.raises(InvalidInput, match=r"is called \.biom, and its content is not"):
        mt.read_table(written(tmp_path / "t.biom", rows()))
    with pytest.raises(InvalidInput, match="keeps what describes its rows apart"):
        mt.read_table(biom(tmp_path / "u.biom"), metadata_columns=["taxonomy"])
    (tmp_path / "t.tsv").write_bytes(b"s\ta\n\xff\xfe\xff\t1\n")
    with pytest.raises(InvalidInput, match="is not UTF-8: line 2 has the byte 0xff"):
        mt.read_table(tmp_path / "t.tsv")
    (tmp_path / "t.tsv.gz").write_bytes(gzip.compress(rows().encode())[:-9])
    with pytest.raises(InvalidInput, match="is damaged"):
        mt.read_table(tmp_path / "t.tsv.gz")
    with pytest.raises(InvalidInput, match="several levels"):
        mt.read_table(pd.DataFrame([[1]], pd.MultiIndex.from_tuples([("a", "b")])))
    with pytest.raises(InvalidInput, match=r"no samples \(rows\)"):
        mt.read_table(pd.DataFrame(columns=["a"], dtype=float))


def test_parquet_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InvalidInput, match="is no Parquet, or damaged"):
        mt.read_table(tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency, match="pip install pyarrow"):
        mt.read_table(tmp_path / "t.parquet")


# --- which cells are names ------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["OTU1", "Idiomarina", "sampled", "featureless", "genome", "a b"])
def test_a_header_one_cell_shorter_than_all_rows_is_that_of_r(first: str, tmp_path: Path) -> None:
    text = f"{first}\tx\ns1\t1\t2\n\ns2\t3\t\n"
    table = mt.read_table(written(tmp_path / "t.tsv", text), missing="keep")
    assert table.var_names.tolist() == [first, "x"]
    assert table.obs_names.tolist() == ["s1", "s2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\tx\ty\ns1\t1\t2\t\ns2\t1\t2\t\n", "every row has an empty cell at its end, beyond"),
        (
            "genome\tx\ty\ns1\t1\t2\t\ns2\t1\t2\n",
            "3 cells in its header, 4 in line 2 and 3 in line 3",
        ),
        ("id\tx\ty\ns1\t1\t2\t3\ns2\t1\t2\n", "3 cells in its header, 4 in line 2 and 3 in line 3"),
        ("id\tx\ty\ns1\t1\t2\n\ns2\t1\n", "3 cells in its header and 2 in line 4"),
        ("id\tx\ty\ns1\t1\t2\n'\t1\t2\ns\"\t5\n", "3 cells in its header and 2 in line 4"),
        ('id\tx\n"s\n1"\t1\ns2\t1\t4\n', "2 cells in its header and 3 in line 4"),
        ("#OTU ID\tx\no1\t1\t2\n", "2 cells in its header and 3 in line 2"),
    ],
    ids=["ends of lines", "one end", "one longer", "one shorter", "quote", "two lines", "biom"],
)
def test_lines_that_differ_in_length(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=message):
        mt.read_table(written(tmp_path / "t.tsv", text), missing="zero")


def test_a_line_is_named_by_its_number_in_the_file(tmp_path: Path) -> None:
    text = '# made\nid\tx\n"s\n1"\t1\n\ns2\tlow\n'
    with pytest.raises(InvalidInput, match=r"'x' is 'low' in row 's2' \(line 6\)"):
        mt.read_table(written(tmp_path / "t.tsv", text))


@pytest.mark.parametrize("names", [["0.5", "1"], ["-1", "2"], ["1e3", "4"]], ids=str)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_values_are_not_taken_for_names(names: list[str], kind: str, tmp_path: Path) -> None:
    values = {"x": names, "y": ["3", "4"]}
    frame = pd.DataFrame(values)
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.astype(float).to_parquet(path)
    with pytest.raises(InvalidInput, match="the first column, 'x', should name the rows and has"):
        mt.read_table(path)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_whole_numbers_may_be_names(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{kind}"

    def write(name: str) -> Path:
        frame = pd.DataFrame({name: [7, 8], "y": [3, 4]})
        frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
        return path

    with pytest.warns(
        UserWarning, match="the first column, 'x', are taken for the names"
    ) as caught:
        table = mt.read_table(write("x"))
    assert caught[0].filename == __file__
    assert table.obs_names.tolist() == ["7", "8"]
    for name in ("sample_id", "Sample", "id", "#OTU ID"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mt.read_table(write(name), samples="rows")


def test_a_table_without_a_header(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"a header of nothing but numbers: \['1.5', '2'\]"):
        mt.read_table(written(tmp_path / "t.csv", "1.5,2\n3,4\n"))


@pytest.mark.parametrize(
    "text", ["s;a;b\nx;1;2\n", "s;a;b\nx;1,5;2,5\n", "s;a\nx;1,5\n", "s;a;b\nx;1,5;2\n"]
)
def test_semicolons(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"line 2.*there are semicolons\. .*sep=';'"):
        mt.read_table(written(tmp_path / "t.csv", text))


@pytest.mark.parametrize("in_header", [True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_text_of_another_encoding(in_header: bool, compressed: bool, tmp_path: Path) -> None:
    text = "s,a\nx,1\né,2\n" if not in_header else "s,é\nx,1\n"
    content = text.encode("latin-1")
    path = tmp_path / "t.csv"
    path.write_bytes(gzip.compress(content) if compressed else content)
    line = 1 if in_header else 3
    with pytest.raises(InvalidInput, match=f"not UTF-8: line {line} has the byte 0xe9.*iconv"):
        mt.read_table(path)
    with pytest.raises(InvalidInput, match=r"`metadata`.*not UTF-8"):
        mt.read_table(written(tmp_path / "u.csv", "s,a\nx,1\n"), metadata=path)


@pytest.mark.parametrize("cell", ["9" * 23, "1e400"])
def test_numbers_that_are_too_large(cell: str, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", f"s,a,b\nx,1,2\ny,{cell},4\n")
    with pytest.raises(InvalidInput, match=rf"'{cell}' of 'a' in row 'y' \(line 3\) is too large"):
        mt.read_table(path)


def test_a_quotation_mark_that_is_not_closed(tmp_path: Path) -> None:
    for n in (2, 50_000):
        text = 's,a\nx,"1\n' + "y,2\n" * n
        with pytest.raises(InvalidInput, match="Close every quotation mark"):
            mt.read_table(written(tmp_path / "t.csv", text))


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
def test_files_are_closed(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()  # what others have left open
    for text in (rows(), "s\ta\nx\tlow\n", "s\ta\nx\n", "s\n"):
        with contextlib.suppress(InvalidInput):
            mt.read_table(written(tmp_path / "t.tsv", text))
        gc.collect()
