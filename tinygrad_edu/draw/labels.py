"""What a drawing says of a computation, as lines of text: nodes, edges, and the words for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ..engine.node import Node
from .folding import Folding, Key, Link, Part, Use, exponent, key_of, kind, uses_by
from .messages import Message, message, passed_back, rms
from .style import translator

Say = Callable[[str], str]

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
COMMUTATIVE = ("+", "×")
LETTERS = "abcdefghij"
NONE_YET = "–"
LISTED = 5  # operations named in a summary of many

JAPANESE: Mapping[str, str] = {
    "computation graph": "計算グラフ",
    "value": "値",
    "gradient": "勾配",
    "parameter": "パラメータ",
    "leaf": "葉",
    "(above)": "（上に記載）",
    "… more than {} lines; max_lines= shows more": "… {} 行より先は省略（max_lines= で変更）",
    "constant": "定数",
    "leaf: tracked, no name": "葉（名前のない入力）",
    "constant: no gradient": "定数（勾配なし）",
    "operation": "演算",
    "output": "出力",
    "layer: all that it computes": "層（中の演算をまとめたもの）",
    "1 parameter": "パラメータ 1 個",
    "{} parameters": "パラメータ {} 個",
    "× local derivative of {}": "× {} の局所的な微分",
    "summed over {} samples": "{} サンプル分を合計",
    "summed over {} entries": "{} 要素分を合計",
    "×{} to the next one": "次の回へ ×{}",
    "×{} to later ones": "後の回へ ×{}",
    "forward: values": "順伝播：値",
    "backward: incoming gradient × local derivative = message": (
        "逆伝播：届いた勾配 × 局所的な微分 = 次へ渡す勾配"
    ),
    "a gradient is the sum of the messages that arrive": "渡された勾配の合計が、そのノードの勾配",
    "line width: |message|, of an array its rms": "線の太さ：渡す勾配の絶対値（配列では rms）",
    "no gradient is passed": "勾配は伝わらない",
    "no gradient yet: no backward() has come here": "勾配なし：まだ逆伝播が届いていない",
    "array: mean ± standard deviation": "配列：平均 ± 標準偏差",
    "root mean square; × of two arrays: entry by entry": (
        "二乗平均平方根。配列どうしの × は要素ごとの積"
    ),
    "gradient of a layer's output": "層の出力の勾配",
    "what one layer computes": "1 つの層の計算",
    "N times alike in a row, drawn once": "同じものが続けて N 回（1 回だけ描いた）",
    "in the first and in the last of them": "その最初と最後",
    "entries of an array, from −a to a where ±a stands below": (
        "配列の要素（下に ±a とあれば −a から a まで）"
    ),
    "of larger arrays: means of {} × {} entries": "大きな配列では {} × {} 要素の平均",
    "an entry that is not finite": "有限でない要素",
    "{} nodes are more than {} (max_nodes):": (
        "ノードが {} 個あり、{} 個（max_nodes）を超えるため、"
    ),
    "each layer is drawn as one": "層ごとに 1 つにまとめて描いた",
    "what repeats is drawn once, as ×N": "繰り返しは 1 回だけ描き、×N と記した",
    "{} nodes are left out:": "{} 個のノードは省略：",
    "{count} {name}": "{name} {count} 個",
    "{} others": "ほか {} 個",
    ", ": "、",
    "only the {} nearest to the output are drawn (max_nodes)": (
        "出力に近い {} 個だけを描いた（max_nodes）"
    ),
}


def sayer(lang: str) -> Say:
    """The function that says an English label of graphs in the language `lang`.

    Raises `UnknownNameError` for a language other than "en" and "ja".
    """
    translator(lang)
    return JAPANESE.__getitem__ if lang == "ja" else str


class NodeText(NamedTuple):
    """What is written in a node: first what it is, and below that its numbers."""

    headings: list[str]
    numbers: list[str]


class EdgeText(NamedTuple):
    """What is written on an edge, and how strong the message is; None before `backward()`."""

    lines: list[str]
    strength: float | None


class Labels:
    """The texts of one drawing, in the language of `say`."""

    def __init__(self, folded: Folding, say: Say) -> None:
        self.say = say
        self.names = names_of(folded)
        # Where frames void the order from left to right, letters tell operands apart.
        self.lettered = any(part.frame for part in folded.parts)

    def node(self, part: Part) -> NodeText:
        """What a part is, its value and its gradient."""
        first, last = part.ends
        value = first_to_last(summary, [numbers(first), numbers(last)])
        if kind(first) == "constant":
            return self.constant(part, value)
        if part.box:
            headings = self.layer(part)
            gradient = f"δ {first_to_last(strength, deltas(part))}"
        else:
            headings = [self.heading(part)]
            gradient = f"{self.say('gradient')} {first_to_last(summary, [first.grad, last.grad])}"
        return NodeText(headings, [f"{self.say('value')} {value}", gradient])

    def constant(self, part: Part, value: str) -> NodeText:
        """What a constant is: a name, an array, or just a number."""
        name, array = self.names.get(part, ""), array_text(part.items[0])
        if part.count > 1:
            heading = " ".join(filter(None, [name or self.say("constant"), array, times(part)]))
            return NodeText([heading], [value])
        if array:
            return NodeText([f"{name} {array}".strip()], [value])
        return NodeText([f"{name} = {value}" if name else value], [])

    def heading(self, part: Part) -> str:
        """What a leaf or an operation is."""
        first, array = part.items[0], array_text(part.items[0])
        if first.op is None:
            name = self.names.get(part) or self.say("leaf")
            return " ".join(filter(None, [name, array, times(part)]))
        # Signs would not do beside ×N: "× ×3".
        name = clipped(written(first, self.letters(first))) if part.alone else first.op.name
        return " → ".join(filter(None, [" ".join(filter(None, [name, times(part)])), array]))

    def layer(self, part: Part) -> list[str]:
        """What a layer is, of what operations, and how many parameters it has."""
        name, array = self.names[part], array_text(part.ends[0])
        inside = listed(item.op.name for item in part.items[: part.size])
        content = f"{inside} → {array}" if array else inside
        lines = [f"{name} {times(part)}", content] if times(part) else [f"{name}: {content}"]
        count = sum(np.size(node._data) for node in part.parameters)
        if count:
            phrase = "1 parameter" if count == 1 else "{} parameters"
            lines.append(self.say(phrase).format(f"{count:,}"))
        return lines

    def edge(self, link: Link) -> EdgeText:
        """The chain rule on an edge: incoming gradient × local derivative = message.

        Where many uses are drawn as one edge, the messages of the first and of the last copy.
        """
        use = link.uses[0][0]
        single = link.target.alone and link.source.count == 1
        lines = self.later(link)
        if single and (letter := self.letters(use.consumer).get(use.position)):
            lines.append(letter)
        if kind(use.item) == "constant" or any(
            use.consumer.grad is None for uses in link.uses for use in uses
        ):
            return EdgeText(lines, None)
        if single:
            sent = message(use.consumer, use.position, use.consumer.grad)
            return EdgeText([*lines, *self.rule(use.consumer, sent)], rms([sent.passed]))
        ends = [passed_back(uses) for uses in (link.uses[0], link.uses[-1])]
        passed = first_to_last(several, ends)
        target = link.target
        if target.box and target.count == 1 and len(target.outputs) == 1:
            factor = self.say("× local derivative of {}").format(self.names[target])
            lines += [f"↑ {quantity(target.outputs[0].grad)}", factor, f"= {passed}"]
        else:
            lines.append(f"↑ {passed}")
        return EdgeText(lines, max(map(rms, ends)))

    def later(self, link: Link) -> list[str]:
        """That an edge leads from copies to later ones, and how often."""
        if not link.later:
            return []
        phrase = "×{} to the next one" if link.later == "next" else "×{} to later ones"
        return [self.say(phrase).format(f"{sum(map(len, link.uses)):,}")]

    def rule(self, node: Node, sent: Message) -> list[str]:
        """Incoming gradient × local derivative = message, of one input of `node`."""
        if sent.local is None:
            factor = self.say("× local derivative of {}").format(symbol(node))
        else:
            slope = quantity(sent.local)
            factor = f"× ({slope})" if slope.startswith("−") else f"× {slope}"
        lines = [f"↑ {quantity(sent.incoming)}", factor, f"= {quantity(sent.product)}"]
        if not np.ndim(sent.incoming) and not np.ndim(sent.product):
            lines = [" ".join(lines)]
        if sent.product is not sent.passed:
            phrase = "summed over {} samples" if sent.samples else "summed over {} entries"
            lines += [self.say(phrase).format(sent.summed), f"= {quantity(sent.passed)}"]
        return lines

    def letters(self, node: Node) -> dict[int, str]:
        """What to call the operands without a name, where they may stand in any order."""
        blank = [use.position for use in uses_by(node) if operand(use.item) == BLANK]
        if not self.lettered or len(blank) < 2 or symbol(node) in COMMUTATIVE:
            return {}
        return {position: f"({letter})" for position, letter in zip(blank, LETTERS, strict=False)}


def times(part: Part) -> str:
    """How many copies a part stands for, "" for one."""
    return f"×{part.count:,}" if part.count > 1 else ""


def deltas(part: Part) -> list[list[Any] | None]:
    """The gradients of what the first and the last copy of a layer put out; None before any."""
    copies: dict[int, list[Any]] = {}
    places = {node.serial: index // part.size for index, node in enumerate(part.items)}
    for node in part.outputs:
        copies.setdefault(places[node.serial], []).append(node.grad)
    ends = [copies[min(copies)], copies[max(copies)]]
    return [None if any(gradient is None for gradient in end) else end for end in ends]


def names_of(folded: Folding) -> dict[Part, str]:
    """What leaves and layers are called, from the first to the last of them; "" without a name."""
    leaves = {
        part: None
        for part in folded.parts
        if isinstance(part.items[0], Node) and kind(part.items[0]) != "operation"
    }
    items = {key_of(item): item for part in leaves for item in part.ends}
    uses = [use for link in folded.links if link.source in leaves for use in chain(*link.uses)]
    distinct = distinct_names(items, uses)
    names = {}
    for part in leaves:
        # A frame says already whose weight it is.
        ends = [item.name if part.frame else distinct.get(key_of(item)) for item in part.ends]
        names[part] = first_to_last(lambda name: clipped(name or ""), ends)
    boxes = [part for part in folded.parts if part.box]
    model = common_model([scope for part in boxes if part.box for scope in part.box])
    for part in boxes:
        names[part] = first_to_last(
            lambda scope: clipped(scope.removeprefix(model)), list(part.box or ())
        )
    return names


def common_model(scopes: Sequence[str]) -> str:
    """The beginning that all these scopes have in common, as "mlp." before their layers."""
    models = {f"{scope.partition('.')[0]}." for scope in scopes}
    common = models.pop() if len(models) == 1 else ""
    return common if all(scope.startswith(common) for scope in scopes) else ""


def distinct_names(items: Mapping[Key, Any], uses: Sequence[Use]) -> dict[Key, str]:
    """The names of the leaves; those that occur twice are preceded by the scope of their use."""
    names = {k: v.name for k, v in items.items() if isinstance(v, Node) and not v.op and v.name}
    count = Counter(names.values())
    scopes = {use.key: use.consumer.scope for use in reversed(uses)}
    for key, name in names.items():
        scope = items[key].scope or scopes.get(key)
        if scope and count[name] > 1:
            names[key] = f"{scope}.{name}"
    return names


def written(node: Node, letters: Mapping[int, str]) -> str:
    """The operation of `node` as a learner reads it, with the names of operands that have one."""
    assert node.op is not None
    operands = [letters.get(use.position) or operand(use.item) for use in uses_by(node)]
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


def listed(names: Iterable[str]) -> str:
    """Names in the order of their first appearance, with how often each occurs."""
    count = Counter(names)
    shown = [name if n == 1 else f"{name} ×{n:,}" for name, n in count.items()]
    return ", ".join([*shown[:LISTED], *(["…"] if len(shown) > LISTED else [])])


def notices(folded: Folding, limit: int, say: Say) -> list[str]:
    """What was done to a graph that has too many nodes to draw them all."""
    lines = []
    if folded.forced:
        phrase = "{} nodes are more than {} (max_nodes):"
        lines.append(say(phrase).format(f"{folded.total:,}", f"{limit:,}"))
        ways = {
            "layers": "each layer is drawn as one",
            "repeats": "what repeats is drawn once, as ×N",
        }
        lines += [say(ways[way]) for way in folded.forced]
    if folded.left_out:
        known = Counter(
            {
                say(name) if name in ("parameter", "leaf", "constant") else name: count
                for name, count in folded.left_out.items()
            }
        )
        most = known.most_common(LISTED)
        others = folded.left_out.total() - sum(count for _, count in most)
        phrase = say("{count} {name}")
        shown = [phrase.format(count=f"{count:,}", name=name) for name, count in most]
        shown += [say("{} others").format(f"{others:,}")] if others else []
        lines.append(say("{} nodes are left out:").format(f"{folded.left_out.total():,}"))
        lines.append(say(", ").join(shown))
        phrase = "only the {} nearest to the output are drawn (max_nodes)"
        lines.append(say(phrase).format(len(folded.parts)))
    return lines


def numbers(item: Any) -> Any:
    """The data of a node, or a plain number or array itself."""
    return item._data if isinstance(item, Node) else item


def number(x: Any, digits: int = 4) -> str:
    """A number to four significant digits, with a real minus sign and without −0."""
    if x is None or isinstance(x, bool | np.bool_):
        return str(x)
    return f"{x + 0.0:.{digits}g}".replace("-", "−")


def array_text(item: Any) -> str:
    """Shape and dtype of an array; of a number only what dtype is unusual."""
    data = numbers(item)
    dtype = getattr(data, "dtype", None)
    if np.ndim(data):
        return f"{data.shape} {dtype}"
    return "" if dtype in (None, np.float64, np.int64) else str(dtype)


def summary(data: Any) -> str:
    """A number; or mean ± standard deviation of an array; or that there is none yet."""
    if data is None:
        return NONE_YET
    if np.size(data) > 1:
        return f"{number(np.mean(data), 3)} ± {number(np.std(data), 3)}"
    return number(data if not np.ndim(data) else data.item()) if np.size(data) else NONE_YET


def quantity(data: Any) -> str:
    """A number; or shape and root mean square of an array."""
    if not np.ndim(data):
        return number(float(data))
    return f"{data.shape} rms {number(rms([data]), 3)}" if data.size else str(data.shape)


def several(arrays: Sequence[Any]) -> str:
    """A number or an array; or the root mean square of several."""
    return quantity(arrays[0]) if len(arrays) == 1 else strength(arrays)


def strength(arrays: Sequence[Any] | None) -> str:
    """The root mean square of arrays or, of a single number, itself."""
    if arrays is None:
        return NONE_YET
    if len(arrays) == 1 and not np.ndim(arrays[0]):
        return number(arrays[0])
    return f"rms {number(rms(arrays), 3)}"


def first_to_last(text: Callable[[Any], str], ends: Sequence[Any]) -> str:
    """The texts of the first and the last copy, or the one that both share."""
    first, last = text(ends[0]), text(ends[-1])
    if first == last:
        return first
    what, rms, _ = first.rpartition("rms ")
    return f"{first} … {last.removeprefix(what + rms)}"


def clipped(text: str, length: int = 40) -> str:
    """Text on one line of at most `length` printable characters."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))
    return line if len(line) <= length else f"{line[: length - 1]}…"
