"""What a graph computes, written as a formula: in Python's notation and in LaTeX.

`trace` runs a function on symbols; `formula` writes down what was recorded. So the formula of a
derivative is read off its rule and is never typed a second time.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from string import Formatter
from typing import Any

import numpy as np

from ..errors import OperandError
from .context import changed
from .node import Node
from .operation import OPERATIONS, Operation
from .value import Value

# How tightly the parts of a written expression hold together.
RELATION, SUM, PRODUCT, CALL, SYMBOL = range(5)

INFIX: Mapping[str, tuple[str, int]] = {
    "add": ("+", SUM),
    "subtract": ("-", SUM),
    "multiply": ("*", PRODUCT),
    "chain_product": ("*", PRODUCT),
    "divide": ("/", PRODUCT),
    "matmul": ("@", PRODUCT),
    "power": ("**", CALL),
    "less": ("<", RELATION),
    "less_equal": ("<=", RELATION),
    "greater": (">", RELATION),
    "greater_equal": (">=", RELATION),
    "equal": ("==", RELATION),
    "not_equal": ("!=", RELATION),
    # Python binds these more tightly than a comparison, so either side gets its parentheses.
    "bitwise_and": ("&", RELATION),
    "bitwise_or": ("|", RELATION),
    "bitwise_xor": ("^", RELATION),
}
# Numbers that are better known as something else.
KNOWN = {
    math.sqrt(2): ("sqrt(2)", r"\sqrt{2}"),
    math.sqrt(2 / math.pi): ("sqrt(2 / pi)", r"\sqrt{2/\pi}"),
    math.sqrt(2 * math.pi): ("sqrt(2 * pi)", r"\sqrt{2\pi}"),
}
# NumPy's shorter names, where it has two.
SHORT = {"absolute": "abs"}
GREEK = {"alpha", "beta", "omega"}
LETTERS = "uvwrstpq"
# A part that is used twice gets a letter of its own if it is longer than this.
SHORT_ENOUGH = 6


@dataclass(frozen=True)
class Written:
    """An expression in both notations, and how tightly each holds together.

    `number` is its value where it is a constant, `opposite` what it is the negative of, if it is.
    """

    text: str
    latex: str
    text_strength: int = SYMBOL
    latex_strength: int = SYMBOL
    number: float | None = None
    opposite: Written | None = None


@dataclass(frozen=True)
class Formula:
    """An expression and the abbreviations in it, in the order in which they build on each other.

    `text` is a Python expression with NumPy's names; `where` holds (letter, text, LaTeX).
    """

    text: str
    latex: str
    where: tuple[tuple[str, str, str], ...] = ()

    def __str__(self) -> str:
        return self.in_text()

    def in_text(self, where: str = "where") -> str:
        """The formula with its abbreviations in Python's notation."""
        lets = ", ".join(f"{letter} = {text}" for letter, text, _ in self.where)
        return f"{self.text}, {where} {lets}" if lets else self.text

    def in_latex(self, where: str = "where") -> str:
        """The formula with its abbreviations, as one piece of LaTeX for math mode."""
        lets = r",\; ".join(f"{letter} = {latex}" for letter, _, latex in self.where)
        return rf"{self.latex} \quad\text{{{where} }} {lets}" if lets else self.latex


def trace(function: Callable[..., Any], samples: Mapping[str, Any], **options: Any) -> Any:
    """What `function` computes from symbols: a node, or a number if it is constant.

    `samples` holds the symbols' names and some data of the right shape for each.
    """
    symbols = [Value(data, name=name) for name, data in samples.items()]
    with changed(tracking=True, recording=True), np.errstate(all="ignore"):
        return function(*symbols, **options)


def formula(
    root: Any,
    unfold: Callable[[Operation], bool] = lambda op: False,
    *,
    letters: bool = True,
    depth: int | None = None,
    limit: int | None = None,
) -> Formula:
    """The expression that `root` was computed by.

    Operations for which `unfold` is true and which have a definition are written out by it; parts
    that occur twice get letters of their own if `letters` is true. What is more than `depth`
    operations away from `root` is a letter that is not explained. Raises `OperandError` for more
    than `limit` characters.
    """
    if not isinstance(root, Node):
        number = written_number(root)
        return Formula(number.text, number.latex)
    cut = beyond(root, depth)
    nodes = list(inputs_first(root, unfold, cut))
    uses = Counter(id(item) for _, inputs in nodes for item in inputs)
    taken = {node.name for node, _ in nodes}
    free = (
        letter for letter in chain(LETTERS, map("u_{}".format, count(1))) if letter not in taken
    )
    done: dict[int, Written] = {}
    where: list[tuple[str, str, str]] = []
    for node, inputs in nodes:
        parts = [
            done[id(item)] if isinstance(item, Node) else written_number(item) for item in inputs
        ]
        if id(node) in cut:
            whole = written_symbol(node.name or next(free))
        elif inputs is not node.inputs:
            whole = parts[0]  # the definition of an unfolded node
        else:
            whole = written(node, parts)
        if limit is not None and len(whole.latex) > limit:
            raise OperandError(
                f"the formula takes more than {limit} characters; "
                "write less of it with depth=, or raise limit="
            )
        if letters and uses[id(node)] > 1 and len(whole.text) > SHORT_ENOUGH:
            letter = next(free)
            where.append((letter, whole.text, whole.latex))
            whole = written_symbol(letter)
        done[id(node)] = whole
    whole = done[id(root)]
    return Formula(whole.text, whole.latex, tuple(where))


def beyond(root: Node, depth: int | None) -> set[int]:
    """The ids of the results that are `depth` operations away from `root`; nothing if None."""
    if depth is None:
        return set()
    level, seen = [root], {id(root)}
    for _ in range(depth):
        inputs = {id(item): item for node in level for item in node.inputs}
        level = [v for k, v in inputs.items() if isinstance(v, Node) and k not in seen]
        seen.update(map(id, level))
    return {id(node) for node in level if node.op is not None}


def inputs_first(
    root: Node, unfold: Callable[[Operation], bool], cut: set[int]
) -> Iterator[tuple[Node, tuple[Any, ...]]]:
    """Each node under `root` once, after its inputs: those it has, or its definition's root.

    Nodes in `cut` are taken for symbols, without inputs.
    """
    inputs_of: dict[int, tuple[Any, ...]] = {}
    finished: set[int] = set()
    stack = [root]
    while stack:
        node = stack[-1]
        if id(node) in finished:
            stack.pop()
            continue
        if id(node) not in inputs_of:
            inputs_of[id(node)] = () if id(node) in cut else unfolded(node, unfold)
            stack.extend(item for item in inputs_of[id(node)] if isinstance(item, Node))
            continue
        stack.pop()
        finished.add(id(node))
        yield node, inputs_of[id(node)]


def unfolded(node: Node, unfold: Callable[[Operation], bool]) -> tuple[Any, ...]:
    """The inputs of a node, or the definition it is written by."""
    op = node.op
    if op is None or op.definition is None or not unfold(op):
        return node.inputs
    with changed(tracking=True, recording=True), np.errstate(all="ignore"):
        return (op.definition(*node.inputs, **node.options),)


def written(node: Node, parts: list[Written]) -> Written:
    """A node whose inputs are written already."""
    op = node.op
    if op is None:
        return written_leaf(node)
    if op.formula == "{0}":
        return parts[0]
    return simplified(op.name, parts) or applied(op, parts, node.options)


def applied(op: Operation, parts: list[Written], options: Mapping[str, Any] = {}) -> Written:
    """An operation on written parts, as it is."""
    latex, latex_strength = in_latex(op, parts)
    text, text_strength = in_python(op, parts, options)
    opposite = parts[0] if op.name == "negative" else None
    return Written(text, latex, text_strength, latex_strength, opposite=opposite)


def simplified(name: str, parts: list[Written]) -> Written | None:
    """What an operation is by the rules for 0, 1 and double minus signs, None for as it is."""
    first = parts[0]
    second = parts[-1]
    match name:
        case "negative":
            if first.number is not None:
                return written_number(-first.number)
            return first.opposite
        case "add":
            if first.number == 0:
                return second
            if second.number == 0:
                return first
            if second.opposite:
                return calculated("subtract", first, second.opposite)
        case "subtract":
            if second.number == 0:
                return first
            if first.number == 0:
                return calculated("negative", second)
            if second.opposite:
                return calculated("add", first, second.opposite)
        case "multiply" | "chain_product":
            if first.number == 0 or second.number == 0:
                return written_number(0)
            if first.number == 1:
                return second
            if second.number == 1:
                return first
            if RELATION in (first.text_strength, second.text_strength):
                return None  # NumPy knows no negative of truth values
            for part, other in ((first, second), (second, first)):
                if part.number == -1:
                    return calculated("negative", other)
            if first.opposite or second.opposite:
                product = calculated("multiply", first.opposite or first, second.opposite or second)
                both = first.opposite and second.opposite
                return product if both else calculated("negative", product)
            if first == second:
                return calculated("square", first)
        case "divide":
            if first.number == 0:
                return written_number(0)
            if second.number == 1:
                return first
            if first.opposite:
                return calculated("negative", calculated("divide", first.opposite, second))
        case "power" if second.number == 1:
            return first
        case "broadcast_to" if first.number is not None:
            return first
    return None


def calculated(name: str, *parts: Written) -> Written:
    """The operation called `name` on written parts, simplified."""
    return simplified(name, list(parts)) or applied(OPERATIONS[name], list(parts))


def written_leaf(node: Node) -> Written:
    """A symbol, or the number of a leaf without a name."""
    if node.name is None:
        return written_number(node._data)
    return written_symbol(node.name)


def written_symbol(name: str) -> Written:
    """A name: Greek where LaTeX knows it so, upright if it is a word."""
    if name in GREEK:
        return Written(name, rf"\{name}")
    if name == "lambd":
        return Written(name, r"\lambda")
    if len(name) == 1 or re.fullmatch(r"[a-zA-Z]_\d+", name):
        return Written(name, re.sub(r"_(\d+)", r"_{\1}", name))
    plain = re.sub(r"[\\{}$&#^_%~]", lambda sign: rf"\char{ord(sign[0])} ", name)
    return Written(name, rf"\mathrm{{{plain}}}")


def written_number(number: Any) -> Written:
    """A number, all of its digits in Python and six of them in LaTeX."""
    if np.ndim(number):
        # The gradient that a sweep starts with, for instance.
        if np.size(number) and np.all(np.equal(number, np.ravel(number)[0])):
            return written_number(np.ravel(number)[0])
        return Written("array(...)", r"\text{array}", CALL, CALL)
    plain = np.asarray(number).item()
    if not isinstance(plain, int | float):
        return Written(repr(plain), rf"\text{{{plain}}}")
    if plain in KNOWN:
        return Written(*KNOWN[plain], number=plain)
    if isinstance(plain, bool):
        plain = int(plain)
    if isinstance(plain, float) and plain.is_integer() and abs(plain) < 1e6:
        plain = int(plain)
    text = repr(plain)
    latex = text if isinstance(plain, int) else f"{plain:.6g}"
    if "e" in latex:
        digits, _, exponent = latex.partition("e")
        latex = rf"{digits} \cdot 10^{{{int(exponent)}}}"
    latex_strength = PRODUCT if plain < 0 or "cdot" in latex else SYMBOL
    text_strength = SUM if plain < 0 else SYMBOL
    latex = latex.replace("inf", r"\infty")
    opposite = written_number(-plain) if plain < 0 else None
    return Written(text, latex, text_strength, latex_strength, plain, opposite)


def in_python(op: Operation, parts: list[Written], options: Mapping[str, Any]) -> tuple[str, int]:
    """A call or an infix expression."""
    texts = [part.text for part in parts]
    for name in op.arguments[:0:-1]:
        if op.variadic or name not in op.defaults:
            break
        if texts[-1] == written_number(op.defaults[name]).text:
            texts.pop()

    def held(position: int, strength: int) -> str:
        part = parts[position]
        return part.text if part.text_strength >= strength else f"({part.text})"

    if op.name in INFIX and len(parts) == 2:
        sign, strength = INFIX[op.name]
        # a - (b - c) and a / (b * c), but a + b + c and a * b * c; ** groups to the right.
        first = strength + (strength in (RELATION, CALL))
        second = strength + (sign not in "+*" or (sign == "*" and " @ " in parts[1].text))
        return f"{held(0, first)} {sign} {held(1, second)}", strength
    if op.name == "square":
        return f"{held(0, SYMBOL)} ** 2", CALL
    if op.name == "reciprocal":
        return f"1 / {held(0, CALL)}", PRODUCT
    if op.name == "negative":
        return f"-{held(0, PRODUCT)}", SUM
    if op.name == "invert":
        return f"~{held(0, SYMBOL)}", RELATION
    options = dict(options)
    if op.name == "einsum":  # NumPy has the subscripts first
        texts = [repr(options.pop("subscripts")), *texts]
    elif op.variadic:
        texts = [f"[{', '.join(texts)}]"]
    given = [
        f"{name}={value!r}"
        for name, value in options.items()
        if name not in op.defaults or value != op.defaults[name]
    ]
    return f"{SHORT.get(op.name, op.name)}({', '.join([*texts, *given])})", SYMBOL


def in_latex(op: Operation, parts: list[Written]) -> tuple[str, int]:
    """The record's template, its arguments in parentheses where they would fall apart."""
    if op.variadic:
        inside = ", ".join(part.latex for part in parts)
        if op.name == "einsum":
            return rf"\operatorname{{einsum}}\left({inside}\right)", SYMBOL
        return rf"\left[{inside}\right]", SYMBOL
    strength, needs = needed_strengths(op.formula)
    texts = []
    for position, part in enumerate(parts):
        need, leading = needs.get(position, (RELATION, True))
        negative = part.latex.startswith("-") and not leading and need > RELATION
        # A sum takes in all factors that follow.
        open_ended = r"\sum" in part.latex and part.latex_strength == PRODUCT == need
        followed = open_ended and position < len(parts) - 1
        loose = part.latex_strength < need or negative or followed
        texts.append(rf"\left({part.latex}\right)" if loose else part.latex)
    return op.formula.format(*texts), strength


# An innermost pair of brackets, and what LaTeX groups without showing it.
BRACKETED = re.compile(r"\\left\S((?:(?!\\left|\\right).)*)\\right\S|\x00([^\x00\x01]*)\x01")

# What a factor stands beside: a sign, another argument, or brackets.
FACTORS = ("\\cdot", "\\,", "}", "{", "\2")


@lru_cache(maxsize=512)
def needed_strengths(template: str) -> tuple[int, dict[int, tuple[int, bool]]]:
    """How tightly a template holds together, and what it asks of each of its arguments.

    An argument that stands alone between brackets, braces or commas may be anything. Any other
    must hold together as tightly as the signs beside it; unless it comes first, it must not begin
    with "-". Of an argument in several places the strictest counts.
    """
    flat = "".join(
        literal.replace("{", "\0").replace("}", "\1") + (f"{{{field}}}" if field else "")
        for literal, field, _, _ in Formatter().parse(template)
    )
    needs: dict[int, tuple[int, bool]] = {}

    def ask(position: int, need: int, first: bool) -> None:
        before = needs.get(position, (RELATION, True))
        needs[position] = max(before[0], need), before[1] and first

    # An argument that is raised to a power, or has an index, must be a symbol.
    for match in re.finditer("{(\\d)}\1?(?=[\\^_])", flat):
        ask(int(match.group(1)), SYMBOL, False)
    flat = re.sub(r"\\begin.*\\end", "", flat)
    parts = []
    while inner := BRACKETED.search(flat):
        parts += re.split(r"(?<!\\),", inner.group(1) or inner.group(2) or "")
        flat = f"{flat[: inner.start()]}\2{flat[inner.end() :]}"
    strength = strength_of(flat, template)
    for part in map(str.strip, (flat, *parts)):
        loosest = max(strength_of(part, template), SUM)
        for order, match in enumerate(re.finditer(r"{(\d)}", part)):
            before, after = part[: match.start()].rstrip(), part[match.end() :].lstrip()
            factor = before.endswith(FACTORS) or after.startswith(FACTORS)
            tighter = order > 0 and before.endswith("-")
            need = max(loosest, PRODUCT) if factor else loosest + tighter
            alone = part == match.group(0)
            ask(
                int(match.group(1)),
                RELATION if alone else min(need, SYMBOL),
                not before or strength_of(part, template) == RELATION,
            )
    return strength, needs


def strength_of(flat: str, template: str) -> int:
    """How tightly what stands outside of all brackets holds together."""
    if re.search(r"[<>=]|\\(le|ge|ne|land|lor|lnot|oplus|text)\b", flat):
        return RELATION
    if re.search(r"[^^] [+-] ", flat):
        return SUM
    if re.search(r"\\cdot|\\,|^-|\\sum|\d} ?{\d", flat):
        return PRODUCT
    if "^" in flat or not re.search(r"\\left|\\begin", template):
        return CALL
    return SYMBOL
