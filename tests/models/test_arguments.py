"""Checks of plain arguments."""

import math
from decimal import Decimal

import numpy as np
import pytest

from mutua.errors import InvalidInput
from mutua.models.arguments import number, one_of, whole_number


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_whole_numbers(value: object) -> None:
    found = whole_number("k", value, low=3, high=3)
    assert found == 3
    assert type(found) is int


@pytest.mark.parametrize(
    ("value", "limits", "message"),
    [
        (2, {"low": 3}, "`k`: 2. Use an int of at least 3."),
        (9, {"high": 8}, "`k`: 9. Use an int of at most 8."),
        (9, {"low": 3, "high": 8}, "`k`: 9. Use an int from 3 to 8."),
        (-1, {"low": 10_000_000}, "`k`: -1. Use an int of at least 10000000."),
        (3.0, {}, "`k`: 3.0 is not a whole number. Use an int."),
        ("3", {"low": 1}, "`k`: '3' is not a whole number. Use an int of at least 1."),
        (True, {}, "`k`: True is not a whole number. Use an int."),
        (np.True_, {}, "is not a whole number"),
        (None, {}, "`k`: None is not a whole number"),
        (np.array([1, 2]), {}, "is not a whole number"),
    ],
)
def test_what_is_no_whole_number(value: object, limits: dict, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        whole_number("k", value, **limits)
    assert message in str(error.value)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int8(2)])
def test_numbers(value: object) -> None:
    found = number("p", value, low=2, high=2)
    assert found == 2.0
    assert type(found) is float


@pytest.mark.parametrize(
    ("value", "limits", "message"),
    [
        (1.5, {"low": 2}, "`p`: 1.5. Use a finite number of at least 2."),
        (0, {"low": 0, "open_low": True}, "`p`: 0. Use a finite number above 0."),
        (2, {"low": 0, "high": 1}, "`p`: 2. Use a finite number from 0 to 1."),
        (2, {"low": 0, "high": 1, "open_low": True}, "Use a finite number above 0 and at most 1."),
        (2, {"high": 0.5}, "`p`: 2. Use a finite number of at most 0.5."),
        (math.nan, {}, "`p`: nan. Use a finite number."),
        (-math.inf, {}, "`p`: -inf. Use a finite number."),
        (10**400, {}, "`p`: inf. Use a finite number."),
        ("1", {"low": 0, "open_low": True}, "`p`: '1' is not a number. Use a float above 0."),
        (True, {}, "`p`: True is not a number"),
        (np.False_, {}, "is not a number"),
        (1j, {}, "`p`: 1j is not a number"),
        (np.complex128(1), {}, "is not a number"),
        (None, {}, "`p`: None is not a number. Use a float."),
        (Decimal(1), {}, "is not a number"),
    ],
)
def test_what_is_no_number(value: object, limits: dict, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        number("p", value, **limits)
    assert message in str(error.value)


def test_options() -> None:
    assert one_of("method", "b", ("a", "b")) == "b"
    assert one_of("method", np.str_("b"), {"a": 1, "b": 2}) == "b"
    for bad in ("c", None, 1, ["a"], "A"):
        with pytest.raises(InvalidInput, match=r"`method`: .*\. Use one of \['a', 'b'\]\."):
            one_of("method", bad, ("a", "b"))
