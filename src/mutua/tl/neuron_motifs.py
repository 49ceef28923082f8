"""Which motifs each neuron of a convolutional layer detects."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.activating_search import (
    EXHAUSTIVE,
    N_BINS,
    Found,
    all_sequences,
    search_sequences,
    spread_over_activations,
)
from mutua.kernels.apply_model import progress_steps
from mutua.kernels.conv_layers import ConvLayer
from mutua.kernels.demixing import (
    Leaf,
    demix,
    demix_further,
    homogeneity,
    informative_runs,
    leaf_probability,
)
from mutua.kernels.letters import one_hot
from mutua.kernels.random_sequences import check_seed
from mutua.kernels.sampled_windows import SampledWindows
from mutua.kernels.window_activations import WindowEvaluator
from mutua.models import Dataset, MotifSet, SequenceSet, checked
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import POSITION
from mutua.models.motif_matrices import column_information
from mutua.tl._windows import channel_list, code_blocks, evaluator, traced_model, window_maxima

__all__ = ["neuron_motifs"]

_SOURCES = ("both", "data", "search")
_GOOD_CONSENSUS = 0.95
"""Activation by the most probable letters, relative to the largest of a cluster, that is enough."""
_KEPT_SHARE = 0.5
"""Share of a leaf that its letters have to explain, for the rest to be taken out."""
_PSEUDOCOUNT = 1.0
_SHORT = 5


@checked
def neuron_motifs(
    sequences: Dataset[SequenceSet],
    model: Any,
    layer: str,
    *,
    neurons: Sequence[int] | None = None,
    source: Literal["both", "data", "search"] = "both",
    n_clusters: int | Literal["pool"] = "pool",
    n_sequences: int = 2000,
    min_sequences: int | None = None,
    min_activation: float = 0.7,
    min_homogeneity: float = 0.9,
    min_information: float = 0.7,
    trim: bool = True,
    args: Sequence[Any] = (),
    device: str | None = None,
    progress: bool | None = None,
    seed: int = 0,
) -> Dataset[MotifSet]:
    """Give the motifs that the neurons of a convolutional layer detect.

    Sequences that activate a neuron are found, as many of each level of activation. What earlier
    layers make of them tells motifs apart, and places of one motif behind pooling: k-means, layer
    by layer, the deepest first. Each cluster at the end of this tree, a leaf, gives its letters,
    of which the informative positions are a motif.

    Parameters
    ----------
    sequences
        (sequence, position), of the model's letters; read block by block.
    model
        A torch module; it sees float32 (sequence, letter, position). Its modes, device and hooks
        are put back as they were, even if it fails.
    layer
        Name of a convolutional layer, see `mutua.tl.layers`.
    neurons
        Channels to look at, from 0; all of them by default.
    source
        Where activating sequences come from: ``"data"``, the windows of `sequences`;
        ``"search"``, all sequences of at most 9 letters, or a genetic search guided by the
        gradients of the neuron; ``"both"``, the search beginning with the best windows.
    n_clusters
        Clusters of one split. ``"pool"``: as many as positions of the layer fall into one pool
        (one motif gives so many shifted copies), at least 2; clusters are split by one layer as
        long as that makes them more homogeneous, then by the next one, until they are
        homogeneous and their most probable letters activate the neuron as much as 95 % of the
        largest activation. Fewer than half of a leaf that activate the neuron more than that are
        taken out: they have something else as well. A number: every cluster is split into so many
        by every layer.
    n_sequences
        At most so many sequences of each neuron are clustered.
    min_sequences
        A leaf has at least so many; by default 20, or 5 where windows have less than 7 letters.
    min_activation
        Sequences count that activate the neuron more than this share of the largest activation.
        Weaker motifs of a neuron need less; the weakest sequences have no motif.
    min_homogeneity
        With ``n_clusters="pool"``, clusters from this homogeneity on are not split further.
    min_information
        Bits that a position of a motif has, on average with its neighbours; positions with less
        than 0.3 at its ends are taken off.
    trim
        Whether to give the informative positions only, or all of the window.
    args, device, progress
        As for `mutua.tl.predict`; arguments are 0, as tracks are, for a window is looked at by
        itself. On another device a genetic search goes through other sequences, as it follows
        the last bits of activations: its motifs are alike, not the same.
    seed
        Of all that is random. Each neuron has random numbers of its own: it has the same motifs
        whichever others are looked at.

    Returns
    -------
    MotifSet
        ``probability`` of the letters in the leaf: bins of activation count by their activation,
        however many sequences they have [1]_; ``n_sites``, its sequences; ``activation_max``, the
        largest; ``activation_consensus``, that of its most probable letters; ``homogeneity``, the
        mean activation of sequences whose letters are drawn from ``probability``, each position
        by itself, relative to the leaf's own sequences: about 1 for one motif at one place, less
        for a blur of several (whose most probable letters may well be one of them);
        ``window_start``. Motifs are called by neuron, leaf and place, such as
        ``conv2:17/0-1@3``; coordinates ``neuron``, ``layer``, ``channel`` and ``leaf``; ``name``
        is the consensus. Attribute ``neurons_without_motif`` lists the neurons that have none and
        why: ``dead`` (no activation above 0), too few sequences, or no informative positions.

    Raises
    ------
    InvalidInput
        If the model has no such layer, its windows are not known, sequences are shorter than
        they, a channel does not exist, or activations are not finite.

    Warns
    -----
    UserWarning
        If windows have to be computed one by one.

    Notes
    -----
    The activation is that of the convolution with its bias, before normalization, activation
    function and pooling, for a window alone, without padding. `mutua.tl.annotate` names motifs.

    References
    ----------
    .. [1] Wei et al. 2023, NeuronMotif, PNAS 120:e2216698120.

    Examples
    --------
    >>> import torch
    >>> import mutua as mt
    >>> model = torch.nn.Sequential(torch.nn.Conv1d(4, 1, 6), torch.nn.ReLU())
    >>> letters = mt.pp.one_hot(mt.from_strings(["GATTAC"]))
    >>> with torch.no_grad():
    ...     _ = model[0].weight.copy_(torch.from_numpy(letters) * 2 - 0.5)
    ...     _ = model[0].bias.fill_(0)
    >>> seqs = mt.pp.random_sequences(100, length=40, seed=0)
    >>> motifs = neuron_motifs(seqs, model, "0")
    >>> motifs["motif"].values.tolist(), motifs["name"].values.tolist()
    (['0:0/0@0'], ['GATTAC'])
    """
    one_of("source", source, _SOURCES)
    if n_clusters != "pool":
        n_clusters = whole_number("n_clusters", n_clusters, low=1)
    n_sequences = whole_number("n_sequences", n_sequences, low=1)
    if min_sequences is not None:
        min_sequences = whole_number("min_sequences", min_sequences, low=1)
    min_activation = number("min_activation", min_activation, low=0, high=1)
    min_homogeneity = number("min_homogeneity", min_homogeneity, low=0)
    min_information = number("min_information", min_information, low=0)
    if not isinstance(trim, bool):
        raise InvalidInput("trim", f"{trim!r}", "use True or False")
    check_seed(seed)
    alphabet = sequences.attrs["alphabet"]
    traced = traced_model(sequences, model, args, device)
    neuron_layer = evaluator(traced, sequences, layer)
    channels = channel_list(neurons, neuron_layer.channels)
    pools = _pools(neuron_layer, traced.layers)
    if min_sequences is None:
        min_sequences = 20 if neuron_layer.receptive_field > 6 else 5
    tree = _Tree(neuron_layer, pools, len(alphabet), n_clusters, min_sequences, min_homogeneity)
    windows = (
        _sampled(sequences, neuron_layer, channels, n_sequences, seed, progress)
        if source != "search"
        else [None] * len(channels)
    )
    rows: list[_Row] = []
    without: dict[str, str] = {}
    with _one_thread():
        for place in progress_steps(len(channels), 1, progress, "neurons"):
            channel = channels[place]
            random = np.random.default_rng([seed, channel])
            found = _activating(
                neuron_layer, channel, windows[place], source, len(alphabet), random
            )
            chosen = spread_over_activations(found, n_sequences, random, least=min_activation)
            neuron = f"{layer}:{channel}"
            if not len(chosen.codes):
                most = float(found.activation.max(initial=-np.inf))
                without[neuron] = "dead: no activation above 0" + (
                    f", the largest is {most:.3g}" if np.isfinite(most) else ""
                )
            elif len(chosen.codes) < min_sequences:
                without[neuron] = f"only {len(chosen.codes)} sequences that activate it"
            else:
                own = list(tree.motifs(chosen, channel, min_information if trim else None, seed))
                rows += own
                if not own:
                    without[neuron] = "no informative positions"
    return _motif_set(rows, layer, alphabet, without)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread for a while: for small batches more are slower.

    Where other processes run as well, they are slower by ten times.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _sampled(
    sequences: Dataset[SequenceSet],
    neuron_layer: WindowEvaluator,
    channels: list[int],
    n_sequences: int,
    seed: int,
    progress: bool | None,
) -> list[Found | None]:
    """Give windows of the data that activate each neuron, of every level of activation."""
    letters = len(sequences.attrs["alphabet"])
    most = window_maxima(neuron_layer, sequences, progress).activation[:, channels]
    top = np.fmax.reduce(most, axis=0)
    sample = SampledWindows(
        top, width=neuron_layer.receptive_field, most=-(-2 * n_sequences // N_BINS), seed=seed
    )
    step = max(1, 2**22 // (sequences.sizes[POSITION] * neuron_layer.channels))
    for first, codes in code_blocks(sequences):
        for start in range(0, len(codes), step):
            part = codes[start : start + step]
            activation = neuron_layer.windows(one_hot(part, letters))[:, channels]
            sample.add(part, activation, first + start)
    return [sample.of(place) for place in range(len(channels))]


def _activating(
    neuron_layer: WindowEvaluator,
    channel: int,
    windows: Found | None,
    source: str,
    n_letters: int,
    random: np.random.Generator,
) -> Found:
    """Give different sequences and their activations of one neuron, from all sources."""
    if source == "data":
        assert windows is not None
        return windows
    width = neuron_layer.receptive_field
    if n_letters**width <= EXHAUSTIVE:
        codes = all_sequences(width, n_letters)
        return Found(codes, neuron_layer(one_hot(codes, n_letters))[:, channel])
    start = None
    if windows is not None and len(windows.codes):
        best = np.argsort(-windows.activation, kind="stable")[:200]
        start = windows.codes[best]
    found = search_sequences(
        _with_gradient(neuron_layer, channel, n_letters), width, n_letters, random, start=start
    )
    if windows is None:
        return found
    codes = np.concatenate([found.codes, windows.codes])
    codes, first = np.unique(codes, axis=0, return_index=True)
    return Found(codes, np.concatenate([found.activation, windows.activation])[first])


def _with_gradient(neuron_layer: WindowEvaluator, channel: int, n_letters: int) -> Any:
    import torch

    def activations(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        letters = torch.from_numpy(one_hot(codes, n_letters)).requires_grad_()
        with torch.enable_grad():
            value = neuron_layer(letters)[:, channel]
            (gradient,) = torch.autograd.grad(value.sum(), letters)
        return value.detach().cpu().numpy(), gradient.cpu().numpy()

    return activations


class _Row(NamedTuple):
    """One motif of the result."""

    channel: int
    leaf: str
    start: int
    probability: np.ndarray
    n_sites: int
    activation_max: float
    activation_consensus: float
    homogeneity: float


class _Tree(NamedTuple):
    """How sequences of a neuron are split into leaves."""

    evaluator: WindowEvaluator
    pools: list[int]
    n_letters: int
    n_clusters: int | Literal["pool"]
    least: int
    enough: float

    def motifs(
        self, found: Found, channel: int, min_information: float | None, seed: int
    ) -> Iterator[_Row]:
        """Yield the motifs of one neuron."""
        for leaf, probability, homogeneous in self._leaves(found, channel, seed):
            n = len(leaf.rows)
            counts = probability * n + _PSEUDOCOUNT / self.n_letters
            even = [1 / self.n_letters] * self.n_letters
            bits = column_information(counts / counts.sum(axis=0), even)
            runs = [(0, len(bits))]
            if min_information is not None:
                shortest = 3 if len(bits) <= _SHORT else 4
                runs = informative_runs(bits, least_bits=min_information, least_length=shortest)
            consensus = one_hot(probability.argmax(axis=0).astype(np.uint8)[None], self.n_letters)
            quality = (
                float(found.activation[leaf.rows].max()),
                float(self.evaluator(consensus)[0, channel]),
                homogeneous,
            )
            for start, end in runs:
                yield _Row(channel, leaf.path, start, probability[:, start:end], n, *quality)

    def _leaves(
        self, found: Found, channel: int, seed: int
    ) -> Iterator[tuple[Leaf, np.ndarray, float]]:
        """Yield the leaves with their letters and homogeneity."""
        maps = _Maps(self.evaluator, one_hot(found.codes, self.n_letters))
        random = np.random.default_rng([seed, channel, 1])

        def activate(codes: np.ndarray) -> np.ndarray:
            return np.asarray(self.evaluator(one_hot(codes, self.n_letters))[:, channel])

        def homogeneous(rows: np.ndarray) -> float:
            codes, activation = found.codes[rows], found.activation[rows]
            return homogeneity(codes, activation, self.n_letters, activate, random)

        def consensus(rows: np.ndarray) -> float:
            """Give the activation of the most probable letters."""
            own = found.codes[rows], found.activation[rows]
            letters = leaf_probability(*own, self.n_letters).argmax(axis=0)
            return float(activate(letters.astype(np.uint8)[None])[0])

        def good(rows: np.ndarray) -> float:
            """Give 1 or more for a homogeneous cluster whose consensus is among its best."""
            quality = consensus(rows) / float(found.activation[rows].max()) / _GOOD_CONSENSUS
            return min(homogeneous(rows) / self.enough, quality)

        weights, how = found.activation, {"least": self.least, "seed": seed}
        if self.n_clusters == "pool":
            pools = [max(2, pool) for pool in self.pools]
            leaves = demix_further(maps, weights, pools, good, enough=1, **how)
        else:
            leaves = demix(maps, weights, [self.n_clusters] * len(self.pools), **how)
        for leaf in leaves:
            rows = self._explained(found, leaf.rows, consensus)
            own = found.codes[rows], found.activation[rows]
            yield Leaf(leaf.path, rows), leaf_probability(*own, self.n_letters), homogeneous(rows)

    def _explained(
        self, found: Found, rows: np.ndarray, consensus: Callable[[np.ndarray], float]
    ) -> np.ndarray:
        """Give the sequences of a leaf without those that its letters do not explain.

        These activate the neuron more than the most probable letters do, by something that few
        share. Where they are the most, the leaf stays whole.
        """
        left = rows
        while len(left) >= max(self.least, _KEPT_SHARE * len(rows)):
            beyond = found.activation[left] * _GOOD_CONSENSUS > consensus(left)
            if not beyond.any():
                return left
            left = left[~beyond]
        return rows


class _Maps:
    """Maps of the earlier layers for the sequences of a neuron; of the letters, if there are none.

    Computed when they are asked for, and once.
    """

    def __init__(self, evaluator: WindowEvaluator, windows: np.ndarray) -> None:
        self._evaluator = evaluator
        self._windows = windows
        self._known: dict[int, np.ndarray] = {}

    def __call__(self, depth: int) -> np.ndarray:
        """Give features (sequence, feature) of a layer, 0 the deepest."""
        if depth not in self._known:
            earlier = self._evaluator.earlier_layers
            maps = np.asarray(
                self._evaluator.layer_maps(self._windows, earlier[depth])
                if earlier
                else self._windows
            )
            self._known[depth] = maps.reshape(len(maps), -1)
        return self._known[depth]


def _pools(neuron_layer: WindowEvaluator, layers: Sequence[ConvLayer]) -> list[int]:
    """Give how many positions of each earlier layer, deepest first, one of the next stands for."""
    jump = {one.name: one.jump for one in layers}
    names = [neuron_layer.layer.name, *neuron_layer.earlier_layers]
    pools = [jump[next_] // jump[name] for next_, name in itertools.pairwise(names)]
    return [max(1, pool) for pool in pools] or [1]


def _motif_set(
    rows: list[_Row], layer: str, alphabet: str, without: dict[str, str]
) -> Dataset[MotifSet]:
    names = [f"{layer}:{row.channel}/{row.leaf}@{row.start}" for row in rows]
    matrices = {name: row.probability for name, row in zip(names, rows, strict=True)}
    consensus = [
        "".join(alphabet[letter] for letter in row.probability.argmax(axis=0)) for row in rows
    ]
    return MotifSet.build(
        matrices,
        alphabet=alphabet,
        name=consensus,
        n_sites=np.array([row.n_sites for row in rows], np.float64),
        activation_max=np.array([row.activation_max for row in rows], np.float32),
        activation_consensus=np.array([row.activation_consensus for row in rows], np.float32),
        homogeneity=np.array([row.homogeneity for row in rows], np.float32),
        window_start=np.array([row.start for row in rows], np.int32),
        neuron=[f"{layer}:{row.channel}" for row in rows],
        layer=[layer] * len(rows),
        channel=np.array([row.channel for row in rows], np.int32),
        leaf=[row.leaf for row in rows],
        neurons_without_motif=without,
    )
