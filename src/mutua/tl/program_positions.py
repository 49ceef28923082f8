"""Where gene programs stand on an embedding of cells."""

from __future__ import annotations

import math
import warnings

import anndata
import numpy as np
import pandas as pd

from mutua.errors import InvalidInput
from mutua.kernels.repelled_points import repelled_points
from mutua.models import Dataset, Table, checked, slots
from mutua.models.arguments import number
from mutua.tl._module_tables import some

__all__ = ["program_positions"]


@checked
def program_positions(
    adata: anndata.AnnData,
    *,
    basis: str = "X_umap",
    key: str = "programs",
    top: float = 0.005,
    repulsion: float = 2.0,
) -> Dataset[Table]:
    r"""Give every program a place on an embedding: near the cells where it is most active.

    A program belongs to the mean place of its most active cells, weighted by the activity.
    Programs that belong close together are moved apart: the squares of the ways from there plus
    `repulsion` times the sum of 1 / distance over all pairs of programs are minimised.

    Parameters
    ----------
    adata
        With the programs of `mutua.tl.programs` and an embedding.
    basis
        Key of ``obsm`` with the embedding, of which the first two columns are taken.
    key
        The `key_added` of the programs.
    top
        Share of the cells that a program belongs to, rounded up; ties go to the first cells.
    repulsion
        In units of the embedding to the third power: two programs of one place end its third root
        apart. 0 leaves all programs where they belong.

    Returns
    -------
    Table
        A row for each program: ``program``, its name; ``x`` and ``y``, the place to draw it at;
        ``home_x`` and ``home_y``, the place where it belongs; ``is_active``, False for a program
        that is 0 in all cells, which belongs to the mean place of all cells. `mutua.pl.network`
        draws it.

    Raises
    ------
    InvalidInput
        If there are no programs or activities, no such embedding, it has fewer than two columns,
        values are not finite, there are no cells, or an argument is out of its range.

    Warns
    -----
    UserWarning
        Naming programs that are 0 in all cells.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> adata = anndata.AnnData(np.ones((4, 3)))
    >>> adata.obsm["X_umap"] = np.array([[0.0, 0], [6, 0], [0, 8], [6, 8]])
    >>> adata.obsm["X_programs"] = np.array([[3.0, 0], [1, 0], [0, 0], [0, 2]])
    >>> adata.uns["programs"] = {
    ...     "result": "gene programs", "names": ["P0", "P1"],
    ...     "features": adata.var_names.to_numpy(object),
    ... }
    >>> found = mt.tl.program_positions(adata, top=0.5, repulsion=0.0)
    >>> mt.to_dataframe(found)[["program", "x", "y"]].values.tolist()
    [['P0', 1.5, 0.0], ['P1', 6.0, 8.0]]
    """
    share = number("top", top, low=0, high=1, open_low=True)
    repulsion = number("repulsion", repulsion, low=0)
    if adata.n_obs == 0:
        raise InvalidInput("adata", "no cells", "use some")
    entry = slots.find(adata, slots.PROGRAMS, key, argument="key")
    names = [str(name) for name in entry["names"]]
    slot = slots.PROGRAMS.slots[slots.ACTIVITY].key.format(key)
    activity = _finite(slots.columns(adata, slot, argument="key")[0], "key", slot)
    places = _finite(slots.columns(adata, basis, argument="basis")[0], "basis", basis)
    if places.shape[1] < 2:
        raise InvalidInput("basis", f"obsm[{basis!r}] has one column", "use one with two")
    places = places[:, :2]
    home = np.empty((len(names), 2))
    is_active = np.asarray((activity > 0).any(axis=0))
    n_top = max(1, math.ceil(share * adata.n_obs))
    for row, own, active in zip(home, activity.T, is_active, strict=True):
        cells = np.argsort(-own, kind="stable")[:n_top]
        weights = np.maximum(own[cells], 0)
        row[:] = weights @ places[cells] / weights.sum() if active else places.mean(axis=0)
    if not is_active.all():
        silent = some(np.array(names)[~is_active])
        text = f"program {silent} is 0 in all cells; it is put where the cells are on average"
        warnings.warn(text, UserWarning, stacklevel=3)
    points = repelled_points(home, repulsion=repulsion)
    return Table.build(
        pd.DataFrame(
            {
                "program": names,
                "x": points[:, 0],
                "y": points[:, 1],
                "home_x": home[:, 0],
                "home_y": home[:, 1],
                "is_active": is_active,
            }
        )
    )


def _finite(values: np.ndarray, argument: str, slot: str) -> np.ndarray:
    if not np.isfinite(values).all():
        found = f"obsm[{slot!r}] has values that are missing or infinite"
        raise InvalidInput(argument, found, "leave these cells out, or compute it again")
    return values
