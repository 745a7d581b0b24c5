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
from .engine.effects import assign, random
from .engine.nonfinite import trace_nonfinite
from .engine.operation import OPERATIONS, define_elementwise, define_structural
from .engine.value import Value
from .ops.joining import array, stack
from .ops.reductions import logsumexp
from .ops.selection import set_at
from .ops.special import erf
from .spellings import refuse_name

# Last, since the name is also that of the folder which this import loads.
from .compile.compiled import compile  # isort: skip

__all__ = [
    "ACTIVATIONS",
    "OPERATIONS",
    "Value",
    "activations",
    "array",
    "assign",
    "check",
    "compile",
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
    "random",
    "record_lines",
    "set_at",
    "stack",
    "trace_nonfinite",
    "train",
    "value_and_grad",
    "vjp",
]


# What the modules torch and keras have, and what to write here.
ON_THE_CPU = "nothing: everything is computed on the CPU"
SEEDS = "seed= where layers, data and te.train.fit take it: none of them shares a generator"
ELSEWHERE = {
    "Tensor": "te.Value",
    "Parameter": "te.Value",
    "Variable": "te.Value",
    "tensor": "te.Value(numbers), or numbers as they are where no gradient is asked of them",
    "as_tensor": "te.Value(numbers)",
    "from_numpy": "te.Value(array)",
    "manual_seed": SEEDS,
    "seed": SEEDS,
    "Generator": "np.random.default_rng(seed)",
    "rand": "np.random.default_rng(seed).random(shape)",
    "randn": "np.random.default_rng(seed).standard_normal(shape)",
    "randint": "np.random.default_rng(seed).integers(low, high, shape)",
    "randperm": "np.random.default_rng(seed).permutation(count)",
    "save": "te.train.save(model, path)",
    "load": "te.train.load(model, path)",
    "device": ON_THE_CPU,
    "cuda": ON_THE_CPU,
    "autograd": "te.grad, te.vjp and te.jvp",
    "func": "te.grad, te.vjp and te.jvp",
    "inference_mode": "te.no_grad()",
    "enable_grad": "the code outside of te.no_grad()",
    "set_grad_enabled": "te.no_grad()",
    "layers": "te.nn",
    "losses": "te.nn.losses",
    "optimizers": "te.optim",
    "cat": "np.concatenate",
    "mm": "a @ b",
    "bmm": "a @ b",
    "unsqueeze": "np.expand_dims(v, axis)",
    "clamp": "np.clip",
    "cdist": "np.linalg.norm(a[:, None] - b, axis=-1)",
}


def __getattr__(name: str) -> Any:
    # Drawing needs matplotlib, which takes longer to import than all the rest.
    if name == "draw":
        return import_module(".draw", __name__)
    there = data.ELSEWHERE | optim.ELSEWHERE | ELSEWHERE
    for module in (activations, nn, nn.losses, optim, data, train):
        if name in module.__all__:
            there.setdefault(name, f"te{module.__name__.removeprefix(__name__)}.{name}")
    if name in import_module("numpy").__all__:
        there.setdefault(name, f"np.{name}")
    refuse_name("te", name, there, __all__)
