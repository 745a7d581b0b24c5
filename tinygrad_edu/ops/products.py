"""Products: two matrices, an affine map, any sum of products, and what NumPy makes of these.

The engine sums gradients over batch axes that were broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from string import ascii_letters
from typing import Any

import numpy as np

from ..engine.dispatch import implements
from ..engine.node import record
from ..engine.operation import define_structural, plain
from ..engine.value import Value
from ..errors import OperandError, ShapeError

RANKS = (
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
)


def product(a: Any, b: Any) -> Any:
    """a @ b. For two matrices `dot` does the same, in half the time where they are small."""
    alike = a.__class__ is b.__class__ and a.ndim == 2 and b.ndim == 2
    return a.dot(b) if alike else a @ b


def turned(a: Any) -> Any:
    """The transpose of the last two axes."""
    return a.T if a.ndim == 2 else np.swapaxes(a, -1, -2)


def matmul_left(g: Any, out: Any, a: Any, b: Any, bias: Any = None) -> Any:
    """The gradient of a in a @ b (+ bias)."""
    if a.ndim == b.ndim == 2:
        return product(g, b.T)
    if b.ndim == 1:
        return g[..., None] * b
    if a.ndim == 1:
        return (b @ g[..., None])[..., 0]
    return product(g, turned(b))


def matmul_right(g: Any, out: Any, a: Any, b: Any, bias: Any = None) -> Any:
    """The gradient of b in a @ b (+ bias)."""
    if a.ndim == b.ndim == 2:
        return product(a.T, g)
    if a.ndim == 1:
        return g * a if b.ndim == 1 else a[:, None] * g[..., None, :]
    if b.ndim == 1:
        return (turned(a) @ g[..., None])[..., 0]
    if b.ndim == 2 and a.ndim > 2:
        # One product over all batches instead of one each and a sum.
        rows = math.prod(a.shape[:-1])
        a, g = np.reshape(a, (rows, a.shape[-1])), np.reshape(g, (rows, g.shape[-1]))
    return product(turned(a), g)


matmul = define_structural(
    "matmul",
    product,
    (matmul_left, matmul_right),
    formula=r"{0} \, {1}",
    numpy=(np.matmul,),
    cases=(
        *((shapes, {}) for shapes in RANKS),
        (((5, 2, 3), (3, 4)), {}),
        (((2, 3), (5, 3, 4)), {}),
        (((5, 1, 2, 3), (4, 3, 2)), {}),
        (((3,), (5, 3, 2)), {}),
        (((5, 2, 3), (3,)), {}),
        (((0, 3), (3, 2)), {}),
    ),
)


affine = define_structural(
    "affine",
    lambda x, weight, bias: product(x, weight) + bias,
    (
        matmul_left,
        matmul_right,
        lambda g, out, x, weight, bias: g,  # the engine sums over the batch
    ),
    formula=r"{0} \, {1} + {2}",
    cases=(
        (((4, 2), (2, 3), (3,)), {}),
        (((2,), (2, 3), (3,)), {}),
        (((5, 4, 2), (2, 3), (3,)), {}),
        (((4, 2), (5, 2, 3), (5, 1, 3)), {}),
    ),
)


def rows_first(b: Any) -> Any:
    """b with the axis that `np.dot` sums over in front, the others behind it in one."""
    if b.ndim <= 2:
        return b
    axes = (b.ndim - 2, *range(b.ndim - 2), b.ndim - 1)
    columns = math.prod(b.shape[:-2]) * b.shape[-1]
    return np.reshape(np.transpose(b, axes), (b.shape[-2], columns))


def dot_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    """The gradient of a in np.dot(a, b)."""
    if not np.ndim(a) or not np.ndim(b):
        return g * b
    if b.ndim == 1:
        return g[..., None] * b
    columns = rows_first(b)
    return np.reshape(g, (*a.shape[:-1], columns.shape[1])) @ columns.T


def dot_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    """The gradient of b in np.dot(a, b)."""
    if not np.ndim(a) or not np.ndim(b):
        return g * a
    rows = math.prod(a.shape[:-1])
    left = np.reshape(a, (rows, a.shape[-1])).T
    if b.ndim == 1:
        return left @ np.reshape(g, (rows,))
    behind = (*b.shape[:-2], b.shape[-1])
    both = np.reshape(left @ np.reshape(g, (rows, math.prod(behind))), (b.shape[-2], *behind))
    last = b.ndim - 1
    return np.transpose(both, (*range(1, last), 0, last))


dot = define_structural(
    "dot",
    lambda a, b: np.dot(a, b),
    (dot_left, dot_right),
    formula=r"{0} \cdot {1}",
    numpy=(np.dot,),
    cases=(
        *((shapes, {}) for shapes in RANKS),
        (((), (2, 3)), {}),
        (((2, 3), (4, 3, 2)), {}),
        (((2, 2, 3), (2, 3, 2)), {}),
        (((2, 2, 3), (3,)), {}),
    ),
)


# ---- any sum of products ----


def einsum_pullback(
    g: Any, out: Any, *operands: Any, position: int, subscripts: str, optimize: Any = False
) -> Any:
    """The gradient of one operand: a sum of products of `g` and the other operands."""
    inputs, result = subscripts.split("->")
    terms, arrays = inputs.split(","), list(operands)
    term, shape = terms.pop(position), np.shape(arrays.pop(position))
    mine = dict(zip(term, shape, strict=True))
    terms, arrays = [result, *terms], [g, *arrays]
    others: dict[str, int] = {}
    for labels, array in zip(terms, arrays, strict=True):
        for label, length in zip(labels, np.shape(array), strict=True):
            others[label] = others.get(label, 1) if length == 1 else length
    # Summed over is what the others do not share; so is a length of 1 that was stretched to theirs.
    kept = [n for n in mine if n in others and (mine[n] != 1 or others[n] == 1)]
    together = f"{','.join(terms)}->{''.join(kept)}"
    message = np.einsum(together, *arrays, optimize=bool(optimize))
    lengths = tuple(mine.values())
    message = np.reshape(message, [others[n] if n in kept else 1 for n in mine])
    if message.shape != lengths:
        message = np.broadcast_to(message, lengths)
    if len(lengths) == len(term):
        return message
    # A label that occurs again was a diagonal, and goes back onto it.
    free = iter(sorted(set(ascii_letters) - set(term)))
    places = [n if term.index(n) == at else next(free) for at, n in enumerate(term)]
    again = [(n, place) for n, place in zip(term, places, strict=True) if n != place]
    units = [np.eye(mine[n], dtype=out.dtype) for n, _ in again]
    onto = ",".join(["".join(mine), *map("".join, again)])
    return np.einsum(f"{onto}->{''.join(places)}", message, *units)


einsum = define_structural(
    "einsum",
    lambda *operands, subscripts, optimize=False: np.einsum(
        subscripts, *operands, optimize=optimize
    ),
    einsum_pullback,
    formula=r"\operatorname{{einsum}}\left({0}, \ldots\right)",
    variadic=True,
    cases=(
        (((2, 3), (3, 4)), {"subscripts": "ij,jk->ik"}),
        (((2, 3), (3, 4), (4,)), {"subscripts": "ij,jk,k->i", "optimize": True}),
        (((3, 3),), {"subscripts": "ii->i"}),
        (((3, 3), (3,)), {"subscripts": "ii,j->ij"}),
        (((2, 2, 2),), {"subscripts": "iii->"}),
        (((2, 3),), {"subscripts": "ij->j"}),
        (((3, 2), (3, 3)), {"subscripts": "nd,nn->d"}),
        (((2, 1), (1, 3)), {"subscripts": "ij,ij->ij"}),
        (((3,), (1,)), {"subscripts": "i,i->"}),
        (((2, 1), (2, 3)), {"subscripts": "ij,ij->i"}),
        (((), (2,)), {"subscripts": ",i->i"}),
    ),
)


def canonical(*given: Any) -> tuple[str, list[Any]]:
    """The subscripts of an einsum, all of them letters and with an arrow, and its operands.

    Written in either of NumPy's ways. Raises `OperandError`, `ShapeError`.
    """
    if not isinstance(given[0], str):
        subscripts, operands = from_sublists(given)
    else:
        subscripts, operands = given[0].replace(" ", ""), list(given[1:])
    inputs, arrow, result = subscripts.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise OperandError(
            f"einsum {subscripts!r} is for {len(terms)} operands, and {len(operands)} are given"
        )
    labels = inputs.replace(",", "").replace(".", "")
    if not arrow:
        result = "..." * ("." in inputs) + "".join(
            sorted(n for n in set(labels) if labels.count(n) == 1)
        )
    if "." not in subscripts:
        return f"{inputs}->{result}", operands
    free = "".join(sorted(set(ascii_letters) - set(labels)))
    hidden = [
        np.ndim(a) - len(term.replace("...", "")) if "..." in term else 0
        for term, a in zip(terms, operands, strict=True)
    ]
    most = max(hidden)
    if min(hidden) < 0 or most > len(free):
        raise ShapeError(
            f"einsum {subscripts!r} does not fit operands of shapes {[*map(np.shape, operands)]}; "
            "write one label for each axis, and ... for the others"
        )
    terms = [
        term.replace("...", free[most - count : most])
        for term, count in zip(terms, hidden, strict=True)
    ]
    return f"{','.join(terms)}->{result.replace('...', free[:most])}", operands


def from_sublists(given: Sequence[Any]) -> tuple[str, list[Any]]:
    """Subscripts and operands of `operand, labels, operand, labels, ..., labels of the result`."""
    pairs, last = (given[:-1], given[-1:]) if len(given) % 2 else (given, ())
    lists = [list(labels) for labels in (*pairs[1::2], *last)]
    numbers = sorted({n for labels in lists for n in labels if n is not Ellipsis})
    if len(numbers) > len(ascii_letters):
        raise OperandError(f"einsum has {len(ascii_letters)} labels, and {len(numbers)} are given")
    # In the order of the numbers, which is that of the axes of a result that is not given.
    letters = dict(zip(numbers, sorted(ascii_letters), strict=False))
    terms = ["".join("..." if n is Ellipsis else letters[n] for n in labels) for labels in lists]
    inputs = ",".join(terms[: len(pairs) // 2])
    return "->".join([inputs, *terms[len(pairs) // 2 :]]), list(pairs[::2])


@implements(np.einsum)
def any_einsum(*operands: Any, optimize: Any = False) -> Any:
    """A sum of products as the subscripts say: any labels, repeated ones and `...` among them."""
    subscripts, arrays = canonical(*operands)
    return record(einsum, tuple(arrays), {"subscripts": subscripts, "optimize": plain(optimize)})


# ---- compositions ----


@implements(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    """The dot product of all entries."""
    return np.dot(np.reshape(a, -1), np.reshape(b, -1))


@implements(np.inner)
def inner(a: Any, b: Any) -> Any:
    """Sums of products over the last axes of both."""
    return np.dot(a, np.swapaxes(b, -1, -2) if np.ndim(a) and np.ndim(b) > 1 else b)


@implements(np.outer)
def outer(a: Any, b: Any) -> Any:
    """The product of each entry of `a` with each of `b`."""
    return np.reshape(a, (-1, 1)) * np.reshape(b, -1)


@implements(np.linalg.outer)
def outer_of_vectors(x1: Any, x2: Any) -> Any:
    """The product of each entry of one vector with each of another."""
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ShapeError(
            f"np.linalg.outer takes two vectors, not shapes {np.shape(x1)} and {np.shape(x2)}; "
            "np.outer takes any"
        )
    return outer(x1, x2)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sums of products over pairs of axes."""
    of_a, of_b = (range(-axes, 0), range(axes)) if isinstance(axes, int) else axes
    of_a, of_b = (
        [int(axis) % max(np.ndim(x), 1) for axis in np.atleast_1d(np.array(each, dtype=np.intp))]
        for x, each in ((a, of_a), (b, of_b))
    )
    shape_a, shape_b = np.shape(a), np.shape(b)
    summed = [shape_a[axis] for axis in of_a]
    if summed != [shape_b[axis] for axis in of_b]:
        raise ShapeError(
            f"np.tensordot of shapes {shape_a} and {shape_b} cannot sum over axes {of_a} of one "
            f"and {of_b} of the other: their lengths differ"
        )
    free_a = [axis for axis in range(len(shape_a)) if axis not in of_a]
    free_b = [axis for axis in range(len(shape_b)) if axis not in of_b]
    rows, columns = [shape_a[axis] for axis in free_a], [shape_b[axis] for axis in free_b]
    count = math.prod(summed)
    left = np.reshape(np.transpose(a, [*free_a, *of_a]), (math.prod(rows), count))
    right = np.reshape(np.transpose(b, [*of_b, *free_b]), (count, math.prod(columns)))
    return np.reshape(np.dot(left, right), (*rows, *columns))


@implements(np.linalg.tensordot)
def tensordot_of_arrays(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Sums of products over pairs of axes."""
    return tensordot(x1, x2, axes)


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """Kronecker's product: a copy of `b` for each entry of `a`, times that entry."""
    count = max(np.ndim(a), np.ndim(b))
    shape_a, shape_b = ((1,) * (count - np.ndim(x)) + np.shape(x) for x in (a, b))
    blocks = np.reshape(a, [n for m in shape_a for n in (m, 1)])
    inside = np.reshape(b, [n for m in shape_b for n in (1, m)])
    return np.reshape(blocks * inside, [m * n for m, n in zip(shape_a, shape_b, strict=True)])


@implements(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """The cross product of vectors in space; of two vectors in a plane, its third component."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    # NumPy itself says what it thinks of vectors of such lengths: 2 is deprecated.
    np.cross(np.zeros(a.shape[-1]), np.zeros(b.shape[-1]))
    if a.shape[-1] == b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = (
        x if x.shape[-1] == 3 else np.concatenate([x, np.zeros_like(x[..., :1])], axis=-1)
        for x in (a, b)
    )
    after, before = [1, 2, 0], [2, 0, 1]
    out = a[..., after] * b[..., before] - a[..., before] * b[..., after]
    return np.moveaxis(out, -1, axisc)


@implements(np.linalg.cross)
def cross_in_space(x1: Any, x2: Any, axis: int = -1) -> Any:
    """The cross product of vectors in space."""
    if np.shape(x1)[axis] != 3 or np.shape(x2)[axis] != 3:
        raise ShapeError(
            f"np.linalg.cross takes vectors of 3 components, and axis {axis} of shapes "
            f"{np.shape(x1)} and {np.shape(x2)} has others"
        )
    return cross(x1, x2, axis=axis)


@implements(np.linalg.matmul)
def matmul_of_arrays(x1: Any, x2: Any) -> Any:
    """The product of two matrices, or of two stacks of them."""
    return matmul(x1, x2)


def vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    """The dot products of the vectors along an axis."""
    return np.einsum("...i,...i->...", np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1))


def matvec(x1: Any, x2: Any) -> Any:
    """The products of matrices and vectors."""
    return (x1 @ x2[..., None])[..., 0]


def vecmat(x1: Any, x2: Any) -> Any:
    """The products of vectors and matrices."""
    return (x1[..., None, :] @ x2)[..., 0, :]


implements(np.linalg.vecdot)(vecdot)
for composition in (vecdot, matvec, vecmat):
    # NumPy 2.0 has none of them, 2.1 has the first.
    if ufunc := getattr(np, composition.__name__, None):
        implements(ufunc)(composition)


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any]) -> Any:
    """The product of several matrices, in the order that takes the fewest multiplications."""
    if len(arrays) < 2:
        raise OperandError("np.linalg.multi_dot takes two matrices or more")
    # The first may be a row, and the last a column.
    rows = [1 if not i and np.ndim(a) == 1 else np.shape(a)[0] for i, a in enumerate(arrays)]
    lengths = [*rows, np.shape(arrays[-1])[1] if np.ndim(arrays[-1]) == 2 else 1]

    @cache
    def cheapest(first: int, last: int) -> tuple[int, int]:
        """How many multiplications arrays `first` to `last` take, and before which to divide."""
        return min(
            (
                (
                    cheapest(first, middle - 1)[0]
                    + cheapest(middle, last)[0]
                    + lengths[first] * lengths[middle] * lengths[last + 1],
                    middle,
                )
                for middle in range(first + 1, last + 1)
            ),
            default=(0, first),
        )

    def multiplied(first: int, last: int) -> Any:
        if first == last:
            return arrays[first]
        middle = cheapest(first, last)[1]
        return np.dot(multiplied(first, middle - 1), multiplied(middle, last))

    return multiplied(0, len(arrays) - 1)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """A square matrix times itself `n` times; of its inverse for a negative `n`."""
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(
            f"np.linalg.matrix_power takes square matrices; the last two axes of {a.shape} differ"
        )
    if not n:
        unit = np.eye(a.shape[-1], dtype=a.dtype)
        return Value(np.broadcast_to(unit, a.shape), requires_grad=False)
    base, power = (a, n) if n > 0 else (np.linalg.inv(a), -n)
    result: Any = None
    while power:
        if power % 2:
            result = base if result is None else result @ base
        power //= 2
        base = base @ base if power else base
    return result
