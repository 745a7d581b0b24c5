"""The judges of records at any float64 numbers: values and slopes in units in the last place,
second and third derivatives and `te.jvp` by their first nine digits. Rules are given nothing: what
is true is known from values with up to 1900 digits, see `exactly.py` and `te.check`.

A point is left out only where the true value or the true derivative is none that float64 holds.
What else is allowed stands in `ALLOWED`, by name and with a reason: no record can ask for it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_edu as te
from tests.ops.checks import weights
from tests.ops.exactly import Truth, along, truth
from tinygrad_edu.check import exact
from tinygrad_edu.check.formulas import Function
from tinygrad_edu.check.numbers import context, nearest
from tinygrad_edu.check.samples import Call, apply, arguments, distances
from tinygrad_edu.engine.operation import Case, Operation

# Units in the last place. A slope is a product or a quotient of several rounded factors.
VALUE_UNITS, SLOPE_UNITS = 4, 16
EPSILON = 2.0**-52
FLOOR = 2.0**-1022  # the smallest number that float64 holds in all digits
# Of second and third derivatives: a share of themselves, and of the lower ones they are made of.
SHARE, CARRIED = 1e-9, 16 * EPSILON
LOST = 1e-130  # what squares and reciprocals of the terms of third derivatives leave of them
TAIL = 1e-3
CHANGE = 2.0**-40  # of an argument, to see what one in its last place does
LARGE = (1e290, 1e290, 1e150)  # the products they are sums of may be larger than they are


@dataclass(frozen=True)
class Allowance:
    """What a record is excused from, and why.

    `meant` says at which points the function is the one that the record is named for. `rounded`
    are arguments that go into a product or difference which is rounded: a change in their last
    place is forgiven. `units` are for value and slope. Slopes may be four units of `largest` off,
    unless they are less than a thousandth of it and |x| is beyond `crossing`; values within it four
    of `value`. Second and third derivatives are asked for up to |x| = `reach`, and where each
    argument is 0 or at least `least` in size.
    """

    reason: str
    meant: Callable[..., Any] = lambda *arguments: True
    rounded: tuple[int, ...] = ()
    units: tuple[float, float] = (VALUE_UNITS, SLOPE_UNITS)
    largest: float = 0.0
    crossing: float = 0.0
    value: float = 0.0
    reach: float = math.inf
    least: float = 0.0


def steep(x: Any, beta: Any) -> Any:
    """Whether a parameter is of a size that one has, and what it multiplies remains a number."""
    return (beta > 1e-6) & np.isfinite(beta * x)


STRICT = Allowance("")
SMOOTH = "its slope has 4 units of the largest one, and goes through 0 where its terms do not"
BEND = "it is a derivative that goes through 0 where its terms do not, and so does its own"
CONSTANTS = "and the definition has its constants rounded, which an exp of up to 700 multiplies"
TAILS = "and higher derivatives in its tails are products of numbers that overflow"
PRODUCT = "the product of x and its parameter is rounded; parameters are positive"
MEET = "where both bounds meet two kinks are one, and the stated subgradient is that of either"
ALLOWED: dict[str, Allowance] = {
    "sigmoid": Allowance(SMOOTH, largest=0.25),
    "tanh": Allowance(SMOOTH, largest=1, crossing=3),
    **{
        name: Allowance(f"{SMOOTH}, {TAILS}", largest=1, crossing=3, reach=400)
        for name in ("silu", "mish")
    },
    **{
        name: Allowance(f"{SMOOTH}, {CONSTANTS}", units=(128, 128), largest=1, crossing=3)
        for name in ("gelu", "leaky_gelu")
    },
    **{
        name: Allowance(f"{BEND}, {TAILS}", largest=1, crossing=4, value=1, reach=100)
        for name in ("silu_slope", "mish_slope", "gelu_exact_derivative")
    },
    "gelu_tanh_derivative": Allowance(
        f"{BEND}, {CONSTANTS}, {TAILS}",
        units=(128, 128),
        largest=1,
        crossing=4,
        value=1,
        reach=12,
    ),
    "sinc": Allowance(
        "NumPy's sinc is no better where it goes through 0, and π x is a number",
        meant=lambda x: np.isfinite(math.pi * x),
        crossing=math.inf,
        value=1,
    ),
    "sinc_derivative": Allowance(
        "its recurrence has the error of its largest terms, powers of π",
        crossing=math.inf,
        largest=1e5,
        value=1e5,
    ),
    "power": Allowance(
        "b − 1 is rounded for b below 1/2; and a⁻¹ and a⁻² overflow where a is near 0",
        meant=lambda a, b: (a == 0) | (np.abs(a) >= 4 * FLOOR),
        units=(VALUE_UNITS, 400),
        least=1e-150,
    ),
    "gelu_root": Allowance(CONSTANTS, units=(128, 128)),
    "softplus": Allowance(PRODUCT, meant=steep, rounded=(0,), largest=1),
    "swish": Allowance(PRODUCT, meant=steep, rounded=(0,), largest=1, crossing=3),
    **{
        name: Allowance(
            "NumPy's warns where the difference of both overflows",
            meant=lambda a, b: np.isfinite(a - b),
        )
        for name in ("logaddexp", "logaddexp2")
    },
    "sine": Allowance(
        "the product of x and its parameter is rounded, and sin has lost its digits then",
        meant=lambda x, omega: np.abs(omega * x) < 1e5,
        rounded=(0,),
    ),
    "celu": Allowance(
        "the slope by its parameter is a difference of much larger terms near 0",
        meant=lambda x, alpha: (alpha > 0) & np.isfinite(x / alpha),
        rounded=(0,),
        largest=1,
        crossing=math.inf,
        reach=1e3,
        least=1e-3,
    ),
    "copysign": Allowance(
        "numbers of many digits have no −0",
        meant=lambda a, b: (b != 0) | ~np.signbit(b),
    ),
    "elu": Allowance(
        "what exp has lost where it is no normal number does not come back by a large parameter",
        meant=lambda x, alpha: np.abs(alpha) < 1e3,
    ),
    **{
        name: Allowance(
            "the parameter is a slope of at most 1", meant=lambda x, slope: np.abs(slope) <= 1
        )
        for name in ("hard_sigmoid", "leaky_relu", "prelu")
    },
    "clip": Allowance(MEET, meant=lambda x, low, high: low != high),
    "hard_tanh": Allowance(MEET, meant=lambda x, low, high: low < high),
    "soft_shrink": Allowance(MEET, meant=lambda x, lambd: lambd > 0),
    "hard_shrink": Allowance(MEET, meant=lambda x, lambd: lambd > 0),
    "user_hypot": Allowance(
        "a user's formula that is written as in a textbook",
        meant=lambda a, b: np.hypot(a, b) > 1e-290,
        reach=0,
    ),
    "user_affine": Allowance(
        "a user's formula that is written as in a textbook",
        meant=lambda x, slope, shift: (np.abs(slope) > 1e-290) & (np.abs(slope) < 1e290),
    ),
}


def judge_slopes(
    op: Operation, options: Mapping[str, Any], arrays: Any, true: Truth | None = None
) -> None:
    """Assert that value and slopes at the points `arrays`, (arguments, points), are the true ones,
    for all points at once and for one alone, and that nothing warns.
    """
    true = true or truth(op, options, arrays)
    allowed = ALLOWED.get(op.name, STRICT)
    with np.errstate(all="ignore"):
        kept = np.isfinite(true.value) & allowed.meant(*arrays)
    if not np.any(kept):
        return
    rooms = forgiven(op, options, arrays, true)
    for some in (kept, np.flatnonzero(kept)[0]):
        point = arrays[:, some]
        inputs = [te.Value(x) for x in point]
        with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
            warnings.simplefilter("error")
            out = apply(op, inputs, options)
        ones = np.ones(out.shape)
        ways = {
            "on arrays": te.grad(out, inputs, gradient=ones),
            "on Values": [g.data for g in te.grad(out, inputs, gradient=ones, create_graph=True)],
        }
        said = Said(op, options, point)
        value = true.value[some]
        said.compare("the value", out.data, value, value, rooms[0][some])
        for i, (low, high) in enumerate(true.slopes[..., some]):
            for way, found in ways.items():
                what = f"the slope by {op.arguments[i]} ({way})"
                assert (found[i].shape, found[i].dtype) == (point[i].shape, point[i].dtype), what
                said.compare(what, found[i], low, high, rooms[1][i][some])


def forgiven(
    op: Operation, options: Mapping[str, Any], arrays: Any, true: Truth
) -> tuple[Any, Any]:
    """How far a value may be off at each point, and each slope."""
    allowed = ALLOWED.get(op.name, STRICT)
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.max(np.abs(true.slopes), axis=1)
        value = allowed.units[0] * np.spacing(np.abs(true.value)) + FLOOR
        slopes = allowed.units[1] * np.spacing(largest) + FLOOR
        if allowed.largest:
            inside = np.abs(arrays[0]) < allowed.crossing
            most = 4 * np.spacing(allowed.largest)
            slopes += np.where(inside | (largest >= TAIL * allowed.largest), most, 0.0)
        if allowed.value:
            value += np.where(
                np.abs(arrays[0]) < allowed.crossing, 4 * np.spacing(allowed.value), 0
            )
        for i in allowed.rounded:
            moved = arrays.copy()
            moved[i] *= 1 + CHANGE
            there = truth(op, options, moved)
            value += np.nan_to_num(np.abs(there.value - true.value)) * (2 * EPSILON / CHANGE)
            off = np.max(np.abs(there.slopes - true.slopes), axis=1)
            slopes += np.nan_to_num(off) * (2 * EPSILON / CHANGE)
    return value, slopes


def judge_orders(
    op: Operation, options: Mapping[str, Any], arrays: Any, true: Truth | None = None
) -> None:
    """Assert that second derivatives are true entry by entry, and that `te.jvp` gives the first
    three along directions, at those of the points `arrays` that are on no kink.
    """
    true = true or truth(op, options, arrays, order=3)
    slopes, second, allowed = true.slopes[:, 0], true.second, ALLOWED.get(op.name, STRICT)
    call = Call(tuple(arrays), options)
    with np.errstate(all="ignore"):
        kept = np.isfinite(true.value) & allowed.meant(*arrays)
        kept &= np.abs(arrays[0]) <= allowed.reach
        kept &= np.all((arrays == 0) | (np.abs(arrays) >= allowed.least), axis=0)
        kept &= np.all(slopes == true.slopes[:, 1], axis=0)
        kept &= np.all(np.abs(slopes) < LARGE[0], axis=0)
        kept &= np.all([distance > 0 for distance in distances(op, call)], axis=0)
        kept &= np.all(np.abs(second) < LARGE[1], axis=(0, 1))
    if not np.any(kept):
        return
    arrays, slopes, second = arrays[:, kept], np.abs(slopes[:, kept]), second[..., kept]
    directions, third = true.directions[..., kept], true.third[:, kept]
    said = Said(op, options, arrays)
    inputs = [te.Value(x) for x in arrays]
    out = apply(op, inputs, options)
    ones = np.ones(out.shape)
    lower = slopes[:, None] / np.maximum(np.abs(arrays), 1)
    lower = np.maximum(lower, np.swapaxes(lower, 0, 1))
    for i, g in enumerate(te.grad(out, inputs, gradient=ones, create_graph=True)):
        row = te.grad(g, inputs, gradient=ones) if g.requires_grad else np.zeros_like(arrays)
        for j, got in enumerate(row):
            what = f"the second derivative by {op.arguments[i]} and {op.arguments[j]}"
            room = SHARE * np.abs(second[i, j]) + CARRIED * lower[i, j] + FLOOR
            said.compare(what, got, second[i, j], second[i, j], room)
    # What derivatives divide by; at 0 itself they are finite, or they are left out.
    smallest = np.min(np.where(arrays == 0, 1, np.minimum(np.abs(arrays), 1)), axis=0)

    def f(*values: Any) -> Any:
        return apply(op, values, options)

    for direction, wanted in zip(directions, third, strict=True):
        names = " and ".join(op.arguments[i] for i in np.flatnonzero(direction[:, 0]))
        firsts = true.slopes[:, 0][:, kept] * direction
        seconds = (second * direction * direction[:, None]).reshape(-1, len(wanted))
        sizes = np.zeros(len(wanted))
        orders = zip(
            jvps(f, list(arrays), list(direction)),
            (firsts, seconds, wanted[None]),
            LARGE,
            strict=True,
        )
        for number, (got, terms, large) in enumerate(orders):
            want, size = np.sum(terms, axis=0), np.sum(np.abs(terms), axis=0)
            room = SHARE * size + CARRIED * sizes + (FLOOR if number < 2 else LOST)
            sizes += size
            # The entries that add up to it are as many times larger as arguments move less than 1.
            least = np.min(np.where(direction == 0, 1, np.abs(direction)), axis=0)
            want = np.where(sizes < large * least ** (number + 1), want, np.nan)
            want = np.where(smallest ** (number + 1) > FLOOR, want, np.nan)
            said.compare(f"te.jvp {number + 1} times along {names}", got, want, want, room)


# Factorisations lose digits where matrices are badly scaled, as their derivatives do.
FACTORISED = {
    *("inv", "solve", "det", "slogdet", "pinv", "cholesky", "qr"),
    *("eigvalsh", "eigenvectors", "svdvals", "singular_vectors"),
}
# The widest entries of these: products leave float64 on the way, and roots of powers lose digits.
NARROW = {"prod": 6, "cumprod": 6, "norm": 6, "user_outer_sum": 100}
# Powers of ten that entries reach up to; 0 is for −1, 0 and 1, which tie.
WIDTHS = (0, 1, 6, 100, 300)


def entries(op: Operation, case: Case, width: int, rng: np.random.Generator) -> Call:
    """Arguments whose entries are of very different sizes."""
    # What partition does with ties is for NumPy to choose.
    if op.name in FACTORISED or (op.name == "partition" and width == 0):
        return arguments(op, case, "near", rng)
    width = min(width, NARROW.get(op.name, width))

    def drawn(shape: tuple[int, ...]) -> Any:
        signs = rng.choice((-1.0, 1.0), shape)
        if width == 0:
            return (signs * rng.integers(0, 2, shape))[()]
        return (signs * rng.uniform(1, 10, shape) * 10 ** rng.uniform(-width, width, shape))[()]

    return Call(tuple(drawn(shape) for shape in case.shapes), case.options)


def judge_entries(op: Operation, call: Call, rng: np.random.Generator, most: int = 3) -> None:
    """Assert that some entries of each gradient of a structural record are true at any sizes, or
    as far off as rounding each term of them takes them.
    """

    def f(*values: Any) -> Any:
        out = apply(op, values, call.options)
        return np.sum(weights(np.shape(out)) * out)

    inputs = [te.Value(x) for x in call.arrays]
    with np.errstate(all="ignore"):
        out = apply(op, inputs, call.options)
        if not np.all(np.isfinite(f(*inputs).data)):
            return
    incoming = weights(out.shape)
    ways = [
        te.grad(out, inputs, gradient=incoming),
        [g.data for g in te.grad(out, inputs, gradient=incoming, create_graph=True)],
    ]
    point = [np.asarray(x) for x in call.arrays]
    function = Function(f, point)
    function.summed = True
    for number, x in enumerate(point):
        for found in ways:
            assert (found[number].shape, found[number].dtype) == (x.shape, x.dtype)
        for place in rng.permutation(x.size)[:most]:
            index = tuple(int(i) for i in np.unravel_index(place, x.shape))
            slope = exact.slopes(function, number, index)[0]
            for found in ways:
                claim = float(np.asarray(found[number])[index])
                if allowed_entry(op, claim, slope, 0.0):
                    continue
                # Where 1 is added to 1e-92 and subtracted again, 60 digits agree with 120 on 0.
                slope = surely(function, number, index)
                room = nearest(exact.room(function, number, index, 0, slope))
                assert allowed_entry(op, claim, slope, room), (
                    f"{op.name}{call}: the gradient of argument {number} at {list(index)} is "
                    f"{nearest(slope.low)!r} to {nearest(slope.high)!r}, not {claim!r}"
                )


def allowed_entry(op: Operation, claim: float, slope: exact.Slope, room: float) -> bool:
    """Whether a gradient's entry is the slope, or between those beside a kink; or there is none."""
    if slope.reason:
        return True
    low, high = nearest(slope.low), nearest(slope.high)
    largest = max(abs(low), abs(high))
    room += SLOPE_UNITS * float(np.spacing(largest)) + FLOOR
    if op.name in FACTORISED:
        room += 1e-9 * max(largest, 1)
    return low - room <= claim <= high + room


def surely(function: Function, number: int, index: tuple[int, ...]) -> exact.Slope:
    """The slope with as many digits as there are."""
    coarse, fine = (
        [side[0].item() for side in function.quotients(number, index, rung)]
        for rung in exact.LADDER[-2:]
    )
    with context().workdps(exact.LADDER[-1][0]):
        return exact.settled(coarse, fine, exact.LADDER[-1]) or exact.Slope(reason="jump")


def judge_along(op: Operation, call: Call, tangents: list[Any]) -> None:
    """Assert that `te.jvp` gives the first three derivatives of a record along a direction."""
    incoming = weights(np.shape(op.forward(*call.arrays, **call.options)))
    true = along(op, call, tangents, incoming)

    def f(*values: Any) -> Any:
        return np.sum(incoming * apply(op, values, call.options))

    sizes = 0.0
    for order, (got, (want, size)) in enumerate(
        zip(jvps(f, list(call.arrays), tangents), true, strict=True), 1
    ):
        sizes += size
        room = SHARE * sizes if op.name in FACTORISED else SHARE * size + CARRIED * sizes
        assert abs(got - want) <= room + LOST, (
            f"{op.name}{call}: te.jvp {order} times along {tangents} is {want!r}, not {got!r}"
        )


def jvps(f: Callable[..., Any], inputs: list[Any], tangents: list[Any]) -> list[Any]:
    """The first three derivatives along a direction."""

    def first(*values: Any) -> Any:
        return te.jvp(f, values, tangents)[1]

    def second(*values: Any) -> Any:
        return te.jvp(first, values, tangents)[1]

    with np.errstate(all="ignore"):
        return [first(*inputs), *te.jvp(second, inputs, tangents)]


@dataclass(frozen=True)
class Said:
    """What a record claims at some points, (arguments, points) or (arguments,)."""

    op: Operation
    options: Mapping[str, Any]
    arrays: Any

    def compare(self, what: str, got: Any, low: Any, high: Any, room: Any) -> None:
        """Assert that numbers lie between two others but for some room; NaN stands for anything."""
        low, high = np.minimum(low, high), np.maximum(low, high)
        with np.errstate(invalid="ignore"):
            off = np.maximum(low - got, got - high)
            wrong = ~np.isnan(low) & ~(off <= room)
        if np.any(wrong):
            n = np.flatnonzero(wrong)[0]
            each = [float(np.ravel(np.broadcast_to(x, wrong.shape))[n]) for x in (got, low, high)]
            point = np.reshape(self.arrays, (len(self.arrays), -1))[:, n].tolist()
            given = [*map(repr, point), *(f"{k}={v!r}" for k, v in self.options.items())]
            true = f"{each[1]!r}" if each[1] == each[2] else f"between {each[1]!r} and {each[2]!r}"
            raise AssertionError(
                f"{self.op.name}({', '.join(given)}): {what} is {true}, not {each[0]!r}"
            )
