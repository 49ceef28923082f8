"""Small real data and models, bundled (`SOURCES.md` says where each comes from); simulators."""

from mutua.datasets._data import contacts, gb1, rhomboid, rhomboid_structure_path
from mutua.datasets._metagenome import SimulatedMetagenome, simulate_metagenome
from mutua.datasets._motifs import jaspar
from mutua.datasets._splice import SpliceAcceptor, SpliceDonor, splice_acceptor, splice_donor
from mutua.datasets._tables import MicrobesMetabolites, cf_sputum, microbes_metabolites, soils

__all__ = [
    "MicrobesMetabolites",
    "SimulatedMetagenome",
    "SpliceAcceptor",
    "SpliceDonor",
    "cf_sputum",
    "contacts",
    "gb1",
    "jaspar",
    "microbes_metabolites",
    "rhomboid",
    "rhomboid_structure_path",
    "simulate_metagenome",
    "soils",
    "splice_acceptor",
    "splice_donor",
]
