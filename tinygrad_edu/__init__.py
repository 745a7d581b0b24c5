"""tinygrad_edu: build small models, look at computation graphs, verify derivatives."""

from . import activations, data, nn, ops, optim
from .activations import ACTIVATIONS
from .engine.context import no_grad, observe, record_lines
from .engine.derivatives import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    trace_nonfinite,
    value_and_grad,
    vjp,
)
from .engine.operation import OPERATIONS, define_elementwise, define_structural
from .engine.value import Value
from .ops.selection import set_at
from .ops.shaping import array, stack

__version__ = "0.1.0"

__all__ = [
    "ACTIVATIONS",
    "OPERATIONS",
    "Value",
    "activations",
    "array",
    "data",
    "define_elementwise",
    "define_structural",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "nn",
    "no_grad",
    "observe",
    "ops",
    "optim",
    "record_lines",
    "set_at",
    "stack",
    "trace_nonfinite",
    "value_and_grad",
    "vjp",
]
