"""The chain rule step by step: a page that plays the forward pass and then the backward sweep.

Everything is recorded in Python; the page computes nothing.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from ..engine.context import changed
from ..engine.node import Node
from ..engine.sweep import start
from ..engine.value import Value
from ..errors import OperandError, UnknownNameError
from ..files import write_text
from .labels import clipped
from .looks import KINDS, MEANINGS
from .page.diagram import picture
from .page.recording import Recording
from .page.words import phrases
from .style import font_face


class Page:
    """A page of HTML that needs nothing besides itself; `html` is its text."""

    def __init__(self, html: str, title: str) -> None:
        self.html = html
        self._title = title

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to `path`, whole or not at all. Raises `UnknownNameError`, `OSError`."""
        refuse_suffix(path)
        write_text(path, self.html)

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{escape(self._title)}" sandbox="allow-scripts" width="100%" '
            f'height="640" style="border:0" srcdoc="{escape(self.html)}"></iframe>'
        )


def step_through(
    value: Value,
    path: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    lang: str = "en",
    check: bool = True,
) -> Page:
    """A page that steps through the graph of `value`: forward, then the chain rule backward.

    `value` holds a single number. With `path`, which ends in .html, the page is written there,
    whole or not at all. It shows the lines of code of what was computed inside
    `te.record_lines()` and, with `check`, finite differences beside the gradients of the leaves.
    No `.grad` is touched. Raises `OperandError` for what is no Value and for a graph of more than
    300 nodes, `NotTrackedError`, `ShapeError`, `StaleGraphError`, `UnknownNameError` for a
    language other than "en" and "ja" and for another suffix, and `OSError`.
    """
    say = phrases(lang)
    if path is not None:
        refuse_suffix(path)
    if not isinstance(value, Node):
        raise OperandError(
            f"te.draw.step_through shows a te.Value, not {type(value).__name__}; "
            "give it the result of a computation, such as a loss"
        )
    seed = start(value, None)
    title = clipped(title or say("Step by step through the chain rule"), 200)
    # Whoever watches the user's computation is not told of this one.
    with changed(observers=(), lines=False), np.errstate(all="ignore"):
        page = Page(written(Recording(value, seed, check, lang), title, lang), title)
    if path is not None:
        page.save(path)
    return page


def refuse_suffix(path: str | os.PathLike[str]) -> None:
    """Raise `UnknownNameError` for a path that does not end in .html."""
    if Path(path).suffix.lower() != ".html":
        raise UnknownNameError(
            f"a page cannot be saved as {Path(path).name!r}: end its name in .html"
        )


def written(recording: Recording, title: str, lang: str) -> str:
    """The page as text."""
    say = phrases(lang)
    shapes = recording.shapes()
    drawing = picture(shapes, recording.arrows(), title, lang)
    kinds = {shape.kind for shape in shapes}
    legend = "".join(
        f'<li><span class="swatch {kind}"></span>{escape(say(MEANINGS[kind]))}</li>'
        for kind in KINDS
        if kind in kinds
    )
    if recording.heatmaps.arrays:
        cells = "rms: root mean square of an array; cells: blue is above 0, striped orange below"
        legend += f"<li>{escape(say(cells))}</li>"
    lined = any(node.line for node in recording.nodes)
    advice = "Lines of your code appear here for what is computed inside te.record_lines()."
    texts = {
        "lang": lang,
        "title": escape(title),
        "drawing": drawing,
        "legend": legend,
        "advice": "" if lined else f'<p class="advice">{escape(say(advice))}</p>',
        "last": str(len(recording.steps) - 1),
        "record": in_script(record(recording)),
    }
    texts |= {f"say_{key}": escape(say(text)) for key, text in LABELS.items()}
    folder = files(__package__) / "page"
    skeleton, style, script = (
        (folder / f"page.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    style += "".join(
        f".{kind}{{--fill:{look['fillcolor']};--line:{look['color']}}}"
        for kind, look in KINDS.items()
    )
    style += font_face("".join(texts.values()))
    policy = (
        f"default-src 'none'; script-src {hashed(script)}; style-src {hashed(style)}; "
        "font-src data:; img-src data:; base-uri 'none'; form-action 'none'"
    )
    return Template(skeleton).substitute(texts, style=style, script=script, policy=policy)


def record(recording: Recording) -> dict[str, object]:
    """What the page's script shows."""
    return {
        "steps": recording.steps,
        "known": recording.known,
        "complete": recording.complete,
        "arrays": recording.heatmaps.arrays,
    }


def in_script(data: object) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda sign: f"\\u{ord(sign[0]):04x}", text)


def hashed(text: str) -> str:
    """What a policy allows an element with this text by."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


LABELS = {
    "graph": "computation graph",
    "step": "this step",
    "controls": "controls",
    "play": "Play",
    "pause": "Pause",
    "first": "first step",
    "back": "one step back",
    "forth": "one step on",
    "final": "last step",
    "scrub": "step",
    "speed": "speed",
    "whole": "whole graph",
    "legend": "legend",
    "marks": "thick outline: this step; thick dashes: where its message (↑) goes; white: not yet",
    "keys": "Space: play or pause. ← →: one step. Home, End: first and last step.",
    "digits": "Point at a cell or move with the arrow keys: all its digits are shown here.",
    "array": "array",
    "script": "This page needs JavaScript to step through the graph.",
}
