"""Small real data and models, bundled (`SOURCES.md` says where each comes from); simulators."""

from mutua.datasets._cells import SachsCytometry, immune_cells, immune_gene_sets, sachs
from mutua.datasets._data import contacts, gb1, rhomboid, rhomboid_structure_path
from mutua.datasets._metagenome import SimulatedMetagenome, simulate_metagenome
from mutua.datasets._motif_syntax import MotifSyntax, simulate_motif_syntax
from mutua.datasets._motifs import jaspar
from mutua.datasets._pooled_cnn import MotifSyntaxModel, PooledCNN, pooled_cnn
from mutua.datasets._screen import PerturbationScreen, simulate_perturbation_screen
from mutua.datasets._splice import SpliceAcceptor, SpliceDonor, splice_acceptor, splice_donor
from mutua.datasets._tables import MicrobesMetabolites, cf_sputum, microbes_metabolites, soils

__all__ = [
    "MicrobesMetabolites",
    "MotifSyntax",
    "MotifSyntaxModel",
    "PerturbationScreen",
    "PooledCNN",
    "SachsCytometry",
    "SimulatedMetagenome",
    "SpliceAcceptor",
    "SpliceDonor",
    "cf_sputum",
    "contacts",
    "gb1",
    "immune_cells",
    "immune_gene_sets",
    "jaspar",
    "microbes_metabolites",
    "pooled_cnn",
    "rhomboid",
    "rhomboid_structure_path",
    "sachs",
    "simulate_metagenome",
    "simulate_motif_syntax",
    "simulate_perturbation_screen",
    "soils",
    "splice_acceptor",
    "splice_donor",
]
