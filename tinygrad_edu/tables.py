"""Tables in plain text and in HTML, the same for all that is printed and shown in notebooks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from html import escape
from unicodedata import east_asian_width

from .errors import UnknownNameError

Row = Sequence[str]


def refuse_language(what: str, lang: str) -> None:
    """Raise `UnknownNameError` for a language in which nothing is written."""
    if lang not in ("en", "ja"):
        raise UnknownNameError(f'{what} is written in "en" and "ja", not {lang!r}')


def width(text: str) -> int:
    """How many columns a text takes: kana and kanji two each."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def aligned(rows: Sequence[Row], left: Collection[int] = ()) -> list[str]:
    """A line for each row, columns aligned to the right but for those numbered in `left`."""
    widths = [max(map(width, cells)) for cells in zip(*rows, strict=True)]

    def cells(row: Row) -> Iterator[str]:
        for number, (cell, wide) in enumerate(zip(row, widths, strict=True)):
            room = " " * (wide - width(cell))
            yield cell + room if number in left else room + cell

    return ["  ".join(cells(row)).rstrip() for row in rows]


def as_text(title: str, rows: Sequence[Row], notes: Sequence[str] = (), left: int = 1) -> str:
    """A table with its heading first in `rows`, and notes below; the first columns are `left`."""
    heading, *lines = aligned(rows, range(left))
    rule = "─" * max(map(width, (heading, *lines)))
    return "\n".join([title, heading, rule, *lines, rule, *notes])


def as_html(title: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """The same for a notebook."""
    heading, *body = (
        "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
        for tag, row in zip(("th", *["td"] * (len(rows) - 1)), rows, strict=True)
    )
    return (
        f"<table><caption>{escape(title)}</caption><thead><tr>{heading}</tr></thead><tbody>"
        + "".join(f"<tr>{row}</tr>" for row in body)
        + "</tbody></table>"
        + "".join(f"<p>{escape(note)}</p>" for note in notes)
    )
