"""Every layer, loss and optimiser: 50 steps compiled are 50 steps as ever, bit for bit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile.judging import same_training
from tinygrad_edu.optim.rules import OPTIMIZERS

nn, losses = te.nn, te.nn.losses
STEPS = 50
DTYPES = pytest.mark.parametrize(
    "dtype",
    [
        pytest.param(np.float64, id="float64"),
        pytest.param(np.float32, id="float32", marks=pytest.mark.thorough),
    ],
)


class Recurrent(nn.Module):
    """The last state of an RNN."""

    def __init__(self, dtype: Any) -> None:
        self.rnn = nn.RNN(5, 3, seed=1, dtype=dtype)

    def forward(self, x: Any) -> Any:
        return self.rnn(np.reshape(x, (len(x), 1, 5)) * np.ones((1, 4, 1), x.dtype))[1]


LAYERS: dict[str, Callable[[Any], te.nn.Module]] = {
    "Linear": lambda dtype: nn.Linear(5, 3, dtype=dtype),
    "MLP": lambda dtype: nn.MLP([5, 8, 3], dtype=dtype),
    "Sequential": lambda dtype: nn.Sequential(nn.Linear(5, 3, dtype=dtype), te.activations.gelu),
    "Residual": lambda dtype: nn.Sequential(
        nn.Residual(nn.Linear(5, 5, dtype=dtype)), nn.Linear(5, 3, dtype=dtype)
    ),
    "BatchNorm": lambda dtype: nn.Sequential(
        nn.Linear(5, 3, dtype=dtype), nn.BatchNorm(3, dtype=dtype)
    ),
    "LayerNorm": lambda dtype: nn.Sequential(
        nn.Linear(5, 3, dtype=dtype), nn.LayerNorm(3, dtype=dtype)
    ),
    "Dropout": lambda dtype: nn.Sequential(
        nn.Linear(5, 16, dtype=dtype), nn.Dropout(0.4, seed=2), nn.Linear(16, 3, dtype=dtype)
    ),
    "RNN": Recurrent,
}
# A loss of a prediction of 4 × 3 and a target, which the number of a batch chooses.
LABELS = [np.array(each) for each in ([0, 2, 1, 1], [2, 2, 0, 1], [1, 0, 0, 2])]
CLASSES = [np.eye(3)[each] for each in LABELS]
TARGETS: dict[str, tuple[Callable[..., Any], Callable[[int], Any]]] = {
    "mse": (losses.mse, lambda n: CLASSES[n % 3]),
    "mae": (losses.mae, lambda n: CLASSES[n % 3] + 0.3),
    "huber": (losses.huber, lambda n: 3 * CLASSES[n % 3]),
    "bce": (lambda p, t: losses.bce(te.activations.sigmoid(p), t), lambda n: CLASSES[n % 3]),
    "bce_with_logits": (losses.bce_with_logits, lambda n: CLASSES[n % 3]),
    "cross_entropy": (losses.cross_entropy, lambda n: LABELS[n % 3]),
    "hinge": (losses.hinge, lambda n: LABELS[n % 3]),
    "kl_divergence": (
        lambda p, t: losses.kl_divergence(te.activations.log_softmax(p), t),
        lambda n: (CLASSES[n % 3] + 0.1) / 1.3,
    ),
    "l1 and l2": (
        lambda p, t: losses.mse(p, t) + 0.01 * losses.l1([p]) + 0.01 * losses.l2([p]),
        lambda n: CLASSES[n % 3],
    ),
}
RULES: dict[str, Callable[[Any], Any]] = {
    **{name: partial(rule, lr=0.05) for name, rule in OPTIMIZERS.items()},
    "sgd with momentum": lambda params: te.optim.SGD(
        params, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01
    ),
    "rmsprop with all": lambda params: te.optim.RMSprop(
        params, lr=0.01, momentum=0.5, centered=True, weight_decay=0.01
    ),
}


def check(layer: str, loss: str, rule: str, dtype: Any, steps: int) -> None:
    lost, target = TARGETS[loss]

    def make() -> Any:
        model = LAYERS[layer](dtype)
        optimizer = RULES[rule](model.parameters())
        return model, lambda model, x, y: lost(model(x), y), optimizer

    rng = np.random.default_rng(0)
    batches = []
    for n in range(steps):
        y = target(n)
        y = y.astype(dtype) if y.dtype.kind == "f" else y
        batches.append((rng.standard_normal((4, 5)).astype(dtype), y))
    same_training(make, batches)


@DTYPES
@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer(layer: str, dtype: Any) -> None:
    check(layer, "mse", "sgd", dtype, STEPS)


@DTYPES
@pytest.mark.parametrize("loss", TARGETS)
def test_every_loss(loss: str, dtype: Any) -> None:
    check("MLP", loss, "sgd", dtype, STEPS)


@DTYPES
@pytest.mark.parametrize("rule", RULES)
def test_every_optimiser(rule: str, dtype: Any) -> None:
    check("MLP", "cross_entropy", rule, dtype, STEPS)


@pytest.mark.thorough
@DTYPES
@pytest.mark.parametrize(("layer", "loss", "rule"), list(itertools.product(LAYERS, TARGETS, RULES)))
def test_all_together(layer: str, loss: str, rule: str, dtype: Any) -> None:
    check(layer, loss, rule, dtype, STEPS)


def test_views_of_an_argument() -> None:
    """A step of a sequence is copied uncompiled, and a view in a program: BLAS may round apart."""
    rnn = nn.RNN(2, 3, seed=1)
    parameters = rnn.parameters()
    rng = np.random.default_rng(0)

    def loss(x: Any) -> Any:
        return np.sum(rnn(x)[1] ** 2)

    step = te.compile(loss)
    for _ in range(5):
        x = rng.standard_normal((64, 9, 2))
        found, slopes = step(x).item(), [p.grad for p in parameters]
        expected = loss(x)
        ours = te.grad(expected, parameters)
        assert abs(found - expected.item()) <= 4 * np.spacing(expected.item())
        for p, slope, g in zip(parameters, slopes, ours, strict=True):
            assert slope is not None
            # Of the size of what is added up.
            assert np.all(np.abs(slope - g) <= 4 * np.spacing(np.max(np.abs(g))))
            p.grad = None
