"""A function of arrays as the verifier needs it: vectors of numbers in and out, and the claims."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..engine.context import changed, no_grad
from ..engine.node import Node
from ..engine.sweep import gradients as swept
from ..engine.value import Value
from ..errors import DtypeError, OperandError, ShapeError

Array = np.ndarray[Any, np.dtype[Any]]

# float32 must agree with float64 to this share of the largest entry of an input's gradient.
SINGLE = 1e-3


class Problem:
    """f at a point, in float64, and the derivatives that are claimed of it there.

    The claims are the engine's, or those of `rule(*inputs)`. `shape` is that of f's value, `names`
    are the inputs', `notes` say what was converted, `evaluations` counts the calls of f.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        inputs: Sequence[Any],
        rule: Callable[..., Any] | None = None,
        names: Sequence[str] = (),
    ) -> None:
        for each in (f, *([] if rule is None else [rule])):
            if not callable(each):
                raise OperandError(
                    f"give a function to check, as in gradients(np.tanh, x), not {each!r}"
                )
        self.f = f
        self.rule = rule
        self.evaluations = 0
        self.notes: list[str] = []
        self.names = list(names) or names_of(f, len(inputs))
        if len(self.names) != len(inputs):
            raise OperandError(f"{len(self.names)} names are given for {len(inputs)} inputs")
        self.given = [np.asarray(item._data if isinstance(item, Node) else item) for item in inputs]
        for name, data in zip(self.names, self.given, strict=True):
            if data.dtype.kind not in "biuf":
                raise DtypeError(
                    f"input {name} is {data.dtype}; give real numbers, as in np.array([1.0, 2.0])"
                )
            if data.dtype not in (np.float64, np.float32):
                self.notes.append(f"{name} is {data.dtype} and was converted to float64.")
        self.point = [data.astype(np.float64) for data in self.given]
        self.shape = np.shape(self.value(self.point))
        self.size = int(np.prod(self.shape))
        self.count = sum(x.size for x in self.point)

    def value(self, arrays: Sequence[Array]) -> Array:
        """f of these arrays, whatever it returns, as float64."""
        self.evaluations += 1
        copies = [array.copy()[()] for array in arrays]
        with no_grad(), np.errstate(all="ignore"):
            if self.rule is None:
                out = self.f(*(Value(array, requires_grad=False) for array in copies))
            else:
                out = self.f(*copies)
        data = np.asarray(out._data if isinstance(out, Node) else out)
        if data.dtype.kind not in "biuf":
            raise DtypeError(
                f"the function returned {type(out).__name__}; it must return a number or an array"
            )
        return data.astype(np.float64)

    def along(self, direction: Sequence[Array]) -> Callable[[float], Array]:
        """f's value as a vector, as a function of the way gone from the point; NaN where f fails.

        Raises `ShapeError` if the shape of the value changes.
        """

        def moved(t: float) -> Array:
            with np.errstate(all="ignore"):
                arrays = [x + t * d for x, d in zip(self.point, direction, strict=True)]
            try:
                out = self.value(arrays)
            except (ArithmeticError, ValueError):
                # math.log(-1.0) raises where NumPy returns NaN.
                return np.full(self.size, np.nan)
            if out.shape != self.shape:
                raise ShapeError(
                    f"the function returned shape {out.shape} and, nearby, {self.shape}; "
                    "its shape must not depend on the numbers"
                )
            return out.ravel()

        return moved

    def pieces(self, vector: Array) -> list[Array]:
        """A vector of all inputs' entries, cut into the inputs' shapes."""
        cuts = np.cumsum([x.size for x in self.point])[:-1]
        parts = np.split(vector, cuts)
        return [part.reshape(x.shape) for part, x in zip(parts, self.point, strict=True)]

    def entries(self) -> Iterator[tuple[int, tuple[int, ...], str]]:
        """Every entry of every input: the input's number, the index in it, the entry's name."""
        for number, x in enumerate(self.point):
            for index in np.ndindex(x.shape):
                yield number, index, self.name(number, index)

    def name(self, number: int, index: tuple[int, ...]) -> str:
        """What an entry of an input is called."""
        return f"{self.names[number]}{list(index)}" if index else self.names[number]

    def name_at(self, position: int) -> str:
        """What an entry is called that has this place among those of all inputs."""
        for number, x in enumerate(self.point):
            if position < x.size:
                return self.name(number, tuple(map(int, np.unravel_index(position, x.shape))))
            position -= x.size
        raise IndexError(position)

    def claims(self, rows: Array) -> list[Array]:
        """The gradient of each of the sums `rows @ f`, one array (rows, *its shape) per input.

        Raises `OperandError` where the engine has no gradient of f.
        """
        assert self.rule is None
        double = self.pulled(self.point, rows)
        if all(data.dtype != np.float32 for data in self.given):
            return double
        with np.errstate(all="ignore"):
            single = self.pulled(self.given, rows.astype(np.float32))
        return self.reconciled(double, single)

    def pulled(self, arrays: Sequence[Array], rows: Array) -> list[Array]:
        """The engine's gradients at `arrays` for each incoming gradient of `rows`."""
        leaves = tuple(Value(array[()]) for array in arrays)
        with changed(tracking=True), np.errstate(all="ignore"):
            out = self.f(*leaves)
        if isinstance(out, tuple | list):
            raise OperandError(
                f"the function returned a {type(out).__name__}; return one array, "
                "as np.concatenate or np.stack makes it of several"
            )
        if not isinstance(out, Node):
            raise OperandError(
                "the function returned no Value, so the engine has no gradient to check; "
                "compute with NumPy's functions and the values themselves, or pass rule="
            )
        if not out.requires_grad:
            return [np.zeros((len(rows), *x.shape)) for x in self.point]
        found = [
            swept(out, leaves, row.astype(out._data.dtype).reshape(self.shape)[()]) for row in rows
        ]
        return [
            np.array([each[i] for each in found], np.float64).reshape(len(rows), *x.shape)
            for i, x in enumerate(self.point)
        ]

    def reconciled(self, double: list[Array], single: list[Array]) -> list[Array]:
        """The claims in float64, but float32's where it is far from them.

        Rules are judged in float64: how far float32 rounds depends on all that was computed.
        """
        out, furthest = [], 0.0
        for exact, rounded in zip(double, single, strict=True):
            if exact.shape != rounded.shape:
                return single
            room = SINGLE * np.abs(exact).max(initial=0)
            with np.errstate(invalid="ignore"):
                near = np.abs(rounded - exact) <= room
            largest = np.abs(exact).max(initial=0) or 1.0
            furthest = max(furthest, (np.abs(rounded - exact)[near] / largest).max(initial=0))
            out.append(np.where(near, exact, rounded))
        away = f"up to {furthest:.0e} of the largest entry away" if furthest else "the same"
        self.notes.append(
            "float32 inputs were differentiated in float64; float32's own gradient, rounded on its "
            f"way, is {away}."
        )
        return out

    def stated(self) -> list[Array]:
        """What `rule` returns at the point, one array per input, of whatever shape.

        Raises `OperandError` if it does not return one gradient per input.
        """
        double = self.asked(self.point)
        if all(data.dtype != np.float32 for data in self.given):
            return double
        return self.reconciled(double, self.asked(self.given))

    def asked(self, arrays: Sequence[Array]) -> list[Array]:
        """What `rule` returns at `arrays`."""
        assert self.rule is not None
        given = self.rule(*(array.copy()[()] for array in arrays))
        if len(arrays) == 1 and not (isinstance(given, tuple | list) and len(given) == 1):
            given = (given,)
        elif len(arrays) == 1 and isinstance(given, list) and arrays[0].shape == (1,):
            given = (given,) if np.ndim(given[0]) == 0 else given
        if not isinstance(given, tuple | list) or len(given) != len(arrays):
            raise OperandError(
                f"rule must return a gradient for each of the {len(arrays)} inputs, as a tuple; "
                f"it returned {type(given).__name__}"
            )
        found = []
        for name, x, g in zip(self.names, self.point, given, strict=True):
            try:
                gradient = np.asarray(g._data if isinstance(g, Node) else g)
            except ValueError as error:
                raise OperandError(f"rule's gradient for {name} is no array: {error}") from None
            if gradient.dtype.kind not in "biuf":
                raise DtypeError(
                    f"rule's gradient for {name} is {gradient.dtype if g is not None else None}; "
                    f"it must return real numbers of the input's shape {x.shape}"
                )
            found.append(gradient.astype(np.float64))
        return found


def names_of(f: Callable[..., Any], count: int) -> list[str]:
    """The names of a function's parameters, or numbers where it does not tell."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [*plain[:count], *(f"input {i + 1}" for i in range(len(plain), count))]
