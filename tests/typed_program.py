"""A program as a user of `mypy --strict` writes it: it runs as a test, and its types are checked.

`assert_type` fails where a type decays, to Any say; an ignored error that is none fails too.
NumPy's own type stubs take `np.exp(v)` for an array: methods, operators and te's functions are
what bears types. Run by `test_typed_program.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_type

import numpy as np
import numpy.typing as npt

import tinygrad_edu as te
from tinygrad_edu.engine.operation import Elementwise, Structural

Array = npt.NDArray[np.float64]


def values() -> None:
    """Attributes, operators and methods of a Value."""
    v = te.Value([[1.0, -2.0], [0.5, 3.0]], name="v")
    assert_type(v, te.Value)
    assert_type(v.shape, tuple[int, ...])
    assert_type(v.dtype, np.dtype[Any])
    assert_type(v.ndim, int)
    assert_type(v.size, int)
    assert_type(v.name, str | None)
    assert_type(v.requires_grad, bool)
    assert_type(v.T, te.Value)
    assert_type(v[0], te.Value)
    assert_type(v[:, 1], te.Value)
    assert_type(v[np.array([True, False])], te.Value)
    assert_type([row for row in v], list[te.Value])  # noqa: C416 (the loop is what is typed)
    assert_type(len(v), int)
    assert_type(f"{v.sum():.2f}", str)

    assert_type(v + 1, te.Value)
    assert_type(1.0 + v, te.Value)
    assert_type(v - np.ones(2), te.Value)
    assert_type(2 - v, te.Value)
    assert_type(v * v, te.Value)
    assert_type(3 * v, te.Value)
    assert_type(v / 2, te.Value)
    assert_type(1 / (v * v + 1), te.Value)
    assert_type(v**2, te.Value)
    assert_type(2.0**v, te.Value)
    assert_type(v // 2, te.Value)
    assert_type(v % 2, te.Value)
    assert_type(divmod(v, 2), tuple[te.Value, te.Value])
    assert_type(v @ v, te.Value)
    assert_type(v @ np.eye(2), te.Value)
    assert_type(-v, te.Value)
    assert_type(abs(v), te.Value)
    assert_type(v > 0, te.Value)
    assert_type((v >= 0) & (v < 2) | ~(v == 1), te.Value)

    for elementwise in (v.exp(), v.square().log1p(), v.abs().sqrt(), v.sin(), v.tanh()):
        assert_type(elementwise, te.Value)
    for activated in (v.relu(), v.sigmoid(), v.softplus(), v.gelu(), v.softmax(axis=0)):
        assert_type(activated, te.Value)
    for reduced in (v.sum(), v.mean(axis=0), v.max(axis=(0, 1)), v.var(keepdims=True), v.prod()):
        assert_type(reduced, te.Value)
    for shaped in (v.reshape(4), v.transpose(1, 0), v.ravel(), v.astype(np.float32), v.clip(0, 1)):
        assert_type(shaped, te.Value)
    assert_type(v.argmax(), te.Value)
    assert_type(v.detach(), te.Value)
    assert_type(v.backward(np.ones((2, 2))), None)
    assert v.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def functions() -> None:
    """te's functions and records: Values in, Values out."""
    v, w = te.Value([1.0, 2.0]), te.Value([3.0, 4.0])
    assert_type(te.array([[v[0], 1.0], [w[1], 2.0]]), te.Value)
    assert_type(te.stack([v, w]), te.Value)
    assert_type(te.set_at(v, 0, 5.0), te.Value)
    assert_type(te.erf(v), te.Value)
    assert_type(te.logsumexp(v), te.Value)
    assert_type(te.logsumexp(te.stack([v, w]), axis=1), te.Value)
    assert_type(te.activations.relu(v), te.Value)
    assert_type(te.activations.softmax(v, axis=0), te.Value)
    assert te.erf(v).data[0] > 0.84

    cube = te.define_elementwise(
        "typed_cube", lambda x: x**3, lambda out, x: 3 * x**2, formula="{{{0}}}^3"
    )
    twice = te.define_structural(
        "typed_twice",
        lambda a: np.concatenate([a, a]),
        lambda g, out, a: g[: len(a)] + g[len(a) :],
        formula=r"\left[{0}, {0}\right]",
        cases=[(((3,),), {})],
    )
    try:
        assert_type(cube, Elementwise)
        assert_type(twice, Structural)
        assert_type(cube(v), te.Value)
        assert_type(twice(v), te.Value)
        assert te.grad(twice(cube(v)).sum(), v)[0].tolist() == [6.0, 24.0]
    finally:
        for name in ("typed_cube", "typed_twice"):
            del te.OPERATIONS[name]


@dataclass
class Line:
    """A straight line; its gradient is a Line too."""

    slope: te.Value
    offset: te.Value

    def at(self, x: Array) -> te.Value:
        return self.slope * x + self.offset


X: Array = np.array([0.0, 1.0, 2.0])
Y: Array = np.array([1.0, 3.0, 5.0])


def squares(line: Line) -> te.Value:
    return ((line.at(X) - Y) ** 2).sum()


def cubes(p: dict[str, te.Value]) -> te.Value:
    return (p["a"] ** 3 * p["b"]).sum()


def derivatives() -> None:
    """Of Values, and of functions of arrays and containers."""
    a, b = te.Value([1.0, 2.0]), te.Value(3.0)
    y = cubes({"a": a, "b": b})
    assert_type(te.grad(y, a), tuple[Any, ...])
    assert_type(te.grad(y, [a, b], create_graph=True), tuple[te.Value, ...])
    assert_type(te.grad(y, {"a": a, "b": b}), dict[str, Any])
    assert_type(te.grad(y, {"a": a}, create_graph=True), dict[str, te.Value])
    (slope,) = te.grad(y, a, create_graph=True)
    assert_type((slope * slope).sum().backward(), None)

    by_line = te.grad(squares)
    assert_type(by_line, Callable[..., Any])
    line: Line = by_line(Line(te.Value(1.0), te.Value(0.0)))
    assert line.slope.item() == -16.0
    assert line.offset.item() == -12.0

    params = {"a": np.array([1.0, 2.0]), "b": np.array(3.0)}
    gradient: dict[str, Array] = te.grad(cubes)(params)
    assert gradient["a"].tolist() == [9.0, 36.0]
    value, again = te.value_and_grad(cubes, argument=0)(params)
    assert_type(te.value_and_grad(cubes), Callable[..., tuple[Any, Any]])
    assert value == 27.0
    assert again["b"] == 9.0
    result, pullback = te.vjp(cubes, params)
    assert_type(pullback, Callable[[Any], tuple[Any, ...]])
    assert pullback(2.0)[0]["b"] == 18.0
    assert result == 27.0
    _, forward = te.jvp(cubes, (params,), ({"a": np.array([1.0, 0.0]), "b": 0.0},))
    assert forward == 9.0
    jacobian: Array = te.jacobian(lambda x: x**2)(X)
    assert jacobian.tolist() == np.diag(2 * X).tolist()
    hessian: dict[str, dict[str, Array]] = te.hessian(cubes)(params)
    assert hessian["a"]["b"].tolist() == [3.0, 12.0]
    product: dict[str, Array] = te.hvp(cubes)(params, {"a": np.zeros(2), "b": 1.0})
    assert product["a"].tolist() == [3.0, 12.0]
    assert abs(te.grad(te.grad(te.grad(np.tanh)))(0.0) + 2.0) < 1e-15


def training() -> None:
    """A network, its gradient by names, and what watches over it."""
    model = te.nn.MLP([1, 4, 1], activation="tanh", seed=1)
    assert_type(model.parameters(), list[te.Value])
    assert_type(dict(model.named_parameters()), dict[str, te.Value])
    x, target = X.reshape(3, 1), Y.reshape(3, 1)

    def loss(network: te.nn.MLP) -> te.Value:
        return te.nn.losses.mse(network(x), target)

    assert_type(loss(model), te.Value)
    assert_type(te.grad(loss(model), model), dict[str, Any])
    slopes: dict[str, Array] = te.grad(loss)(model)
    assert list(slopes) == [name for name, _ in model.named_parameters()]

    optimizer = te.optim.SGD(model.parameters(), lr=0.05)
    nodes: list[str] = []

    def count(node: Any, gradient: Any) -> None:
        if gradient is not None:
            nodes.append(node.op.name if node.op else "leaf")

    first = loss(model).item()
    with te.trace_nonfinite(), te.record_lines(), te.observe(count):
        for _ in range(20):
            optimizer.zero_grad()
            assert_type(loss(model).backward(), None)
            assert_type(optimizer.step(), None)
    with te.no_grad():
        assert loss(model).item() < first
    assert nodes.count("mse") == 20

    @te.no_grad()
    def accuracy(threshold: float) -> te.Value:
        prediction: te.Value = model(x)
        return (abs(prediction - target) < threshold).mean()

    assert 0.0 <= accuracy(0.5).item() <= 1.0
    report = te.check.gradients(cubes_of_array, np.array([1.0, 2.0]))
    assert_type(report, te.check.Report)
    assert report.ok


def whole_models() -> None:
    """Layers, a loop that is given, and what it leaves."""
    model = te.nn.Sequential(te.nn.Linear(2, 4), te.nn.LayerNorm(4), "tanh", te.nn.Linear(4, 1))
    assert_type(model.train(), te.nn.Sequential)
    assert_type(model.state_dict(), dict[str, np.ndarray[Any, np.dtype[Any]]])
    assert_type(model.summary((1, 2)), te.nn.Summary)
    x, y = te.data.moons(40)
    optimizer = te.optim.AdamW(model.parameters(), lr=0.01)
    assert_type(optimizer.lr, float)
    history = te.train.fit(
        model,
        (x, y),
        te.nn.losses.bce_with_logits,
        optimizer,
        epochs=2,
        batch_size=10,
        schedule=te.optim.cosine(2),
        callbacks=[te.train.EarlyStopping(3), lambda run: run.epoch],
        metrics={"right": lambda prediction, target: float(((prediction > 0) == target).mean())},
        progress=False,
    )
    assert_type(history, te.train.History)
    assert_type(history["right"], list[float])
    found = te.train.evaluate(model, (x, y), te.nn.losses.bce_with_logits)
    assert_type(found, dict[str, float])
    penalised = te.nn.losses.mse(model(x), y) + 1e-4 * te.nn.losses.l2(model)
    assert_type(penalised, te.Value)
    assert_type(te.optim.clip_grad_norm(model.parameters(), 1.0), float)


def cubes_of_array(x: te.Value) -> te.Value:
    return (x**3).sum()


if TYPE_CHECKING:

    def refused(v: te.Value) -> None:
        """What a type checker should see is wrong: an ignore without an error is an error."""
        v + None  # type: ignore[operator]
        v.shape = (1,)  # type: ignore[misc]
        te.Value(None)  # type: ignore[arg-type]
        te.grad(v, np.ones(2))  # type: ignore[call-overload]
        te.grad(v, {"a": 1.0})  # type: ignore[dict-item]
        te.grad(np.tanh, argnums=0)  # type: ignore[call-overload]
        te.jvp(np.tanh, 1.0, 1.0)  # type: ignore[arg-type]
        te.optim.SGD([1.0])  # type: ignore[list-item]
        v.clip(low=object())  # type: ignore[arg-type]
        te.nn.MLP("abc", 3)  # type: ignore[arg-type]


def main() -> None:
    values()
    functions()
    derivatives()
    training()
    whole_models()


if __name__ == "__main__":
    main()
