"""Activations along an axis: softmax and its relatives, and the gates that halve it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.blocks import rowwise, select
from ..engine.operation import Structural, define_structural
from ..ops.tails import far_out, least
from .record import AxisActivation
from .smooth import LEAST, sigmoid, sigmoid_forward, silu, silu_forward, silu_slope

Cases = tuple[tuple[tuple[tuple[int, ...], ...], dict[str, Any]], ...]

AXES: Cases = (
    (((2, 3),), {}),
    (((2, 3),), {"axis": 0}),
    (((4,),), {}),
    (((2, 3, 2),), {"axis": 1}),
)
HALVES: Cases = (
    (((2, 4),), {}),
    (((4, 3),), {"axis": 0}),
    (((6,),), {}),
    (((2, 2, 3),), {"axis": 1}),
)


def refuse_a_number(x: Any, name: str) -> None:
    """Raise `ValueError` for a single number."""
    if not np.ndim(x):
        raise ValueError(f"{name} is taken over an axis; a single number has none")


def less_greatest(x: Any, axis: int) -> tuple[Any, Any]:
    """x − max x along `axis`, and what rounding took off: 0 where that is too little to matter."""
    top = np.maximum.reduce(x, axis=axis, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):  # 1e308 below the greatest is −∞
        shifted = x - top
        if not shifted.size or shifted.item(shifted.argmin()) >= -2:
            return shifted, 0.0
        # Knuth's sum of two tells what was lost.
        back = shifted - x
        return shifted, (x - (shifted - back)) - (top + back)


@np.errstate(invalid="ignore")  # a row that is all masked is NaN
def far_softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / Σ exp(x), with the greatest x taken off each: no exp overflows."""
    shifted, lost = less_greatest(x, axis)
    power = np.exp(shifted)
    if np.ndim(lost):
        power = np.where(power > 0, power + power * lost, power)
    return power / np.add.reduce(power, axis=axis, keepdims=True)


@rowwise
@far_out(far_softmax)
def softmax_forward(x: Any, axis: int = -1, into: Any = None) -> Any:
    """exp(x) / Σ exp(x)."""
    refuse_a_number(x, "softmax")
    low = least(x)
    if low < LEAST and least(np.where(x == -np.inf, 0, x)) < LEAST:  # a share would lose digits
        return far_softmax(x, axis)
    power = np.exp(x)
    return np.divide(power, np.add.reduce(power, axis=axis, keepdims=True), out=into)


@rowwise
def softmax_pullback(g: Any, out: Any, x: Any, axis: int = -1, into: Any = None) -> Any:
    """out (g − Σ g out): each entry's gradient, less their average."""
    centred = g - np.sum(g * out, axis=axis, keepdims=True)
    # Where one entry of `out` is all but 1, rounding leaves no digit of its `centred`: again.
    centred -= np.sum(centred * out, axis=axis, keepdims=True)
    centred *= out
    return centred


softmax = AxisActivation.define(
    "softmax",
    softmax_forward,
    softmax_pullback,
    formula=r"\operatorname{{softmax}}\left({0}\right)",
    cases=AXES,
    definition=lambda x, axis=-1: np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True),
)


@rowwise
def softmin_forward(x: Any, axis: int = -1, into: Any = None) -> Any:
    """exp(−x) / Σ exp(−x)."""
    return softmax_forward(-x, axis=axis)


@rowwise
def softmin_pullback(g: Any, out: Any, x: Any, axis: int = -1, into: Any = None) -> Any:
    """That of softmax(−x)."""
    return -softmax_pullback(g, out, x, axis=axis)


softmin = AxisActivation.define(
    "softmin",
    softmin_forward,
    softmin_pullback,
    formula=r"\operatorname{{softmin}}\left({0}\right)",
    cases=AXES,
    definition=lambda x, axis=-1: softmax(-x, axis=axis),
)


@np.errstate(invalid="ignore")
def far_log_softmax(x: Any, axis: int = -1) -> Any:
    """x − log Σ exp(x), with the greatest x taken off each: no exp overflows."""
    first = np.expand_dims(np.argmax(x, axis=axis), axis)
    shifted, lost = less_greatest(x, axis)
    power = np.exp(shifted)
    if np.ndim(lost):
        power = np.where(power > 0, power + power * lost, power)
    # The greatest entry adds exactly 1 to the sum: log1p of the others keeps their digits.
    np.put_along_axis(power, first, 0, axis)
    others = np.log1p(np.add.reduce(power, axis=axis, keepdims=True))
    return np.where(np.isinf(shifted), shifted, shifted - (others - lost))


@rowwise
@far_out(far_log_softmax)
def log_softmax_forward(x: Any, axis: int = -1, into: Any = None) -> Any:
    """x − max x − log(1 + Σ of the others' exp(x) / exp(max x)), to the last places everywhere."""
    refuse_a_number(x, "log_softmax")
    if not x.size:
        return np.zeros(x.shape, x.dtype)
    first = np.expand_dims(np.argmax(x, axis=axis), axis)
    power = np.exp(x)
    top = np.take_along_axis(power, first, axis)
    np.put_along_axis(power, first, 0, axis)
    others = np.add.reduce(power, axis=axis, keepdims=True)
    if not least(others) > 1e-30:  # denormal entries might matter
        return far_log_softmax(x, axis)
    out = np.subtract(x, np.take_along_axis(x, first, axis), out=power)
    return np.subtract(out, np.log1p(others / top), out=into)


@rowwise
def log_softmax_pullback(g: Any, out: Any, x: Any, axis: int = -1, into: Any = None) -> Any:
    """g (1 − p) − p Σ of the other g; what is masked with −∞ passes nothing back."""
    others = np.sum(g, axis=axis, keepdims=True) - g
    # p not as exp(out): the digits that rounding took off `out` would be missing from it.
    others *= softmax(x, axis=axis)
    others += g * np.expm1(out)
    return select(out > -np.inf, -others, 0.0)


log_softmax = AxisActivation.define(
    "log_softmax",
    log_softmax_forward,
    log_softmax_pullback,
    formula=r"\log\operatorname{{softmax}}\left({0}\right)",
    cases=AXES,
    definition=lambda x, axis=-1: x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True)),
)


def halves(x: Any, axis: int, name: str) -> tuple[Any, Any]:
    """The first and the second half of `x` along `axis`."""
    if not np.ndim(x) or x.shape[axis] % 2:
        raise ValueError(
            f"{name} halves axis {axis}, which needs an even length; the shape is {np.shape(x)}"
        )
    middle = x.shape[axis] // 2
    first = [slice(None)] * x.ndim
    second = list(first)
    first[axis], second[axis] = slice(middle), slice(middle, None)
    return x[tuple(first)], x[tuple(second)]


def joined(first: Any, second: Any, axis: int) -> Any:
    """The two halves side by side again."""
    return np.concatenate([first, second], axis=axis)


first_half: Structural = define_structural(
    "first_half",
    lambda x, axis=-1: halves(x, axis, "first_half")[0],
    lambda g, out, x, axis=-1: joined(g, np.zeros(g.shape, g.dtype), axis),
    formula="{{{0}}}_1",
    cases=HALVES,
)
second_half: Structural = define_structural(
    "second_half",
    lambda x, axis=-1: halves(x, axis, "second_half")[1],
    lambda g, out, x, axis=-1: joined(np.zeros(g.shape, g.dtype), g, axis),
    formula="{{{0}}}_2",
    cases=HALVES,
)


@rowwise
def glu_forward(x: Any, axis: int = -1, into: Any = None) -> Any:
    """The first half, times the sigmoid of the second."""
    value, gate = halves(x, axis, "glu")
    return np.multiply(value, sigmoid_forward(gate), out=into)


@rowwise
def glu_pullback(g: Any, out: Any, x: Any, axis: int = -1, into: Any = None) -> Any:
    """g σ(b) for the first half a, g a σ′(b) = g a σ(b) σ(−b) for the second half b."""
    gate = second_half(x, axis=axis)
    return joined(g * sigmoid(gate), g * out * sigmoid(-gate), axis)


glu = AxisActivation.define(
    "glu",
    glu_forward,
    glu_pullback,
    formula=r"\operatorname{{GLU}}\left({0}\right)",
    cases=HALVES,
    definition=lambda x, axis=-1: first_half(x, axis=axis) * sigmoid(second_half(x, axis=axis)),
)


@rowwise
def swiglu_forward(x: Any, axis: int = -1, into: Any = None) -> Any:
    """SiLU of the first half, times the second."""
    gate, value = halves(x, axis, "swiglu")
    return np.multiply(silu_forward(gate), value, out=into)


@rowwise
def swiglu_pullback(g: Any, out: Any, x: Any, axis: int = -1, into: Any = None) -> Any:
    """g b SiLU′(a) for the first half a, g SiLU(a) for the second half b."""
    gate, value = first_half(x, axis=axis), second_half(x, axis=axis)
    return joined(g * value * silu_slope(gate), g * silu(gate), axis)


swiglu = AxisActivation.define(
    "swiglu",
    swiglu_forward,
    swiglu_pullback,
    formula=r"\operatorname{{SwiGLU}}\left({0}\right)",
    cases=HALVES,
    definition=lambda x, axis=-1: silu(first_half(x, axis=axis)) * second_half(x, axis=axis),
)
