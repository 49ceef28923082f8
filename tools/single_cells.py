"""Single cells: immune cells with their types, and the signalling proteins of T cells."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import h5py
import numpy as np
from files import byte_planes, write_gzip
from packages import CDT, SCSPECTRA


def immune_cells(scratch: Path, output: Path) -> list[Path]:
    """Store counts and one factor for each cell, from which the source's values follow."""
    with SCSPECTRA.open(scratch) as wheel:
        content = wheel.read("Spectra/data/sample_data.h5ad")
        gene_sets = json.loads(wheel.read("Spectra/data/default_gene_sets.json"))
    with h5py.File(io.BytesIO(content)) as file:
        values, column, start = (file[f"X/{part}"][()] for part in ("data", "indices", "indptr"))
        cells, genes = (names(file, axis) for axis in ("obs", "var"))
        cell_type = file["obs/cell_type_annotations/codes"][()]
        types = [text.decode() for text in file["obs/cell_type_annotations/categories"][()]]
        umap = file["obsm/X_umap"][()]
        is_variable = file["var/highly_variable"][()]
    cell = np.repeat(np.arange(len(cells)), np.diff(start))
    counts, factor = recovered_counts(values, cell, start)

    table = np.zeros((len(genes), len(cells)), dtype=np.int64)
    table[column, cell] = counts
    # From genes of many cells to those of few: neighbouring bits are alike then.
    order = np.argsort(-(table > 0).sum(axis=1), kind="stable")
    table = table[order]
    counted = table[table > 0]
    path = output / "immune_cells.npz"
    np.savez_compressed(
        path,
        cell=np.array(cells, dtype="U"),
        gene=np.array(genes, dtype="U"),
        gene_order=order.astype(np.uint16),
        is_counted=np.packbits(table > 0, axis=1),
        count_bytes=byte_planes(counted, 2),
        factor=factor,
        cell_type=cell_type.astype(np.uint8),
        cell_types=np.array(types, dtype="U"),
        umap=umap.astype(np.float32),
        highly_variable=is_variable.astype(np.bool_),
    )
    sets = output / "immune_gene_sets.json.gz"
    write_gzip(sets, json.dumps(gene_sets, indent=0) + "\n")
    return [path, sets]


def names(file: h5py.File, axis: str) -> list[str]:
    """Give the names of cells or genes."""
    group = file[axis]
    return [text.decode() for text in group[group.attrs["_index"]][()]]


def recovered_counts(
    values: np.ndarray, cell: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give whole numbers, and for each cell what one of them is worth.

    The values are log2(factor x count + 1). In every cell they are whole multiples of the smallest
    one, once the logarithm is undone.
    """
    undone = np.exp2(values.astype(np.float64)) - 1
    factor = np.minimum.reduceat(undone, start[:-1])
    counts = np.rint(undone / factor[cell]).astype(np.int64)
    again = np.log2(counts * factor[cell] + 1).astype(np.float32)
    if np.abs(again.view(np.int32) - values.view(np.int32)).max() > 1:
        raise SystemExit("the values of the source are no logarithms of scaled counts")
    return counts, factor


# The conditions of Sachs et al. in the order of the source, which has no column for them.
SACHS_CELLS = {
    "cd3cd28": 853,
    "cd3cd28+icam2": 902,
    "cd3cd28+aktinhib": 911,
    "cd3cd28+g0076": 723,
    "cd3cd28+psitect": 810,
    "cd3cd28+u0126": 799,
    "cd3cd28+ly294002": 848,
    "pma": 913,
    "b2camp": 707,
}


def sachs(scratch: Path, output: Path) -> list[Path]:
    """Store the cells with their conditions, and the edges of the consensus network."""
    folder = "cdt/data/resources"
    with CDT.open(scratch) as wheel:
        header, *rows = csv.reader(io.StringIO(wheel.read(f"{folder}/cyto_full_data.csv").decode()))
        edges = wheel.read(f"{folder}/cyto_full_target.csv").decode()
    if len(rows) != sum(SACHS_CELLS.values()):
        raise SystemExit(f"{len(rows)} cells, not {sum(SACHS_CELLS.values())}")
    conditions = [name for name, n in SACHS_CELLS.items() for _ in range(n)]
    lines = [",".join(["cell", "condition", *header])]
    for number, (condition, row) in enumerate(zip(conditions, rows, strict=True)):
        lines.append(",".join([f"cell{number}", condition, *row]))
    cells = output / "sachs_cells.csv.gz"
    write_gzip(cells, "\n".join(lines) + "\n")
    network = output / "sachs_network.csv"
    network.write_text(edges.replace('"', "").replace("\r\n", "\n").strip() + "\n", newline="\n")
    return [cells, network]
