"""The activation functions: the sixteen of the seed articles, and those PyTorch has beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from ..errors import UnknownNameError, closest
from ..spellings import refuse_name
from .axis import glu, log_softmax, softmax, softmin, swiglu
from .piecewise import (
    celu,
    elu,
    hard_shrink,
    hard_sigmoid,
    hard_swish,
    hard_tanh,
    leaky_relu,
    linear,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid_linear,
    soft_shrink,
    squared_relu,
    step,
    threshold,
)
from .record import Activation, AxisActivation
from .smooth import (
    arctan,
    gelu,
    leaky_gelu,
    log_sigmoid,
    mish,
    sigmoid,
    silu,
    sine,
    softplus,
    softsign,
    swish,
    tanh,
    tanh_shrink,
)

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "AxisActivation",
    "SIXTEEN",
    "arctan",
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "leaky_gelu",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "named",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "sigmoid_linear",
    "silu",
    "sine",
    "soft_shrink",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "squared_relu",
    "step",
    "swiglu",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

# The second article's, in its order.
SIXTEEN: tuple[Activation | AxisActivation, ...] = (
    linear,
    sigmoid,
    relu,
    tanh,
    leaky_relu,
    softmax,
    elu,
    swish,
    hard_sigmoid,
    gelu,
    softplus,
    leaky_gelu,
    hard_swish,
    mish,
    arctan,
    sigmoid_linear,
)
ACTIVATIONS: dict[str, Activation | AxisActivation] = {
    activation.name: activation
    for activation in (
        *SIXTEEN,
        relu6,
        selu,
        celu,
        prelu,
        silu,
        log_sigmoid,
        hard_tanh,
        hard_shrink,
        soft_shrink,
        tanh_shrink,
        softsign,
        threshold,
        log_softmax,
        softmin,
        glu,
        squared_relu,
        swiglu,
        sine,
        step,
    )
}
# Names from elsewhere for what is called otherwise here.
SPELLINGS = {
    "identity": "linear",
    "logistic": "sigmoid",
    "atan": "arctan",
    "sin": "sine",
    "siren": "sine",
    "heaviside": "step",
    "relusquared": "squared_relu",
}


def ours(name: str) -> str | None:
    """How another library's name of an activation is written here, if there is one."""
    plain = name.replace("_", "").replace("-", "").lower()
    return ({known.replace("_", ""): known for known in ACTIVATIONS} | SPELLINGS).get(plain)


def named(name: str) -> Activation | AxisActivation:
    """The activation called `name`. Raises `UnknownNameError` that lists the closest ones."""
    if name in ACTIVATIONS:
        return ACTIVATIONS[name]
    known = ours(name)
    hint = f"write {known!r}" if known else f"there is {closest(name, ACTIVATIONS)}"
    raise UnknownNameError(f"no activation {name!r}; {hint}")


def elsewhere(name: str) -> NoReturn:
    """Say what to write for a name of another library's."""
    known = ours(name)
    there = {name: f"te.activations.{known}"} if known else {}
    refuse_name("te.activations", name, there, ACTIVATIONS)


# Type checkers shall find a wrong name by themselves.
if not TYPE_CHECKING:
    __getattr__ = elsewhere
