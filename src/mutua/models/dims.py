"""The names of dims, coordinates and variables, each said once.

Every argument, column and axis label of mutua uses these names.
"""

from __future__ import annotations

from typing import Final

SEQUENCE: Final = "sequence"
POSITION: Final = "position"
LETTER: Final = "letter"
TARGET: Final = "target"
TRACK: Final = "track"
POSITION_I: Final = "position_i"
POSITION_J: Final = "position_j"
KMER_I: Final = "kmer_i"
KMER_J: Final = "kmer_j"
DISTANCE: Final = "distance"
MOTIF: Final = "motif"
MOTIF_POSITION: Final = "motif_position"
ANNOTATION: Final = "annotation"
SPAN_POSITION: Final = "span_position"
PAIR: Final = "pair"
TERM: Final = "term"
GROUP: Final = "group"
EXPERIMENT: Final = "experiment"
SAMPLE: Final = "sample"
FEATURE: Final = "feature"
LATENT: Final = "latent"
MODULE: Final = "module"
PROGRAM: Final = "program"
NODE: Final = "node"
REGULATOR: Final = "regulator"
NEURON: Final = "neuron"
CONDITION: Final = "condition"
ROW: Final = "row"

CODES: Final = "codes"
SEQUENCE_ID: Final = "sequence_id"
PREDICTION: Final = "prediction"
WEIGHT: Final = "weight"
LENGTH: Final = "length"
TRACKS: Final = "tracks"
PROBABILITY: Final = "probability"
CONTRIBUTION: Final = "contribution"
INFORMATION: Final = "information"
ATTRIBUTION: Final = "attribution"
SEQUENCE_INDEX: Final = "sequence_index"
SEQUENCE_LENGTH: Final = "sequence_length"
MOTIF_INDEX: Final = "motif_index"
START: Final = "start"
END: Final = "end"
LAYER: Final = "layer"
CHANNEL: Final = "channel"

RECORD: Final = "mutua"
"""Key under which every element carries its record: kind, schema version, provenance."""

LARGE_DIMS: Final = frozenset({SEQUENCE, ANNOTATION, PAIR, ROW})
"""Dims that never carry an index: an index over 10 million names costs a gigabyte."""
NAMES: Final = {SEQUENCE: SEQUENCE_ID}
"""The non-index coordinate that names the entries of a large dim."""
