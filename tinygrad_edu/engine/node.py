"""What is recorded: a `Node` remembers the operation that made it and what went in.

Nodes point only to their inputs, so a graph has no reference cycles and is freed with its last
root. A node is created after its inputs, so its serial number is a topological order.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from ..errors import DtypeError, IndexingError, MatrixError, OperandError, ShapeError
from .context import STATE

if TYPE_CHECKING:
    from .operation import Operation

N = TypeVar("N", bound="Node")

NO_OPTIONS: Mapping[str, Any] = {}
FLOAT64 = np.dtype(np.float64)
FLOATS = (FLOAT64, np.dtype(np.float32))
PACKAGE = str(Path(__file__).parents[1])
# NumPy's own Python code calls ours, and is not the user's either.
NOT_THE_USERS = (PACKAGE, str(Path(np.__file__).parent))
REAL_NUMBERS = frozenset("?bhilqBHILQefd")
# Immutable, so a graph may keep them as they are; Python's own numbers stay weak, as in NumPy 2.
NUMBERS = frozenset({float, int, bool, np.float64, np.float32, np.bool_, np.int64})

ndarray = np.ndarray
float64 = np.float64
new = object.__new__
tick = itertools.count(1).__next__


class Untraced(Exception):
    """A recording cannot look into a function, and takes it as a whole (see compile)."""

    def whole(self, function: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """The result of the function."""
        raise NotImplementedError

    def copy(self) -> Any:
        """A copy of the array that it cannot look into."""
        raise NotImplementedError


class Node:
    """One number or array in a computation graph, with the operation and inputs it came from.

    `serial` is the tick at which `data` was last set: larger than that of every input, unless an
    input was rebound after this node was recorded. `arrays` are the numbers that `op` was run on,
    or none of them where its derivatives need none: half of a scalar graph are sums.
    """

    __slots__ = (
        "_data",
        "arrays",
        "grad",
        "inputs",
        "line",
        "name",
        "op",
        "options",
        "requires_grad",
        "scope",
        "serial",
        "__weakref__",
    )

    _data: Any
    grad: Any
    op: Operation | None
    inputs: tuple[Any, ...]
    arrays: Sequence[Any]
    options: Mapping[str, Any]
    name: str | None
    scope: str
    line: str | None
    requires_grad: bool
    serial: int


def record(op: Operation, inputs: tuple[Any, ...], options: Mapping[str, Any] = NO_OPTIONS) -> Any:
    """Run `op` on `inputs`, at least one of them a Node, and return the node of its result."""
    # Two inputs are unrolled: this is the hottest path of all.
    if len(inputs) == 2:
        a, b = inputs
        if isinstance(a, Node):
            kind = a.__class__
            x = a._data
            tracked = a.requires_grad
            if isinstance(b, Node):
                y = b._data
                tracked = tracked or b.requires_grad
            else:
                y = b if b.__class__ in NUMBERS else constant(b, op)
                inputs = (a, y)
        else:
            kind = b.__class__
            x = a if a.__class__ in NUMBERS else constant(a, op)
            y = b._data
            tracked = b.requires_grad
            inputs = (x, b)
        arrays: Sequence[Any] = (x, y)
    elif len(inputs) == 1:
        (a,) = inputs
        kind = a.__class__
        arrays = (a._data,)
        tracked = a.requires_grad
    else:
        kind, tracked, arrays = Node, False, []
        for item in inputs:
            if isinstance(item, Node):
                kind = item.__class__
                arrays.append(item._data)
                if item.requires_grad:
                    tracked = True
            elif item.__class__ in NUMBERS:
                arrays.append(item)
            else:
                item = constant(item, op)
                inputs = (*inputs[: len(arrays)], item, *inputs[len(arrays) + 1 :])
                arrays.append(item)
    try:
        data = op.forward(*arrays, **options) if options else op.forward(*arrays)
    except Untraced as unknown:
        data = unknown.whole(op.forward, tuple(arrays), options)
    except (ValueError, TypeError, IndexError) as error:
        if not isinstance(error.__cause__, Untraced):  # NumPy has taken it for one of its own
            explain(op, inputs, options, error)
        data = error.__cause__.whole(op.forward, tuple(arrays), options)
    if data.__class__ is ndarray:
        if data.ndim:
            # By position: the keyword, write=, takes three times as long.
            data.setflags(False)  # type: ignore[call-arg]
        else:
            data = data[()]
    elif data.__class__ is not float64 and hasattr(data, "tape") and not data.ndim:
        data = data[()]
    state = STATE.get()
    node = new(kind)
    node._data = data
    node.grad = node.name = node.line = None
    node.serial = tick()
    node.scope = state.scope
    if tracked and state.tracking and op.differentiable:
        # Most data pass one of the first two tests, which are cheaper than the whole of it.
        if (
            data.__class__ is not float64
            and (dtype := data.dtype) is not FLOAT64
            and dtype not in FLOATS
        ):
            raise DtypeError(
                f"{op.name} gave {dtype}, which has no derivative here; "
                "use float32 or float64 operands"
            )
        node.op = op
        node.inputs = inputs
        node.arrays = () if op.constant else arrays
        node.options = options
        node.requires_grad = True
    else:
        node.op = None
        node.inputs = node.arrays = ()
        node.options = NO_OPTIONS
        node.requires_grad = False
        if state.recording:
            node.op, node.inputs, node.options = op, inputs, options
    if state.watched:
        if state.lines:
            node.line = user_line()
        for callback in state.observers:
            callback(node, None)
    return node


def make_leaf(
    kind: type[N], data: Any, name: str | None = None, requires_grad: bool = True, scope: str = ""
) -> N:
    """A node without inputs that holds `data` as it is: frozen already, not copied."""
    node = new(kind)
    node._data = data
    node.grad = None
    node.op = None
    node.inputs = node.arrays = ()
    node.options = NO_OPTIONS
    node.name = name
    node.line = None
    node.scope = scope
    node.requires_grad = requires_grad
    node.serial = tick()
    return node


def frozen(array: np.ndarray[Any, Any]) -> Any:
    """A read-only array nobody else can write to (`array` itself if it is one); 0-d: a scalar."""
    if array.ndim == 0:
        return array[()]
    if array.flags.writeable or array.base is not None:
        array = array.copy()
        array.setflags(False)  # type: ignore[call-arg]
    return array


def constant(item: Any, op: Operation) -> Any:
    """An operand that is not a Node, in the form a graph may keep."""
    if item.__class__ is ndarray:
        array = item
    elif item is None or item.__class__ in NUMBERS or hasattr(item, "tape"):
        return item  # the last an array of a recording
    else:
        try:
            array = np.asarray(item)
        except ValueError as error:
            raise OperandError(
                f"{op.name} cannot read its operand {item!r} as an array: {error}"
            ) from None
    if array.dtype.char not in REAL_NUMBERS:
        raise DtypeError(
            f"{op.name} cannot use an operand of dtype {array.dtype}; "
            "convert it with .astype(np.float64), or build lists of Values with te.array([...])"
        )
    return frozen(array)


def wrapped(data: Any) -> Any:
    """A private copy of `data` as a leaf keeps it: float32 or float64, a NumPy scalar if 0-d."""
    try:
        array = np.array(data._data if isinstance(data, Node) else data)
    except Untraced as unknown:
        array = unknown.copy()
    except ValueError as error:
        raise ShapeError(f"these data are no array, make all rows equally long: {error}") from None
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    if array.dtype not in FLOATS:
        raise DtypeError(
            f"a Value holds float32 or float64, not {array.dtype}; write "
            "te.array([...]) for a list of Values, or convert the data with .astype(np.float64)"
        )
    if array.ndim == 0:
        return array[()]
    array.setflags(write=False)
    return array


def copied(array: Any) -> Any:
    """A copy; a NumPy scalar if 0-d."""
    try:
        return np.array(array)[()]
    except Untraced as unknown:
        return unknown.copy()


def numbers_of(item: Any) -> Any:
    """The numbers of a node without their history; anything else as it is."""
    return item._data if isinstance(item, Node) else item


def describe(item: Any) -> str:
    """An input in an error message: its name and shape, or the number itself."""
    if isinstance(item, Node):
        shape = f"shape {np.shape(item._data)}"
        return f"{item.name!r} of {shape}" if item.name else shape
    if isinstance(item, ndarray):
        return f"an array of shape {item.shape}"
    return repr(item)


def explain(op: Operation, inputs: tuple[Any, ...], options: Any, error: Exception) -> NoReturn:
    """Raise `error` again with the operation, its inputs and, if recorded, the user's line."""
    given = ", ".join(describe(item) for item in inputs)
    extra = "".join(f", {name}={value!r}" for name, value in options.items())
    where = f" at {user_line()}" if STATE.get().lines else ""
    hint = (
        "print the shapes, then reshape or transpose one of them"
        if not options
        else f"look at {', '.join(options)}"
    )
    kind: type[Exception] = ShapeError
    if isinstance(error, IndexError):
        kind = IndexingError
    elif isinstance(error, np.linalg.LinAlgError):
        kind = MatrixError
        hint = (
            "look at its rank and whether it is square, symmetric, positive definite, as the "
            "function needs it; a small multiple of np.eye(n) often mends it"
        )
    elif isinstance(error, TypeError):
        kind = OperandError
    message = f"{op.name} failed on {given}{extra}{where}: {error}. What to do: {hint}"
    raise kind(message) from error


def user_line() -> str | None:
    """The innermost line of the call stack outside of this package, as "file:line: code"."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(NOT_THE_USERS):
        frame = frame.f_back
    if frame is None:
        return None
    import linecache

    path, number = frame.f_code.co_filename, frame.f_lineno
    return f"{Path(path).name}:{number}: {linecache.getline(path, number).strip()}"


def frames_to_the_user() -> int:
    """How many frames the caller is above the user's line: the `stacklevel` of a warning."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(NOT_THE_USERS):
        frame, level = frame.f_back, level + 1
    return level
