"""Small real data and models, bundled; `SOURCES.md` says where each comes from."""

from mutua.datasets._data import contacts, gb1, rhomboid, rhomboid_structure_path
from mutua.datasets._motifs import jaspar
from mutua.datasets._splice import SpliceAcceptor, SpliceDonor, splice_acceptor, splice_donor

__all__ = [
    "SpliceAcceptor",
    "SpliceDonor",
    "contacts",
    "gb1",
    "jaspar",
    "rhomboid",
    "rhomboid_structure_path",
    "splice_acceptor",
    "splice_donor",
]
