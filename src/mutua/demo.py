"""The main jobs on bundled data: what depends on what, in sequences, models, tables and cells.

Run it with ``make demo`` or ``python -m mutua.demo [FOLDER]``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import mutua as mt
from mutua._demo_parts import gene_programs, neurons, panels, perturbations, save

__all__ = ["main"]

_SEQUENCES = 200_000
_MOTIFS = [
    *("FOS::JUN", "GABPA", "GATA1", "CTCF", "TP53", "SP1", "NFYA", "SOX2", "FOXA1", "HNF4A"),
    *("E2F1", "REST", "CREB1", "MEF2A"),
]


def main(folder: str | Path = ".") -> None:
    """Run the demo; write ``demo.zarr``, ``demo.html`` and ``demo_figures/`` into `folder`."""
    started = time.perf_counter()
    folder = Path(folder)
    figures = folder / "demo_figures"
    figures.mkdir(parents=True, exist_ok=True)
    elements = {
        **_splice_acceptor(figures),
        **_gb1(figures),
        **_rhomboid(figures),
        **_attributions(figures),
        **_motif_syntax(figures),
        **_latent_dims(figures),
        **gene_programs(figures),
        **perturbations(figures),
        **neurons(figures),
    }
    store = folder / "demo.zarr"
    study = mt.Analysis(elements)
    study.write(store, overwrite=True)
    reopened = mt.open(store)
    reopened.validate(deep=True)
    reopened.vacuum()
    page = mt.report.write_report(reopened, folder / "demo.html", explain=mt.tl.explain_pair)
    print(f"\n{reopened}\n")
    print("How `acceptor_mi` came about:")
    lineage = reopened.lineage("acceptor_mi")
    for function, arguments in zip(lineage["function"], lineage["arguments"], strict=True):
        print(f"  {function} {_short(arguments)}")
    print(
        f"\nDone in {time.perf_counter() - started:.0f} s. "
        f"Figures: {figures}/, report: {page}. Next:\n"
        f"  study = mutua.open({str(store)!r})\n"
        '  study["acceptor_mi"]                     # a labelled xarray.Dataset\n'
        '  mutua.pl.position_mi(study["acceptor_mi"], significant=0.05)\n'
        "and the same with your own model: README.md shows the 15 lines."
    )


def _short(text: str, width: int = 100) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _splice_acceptor(figures: Path) -> dict[str, object]:
    print(f"1. What a splice-acceptor model depends on ({_SEQUENCES:,} random sequences)")
    model = mt.datasets.splice_acceptor()
    seqs = mt.pp.random_sequences(_SEQUENCES, length=53, seed=0)
    seqs = mt.pp.number_positions(seqs, -50, label="position relative to the exon")
    seqs = mt.tl.predict(seqs, model)
    top = mt.pp.select(seqs, target="acceptor", top=0.01)
    least = float(top["prediction"].min())
    print(f"  top 1 %: {top.sizes['sequence']:,} sequences with a score above {least:.2f}")
    smoothed = mt.tl.position_mi(top, k=3, pseudocount=5, n_permutations=100)
    plain = mt.tl.position_mi(top, k=3, pseudocount=0)
    miller_madow = mt.tl.position_mi(top, k=3, pseudocount=0, correction="miller_madow")
    shuffled = mt.tl.position_mi(top, k=3, pseudocount=0, correction="shuffle")
    letters = mt.tl.position_mi(top, k=1, pseudocount=0, correction="shuffle", n_permutations=1000)
    _tell_pairs("k = 3, pseudocount 5", smoothed, "mi")
    print(
        "    what that map shows is composition: shuffling each position's 3-mers leaves "
        f"{_median_ratio(smoothed):.0%} of it"
    )
    medians = [
        float(mi[name].median())
        for mi, name in ((plain, "mi"), (miller_madow, "mi_corrected"), (shuffled, "mi_corrected"))
    ]
    print(
        f"  k = 3, pseudocount 0: median {medians[0]:.3f} bits, nearly all of it bias; "
        f"{medians[1]:+.3f} after Miller-Madow, {medians[2]:+.4f} less shuffled"
    )
    i, j = _tell_pairs("k = 1, pseudocount 0, less shuffled", letters, "mi_corrected")
    pairs = mt.tl.explain_pair(top, i, j, k=1)
    best = pairs["contribution"].argmax(...)
    first, second = (str(pairs[axis][place].values) for axis, place in best.items())
    print(f"    most of it is {first} at {i} with {second} at {j}")

    figure, axes = panels(2, width=6.2, height=5.2)
    mt.pl.position_mi(
        smoothed,
        variable="mi",
        ax=axes[0],
        title="3-mers, pseudocount 5: composition and dependency",
    )
    mt.pl.position_mi(
        letters, significant=0.05, ax=axes[1], title="letters, less shuffled, pairs at FDR 0.05"
    )
    save(figure, figures / "acceptor_position_mi.png")
    figure, axes = panels(3)
    mt.pl.position_mi(plain, ax=axes[0], title="pseudocount 0: bias everywhere")
    mt.pl.position_mi(miller_madow, ax=axes[1], title="Miller-Madow corrected")
    mt.pl.position_mi(shuffled, ax=axes[2], title="less shuffled")
    save(figure, figures / "acceptor_corrections.png")
    by_distance = mt.tl.mi_by_distance(letters)
    figure, axes = panels(3)
    mt.pl.mi_diagonal(letters, ax=axes[0])
    mt.pl.mi_by_distance(by_distance, ax=axes[1])
    mt.pl.pair_kmers(pairs, ax=axes[2])
    save(figure, figures / "acceptor_details.png")
    return {
        "acceptor": top,
        "acceptor_mi_k3": smoothed,
        "acceptor_mi_k3_shuffle": shuffled,
        "acceptor_mi": letters,
        "acceptor_by_distance": by_distance,
        "acceptor_pair": pairs,
    }


def _tell_pairs(what: str, mi: xr.Dataset, name: str) -> tuple[int, int]:
    """Print how many pairs are significant, and give the strongest."""
    strongest = mi[name].where(mi["position_i"] < mi["position_j"]).argmax(...)
    i, j = (int(mi[axis][place]) for axis, place in strongest.items())
    n_found = int((mi["q_value"] < 0.05).sum()) // 2
    value = float(mi[name].sel(position_i=i, position_j=j))
    print(
        f"  {what}: {n_found:,} of {mi.attrs['n_tests']:,} pairs at FDR 0.05; "
        f"strongest {value:.3f} bits between {i} and {j}"
    )
    return i, j


def _median_ratio(mi: xr.Dataset) -> float:
    return float((mi["mi_null"] / mi["mi"]).median())


def _gb1(figures: Path) -> dict[str, object]:
    print("2. Which residues of protein G (GB1) depend on each other")
    variants = mt.datasets.gb1()
    fittest = mt.pp.select(variants, target="fitness", top=0.01)
    mi = mt.tl.position_mi(fittest, k=1, pseudocount=0, n_permutations=100)
    upper = mi["mi"].where(mi["position_i"] < mi["position_j"]).stack(pair=[...])
    ranked = upper.sortby(-upper.fillna(-1)).isel(pair=slice(3))
    shown = ", ".join(
        f"{int(p.position_i)}-{int(p.position_j)} ({float(p):.3f} bits)" for p in ranked
    )
    print(
        f"  the fittest 1 % of {variants.sizes['sequence']:,} double mutants "
        f"({fittest.sizes['sequence']:,}): {shown}"
    )
    print("    (from the cutoff on a sum of two effects, not epistasis: see the tutorial)")
    figure, axes = panels(1, width=6.4, height=5.4)
    mt.pl.position_mi(
        mi,
        scale="log",
        vmin=1e-4,
        ax=axes[0],
        title=f"GB1, the fittest {fittest.sizes['sequence']:,} variants",
    )
    save(figure, figures / "gb1_position_mi.png")
    return {"gb1_fittest": fittest, "gb1_mi": mi}


def _rhomboid(figures: Path) -> dict[str, object]:
    print("3. Coevolution and contacts in rhomboid proteases")
    alignment = mt.pp.sequence_weights(mt.datasets.rhomboid(), identity=0.8)
    contacts = mt.datasets.contacts(atom="CB")
    mi = mt.tl.position_mi(alignment, k=1, pseudocount=0.05, correction="apc")
    table = mt.tl.compare_contacts(mi, contacts)
    for score, auroc, precision, base in zip(
        table["score"].values,
        table["auroc"].values,
        table["precision"].values,
        table["base_rate"].values,
        strict=True,
    ):
        name = {"mi": "raw MI", "mi_corrected": "MI + APC"}.get(str(score), str(score))
        print(
            f"  {name:9s} AUROC {auroc:.2f}, precision at L/2 {precision:.2f} "
            f"(contacts < 8 Å: {base:.3f} of all pairs)"
        )
    figure, axes = panels(2, width=6.2, height=5.2)
    mt.pl.position_mi(mi, variable="mi", lower=contacts, ax=axes[0], title="raw MI")
    mt.pl.position_mi(mi, lower=contacts, ax=axes[1], title="MI + APC")
    save(figure, figures / "rhomboid_contacts.png")
    return {
        "rhomboid": alignment,
        "rhomboid_mi": mi,
        "rhomboid_contacts": contacts,
        "rhomboid_scores": table,
    }


def _attributions(figures: Path) -> dict[str, object]:
    print("4. What the splice-acceptor model reads")
    model = mt.datasets.splice_acceptor()
    seqs = mt.pp.random_sequences(20_000, length=53, seed=0)
    seqs = mt.pp.number_positions(seqs, -50, label="position relative to the exon")
    top = mt.pp.select(mt.tl.predict(seqs, model), target="acceptor", top=200)
    attributions = mt.tl.attribute(top, model, target="acceptor", seed=0)
    found = mt.tl.seqlets(attributions)
    share = np.abs(attributions["attribution"].values).sum(axis=(0, 1))
    share /= share.sum()
    last = attributions["position"].values[np.argsort(-share)[:4]]
    print(
        f"  attributions of the best {top.sizes['sequence']}: {found.sizes['annotation']} seqlets; "
        f"{np.sort(share)[-4:].sum():.0%} of all attribution is at positions "
        f"{', '.join(map(str, sorted(last.tolist())))}"
    )
    figure, axes = plt.subplots(3, 1, figsize=(10, 7.5), layout="constrained")
    mt.pl.logo(top, ax=axes[0])
    axes[0].set_title("letters of the best 200 sequences", fontsize="medium")
    best = int(np.argmax(top["prediction"].values))
    mt.pl.logo(attributions, sequence=best, annotations=found, ax=axes[1])
    axes[1].set_title("attributions of the best one, with its seqlets", fontsize="medium")
    mt.pl.seqlet_map(found, order="start", first_position=-50, ax=axes[2])
    save(figure, figures / "acceptor_attributions.png")
    return {"acceptor_attributions": attributions, "acceptor_seqlets": found}


def _motif_syntax(figures: Path) -> dict[str, object]:
    print("5. Which motifs go together, and how far apart (planted: TGAGTCA, 8 letters, ACCGGAAGT)")
    motifs = mt.datasets.jaspar()
    chosen = np.isin(motifs["name"].values, _MOTIFS)
    motifs = motifs.isel(motif=chosen)
    background = mt.pp.random_sequences(4_000, length=200, seed=1)
    sites = {"AP-1": "TGAGTCA", "ETS": "ACCGGAAGT"}
    near = mt.pp.embed_motifs(background.isel(sequence=slice(600)), sites, spacings=8, seed=2)
    far = mt.pp.embed_motifs(background.isel(sequence=slice(600, 1200)), sites, seed=3)
    rest = background.isel(sequence=slice(1200, None))
    planted = xr.concat([near[["codes"]], far[["codes"]], rest[["codes"]]], dim="sequence")
    planted = mt.SequenceSet.build(planted["codes"].values, alphabet="DNA")
    hits = mt.tl.filter_annotations(mt.tl.scan(planted, motifs), best_of_overlapping="all")
    pairs = mt.tl.pair_annotations(hits)
    spacings = mt.tl.pair_spacings(hits, by="pair")
    for what, element in (("together", pairs), ("at a distance", spacings)):
        table = mt.to_dataframe(element).sort_values("p_value", kind="stable")
        row = table.iloc[0]
        where = f" {row['distance']} letters apart" if "distance" in row else ""
        print(
            f"  {what}: {int((table['q_value'] < 0.05).sum())} pair(s) at FDR 0.05; "
            f"{row['motif_a_name']} with {row['motif_b_name']}{where}: "
            f"{row['n']} times, {row['expected']:.1f} expected"
        )
    print("    (the AP-1 motif of JASPAR is a letter longer on that side than the site planted)")
    figure, axes = panels(2, width=6.4, height=5.4)
    mt.pl.annotation_counts(hits, ax=axes[0])
    mt.pl.pair_matrix(pairs, ax=axes[1])
    save(figure, figures / "motif_pairs.png")
    strongest = mt.to_dataframe(spacings).sort_values("p_value", kind="stable").iloc[0]
    pair = strongest["motif_a"], strongest["motif_b"]
    distances = mt.tl.pair_spacings(hits, pairs=[pair], keep="all", max_distance=40)
    save(mt.pl.spacing(distances), figures / "motif_spacing.png")
    return {"motifs": motifs, "motif_hits": hits, "motif_pairs": pairs, "motif_spacings": distances}


def _latent_dims(figures: Path) -> dict[str, object]:
    print("6. What informs a latent space: taxa of sputum grown at eight values of pH")
    sputum = mt.datasets.cf_sputum()
    sputum = sputum[sputum.obs["patient"].notna() & (sputum.obs["kind"] == "culture")]
    reads = np.asarray(sputum.X.sum(axis=1)).ravel()
    common = np.asarray((sputum.X > 0).mean(axis=0)).ravel() >= 0.1
    cultures = sputum[reads >= 5_000, common]
    taxa, others = (cultures[:, first::2].copy() for first in (0, 1))
    for table in (taxa, others):
        mt.pp.clr(table)
    mt.tl.autoencoder(taxa, n_latent=8, split_by="patient")
    mt.tl.latent_correlation(taxa)
    mt.tl.feature_modules(taxa, n_modules=10)
    mt.tl.module_scores(taxa)
    ph = mt.tl.mutual_information(
        taxa, taxa, x_obsm="X_autoencoder", y_obs="ph", blocks="patient", n_permutations=1000
    )
    latent, q = str(ph["mi"].isel(latent=0).idxmax("feature").item()), float(ph["q_value"].min())
    print(
        f"  {taxa.n_obs} cultures of {taxa.obs['patient'].nunique()} people; latent dims that "
        f"follow pH within people: {int((ph['q_value'] < 0.05).sum())} of {ph.sizes['feature']} "
        f"at FDR 0.05 (first {latent}, q = {q:.2g})"
    )
    mi = {
        name: mt.tl.mutual_information(
            others, taxa, y_obsm="X_autoencoder", blocks=blocks, n_permutations=200
        )
        for name, blocks in (("all samples", None), ("within people", "patient"))
    }
    print(f"  {others.n_vars} other taxa x {taxa.obsm['X_autoencoder'].shape[1]} latent dims:")
    for name, element in mi.items():
        found = element["q_value"] < 0.05
        print(f"    permuted: {name}: {int(found.sum())} of {found.size} pairs at FDR 0.05")
    association = mt.tl.associate_modules(mi["within people"], taxa, by="fdr")
    figure, axes = panels(2, width=6.4, height=7)
    for ax, (name, element) in zip(axes, mi.items(), strict=True):
        mt.pl.feature_mi(element, n=30, ax=ax)
        ax.set_title(f"permuted: {name}", loc="left")
    save(figure, figures / "sputum_mi.png")
    save(mt.pl.module_association(association, n=40), figures / "sputum_modules.png")
    return {
        "sputum_taxa": taxa,
        "sputum_mi": mi["within people"],
        "sputum_ph": ph,
        "sputum_association": association,
    }


if __name__ == "__main__":
    plt.switch_backend("Agg")
    main(*sys.argv[1:2])
