"""Writes docs/numpy.md: what NumPy can do on Values, read off the registry.

python -m tools.numpy_page --write docs/numpy.md, or --check to compare; without either the page
is printed.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import itertools
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tinygrad_edu import Value
from tinygrad_edu.activations import ACTIVATIONS
from tinygrad_edu.activations.card import short
from tinygrad_edu.engine import dispatch
from tinygrad_edu.engine.expression import Formula, formula, trace, written_symbol
from tinygrad_edu.engine.operation import (
    FUNCTIONS,
    UFUNCS,
    Discrete,
    Elementwise,
    Operation,
    Structural,
)
from tinygrad_edu.engine.unsupported import NOT_HANDED_OVER, UNSUPPORTED, Group, instead
from tinygrad_edu.files import write_text

PAGE = Path(__file__).parent.parent / "docs" / "numpy.md"
# Where NumPy keeps functions, and what is written before their names.
NAMESPACES: Mapping[str, ModuleType] = {"": np, "linalg.": np.linalg, "fft.": np.fft}
# A longer formula is a rule's own code, or would make a table too wide to read.
LONGEST = 220

INTRODUCTION = """\
# NumPy on Values

What NumPy can do to a `te.Value`, and the derivative of each. Written by
`python -m tools.numpy_page --write docs/numpy.md` from the records themselves (with NumPy
{version}): the formulas of the rules are traced from the rules that run, so none is typed twice.

A function is a *record*, with a rule of its own for each argument, or *made of other operations*:
plain NumPy over records, without a rule. Both have derivatives of every order. In the tables y is
the result, and [A] is 1 where A holds and 0 elsewhere. Names after a comma mean the same.
"""


def public() -> dict[str, Any]:
    """NumPy's ufuncs, and its functions that a Value can be asked to do, by their names."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that NumPy is about to drop
        for prefix, namespace in NAMESPACES.items():
            for name in dir(namespace):
                item = getattr(namespace, name)
                if isinstance(item, np.ufunc) or hasattr(item, "_implementation"):
                    found[prefix + name] = item
    return {
        name: item for name, item in found.items() if not name.rpartition(".")[2].startswith("_")
    }


def supported() -> dict[Any, list[str]]:
    """Each record or composition with the names under which NumPy reaches it, its own first."""
    names: dict[Any, list[str]] = {}
    for name, item in public().items():
        implementation = UFUNCS.get(item) or FUNCTIONS.get(item)
        if implementation is not None:
            names.setdefault(implementation, []).append(name)
    return {
        f: sorted(found, key=partial(order, getattr(f, "name", ""))) for f, found in names.items()
    }


def order(own: str, name: str) -> tuple[bool, int, str]:
    """What puts a function's own name first, and those of sub-packages last."""
    return name != own, name.count("."), name


# Markdown.


def math(latex: str) -> str:
    """LaTeX as GitHub shows it, inside a table too."""
    latex = latex.replace(r"\operatorname{", r"\mathrm{")  # which GitHub does not allow
    latex = re.sub(r"\\(left|right)\|", r"\\\1\\vert ", latex).replace("|", r"\vert ")
    if "`" in latex:
        raise ValueError(f"a formula with a backtick cannot be shown: {latex}")
    return f"$`{latex}`$"


def code(text: str) -> str:
    """Python in a table."""
    return "`" + " ".join(text.split()).replace("|", r"\|") + "`"


def table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    lines = [list(heading), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def sentence(item: Any) -> str:
    """The first sentence of a docstring, in one line."""
    text = " ".join((inspect.getdoc(item) or "").split("\n\n")[0].split())
    match = re.match(r"(.*?[^.])\.(?: |$)", text)
    return (match.group(1) if match else text).replace("|", r"\|")


def written_as(composition: Any) -> Any:
    """The function that a composition is."""
    return getattr(composition, "function", composition)


def called(implementation: Any, names: Iterable[str]) -> str:
    """How a function is called, and its other names."""
    first, *others = (f"np.{name}" for name in names)
    if isinstance(implementation, Operation):
        given = implementation.names
    else:
        given = tuple(inspect.signature(written_as(implementation)).parameters)
    shown = code(f"{first}({', '.join(given)})")
    return ", ".join([shown, *map(code, others)])


# Rules.


def symbol(name: str) -> str:
    """An argument's name as formulas have it: x1 is x with an index."""
    return re.sub(r"^([a-z])(\d)$", r"\1_\2", name)


def hidden(op: Operation) -> bool:
    """Whether a formula says what the operation stands for: users cannot call it by a name."""
    return op.name not in ACTIVATIONS and not op.numpy


def of_output(names: Iterable[str]) -> str:
    """What the result is called, where no argument has the name."""
    return "out" if "y" in names else "y"


def elementwise_rule(op: Elementwise, position: int) -> str:
    """One partial derivative."""
    rule = op.partials[position]
    rule = getattr(rule, "definition", None) or rule
    if not callable(rule):
        return math(formula(rule).latex)
    samples = {of_output(op.arguments): 0.5, **{symbol(name): 0.5 for name in op.arguments}}
    return shown(formula(trace(rule, samples, **options_of(op)), hidden))


def options_of(op: Operation) -> dict[str, Any]:
    """The options of the record's first case."""
    return dict(op.cases[0].options) if op.cases else {}


def structural_rule(op: Structural, position: int) -> str:
    """One pullback: what it says of itself, else its formula, else its code."""
    rule = op.pullbacks[position]
    if inspect.getdoc(rule):
        return sentence(rule)
    case = op.cases[0]
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.1, 0.9, shape) for shape in case.shapes]
    with np.errstate(all="ignore"):
        given = (arrays,) if op.variadic else arrays
        out = np.asarray(op(*given, **case.options))
    names = [f"x_{i + 1}" for i in range(len(arrays))] if op.variadic else op.arguments
    samples = {"g": np.ones_like(out), of_output(names): out}
    samples.update(zip(map(symbol, names), arrays, strict=True))
    options = options_of(op) | ({"position": 0} if op.variadic else {})
    written = shown(formula(trace(rule, samples, **options), hidden))
    # A number in it may be a length.
    shapes = " and ".join(str(shape) for shape in case.shapes)
    return f"{written} (shape {shapes})" if re.search(r"\d", written) else written


def shown(written: Formula) -> str:
    """A formula for a table: LaTeX, or code if that is too long."""
    if len(written.in_latex()) <= LONGEST:
        return math(written.in_latex())
    return code(written.in_text())


def rules(op: Operation) -> list[str]:
    """The derivative of a record with respect to each of its arguments, with its name."""
    rule: Callable[[Any, int], str] = structural_rule
    if isinstance(op, Elementwise):
        rule = elementwise_rule
    found = []
    for position in range(len(op.rules)):
        name = math(written_symbol(symbol(op.arguments[position])).latex)
        found.append(f"{name}: {rule(op, position)}" if len(op.rules) > 1 else rule(op, position))
    return found


def value(op: Operation) -> str:
    """What a record computes."""
    names = [written_symbol(symbol(name)).latex for name in op.arguments]
    return math(op.formula.format(*names))


# Where a derivative does not exist, and what is returned there.

# Numbers among which there is a point on each corner.
CANDIDATES = (1.0, 0.0, 0.5, 2.0, -1.0)


def corners(op: Operation) -> str:
    """Each corner, and pole at an end of the domain, with what the rules give there."""
    if isinstance(op, Elementwise):
        return "; ".join([*(corner(op, kink) for kink in op.kinks), *poles(op)])
    return "; ".join(sentence(kink) for kink in op.kinks if callable(kink))


def corner(op: Elementwise, kink: Any) -> str:
    """Where a function has a corner, and what its rules give there."""
    names = [symbol(name) for name in op.arguments]
    if not callable(kink):
        place = rf"{names[0]} = {formula(kink).latex}"
        return f"{math(place)}: {slopes(op, (kink, *(1.0 for _ in names[1:])))}"
    zero = trace(kink, dict.fromkeys(names, 0.5), **options_of(op))
    sides = zero.inputs if zero.op is not None and zero.op.name == "subtract" else (zero, 0)
    place = math(" = ".join(formula(side, hidden).latex for side in sides))
    for point in itertools.product(CANDIDATES, repeat=len(names)):
        with np.errstate(all="ignore"):
            if kink(*map(np.float64, point), **options_of(op)) == 0:
                return f"{place}: {slopes(op, point)}"
    return place


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


# The page.

# Which modules of tinygrad_edu.ops a part of the page tells of; the last takes the rest.
TOPICS: Mapping[str, tuple[str, ...]] = {
    "Sums, products, extremes and statistics": ("reductions", "running", "statistics"),
    "Shaping": ("shaping", "rearranging", "joining", "parts", "building"),
    "Choosing and ordering": ("selection",),
    "Linear algebra": ("linalg", "products", "matrices"),
    "Others": (),
}
# Functions that stand in another module than readers look for.
MOVED: Mapping[str, str] = {"broadcast_to": "Shaping"}
INTERNAL = frozenset({"in_place", "rebind", "to_number"})


def module(implementation: Any) -> str:
    """The module of tinygrad_edu.ops that a record or composition stands in."""
    candidates: tuple[Any, ...] = (written_as(implementation),)
    if isinstance(implementation, Operation):
        candidates = (*implementation.rules, implementation.forward)
    for each in candidates:
        home = str(getattr(each, "__module__", ""))
        if home.startswith("tinygrad_edu.ops."):
            return home.rpartition(".")[2]
    return ""


def topic(implementation: Any) -> str:
    """The part of the page that a function belongs to."""
    home = module(implementation)
    found = next((name for name, homes in TOPICS.items() if home in homes), "Others")
    return MOVED.get(getattr(implementation, "name", ""), found)


def page() -> str:
    """The whole page."""
    every = supported()
    products = {each for each in every if topic(each) == "Linear algebra"}
    of_ufuncs = {id(each) for each in UFUNCS.values()}
    ufuncs = {f: every[f] for f in every if id(f) in of_ufuncs and f not in products}
    functions = {f: every[f] for f in every if f not in ufuncs}
    version = ".".join(np.__version__.split(".")[:2])
    parts = [INTRODUCTION.format(version=version), "## Ufuncs\n", ufunc_part(ufuncs)]
    for name in TOPICS:
        chosen = {f: names for f, names in functions.items() if topic(f) == name}
        rows = {f: names for f, names in chosen.items() if not isinstance(f, Discrete)}
        if rows:
            parts += [f"## {name}\n", function_part(rows)]
    parts += [
        "## Without a derivative\n",
        untracked(f for f in every.items() if isinstance(f[0], Discrete)),
        "## Methods of ufuncs\n",
        ufunc_methods(),
        "## Methods of a Value\n",
        value_methods(),
        "## What is not supported\n",
        unsupported(),
    ]
    return "\n".join(parts)


def ufunc_part(ufuncs: Mapping[Any, list[str]]) -> str:
    """The ufuncs: their records, then the ones made of others."""
    rows = [
        (", ".join(code(f"np.{name}") for name in names), value(op), *rules_and_corners(op))
        for op, names in ufuncs.items()
        if isinstance(op, Elementwise)
    ]
    made = {f: names for f, names in ufuncs.items() if not isinstance(f, Operation)}
    text = (
        "Where a derivative does not exist, or is infinite, the last column says where, and what "
        "is returned there\nfor each argument.\n\n"
    )
    text += table(("NumPy", "y", "∂y/∂ of each argument", "not smooth"), rows) + "\n"
    return text + ("\n" + compositions(made) if made else "")


def rules_and_corners(op: Operation) -> tuple[str, str]:
    """Two cells of a table: the derivatives, and where there is none."""
    return "<br>".join(rules(op)), corners(op)


def function_part(functions: Mapping[Any, list[str]]) -> str:
    """Functions of one topic: their records, then the ones made of others."""
    records = {f: names for f, names in functions.items() if isinstance(f, Operation)}
    made = {f: names for f, names in functions.items() if not isinstance(f, Operation)}
    texts = []
    if records:
        rows = [(called(op, names), *rules_and_corners(op)) for op, names in records.items()]
        heading = ("NumPy", "gradient of each argument, g being that of y", "not smooth")
        texts.append(table(heading, rows) + "\n")
    if made:
        texts.append(compositions(made))
    return "\n".join(texts)


def compositions(made: Mapping[Any, list[str]]) -> str:
    """Functions without rules."""
    rows = [(called(f, names), sentence(written_as(f))) for f, names in made.items()]
    return "Made of other operations:\n\n" + table(("NumPy", "what it computes"), rows) + "\n"


def untracked(discrete: Iterable[tuple[Any, list[str]]]) -> str:
    """Comparisons, truth values and positions."""
    names = ", ".join(code(f"np.{name}") for _, all_of_it in discrete for name in all_of_it)
    return (
        "Comparisons, truth values and positions: their results are Values that are not tracked, "
        "for masks,\nindices and conditions.\n\n" + names + "\n"
    )


def ufunc_methods() -> str:
    """reduce, accumulate and outer."""
    reductions = ", ".join(
        f"{code(f'np.{ufunc}.reduce')} is {code(name)}"
        for ufunc, name in dispatch.REDUCTIONS.items()
    )
    running = ", ".join(
        f"{code(f'np.{ufunc}.accumulate')} is {code(name)}"
        for ufunc, name in dispatch.ACCUMULATIONS.items()
    )
    return (
        f"Every ufunc of two arguments has {', '.join(map(code, dispatch.METHODS))}.\n"
        f"{reductions};\n{running}; the others are computed entry after entry.\n"
        "`at` writes in place and is refused, as is `reduceat`.\n"
    )


def value_methods() -> str:
    """What a Value can be asked for by name."""
    rows = []
    for name in sorted(dir(Value)):
        item = inspect.getattr_static(Value, name)
        if name.startswith("_") or name in INTERNAL or isinstance(item, str):
            continue
        if sentence(item) and not inspect.ismemberdescriptor(item):
            rows.append((code(f"v.{name}{'()' * callable(item)}"), sentence(item)))
    return table(("method", "what it does"), rows) + "\n"


def unsupported() -> str:
    """What raises an error, why, and what to write instead."""
    texts = [
        "Each of these raises an error that says the same: why, and what to write instead.\n",
        *(group_part(group) for group in UNSUPPORTED),
        "### Arrays that NumPy makes by itself\n",
        "NumPy does not ask a Value here, so nothing can be done about it but to raise an error.\n",
        table(
            ("NumPy and Python", "write"),
            ((code(name), code_or_words(text)) for name, text in NOT_HANDED_OVER.items()),
        )
        + "\n",
    ]
    return "\n".join(texts)


def group_part(group: Group) -> str:
    """One reason, with its functions."""
    together: dict[str, list[str]] = {}
    for name in group.names:
        own = instead(name) if group.names[name] else group.instead.format(name="f")
        together.setdefault(own, []).append(name)
    rows = [
        (", ".join(code(f"np.{name}") for name in names), code_or_words(own))
        for own, names in together.items()
    ]
    reason = group.why[0].upper() + group.why[1:]
    return f"### {group.title}\n\n{reason}.\n\n{table(('NumPy', 'write'), rows)}\n"


def code_or_words(text: str) -> str:
    """Advice, with those of its parts that are Python as code."""
    parts = re.split(r"(, or | or |, and | and |, which |, the | if | with |: |, )", text)
    return "".join(code(part) if is_python(part) else part for part in parts)


def is_python(text: str) -> bool:
    """Whether a text is an expression, and more than a word."""
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return not text.isalpha()


def main() -> None:
    """Write, compare or print the page."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.numpy_page", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--write", type=Path, help="the file to write")
    parser.add_argument("--check", type=Path, nargs="?", const=PAGE, help="the file to compare")
    options = parser.parse_args()
    text = page()
    if options.check and options.check.read_text(encoding="utf-8") != text:
        sys.exit(f"{options.check} is not what the records say; python -m tools.numpy_page --write")
    if options.write:
        write_text(options.write, text)
    if not options.check and not options.write:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
