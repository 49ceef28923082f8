"""The bundled motifs are JASPAR's."""

from __future__ import annotations

import json

import numpy as np

import mutua as mt


def test_jaspar() -> None:
    motifs = mt.datasets.jaspar()
    mt.MotifSet.check(motifs, deep=True)
    assert dict(motifs.sizes) == {"motif": 1019, "letter": 4, "motif_position": 33}
    assert motifs.attrs["alphabet"] == "ACGT"
    assert motifs["length"].values.min() == 4
    assert (motifs["family"].values == "").sum() == 3
    assert len({name.partition(".")[0] for name in motifs["motif"].values.tolist()}) == 1019
    steps = json.loads(motifs.attrs["mutua"])["steps"]
    assert [(step["function"], step["arguments"]) for step in steps] == [("datasets.jaspar", {})]


def test_a_row_of_the_source() -> None:
    """MA0074.1 is of ten sites, in whole counts."""
    motif = mt.datasets.jaspar().sel(motif="MA0074.1")
    assert motif["name"].item() == "RXRA::VDR"
    assert motif["family"].item() == (
        "RXR-related receptors (NR2); Thyroid hormone receptor-related factors (NR1)"
    )
    assert motif["n_sites"].item() == 10
    np.testing.assert_array_equal(
        motif["probability"].values[:, :4],
        np.array([[3, 0, 0, 0], [0, 0, 0, 0], [7, 10, 9, 0], [0, 0, 1, 10]], np.float32) / 10,
    )
