"""A small file as tfmodisco-lite 3.0 writes it (`modiscolite.io.save_hdf5`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

__all__ = ["write_modisco"]

Seqlet = tuple[int, int, bool]
"""Number of the sequence, start in it, and whether it is turned around."""


def write_modisco(
    path: Path,
    codes: npt.NDArray[np.uint8],
    patterns: Mapping[str, Sequence[Seqlet]],
    *,
    width: int,
    window: int,
    said: bool = True,
) -> None:
    """Write patterns of seqlets, e.g. of ``pos_patterns/pattern_0``.

    Parameters
    ----------
    path
        Where to write.
    codes
        Letters of whole sequences; all attributions are 0.5.
    patterns
        Seqlets in columns of whole sequences.
    width
        Letters of a seqlet.
    window
        Letters in the middle of each sequence that TF-MoDISco looked at, from whose start it
        counts.
    said
        Say the window, as version 3 does and version 2.0 did not.
    """
    first = codes.shape[1] // 2 - window // 2
    one_hot = np.eye(5, dtype=np.float32)[np.minimum(codes, 4)][..., :4]
    with h5py.File(path, "w") as file:
        if said:
            file.attrs["window_size"] = window
        for name, seqlets in patterns.items():
            letters = np.stack([one_hot[row, at : at + width] for row, at, _ in seqlets])
            turned = np.array([flip for *_, flip in seqlets])
            letters[turned] = letters[turned][:, ::-1, ::-1]
            group = file.create_group(name)
            for part, values in (("sequence", letters), ("contrib_scores", letters / 2),
                                 ("hypothetical_contribs", letters / 2)):  # fmt: skip
                group.create_dataset(part, data=values.mean(axis=0))
                group.create_dataset(f"seqlets/{part}", data=values)
            start = np.array([at - first for _, at, _ in seqlets])
            group.create_dataset("seqlets/n_seqlets", data=np.array([len(seqlets)]))
            group.create_dataset("seqlets/start", data=start)
            group.create_dataset("seqlets/end", data=start + width)
            group.create_dataset("seqlets/example_idx", data=np.array([x[0] for x in seqlets]))
            group.create_dataset("seqlets/is_revcomp", data=turned)
