"""The trained model has learned the rules of its sequences."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import mutua as mt
from mutua.datasets import MotifSyntaxModel, PooledCNN, pooled_cnn, simulate_motif_syntax
from mutua.errors import InvalidInput

N_FILLS = 8
FARTHEST = 20
Codes = NDArray[np.uint8]


@pytest.fixture(scope="module")
def example() -> MotifSyntaxModel:
    return pooled_cnn()


def one_hot(codes: Codes) -> torch.Tensor:
    index = torch.from_numpy(codes.astype(np.int64))
    return torch.nn.functional.one_hot(index, 4).transpose(1, 2).float()


def predict(model: PooledCNN, codes: Codes) -> NDArray[np.float32]:
    with torch.no_grad():
        values: NDArray[np.float32] = model(one_hot(codes))[:, 0].numpy()
    return values


def single_sites(example: MotifSyntaxModel) -> list[dict[str, tuple[int, int]]]:
    """Give start and end of the motifs that a sequence has once."""
    table = mt.to_dataframe(example.sites)
    once = table[~table.duplicated(["sequence_index", "motif"], keep=False)]
    found: list[dict[str, tuple[int, int]]] = [
        {} for _ in range(example.sequences.sizes["sequence"])
    ]
    for row in once.to_dict("records"):
        found[row["sequence_index"]][row["motif"]] = row["start"], row["end"]
    return found


def epistasis(
    example: MotifSyntaxModel, motif_a: str, motif_b: str, *, near: bool, most: int = 40
) -> float:
    """Give the mean over sequences of effect(both) - effect(a) - effect(b), by random letters."""
    rng = np.random.default_rng(0)
    variants: list[Codes] = []
    codes = example.sequences["codes"].values
    for row, sites in enumerate(single_sites(example)):
        if motif_a not in sites or motif_b not in sites or len(variants) == most:
            continue
        (start_a, end_a), (start_b, end_b) = sites[motif_a], sites[motif_b]
        between = max(start_a - end_b, start_b - end_a)
        if between < 0 or (between <= FARTHEST) != near:
            continue
        made = np.repeat(codes[None, row], 4 * N_FILLS, axis=0).reshape(4, N_FILLS, -1)
        fill = rng.integers(0, 4, (N_FILLS, codes.shape[1]), dtype=np.uint8)
        made[[1, 3], :, start_a:end_a] = fill[:, start_a:end_a]
        made[[2, 3], :, start_b:end_b] = fill[:, start_b:end_b]
        variants.append(made)
    assert len(variants) >= 20
    values = predict(example.model, np.concatenate(variants).reshape(-1, codes.shape[1]))
    both, without_a, without_b, neither = values.reshape(-1, 4, N_FILLS).mean(axis=(0, 2))
    return float(both - without_a - without_b + neither)


def test_parts(example: MotifSyntaxModel) -> None:
    assert example.model.length == example.sequences.sizes["position"]
    weights = list(example.model.parameters())
    assert sum(part.numel() for part in weights) == 29_121
    assert {part.dtype for part in weights} == {torch.float32}
    assert not any(module.training for module in example.model.modules())
    again = simulate_motif_syntax(seed=1)
    assert again.sequences["codes"].equals(example.sequences["codes"])


def test_explains_the_true_values_of_unseen_sequences(example: MotifSyntaxModel) -> None:
    true = example.sequences["prediction"].sel(target="true").values[:500]
    predicted = predict(example.model, example.sequences["codes"].values[:500])
    assert 1 - np.mean((predicted - true) ** 2) / true.var() > 0.95


def test_motifs_have_their_effects(example: MotifSyntaxModel) -> None:
    """Writing a motif into sequences without any changes the value by its effect."""
    rng = np.random.default_rng(0)
    empty = simulate_motif_syntax(n=150, share=0, seed=4)
    codes = np.delete(
        empty.sequences["codes"].values, empty.sites["sequence_index"].values, axis=0
    )[:40]
    before = predict(example.model, codes)
    for row in mt.to_dataframe(example.effects).to_dict("records"):
        matrix = example.motifs["probability"].sel(motif=row["motif"]).values
        written = codes.copy()
        for place in range(int(example.motifs["length"].sel(motif=row["motif"]))):
            share = matrix[:, place].astype(np.float64)
            written[:, 60 + place] = rng.choice(4, size=len(codes), p=share / share.sum())
        found = (predict(example.model, written) - before).mean()
        assert found == pytest.approx(row["effect"], abs=0.25)


@pytest.mark.parametrize(
    ("motif_a", "motif_b", "near", "low", "high"),
    [
        ("AP1", "TEAD", True, 1.0, 2.0),
        ("AP1", "TEAD", False, -0.25, 0.45),
        ("GATA", "SPI1", True, -1.5, -0.6),
        ("GATA", "SPI1", False, -1.4, -0.6),
        ("AP1", "GATA", False, -0.2, 0.2),
        ("EBOX", "ZEB", False, -0.2, 0.2),
    ],
)
def test_pairs_act_as_planted(
    example: MotifSyntaxModel, motif_a: str, motif_b: str, near: bool, low: float, high: float
) -> None:
    assert low < epistasis(example, motif_a, motif_b, near=near) < high


def test_neurons_see_the_stated_number_of_letters(example: MotifSyntaxModel) -> None:
    """A neuron depends on the letters of its window and on no other."""
    inputs = one_hot(example.sequences["codes"].values[:1]).requires_grad_()
    expected = {"conv1": 5, "conv2": 9, "conv3": 18, "conv4": 36, "conv5": 72}
    maps = inputs
    for name, layer in example.model.layers.named_children():
        maps = layer(maps)
        if name in expected:
            seen = np.zeros(inputs.shape[2], dtype=bool)
            for channel in range(maps.shape[1]):
                (gradient,) = torch.autograd.grad(maps[0, channel, 0], inputs, retain_graph=True)
                seen |= (gradient[0] != 0).any(dim=0).numpy()
            assert 0 < np.flatnonzero(seen).max() < expected.pop(name)
    assert not expected
    assert maps.shape == (1, 32, 8)


def test_other_shapes_are_refused() -> None:
    for shape in [(2, 192, 4), (4, 192), (2, 4, 191)]:
        with pytest.raises(InvalidInput, match=r"`sequences`: shape .*\(batch, 4, 192\)"):
            PooledCNN()(torch.zeros(shape))


def test_loading_leaves_the_random_state() -> None:
    before = torch.get_rng_state()
    first, second = pooled_cnn().model, pooled_cnn().model
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        for part in first.parameters():
            part.zero_()
    assert all(part.abs().sum() > 0 for part in second.parameters())


def test_all_pairs_are_listed(example: MotifSyntaxModel) -> None:
    table = mt.to_dataframe(example.interactions)
    listed = list(zip(table["motif_a"], table["motif_b"], strict=True))
    assert listed == list(combinations(example.motifs["motif"].values.tolist(), 2))
    found = table.set_index(["motif_a", "motif_b"])["interaction"]
    assert found["AP1", "TEAD"] == "synergistic"
    assert found["GATA", "SPI1"] == "antagonistic"
    assert found["EBOX", "ZEB"] == "opposed"
    assert (table["interaction"] == "additive").sum() == 8
