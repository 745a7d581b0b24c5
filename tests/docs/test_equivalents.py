"""Every row of the tables in docs/howto/moving_from.md: run here, run there, and compared.

A row's cells are code, run in the namespaces of the two blocks above its table. Compared are what
the last expression gives, the gradient of all that it was computed from, and what is called alike
on both sides: leaves, arrays, models. Where the other library is missing our side is run alone.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ops.user_records import restored

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "moving_from.md"
LIBRARIES = {
    "micrograd": "micrograd",
    "MyGrad": "mygrad",
    "HIPS autograd": "autograd",
    "PyTorch": "torch",
}
BLOCK = re.compile(r"^```py(?:thon)?\n# (there|here)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")

Namespace = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A line of a table; `there` is empty where its cell is words."""

    library: str
    there: str
    here: str
    blocks: tuple[str, str]


def rows() -> Iterator[Row]:
    """The rows of all tables on the page, from the section of each library."""
    sections = re.split(r"^## From (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for name, text in zip(sections[1::2], sections[2::2], strict=True):
        text = re.split("^## ", text, flags=re.MULTILINE)[0]
        blocks = dict(BLOCK.findall(text))
        for line in re.findall(r"^\| (.+) \|$", text, flags=re.MULTILINE):
            there, here = line.split(" | ")
            if here != "here":
                ours, theirs = CODE.fullmatch(here), CODE.fullmatch(there)
                assert ours, f"the right cell is no code: {line}"
                yield Row(
                    LIBRARIES[name],
                    theirs[1] if theirs else "",
                    ours[1],
                    (blocks["there"], blocks["here"]),
                )


ROWS = list(rows())


@pytest.fixture(autouse=True)
def as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with restored():
        yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_default_dtype(sys.modules["torch"].float32)


def prepared(block: str) -> Namespace:
    namespace: Namespace = {"__name__": "page"}
    exec(compile(block, str(PAGE), "exec"), namespace)
    return namespace


def result(code: str, namespace: Namespace) -> Any:
    """Run statements; what the last one gives, if it is an expression."""
    body = ast.parse(code).body
    if not isinstance(body[-1], ast.Expr):
        body += ast.parse("None").body
    *before, last = body
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(before, []), code, "exec"), namespace)
    return eval(compile(ast.Expression(last.value), code, "eval"), namespace)


def library(item: Any) -> str:
    return type(item).__module__.partition(".")[0]


def is_value(item: Any) -> bool:
    """Whether it is a Value or a tensor of any of the libraries."""
    return type(item).__name__ in ("Value", "Tensor", "Parameter")


def tracked(item: Any) -> bool:
    """Whether a gradient flows back from it."""
    if library(item) == "mygrad":
        return not item.constant
    return bool(getattr(item, "requires_grad", True))


def pull_back(item: Any) -> None:
    """Give all that `item` was computed from the gradient of a weighted sum of its entries."""
    weights = np.linspace(1, 2, int(np.prod(getattr(item, "shape", ())))).reshape(
        getattr(item, "shape", ())
    )
    if library(item) == "micrograd":
        item.backward()
    elif library(item) == "torch":
        item.backward(sys.modules["torch"].tensor(weights))
    else:
        (item * weights).sum().backward()


def gradient(item: Any) -> Any:
    """That of a leaf, 0 where there is none yet; of what is no leaf nothing."""
    made_by = {"tinygrad_edu": "op", "mygrad": "creator", "torch": "grad_fn", "micrograd": "_prev"}
    if not is_value(item) or getattr(item, made_by[library(item)]) or not tracked(item):
        return None
    return np.zeros(np.shape(plain(item))) if item.grad is None else np.asarray(plain(item.grad))


def plain(item: Any) -> Any:
    """The array, or number, behind a Value or tensor."""
    if library(item) == "torch":
        return item.detach().numpy()
    return item.data if is_value(item) else item


def numbers(item: Any) -> Any:
    """Arrays in lists and dicts; a model is its parameters and their gradients."""
    if hasattr(item, "named_parameters"):
        found = [(np.asarray(plain(p)), gradient(p)) for p in item.parameters()]
        # PyTorch keeps weights as (outputs, inputs).
        turned = library(item) == "torch"
        return [[each.T if turned else each for each in pair] for pair in found]
    if isinstance(item, dict):
        return {key: numbers(part) for key, part in item.items()}
    if isinstance(item, list | tuple):
        return [numbers(part) for part in item]
    return item if item is None or isinstance(item, str) else np.asarray(plain(item))


def compare(ours: Any, theirs: Any, what: str) -> None:
    if isinstance(ours, list | dict):
        assert isinstance(theirs, list | dict), f"{what}: {ours} and {theirs}"
        assert len(ours) == len(theirs), f"{what}: {ours} and {theirs}"
        for key in ours if isinstance(ours, dict) else range(len(ours)):
            compare(ours[key], theirs[key], f"{what}[{key!r}]")
    elif isinstance(ours, np.ndarray):
        assert isinstance(theirs, np.ndarray), f"{what}: {ours} and {theirs}"
        assert ours.shape == theirs.shape, f"{what} has shape {ours.shape} and {theirs.shape}"
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12, err_msg=what)
    else:
        assert type(ours) is type(theirs), f"{what}: {ours} and {theirs}"
        assert ours == theirs, what


def comparable(item: Any) -> bool:
    """Whether it holds numbers, not code."""
    return (
        is_value(item)
        or isinstance(item, np.ndarray | float | list)
        or hasattr(item, "named_parameters")
    )


def identifier(row: Row) -> str:
    return f"{row.library}: {row.there or 'words'} | {row.here}"


def test_every_library_has_a_table() -> None:
    for name in LIBRARIES.values():
        compared = [row for row in ROWS if row.library == name and row.there]
        assert len(compared) >= 10, name


@pytest.mark.parametrize("row", ROWS, ids=identifier)
def test_runs_here(row: Row) -> None:
    namespace = prepared(row.blocks[1])
    found = result(row.here, namespace)
    if is_value(found) or isinstance(found, np.ndarray | float):
        assert np.all(np.isfinite(plain(found)))
    for name, item in namespace.items():
        assert not is_value(item) or np.all(np.isfinite(plain(item))), name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", [row for row in ROWS if row.there], ids=identifier)
def test_is_the_same_there(row: Row) -> None:
    pytest.importorskip(row.library)
    there, here = (prepared(block) for block in row.blocks)
    if "carried" in here:
        state = {name: array.numpy() for name, array in there["model"].state_dict().items()}
        here["model"].load_state_dict(here["carried"](state))
    theirs, ours = result(row.there, there), result(row.here, here)
    if is_value(theirs) and is_value(ours):
        assert tracked(theirs) == tracked(ours)
        if tracked(ours):
            pull_back(theirs)
            pull_back(ours)
    compare(numbers(ours), numbers(theirs), row.here)
    for name in here.keys() & there.keys():
        if comparable(here[name]) and not name.startswith("_"):
            compare(numbers(here[name]), numbers(there[name]), name)
            # What MyGrad computes without a graph is a leaf to it, and no constant.
            if is_value(here[name]) and row.library != "mygrad":
                assert tracked(here[name]) == tracked(there[name]), name
            if (slope := gradient(here[name])) is not None:
                compare(slope, gradient(there[name]), f"the gradient of {name}")
