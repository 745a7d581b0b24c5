"""The layers a small network needs. Batch first; weights of shape (inputs, outputs)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any, overload

import numpy as np

from .. import activations
from ..engine.context import STATE
from ..engine.effects import random
from ..engine.node import FLOATS, record
from ..engine.value import Operand, Value
from ..errors import (
    ConversionError,
    DtypeError,
    IndexingError,
    OperandError,
    ShapeError,
    UnknownNameError,
)
from ..ops.products import affine, matmul
from .init import Initialiser, drawn
from .module import Module, tree

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
        check_sizes("Linear", dtype, inputs=inputs, outputs=outputs)
        weights = drawn(init, (inputs, outputs), np.random.default_rng(seed), dtype)
        self.weight = Value(weights, name="weight")
        self.bias = Value(np.zeros(outputs, dtype), name="bias") if bias else None

    def forward(self, x: Operand) -> Value:
        """The pre-activation, of shape (..., outputs). Raises `ShapeError` for other widths."""
        try:
            if self.bias is None:
                return record(matmul, (x, self.weight))  # type: ignore[no-any-return]
            return record(affine, (x, self.weight, self.bias))  # type: ignore[no-any-return]
        except ShapeError:
            # Asked before, it would make every call slower.
            inputs, shape = self.weight.shape[-2], np.shape(x)
            if shape[-1:] == (inputs,):
                raise
            place = STATE.get().scope
            where = f", in {place}" if "." in place else ""
            raise ShapeError(
                f"{self!r} takes x of shape (..., {inputs}), not {shape}{where}"
                + as_rows(shape, inputs)
            ) from None

    def __repr__(self) -> str:
        inputs, outputs = self.weight.shape[-2:]
        return f"Linear({inputs}, {outputs}{'' if self.bias is not None else ', bias=False'})"


class Sequential(Module):
    """Layers and functions applied one after the other; a name stands for an activation.

    `model[0]` is the first layer, `model[:2]` a Sequential of the first two. Raises
    `UnknownNameError` for an activation that does not exist.
    """

    def __init__(self, *layers: Module | Function | str) -> None:
        self.layers = [
            activations.named(layer) if isinstance(layer, str) else layer for layer in layers
        ]
        for layer in self.layers:
            refuse_class("Sequential", layer)
            if not callable(layer):
                raise OperandError(
                    f"Sequential takes layers and functions one by one, not {layer!r}; for a list "
                    "write Sequential(*layers)"
                )

    def forward(self, x: Any) -> Any:
        """The last layer's result."""
        for layer in self.layers:
            try:
                x = layer(x)
            except ConversionError as error:
                if not isinstance(x, tuple):
                    raise
                raise OperandError(
                    f"{label(layer)} is given {len(x)} results of the layer before it; put a "
                    "function between them that takes one, as lambda both: both[0] behind an RNN"
                ) from error
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Sequential: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Sequential(*self.layers[index])
        try:
            return self.layers[index]
        except IndexError:
            raise IndexingError(
                f"this Sequential has {len(self)} layers and no layer {index}"
            ) from None

    def __repr__(self) -> str:
        return tree("Sequential", [(str(i), label(layer)) for i, layer in enumerate(self)])


class Residual(Module):
    """x + inner(x): what is inside learns only the difference, and gradients pass by it.

    Raises `ShapeError` where `inner` changes the shape. Source: He et al. 2016, equation 1.
    """

    def __init__(self, inner: Module | Function) -> None:
        refuse_class("Residual", inner)
        self.inner = inner

    def forward(self, x: Any) -> Any:
        """x + inner(x), of x's shape."""
        change = self.inner(x)
        if np.shape(change) != np.shape(x):
            raise ShapeError(
                f"Residual adds its input, of shape {np.shape(x)}, to what its inner layer makes "
                f"of it, of shape {np.shape(change)}; let the last layer inside give "
                f"{np.shape(x)[-1] if np.ndim(x) else 1} outputs"
            )
        return x + change

    def __repr__(self) -> str:
        return f"Residual({label(self.inner)})"


class Dropout(Module):
    """While learning, each entry is 0 with probability `rate`, else divided by 1 − rate.

    So the mean stays; in use (`model.eval()`) nothing is changed. `rate` in [0, 1). `seed` is a
    number or a `np.random.Generator`, which is drawn from at each call. Raises `OperandError` for
    another rate. Source: Srivastava et al. 2014, section 10, for scaling at training time.
    """

    def __init__(self, rate: float = 0.5, *, seed: int | np.random.Generator = 0) -> None:
        if not isinstance(rate, Real) or not 0 <= rate < 1:
            raise OperandError(
                f"Dropout's rate is the share that is set to 0, in [0, 1), not {rate!r}"
            )
        self.rate: float = float(rate)
        self.generator: np.random.Generator = np.random.default_rng(seed)

    def forward(self, x: Any) -> Any:
        """x with its mask, a constant; of x's shape."""
        if not self.training or not self.rate:
            return x
        kept = random(self.generator, np.shape(x)) >= self.rate
        return x * (kept / (1 - self.rate)).astype(dtype_of(x))

    def __repr__(self) -> str:
        return f"Dropout({self.rate:g})"


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
        generator = np.random.default_rng(seed)
        hidden = between(activation, "MLP")
        if init is None:
            init = getattr(hidden, "initialiser", "xavier_normal")
        self.layers = [
            Linear(inputs, outputs, init=init, seed=generator, dtype=dtype)
            for inputs, outputs in pairwise(widths)
        ]
        self.activation = hidden
        self.output = activations.named(output) if isinstance(output, str) else output
        refuse_class("MLP", self.output)

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


def check_sizes(layer: str, dtype: Any, **counts: Any) -> None:
    """Refuse widths that are no positive whole numbers, and dtypes that have no derivative."""
    for what, count in counts.items():
        if not isinstance(count, int | np.integer) or count < 1:
            raise ShapeError(f"{layer} needs a positive whole number of {what}, not {count!r}")
    if np.dtype(dtype) not in FLOATS:
        raise DtypeError(f"{layer}'s dtype is np.float64 or np.float32, not {np.dtype(dtype)}")


def between(activation: Any, layer: str) -> Any:
    """The function that stands between the layers or steps of `layer`, by name or itself."""
    if activation is None:
        raise UnknownNameError(f'{layer} needs an activation; for none write "linear"')
    function = activations.named(activation) if isinstance(activation, str) else activation
    refuse_class(layer, function)
    if not getattr(function, "keeps_width", True):
        raise ShapeError(
            f"{label(function)} gives half as many outputs as it is given, so it cannot stand "
            f"inside of {layer}; build it with te.nn.Linear and te.nn.Sequential"
        )
    return function


def refuse_class(layer: str, part: Any) -> None:
    """Refuse a class of layers where a layer belongs."""
    if isinstance(part, type) and issubclass(part, Module):
        raise OperandError(
            f"{layer} takes layers, and {part.__name__} is a class of them; make one, with "
            f"parentheses: {part.__name__}(...)"
        )


def as_rows(shape: tuple[int, ...], inputs: int) -> str:
    """What makes rows of `inputs` numbers out of that shape, in words; nothing if nothing does."""
    if len(shape) > 2 and math.prod(shape[1:]) == inputs:
        return "; write x.reshape(len(x), -1)"
    if len(shape) == 2 and shape[0] == inputs:
        return "; rows are the examples: write x.T"
    if len(shape) == 1 and inputs == 1:
        return "; write x.reshape(-1, 1)"
    return ""


def dtype_of(x: Any) -> Any:
    """The floats to compute with beside x."""
    dtype = x.dtype if isinstance(x, Value | np.ndarray | np.generic) else None
    return dtype if dtype in FLOATS else np.float64


def label(function: Any) -> str:
    """A layer as it shows itself, a function by its name."""
    if isinstance(function, Module):
        return repr(function)
    return repr(getattr(function, "name", getattr(function, "__name__", function)))
