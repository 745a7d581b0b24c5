"""Optimisers find the published minima, from the starts and with the rates that stand here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.optim import (
    GD,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Optimizer,
    RMSprop,
    Schedule,
    cosine,
    descend,
    landscapes,
)
from tinygrad_edu.optim.landscapes import Landscape, beale, rastrigin, rosenbrock

Way = tuple[Landscape, type[Optimizer], dict[str, Any], int, Schedule | None]

NESTEROV = {"momentum": 0.9, "nesterov": True}
WAYS: list[Way] = [
    (rosenbrock, GD, {"lr": 0.002}, 10_000, None),
    (rosenbrock, SGD, {"lr": 0.003, "momentum": 0.9}, 800, None),
    (rosenbrock, SGD, {"lr": 0.001, **NESTEROV}, 2500, None),
    (rosenbrock, Adagrad, {"lr": 1.0}, 10_000, None),
    (rosenbrock, RMSprop, {"lr": 0.002, "momentum": 0.9}, 1500, cosine(1500)),
    (rosenbrock, Adam, {"lr": 0.05}, 2500, None),
    (rosenbrock, AdamW, {"lr": 0.05, "weight_decay": 0.0}, 2500, None),
    (beale, GD, {"lr": 0.03}, 1000, None),
    (beale, SGD, {"lr": 0.02, "momentum": 0.9}, 300, None),
    (beale, SGD, {"lr": 0.01, **NESTEROV}, 400, None),
    (beale, Adagrad, {"lr": 0.5}, 600, None),
    (beale, RMSprop, {"lr": 0.01}, 1500, cosine(1500)),
    (beale, Adam, {"lr": 0.2}, 300, None),
    (beale, AdamW, {"lr": 0.2, "weight_decay": 0.0}, 300, None),
    (rastrigin, GD, {"lr": 0.002}, 30, None),
    (rastrigin, SGD, {"lr": 0.002, "momentum": 0.9}, 200, None),
    (rastrigin, SGD, {"lr": 0.002, **NESTEROV}, 40, None),
    (rastrigin, Adagrad, {"lr": 0.2}, 40, None),
    (rastrigin, RMSprop, {"lr": 0.01}, 100, None),
    (rastrigin, Adam, {"lr": 0.05}, 200, None),
    (rastrigin, AdamW, {"lr": 0.05, "weight_decay": 0.0}, 200, None),
]


@pytest.mark.parametrize(
    "way",
    [pytest.param(way, marks=[pytest.mark.thorough] if way[3] > 5000 else []) for way in WAYS],
    ids=lambda way: f"{way[0].name}-{way[1].__name__}",
)
def test_the_published_minimum_is_reached(way: Way) -> None:
    landscape, rule, options, steps, schedule = way
    path = descend(
        landscape, landscape.start, lambda params: rule(params, **options), steps, schedule
    )
    assert path.shape == (steps + 1, 2)
    np.testing.assert_array_equal(path[0], landscape.start)
    assert np.linalg.norm(path[-1] - landscape.minimum) < 1e-3
    assert np.linalg.norm(path[0] - landscape.minimum) > 0.3


@pytest.mark.parametrize("landscape", [rosenbrock, beale, rastrigin])
def test_a_landscape_is_0_and_flat_at_its_minimum_and_higher_elsewhere(
    landscape: Landscape,
) -> None:
    assert landscape(np.array(landscape.minimum)) == pytest.approx(0, abs=1e-30)
    bottom = te.Value(landscape.minimum)
    landscape(bottom).backward()
    np.testing.assert_allclose(bottom.grad, 0, atol=1e-13)
    (left, right), (low, high) = landscape.window
    x, y = np.meshgrid(np.linspace(left, right, 201), np.linspace(low, high, 201))
    heights = landscape(np.stack([x, y]))
    distance = np.hypot(x - landscape.minimum[0], y - landscape.minimum[1])
    assert np.all(heights[distance > 1e-9] > 0)
    assert left < landscape.start[0] < right
    assert low < landscape.start[1] < high


def test_landscapes_at_published_points() -> None:
    # Moré, Garbow and Hillstrom 1981: f(−1.2, 1) = 24.2 and f(1, 1) = 14.203125.
    assert rosenbrock(np.array(rosenbrock.start)) == pytest.approx(24.2, rel=1e-14)
    assert beale(np.array(beale.start)) == pytest.approx(14.203125, rel=1e-14)
    # A whole number off the axis costs its square, half a period 20 more for each axis.
    assert rastrigin(np.array([1.0, -2.0])) == pytest.approx(5, rel=1e-12)
    assert rastrigin(np.array([0.5, 0.5])) == pytest.approx(40.5, rel=1e-12)


def test_from_a_hundred_starts_one_dip_after_the_other_is_found() -> None:
    starts = np.random.default_rng(0).uniform(-2.6, 2.6, (2, 100))
    ends = descend(rastrigin, starts, lambda params: Adam(params, lr=0.05), 300)[-1]
    heights = rastrigin(ends)
    best = int(np.argmin(heights))
    np.testing.assert_allclose(ends[:, best], rastrigin.minimum, atol=1e-6)
    # The dips next to the lowest: published as 0.99496.
    assert np.sort(np.unique(heights.round(5)))[1] == pytest.approx(0.99496, abs=1e-5)
    alone = descend(rastrigin, starts[:, 7], lambda params: Adam(params, lr=0.05), 300)[-1]
    np.testing.assert_allclose(ends[:, 7], alone, rtol=1e-12, atol=1e-12)


def test_a_schedule_takes_steps_for_epochs_and_sees_the_heights() -> None:
    seen: list[tuple[float, int]] = []

    def schedule(step: float, heights: Any) -> float:
        seen.append((step, len(heights)))
        return float(0.5**step)

    path = descend(lambda p: p * 1.0, 0.0, lambda params: SGD(params, lr=1.0), 3, schedule)
    np.testing.assert_array_equal(path, [0.0, -1.0, -1.5, -1.75])
    assert seen == [(0, 0), (1, 1), (2, 2)]


def test_the_module_names_its_landscapes() -> None:
    assert te.optim.landscapes is landscapes
    assert {each.name for each in vars(landscapes).values() if isinstance(each, Landscape)} == {
        "Rosenbrock",
        "Beale",
        "Rastrigin",
    }
