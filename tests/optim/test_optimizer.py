"""What all optimisers share: parameters and groups, their options, stepping, saving."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tinygrad_edu.errors import (
    NotTrackedError,
    OperandError,
    ShapeError,
    StaleGraphError,
    UnknownNameError,
)
from tinygrad_edu.optim import GD, OPTIMIZERS, SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop, named

RATE = 0.1
WITH_STATE: list[tuple[type[Optimizer], dict[str, Any]]] = [
    (GD, {}),
    (SGD, {"momentum": 0.9, "nesterov": True}),
    (Adagrad, {"weight_decay": 0.1}),
    (RMSprop, {"momentum": 0.5, "centered": True}),
    (Adam, {"betas": (0.5, 0.7)}),
    (AdamW, {}),
]
every_optimizer = pytest.mark.parametrize(("rule", "options"), WITH_STATE)


def step(optimizer: Optimizer, slope: float = 1.0) -> None:
    """One step down Σ slope · p + p² over all parameters."""
    optimizer.zero_grad()
    loss: Any = 0.0
    for parameter in optimizer.params:
        loss = loss + np.sum(slope * parameter + parameter * parameter)
    loss.backward()
    optimizer.step()


def test_gradients_add_up_until_they_are_forgotten() -> None:
    p = te.Value(1.0)
    optimizer = SGD([p], lr=RATE)
    (p * 3.0).backward()
    (p * 4.0).backward()
    optimizer.step()
    assert p.data == pytest.approx(1 - RATE * 7, rel=1e-15)
    optimizer.zero_grad()
    assert p.grad is None


def test_a_step_gives_new_data_and_leaves_the_old_array_alone() -> None:
    start = np.array([1.0, 2.0])
    p = te.Value(start)
    before = p.data
    optimizer = SGD([p], lr=RATE)
    np.sum(p).backward()
    gradient = p.grad.copy()
    optimizer.step()
    np.testing.assert_array_equal(before, [1.0, 2.0])
    np.testing.assert_array_equal(start, [1.0, 2.0])
    np.testing.assert_array_equal(p.grad, gradient)
    np.testing.assert_allclose(p.data, [0.9, 1.9], rtol=1e-15)
    assert not p.data.flags.writeable


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_graph_from_before_a_step_is_stale(momentum: float) -> None:
    p = te.Value([1.0, 2.0], name="p")
    optimizer = SGD([p], lr=RATE, momentum=momentum)
    loss: Any = np.sum(p * p)
    loss.backward()
    optimizer.step()
    with pytest.raises(StaleGraphError, match="the data of 'p'"):
        loss.backward()


def test_parameters_without_a_gradient_stay_as_they_are() -> None:
    used, unused = te.Value(1.0), te.Value(5.0)
    optimizer = SGD([used, unused], lr=RATE)
    (used * 2.0).backward()
    optimizer.step()
    assert (used.data, unused.data) == (pytest.approx(0.8), 5.0)


def test_a_step_without_any_gradient_says_what_is_missing() -> None:
    optimizer = SGD([te.Value(1.0)], lr=RATE)
    with pytest.raises(NotTrackedError, match=r"call loss\.backward\(\) before step\(\)"):
        optimizer.step()


def test_parameters_may_come_one_by_one() -> None:
    p = te.Value(1.0)

    def parameters() -> Iterator[te.Value]:
        yield p

    optimizer = SGD(parameters(), lr=RATE)
    for _ in range(2):
        optimizer.zero_grad()
        (p * 1.0).backward()
        optimizer.step()
    assert p.data == pytest.approx(0.8)


@pytest.mark.parametrize("rate", [0.0, -0.1, math.nan])
def test_a_rate_that_is_not_positive_is_refused(rate: float) -> None:
    with pytest.raises(OperandError, match=f"lr must be a positive number, not {rate}"):
        SGD([te.Value(1.0)], lr=rate)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, 2.0, math.nan])
def test_a_momentum_that_would_never_settle_is_refused(momentum: float) -> None:
    with pytest.raises(OperandError, match=f"at least 0 and below 1, not {momentum}"):
        SGD([te.Value(1.0)], momentum=momentum)


def test_parameters_must_be_leaves() -> None:
    with pytest.raises(OperandError, match=r"pass model\.parameters\(\)"):
        SGD([])
    for thing in (te.Value(1.0) * 2, np.ones(2), 1.0):
        with pytest.raises(OperandError, match=r"leaves made with te\.Value"):
            SGD([thing])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": math.inf}, "lr must be a positive number, not inf"),
        ({"lr": "0.1"}, "lr must be a positive number, not '0.1'"),
        ({"betas": 0.9}, r"betas must be two numbers such as \(0\.9, 0\.999\), not 0\.9"),
        ({"betas": (0.9, 1.0)}, r"betas\[1\] must be at least 0 and below 1, not 1\.0"),
        ({"epsilon": 0.0}, r"epsilon must be a positive number, not 0\.0"),
        ({"weight_decay": -1}, "weight_decay must be a number from 0 up, not -1"),
        (
            {"capturable": True},
            "no option 'capturable'; it has params, lr, betas, epsilon, weight_decay",
        ),
        ({"eps": 1e-8}, "Adam has no option 'eps'; write 'epsilon'"),
        ({"beta1": 0.9}, "Adam has no option 'beta1'; write 'betas'"),
        ({"learning_rate": 0.9}, "Adam has no option 'learning_rate'; write 'lr'"),
        ({"amsgrad": True}, "no option 'amsgrad'; leave it out: "),
    ],
)
def test_options_out_of_range_and_unknown_ones(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OperandError, match=message):
        Adam([te.Value(1.0)], **options)
    with pytest.raises(OperandError, match=message):
        Adam([{"params": [te.Value(1.0)], **options}])


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        (RMSprop, {"alpha": 0.9}, "write 'decay'"),
        (RMSprop, {"centred": True}, "write 'centered'"),
        (RMSprop, {"centered": 1}, "centered must be True or False, not 1"),
        (SGD, {"nesterov": True}, "looks ahead along the momentum"),
        (SGD, {"eps": 0.1}, "SGD has no option 'eps'; it has params, lr, momentum"),
        (SGD, {"dampening": 0.1}, "SGD has no option 'dampening'; leave it out: "),
        (GD, {"momentum": 0.1}, "GD has no option 'momentum'; it has params, lr"),
    ],
)
def test_the_options_of_other_optimisers(
    rule: type[Optimizer], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OperandError, match=message):
        rule([te.Value(1.0)], **options)


numbers = st.one_of(st.floats(), st.integers(-2, 2), st.booleans(), st.none(), st.text(max_size=3))


@given(name=st.sampled_from(["lr", "momentum", "weight_decay"]), number=numbers)
def test_a_number_is_taken_or_refused_by_its_name(name: str, number: Any) -> None:
    options: dict[str, Any] = {name: number}
    high = 1 if name == "momentum" else math.inf
    low = name == "lr"
    if isinstance(number, int | float) and 0 <= number < high and not (low and number == 0):
        assert SGD([te.Value(1.0)], **options).groups[0][name] == number
    else:
        with pytest.raises(OperandError, match=f"{name} must be .*, not "):
            SGD([te.Value(1.0)], **options)


# ---- groups ----


def test_a_group_has_the_options_it_names_and_otherwise_those_of_all() -> None:
    first, second, third = te.Value([1.0]), te.Value([1.0]), te.Value([1.0])
    optimizer = SGD(
        [{"params": [first, second], "lr": 0.01}, {"params": third, "momentum": 0.5}], lr=0.1
    )
    assert [group["lr"] for group in optimizer.groups] == [0.01, 0.1]
    assert [group["momentum"] for group in optimizer.groups] == [0.0, 0.5]
    assert [id(each) for each in optimizer.params] == [id(each) for each in (first, second, third)]
    for _ in range(2):
        optimizer.zero_grad()
        np.sum(first + second + third).backward()
        optimizer.step()
    np.testing.assert_allclose(
        [*first.data, *second.data, *third.data], [0.98, 0.98, 1 - 0.1 - 0.15], rtol=1e-15
    )


def test_one_group_needs_no_list_and_one_leaf_neither() -> None:
    p = te.Value(1.0)
    for params in (p, {"params": p, "lr": 0.5}, [{"params": (p,)}]):
        assert SGD(params).params[0] is p


def test_bad_groups() -> None:
    p, q = te.Value(1.0), te.Value(2.0)
    for groups, message in (
        ([{"params": [p]}, q], r"a group of parameters is a dict such as .*, not Value\(2"),
        ([p, {"params": [q]}], r"leaves made with te\.Value, not \{"),
        ([{"lr": 0.1}], "a group of parameters is a dict such as"),
        ([{"params": []}], "got no parameters"),
        ([{"params": [p], "rate": 0.1}], "SGD has no option 'rate'; it has params, lr, momentum"),
        ([{"params": [p], "lr": -1}], "lr must be a positive number, not -1"),
        ([{"params": [p]}, {"params": [q, p]}], "the same parameter twice"),
        ([{"params": te.nn.Linear(2, 1)}], r"pass model\.parameters\(\)"),
        (te.nn.Linear(2, 1), r"pass model\.parameters\(\)"),
        (3, "takes a list of parameters, not 3"),
    ):
        with pytest.raises(OperandError, match=message):
            SGD(groups)  # type: ignore[arg-type]


def test_an_option_of_a_group_may_be_written_between_steps() -> None:
    p, q = te.Value(0.0), te.Value(0.0)
    optimizer = SGD([{"params": p}, {"params": q}], lr=0.1)
    optimizer.groups[1]["lr"] = 0.3
    (p + q).backward()
    optimizer.step()
    assert (p.data, q.data) == (-0.1, -0.3)


def test_what_is_written_into_a_group_is_checked_and_scaled() -> None:
    optimizer = SGD([{"params": te.Value(0.0)}, {"params": te.Value(0.0)}], lr=0.1, momentum=0.5)
    optimizer.scale(0.5)
    optimizer.groups[1]["lr"] = 0.4
    assert [group["lr"] for group in optimizer.groups] == [0.05, 0.4]
    optimizer.scale(0.25)
    assert [group["lr"] for group in optimizer.groups] == [0.025, 0.1]
    optimizer.groups[0]["lr"] = 0
    copied = copy.deepcopy(optimizer)
    copied.scale(0.5)
    assert [group["lr"] for group in copied.groups] == [0.0, 0.2]
    for name, value in (("lr", -1), ("momentum", 1.0), ("weight_decay", "much")):
        with pytest.raises(OperandError, match=f"{name} must be"):
            optimizer.groups[0][name] = value
    assert optimizer.groups[0]["momentum"] == 0.5


def test_momentum_that_is_given_up_leaves_nothing_to_save() -> None:
    optimizer = SGD(te.Value(1.0), momentum=0.5)
    step(optimizer)
    assert optimizer.state_dict()["state"][0].keys() == {"velocity"}
    optimizer.groups[0]["momentum"] = 0.0
    step(optimizer)
    assert optimizer.state_dict()["state"] == [{}]


def test_the_rate_of_all_groups() -> None:
    optimizer = SGD([{"params": te.Value(0.0)}, {"params": te.Value(0.0), "lr": 0.3}], lr=0.1)
    assert optimizer.lr == 0.1
    optimizer.scale(0.5)
    assert [group["lr"] for group in optimizer.groups] == [0.05, 0.15]
    optimizer.scale(0.5)
    assert [group["lr"] for group in optimizer.groups] == [0.05, 0.15]
    optimizer.scale(0.0)
    assert optimizer.lr == 0.0
    optimizer.lr = 0.2
    optimizer.scale(1.0)
    assert [group["lr"] for group in optimizer.groups] == [0.2, 0.2]
    for rate in (0.0, -1.0, math.nan, "fast"):
        with pytest.raises(OperandError, match="lr must be a positive number"):
            optimizer.lr = rate  # type: ignore[assignment]
    for factor in (-0.1, math.nan, math.inf):
        with pytest.raises(OperandError, match="the factor of lr must be a number from 0 up"):
            optimizer.scale(factor)
    assert optimizer.lr == 0.2


# ---- saving ----


def parameters(dtype: Any = np.float64) -> list[te.Value]:
    return [
        te.Value(np.linspace(-1, 1, 6, dtype=dtype).reshape(2, 3), name="weight"),
        te.Value(dtype(0.5)),
        te.Value(np.zeros(0, dtype)),
    ]


@every_optimizer
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_loaded_optimizer_goes_on_bit_for_bit(
    rule: type[Optimizer], options: dict[str, Any], dtype: Any, steps: int
) -> None:
    def make() -> Optimizer:
        weight, bias, empty = parameters(dtype)
        groups: list[Any] = [{"params": [weight, empty]}, {"params": bias, "lr": 0.3}]
        return rule(groups, lr=0.05, **options)

    first, second = make(), make()
    for _ in range(steps):
        step(first)
    first.scale(0.5)
    saved = first.state_dict()
    as_json = json.loads(json.dumps(saved, default=lambda array: array.tolist()))
    for state in (saved, as_json):
        second.load_state_dict(state)
        for other, one in zip(second.params, first.params, strict=True):
            other.data = one.data
        assert second.groups[1]["lr"] == 0.15
        expected = copy.deepcopy(first)
        for _ in range(2):
            step(expected)
            step(second)
        for ours, theirs in zip(second.params, expected.params, strict=True):
            np.testing.assert_array_equal(ours.data, theirs.data)
            assert ours.dtype == theirs.dtype == dtype


@every_optimizer
def test_a_saved_state_stays_as_it_is(rule: type[Optimizer], options: dict[str, Any]) -> None:
    optimizer = rule(parameters(), lr=0.05, **options)
    step(optimizer)
    saved = optimizer.state_dict()
    kept = copy.deepcopy(saved)
    step(optimizer)
    optimizer.scale(0.1)
    assert saved["groups"] == kept["groups"]
    for state, before in zip(saved["state"], kept["state"], strict=True):
        assert state.keys() == before.keys()
        for name in state:
            np.testing.assert_array_equal(state[name], before[name])
    for state in saved["state"]:
        for entry in state.values():
            if not isinstance(entry, int):
                entry[...] = 99.0
    assert not any(np.any(entry == 99.0) for state in optimizer.states for entry in state.values())


def test_a_loaded_state_is_a_copy_and_knows_the_rate_before_the_schedule() -> None:
    optimizer = SGD(parameters(), lr=0.5, momentum=0.9)
    step(optimizer)
    optimizer.scale(0.5)
    saved = optimizer.state_dict()
    other = SGD(parameters())
    other.load_state_dict(saved)
    assert other.lr == 0.25
    other.scale(1.0)
    assert other.lr == 0.5
    saved["state"][0]["velocity"][...] = 99.0
    assert not np.any(other.states[0]["velocity"] == 99.0)


def test_a_state_is_plain_numbers_arrays_and_names() -> None:
    optimizer = Adam([{"params": te.Value([1.0, 2.0])}, {"params": te.Value(0.0), "lr": 1.0}])
    step(optimizer)
    saved = optimizer.state_dict()
    assert saved["optimizer"] == "Adam"
    assert saved["groups"][1] == {
        "params": [1],
        "lr": 1.0,
        "base_lr": 1.0,
        "betas": (0.9, 0.999),
        "epsilon": 1e-8,
        "weight_decay": 0.0,
    }
    first, second = saved["state"]
    assert (first["steps"], second["steps"]) == (1, 1)
    np.testing.assert_allclose(first["first_moment"], [0.3, 0.5], rtol=1e-15)
    np.testing.assert_allclose(first["second_moment"], [0.009, 0.025], rtol=1e-12)
    assert isinstance(second["first_moment"], np.ndarray)


def without(mapping: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: entry for key, entry in mapping.items() if key != name}


def test_a_state_of_something_else_is_refused_and_changes_nothing() -> None:
    def make() -> Adam:
        return Adam([{"params": te.Value([1.0, 2.0], name="w")}, {"params": te.Value(0.0)}])

    optimizer = make()
    step(optimizer)
    saved = optimizer.state_dict()
    (first, second), (state, state_of_second) = saved["groups"], saved["state"]
    sgd = SGD(parameters()).state_dict()
    swapped = state | {"first_moment": np.zeros((2, 1))}
    for bad, error, message in (
        (sgd, OperandError, "this is the state of SGD, not of Adam"),
        (without(saved, "state"), UnknownNameError, "the state of an optimiser lacks state"),
        (saved | {"epoch": 3}, UnknownNameError, "does not know epoch"),
        (saved | {"groups": [first]}, ShapeError, r"groups of \[1\] parameters, .* of \[1, 1\]"),
        (saved | {"groups": [first, second | {"params": [1, 2]}]}, ShapeError, r"of \[1, 2\]"),
        (saved | {"state": [state]}, ShapeError, "make it with the same groups"),
        (
            saved | {"groups": [first, without(second, "epsilon") | {"eps": 1}]},
            UnknownNameError,
            "a group of Adam lacks epsilon and does not know eps",
        ),
        (saved | {"groups": [first, second | {"lr": -1}]}, OperandError, "lr must be"),
        (saved | {"groups": [first, second | {"betas": [0.9]}]}, OperandError, "betas must be two"),
        (
            saved | {"state": [without(state, "steps"), state_of_second]},
            UnknownNameError,
            "the state of w in Adam lacks steps",
        ),
        (
            saved | {"state": [swapped, state_of_second]},
            ShapeError,
            r"the state of w in Adam: first_moment has shape \(2, 1\), not \(2,\)",
        ),
    ):
        other = make()
        before = other.state_dict()
        with pytest.raises(error, match=message):
            other.load_state_dict(bad)
        assert other.state_dict() == before


# ---- names, pictures of itself, rules of one's own ----


def test_repr_says_which_rule_and_its_options() -> None:
    assert repr(SGD(parameters(), lr=0.1, momentum=0.9)) == (
        "SGD(3 parameters, lr=0.1, momentum=0.9, nesterov=False, weight_decay=0.0)"
    )
    two = Adam([{"params": te.Value(0.0)}, {"params": te.Value(0.0), "lr": 1.0}], lr=0.5)
    assert repr(two).startswith("Adam(2 parameters in 2 groups, lr=0.5, betas=(0.9, 0.999)")


def test_optimisers_by_name() -> None:
    assert {name: named(name) for name in OPTIMIZERS} == {
        "gd": GD,
        "sgd": SGD,
        "adagrad": Adagrad,
        "rmsprop": RMSprop,
        "adam": Adam,
        "adamw": AdamW,
    }
    for name, message in (
        ("Adam", "no optimiser 'Adam'; write 'adam'"),
        ("RMSProp", "no optimiser 'RMSProp'; write 'rmsprop'"),
        ("adamax", "no optimiser 'adamax'; there is adam, adamw or adagrad"),
    ):
        with pytest.raises(UnknownNameError, match=message):
            named(name)


class Signs(Optimizer):
    """The sign of the slope, as in the rule called signSGD."""

    def __init__(self, params: Any, lr: float = 0.5, *, offset: float = 0.0) -> None:
        super().__init__(params, lr, offset=offset)

    @staticmethod
    def update(parameter: Any, gradient: Any, state: Any, options: Any) -> Any:
        change = options["lr"] * np.sign(gradient) + options["offset"]
        return parameter - change, {"seen": state.get("seen", 0) + 1}


def test_a_rule_of_ones_own() -> None:
    optimizer = Signs(parameters(), lr=0.25, offset=1.0)
    step(optimizer, slope=10.0)
    np.testing.assert_array_equal(optimizer.params[1].data, 0.5 - 1.25)
    assert [state["seen"] for state in optimizer.states] == [1, 1, 1]
    other = Signs(parameters())
    other.load_state_dict(optimizer.state_dict())
    assert other.groups[0]["offset"] == 1.0
    with pytest.raises(OperandError, match="Signs has no option 'momentum'; it has params, lr"):
        Signs(parameters(), momentum=0.9)  # type: ignore[call-arg]


def test_a_rule_without_update_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="update"):
        Optimizer([te.Value(1.0)], 0.1)  # type: ignore[abstract]
