"""tinygrad_edu: build small models, look at computation graphs, verify derivatives."""

__version__ = "0.1.0"

from importlib import import_module
from typing import Any

from . import activations, check, data, flow, nn, ops, optim, train
from .activations import ACTIVATIONS
from .engine.context import no_grad, observe, record_lines
from .engine.derivatives import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from .engine.nonfinite import trace_nonfinite
from .engine.operation import OPERATIONS, define_elementwise, define_structural
from .engine.value import Value
from .ops.joining import array, stack
from .ops.reductions import logsumexp
from .ops.selection import set_at
from .ops.special import erf

__all__ = [
    "ACTIVATIONS",
    "OPERATIONS",
    "Value",
    "activations",
    "array",
    "check",
    "data",
    "define_elementwise",
    "define_structural",
    "draw",
    "erf",
    "flow",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "logsumexp",
    "nn",
    "no_grad",
    "observe",
    "ops",
    "optim",
    "record_lines",
    "set_at",
    "stack",
    "trace_nonfinite",
    "train",
    "value_and_grad",
    "vjp",
]


def __getattr__(name: str) -> Any:
    # Drawing needs matplotlib, which takes longer to import than all the rest.
    if name == "draw":
        return import_module(".draw", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
