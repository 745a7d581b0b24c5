"""Smooth activations: the sigmoids, and the gated ones that are x times a sigmoid.

Forwards and partials hold in the tails: a saturated entry's tiny derivative is exact, because
vanishing gradients are made of such numbers.
"""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np

from ..engine.operation import REAL, define_elementwise
from ..ops.elementary import aligned, arctan_slope, sech_squared
from ..ops.selection import bounded
from .record import Activation

# exp(−x) overflows below −88 in float32.
LEAST = -87


def sigmoid_forward(x: Any) -> Any:
    """1 / (1 + exp(−x)), in the form whose exp does not overflow."""
    # The other form holds for every x, but takes two more passes.
    if not x.size or x.item(x.argmin()) >= LEAST:
        return 1 / (1 + np.exp(-x))
    tail = np.exp(-np.abs(x))
    return np.where(x > 0, 1, tail) / (1 + tail)


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
    definition=lambda s, x: s * (1 - s),
)

sigmoid = Activation.define(
    "sigmoid",
    sigmoid_forward,
    sigmoid_slope,
    formula=r"\sigma\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (40.0,), (1e308,), (-1e308,)),
    definition=lambda x: 1 / (1 + np.exp(-x)),
)
tanh = Activation.define(
    "tanh",
    np.tanh,
    sech_squared,
    formula=r"\tanh\left({0}\right)",
    numpy=(np.tanh,),
    extremes=((1000.0,), (-1000.0,), (1e308,), (19.0,)),
    definition=lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
)
arctan = Activation.define(
    "arctan",
    np.arctan,
    lambda out, x: arctan_slope(x),
    formula=r"\arctan\left({0}\right)",
    numpy=(np.arctan,),
    extremes=((1e150,), (-1e308,)),
)


def softsign_forward(x: Any) -> Any:
    """x / (1 + |x|); at ±∞ its limits, not ∞/∞."""
    end = np.finfo(x.dtype).max
    x = np.minimum(np.maximum(x, -end), end)
    return x / (1 + np.abs(x))


softsign = Activation.define(
    "softsign",
    softsign_forward,
    # The square of the quotient: the quotient of the square would overflow.
    lambda out, x: np.square(1 / (1 + np.abs(x))),
    formula=r"\operatorname{{softsign}}\left({0}\right)",
    kinks=(0.0,),  # of the second derivative
    extremes=((1e308,), (-1e308,), (0.0,)),
    definition=lambda x: x / (1 + np.abs(x)),
)


def softplus_forward(x: Any, beta: Any = 1.0) -> Any:
    """log(1 + exp(βx)) / β, whose exp does not overflow."""
    if beta.__class__ is float and beta == 1:
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    x = beta * x
    return (np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))) / beta


def softplus_beta_slope(out: Any, x: Any, beta: Any) -> Any:
    """∂/∂β, which is even in x: −(softplus(−|βx|) + |βx| σ(−|βx|)) / β²."""
    size = np.abs(beta * x)
    fallen = bounded(size, low=0.0, high=800.0)
    return -(np.log1p(np.exp(-size)) + fallen * sigmoid(-fallen)) / (beta * beta)


softplus = Activation.define(
    "softplus",
    softplus_forward,
    (lambda out, x, beta: sigmoid(beta * x), softplus_beta_slope),
    formula=r"\operatorname{{softplus}}\left({0}\right)",
    domain=(REAL, (0.25, 4.0)),
    extremes=((1000.0, 1.0), (-1000.0, 1.0), (20.5, 1.0), (1e308, 1.0), (-1e308, 1.0)),
    definition=lambda x, beta: np.log(1 + np.exp(beta * x)) / beta,
)
log_sigmoid = Activation.define(
    "log_sigmoid",
    lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))),
    lambda out, x: sigmoid(-x),
    formula=r"\log\sigma\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (20.5,), (1e308,), (-1e308,)),
    definition=lambda x: np.log(sigmoid(x)),
)

# 2k / (2k + 1)! for k = 1, 2, …: the series of x cosh x − sinh x, all of its terms positive.
SHRINK_SERIES = tuple(2 * k / factorial(2 * k + 1) for k in range(1, 13))
SHRINK_BORDER = 1.5


def tanh_shrink_forward(x: Any) -> Any:
    """x − tanh(x); near 0, where that would cancel, (x cosh x − sinh x) / cosh x by its series."""
    out = np.asarray(x - np.tanh(x))
    near = np.flatnonzero(np.abs(x) < SHRINK_BORDER)
    if near.size:
        inner = np.take(x, near)
        square = inner * inner
        total = np.full_like(inner, SHRINK_SERIES[-1])
        for term in SHRINK_SERIES[-2::-1]:
            total = total * square + inner.dtype.type(term)
        np.put(out, near, total * square * inner / np.cosh(inner))
    return out


tanh_shrink = Activation.define(
    "tanh_shrink",
    tanh_shrink_forward,
    lambda out, x: np.square(np.tanh(x)),
    formula=r"\operatorname{{tanhshrink}}\left({0}\right)",
    extremes=((1e308,), (-1e308,), (1e-200,)),
    definition=lambda x: x - np.tanh(x),
)


def sine_forward(x: Any, omega: Any = 1.0) -> Any:
    """sin(ωx); NaN at ±∞, where it has no limit."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.sin(omega * x)


sine = Activation.define(
    "sine",
    sine_forward,
    (
        lambda out, x, omega: omega * np.cos(omega * x),
        lambda out, x, omega: x * np.cos(omega * x),
    ),
    formula=r"\sin\left({1} {0}\right)",
    domain=((-4.0, 4.0), (0.5, 2.0)),
    extremes=((1e15, 1.0), (0.0, 30.0)),
    definition=lambda x, omega: np.sin(omega * x),
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


def silu_forward(x: Any) -> Any:
    """x σ(x)."""
    if not x.size or x.item(x.argmin()) >= LEAST:
        return x / (1 + np.exp(-x))
    return with_tail(x, x / (1 + np.exp(-np.maximum(x, LEAST))))


def silu_slope(out: Any, x: Any) -> Any:
    """σ(x) (1 + x σ(−x)) by exp(x/2) alone; outside of the bounds it is 0 or 1, rounded."""
    x = bounded(x, low=-1500.0, high=60.0)
    root = np.exp(x / 2)
    rest = 1 / (1 + root * root)
    return (1 + x * rest) * rest * root * root


silu = Activation.define(
    "silu",
    silu_forward,
    silu_slope,
    formula=r"\operatorname{{SiLU}}\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (1e308,), (-1e308,)),
    definition=lambda x: x * sigmoid(x),
)


def swish_forward(x: Any, beta: Any = 1.0) -> Any:
    """x σ(βx)."""
    if beta.__class__ is float and beta == 1:
        return silu_forward(x)
    return x * sigmoid_forward(np.asarray(beta * x))


swish = Activation.define(
    "swish",
    swish_forward,
    (
        lambda out, x, beta: silu_slope(out, beta * x),
        lambda out, x, beta: x * sigmoid_slope(sigmoid(beta * x), beta * x) * x,
    ),
    formula=r"\operatorname{{swish}}\left({0}\right)",
    domain=(REAL, (0.25, 4.0)),
    extremes=((1000.0, 1.0), (-1000.0, 1.0), (1e308, 1.0), (-1e308, 1.0)),
    definition=lambda x, beta: x * sigmoid(beta * x),
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


def gelu_tanh_forward(x: Any) -> Any:
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
    definition=lambda x: np.exp(LINEAR / 2 * (x + 0.044715 * x**3)),
)


def gelu_tanh_slope(out: Any, x: Any) -> Any:
    """σ(2u) (1 + x 2u′ σ(−2u)) by exp(u) alone; outside of the bounds it is 0 or 1, rounded."""
    x = bounded(x, low=-40.0, high=8.0)
    root = gelu_root(x)
    rest = 1 / (1 + root * root)
    return (1 + x * (LINEAR + 3 * CUBIC * x * x) * rest) * rest * root * root


def gelu_tanh_definition(x: Any) -> Any:
    """As Hendrycks and Gimpel, and the article, write it."""
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


# Each form as (forward, slope, definition).
GELU_FORMS: dict[str, tuple[Any, Any, Any]] = {
    "tanh": (gelu_tanh_forward, gelu_tanh_slope, gelu_tanh_definition),
}


def gelu_form(approximate: str, part: int) -> Any:
    """The forward (0), slope (1) or definition (2) of a form of GELU."""
    if approximate not in GELU_FORMS:
        raise ValueError(f'gelu has approximate="tanh" or "none", not {approximate!r}')
    return GELU_FORMS[approximate][part]


gelu = Activation.define(
    "gelu",
    lambda x, *, approximate="tanh": gelu_form(approximate, 0)(x),
    lambda out, x, approximate="tanh": gelu_form(approximate, 1)(out, x),
    formula=r"\operatorname{{GELU}}\left({0}\right)",
    extremes=((1e308,), (-1e308,), (30.0,), (-30.0,)),
    cases=[(((3,),), {"approximate": form}) for form in GELU_FORMS],
    definition=lambda x, approximate="tanh": gelu_form(approximate, 2)(x),
)
# The second article defines it as GELU itself; the literature knows no other.
leaky_gelu = Activation.define(
    "leaky_gelu",
    gelu_tanh_forward,
    gelu_tanh_slope,
    formula=r"\operatorname{{LeakyGELU}}\left({0}\right)",
    extremes=((1e308,), (-1e308,), (30.0,), (-30.0,)),
    definition=gelu_tanh_definition,
)


def mish_forward(x: Any) -> Any:
    """x tanh(softplus(x)); with v = exp(−x) it is x / (v + (1 + v) / (1 + 2v))."""
    near = x if not x.size or x.item(x.argmin()) >= LEAST else np.maximum(x, LEAST)
    v = np.exp(-near)
    out = near / (v + (1 + v) / (1 + 2 * v))
    return out if near is x else with_tail(x, out)


def mish_slope(out: Any, x: Any) -> Any:
    """gate + x gate′ by exp(x/2) alone; outside of the bounds it is 0 or 1, rounded."""
    x = bounded(x, low=-1500.0, high=40.0)
    root = np.exp(x / 2)
    w = root * root
    rest = 2 / (w * (w + 2) + 2)  # 1 − gate
    return ((w + 2) / 2 + x * ((w + 1) * rest)) * rest * root * root


mish = Activation.define(
    "mish",
    mish_forward,
    mish_slope,
    formula=r"\operatorname{{mish}}\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (1e308,), (-1e308,)),
    definition=lambda x: x * np.tanh(softplus(x)),
)
