"""Prepare: make, change and choose sequences; transform abundances."""

from mutua.pp.abundance import clr, log_abundance
from mutua.pp.alignment import align_on
from mutua.pp.evolution import evolve
from mutua.pp.motif_sets import trim_motifs
from mutua.pp.motifs import embed_motifs
from mutua.pp.positions import number_positions
from mutua.pp.selection import select
from mutua.pp.sequences import (
    one_hot,
    random_sequences,
    reverse_complement,
    shuffle,
    to_strings,
)
from mutua.pp.weights import sequence_weights

__all__ = [
    "align_on",
    "clr",
    "embed_motifs",
    "evolve",
    "log_abundance",
    "number_positions",
    "one_hot",
    "random_sequences",
    "reverse_complement",
    "select",
    "sequence_weights",
    "shuffle",
    "to_strings",
    "trim_motifs",
]
