"""Analyses to report on."""

from __future__ import annotations

import functools

import anndata
import numpy as np
import pandas as pd
import xarray as xr

import mutua as mt

EVIL = "</script><script>window.hacked = true</script><img src=x onerror='window.hacked = true'>"
"""Text that takes over a page which does not escape it."""
EVIL_NAME = "<img src=x onerror='window.hacked = true'>"
"""The same without what no name may hold."""
N_SEQUENCES, LENGTH, K = 400, 14, 2
N_POSITIONS = LENGTH - K + 1
FIRST = -6
"""Coordinate of the first position."""


def sequences() -> xr.Dataset:
    """Give sequences in which GATA and TTGC stand four letters apart."""
    seqs = mt.pp.random_sequences(N_SEQUENCES, length=LENGTH, seed=0)
    seqs = mt.pp.embed_motifs(seqs, ["GATA", "TTGC"], position=1, spacings=4, fraction=0.6)
    return mt.pp.number_positions(seqs, FIRST, label="position in the promoter")


def motif_elements(seqs: xr.Dataset) -> dict[str, xr.Dataset]:
    """Give attributions, hits, pairs and effects."""
    values = np.random.default_rng(0).laplace(0, 0.1, (N_SEQUENCES, LENGTH))
    values[:, 1:5] += 1
    hot = mt.pp.one_hot(seqs) * values[:, None]
    facts = {"target": "signal", "method": "made up", "hypothetical": False}
    motifs = mt.MotifSet.build({"GATA": "GATA", "TTGC": "TTGC"})
    hits = mt.tl.scan(seqs, motifs, p_threshold=0.01, strand="forward")
    target = xr.DataArray([f"signal {EVIL_NAME}"], dims="target")
    return {
        "attributions": mt.Attributions.build(seqs, attribution=hot, **facts),
        "hits": hits,
        "together": mt.tl.pair_annotations(hits),
        "spacings": mt.tl.pair_spacings(hits, overlap="drop", keep="all"),
        "effects": mt.Effects.build(
            before=np.zeros((5, 1)),
            after=np.random.default_rng(0).normal(size=(5, 3, 1)),
            experiment=["GATA", EVIL_NAME, "none"],
            target=target.values,
            procedure="marginalize",
        ),
    }


@functools.cache
def study() -> mt.Analysis:
    """Give an analysis with an element of every kind."""
    seqs = sequences()
    mi = mt.tl.position_mi(seqs, k=K, n_permutations=20)
    apc = mt.tl.position_mi(seqs, k=K, correction="apc")
    distance = np.abs(np.subtract.outer(np.arange(9), np.arange(9))).astype(np.float32)
    distance[3, 5] = distance[5, 3] = np.nan
    adata = anndata.AnnData(np.ones((5, 3), dtype=np.float32))
    return mt.Analysis(
        {
            "promoters": seqs,
            "promoters_mi": mi,
            "promoters_apc": apc,
            "by_distance": mt.tl.mi_by_distance(mi),
            "pair": mt.tl.explain_pair(seqs, FIRST + 1, FIRST + 9, k=K),
            "structure": mt.ContactMap.build(
                distance=distance, position_i=np.arange(9), position_j=np.arange(9), atom="CA"
            ),
            "scores": mt.Table.build(name=["a", "b"], n=[3, 5], units={"n": "reads"}),
            "cells": adata,
            "difference": mt.tl.compare_position_mi(
                seqs, mt.pp.shuffle(seqs, seed=0), k=1, n_permutations=5
            ),
            **motif_elements(seqs),
            "motifs": mt.MotifSet.build({"GATA": "WGATAR", "TTGC": "TTGC"}, n_sites=[80, 75]),
        }
    )


@functools.cache
def hostile_study() -> mt.Analysis:
    """Give an analysis whose texts all try to leave their place."""
    codes = np.tile(np.arange(4, dtype=np.uint8), (30, 3))
    seqs = mt.SequenceSet.build(
        codes, alphabet="DNA", sequence_id=[f"{EVIL}{i}" for i in range(30)],
        prediction=np.ones((30, 1), np.float32), target=[EVIL],
    )  # fmt: skip
    seqs = mt.pp.number_positions(seqs, 0, label=EVIL)
    seqs.attrs[EVIL] = {"nested": [EVIL]}
    symbols = mt.SequenceSet.build(np.eye(4, 6, dtype=np.uint8), alphabet="<>&$'\"")
    mi = mt.tl.position_mi(seqs, k=1)
    mi["mi"].attrs.update(long_name=EVIL, units="$\\frac{$</td>")
    frame = pd.DataFrame({EVIL_NAME: [EVIL, "</table>"], "plain": ["\x00\x1b\u202e", "]]>"]})
    table = mt.Table.build(frame, units={EVIL_NAME: EVIL})
    adata = anndata.AnnData(np.ones((2, 3), dtype=np.float32))
    adata.obs[EVIL_NAME] = [1, 2]
    adata.uns[EVIL_NAME] = EVIL
    return mt.Analysis(
        {
            "ids": seqs,
            "letters": symbols,
            "mi": mi,
            "letters_mi": mt.tl.position_mi(symbols, k=1),
            "letters_pair": mt.tl.explain_pair(symbols, 0, 3, k=1),
            "table": table,
            "cells": adata,
        }
    )
