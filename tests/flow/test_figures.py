"""Published figures of gradient flow: what theory says, and what networks in plain NumPy do.

The simulations compute with the textbook's formulas alone. Where several networks are drawn, the
tolerance is four times the standard error that they show.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.flow.meanfield import chi

Array = np.ndarray[Any, np.dtype[Any]]
thorough = pytest.mark.thorough


def agree(found: Any, wanted: Any, slack: float = 0.0) -> None:
    """The mean over networks is the wanted one, to four standard errors and a slack."""
    error = np.std(found, axis=0, ddof=1) / math.sqrt(len(found))
    off = np.abs(np.mean(found, axis=0) - np.asarray(wanted))
    assert np.all(off <= 4 * error + slack), (np.mean(found, axis=0), wanted, error)


def deep(
    phi: Any, slope: Any, depth: int, width: int, sigma_w2: float, sigma_b2: float, seed: int
) -> Array:
    """ln mean δ² of each layer over that of the last, for one sample and a random gradient."""
    random = np.random.default_rng(seed)
    h = random.normal(size=width)
    weights, before = [], []
    for _ in range(depth):
        weights.append(random.normal(0, math.sqrt(sigma_w2 / width), (width, width)))
        before.append(h @ weights[-1] + random.normal(0, math.sqrt(sigma_b2), width))
        h = phi(before[-1])
    deltas = [random.normal(size=width)]
    for weight, z in zip(weights[:0:-1], before[-2::-1], strict=True):
        deltas.append((weight @ deltas[-1]) * slope(z))
    logs = np.array([np.log(np.mean(np.square(delta))) for delta in deltas[::-1]])
    return np.asarray(logs - logs[-1])


def tanh_slope(z: Any) -> Any:
    return 1 - np.tanh(z) ** 2


# ---- Glorot and Bengio 2010, figures 6 to 8 ----

WIDTHS = [1024, *[1000] * 5, 9]
DELTAS = {"standard": [0.528, 0.561, 0.572, 0.576], "normalised": [0.815, 0.862, 0.890, 0.909]}
SINGULAR = {"standard": (0.474, 0.489), "normalised": (0.710, 0.778)}


def variance(init: str, inputs: int, outputs: int) -> float:
    return 1 / (3 * inputs) if init == "standard" else 2 / (inputs + outputs)


@cache
def glorot(init: str, seed: int) -> tuple[Array, Array, list[Array]]:
    """std of δ and of ∇W for each hidden layer, and ∂h/∂(h before) of the first sample."""
    random = np.random.default_rng(seed)
    h = random.uniform(-1, 1, (300, WIDTHS[0]))
    labels = random.integers(0, 9, 300)
    weights, entering = [], []
    for inputs, outputs in pairwise(WIDTHS):
        bound = math.sqrt(3 * variance(init, inputs, outputs))
        weights.append(random.uniform(-bound, bound, (inputs, outputs)))
        entering.append(h)
        z = h @ weights[-1]
        h = np.tanh(z)
    power = np.exp(z - z.max(axis=1, keepdims=True))
    delta = (power / power.sum(axis=1, keepdims=True) - np.eye(9)[labels]) / 300
    deltas, gradients, jacobians = [], [], []
    for weight, h_before, h_layer in zip(
        weights[:0:-1], entering[-2::-1], entering[:0:-1], strict=True
    ):
        delta = (delta @ weight.T) * (1 - h_layer**2)  # tanh′ is 1 − tanh²
        deltas.append(delta.std())
        gradients.append((h_before.T @ delta).std())
    for weight, h_layer in zip(weights[1:5], entering[2:], strict=True):
        jacobians.append(weight * (1 - h_layer[0] ** 2))
    return np.array(deltas[::-1]), np.array(gradients[::-1]), jacobians


@cache
def glorot_theory(init: str) -> te.flow.Theory:
    given = {f"layers.{i}": variance(init, *pair) for i, pair in enumerate(pairwise(WIDTHS))}
    model = te.nn.MLP(WIDTHS, "tanh", init="zeros")
    return te.flow.theory(model, input_scale=1 / math.sqrt(3), variances=given)


@pytest.mark.parametrize("init", DELTAS)
def test_glorot_deltas_by_theory(init: str) -> None:
    theory = glorot_theory(init)
    assert np.sqrt(theory.chi[:4]) == pytest.approx(DELTAS[init], abs=1.5e-3)


@pytest.mark.parametrize("init", DELTAS)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=thorough) for seed in (1, 2))])
def test_glorot_deltas_measured(init: str, seed: int) -> None:
    deltas, _, _ = glorot(init, seed)
    # The mean over 300 samples of a layer of 1,000 strays by a percent.
    assert deltas[:-1] / deltas[1:] == pytest.approx(DELTAS[init], rel=0.03)
    theory = glorot_theory(init)
    ratio = deltas / deltas[-1]
    relative = theory.delta[:5] / theory.delta[4]
    assert np.all(np.abs(np.log(ratio / relative)) < np.log(theory.high / theory.low)[:5] / 2)


def test_weight_gradients_hide_that_deltas_vanish() -> None:
    deltas, gradients, _ = glorot("standard", 0)
    assert deltas[-1] / deltas[0] == pytest.approx(10.3, rel=0.05)
    assert gradients.max() / gradients.min() < 1.05
    theory = glorot_theory("standard")
    assert theory.delta[4] / theory.delta[0] == pytest.approx(10.3, rel=0.02)
    assert theory.weight[:5] == pytest.approx(theory.weight[0], rel=0.02)


@pytest.mark.parametrize(
    ("init", "published"), [("standard", 0.5), pytest.param("normalised", 0.8, marks=thorough)]
)
def test_glorot_singular_values(init: str, published: float) -> None:
    _, _, jacobians = glorot(init, 0)
    values = np.array([np.linalg.svd(each, compute_uv=False) for each in jacobians])
    found = values.mean(axis=1)
    low, high = SINGULAR[init]
    assert found.min() == pytest.approx(low, rel=0.02)
    assert found.max() == pytest.approx(high, rel=0.02)
    assert found == pytest.approx(published, abs=0.1)
    # Their mean square is the factor of δ²; all inner matrices have the same variance.
    chi = glorot_theory(init).chi
    assert np.sqrt(np.mean(values[:3] ** 2, axis=1)) == pytest.approx(np.sqrt(chi[1:4]), rel=0.02)


# ---- deep networks ----


@pytest.mark.parametrize("sigma_w2", [1, 1.761, 2.5])
@pytest.mark.parametrize("networks", [4, pytest.param(20, marks=thorough)])
def test_a_hundred_layers_of_tanh(sigma_w2: float, networks: int) -> None:
    """Schoenholz et al. 2017: the slope of ln E δ² is ln χ₁; σ_b² = 0.05, width 300."""
    slopes = []
    for seed in range(networks):
        logs = deep(np.tanh, tanh_slope, 100, 300, sigma_w2, 0.05, seed)
        slopes.append(-np.polyfit(np.arange(80), logs[15:95], 1)[0])
    # Width 300 takes 0.004 a layer from explosion.
    agree(slopes, math.log(chi(te.activations.tanh, sigma_w2, 0.05)), slack=0.005)


@pytest.mark.parametrize("networks", [12, pytest.param(60, marks=thorough)])
def test_thirty_layers_of_relu_with_xavier(networks: int) -> None:
    """He et al. 2015, figure 3: the std of δ falls by 10^−4.4 where Xavier's rule is kept."""
    widths = [256] * 31
    given = {f"layers.{i}": 1 / 256 for i in range(30)}
    theory = te.flow.theory(te.nn.MLP(widths, "relu", init="zeros"), variances=given)
    infinite = 29 * math.log10(chi(te.activations.relu, 1.0)) / 2
    assert infinite == pytest.approx(-4.365, abs=5e-4)
    found = [
        deep(lambda z: np.maximum(z, 0), lambda z: z > 0, 30, 256, 1.0, 0.0, seed)[0] / 2
        for seed in range(networks)
    ]
    logs = np.array(found) / math.log(10)
    agree(logs, np.log10(theory.delta[0]), slack=0.01)
    assert np.mean(logs) == pytest.approx(-4.47, abs=4 * 0.14 / math.sqrt(networks) + 0.05)
    # The band is 1.15 times as wide as the first order in 1/n has it.
    spread = np.log10(theory.high[0] / theory.low[0]) / (2 * 1.96)
    assert 0.5 < np.std(logs, ddof=1) / spread < 1.4
    assert spread == pytest.approx(1.15 * math.sqrt(29 * 5 / 256) / 2 / math.log(10), rel=0.01)


@pytest.mark.parametrize("networks", [6, pytest.param(30, marks=thorough)])
def test_layers_of_sigmoid(networks: int) -> None:
    """At σ_w² = 1 each layer leaves 0.236 of δ."""

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    found = [
        -np.diff(deep(sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z)), 16, 256, 1.0, 0.0, seed))
        for seed in range(networks)
    ]
    agree([np.mean(each[3:]) for each in found], math.log(0.0557), slack=0.005)
    assert math.sqrt(chi(te.activations.sigmoid, 1.0)) == pytest.approx(0.236, abs=5e-4)


def test_a_tenth_a_layer() -> None:
    """The articles' example: 0.1 over ten layers is 1e-10."""
    widths = [400] * 12
    given = {f"layers.{i}": 0.01 / 400 for i in range(11)}
    theory = te.flow.theory(te.nn.MLP(widths, "linear", init="zeros"), variances=given)
    assert chi(te.activations.linear, 0.01) ** 5 == pytest.approx(1e-10)
    assert theory.delta[0] == pytest.approx(1e-10, rel=0.03)
    found = [deep(lambda z: z, np.ones_like, 11, 400, 0.01, 0.0, seed)[0] / 2 for seed in range(4)]
    agree(found, np.log(theory.delta[0]))


# ---- batch normalisation ----


def batch_norm(rows: int, seed: int, depth: int = 24, width: int = 256) -> float:
    """ln of the growth of E δ² a layer, on the way back through BatchNorm, ReLU and a product."""
    random = np.random.default_rng(seed)
    h = random.normal(size=(rows, width))
    tape = []
    for _ in range(depth):
        weight = random.normal(size=(width, width)) / math.sqrt(width)
        z = h @ weight
        std = z.std(axis=0)
        y = (z - z.mean(axis=0)) / std
        tape.append((weight, std, y))
        h = np.maximum(y, 0)
    delta = random.normal(size=(rows, width))
    logs = []
    for weight, std, y in reversed(tape):
        g = delta * (y > 0)
        delta = (g - g.mean(axis=0) - y * (g * y).mean(axis=0)) / std
        logs.append(np.log(np.mean(delta**2)))
        delta = delta @ weight.T
    return float(np.mean(np.diff(logs)[3:-3]))


@pytest.mark.parametrize(
    ("rows", "run"), [(32, 1.524), (128, 1.473), pytest.param(512, 1.455, marks=thorough)]
)
def test_batch_norm_explodes(rows: int, run: float) -> None:
    """Yang et al. 2019: π/(π − 1) a layer for many rows, and more for few."""
    found = math.exp(np.mean([batch_norm(rows, seed) for seed in range(3)]))
    layers: list[Any] = []
    for i in range(6):
        layers += [te.nn.Linear(64, 64, seed=i, bias=False), te.nn.BatchNorm(64), "relu"]
    model = te.nn.Sequential(*layers, te.nn.Linear(64, 3))
    given = {f"layers.{3 * i}": 1 / 64 for i in range(6)}
    theory = te.flow.theory(model, batch=rows, variances=given)
    assert found == pytest.approx(run, rel=0.025)
    assert theory.chi[2] == pytest.approx(found, rel=0.02)
    assert te.flow.theory(model, variances=given).chi[2] == pytest.approx(1.467, abs=5e-4)


# ---- recurrence ----

RNN = {0.5: (-0.784, -0.758), 1: (-0.178, -0.171), 2: (0.141, 0.118), 3: (0.308, 0.287)}


def recurrent(scale: float, seed: int, steps: int = 60, units: int = 128) -> float:
    """The slope of ln‖δ‖ a step back, with one matrix for all steps."""
    random = np.random.default_rng(seed)
    weight = random.normal(0, scale / math.sqrt(units), (units, units))
    h, states = np.zeros(units), []
    for _ in range(steps):
        h = np.tanh(h @ weight + random.normal(0, 0.3, units))
        states.append(h)
    delta = random.normal(size=units)
    logs = []
    for h in reversed(states):
        delta = delta * (1 - h**2)
        logs.append(np.log(np.linalg.norm(delta)))
        delta = weight @ delta
    return float(np.polyfit(np.arange(steps - 10), logs[: steps - 10], 1)[0])


@pytest.mark.parametrize("scale", RNN)
def test_an_rnn_through_time(scale: float) -> None:
    predicted, run = RNN[scale]
    found = [recurrent(scale, seed) for seed in range(30)]
    assert math.log(chi(te.activations.tanh, scale**2, 0.09)) / 2 == pytest.approx(
        predicted, abs=2.5e-3
    )
    # One matrix at all steps is not theory's case: it costs up to 0.03.
    agree(found, run, slack=0.015)
    agree(found, predicted, slack=0.03)
