"""K-mers that one set of sequences has more often than another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import xarray as xr

from mutua import stats
from mutua.kernels.hypergeometric import log_enrichment_p
from mutua.kernels.kmer_presence import kmer_letters, kmer_presence
from mutua.kernels.letters import decode
from mutua.models import Dataset, SequenceSet, Table, as_kind, checked
from mutua.models.dims import ROW
from mutua.tl._two_sets import (
    TINY,
    Comparison,
    code_blocks,
    compare_lengths,
    comparison,
    odds_ratio,
    shuffled_blocks,
)

__all__ = ["kmer_enrichment"]

_COLUMNS: Final = {
    "kmer": "k-mer",
    "n_foreground": "sequences of the foreground with the k-mer",
    "n_background": "sequences of the background with the k-mer",
    "odds_ratio": "odds ratio, 1/2 added to all four numbers",
    "p_value": "p-value of Fisher's exact test, one-sided",
    "log10_p_value": "log10 of the p-value",
    "q_value": "false discovery rate (Benjamini-Hochberg)",
}


@checked
def kmer_enrichment(
    foreground: Dataset[SequenceSet],
    *,
    background: Dataset[SequenceSet] | None = None,
    k: int | Sequence[int] = 6,
    strand: str | None = None,
    n_shuffles: int = 5,
    seed: int = 0,
) -> Dataset[Table]:
    """Give every k-mer with how many sequences of two sets have it, the most enriched first.

    Parameters
    ----------
    foreground
        (sequence, position), in memory, dask-backed or lazily opened; read block by block.
    background
        Sequences to compare with, over the same alphabet. By default the foreground itself, each
        sequence shuffled `n_shuffles` times with its dinucleotides kept (of alphabets other than
        DNA and RNA, its letters).
    k
        Length of the k-mers, or several lengths, e.g. ``range(5, 8)``.
    strand
        ``"both"`` counts a k-mer and its reverse complement as one, named by the first of the two
        in the order of the alphabet; ``"forward"`` takes the sequences as they stand. By default
        both for DNA, forward for everything else.
    n_shuffles
        Shuffles of each sequence, if there is no `background`.
    seed
        Seed of the shuffles.

    Returns
    -------
    Table
        A row for each k-mer that any sequence has: ``kmer``; ``n_foreground`` and
        ``n_background``, the sequences that have it, however often; ``odds_ratio``, with 1/2
        added to the four numbers of the table so that it is finite; ``p_value``, one-sided, of
        Fisher's exact test; ``log10_p_value``, which goes on where that would be below 1e-308;
        and ``q_value`` (Benjamini-Hochberg over all rows). The attributes ``n_foreground`` and
        ``n_background`` say how many sequences there are.

    Raises
    ------
    InvalidInput
        For sets without sequences, over different alphabets, shorter than `k` or the same, for
        both strands of an alphabet without a complement, or for `k` below 3 without `background`:
        the shuffles keep the dinucleotides.
    MemoryLimit
        If there are too many k-mers to count; says what would fit.

    Warns
    -----
    UserWarning
        If the sequences of one set are longer than those of the other: a longer sequence has
        more k-mers of every kind.

    Notes
    -----
    The test takes the sequences as independent, and those of the two sets as alike but for what
    is looked for. Sets of different composition (GC content, repeats) differ in many k-mers; the
    shuffles have the composition of the foreground. k-mers with unknown letters or padding are
    left out, and the weights of the sequences are not used: there is no exact test with weights.

    Examples
    --------
    >>> import mutua as mt
    >>> other = mt.pp.random_sequences(500, length=50, seed=0)
    >>> own = mt.pp.random_sequences(500, length=50, seed=1)
    >>> own = mt.pp.embed_motifs(own, "GATAAG", fraction=0.3)
    >>> table = mt.tl.kmer_enrichment(own, background=other, k=6)
    >>> [table[name].values[0].item() for name in ("kmer", "n_foreground", "n_background")]
    ['CTTATC', 157, 9]
    """
    task = comparison(foreground, background, k, strand, n_shuffles, seed)
    columns: dict[str, list[np.ndarray]] = {"kmer": [], "n_foreground": [], "n_background": []}
    for length in task.lengths:
        own, n_places = _presence(code_blocks(foreground), length, task)
        if background is None:
            other, n_other = _presence(shuffled_blocks(foreground, task), length, task)
        else:
            other, n_other = _presence(code_blocks(background), length, task)
        if length == task.lengths[0]:
            compare_lengths(n_places / task.n_foreground, n_other / task.n_background)
        there = np.flatnonzero(own + other)
        letters = kmer_letters(there, length, len(task.alphabet))
        columns["kmer"].append(decode(letters, task.alphabet).astype(str))
        columns["n_foreground"].append(own[there])
        columns["n_background"].append(other[there])
    table = {name: np.concatenate(parts) for name, parts in columns.items()}
    a, b = table["n_foreground"], table["n_background"]
    log_p = log_enrichment_p(a, b, foreground=task.n_foreground, background=task.n_background)
    table["odds_ratio"] = odds_ratio(a, b, task.n_foreground, task.n_background)
    table["p_value"] = np.maximum(np.exp(log_p), TINY)
    table["log10_p_value"] = log_p / math.log(10)
    table["q_value"] = stats.benjamini_hochberg(table["p_value"])
    order = np.lexsort((table["kmer"], -table["odds_ratio"], log_p))
    result = xr.Dataset(
        {
            name: (ROW, values[order], {"long_name": _COLUMNS[name]})
            for name, values in table.items()
        },
        attrs={
            "n_foreground": task.n_foreground,
            "n_background": task.n_background,
            "strand": task.strand,
        },
    )
    return as_kind(Table, result)


def _presence(blocks: Iterator[np.ndarray], k: int, task: Comparison) -> tuple[np.ndarray, int]:
    """Count the sequences with each k-mer, and all k-mers."""
    counts, n_places = np.zeros(len(task.alphabet) ** k, np.int64), 0
    for block in blocks:
        found, n = kmer_presence(block, k, len(task.alphabet), complement=task.complement)
        counts += found
        n_places += n
    return counts, n_places
