"""Batch and layer normalisation against their definitions, by hand and by the verifier."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.nn.judging import assert_gradients, shaken
from tinygrad_edu.errors import DtypeError, GradientError, OperandError, ShapeError
from tinygrad_edu.nn import BatchNorm, LayerNorm

LAYERS = [BatchNorm, LayerNorm]
each_layer = pytest.mark.parametrize("kind", LAYERS)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(2, 3, shape)


def batch_norm_by_hand(kind: type[BatchNorm]) -> None:
    """Three batches with all sums written out, then use."""
    layer = shaken(kind(2, momentum=0.3, epsilon=0.01))
    weight, bias = layer.weight.data.tolist(), layer.bias.data.tolist()
    mean_so_far, var_so_far = layer.running_mean.data.tolist(), layer.running_var.data.tolist()
    for seed in range(3):
        x = numbers(5, 2, seed=seed)
        out = layer(x).data
        for j in range(2):
            column = x[:, j].tolist()
            mean = math.fsum(column) / 5
            squares = math.fsum((number - mean) ** 2 for number in column)
            for i, number in enumerate(column):
                standard = (number - mean) / math.sqrt(squares / 5 + 0.01)
                np.testing.assert_allclose(out[i, j], standard * weight[j] + bias[j], rtol=1e-12)
            mean_so_far[j] = 0.7 * mean_so_far[j] + 0.3 * mean
            var_so_far[j] = 0.7 * var_so_far[j] + 0.3 * squares / 4
        np.testing.assert_allclose(layer.running_mean.data, mean_so_far, rtol=1e-12)
        np.testing.assert_allclose(layer.running_var.data, var_so_far, rtol=1e-12)
    layer.eval()
    x = numbers(1, 2, seed=9)
    for j in range(2):
        standard = (x[0, j] - mean_so_far[j]) / math.sqrt(var_so_far[j] + 0.01)
        np.testing.assert_allclose(layer(x).data[0, j], standard * weight[j] + bias[j], rtol=1e-12)
    np.testing.assert_allclose(layer.running_mean.data, mean_so_far, rtol=1e-12)


def test_batch_norm_is_its_definition() -> None:
    batch_norm_by_hand(BatchNorm)


class Biased(BatchNorm):
    """The running variance is the population's."""

    def forward(self, x: Any) -> Any:
        before = self.running_var.data
        out = super().forward(x)
        if self.training:
            rows = x.shape[0]
            newest = (self.running_var.data - 0.7 * before) * (rows - 1) / rows
            self.running_var.data = 0.7 * before + newest
        return out


class Unbiased(BatchNorm):
    """The variance of a sample normalises the batch."""

    def normalised(self, x: Any, mean: Any, variance: Any) -> Any:
        correction = len(x) / (len(x) - 1) if self.training else 1.0
        return super().normalised(x, mean, variance * correction)


class OtherMomentum(BatchNorm):
    """Momentum is the share of what was."""

    def __init__(self, features: int, momentum: float, epsilon: float) -> None:
        super().__init__(features, momentum=1 - momentum, epsilon=epsilon)


class EpsilonOutside(BatchNorm):
    """ε is added to the standard deviation."""

    def normalised(self, x: Any, mean: Any, variance: Any) -> Any:
        spread = np.sqrt(variance) + self.epsilon
        return (x - mean) / spread * self.weight + self.bias


class AlwaysLearning(BatchNorm):
    """Use is as learning."""

    def forward(self, x: Any) -> Any:
        self.training = True
        return super().forward(np.concatenate([x, x]) if len(x) == 1 else x)


@pytest.mark.parametrize(
    "mutant", [Biased, Unbiased, OtherMomentum, EpsilonOutside, AlwaysLearning]
)
def test_wrong_batch_norms_are_rejected(mutant: type[BatchNorm]) -> None:
    with pytest.raises(AssertionError):
        batch_norm_by_hand(mutant)


def test_layer_norm_is_its_definition() -> None:
    layer = shaken(LayerNorm(3, epsilon=0.01))
    x = numbers(2, 4, 3)
    out = layer(x).data
    for i, j in np.ndindex(2, 4):
        row = x[i, j].tolist()
        mean = math.fsum(row) / 3
        deviation = math.sqrt(math.fsum((number - mean) ** 2 for number in row) / 3 + 0.01)
        wanted = (x[i, j] - mean) / deviation * layer.weight.data + layer.bias.data
        np.testing.assert_allclose(out[i, j], wanted, rtol=1e-12)


@given(st.sampled_from(LAYERS), shapes, st.integers(1, 4))
def test_outputs_have_the_inputs_shape_and_are_standard(
    kind: Any, outer: tuple[int, ...], features: int
) -> None:
    layer, shape = kind(features, epsilon=1e-12), (2, *outer, features)
    out = layer(numbers(*shape)).data
    assert out.shape == shape
    axes: Any = tuple(range(len(shape) - 1)) if kind is BatchNorm else -1
    if kind is BatchNorm or features > 1:
        np.testing.assert_allclose(np.mean(out, axis=axes), 0, atol=1e-9)
        np.testing.assert_allclose(np.var(out, axis=axes), 1, rtol=1e-6)
    else:
        np.testing.assert_array_equal(out, 0)  # one number is its own mean


@pytest.mark.parametrize("shape", [(3, 2), pytest.param((2, 2, 3), marks=pytest.mark.thorough)])
@pytest.mark.parametrize("layer", [BatchNorm, lambda n, **o: BatchNorm(n, **o).eval(), LayerNorm])
def test_gradients_of_first_and_second_order(layer: Any, shape: tuple[int, ...]) -> None:
    assert_gradients(shaken(layer(shape[-1], epsilon=0.1)), numbers(*shape))


class Cut(te.nn.Module):
    """A normalisation through which part of the gradient does not flow."""

    def __init__(self, axis: int, mean: bool) -> None:
        self.weight, self.axis, self.mean = te.Value([1.0, 2.0, 3.0]), axis, mean

    def forward(self, x: Any) -> Any:
        mean = np.mean(x, axis=self.axis, keepdims=True)
        variance = np.var(x, axis=self.axis, keepdims=True)
        if self.mean:
            mean = mean.detach()
        else:
            variance = variance.detach()
        return (x - mean) / np.sqrt(variance + 0.1) * self.weight


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("mean", [True, False])
def test_gradients_that_leave_out_a_statistic_are_rejected(axis: int, mean: bool) -> None:
    with pytest.raises(GradientError):
        assert_gradients(Cut(axis, mean), numbers(4, 3))


@each_layer
def test_the_layers_start_as_pure_normalisation_in_the_dtype_asked_for(kind: Any) -> None:
    for dtype in (np.float32, np.float64):
        layer = kind(3, dtype=dtype)
        np.testing.assert_array_equal(layer.weight.data, np.ones(3))
        np.testing.assert_array_equal(layer.bias.data, np.zeros(3))
        out = layer(numbers(4, 3).astype(dtype))
        assert out.dtype == dtype
        assert all(leaf.dtype == dtype for _, leaf in layer.named_leaves())
    np.testing.assert_array_equal(BatchNorm(3).running_mean.data, np.zeros(3))
    np.testing.assert_array_equal(BatchNorm(3).running_var.data, np.ones(3))


def test_parameters_are_learned_and_running_statistics_are_buffers() -> None:
    layer = BatchNorm(3)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert [name for name, _ in layer.named_buffers()] == ["running_mean", "running_var"]
    assert [*LayerNorm(3).named_buffers()] == []
    x = te.Value(numbers(4, 3))
    np.sum(layer(x) ** 2).backward()
    assert layer.running_mean.grad is None


def test_rows_do_not_depend_on_one_another_in_use() -> None:
    layer = shaken(BatchNorm(3)).eval()
    x = numbers(4, 3)
    together = layer(x).data
    for i, row in enumerate(x):
        np.testing.assert_allclose(layer(row).data, together[i], rtol=1e-14)


@pytest.mark.parametrize("shape", [(1, 3), (3,), (1, 1, 3)])
def test_one_row_has_no_variance_to_learn_from(shape: tuple[int, ...]) -> None:
    layer = BatchNorm(3)
    with pytest.raises(ShapeError, match="two rows or more") as caught:
        layer(np.ones(shape))
    assert "model.eval()" in str(caught.value)
    assert "last batch of an epoch" in str(caught.value)
    assert "rows % batch size != 1" in str(caught.value)
    np.testing.assert_array_equal(layer.running_mean.data, 0)
    assert layer.eval()(np.ones(shape)).shape == shape


@given(st.sampled_from(LAYERS), shapes, st.integers(1, 5))
def test_another_number_of_features_is_refused(
    kind: Any, shape: tuple[int, ...], features: int
) -> None:
    if shape[-1] == features:
        shape = (*shape[:-1], features + 1)
    message = rf"takes x of shape \(\.\.\., {features}\), features last, not \({shape[0]},"
    with pytest.raises(ShapeError, match=message):
        kind(features)(np.ones(shape))


@each_layer
@pytest.mark.parametrize("count", [0, -1, 2.5, "3"])
def test_features_are_counted_in_whole_numbers(kind: Any, count: Any) -> None:
    with pytest.raises(ShapeError, match=f"positive whole number of features, not {count!r}"):
        kind(count)


@each_layer
def test_options_out_of_range_are_refused(kind: Any) -> None:
    for epsilon in (0.0, -1e-5, math.inf, math.nan):
        with pytest.raises(OperandError, match="epsilon must be a positive number"):
            kind(3, epsilon=epsilon)
    with pytest.raises(DtypeError, match=f"{kind.__name__}'s dtype is np.float64 or np.float32"):
        kind(3, dtype=np.float16)


@pytest.mark.parametrize("momentum", [-0.1, 1.1, math.nan])
def test_momentum_is_a_share(momentum: float) -> None:
    with pytest.raises(OperandError, match=r"newest batch in the running statistics, in \[0, 1\]"):
        BatchNorm(3, momentum=momentum)


@each_layer
def test_equal_numbers_give_zeros_without_a_warning(kind: Any) -> None:
    x = te.Value(np.full((4, 3), 1e6))
    out = kind(3)(x)
    np.testing.assert_array_equal(out.data, 0)
    np.sum(out).backward()
    assert np.all(np.isfinite(x.grad))
