"""Every record with a textbook definition computes it, and its rules are its derivatives.

Nobody differentiated the definitions: the engine does, by the rules of what they are written with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.ops.checks import weights
from tinygrad_edu.check.samples import Call, distances, fixed_cases, interval, option_sets
from tinygrad_edu.engine.operation import Elementwise, Operation, Structural

# A textbook's form cancels: log(1 + exp(−20)) keeps half of its digits, 1 + tanh(−20) none. So
# digits are expected of 1, or of the number if it is larger; test_numerics.py sees to the tails.
TOLERANCE = 1e-12
# Further out textbook forms overflow.
FAR = 20.0
POINTS = 400

DEFINED = [op for op in te.OPERATIONS.values() if op.definition is not None]
every_definition = pytest.mark.parametrize("op", DEFINED, ids=lambda op: op.name)


def moderate(op: Operation, shape: tuple[int, ...], position: int, seed: int) -> Any:
    """Numbers from the domain of an argument, up to ±20."""
    low, high = interval(op, position)
    return np.random.default_rng((seed, position)).uniform(max(low, -FAR), min(high, FAR), shape)


def moderate_calls(op: Operation) -> Iterator[Call]:
    """Many entries away from every kink; of a structural record each of its cases."""
    if not isinstance(op, Elementwise):
        for seed, case in enumerate(fixed_cases(op)):
            yield Call(
                tuple(moderate(op, shape, i, seed) for i, shape in enumerate(case.shapes)),
                case.options,
            )
        return
    for options in option_sets(op):
        arrays = [moderate(op, (POINTS,), i, 0) for i in range(len(op.arguments))]
        away: Any = np.ones(POINTS, bool)
        for distance in distances(op, Call(tuple(arrays), options)):
            away &= distance >= 0.1
        assert np.count_nonzero(away) > POINTS / 2
        yield Call(tuple(array[away] for array in arrays), options)


def claims(function: Any, call: Call) -> tuple[Any, list[Any]]:
    """A function's value, and its gradients for all arguments."""
    inputs = [te.Value(array) for array in call.arrays]
    with np.errstate(all="ignore"):
        out = function(*inputs, **call.options)
        if not (isinstance(out, te.Value) and out.requires_grad):
            return out, [np.zeros(array.shape) for array in call.arrays]
        return out.data, list(te.grad(out, inputs, gradient=weights(out.shape)))


def check(op: Operation) -> None:
    """Assert that a record and its definition have the same values and the same gradients."""
    for call in moderate_calls(op):
        value, gradients = claims(op, call)
        wanted, slopes = claims(op.definition, call)
        np.testing.assert_allclose(value, wanted, rtol=TOLERANCE, atol=TOLERANCE)
        if op.surrogate:
            continue
        for name, got, want in zip(op.arguments, gradients, slopes, strict=True):
            known = np.isfinite(want)  # at a kink a textbook's form may have no slope
            np.testing.assert_allclose(
                got[known], want[known], rtol=TOLERANCE, atol=TOLERANCE, err_msg=name
            )


@every_definition
def test_the_record_is_its_definition_and_its_rules_are_the_definitions(op: Operation) -> None:
    check(op)


def test_every_activation_has_a_definition_or_is_one() -> None:
    without = {name for name, op in te.ACTIVATIONS.items() if op.definition is None}
    assert without == {"arctan"}  # NumPy's own


@every_definition
def test_the_check_rejects_a_value_that_is_off(op: Operation) -> None:
    right = op.definition
    assert right is not None
    with pytest.raises(AssertionError):
        check(replace(op, definition=lambda *given, **options: right(*given, **options) + 1e-10))


@pytest.mark.parametrize(
    ("op", "position"),
    [
        pytest.param(op, position, id=f"{op.name}-{position}")
        for op in DEFINED
        for position, rule in enumerate(op.rules)
        if (callable(rule) or rule) and not op.surrogate
    ],
)
def test_the_check_rejects_a_rule_that_is_off(op: Operation, position: int) -> None:
    right = op.rules[position]

    def wrong(*given: Any, **options: Any) -> Any:
        return (right(*given, **options) if callable(right) else right) * (1 + 1e-10)

    rules = (*op.rules[:position], wrong, *op.rules[position + 1 :])
    mutant = (
        replace(op, partials=rules)
        if isinstance(op, Elementwise)
        else replace(op, pullbacks=rules)
        if isinstance(op, Structural)
        else op
    )
    with pytest.raises(AssertionError):
        check(mutant)
