"""Initial weights: their shape, spread and seed, and names as other libraries spell them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import UnknownNameError
from tinygrad_edu.nn import init

SHAPE = (500, 200)
# Glorot and Bengio 2010, equations 12 and 16; He et al. 2015, equation 10; LeCun et al. 1998.
VARIANCES = {
    "xavier_normal": 2 / (500 + 200),
    "xavier_uniform": 2 / (500 + 200),
    "he_normal": 2 / 500,
    "he_uniform": 2 / 500,
    "lecun_normal": 1 / 500,
}
KURTOSIS = {"normal": 3.0, "uniform": 1.8}


@pytest.mark.parametrize("name", [*init.INITIALISERS])
def test_weights_have_the_mean_the_variance_and_the_shape_of_their_distribution(name: str) -> None:
    weights = init.named(name)(SHAPE, np.random.default_rng(0))
    assert weights.shape == SHAPE
    assert weights.dtype == np.float64
    # Five standard errors: a right initialiser fails once in a million seeds, and one whose
    # variance is off by 5 % always. That of a sample variance is σ²√((kurtosis − 1)/n).
    count, variance = weights.size, VARIANCES[name]
    kurtosis = KURTOSIS[name.split("_")[1]]
    assert abs(weights.mean()) < 5 * math.sqrt(variance / count)
    spread = math.sqrt((kurtosis - 1) / count)
    assert weights.var() == pytest.approx(variance, rel=5 * spread)
    # The variance of z⁴ is 105 − 9 for the normal distribution, and less for the uniform one.
    fourth = np.mean((weights / math.sqrt(variance)) ** 4)
    assert fourth == pytest.approx(kurtosis, abs=5 * math.sqrt(96 / count))
    if "uniform" in name:
        bound = math.sqrt(3 * variance)
        assert 0.999 * bound < np.abs(weights).max() <= bound


@pytest.mark.parametrize("name", [*init.INITIALISERS])
def test_one_seed_gives_the_same_weights_and_another_gives_others(name: str) -> None:
    first, same, other = (
        te.nn.Linear(3, 4, init=name, seed=seed).weight.data for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.any(first == other)


def test_xavier_normal_scales_the_generators_own_numbers() -> None:
    drawn = np.random.default_rng(3).standard_normal((2, 8))
    weights = te.nn.Linear(2, 8, init="xavier_normal", seed=3).weight.data
    np.testing.assert_allclose(weights, drawn * math.sqrt(2 / 10), rtol=1e-15)


@pytest.mark.parametrize(
    ("spelt", "ours"),
    [
        ("kaiming_normal", "he_normal"),
        ("kaiming_uniform_", "he_uniform"),
        ("glorot_uniform", "xavier_uniform"),
        ("xavier_normal_", "xavier_normal"),
        ("He_Normal", "he_normal"),
    ],
)
def test_other_libraries_spellings_are_recognised(spelt: str, ours: str) -> None:
    for make in (init.named, lambda name: te.nn.Linear(2, 3, init=name)):
        with pytest.raises(UnknownNameError, match=f"no initialiser {spelt!r}; write {ours!r}"):
            make(spelt)


def test_unknown_names_list_the_ones_there_are() -> None:
    with pytest.raises(
        UnknownNameError, match="he_normal, he_uniform, lecun_normal, xavier_normal or xa"
    ):
        init.named("zeros")


def test_a_function_can_be_the_initialiser() -> None:
    def diagonal(shape: tuple[int, int], generator: np.random.Generator) -> Any:
        return np.eye(*shape) + generator.integers(1)

    np.testing.assert_array_equal(te.nn.Linear(3, 3, init=diagonal).weight.data, np.eye(3))
