"""Copy the notebooks of ``tutorials/`` into the documentation and list them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

FOLDER = "tutorials"
_TEXT = """\
# Tutorials

Notebooks from real data to a result that can be kept. They stand in the folder `tutorials/` of the
source and are run by its tests.
"""


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the notebooks."""
    app.connect("builder-inited", copy_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def copy_notebooks(app: Sphinx) -> None:
    """Make ``docs/tutorials/``: the notebooks as they are, and a page that lists them."""
    source, folder = Path(app.srcdir).parent / "tutorials", Path(app.srcdir) / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    notebooks = sorted(source.glob("*.ipynb"))
    for notebook in notebooks:
        shutil.copy2(notebook, folder)
    text = _TEXT
    if notebooks:
        names = "\n".join(notebook.stem for notebook in notebooks)
        lines = "\n".join(f"- {_line(notebook)}" for notebook in notebooks)
        text += f"\n{lines}\n\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    else:
        text += "\nThere are none yet.\n"
    (folder / "index.md").write_text(text, encoding="utf-8")


def _line(notebook: Path) -> str:
    """Give a link to a notebook with what it says of itself in its first paragraph."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    text = "".join(next((c["source"] for c in cells if c["cell_type"] == "markdown"), []))
    blocks = [block for block in text.split("\n\n") if block and not block.startswith("#")]
    first = f": {' '.join(blocks[0].split())}" if blocks else ""
    return f"{{doc}}`{notebook.stem}`{first}"
