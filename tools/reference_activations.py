"""The reference of the activations: a page for each card, with its curve."""

from __future__ import annotations

import hashlib
from pathlib import Path

import tinygrad_edu as te
from tinygrad_edu.activations import ACTIVATIONS, SIXTEEN
from tinygrad_edu.activations.card import LABELS, entry_of, fact_rows, short
from tinygrad_edu.activations.facts import curve
from tinygrad_edu.engine.operation import Operation
from tools.markdown import table
from tools.reference_operations import home, sources
from tools.reference_words import escaped, label

SAY = LABELS["en"]
# A longer formula would make the table of all too wide; it stands on the activation's own page.
LONGEST = 160
OVERVIEW = """\
# Activations

The sixteen of the second article, and those that PyTorch has beside them. Each has a card: the
formula and the derivative, traced from its record; where it bends, and the value that the rule
takes there; strengths, weaknesses, initialiser, source. `tinygrad-edu activations mish` shows the
same in a terminal.
"""


def pages() -> dict[str, str]:
    """The list of all activations, and a page for each."""
    written = {"activations": overview()}
    return written | {f"activations/{name}": page(op) for name, op in ACTIVATIONS.items()}


def overview() -> str:
    """The sixteen, then the others."""
    parts = [OVERVIEW, "```{toctree}\n:hidden:\n"]
    parts += [f"activations/{name}" for name in ACTIVATIONS] + ["```\n"]
    sixteen = [each.name for each in SIXTEEN]
    others = [name for name in ACTIVATIONS if name not in sixteen]
    for heading, names in (("The sixteen of the article", sixteen), ("Others", others)):
        rows = ((f"[{title(name)}](activations/{name}.md)", *in_short(name)) for name in names)
        parts += [f"## {heading}\n", table(("activation", "f(x)", "f′(x)", "range"), rows)]
    return "\n".join(parts)


def title(name: str) -> str:
    """What it is called in headings."""
    return ACTIVATIONS[name].card().title


def in_short(name: str) -> tuple[str, str, str]:
    """Formula, derivative and range for a table."""
    card = ACTIVATIONS[name].card()
    slope = card.slopes[0][1]
    formulas = [each.in_latex() for each in (card.formula, slope)]
    value, derivative = (f"${latex}$" if len(latex) <= LONGEST else "" for latex in formulas)
    return value, derivative, entry_of(name)["range"]


def page(op: Operation) -> str:
    """One card: the picture first, then formulas, facts and words."""
    card = ACTIVATIONS[op.name].card()
    parts = [
        f"{label(f'activation-{op.name}')}# {card.title}\n",
        f"![{card.alt}](../pictures/{op.name}.png)\n",
        f'`te.activations.{op.name}`, `activation="{op.name}"` in layers.\n',
    ]
    for name, formula in ((SAY["formula"], card.formula), *card.slopes):
        parts.append(f"{name}\n\n$$\n{formula.in_latex()}\n$$\n")
    facts = fact_rows(op, SAY) if curve(op) else []
    rows = [
        *((name, escaped(text)) for name, text in card.rows),
        *facts,
        (SAY["paper"], entry_of(op.name)["paper"]),
    ]
    path = home(op)
    rows.append(("Declared in", f"[{path}](../../../{path})"))
    parts.append(table(("", ""), rows))
    parts.append(escaped(card.footnote) + "\n")
    parts.append(table(card.heading, (map(short, row) for row in card.table)))
    return "\n".join(parts)


def draw(folder: Path) -> None:
    """The curves as small pictures; drawn anew only when a file of the package has changed."""
    stamp = hashlib.sha256("".join(sources().values()).encode()).hexdigest()
    drawn = folder / "drawn_from.txt"
    if drawn.exists() and drawn.read_text(encoding="utf-8") == stamp:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in ACTIVATIONS:
        te.draw.activation(name).savefig(folder / f"{name}.png", dpi=100)
    drawn.write_text(stamp, encoding="utf-8")
