"""Labels in DOT: text that means nothing else there, in lines, records and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .heatmap import Heatmap
from .labels import NodeText, Say, number
from .looks import FONT_SIZE, GRID, INK
from .render import is_wide

CELL = 10


def escaped(text: str) -> str:
    """Text that DOT shows as it is: what means something to DOT is written as an entity."""
    # A backslash still means something after the entity is decoded: therefore twice.
    return re.sub(r'[&<>{}|"]|(\\)', lambda c: f"&#{ord(c[0])};" * (2 if c[1] else 1), text)


def lines_label(lines: Iterable[str]) -> dict[str, str]:
    """A label of centred lines."""
    lines = [line for line in lines if line]
    return {"label": "\\n".join(map(escaped, lines)), **room_for(lines)}


def left_aligned(lines: Iterable[str]) -> dict[str, str]:
    """A label of lines that begin a little to the right of its edge; none for no lines."""
    text = "".join(f"\u00a0{escaped(line)}\\l" for line in lines)
    return {"label": text} if text else {}


def record_label(text: NodeText) -> dict[str, str]:
    """A label in compartments: the headings, and below them the numbers side by side."""
    headings = "\\n".join(map(escaped, text.headings))
    return {
        "label": f"{{{headings}|{{{'|'.join(map(escaped, text.numbers))}}}}}",
        **room_for([*text.headings, "    ".join(text.numbers)]),
    }


def heatmap_label(text: NodeText, maps: Sequence[Heatmap | None], say: Say) -> dict[str, str]:
    """A label with a heatmap below each of the numbers."""
    span = max(len(text.numbers), 1)
    rows = [row([cell(heading, span=span)]) for heading in text.headings]
    # Two texts side by side keep their distance.
    rows.append(row(cell(f"\u00a0{line}\u00a0") for line in text.numbers))
    rows.append(row(cell_of(grid(each.cells)) if each else cell("") for each in maps[:span]))
    ranges = [f"±{number(each.range, 3)}" if each else "" for each in maps[:span]]
    rows.append(row(map(cell, ranges)))
    return {"label": f"<{table(rows, spacing=3)}>"}


def grid(rows: Sequence[Sequence[tuple[str, bool]]]) -> str:
    """Coloured cells with lines between them, each with its colour and whether it is below zero."""
    side = CELL + 1
    return table(
        (row(block(colour, CELL, CELL, below) for colour, below in cells) for cells in rows),
        spacing=1,
        look=f'BGCOLOR="{GRID}" FIXEDSIZE="TRUE" WIDTH="{len(rows[0]) * side + 1}" '
        f'HEIGHT="{len(rows) * side + 1}"',
    )


def table(rows: Iterable[str], spacing: int = 0, look: str = "") -> str:
    """A table without borders but with further attributes."""
    frame = f'BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="{spacing}" {look}'
    return f"<TABLE {frame.strip()}>{''.join(rows)}</TABLE>"


def row(cells: Iterable[str]) -> str:
    """A row of a table."""
    return f"<TR>{''.join(cells)}</TR>"


def cell(text: str, colour: str = INK, left: bool = False, span: int = 1) -> str:
    """A cell with text, as wide as Japanese text needs."""
    attributes = [*(['ALIGN="LEFT"'] if left else []), *([f'COLSPAN="{span}"'] if span > 1 else [])]
    if em := wide(text):
        attributes.append(f'WIDTH="{em * FONT_SIZE:.0f}"')
    shown = f'<FONT COLOR="{colour}">{escaped(text)}</FONT>' if text else ""
    return f"<TD{''.join(f' {each}' for each in attributes)}>{shown}</TD>"


def cell_of(inside: str) -> str:
    """A cell with a table in it."""
    return f"<TD>{inside}</TD>"


def block(colour: str, width: int, height: int, below: bool = False) -> str:
    """A cell of one colour, in points; with a minus sign if it stands for less than zero."""
    size = f'FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}"'
    sign = f'<FONT POINT-SIZE="{height - 2}">−</FONT>' if below else ""
    return f'<TD {size} BGCOLOR="{colour}">{sign}</TD>'


def room_for(lines: Iterable[str]) -> dict[str, str]:
    """A least width for Japanese lines, which graphviz-pure takes to be narrower than they are."""
    em = max(map(wide, lines), default=0)
    return {"width": f"{em * FONT_SIZE / 72 + 0.25:.2f}"} if em else {}


def wide(line: str) -> float:
    """About how many ems a Japanese line is long; 0 for a line that is not Japanese."""
    if not any(map(is_wide, line)):
        return 0
    return sum(1.0 if is_wide(c) else 0.6 for c in line)
