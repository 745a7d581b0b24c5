"""Symptoms: what was measured beside the limits that the literature names, one check for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from statistics import median
from typing import Any, Literal

import numpy as np

from .. import activations
from ..activations.facts import curve, facts
from ..engine.operation import Operation
from ..errors import OperandError, UnknownNameError
from .diagnosis_texts import WHOLE
from .learning import FEWEST, HOPELESS, RECENT, WILD, Learning, doubt, spoilt, trimmed
from .meanfield import critical
from .measured import Flow, told

Array = np.ndarray[Any, np.dtype[Any]]
Grade = Literal["healthy", "watch", "sick"]

KINDS = (
    *("non_finite", "symmetric", "initialisation", "step_large", "step_small"),
    *("exploding", "vanishing", "dead", "saturated", "oscillation"),
)

# ---- limits ----

# rms δ of the first layer ÷ that of the last: worth watching, and sick.
VANISHING, EXPLODING = (1e-1, 1e-3), (10.0, 70.0)
AUTOTRAINER = "AUTOTRAINER, ICSE 2021"
# Of a layer's units or outputs: worth watching. In a deep ReLU layer whose samples have all become
# alike half of the units are dead by chance; AUTOTRAINER's dying ReLU begins with 70 %.
MOST, DYING = 0.5, 0.7
SAGEMAKER, DEEP_CHECKER = "SageMaker Debugger", "TheDeepChecker, 2022"
# rms ΔW ÷ rms W; about 1e-3 is usual (CS231n).
LEAST_UPDATE, USUAL_UPDATE, MOST_UPDATE, USUAL = 1e-4, 1e-3, 1e-1, "CS231n"
# In a whole training, a tenth of their size leads nowhere.
SOMEWHERE = 0.1
# By a whole length of the weights in one step: nothing of them is left.
REPLACED = 1.0
# The variance of the weights against what the activation wants: so far off in one layer, or, a
# standard deviation twice or half as large, in most of them. What is less makes gradients vanish or
# explode in great depth alone, which has its own names.
FAR, FAR_EACH = 10.0, 4.0
# The mean square of fewer weights strays by itself by more than a quarter.
FEW = 32
INITIALISERS = "Glorot and Bengio 2010; He et al. 2015"
SYMMETRY = "Goodfellow et al. 2016, 8.4"
# Of the last so many losses. Independent noise turns back in 2 of 3 steps, so that nearly all have
# to where there may be noise.
TURNS, NEARLY_ALL = 0.5, 0.85


@dataclass(frozen=True)
class Finding:
    """A number out of its limits.

    `layer` is where it is worst, empty for the whole model; `step` the pass in which it was worst,
    or, of what began at a certain pass, that one; `source` who names the limit. `facts` are what
    the sentences about it need.
    """

    kind: str
    grade: Grade
    layer: str
    value: float
    limit: float
    source: str
    step: int
    facts: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def told(self, lang: str = "en") -> dict[str, str]:
        """Its numbers as text."""
        form = form_of(self.kind)
        return {
            "layer": self.layer or WHOLE[lang],
            "step": str(self.step + 1),  # counted from 1, as in the pictures
            "value": form(self.value),
            "limit": form(self.limit),
            "side": "" if math.isnan(self.limit) else "< " if self.value < self.limit else "> ",
        }


# ---- what the checks look at ----


class View:
    """A flow and whether it has failed."""

    def __init__(self, flow: Flow, learning: Learning) -> None:
        self.flow, self.failed, self.layers = flow, learning.failed, flow.layers
        # What a loss is measured by: guessing, or what the training began with.
        self.base = learning.start if math.isnan(learning.guessing) else learning.guessing
        self.count = len(flow)
        self.first = float(flow.losses[0])
        self.wild = learning.loss > self.base + (WILD - 1) * abs(self.base)
        # No step has made the loss so; what grows worse then began before.
        self.born_wild = self.first > self.base + (HOPELESS - 1) * abs(self.base)
        middle = [np.median(each[np.isfinite(each)]) for each in self.updates()[1]]
        # The farthest step, by the layer in the middle.
        self.leap = float(max(middle, default=0.0))
        # What comes after the loss has settled says nothing of how it was learnt.
        self.period = slice(0, self.count if self.failed else settled(flow))

    def grade(self, sick: bool = True) -> Grade:
        """Of a symptom."""
        return "sick" if sick and self.failed else "watch"

    def looks(self, quantity: str) -> tuple[Array, Array]:
        """The passes in which a quantity was measured, and its rows."""
        rows = self.flow[quantity]
        seen = np.flatnonzero(np.any(~np.isnan(rows), axis=1))
        return seen, rows[seen]

    def updates(self) -> tuple[Array, Array]:
        """The passes that were looked at, and each layer's ΔW ÷ W there, NaN where W was 0."""
        passes, rows = self.looks("update")
        rows = np.where(np.isfinite(rows), rows, math.nan)
        kept = np.any(~np.isnan(rows), axis=1)
        return passes[kept], rows[kept]

    def activation(self, layer: str) -> Operation | None:
        """The record of a layer's activation, if it is a known function of one number."""
        return record(self.flow.activations.get(layer, ""))

    def common(self) -> tuple[str, Operation | None]:
        """The activation that most layers have."""
        names = [name for name in self.flow.activations.values() if name]
        name = max(names, key=names.count) if names else ""
        return name, record(name)


def settled(flow: Flow) -> int:
    """The pass from which on nine tenths of what the loss would lose are lost."""
    losses = np.array(flow.losses, np.float64)
    known = losses[np.isfinite(losses)]
    if not known.size:
        return len(flow)
    low = float(np.min(known))
    below = np.flatnonzero(losses <= low + (float(known[0]) - low) / 10)
    return max(int(below[0]), 1) if below.size else len(flow)


@cache
def record(name: str) -> Operation | None:
    """An activation by name."""
    try:
        op = activations.named(name)
    except UnknownNameError:
        return None
    return op if isinstance(op, Operation) and curve(op) else None


@cache
def wanted(op: Operation) -> tuple[float, float]:
    """The least and the greatest σ_w² that a rule of initialisation gives for an activation.

    Xavier's is 1; He's, for any φ, 1/E φ² for unit variance; mean field's that of χ₁ = 1.
    """
    rules = [1.0, facts(op).gain ** 2]
    with suppress(OperandError):
        rules.append(critical(op))
    return min(rules), max(rules)


@cache
def most_flat(op: Operation) -> float:
    """The share of z that may be flat: halfway from that of N(0, 1) to all.

    A half for sigmoid and tanh, three quarters for ReLU, of which half is flat in health.
    """
    share = sum(normal_below(high) - normal_below(low) for low, high in facts(op).saturated or ())
    return MOST + share / 2


@cache
def silent(op: Operation) -> bool:
    """Whether it gives exactly 0 wherever it is flat, as ReLU."""
    spans = facts(op).saturated or ()
    middles = [(max(low, -8.0) + min(high, 8.0)) / 2 for low, high in spans]
    return bool(spans) and not np.any(op(np.array(middles)))


def normal_below(x: float) -> float:
    """Φ(x) of the standard normal."""
    return (1 + math.erf(x / math.sqrt(2))) / 2


# Each check gives findings with their rank: causes before what follows from them. What was there
# before the first step cannot have come from a step.
Found = Iterator[tuple[int, Finding]]
# A gradient that vanishes leaves the loss where guessing is: it is not what made it wild.
Rank = IntEnum(
    "Rank",
    "SYMMETRIC BORN EXPLODES FLAT_FIRST KILLED OVERSHOT MADE_WILD VANISHES DEAD_FIRST STEP BROKEN "
    "AFTER SWINGS SLOW",
)


def not_finite(view: View) -> Found:
    """NaN and infinity."""
    passes = np.flatnonzero(spoilt(view.flow))
    if passes.size:
        step = int(passes[0])
        row = view.flow["delta"][step]
        # δ is computed from the last layer to the first.
        where = [name for name, x in zip(view.layers, row, strict=True) if math.isinf(x)]
        rank = Rank.BROKEN if step else Rank.SYMMETRIC
        layer = where[-1] if where else ""
        value = view.flow.losses[step]
        found = Finding("non_finite", view.grade(), layer, value, math.nan, DEEP_CHECKER, step)
        yield rank, found


def symmetric(view: View) -> Found:
    """Units that are copies of each other, and layers of zeros one behind the other."""
    passes, rows = view.looks("symmetric")
    first = np.nan_to_num(rows[0]) if passes.size else np.zeros(len(view.layers))
    zero = [False, *(view.flow.sigma_w2.get(name) == 0 for name in view.layers), False]
    # Zeros beside zeros get no gradient, so that nothing tells their units apart either.
    beside = [zero[i] and (zero[i - 1] or zero[i + 1]) for i in range(1, len(zero) - 1)]
    first = np.where(beside, 1.0, first)
    # Units may also become alike where weights are thrown about.
    later = np.nan_to_num(medians(rows)) if passes.size else first
    for shares, rank in ((first, Rank.SYMMETRIC), (later, Rank.AFTER)):
        worst = int(np.argmax(shares))
        name, share = view.layers[worst], float(shares[worst])
        if share > MOST:
            more = {"activation": view.flow.activations.get(name) or "relu"}
            step = int(passes[np.argmax(rows[:, worst] > MOST)]) if rank is Rank.AFTER else 0
            yield rank, Finding("symmetric", view.grade(), name, share, MOST, SYMMETRY, step, more)
            return


def initialisation(view: View) -> Found:
    """First weights far from what the activation wants, where the first pass shows it."""
    flow, common = view.flow, view.common()[1]
    if common is None or not harmed(view):
        return
    logs: dict[str, float] = {}
    for layer in view.layers[:-1] or view.layers:
        own, (fan_in, fan_out) = flow.sigma_w2.get(layer, math.nan), flow.fans.get(layer, (0, 0))
        if layer in flow.over_time or not own > 0 or fan_in * fan_out < FEW:
            continue
        # Xavier's rule goes by the mean of both fans.
        forms = own, own * (fan_in + fan_out) / (2 * fan_in)
        low, high = wanted(view.activation(layer) or common)
        logs[layer] = max(math.log(min(forms) / high), 0.0) - max(math.log(low / max(forms)), 0.0)
    if not logs:
        return
    worst = max(logs, key=lambda layer: abs(logs[layer]))
    far = FAR if abs(logs[worst]) > math.log(FAR) else FAR_EACH
    if abs(logs[worst]) > math.log(FAR) or abs(median(logs.values())) > math.log(FAR_EACH):
        op = view.activation(worst) or common
        low, high = wanted(op)
        limit = high * far if logs[worst] > 0 else low / far
        best = facts(op).gain ** 2
        more = {"activation": op.name, "wanted": f"{best:.3g}", "fan_in": str(flow.fans[worst][0])}
        value = flow.sigma_w2[worst]
        found = Finding("initialisation", view.grade(), worst, value, limit, INITIALISERS, 0, more)
        yield Rank.BORN, found


def harmed(view: View) -> bool:
    """Whether the first pass shows that the weights' scale is wrong."""
    flow = view.flow
    if out_of_bounds(flow["delta"][0]):
        return True
    if any(share > limit for share, limit in flat_shares(view)[:1].reshape(-1, 2)):
        return True
    # Signals that shrink or grow from the first layer to the last by as much as gradients may.
    if any(map(out_of_bounds, view.looks("activation_std")[1][:1])):
        return True
    # At the start a model should guess.
    return bool(flow.guessing and flow.losses[0] > EXPLODING[0] * flow.guessing[0])


def out_of_bounds(sizes: Array) -> bool:
    """Whether the first and the last that is known differ by more than ten times."""
    known = sizes[~np.isnan(sizes)]
    ratio = float(known[0] / known[-1]) if known.size else 1.0
    return ratio < VANISHING[0] or ratio > EXPLODING[0]


def steps(view: View) -> Found:
    """How far a step moves the weights, beside their size."""
    passes, rows = view.updates()
    if not passes.size:
        return
    middle, most = np.nanmedian(rows, axis=1), np.nanmax(rows, axis=1)
    largest = int(np.argmax(middle))
    value = max(float(np.median(most)), float(middle[largest]))
    # Where the loss was sane before the first step and is wild now, steps have made it so.
    shot = view.wild and view.first < view.base + (WILD - 1) * abs(view.base)
    limit = MOST_UPDATE if shot else REPLACED
    if np.median(most) > MOST_UPDATE or (view.failed and middle[largest] > limit):
        step = int(passes[largest])
        grade = view.grade(ruined(view))
        found = Finding("step_large", grade, "", value, MOST_UPDATE, DEEP_CHECKER, step)
        yield Rank.MADE_WILD if view.wild and not view.born_wild else Rank.STEP, found
    elif not (view.failed or np.any(most)):
        return  # nobody took a step
    elif (farthest := float(np.max(most))) < LEAST_UPDATE:
        step = int(passes[np.argmax(most)])
        found = Finding("step_small", view.grade(), "", farthest, LEAST_UPDATE, DEEP_CHECKER, step)
        yield Rank.STEP, found
    elif (
        view.failed
        and farthest < USUAL_UPDATE
        and (farthest * view.count < SOMEWHERE or crawls(view.flow))
    ):
        step = int(passes[np.argmax(most)])
        found = Finding("step_small", "sick", "", farthest, USUAL_UPDATE, USUAL, step)
        yield Rank.SLOW, found


def crawls(flow: Flow) -> bool:
    """Whether the loss falls at the end as fast as at first, beyond what is noise."""
    losses = np.array(flow.losses, np.float64)
    if not np.all(np.isfinite(losses)) or losses.size < FEWEST:
        return False
    quarters = np.array_split(losses, 4)
    first, second, third, last = map(trimmed, quarters)
    return third - last > max(2 * doubt(losses, quarters[0].size), (first - second) / 2)


def ruined(view: View) -> bool:
    """Whether steps have done harm: weights that shall be 0 move by more than their size too."""
    losses = np.array(view.flow.losses, np.float64)
    losses = losses[np.isfinite(losses)]
    if not losses.size:
        return False
    high = np.quantile(losses, [0.9, 1.0])
    base = max(view.base, view.first)
    if np.any(high > base + (np.array([WILD, HOPELESS]) - 1) * abs(base)):
        return True
    later = (*dead(view), *saturated(view))
    if view.leap > HOPELESS:
        later += (*not_finite(view),)
    return any(finding.step > 0 for _, finding in later)


def gradients(view: View) -> Found:
    """rms δ of the first layer to that of the last, and of an RNN's first step to its last."""
    name, op = view.common()
    more = {"activation": name}
    if op is not None and math.isfinite(steepest := facts(op).lipschitz) and steepest < 1:
        more["steepest"] = f"{steepest:.3g}"
    if op is not None and "steepest" not in more:
        known = [view.flow.sigma_w2[each] for each in view.layers[1:-1] if each in view.flow.fans]
        small = bool(known) and float(np.median(known)) < wanted(op)[0] / 2
        more["advice"] = "vanishing_small" if small else "vanishing_residual"
    for layer, each in view.flow.over_time.items():
        ratios = np.array([t[-1] / t[0] if len(t) > 1 and t[0] else math.nan for t in each])
        count = max(map(len, each), default=0)
        own = view.activation(layer)
        about = more if own is op else {"activation": view.flow.activations.get(layer, "")}
        yield from extremes(view, layer, ratios, count - 1, about, "_time")
    delta = view.flow["delta"]
    seen = np.flatnonzero(np.any(np.isfinite(delta), axis=0))  # frozen layers have none
    if seen.size > 1 and len(view.layers) > 2:  # of two the ratio is that of the last alone
        ratios = delta[:, seen[0]] / delta[:, seen[-1]]
        yield from extremes(view, view.layers[seen[0]], ratios, len(seen) - 1, more, "")


def extremes(
    view: View, layer: str, ratios: Array, length: int, more: dict[str, str], variant: str
) -> Found:
    """Whether ratios are out of their limits at the start, or in most passes."""
    known = np.flatnonzero(~np.isnan(ratios))
    if not known.size or length < 1:
        return
    inside = ratios[known[known < view.period.stop]]
    first = float(ratios[known[0]])
    typical = [float(np.median(inside))] if inside.size else [1.0]
    if view.failed:  # at first, on the whole, or in the end
        typical += [first, float(np.median(inside[3 * inside.size // 4 :]))]
    for kind, limits, rank, worse in (
        ("vanishing", VANISHING, Rank.VANISHES, min),
        ("exploding", EXPLODING, Rank.EXPLODES, max),
    ):
        value = worse(typical)
        watch, sick = (beyond(value, limit, kind) for limit in limits)
        if not watch:
            continue
        limit = limits[int(sick)]
        step = int(next(n for n in known if beyond(ratios[n], limit, kind)))
        factor = value ** (1 / length)
        facts_of = {**more, "factor": f"{factor:.2g}", "variant": kind + variant}
        if kind == "exploding" or variant:
            facts_of.pop("advice", None)
        found = Finding(kind, view.grade(sick), layer, value, limit, AUTOTRAINER, step, facts_of)
        # What vanishes altogether does so in a layer that is dead or wholly flat.
        early = beyond(first, limits[0] if view.born_wild else limit, kind)
        yield rank if early and value > 0 else Rank.AFTER, found


def beyond(value: float, limit: float, kind: str) -> bool:
    """Whether a ratio is out of a limit."""
    return value < limit if kind == "vanishing" else value > limit


def dead(view: View) -> Found:
    """Units that give 0 for every sample."""
    passes, rows = view.looks("dead")
    if not passes.size:
        return
    zero = np.array([view.flow.sigma_w2.get(name) == 0 for name in view.layers])
    last = np.where(zero, 0.0, np.nan_to_num(rows[-1]))
    if np.max(last) > MOST:
        worst = int(np.argmax(last))
        name, value = view.layers[worst], float(last[worst])
        limit, source = (DYING, AUTOTRAINER) if value > DYING else (MOST, SAGEMAKER)
        began = int(passes[np.argmax(rows[:, worst] > limit)])
        found = Finding("dead", view.grade(value > DYING), name, value, limit, source, began)
        killed = began and view.leap > MOST_UPDATE
        yield Rank.KILLED if killed else Rank.DEAD_FIRST, found


def saturated(view: View) -> Found:
    """Layers of which most lies where the activation is flat."""
    passes, _ = view.looks("saturated")
    shares = flat_shares(view)
    if not passes.size or not shares.size:
        return
    over = shares[:, :, 0] - shares[:, :, 1]
    inside = passes < max(view.period.stop, 1)
    typical = np.nan_to_num(medians(over[inside]), nan=-1.0)
    if view.failed:
        typical = np.maximum(typical, np.nan_to_num(over[-1], nan=-1.0))
    elif len(view.layers) > 1:
        typical[-1] = -1.0  # who is sure of the answer has saturated the output
    worst = int(np.argmax(typical))
    if typical[worst] <= 0:
        return
    name = view.layers[worst]
    limit = float(shares[0, worst, 1])
    above = np.flatnonzero(over[:, worst] > 0)
    step = int(passes[above[0]])
    more = {"activation": view.flow.activations.get(name, "")}
    if step:
        more["variant"] = "saturated_later"
    value = float(typical[worst] + limit)
    found = Finding("saturated", view.grade(), name, value, limit, DEEP_CHECKER, step, more)
    yield Rank.AFTER if step else Rank.FLAT_FIRST, found


def flat_shares(view: View) -> Array:
    """Of each look and layer the share that is flat and its limit; where flat is 0, it is dead."""
    passes, rows = view.looks("saturated")
    if not passes.size:
        return np.zeros((0, 0, 2))
    ops = [view.activation(name) for name in view.layers]
    limits = np.array([MOST if op is None else most_flat(op) for op in ops])
    rows[:, [op is not None and silent(op) for op in ops]] = math.nan
    return np.stack([rows, np.broadcast_to(limits, rows.shape)], axis=2)


def oscillation(view: View) -> Found:
    """A loss that turns back from step to step, farther than the noise of batches."""
    losses = np.array(view.flow.losses, np.float64)[-RECENT:]
    if losses.size < FEWEST or not np.all(np.isfinite(losses)):
        return
    jumps = np.diff(losses)
    turns = float(np.mean(jumps[1:] * jumps[:-1] < 0))
    low, high = np.quantile(losses, [0.25, 0.75])
    base = abs(view.base)
    # A quarter of the batches cost half more than guessing; or, back and forth, a fifth of it.
    wild = turns > TURNS and high > WILD * base and high - low > base / 5
    to_and_fro = turns > NEARLY_ALL and high - low > base / 5
    if wild or to_and_fro:
        step = view.count - losses.size
        found = Finding("oscillation", view.grade(), "", turns, TURNS, DEEP_CHECKER, step)
        # A step that overshoots is told apart from one that throws the weights away.
        overshoots = to_and_fro and high < HOPELESS * base
        yield Rank.OVERSHOT if overshoots else Rank.SWINGS, found


def medians(rows: Array) -> Array:
    """Of each column what is not NaN."""
    columns = [column[~np.isnan(column)] for column in rows.T]
    return np.array([np.median(each) if each.size else math.nan for each in columns])


CHECKS: tuple[Callable[[View], Found], ...] = (
    not_finite,
    symmetric,
    initialisation,
    steps,
    gradients,
    dead,
    saturated,
    oscillation,
)


def form_of(kind: str) -> Callable[[float], str]:
    """How the numbers of a kind are written."""
    form = ".0%" if kind in ("symmetric", "dead", "saturated", "oscillation") else ".2g"
    return lambda number: told(number, form)
