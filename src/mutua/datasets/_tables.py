"""Bundled tables of samples by features; `SOURCES.md` beside this file says where from."""

from __future__ import annotations

from typing import NamedTuple

import anndata
import pandas as pd

from mutua.datasets._data import DATA
from mutua.io.tables import read_table
from mutua.models import checked
from mutua.models.dims import RECORD
from mutua.models.provenance import call_step, stamp

__all__ = ["MicrobesMetabolites", "cf_sputum", "microbes_metabolites", "soils"]

_STAGES = ["early", "earlymid", "latemid", "late"]


@checked
def cf_sputum() -> anndata.AnnData:
    """Give the bacteria of sputum cultured at eight values of pH, 236 samples x 188 taxa.

    Sputum of 16 people with cystic fibrosis and of 6 healthy ones was grown in capillary tubes at
    pH 5 to 8.5 and sequenced, as were the sputum itself, cultures without sputum and blanks. The
    samples of one person are alike, so a test has to permute within people.

    Returns
    -------
    AnnData
        ``X``: int64 counts of 16S rRNA gene reads, with 63 % zeros. ``var_names``: numbers of
        Greengenes. ``obs``: ``ph`` (NaN but for the 194 cultures), ``patient`` (missing for
        controls and blanks), ``specimen`` (two of patients CF151 and CF160), ``bubbles`` (per
        cent of the tube that is gas, where it was measured), ``group`` (``"cystic fibrosis"``,
        ``"healthy"``, ``"control"``, ``"blank"``), ``kind`` (``"culture"``, ``"sputum"``,
        ``"blank"``), ``extraction_robot``, ``processing_robot``, ``primer_plate``.

    References
    ----------
    Morton J. T. et al., Balance trees reveal microbial niche differentiation. mSystems 2,
    e00162-16 (2017); Qiita study 10511.

    Examples
    --------
    >>> import mutua as mt
    >>> sputum = mt.datasets.cf_sputum()
    >>> sputum.shape, int(sputum.obs["ph"].notna().sum())
    ((236, 188), 194)
    >>> cultures = sputum[(sputum.obs["kind"] == "culture") & sputum.obs["patient"].notna()].copy()
    >>> mt.pp.clr(cultures)
    >>> cultures.n_obs, cultures.obs["patient"].nunique()
    (186, 22)
    """
    return _bundled("cf_sputum", ["patient", "specimen", "group", "kind", "primer_plate",
                                  "extraction_robot", "processing_robot"])  # fmt: skip


@checked
def soils() -> anndata.AnnData:
    """Give the bacteria of 89 soils of pH 3.56 to 8.86 from the Americas, 89 samples x 119 taxa.

    Of all that was measured, pH is what the bacteria of a soil follow most.

    Returns
    -------
    AnnData
        ``X``: int64 counts of 16S rRNA gene reads, with 67 % zeros. ``var_names``: numbers of
        Greengenes. ``obs``: ``ph``, ``temperature`` (annual mean, °C), ``precipitation`` (mm a
        year), ``elevation`` (m), ``latitude``, ``longitude``, ``organic_carbon``,
        ``organic_nitrogen``, ``carbon_nitrogen_ratio``, ``carbon_mineralization``, ``silt_clay``
        (%), ``moisture_deficit``, ``texture``, ``soil_type``, ``biome``, ``country``, ``location``,
        all as in the source.

    References
    ----------
    Lauber C. L. et al., Pyrosequencing-based assessment of soil pH as a predictor of soil bacterial
    community structure at the continental scale. Applied and Environmental Microbiology 75,
    5111-5120 (2009); Morton J. T. et al., mSystems 2, e00162-16 (2017).

    Examples
    --------
    >>> import mutua as mt
    >>> soils = mt.datasets.soils()
    >>> soils.shape, float(soils.obs["ph"].min()), float(soils.obs["ph"].max())
    ((89, 119), 3.56, 8.86)
    """
    return _bundled("soils", ["texture", "soil_type", "biome", "country"])


class MicrobesMetabolites(NamedTuple):
    """Two tables of the same samples, in the same order.

    Attributes
    ----------
    microbes
        Counts.
    metabolites
        Intensities.
    """

    microbes: anndata.AnnData
    metabolites: anndata.AnnData


def microbes_metabolites() -> MicrobesMetabolites:
    """Give microbes and metabolites of 19 samples of desert soil crust after wetting.

    Four stages of the crust, at five times after it was wetted (one sample is missing). 466 x 85
    pairs and 19 samples: hardly any dependency can be told from chance here, which is what the
    data are good for.

    Returns
    -------
    MicrobesMetabolites
        ``microbes``: AnnData 19 x 466, int64 counts, with ``var["phylum"]``, which is
        ``"unknown"`` of 21. ``metabolites``: AnnData 19 x 85, int64 intensities. Both with
        ``obs["hours"]`` since wetting and ``obs["stage"]``, ordered from early to late.

    References
    ----------
    Swenson T. L. et al., Linking soil biology and chemistry in biological soil crust using isolate
    exometabolomics. Nature Communications 9, 19 (2018); Morton J. T. et al., Learning
    representations of microbe-metabolite interactions. Nature Methods 16, 1306-1314 (2019).

    Examples
    --------
    >>> import mutua as mt
    >>> microbes, metabolites = mt.datasets.microbes_metabolites()
    >>> microbes.shape, metabolites.shape, microbes.obs["stage"].value_counts().tolist()
    ((19, 466), (19, 85), [5, 5, 5, 4])
    """
    steps = call_step("datasets.microbes_metabolites", {})
    tables = []
    for name in MicrobesMetabolites._fields:
        table = read_table(DATA / f"biocrust_{name}.tsv.gz", samples="columns")
        time, stage = zip(*(sample.split("_") for sample in table.obs_names), strict=True)
        table.obs["hours"] = [_hours(text) for text in time]
        table.obs["stage"] = pd.Categorical(stage, categories=_STAGES, ordered=True)
        tables.append(table)
    microbes, metabolites = tables
    phylum = microbes.var_names.str.extract(r"\((.*)\)$", expand=False)
    microbes.var["phylum"] = phylum.to_numpy(dtype=object)
    for table in tables:
        stamp(table, "AnnData", 1, steps)
    return MicrobesMetabolites(microbes, metabolites)


def _hours(text: str) -> float:
    """Give the hours that ``3min`` and ``49p5hr`` stand for."""
    minutes = text.endswith("min")
    value = float(text.removesuffix("min").removesuffix("hr").replace("p", "."))
    return value / 60 if minutes else value


def _bundled(name: str, categories: list[str]) -> anndata.AnnData:
    """Read a table and what is known of its samples, without a record of the files."""
    table = read_table(DATA / f"{name}.tsv.gz", metadata=DATA / f"{name}_samples.tsv.gz")
    for column in categories:
        table.obs[column] = table.obs[column].astype("category")
    del table.uns[RECORD]
    return table
