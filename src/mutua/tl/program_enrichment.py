"""Gene sets that gene programs consist of."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import anndata
import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse
from scipy.special import stdtr

from mutua import stats
from mutua.errors import InvalidInput, MissingDependency
from mutua.kernels.hypergeometric import log_enrichment_p
from mutua.models import Dataset, as_kind, checked, slots
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.build import ordered
from mutua.models.dims import GROUP, TERM
from mutua.models.enrichment import Enrichment
from mutua.tl._module_tables import some
from mutua.tl._two_sets import TINY, odds_ratio

__all__ = ["program_enrichment"]

_METHODS = ("hypergeometric", "ulm")
_TESTS = {
    "hypergeometric": "hypergeometric (Fisher's exact test), one-sided",
    "ulm": "univariate linear model (decoupler), one-sided",
}
_NEEDED = "`method='ulm'` needs decoupler 2: pip install 'mutua[enrichment]'"


@checked
def program_enrichment(
    adata: anndata.AnnData,
    *,
    gene_sets: Mapping[str, Iterable[str]],
    key: str = "programs",
    n_genes: int | None = None,
    min_weight: float = 0.0,
    background: Sequence[str] | None = None,
    method: str = "hypergeometric",
) -> Dataset[Enrichment]:
    """Give which gene sets hold more genes of a program than of the other genes.

    Parameters
    ----------
    adata
        With the programs of `mutua.tl.programs`.
    gene_sets
        Names of genes by the name of the set, such as pathways or markers of cell types.
    key
        The `key_added` of the programs.
    n_genes
        Take this many genes with the largest weights of each program; by default all.
    min_weight
        Take genes with weights above this.
    background
        The genes that a program could have consisted of; by default all of `adata`, which is
        right where the programs were looked for among them.
    method
        ``"hypergeometric"``: the genes of a program are counted. ``"ulm"``: the correlations of
        all genes with the activity of the program (their weights, where these are not there) are
        regressed on whether they are in the set, by decoupler
        (``pip install 'mutua[enrichment]'``).

    Returns
    -------
    Enrichment
        (term, group): gene sets and programs. ``n_both``, ``expected`` and ``odds_ratio`` (1/2
        added to the four numbers) count the genes of programs. ``p_value``, one-sided, and
        ``q_value``: Benjamini-Hochberg over all sets and programs. NaN for sets without a gene in
        the background and programs without genes, which are no tests. ``n_absent`` (term): genes
        of the set that are not in the background. With ``"ulm"`` also ``score``, Student's t.

    Raises
    ------
    InvalidInput
        If there are no programs with weights, no set has a gene of the background, a set is a
        text, genes of the background are unknown, or an argument is out of its range.
    MissingDependency
        For ``method="ulm"`` without decoupler 2.

    Warns
    -----
    UserWarning
        Naming sets without a gene in the background.

    Notes
    -----
    Genes are taken as independent, which genes of one pathway are not; p-values rank sets better
    than they tell chance. The regression sees all genes, with the sign of their correlation, and
    not only those of a program.

    References
    ----------
    Badia-i-Mompel et al. 2022, Bioinformatics Advances 2:vbac016 (decoupler).

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> adata = anndata.AnnData(np.ones((3, 20)))
    >>> adata.varm["programs"] = np.repeat(np.eye(2), 10, axis=0)
    >>> adata.uns["programs"] = {
    ...     "result": "gene programs", "names": ["P0", "P1"],
    ...     "features": adata.var_names.to_numpy(object),
    ... }
    >>> sets = {"cell cycle": ["0", "1", "2", "3"], "stress": ["9", "10", "nowhere"]}
    >>> found = mt.tl.program_enrichment(adata, gene_sets=sets)
    >>> found["p_value"].values.round(3).tolist(), found["n_absent"].values.tolist()
    ([[0.043, 1.0], [0.763, 0.763]], [0, 1])
    """
    method = one_of("method", method, _METHODS)
    min_weight = number("min_weight", min_weight, low=0)
    n_genes = None if n_genes is None else whole_number("n_genes", n_genes, low=1)
    names, weights = _weights(adata, key)
    places = _background(adata, background)
    weights = weights[places]
    sets = _sets(gene_sets, adata.var_names[places])
    members = _members(weights, n_genes, min_weight)
    n, n_term, n_group = len(places), sets.has.sum(axis=0), members.sum(axis=0)
    both = sets.has.T.astype(np.int64) @ members
    tested = (n_term > 0)[:, None] & (n_group > 0)
    values = {
        "n_both": both,
        "expected": np.multiply.outer(n_term, n_group) / n,
        "odds_ratio": odds_ratio(both, n_term[:, None] - both, n_group, n - n_group),
    }
    if method == "ulm":
        score = _linear_scores(_profiles(adata, key, weights, places), sets)
        # Student's t with the genes less two degrees of freedom.
        p, tested = stdtr(n - 2, -score), ~np.isnan(score)
        values["score"] = score
    else:
        p = _hypergeometric(both, n_term, n_group, n)
    p = np.where(tested, np.clip(p, TINY, 1.0), np.nan)
    values |= {"p_value": p, "q_value": stats.benjamini_hochberg(p)}
    result = xr.Dataset(
        {name: ((TERM, GROUP), array) for name, array in values.items()}
        | {"n_term": ((TERM,), n_term), "n_group": ((GROUP,), n_group)}
        | {"n_absent": ((TERM,), sets.n_absent, {"long_name": "genes not in the background"})},
        coords={TERM: sets.names, GROUP: np.array(names, object)},
        attrs={"n": n, "test": _TESTS[method], "n_tests": int(tested.sum())},
    )
    return as_kind(Enrichment, ordered(Enrichment, result))


class _Sets(NamedTuple):
    """Gene sets over the genes of the background."""

    names: np.ndarray
    genes: pd.Index
    has: np.ndarray
    """bool (gene, set)."""
    n_absent: np.ndarray


def _weights(adata: anndata.AnnData, key: str) -> tuple[list[str], np.ndarray]:
    """Give the names of the programs and (gene, program): the weights."""
    entry = slots.find(adata, slots.PROGRAMS, key, argument="key")
    slot = slots.PROGRAMS.slots[slots.WEIGHT].key.format(key)
    if slot not in adata.varm:
        raise InvalidInput("key", f"no varm[{slot!r}]", "call tl.programs again")
    return [str(name) for name in entry["names"]], _dense(adata.varm[slot])


def _dense(held: Any) -> np.ndarray:
    return np.asarray(held.toarray() if sparse.issparse(held) else held, np.float64)


def _background(adata: anndata.AnnData, background: Any) -> np.ndarray:
    """Give the places of the genes of the background."""
    if not adata.var_names.is_unique:
        raise InvalidInput("adata", "names of genes repeat", "call adata.var_names_make_unique()")
    if background is None:
        return np.arange(adata.n_vars)
    if isinstance(background, str):
        raise InvalidInput("background", f"{background!r}", "use a list of names of genes")
    wanted = pd.Index([str(name) for name in background]).unique()
    places = adata.var_names.get_indexer(wanted)
    if not len(wanted) or (places < 0).any():
        found = f"no {some(wanted[places < 0], most=10)} in var_names" if len(wanted) else "no gene"
        raise InvalidInput("background", found, "use genes of the data")
    return np.sort(places)


def _sets(gene_sets: Any, genes: pd.Index) -> _Sets:
    if not isinstance(gene_sets, Mapping) or not gene_sets:
        found = "no set" if isinstance(gene_sets, Mapping) else f"a {type(gene_sets).__name__}"
        raise InvalidInput("gene_sets", found, "pass a mapping from names to lists of genes")
    names = [str(name) for name in gene_sets]
    if len(set(names)) < len(names):
        raise InvalidInput("gene_sets", "names that are the same as text", "rename them")
    has = np.zeros((len(genes), len(names)), bool)
    n_absent = np.zeros(len(names), np.int64)
    for column, own in enumerate(gene_sets.values()):
        if isinstance(own, str) or not isinstance(own, Iterable):
            found = f"{names[column]!r} is {own!r}"
            raise InvalidInput("gene_sets", found, "use a list of names of genes")
        places = genes.get_indexer(pd.Index([str(gene) for gene in own], dtype=object).unique())
        has[places[places >= 0], column] = True
        n_absent[column] = (places < 0).sum()
    lost = [names[column] for column in np.flatnonzero(~has.any(axis=0))]
    if len(lost) == len(names):
        found = f"none of their genes; the data have {some(genes)}"
        raise InvalidInput("gene_sets", found, "use the same names of genes")
    if lost:
        text = f"{len(lost)} of {len(names)} gene sets have no gene in the background: "
        warnings.warn(text + some(lost, most=10), UserWarning, stacklevel=4)
    return _Sets(np.array(names, object), genes, has, n_absent)


def _members(weights: np.ndarray, n_genes: int | None, min_weight: float) -> np.ndarray:
    """Give int64 (gene, program): the genes of every program, as 0 and 1."""
    members = weights > min_weight
    if n_genes is not None:
        order = np.argsort(-weights, axis=0, kind="stable")[:n_genes]
        top = np.zeros(members.shape, bool)
        np.put_along_axis(top, order, True, axis=0)
        members &= top
    return members.astype(np.int64)


def _hypergeometric(
    both: np.ndarray, n_term: np.ndarray, n_group: np.ndarray, n: int
) -> np.ndarray:
    p = np.ones(both.shape)
    for place, size in enumerate(n_group.tolist()):
        rest = n_term - both[:, place]
        p[:, place] = np.exp(
            log_enrichment_p(both[:, place], rest, foreground=size, background=n - size)
        )
    return p


def _profiles(
    adata: anndata.AnnData, key: str, weights: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Give (gene, program): how much a gene goes with a program."""
    slot = slots.PROGRAMS.slots[slots.CORRELATION].key.format(key)
    if slot not in adata.varm:
        return weights
    correlation = _dense(adata.varm[slot])[places]
    return np.where(np.isnan(correlation), 0.0, correlation)  # NaN for genes that are constant


def _linear_scores(profiles: np.ndarray, sets: _Sets) -> np.ndarray:
    """Give (set, program): Student's t of the set, NaN for what cannot be tested."""
    try:
        import decoupler
    except ImportError as error:
        raise MissingDependency(_NEEDED) from error
    if not hasattr(decoupler, "mt"):
        raise MissingDependency(_NEEDED)
    # decoupler fails for sets or programs that nothing can be regressed on.
    usable = sets.has.any(axis=0) & ~sets.has.all(axis=0)
    varying = np.flatnonzero(np.ptp(profiles, axis=0) > 0)
    score = np.full((len(sets.names), profiles.shape[1]), np.nan)
    if not usable.any() or not len(varying):
        return score
    places, columns = np.nonzero(sets.has & usable)
    genes = sets.genes.astype(str)
    network = pd.DataFrame({"source": columns.astype(str), "target": genes[places], "weight": 1.0})
    data = pd.DataFrame(profiles[:, varying].T, varying.astype(str), genes)
    found, _ = decoupler.mt.ulm(data, network, tmin=1, empty=False)
    values = found.loc[data.index].to_numpy(np.float64)
    score[np.ix_(found.columns.astype(int), varying)] = values.T
    return score
