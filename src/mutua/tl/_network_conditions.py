"""Which condition every cell is in, which conditions are controls, and of which batch they are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd

from mutua.errors import InvalidInput
from mutua.tl._cell_sample import obs_column
from mutua.tl._module_tables import some

__all__ = ["Conditions", "read_conditions"]

_FEW_CELLS = 25


class Conditions(NamedTuple):
    """The conditions of the cells."""

    names: list[str]
    cells: npt.NDArray[np.int64]
    """(cell,): number of the condition."""
    n_cells: npt.NDArray[np.int64]
    """(condition,)."""
    is_control: npt.NDArray[np.bool_] | None
    """(condition,)."""
    batch: list[str] | None
    """(condition,)."""
    controls: npt.NDArray[np.float64]
    """(condition, condition): responses @ controls is the mean of the controls of the batch of
    each condition; without controls that of all its conditions."""


def read_conditions(
    adata: anndata.AnnData,
    condition: str,
    control: str | Sequence[str] | None,
    batch: str | None,
    *,
    stacklevel: int = 4,
) -> Conditions:
    """Read conditions, controls and batches from columns of ``obs``.

    Raises
    ------
    InvalidInput
        For columns that are not there or have missing values; a condition of one cell, or with
        cells in several batches or of both controls and others; a label of a control that no
        condition has.
    """
    labels = _column(adata, "condition", condition)
    names, cells = _numbered(labels, condition)
    n_cells = np.bincount(cells, minlength=len(names))
    _check_sizes(names, n_cells, stacklevel + 1)
    batches = None
    if batch is not None:
        values = _column(adata, "batch", batch)
        batch_names, batch_cells = _numbered(values, batch)
        of_condition = _constant(batch_cells, cells, names, "batch", "batches", condition)
        batches = [batch_names[own] for own in of_condition]
    is_control = _controls(adata, control, names, cells, condition)
    compared = np.ones(len(names), bool) if is_control is None else is_control
    means = _means(compared, batches, stacklevel + 1)
    return Conditions(names, cells, n_cells, is_control, batches, means)


def _column(adata: anndata.AnnData, argument: str, name: Any) -> pd.Series:
    if not isinstance(name, str) or name not in adata.obs:
        found = f"no column {name!r} in obs"
        raise InvalidInput(argument, found, f"use one of {list(adata.obs)}")
    if list(adata.obs.columns).count(name) > 1:
        raise InvalidInput(argument, f"several columns {name!r} in obs", "rename all but one")
    values = obs_column(adata, name)
    missing = values.isna().to_numpy()
    if missing.any():
        found = f"obs[{name!r}] is missing for {int(missing.sum())} cells"
        raise InvalidInput(argument, found, f"leave them out: adata[adata.obs[{name!r}].notna()]")
    return values


def _numbered(values: pd.Series, name: str) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Give the labels that occur as texts, categories in their order, and those of the cells."""
    held = values if isinstance(values.dtype, pd.CategoricalDtype) else values.astype("category")
    held = held.cat.remove_unused_categories()
    names = [str(label) for label in held.cat.categories]
    if len(set(names)) < len(names):
        twice = sorted({label for label in names if names.count(label) > 1})
        found = f"labels of obs[{name!r}] that differ in type only: {some(twice)}"
        raise InvalidInput("condition", found, "use labels of one type")
    return names, held.cat.codes.to_numpy().astype(np.int64)


def _check_sizes(names: list[str], n_cells: npt.NDArray[np.int64], stacklevel: int) -> None:
    if not names:
        raise InvalidInput("adata", "no cells", "use at least two of each condition")
    single = [names[k] for k in np.flatnonzero(n_cells < 2)]
    if single:
        found = f"condition {some(single)} has one cell"
        raise InvalidInput("condition", found, "leave it out, or join it with others")
    few = [names[k] for k in np.flatnonzero(n_cells < _FEW_CELLS)]
    if few:
        text = f"fewer than {_FEW_CELLS} cells in {len(few)} of {len(names)} conditions "
        text += f"({some(few, most=20)}): their responses are uncertain"
        warnings.warn(text, UserWarning, stacklevel=stacklevel)


def _constant(
    values: npt.NDArray[np.int64],
    cells: npt.NDArray[np.int64],
    names: list[str],
    argument: str,
    plural: str,
    column: str,
) -> npt.NDArray[np.int64]:
    """Give the one value of every condition, or refuse conditions with several."""
    low = np.full(len(names), np.iinfo(np.int64).max)
    high = np.full(len(names), np.iinfo(np.int64).min)
    np.minimum.at(low, cells, values)
    np.maximum.at(high, cells, values)
    mixed = [names[k] for k in np.flatnonzero(low != high)]
    if mixed:
        found = f"cells of condition {some(mixed)} are in several {plural}"
        remedy = f"make conditions of obs[{column!r}] and this column together"
        raise InvalidInput(argument, found, remedy)
    return low


def _controls(
    adata: anndata.AnnData,
    control: str | Sequence[str] | None,
    names: list[str],
    cells: npt.NDArray[np.int64],
    condition: str,
) -> npt.NDArray[np.bool_] | None:
    """Tell which conditions are controls."""
    if control is None:
        return None
    wanted = [control] if isinstance(control, str) else [str(label) for label in control]
    if not wanted:
        raise InvalidInput("control", "no labels", "use a label, or None for no controls")
    unknown = [label for label in wanted if label not in names]
    if not unknown:
        return np.isin(np.array(names, dtype=object), np.array(wanted, dtype=object))
    if isinstance(control, str) and control in adata.obs:
        values = _column(adata, "control", control)
        flags = np.asarray(pd.unique(values))
        if not all(flag in (0, 1) for flag in flags.tolist()):
            found = f"obs[{control!r}] holds {some(flags.tolist())}"
            raise InvalidInput("control", found, "use a column of True and False, or a label")
        is_cell = values.astype(bool).to_numpy().astype(np.int64)
        of_condition = _constant(is_cell, cells, names, "control", "kinds", condition)
        if not of_condition.any():
            remedy = "use control=None where there are no controls"
            raise InvalidInput("control", f"obs[{control!r}] is False for all cells", remedy)
        return of_condition.astype(bool)
    found = f"no condition {some(unknown)}, nor such a column of obs"
    remedy = f"use labels of obs[{condition!r}], such as {names[0]!r}, or a column of booleans"
    raise InvalidInput("control", found, remedy)


def _means(
    is_control: npt.NDArray[np.bool_], batches: list[str] | None, stacklevel: int
) -> npt.NDArray[np.float64]:
    """Give what takes the mean of the controls of the batch of each condition."""
    of_condition = np.array(batches if batches is not None else [""] * len(is_control))
    own = (of_condition[:, None] == of_condition) & is_control[:, None]
    without = ~own.any(axis=0)
    if without.any():
        lacking = sorted(set(of_condition[without]))
        text = f"no controls in batch {some(lacking, most=20)}: those of all batches are used"
        warnings.warn(text, UserWarning, stacklevel=stacklevel)
        own[:, without] = is_control[:, None]
    return np.asarray(own / own.sum(axis=0))
