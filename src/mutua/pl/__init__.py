"""Plots: an element in, matplotlib Axes out; nothing shown, saved or changed."""

from mutua.pl.position_mi import mi_by_distance, mi_diagonal, pair_kmers, position_mi

__all__ = ["mi_by_distance", "mi_diagonal", "pair_kmers", "position_mi"]
