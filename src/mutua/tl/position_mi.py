"""Which positions of a sequence set depend on each other."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from mutua import stats
from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels import position_mi as kernels
from mutua.kernels.position_divergence import position_divergence
from mutua.kernels.position_null import PositionNull, position_null
from mutua.kernels.sequence_blocks import BLOCK
from mutua.models import Dataset, DistanceMI, KmerPairs, PositionMI, SequenceSet, as_kind, checked
from mutua.models.alphabets import UNKNOWN, unknown_symbol
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import (
    CODES,
    DISTANCE,
    KMER_I,
    KMER_J,
    POSITION,
    POSITION_I,
    POSITION_J,
    WEIGHT,
)
from mutua.models.position_mi import CORRECTIONS, MEASURES
from mutua.settings import settings

__all__ = ["explain_pair", "mi_by_distance", "position_mi"]

_PAIR = (POSITION_I, POSITION_J)
_SHUFFLES = 100
_BITS = ("mi", "mi_corrected", "mi_null")
_LABELS = {name: spec.description for name, spec in PositionMI.specs().items()}


@dataclass(frozen=True)
class _Blocks:
    """The codes of a sequence set block by block, whatever they are chunked like."""

    codes: xr.DataArray
    gap_code: int | None
    block_size: int = BLOCK

    @property
    def n_sequences(self) -> int:
        return int(self.codes.shape[0])

    @property
    def n_positions(self) -> int:
        return int(self.codes.shape[1])

    def block(self, number: int) -> np.ndarray:
        """Give one block, unknown letters turned into the gap letter where that is asked for."""
        start = number * self.block_size
        values = np.asarray(self.codes.variable[start : start + self.block_size].values)
        if self.gap_code is None:
            return values
        return np.where(values == UNKNOWN, np.uint8(self.gap_code), values)


@checked
def position_mi(
    sequences: Dataset[SequenceSet],
    *,
    k: int = 3,
    pseudocount: float = 5.0,
    measure: str = "mi",
    correction: str = "none",
    normalize: bool = False,
    n_permutations: int | None = None,
    weighted: bool | None = None,
    gap: str = "drop",
    seed: int = 0,
) -> Dataset[PositionMI]:
    r"""Give the dependency between the k-mers at every two positions.

    With counts :math:`n_{ij}(x, y)` of the k-mers x at position i and y at position j, N
    sequences, an alphabet of a letters and :math:`\gamma` = pseudocount * N,

    .. math:: P_{ij}(x, y) = \frac{\gamma / a^{2k} + n_{ij}(x, y)}{N + \gamma}, \qquad
              MI_{ij} = \sum_{x, y} P_{ij} \log_2 \frac{P_{ij}}{P_i P_j}

    in bits, for all pairs whose k-mers do not overlap.

    Parameters
    ----------
    sequences
        (sequence, position), in memory, dask-backed or lazily opened: the same bits come out.
    k
        Length of the k-mers.
    pseudocount
        Pseudocount as a multiple of the number of sequences; 0 for none. The default of 5 keeps
        the bias of the estimate small for k = 3. For protein alignments (k = 1) use 0 to 0.1.
    measure
        ``"mi"``; or a distance between the k-mer distributions of the two positions:
        ``"jensen_shannon"`` (square root of the divergence in bits), ``"hellinger"``,
        ``"bhattacharyya"``, and ``"inverse_jensen_shannon"``, ``"inverse_bhattacharyya"``.
    correction
        What is subtracted to give ``mi_corrected``: ``"none"``; ``"miller_madow"``, the bias of
        the estimate without a pseudocount, which therefore needs ``pseudocount=0``;
        ``"shuffle"``, the mean over permutations; ``"apc"``, the average product of the two
        positions' means, which stands for conservation and phylogeny in alignments.
    normalize
        Also give ``mi_normalized``, MI divided by the joint entropy; APC is then of that.
    n_permutations
        Permutations of the sequences within each position's k-mer column, for p-values; by
        default none, or 100 for ``correction="shuffle"``. Which sequences have a known k-mer at a
        position is kept. Sets larger than 262,144 sequences are permuted within blocks of that
        size.
    weighted
        Let sequences count by their ``weight``; by default if they have one.
    gap
        Unknown letters: ``"drop"`` leaves a sequence out of the pairs that it concerns (pairwise
        deletion), ``"symbol"`` makes them one more letter. Padding is always left out.
    seed
        Seed of the permutations.

    Returns
    -------
    PositionMI
        Square over the positions where k-mers start; NaN where they overlap or no sequence has
        both. With permutations also ``mi_null`` (their mean), ``p_value`` (one-sided; from a
        gamma tail where fewer than 10 permutations would reach the value), ``q_value``
        (Benjamini-Hochberg over all pairs) and ``p_familywise`` (maximum over all pairs).
        p-values are of MI, with ``correction="apc"`` of the corrected MI.

    Raises
    ------
    InvalidInput
        For sequences shorter than 2k, no known letters, a negative pseudocount, Miller-Madow
        with a pseudocount, or permutations of a measure other than MI.
    MemoryLimit
        If k is so large that counts do not fit; says what would.

    References
    ----------
    Hartonen et al., PlotMI: visualization of pairwise interactions and positional preferences
    learned by a deep learning model from sequence data (2021). Dunn, Wahl and Gloor 2008,
    Bioinformatics 24:333 (APC).

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(2000, length=20, seed=0)
    >>> seqs = mt.pp.embed_motifs(seqs, ["GATA", "TTGC"], position=2, spacings=6, fraction=0.5)
    >>> mi = mt.tl.position_mi(seqs, k=3, n_permutations=20)
    >>> best = mi["mi"].where(mi["q_value"] < 0.05).argmax(...)
    >>> sorted(int(index) for index in best.values())
    [2, 12]
    """
    k = whole_number("k", k, low=1)
    pseudocount = number("pseudocount", pseudocount, low=0)
    one_of("measure", measure, MEASURES)
    one_of("correction", correction, CORRECTIONS)
    one_of("gap", gap, ["drop", "symbol"])
    seed = whole_number("seed", seed, low=0)
    n_permutations = _permutations(n_permutations, measure, correction, normalize)
    if correction == "miller_madow" and pseudocount != 0:
        raise InvalidInput(
            "correction",
            f"'miller_madow' with pseudocount={pseudocount:g}",
            "use pseudocount=0: the term is the bias of the estimate without a pseudocount and "
            "would take off many times what there is",
        )
    blocks, size = _blocks(sequences, gap)
    counting: dict[str, Any] = {
        "k": k,
        "alphabet_size": size,
        "pseudocount": pseudocount,
        "weights": _weights(sequences, weighted),
    }
    with _saying_sequences():
        if measure == "mi":
            values = _mi_values(blocks, counting, correction, normalize, n_permutations, seed)
        else:
            values = {"mi": position_divergence(blocks, measure=measure, **counting)}
    n_tests = int(np.triu(~np.isnan(values["mi"])).sum()) if n_permutations else 0
    unit = {"units": "bits"} if measure == "mi" else {}
    result = xr.Dataset(
        {
            name: (_PAIR, matrix, {"long_name": _LABELS[name], **(unit if name in _BITS else {})})
            for name, matrix in values.items()
        },
        coords=_coordinates(sequences, k),
        attrs={
            "k": k,
            "alphabet": sequences.attrs["alphabet"],
            "pseudocount": pseudocount,
            "n_sequences": blocks.n_sequences,
            "measure": measure,
            "correction": correction,
            "n_permutations": n_permutations,
            "n_tests": n_tests,
        },
    )
    return as_kind(PositionMI, result)


@contextlib.contextmanager
def _saying_sequences() -> Iterator[None]:
    """Let errors of the kernels name the argument that the caller knows."""
    try:
        yield
    except InvalidInput as error:
        names = {"codes": "sequences", "weights": "sequences['weight']"}
        if error.argument not in names:
            raise
        raise type(error)(names[error.argument], error.found, error.remedy) from error


def _mi_values(
    blocks: _Blocks,
    counting: dict[str, Any],
    correction: str,
    normalize: bool,
    n_permutations: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Give mutual information and what was asked for with it, each a square."""
    found = kernels.position_mi(blocks, **counting)
    values = {"mi": found.mi}
    corrected = found.mi
    if normalize:
        corrected = values["mi_normalized"] = kernels.normalized_mi(found.mi, found.entropy_joint)
    if correction == "miller_madow":
        values["mi_corrected"] = found.mi - kernels.miller_madow_bias(found)
    elif correction == "apc":
        values["mi_corrected"] = corrected - kernels.average_product(corrected)
    if n_permutations:
        apc = correction == "apc"
        null = position_null(
            blocks,
            n_permutations=n_permutations,
            apc=apc,
            normalize=normalize and apc,
            seed=seed,
            **counting,
        )
        values["mi_null"] = null.mean
        if correction == "shuffle":
            values["mi_corrected"] = found.mi - null.mean
        values |= _significance(null)
    known = found.weight[found.weight > 0]
    if known.min() < known.max():
        values["n_pair"] = found.weight.astype(np.float64)
    return values


def _significance(null: PositionNull) -> dict[str, np.ndarray]:
    """Give the p-values of each pair once above the diagonal, then as symmetric squares."""
    upper = np.triu_indices(len(null.observed), 1)
    p = stats.permutation_p(
        null.observed[upper],
        null.n_exceeding[upper],
        null.mean[upper],
        null.variance[upper],
        null.n_permutations,
        lowest=null.lowest[upper],
    )
    found = {
        "p_value": p,
        "q_value": stats.benjamini_hochberg(p),
        "p_familywise": stats.familywise_p(null.observed[upper], null.maxima),
    }
    squares = {}
    for name, pairs in found.items():
        square = np.full(null.observed.shape, np.nan)
        square[upper] = pairs
        square.T[upper] = pairs
        squares[name] = square
    return squares


def _coordinates(sequences: Dataset[SequenceSet], k: int) -> dict[str, Any]:
    """Give the positions where k-mers start, as the sequences number them."""
    n = sequences.sizes[POSITION] - k + 1
    if POSITION in sequences.coords:
        numbers = sequences[POSITION].values[:n]
        attrs = {key: sequences[POSITION].attrs.get(key) for key in ("long_name", "units")}
        attrs = {key: value for key, value in attrs.items() if value is not None}
        labels = {POSITION_I: attrs, POSITION_J: attrs}
    else:
        numbers = np.arange(n, dtype=np.int64)
        labels = {
            POSITION_I: {"long_name": "position of the first k-mer"},
            POSITION_J: {"long_name": "position of the second k-mer"},
        }
    return {dim: (dim, numbers, labels[dim]) for dim in _PAIR}


def _permutations(
    n_permutations: int | None, measure: str, correction: str, normalize: bool
) -> int:
    if n_permutations is None:
        n_permutations = _SHUFFLES if correction == "shuffle" else 0
    n_permutations = whole_number("n_permutations", n_permutations, low=0)
    if correction == "shuffle" and n_permutations == 0:
        raise InvalidInput("n_permutations", "0 with correction='shuffle'", "use at least 1")
    if measure != "mi":
        if correction != "none":
            raise InvalidInput("correction", f"{correction!r} of {measure!r}", "use measure='mi'")
        if n_permutations:
            raise InvalidInput(
                "n_permutations",
                f"{n_permutations} of {measure!r}, which compares single positions and does not "
                "change when their sequences are permuted",
                "use measure='mi'",
            )
        if normalize:
            raise InvalidInput("normalize", f"of {measure!r}", "use measure='mi'")
    return n_permutations


def _blocks(sequences: Dataset[SequenceSet], gap: str) -> tuple[_Blocks, int]:
    """Give the codes in blocks and the number of letters."""
    size = len(sequences.attrs["alphabet"])
    if gap == "symbol":
        return _Blocks(sequences[CODES], size), size + 1
    return _Blocks(sequences[CODES], None), size


def _weights(sequences: Dataset[SequenceSet], weighted: bool | None) -> np.ndarray | None:
    if weighted is None:
        weighted = WEIGHT in sequences
    if not isinstance(weighted, bool):
        raise InvalidInput("weighted", f"{weighted!r}", "use True, False or None")
    if not weighted:
        return None
    if WEIGHT not in sequences:
        raise InvalidInput(
            "weighted", "True, and the sequences have no weight", "run mutua.pp.sequence_weights"
        )
    return np.asarray(sequences[WEIGHT].values, dtype=np.float64)


@checked
def mi_by_distance(mi: Dataset[PositionMI], *, variable: str | None = None) -> Dataset[DistanceMI]:
    """Give mean and maximum of the dependency over all pairs of positions at each distance.

    Parameters
    ----------
    mi
        From `position_mi`.
    variable
        ``"mi"``, ``"mi_corrected"``, ``"mi_normalized"`` or ``"mi_null"``; by default corrected
        values where there are any.

    Returns
    -------
    DistanceMI
        For distances from k (adjacent k-mers) on, counted in positions; pairs without a value
        are left out.

    Raises
    ------
    InvalidInput
        If there is no such variable.

    Examples
    --------
    >>> import mutua as mt
    >>> mi = mt.tl.position_mi(mt.pp.random_sequences(100, length=8, seed=0), k=2)
    >>> mt.tl.mi_by_distance(mi)["distance"].values
    array([2, 3, 4, 5, 6])
    """
    there = [n for n in ("mi_corrected", "mi", "mi_normalized", "mi_null") if n in mi]
    chosen = there[0] if variable is None else one_of("variable", variable, there)
    values = mi[chosen].values
    k, n = mi.attrs["k"], values.shape[0]
    distances = np.arange(k, n)
    means, highest, counts = [], [], []
    for distance in distances:
        known = np.diagonal(values, offset=distance)
        known = known[~np.isnan(known)]
        means.append(known.mean() if len(known) else np.nan)
        highest.append(known.max() if len(known) else np.nan)
        counts.append(len(known))
    unit = {key: mi[chosen].attrs[key] for key in ("units",) if key in mi[chosen].attrs}
    result = xr.Dataset(
        {
            "mi_mean": (DISTANCE, np.array(means, dtype=float), {"long_name": "mean", **unit}),
            "mi_max": (DISTANCE, np.array(highest, dtype=float), {"long_name": "maximum", **unit}),
            "n_pairs": (DISTANCE, np.array(counts, dtype=np.int64), {"long_name": "pairs"}),
        },
        coords={
            DISTANCE: (
                DISTANCE,
                distances.astype(np.int64),
                {"long_name": "distance between k-mer starts", "units": "positions"},
            )
        },
        attrs={"k": k, "measure": mi.attrs["measure"]},
    )
    return as_kind(DistanceMI, result)


@checked
def explain_pair(
    sequences: Dataset[SequenceSet],
    position_i: int,
    position_j: int,
    *,
    k: int = 3,
    pseudocount: float = 5.0,
    weighted: bool | None = None,
    gap: str = "drop",
) -> Dataset[KmerPairs]:
    """Give the k-mers that make the dependency between two positions.

    Parameters
    ----------
    sequences
        The set that `position_mi` was computed from.
    position_i, position_j
        Positions of the two k-mers, as the axes of `position_mi` show them (in the coordinate
        ``position`` of the sequences where they have one). The k-mers must not overlap.
    k, pseudocount, weighted, gap
        As for `position_mi`.

    Returns
    -------
    KmerPairs
        ``observed`` and ``expected`` sequences for each pair of k-mers, the expected number being
        that of independent positions; and ``contribution`` in bits, the terms whose sum is the
        mutual information.

    Raises
    ------
    InvalidInput
        If a position is not there or the k-mers overlap.
    MemoryLimit
        If the table would not fit into memory.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["AC", "AC", "GT", "GT"])
    >>> pairs = mt.tl.explain_pair(seqs, 0, 1, k=1, pseudocount=0)
    >>> pairs["observed"].sel(kmer_i="A", kmer_j="C").item()
    2.0
    >>> pairs["contribution"].sum().item()
    1.0
    """
    k = whole_number("k", k, low=1)
    pseudocount = number("pseudocount", pseudocount, low=0)
    one_of("gap", gap, ["drop", "symbol"])
    blocks, size = _blocks(sequences, gap)
    bytes_needed = 5 * 8 * size ** (2 * k)
    if bytes_needed > max(settings.memory, 2**26):
        fits = next((x for x in range(k - 1, 0, -1) if 40 * size ** (2 * x) <= settings.memory), 1)
        raise MemoryLimit(
            "k",
            f"{k} makes a table of {size**k:,} x {size**k:,} k-mers ({bytes_needed / 1e9:.1f} GB)",
            f"use k <= {fits}, or raise mutua.settings.memory",
        )
    i = _index_of(sequences, "position_i", position_i)
    j = _index_of(sequences, "position_j", position_j)
    n_positions = blocks.n_positions - k + 1
    if not (0 <= i < n_positions and 0 <= j < n_positions) or abs(i - j) < k:
        raise InvalidInput(
            "position_i, position_j",
            f"{position_i} and {position_j} with k = {k} in sequences of {blocks.n_positions}",
            f"use positions at least {k} apart whose k-mers fit",
        )
    with _saying_sequences():
        counts = kernels.pair_kmer_counts(
            blocks,
            min(i, j),
            max(i, j),
            k=k,
            alphabet_size=size,
            weights=_weights(sequences, weighted),
        )
    observed = counts if i < j else counts.T
    total = observed.sum()
    if total == 0:
        raise InvalidInput("sequences", "none has both k-mers known", "use other positions")
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / total
    joint = (observed + pseudocount * total / observed.size) / (total * (1 + pseudocount))
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        contribution = np.where(joint > 0, joint * np.log2(joint / independent), 0.0)
    letters = sequences.attrs["alphabet"]
    letters += unknown_symbol(letters) if gap == "symbol" else ""
    kmers = ["".join(word) for word in itertools.product(letters, repeat=k)]
    result = xr.Dataset(
        {
            "observed": ((KMER_I, KMER_J), observed),
            "expected": ((KMER_I, KMER_J), expected),
            "contribution": ((KMER_I, KMER_J), contribution),
        },
        coords={KMER_I: kmers, KMER_J: kmers},
        attrs={
            "position_i": int(position_i),
            "position_j": int(position_j),
            "k": k,
            "pseudocount": pseudocount,
        },
    )
    return as_kind(KmerPairs, result)


def _index_of(sequences: Dataset[SequenceSet], argument: str, position: int) -> int:
    """Give the index of a position that is named by its coordinate."""
    position = whole_number(argument, position)
    if POSITION not in sequences.coords:
        return position
    found = np.flatnonzero(sequences[POSITION].values == position)
    if len(found) == 0:
        values = sequences[POSITION].values
        raise InvalidInput(
            argument, f"{position}", f"positions go from {values[0]} to {values[-1]}"
        )
    return int(found[0])
