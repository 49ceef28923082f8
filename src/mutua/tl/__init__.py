"""Tools: what models and sequences say, as new elements."""

from mutua.tl.contacts import compare_contacts
from mutua.tl.distance import mi_by_distance
from mutua.tl.enriched_kmers import enriched_kmers
from mutua.tl.explain import explain_pair
from mutua.tl.kmer_enrichment import kmer_enrichment
from mutua.tl.position_mi import position_mi
from mutua.tl.position_mi_comparison import compare_position_mi
from mutua.tl.prediction import predict
from mutua.tl.seqlets import seqlets

__all__ = [
    "compare_contacts",
    "compare_position_mi",
    "enriched_kmers",
    "explain_pair",
    "kmer_enrichment",
    "mi_by_distance",
    "position_mi",
    "predict",
    "seqlets",
]
