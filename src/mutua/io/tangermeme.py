"""Annotations as tangermeme has them: data frames of seqlets, and arrays beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mutua.errors import InvalidInput
from mutua.io.annotations import read_annotations
from mutua.models import Annotations, Dataset, MotifSet, SequenceSet, checked
from mutua.models.build import assemble
from mutua.models.describe import tensor_values
from mutua.models.dims import ANNOTATION, ATTRIBUTION, END, MOTIF_INDEX, SEQUENCE_INDEX, START

__all__ = ["from_tangermeme", "to_tangermeme"]


@checked
def from_tangermeme(
    frame: pd.DataFrame | Sequence[pd.DataFrame],
    sequences: Dataset[SequenceSet],
    *,
    motifs: Dataset[MotifSet] | None = None,
    motif_index: Any = None,
    p_value: Any = None,
) -> Dataset[Annotations]:
    """Give annotations from what tangermeme and memelite return.

    Parameters
    ----------
    frame
        Of ``recursive_seqlets`` or ``tfmodisco_seqlets`` (``example_idx``, ``start``, ``end``,
        ``attribution``, ``p-value``), or of ``fimo``: one, or the list of all.
    sequences
        The set that they were found in.
    motifs
        Motifs in the order in which tangermeme was given them.
    motif_index, p_value
        What ``annotate_seqlets`` gave for the seqlets: (seqlet, n_nearest) or (seqlet,), arrays or
        tensors. Each seqlet then has a row for each of its motifs.

    Returns
    -------
    Annotations
        The p-values of seqlets are `rank_score`.

    Raises
    ------
    InvalidInput
        If columns are missing, spans lie outside, or arrays are not of these seqlets or motifs.

    References
    ----------
    Schreiber 2025, tangermeme, https://github.com/jmschrei/tangermeme.

    Examples
    --------
    >>> import pandas as pd
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["ACGTACGT", "TTTTGGGG"])
    >>> seqlets = pd.DataFrame({"example_idx": [1], "start": [2], "end": [6],
    ...                         "attribution": [0.5], "p-value": [0.001]})
    >>> motifs = mt.MotifSet.build({"GATA1": "WGATAR", "SP1": "GGGCGG"})
    >>> found = mt.from_tangermeme(
    ...     seqlets, seqs, motifs=motifs, motif_index=[[1, 0]], p_value=[[0.01, 0.2]])
    >>> found["motif"].values[found["motif_index"].values].tolist(), found["rank"].values.tolist()
    (['SP1', 'GATA1'], [0, 1])
    """
    if not isinstance(frame, pd.DataFrame):
        frames = list(frame)
        if not all(isinstance(part, pd.DataFrame) for part in frames) or not frames:
            raise InvalidInput("frame", f"a {type(frame).__name__}", "use a data frame, or several")
        filled = [part for part in frames if len(part)] or frames[:1]
        frame = pd.concat(filled, ignore_index=True)
    if (motif_index is None) != (p_value is None):
        raise InvalidInput("p_value", "one of two results", "give motif_index and p_value")
    if motif_index is None:
        return read_annotations(frame, sequences, format="tangermeme", motifs=motifs)
    if motifs is None:
        raise InvalidInput("motifs", "not given, and motif_index numbers them", "give the set")
    index, p = _two_dim("motif_index", motif_index, len(frame)), _two_dim(
        "p_value", p_value, len(frame))  # fmt: skip
    if index.shape != p.shape:
        raise InvalidInput("p_value", f"shape {p.shape}", f"use {index.shape}, as motif_index")
    n, n_nearest = index.shape
    rows = frame.iloc[np.repeat(np.arange(n), n_nearest)].reset_index(drop=True)
    rows = rows.assign(motif_index=index.ravel())
    found = read_annotations(rows, sequences, format="tangermeme", motifs=motifs)
    parts = {
        "p_value": p.ravel().astype(np.float64),
        "rank": np.tile(np.arange(n_nearest, dtype=np.int32), n),
        "source": "tomtom",
    }
    return assemble(Annotations, found, parts)


def _two_dim(name: str, values: Any, n: int) -> np.ndarray:
    array = tensor_values(values) if hasattr(values, "detach") else np.asarray(values)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != n or array.dtype.kind not in "iuf":
        found = f"{array.dtype} of shape {array.shape}"
        raise InvalidInput(name, found, f"use numbers of shape ({n}, n_nearest)")
    return array


@checked
def to_tangermeme(annotations: Dataset[Annotations]) -> pd.DataFrame:
    """Give annotations as the data frame of seqlets that tangermeme's functions take.

    Parameters
    ----------
    annotations
        Annotations; those of the best motif only (`rank` 0) where spans have several.

    Returns
    -------
    pandas.DataFrame
        ``example_idx``, ``start``, ``end``, ``attribution`` and ``p-value`` (`rank_score`, or else
        `p_value`; NaN where neither is known), and ``strand``, ``motif_idx``, ``motif_name`` and
        ``score`` where there are.

    Raises
    ------
    InvalidElement
        If they are no annotations.

    Examples
    --------
    >>> import mutua as mt
    >>> spans = mt.Annotations.build(
    ...     sequence_index=[1], start=[2], end=[6], sequence_length=[8, 8], source="user")
    >>> mt.to_tangermeme(spans)
       example_idx  start  end  attribution  p-value
    0            1      2    6          NaN      NaN
    """
    if "rank" in annotations:
        best = np.flatnonzero(annotations["rank"].values == 0)
        annotations = annotations.isel({ANNOTATION: best})
    n = annotations.sizes[ANNOTATION]
    chance = next((name for name in ("rank_score", "p_value") if name in annotations), None)
    frame = pd.DataFrame({
        "example_idx": annotations[SEQUENCE_INDEX].values,
        "start": annotations[START].values,
        "end": annotations[END].values,
        "attribution": annotations[ATTRIBUTION].values if ATTRIBUTION in annotations
        else np.full(n, np.nan),
        "p-value": annotations[chance].values if chance else np.full(n, np.nan),
    })  # fmt: skip
    if "strand" in annotations:
        signs = np.array([".", "+", "-"], dtype=object)
        frame["strand"] = signs[annotations["strand"].values]
    if MOTIF_INDEX in annotations:
        names = [*map(str, annotations["motif"].values), ""]
        frame["motif_idx"] = annotations[MOTIF_INDEX].values
        frame["motif_name"] = [names[i] for i in annotations[MOTIF_INDEX].values.tolist()]
    if "score" in annotations:
        frame["score"] = annotations["score"].values
    return frame
