"""Initial weights: their shape, spread and seed, and names as other libraries spell them."""

from __future__ import annotations

import functools
import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tinygrad_edu.errors import OperandError, ShapeError, UnknownNameError
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


def chosen(name: str) -> Any:
    """An initialiser with all its options, which its type does not have."""
    return init.named(name)


@pytest.mark.parametrize("name", VARIANCES)
def test_weights_have_the_mean_the_variance_and_the_shape_of_their_distribution(name: str) -> None:
    assert_distributed(init.named(name), VARIANCES[name], KURTOSIS[name.split("_")[1]])


@pytest.mark.parametrize("name", VARIANCES)
def test_a_gain_multiplies_the_standard_deviation(name: str) -> None:
    default = math.sqrt(2) if name.startswith("he") else 1.0
    initialiser = functools.partial(chosen(name), gain=3.0)
    variance = (3 / default) ** 2 * VARIANCES[name]
    assert_distributed(initialiser, variance, KURTOSIS[name.split("_")[1]])


@pytest.mark.parametrize("name", VARIANCES)
def test_fans_that_are_given_take_the_place_of_those_of_the_shape(name: str) -> None:
    both, fan_in = 2 / (2000 + 400), 1 / 2000
    variance = {"xavier": both, "he": 2 * fan_in, "lecun": fan_in}[name.split("_")[0]]
    initialiser = functools.partial(chosen(name), fans=(2000, 400))
    assert_distributed(initialiser, variance, KURTOSIS[name.split("_")[1]])


@pytest.mark.parametrize(
    ("initialiser", "mean", "variance", "kurtosis"),
    [
        (init.normal, 0.0, 1.0, 3.0),
        (functools.partial(init.normal, mean=-2.0, std=0.5), -2.0, 0.25, 3.0),
        (init.uniform, 0.5, 1 / 12, 1.8),
        (functools.partial(init.uniform, low=-3.0, high=1.0), -1.0, 16 / 12, 1.8),
    ],
)
def test_plain_distributions_are_those_of_their_options(
    initialiser: Any, mean: float, variance: float, kurtosis: float
) -> None:
    assert_distributed(initialiser, variance, kurtosis, mean)


@pytest.mark.parametrize(
    "mutant",
    [
        lambda shape, generator: 1.05 * init.he_normal(shape, generator),
        lambda shape, generator: init.he_normal(shape, generator) + 0.002,
        lambda shape, generator: init.he_normal(shape, generator).T,
        lambda shape, generator: init.he_normal(shape[::-1], generator).T,
        init.he_uniform,
        init.xavier_normal,
    ],
)
def test_other_distributions_are_rejected(mutant: Any) -> None:
    with pytest.raises(AssertionError):
        assert_distributed(mutant, VARIANCES["he_normal"], KURTOSIS["normal"])


def assert_distributed(
    initialiser: Any, variance: float, kurtosis: float, middle: float = 0.0
) -> None:
    drawn = initialiser(SHAPE, np.random.default_rng(0))
    assert drawn.shape == SHAPE
    assert drawn.dtype == np.float64
    weights = drawn - middle
    # Five standard errors: a right initialiser fails once in a million seeds, and one whose
    # variance is off by 5 % always. That of a sample variance is σ²√((kurtosis − 1)/n).
    count = weights.size
    assert abs(weights.mean()) < 5 * math.sqrt(variance / count)
    spread = math.sqrt((kurtosis - 1) / count)
    assert weights.var() == pytest.approx(variance, rel=5 * spread)
    # The variance of z⁴ is 105 − 9 for the normal distribution, and less for the uniform one.
    fourth = np.mean((weights / math.sqrt(variance)) ** 4)
    assert fourth == pytest.approx(kurtosis, abs=5 * math.sqrt(96 / count))
    if kurtosis < 3:
        bound = math.sqrt(3 * variance)
        assert 0.999 * bound < np.abs(weights).max() <= bound


def test_zeros_ones_and_constants_are_what_they_are_called() -> None:
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    np.testing.assert_array_equal(init.zeros((2, 3), generator), [[0, 0, 0]] * 2)
    np.testing.assert_array_equal(init.ones((2, 3), generator), [[1, 1, 1]] * 2)
    constant = functools.partial(init.constant, value=7)
    drawn = constant((2, 3), generator)
    assert drawn.dtype == np.float64
    np.testing.assert_array_equal(drawn, [[7, 7, 7]] * 2)
    assert generator.bit_generator.state == before
    layer = te.nn.Linear(2, 3, init=functools.partial(init.constant, value=0.5))
    np.testing.assert_array_equal(layer.weight.data, np.full((2, 3), 0.5))


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.25, 4), st.integers(0, 2**32))
def test_orthogonal_matrices_keep_lengths(rows: int, columns: int, gain: float, seed: int) -> None:
    q = init.orthogonal((rows, columns), np.random.default_rng(seed), gain)
    assert q.shape == (rows, columns)
    short = q.T @ q if rows >= columns else q @ q.T
    np.testing.assert_allclose(short, gain**2 * np.eye(min(rows, columns)), atol=1e-13 * gain**2)


def test_orthogonal_matrices_are_drawn_evenly() -> None:
    """Haar's measure (Mezzadri 2007): traces of O(n) have mean 0 and variance 1."""
    generator = np.random.default_rng(0)
    traces = [np.trace(init.orthogonal((3, 3), generator)) for _ in range(4000)]
    assert abs(np.mean(traces)) < 5 / math.sqrt(4000)
    assert np.var(traces) == pytest.approx(1, abs=5 * math.sqrt(2 / 4000))
    unsigned = [np.trace(np.linalg.qr(generator.normal(size=(3, 3)))[0]) for _ in range(4000)]
    assert abs(np.mean(unsigned)) > 0.25  # without the signs they lean to one side


def test_more_axes_are_rows_of_an_orthogonal_matrix() -> None:
    drawn = init.orthogonal((3, 2, 4), np.random.default_rng(0))
    flat = drawn.reshape(6, 4)
    np.testing.assert_allclose(flat.T @ flat, np.eye(4), atol=1e-14)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((3, 5), (3, 5)), ((4, 3, 5), (12, 20)), ((3, 3, 2, 8), (18, 72))],
)
def test_fans_count_terms_and_uses(shape: tuple[int, ...], wanted: tuple[int, int]) -> None:
    # A 3 × 3 convolution of 2 channels to 8 adds up 9·2 numbers, each of which goes to 9·8.
    assert init.fans(shape) == wanted


@pytest.mark.parametrize("shape", [(), (3,)])
@pytest.mark.parametrize("name", [*VARIANCES, "orthogonal"])
def test_a_row_has_no_fans(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="have no fans; give a shape"):
        chosen(name)(shape, np.random.default_rng(0))


def second_moment(activation: Any) -> Any:
    with mp.workdps(30):
        return mp.quad(
            lambda x: activation(x) ** 2 * mp.exp(-(x**2) / 2) / mp.sqrt(2 * mp.pi),
            [-20, -5, 0, 5, 20],
        )


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("tanh", mp.tanh),
        ("sigmoid", lambda x: 1 / (1 + mp.exp(-x))),
        ("relu", lambda x: max(x, 0)),
        ("softplus", lambda x: mp.log1p(mp.exp(x))),
    ],
)
def test_the_gain_undoes_what_an_activation_takes_from_the_second_moment(
    name: str, function: Any
) -> None:
    wanted = float(1 / mp.sqrt(second_moment(function)))
    assert init.gain(name) == pytest.approx(wanted, rel=1e-9)
    assert init.gain(te.ACTIVATIONS[name]) == init.gain(name)


def test_with_its_gain_an_activation_keeps_the_second_moment_through_layers() -> None:
    initialiser = functools.partial(init.he_normal, gain=init.gain("tanh"))
    rng = np.random.default_rng(0)
    h = rng.normal(size=(500, 400))
    for seed in range(4):
        z = te.nn.Linear(400, 400, init=initialiser, seed=seed)(h).data
        assert z.var() == pytest.approx(init.gain("tanh") ** 2 * np.mean(h**2), rel=0.05)
        h = np.tanh(z / z.std())
        assert np.mean(h**2) == pytest.approx(1 / init.gain("tanh") ** 2, rel=0.02)


def test_activations_without_a_gain_are_refused() -> None:
    with pytest.raises(OperandError, match="'softmax' is no function of one number"):
        init.gain("softmax")
    with pytest.raises(UnknownNameError, match="no activation 'Tanh'; write 'tanh'"):
        init.gain("Tanh")


def test_options_that_make_no_distribution_are_refused() -> None:
    generator = np.random.default_rng(0)
    for std in (-1.0, math.nan):
        with pytest.raises(OperandError, match="deviation of at least 0"):
            init.normal((2, 3), generator, std=std)
    with pytest.raises(OperandError, match=r"low <= high, not low=1\.0 and high=0\.5"):
        init.uniform((2, 3), generator, 1.0, 0.5)


@pytest.mark.parametrize("name", [n for n in init.INITIALISERS if n not in ("zeros", "ones")])
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
        ("zeros_", "zeros"),
        ("orthogonal_", "orthogonal"),
    ],
)
def test_other_libraries_spellings_are_recognised(spelt: str, ours: str) -> None:
    for make in (init.named, lambda name: te.nn.Linear(2, 3, init=name)):
        with pytest.raises(UnknownNameError, match=f"no initialiser {spelt!r}; write {ours!r}"):
            make(spelt)


def test_unknown_names_list_the_ones_that_are_near() -> None:
    with pytest.raises(UnknownNameError, match="no initialiser 'ortogonal'; there is orthogonal"):
        init.named("ortogonal")
    with pytest.raises(UnknownNameError, match=r"lecun_normal, normal, ones, orthogonal, uniform"):
        init.named("qqq")


@pytest.mark.parametrize("name", ["constant", "constant_"])
def test_a_constant_needs_its_value(name: str) -> None:
    with pytest.raises(
        UnknownNameError, match=r"functools\.partial\(te\.nn\.init\.constant, value="
    ):
        te.nn.Linear(2, 3, init=name)


def test_a_function_can_be_the_initialiser() -> None:
    def diagonal(shape: tuple[int, int], generator: np.random.Generator) -> Any:
        return np.eye(*shape) + generator.integers(1)

    np.testing.assert_array_equal(te.nn.Linear(3, 3, init=diagonal).weight.data, np.eye(3))
