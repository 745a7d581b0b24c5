"""The reference of the operations: a page for each subject, and the list of all of them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_edu as te
from tinygrad_edu.activations import ACTIVATIONS
from tinygrad_edu.engine.expression import formula, trace, written_symbol
from tinygrad_edu.engine.operation import (
    REAL,
    Discrete,
    Elementwise,
    Operation,
    Structural,
)
from tools import markdown
from tools.markdown import code, table
from tools.numpy_page import supported
from tools.numpy_rules import corners, hidden, incoming, of_output, options_of, rules, symbol, value
from tools.reference_words import label

OVERVIEW = """\
# Operations

An operation is one record: what it computes, and one rule for the derivative by each argument.
Everything here is read off the records, and the formulas of the derivatives are traced from the
rules that run. In the formulas y is the result, and [A] is 1 where A holds and 0 elsewhere. What
NumPy calls them, what is made of them, and what is refused: [NumPy on Values](../numpy.md).

A *domain* is where value and slope are checked; elsewhere an operation gives what NumPy gives. *Not
smooth* says where a function jumps, bends or has an infinite slope, and then what the rule gives
there, a number for each argument.
"""
PARTS = """\
## Parts of rules

Rules of other operations, functions of NumPy and layers are made of these. They have rules of their
own, so that second derivatives are exact, too, and are not meant to be called.
"""
HEADING = ("operation", "y", "NumPy")
FOLDERS = ("tinygrad_edu/ops/", "tinygrad_edu/nn/", "tinygrad_edu/activations/")
# The pages: a heading, and the modules of tinygrad_edu whose records stand on it.
SUBJECTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "arithmetic": ("Arithmetic", ("ops.arithmetic",)),
    "elementary": ("Exponentials, logarithms and roots", ("ops.elementary",)),
    "trigonometry": ("Angles and hyperbolic functions", ("ops.trigonometry", "ops.sinc")),
    "special": ("Error function and normal distribution", ("ops.special",)),
    "rounding": ("Rounding and remainders", ("ops.rounding",)),
    "selection": ("Choosing", ("ops.selection",)),
    "reductions": (
        "Sums, products, extremes and statistics",
        ("ops.reductions", "ops.running", "ops.statistics", "ops.differences"),
    ),
    "shaping": (
        "Shaping, ordering and joining",
        ("ops.shaping", "ops.rearranging", "ops.joining", "engine.operation"),
    ),
    "matrices": ("Linear algebra", ("ops.products", "ops.matrices")),
    "comparisons": ("Comparisons and positions", ("ops.comparisons",)),
    "layers": ("Parts of layers and losses", ("nn.",)),
    "activations": ("Parts of activations", ("activations.",)),
}
# Pages that say by their heading that nobody calls these.
WHOLE = ("layers", "activations")
KINDS: Mapping[type[Operation], str] = {
    Elementwise: "element by element, its arguments broadcast",
    Structural: "moves, mixes or reduces entries",
    Discrete: "without a derivative: its results are not tracked",
}
PACKAGE = Path(te.__file__).parent


@cache
def sources() -> dict[str, str]:
    """The text of each file of the package, by its path in the repository."""
    return {
        path.relative_to(PACKAGE.parent).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@cache
def declarations() -> dict[str, str]:
    """The file in which each name is the first thing that a call is given."""
    return {
        name: path
        for path, text in sources().items()
        if path.startswith(FOLDERS)
        for name in re.findall(r'(?:define_\w+|\.define)\(\s*"(\w+)",', text)
    }


def home(op: Operation) -> str:
    """The file in which a record is declared."""
    if op.name in declarations():
        return declarations()[op.name]
    # Those declared in a loop have their name from a table.
    functions = [each for each in (op.definition, *op.rules, op.forward) if callable(each)]
    for each in functions:
        module = str(getattr(each, "__module__", ""))
        if module.startswith("tinygrad_edu.") and not isinstance(each, Operation):
            return module.replace(".", "/") + ".py"
    return "tinygrad_edu/ops/comparisons.py"


def subject(op: Operation) -> str:
    """The page on which a record stands."""
    path = home(op).removeprefix("tinygrad_edu/").removesuffix(".py").replace("/", ".")
    return next(
        page
        for page, (_, modules) in SUBJECTS.items()
        if any(path.startswith(module) for module in modules)
    )


def by_subject() -> dict[str, list[Operation]]:
    """The records of each page, by name; activations have a reference of their own."""
    found: dict[str, list[Operation]] = {page: [] for page in SUBJECTS}
    for name in sorted(te.OPERATIONS):
        if name not in ACTIVATIONS:
            found[subject(te.OPERATIONS[name])].append(te.OPERATIONS[name])
    return found


def pages() -> dict[str, str]:
    """The list of all records, and a page for each subject."""
    records = by_subject()
    names = supported()
    written = {"operations": overview(records, names)}
    for page, (heading, _) in SUBJECTS.items():
        called = {op: names.get(op, []) for op in records[page]}
        parts = [op for op in records[page] if hidden_part(op, called[op])]
        sections = [section(op, called[op]) for op in records[page] if op not in parts]
        if parts:
            sections += [PARTS, *(section(op, [], level=3) for op in parts)]
        written[f"operations/{page}"] = f"# {heading}\n\n" + "\n".join(sections)
    return written


def hidden_part(op: Operation, names: list[str]) -> bool:
    """Whether a record stands only inside of rules: nobody calls it, by NumPy's name or by ours."""
    known = any(hasattr(space, op.name) for space in (np, np.linalg, operator, te, te.nn.losses))
    return not (names or ours(op) or known) and subject(op) not in WHOLE


def overview(records: Mapping[str, Iterable[Operation]], names: Mapping[Any, list[str]]) -> str:
    """Every record in a line, with a link to its section."""
    parts = [OVERVIEW, "```{toctree}\n:hidden:\n"]
    parts += [f"operations/{page}" for page in SUBJECTS] + ["```\n"]
    for page, (heading, _) in SUBJECTS.items():
        rows = (
            (
                f"[`{op.name}`](operations/{page}.md#operation-{op.name})",
                value(op),
                numpy_names(op, names),
            )
            for op in records[page]
        )
        parts += [f"## {heading}\n", table(HEADING, rows)]
    rows = (
        (f"[`{name}`](activations/{name}.md)", value(op), numpy_names(op, names))
        for name, op in sorted(ACTIVATIONS.items())
    )
    parts += ["## Activations\n", table(HEADING, rows)]
    return "\n".join(parts)


def numpy_names(op: Operation, names: Mapping[Any, list[str]]) -> str:
    """What NumPy calls a record."""
    return ", ".join(code(f"np.{name}") for name in names.get(op, []))


def section(op: Operation, names: list[str], level: int = 2) -> str:
    """One record: what it computes, its rules, where it is smooth, what it is called."""
    rows = [("kind", kind(op))]
    if op.differentiable:
        g, y = incoming(op.arguments), of_output(op.arguments)
        heading = "derivative" if op.elementwise else f"gradient, {g} being that of {y}"
        found = rules(op).replace("](../", "](../../../")
        rows.append((heading, found))
    if op.elementwise and op.definition is not None:
        rows.append(("as a textbook has it", definition(op, op.definition)))
    if op.differentiable:
        rows.append(("domain, as far as it is checked", domain(op)))
        rows.append(("not smooth", corners(op) or "nowhere"))
    if called := [*(f"np.{name}" for name in names), *ours(op)]:
        rows.append(("called", ", ".join(map(code, called))))
    if op.options:
        rows.append(("options", ", ".join(map(code, op.options))))
    path = home(op)
    rows.append(("declared in", f"[{path}](../../../{path})"))
    heading = f"{label(f'operation-{op.name}')}{'#' * level} {op.name}"
    return f"{heading}\n\n{display(op)}\n\n" + table(("", ""), rows)


def kind(op: Operation) -> str:
    """What sort of record it is."""
    return next(text for sort, text in KINDS.items() if isinstance(op, sort))


def display(op: Operation) -> str:
    """What a record computes, as a line of its own."""
    names = [written_symbol(symbol(name)).latex for name in op.arguments]
    return f"$$\n{of_output(op.arguments)} = {op.formula.format(*names)}\n$$"


def definition(op: Operation, textbook: Callable[..., Any]) -> str:
    """The form that the tests hold the forward against, traced."""
    samples = dict.fromkeys(map(symbol, op.arguments), 0.5)
    traced = formula(trace(textbook, samples, **options_of(op)), hidden)
    return markdown.math(traced.in_latex())


def domain(op: Operation) -> str:
    """The interval of each argument."""
    intervals = list(op.domain) + [op.domain[-1]] * (len(op.arguments) - len(op.domain))
    if all(each == REAL for each in intervals):
        return "all real numbers"
    return ", ".join(
        f"{markdown.math(written_symbol(symbol(name)).latex)} in {interval(*each)}"
        for name, each in zip(op.arguments, intervals, strict=False)
    )


def interval(low: float, high: float) -> str:
    """An interval in words of mathematics: its ends are not in it."""
    if (low, high) == REAL:
        return "ℝ"
    left, right = (
        formula(end).latex if math.isfinite(end) else sign + r"\infty"
        for end, sign in ((low, "-"), (high, ""))
    )
    return markdown.math(rf"\left({left}, {right}\right)")


def ours(op: Operation) -> list[str]:
    """What a record is called in this package."""
    found = [f"te.{name}" for name in te.__all__ if getattr(te, name) is op]
    method = getattr(te.Value, op.name, None)
    return [*found, f"v.{op.name}()"] if callable(method) else found
