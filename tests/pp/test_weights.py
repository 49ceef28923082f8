"""Weights by identity, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from tests.reference import sequences as reference


@settings(deadline=None)
@given(
    arrays(np.uint8, (7, 5), elements=st.sampled_from([0, 1, 254, 255])),
    st.sampled_from([0.2, 0.5, 0.8, 1.0]),
    st.booleans(),
)
def test_weights_match_reference(codes, identity, ignore_shared_gaps):
    seqs = mt.SequenceSet.build(codes, alphabet="AC")
    options = {"identity": identity, "ignore_shared_gaps": ignore_shared_gaps}
    weights = mt.pp.sequence_weights(seqs, **options)["weight"]
    gaps = (254, 255) if ignore_shared_gaps else None
    counts = reference.neighbour_counts(codes.tolist(), identity, gaps)
    np.testing.assert_array_equal(weights, 1 / np.array(counts))


def test_a_weighted_set(untouched, function_of):
    out = mt.pp.sequence_weights(untouched, identity=0.3)
    mt.SequenceSet.check(out, deep=True)
    assert function_of(out) == "pp.sequence_weights"
    assert out["weight"].dtype == np.float64
    assert out["weight"].attrs["identity"] == 0.3
    assert (out["weight"] != untouched["weight"]).any()
    rest = [str(name) for name in untouched.data_vars if name != "weight"]
    xr.testing.assert_identical(out[rest].drop_attrs(), untouched[rest].drop_attrs())
    again = mt.pp.sequence_weights(untouched.chunk(sequence=5, position=4), identity=0.3)
    np.testing.assert_array_equal(again["weight"], out["weight"])


def test_copies_count_once():
    seqs = mt.from_strings(["ACGTACGT"] * 5 + ["TTTTTTTT"])
    weights = mt.pp.sequence_weights(seqs)["weight"].values
    np.testing.assert_allclose(weights, [0.2] * 5 + [1.0])


@pytest.mark.parametrize("identity", [0, -0.1, 1.01, np.nan, "0.8", None, True])
def test_identity_is_refused(full, identity):
    with pytest.raises(InvalidInput, match="`identity`"):
        mt.pp.sequence_weights(full, identity=identity)


def test_other_faults(full):
    with pytest.raises(InvalidInput, match="`ignore_shared_gaps`: 1"):
        mt.pp.sequence_weights(full, ignore_shared_gaps=1)
    with pytest.raises(InvalidElement, match="sequence_weights"):
        mt.pp.sequence_weights(full["codes"])
