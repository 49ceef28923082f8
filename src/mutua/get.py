"""Results of an AnnData as an AnnData of their own, for functions that plot or test variables."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from mutua.errors import InvalidInput
from mutua.models import checked, slots
from mutua.models.dims import RECORD

__all__ = ["latent", "program_activity"]

_STATE_LAYER = "state"


@checked
def program_activity(adata: anndata.AnnData, *, key: str = "programs") -> anndata.AnnData:
    """Give the activities of gene programs as an AnnData, cells x programs.

    Programs are its variables, so that scanpy plots and tests them as it does genes.

    Parameters
    ----------
    adata
        With the result of `mutua.tl.programs`, `mutua.tl.project_programs` or
        `mutua.read_programs`.
    key
        The `key_added` it was made with.

    Returns
    -------
    AnnData
        ``X``: activities, as in ``obsm["X_programs"]``. ``layers["state"]``: states, where there
        are any. ``var_names``: the names of the programs. ``obs``, ``obsm``, ``obsp`` and ``uns``
        of the cells are copied, but for the programs themselves.

    Raises
    ------
    InvalidInput
        Where there are no programs under `key`, they no longer fit, or no activities are there.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> adata = anndata.AnnData(np.ones((4, 3)), obsm={"X_umap": np.zeros((4, 2))})
    >>> adata.obsm["X_programs"] = np.arange(8).reshape(4, 2)
    >>> adata.uns["programs"] = {"result": "gene programs", "names": ["P0", "P1"], "features": []}
    >>> activity = mt.get.program_activity(adata)
    >>> activity.to_df().loc["3"].to_dict(), list(activity.obsm)
    ({'P0': 6, 'P1': 7}, ['X_umap'])
    """
    result = slots.PROGRAMS
    names = slots.find(adata, result, key, argument="key")["names"]
    place, state = (result.slots[name].key.format(key) for name in (slots.ACTIVITY, slots.STATE))
    if place not in adata.obsm:
        found = f"the programs under uns[{key!r}] have no activities, as obsm lacks {place!r}"
        raise InvalidInput("key", found, "compute them with mutua.tl.project_programs")
    activity = _of_cells(adata, _dense(adata.obsm[place]), names, without=(key, place, state))
    if state in adata.obsm:
        activity.layers[_STATE_LAYER] = _dense(adata.obsm[state])
    return activity


@checked
def latent(adata: anndata.AnnData, *, key: str = "autoencoder") -> anndata.AnnData:
    """Give latent dims as an AnnData, samples x latent dims.

    Latent dims are its variables, so that scanpy plots and tests them as it does genes.

    Parameters
    ----------
    adata
        With the result of `mutua.tl.autoencoder`, or with latent dims of anybody.
    key
        Latent dims are ``obsm["X_<key>"]``; so ``"pca"`` gives principal components.

    Returns
    -------
    AnnData
        ``X``: float64 (sample, latent). ``var_names``: the names of the latent dims, or the key
        and a number, such as ``pca_0``. ``obs``, ``obsm``, ``obsp`` and ``uns`` are copied, but for
        the latent dims themselves.

    Raises
    ------
    InvalidInput
        Where there are no latent dims under `key`.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> adata = anndata.AnnData(np.ones((3, 4)), obsm={"X_pca": np.eye(3)[:, :2]})
    >>> mt.get.latent(adata, key="pca").to_df().columns.tolist()
    ['pca_0', 'pca_1']
    """
    place = f"X_{key}"
    values, names = slots.columns(adata, place, argument="key")
    return _of_cells(adata, values.copy(), names, without=(key, place))


def _of_cells(
    adata: anndata.AnnData, values: np.ndarray, names: Sequence[str], *, without: Sequence[str]
) -> anndata.AnnData:
    """Give values with all that is known of the cells; the features are left behind."""
    left = {*without, RECORD}
    return anndata.AnnData(
        values,
        obs=adata.obs.copy(),
        var=pd.DataFrame(index=[str(name) for name in names]),
        obsm={name: held.copy() for name, held in adata.obsm.items() if name not in left},
        obsp={name: held.copy() for name, held in adata.obsp.items()},
        uns=copy.deepcopy({name: held for name, held in adata.uns.items() if name not in left}),
    )


def _dense(held: Any) -> np.ndarray:
    return held.toarray() if sparse.issparse(held) else np.array(held)
