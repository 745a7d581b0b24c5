"""Gradient flow, measured: how signals and gradients fare in each layer while a model learns."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any

import numpy as np

from ..activations.facts import curve, facts, slope
from ..activations.record import Carded
from ..engine.context import observe
from ..engine.node import Node
from ..engine.operation import Operation
from ..engine.value import Value
from ..errors import OperandError, ShapeError, UnknownNameError, closest
from ..files import write_text
from ..nn.module import Module
from ..nn.recurrent import RNN
from ..ops.products import affine, matmul

Array = np.ndarray[Any, np.dtype[Any]]

ALWAYS = ("delta", "weight")
SOMETIMES = (
    *("delta_mean", "delta_max", "activation_gradient", "activation_mean", "activation_std"),
    *("saturated", "dead", "update", "signal_to_noise"),
)
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
    weight: Value
    recurrent: bool
    entries: Any  # which of the matrix's, flat
    size: int = 0  # of δ in this pass so far
    times: list[float] = field(default_factory=list)  # rms δ of each use in this pass, last first
    started: Any = None  # the entries when the pass began
    active: Any = None  # the look at which each unit last gave something
    first: Any = None  # sums of the gradient's entries and of their squares, over passes
    second: Any = None
    count: int = 0


class Flow:
    """What `track` has measured: a number for each layer and backward pass, by quantity.

    δ is ∂L/∂z for the pre-activation z = x W + b. In every pass, over all samples, units and uses
    of a layer: `delta`, the rms of δ, and `weight`, that of ∂L/∂W. Both are needed: weight
    gradients can look healthy while δ vanishes (Glorot and Bengio 2010, figure 8). In every
    `every`-th pass, from at most `entries` numbers of a layer: `delta_mean` and `delta_max` (of
    |δ|); `activation_gradient`, the rms of ∂L/∂h for h = φ(z); `activation_mean` and
    `activation_std` of h; `saturated`, the share of z where |φ′(z)| is below 5 % of its greatest
    value; `dead`, the share of units that gave exactly 0 for every sample of the last ten looks;
    `update`, rms ΔW ÷ rms W of the step that follows; `signal_to_noise`, over the batches since
    the last look, rms of the mean of ∂L/∂W ÷ rms of its standard deviation. NaN stands for what
    was not measured; a pass that reached no layer is left out.
    """

    def __init__(self, model: Module, every: int = 10, entries: int = 4096) -> None:
        for what, number in (("every", every), ("entries", entries)):
            if not isinstance(number, int | np.integer) or number < 1:
                raise OperandError(f"{what} must be a whole number from 1 up, not {number!r}")
        self.every, self.entries = int(every), int(entries)
        random = np.random.default_rng(0)
        self._watched = [
            Watched(name, path, leaf, recurrent, some(leaf.size, self.entries, random))
            for name, path, leaf, recurrent in matrices(model)
        ]
        if not self._watched:
            raise ShapeError(
                "this model multiplies by no weights that it holds, so it has no layers to track; "
                "give it a te.nn.Linear, or x @ W with a Value W of its own"
            )
        self.layers = tuple(each.name for each in self._watched)
        self.series: dict[str, dict[str, list[float]]] = {
            quantity: {name: [] for name in self.layers} for quantity in (*ALWAYS, *SOMETIMES)
        }
        self.over_time: dict[str, list[list[float]]] = {
            each.name: [] for each in self._watched if each.recurrent
        }
        self.samples: dict[int, dict[str, dict[str, Array]]] = {}
        self._places = {id(each.weight): each for each in self._watched}
        self._origins: dict[int, Watched] = {}  # serials of z, and of what it becomes before φ
        self._outputs: dict[int, Watched] = {}  # serials of h
        self._looked: dict[str, dict[str, Any]] = {}  # of this forward pass
        self._looks = 0
        self._looking = False
        self._scope = ""
        self._last_serial = 0
        self._begins = True  # the next δ is of another pass than the last
        self._hook: AbstractContextManager[None] | None = None

    @property
    def delta(self) -> dict[str, list[float]]:
        """The rms of δ of each layer, pass by pass."""
        return self.series["delta"]

    @property
    def weight(self) -> dict[str, list[float]]:
        """The rms of ∂L/∂W of each layer, pass by pass."""
        return self.series["weight"]

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
        if self._hook is not None:
            self._hook.__exit__(kind, error, trace)

    # ---- listening ----

    def listen(self, node: Node, gradient: Any) -> None:
        """Take down what a new node, or a finished gradient, says of a layer."""
        if gradient is None:
            if node.requires_grad and node.op is not None:
                self._forward(node, node.op)
            return
        # A sweep goes down in serial numbers: a larger one belongs to another sweep.
        self._begins |= node.serial > self._last_serial
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
            layer = self._outputs[node.serial]
            self._begin()
            self.series["activation_gradient"][layer.name][-1] = rms(gradient)

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
            if self._looking:
                self._origins[node.serial] = layer
                # What the model does has its scope; an activation of the loss is not the layer's.
                self._scope = node.scope.removesuffix(layer.path).removesuffix(".")
        elif (
            self._looking
            and node.scope.startswith(self._scope)
            and (op.name in CARRIES or isinstance(op, Carded))
        ):
            layers = [
                self._origins[item.serial]
                for item in node.inputs
                if isinstance(item, Node) and item.serial in self._origins
            ]
            if not layers or any(each is not layers[0] for each in layers):
                return
            if isinstance(op, Carded):
                self._activation(layers[0], node, op)
            else:
                self._origins[node.serial] = layers[0]

    def _activation(self, layer: Watched, node: Node, op: Any) -> None:
        """Look at h = φ(z)."""
        h, z = node._data, node.inputs[0]._data
        self._outputs[node.serial] = layer
        few = self._few(h)
        looked = self._looked.setdefault(layer.name, {})
        looked["activation_mean"], looked["activation_std"] = (
            float(np.mean(few)),
            float(np.std(few)),
        )
        looked["activations"] = few
        if curve(op):
            looked["saturated"] = flat_share(op, self._few(z))
        if np.ndim(h):
            active = np.any(np.reshape(h, (-1, h.shape[-1])), axis=0)
            looked["active"] = active | looked.get("active", False)

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
            if layer.count > 1:
                mean = layer.first / layer.count
                noise = np.mean(np.maximum(layer.second / layer.count - mean * mean, 0))
                found = rms(mean) / math.sqrt(noise) if noise > 0 else math.inf
                self._put("signal_to_noise", layer, found)
            layer.first, layer.second, layer.count = None, None, 0

    def _begin(self) -> None:
        """Add an entry for each layer and quantity if the pass has none yet."""
        if not self._begins:
            return
        self._begins = False
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
        layer.started = self._entries(layer)
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

    def _note_updates(self) -> None:
        """How far the step after the last look has moved the weights."""
        for layer in self._watched:
            if layer.started is None:
                continue
            before, layer.started = layer.started, None
            size = rms(before)
            moved = rms(self._entries(layer) - before)
            self._put("update", layer, moved / size if size else math.inf if moved else math.nan)

    def _put(self, quantity: str, layer: Watched, number: float) -> None:
        self.series[quantity][layer.name][-1] = number

    def _few(self, array: Any) -> Array:
        """At most `entries` numbers of an array, evenly spread."""
        flat = np.reshape(array, -1)
        return np.array(flat[:: max(1, -(-flat.size // self.entries))])

    def _entries(self, layer: Watched) -> Array:
        return np.array(np.reshape(layer.weight._data, -1)[layer.entries])

    # ---- reading ----

    def __len__(self) -> int:
        """The number of backward passes that reached the model."""
        return len(self.series["delta"][self.layers[0]])

    def __getitem__(self, quantity: str) -> Array:
        """A quantity as an array of shape (passes, layers)."""
        if quantity not in self.series:
            raise UnknownNameError(
                f"no quantity {quantity!r}; there is {closest(quantity, self.series)}"
            )
        return np.array(list(self.series[quantity].values())).reshape(len(self.layers), -1).T

    def ratio(self) -> Array:
        """rms δ of the first layer ÷ that of the last, pass by pass: below 1 it vanishes."""
        delta = self["delta"]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(delta[:, 0] / delta[:, -1])

    def rows(self, steps: Sequence[int]) -> list[list[float]]:
        """Step, rms δ of every layer, rms ∇W of every layer, for the given steps."""
        return [
            [
                step,
                *(self.delta[name][step] for name in self.layers),
                *(self.weight[name][step] for name in self.layers),
            ]
            for step in steps
        ]

    def columns(self) -> list[str]:
        """The headings of `rows`."""
        return [
            "epoch",
            *(f"rms δ {name}" for name in self.layers),
            *(f"rms ∇W {name}" for name in self.layers),
        ]

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write every step as one row; the file is whole or absent."""
        lines = [",".join(self.columns())]
        for step, *numbers in self.rows(range(len(self))):
            lines.append(",".join([str(step), *(f"{number:.9e}" for number in numbers)]))
        write_text(path, "\n".join(lines) + "\n")

    def to_dict(self) -> dict[str, list[Any]]:
        """Tidy columns `step`, `layer`, `quantity` and `value`, as `pandas.DataFrame` takes them.

        What was not measured is left out.
        """
        found: dict[str, list[Any]] = {"step": [], "layer": [], "quantity": [], "value": []}
        for quantity, rows in self.series.items():
            for name, numbers in rows.items():
                for step, number in enumerate(numbers):
                    if not math.isnan(number):
                        for column, entry in zip(
                            found.values(), (step, name, quantity, number), strict=True
                        ):
                            column.append(entry)
        return found


def track(model: Module, every: int = 10, entries: int = 4096) -> Flow:
    """Measure the gradient flow of `model`: `with te.flow.track(model) as flow:`.

    Every backward pass inside of the block is measured, the dearer quantities in every `every`-th,
    from at most `entries` numbers of a layer: see `Flow`. Raises `ShapeError` for a model without
    layers, `OperandError` for numbers below 1.
    """
    return Flow(model, every, entries)


def matrices(model: Module) -> list[tuple[str, str, Value, bool]]:
    """Matrices that make pre-activations: layer, path of its module, leaf; is it a recurrence?"""
    modules: Mapping[str, Module] = dict(model.named_modules())
    found = []
    for path, leaf in model.named_parameters():
        owner, _, attribute = path.rpartition(".")
        recurrent = isinstance(modules.get(owner), RNN)
        if leaf.ndim >= 2 and not (recurrent and attribute == "weight"):
            kind = type(modules.get(owner, model)).__name__.lower()
            named = attribute in ("weight", "recurrent_weight")
            found.append(((owner or kind) if named else path, owner, leaf, recurrent))
    return found


def some(size: int, most: int, random: np.random.Generator) -> Any:
    """Which of so many entries to look at: all, or a sorted draw."""
    if size <= most:
        return slice(None)
    return np.sort(random.choice(size, most, replace=False))


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
