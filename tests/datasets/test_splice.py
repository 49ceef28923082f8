"""The splice models are the Keras originals in torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mutua.datasets import _splice
from mutua.datasets._splice import SpliceAcceptor, SpliceDonor, splice_acceptor, splice_donor
from mutua.errors import InvalidInput

DATA = Path(_splice.__file__).parent / "data"
SITES = {"acceptor": splice_acceptor, "donor": splice_donor}
LENGTHS = {"acceptor": 53, "donor": 18}

Loader = Callable[[], SpliceAcceptor | SpliceDonor]


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def load(site: str) -> Loader:
    return SITES[site]


def one_hot(sequence: str) -> torch.Tensor:
    codes = torch.tensor(["ACGT".index(letter) for letter in sequence])
    return torch.nn.functional.one_hot(codes, 4).T[None].float()


def test_equals_keras(site: str, load: Loader) -> None:
    with np.load(DATA / "splice_reference.npz") as stored:
        reference = {name: torch.from_numpy(values) for name, values in stored.items()}
    model = load()
    inputs = reference[f"{site}_input"]
    probability, logit = reference[f"{site}_probability"], reference[f"{site}_logit"]
    # The inputs reach from hardly any to almost certain sites, else this would test little.
    assert probability.min() < 0.01
    assert probability.max() > 0.99
    with torch.no_grad():
        torch.testing.assert_close(model(inputs), probability, rtol=0, atol=1e-5)
        torch.testing.assert_close(model.layers(inputs), logit, rtol=0, atol=1e-4)


def test_number_of_weights() -> None:
    for load, expected in ((splice_acceptor, 4_961), (splice_donor, 18_433)):
        stored = [value for value in load().state_dict().values() if value.is_floating_point()]
        assert sum(value.numel() for value in stored) == expected
        assert {value.dtype for value in stored} == {torch.float32}


def test_is_in_evaluation_mode_and_repeatable(site: str, load: Loader) -> None:
    model = load()
    assert not any(module.training for module in model.modules())
    inputs = torch.rand(3, 4, LENGTHS[site])
    assert torch.equal(model(inputs), model(inputs))
    assert model(inputs).shape == (3, 1)
    assert model.target_names == (site,)


def test_window_layout() -> None:
    """Breaking the AG or the GT at its stated position breaks the site; elsewhere it does not."""
    acceptor = "GATTACAGATTACAGATTACAGATTACAGACTAACTTTCTTTTTTTGCAGGTC"
    donor = "GACAGGTAAGTATTTCTG"
    assert acceptor[48:50] == "AG"
    assert donor[5:7] == "GT"
    model = splice_acceptor()
    assert model(one_hot(acceptor)) > 0.99
    assert model(one_hot(acceptor[:48] + "TC" + acceptor[50:])) < 0.2
    assert model(one_hot("TC" + acceptor[2:])) > 0.99
    model = splice_donor()
    assert model(one_hot(donor)) > 0.99
    assert model(one_hot(donor[:5] + "CA" + donor[7:])) < 0.2
    assert model(one_hot(donor[:16] + "CA")) > 0.99


@pytest.mark.parametrize("dims", ["swapped", "unbatched", "too long"])
def test_other_shapes_are_refused(site: str, load: Loader, dims: str) -> None:
    length = LENGTHS[site]
    shape = {"swapped": (2, length, 4), "unbatched": (4, length), "too long": (2, 4, length + 1)}
    with pytest.raises(InvalidInput, match=rf"`sequences`: shape .*\(batch, 4, {length}\)"):
        load()(torch.zeros(shape[dims]))


def test_loading_leaves_the_random_state(load: Loader) -> None:
    before = torch.get_rng_state()
    load()
    assert torch.equal(torch.get_rng_state(), before)


def test_models_are_independent_and_trainable(site: str, load: Loader) -> None:
    first, second = load(), load()
    inputs = torch.rand(5, 4, LENGTHS[site])
    before = second(inputs)
    optimizer = torch.optim.SGD(first.parameters(), lr=1.0)
    first.train()
    torch.nn.functional.binary_cross_entropy(first(inputs), torch.zeros(5, 1)).backward()
    optimizer.step()
    assert not torch.equal(first.eval()(inputs), before)
    assert torch.equal(second(inputs), before)
    assert torch.equal(load()(inputs), before)


def test_no_activation_is_used_twice(site: str, load: Loader) -> None:
    model = load()
    calls: dict[torch.nn.Module, int] = {}

    def count(module: torch.nn.Module, *_: object) -> None:
        calls[module] = calls.get(module, 0) + 1

    for module in model.modules():
        module.register_forward_hook(count)
    model(torch.zeros(1, 4, LENGTHS[site]))
    assert set(calls.values()) == {1}
    assert sum(isinstance(module, torch.nn.ReLU | torch.nn.Sigmoid) for module in calls) == 3
