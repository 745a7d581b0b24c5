"""The mean-field passes through a network: what each block makes of signals and of gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..errors import UnknownNameError, UnsupportedError
from ..nn.normalisation import BatchNorm
from .meanfield import Moments, correlated, moments
from .structure import Block, Structure

Array = np.ndarray[Any, np.dtype[Any]]
Variances = Mapping[str, float | tuple[float, float]]

# Samples of different lengths are sorted by length, and stood for by so many.
KINDS = 16
# Larger mean squares, and logarithms that stray further, are taken for these.
HUGE, FARTHEST = 1e300, 20.0
# Where a function of a Gaussian is taken to find its mean and its slope, and how each counts: by
# Gauss and Hermite, in units of √3 standard deviations.
SIDEWAYS, COUNTS = np.array([-1.0, 0.0, 1.0]), np.array([1.0, 4.0, 1.0]) / 6


@dataclass
class Bend:
    """How the logarithm of a mean answers to q that strays: its own mean, and its slope by ln q."""

    log: Array
    steepness: float

    @classmethod
    def of(cls, heights: Array, strays: float, derivative: Array) -> Bend:
        """From the heights at three places."""
        logs = ln(heights)
        if not strays or not np.all(np.isfinite(logs)):
            return cls(logs[1], float(np.mean(derivative)))
        return cls(COUNTS @ logs, float(np.mean(logs[2] - logs[0])) / (2 * math.sqrt(3) * strays))


@dataclass
class Signal:
    """Of a block's entries: their mean and mean square for each kind of sample, and more.

    `common` is E[h_s h_t] for two samples; `strays` says by how much each source of randomness
    moves the logarithm of the mean square over the units. `moments` are those of a map.
    """

    mean: Array
    square: Array
    common: float
    strays: Array
    moments: Moments | None = None
    slope: Bend | None = None


class Passes:
    """The means and spreads of all blocks, forwards and backwards."""

    def __init__(
        self,
        structure: Structure,
        scale: float | None,
        rows: int | None,
        variances: Variances,
    ) -> None:
        self.blocks, self.structure, self.rows = structure.blocks, structure, rows
        self.scale = scale
        self.kinds = 1 if scale is not None else min(KINDS, len(self.blocks[0].constant))
        self.correlate = any(isinstance(block.module, BatchNorm) for block in self.blocks)
        unknown = [name for name in variances if name not in {x.name for x in structure.layers}]
        if unknown:
            raise UnknownNameError(
                f"variances names the layers {', '.join(unknown)}; this model has "
                f"{', '.join(layer.name for layer in structure.layers)}"
            )
        # Mean squares of all weights and biases, by the ids of their leaves.
        self.given: dict[int, float] = {}
        for layer in structure.layers:
            if layer.name in variances:
                both = variances[layer.name]
                of_weight, of_bias = both if isinstance(both, tuple) else (both, None)
                for leaf in layer.weights:
                    self.given[id(leaf)] = float(of_weight)
                if layer.bias is not None and of_bias is not None:
                    self.given[id(layer.bias)] = float(of_bias)
        last = structure.places[-1][-1]
        self.wanted = self.before([last, *(place for each in structure.places for place in each)])
        outputs = [place for each in structure.outputs for place in each]
        self.signals: dict[int, Signal] = {}
        for number in sorted(self.wanted | self.before(outputs)):
            self.signals[number] = self.forward(number)
        self.logs: dict[int, Array] = {}
        self.strays: dict[int, Array] = {}
        # How much larger E(z·δ)² is than for a δ without regard to z, as a share of that, less 1.
        self.aligned: dict[int, float] = {}
        self.backward(last)

    def before(self, places: Sequence[int]) -> set[int]:
        """The given blocks and all they depend on."""
        found, pending = set(places), list(places)
        while pending:
            for place in self.blocks[pending.pop()].inputs:
                if place not in found:
                    found.add(place)
                    pending.append(place)
        return found

    def second_moment(self, leaf: Any) -> float:
        """The mean square of a parameter; 0 for none."""
        if leaf is None:
            return 0.0
        if id(leaf) in self.given:
            return self.given[id(leaf)]
        return float(np.mean(np.square(np.asarray(getattr(leaf, "data", leaf), np.float64))))

    def fresh(self, number: int, slot: int, variance: float) -> Array:
        """A source of randomness that nothing before has met."""
        strays = np.zeros(6 * len(self.blocks))
        strays[6 * number + slot] = math.sqrt(max(variance, 0.0))
        return strays

    def forward(self, number: int) -> Signal:
        """What a block makes of the signals it reads."""
        block = self.blocks[number]
        inputs = [self.signals[place] for place in block.inputs]
        if block.kind == "input":
            return self.source(number, block)
        if block.kind == "unknown":
            # An output that no later layer reads may be anything.
            nothing = np.full(self.kinds, math.nan)
            if number in self.wanted:
                raise UnsupportedError(
                    f"theory knows no means of {block.name} between layers; it knows functions of "
                    "one number, BatchNorm, LayerNorm, dropout, sums of branches and RNN"
                )
            return Signal(nothing, nothing, math.nan, self.fresh(number, 0, math.nan))
        if block.kind == "sum":
            return self.sum(number, *inputs)
        if block.kind == "join":
            mean, square = (
                np.mean([getattr(each, name) for each in inputs], axis=0)
                for name in ("mean", "square")
            )
            common = float(np.mean([each.common for each in inputs]))
            strays = np.mean([each.strays for each in inputs], axis=0)
            return Signal(mean, square, common, np.asarray(strays))
        (into,) = inputs
        if block.kind == "product":
            return self.product(number, block, into)
        if block.kind == "scale":
            factors = block.constant
            mean, square = float(np.mean(factors)), float(np.mean(np.square(factors)))
            return Signal(
                into.mean * mean, into.square * square, into.common * mean**2, into.strays
            )
        if block.kind == "norm":
            return self.norm(block, into)
        return self.map(number, block, into)

    def source(self, number: int, block: Block) -> Signal:
        """The mean squares of data, sample by sample, or those that are assumed."""
        still = self.fresh(number, 0, 0.0)
        data = np.asarray(block.constant, np.float64)
        if number == 0 and self.scale is not None:
            return Signal(np.zeros(1), np.full(1, self.scale**2), 0.0, still)
        samples = data.reshape(len(data), -1) if data.ndim > 1 else data.reshape(1, -1)
        count, units = samples.shape
        means, squares = np.mean(samples, axis=1), np.mean(np.square(samples), axis=1)
        total = float(np.sum(np.square(np.sum(samples, axis=0)))) / units
        common = (total - float(np.sum(squares))) / max(count * (count - 1), 1)
        if number:
            mean, square = (np.full(self.kinds, each.mean()) for each in (means, squares))
            return Signal(mean, square, common, still)
        groups = np.array_split(np.argsort(squares, kind="stable"), self.kinds)
        mean, square = (np.array([each[g].mean() for g in groups]) for each in (means, squares))
        return Signal(mean, square, common, still)

    def product(self, number: int, block: Block, into: Signal) -> Signal:
        """q = n V E h² + σ_b². The sum of n squares of Gaussians strays by 2/n."""
        fan_in, fan_out = block.weight.shape[-2:]
        sigma_w2 = fan_in * self.second_moment(block.weight)
        sigma_b2 = self.second_moment(block.bias)
        coming = np.minimum(sigma_w2 * into.square, HUGE)
        square = coming + sigma_b2
        part = float(np.mean(share(coming, square)))
        # A matrix of one row is known by its mean square.
        fresh = 2 / fan_out * (1 - 1 / fan_in)
        less, common = math.exp(-fresh / 2), sigma_w2 * into.common + sigma_b2
        strays = part * into.strays + self.fresh(number, 0, fresh)
        return Signal(np.zeros_like(square), square * less, common * less, strays)

    def map(self, number: int, block: Block, into: Signal) -> Signal:
        """E φ and E φ² over the Gaussian of the block's input.

        Of the spread of Σ φ², what comes with that of Σ z² is in the strays of z already.
        """
        assert block.op is not None
        variance = np.minimum(np.maximum(into.square - np.square(into.mean), 0.0), HUGE)
        strays = min(float(np.linalg.norm(into.strays)), FARTHEST)
        far = np.exp(np.sqrt(3) * strays * SIDEWAYS)[:, None]
        near = moments(block.op, far * variance, np.sqrt(far) * into.mean)
        found = {each.name: getattr(near, each.name)[1] for each in fields(near)}
        bend = Bend.of(near.slope, strays, found["slope_growth"])
        rise = Bend.of(near.square, strays, found["growth"])
        fresh = np.mean(found["spread"] - 2 * found["growth"] ** 2)
        fresh = max(float(fresh), 0.0) / block.width
        # Of known length, z has not quite the means of a Gaussian.
        less = math.exp(-fresh / 2 - float(np.mean(found["curvature"])) / block.width)
        common = math.nan
        if self.correlate:
            common = less * correlated(block.op, float(np.mean(variance)), into.common)
        return Signal(
            mean=found["mean"],
            square=less * np.exp(rise.log),
            common=common,
            strays=rise.steepness * into.strays + self.fresh(number, 0, fresh),
            moments=Moments(**found),
            slope=bend,
        )

    def norm(self, block: Block, into: Signal) -> Signal:
        """Mean 0 and variance 1, of a sample or over the batch; then the module's own numbers."""
        module = block.module
        gain, shift = self.second_moment(module.weight), self.second_moment(module.bias)  # type: ignore[union-attr]
        if isinstance(module, BatchNorm):
            # A longer sample has more in common with the others, as its length has it.
            lengths = np.sqrt(share(into.square, float(np.mean(into.square))))
            square = into.square - 2 * into.common * lengths + into.common
            square = share(square, float(np.mean(square)))
            common = -1 / (self.rows - 1) if self.rows else 0.0
        else:
            variance = into.square - np.square(into.mean)
            square = np.ones(self.kinds)
            common = float(np.mean(share(into.common - np.square(into.mean), variance)))
        still = np.zeros_like(into.strays)
        return Signal(np.zeros(self.kinds), gain * square + shift, gain * common + shift, still)

    def sum(self, number: int, left: Signal, right: Signal) -> Signal:
        """Mean squares of independent branches add up; so do their means' product, twice."""
        square = left.square + right.square + 2 * left.mean * right.mean
        part = float(np.mean(share(left.square, left.square + right.square)))
        strays = part * left.strays + (1 - part) * right.strays
        # Two random vectors are not quite at right angles.
        across = 4 * part * (1 - part) / self.blocks[number].width
        common = left.common + right.common + 2 * float(np.mean(left.mean * right.mean))
        less, strays = math.exp(-across / 2), strays + self.fresh(number, 0, across)
        return Signal(left.mean + right.mean, less * square, less * common, strays)

    # ---- back ----

    def backward(self, last: int) -> None:
        """The logarithm of E δ² at each block before `last`, where it is 0, and its strays."""
        self.logs[last] = np.zeros(self.kinds)
        self.strays[last] = self.fresh(last, 0, 0.0)
        self.aligned[last] = 0.0
        for number in range(last, -1, -1):
            if number not in self.logs:
                continue
            block, log, strays = self.blocks[number], self.logs[number], self.strays[number]
            for place in block.inputs:
                into, back = self.signals[place], 0.0 + log
                wander, aligned = strays, 0.0
                if block.kind == "product":
                    fan_in, fan_out = block.weight.shape[-2:]
                    back = back + ln(fan_out * self.second_moment(block.weight))
                    fresh = 2 / fan_in * (1 - 1 / fan_out)
                    back, wander = back - fresh / 2, strays + self.fresh(number, 1, fresh)
                    coming = fan_in * self.second_moment(block.weight) * into.square
                    bias = self.second_moment(block.bias)
                    aligned = self.aligned[number] * float(np.mean(share(coming, coming + bias)))
                elif block.kind == "map":
                    back, wander, aligned = self.through_map(number, block, log, strays)
                elif block.kind == "norm":
                    back = back + self.through_norm(block, into)
                    wander = strays - into.strays
                elif block.kind == "scale":
                    back = back + ln(np.mean(np.square(block.constant)))
                self.receive(place, back, wander, aligned)

    def through_map(
        self, number: int, block: Block, log: Array, strays: Array
    ) -> tuple[Array, Array, float]:
        """E φ′², the spread of Σ φ′² g² for Gaussian g, and how z and δ are aligned.

        Without what comes with the spreads of Σ g² and of Σ z², which are in the strays already,
        and with what it shares with that of Σ φ². The weights W behind are those that made the next
        z = h W: that part of g = W δ which lies along h is h (z·δ)/|h|², whatever W is.
        """
        found = self.signals[number].moments
        answer = self.signals[number].slope
        assert found is not None
        assert answer is not None
        into = self.signals[block.inputs[0]]
        growth, bend = float(np.mean(found.growth)), float(np.mean(found.slope_growth))
        forwards = max(float(np.mean(found.spread)) - 2 * growth**2, 0.0)
        kurtosis = float(np.mean(found.slope_spread)) + 1
        rest = max(3 * kurtosis - 3 - 2 * bend**2, 0.0)
        both = float(np.mean(found.joint)) - 2 * growth * bend
        common = both / math.sqrt(forwards) if forwards > 0 else 0.0
        common = math.copysign(min(abs(common), math.sqrt(rest)), common)
        wander = strays + answer.steepness * into.strays
        wander = wander + self.fresh(number, 0, 1 / block.width) * common
        wander = wander + self.fresh(number, 1, (rest - common**2) / block.width)
        along = 1 + float(np.mean(found.joint))
        curvature = float(np.mean(found.slope_curvature))
        kept = share(found.square, np.asarray(into.square * found.slope))
        aligned = 2 * bend + growth**2 * float(np.mean(kept)) * self.aligned[number]
        # What lies along h, in δ²; where it has grown large, it is most of δ² itself.
        more = max(self.aligned[number] * along / block.width, -0.5)
        less = (rest / 2 + curvature) / block.width - math.log1p(more)
        return log + answer.log - less, wander, (1 + aligned) / (1 + more) - 1

    def through_norm(self, block: Block, into: Signal) -> Array:
        """1/variance, and what is lost as the mean and the scale take no gradient."""
        gain = self.second_moment(block.module.weight)  # type: ignore[union-attr]
        if isinstance(block.module, BatchNorm):
            variance = np.full(self.kinds, float(np.mean(into.square)) - into.common)
            lost = (self.rows - 2) / (self.rows - 3) if self.rows and self.rows > 3 else 1.0
        else:
            variance, lost = into.square - np.square(into.mean), 1 - 2 / block.width
        return ln(gain) + ln(lost) - ln(variance)

    def receive(self, place: int, log: Array, strays: Array, aligned: float) -> None:
        """Add a gradient to what other readers of a block have sent."""
        if place not in self.logs:
            self.logs[place], self.strays[place], self.aligned[place] = log, strays, aligned
            return
        self.aligned[place] = 0.0
        before = self.logs[place]
        together = np.logaddexp(before, log)
        part = float(np.mean(np.exp(log - together)))
        across = 4 * part * (1 - part) / self.blocks[place].width
        self.strays[place] = (
            (1 - part) * self.strays[place] + part * strays + self.fresh(place, 2, across)
        )
        self.logs[place] = together - across / 2


def ln(x: Any) -> Array:
    """The logarithm; −∞ of 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.asarray(x, np.float64))


def share(part: Array, whole: Any) -> Array:
    """The quotient, 1 where the whole is 0."""
    return np.where(whole != 0, part / np.where(whole != 0, whole, 1.0), 1.0)
