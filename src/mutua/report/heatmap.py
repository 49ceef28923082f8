"""Matrices as the interactive heatmap of the page reads them."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr

from mutua.models.dims import POSITION_I, POSITION_J
from mutua.pl._axes import DIVERGING, SEQUENTIAL, label_of
from mutua.pl._labels import value_label
from mutua.report.explanations import Explained

__all__ = ["MEASURES", "colour_tables", "contact_heatmap", "encode", "position_mi_heatmap"]

MEASURES = ("mi_corrected", "mi", "mi_normalized", "mi_null")
"""What a `PositionMI` can be coloured by, the first one there by default."""
_VALUES = {
    "p_value": "p-value",
    "q_value": "q-value (false discovery rate)",
    "p_familywise": "p-value, family-wise",
    "n_pair": "sequences with both k-mers known",
}
_MOST_VALUES = 2_000_000
"""Numbers of one element that go into the page; what is beyond is left out, the last first."""


def encode(values: np.ndarray) -> dict[str, Any]:
    """Give a matrix as JSON: bytes of floats, zlib-compressed, in base64.

    Single precision unless a value would underflow. Of a symmetric matrix the upper triangle with
    its diagonal is kept, of a constant one the constant. The first bytes of all numbers come
    first, then the second ones and so on, which compresses better.

    Examples
    --------
    >>> encode(np.ones((3, 3)))
    {'part': 'constant', 'value': 1.0}
    >>> encode(np.eye(2))["part"]
    'upper'
    """
    values = np.asarray(values, dtype=np.float64)
    if np.isnan(values).all():
        return {"part": "constant", "value": None}
    if np.isfinite(values.flat[0]) and (values == values.flat[0]).all():
        return {"part": "constant", "value": float(values.flat[0])}
    symmetric = values.shape[0] == values.shape[1] and np.array_equal(
        values, values.T, equal_nan=True
    )
    kept = values[np.triu_indices(len(values))] if symmetric else values.ravel()
    sizes = np.abs(kept[np.isfinite(kept) & (kept != 0)])
    tiny = bool(sizes.size) and (sizes.min() < 1e-37 or sizes.max() > 3e38)
    kind = "<f8" if tiny else "<f4"
    raw = kept.astype(kind)
    planes = raw.view(np.uint8).reshape(-1, raw.itemsize).T
    return {
        "part": "upper" if symmetric else "all",
        "size": raw.itemsize,
        "data": base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii"),
    }


def colour_tables() -> dict[str, str]:
    """Give the colours of the maps of `mutua.pl` as one text of 256 hexadecimal colours each."""
    maps = {"sequential": SEQUENTIAL, "near": f"{SEQUENTIAL}_r", "diverging": DIVERGING}
    return {
        name: bytes(mpl.colormaps[cmap](np.arange(256), bytes=True)[:, :3].ravel()).hex()
        for name, cmap in maps.items()
    }


def position_mi_heatmap(mi: xr.Dataset, explained: Explained) -> dict[str, Any] | None:
    """Give a `PositionMI` for the page, or None where it is empty or too large for one."""
    measures = [name for name in MEASURES if name in mi]
    names = [measures[0], *(name for name in _VALUES if name in mi), *measures[1:]]
    size = mi.sizes[POSITION_I]
    fits = int(_MOST_VALUES // max(1, size * (size + 1) // 2))
    names = names[:fits]
    if not names or not size:
        return None
    return {
        **_axes(mi),
        "step": int(mi.attrs["k"]),
        "colours": "sequential",
        "maps": [
            {
                "name": name,
                "label": _VALUES.get(name)
                or value_label(mi.attrs, name, mi[name].attrs.get("units")),
                "coloured": name in measures,
                **encode(mi[name].values),
            }
            for name in names
        ],
        "explained": explained.to_json(),
    }


def contact_heatmap(contacts: xr.Dataset) -> dict[str, Any] | None:
    """Give a `ContactMap` for the page, or None where it is empty or too large for one."""
    if not 0 < contacts["distance"].size <= 2 * _MOST_VALUES:
        return None
    label = label_of(contacts["distance"])
    return {
        **_axes(contacts),
        "step": 1,
        "colours": "near",
        "maps": [
            {
                "name": "distance",
                "label": label,
                "coloured": True,
                **encode(contacts["distance"].values),
            }
        ],
        "explained": None,
    }


def _axes(element: xr.Dataset) -> dict[str, Any]:
    return {
        key: {
            "label": label_of(element[dim]),
            "values": [int(value) for value in element[dim].values],
        }
        for key, dim in (("rows", POSITION_I), ("columns", POSITION_J))
    }
