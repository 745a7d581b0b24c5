"""The sixteen activation functions of the seed articles, each one record.

Forwards and partials hold in the tails: a saturated entry's tiny derivative is exact, because
vanishing gradients are made of such numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .engine.operation import (
    REAL,
    Operation,
    define_elementwise,
    define_structural,
)
from .errors import UnknownNameError, closest
from .ops.elementary import arctan, tanh


LEAKY_SLOPE = 0.01


def where_positive(x: Any, positive: Any, otherwise: Any) -> Any:
    """`positive` where x > 0, else `otherwise`, in x's dtype."""
    return np.where(x > 0, positive, otherwise)


def sigmoid_forward(x: Any) -> Any:
    # exp(−x) overflows below −709; the other form is exact there but takes two more passes.
    if not x.size or x.item(x.argmin()) >= -700:
        return 1 / (1 + np.exp(-x))
    tail = np.exp(-np.abs(x))
    return where_positive(x, 1, tail) / (1 + tail)


def sigmoid_slope_forward(s: Any, x: Any) -> Any:
    """s(1 − s) for s = sigmoid(x), from x where 1 − s would cancel."""
    if s.shape != x.shape:
        s, x = np.broadcast_arrays(s, x)
    slope = s * (1 - s)
    if s.size and not s.item(s.argmax()) < 0.999:
        tail = np.exp(-np.abs(x))
        slope = np.where(s >= 0.999, tail / np.square(1 + tail), slope)
    return slope


sigmoid_slope = define_elementwise(
    "sigmoid_slope",
    sigmoid_slope_forward,
    # A function of s alone; x only says how to round it where s is all but 1.
    (lambda out, s, x: 1 - 2 * s, 0),
    formula=r"\sigma'\left({1}\right)",
    domain=((0.001, 0.998), (-3.0, 3.0)),
    extremes=((1.0, 40.0), (0.0, -1000.0)),
)

linear = define_elementwise(
    "linear", lambda x: x, 1, formula="{0}", extremes=((1e308,), (-1e308,))
)
sigmoid = define_elementwise(
    "sigmoid",
    sigmoid_forward,
    sigmoid_slope,
    formula=r"\sigma\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (40.0,), (1e308,), (-1e308,)),
)
relu = define_elementwise(
    "relu",
    lambda x: np.maximum(x, 0),
    lambda out, x: x > 0,
    formula=r"\operatorname{{ReLU}}\left({0}\right)",
    kinks=(0.0,),
    extremes=((0.0,), (1e308,), (-1e308,)),
)
leaky_relu = define_elementwise(
    "leaky_relu",
    lambda x, alpha=LEAKY_SLOPE: where_positive(x, x, alpha * x),
    (
        lambda out, x, alpha: where_positive(x, 1.0, alpha),
        lambda out, x, alpha: where_positive(x, 0.0, x),
    ),
    formula=r"\operatorname{{LeakyReLU}}_{{{1}}}\left({0}\right)",
    domain=(REAL, (0.0, 1.0)),
    kinks=(0.0,),
    extremes=((0.0, 0.01), (1e308, 0.01), (-1e308, 0.01)),
)
elu = define_elementwise(
    "elu",
    lambda x, alpha=1.0: where_positive(x, x, alpha * np.expm1(np.minimum(x, 0))),
    (
        lambda out, x, alpha: where_positive(x, 1.0, alpha * np.exp(np.minimum(x, 0))),
        lambda out, x, alpha: np.expm1(np.minimum(x, 0)),
    ),
    formula=r"\operatorname{{ELU}}_{{{1}}}\left({0}\right)",
    domain=(REAL, (0.1, 2.0)),
    kinks=(0.0,),
    extremes=((1000.0, 1.0), (-1000.0, 1.0), (1e308, 1.0)),
)


def swish_forward(x: Any) -> Any:
    # −∞ · 0 is the limit 0, not NaN.
    return np.maximum(x, -1000) * sigmoid_forward(x)


swish = define_elementwise(
    "swish",
    swish_forward,
    lambda out, x: self_gated_slope(x),
    formula=r"\operatorname{{swish}}\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (1e308,), (-1e308,)),
)


def self_gated_slope(x: Any) -> Any:
    """The derivative σ(x) + x σ′(x) of x σ(x); beyond ±1000 the second term is 0."""
    s = sigmoid(x)
    return s + np.clip(x, -1000, 1000) * sigmoid_slope(s, x)


hard_sigmoid = define_elementwise(
    "hard_sigmoid",
    lambda x: np.minimum(np.maximum((x + 1) / 2, 0), 1),
    lambda out, x: np.where((x >= -1) & (x <= 1), 0.5, 0.0),
    formula=r"\operatorname{{HardSigmoid}}\left({0}\right)",
    kinks=(-1.0, 1.0),
    extremes=((1e308,), (-1e308,)),
)

# GELU's tanh form is x σ(2u) with 2u = x (LINEAR + CUBIC x²): σ keeps the negative tail.
LINEAR = 2 * np.sqrt(2 / np.pi).item()
CUBIC = 0.044715 * LINEAR


def gelu_forward(x: Any) -> Any:
    inner = np.clip(x, -40, 40)
    return np.maximum(x, -40) * sigmoid_forward(inner * (LINEAR + CUBIC * inner * inner))


def gelu_slope(out: Any, x: Any) -> Any:
    """σ(2u) + x σ′(2u) · 2u′; beyond ±40 the second term is 0."""
    inner = np.clip(x, -40, 40)
    twice_u = inner * (LINEAR + CUBIC * inner * inner)
    s = sigmoid(twice_u)
    return s + inner * sigmoid_slope(s, twice_u) * (LINEAR + 3 * CUBIC * inner * inner)


gelu = define_elementwise(
    "gelu",
    gelu_forward,
    gelu_slope,
    formula=r"\operatorname{{GELU}}\left({0}\right)",
    extremes=((1e308,), (-1e308,), (30.0,), (-30.0,)),
)
# The second article defines it as GELU itself; the literature knows no other.
leaky_gelu = define_elementwise(
    "leaky_gelu",
    gelu_forward,
    gelu_slope,
    formula=r"\operatorname{{LeakyGELU}}\left({0}\right)",
    extremes=((1e308,), (-1e308,), (30.0,), (-30.0,)),
)
softplus = define_elementwise(
    "softplus",
    lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    lambda out, x: sigmoid(x),
    formula=r"\operatorname{{softplus}}\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (20.5,), (1e308,), (-1e308,)),
)
hard_swish = define_elementwise(
    "hard_swish",
    lambda x: np.maximum(x, -3) * np.minimum(np.maximum((x + 3) / 6, 0), 1),
    lambda out, x: np.where(x <= -3, 0.0, np.where(x < 3, x / 3 + 0.5, 1.0)),
    formula=r"\operatorname{{HardSwish}}\left({0}\right)",
    kinks=(-3.0, 3.0),
    extremes=((1e308,), (-1e308,)),
)


def mish_gate_forward(x: Any) -> Any:
    """tanh(softplus(x)) by exp(−|x|) alone, so that neither tail loses digits."""
    f = np.exp(-np.abs(x))
    positive = (1 + 2 * f) / (1 + 2 * f + 2 * f * f)
    negative = f * (f + 2) / (f * (f + 2) + 2)
    return where_positive(x, positive, negative)


mish_gate = define_elementwise(
    "mish_gate",
    mish_gate_forward,
    lambda out, x: sigmoid(x) * (1 - np.square(out)),
    formula=r"\tanh\left(\operatorname{{softplus}}\left({0}\right)\right)",
    extremes=((1000.0,), (-1000.0,)),
)


def mish_slope(out: Any, x: Any) -> Any:
    """gate + x gate′; beyond ±1000 the second term is 0."""
    gate = mish_gate(x)
    return gate + np.clip(x, -1000, 1000) * sigmoid(x) * (1 - np.square(gate))


mish = define_elementwise(
    "mish",
    lambda x: np.maximum(x, -1000) * mish_gate_forward(x),
    mish_slope,
    formula=r"\operatorname{{mish}}\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (1e308,), (-1e308,)),
)
sigmoid_linear = define_elementwise(
    "sigmoid_linear",
    lambda x: np.minimum(np.maximum(x, 0), 1),
    lambda out, x: (x >= 0) & (x <= 1),
    formula=r"\operatorname{{clip}}\left({0}, 0, 1\right)",
    kinks=(0.0, 1.0),
    extremes=((1e308,), (-1e308,)),
)


def softmax_forward(x: Any, axis: int = -1) -> Any:
    if not np.ndim(x):
        raise ValueError("softmax is taken over an axis; a single number has none")
    shifted = np.exp(x - np.maximum.reduce(x, axis=axis, keepdims=True))
    return shifted / np.add.reduce(shifted, axis=axis, keepdims=True)


def softmax_pullback(g: Any, out: Any, x: Any, axis: int = -1) -> Any:
    return out * (g - np.sum(g * out, axis=axis, keepdims=True))


softmax = define_structural(
    "softmax",
    softmax_forward,
    softmax_pullback,
    formula=r"\operatorname{{softmax}}\left({0}\right)",
    cases=((((2, 3),), {}), (((2, 3),), {"axis": 0}), (((4,),), {}), (((2, 3, 2),), {"axis": 1})),
)

ACTIVATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        linear,
        sigmoid,
        relu,
        tanh,
        leaky_relu,
        softmax,
        elu,
        swish,
        hard_sigmoid,
        gelu,
        softplus,
        leaky_gelu,
        hard_swish,
        mish,
        arctan,
        sigmoid_linear,
    )
}
# PyTorch's spellings of what is called otherwise here.
SPELLINGS = {"silu": "swish", "identity": "linear", "logistic": "sigmoid", "atan": "arctan"}


def named(name: str) -> Operation:
    """The activation called `name`. Raises `UnknownNameError` that lists the closest ones."""
    if name in ACTIVATIONS:
        return ACTIVATIONS[name]
    plain = name.replace("_", "").replace("-", "").lower()
    spelt = {known.replace("_", ""): known for known in ACTIVATIONS} | SPELLINGS
    hint = f"write {spelt[plain]!r}" if plain in spelt else f"there is {closest(name, ACTIVATIONS)}"
    raise UnknownNameError(f"no activation {name!r}; {hint}")
