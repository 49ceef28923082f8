"""tl.ablate: shuffles of common spans and of annotations."""

import numpy as np
import pytest

import mutua as mt
from mutua.errors import InvalidInput
from mutua.kernels.edits import shuffled_spans
from mutua.kernels.random_sequences import derived_seed
from mutua.models.annotations import Annotations
from mutua.models.effects import Effects
from mutua.tl.ablation import ablate

from .networks import LENGTH, Network

N = 5


@pytest.fixture
def seqs():
    return mt.pp.random_sequences(N, length=LENGTH, seed=3)


def annotated(rows, **more):
    """Annotations from (sequence, start, end, motif)."""
    table = np.array(rows, np.int32).reshape(-1, 4)
    parts = {
        "sequence_index": table[:, 0],
        "start": table[:, 1],
        "end": table[:, 2],
        "motif_index": table[:, 3],
        "motif": ["GATA", "CTCF", "unused"],
        "sequence_length": np.full(N, LENGTH, np.int32),
        "source": "user",
    }
    return Annotations.build(**{**parts, **more})


def test_mean_and_deviation_over_shuffles(seqs):
    out = ablate(seqs, Network(), start=2, end=9, n_shuffles=6, seed=7, batch_size=4)
    Effects.check(out, deep=True)
    assert out["experiment"].values.tolist() == ["2-9"]
    bounds = np.full(N, 2), np.full(N, 9)
    shuffles = [
        shuffled_spans(
            seqs["codes"].values, *bounds, k=1, seed=int(derived_seed(7, f"ablate 0 0 {draw}"))
        )
        for draw in range(6)
    ]
    scored = np.stack(
        [
            mt.tl.predict(mt.SequenceSet.build(one, alphabet="DNA"), Network())["prediction"]
            for one in shuffles
        ]
    )
    np.testing.assert_allclose(out["after"][:, 0], scored.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(out["after_std"][:, 0], scored.std(axis=0, ddof=1), atol=1e-5)
    assert (out["after_std"] > 1e-3).all()


def counting(texts):
    """Tell how many letters are not those of a sequence of nothing but its first one."""
    return [[sum(a != b for a, b in zip(t, "ACGTACGTACGT", strict=True))] for t in texts]


def test_annotations_by_motif_and_one_by_one():
    seqs = mt.from_strings(["ACGTACGTACGT"] * N)
    spans = annotated([(3, 0, 4, 1), (0, 8, 12, 0), (0, 0, 4, 0), (0, 4, 6, 1)])
    options = {"encoding": "text", "n_shuffles": 30, "target_names": ["changed"]}
    out = ablate(seqs, counting, annotations=spans, **options)
    assert out["experiment"].values.tolist() == ["GATA", "CTCF", "unused"]
    after = out["after"].values[..., 0]
    there = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]], bool)
    np.testing.assert_array_equal(np.isfinite(after), there)
    assert after[0, 0] > after[3, 1] > after[0, 1] > 0  # 8, 4 and 2 letters
    np.testing.assert_array_equal(np.isfinite(out["after_std"].values[..., 0]), there)

    named = spans.assign_coords(name=("motif", ["GATA1", "", "SOX2"]))
    out = ablate(seqs, counting, annotations=named, **options)
    assert out["name"].values.tolist() == ["GATA1", "", "SOX2"]

    out = ablate(seqs, counting, annotations=spans, by="annotation", **options)
    assert "name" not in out.coords
    assert out["experiment"].values.tolist() == ["annotation 0", "annotation 1", "annotation 2"]
    after = out["after"].values[..., 0]
    there = np.zeros((N, 3), bool)
    there[0], there[3, 0] = True, True
    np.testing.assert_array_equal(np.isfinite(after), there)
    assert after[0, 0] > after[0, 1] < after[0, 2]


def test_no_annotations(seqs):
    out = ablate(seqs, Network(), annotations=annotated([]))
    assert np.isnan(out["after"]).all()
    assert out["after"].shape == (N, 3, 2)
    out = ablate(seqs, Network(), annotations=annotated([]), by="annotation")
    assert out["after"].shape == (N, 0, 2)
    Effects.check(out, deep=True)


def test_lazy_equals_whole(seqs):
    spans = annotated([(3, 0, 4, 1), (0, 8, 12, 0), (0, 0, 4, 0), (2, 4, 9, 1)])
    options = {"annotations": spans, "n_shuffles": 3, "k": 2, "seed": 4}
    whole = ablate(seqs, Network(), **options)
    lazy = ablate(seqs.chunk(sequence=(2, 3)), Network(), **options)
    for name in ("before", "after", "after_std"):
        assert hasattr(lazy[name].data, "dask")
        np.testing.assert_allclose(lazy[name], whole[name], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither"),
        ({"annotations": annotated([]), "start": 3}, "both"),
        ({"start": 3, "end": LENGTH + 1}, "end"),
        ({"start": 3, "end": 3}, "end"),
        ({"start": 3, "n_shuffles": 1}, "n_shuffles"),
        ({"start": 3, "k": 0}, "k"),
        ({"annotations": annotated([]), "by": "family"}, "by"),
        (
            {"annotations": annotated([], sequence_length=np.full(N - 1, LENGTH, np.int32))},
            "of 4 sequences",
        ),
        ({"annotations": annotated([], sequence_length=np.full(N, 40, np.int32))}, "40"),
    ],
    ids=["neither", "both", "end", "empty", "n_shuffles", "k", "by", "fewer", "longer"],
)
def test_bad_input(seqs, options, message):
    with pytest.raises(InvalidInput, match=message):
        ablate(seqs, Network(), **options)
