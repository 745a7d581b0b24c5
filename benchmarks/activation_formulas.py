"""Every activation by hand in NumPy, from the textbook, and as PyTorch spells it.

By hand means what a NumPy programmer writes for training: float32 stays float32, powers are
products, what the forward pass has computed is kept for the backward pass. Nobody by hand takes
care of tails: an exp may overflow, a difference may cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from benchmarks.works import Array

ELU_ALPHA = 1.0
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
GELU_LINEAR, GELU_CUBIC = (2 / np.pi) ** 0.5, 0.044715


class Forward(Protocol):
    """Returns the value, and after it what the backward pass will need."""

    def __call__(self, x: Array) -> tuple[Array, ...]: ...


class Backward(Protocol):
    """Takes the incoming gradient and what the forward pass kept; returns the gradient of x."""

    def __call__(self, g: Array, *kept: Array) -> Array: ...


@dataclass(frozen=True)
class ByHand:
    """Both passes of one activation."""

    forward: Forward
    backward: Backward


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def gelu_forward(x: Array) -> tuple[Array, ...]:
    t = np.tanh(GELU_LINEAR * (x + GELU_CUBIC * (x * x * x)))
    return 0.5 * x * (1 + t), x, t


def gelu_backward(g: Array, x: Array, t: Array) -> Array:
    inner_slope = GELU_LINEAR * (1 + 3 * GELU_CUBIC * (x * x))
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner_slope)


def swish_forward(x: Array) -> tuple[Array, ...]:
    s = logistic(x)
    y = x * s
    return y, y, s


def swish_backward(g: Array, y: Array, s: Array) -> Array:
    return g * (s + y * (1 - s))


def mish_forward(x: Array) -> tuple[Array, ...]:
    t = np.tanh(np.log1p(np.exp(x)))
    return x * t, x, t


def mish_backward(g: Array, x: Array, t: Array) -> Array:
    return g * (t + x * (1 - t * t) * logistic(x))


def softplus_forward(x: Array) -> tuple[Array, ...]:
    return np.log1p(np.exp(x)), x


def log_sigmoid_forward(x: Array) -> tuple[Array, ...]:
    return -np.log1p(np.exp(-x)), x


def tanh_forward(x: Array) -> tuple[Array, ...]:
    y = np.tanh(x)
    return y, y


def tanh_shrink_forward(x: Array) -> tuple[Array, ...]:
    t = np.tanh(x)
    return x - t, t


def softsign_forward(x: Array) -> tuple[Array, ...]:
    d = 1 + np.abs(x)
    return x / d, d


def sigmoid_forward(x: Array) -> tuple[Array, ...]:
    y = logistic(x)
    return y, y


def elu_forward(x: Array) -> tuple[Array, ...]:
    y = np.where(x > 0, x, ELU_ALPHA * (np.exp(x) - 1))
    return y, x, y


def elu_backward(g: Array, x: Array, y: Array) -> Array:
    return np.where(x > 0, g, g * (y + ELU_ALPHA))


def selu_forward(x: Array) -> tuple[Array, ...]:
    y = SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * (np.exp(x) - 1))
    return y, x, y


def selu_backward(g: Array, x: Array, y: Array) -> Array:
    return g * np.where(x > 0, np.float32(SELU_SCALE), y + np.float32(SELU_SCALE * SELU_ALPHA))


def leaky(alpha: float) -> ByHand:
    return ByHand(
        lambda x: (np.maximum(x, alpha * x), x), lambda g, x: np.where(x > 0, g, alpha * g)
    )


def clipped(low: float, high: float) -> ByHand:
    return ByHand(lambda x: (np.clip(x, low, high), x), lambda g, x: g * ((x > low) & (x < high)))


def softmax_forward(x: Array) -> tuple[Array, ...]:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    y = e / e.sum(axis=-1, keepdims=True)
    return y, y


def softmax_backward(g: Array, y: Array) -> Array:
    return y * (g - (g * y).sum(axis=-1, keepdims=True))


def log_softmax_forward(x: Array) -> tuple[Array, ...]:
    shifted = x - x.max(axis=-1, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return y, y


def halves(x: Array) -> tuple[Array, Array]:
    middle = x.shape[-1] // 2
    return x[..., :middle], x[..., middle:]


def glu_forward(x: Array) -> tuple[Array, ...]:
    a, b = halves(x)
    s = logistic(b)
    y = a * s
    return y, y, s


def glu_backward(g: Array, y: Array, s: Array) -> Array:
    return np.concatenate([g * s, g * y * (1 - s)], axis=-1)


def swiglu_forward(x: Array) -> tuple[Array, ...]:
    a, b = halves(x)
    s = logistic(a)
    gate = a * s
    return gate * b, b, s, gate


def swiglu_backward(g: Array, b: Array, s: Array, gate: Array) -> Array:
    return np.concatenate([g * b * (s + gate * (1 - s)), g * gate], axis=-1)


GELU = ByHand(gelu_forward, gelu_backward)
SWISH = ByHand(swish_forward, swish_backward)

# `linear` is missing: by hand it is no work at all.
BY_HAND: dict[str, ByHand] = {
    "sigmoid": ByHand(sigmoid_forward, lambda g, y: g * y * (1 - y)),
    "relu": ByHand(lambda x: (np.maximum(x, 0), x), lambda g, x: g * (x > 0)),
    "tanh": ByHand(tanh_forward, lambda g, y: g * (1 - y * y)),
    "leaky_relu": leaky(0.01),
    "softmax": ByHand(softmax_forward, softmax_backward),
    "elu": ByHand(elu_forward, elu_backward),
    "swish": SWISH,
    "hard_sigmoid": ByHand(
        lambda x: (np.clip((x + 1) / 2, 0, 1), x), lambda g, x: 0.5 * g * (np.abs(x) < 1)
    ),
    "gelu": GELU,
    "softplus": ByHand(softplus_forward, lambda g, x: g * logistic(x)),
    "leaky_gelu": GELU,
    "hard_swish": ByHand(
        lambda x: (x * np.clip((x + 3) / 6, 0, 1), x),
        lambda g, x: np.where(x > 3, g, g * (2 * x + 3) / 6 * (x > -3)),
    ),
    "mish": ByHand(mish_forward, mish_backward),
    "arctan": ByHand(lambda x: (np.arctan(x), x), lambda g, x: g / (1 + x * x)),
    "sigmoid_linear": clipped(0, 1),
    "relu6": clipped(0, 6),
    "selu": ByHand(selu_forward, selu_backward),
    "celu": ByHand(elu_forward, elu_backward),
    "prelu": leaky(0.25),
    "silu": SWISH,
    "log_sigmoid": ByHand(log_sigmoid_forward, lambda g, x: g * logistic(-x)),
    "hard_tanh": clipped(-1, 1),
    "hard_shrink": ByHand(lambda x: (x * (np.abs(x) > 0.5), x), lambda g, x: g * (np.abs(x) > 0.5)),
    "soft_shrink": ByHand(
        lambda x: (np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), x),
        lambda g, x: g * (np.abs(x) > 0.5),
    ),
    "tanh_shrink": ByHand(tanh_shrink_forward, lambda g, t: g * (t * t)),
    "softsign": ByHand(softsign_forward, lambda g, d: g / (d * d)),
    "threshold": ByHand(lambda x: (x * (x > 1), x), lambda g, x: g * (x > 1)),
    "log_softmax": ByHand(
        log_softmax_forward, lambda g, y: g - np.exp(y) * g.sum(axis=-1, keepdims=True)
    ),
    "softmin": ByHand(lambda x: softmax_forward(-x), lambda g, y: -softmax_backward(g, y)),
    "glu": ByHand(glu_forward, glu_backward),
    "squared_relu": ByHand(
        lambda x: (np.square(np.maximum(x, 0)), x), lambda g, x: g * (2 * np.maximum(x, 0))
    ),
    "swiglu": ByHand(swiglu_forward, swiglu_backward),
    "sine": ByHand(lambda x: (np.sin(x), x), lambda g, x: g * np.cos(x)),
    # Straight through: the gradient passes as it comes.
    "step": ByHand(lambda x: ((x > 0).astype(x.dtype),), lambda g: g),
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
