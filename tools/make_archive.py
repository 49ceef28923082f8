"""Archive a store as this version writes it, for `tests/test_archives.py`; once for every release.

Run from the root of the repository::

    python -m tools.make_archive

Writes ``tests/archives/<version>.zip``, a store with one element of every kind and an AnnData,
and ``tests/archives/<version>.npz``, the values that must come out of it for ever. An archive that
is there already is left alone: it is what that release wrote.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from tests.io import examples

import mutua as mt

ARCHIVES = Path(__file__).parents[1] / "tests" / "archives"


def expected_values(name: str, element: object) -> dict[str, np.ndarray]:
    """Give the values of an element by variable, in types that need no pickle."""
    if name == "adata":
        parts = {
            "X": element.X.toarray(),
            "layers/columns": element.layers["columns"].toarray(),
            "obsm/X_pca": element.obsm["X_pca"],
            "obs/group": element.obs["group"].astype(str).to_numpy(),
            "obs/text": element.obs["text"].astype(str).to_numpy(),
            "obs/index": element.obs_names.to_numpy(),
            "var/mean": element.var["mean"].to_numpy(),
        }
    else:
        parts = {str(name): part.values for name, part in element.variables.items()}
    return {
        f"{name}/{part}": np.array(values.tolist()) if values.dtype.kind in "OT" else values
        for part, values in parts.items()
    }


def main() -> None:
    archive = ARCHIVES / f"{mt.__version__}.zip"
    if archive.exists():
        sys.exit(f"{archive} exists: an archive of a release is never written again")
    elements = {kind: make() for kind, make in examples.EXAMPLES.items()}
    elements["adata"] = examples.adata()
    with tempfile.TemporaryDirectory() as folder:
        mt.Analysis(elements).write(f"{folder}/archive.zarr")
        shutil.make_archive(str(archive.with_suffix("")), "zip", f"{folder}/archive.zarr")
    values = [expected_values(name, element) for name, element in elements.items()]
    np.savez_compressed(
        archive.with_suffix(".npz"), **{k: v for part in values for k, v in part.items()}
    )
    sys.stdout.write(f"{archive}: {archive.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
