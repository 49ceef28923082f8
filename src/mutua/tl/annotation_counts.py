"""Annotations as a table of sequences by motifs."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from mutua.models import Dataset, checked
from mutua.models.annotations import Annotations
from mutua.models.dims import MOTIF, MOTIF_INDEX, SEQUENCE, SEQUENCE_INDEX, SEQUENCE_LENGTH
from mutua.tl._motif_rows import column, sequence_names

__all__ = ["count_annotations"]

_OBS = {"chrom": "sequence_chrom", "start": "sequence_start", "strand": "sequence_strand",
        "length": SEQUENCE_LENGTH}  # fmt: skip


@checked
def count_annotations(annotations: Dataset[Annotations]) -> anndata.AnnData:
    """Give how often each motif stands in each sequence, as an AnnData of sequences x motifs.

    Parameters
    ----------
    annotations
        With motifs. Rows that have none (-1) are not counted; overlapping ones all are. To count
        families, give them to `mutua.tl.merge_families` first.

    Returns
    -------
    AnnData
        ``X``: int32 counts, sparse (CSR). ``obs``: the sequences, by their ids or else by their
        numbers 0..N-1, with ``chrom``, ``start`` and ``strand`` where they are known, and
        ``length``. ``var``: the motifs by their ids, with ``name`` and ``family`` where they are
        known. Sequences and motifs without annotations are there, with zeros.

    Raises
    ------
    InvalidInput
        If the annotations have no motifs.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["TTGATAAGTTGATAAG", "ACACACACACACACAC"], sequence_id=["a", "b"])
    >>> hits = mt.tl.scan(seqs, mt.MotifSet.build({"GATA": "WGATAAG"}), p_threshold=1e-3)
    >>> mt.tl.count_annotations(hits).to_df()
          GATA
    a        2
    b        0
    """
    motif = column(annotations, MOTIF_INDEX)
    sequence = column(annotations, SEQUENCE_INDEX)
    if (motif < 0).any():
        sequence, motif = sequence[motif >= 0], motif[motif >= 0]
    shape = annotations.sizes[SEQUENCE], annotations.sizes[MOTIF]
    counts = sparse.coo_matrix((np.ones(len(motif), np.int32), (sequence, motif)), shape).tocsr()
    counts.sort_indices()
    obs = {name: annotations[own].values for name, own in _OBS.items() if own in annotations}
    var = {name: annotations[name].values for name in ("name", "family") if name in annotations}
    return anndata.AnnData(
        counts,
        obs=pd.DataFrame(obs, index=pd.Index(sequence_names(annotations), dtype=object)),
        var=pd.DataFrame(var, index=pd.Index(annotations[MOTIF].values.astype(object))),
    )
