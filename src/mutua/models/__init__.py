"""The typed data model: what every element is, checked and described in one place."""

from mutua.models.annotations import Annotations
from mutua.models.attributions import Attributions
from mutua.models.base import KINDS, Dataset, Element, as_kind
from mutua.models.checked import checked
from mutua.models.contact_map import ContactMap
from mutua.models.distance_mi import DistanceMI
from mutua.models.effects import Effects
from mutua.models.enrichment import Enrichment
from mutua.models.feature_mi import FeatureMI
from mutua.models.kmer_pairs import KmerPairs
from mutua.models.module_association import ModuleAssociation
from mutua.models.motif_pairs import MotifPairs
from mutua.models.motif_set import MotifSet
from mutua.models.neuron_effects import NeuronEffects
from mutua.models.position_mi import PositionMI
from mutua.models.position_mi_difference import PositionMIDifference
from mutua.models.program_network import ProgramNetwork
from mutua.models.program_regulators import ProgramRegulators
from mutua.models.selection import sel
from mutua.models.sequence_set import SequenceSet
from mutua.models.slots import to_xarray
from mutua.models.table import Table
from mutua.models.target_attributions import TargetAttributions

__all__ = [
    "KINDS",
    "Annotations",
    "Attributions",
    "ContactMap",
    "Dataset",
    "DistanceMI",
    "Effects",
    "Element",
    "Enrichment",
    "FeatureMI",
    "KmerPairs",
    "ModuleAssociation",
    "MotifPairs",
    "MotifSet",
    "NeuronEffects",
    "PositionMI",
    "PositionMIDifference",
    "ProgramNetwork",
    "ProgramRegulators",
    "SequenceSet",
    "Table",
    "TargetAttributions",
    "as_kind",
    "checked",
    "sel",
    "to_xarray",
]
