"""The formulas and the training loop of the article, in plain NumPy, run on Values.

Nothing below the heading knows of Values: the same functions are called with arrays and with
Values, and must give the same numbers, with right derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.finite_differences import contracted, jacobian
from tinygrad_edu.errors import InPlaceError

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value

# ---- plain NumPy, as printed ----


def linear(x: Any) -> Any:
    return x


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def relu(x: Any) -> Any:
    return np.maximum(0, x)


def tanh(x: Any) -> Any:
    return np.tanh(x)


def leaky_relu(x: Any, alpha: Any = 0.01) -> Any:
    return np.where(x > 0, x, alpha * x)


def softmax(x: Any) -> Any:
    e_x = np.exp(x - np.max(x))
    return e_x / e_x.sum(axis=0)


def elu(x: Any, alpha: Any = 1.0) -> Any:
    return np.where(x > 0, x, alpha * (np.exp(x) - 1))


def swish(x: Any) -> Any:
    return x / (1 + np.exp(-x))


def hard_sigmoid(x: Any) -> Any:
    return np.clip((x + 1) / 2, 0, 1)


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def softplus(x: Any) -> Any:
    return np.log(1 + np.exp(x))


def leaky_gelu(x: Any) -> Any:
    return gelu(x)


def hard_swish(x: Any) -> Any:
    return x * np.clip((x + 3) / 6, 0, 1)


def mish(x: Any) -> Any:
    return x * np.tanh(np.log(1 + np.exp(x)))


def arctan(x: Any) -> Any:
    return np.arctan(x)


def sigmoid_linear(x: Any) -> Any:
    return np.clip(x, 0, 1)


def sigmoid_derivative(x: Any) -> Any:
    return sigmoid(x) * (1 - sigmoid(x))


# ---- end of the plain NumPy ----

FORMULAS: dict[str, Callable[[Any], Any]] = {
    "linear": linear,
    "sigmoid": sigmoid,
    "relu": relu,
    "tanh": tanh,
    "leaky_relu": leaky_relu,
    "softmax": lambda z: np.apply_along_axis(softmax, 0, z),
    "elu": elu,
    "swish": swish,
    "hard_sigmoid": hard_sigmoid,
    "gelu": gelu,
    "softplus": softplus,
    "leaky_gelu": leaky_gelu,
    "hard_swish": hard_swish,
    "mish": mish,
    "arctan": arctan,
    "sigmoid_linear": sigmoid_linear,
}
# Away from every corner of the sixteen (−3, −1, 0, 1, 3), on both sides of each.
POINTS = np.array([[-4.1, -2.2, -0.7], [0.4, 1.6, 3.7], [-1.4, 0.8, 2.5], [5.2, -0.2, 0.1]])


def test_there_are_sixteen() -> None:
    assert list(FORMULAS) == [activation.name for activation in te.activations.SIXTEEN]
    assert list(te.ACTIVATIONS)[:16] == list(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_values_are_those_of_plain_numpy(name: str) -> None:
    result = FORMULAS[name](Value(POINTS))
    assert isinstance(result, Value)
    assert np.array_equal(result.data, FORMULAS[name](POINTS))


@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives_are_finite_differences(name: str) -> None:
    formula = FORMULAS[name]
    weights = np.random.default_rng(3).uniform(0.5, 1.5, POINTS.shape)
    x = Value(POINTS)
    formula(x).backward(weights)
    estimate = jacobian(formula, (POINTS,), 0, 0.05)
    assert x.grad == pytest.approx(contracted(weights, estimate.value), rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("name", FORMULAS)
def test_second_derivatives_are_finite_differences_of_the_first(name: str) -> None:
    formula = FORMULAS[name]
    weights = np.random.default_rng(4).uniform(0.5, 1.5, POINTS.shape)

    def first(points: Any) -> Any:
        return te.grad(lambda x: np.sum(formula(x) * weights))(points)

    (bend,) = te.vjp(te.grad(lambda x: np.sum(formula(x) * weights), create_graph=True), POINTS)[1](
        weights
    )
    estimate = jacobian(first, (POINTS,), 0, 0.05)
    assert bend == pytest.approx(contracted(weights, estimate.value), rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_records_agree_with_the_formulas(name: str) -> None:
    formula, record = FORMULAS[name], te.ACTIVATIONS[name]
    options = {"axis": 0} if name == "softmax" else {}
    weights = np.random.default_rng(5).uniform(0.5, 1.5, POINTS.shape)
    one, other = Value(POINTS), Value(POINTS)
    ours, printed = record(one, **options), formula(other)
    ours.backward(weights)
    printed.backward(weights)
    assert ours.data == pytest.approx(printed.data, rel=1e-12)
    assert one.grad == pytest.approx(other.grad, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(
    ("name", "corner", "formula_slope", "record_slope"),
    [
        ("relu", 0.0, 0.5, 0.0),  # a tie of maximum shares; the record documents 0
        ("leaky_relu", 0.0, 0.01, 0.01),
        ("elu", 0.0, 1.0, 1.0),
        ("hard_sigmoid", -1.0, 0.5, 0.5),
        ("hard_sigmoid", 1.0, 0.5, 0.5),
        ("hard_swish", 3.0, 1.5, None),
        ("hard_swish", -3.0, -0.5, None),
        ("sigmoid_linear", 0.0, 1.0, 1.0),
        ("sigmoid_linear", 1.0, 1.0, 1.0),
    ],
)
def test_at_the_corners(
    name: str, corner: float, formula_slope: float, record_slope: float | None
) -> None:
    """The printed formulas follow the engine's rules for ties, and clip passes 1 at its bounds."""
    assert te.grad(FORMULAS[name])(corner) == pytest.approx(formula_slope)
    one_sided = sorted(
        (FORMULAS[name](corner + side * 1e-6) - FORMULAS[name](corner)) / (side * 1e-6)
        for side in (1, -1)
    )
    slope = te.grad(te.ACTIVATIONS[name])(corner)
    assert one_sided[0] - 1e-5 <= slope <= one_sided[1] + 1e-5
    if record_slope is not None:
        assert slope == record_slope


def test_scalars_and_the_whole_mesh_of_the_article() -> None:
    x1, x2 = np.linspace(0, 10, 20), np.linspace(0, 10, 20)
    mesh1, mesh2 = np.meshgrid(x1, x2)
    plane = 2 * mesh1 + 3 * mesh2 + 1
    for name, formula in FORMULAS.items():
        z = Value(plane)
        result = formula(z)
        assert np.array_equal(result.data, formula(plane)), name
        np.sum(result).backward()
        assert np.isfinite(z.grad).all(), name
        if name != "softmax":
            assert formula(Value(0.3)).item() == formula(np.float64(0.3))


def test_the_derivative_that_the_article_types_by_hand() -> None:
    z = Value(POINTS)
    np.sum(sigmoid(z)).backward()
    assert z.grad == pytest.approx(sigmoid_derivative(POINTS), rel=1e-14)


X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
Y_TRUE = np.array([[0], [1], [1], [0]])


def trained_by_hand(w: Any, b: Any, epochs: int, rate: float) -> tuple[Any, Any, list[Any]]:
    """The article's loop with the derivatives it types."""
    losses = []
    for _ in range(epochs):
        z = np.dot(X, w) + b
        y_pred = sigmoid(z)
        losses.append(np.mean((Y_TRUE - y_pred) ** 2))
        d_loss = 2 * (y_pred - Y_TRUE) / len(X)
        dz = d_loss * sigmoid_derivative(z)
        w = w - rate * np.dot(X.T, dz)
        b = b - rate * np.sum(dz)
    return w, b, losses


@pytest.mark.parametrize("update", ["assign data", "no_grad", "optimiser"])
def test_the_whole_training_loop(update: str) -> None:
    rng = np.random.default_rng(0)
    start_w, start_b = rng.standard_normal((2, 1)), rng.standard_normal()
    w, b = Value(start_w, name="w"), Value(start_b, name="b")
    optimiser = te.optim.SGD([w, b], lr=0.1)
    losses: list[float] = []
    printed: list[str] = []
    for epoch in range(300):
        z = np.dot(X, w) + b
        y_pred = sigmoid(z)
        loss = np.mean((Y_TRUE - y_pred) ** 2)
        losses.append(loss.item())
        w.grad = b.grad = None
        loss.backward()
        if update == "assign data":
            w.data = w.data - 0.1 * w.grad
            b.data = b.data - 0.1 * b.grad
        elif update == "no_grad":
            with te.no_grad():
                w -= 0.1 * w.grad
                b -= 0.1 * b.grad
        else:
            optimiser.step()
        if epoch % 100 == 0:
            printed.append(f"Epoch {epoch}, Loss: {loss:.4f}")
    wanted_w, wanted_b, wanted_losses = trained_by_hand(start_w, start_b, 300, 0.1)
    assert w.data == pytest.approx(wanted_w, rel=1e-11)
    assert b.data == pytest.approx(wanted_b, rel=1e-11)
    assert losses == pytest.approx(wanted_losses, rel=1e-12)
    assert all(type(loss) is float for loss in losses)
    assert printed == [f"Epoch {e}, Loss: {wanted_losses[e]:.4f}" for e in (0, 100, 200)]
    # What comes after the training: one surface over a mesh, then a prediction per sample.
    mesh1, mesh2 = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 5))
    surface = sigmoid(w[0] * mesh1 + w[1] * mesh2 + b)
    assert surface.data == pytest.approx(
        sigmoid(wanted_w[0] * mesh1 + wanted_w[1] * mesh2 + wanted_b)
    )
    for i, x in enumerate(X):
        pred = sigmoid(np.dot(x, w) + b)
        line = f"Input: {x}, Predicted: {pred[0]:.4f}, Target: {Y_TRUE[i][0]}"
        wanted = sigmoid(np.dot(x, wanted_w) + wanted_b)[0]
        assert line == f"Input: {x}, Predicted: {wanted:.4f}, Target: {Y_TRUE[i][0]}"


def test_the_articles_update_of_a_leaf_raises_and_names_the_way() -> None:
    w, b = Value(np.ones((2, 1)), name="w"), Value(0.5, name="b")
    np.mean((Y_TRUE - sigmoid(np.dot(X, w) + b)) ** 2).backward()
    kept = w
    with pytest.raises(InPlaceError, match=r"w\.data = .*optim"):
        w -= 0.1 * w.grad
    with pytest.raises(InPlaceError, match=r"b\.data = "):
        b -= 0.1 * b.grad
    assert kept.data.tolist() == [[1.0], [1.0]]
    assert b.item() == 0.5
