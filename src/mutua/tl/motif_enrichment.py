"""Motifs that some groups of sequences have more often than the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse

from mutua import stats
from mutua.errors import InvalidInput
from mutua.kernels.hypergeometric import log_enrichment_p
from mutua.models import Dataset, as_kind, checked
from mutua.models.annotations import Annotations
from mutua.models.build import ordered
from mutua.models.dims import GROUP, MOTIF, MOTIF_INDEX, SEQUENCE_INDEX, TERM
from mutua.models.enrichment import Enrichment
from mutua.tl._motif_rows import column, sequence_names
from mutua.tl._two_sets import TINY, odds_ratio

__all__ = ["motif_enrichment"]

Groups = Mapping[Any, Any] | pd.Series | Sequence[Any]


@checked
def motif_enrichment(
    annotations: Dataset[Annotations],
    groups: Groups,
    *,
    genes: Mapping[str, str] | pd.Series | Sequence[str] | None = None,
) -> Dataset[Enrichment]:
    """Give which motifs stand in more sequences of a group than of the other sequences.

    Parameters
    ----------
    annotations
        With motifs; rows that have none (-1) are left out. Of families, what
        `mutua.tl.merge_families` gave.
    groups
        One group for each sequence: a mapping or a Series from sequence ids to labels (where
        sequences have no ids, their numbers 0..N-1), or as many labels as there are sequences, in
        their order. Or, for groups that may overlap, a mapping from each group to the ids of its
        sequences. With labels, sequences without one (or with a missing one) are left out; with
        sets, all sequences are looked at.
    genes
        The gene of each sequence, in the same three forms. Genes are then counted in place of
        sequences, and `groups` names genes, e.g. those of gene programs; a gene has a motif if any
        of its sequences has. Sequences without a gene are left out.

    Returns
    -------
    Enrichment
        (term, group), the terms being the motifs. ``p_value``: Fisher's exact test, one-sided;
        ``q_value``: Benjamini-Hochberg over all motifs and groups; ``odds_ratio`` with 1/2 added
        to the four numbers, so that it is finite.

    Raises
    ------
    InvalidInput
        If the annotations have no motifs, no name in `groups` or `genes` is known, or a group
        has no members.

    Notes
    -----
    Sequences are taken as alike but for what their groups are about: groups whose sequences are
    longer, or richer in G and C, have more of many motifs.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(300, length=100, seed=0)
    >>> open_ = mt.pp.embed_motifs(seqs.isel(sequence=slice(100)), "TGATAAGG", fraction=0.5)
    >>> hits = mt.tl.scan(open_, mt.MotifSet.build({"GATA": "TGATAAGG"}))
    >>> labels = ["erythroid" if start >= 0 else "other" for start in open_["motif_start"].values]
    >>> found = mt.tl.motif_enrichment(hits, labels)
    >>> found["n_both"].values.tolist(), bool(found["p_value"][0, 0] < 1e-20)
    ([[50, 1]], True)
    """
    names = sequence_names(annotations)
    unit_of = np.arange(len(names))
    if genes is not None:
        labels = _labels(genes, names, argument="genes")
        unit_of, names = pd.factorize(labels, use_na_sentinel=True)
        names = np.asarray(names, object)
    members, group_names = _members(groups, names, "genes" if genes is not None else "sequences")
    looked_at = members.any(axis=1) if _is_labels(groups) else np.ones(len(names), bool)
    has = _has_motif(annotations, unit_of, len(names))[looked_at]
    members = members[looked_at]
    n, n_group = int(looked_at.sum()), members.sum(axis=0).astype(np.int64)
    n_term = np.asarray(has.sum(axis=0)).reshape(-1).astype(np.int64)
    both = np.asarray((has.T @ sparse.csr_matrix(members.astype(np.int64))).todense(), np.int64)
    rest = n_term[:, None] - both
    p = np.empty(both.shape)
    for g, size in enumerate(n_group.tolist()):
        p[:, g] = np.exp(
            log_enrichment_p(both[:, g], rest[:, g], foreground=size, background=n - size)
        )
    p = np.maximum(p, TINY)
    values = {
        "n_both": both,
        "expected": n_term[:, None] * n_group / max(n, 1),
        "odds_ratio": odds_ratio(both, rest, n_group, n - n_group),
        "p_value": p,
        "q_value": stats.benjamini_hochberg(p),
    }
    result = xr.Dataset(
        {name: ((TERM, GROUP), array) for name, array in values.items()}
        | {"n_term": ((TERM,), n_term), "n_group": ((GROUP,), n_group)},
        coords={TERM: annotations[MOTIF].values.astype(object), GROUP: group_names},
        attrs={"n": n, "test": "Fisher's exact test, one-sided", "n_tests": int(p.size)},
    )
    return as_kind(Enrichment, ordered(Enrichment, result))


def _has_motif(
    annotations: Dataset[Annotations], unit_of: np.ndarray, n_units: int
) -> sparse.csr_matrix:
    """Give which unit (a sequence or a gene) has which motif, as 0 and 1."""
    motif = column(annotations, MOTIF_INDEX)
    unit = unit_of[column(annotations, SEQUENCE_INDEX)]
    there = (motif >= 0) & (unit >= 0)
    shape = n_units, annotations.sizes[MOTIF]
    ones = np.ones(int(there.sum()), np.int64)
    has = sparse.coo_matrix((ones, (unit[there], motif[there])), shape).tocsr()
    has.data[:] = 1
    return has


def _is_collection(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def _is_labels(groups: Groups) -> bool:
    """Tell whether there is one group for each name, and not a set of names for each group."""
    if isinstance(groups, pd.Series) or not isinstance(groups, Mapping):
        return True
    kinds = {_is_collection(value) for value in groups.values()}
    if len(kinds) == 2:
        found = "labels and sets of names among them"
        raise InvalidInput("groups", found, "map every sequence to a label, or groups to names")
    return kinds != {True}


def _labels(given: Any, names: np.ndarray, *, argument: str) -> np.ndarray:
    """Give the label of each name as a string, or None."""
    if isinstance(given, pd.Series):
        twice = given.index[given.index.duplicated()]
        if len(twice):
            found = f"a Series whose index repeats {twice[0]!r}"
            raise InvalidInput(argument, found, "give each one label")
        given = dict(zip(given.index.astype(str), given.tolist(), strict=True))
    if isinstance(given, Mapping):
        known = {str(name): label for name, label in given.items()}
        labels = [known.get(str(name)) for name in names]
        if len(names) and not any(str(name) in known for name in names):
            found = f"none of the names, such as {str(names[0])!r}"
            raise InvalidInput(argument, found, "use the names that the annotations have")
    elif _is_collection(given):
        labels = list(given)
        if len(labels) != len(names):
            found = f"{len(labels):,} labels for {len(names):,}"
            raise InvalidInput(argument, found, "give one for each, in their order")
    else:
        raise InvalidInput(argument, f"a {type(given).__name__}", "pass a mapping or a Series")
    return np.array([None if pd.isna(label) else str(label) for label in labels], object)


def _members(groups: Groups, names: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Give (name, group) bool and the names of the groups."""
    if _is_labels(groups):
        labels = _labels(groups, names, argument="groups")
        number, found = pd.factorize(labels, sort=True, use_na_sentinel=True)
        return number[:, None] == np.arange(len(found)), np.array(found, object)
    assert isinstance(groups, Mapping)
    place = {str(name): i for i, name in enumerate(names)}
    members = np.zeros((len(names), len(groups)), bool)
    for g, (group, own) in enumerate(groups.items()):
        there = [place[name] for name in map(str, own) if name in place]
        if not there:
            remedy = f"use names of {what}, such as {[str(name) for name in names[:3]]}"
            raise InvalidInput("groups", f"{group!r} has none of the {what}", remedy)
        members[there, g] = True
    if len({str(group) for group in groups}) < len(groups):
        raise InvalidInput("groups", "names that repeat as strings", "give each its own name")
    return members, np.array([str(group) for group in groups], object)
