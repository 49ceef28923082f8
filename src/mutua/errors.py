"""Every exception mutua raises on purpose.

Each message names the argument or place, what was found there and the remedy,
so that it can be acted on without reading the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "DeviceUnavailable",
    "ElementNotFound",
    "Fault",
    "InvalidElement",
    "InvalidInput",
    "MemoryLimit",
    "MissingDependency",
    "MutuaError",
    "NewerVersion",
    "NotAStore",
    "StoreDamaged",
    "StoreError",
    "StoreLocked",
    "StoreUnwritable",
    "UnsafeStore",
]


class MutuaError(Exception):
    """Base of every exception that mutua raises on purpose."""


class InvalidInput(MutuaError, ValueError):
    """An argument that cannot be used.

    Parameters
    ----------
    argument
        Name of the argument as the caller wrote it.
    found
        What was found there.
    remedy
        What to do instead.
    """

    def __init__(self, argument: str, found: str, remedy: str) -> None:
        super().__init__(argument, found, remedy)
        self.argument = argument
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        return f"`{self.argument}`: {self.found}. {self.remedy[:1].upper()}{self.remedy[1:]}."


class MemoryLimit(InvalidInput):
    """A computation that would not fit into memory; says how much it needs and what would fit."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an element.

    Attributes
    ----------
    location
        Where: a dim, variable, coordinate or attribute, e.g. ``variable 'codes'``.
    found
        What is wrong with it, with the value seen.
    remedy
        How to repair it; may be empty where the fault itself says it.
    """

    location: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f" -> {self.remedy}" if self.remedy else ""
        return f"{self.location}: {self.found}{remedy}"


class InvalidElement(MutuaError, ValueError):
    """An element that does not satisfy its kind; lists every fault with its location.

    Parameters
    ----------
    kind
        Name of the kind that was expected, e.g. ``"SequenceSet"``.
    faults
        All faults found.
    where
        Where the element came from, e.g. ``argument `sequences` of tl.position_mi``.
    """

    def __init__(self, kind: str, faults: Sequence[Fault], where: str = "") -> None:
        super().__init__(kind, tuple(faults), where)
        self.kind = kind
        self.faults = tuple(faults)
        self.where = where

    def __str__(self) -> str:
        count = f"{len(self.faults)} fault" + ("s" if len(self.faults) != 1 else "")
        head = f"not a valid {self.kind} ({count})"
        if self.where:
            head = f"{self.where}: {head}"
        return "\n".join([head, *(f"  - {fault}" for fault in self.faults)])


class DeviceUnavailable(MutuaError, RuntimeError):
    """A device was asked for that this machine cannot use."""


class MissingDependency(MutuaError, ImportError):
    """An optional package is needed and not installed; names the extra to install."""


class StoreError(MutuaError):
    """Base of everything that can go wrong with a store."""


class NotAStore(StoreError, ValueError):
    """The path exists (or not) and holds no mutua store."""


class NewerVersion(StoreError):
    """The store, or an element in it, was written by a newer mutua than this one."""


class StoreLocked(StoreError):
    """Another process is writing to the store; names it."""


class StoreUnwritable(StoreError, OSError):
    """The storage is full or read-only; what was stored before is unchanged."""


class StoreDamaged(StoreError):
    """Stored bytes are not the bytes that were written; names the array and chunk."""


class UnsafeStore(StoreError):
    """The store holds something that could only be read by unpickling; refused."""


class ElementNotFound(StoreError, KeyError):
    """The analysis has no element of that name; lists the names it has."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""
