"""A layer as a function of its inputs and its parameters, so that the verifier can judge it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_edu as te


def as_function(layer: te.nn.Module, *inputs: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """f(*inputs, *parameters) and the point where the layer stands.

    f is a weighted sum of all entries of the layer's result (of the first of several).
    Generators start anew at each call, so that it is one function.
    """
    places = [
        (module, name, part.data)
        for _, module in layer.named_modules()
        for name, part in vars(module).items()
        if isinstance(part, te.Value) and part.requires_grad
    ]
    assert len(places) == len(layer.parameters())
    starts = [(each, each.bit_generator.state) for _, each in layer.named_generators()]

    def f(*given: Any) -> Any:
        given = tuple(te.Value(v, requires_grad=False) if is_array(v) else v for v in given)
        for (module, name, _), value in zip(places, given[len(inputs) :], strict=True):
            vars(module)[name] = value
        for generator, state in starts:
            generator.bit_generator.state = state
        out = layer(*given[: len(inputs)])
        out = out[0] if isinstance(out, tuple) else out
        return np.sum(out * np.random.default_rng(0).uniform(0.5, 1.5, out.shape))

    return f, (*inputs, *(data for _, _, data in places))


def is_array(given: Any) -> bool:
    return isinstance(given, np.ndarray | np.generic)


def assert_gradients(layer: te.nn.Module, *inputs: Any) -> None:
    """Every derivative by inputs and parameters is proven right, of first and second order."""
    f, point = as_function(layer, *inputs)
    te.check.assert_gradients(f, *point, strict=True)
    te.check.assert_gradients(f, *point, order=2, strict=True)


def shaken(layer: Any, seed: int = 0) -> Any:
    """The layer with other numbers than zeros and ones in its parameters and buffers."""
    rng = np.random.default_rng(seed)
    for _, leaf in layer.named_leaves():
        leaf.data = rng.uniform(0.5, 1.5, leaf.shape)
    return layer
