"""One forward pass and one backward sweep, step by step, in words and numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...engine.node import Node
from ...engine.operation import Elementwise
from ...engine.sweep import order, repeated_axes, sweep
from ...errors import OperandError
from ..folding import Key, Use, key_of, uses_by
from ..labels import clipped, number, quantity
from ..looks import kind_of
from ..messages import Message, message
from . import rules, verdicts
from .diagram import Arrow, Shape
from .differences import Replay
from .heatmaps import Heatmaps, as_float
from .names import items_of, names_of, uses_of
from .words import phrases

MOST_NODES = 300
MOST_TERMS = 8

Part = dict[str, Any]


class Recording:
    """Everything that a page shows of the graph of `root`, whose own gradient is `seed`.

    `steps` are in the order of the engine. `known` and `complete` say at which of them the value
    and the gradient of a node, or the message on an edge, are there.
    """

    def __init__(self, root: Node, seed: Any, check: bool, lang: str) -> None:
        self.root, self.say = root, phrases(lang)
        self.nodes = order(root)[::-1]
        self.uses = uses_of(self.nodes)
        self.items = items_of(self.nodes, self.uses)
        if len(self.items) > MOST_NODES:
            raise OperandError(
                f"this graph has {len(self.items):,} nodes, and step_through shows up to "
                f"{MOST_NODES}: nobody reads more steps. Give it a smaller graph: a single sample, "
                "fewer layers, or arrays where there are lists of single numbers "
                "(te.draw.graph draws the part of a large graph that is nearest to its output)"
            )
        self.replay = Replay(self.nodes) if check else None
        self.ids = {key: f"n{i}" for i, key in enumerate(self.items)}
        self.names = names_of(self.items, self.uses)
        self.gradients = list(sweep(root, seed))
        self.times_used = Counter(use.key for use in self.uses)
        self.messages: dict[tuple[int, int], tuple[str, Any]] = {}
        self.known: dict[str, int] = {}
        self.complete: dict[str, int] = {}
        self.heatmaps = Heatmaps(self.say)
        self.steps: list[dict[str, Any]] = []
        # One by one: what is yielded depends on how many there are.
        for step in self.forward():
            self.steps.append(step)
        first = len(self.steps)
        for step in self.backward():
            self.steps.append(step)
        for i, step in enumerate(self.steps):
            forward, total = i < first, len(self.steps)
            where = self.say("Forward {} of {}" if forward else "Backward {} of {}")
            place = (i + 1, first) if forward else (i + 1 - first, total - first)
            step["where"] = where.format(*place)

    # The graph

    def shapes(self) -> list[Shape]:
        """The nodes to be drawn."""
        gradients = {key_of(node): gradient for node, gradient in self.gradients}
        shapes = []
        for key, item in self.items.items():
            name, kind = self.names[key], kind_of(item, self.root)
            if key in gradients:
                text = name if item.op is None else self.equation(item)
                lines = [
                    clipped(text, 48),
                    f"{self.say('value')} {quantity(item._data)}",
                    f"{self.say('gradient')} {quantity(gradients[key])}",
                ]
            elif isinstance(item, Node) or np.ndim(item):
                data = item._data if isinstance(item, Node) else item
                shape = str(np.shape(data))
                lines = [f"{name} {shape}" if np.ndim(data) else f"{name} = {number(data)}"]
            else:
                lines = [name]
            shapes.append(Shape(self.ids[key], name, kind, lines))
        return shapes

    def arrows(self) -> list[Arrow]:
        """The edges to be drawn, with the messages on them."""
        return [
            Arrow(edge, self.ids[use.key], self.ids[key_of(use.consumer)], sent)
            for use in self.uses
            for edge, sent in [self.messages.get((use.consumer.serial, use.position), ("", ""))]
        ]

    # Names

    def name(self, node: Node) -> str:
        """What `node` is called."""
        return self.names[key_of(node)]

    def slope(self, node: Node) -> str:
        """How the gradient of `node` is written."""
        return f"∂{self.name(self.root)}/∂{self.name(node)}"

    def signs(self, node: Node) -> dict[int, str]:
        """The names of the output and the operands of `node`."""
        names = {rules.OUTPUT: self.name(node)}
        for position, item in enumerate(node.inputs):
            key = Use(node, position, item).key
            if key in self.names:
                names[rules.FIRST + position] = self.names[key]
        return names

    def filled(self, template: rules.Template, node: Node) -> str:
        """A formula in the names of this graph."""
        return template.filled(self.signs(node), self.say("where"))

    def equation(self, node: Node) -> str:
        """A node and what it is computed by."""
        return f"{self.name(node)} = {self.filled(rules.calculation(node), node)}"

    def operands(self, node: Node, signs: set[int]) -> list[Part]:
        """Those operands of `node` that have one of the signs."""
        names, data = self.signs(node), rules.operands(node)
        return [self.heatmaps.quantity(data[s], names[s]) for s in sorted(signs & data.keys())]

    # Forward

    def forward(self) -> Iterator[dict[str, Any]]:
        """A step for each tracked node, the leaves first."""
        for node in sorted(self.nodes, key=lambda node: node.op is not None):
            identifier = self.ids[key_of(node)]
            self.known[identifier] = len(self.steps)
            yield {
                "node": identifier,
                **(self.given(node) if node.op is None else self.computed(node)),
            }

    def given(self, leaf: Node) -> dict[str, Any]:
        """The step of a leaf."""
        own = self.heatmaps.quantity(leaf._data, self.name(leaf))
        return {
            "said": self.say("{} is given: {}.").format(self.name(leaf), quantity(leaf._data)),
            "parts": [{"label": self.say("Value"), "row": [own]}],
        }

    def computed(self, node: Node) -> dict[str, Any]:
        """The step of an operation."""
        equation, template = self.equation(node), rules.calculation(node)
        parts = [self.formula("Formula", equation)]
        if (textbook := rules.definition(node)) is not None:
            both = f"{self.filled(template, node)} = {self.filled(textbook, node)}"
            parts.append(self.formula("Definition", both))
        numbers = self.in_numbers(template, node, node._data)
        own = self.heatmaps.quantity(node._data, self.name(node))
        arrays = self.operands(node, template.signs()) if self.has_arrays(node) else []
        row = [*listed(arrays), "→", own] if arrays else [own]
        parts += [*numbers, {"label": self.say("Value"), "row": row}, *self.code(node)]
        said = self.say("Compute {}: {}.")
        if not arrays and numbers:
            return {"said": said.format(equation, numbers[0]["math"]), "parts": parts}
        return {"said": said.format(equation, quantity(node._data)), "parts": parts}

    # Backward

    def backward(self) -> Iterator[dict[str, Any]]:
        """In the engine's order: a node's gradient is complete, then it sends its messages."""
        arrived: dict[Key, list[tuple[Node, Any]]] = {}
        so_far: dict[Key, Any] = {}
        for node, gradient in self.gradients:
            identifier = self.ids[key_of(node)]
            self.complete[identifier] = len(self.steps)
            messages = arrived.get(key_of(node), [])
            yield {"node": identifier, **self.completed(node, gradient, messages)}
            for use in uses_by(node):
                if not isinstance(use.item, Node) or not use.item.requires_grad:
                    continue
                sent = message(node, use.position, gradient)
                edge = f"e{len(self.messages)}"
                self.messages[node.serial, use.position] = edge, quantity(sent.passed)
                self.known[edge] = len(self.steps)
                arrived.setdefault(use.key, []).append((node, sent.passed))
                parts = self.sent(use, sent)
                before = so_far.get(use.key)
                so_far[use.key] = sent.passed if before is None else before + sent.passed
                if self.times_used[use.key] > 1:
                    parts.append(self.added(before, sent.passed, so_far[use.key]))
                yield {
                    "node": identifier,
                    "target": self.ids[use.key],
                    "edge": edge,
                    "said": self.sentence(use, sent),
                    "parts": [*parts, *self.code(node)],
                }

    def completed(
        self, node: Node, gradient: Any, messages: Sequence[tuple[Node, Any]]
    ) -> dict[str, Any]:
        """The step in which the gradient of `node` is there."""
        name, total = self.name(node), self.heatmaps.quantity(gradient, self.slope(node))
        label, row = "Gradient", list[Any]([total])
        if not messages:
            said = self.say("Backward begins: {} = 1.").format(self.slope(node))
        elif len(messages) == 1:
            said = self.say("The gradient of {} is complete: {}.").format(name, quantity(gradient))
            label = "The only message"
        else:
            said = self.say(
                "All {} messages to {} have arrived, and their sum is its gradient: {}."
            )
            said = said.format(len(messages), name, quantity(gradient))
            label = "Sum of the messages"
        terms = [
            self.heatmaps.quantity(data, f"{self.name(sender)} → {name}")
            for sender, data in messages
        ]
        if terms:
            row = [*listed(terms, "+"), "=", total]
        parts: list[Part] = [{"label": self.say(label), "row": row}]
        if node.op is None and self.replay is not None:
            found = self.replay.compare(node, gradient)
            parts.append(verdicts.part(found, gradient, self.say, self.heatmaps))
            if words := verdicts.in_short(found, self.say):
                said = self.say("{} {}").format(said, words)
        return {"said": said, "parts": parts}

    def sentence(self, use: Use, sent: Message) -> str:
        """What is said of a message."""
        names = self.name(use.consumer), self.name(use.item)
        if sent.local is not None and not np.ndim(sent.product) and not np.ndim(sent.local):
            said = self.say("{} sends to {} the message {} × {} = {}.")
            incoming, local = number(sent.incoming), rules.bracketed(sent.local)
            return said.format(*names, incoming, local, quantity(sent.passed))
        text = quantity(sent.passed)
        if sent.summed > 1:
            phrase = "summed over {} samples" if sent.samples else "summed over {} entries"
            text += f" ({self.say(phrase).format(sent.summed)})"
        return self.say("{} sends to {} the message {}.").format(*names, text)

    def sent(self, use: Use, sent: Message) -> list[Part]:
        """How a message is computed: the rule, the numbers put in, and the sum it takes."""
        node, say = use.consumer, self.say
        incoming = self.heatmaps.quantity(sent.incoming, self.slope(node))
        product = self.heatmaps.quantity(sent.product, say("message"))
        parts: list[Part] = []
        if isinstance(node.op, Elementwise):
            template = rules.local_derivative(node, use.position)
            if template is not None:
                parts += self.slope_formulas(use, template, sent.local)
        elif (template := rules.pullback(node, use.position)) is not None:
            g = "g" if "g" not in self.names.values() else "g′"
            text = template.filled(self.signs(node) | {rules.INCOMING: g}, say("where"))
            text = self.slope(node) if text == g else f"{text}, {g} = {self.slope(node)}"
            parts.append(self.formula("Message", say("message = {}").format(text)))
        row: list[Any] = [incoming]
        if sent.local is not None:
            local = self.heatmaps.quantity(sent.local, self.partial(use))
            label = "Incoming gradient × local derivative = message"
            row += ["×", local, "=", product]
        else:
            label = "Incoming gradient → message"
            used = self.operands(node, template.signs()) if template else []
            row = [*listed([incoming, *used]), "→", product]
        parts.append({"label": say(label), "row": row})
        return [*parts, self.summed(use, sent)] if sent.summed > 1 else parts

    def partial(self, use: Use) -> str:
        """How the local derivative on an edge is written."""
        return f"∂{self.name(use.consumer)}/∂{self.name(use.item)}"

    def slope_formulas(self, use: Use, template: rules.Template, local: Any) -> list[Part]:
        """A local derivative as a formula, and with the numbers put in."""
        text = rules.in_words(self.filled(template, use.consumer), local, self.say)
        if template.is_an_operand and not np.ndim(local):
            text += f" = {number(as_float(local))}"
        formula = self.formula("Local derivative", f"{self.partial(use)} = {text}")
        return [formula, *self.in_numbers(template, use.consumer, local)]

    def summed(self, use: Use, sent: Message) -> Part:
        """The sum over the axes that broadcasting had repeated, its first entry spelled out."""
        phrase = "Sum over {} entries, because broadcasting had repeated {}"
        if sent.samples:
            phrase = "Sum over {} samples, because broadcasting had repeated {}"
        axes = repeated_axes(np.shape(sent.product), np.shape(sent.passed))
        terms = np.moveaxis(sent.product, axes, range(len(axes))).reshape(sent.summed, -1)[:, 0]
        first, *others = terms[:MOST_TERMS]
        spelled = " + ".join([number(first), *map(rules.bracketed, others)])
        more = " + …" if len(terms) > MOST_TERMS else ""
        total = number(np.ravel(sent.passed)[0])
        return {
            "label": self.say(phrase).format(sent.summed, self.name(use.item)),
            "row": ["→", self.heatmaps.quantity(sent.passed, self.say("message"))],
            "math": f"{self.entry(sent.passed)}{spelled}{more} = {total}",
        }

    def added(self, before: Any, passed: Any, after: Any) -> Part:
        """What a message adds to a gradient that others add to as well."""
        say, quantity_of = self.say, self.heatmaps.quantity
        # Not 0: nothing has arrived yet.
        nothing = {"name": say("before"), "text": "–"}
        return {
            "label": say("Gradient before + message = gradient after"),
            "row": [
                nothing if before is None else quantity_of(before, say("before")),
                "+",
                quantity_of(passed, say("message")),
                "=",
                quantity_of(after, say("after")),
            ],
        }

    # Parts

    def formula(self, label: str, text: str) -> Part:
        """A formula under its label."""
        return {"label": self.say(label), "math": text}

    def code(self, node: Node) -> list[Part]:
        """The user's line that made `node`, if it was recorded."""
        if not node.line:
            return []
        return [{"label": self.say("Your code"), "code": clipped(node.line, 200)}]

    def in_numbers(self, template: rules.Template, node: Node, result: Any) -> list[Part]:
        """A formula with the numbers put in; in arrays those of the first entry."""
        data = {rules.OUTPUT: node._data, **rules.operands(node)}
        shape = np.shape(node._data)
        plain = template.is_an_operand or not template.signs()
        if plain or 0 in shape or not self.entrywise(node):
            return []
        first = {
            sign: np.broadcast_to(data[sign], shape)[(0,) * len(shape)] for sign in template.signs()
        }
        text = template.in_numbers(first, self.say("where"))
        if len(text) > rules.LONGEST:
            return []
        total = np.broadcast_to(result, shape)[(0,) * len(shape)]
        words, value = rules.in_words(text, total, self.say), number(as_float(total))
        text = f"{text} = {value}" if words == text else f"{words} → {value}"
        return [self.formula("Numbers put in", f"{self.entry(node._data)}{text}")]

    def entrywise(self, node: Node) -> bool:
        """Whether each entry of a result comes from the same entry of every operand."""
        return isinstance(node.op, Elementwise) or not self.has_arrays(node)

    def has_arrays(self, node: Node) -> bool:
        """Whether anything but single numbers takes part in an operation."""
        return any(np.ndim(x) for x in (node._data, *rules.operands(node).values()))

    def entry(self, data: Any) -> str:
        """What tells the first entry of an array from the whole of it."""
        index = [0] * np.ndim(data)
        return f"{self.say('entry {}').format(index)}: " if index else ""


def listed(parts: Sequence[Any], sign: str = ",") -> list[Any]:
    """`parts` with a sign between them."""
    return [each for part in parts for each in (part, sign)][:-1]
