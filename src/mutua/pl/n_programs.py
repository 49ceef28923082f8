"""Plot of how stable different numbers of gene programs are, and how much they leave."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mutua.errors import InvalidInput
from mutua.models import Dataset, Table, checked
from mutua.models.dims import ROW
from mutua.pl._axes import new_axes

__all__ = ["n_programs"]

_STABILITY, _ERROR = "#0072b2", "#d55e00"
_NEEDED = ("n_programs", "stability", "relative_error")


@checked
def n_programs(table: Dataset[Table], *, ax: Axes | None = None) -> Axes:
    """Plot the stability of gene programs, and the error they leave, over their number.

    Parameters
    ----------
    table
        From ``tl.choose_n_programs``.
    ax
        Axes to draw on; by default new ones. A second y axis is added for the error.

    Returns
    -------
    matplotlib.axes.Axes
        Blue, on the left: mean stability of the programs, and in pale that of the least stable
        one. Orange, on the right: the relative error, and dashed that of the cells that no run
        saw. A vertical line marks the recommended number.

    Raises
    ------
    InvalidElement
        If it is no `Table`.
    InvalidInput
        If it has no rows, or not the columns ``n_programs``, ``stability`` and
        ``relative_error``.

    Examples
    --------
    >>> import mutua as mt
    >>> table = mt.Table.build(
    ...     n_programs=[4, 8, 16], stability=[0.98, 0.95, 0.6], relative_error=[0.6, 0.4, 0.38],
    ...     recommended=[False, True, False],
    ... )
    >>> ax = mt.pl.n_programs(table)
    >>> ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")
    ('number of programs', 'stability (cosine)', 'recommended: 8')
    """
    columns = _columns(table)
    numbers = columns["n_programs"]
    ax = new_axes(ax, figsize=(5.4, 3.6))
    right = ax.twinx()
    lines = ax.plot(numbers, columns["stability"], "o-", color=_STABILITY, ms=4, label="stability")
    if "stability_lowest" in columns:
        lines += ax.plot(
            numbers, columns["stability_lowest"], "o-", color=_STABILITY, ms=3, lw=1, alpha=0.4,
            label="of the least stable",
        )  # fmt: skip
    lines += right.plot(
        numbers, columns["relative_error"], "s-", color=_ERROR, ms=4, label="relative error"
    )
    held_out = columns.get("relative_error_held_out")
    if held_out is not None and np.isfinite(held_out).any():
        lines += right.plot(
            numbers, held_out, "s--", color=_ERROR, ms=3, lw=1, mfc="white",
            label="of cells held out",
        )  # fmt: skip
    if "recommended" in table and np.any(columns["recommended"] > 0):
        best = int(numbers[columns["recommended"] > 0][0])
        ax.axvline(best, color="0.6", lw=0.8, ls=":", zorder=0)
        ax.set_title(f"recommended: {best}", loc="left", fontsize="medium")
    ax.set_xlabel("number of programs")
    ax.set_ylabel("stability (cosine)", color=_STABILITY)
    right.set_ylabel("relative error", color=_ERROR)
    shown = [columns[name] for name in columns if name.startswith("stability")]
    lowest = np.nanmin(np.concatenate(shown)) if shown else 0.0
    ax.set_ylim(min(0.0, float(lowest)), 1.05)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    for side, axis in (("left", ax), ("right", right)):
        axis.tick_params(axis="y", colors=_STABILITY if side == "left" else _ERROR)
        axis.spines["top"].set_visible(False)
    ax.legend(
        handles=lines, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False,
        fontsize="small",
    )  # fmt: skip
    return ax


def _columns(table: xr.Dataset) -> dict[str, np.ndarray]:
    """Give the columns as float64, ordered by the number of programs."""
    if missing := [name for name in _NEEDED if name not in table]:
        remedy = "use a table of tl.choose_n_programs"
        raise InvalidInput("table", f"no column {missing[0]!r}", remedy)
    if not table.sizes[ROW]:
        raise InvalidInput("table", "no rows", "give at least one number of programs")
    found = {}
    for name in (*_NEEDED, "stability_lowest", "relative_error_held_out", "recommended"):
        if name not in table:
            continue
        values = table[name].values
        if values.dtype.kind not in "biuf":
            remedy = "use a table of tl.choose_n_programs"
            raise InvalidInput("table", f"column {name!r} that holds no numbers", remedy)
        found[name] = values.astype(np.float64)
    order = np.argsort(found["n_programs"], kind="stable")
    return {name: values[order] for name, values in found.items()}
