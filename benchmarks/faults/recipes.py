"""Small networks in few words: what they learn, what is done to them, and if they have learnt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

import tinygrad_edu as te
from benchmarks.faults import Array, Setting

Rng = np.random.Generator
Alter = Callable[[Setting, Rng], None]

# ---- what is learnt ----


def standard(x: Array, y: Array) -> tuple[Array, Array]:
    return (x - x.mean(0)) / x.std(0), y


def blobs(seed: int) -> tuple[Array, Array]:
    turn = np.arange(5) * 2 * np.pi / 5
    centres = 4 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return standard(*te.data.blobs(150, centres, seed=seed))


def digits(seed: int) -> tuple[Array, Array]:
    (x, y), _ = te.data.digits(seed=seed)
    return x[:300], y[:300]


def first_bit(seed: int) -> tuple[Array, Array]:
    """Bits, and the one that came first: to be kept in mind over all steps."""
    x = np.random.default_rng(seed).integers(2, size=(80, 15, 1)) * 2.0 - 1
    return x, (x[:, 0] > 0).astype(np.float64)


@dataclass(frozen=True)
class Task:
    data: Callable[[int], tuple[Array, Array]]
    loss: str
    outputs: int = 1
    recurrent: bool = False


TASKS = {
    "moons": Task(lambda seed: standard(*te.data.moons(120, seed=seed)), "bce_with_logits"),
    "circles": Task(lambda seed: standard(*te.data.circles(120, seed=seed)), "bce_with_logits"),
    "spirals": Task(
        lambda seed: standard(*te.data.spirals(160, turns=0.7, seed=seed)), "bce_with_logits"
    ),
    "blobs": Task(blobs, "cross_entropy", 5),
    "wave": Task(lambda seed: te.data.regression_1d(96, seed=seed), "mse"),
    "digits": Task(digits, "cross_entropy", 10),
    "adding": Task(lambda seed: te.data.adding_sequences(60, 5, seed), "bce_with_logits", 1, True),
    "first bit": Task(first_bit, "bce_with_logits", 1, True),
}
# The loss of the best constant answer, for targets of mean p or frequencies p.
GUESSING: Mapping[str, Callable[[Array], float]] = {
    "bce_with_logits": lambda y: entropy(np.array([np.mean(y), 1 - np.mean(y)])),
    "bce": lambda y: entropy(np.array([np.mean(y), 1 - np.mean(y)])),
    "cross_entropy": lambda y: entropy(np.bincount(y) / len(y)),
    "mse": lambda y: float(np.var(y)),
}


def entropy(shares: Array) -> float:
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log(shares)))


# ---- networks ----


class Recurrent(te.nn.Module):
    """A recurrent layer, read at every step or at the last one only."""

    def __init__(self, rnn: te.nn.RNN, read: te.nn.Linear, every_step: bool) -> None:
        self.rnn, self.read, self.every_step = rnn, read, every_step

    def forward(self, x: Any) -> Any:
        states, last = self.rnn(x)
        return self.read(states if self.every_step else last)


RULES: Mapping[str, Callable[..., te.optim.Optimizer]] = {
    "SGD": te.optim.SGD,
    "momentum": partial(te.optim.SGD, momentum=0.9),
    "Adam": te.optim.Adam,
    "AdamW": te.optim.AdamW,
    "RMSprop": te.optim.RMSprop,
    "Adagrad": te.optim.Adagrad,
}


@dataclass(frozen=True)
class Recipe:
    """A network and its training in few words."""

    task: str
    activation: str = "tanh"
    depth: int = 3
    """How many layers have weights."""
    width: int = 16
    rule: str = "Adam"
    lr: float = 0.01
    epochs: int = 100
    batch_size: int | None = None
    init: str | Callable[..., Array] | None = None
    gain: float = 1.0
    norm: str = ""
    residual: bool = False
    dropout: float = 0.0
    dtype: type = np.float64
    output: str | None = None
    loss: str = ""
    alter: tuple[Alter, ...] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.task}, {self.activation} {self.depth}×{self.width}"

    def setting(self, seed: int) -> Setting:
        """The training with its data and first weights; the same for the same seed."""
        task, random = TASKS[self.task], np.random.default_rng([seed, 1])
        x, y = task.data(seed)
        x = x.astype(self.dtype)
        y = y.astype(self.dtype) if y.dtype.kind == "f" else y
        model = self.network(x.shape[-1], task, np.ndim(y) == 3, random)
        for parameter in model.parameters():
            if parameter.ndim == 2 and self.gain != 1:
                parameter.data = parameter.data * self.gain
        setting = Setting(
            model,
            (x, y),
            getattr(te.nn.losses, self.loss or task.loss),
            partial(RULES[self.rule], lr=self.lr),
            self.epochs,
            self.batch_size,
        )
        for alter in self.alter:
            alter(setting, random)
        return setting

    def network(self, inputs: int, task: Task, every_step: bool, random: Rng) -> te.nn.Module:
        init = self.init or te.ACTIVATIONS[self.activation].initialiser
        options: dict[str, Any] = {"init": init, "seed": random, "dtype": self.dtype}
        if task.recurrent:
            rnn = te.nn.RNN(inputs, self.width, self.activation, **options)
            return Recurrent(rnn, te.nn.Linear(self.width, task.outputs, **options), every_step)
        layers: list[Any] = []
        for number in range(self.depth - 1):
            block: list[Any] = [te.nn.Linear(inputs, self.width, **options)]
            if self.norm:
                block.append(getattr(te.nn, self.norm)(self.width, dtype=self.dtype))
            block.append(self.activation)
            if self.dropout:
                block.append(te.nn.Dropout(self.dropout, seed=random))
            skips = self.residual and number > 0
            layers += [te.nn.Residual(te.nn.Sequential(*block))] if skips else block
            inputs = self.width
        layers.append(te.nn.Linear(inputs, task.outputs, **options))
        return te.nn.Sequential(*layers, *([self.output] if self.output else []))


def linears(setting: Setting) -> list[te.nn.Linear]:
    return [each for _, each in setting.model.named_modules() if isinstance(each, te.nn.Linear)]


# ---- what is planted, or looks as if ----


def biases(low: float, high: float, signs: bool = False) -> Alter:
    """Biases of the hidden layers from U(low, high), of either sign with `signs`."""

    def alter(setting: Setting, random: Rng) -> None:
        for layer in linears(setting)[:-1]:
            assert layer.bias is not None
            drawn = random.uniform(low, high, layer.bias.shape)
            if signs:
                drawn *= random.choice([-1, 1], drawn.shape)
            layer.bias.data = drawn.astype(layer.bias.dtype)

    return alter


def last_bias(value: float) -> Alter:
    def alter(setting: Setting, random: Rng) -> None:
        bias = linears(setting)[-1].bias
        assert bias is not None
        bias.data = np.full(bias.shape, value, bias.dtype)

    return alter


def last_weights(factor: float) -> Alter:
    def alter(setting: Setting, random: Rng) -> None:
        weight = linears(setting)[-1].weight
        weight.data = (weight.data * factor).astype(weight.dtype)

    return alter


def recurrent(factor: float) -> Alter:
    """The recurrent matrix times a factor."""

    def alter(setting: Setting, random: Rng) -> None:
        for _, each in setting.model.named_modules():
            if isinstance(each, te.nn.RNN):
                each.recurrent_weight.data = each.recurrent_weight.data * factor

    return alter


def alike(layer: int) -> Alter:
    """All units of one layer begin as the first one, and are told the same."""

    def alter(setting: Setting, random: Rng) -> None:
        into, out_of = (linears(setting)[number].weight for number in (layer, layer + 1))
        into.data = np.repeat(into.data[:, :1], into.shape[1], axis=1)
        out_of.data = np.repeat(out_of.data[:1] / 4, len(out_of.data), axis=0)

    return alter


def frozen(layers: int) -> Alter:
    """The first layers are not trained."""

    def alter(setting: Setting, random: Rng) -> None:
        for layer in linears(setting)[:layers]:
            for parameter in layer.parameters():
                parameter.requires_grad = False

    return alter


def inputs_times(factor: float) -> Alter:
    def alter(setting: Setting, random: Rng) -> None:
        x, y = setting.data
        setting.data = (x * x.dtype.type(factor), y)

    return alter


def targets_times(factor: float, shift: float = 0.0) -> Alter:
    def alter(setting: Setting, random: Rng) -> None:
        x, y = setting.data
        setting.data = x, (y * factor + shift).astype(y.dtype)

    return alter


def missing_value(setting: Setting, random: Rng) -> None:
    x, y = setting.data
    x = x.copy()
    x[random.integers(len(x)), 0] = np.nan
    setting.data = x, y


def broken_weight(setting: Setting, random: Rng) -> None:
    weight = linears(setting)[1].weight
    weight.data = np.where(np.arange(weight.size).reshape(weight.shape) == 3, np.inf, weight.data)


def naive_loss(setting: Setting, random: Rng) -> None:
    """The logarithm of a probability that becomes 0."""

    def bce_with_logits(prediction: Any, y: Any) -> te.Value:
        p = te.activations.sigmoid(prediction)
        mean: te.Value = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        return mean

    setting.loss = bce_with_logits


# ---- whether it has learnt, by what it answers ----


@dataclass(frozen=True)
class Score:
    gain: float
    """1 − loss ÷ loss of the best constant answer."""
    late: float
    """The same with the mean loss of the last fifth of the training."""
    skill: float
    """(accuracy − chance)/(1 − chance), or the gain where numbers are predicted."""
    finite: bool

    @property
    def learnt(self) -> bool:
        return self.finite and self.gain >= 0.5 and self.late >= 0.35 and self.skill >= 0.6

    def failed(self, kind: str) -> bool:
        """Whether an illness has hurt; a step too small may find the right side all the same."""
        if kind == "non_finite":
            return not self.finite
        no_better = self.finite and max(self.gain, self.late) <= 0.15
        return no_better and (self.skill <= 0.45 or kind == "step_small")


class Losses(te.train.Callback):
    """Writes down each epoch's loss."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses

    def epoch_ended(self, run: te.train.Run) -> None:
        self.losses.append(run.history["loss"][-1])


def score(setting: Setting) -> Score:
    """Train it, and compare its answers with the targets."""
    losses: list[float] = []
    if not setting.train(Losses(losses)):
        return Score(np.nan, np.nan, np.nan, False)
    (x, y), name = setting.data, setting.loss.__name__
    guessing = GUESSING[name](y)
    late = 1 - float(np.mean(losses[-max(len(losses) // 5, 1) :])) / guessing
    setting.model.eval()
    with te.no_grad(), np.errstate(all="ignore"):
        prediction = setting.model(x)
        gain = 1 - setting.loss(prediction, y).item() / guessing
    answer = prediction.data
    if name == "mse":
        return Score(gain, late, gain, bool(np.isfinite(gain)))
    if name == "cross_entropy":
        right, chance = answer.argmax(-1) == y, np.bincount(y).max() / len(y)
    else:
        right, chance = (answer > (0.5 if name == "bce" else 0)) == (y > 0.5), np.mean(y)
    chance = max(chance, 1 - chance) if name != "cross_entropy" else chance
    skill = float((np.mean(right) - chance) / (1 - chance))
    return Score(gain, late, skill, bool(np.isfinite(gain)))


# ---- whether an illness is there, before and after the training ----


def mostly_dead(new: Setting, trained: Setting) -> bool:
    """Whether 70 % of the units of a hidden layer give 0 for every row in the end."""
    h: Any = trained.data[0]
    worst = 0.0
    with te.no_grad():
        for layer in trained.model:  # type: ignore[attr-defined]
            h = layer(h)
            if not isinstance(layer, te.nn.Module):
                worst = max(worst, float(np.mean(np.all(h.data == 0, axis=0))))
    return worst >= 0.7


def ratio(setting: Setting) -> float:
    """rms δ of the first layer ÷ that of the last, for all rows."""
    x, y = setting.data
    with te.flow.track(setting.model) as flow, np.errstate(all="ignore"):
        setting.loss(setting.model(x), y).backward()
    return float(flow.ratio()[0])


def grows(new: Setting, trained: Setting) -> bool:
    return ratio(new) > 70


def shrinks(new: Setting, trained: Setting) -> bool:
    return ratio(new) < 1e-3
