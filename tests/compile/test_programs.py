"""Random programs, compiled with their derivatives of first and second order."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings

import tinygrad_edu as te
from tests.compile.judging import bits, plain, same_at_every_call
from tests.ops.checks import weights
from tinygrad_edu.check.drawing import programs
from tinygrad_edu.check.programs import Program
from tinygrad_edu.errors import RecordingWarning

MANY = settings(
    max_examples=settings().max_examples,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)


def moved(program: Program, call: int) -> tuple[Any, ...]:
    """The inputs, a little further at each call, the third time where they were at first."""
    return tuple(x * (1 - (call % 3) * 2.0**-12) for x in program.inputs)


def first_order(program: Program) -> Any:
    def f(*arrays: Any) -> Any:
        leaves = [te.Value(a) for a in arrays]
        values = program.values(*leaves)
        out = values[-1]
        middle = tuple(each.detach() for each in values[len(leaves) :])
        return out, middle, te.grad(out, leaves, gradient=weights(out.shape))

    return f


def second_order(program: Program) -> Any:
    def f(*arrays: Any) -> Any:
        leaves = [te.Value(a) for a in arrays]
        out = program(*leaves)
        slopes = te.grad(out, leaves, gradient=weights(out.shape), create_graph=True)
        vector: Any = np.concatenate([np.reshape(g, (-1,)) for g in slopes])
        if not vector.requires_grad:
            return vector.detach()
        return slopes, te.grad(vector, leaves, gradient=weights(vector.shape))

    return f


def compare(f: Any, program: Program) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)  # it may branch in many ways
        same_at_every_call(f, lambda call: moved(program, call))


@MANY
@given(programs())
def test_values_and_gradients(program: Program) -> None:
    compare(first_order(program), program)


@MANY
@given(programs())
def test_second_order(program: Program) -> None:
    compare(second_order(program), program)


@MANY
@given(programs(steps=(1, 6)))
def test_tracked_arguments_get_their_gradients(program: Program) -> None:
    def loss(*leaves: te.Value) -> Any:
        out = program(*leaves)
        return np.sum(out * weights(out.shape))

    step = te.compile(loss)
    twins = [[te.Value(x) for x in program.inputs] for _ in range(2)]
    for call in range(4):
        for leaves in twins:
            for leaf, data in zip(leaves, moved(program, call), strict=True):
                leaf.data = data
        compiled = step(*twins[0])
        by_hand = loss(*twins[1])
        by_hand.backward()
        assert bits(compiled) == bits(plain(by_hand))
        for one, other in zip(*twins, strict=True):
            assert bits(one.grad) == bits(other.grad)  # they add up


def test_a_number_times_a_matrix_by_dot() -> None:
    def f(a: Any, b: Any, m: Any) -> Any:
        return np.sum(np.dot(a + b, m)) + np.sum(np.dot(m, a))

    same_at_every_call(f, lambda call: (np.float64(call), np.float64(2.0), np.ones((2, 3)) * call))
