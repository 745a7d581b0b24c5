"""Which nodes of a graph are drawn, and which of them as one: layers as boxes, repeats once.

A graph becomes `Part`s, each drawn as one node, and `Link`s between them. In the order of creation,
nodes of one scope that follow one another are one entry of that layer. A layer that is entered
again at once, as in a recurrent network, leaves a single run of nodes: it is cut where the same
operations begin anew on the same parameters.
"""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..engine.node import Node
from ..engine.sweep import order
from . import repeats

Key = tuple[int, float]
Collapse: TypeAlias = int | str
"""What becomes a box: "none", each "layer" (a scope without scopes in it), or scopes of a depth."""

# A number belongs to the list that it counts: layers.0 is one level.
LEVELS = re.compile(r"\.(?!\d)")
PARAMETERS = ("weight", "bias")


class Use(NamedTuple):
    """One input of an operation."""

    consumer: Node
    position: int
    item: Any

    @property
    def key(self) -> Key:
        """What identifies the item: a node wherever it is used, a plain number here only."""
        if isinstance(self.item, Node):
            return key_of(self.item)
        return self.consumer.serial, self.position


@dataclass(eq=False, slots=True)
class Frame:
    """A layer that is drawn as a frame around its nodes, `scope` being its full name."""

    scope: str
    outer: Frame | None


@dataclass(eq=False, slots=True)
class Part:
    """What is drawn as one node.

    `items` are nodes, plain numbers and arrays: `size` of them, or several copies of as many, one
    after the other. `number` is the place of the first one in the whole graph, however that is
    folded. `box` holds the scopes of the first and the last copy of a layer; `parameters` are
    those that it alone uses.
    """

    number: int
    items: list[Any]
    size: int = 1
    box: tuple[str, str] | None = None
    frame: Frame | None = None
    parameters: list[Node] = field(default_factory=list)
    outputs: list[Node] = field(default_factory=list)
    """The nodes that other parts or copies use, in order of creation."""

    @property
    def count(self) -> int:
        """How many copies there are."""
        return len(self.items) // self.size

    @property
    def alone(self) -> bool:
        """Whether it is a single node, drawn as it is."""
        return len(self.items) == 1 and self.box is None

    @property
    def ends(self) -> tuple[Any, Any]:
        """What the first and the last copy result in."""
        results = self.outputs if self.box else self.items
        return results[0], results[-1]

    @property
    def home(self) -> Part | Frame | None:
        """The layer that it is, or that it is drawn in."""
        return self if self.box else self.frame


class Link(NamedTuple):
    """An edge: how `target` uses what `source` holds, in a list for each copy that does.

    `later` is "next" where each copy of a repeat uses what the one before it has made, "later"
    where copies use what others before them have made, else "".
    """

    source: Part
    target: Part
    uses: list[list[Use]]
    later: str


class Step(NamedTuple):
    """A use and its key, with the part of its consumer, the copy there, and the place in it."""

    part: Part
    copy: int
    slot: int
    use: Use
    key: Key


@dataclass(frozen=True)
class Folding:
    """What is drawn, in a fixed order.

    `root` holds the `output`. `total` nodes and numbers became these parts; where they were too
    many to draw them as asked, `forced` says whether "layers" and "repeats" were folded for that.
    `left_out` counts what is not drawn even so, and `cut` are the parts which that would lead to.
    """

    parts: list[Part]
    links: list[Link]
    output: Node
    root: Part
    total: int
    forced: list[str]
    left_out: Counter[str]
    cut: list[Part]


def folding(root: Node, collapse: Collapse, limit: int) -> Folding:
    """What to draw of the graph of `root`, at most `limit` parts.

    Where there are more, layers become boxes; if that is not enough, everything that repeats is
    folded; and if that is not enough, the parts nearest to the root are chosen.
    """
    record = Record(root)
    layers: Collapse = "layer" if collapse == "none" and record.scoped else collapse
    for way, freely in dict.fromkeys([(collapse, False), (layers, False), (layers, True)]):
        if way == "none" and not freely and len(record.numbers) > limit:
            continue
        parts, links = record.drawn(way, freely)
        if len(parts) <= limit:
            break
    forced = ["layers"] if way != collapse else []
    if freely and any(part.count > 1 for part in parts):
        forced.append("repeats")
    last = next(part for part in parts if any(item is root for item in part.items))
    chosen = nearest(last, links, limit) if len(parts) > limit else set(parts)
    left_out = Counter(
        what(item)
        for part in parts
        if part not in chosen
        for item in (*part.items, *part.parameters)
    )
    outer = {link.target: None for link in links if link.source not in chosen}
    return Folding(
        parts=[part for part in parts if part in chosen],
        links=[link for link in links if link.source in chosen and link.target in chosen],
        output=root,
        root=last,
        total=len(record.numbers),
        forced=forced,
        left_out=left_out,
        cut=[part for part in outer if part in chosen],
    )


def nearest(last: Part, links: list[Link], limit: int) -> set[Part]:
    """The `limit` parts nearest to the last one."""
    sources: dict[Part, list[Part]] = {}
    for link in links:
        sources.setdefault(link.target, []).append(link.source)
    chosen = {last}
    queue = deque([last])
    while queue and len(chosen) < limit:
        for source in sources.get(queue.popleft(), []):
            if source not in chosen and len(chosen) < limit:
                chosen.add(source)
                queue.append(source)
    return chosen


class Record:
    """All that `root` was computed from, numbered as the computation alone decides."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.operations = [node for node in reversed(order(root)) if node.op is not None]
        # A leaf comes with its first use: when it was made or given new data must not matter.
        self.numbers: dict[Key, int] = {}
        self.leaves: dict[Key, Any] = {}
        made = {node.serial for node in self.operations}
        for node in self.operations:
            for use in uses_by(node):
                key = use.key
                if not (isinstance(use.item, Node) and use.item.serial in made):
                    self.leaves[key] = use.item
                self.numbers.setdefault(key, len(self.numbers))
            self.numbers[key_of(node)] = len(self.numbers)
        if not self.operations:
            self.leaves[key_of(root)] = root
            self.numbers[key_of(root)] = 0
        self.scoped = any(node.scope for node in self.operations)

    def drawn(self, collapse: Collapse, freely: bool) -> tuple[list[Part], list[Link]]:
        """Parts and links of the whole graph, `freely` if all that repeats is to be folded."""
        if collapse == "none":
            parts = [self.part([node]) for node in self.operations] if freely else self.framed()
        else:
            # The same layers again and again; then layers that differ in their number only.
            parts = folded(self.boxed(collapse), exact=True, anchored=True)
            parts = folded(parts, exact=False, anchored=True)
        if freely:
            parts = folded(parts, exact=False, anchored=False)
        steps = list(steps_of(parts))
        places = {
            key_of(node): (part, index // part.size)
            for part in parts
            for index, node in enumerate(part.items)
        }
        leaves = self.leaf_parts(steps, places)
        links = self.links(steps, places | {key: (leaf, 0) for key, leaf in leaves.items()})
        return sorted({*parts, *leaves.values()}, key=lambda part: part.number), links

    def part(self, nodes: list[Node], **options: Any) -> Part:
        """A part of these operations."""
        return Part(self.numbers[key_of(nodes[0])], nodes, **options)

    def framed(self) -> list[Part]:
        """Each operation alone, inside the frames of its scope."""
        parts = []
        frames: list[Frame] = []
        for node in self.operations:
            scopes = scopes_around(node.scope)
            while frames and frames[-1].scope not in scopes:
                frames.pop()
            for scope in scopes[len(frames) :]:
                frames.append(Frame(scope, frames[-1] if frames else None))
            parts.append(self.part([node], frame=frames[-1] if frames else None))
        return parts

    def boxed(self, collapse: Collapse) -> list[Part]:
        """Each entry of a layer, and each operation outside of them."""
        layers = layers_of({node.scope for node in self.operations}, collapse)
        parts = []
        for layer, run in groupby(self.operations, lambda node: layers[node.scope]):
            nodes = list(run)
            if not layer:
                parts += [self.part([node]) for node in nodes]
                continue
            forms = [(form(node), parameters_of(node)) for node in nodes]
            starts = repeats.entries(forms, sources_among([[node] for node in nodes]))
            for start, end in pairwise([*starts, len(nodes)]):
                entry = nodes[start:end]
                parts.append(self.part(entry, size=len(entry), box=(layer, layer)))
        return parts

    def leaf_parts(
        self, steps: Sequence[Step], places: Mapping[Key, tuple[Part, int]]
    ) -> dict[Key, Part]:
        """The parts of leaves and constants; parameters of boxes are noted there instead.

        To a layer belong the leaves that it alone uses and the constants made in it. But data can
        be such a leaf as well: where nothing else comes in, only weights and biases belong.
        """
        users: dict[Key, list[Step]] = {key: [] for key in self.leaves}
        fed: set[Part | Frame | None] = set()
        for step in steps:
            if step.key in users:
                users[step.key].append(step)
            elif places[step.key][0].home is not step.part.home:
                fed.add(step.part.home)
        homes: dict[Key, Part | Frame | None] = {}
        for key, item in self.leaves.items():
            around = {step.part.home for step in users[key]}
            homes[key] = around.pop() if len(around) == 1 else None
            if homes[key] and not belongs(item, homes[key], users[key][0].use.consumer):
                around.add(homes.pop(key))
            if getattr(item, "name", None) not in PARAMETERS:
                fed |= around
        grouped: dict[Hashable, Part] = {}
        found: dict[Key, Part] = {}
        for key, item in self.leaves.items():
            home = homes.get(key)
            tracked = kind(item) != "constant"
            if tracked and home not in fed and item.name not in PARAMETERS:
                home = None
            if isinstance(home, Part):
                home.parameters += [item] if tracked else []
                continue
            name: Hashable = key
            if any(step.part.count > 1 for step in users[key]):
                roles = {(step.part, step.slot, step.use.position) for step in users[key]}
                name = kind(item), array_form(item), frozenset(roles)
            part = grouped.setdefault(name, Part(self.numbers[key], [], frame=home))
            part.items.append(item)
            found[key] = part
        return found

    def links(self, steps: Sequence[Step], places: Mapping[Key, tuple[Part, int]]) -> list[Link]:
        """A link for each use by a node that is drawn alone, else one for all between two parts."""
        found: dict[Hashable, tuple[Part, Part, set[int], dict[int, list[Use]]]] = {}
        outputs: dict[int, tuple[Part, Node]] = {}
        for target, copy, _, use, key in steps:
            source, made_in = places.get(key, (target, copy))
            if source is target and made_in == copy:
                continue
            if key not in self.leaves:
                outputs[use.item.serial] = source, use.item
            # What a later copy uses can only be drawn as an edge back up.
            later = key not in self.leaves and source.number >= target.number
            single = target.alone and source.count == 1
            name = target, use.position if single else (source, later)
            *_, ahead, copies = found.setdefault(name, (source, target, set(), {}))
            if later:
                ahead.add(copy - made_in if source.count == target.count else 0)
            copies.setdefault(copy, []).append(use)
        if self.operations:
            outputs[self.root.serial] = places[key_of(self.root)][0], self.root
        for serial in sorted(outputs):
            part, node = outputs[serial]
            part.outputs.append(node)
        return [
            Link(
                source,
                target,
                list(copies.values()),
                "next" if ahead == {1} else "later" if ahead else "",
            )
            for source, target, ahead, copies in found.values()
        ]


def folded(parts: Sequence[Part], exact: bool, anchored: bool) -> list[Part]:
    """Fold what repeats: `exact` if scopes must be the same, else they may differ in numbers.

    `anchored` if only such repeats count as hold a layer, and none that were folded before.
    """
    forms: list[Hashable] = []
    for part in parts:
        scope = part.box[0] if part.box else ""
        if scope and not exact:
            scope = re.sub(r"\d+", "#", scope)
        count = part.count
        once = 0 if count == 1 or not anchored else part.number
        forms.append((scope, count, once, *map(form, part.items[: part.size])))
    sources = sources_among([part.items for part in parts])
    anchors = [part.box is not None for part in parts] if anchored else None
    together = []
    for group in repeats.folded(forms, sources, anchors):
        first, last = parts[group[0]], parts[group[-1]]
        box = (first.box[0], last.box[1]) if first.box and last.box else None
        items = [item for i in group for item in parts[i].items]
        together.append(Part(first.number, items, first.size, box))
    return together


def scopes_around(scope: str) -> list[str]:
    """A scope and those around it, the outermost first."""
    levels = LEVELS.split(scope) if scope else []
    return [".".join(levels[: i + 1]) for i in range(len(levels))]


def layers_of(scopes: set[str], collapse: Collapse) -> dict[str, str]:
    """The layer that each scope is drawn in, "" for none."""
    if isinstance(collapse, int):
        around = {scope: scopes_around(scope) for scope in scopes}
        return {
            s: outer[collapse - 1] if len(outer) >= collapse else "" for s, outer in around.items()
        }
    holders = {outer for scope in scopes for outer in scopes_around(scope)[:-1]}
    return {scope: "" if scope in holders else scope for scope in scopes}


def belongs(item: Any, home: Part | Frame | None, consumer: Node) -> bool:
    """Whether a leaf or constant that one layer alone uses is a part of it, not data for it."""
    if not isinstance(item, Node):
        # Python's own numbers are written in a layer's code, NumPy's are taken from an array.
        return not isinstance(item, np.ndarray | np.generic)
    if item.requires_grad:
        return True
    scope = home.scope if isinstance(home, Frame) else home.box[0] if home and home.box else ""
    depth = len(scopes_around(scope))
    return scopes_around(item.scope)[:depth] == scopes_around(consumer.scope)[:depth]


def key_of(node: Node) -> Key:
    """What identifies a node."""
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


def steps_of(parts: Sequence[Part]) -> Iterator[Step]:
    """Every use by these parts."""
    for part in parts:
        for index, node in enumerate(part.items):
            copy, slot = divmod(index, part.size)
            for use in uses_by(node):
                yield Step(part, copy, slot, use, use.key)


def sources_among(groups: Sequence[Sequence[Node]]) -> list[list[int]]:
    """Which of the other groups each group of nodes uses, in order of use."""
    places = {node.serial: i for i, group in enumerate(groups) for node in group}
    return [
        list(
            dict.fromkeys(
                source
                for node in group
                for item in node.inputs
                if isinstance(item, Node) and (source := places.get(item.serial, i)) != i
            )
        )
        for i, group in enumerate(groups)
    ]


def form(node: Node) -> Hashable:
    """What operations have in common that are drawn as repeats of one another."""
    assert node.op is not None
    shapes = [getattr(item, "shape", ()) for item in node.inputs]
    settings = [
        (option, repr(setting))
        for option, setting in node.options.items()
        if isinstance(setting, int | float | str | tuple | np.dtype) and option != "index"
    ]
    return node.op.name, exponent(node), array_form(node), *shapes, *settings


def array_form(item: Any) -> Hashable:
    """Shape and dtype of a node, a plain number or an array."""
    data = item._data if isinstance(item, Node) else item
    return getattr(data, "shape", ()), getattr(data, "dtype", None)


def parameters_of(node: Node) -> tuple[int | None, ...]:
    """The tracked leaves among the inputs of an operation."""
    return tuple(
        item.serial if isinstance(item, Node) and item.op is None and item.requires_grad else None
        for item in node.inputs
    )


def kind(item: Any) -> str:
    """What a node, a plain number or an array is: a parameter, leaf, constant or operation."""
    if not isinstance(item, Node) or not item.requires_grad:
        return "constant"
    if item.op is None:
        return "parameter" if item.name else "leaf"
    return "operation"


def what(item: Any) -> str:
    """The name of an operation, or the kind of what is none."""
    return item.op.name if isinstance(item, Node) and item.op and item.requires_grad else kind(item)
