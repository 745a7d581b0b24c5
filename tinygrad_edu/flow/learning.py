"""Whether a training has learnt, by its losses beside what guessing would have cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .diagnosis_texts import LEARNING
from .measured import Flow

Array = np.ndarray[Any, np.dtype[Any]]

# The last so many losses are where a training has ended.
RECENT = 50
# Better than guessing by a fifth at least.
BETTER = 0.8
# Worse than guessing by half: wild answers; ten times worse, the weights are thrown about.
WILD, HOPELESS = 1.5, 10.0
# Fewer passes than this have had no time to learn.
FEWEST = 10


@dataclass(frozen=True)
class Learning:
    """What the losses say: their level over a window of passes at the start and at the end.

    `guessing` is what answering every row alike costs, NaN where it is not known; `failed` says
    that it is no better than that, or far from its best, and not getting there either; `falling`,
    that it goes on learning, `early`, that the passes are too few to tell. `steps` counts them.
    """

    loss: float
    guessing: float
    start: float
    failed: bool
    steps: int
    falling: bool = False
    early: bool = False

    def line(self, lang: str = "en") -> str:
        """One sentence of it."""
        texts = LEARNING[lang]
        if self.failed:
            state = texts["failed"]
        elif self.early or math.isnan(self.loss):
            state = texts["unknown"]
        else:
            state = texts["learning" if self.falling else "learnt"]
        form = texts["alone" if math.isnan(self.guessing) else "costs"]
        loss, guessing, start = (f"{x:.4g}" for x in (self.loss, self.guessing, self.start))
        return form.format(
            loss=loss, guessing=guessing, start=start, steps=f"{self.steps:,}", state=state
        )


def judged(flow: Flow) -> Learning:
    """Whether it has learnt, by the losses alone."""
    losses = np.array(flow.losses, np.float64)
    count = len(losses)
    window = min(max(count // 10, 1), RECENT)
    known = losses[np.isfinite(losses)]
    broken = bool(spoilt(flow)[-1])
    if not known.size:
        return Learning(math.nan, math.nan, math.nan, broken, count)
    # One batch may be cheap by chance, and a few passes may have taught much.
    start, loss = max(float(known[0]), trimmed(known[:window])), level(losses[-window:])
    guessing = cost_of_guessing(np.array(flow.guessing, np.float64), known)
    if broken or not math.isfinite(loss):
        last = float(losses[-1]) if broken else loss
        return Learning(last, guessing, start, broken, count)
    # By the fall of the loss alone where guessing is not known. Who knows nothing is no better
    # than guessing, so that it costs no more than what the training began with.
    base = start if math.isnan(guessing) else min(guessing, start)
    best = min(float(np.median(each)) for each in np.array_split(known, -(-known.size // window)))
    older, newer = losses[count // 2 : 3 * count // 4], losses[3 * count // 4 :]
    before = trimmed(older) if older.size else loss
    if max(trimmed(each) for each in np.array_split(losses, min(count, 4))) > WILD * known[0]:
        before = min(before, base)  # to come down from a wild height is not to learn
    fall = before - trimmed(newer)
    error = doubt(losses, newer.size)
    better = base - loss > (1 - BETTER) * abs(base)
    # As many passes again, at this pace, would do.
    soon = base - (loss - 4 * fall) > (1 - BETTER) * abs(base)
    falling = fall > 2 * error and fall > 0.01 * abs(base)
    wild = loss > base + (WILD - 1) * abs(base)
    lost = loss - best > (max(start, base) - best) / 2
    poor = not better and not (fall > 2 * error and soon)
    failed = count >= FEWEST and (poor or wild or (lost and not falling))
    early = count < FEWEST and not better
    return Learning(loss, guessing, start, failed, count, falling and not failed, early)


def doubt(losses: Array, size: int) -> float:
    """The standard error of a difference of two such means of so many losses, by their jumps."""
    noise = 1.0484 * float(np.median(np.abs(np.diff(losses)))) if losses.size > 1 else 0.0
    return 1.2533 * noise * math.sqrt(2 / size)


def level(losses: Array) -> float:
    """The median, or the trimmed mean where some batches cost far more."""
    return max(float(np.median(losses)), trimmed(losses))


def trimmed(losses: Array) -> float:
    """The mean of all but the highest tenth."""
    return float(np.mean(np.sort(losses)[: -(-9 * losses.size // 10)]))


def cost_of_guessing(numbers: Array, losses: Array) -> float:
    """What guessing has cost, by the median over the later half of the looks.

    But a model whose answers are wild guesses wildly too: then it is the least of the medians of
    the quarters, or what the first batch says where losses have shot up since.
    """
    known = numbers[np.isfinite(numbers)]
    if not known.size:
        return math.nan
    found = float(np.median(known[known.size // 2 :]))
    parts = np.array_split(known, min(max(known.size // 5, 1), 4))
    costs = [float(np.median(each)) for each in parts]
    if np.max(losses) > losses[0] + (HOPELESS - 1) * abs(losses[0]):
        costs.append(float(known[0]))
    least = min(costs)
    return least if found > least + (WILD - 1) * abs(least) else found


def spoilt(flow: Flow) -> Array:
    """Passes that have a number that is not finite.

    NaN alone may be what was not measured: the δ of a layer that was not reached, or losses that
    are no single number.
    """
    delta, losses = flow["delta"], np.array(flow.losses, np.float64)
    unknown = np.isnan(losses)
    if np.all(unknown):
        unknown &= ~np.any(np.isfinite(delta), axis=1)
    return np.asarray(np.isinf(losses) | np.any(np.isinf(delta), axis=1) | unknown)
