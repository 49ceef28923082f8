"""The index of a store: what the attributes of its root group say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from mutua.errors import InvalidInput
from mutua.io.hashes import hash_bytes
from mutua.models.dims import RECORD
from mutua.models.provenance import versions

__all__ = [
    "FORMAT",
    "Entry",
    "Index",
    "check_case",
    "check_name",
    "check_new_name",
    "generation_of",
]

FORMAT = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
"""What an element may be called."""
_GROUP = re.compile(rf"({NAME.pattern})\.([0-9]{{1,18}})")


@dataclass(frozen=True)
class Entry:
    """What the index says of one element."""

    path: str
    kind: str
    version: int
    digest: str
    """Hash of the element's manifest, hence of every byte of it."""
    nbytes: int
    """Bytes in memory when everything is loaded."""
    stored_bytes: int
    sizes: dict[str, int]
    chunks: dict[str, int]
    """Chunks, by dim, of the data variable that takes most space; none for AnnData."""
    written: str
    """UTC time of writing, ISO 8601."""

    @classmethod
    def from_json(cls, name: str, body: Mapping[str, Any]) -> Self:
        """Make an entry of what the index holds.

        Raises
        ------
        TypeError, ValueError
            For an entry that mutua would not have written.
        """
        entry = cls(**body)
        texts = (entry.path, entry.kind, entry.digest, entry.written)
        counts = [entry.version, entry.nbytes, entry.stored_bytes]
        counts += [*entry.sizes.values(), *entry.chunks.values()]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError(f"element {name!r} has a number where text belongs")
        if not all(type(count) is int and count >= 0 for count in counts):
            raise TypeError(f"element {name!r} has no whole number where one belongs")
        if entry.version < 1 or not entry.sizes.keys() >= entry.chunks.keys():
            raise ValueError(f"element {name!r} has version {entry.version} or unknown dims")
        if not NAME.fullmatch(name) or generation_of(entry.path) is None:
            raise ValueError(f"element {name!r} has the path {entry.path!r}")
        return entry


@dataclass
class Index:
    """The elements of a store by name, and how many commits there were."""

    generation: int = 0
    elements: dict[str, Entry] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Give the content of the root ``zarr.json``."""
        body = {
            "format": FORMAT,
            "mutua_version": versions()["mutua"],
            "generation": self.generation,
            "elements": {name: asdict(entry) for name, entry in self.elements.items()},
        }
        body["checksum"] = _checksum(body)
        group = {"zarr_format": 3, "node_type": "group", "attributes": {RECORD: body}}
        return json.dumps(group, indent=1).encode()

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave.

        Raises
        ------
        KeyError, TypeError, ValueError, AttributeError
            If it is anything else.
        """
        if body["checksum"] != _checksum(body):
            raise ValueError("it was changed by something other than mutua")
        found = {name: Entry.from_json(name, entry) for name, entry in body["elements"].items()}
        if len({name.lower() for name in found}) < len(found):
            raise ValueError("two names differ in case only")
        return cls(int(body["generation"]), found)


def _checksum(body: Mapping[str, Any]) -> str:
    content = {key: value for key, value in body.items() if key != "checksum"}
    return hash_bytes(json.dumps(content, sort_keys=True).encode())


def generation_of(folder: str) -> int | None:
    """Give the generation of the element that a folder may hold, None where it cannot."""
    match = _GROUP.fullmatch(folder)
    return int(match[2]) if match else None


def check_name(name: object, others: list[str]) -> None:
    """Refuse what cannot be the name of an element beside `others`."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidInput(
            "name",
            f"{name!r}",
            "use letters, digits, '_' and '-' (at most 128, a letter or digit first)",
        )
    check_case(name, others)


def check_case(name: str, others: list[str]) -> None:
    """Refuse a name that differs from another one in case only."""
    twin = next((o for o in others if isinstance(o, str) and o.lower() == name.lower()), None)
    if twin is not None and twin != name:
        raise InvalidInput(
            "name", f"{name!r} and {twin!r} differ in case only", "choose another name"
        )


def check_new_name(old: str, new: str, names: Mapping[str, object]) -> None:
    """Refuse a new name for `old` that is bad or taken."""
    check_name(new, [name for name in names if name != old])
    if new in names and new != old:
        raise InvalidInput("new", f"{new!r} is taken", "delete that element first")
