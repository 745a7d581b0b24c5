"""The legend: what the shapes, colours, lines and signs mean that occur in a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import graphviz
import numpy as np

from .dot_labels import cell, cell_of, grid, lines_label, row, table
from .folding import Folding, kind
from .heatmap import NOT_FINITE, Heatmap, colour_of
from .labels import Say, numbers
from .looks import BACKWARD, FAINT, FRAME, KINDS, LAYER, LINE, MEANINGS, PLAIN, WIDTHS, look_of

SAMPLE = 24
Sample = tuple[str, str]
"""A cell with a sample, and one that says what it means."""


def add_legend(
    dot: graphviz.Digraph, folded: Folding, backward: bool, maps: Sequence[Heatmap], say: Say
) -> None:
    """Add it below the output: a node for each kind of part, and a table for everything else."""
    root = f"n{folded.root.number}"
    occurring = {look_of(part, folded.output)[0] for part in folded.parts}
    rows = [row(sample) for sample in samples(folded, backward, maps, say)]
    with dot.subgraph() as kinds:
        kinds.attr(rank="same")
        for what, look in {**KINDS, "layer": LAYER}.items():
            if what in occurring:
                name = f"legend_{what}"
                kinds.node(name, **look, **lines_label([say(MEANINGS[what])]))
                dot.edge(root, name, style="invis", weight="0")
                if rows:
                    dot.edge(name, "legend", style="invis")
    if rows:
        dot.node("legend", f"<{table(rows, spacing=3)}>", **PLAIN)


def samples(folded: Folding, backward: bool, maps: Sequence[Heatmap], say: Say) -> Iterator[Sample]:
    """The rows of the table."""
    items = [part.ends[-1] for part in folded.parts]
    arrays = any(np.ndim(numbers(item)) for item in items)
    if any(kind(item) == "operation" for item in items):
        yield cell("↓"), cell(say("forward: values"), left=True)
    if backward:
        rule = "backward: incoming gradient × local derivative = message"
        yield cell("↑", BACKWARD), cell(say(rule), BACKWARD, left=True)
        total = "a gradient is the sum of the messages that arrive"
        yield cell(""), cell(say(total), BACKWARD, left=True)
        yield cell_of(widths()), cell(say("line width: |message|, of an array its rms"), left=True)
    if any(kind(link.source.items[0]) == "constant" for link in folded.links):
        dashes = f'BORDER="1" SIDES="B" STYLE="dashed" COLOR="{FAINT}"'
        yield drawn(dashes, 2), cell(say("no gradient is passed"), left=True)
    if any(kind(item) != "constant" and item.grad is None for item in items):
        yield cell("–"), cell(say("no gradient yet: no backward() has come here"), left=True)
    if arrays:
        yield cell("±"), cell(say("array: mean ± standard deviation"), left=True)
    if backward and (arrays or any(part.count > 1 for part in folded.parts)):
        text = "root mean square; × of two arrays: entry by entry"
        yield cell("rms"), cell(say(text), left=True)
    if any(part.box for part in folded.parts):
        yield cell("δ"), cell(say("gradient of a layer's output"), left=True)
    if any(part.frame for part in folded.parts):
        frame = f'BORDER="1" STYLE="rounded" COLOR="{FRAME}"'
        yield drawn(frame, 12), cell(say("what one layer computes"), left=True)
    if any(part.count > 1 for part in folded.parts):
        yield cell("×N"), cell(say("N times alike in a row, drawn once"), left=True)
        yield cell("a … b"), cell(say("in the first and in the last of them"), left=True)
    if maps:
        scale = grid([[(colour_of(step / 4), step < 0) for step in range(-4, 5)]])
        text = "entries of an array, from −a to a where ±a stands below"
        yield cell_of(scale), cell(say(text), left=True)
    for block in sorted({each.block for each in maps} - {(1, 1)}):
        text = say("of larger arrays: means of {} × {} entries").format(*block)
        yield cell("■"), cell(text, left=True)
    if any((NOT_FINITE, False) in line for each in maps for line in each.cells):
        text = say("an entry that is not finite")
        yield cell_of(grid([[(NOT_FINITE, False)]])), cell(text, left=True)


def drawn(look: str, height: int) -> str:
    """A cell with a sample of a line."""
    size = f'FIXEDSIZE="TRUE" WIDTH="{SAMPLE}" HEIGHT="{height}"'
    return cell_of(table([row([f"<TD {size} {look}></TD>"])]))


def widths() -> str:
    """Lines of all widths with the message that each stands for, one below the other."""
    names = {exponent: f"{10.0**exponent:g}" for exponent in WIDTHS}
    names[min(WIDTHS)] = f"≤ 1e−{-min(WIDTHS)}"
    names[max(WIDTHS)] = f"≥ {10 ** max(WIDTHS)}"
    rows = (
        row([drawn(f'BGCOLOR="{LINE}"', points), cell(f"\u00a0{names[exponent]}", left=True)])
        for exponent, points in WIDTHS.items()
    )
    return table(rows, spacing=2)
