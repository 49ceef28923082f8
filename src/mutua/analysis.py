"""`Analysis`: everything one study has computed, by name, in memory or in a store."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

import anndata
import pandas as pd
import xarray as xr

from mutua._listing import Row, as_html, as_text, kind_of, row_of
from mutua._steps import steps_table
from mutua._unsaved import Loaded, warn_unsaved
from mutua.errors import (
    ElementNotFound,
    Fault,
    InvalidElement,
    InvalidInput,
    NotAStore,
    StoreUnwritable,
)
from mutua.io.elements import is_known
from mutua.io.index import Entry, Index, check_case, check_name, check_new_name
from mutua.io.store import Item, Store
from mutua.models import provenance
from mutua.models.base import KINDS, find_faults

__all__ = ["Analysis", "open"]


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
        self._loaded: dict[str, Loaded] = {}
        self._turn = threading.RLock()
        if elements is not None:
            if not isinstance(elements, Mapping):
                found = f"a {type(elements).__name__}"
                raise InvalidInput("elements", found, "pass a mapping of names to elements")
            self.update(elements)

    @classmethod
    def _opened(cls, store: Store, *, read_only: bool) -> Analysis:
        analysis = cls()
        analysis._store = store
        analysis._index = store.index()
        analysis._read_only = read_only or store.backend.read_only
        # The callback must not hold the analysis, or it would never be collected.
        weakref.finalize(analysis, warn_unsaved, analysis._loaded, store.url)
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
            if name not in self:
                raise self._not_found(name)
            return self._items[name]
        entry = self._entry(name)
        if entry.kind != "AnnData" or lazy:
            return self._store.read(name, entry, lazy=lazy)
        with self._turn:
            known = self._loaded.get(name)
            if known is not None and known.path != entry.path:  # another process replaced it
                warn_unsaved({name: self._loaded.pop(name)}, self._store.url)
                known = None
            return known.adata if known else self._cache(name, self._store.read(name, entry))

    def _cache(self, name: str, adata: anndata.AnnData) -> anndata.AnnData:
        digest = provenance.digest_of(adata, fresh=True)["value"]
        self._loaded[name] = Loaded(self._index.elements[name].path, adata, digest)
        return adata

    def __setitem__(self, name: str, element: Item) -> None:
        self.update({name: element})

    def update(self, *args: Any, **kwargs: Item) -> None:
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
                check_case(name, list(index.elements))
                store.stage(index, name, element)

        if new:
            self._commit(store, change)
        for name, element in new.items():
            self._saved(name, element)

    def _commit(self, store: Store, change: Callable[[Index], None]) -> None:
        with self._turn:
            self._index = store.commit(change)

    def _saved(self, name: str, element: Item) -> None:
        """Go on watching an AnnData that was assigned back; let go of one that was replaced."""
        with self._turn:
            known = self._loaded.pop(name, None)
            if known is not None and known.adata is element and name in self:
                self._cache(name, known.adata)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise self._not_found(name)
        if self._store is None:
            del self._items[name]
            return
        self._writable()

        def change(index: Index) -> None:
            index.elements.pop(name, None)

        self._commit(self._store, change)
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
        if self._store is None:
            check_new_name(old, new, self._items)
            self._items = {new if n == old else n: item for n, item in self._items.items()}
            return
        self._writable()

        def change(index: Index) -> None:
            if old not in index.elements:
                raise self._not_found(old)
            check_new_name(old, new, index.elements)
            index.elements = {new if n == old else n: e for n, e in index.elements.items()}

        self._commit(self._store, change)
        if old in self._loaded:
            self._loaded[new] = self._loaded.pop(old)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._items if self._store is None else self._index.elements))

    def __len__(self) -> int:
        return len(self._items if self._store is None else self._index.elements)

    def __contains__(self, name: object) -> bool:
        names = self._items if self._store is None else self._index.elements
        return isinstance(name, str) and name in names

    # -- the store -----------------------------------------------------------------------------

    @property
    def url(self) -> str | None:
        """Path or URL of the store, None for an analysis in memory."""
        return None if self._store is None else self._store.url

    def path(self, name: str) -> str:
        """Give the group of an element inside the store, for xarray, anndata or zarr.

        ``xr.open_zarr(f"{study.url}/{study.path(name)}")`` opens an element without mutua, and
        ``anndata.read_zarr`` an AnnData. It stays valid until the element is replaced.

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

        Elements of a store whose kind is not known here are copied as they are.

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
        taken = InvalidInput(
            "path",
            f"a store is at {store.url}",
            "use overwrite=True to replace it, or mutua.open(path) to add to it",
        )
        if store.exists() and not overwrite:
            raise taken

        def change(index: Index) -> None:
            if index.elements and not overwrite:  # made since by another process
                raise taken
            index.elements.clear()
            for name in self:
                entry = self._index.elements.get(name)
                if self._store and entry and not is_known(entry.kind, entry.version):
                    store.copy(index, name, self._store, entry)
                else:
                    store.stage(index, name, self._current(name))

        with self._turn:
            index = store.commit(change, create=True)
            if self._store is not None and self._store.url == store.url:
                self._index = index
                for name, known in list(self._loaded.items()):
                    self._saved(name, known.adata)

    def _current(self, name: str) -> Item:
        """Give an element without keeping an AnnData that is not in memory yet."""
        if self._store is None or name in self._loaded:
            return self.read(name)
        return self._store.read(name, self._entry(name))

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
        else:
            faults = [
                Fault(f"element {name!r}, {fault.location}", fault.found, fault.remedy)
                for name, item in self._items.items()
                if (kind := kind_of(item)) in KINDS
                for fault in find_faults(KINDS[kind], item, deep=deep)
            ]
        if faults:
            raise InvalidElement("Analysis", faults, self.url or "")

    def close(self) -> None:
        """Let go of the cached AnnData, with a warning for each with unsaved changes."""
        if self._store is not None:
            warn_unsaved(self._loaded, self._store.url)
            self._loaded.clear()

    def __enter__(self) -> Analysis:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- provenance ----------------------------------------------------------------------------

    def _chain(self, name: str) -> list[dict[str, Any]]:
        if self._store is None:
            return provenance.chain(self[name])
        entry = self._entry(name)
        known = self._loaded.get(name)
        if known is not None and known.path == entry.path:
            return provenance.chain(known.adata)
        return list(self._store.record(name, entry)["steps"])

    def lineage(self, name: str) -> pd.DataFrame:
        """Give the chain of calls that made an element, first to last.

        Returns
        -------
        pandas.DataFrame
            A row a step: ``step``, ``function``, ``arguments`` (as JSON), ``seed``, ``inputs``
            (``argument=step``), ``versions``.

        Raises
        ------
        ElementNotFound
            If there is no such element.
        """
        return steps_table(self._chain(name))

    def history(self) -> pd.DataFrame:
        """Give all the steps behind all elements, each once, with the elements that it made.

        Returns
        -------
        pandas.DataFrame
            The columns of `lineage` and ``elements`` and ``written`` (UTC, in a store).
        """
        steps: dict[str, dict[str, Any]] = {}
        made: dict[str, list[str]] = {}
        for name in self:
            chain = self._chain(name)
            for step in chain:
                steps.setdefault(step["id"], step)
            if chain:
                made.setdefault(chain[-1]["id"], []).append(name)
        table = steps_table(list(steps.values()))
        table["elements"] = [", ".join(made.get(step, [])) for step in steps]
        table["written"] = [self._written(made.get(step, [])) for step in steps]
        return table

    def _written(self, names: list[str]) -> str:
        if self._store is None:
            return ""
        return max((self._index.elements[name].written for name in names), default="")

    # -- checks --------------------------------------------------------------------------------

    def _check(self, name: str, element: Item, *, others: list[str]) -> None:
        check_name(name, others)
        if isinstance(element, anndata.AnnData):
            return
        if not isinstance(element, xr.Dataset):
            kinds = ", ".join(KINDS)
            raise InvalidInput(
                f"analysis[{name!r}]",
                f"a {type(element).__name__}",
                f"assign an AnnData or an element made by mutua.<Kind>.build (kinds: {kinds})",
            )
        kind = kind_of(element)
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

    def contents(self) -> list[Row]:
        """Give name, kind, sizes, bytes and chunks of every element, reading none of them.

        Returns
        -------
        list of named tuples
            ``name``, ``kind``, ``sizes`` and ``chunks`` (by dim), ``nbytes`` in memory and
            ``stored_bytes``, None in memory.
        """
        if self._store is None:
            return [row_of(name, item) for name, item in self._items.items()]
        return [
            Row(name, entry.kind, entry.sizes, entry.nbytes, entry.chunks, entry.stored_bytes)
            for name, entry in self._index.elements.items()
        ]

    def __repr__(self) -> str:
        return as_text(self.url, self.contents())

    def _repr_html_(self) -> str:
        return as_html(self.url, self.contents())


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
