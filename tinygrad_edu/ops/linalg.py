"""Records of products of matrices. The engine sums gradients over broadcast batch axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine.operation import define_structural

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
    if b.ndim == 1:
        return g[..., None] * b
    if a.ndim == 1:
        return (b @ g[..., None])[..., 0]
    return product(g, turned(b))


def matmul_right(g: Any, out: Any, a: Any, b: Any, bias: Any = None) -> Any:
    """The gradient of b in a @ b (+ bias)."""
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
