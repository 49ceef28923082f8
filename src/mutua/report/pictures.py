"""Pictures of elements by the functions of `mutua.pl`, as PNG inside the page."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.text import Text

from mutua import pl
from mutua.errors import StoreError
from mutua.models.dims import ANNOTATION, MOTIF, PAIR, POSITION_I, POSITION_J, SEQUENCE, TARGET
from mutua.pl._axes import SEQUENTIAL, colour_map, heatmap, label_of
from mutua.report.text import shorten

__all__ = ["Picture", "pictures_of"]

_DPI = 144
_MOST_KMERS = 12
_MOST_MOTIFS = 30
_MOST_SPANS = 50_000
_MOST_ROWS, _MOST_COLUMNS = 40, 50


@dataclass(frozen=True)
class Picture:
    """One picture of an element, or why there is none."""

    caption: str
    description: str
    """What it shows, for those who do not see it."""
    data: str = ""
    """A ``data:`` URL; empty where the picture could not be drawn."""
    width: int = 0
    """Width on the page in pixels."""
    height: int = 0
    problem: str = ""
    is_copy: bool = False
    """Whether the page shows the same as an interactive heatmap."""


@dataclass(frozen=True)
class _Plot:
    """A plot that draws on axes of a size, or, without a size, makes a figure of its own."""

    caption: str
    draw: Callable[..., Any]
    size: tuple[float, float] | None = None
    is_copy: bool = False


def _draw_contacts(contacts: xr.Dataset, ax: Axes) -> None:
    distance = np.array(contacts["distance"].values)
    finite = distance[np.isfinite(distance)]
    image = heatmap(
        ax,
        distance,
        contacts[POSITION_J].values,
        contacts[POSITION_I].values,
        cmap=colour_map(f"{SEQUENTIAL}_r"),
        norm=Normalize(0, float(finite.max()) if finite.size else 1.0),
    )
    ax.set_xlabel(label_of(contacts[POSITION_J]))
    ax.set_ylabel(label_of(contacts[POSITION_I]))
    ax.figure.colorbar(image, ax=ax, shrink=0.85).set_label(label_of(contacts["distance"]))


def _draw_motifs(motifs: Any) -> Figure:
    first = motifs.isel({MOTIF: slice(_MOST_MOTIFS)}).compute()
    figure = pl.motifs(first, n=_MOST_MOTIFS)
    plt.close(figure)  # of those that pyplot keeps; the figure itself stays
    there = motifs.sizes[MOTIF]
    if there > _MOST_MOTIFS:
        figure.suptitle(f"the first {_MOST_MOTIFS} of {there:,} motifs", fontsize="medium")
    return figure


def _draw_logo(attributions: Any, ax: Axes) -> None:
    first = attributions.isel({SEQUENCE: slice(1)}).compute()
    pl.logo(first, sequence=0, ax=ax)


def _draw_seqlets(annotations: Any, ax: Axes) -> None:
    pl.seqlet_map(annotations.isel({ANNOTATION: slice(_MOST_SPANS)}).compute(), ax=ax)


def _draw_pairs(pairs: Any) -> Any:
    """Draw effects or numbers; of numbers by distance, those of the pair of smallest p-value."""
    pairs = pairs.compute()
    if "epistasis" in pairs:
        by_distance = "distance" in pairs
        ax = pl.interaction_distance(pairs) if by_distance else pl.interactions(pairs)
        drawn: Any = ax.figure
        plt.close(drawn)  # of those that pyplot keeps; the figure itself stays
        return drawn
    if "distance" not in pairs or not pairs.sizes[PAIR]:
        figure = Figure(figsize=(7.4, 6.4), layout="constrained")
        pl.pair_matrix(pairs, ax=figure.add_subplot())
        return figure
    place = int(np.argmin(np.nan_to_num(pairs["p_value"].values, nan=2.0)))
    ids = pairs["motif"].values
    a, b = (str(ids[int(pairs[f"motif_{x}_index"].values[place])]) for x in "ab")
    figure = pl.spacing(pairs, pair=(a, b))
    plt.close(figure)  # of those that pyplot keeps; the figure itself stays
    return figure


def _draw_effects(effects: Any, ax: Axes) -> None:
    pl.effects(effects.isel({TARGET: slice(1)}).compute(), ax=ax)


def _draw_neuron_effects(effects: Any) -> Any:
    figure: Any = pl.neuron_effects(effects.isel({TARGET: slice(1)}).compute()).figure
    plt.close(figure)  # of those that pyplot keeps; the figure itself stays
    return figure


def _draw_feature_mi(mi: Any) -> Any:
    figure: Any = pl.feature_mi(mi.compute(), n=_MOST_ROWS, n_latents=_MOST_COLUMNS).figure
    plt.close(figure)  # of those that pyplot keeps; the figure itself stays
    return figure


def _draw_association(association: Any) -> Figure:
    figure = pl.module_association(association.compute(), n=_MOST_ROWS, n_modules=_MOST_COLUMNS)
    plt.close(figure)  # of those that pyplot keeps; the figure itself stays
    return figure


def _draw_coupling(network: Any) -> Any:
    figure: Any = pl.coupling(network.compute()).figure
    plt.close(figure)  # of those that pyplot keeps; the figure itself stays
    return figure


def _draw_response(network: Any) -> Any:
    figure: Any = pl.response(network.compute()).figure
    plt.close(figure)  # of those that pyplot keeps; the figure itself stays
    return figure


def _draw_network(network: Any) -> Any:
    figure: Any = pl.network(network.compute()).figure
    plt.close(figure)  # of those that pyplot keeps; the figure itself stays
    return figure


_SQUARE, _WIDE = (6.2, 5.2), (6.2, 3.2)
_PLOTS = {
    "PositionMI": [
        _Plot(
            "Dependency between all pairs", lambda e, ax: pl.position_mi(e, ax=ax), _SQUARE, True
        ),
        _Plot("Dependency of neighbours", lambda e, ax: pl.mi_diagonal(e, ax=ax), _WIDE),
    ],
    "DistanceMI": [
        _Plot("Dependency by distance", lambda e, ax: pl.mi_by_distance(e, ax=ax), _WIDE)
    ],
    "KmerPairs": [
        _Plot(
            "Pairs of k-mers: red go together, blue avoid each other",
            lambda e, ax: pl.pair_kmers(e, n=_MOST_KMERS, ax=ax),
            (7.4, 6.4),
        )
    ],
    "PositionMIDifference": [
        _Plot(
            "Difference between the two sets",
            lambda e, ax: pl.compare_position_mi(e, ax=ax),
            _SQUARE,
        ),
        _Plot(
            "The first set above, the second below the diagonal",
            lambda e, ax: pl.compare_position_mi(e, view="both", ax=ax),
            _SQUARE,
        ),
    ],
    "MotifSet": [_Plot("Sequence logos", _draw_motifs)],
    "Attributions": [_Plot("Attributions of the first sequence", _draw_logo, (9.6, 2.8))],
    "Annotations": [_Plot("Where the annotations are", _draw_seqlets, (8.0, 4.4))],
    "MotifPairs": [_Plot("Pairs of motifs", _draw_pairs)],
    "Effects": [_Plot("Changes of the first target", _draw_effects, (7.4, 4.4))],
    "NeuronEffects": [_Plot("Neurons and the first target", _draw_neuron_effects)],
    "FeatureMI": [_Plot("Features that inform latent dims", _draw_feature_mi)],
    "ModuleAssociation": [_Plot("Features and the modules they go with", _draw_association)],
    "ProgramNetwork": [
        _Plot("Couplings between nodes", _draw_coupling),
        _Plot("Strong couplings as edges", _draw_network),
        _Plot("Responses of nodes to conditions", _draw_response),
    ],
    "ContactMap": [_Plot("Distances in space", _draw_contacts, _SQUARE, True)],
}


def pictures_of(element: xr.Dataset, kind: str, name: str) -> list[Picture]:
    """Draw an element in every way there is for its kind.

    Parameters
    ----------
    element
        In memory.
    kind
        Name of its kind; there may be no plot for it.
    name
        Its name in the analysis.

    Returns
    -------
    list of Picture
        A plot that fails (for instance for a font that lacks a character) says so in its place.
    """
    return [_picture(plot, element, kind, name) for plot in _PLOTS.get(kind, [])]


def _picture(plot: _Plot, element: xr.Dataset, kind: str, name: str) -> Picture:
    description = f"{plot.caption}: picture of the {kind} {name}"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
            figure = _drawn(plot, element)
            FigureCanvasAgg(figure)
            for text in figure.findobj(Text):
                text.set_parse_math(False)  # names are shown as they are, "$" and all
            drawn = io.BytesIO()
            figure.savefig(drawn, format="png", dpi=_DPI, metadata={"Software": None})
    except StoreError:
        raise
    except Exception as error:  # one picture less is no reason to have no report
        problem = shorten(f"{type(error).__name__}: {error}")
        return Picture(plot.caption, description, problem=problem, is_copy=plot.is_copy)
    return Picture(
        caption=plot.caption,
        description=description,
        data=f"data:image/png;base64,{base64.b64encode(drawn.getvalue()).decode('ascii')}",
        width=round(figure.get_figwidth() * 100),
        height=round(figure.get_figheight() * 100),
        is_copy=plot.is_copy,
    )


def _drawn(plot: _Plot, element: xr.Dataset) -> Figure:
    """Give the figure of a plot."""
    if plot.size is None:
        made: Figure = plot.draw(element)
        return made
    figure = Figure(figsize=plot.size, layout="constrained")
    plot.draw(element, figure.add_subplot())
    return figure
