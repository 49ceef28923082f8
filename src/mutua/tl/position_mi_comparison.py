"""Where two sets of sequences differ in which positions depend on each other."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

from mutua import stats
from mutua.errors import InvalidInput
from mutua.kernels.devices import asked_device
from mutua.kernels.label_permutation import LabelNull, label_permutation
from mutua.kernels.pooled_sequences import PooledSets
from mutua.kernels.sequence_blocks import BlockSource, PositionTask
from mutua.models import Dataset, PositionMIDifference, SequenceSet, as_kind, checked
from mutua.models.alphabets import alphabet_name
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import CODES, POSITION, SEQUENCE, SEQUENCE_ID, WEIGHT
from mutua.models.position_mi_difference import DIFFERENCE_CORRECTIONS
from mutua.tl._counting import (
    position_numbers,
    saying_sequences,
    sequence_blocks,
    sequence_weights,
)
from mutua.tl._pairs import PAIR, kmer_positions, symmetric_squares

__all__ = ["compare_position_mi"]

_SHUFFLES = 100
_COMPARED = 1000  # sequences of one name whose letters are looked at
_SPECS = PositionMIDifference.specs()


@checked
def compare_position_mi(
    sequences_a: Dataset[SequenceSet],
    sequences_b: Dataset[SequenceSet],
    *,
    k: int = 3,
    pseudocount: float = 0.0,
    correction: str = "shuffle",
    n_permutations: int = 1000,
    weighted: bool | None = None,
    gap: str = "drop",
    names: Sequence[str] = ("a", "b"),
    seed: int = 0,
    device: str | None = None,
) -> Dataset[PositionMIDifference]:
    """Give the difference between two sequence sets in the dependency of every two positions.

    The mutual information of a (see `position_mi`) less that of b, with p-values from sets of the
    same sizes to which all sequences are dealt anew.

    Parameters
    ----------
    sequences_a, sequences_b
        (sequence, position), over one alphabet and the same positions; in memory, dask-backed or
        lazily opened: the same bits come out. The sets may differ in size; no sequence should
        stand in both.
    k
        Length of the k-mers.
    pseudocount
        Pseudocount as a multiple of the number of sequences; 0, the default, for none. A
        pseudocount makes the composition of a position look like dependency, and so a difference
        of composition like one of dependency.
    correction
        What ``difference_null`` allows for: ``"shuffle"``, that the sets differ in size and in
        composition; ``"none"``, in size only.
    n_permutations
        Permutations of the labels; 0 for the difference alone, without p-values.
    weighted
        Let sequences count by their ``weight``; by default if those of both sets have one. A
        weight stays with its sequence in the permutations.
    gap
        Unknown letters, as for `position_mi`.
    names
        What to call the two sets in plots.
    seed
        Seed of the permutations.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; by default the setting. Both give the same bits.

    Returns
    -------
    PositionMIDifference
        Square over the positions where k-mers start, numbered as for `position_mi`; ``mi_a``,
        ``mi_b`` and ``difference``, their difference. With permutations also
        ``difference_null``, the difference to expect of sets that are alike but for what
        `correction` says; ``difference_corrected``, the difference less that; and of it
        ``p_value`` (two-sided; from a fitted tail where fewer than 10 permutations would go as
        far), ``q_value`` (Benjamini-Hochberg over all pairs) and ``p_familywise`` (from the
        maximum over all pairs, each in units of its own spread).

    Raises
    ------
    InvalidInput
        For sets over different alphabets or positions, of fewer than two sequences, or of which
        one only has weights; for two equal names; and as `position_mi`.
    MemoryLimit
        If k is so large that counts do not fit; says what would.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Warns
    -----
    UserWarning
        If sequences stand in both sets (the same ``sequence_id`` and letters): their copies are
        dealt as if they were two, so that p-values are too large. Or for weights, as
        `position_mi`.

    Notes
    -----
    The mutual information of independent positions is not 0 but a bias, larger in the smaller
    set. The mean over permuted labels is the bias of sets of these sizes, and ``difference_null``
    with ``correction="none"``.

    The bias depends on composition too, and strongly so where there are not many more sequences
    than pairs of k-mers (a^2k: 4,096 for DNA 3-mers) or letters are rare. With
    ``correction="shuffle"`` the statistic is therefore the difference less that of shuffled
    columns, which have each position's k-mers but no dependency: of 100 shuffles for the two sets,
    of 3 for each pair of sets with permuted labels, so that the null holds what chance makes of
    composition as well. As fewer shuffles are less certain, p-values are somewhat too large (0.05
    is met by 2 to 3 % of the pairs under the null). For two sets of 1,000 sequences of
    independent letters, with 50 and 70 % GC, all pairs of 3-mers differ at a false discovery rate
    of 0.05 without this correction, and none with it. It takes about 8 times as long.

    The null is that the labels mean nothing at a pair of positions. Where the sets differ in
    composition at both of them, the pool of both is a mixture, in which the positions depend on
    each other by that alone. This widens the null: p-values are then too large, rather than too
    small.

    Mutual information is not a measure of the strength of a coupling alone: of two sets in which
    the same letters go together to the same extent, the one in which they are commoner has more.

    Permutations treat sequences as independent; related ones (an alignment of a family) are not.

    References
    ----------
    Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses. Westfall and Young 1993,
    Resampling-based Multiple Testing (maxima of standardized statistics).

    Examples
    --------
    >>> import mutua as mt
    >>> plain = mt.pp.random_sequences(900, length=12, seed=0)
    >>> linked = mt.pp.random_sequences(600, length=12, seed=1)
    >>> linked["codes"][:300, 7] = linked["codes"][:300, 2]
    >>> comparison = mt.tl.compare_position_mi(
    ...     linked, plain, k=1, n_permutations=100, names=("linked", "plain")
    ... )
    >>> found = comparison["difference"].where(comparison["q_value"] < 0.01)
    >>> bool(found.sel(position_i=2, position_j=7) > 0.1)
    True
    """
    k = whole_number("k", k, low=1)
    pseudocount = number("pseudocount", pseudocount, low=0)
    one_of("correction", correction, DIFFERENCE_CORRECTIONS)
    n_permutations = whole_number("n_permutations", n_permutations, low=0)
    one_of("gap", gap, ["drop", "symbol"])
    asked_device(device)
    seed = whole_number("seed", seed, low=0)
    name_a, name_b = _names(names)
    _refuse_unlike(sequences_a, sequences_b)
    sets = _sets(sequences_a, sequences_b, k, pseudocount, gap, weighted)
    if n_permutations:
        _warn_of_related(sets)
        _warn_of_shared(sequences_a, sequences_b)
    n_shuffles = _SHUFFLES if n_permutations and correction == "shuffle" else 0
    with saying_sequences("sequences_a, sequences_b"):
        null = label_permutation(
            sets,
            n_permutations=n_permutations,
            n_shuffles=n_shuffles,
            seed=seed,
            device=device,
        )
    values = {"mi_a": null.mi_a, "mi_b": null.mi_b, "difference": null.mi_a - null.mi_b}
    n_tests = 0
    if n_permutations:
        found = _significance(null)
        n_tests = int(np.triu(~np.isnan(found["p_value"])).sum())
        values |= found
    attributes = {
        "k": k,
        "alphabet": sequences_a.attrs["alphabet"],
        "pseudocount": pseudocount,
        "n_sequences_a": sets.a.n_sequences,
        "n_sequences_b": sets.b.n_sequences,
        "name_a": name_a,
        "name_b": name_b,
        "correction": correction if n_permutations else "none",
        "n_permutations": n_permutations,
        "n_tests": n_tests,
    }
    result = xr.Dataset(
        {name: (PAIR, matrix, _labels(name)) for name, matrix in values.items()},
        coords=kmer_positions(sequences_a, k),
        attrs=attributes,
    )
    return as_kind(PositionMIDifference, result)


def _labels(name: str) -> dict[str, str]:
    unit = {} if name in ("p_value", "q_value", "p_familywise") else {"units": "bits"}
    return {"long_name": _SPECS[name].description, **unit}


def _significance(null: LabelNull) -> dict[str, np.ndarray]:
    """Give what permutations say, for no pair that a permutation left without sequences."""
    expected = null.mean + null.independent
    corrected = null.observed - null.mean
    upper = np.triu_indices(len(null.observed), 1)
    observed = np.where(np.isnan(corrected), np.nan, null.observed)[upper]
    p = stats.two_sided_permutation_p(
        observed,
        null.n_above[upper],
        null.n_below[upper],
        null.mean[upper],
        null.variance[upper],
        null.n_permutations,
        skewness=null.skewness[upper],
    )
    familywise = stats.familywise_p(null.standardized[upper], null.maxima)
    found = {
        "p_value": p,
        "q_value": stats.benjamini_hochberg(p),
        "p_familywise": np.where(np.isnan(p), np.nan, familywise),
    }
    squares = symmetric_squares(len(null.observed), found)
    return {"difference_null": expected, "difference_corrected": corrected, **squares}


def _names(names: Sequence[str]) -> tuple[str, str]:
    given: list[str] = list(names) if isinstance(names, list | tuple) else []
    if len(given) != 2 or not all(isinstance(name, str) and name for name in given):
        raise InvalidInput("names", f"{names!r}", "give two names, as names=('a', 'b')")
    if given[0] == given[1]:
        raise InvalidInput("names", f"{given[0]!r} twice", "give the sets different names")
    return given[0], given[1]


def _refuse_unlike(a: Dataset[SequenceSet], b: Dataset[SequenceSet]) -> None:
    """Refuse sets whose letters or positions are not the same."""
    letters = [alphabet_name(part.attrs["alphabet"]) for part in (a, b)]
    if a.attrs["alphabet"] != b.attrs["alphabet"]:
        raise InvalidInput(
            "sequences_b",
            f"the alphabet {letters[1]!r}, and sequences_a have {letters[0]!r}",
            "use sequences over one alphabet",
        )
    lengths = [part.sizes[POSITION] for part in (a, b)]
    if lengths[0] != lengths[1]:
        raise InvalidInput(
            "sequences_b",
            f"sequences of {lengths[1]} positions, and sequences_a have {lengths[0]}",
            "choose the same positions of both, e.g. sequences.isel(position=slice(50))",
        )
    own, other = (_numbers(part) for part in (a, b))
    if not np.array_equal(own, other):
        i = int(np.flatnonzero(own != other)[0])
        raise InvalidInput(
            "sequences_b",
            f"number {other[i]} for position {i} in order, which sequences_a number {own[i]}",
            "choose the same positions of both, or number them alike with "
            "mutua.pp.number_positions",
        )


def _numbers(sequences: Dataset[SequenceSet]) -> np.ndarray:
    known = position_numbers(sequences)
    return np.arange(sequences.sizes[POSITION]) if known is None else known.values


def _sets(
    a: Dataset[SequenceSet],
    b: Dataset[SequenceSet],
    k: int,
    pseudocount: float,
    gap: str,
    weighted: bool | None,
) -> PooledSets:
    """Give both sets as the kernels take them, each checked by itself."""
    have = [WEIGHT in part for part in (a, b)]
    if weighted is None and have[0] != have[1]:
        with_weights, without = ("a", "b") if have[0] else ("b", "a")
        raise InvalidInput(
            "weighted",
            f"None, and sequences_{with_weights} have weights but sequences_{without} have none",
            "run mutua.pp.sequence_weights on both, or use weighted=False",
        )
    blocks: list[BlockSource] = []
    weights: list[np.ndarray | None] = []
    size = 0
    for argument, part in (("sequences_a", a), ("sequences_b", b)):
        with saying_sequences(argument):
            own, size = sequence_blocks(part, gap, k)
            own_weights = sequence_weights(part, weighted)
            PositionTask(own, k, size, pseudocount, own_weights)
        if own.n_sequences < 2:
            raise InvalidInput(argument, "one sequence", "give at least two in each set")
        blocks.append(own)
        weights.append(own_weights)
    return PooledSets(
        a=blocks[0],
        b=blocks[1],
        k=k,
        alphabet_size=size,
        pseudocount=pseudocount,
        weights_a=weights[0],
        weights_b=weights[1],
    )


def _warn_of_related(sets: PooledSets) -> None:
    if sets.weights_a is None:
        return
    warnings.warn(
        "permutations treat sequences as independent, which those that need weights are not: "
        "p-values are too small. Keep one sequence of each cluster",
        UserWarning,
        stacklevel=4,
    )


def _warn_of_shared(a: Dataset[SequenceSet], b: Dataset[SequenceSet]) -> None:
    """Warn of sequences with one name and the same letters in both sets."""
    if SEQUENCE_ID not in a.coords or SEQUENCE_ID not in b.coords:
        return
    ids = [np.asarray(part[SEQUENCE_ID].values).astype(object) for part in (a, b)]
    shared, *places = np.intersect1d(ids[0], ids[1], return_indices=True)
    letters = [
        part[CODES].isel({SEQUENCE: of_set[:_COMPARED]}).values
        for part, of_set in zip((a, b), places, strict=True)
    ]
    same = (letters[0] == letters[1]).all(axis=1)
    if same.any():
        warnings.warn(
            f"sequences stand in both sets, as {shared[same.argmax()]!r} does "
            f"({len(shared)} names are in both): p-values are too large. Leave them out of one",
            UserWarning,
            stacklevel=4,
        )
