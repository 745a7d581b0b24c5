"""Penalties on the size of parameters, to be added to a loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...engine.value import Value
from ...errors import OperandError, ShapeError
from ..module import Module

Penalised = Module | Value | Iterable[Value]
Select = Callable[[str], bool]


def l1(parameters: Penalised, select: Select | None = None) -> Value:
    """Σ |w| over all entries of the weights of a model: it draws small ones to exactly 0.

    Of a Module the weights are the parameters with two axes or more, as biases and the scales of
    normalisations are left alone; `select` chooses others by their path, as in
    `l1(model, lambda name: name.endswith("bias"))`. All of a list of Values are taken. The gradient
    of an entry is its sign, 0 at 0. Raises `ShapeError` where there is nothing to penalise.
    Source: Tibshirani 1996, Regression Shrinkage and Selection via the Lasso.
    """
    return summed(np.abs, chosen(parameters, select))


def l2(parameters: Penalised, select: Select | None = None) -> Value:
    """Σ w² over all entries of the weights of a model: it keeps them small.

    What is chosen, and errors, are those of `l1`. The gradient is 2 w: an optimiser's
    `weight_decay=λ` is λ / 2 times this penalty.
    Source: Hoerl and Kennard 1970, Ridge Regression.
    """
    return summed(np.square, chosen(parameters, select))


def summed(size: Callable[[Any], Any], parameters: list[Any]) -> Value:
    """Σ size(w) over all entries of all parameters."""
    first, *others = (np.sum(size(parameter)) for parameter in parameters)
    total: Value = sum(others, first)
    return total


def chosen(parameters: Penalised, select: Select | None) -> list[Any]:
    """The parameters to penalise. Raises `ShapeError`, `OperandError`."""
    if isinstance(parameters, Module):
        named = dict(parameters.named_parameters())
        found = [
            leaf
            for path, leaf in named.items()
            if (leaf.ndim >= 2 if select is None else select(path))
        ]
        if not found:
            raise ShapeError(
                "there is nothing to penalise: "
                + ("no parameter has two axes" if select is None else "select chooses no parameter")
                + f" of {', '.join(named) or 'none'}"
            )
        return found
    if select is not None:
        raise OperandError("select chooses a Module's parameters by name; these are chosen already")
    listed = [parameters] if isinstance(parameters, Value) else list(parameters)
    if not listed:
        raise ShapeError("there is nothing to penalise: the list of parameters is empty")
    for each in listed:
        if not isinstance(each, Value):
            raise OperandError(
                "penalties are of a Module, a Value or a list of Values, as model.parameters(), "
                f"not of {each!r}"
            )
    return listed
