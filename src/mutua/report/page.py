"""The report of an `Analysis` as one file."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from mutua.analysis import Analysis
from mutua.errors import InvalidInput, NewerVersion, StoreUnwritable
from mutua.models.arguments import whole_number
from mutua.models.provenance import versions
from mutua.report.explanations import Explain, Sources
from mutua.report.heatmap import colour_tables
from mutua.report.sections import Section, Summary, anchor_of, is_sequence_set, make_section
from mutua.report.sections import as_script as script_text
from mutua.report.steps import Step, draw_steps, read_steps
from mutua.report.text import bytes_text, sizes_text, without_login

__all__ = ["write_report"]

_SCRIPTS = ("heatmap.js", "page.js")


def write_report(
    analysis: Analysis,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    explain: Callable[..., Any] | None = None,
    n_explained: int = 200,
) -> Path:
    """Write everything an analysis holds, and how it was made, as one HTML file.

    The file needs no network and forbids itself any: pictures, styles and scripts are inside it.
    Position MI becomes a heatmap that shows the values of the pixel below the pointer, and after
    a click the k-mers behind it. Of sequence sets and tables the first rows are read and shown.

    Parameters
    ----------
    analysis
        The analysis, in memory or opened from a store.
    path
        File to write, e.g. ``"report.html"``; one that is there is replaced at once or not at all.
    title
        Heading of the report; by default the name of the store.
    explain
        `mutua.tl.explain_pair`, with which the k-mers behind the strongest pairs of positions are
        computed, where the analysis holds the sequence set that the `PositionMI` was made from.
        By default no k-mers are shown.
    n_explained
        For how many pairs of each `PositionMI`.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InvalidInput
        If `analysis` is no `Analysis`, `explain` cannot be called, or `path` is a folder or in one
        that is not there.
    StoreUnwritable
        If the file cannot be written; one that was there before is unchanged.

    Examples
    --------
    >>> import tempfile
    >>> import mutua as mt
    >>> from mutua.report import write_report
    >>> seqs = mt.pp.random_sequences(500, length=12, seed=0)
    >>> study = mt.Analysis({"random": seqs, "random_mi": mt.tl.position_mi(seqs, k=1)})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write_report(study, f"{folder}/report.html", explain=mt.tl.explain_pair)
    ...     "random_mi" in file.read_text(encoding="utf-8")
    True
    """
    if not isinstance(analysis, Analysis):
        raise InvalidInput(
            "analysis",
            f"a {type(analysis).__name__}",
            "pass a mutua.Analysis: mutua.open(path), or mutua.Analysis({name: element})",
        )
    if explain is not None and not callable(explain):
        raise InvalidInput(
            "explain", f"a {type(explain).__name__}", "pass mutua.tl.explain_pair, or None"
        )
    if title is not None and not isinstance(title, str):
        raise InvalidInput("title", f"a {type(title).__name__}", "pass a str, or None")
    n_explained = whole_number("n_explained", n_explained, low=0)
    file = _file(path)
    page = _render(analysis, title, explain, n_explained)
    _replace(file, page.encode("utf-8", "replace"))
    return file


def _file(path: str | os.PathLike[str]) -> Path:
    """Give the file to write, before any work is done for it."""
    try:
        file = Path(path)
    except TypeError:
        raise InvalidInput(
            "path", f"a {type(path).__name__}", "pass the name of a file, e.g. 'report.html'"
        ) from None
    if file.is_dir():
        raise InvalidInput("path", f"{file} is a folder", "add the name of a file to it")
    if not file.parent.is_dir():
        raise InvalidInput(
            "path", f"there is no folder {file.parent}", "make it first, or choose another one"
        )
    return file


def _replace(file: Path, content: bytes) -> None:
    """Write a file beside the one wanted, then put it there by one renaming."""
    beside = file.with_name(f".{file.name[:80]}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        with open(beside, "xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, file)
    except OSError as error:
        raise StoreUnwritable(
            f"{file} cannot be written ({error.strerror or error}). Choose another folder, or make "
            "room there; what was there before is unchanged."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def _render(
    analysis: Analysis, title: str | None, explain: Explain | None, n_explained: int
) -> str:
    summaries = [
        Summary(
            name=row.name,
            kind=row.kind,
            sizes=sizes_text(row.sizes),
            size=bytes_text(row.nbytes),
            stored="" if row.stored_bytes is None else bytes_text(row.stored_bytes),
        )
        for row in analysis.contents()
    ]
    steps = {row.name: read_steps(analysis.lineage(row.name)) for row in summaries}
    made = _made(steps)
    by_step: dict[str, str] = {}
    for row in summaries:
        if is_sequence_set(row.kind) and steps[row.name]:
            by_step.setdefault(steps[row.name][-1].id, row.name)
    sources = Sources(by_step, analysis.read)
    sections = [
        make_section(
            _read(analysis, row.name),
            row,
            steps[row.name],
            sources,
            explain=explain,
            n_explained=n_explained,
        )
        for row in summaries
    ]
    where = "in memory" if analysis.url is None else without_login(analysis.url)
    default = "Analysis" if analysis.url is None else Path(where.rstrip("/")).name
    return _page(sections, steps, made, title=default if title is None else title, where=where)


def _read(analysis: Analysis, name: str) -> Any:
    """Give an element, or the error where its kind is not known here: the rest can be shown."""
    try:
        return analysis.read(name, lazy=True)
    except NewerVersion as error:
        return error


def _made(steps: dict[str, list[Step]]) -> dict[str, list[str]]:
    """Give the names of the elements that each step made."""
    made: dict[str, list[str]] = {}
    for name, chain in steps.items():
        if chain:
            made.setdefault(chain[-1].id, []).append(name)
    return made


def _page(
    sections: list[Section],
    steps: dict[str, list[Step]],
    made: dict[str, list[str]],
    *,
    title: str,
    where: str,
) -> str:
    loader = jinja2.PackageLoader("mutua.report", "templates")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Its own style and scripts stand in the page as they are, everything else is escaped.
    style = loader.get_source(environment, "report.css")[0]
    scripts = "\n".join(loader.get_source(environment, name)[0] for name in _SCRIPTS)
    now = datetime.datetime.now(datetime.UTC)
    return environment.get_template("report.html").render(
        title=title,
        where=where,
        version=versions()["mutua"],
        written=now.strftime("%Y-%m-%d %H:%M UTC"),
        policy=_policy(style, scripts),
        style=Markup(style),
        scripts=Markup(scripts),
        shared=Markup(script_text({"colours": colour_tables()})),
        safe_script=Markup,
        sections=sections,
        graphs=draw_steps((step for chain in steps.values() for step in chain), made),
        anchor_of=anchor_of,
    )


def _policy(style: str, scripts: str) -> str:
    """Give the content security policy: nothing from outside, and no script but the page's own."""
    return (
        "default-src 'none'; img-src data:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(scripts)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
