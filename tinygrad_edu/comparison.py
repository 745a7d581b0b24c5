"""The same network, weights and data with one activation after the other: which one learns?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import data
from .activations import SIXTEEN, named, softplus
from .engine.context import observe
from .engine.node import Node
from .errors import OperandError, ShapeError, UnknownNameError, closest
from .flow import rms
from .nn.init import Initialiser
from .nn.layers import MLP, label, side_by_side
from .ops.products import affine
from .optim import SGD
from .terminal import Terminal

Array = np.ndarray[Any, np.dtype[Any]]

ENOUGH = 0.95  # of the points on the right side: the network has learnt
MOMENTUM = 0.9


@dataclass(frozen=True)
class Task:
    """Points to tell apart, and the network and training that suit them."""

    points: Callable[[], tuple[Array, Array]]
    widths: tuple[int, ...]
    epochs: int


# Few enough epochs to be done in seconds, enough for sigmoid to arrive late at all but the spirals.
TASKS = {
    "xor": Task(data.xor, (2, 8, 1), 500),
    "moons": Task(lambda: data.moons(100), (2, 16, 16, 1), 1500),
    "spirals": Task(lambda: data.spirals(100), (2, 16, 16, 1), 1500),
}

TEXTS = {
    "en": {
        "columns": (
            "activation",
            "epochs to 95 %",
            "seeds that reach it",
            "final loss",
            "δ ratio at start",
            "while learning",
        ),
        "never": "never",
        "diverged": "diverged ({count})",
        "some_diverged": "{loss} ({count} diverged)",
        "own": "each activation's own",
        "caption": (
            "Medians of the seeds (here {seeds}). Only the activation differs: network {network}, "
            "initial weights ({init}), {points} points and SGD (learning rate {lr:g}, momentum "
            "{momentum:g}, {epochs} epochs) are the same for all. δ ratio: rms of "
            "δ = ∂L/∂(pre-activation) in the first layer ÷ that in the last; while learning: its "
            "median until 95 % are right."
        ),
    },
    "ja": {
        "columns": (
            "活性化関数",
            "95 % までのエポック数",
            "到達したシード",
            "最後の損失",
            "δの比（学習前）",
            "δの比（学習中）",
        ),
        "never": "到達せず",
        "diverged": "発散（{count}）",
        "some_diverged": "{loss}（{count} 発散）",
        "own": "活性化関数ごとに選択",
        "caption": (
            "{seeds} 個のシードの中央値。変えたのは活性化関数だけで、ネットワーク（{network}）、"
            "重みの初期値（{init}）、{points} 個のデータ点、SGD（学習率 {lr:g}、モメンタム "
            "{momentum:g}、{epochs} エポック）はすべて同じ。δの比：δ＝∂L/∂（活性化前の値）の"
            "二乗平均平方根について、最初の層の値を最後の層の値で割ったもの（学習中は、95 % に"
            "達するまでの中央値）。"
        ),
    },
}


@dataclass(frozen=True, eq=False)
class Row:
    """How the networks with one activation learnt; arrays of shape (epochs + 1, seeds).

    Entry [e, s] is what seed s had after e steps: its loss, the share of points on the right side,
    and rms δ of the first layer ÷ rms δ of the last, δ being ∂L/∂(pre-activation). A median is the
    lower one where the number of seeds is even; runs without a finite loss count as infinite.
    """

    name: str
    losses: Array
    accuracies: Array
    ratios: Array

    @cached_property
    def reached(self) -> Array:
        """The first epoch at which each seed had 95 % right, shape (seeds,); ∞ for never."""
        enough = self.accuracies >= ENOUGH
        return np.where(enough.any(axis=0), enough.argmax(axis=0), math.inf)

    @property
    def epochs(self) -> float:
        """The median of `reached`: ∞ where fewer than half of the seeds got there."""
        return median(self.reached)

    @property
    def diverged(self) -> int:
        """How many seeds end without a finite loss."""
        return int(np.count_nonzero(~np.isfinite(self.losses[-1])))

    @property
    def loss(self) -> float:
        """The median of the final losses; ∞ where more than half of the seeds have diverged."""
        return float(self.band[1, -1])

    @cached_property
    def band(self) -> Array:
        """Least, median and greatest loss of all seeds at each epoch, shape (3, epochs + 1)."""
        finite = np.where(np.isfinite(self.losses), self.losses, math.inf)
        ordered = np.sort(finite, axis=1)
        return ordered[:, [0, (ordered.shape[1] - 1) // 2, -1]].T

    @property
    def ratio_at_start(self) -> float:
        """The median over seeds of the δ ratio before the first step."""
        return median(self.ratios[0])

    @property
    def ratio(self) -> float:
        """The median over seeds of the median of the δ ratio until 95 % were right."""
        epoch = np.arange(len(self.ratios))
        return median(
            median(ratios[epoch <= reached])
            for ratios, reached in zip(self.ratios.T, self.reached, strict=True)
        )


def median(numbers: Iterable[float]) -> float:
    """The lower median of all that are numbers; NaN where none is."""
    ordered = sorted(float(number) for number in numbers if not math.isnan(number))
    return ordered[(len(ordered) - 1) // 2] if ordered else math.nan


@dataclass(frozen=True, eq=False)
class Comparison:
    """The rows of all activations, the fastest first, those that never learn by their loss.

    `seeds` is their number, `points` that of the task; `init` names the initialiser, None where
    each activation had its own.
    """

    task: str
    widths: tuple[int, ...]
    points: int
    seeds: int
    epochs: int
    lr: float
    init: str | None
    rows: tuple[Row, ...]

    def table(self, lang: str = "en") -> tuple[Sequence[str], list[list[str]]]:
        """Headings and cells, for `Terminal.table`. Raises `UnknownNameError` for a language."""
        text = texts(lang)
        return text["columns"], [list(self.cells(row, text)) for row in self.rows]

    def cells(self, row: Row, text: dict[str, Any]) -> Iterator[str]:
        """What the table says of one activation."""
        yield row.name
        yield f"{row.epochs:.0f}" if math.isfinite(row.epochs) else text["never"]
        yield f"{np.count_nonzero(np.isfinite(row.reached))}/{self.seeds}"
        form = "some_diverged" if math.isfinite(row.loss) else "diverged"
        loss, count = f"{row.loss:.3g}", f"{row.diverged}/{self.seeds}"
        yield text[form].format(loss=loss, count=count) if row.diverged else loss
        yield f"{row.ratio_at_start:.2g}"
        yield f"{row.ratio:.2g}"

    def caption(self, lang: str = "en") -> str:
        """What was the same for all, and what the numbers mean."""
        text = texts(lang)
        return text["caption"].format(  # type: ignore[no-any-return]
            **vars(self) | {"init": self.init or text["own"]},
            network="-".join(map(str, self.widths)),
            momentum=MOMENTUM,
        )


def texts(lang: str) -> dict[str, Any]:
    """The words of a language. Raises `UnknownNameError`."""
    if lang not in TEXTS:
        raise UnknownNameError(f"no language {lang!r}; there is {' and '.join(TEXTS)}")
    return TEXTS[lang]


def compare(
    task: str,
    names: Iterable[str] | None = None,
    *,
    seeds: int = 5,
    epochs: int | None = None,
    lr: float = 0.2,
    init: str | Initialiser | None = "xavier_normal",
    terminal: Terminal | None = None,
) -> Comparison:
    """Train the task's network with each activation, from the same weights on the same points.

    `task` is "xor", "moons" or "spirals"; `names` are names of `te.ACTIVATIONS`, by default those
    of the sixteen of the articles. Each is trained with the seeds 0 to `seeds` − 1 by full-batch
    SGD with momentum 0.9 on binary cross-entropy, for the task's own number of epochs unless it is
    given. One initialiser serves all, so that only one thing changes; None gives each activation
    the one that `te.nn.MLP` would. A slope that could be learned (prelu) stays where it starts.
    Raises `UnknownNameError`; `ShapeError` for an activation that changes the width of a layer;
    `OperandError` for numbers out of range.
    """
    if task not in TASKS:
        raise UnknownNameError(f"no task {task!r}; there is {closest(task, TASKS)}")
    chosen = TASKS[task]
    epochs = chosen.epochs if epochs is None else epochs
    for what, number in (("seeds", seeds), ("epochs", epochs)):
        if not isinstance(number, int | np.integer) or number < 1:
            raise OperandError(f"{what} must be a whole number from 1 up, not {number!r}")
    if names is None:
        names = [activation.name for activation in SIXTEEN]
    names = [names] if isinstance(names, str) else names
    names = list(dict.fromkeys(named(name).name for name in names))
    if not names:
        raise OperandError("there is nothing to compare: give at least one activation")
    for name in names:
        if not named(name).keeps_width:
            raise ShapeError(
                f"{name} gives its layer another width, so the network would not be the same as "
                "with the others; leave it out"
            )
    x, y = chosen.points()
    rows = []
    with (terminal or Terminal()).progress(task, len(names) * epochs) as advance:
        for before, name in enumerate(names):
            networks = [MLP(chosen.widths, name, init=init, seed=seed) for seed in range(seeds)]
            together = side_by_side(networks)
            optimizer = SGD(together.parameters(), lr=lr, momentum=MOMENTUM)

            def done(epoch: int, before: int = before) -> None:
                advance(before * epochs + epoch)

            rows.append(Row(name, *learn(together, optimizer, x, y, epochs, done)))
    rows.sort(key=lambda row: (row.epochs, row.loss))
    init = init if isinstance(init, str | None) else label(init)
    return Comparison(task, chosen.widths, len(x), seeds, epochs, lr, init, tuple(rows))


def learn(
    network: MLP, optimizer: SGD, x: Array, y: Array, epochs: int, done: Callable[[int], None]
) -> tuple[Array, Array, Array]:
    """Train networks side by side; their losses, accuracies and δ ratios as in `Row`."""
    ends = [network.layers[0].weight, network.layers[-1].weight]
    seeds = len(ends[0].data)
    losses, accuracies, first, last = np.full((4, epochs + 1, seeds), math.nan)

    def listen(node: Node, gradient: Any) -> None:
        if gradient is not None and node.op is affine:
            for weight, sizes in zip(ends, (first, last), strict=True):
                if node.inputs[1] is weight:
                    sizes[epoch] = [rms(each) for each in gradient]

    # What overflows in a training that diverges is said by its numbers.
    with np.errstate(all="ignore"), observe(listen):
        for epoch in range(epochs + 1):
            logits = network(x)
            # Binary cross-entropy, network by network: softplus(−z) where the target is 1.
            loss = np.mean(softplus((1 - 2 * y) * logits), axis=(1, 2))
            right = np.where(y > 0.5, logits.data > 0, logits.data <= 0)
            losses[epoch], accuracies[epoch] = loss.data, right.mean(axis=(1, 2))
            optimizer.zero_grad()
            np.sum(loss).backward()
            optimizer.step()
            if epoch % 50 == 0:
                done(epoch)
        return losses, accuracies, first / last
