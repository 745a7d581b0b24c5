"""`Value`: what a user holds, a node with NumPy's operators, methods and functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np

from ..errors import (
    ConversionError,
    InPlaceError,
    NotTrackedError,
    ShapeError,
)
from . import sweep
from .context import RECORDER, STATE
from .dispatch import call_function, call_ufunc
from .methods import Methods
from .node import NO_OPTIONS, Node, frozen, make_leaf, tick, wrapped
from .node import record as record_any
from .operation import OPERATIONS

Array = np.ndarray[Any, np.dtype[Any]]
Scalar = float | int | bool | np.generic
ArrayLike = Scalar | Array | Sequence[Any]
Operand: TypeAlias = "Value | ArrayLike"
Axis = int | tuple[int, ...] | None

# The node of a result has the class of its inputs: here a Value.
record: Callable[..., Value] = record_any


class Value(Methods):
    """A number or array that remembers how it was computed, so that derivatives can be read off.

    `Value(data, name=None, requires_grad=True)` copies `data` into a leaf. Integers and bools
    become float64; float32 and float64 stay. Everything wrapped is tracked, everything left as
    NumPy is a constant. `grad` is None until a backward pass has reached the value.
    Raises `DtypeError` for float16, longdouble, complex, object and string data.
    """

    __slots__ = ()

    def __init__(self, data: Operand, name: str | None = None, requires_grad: bool = True) -> None:
        self._data = wrapped(data._numbers() if isinstance(data, Value) else data)
        self.grad = None
        self.op = None
        self.inputs = self.arrays = ()
        self.options = NO_OPTIONS
        self.name = name
        self.line = None
        self.scope = STATE.get().scope
        self.requires_grad = requires_grad
        self.serial = tick()

    @property
    def data(self) -> Any:
        """The numbers: a read-only array, or a NumPy scalar. Assigning rebinds a leaf."""
        data = self._numbers()
        if data.__class__ is np.ndarray:
            # A compiled step writes its parameters in place, and what it writes to are views.
            return data if self.op is not None or data.base is None else frozen(data)
        return data.asked() if hasattr(data, "tape") else data

    @data.setter
    def data(self, replacement: Operand) -> None:
        if self.op is not None:
            raise InPlaceError(
                f"this value is the result of {self.op.name}; only a leaf can be given new data"
            )
        data = wrapped(replacement)
        if data.shape != self.shape:
            raise ShapeError(
                f"{self.name or 'this value'} has shape {self.shape} and cannot be given data of "
                f"shape {data.shape}; make a new te.Value for another shape"
            )
        self.rebind(data if data.dtype == self._data.dtype else wrapped(data.astype(self.dtype)))

    def rebind(self, data: Any) -> None:
        """Give a leaf new data without copying, and stamp it so that older graphs know."""
        if data.__class__ is np.ndarray:
            data.setflags(False)  # type: ignore[call-arg]
        self._data = data
        self.serial = tick()

    def _numbers(self) -> Any:
        """The numbers as they lie in memory, for what makes no node of them."""
        if (recorder := RECORDER.get()) is not None:
            recorder.saw(self)
        return self._data

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes; () for a number."""
        shape: tuple[int, ...] = self._data.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64 where tracked; bool or integer for masks and indices."""
        dtype: np.dtype[Any] = self._data.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return int(self._data.ndim)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(self._data.size)

    def backward(self, gradient: Operand | None = None) -> None:
        """Fill `.grad` of everything this value was computed from.

        `gradient` has this value's shape; it may be left out for a single number. Leaves add up
        over several passes, inner nodes keep the last one. Raises `ShapeError`,
        `NotTrackedError`, `StaleGraphError`.
        """
        sweep.backward(self, gradient)

    def detach(self) -> Value:
        """The same numbers as a constant: no gradient flows through it."""
        data = self._numbers()
        if self.op is None and data.__class__ is np.ndarray and data.base is not None:
            data = frozen(data)  # as in `data`
        return make_leaf(Value, data, self.name, requires_grad=False, scope=self.scope)

    def tolist(self) -> Any:
        """The numbers as Python's, in nested lists."""
        return self._numbers().tolist()

    def item(self) -> Any:
        """The single number as a Python float, int or bool. Raises `ShapeError` for more."""
        if self.size != 1:
            raise ShapeError(f"item() needs a single number; this value has shape {self.shape}")
        return self._numbers().item()

    # NumPy hands its functions back to Value through these two.

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        return call_function(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise ConversionError(
                "turning a tracked Value into a NumPy array would lose its gradient in silence; "
                "write v.data for the numbers, np.where or te.set_at in place of a[i] = v, and "
                "te.array([...]) or te.stack([...]) in place of np.array([v, w])"
            )
        if hasattr(self._data, "tape"):
            return np.array(self._data)  # which says what to write instead
        return np.array(self.data, dtype=dtype, copy=copy)

    def to_number(self, name: str) -> Any:
        """The number behind an untracked value, for float() and int()."""
        if self.requires_grad:
            raise ConversionError(
                f"{name}(v) on a tracked Value would lose its gradient in silence; write np.exp(v) "
                "in place of math.exp(v), te.set_at or np.where in place of a[i] = v, and v.item() "
                "or v.data for the number alone"
            )
        return self.item()

    def __float__(self) -> float:
        return float(self.to_number("float"))

    def __int__(self) -> int:
        return int(self.to_number("int"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.ndim:
            raise ConversionError(
                f"only a single untracked integer (from argmax, say) is an index, not {self!r}"
            )
        return int(self._data)

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"the truth value of a Value of shape {self.shape} is ambiguous; write np.where "
                "for a choice entry by entry, or reduce it with .max() or .min() first"
            )
        return bool(self._numbers())

    def __len__(self) -> int:
        if not self.ndim:
            raise ConversionError("a single number has no length; use v.size")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Value]:
        for position in range(len(self)):
            yield self[position]

    def __repr__(self) -> str:
        if hasattr(self._data, "tape"):
            numbers = repr(self._data)
        else:
            numbers = np.array2string(np.asarray(self._data), separator=", ", prefix="Value(")
        about = [f"name={self.name!r}"] if self.name else []
        if self.op is not None:
            about.append(f"op={self.op.name}")
        elif not self.requires_grad:
            about.append("requires_grad=False")
        if self.dtype != np.float64:
            about.append(f"dtype={self.dtype}")
        return f"Value({', '.join([numbers, *about])})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.op is not None:
            raise NotTrackedError(
                f"the result of {self.op.name} cannot be pickled or copied apart from its graph; "
                "copy v.detach(), or the leaves"
            )
        state = (self._data, self.name, self.requires_grad, self.scope, self.grad)
        return restored, state

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Value:
        """Basic, boolean and integer indexing as in NumPy; repeated indices add up gradients."""
        return record(OPERATIONS["getitem"], (self,), {"index": frozen_index(index)})

    def __setitem__(self, index: Any, replacement: Any) -> NoReturn:
        raise InPlaceError(
            "a Value cannot be written into; write v = te.set_at(v, index, w), or np.where"
        )

    def in_place(self, result: Value, symbol: str) -> Value:
        """What `v += w` means: a new name for an inner node, new data for a leaf in no_grad."""
        if self.op is not None or not self.requires_grad:
            return result
        if STATE.get().tracking:
            name = self.name or "w"
            raise InPlaceError(
                f"{name} {symbol} ... would replace the leaf by a node that grows the graph at "
                f"each step; for a new value write y = {name} {symbol[:-1]} ..., for a step of "
                f"training {name}.data = {name}.data - rate * {name}.grad, or use an optimiser "
                "from te.optim (or update inside with te.no_grad():)"
            )
        if result.shape != self.shape:
            raise ShapeError(
                f"{self.name or 'a leaf'} of shape {self.shape} cannot take an update of shape "
                f"{result.shape}; reshape the update"
            )
        self.rebind(result._data.astype(self.dtype, copy=False))
        return self

    def __add__(self, other: Operand) -> Value:
        return record(OPERATIONS["add"], (self, other))

    def __radd__(self, other: Operand) -> Value:
        return record(OPERATIONS["add"], (other, self))

    def __iadd__(self, other: Operand) -> Value:
        return self.in_place(self + other, "+=")

    def __sub__(self, other: Operand) -> Value:
        return record(OPERATIONS["subtract"], (self, other))

    def __rsub__(self, other: Operand) -> Value:
        return record(OPERATIONS["subtract"], (other, self))

    def __isub__(self, other: Operand) -> Value:
        return self.in_place(self - other, "-=")

    def __mul__(self, other: Operand) -> Value:
        return record(OPERATIONS["multiply"], (self, other))

    def __rmul__(self, other: Operand) -> Value:
        return record(OPERATIONS["multiply"], (other, self))

    def __imul__(self, other: Operand) -> Value:
        return self.in_place(self * other, "*=")

    def __truediv__(self, other: Operand) -> Value:
        return record(OPERATIONS["divide"], (self, other))

    def __rtruediv__(self, other: Operand) -> Value:
        return record(OPERATIONS["divide"], (other, self))

    def __itruediv__(self, other: Operand) -> Value:
        return self.in_place(self / other, "/=")

    def __pow__(self, other: Operand) -> Value:
        return record(OPERATIONS["power"], (self, other))

    def __rpow__(self, other: Operand) -> Value:
        return record(OPERATIONS["power"], (other, self))

    def __ipow__(self, other: Operand) -> Value:
        return self.in_place(self**other, "**=")

    def __matmul__(self, other: Operand) -> Value:
        return record(OPERATIONS["matmul"], (self, other))

    def __rmatmul__(self, other: Operand) -> Value:
        return record(OPERATIONS["matmul"], (other, self))

    def __imatmul__(self, other: Operand) -> Value:
        return self.in_place(self @ other, "@=")

    def __floordiv__(self, other: Operand) -> Value:
        return record(OPERATIONS["floor_divide"], (self, other))

    def __rfloordiv__(self, other: Operand) -> Value:
        return record(OPERATIONS["floor_divide"], (other, self))

    def __ifloordiv__(self, other: Operand) -> Value:
        return self.in_place(self // other, "//=")

    def __mod__(self, other: Operand) -> Value:
        return record(OPERATIONS["remainder"], (self, other))

    def __rmod__(self, other: Operand) -> Value:
        return record(OPERATIONS["remainder"], (other, self))

    def __imod__(self, other: Operand) -> Value:
        return self.in_place(self % other, "%=")

    def __divmod__(self, other: Operand) -> tuple[Value, Value]:
        return self // other, self % other

    def __rdivmod__(self, other: Operand) -> tuple[Value, Value]:
        return self.__rfloordiv__(other), self.__rmod__(other)

    def __neg__(self) -> Value:
        return record(OPERATIONS["negative"], (self,))

    def __abs__(self) -> Value:
        return record(OPERATIONS["absolute"], (self,))

    def __invert__(self) -> Value:
        return record(OPERATIONS["invert"], (self,))

    def __pos__(self) -> Value:
        return self

    def __round__(self, decimals: int = 0) -> Value:
        return self.round(decimals)

    def __and__(self, other: Operand) -> Value:
        return record(OPERATIONS["bitwise_and"], (self, other))

    def __rand__(self, other: Operand) -> Value:
        return record(OPERATIONS["bitwise_and"], (other, self))

    def __or__(self, other: Operand) -> Value:
        return record(OPERATIONS["bitwise_or"], (self, other))

    def __ror__(self, other: Operand) -> Value:
        return record(OPERATIONS["bitwise_or"], (other, self))

    def __xor__(self, other: Operand) -> Value:
        return record(OPERATIONS["bitwise_xor"], (self, other))

    def __rxor__(self, other: Operand) -> Value:
        return record(OPERATIONS["bitwise_xor"], (other, self))

    def __lt__(self, other: Operand) -> Value:
        return record(OPERATIONS["less"], (self, other))

    def __le__(self, other: Operand) -> Value:
        return record(OPERATIONS["less_equal"], (self, other))

    def __gt__(self, other: Operand) -> Value:
        return record(OPERATIONS["greater"], (self, other))

    def __ge__(self, other: Operand) -> Value:
        return record(OPERATIONS["greater_equal"], (self, other))

    def __eq__(self, other: object) -> Value:  # type: ignore[override]
        if not isinstance(other, Node | np.ndarray | np.generic | int | float | list | tuple):
            return NotImplemented
        return record(OPERATIONS["equal"], (self, other))

    def __ne__(self, other: object) -> Value:  # type: ignore[override]
        if not isinstance(other, Node | np.ndarray | np.generic | int | float | list | tuple):
            return NotImplemented
        return record(OPERATIONS["not_equal"], (self, other))


def restored(data: Any, name: str | None, requires_grad: bool, scope: str, grad: Any) -> Value:
    """A leaf from its pickle."""
    value = make_leaf(Value, frozen(np.asarray(data)), name, requires_grad, scope)
    value.grad = grad
    return value


def frozen_index(index: Any) -> Any:
    """An index that nobody can change between forward and backward; Values become their data."""
    if isinstance(index, tuple):
        return tuple(frozen_part(part) for part in index)
    return frozen_part(index)


def frozen_part(part: Any) -> Any:
    """One axis of an index: a sequence becomes an array, an array a copy."""
    if isinstance(part, Node):
        if part.requires_grad:
            raise ConversionError(
                "a tracked Value is not an index; use np.where for a soft choice, v.data for the "
                "numbers (te.grad makes floats of what it derives by: give indices as another "
                "argument)"
            )
        return part._data
    if isinstance(part, list | tuple):
        array = np.array([p._data if isinstance(p, Node) else p for p in part])
        return array if array.size else array.astype(np.intp)
    return part.copy() if isinstance(part, np.ndarray) else part
