"""Models: right gradients pass at kinks and beside them, wrong ones are named by parameter."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.shares import one_in
from tinygrad_edu.check import Report, Verdict, judge
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.losses import bce_with_logits, mse

KINK_AT_ZERO = {"prelu", "relu6", "selu", "relu", "leaky_relu", "sigmoid_linear"}
# What can be a hidden layer and has a derivative of its own.
ACTIVATIONS = sorted(
    name for name, op in te.ACTIVATIONS.items() if op.keeps_width and not op.surrogate
)


def xor_network(
    activation: Any, seed: int = 0, hidden: int = 8, output: str | None = "sigmoid", **options: Any
) -> te.nn.MLP:
    return te.nn.MLP([2, hidden, 1], activation, output, init="xavier_normal", seed=seed, **options)


def check(network: te.nn.MLP, loss: Any = mse) -> Report:
    return te.check.model(network, loss, *te.data.xor())


def named(report: Report, kind: str) -> set[str]:
    return {entry.name for entry in report.entries if entry.verdict.kind == kind}


def rejected(report: Report) -> set[str]:
    return {entry.name for entry in report.entries if not entry.verdict.ok}


# Right gradients


@pytest.mark.parametrize("activation", one_in(3, ACTIVATIONS))
def test_every_activation_passes_and_only_zero_biases_sit_at_a_kink(activation: str) -> None:
    report = check(xor_network(activation, seed=4, hidden=2, output=None), bce_with_logits)
    assert report.ok
    assert len(report.entries) == 2 * 2 + 2 + 2 + 1
    # The input (0, 0) gives pre-activations of 0: there relu's one-sided slopes in a bias differ.
    kinks = {f"layers.0.bias[{unit}]" for unit in range(2)}
    assert named(report, "kink") == (kinks if activation in KINK_AT_ZERO else set())
    assert not named(report, "inconclusive")


@pytest.mark.parametrize("activation", ["tanh", "relu", "selu", "hard_sigmoid", "elu", "gelu"])
def test_away_from_kinks_all_entries_are_correct(activation: str) -> None:
    network = xor_network(activation)
    network.layers[0].bias.data = np.linspace(-0.4, 0.45, 8)  # type: ignore[union-attr]
    report = check(network)
    assert report.count("correct") == len(report.entries) == 33


def test_a_kink_says_both_slopes() -> None:
    # ∂/∂b of relu(b)² − 3 relu(−b) + (b − 1)² at 0: −2 from the right and 1 from the left.
    class Hinge(te.nn.Module):
        def __init__(self) -> None:
            self.b = te.Value(0.0)

        def forward(self, x: Any) -> Any:
            b: Any = self.b
            return te.activations.relu(b) ** 2 - 3 * te.activations.relu(-b) + (b - 1) ** 2

    (entry,) = te.check.model(Hinge(), lambda out, _: out, None, None).entries
    assert entry.name == "b"
    assert (entry.verdict.kind, entry.verdict.inside) == ("kink", True)
    assert (entry.verdict.low, entry.verdict.high) == pytest.approx((-2.0, 1.0), rel=1e-9)
    assert (entry.verdict.claim, entry.verdict.error) == (-2.0, 0.0)
    assert "-2 to 1" in entry.cells()


# Pre-activations that are small, but not zero, put a kink between one step and the next.
@pytest.mark.parametrize(
    ("activation", "hidden", "seed"),
    [
        ("hard_sigmoid", 8, 4),
        ("sigmoid_linear", 8, 4),
        pytest.param("sigmoid_linear", 60, 1, marks=pytest.mark.thorough),
        pytest.param("elu", 60, 1, marks=pytest.mark.thorough),
    ],
)
def test_kinks_close_by_are_told_from_wrong_gradients(
    activation: str, hidden: int, seed: int
) -> None:
    assert check(xor_network(activation, seed, hidden)).ok


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_trained_networks_with_small_losses_pass(activation: str) -> None:
    # There the rounding of the answers, not that of the loss, limits a difference.
    x, y = te.data.xor()
    network = te.nn.MLP([2, 8, 1], activation, "sigmoid", seed=1)
    optimizer = te.optim.SGD(network.parameters(), lr=2.0)
    for _ in range(3000):
        optimizer.zero_grad()
        mse(network(x), y).backward()
        optimizer.step()
    assert mse(network(x), y).item() < 1e-4
    assert check(network).ok


@st.composite
def models(draw: st.DrawFn) -> tuple[te.nn.MLP, Any, Any, Any]:
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    activation = draw(st.sampled_from(ACTIVATIONS))
    output = draw(st.sampled_from([None, "sigmoid", "softmax", "relu"]))
    logits = output not in ("sigmoid", "softmax")
    loss = draw(st.sampled_from([mse, bce_with_logits] if logits else [mse]))
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    model = te.nn.MLP(widths, activation, output, seed=rng, dtype=dtype)
    if draw(st.booleans()):
        for layer in model.layers:
            layer.bias.data = rng.normal(size=layer.bias.shape)  # type: ignore[union-attr]
    x = rng.normal(size=(draw(st.integers(1, 4)), widths[0]))
    return model, loss, x, rng.uniform(0, 1, (len(x), widths[-1]))


@given(models())
def test_networks_of_any_kind_pass(case: tuple[te.nn.MLP, Any, Any, Any]) -> None:
    model, loss, x, y = case
    report = te.check.model(model, loss, x, y)
    assert report.ok, report.table()
    assert len(report.entries) == sum(parameter.size for parameter in model.parameters())


def test_layers_that_draw_and_count_are_judged_as_one_function_and_left_as_they_were() -> None:
    model = te.nn.Sequential(
        *(te.nn.Linear(2, 6), te.nn.BatchNorm(6), "tanh", te.nn.Dropout(0.4), te.nn.Linear(6, 1))
    )
    before = model.state_dict()
    states = [each.bit_generator.state for _, each in model.named_generators()]
    report = te.check.model(model, mse, *te.data.moons(12))
    assert report.ok, report.table()
    assert "layers.0.weight[1, 2]" in named(report, "correct")
    for name, array in model.state_dict().items():
        assert array.tobytes() == before[name].tobytes()
    assert states == [each.bit_generator.state for _, each in model.named_generators()]


def test_float32_models_are_checked_in_float64_and_stay_float32() -> None:
    network = xor_network("tanh", dtype=np.float32)
    before = [parameter.data for parameter in network.parameters()]
    x, y = te.data.xor()
    report = te.check.model(network, mse, x.astype(np.float32), y.astype(np.float32))
    assert report.count("correct") == 33
    assert min(entry.verdict.digits for entry in report.entries) > 8
    for parameter, data in zip(network.parameters(), before, strict=True):
        assert parameter.dtype == np.float32
        np.testing.assert_array_equal(parameter.data, data)


def test_large_models_are_checked_along_directions() -> None:
    network = te.nn.MLP([2, 60, 60, 1], "tanh", "sigmoid", seed=2)
    report = check(network)
    assert [entry.name for entry in report.entries] == [f"direction {i}" for i in (1, 2, 3)]
    assert report.proven
    few = te.check.model(xor_network("tanh"), mse, *te.data.xor(), mode="directions")
    assert len(few.entries) == 3
    assert few.proven


# Wrong gradients


@contextmanager
def declared(forward: Callable[..., Any], partial: Any) -> Iterator[Any]:
    """An activation that a user declares, forgotten afterwards."""
    record = te.define_elementwise("declared", forward, partial, formula="f({0})")
    try:
        yield record
    finally:
        del te.OPERATIONS["declared"]


WRONG: dict[str, Callable[[Any], Any]] = {
    "scaled": lambda slope: 1.001 * slope,
    "shifted": lambda slope: slope + 1e-3,
    "sign": lambda slope: -slope,
    "dropped": lambda slope: 0 * slope,
    "a millionth": lambda slope: (1 + 1e-6) * slope,
}


@pytest.mark.parametrize("mistake", sorted(WRONG))
@pytest.mark.parametrize("seed", one_in(2, [0, 7]))
def test_a_wrong_rule_is_found_and_what_it_spoils_is_named(mistake: str, seed: int) -> None:
    def rule(out: Any, x: Any) -> Any:
        return WRONG[mistake](1 - out * out)

    with declared(np.tanh, rule) as activation:
        report = check(xor_network(activation, seed))
    assert not report.ok
    # The layer after the activation gets its gradient right; every input but (0, 0) reaches W.
    wrong = named(report, "wrong")
    assert {f"layers.0.weight[{i}, {unit}]" for i in range(2) for unit in range(8)} <= wrong
    assert not {name for name in wrong if name.startswith("layers.1")}
    assert report.worst.verdict.kind == "wrong"
    assert report.worst.name in wrong
    assert "WRONG" in report.table()


@pytest.mark.parametrize("at_zero", one_in(2, [-0.001, -0.5, 1.001, 2.0, math.nan]))
def test_a_subgradient_outside_of_the_slopes_is_rejected(at_zero: float) -> None:
    def rule(out: Any, x: Any) -> Any:
        return np.where(x > 0, 1.0, np.where(x < 0, 0.0, at_zero))

    with declared(lambda x: np.maximum(x, 0), rule) as activation:
        report = check(xor_network(activation))
    biases = {f"layers.0.bias[{unit}]" for unit in range(8)}
    assert rejected(report) >= biases
    if not math.isnan(at_zero):
        assert rejected(report) == biases
        assert report.count("correct") == 25


@pytest.mark.parametrize("at_zero", one_in(2, [0.0, 0.3, 1.0]))
def test_a_subgradient_between_the_slopes_is_accepted(at_zero: float) -> None:
    def rule(out: Any, x: Any) -> Any:
        return np.where(x > 0, 1.0, np.where(x < 0, 0.0, at_zero))

    with declared(lambda x: np.maximum(x, 0), rule) as activation:
        report = check(xor_network(activation))
    assert report.ok
    assert (report.count("correct"), report.count("kink")) == (25, 8)


def test_a_wrong_bias_gradient_of_a_layer_is_found() -> None:
    class Forgetful(te.nn.Linear):
        def forward(self, x: Any) -> te.Value:
            assert self.bias is not None
            return x @ self.weight + self.bias.detach()  # type: ignore[no-any-return]

    report = te.check.model(Forgetful(2, 3), mse, *samples())
    assert named(report, "wrong") == {f"bias[{unit}]" for unit in range(3)}
    assert all(entry.verdict.claim == 0 for entry in report.entries if not entry.verdict.ok)
    assert report.guesses == ("bias: it is 0",)


def samples() -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    return rng.normal(size=(4, 2)), rng.normal(size=(4, 3))


# One number at a time: smooth functions, with a kink at a known place


@dataclasses.dataclass(frozen=True)
class Curve:
    """size · (tanh(a x + b) + bend · max(x − place, 0)^power − 0.3)², as a loss may be."""

    size: float
    a: float
    b: float
    bend: float
    place: float
    power: int
    origin: float

    def __call__(self, shift: float) -> float:
        x = (self.origin + shift) - self.origin  # rounded as a parameter's sum is
        bent = self.bend * max(x - self.place, 0.0) ** self.power
        return self.size * (math.tanh(self.a * x + self.b) + bent - 0.3) ** 2

    @property
    def slope(self) -> float:
        """At 0; from the left if the kink is there."""
        beyond = max(-self.place, 0.0)
        bent = self.bend * beyond**self.power
        rise = self.bend * self.power * beyond ** (self.power - 1) if self.place < 0 else 0.0
        t = math.tanh(self.b)
        return 2 * self.size * (t + bent - 0.3) * (self.a * (1 - t * t) + rise)

    def judged(self, claim: float) -> Verdict:
        return judge(claim, self, self.origin)[0]


signed = st.floats(0.1, 2).flatmap(lambda size: st.sampled_from([size, -size]))
smooth = st.builds(
    Curve,
    size=st.floats(-6, 2).map(lambda power: 10**power),
    a=signed,
    b=signed,
    bend=st.just(0.0),
    place=st.just(1.0),
    power=st.just(1),
    origin=st.floats(-3, 3),
)


def with_kink(curve: Curve, bend: float, place: float, power: int) -> Curve:
    return dataclasses.replace(curve, bend=bend, place=place, power=power)


# The kinks of max(x − place, 0) and of its slope, from beyond the steps to well among them.
bent = st.builds(
    with_kink,
    smooth,
    bend=signed,
    place=st.floats(-6, -0.5).flatmap(lambda p: st.sampled_from([10**p, -(10**p), 0.0])),
    power=st.sampled_from([1, 2]),
)


@given(smooth | bent)
def test_a_right_gradient_is_never_rejected(curve: Curve) -> None:
    assert curve.judged(curve.slope).ok


@given(smooth, st.sampled_from([1.001, 0.999, 1 + 1e-6, -1.0, 0.0]))
def test_a_wrong_gradient_of_a_smooth_function_is_always_found(curve: Curve, factor: float) -> None:
    if abs(math.tanh(curve.b) - 0.3) > 1e-3:  # or the slope is all but zero
        found = curve.judged(factor * curve.slope)
        assert found.kind == "wrong"
        assert found.error == pytest.approx(abs((factor - 1) * curve.slope), rel=0.1)


@given(smooth)
def test_the_bar_holds_the_slope_and_is_narrow(curve: Curve) -> None:
    found = curve.judged(curve.slope)
    largest = curve.size * (1 + abs(curve.a))
    # The slope itself is computed with a few roundings.
    assert abs(found.expected - curve.slope) <= found.bar + 1e-15 * largest
    assert found.bar <= 1e-8 * largest


# Rarities


def test_a_loss_that_is_infinite_far_away_only_is_judged_close_by() -> None:
    def f(shift: float) -> float:
        return math.log(0.05 + shift) if shift > -0.05 else math.inf

    assert judge(20.0, f, 1.0)[0].kind == "correct"
    assert judge(20.02, f, 1.0)[0].kind == "wrong"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_has_no_gradient_to_judge(value: float) -> None:
    network = te.nn.Sequential(te.nn.Linear(2, 1))
    report = te.check.model(network, lambda p, y: mse(p, y) * value, *te.data.xor())
    assert report.count("inconclusive") == len(report.entries) == 3
    assert not report.proven


def test_a_loss_of_exactly_zero_is_no_trouble() -> None:
    x, _ = te.data.xor()
    network = te.nn.MLP([2, 3, 1])
    for parameter in network.parameters():
        parameter.data = np.zeros(parameter.shape)
    report = te.check.model(network, mse, x, np.zeros((4, 1)))
    assert report.ok
    assert not named(report, "wrong")
    assert report.worst.verdict.error == 0


def test_a_parameter_that_is_a_single_number() -> None:
    class Scale(te.nn.Module):
        def __init__(self) -> None:
            self.factor = te.Value(1.5)

        def forward(self, x: Any) -> Any:
            return self.factor * x

    (entry,) = te.check.model(Scale(), mse, np.array([1.0, 2.0]), np.array([0.0, 0.0])).entries
    assert (entry.name, entry.verdict.kind) == ("factor", "correct")
    # The mean of 2 f x² over x² = 1, 4.
    assert entry.verdict.claim == pytest.approx(2 * 1.5 * 2.5)


def test_a_model_without_parameters_is_refused() -> None:
    with pytest.raises(ShapeError, match="no parameters"):
        te.check.model(te.nn.Sequential(np.tanh), mse, *te.data.xor())


def test_a_loss_that_is_no_single_number_is_refused() -> None:
    network = te.nn.Sequential(te.nn.Linear(2, 1))
    with pytest.raises(ShapeError, match=r"loss has shape \(4, 1\).*single number"):
        te.check.model(network, lambda p, y: (p - y) ** 2, *te.data.xor())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_parameter_that_the_loss_does_not_use_has_slope_zero() -> None:
    network = te.nn.Sequential(te.nn.Linear(2, 1))
    network.spare = te.Value([1.0, 2.0])
    report = te.check.model(network, mse, *te.data.xor())
    assert report.ok
    assert {"spare[0]", "spare[1]"} <= named(report, "correct")


# What is left behind


def test_parameters_are_as_before_and_gradients_gone() -> None:
    network, (x, y) = xor_network("tanh"), te.data.xor()
    mse(network(x), y).backward()
    before = [parameter.data.copy() for parameter in network.parameters()]
    check(network)
    for parameter, data in zip(network.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.data, data)
        assert parameter.grad is None
        assert not parameter.data.flags.writeable


@pytest.mark.parametrize("calls", [1, 2, 40])
def test_parameters_are_as_before_when_the_loss_fails(calls: int) -> None:
    network, (x, y), count = xor_network("tanh"), te.data.xor(), 0
    before = [parameter.data.copy() for parameter in network.parameters()]

    def failing(prediction: Any, target: Any) -> te.Value:
        nonlocal count
        count += 1
        if count == calls:
            raise KeyboardInterrupt
        return mse(prediction, target)

    with pytest.raises(KeyboardInterrupt):
        te.check.model(network, failing, x, y)
    for parameter, data in zip(network.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.data, data)
        assert parameter.grad is None


def test_the_report_counts_and_shows_every_entry() -> None:
    report = check(xor_network("relu"))
    summary, head, *lines = report.table().splitlines()
    assert head.split() == ["derivative", "claimed", "expected", "bar", "verdict"]
    assert len(lines) == len(report.entries) == 33
    assert sum("kink" in line for line in lines) == report.count("kink") == 8
    assert report.count("correct") == 25
    assert "25 correct" in summary
    assert "8 kink" in summary
