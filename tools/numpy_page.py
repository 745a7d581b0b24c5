"""Writes docs/numpy.md, what NumPy can do on Values, read off the registry.

python -m tools.numpy_page
"""

from __future__ import annotations

import ast
import inspect
import re
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import tinygrad_edu as te
from tinygrad_edu.engine import dispatch
from tinygrad_edu.engine.methods import Elsewhere
from tinygrad_edu.engine.operation import FUNCTIONS, UFUNCS, Discrete, Elementwise, Operation
from tinygrad_edu.engine.unsupported import NOT_HANDED_OVER, UNSUPPORTED, Group, instead
from tinygrad_edu.files import write_text
from tools.markdown import code, table
from tools.numpy_rules import corners, rules, sentence, value

PAGE = Path(__file__).parent.parent / "docs" / "numpy.md"
# Where NumPy keeps functions, and what is written before their names.
NAMESPACES: Mapping[str, ModuleType] = {"": np, "linalg.": np.linalg, "fft.": np.fft}
# What is written before parameters that stand for several.
STARS: Mapping[Any, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}

INTRODUCTION = """\
# NumPy on Values

What NumPy can do to a `te.Value`, and the derivative of each. Written by
`python -m tools.numpy_page` from the records themselves (with NumPy
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
    for f, found in names.items():
        found.sort(key=partial(order, getattr(f, "name", "")))
    return dict(sorted(names.items(), key=lambda item: order("", item[1][0])))


def order(own: str, name: str) -> tuple[bool, int, str]:
    """What puts a function's own name first, and those of sub-packages last."""
    return name != own, name.count("."), name


def written_as(composition: Any) -> Any:
    """The function that a composition is."""
    return getattr(composition, "function", composition)


def called(implementation: Any, names: Iterable[str]) -> str:
    """How a function is called, and its other names."""
    first, *others = (f"np.{name}" for name in names)
    if isinstance(implementation, Operation):
        given = implementation.names
    else:
        parameters = inspect.signature(written_as(implementation)).parameters.values()
        given = tuple(STARS.get(each.kind, "") + each.name for each in parameters)
    shown = code(f"{first}({', '.join(given)})")
    return ", ".join([shown, *map(code, others)])


# The page.

UNTRACKED = "Without a derivative"
# Which modules of tinygrad_edu.ops a part of the page tells of; the others go to "Others".
TOPICS: Mapping[str, tuple[str, ...]] = {
    "Sums, products, extremes and statistics": ("reductions", "running", "statistics"),
    "Making and shaping": ("shaping", "rearranging", "joining", "building"),
    "Choosing and ordering": ("selection",),
    "Linear algebra": ("linalg", "products", "matrices"),
    "Others": (),
    UNTRACKED: ("comparisons",),
}
# Functions that stand in another module than readers look for.
MOVED: Mapping[str, str] = {"broadcast_to": "Making and shaping"}
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
        parts.append(f"## {name}\n")
        if name == UNTRACKED:
            parts.append(untracked(f for f in every.items() if isinstance(f[0], Discrete)))
        parts.append(function_part(rows))
    parts += [
        "## Beside NumPy\n",
        beside(),
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
        (", ".join(code(f"np.{name}") for name in names), value(op), rules(op), corners(op))
        for op, names in ufuncs.items()
        if isinstance(op, Elementwise)
    ]
    made = {f: names for f, names in ufuncs.items() if not isinstance(f, Operation)}
    text = (
        "Where a derivative does not exist, or is infinite, the last column says where, and what "
        "is returned there\nfor each argument.\n\n"
    )
    text += table(("NumPy", "y", "∂y/∂ of each argument", "not smooth"), rows)
    return text + ("\n" + compositions(made) if made else "")


def function_part(functions: Mapping[Any, list[str]]) -> str:
    """Functions of one topic: their records, then the ones made of others."""
    records = {f: names for f, names in functions.items() if isinstance(f, Operation)}
    made = {f: names for f, names in functions.items() if not isinstance(f, Operation)}
    texts = []
    if records:
        rows = [(called(op, names), rules(op), corners(op)) for op, names in records.items()]
        heading = ("NumPy", "gradient of each argument, g being that of y", "not smooth")
        texts.append(table(heading, rows))
    if made:
        texts.append(compositions(made))
    return "\n".join(texts)


def compositions(made: Mapping[Any, list[str]]) -> str:
    """Functions without rules."""
    rows = [(called(f, names), sentence(written_as(f))) for f, names in made.items()]
    return "Made of other operations:\n\n" + table(("NumPy", "what it computes"), rows)


def untracked(discrete: Iterable[tuple[Any, list[str]]]) -> str:
    """Comparisons, truth values and positions."""
    names = ", ".join(code(f"np.{name}") for _, all_of_it in discrete for name in all_of_it)
    return (
        "Comparisons, truth values and positions: their results are Values that are not tracked, "
        "for masks,\nindices and conditions.\n\n" + names + "\n"
    )


def beside() -> str:
    """The package's own functions of Values."""
    rows = []
    for name in te.__all__:
        item = getattr(te, name)
        if isinstance(item, Operation):
            shown = code(f"te.{name}({', '.join(item.names)})")
            rows.append((shown, f"{value(item)}; its gradient: {rules(item)}"))
        elif getattr(item, "__module__", "").startswith("tinygrad_edu.ops."):
            shown = code(f"te.{name}({', '.join(inspect.signature(item).parameters)})")
            rows.append((shown, sentence(item)))
    return table(("tinygrad_edu", "what it computes"), rows)


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
    for name in sorted(dir(te.Value)):
        item = inspect.getattr_static(te.Value, name)
        if name.startswith("_") or name in INTERNAL or isinstance(item, str):
            continue
        if isinstance(item, Elsewhere):
            rows.append((code(f"v.{name}"), f"not here; write {item.instead}"))
        elif sentence(item) and not inspect.ismemberdescriptor(item):
            rows.append((code(f"v.{name}{'()' * callable(item)}"), sentence(item)))
    return table(("method", "what it does"), rows)


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
        ),
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
    return f"### {group.title}\n\n{reason}.\n\n{table(('NumPy', 'write'), rows)}"


def code_or_words(text: str) -> str:
    """Advice, with those of its parts that are Python as code."""
    parts = re.split(r"(, or | or |, and | and |, which |, the | if | with |: |, )", text)
    shown = []
    while parts:
        # Up to where all brackets are closed: a comma may be within a call.
        texts = {end: "".join(parts[:end]) for end in range(1, len(parts) + 1, 2)}
        end = next((end for end, text in texts.items() if text.count("(") == text.count(")")), 1)
        text = texts[end]
        shown += [code(text) if is_python(text) else text, *parts[end : end + 1]]
        parts = parts[end + 1 :]
    return "".join(shown)


def is_python(text: str) -> bool:
    """Whether a text is an expression, and more than a word."""
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return not text.isalpha() and " is " not in text


def main() -> None:
    """Write it."""
    write_text(PAGE, page())


if __name__ == "__main__":
    main()
