"""`te.trace_nonfinite()` names what bore the first NaN or infinity, of what, and on which line."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import NonFiniteError

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def blamed(program: Callable[[], Any], lines: bool = False) -> str:
    """What the error says of a program."""
    watched = te.record_lines() if lines else nullcontext()
    with pytest.raises(NonFiniteError) as caught, watched, te.trace_nonfinite():
        program()
    return str(caught.value)


def softmax_by_hand(z: Any) -> Any:
    e = np.exp(z)  # overflows here
    return e / np.sum(e)


FORWARD: dict[str, tuple[Callable[[], Any], str]] = {
    "log of a probability": (
        lambda: -np.sum(np.array([1.0, 0.0]) * np.log(Value([0.2, 0.0], name="p"))),
        r"log of 'p' of shape \(2,\) gave -inf at \[1\], from 0\.0; .*positive",
    ),
    "a saturated sigmoid": (
        lambda: te.nn.losses.bce(te.activations.sigmoid(Value([100.0])), np.zeros(1)),
        r"log1p .*-inf at \[0\], from -1\.0; .*numbers above -1.*behind a sigmoid.*bce_with_logits",
    ),
    "a saturated sigmoid below": (
        lambda: te.nn.losses.bce(te.activations.sigmoid(Value([-1e4])), np.ones(1)),
        r"log .*-inf at \[0\], from 0\.0; .*positive.*behind a sigmoid.*bce_with_logits",
    ),
    "the end of a domain": (
        lambda: np.arctanh(Value([0.5, 1.0])),
        r"arctanh .*inf at \[1\], from 1\.0; arctanh is of numbers between -1 and 1: .*clip",
    ),
    "beyond one end of a domain": (
        lambda: np.arccosh(Value([0.5])),
        r"arccosh .*nan at \[0\], from 0\.5; arccosh is of numbers from 1 up",
    ),
    "a number that is too large": (
        lambda: np.sinh(Value([1e4])),
        r"sinh .*inf at \[0\], from 10000\.0; its numbers are too large",
    ),
    "overflow in an inner function": (
        lambda: softmax_by_hand(Value([0.0, 1000.0], name="logits")),
        r"exp of 'logits' .*inf at \[1\], from 1000\.0; .*logsumexp.*\n.*np\.exp\(z\)  # overflows",
    ),
    "an empty row": (
        lambda: np.zeros((2, 3)) / np.sum(Value(np.zeros((2, 3))), axis=1, keepdims=True),
        r"divide .*nan at \[0, 0\], from 0\.0, 0\.0; a divisor is 0",
    ),
    "a power": (lambda: Value([-8.0]) ** (1 / 3), r"power .*nan at \[0\], from -8\.0, 0\.3"),
    "a sum": (
        lambda: Value(1e308, name="a") + Value(1e308, name="b"),
        r"add of 'a' .*'b' .*inf, from 1e\+308, 1e\+308; .*too large",
    ),
    "a matrix product": (
        lambda: Value(np.full((2, 2), 1e200)) @ Value(np.full((2, 2), 1e200)),
        r"matmul .*inf at \[0, 0\]; .*too large",
    ),
    "inside a derivative": (
        lambda: te.grad(lambda p: np.log(p["rate"]) ** 2)({"rate": 0.0}),
        r"log of 'rate' of shape \(\) gave -inf, from 0\.0",
    ),
    "under no_grad": (
        lambda: te.no_grad()(np.log)(Value([1.0, -1.0], name="x")),
        r"log of 'x' .*nan at \[1\], from -1\.0",
    ),
    "in forward mode": (
        lambda: te.jvp(lambda a, b: np.arctan(a / b), (1.0, 0.0), (1.0, 1.0)),
        r"divide .*inf, from 1\.0, 0\.0",
    ),
}

DATA: dict[str, tuple[Callable[[], Any], str]] = {
    "in the inputs of a network": (
        lambda: te.nn.MLP([2, 3, 1])(np.array([[1.0, 2.0], [np.nan, 0.0]])),
        r"affine .*in mlp\.layers\.0; an input \(an array of shape \(2, 2\)\) was nan at \[1, 0\] "
        "already: look at the data",
    ),
    "in a leaf": (
        lambda: np.sum(Value([1.0, np.inf], name="w") * 2),
        r"multiply .*an input \('w' of shape \(2,\)\) was inf at \[1\] already",
    ),
    "in a constant": (
        lambda: np.where(np.array([True, False]), Value([1.0, 1.0]), -np.inf),
        r"where .*an input \(-inf\) was -inf already",
    ),
    "inside te.grad": (
        lambda: te.grad(lambda x: np.sum(x * x))(np.array([1.0, np.nan])),
        r"multiply .*was nan at \[1\] already: look at the data",
    ),
}

BACKWARD: dict[str, tuple[Callable[[], Any], str]] = {
    "a root": (
        lambda: np.sum(np.sqrt(Value([4.0, 0.0], name="x"))).backward(),
        r"derivative of sqrt of 'x' .*passed back inf at \[1\], where the input is 0\.0; .*slope",
    ),
    "the end of a domain": (
        lambda: np.sum(np.arcsin(Value([0.0, 1.0]))).backward(),
        r"derivative of arcsin .*inf at \[1\], where the input is 1\.0; arcsin .*from -1 to 1",
    ),
    "a norm": (
        lambda: te.grad(lambda x: np.sqrt(np.sum(x**2)) * 3.0)(np.zeros(2)),
        r"derivative of sqrt of shape \(\) passed back inf, where the input is 0\.0",
    ),
    "a dict": (
        lambda: te.grad(lambda p: np.sum(p["w"] ** 0.5))({"w": np.array([0.0, 1.0])}),
        r"derivative of power of 'w' .*0\.5 passed back inf at \[0\]",
    ),
    "the third derivative": (
        lambda: te.grad(te.grad(te.grad(lambda x: x**2.5)))(0.0),
        r"derivative of power .*passed back inf",
    ),
    "a Hessian": (
        lambda: te.hessian(lambda x: np.sqrt(x[0] ** 2 + x[1] ** 2))(np.zeros(2)),
        r"derivative of sqrt .*passed back inf, where the input is 0\.0",
    ),
    "a network": (
        lambda: te.grad(lambda m: np.sum(np.sqrt(m(np.zeros((1, 2))) ** 2)))(te.nn.MLP([2, 1])),
        r"derivative of sqrt .*passed back inf at \[0, 0\]",
    ),
}


class TestForward:
    @pytest.mark.parametrize("case", FORWARD)
    def test_the_operation_its_inputs_and_the_place(self, case: str) -> None:
        program, message = FORWARD[case]
        assert re.search(message, blamed(program))

    @pytest.mark.parametrize("case", DATA)
    def test_what_came_in_with_the_data(self, case: str) -> None:
        program, message = DATA[case]
        assert re.search(message, blamed(program))

    def test_what_was_made_before(self) -> None:
        early = np.log(Value([0.0]))
        assert "was -inf at [0] already: look at the log that made it" in blamed(lambda: early * 2)

    def test_a_diverging_training_run(self) -> None:
        model, x = te.nn.MLP([1, 4, 1]), np.linspace(-1, 1, 8)[:, None]
        optimizer = te.optim.SGD(model.parameters(), lr=50.0)

        def train() -> None:
            for _ in range(100):
                optimizer.zero_grad()
                te.nn.losses.mse(model(x), x**2).backward()
                optimizer.step()

        assert re.search(r"inf.*lower the learning rate\n  at .*mse\(model\(x\)", blamed(train))


class TestBackward:
    @pytest.mark.parametrize("case", BACKWARD)
    def test_the_derivative_and_the_place(self, case: str) -> None:
        program, message = BACKWARD[case]
        assert re.search(message, blamed(program))
        assert "te.record_lines()" in blamed(program)

    @pytest.mark.parametrize("case", BACKWARD)
    def test_the_line(self, case: str) -> None:
        """The root and the power each stand on a line of their own above."""
        said = blamed(BACKWARD[case][0], lines=True)
        line = said.rpartition("\n  at test_nonfinite.py:")[2]
        assert re.search(r"np\.sqrt|\*\* 0\.5|\*\*2\.5|np\.arcsin", line)

    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_of_several_uses_the_one_that_did_it(self, position: int) -> None:
        x = Value([4.0, 0.0], name="x")
        uses: list[Callable[[], Any]] = [lambda: x * 3, lambda: np.exp(x)]
        uses.insert(position, lambda: np.sqrt(x))

        def program() -> None:
            total: Any = sum(use() for use in uses)
            np.sum(total).backward()

        assert "the derivative of sqrt of 'x'" in blamed(program)

    def test_a_sum_of_gradients_that_overflows(self) -> None:
        x = Value(1e-300, name="x")
        assert re.search(
            r"2 uses of 'x' .*sum is inf", blamed(lambda: (x * 1.5e308 + x * 1.5e308).backward())
        )

    def test_the_gradient_that_was_given(self) -> None:
        x = Value([1.0, 2.0])
        y = x * 2
        assert "began with is nan at [1]" in blamed(lambda: y.backward(np.array([1.0, np.nan])))
        np.sum(y).backward()  # a first pass, whose users are not those of the next
        with te.trace_nonfinite():
            np.sum(y).backward()
            with pytest.raises(NonFiniteError, match="began with is inf"):
                y.backward(np.array([np.inf, 1.0]))


class TestSilence:
    @pytest.mark.parametrize(
        "program",
        [
            lambda: te.hessian(lambda x: np.sum(np.where(x > 0, np.sqrt(x), x)))(
                np.array([0.0, 4.0])
            ),
            lambda: te.grad(te.grad(lambda x: np.sqrt(x) * x))(4.0),
            lambda: te.grad(lambda x: np.sum(np.clip(x, 0.0, np.inf)))(np.ones(2)),
            lambda: te.grad(lambda x: np.max(x))(np.array([1.0, 2.0])),
        ],
    )
    def test_of_what_is_finite_or_mended(self, program: Callable[[], Any]) -> None:
        with te.trace_nonfinite():
            assert np.all(np.isfinite(program()))

    def test_outside_the_block(self) -> None:
        with te.trace_nonfinite():
            pass
        assert np.log(Value(0.0)).item() == -np.inf

    def test_an_error_is_not_repeated_by_what_follows(self) -> None:
        x = Value([4.0, 0.0])
        with te.trace_nonfinite():
            y = np.sum(np.sqrt(x))
            with pytest.raises(NonFiniteError):
                y.backward()
            assert np.sum(x * x).item() == 16.0
            np.sum(x * x).backward()
        assert x.grad.tolist() == [8.0, 0.0]

    def test_who_else_observes_is_told_of_the_program_alone(self) -> None:
        x = Value([4.0, 0.0])
        y = np.sum(np.sqrt(x))
        told: list[Any] = []
        with te.observe(lambda node, gradient: told.append((node.op and node.op.name, gradient))):
            blamed(y.backward)
        assert [name for name, _ in told] == ["sum", "sqrt", None]
        assert all(gradient is not None for _, gradient in told)

    def test_no_graph_is_kept(self) -> None:
        graphs = []
        with te.trace_nonfinite():
            for _ in range(4):
                x = Value([1.0, 2.0])
                h = x * x
                graphs.append(weakref.ref(h))
                (g,) = te.grad(np.sum(h * h), x, create_graph=True)
                np.sum(g).backward()
                del h, g
            assert sum(graph() is not None for graph in graphs) <= 1
            x * 2
            assert not any(graph() is not None for graph in graphs)
