"""The methods of a Value: NumPy's and PyTorch's names for the records and compositions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import InPlaceError
from .node import Node
from .node import record as record_any
from .operation import FUNCTIONS, OPERATIONS

if TYPE_CHECKING:
    from .value import Axis, Operand, Value

# The node of a result has the class of its inputs: here a Value.
record: Callable[..., Value] = record_any


def apply(name: str, *args: Any, **options: Any) -> Value:
    """The operation `name` called with its options."""
    result: Value = OPERATIONS[name](*args, **options)
    return result


def numpy(function: Callable[..., Any], *args: Any, **options: Any) -> Value:
    """What `function` of NumPy does on Values."""
    result: Value = FUNCTIONS[function](*args, **options)
    return result


# What PyTorch's tensors and NumPy's arrays are asked for, and what to write here.
ELSEWHERE = {
    "view": "v.reshape(...)",
    "permute": "v.transpose(...)",
    "unsqueeze": "np.expand_dims(v, axis)",
    "expand": "np.broadcast_to(v, shape)",
    "numpy": "v.data",
    "cpu": "v.data",
    "tensor": "te.Value(...)",
    "clone": "v.copy()",
    "requires_grad_": "te.Value(data, requires_grad=...)",
    "grad_fn": "v.op and v.inputs",
    "zero_": "v.grad = None, or an optimiser's zero_grad()",
    "detach_": "v.detach()",
    "pow": "v ** exponent",
    "norm": "np.linalg.norm(v)",
    "matmul": "v @ w",
    "mm": "v @ w",
    "float": "v.astype(np.float32)",
    "double": "v.astype(np.float64)",
    "type": "v.astype(dtype)",
    "to": "v.astype(dtype)",
    "clamp": "np.clip(v, low, high)",
    "masked_fill": "np.where(mask, number, v)",
    "gather": "np.take_along_axis(v, index, axis)",
    "topk": "np.sort(v)[..., ::-1][..., :k]",
    "chunk": "np.array_split(v, count)",
    "numel": "v.size",
    "dim": "v.ndim",
    "t": "v.T",
    "add_": "v + w: the operations of a Value never change it",
    "mul_": "v * w: the operations of a Value never change it",
    "is_leaf": "v.op is None",
    "retain_grad": "v.grad: after backward() every node has it",
    "register_hook": "te.flow.track(model), or v.grad after backward()",
    "flat": "v.ravel()",
    "fill": "np.full_like(v, number)",
    "put": "te.set_at(v, index, w)",
    "ptp": "np.ptp(v)",
    "choose": "np.choose(v, choices)",
    "compress": "np.compress(condition, v)",
    "nonzero": "np.nonzero(v)",
    "searchsorted": "np.searchsorted(v, w)",
    "argpartition": "np.argpartition(v, kth)",
    "partition": "np.partition(v, kth)",
    "conj": "v: a Value is real",
    "conjugate": "v: a Value is real",
    "real": "v: a Value is real",
    "imag": "0: a Value is real",
}


class Elsewhere:
    """A name of PyTorch's or NumPy's that a Value lacks: reading it says what to write.

    `__getattr__` would say it too, and make every attribute slower to read.
    """

    def __init__(self, name: str, instead: str) -> None:
        self.name, self.instead = name, instead

    def __get__(self, value: Any, kind: Any = None) -> NoReturn:
        raise AttributeError(
            f"a Value has no attribute {self.name!r}; write {self.instead}",
            name=self.name,
            obj=value,
        )


class Methods(Node):
    """What a Value can be asked for by name."""

    __slots__ = ()

    def exp(self) -> Value:
        """e to the power of each entry."""
        return record(OPERATIONS["exp"], (self,))

    def log(self) -> Value:
        """Natural logarithm of each entry."""
        return record(OPERATIONS["log"], (self,))

    def log1p(self) -> Value:
        """log(1 + x), exact near 0."""
        return record(OPERATIONS["log1p"], (self,))

    def expm1(self) -> Value:
        """exp(x) − 1, exact near 0."""
        return record(OPERATIONS["expm1"], (self,))

    def exp2(self) -> Value:
        """2 to the power of each entry."""
        return record(OPERATIONS["exp2"], (self,))

    def log2(self) -> Value:
        """Logarithm to base 2 of each entry."""
        return record(OPERATIONS["log2"], (self,))

    def log10(self) -> Value:
        """Logarithm to base 10 of each entry."""
        return record(OPERATIONS["log10"], (self,))

    def sqrt(self) -> Value:
        """Square root of each entry."""
        return record(OPERATIONS["sqrt"], (self,))

    def square(self) -> Value:
        """Each entry times itself."""
        return record(OPERATIONS["square"], (self,))

    def abs(self) -> Value:
        """Absolute value of each entry."""
        return record(OPERATIONS["absolute"], (self,))

    def sign(self) -> Value:
        """−1, 0 or 1; its derivative is 0."""
        return record(OPERATIONS["sign"], (self,))

    def reciprocal(self) -> Value:
        """1/x of each entry."""
        return record(OPERATIONS["reciprocal"], (self,))

    def sin(self) -> Value:
        """Sine of each entry, in radians."""
        return record(OPERATIONS["sin"], (self,))

    def cos(self) -> Value:
        """Cosine of each entry, in radians."""
        return record(OPERATIONS["cos"], (self,))

    def tan(self) -> Value:
        """Tangent of each entry, in radians."""
        return record(OPERATIONS["tan"], (self,))

    def arcsin(self) -> Value:
        """Inverse sine of each entry, in radians."""
        return record(OPERATIONS["arcsin"], (self,))

    def arccos(self) -> Value:
        """Inverse cosine of each entry, in radians."""
        return record(OPERATIONS["arccos"], (self,))

    def arctan(self) -> Value:
        """Inverse tangent of each entry, in radians."""
        return record(OPERATIONS["arctan"], (self,))

    def sinh(self) -> Value:
        """Hyperbolic sine of each entry."""
        return record(OPERATIONS["sinh"], (self,))

    def cosh(self) -> Value:
        """Hyperbolic cosine of each entry."""
        return record(OPERATIONS["cosh"], (self,))

    def arcsinh(self) -> Value:
        """Inverse hyperbolic sine of each entry."""
        return record(OPERATIONS["arcsinh"], (self,))

    def arccosh(self) -> Value:
        """Inverse hyperbolic cosine of each entry."""
        return record(OPERATIONS["arccosh"], (self,))

    def arctanh(self) -> Value:
        """Inverse hyperbolic tangent of each entry."""
        return record(OPERATIONS["arctanh"], (self,))

    def erf(self) -> Value:
        """The error function of each entry."""
        return record(OPERATIONS["erf"], (self,))

    def floor(self) -> Value:
        """Each entry rounded down; its derivative is 0."""
        return record(OPERATIONS["floor"], (self,))

    def ceil(self) -> Value:
        """Each entry rounded up; its derivative is 0."""
        return record(OPERATIONS["ceil"], (self,))

    def trunc(self) -> Value:
        """Each entry rounded towards 0; its derivative is 0."""
        return record(OPERATIONS["trunc"], (self,))

    def tanh(self) -> Value:
        """Hyperbolic tangent of each entry, in (−1, 1)."""
        return record(OPERATIONS["tanh"], (self,))

    def sigmoid(self) -> Value:
        """1/(1 + exp(−x)) of each entry, in (0, 1)."""
        return record(OPERATIONS["sigmoid"], (self,))

    def relu(self) -> Value:
        """max(0, x) of each entry."""
        return record(OPERATIONS["relu"], (self,))

    def softplus(self) -> Value:
        """log(1 + exp(x)) of each entry."""
        return apply("softplus", self)

    def gelu(self, approximate: str = "tanh", **unknown: Any) -> Value:
        """Gaussian error linear unit: its tanh form, or the exact one for approximate="none"."""
        return apply("gelu", self, approximate=approximate, **unknown)

    def silu(self) -> Value:
        """x · sigmoid(x), also called swish."""
        return record(OPERATIONS["silu"], (self,))

    def mish(self) -> Value:
        """x · tanh(softplus(x))."""
        return record(OPERATIONS["mish"], (self,))

    def softmax(self, axis: int = -1, **unknown: Any) -> Value:
        """exp(x) / Σ exp(x) along `axis`: positive entries that add up to 1."""
        return apply("softmax", self, axis=axis, **unknown)

    def log_softmax(self, axis: int = -1, **unknown: Any) -> Value:
        """log(softmax(x)) along `axis`, exact where softmax would round to 0 or 1."""
        return apply("log_softmax", self, axis=axis, **unknown)

    def sum(self, axis: Axis = None, keepdims: bool = False, **unknown: Any) -> Value:
        """Sum over `axis` (all axes if None)."""
        return reduced("sum", self, axis, keepdims, unknown)

    def mean(self, axis: Axis = None, keepdims: bool = False, **unknown: Any) -> Value:
        """Mean over `axis` (all axes if None)."""
        return reduced("mean", self, axis, keepdims, unknown)

    def max(self, axis: Axis = None, keepdims: bool = False, **unknown: Any) -> Value:
        """Largest entry over `axis`; ties share the gradient equally."""
        return reduced("max", self, axis, keepdims, unknown)

    def min(self, axis: Axis = None, keepdims: bool = False, **unknown: Any) -> Value:
        """Smallest entry over `axis`; ties share the gradient equally."""
        return reduced("min", self, axis, keepdims, unknown)

    def prod(self, axis: Axis = None, keepdims: bool = False, **unknown: Any) -> Value:
        """Product over `axis` (all axes if None), with the right gradient where entries are 0."""
        return reduced("prod", self, axis, keepdims, unknown)

    def var(
        self, axis: Axis = None, ddof: float = 0, keepdims: bool = False, **unknown: Any
    ) -> Value:
        """Variance over `axis`, of the population; of a sample with `ddof=1`."""
        return apply("var", self, axis=axis, ddof=ddof, keepdims=keepdims, **unknown)

    def std(
        self, axis: Axis = None, ddof: float = 0, keepdims: bool = False, **unknown: Any
    ) -> Value:
        """Standard deviation over `axis`, the root of `var`."""
        return apply("std", self, axis=axis, ddof=ddof, keepdims=keepdims, **unknown)

    def logsumexp(self, axis: Axis = None, keepdims: bool = False, **unknown: Any) -> Value:
        """log Σ exp(x) over `axis`, without overflow."""
        return reduced("logsumexp", self, axis, keepdims, unknown)

    def cumsum(self, axis: int | None = None, **unknown: Any) -> Value:
        """The sum up to each entry along `axis` (of all entries in one row if None)."""
        return apply("cumsum", self, axis=axis, **unknown)

    def cumprod(self, axis: int | None = None, **unknown: Any) -> Value:
        """The product up to each entry along `axis` (of all entries in one row if None)."""
        return apply("cumprod", self, axis=axis, **unknown)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
        """The sum of a diagonal."""
        return numpy(np.trace, self, offset=offset, axis1=axis1, axis2=axis2)

    def all(self, axis: Axis = None, keepdims: bool = False, **unknown: Any) -> Value:
        """Whether all entries over `axis` are true, untracked."""
        return reduced("all", self, axis, keepdims, unknown)

    def any(self, axis: Axis = None, keepdims: bool = False, **unknown: Any) -> Value:
        """Whether an entry over `axis` is true, untracked."""
        return reduced("any", self, axis, keepdims, unknown)

    def argmax(self, axis: int | None = None, **unknown: Any) -> Value:
        """The index of the largest entry along `axis`, untracked."""
        return apply("argmax", self, axis=axis, **unknown)

    def argmin(self, axis: int | None = None, **unknown: Any) -> Value:
        """The index of the smallest entry along `axis`, untracked."""
        return apply("argmin", self, axis=axis, **unknown)

    def argsort(self, axis: int | None = -1, **unknown: Any) -> Value:
        """The indices that sort the entries along `axis`, untracked."""
        return apply("argsort", self, axis=axis, **unknown)

    def sort(self, *options: Any, **named: Any) -> NoReturn:
        """Not to be had: NumPy's method sorts in place."""
        raise InPlaceError(
            "v.sort() would sort in place, but nothing writes into a Value; write np.sort(v)"
        )

    def round(self, decimals: int = 0) -> Value:
        """Each entry rounded to so many decimals; its derivative is 0."""
        return numpy(np.round, self, decimals=decimals)

    def clip(
        self,
        low: Operand | None = None,
        high: Operand | None = None,
        *,
        min: Operand | None = None,
        max: Operand | None = None,
    ) -> Value:
        """Each entry kept within [low, high]; None is no bound, the derivative is 1 at a bound."""
        return numpy(np.clip, self, low, high, min=min, max=max)

    def reshape(self, *shape: Any, order: str = "C") -> Value:
        """The same entries in another shape; one length may be −1."""
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if order == "C":
            return apply("reshape", self, shape=wanted)
        return numpy(np.reshape, self, wanted, order=order)

    def transpose(self, *axes: Any) -> Value:
        """Axes in another order; reversed if none is given."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return apply("transpose", self, axes=order)

    @property
    def T(self) -> Value:
        """The transpose: all axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Value:
        """The transposes of the matrices that the last two axes hold."""
        return self.swapaxes(-1, -2)

    def ravel(self, order: str = "C") -> Value:
        """All entries in one row."""
        return numpy(np.ravel, self, order=order)

    def flatten(self, order: str = "C") -> Value:
        """All entries in one row."""
        return self.ravel(order)

    def swapaxes(self, axis1: int, axis2: int) -> Value:
        """Two axes exchanged."""
        return apply("swapaxes", self, axis1=axis1, axis2=axis2)

    def squeeze(self, axis: Axis = None, **unknown: Any) -> Value:
        """Axes of length 1 removed."""
        return apply("squeeze", self, axis=axis, **unknown)

    def flip(self, axis: Axis = None) -> Value:
        """Entries in reverse order along `axis` (all axes if None)."""
        return apply("flip", self, axis=axis)

    def roll(self, shift: int | tuple[int, ...], axis: Axis = None) -> Value:
        """Entries moved along `axis`; those that leave at the end come in at the start."""
        return apply("roll", self, shift=shift, axis=axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Value:
        """Each entry, or each slice along `axis`, several times."""
        return apply("repeat", self, repeats=repeats, axis=axis)

    def take(self, indices: Any, axis: int | None = None, **unknown: Any) -> Value:
        """The entries, or the slices along `axis`, with these indices."""
        return apply("take", self, indices=indices, axis=axis, **unknown)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
        """The entries of a diagonal."""
        return apply("diagonal", self, offset=offset, axis1=axis1, axis2=axis2)

    def copy(self) -> Value:
        """The same entries as a node of its own."""
        return record(OPERATIONS["positive"], (self,))

    def dot(self, other: Operand) -> Value:
        """NumPy's dot product."""
        return apply("dot", self, other)

    def astype(self, dtype: Any) -> Value:
        """The same numbers as float32 or float64; the gradient comes back in this dtype."""
        return apply("astype", self, dtype=np.dtype(dtype))


# After the class body, so that a type checker does not take them for attributes.
for each, hint in ELSEWHERE.items():
    setattr(Methods, each, Elsewhere(each, hint))


def reduced(
    name: str, value: Methods, axis: Axis, keepdims: bool, unknown: Mapping[str, Any]
) -> Value:
    """The reduction `name` of `value`; an unknown option is refused by its record."""
    if unknown:
        return apply(name, value, axis=axis, keepdims=keepdims, **unknown)
    return record(OPERATIONS[name], (value,), {"axis": axis, "keepdims": keepdims})
