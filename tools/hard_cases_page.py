"""Writes docs/hard_cases.md: python -m tools.hard_cases_page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tests.hard_cases import BEHAVIOUR, GROUPS, WRONG_RULES, Case, Group
from tinygrad_edu.files import write_text
from tools.markdown import code, issue, table

PAGE = Path(__file__).parent.parent / "docs" / "hard_cases.md"
# Of arrays with more entries than this only the shape is shown.
SHOWN = 12

INTRODUCTION = """\
# Hard cases

What we return where automatic differentiation has gone wrong somewhere, and why. The tests run each
of these and compare with exact answers; `python -m tools.hard_cases_page` writes this page from
[the cases](../tests/hard_cases.py).

`act` is `te.activations`, `constant(x)` is `x.detach()`, `again(f, x, n)` is f of f of … x,
`w3` is `[1, -2, 3]`, `w4` is `[1, 2, 3, 4]`, `square` is `[[1, 2], [3, 4]]`, and `grid` the numbers
from 0 to 9 in two columns.

The price of "a branch that is not taken has no influence": where the chain rule itself meets 0 · ∞
in one place, it returns 0. So `np.sqrt(x) * np.sqrt(x)` has the slope 0 at 0, though it is x.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            INTRODUCTION,
            *map(group_part, GROUPS),
            "## Beside numbers\n",
            table(
                ("case", "what happens"),
                ((name, with_issues(what, seen)) for name, (what, seen) in BEHAVIOUR.items()),
            ),
            "## Wrong rules\n",
            "Each of these is rejected by `te.check.gradients(f, x, rule=wrong)`.\n",
            table(("what is wrong", "why it is hard to see"), WRONG_RULES.items()),
        ]
    )


def group_part(group: Group) -> str:
    """The cases of one kind."""
    rows = (
        (
            name,
            code(case.call) + (f", order {case.order}" if case.order > 1 else ""),
            lettered(case, case.at.values()),
            lettered(case, case.gives),
            with_issues(case.why, case.seen),
        )
        for name, case in group.cases.items()
    )
    heading = ("case", "gradient of", "at", "is", "why")
    return f"## {group.title}\n\n{group.text}\n\n{table(heading, rows)}"


def lettered(case: Case, values: Iterable[Any]) -> str:
    """Numbers or arrays, one for each letter of a case."""
    pairs = zip(case.at, values, strict=True)
    return "<br>".join(f"{letter}: {written(value)}" for letter, value in pairs)


def written(value: Any) -> str:
    """A number with six digits, or an array of a few."""
    array = np.asarray(value)
    if array.size > SHOWN:
        return f"an array of shape {array.shape}"
    digits = np.vectorize(lambda number: f"{number:.6g}", otypes=[object])(array)
    text = str(digits.tolist()).replace("'", "")
    return code(text + (" (float32)" if array.dtype == np.float32 else ""))


def with_issues(text: str, seen: Iterable[str]) -> str:
    """A reason, and links to where its mistake was made."""
    links = ", ".join(map(issue, seen))
    return f"{text} ({links})" if links else text


def main() -> None:
    """Write it."""
    write_text(PAGE, page())


if __name__ == "__main__":
    main()
