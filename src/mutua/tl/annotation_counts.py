"""Annotations as a table of sequences by motifs."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from mutua.models import Dataset, checked
from mutua.models.annotations import Annotations
from mutua.models.dims import MOTIF, MOTIF_INDEX, SEQUENCE, SEQUENCE_INDEX, SEQUENCE_LENGTH
from mutua.tl._annotation_blocks import are_chunked, over_blocks
from mutua.tl._motif_rows import column, sequence_names

__all__ = ["count_annotations"]

_OBS = {"chrom": "sequence_chrom", "start": "sequence_start", "strand": "sequence_strand",
        "length": SEQUENCE_LENGTH}  # fmt: skip
_NAMES = (SEQUENCE_INDEX, MOTIF_INDEX)
_ROW_BYTES = 48
"""Bytes of a row while it is counted: as it is given, counted, and sorted."""


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

    Notes
    -----
    Annotations in chunks, such as those of a store, are counted in blocks of chunks: with a client
    of `dask.distributed` open on its workers, else one after another. Beside a block, of
    `settings.memory` and its chunks, only counts are in memory, two or three times those of the
    result, whatever the order of the rows.

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
    in_blocks = are_chunked(annotations, _NAMES)
    shape = annotations.sizes[SEQUENCE], annotations.sizes[MOTIF]
    if in_blocks:
        counts = _counted_in_blocks(annotations, shape)
    else:
        sequence, motif = (column(annotations, name) for name in _NAMES)
        counts = _counted(sequence, motif, shape)
    obs = {name: annotations[own].values for name, own in _OBS.items() if own in annotations}
    var = {name: annotations[name].values for name in ("name", "family") if name in annotations}
    return anndata.AnnData(
        counts,
        obs=pd.DataFrame(obs, index=pd.Index(sequence_names(annotations), dtype=object)),
        var=pd.DataFrame(var, index=pd.Index(annotations[MOTIF].values.astype(object))),
    )


def _counted(sequence: np.ndarray, motif: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    if (motif < 0).any():
        sequence, motif = sequence[motif >= 0], motif[motif >= 0]
    counts = sparse.coo_matrix((np.ones(len(motif), np.int32), (sequence, motif)), shape).tocsr()
    counts.sort_indices()
    return counts


def _counted_in_blocks(
    annotations: Dataset[Annotations], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """Add up the counts of blocks, like with like in size: few are held, and each is added to few.

    Whole numbers are added, so that the sum is the same in any order.
    """
    sums: list[sparse.csr_matrix] = []
    for part in over_blocks(
        _counted, annotations, _NAMES, row_bytes=_ROW_BYTES, shared=(shape,), what="counts"
    ):
        sums.append(part)
        while len(sums) > 1 and sums[-2].nnz <= 2 * sums[-1].nnz:
            last = sums.pop()
            sums[-1] = sums[-1] + last
    return sum(reversed(sums), sparse.csr_matrix(shape, dtype=np.int32))
