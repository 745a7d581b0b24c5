"""The trainings that the diagnosis was tuned by: planted illnesses of every kind, and healthy ones.

Each case draws its sizes, data and rates from its seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

import tinygrad_edu as te

from . import HEALTHY, Case, Setting

Array = np.ndarray[Any, np.dtype[Any]]
Random = np.random.Generator
Data = tuple[Array, Array]
Maker = Callable[[Random], Setting]

logits, classes, mse = (
    te.nn.losses.bce_with_logits,
    te.nn.losses.cross_entropy,
    te.nn.losses.mse,
)
normal = te.nn.init.normal


class Last(te.nn.Module):
    """A recurrence whose last state is read."""

    def __init__(self, rnn: te.nn.RNN, outputs: int, seed: int, every: bool = False) -> None:
        self.rnn, self.every = rnn, every
        self.head = te.nn.Linear(rnn.weight.shape[-1], outputs, seed=seed)

    def forward(self, x: Any) -> Any:
        """One row for each sequence, or for each step."""
        return self.head(self.rnn(x)[0 if self.every else 1])


# ---- data ----


def points(r: Random) -> Data:
    """Two classes in the plane, shuffled."""
    count = int(r.integers(60, 200))
    if r.integers(2):
        x, y = te.data.circles(count, noise=0.1, seed=r)
    else:
        x, y = te.data.moons(count, noise=0.1, seed=r)
    order = r.permutation(len(x))
    return x[order], y[order]


def clouds(r: Random, count: int = 3, features: int = 8) -> Data:
    """Classes by number, standardised."""
    x, y = te.data.blobs(2 * int(r.integers(45, 120)), count, 3.0, features, seed=r)
    order = r.permutation(len(x))
    return ((x - x.mean(0)) / x.std(0))[order], y[order]


def curve(r: Random, noise: float = 0.1) -> Data:
    """A wave of one number."""
    x = r.uniform(-2, 2, (int(r.integers(50, 150)), 1))
    return x, np.sin(2 * x) + noise * r.normal(size=x.shape)


def plane(r: Random, noise: float = 0.1, features: int = 5) -> Data:
    """A linear function with some curvature."""
    x = r.normal(size=(int(r.integers(64, 256)), features))
    y = x @ r.normal(size=(features, 1)) + 0.3 * x[:, :1] ** 2
    return x, y / y.std() + noise * r.normal(size=y.shape)


def sums(r: Random, length: int, early: bool = False) -> Data:
    """Sequences; the mean of their numbers, or the sign of the first one, is asked for."""
    x = r.normal(size=(64, length, 1))
    if early:
        return x, (x[:, 0] > 0).astype(float)
    return x, x.mean(axis=1) * math.sqrt(length)


# ---- models ----


def mlp(
    r: Random,
    inputs: int,
    outputs: int,
    act: Any,
    depth: int,
    width: int | None = None,
    init: Any = None,
    dtype: Any = np.float64,
) -> te.nn.MLP:
    width = width or int(r.choice([8, 16, 32, 64]))
    widths = [inputs, *[width] * depth, outputs]
    return te.nn.MLP(widths, act, init=init, seed=int(r.integers(1 << 30)), dtype=dtype)


def scaled(model: te.nn.Module, factor: float, last: bool = False) -> te.nn.Module:
    """All matrices times a factor, those of hidden layers alone or the last one too."""
    leaves = [leaf for _, leaf in model.named_parameters() if leaf.ndim > 1]
    for leaf in leaves if last else leaves[:-1]:
        leaf.data = leaf.data * factor
    return model


def biased(model: te.nn.MLP, bias: float) -> te.nn.MLP:
    for layer in model.layers[:-1]:
        assert layer.bias is not None
        layer.bias.data = layer.bias.data + bias
    return model


def normalised(r: Random, inputs: int, outputs: int, depth: int, width: int, act: str) -> Any:
    parts: list[Any] = []
    for a, b in pairwise([inputs, *[width] * depth]):
        parts += [te.nn.Linear(a, b, init="he_normal", seed=int(r.integers(1 << 30)))]
        parts += [te.nn.BatchNorm(b), act]
    return te.nn.Sequential(*parts, te.nn.Linear(width, outputs))


def residual(r: Random, inputs: int, outputs: int, blocks: int, width: int, act: str) -> Any:
    def seed() -> int:
        return int(r.integers(1 << 30))

    parts: list[Any] = [te.nn.Linear(inputs, width, seed=seed())]
    for _ in range(blocks):
        inner = te.nn.Sequential(
            te.nn.LayerNorm(width),
            te.nn.Linear(width, width, seed=seed()),
            act,
            te.nn.Linear(width, width, seed=seed()),
        )
        parts.append(te.nn.Residual(inner))
    return te.nn.Sequential(*parts, te.nn.Linear(width, outputs, seed=seed()))


def by(rule: Any, lr: float, **options: Any) -> Callable[[list[te.Value]], te.optim.Optimizer]:
    return partial(_made, rule, lr, options)


def _made(rule: Any, lr: float, options: dict[str, Any], params: Any) -> te.optim.Optimizer:
    made: te.optim.Optimizer = rule(params, lr=lr, **options)
    return made


SGD, Adam = te.optim.SGD, te.optim.Adam


def log_uniform(r: Random, low: float, high: float) -> float:
    return float(np.exp(r.uniform(np.log(low), np.log(high))))


# ---- healthy ----


def relu_batches(r: Random) -> Setting:
    m = mlp(r, 2, 1, "relu", int(r.integers(1, 4)))
    return Setting(m, points(r), logits, by(SGD, log_uniform(r, 0.05, 0.3)), 60, 16)


def tanh_full(r: Random) -> Setting:
    return Setting(mlp(r, 2, 1, "tanh", 2), points(r), logits, by(Adam, 0.01), 300)


def deep_residual(r: Random) -> Setting:
    m = residual(r, 2, 1, int(r.integers(8, 20)), 16, "relu")
    return Setting(m, points(r), logits, by(Adam, 0.003), 40, 32)


def deep_he(r: Random) -> Setting:
    m = mlp(r, 8, 3, "relu", int(r.integers(8, 14)), 48)
    return Setting(m, clouds(r), classes, by(Adam, 0.002), 40, 32)


def deep_norm(r: Random) -> Setting:
    m = normalised(r, 8, 3, int(r.integers(3, 8)), 24, str(r.choice(["relu", "tanh", "sigmoid"])))
    return Setting(m, clouds(r), classes, by(SGD, 0.05, momentum=0.9), 30, 32)


def dropped(r: Random) -> Setting:
    m = te.nn.Sequential(
        te.nn.Linear(8, 64, init="he_normal", seed=int(r.integers(99))),
        "relu",
        te.nn.Dropout(0.5),
        te.nn.Linear(64, 64, init="he_normal", seed=int(r.integers(99))),
        "relu",
        te.nn.Dropout(0.5),
        te.nn.Linear(64, 3),
    )
    return Setting(m, clouds(r), classes, by(Adam, 0.003), 40, 16)


def xor(r: Random) -> Setting:
    m = mlp(r, 2, 1, "tanh", 1, 8)
    return Setting(m, te.data.xor(), logits, by(Adam, 0.05), 1500)


def to_zero(r: Random) -> Setting:
    x, y = clouds(r)
    return Setting(mlp(r, 8, 3, "relu", 3, 32), (x[:16], y[:16]), classes, by(Adam, 0.01), 2000)


def adding(r: Random) -> Setting:
    m = Last(te.nn.RNN(2, 16, seed=int(r.integers(99))), 1, 0, every=True)
    data = te.data.adding_sequences(100, 6, seed=r)
    return Setting(m, data, logits, by(Adam, 0.02), 80, 25)


def short_sums(r: Random) -> Setting:
    m = Last(te.nn.RNN(1, 24, seed=int(r.integers(99))), 1, 0)
    return Setting(m, sums(r, int(r.integers(5, 20))), mse, by(Adam, 0.005), 200)


def large_targets(r: Random) -> Setting:
    x, y = plane(r)
    return Setting(mlp(r, 5, 1, "relu", 2, 32), (x, 50 * y + 300), mse, by(Adam, 0.03), 300, 32)


def single_precision(r: Random) -> Setting:
    x, y = points(r)
    data = x.astype(np.float32), y.astype(np.float32)
    return Setting(mlp(r, 2, 1, "relu", 3, 32, None, np.float32), data, logits, by(Adam, 0.01), 200)


def frozen(r: Random) -> Setting:
    m = mlp(r, 2, 1, "tanh", 3, 32)
    for leaf in m.layers[0].parameters():
        leaf.requires_grad = False
    return Setting(m, points(r), logits, by(Adam, 0.01), 200)


def plateau(r: Random) -> Setting:
    m = mlp(r, 2, 1, "sigmoid", 3, 24)
    return Setting(m, points(r), logits, by(Adam, 0.02), 900)


def logistic(r: Random) -> Setting:
    x, y = te.data.blobs(120, np.array([[-2.0, 0.0], [2.0, 1.0]]), 1.0, seed=r)
    m = te.nn.Linear(2, 1, seed=int(r.integers(99)))
    return Setting(m, (x, y[:, None].astype(float)), logits, by(SGD, 0.3), 200)


def linear(r: Random) -> Setting:
    m = te.nn.Linear(5, 1, seed=int(r.integers(99)))
    return Setting(m, plane(r), mse, by(SGD, 0.05), 60, 16)


def cosine(r: Random) -> Setting:
    m = mlp(r, 2, 1, "relu", 2, 32)
    make = by(SGD, 0.2, momentum=0.9)
    return Setting(m, points(r), logits, make, 100, None, te.optim.cosine(100))


def warm(r: Random) -> Setting:
    m = mlp(r, 8, 3, "gelu", 4, 32)
    return Setting(m, clouds(r), classes, by(Adam, 0.005), 40, 32, te.optim.warm_up(10))


def momentum(r: Random) -> Setting:
    m = mlp(r, 1, 1, "tanh", 2, 32)
    return Setting(m, curve(r), mse, by(SGD, 0.03, momentum=0.9), 300)


def self_normal(r: Random) -> Setting:
    m = mlp(r, 8, 3, "selu", int(r.integers(6, 12)), 32)
    return Setting(m, clouds(r), classes, by(SGD, 0.05), 60, 32)


def other_activation(r: Random) -> Setting:
    names = ("elu", "silu", "gelu", "softplus", "leaky_relu", "mish", "softsign", "hard_tanh")
    act = str(r.choice([*names, "arctan", "hard_swish", "relu6"]))
    return Setting(mlp(r, 2, 1, act, 2, 32), points(r), logits, by(Adam, 0.01), 250)


def tiny_batches(r: Random) -> Setting:
    return Setting(mlp(r, 8, 3, "relu", 2, 32), clouds(r), classes, by(SGD, 0.03), 8, 4)


def single_rows(r: Random) -> Setting:
    x, y = plane(r)
    return Setting(mlp(r, 5, 1, "tanh", 2, 16), (x[:80], y[:80]), mse, by(SGD, 0.02), 8, 1)


def noisy_numbers(r: Random) -> Setting:
    m = mlp(r, 5, 1, "relu", 2, 16)
    return Setting(m, plane(r, noise=1.2), mse, by(SGD, 0.03), 40, 8)


def noisy_labels(r: Random) -> Setting:
    x, y = points(r)
    y = np.where(r.random(y.shape) < 0.15, 1 - y, y)
    return Setting(mlp(r, 2, 1, "relu", 2, 32), (x, y), logits, by(Adam, 0.005), 60, 16)


def autoencoder(r: Random) -> Setting:
    x = clouds(r)[0]
    widths = [8, 16, 3, 16, 8]
    m = te.nn.MLP(widths, "tanh", seed=int(r.integers(99)))
    return Setting(m, (x, x), mse, by(Adam, 0.01), 100, 32)


def siren(r: Random) -> Setting:
    return Setting(mlp(r, 1, 1, "sine", 2, 32), curve(r), mse, by(Adam, 0.005), 250)


def weight_decay(r: Random) -> Setting:
    m = mlp(r, 2, 1, "tanh", 2, 32)
    make = by(te.optim.AdamW, 0.01, weight_decay=0.1)
    return Setting(m, points(r), logits, make, 200)


def penalised(r: Random) -> Setting:
    m = mlp(r, 2, 1, "relu", 2, 16)

    def loss(prediction: Any, y: Any) -> Any:
        return logits(prediction, y) + 1e-4 * te.nn.losses.l2(m.parameters())

    return Setting(m, points(r), loss, by(Adam, 0.01), 200)


def imbalanced(r: Random) -> Setting:
    x = r.normal(size=(300, 4))
    y = (x[:, :1] + x[:, 1:2] > 2.1).astype(float)
    return Setting(mlp(r, 4, 1, "relu", 2, 32), (x, y), logits, by(Adam, 0.005), 40, 32)


def other_rule(r: Random) -> Setting:
    rule, lr = [
        (te.optim.RMSprop, 0.003),
        (te.optim.Adagrad, 0.05),
        (te.optim.AdamW, 0.005),
        (te.optim.SGD, 0.2),
    ][int(r.integers(4))]
    return Setting(mlp(r, 8, 3, "relu", 3, 32), clouds(r), classes, by(rule, lr), 40, 32)


def squashed_output(r: Random) -> Setting:
    m = te.nn.MLP([2, 32, 1], "tanh", output="sigmoid", seed=int(r.integers(99)))
    return Setting(m, points(r), te.nn.losses.bce, by(Adam, 0.02), 400)


def stopped_early(r: Random) -> Setting:
    return Setting(mlp(r, 8, 3, "relu", 2, 32), clouds(r), classes, by(SGD, 0.02), 3, 16)


def too_simple(r: Random) -> Setting:
    """No illness of the gradient: a straight line cannot divide what it is given."""
    x = r.uniform(-1, 1, (160, 2))
    y = (x[:, :1] * x[:, 1:] > 0).astype(float)
    return Setting(te.nn.Linear(2, 1, seed=0), (x, y), logits, by(SGD, 0.3), 60, 32)


def nothing_to_learn(r: Random) -> Setting:
    """No illness either: the targets are drawn without regard to the inputs."""
    x = r.normal(size=(400, 4))
    y = r.normal(size=(400, 1))
    return Setting(mlp(r, 4, 1, "relu", 2, 8), (x, y), mse, by(SGD, 0.01), 20, 32)


def wide_inputs(r: Random) -> Setting:
    x, y = te.data.blobs(150, 3, 1.0, 4, seed=r)
    return Setting(mlp(r, 4, 3, "relu", 2, 32), (x, y), classes, by(Adam, 0.01), 60, 16)


def quick_steps(r: Random) -> Setting:
    return Setting(mlp(r, 2, 1, "tanh", 1, 16), points(r), logits, by(Adam, 0.1), 300)


def spirals(r: Random) -> Setting:
    data = te.data.spirals(150, turns=1, seed=r)
    return Setting(mlp(r, 2, 1, "relu", 4, 32), data, logits, by(Adam, 0.01), 300)


def slow_but_sure(r: Random) -> Setting:
    return Setting(mlp(r, 2, 1, "tanh", 2, 32), points(r), logits, by(SGD, 0.15), 500)


def zero_last(r: Random) -> Setting:
    m = mlp(r, 2, 1, "relu", 2, 32)
    m.layers[-1].weight.data = 0 * m.layers[-1].weight.data
    return Setting(m, points(r), logits, by(SGD, 0.2), 300)


# ---- ill ----


def sigmoid_stack(r: Random) -> Setting:
    act = str(r.choice(["sigmoid", "hard_sigmoid"]))
    m = mlp(r, 2, 1, act, int(r.integers(7, 16)), None if act == "sigmoid" else 32)
    make = by(SGD, log_uniform(r, 0.05, 0.5)) if r.random() < 0.6 else by(Adam, 0.003)
    return Setting(m, points(r), logits, make, 200)


def sigmoid_batches(r: Random) -> Setting:
    m = mlp(r, 8, 3, "sigmoid", int(r.integers(6, 12)), 32)
    return Setting(m, clouds(r), classes, by(SGD, 0.1), 30, 16)


def shrinking_tanh(r: Random) -> Setting:
    m = mlp(r, 2, 1, str(r.choice(["tanh", "softsign"])), int(r.integers(12, 24)), 32)
    scaled(m, float(r.uniform(0.4, 0.6)))
    return Setting(m, points(r), logits, by(SGD, 0.1), 200)


def shrinking_relu(r: Random) -> Setting:
    m = scaled(mlp(r, 2, 1, "relu", int(r.integers(15, 25)), 32), float(r.uniform(0.4, 0.6)))
    return Setting(m, points(r), logits, by(SGD, 0.1), 200)


def forgetful(r: Random) -> Setting:
    rnn = te.nn.RNN(1, 24, seed=int(r.integers(99)))
    rnn.recurrent_weight.data = rnn.recurrent_weight.data * r.uniform(0.2, 0.6)
    return Setting(
        Last(rnn, 1, 0), sums(r, int(r.integers(20, 40)), True), logits, by(SGD, 0.1), 120
    )


def growing_relu(r: Random) -> Setting:
    act = str(r.choice(["relu", "leaky_relu", "linear"]))
    m = scaled(mlp(r, 2, 1, act, int(r.integers(12, 22)), 32), float(r.uniform(1.6, 2.4)))
    return Setting(m, points(r), logits, by(SGD, 0.05), 150)


def growing_tanh(r: Random) -> Setting:
    m = scaled(mlp(r, 2, 1, "tanh", int(r.integers(20, 30)), 64), float(r.uniform(2.6, 3)))
    return Setting(m, points(r), logits, by(SGD, 0.1), 150)


def growing_memory(r: Random) -> Setting:
    act = str(r.choice(["tanh", "relu", "linear"]))
    rnn = te.nn.RNN(1, 32, act, seed=int(r.integers(99)))
    factor = r.uniform(2, 4) if act == "tanh" else r.uniform(1.5, 2.2)
    rnn.recurrent_weight.data = rnn.recurrent_weight.data * factor
    return Setting(Last(rnn, 1, 0), sums(r, int(r.integers(20, 35))), mse, by(SGD, 0.03), 120)


def normal_memory(r: Random) -> Setting:
    rnn = te.nn.RNN(1, 32, "tanh", recurrent_init="normal", seed=int(r.integers(99)))
    return Setting(Last(rnn, 1, 0), sums(r, int(r.integers(25, 40))), mse, by(SGD, 0.03), 120)


def deep_norm_explodes(r: Random) -> Setting:
    m = normalised(r, 8, 3, 50, 24, "relu")
    return Setting(m, clouds(r), classes, by(SGD, 0.1), 12, 32)


def negative_biases(r: Random) -> Setting:
    m = biased(mlp(r, 2, 1, "relu", int(r.integers(2, 5)), 32), -float(r.uniform(4, 20)))
    return Setting(m, points(r), logits, by(SGD, 0.1), 150)


def one_dead_layer(r: Random) -> Setting:
    m = mlp(r, 8, 3, "relu", 3, 32)
    bias = m.layers[1].bias
    assert bias is not None
    bias.data = bias.data - 30
    return Setting(m, clouds(r), classes, by(SGD, 0.05), 20, 16)


def killed(r: Random) -> Setting:
    m = mlp(r, 2, 1, "relu", int(r.integers(2, 5)), 16)
    return Setting(m, points(r), logits, by(SGD, log_uniform(r, 20, 200)), 150)


def killed_batches(r: Random) -> Setting:
    m = mlp(r, 8, 3, "relu", int(r.integers(2, 5)), 32)
    return Setting(m, clouds(r), classes, by(SGD, log_uniform(r, 5, 50)), 20, 16)


def killed_by_adam(r: Random) -> Setting:
    m = mlp(r, 2, 1, "relu", int(r.integers(3, 6)), 32)
    return Setting(m, points(r), logits, by(Adam, log_uniform(r, 0.5, 5)), 150)


def negative_weights(r: Random) -> Setting:
    m = mlp(r, 4, 1, "relu", 3, 32)
    for layer in m.layers[:-1]:
        layer.weight.data = -np.abs(layer.weight.data)
    x = r.random((150, 4))
    y = (x.sum(axis=1, keepdims=True) > 2).astype(float)
    return Setting(m, (x, y), logits, by(SGD, 0.1), 150)


def large_inputs(r: Random) -> Setting:
    x, y = points(r)
    act = str(r.choice(["tanh", "sigmoid", "softsign", "hard_tanh"]))
    m = mlp(r, 2, 1, act, int(r.integers(1, 4)), 16)
    data = x * log_uniform(r, 1e3, 1e5), y
    return Setting(m, data, logits, by(SGD, 0.05), 150)


def offset_inputs(r: Random) -> Setting:
    x, y = curve(r)
    m = mlp(r, 1, 1, str(r.choice(["tanh", "sigmoid"])), 2, 24)
    return Setting(m, (x + 300, y), mse, by(SGD, 0.02), 150)


def large_biases(r: Random) -> Setting:
    m = mlp(r, 2, 1, str(r.choice(["tanh", "sigmoid"])), int(r.integers(3, 5)), 24)
    for layer in m.layers[:-1]:
        assert layer.bias is not None
        layer.bias.data = r.choice([-1.0, 1.0], layer.bias.shape) * r.uniform(8, 20)
    return Setting(m, points(r), logits, by(SGD, 0.1), 150)


def unit_normal(r: Random) -> Setting:
    m = mlp(r, 2, 1, "tanh", int(r.integers(6, 12)), 64, partial(normal))
    return Setting(m, points(r), logits, by(SGD, 0.05), 150)


def unit_normal_batches(r: Random) -> Setting:
    act = str(r.choice(["tanh", "hard_tanh"]))
    m = mlp(r, 8, 3, act, int(r.integers(5, 10)), int(r.choice([64, 96])), partial(normal))
    return Setting(m, clouds(r), classes, by(SGD, 0.05), 15, 16)


def unit_normal_relu(r: Random) -> Setting:
    m = mlp(r, 5, 1, "relu", int(r.integers(4, 8)), 64, partial(normal))
    return Setting(m, plane(r), mse, by(Adam, 0.003), 100)


def tiny_weights(r: Random) -> Setting:
    std = log_uniform(r, 1e-4, 2e-2)
    act = str(r.choice(["relu", "tanh", "elu"]))
    m = mlp(r, 2, 1, act, int(r.integers(3, 8)), 32, partial(normal, std=std))
    return Setting(m, points(r), logits, by(SGD, 0.1), 150)


def tiny_weights_batches(r: Random) -> Setting:
    m = mlp(r, 8, 3, "relu", int(r.integers(4, 8)), 48, partial(normal, std=0.01))
    return Setting(m, clouds(r), classes, by(SGD, 0.05), 15, 16)


def positive_weights(r: Random) -> Setting:
    m = mlp(r, 2, 1, "tanh", int(r.integers(3, 6)), 48, partial(te.nn.init.uniform))
    return Setting(m, points(r), logits, by(SGD, 0.05), 150)


def leaps(r: Random) -> Setting:
    m = mlp(r, 2, 1, "tanh", int(r.integers(2, 4)), 24)
    return Setting(m, points(r), logits, by(SGD, log_uniform(r, 30, 1000)), 150)


def leaps_of_adam(r: Random) -> Setting:
    act = str(r.choice(["tanh", "leaky_relu", "elu", "sigmoid"]))
    m = mlp(r, 8, 3, act, int(r.integers(2, 5)), 24)
    return Setting(m, clouds(r), classes, by(Adam, log_uniform(r, 1, 20)), 20, 16)


def leaps_in_regression(r: Random) -> Setting:
    m = mlp(r, 5, 1, str(r.choice(["tanh", "elu", "leaky_relu"])), 2, 24)
    return Setting(m, plane(r), mse, by(SGD, log_uniform(r, 1, 10)), 30, 16)


def linear_leaps(r: Random) -> Setting:
    m = te.nn.Linear(5, 1, seed=int(r.integers(99)))
    return Setting(m, plane(r), mse, by(SGD, log_uniform(r, 2, 20)), 100)


def crawls(r: Random) -> Setting:
    m = mlp(r, 2, 1, str(r.choice(["relu", "tanh"])), int(r.integers(1, 4)), 32)
    return Setting(m, points(r), logits, by(SGD, log_uniform(r, 1e-9, 1e-4)), 150)


def adam_crawls(r: Random) -> Setting:
    m = mlp(r, 8, 3, "relu", 2, 32)
    return Setting(m, clouds(r), classes, by(Adam, log_uniform(r, 1e-9, 3e-6)), 15, 16)


def crawls_in_regression(r: Random) -> Setting:
    m = mlp(r, 5, 1, "tanh", 2, 24)
    make = by(SGD, log_uniform(r, 1e-8, 1e-5), momentum=0.9)
    return Setting(m, plane(r), mse, make, 20, 16)


def ambles(r: Random) -> Setting:
    """It does fall, too slowly to get anywhere."""
    x, y = points(r)
    m = mlp(r, 2, 1, str(r.choice(["relu", "tanh"])), int(r.integers(1, 4)), 32)
    return Setting(m, (x, y), logits, by(SGD, log_uniform(r, 3e-4, 3e-3)), 150)


def adam_ambles(r: Random) -> Setting:
    m = mlp(r, 5, 1, "tanh", 2, 32)
    return Setting(m, plane(r, 0.5), mse, by(Adam, log_uniform(r, 3e-6, 3e-5)), 100)


def heavy_momentum(r: Random) -> Setting:
    m = mlp(r, 5, 1, "tanh", 1, 16)
    make = by(SGD, log_uniform(r, 0.2, 0.5), momentum=0.95)
    return Setting(m, plane(r), mse, make, 200)


def shrunk_by_decay(r: Random) -> Setting:
    m = mlp(r, 8, 3, str(r.choice(["tanh", "relu"])), int(r.integers(5, 9)), 32)
    return Setting(m, clouds(r), classes, by(SGD, 0.1, weight_decay=0.3), 30, 32)


def somewhat_large(r: Random) -> Setting:
    act = str(r.choice(["tanh", "sigmoid"]))
    m = scaled(mlp(r, 2, 1, act, int(r.integers(5, 9)), 32), 4.0 if act == "tanh" else 30.0)
    return Setting(m, points(r), logits, by(SGD, 0.1), 150)


def swings(r: Random) -> Setting:
    """Plain gradient descent with a rate somewhat beyond what the curvature allows."""
    m = mlp(r, 5, 1, "tanh", 1, 16)
    return Setting(m, plane(r), mse, by(SGD, log_uniform(r, 0.6, 1.5)), 150)


def swings_of_classes(r: Random) -> Setting:
    m = mlp(r, 2, 1, "tanh", 2, 16)
    return Setting(m, points(r), logits, by(SGD, log_uniform(r, 8, 20)), 150)


def swings_of_large_inputs(r: Random) -> Setting:
    x, y = plane(r)
    m = te.nn.Linear(5, 1, seed=int(r.integers(99)))
    biggest = float(np.linalg.eigvalsh(2 * x.T @ x / len(x)).max())
    return Setting(m, (x, y), mse, by(SGD, 1.998 / biggest), 150)


def alike(r: Random) -> Setting:
    value = float(r.choice([0.01, 0.1, 0.5]))
    act = str(r.choice(["tanh", "sigmoid", "relu", "softplus"]))
    init = partial(te.nn.init.constant, value=value)
    m = mlp(r, 2, 1, act, int(r.integers(1, 4)), 16, init)
    x = r.uniform(-1, 1, (120, 2))
    y = (x[:, :1] * x[:, 1:] > 0).astype(float)
    return Setting(m, (x, y), logits, by(SGD, 0.1), 150)


def zeros(r: Random) -> Setting:
    act = str(r.choice(["tanh", "relu", "sigmoid"]))
    m = mlp(r, 2, 1, act, int(r.integers(1, 4)), 16, "zeros")
    return Setting(m, points(r), logits, by(SGD, 0.1), 150)


def alike_batches(r: Random) -> Setting:
    m = mlp(r, 2, 1, "tanh", 2, 16, partial(te.nn.init.constant, value=0.2))
    x = r.uniform(-1, 1, (160, 2))
    y = (x[:, :1] * x[:, 1:] > 0).astype(float)
    return Setting(m, (x, y), logits, by(Adam, 0.01), 15, 16)


def hole(r: Random) -> Setting:
    x, y = plane(r)
    x = x.copy()
    x[int(r.integers(len(x))), 0] = float(r.choice([math.nan, math.inf]))
    return Setting(mlp(r, 5, 1, "relu", 2, 24), (x, y), mse, by(Adam, 0.01), 20, 16)


def log_of_zero(r: Random) -> Setting:
    x, y = points(r)

    def loss(prediction: Any, y: Any) -> Any:
        p = te.activations.relu(prediction)
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()

    return Setting(mlp(r, 2, 1, "tanh", 1, 16), (x, y), loss, by(SGD, 0.1), 100)


def overflow(r: Random) -> Setting:
    x, y = plane(r)

    def loss(prediction: Any, y: Any) -> Any:
        return np.exp(np.square(prediction - y) * 400).mean()

    return Setting(mlp(r, 5, 1, "relu", 2, 24), (x, y), loss, by(Adam, 0.01), 50)


HEALTHY_ONES: tuple[Maker, ...] = (
    *(relu_batches, tanh_full, deep_residual, deep_he, deep_norm, dropped, xor, to_zero, adding),
    *(short_sums, large_targets, single_precision, frozen, plateau, logistic, linear, cosine),
    *(warm, momentum, self_normal, other_activation, tiny_batches, single_rows, noisy_numbers),
    *(noisy_labels, autoencoder, siren, weight_decay, penalised, imbalanced, other_rule),
    *(squashed_output, stopped_early, too_simple, nothing_to_learn, wide_inputs, quick_steps),
    *(spirals, slow_but_sure, zero_last),
)
ILL_ONES: dict[Maker, Sequence[str]] = {
    sigmoid_stack: ("vanishing",),
    sigmoid_batches: ("vanishing",),
    shrinking_tanh: ("vanishing", "initialisation"),
    shrinking_relu: ("vanishing", "initialisation"),
    forgetful: ("vanishing",),
    growing_relu: ("exploding", "initialisation"),
    growing_tanh: ("exploding", "initialisation"),
    growing_memory: ("exploding", "saturated"),
    normal_memory: ("exploding", "saturated"),
    deep_norm_explodes: ("exploding",),
    negative_biases: ("dead",),
    one_dead_layer: ("dead",),
    killed: ("dead", "step_large"),
    killed_batches: ("dead", "step_large"),
    killed_by_adam: ("dead", "step_large"),
    negative_weights: ("dead",),
    large_inputs: ("saturated",),
    offset_inputs: ("saturated",),
    large_biases: ("saturated",),
    unit_normal: ("initialisation",),
    unit_normal_batches: ("initialisation",),
    unit_normal_relu: ("initialisation",),
    tiny_weights: ("initialisation",),
    tiny_weights_batches: ("initialisation",),
    positive_weights: ("initialisation", "saturated"),
    leaps: ("step_large",),
    leaps_of_adam: ("step_large",),
    leaps_in_regression: ("step_large", "non_finite"),
    linear_leaps: ("step_large", "non_finite"),
    crawls: ("step_small",),
    adam_crawls: ("step_small",),
    crawls_in_regression: ("step_small",),
    ambles: ("step_small",),
    adam_ambles: ("step_small",),
    heavy_momentum: ("oscillation", "step_large"),
    shrunk_by_decay: ("vanishing",),
    somewhat_large: ("saturated", "exploding", "initialisation"),
    swings: ("oscillation", "step_large"),
    swings_of_classes: ("oscillation", "step_large"),
    swings_of_large_inputs: ("oscillation", "step_large"),
    alike: ("symmetric",),
    zeros: ("symmetric",),
    alike_batches: ("symmetric",),
    hole: ("non_finite",),
    log_of_zero: ("non_finite",),
    overflow: ("non_finite",),
}


def seeded(maker: Maker, seed: int) -> Setting:
    return maker(np.random.default_rng([seed, sum(map(ord, maker.__name__))]))


def cases(seed: int) -> list[Case]:
    """All families; the seed draws their data and weights when a case is made."""
    healthy = (
        Case(each.__name__, HEALTHY, frozenset(), partial(seeded, each)) for each in HEALTHY_ONES
    )
    ill = (
        Case(each.__name__, kind, frozenset(also), partial(seeded, each))
        for each, (kind, *also) in ILL_ONES.items()
    )
    return [*healthy, *ill]
