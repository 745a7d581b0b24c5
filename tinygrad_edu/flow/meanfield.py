"""Mean-field theory of an activation: what one wide layer does to signals and to gradients.

The pre-activations of a wide layer with random weights are Gaussian, z ~ N(0, q). What becomes of q
from layer to layer, and of the gradient on its way back, follows from a few means over z.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..activations.facts import corners, curve, slope
from ..activations.quadrature import gaussian_means
from ..engine.operation import Operation
from ..errors import OperandError

Array = np.ndarray[Any, np.dtype[Any]]

# From here on q counts as 0, and as infinite.
TINY, LEAST, MOST = 1e-30, 1e-13, 1e16
SAME = 1e-12
# 2 to the power of minus that is what the series for correlated signals leaves out.
TERMS = 40


@dataclass(frozen=True)
class Moments:
    """Means over z ~ N(m, q) of an activation φ and of its slope, each of q's shape.

    `mean` is E φ, `square` E φ², `slope` E φ′² and `slope4` E φ′⁴. For the spread of a layer of n
    units there are `spread`, the variance of φ² ÷ (E φ²)², `slope_spread`, that of φ′² ÷ (E φ′²)²,
    and `joint`, their covariance ÷ (E φ² E φ′²): sums over n units have these, divided by n.
    `growth` is d ln E φ² / d ln q, and `slope_growth` d ln E φ′² / d ln q; `curvature` is
    q² d²(E φ²)/dq² ÷ E φ², and `slope_curvature` the same of φ′².
    """

    mean: Any
    square: Any
    slope: Any
    slope4: Any
    spread: Any
    slope_spread: Any
    joint: Any
    growth: Any
    slope_growth: Any
    curvature: Any
    slope_curvature: Any


@lru_cache(maxsize=256)
def breaks(op: Operation) -> tuple[float, ...]:
    """Where φ or one of its derivatives jumps, as the record declares it."""
    return tuple(corner.x for corner in corners(op))


def moments(op: Operation, q: Any, mean: Any = 0.0) -> Moments:
    """Means of φ and φ′ over N(mean, q), to ten digits for q from 1e-12 to 1e6, by quadrature.

    φ and φ′ are the record's own forward and rule, its other arguments at their defaults. `q` and
    `mean` are numbers or arrays. Raises `OperandError` for what is no function of one number.
    Derivatives by q are means too: q dE[f(√q ζ)]/dq = E[f (ζ² − 1)] / 2 and
    q² d²E[f(√q ζ)]/dq² = E[f (ζ⁴ − 6 ζ² + 3)] / 4 (Price's theorem).
    """
    if not curve(op):
        raise OperandError(
            f"{op.name} is no function of one number, and the theory has no means of it; take an "
            "activation that works entry by entry"
        )
    q, mean = np.broadcast_arrays(np.asarray(q, np.float64), np.asarray(mean, np.float64))
    variance, center = np.ravel(q), np.ravel(mean)
    # Fourth powers of the heights themselves might overflow, or vanish.
    probes = center + np.sqrt(variance) * np.array([[-2.0], [-1.0], [0.0], [1.0], [2.0]])
    with np.errstate(all="ignore"):
        scale, slope_scale = (largest(f) for f in (op(probes), slope(op, probes)))

    def functions(x: Array, which: Array) -> Array:
        height, steepness = op(x) / scale[which, None], slope(op, x) / slope_scale[which, None]
        square, slopes = np.square(height), np.square(steepness)
        power = np.square(x - center[which, None]) / variance[which, None]
        bend, curvature = (power - 1) / 2, (np.square(power) - 6 * power + 3) / 4
        still = variance[which, None] <= 0
        bend, curvature = np.where(still, 0.0, bend), np.where(still, 0.0, curvature)
        return np.stack(
            [
                height,
                square,
                slopes,
                np.square(slopes),
                np.square(square),
                square * slopes,
                square * bend,
                slopes * bend,
                square * curvature,
                slopes * curvature,
            ]
        )

    found = gaussian_means(functions, center, variance, breaks(op))
    first, second, slopes, slopes4, fourth, both, *bends = found.reshape(10, *q.shape)
    scale, slope_scale = scale.reshape(q.shape), slope_scale.reshape(q.shape)
    with np.errstate(all="ignore"):
        results = (
            first * scale,
            second * scale**2,
            slopes * slope_scale**2,
            slopes4 * slope_scale**4,
            share(fourth, second**2) - 1,
            share(slopes4, slopes**2) - 1,
            share(both, second * slopes) - 1,
            *(share(bend, (second, slopes)[i % 2], 0.0) for i, bend in enumerate(bends)),
        )
    return Moments(*(each[()] for each in results))


def largest(heights: Array) -> Array:
    """The largest height in each column; 1 where it is no use as a unit."""
    found = np.max(np.abs(heights), axis=0)
    return np.asarray(np.where((found > 0) & (found < math.inf), found, 1.0))


def share(part: Array, whole: Array, otherwise: float = 1.0) -> Array:
    """The quotient, and `otherwise` where the whole is 0."""
    return np.asarray(np.where(whole != 0, part / np.where(whole != 0, whole, 1.0), otherwise))


def forward_map(op: Operation, q: Any, sigma_w2: float, sigma_b2: float = 0.0) -> Any:
    """q of the next layer: σ_w² E[φ(√q ζ)²] + σ_b², with σ_w² = inputs × variance of a weight.

    Source: Poole et al. 2016, equation 3.
    """
    return sigma_w2 * moments(op, q).square + sigma_b2


def fixed_point(op: Operation, sigma_w2: float, sigma_b2: float = 0.0) -> float:
    """q*, the q that a deep network settles at when it starts from q = 1; 0 or ∞ if it never does.

    Where every q stays as it is (ReLU with σ_w² = 2), it is 1. Source: Poole et al. 2016, section
    3; Schoenholz et al. 2017, section 3.
    """

    def growth(log_q: float) -> float:
        return math.log(max(forward_map(op, math.exp(log_q), sigma_w2, sigma_b2), 1e-300)) - log_q

    direction = growth(0.0)
    if abs(direction) < SAME:
        return 1.0
    sign = math.copysign(1.0, direction)
    floor = math.log(min(sigma_b2, 0.5) if sigma_b2 > 0 else LEAST)
    inner = 0.0
    while inner < math.log(MOST) if sign > 0 else inner > floor:
        outer = inner + sign * math.log(2)
        # Where q all but stays as it is, rounding has no say.
        if sign * growth(outer) < -SAME:
            return math.exp(crossing(growth, inner, outer))
        inner = outer
    return math.inf if sign > 0 else 0.0


def chi(op: Operation, sigma_w2: float, sigma_b2: float = 0.0) -> float:
    """χ₁ = σ_w² E[φ′(√q* ζ)²], by which E δ² is multiplied on its way back through a layer.

    Below 1 gradients vanish, above 1 they explode; 1 is the edge of chaos. Source: Schoenholz et
    al. 2017, equation 5.
    """
    q = min(max(fixed_point(op, sigma_w2, sigma_b2), LEAST), MOST)
    return float(sigma_w2 * moments(op, q).slope)


def critical(op: Operation, sigma_b2: float = 0.0) -> float:
    """The σ_w² at which χ₁ = 1, so that gradients neither vanish nor explode.

    Without biases, and with φ(0) = 0, this is where q* = 0 gives way: 1 for tanh, 2 for ReLU. Where
    χ₁ comes to 1 only as q* grows without end (ReLU with biases), it is the limit. Raises
    `OperandError` where there is none. Sources: Schoenholz et al. 2017, section 3; Hayou et al.
    2019.
    """

    def excess(log_q: float) -> float:
        """χ₁ − 1 in the network that has this q for its q*."""
        q = math.exp(log_q)
        at = moments(op, q)
        return float((q - sigma_b2) * at.slope / at.square) - 1

    if not sigma_b2 >= 0:
        raise OperandError(f"sigma_b2 is the variance of the biases, 0 or more, not {sigma_b2!r}")
    with np.errstate(all="ignore"):
        silent = sigma_b2 == 0 and float(op(np.zeros(1))[0]) == 0
    if silent:
        steepness = float(moments(op, TINY).slope)
        if steepness > 1e-6 and abs(excess(math.log(LEAST))) < 1e-6:
            return 1 / steepness
    else:
        log_q, step = math.log(sigma_b2 or LEAST), math.log(1.5)
        while log_q < math.log(MOST):
            if excess(log_q) < 0 <= excess(log_q + step):
                q = math.exp(crossing(excess, log_q, log_q + step))
                return float((q - sigma_b2) / moments(op, q).square)
            log_q += step
        if abs(excess(log_q)) < 1e-6:
            return float(1 / moments(op, math.exp(log_q)).slope)
    raise OperandError(
        f"{op.name} with biases of variance {sigma_b2:g} has no critical variance of the weights: "
        "χ₁ is 1 for none"
    )


def depth_scale(chi: float) -> float:
    """ξ = −1/ln χ₁: over so many layers E δ² falls by e; negative where it grows, ∞ at χ₁ = 1.

    Source: Schoenholz et al. 2017, section 4.
    """
    if chi == 1:
        return math.inf
    return -1 / math.log(chi) if chi > 0 else 0.0


def correlated(op: Operation, q: float, covariance: float) -> float:
    """E[φ(u) φ(v)] for u and v of variance q and the given covariance.

    For a correlation ρ of at most a half it is Σ ρᵏ E[φ(√q ζ) hₖ(ζ)]² with the normalised Hermite
    polynomials (Mehler's formula); else what u and v share is averaged over outside, the rest of
    each inside. Sources: Poole et al. 2016, equation 5; Daniely et al. 2016, section 4.
    """
    shared = min(abs(covariance), q)
    sign = math.copysign(1.0, covariance)
    if 2 * shared <= q:
        terms = gaussian_means(
            lambda x, _: op(x) * hermite(x / math.sqrt(q or 1.0)), 0.0, q, breaks(op)
        )
        return float(np.sum(np.square(terms[:, 0]) * (covariance / (q or 1.0)) ** np.arange(TERMS)))
    if q - shared <= SAME * q and sign > 0:
        return float(moments(op, q).square)

    def inside(center: Array) -> Array:
        found = gaussian_means(
            lambda x, _: np.asarray(op(x))[None], center.ravel(), q - shared, breaks(op)
        )
        return found.reshape(center.shape)

    def product(x: Array, _: Array) -> Array:
        left = inside(x)
        return (left * (left if sign > 0 else inside(-x)))[None]

    return float(gaussian_means(product, 0.0, shared, breaks(op))[0, 0])


def hermite(z: Array) -> Array:
    """hₖ(z) for k from 0 on, a row for each, with E[hⱼ(ζ) hₖ(ζ)] = 1 where j = k, else 0."""
    rows = [np.ones_like(z), z]
    for k in range(1, TERMS - 1):
        rows.append((z * rows[k] - math.sqrt(k) * rows[k - 1]) / math.sqrt(k + 1))
    return np.stack(rows)


def crossing(f: Callable[[float], float], low: float, high: float) -> float:
    """Where f changes its sign between two places, by bisection."""
    before = f(low) > 0
    for _ in range(60):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if (f(middle) > 0) == before else (low, middle)
    return (low + high) / 2
