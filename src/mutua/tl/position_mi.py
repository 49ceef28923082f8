"""Which positions of a sequence set depend on each other."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import xarray as xr

from mutua import stats
from mutua.errors import InvalidInput
from mutua.kernels import position_mi as kernels
from mutua.kernels.devices import asked_device
from mutua.kernels.position_divergence import position_divergence
from mutua.kernels.position_null import PositionNull, position_null
from mutua.models import Dataset, PositionMI, SequenceSet, as_kind, checked
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.position_mi import CORRECTIONS, MEASURES
from mutua.tl._counting import (
    SequenceBlocks,
    saying_sequences,
    sequence_blocks,
    sequence_weights,
)
from mutua.tl._pairs import PAIR, kmer_positions, symmetric_squares
from mutua.tl._position_workers import counted_on_workers

__all__ = ["position_mi"]

_SHUFFLES = 100
_LABELS = {name: spec.description for name, spec in PositionMI.specs().items()}


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
    device: str | None = None,
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
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; by default the setting. Both give the same bits.
        Measures other than ``"mi"`` are always computed on the CPU.

    Returns
    -------
    PositionMI
        Square over the positions where k-mers start, numbered as the sequences' ``position`` or,
        where all are of one genomic region, by its coordinates; NaN where k-mers overlap or no
        sequence has both. With permutations also ``mi_null`` (their mean), ``p_value``
        (one-sided; from a gamma tail where fewer than 10 permutations would reach the value),
        ``q_value`` (Benjamini-Hochberg over all pairs) and ``p_familywise`` (maximum over all
        pairs). p-values are of MI, with ``correction="apc"`` of the corrected MI.

    Raises
    ------
    InvalidInput
        For sequences shorter than 2k, k > 1 where positions are left out or out of order (as
        their coordinate tells), no known letters, a negative pseudocount, Miller-Madow with a
        pseudocount, or permutations of a measure other than MI.
    MemoryLimit
        If k is so large that counts do not fit; says what would.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Notes
    -----
    A pseudocount mixes the observed k-mers with uniform ones, and a mixture is dependent by
    itself: positions with few frequent k-mers then have mutual information even if they are
    independent. It is the same in the permutations, so look at ``mi_null`` or a p-value before
    reading a map as dependency. Without a pseudocount the bias is about
    (K - 1)^2 / (2 N ln 2) bits for K k-mers; ``correction="shuffle"`` takes either away.

    Permutations treat sequences as independent. Related ones (an alignment of a family) are not,
    and weights do not make them so: their p-values are too small and the shuffle correction takes
    off too little. With weights and permutations a warning says so.

    With a client of `dask.distributed` open, a set in chunks is counted by its workers, each of
    which needs `settings.memory` and the chunks that it looks at, unless this process has a GPU
    to use.

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
    [3, 12]
    """
    k = whole_number("k", k, low=1)
    pseudocount = number("pseudocount", pseudocount, low=0)
    one_of("measure", measure, MEASURES)
    one_of("correction", correction, CORRECTIONS)
    one_of("gap", gap, ["drop", "symbol"])
    asked_device(device)
    seed = whole_number("seed", seed, low=0)
    n_permutations = _permutations(n_permutations, measure, correction, normalize)
    if correction == "miller_madow" and pseudocount != 0:
        raise InvalidInput(
            "correction",
            f"'miller_madow' with pseudocount={pseudocount:g}",
            "use pseudocount=0: the term is the bias of the estimate without a pseudocount and "
            "would take off many times what there is",
        )
    blocks, size = sequence_blocks(sequences, gap, k)
    counting: dict[str, Any] = {
        "k": k,
        "alphabet_size": size,
        "pseudocount": pseudocount,
        "weights": sequence_weights(sequences, weighted),
    }
    if n_permutations and counting["weights"] is not None:
        warnings.warn(
            "permutations treat sequences as independent, which those that need weights are not: "
            "p-values are too small, and leaving the weights out does not mend them. Keep one "
            "sequence of each cluster, or rank pairs by correction='apc' without p-values",
            UserWarning,
            stacklevel=3,
        )
    with saying_sequences():
        if measure == "mi":
            blocks = counted_on_workers(
                blocks, k, size, weighted=counting["weights"] is not None, device=device
            )
            counting["device"] = device
            values = _mi_values(blocks, counting, correction, normalize, n_permutations, seed)
        else:
            values = {"mi": position_divergence(blocks, measure=measure, **counting)}
    n_tests = int(np.triu(~np.isnan(values["mi"])).sum()) if n_permutations else 0
    in_bits = {"mi", "mi_corrected", "mi_null"} if measure == "mi" else set()
    if normalize and correction == "apc":  # then the average product is of normalized values
        in_bits -= {"mi_corrected", "mi_null"}
    result = xr.Dataset(
        {
            name: (
                PAIR,
                matrix,
                {"long_name": _LABELS[name]} | ({"units": "bits"} if name in in_bits else {}),
            )
            for name, matrix in values.items()
        },
        coords=kmer_positions(sequences, k),
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


def _mi_values(
    blocks: SequenceBlocks,
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
        skewness=null.skewness[upper],
        lowest=null.lowest[upper],
    )
    found = {
        "p_value": p,
        "q_value": stats.benjamini_hochberg(p),
        "p_familywise": stats.familywise_p(null.observed[upper], null.maxima),
    }
    return symmetric_squares(len(null.observed), found)


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
