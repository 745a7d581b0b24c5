"""The verdicts on a gradient, and how they are shown: as text, as HTML, as a picture."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..tables import width
from .verdict import Kind, Verdict
from .words import sentence, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 60
KINDS: tuple[Kind, ...] = ("correct", "kink", "inconclusive", "wrong")
WRONG = "background: #fbe3e4; color: #7a0010"
MARKS = {"correct": "✓", "wrong": "✗", "kink": "∠", "inconclusive": "?"}


@dataclass(frozen=True)
class Entry:
    """One derivative: its name, the verdict on the claim, and the plain central differences.

    `name` is that of the input with the index of its entry, and of the output's where there are
    several: "x[2]", "output[1] by x[0, 3]". `quotients` are the differences over `steps`.
    """

    name: str
    verdict: Verdict
    steps: tuple[float, ...] = field(default=(), repr=False)
    quotients: tuple[float, ...] = field(default=(), repr=False)

    def cells(self, lang: str = "en") -> tuple[str, ...]:
        """Name, claim, what is expected, its bar, and the verdict in words."""
        v = self.verdict
        if v.kind == "kink":
            to = " to " if lang == "en" else "～"
            expected = f"{v.low + 0.0:.6g}{to}{v.high + 0.0:.6g}"  # adding 0 takes the sign off −0
        else:
            expected = f"{v.expected + 0.0:.10g}"
        claim = "–" if v.reason == "shape" else f"{v.claim:.10g}"
        return self.name, claim, expected, f"±{v.bar:.1e}", sentence(v, lang)

    @property
    def kind(self) -> Kind:
        """What the entry counts as: wrong also at a kink, if the claim is outside of its slopes."""
        return self.verdict.kind if self.verdict.ok else "wrong"

    @property
    def severity(self) -> tuple[int, float, float]:
        """What sorts entries: wrong ones by how far off they are, right ones by their digits."""
        v = self.verdict
        rank = KINDS.index(v.kind) if v.ok else len(KINDS)
        return rank, v.error / v.bar if v.bar else v.error, -v.digits


@dataclass(frozen=True)
class Report:
    """The verdicts on all derivatives of a function at a point.

    `notes` say what was done beyond the usual: inputs converted, entries sampled. `guesses` say
    which mistake would explain wrong entries. `evaluations` is how often the function was called.
    """

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()
    evaluations: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the gradient: no wrong entry, none outside of a kink."""
        return all(entry.verdict.ok for entry in self.entries)

    @property
    def proven(self) -> bool:
        """Whether it is ok and nothing is inconclusive."""
        return self.ok and not self.count("inconclusive")

    @property
    def worst(self) -> Entry:
        """The entry to look at first: a wrong one, or else the least certain one."""
        if not self.entries:
            raise ValueError("this report has no entries: there was nothing to differentiate")
        return max(self.entries, key=lambda entry: entry.severity)

    def count(self, kind: Kind) -> int:
        """How many entries have this kind of verdict; at a kink, a claim outside is wrong."""
        return sum(entry.kind == kind for entry in self.entries)

    def summary(self, lang: str = "en") -> str:
        """One line: how many entries there are of each kind."""
        say = words(lang)
        kinds = [f"{self.count(kind)} {say[kind]}" for kind in KINDS if self.count(kind)]
        joined = ("、" if lang == "ja" else ", ").join(kinds) or "-"
        return say["count"].format(total=len(self.entries), kinds=joined)

    def columns(self, lang: str = "en") -> list[str]:
        """The head of the table."""
        return words(lang)["columns"].split("|")

    def shown(self, rows: int = ROWS) -> Sequence[Entry]:
        """All entries in their order if they are few, else the worst ones first."""
        if len(self.entries) <= rows:
            return self.entries
        return sorted(self.entries, key=lambda entry: entry.severity, reverse=True)[:rows]

    def table(self, lang: str = "en", rows: int = ROWS) -> str:
        """The summary, and a line for each entry: claim, expected value, bar, verdict."""
        lines = [self.columns(lang), *(entry.cells(lang) for entry in self.shown(rows))]
        widths = [max(width(line[i]) for line in lines) for i in range(len(lines[0]) - 1)]
        text = [self.summary(lang)]
        for *cells, verdict in lines:
            padded = [cell + " " * (w - width(cell)) for cell, w in zip(cells, widths, strict=True)]
            text.append("  ".join([*padded, verdict]))
        return "\n".join([*text, *self.remarks(lang, rows)])

    def remarks(self, lang: str = "en", rows: int = ROWS) -> list[str]:
        """What is said below the table."""
        more = len(self.entries) - rows
        left_out = [words(lang)["more"].format(count=more)] if more > 0 else []
        return [*left_out, *self.guesses, *self.notes]

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        def row(tag: str, cells: Sequence[str], look: str = "") -> str:
            sides = ("center", "left", "right", "right", "right", "left")
            inside = "".join(
                f'<{tag} style="text-align: {side}; padding: 0 0.6em">{html.escape(cell)}</{tag}>'
                for side, cell in zip(sides, cells, strict=True)
            )
            return f'<tr style="{look}">{inside}</tr>'

        head = row("th", ["", *self.columns()])
        body = [
            row("td", [MARKS[e.kind], *e.cells()], WRONG if e.kind == "wrong" else "")
            for e in self.shown()
        ]
        below = [f"<p>{html.escape(line)}</p>" for line in self.remarks()]
        table = f"<table>{head}{''.join(body)}</table>"
        return f"<p>{html.escape(self.summary())}</p>{table}{''.join(below)}"

    def plot(self, lang: str = "en") -> Figure:
        """The worst entry's error against the step, with the bar of the extrapolated slope.

        Large steps are off by the curvature of the function, small ones by rounding: a V, which is
        why no single step is right. Needs an entry that differences were taken for.
        """
        from ..draw.differences import error_against_step

        return error_against_step(self.worst, lang=lang)
