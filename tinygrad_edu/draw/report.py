"""The report of a run: one self-contained HTML page that opens from disk."""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape

from tinygrad_edu.draw.style import font_face, translator

_PNG = b"\x89PNG\r\n\x1a\n"
# Labels of 10 points are 13.3 pixels high in full size and 8.3 pixels at this share of it.
_SMALLEST = 0.625
# So many columns of a table have room beside another table.
_NARROW = 4


@dataclass(frozen=True)
class Prediction:
    """What a network answered to one input."""

    input: str
    predicted: str
    target: str
    right: bool | None
    """None where the answer is too near to 0.5 to be on either side."""


@dataclass(frozen=True)
class PredictionTable:
    """The answers of one network and, in one sentence, what they show."""

    network: str
    predictions: tuple[Prediction, ...]
    verdict: str


@dataclass(frozen=True)
class Table:
    """Any table: each row as many cells as there are columns, and a sentence on what they show.

    A cell is a text, or what becomes of an answer: True for right, False for wrong, None where it
    cannot be told.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | bool | None, ...], ...]
    verdict: str | None = None


@dataclass(frozen=True)
class Section:
    """Tables under a heading of their own, after what is said of them."""

    heading: str
    paragraphs: tuple[str, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Figure:
    """A numbered picture: a PNG or an SVG file's bytes, or None and then `alt` is shown instead."""

    number: int
    heading: str
    image: bytes | None
    alt: str
    what_to_look_at: str


@dataclass(frozen=True)
class GradientCheck:
    """The result of a gradient check in one line, and all of its lines."""

    summary: str
    lines: str


@dataclass(frozen=True)
class Command:
    """A command to try next, and what it will show."""

    command: str
    shows: str


@dataclass(frozen=True)
class Report:
    """All that the page says, as plain text in the language of the page.

    `results` is the heading of the tables, by default that of predictions; `sections` come after
    them and before the pictures.
    """

    title: str
    introduction: tuple[str, ...]
    tables: tuple[PredictionTable | Table, ...]
    figures: tuple[Figure, ...]
    check: GradientCheck
    try_next: tuple[Command, ...]
    command: str
    seed: str
    versions: Mapping[str, str]
    results: str = ""
    sections: tuple[Section, ...] = ()


def page(report: Report, lang: str = "en") -> str:
    """The report as one HTML page, which loads nothing and can run nothing.

    Every text is escaped. Raises `ValueError` for a picture that is neither PNG nor sized SVG, and
    `UnknownNameError` for a language other than "en" and "ja".
    """
    say = translator(lang)
    parts = [
        _element("h1", report.title),
        *(_element("p", paragraph) for paragraph in report.introduction),
        _element("h2", report.results or say("Predictions after learning")),
        *_tables(report.tables, lang),
        *(part for section in report.sections for part in _section(section, lang)),
        *([_element("h2", say("Pictures"))] if report.figures else []),
        *(_figure(figure, lang) for figure in report.figures),
        _element("h2", say("Gradient check")),
        _element("p", report.check.summary),
        f"<details><summary>{_text(say('Show every line of the check'))}</summary>",
        f"{_code(report.check.lines)}</details>",
        _element("h2", say("Try next")),
        *(_element("p", each.shows) + _code(each.command, "command") for each in report.try_next),
    ]
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    about = (
        (say("Command"), report.command),
        (say("Seed"), report.seed),
        (say("Versions"), versions),
    )
    body = [
        "<body>",
        "<main>",
        *parts,
        "</main>",
        "<footer>",
        _element("h2", say("About this run")),
        "<dl>",
        *(_element("dt", term) + _element("dd", fact) for term, fact in about),
        "</dl>",
        "</footer>",
        "</body>",
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="{lang}">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            _element("title", report.title),
            f"<style>{_STYLE}{font_face(''.join(body))}</style>",
            "</head>",
            *body,
            "</html>",
            "",
        ]
    )


def _section(section: Section, lang: str) -> Iterator[str]:
    yield _element("h2", section.heading)
    yield from (_element("p", paragraph) for paragraph in section.paragraphs)
    yield from _tables(section.tables, lang)


def _tables(tables: Iterable[PredictionTable | Table], lang: str) -> Iterator[str]:
    yield '<div class="tables">'
    for table in tables:
        yield _table(
            _of_predictions(table, lang) if isinstance(table, PredictionTable) else table, lang
        )
    yield "</div>"


def _of_predictions(table: PredictionTable, lang: str) -> Table:
    say = translator(lang)
    return Table(
        table.network,
        (say("Input"), say("Predicted"), say("Target"), say("Right?")),
        tuple((row.input, row.predicted, row.target, row.right) for row in table.predictions),
        table.verdict,
    )


def _table(table: Table, lang: str) -> str:
    wide = ' class="wide"' if len(table.columns) > _NARROW else ""
    lines = [
        f"<section{wide}>",
        "<table>",
        _element("caption", table.caption),
        "<thead><tr>",
        *(f'<th scope="col">{_text(column)}</th>' for column in table.columns),
        "</tr></thead>",
        "<tbody>",
    ]
    for first, *others in table.rows:
        cells = "".join(_cell(cell, lang) for cell in others)
        lines.append(f'<tr><th scope="row">{_text(str(first))}</th>{cells}</tr>')
    lines += ["</tbody>", "</table>"]
    return "\n".join(
        [
            *lines,
            *([_element("p", table.verdict)] if table.verdict is not None else []),
            "</section>",
        ]
    )


def _cell(cell: str | bool | None, lang: str) -> str:
    if isinstance(cell, str):
        return _element("td", cell)
    say = translator(lang)
    kind, mark = {
        True: ("right", f"✓ {say('right')}"),
        False: ("wrong", f"✗ {say('wrong')}"),
        None: ("undecided", f"– {say('undecided')}"),
    }[cell]
    return f'<td class="{kind}">{_text(mark)}</td>'


def _figure(figure: Figure, lang: str) -> str:
    say = translator(lang)
    heading = f"{_circled(figure.number)} {figure.heading}"
    looking = f"<strong>{_text(say('What to look at:'))}</strong> {_text(figure.what_to_look_at)}"
    if figure.image is None:
        picture = _element("p", figure.alt)
    else:
        # Focus lets a keyboard scroll what is wider than the page.
        picture = (
            f'<div class="picture" role="group" tabindex="0" aria-label="{_text(heading)}">'
            f"{_image(figure.image, figure.alt)}</div>"
        )
    return "\n".join(
        [
            "<figure>",
            _element("h3", heading),
            picture,
            f"<figcaption>{looking}</figcaption>",
            "</figure>",
        ]
    )


def _image(image: bytes, alt: str) -> str:
    # As an image and not inline: scripts in an SVG stay dead, and the names in two SVGs apart.
    if image.startswith(_PNG):
        kind, size = "png", _png_size(image)
    elif b"<svg" in image[:2000]:
        kind, size = "svg+xml", _svg_size(image)
    else:
        raise ValueError("a picture of the report is neither PNG nor SVG: give such a file's bytes")
    width, height = size
    data = b64encode(image).decode()
    # On a narrow screen a picture shrinks with the page, but only until its labels would be too
    # small to read; then it scrolls.
    return (
        f'<img src="data:image/{kind};base64,{data}" alt="{_text(alt)}" width="{width:.0f}" '
        f'height="{height:.0f}" style="max-width: max(100%, {width * _SMALLEST:.0f}px)">'
    )


def _png_size(image: bytes) -> tuple[float, float]:
    """Width and height in CSS pixels, 96 to an inch, so that all pictures' labels are one size."""
    width, height = struct.unpack(">II", image[16:24])
    at = image.find(b"pHYs") + 4
    scale = 96 / 0.0254 / struct.unpack(">I", image[at : at + 4])[0] if at >= 4 else 1
    return width * scale, height * scale


def _svg_size(image: bytes) -> tuple[float, float]:
    tag = image[image.index(b"<svg") :].split(b">", 1)[0].decode(errors="replace")
    sizes = [re.search(rf'\s{side}="([\d.]+)(pt|px)?"', tag) for side in ("width", "height")]
    if None in sizes:
        raise ValueError("an SVG of the report has no size: give its width and height in pt or px")
    width, height = (float(size[1]) * (96 / 72 if size[2] == "pt" else 1) for size in sizes if size)
    return width, height


def _circled(number: int) -> str:
    return chr(ord("①") + number - 1) if 1 <= number <= 20 else f"({number})"


def _code(text: str, kind: str = "lines") -> str:
    return f'<pre class="{kind}" tabindex="0"><code>{_text(text)}</code></pre>'


def _element(tag: str, text: str) -> str:
    return f"<{tag}>{_text(text)}</{tag}>"


def _text(text: str) -> str:
    # A command line may hold half characters (file names of another encoding), UTF-8 may not.
    return escape(text.encode(errors="backslashreplace").decode())


_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1d1d1f; --faint: #57606a; --line: #d0d7de; --box: #f6f8fa;
  --right: #116329; --wrong: #a40e26;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181c; --ink: #e6e6e6; --faint: #a3adb8; --line: #3d444d; --box: #22272e;
    --right: #7ee787; --wrong: #ff9d94;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.65 system-ui, "Hiragino Sans", "Yu Gothic UI", "Noto Sans CJK JP",
    "embedded Japanese", sans-serif;
}
main, footer { max-width: 58rem; margin: 0 auto; padding: 0 1rem; }
h1 { margin: 1.5rem 0 .5rem; font-size: 1.7rem; line-height: 1.3; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.3rem; border-bottom: 1px solid var(--line); }
h3 { margin: 0 0 .5rem; font-size: 1.1rem; }
p { max-width: 44rem; margin: .5rem 0; }
.tables {
  display: grid; gap: 1.5rem 2.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr));
}
.tables section { min-width: 0; overflow-x: auto; }
.tables .wide { grid-column: 1 / -1; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { padding: .25rem 0; font-weight: 600; text-align: start; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); text-align: start; }
thead th { color: var(--faint); font-weight: 600; }
tbody th { font-weight: 400; }
td, thead th { overflow-wrap: normal; word-break: keep-all; white-space: nowrap; }
td[class] { font-weight: 600; }
.right { color: var(--right); }
.wrong { color: var(--wrong); }
figure { margin: 0 0 2.5rem; }
figcaption { max-width: 44rem; margin-top: .5rem; }
.picture {
  overflow-x: auto; padding: .5rem; border: 1px solid var(--line); border-radius: .5rem;
  background: #fff; color: #1d1d1f;
}
.picture img { display: block; height: auto; margin: 0 auto; }
pre {
  overflow-x: auto; margin: .5rem 0 1.25rem; padding: .75rem 1rem; border: 1px solid var(--line);
  border-radius: .5rem; background: var(--box);
  font: .9rem/1.5 ui-monospace, monospace, "embedded Japanese";
}
.command { white-space: pre-wrap; }
summary { cursor: pointer; }
footer { padding-bottom: 2rem; color: var(--faint); font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; }
dt { font-weight: 600; }
dd { margin: 0; }
@media print { .picture, pre { overflow: visible; } .picture img { max-width: 100% !important; } }
"""
