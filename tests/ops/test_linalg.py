"""Products, inverses, determinants, norms and factorisations: values, slopes, errors."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.ops.composed import agrees
from tinygrad_edu.errors import OperandError, ShapeError
from tinygrad_edu.ops.matrices import SMALL

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value
linalg: Any = np.linalg

rng = np.random.default_rng(5)


def drawn(*shape: int) -> Any:
    """Multiples of 1/4, none of them 0, and few of them equal."""
    count = int(np.prod(shape))
    signs = rng.choice((-1.0, 1.0), count)
    return ((rng.permutation(count) + 1) / 4 * signs).reshape(shape)[()]


V, W, S = drawn(3), drawn(3), drawn()
M, N = drawn(2, 3), drawn(3, 2)
T = drawn(2, 3, 2)
A = drawn(3, 3) + 4 * np.eye(3)
AA = drawn(2, 2, 2) + 3 * np.eye(2)


def positive(*shape: int) -> Any:
    """Positive definite matrices with eigenvalues far from one another."""
    factor = np.tril(rng.uniform(0.5, 1.0, shape)) + np.diag(1.0 + np.arange(shape[-1]))
    return factor @ np.swapaxes(factor, -1, -2)


P, PP = positive(3, 3), positive(2, 2, 2)

# ---- products ----

PRODUCTS: dict[str, tuple[Any, ...]] = {
    "einsum, implicit": (lambda a, b: np.einsum("ij,jk", a, b), M, N),
    "einsum, implicit trace": (lambda a: np.einsum("ii", a), A),
    "einsum, transpose": (lambda a: np.einsum("ji", a), M),
    "einsum, outer": (lambda a, b: np.einsum("ij,k", a, b), M, V),
    "einsum, spaces": (lambda a, b: np.einsum(" i j , j -> i ", a, b), M, V),
    "einsum, batches": (lambda a, b: np.einsum("...ij,...jk->...ik", a, b), T, drawn(2, 2)),
    "einsum, batches on one side": (lambda a, b: np.einsum("...j,j", a, b), M, V),
    "einsum, other batches": (lambda a, b: np.einsum("i...,j...->ij...", a, b), T, drawn(2, 1, 2)),
    "einsum, diagonals": (lambda a: np.einsum("...ii->...i", a), AA),
    "einsum, weighted diagonals": (lambda a, b: np.einsum("nd,nn->d", a, b), N, A),
    "einsum, a cube's diagonal": (lambda a: np.einsum("iii->i", a), drawn(2, 2, 2)),
    "einsum, two diagonals": (lambda a: np.einsum("ijij->j", a), drawn(2, 2, 2, 2)),
    "einsum, stretched": (lambda a, b: np.einsum("i,i", a, b), V, drawn(1)),
    "einsum, stretched axes": (lambda a, b: np.einsum("ij,ij->ij", a, b), drawn(3, 1), drawn(1, 2)),
    "einsum, a stretched diagonal": (lambda a, b: np.einsum("ii,i->i", a, b), drawn(1, 1), V),
    "einsum, three": (lambda a, b, c: np.einsum("ij,jk,k->i", a, b, c), M, N, drawn(2)),
    "einsum, optimized": (
        lambda a, b, c: np.einsum("ij,jk,k->i", a, b, c, optimize=True),
        M,
        N,
        drawn(2),
    ),
    "einsum, by a path": (
        lambda a, b, c: np.einsum("ij,jk,k->i", a, b, c, optimize=["einsum_path", (1, 2), (0, 1)]),
        M,
        N,
        drawn(2),
    ),
    "einsum, a number": (lambda a, b: np.einsum(",i->i", a, b), S, V),
    "einsum, summed away": (lambda a: np.einsum("abcd->bd", a), drawn(2, 1, 3, 2)),
    "einsum, the same thrice": (lambda a: np.einsum("i,i,i->i", a, a, a), V),
    "einsum, a constant": (lambda a: np.einsum("ij,j,jk->ik", M, a, N), V),
    "einsum, sublists": (lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]), M, N),
    "einsum, implicit sublists": (lambda a, b: np.einsum(a, (7, 3), b, (3, 5)), M, N),
    "einsum, sublists and batches": (
        lambda a, b: np.einsum(a, [..., 0, 1], b, [1], [0, ...]),
        T,
        drawn(2),
    ),
    "inner": (np.inner, M, drawn(2, 2, 3)),
    "inner of vectors": (np.inner, V, W),
    "inner with a number": (lambda a: np.inner(1.5, a), M),
    "outer": (np.outer, M, V),
    "vdot": (np.vdot, M, drawn(2, 3)),
    "dot of stacks": (np.dot, T, drawn(2, 2, 3)),
    "tensordot": (np.tensordot, drawn(2, 2, 3), drawn(2, 3, 2)),
    "tensordot, 0": (lambda a, b: np.tensordot(a, b, 0), M, V),
    "tensordot, 1": (lambda a, b: np.tensordot(a, b, axes=1), M, N),
    "tensordot, pairs": (lambda a, b: np.tensordot(a, b, ([0, -1], [1, 0])), T, drawn(2, 2, 2)),
    "tensordot, an axis of each": (lambda a, b: np.tensordot(a, b, (0, 1)), M, N.reshape(3, 2)),
    "tensordot with a number": (lambda a, b: np.tensordot(a, b, 0), S, V),
    "kron": (np.kron, drawn(2, 2), V),
    "kron with a number": (np.kron, V, S),
    "kron of matrices": (np.kron, M, N),
    "cross": (np.cross, M, V),
    "cross along axes": (lambda a, b: np.cross(a, b, axisa=0, axisb=1, axisc=0), N, M),
    "cross along one axis": (lambda a, b: np.cross(a, b, axis=0), N, drawn(3, 2)),
    "linalg.cross": (lambda a, b: linalg.cross(a, b, axis=0), N, drawn(3, 2)),
    "linalg.matmul": (linalg.matmul, M, N),
    "linalg.outer": (linalg.outer, V, W),
    "linalg.tensordot": (lambda a, b: linalg.tensordot(a, b, axes=1), M, N),
    "linalg.vecdot": (linalg.vecdot, M, V),
    "linalg.vecdot along an axis": (lambda a, b: linalg.vecdot(a, b, axis=0), N, drawn(3, 2)),
    "multi_dot": (lambda *a: linalg.multi_dot(a), V, N, M, W),
    "multi_dot of two": (lambda *a: linalg.multi_dot(a), M, N),
    "matrix_power": (lambda a: linalg.matrix_power(a, 3), AA),
    "matrix_power, negative": (lambda a: linalg.matrix_power(a, -2), A),
    **{
        name: (getattr(np, name), *arrays)
        for name, *arrays in (("vecdot", M, V), ("matvec", T, drawn(2)), ("vecmat", V, T))
        if hasattr(np, name)
    },
}

# ---- inverses, determinants, norms, factorisations ----

HALF = np.tril(np.ones((3, 3)))
MATRICES: dict[str, tuple[Any, ...]] = {
    "inv": (linalg.inv, A),
    "inv of a stack": (linalg.inv, AA),
    "solve for a vector": (linalg.solve, A, V),
    "solve for columns": (linalg.solve, A, N),
    "solve a stack for a vector": (linalg.solve, AA, drawn(2)),
    "solve a stack for a stack": (linalg.solve, AA, drawn(2, 2, 3)),
    "solve one for a stack": (linalg.solve, A, T),
    "det": (linalg.det, A),
    "det of a stack": (linalg.det, AA),
    "det of zeros": (linalg.det, np.zeros((2, 2))),
    "log |det|": (lambda a: linalg.slogdet(a)[1], A),
    "log |det| of a stack": (lambda a: linalg.slogdet(a).logabsdet, AA),
    "pinv": (linalg.pinv, N),
    "pinv of a stack": (lambda a: linalg.pinv(a, rcond=1e-12), T),
    "tensorinv": (lambda a: linalg.tensorinv(np.reshape(a, (2, 2, 4)), 2), positive(4, 4)),
    "tensorsolve": (
        lambda a, b: linalg.tensorsolve(np.reshape(a, (2, 4, 2)), b, axes=(0,)),
        positive(4, 4),
        drawn(4),
    ),
    "trace": (np.trace, A),
    "trace, offset": (lambda a: np.trace(a, 1, 2, 0), T),
    "linalg.trace": (lambda a: linalg.trace(a, offset=-1), AA),
    "linalg.diagonal": (lambda a: linalg.diagonal(a, offset=1), T),
    **{
        f"norm {ord} of a vector": (lambda a, ord=ord: linalg.norm(a, ord), V)
        for ord in (None, 1, 2, 3, 2.5, 0.5, -1, -2, np.inf, -np.inf)
    },
    **{
        f"norm {ord} of a matrix": (lambda a, ord=ord: linalg.norm(a, ord), M)
        for ord in (None, "fro", "nuc", 1, 2, -1, -2, np.inf, -np.inf)
    },
    **{
        f"norm {ord} of a stack": (
            lambda a, ord=ord: linalg.norm(a, ord, axis=(2, 0), keepdims=True),
            T,
        )
        for ord in ("fro", "nuc", -1, 2, np.inf)
    },
    "norm of everything": (linalg.norm, T),
    "norm along an axis": (lambda a: linalg.norm(a, axis=-1, keepdims=True), T),
    "norm 3 along an axis": (lambda a: linalg.norm(a, 3, 0), T),
    "norm of a matrix's entries": (lambda a: linalg.norm(a, keepdims=True), M),
    "vector_norm": (lambda a: linalg.vector_norm(a, axis=(0, 2), ord=1), T),
    "vector_norm of everything": (lambda a: linalg.vector_norm(a, keepdims=True), T),
    "matrix_norm": (linalg.matrix_norm, T),
    "matrix_norm, nuclear": (lambda a: linalg.matrix_norm(a, ord="nuc", keepdims=True), T),
    **{f"cond {p}": (lambda a, p=p: linalg.cond(a, p), A) for p in (None, 2, -2, 1, "fro", np.inf)},
    "cholesky": (linalg.cholesky, P),
    "cholesky of a stack, upper": (lambda a: linalg.cholesky(a, upper=True), PP),
    "cholesky of a product": (lambda a: linalg.cholesky(a @ a.T + np.eye(2)), M),
    "eigvalsh": (linalg.eigvalsh, P),
    "eigvalsh of a stack": (lambda a: linalg.eigvalsh(a, "U"), PP),
    "eigh, values": (lambda a: linalg.eigh(a)[0], P),
    "eigh, vectors": (lambda a: linalg.eigh(a).eigenvectors ** 2 * HALF, P),
    "eigh, a function of a matrix": (
        lambda a: (lambda w, v: (v * np.exp(w / 9)) @ np.swapaxes(v, -1, -2))(*linalg.eigh(a, "U")),
        PP,
    ),
    "svd, values": (lambda a: linalg.svd(a, compute_uv=False), M),
    "svd of a stack, values": (lambda a: linalg.svd(a, full_matrices=False)[1], T),
    "svdvals": (linalg.svdvals, N),
    "svd, left": (lambda a: linalg.svd(a, full_matrices=False).U ** 2, N),
    "svd, right": (lambda a: linalg.svd(a, False)[2] ** 2, M),
    "svd, together": (
        lambda a: (lambda u, s, vh: (u * np.sqrt(s)[:, None]) @ vh)(
            *linalg.svd(a, full_matrices=False)
        ),
        T,
    ),
    "svd of a square": (lambda a: (lambda u, s, vh: u @ vh)(*linalg.svd(a)), A),
    "qr, Q": (lambda a: linalg.qr(a).Q ** 2, N),
    "qr, R": (lambda a: linalg.qr(a, mode="r") ** 2, AA),
    "qr of a wide one": (lambda a: (lambda q, r: q**2 @ r**2)(*linalg.qr(a)), M),
}


CALLS = PRODUCTS | MATRICES


@pytest.mark.parametrize("name", CALLS)
def test_it_is_numpys_and_its_slopes_are_right(name: str) -> None:
    call, *arrays = CALLS[name]
    # Products are made of few records, whose second derivatives are judged on their own.
    few = sum(np.size(a) for a in arrays) <= 9
    agrees(call, *arrays, order=2 if few and name in MATRICES else 1)


def test_vectors_in_a_plane_are_crossed_as_numpy_does() -> None:
    with pytest.warns(DeprecationWarning, match="2-dimensional"):
        np.cross(Value(drawn(2)), drawn(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agrees(np.cross, drawn(2, 2), drawn(2))
        agrees(np.cross, drawn(2), drawn(3))


# ---- einsum, drawn ----

Sum = tuple[str, list[Any]]


@st.composite
def sums(draw: st.DrawFn) -> Sum:
    """Subscripts and operands of small whole numbers, so that everything is exact."""
    lengths = {label: draw(st.integers(0 if label == "a" else 1, 3)) for label in "abcd"}
    batch = draw(st.lists(st.integers(1, 2), max_size=2))
    terms, operands = [], []
    dots = False
    for _ in range(draw(st.integers(1, 3))):
        term = "".join(draw(st.lists(st.sampled_from("abcd"), max_size=3)))
        stretched = {n for n in set(term) if draw(st.integers(0, 4)) == 0}
        shape = [1 if n in stretched else lengths[n] for n in term]
        if draw(st.booleans()):
            dots = True
            place = draw(st.integers(0, len(term)))
            mine = [draw(st.sampled_from((1, n))) for n in batch[draw(st.integers(0, 2)) :]]
            term, shape = f"{term[:place]}...{term[place:]}", shape[:place] + mine + shape[place:]
        terms.append(term)
        operands.append(whole(draw, shape))
    used = sorted({n for term in terms for n in term if n != "."})
    subscripts = ",".join(terms)
    if draw(st.booleans()):
        chosen = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
        subscripts += "->" + "..." * dots + "".join(chosen)
    return subscripts, operands


def whole(draw: st.DrawFn, shape: Any) -> Any:
    seed = draw(st.integers(0, 2**16))
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float64)[()]


def sublists(subscripts: str, operands: list[Any]) -> list[Any]:
    """The same, in NumPy's other way."""

    def numbers(term: str) -> list[Any]:
        letters = term.replace("...", ".")
        return [Ellipsis if n == "." else "abcd".index(n) for n in letters]

    inputs, arrow, result = subscripts.partition("->")
    given = [
        each
        for operand, term in zip(operands, inputs.split(","), strict=True)
        for each in (operand, numbers(term))
    ]
    return [*given, numbers(result)] if arrow else given


@given(drawn_sum=sums(), optimize=st.booleans(), data=st.data())
def test_any_sum_of_products_is_differentiated_exactly(
    drawn_sum: Sum, optimize: bool, data: Any
) -> None:
    """Linear in each operand: a slope is the sum itself, with the direction in an operand's place.

    Its slope by another operand, likewise; all numbers are whole, and so all sums exact.
    """
    subscripts, operands = drawn_sum
    expected = np.einsum(subscripts, *operands)
    leaves = [te.Value(a) for a in operands]
    out: Any = np.einsum(subscripts, *leaves, optimize=optimize)
    np.testing.assert_array_equal(out.data, expected)
    np.testing.assert_array_equal(np.einsum(*sublists(subscripts, leaves)).data, expected)
    g = whole(data.draw, expected.shape)
    directions = [whole(data.draw, np.shape(a)) for a in operands]
    found = te.grad(out, leaves, gradient=te.Value(g), create_graph=True)
    for k, gradient in enumerate(found):
        assert gradient.shape == np.shape(operands[k])
        units = np.eye(operands[k].size).reshape(operands[k].size, *operands[k].shape)
        slopes = [np.sum(g * np.einsum(subscripts, *replaced(operands, {k: u}))) for u in units]
        np.testing.assert_array_equal(np.ravel(gradient.data), slopes)
        again = te.grad(np.sum(gradient * directions[k]), leaves)
        for j, second in enumerate(again):
            if j == k:
                assert not np.any(second)
                continue
            both = replaced(operands, {k: directions[k], j: directions[j]})
            assert np.sum(second * directions[j]) == np.sum(g * np.einsum(subscripts, *both))


def replaced(operands: list[Any], others: dict[int, Any]) -> list[Any]:
    return [others.get(i, operand) for i, operand in enumerate(operands)]


def test_a_power_of_zero_is_the_unit_matrix_and_untracked() -> None:
    out = linalg.matrix_power(Value(AA), 0)
    np.testing.assert_array_equal(out.data, [np.eye(2), np.eye(2)])
    assert not out.requires_grad


def test_several_matrices_are_multiplied_in_the_cheapest_order() -> None:
    shapes = [(30, 2), (2, 30), (30, 2), (2, 30), (30, 1)]
    values = [Value(np.ones(shape)) for shape in shapes]
    out = linalg.multi_dot(values)
    seen, largest = [out], 0
    while seen:
        node = seen.pop()
        largest = max(largest, node.size)
        seen += [item for item in node.inputs if item.op]
    assert largest == 30
    np.testing.assert_allclose(out.data, linalg.multi_dot([v.data for v in values]))


# ---- closed forms ----


def gradient(f: Callable[..., Any], a: Any) -> Any:
    return te.grad(f)(a)


def explicit_cofactors(a: Any) -> Any:
    n = len(a)
    out = np.empty((n, n))
    for i, j in itertools.product(range(n), repeat=2):
        rest = np.delete(np.delete(a, i, 0), j, 1)
        out[i, j] = (-1) ** (i + j) * np.linalg.det(rest)
    return out


@pytest.mark.parametrize("n", [0, 1, 2, 3, SMALL, SMALL + 1, 10])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_the_gradient_of_det_is_its_cofactors_whatever_the_rank(n: int, lost: int) -> None:
    a = np.random.default_rng(n).integers(-2, 3, (n, n)).astype(float)
    size = np.max(np.abs(explicit_cofactors(a)), initial=1)
    a[: min(lost, n)] = 0
    want = explicit_cofactors(a)
    np.testing.assert_allclose(gradient(linalg.det, a), want, rtol=1e-12, atol=1e-13 * size)


def test_det_of_a_singular_matrix_has_all_derivatives() -> None:
    """∂³ det / ∂a₀₀ ∂a₁₁ ∂a₂₂ = 1, whatever the matrix is."""
    a, b = np.zeros((3, 3)), np.outer(V, W)
    hessian = te.hessian(linalg.det)(b)
    # The second derivative by two entries is the third one's, crosswise.
    assert hessian[0, 0, 1, 1] == b[2, 2]
    assert hessian[0, 1, 1, 0] == -b[2, 2]
    assert hessian[1, 2, 2, 0] == b[0, 1]
    entry = Value(a)
    found = linalg.det(entry)
    for i in range(3):
        (found,) = te.grad(found, entry, create_graph=True)
        found = found[i, i]
    assert found.data == 1


def test_derivatives_of_the_logarithm_of_a_determinant() -> None:
    def logarithm(a: Any) -> Any:
        return linalg.slogdet(a)[1]

    inverse = np.linalg.inv(A)
    np.testing.assert_allclose(gradient(logarithm, A), inverse.T, rtol=1e-13)
    np.testing.assert_allclose(
        te.hessian(logarithm)(A), -np.einsum("li,jk->ijkl", inverse, inverse), rtol=1e-12
    )
    sign, _ = linalg.slogdet(Value(-A))
    assert (sign.data, sign.requires_grad) == (-1, False)


def test_the_slopes_of_an_inverse_are_products_of_it() -> None:
    inverse = np.linalg.inv(A)
    np.testing.assert_allclose(
        te.jacobian(linalg.inv)(A), -np.einsum("ik,lj->ijkl", inverse, inverse), rtol=1e-12
    )
    np.testing.assert_allclose(
        te.jacobian(lambda b: linalg.solve(A, b))(V), inverse, rtol=1e-13, atol=1e-16
    )


def test_the_pseudoinverse_of_an_invertible_matrix_is_the_inverse() -> None:
    np.testing.assert_allclose(
        te.jacobian(linalg.pinv)(A), te.jacobian(linalg.inv)(A), rtol=1e-11, atol=1e-14
    )


# ---- norms ----


@pytest.mark.parametrize("ord", [None, 2, 3, 1.5])
def test_a_norm_of_zeros_has_derivative_0_and_no_warning(ord: Any) -> None:
    assert np.all(gradient(lambda x: linalg.norm(x, ord), np.zeros(3)) == 0)


@pytest.mark.parametrize("size", [1e-310, 1e-200, 1e200, 1e300])
@pytest.mark.parametrize("ord", [2, 3])
def test_a_norm_of_tiny_or_huge_numbers_is_exact(ord: int, size: float) -> None:
    x = size * np.array([3.0, -4.0])
    one = (3.0**ord + 4.0**ord) ** (1 / ord)
    value = Value(x)
    out = linalg.norm(value, ord)
    out.backward()
    np.testing.assert_allclose(out.data, size * one, rtol=1e-14)
    slopes = [(3 / one) ** (ord - 1), -((4 / one) ** (ord - 1))]
    np.testing.assert_allclose(value.grad, slopes, rtol=1e-13)


def test_a_norm_is_not_finite_only_where_a_number_is_not() -> None:
    assert linalg.norm(Value(np.array([np.inf, 1.0]))).data == np.inf
    assert np.isnan(linalg.norm(Value(np.array([np.nan, 1.0]))).data)
    assert linalg.norm(Value(np.array([3e38, 1.0], np.float32))).dtype == np.float32


def test_norm_0_counts_and_has_derivative_0() -> None:
    x = Value(np.array([[0.0, 2.0], [3.0, -1.0]]))
    out = linalg.norm(x, 0, axis=1)
    np.testing.assert_array_equal(out.data, [1, 2])
    assert out.dtype == np.float64
    assert not out.requires_grad


# ---- factorisations ----


def test_of_a_symmetric_matrix_one_triangle_is_read_and_gets_the_gradient() -> None:
    skew = np.array([[0.0, 0.25, -0.5], [-0.25, 0.0, 0.125], [0.5, -0.125, 0.0]])
    weights = drawn(3, 3)
    for f, read in (
        (lambda a: linalg.cholesky(a), np.tril),
        (lambda a: linalg.cholesky(a, upper=True), np.triu),
        (lambda a: linalg.eigvalsh(a), np.tril),
        (lambda a: linalg.eigvalsh(a, "U"), np.triu),
        (lambda a: linalg.eigh(a)[1] ** 2 * HALF, np.tril),
        (lambda a: linalg.eigh(a, UPLO="U")[1] ** 2 * HALF, np.triu),
    ):
        agrees(f, P + skew, order=1)
        g = gradient(lambda a, f=f: np.sum(weights * f(a)), P + skew)
        np.testing.assert_array_equal(g, read(g))


def test_the_gradient_of_a_product_with_itself_is_that_of_the_symmetric_matrix() -> None:
    """Of log det(b bᵀ), whichever way it is computed, it is 2 b⁻ᵀ."""
    b = np.tril(P)
    for f in (
        lambda a: 2 * np.sum(np.log(np.diagonal(linalg.cholesky(a)))),
        lambda a: np.sum(np.log(linalg.eigh(a)[0])),
        lambda a: np.sum(np.log(linalg.eigvalsh(a, "U"))),
        lambda a: linalg.slogdet(a)[1],
    ):
        g = gradient(lambda b, f=f: f(b @ b.T), b)
        np.testing.assert_allclose(g, 2 * np.linalg.inv(b).T, rtol=1e-11, atol=1e-13)


def test_equal_eigenvalues_have_a_derivative_in_their_sum() -> None:
    for f in (linalg.eigvalsh, lambda a: linalg.eigh(a).eigenvalues, linalg.svdvals):
        np.testing.assert_allclose(
            gradient(lambda a, f=f: np.sum(f(a)), np.eye(3)), np.eye(3), atol=1e-15
        )


def test_the_vectors_of_equal_eigenvalues_have_no_derivative() -> None:
    weights = drawn(2, 2)
    with np.errstate(all="ignore"):
        for f in (lambda a: linalg.eigh(a)[1], lambda a: linalg.svd(a)[0]):
            g = gradient(lambda a, f=f: np.sum(weights * f(a)), np.eye(2))
            assert not np.all(np.isfinite(g))


def test_factors_come_as_numpy_gives_them() -> None:
    for f, fields in (
        (linalg.slogdet, ("sign", "logabsdet")),
        (linalg.eigh, ("eigenvalues", "eigenvectors")),
        (linalg.svd, ("U", "S", "Vh")),
        (linalg.qr, ("Q", "R")),
    ):
        ours, theirs = f(Value(P)), f(P)
        assert type(ours) is type(theirs)
        for field in fields:
            np.testing.assert_allclose(
                getattr(ours, field).data, getattr(theirs, field), rtol=1e-13
            )


# ---- errors ----

SINGULAR = np.ones((2, 2))


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: linalg.inv(Value(SINGULAR)), np.linalg.LinAlgError, "inv failed.*Singular"),
        (lambda: linalg.solve(Value(SINGULAR), V[:2]), np.linalg.LinAlgError, "solve failed"),
        (lambda: linalg.cholesky(Value(-P)), np.linalg.LinAlgError, "not positive definite"),
        (lambda: linalg.det(Value(M)), np.linalg.LinAlgError, "must be square"),
        (
            lambda: gradient(lambda a: linalg.slogdet(a)[1], SINGULAR),
            np.linalg.LinAlgError,
            "Singular",
        ),
        (lambda: np.einsum("ij,jk", Value(M)), OperandError, "2 operands, and 1 are given"),
        (lambda: np.einsum("ij,jk", Value(M), V), ShapeError, "einsum failed"),
        (lambda: np.einsum("ijk...", Value(M)), ShapeError, "one label for each axis"),
        (lambda: np.einsum(Value(M), [0, 1], [*range(60)]), OperandError, "52 labels"),
        (lambda: np.einsum("ij->i", Value(M), dtype=float), OperandError, "astype"),
        (lambda: np.tensordot(Value(M), M, 1), ShapeError, "lengths differ"),
        (lambda: linalg.outer(Value(M), V), ShapeError, "np.outer takes any"),
        (lambda: linalg.cross(Value(N), N), ShapeError, "3 components"),
        (lambda: linalg.multi_dot([Value(M)]), OperandError, "two matrices"),
        (lambda: linalg.matrix_power(Value(M), 2), ShapeError, "square"),
        (lambda: linalg.norm(Value(T), 2), ShapeError, "give axis one axis"),
        (lambda: linalg.norm(Value(T), axis=(0, 1, 2)), ShapeError, "one axis or two"),
        (lambda: linalg.norm(Value(V), "fro"), OperandError, "a vector has no norm 'fro'"),
        (lambda: linalg.norm(Value(M), 3), OperandError, "a matrix has no norm 3"),
        (lambda: linalg.svd(Value(M)), OperandError, "full_matrices=False"),
        (lambda: linalg.svd(Value(P), hermitian=True), OperandError, "hermitian"),
        (lambda: linalg.qr(Value(N), mode="complete"), OperandError, "no mode 'complete'"),
    ],
)
def test_errors_say_what_to_write(call: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        call()
