"""Records that move, repeat or drop entries, and fill the rest with zeros.

Their derivative needs no rule of its own: given the entries' numbers in place of the entries, the
function itself says where each one went, and the gradient goes the same way back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..engine.dispatch import implements
from ..engine.operation import Structural, define_discrete, define_structural
from .selection import scatter

Cases = Iterable[tuple[tuple[tuple[int, ...], ...], Mapping[str, Any]]]


def sent_back(g: Any, origins: Any, shape: tuple[int, ...]) -> Any:
    """The gradient of an array of `shape` whose entries were put where `origins` has them.

    `origins` holds 1 for the array's first entry and so on, and 0 where no entry was put.
    """
    count = int(np.prod(shape))
    places = np.reshape(origins, -1)
    total = scatter(np.reshape(g, -1), shape=(count + 1,), index=places)
    return np.reshape(total[1:], shape)


def define_rearrangement(
    function: Callable[..., Any],
    name: str = "",
    *,
    formula: str,
    cases: Cases,
    numpy: tuple[Any, ...] = (),
    numbered: Callable[..., Any] | None = None,
) -> Structural:
    """Declare one of NumPy's functions whose first argument gives all entries of the result.

    `numbered` is the function as it treats the entries' numbers, where that differs.
    """
    trace = numbered or function

    def pullback(g: Any, out: Any, a: Any, **options: Any) -> Any:
        """Each entry's gradient comes back from where the entry went."""
        numbers = np.arange(1, a.size + 1).reshape(a.shape)
        return sent_back(g, trace(numbers, **options), a.shape)

    return define_structural(
        name or function.__name__,
        function,
        pullback,
        formula=formula,
        cases=cases,
        numpy=numpy or (function,),
    )


flip = define_rearrangement(
    np.flip,
    formula=r"\operatorname{{flip}}\left({0}\right)",
    cases=((((2, 3),), {}), (((2, 3),), {"axis": 1}), (((2, 3, 2),), {"axis": (0, -1)})),
)
roll = define_rearrangement(
    np.roll,
    formula=r"\operatorname{{roll}}\left({0}\right)",
    cases=(
        (((4,),), {"shift": 1}),
        (((2, 3),), {"shift": -2}),
        (((2, 3),), {"shift": 2, "axis": -1}),
        (((2, 3),), {"shift": (1, 2), "axis": (0, 1)}),
    ),
)
rot90 = define_rearrangement(
    np.rot90,
    formula=r"\operatorname{{rot90}}\left({0}\right)",
    cases=((((2, 3),), {}), (((2, 3),), {"k": 2}), (((2, 3, 2),), {"k": -1, "axes": (1, 2)})),
)
tile = define_rearrangement(
    np.tile,
    formula=r"\operatorname{{tile}}\left({0}\right)",
    cases=((((3,),), {"reps": 2}), (((2, 3),), {"reps": (2, 1, 2)}), (((),), {"reps": 3})),
)
repeat = define_rearrangement(
    np.repeat,
    formula=r"\operatorname{{repeat}}\left({0}\right)",
    cases=(
        (((3,),), {"repeats": 2}),
        (((2, 3),), {"repeats": 2, "axis": 1}),
        (((3, 2),), {"repeats": np.array([2, 0, 1]), "axis": 0}),
    ),
)
resize = define_rearrangement(
    np.resize,
    formula=r"\operatorname{{resize}}\left({0}\right)",
    cases=((((2, 3),), {"new_shape": (4, 2)}), (((2, 3),), {"new_shape": (4,)})),
)
take = define_rearrangement(
    np.take,
    formula=r"\operatorname{{take}}\left({0}\right)",
    cases=(
        (((2, 3),), {"indices": np.array([0, 5, 5])}),
        (((3, 2),), {"indices": np.array([[0, 2], [-1, 0]]), "axis": 0}),
        (((2, 3),), {"indices": 1, "axis": -1}),
        (((3,),), {"indices": np.array([4, -1]), "mode": "wrap"}),
    ),
)
take_along_axis = define_rearrangement(
    np.take_along_axis,
    formula=r"\operatorname{{take}}\left({0}\right)",
    cases=(
        (((2, 3),), {"indices": np.array([[0, 0], [2, 1]]), "axis": 1}),
        (((3, 2),), {"indices": np.array([[2, 1]]), "axis": 0}),
    ),
)
delete = define_rearrangement(
    np.delete,
    formula=r"\operatorname{{delete}}\left({0}\right)",
    cases=(
        (((3, 2),), {"obj": 1, "axis": 0}),
        (((2, 3),), {"obj": np.array([0, 4])}),
        (((5,),), {"obj": slice(None, None, 2)}),
    ),
)
diag = define_rearrangement(
    np.diag,
    formula=r"\operatorname{{diag}}\left({0}\right)",
    cases=((((3,),), {}), (((2,),), {"k": -1}), (((2, 3),), {}), (((3, 3),), {"k": 1})),
)
diagflat = define_rearrangement(
    np.diagflat,
    formula=r"\operatorname{{diag}}\left({0}\right)",
    cases=((((2, 2),), {}), (((3,),), {"k": 1})),
)
diagonal = define_rearrangement(
    np.diagonal,
    formula=r"\operatorname{{diagonal}}\left({0}\right)",
    cases=(
        (((2, 3),), {}),
        (((3, 2),), {"offset": -1}),
        (((2, 3, 3),), {"axis1": 1, "axis2": 2}),
    ),
)
tril = define_rearrangement(
    np.tril,
    formula=r"\operatorname{{tril}}\left({0}\right)",
    cases=((((3, 3),), {}), (((2, 2, 3),), {"k": 1})),
)
triu = define_rearrangement(
    np.triu,
    formula=r"\operatorname{{triu}}\left({0}\right)",
    cases=((((3, 3),), {}), (((2, 3, 2),), {"k": -1})),
)

MOVING = ("constant", "edge", "reflect", "symmetric", "wrap")


def pad_forward(
    array: Any,
    pad_width: Any,
    mode: str = "constant",
    constant_values: Any = 0,
    reflect_type: str = "even",
) -> Any:
    """`np.pad` in the modes whose padding consists of entries, or of constants."""
    if mode not in MOVING or reflect_type != "even":
        raise ValueError(
            f"np.pad on a Value takes the modes {', '.join(MOVING)} with reflect_type='even', not "
            f"{mode!r}; compute other padding, and join it with np.concatenate"
        )
    if mode == "constant":
        return np.pad(array, pad_width, constant_values=constant_values)
    return np.pad(array, pad_width, mode)  # type: ignore[call-overload]


pad = define_rearrangement(
    pad_forward,
    "pad",
    formula=r"\operatorname{{pad}}\left({0}\right)",
    cases=(
        (((3,),), {"pad_width": 2}),
        (((2, 3),), {"pad_width": ((1, 0), (0, 2)), "constant_values": 4.0}),
        (((3,),), {"pad_width": (4, 1), "mode": "reflect"}),
        (((3,),), {"pad_width": 2, "mode": "symmetric"}),
        (((2, 3),), {"pad_width": 1, "mode": "edge"}),
        (((3,),), {"pad_width": 4, "mode": "wrap"}),
    ),
    numpy=(np.pad,),
    numbered=lambda numbers, pad_width, mode="constant", constant_values=0, reflect_type="even": (
        pad_forward(numbers, pad_width, mode)
    ),
)

sorted_origins = define_discrete(
    "sorted_origins",
    lambda a, out, axis=-1: ranked(a, out, axis),
    formula=r"\operatorname{{rank}}\left({0}\right)",
    array_arguments=2,
)


def ranked(a: Any, out: Any, axis: int | None) -> Any:
    """Which entry of `a`, from 1 on, each entry of `out` is, both having the same in some order."""
    numbers = np.arange(1, a.size + 1).reshape(a.shape)
    if axis is None or not a.ndim:
        a, out, numbers, axis = a.reshape(-1), out.reshape(-1), numbers.reshape(-1), 0
    origins = np.empty_like(numbers)
    in_order = np.take_along_axis(numbers, np.argsort(a, axis, kind="stable"), axis)
    np.put_along_axis(origins, np.argsort(out, axis, kind="stable"), in_order, axis)
    return origins


def neighbours(a: Any, axis: int | None = -1, **options: Any) -> Any:
    """Distances of entries that follow each other in size: 0 where two tie.

    Not where three do: there the slopes to the two sides, of one entry moved alone, are those of
    the first and the last place, and do not bound the one in the middle.
    """
    gaps = np.diff(np.sort(a, axis), axis=-1 if axis is None else axis)
    gaps = np.moveaxis(gaps, -1 if axis is None else axis, -1)
    tied = gaps == 0
    three = tied[..., 1:] & tied[..., :-1]
    gaps[..., 1:][three] = gaps[..., :-1][three] = np.finfo(float).tiny
    return gaps


def sort_pullback(
    g: Any, out: Any, a: Any, axis: int | None = -1, kind: Any = None, stable: Any = None
) -> Any:
    """Each entry's gradient comes back from the place of the same rank."""
    return sent_back(g, sorted_origins(a, out, axis=axis), a.shape)


sort = define_structural(
    "sort",
    lambda a, axis=-1, kind=None, stable=None: np.sort(a, axis, kind=kind, stable=stable),
    sort_pullback,
    formula=r"\operatorname{{sort}}\left({0}\right)",
    kinks=(neighbours,),
    cases=((((4,),), {}), (((3, 2),), {"axis": 0}), (((2, 3),), {"axis": None})),
    numpy=(np.sort,),
)
partition = define_structural(
    "partition",
    lambda a, kth, axis=-1, kind="introselect": np.partition(a, kth, axis, kind),
    lambda g, out, a, kth, axis=-1, kind="introselect": sort_pullback(g, out, a, axis),
    formula=r"\operatorname{{partition}}\left({0}\right)",
    kinks=(neighbours,),
    cases=((((5,),), {"kth": 2}), (((4, 2),), {"kth": 1, "axis": 0})),
    numpy=(np.partition,),
)


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    """Columns in reverse order."""
    return flip(m, axis=1)


@implements(np.flipud)
def flipud(m: Any) -> Any:
    """Rows in reverse order."""
    return flip(m, axis=0)


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """The first half of each axis behind the second."""
    return shifted(x, axes, 0)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """What `fftshift` has moved, back in its place."""
    return shifted(x, axes, 1)


def shifted(x: Any, axes: Any, odd: int) -> Any:
    """Each axis rolled by half of its length, rounded up or down with `odd` 1 or 0."""
    chosen = normalize_axis_tuple(range(x.ndim) if axes is None else axes, x.ndim)
    return roll(x, tuple((x.shape[axis] + odd) // 2 for axis in chosen), chosen)


@implements(np.linalg.diagonal)
def matrix_diagonal(x: Any, *, offset: int = 0) -> Any:
    """The diagonals of the matrices that the last two axes hold."""
    return diagonal(x, offset=offset, axis1=-2, axis2=-1)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """The slices along an axis, or the entries, where a condition holds."""
    return take(a, np.flatnonzero(np.asarray(condition)), axis=axis)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """The entries where a condition holds."""
    return take(arr, np.flatnonzero(np.asarray(condition)))
