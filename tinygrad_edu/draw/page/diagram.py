"""The graph of the page: drawn by a renderer with an id for each node and edge, or as a list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from xml.etree import ElementTree

import graphviz

from ...errors import RenderingError
from ..dot_labels import left_aligned, lines_label
from ..looks import EDGES, GRAPH, KINDS, NODES, UNTRACKED
from ..render import ATTRIBUTES, ELEMENTS, FAMILIES, rendered

PARTS = ("heading", "value", "gradient")


@dataclass(frozen=True)
class Shape:
    """A node: what it is, its value and its gradient, one line each; a constant has one line.

    `kind` is one of `KINDS`.
    """

    id: str
    name: str
    kind: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Arrow:
    """An edge from an input to the node that uses it, with the message that comes back on it.

    The edge of a constant has no id and no message.
    """

    id: str
    tail: str
    head: str
    message: str


def picture(shapes: Sequence[Shape], arrows: Sequence[Arrow], label: str, lang: str) -> str:
    """The graph as an SVG element or, without a renderer, as an HTML list.

    Each node is an element with its id, its kind as a class, and parts of the classes in PARTS;
    each edge one with its id and the message in it.
    """
    try:
        svg = rendered(dot_source(shapes, arrows), "svg")
    except RenderingError:
        return listed(shapes, arrows)
    return marked(svg, {shape.id: shape for shape in shapes}, label, lang)


def dot_source(shapes: Iterable[Shape], arrows: Iterable[Arrow]) -> str:
    """The graph in DOT."""
    dot = graphviz.Digraph("graph", graph_attr=GRAPH, node_attr=NODES, edge_attr=EDGES)
    for shape in shapes:
        outline = dict(KINDS[shape.kind])
        if outline["shape"] == "Mrecord":
            outline |= {"shape": "box", "style": "filled,rounded"}
        dot.node(shape.id, id=shape.id, **outline, **lines_label(list(shape.lines)))
    for arrow in arrows:
        if arrow.id:
            label = left_aligned([f"↑ {arrow.message}"])
            dot.edge(arrow.tail, arrow.head, id=arrow.id, **label)
        else:
            dot.edge(arrow.tail, arrow.head, **UNTRACKED)
    return str(dot.source)


def marked(svg: bytes, shapes: Mapping[str, Shape], label: str, lang: str) -> str:
    """A renderer's SVG as shapes and text, with our ids and classes and nothing else."""

    def copy(element: ElementTree.Element) -> ElementTree.Element:
        kept = {key: value for key, value in element.attrib.items() if key in ATTRIBUTES}
        twin = ElementTree.Element(element.tag.rpartition("}")[2], kept)
        twin.text, twin.tail = element.text, element.tail
        twin.extend(copy(part) for part in element if part.tag.rpartition("}")[2] in ELEMENTS)
        name = element.get("id", "")
        if name in shapes:
            twin.attrib |= {"id": name, "class": f"node {shapes[name].kind}"}
            for text, part in zip(twin.iter("text"), PARTS, strict=False):
                text.set("class", part)
        elif re.fullmatch(r"e\d+", name):
            twin.attrib |= {"id": name, "class": "edge"}
        return twin

    root = copy(ElementTree.fromstring(svg))
    for paper in root.findall("./g/polygon"):
        paper.set("class", "paper")
    root.attrib |= {"lang": lang, "role": "img", "aria-label": label, "font-family": FAMILIES}
    # Inside a page no namespace is declared: so there is no address in it either.
    return ElementTree.tostring(root, encoding="unicode")


def listed(shapes: Sequence[Shape], arrows: Sequence[Arrow]) -> str:
    """The graph as a list: each node with its inputs, and the messages that they are sent."""
    names = {shape.id: shape.name for shape in shapes}
    lines = ['<ol class="listed">']
    for shape in shapes:
        parts = "".join(
            f'<span class="{part}">{escape(line)}</span>'
            for part, line in zip(PARTS, shape.lines, strict=False)
        )
        inputs = "".join(
            f'<li id="{arrow.id}" class="edge">{escape(names[arrow.tail])} '
            f"<span>↑ {escape(arrow.message)}</span></li>"
            for arrow in arrows
            if arrow.id and arrow.head == shape.id
        )
        lines.append(f'<li id="{shape.id}" class="node {shape.kind}">{parts}<ul>{inputs}</ul></li>')
    return "\n".join([*lines, "</ol>"])
