"""Writes docs/flow_grid.md and its pictures: python -m tools.flow_grid. Takes a few minutes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure

import tinygrad_edu as te
from tinygrad_edu.draw.style import figure_context, new_figure
from tinygrad_edu.files import write_bytes, write_text
from tinygrad_edu.flow.theory import SIDES, WIDER
from tools.markdown import table
from tools.png import FOLDER, small

Array = np.ndarray[Any, np.dtype[Any]]

PAGE = Path(__file__).parent.parent / "docs" / "flow_grid.md"
ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "swish", "softsign")
INITS: dict[str, Callable[[int, int], float]] = {
    "xavier": lambda inputs, outputs: 2 / (inputs + outputs),
    "he": lambda inputs, outputs: 2 / inputs,
    "lecun": lambda inputs, outputs: 1 / inputs,
    "normal": lambda inputs, outputs: 0.05**2,
}
DEPTHS, WIDTHS, OUTPUTS = (5, 20, 50), (64, 256), 10
# The grid's networks, and others for the cells that come out below the bar.
SEEDS, MORE = range(20), range(1000, 1200)
BAR = 0.95
# Of the picture, from the lowest share to the bar, and from there to 1.
PLACES = (0.0, 0.499, 0.5, 1.0)
SHADES = ("#B2182B", "#FBC5A8", "#F7F7F7", "#92C5DE")


# ---- networks in plain NumPy ----


def plain(name: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """An activation and its slope as a textbook has them."""

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    inner = math.sqrt(2 / math.pi)

    def gelu_gate(z: Any) -> Any:
        return (1 + np.tanh(inner * (z + 0.044715 * z**3))) / 2

    def gelu_slope(z: Any) -> Any:
        tanh = 2 * gelu_gate(z) - 1
        return gelu_gate(z) + z / 2 * (1 - tanh**2) * inner * (1 + 3 * 0.044715 * z**2)

    pairs: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
        "linear": (lambda z: z, np.ones_like),
        "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
        "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
        "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
        "leaky_relu": (
            lambda z: np.where(z > 0, z, 0.01 * z),
            lambda z: np.where(z > 0, 1, 0.01),
        ),
        "elu": (
            lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
            lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0))),
        ),
        "gelu": (lambda z: z * gelu_gate(z), gelu_slope),
        "swish": (
            lambda z: z * sigmoid(z),
            lambda z: sigmoid(z) * (1 + z * (1 - sigmoid(z))),
        ),
        "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2),
    }
    return pairs[name]


def simulated(
    name: str,
    variances: Sequence[float],
    widths: Sequence[int],
    seed: int | list[int],
    rows: int = 1,
    scale: float = 1.0,
    bias: float = 0.0,
) -> tuple[Array, Array, Array]:
    """A random network: rms of h, of δ, and of each sample's ∂L/∂W, for each layer.

    The last two are divided by the last layer's rms δ. Samples have the rms `scale`; each of them
    brings a Gaussian gradient of its own to the output. `bias` is the variance of the biases.
    """
    phi, slope = plain(name)
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(rows, widths[0]))
    h *= scale / np.sqrt(np.mean(h**2, axis=1, keepdims=True))
    weights, entering, before, after = [], [], [], []
    for (inputs, outputs), variance in zip(pairwise(widths), variances, strict=True):
        weights.append(rng.normal(0, math.sqrt(variance), (inputs, outputs)))
        entering.append(h)
        before.append(h @ weights[-1] + rng.normal(0, math.sqrt(bias), outputs))
        h = phi(before[-1])
        after.append(h)
    deltas = [rng.normal(size=(rows, widths[-1]))]
    for weight, z in zip(weights[:0:-1], before[-2::-1], strict=True):
        deltas.append((deltas[-1] @ weight.T) * slope(z))
    deltas.reverse()

    def squares(arrays: list[Array]) -> Array:
        """Mean squares over the units, layer by layer and sample by sample."""
        return np.array([np.mean(np.square(each), axis=1) for each in arrays])

    backwards = squares(deltas)
    backwards /= np.mean(backwards[-1])
    gradients = squares(entering) * backwards
    return (
        np.sqrt(np.mean(squares(after), axis=1)),
        np.sqrt(np.mean(backwards, axis=1)),
        np.sqrt(np.mean(gradients, axis=1)),
    )


def predicted(
    name: str,
    variances: Sequence[float],
    widths: Sequence[int],
    scale: float = 1.0,
    bias: float = 0.0,
) -> te.flow.Theory:
    """What the package says of such networks."""
    model = te.nn.MLP(widths, name, init="zeros")
    given = {f"layers.{i}": (variance, bias) for i, variance in enumerate(variances)}
    return te.flow.theory(model, input_scale=scale, variances=given)


# ---- the grid ----


@dataclass(frozen=True)
class Cell:
    """A kind of network."""

    activation: str
    init: str
    depth: int
    width: int

    @property
    def widths(self) -> list[int]:
        """Of the input and of each layer."""
        return [self.width] * self.depth + [OUTPUTS]

    @property
    def variances(self) -> list[float]:
        """Of the weights of each layer."""
        return [INITS[self.init](*pair) for pair in pairwise(self.widths)]

    def __str__(self) -> str:
        return f"{self.activation}, {self.init}, {self.depth} × {self.width}"


@dataclass(frozen=True)
class Found:
    """How the networks of a cell compare with theory, over their layers but the last.

    `inside` is the share of layers inside the band, `error` the standard error of that. Of ln δ in
    the first layer, `offset` is the median less theory's, `spread` the standard deviation and
    `predicted` half the band's width over 1.96.
    """

    inside: float
    error: float
    offset: float
    spread: float
    predicted: float


GRID = [Cell(*each) for each in product(ACTIVATIONS, INITS, DEPTHS, WIDTHS)]


def compare(cell: Cell, seeds: Iterable[int] = SEEDS) -> Found:
    """Simulate a cell. Every cell has random numbers of its own."""
    theory = predicted(cell.activation, cell.variances, cell.widths)
    place = GRID.index(cell)
    deltas = np.array(
        [
            simulated(cell.activation, cell.variances, cell.widths, [seed, place])[1][:-1]
            for seed in seeds
        ]
    )
    within = (deltas >= theory.low[:-1]) & (deltas <= theory.high[:-1])
    shares, first = np.mean(within, axis=1), np.log(deltas[:, 0])
    return Found(
        inside=float(np.mean(shares)),
        error=float(np.std(shares, ddof=1)) / math.sqrt(len(shares)),
        offset=float(np.median(first)) - math.log(theory.delta[0]),
        spread=float(np.std(first, ddof=1)),
        predicted=math.log(theory.high[0] / theory.low[0]) / (2 * 1.96),
    )


def again(cell: Cell) -> Found:
    """Simulate other networks of a cell."""
    return compare(cell, MORE)


def weak(found: dict[Cell, Found]) -> list[Cell]:
    """The cells below the bar."""
    return [cell for cell, each in found.items() if each.inside < BAR]


def run(cells: Sequence[Cell], act: Callable[[Cell], Found]) -> dict[Cell, Found]:
    """Simulate cells on two cores, the largest first."""
    order = sorted(cells, key=lambda cell: -cell.depth * cell.width**2)
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        results = dict(zip(order, executor.map(act, order), strict=True))
    return {cell: results[cell] for cell in cells}


# ---- the page ----

INTRODUCTION = """\
# Theory and measurement over a grid

`te.flow.theory(model)` says how large δ = ∂L/∂z will be in each layer before training begins,
and between which bounds it lies in 95 % of networks. This page holds that against {networks:,}
random networks in plain NumPy: {activations} activations × {inits} initialisers × depths
{depths} × widths {widths}, {seeds} networks of each kind. Counted are the layers whose rms δ ÷
last layer's rms δ lies inside the band; the last layer itself, where the quotient is 1, is not
counted. One sample of rms 1, biases of 0, {outputs} outputs, and a Gaussian gradient that enters
there. `python -m tools.flow_grid` writes this page.

{totals}
The bar is {bar:.0%} at width 256: {verdict}. A Gaussian would have {wider:.1%} inside, as the
band is drawn {more} times as wide as the first order in 1/width has it.

To ask it of a network of your own:

```python
>>> import numpy as np
>>> import tinygrad_edu as te
>>> model = te.nn.MLP([64] * 20 + [10], "tanh", init="xavier_normal", seed=0)
>>> theory = te.flow.theory(model)
>>> random = np.random.default_rng(0)
>>> with te.flow.track(model) as flow:
...     np.sum(model(random.normal(size=(1, 64))) * random.normal(size=(1, 10))).backward()
>>> measured = flow["delta"][0] / flow["delta"][0, -1]
>>> inside = (theory.low <= measured) & (measured <= theory.high)
>>> print(f"{{inside.sum()}} of {{inside.size}} layers inside")
20 of 20 layers inside

```

## How to read one cell

The layers of a network are not independent of one another. A gradient goes back through a
product of random factors, and one unlucky factor puts all the layers before it outside of the
band together. So the shares of {seeds} networks stray by 0.03 to 0.05 in deep cells, and some
cells must come out below {bar:.0%} by chance alone. Each of those is simulated again, with
{again} other networks.
"""

WEAK = """\
## Where it is below {bar:.0%}

{count} of {cells} cells. Offset: median over networks of ln δ of the first layer, less theory's.
Spread: its standard deviation over networks ÷ that of the band, {more} × included.
Both from the {again} other networks.
"""

REASONS = """\
## Why it fails where it fails

**GELU with He, and in a milder form swish with He.** He's rule fits ReLU, which treats all
signals alike, large or small. GELU does not: to large signals it is a ReLU, to small ones a
straight line of slope ½. With He's variance a small signal and its gradient lose half of their
mean square in each layer, and a large one keeps nearly all. A signal of rms 1 lies between: it
shrinks, in most networks faster and faster, but where chance has made it large in the first
layers it holds on for long. So the logarithm of δ has a long tail to one side (50 layers of
64: three quarters of the networks between e⁻¹⁸ and e⁻¹³ of the last layer's δ, and one in
twenty above e⁻⁹). The theory takes logarithms for Gaussian: its median is too high by
up to {off:.1f} in ln δ, and its band too short on the side of the tail, the more so the narrower
the network.

**All others** come out above {bar:.0%}, or within two standard errors of it, as soon as there are
{again} networks: chance.

**What the band is for.** One sample, before training. The rms over a batch strays less.
"""


def page(found: dict[Cell, Found], others: dict[Cell, Found]) -> str:
    """The whole page."""
    wide, error = totals(found)[max(WIDTHS)]
    numbers = {
        "bar": BAR,
        "again": len(MORE),
        "seeds": len(SEEDS),
        "more": WIDER,
    }
    parts = [
        INTRODUCTION.format(
            **numbers,
            networks=len(GRID) * len(SEEDS),
            activations=len(ACTIVATIONS),
            inits=len(INITS),
            depths=", ".join(map(str, DEPTHS)),
            widths=" and ".join(map(str, WIDTHS)),
            outputs=OUTPUTS,
            totals=table(
                ("width", "layers inside the band", "cells below 95 %", "lowest cell"),
                (total(found, width) for width in WIDTHS),
            ),
            verdict="**kept**" if wide >= BAR else f"**missed** ({wide:.1%} ± {error:.1%})",
            wider=math.erf(SIDES * WIDER / math.sqrt(2)),
        ),
        *(part(found, width) for width in WIDTHS),
        WEAK.format(**numbers, count=len(others), cells=len(GRID)),
        table(
            (
                "cell",
                f"inside, {len(SEEDS)}",
                f"inside, {len(MORE)} others",
                "offset",
                "spread",
                "",
            ),
            (
                (
                    str(cell),
                    told(found[cell]),
                    told(each),
                    f"{each.offset:+.2f}",
                    f"{each.spread / each.predicted:.2f}",
                    reason(cell, each),
                )
                for cell, each in others.items()
            ),
        ),
        REASONS.format(**numbers, off=max(abs(each.offset) for each in others.values())),
    ]
    return "\n".join(parts)


def told(found: Found) -> str:
    """A share with its standard error."""
    return f"{found.inside:.3f} ± {found.error:.3f}"


def reason(cell: Cell, found: Found) -> str:
    """Why a cell lies below the bar, judged by its other networks."""
    if found.inside >= BAR:
        return "chance"
    if cell.activation in ("gelu", "swish") and cell.init == "he":
        return "**a long tail** (below)"
    if found.inside + 2 * found.error >= BAR:
        return "chance, or too little to tell"
    return "**theory is off**"


def totals(found: dict[Cell, Found]) -> dict[int, tuple[float, float]]:
    """For each width the mean share and its standard error."""
    results = {}
    for width in WIDTHS:
        here = [each for cell, each in found.items() if cell.width == width]
        error = math.sqrt(sum(each.error**2 for each in here)) / len(here)
        results[width] = float(np.mean([each.inside for each in here])), error
    return results


def total(found: dict[Cell, Found], width: int) -> tuple[str, ...]:
    """A row of the first table."""
    share, error = totals(found)[width]
    here = {cell: each.inside for cell, each in found.items() if cell.width == width}
    below = sum(inside < BAR for inside in here.values())
    worst = min(here, key=lambda cell: here[cell])
    return (
        str(width),
        f"{share:.1%} ± {error:.1%}",
        f"{below} of {len(here)}",
        f"{short_share(here[worst])} ({worst})",
    )


def part(found: dict[Cell, Found], width: int) -> str:
    """The picture and the table of one width."""
    columns = list(product(INITS, DEPTHS))
    rows = [
        (name, *(short_share(found[Cell(name, *column, width)].inside) for column in columns))
        for name in ACTIVATIONS
    ]
    heading = ("", *(f"{init} {depth}" for init, depth in columns))
    about = (
        f"Share of layers inside the band at width {width}, for each activation, initialiser, depth"
    )
    return (
        f"## Width {width}\n\n![{about}](pictures/{picture_name(width)})\n\n{table(heading, rows)}"
    )


def short_share(share: float) -> str:
    """Two digits, none rounded up over the bar."""
    text = f"{math.floor(100 * share + 1e-9) / 100:.2f}"
    return f"**{text}**" if share < BAR else text


def picture_name(width: int) -> str:
    """Of the file in docs/pictures."""
    return f"flow_grid_{width}.png"


def picture(found: dict[Cell, Found], width: int) -> Figure:
    """Activations down, initialisers and depths across; below the bar in warm colours."""
    columns = list(product(INITS, DEPTHS))
    shares = np.array(
        [[found[Cell(name, *each, width)].inside for each in columns] for name in ACTIVATIONS]
    )
    with figure_context():
        figure = new_figure(9.0, 4.6)
        axes = figure.add_subplot()
        low = 0.85
        colours = LinearSegmentedColormap.from_list("bar", list(zip(PLACES, SHADES, strict=True)))
        image = axes.imshow(shares, norm=TwoSlopeNorm(BAR, low, 1.0), cmap=colours, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            axes.text(
                column,
                row,
                short_share(share).strip("*"),
                ha="center",
                va="center",
                color="white" if share < 0.89 else "black",
                fontweight="bold" if share < BAR else "normal",
            )
        axes.set_yticks(range(len(ACTIVATIONS)), ACTIVATIONS)
        axes.set_xticks(range(len(columns)), [str(depth) for _, depth in columns])
        axes.set_xlabel("layers")
        above = axes.secondary_xaxis("top")
        each = len(DEPTHS)
        above.set_xticks([each * i + (each - 1) / 2 for i in range(len(INITS))], list(INITS))
        above.tick_params(length=0)
        for i in range(1, len(INITS)):
            axes.axvline(each * i - 0.5, color="white", linewidth=4)
        mean, error = totals(found)[width]
        axes.set_title(
            f"Layers inside the 95 % band at width {width}: {mean:.1%} ± {error:.1%} of all"
        )
        figure.colorbar(image, ax=axes, label="share", extend="min", ticks=[low, 0.9, BAR, 1.0])
    return figure


def main() -> None:
    """Simulate, write and draw."""
    found = run(GRID, compare)
    others = run(weak(found), again)
    write_text(PAGE, page(found, others))
    for width, (share, error) in totals(found).items():
        write_bytes(FOLDER / picture_name(width), small(picture(found, width)))
        print(f"width {width}: {share:.1%} ± {error:.1%} of layers inside the band")


if __name__ == "__main__":
    main()
