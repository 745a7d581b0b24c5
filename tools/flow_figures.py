"""Writes docs/flow_figures.md and its picture: python -m tools.flow_figures. Takes two minutes.

With names of rows it prints only these: python -m tools.flow_figures rnn relu.
"""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import tinygrad_edu as te
from tinygrad_edu.draw.style import COLOURS, figure_context, new_figure
from tinygrad_edu.files import write_bytes, write_text
from tinygrad_edu.flow.meanfield import chi, critical, moments
from tools.flow_grid import predicted, simulated
from tools.markdown import code, table
from tools.png import FOLDER, small

Array = np.ndarray[Any, np.dtype[Any]]

PAGE = Path(__file__).parent.parent / "docs" / "flow_figures.md"
TANH, SIGMOID = te.activations.tanh, te.activations.sigmoid


@dataclass(frozen=True)
class Row:
    """A published figure: what it says, what theory says, and how a network is measured.

    `published` and what `theory()`, `measure(seed)` and `finite()` return have an entry for each of
    `cases`; `finite` is theory for the width that is measured, where the other has none.
    """

    name: str
    title: str
    source: str
    meaning: str
    snippet: str
    cases: tuple[str, ...]
    published: tuple[float, ...]
    theory: Callable[[], Sequence[float]]
    measure: Callable[[int], Sequence[float]]
    networks: int
    axis: str
    across: str
    form: str = ".3f"
    finite: Callable[[], Sequence[float]] | None = None


def measured(row: Row, networks: int | None = None) -> Array:
    """What so many random networks show, a row for each."""
    return np.array([row.measure(seed) for seed in range(networks or row.networks)])


# ---- Glorot and Bengio 2010, figures 6 to 8 ----

GLOROT = [1024, *[1000] * 5, 9]
BOTH = ("standard", "normalised")


def variance(init: str, inputs: int, outputs: int) -> float:
    """Of a weight: U(±1/√inputs) is the standard, U(±√(6/(inputs + outputs))) normalised."""
    return 1 / (3 * inputs) if init == "standard" else 2 / (inputs + outputs)


@lru_cache(maxsize=4)
def glorot(init: str, seed: int) -> tuple[Array, Array, list[Array]]:
    """std of δ and of ∇W for each hidden layer, and ∂h/∂(h before) of the first sample."""
    random = np.random.default_rng(seed)
    h = random.uniform(-1, 1, (300, GLOROT[0]))
    labels = random.integers(0, 9, 300)
    weights, entering = [], []
    for inputs, outputs in pairwise(GLOROT):
        bound = math.sqrt(3 * variance(init, inputs, outputs))
        weights.append(random.uniform(-bound, bound, (inputs, outputs)))
        entering.append(h)
        z = h @ weights[-1]
        h = np.tanh(z)
    power = np.exp(z - z.max(axis=1, keepdims=True))
    delta = (power / power.sum(axis=1, keepdims=True) - np.eye(9)[labels]) / 300
    deltas, gradients, jacobians = [], [], []
    for weight, h_before, h_layer in zip(
        weights[:0:-1], entering[-2::-1], entering[:0:-1], strict=True
    ):
        delta = (delta @ weight.T) * (1 - h_layer**2)  # tanh′ is 1 − tanh²
        deltas.append(delta.std())
        gradients.append((h_before.T @ delta).std())
    for weight, h_layer in zip(weights[1:5], entering[2:], strict=True):
        jacobians.append(weight * (1 - h_layer[0] ** 2))
    return np.array(deltas[::-1]), np.array(gradients[::-1]), jacobians


@cache
def glorot_theory(init: str) -> te.flow.Theory:
    """What the package says of that network."""
    given = {f"layers.{i}": variance(init, *pair) for i, pair in enumerate(pairwise(GLOROT))}
    model = te.nn.MLP(GLOROT, "tanh", init="zeros")
    return te.flow.theory(model, input_scale=1 / math.sqrt(3), variances=given)


def delta_ratios(init: str, seed: int) -> list[float]:
    """std of δ in a hidden layer ÷ in the next."""
    deltas, _, _ = glorot(init, seed)
    return list((deltas[:-1] / deltas[1:]).tolist())


def chi_roots(init: str) -> list[float]:
    """The same by theory."""
    return list(np.sqrt(glorot_theory(init).chi[:4]).tolist())


def singular_values(seed: int) -> list[float]:
    """The mean singular value of the Jacobians of layers 2 to 5."""
    return [
        float(np.mean(np.linalg.svd(each, compute_uv=False)))
        for init in BOTH
        for each in glorot(init, seed)[2]
    ]


def circle_law() -> list[float]:
    """8/(3π) times the root of the mean square, as for a Gaussian matrix without slopes."""
    return [
        8 / (3 * math.pi) * math.sqrt(1000 * variance(init, 1000, 1000) * slope)
        for init in BOTH
        for slope in moments(TANH, glorot_theory(init).q[1:5]).slope
    ]


# ---- deep networks ----


def tanh_network(sigma_w2: float) -> tuple[list[float], list[int]]:
    """Variances and widths of 100 layers of 300."""
    return [sigma_w2 / 300] * 100, [300] * 101


def inner_slope(deltas: Array) -> float:
    """The slope of ln E δ² a layer back, away from both ends."""
    return -float(np.polyfit(np.arange(80), 2 * np.log(deltas[15:95]), 1)[0])


def tanh_slope(sigma_w2: float, sigma_b2: float, seed: int) -> float:
    """Of 100 layers of 300 tanh units."""
    return inner_slope(simulated("tanh", *tanh_network(sigma_w2), seed, bias=sigma_b2)[1])


@cache
def tanh_theory(sigma_w2: float, sigma_b2: float) -> float:
    """The same by theory, at that width."""
    return inner_slope(predicted("tanh", *tanh_network(sigma_w2), bias=sigma_b2).delta)


def zero_of_slope(sigma_b2: float, slope: Callable[[float, float], float]) -> float:
    """Where the slope of ln E δ² changes its sign: a line through three values of σ_w²."""
    near = critical(TANH, sigma_b2) * np.array([0.93, 1.0, 1.07])
    slopes = [slope(each, sigma_b2) for each in near.tolist()]
    steepness, height = np.polyfit(near, slopes, 1)
    return float(-height / steepness)


RELU = ([1 / 256] * 30, [256] * 31)
TENTH = ([0.01 / 400] * 11, [400] * 12)
SIGMOIDS = ([1 / 256] * 16, [256] * 17)


def decades(name: str, network: tuple[list[float], list[int]], seed: int) -> float:
    """log10 of rms δ in the first layer ÷ the last."""
    return math.log10(simulated(name, *network, seed)[1][0])


def sigmoid_factors(deltas: Array) -> list[float]:
    """By what a layer multiplies E δ², and rms δ, on the way back to the fourth."""
    factor = float(deltas[3] / deltas[-1]) ** (1 / (len(deltas) - 4))
    return [factor**2, factor]


# ---- batch normalisation ----


def batch_norm(rows: int, seed: int, depth: int = 24, width: int = 256) -> float:
    """The growth of E δ² a layer, on the way back through BatchNorm, ReLU and a product."""
    random = np.random.default_rng(seed)
    h = random.normal(size=(rows, width))
    tape = []
    for _ in range(depth):
        weight = random.normal(size=(width, width)) / math.sqrt(width)
        z = h @ weight
        std = z.std(axis=0)
        y = (z - z.mean(axis=0)) / std
        tape.append((weight, std, y))
        h = np.maximum(y, 0)
    delta = random.normal(size=(rows, width))
    logs = []
    for weight, std, y in reversed(tape):
        g = delta * (y > 0)
        delta = (g - g.mean(axis=0) - y * (g * y).mean(axis=0)) / std
        logs.append(np.log(np.mean(delta**2)))
        delta = delta @ weight.T
    return math.exp(float(np.mean(np.diff(logs)[3:-3])))


@cache
def batch_norm_theory(rows: int | None) -> float:
    """The same of the package's own layers; for a great many rows without their number."""
    layers: list[Any] = []
    for i in range(6):
        layers += [te.nn.Linear(64, 64, seed=i, bias=False), te.nn.BatchNorm(64), "relu"]
    model = te.nn.Sequential(*layers, te.nn.Linear(64, 3))
    given = {f"layers.{3 * i}": 1 / 64 for i in range(6)}
    return float(te.flow.theory(model, batch=rows, variances=given).chi[2])


# ---- recurrence ----


def recurrent(scale: float, seed: int, steps: int = 60, units: int = 128) -> float:
    """The slope of ln‖δ‖ a step back, with one matrix for all steps."""
    random = np.random.default_rng(seed)
    weight = random.normal(0, scale / math.sqrt(units), (units, units))
    h, states = np.zeros(units), []
    for _ in range(steps):
        h = np.tanh(h @ weight + random.normal(0, 0.3, units))
        states.append(h)
    delta = random.normal(size=units)
    logs = []
    for h in reversed(states):
        delta = delta * (1 - h**2)
        logs.append(np.log(np.linalg.norm(delta)))
        delta = weight @ delta
    return float(np.polyfit(np.arange(steps - 10), logs[: steps - 10], 1)[0])


# ---- the rows ----

LAYERS = ("1 ÷ 2", "2 ÷ 3", "3 ÷ 4", "4 ÷ 5")
SLOPES = {1.0: -0.276, 1.761: 0.0, 2.5: 0.125}
CRITICAL = {0.01: 1.424, 0.05: 1.761, 0.1: 1.986}
BATCHES = (32, 128, 512)
RNN = {0.5: -0.784, 1.0: -0.178, 2.0: 0.141, 3.0: 0.308}

ROWS = (
    Row(
        name="singular",
        title="What a layer of tanh does to a vector that passes back",
        source="published: Glorot and Bengio 2010, on figures 6 to 8",
        meaning="""\
The Jacobian ∂h/∂(h before) of a layer turns a gradient into that of the layer before. Its mean
singular value is the length that an average direction keeps: half of it with the initialisation
that was standard until then, U(±1/√inputs), and about 0.8 with the normalised one, which is now
called Xavier's or Glorot's. Their network: 5 hidden layers of 1,000 tanh, 1,024 inputs uniform
in (−1, 1), softmax over 9 classes, 300 samples. These two numbers are round ones for all layers.
The theory of the package has the root of the mean *square* of the singular values; of a Gaussian
matrix the mean is 8/(3π) = 0.849 of that, and that is what is shown here.""",
        snippet="""\
>>> random = np.random.default_rng(0)
>>> weight = random.uniform(-1, 1, (300, 300)) / np.sqrt(300)
>>> print(f"{np.mean(np.linalg.svd(weight, compute_uv=False)):.2f}")  # before tanh takes its share
0.49
""",
        cases=tuple(f"{init} {layer}" for init in BOTH for layer in (2, 3, 4, 5)),
        published=(0.5,) * 4 + (0.8,) * 4,
        theory=circle_law,
        measure=singular_values,
        networks=3,
        axis="mean singular value",
        across="initialisation, layer",
    ),
    Row(
        name="standard",
        title="δ from layer to layer, standard initialisation",
        source="predicted: mean field, for Glorot and Bengio 2010, figure 7",
        meaning="""\
In the same network: the standard deviation of δ in a hidden layer ÷ in the next. Each layer
passes on little more than half, so that over four of them a tenth is left: the gradient
*vanishes*.""",
        snippet="""\
>>> widths = [1024, 1000, 1000, 1000, 1000, 1000, 9]
>>> standard = {f"layers.{i}": 1 / (3 * inputs) for i, inputs in enumerate(widths[:-1])}
>>> model = te.nn.MLP(widths, "tanh", init="zeros")
>>> theory = te.flow.theory(model, input_scale=3**-0.5, variances=standard)
>>> np.sqrt(theory.chi[:4]).round(3)
array([0.528, 0.561, 0.572, 0.575])
>>> print(f"{theory.delta[4] / theory.delta[0]:.1f} times smaller in layer 1 than in layer 5")
10.3 times smaller in layer 1 than in layer 5
>>> (theory.weight[:5] / theory.weight[0]).round(2)  # and yet the gradients of W are level
array([1.  , 1.  , 0.99, 0.99, 0.99])
""",
        cases=LAYERS,
        published=(0.528, 0.561, 0.572, 0.576),
        theory=partial(chi_roots, "standard"),
        measure=partial(delta_ratios, "standard"),
        networks=5,
        axis="std δ ÷ that of the next layer",
        across="layers",
    ),
    Row(
        name="normalised",
        title="δ from layer to layer, normalised initialisation",
        source="predicted: mean field, for Glorot and Bengio 2010, figure 7",
        meaning="""\
The same with Glorot's variance 2/(inputs + outputs). The weights alone would now keep the
gradient as it is, and what is missing to 1 is taken by tanh, whose slope is below 1 everywhere
but at 0.""",
        snippet="""\
>>> model = te.nn.MLP(widths, "tanh", init="xavier_uniform")  # as it is drawn
>>> np.sqrt(te.flow.theory(model, input_scale=3**-0.5).chi[:4]).round(2)
array([0.81, 0.86, 0.89, 0.91])
""",
        cases=LAYERS,
        published=(0.815, 0.862, 0.890, 0.909),
        theory=partial(chi_roots, "normalised"),
        measure=partial(delta_ratios, "normalised"),
        networks=5,
        axis="std δ ÷ that of the next layer",
        across="layers",
    ),
    Row(
        name="tanh",
        title="A hundred layers of tanh before, at and beyond the edge of chaos",
        source="predicted: Schoenholz et al. 2017, equation 5; biases of variance 0.05, width 300",
        meaning="""\
χ₁ is the factor by which a layer deep in the network multiplies E δ². Where ln χ₁ < 0 gradients
vanish, where it is > 0 they explode, and at 0, the *edge of chaos*, they reach any depth.
Measured is the slope of ln E δ² a layer over layers 15 to 95. At a width of 300 gradients vanish
a little faster than at an infinite one, as z and δ of a layer of tanh are not quite independent;
the theory of the package has that too.""",
        snippet="""\
>>> from tinygrad_edu.flow.meanfield import chi, critical
>>> for sigma_w2 in (1, 1.761, 2.5):
...     print(f"{np.log(chi(te.activations.tanh, sigma_w2, 0.05)):+.3f}")
-0.276
+0.000
+0.125
""",
        cases=tuple(f"{each:g}" for each in SLOPES),
        published=tuple(SLOPES.values()),
        theory=lambda: [math.log(chi(TANH, each, 0.05)) for each in SLOPES],
        measure=lambda seed: [tanh_slope(each, 0.05, seed) for each in SLOPES],
        networks=20,
        axis="slope of ln E δ² a layer",
        across="σ_w²",
        form="+.3f",
        finite=lambda: [tanh_theory(each, 0.05) for each in SLOPES],
    ),
    Row(
        name="critical",
        title="The variance of the weights that tanh needs",
        source="predicted: Schoenholz et al. 2017, section 3",
        meaning="""\
The σ_w² of χ₁ = 1, for three variances σ_b² of the biases: the more the biases push tanh to
where it is flat, the larger the weights must be. (Without biases it is 1, Xavier's.) Measured:
in 100 layers of 300 units the slope of ln E δ² is taken at three values of σ_w² nearby, and
where a line through them comes to 0 is the critical one. It lies a little higher than for
infinite width, as the row above has it.""",
        snippet="""\
>>> [round(critical(te.activations.tanh, sigma_b2), 3) for sigma_b2 in (0.01, 0.05, 0.1)]
[1.424, 1.761, 1.986]
""",
        cases=tuple(f"{each:g}" for each in CRITICAL),
        published=tuple(CRITICAL.values()),
        theory=lambda: [critical(TANH, each) for each in CRITICAL],
        measure=lambda seed: [zero_of_slope(b, partial(tanh_slope, seed=seed)) for b in CRITICAL],
        networks=12,
        axis="critical σ_w²",
        across="σ_b²",
        finite=lambda: [zero_of_slope(each, tanh_theory) for each in CRITICAL],
    ),
    Row(
        name="relu",
        title="Thirty layers of ReLU with Xavier's rule",
        source="predicted: He et al. 2015, figure 3, where Xavier stalls; 30 layers of 256",
        meaning="""\
ReLU sets half of the gradient to 0, and Xavier's variance 1/n does not make up for it: √½ a
layer, and log10 of δ in the first layer ÷ the last is 29 · log10 √½ = −4.365. He's rule doubles
the variance. That number is for infinite width. At 256 the middle of all networks lies a little
lower, and each of them strays from it: 19 of 20 lie inside the band that the theory draws.""",
        snippet="""\
>>> model = te.nn.MLP([256] * 31, "relu", init="zeros")
>>> theory = te.flow.theory(model, variances={f"layers.{i}": 1 / 256 for i in range(30)})
>>> print(f"{np.log10(theory.delta[0]):.2f}")
-4.43
>>> print(f"95 % between {np.log10(theory.low[0]):.2f} and {np.log10(theory.high[0]):.2f}")
95 % between -4.79 and -4.06
""",
        cases=("log10 ratio",),
        published=(-4.365,),
        theory=lambda: [29 * math.log10(chi(te.activations.relu, 1.0)) / 2],
        finite=lambda: [math.log10(predicted("relu", *RELU).delta[0])],
        measure=lambda seed: [decades("relu", RELU, seed)],
        networks=60,
        axis="log10 rms δ, first ÷ last",
        across="",
        form=".2f",
    ),
    Row(
        name="batchnorm",
        title="BatchNorm and ReLU",
        source="published: Yang et al. 2019, π/(π − 1) a layer",
        meaning="""\
BatchNorm cures vanishing, and in a deep network without residual branches it is an illness
itself: each layer of it *enlarges* E δ², by π/(π − 1) = 1.467 for a large batch and by a little
more for a small one, whatever the weights. (Theory takes the width for infinite; at the width
256 measured here it is 1 to 2 % off.) Over 50 layers that is 10⁸ for E δ², 10⁴ for δ.""",
        snippet="""\
>>> def layer(seed):
...     return te.nn.Linear(64, 64, init="lecun_normal", seed=seed), te.nn.BatchNorm(64), "relu"
>>> model = te.nn.Sequential(*layer(0), *layer(1), *layer(2), *layer(3), te.nn.Linear(64, 3))
>>> variances = {f"layers.{i}": 1 / 64 for i in (0, 3, 6, 9)}
>>> for batch in (32, 128, 512, None):  # None: a great many
...     print(f"{te.flow.theory(model, batch=batch, variances=variances).chi[2]:.3f}")
1.483
1.470
1.468
1.467
""",
        cases=tuple(map(str, BATCHES)),
        published=(math.pi / (math.pi - 1),) * 3,
        theory=lambda: [batch_norm_theory(rows) for rows in BATCHES],
        measure=lambda seed: [batch_norm(rows, seed) for rows in BATCHES],
        networks=8,
        axis="factor of E δ² a layer",
        across="rows of a batch",
    ),
    Row(
        name="sigmoid",
        title="Layers of sigmoid",
        source="predicted: Schoenholz et al. 2017, equation 5; σ_w² = 1, 16 layers of 256",
        meaning="""\
The slope of sigmoid is at most ¼. At σ_w² = 1 a layer leaves 0.236 of rms δ, the square root of
χ₁: ten layers leave a half of a millionth.""",
        snippet="""\
>>> found = chi(te.activations.sigmoid, 1.0)
>>> print(f"{found:.4f}, {np.sqrt(found):.3f} a layer, {np.sqrt(found) ** 10:.0e} over ten")
0.0557, 0.236 a layer, 5e-07 over ten
""",
        cases=("χ₁", "√χ₁"),
        published=(0.0557, 0.236),
        theory=lambda: [chi(SIGMOID, 1.0), math.sqrt(chi(SIGMOID, 1.0))],
        measure=lambda seed: sigmoid_factors(simulated("sigmoid", *SIGMOIDS, seed)[1]),
        finite=lambda: sigmoid_factors(predicted("sigmoid", *SIGMOIDS).delta),
        networks=30,
        axis="factor a layer",
        across="",
        form=".4f",
    ),
    Row(
        name="rnn",
        title="An RNN through time",
        source="predicted: mean field, ½ ln χ₁; 128 tanh units, 60 steps, inputs of variance 0.3²",
        meaning="""\
The steps of an RNN are layers too, and all have the same weights, of variance g²/128. Measured
is the slope of ln‖δ‖ a step back: below g ≈ 1.4 the past is forgotten, above it gradients
explode and need clipping. Theory reckons with new weights in each layer; that there is only one
matrix costs up to 0.03.""",
        snippet="""\
>>> for scale in (0.5, 1, 2, 3):
...     print(f"{np.log(chi(te.activations.tanh, scale**2, 0.3**2)) / 2:+.2f}")
-0.78
-0.18
+0.14
+0.31
""",
        cases=tuple(f"{each:g}" for each in RNN),
        published=tuple(RNN.values()),
        theory=lambda: [math.log(chi(TANH, each**2, 0.09)) / 2 for each in RNN],
        measure=lambda seed: [recurrent(each, seed) for each in RNN],
        networks=30,
        axis="slope of ln‖δ‖ a step",
        across="g",
        form="+.3f",
    ),
    Row(
        name="tenth",
        title="A tenth a layer",
        source="said: the example that articles on vanishing gradients begin with",
        meaning="""\
A factor of 0.1 a layer is 10⁻¹⁰ over ten layers. Here it comes from the weights alone, linear
layers of 400 with σ_w² = 0.01, as ten factors lie between the first of eleven layers and the
last.""",
        snippet="""\
>>> model = te.nn.MLP([400] * 12, "linear", init="zeros")
>>> theory = te.flow.theory(model, variances={f"layers.{i}": 0.01 / 400 for i in range(11)})
>>> print(f"{theory.delta[0]:.0e}")
1e-10
""",
        cases=("log10 ratio",),
        published=(-10.0,),
        theory=lambda: [10 * math.log10(chi(te.activations.linear, 0.01)) / 2],
        finite=lambda: [math.log10(predicted("linear", *TENTH).delta[0])],
        measure=lambda seed: [decades("linear", TENTH, seed)],
        networks=20,
        axis="log10 rms δ, first ÷ last",
        across="",
        form=".2f",
    ),
)


# ---- the page ----

ALT = (
    "Ten panels, one for each figure: measured points, with their spread, beside the published or "
    "predicted lines and the theory of the package"
)
INTRODUCTION = """\
# Published figures of gradient flow, measured again

How gradients fare on their way back is known from theory and from papers. This page holds each
figure against what the package says, `te.flow.theory`, and against random networks in plain
NumPy that know nothing of the package. δ = ∂L/∂z is the gradient at a layer's pre-activation z,
χ the factor by which a layer multiplies the mean of δ², and σ_w² the number of inputs × the
variance of a weight. Measured are mean ± standard deviation over networks with other random
weights.

```python
>>> import numpy as np
>>> import tinygrad_edu as te

```

`python -m tools.flow_figures` writes this page, and with a row's name it prints that row.

![{alt}](pictures/flow_figures.png)

"""


def page(found: dict[str, Array]) -> str:
    """The whole page, of what was measured for each row."""
    overview = table(
        ("figure", "entries", "networks", "theory", "at this width", "measured", "command"),
        (
            (
                f"[{row.title}](#{anchor(row.title)})",
                str(len(row.cases)),
                str(len(found[row.name])),
                gap(row, np.array(row.theory())),
                gap(row, np.array(row.finite())) if row.finite else "",
                gap(row, np.mean(found[row.name], axis=0)),
                code(f"python -m tools.flow_figures {row.name}"),
            )
            for row in ROWS
        ),
    )
    return "\n".join(
        [
            INTRODUCTION.format(alt=ALT),
            "The largest distance from the published or predicted numbers, in their own units:\n",
            overview,
            *(part(row, found[row.name]) for row in ROWS),
        ]
    )


def anchor(title: str) -> str:
    """What GitHub makes of a heading."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def gap(row: Row, values: Array) -> str:
    """The largest distance from what was published."""
    return f"{np.max(np.abs(values - np.array(row.published))):.2g}"


def cells(row: Row, found: Array) -> dict[str, list[str]]:
    """The lines of a row's table."""
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    plain = row.form.removeprefix("+")
    return {
        row.source.split(":")[0]: [f"{each:{row.form}}" for each in row.published],
        "theory here": [f"{each:{row.form}}" for each in row.theory()],
        **(
            {"theory, this width": [f"{each:{row.form}}" for each in row.finite()]}
            if row.finite
            else {}
        ),
        "measured here": [
            f"{m:{row.form}} ± {s:{plain}}" for m, s in zip(mean, spread, strict=True)
        ],
    }


def part(row: Row, found: Array) -> str:
    """The section of a row."""
    meaning = textwrap.fill(row.meaning, 110, break_on_hyphens=False)
    source = row.source[0].upper() + row.source[1:]
    lines = ((name, *each) for name, each in cells(row, found).items())
    return (
        f"## {row.title}\n\n{meaning}\n\n{source}. {len(found)} networks.\n\n"
        f"{table((row.across, *row.cases), lines)}\n"
        f"```python\n{row.snippet}\n```\n"
    )


def picture(found: dict[str, Array]) -> Figure:
    """A panel for each row."""
    with figure_context():
        figure = new_figure(10.0, 10.5)
        grid = figure.add_gridspec(4, 3)
        places = [grid[0, :2], *(grid[i // 3, i % 3] for i in range(2, 11))]
        for row, place in zip(ROWS, places, strict=True):
            axes = figure.add_subplot(place)
            x = np.arange(len(row.cases))
            mean, spread = (f(found[row.name], axis=0) for f in (np.mean, partial(np.std, ddof=1)))
            axes.hlines(row.published, x - 0.32, x + 0.32, color=COLOURS[1], linewidth=2.5)
            axes.plot(x + 0.1, row.theory(), "D", color=COLOURS[2], markerfacecolor="none")
            if row.finite:
                axes.plot(x + 0.24, row.finite(), "D", color=COLOURS[2])
            axes.errorbar(
                x - 0.16, mean, 2 * spread, fmt="o", color=COLOURS[0], markersize=5, capsize=3
            )
            labels = [case.replace(" ", "\n", 1) for case in row.cases]
            axes.set_xticks(x, labels if len(x) > 4 else list(row.cases), fontsize=8)
            axes.set_xlim(-0.6, len(x) - 0.4)
            axes.set_title(
                "\n".join(textwrap.wrap(row.title, 62 if len(x) > 4 else 34)), fontsize=10
            )
            axes.set_ylabel(row.axis, fontsize=9)
            axes.set_xlabel(row.across, fontsize=9)
            axes.margins(y=0.15)
            axes.grid(axis="y", alpha=0.3)
        legend = figure.add_subplot(grid[3, 2])
        legend.set_axis_off()
        legend.legend(
            handles=[
                Line2D([], [], color=COLOURS[1], linewidth=2.5, label="published or predicted"),
                Line2D(
                    [],
                    [],
                    color=COLOURS[2],
                    marker="D",
                    markerfacecolor="none",
                    linestyle="",
                    label="theory of the package",
                ),
                Line2D(
                    [],
                    [],
                    color=COLOURS[2],
                    marker="D",
                    linestyle="",
                    label="the same at the width measured",
                ),
                Line2D(
                    [],
                    [],
                    color=COLOURS[0],
                    marker="o",
                    linestyle="",
                    label="measured, ± 2 standard deviations\nover networks",
                ),
            ],
            loc="center",
            frameon=False,
        )
    return figure


def main(names: Sequence[str]) -> None:
    """Print some rows, or write all of them."""
    known = {row.name: row for row in ROWS}
    for name in names:
        if name not in known:
            raise SystemExit(f"no row is called {name}; there are {', '.join(known)}")
    if names:
        for name in names:
            print(part(known[name], measured(known[name])))
        return
    found = {row.name: measured(row) for row in ROWS}
    write_text(PAGE, page(found))
    write_bytes(FOLDER / "flow_figures.png", small(picture(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
