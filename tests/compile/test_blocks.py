"""Large arrays go through a program in blocks, and what branches is called as it is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.shares import one_in
from tinygrad_edu.engine.blocks import BLOCK

Function = Callable[[Any], Any]

FUNCTIONS: dict[str, Function] = {
    "a formula": lambda x: np.sum(te.activations.mish(x) * np.exp(-x * x)),
    "a mask": lambda x: np.sum(te.activations.relu(x - 0.25) * x),
    "a choice": lambda x: np.sum(np.where(x > 0, np.sin(x), x * x)),
    "a row for all rows": lambda x: np.sum(np.tanh(x * np.linspace(-1, 1, x.shape[-1]) + 0.5) * x),
    "a column for all": lambda x: np.sum(np.exp(x * np.arange(x.shape[0])[:, None] / 1e6)),
    "numbers between": lambda x: np.sum(x * x) * np.sum(np.exp(x)) / x.size,
}


SHAPES = ((BLOCK + 7, 1), (611, 512), (3, BLOCK // 2), (16, 128, 256))


@pytest.mark.parametrize("case", one_in(5, product(FUNCTIONS, SHAPES)))
def test_in_blocks_as_uncompiled(case: tuple[str, tuple[int, ...]]) -> None:
    label, shape = case
    f = FUNCTIONS[label]
    if label == "a column for all":
        shape = (shape[0], int(np.prod(shape[1:])))
    both = te.value_and_grad(f)
    step = te.compile(both)
    rng = np.random.default_rng(0)
    kept = []
    for _ in range(4):
        x = rng.normal(size=shape)
        expected, found = both(x), step(x)
        kept.append((expected, found))
    for (value, gradient), (its_value, its_gradient) in kept:  # not overwritten either
        assert its_value == value
        np.testing.assert_array_equal(its_gradient, gradient)
    assert "for " in step.source


def test_an_update_in_blocks() -> None:
    start = np.random.default_rng(0).normal(size=BLOCK + 5)
    models = [te.Value(start), te.Value(start)]
    made = [te.optim.Adam([each], lr=0.01) for each in models]
    x = np.random.default_rng(1).normal(size=(3, start.size))
    step = te.compile(lambda x: np.sum(np.square(models[0] - x)) / x.size, made[0])
    for each in (*x, *x):
        compiled = step(each)
        loss = np.sum(np.square(models[1] - each)) / each.size
        made[1].zero_grad()
        loss.backward()
        made[1].step()
        assert compiled.data == loss.data
        np.testing.assert_array_equal(models[0].data, models[1].data)
    assert "blocks" in step.source


def test_branches_of_many_layers_make_one_program() -> None:
    """Each of ten layers is in a tail at other calls: there are 2¹⁰ ways through the branches."""
    models = [te.nn.MLP([16] * 11, activation="tanh", output="tanh", seed=0) for _ in range(2)]
    made = [te.optim.SGD(model.parameters(), lr=1e-3) for model in models]
    step = te.compile(lambda x: np.sum(np.square(models[0](x))), made[0])
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(60):
            x = rng.normal(0, 3, (32, 16)) * rng.choice([0.1, 1, 4])
            compiled = step(x)
            loss = np.sum(np.square(models[1](x)))
            made[1].zero_grad()
            loss.backward()
            made[1].step()
            assert compiled.data == loss.data
            for ours, theirs in zip(models[0].parameters(), models[1].parameters(), strict=True):
                np.testing.assert_array_equal(ours.data, theirs.data)
    assert sum(map(len, step.programs.values())) == 1


@pytest.mark.parametrize("bad", [0, 1])
def test_a_gradient_that_is_not_finite_is_left_to_uncompiled_code(bad: int) -> None:
    """Large gradients are looked at one by one, small ones together."""
    runs = [[te.Value(np.ones(BLOCK)), te.Value(np.ones(3))] for _ in range(2)]
    made = [te.optim.SGD(weights, lr=0.1) for weights in runs]

    def loss(weights: list[te.Value], x: Any, y: Any) -> te.Value:
        return np.sum(weights[0] * x) + np.sum(weights[1] * y)  # type: ignore[no-any-return]

    step = te.compile(lambda x, y: loss(runs[0], x, y), made[0])
    for scale in (1, 2, 3, np.inf):
        given = [np.ones(BLOCK), np.ones(3)]
        given[bad][-1] *= scale
        step(*given)
        made[1].zero_grad()
        loss(runs[1], *given).backward()
        made[1].step()
        for ours, theirs in zip(*runs, strict=True):
            np.testing.assert_array_equal(ours.data, theirs.data)
    assert np.isinf(runs[0][bad].data[-1])
