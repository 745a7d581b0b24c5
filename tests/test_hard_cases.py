"""Gradients on which automatic differentiation has gone wrong somewhere, with exact answers.

Each case is a function of Values whose result is one number, its inputs, and the gradients in
closed form. The comment of a group says where its answers come from; a number that has no short
closed form was computed with mpmath at 60 digits from the function's definition.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import NotTrackedError, ShapeError

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value

INF, NAN = math.inf, math.nan
W3, W4 = np.array([1.0, -2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])
act = te.activations


@dataclass(frozen=True)
class Gradient:
    """∂f/∂(each input) is `exact`, within `ulp` units in the last place."""

    f: Callable[..., Any]
    inputs: tuple[Any, ...]
    exact: tuple[Any, ...]
    ulp: float = 16
    absolute: float = 0.0


@dataclass(frozen=True)
class Kink:
    """No derivative exists: `ours`, our choice, lies between the one-sided `left` and `right`."""

    f: Callable[..., Any]
    inputs: tuple[Any, ...]
    left: tuple[Any, ...]
    right: tuple[Any, ...]
    ours: tuple[Any, ...]


@dataclass(frozen=True)
class Order:
    """The `order`-th derivative of f at the number x is `exact`."""

    f: Callable[[Any], Any]
    x: float
    order: int
    exact: float
    ulp: float = 16
    absolute: float = 0.0


def close(got: Any, wanted: Any, ulp: float, absolute: float) -> None:
    """Equal within `ulp` places of the entry (of 1/1000 of the largest one, if that is more)."""
    got, wanted = np.asarray(got), np.asarray(wanted, dtype=float)
    assert got.shape == wanted.shape
    finite = np.isfinite(wanted)
    largest = np.max(np.abs(wanted[finite]), initial=0.0)
    unit = np.finfo(got.dtype).eps / np.finfo(float).eps
    size = np.maximum(np.abs(np.where(finite, wanted, 0.0)), 1e-3 * largest)
    with np.errstate(invalid="ignore"):
        right = np.abs(got - wanted) <= ulp * unit * np.spacing(size) + absolute
    right |= (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    assert right.all(), f"got {got.tolist()}, exact {wanted.tolist()}"


def repeated(step: Callable[[Any, Any], Any], times: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        y = x
        for _ in range(times):
            y = step(y, x)
        return y

    return f


def diamond(c: Any, d: Any) -> Any:
    return (c + d) + (c * d)


def logsumexp(x: Any) -> Any:
    """log Σ eˣ, shifted by a constant: the largest entry."""
    shift = np.max(x).detach()
    return shift + np.log(np.sum(np.exp(x - shift)))


def logaddexp(a: Any, b: Any) -> Any:
    return np.maximum(a, b) + np.log1p(np.exp(-abs(a - b)))


def bce_with_logits(x: Any) -> Any:
    """Cross-entropy of the logit x and the target 1/4."""
    return np.maximum(x, 0.0) - x * 0.25 + np.log1p(np.exp(-np.abs(x)))


def normalised(x: Any, epsilon: float) -> Any:
    centred = x - np.mean(x)
    return centred / np.sqrt(np.mean(centred**2) + epsilon)


def normalised_slope(x: Any, w: Any, epsilon: float) -> Any:
    """(w − mean w − x̂ mean(w x̂)) / √(v + ε), x̂ being divided by √(v + ε) too."""
    centred = x - x.mean()
    deviation = math.sqrt((centred**2).mean() + epsilon)
    hat = centred / deviation
    return (w - w.mean() - hat * (w * hat).mean()) / deviation


def softmax_of(x: Any) -> Any:
    e = np.exp(x - x.max())
    return e / e.sum()


S = softmax_of(np.array([0.5, -1.0, 2.0]))
ONE_E = 1 / (1 + math.e)
TAIL_50 = math.exp(-50)
M23, M24, M542 = np.arange(6.0).reshape(2, 3), np.zeros((2, 2)), np.arange(40.0).reshape(5, 4, 2)
G52 = np.arange(10.0).reshape(5, 2)
X234 = np.arange(24.0).reshape(2, 3, 4)
X4 = np.array([1.0, 2.0, 4.0, 7.0])
SQUARE = np.array([[1.0, 2.0], [3.0, 4.0]])

# The shape of the graph: by the product and sum rules.
GRAPH = {
    "a node twice in a sum": Gradient(lambda a: a + a, (3.0,), (2.0,), 0),
    "a node twice in a product": Gradient(lambda a: a * a, (3.0,), (6.0,), 0),
    "a diamond": Gradient(
        lambda a, b: diamond(a + b, a * b), (2.0, 3.0), (1 + 3 + 3 * 5 + 6, 1 + 2 + 2 * 5 + 6), 0
    ),
    "100,000 additions in a row": Gradient(
        repeated(lambda y, x: y + x, 100_000), (1.0,), (100_001.0,), 0
    ),
    "2⁶⁰ paths": Gradient(repeated(lambda y, x: y + y, 60), (1.0,), (2.0**60,), 0),
    "2,000 factors": Gradient(
        repeated(lambda y, x: y * 1.001, 2000), (1.0,), (math.exp(2000 * math.log(1.001)),), 4000
    ),
    "an input that does not matter": Gradient(
        lambda a, b: a * 2.0, (3.0, [1.0, 2.0]), (2.0, [0.0, 0.0]), 0
    ),
    "half of it detached": Gradient(lambda x: x * x.detach(), (3.0,), (3.0,), 0),
    "straight through a rounding": Gradient(
        lambda x: x + (np.floor(x.data + 0.5) - x.detach()), (2.3,), (1.0,), 0
    ),
    "x / x": Gradient(lambda x: x / x, (3.0,), (0.0,), absolute=1e-16),
}
# Powers and quotients: d xⁿ = n xⁿ⁻¹, d xʸ/dy = xʸ log x and its limits at x = 0.
POWERS = {
    "x⁰ at 0": Gradient(lambda x: x**0, (0.0,), (0.0,), 0),
    "x¹ at 0": Gradient(lambda x: x**1, (0.0,), (1.0,), 0),
    "x³ of a negative number": Gradient(lambda x: x**3, (-2.0,), (12.0,), 0),
    "0ʸ at y = 2": Gradient(lambda x, y: x**y, (0.0, 2.0), (0.0, 0.0), 0),
    "x^1.5 at 0": Gradient(lambda x: x**1.5, (0.0,), (0.0,), 0),
    "√x at 0": Gradient(lambda x: np.sqrt(x), (0.0,), (INF,), 0),
    "xˣ": Gradient(lambda x: x**x, (0.5,), (0.5**0.5 * (math.log(0.5) + 1),)),
    "reflected − and ÷": Gradient(lambda x: (2.0 - x) + (2.0 / x), (4.0,), (-1.125,), 0),
    "NumPy on the left": Gradient(
        lambda x: np.sum(np.float64(2.0) * x + np.array([1.0, 10.0]) * x),
        ([1.0, 2.0],),
        ([3.0, 12.0],),
        0,
    ),
    "a quotient of huge numbers": Gradient(lambda a, b: a / b, (1e200, 1e200), (1e-200, -1e-200)),
    "a huge square": Gradient(lambda x: x**2, (1e154,), (2e154,)),
}
# Corners and ties: between the one-sided derivatives; ties share; at its bounds clip passes 1.
KINKS = {
    "|x| at 0": Kink(lambda x: np.abs(x), (0.0,), (-1.0,), (1.0,), (0.0,)),
    "maximum(x, 0) at 0": Kink(lambda x: np.maximum(x, 0.0), (0.0,), (0.0,), (1.0,), (0.5,)),
    "relu at 0": Kink(lambda x: act.relu(x), (0.0,), (0.0,), (1.0,), (0.0,)),
    "a tie of two in max": Kink(
        lambda x: np.max(x), ([1.0, 3.0, 3.0],), ([0, 0, 0],), ([0, 1, 1],), ([0.0, 0.5, 0.5],)
    ),
    "a tie with a broadcast number": Kink(
        lambda x, y: np.sum(np.minimum(x, y)),
        ([1.0, 2.0, 3.0], 2.0),
        ([1, 1, 0], 2.0),
        ([1, 0, 0], 1.0),
        ([1.0, 0.5, 0.0], 1.5),
    ),
    "a tie along an axis": Kink(
        lambda x: np.sum(np.max(x, axis=1) * np.array([10.0, 1.0])),
        ([[2.0, 2.0], [1.0, 5.0]],),
        ([[0, 0], [0, 1]],),
        ([[10, 10], [0, 1]],),
        ([[5.0, 5.0], [0.0, 1.0]],),
    ),
    "hard swish at −3": Kink(lambda x: act.hard_swish(x), (-3.0,), (0.0,), (-0.5,), (0.0,)),
    "selu at 0, by where": Kink(
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
        (0.0,),
        (1.0507009873554805 * 1.6732632423543772,),
        (1.0507009873554805,),
        (1.0507009873554805 * 1.6732632423543772,),
    ),
    "leaky relu at 0": Kink(lambda x: act.leaky_relu(x), (0.0,), (0.01,), (1.0,), (0.01,)),
}
SMOOTH_CHOICES = {
    "maximum of a node and itself": Gradient(lambda x: np.maximum(x, x), (3.0,), (1.0,), 0),
    "clip inside and outside": Gradient(
        lambda x: np.sum(np.clip(x, -1.0, 1.0) * W4), ([-2.0, -0.5, 0.5, 2.0],), ([0, 2, 3, 0],), 0
    ),
    "‖(3, 4)‖": Gradient(lambda x: np.sqrt(np.sum(x * x)), ([3.0, 4.0],), ([0.6, 0.8],)),
    "sign away from its jump": Gradient(lambda x: np.sum(np.sign(x)), ([1.5, -2.5],), ([0, 0],), 0),
}
# A branch that is not taken has no influence, whatever it holds.
BRANCHES = {
    "√ of negative numbers not taken": Gradient(
        lambda x: np.sum(np.where(x > 0, np.sqrt(x), x)), ([-1.0, -4.0],), ([1.0, 1.0],), 0
    ),
    "√ at 0 not taken": Gradient(
        lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0 * x)), ([0.0, 4.0],), ([0.0, 0.25],), 0
    ),
    "an overflow not taken": Gradient(
        lambda x: np.where(x < 15, x, np.exp(np.exp(x))), (10.0,), (1.0,), 0
    ),
    "sin x / x at 0": Gradient(
        lambda x: np.where(x != 0, np.sin(x) / np.where(x != 0, x, 1.0), 1.0), (0.0,), (0.0,), 0
    ),
    "one NaN among numbers": Gradient(
        lambda x: np.sum(x * x), ([1.0, NAN, 3.0],), ([2.0, NAN, 6.0],), 0
    ),
    "a factor of exactly 0": Gradient(
        lambda x: np.sum(x * np.array([0.0, 1.0])), ([1e308, 1.0],), ([0.0, 1.0],), 0
    ),
}
# Saturated and overflowing functions: by their closed derivatives, in forms that hold in the tail.
SATURATED = {
    "σ at 1000": Gradient(lambda x: act.sigmoid(x), (1000.0,), (0.0,), 0),
    "σ at −1000": Gradient(lambda x: act.sigmoid(x), (-1000.0,), (0.0,), 0),
    "σ at 40": Gradient(
        lambda x: act.sigmoid(x), (40.0,), (math.exp(-40) / (1 + math.exp(-40)) ** 2,)
    ),
    "tanh at 19": Gradient(
        lambda x: np.tanh(x), (19.0,), (4 * math.exp(-38) / (1 + math.exp(-38)) ** 2,)
    ),
    "tanh at 10": Gradient(
        lambda x: np.tanh(x), (10.0,), (4 * math.exp(-20) / (1 + math.exp(-20)) ** 2,)
    ),
    "softplus at 1000": Gradient(lambda x: act.softplus(x), (1000.0,), (1.0,), 0),
    "softplus at −1000": Gradient(lambda x: act.softplus(x), (-1000.0,), (0.0,), 0),
    "softplus at 20.5": Gradient(
        lambda x: act.softplus(x), (20.5,), (1 / (1 + math.exp(-20.5)),), 1
    ),
    "log σ at −800": Gradient(lambda x: -act.softplus(-x), (-800.0,), (1.0,)),
    "logsumexp of very negative numbers": Gradient(
        logsumexp, ([-1e4, -1e4 - 1.0],), ([1 - ONE_E, ONE_E],)
    ),
    "logsumexp with a masked entry": Gradient(logsumexp, ([-INF, 0.0, 0.0],), ([0.0, 0.5, 0.5],)),
    "softmax that overflows": Gradient(
        lambda x: np.sum(act.softmax(x) * W3), ([1000.0, 0.0, -1000.0],), ([0, 0, 0],), 0, 1e-300
    ),
    "softmax": Gradient(
        lambda x: np.sum(act.softmax(x) * W3), ([0.5, -1.0, 2.0],), (S * (W3 - W3 @ S),)
    ),
    "cross-entropy of huge logits": Gradient(
        lambda x: logsumexp(x) - x[1], ([1e4, 0.0],), ([1.0, -1.0],)
    ),
    "the tail of a log-softmax": Gradient(
        lambda x: 50.0 - logsumexp(te.stack([x, 50.0])), (0.0,), (-TAIL_50 / (1 + TAIL_50),)
    ),
    "cross-entropy of a logit of 1000": Gradient(bce_with_logits, (1000.0,), (0.75,)),
    "cross-entropy of a logit of −1000": Gradient(bce_with_logits, (-1000.0,), (-0.25,)),
    "expm1 near 0 and far below": Gradient(
        lambda x: np.sum(np.expm1(x)), ([1e-20, -50.0],), ([1.0, TAIL_50],)
    ),
    # mpmath: d/dx of x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))
    "gelu, tanh form": Gradient(
        lambda x: np.sum(act.gelu(x)),
        ([-3.0, -0.5, 0.0, 0.5, 2.7],),
        (
            [
                -0.011584166630969726,
                0.1326300964653577,
                0.5,
                0.8673699035346423,
                1.0246678654351904,
            ],
        ),
    ),
    "swish at ±1000": Gradient(
        lambda x: np.sum(act.swish(x)), ([-1000.0, 0.0, 1000.0],), ([0.0, 0.5, 1.0],)
    ),
    # mpmath: d/dx of x tanh(log(1 + eˣ))
    "mish": Gradient(
        lambda x: np.sum(act.mish(x)),
        ([-2.0, 0.5],),
        ([-0.10835509242039394, 0.8864243753577272],),
        64,
    ),
    "elu at 1000": Gradient(lambda x: act.elu(x), (1000.0,), (1.0,), 0),
    "logaddexp of equal numbers": Gradient(logaddexp, (1000.0, 1000.0), (0.5, 0.5)),
    "exp of −744.5": Gradient(lambda x: np.exp(x), (-744.5,), (5e-324,), 1),
}
# Sums, means and statistics: ∂mean/∂xᵢ = 1/n.
REDUCTIONS = {
    "mean over outer axes": Gradient(
        lambda x: np.sum(np.mean(x, axis=(0, 2)) * W3),
        (X234,),
        (np.broadcast_to(W3[:, None] / 8, (2, 3, 4)),),
        0,
    ),
    "shares of a row": Gradient(
        lambda x: np.sum(
            x / np.sum(x, axis=-1, keepdims=True) * np.array([[1.0, 2.0], [3.0, 5.0]])
        ),
        ([[1.0, 3.0], [2.0, 6.0]],),
        ([[-0.1875, 0.0625], [-0.1875, 0.0625]],),
    ),
    "batch normalisation, through mean and variance": Gradient(
        lambda x: np.sum(normalised(x, 1e-5) * W4), (X4,), (normalised_slope(X4, W4, 1e-5),), 64
    ),
    "the sample variance": Gradient(
        lambda x: np.sum((x - np.mean(x)) ** 2) / 2.0,
        ([1.0, 2.0, 4.0],),
        ([-4 / 3, -1 / 3, 5 / 3],),
        32,
    ),
    "a product with two zeros": Gradient(
        lambda x: x[0] * x[1] * x[2], ([0.0, 0.0, 3.0],), ([0.0, 0.0, 0.0],), 0
    ),
    "running products through a zero": Gradient(
        lambda x: x[0] + x[0] * x[1] + x[0] * x[1] * x[2] + x[0] * x[1] * x[2] * x[3],
        ([2.0, 0.0, 3.0, 4.0],),
        ([1.0, 2 + 2 * 3 + 2 * 3 * 4, 0.0, 0.0],),
        0,
    ),
    "running sums": Gradient(
        lambda x: np.sum((np.tril(np.ones((4, 4))) @ x) * W4), (W4,), ([10.0, 9.0, 7.0, 4.0],), 0
    ),
    "a sum of nothing": Gradient(lambda x: np.sum(x * x), (np.zeros(0),), (np.zeros(0),), 0),
}
# Broadcasting, views and indices: each entry's gradient is the sum over the places it went to.
SHAPES = {
    "(3, 1) + (1, 4)": Gradient(
        lambda a, b: np.sum((a + b) ** 2),
        (np.arange(3.0).reshape(3, 1), np.arange(4.0).reshape(1, 4)),
        ([[12.0], [20.0], [28.0]], [[6.0, 12.0, 18.0, 24.0]]),
        4,
    ),
    "a number times a matrix": Gradient(
        lambda s, x: np.sum(s * x), (2.0, M23), (15.0, np.full((2, 3), 2.0)), 0
    ),
    "three ranks": Gradient(
        lambda a, b, c: np.sum(a * b * c),
        (np.arange(4.0), X234, np.arange(3.0).reshape(3, 1)),
        (
            [76.0, 82.0, 88.0, 94.0],
            np.broadcast_to(np.outer(np.arange(3.0), np.arange(4.0)), (2, 3, 4)),
            [[100.0], [148.0], [196.0]],
        ),
        4,
    ),
    "an outer product with itself": Gradient(
        lambda x: np.sum(x[:, None] * x[None, :]), ([1.0, 2.0, 3.0],), ([12.0] * 3,), 0
    ),
    "reshape of a transpose": Gradient(
        lambda x: np.sum(np.reshape(np.transpose(x), (6,)) * np.arange(6.0)),
        (np.zeros((2, 3)),),
        ([[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]],),
        0,
    ),
    "overlapping slices": Gradient(
        lambda x: np.sum(x[1:] * x[:-1]), (W4,), ([2.0, 4.0, 6.0, 3.0],), 0
    ),
    "an index that repeats": Gradient(
        lambda x: np.sum(x[np.array([0, 0, 2])] * np.array([1.0, 10.0, 100.0])),
        ([1.0, 2.0, 3.0],),
        ([11.0, 0.0, 100.0],),
        0,
    ),
    "a pair of indices that repeats": Gradient(
        lambda x: np.sum(x[np.array([0, 0]), np.array([1, 1])] * np.array([1.0, 10.0])),
        (M24,),
        ([[0.0, 11.0], [0.0, 0.0]],),
        0,
    ),
    "a mask": Gradient(
        lambda x: np.sum(x[np.array([True, False, True])] * np.array([5.0, 7.0])),
        ([1.0, 2.0, 3.0],),
        ([5.0, 0.0, 7.0],),
        0,
    ),
    "one entry by two indices": Gradient(lambda x: x[1] * x[-1], ([1.0, 3.0],), ([0.0, 6.0],), 0),
    "sorted": Gradient(
        lambda x: np.sum(x[np.argsort(x.data)] * W3), ([3.0, 1.0, 2.0],), ([3.0, 1.0, -2.0],), 0
    ),
    "concatenate twice the same": Gradient(
        lambda x: np.sum(np.concatenate([x, x]) * W4), ([1.0, 2.0],), ([4.0, 6.0],), 0
    ),
    "stack along the last axis": Gradient(
        lambda x, y: np.sum(np.stack([x, y], axis=1) * SQUARE),
        ([0.0, 0.0], [0.0, 0.0]),
        ([1.0, 3.0], [2.0, 4.0]),
        0,
    ),
    "each entry twice": Gradient(
        lambda x: np.sum(np.broadcast_to(x[:, None], (2, 2)).reshape(4) * W4),
        ([0.0, 0.0],),
        ([3.0, 7.0],),
        0,
    ),
    "expand and squeeze": Gradient(
        lambda x: np.sum(np.squeeze(np.expand_dims(x, 1), 1) * W3), ([0.0] * 3,), (W3,), 0
    ),
}
# Products of matrices: ∂⟨G, AB⟩ = G Bᵀ and Aᵀ G.
LINEAR = {
    "matrix times vector": Gradient(
        lambda m, v: np.sum((m @ v) * np.array([1.0, 10.0])),
        (M23, [1.0, 2.0, 3.0]),
        (np.outer([1.0, 10.0], [1.0, 2.0, 3.0]), [30.0, 41.0, 52.0]),
        0,
    ),
    "vector times matrix": Gradient(
        lambda v, m: np.sum((v @ m) * W3), ([1.0, 2.0], M23), (M23 @ W3, np.outer([1, 2], W3)), 0
    ),
    "vector times a batch": Gradient(
        lambda v, b: np.sum((v @ b) * G52),
        (np.arange(4.0), M542),
        ([1065.0, 1155.0, 1245.0, 1335.0], np.arange(4.0)[:, None] * G52[:, None, :]),
        4,
    ),
    "X Xᵀ with unequal weights": Gradient(
        lambda x: np.sum((x @ np.transpose(x)) * SQUARE),
        (SQUARE,),
        ((SQUARE + SQUARE.T) @ SQUARE,),
        0,
    ),
    "X X": Gradient(
        lambda x: np.sum((x @ x) * SQUARE), (SQUARE,), (SQUARE @ SQUARE.T + SQUARE.T @ SQUARE,), 0
    ),
    "column sums times a diagonal's sum": Gradient(
        lambda x, w: np.sum(np.sum(x * w[np.arange(3), np.arange(3)][:, None], axis=0)),
        (np.arange(6.0).reshape(3, 2), np.arange(9.0).reshape(3, 3)),
        (np.outer([0.0, 4.0, 8.0], [1.0, 1.0]), np.diag([1.0, 5.0, 9.0])),
        0,
    ),
    "an entry that meets two": Gradient(
        lambda x, y: np.sum(x * y), ([2.0, 3.0], [4.0]), ([4.0, 4.0], [5.0]), 0
    ),
    "a weighted diagonal": Gradient(
        lambda x: np.sum(x[np.arange(2), np.arange(2)] * np.array([3.0, 5.0])),
        (np.arange(4.0).reshape(2, 2),),
        ([[3.0, 0.0], [0.0, 5.0]],),
        0,
    ),
}
# Dtypes: each gradient in its own input's.
DTYPES = {
    "integer constants": Gradient(
        lambda x: np.sum(x * np.array([1, 2, 3]) + 1), ([0.5] * 3,), ([1.0, 2.0, 3.0],), 0
    ),
    "a float32 leaf and float64 constants": Gradient(
        lambda x: np.sum(x * np.array([0.1, 0.2])),
        (np.array([1, 2], np.float32),),
        ([0.1, 0.2],),
        2,
    ),
    "a float32 mean": Gradient(
        lambda x: np.mean(x * x), (np.array([1, 2, 3], np.float32),), ([2 / 3, 4 / 3, 2.0],), 2
    ),
    "leaves of both": Gradient(
        lambda x, y: np.sum(x * y),
        (np.array([1.5, 2.5], np.float32), [3.0, 4.0]),
        ([3.0, 4.0], [1.5, 2.5]),
        2,
    ),
}
GRADIENTS: dict[str, Gradient] = (
    GRAPH | POWERS | SMOOTH_CHOICES | BRANCHES | SATURATED | REDUCTIONS | SHAPES | LINEAR | DTYPES
)
# Higher orders. tanh⁽ⁿ⁾ = p_n(tanh) with p_{n+1} = p_n′ (1 − t²), evaluated by mpmath at 60 digits,
# as are (xˣ)⁽ⁿ⁾ and softplus‴; the others by hand.
ORDERS = {
    "tanh′": Order(np.tanh, 0.7, 1, 0.6347395899824586, 64),
    "tanh″": Order(np.tanh, 0.7, 2, -0.7672323100919165, 64),
    "tanh‴": Order(np.tanh, 0.7, 3, 0.12159227738323637, 64),
    "tanh⁗": Order(np.tanh, 0.7, 4, 2.7749834227807857, 64),
    "tanh, fifth": Order(np.tanh, 0.7, 5, -7.503529089750026, 64),
    "tanh, sixth": Order(np.tanh, 0.7, 6, -6.678345529506013, 64),
    "xˣ, second": Order(lambda x: x**x, 1.3, 2, 3.3231678183679807, 64),
    "xˣ, third": Order(lambda x: x**x, 1.3, 3, 6.0943033287285555, 64),
    "exp(−x²) at 0, third": Order(lambda x: np.exp(-(x**2)), 0.0, 3, 0.0, 8, 1e-15),
    "exp(−x²) at 0, fourth": Order(lambda x: np.exp(-(x**2)), 0.0, 4, 12.0, 8, 1e-15),
    "x⁴ at 0, fifth": Order(lambda x: x**4, 0.0, 5, 0.0, 0),
    "x x x, third": Order(lambda x: x * x * x, 2.0, 3, 6.0, 4),
    "softplus, third": Order(act.softplus, -0.4, 3, 0.04742154162820856, 256),
    # −2 tanh sech²
    "tanh″ at 19": Order(
        np.tanh, 19.0, 2, -8 * math.exp(-38) / (1 + math.exp(-38)) ** 2 * math.tanh(19), 64
    ),
    "3x + 1, second": Order(lambda x: 3.0 * x + 1.0, 2.0, 2, 0.0, 0),
}


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    """Forwards into a branch that is not taken may warn, as NumPy does."""
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("case", GRADIENTS.values(), ids=GRADIENTS.keys())
def test_gradients(case: Gradient) -> None:
    leaves = [Value(x) for x in case.inputs]
    y = case.f(*leaves)
    by_grad = te.grad(y, leaves)
    y.backward()
    for leaf, slope, exact in zip(leaves, by_grad, case.exact, strict=True):
        close(slope, exact, case.ulp, case.absolute)
        assert slope.dtype == leaf.dtype
        if leaf.grad is None:  # backward does not invent a zero for what it never reached
            assert not np.any(exact)
        else:
            assert np.array_equal(leaf.grad, slope, equal_nan=True)
            assert leaf.grad.dtype == leaf.dtype


SHALLOW = {name: case for name, case in GRADIENTS.items() if name != "100,000 additions in a row"}


@pytest.mark.parametrize("case", SHALLOW.values(), ids=SHALLOW.keys())
def test_gradients_recorded_for_higher_orders_are_the_same(case: Gradient) -> None:
    leaves = [Value(x) for x in case.inputs]
    for slope, exact in zip(
        te.grad(case.f(*leaves), leaves, create_graph=True), case.exact, strict=True
    ):
        close(slope.data, exact, case.ulp, case.absolute)


@pytest.mark.parametrize("case", KINKS.values(), ids=KINKS.keys())
def test_kinks(case: Kink) -> None:
    leaves = [Value(x) for x in case.inputs]
    case.f(*leaves).backward()
    for leaf, left, right, ours in zip(leaves, case.left, case.right, case.ours, strict=True):
        close(leaf.grad, ours, 0, 0.0)
        assert np.all(leaf.grad >= np.minimum(left, right))
        assert np.all(leaf.grad <= np.maximum(left, right))


@pytest.mark.parametrize("case", ORDERS.values(), ids=ORDERS.keys())
def test_higher_orders(case: Order) -> None:
    derivative: Callable[..., Any] = case.f
    for _ in range(case.order):
        derivative = te.grad(derivative)
    close(derivative(case.x), case.exact, case.ulp, case.absolute)


def test_where_the_root_of_a_sum_of_squares_has_no_slope() -> None:
    """Norm of 0, deviation of equal numbers: 0 is a subgradient, NaN an honest "none"."""
    for f, x in (
        (lambda x: np.sqrt(np.sum(x * x)), [0.0, 0.0]),
        (lambda x: np.sqrt(np.mean((x - np.mean(x)) ** 2)), [2.0, 2.0]),
    ):
        slope = te.grad(f)(np.array(x))
        assert np.all(np.isnan(slope)) or np.all(slope == 0.0)


class TestBehaviour:
    def test_a_second_backward_adds_the_same_again(self) -> None:
        x = Value(3.0)
        y = x * x
        z = y * 2.0
        z.backward()
        z.backward()
        assert x.grad == 24.0

    def test_two_losses_add_up(self) -> None:
        x = Value(2.0)
        (x * x).backward()
        (x * 3.0).backward()
        assert x.grad == 7.0

    def test_the_wrapped_array_may_change(self) -> None:
        array = np.array([3.0, 4.0])
        x = Value(array)
        y = np.sum(x * x)
        array[...] = 100.0
        y.backward()
        assert x.grad.tolist() == [6.0, 8.0]

    def test_the_leafs_own_array_is_locked(self) -> None:
        x = Value([3.0, 4.0])
        y = np.sum(x * x)
        with pytest.raises(ValueError, match="read-only"):
            x.data[...] = 100.0
        y.backward()
        assert x.grad.tolist() == [6.0, 8.0]

    def test_gradients_alias_neither_each_other_nor_the_seed(self) -> None:
        a, b, seed = Value([1.0, 2.0]), Value([3.0, 4.0]), np.array([1.0, 1.0])
        (a + b).backward(seed)
        a.grad += 5.0
        assert b.grad.tolist() == [1.0, 1.0]
        assert seed.tolist() == [1.0, 1.0]

    def test_the_seed_is_unchanged(self) -> None:
        a, seed = Value([1.0, 2.0]), np.array([1.0, 2.0])
        (a * a * a).backward(seed)
        assert seed.tolist() == [1.0, 2.0]

    def test_a_vector_needs_a_seed(self) -> None:
        x = Value([1.0, 2.0])
        with pytest.raises(ShapeError):
            (x * x).backward()
        assert x.grad is None

    def test_a_seed_of_another_shape_does_not_broadcast(self) -> None:
        x = Value(np.ones((2, 2)))
        with pytest.raises(ShapeError):
            (x * x).backward(np.array([1.5, 1.5]))

    def test_a_number_has_a_number_for_gradient(self) -> None:
        x = Value(2.0)
        np.sum(x * np.ones((2, 3))).backward()
        assert np.shape(x.grad) == ()
        assert x.grad == 6.0

    def test_integers_have_float_gradients(self) -> None:
        x = Value(np.array([1, 2, 3]))
        np.sum(x * 0.5).backward()
        assert x.grad.dtype == np.float64
        assert x.grad.tolist() == [0.5, 0.5, 0.5]

    def test_equal_values_are_two_leaves(self) -> None:
        a, b = Value(2.0), Value(2.0)
        (a * b + a).backward()
        assert (a.grad, b.grad) == (3.0, 2.0)

    def test_two_runs_give_the_same_bits(self) -> None:
        runs = []
        for _ in range(2):
            x = Value(np.linspace(0.1, 1, 50))
            np.sum(np.exp(x) * x).backward()
            runs.append(x.grad.tobytes())
        assert runs[0] == runs[1]

    def test_a_detached_root_says_so(self) -> None:
        with pytest.raises(NotTrackedError):
            (Value(2.0).detach() * 3).backward()
