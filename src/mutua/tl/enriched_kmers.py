"""Motifs that one set of sequences has more often than another, from their enriched k-mers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from mutua.kernels.letters import is_nucleotide
from mutua.kernels.motif_search import FoundMotif, search_motifs
from mutua.models import Dataset, MotifSet, SequenceSet, as_kind, checked
from mutua.models.alphabets import unknown_symbol
from mutua.models.arguments import number, whole_number
from mutua.models.dims import (
    CODES,
    INFORMATION,
    LENGTH,
    LETTER,
    MOTIF,
    MOTIF_POSITION,
    PROBABILITY,
)
from mutua.models.motif_matrices import column_information
from mutua.tl._two_sets import (
    TINY,
    Comparison,
    compare_lengths,
    comparison,
    odds_ratio,
    shuffled_blocks,
)

__all__ = ["enriched_kmers"]

_PAIRS: Final = {"AG": "R", "CT": "Y", "CG": "S", "AT": "W", "GT": "K", "AC": "M"}
_LABELS: Final = {
    name: {"long_name": label}
    for name, label in {
        "n_background": "sequences of the background with the motif",
        "fraction_foreground": "fraction of the foreground with the motif",
        "fraction_background": "fraction of the background with the motif",
        "odds_ratio": "odds ratio, 1/2 added to all four numbers",
        "kmer_p_value": "p-value of the k-mer that the motif was found by",
        "n_tests": "k-mers of which it is the best",
        "kmer": "k-mer that the motif was found by",
    }.items()
}


@checked
def enriched_kmers(
    foreground: Dataset[SequenceSet],
    *,
    background: Dataset[SequenceSet] | None = None,
    k: int | Sequence[int] = 6,
    n_motifs: int = 10,
    max_q: float = 0.05,
    strand: str | None = None,
    n_shuffles: int = 5,
    seed: int = 0,
) -> Dataset[MotifSet]:
    """Give the motifs that one set of sequences has more often than another.

    The k-mer with the least p-value (see `kmer_enrichment`) is the seed of a motif. Together with
    the k-mers that differ from it by one letter it makes a first matrix; the best site of each
    sequence, at the threshold that tells the sets best apart, makes the next one, with more
    columns where these tell something, until the sets are told apart no better. The sites are
    then taken out of both sets, everything is counted again, and the next seed is another one. A
    motif that is one found before, shifted or turned around, is not given again.

    Parameters
    ----------
    foreground
        (sequence, position); a lazy set is computed.
    background, k, strand, n_shuffles, seed
        As for `kmer_enrichment`. Motifs may get longer than their k-mer, up to three times; 6
        finds the core of nearly any binding site, 8 tells better apart what is very frequent.
    n_motifs
        Number of motifs at the most.
    max_q
        Largest ``q_value`` of a motif.

    Returns
    -------
    MotifSet
        In the order in which they were found, with ids of number and consensus
        (``1-TGATAAGA``); maybe none. ``kmer`` is the seed. ``n_sites`` sequences of the foreground
        and ``n_background`` of the background have a site of the motif, ``fraction_foreground``
        and ``fraction_background`` of all, less the sites of motifs found before, and
        ``odds_ratio`` compares them, with 1/2 added to the four numbers. ``probability`` is that
        of the sites of the foreground, less what the background lets expect by chance, and one
        site with the letters of the background.

        ``kmer_p_value`` is that of the seed, by Fisher's exact test; ``e_value`` is that times
        the number of k-mers tested; ``p_value`` is the probability that the best k-mer would be
        so good if there were nothing to find (Bonferroni); and ``q_value`` is the largest of
        these so far: that any motif is false. The numbers of sites took part in the choice of
        the matrix and the threshold and are no test.

    Raises
    ------
    InvalidInput, MemoryLimit
        As for `kmer_enrichment`.

    Warns
    -----
    UserWarning
        As for `kmer_enrichment`.

    References
    ----------
    Bailey 2011, Bioinformatics 27:1653 (DREME: seeds by Fisher's exact test, sites taken out).
    Bailey 2021, Bioinformatics 37:2834 (STREME: matrix and threshold refined by enrichment).
    Jolma et al. 2010, Genome Research 20:861 (a matrix from k-mers that differ by one letter,
    less the background).

    Examples
    --------
    >>> import mutua as mt
    >>> other = mt.pp.random_sequences(1000, length=60, seed=0)
    >>> own = mt.pp.random_sequences(1000, length=60, seed=1)
    >>> own = mt.pp.embed_motifs(own, "TGATAAGA", fraction=0.3)
    >>> motifs = mt.tl.enriched_kmers(own, background=other)
    >>> motifs["motif"].values.tolist()
    ['1-TGATAAGA']
    >>> motifs["n_sites"].values, motifs["n_background"].values
    (array([300.]), array([2]))
    >>> motifs["q_value"].values < 1e-20
    array([ True])
    """
    task = comparison(foreground, background, k, strand, n_shuffles, seed)
    n_motifs = whole_number("n_motifs", n_motifs, low=1)
    max_q = number("max_q", max_q, low=0, high=1, open_low=True)
    own = np.asarray(foreground[CODES].values)
    if background is None:
        other = np.empty((task.n_background, own.shape[1]), np.uint8)
        start = 0
        for block in shuffled_blocks(foreground, task):
            other[start : start + len(block)] = block
            start += len(block)
    else:
        other = np.asarray(background[CODES].values)
    letters = [np.count_nonzero(x < len(task.alphabet)) / len(x) for x in (own, other)]
    compare_lengths(*letters)
    found, frequencies = search_motifs(
        own,
        other,
        lengths=task.lengths,
        alphabet_size=len(task.alphabet),
        complement=task.complement,
        most=n_motifs,
        level=max_q,
    )
    return _motif_set(found, frequencies, task)


def _motif_set(
    found: list[FoundMotif], frequencies: np.ndarray, task: Comparison
) -> Dataset[MotifSet]:
    """Give what was found with its labels."""
    length = np.array([motif.probability.shape[1] for motif in found], np.int32)
    probability = np.zeros((len(found), len(task.alphabet), length.max(initial=0)), np.float32)
    for place, motif in enumerate(found):
        probability[place, :, : length[place]] = motif.probability
    own = np.array([motif.n_foreground for motif in found], np.int64)
    other = np.array([motif.n_background for motif in found], np.int64)
    log_p = np.array([motif.log_p for motif in found], np.float64)
    n_tests = np.array([motif.n_tests for motif in found], np.int64)
    e_value = np.maximum(np.exp(log_p + np.log(n_tests)), TINY)
    p_value = np.minimum(e_value, 1.0)
    values: dict[str, Any] = {
        "n_sites": own.astype(np.float64),
        "n_background": other,
        "fraction_foreground": own / task.n_foreground,
        "fraction_background": other / task.n_background,
        "odds_ratio": odds_ratio(own, other, task.n_foreground, task.n_background),
        "kmer_p_value": np.maximum(np.exp(log_p), TINY),
        "n_tests": n_tests,
        "e_value": e_value,
        "p_value": p_value,
        "q_value": np.maximum.accumulate(p_value),
        INFORMATION: column_information(probability, frequencies.tolist()).sum(axis=-1),
        LENGTH: length,
    }
    names = [
        f"{place}-{_consensus(motif.probability, task.alphabet)}"
        for place, motif in enumerate(found, start=1)
    ]
    text = np.dtypes.StringDType()
    kmers = ["".join(task.alphabet[code] for code in motif.seed) for motif in found]
    result = xr.Dataset(
        {
            PROBABILITY: ((MOTIF, LETTER, MOTIF_POSITION), probability),
            **{name: (MOTIF, array, _LABELS.get(name, {})) for name, array in values.items()},
        },
        coords={
            MOTIF: np.array(names, dtype=text),
            LETTER: list(task.alphabet),
            "kmer": (MOTIF, np.array(kmers, dtype=text), _LABELS["kmer"]),
        },
        attrs={
            "alphabet": task.alphabet,
            "background": frequencies.tolist(),
            "n_foreground": task.n_foreground,
            "n_background": task.n_background,
            "strand": task.strand,
        },
    )
    return as_kind(MotifSet, result)


def _consensus(probability: np.ndarray, alphabet: str) -> str:
    """Give the most frequent letters, two of them by their IUPAC symbol in DNA and RNA.

    A letter stands for itself where it has more than half and more than twice the next one, and
    two stand together where they have more than three quarters (Cavener 1987).
    """
    symbols = []
    for column in probability.T:
        second, first = np.argsort(column, kind="stable")[-2:]
        pair = "".join(sorted((alphabet[first] + alphabet[second]).upper().replace("U", "T")))
        if column[first] > 0.5 and column[first] > 2 * column[second]:
            symbols.append(alphabet[first])
        elif is_nucleotide(alphabet) and column[first] + column[second] > 0.75 and pair in _PAIRS:
            symbols.append(_PAIRS[pair])
        else:
            symbols.append(unknown_symbol(alphabet))
    return "".join(symbols)
