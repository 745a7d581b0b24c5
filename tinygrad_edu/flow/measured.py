"""What was measured of gradient flow: a number for each quantity, layer and backward pass."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UnknownNameError, closest
from ..files import write_text
from ..tables import as_html, as_text, refuse_language

Array = np.ndarray[Any, np.dtype[Any]]

ALWAYS = ("delta", "weight")
SOMETIMES = (
    *("delta_mean", "delta_max", "activation_gradient", "activation_mean", "activation_std"),
    *("saturated", "dead", "update", "signal_to_noise", "symmetric"),
)
HEADINGS = {
    "en": (
        *("layer", "rms δ at first", "rms δ at last", "rms ∇W", "mean h", "std h", "saturated"),
        *("dead", "ΔW ÷ W", "signal ÷ noise"),
    ),
    "ja": (
        *("層", "δ の rms（最初）", "δ の rms（最後）", "∇W の rms", "h の平均", "h の標準偏差"),
        *("飽和", "死んだユニット", "ΔW ÷ W", "信号 ÷ 雑音"),
    ),
}
TITLES = {
    "en": "Gradient flow in {passes} backward passes",
    "ja": "勾配の流れ（逆伝播 {passes} 回）",
}


class Flow:
    """What `track` has measured: a number for each layer and backward pass, by quantity.

    δ is ∂L/∂z for the pre-activation z = x W + b. In every pass, over all samples, units and uses
    of a layer: `delta`, the rms of δ, and `weight`, that of ∂L/∂W. Both are needed: weight
    gradients can look healthy while δ vanishes (Glorot and Bengio 2010, figure 8). In every
    `every`-th pass, from at most `entries` numbers of a layer: `delta_mean`, and `delta_max` of
    |δ|; `activation_gradient`, the rms of ∂L/∂h for h = φ(z); `activation_mean` and
    `activation_std` of h; `saturated`, the share of z where |φ′(z)| is below 5 % of its greatest
    value; `dead`, the share of units that gave exactly 0 for every sample of the last ten looks;
    `update`, rms ΔW ÷ rms W of the step that follows; `signal_to_noise`, over the batches since
    the last look, rms of the mean of ∂L/∂W ÷ rms of its standard deviation; `symmetric`, the share
    of units whose weights and whose gradient another unit of the layer has too. NaN stands for what
    was not measured; a pass that reached no layer is left out.

    `losses` has what each pass began from, and `guessing`, where it was looked, what that would be
    if the last layer answered every row alike (as on average, or 0). `samples` keeps δ and h of a
    few passes, `over_time` for each recurrent layer the rms of δ of each step, the last step first.
    `activations`, `fans` and `sigma_w2` (inputs times mean square of a weight, when tracking began)
    describe the layers; `epochs` has how many passes each epoch of `te.train.fit` ended with.
    """

    def __init__(self, layers: Sequence[str], recurrent: Sequence[str], every: int) -> None:
        self.layers = tuple(layers)
        self.every = every
        self.series: dict[str, dict[str, list[float]]] = {
            quantity: {name: [] for name in self.layers} for quantity in (*ALWAYS, *SOMETIMES)
        }
        self.losses: list[float] = []
        self.guessing: list[float] = []
        self.epochs: list[int] = []
        self.samples: dict[int, dict[str, dict[str, Array]]] = {}
        self.over_time: dict[str, list[list[float]]] = {name: [] for name in recurrent}
        self.activations: dict[str, str] = {}
        self.fans: dict[str, tuple[int, int]] = {}
        self.sigma_w2: dict[str, float] = {}

    @property
    def delta(self) -> dict[str, list[float]]:
        """The rms of δ of each layer, pass by pass."""
        return self.series["delta"]

    @property
    def weight(self) -> dict[str, list[float]]:
        """The rms of ∂L/∂W of each layer, pass by pass."""
        return self.series["weight"]

    def __len__(self) -> int:
        """The number of backward passes that reached the model."""
        return len(self.losses)

    def __repr__(self) -> str:
        return f"<Flow of {len(self)} passes through {len(self.layers)} layers>"

    def __getitem__(self, quantity: str) -> Array:
        """A quantity as an array of shape (passes, layers)."""
        if quantity not in self.series:
            raise UnknownNameError(
                f"no quantity {quantity!r}; there is {closest(quantity, self.series)}"
            )
        return np.array(list(self.series[quantity].values())).reshape(len(self.layers), -1).T

    def ratio(self) -> Array:
        """rms δ of the first layer ÷ that of the last, pass by pass: below 1 it vanishes."""
        delta = self["delta"]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(delta[:, 0] / delta[:, -1])

    def last(self, quantity: str) -> dict[str, float]:
        """The latest number of each layer that was measured, NaN where none was."""
        if quantity not in self.series:
            self[quantity]
        return {
            name: next((each for each in reversed(numbers) if not math.isnan(each)), math.nan)
            for name, numbers in self.series[quantity].items()
        }

    # ---- as text, files and data frames ----

    def cells(self, lang: str = "en") -> list[tuple[str, ...]]:
        """The texts of the table, heading first. Raises `UnknownNameError` for another language."""
        refuse_language("the table", lang)
        latest = {quantity: self.last(quantity) for quantity in self.series}
        rows: list[tuple[str, ...]] = [HEADINGS[lang]]
        for name in self.layers:
            first = next((each for each in self.delta[name] if not math.isnan(each)), math.nan)
            numbers = [first, *(latest[each][name] for each in ("delta", "weight"))]
            averages = [latest[each][name] for each in ("activation_mean", "activation_std")]
            shares = [latest[each][name] for each in ("saturated", "dead")]
            steps = [latest[each][name] for each in ("update", "signal_to_noise")]
            rows.append(
                (
                    name,
                    *(told(number, ".2e") for number in numbers),
                    *(told(number, ".3g") for number in averages),
                    *(told(number, ".0%") for number in shares),
                    *(told(number, ".2g") for number in steps),
                )
            )
        return rows

    def table(self, lang: str = "en") -> str:
        """A row for each layer: δ in the first and in the last pass, the rest as last measured."""
        return as_text(
            TITLES[lang if lang in TITLES else "en"].format(passes=len(self)), self.cells(lang)
        )

    def _repr_html_(self) -> str:
        return as_html(TITLES["en"].format(passes=len(self)), self.cells())

    def rows(self, steps: Sequence[int]) -> list[list[float]]:
        """Step, rms δ of every layer, rms ∇W of every layer, for the given steps."""
        return [
            [
                step,
                *(self.delta[name][step] for name in self.layers),
                *(self.weight[name][step] for name in self.layers),
            ]
            for step in steps
        ]

    def columns(self) -> list[str]:
        """The headings of `rows`."""
        return [
            "epoch",
            *(f"rms δ {name}" for name in self.layers),
            *(f"rms ∇W {name}" for name in self.layers),
        ]

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write every step as one row; the file is whole or absent."""
        lines = [",".join(self.columns())]
        for step, *numbers in self.rows(range(len(self))):
            lines.append(",".join([str(step), *(f"{number:.9e}" for number in numbers)]))
        write_text(path, "\n".join(lines) + "\n")

    def to_dict(self) -> dict[str, list[Any]]:
        """Tidy columns `step`, `layer`, `quantity` and `value`, as `pandas.DataFrame` takes them.

        What was not measured is left out.
        """
        found: dict[str, list[Any]] = {"step": [], "layer": [], "quantity": [], "value": []}
        for quantity, rows in self.series.items():
            for name, numbers in rows.items():
                for step, number in enumerate(numbers):
                    if not math.isnan(number):
                        for column, entry in zip(
                            found.values(), (step, name, quantity, number), strict=True
                        ):
                            column.append(entry)
        return found

    # ---- in a checkpoint ----

    def state_dict(self) -> dict[str, Any]:
        """Everything that was measured, as arrays, for a checkpoint."""
        return {
            "series": {quantity: self[quantity] for quantity in self.series},
            "losses": np.array(self.losses),
            "guessing": np.array(self.guessing),
            "epochs": list(self.epochs),
            "samples": {str(step): sample for step, sample in self.samples.items()},
            "over_time": {
                name: [np.array(times) for times in passes]
                for name, passes in self.over_time.items()
            },
            "activations": dict(self.activations),
            "sigma_w2": dict(self.sigma_w2),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        for quantity, numbers in state["series"].items():
            for name, row in zip(self.layers, np.transpose(numbers), strict=True):
                self.series[quantity][name] = row.tolist()
        self.losses = state["losses"].tolist()
        self.guessing = state["guessing"].tolist()
        self.epochs = list(state["epochs"])
        self.samples = {int(step): sample for step, sample in state["samples"].items()}
        self.over_time = {
            name: [times.tolist() for times in passes]
            for name, passes in state["over_time"].items()
        }
        self.activations = dict(state["activations"])
        self.sigma_w2 = dict(state["sigma_w2"])


def told(number: float, form: str) -> str:
    """A number of the table, a dash for what was not measured."""
    return "–" if math.isnan(number) else format(number, form)
