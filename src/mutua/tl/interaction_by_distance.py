"""At which distances two motifs do more to a model's output than the sum of what each does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.motif_sites import SitePairs, Sites
from mutua.kernels.random_sequences import check_seed
from mutua.kernels.site_fills import FILLS
from mutua.models import Dataset, SequenceSet, checked
from mutua.models.annotations import Annotations
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import DISTANCE, SEQUENCE
from mutua.models.motif_pairs import MotifPairs
from mutua.tl._interaction_effects import (
    Filling,
    Model,
    interaction_model,
    site_variants,
)
from mutua.tl._interaction_embedding import embedded_variants, embedding
from mutua.tl._interaction_rows import (
    Significance,
    interaction_columns,
    interaction_pairs,
    significance,
    warn_of_absent,
)
from mutua.tl._interaction_sites import Pairs, SitePairing, locate, pair_sites, wanted_pairs
from mutua.tl.marginalization import Motifs

__all__ = ["interaction_by_distance"]

_FARTHEST = 100
_BIN = 10


@checked
def interaction_by_distance(
    sequences: Dataset[SequenceSet],
    model: Any,
    *,
    motifs: Motifs | None = None,
    annotations: Dataset[Annotations] | None = None,
    pairs: Pairs | None = None,
    spacings: Sequence[int] | None = None,
    position: int | None = None,
    max_distance: int | None = None,
    bin_width: int | None = None,
    ordered: bool = False,
    orientation: bool = False,
    strand: str | None = None,
    p_threshold: float = 1e-4,
    n_fills: int = 20,
    fill: str = "uniform",
    zero_tracks: bool = False,
    alpha: float = 0.05,
    confidence: float = 0.95,
    target: str | int | Callable[[Any], Any] | None = None,
    target_names: Sequence[str] | None = None,
    args: Sequence[Any] = (),
    encoding: str = "one_hot",
    batch_size: int = 256,
    device: str | None = None,
    progress: bool | None = None,
    seed: int = 0,
) -> Dataset[MotifPairs]:
    """Give the epistasis of pairs of motifs at each distance between them.

    By default of the sites that the sequences have. With `spacings` the sequences are
    backgrounds, into which each pair is written at every spacing.

    Parameters
    ----------
    sequences
        (sequence, position).
    model, alpha, confidence, target, target_names, args, encoding, batch_size, device, progress
        As for `mutua.tl.motif_interactions`, as are, for the sites that the sequences have,
        `annotations`, `strand`, `p_threshold`, `n_fills` and `fill`; and `zero_tracks`.
    motifs
        As for `mutua.tl.motif_interactions`. To be written into backgrounds also probabilities
        (letter, motif_position), as for `mutua.tl.marginalize`; letters are drawn from them for
        each background.
    pairs
        Pairs of ids or names, or a `MotifPairs`; by default all of different motifs. Of
        backgrounds, and with `ordered`, the first motif stands to the left.
    spacings
        Letters between the two motifs that are written into each background, in place of the
        sites that it has.
    position
        Of backgrounds: where the left motif begins; by default both together are in the middle.
    max_distance
        Of sites: most letters between them, by default 100.
    bin_width
        Of sites: distances that are taken together, by default 10; ``distance`` is then the least.
    ordered
        Of sites: keep apart which motif stands to the left. Otherwise both strands are read
        alike, and so that motif_a stands to the left; of a motif with itself ``--`` is ``++``.
    orientation
        Keep apart the strands of the two motifs; or write them in all four orientations. By
        default both are written as they are.
    seed
        Seed of fills, of the letters of motifs, and of intervals.

    Returns
    -------
    MotifPairs
        As `mutua.tl.motif_interactions` gives it, with ``distance`` and perhaps ``orientation``:
        a row for each that has sites, in order. q-values account for all rows. Of a motif with
        itself ``effect_a`` is that of the left site.

    Raises
    ------
    InvalidInput
        If motifs do not fit into the backgrounds, there are annotations or options of sites
        with `spacings`, sites have no strand and `orientation` asks for it, or for what
        `mutua.tl.motif_interactions` refuses.

    Warns
    -----
    UserWarning
        As `mutua.tl.motif_interactions`.

    Notes
    -----
    In backgrounds a motif is compared with the letters that were there (global importance
    analysis [1]_): nothing is filled. Backgrounds are the units of the test. One that has a motif
    by chance where it is to be written says less of it.

    References
    ----------
    .. [1] Koo, Majdandzic, Ploenzke, Anand and Paul 2021, PLoS Computational Biology 17:e1008925.

    Examples
    --------
    >>> import mutua as mt
    >>> backgrounds = mt.pp.random_sequences(20, length=60, seed=0)
    >>> def model(texts):  # 1 for each motif, 3 more for both at a distance below 6
    ...     rows = []
    ...     for text in texts:
    ...         a, b = text.find("TGATAAGG"), text.find("CACGTGAC")
    ...         rows.append([(a >= 0) + (b >= 0) + 3 * (a >= 0 and 8 <= b - a < 14)])
    ...     return rows
    >>> found = mt.tl.interaction_by_distance(
    ...     backgrounds, model, motifs={"GATA": "TGATAAGG", "E-box": "CACGTGAC"},
    ...     pairs=[("GATA", "E-box")], spacings=[2, 5, 8], encoding="text")
    >>> mt.to_dataframe(found)[["distance", "epistasis", "interaction"]].values.tolist()
    [[2, 3.0, 'synergistic'], [5, 3.0, 'synergistic'], [8, 0.0, 'additive']]
    """
    check_seed(seed)
    for argument, value in {"ordered": ordered, "orientation": orientation}.items():
        if not isinstance(value, bool):
            raise InvalidInput(argument, f"{value!r}", "use True or False")
    n_fills = whole_number("n_fills", n_fills, low=1)
    one_of("fill", fill, FILLS)
    levels = significance(alpha, confidence, seed)
    _refuse_options_of_the_other(spacings, {
        "annotations": annotations, "max_distance": max_distance, "bin_width": bin_width,
        "ordered": ordered or None, "strand": strand,
    }, position)  # fmt: skip
    applied = interaction_model(
        sequences, model, target=target, target_names=target_names, args=args, encoding=encoding,
        batch_size=batch_size, device=device, progress=progress, zero_tracks=zero_tracks,
    )  # fmt: skip
    n_sequences = sequences.sizes[SEQUENCE]
    if spacings is not None:
        if motifs is None:
            raise InvalidInput("motifs", "none to write into the sequences", "give them")
        plan = embedding(sequences, motifs, pairs, spacings=spacings, position=position,
                         orientation=orientation)  # fmt: skip
        variants = embedded_variants(applied, plan, n_sequences, seed)
        n = np.full(len(plan.rows), n_sequences)
        return _result(
            plan.rows, n, interaction_columns(variants, len(n), levels), plan.annotations,
            applied, levels, orientation=orientation, ordered=True, counted="sequences",
            n_sequences=n_sequences,
        )  # fmt: skip
    most = whole_number("max_distance", _FARTHEST if max_distance is None else max_distance, low=0)
    width = whole_number("bin_width", _BIN if bin_width is None else bin_width, low=1)
    located = locate(sequences, annotations, motifs, strand, p_threshold)
    wanted = wanted_pairs(located.annotations, pairs, ordered=ordered)
    pairing = pair_sites(located, wanted, most)
    n_pairs = np.bincount(pairing.pair, minlength=len(pairing.motifs))
    warn_of_absent(located.annotations, pairing.motifs, n_pairs, "have no rows")
    if orientation:
        _refuse_no_strand(located.sites, pairing)
    table, site_pairs, row = _cells(located.sites, pairing, wanted is not None, width,
                                    ordered=ordered, orientation=orientation)  # fmt: skip
    variants = site_variants(
        applied, located.sites, site_pairs, row,
        Filling(n_fills, fill, len(sequences.attrs["alphabet"]), seed,
                located.check(pairing.motifs)),
    )  # fmt: skip
    n = np.bincount(row, minlength=len(table))
    return _result(
        table, n, interaction_columns(variants, len(n), levels), located.annotations, applied,
        levels, orientation=orientation, ordered=ordered, counted="pairs of sites",
        n_sequences=n_sequences, max_distance=most,
    )  # fmt: skip


def _refuse_options_of_the_other(
    spacings: Any, of_sites: dict[str, Any], position: int | None
) -> None:
    """Refuse options of sites for backgrounds, and the other way round."""
    if spacings is None and position is not None:
        raise InvalidInput("position", f"{position!r} without spacings", "give spacings=")
    given = [name for name, value in of_sites.items() if value is not None]
    if spacings is not None and given:
        found = "given, and motifs are written into the sequences at `spacings`"
        raise InvalidInput(given[0], found, "leave one of them out")


def _refuse_no_strand(sites: Sites, pairing: SitePairing) -> None:
    without = sum(int((sites.strand[part] == 0).sum()) for part in pairing.sites)
    if without:
        found = f"True, and {without:,} sites have no strand"
        raise InvalidInput("orientation", found, "use orientation=False")


def _cells(
    sites: Sites, pairing: SitePairing, asked: bool, width: int, *, ordered: bool, orientation: bool
) -> tuple[np.ndarray, SitePairs, np.ndarray]:
    """Give the rows of the result, the pairs of sites, and the row of each.

    Rows are motif_a, motif_b, distance and orientation: (row, 4).
    """
    a, b = pairing.sites
    pair = pairing.pair
    b_left = sites.start[b] < sites.start[a]
    if ordered and asked:
        a, b, pair = a[~b_left], b[~b_left], pair[~b_left]
        b_left = np.zeros(len(a), np.bool_)
    turned = b_left
    if ordered:
        a, b = np.where(b_left, b, a), np.where(b_left, a, b)
        b_left = np.zeros(len(a), np.bool_)
    between = np.maximum(sites.start[b] - sites.end[a], sites.start[a] - sites.end[b])
    way = np.zeros(len(a), np.int64)
    if orientation:
        way = _orientations(sites, a, b, b_left, ordered)
    keys = np.stack([pair, turned & ordered, way, between // width * width], axis=1)
    cells, row = np.unique(keys, axis=0, return_inverse=True)
    motifs = np.array(pairing.motifs, np.int64).reshape(-1, 2)[cells[:, 0]]
    motifs = np.where(cells[:, 1:2] == 1, motifs[:, ::-1], motifs)
    table = np.concatenate([motifs, cells[:, [3, 2]]], axis=1)
    return table, SitePairs(a, b), row.reshape(-1)


def _orientations(
    sites: Sites, a: np.ndarray, b: np.ndarray, b_left: np.ndarray, ordered: bool
) -> np.ndarray:
    """Give the number of each orientation: twice whether the left motif is reversed, and the right.

    Without order a pair is read on the strand on which the first motif stands to the left.
    """
    reverse_a, reverse_b = sites.strand[a] == -1, sites.strand[b] == -1
    way = 2 * (reverse_a ^ b_left) + (reverse_b ^ b_left)
    same = sites.motif[a] == sites.motif[b]
    return np.asarray(np.where(same & (way == 3) & (not ordered), 0, way))


def _result(
    table: np.ndarray,
    n: np.ndarray,
    effects: dict[str, np.ndarray],
    annotations: Dataset[Annotations],
    model: Model,
    levels: Significance,
    *,
    orientation: bool,
    **attrs: Any,
) -> Dataset[MotifPairs]:
    a, b, distance, way = table.T
    columns = {
        "motif_a_index": a.astype(np.int32),
        "motif_b_index": b.astype(np.int32),
        "n": n.astype(np.int64),
        DISTANCE: distance.astype(np.int32),
        **effects,
    }
    if orientation:
        columns["orientation"] = way.astype(np.int8)
    return interaction_pairs(columns, annotations, model, levels, **attrs)
