"""Smooth activations: the sigmoids, and the gated ones that are x times a sigmoid.

Forwards and partials hold in the tails: a saturated entry's tiny derivative is exact, because
vanishing gradients are made of such numbers.
"""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np

from ..engine.blocks import blockwise
from ..engine.operation import REAL, ThroughOutput, define_elementwise
from ..ops.selection import bounded
from ..ops.special import gelu_exact_forward, gelu_exact_slope, normal_cdf
from ..ops.tails import MANY, amended, far_out, greatest
from ..ops.trigonometry import FEW, aligned, arctan_slope, sech_squared, sech_squared_through
from .record import Activation

# exp(−x) overflows below −88 in float32.
LEAST = -87


def scaled(factor: Any, x: Any) -> Any:
    """The product; x itself, in no time, where the factor is left at its default, the number 1."""
    return x if factor.__class__ is float and factor == 1 else factor * x


def steep(factor: Any, x: Any) -> Any:
    """The product, for a slope that has long been constant where the product would overflow."""
    product = scaled(factor, x)
    return product if product is x else bounded(product, low=-1e4, high=1e4)


def far_sigmoid(x: Any) -> Any:
    """1 / (1 + exp(−x)), in the form whose exp does not overflow."""
    tail = np.exp(-np.abs(x))
    return np.where(x > 0, 1, tail) / (1 + tail)


@blockwise
@far_out(far_sigmoid)
def sigmoid_forward(x: Any, into: Any = None) -> Any:
    """1 / (1 + exp(−x))."""
    power = np.exp(-x)
    power += 1.0  # NumPy takes longer to read a whole number
    return np.divide(1.0, power, into)


def far_sigmoid_slope(x: Any) -> Any:
    """σ(x) (1 − σ(x)), in the form whose exp does not overflow."""
    tail = np.exp(-np.abs(x))
    return tail / np.square(1 + tail)


@blockwise
@far_out(far_sigmoid_slope)
def sigmoid_slope_forward(x: Any, into: Any = None) -> Any:
    """σ(x) (1 − σ(x)) by exp alone, whose digits do not cancel."""
    power = np.exp(-x)
    total = 1 + power
    total *= total
    return np.divide(power, total, out=into)


sigmoid_slope = define_elementwise(
    "sigmoid_slope",
    sigmoid_slope_forward,
    lambda out, x: -out * np.tanh(x / 2),
    formula=r"\sigma'\left({0}\right)",
    extremes=((40.0,), (-1000.0,), (1e308,), (-1e308,)),
    definition=lambda x: sigmoid(x) * (1 - sigmoid(x)),
)


def sigmoid_slope_through(s: Any, x: Any) -> Any:
    """s(1 − s) for s = sigmoid(x), from x where 1 − s would cancel."""
    if getattr(s, "shape", None) != getattr(x, "shape", ()):
        s = aligned(s, x)
    if s.size <= FEW:
        tail = np.exp(np.copysign(x, -1.0))
        total = 1.0 + tail
        return tail / (total * total)
    if s.size < MANY and greatest(s) < 0.999:
        return s * (1.0 - s)
    return sigmoid_slope_forward(x)


sigmoid: Activation = Activation.define(
    "sigmoid",
    sigmoid_forward,
    ThroughOutput(lambda out, x: sigmoid_slope(x), sigmoid_slope_through, lambda s, x: s * (1 - s)),
    formula=r"\sigma\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (40.0,), (1e308,), (-1e308,)),
    definition=lambda x: 1 / (1 + np.exp(-x)),
)
tanh = Activation.define(
    "tanh",
    np.tanh,
    ThroughOutput(lambda out, x: sech_squared(x), sech_squared_through, lambda y, x: 1 - y**2),
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


def far_softsign(x: Any) -> Any:
    """x / (1 + |x|) with its limits at ±∞."""
    end = np.finfo(x.dtype).max
    x = np.minimum(np.maximum(x, -end), end)
    return x / (1 + np.abs(x))


@blockwise
@far_out(far_softsign)
def softsign_forward(x: Any, into: Any = None) -> Any:
    """x / (1 + |x|)."""
    size = np.abs(x)
    size += 1
    return np.divide(x, size, out=into)


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


def far_log1p_exp(x: Any) -> Any:
    """log(1 + exp(x)), in the form whose exp does not overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@far_out(far_log1p_exp)
def log1p_exp(x: Any, into: Any = None) -> Any:
    """log(1 + exp(x))."""
    power = np.exp(x, out=into)
    return np.log1p(power, out=into)


@blockwise
def softplus_forward(x: Any, beta: Any = 1.0, into: Any = None) -> Any:
    """log(1 + exp(βx)) / β."""
    inner = scaled(beta, x)
    return log1p_exp(x, into=into) if inner is x else log1p_exp(inner) / beta


def softplus_beta_slope(out: Any, x: Any, beta: Any) -> Any:
    """∂/∂β: −(σ(z) log(1 + exp(−z)) + σ(−z) log(1 + exp(z))) / β² with z = βx, nothing cancels."""
    z = bounded(beta * x, low=-800.0, high=800.0)
    return -(sigmoid(z) * softplus(-z) + sigmoid(-z) * softplus(z)) / beta / beta


softplus = Activation.define(
    "softplus",
    softplus_forward,
    (lambda out, x, beta: sigmoid(scaled(beta, x)), softplus_beta_slope),
    formula=r"\operatorname{{softplus}}\left({0}\right)",
    domain=(REAL, (0.25, 4.0)),
    extremes=((1000.0, 1.0), (-1000.0, 1.0), (20.5, 1.0), (1e308, 1.0), (-1e308, 1.0)),
    definition=lambda x, beta: np.log(1 + np.exp(beta * x)) / beta,
)


@blockwise
def log_sigmoid_forward(x: Any, into: Any = None) -> Any:
    """log(1 / (1 + exp(−x)))."""
    return np.negative(log1p_exp(-x), out=into)


log_sigmoid = Activation.define(
    "log_sigmoid",
    log_sigmoid_forward,
    lambda out, x: sigmoid(-x),
    formula=r"\log\sigma\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (20.5,), (1e308,), (-1e308,)),
    definition=lambda x: np.log(sigmoid(x)),
)

# 2k / (2k + 1)! for k = 1, 2, …: the series of x cosh x − sinh x, all of its terms positive.
SHRINK_SERIES = tuple(2 * k / factorial(2 * k + 1) for k in range(1, 13))
# Below these so many digits cancel in x − tanh(x), computed in float64, that the result shows it.
SHRINK_BORDER, SHRINK_BORDER_SINGLE = 1.5, 1e-3


def near_tanh_shrink(x: Any) -> Any:
    """(x cosh x − sinh x) / cosh x by its series."""
    square = x * x
    total = np.full_like(x, SHRINK_SERIES[-1])
    for term in SHRINK_SERIES[-2::-1]:
        total = total * square + term
    return total * square * x / np.cosh(x)


@blockwise
def tanh_shrink_forward(x: Any, into: Any = None) -> Any:
    """x − tanh(x), computed in float64; near 0 by its series."""
    x = x.astype(np.result_type(x, 0.0), copy=False)  # of integers float64
    border = SHRINK_BORDER_SINGLE if x.dtype == np.float32 else SHRINK_BORDER
    out = (x - np.tanh(x, dtype=np.float64)).astype(x.dtype)
    return amended(out, np.abs(x) < border, near_tanh_shrink, x)


tanh_squared = define_elementwise(
    "tanh_squared",
    lambda x: np.square(np.tanh(x)),
    lambda out, x: 2 * np.tanh(x) * sech_squared(x),
    formula=r"\tanh^2\left({0}\right)",
    extremes=((1e308,), (-1e308,)),
    definition=lambda x: np.tanh(x) ** 2,
)
tanh_shrink = Activation.define(
    "tanh_shrink",
    tanh_shrink_forward,
    lambda out, x: tanh_squared(x),
    formula=r"\operatorname{{tanhshrink}}\left({0}\right)",
    extremes=((1e308,), (-1e308,), (1e-200,)),
    definition=lambda x: x - np.tanh(x),
)


def sine_forward(x: Any, omega: Any = 1.0) -> Any:
    """sin(ωx); NaN at ±∞, where it has no limit."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.sin(scaled(omega, x))


sine = Activation.define(
    "sine",
    sine_forward,
    (
        lambda out, x, omega: scaled(omega, np.cos(scaled(omega, x))),
        lambda out, x, omega: x * np.cos(scaled(omega, x)),
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


def gated_tail(x: Any) -> Any:
    """x exp(x): what a gated x is below LEAST, in all its digits."""
    x = np.maximum(x, -1000)  # −∞ · 0 is the limit 0, not NaN
    return times_exp(x, x)


def far_silu(x: Any) -> Any:
    """x σ(x), which is x exp(x) where exp(−x) overflows."""
    out = x / (1 + np.exp(-np.maximum(x, LEAST)))
    return amended(out, x < LEAST, gated_tail, x)


@blockwise
@far_out(far_silu)
def silu_forward(x: Any, into: Any = None) -> Any:
    """x σ(x)."""
    power = np.exp(-x)
    power += 1
    return np.divide(x, power, out=into)


def far_silu_slope(x: Any) -> Any:
    """σ(x) (1 + x σ(−x)) by exp(x/2) alone; outside of the bounds it is 0 or 1, rounded."""
    x = np.minimum(np.maximum(x, -1500), 60)
    root = np.exp(x / 2)
    rest = 1 / (1 + root * root)
    return (1 + x * rest) * rest * root * root


@blockwise
@far_out(far_silu_slope)
def silu_slope_forward(x: Any, into: Any = None) -> Any:
    """σ(x) (1 + x σ(−x)) = (1 + (1 + x) exp(−x)) / (1 + exp(−x))²."""
    power = np.exp(-x)
    slope = np.add(1, x, out=into)
    slope *= power
    slope += 1
    power += 1
    power *= power
    slope /= power
    return slope


def silu_bend(out: Any, x: Any) -> Any:
    """σ′(x) (2 − x tanh(x/2)) with σ′(x) = 1 / (exp(x/2) + exp(−x/2))², in float64 on the way."""
    x = bounded(x, low=-1400.0, high=1400.0).astype(np.float64)
    root = np.exp(x / 2)
    total = root + 1 / root
    return (2 - x * np.tanh(x / 2)) / total / total


silu_slope = define_elementwise(
    "silu_slope",
    silu_slope_forward,
    silu_bend,
    formula=r"\operatorname{{SiLU}}'\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (1e308,), (-1e308,)),
    definition=lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
)
silu = Activation.define(
    "silu",
    silu_forward,
    lambda out, x: silu_slope(x),
    formula=r"\operatorname{{SiLU}}\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (1e308,), (-1e308,)),
    definition=lambda x: x * sigmoid(x),
)


@blockwise
def swish_forward(x: Any, beta: Any = 1.0, into: Any = None) -> Any:
    """x σ(βx)."""
    inner = scaled(beta, x)
    return silu_forward(x) if inner is x else np.multiply(x, sigmoid_forward(inner), out=into)


swish = Activation.define(
    "swish",
    swish_forward,
    (
        lambda out, x, beta: silu_slope(steep(beta, x)),
        lambda out, x, beta: x * sigmoid_slope(steep(beta, x)) * x,
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
        return x * (LINEAR + CUBIC * (x * x)), 0.0
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


def gelu_power(x: Any, single: bool) -> Any:
    """exp(−2u) for float64 numbers, right in the last places, be they `single`'s."""
    if single:
        power = x * x
        power *= -CUBIC
        power -= LINEAR
        power *= x
        return np.exp(power)
    exponent, rest = gelu_exponent(x)
    power = np.exp(-exponent)
    return power - power * rest


def rounded(out: Any, like: Any, into: Any) -> Any:
    """`out` in the dtype of `like`, of integers float64; in `into` if that is an array."""
    if into is None:
        return out.astype(np.result_type(like, 0.0), copy=False)
    into[...] = out
    return into


def gelu_tail(x: Any) -> Any:
    """x exp(2u), to the last places."""
    x = np.maximum(x, -40)  # −∞ · 0 is the limit 0, not NaN
    exponent, rest = gelu_exponent(x)
    tail = times_exp(x, exponent)
    return tail + tail * rest


def far_gelu(x: Any) -> Any:
    """x σ(2u), which is x exp(2u) where exp(−2u) overflows, and x beyond 40, rounded."""
    near = np.minimum(np.maximum(x, -9), 40).astype(np.float64)
    out = rounded(x / (1 + gelu_power(near, single=False)), x, None)
    return amended(out, x < -9, gelu_tail, x)


@blockwise
@far_out(far_gelu)
def gelu_tanh_forward(x: Any, into: Any = None) -> Any:
    """x σ(2u), in float64 on the way."""
    out = x.astype(np.float64)
    power = gelu_power(out, x.dtype == np.float32)
    power += 1
    out /= power
    return rounded(out, x, into)


def gelu_root_forward(x: Any) -> Any:
    """exp(u), which is 0 from far before −40 on."""
    exponent, rest = gelu_exponent(np.maximum(x, -40))
    root = np.exp(exponent / 2)
    return (root + root * (rest / 2)).astype(x.dtype)


gelu_root = define_elementwise(
    "gelu_root",
    gelu_root_forward,
    lambda out, x: out * (LINEAR / 2 + 3 * CUBIC / 2 * np.square(bounded(x, low=-40.0, high=40.0))),
    formula=r"\exp\left(\sqrt{{2/\pi}}\left({0} + 0.044715\,{0}^3\right)\right)",
    domain=(-20.0, 8.0),
    extremes=((-40.0,), (8.0,)),
    definition=lambda x: np.exp(LINEAR / 2 * (x + 0.044715 * x**3)),
)


def far_gelu_slope(x: Any) -> Any:
    """By exp(u), which is squared last."""
    x = np.minimum(np.maximum(x, -40), 8)
    root = gelu_root_forward(x)
    rest = 1 / (1 + root * root)
    return (1 + x * (LINEAR + 3 * CUBIC * (x * x)) * rest) * rest * root * root


@blockwise
@far_out(far_gelu_slope)
def gelu_tanh_slope_forward(x: Any, into: Any = None) -> Any:
    """σ(2u) (1 + x 2u′ σ(−2u)) with σ(−2u) = exp(−2u) σ(2u), in float64 on the way."""
    single = x.dtype == np.float32
    x = x.astype(np.float64)
    power = gelu_power(x, single)
    gate = 1 / (1 + power)
    slope = x * x
    slope *= 3 * CUBIC
    slope += LINEAR
    slope *= x
    power *= gate
    slope *= power
    slope += 1
    slope *= gate
    return slope.astype(np.float32) if single else slope


# It keeps exp(2|u|) finite, and changes no digit.
SCALE = 2.0**-100


def gelu_tanh_bend(out: Any, x: Any) -> Any:
    """σ′(2u) (2 (2u)′ + x ((2u)″ − (2u)′² tanh u)), in float64 on the way.

    σ′(2u) is 1 / (exp(u) + exp(−u))², and that 4 + (exp(u) − exp(−u))², which is rounded less.
    """
    x = bounded(x, low=-22.0, high=22.0).astype(np.float64)
    square = x * x
    first, second = LINEAR + 3 * CUBIC * square, 6 * CUBIC * x
    inner = 2 * first + x * (second - first * first * np.tanh(x * (LINEAR + CUBIC * square) / 2))
    root = gelu_root(x)
    gap = SCALE * root - SCALE / root
    return SCALE * SCALE * inner / (4 * SCALE * SCALE + gap * gap)


def gelu_tanh_definition(x: Any) -> Any:
    """As Hendrycks and Gimpel, and the article, write it."""
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_tanh_slope_definition(x: Any) -> Any:
    """The product rule's, with 1 − tanh² for the derivative of tanh."""
    gate = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    steepness = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
    return (1 + gate) / 2 + x / 2 * (1 - gate**2) * steepness


gelu_tanh_derivative = define_elementwise(
    "gelu_tanh_derivative",
    gelu_tanh_slope_forward,
    gelu_tanh_bend,
    formula=r"\operatorname{{GELU}}'\left({0}\right)",
    extremes=((1e308,), (-1e308,), (30.0,), (-30.0,)),
    definition=gelu_tanh_slope_definition,
)


def gelu_tanh_slope(out: Any, x: Any) -> Any:
    """The rule of GELU's tanh form."""
    return gelu_tanh_derivative(x)


# Each form as (forward, slope, definition).
GELU_FORMS: dict[str, tuple[Any, Any, Any]] = {
    "tanh": (gelu_tanh_forward, gelu_tanh_slope, gelu_tanh_definition),
    "none": (gelu_exact_forward, gelu_exact_slope, lambda x: x * normal_cdf(x)),
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


def far_mish(x: Any) -> Any:
    """x tanh(softplus(x)), which is x exp(x) where exp(−x) overflows."""
    power = np.exp(-np.maximum(x, LEAST))
    out = x / (power + (1 + power) / (1 + 2 * power))
    return amended(out, x < LEAST, gated_tail, x)


@blockwise
@far_out(far_mish)
def mish_forward(x: Any, into: Any = None) -> Any:
    """x tanh(softplus(x)), which is x / (v + (1 + v) / (1 + 2v)) for v = exp(−x)."""
    power = np.exp(-x)
    quotient = power + 1
    quotient /= 2 * power + 1
    quotient += power
    return np.divide(x, quotient, out=into)


def far_mish_slope(x: Any) -> Any:
    """gate + x gate′ by exp(x/2) alone; outside of the bounds it is 0 or 1, rounded."""
    x = np.minimum(np.maximum(x, -1500), 40)
    root = np.exp(x / 2)
    w = root * root
    rest = 2 / (w * (w + 2) + 2)
    return ((w + 2) / 2 + x * ((w + 1) * rest)) * rest * root * root


@blockwise
@far_out(far_mish_slope)
def mish_slope_forward(x: Any, into: Any = None) -> Any:
    """gate + x gate′ = ((1 + 2v) d + 4 x v² (1 + v)) / d² for v = exp(−x) and d = 1 + 2v + 2v²."""
    power = np.exp(-x)
    slope = 1 + power
    power *= 2
    square = power * power  # 4v²
    slope *= square
    slope *= x
    power += 1
    square *= 0.5
    square += power
    power *= square
    slope += power
    square *= square
    return np.divide(slope, square, out=into)


def mish_bend(out: Any, x: Any) -> Any:
    """4w/d² (2 (w + 1) + x (1 − 2w + 4w/d)) with w = exp(x) and d = w² + 2w + 2, by √w and d/√w.

    In float64 on the way.
    """
    x = bounded(x, low=-1400.0, high=400.0).astype(np.float64)
    root = np.exp(x / 2)
    w = root * root
    total = root * (w + 2) + 2 / root
    return 4 * (2 * (w + 1) + x * (1 - 2 * w + 4 * root / total)) / total / total


mish_slope = define_elementwise(
    "mish_slope",
    mish_slope_forward,
    mish_bend,
    formula=r"\operatorname{{mish}}'\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (1e308,), (-1e308,)),
    definition=lambda x: np.tanh(softplus(x)) + x * (1 - np.tanh(softplus(x)) ** 2) * sigmoid(x),
)
mish = Activation.define(
    "mish",
    mish_forward,
    lambda out, x: mish_slope(x),
    formula=r"\operatorname{{mish}}\left({0}\right)",
    extremes=((1000.0,), (-1000.0,), (1e308,), (-1e308,)),
    definition=lambda x: x * np.tanh(softplus(x)),
)
