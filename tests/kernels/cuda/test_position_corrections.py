"""Normalized and corrected mutual information on CUDA: the same bits as on the CPU."""

import numpy as np
import pytest
from numba import cuda

from mutua.kernels.cuda.position_corrections import AverageProduct, divide_by_joint_entropy
from mutua.kernels.pair_statistics import ENTROPY_JOINT, FIELDS, MI, n_pairs
from mutua.kernels.position_mi import average_product, normalized_mi, square

N, POSITIONS = 4, 19


def draw(k: int) -> np.ndarray:
    """Statistics (N, n_fields, n_pairs) of permutations: with k > 1 some are unknown."""
    rng = np.random.default_rng(k)
    values = rng.random((N, len(FIELDS), n_pairs(POSITIONS, k)))
    if k > 1:
        values.swapaxes(1, 2)[rng.random((N, values.shape[2])) < 0.2] = np.nan
    values[1, [MI, ENTROPY_JOINT], 7] = 0.0
    return values


def with_edges(values: np.ndarray) -> np.ndarray:
    """Let one permutation know no pair, and one have no information at all."""
    values[2] = np.nan
    values[3] = 0.0
    return values


@pytest.mark.parametrize("k", [1, 3])
def test_divided_by_the_joint_entropy(k: int) -> None:
    values = draw(k)
    on_device = cuda.to_device(values)
    divide_by_joint_entropy(on_device)
    found = on_device.copy_to_host()
    np.testing.assert_array_equal(
        found[:, MI], normalized_mi(values[:, MI], values[:, ENTROPY_JOINT])
    )
    np.testing.assert_array_equal(found[:, MI + 1 :], values[:, MI + 1 :])


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("edge", [False, True])
def test_average_products_are_those_of_the_cpu(k: int, edge: bool) -> None:
    values = with_edges(draw(k)) if edge else draw(k)
    pairs = np.tril_indices(POSITIONS, -k)
    products = np.stack(
        [average_product(square(row, POSITIONS, k))[pairs] for row in values[:, MI]]
    )
    correction = AverageProduct(POSITIONS, k)
    for start, stop in ((0, 3), (3, 4)):
        on_device = cuda.to_device(values[start:stop])
        correction.subtract_from(on_device)
        np.testing.assert_array_equal(
            on_device.copy_to_host()[:, MI], values[start:stop, MI] - products[start:stop]
        )
    expected = np.zeros(len(pairs[0]))
    for row in products:
        expected += row
    np.testing.assert_array_equal(correction.subtracted(), expected)
    assert np.isnan(expected).any() == (k > 1 or edge)
