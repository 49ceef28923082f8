"""One small element of every kind, and an AnnData with something in every slot."""

from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp
import xarray as xr

import mutua as mt
from mutua.models.digests import plain
from mutua.models.dims import RECORD
from tests.models.examples import (
    feature_mi,
    module_association,
    program_network,
    program_regulators,
)


def sequence_set(n: int = 6, seed: int = 0) -> xr.Dataset:
    """6 sequences of 5 letters, 3 targets, 2 tracks, with names in several alphabets."""
    rng = np.random.default_rng(seed)
    names = ["first", "", "zweite_ä", "三", "d" * 40, "🧬"]
    return mt.SequenceSet.build(
        rng.integers(0, 4, (n, 5)).astype(np.uint8),
        alphabet="DNA",
        sequence_id=[names[i % 6] for i in range(n)],
        prediction=rng.normal(size=(n, 3)).astype(np.float32),
        target=["donor", "acceptor", "neither"],
        tracks=rng.random((n, 2, 5)).astype(np.float32),
        track=["open", "closed"],
        weight=rng.random(n),
        start=np.arange(n, dtype=np.int64),
    )


def position_mi() -> xr.Dataset:
    """A 4 x 4 matrix with NaN on the diagonal."""
    half = np.triu(np.random.default_rng(1).random((4, 4)), 1)
    mi = half + half.T
    np.fill_diagonal(mi, np.nan)
    attrs = {"k": 3, "alphabet": "ACGT", "pseudocount": 0.5, "n_sequences": 10}
    return mt.PositionMI.build(
        mi=mi,
        position_i=np.arange(4),
        position_j=np.arange(4),
        measure="mi",
        correction="none",
        **attrs,
    )


def position_mi_difference() -> xr.Dataset:
    """A 4 x 4 difference with NaN on the diagonal."""
    mi = position_mi()["mi"].values
    return mt.PositionMIDifference.build(
        mi_a=mi,
        mi_b=mi / 4,
        difference=mi * 3 / 4,
        position_i=np.arange(4),
        position_j=np.arange(4),
        k=1,
        alphabet="ACGT",
        pseudocount=0.0,
        n_sequences_a=10,
        n_sequences_b=12,
        name_a="erste_ä",
        name_b="二",
        correction="none",
    )


def distance_mi() -> xr.Dataset:
    """5 distances."""
    return mt.DistanceMI.build(
        mi_mean=np.linspace(0, 1, 5),
        mi_max=np.full(5, np.nan),
        n_pairs=np.arange(5),
        distance=np.arange(1, 6),
        k=3,
        measure="mi",
    )


def kmer_pairs() -> xr.Dataset:
    """2 x 3 k-mers."""
    table = np.arange(6.0).reshape(2, 3)
    return mt.KmerPairs.build(
        observed=table,
        expected=table + 1,
        contribution=table - 3,
        kmer_i=["AA", "AC"],
        kmer_j=["G", "T", "TT"],
        position_i=3,
        position_j=7,
        k=2,
        pseudocount=0.0,
    )


def contact_map() -> xr.Dataset:
    """7 x 7 residues."""
    return mt.ContactMap.build(
        distance=np.abs(np.subtract.outer(np.arange(7.0), np.arange(7.0))).astype(np.float32),
        position_i=np.arange(7),
        position_j=np.arange(7),
        residue_number=np.arange(10, 17),
        atom="CB",
    )


def motif_set() -> xr.Dataset:
    """3 motifs of 2, 4 and 5 amino acids."""
    return mt.MotifSet.build(
        {"RGD": "RG", "zinc": "CXXC", "kinase": "RRXST"},
        alphabet="protein",
        n_sites=[4, np.nan, 7.5],
        name=["Zellbindung_ä", "", "🧬"],
    )


def table(n: int = 8) -> xr.Dataset:
    """8 rows of every type a column may have, in an order that no sorting gives."""
    rows = np.arange(n)
    times = np.array(["2020-02-29T01:02:03.123456789", "NaT"], dtype="M8[ns]")[rows % 2]
    return mt.Table.build(
        {
            "z": rows.astype(np.int64),
            "a": np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max])[rows % 2],
            "real": np.array([np.nan, np.inf, -np.inf, -0.0])[rows % 4],
            "half": rows.astype(np.float16),
            "truth": rows % 3 == 0,
            "fixed": np.array(["", "x", "ä"])[rows % 3],
            "objects": np.array(["p", "", "quite long"], dtype=object)[rows % 3],
            "variable": np.array(["a", "bb"], dtype=np.dtypes.StringDType())[rows % 2],
            "time": times,
            "second": times.astype("M8[s]"),
            "span": np.array([1, "NaT"], dtype="m8[us]")[rows % 2],
            "complex": rows * 1j,
            "byte": rows.astype(np.uint8),
        },
        units={"z": "days since 2000-01-01", "real": "seconds"},
    )


def attributions() -> xr.Dataset:
    """6 sequences of 5 letters with a value for each of 4 letters."""
    return mt.Attributions.build(
        sequence_set(),
        attribution=np.random.default_rng(3).normal(size=(6, 4, 5)),
        target="donor",
        method="saliency",
        hypothetical=False,
    )


def target_attributions() -> xr.Dataset:
    """6 sequences of 5 letters with a value for each of 2 targets and 4 letters."""
    return mt.TargetAttributions.build(
        sequence_set().drop_vars(["prediction", "target"], errors="ignore"),
        attribution=np.random.default_rng(3).normal(size=(6, 2, 4, 5)),
        target=["donor", "acceptor"],
        method="saliency",
        hypothetical=False,
    )


def annotations() -> xr.Dataset:
    """4 spans in 3 sequences, of 2 motifs or none."""
    return mt.Annotations.build(
        sequence_index=[0, 0, 2, 2],
        start=[0, 4, 7, 1],
        end=[3, 9, 8, 6],
        motif_index=[0, 1, -1, 1],
        strand=[1, -1, 0, 1],
        score=[1.5, np.nan, 3.0, 4.0],
        sequence_length=[9, 9, 8],
        sequence_id=["a", "", "三"],
        motif=["GATA", "TAL1"],
        source="user",
    )


def effects() -> xr.Dataset:
    """2 sequences, 3 experiments and a target."""
    return mt.Effects.build(
        before=[[0.5], [0.25]],
        after=[[[0.5], [np.nan], [1]], [[0], [1], [2]]],
        experiment=["GATA", "三", ""],
        target=["donor"],
        procedure="marginalize",
    )


def motif_pairs() -> xr.Dataset:
    """3 pairs of 2 motifs."""
    return mt.MotifPairs.build(
        motif_a_index=[0, 0, 1],
        motif_b_index=[0, 1, 1],
        n=[5, 0, 2**40],
        expected=[5.5, np.nan, 1.25],
        motif=["GATA", "三"],
        counted="sequences",
        ordered=False,
        n_sequences=20,
    )


def neuron_effects() -> xr.Dataset:
    """3 neurons by 1 target."""
    ones = np.ones((3, 1))
    return mt.NeuronEffects.build(
        activation_max=[2.5, np.nan, 0.5],
        activation_sequence=[4, -1, 2],
        activation_start=[7, -1, 0],
        n_active=[[5], [0], [2]],
        n_silent=[[15], [20], [18]],
        mean_active=[[1.5], [np.nan], [0]],
        mean_silent=ones,
        effect=[[0.5], [np.nan], [-1]],
        effect_low=ones,
        effect_high=ones,
        cohen_d=ones,
        p_value=ones,
        q_value=ones,
        sign=[[1], [0], [0]],
        status=["tested", "dead", "undefined"],
        neuron=["三:0", "三:1", ":0"],
        layer=["三", "三", ""],
        channel=[0, 1, 0],
        threshold=0.5,
        alpha=0.05,
        values="labels",
        test="Welch",
    )


def enrichment() -> xr.Dataset:
    """3 terms by 2 groups."""
    ones = np.ones((3, 2))
    return mt.Enrichment.build(
        n_both=ones,
        expected=ones,
        odds_ratio=[[0.5, 2], [np.inf, 0], [1, np.nan]],
        p_value=ones,
        q_value=ones,
        n_term=[3, 3, 11],
        n_group=[10, 10],
        term=["GATA", "", "三"],
        group=["red", "blue"],
        n=20,
        test="Fisher",
        n_tests=6,
    )


EXAMPLES: dict[str, Callable[[], xr.Dataset]] = {
    "Annotations": annotations,
    "Attributions": attributions,
    "TargetAttributions": target_attributions,
    "SequenceSet": sequence_set,
    "FeatureMI": feature_mi,
    "ModuleAssociation": module_association,
    "ProgramNetwork": program_network,
    "ProgramRegulators": program_regulators,
    "PositionMI": position_mi,
    "PositionMIDifference": position_mi_difference,
    "DistanceMI": distance_mi,
    "Effects": effects,
    "Enrichment": enrichment,
    "KmerPairs": kmer_pairs,
    "MotifPairs": motif_pairs,
    "NeuronEffects": neuron_effects,
    "MotifSet": motif_set,
    "ContactMap": contact_map,
    "Table": table,
}


def adata(n_obs: int = 20, n_vars: int = 7) -> anndata.AnnData:
    """20 cells x 7 genes with something in every slot, as scanpy leaves it."""
    rng = np.random.default_rng(0)
    counts = sp.random(n_obs, n_vars, 0.4, format="csr", random_state=rng, dtype=np.float32)
    made = anndata.AnnData(counts)
    made.obs_names = [f"cell{i}" for i in range(n_obs)]
    made.var_names = [f"gene{i}" for i in range(n_vars)]
    rows = np.arange(n_obs)
    made.obs["group"] = pd.Categorical(
        np.array(["a", "b", "c"])[rows % 3], categories=["c", "b", "a"], ordered=True
    )
    made.obs["text"] = np.array(["x", "y"])[rows % 2]
    made.obs["count"] = pd.array([1, None] * (n_obs // 2), dtype="Int64")
    made.obs["flag"] = rows % 2 == 0
    made.var["mean"] = np.asarray(counts.mean(axis=0)).ravel()
    made.layers["columns"] = counts.tocsc()
    made.layers["dense"] = counts.toarray()
    made.obsm["X_pca"] = rng.normal(size=(n_obs, 3))
    made.obsm["frame"] = pd.DataFrame({"u": rows}, index=made.obs_names)
    made.varm["loadings"] = rng.normal(size=(n_vars, 2))
    made.obsp["distances"] = sp.eye(n_obs, format="csr")
    names = np.array([("g1", "g2")], dtype=[("a", "O"), ("b", "O")])
    scores = np.array([(1.0, 2.0)], dtype=[("a", "f4"), ("b", "f4")])
    ranked = {"names": names, "scores": scores, "params": {"n": 1, "none": None, "on": True}}
    made.uns["rank_genes_groups"] = ranked
    made.uns["names"] = np.array(["p", "q"], dtype=object)
    made.raw = made.copy()
    return made


def plain_adata(n_obs: int = 4) -> anndata.AnnData:
    """4 cells x 3 genes and little else, which is quick to store."""
    made = anndata.AnnData(np.arange(n_obs * 3, dtype=np.float32).reshape(n_obs, 3))
    made.obs["text"] = [f"t{i}" for i in range(n_obs)]
    return made


def without_record(element: xr.Dataset) -> xr.Dataset:
    """The element with attributes as JSON gives them back, and without its record."""
    bare = element.copy(deep=False)
    bare.attrs = {key: plain(value) for key, value in element.attrs.items() if key != RECORD}
    for part in bare.variables.values():
        part.attrs = {key: plain(value) for key, value in part.attrs.items()}
    return bare


def _type(part: xr.Variable) -> Any:
    return "text" if part.dtype.kind in "OTU" else part.dtype.newbyteorder("=")


def assert_same(found: xr.Dataset, expected: xr.Dataset) -> None:
    """Hold an element against another: values, types, order, coordinates, indexes, attributes."""
    xr.testing.assert_identical(without_record(found), without_record(expected))
    assert list(found.variables) == list(expected.variables)
    assert {n: _type(p) for n, p in found.variables.items()} == {
        n: _type(p) for n, p in expected.variables.items()
    }
    assert set(found.xindexes) == set(expected.xindexes)
