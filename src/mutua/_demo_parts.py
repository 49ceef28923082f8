"""Parts of the demo: cells and their programs, and the neurons of a network."""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import mutua as mt
from mutua.models import as_kind

__all__ = ["auroc", "gene_programs", "neurons", "panels", "perturbations", "save"]

_SITES = {
    "AP1": "TGASTCA",
    "TEAD": "CATTCCW",
    "GATA": "WGATAA",
    "SPI1": "RGAGGAAS",
    "EBOX": "CACGTG",
    "ZEB": "CAGGTAR",
}


def save(figure: Figure, path: Path) -> None:
    """Write a figure and close it."""
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(f"  wrote {path}")


def panels(n: int, width: float = 5.2, height: float = 4.6) -> tuple[Figure, list[Axes]]:
    """Give a figure with axes side by side."""
    figure, axes = plt.subplots(
        1, n, figsize=(width * n, height), layout="constrained", squeeze=False
    )
    return figure, list(axes[0])


def gene_programs(figures: Path) -> dict[str, object]:
    """Tell which programs of genes cells have, and what these stand for."""
    print("7. Which programs of genes immune cells have, and what they stand for")
    cells = mt.datasets.immune_cells()
    common = np.asarray((cells.X > 0).sum(axis=0)).ravel() >= 50
    cells = cells[:, cells.var["highly_variable"] & common].copy()
    mt.tl.programs(cells, n_programs=14, n_runs=5)
    stability = cells.uns["programs"]["stability"]
    print(
        f"  {cells.n_obs:,} cells, {cells.n_vars:,} genes, {len(stability)} programs: "
        f"{int((stability >= 0.7).sum())} are stable over runs (cosine of 0.7 or more)"
    )
    activity = mt.get.program_activity(cells).to_df()
    types = cells.obs["cell_type"]
    best = {}
    for name, n in types.value_counts().items():
        if n >= 10:
            told = activity.apply(auroc, raw=True, of=(types == name).to_numpy())
            best[str(name)] = str(told.idxmax()), float(told.max())
    good = [f"{name} {program}" for name, (program, auroc) in best.items() if auroc > 0.95]
    print(
        f"  types were not given; {len(good)} of {len(best)} with 10 cells or more are told from "
        f"all others by one program (AUROC > 0.95): {', '.join(good)}"
    )
    sets = mt.datasets.immune_gene_sets()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*have no gene in the background")
        enrichment = mt.tl.program_enrichment(cells, gene_sets=sets)
    table = mt.to_dataframe(enrichment).sort_values("q_value", kind="stable")
    known = table[table["q_value"] < 0.05].groupby("group", sort=False).head(1)
    print(f"  programs with a known set of genes at FDR 0.05: {len(known)} of {len(stability)}")
    for program, term, n, expected in known[["group", "term", "n_both", "expected"]].values[:3]:
        print(f"    {program}: {term}, {n} genes of it, {expected:.1f} expected")
    save(mt.pl.programs(cells, n_genes=8), figures / "immune_programs.png")
    save(mt.pl.programs_on_embedding(cells), figures / "immune_activity.png")
    return {"immune": cells, "immune_gene_sets": enrichment}


def auroc(score: np.ndarray, of: np.ndarray) -> float:
    """Give how often a score is larger where `of` is true than where it is not."""
    score = np.asarray(score, float)
    above = (score[of][:, None] > score[~of]) + 0.5 * (score[of][:, None] == score[~of])
    return float(above.mean())


def perturbations(figures: Path) -> dict[str, object]:
    """Tell which programs are coupled, and what perturbations push."""
    print("8. Which programs are coupled, and what perturbations push (a simulated screen)")
    screen, truth = mt.datasets.simulate_perturbation_screen(n_cells=6_000, seed=1)
    mt.tl.programs(screen, n_programs=12)
    planted = screen.var["program"].to_numpy(str)
    of_gene = screen.varm["programs"].argmax(axis=1)
    names = np.array([f"other {i}" for i in range(12)], dtype=object)
    for node in truth["node"].values:  # programs are called as those planted that they hold
        names[np.bincount(of_gene[planted == node]).argmax()] = node
    nodes = [node for node in truth["node"].values if node in names]
    kept = np.mean(names[of_gene[planted != ""]] == planted[planted != ""])
    print(
        f"  programs found: {len(nodes)} of {truth.sizes['node']} planted, with {kept:.0%} of "
        "their genes"
    )
    screen.uns["programs"]["names"] = names
    network = mt.tl.program_network(
        screen, condition="condition", control="is_control", batch="batch", n_bootstraps=30
    )
    found, truth = (one.sel(node=nodes, regulator=nodes) for one in (network, truth))
    places = [list(names).index(node) for node in nodes]
    together = np.corrcoef(screen.obsm["X_programs"].T)[np.ix_(places, places)]
    _tell_edges("their couplings", found["coupling"].values, truth["coupling"].values)
    _tell_edges("correlation of the same programs", together, truth["coupling"].values)
    guides = screen.obs.drop_duplicates("condition").set_index("condition")
    targets = mt.tl.average_conditions(network, groups=guides["target"].astype(str))
    targets = mt.tl.condition_groups(mt.tl.network_modules(targets))
    push = pd.DataFrame(targets["response_relative"].to_pandas()).abs().idxmax()
    own = sum(push[f"R{node[1:]}"] == node for node in nodes)
    print(
        "  the strongest response is that of the program whose regulator was targeted: "
        f"{own} of {len(nodes)}"
    )
    save(_beside(found, truth, "true"), figures / "screen_coupling.png")
    figure, axes = panels(1, width=9.6, height=7)
    mt.pl.response_circle(targets, threshold=0.15, ax=axes[0])
    save(figure, figures / "screen_responses.png")

    cells, consensus = mt.datasets.sachs()
    cells.X = np.log1p(cells.X)
    signalling = mt.tl.program_network(
        cells, condition="condition", control="is_control", level="gene"
    )
    for what, coupling in (
        ("real, 11 molecules in T cells", signalling["coupling"].values),
        ("correlation of the same molecules", np.corrcoef(cells.X.T)),
    ):
        _tell_edges(what, coupling, consensus["coupling"].values)
    save(_beside(signalling, consensus, "consensus, without signs"), figures / "sachs_coupling.png")
    return {
        "screen": screen,
        "screen_network": network,
        "screen_targets": targets,
        "screen_truth": truth,
        "sachs_network": signalling,
        "sachs_consensus": consensus,
    }


def _beside(found: xr.Dataset, truth: xr.Dataset, what: str) -> Figure:
    """Draw couplings beside those of a network that is known, in the same order."""
    figure, axes = panels(2, width=6.0, height=5.2)
    for ax, element, title in zip(axes, (found, truth), ("found", what), strict=True):
        mt.pl.coupling(as_kind(mt.ProgramNetwork, element), cluster=False, ax=ax)
        ax.set_title(f"{title}\n{ax.get_title(loc='left')}", loc="left", fontsize="medium")
    return figure


def _tell_edges(what: str, coupling: np.ndarray, truth: np.ndarray) -> None:
    """Print how much stronger couplings are where the true network has an edge."""
    pairs = ~np.eye(len(truth), dtype=bool)
    strength, edge = np.abs(coupling[pairs]), truth[pairs] != 0
    print(f"  {what}: AUROC {auroc(strength, edge):.2f} for the {edge.sum()} edges there are")


def neurons(figures: Path) -> dict[str, object]:
    """Tell what the neurons of a network detect, and how motifs interact in it."""
    print("9. What the neurons of a CNN detect, and how motifs interact (planted rules)")
    example = mt.datasets.pooled_cnn()
    model, layer = example.model, "layers.conv2"
    seqs = example.sequences.isel(sequence=slice(1_000))
    motifs = mt.tl.neuron_motifs(seqs, model, layer, source="data")
    named = mt.to_dataframe(mt.tl.annotate(motifs, mt.datasets.jaspar()))
    named["neuron"] = motifs["neuron"].values[named["sequence_index"]]
    known = named[named["q_value"] < 0.05].sort_values("q_value", kind="stable")
    n_neurons = len(set(motifs["neuron"].values))
    print(
        f"  {len(named)} motifs of {n_neurons} neurons that see 9 letters, {len(known)} of them "
        "like one of JASPAR at FDR 0.05"
    )
    measured = seqs["prediction"].sel(target="measured").values
    effects = mt.tl.neuron_effects(seqs, model, layer, values=measured)
    signs = effects["sign"].values
    print(
        "  neurons that go with the measured label at FDR 0.05: "
        f"{(signs > 0).sum()} with more of it, {(signs < 0).sum()} with less"
    )
    few = seqs.isel(sequence=slice(600))
    pairs = mt.tl.motif_interactions(few, model, motifs=_SITES, strand="forward", n_fills=3)
    truth = mt.to_dataframe(example.interactions).set_index(["motif_a", "motif_b"])
    found = mt.to_dataframe(pairs).set_index(["motif_a", "motif_b"])
    order = found["epistasis"].abs().sort_values(ascending=False).index
    for a, b in order[:2]:
        row, rule = found.loc[(a, b)], truth.loc[(a, b)]
        reach = rule["max_distance"]
        within = f" within {reach} letters" if reach >= 0 else ""
        print(
            f"  {a} with {b}: {row['interaction']}, epistasis {row['epistasis']:+.2f} on average "
            f"(planted: {rule['epistasis']:+.1f}{within})"
        )
    print(
        f"  all {len(order) - 2} other pairs, planted without: "
        f"at most {found.loc[order[2:], 'epistasis'].abs().max():.2f}"
    )
    backgrounds = mt.pp.random_sequences(60, length=192, seed=0)
    by_distance = mt.tl.interaction_by_distance(
        backgrounds, model, motifs=_SITES, pairs=[("AP1", "TEAD")], spacings=range(0, 41, 2)
    )
    epistasis = by_distance["epistasis"].values
    print(
        f"  AP1 with TEAD, embedded: {epistasis[:9].mean():+.2f} at 0 to 16 letters, "
        f"{epistasis[13:].mean():+.2f} at 26 to 40"
    )
    best = list(known["neuron"].drop_duplicates()[:4])
    save(mt.pl.neuron_motifs(motifs, neurons=best or None), figures / "neuron_motifs.png")
    figure, axes = panels(3)
    mt.pl.neuron_effects(effects, motifs=motifs, n=12, ax=axes[0])
    mt.pl.interactions(pairs, ax=axes[1])
    mt.pl.interaction_distance(by_distance, ax=axes[2])
    save(figure, figures / "neuron_interactions.png")
    return {
        "neuron_motifs": motifs,
        "neuron_effects": effects,
        "neuron_interactions": pairs,
        "neuron_distances": by_distance,
    }
