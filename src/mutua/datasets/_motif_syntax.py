"""Simulated sequences whose motifs, and how these act together, are known."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mutua.models import Annotations, Dataset, MotifSet, SequenceSet, Table
from mutua.models.annotation_parts import sequence_parts
from mutua.models.arguments import number, whole_number
from mutua.models.build import assemble
from mutua.models.dims import LENGTH, PROBABILITY

__all__ = ["MotifSyntax", "simulate_motif_syntax"]

FUNCTION = "datasets.simulate_motif_syntax"
PATTERNS = {
    "AP1": "TGASTCA",
    "TEAD": "CATTCCW",
    "GATA": "WGATAA",
    "SPI1": "RGAGGAAS",
    "EBOX": "CACGTG",
    "ZEB": "CAGGTAR",
}
"""What each motif looks like; an IUPAC symbol stands for all its letters alike."""
EFFECTS = {"AP1": 1.0, "TEAD": 0.8, "GATA": 1.2, "SPI1": 1.0, "EBOX": 0.8, "ZEB": -0.8}
"""What one site adds to the value of its sequence."""
EPISTASIS = {("AP1", "TEAD"): 1.5, ("GATA", "SPI1"): -1.0}
"""What a pair of sites adds besides; other pairs add nothing."""
FARTHEST = {("AP1", "TEAD"): 20}
"""Most letters between two sites that act together; any number of them for other pairs."""
SHORTEST = 64  # letters, which all six motifs fit into with room between

Codes = NDArray[np.uint8]


class MotifSyntax(NamedTuple):
    """Sequences, the motifs in them, and the rules that their values follow."""

    sequences: Dataset[SequenceSet]
    motifs: Dataset[MotifSet]
    sites: Dataset[Annotations]
    effects: Dataset[Table]
    interactions: Dataset[Table]


class Sites(NamedTuple):
    """Where the motifs stand, one row for each site, in the order of the sequences."""

    sequence: NDArray[np.int64]
    start: NDArray[np.int64]
    motif: NDArray[np.int64]


def simulate_motif_syntax(
    *,
    n: int = 2_000,
    length: int = 192,
    share: float = 0.45,
    noise: float = 0.3,
    seed: int = 0,
) -> MotifSyntax:
    """Give sequences with a value that follows from their motifs by known rules.

    Letters of the background are independent and equally frequent. Each of six motifs is planted
    into a share of the sequences, on the forward strand and at random places that do not overlap.
    The value of a sequence is the sum of

    - the effect of every site: five motifs raise the value and ``ZEB`` lowers it;
    - +1.5 for every pair of an ``AP1`` and a ``TEAD`` site with 0 to 20 letters between them, in
      either order (synergy that depends on the distance);
    - -1.0 for every pair of a ``GATA`` and a ``SPI1`` site, however far apart (antagonism).

    All sites that match count, those that arose by chance as well, so that the value without
    noise is a function of the letters. The rules follow what these factors are known for: AP-1
    and TEAD act together at enhancers, GATA1 and SPI1 (PU.1) oppose each other; the numbers are
    invented.

    Parameters
    ----------
    n
        Number of sequences.
    length
        Letters of each, 64 or more.
    share
        Share of the sequences that each motif is planted into, from 0 to 1.
    noise
        Standard deviation of the noise of the measured value.
    seed
        Seed of all that is random.

    Returns
    -------
    sequences : SequenceSet
        DNA. ``prediction`` (n, 2) float32 holds the value of each sequence under the targets
        ``measured`` (with noise) and ``true`` (without).
    motifs : MotifSet
        Probabilities of the six motifs, with ``sign``.
    sites : Annotations
        All sites, by sequence and place.
    effects : Table
        ``motif`` and the ``effect`` of one site.
    interactions : Table
        The 15 pairs of motifs: ``motif_a``, ``motif_b``, ``epistasis``, ``max_distance`` (most
        letters between the sites; -1 without limit) and ``interaction``, in the words of
        `mutua.MotifPairs`.

    Raises
    ------
    InvalidInput
        For numbers out of range.

    Notes
    -----
    The shortest motifs have six letters, which are one in 4,096 by chance on each strand:
    `mutua.tl.scan` finds their sites with ``p_threshold=1e-3``, not with the usual 1e-4.

    References
    ----------
    Zanconato F. et al., Genome-wide association between YAP/TAZ/TEAD and AP-1 at enhancers drives
    oncogenic growth. Nature Cell Biology 17, 1218-1227 (2015). Rekhtman N. et al., Direct
    interaction of hematopoietic transcription factors PU.1 and GATA-1: functional antagonism in
    erythroid cells. Genes & Development 13, 1398-1411 (1999).

    Examples
    --------
    >>> import mutua as mt
    >>> syntax = mt.datasets.simulate_motif_syntax(n=500)
    >>> dict(syntax.sequences.sizes)
    {'sequence': 500, 'position': 192, 'target': 2}
    >>> table = mt.to_dataframe(syntax.interactions)
    >>> table[table["epistasis"] != 0].iloc[:, :4].reset_index(drop=True)
      motif_a motif_b  epistasis  max_distance
    0     AP1    TEAD        1.5            20
    1    GATA    SPI1       -1.0            -1
    """
    n = whole_number("n", n, low=1)
    length = whole_number("length", length, low=SHORTEST)
    share = number("share", share, low=0, high=1)
    noise = number("noise", noise, low=0)
    seed = whole_number("seed", seed, low=0)
    arguments: dict[str, object] = {
        "n": n,
        "length": length,
        "share": share,
        "noise": noise,
        "seed": seed,
    }
    rng = np.random.default_rng(seed)

    motifs = _motifs(arguments)
    probabilities = [
        probability[:, :width].T.astype(np.float64)
        for probability, width in zip(
            motifs[PROBABILITY].values, motifs[LENGTH].values, strict=True
        )
    ]
    codes = rng.integers(0, 4, (n, length), dtype=np.uint8)
    _plant(codes, probabilities, share, rng)
    found = find_sites(codes, probabilities)
    widths = motifs[LENGTH].values.astype(np.int64)
    true = values_of_sites(found, widths, n)
    values = np.stack([true + noise * rng.standard_normal(n), true], axis=1).astype(np.float32)
    parts = {"codes": codes, "prediction": values, "target": ["measured", "true"]}
    sequences = assemble(
        SequenceSet, None, {**parts, "alphabet": "ACGT"}, arguments=arguments, function=FUNCTION
    )
    spans = {
        "sequence_index": found.sequence.astype(np.int32),
        "start": found.start.astype(np.int32),
        "end": (found.start + widths[found.motif]).astype(np.int32),
        "motif_index": found.motif.astype(np.int32),
        "strand": np.ones(len(found.start), np.int8),
        "motif": list(PATTERNS),
        "source": "user",
        **sequence_parts(sequences),
    }
    sites = assemble(Annotations, None, spans, arguments=arguments, function=FUNCTION)
    effects = {"motif": list(EFFECTS), "effect": list(EFFECTS.values())}
    tables = (
        assemble(Table, Table.build(columns), {}, arguments=arguments, function=FUNCTION)
        for columns in (effects, _interactions())
    )
    return MotifSyntax(sequences, motifs, sites, *tables)


def _motifs(arguments: dict[str, object]) -> Dataset[MotifSet]:
    signs = np.sign([EFFECTS[name] for name in PATTERNS]).astype(np.int8)
    motifs = MotifSet.build(PATTERNS, alphabet="DNA", sign=signs)
    return assemble(MotifSet, motifs, {}, arguments=arguments, function=FUNCTION)


def _interactions() -> dict[str, list[Any]]:
    """Give the rule of every pair of motifs."""
    words = {1: "synergistic", -1: "antagonistic"}
    rows = []
    for pair in combinations(PATTERNS, 2):
        epistasis = EPISTASIS.get(pair, 0.0)
        alike = EFFECTS[pair[0]] * EFFECTS[pair[1]] > 0
        word = words[int(np.sign(epistasis))] if epistasis else "additive" if alike else "opposed"
        rows.append((*pair, epistasis, FARTHEST.get(pair, -1), word))
    names = ("motif_a", "motif_b", "epistasis", "max_distance", "interaction")
    columns = zip(*rows, strict=True)
    return dict(zip(names, map(list, columns), strict=True))


def _plant(
    codes: Codes,
    probabilities: list[NDArray[np.float64]],
    share: float,
    rng: np.random.Generator,
) -> None:
    """Write each motif into a share of the sequences, where none is yet."""
    n, length = codes.shape
    widths = np.array([len(motif) for motif in probabilities])
    planted = rng.random((n, len(widths))) < share
    # Motifs stand in a random order; those that are not planted come last and take no room.
    order = np.argsort(np.where(planted, rng.random(planted.shape), 2.0), axis=1)
    taken = np.where(planted, widths, 0)
    in_order = np.take_along_axis(taken, order, axis=1)
    free = length - in_order.sum(axis=1, keepdims=True)
    gaps = np.sort(rng.integers(0, free + 1, planted.shape), axis=1)
    starts = np.empty_like(gaps)
    np.put_along_axis(starts, order, gaps + np.cumsum(in_order, axis=1) - in_order, axis=1)
    for place, motif in enumerate(probabilities):
        rows = np.flatnonzero(planted[:, place])
        for column, letters in enumerate(motif):
            drawn = rng.choice(4, size=len(rows), p=letters / letters.sum())
            codes[rows, starts[rows, place] + column] = drawn


def find_sites(codes: Codes, probabilities: list[NDArray[np.float64]]) -> Sites:
    """Find every place where all letters are letters of a motif.

    Parameters
    ----------
    codes
        (sequence, position) uint8.
    probabilities
        (motif_position, letter) of each motif.
    """
    found = []
    for place, motif in enumerate(probabilities):
        last = codes.shape[1] - len(motif) + 1
        matches = np.ones((len(codes), last), dtype=bool)
        for column, letters in enumerate(motif > 0):
            matches &= letters[codes[:, column : column + last]]
        sequence, start = np.nonzero(matches)
        found.append((sequence, start, np.full(len(start), place)))
    sequence, start, motif_index = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((motif_index, start, sequence))
    return Sites(sequence[order], start[order], motif_index[order])


def values_of_sites(sites: Sites, widths: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Give the value of each sequence without noise."""
    names = list(PATTERNS)
    effects = np.array([EFFECTS[name] for name in names])
    values = np.zeros(n)
    values += np.bincount(sites.sequence, weights=effects[sites.motif], minlength=n)
    for pair, epistasis in EPISTASIS.items():
        a, b = (np.flatnonzero(sites.motif == names.index(name)) for name in pair)
        # Every site of the one motif with every site of the other in its sequence.
        first = np.searchsorted(sites.sequence[b], sites.sequence[a], side="left")
        many = np.searchsorted(sites.sequence[b], sites.sequence[a], side="right") - first
        a = np.repeat(a, many)
        b = b[np.arange(len(a)) + np.repeat(first - np.r_[0, np.cumsum(many)[:-1]], many)]
        starts_a, starts_b = sites.start[a], sites.start[b]
        ends_a, ends_b = starts_a + widths[sites.motif[a]], starts_b + widths[sites.motif[b]]
        between = np.maximum(starts_b - ends_a, starts_a - ends_b)
        acting = (between >= 0) & (between <= FARTHEST[pair]) if pair in FARTHEST else between >= 0
        values += epistasis * np.bincount(sites.sequence[a[acting]], minlength=n)
    return values
