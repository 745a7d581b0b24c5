"""Compiled steps are only compared where all sides compute the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmarks.compiled import (
    ALL,
    HAND,
    OURS,
    RNN,
    Compiled,
    Elementwise,
    RNNByHand,
    RNNCompiled,
    batches_of,
    check,
    figure,
    in_turn,
    mish_by_hand,
    peak,
    rnn_batches,
    rnn_parameters,
    same_steps,
    sides_of,
)
from benchmarks.hand_written import HandWritten
from benchmarks.measure import DifferentResultError
from benchmarks.works import WORKS, Array, Side, Work, initial_parameters, make_batches
from tests.finite_differences import derivative


@pytest.mark.parametrize("name", ["xor", "small", "rnn", "mish"])
def test_a_compiled_step_is_the_one_by_hand(name: str) -> None:
    makers = sides_of(name, False)
    check(name, makers[HAND](), makers[OURS](), batches_of(name))


class Idle:
    """It returns the right loss of the first batch for ever, and trains nothing."""

    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        self._hand = HandWritten(work, parameters)
        self._loss: Any = None

    def prepare(self, array: Array) -> Array:
        return array

    def step(self, x: Array, target: Array) -> Any:
        if self._loss is None:
            twin = HandWritten(WORKS["xor"], self._hand.parameters())
            self._loss = twin.step(x, target)
        return self._loss

    def parameters(self) -> list[Array]:
        return self._hand.parameters()


def test_a_program_that_does_nothing_is_found() -> None:
    work = WORKS["xor"]
    parameters, batches = initial_parameters(work), make_batches(work)
    with pytest.raises(DifferentResultError):
        check("xor", HandWritten(work, parameters), Idle(work, parameters), batches)
    with pytest.raises(DifferentResultError):
        same_steps(HandWritten(work, parameters), Idle(work, parameters), batches)
    first = mish_by_hand(batches_of("mish")[0][0])
    lazy = Elementwise(lambda x: first)
    with pytest.raises(DifferentResultError):
        check("mish", Elementwise(mish_by_hand), lazy, batches_of("mish"))


def test_a_slightly_wrong_gradient_is_found() -> None:
    class Wrong(RNNByHand):
        def step(self, x: Array, target: Array) -> Any:
            loss = super().step(x, target)
            self._parameters[1] += 1e-6
            return loss

    parameters, batches = rnn_parameters(), rnn_batches()
    with pytest.raises(DifferentResultError):
        check("rnn", RNNByHand(RNN, parameters), Wrong(RNN, parameters), batches)


@pytest.mark.parametrize("place", range(5))
def test_the_recurrent_step_by_hand_has_the_slopes_of_its_loss(place: int) -> None:
    x, target = rnn_batches(1)[0]
    x = x[:7]
    start = rnn_parameters()
    hand = RNNByHand(RNN, start)
    hand.step(x, target)
    gradient = (start[place] - hand.parameters()[place]) / RNN.learning_rate
    direction = np.random.default_rng(place).normal(size=gradient.shape)

    def loss(along: float) -> float:
        moved = [each.copy() for each in start]
        moved[place] += along * direction
        return float(RNNByHand(RNN, moved).step(x, target))

    estimate = derivative(loss, 0.0, 1e-2)
    expected = pytest.approx(estimate.value, abs=float(estimate.error) + 1e-9)
    assert (gradient * direction).sum() == expected


def test_the_textbook_slope_of_mish_is_its_derivative() -> None:
    for x in (-3.0, -0.5, 0.0, 1.25):
        estimate = derivative(lambda x: float(mish_by_hand(np.array([x]))[0]), x, 1e-2)
        _, slope = mish_by_hand(np.array([x]))
        assert slope[0] == pytest.approx(estimate.value, abs=float(estimate.error) + 1e-10)


def test_sides_are_timed_in_turn() -> None:
    work = ALL["xor"]
    parameters, batches = initial_parameters(work), make_batches(work)
    sides: dict[str, Side] = {HAND: HandWritten(work, parameters), OURS: Compiled(work, parameters)}
    times = in_turn(sides, batches, 2)
    assert {label: len(found) for label, found in times.items()} == {HAND: 2, OURS: 2}
    assert all(each > 0 for found in times.values() for each in found)


@pytest.mark.thorough
def test_the_memory_of_both_sides_is_counted() -> None:
    parameters, batches = rnn_parameters(), rnn_batches(2)
    # Every state is kept for the backward pass.
    states = 100 * RNN.batch_size * RNN.sizes[1] * 8
    makers: list[Callable[..., Side]] = [RNNByHand, RNNCompiled]
    for make in makers:
        assert states < peak(partial(make, RNN, parameters), batches) < 2 * states


def test_the_picture_shows_every_size() -> None:
    axes = figure([(10, 1e-6, 2e-6, 3e-6), (1000, 1e-5, 3e-5, 5e-5)]).axes[0]
    assert [list(np.asarray(line.get_xdata())) for line in axes.get_lines()] == [[10, 1000]] * 3
    times = {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.get_lines()}
    assert times["te.compile"] == pytest.approx([1, 10])
    assert times["uncompiled"] == pytest.approx([3, 50])
