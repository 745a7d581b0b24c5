"""Mathematics as MathML in the page itself: no script, no font and no request."""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

# What is written, and what the converter reads the same way.
SPELLINGS = (
    # A name is one upright symbol, with a space before what it is applied to without brackets.
    (r"\\(?:mathrm|operatorname)\{([^{}]{2,}|\{[^{}]*\})\}", r"\\text{\1}"),
    (r"(\\text\{[^{}]+\}) *(?=[a-zA-Z0-9])", r"\1\\,"),
    (r"\\arg(?![a-z])", r"\\text{arg}\\,"),
    (r"\\_", "_"),
    (r"\{aligned\}", "{split}"),
)
MATHML = "http://www.w3.org/1998/Math/MathML"
# Elements that have a fixed number of parts.
PARTS = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "msubsup": 3, "mover": 2, "munder": 2}
# What brackets must be made larger for.
TALL = frozenset({"mfrac", "mtable", "msqrt", "mroot", "munder", "munderover"})
BRACKETS = "()[]{}|‖⌊⌋⌈⌉"
PRIMES = ("′", "″", "‴")
# Behind these a minus is a sign.
OPENING = frozenset("([{|=,<>≤≥≠≈∧∨→←·")


def mathml(latex: str, display: str = "inline") -> str:
    r"""A formula as MathML.

    Code hosts write $`…`$, whose backticks are taken off. Raises `ValueError` for a command that
    is not known, as \foo.
    """
    latex = latex.strip().strip("`")
    for pattern, instead in SPELLINGS:
        latex = re.sub(pattern, instead, latex)
    try:
        written = convert(latex, display=display)
    except Exception as error:
        # Each of the converter's errors is a class of its own, some without a message.
        raise ValueError(f"{latex} is not read: {type(error).__name__} {error}") from error
    if unknown := re.findall(r"\\\w+", written):
        raise ValueError(f"{', '.join(unknown)} is not known, in {latex}")
    if len(re.findall(r"(?<!\\){", latex)) != len(re.findall(r"(?<!\\)}", latex)):
        raise ValueError(f"{latex} is not read: a brace is missing")
    root = ElementTree.fromstring(written)
    for parent in list(root.iter()):
        if len(parent) != PARTS.get(parent.tag.rpartition("}")[2], len(parent)):
            raise ValueError(f"{latex} is not read: a part is missing")
        mend(parent)
    ElementTree.register_namespace("", MATHML)
    return ElementTree.tostring(root, encoding="unicode")


def mend(parent: ElementTree.Element) -> None:
    """What the converter leaves to the reader's guess: signs, symbols, and brackets' sizes."""
    tall = any(each.tag.rpartition("}")[2] in TALL for each in parent.iter())
    before = ""
    for child in parent:
        symbol = child.text or ""
        if child.tag.endswith("}mtext") and symbol.isidentifier():
            child.tag = f"{{{MATHML}}}mi"  # a text counts as space around what stands beside it
        if child.tag.endswith("}msup") and child[1].text in PRIMES:
            child.tag = f"{{{MATHML}}}mrow"  # a prime is raised by itself; twice, it is a speck
        if child.tag.endswith("}mo"):
            if symbol == "∞":
                child.tag = f"{{{MATHML}}}mi"
            elif symbol == "−" and before in OPENING:
                child.set("form", "prefix")
            elif symbol and symbol in BRACKETS and child.get("stretchy") != "false":
                child.set("stretchy", "true" if tall else "false")
        before = symbol if child.tag.endswith("}mo") else "other"


def visit(display: str, self: HTML5Translator, node: nodes.Element) -> None:
    """Write a formula; one that cannot be written is a warning at its place."""
    latex = node.astext()
    try:
        written = mathml(latex, display)
    except ValueError as error:
        logger.warning("mathematics: %s", error, location=node)
        written = f"<code>{self.encode(latex)}</code>"
    if display == "block":
        written = f'<div class="math">{written}</div>\n'
    self.body.append(written)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Make it the site's way to write mathematics."""
    app.add_html_math_renderer(
        "mathml", (partial(visit, "inline"), None), (partial(visit, "block"), None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
