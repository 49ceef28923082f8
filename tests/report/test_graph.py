"""Where the boxes of a lineage go."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mutua.report.graph import Node, layout
from mutua.report.steps import Step, draw_steps

names = st.integers(0, 11).map(str)
graphs = st.lists(st.tuples(names, names, st.just("x")), max_size=25)


def apart(a: Node, b: Node) -> bool:
    return (
        a.x + a.width <= b.x + 1e-6
        or b.x + b.width <= a.x + 1e-6
        or a.y + a.height <= b.y + 1e-6
        or b.y + b.height <= a.y + 1e-6
    )


@given(graphs)
def test_boxes_do_not_overlap_and_edges_go_down(edges: list[tuple[str, str, str]]) -> None:
    nodes = [Node(str(i), f"function{i}" * (1 + i % 2), tags=("tag",) * (i % 3)) for i in range(12)]
    found = layout(nodes, edges)
    assert sorted(n.id for graph in found for n in graph.nodes) == sorted(n.id for n in nodes)
    for graph in found:
        assert all(apart(a, b) for a, b in itertools.combinations(graph.nodes, 2))
        for node in graph.nodes:
            assert node.x >= 0
            assert node.x + node.width <= graph.width
            assert node.y >= 0
            assert node.y + node.height <= graph.height
    known = {node.id: node for node in nodes}
    drawn = sum(len(graph.edges) for graph in found)
    assert drawn <= len(edges)
    down = sum(known[source].y < known[target].y for source, target, _ in edges)
    assert drawn <= down  # a circle is left open


def test_layers_and_parts() -> None:
    nodes = [Node(name, name) for name in "abcdefg"]
    edges = [("a", "b", ""), ("b", "c", ""), ("a", "c", ""), ("d", "c", ""), ("e", "f", "")]
    first, second, third = layout(nodes, [*edges, ("missing", "g", "")])
    assert [node.layer for node in first.nodes] == [0, 1, 2, 1]  # d moves down to what uses it
    assert [node.id for node in second.nodes] == ["e", "f"]
    assert [node.id for node in third.nodes] == ["g"]
    assert first.edges[2].path.count("C") == 2  # runs through a place beside b


def test_a_circle_is_no_end() -> None:
    nodes = [Node(name, name) for name in "ab"]
    assert len(layout(nodes, [("a", "b", ""), ("b", "a", "")])) == 2


def test_a_long_chain_is_straight() -> None:
    nodes = [Node(str(i), "f" * (1 + i % 7)) for i in range(30)]
    (graph,) = layout(nodes, [(str(i), str(i + 1), "") for i in range(29)])
    centres = {round(node.centre, 3) for node in graph.nodes}
    assert len(centres) == 1


def test_steps_are_drawn_once_with_their_elements() -> None:
    first = Step("1", "pp.random_sequences", {"n": 5, "seed": 0, "names": None}, (), "mutua 1")
    second = Step("2", "tl.predict", {"model": {"model": "m.Net"}}, (("sequences", "1"),), "")
    (graph,) = draw_steps([first, second, first], {"2": ["scores"]})
    assert [node.tags for node in graph.nodes] == [(), ("scores",)]
    assert [node.style for node in graph.nodes] == ["source", "call"]
    assert graph.nodes[0].detail == "n=5, seed=0"
    assert graph.nodes[0].tooltip == "pp.random_sequences\nn = 5\nseed = 0"
    assert graph.nodes[1].tooltip == "tl.predict\nmodel = model: m.Net"
    assert [edge.label for edge in graph.edges] == ["sequences"]
