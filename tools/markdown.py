"""Pieces of the pages in docs, as GitHub shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable


def math(latex: str) -> str:
    """LaTeX inside a line, or inside a table."""
    latex = latex.replace(r"\operatorname{", r"\mathrm{")  # which GitHub does not allow
    latex = latex.replace(r"\|", r"\Vert ")
    latex = re.sub(r"\\(left|right)\|", r"\\\1\\vert ", latex).replace("|", r"\vert ")
    if "`" in latex:
        raise ValueError(f"a formula with a backtick cannot be shown: {latex}")
    return f"$`{latex}`$"


def code(text: str) -> str:
    """Python in one line."""
    return "`" + " ".join(text.split()) + "`"


def table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table, with a new line at its end."""
    # GitHub takes a bar for the end of a cell, in code too.
    lines = [[cell.replace("|", r"\|") for cell in row] for row in (heading, *rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def issue(reference: str) -> str:
    """A link to an issue, given as "owner/name#number"."""
    repository, number = reference.split("#")
    return f"[{repository} {number}](https://github.com/{repository}/issues/{number})"
