"""Losses against closed forms, mpmath and finite differences."""

from __future__ import annotations

import math
import warnings
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.finite_differences import contracted, jacobian
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.losses import bce_with_logits, mse

LOSSES = {"mse": mse, "bce_with_logits": bce_with_logits}
SHAPES = [(4, 1), (3,), (2, 3), ()]
SINGLE = 1e-6  # float32


def sample(shape: tuple[int, ...], seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape)[()], rng.uniform(0, 1, shape)[()]


def exact_entropy(logit: float, target: float) -> Any:
    """−t ln σ(z) − (1 − t) ln σ(−z), with as many digits as it takes."""
    with mp.workdps(1000):
        z, t = mp.mpf(logit), mp.mpf(target)
        return t * mp.log1p(mp.exp(-z)) + (1 - t) * mp.log1p(mp.exp(z))


@pytest.mark.parametrize("shape", SHAPES)
def test_mse_is_the_mean_of_the_squared_differences(shape: tuple[int, ...]) -> None:
    prediction, target = sample(shape)
    p, t = te.Value(prediction), te.Value(target)
    loss = mse(p, t)
    differences = [float(d) for d in np.ravel(prediction - target)]
    assert loss.shape == ()
    assert loss.item() == pytest.approx(sum(d * d for d in differences) / len(differences))
    loss.backward()
    np.testing.assert_allclose(p.grad, 2 * (prediction - target) / len(differences), rtol=1e-14)
    np.testing.assert_allclose(t.grad, -p.grad, rtol=1e-14)


@pytest.mark.parametrize(
    "logit", [0.0, 1e-10, -0.3, 2.0, 36.0, -50.0, 700.0, -745.0, 1000.0, -1000.0]
)
@pytest.mark.parametrize("target", [0.0, 0.25, 0.5, 1.0])
def test_bce_with_logits_keeps_its_digits_however_large_the_logits(
    logit: float, target: float
) -> None:
    value = te.Value([logit])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = bce_with_logits(value, np.array([target]))
        loss.backward()
    wanted = float(exact_entropy(logit, target))
    assert loss.item() == pytest.approx(wanted, rel=1e-15, abs=1e-323)
    with mp.workdps(1000):
        slope = float(1 / (1 + mp.exp(-mp.mpf(logit))) - mp.mpf(target))
    # A sum of two terms: where they cancel, the bar is that of the larger one.
    assert value.grad[0] == pytest.approx(slope, rel=4e-15, abs=2e-16 * min(target, 1 - target))


def test_bce_with_logits_is_averaged_over_all_entries() -> None:
    logits, targets = sample((3, 4))
    wanted = sum(
        exact_entropy(float(z), float(t)) for z, t in zip(logits.flat, targets.flat, strict=True)
    )
    assert bce_with_logits(te.Value(logits), targets).item() == pytest.approx(float(wanted / 12))


def test_bce_with_logits_is_least_where_the_answer_is_the_target() -> None:
    targets = np.array([0.1, 0.5, 0.9])
    logits = te.Value(np.log(targets / (1 - targets)))
    bce_with_logits(logits, targets).backward()
    np.testing.assert_allclose(logits.grad, 0, atol=1e-16)


@given(st.sampled_from(sorted(LOSSES)), st.sampled_from(SHAPES), st.integers(0, 2**32 - 1))
def test_gradients_in_prediction_and_target(name: str, shape: tuple[int, ...], seed: int) -> None:
    prediction, target = sample(shape, seed)
    p, t = te.Value(prediction), te.Value(target)
    LOSSES[name](p, t).backward()

    def plain(prediction: Any, target: Any) -> Any:
        return np.asarray(LOSSES[name](te.Value(prediction), target).data)

    for position, leaf in enumerate((p, t)):
        estimate = jacobian(plain, (prediction, target), position, 0.1)
        np.testing.assert_allclose(
            leaf.grad, contracted(1.0, estimate.value), rtol=1e-8, atol=1e-10
        )


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_float32_predictions_get_float32_gradients(name: str) -> None:
    prediction, target = sample((4, 1))
    p = te.Value(prediction.astype(np.float32))
    loss = LOSSES[name](p, target.astype(np.float32))
    loss.backward()
    assert loss.dtype == p.grad.dtype == np.float32
    double = te.Value(prediction)
    wanted = LOSSES[name](double, target)
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=SINGLE)
    np.testing.assert_allclose(p.grad, double.grad, rtol=10 * SINGLE, atol=SINGLE)


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize(
    ("prediction", "target"), [((4, 1), (4,)), ((4,), (4, 1)), ((4, 1), ()), ((4, 1), (1, 4))]
)
def test_shapes_that_would_broadcast_are_refused(
    name: str, prediction: tuple[int, ...], target: tuple[int, ...]
) -> None:
    # (4, 1) against (4,) would average over all sixteen pairs, without a word.
    for wrong in (np.zeros(target)[()], te.Value(np.zeros(target))):
        with pytest.raises(ShapeError) as caught:
            LOSSES[name](te.Value(np.zeros(prediction)), wrong)
        assert f"has shape {prediction} and the target {target}" in str(caught.value)
        same_size = math.prod(prediction) == math.prod(target)
        hint = f"target.reshape{prediction}" if same_size else "one target per prediction"
        assert hint in str(caught.value)
