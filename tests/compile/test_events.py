"""Whatever happens between calls, in any order: a compiled step stays an uncompiled one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile.judging import bits, plain, twins
from tests.compile.test_choice import Neurons
from tests.shares import one_in
from tinygrad_edu.errors import RecordingWarning, ShapeError

nn = te.nn
STEPS = 25
RULES: list[Callable[[Any], Any]] = [
    lambda params: te.optim.SGD(params, lr=0.05, momentum=0.9, weight_decay=0.01),
    lambda params: te.optim.Adam(params, lr=0.02),
    lambda params: te.optim.RMSprop(params, lr=0.01),
]


class Arrays(nn.Module):
    """A little of all: statistics, noise, parts in a list, a parameter that is not used."""

    def __init__(self) -> None:
        self.parts: list[Any] = [nn.Linear(2, 4), nn.BatchNorm(4), nn.Dropout(0.3, seed=2), np.tanh]
        self.last = nn.Linear(4, 1)
        self.unused = te.Value(np.ones(2))

    def forward(self, x: Any) -> Any:
        for each in self.parts:
            x = each(x)
        return self.last(x)

    @property
    def some(self) -> te.Value:
        """A parameter."""
        bias = self.last.bias
        assert bias is not None
        return bias

    def replace(self, number: float) -> None:
        """Another part in a list; a Value in the place of a parameter."""
        self.parts[3] = np.sin if number < 0.75 else np.tanh
        self.parts[0].weight = te.Value(np.full((2, 4), number))


class Numbers(Neurons):
    """A network of single numbers."""

    @property
    def some(self) -> te.Value:
        """A parameter."""
        return self.weights[0][2][1]

    def replace(self, number: float) -> None:
        """Values in the place of parameters, one of them in a list."""
        self.scale = te.Value(number)
        self.weights[0][1][0] = te.Value(-number)


def of_arrays(model: Any, x: Any, y: Any) -> Any:
    return nn.losses.mse(model(x), y)


def of_numbers(model: Any, x: Any, y: Any) -> Any:
    losses = [(model([x[i, 0], x[i, 1]]) - y[i, 0]) ** 2 for i in range(len(x))]
    return sum(losses) * (1.0 / len(losses))


# Each is done to both: what is compiled and what is not.
EVENTS: dict[str, Callable[[Any, np.random.Generator], Any]] = {
    "rebound": lambda one, rng: setattr(
        one.model.some, "data", rng.standard_normal(one.model.some.shape)[()]
    ),
    "frozen or not": lambda one, rng: setattr(
        one.model.some, "requires_grad", not one.model.some.requires_grad
    ),
    "another rate": lambda one, rng: setattr(one.optimizer, "lr", float(rng.uniform(0.01, 0.05))),
    "a schedule": lambda one, rng: one.optimizer.scale(0.5),
    "another option": lambda one, rng: one.optimizer.groups[0].__setitem__(
        "weight_decay", float(rng.uniform(0, 0.1))
    ),
    "in use or learning": lambda one, rng: one.model.train(not one.model.training),
    "a gradient left": lambda one, rng: setattr(
        one.model.some, "grad", np.ones(one.model.some.shape)[()]
    ),
    "in place": lambda one, rng: in_place(one.model.some),
    "saved": lambda one, rng: setattr(
        one, "saved", (one.model.state_dict(), one.optimizer.state_dict())
    ),
    "loaded": lambda one, rng: load(one),
    "replaced": lambda one, rng: one.model.replace(float(rng.uniform(0.5, 1.0))),
    "looked at": lambda one, rng: one.model.some.data.copy(),
    "uncompiled": lambda one, rng: plain(one.f(one.model, *batch(rng, 3))),
    "fails": lambda one, rng: fails(one),
}


def in_place(leaf: te.Value) -> None:
    with te.no_grad():
        leaf *= 0.5


def load(one: Any) -> None:
    if hasattr(one, "saved"):
        one.model.load_state_dict(one.saved[0])
        one.optimizer.load_state_dict(one.saved[1])


def fails(one: Any) -> None:
    """Uncompiled code has changed statistics and drawn by then: neither shall stay."""
    state = one.model.state_dict()
    generators = [(g, g.bit_generator.state) for _, g in one.model.named_generators()]
    with pytest.raises((ShapeError, IndexError)):
        one(np.ones((3, 2)), np.ones((7, 0)))
    one.model.load_state_dict(state)
    for generator, before in generators:
        generator.bit_generator.state = before


def batch(rng: np.random.Generator, rows: int) -> tuple[Any, Any]:
    return rng.standard_normal((rows, 2)), rng.standard_normal((rows, 1))


@pytest.mark.parametrize("seed", one_in(20, range(60)))
@pytest.mark.parametrize("by_numbers", [False, True], ids=["arrays", "numbers"])
def test_anything_may_happen_between_calls(by_numbers: bool, seed: int) -> None:
    chosen = np.random.default_rng(seed)
    rule = RULES[seed % len(RULES)]

    def make() -> Any:
        model: Any = Numbers() if by_numbers else Arrays()
        return model, of_numbers if by_numbers else of_arrays, rule(model.parameters())

    pair = by_hand, compiled = twins(make)
    told, replays = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for number in range(STEPS):
            if chosen.random() < 0.4:
                name = str(chosen.choice(list(EVENTS)))
                told.append(name)
                for one in pair:
                    EVENTS[name](one, np.random.default_rng((seed, number)))
            given = batch(np.random.default_rng((seed, number, 1)), 8 if number % 5 else 6)
            told.append(f"call {number}")
            before = compiled.step.latest
            assert bits(compiled(*given)) == bits(by_hand(*given)), told
            assert compiled.state() == by_hand.state(), told
            replays += before is not None and before is compiled.step.latest
    assert replays
