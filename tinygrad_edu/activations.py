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
from .ops.elementary import aligned, arctan, tanh

LEAKY_SLOPE = 0.01
# exp(−x) overflows below −88 in float32.
LEAST = -87


def where_positive(x: Any, positive: Any, otherwise: Any) -> Any:
    """`positive` where x > 0, else `otherwise`, in x's dtype."""
    return np.where(x > 0, positive, otherwise)


def sigmoid_forward(x: Any) -> Any:
    """1 / (1 + exp(−x)), in the form whose exp does not overflow."""
    # The other form holds for every x, but takes two more passes.
    if not x.size or x.item(x.argmin()) >= LEAST:
        return 1 / (1 + np.exp(-x))
    tail = np.exp(-np.abs(x))
    return where_positive(x, 1, tail) / (1 + tail)


def sigmoid_slope_forward(s: Any, x: Any) -> Any:
    """s(1 − s) for s = sigmoid(x), from x where 1 − s would cancel."""
    if getattr(s, "shape", None) != getattr(x, "shape", ()):
        s = aligned(s, x)
    if s.size and not s.item(s.argmax()) < 0.999:
        tail = np.exp(-np.abs(x))
        return tail / np.square(1 + tail)
    return s * (1 - s)


sigmoid_slope = define_elementwise(
    "sigmoid_slope",
    sigmoid_slope_forward,
    # A function of s alone; x only says how to round it where s is all but 1.
    (lambda out, s, x: 1 - 2 * s, 0),
    formula=r"\sigma'\left({1}\right)",
    domain=((0.001, 0.998), (-3.0, 3.0)),
    extremes=((1.0, 40.0), (0.0, -1000.0)),
)

linear = define_elementwise("linear", lambda x: x, 1, formula="{0}", extremes=((1e308,), (-1e308,)))
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


# swish, GELU and mish are x times a gate that falls like an exp. Far out that exp is denormal, with
# few digits left, while x times it is not; so there it is taken as its square root, twice.


def times_exp(x: Any, exponent: Any) -> Any:
    """x exp(exponent), to the last places even where exp(exponent) alone would be denormal."""
    half = np.exp(exponent / 2, dtype=np.float64)
    return x * half * half


def with_tail(x: Any, out: Any) -> Any:
    """`out`, but x exp(x) where x < LEAST: what a gated x is there in all its digits."""
    # −∞ · 0 is the limit 0, not NaN.
    tail = times_exp(np.maximum(x, -1000), np.minimum(x, 0))
    return np.where(x < LEAST, tail.astype(out.dtype), out)


def swish_forward(x: Any) -> Any:
    """x σ(x)."""
    if not x.size or x.item(x.argmin()) >= LEAST:
        return x / (1 + np.exp(-x))
    return with_tail(x, x / (1 + np.exp(-np.maximum(x, LEAST))))


def swish_slope(out: Any, x: Any) -> Any:
    """σ(x) (1 + x σ(−x)) by exp(x/2) alone; outside of the bounds it is 0 or 1, rounded."""
    x = np.clip(x, -1500, 60)
    root = np.exp(0.5 * x)
    rest = 1 / (1 + root * root)
    return (1 + x * rest) * rest * root * root


swish = define_elementwise(
    "swish",
    swish_forward,
    swish_slope,
    formula=r"\operatorname{{swish}}\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (1e308,), (-1e308,)),
)
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
# The same constants in two parts: 24 bits, whose products with 24 bits are exact, and the rest.
LINEAR_HEAD, LINEAR_REST = 1.5957691669464111, -4.534068042105272e-08
CUBIC_HEAD, CUBIC_REST = 0.07135481387376785, 2.3988323959931355e-09


def head(x: Any) -> Any:
    """The leading 24 bits of float64 numbers."""
    return x.astype(np.float32).astype(np.float64)


def gelu_exponent(x: Any) -> tuple[Any, Any]:
    """2u as the sum of a float64 number and a small rest.

    Rounded to one number, 2u = −700 would leave exp(2u) but thirteen of its sixteen digits.
    """
    if x.dtype == np.float32:
        x = x.astype(np.float64)
        return x * (LINEAR + CUBIC * x * x), 0.0
    x_head = head(x)
    x_rest = x - x_head
    square = x_head * x_head
    square_head = head(square)
    square_rest = (square - square_head) + x_rest * (x_head + x)
    cubic = CUBIC_HEAD * square_head
    factor_head = head(LINEAR_HEAD + cubic)
    factor_rest = cubic - (factor_head - LINEAR_HEAD)
    factor_rest += CUBIC_HEAD * square_rest + (CUBIC_REST * (x * x) + LINEAR_REST)
    product = x_head * factor_head
    rest = x_head * factor_rest + x_rest * (factor_head + factor_rest)
    exponent = product + rest
    return exponent, rest - (exponent - product)


def gelu_forward(x: Any) -> Any:
    """x σ(2u); below −1 the rounding of 2u would show, so there its rest is counted in."""
    inner = np.minimum(np.maximum(x, -8), 40)
    out = np.maximum(x, -40) / (1 + np.exp(-inner * (LINEAR + CUBIC * inner * inner)))
    if not x.size or x.item(x.argmin()) >= -1:
        return out
    negative = np.flatnonzero(x < -1)
    inner = np.maximum(np.take(x, negative), -40)  # −∞ · 0 is the limit 0, not NaN
    exponent, rest = gelu_exponent(inner)
    power = np.exp(exponent)
    tail = inner * power / (1 + power)
    if exponent.size and exponent.item(exponent.argmin()) < LEAST:
        tail = np.where(exponent < LEAST, times_exp(inner, exponent), tail)
    out = np.asarray(out)
    np.put(out, negative, tail + tail * rest)
    return out


def gelu_root_forward(x: Any) -> Any:
    """exp(u); the slope is small enough for the rounding of u to show only below −2.5."""
    out = np.exp(x * (LINEAR / 2 + CUBIC / 2 * x * x))
    if x.size and not x.item(x.argmin()) >= -2.5:
        negative = np.flatnonzero(x < -2.5)
        exponent, rest = gelu_exponent(np.take(x, negative))
        out = np.asarray(out)
        np.put(out, negative, np.exp(exponent / 2) * (1 + rest / 2))
    return out


gelu_root = define_elementwise(
    "gelu_root",
    gelu_root_forward,
    lambda out, x: out * (LINEAR / 2 + 3 * CUBIC / 2 * x * x),
    formula=r"\exp\left(\sqrt{{2/\pi}}\left({0} + 0.044715\,{0}^3\right)\right)",
    domain=(-20.0, 8.0),
    extremes=((-40.0,), (8.0,)),
)


def gelu_slope(out: Any, x: Any) -> Any:
    """σ(2u) (1 + x 2u′ σ(−2u)) by exp(u) alone; outside of the bounds it is 0 or 1, rounded."""
    x = np.clip(x, -40, 8)
    root = gelu_root(x)
    rest = 1 / (1 + root * root)
    return (1 + x * (LINEAR + 3 * CUBIC * x * x) * rest) * rest * root * root


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
    lambda out, x: np.where(x <= -3, 0.0, np.where(x < 3, (x + 1.5) / 3, 1.0)),
    formula=r"\operatorname{{HardSwish}}\left({0}\right)",
    kinks=(-3.0, 3.0),
    extremes=((1e308,), (-1e308,)),
)


def mish_forward(x: Any) -> Any:
    """x tanh(softplus(x)); with v = exp(−x) it is x / (v + (1 + v) / (1 + 2v))."""
    near = x if not x.size or x.item(x.argmin()) >= LEAST else np.maximum(x, LEAST)
    v = np.exp(-near)
    out = near / (v + (1 + v) / (1 + 2 * v))
    return out if near is x else with_tail(x, out)


def mish_slope(out: Any, x: Any) -> Any:
    """gate + x gate′ by exp(x/2) alone; outside of the bounds it is 0 or 1, rounded."""
    x = np.clip(x, -1500, 40)
    root = np.exp(0.5 * x)
    w = root * root
    rest = 2 / (w * (w + 2) + 2)  # 1 − gate
    return (0.5 * (w + 2) + x * ((w + 1) * rest)) * rest * root * root


mish = define_elementwise(
    "mish",
    mish_forward,
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
    """exp(x) / Σ exp(x), with the greatest x taken off each: no exp overflows."""
    if not np.ndim(x):
        raise ValueError("softmax is taken over an axis; a single number has none")
    greatest = np.maximum.reduce(x, axis=axis, keepdims=True)
    with np.errstate(over="ignore"):  # 1e308 below the greatest is −∞, and its exp is 0
        shifted = x - greatest
    power = np.exp(shifted)
    if shifted.size and not shifted.item(shifted.argmin()) >= -2:
        # Rounding x − greatest would cost digits of its exp: Knuth's sum of two tells how much.
        with np.errstate(over="ignore", invalid="ignore"):
            back = shifted - x
            lost = (x - (shifted - back)) - (greatest + back)
        power = np.where(power > 0, power + power * lost, power)
    return power / np.add.reduce(power, axis=axis, keepdims=True)


def softmax_pullback(g: Any, out: Any, x: Any, axis: int = -1) -> Any:
    """out (g − Σ g out): each entry's gradient, less their average."""
    centred = g - np.sum(g * out, axis=axis, keepdims=True)
    # Where one entry of `out` is all but 1, rounding leaves no digit of its `centred`: again.
    return out * (centred - np.sum(centred * out, axis=axis, keepdims=True))


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
