"""Design of sequences for a model's output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.apply_model import apply_model, progress_steps, ready
from mutua.kernels.edits import KEEP, single_edits
from mutua.kernels.letters import PADDING
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import CODES, POSITION, PREDICTION, SEQUENCE, TARGET, TRACK, WEIGHT
from mutua.tl._effects import named_motifs
from mutua.tl._models import ModelInputs, model_inputs
from mutua.tl.marginalization import Motifs

__all__ = ["design"]

EDIT = "edit"
_GOALS = ("increase", "decrease")


class _State(NamedTuple):
    """A sequence on its way: its codes, what was done, and what was predicted."""

    codes: np.ndarray
    words: tuple[int, ...]
    positions: tuple[int, ...]
    predictions: tuple[float, ...]


@checked
def design(
    sequences: Dataset[SequenceSet],
    model: Any,
    *,
    target: str | int | Callable[[Any], Any] | None = None,
    goal: str | float = "increase",
    method: str = "greedy",
    max_edits: int = 10,
    motifs: Motifs | None = None,
    beam_width: int = 5,
    target_names: Sequence[str] | None = None,
    args: Sequence[Any] = (),
    encoding: str = "one_hot",
    batch_size: int = 256,
    device: str | None = None,
    progress: bool | None = None,
) -> Dataset[SequenceSet]:
    """Change sequences, edit by edit, so that a model predicts what is wanted.

    Each round tries every edit at every position of a sequence and keeps the best, as long as the
    prediction comes closer to the goal.

    Parameters
    ----------
    sequences
        Where to begin (sequence, position).
    model, target_names, args, encoding, batch_size, device, progress
        As for `mutua.tl.predict`.
    target
        The output to work on, by name, index or function; not needed if there is one only.
    goal
        ``"increase"``, ``"decrease"``, or a number to come close to.
    method
        ``"greedy"`` goes on with the best edit; ``"beam"`` with the `beam_width` best of each
        round, and gives the best sequence seen.
    max_edits
        Rounds at most.
    motifs
        What an edit writes: motifs, as for `mutua.tl.marginalize`, by their most probable letters;
        by default single letters.
    beam_width
        Sequences that ``"beam"`` goes on with.

    Returns
    -------
    SequenceSet
        The designed sequences with ``prediction`` (sequence, target), and the way there:
        ``edit_prediction`` (sequence, edit), what was predicted after each edit, with that of the
        sequence as it was as the first; ``edit_position`` and ``edit_content`` (sequence, edit),
        where an edit began (-1 for none) and what it wrote. What belonged to the letters before
        is dropped.

    Raises
    ------
    InvalidInput
        If there are several targets, a goal or method is unknown, motifs do not fit, or for what
        `mutua.tl.predict` refuses.

    Notes
    -----
    Predictions and differences of models are not differences of nature: look at designed
    sequences for what the model may not have seen.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(2, length=53, seed=0)
    >>> best = design(seqs, mt.datasets.splice_acceptor(), max_edits=3)
    >>> [f"{value:.2f}" for value in best["edit_prediction"].values[0]]
    ['0.01', '0.02', '0.14', '0.38']
    """
    batch_size = whole_number("batch_size", batch_size, low=1)
    max_edits = whole_number("max_edits", max_edits, low=0)
    width = whole_number("beam_width", beam_width, low=1)
    width = 1 if one_of("method", method, ["greedy", "beam"]) == "greedy" else width
    goal = one_of("goal", goal, _GOALS) if isinstance(goal, str) else number("goal", goal)
    inputs = model_inputs(sequences, args, encoding=encoding, device=device)
    targets = inputs.find_targets(model, target, target_names)
    if len(targets.names) != 1:
        found = f"{len(targets.names)} outputs: {list(targets.names)[:20]}"
        raise InvalidInput("target", found, "name one of them")
    names, words = _words(motifs, sequences)
    rows = inputs.rows()
    states: list[_State] = []
    with ready(model, device):
        for row in progress_steps(len(rows.codes), 1, progress, "design"):

            def score(codes: np.ndarray, row: int = row) -> np.ndarray:
                same = np.full(len(codes), row)
                values, _ = apply_model(
                    codes,
                    model,
                    targets=targets,
                    tracks=None if rows.tracks is None else rows.tracks[same],
                    args=[argument[same] for argument in rows.args],
                    batch_size=batch_size,
                    progress=False,
                    **inputs.options,
                )
                return values[:, 0]

            states.append(_improve(rows.codes[row], score, words, goal, max_edits, width))
    return _designed(sequences, states, names, targets.names[0], max_edits, inputs)


def _words(motifs: Any, sequences: Dataset[SequenceSet]) -> tuple[list[str], list[np.ndarray]]:
    """Give what edits write, by name, as codes."""
    alphabet = sequences.attrs["alphabet"]
    if motifs is None:
        return list(alphabet), [np.array([code], np.uint8) for code in range(len(alphabet))]
    matrices = named_motifs(motifs, alphabet)
    words = []
    for name, matrix in matrices.items():
        if matrix.shape[1] > sequences.sizes[POSITION]:
            found = f"{name!r} has {matrix.shape[1]} letters"
            raise InvalidInput("motifs", found, "use motifs no longer than the sequences")
        any_letter = np.ptp(matrix, axis=0) < 1e-9
        words.append(np.where(any_letter, KEEP, matrix.argmax(axis=0)).astype(np.uint8))
    return list(matrices), words


def _improve(
    codes: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    words: list[np.ndarray],
    goal: str | float,
    max_edits: int,
    width: int,
) -> _State:
    """Give the best sequence found from one."""
    beam = [_State(codes, (), (), (float(score(codes[None])[0]),))]
    best = beam[0]
    for _ in range(max_edits):
        made = _next(beam, score, words, goal, width)
        if not made or _loss(made[0], goal) >= _loss(best, goal):
            break
        best, beam = made[0], made
    return best


def _loss(state: _State, goal: str | float) -> float:
    """Give how far a sequence is from the goal."""
    return float(_losses(np.array(state.predictions[-1:]), goal)[0])


def _losses(predictions: np.ndarray, goal: str | float) -> np.ndarray:
    if isinstance(goal, str):
        return -predictions if goal == "increase" else predictions
    return np.abs(predictions - goal)


def _next(
    beam: list[_State],
    score: Callable[[np.ndarray], np.ndarray],
    words: list[np.ndarray],
    goal: str | float,
    width: int,
) -> list[_State]:
    """Give the best sequences one edit further, each once, the best one first."""
    edits = list(single_edits(np.stack([state.codes for state in beam]), words))
    if not edits:
        return []
    made = np.stack([beam[owner].codes for owner, _, _ in edits])
    for row, (_, word, position) in zip(made, edits, strict=True):
        part = row[position : position + len(words[word])]
        part[...] = np.where(words[word] == KEEP, part, words[word])
    predictions = score(made)
    chosen: list[_State] = []
    seen: set[bytes] = set()
    for place in np.argsort(_losses(predictions, goal), kind="stable"):
        if made[place].tobytes() in seen:
            continue
        seen.add(made[place].tobytes())
        owner, word, position = edits[place]
        before = beam[owner]
        chosen.append(
            _State(
                made[place].copy(),
                (*before.words, word),
                (*before.positions, position),
                (*before.predictions, float(predictions[place])),
            )
        )
        if len(chosen) == width:
            break
    return chosen


def _designed(
    sequences: Dataset[SequenceSet],
    states: list[_State],
    names: list[str],
    target: str,
    max_edits: int,
    inputs: ModelInputs,
) -> Dataset[SequenceSet]:
    """Put designed sequences and the ways to them together."""
    n, text = len(states), np.dtypes.StringDType()
    predictions = np.full((n, max_edits + 1), np.nan, np.float32)
    positions = np.full((n, max_edits + 1), -1, np.int32)
    contents = np.full((n, max_edits + 1), "", text)
    codes = np.full(inputs.codes.shape, PADDING)
    for row, state in enumerate(states):
        codes[row] = state.codes
        predictions[row, : len(state.predictions)] = state.predictions
        positions[row, 1 : len(state.predictions)] = state.positions
        for place, word in enumerate(state.words, 1):
            contents[row, place] = names[word]
    labels = {name for name in sequences.coords if sequences[name].dims == (POSITION,)}
    stale = {WEIGHT} | {
        str(name)
        for name, part in sequences.variables.items()
        if {TARGET, POSITION, EDIT} & {*part.dims} and TRACK not in part.dims
    }
    kept = sequences.drop_vars(stale - labels, errors="ignore")
    last = [state.predictions[-1] for state in states]
    dims = (SEQUENCE, EDIT)
    return as_kind(
        SequenceSet,
        kept.assign(
            {
                CODES: ((SEQUENCE, POSITION), codes, sequences[CODES].attrs),
                PREDICTION: ((SEQUENCE, TARGET), np.array(last, np.float32).reshape(n, 1)),
                "edit_prediction": (dims, predictions, {"long_name": "prediction after the edit"}),
                "edit_position": (dims, positions, {"long_name": "start of the edit, 0-based"}),
                "edit_content": (dims, contents, {"long_name": "what the edit wrote"}),
            }
        ).assign_coords({TARGET: [target]}),
    )
