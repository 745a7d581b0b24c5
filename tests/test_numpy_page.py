"""docs/numpy.md says what the registry says, in Markdown that GitHub shows as meant."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.engine.operation import FUNCTIONS, OPERATIONS, UFUNCS, Discrete
from tinygrad_edu.engine.unsupported import NOT_HANDED_OVER, UNSUPPORTED
from tools import hard_cases_page, numpy_page
from tools.markdown import code, math, table
from tools.numpy_rules import corners, rules, sentence, value

TEXT = numpy_page.PAGE.read_text(encoding="utf-8")


def cells(line: str) -> list[str]:
    """The cells of a line of a table, divided where GitHub divides it."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_the_page_is_written_from_the_registry() -> None:
    version = ".".join(np.__version__.split(".")[:2])
    if f"NumPy\n{version})" not in TEXT:
        pytest.skip("the page was written with another NumPy, which has other functions")
    assert numpy_page.page() == TEXT, "python -m tools.numpy_page"


def test_each_function_of_numpy_is_on_the_page_once() -> None:
    """As supported, or with what to write instead."""
    in_rows = [
        name
        for line in TEXT.split("## Beside NumPy")[0].splitlines()
        if line.startswith(("| `np.", "`np."))
        for name in re.findall(r"`np\.([\w.]+)[`(]", cells(line)[0] if line[0] == "|" else line)
    ]
    unsupported = [name for group in UNSUPPORTED for name in group.names]
    assert sorted(in_rows) == sorted(set(in_rows))
    known = numpy_page.public()
    names = {name for name in known if known[name] in UFUNCS or known[name] in FUNCTIONS}
    assert names <= set(in_rows)
    for name in unsupported:
        assert f"`np.{name}`" in TEXT
    for name in NOT_HANDED_OVER:
        assert code(name) in TEXT


@pytest.mark.parametrize("page", [numpy_page.PAGE, hard_cases_page.PAGE], ids=lambda p: p.stem)
def test_tables_have_as_many_cells_in_each_line(page: Path) -> None:
    width = 0
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        found = len(cells(line))
        assert found == (width or found), line
        width = found


def test_formulas_hold_nothing_that_github_refuses_or_takes_for_a_cell() -> None:
    formulas = re.findall(r"\$`(.*?)`\$", TEXT)
    assert len(formulas) > 100
    for latex in formulas:
        assert "|" not in latex
        assert "operatorname" not in latex
        assert latex.count("{") == latex.count("}")
        assert latex.count(r"\left") == latex.count(r"\right")


def test_rules_are_traced_from_those_that_run() -> None:
    assert rules(OPERATIONS["square"]) == r"$`2 \cdot x`$"
    assert rules(OPERATIONS["divide"]) == (r"$`a`$: $`\frac{1}{b}`$<br>$`b`$: $`-\frac{y}{b}`$")
    assert value(OPERATIONS["absolute"]) == r"$`\left\vert a\right\vert `$"
    # A pullback that says what it does is quoted.
    assert "equal parts" in rules(OPERATIONS["max"])


def test_corners_say_what_is_returned_there() -> None:
    for name, at, said in (
        ("absolute", (0.0,), "0"),
        ("maximum", (1.0, 1.0), "0.5, 0.5"),
        ("sqrt", (0.0,), "∞"),
    ):
        leaves = [te.Value(x) for x in at]
        with np.errstate(all="ignore"):
            slopes = te.grad(OPERATIONS[name](*leaves), leaves)
        assert corners(OPERATIONS[name]).endswith(f": {said}")
        assert ", ".join(f"{slope:g}".replace("inf", "∞") for slope in slopes) == said
    assert corners(OPERATIONS["exp"]) == ""


def test_every_record_and_composition_tells_what_it_is() -> None:
    for implementation in numpy_page.supported():
        if implementation in OPERATIONS.values():
            if not isinstance(implementation, Discrete):
                assert rules(implementation)
        else:
            assert sentence(numpy_page.written_as(implementation)), implementation


def test_markdown() -> None:
    assert table(("a", "b"), [("x|y", "`p|q`")]) == (
        "| a | b |\n| --- | --- |\n| x\\|y | `p\\|q` |\n"
    )
    assert math(r"\operatorname{f}\left|x\right|") == r"$`\mathrm{f}\left\vert x\right\vert `$"
    with pytest.raises(ValueError, match="backtick"):
        math("`")
