"""How similar motifs are, and which of them are variants of one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import scipy.cluster.hierarchy
import scipy.spatial.distance

from mutua.errors import InvalidInput
from mutua.kernels.letters import complement_codes, is_nucleotide
from mutua.kernels.motif_alignment import Alignments, align_motifs
from mutua.models import Dataset, MotifSet, Table, as_kind, checked
from mutua.models.arguments import number, one_of
from mutua.models.dims import LENGTH, MOTIF, PROBABILITY
from mutua.models.motif_matrices import column_information

__all__ = ["cluster_motifs", "motif_similarity"]


@checked
def motif_similarity(
    motifs: Dataset[MotifSet],
    *,
    targets: Dataset[MotifSet] | None = None,
    threshold: float = 0.5,
    reverse_complement: bool = True,
) -> Dataset[Table]:
    r"""Give the pairs of motifs that are similar where they are aligned best.

    The similarity is :math:`\sum a b / \sqrt{\sum a^2 \sum b^2}`, where a and b are what the
    probabilities of two motifs differ from their backgrounds by, and the sums below the root are
    over whole motifs: 1 for equal ones, 0.71 for one that is half of the other, about 0 for
    unrelated ones. Of all shifts and strands the best counts.

    Parameters
    ----------
    motifs
        Motifs.
    targets
        Motifs of the same letters to compare them with; by default every pair of `motifs` is
        compared once.
    threshold
        Give pairs of at least this similarity, from -1 to 1.
    reverse_complement
        Also compare with the other strand. Motifs of proteins have one.

    Returns
    -------
    Table
        The most similar pairs first: ``motif_a``, ``motif_b``, ``name_a`` and ``name_b`` where
        there are names, ``similarity``, ``offset`` (positions from the first of a to the first of
        b), and ``strand`` of b, 1 or -1.

    Raises
    ------
    InvalidInput
        For other letters than those of the targets, or options out of range.

    Examples
    --------
    >>> import mutua as mt
    >>> motifs = mt.MotifSet.build({"GATA": "WGATAR", "other": "TTATCW", "E-box": "CANNTG"})
    >>> mt.to_dataframe(mt.tl.motif_similarity(motifs)).round(3)
      motif_a motif_b  similarity  offset  strand
    0    GATA   other       0.935       0      -1
    """
    threshold = number("threshold", threshold, low=-1, high=1)
    found = _aligned(motifs, targets, reverse_complement)
    similarity = np.where(found.similarity >= threshold, found.similarity, -np.inf)
    if targets is None:
        similarity[np.tril_indices(len(similarity))] = -np.inf
    order = np.argsort(-similarity, axis=None, kind="stable")
    order = order[: np.count_nonzero(np.isfinite(similarity))]
    pairs = np.unravel_index(order, similarity.shape)
    columns: dict[str, np.ndarray] = {}
    sides = zip("ab", (motifs, motifs if targets is None else targets), pairs, strict=True)
    for side, given, places in sides:
        columns[f"motif_{side}"] = given[MOTIF].values[places]
        if "name" in given.coords:
            columns[f"name_{side}"] = given["name"].values[places]
    columns = dict(sorted(columns.items()))
    columns["similarity"] = found.similarity[pairs]
    columns["offset"] = found.offset[pairs]
    columns["strand"] = np.where(found.flipped[pairs], -1, 1).astype(np.int8)
    return Table.build(columns, units={"offset": "letters"})


@checked
def cluster_motifs(
    motifs: Dataset[MotifSet],
    *,
    threshold: float = 0.7,
    representative: str = "medoid",
    reverse_complement: bool = True,
) -> Dataset[MotifSet]:
    """Give each motif its family, and each family one motif to stand for it.

    Families are made by average linkage: two are joined while their motifs have a mean
    `motif_similarity` of at least the threshold.

    Parameters
    ----------
    motifs
        Motifs.
    threshold
        Least mean similarity, above 0 and at most 1. With 0.7 the 1,019 vertebrate motifs of
        JASPAR make 275 families, such as GATA, ETS or AP-1.
    representative
        ``"medoid"``: the motif that is most similar to the others of its family.
        ``"information"``: that with the most information.
    reverse_complement
        Also compare with the other strand. Motifs of proteins have one.

    Returns
    -------
    MotifSet
        The motifs in their order, with the coordinates ``family``, which is called as its
        representative is (a family that the set had is replaced), and ``representative``, true
        for one motif of each: ``motifs.isel(motif=motifs["representative"].values)``.

    Raises
    ------
    InvalidInput
        If options are out of range.

    Examples
    --------
    >>> import mutua as mt
    >>> motifs = mt.MotifSet.build({"GATA": "WGATAR", "other": "TTATCW", "E-box": "CANNTG"})
    >>> families = mt.tl.cluster_motifs(motifs)
    >>> families["family"].values.tolist(), families["representative"].values.tolist()
    (['GATA', 'GATA', 'E-box'], [True, False, True])
    """
    threshold = number("threshold", threshold, low=0, high=1, open_low=True)
    one_of("representative", representative, ["medoid", "information"])
    similarity = _aligned(motifs, None, reverse_complement).similarity
    similarity = (similarity + similarity.T) / 2
    labels = _linked(similarity, threshold)
    if representative == "medoid":
        worth = np.where(labels[:, None] == labels[None], similarity, 0).sum(axis=1)
    else:
        bits = column_information(motifs[PROBABILITY].values, motifs.attrs["background"])
        worth = bits.sum(axis=1)
    # Rounded, so that the order of additions does not decide between equals; the first is taken.
    best = np.lexsort((-worth.round(9), labels))
    _, first = np.unique(labels[best], return_index=True)
    chosen = best[first]
    stands = np.zeros(len(labels), bool)
    stands[chosen] = True
    names = np.array(_names(motifs, chosen), np.dtypes.StringDType())
    found = motifs.drop_vars("family", errors="ignore").assign_coords(
        family=(MOTIF, names[np.searchsorted(labels[chosen], labels)]),
        representative=(MOTIF, stands, {"long_name": "stands for its family"}),
    )
    return as_kind(MotifSet, found)


def _aligned(
    motifs: Dataset[MotifSet], targets: Dataset[MotifSet] | None, reverse_complement: bool
) -> Alignments:
    """Align motifs with targets, or with each other."""
    if not isinstance(reverse_complement, bool):
        raise InvalidInput("reverse_complement", f"{reverse_complement!r}", "use True or False")
    alphabet = motifs.attrs["alphabet"]
    other = motifs if targets is None else targets
    if other.attrs["alphabet"] != alphabet:
        found = f"of {other.attrs['alphabet']!r}, and the motifs of {alphabet!r}"
        raise InvalidInput("targets", found, "give both one alphabet, where they are read")
    turned = reverse_complement and is_nucleotide(alphabet)
    complement = complement_codes(alphabet) if turned else None
    own = _differences(motifs)
    return align_motifs(
        own,
        motifs[LENGTH].values,
        own if targets is None else _differences(targets),
        other[LENGTH].values,
        complement=complement,
    )


def _differences(motifs: Dataset[MotifSet]) -> np.ndarray:
    """Give what probabilities differ from the background by, 0 beyond the end of a motif."""
    probability = np.asarray(motifs[PROBABILITY].values, np.float64)
    inside = np.arange(probability.shape[2]) < motifs[LENGTH].values[:, None]
    background = np.asarray(motifs.attrs["background"])[:, None]
    return np.asarray(np.where(inside[:, None], probability - background, 0.0))


def _linked(similarity: np.ndarray, threshold: float) -> np.ndarray:
    """Give a number for each motif, the same for those of one family."""
    if len(similarity) < 2:
        return np.zeros(len(similarity), np.int64)
    distance = 1 - similarity.round(9)
    np.fill_diagonal(distance, 0)
    condensed = scipy.spatial.distance.squareform(distance, checks=False)
    tree = scipy.cluster.hierarchy.linkage(condensed, "average")
    labels = scipy.cluster.hierarchy.fcluster(tree, 1 - threshold + 1e-9, "distance")
    return np.asarray(labels, np.int64)


def _names(motifs: Dataset[MotifSet], chosen: np.ndarray) -> list[str]:
    """Give the name of each representative, with its id where others have the same."""
    ids = [str(motif) for motif in motifs[MOTIF].values[chosen]]
    if "name" not in motifs.coords:
        return ids
    names = [str(name) or own for name, own in zip(motifs["name"].values[chosen], ids, strict=True)]
    often = Counter(names)
    return [f"{x} {own}" if often[x] > 1 else x for x, own in zip(names, ids, strict=True)]
