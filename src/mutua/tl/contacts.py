"""How well dependencies between alignment columns tell contacts in a structure."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.stats import mannwhitneyu

from mutua.errors import InvalidInput
from mutua.models import ContactMap, Dataset, PositionMI, Table, as_kind, checked
from mutua.models.arguments import number, whole_number
from mutua.models.contact_map import contacts_at
from mutua.models.dims import POSITION_I, ROW
from mutua.tl._counting import places

__all__ = ["compare_contacts"]

_VARIABLES = ("mi", "mi_normalized", "mi_corrected")


@checked
def compare_contacts(
    mi: Dataset[PositionMI],
    contacts: Dataset[ContactMap],
    *,
    distance: float = 8.0,
    min_separation: int = 4,
) -> Dataset[Table]:
    """Score dependencies between positions as predictions of contacts.

    Parameters
    ----------
    mi
        Dependencies with k = 1.
    contacts
        Distances between the same positions, matched by their numbers: those of a part of an
        alignment are right if the alignment has a coordinate ``position``, which `read_fasta`
        gives to sequences with gaps and `pp.number_positions` to others.
    distance
        Pairs nearer than this, in angstrom, are contacts.
    min_separation
        Least difference between the numbers of two positions that are looked at: neighbours in
        the chain are always near.

    Returns
    -------
    Table
        A row for each of ``mi``, ``mi_normalized`` and ``mi_corrected`` that there is: ``score``
        (its name), ``auroc``, ``precision`` (fraction of contacts among the top L/2 pairs, L
        positions), ``base_rate`` (among all pairs), ``n_pairs`` and ``n_contacts``.

    Raises
    ------
    InvalidInput
        If k is not 1, positions differ or may differ (as many as there are, counted from 0, on
        each side, and not equally many), or there are no contacts or nothing but contacts.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.sequence_weights(mt.datasets.rhomboid(), identity=0.8)
    >>> mi = mt.tl.position_mi(seqs, k=1, pseudocount=0, correction="apc")
    >>> table = mt.tl.compare_contacts(mi, mt.datasets.contacts())
    >>> table["score"].values.tolist()
    ['mi', 'mi_corrected']
    >>> bool(table["auroc"][1] > table["auroc"][0] + 0.1)
    True
    """
    if mi.attrs["k"] != 1:
        raise InvalidInput("mi", f"k = {mi.attrs['k']}", "use k=1: contacts are between residues")
    distance = number("distance", distance, low=0, open_low=True)
    min_separation = whole_number("min_separation", min_separation, low=1)
    chosen = contacts_at(contacts, mi, argument="contacts")["distance"].values
    positions = places(mi[POSITION_I].values)
    i, j = np.triu_indices(len(positions), 1)
    separate = np.abs(positions[i] - positions[j]) >= min_separation
    pairs = i[separate], j[separate]
    rows = []
    for name in _VARIABLES:
        if name not in mi:
            continue
        score, apart = mi[name].values[pairs], chosen[pairs]
        known = ~np.isnan(score) & ~np.isnan(apart)
        score, contact = score[known], apart[known] < distance
        n, n_contacts = len(score), int(contact.sum())
        if not 0 < n_contacts < n:
            raise InvalidInput(
                "distance", f"{n_contacts} of {n} pairs are contacts", "use another distance"
            )
        auroc = mannwhitneyu(score[contact], score[~contact]).statistic
        top = np.argsort(-score, kind="stable")[: max(1, len(positions) // 2)]
        rows.append(
            (
                name,
                auroc / (n_contacts * (n - n_contacts)),
                contact[top].mean(),
                n_contacts / n,
                n,
                n_contacts,
            )
        )
    columns = ("score", "auroc", "precision", "base_rate", "n_pairs", "n_contacts")
    values = dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))
    return as_kind(
        Table,
        xr.Dataset({key: (ROW, np.array(column)) for key, column in values.items()}),
    )
