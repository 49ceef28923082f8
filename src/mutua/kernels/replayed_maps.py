"""Compute the maps of a traced model for other sequences, without padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mutua.kernels.traced_functions import Window

__all__ = ["Node", "Values", "needed_nodes", "replay"]


class Node(NamedTuple):
    """A tensor that depends on the sequences, and how it is computed."""

    sources: tuple[int, ...]
    compute: Callable[[list[Any]], Any] | None
    """From the values of `sources`, all of the same places."""
    window: Window | None
    """In place of `compute` for what combines neighbouring positions of its one source."""
    batch: int
    axis: int | None
    """Which axis runs along the sequence; None if none does."""
    jump: int
    low: int
    """Place of the first value that can be computed of a sequence from place 0 on."""
    high: int
    """Place of the last one, less that of the last letter."""
    mixes: str
    """Why it depends on more than its window, if it does."""

    @property
    def receptive_field(self) -> int:
        """Letters of the window of one value."""
        return self.low - self.high + 1


class Values(NamedTuple):
    """A map or part of it: place of its first value, and letters from one to the next."""

    data: Any
    place: int
    step: int


def replay(
    nodes: Sequence[Node], sequences: Any, wanted: Sequence[int], *, every: bool
) -> list[Values]:
    """Compute maps of other sequences, without padding.

    Parameters
    ----------
    nodes
        Those of a `Trace`.
    sequences
        Tensor (sequence, channel, position), at least as long as the window of the last wanted.
    wanted
        Indices of nodes.
    every
        Whether to compute a value for every window. Else there are as many as in the model
        itself, in step with the first value of the last one wanted.

    Returns
    -------
    list of Values
        Of each wanted node.
    """
    needed = needed_nodes(nodes, wanted)
    phase = nodes[wanted[-1]].low
    last_use = {source: number for number in needed for source in nodes[number].sources}
    values = {0: Values(sequences, 0, 1)}
    for number in needed[1:]:
        node = nodes[number]
        if node.window is not None:
            source = node.sources[0]
            values[number] = _combined(values[source], node.window, nodes[source], phase, every)
        else:
            values[number] = _computed([values[one] for one in node.sources], node, nodes)
        for source in set(node.sources):
            if last_use[source] == number and source not in wanted:
                del values[source]
    return [values[number] for number in wanted]


def needed_nodes(nodes: Sequence[Node], wanted: Sequence[int]) -> list[int]:
    """Give the nodes that others are computed from, in order."""
    found, waiting = {0}, list(wanted)
    while waiting:
        number = waiting.pop()
        if number not in found:
            found.add(number)
            waiting += nodes[number].sources
    return sorted(found)


def _combined(value: Values, window: Window, source: Node, phase: int, every: bool) -> Values:
    """Apply a convolution or the like, at every place or only where the model does."""
    assert source.axis is not None
    data, place = value.data, value.place + window.padding * source.jump
    if every:
        return Values(window.apply(data, source.jump, 1), place, 1)
    jump = source.jump * window.stride
    skipped = (phase - place) % jump
    if skipped:
        n = skipped // source.jump
        data = data.narrow(source.axis, n, data.shape[source.axis] - n)
    return Values(window.apply(data, 1, window.stride), place + skipped, jump)


def _computed(values: list[Values], node: Node, nodes: Sequence[Node]) -> Values:
    """Compute a function of maps at the places that all of them have."""
    assert node.compute is not None
    both = [(value, nodes[one]) for value, one in zip(values, node.sources, strict=True)]
    maps = [(value, source.axis, source.low) for value, source in both if source.axis is not None]
    if not maps:
        return Values(node.compute([value.data for value in values]), 0, 1)
    start = max(value.place for value, _, _ in maps)
    stop = min(value.place + value.data.shape[axis] * value.step for value, axis, _ in maps)
    parts = [
        value.data if source.axis is None else _part(value, source.axis, start, stop)
        for value, source in both
    ]
    shift = node.low - max(low for _, _, low in maps)
    return Values(node.compute(parts), start + shift, maps[0][0].step)


def _part(value: Values, axis: int, start: int, stop: int) -> Any:
    first, size = (start - value.place) // value.step, (stop - start) // value.step
    return value.data.narrow(axis, first, size)
