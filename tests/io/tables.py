"""Small tables in every format, written without the readers."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

SAMPLES = ["s1", "s2", "s3"]
FEATURES = ["101", "102", "103", "104"]
COUNTS = np.array([[3, 0, 0, 1], [0, 0, 7, 2], [5, 6, 0, 0]])
"""Samples x features."""
TAXONOMY = [
    ["k__Bacteria", "p__Firmicutes", "g__"],
    ["k__Bacteria", "p__Proteobacteria", "g__Pseudomonas"],
    ["k__Archaea", "p__", ""],
    ["k__Bacteria", "p__Firmicutes", "g__Rothia"],
]
TYPE = "FeatureTable[Frequency]"


def biom(path: Path | io.BytesIO, *, by_sample: bool = True) -> Path | io.BytesIO:
    """Write BIOM 2.1 as its specification says."""
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.attrs["format-version"] = (2, 1)
        file.attrs["shape"] = COUNTS.T.shape
        file["observation/ids"] = np.array(FEATURES, dtype=object)
        file["sample/ids"] = np.array(SAMPLES, dtype=object)
        for axis, values in (("observation", COUNTS.T), ("sample", COUNTS)):
            if axis == "sample" and not by_sample:
                continue
            matrix = sparse.csr_matrix(values)
            for part in ("data", "indices", "indptr"):
                kind = np.float64 if part == "data" else np.int32
                file[f"{axis}/matrix/{part}"] = getattr(matrix, part).astype(kind)
        ranks = np.array(TAXONOMY, dtype=object)
        file.create_dataset("observation/metadata/taxonomy", data=ranks, dtype=text)
        file["sample/metadata/ph"] = np.array(["7", "not applicable", "5.5"], dtype=object)
    return path


def biom_json(path: Path, *, dense: bool = False) -> Path:
    """Write BIOM 1.0."""
    turned = COUNTS.T
    row, column = np.nonzero(turned)
    entries = [[int(i), int(j), int(turned[i, j])] for i, j in zip(row, column, strict=True)]
    rows = [
        {"id": name, "metadata": {"taxonomy": ranks}}
        for name, ranks in zip(FEATURES, TAXONOMY, strict=True)
    ]
    columns = [{"id": name, "metadata": None} for name in SAMPLES]
    found = {
        "rows": rows,
        "columns": columns,
        "matrix_type": "dense" if dense else "sparse",
        "matrix_element_type": "int",
        "shape": list(turned.shape),
        "data": turned.tolist() if dense else entries,
    }
    path.write_text(json.dumps(found))
    return path


def archive(path: Path, members: dict[str, bytes], *, kind: str = TYPE, root: str = "u-1") -> Path:
    """Write an archive of QIIME 2 with these files among its data."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{root}/VERSION", "QIIME 2\narchive: 5\n")
        file.writestr(f"{root}/metadata.yaml", f"uuid: {root}\ntype: {kind}\nformat: X\n")
        file.writestr(f"{root}/provenance/metadata.yaml", "type: Something[Else]\n")
        for name, content in members.items():
            file.writestr(f"{root}/data/{name}", content)
    return path


def biom_bytes() -> bytes:
    memory = io.BytesIO()
    biom(memory)
    return memory.getvalue()
