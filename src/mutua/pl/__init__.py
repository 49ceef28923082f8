"""Plots: an element in, matplotlib Axes out; nothing shown, saved or changed."""

from mutua.pl.annotations import annotation_counts
from mutua.pl.effects import effects
from mutua.pl.logo import logo
from mutua.pl.motif_pairs import pair_matrix, spacing
from mutua.pl.motifs import motif, motifs
from mutua.pl.position_mi import mi_by_distance, mi_diagonal, pair_kmers, position_mi
from mutua.pl.position_mi_comparison import compare_position_mi
from mutua.pl.seqlet_map import seqlet_map

__all__ = [
    "annotation_counts",
    "compare_position_mi",
    "effects",
    "logo",
    "mi_by_distance",
    "mi_diagonal",
    "motif",
    "motifs",
    "pair_kmers",
    "pair_matrix",
    "position_mi",
    "seqlet_map",
    "spacing",
]
