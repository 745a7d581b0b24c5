"""The verifier: is a derivative right, is it wrong, or can it not be told?

Values of the function decide; no rule is trusted. `gradients` judges a function's gradient, the
engine's or one written by hand, `model` every parameter of a model, `rule` one operation over its
whole domain, `nodes` each operation of a graph. `noise.py` measures how much of a function's values
is rounding, `slope.py` reads its slope off them, `verdict.py` decides; `exact.py` is the tier of
fifty digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from typing import Any, Literal

import numpy as np

from ..engine.call import refuse_compiled
from ..engine.context import changed
from ..engine.sweep import gradients as swept
from ..engine.value import Value
from ..errors import GradientError, OperandError, ShapeError
from ..nn.module import Module, unchanged
from .directions import by_directions
from .entries import by_entries, claimed
from .identities import Taylor, dot_product, taylor
from .nodes import nodes
from .problem import Problem, names_of
from .records import rule
from .report import Entry, Report
from .verdict import Verdict, judge

__all__ = [
    "Entry",
    "Report",
    "Taylor",
    "Verdict",
    "assert_gradients",
    "dot_product",
    "gradients",
    "judge",
    "model",
    "nodes",
    "rule",
    "strategies",
    "taylor",
]

Mode = Literal["auto", "entries", "directions"]
Precision = Literal["float64", "exact"]

# "auto" looks at every entry of a Jacobian of at most so many.
MANY = 500


def gradients(
    f: Callable[..., Any],
    *inputs: Any,
    rule: Callable[..., Any] | None = None,
    order: int = 1,
    mode: Mode = "auto",
    precision: Precision = "float64",
    seed: int = 0,
    names: Sequence[str] = (),
) -> Report:
    """Judge the derivatives of `f` at `inputs`, entry by entry.

    `f` takes arrays or Values and returns a number or an array. Judged are the engine's
    derivatives, or what `rule(*inputs)` returns for a function of any library: a gradient for
    each input, of the sum of all outputs, or Jacobians with f's axes first. `order=2` judges the
    engine's derivatives of derivatives, of a random weighted sum of all entries of the gradient.
    `mode` "entries" looks at each entry alone, with 92 evaluations for each entry of an input;
    "directions" at three random directions, and names wrong entries by bisection; "auto" takes
    entries while they are few. `seed` draws directions and weights. `precision="exact"` replays
    f on numbers of 50 digits, for what float64 cannot tell (extra `verify`). `names` are what the
    report calls the inputs; by default f's own.
    float32 and whole numbers are converted to float64; the report says so.
    Raises `OperandError`, `DtypeError` or `ShapeError` for what cannot be differentiated at all.
    """
    if not inputs:
        raise OperandError("give the inputs at which to check, as in gradients(f, x, y)")
    refuse_compiled(f)
    if order not in (1, 2):
        raise OperandError(f"order is 1 or 2, not {order!r}")
    if mode not in ("entries", "directions", "auto"):
        raise OperandError(f'mode is "entries", "directions" or "auto", not {mode!r}')
    if precision not in ("float64", "exact"):
        raise OperandError(f'precision is "float64" or "exact", not {precision!r}')
    rng = np.random.default_rng(seed)
    if order == 2:
        if rule is not None:
            raise OperandError(
                "order=2 judges the engine's derivatives; to judge a rule for second derivatives, "
                "give the gradient as f and leave order out"
            )
        names = names or names_of(f, len(inputs))
        f = gradient_sum(f, rng)
    problem = Problem(f, inputs, rule, names)
    if order == 2:
        problem.notes.append(
            "order=2: the derivatives are those of a random weighted sum of all first derivatives."
        )
    return judged(problem, mode, precision, rng)


def assert_gradients(
    f: Callable[..., Any], *inputs: Any, strict: bool = False, **options: Any
) -> None:
    """Raise `GradientError`, with the table, unless `gradients(f, *inputs, **options)` is ok.

    `strict` asks that every entry is proven: inconclusive ones raise too.
    """
    report = gradients(f, *inputs, **options)
    if not (report.proven if strict else report.ok):
        raise GradientError("\n" + report.table())


def model(
    network: Module,
    loss: Callable[[Any, Any], Value],
    x: Any,
    y: Any,
    *,
    mode: Mode = "auto",
    precision: Precision = "float64",
    seed: int = 0,
) -> Report:
    """Judge ∂loss(network(x), y)/∂p for every entry of every parameter p, in float64.

    `mode`, `precision` and `seed` are those of `gradients`. The parameters are as before
    afterwards, without gradients, and so are running statistics and generators. Raises
    `ShapeError` if the network has no parameters.
    """
    if not isinstance(network, Module) or not callable(loss):
        raise OperandError("give a model and a loss function, as in model(network, mse, x, y)")
    parameters = dict(network.named_parameters())
    if not parameters:
        raise ShapeError("this model has no parameters to check")
    leaves = list(parameters.values())
    kept = [leaf.data for leaf in leaves]

    # What draws or counts does so anew in every evaluation: one function is judged, with one mask.
    changes = [*network.named_buffers(), *network.named_generators()]
    alone = partial(unchanged, network) if changes else nullcontext

    def placed(arrays: Any) -> Any:
        for leaf, array in zip(leaves, arrays, strict=True):
            leaf.rebind(array)
        with alone():
            return loss(network(x), y)

    def rule(*arrays: Any) -> tuple[Any, ...]:
        network.zero_grad()
        value = placed(arrays)
        if not isinstance(value, Value):
            raise OperandError(f"the loss returned {type(value).__name__}; it must return a Value")
        value.backward()
        return tuple(
            np.zeros_like(leaf.data) if leaf.grad is None else leaf.grad for leaf in leaves
        )

    try:
        doubles = [np.asarray(data, np.float64) for data in kept]
        problem = Problem(lambda *arrays: placed(arrays), doubles, rule, list(parameters))
        if problem.size != 1:
            raise ShapeError(f"the loss has shape {problem.shape}; it must be a single number")
        return judged(problem, mode, precision, np.random.default_rng(seed), leaves)
    finally:
        for leaf, data in zip(leaves, kept, strict=True):
            leaf.rebind(data)
        network.zero_grad()


def judged(
    problem: Problem,
    mode: Mode,
    precision: Precision,
    rng: np.random.Generator,
    leaves: Sequence[Value] = (),
) -> Report:
    """The verdicts on all derivatives of a problem; `leaves` are what f puts its inputs into."""
    work = problem.size * problem.count
    if (
        precision == "float64"
        and work
        and (mode == "directions" or (mode == "auto" and work > MANY))
    ):
        return by_directions(problem, rng)
    rows, claims = claimed(problem)
    fit = all(c.shape == (len(rows), *x.shape) for c, x in zip(claims, problem.point, strict=True))
    if precision == "float64" or not work or not fit:
        return by_entries(problem, rows, claims)
    from . import exact

    rule = None if leaves else problem.rule  # a model's gradient is the engine's
    found, notes = exact.entries(problem.f, problem.point, problem.names, claims, rule, leaves)
    return Report(found, (*problem.notes, *notes), (), problem.evaluations)


def __getattr__(name: str) -> Any:
    # Strategies need hypothesis, which those who only check gradients may not have.
    if name == "strategies":
        return import_module(".strategies", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def gradient_sum(f: Callable[..., Any], rng: np.random.Generator) -> Callable[..., Any]:
    """A weighted sum of all entries of f's gradient, as a function of the same inputs.

    Its gradient is a Hessian times the weights, which are drawn once.
    """
    weights: dict[Any, Any] = {}

    def drawn(key: Any, shape: tuple[int, ...]) -> Any:
        return weights.setdefault(key, rng.standard_normal(shape)[()])

    def total(*inputs: Any) -> Any:
        with changed(tracking=True):
            leaves = tuple(v if v.requires_grad else Value(v) for v in inputs)
            out = f(*leaves)
            if not (isinstance(out, Value) and out.requires_grad):
                return Value(0.0, requires_grad=False)
            slopes = swept(out, leaves, drawn("out", out.shape), create_graph=True)
            parts = [np.sum(s * drawn(i, s.shape)) for i, s in enumerate(slopes)]
            return sum(parts[1:], parts[0])

    return total
