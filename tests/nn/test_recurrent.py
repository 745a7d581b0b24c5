"""The recurrent layer against loops by hand, and truncated back-propagation against detaching."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.nn.judging import assert_gradients, shaken
from tinygrad_edu.errors import (
    DtypeError,
    GradientError,
    OperandError,
    ShapeError,
    UnknownNameError,
)
from tinygrad_edu.nn import RNN


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def by_hand(kind: type[RNN], state: Any = None) -> None:
    """Every number of every step, one by one."""
    layer = shaken(kind(2, 3))
    w, u, b = (leaf.data for leaf in (layer.weight, layer.recurrent_weight, layer.bias))
    x = numbers(2, 4, 2)
    out, last = layer(x, state)
    h = np.zeros((2, 3)) if state is None else state
    for t in range(4):
        after = np.empty((2, 3))
        for row in range(2):
            for j in range(3):
                z = b[j] + math.fsum(x[row, t, i] * w[i, j] for i in range(2))
                after[row, j] = math.tanh(z + math.fsum(h[row, i] * u[i, j] for i in range(3)))
        h = after
        np.testing.assert_allclose(out.data[:, t], h, rtol=1e-13)
    np.testing.assert_array_equal(last.data, out.data[:, -1])


@pytest.mark.parametrize("state", [None, numbers(2, 3, seed=5)])
def test_each_step_is_the_definition(state: Any) -> None:
    by_hand(RNN, state)


class Backwards(RNN):
    """From the last step to the first."""

    def forward(self, x: Any, state: Any = None, truncate: Any = None) -> Any:
        out, last = super().forward(x[:, ::-1], state, truncate)
        return out[:, ::-1], last


class Transposed(RNN):
    """U the other way round."""

    def forward(self, x: Any, state: Any = None, truncate: Any = None) -> Any:
        self.recurrent_weight = self.recurrent_weight.T
        return super().forward(x, state, truncate)


class Forgetful(RNN):
    """Starts from zeros whatever it is given; equal to the right one where nothing is."""

    def forward(self, x: Any, state: Any = None, truncate: Any = None) -> Any:
        return super().forward(x, None, truncate)


class OneBehind(RNN):
    """The first result is the initial state."""

    def forward(self, x: Any, state: Any = None, truncate: Any = None) -> Any:
        out, last = super().forward(x, state, truncate)
        first = np.zeros_like(out.data[:, :1]) if state is None else np.asarray(state)[:, None]
        return np.concatenate([first, out[:, :-1]], axis=1), last


@pytest.mark.parametrize("mutant", [Backwards, Transposed, Forgetful, OneBehind])
def test_wrong_recurrences_are_rejected(mutant: type[RNN]) -> None:
    with pytest.raises(AssertionError):
        by_hand(mutant, numbers(2, 3, seed=5))


@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_any_length_gives_a_state_per_step(
    batch: int, steps: int, inputs: int, hidden: int, tracked: bool
) -> None:
    """Also of Values of many steps, which are cut by halves."""
    layer, x = RNN(inputs, hidden, seed=1), numbers(batch, steps, inputs)
    out, last = layer(te.Value(x) if tracked else x)
    assert out.shape == (batch, steps, hidden)
    assert last.shape == (batch, hidden)
    h: Any = np.zeros((batch, hidden))
    for t in range(steps):
        h = np.tanh(x[:, t] @ layer.weight.data + h @ layer.recurrent_weight.data)
        np.testing.assert_allclose(out.data[:, t], h, rtol=1e-9, atol=1e-12)


@given(st.integers(1, 39))
def test_a_state_that_is_handed_on_continues_the_sequence(cut: int) -> None:
    layer, x = RNN(2, 3), numbers(2, 40, 2)
    whole, _ = layer(x)
    first, state = layer(x[:, :cut])
    second, _ = layer(x[:, cut:], state)
    joined = np.concatenate([first.data, second.data], axis=1)
    np.testing.assert_allclose(joined, whole.data, rtol=1e-13)


@pytest.mark.parametrize(
    "activation", ["tanh", pytest.param("sigmoid", marks=pytest.mark.thorough)]
)
def test_gradients_of_first_and_second_order(activation: str) -> None:
    layer = RNN(1, 2, activation)
    layer.bias.data = [0.3, -0.2]
    assert_gradients(layer, numbers(1, 3, 1), numbers(1, 2, seed=1))


class Cut(RNN):
    """No gradient through time."""

    def forward(self, x: Any, state: Any = None, truncate: Any = None) -> Any:
        return super().forward(x, state, 1)


def test_gradients_that_do_not_pass_through_time_are_rejected() -> None:
    with pytest.raises(GradientError):
        assert_gradients(Cut(1, 2), numbers(1, 3, 1), numbers(1, 2, seed=1))


def test_gradients_pass_through_sequences_that_are_cut_by_halves() -> None:
    layer, x, factors = RNN(2, 3), numbers(2, 37, 2), numbers(2, 37, 3, seed=1)
    tracked = te.Value(x)
    np.sum(layer(tracked)[0] * factors).backward()
    steps = [te.Value(x[:, t]) for t in range(37)]
    h: Any = np.zeros((2, 3))
    total: Any = 0.0
    for t, x_t in enumerate(steps):
        h = np.tanh(x_t @ layer.weight.data + h @ layer.recurrent_weight.data)
        total = total + np.sum(h * factors[:, t])
    total.backward()
    for t, x_t in enumerate(steps):
        np.testing.assert_allclose(tracked.grad[:, t], x_t.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("truncate", [1, 2, 3, 7, 8])
def test_truncation_is_detaching_the_state_by_hand(truncate: int) -> None:
    layer, twin = RNN(2, 3, seed=1), RNN(2, 3, seed=1)
    x, factors, start = numbers(2, 7, 2), numbers(2, 7, 3, seed=1), te.Value(numbers(2, 3, seed=2))
    out, last = layer(x, start, truncate)
    loss = np.sum(out * factors) + np.sum(last)
    loss.backward()

    own = te.Value(start.data)
    h: Any = own
    total: Any = 0.0
    for t in range(7):
        if t and t % truncate == 0:
            h = h.detach()
        h = np.tanh(x[:, t] @ twin.weight + h @ twin.recurrent_weight + twin.bias)
        total = total + np.sum(h * factors[:, t])
    total = total + np.sum(h)
    total.backward()
    np.testing.assert_allclose(loss.data, total.data, rtol=1e-13)
    for mine, theirs in zip([start, *layer.parameters()], [own, *twin.parameters()], strict=True):
        np.testing.assert_allclose(mine.grad, theirs.grad, rtol=1e-11, atol=1e-14)
    layer.zero_grad()
    start.grad = None
    full, state = layer(x, start)
    (np.sum(full * factors) + np.sum(state)).backward()
    differs = not np.allclose(layer.recurrent_weight.grad, twin.recurrent_weight.grad, rtol=1e-6)
    assert differs == (truncate < 7)


def test_the_default_weights_follow_the_rule_for_sums_of_two_products() -> None:
    """Xavier's variance with fan_in = inputs + hidden; U keeps the length of a state."""
    generator = np.random.default_rng(4)
    layer = RNN(30, 50, seed=4)
    drawn = generator.standard_normal((30, 50)) * math.sqrt(2 / (30 + 50 + 50))
    np.testing.assert_allclose(layer.weight.data, drawn, rtol=1e-14)
    u = layer.recurrent_weight.data
    np.testing.assert_allclose(u.T @ u, np.eye(50), atol=1e-13)
    np.testing.assert_array_equal(layer.bias.data, np.zeros(50))
    assert [name for name, _ in layer.named_parameters()] == ["weight", "recurrent_weight", "bias"]


def test_he_for_both_keeps_the_second_moment_of_relu_states() -> None:
    """Each pre-activation adds up 100 + 400 terms of variance 2/500 times E[input²]."""
    layer = RNN(100, 400, "relu", recurrent_init="he_normal", seed=1)
    assert layer.weight.data.var() == pytest.approx(2 / 500, rel=0.03)
    assert layer.recurrent_weight.data.var() == pytest.approx(2 / 500, rel=0.03)
    x, h = numbers(200, 1, 100), np.maximum(numbers(200, 400, seed=1) * math.sqrt(2), 0)
    assert np.mean(h**2) == pytest.approx(1, rel=0.03)
    out, _ = layer(x, h)
    assert np.mean(out.data**2) == pytest.approx(1, rel=0.05)


def test_initialisers_without_fans_are_asked_for_the_shape_alone() -> None:
    def eye(shape: tuple[int, int], generator: np.random.Generator) -> Any:
        return np.eye(*shape)

    layer = RNN(2, 3, init=functools.partial(te.nn.init.constant, value=0.25), recurrent_init=eye)
    np.testing.assert_array_equal(layer.weight.data, np.full((2, 3), 0.25))
    np.testing.assert_array_equal(layer.recurrent_weight.data, np.eye(3))
    gained = RNN(2, 3, init=functools.partial(te.nn.init.xavier_normal, gain=3.0), seed=2)
    plain = RNN(2, 3, seed=2)
    np.testing.assert_allclose(gained.weight.data, 3 * plain.weight.data, rtol=1e-14)


def test_one_seed_gives_the_same_layer_in_the_dtype_asked_for() -> None:
    for dtype in (np.float32, np.float64):
        first, same, other = (RNN(2, 3, seed=seed, dtype=dtype) for seed in (1, 1, 2))
        assert not np.any(first.weight.data == other.weight.data)
        for mine, twin in zip(first.parameters(), same.parameters(), strict=True):
            np.testing.assert_array_equal(mine.data, twin.data)
        out, last = first(numbers(2, 5, 2).astype(dtype))
        assert out.dtype == last.dtype == dtype


def test_steps_are_recorded_under_scopes_of_their_own() -> None:
    heard: list[str] = []
    with te.observe(lambda node, gradient: heard.append(node.scope)):
        RNN(2, 3)(numbers(1, 2, 2))
    assert heard == ["rnn.steps.0"] * 3 + ["rnn.steps.1"] * 3 + ["rnn"]


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4)
    .map(tuple)
    .filter(lambda shape: len(shape) != 3 or shape[2] != 2 or not shape[1])
)
def test_inputs_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"takes x of shape \(batch, steps, 2\) with one step"):
        RNN(2, 3)(np.ones(shape))


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 2), (4, 3), (2, 1, 3)])
def test_states_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"it must have \(2, 3\)"):
        RNN(2, 3)(np.ones((2, 4, 2)), np.ones(shape))


@pytest.mark.parametrize("truncate", [0, -1, 1.5, "2"])
def test_truncation_counts_steps(truncate: Any) -> None:
    with pytest.raises(OperandError, match=f"number of steps from 1 up, not {truncate!r}"):
        RNN(2, 3)(np.ones((2, 4, 2)), truncate=truncate)


def test_arguments_that_make_no_layer_are_refused() -> None:
    with pytest.raises(ShapeError, match="RNN needs a positive whole number of inputs, not 0"):
        RNN(0, 3)
    with pytest.raises(ShapeError, match=r"positive whole number of hidden, not 2\.5"):
        RNN(2, 2.5)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="no activation 'Tanh'; write 'tanh'"):
        RNN(2, 3, "Tanh")
    with pytest.raises(UnknownNameError, match="write 'he_normal'"):
        RNN(2, 3, init="kaiming_normal")
    with pytest.raises(ShapeError, match="'glu' gives half as many outputs"):
        RNN(2, 4, "glu")
    with pytest.raises(DtypeError, match="RNN's dtype"):
        RNN(2, 3, dtype=np.int64)
    with pytest.raises(ShapeError, match=r"gave weights of shape \(2, 2\); it must give \(3, 3\)"):
        RNN(2, 3, recurrent_init=lambda shape, generator: np.eye(2))


def test_a_list_is_a_batch_of_sequences_too() -> None:
    layer = RNN(1, 2)
    np.testing.assert_array_equal(
        layer([[[1.0], [2.0]]])[0].data, layer(np.array([[[1.0], [2.0]]]))[0].data
    )
