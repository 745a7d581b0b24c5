"""Operations and their local derivatives as a learner reads them, in the names of a graph.

Nothing is typed: a formula is traced from the record with one sign per operand, and then names or
numbers are put in for the signs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...activations.card import helper
from ...engine.expression import LETTERS, Written, applied, formula, trace, written_number
from ...engine.node import Node
from ...engine.operation import Elementwise
from ..labels import clipped, number
from .heatmaps import as_float

Translate = Callable[[str], str]

# Signs that no name holds: the output, the incoming gradient, and the operands after them.
OUTPUT, INCOMING, FIRST = 0xE000, 0xE001, 0xE002
SIGN = "[\ue000-\uf8ff]"
LONGEST = 160
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
END = r"(None|-?\d+)"
RELATIONS = {"<=": "≤", ">=": "≥", "!=": "≠", "==": "="}
MORE_LETTERS = (*LETTERS, *"αβγδεζ")


@dataclass(frozen=True)
class Template:
    """A formula with signs for its operands."""

    text: str
    where: tuple[tuple[str, str], ...] = ()

    def filled(self, names: Mapping[int, str], where: str = "where") -> str:
        """The formula with names or numbers in place of the signs, on one line."""

        def fill(text: str) -> str:
            return re.sub(SIGN, lambda sign: names.get(ord(sign[0]), sign[0]), text)

        taken = set(names.values())
        free = iter([letter for letter in MORE_LETTERS if letter not in taken])
        letters = {letter: next(free, letter) for letter, _ in self.where}
        text, *lets = (
            fill(re.sub(r"\b[a-z]\b", lambda found: letters.get(found[0], found[0]), part))
            for part in (self.text, *(part for _, part in self.where))
        )
        explained = ", ".join(
            f"{letter} = {let}" for letter, let in zip(letters.values(), lets, strict=True)
        )
        return f"{text}, {where} {explained}" if explained else text

    def in_numbers(self, data: Mapping[int, Any], where: str = "where") -> str:
        """The formula with numbers put in, negative ones in parentheses where they need them."""
        text = self.filled({sign: bracketed(x) for sign, x in data.items()}, where)
        return re.sub(r"(?<=[(,] |.\()\((−[^()]*)\)(?=[,)])", r"\1", text)

    def signs(self) -> set[int]:
        """The operands that occur in the formula."""
        return {
            ord(c) for _, text in (("", self.text), *self.where) for c in re.findall(SIGN, text)
        }

    @property
    def is_an_operand(self) -> bool:
        """Whether the formula is a name and nothing else."""
        return re.fullmatch(SIGN, self.text) is not None


def calculation(node: Node) -> Template:
    """What `node` computes from its inputs."""
    op = node.op
    assert op is not None
    parts = [
        Written(chr(FIRST + i), "") if symbolic(item) else written_number(item)
        for i, item in enumerate(node.inputs)
    ]
    if op.name == "getitem":
        return Template(f"{parts[0].text}[{index_text(node.options['index'])}]")
    text = readable(applied(op, parts, node.options).text)
    return Template(text if len(text) <= LONGEST else f"{op.name}(…)")


def definition(node: Node) -> Template | None:
    """The textbook's form of what `node` computes, where its record has one."""
    assert node.op is not None
    if node.op.definition is None:
        return None
    return traced(node.op.definition, operands(node), node.options)


def local_derivative(node: Node, position: int) -> Template | None:
    """∂(node)/∂(input number `position`), entry by entry; None where it cannot be written down."""
    op = node.op
    assert isinstance(op, Elementwise)
    rule = op.partials[position]
    if not callable(rule):
        return Template(readable(written_number(rule).text))
    # Through the output, as textbooks have it, where the record says how.
    rule = getattr(rule, "definition", None) or rule
    return traced(rule, {OUTPUT: node._data, **operands(node)}, node.options)


def pullback(node: Node, position: int) -> Template | None:
    """What `node` passes to an input where it mixes entries: a formula in the incoming gradient."""
    op = node.op
    assert op is not None
    options = {**node.options, **({"position": position} if op.variadic else {})}
    given = {INCOMING: np.ones_like(node._data)[()], OUTPUT: node._data, **operands(node)}
    return traced(op.rules[0 if op.variadic else position], given, options)


def operands(node: Node) -> dict[int, Any]:
    """The numbers that went into `node`, by their signs; plain numbers are Python's."""
    return {
        sign: item._data if isinstance(item, Node) else item if symbolic(item) else plain(item)
        for sign, item in enumerate(node.inputs, FIRST)
    }


def plain(item: Any) -> Any:
    """A number as one of Python's."""
    return item.item() if isinstance(item, np.generic) else item


def symbolic(item: Any) -> bool:
    """Whether an operand has a sign: nodes and arrays do, plain numbers stand for themselves."""
    return isinstance(item, Node) or bool(np.ndim(item))


def traced(
    function: Callable[..., Any], given: Mapping[int, Any], options: Mapping[str, Any]
) -> Template | None:
    """The formula of `function` of `given`; None where it has none or is too long to be read."""
    signs = {sign: data for sign, data in given.items() if hasattr(data, "dtype")}

    def call(*symbols: Any) -> Any:
        values = dict(zip(signs, symbols, strict=True))
        return function(*(values.get(sign, data) for sign, data in given.items()), **options)

    try:
        found = formula(trace(call, {chr(sign): data for sign, data in signs.items()}), helper)
    except Exception:
        # A user's rule may do what arrays can and symbols cannot: then it just has no formula.
        return None
    template = Template(
        readable(found.text), tuple((letter, readable(text)) for letter, text, _ in found.where)
    )
    length = len(template.text) + sum(len(text) for _, text in template.where)
    return template if length <= LONGEST else None


def readable(text: str) -> str:
    """Python's notation of a formula as a book would print it."""
    text = re.sub(r"\d+\.\d{4,}(?:e-?\d+)?", lambda digits: number(float(digits[0])), text)
    text = re.sub(r"dtype\('(\w+)'\)", r"\1", text)
    text = re.sub(rf"slice\({END}, {END}, {END}\)", lambda ends: sliced(*ends.groups()), text)
    text = re.sub(rf"transpose\(({SIGN}|\w)\)", r"\1ᵀ", text)
    text = re.sub(rf"dot\(((?:{SIGN}|\w)ᵀ?), ((?:{SIGN}|\w)ᵀ?)\)", r"\1 @ \2", text)
    text = re.sub(rf"affine\(({SIGN}), ({SIGN}), ({SIGN})\)", r"\1 @ \2 + \3", text)
    text = re.sub(r" \*\* (\d+)\b(?!\.)", lambda power: power[1].translate(SUPERSCRIPTS), text)
    text = text.replace(" ** ", "^").replace(" * ", " · ").replace("-", "−")
    return re.sub("[<>!=]=", lambda sign: RELATIONS[sign[0]], text)


def in_words(text: str, slope: Any, say: Translate) -> str:
    """A rule that selects entries, said in words; any other as it is."""
    selected = re.fullmatch(r"selected\((.+), (.+)\)", text)
    if np.asarray(slope).dtype == bool:
        return say("1 where {}, else 0").format(selected[1] if selected else text)
    return say("1 where {}, 1/2 where {}, else 0").format(*selected.groups()) if selected else text


def bracketed(x: Any) -> str:
    """A number as it stands in a formula, in parentheses if it is negative."""
    text = number(as_float(x))
    return f"({text})" if text.startswith("−") else text


def index_text(index: Any) -> str:
    """An index as it stands in brackets."""
    parts = index if isinstance(index, tuple) else (index,)
    return clipped(", ".join(map(axis_text, parts)), 30)


def axis_text(part: Any) -> str:
    """One axis of an index: a number, a slice or an array of positions."""
    if part is Ellipsis:
        return "..."
    if isinstance(part, slice):
        return sliced(str(part.start), str(part.stop), str(part.step))
    return str(np.asarray(part).tolist()) if np.ndim(part) else str(part)


def sliced(*ends: str) -> str:
    """A slice as it stands in brackets."""
    start, stop, step = ("" if end == "None" else end for end in ends)
    return f"{start}:{stop}" + (f":{step}" if step else "")
