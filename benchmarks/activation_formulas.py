"""Every activation by hand in NumPy, from the textbook, and as PyTorch spells it.

By hand means what a NumPy programmer writes: float32 stays float32, powers are products, and the
derivative is written through the output where the textbook does so. Both passes know the input,
the backward pass the output too: what our rules know. Nobody by hand takes care of the tails: an
exp may overflow, a difference may cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.works import Array

ELU_ALPHA = 1.0
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
GELU_LINEAR, GELU_CUBIC = (2 / np.pi) ** 0.5, 0.044715


@dataclass(frozen=True)
class ByHand:
    """The value of x, and the gradient of x for the incoming gradient g, x and the value y."""

    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array, Array], Array]


def logistic(x: Array) -> Any:
    return 1 / (1 + np.exp(-x))


def gelu_gate(x: Array) -> Any:
    return np.tanh(GELU_LINEAR * (x + GELU_CUBIC * (x * x * x)))


def gelu_gradient(g: Array, x: Array, y: Array) -> Any:
    t = gelu_gate(x)
    steepness = GELU_LINEAR * (1 + 3 * GELU_CUBIC * (x * x))
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * steepness)


def swish_gradient(g: Array, x: Array, y: Array) -> Any:
    s = logistic(x)
    return g * (s + y * (1 - s))


def mish_gradient(g: Array, x: Array, y: Array) -> Any:
    t = np.tanh(np.log1p(np.exp(x)))
    return g * (t + x * (1 - t * t) * logistic(x))


def softsign_gradient(g: Array, x: Array, y: Array) -> Any:
    d = 1 + np.abs(x)
    return g / (d * d)


def tanh_shrink_gradient(g: Array, x: Array, y: Array) -> Any:
    t = x - y
    return g * (t * t)


def leaky(alpha: float) -> ByHand:
    return ByHand(lambda x: np.maximum(x, alpha * x), lambda g, x, y: np.where(x > 0, g, alpha * g))


def clipped(low: float, high: float) -> ByHand:
    return ByHand(lambda x: np.clip(x, low, high), lambda g, x, y: g * ((x > low) & (x < high)))


def shifted(x: Array) -> Any:
    return x - x.max(axis=-1, keepdims=True)


def softmax(x: Array) -> Any:
    e = np.exp(shifted(x))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_gradient(g: Array, x: Array, y: Array) -> Any:
    return y * (g - (g * y).sum(axis=-1, keepdims=True))


def log_softmax(x: Array) -> Any:
    z = shifted(x)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def halves(x: Array) -> tuple[Array, Array]:
    middle = x.shape[-1] // 2
    return x[..., :middle], x[..., middle:]


def glu(x: Array) -> Any:
    a, b = halves(x)
    return a * logistic(b)


def glu_gradient(g: Array, x: Array, y: Array) -> Any:
    s = logistic(halves(x)[1])
    return np.concatenate([g * s, g * y * (1 - s)], axis=-1)


def swiglu(x: Array) -> Any:
    a, b = halves(x)
    return a * logistic(a) * b


def swiglu_gradient(g: Array, x: Array, y: Array) -> Any:
    a, b = halves(x)
    s = logistic(a)
    gate = a * s
    return np.concatenate([g * b * (s + gate * (1 - s)), g * gate], axis=-1)


GELU = ByHand(lambda x: 0.5 * x * (1 + gelu_gate(x)), gelu_gradient)
SWISH = ByHand(lambda x: x * logistic(x), swish_gradient)
ELU = ByHand(
    lambda x: np.where(x > 0, x, ELU_ALPHA * (np.exp(x) - 1)),
    lambda g, x, y: np.where(x > 0, g, g * (y + ELU_ALPHA)),
)

# `linear` is missing: by hand it is no work at all.
BY_HAND: dict[str, ByHand] = {
    "sigmoid": ByHand(logistic, lambda g, x, y: g * y * (1 - y)),
    "relu": ByHand(lambda x: np.maximum(x, 0), lambda g, x, y: g * (x > 0)),
    "tanh": ByHand(np.tanh, lambda g, x, y: g * (1 - y * y)),
    "leaky_relu": leaky(0.01),
    "softmax": ByHand(softmax, softmax_gradient),
    "elu": ELU,
    "swish": SWISH,
    "hard_sigmoid": ByHand(
        lambda x: np.clip((x + 1) / 2, 0, 1), lambda g, x, y: 0.5 * g * (np.abs(x) < 1)
    ),
    "gelu": GELU,
    "softplus": ByHand(lambda x: np.log1p(np.exp(x)), lambda g, x, y: g * logistic(x)),
    "leaky_gelu": GELU,
    "hard_swish": ByHand(
        lambda x: x * np.clip((x + 3) / 6, 0, 1),
        lambda g, x, y: np.where(x > 3, g, g * (2 * x + 3) / 6 * (x > -3)),
    ),
    "mish": ByHand(lambda x: x * np.tanh(np.log1p(np.exp(x))), mish_gradient),
    "arctan": ByHand(np.arctan, lambda g, x, y: g / (1 + x * x)),
    "sigmoid_linear": clipped(0, 1),
    "relu6": clipped(0, 6),
    "selu": ByHand(
        lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * (np.exp(x) - 1)),
        lambda g, x, y: g * np.where(x > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA),
    ),
    "celu": ELU,
    "prelu": leaky(0.25),
    "silu": SWISH,
    "log_sigmoid": ByHand(lambda x: -np.log1p(np.exp(-x)), lambda g, x, y: g * logistic(-x)),
    "hard_tanh": clipped(-1, 1),
    "hard_shrink": ByHand(lambda x: x * (np.abs(x) > 0.5), lambda g, x, y: g * (np.abs(x) > 0.5)),
    "soft_shrink": ByHand(
        lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
        lambda g, x, y: g * (np.abs(x) > 0.5),
    ),
    "tanh_shrink": ByHand(lambda x: x - np.tanh(x), tanh_shrink_gradient),
    "softsign": ByHand(lambda x: x / (1 + np.abs(x)), softsign_gradient),
    "threshold": ByHand(lambda x: x * (x > 1), lambda g, x, y: g * (x > 1)),
    "log_softmax": ByHand(
        log_softmax, lambda g, x, y: g - np.exp(y) * g.sum(axis=-1, keepdims=True)
    ),
    "softmin": ByHand(lambda x: softmax(-x), lambda g, x, y: -softmax_gradient(g, x, y)),
    "glu": ByHand(glu, glu_gradient),
    "squared_relu": ByHand(
        lambda x: np.square(np.maximum(x, 0)), lambda g, x, y: g * (2 * np.maximum(x, 0))
    ),
    "swiglu": ByHand(swiglu, swiglu_gradient),
    "sine": ByHand(np.sin, lambda g, x, y: g * np.cos(x)),
    # Straight through: the gradient passes as it comes.
    "step": ByHand(lambda x: (x > 0).astype(x.dtype), lambda g, x, y: g),
}


def in_torch() -> dict[str, Callable[[Any], Any]]:
    """The same in PyTorch: its own function where it has one."""
    torch = import_module("torch")
    functional = import_module("torch.nn.functional")
    slope, zero = torch.tensor([0.25]), torch.tensor(0.0)

    def gelu(x: Any) -> Any:
        return functional.gelu(x, approximate="tanh")

    def swiglu(x: Any) -> Any:
        gate, value = x.chunk(2, -1)
        return functional.silu(gate) * value

    return {
        "sigmoid": torch.sigmoid,
        "relu": torch.relu,
        "tanh": torch.tanh,
        "leaky_relu": functional.leaky_relu,
        "softmax": lambda x: functional.softmax(x, -1),
        "elu": functional.elu,
        "swish": functional.silu,
        "hard_sigmoid": lambda x: torch.clamp((x + 1) / 2, 0, 1),
        "gelu": gelu,
        "softplus": functional.softplus,
        "leaky_gelu": gelu,
        "hard_swish": functional.hardswish,
        "mish": functional.mish,
        "arctan": torch.atan,
        "sigmoid_linear": lambda x: torch.clamp(x, 0, 1),
        "relu6": functional.relu6,
        "selu": functional.selu,
        "celu": functional.celu,
        "prelu": lambda x: functional.prelu(x, slope),
        "silu": functional.silu,
        "log_sigmoid": functional.logsigmoid,
        "hard_tanh": functional.hardtanh,
        "hard_shrink": functional.hardshrink,
        "soft_shrink": functional.softshrink,
        "tanh_shrink": functional.tanhshrink,
        "softsign": functional.softsign,
        "threshold": lambda x: functional.threshold(x, 1, 0),
        "log_softmax": lambda x: functional.log_softmax(x, -1),
        "softmin": lambda x: functional.softmin(x, -1),
        "glu": functional.glu,
        "squared_relu": lambda x: torch.square(torch.relu(x)),
        "swiglu": swiglu,
        "sine": torch.sin,
        # The value of the step, the gradient of x.
        "step": lambda x: torch.heaviside(x.detach(), zero) + (x - x.detach()),
    }
