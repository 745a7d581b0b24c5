"""Factorisations of matrices with as many digits as are asked for, by mpmath's algorithms.

What may have either sign has the one that it has in floats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..engine.operation import Operation
from ..errors import OperandError
from .numbers import context, lift, nearest


def table(matrix: Any) -> Any:
    """One of mpmath's matrices as an array."""
    return np.array(matrix.tolist(), dtype=object).reshape(matrix.rows, matrix.cols)


def symmetric(a: Any) -> Any:
    """The matrix that NumPy reads from the lower triangle."""
    for i in range(a.rows):
        for j in range(i + 1, a.cols):
            a[i, j] = a[j, i]
    return a


def inverse(a: Any) -> Any:
    """Raises `OperandError` for a singular matrix."""
    try:
        return context().inverse(a)
    except ZeroDivisionError:
        raise OperandError("a singular matrix has no inverse") from None


def slogdet(a: Any) -> Any:
    """Sign and logarithm of the determinant."""
    det = context().det(a)
    return np.array([context().sign(det), context().log(abs(det))], dtype=object)


def pinv(a: Any) -> Any:
    """The pseudoinverse of a matrix of full rank."""
    tall = a.rows >= a.cols
    return table(inverse(a.T * a) * a.T if tall else a.T * inverse(a * a.T))


def singular_vectors(a: Any) -> Any:
    """Those on the left above those on the right, in columns."""
    u, _, v = context().svd_r(a)
    return np.concatenate([table(u), table(v.T)])


def qr(a: Any) -> Any:
    """Q above R."""
    q, r = context().qr(a, mode="skinny")
    return np.concatenate([table(q), table(r)])


# What the records of these names are for one of mpmath's matrices, or for two.
MATRICES: dict[str, Callable[..., Any]] = {
    "inv": lambda a: table(inverse(a)),
    "solve": lambda a, b: table(inverse(a) * b),
    "det": lambda a: np.array(context().det(a), dtype=object),
    "slogdet": slogdet,
    "pinv": pinv,
    "cholesky": lambda a: table(context().cholesky(symmetric(a))),
    "eigvalsh": lambda a: table(context().eigsy(symmetric(a), eigvals_only=True)),
    "eigenvectors": lambda a: table(context().eigsy(symmetric(a))[1]),
    "svdvals": lambda a: table(context().svd_r(a, compute_uv=False)),
    "singular_vectors": singular_vectors,
    "qr": qr,
}


def factorised(op: Operation, operands: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """What a record of MATRICES is for such numbers; `known` is what it is for floats."""
    floats = [np.reshape([nearest(x) for x in a.ravel().tolist()], a.shape) for a in operands]
    known = np.asarray(op.forward(*floats, **options))
    # NumPy takes one axis for a vector, more for matrices.
    matrices = [a[:, None] if a.ndim == 1 else a for a in operands]
    batch = np.broadcast_shapes(*(a.shape[:-2] for a in matrices))
    parts = [np.broadcast_to(a, (*batch, *a.shape[-2:])) for a in matrices]
    out = known.astype(object)
    for index in np.ndindex(batch):
        given = [part[index] for part in parts]
        if all(each.size for each in given):
            made = MATRICES[op.name](*(context().matrix(each.tolist()) for each in given))
            out[index] = signed(op.name, made.reshape(known[index].shape), known[index])[()]
    return lift(out)


def signed(name: str, made: Any, known: Any) -> Any:
    """What may be turned round, as it is in floats."""
    if name not in ("eigenvectors", "singular_vectors", "qr"):
        return made
    columns = made.shape[-1]
    above = -columns if name == "qr" else None
    signs = np.where(np.sum(made[:above] * known[:above], axis=0) < 0, -1, 1)
    if name != "qr":
        return made * signs
    return np.concatenate([made[:above] * signs, made[above:] * signs[:, None]])
