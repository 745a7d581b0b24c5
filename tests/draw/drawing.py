"""DOT text read back: nodes, edges, frames and legend as a viewer sees them."""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree

from tinygrad_edu.draw.looks import KINDS, LAYER

TEXT = r'"(?:[^"\\]|\\.)*"'
TABLE = r"<(?:[^<>]|<[^<>]*>)*>"
SHAPES = {look["shape"] + look.get("peripheries", ""): kind for kind, look in KINDS.items()}
SHAPES |= {LAYER["shape"]: "layer", LAYER["shape"] + "2": "layer", "plaintext": ""}


class Drawing:
    """The nodes and edges of DOT text, their labels with "; " between lines and cells.

    `frames` gives the labels of the frames around each node that is in any, the outermost first;
    `widths` those of the edges that have one. `tables` are the labels that are tables.
    """

    def __init__(self, source: str) -> None:
        self.kinds: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.frames: dict[str, tuple[str, ...]] = {}
        self.edges: list[tuple[str, str, str]] = []
        self.widths: dict[tuple[str, str], float] = {}
        self.styles: list[dict[str, str]] = []
        self.tables: dict[str, ElementTree.Element] = {}
        self.legend: list[str] = []
        around: list[str] = []
        for line in source.splitlines():
            found = re.findall(rf"(\w+)=({TEXT}|{TABLE}|[^\s\]]+)", line)
            attributes = {key: value.strip('"') for key, value in found}
            label = read(attributes.get("label", ""))
            if re.match(r"\s+subgraph cluster_\d+ {", line):
                around.append("")
            elif around and line.strip() == "}":
                around.pop()
            elif around and line.strip().startswith("graph ["):
                around[-1] = label
            elif edge := re.match(r"\s+(\w+) -> (\w+)", line):
                if attributes.get("style") != "invis":
                    self.edges.append((edge[1], edge[2], label))
                    self.styles.append(attributes)
                    if "penwidth" in attributes:
                        self.widths[edge[1], edge[2]] = float(attributes["penwidth"])
            elif node := re.match(r"\s+(n\d+|notice|legend\w*) \[", line):
                self.add(node[1], attributes, label, tuple(around))

    def add(
        self, name: str, attributes: dict[str, str], label: str, around: tuple[str, ...]
    ) -> None:
        """Note one node."""
        table = None
        if attributes["label"].startswith("<<"):
            table = ElementTree.fromstring(attributes["label"][1:-1])
            label = "; ".join(filter(None, map(row, table)))
        if name.startswith("legend"):
            self.legend += label.split("; ") if table is not None else [label]
            return
        shape = attributes["shape"] + attributes.get("peripheries", "")
        if "rounded" in attributes.get("style", ""):
            shape = "Mrecord"
        self.kinds[name], self.labels[name] = SHAPES[shape], label
        if around:
            self.frames[name] = around
        if table is not None:
            self.tables[name] = table

    @property
    def nodes(self) -> dict[str, tuple[str, str]]:
        """Kind and label of each node."""
        return {name: (self.kinds[name], self.labels[name]) for name in self.labels}

    def cells(self, name: str) -> list[list[list[str]]]:
        """The colours of each heatmap of a node, row after row."""
        return [
            [[cell.attrib["BGCOLOR"] for cell in row] for row in grid]
            for grid in self.tables[name].findall("./TR/TD/TABLE")
        ]


def read(label: str) -> str:
    """A DOT label as text."""
    text = re.sub(r"\\[nl]|[{}|]+", "; ", label)
    return html.unescape(text).replace("\\\\", "\\").replace("\u00a0", "").strip("; ")


def row(element: ElementTree.Element) -> str:
    """The texts of a table row, without those of tables in it."""
    texts = [cell.findtext("FONT") or "" for cell in element]
    return "; ".join(filter(None, (text.replace("\u00a0", "").strip() for text in texts)))
