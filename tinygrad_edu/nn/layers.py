"""The layers a small network needs. Batch first; weights of shape (inputs, outputs)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .. import activations
from ..engine.node import FLOATS, record
from ..engine.value import Operand, Value
from ..errors import DtypeError, ShapeError, UnknownNameError
from ..ops.products import affine, matmul
from . import init as initialisers
from .init import Initialiser
from .module import Module

Function = Callable[[Any], Any]


class Linear(Module):
    """x @ weight + bias, for x of shape (..., inputs): the pre-activation of a layer.

    `init` is a name from `te.nn.init` or a function of (shape, generator); `seed` a number or a
    `np.random.Generator`. The bias starts at zero.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        init: str | Initialiser = "xavier_normal",
        seed: int | np.random.Generator = 0,
        bias: bool = True,
        dtype: Any = np.float64,
    ) -> None:
        for what, count in (("inputs", inputs), ("outputs", outputs)):
            if not isinstance(count, int | np.integer) or count < 1:
                raise ShapeError(f"Linear needs a positive whole number of {what}, not {count!r}")
        if np.dtype(dtype) not in FLOATS:
            raise DtypeError(f"Linear's dtype is np.float64 or np.float32, not {np.dtype(dtype)}")
        draw = initialisers.named(init) if isinstance(init, str) else init
        weights = draw((inputs, outputs), np.random.default_rng(seed))
        if np.shape(weights) != (inputs, outputs):
            raise ShapeError(
                f"the initialiser gave weights of shape {np.shape(weights)}; it must give "
                f"{(inputs, outputs)}, the shape it is called with"
            )
        self.weight = Value(np.asarray(weights, dtype), name="weight")
        self.bias = Value(np.zeros(outputs, dtype), name="bias") if bias else None

    def forward(self, x: Operand) -> Value:
        """The pre-activation, of shape (..., outputs)."""
        if self.bias is None:
            return record(matmul, (x, self.weight))  # type: ignore[no-any-return]
        return record(affine, (x, self.weight, self.bias))  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        inputs, outputs = self.weight.shape[-2:]
        return f"Linear({inputs}, {outputs}{'' if self.bias is not None else ', bias=False'})"


class Sequential(Module):
    """Layers and functions applied one after the other."""

    def __init__(self, *layers: Module | Function) -> None:
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """The last layer's result."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(label, self.layers))})"


class MLP(Module):
    """Linear layers of the given widths with an activation between them.

    `MLP([2, 8, 1], activation="tanh", output="sigmoid")` has one hidden layer of 8; `output` is
    the activation of the last layer, None for none. `init` defaults to what the
    activation's card advises, Xavier for a function without a card. Parameters are
    `layers.0.weight`, `layers.0.bias`, ... Raises `UnknownNameError` for an activation or
    initialiser that does not exist, `ShapeError` for one that halves its layer's width.
    """

    def __init__(
        self,
        widths: Sequence[int],
        activation: str | Function = "relu",
        output: str | Function | None = None,
        *,
        init: str | Initialiser | None = None,
        seed: int | np.random.Generator = 0,
        dtype: Any = np.float64,
    ) -> None:
        if not isinstance(widths, Sequence) or len(widths) < 2:
            raise ShapeError(
                f"MLP needs a list of at least two widths, as [2, 8, 1], not {widths!r}"
            )
        if activation is None:
            raise UnknownNameError(
                'MLP needs an activation between layers; for none write "linear"'
            )
        generator = np.random.default_rng(seed)
        hidden = activations.named(activation) if isinstance(activation, str) else activation
        if not getattr(hidden, "keeps_width", True):
            raise ShapeError(
                f"{label(hidden)} gives half as many outputs as it is given, so it cannot stand "
                "between these layers; build it with te.nn.Linear and te.nn.Sequential"
            )
        if init is None:
            init = getattr(hidden, "initialiser", "xavier_normal")
        self.layers = [
            Linear(inputs, outputs, init=init, seed=generator, dtype=dtype)
            for inputs, outputs in pairwise(widths)
        ]
        self.activation = hidden
        self.output = activations.named(output) if isinstance(output, str) else output

    def forward(self, x: Operand) -> Value:
        """The network's answer to x of shape (..., inputs)."""
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        z: Value = last(x)
        return z if self.output is None else self.output(z)

    def __repr__(self) -> str:
        widths = [layer.weight.shape[-2] for layer in self.layers]
        widths.append(self.layers[-1].weight.shape[-1])
        return f"MLP({widths}, activation={label(self.activation)}, output={label(self.output)})"


def side_by_side(networks: Sequence[MLP]) -> MLP:
    """Networks of one shape as one, each parameter with one more axis in front.

    Where the losses only add up, every network gets exactly its own gradient.
    """
    together = networks[0]
    for layer, *others in zip(*(network.layers for network in networks), strict=True):
        same = [layer, *others]
        layer.weight = Value(np.stack([each.weight.data for each in same]), name="weight")
        layer.bias = Value(np.stack([each.bias.data[None] for each in same]), name="bias")
    return together


def label(function: Any) -> str:
    """A layer as it shows itself, a function by its name."""
    if isinstance(function, Module):
        return repr(function)
    return repr(getattr(function, "name", getattr(function, "__name__", function)))
