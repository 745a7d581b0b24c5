"""The theory of gradient flow: its means, its fixed points, and networks simulated in plain NumPy.

The truth is mpmath's activations, closed forms, published numbers and random networks written here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.activations.truth import FORMS, TRUTH
from tinygrad_edu.errors import OperandError, ShapeError, UnknownNameError, UnsupportedError
from tinygrad_edu.flow.meanfield import (
    chi,
    correlated,
    critical,
    depth_scale,
    fixed_point,
    forward_map,
    moments,
)
from tools.flow_grid import INITS, predicted, simulated

Array = np.ndarray[Any, np.dtype[Any]]
CURVES = [name for name in FORMS if name in te.ACTIVATIONS]
TANH, RELU, SIGMOID = te.activations.tanh, te.activations.relu, te.activations.sigmoid
LINEAR, SINE, ERF = te.activations.linear, te.activations.sine, te.OPERATIONS["erf"]
KINKS: dict[str, list[float]] = {
    "hard_sigmoid": [1],
    "hard_swish": [3],
    "sigmoid_linear": [1],
    "hard_tanh": [1],
    "relu6": [6],
    "hard_shrink": [0.5],
    "soft_shrink": [0.5],
    "threshold": [1],
}


# ---- means over a Gaussian ----


def dense(name: str, q: float) -> tuple[Array, Array]:
    """Points and weights for E[f(√q ζ)], dense wherever an activation bends."""
    reach = 13 * math.sqrt(q)
    steps = np.linspace(0, reach, 14)
    places: list[float] = np.arange(0.25, 40.25, 0.75).tolist() + KINKS.get(name, [])
    fine = [x for x in places if x < reach]
    right = sorted({*steps.tolist(), *fine})
    nodes, weights = np.polynomial.legendre.leggauss(24)
    points, parts = [], []
    for low, high in pairwise([*(-x for x in right[:0:-1]), *right]):
        x = (low + high) / 2 + (high - low) / 2 * nodes
        points.append(x)
        density = np.exp(-(x**2) / (2 * q)) / math.sqrt(2 * math.pi * q)
        parts.append((high - low) / 2 * weights * density)
    return np.concatenate(points), np.concatenate(parts)


WIDTHS = (1e-12, 1e-4, 0.3, 9.0, 1e3, 1e6)


@pytest.mark.parametrize(
    ("name", "q"),
    [
        # In `make test` each activation with one q, and a neighbour with the next.
        pytest.param(name, q, marks=() if i % (2 * len(WIDTHS)) == j else pytest.mark.thorough)
        for i, name in enumerate(CURVES)
        for j, q in enumerate(WIDTHS)
        if not (name == "sine" and q > 10)  # in closed form below
    ],
)
def test_means_are_those_of_the_true_function(name: str, q: float) -> None:
    x, weights = dense(name, q)
    with mp.workdps(20):
        values = np.array([float(TRUTH[name].value(mp.mpf(one))) for one in x])
        slopes = np.array([float(TRUTH[name].slope(mp.mpf(one))) for one in x])
    found = moments(te.ACTIVATIONS[name], q)
    square, slope = weights @ values**2, weights @ slopes**2
    tiny = 1e-30  # nothing of a shrinkage is left there
    assert found.mean == pytest.approx(weights @ values, rel=1e-10, abs=1e-10 * math.sqrt(square))
    assert found.square == pytest.approx(square, rel=1e-10, abs=tiny)
    assert found.slope == pytest.approx(slope, rel=1e-10, abs=tiny)
    assert found.slope4 == pytest.approx(weights @ slopes**4, rel=1e-10, abs=tiny)
    if square > tiny and slope > tiny:
        for got, wanted in (
            (found.spread, weights @ values**4 / square**2 - 1),
            (found.slope_spread, weights @ slopes**4 / slope**2 - 1),
            (found.joint, weights @ (values * slopes) ** 2 / (square * slope) - 1),
            (found.growth, weights @ (values**2 * (x**2 / q - 1)) / (2 * square)),
            (found.slope_growth, weights @ (slopes**2 * (x**2 / q - 1)) / (2 * slope)),
        ):
            assert got == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "q"),
    [
        ("tanh", 3.0),
        ("gelu", 0.2),
        *(
            pytest.param(name, q, marks=pytest.mark.thorough)
            for name, q in (("tanh", 0.2), ("gelu", 3.0), ("mish", 0.2), ("mish", 3.0))
        ),
    ],
)
def test_means_against_an_integral_by_mpmath(name: str, q: float) -> None:
    found = moments(te.ACTIVATIONS[name], q)
    with mp.workdps(25):
        spread = mp.sqrt(mp.mpf(q))

        def mean(f: Callable[[Any], Any]) -> float:
            places = [-mp.inf, -4, -1, 0, 1, 4, mp.inf]
            return float(mp.quad(lambda z: f(spread * z) * mp.npdf(z), places))

        assert found.square == pytest.approx(mean(lambda x: TRUTH[name].value(x) ** 2), rel=1e-12)
        assert found.slope == pytest.approx(mean(lambda x: TRUTH[name].slope(x) ** 2), rel=1e-12)


@given(st.floats(-12, 6).map(lambda x: 10**x))
def test_closed_forms(q: float) -> None:
    relu = moments(RELU, q)
    assert [relu.mean, relu.square] == pytest.approx([math.sqrt(q / (2 * math.pi)), q / 2])
    assert [relu.slope, relu.slope4] == pytest.approx([0.5, 0.5])
    assert [relu.spread, relu.slope_spread, relu.growth] == pytest.approx([5, 1, 1])
    linear = moments(LINEAR, q)
    assert [linear.square, linear.slope, linear.slope4] == pytest.approx([q, 1, 1])
    assert [linear.spread, linear.growth] == pytest.approx([2, 1])
    assert [linear.slope_spread, linear.joint, linear.mean] == pytest.approx([0, 0, 0], abs=1e-12)
    sine = moments(SINE, q)
    assert sine.square == pytest.approx(-math.expm1(-2 * q) / 2, rel=1e-10)
    assert sine.slope == pytest.approx((1 + math.exp(-2 * q)) / 2, rel=1e-10)
    fourth = 3 / 8 + math.exp(-2 * q) / 2 + math.exp(-8 * q) / 8
    assert sine.slope4 == pytest.approx(fourth, rel=1e-10)
    erf = moments(ERF, q)
    assert erf.square == pytest.approx(2 / math.pi * math.asin(2 * q / (1 + 2 * q)), rel=1e-10)
    assert erf.slope == pytest.approx(4 / math.pi / math.sqrt(1 + 4 * q), rel=1e-10)
    assert erf.slope4 == pytest.approx(16 / math.pi**2 / math.sqrt(1 + 8 * q), rel=1e-10)
    assert erf.slope_growth == pytest.approx(-2 * q / (1 + 4 * q), rel=1e-9, abs=1e-12)
    assert moments(SIGMOID, q).mean == pytest.approx(0.5, rel=1e-12)


def test_means_for_arrays_of_q_are_those_of_each() -> None:
    q = np.array([[1e-6, 0.5], [3.0, 1e4]])
    together = moments(te.activations.swish, q)
    for place in np.ndindex(q.shape):
        alone = moments(te.activations.swish, float(q[place]))
        assert together.square[place] == pytest.approx(alone.square, rel=1e-12)
        assert together.slope4[place] == pytest.approx(alone.slope4, rel=1e-12)


def test_means_with_another_center() -> None:
    """E exp(ζ)² and E relu, for N(m, q)."""
    found = moments(te.OPERATIONS["exp"], 0.25, 0.7)
    assert found.square == pytest.approx(math.exp(2 * 0.7 + 2 * 0.25), rel=1e-12)
    m, s = -0.4, 1.5
    cdf, pdf = (1 + math.erf(m / s / math.sqrt(2))) / 2, math.exp(-((m / s) ** 2) / 2)
    wanted = m * cdf + s * pdf / math.sqrt(2 * math.pi)
    assert moments(RELU, s**2, m).mean == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("q", [1e-200, 1e200])
def test_heights_whose_fourth_powers_no_float_can_hold(q: float) -> None:
    found = moments(RELU, q)
    assert [found.square, found.spread] == pytest.approx([q / 2, 5])


def test_a_signal_of_0() -> None:
    found = moments(SIGMOID, 0.0)
    assert [found.mean, found.square, found.slope] == pytest.approx([1 / 2, 1 / 4, 1 / 16])
    assert found.growth == found.spread == 0


@pytest.mark.parametrize(
    "q", [2.0, *(pytest.param(q, marks=pytest.mark.thorough) for q in (0.01, 50.0))]
)
@pytest.mark.parametrize("correlation", [-1.0, -0.6, -0.4, 0.0, 0.1, 0.5, 0.95, 1.0])
def test_products_of_correlated_signals(correlation: float, q: float) -> None:
    """ReLU's arc-cosine kernel (Cho and Saul 2009), and erf's arc-sine one (Williams 1997)."""
    c = q * correlation
    angle = math.acos(correlation)
    relu = q / (2 * math.pi) * (math.sin(angle) + (math.pi - angle) * correlation)
    assert correlated(RELU, q, c) == pytest.approx(relu, rel=1e-8, abs=1e-8 * q)
    erf = 2 / math.pi * math.asin(2 * c / (1 + 2 * q))
    assert correlated(ERF, q, c) == pytest.approx(erf, rel=1e-8, abs=1e-8)


def test_an_activation_along_an_axis_has_no_means() -> None:
    with pytest.raises(OperandError, match="entry by entry"):
        moments(te.activations.softmax, 1.0)


# ---- fixed points ----


@pytest.mark.parametrize(
    ("sigma_b2", "published"), [(0.0, 1), (0.01, 1.424), (0.05, 1.761), (0.1, 1.986)]
)
def test_critical_variance_of_tanh(sigma_b2: float, published: float) -> None:
    found = critical(TANH, sigma_b2)
    assert found == pytest.approx(published, abs=6e-4)
    if sigma_b2:
        assert chi(TANH, found, sigma_b2) == pytest.approx(1, abs=1e-8)
        assert chi(TANH, found - 0.05, sigma_b2) < 1 < chi(TANH, found + 0.05, sigma_b2)


@pytest.mark.parametrize(("sigma_w2", "published"), [(1, -0.276), (1.761, 0), (2.5, 0.125)])
def test_chi_of_tanh(sigma_w2: float, published: float) -> None:
    assert math.log(chi(TANH, sigma_w2, 0.05)) == pytest.approx(published, abs=6e-4)


@pytest.mark.parametrize(
    ("op", "wanted"),
    [
        (RELU, 2),
        (LINEAR, 1),
        (te.activations.leaky_relu, 2 / (1 + 0.01**2)),
        (te.activations.prelu, 2 / (1 + 0.25**2)),
        (te.activations.arctan, 1),
        (te.activations.gelu, 4),
        (ERF, math.pi / 4),
    ],
)
def test_critical_variance_without_biases(op: Any, wanted: float) -> None:
    """1/φ′(0)², and He's for what is straight on both sides."""
    assert critical(op) == pytest.approx(wanted, rel=1e-9)


def test_relu_with_biases_is_critical_only_in_the_limit() -> None:
    assert critical(RELU, 0.1) == pytest.approx(2, rel=1e-6)
    assert fixed_point(RELU, 2.0, 0.1) == math.inf
    assert chi(RELU, 2.0, 0.1) == pytest.approx(1)


@pytest.mark.parametrize("op", [te.activations.squared_relu, te.activations.hard_shrink])
def test_no_critical_variance(op: Any) -> None:
    with pytest.raises(OperandError, match="no critical variance"):
        critical(op)


def test_sigmoid_at_its_fixed_point() -> None:
    found = chi(SIGMOID, 1.0)
    assert found == pytest.approx(0.0557, abs=5e-5)
    assert math.sqrt(found) == pytest.approx(0.236, abs=5e-4)


@pytest.mark.parametrize(
    ("scale", "published"), [(0.5, -0.784), (1, -0.178), (2, 0.141), (3, 0.308)]
)
def test_slope_of_an_rnn_of_tanh(scale: float, published: float) -> None:
    assert math.log(chi(TANH, scale**2, 0.3**2)) / 2 == pytest.approx(published, abs=2.5e-3)


def test_selu_keeps_the_variance_1() -> None:
    assert fixed_point(te.activations.selu, 1.0) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(
    ("op", "sigma_w2", "sigma_b2", "wanted"),
    [
        (RELU, 1.0, 0.0, 0.0),
        (RELU, 2.0, 0.0, 1.0),
        (RELU, 2.1, 0.0, math.inf),
        (te.activations.elu, 2.0, 0.0, math.inf),  # E φ² is q/2 and a little more
        (te.activations.softplus, 2.0, 0.05, math.inf),
        (RELU, 1.0, 0.3, 0.6),
        (LINEAR, 0.75, 1e-20, 4e-20),
        (TANH, 1.0, 0.0, 0.0),
        (TANH, 0.5, 0.0, 0.0),
        (te.activations.hard_tanh, 1.0, 0.0, 0.0),
    ],
)
def test_fixed_points_known_beforehand(
    op: Any, sigma_w2: float, sigma_b2: float, wanted: float
) -> None:
    assert fixed_point(op, sigma_w2, sigma_b2) == pytest.approx(wanted, rel=1e-9)


@given(
    st.sampled_from(["tanh", "sigmoid", "softplus", "swish", "elu", "sine", "hard_tanh"]),
    st.floats(0.3, 3),
    st.floats(0.01, 1),
)
def test_a_fixed_point_is_where_the_map_leads(name: str, sigma_w2: float, sigma_b2: float) -> None:
    op = te.ACTIVATIONS[name]
    found = fixed_point(op, sigma_w2, sigma_b2)
    q, before = 1.0, 0.0
    for _ in range(200):
        if q > 20 or abs(q - before) < 1e-12 * q:
            break
        before, q = q, float(forward_map(op, q, sigma_w2, sigma_b2))
    if math.isinf(found):
        assert q > 20
    else:
        assert forward_map(op, found, sigma_w2, sigma_b2) == pytest.approx(found, rel=1e-9)
        assert abs(math.log(q / found)) < abs(math.log(found)) or q == pytest.approx(found)


@pytest.mark.parametrize(
    ("chi", "wanted"),
    [(math.exp(-0.5), 2), (math.exp(0.25), -4), (1, math.inf), (0.0557, 1 / -math.log(0.0557))],
)
def test_depth_scale(chi: float, wanted: float) -> None:
    assert depth_scale(chi) == pytest.approx(wanted)


# ---- networks, simulated ----


def judge(values: list[Array], median: Array, low: Array, high: Array) -> float:
    """The share of layers inside of the band; the medians must be right to what chance allows."""
    logs = np.log(values)
    error = np.log(high / low) / (2 * 1.96) / math.sqrt(len(values))
    off = np.abs(np.median(logs, axis=0) - np.log(median))
    assert np.all(off <= 5 * error + 0.02)
    return float(np.mean((logs >= np.log(low) - 1e-9) & (logs <= np.log(high) + 1e-9)))


@pytest.mark.parametrize(
    ("name", "init"),
    [("tanh", "xavier"), ("relu", "he"), ("sigmoid", "normal"), ("elu", "lecun")],
)
def test_networks_lie_in_the_band(name: str, init: str) -> None:
    widths = [20, *[64] * 8, 10]
    variances = [INITS[init](*pair) for pair in pairwise(widths)]
    theory = predicted(name, variances, widths, scale=0.7, bias=0.01)
    runs = [simulated(name, variances, widths, seed, scale=0.7, bias=0.01) for seed in range(60)]
    heights, deltas, gradients = (list(each) for each in zip(*runs, strict=True))
    # The last activation, a softmax or none, is not the hidden layers'.
    inside = judge(
        [each[:-1] for each in heights],
        theory.activation[:-1],
        theory.activation_low[:-1],
        theory.activation_high[:-1],
    )
    assert inside >= 0.93
    inside = judge(
        [each[:-1] for each in deltas], theory.delta[:-1], theory.low[:-1], theory.high[:-1]
    )
    assert inside >= 0.93
    assert np.median(gradients, axis=0) == pytest.approx(theory.weight, rel=0.15)


def test_a_narrow_network_strays_as_far_as_predicted() -> None:
    """Not only inside: the band is no wider than it must be."""
    widths = [32] * 13
    variances = [2 / 32] * 12
    theory = predicted("relu", variances, widths)
    logs = [np.log(simulated("relu", variances, widths, seed)[1][0]) for seed in range(400)]
    spread = np.log(theory.high[0] / theory.low[0]) / (2 * 1.96)
    assert 0.75 < np.std(logs) / spread < 1.05


def test_the_spread_of_hanin_and_nica() -> None:
    """5/n a layer for ReLU, 2/n for linear, over the layers where δ is scaled; inflated by 1.15."""
    for name, each in (("relu", 5), ("linear", 2)):
        widths = [1000] * 21
        theory = predicted(name, [2 / 1000] * 20, widths)
        variance = (np.log(theory.high / theory.low) / (1.15 * 1.96)) ** 2
        assert variance[:-1] == pytest.approx(each / 1000 * np.arange(19, 0, -1), rel=2e-3)


# ---- models of the package ----


def measured(model: Any, x: Array, seed: int) -> Array:
    """rms δ of each Linear layer over that of the last, for a random gradient of the output."""
    with te.flow.track(model) as flow:
        output = model(x)
        gradient = np.random.default_rng(seed).normal(size=output.shape)
        np.sum(output * gradient).backward()
    deltas = np.array([flow.delta[name][0] for name in flow.layers])
    return np.asarray(deltas / deltas[-1])


def compare(
    make: Callable[[int], Any], inputs: int, rows: int = 64, seeds: int = 12, **options: Any
) -> None:
    """The median over networks, to a tenth of the spread that theory gives, and 5 %."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, inputs))
    logs = [np.log(measured(make(seed), x, seed)) for seed in range(seeds)]
    theories = [te.flow.theory(make(seed), x=x, **options) for seed in range(2)]
    wanted = np.log([theory.delta for theory in theories]).mean(axis=0)
    spread = np.log(theories[0].high / theories[0].low) / (2 * 1.96)
    off = np.abs(np.mean(logs, axis=0) - wanted)
    assert np.all(off <= 0.05 + 4 * spread / math.sqrt(seeds))
    assert spread.max() < 1.5


def stacked(
    parts: Callable[[np.random.Generator], list[Any]],
    depth: int,
    inputs: int = 40,
    width: int = 96,
    first: tuple[Any, ...] = (),
) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        random = np.random.default_rng(seed)
        layers = [te.nn.Linear(inputs, width, seed=random), *first]
        for _ in range(depth):
            layers += parts(random)
        return te.nn.Sequential(*layers, te.nn.Linear(width, 10, seed=random))

    return make


def linear(random: np.random.Generator, init: str = "he_normal") -> Any:
    return te.nn.Linear(96, 96, init=init, seed=random)


MODELS: dict[str, Callable[[int], Any]] = {
    "batch norm": stacked(lambda r: [te.nn.BatchNorm(96), "relu", linear(r)], 8),
    "batch norm behind tanh": stacked(lambda r: ["tanh", te.nn.BatchNorm(96), linear(r)], 6),
    "batch norm in places": stacked(
        lambda r: [te.nn.BatchNorm(96), "relu", linear(r), "relu", linear(r), "sigmoid", linear(r)],
        2,
    ),
    "layer norm": stacked(lambda r: [te.nn.LayerNorm(96), "relu", linear(r, "xavier_normal")], 8),
    "residual": stacked(
        lambda r: [te.nn.Residual(te.nn.Sequential(linear(r), "relu", linear(r)))], 5
    ),
    "residual, activation first": stacked(
        lambda r: [te.nn.Residual(te.nn.Sequential("tanh", linear(r, "xavier_normal")))], 8
    ),
    "residual around an activation": stacked(
        lambda r: [te.nn.Residual(te.nn.Sequential(linear(r), "relu")), linear(r)], 3
    ),
    "residual and norm": stacked(
        lambda r: [te.nn.Residual(te.nn.Sequential(te.nn.BatchNorm(96), "relu", linear(r)))], 8
    ),
    "dropout": stacked(lambda r: ["tanh", te.nn.Dropout(0.3, seed=r), linear(r)], 5),
    "two functions": stacked(lambda r: [lambda z: z * te.activations.sigmoid(2 * z), linear(r)], 5),
    "a comparison": stacked(lambda r: [lambda z: np.where(z > 0, z, 0.3 * z), linear(r)], 5),
    "another parameter": stacked(
        lambda r: [lambda z: te.activations.leaky_relu(z, 0.3), linear(r)], 5
    ),
    "no activation": stacked(lambda r: [linear(r, "xavier_normal")], 6),
    "uniform and orthogonal": stacked(
        lambda r: ["tanh", linear(r, "xavier_uniform"), "tanh", linear(r, "orthogonal")], 3
    ),
}


# In `make test` without those that another has parts of.
ALIKE = {"batch norm in places", "residual, activation first", "another parameter"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.thorough if name in ALIKE else ()) for name in MODELS],
)
def test_models_of_the_package(name: str) -> None:
    compare(MODELS[name], 40)


def test_a_branch_that_ends_in_an_activation_adds_to_a_mean() -> None:
    """E (x + y)² has 2 E x E y where both are ReLU's."""
    random = np.random.default_rng(0)
    model = te.nn.Sequential(
        te.nn.Linear(50, 800, seed=random),
        "relu",
        te.nn.Residual(te.nn.Sequential(te.nn.Linear(800, 800, seed=random), "relu")),
        te.nn.Linear(800, 800, seed=random),
    )
    x = random.normal(size=(20, 50))
    z = np.asarray(model(x).data)
    assert te.flow.theory(model, x=x).q[-1] == pytest.approx(np.mean(z**2), rel=0.12)


@pytest.mark.parametrize(
    "kind", [pytest.param("plain", marks=pytest.mark.thorough), "norm", "branches"]
)
def test_how_far_networks_stray(kind: str) -> None:
    """A norm takes away what the signal has strayed; a branch brings in only its share of it."""
    width, seeds = 48, 120
    x = np.random.default_rng(0).normal(size=(1, width))
    logs = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        layers: list[Any] = []
        for _ in range(8):
            part = te.nn.Linear(width, width, init="he_normal", seed=random)
            if kind == "branches":
                layers.append(te.nn.Residual(te.nn.Sequential("relu", part)))
            else:
                layers += [part, *[te.nn.LayerNorm(width)] * (kind == "norm"), "relu"]
        model = te.nn.Sequential(*layers, te.nn.Linear(width, 10, seed=random))
        logs.append(np.log(measured(model, x, seed)))
    theory = te.flow.theory(model)
    spread = np.log(theory.high / theory.low)[:-1] / (2 * 1.96 * 1.15)
    assert np.std(logs, axis=0)[:-1] / spread == pytest.approx(1, abs=0.25)
    assert np.mean(logs, axis=0)[:-1] == pytest.approx(np.log(theory.delta[:-1]), abs=0.15)


def test_batch_norm_and_relu_explode_with_depth() -> None:
    """Yang et al. 2019: π/(π − 1) a layer, for a large batch."""
    make = stacked(lambda r: [te.nn.BatchNorm(96), "relu", linear(r)], 8)
    theory = te.flow.theory(make(0), variances={f"layers.{3 * i}": 1 / 96 for i in range(1, 9)})
    assert theory.chi[1:-2] == pytest.approx(math.pi / (math.pi - 1), rel=1e-3)
    # Of 16 rows two have a correlation of −1/15, and 1/variance and two constraints are finite.
    angle = math.acos(-1 / 15)
    kernel = (math.sin(angle) - (math.pi - angle) / 15) / (2 * math.pi)
    few = te.flow.theory(make(0), batch=16, variances=dict.fromkeys(theory.names[1:-1], 1 / 96))
    assert few.chi[2:-2] == pytest.approx(0.5 / (0.5 - kernel) * 14 / 13, rel=1e-3)


def test_the_rows_that_batch_norm_sees() -> None:
    model = MODELS["batch norm"](0)
    chis = [te.flow.theory(model, batch=rows).chi[3] for rows in (16, 64, 1024)]
    assert chis == sorted(chis, reverse=True)
    assert chis[-1] == pytest.approx(te.flow.theory(model).chi[3], rel=0.01)
    x = np.random.default_rng(0).normal(size=(64, 40))
    assert te.flow.theory(model, x=x).chi[3] == pytest.approx(chis[1], rel=0.01)


def test_an_rnn_over_its_steps() -> None:
    """W, U and b of an Elman network in NumPy, the gradient entering at the last step."""
    steps, hidden, scale, noise = 20, 128, 1.5, 0.3
    model = te.nn.Sequential(
        te.nn.RNN(16, hidden, seed=0), lambda both: both[1], te.nn.Linear(hidden, 10)
    )
    rnn = model[0]
    random = np.random.default_rng(0)
    rnn.weight.data = random.normal(0, noise / 4, (16, hidden))
    rnn.recurrent_weight.data = random.normal(0, scale / math.sqrt(hidden), (hidden, hidden))
    rows = random.normal(size=(4, steps, 16))
    theory = te.flow.theory(model, x=rows)
    assert theory.names == ("layers.0", "layers.2")
    assert theory.layers[0].steps == steps
    assert theory.layers[0].fan_in == 16 + hidden
    growth = np.diff(np.log(theory.steps[0]))[8:-1]  # q has settled by then
    wanted = -math.log(chi(TANH, scale**2, noise**2)) / 2
    assert growth == pytest.approx(wanted, abs=0.006)
    q = [noise**2]
    while len(q) < steps:
        q.append(float(forward_map(TANH, q[-1], scale**2, noise**2)))
    assert theory.q[0] == pytest.approx(np.mean(q), rel=0.05)
    # ∇U is Σ h δ over the steps, h being what the step before gave.
    heights = np.array([0.0, *((q - noise**2) / scale**2 for q in q[1:])])
    wanted = math.sqrt(np.sum(heights * theory.steps[0] ** 2))
    assert theory.weight[0] == pytest.approx(wanted, rel=0.05)


def test_numbers_that_follow_from_one_another() -> None:
    model = te.nn.MLP([30, 50, 50, 50, 50, 5], "tanh", init="he_normal", seed=3)
    theory = te.flow.theory(model, input_scale=0.5)
    weights = [layer.weight.data for layer in model.layers]
    assert theory.sigma_w2 == pytest.approx([len(w) * np.mean(w**2) for w in weights])
    assert theory.q[0] == pytest.approx(theory.sigma_w2[0] * 0.25, rel=0.05)
    assert theory.delta[:-1] / theory.delta[1:] == pytest.approx(np.sqrt(theory.chi[:-1]))
    assert np.all(theory.low <= theory.delta)
    assert np.all(theory.delta <= theory.high)
    assert theory.delta[-1] == theory.low[-1] == theory.high[-1] == 1
    assert math.isnan(theory.chi[-1])
    assert theory.chi_mean == pytest.approx(np.exp(np.mean(np.log(theory.chi[:-2]))))
    assert theory.depth_scale == pytest.approx(-1 / math.log(theory.chi_mean))
    assert theory.critical() == dict.fromkeys(theory.names[:-1], pytest.approx(1))
    entering = [0.5, *theory.activation[:-1]]
    assert theory.weight == pytest.approx(entering * theory.delta, rel=0.03)


def test_data_count_with_their_own_lengths() -> None:
    """Half of the samples short, half long: the mean of both, not a sample of mean length."""
    model = te.nn.MLP([30, 400, 400, 3], "tanh", init="he_normal")
    long, short = (np.random.default_rng(0).normal(0, s, (8, 30)) for s in (4.0, 0.1))
    x = np.concatenate([long, short])
    both = te.flow.theory(model, x=x).activation[0] ** 2
    halves = [te.flow.theory(model, x=each).activation[0] ** 2 for each in (long, short)]
    assert both == pytest.approx(np.mean(halves), rel=0.02)
    assert (
        both < 0.9 * te.flow.theory(model, input_scale=math.sqrt(np.mean(x**2))).activation[0] ** 2
    )


def test_a_model_is_as_before_afterwards() -> None:
    model = te.nn.Sequential(
        te.nn.Linear(4, 8), te.nn.BatchNorm(8), "relu", te.nn.Dropout(0.5), te.nn.Linear(8, 1)
    )
    model.eval()
    before = {name: array.copy() for name, array in model.state_dict().items()}
    state = model[3].generator.bit_generator.state
    te.flow.theory(model, x=np.ones((5, 4)) * np.arange(5)[:, None])
    assert not model.training
    assert model[3].generator.bit_generator.state == state
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert "forward" not in vars(model[1])
    assert all(leaf.grad is None for leaf in model.parameters())


class Own(te.nn.Module):
    """A layer as a user writes it."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.W = te.Value(random.normal(0, 0.1, (20, 100)))
        self.b = te.Value(random.normal(0, 0.2, 100))
        self.out = te.nn.Linear(100, 4)

    def forward(self, x: Any) -> Any:
        return self.out(np.tanh(x @ self.W + self.b))


class Heads(te.nn.Module):
    """Two outputs of one layer."""

    def __init__(self) -> None:
        self.body, self.left, self.right = (te.nn.Linear(20, 20) for _ in range(3))

    def forward(self, x: Any) -> Any:
        h = np.tanh(self.body(x))
        return self.left(h), self.right(h)


def test_a_layer_beside_the_last() -> None:
    theory = te.flow.theory(Heads())
    assert np.isnan(theory.delta).tolist() == [False, True, False]
    assert np.all(np.isfinite(theory.activation))


def test_a_layer_written_by_hand() -> None:
    model = Own()
    x = np.random.default_rng(1).normal(size=(50, 20))
    theory = te.flow.theory(model, x=x)
    assert theory.names == ("W", "out")
    assert theory.sigma_b2[0] == pytest.approx(np.mean(model.b.data**2))
    h = np.tanh(x @ model.W.data + model.b.data)
    assert theory.activation[0] == pytest.approx(math.sqrt(np.mean(h**2)), rel=0.08)


# ---- what it says ----


def test_the_table() -> None:
    model = te.nn.MLP([8, 32, 32, 1], "relu", "sigmoid", seed=0)
    theory = te.flow.theory(model)
    lines = str(theory).splitlines()
    assert lines[1].split()[0] == "layer"
    assert [line.split()[0] for line in lines[3:6]] == list(theory.names)
    assert f"{theory.delta[0]:.3g}" in lines[3]
    assert any("relu" in line and "σ_w² = 2" in line for line in lines)
    html = theory._repr_html_()
    assert html.count("<tr>") == 4
    assert "層" in theory.table("ja")
    with pytest.raises(UnknownNameError, match='"en"'):
        theory.table("fr")


def test_weights_that_are_not_centred_are_told_of() -> None:
    model = te.nn.MLP([8, 32, 1], "relu", init="uniform")
    notes = te.flow.theory(model).notes()
    assert any("layers.0" in note and "mean 0.4" in note for note in notes) or any(
        "layers.0" in note and "mean 0.5" in note for note in notes
    )
    assert not any("mean" in note for note in te.flow.theory(te.nn.MLP([8, 32, 1])).notes())


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda m: te.flow.theory(m, input_scale=-1), OperandError, "input_scale"),
        (lambda m: te.flow.theory(m, batch=1), OperandError, "batch"),
        (lambda m: te.flow.theory(m, x=np.ones(4)), ShapeError, "rows"),
        (lambda m: te.flow.theory(m, x=np.ones((3, 5))), ShapeError, "takes x of shape"),
        (lambda m: te.flow.theory(m, variances={"first": 1.0}), UnknownNameError, "layers.0"),
        (
            lambda m: te.flow.theory(te.nn.Sequential(te.nn.Linear(4, 4), "softmax", m)),
            UnsupportedError,
            "softmax",
        ),
        (lambda m: te.flow.theory(te.nn.Sequential("relu")), ShapeError, "give x"),
        (
            lambda m: te.flow.theory(te.nn.Sequential("relu"), x=np.ones((3, 4))),
            ShapeError,
            "no layers",
        ),
    ],
)
def test_what_it_refuses(act: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        act(te.nn.MLP([4, 3, 2]))


@pytest.mark.parametrize(
    ("init", "depth"),
    [pytest.param("normal", 200, marks=pytest.mark.thorough), ("zeros", 3), ("ones", 100)],
)
def test_signals_beyond_all_measure_make_no_noise(init: str, depth: int) -> None:
    theory = te.flow.theory(te.nn.MLP([64] * depth + [3], "relu", init=init))
    assert len(theory.delta) == depth
    assert "nan" not in str(theory.delta[:-1])
