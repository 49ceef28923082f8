"""Tools: what models and sequences say, as new elements."""

from mutua.tl.contacts import compare_contacts
from mutua.tl.distance import mi_by_distance
from mutua.tl.explain import explain_pair
from mutua.tl.position_mi import position_mi
from mutua.tl.prediction import predict

__all__ = ["compare_contacts", "explain_pair", "mi_by_distance", "position_mi", "predict"]
