"""Listening to a training: each layer's signals and gradients, taken from the graph as it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any

import numpy as np

from ..activations.facts import curve, facts, slope
from ..activations.record import Carded
from ..engine.context import changed, observe
from ..engine.node import Node, numbers_of
from ..engine.operation import Operation
from ..engine.value import Value
from ..errors import NonFiniteError, OperandError, ShapeError
from ..nn.module import Module
from ..nn.recurrent import RNN
from ..ops.products import affine, matmul
from ..train.callbacks import Callback, Run
from .measured import Flow

Array = np.ndarray[Any, np.dtype[Any]]

# A slope below this share of the steepest one counts as flat.
FLAT = 0.05
# A unit is dead that has given 0 in all of so many looks, one after the other.
LOOKS = 10
# What a normalisation, a bias or a residual sum does on the way from z to its activation.
CARRIES = frozenset({"add", "subtract", "multiply", "divide"})


def rms(array: Any) -> float:
    """Root of the mean square of all entries."""
    total = float(np.vdot(array, array))
    if 1e-30 < total < 1e30:
        return math.sqrt(total / array.size)
    # Squares of a vanishing gradient underflow, those of an exploding one overflow.
    largest = float(np.max(np.abs(array), initial=0))
    if not 0 < largest < math.inf:
        return largest
    return largest * math.sqrt(np.mean(np.square(np.asarray(array, np.float64) / largest)))


@dataclass(eq=False)
class Watched:
    """A layer that is looked at: its matrix, and what is remembered between passes."""

    name: str
    path: str  # of the module that holds it
    weights: tuple[Value, ...]  # the last one is multiplied by to make z
    recurrent: bool
    entries: Any  # which of the matrix's, flat
    size: int = 0  # of δ in this pass so far
    times: list[float] = field(default_factory=list)  # rms δ of each use in this pass, last first
    started: Any = None  # the entries when the pass began
    active: Any = None  # the look at which each unit last gave something
    first: Any = None  # sums of the gradient's entries and of their squares, over passes
    second: Any = None
    count: int = 0

    @property
    def weight(self) -> Value:
        """The matrix whose product is the pre-activation."""
        return self.weights[-1]


KEPT = ("active", "first", "second", "count")


class Tracking(Flow):
    """A `Flow` that is still listening: `with te.flow.track(model) as flow:`."""

    def __init__(self, model: Module, every: int = 10, entries: int = 4096) -> None:
        if not isinstance(model, Module):
            raise OperandError(f"te.flow.track takes a model, a te.nn.Module, not {model!r:.60}")
        check_counts(every, entries)
        random = np.random.default_rng(0)
        self._watched = [
            Watched(*layer, some(layer[2][-1].size, int(entries), random))
            for layer in matrices(model)
        ]
        if not self._watched:
            raise ShapeError(
                "this model multiplies by no weights that it holds, so it has no layers to track; "
                "give it a te.nn.Linear, or x @ W with a Value W of its own"
            )
        recurrent = [each.name for each in self._watched if each.recurrent]
        super().__init__([each.name for each in self._watched], recurrent, int(every))
        self._entries = int(entries)
        for each in self._watched:
            rows = [leaf.shape[-2] for leaf in each.weights]
            self.fans[each.name] = sum(rows), each.weight.shape[-1]
            self.sigma_w2[each.name] = sum(
                count * rms(leaf._data) ** 2 for count, leaf in zip(rows, each.weights, strict=True)
            )
        self._places = {id(each.weight): each for each in self._watched}
        # Columns that are equal have equal sums, and others hardly ever have.
        self._mix = random.standard_normal(max(each.weight.shape[-2] for each in self._watched))
        self._origins: dict[int, Watched] = {}  # serials of z, and of what it becomes before φ
        self._outputs: dict[int, Watched] = {}  # serials of h
        self._looked: dict[str, dict[str, Any]] = {}  # of this forward pass
        self._looks = 0
        self._looking = False
        self._scope = ""
        self._answer = 0  # the serial of the last product of this forward pass
        self._last_serial = 0
        self._begins = True  # the next δ is of another pass than the last
        self._loss = self._guess = math.nan  # of the sweep that is under way
        self._hook: AbstractContextManager[None] | None = None

    def __enter__(self) -> Flow:
        self._hook = observe(self.listen)
        self._hook.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._note_updates()
        if isinstance(error, NonFiniteError) and all(map(math.isfinite, self.losses[-1:])):
            # The pass was broken off before its gradients, and would not be seen.
            self._loss = self._guess = math.nan
            self._looking, self._begins = False, True
            self._begin()
        if self._hook is not None:
            self._hook.__exit__(kind, error, trace)

    # ---- listening ----

    @np.errstate(all="ignore")  # of a training that has diverged there is still something to see
    def listen(self, node: Node, gradient: Any) -> None:
        """Take down what a new node, or a finished gradient, says of a layer."""
        if gradient is None:
            if node.requires_grad and node.op is not None:
                self._forward(node, node.op)
            return
        # A sweep goes down in serial numbers: a larger one belongs to another sweep.
        if node.serial > self._last_serial:
            self._begins = True
            self._root(node)
        self._last_serial = node.serial
        if node.op is affine or node.op is matmul:
            layer = self._places.get(id(node.inputs[1]))
            if layer is not None:
                self._delta(layer, gradient)
        elif node.op is None:
            layer = self._places.get(id(node))
            if layer is not None:
                self._weight(layer, gradient)
        elif node.serial in self._outputs:
            self._begin()
            self._put("activation_gradient", self._outputs[node.serial], rms(gradient))

    def _forward(self, node: Node, op: Operation) -> None:
        """Follow a pre-activation to its activation."""
        if op is affine or op is matmul:
            layer = self._places.get(id(node.inputs[1]))
            if layer is None:
                return
            if self._last_serial:  # the first one after a sweep
                self._note_updates()
                self._last_serial, self._begins = 0, True
                self._origins.clear()
                self._outputs.clear()
                self._looked.clear()
                self._looking = len(self) % self.every == 0
            elif not len(self):
                self._looking = True
            self._answer = node.serial
            if self._looking:
                self._origins[node.serial] = layer
                # What the model does has its scope; an activation of the loss is not the layer's.
                self._scope = node.scope.removesuffix(layer.path).removesuffix(".")
        elif (
            self._looking
            and node.scope.startswith(self._scope)
            and (op.name in CARRIES or isinstance(op, Carded))
        ):
            known = [
                item.serial
                for item in node.inputs
                if isinstance(item, Node) and item.serial in self._origins
            ]
            if not known:
                return
            # Behind a residual sum it is z of the branch, which is newer than what passes by.
            layer = self._origins[max(known)]
            if isinstance(op, Carded):
                self._activation(layer, node, op)
            else:
                self._origins[node.serial] = layer

    def _activation(self, layer: Watched, node: Node, op: Any) -> None:
        """Look at h = φ(z)."""
        h, z = node._data, node.inputs[0]._data
        self._outputs[node.serial] = layer
        self.activations[layer.name] = op.name
        few = self._few(h)
        looked = self._looked.setdefault(layer.name, {})
        looked["activation_mean"] = float(np.mean(few))
        looked["activation_std"] = float(np.std(few))
        looked["activations"] = few
        if curve(op):
            looked["saturated"] = flat_share(op, self._few(z))
        if np.ndim(h):
            active = np.any(np.reshape(h, (-1, h.shape[-1])), axis=0)
            looked["active"] = active | looked.get("active", False)

    def _root(self, node: Node) -> None:
        """What the sweep begins from: the loss, and what guessing would cost."""
        self._loss = self._guess = math.nan
        if np.size(node._data) == 1:
            self._loss = float(np.reshape(node._data, -1)[0])
            if self._looking:
                self._guess = answered_alike(node, self._answer)

    def _delta(self, layer: Watched, gradient: Any) -> None:
        """Add a use of a layer to the rms of its δ."""
        self._begin()
        before, size = layer.size, np.size(gradient)
        layer.size = total = max(before + size, 1)
        here, row = rms(gradient), self.series["delta"][layer.name]
        earlier = row[-1] * math.sqrt(before / total) if before else 0.0
        row[-1] = math.hypot(earlier, here * math.sqrt(size / total))
        if layer.recurrent:
            layer.times.append(here)
        if self._looking:
            few = self._few(gradient)
            sizes = np.abs(few)
            self._put("delta_mean", layer, float(np.mean(few)) if size else math.nan)
            self._put("delta_max", layer, float(np.max(sizes, initial=0)))
            self.samples[len(self) - 1]["delta"][layer.name] = few

    def _weight(self, layer: Watched, gradient: Any) -> None:
        """The rms of ∂L/∂W, and sums over batches."""
        self._begin()
        self._put("weight", layer, rms(gradient))
        few = np.asarray(np.reshape(gradient, -1)[layer.entries], np.float64)
        if layer.first is None:
            layer.first, layer.second = np.zeros_like(few), np.zeros_like(few)
        layer.first += few
        layer.second += few * few
        layer.count += 1
        if self._looking:
            self._put("symmetric", layer, self._alike(layer, gradient))
            if layer.count > 1:
                mean = layer.first / layer.count
                noise = np.mean(np.maximum(layer.second / layer.count - mean * mean, 0))
                size = rms(mean)
                found = size / math.sqrt(noise) if noise > 0 else math.inf if size else math.nan
                self._put("signal_to_noise", layer, found)
            layer.first, layer.second, layer.count = None, None, 0

    def _begin(self) -> None:
        """Add an entry for each layer and quantity if the pass has none yet."""
        if not self._begins:
            return
        self._begins = False
        self.losses.append(self._loss)
        self.guessing.append(self._guess)
        for rows in self.series.values():
            for row in rows.values():
                row.append(math.nan)
        if self._looking:
            self._looks += 1
            last = max(self.samples, default=0)
            if (look := last // self.every) & (look - 1):  # neither the first nor a power of two
                del self.samples[last]
            self.samples[len(self) - 1] = {"delta": {}, "activation": {}}
        for layer in self._watched:
            layer.size = 0
            if layer.recurrent:
                layer.times = []
                self.over_time[layer.name].append(layer.times)
            if self._looking:
                self._look(layer)

    def _look(self, layer: Watched) -> None:
        """Take down what the forward pass has shown of a layer."""
        layer.started = self._some_weights(layer)
        looked = self._looked.get(layer.name, {})
        for quantity in ("activation_mean", "activation_std", "saturated"):
            if quantity in looked:
                self._put(quantity, layer, looked[quantity])
        if "active" in looked:
            if layer.active is None or np.shape(layer.active) != np.shape(looked["active"]):
                layer.active = np.zeros(np.shape(looked["active"]), np.int64)
            layer.active[looked["active"]] = self._looks
            dead = self._looks - layer.active >= min(LOOKS, self._looks)
            self._put("dead", layer, float(np.mean(dead)))
        if "activations" in looked:
            self.samples[len(self) - 1]["activation"][layer.name] = looked["activations"]

    @np.errstate(all="ignore")
    def _note_updates(self) -> None:
        """How far the step after the last look has moved the weights."""
        for layer in self._watched:
            if layer.started is None:
                continue
            before, layer.started = layer.started, None
            size = rms(before)
            moved = rms(self._some_weights(layer) - before)
            self._put("update", layer, moved / size if size else math.inf if moved else math.nan)

    def _put(self, quantity: str, layer: Watched, number: float) -> None:
        self.series[quantity][layer.name][-1] = number

    def _few(self, array: Any) -> Array:
        """At most `entries` numbers of an array, evenly spread."""
        flat = np.reshape(array, -1)
        return np.array(flat[:: max(1, -(-flat.size // self._entries))])

    def _some_weights(self, layer: Watched) -> Array:
        return np.array(np.reshape(layer.weight._data, -1)[layer.entries])

    def _alike(self, layer: Watched, gradient: Any) -> float:
        """The share of units with the weights, and with the gradient, of another one."""
        weight = layer.weight._data
        if np.ndim(weight) != 2 or weight.shape[-1] < 2:
            return math.nan
        mix = self._mix[: weight.shape[0]].astype(weight.dtype)
        pairs = np.stack([mix @ weight, mix @ gradient], axis=1)
        largest = np.max(np.abs(pairs), axis=0)
        if not np.all(np.isfinite(largest)):
            return math.nan
        pairs = pairs / np.where(largest > 0, largest, 1)
        # Rounding differs between columns, by their places in blocks.
        order = np.lexsort(np.round(pairs, 4).T[::-1])
        close = np.all(np.abs(np.diff(pairs[order], axis=0)) < 1e-5, axis=1)
        twins = np.concatenate([[False], close]) | np.concatenate([close, [False]])
        return float(np.sum(twins) / weight.shape[-1])

    # ---- in a checkpoint ----

    def state_dict(self) -> dict[str, Any]:
        """What was measured, and what is remembered between passes."""
        between = [{name: getattr(each, name) for name in KEPT} for each in self._watched]
        return {**super().state_dict(), "looks": self._looks, "between": between}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        super().load_state_dict(state)
        self._looks = state["looks"]
        for layer, kept in zip(self._watched, state["between"], strict=True):
            for name in KEPT:
                setattr(layer, name, kept[name])


class Tracker(Callback):
    """Measures the gradient flow of `te.train.fit`: `callbacks=[tracker]`, then `tracker.flow`.

    `every` and `entries` as for `te.flow.track`. It goes on after a resumption.
    """

    def __init__(self, every: int = 10, entries: int = 4096) -> None:
        check_counts(every, entries)
        self.every, self.entries = every, entries
        self._tracking: Tracking | None = None
        self._before: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"Tracker(every={self.every}, entries={self.entries})"

    @property
    def flow(self) -> Flow:
        """What was measured. Raises `OperandError` before the training."""
        if self._tracking is None:
            raise OperandError(
                "this tracker has seen no training; give it to te.train.fit(..., "
                "callbacks=[tracker]), then read tracker.flow"
            )
        return self._tracking

    def watching(self, run: Run) -> AbstractContextManager[Any]:
        """Listen from before the first epoch until after the last."""
        self._tracking = Tracking(run.model, self.every, self.entries)
        if self._before is not None:
            self._tracking.load_state_dict(self._before)
            self._before = None
        return self._tracking

    def epoch_ended(self, run: Run) -> None:
        """Note where the epoch ends."""
        assert self._tracking is not None
        self._tracking.epochs.append(len(self._tracking))
        # The last step's updates are measured where the next pass begins, which a checkpoint
        # would lose.
        self._tracking._note_updates()

    def state_dict(self) -> dict[str, Any]:
        """What was measured so far."""
        return {} if self._tracking is None else self._tracking.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember it again."""
        self._before = state or None


def track(model: Module, every: int = 10, entries: int = 4096) -> Tracking:
    """Measure the gradient flow of `model`: `with te.flow.track(model) as flow:`.

    Every backward pass inside of the block is measured, the dearer quantities in every `every`-th,
    from at most `entries` numbers of a layer: see `Flow`. Raises `ShapeError` for a model without
    layers, `OperandError` for numbers below 1.
    """
    return Tracking(model, every, entries)


def check_counts(every: int, entries: int) -> None:
    """Refuse what is no count."""
    for what, number in (("every", every), ("entries", entries)):
        if not isinstance(number, int | np.integer) or number < 1:
            raise OperandError(f"{what} must be a whole number from 1 up, not {number!r}")


def matrices(model: Module) -> list[tuple[str, str, tuple[Value, ...], bool]]:
    """Matrices that make pre-activations: layer, path of its module, leaves; is it a recurrence?"""
    modules: Mapping[str, Module] = dict(model.named_modules())
    found: list[tuple[str, str, tuple[Value, ...], bool]] = []
    for path, leaf in model.named_leaves():
        owner, _, attribute = path.rpartition(".")
        module = modules.get(owner, model)
        recurrent = isinstance(module, RNN)
        if leaf.ndim >= 2 and not (recurrent and attribute == "weight"):
            named = attribute in ("weight", "recurrent_weight")
            name = (owner or type(module).__name__.lower()) if named else path
            leaves = (module.weight, leaf) if isinstance(module, RNN) else (leaf,)
            found.append((name, owner, leaves, recurrent))
    return found


def some(size: int, most: int, random: np.random.Generator) -> Any:
    """Which of so many entries to look at: all, or a sorted draw."""
    if size <= most:
        return slice(None)
    return np.sort(random.choice(size, most, replace=False))


def answered_alike(root: Node, answer: int) -> float:
    """What `root` would be if the node of serial `answer` were the same for each row.

    As it is on average, or 0, whichever is less: wild answers are wild on average too. NaN where it
    has one row, or `root` does not depend on it.
    """
    newer = {id(root): root}
    pending = [root]
    while pending:
        for item in pending.pop().inputs:
            if isinstance(item, Node) and item.serial >= answer and id(item) not in newer:
                newer[id(item)] = item
                pending.append(item)
    nodes = sorted(newer.values(), key=lambda node: node.serial)
    z = nodes[0]._data
    if nodes[0].serial != answer or nodes[0] is root or not np.size(z) > np.shape(z)[-1]:
        return math.nan
    average = np.mean(z, axis=tuple(range(np.ndim(z) - 1)), keepdims=True)
    costs = []
    with changed(tracking=False, observers=()), np.errstate(all="ignore"):
        for alike in (average, np.zeros_like(average)):
            found: dict[int, Any] = {id(nodes[0]): np.array(np.broadcast_to(alike, np.shape(z)))}
            for node in nodes[1:]:
                if node.op is not None and any(id(item) in found for item in node.inputs):
                    given = [found.get(id(item), numbers_of(item)) for item in node.inputs]
                    found[id(node)] = numbers_of(node.op(*given, **node.options))
            if id(root) in found:
                costs.append(float(np.reshape(found[id(root)], -1)[0]))
    return float(np.min(costs, initial=math.inf)) if costs else math.nan


def flat_share(op: Operation, z: Array) -> float:
    """The share of z where |φ′(z)| is below 5 % of the greatest; NaN where that is infinite."""
    steepest = steepest_slope(op)
    if not math.isfinite(steepest):
        return math.nan
    return float(np.mean(np.abs(slope(op, z)) < FLAT * steepest))


@cache
def steepest_slope(op: Operation) -> float:
    """The greatest |φ′|."""
    return facts(op).lipschitz
