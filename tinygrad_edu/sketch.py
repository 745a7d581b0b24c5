"""A typed formula becomes a picture: `tinygrad-edu graph "x = 2; y = x**2"`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .engine.value import Value
from .errors import FormulaError
from .files import writable_folder
from .formula import parse
from .terminal import Terminal

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "formula": "Formula",
        "slope": "∂{result}/∂{leaf}",
        "summed": "The result has several entries: gradients are those of their sum.",
        "constant": "Nothing is computed from a name here, so there is no gradient.",
        "not_finite": "The result is infinite or not a number: something is not defined here.",
        "wrote": "Wrote",
        "play": "step through it in a browser",
    },
    "ja": {
        "formula": "式",
        "slope": "∂{result}/∂{leaf}",
        "summed": "結果が複数の要素をもつので、勾配はその合計に対するもの。",
        "constant": "変数から計算された値ではないので、勾配はない。",
        "not_finite": "無限大または非数が現れた。この入力では定義されない関数がある。",
        "wrote": "保存しました",
        "play": "ブラウザで 1 ステップずつ見る",
    },
}


@dataclass(frozen=True)
class Settings:
    """What the command was asked for."""

    text: str
    step: bool = False
    out: Path = Path("runs/graph")
    format: str = "svg"
    lang: str = "en"
    plots: bool = True


def run(settings: Settings, terminal: Terminal) -> None:
    """Compute the formula, run backward, print the graph as text, draw it.

    Raises `FormulaError` for what cannot be read, `RenderingError` where nothing can draw, and
    `OSError` where the folder cannot be written to.
    """
    text = TEXTS[settings.lang]
    values = parse(settings.text)
    name, result = list(values.items())[-1]
    if not isinstance(result, Value):
        raise FormulaError(f"{name} is no number or array")
    out = writable_folder(settings.out) if settings.plots else settings.out
    leaves = {name: each for name, each in values.items() if each.op is None and each is not result}
    if not result.requires_grad or result.op is None:
        terminal.say(text["constant"])
    else:
        if result.ndim:
            terminal.say(text["summed"])
        with np.errstate(all="ignore"):
            result.backward(np.ones(result.shape, result.dtype))

    from . import draw

    terminal.say(draw.tree(result, lang=settings.lang))
    if not np.all(np.isfinite(result.data)):
        terminal.say(text["not_finite"])
    terminal.say()
    terminal.say(f"{text['formula']}: {name} = {draw.expression(result)}")
    if result.requires_grad and result.op is not None:
        for leaf, value in leaves.items():
            label = text["slope"].format(result=name, leaf=leaf)
            terminal.say(f"{label} = {draw.expression(result, value)}")
    if settings.plots:
        terminal.say()
        picture = draw.graph(result, lang=settings.lang, title=" ".join(settings.text.split()))
        for suffix in ("dot", settings.format):
            path = out / f"graph.{suffix}"
            picture.save(path)
            terminal.say(f"{text['wrote']}: {path}")
        if settings.step:
            path = out / "steps.html"
            draw.step_through(result, path, lang=settings.lang)
            terminal.say(f"{text['wrote']}: {path} ({text['play']})")
