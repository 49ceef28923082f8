"""Tools: what models and sequences say, as new elements."""

from mutua.tl.ablation import ablate
from mutua.tl.activating_windows import activating_windows
from mutua.tl.annotated_motifs import annotated_motifs
from mutua.tl.annotation import annotate
from mutua.tl.annotation_counts import count_annotations
from mutua.tl.associate_modules import associate_modules
from mutua.tl.attribution import attribute, select_target
from mutua.tl.autoencoder import autoencoder, encode
from mutua.tl.average_conditions import average_conditions
from mutua.tl.choose_n_programs import choose_n_programs
from mutua.tl.contacts import compare_contacts
from mutua.tl.design import design
from mutua.tl.distance import mi_by_distance
from mutua.tl.enriched_kmers import enriched_kmers
from mutua.tl.explain import explain_pair
from mutua.tl.feature_modules import feature_modules, module_scores
from mutua.tl.filtering import filter_annotations, merge_families
from mutua.tl.interaction_by_distance import interaction_by_distance
from mutua.tl.kmer_enrichment import kmer_enrichment
from mutua.tl.latent_correlation import latent_correlation
from mutua.tl.layers import layers
from mutua.tl.marginalization import marginalize, space
from mutua.tl.motif_enrichment import motif_enrichment
from mutua.tl.motif_families import cluster_motifs, motif_similarity
from mutua.tl.motif_interactions import motif_interactions
from mutua.tl.motif_pairs import pair_annotations
from mutua.tl.mutual_information import mutual_information
from mutua.tl.network_modules import condition_groups, network_modules
from mutua.tl.neuron_effects import neuron_effects
from mutua.tl.neuron_motifs import neuron_motifs
from mutua.tl.pair_spacings import pair_spacings
from mutua.tl.patterns import Patterns, patterns
from mutua.tl.position_mi import position_mi
from mutua.tl.position_mi_comparison import compare_position_mi
from mutua.tl.predict_metadata import predict_metadata, predictor_importance
from mutua.tl.prediction import predict
from mutua.tl.program_enrichment import program_enrichment
from mutua.tl.program_network import program_network
from mutua.tl.program_positions import program_positions
from mutua.tl.program_regulators import program_regulators
from mutua.tl.programs import programs
from mutua.tl.project_programs import project_programs
from mutua.tl.scan_contributions import scan_contributions
from mutua.tl.scanning import scan
from mutua.tl.seqlets import seqlets
from mutua.tl.variants import variant_effect

__all__ = [
    "Patterns",
    "ablate",
    "activating_windows",
    "annotate",
    "annotated_motifs",
    "associate_modules",
    "attribute",
    "autoencoder",
    "average_conditions",
    "choose_n_programs",
    "cluster_motifs",
    "compare_contacts",
    "compare_position_mi",
    "condition_groups",
    "count_annotations",
    "design",
    "encode",
    "enriched_kmers",
    "explain_pair",
    "feature_modules",
    "filter_annotations",
    "interaction_by_distance",
    "kmer_enrichment",
    "latent_correlation",
    "layers",
    "marginalize",
    "merge_families",
    "mi_by_distance",
    "module_scores",
    "motif_enrichment",
    "motif_interactions",
    "motif_similarity",
    "mutual_information",
    "network_modules",
    "neuron_effects",
    "neuron_motifs",
    "pair_annotations",
    "pair_spacings",
    "patterns",
    "position_mi",
    "predict",
    "predict_metadata",
    "predictor_importance",
    "program_enrichment",
    "program_network",
    "program_positions",
    "program_regulators",
    "programs",
    "project_programs",
    "scan",
    "scan_contributions",
    "select_target",
    "seqlets",
    "space",
    "variant_effect",
]
