"""Layers that give their inputs mean 0 and variance 1, then a scale and a shift of their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine.effects import assign
from ..engine.node import numbers_of
from ..engine.value import Operand, Value
from ..errors import OperandError, ShapeError
from .layers import check_sizes
from .module import Module


class Normalisation(Module):
    """What batch and layer normalisation share: a scale `weight` and a shift `bias` per feature."""

    def __init__(self, features: int, epsilon: float, dtype: Any) -> None:
        check_sizes(type(self).__name__, dtype, features=features)
        if not 0 < epsilon < math.inf:
            raise OperandError(f"epsilon must be a positive number, not {epsilon!r}")
        self.features, self.epsilon = features, float(epsilon)
        self.weight = Value(np.ones(features, dtype), name="weight")
        self.bias = Value(np.zeros(features, dtype), name="bias")

    def checked(self, x: Operand) -> Value:
        """x as a Value. Raises `ShapeError` where its last axis is not that of the features."""
        if np.shape(x)[-1:] != (self.features,):
            raise ShapeError(
                f"{self!r} takes x of shape (..., {self.features}), features last, not "
                f"{np.shape(x)}"
            )
        return x if isinstance(x, Value) else Value(x, requires_grad=False)

    def normalised(self, x: Value, mean: Any, variance: Any) -> Value:
        """(x − mean)/√(variance + ε) · weight + bias."""
        standard: Value = (x - mean) / np.sqrt(variance + self.epsilon)
        return standard * self.weight + self.bias

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.features})"


class BatchNorm(Normalisation):
    """Each feature less its mean over all rows, divided by its standard deviation over them.

    x has shape (..., features). While learning, mean and variance are the batch's, of at least two
    rows, and the buffers move towards them: running ← (1 − momentum) running + momentum batch's,
    with the variance of a sample, Σ(x − mean)²/(n − 1). In use (`model.eval()`) the buffers take
    their place, and rows do not depend on one another. Raises `ShapeError` for another number of
    features, and for one row while learning. Source: Ioffe and Szegedy 2015, algorithms 1 and 2.
    """

    def __init__(
        self,
        features: int,
        *,
        momentum: float = 0.1,
        epsilon: float = 1e-5,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__(features, epsilon, dtype)
        if not 0 <= momentum <= 1:
            raise OperandError(
                "momentum is the share of the newest batch in the running statistics, in [0, 1], "
                f"not {momentum!r}"
            )
        self.momentum = float(momentum)
        for name, start in (("running_mean", np.zeros), ("running_var", np.ones)):
            setattr(self, name, Value(start(features, dtype), name=name, requires_grad=False))

    running_mean: Value
    running_var: Value

    def forward(self, x: Operand) -> Value:
        """The normalised features, of x's shape."""
        x = self.checked(x)
        if not self.training:
            return self.normalised(x, self.running_mean, self.running_var)
        rows, axes = math.prod(x.shape[:-1]), tuple(range(x.ndim - 1))
        if rows < 2:
            raise ShapeError(
                f"{self!r} needs two rows or more to learn from, and x has shape {x.shape}. If "
                "it is the last batch of an epoch, what remained of the rows: choose a batch size "
                "with rows % batch size != 1. If this is no training, call model.eval()"
            )
        mean, variance = np.mean(x, axis=axes), np.var(x, axis=axes)
        for running, newest in (
            (self.running_mean, numbers_of(mean)),
            (self.running_var, numbers_of(variance) * (rows / (rows - 1))),
        ):
            before = numbers_of(running)
            assign(running, (1 - self.momentum) * before + self.momentum * newest)
        return self.normalised(x, mean, variance)


class LayerNorm(Normalisation):
    """Each row less its mean over the features, divided by its standard deviation over them.

    x has shape (..., features), and no row depends on another. Raises `ShapeError` for another
    number of features. Source: Ba, Kiros and Hinton 2016, equation 3, per row.
    """

    def __init__(self, features: int, *, epsilon: float = 1e-5, dtype: Any = np.float64) -> None:
        super().__init__(features, epsilon, dtype)

    def forward(self, x: Operand) -> Value:
        """The normalised rows, of x's shape."""
        x = self.checked(x)
        mean, variance = (f(x, axis=-1, keepdims=True) for f in (np.mean, np.var))
        return self.normalised(x, mean, variance)
