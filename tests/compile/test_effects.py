"""What a function does beside computing: random numbers and new data at each call of a program."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile.judging import bits, plain, same_training
from tests.compile.test_choice import Neurons, chain
from tinygrad_edu.errors import RecordingWarning, ShapeError, TracingError, UnknownNameError

nn = te.nn
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((8, 4, 3)), RNG.standard_normal((8, 4, 2))
BATCHES = list(zip(X, Y, strict=True))


class Noisy(nn.Module):
    """Noise on what comes in, and a running mean and a count of what goes out."""

    def __init__(self, kind: str = "normal") -> None:
        self.kind = kind
        self.generator = np.random.default_rng(3)
        self.linear = nn.Linear(3, 2)
        self.mean = te.Value(np.zeros(2), requires_grad=False)

    def forward(self, x: Any) -> Any:
        noise = te.random(self.generator, (4, 3), self.kind)
        rows = te.random(self.generator, 3, self.kind)
        one = te.random(self.generator, kind=self.kind)
        out = self.linear(x + 0.1 * noise * rows + one)
        if self.training:
            te.assign(self.mean, self.mean * 0.9 + 0.1 * np.mean(out.detach(), axis=0))
        return out - self.mean


def maker(build: Callable[[], Any]) -> Callable[[], Any]:
    def make() -> Any:
        model = build()
        optimizer = te.optim.Adam(model.parameters(), lr=0.05)
        return model, lambda model, x, y: nn.losses.mse(model(x), y), optimizer

    return make


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_random_numbers_and_new_data(kind: str) -> None:
    compiled = same_training(maker(lambda: Noisy(kind)), BATCHES)
    assert np.any(compiled.model.mean.data != 0)


def test_not_in_use() -> None:
    one, other = Noisy(), Noisy()
    step = te.compile(lambda x: plain(one(x)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n, x in enumerate(X):
            for model in (one, other):
                model.train(n % 4 < 2)
            assert bits(step(x)) == bits(plain(other(x)))
            assert bits(one.mean.data) == bits(other.mean.data)


def test_draws_of_one_generator_come_in_their_order() -> None:
    ours, theirs = np.random.default_rng(1), np.random.default_rng(1)

    def f(x: Any, generator: Any) -> Any:
        first, second = te.random(generator, 3), te.random(generator, 3)
        return x * first, x * second, x * te.random(generator, 3, "normal")

    step = te.compile(lambda x: f(x, ours))
    seen = set()
    for n in range(5):
        x = np.ones(3) + n
        found = step(x)
        assert bits(found) == bits(f(x, theirs))
        seen |= {tuple(each) for each in found}
    assert len(seen) == 15
    assert ours.bit_generator.state == theirs.bit_generator.state


def test_float32_takes_them_as_numpy_does() -> None:
    ours, theirs = np.random.default_rng(1), np.random.default_rng(1)

    def f(x: Any, generator: Any) -> Any:
        return x * te.random(generator, x.shape).astype(x.dtype)

    step = te.compile(lambda x: f(x, ours))
    for n in range(4):
        x = np.ones(3, np.float32) + n
        assert bits(step(x)) == bits(f(x, theirs))


def test_an_unknown_kind() -> None:
    generator = np.random.default_rng(0)

    def f(x: Any) -> Any:
        return x * te.random(generator, 3, "poisson")

    for function in (f, te.compile(f)):
        with pytest.raises(UnknownNameError, match=r"poisson.*uniform.*normal"):
            function(np.ones(3))


def test_data_of_another_shape_is_refused() -> None:
    leaf = te.Value(np.zeros(3), requires_grad=False)

    def f(x: Any, n: int) -> Any:
        te.assign(leaf, np.ones(2) if n else x * 1.0)
        return np.sum(x * leaf)

    step = te.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n in (0, 0, 0):
            step(np.ones(3), n)
            assert bits(leaf.data) == bits(np.ones(3))
        with pytest.raises(ShapeError):
            step(np.ones(3), 1)


def test_an_exception_after_an_assignment_leaves_all_as_it_was() -> None:
    model = Noisy()
    step = te.compile(lambda x, y: nn.losses.mse(model(x), y), te.optim.SGD(model.parameters()))
    for x, y in BATCHES[:3]:
        step(x, y)
    before = bits(model.state_dict()), repr(model.generator.bit_generator.state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        with pytest.raises(ShapeError):  # while it is recorded anew
            step(X[3], np.ones((3, 7)))
    assert (bits(model.state_dict()), repr(model.generator.bit_generator.state)) == before


# ---- among single numbers ----


def test_random_numbers_among_numbers() -> None:
    class Shaken(Neurons):
        def __init__(self) -> None:
            super().__init__()
            self.generator = np.random.default_rng(5)

        def forward(self, x: Any) -> Any:
            return super().forward(x) * (1.0 + 0.1 * te.random(self.generator))

    def make() -> Any:
        model = Shaken()

        def loss(model: Any, x: Any, y: Any) -> Any:
            return sum((model([x[i, 0], x[i, 1]]) - y[i, 0]) ** 2 for i in range(4))

        return model, loss, te.optim.SGD(model.parameters(), lr=0.01)

    compiled = same_training(make, BATCHES)
    assert "def step(" in compiled.step.source


def test_new_data_among_numbers_is_right_or_refused() -> None:
    def made() -> tuple[Any, Any]:
        w, mean = te.Value(0.5), te.Value(0.0, requires_grad=False)

        def f(x: float) -> Any:
            total = chain(x * w, w)
            te.assign(mean, mean * 0.5 + total.detach())
            return total + mean

        return f, mean

    (ours, mean), (theirs, expected) = made(), made()
    step = te.compile(ours)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n in range(6):
            assert bits(step(0.25 * n)) == bits(plain(theirs(0.25 * n)))
            assert mean.item() == expected.item()


@pytest.mark.parametrize("by_grad", [False, True])
def test_a_gradient_as_a_number_is_right_or_refused(by_grad: bool) -> None:
    w = te.Value(0.5)

    def f(x: float) -> Any:
        v = te.Value(2.0) * x
        inner = chain(v, v) * x
        if by_grad:
            (slope,) = te.grad(inner, [v])
        else:
            leaf = te.Value(0.25)
            (leaf * leaf * x).backward()
            slope = leaf.grad
        return chain(w, w * x) * slope

    step, right = te.compile(f), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        for n in range(5):
            try:
                found = step(1.0 + 0.5 * n)
            except TracingError:
                continue
            assert bits(found) == bits(plain(f(1.0 + 0.5 * n)))
            right += 1
    assert right
