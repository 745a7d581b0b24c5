"""Inverses, determinants, norms and factorisations of matrices, and of stacks of them.

A factorisation is one record for each result, so that what is not used costs nothing backwards and
spoils nothing: where two eigenvalues are equal they have a derivative, in their sum, while their
vectors have none. The price is that of the values alone, a fraction of that of the vectors. Results
that have a gauge in common, the singular vectors on both sides or Q and R, are one array, of which
the parts are views.

Of a symmetric matrix NumPy reads one triangle, the lower one by default, and takes the other for
granted. So the gradient is in that triangle, counted twice off the diagonal, and 0 in the other:
then it is the slope of what is computed, whatever the other triangle holds. Other libraries spread
it evenly over both; of a matrix computed as b bᵀ, say, the gradient of b is the same.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from math import inf
from typing import Any

import numpy as np

from ..engine.dispatch import implements
from ..engine.operation import Structural, ThroughOutput, define_structural
from ..errors import OperandError, ShapeError
from .products import turned
from .reductions import kept_shape

SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))
EighResult: Any = type(np.linalg.eigh(np.eye(1)))
SVDResult: Any = type(np.linalg.svd(np.eye(1)))
QRResult: Any = type(np.linalg.qr(np.eye(1)))

SQUARE = (((3, 3),), ((2, 2, 2),), ((1, 1),))
TALL_AND_WIDE = (((3, 2),), ((2, 3),), ((2, 2),), ((2, 3, 2),))


def on_triangle(gradient: Any, UPLO: str = "L") -> Any:
    """The gradient of a symmetric matrix as that of the triangle it is read from."""
    both = gradient + turned(gradient)
    triangle = np.tril(np.ones(both.shape[-2:], both.dtype), -1)
    return both * ((triangle if UPLO.upper() == "L" else triangle.T) + np.eye(len(triangle)) / 2)


def smallest_singular_value(a: Any, *others: Any, **options: Any) -> Any:
    """How far a matrix is from one of lower rank."""
    return svdvals_forward(a).min(axis=-1, initial=inf)


def singular_value_gaps(a: Any, **options: Any) -> Any:
    """How far the singular values are from one another."""
    return np.diff(svdvals_forward(a))


def eigenvalue_gaps(a: Any, UPLO: Any = "L", **options: Any) -> Any:
    """How far the eigenvalues are from one another."""
    return np.diff(np.linalg.eigvalsh(a, UPLO))


# ---- inverses and determinants ----


inv = define_structural(
    "inv",
    lambda a: np.linalg.inv(a),
    lambda g, out, a: -(turned(out) @ g @ turned(out)),
    formula="{{{0}}}^{{-1}}",
    numpy=(np.linalg.inv,),
    edges=(smallest_singular_value,),
    cases=[(shapes, {}) for shapes in SQUARE],
)


def columns(array: Any, b: Any) -> Any:
    """An array of the shape of a solution, a matrix where `b` is a vector."""
    return array[..., None] if b.ndim == 1 else array


def solve_right(g: Any, out: Any, a: Any, b: Any) -> Any:
    """The gradient of b in a⁻¹ b."""
    solved = np.linalg.solve(turned(a), columns(g, b))
    return solved[..., 0] if b.ndim == 1 else solved


def solve_left(g: Any, out: Any, a: Any, b: Any) -> Any:
    """The gradient of a in a⁻¹ b."""
    return -(np.linalg.solve(turned(a), columns(g, b)) @ turned(columns(out, b)))


solve = define_structural(
    "solve",
    lambda a, b: np.linalg.solve(a, b),
    (solve_left, solve_right),
    formula="{{{0}}}^{{-1}} {1}",
    numpy=(np.linalg.solve,),
    edges=(smallest_singular_value,),
    cases=(
        (((3, 3), (3,)), {}),
        (((3, 3), (3, 2)), {}),
        (((2, 2, 2), (2,)), {}),
        (((2, 2, 2), (2, 1)), {}),
        (((2, 2), (3, 2, 2)), {}),
    ),
)

# Matrices up to this size have their minors computed one by one: n⁵ steps, right to any order.
SMALL = 6
# The condition up to which an inverse keeps all but four digits.
REGULAR = 1e4


@cache
def minors(n: int) -> tuple[Any, Any, Any]:
    """Rows and columns of the minors of an n × n matrix, and their signs as cofactors."""
    each = np.arange(n)
    others = np.array([np.delete(each, i) for i in each], dtype=np.intp).reshape(n, max(n - 1, 0))
    signs = (-1.0) ** (each[:, None] + each)
    return others[:, None, :, None], others[None, :, None, :], signs


def cofactors(a: Any) -> Any:
    """The derivative of the determinant by each entry; of a large matrix by its inverse."""
    n = a.shape[-1]
    if n > SMALL:
        return np.linalg.det(a)[..., None, None] * turned(np.linalg.inv(a))
    rows, columns, signs = minors(n)
    return signs * np.linalg.det(a[..., rows, columns])


def cofactors_of_arrays(a: Any) -> Any:
    """The same, also of a large matrix that has no inverse: slower where it is near one."""
    n = a.shape[-1]
    if n <= SMALL:
        return cofactors(a)
    with suppress(np.linalg.LinAlgError):
        inverse = np.linalg.inv(a)
        if np.all(p_norm(a, axis=(-2, -1)) * p_norm(inverse, axis=(-2, -1)) < REGULAR):
            return np.linalg.det(a)[..., None, None] * turned(inverse)
    u, s, vh = np.linalg.svd(a)
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(axis=-1)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return sign[..., None, None] * (u * others[..., None, :]) @ vh


det = define_structural(
    "det",
    lambda a: np.linalg.det(a),
    ThroughOutput(
        rule=lambda g, out, a: g[..., None, None] * cofactors(a),
        on_arrays=lambda g, out, a: g[..., None, None] * cofactors_of_arrays(a),
        definition=lambda g, out, a: g[..., None, None] * cofactors(a),
    ),
    formula=r"\det {0}",
    numpy=(np.linalg.det,),
    cases=[(shapes, {}) for shapes in (*SQUARE, ((SMALL + 1, SMALL + 1),))],
)


def slogdet_forward(a: Any) -> Any:
    """Sign and logarithm of the determinant, side by side."""
    return np.stack(np.linalg.slogdet(a), axis=-1)


log_determinant = define_structural(
    "slogdet",
    slogdet_forward,
    lambda g, out, a: g[..., 1, None, None] * turned(np.linalg.inv(a)),
    formula=r"\log \left|\det {0}\right|",
    edges=(smallest_singular_value,),
    cases=[(shapes, {}) for shapes in SQUARE],
)


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """The sign of the determinant, untracked, and the logarithm of its size."""
    both = log_determinant(a)
    return SlogdetResult(both[..., 0].detach(), both[..., 1])


def pinv_pullback(g: Any, out: Any, a: Any, rcond: Any = None) -> Any:
    """The gradient where the rank does not change (Golub and Pereyra 1973)."""
    back, forth = turned(g), turned(out)
    return (
        (back - a @ (out @ back)) @ out @ forth
        + forth @ out @ (back - (back @ out) @ a)
        - forth @ g @ forth
    )


pseudoinverse = define_structural(
    "pinv",
    lambda a, rcond=None: np.linalg.pinv(a) if rcond is None else np.linalg.pinv(a, rcond),
    pinv_pullback,
    formula="{{{0}}}^{{+}}",
    edges=(smallest_singular_value,),
    cases=[(shapes, {}) for shapes in TALL_AND_WIDE],
)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, rtol: Any = None) -> Any:
    """The pseudoinverse; its derivative is that among matrices of the same rank."""
    return pseudoinverse(a, rcond=rtol if rcond is None else rcond)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of a tensor as a matrix: rows are its first `ind` axes, columns the others."""
    rows, columns = a.shape[:ind], a.shape[ind:]
    return np.reshape(np.linalg.inv(np.reshape(a, (int(np.prod(rows)), -1))), (*columns, *rows))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The x for which `np.tensordot(a, x, x.ndim)` is b."""
    if axes is not None:
        a = np.moveaxis(a, axes, range(-len(axes), 0))
    matrix = np.reshape(a, (np.size(b), -1))
    return np.reshape(np.linalg.solve(matrix, np.reshape(b, -1)), a.shape[np.ndim(b) :])


# ---- traces and norms ----


@implements(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of a diagonal."""
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)


@implements(np.linalg.trace)
def trace_of_matrices(x: Any, offset: int = 0) -> Any:
    """The sum of a diagonal of each matrix."""
    return trace(x, offset, -2, -1)


def norm_forward(x: Any, ord: Any = 2, axis: Any = None, keepdims: bool = False) -> Any:
    """(Σ |x|ᵖ)¹ᐟᵖ, also where the powers overflow or vanish."""
    with np.errstate(over="ignore"):
        out = power_norm(x, ord, axis, keepdims)
    limits = np.finfo(x.dtype)
    least = (limits.tiny / limits.eps) ** (1 / max(ord, 1))
    if ord < 1 or np.all((out > least) & (out < inf)):
        return out
    largest = np.max(np.abs(x), axis=axis, keepdims=True, initial=0)
    unit = np.where((largest > 0) & (largest < inf), largest, 1)
    return power_norm(x / unit, ord, axis, keepdims) * np.reshape(unit, np.shape(out))


def power_norm(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    """(Σ |x|ᵖ)¹ᐟᵖ as it is written."""
    if ord == 2:
        return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
    return np.sum(np.abs(x) ** ord, axis=axis, keepdims=keepdims) ** (1 / ord)


def norm_pullback(
    g: Any, out: Any, x: Any, ord: Any = 2, axis: Any = None, keepdims: bool = False
) -> Any:
    """The gradient of a norm: a vector of length 1 in the dual norm, and 0 where x is 0."""
    kept = kept_shape(x.shape, axis)
    g, out = np.reshape(g, kept), np.reshape(out, kept)
    share = x / np.where(out == 0, inf, out)
    if ord == 2:
        return share * g
    return np.sign(x) * np.abs(share) ** (ord - 1) * g


def length(x: Any, **options: Any) -> Any:
    """0 where all entries are 0: the norm itself."""
    return norm_forward(x, **options) if x.size else inf


p_norm = define_structural(
    "norm",
    norm_forward,
    norm_pullback,
    formula=r"\left\| {0} \right\|",
    kinks=(length,),
    # Odd powers of |x| bend where an entry changes its sign.
    edges=(lambda x, ord=2, axis=None, keepdims=False: 1.0 if ord % 2 == 0 else x,),
    extremes=((1e200,), (1e-200,), (0.0,)),
    definition=lambda x, ord=2, axis=None, keepdims=False: power_norm(x, ord, axis, keepdims),
    cases=(
        (((3,),), {}),
        (((2, 3),), {}),
        (((2, 3),), {"axis": 1, "keepdims": True}),
        (((2, 3, 2),), {"axis": (0, -1)}),
        (((2, 3),), {"ord": 3, "axis": 0}),
        (((3,),), {"ord": 2.5}),
        (((4,),), {"ord": 4}),
    ),
)


def norm_along(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    """A norm of the vectors along one axis or several."""
    if isinstance(ord, str):
        raise OperandError(
            f"a vector has no norm {ord!r}; give ord a number, np.inf or -np.inf, or two axes"
        )
    if ord == inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == -inf:
        return np.min(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum((x != 0).astype(x.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    return p_norm(x, ord=2 if ord is None else ord, axis=axis, keepdims=keepdims)


def norm_of_matrices(x: Any, ord: Any) -> Any:
    """A norm of the matrices in the last two axes."""
    if ord in (None, "fro", "f"):
        return p_norm(x, axis=(-2, -1))
    if ord in (1, -1, inf, -inf):
        sums = np.sum(np.abs(x), axis=-2 if abs(ord) == 1 else -1)
        return np.max(sums, axis=-1) if ord > 0 else np.min(sums, axis=-1)
    if ord in (2, -2):
        return singular_values(x)[..., 0 if ord > 0 else -1]
    if ord == "nuc":
        return np.sum(singular_values(x), axis=-1)
    raise OperandError(
        f"a matrix has no norm {ord!r} here; give ord one of 'fro', 'nuc', 1, -1, 2, -2, np.inf, "
        "-np.inf, or one axis for a norm of vectors"
    )


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """A norm of vectors or matrices; that of zeros has derivative 0."""
    if axis is None:
        if ord is None:
            return p_norm(x, keepdims=keepdims)
        if x.ndim not in (1, 2):
            raise ShapeError(
                f"np.linalg.norm with ord takes a vector or a matrix, not shape {x.shape}; give "
                "axis one axis for norms of vectors, two for norms of matrices"
            )
        axis = tuple(range(x.ndim))
    axes = axis if isinstance(axis, tuple) else (int(axis),)
    if len(axes) == 1:
        return norm_along(x, ord, axes, keepdims)
    if len(axes) != 2:
        raise ShapeError(f"np.linalg.norm takes one axis or two, not {axes}")
    out = norm_of_matrices(np.moveaxis(x, axes, (-2, -1)), ord)
    return np.expand_dims(out, tuple(each % x.ndim for each in axes)) if keepdims else out


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """A norm of the vectors along one axis or several, of all entries if None."""
    return norm_along(x, ord, axis, keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, keepdims: bool = False, ord: Any = "fro") -> Any:
    """A norm of each matrix."""
    return norm(x, ord, (-2, -1), keepdims)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """How many times larger a relative error may get by solving for x."""
    if p in (None, 2, -2):
        s = singular_values(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(x, ord=p) * matrix_norm(np.linalg.inv(x), ord=p)


# ---- factorisations ----


def cholesky_pullback(g: Any, out: Any, a: Any) -> Any:
    """The gradient of a in a = L Lᵀ (Murray 2016, arXiv:1602.07527)."""
    back = turned(out)
    half = np.tril(np.ones(out.shape[-2:]), -1) + np.eye(out.shape[-1]) / 2
    return on_triangle(np.linalg.solve(back, turned(np.linalg.solve(back, half * (back @ g)))))


factor = define_structural(
    "cholesky",
    lambda a: np.linalg.cholesky(a),
    cholesky_pullback,
    formula=r"\operatorname{{cholesky}}\left({0}\right)",
    edges=(lambda a: np.maximum(np.linalg.eigvalsh(a), 0),),
    cases=[(shapes, {}) for shapes in SQUARE],
)


@implements(np.linalg.cholesky)
def cholesky(a: Any, upper: bool = False) -> Any:
    """The triangular L of a = L Lᵀ, or Lᵀ if `upper`, from the lower triangle or the upper one."""
    return turned(factor(turned(a))) if upper else factor(a)


def sided(vectors: Any) -> Any:
    """The vectors in the columns, each on one side of a plane: continuous where they are."""
    return vectors * np.where(height(vectors) < 0, -1, 1)[..., None, :].astype(vectors.dtype)


def height(vectors: Any) -> Any:
    """How far the vectors in the columns are above a plane."""
    return np.tensordot(vectors, 1 + 0.618 * np.arange(vectors.shape[-2]), (-2, 0))


eigenvalues = define_structural(
    "eigvalsh",
    lambda a, UPLO="L": np.linalg.eigvalsh(a, UPLO),
    lambda g, out, a, UPLO="L": on_triangle(spanned(eigenvectors(a, UPLO=UPLO), g), UPLO),
    formula=r"\lambda\left({0}\right)",
    edges=(eigenvalue_gaps,),
    cases=[(shapes, {}) for shapes in SQUARE],
)


def spanned(v: Any, numbers: Any) -> Any:
    """V diag(numbers) Vᵀ."""
    return (v * numbers[..., None, :]) @ turned(v)


def eigenvectors_forward(a: Any, UPLO: Any = "L", side: str = "") -> Any:
    """Eigenvectors in columns, with LAPACK's signs; with a `side`, all on one of a plane."""
    v = np.linalg.eigh(a, UPLO).eigenvectors
    return sided(v) if side else v


def eigenvectors_pullback(g: Any, out: Any, a: Any, UPLO: str = "L", side: str = "") -> Any:
    """V (F ∘ Vᵀg) Vᵀ with F = 1 / (λj − λi): not finite where two eigenvalues are equal."""
    same = np.eye(a.shape[-1])
    values = eigenvalues(a, UPLO=UPLO)
    gaps = values[..., None, :] - values[..., :, None]
    inner = (1 - same) * (turned(out) @ g) / (gaps + same)
    return on_triangle(out @ inner @ turned(out), UPLO)


eigenvectors: Structural = define_structural(
    "eigenvectors",
    eigenvectors_forward,
    eigenvectors_pullback,
    formula=r"V\left({0}\right)",
    edges=(
        eigenvalue_gaps,
        lambda a, **options: height(eigenvectors_forward(a, options.get("UPLO", "L"))),
    ),
    cases=[(shapes, {"side": "up"}) for shapes in SQUARE],
)


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of a symmetric matrix, in ascending order."""
    return eigenvalues(a, UPLO=UPLO)


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of a symmetric matrix and, in columns, its eigenvectors."""
    return EighResult(eigenvalues(a, UPLO=UPLO), eigenvectors(a, UPLO=UPLO))


def svdvals_forward(a: Any) -> Any:
    """Singular values in descending order."""
    return np.linalg.svd(a, compute_uv=False)


def svdvals_pullback(g: Any, out: Any, a: Any) -> Any:
    """U diag(g) Vᵀ."""
    u, v = apart(singular_vectors(a), a)
    return (u * g[..., None, :]) @ turned(v)


def apart(both: Any, a: Any) -> tuple[Any, Any]:
    """The vectors on the left, and those on the right."""
    rows = a.shape[-2]
    return both[..., :rows, :], both[..., rows:, :]


singular_values = define_structural(
    "svdvals",
    svdvals_forward,
    svdvals_pullback,
    formula=r"\sigma\left({0}\right)",
    numpy=(np.linalg.svdvals,),
    edges=(singular_value_gaps, smallest_singular_value),
    cases=[(shapes, {}) for shapes in TALL_AND_WIDE],
)


def singular_vectors_forward(a: Any, side: str = "") -> Any:
    """The vectors on the left, in columns, above those on the right; signs as of eigenvectors."""
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    both = np.concatenate([u, turned(vh)], axis=-2)
    return sided(both) if side else both


def singular_vectors_pullback(g: Any, out: Any, a: Any, side: str = "") -> Any:
    """The gradient of a in a = U S Vᵀ: not finite where two singular values are equal."""
    (u, v), (gu, gv) = apart(out, a), apart(g, a)
    s = singular_values(a)
    row, column = s[..., None, :], s[..., :, None]
    same = np.eye(s.shape[-1])
    gaps = (row - column) * (row + column) + same
    left, right = turned(u) @ gu, turned(v) @ gv
    inner = (left - turned(left)) / gaps * row + column * ((right - turned(right)) / gaps)
    total = u @ inner @ turned(v)
    if a.shape[-2] > a.shape[-1]:
        total = total + ((gu - u @ left) / row) @ turned(v)
    if a.shape[-2] < a.shape[-1]:
        total = total + (u / row) @ turned(gv - v @ right)
    return total


singular_vectors: Structural = define_structural(
    "singular_vectors",
    singular_vectors_forward,
    singular_vectors_pullback,
    formula=r"U, V\left({0}\right)",
    edges=(
        singular_value_gaps,
        smallest_singular_value,
        lambda a, **options: height(singular_vectors_forward(a)),
    ),
    cases=[(shapes, {"side": "up"}) for shapes in TALL_AND_WIDE],
)


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular values and vectors, as many as there are rows or columns, whichever are fewer."""
    if not compute_uv:
        return singular_values(a)
    if full_matrices and a.shape[-1] != a.shape[-2]:
        raise OperandError(
            "np.linalg.svd of a Value gives no vectors without a singular value, since they may be "
            "turned at will; pass full_matrices=False"
        )
    u, v = apart(singular_vectors(a), a)
    return SVDResult(u, singular_values(a), turned(v))


def qr_forward(a: Any, side: str = "") -> Any:
    """Q above R, of a matrix with no more columns than rows; with a `side`, R's diagonal is > 0."""
    q, r = np.linalg.qr(a)
    both = np.concatenate([q, r], axis=-2)
    if not side:
        return both
    signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1, 1).astype(r.dtype)
    return np.concatenate([q * signs[..., None, :], r * signs[..., :, None]], axis=-2)


def qr_pullback(g: Any, out: Any, a: Any, side: str = "") -> Any:
    """The gradient of a in a = Q R (Walter and Lehmann 2018, arXiv:1001.1654)."""
    (q, r), (gq, gr) = apart(out, a), apart(g, a)
    inner = np.tril(r @ turned(gr) - turned(gq) @ q)
    mirrored = inner + turned(inner) * (1 - np.eye(a.shape[-1]))
    return turned(np.linalg.solve(r, turned(gq + q @ mirrored)))


orthogonal = define_structural(
    "qr",
    qr_forward,
    qr_pullback,
    formula=r"Q, R\left({0}\right)",
    edges=(smallest_singular_value,),
    cases=[(shapes, {"side": "up"}) for shapes in (((3, 2),), ((2, 2),), ((2, 3, 2),))],
)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """The orthogonal Q and the triangular R of a = Q R, or R alone with mode "r"."""
    rows, columns = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and rows <= columns):
        raise OperandError(
            f"np.linalg.qr of a Value has no mode {mode!r} for shape {a.shape}; "
            'give "reduced" or "r"'
        )
    q, r = apart(orthogonal(a[..., :rows] if columns > rows else a), a)
    if columns > rows:
        r = np.concatenate([r, turned(q) @ a[..., rows:]], axis=-1)
    return r if mode == "r" else QRResult(q, r)
