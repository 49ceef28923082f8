"""A layered picture of a directed acyclic graph: where boxes and lines go.

The layers are those of the longest path (sources move down to what uses them); long edges run
through empty places in between; the order within a layer comes from barycentre sweeps, and the
places from least squares that keep that order and a gap (isotonic regression).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["Edge", "Graph", "Node", "layout"]

_LETTER = 7.4
"""Width of a letter of a label, in pixels."""
_PADDING = 12.0
_GAP_X, _GAP_Y, _MARGIN = 22.0, 34.0, 6.0
_LINE, _TAG = 17.0, 22.0
_SWEEPS = 6


@dataclass
class Node:
    """A box: what stands in it, and once it is laid out, where it is."""

    id: str
    label: str
    detail: str = ""
    tooltip: str = ""
    tags: tuple[str, ...] = ()
    style: str = "call"
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    layer: int = 0

    @property
    def centre(self) -> float:
        """Middle of the box from the left."""
        return self.x + self.width / 2


@dataclass(frozen=True)
class Edge:
    """A line from one box to another, as the path of an SVG."""

    label: str
    path: str


@dataclass
class Graph:
    """One connected graph that is laid out."""

    width: float
    height: float
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)


def layout(nodes: Sequence[Node], edges: Iterable[tuple[str, str, str]]) -> list[Graph]:
    """Give a picture for every connected part of a graph.

    Parameters
    ----------
    nodes
        Boxes with different ids.
    edges
        Source, target and label. Edges to boxes that are not there and edges that close a circle
        are left out.

    Examples
    --------
    >>> a, b = Node("a", "first"), Node("b", "second")
    >>> (graph,) = layout([a, b], [("a", "b", "input")])
    >>> a.y < b.y, len(graph.edges)
    (True, 1)
    """
    known = {node.id: node for node in nodes}
    sound = _without_circles(list(known), [e for e in edges if e[0] in known and e[1] in known])
    parts: dict[str, list[Node]] = defaultdict(list)
    root = _connected(list(known), sound)
    for node in known.values():
        parts[root[node.id]].append(node)
    return [
        _layout_part(part, [edge for edge in sound if root[edge[0]] == name])
        for name, part in parts.items()
    ]


def _without_circles(
    ids: list[str], edges: list[tuple[str, str, str]]
) -> list[tuple[str, str, str]]:
    """Leave out edges into what cannot be put in order."""
    waiting = {name: {e[0] for e in edges if e[1] == name} for name in ids}
    done: set[str] = set()
    while ready := [name for name, sources in waiting.items() if sources <= done]:
        done.update(ready)
        for name in ready:
            del waiting[name]
    return [edge for edge in edges if edge[1] in done]


def _connected(ids: list[str], edges: list[tuple[str, str, str]]) -> dict[str, str]:
    """Give for every node the name of the part that it is in."""
    root = {name: name for name in ids}

    def find(name: str) -> str:
        while root[name] != name:
            root[name] = name = root[root[name]]
        return name

    for source, target, _ in edges:
        root[find(target)] = find(source)
    return {name: find(name) for name in ids}


def _layout_part(nodes: list[Node], edges: list[tuple[str, str, str]]) -> Graph:
    for node in nodes:
        longest = max(len(node.label), 0.92 * len(node.detail), *(len(t) + 2 for t in node.tags), 8)
        node.width = round(longest * _LETTER + 2 * _PADDING)
        node.height = _PADDING + _LINE * (2 if node.detail else 1) + _TAG * len(node.tags)
    _set_layers(nodes, edges)
    places, chains = _with_stations(nodes, edges)
    layers = [[n for n in places if n.layer == i] for i in range(max(n.layer for n in nodes) + 1)]
    before, after = _neighbours(chains)
    _order(layers, before, after)
    _place(layers, before, after)
    top = _MARGIN
    for layer in layers:
        height = max(node.height for node in layer)
        for node in layer:
            node.y = top
            if not node.label:
                node.height = height  # a line that passes by runs straight down
        top += height + _GAP_Y
    left = min(node.x for node in places) - _MARGIN
    for node in places:
        node.x -= left
    return Graph(
        width=max(node.x + node.width for node in places) + _MARGIN,
        height=top - _GAP_Y + _MARGIN,
        nodes=nodes,
        edges=[Edge(label, _path(chain)) for label, chain in chains],
    )


def _set_layers(nodes: list[Node], edges: list[tuple[str, str, str]]) -> None:
    known = {node.id: node for node in nodes}
    for node in nodes:
        node.layer = 0
    changed = True
    while changed:  # ends, as there are no circles
        changed = False
        for source, target, _ in edges:
            if known[target].layer <= known[source].layer:
                known[target].layer = known[source].layer + 1
                changed = True
    users = defaultdict(list)
    for source, target, _ in edges:
        users[source].append(known[target].layer)
    targets = {target for _, target, _ in edges}
    for node in nodes:
        if node.id not in targets and users[node.id]:
            node.layer = min(users[node.id]) - 1


def _with_stations(
    nodes: list[Node], edges: list[tuple[str, str, str]]
) -> tuple[list[Node], list[tuple[str, list[Node]]]]:
    """Put a place into every layer that an edge passes; give all places and the edges' ways."""
    known = {node.id: node for node in nodes}
    places, chains = list(nodes), []
    for source, target, label in edges:
        first, last = known[source], known[target]
        stations = [
            Node(id=f"{source} {target} {label} {i}", label="", layer=i, width=8.0)
            for i in range(first.layer + 1, last.layer)
        ]
        places += stations
        chains.append((label, [first, *stations, last]))
    return places, chains


def _neighbours(
    chains: list[tuple[str, list[Node]]],
) -> tuple[dict[str, list[Node]], dict[str, list[Node]]]:
    before: dict[str, list[Node]] = defaultdict(list)
    after: dict[str, list[Node]] = defaultdict(list)
    for _, chain in chains:
        for upper, lower in itertools.pairwise(chain):
            before[lower.id].append(upper)
            after[upper.id].append(lower)
    return before, after


def _order(
    layers: list[list[Node]], before: dict[str, list[Node]], after: dict[str, list[Node]]
) -> None:
    """Order every layer by the mean rank of its neighbours above, then below, some times."""
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        around = before if downwards else after
        rank = {node.id: i for layer in layers for i, node in enumerate(layer)}
        for layer in layers if downwards else reversed(layers):
            mean = {
                node.id: sum(rank[other.id] for other in around[node.id]) / len(around[node.id])
                if around[node.id]
                else rank[node.id]
                for node in layer
            }
            layer.sort(key=lambda node: mean[node.id])
            rank.update((node.id, i) for i, node in enumerate(layer))


def _place(
    layers: list[list[Node]], before: dict[str, list[Node]], after: dict[str, list[Node]]
) -> None:
    """Move every box towards the middle of its neighbours, keeping order and gaps."""
    for layer in layers:
        _spread(layer, [0.0] * len(layer))
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        around = before if downwards else after
        for layer in layers if downwards else reversed(layers):
            wanted = []
            for node in layer:
                others = around[node.id]
                middle = sum(other.centre for other in others) / len(others) if others else None
                wanted.append(node.centre if middle is None else middle)
            _spread(layer, wanted)


def _spread(layer: list[Node], wanted: list[float]) -> None:
    """Put boxes as near as possible to the wanted middles, in order and without overlap."""
    offset, offsets = 0.0, []
    for i, node in enumerate(layer):
        if i:
            offset += (layer[i - 1].width + node.width) / 2 + _GAP_X
        offsets.append(offset)
    blocks: list[list[float]] = []  # mean and number of the boxes that stand side by side
    for middle, shift in zip(wanted, offsets, strict=True):
        blocks.append([middle - shift, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (mean, count), (last, number) = blocks[-2], blocks.pop()
            blocks[-1] = [(mean * count + last * number) / (count + number), count + number]
    means = [mean for mean, count in blocks for _ in range(int(count))]
    for node, mean, shift in zip(layer, means, offsets, strict=True):
        node.x = mean + shift - node.width / 2


def _path(chain: list[Node]) -> str:
    """Give the way of an edge as smooth curves through its stations."""
    x, y = chain[0].centre, chain[0].y + chain[0].height
    parts = [f"M{x:.1f} {y:.1f}"]
    for node in chain[1:]:
        bend = (node.y - y) / 2
        parts.append(
            f"C{x:.1f} {y + bend:.1f} {node.centre:.1f} {node.y - bend:.1f} "
            f"{node.centre:.1f} {node.y:.1f}"
        )
        x, y = node.centre, node.y
        if not node.label:
            y += node.height
            parts.append(f"V{y:.1f}")
    return "".join(parts)
