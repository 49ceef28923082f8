"""Plots of annotations."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mutua.errors import InvalidInput
from mutua.models import Dataset
from mutua.models.annotations import Annotations
from mutua.models.arguments import whole_number
from mutua.models.dims import MOTIF, MOTIF_INDEX, SEQUENCE, SEQUENCE_INDEX
from mutua.pl._axes import new_axes
from mutua.pl._motif_names import motif_names

__all__ = ["annotation_counts"]


def annotation_counts(
    annotations: Dataset[Annotations], *, n: int = 20, ax: Axes | None = None
) -> Axes:
    """Draw the motifs that stand in most sequences, as bars.

    Parameters
    ----------
    annotations
        With motifs.
    n
        Draw at most that many motifs.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        Bars of the number of sequences with one annotation or more of each motif, the most
        frequent on top; beside each, in grey, how often it stands in all sequences together.

    Raises
    ------
    InvalidElement
        If it is not annotations.
    InvalidInput
        If the annotations have no motifs.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["TTGATAAGTTGATAAG", "ACACACACACACACAC"])
    >>> hits = mt.tl.scan(seqs, mt.MotifSet.build({"GATA": "WGATAAG"}), p_threshold=1e-3)
    >>> ax = mt.pl.annotation_counts(hits)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['GATA']
    """
    Annotations.check(annotations, where="argument `annotations` of pl.annotation_counts")
    n = whole_number("n", n, low=1)
    if MOTIF_INDEX not in annotations:
        raise InvalidInput("annotations", "spans without motifs", "find their motifs first")
    with_motif, rows = _frequencies(annotations)
    there = int((rows > 0).sum())
    shown = np.lexsort((np.arange(len(rows)), -rows, -with_motif))[: min(n, there)]
    ax = new_axes(ax, figsize=(6.0, 1.2 + 0.24 * max(len(shown), 2)))
    ax.barh(np.arange(len(shown)), with_motif[shown], color="C0", height=0.75)
    for place, motif in enumerate(shown):
        text = f" {rows[motif]:,}"
        ax.text(with_motif[motif], place, text, va="center", fontsize="x-small", color="0.35")
    ax.set_yticks(np.arange(len(shown)), motif_names(annotations, shown), fontsize="small")
    ax.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    ax.set_xlim(0, max(1, 1.12 * with_motif[shown].max(initial=0)))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.set_xlabel(f"sequences with the motif, of {annotations.sizes[SEQUENCE]:,}")
    ax.spines[["top", "right"]].set_visible(False)
    which = f"{len(shown)} of {there:,} motifs" if len(shown) < there else f"{there:,} motifs"
    grey = "grey: annotations of the motif, of which a sequence may hold several"
    ax.set_title(f"{which}, {rows.sum():,} annotations\n{grey}", fontsize="small")
    return ax


def _frequencies(annotations: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Give in how many sequences each motif stands, and how often in all."""
    n_motifs = annotations.sizes[MOTIF]
    motif = np.asarray(annotations[MOTIF_INDEX].values).astype(np.int64)
    sequence = np.asarray(annotations[SEQUENCE_INDEX].values)[motif >= 0]
    motif = motif[motif >= 0]
    cells = np.unique(motif * annotations.sizes[SEQUENCE] + sequence)
    with_motif = np.bincount(cells // max(annotations.sizes[SEQUENCE], 1), minlength=n_motifs)
    return with_motif, np.bincount(motif, minlength=n_motifs)
