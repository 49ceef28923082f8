"""What is taken out of a model's output, and what is refused."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import pytest
import torch

from mutua.errors import InvalidInput
from mutua.kernels.model_output import resolve_targets

N = 3


class Named:
    target_names = ("low", "high")


class Output(NamedTuple):
    mean: np.ndarray
    profile: np.ndarray


MEAN, PROFILE = np.array([1.0, 2.0, 3.0]), np.arange(12.0).reshape(3, 2, 2)


def resolve(output, *, target=None, target_names=None, model=None, n=N):
    return resolve_targets(model, output, n, target, target_names)


@pytest.mark.parametrize(
    ("output", "names", "row"),
    [
        (MEAN, ("prediction",), [2]),
        (MEAN.tolist(), ("prediction",), [2]),
        (MEAN > 1.5, ("prediction",), [1]),
        (MEAN.astype(np.int8), ("prediction",), [2]),
        ([np.float64(1), np.float64(2), np.float64(3)], ("prediction",), [2]),
        ([torch.tensor(1), torch.tensor(2), torch.tensor(3)], ("prediction",), [2]),
        (MEAN[:, None], ("prediction",), [2]),
        (PROFILE[:, 0], ("0", "1"), [4, 5]),
        (PROFILE[:, 0, :, None, None], ("0", "1"), [4, 5]),
        ([[1, 2], [3, 4], [5, 6]], ("0", "1"), [3, 4]),
        ((MEAN, PROFILE[:, 1]), ("0", "1", "2"), [2, 6, 7]),
        ([torch.tensor(MEAN), PROFILE[:, 1]], ("0", "1", "2"), [2, 6, 7]),
        ((MEAN, (MEAN, PROFILE[:, 0])), ("0", "1", "2", "3"), [2, 2, 4, 5]),
        ({"m": MEAN, "p": PROFILE[:, 0]}, ("m", "p0", "p1"), [2, 4, 5]),
        (OrderedDict(a=MEAN, b={"c": MEAN}), ("a", "b"), [2, 2]),
        (Output(MEAN, PROFILE[:, :1, 0]), ("mean", "profile"), [2, 4]),
        (torch.tensor(MEAN, dtype=torch.bfloat16, requires_grad=True), ("prediction",), [2]),
    ],
)
def test_every_output_becomes_columns(output, names, row):
    targets = resolve(output)
    assert targets.names == names
    columns = targets.pick(output, N)
    assert columns.dtype == np.float32
    assert columns.shape == (N, len(names))
    assert columns[1].tolist() == row


@pytest.mark.parametrize(
    ("target", "names", "row"),
    [
        ("high", ["high"], [5]),
        (1, ["high"], [5]),
        (np.int64(-2), ["low"], [4]),
        (["high", "low"], ["high", "low"], [5, 4]),
        (np.array(["high"]), ["high"], [5]),
        ([1, "low"], ["high", "low"], [5, 4]),
    ],
)
def test_targets_by_name_and_index(target, names, row):
    targets = resolve(PROFILE[:, 0], target=target, model=Named())
    assert list(targets.names) == names
    assert targets.pick(PROFILE[:, 0], N)[1].tolist() == row


def test_given_names_come_first():
    output = {"a": MEAN, "b": MEAN}
    assert resolve(output, model=Named()).names == ("low", "high")
    assert resolve(output, model=Named(), target_names=["x", "y"]).names == ("x", "y")
    assert resolve(MEAN, target_names="only").names == ("only",)


def total(output):
    return output[1].sum(axis=(1, 2))


def test_functions_of_the_whole_output():
    output = (MEAN, PROFILE)
    targets = resolve(output, target=total)
    assert targets.names == ("total",)
    assert targets.pick(output, N).tolist() == [[6], [22], [38]]
    targets = resolve(output, target=[lambda out: out[0], lambda out: out[1][:, 0], total])
    assert targets.names == ("target0", "target10", "target11", "total")
    assert targets.pick(output, N)[2].tolist() == [3, 8, 9, 38]
    assert resolve(output, target=total, target_names=["sum"]).names == ("sum",)
    # The names of the model are not those of what a function makes of its output.
    assert resolve(output, target=total, model=Named()).names == ("total",)


def test_other_parts_can_be_asked_for_beside_a_profile():
    for output, target, row in (
        ({"profile": PROFILE, "mean": MEAN}, "mean", [2]),
        ((PROFILE, PROFILE[:, 0]), [2, 1], [5, 4]),
        (Output(MEAN, PROFILE), "mean", [2]),
    ):
        targets = resolve(output, target=target)
        assert targets.pick(output, N)[1].tolist() == row
    with pytest.raises(InvalidInput, match=r"`model`: gave an array of shape \(3, 2, 2\)"):
        resolve(Output(MEAN, PROFILE), target="profile")
    with pytest.raises(InvalidInput, match=r"`target`: gave an array of shape \(3, 2, 2\)"):
        resolve(Output(MEAN, PROFILE), target=lambda out: out.profile)
    with pytest.raises(InvalidInput, match=r"`model`: gave an array of shape \(3, 2, 2\)"):
        resolve(PROFILE, model=Named())


def test_picked_columns_are_copies():
    output = MEAN.astype(np.float32)
    for target in (None, lambda out: out):
        columns = resolve(output, target=target).pick(output, N)
        columns[:] = 0
        assert output.tolist() == [1, 2, 3]


def test_a_batch_of_one_may_lose_its_axis():
    targets = resolve(MEAN)
    assert targets.pick(np.float32(4), 1).tolist() == [[4]]
    assert targets.pick(torch.tensor(4.0), 1).tolist() == [[4]]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (MEAN[:2], "`model`: gave 2 rows for 3 sequences. Give one row a sequence"),
        (np.float32(1), "gave one number for 3 sequences"),
        (PROFILE.transpose(1, 0, 2), "gave 2 rows"),
        ((MEAN, MEAN[:1]), "gave 1 rows"),
        (None, "gave a NoneType"),
        ("ACGT", "gave values of type <U4"),
        (["1", "2", "3"], "gave values of type <U1"),
        (object(), "gave a object"),
        (MEAN + 1j, "values of type complex128"),
        (torch.complex(torch.ones(3), torch.ones(3)), "values of type complex64"),
        (np.zeros((3, 0)), r"array of shape \(3, 0\)"),
        ({}, "gave a dict"),
        ([], "gave 0 rows"),
        ([[1, 2], [3], [4]], "give numbers"),
        (MEAN * 1e300, "gave 3e\\+300. Scale it"),
        (PROFILE, r"shape \(3, 2, 2\), which is not \(sequence, target\). .*output.sum\(\(2,\)\)"),
        (PROFILE[:, :1], r"shape \(3, 1, 2\)"),
        (PROFILE[:, None], r"shape \(3, 1, 2, 2\).*output.sum\(\(2, 3\)\)"),
        ((MEAN, PROFILE), r"shape \(3, 2, 2\)"),
        ({"a": {"b": torch.tensor(PROFILE)}}, r"shape \(3, 2, 2\)"),
        (PROFILE.tolist(), r"shape \(3, 2, 2\)"),
    ],
)
def test_outputs_that_are_refused(output, message):
    with pytest.raises(InvalidInput, match=f"(?i){message}"):
        resolve(output)


def test_infinity_is_a_number():
    values = np.array([np.inf, -np.inf, 1.0])
    np.testing.assert_array_equal(resolve(values).pick(values, N)[:, 0], values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "x"}, r"`target`: 'x'. The model's outputs are \['low', 'high'\]"),
        ({"target": 2}, "index 2. The model has 2 outputs"),
        ({"target": -3}, "index -3"),
        ({"target": True}, "True. Use a name, an index or a function"),
        ({"target": 1.0}, "1.0. Use a name"),
        ({"target": [total, "low"]}, "functions and names mixed"),
        ({"target": []}, "`target`: none"),
        ({"target": ["low", 0]}, r"names repeat: \['low', 'low'\]"),
        ({"target_names": ["a"]}, r"`target_names`: 1 name for 2 outputs"),
        ({"target_names": ["a", "a"]}, "`target_names`: names repeat"),
        ({"target_names": [1, 2]}, r"`target_names`: \[1, 2\]. Give a list of strings"),
        ({"target_names": 3}, "`target_names`: 3"),
        ({"target": lambda out: out[:1]}, "`target`: gave 1 rows"),
        ({"target": [lambda out: out[:, 0]] * 2, "target_names": ["a"]}, "for 2 output"),
    ],
)
def test_targets_that_are_refused(options, message):
    with pytest.raises(InvalidInput, match=message):
        resolve(PROFILE[:, 0], model=Named(), **options)


def test_the_names_of_the_model_are_named_as_such():
    with pytest.raises(InvalidInput, match=r"`model.target_names`: 2 names for 1 output"):
        resolve(MEAN, model=Named())
    with pytest.raises(InvalidInput, match="`target`: names repeat"):
        resolve({"a1": MEAN, "a": PROFILE[:, 0]})


def test_later_batches_have_as_many_outputs():
    for target in (None, lambda out: out):
        targets = resolve(PROFILE[:, 0], target=target)
        with pytest.raises(InvalidInput, match="gave 1 output per sequence after 2"):
            targets.pick(PROFILE[:, 0, :1], N)


def test_each_target_by_itself():
    targets = resolve(PROFILE[:, 0], model=Named(), target=["high", "low"])
    both = targets.pick(PROFILE[:, 0], N)
    for place, one in enumerate(targets.split()):
        assert one.names == targets.names[place : place + 1]
        assert one.chosen == targets.chosen[place : place + 1]
        np.testing.assert_array_equal(one.pick(PROFILE[:, 0], N), both[:, place : place + 1])
