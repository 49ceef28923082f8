"""Whether two motifs together do more to a model's output than the sum of what each does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mutua.kernels.random_sequences import check_seed
from mutua.kernels.site_fills import FILLS
from mutua.models import Dataset, SequenceSet, checked
from mutua.models.annotations import Annotations
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import SEQUENCE
from mutua.models.motif_pairs import MotifPairs
from mutua.tl._interaction_effects import Filling, interaction_model, site_variants
from mutua.tl._interaction_rows import (
    interaction_columns,
    interaction_pairs,
    significance,
    warn_of_absent,
)
from mutua.tl._interaction_sites import Motifs, Pairs, locate, pair_sites, wanted_pairs

__all__ = ["motif_interactions"]


@checked
def motif_interactions(
    sequences: Dataset[SequenceSet],
    model: Any,
    *,
    motifs: Motifs | None = None,
    annotations: Dataset[Annotations] | None = None,
    pairs: Pairs | None = None,
    max_distance: int | None = None,
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
    r"""Give the epistasis of pairs of motifs: the effect of both beyond the sum of each.

    Both sites of a pair are overwritten with random letters, one alone and both at once, and the
    model is applied to the sequence as it is, o, without the first motif, a, without the second,
    b, and without both, n:

    .. math:: epistasis = (o - n) - (b - n) - (a - n) = o + n - a - b

    Parameters
    ----------
    sequences
        (sequence, position); a dask-backed or lazily opened set is read in blocks.
    model
        As for `mutua.tl.predict`, as are `target_names`, `args`, `encoding`, `batch_size`,
        `device` and `progress`.
    motifs
        IUPAC patterns (one, a list, or by name), which stand wherever they match; or a
        `MotifSet`, which is scanned for by `mutua.tl.scan`. Sites may overlap.
    annotations
        Sites of motifs in these very sequences, of `mutua.tl.scan`,
        `mutua.tl.scan_contributions` or a user's own; rows without motif (-1) are left out. With
        `motifs` as well these say only what the motifs are, by the same ids or names.
    pairs
        Pairs of ids or names, or a `MotifPairs`, such as some rows of `mutua.tl.pair_annotations`.
        By default all pairs of different motifs that have sites in one sequence. Two sites that
        share a letter are no pair. Of a motif with itself, if it is asked for, the left site is
        the first motif.
    max_distance
        Leave out sites with more letters between them.
    strand
        Of `motifs`: ``"both"`` or ``"forward"``; by default both of DNA.
    p_threshold
        Of a `MotifSet`: sites have p-values below this.
    n_fills
        Fills of each site, at least 1.
    fill
        ``"uniform"``: independent letters, all equally likely. ``"dinucleotide"``: the letters of
        the site shuffled so that it keeps its dinucleotides; of short or repetitive sites there
        may be no other order.
    zero_tracks
        Set the tracks of the sequences to 0 in all variants; by default they stay.
    alpha
        Level of the classes, above 0 and below 1.
    confidence
        Level of the intervals, above 0 and below 1.
    target
        One output of the model, by name, index or function.
    seed
        Seed of fills and intervals.

    Returns
    -------
    MotifPairs
        A row for each pair, as asked for or in the order of the motifs. ``n``: pairs of sites;
        ``n_tested``: sequences that have one. ``effect_a``: b - n, of the first motif where the
        second is destroyed; ``effect_b``: a - n; ``effect_joint``: o - n; all, as ``epistasis``,
        means over the sequences, with ``*_low`` and ``*_high``. ``p_value``, ``q_value``
        (Benjamini-Hochberg over the pairs) and ``interaction`` are those of the epistasis,
        ``p_effect_a``, ``p_effect_b`` and ``p_effect_joint`` those of the effects.

    Raises
    ------
    InvalidInput
        If there are neither motifs nor annotations, motifs are unknown, annotations are of other
        sequences or hold padding, the model has several outputs and no `target` is named, a
        prediction is NaN or infinite, or for what `mutua.tl.predict` refuses.

    Warns
    -----
    UserWarning
        For pairs that are asked for and have no sites, and for fills that hold a motif however
        often they are drawn, which are left out.

    Notes
    -----
    *Fills* hold no motif that the site is in a pair with, nor its own, and make none with the
    letters beside them; such fills are drawn again. Where sites are known from annotations alone,
    no more than half of the letters of a site stay. The fills of a site are the same alone and
    with any partner, so that a model in which motifs add up has an epistasis of 0 up to rounding,
    and they depend on the seed and the place of the site alone.

    *One value per sequence.* Each quantity is averaged over the fills, then over the pairs of
    sites in a sequence, as sites of one sequence are not independent. The test is Wilcoxon's
    signed-rank test of these values, two-sided, exact up to 50 sequences; values that are 0 up to
    the rounding of float32 (4e-6 of the largest prediction for the sequence) are dropped.
    Intervals are percentiles of 2,000 bootstrap means.

    *Classes.* An effect is significant if its p-value is at most `alpha`, the epistasis if its
    q-value is.

    - ``undefined``: fewer than 6 sequences. There are no p-values and no intervals.
    - ``opposed``: the effects of both motifs are significant and of opposite sign.
    - ``ambiguous``: neither motif has a significant effect, alone or together.
    - ``additive``: the epistasis is not significant.
    - ``synergistic``: the epistasis has the sign of the significant effect of either motif, or,
      if neither has one alone, that of their joint effect.
    - ``antagonistic``: it has the opposite sign.

    *Scale.* Effects that add up on one scale do not on another: those of log-odds interact as
    probabilities, which are bounded. Choose the output accordingly, e.g. by a function as `target`.

    Applications of the model: one for each sequence, `n_fills` for each site and for each pair of
    sites.

    References
    ----------
    Wilcoxon 1945, Biometrics Bulletin 1:80. Epistasis by mutating motifs in silico: Avsec et al.
    2021, Nature Genetics 53:354 (BPNet); Koo et al. 2021, PLoS Computational Biology 17:e1008925.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(30, length=60, seed=0)
    >>> seqs = mt.pp.embed_motifs(seqs, ["TGATAAGG", "CACGTGAC"], spacings=7)
    >>> def model(texts):  # 1 for each motif, 3 more for both
    ...     there = [("TGATAAGG" in text, "CACGTGAC" in text) for text in texts]
    ...     return [[a + b + 3 * (a and b)] for a, b in there]
    >>> motifs = {"GATA": "TGATAAGG", "E-box": "CACGTGAC"}
    >>> found = mt.tl.motif_interactions(seqs, model, motifs=motifs, n_fills=5, encoding="text")
    >>> columns = ["n_tested", "effect_a", "effect_joint", "epistasis", "interaction"]
    >>> mt.to_dataframe(found)[columns].values.tolist()
    [[30, 1.0, 5.0, 3.0, 'synergistic']]
    """
    check_seed(seed)
    n_fills = whole_number("n_fills", n_fills, low=1)
    one_of("fill", fill, FILLS)
    if max_distance is not None:
        max_distance = whole_number("max_distance", max_distance, low=0)
    levels = significance(alpha, confidence, seed)
    applied = interaction_model(
        sequences, model, target=target, target_names=target_names, args=args, encoding=encoding,
        batch_size=batch_size, device=device, progress=progress, zero_tracks=zero_tracks,
    )  # fmt: skip
    located = locate(sequences, annotations, motifs, strand, p_threshold)
    wanted = wanted_pairs(located.annotations, pairs, ordered=False)
    pairing = pair_sites(located, wanted, max_distance)
    n = np.bincount(pairing.pair, minlength=len(pairing.motifs)).astype(np.int64)
    warn_of_absent(located.annotations, pairing.motifs, n, "are 'undefined'")
    variants = site_variants(
        applied, located.sites, pairing.sites, pairing.pair,
        Filling(n_fills, fill, len(sequences.attrs["alphabet"]), seed,
                located.check(pairing.motifs)),
    )  # fmt: skip
    a, b = np.array(pairing.motifs, np.int32).reshape(-1, 2).T
    columns: dict[str, np.ndarray] = {"motif_a_index": a, "motif_b_index": b, "n": n}
    return interaction_pairs(
        columns | interaction_columns(variants, len(n), levels),
        located.annotations,
        applied,
        levels,
        counted="pairs of sites",
        ordered=False,
        n_sequences=sequences.sizes[SEQUENCE],
        max_distance=max_distance,
    )
