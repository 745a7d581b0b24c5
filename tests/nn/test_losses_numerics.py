"""Losses and their slopes in units in the last place, and wrong losses that these tests reject."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te
from tests.activations.truth import (
    SLOPE_UNITS,
    TAIL_UNITS,
    VALUE_UNITS,
    Value,
    points,
    units_off,
)
from tests.activations.truth import logistic as far_logistic
from tests.activations.truth import softplus as far_softplus
from tests.nn.loss_truth import CASES, DIGITS, MARGIN, WEIGHTS, Case, exact

losses = te.nn.losses
each_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])
each_case = pytest.mark.parametrize("name", CASES)
# From nearly even to numbers whose exponentials no format holds.
SIZES = 10.0 ** np.linspace(-6, 5, 34)


def check(case: Case, loss: Callable[..., Any], dtype: type, sizes: Any = SIZES) -> None:
    """Assert that a loss and its slopes are those of a case, one target at a time: no mean."""
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in sizes:
            prediction, target = case.draw(rng, size)
            prediction = prediction.astype(dtype)
            if case.draw.__name__ == "probability":
                ends = np.finfo(dtype)
                prediction = np.clip(prediction, ends.tiny, 1 - ends.epsneg)
            if target.dtype.kind == "f":
                target = target.astype(dtype)
            with mp.workdps(DIGITS):
                truth = case.truth([exact(each) for each in prediction], target)
                value, terms = float(truth.value), float(truth.value_terms)
                slopes = np.array([float(each) for each in truth.slopes])
                units = np.array([float(each) for each in truth.terms])
            leaf = Value(prediction)
            got = loss(leaf, target, reduction="sum")
            got.backward()
            assert got.dtype == leaf.grad.dtype == dtype
            where = prediction.tolist(), target.tolist()
            assert units_off(got.data, value, terms or value) <= VALUE_UNITS, where
            # What nothing cancels in is right by itself; a sum that cancels, by its terms.
            off = units_off(leaf.grad, slopes, np.where(units > 0, units, slopes))
            assert off.max() <= TAIL_UNITS, where
            largest = np.maximum(np.abs(slopes).max(), units.max())
            assert units_off(leaf.grad, slopes, largest).max() <= SLOPE_UNITS, where


@each_case
@each_dtype
def test_losses_and_their_slopes_are_right_in_the_last_places(name: str, dtype: type) -> None:
    check(CASES[name], CASES[name].loss, dtype)


@pytest.mark.thorough
@each_case
@each_dtype
def test_losses_are_right_in_the_last_places_of_many_draws(name: str, dtype: type) -> None:
    check(CASES[name], CASES[name].loss, dtype, np.repeat(SIZES, 30))


def knee(prediction: Any, target: Any, reduction: str) -> Any:
    apart = prediction - target
    return np.sum(np.where(abs(apart) <= 1, apart**2 / 2, abs(apart)))


def softmax_log(prediction: Any, target: Any, reduction: str) -> Any:
    return -np.log(te.activations.softmax(prediction))[int(target)]


def unstable(prediction: Any, target: Any, reduction: str) -> Any:
    p = te.activations.sigmoid(prediction)
    return -np.sum(target * np.log(p) + (1 - target) * np.log(1 - p))


def one_class(prediction: Any, target: Any, reduction: str) -> Any:
    return np.mean(np.maximum(1 + prediction - prediction[int(target)], 0))


def last_class(loss: Callable[..., Any]) -> Callable[..., Any]:
    return lambda y, t, reduction: loss(y, np.array((int(t) + 1) % len(y.data)), reduction="sum")


def rounded_twice(prediction: Any, target: Any, reduction: str) -> Any:
    score = prediction[int(target)]
    lacks = np.maximum(MARGIN + (prediction - score), 0)
    return (np.sum(lacks) - MARGIN) / prediction.size


MISTAKES: dict[str, tuple[str, Callable[..., Any]]] = {
    "half of the square": ("mse", lambda y, t, reduction: losses.mse(y, t) / 2),
    "the sign lost": ("mae", lambda y, t, reduction: np.sum(y - t)),
    "no root": ("mae", lambda y, t, reduction: losses.mse(y, t)),
    "a jump at the knee": ("huber", knee),
    "another delta": ("huber delta=0.25", partial(losses.huber, delta=0.26)),
    "the other class": ("bce", lambda y, t, reduction: losses.bce(y, 1 - t)),
    "probabilities clamped": (
        "bce",
        lambda y, t, reduction: losses.bce(np.clip(y, 1e-7, 1 - 1e-7), t),
    ),
    "the sigmoid taken first": ("bce_with_logits", unstable),
    "all of it weighed": (
        "bce_with_logits weight",
        lambda y, t, reduction: 2.5 * losses.bce_with_logits(y, t),
    ),
    "the softmax taken first": ("cross_entropy", softmax_log),
    "the class beside it": ("cross_entropy", last_class(losses.cross_entropy)),
    "no smoothing": ("cross_entropy smoothing", losses.cross_entropy),
    "other smoothing": (
        "cross_entropy smoothing",
        partial(losses.cross_entropy, label_smoothing=0.1251),
    ),
    "weights forgotten": ("cross_entropy weights", losses.cross_entropy),
    "weights reversed": (
        "cross_entropy weights",
        partial(losses.cross_entropy, weights=WEIGHTS[::-1]),
    ),
    "smoothing not weighed": (
        "cross_entropy smoothing and weights",
        lambda y, t, reduction: (
            0.5 * losses.cross_entropy(y, t, weights=WEIGHTS, reduction="sum")
            - 0.5 * np.mean(te.activations.log_softmax(y))
        ),
    ),
    "probabilities rounded": (
        "cross_entropy probabilities",
        lambda y, t, reduction: losses.cross_entropy(y, np.array(t.argmax())),
    ),
    "the true side wrong": ("hinge", lambda y, t, reduction: losses.hinge(y, -t)),
    "no margin": ("hinge", lambda y, t, reduction: np.sum(np.maximum(-t * y, 0))),
    "rounded twice": ("hinge classes margin", rounded_twice),
    "the class against itself": ("hinge classes", one_class),
    "the mean of the others": (
        "hinge classes",
        lambda y, t, reduction: losses.hinge(y, t) * y.size / (y.size - 1),
    ),
    "the entropy left out": (
        "kl_divergence",
        lambda y, t, reduction: -np.sum(t * y),
    ),
    "the other way round": (
        "kl_divergence",
        lambda y, t, reduction: np.sum(np.exp(y) * (y - np.log(t + 1e-30))),
    ),
    "a slope scaled": (
        "cross_entropy",
        lambda y, t, reduction: losses.cross_entropy(y * 1.01 - y.data * 0.01, t),
    ),
    "a slope lost": (
        "bce_with_logits",
        lambda y, t, reduction: losses.bce_with_logits(y * 0.5 + y.data * 0.5, t),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_wrong_losses_are_rejected(mistake: str) -> None:
    name, wrong = MISTAKES[mistake]
    with pytest.raises((AssertionError, RuntimeWarning)):
        check(CASES[name], wrong, np.float64)


@each_dtype
@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
def test_binary_cross_entropy_is_right_from_end_to_end_of_the_format(
    target: float, dtype: type
) -> None:
    for logit in points(dtype)[::3]:
        with mp.workdps(DIGITS):
            x, t = mp.mpf(float(logit)), mp.mpf(target)
            loss = t * far_softplus(-x) + (1 - t) * far_softplus(x)
            slope = (1 - t) * far_logistic(x) - t * far_logistic(-x)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value = Value(logit)
            got = losses.bce_with_logits(value, dtype(target))
            got.backward()
        assert units_off(got.data, float(loss), float(loss)) <= VALUE_UNITS, logit
        assert units_off(value.grad, float(slope), 1.0) <= SLOPE_UNITS, logit
        if target in (0.0, 1.0):
            assert units_off(value.grad, float(slope), float(slope)) <= TAIL_UNITS, logit


@each_dtype
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_cross_entropy_is_right_from_end_to_end_of_the_format(classes: int, dtype: type) -> None:
    """One logit is z, the others are 0: the loss of the first class and of another one.

    Each power below the smallest normal number is rounded to a whole number of the smallest ones.
    """
    rounding = classes / 2 * float(np.finfo(dtype).smallest_subnormal)
    for logit in points(dtype)[::5]:
        with mp.workdps(DIGITS):
            x, others = mp.mpf(float(logit)), mp.log(classes - 1)
            wanted = float(far_softplus(others - x)), float(far_softplus(x - others) + others)
            if classes == 2 and abs(logit) < 1e-10:
                wanted = float(mp.log(2) - x / 2), float(mp.log(2) + x / 2)
            slope = float(-far_logistic(others - x)), float(far_logistic(x - others))
        row: Any = np.zeros(classes, dtype)
        row[0] = logit
        for label in (0, 1):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                value = Value(row)
                got = losses.cross_entropy(value, np.array(label))
                got.backward()
            off = units_off(got.data, wanted[label], wanted[label])
            assert off <= VALUE_UNITS or abs(got.item() - wanted[label]) <= rounding, logit
            off = units_off(value.grad[0], slope[label], slope[label])
            assert off <= TAIL_UNITS or abs(value.grad[0] - slope[label]) <= rounding, logit


@each_dtype
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_mean_squared_error_is_right_in_the_last_places(size: int, dtype: type) -> None:
    rng = np.random.default_rng(size)
    prediction, target = rng.normal(0, 10.0 ** rng.integers(-3, 4, (2, size))).astype(dtype)
    with mp.workdps(DIGITS):
        differences = [
            mp.mpf(float(p)) - mp.mpf(float(t)) for p, t in zip(prediction, target, strict=True)
        ]
        loss = float(sum(d * d for d in differences) / size)
        slopes = np.array([float(2 * d / size) for d in differences])
    value = Value(prediction)
    got = losses.mse(value, target)
    got.backward()
    assert units_off(got.data, loss, loss) <= VALUE_UNITS
    assert units_off(value.grad, slopes, slopes).max() <= VALUE_UNITS
