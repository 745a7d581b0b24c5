"""Published figures of gradient flow: what theory says, and what networks in plain NumPy do.

The networks are those of docs/flow_figures.md, and compute with the textbook's formulas alone.
Where several are drawn, the tolerance is four times the standard error that they show.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.flow.meanfield import chi
from tools.flow_figures import (
    RELU,
    ROWS,
    SIGMOIDS,
    SLOPES,
    TENTH,
    batch_norm,
    batch_norm_theory,
    decades,
    glorot,
    glorot_theory,
    measured,
    recurrent,
    sigmoid_factors,
    tanh_slope,
    tanh_theory,
)
from tools.flow_grid import predicted, simulated

thorough = pytest.mark.thorough
FIGURES = {row.name: row for row in ROWS}
# How far theory may lie from what was published or predicted, in the figure's own units; a tenth
# where a paper gives one round number for all layers, and what few rows in a batch cost.
OFF = {"singular": 0.1, "batchnorm": 0.02, "rnn": 2.5e-3}


def agree(found: Any, wanted: Any, slack: float = 0.0) -> None:
    """The mean over networks is the wanted one, to four standard errors and a slack."""
    error = np.std(found, axis=0, ddof=1) / math.sqrt(len(found))
    off = np.abs(np.mean(found, axis=0) - np.asarray(wanted))
    assert np.all(off <= 4 * error + slack), (np.mean(found, axis=0), wanted, error)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_by_theory(name: str) -> None:
    row = FIGURES[name]
    assert len(row.cases) == len(row.published)
    assert row.theory() == pytest.approx(row.published, abs=OFF.get(name, 1e-3))


@thorough
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_measured(name: str) -> None:
    """Against theory of the width where it has one; slack where it takes it for infinite."""
    row = FIGURES[name]
    slack = {"singular": 0.01, "standard": 3e-3, "normalised": 3e-3, "batchnorm": 0.03, "rnn": 0.03}
    agree(measured(row), (row.finite or row.theory)(), slack.get(name, 5e-3))


# ---- Glorot and Bengio 2010, figures 6 to 8 ----

SINGULAR = {"standard": (0.474, 0.489), "normalised": (0.710, 0.778)}


@pytest.mark.parametrize("init", ["standard", "normalised"])
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=thorough)])
def test_glorot_deltas_measured(init: str, seed: int) -> None:
    deltas, _, _ = glorot(init, seed)
    # The mean over 300 samples of a layer of 1,000 strays by a percent.
    assert deltas[:-1] / deltas[1:] == pytest.approx(FIGURES[init].published, rel=0.03)
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
    ("init", "published"),
    [("standard", 0.5), ("normalised", 0.8)],
)
@pytest.mark.parametrize("layers", [1, pytest.param(4, marks=thorough)])
def test_glorot_singular_values(init: str, published: float, layers: int) -> None:
    """Of the last layers before the outputs."""
    _, _, jacobians = glorot(init, 0)
    values = np.array([np.linalg.svd(each, compute_uv=False) for each in jacobians[-layers:]])
    found = values.mean(axis=1)
    low, high = SINGULAR[init]
    assert found.max() == pytest.approx(high, rel=0.02)
    if layers == 4:
        assert found.min() == pytest.approx(low, rel=0.02)
    assert found == pytest.approx(published, abs=0.1)
    # Their mean square is the factor of δ²; all inner matrices have the same variance.
    if layers == 4:
        factors = np.sqrt(glorot_theory(init).chi[1:4])
        assert np.sqrt(np.mean(values[:3] ** 2, axis=1)) == pytest.approx(factors, rel=0.02)


# ---- deep networks ----


@pytest.mark.parametrize(
    ("sigma_w2", "networks"),
    [(1.761, 4), *(pytest.param(each, 20, marks=thorough) for each in SLOPES)],
)
def test_a_hundred_layers_of_tanh(sigma_w2: float, networks: int) -> None:
    """Schoenholz et al. 2017: the slope of ln E δ² is ln χ₁; σ_b² = 0.05, width 300."""
    slopes = [tanh_slope(sigma_w2, 0.05, seed) for seed in range(networks)]
    # Width 300 takes 0.004 a layer from explosion.
    agree(slopes, math.log(chi(te.activations.tanh, sigma_w2, 0.05)), slack=0.005)
    agree(slopes, tanh_theory(sigma_w2, 0.05), slack=0.002)


@pytest.mark.parametrize("networks", [12, pytest.param(60, marks=thorough)])
def test_thirty_layers_of_relu_with_xavier(networks: int) -> None:
    """He et al. 2015, figure 3: the std of δ falls by 10^−4.4 where Xavier's rule is kept."""
    theory = predicted("relu", *RELU)
    logs = [decades("relu", RELU, seed) for seed in range(networks)]
    agree(logs, np.log10(theory.delta[0]), slack=0.01)
    assert np.mean(logs) == pytest.approx(-4.47, abs=4 * 0.14 / math.sqrt(networks) + 0.05)
    # The band is 1.15 times as wide as the first order in 1/n has it.
    spread = np.log10(theory.high[0] / theory.low[0]) / (2 * 1.96)
    assert 0.5 < np.std(logs, ddof=1) / spread < 1.4
    assert spread == pytest.approx(1.15 * math.sqrt(29 * 5 / 256) / 2 / math.log(10), rel=0.01)


@pytest.mark.parametrize("networks", [6, pytest.param(30, marks=thorough)])
def test_layers_of_sigmoid(networks: int) -> None:
    """At σ_w² = 1 each layer leaves 0.236 of δ."""
    found = [
        sigmoid_factors(simulated("sigmoid", *SIGMOIDS, seed)[1])[0] for seed in range(networks)
    ]
    agree(np.log(found), math.log(0.0557), slack=0.01)
    assert math.sqrt(chi(te.activations.sigmoid, 1.0)) == pytest.approx(0.236, abs=5e-4)


def test_a_tenth_a_layer() -> None:
    """The articles' example: 0.1 over ten layers is 1e-10."""
    assert chi(te.activations.linear, 0.01) ** 5 == pytest.approx(1e-10)
    theory = predicted("linear", *TENTH)
    assert theory.delta[0] == pytest.approx(1e-10, rel=0.03)
    agree([decades("linear", TENTH, seed) for seed in range(4)], np.log10(theory.delta[0]))


# ---- batch normalisation ----


@pytest.mark.parametrize(
    ("rows", "run"), [(32, 1.524), (128, 1.473), pytest.param(512, 1.455, marks=thorough)]
)
def test_batch_norm_explodes(rows: int, run: float) -> None:
    """Yang et al. 2019: π/(π − 1) a layer for many rows, and more for few."""
    found = math.exp(np.mean([math.log(batch_norm(rows, seed)) for seed in range(3)]))
    assert found == pytest.approx(run, rel=0.025)
    assert batch_norm_theory(rows) == pytest.approx(found, rel=0.02)
    assert batch_norm_theory(None) == pytest.approx(1.467, abs=5e-4)


# ---- recurrence ----

RUN = {0.5: -0.758, 1: -0.171, 2: 0.118, 3: 0.287}


@pytest.mark.parametrize("place", range(4))
def test_an_rnn_through_time(place: int) -> None:
    scale, run = list(RUN.items())[place]
    found = [recurrent(scale, seed) for seed in range(30)]
    # One matrix at all steps is not theory's case: it costs up to 0.03.
    agree(found, run, slack=0.015)
    agree(found, FIGURES["rnn"].published[place], slack=0.03)
