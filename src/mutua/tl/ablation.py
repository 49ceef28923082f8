"""What a model's output loses when parts of its sequences are shuffled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.edits import shuffled_spans
from mutua.kernels.random_sequences import check_seed, derived_seed
from mutua.models import Dataset, SequenceSet, checked
from mutua.models.annotations import Annotations
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import (
    END,
    MOTIF,
    MOTIF_INDEX,
    POSITION,
    SEQUENCE,
    SEQUENCE_INDEX,
    SEQUENCE_LENGTH,
    START,
)
from mutua.models.effects import Effects
from mutua.tl._effects import Experiment, before_and_after
from mutua.tl._models import Rows

__all__ = ["ablate"]

Spans = list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]]
"""Of every experiment: layers of (sequence, start, end) with one span a sequence at most."""


@checked
def ablate(
    sequences: Dataset[SequenceSet],
    model: Any,
    *,
    annotations: Dataset[Annotations] | None = None,
    by: str | None = None,
    start: int | None = None,
    end: int | None = None,
    n_shuffles: int = 20,
    k: int = 1,
    target: str | int | Callable[[Any], Any] | Sequence[Any] | None = None,
    target_names: Sequence[str] | None = None,
    args: Sequence[Any] = (),
    encoding: str = "one_hot",
    batch_size: int = 256,
    device: str | None = None,
    progress: bool | None = None,
    seed: int = 0,
) -> Dataset[Effects]:
    """Shuffle spans of sequences, and predict before and after.

    Parameters
    ----------
    sequences, model, target, target_names, args, encoding, batch_size, device, progress
        As for `mutua.tl.marginalize`.
    annotations
        Spans of these very sequences; or give `start` and `end`, the same for all.
    by
        What is shuffled at once in a sequence: ``"motif"``, all annotations of a motif (the
        default where they have motifs), or ``"annotation"``, one after another by where they
        start.
    start, end
        A span common to all sequences: 0-based, half-open columns.
    n_shuffles
        Shuffles of each span, at least 2.
    k
        Shuffles keep the number of each k-mer of the span: 1 its letters, 2 its dinucleotides.
    seed
        Seed of the shuffles. Those of a sequence depend on it and on the numbers of the sequence
        and of the span alone.

    Returns
    -------
    Effects
        ``before`` (sequence, target); ``after`` and ``after_std`` (sequence, experiment, target),
        mean and standard deviation over the shuffles, NaN where a sequence has nothing to
        shuffle. Experiments are the motifs, by their ids and with their ``name`` where they
        have one; ``annotation 0``, ...; or the span, as ``10-20``.

    Raises
    ------
    InvalidInput
        If there are neither annotations nor a span, or both, they do not fit the sequences, or
        for what `mutua.tl.predict` refuses.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["GATTACAGATTACAGATTACAGATTACAGACTAACTTTCTTTTTTTGCAGGTC"])
    >>> effects = ablate(seqs, mt.datasets.splice_acceptor(), start=33, end=47)
    >>> bool((effects["after"] < effects["before"]).all()), effects["experiment"].values.tolist()
    (True, ['33-47'])
    """
    check_seed(seed)
    n_shuffles = whole_number("n_shuffles", n_shuffles, low=2)
    k = whole_number("k", k, low=1)
    if (annotations is None) == (start is None and end is None):
        found = "neither" if annotations is None else "both"
        raise InvalidInput("annotations", f"{found} they and start= and end=", "give one of them")
    labels: dict[str, np.ndarray] = {}
    if annotations is None:
        names, spans = _common(sequences, start, end)
    else:
        names, spans, labels = _of_annotations(sequences, annotations, by)

    def change(rows: Rows, number: int, draw: int) -> tuple[np.ndarray, np.ndarray]:
        n, codes = len(rows.codes), rows.codes
        touched = np.zeros(n, np.bool_)
        for layer, (sequence, begin, stop) in enumerate(spans[number]):
            bounds = np.zeros((2, n), np.int64)
            here = (sequence >= rows.first_sequence) & (sequence < rows.first_sequence + n)
            which = sequence[here] - rows.first_sequence
            bounds[:, which] = begin[here], stop[here]
            touched[which] = True
            codes = shuffled_spans(
                codes,
                *bounds,
                k=k,
                seed=int(derived_seed(seed, f"ablate {number} {layer} {draw}")),
                first_sequence=rows.first_sequence,
            )
        chosen = np.flatnonzero(touched)
        return chosen, codes[chosen]

    return before_and_after(
        sequences,
        model,
        Experiment("ablate", names, change, n_shuffles, labels),
        target=target,
        target_names=target_names,
        args=args,
        encoding=encoding,
        batch_size=batch_size,
        device=device,
        progress=progress,
    )


def _common(sequences: Dataset[SequenceSet], start: Any, end: Any) -> tuple[list[str], Spans]:
    """Give one span as that of every sequence."""
    n, length = sequences.sizes[SEQUENCE], sequences.sizes[POSITION]
    start = whole_number("start", 0 if start is None else start, low=0)
    end = whole_number("end", length if end is None else end, low=start + 1, high=length)
    rows = np.arange(n)
    return [f"{start}-{end}"], [[(rows, np.full(n, start), np.full(n, end))]]


def _of_annotations(
    sequences: Dataset[SequenceSet], annotations: Dataset[Annotations], by: str | None
) -> tuple[list[str], Spans, dict[str, np.ndarray]]:
    """Give the spans of each motif, or one after another, in layers of one a sequence.

    Beside them are the names of the experiments, and what else there is to say of them.
    """
    n, length = sequences.sizes[SEQUENCE], sequences.sizes[POSITION]
    lengths = annotations[SEQUENCE_LENGTH].values
    if len(lengths) != n or (lengths != length).any():
        found = f"they are of {len(lengths)} sequences of {sorted(set(lengths.tolist()))} letters"
        remedy = f"pass those of these {n} sequences of {length} letters"
        raise InvalidInput("annotations", found, remedy)
    has_motifs = MOTIF_INDEX in annotations
    by = ("motif" if has_motifs else "annotation") if by is None else by
    one_of("by", by, ["motif", "annotation"])
    if by == "motif" and not has_motifs:
        raise InvalidInput("by", "'motif', and the annotations have none", "use by='annotation'")
    row, start, end = (annotations[x].values for x in (SEQUENCE_INDEX, START, END))
    motif = annotations[MOTIF_INDEX].values if has_motifs else np.zeros(len(row), np.int32)
    group = motif if by == "motif" else np.zeros(len(row), np.int32)
    order = np.lexsort((motif, end, start, row, group))
    order = order[group[order] >= 0]
    # The number of a span among those of its group in its sequence.
    key = np.stack([group[order], row[order]])
    first = np.r_[True, (np.diff(key, axis=1) != 0).any(axis=0)][: len(order)]
    runs = np.flatnonzero(first)
    layer = np.arange(len(order)) - np.repeat(runs, np.diff(np.r_[runs, len(order)]))
    labels = {}
    if by == "motif":
        names = [str(name) for name in annotations[MOTIF].values.tolist()]
        if "name" in annotations.coords:
            labels = {"name": annotations["name"].values}
        which = group[order]
    else:
        names = [f"annotation {number}" for number in range(int(layer.max(initial=-1)) + 1)]
        which, layer = layer, np.zeros(len(order), np.int64)
    spans: Spans = [[] for _ in names]
    for number in range(len(names)):
        mine = which == number
        for one in range(int(layer[mine].max(initial=-1)) + 1):
            chosen = order[mine & (layer == one)]
            spans[number].append((row[chosen], start[chosen], end[chosen]))
    return names, spans, labels
