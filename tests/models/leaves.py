"""A kind with fields and attributes of several sorts, and an element of it."""

import numpy as np
import pydantic
import xarray as xr

from mutua.models.base import Coordinate, Element, coordinate, find_faults, variable


class LeafAttributes(pydantic.BaseModel):
    """Attributes of a `Leaf`."""

    species: str = pydantic.Field(min_length=2, description="name of the species")
    year: int = pydantic.Field(ge=1800, description="year of collection")
    height: float = 1.0
    marks: list[float] = []


class Leaf(Element):
    """Leaves, measured at several points."""

    width: np.float32 = variable("width", dims=("leaf", "point"), unit="mm", gt=0)
    veins: np.int64 | None = variable("veins", dims=("leaf",), ge=1, le=99)
    shade: np.float64 | None = variable("shade", dims=("leaf",), nullable=True, ge=0)
    picked: np.bool_ | None = variable("whether it was picked", dims=("leaf",))
    leaf: Coordinate[str] = coordinate("name", dims=("leaf",), unique=True)
    point: Coordinate[np.int64] | None = coordinate("point", dims=("point",), unique=True)
    colour: Coordinate[str] | None = coordinate("colour", dims=("leaf",), isin=["green", "red"])

    class Config:
        """Options of the pandera model."""

        attrs = LeafAttributes


def leaves(**changes: object) -> xr.Dataset:
    element = xr.Dataset(
        {
            "width": (("leaf", "point"), np.ones((3, 2), np.float32)),
            "veins": ("leaf", np.array([4, 5, 6])),
            "shade": ("leaf", np.array([0.5, np.nan, 0.0])),
            "picked": ("leaf", np.array([True, False, True])),
        },
        coords={
            "leaf": ["a", "b", "c"],
            "point": np.array([10, 20]),
            "colour": ("leaf", ["green", "red", "red"]),
        },
        attrs={"species": "Acer", "year": 1999},
    )
    for name, value in changes.items():
        element[name] = value
    return element


def faults(element: object, kind: type[Element] = Leaf, *, deep: bool = False) -> list[str]:
    return [str(fault) for fault in find_faults(kind, element, deep=deep)]
