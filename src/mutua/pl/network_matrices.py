"""Heatmaps of a program network: the couplings, and the responses to conditions."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from mutua.models import Dataset, checked
from mutua.models.arguments import number, one_of
from mutua.models.dims import CONDITION, NODE
from mutua.models.program_network import ProgramNetwork
from mutua.pl._axes import DIVERGING, colour_map, new_axes
from mutua.pl._cells import cell_size, dots, how_many, lines_of, name_axis, name_width, short
from mutua.pl._network_order import (
    Order,
    condition_order,
    finite,
    node_order,
    nodes_are,
    response_name,
)

__all__ = ["coupling", "response"]

_OUTLIERS = 0.98
"""Quantile of the absolute values that are not 0 at which colours end."""
_LEAST_CELL, _MOST_NAMED = 0.079, 250
"""Side of a cell with room for a name, in inches, and up to how many there is that room."""
_GROUP_FONT = 8.0


@checked
def coupling(
    network: Dataset[ProgramNetwork],
    *,
    significant: float | None = 0.05,
    diagonal: bool = False,
    cluster: bool = True,
    vmax: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the couplings of a network as a heatmap, module by module.

    Parameters
    ----------
    network
        From ``tl.program_network``; with modules from ``tl.network_modules`` lines separate them.
    significant
        Couplings whose ``coupling_q`` is up to this carry a dot; None for no dots. Without
        q-values there are none.
    diagonal
        Show the coupling of a node with itself, which is often the largest; otherwise it is grey.
    cluster
        Nodes with similar couplings side by side (average linkage) inside of modules, or among
        all where there are no modules; otherwise in the order of the element.
    vmax
        Value of the strongest colours; by default the 98th percentile of the absolute couplings
        that are not 0.
    ax
        Axes to draw on; by default new ones on which all names can be read.

    Returns
    -------
    matplotlib.axes.Axes
        Rows are the nodes acted upon, columns the regulators. Red couplings are positive, blue
        ones negative.

    Raises
    ------
    InvalidElement
        If it is no `ProgramNetwork`.
    InvalidInput
        If there are no nodes, couplings are not finite, or an option is not what it should be.

    Examples
    --------
    >>> import mutua as mt
    >>> network = mt.ProgramNetwork.build(
    ...     coupling=[[0.5, 1.0, 0.0], [0.0, 0.2, 0.0], [0.0, -0.8, 0.1]],
    ...     response=[[0.0], [0.0], [0.0]], node=["P0", "P1", "P2"],
    ...     regulator=["P0", "P1", "P2"], condition=["control"], module=["1", "1", "2"],
    ...     method="supplied", directed=True, node_kind="program",
    ... )
    >>> ax = mt.pl.coupling(network)
    >>> ax.get_ylabel(), ax.get_xlabel()
    ('target programs', 'regulator programs')
    """
    one_of("diagonal", diagonal, [True, False])
    one_of("cluster", cluster, [True, False])
    order = node_order(network, cluster=cluster)
    both = np.ix_(order.places, order.places)
    values = network["coupling"].values.astype(float)[both]
    marked = _significant(network, "coupling_q", significant)[both]
    if not diagonal:
        np.fill_diagonal(values, np.nan)
        np.fill_diagonal(marked, False)
    names = _names(network, NODE, order)
    ax, width, height = _sized(ax, names, names)
    _cells(ax, values, marked, (width, height), vmax, "coupling")
    n = len(names)
    for side, role, length in (("y", "target", height), ("x", "regulator", width)):
        there = name_axis(ax, side, names, length)
        what = f"{role} {nodes_are(network)}" if network.attrs["directed"] else nodes_are(network)
        label = how_many(what, n, n, named=there)
        (ax.set_ylabel if side == "y" else ax.set_xlabel)(label)
        _separate(ax, order, side, length, "module")
    facts = ["directed" if network.attrs["directed"] else "undirected", *_groups(order, "module")]
    facts += [] if diagonal else ["grey: diagonal"]
    # The two cells of a pair are one coupling where there is no direction.
    counted = np.ones((n, n), bool) if network.attrs["directed"] else np.tri(n, dtype=bool)
    if not diagonal:
        np.fill_diagonal(counted, False)
    facts += _dots(network, "coupling_q", significant, marked[counted], int(counted.sum()))
    _title(ax, facts, width, order)
    return ax


@checked
def response(
    network: Dataset[ProgramNetwork],
    *,
    variable: str | None = None,
    significant: float | None = 0.05,
    cluster: bool = True,
    vmax: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what every condition does to every node as a heatmap, group by group.

    Parameters
    ----------
    network
        From ``tl.program_network``. Lines separate the modules of ``tl.network_modules`` and the
        groups of ``tl.condition_groups`` where they are there.
    variable
        ``"response_relative"``, to the controls, or ``"response"``; by default the first if it is
        there.
    significant
        Relative responses whose ``response_relative_q`` is up to this carry a dot; None for no
        dots. Without q-values there are none.
    cluster
        Conditions of similar responses, and nodes of similar couplings (as on `coupling`), side
        by side inside of their groups; otherwise in the order of the element.
    vmax
        Value of the strongest colours; by default the 98th percentile of the absolute responses
        that are not 0.
    ax
        Axes to draw on; by default new ones on which names can be read, up to 250 conditions.

    Returns
    -------
    matplotlib.axes.Axes
        Rows are nodes, columns conditions; names of controls are in italics. Red responses push
        a node up, blue ones down.

    Raises
    ------
    InvalidElement
        If it is no `ProgramNetwork`.
    InvalidInput
        If there are no nodes or no conditions, responses are not finite or not there, or an
        option is not what it should be.

    Examples
    --------
    >>> import mutua as mt
    >>> network = mt.ProgramNetwork.build(
    ...     coupling=[[0.5, 1.0], [1.0, 0.2]], response=[[0.0, 2.0, -1.0], [0.0, 0.1, 0.4]],
    ...     node=["P0", "P1"], regulator=["P0", "P1"], condition=["control", "A", "B"],
    ...     method="supplied", directed=False, node_kind="program",
    ... )
    >>> ax = mt.pl.response(network, cluster=False)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['control', 'A', 'B']
    """
    one_of("cluster", cluster, [True, False])
    variable = response_name(network, variable)
    pushes = finite(network, variable)
    rows = node_order(network, cluster=cluster)
    columns = condition_order(network, pushes, cluster=cluster)
    both = np.ix_(rows.places, columns.places)
    nodes, conditions = _names(network, NODE, rows), _names(network, CONDITION, columns)
    q_value = f"{variable}_q"
    marked = _significant(network, q_value, significant)[both]
    ax, width, height = _sized(ax, nodes, conditions)
    label = "response relative to controls" if variable == "response_relative" else "response"
    _cells(ax, pushes[both], marked, (width, height), vmax, label)
    there = name_axis(ax, "y", nodes, height)
    ax.set_ylabel(how_many(nodes_are(network), len(nodes), len(nodes), named=there))
    there = name_axis(ax, "x", conditions, width)
    ax.set_xlabel(how_many("conditions", len(conditions), len(conditions), named=there))
    controls = _controls(network)[columns.places]
    if there:
        for tick, control in zip(ax.get_xticklabels(), controls, strict=True):
            tick.set_fontstyle("italic" if control else "normal")
    _separate(ax, rows, "y", height, "module")
    _separate(ax, columns, "x", width, "group")
    facts = [*_groups(rows, "module"), *_groups(columns, "condition group")]
    facts += ["controls in italics"] if controls.any() and there else []
    facts += _dots(network, q_value, significant, marked, marked.size)
    _title(ax, facts, width, columns)
    return ax


def _cells(
    ax: Axes,
    values: np.ndarray,
    marked: np.ndarray,
    size: tuple[float, float],
    vmax: float | None,
    label: str,
) -> None:
    """Draw the heatmap, its dots and its colour bar."""
    width, height = size
    top = _limit(values) if vmax is None else number("vmax", vmax, low=0, open_low=True)
    image = ax.imshow(
        values, cmap=colour_map(DIVERGING), norm=Normalize(-top, top), aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    dots(ax, image, marked, min(width / values.shape[1], height / values.shape[0]))
    over = bool((np.abs(values) > top).any())
    bar = ax.figure.colorbar(
        image, ax=ax, shrink=min(1.0, 3.2 / height), anchor=(0.0, 1.0), aspect=18, pad=0.02,
        extend="both" if over else "neither",
    )  # fmt: skip
    bar.set_label(label)


def _limit(values: np.ndarray) -> float:
    """Give the value of the strongest colours, which a few outliers do not decide."""
    there = np.abs(values[np.isfinite(values) & (values != 0)])
    return float(np.quantile(there, _OUTLIERS)) if there.size else 1.0


def _significant(network: xr.Dataset, name: str, level: float | None) -> np.ndarray:
    """Give which cells carry a dot, as they stand in the element."""
    values = network[name].values if name in network else None
    if level is not None:
        number("significant", level, low=0, high=1)
    if level is None or values is None:
        return np.zeros(network[name.removesuffix("_q")].shape, bool)
    return np.asarray(values <= level)


def _dots(
    network: xr.Dataset, name: str, level: float | None, marked: np.ndarray, n: int
) -> list[str]:
    """Give what the title says of the dots."""
    if level is None or name not in network:
        return []
    number_of = f"{int(marked.sum()):,}" if marked.any() else "none"
    return [f"dot: q ≤ {level:g} ({number_of} of {n:,})"]


def _controls(network: xr.Dataset) -> np.ndarray:
    if "is_control" in network.coords:
        return np.asarray(network["is_control"].values, bool)
    return np.zeros(network.sizes[CONDITION], bool)


def _names(network: xr.Dataset, dim: str, order: Order) -> list[str]:
    return [short(name) for name in network[dim].values[order.places]]


def _cell(n: int) -> float:
    """Give the side of a cell in inches, large enough for a name where there are not too many."""
    return max(cell_size(n), _LEAST_CELL if n <= _MOST_NAMED else 0.0)


def _sized(ax: Axes | None, rows: list[str], columns: list[str]) -> tuple[Axes, float, float]:
    """Give axes with the width and the height that their cells have, in inches."""
    if ax is not None:
        ax = new_axes(ax, figsize=(1, 1))
        extent = ax.get_window_extent()
        dpi = ax.figure.get_dpi()
        return ax, 0.75 * extent.width / dpi, 0.75 * extent.height / dpi
    width, height = (_cell(len(names)) * len(names) for names in (columns, rows))
    beside, below = 1.8 + name_width(rows), 1.3 + name_width(columns)
    width, height = max(width, 4.2 - name_width(rows)), max(height, 1.6)
    return new_axes(None, figsize=(beside + width, below + height)), width, height


def _separate(ax: Axes, order: Order, side: str, length: float, what: str) -> None:
    """Draw lines between groups, and name those that are wide enough, on top or on the right."""
    start, cell = 0, length / len(order.places)
    for name, size in order.groups:
        if start:
            (ax.axvline if side == "x" else ax.axhline)(start - 0.5, color="black", lw=0.8)
        middle = start + (size - 1) / 2
        label = next(
            (
                text
                for text in (f"{what} {name}", short(name))
                if name_width([text], _GROUP_FONT) <= size * cell
            ),
            "",
        )
        if side == "x" and label:
            ax.annotate(
                label, (middle, 1), (0, 2), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="center", va="bottom", fontsize=_GROUP_FONT,
                annotation_clip=False, parse_math=False,
            )  # fmt: skip
        elif label:
            ax.annotate(
                label, (1, middle), (2, 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", ha="left", va="center", fontsize=_GROUP_FONT,
                rotation=270, annotation_clip=False, parse_math=False,
            )  # fmt: skip
        start += size


def _groups(order: Order, what: str) -> list[str]:
    """Give how many groups the lines separate."""
    n = len(order.groups)
    return [f"{n} {what}{'s' if n > 1 else ''}"] if n else []


def _title(ax: Axes, facts: list[str], width: float, columns: Order) -> None:
    pad = 16 if columns.groups else 6
    ax.set_title(
        lines_of(facts, width + 1.2), loc="left", fontsize="medium", parse_math=False, pad=pad
    )
