"""Gradient flow, measured: how strong the gradient is at each layer while a model learns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from os import PathLike
from types import TracebackType
from typing import Any

import numpy as np

from .engine.context import observe
from .engine.node import Node
from .errors import ShapeError
from .files import write_text
from .nn.layers import Linear
from .nn.module import Module
from .ops.products import affine, matmul


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


class Flow:
    """Root mean squares per layer, one entry for each backward pass inside the `with` block.

    `delta[name]` is that of δ = ∂L/∂(pre-activation), taken over all samples and units of the
    layer, and over all its uses in a pass; `weight[name]` that of ∂L/∂W. Both are needed: weight
    gradients can look healthy while δ vanishes (Glorot and Bengio 2010, figure 8). NaN stands for
    a layer that a pass did not reach; a pass that reached none is left out.
    """

    def __init__(self, model: Module) -> None:
        layers = {
            name or "linear": part
            for name, part in model.named_modules()
            if isinstance(part, Linear)
        }
        if not layers:
            raise ShapeError("this model has no Linear layer to track")
        self.layers = tuple(layers)
        self.delta: dict[str, list[float]] = {name: [] for name in layers}
        self.weight: dict[str, list[float]] = {name: [] for name in layers}
        self._weights = [(layer, name) for name, layer in layers.items()]
        self._sizes: dict[str, int] = {}
        self._last_serial = 0
        self._begins = True
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
        if self._hook is not None:
            self._hook.__exit__(kind, error, trace)

    def listen(self, node: Node, gradient: Any) -> None:
        """Take down the gradient of a pre-activation or of a weight."""
        if gradient is None:
            return
        # A sweep goes down in serial numbers: a larger one belongs to another sweep.
        self._begins |= node.serial > self._last_serial
        self._last_serial = node.serial
        if node.op is affine or node.op is matmul:
            for layer, name in self._weights:
                if node.inputs[1] is layer.weight:
                    self._begin()
                    before, size = self._sizes.get(name, 0), np.size(gradient)
                    self._sizes[name] = total = max(before + size, 1)
                    earlier = self.delta[name][-1] * math.sqrt(before / total) if before else 0.0
                    self.delta[name][-1] = math.hypot(
                        earlier, rms(gradient) * math.sqrt(size / total)
                    )
        elif node.op is None:
            for layer, name in self._weights:
                if node is layer.weight:
                    self._begin()
                    self.weight[name][-1] = rms(gradient)

    def _begin(self) -> None:
        """Add an entry for each layer if the pass has none yet."""
        if self._begins:
            for rows in (*self.delta.values(), *self.weight.values()):
                rows.append(math.nan)
            self._sizes.clear()
            self._begins = False

    def __len__(self) -> int:
        """The number of backward passes that reached the model."""
        return len(self.delta[self.layers[0]])

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

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write every step as one row; the file is whole or absent."""
        lines = [",".join(self.columns())]
        for step, *numbers in self.rows(range(len(self))):
            lines.append(",".join([str(step), *(f"{number:.9e}" for number in numbers)]))
        write_text(path, "\n".join(lines) + "\n")


def track(model: Module) -> Flow:
    """Measure the gradient at each layer of `model`: `with te.flow.track(model) as flow:`.

    Raises `ShapeError` for a model without a Linear layer.
    """
    return Flow(model)
