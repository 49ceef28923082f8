"""Logos of the patterns that attributions have in common."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from mutua.errors import InvalidInput
from mutua.models import Dataset, MotifSet, checked
from mutua.models.annotations import Annotations
from mutua.models.arguments import whole_number
from mutua.models.dims import CONTRIBUTION, INFORMATION, MOTIF, MOTIF_INDEX
from mutua.pl._logos import SHORT_LABELS, draw_logo, logo_heights, logo_limits

__all__ = ["patterns"]


@checked
def patterns(
    motifs: Dataset[MotifSet],
    *,
    names: Dataset[Annotations] | None = None,
    n: int = 15,
) -> Figure:
    """Draw patterns: the contributions of their letters beside the letters themselves.

    Parameters
    ----------
    motifs
        With contributions, such as those of `mutua.tl.patterns`, in their order.
    names
        What `mutua.tl.annotate` gave for `motifs`: the nearest known motif and its q-value are
        written over each.
    n
        Draw at most that many.

    Returns
    -------
    matplotlib.figure.Figure
        On the left the mean contribution of each letter to the output (each pattern on its own
        scale), on the right the information of the letters.

    Raises
    ------
    InvalidInput
        If there are no patterns, they have no contributions, or `names` is of other motifs.

    Examples
    --------
    >>> import mutua as mt
    >>> import numpy as np
    >>> motifs = mt.MotifSet.build(
    ...     {"pos_0": "GATAAG", "neg_0": "CANNTG"}, n_sites=[80, 33], sign=[1, -1],
    ...     contribution=np.random.default_rng(0).normal(size=(2, 4, 6)),
    ... )
    >>> figure = mt.pl.patterns(motifs)
    >>> figure.axes[0].get_title(loc="left")
    'pos_0: 80 seqlets, raises the output'
    """
    there = motifs.sizes[MOTIF]
    n = min(whole_number("n", n, low=1), there)
    if not n:
        raise InvalidInput("motifs", "there are none", "give at least one pattern")
    if CONTRIBUTION not in motifs:
        remedy = "use those of tl.patterns, or draw letters by pl.motifs"
        raise InvalidInput("motifs", "motifs without contributions", remedy)
    known = [""] * there if names is None else _names(motifs, names)
    places = list(range(n))
    contributions = logo_heights(motifs, places, CONTRIBUTION)
    letters = logo_heights(motifs, places, INFORMATION)
    widest = max(matrix.shape[1] for matrix in letters)
    figure, axes = plt.subplots(
        n, 2, figsize=(2 * float(np.clip(0.2 * widest + 0.6, 2.6, 7)) + 0.5, 1.12 * n + 0.5),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    scale = logo_limits(motifs, np.concatenate(letters, axis=1), INFORMATION)
    for place, (left, right) in enumerate(axes):
        draw_logo(left, contributions[place], motifs, CONTRIBUTION)
        draw_logo(right, letters[place], motifs, INFORMATION)
        right.set_ylim(scale)
        left.set_title(_title(motifs, place), fontsize="small", loc="left")
        right.set_title(known[place], fontsize="small", loc="left", color="0.25")
        for ax, which in ((left, CONTRIBUTION), (right, INFORMATION)):
            ax.set_xlim(-0.6, widest - 0.4)
            ax.set_ylabel(SHORT_LABELS[which], fontsize="x-small")
            ax.tick_params(labelsize="x-small")
            if place == n - 1:
                ax.set_xlabel("position in the pattern", fontsize="small")
    if n < there:
        figure.suptitle(f"the first {n} of {there:,} patterns", fontsize="medium")
    return figure


def _names(motifs: Dataset[MotifSet], names: Dataset[Annotations]) -> list[str]:
    """Give the nearest known motif of each pattern, with its q-value."""
    ids = motifs[MOTIF].values.tolist()
    others = names["sequence_id"].values.tolist() if "sequence_id" in names.coords else []
    if others != ids:
        found = f"annotations of {others[:3] or 'sequences without names'}"
        raise InvalidInput("names", found, "pass tl.annotate(motifs, known)")
    labels = [""] * len(ids)
    rank = names["rank"].values if "rank" in names else np.zeros(len(names[MOTIF_INDEX]))
    called = names["name"] if "name" in names.coords else names[MOTIF]
    for row in np.flatnonzero((rank == 0) & (names[MOTIF_INDEX].values >= 0)):
        what = str(called.values[names[MOTIF_INDEX].values[row]])
        q = f", q = {names['q_value'].values[row]:.2g}" if "q_value" in names else ""
        labels[int(names["sequence_index"].values[row])] = f"{what}{q}"
    return labels


def _title(motifs: Dataset[MotifSet], place: int) -> str:
    parts = []
    if "n_sites" in motifs and np.isfinite(n := float(motifs["n_sites"].values[place])):
        parts.append(f"{n:,.6g} {'seqlets' if 'sign' in motifs else 'sites'}")
    if "sign" in motifs:
        verb = "raises" if motifs["sign"].values[place] > 0 else "lowers"
        parts.append(f"{verb} the output")
    name = str(motifs[MOTIF].values[place])
    return f"{name}: {', '.join(parts)}" if parts else name
