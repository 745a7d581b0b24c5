"""The activations as the command line shows them: a list, cards, pictures, a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .activations import ACTIVATIONS, SIXTEEN, named
from .activations.card import alternative_text, title, words
from .files import writable_folder
from .terminal import Terminal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Domain = str | tuple[float, float]

# What --domain stands for on the x axis of curves; surfaces have their own meaning of both.
CURVE_DOMAINS: Mapping[str, tuple[float, float]] = {"article": (-5.0, 5.0), "centre": (-2.0, 2.0)}

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "number": "No.",
        "name": "name",
        "range": "range",
        "formula": "f(x)",
        "sixteen": "The sixteen of the second article",
        "others": "And these",
        "wrote": "Wrote",
        "more": "A card: tinygrad-edu activations mish; the rest: tinygrad-edu activations --all",
        "card": "A card: tinygrad-edu activations mish",
        "first_figure": "Sigmoid, tanh, ReLU and Leaky ReLU from -5 to 5 in one picture.",
        "chosen": "The curves of {names} in one picture.",
        "slopes": "A panel each for {names}: the curve, and its derivative dashed.",
        "surfaces": "Each activation of 2 x1 + 3 x2 + 1 as a surface over the inputs x1 and x2.",
        "comparison": "The same network and seeds, trained with each activation.",
    },
    "ja": {
        "number": "番号",
        "name": "名前",
        "range": "出力範囲",
        "formula": "f(x)",
        "sixteen": "2本目の記事の16種",
        "others": "そのほか",
        "wrote": "保存しました",
        "more": (
            "カードを見る: tinygrad-edu activations mish、"
            "残りも見る: tinygrad-edu activations --all"
        ),
        "card": "カードを見る: tinygrad-edu activations mish",
        "first_figure": "Sigmoid・tanh・ReLU・Leaky ReLU を −5 から 5 まで重ねて描いた図。",
        "chosen": "{names} のグラフを重ねて描いた図。",
        "slopes": "{names} を 1 枠ずつ。実線が関数、破線が導関数。",
        "surfaces": "2 x1 + 3 x2 + 1 を各活性化関数に通した出力を、入力 x1・x2 の上に描いた曲面。",
        "comparison": "同じネットワークと同じシードを、活性化関数だけ変えて学習させた結果。",
    },
}


@dataclass(frozen=True)
class Settings:
    """What the command was asked for; `everything` is --all, `task` what to compare on, if any."""

    names: tuple[str, ...] = ()
    everything: bool = False
    surface: bool = False
    domain: Domain | None = None
    task: str | None = None
    seeds: int = 5
    out: Path = Path("runs/activations")
    format: str = "png"
    lang: str = "en"
    plots: bool = True


def run(settings: Settings, terminal: Terminal) -> None:
    """The whole job.

    Raises `UnknownNameError` for an activation or task that does not exist, `ValueError` for one
    that cannot be drawn or compared as asked, `OSError` where the folder cannot be written to.
    """
    text = TEXTS[settings.lang]
    names = tuple(dict.fromkeys(named(name).name for name in settings.names))
    if settings.plots:
        out = writable_folder(settings.out)
    result = None
    if settings.task is not None:
        from .comparison import compare

        result = compare(settings.task, names or None, seeds=settings.seeds, terminal=terminal)
        terminal.table(*result.table(settings.lang), left=(0,))
        terminal.say(result.caption(settings.lang))
    elif names:
        for position, name in enumerate(names):
            if position:
                terminal.say()
            for line in str(ACTIVATIONS[name].card(settings.lang, settings.everything)).split("\n"):
                terminal.say(line)
    elif not settings.surface:
        show_list(settings, terminal, text)
    if settings.plots:
        from .draw.saving import save

        terminal.say()
        for stem, figure, alt in pictures(settings, names, result, text):
            path = out / f"{stem}.{settings.format}"
            save(figure, path, title=stem, description=alt)
            terminal.say(f"{text['wrote']}: {path}")
    if not names and not settings.surface and result is None:
        terminal.say(text["card" if settings.everything else "more"])


def show_list(settings: Settings, terminal: Terminal, text: Mapping[str, str]) -> None:
    """The sixteen, and with --all the rest, a line each."""
    sixteen = [each.name for each in SIXTEEN]
    others = [name for name in ACTIVATIONS if name not in sixteen]
    columns = [text[key] for key in ("number", "name", "range", "formula")]
    for heading, chosen in (("sixteen", sixteen), ("others", others)):
        if heading == "others" and not settings.everything:
            return
        terminal.say(f"{text[heading]}:")
        terminal.table(
            columns,
            [
                [
                    str(list(ACTIVATIONS).index(name) + 1),
                    name,
                    words()[name]["range"],
                    str(ACTIVATIONS[name].card(settings.lang).formula),
                ]
                for name in chosen
            ],
            left=(1, 2, 3),
        )


def pictures(
    settings: Settings, names: tuple[str, ...], result: Any, text: Mapping[str, str]
) -> Iterator[tuple[str, Figure, str]]:
    """Each picture that was asked for: the name of its file, the figure, a sentence about it."""
    from . import draw

    lang, domain = settings.lang, settings.domain
    if result is not None:
        yield f"compare_{settings.task}", draw.comparison(result, lang=lang), text["comparison"]
        return
    if settings.surface:
        for where in (domain,) if domain else ("article", "centre"):
            stem = "surfaces_centre" if where == "centre" else "surfaces"
            yield stem, draw.surfaces(names or None, domain=where, lang=lang), text["surfaces"]
        return
    span = CURVE_DOMAINS[domain] if isinstance(domain, str) else domain
    for name in names:
        yield name, draw.activation(name, domain=span, lang=lang), alternative_text(name, lang)
    span = span or CURVE_DOMAINS["article"]
    listed = ", ".join(title(name, lang) for name in names)
    if not names:
        figure = draw.activations(domain=span, lang=lang)
        yield "activations", figure, text["first_figure"]
        everyone = [
            op.name
            for op in (ACTIVATIONS.values() if settings.everything else SIXTEEN)
            if op.elementwise
        ]
        listed = ", ".join(title(name, lang) for name in everyone)
        figure = draw.activations(everyone, domain=span, slopes=True, lang=lang)
        yield "derivatives", figure, text["slopes"].format(names=listed)
    elif len(names) > 1:
        figure = draw.activations(names, domain=span, lang=lang)
        yield "activations", figure, text["chosen"].format(names=listed)
