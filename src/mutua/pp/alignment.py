"""Align sequences on a motif."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels import patterns
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.alphabets import PADDING
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import CODES, LENGTH, POSITION, SEQUENCE, TRACK, TRACKS
from mutua.pp._parts import (
    CHROM,
    END,
    MOTIF,
    START,
    STRAND,
    along,
    codes_variable,
    complement,
    end_padding,
    opposite,
)
from mutua.pp.motif_sets import matrices_by_id
from mutua.pp.motifs import Motif, letter_masks, letter_probabilities

__all__ = ["align_on"]

_PSEUDOCOUNT = 1e-4
_BLOCK = 1 << 20


@checked
def align_on(
    sequences: Dataset[SequenceSet],
    motif: Motif | xr.Dataset,
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
        (sequence, position); a lazy set is computed.
    motif
        A consensus with IUPAC symbols, or a probability matrix (letter, motif_position) or a
        `MotifSet` of one motif, scored as log2-odds against equal letter frequencies.
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
        relative to the first letter of the motif. Predictions and weights, made for the whole
        sequences, stay with them as names and other variables along ``sequence`` do. ``start``,
        ``end`` and ``strand`` become those of the window (start and end go if they were not those
        of the letters); ``tracks`` are cut and turned likewise, 0 where padded; ``length`` is that
        of the window, if there is padding. Other variables along ``position`` and the places of
        embedded motifs are dropped.

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
    >>> aligned["position"].values
    array([-1,  0,  1,  2,  3,  4])
    """
    upstream = whole_number("upstream", upstream, low=0)
    downstream = whole_number("downstream", downstream, low=1)
    one_of("occurrence", occurrence, ["best", "first"])
    for argument, value in (("both_strands", both_strands), ("pad", pad)):
        if not isinstance(value, bool):
            raise InvalidInput(argument, f"{value!r}", "use True or False")
    alphabet = sequences.attrs["alphabet"]
    if isinstance(motif, xr.Dataset):
        motif = _only(motif, alphabet)
    weights, least = _scored(motif, alphabet, threshold)
    partner = complement(alphabet, "both_strands") if both_strands else None
    width = weights.shape[-1]
    if width > downstream:
        raise InvalidInput("downstream", f"{downstream}", f"keep the motif: at least {width}")
    codes = np.ascontiguousarray(sequences[CODES].values)
    find = patterns.best_hit if occurrence == "best" else patterns.first_hit
    hits = find(codes, weights, threshold=least, complement=partner)
    found = _windows(codes, hits, width, upstream, downstream)
    has_motif = hits.position >= 0
    kept = np.flatnonzero(has_motif & (found.fits | pad))
    if len(kept) == 0:
        n_found = int(has_motif.sum())
        room = ", none of them with room for the window" if n_found else ""
        raise InvalidInput(
            "motif",
            f"{n_found} of {len(codes)} sequences have it{room}",
            "use pad=True or a shorter window" if n_found else "check it, or lower the threshold",
        )
    windows = _Windows(*(part[kept] for part in found))
    cut = _cut(codes[kept], windows, upstream, downstream, PADDING)
    if partner is not None:
        table = np.arange(256, dtype=np.uint8)
        table[: len(partner)] = partner
        cut[windows.turned] = table[cut[windows.turned]]

    chosen = sequences.isel({SEQUENCE: kept})
    stale = along(chosen, POSITION, MOTIF)
    result: xr.Dataset = chosen.drop_vars([*stale, LENGTH], errors="ignore")
    result = result.assign({CODES: codes_variable(sequences, cut)})
    if TRACKS in chosen:
        tracks = _cut(chosen[TRACKS].values, windows, upstream, downstream, 0)
        dims = (SEQUENCE, TRACK, POSITION)
        result = result.assign({TRACKS: (dims, tracks, chosen[TRACKS].attrs)})
    if LENGTH in chosen or not windows.fits.all():
        n_letters = (windows.stop - windows.start).astype(np.int32)
        result = result.assign({LENGTH: ((SEQUENCE,), n_letters)})
    where = {"long_name": "position relative to the motif", "units": "nt"}
    relative = xr.Variable((POSITION,), np.arange(-upstream, downstream), where)
    result = _moved_regions(result, windows).assign_coords({POSITION: relative})
    return as_kind(SequenceSet, result)


class _Windows(NamedTuple):
    """Windows around the motif, in columns of the sequence as it is read then.

    Attributes
    ----------
    turned
        Whether the sequence is turned around.
    anchor
        Where the motif begins.
    first, last
        Between which columns the sequence has letters.
    start, stop
        The letters that are left of it.
    fits
        Whether the whole window is letters.
    """

    turned: np.ndarray
    anchor: np.ndarray
    first: np.ndarray
    last: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    fits: np.ndarray


def _windows(
    codes: np.ndarray, hits: patterns.BestHits, width: int, upstream: int, downstream: int
) -> _Windows:
    """Give the window of every sequence; without meaning where there is no hit."""
    length = codes.shape[1]
    turned = hits.strand == -1
    anchor = np.where(turned, length - hits.position - width, hits.position)
    left, right = end_padding(codes)
    first = np.where(turned, right, left)
    last = length - np.where(turned, left, right)
    start = np.maximum(anchor - upstream, first)
    stop = np.minimum(anchor + downstream, last)
    fits = (anchor - upstream >= first) & (anchor + downstream <= last)
    return _Windows(turned, anchor, first, last, start, stop, fits)


def _cut(
    values: np.ndarray, windows: _Windows, upstream: int, downstream: int, fill: int
) -> np.ndarray:
    """Cut windows out of what lies along the last axis, turned around where they are.

    Parameters
    ----------
    values
        (sequence, ..., position).
    fill
        What stands where there is no letter.
    """
    offsets = np.arange(-upstream, downstream)
    out = np.full((*values.shape[:-1], len(offsets)), fill, dtype=values.dtype)
    # Block by block: the columns of a window take eight times the memory of its letters.
    step = max(1, _BLOCK // max(1, values[:1].size))
    for first in range(0, len(values), step):
        rows = slice(first, first + step)
        part = _Windows(*(array[rows] for array in windows))
        block = values[rows].copy()
        block[part.turned] = block[part.turned][..., ::-1]
        columns = part.anchor[:, None] + offsets
        inside = (columns >= part.start[:, None]) & (columns < part.stop[:, None])
        columns = np.clip(columns, 0, values.shape[-1] - 1)
        shape = (len(block), *(1,) * (values.ndim - 2), len(offsets))
        taken = np.take_along_axis(block, columns.reshape(shape), axis=-1)
        np.copyto(out[rows], taken, where=inside.reshape(shape))
    return out


def _moved_regions(sequences: xr.Dataset, windows: _Windows) -> xr.Dataset:
    """Bring the genomic place of sequences up to date with the window that is left of them."""
    moved: dict[str, xr.Variable] = {}
    strand = sequences[STRAND].values if STRAND in sequences.coords else None
    if windows.turned.any() and (strand is not None or CHROM in sequences.coords):
        if strand is None:
            strand = np.full(len(windows.turned), "+", dtype=np.dtypes.StringDType())
        strand = np.where(windows.turned, opposite(strand), strand)
        moved[STRAND] = xr.Variable((SEQUENCE,), strand)
    if START in sequences.coords and END in sequences.coords:
        start, stop = sequences[START].values, sequences[END].values
        if (stop - start == windows.last - windows.first).all():
            before, after = windows.start - windows.first, windows.last - windows.stop
            minus = np.zeros(len(start), bool) if strand is None else strand == "-"
            start = start + np.where(minus, after, before)
            stop = stop - np.where(minus, before, after)
            moved[START] = xr.Variable((SEQUENCE,), start, sequences[START].attrs)
            moved[END] = xr.Variable((SEQUENCE,), stop, sequences[END].attrs)
            return sequences.assign_coords(moved)
    kept = sequences.drop_vars([START, END], errors="ignore")
    return kept.assign_coords(moved)


def _only(motifs: xr.Dataset, alphabet: str) -> np.ndarray:
    """Give the matrix of a motif set of one motif."""
    matrices = matrices_by_id(motifs, alphabet, argument="motif", function="pp.align_on")
    if len(matrices) != 1:
        found = f"a set of {len(matrices)} motifs"
        raise InvalidInput("motif", found, "choose one: motifs.sel(motif=['...'])")
    return next(iter(matrices.values()))


def _scored(motif: Motif, alphabet: str, threshold: float | None) -> tuple[np.ndarray, float]:
    """Give what the search kernels take: letter masks, or log2-odds and their threshold."""
    if isinstance(motif, str):
        if threshold is not None:
            raise InvalidInput("threshold", f"{threshold}", "a consensus either matches or not")
        return letter_masks(motif, alphabet, "motif"), 0.0
    matrix = letter_probabilities(motif, alphabet, "motif", "motif")
    size = len(alphabet)
    odds = np.log2((matrix + _PSEUDOCOUNT) / (1 + size * _PSEUDOCOUNT) * size)
    if threshold is None:
        return odds, float(odds.max(axis=0).sum()) / 2
    return odds, number("threshold", threshold)
