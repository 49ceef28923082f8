"""Every exception: its message names the remedy, and it survives a trip between processes."""

import copy
import pickle

import pytest

from mutua import errors
from mutua.errors import (
    ElementNotFound,
    Fault,
    InvalidElement,
    InvalidInput,
    MemoryLimit,
    MutuaError,
)

CLASSES = [getattr(errors, name) for name in errors.__all__]
EXCEPTIONS = [cls for cls in CLASSES if issubclass(cls, BaseException)]
FAULTS = [Fault("variable 'x'", "has dtype int8", "use .astype('uint8')"), Fault("dims", "2 x 3")]


def example(cls: type[Exception]) -> Exception:
    if issubclass(cls, InvalidInput):
        return cls("k", "0", "use at least 1")
    if issubclass(cls, InvalidElement):
        return cls("SequenceSet", FAULTS, "argument `sequences` of tl.f")
    return cls("what happened")


@pytest.mark.parametrize("cls", EXCEPTIONS)
def test_all_of_them(cls: type[Exception]) -> None:
    assert issubclass(cls, MutuaError)
    assert cls.__doc__
    error = example(cls)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(twin) is cls
        assert str(twin) == str(error)
        assert twin.__dict__ == error.__dict__
    with pytest.raises(MutuaError):
        raise error


def test_everything_defined_is_listed() -> None:
    defined = {
        name
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and thing.__module__ == "mutua.errors"
    }
    assert defined == set(errors.__all__)


def test_invalid_input() -> None:
    error = InvalidInput("k", "0", "use at least 1")
    assert str(error) == "`k`: 0. Use at least 1."
    assert (error.argument, error.found, error.remedy) == ("k", "0", "use at least 1")
    assert isinstance(error, ValueError)
    assert isinstance(MemoryLimit("n", "9 TB", "use fewer"), InvalidInput)


def test_invalid_element() -> None:
    error = InvalidElement("SequenceSet", FAULTS, "argument `sequences` of tl.f")
    assert str(error) == (
        "argument `sequences` of tl.f: not a valid SequenceSet (2 faults)\n"
        "  - variable 'x': has dtype int8 -> use .astype('uint8')\n"
        "  - dims: 2 x 3"
    )
    assert error.faults == tuple(FAULTS)
    assert (
        str(InvalidElement("Table", FAULTS[1:])) == "not a valid Table (1 fault)\n  - dims: 2 x 3"
    )


def test_builtin_classes_that_callers_catch() -> None:
    assert issubclass(errors.DeviceUnavailable, RuntimeError)
    assert issubclass(errors.MissingDependency, ImportError)
    assert issubclass(errors.StoreUnwritable, OSError)
    assert issubclass(errors.NotAStore, ValueError)
    assert issubclass(ElementNotFound, KeyError)
    assert str(ElementNotFound("there is no element 'x'")) == "there is no element 'x'"
    assert str(ElementNotFound()) == ""
