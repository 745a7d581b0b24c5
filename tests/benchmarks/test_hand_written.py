"""The benchmarks are only honest if the hand-written steps are right and cheats are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.hand_written import GRADIENTS, HandWritten
from benchmarks.measure import DifferentResultError, verify
from benchmarks.works import WORKS, Array, Batch, Work, initial_parameters, make_batches

# The measured networks' depth, with few enough entries to take the difference for each one.
NARROW = [
    WORKS["xor"],
    replace(WORKS["deep"], sizes=(4,) * 51, batch_size=3),
    replace(WORKS["small"], sizes=(5, 7, 6, 3), batch_size=4, dtype=np.float64),
    replace(WORKS["wide"], sizes=(9, 4, 5, 2), batch_size=6, dtype=np.float64),
]
each_work = pytest.mark.parametrize("work", NARROW, ids=lambda work: work.name)


def central_differences(work: Work, parameters: list[Array], batch: Batch) -> list[Array]:
    step = 1e-5
    gradients = []
    for parameter in parameters:
        gradient = np.empty_like(parameter)
        for index in np.ndindex(parameter.shape):
            kept = parameter[index]
            losses = []
            for moved in (kept + step, kept - step):
                parameter[index] = moved
                losses.append(GRADIENTS[work.name](parameters, *batch)[0])
            parameter[index] = kept
            gradient[index] = (losses[0] - losses[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


@each_work
def test_gradients_equal_finite_differences(work: Work) -> None:
    # So narrow, fifty tanh layers would let the gradient vanish at the usual start.
    parameters = [1.2 * parameter for parameter in initial_parameters(work)]
    batch = make_batches(work, count=1)[0]
    _, gradients = GRADIENTS[work.name](parameters, *batch)
    differences = central_differences(work, parameters, batch)
    for gradient, difference in zip(gradients, differences, strict=True):
        np.testing.assert_allclose(gradient, difference, rtol=1e-6, atol=1e-9)
        assert np.abs(gradient).max() > 1e-5, "too small for the comparison to mean anything"


@each_work
def test_loss_is_the_mean_squared_error_of_the_textbook_network(work: Work) -> None:
    functions: dict[str | None, Callable[[Array], Array]] = {
        "tanh": np.tanh,
        "sigmoid": lambda x: (1 + np.tanh(x / 2)) / 2,
        "relu": lambda x: np.where(x > 0, x, 0),
        None: lambda x: x,
    }
    parameters, (x, target) = initial_parameters(work), make_batches(work, count=1)[0]
    prediction = x
    last = len(parameters) - 2
    for i in range(0, last + 2, 2):
        activation = work.output if i == last else work.activation
        prediction = functions[activation](prediction @ parameters[i] + parameters[i + 1])
    expected = np.mean((prediction - target) ** 2)
    assert GRADIENTS[work.name](parameters, x, target)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("work", WORKS.values(), ids=lambda work: work.name)
def test_step_subtracts_the_scaled_gradient_and_leaves_the_batch_alone(work: Work) -> None:
    start, batch = initial_parameters(work), make_batches(work, count=1)[0]
    loss, gradients = GRADIENTS[work.name](start, *batch)
    for array in batch:
        array.flags.writeable = False
    hand = HandWritten(work, start)
    assert hand.step(*batch) == loss
    for before, gradient, after in zip(start, gradients, hand.parameters(), strict=True):
        assert after.dtype == work.dtype
        np.testing.assert_array_equal(after, before - work.learning_rate * gradient)


class Idle(HandWritten):
    """Computes the first loss right and never learns."""

    def step(self, x: Array, target: Array) -> np.floating[Any]:
        return self._loss_and_gradients(self._parameters, x, target)[0]


class Careless(HandWritten):
    """Forgets the update of the last bias."""

    def step(self, x: Array, target: Array) -> np.floating[Any]:
        kept = self._parameters[-1].copy()
        loss = super().step(x, target)
        self._parameters[-1][...] = kept
        return loss


class Stale(HandWritten):
    """Repeats its first batch's work instead of reading the new one."""

    def step(self, x: Array, target: Array) -> np.floating[Any]:
        self._first = getattr(self, "_first", (x, target))
        return super().step(*self._first)


@pytest.mark.parametrize(
    "work", [WORKS["xor"], WORKS["deep"], WORKS["small"]], ids=lambda work: work.name
)
@pytest.mark.parametrize("wrong", [Idle, Careless, Stale])
def test_verification_rejects_a_wrong_program(work: Work, wrong: type[HandWritten]) -> None:
    parameters, batches = initial_parameters(work), make_batches(work)
    verify(work, HandWritten(work, parameters), HandWritten(work, parameters), batches)
    with pytest.raises(DifferentResultError, match=work.name):
        verify(work, HandWritten(work, parameters), wrong(work, parameters), batches)


def test_verification_rejects_a_network_that_hardly_moves() -> None:
    work = replace(WORKS["xor"], learning_rate=1e-12)
    parameters = initial_parameters(work)
    with pytest.raises(DifferentResultError, match="moved too little"):
        verify(
            work, HandWritten(work, parameters), HandWritten(work, parameters), make_batches(work)
        )
