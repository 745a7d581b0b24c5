"""The computation graph as a picture: values run down it, and the chain rule back up."""

from __future__ import annotations

import math
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import graphviz
import numpy as np

from ..engine.node import Node
from ..engine.sweep import order
from ..engine.value import Value
from ..errors import OperandError, UnknownNameError
from ..files import write_bytes, write_text
from .messages import message
from .render import cleaned, is_wide, rendered
from .style import translator

Key = tuple[int, float]
Translate = Callable[[str], str]

# How a learner writes an operation; all others are written as functions: tanh(z).
NOTATION: Mapping[str, str] = {
    "add": "{} + {}",
    "subtract": "{} − {}",
    "multiply": "{} × {}",
    "divide": "{} ÷ {}",
    "matmul": "{} @ {}",
    "affine": "{} @ {} + {}",
    "negative": "−{}",
    "absolute": "|{}|",
    "square": "{}²",
    "sqrt": "√{}",
    "reciprocal": "1 ÷ {}",
    "transpose": "{}ᵀ",
    "getitem": "{}[i]",
    "power": "{} ^ {}",
}
BLANK = "( )"
NONE_YET = "–"

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
MEANINGS: Mapping[str, str] = {
    "parameter": "parameter",
    "leaf": "leaf: tracked, no name",
    "constant": "constant: no gradient",
    "operation": "operation",
    "output": "output",
}
INK, FAINT, BACKWARD = "#1a1a1a", "#5f5f5f", "#8a3000"
FONT_SIZE = 12
GRAPH = {
    "rankdir": "TB",
    # Operands from left to right. (A cluster anywhere would make this void.)
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
    "color": "#444444",
    "arrowsize": "0.7",
}
PLAIN = {"shape": "plaintext", "style": ""}

JAPANESE: Mapping[str, str] = {
    "computation graph": "計算グラフ",
    "value": "値",
    "gradient": "勾配",
    "parameter": "パラメータ",
    "leaf": "葉",
    "leaf: tracked, no name": "葉（名前のない入力）",
    "constant: no gradient": "定数（勾配なし）",
    "operation": "演算",
    "output": "出力",
    "× local derivative of {}": "× {} の局所的な微分",
    "summed over {} samples": "{} サンプル分を合計",
    "summed over {} entries": "{} 要素分を合計",
    "↓ forward: values": "↓ 順伝播：値",
    "↑ backward: incoming gradient × local derivative = message": (
        "↑ 逆伝播：届いた勾配 × 局所的な微分 = 次へ渡す勾配"
    ),
    "a gradient is the sum of the messages that arrive": "渡された勾配の合計が、そのノードの勾配",
    "gradient –: no backward() has come here yet": "勾配 –：まだ逆伝播が届いていない",
    "array: mean ± standard deviation": "配列：平均 ± 標準偏差",
    "rms: root mean square; × of two arrays: entry by entry": (
        "rms：二乗平均平方根、配列どうしの × は要素ごとの積"
    ),
    "{} more nodes are left out:": "ほかの {} 個のノードは省略：",
    "only the {} nearest to the output are drawn (max_nodes)": (
        "出力に近い {} 個だけを描いた（max_nodes）"
    ),
}


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

    @cached_property
    def png(self) -> bytes:
        """The picture as PNG, at 144 dots per inch, in the renderer's own fonts."""
        return rendered(self.source, "png")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture, whole or not at all, in the format that the suffix of `path` names.

        The suffixes are .dot, .svg, .png and .pdf. Raises `UnknownNameError` for another one,
        `RenderingError`, and `OSError` where `path` cannot be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".dot":
            write_text(path, self.source)
        elif suffix == ".svg":
            write_text(path, self.svg)
        elif suffix == ".png":
            write_bytes(path, self.png)
        elif suffix == ".pdf":
            write_bytes(path, rendered(self.source, "pdf"))
        else:
            raise UnknownNameError(
                f"a graph cannot be saved as {Path(path).name!r}: "
                "end its name in .dot, .svg, .png or .pdf"
            )

    def _repr_svg_(self) -> str:
        return self.svg


class Use(NamedTuple):
    """One input of an operation that is drawn: an edge to be."""

    consumer: Node
    position: int
    item: Any

    @property
    def key(self) -> Key:
        """What identifies the item: a node wherever it is used, a plain number here only."""
        if isinstance(self.item, Node):
            return key_of(self.item)
        return self.consumer.serial, self.position


def graph(
    value: Value, *, title: str | None = None, lang: str = "en", max_nodes: int = 300
) -> Graph:
    """Draw the graph that `value` was computed by, with values, gradients and the chain rule.

    Gradients are those of the last `backward()` (in leaves, of all of them together), "–" before
    the first. Of a larger graph the `max_nodes` nodes nearest to `value` are drawn, with a notice
    of how many are left out. Raises `OperandError` for what is no Value, `StaleGraphError` where a
    leaf has new data since, `UnknownNameError` for a language other than "en" and "ja".
    """
    if not isinstance(value, Node):
        raise OperandError(
            f"te.draw.graph draws a te.Value, not {type(value).__name__}; "
            "give it the result of a computation, such as a loss"
        )
    if not isinstance(max_nodes, int | np.integer) or max_nodes < 1:
        raise OperandError(f"max_nodes must be a positive whole number, not {max_nodes!r}")
    translator(lang)
    say: Translate = JAPANESE.__getitem__ if lang == "ja" else str
    with np.errstate(all="ignore"):
        source = dot_source(value, title, say, max_nodes)
    return Graph(source, clipped(title or say("computation graph"), 200), lang)


def dot_source(root: Node, title: str | None, say: Translate, max_nodes: int) -> str:
    """The graph of `root` in DOT."""
    items, left_out = nearest(root, max_nodes)
    ids = {key: f"n{position}" for position, key in enumerate(sorted(items))}
    uses = [use for key in ids if isinstance(items[key], Node) for use in uses_by(items[key])]
    names = distinct_names(items, uses)
    dot = graphviz.Digraph("graph", graph_attr=GRAPH, node_attr=NODES, edge_attr=EDGES)
    if title:
        dot.attr(label=f"{escaped(clipped(title, 200))}\\n\\n")
    for key, identifier in ids.items():
        kind = kind_of(items[key], root)
        dot.node(identifier, **KINDS[kind], **node_label(items[key], kind, names.get(key), say))
    hidden = set()
    for use in uses:
        target = ids[key_of(use.consumer)]
        if use.key not in ids:
            hidden.add(target)
        elif isinstance(use.item, Node) and use.item.requires_grad:
            dot.edge(ids[use.key], target, **left_aligned(chain_rule(use, say)))
        else:
            dot.edge(ids[use.key], target, style="dashed", color=FAINT, arrowhead="empty")
    if hidden:
        notice = [
            say("{} more nodes are left out:").format(f"{left_out:,}"),
            say("only the {} nearest to the output are drawn (max_nodes)").format(len(items)),
        ]
        dot.node("left_out", **PLAIN, **lines_label(notice), fontcolor=BACKWARD)
        for target in sorted(hidden):
            dot.edge("left_out", target, style="dotted", color=FAINT, arrowhead="none")
    legend(dot, ids[key_of(root)], root, list(items.values()), say)
    return str(dot.source)


def nearest(root: Node, limit: int) -> tuple[dict[Key, Any], int]:
    """The `limit` nodes and constants nearest to `root`, and how many there are besides."""
    chosen: dict[Key, Any] = {key_of(root): root}
    queue = deque([root])
    while queue and len(chosen) < limit:
        for use in uses_by(queue.popleft()):
            if use.key not in chosen and len(chosen) < limit:
                chosen[use.key] = use.item
                if isinstance(use.item, Node):
                    queue.append(use.item)
    tracked = order(root)
    untracked, plain = set(), 0
    for node in tracked:
        plain -= exponent(node) is not None
        for item in node.inputs:
            if not isinstance(item, Node):
                plain += item is not None
            elif not item.requires_grad:
                untracked.add(item.serial)
    return chosen, len(tracked) + len(untracked) + plain - len(chosen)


def key_of(node: Node) -> Key:
    """What identifies a node, and sorts it by its creation and after its plain numbers."""
    return node.serial, math.inf


def uses_by(node: Node) -> Iterator[Use]:
    """The inputs of `node` that are drawn. An exponent is not: it is written in the label."""
    for position, item in enumerate(node.inputs):
        if position == 0 or item is not exponent(node):
            yield Use(node, position, item)


def exponent(node: Node) -> Any:
    """The plain number that a power is raised to, if it is one."""
    if node.op is None or node.op.name != "power":
        return None
    power = node.inputs[1]
    return None if isinstance(power, Node) or np.ndim(power) else power


def kind_of(item: Any, root: Node) -> str:
    """Which of KINDS a node or plain number is of."""
    if not isinstance(item, Node) or not item.requires_grad:
        return "constant"
    if item.op is None:
        return "parameter" if item.name else "leaf"
    return "output" if item is root else "operation"


def distinct_names(items: Mapping[Key, Any], uses: list[Use]) -> dict[Key, str]:
    """The names of the leaves; those that occur twice are preceded by the scope of their use."""
    names = {k: v.name for k, v in items.items() if isinstance(v, Node) and not v.op and v.name}
    count = Counter(names.values())
    scopes = {use.key: use.consumer.scope for use in reversed(uses)}
    for key, name in names.items():
        scope = items[key].scope or scopes.get(key)
        if scope and count[name] > 1:
            names[key] = f"{scope}.{name}"
    return names


def node_label(item: Any, kind: str, name: str | None, say: Translate) -> dict[str, str]:
    """What is written in a node: what it is, its value and its gradient."""
    data = numbers(item)
    shape = [str(data.shape)] if np.ndim(data) else []
    if getattr(data, "dtype", np.float64) not in (np.float64, np.int64):
        shape.append(str(data.dtype))
    if kind == "constant" and name and not shape:
        return lines_label([f"{clipped(name)} = {summary(data)}"])
    if kind == "constant":
        return lines_label([" ".join([*([clipped(name)] if name else []), *shape]), summary(data)])
    value = f"{say('value')} {summary(data)}"
    gradient = f"{say('gradient')} {NONE_YET if item.grad is None else summary(item.grad)}"
    if item.op is None:
        return lines_label([" ".join([clipped(name or say("leaf")), *shape]), value, gradient])
    heading = " ".join([clipped(written(item)), *(["→", *shape] if shape else [])])
    if kind == "output":
        return lines_label([heading, value, gradient])
    return {
        "label": f"{{{escaped(heading)}|{{{escaped(value)}|{escaped(gradient)}}}}}",
        **room_for([heading, f"{value}    {gradient}"]),
    }


def written(node: Node) -> str:
    """The operation of `node` as a learner reads it, with the names of operands that have one."""
    assert node.op is not None
    operands = [operand(use.item) for use in uses_by(node)]
    nameless = all(text == BLANK for text in operands)
    if pattern := notation(node):
        plain = nameless and len(operands) > 1 and not node._data.ndim
        text = symbol(node) if plain else pattern.format(*operands)
    else:
        options = [
            f"{option}={setting}"
            for option, setting in node.options.items()
            if isinstance(setting, int | float | tuple | np.dtype)
            and setting is not False
            and option not in ("shape", "index")
        ]
        if not nameless:
            options = [*(text.replace(BLANK, "·") for text in operands), *options]
        inside = ", ".join(options)
        text = f"{node.op.name}({inside})" if inside else node.op.name
    return f"{node.name} = {text}" if node.name else text


def notation(node: Node) -> str:
    """The pattern of NOTATION for an operation, "" for one that is written as a function."""
    assert node.op is not None
    power = exponent(node)
    if power is not None:
        return f"{{}}{'²' if power == 2 else f'^{number(power)}'}"
    return NOTATION.get(node.op.name, "")


def symbol(node: Node) -> str:
    """The operation without its operands, such as + or tanh."""
    assert node.op is not None
    parts = notation(node).split("{}")
    infix = len(parts) == 3 and not parts[0] and not parts[2]
    return parts[1].strip() if infix else node.op.name


def operand(item: Any) -> str:
    """An operand in the label of its operation: a name, a number, or a blank."""
    if isinstance(item, Node):
        return clipped(item.name or "", 16) or BLANK
    return BLANK if np.ndim(item) else number(item)


def chain_rule(use: Use, say: Translate) -> list[str]:
    """Incoming gradient × local derivative = message, of one edge; [] before `backward()`."""
    if use.consumer.grad is None:
        return []
    sent = message(use.consumer, use.position, use.consumer.grad)
    if sent.local is None:
        factor = say("× local derivative of {}").format(symbol(use.consumer))
    else:
        slope = quantity(sent.local)
        factor = f"× ({slope})" if slope.startswith("−") else f"× {slope}"
    lines = [f"↑ {quantity(sent.incoming)}", factor, f"= {quantity(sent.product)}"]
    if not np.ndim(sent.incoming) and not np.ndim(sent.product):
        lines = [" ".join(lines)]
    if sent.product is not sent.passed:
        phrase = "summed over {} samples" if sent.samples else "summed over {} entries"
        lines += [say(phrase).format(sent.summed), f"= {quantity(sent.passed)}"]
    return lines


def legend(
    dot: graphviz.Digraph, output: str, root: Node, items: list[Any], say: Translate
) -> None:
    """Below the output: what the shapes and colours mean that occur, and the texts of the edges."""
    tracked = [item for item in items if isinstance(item, Node) and item.requires_grad]
    lines = []
    if root.op is not None:
        lines.append("↓ forward: values")
    passed = any(node.op is not None and node.grad is not None for node in tracked)
    if passed:
        lines.append("↑ backward: incoming gradient × local derivative = message")
        lines.append("a gradient is the sum of the messages that arrive")
    if any(node.grad is None for node in tracked):
        lines.append("gradient –: no backward() has come here yet")
    if any(np.ndim(numbers(item)) for item in items):
        lines.append("array: mean ± standard deviation")
        if passed:
            lines.append("rms: root mean square; × of two arrays: entry by entry")
    with dot.subgraph() as row:
        row.attr(rank="same")
        occurring = {kind_of(item, root) for item in items}
        for kind in (kind for kind in KINDS if kind in occurring):
            row.node(f"legend_{kind}", **KINDS[kind], **lines_label([say(MEANINGS[kind])]))
            dot.edge(output, f"legend_{kind}", style="invis", weight="0")
            if lines:
                dot.edge(f"legend_{kind}", "legend", style="invis")
    if lines:
        lines = [say(line) for line in lines]
        dot.node("legend", **PLAIN, **left_aligned(lines), **room_for(lines))


def numbers(item: Any) -> Any:
    """The data of a node, or a plain number or array itself."""
    return item._data if isinstance(item, Node) else item


def number(x: Any, digits: int = 4) -> str:
    """A number to four significant digits, with a real minus sign and without −0."""
    if x is None or isinstance(x, bool | np.bool_):
        return str(x)
    return f"{x + 0.0:.{digits}g}".replace("-", "−")


def summary(data: Any) -> str:
    """A number; or mean ± standard deviation of an array."""
    if np.size(data) > 1:
        return f"{number(np.mean(data), 3)} ± {number(np.std(data), 3)}"
    return number(data if not np.ndim(data) else data.item()) if np.size(data) else NONE_YET


def quantity(data: Any) -> str:
    """A number; or shape and root mean square of an array."""
    if not np.ndim(data):
        return number(float(data))
    if not data.size:
        return str(data.shape)
    return f"{data.shape} rms {number(np.sqrt(np.mean(np.square(data, dtype=float))), 3)}"


def clipped(text: str, length: int = 40) -> str:
    """Text on one line of at most `length` printable characters."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))
    return line if len(line) <= length else f"{line[: length - 1]}…"


def escaped(text: str) -> str:
    """Text that DOT shows as it is: what means something to DOT is written as an entity."""
    # A backslash still means something after the entity is decoded: therefore twice.
    return re.sub(r'[&<>{}|"]|(\\)', lambda c: f"&#{ord(c[0])};" * (2 if c[1] else 1), text)


def lines_label(lines: list[str]) -> dict[str, str]:
    """A label of centred lines."""
    return {"label": "\\n".join(escaped(line) for line in lines if line), **room_for(lines)}


def left_aligned(lines: list[str]) -> dict[str, str]:
    """A label of lines that begin a little to the right of its edge; none for no lines."""
    return {"label": "".join(f"\u00a0{escaped(line)}\\l" for line in lines)} if lines else {}


def room_for(lines: list[str]) -> dict[str, str]:
    """A least width for Japanese lines, which graphviz-pure takes to be narrower than they are."""
    if not any(is_wide(c) for line in lines for c in line):
        return {}
    em = max(sum(1.0 if is_wide(c) else 0.6 for c in line) for line in lines)
    return {"width": f"{em * FONT_SIZE / 72 + 0.25:.2f}"}
