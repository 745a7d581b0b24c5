"""A typed formula's derivatives are judged: `tinygrad-edu check "x*tanh(y)" --at x=1,y=2`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import check
from .engine.value import Value
from .errors import FormulaError
from .files import writable_folder
from .formula import Program
from .terminal import Terminal


@dataclass(frozen=True)
class Settings:
    """What the command was asked for.

    `at` holds the values of names, as assignments with commas between; each of `claim` is a
    derivative to be judged instead of the engine's, as in "x=tanh(y)" for the one by x.
    """

    text: str
    at: Sequence[str] = ()
    claim: Sequence[str] = ()
    order: int = 1
    precision: check.Precision = "float64"
    plot: Path | None = None
    lang: str = "en"


def run(settings: Settings, terminal: Terminal) -> int:
    """Judge every derivative of the formula and print the table; 1 if something is wrong.

    Raises `FormulaError` for what cannot be read and `OSError` where the picture cannot be saved.
    """
    program = Program(settings.text)
    fixed = read_point(settings.at)
    if settings.claim and settings.order == 2:
        raise FormulaError(
            "--claim judges first derivatives; for a second one give the first as the formula"
        )
    try:
        values = program(leaves(fixed))
    except FormulaError as error:
        # The rest of the message shows the place.
        first, *place = str(error).split("\n")
        if "no value is called" in first:
            first += ", or give its value as in --at x=1"
        raise FormulaError("\n".join([first, *place])) from None
    result = list(values)[-1]
    if result in fixed:
        raise FormulaError(f"the formula computes {result}, so --at cannot set it; choose another")
    inputs = {
        name: value._data
        for name, value in values.items()
        if value.op is None and value.requires_grad and name != result
    }
    if not inputs:
        raise FormulaError("no name to differentiate by; write one and its value, as in --at x=1")
    claims = read_claims(settings.claim, inputs)
    judged = list(claims or inputs)

    def f(*arrays: Any) -> Any:
        return program(leaves({**inputs, **dict(zip(judged, arrays, strict=True))}))[result]

    def rule(*arrays: Any) -> tuple[Any, ...]:
        at = leaves({**inputs, **dict(zip(judged, arrays, strict=True))})
        return tuple(list(claims[name](at).values())[-1]._data for name in judged)

    f.__name__ = result
    report = check.gradients(
        f,
        *(inputs[name] for name in judged),
        rule=rule if claims else None,
        order=settings.order,
        precision=settings.precision,
        names=judged,
    )
    terminal.say(report.summary(settings.lang))
    rows = [entry.cells(settings.lang) for entry in report.shown()]
    terminal.table(report.columns(settings.lang), rows, left=(0, 4))
    for line in report.remarks(settings.lang):
        terminal.say(line)
    if settings.plot is not None:
        from .draw.saving import save

        writable_folder(settings.plot.parent)
        save(report.plot(settings.lang), settings.plot)
        terminal.say(f"{'保存しました' if settings.lang == 'ja' else 'Wrote'}: {settings.plot}")
    return 0 if report.ok else 1


def leaves(values: Mapping[str, Any]) -> dict[str, Value]:
    """Values of those names; what is one already stays."""
    return {
        name: each if isinstance(each, Value) else Value(each, name=name)
        for name, each in values.items()
    }


def read_point(texts: Sequence[str]) -> dict[str, Any]:
    """The numbers in "x=1, y=[2, 3]". Raises `FormulaError`."""
    if not any(text.strip() for text in texts):
        return {}
    parts, depth = [""], 0
    for sign in ",".join(texts):
        depth += (sign in "[(") - (sign in "])")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    for part in parts:
        if "=" not in part:
            raise FormulaError(
                f"--at {part.strip()}: write a name and a number, as in --at x=1,y=2"
            )
    return {name: value._data for name, value in Program("; ".join(parts))({}).items()}


def read_claims(texts: Sequence[str], inputs: Mapping[str, Any]) -> dict[str, Program]:
    """The claimed derivatives by the name of the input. Raises `FormulaError`."""
    claims = {}
    for text in texts:
        name, equals, formula = (part.strip() for part in text.partition("="))
        if not equals:
            raise FormulaError(
                f"--claim {text}: write the name of an input and the derivative by it, "
                'as in --claim "x=tanh(y)"'
            )
        if not formula:
            raise FormulaError(f"--claim {text}: write the derivative by {name} behind the =")
        if name in claims:
            raise FormulaError(f"--claim {text}: there is a claim for {name} already; keep one")
        if name not in inputs:
            raise FormulaError(f"--claim {text}: {name} is no input; there is {', '.join(inputs)}")
        claims[name] = Program(formula)
    return claims
