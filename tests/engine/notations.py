r"""Formulas back to numbers: Python's notation by Python, LaTeX as one reads it on the page.

There braces are not seen: `{a + b}^2` and `a \cdot -b` are errors here, and in `\sum a \cdot b` all
is summed.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

import tinygrad_edu as te
from tinygrad_edu.engine.expression import Formula

Names = Mapping[str, Any]

TOKEN = re.compile(
    r"\\(?:left|right)[()|[\]]"
    r"|\\(?:begin|end|text|operatorname|mathrm)\{[^{}]*\}"
    r"|\\[a-zA-Z]+|\\[\\,;]|\d+(?:\.\d+)?|[a-zA-Z](?:_(?:\d|\{\d+\}))?|\S"
)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    r"\exp": np.exp,
    r"\log": np.log,
    r"\sin": np.sin,
    r"\cos": np.cos,
    r"\tanh": np.tanh,
    r"\arctan": np.arctan,
    r"\max": np.maximum,
    r"\min": np.minimum,
    r"\sigma": sigmoid,
    r"\operatorname{sign}": np.sign,
    r"\operatorname{clip}": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    r"\operatorname{softplus}": lambda x: np.log(1 + np.exp(x)),
    r"\operatorname{ReLU}": lambda x: np.maximum(x, 0),
    r"\operatorname{SiLU}": lambda x: x * sigmoid(x),
    r"\operatorname{softmax}": lambda x: np.exp(x) / np.sum(np.exp(x)),
    r"\operatorname{mean}": lambda x: np.mean(x, keepdims=True),
    r"\Phi": lambda x: np.vectorize(NormalDist().cdf)(x),
    r"\varphi": lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
}
CONSTANTS = {r"\infty": np.inf, r"\pi": np.pi}
RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less,
    ">": np.greater,
    r"\le": np.less_equal,
    r"\ge": np.greater_equal,
    "=": np.equal,
    r"\ne": np.not_equal,
}
LOGIC: dict[str, Callable[[Any, Any], Any]] = {
    r"\land": np.logical_and,
    r"\lor": np.logical_or,
    r"\oplus": np.logical_xor,
}
# A number, a letter or a bracket beside another one means their product.
BESIDE = re.compile(r"[a-zA-Z\d]|\\left\(|\\frac|\\varphi|\\(?:alpha|beta|omega|lambda)|\\mathrm")


def in_python(written: Formula, names: Names) -> Any:
    """The value of a formula's text, its abbreviations evaluated in their order."""
    known: Any = ChainMap(dict(names), vars(np), te.OPERATIONS)
    for letter, text, _ in written.where:
        assert letter not in names
        known[letter] = eval(text, {}, known)
    return eval(written.text, {}, known)


def in_latex(written: Formula, names: Names) -> Any:
    """The value of a formula's LaTeX; `names` are in Python's notation."""
    known = {shown(name): value for name, value in names.items()}
    for letter, _, latex in written.where:
        known[shown(letter)] = evaluated(latex, known)
    return evaluated(written.latex, known)


def shown(name: str) -> str:
    """A symbol in LaTeX."""
    if name in ("alpha", "beta", "omega", "lambd"):
        return "\\" + name.replace("lambd", "lambda")
    indexed = re.fullmatch(r"([a-z])_(\d+)", name)
    if indexed:
        return f"{indexed[1]}_{{{indexed[2]}}}"
    return name if len(name) == 1 else rf"\mathrm{{{name}}}"


def evaluated(latex: str, names: Names) -> Any:
    """The value of a formula; `names` holds what its symbols, in LaTeX, stand for."""
    reader = Reader(TOKEN.findall(latex), names)
    value = reader.logic()
    assert not reader.tokens, f"{latex}: not read: {' '.join(reversed(reader.tokens))}"
    return value


class Reader:
    """Reads tokens from left to right, the loosest sign first."""

    def __init__(self, tokens: list[str], names: Names) -> None:
        self.tokens = tokens[::-1]
        self.names = names

    def next(self) -> str:
        return self.tokens[-1] if self.tokens else ""

    def take(self, *wanted: str) -> str:
        assert self.tokens, f"{' '.join(wanted)} expected at the end"
        rest = " ".join(reversed(self.tokens))
        assert not wanted or self.next() in wanted, f"{' '.join(wanted)} expected before {rest}"
        return self.tokens.pop()

    def logic(self) -> Any:
        value = self.relation()
        if self.next() in LOGIC:
            value = LOGIC[self.take()](value, self.relation())
            assert self.next() not in LOGIC, "a ∧ b ∨ c"
        return value

    def relation(self) -> Any:
        if self.next() == r"\lnot":
            self.take()
            return np.logical_not(self.atom())
        value = self.sum()
        if self.next() in RELATIONS:
            value = RELATIONS[self.take()](value, self.sum())
            assert self.next() not in RELATIONS, "a < b < c"
        return value

    def sum(self) -> Any:
        negative = self.next() == "-" and self.take()
        value = self.product()
        value = -value if negative else value
        while self.next() in ("+", "-"):
            sign = self.take()
            value = value + self.product() if sign == "+" else value - self.product()
        return value

    def product(self) -> Any:
        if self.next() == r"\sum":
            self.take()
            return np.sum(self.product(), keepdims=True)
        value = self.power()
        while self.next() in (r"\cdot", r"\,", "/") or BESIDE.match(self.next()):
            if self.next() == "/":
                self.take()
                value = value / self.power()
                continue
            if self.next() in (r"\cdot", r"\,"):
                self.take()
            value = value * (self.product() if self.next() == r"\sum" else self.power())
        return value

    def power(self) -> Any:
        base = self.atom()
        if self.next() != "^":
            return base
        self.take()
        if self.next() != "{":
            exponent = float(self.take())
        else:
            self.take("{")
            exponent = self.sum()
            self.take("}")
        assert self.next() != "^", "two superscripts"
        return np.power(np.asarray(base, np.float64), exponent)

    def atom(self) -> Any:
        token = self.take()
        if token == "{":  # It only says what the superscript belongs to.
            value = self.atom()
            self.take("}")
            return value
        if token == r"\left(":
            value = self.logic()
            self.take(r"\right)")
            return value
        if token == r"\left|":
            value = self.sum()
            self.take(r"\right|")
            return np.abs(value)
        if token in (r"\frac", r"\sqrt"):
            parts = [self.group() for _ in range(2 if token == r"\frac" else 1)]
            return parts[0] / parts[1] if token == r"\frac" else np.sqrt(parts[0])
        if token == r"\begin{cases}":
            return self.cases()
        if token in FUNCTIONS:
            return FUNCTIONS[token](*self.arguments())
        if token in CONSTANTS:
            return CONSTANTS[token]
        if token[0].isdigit():
            return float(token)
        assert token in self.names, f"what is {token}?"
        return self.names[token]

    def group(self) -> Any:
        self.take("{")
        value = self.logic()
        self.take("}")
        return np.asarray(value, np.float64)

    def arguments(self) -> list[Any]:
        self.take(r"\left(")
        values = [self.logic()]
        while self.next() == ",":
            self.take()
            values.append(self.logic())
        self.take(r"\right)")
        return values

    def cases(self) -> Any:
        value = self.logic()
        self.take("&")
        condition = self.logic()
        self.take(r"\\")
        otherwise = self.logic()
        self.take("&")
        self.take(r"\text{otherwise}")
        self.take(r"\end{cases}")
        return np.where(condition, value, otherwise)
