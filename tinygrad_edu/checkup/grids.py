"""The grid of `--sweep`: `activation,depth=5:20`, its cells, and what is there of it already."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from .. import flow
from ..activations import named
from ..errors import OperandError, OtherTrainingError, UnknownNameError, closest
from ..flow.sweep import Store, key, name_of
from .networks import DEEPEST, WIDEST, Settings, initialiser, make_model, trial

Grid = dict[str, list[Any]]

DEFAULTS: Grid = {
    "activation": ["sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu"],
    "init": ["normal", "xavier_normal", "he_normal"],
    "depth": [2, 5, 10, 20],
    "width": [16, 64, 256],
}
LIMITS = {"depth": DEEPEST, "width": WIDEST}
FILE = "sweep.json"


def parse(text: str) -> Grid:
    """The settings of a grid and their values.

    Raises `UnknownNameError` for names that do not exist, `OperandError` for what is no grid.
    """
    grid: Grid = {}
    for part in text.split(","):
        name, equals, given = (each.strip() for each in part.partition("="))
        if name not in DEFAULTS:
            raise UnknownNameError(
                f"--sweep: no setting {name!r}; there is {closest(name, DEFAULTS)}, as in "
                "--sweep activation,depth=5:20"
            )
        if name in grid:
            raise OperandError(
                f"--sweep: {name} is given twice; write {name}={':'.join(map(str, grid[name]))}:…"
            )
        values = [value(name, each.strip()) for each in given.split(":")] if equals else None
        grid[name] = list(dict.fromkeys(values)) if values else DEFAULTS[name]
    if len(grid) > 3:
        raise OperandError(f"--sweep: {len(grid)} settings cannot be drawn; give one to three")
    return grid


def value(name: str, text: str) -> Any:
    """One value of a setting."""
    if name == "activation":
        return named(text).name
    if name == "init":
        return initialiser(text)
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= LIMITS[name]:
        raise OperandError(
            f"--sweep: a {name} is a whole number from 1 to {LIMITS[name]}, not {text!r}; write "
            f"{name}=5:20"
        )
    return int(text)


def cell(base: Settings, activation: str, init: str, depth: int, width: int) -> dict[str, float]:
    """What comes of one network of the grid."""
    return trial(replace(base, activation=activation, init=init, depth=depth, width=width))


class Plan:
    """A grid, what runs its cells, and how many of them are in the file already.

    Every cell names all four settings, so that another grid may go on from the same file. Raises
    `OtherTrainingError` where the file has cells of other trainings, `ShapeError` for networks
    that cannot be made.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        asked = parse(settings.sweep)
        self.keys = tuple(asked)
        fixed = {name: [getattr(settings, name)] for name in DEFAULTS}
        fixed["init"] = [initialiser(settings.init)]
        self.grid = fixed | asked
        # What does not change a cell is left as it is by default.
        base = Settings(
            **{
                name: getattr(settings, name)
                for name in ("task", "normalise", "residual", "optimizer", "epochs", "batch")
            },
            lr=settings.rate,
            seed=settings.seed,
        )
        for each in self.grid["activation"]:
            for width in self.grid["width"]:
                make_model(replace(base, activation=each, width=width, depth=1), 0)
        self.run = partial(cell, base)
        self.path = folder / FILE
        try:
            held = Store(self.path, name_of(self.run)).cells
        except OtherTrainingError:
            raise OtherTrainingError(
                f"{self.path} holds a sweep with other options; give another --out, or remove it",
                ["run"],
                0,
            ) from None
        self.cells = [
            dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())
        ]
        self.done = sum(key(each) in held for each in self.cells)

    def go(self, executor: Executor | None, terminal: Any) -> flow.Sweep:
        """Run what is not there yet."""
        return flow.sweep(self.run, self.grid, executor=executor, path=self.path, progress=terminal)

    def rows(self, found: flow.Sweep) -> list[tuple[str, ...]]:
        """The settings of each cell that is done, its δ ratio, loss, and whether it learnt."""
        return [
            (
                *(str(each[name]) for name in self.keys),
                f"{each['ratio']:.1e}",
                f"{each['loss']:.4g}",
                "✓" if each["learnt"] else "✗",
            )
            for each in found.cells
        ]
