"""How the parts of a graph look: shapes, colours, and the widths of lines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..engine.node import Node
from .folding import Part, kind

# Hues that colour-blind readers can tell apart, so light that dark text is read on them, also in
# a dark page. The outlines say the same without colour.
KINDS: Mapping[str, Mapping[str, str]] = {
    "parameter": {"shape": "tab", "fillcolor": "#fdebc8", "color": "#9a5b00"},
    "leaf": {"shape": "note", "fillcolor": "#dcecf9", "color": "#0b5c94"},
    "constant": {
        "shape": "box",
        "fillcolor": "#efefef",
        "color": "#5f5f5f",
        "style": "filled,dashed",
    },
    "operation": {"shape": "Mrecord", "fillcolor": "#e3f3ea", "color": "#0a6b4f"},
    "output": {"shape": "box", "peripheries": "2", "fillcolor": "#f6e2ef", "color": "#8f2f6d"},
}
LAYER: Mapping[str, str] = {
    "shape": "box3d",
    "fillcolor": "#e8e6f7",
    "color": "#4b3f99",
    "margin": "0.2,0.12",
}
MEANINGS: Mapping[str, str] = {
    "parameter": "parameter",
    "leaf": "leaf: tracked, no name",
    "constant": "constant: no gradient",
    "operation": "operation",
    "output": "output",
    "layer": "layer: all that it computes",
}
INK, FAINT, LINE, GRID = "#1a1a1a", "#5f5f5f", "#444444", "#8c8c8c"
BACKWARD, FRAME = "#8a3000", "#8a80c4"
FONT_SIZE = 12
GRAPH = {
    "rankdir": "TB",
    # Operands from left to right. A frame anywhere makes this void.
    "ordering": "in",
    "bgcolor": "#ffffff",
    "fontname": "Arial",
    "fontcolor": INK,
    "fontsize": "16",
    "labelloc": "t",
    "nodesep": "0.3",
    "ranksep": "0.35",
    "pad": "0.15",
}
NODES = {
    "fontname": "Arial",
    "fontsize": str(FONT_SIZE),
    "fontcolor": INK,
    "style": "filled",
    "margin": "0.12,0.06",
    "penwidth": "1.5",
    "width": "0.5",
    "height": "0.3",
}
EDGES = {
    "fontname": "Arial",
    "fontsize": "11",
    "fontcolor": BACKWARD,
    "color": LINE,
    "arrowsize": "0.7",
}
FRAMES = {
    "style": "rounded",
    "color": FRAME,
    "fontcolor": LAYER["color"],
    "fontsize": str(FONT_SIZE),
    "labeljust": "l",
    "margin": "12",
}
UNTRACKED = {"style": "dashed", "color": FAINT, "arrowhead": "empty"}
LEFT_OUT = {"style": "dotted", "color": FAINT, "arrowhead": "none"}
PLAIN = {"shape": "plaintext", "style": ""}
# Points for each power of ten: a thousand times the message, one point more.
WIDTHS: Mapping[int, int] = {-6: 1, -3: 2, 0: 3, 3: 4}


def kind_of(item: Any, root: Node) -> str:
    """Which of KINDS a node or plain number is of."""
    return "output" if item is root and kind(item) == "operation" else kind(item)


def look_of(part: Part, root: Node) -> tuple[str, Mapping[str, str]]:
    """What a part is, one of MEANINGS, and how it looks."""
    last = part.items[-1]
    if part.box:
        return "layer", {**LAYER, **({"peripheries": "2"} if last is root else {})}
    kind = kind_of(last, root)
    return kind, KINDS[kind]


def width(strength: float) -> float:
    """The width of a line in points, from the least to the largest of WIDTHS."""
    low, high = min(WIDTHS), max(WIDTHS)
    if not strength > 0:  # NaN is as alarming as infinity
        return WIDTHS[low] if strength == 0 else WIDTHS[high]
    share = (min(max(math.log10(strength), low), high) - low) / (high - low)
    return WIDTHS[low] + share * (WIDTHS[high] - WIDTHS[low])
