"""Where contribution matrices of motifs (CWMs) explain the attributions of sequences."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.cwm_hits import Atoms, CwmHits, cwm_hits, trimmed_atoms
from mutua.kernels.letters import complement_codes, is_nucleotide
from mutua.kernels.spans import observed_values, span_values
from mutua.models import Annotations, Attributions, Dataset, MotifSet, checked
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import (
    ATTRIBUTION,
    CODES,
    CONTRIBUTION,
    END,
    MOTIF,
    MOTIF_INDEX,
    SEQUENCE_INDEX,
    START,
)
from mutua.settings import settings
from mutua.tl._annotating import as_annotations, motif_parts, motif_probabilities, sequence_parts

__all__ = ["scan_contributions"]

_PENALTY = 0.7
_VALUE_BYTES = 40
"""Bytes for each letter of the alphabet at each position of a block."""


@checked
def scan_contributions(
    attributions: Dataset[Attributions],
    motifs: Dataset[MotifSet],
    *,
    penalty: float | Mapping[str, float] = _PENALTY,
    stranded: bool = False,
    matrix: str = CONTRIBUTION,
    letters: str = "observed",
    trim: float = 0.3,
    tolerance: float = 1e-5,
    max_steps: int = 10_000,
    device: str | None = None,
) -> Dataset[Annotations]:
    r"""Give the places where motifs explain the attributions (Fi-NeMo).

    `mutua.tl.scan` asks where the letters of a motif stand. This asks where the model uses them:
    the attributions of each sequence are written as a sum of contribution matrices (CWMs) at
    places, with as few of them as the penalty allows. Where matrices overlap, they share what is
    there or the better one takes it, so that alike motifs do not all report one site.

    Parameters
    ----------
    attributions
        (sequence, letter, position), in memory, dask-backed or lazily opened.
    motifs
        Over the same letters, with their CWMs: ``contribution``, and ``hypothetical`` where that
        is asked for. `mutua.tl.annotated_motifs` makes them of spans of attributions.
    penalty
        Least cosine of a hit and its matrix, above 0 and at most 1; a weak hit needs more. Also a
        mapping of motif ids, those left out having 0.7.
    stranded
        Look at the forward strand only. Letters other than those of DNA have no other.
    matrix
        ``"contribution"``, what letters contribute where they stand, or ``"hypothetical"``, what
        they would. Fi-NeMo's modes are the four choices of `matrix` and `letters`: pp is the
        default, ph has ``letters="all"``, hp has ``matrix="hypothetical"``, hh both.
    letters
        ``"observed"``: explain the attributions of the letters that are there. ``"all"``: those
        of all letters, which must be hypothetical ones.
    trim
        Columns at the ends of a matrix are cut off where their sum of absolute values is below
        this share of the largest, 0 to 1.
    tolerance
        Largest duality gap, divided by the letters of the sequence, above 0: how far the
        objective may be from its minimum, for attributions of mean square 1.
    max_steps
        Most steps for a sequence.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; by default the setting. Both solve the same problem:
        hits whose similarity or coefficient is near its limit may differ within the tolerance.

    Returns
    -------
    Annotations
        One row per hit, sorted by sequence, start, motif and strand (forward first). `start` and
        `end` are those of the trimmed matrix. `score` is the coefficient, for attributions
        divided by their root mean square in the sequence, and ``coefficient_global`` the one
        without that division: use this to compare sequences. ``similarity`` is the cosine,
        ``attribution`` the sum and ``importance`` the sum of absolute values within (with
        ``letters="all"`` the latter of all letters), and ``duality_gap`` of each sequence is as
        `tolerance`. No hit goes over padding, and unknown letters count as 0.

    Raises
    ------
    InvalidInput
        For motifs without contributions, with contributions that are all 0, of other letters or
        none, attributions that are not finite, or options out of range.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Warns
    -----
    UserWarning
        With the number of sequences whose duality gap is above `tolerance` after `max_steps`.

    Notes
    -----
    With x the attributions of a sequence divided by their root mean square, :math:`C_k` a matrix
    divided by its norm, then trimmed, and :math:`E_{kp}` the sum of squares of x in the window at
    p, nonnegative coefficients c minimise

    .. math:: \frac{1}{2} \left\| x - M \sum_{kp} \frac{c_{kp}}{\sqrt{E_{kp} + 1}} C_k(p) \right\|^2
        + \sum_{kp} \lambda_k c_{kp}

    where M keeps the letters that are there (with ``letters="all"`` all known ones). Hits have
    c > 0 and a similarity of at least :math:`\lambda_k`.

    The problem is that of Fi-NeMo; its solver is another one, so that a tolerance of 1e-5 (there
    5e-4, at which weak hits of short sequences are not seen) takes no longer. On a CPU each
    sequence is solved by coordinate descent on the coefficients in use, on a GPU many are side by
    side by accelerated proximal gradient. The duality gap is exact here; a sequence where nothing
    correlates with any matrix is done at once. Of matrices that are the same (also both strands
    of a palindrome) the one with the least penalty has the hits, then the first motif, then the
    forward strand.

    References
    ----------
    Wang 2025, Fi-NeMo: finding neural network motifs, https://github.com/kundajelab/Fi-NeMo.

    Examples
    --------
    >>> import numpy as np
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(20, length=60, seed=0)
    >>> seqs = mt.pp.embed_motifs(seqs, {"GATA": "GATAAG"}, position=30)
    >>> values = np.random.default_rng(0).normal(0, 0.02, (20, 1, 60))
    >>> values[:, :, 30:36] += 1
    >>> attr = mt.Attributions.build(
    ...     seqs,
    ...     attribution=mt.pp.one_hot(seqs) * values,
    ...     target="signal",
    ...     method="made up",
    ...     hypothetical=False,
    ... )
    >>> gata = mt.MotifSet.build({"GATA": "GATAAG"})
    >>> motifs = gata.assign(contribution=gata["probability"])
    >>> hits = mt.tl.scan_contributions(attr, motifs)
    >>> hits.sizes["annotation"], np.unique(hits["start"]), np.unique(hits["end"])
    (20, array([30], dtype=int32), array([36], dtype=int32))
    """
    one_of("matrix", matrix, [CONTRIBUTION, "hypothetical"])
    one_of("letters", letters, ["observed", "all"])
    tolerance = number("tolerance", tolerance, low=0, open_low=True)
    max_steps = whole_number("max_steps", max_steps, low=1)
    atoms = _atoms(attributions, motifs, penalty, matrix, stranded=stranded, trim=trim)
    all_letters = letters == "all"
    if all_letters and not attributions.attrs["hypothetical"]:
        found = "'all', and the attributions are those of the letters that are there"
        remedy = "use letters='observed', or mutua.tl.attribute(..., hypothetical=True)"
        raise InvalidInput("letters", found, remedy)
    found_in, sums = [], []
    for first, values, codes in _blocks(attributions):
        hits = cwm_hits(
            values,
            codes,
            atoms,
            all_letters=all_letters,
            tolerance=tolerance,
            max_steps=max_steps,
            device=device,
        )
        observed = observed_values(values, codes)
        sums.append(span_values(observed, hits.sequence, hits.start, hits.end).total)
        found_in.append(hits._replace(sequence=hits.sequence + np.int32(first)))
    hits = CwmHits(*(np.concatenate(part) for part in zip(*found_in, strict=True)))
    _warn_of_unsolved(hits.gap, tolerance, max_steps)
    columns: dict[str, np.ndarray] = {
        SEQUENCE_INDEX: hits.sequence,
        START: hits.start,
        END: hits.end,
        MOTIF_INDEX: hits.motif,
        "strand": hits.strand,
        "score": hits.coefficient,
        ATTRIBUTION: np.concatenate(sums),
        "importance": hits.importance,
        "similarity": hits.similarity,
        "coefficient_global": hits.coefficient_global,
    }
    gap = attributions[CODES].variable[:, 0].to_base_variable().copy(data=hits.gap)
    parts = sequence_parts(attributions) | motif_parts(motifs) | {"duality_gap": gap}
    return as_annotations(columns, parts, source="cwm")


def _atoms(
    attributions: Dataset[Attributions],
    motifs: Dataset[MotifSet],
    penalty: float | Mapping[str, float],
    matrix: str,
    *,
    stranded: bool,
    trim: float,
) -> Atoms:
    """Give the matrices to look for, in the letters of the attributions."""
    alphabet = attributions.attrs["alphabet"]
    _, _, order = motif_probabilities(motifs, alphabet)
    if matrix not in motifs:
        remedy = (
            "make them of spans of attributions by mutua.tl.annotated_motifs, or read them from "
            "TF-MoDISco; for motifs of probabilities alone use mutua.tl.scan"
        )
        raise InvalidInput("motifs", f"they have no {matrix!r} matrices", remedy)
    matrices = np.asarray(motifs[matrix].values, np.float64)[:, order]
    empty = np.flatnonzero(~matrices.any(axis=(1, 2)))
    if len(empty):
        found = f"the {matrix!r} matrix of {str(motifs[MOTIF].values[empty[0]])!r} is 0 everywhere"
        raise InvalidInput("motifs", found, "leave it out")
    both = not stranded and is_nucleotide(alphabet) and "U" not in alphabet.upper()
    return trimmed_atoms(
        matrices,
        penalty=_penalties(motifs, penalty),
        trim=number("trim", trim, low=0, high=1),
        complement=complement_codes(alphabet) if both else None,
    )


def _penalties(motifs: Dataset[MotifSet], penalty: float | Mapping[str, float]) -> list[float]:
    """Give the penalty of each motif."""
    ids = [str(motif) for motif in motifs[MOTIF].values]
    if not isinstance(penalty, Mapping):
        return [number("penalty", penalty, low=0, high=1, open_low=True)] * len(ids)
    if unknown := [name for name in penalty if name not in ids]:
        raise InvalidInput("penalty", f"{unknown[:8]} are no motifs", f"use some of {ids[:8]}")
    return [
        number(f"penalty[{name!r}]", penalty.get(name, _PENALTY), low=0, high=1, open_low=True)
        for name in ids
    ]


def _blocks(attributions: Dataset[Attributions]) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield the first row, the attributions and the codes of blocks that fit into memory."""
    values, codes = attributions[ATTRIBUTION].variable, attributions[CODES].variable
    n, n_letters, length = values.shape
    step = max(1, settings.memory // (_VALUE_BYTES * n_letters * max(1, length)))
    chunks = values.chunksizes.get(values.dims[0], (n,))
    first = 0
    for size in chunks:
        # A chunk is computed once, however many blocks it makes.
        rows = slice(first, first + size)
        chunk = values[rows].load() if values.chunksizes else values[rows]
        for row in range(0, max(1, size), step):
            part = np.asarray(chunk[row : row + step].values)
            if not np.isfinite(part).all():
                place = np.argwhere(~np.isfinite(part))[0].tolist()
                found = f"not finite at sequence {first + row + place[0]}, position {place[2]}"
                raise InvalidInput("attributions", found, "use finite attributions")
            of_part = slice(first + row, first + row + len(part))
            yield first + row, part, np.asarray(codes[of_part].values)
        first += size


def _warn_of_unsolved(gap: np.ndarray, tolerance: float, max_steps: int) -> None:
    unsolved = int((gap > tolerance).sum())
    if unsolved:
        warnings.warn(
            f"{unsolved:,} of {len(gap):,} sequences have a duality gap above "
            f"tolerance={tolerance:g} after max_steps={max_steps:,}: see `duality_gap`. Raise "
            "penalty, tolerance or max_steps",
            UserWarning,
            stacklevel=4,
        )
