"""Activations made of pieces: the ReLU family, hard sigmoids, shrinkages, the step."""

from __future__ import annotations

from math import isnan
from typing import Any

import numpy as np

from ..engine.blocks import MANY, blockwise, select
from ..engine.operation import REAL, ThroughOutput
from ..ops.selection import bounded
from ..ops.tails import least
from .record import Activation

LEAKY_SLOPE = 0.01
# Klambauer et al. (2017), equation 14: zero mean and unit variance are kept.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
FARTHEST = ((1e308,), (-1e308,))


def strong(x: Any, *others: Any) -> Any:
    """x; a number of Python's in the dtype that it takes beside the others."""
    return x if hasattr(x, "dtype") else np.result_type(x, *others).type(x)


def where_positive(x: Any, positive: Any, otherwise: Any) -> Any:
    """The number `positive` where x > 0, else `otherwise`, in x's dtype."""
    x = strong(x, otherwise)
    return select(x > 0, x.dtype.type(positive), otherwise)


def between(x: Any, low: Any, high: Any, into: Any = None) -> Any:
    """x, or the bound that it is beyond."""
    # np.clip takes one pass, and microseconds to start.
    if x.size > MANY:
        return np.clip(x, low, high, out=into)
    return np.minimum(np.maximum(x, low), high)


@blockwise
def leaky_forward(x: Any, alpha: Any, into: Any = None) -> Any:
    """x, or αx where x is negative."""
    if np.ndim(alpha) == 0 and 0 < alpha <= 1:
        return np.maximum(x, alpha * x, out=into)
    return select(x > 0, x, alpha * x, into)


def leaky(x: Any, alpha: Any) -> Any:
    """As the textbook has it."""
    return np.where(x > 0, x, alpha * x)


LEAKY_PARTIALS = (
    lambda out, x, alpha: where_positive(x, 1, alpha),
    lambda out, x, alpha: where_positive(x, 0, x),
)

linear = Activation.define(
    "linear", lambda x: x, 1, formula="{0}", extremes=FARTHEST, definition=lambda x: x
)
relu = Activation.define(
    "relu",
    lambda x: np.maximum(x, 0),
    # By the output, a program may forget x.
    ThroughOutput(lambda out, x: x > 0, lambda out, x: out > 0, lambda out, x: x > 0),
    formula=r"\operatorname{{ReLU}}\left({0}\right)",
    kinks=(0.0,),
    extremes=((0.0,), *FARTHEST),
    definition=lambda x: np.maximum(0, x),
)
leaky_relu = Activation.define(
    "leaky_relu",
    lambda x, alpha=LEAKY_SLOPE: leaky_forward(x, alpha),
    LEAKY_PARTIALS,
    formula=r"\operatorname{{LeakyReLU}}_{{{1}}}\left({0}\right)",
    domain=(REAL, (0.0, 1.0)),
    kinks=(0.0,),
    extremes=((0.0, 0.01), (1e308, 0.01), (-1e308, 0.01)),
    definition=leaky,
)
prelu = Activation.define(
    "prelu",
    lambda x, alpha=0.25: leaky_forward(x, alpha),
    LEAKY_PARTIALS,
    formula=r"\operatorname{{PReLU}}_{{{1}}}\left({0}\right)",
    domain=(REAL, (0.0, 1.0)),
    kinks=(0.0,),
    extremes=((0.0, 0.25), (1e308, 0.25), (-1e308, 0.25)),
    definition=leaky,
)
relu6 = Activation.define(
    "relu6",
    lambda x: between(x, 0, 6),
    lambda out, x: (x > 0) & (x < 6),
    formula=r"\operatorname{{ReLU6}}\left({0}\right)",
    kinks=(0.0, 6.0),
    extremes=((0.0,), (6.0,), *FARTHEST),
    definition=lambda x: np.minimum(np.maximum(0, x), 6),
)


@blockwise
def squared_relu_forward(x: Any, into: Any = None) -> Any:
    """max(0, x)², which is infinite from the root of the largest number on."""
    with np.errstate(over="ignore"):
        return np.square(np.maximum(x, 0), out=into)


squared_relu = Activation.define(
    "squared_relu",
    squared_relu_forward,
    lambda out, x: 2 * np.maximum(x, 0),
    formula=r"\operatorname{{ReLU}}\left({0}\right)^2",
    kinks=(0.0,),  # of the second derivative
    extremes=((0.0,), (1e154,), (-1e308,)),
    definition=lambda x: np.maximum(0, x) ** 2,
)


@blockwise
def elu_forward(x: Any, alpha: Any = 1.0, into: Any = None) -> Any:
    """x, or α (exp(x) − 1) where x is negative: one of the two terms is 0."""
    x = strong(x, alpha)
    return np.add(np.maximum(x, 0), alpha * np.expm1(np.minimum(x, 0)), out=into)


elu = Activation.define(
    "elu",
    elu_forward,
    (
        lambda out, x, alpha: where_positive(x, 1, alpha * np.exp(np.minimum(x, 0))),
        lambda out, x, alpha: np.expm1(np.minimum(x, 0)),
    ),
    formula=r"\operatorname{{ELU}}_{{{1}}}\left({0}\right)",
    domain=(REAL, (0.1, 2.0)),
    kinks=(0.0,),
    extremes=((1000.0, 1.0), (-1000.0, 1.0), (1e308, 1.0)),
    definition=lambda x, alpha: np.where(x > 0, x, alpha * (np.exp(x) - 1)),
)


@blockwise
def celu_forward(x: Any, alpha: Any = 1.0, into: Any = None) -> Any:
    """x, or α (exp(x/α) − 1) where x is negative: one of the two terms is 0."""
    x = strong(x, alpha)
    return np.add(np.maximum(x, 0), alpha * np.expm1(np.minimum(x, 0) / alpha), out=into)


def celu_alpha_slope(out: Any, x: Any, alpha: Any) -> Any:
    """∂/∂α of α (exp(x/α) − 1) where x is negative."""
    ratio = bounded(np.minimum(x, 0) / alpha, low=-800.0, high=0.0)
    return np.expm1(ratio) - ratio * np.exp(ratio)


celu = Activation.define(
    "celu",
    celu_forward,
    (
        lambda out, x, alpha: where_positive(x, 1, np.exp(np.minimum(x, 0) / alpha)),
        celu_alpha_slope,
    ),
    formula=r"\operatorname{{CELU}}_{{{1}}}\left({0}\right)",
    domain=(REAL, (0.5, 2.0)),
    kinks=(0.0,),  # of the second derivative
    extremes=((1000.0, 1.0), (-1000.0, 1.0), (1e308, 1.0), (-1e308, 1.0)),
    definition=lambda x, alpha: np.maximum(0, x) + np.minimum(0, alpha * (np.exp(x / alpha) - 1)),
)


@blockwise
def selu_forward(x: Any, into: Any = None) -> Any:
    """SCALE x, or SCALE ALPHA (exp(x) − 1) where x is negative: one of the two terms is 0."""
    negative = SELU_SCALE * SELU_ALPHA * np.expm1(np.minimum(x, 0))
    with np.errstate(over="ignore"):  # of the largest numbers
        return np.add(SELU_SCALE * np.maximum(x, 0), negative, out=into)


selu = Activation.define(
    "selu",
    selu_forward,
    lambda out, x: where_positive(
        x, SELU_SCALE, SELU_SCALE * SELU_ALPHA * np.exp(np.minimum(x, 0))
    ),
    formula=r"\operatorname{{SELU}}\left({0}\right)",
    kinks=(0.0,),
    extremes=((1000.0,), (-1000.0,), (1e307,), (-1e308,)),
    definition=lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * (np.exp(x) - 1)),
)


@blockwise
def hard_sigmoid_forward(x: Any, slope: Any = 0.5, into: Any = None) -> Any:
    """The line through (0, 1/2) between 0 and 1."""
    return between(slope * x + 0.5, 0, 1, into)


hard_sigmoid = Activation.define(
    "hard_sigmoid",
    hard_sigmoid_forward,
    (
        lambda out, x, slope: select(np.abs(slope * x) <= 0.5, slope, x.dtype.type(0)),
        lambda out, x, slope: select(np.abs(slope * x) <= 0.5, x, 0),
    ),
    formula=r"\operatorname{{HardSigmoid}}\left({0}\right)",
    domain=(REAL, (0.1, 1.0)),
    kinks=(lambda x, slope: slope * x + 0.5, lambda x, slope: slope * x - 0.5),
    extremes=((1e308, 0.5), (-1e308, 0.5)),
    definition=lambda x, slope: np.clip(slope * x + 0.5, 0, 1),
)


@blockwise
def hard_swish_forward(x: Any, into: Any = None) -> Any:
    """x times a hard sigmoid, and 0 at −∞."""
    return np.multiply(np.maximum(x, -3), between((x + 3) / 6, 0, 1), out=into)


hard_swish = Activation.define(
    "hard_swish",
    hard_swish_forward,
    lambda out, x: select(x <= -3, 0, select(x < 3, (x + 1.5) / 3, 1)),
    formula=r"\operatorname{{HardSwish}}\left({0}\right)",
    kinks=(-3.0, 3.0),
    extremes=FARTHEST,
    definition=lambda x: x * np.clip((x + 3) / 6, 0, 1),
)
sigmoid_linear = Activation.define(
    "sigmoid_linear",
    lambda x: between(x, 0, 1),
    lambda out, x: (x >= 0) & (x <= 1),
    formula=r"\operatorname{{clip}}\left({0}, 0, 1\right)",
    kinks=(0.0, 1.0),
    extremes=FARTHEST,
    definition=lambda x: np.clip(x, 0, 1),
)
hard_tanh = Activation.define(
    "hard_tanh",
    lambda x, low=-1.0, high=1.0: between(strong(x, low, high), low, high),
    (
        lambda out, x, low, high: (x >= low) & (x <= high),
        lambda out, x, low, high: x < low,
        lambda out, x, low, high: x > high,
    ),
    formula=r"\operatorname{{HardTanh}}\left({0}\right)",
    domain=(REAL, (-3.0, -0.5), (0.5, 3.0)),
    kinks=(lambda x, low, high: x - low, lambda x, low, high: x - high),
    extremes=((1e308, -1.0, 1.0), (-1e308, -1.0, 1.0)),
    definition=lambda x, low, high: np.clip(x, low, high),
)

# The conditions below are written so that NaN, which no comparison holds for, stays NaN.


@blockwise
def soft_shrink_forward(x: Any, lambd: Any = 0.5, into: Any = None) -> Any:
    """x, nearer to 0 by λ."""
    x = strong(x, lambd)
    return np.subtract(x, between(x, -lambd, lambd), out=into)


@blockwise
def hard_shrink_forward(x: Any, lambd: Any = 0.5, into: Any = None) -> Any:
    """x, or 0 within ±λ."""
    x = strong(x, lambd)
    return select(~(np.abs(x) <= lambd), x, 0, into)


@blockwise
def threshold_forward(x: Any, threshold: Any = 1.0, value: Any = 0.0, into: Any = None) -> Any:
    """x, or `value` up to the threshold."""
    x = strong(x, threshold, value)
    return select(~(x <= threshold), x, value, into)


@blockwise
def step_forward(x: Any, into: Any = None) -> Any:
    """1 where x is positive, else 0."""
    # np.heaviside, which knows NaN, takes twenty times as long.
    return np.heaviside(x, 0) if isnan(least(x)) else (x > 0).astype(np.result_type(x, 0.0))


soft_shrink = Activation.define(
    "soft_shrink",
    soft_shrink_forward,
    (
        lambda out, x, lambd: np.abs(x) > lambd,
        lambda out, x, lambd: np.where(np.abs(x) > lambd, -np.sign(x), 0.0),
    ),
    formula=r"\operatorname{{softshrink}}\left({0}\right)",
    domain=(REAL, (0.25, 2.0)),
    kinks=(lambda x, lambd: np.abs(x) - lambd,),
    extremes=((1e308, 0.5), (-1e308, 0.5)),
    definition=lambda x, lambd: np.sign(x) * np.maximum(np.abs(x) - lambd, 0),
)
hard_shrink = Activation.define(
    "hard_shrink",
    hard_shrink_forward,
    (lambda out, x, lambd: np.abs(x) > lambd, 0),
    formula=r"\operatorname{{hardshrink}}\left({0}\right)",
    domain=(REAL, (0.25, 2.0)),
    kinks=(lambda x, lambd: np.abs(x) - lambd,),
    extremes=((1e308, 0.5), (-1e308, 0.5)),
    definition=lambda x, lambd: np.where(np.abs(x) > lambd, x, 0),
)
threshold = Activation.define(
    "threshold",
    threshold_forward,
    (
        lambda out, x, threshold, value: x > threshold,
        0,
        lambda out, x, threshold, value: x <= threshold,
    ),
    formula=r"\operatorname{{threshold}}\left({0}\right)",
    domain=(REAL, (-1.0, 2.0), REAL),
    kinks=(lambda x, threshold, value: x - threshold,),
    extremes=((1e308, 1.0, 0.0), (-1e308, 1.0, 0.0)),
    definition=lambda x, threshold, value: np.where(x > threshold, x, value),
)
step = Activation.define(
    "step",
    step_forward,
    # Straight through (Bengio et al. 2013): its own derivative, 0, would teach nothing.
    1,
    formula=r"\operatorname{{step}}\left({0}\right)",
    kinks=(0.0,),
    extremes=((0.0,), *FARTHEST),
    definition=lambda x: np.where(x > 0, 1, 0),
    surrogate=True,
)
