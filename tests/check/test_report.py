"""The report: what is counted, which entry is the worst, and how it is shown."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import tinygrad_edu as te
from tinygrad_edu.check import Entry, Report, Verdict, gradients, judge
from tinygrad_edu.errors import ShapeError, UnknownNameError
from tinygrad_edu.tables import width

HOSTILE = "<script>alert('&\"')</script>"


def entry(name: str, claim: float, x: float = 0.5) -> Entry:
    """sin at x, with a claimed slope."""
    verdict, seen = judge(claim, lambda t: math.sin(x + t), x)
    return Entry(name, verdict, seen.steps, seen.quotients)


def at_a_kink(name: str, claim: float) -> Entry:
    verdict, seen = judge(claim, abs, 0.0)
    return Entry(name, verdict, seen.steps, seen.quotients)


def at_a_jump(name: str) -> Entry:
    verdict, seen = judge(0.0, lambda t: float(np.floor(t)), 0.0)
    return Entry(name, verdict, seen.steps, seen.quotients)


RIGHT = entry("a", math.cos(0.5))
WRONG = entry("b[1]", 2 * math.cos(0.5))
KINK = at_a_kink("c", 0.25)
OUTSIDE = at_a_kink("d", 1.25)
UNCLEAR = at_a_jump("e")
ALL = (RIGHT, WRONG, KINK, OUTSIDE, UNCLEAR)


def test_kinds_are_counted() -> None:
    report = Report(ALL)
    assert [report.count(kind) for kind in ("correct", "wrong", "kink", "inconclusive")] == [
        1,
        2,  # one of them outside of the slopes at a kink
        1,
        1,
    ]
    assert "5" in report.summary()
    for said in ("1 correct", "1 kink", "1 inconclusive", "2 wrong"):
        assert said in report.summary()
    assert "wrong" not in Report((RIGHT,)).summary()


@pytest.mark.parametrize(
    ("entries", "ok", "proven"),
    [
        ((RIGHT,), True, True),
        ((RIGHT, KINK), True, True),
        ((RIGHT, UNCLEAR), True, False),
        ((RIGHT, OUTSIDE), False, False),
        ((RIGHT, WRONG), False, False),
        (ALL, False, False),
        ((), True, True),
    ],
)
def test_a_report_is_ok_or_proven(entries: tuple[Entry, ...], ok: bool, proven: bool) -> None:
    report = Report(entries)
    assert (report.ok, report.proven) == (ok, proven)


def test_the_worst_entry_is_wrong_or_else_the_least_certain() -> None:
    slight = entry("slight", math.cos(0.5) * (1 + 1e-6))
    none = entry("none", math.nan)
    assert Report((RIGHT, slight, WRONG)).worst is WRONG
    assert Report((none, RIGHT, slight, WRONG)).worst is none
    assert Report((RIGHT, UNCLEAR, KINK)).worst is UNCLEAR
    assert Report((RIGHT, KINK)).worst is KINK
    assert Report((RIGHT, UNCLEAR, OUTSIDE)).worst is OUTSIDE
    coarse = Entry("f", judge(1.0, lambda t: 1e5 + t, 1.0)[0])
    assert coarse.verdict.kind == "correct"
    assert Report((RIGHT, coarse)).worst is coarse
    with pytest.raises(ValueError, match="no entries"):
        _ = Report(()).worst


# As text


def test_the_table_has_a_line_for_each_entry() -> None:
    lines = Report(ALL, notes=("a note",), guesses=("a guess",)).table().splitlines()
    summary, head, *rows, guess, note = lines
    assert summary == Report(ALL).summary()
    assert re.split(r"\s{2,}", head) == ["derivative", "claimed", "expected", "bar", "verdict"]
    assert [row.split()[0] for row in rows] == [each.name for each in ALL]
    assert (guess, note) == ("a guess", "a note")
    right, wrong, kink, outside, unclear = rows
    assert re.search(r"correct \(1\d digits\)$", right)
    assert "0.8775825619" in right
    assert "1.755165124" in wrong
    assert "WRONG" in wrong
    assert "2 times" in wrong
    assert "-1 to 1" in kink
    assert "kink" in kink
    assert "WRONG at a kink" in outside
    assert "inconclusive" in unclear
    assert "jump" in unclear
    assert str(Report(ALL)) == Report(ALL).table()


@pytest.mark.parametrize("error", [1e-8, 1e-10, 1e-11])
def test_what_is_claimed_and_what_is_expected_can_be_told_apart(error: float) -> None:
    claim = math.cos(0.5) * (1 + error)
    found = entry("x", claim)
    assert found.verdict.kind == "wrong"
    line = Report((found,)).table().splitlines()[2]
    assert "1 times the right one" not in line
    exponent = f"e-{-math.floor(math.log10(error)):02d}"
    _, claimed, expected, *_ = re.split(r"\s{2,}", line)
    assert claimed != expected or exponent in line


def test_columns_are_aligned_in_both_languages() -> None:
    x = np.linspace(-1, 1, 4).reshape(2, 2)
    report = gradients(lambda weight: np.sum(np.abs(weight) ** 3), x)
    for lang in ("en", "ja"):
        _, head, *rows = report.table(lang).splitlines()
        starts = []
        for line in (head, *rows):
            cells = re.split(r"(?<=\S)\s{2,}(?=\S)", line)
            assert len(cells) == 5
            starts.append([width(line[: line.rindex(cells[-1])])])
        assert len({tuple(each) for each in starts}) == 1


def test_japanese_says_the_same() -> None:
    report = Report(ALL)
    text = report.table("ja")
    for said in ("微分", "期待される値", "判定", "正しい", "誤り", "折れ点", "判定不能"):
        assert said in text
    for word in ("derivative", "correct", "WRONG", "kink", "inconclusive", "jump", "digits"):
        assert word not in text
    assert "5 個" in report.summary("ja")
    with pytest.raises(UnknownNameError, match="fr"):
        report.table("fr")


def test_every_reason_is_said_in_both_languages() -> None:
    from tinygrad_edu.check.words import REASONS, WORDS

    assert set(REASONS["en"]) == set(REASONS["ja"])
    assert set(WORDS["en"]) == set(WORDS["ja"])
    for reason in REASONS["en"]:
        found = Verdict("inconclusive", 1.0, 0.5, 0.1, 0.4, 0.6, reason=reason)
        english, japanese = (Entry("x", found).cells(lang)[-1] for lang in ("en", "ja"))
        assert english.isascii() or "±" in english
        assert not japanese.isascii()
        assert "{" not in english + japanese


def test_a_long_table_shows_the_worst_first_and_says_how_many_are_left_out() -> None:
    x = np.linspace(0.1, 2, 100)
    report = gradients(
        lambda x: np.sum(np.sin(x)),
        x,
        rule=lambda x: np.cos(x) * (1 + (np.arange(100) == 77)),
    )
    lines = report.table(rows=5).splitlines()
    assert lines[2].startswith("x[77]")
    assert len([line for line in lines if line.startswith("x[")]) == 5
    assert any("95 more" in line for line in lines)
    assert len(report.table().splitlines()) < 100
    assert len([line for line in report.table(rows=100).splitlines() if line[:2] == "x["]) == 100


def test_a_negative_zero_is_shown_as_zero() -> None:
    found = gradients(lambda x: np.sum(np.maximum(x, 0)), [-1.0, 0.0], rule=lambda x: 0 * np.abs(x))
    assert not re.search(r"(^|\s)-0(\s|$)", found.table())


def test_one_derivative_is_one() -> None:
    assert "1 derivatives" not in Report((RIGHT,)).summary()


# As HTML


class Cells(HTMLParser):
    """The tags of a page and the texts in its cells."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_is_a_table_in_which_texts_stay_texts() -> None:
    hostile = Report((Entry(HOSTILE, WRONG.verdict), RIGHT), notes=(HOSTILE,), guesses=(HOSTILE,))
    harmless = Report((Entry("x", WRONG.verdict), RIGHT), notes=("x",), guesses=("x",))
    page, plain = Cells(hostile._repr_html_()), Cells(harmless._repr_html_())
    assert page.tags == plain.tags
    assert page.tags.count("tr") == 3
    assert "script" not in page.tags
    assert page.texts.count(HOSTILE) == 3


def test_html_says_what_the_table_says() -> None:
    report = Report(ALL, notes=("a note",))
    texts = Cells(report._repr_html_()).texts
    assert report.summary() in texts
    assert "a note" in texts
    for each in ALL:
        for cell in each.cells():
            assert cell in texts
    assert {"✓", "✗", "∠", "?"} <= set(texts)


def test_long_html_is_cut_too() -> None:
    report = Report(tuple(Entry(f"x[{i}]", RIGHT.verdict) for i in range(500)))
    assert Cells(report._repr_html_()).tags.count("tr") < 200


# As a picture


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_plot_is_the_error_against_the_step_with_the_bar(lang: str) -> None:
    report = Report((RIGHT, WRONG))
    figure = report.plot(lang)
    assert isinstance(figure, Figure)
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert WRONG.name in axes.get_title()
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    heights = [np.asarray(line.get_ydata(), float) for line in axes.get_lines()]
    assert any(np.all(height == WRONG.verdict.bar) for height in heights)


def test_the_plot_shows_the_v_of_curvature_and_rounding() -> None:
    (axes,) = Report((entry("x", math.cos(0.5)),)).plot().axes
    lines = [line for line in axes.get_lines() if len(np.asarray(line.get_xdata())) > 10]
    steps, errors = (np.asarray(each, float) for each in lines[0].get_data())
    order = np.argsort(steps)
    steps, errors = steps[order], errors[order]
    # sin'''(0.5) h²/6 at the largest steps; rounding, eps / h, at the smallest.
    assert errors[-1] == pytest.approx(math.cos(0.5) * steps[-1] ** 2 / 6, rel=0.01)
    assert errors.min() < errors[0]
    assert errors.min() < errors[-1]
    assert errors[:5].max() < 10 * 2.0**-52 / steps[0]


def test_a_claim_that_is_far_off_stays_in_the_picture() -> None:
    (axes,) = Report((WRONG,)).plot().axes
    top = max(float(np.max(np.asarray(line.get_ydata(), float))) for line in axes.get_lines())
    assert top == pytest.approx(math.cos(0.5), rel=0.01)


def test_without_differences_there_is_nothing_to_plot() -> None:
    with pytest.raises(ShapeError, match="no differences"):
        Report((Entry("x", WRONG.verdict),)).plot()
    for verdict in (gradients(np.log, -1.0, rule=lambda x: 1 / x), Report((UNCLEAR,))):
        assert isinstance(verdict.plot(), Figure)


def test_names_in_the_title_are_no_formulas() -> None:
    figure = Report((Entry("cost$_1$ \\frac", WRONG.verdict, WRONG.steps, WRONG.quotients),)).plot()
    figure.canvas.draw()
    assert te.check.Report is Report
