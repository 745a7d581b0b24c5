"""Arrays of numbers with as many digits as are asked for, on which NumPy's functions work.

`lift` makes one of an array of floats, which it takes as exactly as they are. As with floats, what
has no real value is NaN, and a division by zero is infinite: nothing raises, nothing is complex.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any

import numpy as np

from ..errors import ConversionError

# The functions of NumPy that mpmath has, mostly by the same name.
UNARY = {
    **{name: name for name in ("exp", "expm1", "log", "log1p", "log10", "sqrt", "sign")},
    **{name: name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "floor", "ceil")},
    **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{"rint": "nint", "degrees": "degrees", "radians": "radians"},
}
BINARY = {
    "divide",
    "power",
    "float_power",
    "logaddexp",
    "logaddexp2",
    "hypot",
    "arctan2",
    "copysign",
    "heaviside",
    "floor_divide",
    "remainder",
    "fmod",
    "fmax",
    "fmin",
    "sinc_derivative",
}
# Beyond these exp is infinite or 0 for all purposes; its exponent would not fit into any memory.
LARGEST_POWER = 10**400
# Where z² is beyond this, exp(−z²) is 0 for all purposes, and no float is the root of it.
FAR = 801


class Exact(np.ndarray[Any, Any]):
    """An array of mpmath's numbers; a single one is a 0-d array."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "at":  # the one that writes into its operand
            array, index, *others = inputs
            return ufunc.at(array.view(np.ndarray), index, *map(bare, others))
        target = options.pop("out", None)
        given = [bare(item) for item in inputs]
        known = functions().get(ufunc.__name__) if method == "__call__" else None
        out = wrapped(known(*given) if known else getattr(ufunc, method)(*given, **options))
        if target is None:
            return out
        target[0][...] = out
        return target[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        out = super().__array_function__(function, types, args, kwargs)
        return lift(out) if isinstance(out, np.ndarray) and out.dtype == object else wrapped(out)

    def __getitem__(self, index: Any) -> Any:
        return wrapped(super().__getitem__(index))

    def __setitem__(self, index: Any, item: Any) -> None:
        super().__setitem__(index, bare(item)[()])

    def __iter__(self) -> Iterator[Any]:
        return (self[position] for position in range(len(self)))

    def astype(self, dtype: Any, *others: Any, **options: Any) -> Any:
        """Itself for floats: digits are what it is made for."""
        return self if np.dtype(dtype).kind == "f" else super().astype(dtype, *others, **options)


@cache
def context() -> Any:
    """mpmath's functions, with numbers of their own class.

    Raises `ImportError` where mpmath is missing.
    """
    try:
        import mpmath
    except ImportError:
        raise ImportError(
            'precision="exact" computes with mpmath, which is missing; '
            'run: pip install "tinygrad_edu[verify]"'
        ) from None
    made = mpmath.MPContext()

    def refuse(number: Any) -> float:
        raise ConversionError(
            "a number of 50 digits is not a float; write np.exp(x) in place of math.exp(x), and "
            "np.where or np.stack in place of writing into an array of floats"
        )

    made.mpf.__float__ = refuse
    return made


@cache
def functions() -> dict[str, Callable[..., Any]]:
    """What NumPy's functions do entry by entry, by their names, and the records' that have none."""
    ctx = context()
    real = ctx.mpf
    raised, divided = real.__pow__, real.__truediv__

    def exp(x: Any) -> Any:
        if abs(x) > LARGEST_POWER:
            return ctx.inf if x > 0 else ctx.zero
        return ctx.exp(x)

    def divide(a: Any, b: Any) -> Any:
        return a * ctx.inf if b == 0 else divided(a, b)  # 0 · ∞ is NaN

    def power(a: Any, b: Any) -> Any:
        return ctx.inf if a == 0 and b < 0 else raised(a, b)

    def logaddexp(a: Any, b: Any) -> Any:
        return max(a, b) + ctx.log1p(exp(-abs(a - b)))

    def logaddexp2(a: Any, b: Any) -> Any:
        return logaddexp(a * ctx.ln2, b * ctx.ln2) / ctx.ln2

    def trunc(x: Any) -> Any:
        return ctx.floor(x) if x > 0 else ctx.ceil(x)

    def sinc_derivative(x: Any, order: Any) -> Any:
        k, z = int(order), x * ctx.pi
        if abs(z) > k + 1:
            sine, cosine = ctx.cos_sin(z)[::-1]
            waves = (sine, cosine, -sine, -cosine)
            out = sine / z
            for j in range(1, k + 1):
                out = (waves[j % 4] - j * out) / z
        else:
            # The integral of tᵏ cos⁽ᵏ⁾(z t) from 0 to 1, power by power.
            n = k % 2
            power = (-1) ** ((k + n) // 2) * z**n
            out = part = power / (k + n + 1)
            while n <= k or abs(part) > ctx.eps * abs(out):
                n += 2
                power *= -z * z / (n * (n - 1))
                part = power / (k + n + 1)
                out += part
        return out * ctx.pi**k

    def erf(x: Any) -> Any:
        return ctx.sign(x) if x * x > FAR else ctx.erf(x)

    def normal_cdf(x: Any) -> Any:
        return real(x > 0) if x * x > 2 * FAR else ctx.ncdf(x)

    table: dict[str, Callable[..., Any]] = {
        **{name: getattr(ctx, theirs) for name, theirs in UNARY.items()},
        "exp": exp,
        "exp2": lambda x: power(ctx.mpf(2), x),
        "cbrt": lambda x: ctx.sign(x) * ctx.cbrt(abs(x)),
        "log2": lambda x: ctx.log(x, 2),
        "reciprocal": lambda x: divide(ctx.one, x),
        "divide": divide,
        "power": power,
        "float_power": power,
        "logaddexp": logaddexp,
        "logaddexp2": logaddexp2,
        "trunc": trunc,
        "floor_divide": lambda a, b: ctx.floor(divide(a, b)),
        "remainder": lambda a, b: a - b * ctx.floor(divided(a, b)),
        "fmod": lambda a, b: a - b * trunc(divided(a, b)),
        "fmax": lambda a, b: max(a, b) if a == a and b == b else a if a == a else b,
        "fmin": lambda a, b: min(a, b) if a == a and b == b else a if a == a else b,
        "sinc_derivative": sinc_derivative,
        "hypot": ctx.hypot,
        "arctan2": ctx.atan2,
        "copysign": lambda a, b: abs(a) if b >= 0 else -abs(a),
        "heaviside": lambda a, b: b if a == 0 else real(a > 0),
        "erf": erf,
        "normal_cdf": normal_cdf,
    }

    def checked(function: Callable[..., Any]) -> Callable[..., Any]:
        def result(*numbers: Any) -> Any:
            try:
                out = function(*map(ctx.convert, numbers))
            except (ArithmeticError, ValueError):
                return ctx.nan
            return out if out.__class__ is real else ctx.nan

        return result

    def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
        # Most entries of an array are the same from one run to the next.
        @lru_cache(maxsize=4096)
        def result(parts: Any, precision: int) -> Any:
            return function(ctx.make_mpf(parts))

        return lambda number: result(ctx.convert(number)._mpf_, ctx.prec)

    whole = {}
    for name, function in table.items():
        safe = checked(function)
        safe = safe if name in BINARY else remembered(safe)
        whole[name] = np.frompyfunc(safe, 2 if name in BINARY else 1, 1)
        setattr(real, name, safe)  # for plain object arrays, as np.asarray makes them
    real.__truediv__ = checked(divide)
    real.__rtruediv__ = checked(lambda b, a: divide(a, b))
    real.__pow__ = checked(power)
    real.__rpow__ = checked(lambda b, a: power(a, b))
    for name in ("isnan", "isinf", "isfinite"):
        whole[name] = truth(getattr(ctx, name))
    whole["signbit"] = truth(lambda x: x < 0)
    return whole


def truth(test: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A question put to every entry."""
    ask = np.frompyfunc(test, 1, 1)
    return lambda numbers: np.asarray(ask(numbers)).astype(bool)[()]


def bare(item: Any) -> Any:
    """What a function of NumPy is given for an operand: numbers of the same class throughout."""
    array = np.asarray(item)
    return lift(array).view(np.ndarray) if array.dtype.kind in "fO" else array


def wrapped(out: Any) -> Any:
    """What NumPy made of it as an array, if it consists of such numbers."""
    if isinstance(out, np.ndarray):
        return out.view(Exact) if out.dtype == object else out
    return lift(out) if out.__class__ is context().mpf else out


def lift(data: Any) -> Any:
    """The same numbers, each with all of the digits: an object array."""
    functions()
    ctx = context()
    # np.empty fills arrays of objects with None.
    convert = np.frompyfunc(lambda x: ctx.zero if x is None else ctx.convert(x), 1, 1)
    out = convert(np.asarray(data))
    return np.asarray(out, dtype=object).view(Exact)


def nearest(number: Any) -> float:
    """The float64 number next to one of these; ±∞ beyond the largest."""
    from mpmath.libmp import to_float

    return float(to_float(number._mpf_, rnd="n"))
