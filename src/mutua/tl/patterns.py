"""Patterns that the attributions of many sequences have in common."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.communities import leiden_packages
from mutua.kernels.devices import asked_device
from mutua.kernels.pattern_discovery import Found, Search, find_patterns
from mutua.models import Annotations, Attributions, Dataset, MotifSet, as_kind, checked
from mutua.models.alphabets import complement_order
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.build import ordered
from mutua.models.dims import (
    ANNOTATION,
    ATTRIBUTION,
    CODES,
    CONTRIBUTION,
    END,
    INFORMATION,
    LENGTH,
    LETTER,
    MOTIF,
    MOTIF_INDEX,
    MOTIF_POSITION,
    POSITION,
    PROBABILITY,
    SEQUENCE,
    SEQUENCE_INDEX,
    SPAN_POSITION,
    START,
)
from mutua.models.motif_matrices import column_information
from mutua.tl._annotating import (
    as_annotations,
    refuse_other_sequences,
    sequence_parts,
    span_codes,
)
from mutua.tl._seqlet_contexts import Surroundings, high_windows, seqlet_contexts, span_sums

__all__ = ["Patterns", "patterns"]

Signed = list[tuple[int, Found]]

_MATRIX = (MOTIF, LETTER, MOTIF_POSITION)


class Patterns(NamedTuple):
    """What `patterns` gives.

    Attributes
    ----------
    motifs
        The patterns.
    seqlets
        Where they were found: the spans that each was made of.
    """

    motifs: Dataset[MotifSet]
    seqlets: Dataset[Annotations]


@checked
def patterns(
    attributions: Dataset[Attributions],
    *,
    seqlets: Dataset[Annotations] | None = None,
    stranded: bool = False,
    density: str = "tsne",
    window: int = 21,
    flank: int = 10,
    fdr: float = 0.2,
    min_fraction: float = 0.03,
    max_fraction: float = 0.2,
    max_seqlets: int = 20_000,
    n_neighbors: int = 500,
    perplexity: float = 10.0,
    n_starts: int = 2,
    min_sites: int = 20,
    width: int = 30,
    extension: int = 10,
    trim: float = 0.3,
    device: str | None = None,
    seed: int = 0,
) -> Patterns:
    """Give the patterns that attributions have in common, and where they stand.

    The method of TF-MoDISco: windows of high attribution (seqlets) are compared by the gapped
    k-mers of their important letters, then letter by letter; communities of seqlets that are
    alike are laid over each other, and this is done again with what is cut out around what they
    share. Patterns that turn out to be several are split, and those that cannot be told apart are
    joined. Seqlets of positive and of negative attribution make patterns of their own.

    Parameters
    ----------
    attributions
        Hypothetical ones say what letters that are not there would contribute, and are compared
        by that as well. Projected ones are compared by the letters that are there.
    seqlets
        Spans to use instead of windows like those of ``tl.seqlets(method="laplace")``, such as
        those of ``"recursive"``. Of each, `window` and twice `flank` letters around its middle
        are taken.
    stranded
        Compare one strand only, as for RNA. By default a seqlet may also be the reverse
        complement of another. Proteins have one strand.
    density
        How the graph of seqlets is adapted to where they lie densely. ``"tsne"``: each has
        `perplexity` effective neighbours. ``"lite"``: as tfmodisco-lite does, whose graph joins
        each with nearly all `n_neighbors`.
    window, flank
        Letters of the core of a seqlet, and on both sides of it; those may hang over an end of
        the sequence.
    fdr, min_fraction, max_fraction
        Of the windows that are seqlets, as in `mutua.tl.seqlets`.
    max_seqlets
        Most seqlets of each sign: those of the largest sum of attributions.
    n_neighbors
        Seqlets that each one is compared with letter by letter.
    perplexity
        Effective neighbours of each, itself included, from 1.
    n_starts
        Runs of the Leiden algorithm, of which the best is taken.
    min_sites
        Fewest seqlets of a pattern.
    width, extension
        Letters of a pattern of most information, and on both sides of them.
    trim
        The ends of a pattern are cut off where contributions are below this part of the largest;
        0 keeps all letters.
    device
        Where seqlets are compared, by k-mers and letter by letter: ``"auto"``, ``"cpu"`` or
        ``"cuda"``; by default the setting. Patterns are the same. Communities, splitting and
        joining are left to the CPU.
    seed
        Of all that is random. The same seed gives the same patterns.

    Returns
    -------
    Patterns
        ``motifs``, a MotifSet: ``pos_0``, ``pos_1``, ... and ``neg_0``, ... by falling number of
        seqlets, each with ``probability``, ``contribution`` (the mean attribution of the letters
        that are there), ``hypothetical`` (the mean over all letters, from hypothetical
        attributions), ``n_sites`` and ``sign``. ``seqlets``, Annotations with their
        ``motif_index``, ``strand`` and ``attribution``: the spans that the patterns were made
        of, as wide as these, in the columns of `attributions`. Without patterns both are empty.

    Raises
    ------
    InvalidInput
        For attributions that are NaN or infinite, sequences shorter than `window`, seqlets of
        other sequences, or options out of range.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.
    MissingDependency
        Without igraph and leidenalg, which the extra ``leiden`` brings.

    Warns
    -----
    UserWarning
        If there are no patterns, with how many seqlets there were. With sequences of less than
        twice the letters of seqlets or patterns, smaller ones may help.

    Notes
    -----
    Unlike in tfmodisco-lite, seqlets that are equal are joined, those whose similarities are all
    the same are kept, ``density="tsne"`` has the perplexity that it says, the strongest seqlets
    are kept under `max_seqlets`, positions are those of the whole sequences, and seqlets near an
    end of their sequence are kept as long as the pattern itself is in it. Patterns whose mean
    contributions are the same (cosine of 0.95) are joined however their seqlets differ in
    strength, and a seqlet whose two similarities disagree stays if its neighbours are as close as
    those of others.

    References
    ----------
    Shrikumar et al. 2018, Technical note on Transcription Factor Motif Discovery from Importance
    Scores (TF-MoDISco), arXiv:1811.00416.

    Examples
    --------
    >>> import numpy as np
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(80, length=80, seed=0)
    >>> values = np.random.default_rng(0).normal(0, 0.01, (80, 80))
    >>> seqs["codes"][:, 30:38] = [2, 0, 3, 0, 0, 2, 1, 1]
    >>> values[:, 30:38] += 1
    >>> attr = mt.Attributions.build(
    ...     seqs,
    ...     attribution=mt.pp.one_hot(seqs) * values[:, None],
    ...     target="signal",
    ...     method="made up",
    ...     hypothetical=False,
    ... )
    >>> found = mt.tl.patterns(attr, stranded=True)
    >>> letters = found.motifs["probability"].sel(motif="pos_0").argmax("letter")
    >>> "".join("ACGT"[i] for i in letters.values), found.seqlets.sizes["annotation"]
    ('GATAAGCC', 80)
    """
    one_of("density", density, ["tsne", "lite"])
    if not isinstance(stranded, bool | np.bool_):
        raise InvalidInput("stranded", f"{stranded!r}", "use True or False")
    window = whole_number("window", window, low=1)
    flank = whole_number("flank", flank, low=0)
    max_seqlets = whole_number("max_seqlets", max_seqlets, low=1)
    search = Search(
        n_neighbors=whole_number("n_neighbors", n_neighbors, low=1),
        perplexity=number("perplexity", perplexity, low=1),
        density=density,
        n_starts=whole_number("n_starts", n_starts, low=1),
        min_sites=whole_number("min_sites", min_sites, low=2),
        core=whole_number("width", width, low=1),
        flank=whole_number("extension", extension, low=0),
        trim=number("trim", trim, low=0, high=1),
        seed=whole_number("seed", seed, low=0, high=2**31 - 1),
        device=asked_device(device),
    )
    leiden_packages("`tl.patterns`")
    limits = {
        "fdr": number("fdr", fdr, low=0, high=1, open_low=True),
        "min_fraction": number("min_fraction", min_fraction, low=0, high=1),
        "max_fraction": number("max_fraction", max_fraction, low=0, high=1),
    }
    size, length = window + 2 * flank, attributions.sizes[POSITION]
    if seqlets is not None:
        refuse_other_sequences(seqlets, attributions, argument="seqlets")
        spans = span_sums(attributions, seqlets)
    elif length < window and attributions.sizes[SEQUENCE]:
        found = f"sequences of {length} letters, and the core of a seqlet is of {window}"
        raise InvalidInput("attributions", found, "use a smaller window=")
    else:
        spans = high_windows(attributions, window=window, flank=flank, seed=search.seed, **limits)
    complement = None if stranded else complement_order(attributions.attrs["alphabet"])
    around = Surroundings(
        size=size,
        margin=size + search.core + 2 * search.flank,
        most=max_seqlets,
        complement=None if complement is None else np.array(complement),
    )
    patterns_of_both = [
        (sign, pattern)
        for sign, contexts in seqlet_contexts(attributions, spans, around)
        for pattern in find_patterns(contexts, around.margin, size, search)
    ]
    if not patterns_of_both and attributions.sizes[SEQUENCE]:
        _warn_of_none(spans.attribution, length, size, search)
    return Patterns(_motifs(attributions, patterns_of_both), _sites(attributions, patterns_of_both))


def _warn_of_none(sums: np.ndarray, length: int, size: int, search: Search) -> None:
    """Say why there are no patterns, and what to try."""
    n = (int((sums > 0).sum()), int((sums < 0).sum()))
    text = f"no patterns: {n[0]:,} seqlets of positive and {n[1]:,} of negative attribution "
    if max(n) < search.min_sites:
        text += f"are less than min_sites={search.min_sites}"
    else:
        text += f"have none of {search.min_sites} sites or more (min_sites=) that say enough"
    frame = search.core + 2 * search.flank
    if length < 2 * max(size, frame):
        text += (
            f". Sequences of {length} letters leave little room for seqlets of {size} (window= + "
            f"2 flank=) and patterns of {frame} (width= + 2 extension=): use smaller ones, such "
            "as window=9, flank=4, width=12, extension=3"
        )
    warnings.warn(text, UserWarning, stacklevel=4)


def _motifs(attributions: Dataset[Attributions], found: Signed) -> Dataset[MotifSet]:
    """Give the patterns as motifs."""
    alphabet = attributions.attrs["alphabet"]
    n_letters = len(alphabet)
    widths = [pattern.sums.letters.shape[1] for _, pattern in found]
    shape = (len(found), n_letters, max(widths, default=0))
    probability, contribution, hypothetical = (np.zeros(shape, np.float32) for _ in range(3))
    for place, (sign, pattern) in enumerate(found):
        sums = pattern.sums
        inside = slice(widths[place])
        total = sums.letters.sum(axis=0)
        shares = np.where(total > 0, sums.letters / np.maximum(total, 1), 1 / n_letters)
        probability[place, :, inside] = shares
        contribution[place, :, inside] = sign * sums.contribution / sums.covered
        hypothetical[place, :, inside] = sign * sums.hypothetical / sums.covered
    background = [1 / n_letters] * n_letters
    signs = np.array([sign for sign, _ in found], np.int8)
    variables = {
        PROBABILITY: (_MATRIX, probability),
        LENGTH: (MOTIF, np.array(widths, np.int32)),
        CONTRIBUTION: (_MATRIX, contribution),
        "n_sites": (MOTIF, np.array([len(p.start) for _, p in found], np.float64)),
        INFORMATION: (MOTIF, column_information(probability, background).sum(axis=-1)),
        "sign": (MOTIF, signs),
    }
    if attributions.attrs["hypothetical"]:
        variables["hypothetical"] = (_MATRIX, hypothetical)
    ids = np.array(_ids(found), np.dtypes.StringDType())
    element = xr.Dataset(
        variables,
        {MOTIF: ids, LETTER: list(alphabet)},
        {"alphabet": alphabet, "background": background},
    )
    return as_kind(MotifSet, ordered(MotifSet, element))


def _ids(found: Signed) -> list[str]:
    """Give each pattern its name, numbered within its sign."""
    names = {1: "pos", -1: "neg"}
    n = {1: 0, -1: 0}
    ids = []
    for sign, _ in found:
        ids.append(f"{names[sign]}_{n[sign]}")
        n[sign] += 1
    return ids


def _sites(attributions: Dataset[Attributions], found: Signed) -> Dataset[Annotations]:
    """Give where the patterns were found."""
    parts = [
        (
            pattern.sequence,
            pattern.start,
            pattern.start + pattern.sums.letters.shape[1],
            np.full(len(pattern.start), place),
            np.where(pattern.flipped, -1, 1),
            sign * pattern.attribution,
        )
        for place, (sign, pattern) in enumerate(found)
    ]
    names = (SEQUENCE_INDEX, START, END, MOTIF_INDEX, "strand", ATTRIBUTION)
    types = (np.int32, np.int32, np.int32, np.int32, np.int8, np.float64)
    given = [
        np.concatenate([np.zeros(0), *(part[i] for part in parts)]).astype(kind)
        for i, kind in enumerate(types)
    ]
    order = np.lexsort((given[3], given[2], given[1], given[0]))
    columns = {name: column[order] for name, column in zip(names, given, strict=True)}
    letters = span_codes(attributions, *(columns[name] for name in names[:3]))
    spans = {
        CODES: xr.Variable((ANNOTATION, SPAN_POSITION), letters),
        MOTIF: xr.Variable((MOTIF,), np.array(_ids(found), np.dtypes.StringDType())),
    }
    return as_annotations(
        columns,
        sequence_parts(attributions) | spans,
        source="seqlets",
        alphabet=attributions.attrs["alphabet"],
    )
