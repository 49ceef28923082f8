"""Activities of programs that were found in other cells."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import anndata
import numpy as np
import pandas as pd

from mutua.errors import InvalidInput
from mutua.kernels.program_activity import program_activity, program_correlation
from mutua.kernels.three_levels import three_levels
from mutua.models import checked, slots
from mutua.models.arguments import number, one_of
from mutua.tl._find_programs import gene_scale
from mutua.tl._module_tables import key_of, some, switch
from mutua.tl._program_values import CellValues, cell_values, refuse_copy

__all__ = ["project_programs"]

_X: Final = "X"
_SCALES: Final = ("reference", "own")
_MOST_CELLS: Final = 50_000


@checked
def project_programs(
    adata: anndata.AnnData,
    *,
    reference: anndata.AnnData,
    key: str = "programs",
    layer: str | None = None,
    scale: str = "reference",
    max_missing: float = 0.0,
    allow_counts: bool = False,
    key_added: str | None = None,
    copy: bool = False,
) -> anndata.AnnData | None:
    """Give how active the programs of a reference are in other cells.

    Parameters
    ----------
    adata
        The new cells, scaled like those of the reference, with its genes in any order. Other genes
        are ignored.
    reference
        What `mutua.tl.programs` or `mutua.read_programs` wrote into.
    key
        The `key_added` it was written with.
    layer
        Which layer of `adata` to take; by default ``X``.
    scale
        What the genes are divided by. ``"reference"``: what they were divided by there, as
        `mutua.tl.programs` stores it. ``"own"``: their standard deviations over the new cells (at
        most 50,000 of them, evenly spaced), none below the 20th percentile. Programs of
        `mutua.read_programs` need this, as no file of cNMF or D-SPIN holds the scales; so the new
        cells should be of as many kinds as those that the programs were found in.
    max_missing
        Share of a program, by its squared weights, that may belong to genes that `adata` does not
        have. The activities are then the least squares over the genes that are there.
    allow_counts
        Take whole numbers above 20, which are refused as raw counts otherwise.
    key_added
        Key of the result; `key` by default.
    copy
        Return a copy with the result, and leave `adata` as it is.

    Returns
    -------
    AnnData or None
        None, or the copy. Written are

        ``obsm["X_programs"]``
            float64 (cell, program): activity >= 0, the least squares of the new values, divided
            by the scales.
        ``obsm["X_programs_state"]``
            float32 (cell, program): -1, 0 or 1, with the limits halfway between the activities of
            the states in the reference.
        ``varm["programs"]``
            float64 (gene, program): the weights of the reference, 0 for other genes.
        ``varm["programs_correlation"]``
            float64 (gene, program): Pearson r of a gene with the activity over the new cells.
        ``uns["programs"]``
            ``names``, ``features``, ``prior``, ``scale`` of each gene (NaN for other genes),
            ``relative_error`` over the genes of the reference, ``missing`` (program), the share of
            each program that is not there, and ``parameters``.

    Raises
    ------
    InvalidInput
        If genes with a weight are missing beyond `max_missing` (they are listed); the reference has
        no such programs, no scales, or negative weights, such as the scores of cNMF, or was cut
        since; values cannot be used; or the result would replace the programs themselves.

    Warns
    -----
    UserWarning
        Where genes are missing within `max_missing`.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> genes = np.repeat(np.eye(3), [5, 6, 7], axis=1)
    >>> values = random.gamma(1, size=(90, 3)) @ genes + random.uniform(0, 0.2, (90, 18))
    >>> adata = anndata.AnnData(values)
    >>> old, new = adata[:80].copy(), adata[80:, ::-1].copy()
    >>> mt.tl.programs(old, n_programs=3, n_runs=4)
    >>> mt.tl.project_programs(new, reference=old)
    >>> new.obsm["X_programs"].shape
    (10, 3)
    """
    key, copy = key_of("key", key), switch("copy", copy)
    added = key if key_added is None else key_of("key_added", key_added)
    one_of("scale", scale, _SCALES)
    allowed = number("max_missing", max_missing, low=0, high=1)
    if adata is reference and added == key:
        found = f"{added!r} would replace the programs themselves"
        raise InvalidInput("key_added", found, "use another key")
    refuse_copy(adata, copy)
    entry = slots.find(reference, slots.PROGRAMS, key, argument="key", whole=True)
    weights, of_reference = _weights(reference, key, entry, own=scale == "own")
    names = [str(name) for name in entry["names"]]
    values = cell_values(adata, layer, allow_counts=switch("allow_counts", allow_counts))
    at = reference.var_names.get_indexer(values.names)
    missing = _missing(weights, at, names, reference.var_names, allowed)
    of_genes = np.where(at[:, None] >= 0, weights[at], 0.0)
    # Divided by infinity, a gene that the reference does not have counts for nothing.
    scales = np.where(at >= 0, of_reference[at], np.inf)
    if scale == "own":
        scales[np.isfinite(scales)] = _own_scale(values, np.isfinite(scales))
    active = program_activity(values.blocks, of_genes, scales)
    results = {
        slots.WEIGHT: of_genes,
        slots.CORRELATION: program_correlation(values.blocks, active),
        slots.ACTIVITY: active.activity,
        slots.STATE: _states(reference, key, active.activity),
    }
    kept = {
        "scale": np.where(at >= 0, scales, np.nan),
        "prior": np.asarray(entry.get("prior", np.zeros(len(names))), bool),
        "relative_error": active.relative_error,
        "missing": missing,
        "parameters": {
            "key": key,
            "layer": _X if layer is None else layer,
            "scale": scale,
            "max_missing": allowed,
        },
    }
    target = adata.copy() if copy else adata
    slots.write(target, slots.PROGRAMS, added, results, names=names, settings=kept)
    return target if copy else None


def _weights(
    reference: anndata.AnnData, key: str, entry: Mapping[str, Any], *, own: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Give the weights and the scales of the genes of the reference, 1 for scales to come."""
    slot = slots.PROGRAMS.slots[slots.WEIGHT].key.format(key)
    if slot not in reference.varm:
        raise InvalidInput("reference", f"no varm[{slot!r}]", "pass what tl.programs wrote into")
    if "scale" not in entry and not own:
        found = "no scales of the genes, as after read_programs"
        raise InvalidInput("reference", found, "take those of the new cells: scale='own'")
    weights = np.asarray(reference.varm[slot], np.float64)
    if (weights < 0).any():
        remedy = "use weights >= 0, such as read_programs(..., weights='spectra')"
        raise InvalidInput("reference", f"negative weights in varm[{slot!r}]", remedy)
    scale = np.asarray(entry.get("scale", np.ones(len(weights))), np.float64)
    # What was projected itself knows nothing of some genes.
    known = np.isfinite(scale)
    return np.where(known[:, None], weights, 0.0), np.where(known, scale, np.inf)


def _own_scale(values: CellValues, genes: np.ndarray) -> np.ndarray:
    """Give the standard deviations of some genes over the new cells."""
    n = len(values.cells)
    cells = np.arange(n) if n <= _MOST_CELLS else np.linspace(0, n - 1, _MOST_CELLS).astype(int)
    return gene_scale(values.rows(cells)[:, np.flatnonzero(genes)])


def _missing(
    weights: np.ndarray, at: np.ndarray, names: list[str], genes: pd.Index, allowed: float
) -> np.ndarray:
    """Give the share of each program that is not there, or refuse too much of it."""
    gone = np.ones(len(weights), bool)
    gone[at[at >= 0]] = False
    total = (weights**2).sum(axis=0)
    share = np.asarray((weights[gone] ** 2).sum(axis=0) / np.where(total > 0, total, 1))
    lost = genes[gone & (weights > 0).any(axis=1)]
    if not len(lost):
        return share
    worst = int(share.argmax())
    found = (
        f"{len(lost)} of {int((weights > 0).any(axis=1).sum())} genes with a weight are missing: "
    )
    found += f"{some(lost, most=10)}; that is {share[worst]:.3g} of program {names[worst]!r}"
    if share[worst] > allowed or share[worst] >= 1:
        remedy = "add them, e.g. as 0 where they were not expressed, or allow more by max_missing"
        raise InvalidInput("adata", found, remedy)
    warnings.warn(found, UserWarning, stacklevel=4)
    return share


def _states(reference: anndata.AnnData, key: str, activity: np.ndarray) -> np.ndarray:
    """Give the states of new activities by the limits that the reference has between its own."""
    of_activity, of_state = (
        slots.PROGRAMS.slots[name].key.format(key) for name in (slots.ACTIVITY, slots.STATE)
    )
    if of_activity not in reference.obsm or of_state not in reference.obsm:
        return three_levels(activity)
    known = np.asarray(reference.obsm[of_activity], np.float64)
    state = np.asarray(reference.obsm[of_state])
    states = np.zeros(activity.shape, np.float32)
    for program in range(activity.shape[1]):
        levels = np.unique(state[:, program])
        parts = [known[state[:, program] == level, program] for level in levels]
        limits = [(a.max() + b.min()) / 2 for a, b in pairwise(parts)]
        states[:, program] = levels[np.searchsorted(limits, activity[:, program])]
    return states
