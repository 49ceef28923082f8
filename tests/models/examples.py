"""One valid element of every kind, each axis of its own size, and data that must not be read."""

from collections.abc import Callable

import dask.array as da
import numpy as np
import xarray as xr

import mutua as mt
from mutua.models.position_mi import MEASURES


def sequence_set(n: int = 7, length: int = 5) -> xr.Dataset:
    rng = np.random.default_rng(0)
    return mt.SequenceSet.build(
        rng.integers(0, 4, (n, length), dtype=np.uint8),
        alphabet="DNA",
        prediction=rng.normal(size=(n, 3)),
        weight=np.arange(n),
        length=np.full(n, length),
        tracks=rng.normal(size=(n, 2, length)),
        sequence_id=[f"s{i}" for i in range(n)],
        chrom=["chr1"] * n,
        start=np.arange(n),
        end=np.arange(n) + length,
        strand=["+", "-"] * (n // 2) + ["."] * (n % 2),
        position=np.arange(length) - 2,
        target=["donor", "acceptor", "neither"],
        track=["GC", "access"],
    )


def position_mi(n: int = 4) -> xr.Dataset:
    mi = np.random.default_rng(0).random((n, n))
    mi = mi + mi.T
    np.fill_diagonal(mi, np.nan)
    return mt.PositionMI.build(
        mi=mi,
        p_value=np.where(np.isnan(mi), np.nan, 0.5),
        position_i=np.arange(n),
        position_j=np.arange(n),
        k=3,
        alphabet="ACGT",
        pseudocount=1e-6,
        n_sequences=100,
        measure=MEASURES[0],
        correction="none",
    )


def position_mi_difference(n: int = 5) -> xr.Dataset:
    a, b = (part["mi"].values for part in (position_mi(n), position_mi(n)))
    return mt.PositionMIDifference.build(
        mi_a=2 * a,
        mi_b=b,
        difference=2 * a - b,
        difference_null=b / 10,
        difference_corrected=2 * a - b - b / 10,
        p_value=np.where(np.isnan(a), np.nan, 0.25),
        position_i=np.arange(n),
        position_j=np.arange(n),
        k=1,
        alphabet="ACGT",
        pseudocount=0.0,
        n_sequences_a=100,
        n_sequences_b=70,
        name_a="top",
        name_b="bottom",
        correction="shuffle",
        n_permutations=99,
        n_tests=10,
    )


def distance_mi() -> xr.Dataset:
    return mt.DistanceMI.build(
        mi_mean=np.ones(3),
        mi_max=np.ones(3),
        n_pairs=[3, 2, 1],
        distance=[1, 2, 3],
        k=2,
        measure="mi",
    )


def kmer_pairs() -> xr.Dataset:
    table = np.ones((2, 3))
    return mt.KmerPairs.build(
        observed=table,
        expected=table,
        contribution=-table,
        kmer_i=["A", "C"],
        kmer_j=["A", "C", "G"],
        position_i=3,
        position_j=9,
        k=1,
        pseudocount=0.0,
    )


def contact_map() -> xr.Dataset:
    return mt.ContactMap.build(
        distance=np.array([[0.0, 4.2, np.nan], [4.2, 0.0, 6.1]]),
        position_i=[1, 2],
        position_j=[1, 2, 3],
        residue_number=[11, -1],
        atom="CB",
    )


def motif_set() -> xr.Dataset:
    return mt.MotifSet.build(
        {"M1": "GATAAG", "M2": "CANNTG", "M3": "TATA"},
        contribution=np.random.default_rng(0).normal(size=(3, 4, 6))
        * (np.arange(6) < [[[6]], [[6]], [[4]]]),
        n_sites=[120, np.nan, 12.5],
        p_value=[0.001, 0.5, np.nan],
        q_value=[0.003, 0.5, np.nan],
        e_value=[1e-9, 12, np.nan],
        activation_max=[2.5, np.nan, 1],
        activation_consensus=[2.25, np.nan, -1],
        hypothetical=np.random.default_rng(1).normal(size=(3, 4, 6))
        * (np.arange(6) < [[[6]], [[6]], [[4]]]),
        sign=[1, -1, 1],
        window_start=[0, 2, 1],
        homogeneity=[1.1, np.nan, 0.25],
        neuron=["conv2:3", "conv2:3", "conv1:0"],
        layer=["conv2", "conv2", "conv1"],
        channel=[3, 3, 0],
        leaf=["0-1", "0-2-1", "0"],
        neurons_without_motif={"conv1:1": "dead"},
        name=["GATA1", "TAL1", ""],
        family=["GATA", "bHLH", ""],
        background={"A": 0.3, "C": 0.2, "G": 0.2, "T": 0.3},
    )


def table() -> xr.Dataset:
    return mt.Table.build(
        motif=["GATA1", "TAL1"],
        n=[12, 7],
        found=[True, False],
        score=[0.5, np.nan],
        when=np.array(["2024-01-31", "NaT"], dtype="datetime64[ns]"),
        units={"score": "bits"},
    )


def attributions() -> xr.Dataset:
    n, length = 6, 5
    values = np.random.default_rng(2).normal(size=(n, 4, length))
    return mt.Attributions.build(
        sequence_set(n, length).drop_vars(["prediction", "target", "tracks", "track"]),
        attribution=values,
        convergence_delta=np.arange(n) / 1000,
        target="donor",
        method="deep_lift_shap",
        hypothetical=True,
    )


def target_attributions() -> xr.Dataset:
    n, length = 6, 5
    values = np.random.default_rng(2).normal(size=(n, 3, 4, length))
    return mt.TargetAttributions.build(
        sequence_set(n, length).drop_vars(["tracks", "track"]),
        attribution=values,
        convergence_delta=np.arange(n * 3).reshape(n, 3) / 1000,
        method="integrated_gradients",
        hypothetical=False,
    )


def annotations() -> xr.Dataset:
    n = 5
    return mt.Annotations.build(
        sequence_index=[0, 0, 2, 3, 3],
        start=[0, 4, 7, 1, 2],
        end=[3, 9, 8, 6, 7],
        motif_index=[0, 1, -1, 1, 0],
        strand=[1, -1, 0, 1, 1],
        score=[1.5, np.nan, 3.0, 4.0, 5.0],
        rank_score=np.arange(n),
        p_value=np.arange(n) / 10,
        q_value=np.arange(n) / 5,
        attribution=np.arange(n) - 2.0,
        attribution_mean=np.arange(n) / 3,
        attribution_max=np.arange(n),
        importance=np.arange(n) + 2.0,
        similarity=[0.9, -0.5, np.nan, 1.0, 0.0],
        coefficient_global=np.arange(n) / 7,
        rank=[0, 1, 0, 0, 1],
        offset=[-1, 0, 2, 1, 0],
        overlap=[3, 2, 1, 4, 5],
        codes=np.full((n, 6), 255),
        sequence_length=[9, 9, 8, 8],
        duality_gap=[0.0, 1e-4, np.nan, 2e-4],
        sequence_id=["a", "b", "c", "d"],
        sequence_chrom=["chr1"] * 4,
        sequence_start=[0, 100, 200, 300],
        sequence_strand=["+", "-", ".", "+"],
        motif=["GATA", "TAL1"],
        name=["Gata1", "Tal1"],
        family=["zinc finger", "helix-loop-helix"],
        source="tomtom",
        alphabet="ACGT",
        n_tests=10,
    )


def effects() -> xr.Dataset:
    rng = np.random.default_rng(4)
    return mt.Effects.build(
        before=rng.normal(size=(3, 2)),
        after=rng.normal(size=(3, 4, 2)),
        after_std=rng.random((3, 4, 2)),
        experiment=["0", "5", "10", "20"],
        name=["GATA"] * 4,
        spacing=[0, 5, 10, 20],
        target=["donor", "acceptor"],
        sequence_id=["a", "b", "c"],
        variant=["rs1", "rs2", "rs3"],
        ref=["A", "C", "GT"],
        alt=["G", "CA", "G"],
        procedure="space",
    )


def motif_pairs() -> xr.Dataset:
    return mt.MotifPairs.build(
        motif_a_index=[0, 0, 1, 2],
        motif_b_index=[1, 2, 2, 2],
        n=[5, 0, 7, 9],
        expected=[5.5, 6.0, 1.25, np.nan],
        log2_ratio=[-0.1, -3.7, 2.1, np.nan],
        p_value=[0.5, 0.01, 1e-8, np.nan],
        q_value=[0.5, 0.02, 3e-8, np.nan],
        p_familywise=[1, 0.1, 0.001, np.nan],
        n_within=[9, 9, 8, 7],
        n_tested=[7, 3, 9, 12],
        epistasis=[0.5, np.nan, -0.25, 0],
        epistasis_low=[0.25, np.nan, -0.5, -0.1],
        epistasis_high=[0.75, np.nan, -0.125, 0.1],
        epistasis_median=[0.5, np.nan, -0.25, 0],
        effect_a=[1, np.nan, 0.5, 0],
        effect_a_low=[0.5, np.nan, 0.25, -0.1],
        effect_a_high=[1.5, np.nan, 0.75, 0.1],
        p_effect_a=[0.01, np.nan, 0.001, 0.9],
        effect_b=[1, np.nan, 0.5, 0],
        effect_b_low=[0.5, np.nan, 0.25, -0.1],
        effect_b_high=[1.5, np.nan, 0.75, 0.1],
        p_effect_b=[0.01, np.nan, 0.001, 0.8],
        effect_joint=[2.5, np.nan, 0.75, 0],
        effect_joint_low=[2, np.nan, 0.5, -0.2],
        effect_joint_high=[3, np.nan, 1, 0.2],
        interaction=["synergistic", "undefined", "antagonistic", "ambiguous"],
        distance=[-2, 0, 5, 10],
        orientation=[0, 1, 2, 3],
        motif=["GATA", "TAL1", "ETS"],
        name=["Gata1", "Tal1", "Ets1"],
        family=["zinc finger", "helix-loop-helix", "ETS"],
        counted="pairs of annotations",
        ordered=True,
        n_sequences=20,
        max_distance=10,
        listed="all",
        test="binomial",
        n_tests=44,
        target="donor",
        confidence=0.95,
    )


def neuron_effects() -> xr.Dataset:
    ones = np.ones((3, 2))
    missing = ones * [[1], [np.nan], [1]]
    return mt.NeuronEffects.build(
        activation_max=[2.5, -1, 0.5],
        activation_sequence=[4, 0, -1],
        activation_start=[7, 0, -1],
        n_active=[[5, 5], [0, 0], [2, 2]],
        n_silent=[[15, 15], [20, 20], [18, 18]],
        mean_active=missing,
        mean_silent=ones,
        effect=missing,
        effect_low=missing,
        effect_high=missing,
        cohen_d=missing,
        p_value=missing,
        q_value=missing,
        rank_effect=missing,
        sign=[[1, -1], [0, 0], [0, 0]],
        status=["tested", "dead", "tested"],
        neuron=["conv1:0", "conv1:1", "conv2:0"],
        layer=["conv1", "conv1", "conv2"],
        channel=[0, 1, 0],
        target=["half-life", "expression"],
        threshold=0.7,
        alpha=0.05,
        values="predictions",
        covariates=["length"],
        test="Welch",
    )


def enrichment() -> xr.Dataset:
    return mt.Enrichment.build(
        n_both=[[1, 2], [3, 0], [5, 6]],
        expected=[[1.5, 1.5], [1.5, 1.5], [5, 6]],
        odds_ratio=[[0.5, 2], [np.inf, 0], [1, np.nan]],
        p_value=[[0.9, 0.2], [0.1, 1], [0.5, 0.5]],
        q_value=[[1, 0.6], [0.6, 1], [1, 1]],
        n_term=[3, 3, 11],
        n_group=[10, 10],
        term=["GATA", "TAL1", "ETS"],
        group=["red", "blue"],
        n=20,
        test="Fisher",
        n_tests=6,
    )


def feature_mi() -> xr.Dataset:
    mi = np.array([[0.5, 0.0], [0.1, 0.2], [0.25, np.nan]])
    return mt.FeatureMI.build(
        mi=mi,
        mi_normalized=mi / [0.5, 0.2],
        p_value=np.where(np.isnan(mi), np.nan, 0.1),
        zero_fraction=[0.0, 0.5, 0.9],
        feature=["mag_1", "mag_2", "mag_12"],
        latent=["autoencoder_0", "autoencoder_1"],
        estimator="knn",
        n_neighbors=3,
        n_samples=127,
        covariates=["age"],
        blocks="patient",
        n_permutations=99,
        n_tests=5,
    )


def module_association() -> xr.Dataset:
    feature_latent = np.array([[True, False, True], [False, False, True]])
    latent_module = np.eye(3, 4, dtype=bool)
    n_links = feature_latent.astype(int) @ latent_module.astype(int)
    return mt.ModuleAssociation.build(
        associated=n_links > 0,
        strength=n_links * 0.25,
        n_links=n_links,
        feature_latent=feature_latent,
        latent_module=latent_module,
        feature=["mag_1", "mag_2"],
        latent=["autoencoder_0", "autoencoder_1", "autoencoder_2"],
        module=["1", "2", "3", "4"],
        by="fdr",
        level=0.05,
        module_quantile=0.9,
    )


def program_network() -> xr.Dataset:
    coupling = np.random.default_rng(0).normal(size=(4, 4))
    response = np.arange(12.0).reshape(4, 3)
    return mt.ProgramNetwork.build(
        coupling=coupling + coupling.T,
        coupling_low=coupling + coupling.T - 0.1,
        coupling_high=coupling + coupling.T + 0.1,
        response=response,
        response_relative=response - response[:, :1],
        module=["1", "1", "2", "2"],
        node=["P0", "P1", "P2", "P3"],
        regulator=["P0", "P1", "P2", "P3"],
        condition=["control", "GATA1", "SPI1"],
        is_control=[True, False, False],
        batch=["a", "a", "a"],
        n_cells=[100, 40, 60],
        method="pseudo_likelihood",
        directed=False,
        node_kind="program",
        n_bootstraps=20,
    )


def program_regulators() -> xr.Dataset:
    return mt.ProgramRegulators.build(
        coupling=[[0.5, 0.0, -0.25], [0.0, 1.5, 0.0]],
        self_coupling=[-0.5, 0.25],
        activity=[0.1, -0.2],
        explained=[0.3, 0.6],
        is_member=[[True, False, False], [False, False, True]],
        program=["P0", "P1"],
        regulator=["GATA1", "SPI1", "KLF1"],
        l1=0.01,
        kkt_residual=1e-7,
        n_cells=700,
        n_conditions=5,
    )


EXAMPLES: dict[str, Callable[[], xr.Dataset]] = {
    "Annotations": annotations,
    "Attributions": attributions,
    "TargetAttributions": target_attributions,
    "ContactMap": contact_map,
    "DistanceMI": distance_mi,
    "Effects": effects,
    "Enrichment": enrichment,
    "KmerPairs": kmer_pairs,
    "MotifPairs": motif_pairs,
    "NeuronEffects": neuron_effects,
    "MotifSet": motif_set,
    "FeatureMI": feature_mi,
    "ModuleAssociation": module_association,
    "ProgramNetwork": program_network,
    "ProgramRegulators": program_regulators,
    "PositionMI": position_mi,
    "PositionMIDifference": position_mi_difference,
    "SequenceSet": sequence_set,
    "Table": table,
}


def never_computed(shape: tuple[int, ...], dtype: object, chunk: int = 2) -> da.Array:
    """Give an array whose graph raises when it is computed."""
    blank = da.zeros(shape, dtype=dtype, chunks=(chunk, *shape[1:]))
    return blank.map_blocks(_refuse, dtype=dtype, meta=np.empty((0,) * len(shape), dtype))


def _refuse(block: np.ndarray) -> np.ndarray:
    raise AssertionError("the data were computed")


class CountingChunks:
    """Gives a dask array of `values` and counts how often each of its chunks is computed."""

    def __init__(self, values: np.ndarray, chunks: tuple[int, ...]) -> None:
        self.computed: list[tuple[int, ...]] = []
        self.array = da.from_array(values, chunks=chunks, name=False).map_blocks(
            self._count, dtype=values.dtype, meta=np.empty((0,) * values.ndim, values.dtype)
        )

    def _count(self, block: np.ndarray) -> np.ndarray:
        self.computed.append(block.shape)
        return block
