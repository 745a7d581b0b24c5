"""What a record's derivatives are, and where it has none, as cells of a table.

Traced from the rules that run, so that nothing is typed a second time.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tinygrad_edu.activations import ACTIVATIONS
from tinygrad_edu.activations.card import short
from tinygrad_edu.engine.expression import Formula, formula, trace, written_symbol
from tinygrad_edu.engine.operation import Elementwise, Operation, Structural
from tools.markdown import code, math

# A longer formula would make a table too wide to read.
LONGEST = 220
# Numbers among which there is a point on each corner.
CANDIDATES = (1.0, 0.0, 0.5, 2.0, -1.0)


def sentence(item: Any) -> str:
    """The first sentence of a docstring, in one line."""
    text = " ".join((inspect.getdoc(item) or "").split("\n\n")[0].split())
    match = re.match(r"(.*?[^.])\.(?: |$)", text)
    return match.group(1) if match else text


def symbol(name: str) -> str:
    """An argument's name as formulas have it: x1 is x with an index."""
    return re.sub(r"^([a-z])(\d)$", r"\1_\2", name)


def hidden(op: Operation) -> bool:
    """Whether a formula says what the operation stands for: users cannot call it by a name."""
    return op.name not in ACTIVATIONS and not op.numpy


def of_output(names: Iterable[str]) -> str:
    """What the result is called, where no argument has the name."""
    return "out" if "y" in names else "y"


def incoming(names: Iterable[str]) -> str:
    """What the gradient of the result is called, where no argument has the name."""
    return "h" if "g" in names else "g"


def elementwise_rule(op: Elementwise, position: int) -> str:
    """One partial derivative."""
    rule = op.partials[position]
    rule = getattr(rule, "definition", None) or rule
    if not callable(rule):
        return math(formula(rule).latex)
    samples = {of_output(op.arguments): 0.5, **{symbol(name): 0.5 for name in op.arguments}}
    return shown(formula(trace(rule, samples, **options_of(op)), hidden), rule)


def options_of(op: Operation) -> dict[str, Any]:
    """The options of the record's first case."""
    return dict(op.cases[0].options) if op.cases else {}


def structural_rule(op: Structural, position: int) -> str:
    """One pullback: what it says of itself, else its formula, else its code."""
    rule = op.pullbacks[position]
    rule = getattr(rule, "definition", None) or rule
    if inspect.getdoc(rule):
        return sentence(rule)
    case = op.cases[0]
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.1, 0.9, shape) for shape in case.shapes]
    with np.errstate(all="ignore"):
        given = (arrays,) if op.variadic else arrays
        out = np.asarray(op(*given, **case.options))
    names = [f"x_{i + 1}" for i in range(len(arrays))] if op.variadic else op.arguments
    samples = {incoming(op.arguments): np.ones_like(out), of_output(names): out}
    samples.update(zip(map(symbol, names), arrays, strict=True))
    options = options_of(op) | ({"position": 0} if op.variadic else {})
    written = shown(formula(trace(rule, samples, **options), hidden), rule)
    # A number in it may be a length.
    shapes = " and ".join(str(shape) for shape in case.shapes)
    return f"{written} (shape {shapes})" if re.search(r"\d.*`", written) else written


def shown(written: Formula, rule: Callable[..., Any]) -> str:
    """A formula for a table: LaTeX, or code, or a link to the rule if it is too long for both."""
    if len(written.in_latex()) <= LONGEST:
        return math(written.in_latex())
    if len(written.in_text()) <= LONGEST:
        return code(written.in_text())
    path = rule.__module__.replace(".", "/")
    return f"[its code](../{path}.py)"


def rules(op: Operation) -> str:
    """The derivative of a record with respect to each of its arguments, with its name."""
    rule: Callable[[Any, int], str] = structural_rule
    if isinstance(op, Elementwise):
        rule = elementwise_rule
    if len(op.rules) == 1:
        return rule(op, 0)
    names = (math(written_symbol(symbol(name)).latex) for name in op.arguments)
    return "<br>".join(f"{name}: {rule(op, position)}" for position, name in enumerate(names))


def value(op: Operation) -> str:
    """What a record computes."""
    names = [written_symbol(symbol(name)).latex for name in op.arguments]
    return math(op.formula.format(*names))


# Where a derivative does not exist, and what is returned there.


def corners(op: Operation) -> str:
    """Each corner, and pole at an end of the domain, with what the rules give there."""
    if isinstance(op, Elementwise):
        return "; ".join([*(corner(op, kink) for kink in op.kinks), *poles(op)])
    return "; ".join(zero_in_words(kink) for kink in op.kinks if callable(kink))


def corner(op: Elementwise, kink: Any) -> str:
    """Where a function has a corner, and what its rules give there."""
    names = [symbol(name) for name in op.arguments]
    if not callable(kink):
        place = rf"{names[0]} = {formula(kink).latex}"
        return f"{math(place)}: {slopes(op, (kink, *(1.0 for _ in names[1:])))}"
    place = zeros(op, kink, names)
    for point in itertools.product(CANDIDATES, repeat=len(names)):
        with np.errstate(all="ignore"):
            if kink(*map(np.float64, point), **options_of(op)) == 0:
                return f"{place}: {slopes(op, point)}"
    return place


def zeros(op: Elementwise, kink: Callable[..., Any], names: Iterable[str]) -> str:
    """Where a function is zero: what it says of itself, else its equation."""
    if inspect.getdoc(kink):
        return zero_in_words(kink)
    zero = trace(kink, dict.fromkeys(names, 0.5), **options_of(op))
    sides = zero.inputs if zero.op is not None and zero.op.name == "subtract" else (zero, 0)
    return math(" = ".join(formula(side, hidden).latex for side in sides))


def zero_in_words(kink: Callable[..., Any]) -> str:
    """Where a function is zero, by what it says of itself."""
    words = sentence(kink)
    if words.startswith("0 where "):
        return re.split("[;:]", words.removeprefix("0 where "))[0]
    return words if re.search(r"\b(0|zero)\b", words) else f"{words}, is 0"


def slopes(op: Elementwise, point: tuple[float, ...]) -> str:
    """What the rules give at a point."""
    numbers = tuple(map(np.float64, point))
    options = options_of(op)
    with np.errstate(all="ignore"):
        out = op.forward(*numbers, **options)
        given = [
            rule(out, *numbers, **options) if callable(rule) else rule for rule in op.array_rules
        ]
    return ", ".join(short(float(each)) for each in given)


def poles(op: Elementwise) -> Iterator[str]:
    """Ends of the domain of a function of one argument at which its derivative is infinite."""
    if len(op.arguments) > 1:
        return
    for end in op.domain[0]:
        if np.isfinite(end) and end not in op.kinks and "∞" in (found := slopes(op, (end,))):
            yield f"{math(rf'{op.arguments[0]} = {formula(end).latex}')}: {found}"
