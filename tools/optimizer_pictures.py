"""Draws the pictures of docs/optimizers.md: python -m tools.optimizer_pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tinygrad_edu.draw.descent import descent
from tinygrad_edu.draw.style import figure_context, line_styles, new_figure
from tinygrad_edu.optim import (
    GD,
    SGD,
    Adagrad,
    Adam,
    Optimizer,
    RMSprop,
    Schedule,
    cosine,
    descend,
    plateau,
    step_decay,
    warm_up,
)
from tinygrad_edu.optim.landscapes import Landscape, beale, rastrigin, rosenbrock
from tools.png import FOLDER, small, write

Rule = tuple[type[Optimizer], dict[str, Any]]

STARTS = np.random.default_rng(2).uniform(-2.4, 2.4, (2, 24))
ROSENBROCK: list[Rule] = [
    (GD, {"lr": 0.002}),
    (SGD, {"lr": 0.003, "momentum": 0.9}),
    (Adagrad, {"lr": 1.0}),
    (RMSprop, {"lr": 0.01}),
    (Adam, {"lr": 0.05}),
]
BEALE: list[Rule] = [
    (GD, {"lr": 0.03}),
    (SGD, {"lr": 0.02, "momentum": 0.9}),
    (Adagrad, {"lr": 0.5}),
    (RMSprop, {"lr": 0.01}),
    (Adam, {"lr": 0.2}),
]
SCHEDULES: dict[str, Schedule] = {
    "step_decay(30, 0.5)": step_decay(30, 0.5),
    "cosine(100)": cosine(100),
    "warm_up(10, cosine(90))": warm_up(10, cosine(90)),
    "plateau(0.5, patience=10)": plateau(0.5, patience=10),
}


def paths(landscape: Landscape, rules: list[Rule], steps: int, lang: str = "en") -> Figure:
    """The ways of all rules from the usual start."""
    found = {}
    for rule, options in rules:
        said = ", ".join(f"{name}={value:g}" for name, value in options.items())
        found[f"{rule.__name__} ({said})"] = path(landscape, landscape.start, rule, options, steps)
    return descent(landscape, found, lang=lang)


def path(
    function: Callable[[Any], Any],
    start: Any,
    rule: type[Optimizer],
    options: dict[str, Any],
    steps: int,
) -> Any:
    """The way of one rule."""
    return descend(function, start, lambda params: rule(params, **options), steps)


def many_starts(lang: str = "en") -> Figure:
    """The ways of Adam from all over a map of dips."""
    found = {"Adam (lr=0.05)": path(rastrigin, STARTS, Adam, {"lr": 0.05}, 100)}
    return descent(rastrigin, found, lang=lang)


def schedules() -> Figure:
    """Factors over a hundred epochs, the plateau's for losses that fall until epoch 40."""
    epochs = np.linspace(0, 100, 1001)
    losses = [1 / (1 + min(epoch, 40)) for epoch in range(100)]
    with figure_context():
        figure = new_figure(6.0, 3.2)
        axes = figure.add_subplot()
        for (name, schedule), style in zip(SCHEDULES.items(), line_styles(), strict=False):
            axes.plot(epochs, [schedule(epoch, losses) for epoch in epochs], label=name, **style)
        axes.set(title="Schedules", xlabel="epoch", ylabel="factor of the rate")
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


# Each picture by the name of its file.
PICTURES: dict[str, Callable[[], Figure]] = {
    "optimizers_rosenbrock": partial(paths, rosenbrock, ROSENBROCK, 1500),
    "optimizers_beale": partial(paths, beale, BEALE, 300),
    "optimizers_rastrigin": many_starts,
    "optimizers_schedules": schedules,
}


def main() -> None:
    """Write all of them."""
    for name, draw in PICTURES.items():
        write(FOLDER / f"{name}.png", small(draw()))


if __name__ == "__main__":
    main()
