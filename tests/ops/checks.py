"""The judge of derivative rules: right ones pass and, in the mutant tests, wrong ones do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_edu as te
from tests.finite_differences import contracted, jacobian
from tinygrad_edu.check.samples import Call, apply, room
from tinygrad_edu.engine.operation import Operation

TOLERANCE = 1e-8  # of the absolute values of what an entry is the sum of
ROUNDING = 1e-11  # of the largest such sum in the call
LOST = 1e-150  # whose square underflows: derivatives of rules may cancel in products of such
SHARPNESS = 1e-6  # the widest error bar that still tells anything
LEAST = 1e-15  # and what it may be of a function that is 0 throughout

Claims = Callable[[Operation, Call], list[Any]]
Check = Callable[[Operation, Call], None]


def weights(shape: tuple[int, ...]) -> Any:
    """An incoming gradient: no entry zero, no two equal."""
    rng = np.random.default_rng(len(shape) + sum(shape))
    return (rng.uniform(0.5, 1.5, shape) * rng.choice((-1.0, 1.0), shape))[()]


def step(op: Operation, position: int) -> float:
    """A step for finite differences that stays well inside the room around kinks and ends."""
    return room(op, position) / 4


def first_order(op: Operation, call: Call) -> list[Any]:
    """The record's gradient for each argument, with `weights` coming in."""
    inputs = [te.Value(array) for array in call.arrays]
    out = apply(op, inputs, call.options)
    return list(te.grad(out, inputs, gradient=weights(out.shape)))


def gradient_of(op: Operation, arrays: tuple[Any, ...], call: Call) -> Any:
    """All first-order gradients in one vector, as a function of the arguments and of the incoming
    gradient, which comes last.
    """
    inputs = [te.Value(array) for array in arrays[:-1]]
    out = apply(op, inputs, call.options)
    return np.concatenate([np.ravel(g) for g in te.grad(out, inputs, gradient=arrays[-1])])


def second_order(op: Operation, call: Call) -> list[Any]:
    """The gradient of the weighted sum of the first-order gradients: for each argument, and for
    the incoming gradient.
    """
    inputs = [te.Value(array) for array in call.arrays]
    out = apply(op, inputs, call.options)
    incoming = te.Value(weights(out.shape))
    gradients = te.grad(out, inputs, gradient=incoming, create_graph=True)
    vector: Any = np.concatenate([np.reshape(g, (-1,)) for g in gradients])
    everything = [*inputs, incoming]
    if not vector.requires_grad:
        return [np.zeros_like(value.data)[()] for value in everything]
    return list(te.grad(vector, everything, gradient=weights(vector.shape)))


def magnitude(array: Any) -> float:
    """The size of what `judge` adds up: the weighted sum of the absolute values."""
    return float(contracted(np.abs(weights(np.shape(array))), np.abs(array)))


def judge(
    f: Callable[..., Any],
    arrays: tuple[Any, ...],
    claimed: list[Any],
    steps: list[float],
    largest: float = 0.0,
) -> None:
    """Compare gradients of the weighted sum of f with finite differences, entry by entry.

    Digits are expected down to the rounding of the largest number on the way, which may be
    `largest`, a number that cancels before f is reached.
    """
    incoming = weights(np.shape(f(*arrays)))
    heaviness = np.abs(incoming)
    slopes = [jacobian(f, arrays, i, steps[i]) for i in range(len(arrays))]
    scales = [contracted(heaviness, np.abs(slope.value)) for slope in slopes]
    largest = max(largest, magnitude(f(*arrays)))
    for i, scale in enumerate(scales):
        beside = f(*arrays[:i], arrays[i] + steps[i], *arrays[i + 1 :])
        largest = max(largest, magnitude(beside), np.max(scale, initial=0))
    for position, (claim, slope, scale) in enumerate(zip(claimed, slopes, scales, strict=True)):
        want, bar = contracted(incoming, slope.value), contracted(heaviness, slope.error)
        assert np.all(bar <= SHARPNESS * largest + LEAST), f"no sharp estimate: {want} ± {bar}"
        assert claim.shape == arrays[position].shape, f"argument {position}: shape {claim.shape}"
        assert claim.dtype == arrays[position].dtype, f"argument {position}: dtype {claim.dtype}"
        near = np.abs(claim - want) <= TOLERANCE * scale + ROUNDING * largest + 2 * bar + LOST
        assert np.all(near), f"argument {position}: the rule gives {claim}, not {want} ± {bar}"


def check_first_order(op: Operation, call: Call) -> None:
    judge(
        lambda *arrays: op.forward(*arrays, **call.options),
        call.arrays,
        first_order(op, call),
        [step(op, position) for position in range(len(call.arrays))],
    )


def check_second_order(op: Operation, call: Call) -> None:
    out = op.forward(*call.arrays, **call.options)
    steps = [step(op, position) for position in range(len(call.arrays))]
    judge(
        lambda *arrays: gradient_of(op, arrays, call),
        (*call.arrays, weights(np.shape(out))),
        second_order(op, call),
        [*steps, 0.5],
        magnitude(out),
    )


def check_kink(op: Operation, call: Call) -> None:
    """On a kink a rule may give anything between the slopes on its two sides.

    Where the value itself is not finite the kink is a pole, and nothing is asked.
    """

    def f(*arrays: Any) -> Any:
        return op.forward(*arrays, **call.options)

    with np.errstate(all="ignore"):
        out = f(*call.arrays)
    if not np.all(np.isfinite(out)):
        return
    incoming = weights(np.shape(out))
    axes = tuple(range(np.ndim(out)))
    for position, claim in enumerate(first_order(op, call)):
        left, right = (
            jacobian(f, call.arrays, position, step(op, position) / 2, side) for side in (-1, 1)
        )
        spread = np.expand_dims(incoming, tuple(range(len(axes), left.value.ndim)))
        ends = spread * left.value, spread * right.value
        low, high = np.minimum(*ends).sum(axes), np.maximum(*ends).sum(axes)
        bar = contracted(np.abs(incoming), left.error + right.error)
        assert np.all(bar <= SHARPNESS), f"no sharp estimate beside the kink: bar {bar}"
        inside = (low - bar - TOLERANCE <= claim) & (claim <= high + bar + TOLERANCE)
        assert np.all(inside), f"argument {position}: {claim} is not in [{low}, {high}]"
