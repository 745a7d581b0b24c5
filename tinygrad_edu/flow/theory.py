"""What theory says of a network before it has learnt: how signals and gradients fare in its depth.

Mean field (Poole et al. 2016; Schoenholz et al. 2017): in a wide layer with random weights the
pre-activations are Gaussian, and each layer multiplies the mean squares of signals and gradients by
numbers that depend on its variances and its activation alone. A network of finite width strays from
that by a product of random factors, whose logarithms add up (Hanin and Nica 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..activations.facts import curve
from ..engine.operation import Operation
from ..engine.value import Value
from ..errors import OperandError, ShapeError
from ..nn.module import Module
from ..nn.recurrent import RNN
from ..tables import as_html, as_text, refuse_language
from .meanfield import critical, depth_scale
from .passes import Passes, Variances, ln
from .structure import Layer, Structure, example, structure_of

Array = np.ndarray[Any, np.dtype[Any]]

# Simulated networks of width 32 to 128 spread by 5 to 17 % more than the first order in 1/n says.
WIDER = 1.15
# So many standard deviations to either side hold 95 % of a Gaussian.
SIDES = 1.959963984540054
ROWS = 8

HEADINGS = {
    "en": (
        "layer",
        "σ_w²",
        "χ",
        "rms h",
        "rms δ ÷ last layer's",
        "95 % of networks",
        "rms ∇W ÷ rms δ of last",
    ),
    "ja": (
        "層",
        "σ_w²",
        "χ",
        "h の rms",
        "δ の rms ÷ 最終層",
        "95 % の範囲",
        "∇W の rms ÷ 最終層の δ",
    ),
}
TITLES = {"en": "At initialisation, by theory", "ja": "初期化直後の理論値"}
ONWARDS = {
    "en": "Each layer passes on {factor} of rms δ (χ = {chi}, depth scale {scale} layers)",
    "ja": "1 層さかのぼるごとに δ の rms は {factor} 倍（χ = {chi}、深さの尺度 {scale} 層）",
}
CRITICAL = {
    "en": "{op} with biases of variance {bias} is critical (χ₁ = 1) at σ_w² = {critical}",
    "ja": "{op} はバイアスの分散が {bias} のとき σ_w² = {critical} で臨界（χ₁ = 1）",
}
OFF_CENTER = {
    "en": "The weights of {name} have the mean {mean}, and theory takes it for 0",
    "ja": "{name} の重みの平均は {mean}。理論では平均 0 を仮定している",
}


@dataclass(frozen=True)
class Theory:
    """What to expect of each layer before training, for one sample; an entry for each layer.

    `q` is the mean square of the pre-activation z, `activation` the rms of h = φ(z), `delta` that
    of δ = ∂L/∂z divided by that of the last layer, and `weight` that of one sample's ∂L/∂W divided
    by the same. They are medians over networks; 95 % of networks lie between `low` and `high`
    (`activation_low` and `activation_high`). `chi` is the factor by which a layer multiplies the
    mean of δ² on its way back from the layer behind it, NaN for the last; `sigma_w2` is the number
    of inputs times the mean square of a weight, `sigma_b2` the mean square of a bias. `steps[i]`
    has δ for each use of layer i, as for the steps of an RNN. A layer that the last one does not
    depend on has NaN. The rms over many samples strays less than that of one. `print` shows the
    table; notebooks show it too.
    """

    layers: tuple[Layer, ...]
    sigma_w2: Array
    sigma_b2: Array
    q: Array
    activation: Array
    activation_low: Array
    activation_high: Array
    delta: Array
    low: Array
    high: Array
    weight: Array
    chi: Array
    steps: tuple[Array, ...] = field(repr=False)
    means: tuple[float, ...] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the layers."""
        return tuple(layer.name for layer in self.layers)

    @property
    def chi_mean(self) -> float:
        """The geometric mean of χ between hidden layers; NaN for a model of one layer."""
        known = self.chi[: max(len(self.chi) - 2, 1)]
        with np.errstate(divide="ignore"):
            return float(np.exp(np.mean(np.log(known)))) if known.size else math.nan

    @property
    def depth_scale(self) -> float:
        """Over so many layers the mean of δ² falls by e; negative where it grows."""
        return depth_scale(self.chi_mean)

    def critical(self) -> dict[str, float]:
        """For each hidden layer with an activation of its own kind, the σ_w² of χ₁ = 1; see there.

        Without the layers for which there is none.
        """
        found: dict[str, float] = {}
        known: dict[tuple[Operation, float], float] = {}
        for layer, bias in zip(self.layers[:-1], self.sigma_b2.tolist(), strict=False):
            op = layer.activation
            if op is None or layer.normalised or not curve(op):
                continue
            key = op, round(bias, 12)
            if key not in known:
                try:
                    known[key] = critical(op, bias)
                except OperandError:
                    known[key] = math.nan
            if not math.isnan(known[key]):
                found[layer.name] = known[key]
        return found

    def rows(self, lang: str = "en") -> list[tuple[str, ...]]:
        """The texts of the table, heading first. Raises `UnknownNameError` for another language."""
        refuse_language("the table", lang)
        return [
            HEADINGS[lang],
            *(
                (
                    name,
                    f"{self.sigma_w2[i]:.3g}",
                    "–" if math.isnan(self.chi[i]) else f"{self.chi[i]:.3g}",
                    f"{self.activation[i]:.3g}",
                    f"{self.delta[i]:.3g}",
                    f"{self.low[i]:.2g} … {self.high[i]:.2g}",
                    f"{self.weight[i]:.3g}",
                )
                for i, name in enumerate(self.names)
            ),
        ]

    def notes(self, lang: str = "en") -> list[str]:
        """What the table means for the gradient, and where theory does not quite fit."""
        lines = []
        if self.layers[:-1]:
            factor, scale = math.sqrt(self.chi_mean), self.depth_scale
            lines.append(
                ONWARDS[lang].format(
                    factor=f"{factor:.3g}", chi=f"{self.chi_mean:.3g}", scale=f"{scale:.3g}"
                )
            )
        said = set()
        for name, value in self.critical().items():
            i = self.names.index(name)
            op, bias = self.layers[i].activation, f"{self.sigma_b2[i]:.2g}"
            assert op is not None
            if (op, bias) not in said:
                said.add((op, bias))
                lines.append(CRITICAL[lang].format(op=op.name, bias=bias, critical=f"{value:.4g}"))
        for name, mean in zip(self.names, self.means, strict=True):
            if mean:
                lines.append(OFF_CENTER[lang].format(name=name, mean=f"{mean:.2g}"))
        return lines

    def table(self, lang: str = "en") -> str:
        """The table as plain text, with the notes below it."""
        rows = self.rows(lang)
        return as_text(TITLES[lang], rows, self.notes(lang))

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return as_html(TITLES["en"], self.rows(), self.notes())


def theory(
    model: Module,
    input_scale: float = 1.0,
    x: Any = None,
    batch: int | None = None,
    variances: Variances | None = None,
) -> Theory:
    """What to expect of each layer of a model before training: signals, gradients, their spread.

    Inputs are taken for independent, of mean 0 and rms `input_scale`; or give `x`, rows of data,
    whose own numbers are taken then (needed where no layer of the package comes first). `batch` is
    the number of rows that BatchNorm sees, by default those of `x`, or a great many. Each weight
    counts with the mean square that its matrix has; `variances` gives those that were meant,
    {layer: variance of a weight} or {layer: (of a weight, of a bias)}.

    It holds at initialisation: independent weights of mean 0, wide layers, gradients of different
    samples independent. Functions of one number, BatchNorm, LayerNorm, dropout, residual branches
    and recurrences are known; raises `UnsupportedError` for anything else between the layers.
    Sources: Poole et al. 2016, equation 3; Schoenholz et al. 2017, equations 5 and 9; Yang et al.
    2019, for BatchNorm; Hanin and Nica 2019, theorem 1, for the spread.
    """
    if not isinstance(model, Module):
        raise OperandError(f"te.flow.theory takes a model, a te.nn.Module, not {model!r:.60}")
    if not 0 <= input_scale < math.inf:
        raise OperandError(f"input_scale is the rms of the inputs, 0 or more, not {input_scale!r}")
    if batch is not None and batch < 2:
        raise OperandError(f"batch is the number of rows in a batch, 2 or more, not {batch!r}")
    data = x.data if isinstance(x, Value) else x
    given = example(model, batch or ROWS, input_scale or 1.0) if x is None else np.asarray(data)
    if given.ndim < 2 or not given.size:
        raise ShapeError(f"x is rows of data, of shape (rows, inputs), not {given.shape}")
    if not np.all(np.isfinite(given)):
        raise OperandError("x has entries that are not finite; give rows of data without them")
    structure = structure_of(model, given)
    rows = batch or (None if x is None else math.prod(given.shape[:-1]))
    passes = Passes(structure, None if x is not None else input_scale, rows, variances or {})
    return result(structure, passes)


def result(structure: Structure, passes: Passes) -> Theory:
    """Medians and bands of each layer."""
    layers = structure.layers
    logs, wander, steps = [], [], []
    for places in structure.places:
        # Mean over the samples, then over the uses, of those that the gradient comes to.
        each = [mean_log(passes.logs[n]) if n in passes.logs else -math.inf for n in places]
        reached = any(n in passes.logs for n in places)
        total = mean_log(np.array(each)) if reached else math.nan
        logs.append(total)
        steps.append(np.array(each))
        parts = [math.exp(log - total) / len(each) if log > -math.inf else 0.0 for log in each]
        nothing = np.zeros(6 * len(passes.blocks))
        wander.append(
            sum((p * passes.strays.get(n, nothing) for p, n in zip(parts, places, strict=True)))
        )
    last = logs[-1]
    median = np.array(logs) - last
    spreads = np.array([float(np.sum(np.square(each - wander[-1]))) for each in wander])
    delta, low, high = band(median, spreads)
    signals = [[passes.signals[n] for n in each] for each in structure.outputs]
    heights = np.array([np.mean([np.mean(s.square) for s in each]) for each in signals])
    strays = [np.mean([s.strays for s in each], axis=0) for each in signals]
    activation, activation_low, activation_high = band(
        ln(heights), np.array([float(np.sum(np.square(each))) for each in strays])
    )
    with np.errstate(invalid="ignore"):
        factors = np.exp(np.where(median[:-1] == -math.inf, -math.inf, np.diff(-median)))
    sigma_w2 = np.array(
        [sum(row_moment(passes, leaf) for leaf in layer.weights) for layer in layers]
    )
    return Theory(
        layers=tuple(layers),
        sigma_w2=sigma_w2,
        sigma_b2=np.array([passes.second_moment(layer.bias) for layer in layers]),
        q=np.array(
            [
                np.mean([np.mean(passes.signals[n].square) for n in places])
                for places in structure.places
            ]
        ),
        activation=activation,
        activation_low=activation_low,
        activation_high=activation_high,
        delta=delta,
        low=low,
        high=high,
        weight=np.array(
            [entering(structure, passes, i, np.exp(steps[i] - last)) for i in range(len(layers))]
        ),
        chi=np.append(factors, math.nan),
        steps=tuple(np.exp((each - last) / 2) for each in steps),
        means=tuple(off_center(layer) for layer in layers),
    )


def row_moment(passes: Passes, leaf: Any) -> float:
    """The number of inputs times the mean square of a weight."""
    return float(leaf.shape[-2]) * passes.second_moment(leaf)


def entering(structure: Structure, passes: Passes, position: int, deltas: Array) -> float:
    """The rms of Σ h δ over the uses of a layer, of the mean square of δ in each."""
    layer, places = structure.layers[position], structure.places[position]
    total = 0.0
    for place, square in zip(places, deltas.tolist(), strict=True):
        block = passes.blocks[place]
        if isinstance(layer.module, RNN):
            block = passes.blocks[block.inputs[0]]
        total += square * float(np.mean(passes.signals[block.inputs[0]].square))
    return math.sqrt(total)


def band(median: Array, spreads: Array) -> tuple[Array, Array, Array]:
    """Median and both ends of an rms, of the logarithms of mean squares and their variances."""
    side = SIDES * WIDER * np.sqrt(spreads)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return tuple(np.exp(each / 2) for each in (median, median - side, median + side))  # type: ignore[return-value]


def off_center(layer: Layer) -> float:
    """The mean of a layer's weights where it is not 0 but for chance; else 0."""
    for leaf in layer.weights:
        data = np.asarray(leaf.data, np.float64)
        mean = float(np.mean(data))
        if abs(mean) > 5 * math.sqrt(float(np.mean(np.square(data))) / data.size):
            return mean
    return 0.0


def mean_log(logs: Array) -> float:
    """The logarithm of the mean."""
    return float(np.logaddexp.reduce(logs)) - math.log(len(logs))
