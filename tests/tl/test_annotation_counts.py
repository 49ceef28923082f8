"""Annotations as a table of sequences by motifs, for scanpy."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.tl.annotation_counts import count_annotations
from tests.reference.motif_pairs import Row
from tests.tl.annotated import annotations, large, random_rows


def some() -> tuple[list[Row], xr.Dataset]:
    rows = random_rows(300, n_sequences=23, length=50, n_motifs=7)
    ids = [f"peak{i}" for i in range(23)]
    return rows, annotations(
        rows, lengths=[50 + i for i in range(23)], n_motifs=7, sequence_id=ids,
        sequence_chrom=["chr1"] * 20 + ["chr2"] * 3, sequence_start=np.arange(23) * 100,
        sequence_strand=["+"] * 22 + ["."], name=[f"name{i}" for i in range(7)],
        family=["a"] * 3 + ["b"] * 4,
    )  # fmt: skip


def test_counts_are_those_of_plain_loops() -> None:
    rows, ann = some()
    counts = count_annotations(ann)
    expected = np.zeros((23, 7), int)
    for row in rows:
        if row.motif >= 0:
            expected[row.sequence, row.motif] += 1
    assert counts.X.dtype == np.int32
    assert counts.X.format == "csr"
    assert counts.X.has_canonical_format
    np.testing.assert_array_equal(counts.X.toarray(), expected)
    assert counts.obs_names[[0, 22]].tolist() == ["peak0", "peak22"]
    assert counts.obs["chrom"].tolist()[19:21] == ["chr1", "chr2"]
    assert counts.obs["start"].tolist() == (np.arange(23) * 100).tolist()
    assert counts.obs["strand"].tolist()[-1] == "."
    assert counts.obs["length"].tolist()[-1] == 72
    assert counts.var_names.tolist() == [f"m{i}" for i in range(7)]
    assert counts.var["name"].tolist()[3] == "name3"
    assert counts.var["family"].tolist()[3] == "b"


def test_more_than_255_of_a_motif_are_counted() -> None:
    rows = [Row(1, i, i + 1, 0, 0) for i in range(300)]
    counts = count_annotations(annotations(rows, lengths=[300] * 2, n_motifs=3))
    assert counts.X.toarray().tolist() == [[0, 0, 0], [300, 0, 0]]
    assert counts.obs_names.tolist() == ["0", "1"]
    assert list(counts.obs) == ["length"]


def test_nothing_gives_zeros() -> None:
    counts = count_annotations(annotations([], lengths=[9, 9], n_motifs=3))
    assert counts.shape == (2, 3)
    assert counts.X.nnz == 0
    assert count_annotations(annotations([], lengths=[], n_motifs=0)).shape == (0, 0)


def test_the_record_and_lazy_annotations() -> None:
    _, ann = some()
    counts = count_annotations(ann)
    record = counts.uns["mutua"]
    step = (json.loads(record) if isinstance(record, str) else record)["steps"][-1]
    assert step["function"] == "tl.count_annotations"
    assert [source["argument"] for source in step["inputs"]] == ["annotations"]
    lazy = count_annotations(ann.chunk({"annotation": 41}))
    assert (lazy.X != counts.X).nnz == 0
    kept = mt.Analysis({"counts": counts})
    assert kept.history()["function"].tolist()[-1] == "tl.count_annotations"


def test_spans_without_motifs_and_other_kinds_are_refused() -> None:
    _, ann = some()
    with pytest.raises(InvalidInput, match=r"tl\.annotate"):
        count_annotations(ann.drop_vars(["motif_index", "motif", "name", "family"]))
    with pytest.raises(InvalidElement, match="Annotations"):
        count_annotations(xr.Dataset())


@pytest.mark.slow
def test_scanpy_works_on_it() -> None:
    scanpy = pytest.importorskip("scanpy")
    ann = large(20_000, n_sequences=600, length=500, n_motifs=40)
    shifted = (ann["motif_index"] // 2 + 20 * (ann["sequence_index"] >= 300)).astype(np.int32)
    counts = count_annotations(ann.assign(motif_index=shifted))
    scanpy.pp.normalize_total(counts)
    scanpy.pp.log1p(counts)
    scanpy.pp.pca(counts, n_comps=10)
    scanpy.pp.neighbors(counts)
    scanpy.tl.leiden(counts, flavor="igraph", n_iterations=2, resolution=0.2)
    scanpy.tl.umap(counts)
    assert counts.obsm["X_umap"].shape == (600, 2)
    clusters = counts.obs["leiden"].to_numpy()
    assert set(clusters[:300]).isdisjoint(clusters[300:])
    assert isinstance(counts, anndata.AnnData)


@pytest.mark.slow
def test_counts_are_those_of_tangermeme() -> None:
    torch = pytest.importorskip("torch")
    annotate = pytest.importorskip("tangermeme.annotate")
    rows, ann = some()
    table = torch.tensor([[row.sequence, row.motif] for row in rows if row.motif >= 0])
    theirs = annotate.count_annotations(table, dtype=torch.int64, shape=(23, 7)).numpy()
    np.testing.assert_array_equal(count_annotations(ann).X.toarray(), theirs)
