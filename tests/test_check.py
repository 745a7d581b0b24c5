"""The judge of gradients: right ones pass at corners and beside them, wrong ones are named."""

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
from tinygrad_edu.check import Entry, Report, judged
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.losses import bce_with_logits, mse

CORNER_AT_ZERO = {"prelu", "relu6", "selu", "relu", "leaky_relu", "sigmoid_linear"}
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


def named(report: Report, verdict: str) -> set[str]:
    return {entry.name for entry in report.entries if entry.verdict == verdict}


# ---- right gradients ----


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("seed", [0, 4])
def test_every_activation_passes_and_only_zero_biases_sit_on_a_corner(
    activation: str, seed: int
) -> None:
    report = check(xor_network(activation, seed))
    assert report.ok
    assert len(report.entries) == 2 * 8 + 8 + 8 + 1
    # The input (0, 0) gives pre-activations of 0: there relu's one-sided slopes in a bias differ.
    corners = {f"layers.0.bias[{unit}]" for unit in range(8)}
    assert named(report, "corner") == (corners if activation in CORNER_AT_ZERO else set())
    assert report.largest_error < 1e-10


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_away_from_corners_all_entries_agree(activation: str) -> None:
    network = xor_network(activation)
    network.layers[0].bias.data = np.linspace(-0.4, 0.45, 8)  # type: ignore[union-attr]
    report = check(network, bce_with_logits if activation == "tanh" else mse)
    assert report.count("agrees") == len(report.entries) == 33


def test_a_corner_says_both_slopes() -> None:
    # ∂/∂b of relu(b)² − 3 relu(−b) + (b − 1)² at 0: −2 from the right and 1 from the left.
    class Hinge(te.nn.Module):
        def __init__(self) -> None:
            self.b = te.Value(0.0)

        def forward(self, x: Any) -> Any:
            b: Any = self.b
            return te.activations.relu(b) ** 2 - 3 * te.activations.relu(-b) + (b - 1) ** 2

    (entry,) = te.check.model(Hinge(), lambda out, _: out, None, None).entries
    assert entry.verdict == "corner"
    assert entry.slopes == pytest.approx((1.0, -2.0), rel=1e-9)
    assert (entry.gradient, entry.error) == (-2.0, 0.0)
    assert "1.000e+00 | -2.000e+00" in entry.line()


# Before the steps went on to smaller ones, these were called wrong: pre-activations that are
# small, but not zero, put a corner between one step and the next.
@pytest.mark.parametrize(
    ("activation", "hidden", "seed"),
    [("hard_sigmoid", 8, 4), ("sigmoid_linear", 8, 4), ("sigmoid_linear", 60, 1), ("elu", 60, 1)],
)
def test_corners_close_by_are_told_from_wrong_gradients(
    activation: str, hidden: int, seed: int
) -> None:
    assert check(xor_network(activation, seed, hidden)).ok


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
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
    loss = draw(st.sampled_from([mse, bce_with_logits]))
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


def test_float32_models_are_checked_in_float64_and_stay_float32() -> None:
    network = xor_network("tanh", dtype=np.float32)
    before = [parameter.data for parameter in network.parameters()]
    x, y = te.data.xor()
    report = te.check.model(network, mse, x.astype(np.float32), y.astype(np.float32))
    assert report.count("agrees") == 33
    assert report.largest_error < 1e-10
    for parameter, data in zip(network.parameters(), before, strict=True):
        assert parameter.dtype == np.float32
        np.testing.assert_array_equal(parameter.data, data)


# ---- wrong gradients ----


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
}


@pytest.mark.parametrize("mistake", sorted(WRONG))
@pytest.mark.parametrize("seed", [0, 7])
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
    assert report.worst.verdict == "wrong"
    assert report.worst.name in wrong
    assert "wrong" in report.table()


@pytest.mark.parametrize("at_zero", [-0.5, -0.001, 1.001, 2.0, math.nan])
def test_a_subgradient_outside_of_the_slopes_is_wrong(at_zero: float) -> None:
    def rule(out: Any, x: Any) -> Any:
        return np.where(x > 0, 1.0, np.where(x < 0, 0.0, at_zero))

    with declared(lambda x: np.maximum(x, 0), rule) as activation:
        report = check(xor_network(activation))
    biases = {f"layers.0.bias[{unit}]" for unit in range(8)}
    assert named(report, "wrong") >= biases
    if not math.isnan(at_zero):
        assert named(report, "wrong") == biases
        assert report.count("agrees") == 25


@pytest.mark.parametrize("at_zero", [0.0, 0.3, 1.0])
def test_a_subgradient_between_the_slopes_is_accepted(at_zero: float) -> None:
    def rule(out: Any, x: Any) -> Any:
        return np.where(x > 0, 1.0, np.where(x < 0, 0.0, at_zero))

    with declared(lambda x: np.maximum(x, 0), rule) as activation:
        report = check(xor_network(activation))
    assert (report.count("agrees"), report.count("corner")) == (25, 8)


def test_a_wrong_bias_gradient_of_a_layer_is_found() -> None:
    class Forgetful(te.nn.Linear):
        def forward(self, x: Any) -> te.Value:
            assert self.bias is not None
            return x @ self.weight + self.bias.detach()  # type: ignore[no-any-return]

    report = te.check.model(Forgetful(2, 3), mse, *samples())
    assert named(report, "wrong") == {f"bias[{unit}]" for unit in range(3)}
    assert all(entry.gradient == 0 for entry in report.entries if entry.verdict == "wrong")


def samples() -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    return rng.normal(size=(4, 2)), rng.normal(size=(4, 3))


# ---- one number at a time: smooth functions, with a corner at a known place ----


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
        """At 0; from the left if the corner is there."""
        beyond = max(-self.place, 0.0)
        bent = self.bend * beyond**self.power
        rise = self.bend * self.power * beyond ** (self.power - 1) if self.place < 0 else 0.0
        t = math.tanh(self.b)
        return 2 * self.size * (t + bent - 0.3) * (self.a * (1 - t * t) + rise)


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


def with_corner(curve: Curve, bend: float, place: float, power: int) -> Curve:
    return dataclasses.replace(curve, bend=bend, place=place, power=power)


# The corners of max(x − place, 0) and of its slope, from beyond the steps to well among them.
bent = st.builds(
    with_corner,
    smooth,
    bend=signed,
    place=st.floats(-6, -0.5).flatmap(lambda p: st.sampled_from([10**p, -(10**p), 0.0])),
    power=st.sampled_from([1, 2]),
)


def judge(curve: Curve, gradient: float) -> Entry:
    return judged("x", gradient, curve, max(abs(curve.origin), 0.1))


@given(smooth | bent)
def test_a_right_gradient_is_never_called_wrong(curve: Curve) -> None:
    assert judge(curve, curve.slope).verdict != "wrong"


@given(smooth, st.sampled_from([1.001, 0.999, -1.0, 0.0]))
def test_a_wrong_gradient_of_a_smooth_function_is_always_found(curve: Curve, factor: float) -> None:
    if abs(math.tanh(curve.b) - 0.3) > 1e-3:  # or the slope is all but zero
        entry = judge(curve, factor * curve.slope)
        assert entry.verdict == "wrong"
        assert entry.error == pytest.approx(abs((factor - 1) * curve.slope), rel=1e-3)


@given(smooth)
def test_the_bar_holds_the_difference_and_is_narrow(curve: Curve) -> None:
    entry = judge(curve, curve.slope)
    assert entry.slopes[0] == entry.slopes[1]
    assert abs(entry.slopes[0] - curve.slope) <= entry.bar
    largest = curve.size * (1 + abs(curve.a))
    assert entry.bar <= 1e-8 * largest


# ---- numbers that are none, and other rarities ----


@pytest.mark.parametrize("gradient", [math.nan, math.inf])
def test_a_gradient_that_is_no_number_is_wrong(gradient: float) -> None:
    entry = judged("x", gradient, lambda shift: (1 + shift) ** 2, 1.0)
    assert (entry.verdict, entry.error) == ("wrong", math.inf)
    assert Report((entry,)).worst is entry


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_has_no_right_gradient(value: float) -> None:
    assert judged("x", 0.0, lambda shift: value, 1.0).verdict == "wrong"


def test_a_loss_that_is_infinite_far_away_only_is_judged_close_by() -> None:
    def f(shift: float) -> float:
        return math.log(0.05 + shift) if shift > -0.05 else math.inf

    assert judged("x", 20.0, f, 1.0).verdict == "agrees"
    assert judged("x", 20.02, f, 1.0).verdict == "wrong"


def test_a_loss_of_exactly_zero_is_no_trouble() -> None:
    x, _ = te.data.xor()
    network = te.nn.MLP([2, 3, 1])
    for parameter in network.parameters():
        parameter.data = np.zeros(parameter.shape)
    report = te.check.model(network, mse, x, np.zeros((4, 1)))
    assert report.ok
    assert report.worst.error == report.largest_error == 0


def test_a_parameter_that_is_a_single_number() -> None:
    class Scale(te.nn.Module):
        def __init__(self) -> None:
            self.factor = te.Value(1.5)

        def forward(self, x: Any) -> Any:
            return self.factor * x

    (entry,) = te.check.model(Scale(), mse, np.array([1.0, 2.0]), np.array([0.0, 0.0])).entries
    assert (entry.name, entry.verdict) == ("factor", "agrees")
    assert entry.gradient == pytest.approx(2 * 1.5 * 2.5)  # the mean of 2 f x² over x² = 1, 4


def test_a_model_without_parameters_is_refused() -> None:
    with pytest.raises(ShapeError, match="no parameters"):
        te.check.model(te.nn.Sequential(np.tanh), mse, *te.data.xor())


def test_a_parameter_that_the_loss_does_not_use_has_slope_zero() -> None:
    network = te.nn.Sequential(te.nn.Linear(2, 1))
    network.spare = te.Value([1.0, 2.0])
    report = te.check.model(network, mse, *te.data.xor())
    assert report.ok
    assert {"spare[0]", "spare[1]"} <= named(report, "agrees")


# ---- what is left behind ----


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
    head, *lines = report.table().splitlines()
    assert head.split() == ["parameter", "gradient", "finite", "difference", "bar", "verdict"]
    assert len(lines) == len(report.entries) == 33
    assert [line.split()[-1] for line in lines].count("corner") == report.count("corner") == 8
    assert report.count("agrees") == 25
    assert report.largest_error == max(entry.error for entry in report.entries)
