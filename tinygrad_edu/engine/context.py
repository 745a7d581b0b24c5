"""The state that surrounds recording: is it tracked, in which scope, and who watches.

One `ContextVar` holds one immutable `State`, so threads and asyncio tasks each have their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

Observer = Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True)
class State:
    """What `record` must know beyond its arguments."""

    tracking: bool = True
    scope: str = ""
    lines: bool = False
    observers: tuple[Observer, ...] = ()


DEFAULT = State()
STATE: ContextVar[State] = ContextVar("tinygrad_edu_state", default=DEFAULT)


@contextmanager
def changed(**changes: Any) -> Iterator[None]:
    """Replace fields of the state inside a `with` block."""
    token = STATE.set(replace(STATE.get(), **changes))
    try:
        yield
    finally:
        STATE.reset(token)


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without tracking: results are constants, and `p -= step` writes a leaf in place.

    Usable as `with te.no_grad():` and as the decorator `@te.no_grad()`.
    """
    with changed(tracking=False):
        yield


@contextmanager
def record_lines() -> Iterator[None]:
    """Remember the line of user code that makes each node, for error messages and drawings.

    Costs a walk up the call stack for each node; therefore off by default.
    """
    with changed(lines=True):
        yield


@contextmanager
def observe(callback: Observer) -> Iterator[None]:
    """Tell `callback(node, gradient)` of every new node and of every gradient a sweep has finished.

    For a new node `gradient` is None. For a swept node it is the final ∂(root)/∂(node), an array
    of the node's shape that must not be written to.
    """
    with changed(observers=(*STATE.get().observers, callback)):
        yield
