"""Operations that a user might declare. They are registered while the tests of this folder run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import tinygrad_edu as te
from tinygrad_edu.engine.operation import FUNCTIONS, REAL, UFUNCS, Elementwise, Operation

TABLES: tuple[dict[Any, Any], ...] = (te.OPERATIONS, UFUNCS, FUNCTIONS)


@contextmanager
def restored() -> Iterator[None]:
    """Leave the registry and the dispatch tables as they were."""
    before = [dict(table) for table in TABLES]
    try:
        yield
    finally:
        for table, entries in zip(TABLES, before, strict=True):
            table.clear()
            table.update(entries)


with restored():
    ours = set(te.OPERATIONS)
    te.define_elementwise(
        "user_hypot",
        np.hypot,
        (
            lambda out, a, b: a / np.where(out == 0, 1.0, out),
            lambda out, a, b: b / np.where(out == 0, 1.0, out),
        ),
        formula=r"\sqrt{{{0}^2 + {1}^2}}",
        domain=(REAL, REAL),
        kinks=(lambda a, b: np.abs(a) + np.abs(b),),
        extremes=((3e200, 4e200), (3e-200, 4e-200), (0.0, 0.0)),
    )
    te.define_elementwise(
        "user_affine",
        lambda x, slope=2.0, shift=0.5: slope / 2 * (x - shift),
        (
            lambda out, x, slope, shift: slope / 2,
            lambda out, x, slope, shift: (x - shift) / 2,
            lambda out, x, slope, shift: -slope / 2,
        ),
        formula=r"\frac{{{1} ({0} - {2})}}{{2}}",
    )
    te.define_elementwise("user_half", lambda x: x / 2, 0.5, formula=r"\frac{{{0}}}{{2}}")
    te.define_structural(
        "user_unwrap",
        lambda p, axis=-1: np.unwrap(p, axis=axis),
        lambda g, out, p, axis=-1: g,
        formula=r"\operatorname{{unwrap}}\left({0}\right)",
        domain=(-1.5, 1.5),
        cases=((((3,),), {}), (((2, 3),), {"axis": 0})),
    )
    te.define_structural(
        "user_outer_sum",
        lambda *vectors, power=1: sum(
            np.reshape(v, (-1,) + (1,) * i) ** power for i, v in enumerate(reversed(vectors))
        ),
        lambda g, out, *vectors, position, power=1: (
            np.reshape(
                np.sum(
                    g,
                    axis=tuple(a for a in range(len(vectors)) if a != position),
                ),
                vectors[position].shape,
            )
            * (power * vectors[position] ** (power - 1))
        ),
        formula=r"{0} \oplus \ldots",
        cases=((((2,), (3,)), {"power": 2}), (((2,), (3,), (2,)), {"power": 3})),
        variadic=True,
    )
    DECLARED = {name: op for name, op in te.OPERATIONS.items() if name not in ours}
    DISPATCHED = [
        (
            table,
            {function: found for function, found in table.items() if found in DECLARED.values()},
        )
        for table in TABLES
    ]


@contextmanager
def registered() -> Iterator[None]:
    """The registry with the user's records in it."""
    with restored():
        for table, entries in DISPATCHED:
            table.update(entries)
        yield


ALL: list[Operation] = [*te.OPERATIONS.values(), *DECLARED.values()]
# A surrogate's rules are not its derivatives, on purpose.
DIFFERENTIABLE = [op for op in ALL if op.differentiable and not op.surrogate]
DISCRETE = [op for op in ALL if not op.differentiable]
ELEMENTWISE = [op for op in DIFFERENTIABLE if isinstance(op, Elementwise)]
STRUCTURAL = [op for op in DIFFERENTIABLE if not isinstance(op, Elementwise)]
