"""Put motifs into sequences, and align sequences on a motif."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels import letters, patterns, random_sequences
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.alphabets import PADDING
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import CODES, LENGTH, POSITION, SEQUENCE
from mutua.pp.sequences import replaced_codes

__all__ = ["align_on", "embed_motifs"]

Motif = str | np.ndarray
_PSEUDOCOUNT = 1e-4


@checked
def embed_motifs(
    sequences: Dataset[SequenceSet],
    motifs: Motif | Sequence[Motif] | Mapping[str, Motif],
    *,
    position: int | str = "random",
    spacings: int | Sequence[int] | None = None,
    random_order: bool = False,
    fraction: float = 1.0,
    seed: int = 0,
) -> Dataset[SequenceSet]:
    """Write one or several motifs into sequences, over the letters that are there.

    Parameters
    ----------
    sequences
        (sequence, position).
    motifs
        A consensus (IUPAC symbols stand for any of their letters, drawn anew for each sequence),
        a probability matrix (letter, motif_position), or several of them, by name if a mapping.
    position
        Where the first motif begins, 0-based, the same in all sequences; ``"random"`` draws a
        place for each sequence from those where everything fits.
    spacings
        Letters between the end of one motif and the start of the next: one number for all gaps
        or one for each. By default every motif gets a random place of its own, without overlap.
    random_order
        Shuffle the order of the motifs in each sequence.
    fraction
        Fraction of the sequences, drawn at random, that get the motifs.
    seed
        Seed.

    Returns
    -------
    SequenceSet
        With the extra variable ``motif_start`` (sequence, motif), int64: where each motif begins,
        -1 in sequences without. Predictions are dropped.

    Raises
    ------
    InvalidInput
        If the motifs do not fit, a symbol is unknown, or a matrix is no distribution.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["AAAAAAAAAA"] * 2)
    >>> seqs = mt.pp.embed_motifs(seqs, ["CGC", "TT"], position=1, spacings=2)
    >>> mt.pp.to_strings(seqs)
    ['ACGCAATTAA', 'ACGCAATTAA']
    """
    alphabet = sequences.attrs["alphabet"]
    named = _named(motifs)
    matrices = [_probabilities(motif, alphabet, name) for name, motif in named.items()]
    widths = np.array([matrix.shape[1] for matrix in matrices])
    seed = whole_number("seed", seed, low=0)
    fraction = number("fraction", fraction, low=0, high=1)
    n, length = sequences[CODES].shape
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(n)[: round(fraction * n)])
    count = len(widths)
    order = np.tile(np.arange(count), (len(chosen), 1))
    if random_order:
        order = random.permuted(order, axis=1)
    gaps = _gaps(spacings, count, length - int(widths.sum()), position, len(chosen), random)
    starts = np.empty_like(order)
    at = gaps[:, 0].copy()
    for place in range(count):
        motif = order[:, place]
        starts[np.arange(len(chosen)), motif] = at
        at += widths[motif]
        if place + 1 < count:
            at += gaps[:, place + 1]
    if len(chosen) and (at > length).any():
        raise InvalidInput(
            "motifs", f"reach position {int(at.max())} in sequences of {length}", "use shorter ones"
        )
    codes = np.array(sequences[CODES].values, order="C")
    for number_, matrix in enumerate(matrices):
        drawn = random_sequences.sample_letters(matrix, len(chosen), seed=seed + 1 + number_)
        columns = starts[:, number_, None] + np.arange(matrix.shape[1])
        codes[chosen[:, None], columns] = drawn
    where = np.full((n, count), -1, dtype=np.int64)
    where[chosen] = starts
    result = replaced_codes(sequences, codes)
    attrs = {"long_name": "start of the motif, -1 for none", "units": "nt"}
    return as_kind(
        SequenceSet,
        result.assign(motif_start=((SEQUENCE, "motif"), where, attrs)).assign_coords(
            motif=list(named)
        ),
    )


def _named(motifs: Any) -> dict[str, Motif]:
    if isinstance(motifs, Mapping):
        named = {str(name): motif for name, motif in motifs.items()}
    elif isinstance(motifs, str) or getattr(motifs, "ndim", 0) == 2:
        named = {motifs if isinstance(motifs, str) else "motif0": motifs}
    elif isinstance(motifs, Sequence):
        labels = [m if isinstance(m, str) else f"motif{i}" for i, m in enumerate(motifs)]
        twice = {label for label in labels if labels.count(label) > 1}
        labels = [f"{x}_{i}" if x in twice else x for i, x in enumerate(labels)]
        named = dict(zip(labels, motifs, strict=True))
    else:
        raise InvalidInput("motifs", f"a {type(motifs).__name__}", "use strings or matrices")
    if not named:
        raise InvalidInput("motifs", "there are none", "give at least one")
    return named


def _probabilities(motif: Motif, alphabet: str, name: str) -> np.ndarray:
    """Give a motif as (letter, motif_position) probabilities."""
    if isinstance(motif, str):
        masks = patterns.pattern_masks(motif, alphabet)
        bits = (masks[None, :] >> np.arange(len(alphabet), dtype=np.uint64)[:, None]) & np.uint64(1)
        return bits / bits.sum(axis=0)
    matrix = np.asarray(motif, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != len(alphabet) or matrix.shape[1] == 0:
        raise InvalidInput(
            "motifs",
            f"{name!r} has shape {matrix.shape}",
            f"use ({len(alphabet)} letters, motif positions)",
        )
    sums = matrix.sum(axis=0)
    if not np.isfinite(matrix).all() or (matrix < 0).any() or (abs(sums - 1) > 1e-3).any():
        raise InvalidInput(
            "motifs", f"{name!r} has columns that do not sum to 1", "use probabilities, not counts"
        )
    return matrix / sums


def _gaps(
    spacings: int | Sequence[int] | None,
    count: int,
    spare: int,
    position: int | str,
    n: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Give the letters before each motif: (sequence, motif)."""
    if spare < 0:
        raise InvalidInput("motifs", f"are {-spare} letters too long", "use shorter ones")
    fixed_start = None
    if isinstance(position, str):
        one_of("position", position, ["random"])
    else:
        fixed_start = whole_number("position", position, low=0)
    gaps = np.zeros((n, count), dtype=np.int64)
    if spacings is None:
        # Each motif draws its own place among the spare letters; sorted, they cannot overlap.
        left = spare if fixed_start is None else spare - fixed_start
        bars = count if fixed_start is None else count - 1
        if left < 0:
            raise InvalidInput("position", f"{position} leaves no room", "use a smaller position")
        drawn = np.sort(random.integers(0, left + 1, size=(n, bars)), axis=1)
        steps = np.diff(drawn, axis=1, prepend=0)
        gaps[:, count - bars :] = steps
        if fixed_start is not None:
            gaps[:, 0] = fixed_start
        return gaps
    values = [spacings] * (count - 1) if isinstance(spacings, int | np.integer) else list(spacings)
    if len(values) != count - 1:
        raise InvalidInput("spacings", f"{len(values)} for {count} motifs", f"give {count - 1}")
    inner = [whole_number("spacings", value, low=0) for value in values]
    room = spare - sum(inner)
    if room < 0 or (fixed_start is not None and fixed_start > room):
        raise InvalidInput(
            "spacings", f"{inner} do not fit into the sequences", "use smaller spacings or position"
        )
    gaps[:, 1:] = inner
    gaps[:, 0] = random.integers(0, room + 1, size=n) if fixed_start is None else fixed_start
    return gaps


@checked
def align_on(
    sequences: Dataset[SequenceSet],
    motif: Motif,
    *,
    upstream: int,
    downstream: int,
    occurrence: str = "best",
    threshold: float | None = None,
    both_strands: bool = False,
    pad: bool = False,
) -> Dataset[SequenceSet]:
    """Cut the sequences anew so that a motif stands at the same position in all of them.

    Parameters
    ----------
    sequences
        (sequence, position).
    motif
        A consensus with IUPAC symbols, or a probability matrix (letter, motif_position), scored
        as log2-odds against equal letter frequencies.
    upstream, downstream
        Letters to keep before the motif's first letter and from it on (the motif included).
    occurrence
        ``"best"`` (highest score, leftmost of equals) or ``"first"`` (leftmost at or above the
        threshold).
    threshold
        Least log2-odds score of a matrix, in bits; by default half of its best possible score.
    both_strands
        Look on both strands and turn the sequence around where the motif is on the other one.
    pad
        Keep sequences whose window runs over an end, padded there; otherwise they are left out,
        as are those without the motif.

    Returns
    -------
    SequenceSet
        Fewer sequences, ``upstream + downstream`` positions, with the coordinate ``position``
        relative to the first letter of the motif. Predictions stay with their sequences.

    Raises
    ------
    InvalidInput
        If no sequence has the motif, or the window does not hold it.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["AAGATAAA", "CCCGATAC", "CCCCCCCC"])
    >>> aligned = mt.pp.align_on(seqs, "GATA", upstream=1, downstream=5)
    >>> mt.pp.to_strings(aligned)
    ['AGATAA', 'CGATAC']
    """
    upstream = whole_number("upstream", upstream, low=0)
    downstream = whole_number("downstream", downstream, low=1)
    one_of("occurrence", occurrence, ["best", "first"])
    alphabet = sequences.attrs["alphabet"]
    weights, least = _scored(motif, alphabet, threshold)
    partner = letters.complement_codes(alphabet) if both_strands else None
    find = patterns.best_hit if occurrence == "best" else patterns.first_hit
    codes = np.ascontiguousarray(sequences[CODES].values)
    hits = find(codes, weights, threshold=least, complement=partner)
    width = weights.shape[-1]
    if width > downstream:
        raise InvalidInput("downstream", f"{downstream}", f"keep the motif: at least {width}")
    length = codes.shape[1]
    forward = hits.strand != -1
    anchor = np.where(forward, hits.position, length - hits.position - width)
    fits = (anchor >= upstream) & (anchor + downstream <= length)
    kept = np.flatnonzero((hits.position >= 0) & (fits | pad))
    if len(kept) == 0:
        raise InvalidInput(
            "motif",
            f"{int((hits.position >= 0).sum())} of {len(codes)} sequences have it, none with room "
            "for the window",
            "use pad=True, a shorter window or a lower threshold",
        )
    oriented = codes[kept]
    turned = ~forward[kept]
    if partner is not None and turned.any():
        oriented[turned] = letters.reverse_complement(oriented[turned], partner)
    columns = anchor[kept, None] + np.arange(-upstream, downstream)
    inside = (columns >= 0) & (columns < length)
    window = np.take_along_axis(oriented, np.clip(columns, 0, length - 1), axis=1)
    window[~inside] = PADDING
    along = [str(name) for name, part in sequences.variables.items() if POSITION in part.dims]
    rest = sequences.isel({SEQUENCE: kept}).drop_vars([*along, LENGTH], errors="ignore")
    result = rest.assign({CODES: ((SEQUENCE, POSITION), window, sequences[CODES].attrs)})
    where = {"long_name": "position relative to the motif", "units": "nt"}
    relative = xr.Variable((POSITION,), np.arange(-upstream, downstream), where)
    return as_kind(SequenceSet, result.assign_coords({POSITION: relative}))


def _scored(motif: Motif, alphabet: str, threshold: float | None) -> tuple[np.ndarray, float]:
    """Give what the search kernels take: letter masks, or log2-odds and their threshold."""
    if isinstance(motif, str):
        if threshold is not None:
            raise InvalidInput("threshold", f"{threshold}", "a consensus either matches or not")
        return patterns.pattern_masks(motif, alphabet), 0.0
    matrix = _probabilities(motif, alphabet, "motif")
    size = len(alphabet)
    odds = np.log2((matrix + _PSEUDOCOUNT) / (1 + size * _PSEUDOCOUNT) * size)
    if threshold is None:
        return odds, float(odds.max(axis=0).sum()) / 2
    return odds, number("threshold", threshold)
