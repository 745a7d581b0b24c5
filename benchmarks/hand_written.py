"""The same steps as a NumPy programmer writes them: textbook derivatives, in place where it helps.

Each function takes the parameters (weight, bias, weight, bias, ...) and a batch, and returns the
loss and the gradients in the parameters' order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.works import Array, Work

LossAndGradients = tuple["np.floating[Any]", list[Array]]


def xor_gradients(parameters: Sequence[Array], x: Array, target: Array) -> LossAndGradients:
    """Inputs - tanh - sigmoid, mean squared error."""
    w1, b1, w2, b2 = parameters
    hidden = np.tanh(x @ w1 + b1)
    output = 1 / (1 + np.exp(-(hidden @ w2 + b2)))
    error = output - target
    loss = (error * error).mean()

    delta2 = error * output
    delta2 *= 1 - output
    delta2 *= 2 / error.size
    delta1 = delta2 @ w2.T
    delta1 *= 1 - hidden * hidden
    return loss, [x.T @ delta1, delta1.sum(axis=0), hidden.T @ delta2, delta2.sum(axis=0)]


def tanh_gradients(parameters: Sequence[Array], x: Array, target: Array) -> LossAndGradients:
    """Any number of tanh layers, the last one too, mean squared error."""
    weights, biases = parameters[0::2], parameters[1::2]
    activations = [x]
    for weight, bias in zip(weights, biases, strict=True):
        x = x @ weight
        x += bias
        np.tanh(x, out=x)
        activations.append(x)
    delta = x - target
    loss = (delta * delta).mean()

    delta *= 2 / delta.size
    gradients: list[Array] = []
    for i in reversed(range(len(weights))):
        slope = activations[i + 1] * activations[i + 1]
        np.subtract(1, slope, out=slope)
        delta *= slope
        gradients += [delta.sum(axis=0), activations[i].T @ delta]
        if i:
            delta = delta @ weights[i].T
    gradients.reverse()
    return loss, gradients


def relu_gradients(parameters: Sequence[Array], x: Array, target: Array) -> LossAndGradients:
    """Inputs - relu - relu - linear, mean squared error."""
    w1, b1, w2, b2, w3, b3 = parameters
    hidden1 = x @ w1
    hidden1 += b1
    np.maximum(hidden1, 0, out=hidden1)
    hidden2 = hidden1 @ w2
    hidden2 += b2
    np.maximum(hidden2, 0, out=hidden2)
    delta3 = hidden2 @ w3
    delta3 += b3
    delta3 -= target
    loss = (delta3 * delta3).mean()

    delta3 *= 2 / delta3.size
    delta2 = delta3 @ w3.T
    delta2 *= hidden2 > 0
    delta1 = delta2 @ w2.T
    delta1 *= hidden1 > 0
    return loss, [
        x.T @ delta1,
        delta1.sum(axis=0),
        hidden1.T @ delta2,
        delta2.sum(axis=0),
        hidden2.T @ delta3,
        delta3.sum(axis=0),
    ]


GRADIENTS: dict[str, Callable[[Sequence[Array], Array, Array], LossAndGradients]] = {
    "xor": xor_gradients,
    "deep": tanh_gradients,
    "small": relu_gradients,
    "wide": relu_gradients,
}


class HandWritten:
    """A network as bare arrays, trained by the functions above."""

    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        self._parameters = [parameter.copy() for parameter in parameters]
        self._loss_and_gradients = GRADIENTS[work.name]
        self._learning_rate = work.learning_rate

    def prepare(self, array: Array) -> Array:
        return array

    def step(self, x: Array, target: Array) -> np.floating[Any]:
        loss, gradients = self._loss_and_gradients(self._parameters, x, target)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            gradient *= self._learning_rate
            parameter -= gradient
        return loss

    def parameters(self) -> list[Array]:
        return self._parameters
