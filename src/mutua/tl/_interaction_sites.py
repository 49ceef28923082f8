"""Where the motifs of a set of sequences stand, and which pairs of their sites are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.letters import complement_codes, is_nucleotide
from mutua.kernels.motif_scan import MotifScanner
from mutua.kernels.motif_sites import PatternFinder, SitePairs, Sites, disjoint_pairs
from mutua.kernels.patterns import pattern_masks
from mutua.kernels.site_fills import KeptLetters, MotifCheck
from mutua.models import Dataset, MotifSet, SequenceSet, as_kind
from mutua.models.annotations import Annotations
from mutua.models.arguments import number, one_of
from mutua.models.dims import (
    CODES,
    END,
    MOTIF,
    MOTIF_INDEX,
    POSITION,
    SEQUENCE_INDEX,
    START,
)
from mutua.models.faults import blocks
from mutua.models.motif_matrices import frequencies
from mutua.models.motif_names import motif_numbers
from mutua.models.motif_pairs import MotifPairs
from mutua.tl._annotating import (
    as_annotations,
    motif_probabilities,
    refuse_other_sequences,
    sequence_parts,
)
from mutua.tl._motif_rows import column
from mutua.tl.scanning import scan

__all__ = ["Located", "Motifs", "Pairs", "SitePairing", "locate", "pair_sites", "wanted_pairs"]

Motifs = str | Sequence[str] | Mapping[str, str] | xr.Dataset
"""IUPAC patterns, by name if a mapping; or a `MotifSet`."""
Pairs = xr.Dataset | Sequence[tuple[str, str]]
"""A `MotifPairs`, or pairs of motifs by id or name."""


class _Definitions(NamedTuple):
    """What motifs are, so that they can be looked for in any letters."""

    element: xr.Dataset
    """With their ids, and perhaps names."""
    find: Callable[[np.ndarray], Sites]
    longest: int


class Located(NamedTuple):
    """Sites of motifs.

    Attributes
    ----------
    annotations
        With the motifs that the sites are of.
    sites
        Each once, in order.
    definitions
        None where only the sites are known.
    """

    annotations: Dataset[Annotations]
    sites: Sites
    definitions: _Definitions | None

    def check(self, pairs: Sequence[tuple[int, int]]) -> MotifCheck | KeptLetters:
        """Give what refuses fills that hold a motif, or a partner that it has in these pairs."""
        if self.definitions is None:
            return KeptLetters()
        own, find, longest = self.definitions
        n = self.annotations.sizes[MOTIF]
        together = np.eye(n, dtype=np.bool_)
        for a, b in pairs:
            together[a, b] = together[b, a] = True
        names = [str(motif) for motif in self.annotations[MOTIF].values.tolist()]
        used = sorted({motif for pair in pairs for motif in pair})
        places = motif_numbers(own, [names[motif] for motif in used], "motifs")
        # Definitions may be more than the motifs that are used, and in another order.
        numbers = np.full(own.sizes[MOTIF], -1)
        numbers[places] = used

        def renumbered(codes: np.ndarray) -> Sites:
            hits = find(codes)
            return hits._replace(motif=numbers[hits.motif])

        # The last column is for -1, a definition that no pair has.
        table = np.concatenate([together, np.zeros((n, 1), np.bool_)], axis=1)
        return MotifCheck(renumbered, longest, table)


def locate(
    sequences: Dataset[SequenceSet],
    annotations: Dataset[Annotations] | None,
    motifs: Any,
    strand: str | None,
    p_threshold: float,
) -> Located:
    """Find the sites: those of the annotations, or else of the motifs in the sequences."""
    if annotations is None and motifs is None:
        raise InvalidInput("motifs", "neither they nor annotations=", "give one of them, or both")
    alphabet = sequences.attrs["alphabet"]
    definitions = None
    if motifs is not None:
        p_threshold = number("p_threshold", p_threshold, low=0, high=1, open_low=True)
        strand = _strand(strand, alphabet)
        if isinstance(motifs, xr.Dataset):
            MotifSet.check(motifs, where="argument `motifs`")
            known = as_kind(MotifSet, motifs)
            definitions = _scanned(known, alphabet, strand, p_threshold)
            if annotations is None:
                annotations = scan(sequences, known, p_threshold=p_threshold, strand=strand)
        else:
            definitions = _patterns(motifs, alphabet, strand)
            if annotations is None:
                annotations = _found(sequences, definitions)
    assert annotations is not None
    refuse_other_sequences(annotations, sequences)
    return Located(annotations, _sites(annotations), definitions)


def _strand(strand: str | None, alphabet: str) -> str:
    if strand is None:
        return "both" if is_nucleotide(alphabet) and "T" in alphabet.upper() else "forward"
    one_of("strand", strand, ["both", "forward"])
    if strand == "both" and not is_nucleotide(alphabet):
        found = f"'both', and sequences of {alphabet!r} have one strand"
        raise InvalidInput("strand", found, "use strand='forward'")
    return strand


def _scanned(
    motifs: Dataset[MotifSet], alphabet: str, strand: str, p_threshold: float
) -> _Definitions:
    """Give the motifs of a set as `mutua.tl.scan` looks for them."""
    probability, length, order = motif_probabilities(motifs, alphabet)
    background = np.array(frequencies(motifs.attrs["background"], motifs.attrs["alphabet"]))
    scanner = MotifScanner(
        probability,
        length,
        background=background[order],
        complement=complement_codes(alphabet) if strand == "both" else None,
        p_threshold=p_threshold,
        pseudocount=1e-4,
    )

    def find(codes: np.ndarray) -> Sites:
        hits, _ = scanner.scan(codes)
        start = hits.start.astype(np.int64)
        motif = hits.motif.astype(np.int64)
        return Sites(
            hits.sequence.astype(np.int64), start, start + scanner.length[motif], motif,
            hits.strand.astype(np.int64),
        )  # fmt: skip

    return _Definitions(motifs, find, int(length.max()))


def _patterns(motifs: Any, alphabet: str, strand: str) -> _Definitions:
    """Give IUPAC patterns, by their names."""
    if isinstance(motifs, str):
        motifs = [motifs]
    if isinstance(motifs, Mapping):
        named = {str(name): pattern for name, pattern in motifs.items()}
    elif isinstance(motifs, Sequence):
        named = {str(pattern): pattern for pattern in motifs}
    else:
        found = f"a {type(motifs).__name__}"
        raise InvalidInput("motifs", found, "use IUPAC patterns or a MotifSet")
    if not named or len(named) < len(motifs):
        found = "there are none" if not named else f"names repeat: {list(motifs)}"
        raise InvalidInput("motifs", found, "give at least one, each with its own name")
    masks = []
    for name, pattern in named.items():
        if not isinstance(pattern, str):
            found = f"{name!r} is a {type(pattern).__name__}"
            raise InvalidInput("motifs", found, "use IUPAC patterns, or make a MotifSet of them")
        try:
            masks.append(pattern_masks(pattern, alphabet))
        except InvalidInput as error:
            raise InvalidInput("motifs", f"{name!r}: {error.found}", error.remedy) from None
    finder = PatternFinder(masks, complement_codes(alphabet) if strand == "both" else None)
    names = xr.Dataset(coords={MOTIF: np.array(list(named), np.dtypes.StringDType())})
    return _Definitions(names, finder.find, int(finder.length.max()))


def _found(sequences: Dataset[SequenceSet], definitions: _Definitions) -> Dataset[Annotations]:
    """Give the sites of patterns in the sequences, block by block."""
    codes = sequences[CODES].variable
    if codes.chunksizes:
        codes = codes.chunk({POSITION: -1})
    parts = []
    for first, block in blocks(codes):
        hits = definitions.find(np.ascontiguousarray(block.values))
        parts.append(np.stack(hits._replace(sequence=hits.sequence + first[0])))
    table = np.concatenate([np.zeros((5, 0), np.int64), *parts], axis=1)
    names = (SEQUENCE_INDEX, START, END, MOTIF_INDEX)
    columns = {name: part.astype(np.int32) for name, part in zip(names, table, strict=False)}
    columns["strand"] = table[4].astype(np.int8)
    said = {MOTIF: definitions.element[MOTIF].variable.to_base_variable()}
    return as_annotations(columns, sequence_parts(sequences) | said, source="scan")


def _sites(annotations: Dataset[Annotations]) -> Sites:
    """Give each site once, in order; of one on both strands that on the forward one."""
    motif = column(annotations, MOTIF_INDEX).astype(np.int64)
    sequence, start, end = (
        column(annotations, name).astype(np.int64) for name in (SEQUENCE_INDEX, START, END)
    )
    strand = np.zeros(len(motif), np.int64)
    if "strand" in annotations:
        strand = column(annotations, "strand").astype(np.int64)
    order = np.lexsort((-strand, motif, end, start, sequence))
    order = order[motif[order] >= 0]
    place = np.stack([sequence, start, end, motif])[:, order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (place[:, 1:] != place[:, :-1]).any(axis=0)
    return Sites(*(part[order[first]] for part in (sequence, start, end, motif, strand)))


def wanted_pairs(
    motifs: xr.Dataset, pairs: Pairs | None, *, ordered: bool
) -> list[tuple[int, int]] | None:
    """Give the pairs that are asked for by the numbers of their motifs; None for all.

    Without order those of a `MotifPairs` that differ in order only are one.
    """
    if pairs is None:
        return None
    given: list[Any]
    if isinstance(pairs, xr.Dataset):
        MotifPairs.check(pairs, where="argument `pairs`")
        ids = [str(name) for name in pairs[MOTIF].values]
        columns = (pairs[name].values.tolist() for name in ("motif_a_index", "motif_b_index"))
        given = [(ids[a], ids[b]) for a, b in zip(*columns, strict=True)]
    elif isinstance(pairs, str) or not isinstance(pairs, Sequence):
        found = f"a {type(pairs).__name__}"
        raise InvalidInput("pairs", found, "pass a MotifPairs, or a list of (id, id) tuples")
    else:
        given = [_two_of(pair) for pair in pairs]
    numbers = motif_numbers(motifs, [name for pair in given for name in pair], "pairs")
    listed = list(zip(numbers[::2], numbers[1::2], strict=True))
    known: dict[tuple[int, int], tuple[int, int]] = {}
    for pair in listed:
        known.setdefault(pair if ordered else (min(pair), max(pair)), pair)
    if len(known) < len(listed) and not isinstance(pairs, xr.Dataset):
        raise InvalidInput("pairs", f"pairs repeat: {given[:20]}", "give each once")
    return list(known.values())


def _two_of(pair: Any) -> tuple[str, str]:
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise InvalidInput("pairs", f"{pair!r} among them", "use tuples of two motifs")
    return pair[0], pair[1]


class SitePairing(NamedTuple):
    """Pairs of sites, by the pair of motifs that they are of."""

    motifs: list[tuple[int, int]]
    sites: SitePairs
    pair: np.ndarray
    """Of each pair of sites, the place of its motifs in the list."""


def pair_sites(
    located: Located, wanted: list[tuple[int, int]] | None, most: int | None
) -> SitePairing:
    """Give the pairs of sites that share no letter, of these or of all pairs of motifs."""
    sites, n = located.sites, located.annotations.sizes[MOTIF]
    by_motif = np.argsort(sites.motif, kind="stable")
    bounds = np.searchsorted(sites.motif[by_motif], np.arange(n + 1))
    rows = [by_motif[slice(*bounds[m : m + 2])] for m in range(n)]
    there = [m for m in range(n) if len(rows[m])]
    asked = [(a, b) for a in there for b in there if a < b] if wanted is None else wanted
    found = [disjoint_pairs(sites, a, b, (rows[a], rows[b]), most) for a, b in asked]
    kept = [place for place, pairs in enumerate(found) if wanted is not None or len(pairs.a)]
    sizes = [len(found[place].a) for place in kept]
    a, b = (
        np.concatenate([np.zeros(0, np.int64), *(found[place][side] for place in kept)])
        for side in (0, 1)
    )
    numbers = np.repeat(np.arange(len(kept)), sizes)
    return SitePairing([asked[place] for place in kept], SitePairs(a, b), numbers)
