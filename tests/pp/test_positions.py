"""Numbers of the user's own along the sequences."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput


def test_positions_are_numbered(untouched, function_of):
    out = mt.pp.number_positions(untouched, -50, label="base before the site", unit="bp")
    mt.SequenceSet.check(out, deep=True)
    assert function_of(out) == "pp.number_positions"
    assert out["position"].values.tolist() == list(range(-50, -38))
    assert out["position"].attrs == {"long_name": "base before the site", "units": "bp"}
    assert out.sel(position=-40)["codes"].values.tolist() == out["codes"].values[:, 10].tolist()
    kept = [str(name) for name in untouched.data_vars]
    for name in kept:
        np.testing.assert_array_equal(out[name], untouched[name])


def test_lazy_sets_stay_lazy(full, forbidden):
    lazy = mt.pp.number_positions(forbidden(full), 7)
    assert lazy["position"].values[0] == 7
    xr.testing.assert_equal(
        mt.pp.number_positions(full.chunk(sequence=4), 7).compute(), mt.pp.number_positions(full, 7)
    )


@pytest.mark.parametrize(
    ("first", "options", "message"),
    [
        (1.5, {}, "`first`"),
        (None, {}, "`first`"),
        (0, {"label": 3}, "`label`: a int"),
        (0, {"unit": None}, "`unit`: a NoneType"),
    ],
)
def test_number_positions_refuses(full, first, options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.pp.number_positions(full, first, **options)


def test_only_sequence_sets(full):
    with pytest.raises(InvalidElement, match="number_positions"):
        mt.pp.number_positions(full["codes"], 0)
