"""Random programs before a judge: the gradient, the second order, or whoever comes later."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from tinygrad_edu.check import gradients
from tinygrad_edu.check.drawing import programs
from tinygrad_edu.check.programs import Program

# Says what is wrong with a program; nothing if it is right.
Judge = Callable[[Program], str]


def gradient(program: Program) -> str:
    """The derivatives along random directions."""
    report = gradients(program, *program.inputs, mode="directions")
    return "" if report.ok else str(report)


def second_order(program: Program) -> str:
    """The derivatives of the derivatives along random directions."""
    report = gradients(program, *program.inputs, mode="directions", order=2)
    return "" if report.ok else str(report)


def fifty_digits(program: Program) -> str:
    """The derivatives beside those of the same program on numbers of 50 digits."""
    report = gradients(program, *program.inputs, precision="exact")
    return "" if report.ok else str(report)


def judged(judge: Judge, strategy: Any = None, share: float = 1.0) -> None:
    """Let a judge see random programs, `share` times as many as the profile of the tests says.

    Raises `AssertionError` with the smallest program that was found wrong: Python to paste, with
    what the judge says as comments under it. A judge who raises has found one too.
    """

    @settings(
        max_examples=max(1, round(share * settings().max_examples)),
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],  # to explain takes long
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(programs() if strategy is None else strategy)
    def accepted(program: Program) -> None:
        try:
            complaint = judge(program)
        except Exception as error:
            complaint = f"{type(error).__name__}: {error}"
        assert not complaint, f"{program}\n{textwrap.indent(complaint, '# ')}"

    accepted()
