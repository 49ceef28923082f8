"""Plots of how two motifs act together on the output of a model."""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mutua.errors import InvalidInput
from mutua.models import Dataset, checked
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import DISTANCE, PAIR
from mutua.models.motif_names import motif_numbers
from mutua.models.motif_pairs import INTERACTIONS, ORIENTATIONS, MotifPairs
from mutua.pl._axes import new_axes
from mutua.pl._motif_names import motif_names
from mutua.pl._network_edges import Edges, draw_edges
from mutua.pl._network_places import label_inches, name_nodes, name_rays, name_size

__all__ = ["interaction_distance", "interactions"]

_COLOURS = dict(
    zip(INTERACTIONS, ("#b2182b", "#2166ac", "0.55", "#E69F00", "0.8", "0.8"), strict=True)
)
_MEANT = {
    "synergistic": "synergistic: more than the sum",
    "antagonistic": "antagonistic: less than the sum",
    "additive": "additive",
    "opposed": "opposed: one up, one down",
    "ambiguous": "ambiguous: neither has an effect",
}
_LEAST_Q = 1e-300
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "black")


@checked
def interactions(
    pairs: Dataset[MotifPairs],
    *,
    how: str = "volcano",
    q_value: float = 0.05,
    n_names: int = 12,
    ax: Axes | None = None,
) -> Axes:
    """Draw the interactions of pairs of motifs, as a volcano or as a network.

    Parameters
    ----------
    pairs
        From `mutua.tl.motif_interactions`.
    how
        ``"volcano"``: each pair is a point, its epistasis against its q-value. ``"network"``:
        motifs on a circle, joined where they interact significantly; the larger the epistasis,
        the wider the line; red is synergistic, blue antagonistic.
    q_value
        Pairs with q-values up to this are significant.
    n_names
        Name so many pairs of the volcano, those with the smallest q-values.
    ax
        Axes to draw on; by default new ones.

    Returns
    -------
    Axes
        Epistasis in units of the output. Pairs that were not tested are counted in the title.

    Raises
    ------
    InvalidInput
        If pairs have no epistasis, or an option is not what it should be.

    Examples
    --------
    >>> import mutua as mt
    >>> pairs = mt.MotifPairs.build(
    ...     motif_a_index=[0, 0, 1], motif_b_index=[1, 2, 2], n=[80, 75, 60],
    ...     epistasis=[0.8, -0.5, 0.01], q_value=[1e-9, 1e-5, 0.7],
    ...     interaction=["synergistic", "antagonistic", "additive"], motif=["GATA", "ETS", "AP-1"],
    ...     counted="sites", ordered=False, n_sequences=100, target="expression",
    ... )
    >>> ax = mt.pl.interactions(pairs)
    >>> ax.get_xlabel()
    'epistasis (in units of expression)'
    """
    one_of("how", how, ("volcano", "network"))
    q_value = number("q_value", q_value, low=0, high=1)
    n_names = whole_number("n_names", n_names, low=0)
    _require_epistasis(pairs)
    if how == "network":
        return _network(pairs, q_value, ax)
    return _volcano(pairs, q_value, n_names, ax)


def _require_epistasis(pairs: Dataset[MotifPairs]) -> None:
    if "epistasis" not in pairs:
        raise InvalidInput("pairs", "pairs without epistasis", "use tl.motif_interactions")


def _unit(pairs: Dataset[MotifPairs]) -> str:
    name = pairs.attrs.get("target", "")
    return f"epistasis (in units of {name})" if name else "epistasis"


def _names(pairs: Dataset[MotifPairs], rows: np.ndarray) -> list[str]:
    a, b = (motif_names(pairs, pairs[f"motif_{side}_index"].values[rows]) for side in ("a", "b"))
    names = [f"{one} + {other}" for one, other in zip(a, b, strict=True)]
    if DISTANCE in pairs:
        apart = pairs[DISTANCE].values[rows].tolist()
        names = [f"{name}, {distance} apart" for name, distance in zip(names, apart, strict=True)]
    return names


def _classes(pairs: Dataset[MotifPairs]) -> np.ndarray:
    if "interaction" in pairs.coords:
        return pairs["interaction"].values.astype(object).astype(str)  # strings of a store too
    return np.full(pairs.sizes[PAIR], "additive")


def _tested(pairs: Dataset[MotifPairs]) -> np.ndarray:
    there = np.isfinite(pairs["epistasis"].values)
    if "q_value" in pairs:
        there &= np.isfinite(pairs["q_value"].values)
    return np.flatnonzero(there)


def _volcano(pairs: Dataset[MotifPairs], q_value: float, n_names: int, ax: Axes | None) -> Axes:
    if "q_value" not in pairs:
        raise InvalidInput("pairs", "pairs without q-values", "use tl.motif_interactions")
    rows = _tested(pairs)
    ax = new_axes(ax, figsize=(6.4, 4.6))
    ax.set_xlabel(_unit(pairs))
    ax.set_ylabel("-log10 q-value")
    ax.spines[["top", "right"]].set_visible(False)
    epistasis = pairs["epistasis"].values[rows]
    height = -np.log10(np.maximum(pairs["q_value"].values[rows], _LEAST_Q)) + 0.0
    kinds = _classes(pairs)[rows]
    for kind in [kind for kind in INTERACTIONS[::-1] if kind in kinds]:
        chosen = kinds == kind
        ax.scatter(
            epistasis[chosen], height[chosen], s=26, color=_COLOURS[kind], lw=0,
            label=f"{_MEANT.get(kind, kind)} ({int(chosen.sum())})",
        )  # fmt: skip
    ax.axvline(0, color="0.7", lw=0.8, zorder=0)
    if q_value > 0:
        ax.axhline(-np.log10(q_value), color="0.7", lw=0.8, ls="--", zorder=0)
    reach = 1.25 * float(np.abs(epistasis).max(initial=0)) or 1.0
    ax.set(xlim=(-reach, reach), ylim=(-0.04 * height.max(initial=1), 1.15 * height.max(initial=1)))
    untested = pairs.sizes[PAIR] - len(rows)
    title = f"{len(rows):,} pairs" + (f"; {untested:,} not tested" if untested else "")
    ax.set_title(title, fontsize="medium", loc="left")
    if len(rows):
        handles, labels = ax.get_legend_handles_labels()
        ax.legend(
            handles[::-1], labels[::-1], fontsize="small", frameon=False, loc="upper center",
            bbox_to_anchor=(0.5, -0.14), ncols=2,
        )  # fmt: skip
    named = np.argsort(-height, kind="stable")[:n_names]
    named = named[height[named] >= -np.log10(max(q_value, _LEAST_Q))]
    if len(named):
        places = np.stack([epistasis[named], height[named]], axis=1)
        name_nodes(ax, places, _names(pairs, rows[named]), 3.0)
    return ax


def _network(pairs: Dataset[MotifPairs], q_value: float, ax: Axes | None) -> Axes:
    if DISTANCE in pairs:
        raise InvalidInput("pairs", "a row for each distance", "use pl.interaction_distance")
    rows = _tested(pairs)
    kinds = _classes(pairs)[rows]
    interacting = np.isin(kinds, ("synergistic", "antagonistic"))
    if "q_value" in pairs:
        interacting &= pairs["q_value"].values[rows] <= q_value
    rows, kinds = rows[interacting], kinds[interacting]
    a, b = (pairs[f"motif_{side}_index"].values[rows] for side in ("a", "b"))
    title = f"{len(rows):,} of {pairs.sizes[PAIR]:,} pairs interact (q ≤ {q_value:g})"
    if same := int((a == b).sum()):
        title += f"; {same} of a motif with itself not drawn"
    shown = np.unique(np.concatenate([a, b]))
    names = motif_names(pairs, shown)
    radius = float(np.clip(len(shown) * 0.3 / (2 * np.pi), 1.2, 5))
    half = radius + (label_inches(names, 9.0) if names else 0.5)
    ax = new_axes(ax, figsize=(2 * half + 1.6, 2 * half + 0.4))
    ax.set_axis_off()
    limit = half / radius
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    ax.set_title(title, fontsize="medium", loc="left")
    if not len(shown):
        return ax
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(shown)) / len(shown)
    places = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    size = np.abs(pairs["epistasis"].values[rows])
    weight = np.where(kinds == "synergistic", 1, -1) * size / size.max()
    apart = np.flatnonzero(a != b)
    order = apart[np.argsort(size[apart], kind="stable")]
    source, target = (np.searchsorted(shown, part[order]) for part in (a, b))
    edges = Edges(source, target, weight[order], len(order))
    draw_edges(ax, places, edges, directed=False, radius=5.0, centre=np.zeros(2))
    x, y = places.T
    ax.scatter(x, y, s=100, color="0.35", edgecolors="white", lw=0.8, zorder=5)
    font = name_size(2 * np.pi * radius / len(shown))
    if font:
        name_rays(ax, places, angles, names, font)
    handles = [
        Line2D([], [], color=_COLOURS[kind], lw=3, label=_MEANT[kind])
        for kind in ("synergistic", "antagonistic")
        if kind in kinds
    ]
    handles.append(Line2D([], [], color="0.5", lw=6, label=f"|epistasis| = {size.max():.2g}"))
    ax.legend(
        handles=handles, fontsize="small", frameon=False, loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
    )  # fmt: skip
    return ax


@checked
def interaction_distance(
    pairs: Dataset[MotifPairs],
    *,
    motifs: tuple[str, str] | None = None,
    n: int = 4,
    ax: Axes | None = None,
) -> Axes:
    """Plot the epistasis of pairs of motifs against the distance between them.

    Parameters
    ----------
    pairs
        From `mutua.tl.interaction_by_distance`.
    motifs
        The pair to draw, by ids or names, in any order; by default the `n` with the strongest
        epistasis at any distance.
    n
        Draw at most that many pairs.
    ax
        Axes to draw on; by default new ones.

    Returns
    -------
    Axes
        A line for each pair (and orientation), with the confidence interval as a band; filled
        points are significant (q ≤ 0.05), open ones are not. Below, how many sequences each point
        is the mean of, where it is one pair only.

    Raises
    ------
    InvalidInput
        If pairs have no distances or no epistasis, or there is no such pair.

    Examples
    --------
    >>> import mutua as mt
    >>> pairs = mt.MotifPairs.build(
    ...     motif_a_index=[0, 0, 0], motif_b_index=[1, 1, 1], n=[80, 75, 60], distance=[5, 10, 20],
    ...     epistasis=[0.8, 0.5, 0.1], q_value=[1e-9, 1e-5, 0.4], motif=["GATA", "ETS"],
    ...     counted="sites", ordered=False, n_sequences=100, target="expression",
    ... )
    >>> ax = mt.pl.interaction_distance(pairs)
    >>> ax.get_title(loc="left"), ax.get_xlabel()
    ('GATA + ETS', 'distance (letters)')
    """
    n = whole_number("n", n, low=1)
    _require_epistasis(pairs)
    if DISTANCE not in pairs:
        raise InvalidInput("pairs", "pairs without distances", "use tl.interaction_by_distance")
    groups = _groups(pairs, motifs)
    shown = groups[:n]
    ax = new_axes(ax, figsize=(6.2, 3.6))
    ax.axhline(0, color="0.6", lw=0.8, zorder=0)
    for (name, rows), colour in zip(shown, itertools.cycle(_LINES), strict=False):
        distance, epistasis = (pairs[part].values[rows] for part in (DISTANCE, "epistasis"))
        ax.plot(distance, epistasis, color=colour, lw=1.6, label=name)
        if {"epistasis_low", "epistasis_high"} <= set(pairs.variables):
            low, high = (pairs[f"epistasis_{end}"].values[rows] for end in ("low", "high"))
            ax.fill_between(distance, low, high, color=colour, alpha=0.18, lw=0)
        sure = np.zeros(len(rows), bool)
        if "q_value" in pairs:
            sure = pairs["q_value"].values[rows] <= 0.05
        ax.scatter(distance[sure], epistasis[sure], s=24, color=colour, zorder=3)
        ax.scatter(
            distance[~sure], epistasis[~sure], s=24, facecolor="white", edgecolor=colour, zorder=3
        )
    ax.set_xlabel("distance (letters)")
    ax.set_ylabel(_unit(pairs))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.spines[["top", "right"]].set_visible(False)
    if not shown:
        ax.set_title("no pairs", fontsize="medium", loc="left")
    elif len(shown) == 1:
        ax.set_title(shown[0][0], fontsize="medium", loc="left")
        _count_below(ax, pairs, shown[0][1])
    else:
        ax.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    if len(groups) > len(shown):
        ax.set_title(f"the strongest {len(shown)} of {len(groups)}", fontsize="medium", loc="left")
    return ax


def _groups(
    pairs: Dataset[MotifPairs], motifs: tuple[str, str] | None
) -> list[tuple[str, np.ndarray]]:
    """Give name and rows, by distance, of each pair and orientation, the strongest first."""
    rows = np.flatnonzero(np.isfinite(pairs["epistasis"].values))
    a, b = (pairs[f"motif_{side}_index"].values[rows] for side in ("a", "b"))
    if motifs is not None:
        if isinstance(motifs, str) or len(motifs) != 2:
            raise InvalidInput("motifs", f"{motifs!r}", "name two motifs")
        one, other = motif_numbers(pairs, list(motifs), "motifs")
        chosen = ((a == one) & (b == other)) | ((a == other) & (b == one))
        if not chosen.any():
            raise InvalidInput("motifs", f"no rows of {motifs[0]!r} with {motifs[1]!r}",
                               "name a pair that was tested")  # fmt: skip
        rows, a, b = rows[chosen], a[chosen], b[chosen]
    facing = pairs["orientation"].values[rows] if "orientation" in pairs else np.zeros_like(a)
    keys = np.stack([a, b, facing], axis=1)
    found = []
    for key in np.unique(keys, axis=0):
        own = rows[(keys == key).all(axis=1)]
        own = own[np.argsort(pairs[DISTANCE].values[own], kind="stable")]
        left, right = motif_names(pairs, key[:2])
        name = f"{left} + {right}"
        if "orientation" in pairs:
            name += f" ({ORIENTATIONS[key[2]]})"
        found.append((name, own))
    strength = [float(np.abs(pairs["epistasis"].values[own]).max()) for _, own in found]
    return [found[place] for place in np.argsort(-np.array(strength), kind="stable")]


def _count_below(ax: Axes, pairs: Dataset[MotifPairs], rows: np.ndarray) -> None:
    """Write how many sequences points stand for, where there is room."""
    if "n_tested" not in pairs or len(rows) > 25:
        return
    across = ax.get_xaxis_transform()
    for distance, count in zip(
        pairs[DISTANCE].values[rows], pairs["n_tested"].values[rows], strict=True
    ):
        ax.text(distance, 0.01, f"{count:,}", transform=across, fontsize="xx-small",
                ha="center", va="bottom", color="0.4")  # fmt: skip
    ax.set_title("below: sequences", fontsize="x-small", loc="right", color="0.4")
