"""Records of what rounds, divides with a remainder, or takes signs: all have jumps or corners."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.dispatch import implements
from ..engine.operation import REAL, define_elementwise, plain

# Where jumps are not dense for the size of the numbers: differences would see slopes across them.
AROUND_0, DIVISORS = (-8.0, 8.0), (0.5, 8.0)


def beside_an_integer(x: Any) -> Any:
    """0 where x is a whole number; else how far it is from one."""
    return x - np.rint(x)


floor = define_elementwise(
    "floor",
    np.floor,
    0,
    formula=r"\left\lfloor {0} \right\rfloor",
    domain=AROUND_0,
    kinks=(beside_an_integer,),
    numpy=(np.floor,),
    extremes=((0.0,), (1e308,)),
)
ceil = define_elementwise(
    "ceil",
    np.ceil,
    0,
    formula=r"\left\lceil {0} \right\rceil",
    domain=AROUND_0,
    kinks=(beside_an_integer,),
    numpy=(np.ceil,),
    extremes=((0.0,), (1e308,)),
)
trunc = define_elementwise(
    "trunc",
    np.trunc,
    0,
    formula=r"\operatorname{{trunc}}\left({0}\right)",
    domain=AROUND_0,
    kinks=(beside_an_integer,),
    numpy=(np.trunc, np.fix),
    extremes=((0.0,), (1e308,)),
)
rint = define_elementwise(
    "rint",
    np.rint,
    0,
    formula=r"\operatorname{{rint}}\left({0}\right)",
    domain=AROUND_0,
    kinks=(lambda x: x - np.floor(x) - 0.5,),
    numpy=(np.rint,),
    extremes=((0.5,), (1e308,)),
)


@implements(np.round, np.around)
def rounded(a: Any, decimals: int = 0) -> Any:
    """To so many decimals, halves to the even neighbour; the derivative is 0."""
    if not decimals:
        return np.rint(a)
    scale = 10.0 ** abs(decimals)
    return np.rint(a * scale) / scale if decimals > 0 else np.rint(a / scale) * scale


@implements(np.modf)
def modf(x: Any) -> tuple[Any, Any]:
    """The fractional part, whose derivative is 1, and the integral part, both with x's sign."""
    return np.fmod(np.where(np.isinf(x), np.copysign(0.0, x), x), 1.0), np.trunc(x)


def beside_a_multiple(a: Any, b: Any) -> Any:
    """0 where the first is a multiple of the second.

    Else how far a is from one, or b from where it would be one, if that is less. 0 too where b is
    0, and there is no quotient.
    """
    with np.errstate(all="ignore"):
        turns = np.divide(a, b)
        apart = np.abs(turns - np.rint(turns)) * np.abs(b)
        return np.where(np.isfinite(turns), apart * np.minimum(1, np.abs(np.divide(b, a))), 0.0)


# np.remainder has the sign of the divisor, np.fmod that of the dividend.
floor_divide = define_elementwise(
    "floor_divide",
    np.floor_divide,
    (0, 0),
    formula=r"\left\lfloor \frac{{{0}}}{{{1}}} \right\rfloor",
    domain=(AROUND_0, DIVISORS),
    kinks=(beside_a_multiple,),
    numpy=(np.floor_divide,),
    extremes=((1e308, 3.0), (-1e-300, 1e300)),
)
remainder = define_elementwise(
    "remainder",
    np.remainder,
    (1, lambda out, a, b: -np.floor_divide(a, b)),
    formula=r"{0} \bmod {1}",
    domain=(AROUND_0, DIVISORS),
    kinks=(beside_a_multiple,),
    numpy=(np.remainder,),
    extremes=((1e308, 3.0), (-1e-300, 1e300)),
)
fmod = define_elementwise(
    "fmod",
    np.fmod,
    # The truncated quotient: of a / b itself rounding could make the next integer.
    (1, lambda out, a, b: -np.rint((a - out) / b)),
    formula=r"\operatorname{{fmod}}\left({0}, {1}\right)",
    domain=(AROUND_0, DIVISORS),
    kinks=(beside_a_multiple,),
    numpy=(np.fmod,),
    extremes=((1e308, 3.0), (-1e-300, 1e300)),
)


@implements(np.divmod)
def divided(x1: Any, x2: Any) -> tuple[Any, Any]:
    """The floored quotient and the remainder."""
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


copysign = define_elementwise(
    "copysign",
    np.copysign,
    (lambda out, a, b: np.sign(a) * np.copysign(1.0, b), 0),
    formula=r"\left|{0}\right| \operatorname{{sign}}\left({1}\right)",
    domain=(REAL, REAL),
    kinks=(0.0, lambda a, b: b),
    numpy=(np.copysign,),
    extremes=((0.0, 1.0), (1e308, -1e308)),
)
heaviside = define_elementwise(
    "heaviside",
    np.heaviside,
    (0, lambda out, x, at_zero: x == 0),
    formula=r"\operatorname{{H}}\left({0}, {1}\right)",
    domain=(REAL, REAL),
    kinks=(0.0,),
    numpy=(np.heaviside,),
    extremes=((0.0, 0.5), (1e308, 0.0)),
)


@implements(np.ldexp)
def ldexp(x1: Any, x2: Any) -> Any:
    """x1 · 2^x2 for integers x2, which are constants."""
    exponent = plain(x2)
    # In two steps: 2^x2 alone may overflow where x1 · 2^x2 does not.
    half = np.floor_divide(exponent, 2)
    one = np.ones((), np.result_type(x1))
    return x1 * np.ldexp(one, half) * np.ldexp(one, exponent - half)
