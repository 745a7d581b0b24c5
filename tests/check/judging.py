"""Random programs before a judge: the gradient, the second order, or whoever comes later."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

import tinygrad_edu as te
from tinygrad_edu.check import gradients
from tinygrad_edu.check.drawing import programs
from tinygrad_edu.check.programs import Program
from tinygrad_edu.check.shrinking import smallest

# Says what is wrong with a program; nothing if it is right.
Judge = Callable[[Program], str]


def gradient(program: Program) -> str:
    """The derivatives along random directions."""
    report = gradients(program, *program.inputs, mode="directions")
    return "" if report.ok else str(report)


def second_order(program: Program) -> str:
    """The derivatives of the derivatives along random directions.

    They are those of the gradient that is recorded, which must be the gradient.
    """
    leaves = tuple(te.Value(data) for data in program.inputs)
    out = program(*leaves)
    if out.requires_grad:
        ones = np.ones(out.shape)
        pairs = zip(
            te.grad(out, leaves, gradient=ones),
            te.grad(out, leaves, gradient=ones, create_graph=True),
            strict=True,
        )
        for on_arrays, recorded in pairs:
            if not np.allclose(recorded.data, on_arrays, rtol=1e-8, atol=1e-12):
                return f"the recorded gradient {recorded.data} is not {on_arrays}"
    report = gradients(program, *program.inputs, mode="directions", order=2)
    return "" if report.ok else str(report)


def fifty_digits(program: Program) -> str:
    """The derivatives beside those of the same program on numbers of 50 digits."""
    report = gradients(program, *program.inputs, precision="exact")
    return "" if report.ok else str(report)


def said(judge: Judge, program: Program) -> str:
    """What a judge says; one who raises has found a program wrong too."""
    try:
        return judge(program)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def judged(judge: Judge, strategy: Any = None, share: float = 1.0) -> None:
    """Let a judge see random programs, `share` times as many as the profile of the tests says.

    Raises `AssertionError` with the smallest program that was found wrong: Python to paste, with
    what the judge says as comments under it.
    """
    printed: dict[str, str] = {}

    @settings(
        max_examples=max(1, round(share * settings().max_examples)),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # `smallest` is faster
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(programs() if strategy is None else strategy)
    def accepted(program: Program) -> None:
        if not said(judge, program):
            return
        if str(program) not in printed:  # hypothesis looks at what has failed once more
            small = smallest(program, lambda part: bool(said(judge, part)))
            printed[str(program)] = f"{small}\n{textwrap.indent(said(judge, small), '# ')}"
        raise AssertionError(printed[str(program)])

    accepted()
