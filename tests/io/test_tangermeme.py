"""Seqlets and hits from and to tangermeme and memelite, by running them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput
from mutua.io.tangermeme import from_tangermeme, to_tangermeme

N, LENGTH = 12, 90


def sequences() -> xr.Dataset:
    return mt.pp.random_sequences(N, length=LENGTH, seed=0)


def seqlets() -> pd.DataFrame:
    frame = {"example_idx": [3, 0, 11], "start": [4, 50, 80], "end": [10, 61, 90],
             "attribution": [1.5, -0.5, 2.0], "p-value": [1e-9, 1e-5, 0.01]}  # fmt: skip
    return pd.DataFrame(frame)


def motifs() -> xr.Dataset:
    return mt.datasets.jaspar().isel(motif=slice(0, 300, 10))


def test_seqlets_become_annotations_and_back() -> None:
    found = from_tangermeme(seqlets(), sequences())
    assert found["sequence_index"].values.tolist() == [3, 0, 11]
    assert found["rank_score"].values.tolist() == [1e-9, 1e-5, 0.01]
    assert "p_value" not in found
    assert found.attrs["source"] == "seqlets"
    back = to_tangermeme(found)
    pd.testing.assert_frame_equal(back, seqlets(), check_dtype=False)


def test_nearest_motifs_become_rows() -> None:
    index = np.array([[2, 0], [29, 1], [5, 6]])
    p = np.array([[0.01, 0.2], [0.5, 1.0], [0.0, 0.25]])
    found = from_tangermeme(seqlets(), sequences(), motifs=motifs(), motif_index=index, p_value=p)
    assert found["motif_index"].values.tolist() == index.ravel().tolist()
    assert found["p_value"].values.tolist() == p.ravel().tolist()
    assert found["rank"].values.tolist() == [0, 1] * 3
    assert found["start"].values.tolist() == [4, 4, 50, 50, 80, 80]
    assert found["rank_score"].values.tolist() == np.repeat([1e-9, 1e-5, 0.01], 2).tolist()
    assert found.attrs["source"] == "tomtom"
    best = to_tangermeme(found)
    assert best["motif_idx"].tolist() == [2, 29, 5]
    assert best["motif_name"].tolist() == motifs()["motif"].values[[2, 29, 5]].tolist()


@pytest.mark.slow
def test_results_of_annotate_seqlets_are_taken_as_they_are() -> None:
    tangermeme = pytest.importorskip("tangermeme.annotate")
    torch = pytest.importorskip("torch")
    hot = torch.from_numpy(np.array(mt.pp.one_hot(sequences()))).float()
    given = motifs()
    matrices = {
        name: torch.from_numpy(values[:, :width].astype(np.float64))
        for name, values, width in zip(given["motif"].values.tolist(), given["probability"].values,
                                       given["length"].values, strict=True)
    }  # fmt: skip
    index, p = tangermeme.annotate_seqlets(hot, seqlets(), matrices, n_nearest=2)
    found = from_tangermeme(seqlets(), sequences(), motifs=given, motif_index=index, p_value=p)
    assert found["motif_index"].values.reshape(3, 2).tolist() == np.asarray(index).tolist()
    one = from_tangermeme(
        seqlets(), sequences(), motifs=given, motif_index=index[:, 0], p_value=p[:, 0]
    )
    assert one.sizes["annotation"] == 3


@pytest.mark.slow
def test_hits_of_fimo_become_annotations() -> None:
    fimo = pytest.importorskip("memelite").fimo
    given = motifs()
    matrices = {
        name: values[:, :width].astype(np.float64)
        for name, values, width in zip(given["motif"].values.tolist(), given["probability"].values,
                                       given["length"].values, strict=True)
    }  # fmt: skip
    hot = np.array(mt.pp.one_hot(sequences())).astype(np.float64)
    frames = fimo(matrices, hot, threshold=1e-3)
    found = from_tangermeme(frames, sequences(), motifs=given)
    everything = pd.concat([x for x in frames if len(x)], ignore_index=True)
    assert len(everything) > 20
    assert found.sizes["annotation"] == len(everything)
    assert found["sequence_index"].values.tolist() == everything["sequence_name"].tolist()
    assert found["start"].values.tolist() == everything["start"].tolist()
    assert found["p_value"].values.tolist() == everything["p-value"].tolist()
    names = given["motif"].values[found["motif_index"].values]
    assert names.tolist() == everything["motif_name"].tolist()
    assert found["strand"].values.tolist() == [1 if x == "+" else -1 for x in everything["strand"]]
    own = mt.tl.scan(sequences(), given, p_threshold=1e-3)
    assert len(set(zip(names.tolist(), found["sequence_index"].values.tolist(),
                       found["start"].values.tolist(), strict=True))
               & set(zip(given["motif"].values[own["motif_index"].values].tolist(),
                         own["sequence_index"].values.tolist(), own["start"].values.tolist(),
                         strict=True))) > 0.9 * own.sizes["annotation"]  # fmt: skip


def test_no_seqlets_stay_none() -> None:
    found = from_tangermeme(seqlets().iloc[:0], sequences())
    assert found.sizes["annotation"] == 0
    assert len(to_tangermeme(found)) == 0
    none = {"motif_index": np.zeros((0, 2), int), "p_value": np.zeros((0, 2))}
    found = from_tangermeme(seqlets().iloc[:0], sequences(), motifs=motifs(), **none)
    assert found.sizes["annotation"] == 0


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"motif_index": [0, 1, 2]}, "p_value"),
        ({"motif_index": [0, 1, 2], "p_value": [0, 1, 1]}, "motifs"),
        ({"motifs": motifs(), "motif_index": [0, 1], "p_value": [0, 1]}, "motif_index"),
        ({"motifs": motifs(), "motif_index": [0, 1, 2], "p_value": np.zeros((3, 2))}, "p_value"),
        ({"motifs": motifs(), "motif_index": [0, 1, 30], "p_value": [0, 1, 1]}, "motifs"),
    ],
    ids=["one only", "no motifs", "too few", "other shape", "no such motif"],
)
def test_results_that_do_not_fit_are_refused(options: dict[str, object], argument: str) -> None:
    with pytest.raises(InvalidInput) as error:
        from_tangermeme(seqlets(), sequences(), **options)  # type: ignore[arg-type]
    assert error.value.argument == argument


def test_what_are_no_frames_is_refused() -> None:
    for wrong in ([], [1], "seqlets"):
        with pytest.raises(InvalidInput, match="Use a data frame, or several"):
            from_tangermeme(wrong, sequences())  # type: ignore[arg-type]
