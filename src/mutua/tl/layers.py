"""The convolutional layers of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mutua.models import Dataset, SequenceSet, Table, checked
from mutua.tl._windows import traced_model

__all__ = ["layers"]

_UNITS = {
    "channels": "neurons",
    "padding": "positions",
    "jump": "letters",
    "receptive_field": "letters",
}


@checked
def layers(
    model: Any,
    sequences: Dataset[SequenceSet],
    *,
    args: Sequence[Any] = (),
    device: str | None = None,
) -> Dataset[Table]:
    """List the convolutional layers of a model and the windows that their neurons see.

    Parameters
    ----------
    model
        A torch module; it sees float32 (sequence, letter, position). Its modes, its device and
        its hooks are put back as they were, even if it fails.
    sequences
        (sequence, position), as the model takes them; only their length, alphabet and number of
        ``tracks`` matter.
    args, device
        As for `mutua.tl.predict`.

    Returns
    -------
    Table
        One row a layer, in the order they are run: ``layer``, its name; ``channels``, its
        neurons; ``kernel``, ``dilation`` and ``padding`` (in front) of the convolution, in
        positions of its input; ``jump``, letters from one output to the next;
        ``receptive_field``, letters of the window that one output sees; ``exact``, whether the
        activations of all windows can be computed at once; ``why_not``, else the reason. Jump and
        receptive field are 0 where the layer cannot be followed.

    Raises
    ------
    InvalidInput
        If the model is no module, or runs no convolution. What the model itself raises comes
        through unchanged.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Notes
    -----
    The model is applied to made-up sequences while its calls of torch are noted, so residual,
    dilated and branching convolutions count as they are run, whatever the modules are called. A
    receptive field spans all branches. Every layer is held against what the model gives for other
    made-up sequences where no padding reaches, and a window of its receptive field gives one
    output. A layer that runs several times is listed once.

    After what takes all positions together, such as a recurrent layer or normalization over
    positions, the receptive field is that of the convolutions and pools alone and `exact` is
    False.

    Method of the receptive field: Araujo, Norris and Sim 2019, doi:10.23915/distill.00021.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(2, length=53, seed=0)
    >>> table = layers(mt.datasets.splice_acceptor(), seqs)
    >>> table["layer"].values.tolist(), table["receptive_field"].values.tolist()
    (['layers.convolution', 'layers.pointwise'], [15, 15])
    """
    found = traced_model(sequences, model, args, device).layers
    columns: dict[str, Any] = {"layer": [one.name for one in found]}
    for name in ("channels", "kernel", "dilation", "padding", "jump", "receptive_field"):
        columns[name] = np.array([getattr(one, name) for one in found], np.int64)
    columns["exact"] = np.array([one.exact for one in found])
    columns["why_not"] = [one.why_not for one in found]
    return Table.build(columns, units=_UNITS)
