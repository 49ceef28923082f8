"""Plots of pairs of motifs and of their spacings."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering

from mutua.errors import InvalidInput
from mutua.models import Dataset
from mutua.models.arguments import number, whole_number
from mutua.models.dims import DISTANCE, MOTIF, PAIR
from mutua.models.motif_names import motif_numbers
from mutua.models.motif_pairs import ORIENTATIONS, MotifPairs
from mutua.pl._axes import DIVERGING, colour_map, new_axes
from mutua.pl._motif_names import motif_names
from mutua.pl._significance import veil

__all__ = ["pair_matrix", "spacing"]

_MORE, _LESS, _OTHER = "#b2182b", "#2166ac", "0.72"
_ARROWS = {"+": "→", "-": "←"}


def pair_matrix(
    pairs: Dataset[MotifPairs],
    *,
    n: int = 40,
    q_value: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Draw which motifs stand together more, or less, often than by chance, as a heatmap.

    Parameters
    ----------
    pairs
        From ``tl.pair_annotations``, with expected numbers.
    n
        Draw at most that many motifs: those of the most significant pairs (without p-values, of
        the largest ratios).
    q_value
        Pairs with q-values up to this carry a dot; the others are pale.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        log2 of the number over the expected one, red for more and blue for less; similar motifs
        side by side (average linkage). Pairs that are not listed are grey. Of ordered pairs, rows
        are the left motifs. Empty if there are no pairs.

    Raises
    ------
    InvalidElement
        If it is no `MotifPairs`.
    InvalidInput
        If pairs have no expected numbers, or the element has spacings.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(300, length=100, seed=0)
    >>> seqs = mt.pp.embed_motifs(seqs, ["TGATAAGG", "ACCGGAAG"], fraction=0.3)
    >>> motifs = mt.MotifSet.build({"GATA": "TGATAAGG", "ETS": "ACCGGAAG"})
    >>> ax = mt.pl.pair_matrix(mt.tl.pair_annotations(mt.tl.scan(seqs, motifs)))
    >>> sorted(label.get_text() for label in ax.get_yticklabels())
    ['ETS', 'GATA']
    """
    MotifPairs.check(pairs, where="argument `pairs` of pl.pair_matrix")
    n = whole_number("n", n, low=2)
    number("q_value", q_value, low=0, high=1)
    if DISTANCE in pairs:
        raise InvalidInput("pairs", "spacings", "use pl.spacing, or pairs of tl.pair_annotations")
    if "log2_ratio" not in pairs:
        remedy = "use tl.pair_annotations(..., test='permutation')"
        raise InvalidInput("pairs", "no expected numbers", remedy)
    there = np.isfinite(pairs["log2_ratio"].values)
    if not there.any():
        ax = new_axes(ax, figsize=(3.2, 2.0))
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"no pairs, {pairs.attrs['n_sequences']:,} sequences", fontsize="medium")
        return ax
    pairs = pairs.isel({PAIR: there})
    shown, n_there = _strongest_motifs(pairs, n)
    ratio, marked = _squares(pairs, shown, q_value)
    order = _clustered(ratio)
    shown, ratio, marked = shown[order], ratio[np.ix_(order, order)], marked[np.ix_(order, order)]
    side = 2.0 + 0.2 * len(shown)
    ax = new_axes(ax, figsize=(side + 1.2, side))
    limit = max(float(np.nanquantile(np.abs(ratio), 0.99)), 0.1)
    image = ax.imshow(ratio, cmap=colour_map(DIVERGING), norm=Normalize(-limit, limit))
    if "q_value" in pairs:
        veil(ax, image, ~marked & np.isfinite(ratio))
    size = max(2.0, min(5.0, 110 / len(shown)))
    for rows, colour in ((np.abs(ratio) > 0.6 * limit, "white"), (None, "black")):
        cells = marked if rows is None else marked & rows
        y, x = np.nonzero(cells)
        ax.plot(x, y, "o", color=colour, ms=size, mew=0, zorder=3 if colour == "white" else 2)
    names = motif_names(pairs, shown)
    font = max(4.5, min(9.0, 320 / len(shown)))
    ax.set_xticks(np.arange(len(shown)), names, rotation=90, fontsize=font)
    ax.set_yticks(np.arange(len(shown)), names, fontsize=font)
    if pairs.attrs["ordered"]:
        ax.set_xlabel("motif on the right")
        ax.set_ylabel("motif on the left")
    title = _matrix_title(pairs, len(shown), n_there, q_value, any_marked=bool(marked.any()))
    ax.set_title(title, fontsize="medium")
    over = bool((np.abs(ratio) > limit).any())
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.7, extend="both" if over else "neither")
    bar.set_label(f"log2({pairs.attrs['counted']} / expected)")
    return ax


def _matrix_title(
    pairs: xr.Dataset, n: int, n_there: int, q_value: float, *, any_marked: bool
) -> str:
    which = f"{n} of {n_there:,} motifs" if n < n_there else f"{n} motifs"
    mark = ""
    if "q_value" in pairs:
        mark = f"\n{'dot:' if any_marked else 'no pair at'} q ≤ {q_value:g}"
    return f"{which}, {pairs.attrs['n_sequences']:,} sequences{mark}"


def _strongest_motifs(pairs: xr.Dataset, n: int) -> tuple[np.ndarray, int]:
    """Give the motifs of the most significant pairs, and how many motifs there are in all."""
    strength = -np.abs(pairs["log2_ratio"].values)
    rank = np.nan_to_num(pairs["p_value"].values, nan=2.0) if "p_value" in pairs else strength
    order = np.lexsort((strength, rank))
    a, b = (pairs[f"motif_{x}_index"].values[order] for x in "ab")
    motifs, first = np.unique(np.stack([a, b], axis=1).reshape(-1), return_index=True)
    return motifs[np.argsort(first, kind="stable")[:n]], len(motifs)


def _squares(pairs: xr.Dataset, shown: np.ndarray, q_value: float) -> tuple[np.ndarray, np.ndarray]:
    """Give the ratios (motif, motif) and which of them are significant."""
    place = np.full(pairs.sizes[MOTIF], -1)
    place[shown] = np.arange(len(shown))
    a, b = (place[pairs[f"motif_{x}_index"].values] for x in "ab")
    ratio = np.full((len(shown), len(shown)), np.nan)
    marked = np.zeros(ratio.shape, bool)
    both = (a >= 0) & (b >= 0)
    q = pairs["q_value"].values if "q_value" in pairs else np.full(len(a), np.nan)
    ratio[a[both], b[both]] = pairs["log2_ratio"].values[both]
    marked[a[both], b[both]] = q[both] <= q_value
    if not pairs.attrs["ordered"]:
        ratio[b[both], a[both]] = ratio[a[both], b[both]]
        marked |= marked.T
    return ratio, marked


def _clustered(ratio: np.ndarray) -> np.ndarray:
    """Give an order in which motifs with similar partners stand side by side."""
    if len(ratio) < 3:
        return np.arange(len(ratio))
    known = np.nan_to_num(ratio)
    values = np.concatenate([known, known.T], axis=1)
    tree = linkage(values, method="average")
    return np.asarray(leaves_list(optimal_leaf_ordering(tree, values)))


def spacing(
    spacings: Dataset[MotifPairs],
    *,
    pair: tuple[str, str] | None = None,
    q_value: float = 0.05,
) -> Figure:
    """Draw how often two motifs stand at each distance, and how often by chance.

    Parameters
    ----------
    spacings
        From ``tl.pair_spacings(..., pairs=[(a, b)], keep="all")``; of one that holds significant
        distances only, these are drawn.
    pair
        The two motifs, by ids or by names that no other motif has; may be left out where there is
        one pair only.
    q_value
        Distances with q-values up to this are coloured: red for more and blue for less often than
        expected. The first ones are labelled.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each orientation, on one scale. Black lines are the expected numbers. Empty if
        there are no pairs.

    Raises
    ------
    InvalidElement
        If it is no `MotifPairs`.
    InvalidInput
        If it has no distances, or no such pair.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(300, length=100, seed=0)
    >>> seqs = mt.pp.embed_motifs(seqs, ["TGATAAGG", "ACCGGAAG"], spacings=7, fraction=0.3)
    >>> motifs = mt.MotifSet.build({"GATA": "TGATAAGG", "ETS": "ACCGGAAG"})
    >>> hits = mt.tl.scan(seqs, motifs, p_threshold=1e-3)
    >>> spacings = mt.tl.pair_spacings(hits, overlap="drop", keep="all", max_distance=40)
    >>> figure = mt.pl.spacing(spacings)
    >>> figure.axes[0].get_title(loc="left")
    'GATA → ETS →'
    """
    MotifPairs.check(spacings, where="argument `spacings` of pl.spacing")
    number("q_value", q_value, low=0, high=1)
    if DISTANCE not in spacings:
        raise InvalidInput("spacings", "pairs without distances", "use tl.pair_spacings")
    if pair is None and spacings.sizes[PAIR] == 0:
        figure, ax = plt.subplots(figsize=(5.6, 3.0), layout="constrained")
        ax.set(xticks=[], yticks=[])
        ax.set_title("no pairs", loc="left", fontsize="medium")
        return figure
    a, b = _chosen(spacings, pair)
    rows = (spacings["motif_a_index"].values == a) & (spacings["motif_b_index"].values == b)
    spacings = spacings.isel({PAIR: rows})
    found = np.zeros(spacings.sizes[PAIR], int)
    if "orientation" in spacings:
        found = spacings["orientation"].values
    panels = np.unique(found).tolist()
    columns = 1 if len(panels) == 1 else 2
    n_rows = math.ceil(len(panels) / columns)
    figure, axes = plt.subplots(
        n_rows, columns, figsize=(1.0 + 4.6 * columns, 0.7 + 2.3 * n_rows), sharex=True,
        sharey=True, squeeze=False, layout="constrained",
    )  # fmt: skip
    names = motif_names(spacings, np.array([a, b]))
    for place, ax in enumerate(axes.flat):
        if place >= len(panels):
            ax.set_axis_off()
            continue
        part = spacings.isel({PAIR: found == panels[place]})
        _draw_distances(ax, part, q_value)
        signs = ORIENTATIONS[panels[place]] if "orientation" in spacings else "  "
        left, right = (
            f"{x} {_ARROWS.get(s, '')}".strip() for x, s in zip(names, signs, strict=True)
        )
        ax.set_title(f"{left} {right}", loc="left", fontsize="medium")
        if "n_within" in part:
            ax.set_title(f"{int(part['n_within'].values[0]):,} pairs", loc="right",
                         fontsize="small", color="0.35")  # fmt: skip
        if place % columns == 0:
            ax.set_ylabel(str(spacings.attrs["counted"]))
        if place + columns >= len(panels):
            ax.set_xlabel("letters between the two motifs")
            ax.tick_params(labelbottom=True)
    handles: list[Any] = [Line2D([], [], color="black", lw=1.2, label="expected")]
    handles += [
        Patch(color=colour, label=f"{which} often, q ≤ {q_value:g}")
        for colour, which in ((_MORE, "more"), (_LESS, "less"))
    ]
    only = spacings.attrs.get("listed") == "significant"
    figure.legend(
        handles=handles, loc="outside upper center", ncols=3, frameon=False, fontsize="small",
        title="significant distances only" if only else None,
    )  # fmt: skip
    return figure


def _chosen(spacings: xr.Dataset, pair: Any) -> tuple[int, int]:
    """Give the numbers of the two motifs to draw."""
    ids = [str(name) for name in spacings[MOTIF].values]
    there = list(
        dict.fromkeys(
            zip(*(spacings[f"motif_{x}_index"].values.tolist() for x in "ab"), strict=True)
        )
    )
    shown = [(ids[a], ids[b]) for a, b in there[:5]]
    if pair is None:
        if len(there) == 1:
            return there[0]
        raise InvalidInput("pair", f"there are {len(there):,} pairs", f"use one such as {shown}")
    if isinstance(pair, str) or not isinstance(pair, tuple | list) or len(pair) != 2:
        raise InvalidInput("pair", f"{pair!r}", "use a tuple of two motifs")
    one, other = motif_numbers(spacings, pair, "pair")
    wanted = one, other
    if wanted in there:
        return wanted
    if not spacings.attrs["ordered"] and wanted[::-1] in there:
        return wanted[::-1]
    raise InvalidInput("pair", f"{pair!r} has no distances here", f"use one such as {shown}")


def _draw_distances(ax: Axes, part: xr.Dataset, q_value: float) -> None:
    distance, n = part[DISTANCE].values, part["n"].values
    q = part["q_value"].values if "q_value" in part else np.full(len(n), np.nan)
    expected = part["expected"].values if "expected" in part else np.full(len(n), np.nan)
    significant = q <= q_value
    more = significant & (n > expected)
    for which, colour in ((~significant, _OTHER), (more, _MORE), (significant & ~more, _LESS)):
        ax.bar(distance[which], n[which], width=0.9, color=colour)
    ax.hlines(expected, distance - 0.5, distance + 0.5, color="black", lw=1.2)
    ax.margins(y=0.16)
    least = np.flatnonzero(more)[np.argsort(q[more], kind="stable")[:3]]
    for row in least:
        label = ax.annotate(
            f"{distance[row]}", (distance[row], n[row]), (0, 2), textcoords="offset points",
            ha="center", fontsize="small", color=_MORE,
        )  # fmt: skip
        label.set_in_layout(False)
    if len(gone := distance[significant & ~more]):  # without lines, an empty one spoils the layout
        ax.plot(gone, np.zeros(len(gone)), "v", color=_LESS, ms=4, clip_on=False)
    furthest = part.attrs.get("max_distance") or distance.max()
    ax.set_xlim(min(-1, distance.min() - 1), furthest + 1)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    ax.spines[["top", "right"]].set_visible(False)
