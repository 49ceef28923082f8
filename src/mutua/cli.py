"""The command ``mutua``."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import cyclopts

__all__ = ["app", "main"]

app = cyclopts.App(
    name="mutua",
    help="Typed, labelled containers for what a model, a latent space or a screen has learned.",
    version=importlib.metadata.version("mutua"),
)


@app.command
def schema(*, out: Path = Path("schemas")) -> None:
    """Write the JSON Schema of every kind of element, which validates a stored ``zarr.json``.

    Parameters
    ----------
    out
        Folder to write <Kind>.json into.
    """
    from mutua.models.json_schema import write_schemas

    for file in write_schemas(out):
        print(file)


def main() -> None:
    """Run the command line."""
    app()
