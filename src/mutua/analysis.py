"""`Analysis`: everything one study has computed, by name, in memory or in a store."""

from __future__ import annotations

import html
import json
import os
import re
import warnings
import weakref
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import anndata
import pandas as pd
import xarray as xr

from mutua.errors import ElementNotFound, InvalidElement, InvalidInput, NotAStore, StoreUnwritable
from mutua.io.store import Entry, Index, Store
from mutua.models import provenance
from mutua.models.base import KINDS

__all__ = ["Analysis", "open"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")

Item = xr.Dataset | anndata.AnnData


class Analysis(MutableMapping[str, Any]):
    """A mapping of names to elements: Datasets of any kind of mutua, and AnnData.

    In memory until `write` puts it into a store. One that was opened from a store reads lazily,
    and every assignment, deletion and renaming is at once one atomic commit there.

    Parameters
    ----------
    elements
        Elements by name. A name has letters, digits, ``_`` and ``-``, at most 128, and begins
        with a letter or digit; names that differ in case only are refused.

    Raises
    ------
    InvalidInput
        For a bad name or an object of no kind.
    InvalidElement
        For an element that does not satisfy its kind, with every fault.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(100, length=20, seed=0)
    >>> study = mt.Analysis({"random": seqs})
    >>> list(study)
    ['random']
    """

    def __init__(self, elements: Mapping[str, Item] | None = None) -> None:
        self._items: dict[str, Item] = {}
        self._store: Store | None = None
        self._index = Index()
        self._read_only = False
        self._loaded: dict[str, tuple[anndata.AnnData, str]] = {}
        if elements is not None:
            if not isinstance(elements, Mapping):
                raise InvalidInput(
                    "elements", f"a {type(elements).__name__}", "pass a mapping of names to elements"
                )
            self.update(elements)

    @classmethod
    def _opened(cls, store: Store, *, read_only: bool) -> Analysis:
        analysis = cls()
        analysis._store = store
        analysis._index = store.index()
        analysis._read_only = read_only or store.backend.read_only
        # The callback must not hold the analysis, or it would never be collected.
        weakref.finalize(analysis, _warn_unsaved, analysis._loaded, store.url)
        return analysis

    # -- the mapping ---------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        return self.read(name)

    def read(self, name: str, *, lazy: bool = False) -> Any:
        """Give an element.

        Parameters
        ----------
        name
            Its name.
        lazy
            For an AnnData in a store: open it lazily (anndata's own lazy object). A Dataset in a
            store is always dask-backed; use ``.load()`` to have it in memory.

        Raises
        ------
        ElementNotFound
            With the names there are.
        """
        if self._store is None:
            if name not in self._items:
                raise self._not_found(name)
            return self._items[name]
        entry = self._entry(name)
        if entry.kind != "AnnData" or lazy:
            return self._store.read(name, entry, lazy=lazy)
        if name not in self._loaded:
            adata = self._store.read(name, entry)
            self._loaded[name] = adata, provenance.anndata_digest(adata)["value"]
        return self._loaded[name][0]

    def __setitem__(self, name: str, element: Item) -> None:
        self.update({name: element})

    def update(self, *args: Any, **kwargs: Item) -> None:  # type: ignore[override]
        """Add or replace several elements, in a store by one commit."""
        new: dict[str, Item] = dict(*args, **kwargs)
        for name, element in new.items():
            self._check(name, element, others=[n for n in [*self, *new] if n != name])
        if self._store is None:
            self._items.update(new)
            return
        self._writable()
        store = self._store

        def change(index: Index) -> None:
            for name, element in new.items():
                _check_case(name, [n for n in index.elements if n != name])
                store.stage(index, name, element)

        self._index = store.commit(change)
        for name in new:
            self._loaded.pop(name, None)

    def __delitem__(self, name: str) -> None:
        if self._store is None:
            if name not in self._items:
                raise self._not_found(name)
            del self._items[name]
            return
        self._entry(name)
        self._writable()

        def change(index: Index) -> None:
            index.elements.pop(name, None)

        self._index = self._store.commit(change)
        self._loaded.pop(name, None)

    def rename(self, old: str, new: str) -> None:
        """Rename an element; in a store only the index changes.

        Raises
        ------
        ElementNotFound, InvalidInput
            If there is no such element; if the new name is bad or taken.
        """
        if old not in self:
            raise self._not_found(old)
        _check_name(new, [name for name in self if name != old])
        if new in self and new != old:
            raise InvalidInput("new", f"{new!r} is taken", "delete that element first")
        if self._store is None:
            self._items = {new if n == old else n: item for n, item in self._items.items()}
            return
        self._writable()

        def change(index: Index) -> None:
            entry = index.elements.pop(old, None)
            if entry is None:
                raise self._not_found(old)
            index.elements[new] = entry

        self._index = self._store.commit(change)
        if old in self._loaded:
            self._loaded[new] = self._loaded.pop(old)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._items if self._store is None else self._index.elements))

    def __len__(self) -> int:
        return len(self._items if self._store is None else self._index.elements)

    def __contains__(self, name: object) -> bool:
        return name in (self._items if self._store is None else self._index.elements)

    # -- the store -----------------------------------------------------------------------------

    @property
    def url(self) -> str | None:
        """Path or URL of the store, None for an analysis in memory."""
        return None if self._store is None else self._store.url

    def path(self, name: str) -> str:
        """Give the group of an element inside the store, for xarray, anndata or zarr.

        Raises
        ------
        ElementNotFound
            If there is no such element.
        NotAStore
            If the analysis is in memory.
        """
        if self._store is None:
            raise NotAStore("this analysis is in memory. Write it first with .write(path).")
        return self._entry(name).path

    def write(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        """Write everything into a store, by one atomic commit.

        Parameters
        ----------
        path
            A folder that is not there yet, or any fsspec URL.
        overwrite
            Replace what a store at `path` holds. What was there stays on disk, so that readers
            keep their data, until `vacuum`.
        storage_options
            Options for fsspec.

        Raises
        ------
        InvalidInput
            If a store is there already and `overwrite` is not set.
        NotAStore
            If something else is there.
        StoreLocked, StoreUnwritable
            If another process is writing; if the storage is full or read-only.
        """
        store = Store.at(path, storage_options)
        if store.exists() and not overwrite:
            raise InvalidInput(
                "path",
                f"a store is at {store.url}",
                "use overwrite=True to replace it, or mutua.open(path) to add to it",
            )
        elements = {name: self[name] for name in self}

        def change(index: Index) -> None:
            index.elements.clear()
            for name, element in elements.items():
                store.stage(index, name, element)

        store.commit(change)

    def vacuum(self) -> list[str]:
        """Remove what no index names (replaced, deleted or half-written); give what was removed.

        Readers that were opened before may lose what they have not read yet.
        """
        if self._store is None:
            return []
        self._writable()
        return self._store.vacuum()

    def validate(self, *, deep: bool = False) -> None:
        """Hold every element against its kind and the store against its index.

        Parameters
        ----------
        deep
            Read every byte: compare each chunk with the hash taken when it was written, and
            check all values.

        Raises
        ------
        InvalidElement
            With every fault and its element, array and chunk.
        """
        if self._store is not None:
            faults = list(self._store.faults(deep=deep))
            if faults:
                raise InvalidElement("Analysis", faults, self._store.url)
            return
        for name, item in self._items.items():
            kind = _kind(item)
            if kind in KINDS:
                KINDS[kind].check(item, deep=deep, where=f"element {name!r}")

    def close(self) -> None:
        """Let go of the cached AnnData, with a warning for each with unsaved changes."""
        if self._store is not None:
            _warn_unsaved(self._loaded, self._store.url)
            self._loaded.clear()

    def __enter__(self) -> Analysis:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- provenance ----------------------------------------------------------------------------

    def _chain(self, name: str) -> list[dict[str, Any]]:
        if self._store is None:
            return provenance.chain(self[name])
        if name in self._loaded:
            return provenance.chain(self._loaded[name][0])
        record = self._store.record(name, self._entry(name))
        return [] if record is None else list(record["steps"])

    def lineage(self, name: str) -> pd.DataFrame:
        """Give the chain of calls that made an element, first to last.

        Returns
        -------
        pandas.DataFrame
            A row a step: ``step``, ``function``, ``arguments`` (as JSON), ``seed``, ``inputs``
            (``argument=step``), ``versions``.
        """
        rows = [
            {
                "step": step["id"],
                "function": step["function"],
                "arguments": json.dumps(step["arguments"]),
                "seed": step.get("seed"),
                "inputs": ", ".join(f"{i['argument']}={i['step']}" for i in step["inputs"]),
                "versions": ", ".join(f"{k} {v}" for k, v in step["versions"].items()),
            }
            for step in self._chain(name)
        ]
        columns = ["step", "function", "arguments", "seed", "inputs", "versions"]
        frame = pd.DataFrame(rows, columns=columns)
        frame["seed"] = frame["seed"].astype("Int64")
        return frame

    def history(self) -> pd.DataFrame:
        """Give all the steps behind all elements, each once, with the elements that it made.

        Returns
        -------
        pandas.DataFrame
            The columns of `lineage` and ``elements`` and ``written`` (UTC, in a store).
        """
        seen: dict[str, pd.Series] = {}
        makers: dict[str, list[str]] = {}
        for name in self:
            frame = self.lineage(name)
            for _, row in frame.iterrows():
                seen.setdefault(row["step"], row)
            if len(frame):
                makers.setdefault(frame["step"].iloc[-1], []).append(name)
        columns = ["step", "function", "arguments", "seed", "inputs", "versions"]
        table = pd.DataFrame(list(seen.values()), columns=columns).reset_index(drop=True)
        table["elements"] = [", ".join(makers.get(step, [])) for step in table["step"]]
        table["written"] = [self._written(makers.get(step, [])) for step in table["step"]]
        return table

    def _written(self, names: list[str]) -> str:
        if self._store is None:
            return ""
        return max((self._index.elements[name].written for name in names), default="")

    # -- checks --------------------------------------------------------------------------------

    def _check(self, name: str, element: Item, *, others: list[str]) -> None:
        _check_name(name, others)
        if isinstance(element, anndata.AnnData):
            return
        if not isinstance(element, xr.Dataset):
            kinds = ", ".join(KINDS)
            raise InvalidInput(
                f"analysis[{name!r}]",
                f"a {type(element).__name__}",
                f"assign an AnnData or an element made by mutua.<Kind>.build (kinds: {kinds})",
            )
        kind = _kind(element)
        if kind not in KINDS:
            raise InvalidInput(
                f"analysis[{name!r}]",
                "a Dataset without a kind of mutua",
                f"make it one with mutua.<Kind>.build(dataset), e.g. mutua.Table (kinds: "
                f"{', '.join(KINDS)})",
            )
        KINDS[kind].check(element, where=f"analysis[{name!r}]")

    def _entry(self, name: str) -> Entry:
        try:
            return self._index.elements[name]
        except (KeyError, TypeError):
            raise self._not_found(name) from None

    def _not_found(self, name: object) -> ElementNotFound:
        there = ", ".join(map(repr, self)) or "none"
        return ElementNotFound(f"no element {name!r}. There are: {there}.")

    def _writable(self) -> None:
        if self._read_only and self._store is not None:
            raise StoreUnwritable(
                f"{self._store.url} was opened for reading. Open it with mode='r+' to change it."
            )

    # -- display -------------------------------------------------------------------------------

    def _rows(self) -> list[tuple[str, str, str, str, str]]:
        rows = []
        for name in self:
            if self._store is None:
                item = self._items[name]
                sizes = _sizes(item)
                size, chunks = int(getattr(item, "nbytes", 0) or item.__sizeof__()), _chunking(item)
                kind = _kind(item)
            else:
                entry = self._index.elements[name]
                kind, sizes, size = entry.kind, entry.sizes, entry.nbytes
                chunks = f"{_bytes(entry.stored_bytes)} stored"
            shape = " x ".join(f"{dim} {count:,}" for dim, count in sizes.items())
            rows.append((name, str(kind), shape, _bytes(size), chunks))
        return rows

    def __repr__(self) -> str:
        place = "in memory" if self._store is None else self._store.url
        head = f"<mutua.Analysis {place}: {len(self)} elements>"
        rows = self._rows()
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(5)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                 for row in rows]
        return "\n".join([head, *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        place = "in memory" if self._store is None else html.escape(self._store.url)
        header = "".join(f"<th>{t}</th>" for t in ("name", "kind", "sizes", "bytes", "chunks"))
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        return f"<div><b>mutua.Analysis</b> {place}<table><tr>{header}</tr>{body}</table></div>"


def open(
    path: str | os.PathLike[str],
    *,
    mode: str = "r+",
    storage_options: dict[str, Any] | None = None,
) -> Analysis:
    """Open a store; only its index is read.

    Parameters
    ----------
    path
        A folder, a zip file of one (read only) or any fsspec URL.
    mode
        ``"r+"`` to read and change, ``"r"`` to read only.
    storage_options
        Options for fsspec.

    Raises
    ------
    NotAStore
        If there is no store.
    NewerVersion
        If it was written by a newer mutua.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(1000, length=20, seed=0)
    >>> mt.Analysis({"random": seqs}).write("memory://example.zarr", overwrite=True)
    >>> study = mt.open("memory://example.zarr")
    >>> study["random"].equals(seqs)
    True
    """
    if mode not in ("r", "r+"):
        raise InvalidInput("mode", f"{mode!r}", "use 'r' or 'r+'")
    return Analysis._opened(Store.at(path, storage_options), read_only=mode == "r")


def _check_name(name: object, others: list[str]) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(
            "name",
            f"{name!r}",
            "use letters, digits, '_' and '-' (at most 128, a letter or digit first)",
        )
    _check_case(name, others)


def _check_case(name: str, others: list[str]) -> None:
    twin = next((o for o in others if isinstance(o, str) and o.lower() == name.lower()), None)
    if twin is not None and twin != name:
        raise InvalidInput(
            "name", f"{name!r} and {twin!r} differ in case only", "choose another name"
        )


def _kind(item: Item) -> str | None:
    if isinstance(item, anndata.AnnData):
        return "AnnData"
    record = provenance.read_record(item)
    return None if record is None else record["kind"]


def _sizes(item: Item) -> dict[str, int]:
    if isinstance(item, anndata.AnnData):
        return {"obs": item.n_obs, "var": item.n_vars}
    return {str(dim): size for dim, size in item.sizes.items()}


def _chunking(item: Item) -> str:
    if isinstance(item, xr.Dataset) and item.chunks:
        return ", ".join(f"{dim} {max(sizes):,}" for dim, sizes in item.chunks.items())
    return ""


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _warn_unsaved(loaded: dict[str, tuple[anndata.AnnData, str]], url: str) -> None:
    for name, (adata, digest) in list(loaded.items()):
        if provenance.anndata_digest(adata)["value"] != digest:
            warnings.warn(
                f"{name!r} of {url} was changed in memory and not saved. Assign it back to keep "
                f"the changes: analysis[{name!r}] = adata.",
                UserWarning,
                stacklevel=3,
            )
