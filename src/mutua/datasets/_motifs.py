"""Bundled motifs; `SOURCES.md` beside this file says where they come from."""

from __future__ import annotations

from mutua.datasets._data import DATA
from mutua.io.motifs import read_motifs
from mutua.models import Dataset, MotifSet
from mutua.models.build import assemble

__all__ = ["jaspar"]


def jaspar() -> Dataset[MotifSet]:
    """Give the vertebrate transcription factor motifs of JASPAR 2026, collection CORE.

    Returns
    -------
    MotifSet
        1,019 motifs, the latest version of each: ids such as ``MA0139.2``, ``name``, ``family``
        (two, joined by ``"; "``, for most dimers; "" for three motifs) and ``n_sites``, the
        largest sum of counts of a column.

    References
    ----------
    JASPAR, https://jaspar.elixir.no, CC BY 4.0; Rauluseviciute et al., JASPAR 2024: 20th
    anniversary of the open-access database of transcription factor binding profiles. Nucleic
    Acids Research 52, D174-D182 (2024).

    Examples
    --------
    >>> import mutua as mt
    >>> motifs = mt.datasets.jaspar()
    >>> motifs.sizes["motif"], motifs["name"].sel(motif="MA0139.2").item()
    (1019, 'CTCF')
    """
    found = read_motifs(DATA / "jaspar_vertebrates.transfac.gz", alphabet="DNA")
    return assemble(MotifSet, found, {}, function="datasets.jaspar")
