"""Letters and values within spans against plain slices."""

from __future__ import annotations

import numpy as np

from mutua.kernels.spans import cut_spans, observed_values, span_values

N, ROWS, LENGTH = 230, 11, 47


def random_spans() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    start = random.integers(0, LENGTH - 9, N)
    return random.integers(0, ROWS, N), start, start + random.integers(1, 10, N)


def test_values_within_spans() -> None:
    row, start, end = random_spans()
    values = np.random.default_rng(1).normal(size=(ROWS, LENGTH)).astype(np.float32)
    values[3, 20] = np.nan
    found = span_values(values, row, start, end)
    slices = [values[i, a:b].astype(np.float64) for i, a, b in zip(row, start, end, strict=True)]
    assert sum(np.isnan(part).any() for part in slices) > 0
    np.testing.assert_allclose(found.total, [part.sum() for part in slices], rtol=1e-12)
    np.testing.assert_allclose(found.mean, [part.mean() for part in slices], rtol=1e-12)
    np.testing.assert_array_equal(found.largest, [part.max() for part in slices])


def test_observed_values() -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=(ROWS, 5, LENGTH)).astype(np.float32)
    codes = random.integers(0, 5, (ROWS, LENGTH), dtype=np.uint8)
    codes[2, 3], codes[4, 5] = 254, 255
    found = observed_values(values, codes)
    for i in range(ROWS):
        for j in range(LENGTH):
            assert found[i, j] == (values[i, codes[i, j], j] if codes[i, j] < 5 else 0)


def test_letters_of_spans() -> None:
    row, start, end = random_spans()
    codes = np.random.default_rng(3).integers(0, 4, (ROWS, LENGTH), dtype=np.uint8)
    found = np.zeros((N, 12), np.uint8)
    cut_spans(codes, row, start, end, found)
    for span, (i, a, b) in enumerate(zip(row, start, end, strict=True)):
        assert found[span, : b - a].tolist() == codes[i, a:b].tolist()
        assert (found[span, b - a :] == 255).all()
