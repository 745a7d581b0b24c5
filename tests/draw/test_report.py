"""The report page: its structure, what it may load, and texts that try to break out of it."""

from __future__ import annotations

import io
import re
import struct
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure as Drawing

from tinygrad_edu.draw.report import (
    Command,
    Figure,
    GradientCheck,
    Prediction,
    PredictionTable,
    Report,
    Section,
    Table,
    page,
)
from tinygrad_edu.draw.style import JAPANESE, LANGUAGES
from tinygrad_edu.errors import UnknownNameError

VOID = {"meta", "img"}
SVG = b"""<?xml version="1.0"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg width="1500pt" height="300pt" xmlns="http://www.w3.org/2000/svg"><g id="node1"/>
<script>alert(1)</script></svg>"""
HOSTILE = (
    """</style></title></pre>--><script>alert(1)</script><img src=x onerror="a()">&lt;"'\ud800"""
)


def png(width: float, height: float, dots_per_inch: float) -> bytes:
    file = io.BytesIO()
    Drawing(figsize=(width, height)).savefig(file, format="png", dpi=dots_per_inch)
    return file.getvalue()


PNG = png(6, 3, 200)


def report_with(text: str, image: bytes | None = None) -> Report:
    """A report that says `text` wherever it can say anything."""
    rows = tuple(Prediction(text, text, text, right) for right in (True, False, True, True))
    figures = (
        Figure(1, text, PNG, text, text),
        Figure(4, text, image or SVG, text, text),
        Figure(5, text, None, text, text),
    )
    tables = (PredictionTable(text, rows, text), PredictionTable(text, rows, text))
    return Report(
        title=text,
        introduction=(text, text),
        tables=tables,
        figures=figures,
        check=GradientCheck(text, text),
        try_next=(Command(text, text),) * 3,
        command=text,
        seed=text,
        versions={text: text},
    )


class Page(HTMLParser):
    """The elements of a page in order, each with its attributes and its own text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[list[str]] = []
        self.open: list[int] = []
        self.feed(text)
        self.close()
        assert not self.open, "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.append([])
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self.open.pop()][0] == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for position in self.open:
            self.texts[position].append(data)

    def all(self, *tags: str) -> list[tuple[str, dict[str, str | None], str]]:
        return [
            (tag, attributes, "".join(text))
            for (tag, attributes), text in zip(self.elements, self.texts, strict=True)
            if tag in tags
        ]

    def said(self, tag: str) -> list[str]:
        return [text for _, _, text in self.all(tag)]


def without_pictures(text: str) -> str:
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_loads_nothing_and_runs_nothing(lang: str) -> None:
    text = page(report_with("text"), lang)
    assert "http" not in without_pictures(text)
    assert text.count("url(") == text.count("url(data:font/woff;base64,")
    assert "@import" not in text
    parsed = Page(text)
    assert not parsed.all("script", "link", "iframe", "object", "embed", "base", "svg", "a")
    for _, attributes in parsed.elements:
        assert not any(name.startswith("on") or name == "href" for name in attributes)
        assert (attributes.get("src") or "data:image/").startswith("data:image/")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_has_the_parts_in_order(lang: str) -> None:
    text = page(report_with("text"), lang)
    assert text.startswith("<!DOCTYPE html>\n")
    parsed = Page(text)
    assert parsed.all("html")[0][1] == {"lang": lang}
    assert parsed.said("h1") == ["text"]
    english = ["Predictions after learning", "Pictures", "Gradient check", "Try next"]
    expected = [*english, "About this run"]
    assert parsed.said("h2") == (expected if lang == "en" else [JAPANESE[e] for e in expected])
    assert parsed.said("h3") == ["① text", "④ text", "⑤ text"]
    levels = [int(tag[1]) for tag, _, _ in parsed.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(parsed.said("main")) == len(parsed.said("footer")) == 1
    assert len(parsed.said("details")) == 1
    assert parsed.all("details")[0][1] == {}  # folded
    assert len(parsed.said("pre")) == 1 + 3
    looking = "What to look at:" if lang == "en" else JAPANESE["What to look at:"]
    assert parsed.said("figcaption") == [f"{looking} text"] * 3


def test_tables_have_headers_a_caption_and_marks_that_need_no_colour() -> None:
    parsed = Page(page(report_with("text")))
    assert parsed.said("caption") == ["text", "text"]
    headers = [(attributes.get("scope"), text) for _, attributes, text in parsed.all("th")]
    columns = [("col", name) for name in ("Input", "Predicted", "Target", "Right?")]
    assert headers == (columns + [("row", "text")] * 4) * 2
    marks = [(a["class"], text) for _, a, text in parsed.all("td") if "class" in a]
    right, wrong = ("right", "✓ right"), ("wrong", "✗ wrong")
    assert marks == [right, wrong, right, right] * 2


def test_tables_of_any_columns_and_sections_with_headings_of_their_own() -> None:
    table = Table("caption", ("a", "b", "c"), (("1", "<2>", True), ("3", None, False)), "verdict")
    bare = replace(table, verdict=None)
    report = replace(
        report_with("text"),
        tables=(table,),
        results="what came of it",
        sections=(Section("the model", ("first", "second"), (bare, bare)),),
    )
    parsed = Page(page(report))
    assert parsed.said("h2")[:3] == ["what came of it", "the model", "Pictures"]
    assert parsed.said("caption") == ["caption"] * 3
    headers = [(attributes["scope"], text) for _, attributes, text in parsed.all("th")]
    row = [("col", "a"), ("col", "b"), ("col", "c"), ("row", "1"), ("row", "3")]
    assert headers == row * 3
    cells = [(attributes.get("class"), text) for _, attributes, text in parsed.all("td")]
    marks = [("undecided", "– undecided"), ("wrong", "✗ wrong")]
    assert cells == [(None, "<2>"), ("right", "✓ right"), *marks] * 3
    paragraphs = parsed.said("p")
    assert paragraphs.count("verdict") == 1
    assert paragraphs.index("verdict") < paragraphs.index("first") < paragraphs.index("second")
    assert "" not in paragraphs


def test_short_cells_stay_on_a_line_and_commands_are_not_cut() -> None:
    columns = ("a", "b", "c", "d")
    tables = tuple(
        Table("caption", columns + more, (("1",) * len(columns + more),)) for more in ((), ("e",))
    )
    parsed = Page(page(replace(report_with("text"), tables=tables)))
    assert [a.get("class") for _, a, _ in parsed.all("section")] == [None, "wide"]
    (style,) = parsed.said("style")
    rules = dict(re.findall(r"^([^{}\n]+) \{ ([^}]+) \}$", style, re.MULTILINE))
    assert "white-space: nowrap" in rules["td, thead th"]
    assert "overflow-x: auto" in rules[".tables section"]
    assert rules[".command"] == "white-space: pre-wrap;"
    kinds = [attributes["class"] for _, attributes, _ in parsed.all("pre")]
    assert kinds == ["lines", "command", "command", "command"]


def test_the_predictions_come_before_the_pictures_and_a_missing_picture_is_told() -> None:
    report = report_with("text")
    parsed = Page(page(report))
    tags = [tag for tag, _ in parsed.elements]
    assert tags.index("table") < tags.index("figure")
    assert len(parsed.all("img")) == 2  # of three figures: the third says its alternative text
    alone = Figure(5, "heading", None, "what the picture would show", "look")
    lonely = Page(page(replace(report, figures=(alone,))))
    assert "what the picture would show" in lonely.said("figure")[0]
    assert "Pictures" not in Page(page(replace(report, figures=()))).said("h2")


def test_pictures_are_the_given_bytes_in_their_natural_size() -> None:
    plot, drawing = (attributes for _, attributes, _ in Page(page(report_with("x"))).all("img"))
    kinds = ("png", PNG, 6 * 96, 3 * 96), ("svg+xml", SVG, 1500 / 72 * 96, 300 / 72 * 96)
    for attributes, (kind, data, width, height) in zip((plot, drawing), kinds, strict=True):
        start, _, encoded = (attributes["src"] or "").partition(",")
        assert start == f"data:image/{kind};base64"
        assert b64decode(encoded, validate=True) == data
        assert attributes["alt"] == "x"
        size = (attributes["width"], attributes["height"])
        assert size == (f"{width:.0f}", f"{height:.0f}")
        assert attributes["style"] == f"max-width: max(100%, {width * 0.625:.0f}px)"


def test_a_png_that_names_no_resolution_is_shown_dot_by_dot() -> None:
    at = PNG.index(b"pHYs")
    (length,) = struct.unpack(">I", PNG[at - 4 : at])
    bare = PNG[: at - 4] + PNG[at + 4 + length + 4 :]
    images = Page(page(report_with("x", bare))).all("img")
    assert images[1][1]["width"] == "1200"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"GIF89a", "neither PNG nor SVG"),
        (b"", "neither PNG nor SVG"),
        (b'<svg viewBox="0 0 1 1"/>', "no size"),
    ],
)
def test_other_pictures_are_refused(image: bytes, message: str) -> None:
    figure = Figure(1, "a", image, "b", "c")
    with pytest.raises(ValueError, match=message):
        page(replace(report_with("text"), figures=(figure,)))


def skeleton(parsed: Page) -> list[tuple[str, tuple[str, ...]]]:
    return [(tag, tuple(attributes)) for tag, attributes in parsed.elements]


def test_hostile_texts_stay_texts() -> None:
    text = page(report_with(HOSTILE))
    parsed = Page(text)
    assert skeleton(parsed) == skeleton(Page(page(report_with("harmless"))))
    shown = HOSTILE.replace("\ud800", "\\ud800")
    assert parsed.said("h1") == parsed.said("title") == [shown]
    assert parsed.said("code") == [shown] * 4
    assert {attributes["alt"] for _, attributes, _ in parsed.all("img")} == {shown}
    text.encode()  # what UTF-8 cannot hold is spelt out


@given(st.text())
def test_no_text_changes_the_structure_of_the_page(text: str) -> None:
    assert skeleton(Page(page(report_with(text)))) == skeleton(Page(page(report_with("harmless"))))


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    shares = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_texts_contrast_with_the_page_in_light_and_dark() -> None:
    # WCAG 2.2, success criterion 1.4.3: at least 4.5 to 1.
    style = Page(page(report_with("x"))).said("style")[0]
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w+);", block))
        for block in style.split("prefers-color-scheme: dark")
    )
    assert luminance(light["paper"]) > 0.9 > 0.1 > luminance(dark["paper"])
    for colours in (light, dark):
        for ink, paper in (
            *((name, "paper") for name in ("ink", "faint", "right", "wrong")),
            ("ink", "box"),
        ):
            pair = sorted((luminance(colours[ink]), luminance(colours[paper])))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, paper)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"'fr'.*'en'.*'ja'"):
        page(report_with("x"), "fr")
