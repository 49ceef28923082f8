"""mutua: what a sequence model, a latent space or a perturbation screen has learned.

Everything is loaded when it is first used, so that importing the package is quick.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

from mutua import errors
from mutua.settings import settings

if TYPE_CHECKING:
    from mutua import datasets, get, io, models, pl, pp, report, stats, tl
    from mutua.analysis import Analysis, open
    from mutua.io.annotations import read_annotations, write_annotations
    from mutua.io.bigwig import write_bigwig
    from mutua.io.contacts import read_contacts
    from mutua.io.dataframes import to_dataframe
    from mutua.io.from_dataframe import from_dataframe
    from mutua.io.interop import from_plotmi, to_plotmi
    from mutua.io.motifs import read_motifs, write_motifs
    from mutua.io.programs import read_programs
    from mutua.io.regions import read_regions
    from mutua.io.sequences import (
        from_one_hot,
        from_strings,
        read_fasta,
        read_text,
        write_fasta,
    )
    from mutua.io.tables import read_table
    from mutua.io.tangermeme import from_tangermeme, to_tangermeme
    from mutua.models import (
        Annotations,
        Attributions,
        ContactMap,
        DistanceMI,
        Effects,
        Enrichment,
        FeatureMI,
        KmerPairs,
        ModuleAssociation,
        MotifPairs,
        MotifSet,
        NeuronEffects,
        PositionMI,
        PositionMIDifference,
        ProgramNetwork,
        ProgramRegulators,
        SequenceSet,
        Table,
        TargetAttributions,
        sel,
        to_xarray,
    )

_SUBMODULES = ("datasets", "get", "io", "models", "pl", "pp", "report", "stats", "tl")
_PLACES = {
    "Analysis": "mutua.analysis",
    "open": "mutua.analysis",
    "Annotations": "mutua.models",
    "Attributions": "mutua.models",
    "ContactMap": "mutua.models",
    "DistanceMI": "mutua.models",
    "Effects": "mutua.models",
    "KmerPairs": "mutua.models",
    "Enrichment": "mutua.models",
    "FeatureMI": "mutua.models",
    "ModuleAssociation": "mutua.models",
    "to_xarray": "mutua.models",
    "MotifPairs": "mutua.models",
    "MotifSet": "mutua.models",
    "NeuronEffects": "mutua.models",
    "PositionMI": "mutua.models",
    "PositionMIDifference": "mutua.models",
    "ProgramNetwork": "mutua.models",
    "ProgramRegulators": "mutua.models",
    "SequenceSet": "mutua.models",
    "Table": "mutua.models",
    "TargetAttributions": "mutua.models",
    "sel": "mutua.models",
    "from_dataframe": "mutua.io.from_dataframe",
    "write_bigwig": "mutua.io.bigwig",
    "to_tangermeme": "mutua.io.tangermeme",
    "from_tangermeme": "mutua.io.tangermeme",
    "write_annotations": "mutua.io.annotations",
    "read_annotations": "mutua.io.annotations",
    "from_one_hot": "mutua.io.sequences",
    "from_plotmi": "mutua.io.interop",
    "from_strings": "mutua.io.sequences",
    "read_contacts": "mutua.io.contacts",
    "read_fasta": "mutua.io.sequences",
    "read_motifs": "mutua.io.motifs",
    "read_programs": "mutua.io.programs",
    "read_regions": "mutua.io.regions",
    "read_table": "mutua.io.tables",
    "read_text": "mutua.io.sequences",
    "to_dataframe": "mutua.io.dataframes",
    "to_plotmi": "mutua.io.interop",
    "write_fasta": "mutua.io.sequences",
    "write_motifs": "mutua.io.motifs",
}

__all__ = [
    "Analysis",
    "Annotations",
    "Attributions",
    "ContactMap",
    "DistanceMI",
    "Effects",
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
    "datasets",
    "errors",
    "from_dataframe",
    "from_one_hot",
    "from_plotmi",
    "from_strings",
    "from_tangermeme",
    "get",
    "io",
    "models",
    "open",
    "pl",
    "pp",
    "read_annotations",
    "read_contacts",
    "read_fasta",
    "read_motifs",
    "read_programs",
    "read_regions",
    "read_table",
    "read_text",
    "report",
    "sel",
    "settings",
    "stats",
    "tl",
    "to_dataframe",
    "to_plotmi",
    "to_tangermeme",
    "to_xarray",
    "write_annotations",
    "write_bigwig",
    "write_fasta",
    "write_motifs",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("mutua")
    if name in _SUBMODULES:
        return importlib.import_module(f"mutua.{name}")
    if name in _PLACES:
        value = getattr(importlib.import_module(_PLACES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'mutua' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
