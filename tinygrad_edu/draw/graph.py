"""The computation graph as a picture: values run down it, and the chain rule back up."""

from __future__ import annotations

import os
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.node import Node
from ..engine.value import Value
from ..errors import OperandError, UnknownNameError
from ..files import write_bytes, write_text
from .dot import dot_source
from .folding import Collapse, folding
from .labels import clipped, sayer
from .render import cleaned, rendered

PAGE = """<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 1rem; }}
main {{ overflow-x: auto; }}
svg {{ display: block; margin: 0 auto; border-radius: .5rem; }}
</style>
</head>
<body>
<main tabindex="0" aria-label="{title}">
{svg}
</main>
</body>
</html>
"""


class Graph:
    """A computation graph: its DOT text, and the pictures that an installed renderer makes of it.

    `source` is always there; the pictures raise `RenderingError` where they cannot be made.
    """

    def __init__(self, source: str, label: str, lang: str) -> None:
        self.source = source
        self._label = label
        self._lang = lang

    @cached_property
    def svg(self) -> str:
        """The picture as an SVG element, without scripts, styles or addresses."""
        return cleaned(rendered(self.source, "svg"), self._label, self._lang)

    @property
    def page(self) -> str:
        """The picture as an HTML page that opens from disk and has no address in it."""
        # Inside a page no namespace is declared.
        svg = self.svg.replace(' xmlns="http://www.w3.org/2000/svg"', "", 1)
        return PAGE.format(lang=self._lang, title=escape(self._label), svg=svg)

    @cached_property
    def png(self) -> bytes:
        """The picture as PNG, at 144 dots per inch, in the renderer's own fonts."""
        return rendered(self.source, "png")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture, whole or not at all, in the format that the suffix of `path` names.

        The suffixes are .svg, .png, .pdf, .dot and .html: a page that loads nothing. Raises
        `UnknownNameError` for another one, `RenderingError`, and `OSError` where `path` cannot be
        written.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".dot":
            write_text(path, self.source)
        elif suffix == ".svg":
            write_text(path, self.svg)
        elif suffix == ".html":
            write_text(path, self.page)
        elif suffix == ".png":
            write_bytes(path, self.png)
        elif suffix == ".pdf":
            write_bytes(path, rendered(self.source, "pdf"))
        else:
            raise UnknownNameError(
                f"a graph cannot be saved as {Path(path).name!r}: "
                "end its name in .svg, .png, .pdf, .dot or .html"
            )

    def _repr_svg_(self) -> str:
        return self.svg


def graph(
    value: Value,
    *,
    title: str | None = None,
    lang: str = "en",
    max_nodes: int = 300,
    collapse: Collapse = "none",
    heatmaps: bool = False,
) -> Graph:
    """Draw the graph that `value` was computed by, with values, gradients and the chain rule.

    Gradients are those of the last `backward()` (in leaves, of all of them together), "–" before
    the first; the wider a line, the larger the message that came back on it. `heatmaps` adds the
    entries of vectors and matrices as colours, up to 16 × 16, of larger ones as means of blocks.

    A layer, which is what was computed inside of one call of a module, has a frame around it.
    `collapse="layer"` draws each layer that holds no other as one node, `collapse=1` those that
    are in no other, `collapse=2` those one level further in, and so on; layers that repeat one
    another, or the same one again and again, are drawn once with ×N. More than `max_nodes` nodes
    are folded in this way unasked, then whatever repeats, then those far from `value` are left
    out, with a notice of it.

    Raises `OperandError` for what is no Value and for other settings than these, `StaleGraphError`
    where a leaf has new data since, `UnknownNameError` for a language other than "en" and "ja".
    """
    if not isinstance(value, Node):
        raise OperandError(
            f"te.draw.graph draws a te.Value, not {type(value).__name__}; "
            "give it the result of a computation, such as a loss"
        )
    if not is_count(max_nodes):
        raise OperandError(f"max_nodes must be a positive whole number, not {max_nodes!r}")
    if collapse not in ("none", "layer") and not is_count(collapse):
        raise OperandError(
            f'collapse must be "none", "layer" or a depth such as 1, not {collapse!r}'
        )
    say = sayer(lang)
    with np.errstate(all="ignore"):
        folded = folding(value, collapse, max_nodes)
        source = dot_source(folded, title, say, max_nodes, heatmaps)
    return Graph(source, clipped(title or say("computation graph"), 200), lang)


def is_count(given: Any) -> bool:
    """Whether it is a whole number from 1 up."""
    return isinstance(given, int | np.integer) and given is not True and bool(given >= 1)
