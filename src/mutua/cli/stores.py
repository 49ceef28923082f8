"""Commands on stores: what is in them, whether it is sound, a report of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

__all__ = ["info", "report", "schema", "vacuum", "validate"]

_MOST_STEPS = 6


def info(store: str, /, *, as_json: Annotated[bool, Parameter(name="--json")] = False) -> None:
    """List the elements of a store: kinds, sizes, and the functions that made them.

    Parameters
    ----------
    store
        Folder, zip file or fsspec URL.
    as_json
        Print everything there is to know as JSON, with all arguments of all functions.
    """
    import mutua as mt

    study = mt.open(store, mode="r")
    if as_json:
        elements = [_described(study, row) for row in study.contents()]
        print(json.dumps({"store": study.url, "elements": elements}, indent=2))
        return
    print(study)
    if len(study):
        print("made by")
    width = max(map(len, study), default=0)
    for name in study:
        functions = study.lineage(name)["function"].tolist()
        if len(functions) > _MOST_STEPS:
            functions = [*functions[:2], "...", *functions[-3:]]
        print(f"  {name.ljust(width)}  {', '.join(map(str, functions))}")


def _described(study: Any, row: Any) -> dict[str, Any]:
    """Give one element as JSON."""
    return {
        "name": row.name,
        "kind": row.kind,
        "path": study.path(row.name),
        "sizes": dict(row.sizes),
        "chunks": dict(row.chunks),
        "bytes": row.nbytes,
        "stored_bytes": row.stored_bytes,
        "steps": study._chain(row.name),
    }


def validate(store: str, /, *, deep: bool = False) -> None:
    """Check that a store and all elements in it are sound.

    Parameters
    ----------
    store
        Folder, zip file or fsspec URL.
    deep
        Read every byte, and compare it with what was written.
    """
    import mutua as mt

    study = mt.open(store, mode="r")
    study.validate(deep=deep)
    print(f"{store}: {len(study)} elements, all sound")


def vacuum(store: str, /) -> None:
    """Remove from a store what was replaced, deleted or never finished; print what it was.

    Parameters
    ----------
    store
        Folder or fsspec URL. Nobody else should be reading it.
    """
    import mutua as mt

    for path in mt.open(store).vacuum():
        print(path)


def report(
    store: str,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("report.html"),
    title: str | None = None,
    n_explained: int = 200,
) -> None:
    """Write a store as one HTML page; print where it is.

    Parameters
    ----------
    store
        Folder, zip file or fsspec URL.
    out
        File to write; one that is there is replaced.
    title
        Heading; by default the name of the store.
    n_explained
        Pairs of positions of each map to show the k-mers of.
    """
    import mutua as mt

    study = mt.open(store, mode="r")
    print(
        mt.report.write_report(
            study, out, title=title, explain=mt.tl.explain_pair, n_explained=n_explained
        )
    )


def schema(*, out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("schemas")) -> None:
    """Write the JSON Schema of every kind, which validates the zarr.json of an element.

    Parameters
    ----------
    out
        Folder to write <Kind>.json into.
    """
    from mutua.models.json_schema import write_schemas

    for file in write_schemas(out):
        print(file)
