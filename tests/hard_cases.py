"""Gradients on which automatic differentiation has gone wrong somewhere, with exact answers.

Each case is an expression, numbers for its letters, and the gradients in closed form; the tests run
it, and docs/hard_cases.md is written from it. A group's text says where its answers come from; a
number that has no short closed form was computed with mpmath at 60 digits from the definition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_edu as te

INF, NAN = math.inf, math.nan
w3, w4 = np.array([1.0, -2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])
square = np.array([[1.0, 2.0], [3.0, 4.0]])
grid = np.arange(10.0).reshape(5, 2)


@dataclass(frozen=True)
class Case:
    """`call` has the gradient `gives` at `at`, an entry for each letter, and `why`.

    Within `ulp` units in the last place, or `absolute`. At a corner no derivative exists: `gives`
    is our choice, and lies between the one-sided slopes `left` and `right`. An `order` above 1 is
    that of a derivative of a function of one number. `seen` are issues of other libraries.
    """

    call: str
    at: Mapping[str, Any]
    gives: tuple[Any, ...]
    why: str
    seen: tuple[str, ...] = ()
    left: tuple[Any, ...] | None = None
    right: tuple[Any, ...] | None = None
    order: int = 1
    ulp: float = 16
    absolute: float = 0.0

    @property
    def f(self) -> Callable[..., Any]:
        """The function that the expression is of its letters."""
        function: Callable[..., Any] = eval(f"lambda {', '.join(self.at)}: {self.call}", NAMES)
        return function


@dataclass(frozen=True)
class Group:
    """Cases of one kind; `text` says where their answers come from."""

    title: str
    text: str
    cases: Mapping[str, Case]


def again(step: Callable[[Any], Any], start: Any, times: int) -> Any:
    """`step` of `step` of … `start`."""
    for _ in range(times):
        start = step(start)
    return start


def constant(x: Any) -> Any:
    """The numbers of x, for which there is no gradient."""
    return x.detach()


# What an expression may name beside its letters.
NAMES: dict[str, Any] = {
    **{"np": np, "te": te, "act": te.activations, "again": again, "constant": constant},
    **{"w3": w3, "w4": w4, "square": square, "grid": grid},
}


def at(**letters: Any) -> Mapping[str, Any]:
    """The point of a case."""
    return letters


def normalised_slope(x: Any, w: Any, epsilon: float) -> Any:
    """(w − mean w − x̂ mean(w x̂)) / √(v + ε), x̂ being divided by √(v + ε) too."""
    centred = x - x.mean()
    deviation = math.sqrt((centred**2).mean() + epsilon)
    hat = centred / deviation
    return (w - w.mean() - hat * (w * hat).mean()) / deviation


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max())
    return e / e.sum()


S = softmax(np.array([0.5, -1.0, 2.0]))
ONE_E = 1 / (1 + math.e)
TAIL_50 = math.exp(-50)
SELU, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
M23, M32 = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2)
X234 = np.arange(24.0).reshape(2, 3, 4)
X4 = np.array([1.0, 2.0, 4.0, 7.0])


def phi(x: float) -> float:
    """The density of the normal distribution."""
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def exact_gelu_slope(x: float) -> float:
    """Φ(x) + x φ(x)."""
    return math.erfc(-x / math.sqrt(2)) / 2 + x * phi(x)


GRAPH = Group(
    "The shape of the graph",
    "By the rules for sums and products.",
    {
        "a node twice in a sum": Case(
            "a + a", at(a=3.0), (2.0,), "both uses add up", ("karpathy/micrograd#2",), ulp=0
        ),
        "a node twice in a product": Case(
            "a * a", at(a=3.0), (6.0,), "both uses add up: 2a", ulp=0
        ),
        "a diamond": Case(
            "((a + b) + a * b) + (a + b) * (a * b)",
            at(a=2.0, b=3.0),
            (1 + 3 + 3 * 5 + 6, 1 + 2 + 2 * 5 + 6),
            "a node is left only after all that it reaches have been",
            ("karpathy/micrograd#68",),
            ulp=0,
        ),
        "100,000 additions in a row": Case(
            "again(lambda y: y + x, x, 100_000)",
            at(x=1.0),
            (100_001.0,),
            "no recursion, so no limit on depth",
            ("karpathy/micrograd#90",),
            ulp=0,
        ),
        "2⁶⁰ paths": Case(
            "again(lambda y: y + y, x, 60)",
            at(x=1.0),
            (2.0**60,),
            "each node is swept once, not each path",
            ulp=0,
        ),
        "2,000 factors": Case(
            "again(lambda y: y * 1.001, x, 2000)",
            at(x=1.0),
            (math.exp(2000 * math.log(1.001)),),
            "1.001²⁰⁰⁰; each product rounds",
            ulp=4000,
        ),
        "an input that does not matter": Case(
            "a * 2.0",
            at(a=3.0, b=[1.0, 2.0]),
            (2.0, [0.0, 0.0]),
            "`te.grad` gives zeros of its shape; after `backward()` its `.grad` is still None",
            ulp=0,
        ),
        "half of it detached": Case(
            "x * constant(x)", at(x=3.0), (3.0,), "`v.detach()` is a constant: x, not 2x", ulp=0
        ),
        "straight through a rounding": Case(
            "x + constant(np.floor(x + 0.5) - x)",
            at(x=2.3),
            (1.0,),
            "the slope of x; what is detached has none",
            ulp=0,
        ),
        "x / x": Case("x / x", at(x=3.0), (0.0,), "1/x − x/x²: the uses cancel", absolute=1e-16),
    },
)
POWERS = Group(
    "Powers and quotients",
    "d xⁿ = n xⁿ⁻¹, d xʸ/dy = xʸ log x, and their limits at x = 0.",
    {
        "x⁰ at 0": Case(
            "x**0",
            at(x=0.0),
            (0.0,),
            "a constant, though 0 · 0⁻¹ is not a number",
            ("pytorch/pytorch#8940", "tenstorrent/tt-metal#5082"),
            ulp=0,
        ),
        "x¹ at 0": Case("x**1", at(x=0.0), (1.0,), "1 · 0⁰ = 1", ulp=0),
        "x³ of a negative number": Case(
            "x**3",
            at(x=-2.0),
            (12.0,),
            "no logarithm of the base is taken for a constant exponent",
            ulp=0,
        ),
        "0ʸ at y = 2": Case(
            "x**y",
            at(x=0.0, y=2.0),
            (0.0, 0.0),
            "the limit of xʸ log x, where 0 · log 0 is not a number",
            ("pytorch/pytorch#27134", "ekmett/ad#54"),
            ulp=0,
        ),
        "x^1.5 at 0": Case("x**1.5", at(x=0.0), (0.0,), "1.5 √0", ("HIPS/autograd#581",), ulp=0),
        "√x at 0": Case(
            "np.sqrt(x)",
            at(x=0.0),
            (INF,),
            "the limit: infinite, not NaN and no exception",
            ("tensorflow/tensorflow#4914",),
            ulp=0,
        ),
        "xˣ": Case(
            "x**x",
            at(x=0.5),
            (0.5**0.5 * (math.log(0.5) + 1),),
            "one node as base and exponent: both uses add up",
        ),
        "reflected − and ÷": Case("(2.0 - x) + 2.0 / x", at(x=4.0), (-1.125,), "−1 − 2/x²", ulp=0),
        "NumPy on the left": Case(
            "np.sum(np.float64(2.0) * x + np.array([1.0, 10.0]) * x)",
            at(x=[1.0, 2.0]),
            ([3.0, 12.0],),
            "NumPy hands the product to the Value; no array of objects",
            ulp=0,
        ),
        "a quotient of huge numbers": Case(
            "a / b",
            at(a=1e200, b=1e200),
            (1e-200, -1e-200),
            "−(a/b)/b: b² would overflow",
        ),
        "a huge square": Case("x**2", at(x=1e154), (2e154,), "2x: nothing overflows on the way"),
    },
)
KINKS = Group(
    "Corners and ties",
    "No derivative exists at a corner; what we return lies between the slopes on its two sides. "
    "Ties share equally; `clip` passes 1 at its bounds.",
    {
        "|x| at 0": Case("np.abs(x)", at(x=0.0), (0.0,), "sign(0) = 0", left=(-1.0,), right=(1.0,)),
        "maximum(x, 0) at 0": Case(
            "np.maximum(x, 0.0)",
            at(x=0.0),
            (0.5,),
            "a tie shares equally; write relu for 0",
            ("pytorch/pytorch#114234", "tensorflow/tensorflow#62429"),
            left=(0.0,),
            right=(1.0,),
        ),
        "relu at 0": Case(
            "act.relu(x)",
            at(x=0.0),
            (0.0,),
            "the slope of the flat side, as everywhere in deep learning",
            ("pytorch/pytorch#114234", "tensorflow/tensorflow#62429"),
            left=(0.0,),
            right=(1.0,),
        ),
        "a tie of two in max": Case(
            "np.max(x)",
            at(x=[1.0, 3.0, 3.0]),
            ([0.0, 0.5, 0.5],),
            "a tie shares equally, so that the sum stays 1",
            ("apache/mxnet#18563", "pytorch/pytorch#155071"),
            left=([0, 0, 0],),
            right=([0, 1, 1],),
        ),
        "a tie with a broadcast number": Case(
            "np.sum(np.minimum(x, y))",
            at(x=[1.0, 2.0, 3.0], y=2.0),
            ([1.0, 0.5, 0.0], 1.5),
            "a tie shares equally; the sum stays 3",
            left=([1, 1, 0], 2.0),
            right=([1, 0, 0], 1.0),
        ),
        "a tie along an axis": Case(
            "np.sum(np.max(x, axis=1) * np.array([10.0, 1.0]))",
            at(x=[[2.0, 2.0], [1.0, 5.0]]),
            ([[5.0, 5.0], [0.0, 1.0]],),
            "a tie shares equally, row by row",
            left=([[0, 0], [0, 1]],),
            right=([[10, 10], [0, 1]],),
        ),
        "hard swish at −3": Case(
            "act.hard_swish(x)",
            at(x=-3.0),
            (0.0,),
            "the slope of the flat side",
            ("pytorch/pytorch#147801",),
            left=(0.0,),
            right=(-0.5,),
        ),
        "selu at 0": Case(
            "act.selu(x)",
            at(x=0.0),
            (SELU * SELU_ALPHA,),
            "that of the left side, whose formula holds at 0",
            left=(SELU * SELU_ALPHA,),
            right=(SELU,),
        ),
        "leaky relu at 0": Case(
            "act.leaky_relu(x)",
            at(x=0.0),
            (0.01,),
            "the slope of the left side",
            ("tensorflow/tensorflow#62436",),
            left=(0.01,),
            right=(1.0,),
        ),
        "‖(0, 0)‖": Case(
            "np.linalg.norm(x)",
            at(x=[0.0, 0.0]),
            ([0.0, 0.0],),
            "0, of all subgradients the one that leaves weights where they are; x/‖x‖ is NaN",
            ("HIPS/autograd#268", "HIPS/autograd#586"),
            left=([-1.0, -1.0],),
            right=([1.0, 1.0],),
        ),
        "the deviation of equal numbers": Case(
            "np.std(x)",
            at(x=[2.0, 2.0]),
            ([0.0, 0.0],),
            "0, a subgradient: the corner of a root of squares",
            ("pytorch/pytorch#4320", "jax-ml/jax#11716", "tensorflow/tensorflow#56830"),
            left=([-0.5, -0.5],),
            right=([0.5, 0.5],),
        ),
        "both written out": Case(
            "np.sqrt(np.sum(x * x)) + np.sqrt(np.mean((x - np.mean(x)) ** 2))",
            at(x=[0.0, 0.0]),
            ([NAN, NAN],),
            "the root's slope is infinite and what it is multiplied with 0; write the functions",
        ),
    },
)
CHOICES = Group(
    "Not corners, though they look like them",
    "Smooth at the point, or constant around it.",
    {
        "maximum of a node and itself": Case(
            "np.maximum(x, x)",
            at(x=3.0),
            (1.0,),
            "two halves: the function is x",
            ("microsoft/onnxruntime#11388", "pytorch/pytorch#56734"),
            ulp=0,
        ),
        "clip inside and outside": Case(
            "np.sum(np.clip(x, -1.0, 1.0) * w4)",
            at(x=[-2.0, -0.5, 0.5, 2.0]),
            ([0, 2, 3, 0],),
            "1 inside the bounds, and on them; 0 outside",
            ulp=0,
        ),
        "‖(3, 4)‖": Case("np.linalg.norm(x)", at(x=[3.0, 4.0]), ([0.6, 0.8],), "x/‖x‖"),
        "floor and sign away from their jumps": Case(
            "np.sum(np.floor(x) + np.sign(x))",
            at(x=[1.5, -2.5]),
            ([0, 0],),
            "piecewise constant: 0, and 0 at the jumps too",
            ulp=0,
        ),
        "sorted": Case(
            "np.sum(np.sort(x) * w3)",
            at(x=[3.0, 1.0, 2.0]),
            ([3.0, 1.0, -2.0],),
            "each weight goes back to where its number came from",
            ("pytorch/pytorch#57166",),
            ulp=0,
        ),
    },
)
BRANCHES = Group(
    "Branches that are not taken",
    "What is not chosen has no influence, whatever it holds: a product with a zero that the chain "
    "rule made is 0, even with NaN or infinity.",
    {
        "√ of negative numbers not taken": Case(
            "np.sum(np.where(x > 0, np.sqrt(x), x))",
            at(x=[-1.0, -4.0]),
            ([1.0, 1.0],),
            "only x is taken; elsewhere 0 · NaN is NaN",
            (
                "jax-ml/jax#347",
                "pytorch/pytorch#187297",
                "HIPS/autograd#802",
                "tinygrad/tinygrad#12409",
            ),
            ulp=0,
        ),
        "√ at 0 not taken": Case(
            "np.sum(np.where(x > 0, np.sqrt(x), 0.0 * x))",
            at(x=[0.0, 4.0]),
            ([0.0, 0.25],),
            "0 · ∞ of the branch that is not taken is 0",
            ("jax-ml/jax#1052", "jax-ml/jax#5798"),
            ulp=0,
        ),
        "an overflow not taken": Case(
            "np.where(x < 15, x, np.exp(np.exp(x)))",
            at(x=10.0),
            (1.0,),
            "the other branch is infinite, and not taken",
            ("tensorflow/tensorflow#38349", "jax-ml/jax#2630"),
            ulp=0,
        ),
        "sin x / x at 0": Case(
            "np.where(x != 0, np.sin(x) / np.where(x != 0, x, 1.0), 1.0)",
            at(x=0.0),
            (0.0,),
            "the constant is taken; `np.sinc` needs no such care",
            ulp=0,
        ),
        "one NaN among numbers": Case(
            "np.sum(x * x)",
            at(x=[1.0, NAN, 3.0]),
            ([2.0, NAN, 6.0],),
            "NaN stays in its entry",
            ulp=0,
        ),
        "a factor of exactly 0": Case(
            "np.sum(x * np.array([0.0, 1.0]))",
            at(x=[1e308, 1.0]),
            ([0.0, 1.0],),
            "the factor itself",
            ulp=0,
        ),
    },
)
SATURATED = Group(
    "Saturation and overflow",
    "By closed derivatives in forms that hold in the tails. Forwards and rules overflow nowhere "
    "and keep their digits where the textbook's form loses them.",
    {
        "σ at 1000": Case(
            "act.sigmoid(x)", at(x=1000.0), (0.0,), "5e-435 is less than any float", ulp=0
        ),
        "σ at −1000": Case("act.sigmoid(x)", at(x=-1000.0), (0.0,), "no overflow of e¹⁰⁰⁰", ulp=0),
        "σ at 40": Case(
            "act.sigmoid(x)",
            at(x=40.0),
            (math.exp(-40) / (1 + math.exp(-40)) ** 2,),
            "σ(x) σ(−x), where σ(1 − σ) rounds to 0",
        ),
        "tanh at 19": Case(
            "np.tanh(x)",
            at(x=19.0),
            (4 * math.exp(-38) / (1 + math.exp(-38)) ** 2,),
            "sech² is an operation of its own; 1 − tanh² rounds to 0 here",
            ("jax-ml/jax#40388", "jax-ml/jax#40315"),
        ),
        "tanh at 10": Case(
            "np.tanh(x)",
            at(x=10.0),
            (4 * math.exp(-20) / (1 + math.exp(-20)) ** 2,),
            "1 − tanh² keeps seven digits here",
            ("jax-ml/jax#40388",),
        ),
        "softplus at 1000": Case(
            "act.softplus(x)", at(x=1000.0), (1.0,), "log(1 + eˣ) would overflow", ulp=0
        ),
        "softplus at −1000": Case(
            "act.softplus(x)", at(x=-1000.0), (0.0,), "less than any float", ulp=0
        ),
        "softplus at 20.5": Case(
            "act.softplus(x)",
            at(x=20.5),
            (1 / (1 + math.exp(-20.5)),),
            "no threshold beyond which it is taken for x",
            ulp=1,
        ),
        "log σ at −800": Case("act.log_sigmoid(x)", at(x=-800.0), (1.0,), "log(σ) would be log 0"),
        "logsumexp of very negative numbers": Case(
            "te.logsumexp(x)",
            at(x=[-1e4, -1e4 - 1.0]),
            ([1 - ONE_E, ONE_E],),
            "softmax; shifted by the largest entry",
        ),
        "logsumexp with a masked entry": Case(
            "te.logsumexp(x)",
            at(x=[-INF, 0.0, 0.0]),
            ([0.0, 0.5, 0.5],),
            "an entry of −∞ has no share",
        ),
        "softmax that overflows": Case(
            "np.sum(act.softmax(x) * w3)",
            at(x=[1000.0, 0.0, -1000.0]),
            ([0, 0, 0],),
            "shifted by the largest entry",
            ulp=0,
            absolute=1e-300,
        ),
        "softmax": Case(
            "np.sum(act.softmax(x) * w3)",
            at(x=[0.5, -1.0, 2.0]),
            (S * (w3 - w3 @ S),),
            "s (w − ⟨w, s⟩)",
        ),
        "cross-entropy of huge logits": Case(
            "-act.log_softmax(x)[1]",
            at(x=[1e4, 0.0]),
            ([1.0, -1.0],),
            "softmax minus the one that is true",
        ),
        "the tail of a log-softmax": Case(
            "act.log_softmax(x)[1]",
            at(x=[0.0, 50.0]),
            ([-TAIL_50 / (1 + TAIL_50), TAIL_50 / (1 + TAIL_50)],),
            "e⁻⁵⁰ is kept, where 1 − softmax rounds to 0",
        ),
        "cross-entropy of a logit of 1000": Case(
            "np.maximum(x, 0.0) - x * 0.25 + np.log1p(np.exp(-np.abs(x)))",
            at(x=1000.0),
            (0.75,),
            "σ(x) − ¼; `te.nn.losses.bce_with_logits` is this",
        ),
        "cross-entropy of a logit of −1000": Case(
            "np.maximum(x, 0.0) - x * 0.25 + np.log1p(np.exp(-np.abs(x)))",
            at(x=-1000.0),
            (-0.25,),
            "σ(x) − ¼",
        ),
        "expm1 near 0 and far below": Case(
            "np.sum(np.expm1(x))",
            at(x=[1e-20, -50.0]),
            ([1.0, TAIL_50],),
            "eˣ; expm1(x) + 1 would lose e⁻⁵⁰",
        ),
        "gelu, exact": Case(
            'np.sum(act.gelu(x, approximate="none"))',
            at(x=[-3.0, -0.5, 0.0, 0.5, 3.0]),
            ([exact_gelu_slope(x) for x in (-3.0, -0.5, 0.0, 0.5, 3.0)],),
            "Φ(x) + x φ(x)",
            ulp=64,
        ),
        # mpmath: d/dx of x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))
        "gelu, tanh form": Case(
            "np.sum(act.gelu(x))",
            at(x=[-3.0, -0.5, 0.0, 0.5, 2.7]),
            (
                [
                    -0.011584166630969726,
                    0.1326300964653577,
                    0.5,
                    0.8673699035346423,
                    1.0246678654351904,
                ],
            ),
            "another function than the exact one: up to 9e-4 off in the slope",
        ),
        "swish at ±1000": Case(
            "np.sum(act.swish(x))",
            at(x=[-1000.0, 0.0, 1000.0]),
            ([0.0, 0.5, 1.0],),
            "no overflow on either side",
        ),
        # mpmath: d/dx of x tanh(log(1 + eˣ))
        "mish": Case(
            "np.sum(act.mish(x))",
            at(x=[-2.0, 0.5]),
            ([-0.10835509242039394, 0.8864243753577272],),
            "tanh(s) + x sech²(s) σ(x), s being softplus(x)",
            ulp=64,
        ),
        "elu at 1000": Case(
            "act.elu(x)", at(x=1000.0), (1.0,), "the exponential is not taken there", ulp=0
        ),
        "logaddexp of equal numbers": Case(
            "np.logaddexp(a, b)", at(a=1000.0, b=1000.0), (0.5, 0.5), "e¹⁰⁰⁰ is never formed"
        ),
        "exp of −744.5": Case(
            "np.exp(x)", at(x=-744.5), (5e-324,), "the smallest float is not lost", ulp=1
        ),
    },
)
REDUCTIONS = Group(
    "Sums, products and statistics",
    "∂mean/∂xᵢ = 1/n; a product's slope is the product of all others.",
    {
        "a product with two zeros": Case(
            "np.prod(x)",
            at(x=[0.0, 0.0, 3.0]),
            ([0.0, 0.0, 0.0],),
            "products of the others, not y / x",
            ("tinygrad/tinygrad#17404",),
            ulp=0,
        ),
        "a product of one zero": Case(
            "np.prod(x)",
            at(x=[0.0]),
            ([1.0],),
            "the product of no others is 1",
            ("pytorch/pytorch#82644",),
            ulp=0,
        ),
        "running products through a zero": Case(
            "np.sum(np.cumprod(x))",
            at(x=[2.0, 0.0, 3.0, 4.0]),
            ([1.0, 2 + 2 * 3 + 2 * 3 * 4, 0.0, 0.0],),
            "products of the others, not y / x",
            (
                "tensorflow/tensorflow#3862",
                "Theano/Theano#5197",
                "tracel-ai/burn#5141",
                "pymc-devs/pytensor#1911",
            ),
            ulp=0,
        ),
        "running sums": Case(
            "np.sum(np.cumsum(x) * w4)",
            at(x=w4),
            ([10.0, 9.0, 7.0, 4.0],),
            "running sums from the end",
            ulp=0,
        ),
        "mean over outer axes": Case(
            "np.sum(np.mean(x, axis=(0, 2)) * w3)",
            at(x=X234),
            (np.broadcast_to(w3[:, None] / 8, (2, 3, 4)),),
            "w/8: the number of entries that are averaged, not of all",
            ("harvard-edge/cs249r_book#1867",),
            ulp=0,
        ),
        "shares of a row": Case(
            "np.sum(x / np.sum(x, axis=-1, keepdims=True) * np.array([[1.0, 2.0], [3.0, 5.0]]))",
            at(x=[[1.0, 3.0], [2.0, 6.0]]),
            ([[-0.1875, 0.0625], [-0.1875, 0.0625]],),
            "(w − ⟨w, p⟩) / s: through numerator and sum",
        ),
        "batch normalisation, through mean and variance": Case(
            "np.sum((x - np.mean(x)) / np.sqrt(np.var(x) + 1e-5) * w4)",
            at(x=X4),
            (normalised_slope(X4, w4, 1e-5),),
            "mean and variance are no constants",
            ulp=64,
        ),
        "the sample variance": Case(
            "np.var(x, ddof=1)",
            at(x=[1.0, 2.0, 4.0]),
            ([-4 / 3, -1 / 3, 5 / 3],),
            "2 (x − mean) / (n − 1)",
            ulp=32,
        ),
        "a sum of nothing": Case(
            "np.sum(x * x)",
            at(x=np.zeros(0)),
            (np.zeros(0),),
            "a gradient of shape (0,)",
            ("tensorflow/tensorflow#33660",),
            ulp=0,
        ),
    },
)
SHAPES = Group(
    "Broadcasting, views and indices",
    "Each entry's gradient is the sum over the places that it went to.",
    {
        "(3, 1) + (1, 4)": Case(
            "np.sum((a + b) ** 2)",
            at(a=np.arange(3.0).reshape(3, 1), b=np.arange(4.0).reshape(1, 4)),
            ([[12.0], [20.0], [28.0]], [[6.0, 12.0, 18.0, 24.0]]),
            "summed over the axis that was repeated",
            ulp=4,
        ),
        "a number times a matrix": Case(
            "np.sum(s * x)",
            at(s=2.0, x=M23),
            (15.0, np.full((2, 3), 2.0)),
            "a number's gradient is a number",
            ("raskr/rust-autograd#38",),
            ulp=0,
        ),
        "three ranks": Case(
            "np.sum(a * b * c)",
            at(a=np.arange(4.0), b=X234, c=np.arange(3.0).reshape(3, 1)),
            (
                [76.0, 82.0, 88.0, 94.0],
                np.broadcast_to(np.outer(np.arange(3.0), np.arange(4.0)), (2, 3, 4)),
                [[100.0], [148.0], [196.0]],
            ),
            "summed over axes that were added, and over those that were repeated",
            ulp=4,
        ),
        "an outer product with itself": Case(
            "np.sum(x[:, None] * x[None, :])",
            at(x=[1.0, 2.0, 3.0]),
            ([12.0] * 3,),
            "the slope of (Σx)²",
            ulp=0,
        ),
        "reshape of a transpose": Case(
            "np.sum(np.reshape(np.transpose(x), (6,)) * np.arange(6.0))",
            at(x=np.zeros((2, 3))),
            ([[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]],),
            "entries, not memory, are moved back",
            ulp=0,
        ),
        "overlapping slices": Case(
            "np.sum(x[1:] * x[:-1])", at(x=w4), ([2.0, 4.0, 6.0, 3.0],), "both slices add up", ulp=0
        ),
        "an index that repeats": Case(
            "np.sum(x[np.array([0, 0, 2])] * np.array([1.0, 10.0, 100.0]))",
            at(x=[1.0, 2.0, 3.0]),
            ([11.0, 0.0, 100.0],),
            "all places that an entry was read to add up",
            (
                "HIPS/autograd#39",
                "pytorch/pytorch#1528",
                "pytorch/pytorch#1631",
                "pymc-devs/pytensor#2242",
            ),
            ulp=0,
        ),
        "a pair of indices that repeats": Case(
            "np.sum(x[np.array([0, 0]), np.array([1, 1])] * np.array([1.0, 10.0]))",
            at(x=np.zeros((2, 2))),
            ([[0.0, 11.0], [0.0, 0.0]],),
            "they add up here too",
            ulp=0,
        ),
        "a mask": Case(
            "np.sum(x[np.array([True, False, True])] * np.array([5.0, 7.0]))",
            at(x=[1.0, 2.0, 3.0]),
            ([5.0, 0.0, 7.0],),
            "0 for what the mask leaves out",
            ulp=0,
        ),
        "one entry by two indices": Case(
            "x[1] * x[-1]", at(x=[1.0, 3.0]), ([0.0, 6.0],), "−1 is the same entry: x₁²", ulp=0
        ),
        "concatenate twice the same": Case(
            "np.sum(np.concatenate([x, x]) * w4)",
            at(x=[1.0, 2.0]),
            ([4.0, 6.0],),
            "both parts add up",
            ulp=0,
        ),
        "stack along the last axis": Case(
            "np.sum(np.stack([x, y], axis=1) * square)",
            at(x=[0.0, 0.0], y=[0.0, 0.0]),
            ([1.0, 3.0], [2.0, 4.0]),
            "each its column",
            ulp=0,
        ),
        "each entry twice": Case(
            "np.sum(np.repeat(x, 2) * w4)",
            at(x=[0.0, 0.0]),
            ([3.0, 7.0],),
            "neighbours add up, not halves as for `tile`",
            ulp=0,
        ),
        "expand and squeeze": Case(
            "np.sum(np.squeeze(np.expand_dims(x, 1), 1) * w3)",
            at(x=[0.0] * 3),
            (w3,),
            "axes of length 1 change no number",
            ulp=0,
        ),
    },
)
LINEAR = Group(
    "Linear algebra",
    "∂⟨G, AB⟩ = G Bᵀ and Aᵀ G.",
    {
        "matrix times vector": Case(
            "np.sum((m @ v) * np.array([1.0, 10.0]))",
            at(m=M23, v=[1.0, 2.0, 3.0]),
            (np.outer([1.0, 10.0], [1.0, 2.0, 3.0]), [30.0, 41.0, 52.0]),
            "w vᵀ and Mᵀ w",
            ulp=0,
        ),
        "vector times matrix": Case(
            "np.sum((v @ m) * w3)",
            at(v=[1.0, 2.0], m=M23),
            (M23 @ w3, np.outer([1, 2], w3)),
            "M w and v wᵀ",
            ulp=0,
        ),
        "vector times a batch": Case(
            "np.sum((v @ b) * grid)",
            at(v=np.arange(4.0), b=np.arange(40.0).reshape(5, 4, 2)),
            ([1065.0, 1155.0, 1245.0, 1335.0], np.arange(4.0)[:, None] * grid[:, None, :]),
            "the vector's gradient is summed over the batch",
            ulp=4,
        ),
        "X Xᵀ with unequal weights": Case(
            "np.sum((x @ np.transpose(x)) * square)",
            at(x=square),
            ((square + square.T) @ square,),
            "(W + Wᵀ) X: both uses add up",
            ulp=0,
        ),
        "einsum of one matrix twice": Case(
            'np.sum(np.einsum("ij,jk->ik", x, x) * square)',
            at(x=square),
            (square @ square.T + square.T @ square,),
            "G Xᵀ + Xᵀ G",
            ulp=0,
        ),
        "einsum of a diagonal": Case(
            'np.sum(np.einsum("ii->i", x) * np.array([3.0, 5.0]))',
            at(x=np.arange(4.0).reshape(2, 2)),
            ([[3.0, 0.0], [0.0, 5.0]],),
            "only the diagonal is read",
            ("HIPS/autograd#115",),
            ulp=0,
        ),
        "einsum of a diagonal among others": Case(
            'np.sum(np.einsum("nd,nn->d", x, w))',
            at(x=M32, w=np.arange(9.0).reshape(3, 3)),
            (np.outer([0.0, 4.0, 8.0], [1.0, 1.0]), np.diag([1.0, 5.0, 9.0])),
            "a letter twice in one operand",
            ("HIPS/autograd#510",),
            ulp=0,
        ),
        "einsum that repeats a length of 1": Case(
            'np.einsum("i,i", x, y)',
            at(x=[2.0, 3.0], y=[4.0]),
            ([4.0, 4.0], [5.0]),
            "summed over what was repeated",
            ("HIPS/autograd#376",),
            ulp=0,
        ),
    },
)
DTYPES = Group(
    "Dtypes",
    "Each gradient has the dtype of its input.",
    {
        "integer constants": Case(
            "np.sum(x * np.array([1, 2, 3]) + 1)",
            at(x=[0.5] * 3),
            ([1.0, 2.0, 3.0],),
            "float64: nothing is truncated",
            ulp=0,
        ),
        "a float32 leaf and float64 constants": Case(
            "np.sum(x * np.array([0.1, 0.2]))",
            at(x=np.array([1, 2], np.float32)),
            ([0.1, 0.2],),
            "float32, as the leaf",
            ("denizyuret/AutoGrad.jl#69", "chainer/chainer#8286"),
            ulp=2,
        ),
        "a float32 mean": Case(
            "np.mean(x * x)",
            at(x=np.array([1, 2, 3], np.float32)),
            ([2 / 3, 4 / 3, 2.0],),
            "float32 all the way",
            ulp=2,
        ),
        "leaves of both": Case(
            "np.sum(x * y)",
            at(x=np.array([1.5, 2.5], np.float32), y=[3.0, 4.0]),
            ([3.0, 4.0], [1.5, 2.5]),
            "each in its own",
            ("pytorch/pytorch#94086",),
            ulp=2,
        ),
    },
)
# tanh⁽ⁿ⁾ = p_n(tanh) with p_{n+1} = p_n′ (1 − t²), evaluated by mpmath at 60 digits, as are
# (xˣ)⁽ⁿ⁾ and softplus‴; the others by hand.
ORDERS = Group(
    "Derivatives of derivatives",
    "`te.grad` of `te.grad` of … a function of one number.",
    {
        **{
            f"tanh, order {order}": Case(
                "np.tanh(x)", at(x=0.7), (exact,), "a polynomial in tanh", order=order, ulp=64
            )
            for order, exact in enumerate(
                (
                    0.6347395899824586,
                    -0.7672323100919165,
                    0.12159227738323637,
                    2.7749834227807857,
                    -7.503529089750026,
                    -6.678345529506013,
                ),
                1,
            )
        },
        "xˣ, order 2": Case(
            "x**x", at(x=1.3), (3.3231678183679807,), "all four ways add up", order=2, ulp=64
        ),
        "xˣ, order 3": Case(
            "x**x", at(x=1.3), (6.0943033287285555,), "all eight ways add up", order=3, ulp=64
        ),
        "exp(−x²) at 0, order 3": Case(
            "np.exp(-(x**2))",
            at(x=0.0),
            (0.0,),
            "0 · 0⁻¹ in the slopes of the power is taken for 0",
            ("HIPS/autograd#116",),
            order=3,
            ulp=8,
            absolute=1e-15,
        ),
        "exp(−x²) at 0, order 4": Case(
            "np.exp(-(x**2))",
            at(x=0.0),
            (12.0,),
            "as above",
            ("HIPS/autograd#116",),
            order=4,
            ulp=8,
            absolute=1e-15,
        ),
        "x⁴ at 0, order 5": Case(
            "x**4",
            at(x=0.0),
            (0.0,),
            "a power that is differentiated away stays 0",
            ("tensorflow/tensorflow#35011",),
            order=5,
            ulp=0,
        ),
        "x x x, order 3": Case(
            "x * x * x", at(x=2.0), (6.0,), "the slopes of products are products", order=3, ulp=4
        ),
        "softplus, order 3": Case(
            "act.softplus(x)",
            at(x=-0.4),
            (0.04742154162820856,),
            "σ″",
            order=3,
            ulp=256,
        ),
        "gelu, order 2": Case(
            'act.gelu(x, approximate="none")',
            at(x=0.5),
            (phi(0.5) * (2 - 0.5**2),),
            "φ(x) (2 − x²)",
            order=2,
            ulp=64,
        ),
        "tanh at 19, order 2": Case(
            "np.tanh(x)",
            at(x=19.0),
            (-8 * math.exp(-38) / (1 + math.exp(-38)) ** 2 * math.tanh(19),),
            "−2 tanh sech²: the tail is kept in every order",
            ("jax-ml/jax#40315",),
            order=2,
            ulp=64,
        ),
        "3x + 1, order 2": Case(
            "3.0 * x + 1.0",
            at(x=2.0),
            (0.0,),
            "0, and no complaint about a graph that is missing",
            order=2,
            ulp=0,
        ),
    },
)
GROUPS = (
    GRAPH,
    POWERS,
    KINKS,
    CHOICES,
    BRANCHES,
    SATURATED,
    REDUCTIONS,
    SHAPES,
    LINEAR,
    DTYPES,
    ORDERS,
)
CASES: Mapping[str, Case] = {name: case for group in GROUPS for name, case in group.cases.items()}

# What happens beside numbers: (what is returned or raised, issues of other libraries). A test
# called by the same words shows each.
BEHAVIOUR: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "a second backward adds the same again": (
        "leaves accumulate: exactly twice the gradient. Inner nodes keep the last pass only",
        ("karpathy/micrograd#102",),
    ),
    "two losses add up": ("leaves accumulate over losses until `.grad` is cleared", ()),
    "the wrapped array may change": (
        "`te.Value(array)` copies, so the gradient is that of the numbers it was given",
        ("NVIDIA/warp#1350",),
    ),
    "the array of a leaf is locked": (
        "`v.data[...] = ` raises `ValueError`; `v.data = ` gives the leaf new data, and older "
        "graphs then refuse to be swept",
        ("NVIDIA/warp#1350",),
    ),
    "gradients alias neither each other nor the seed": (
        "`a.grad += 5` changes no other array",
        (),
    ),
    "the seed is unchanged": ("the array given to `backward()` is only read", ()),
    "a vector needs a seed": (
        "`backward()` of more than one number raises `ShapeError`; nothing is summed in silence",
        (),
    ),
    "a seed of another shape does not broadcast": (
        "raises `ShapeError`",
        ("apache/mxnet#19021",),
    ),
    "a number has a number for gradient": ("a gradient has its input's shape, here ()", ()),
    "integers have float gradients": (
        "`te.Value` of integers is float64, and so is its gradient",
        (),
    ),
    "equal values are two leaves": ("Values are told apart by identity, not by their numbers", ()),
    "two runs give the same bits": ("the sweep has one order", ()),
    "a detached root says so": ("raises `NotTrackedError`", ()),
}

# Rules that a verifier must reject: what is wrong, and why it is hard to see.
WRONG_RULES: Mapping[str, str] = {
    "the sign": "caught by any comparison",
    "counted twice": "a factor of 2",
    "off by 9e-4": "within the relative tolerance of PyTorch's gradcheck",
    "off by 9e-6": "within that of JAX's check_grads",
    "off by 9e-7": "within that of autograd's check_grads",
    "off by 9e-10": "within that of ChainRulesTestUtils",
    "off by 1e-11": "extrapolated differences of order 8 see it",
    "the slope of an approximation": "gelu's tanh form in place of the exact one",
    "a constant rounded to four places": "selu's scale, off by 9e-7",
    "zero for a small slope": "hidden by an absolute tolerance of 1e-5",
    "more than the steeper side of a kink": "1.2 for relu at 0: outside of both slopes",
    "zero where kinks cancel": "max(x, 0) − max(−x, 0) is x, and its slope 1",
    "a forgotten absolute value": "2x for the slope of x |x|",
    "the identity beyond a threshold": "softplus taken for x above 20: off by 1.3e-9",
    "not a number": "a comparison with NaN is neither true nor false",
    "a lost tail": "σ(1 − σ) is 0 at 40, where the slope is 4e-18: no difference of floats tells, "
    'so it is called inconclusive; `precision="exact"`, with 50 digits, rejects it',
}
