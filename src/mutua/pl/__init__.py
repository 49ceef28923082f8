"""Plots: an element in, matplotlib Axes out; nothing shown, saved or changed."""

from mutua.pl.annotations import annotation_counts
from mutua.pl.effects import effects
from mutua.pl.feature_mi import feature_mi
from mutua.pl.interactions import interaction_distance, interactions
from mutua.pl.latent_training import latent_training
from mutua.pl.logo import logo
from mutua.pl.mi_scatter import mi_scatter
from mutua.pl.module_association import module_association
from mutua.pl.module_dendrogram import module_dendrogram
from mutua.pl.motif_pairs import pair_matrix, spacing
from mutua.pl.motifs import motif, motifs
from mutua.pl.n_programs import n_programs
from mutua.pl.network import network
from mutua.pl.network_matrices import coupling, response
from mutua.pl.neuron_effects import neuron_effects
from mutua.pl.neuron_motifs import neuron_motifs
from mutua.pl.patterns import patterns
from mutua.pl.position_mi import mi_by_distance, mi_diagonal, pair_kmers, position_mi
from mutua.pl.position_mi_comparison import compare_position_mi
from mutua.pl.programs import programs, programs_on_embedding
from mutua.pl.response_circle import response_circle
from mutua.pl.seqlet_map import seqlet_map

__all__ = [
    "annotation_counts",
    "compare_position_mi",
    "coupling",
    "effects",
    "feature_mi",
    "interaction_distance",
    "interactions",
    "latent_training",
    "logo",
    "mi_by_distance",
    "mi_diagonal",
    "mi_scatter",
    "module_association",
    "module_dendrogram",
    "motif",
    "motifs",
    "n_programs",
    "network",
    "neuron_effects",
    "neuron_motifs",
    "pair_kmers",
    "pair_matrix",
    "patterns",
    "position_mi",
    "programs",
    "programs_on_embedding",
    "response",
    "response_circle",
    "seqlet_map",
    "spacing",
]
