"""The state that surrounds recording: is it tracked, in which scope, and who watches.

One `ContextVar` holds one immutable `State`, so threads and asyncio tasks each have their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

Observer = Callable[[Any, Any], None]


@dataclass(frozen=True, eq=False, slots=True)
class State:
    """What `record` must know beyond its arguments.

    `tracking` is whether derivatives will be asked for, `recording` whether results without one
    (comparisons, what is computed under `no_grad`) remember where they came from all the same.
    `watched` says whether anything must happen for each new node; `inner` remembers the states of
    the scopes entered from this one.
    """

    tracking: bool = True
    recording: bool = False
    scope: str = ""
    lines: bool = False
    observers: tuple[Observer, ...] = ()
    watched: bool = field(init=False)
    inner: dict[str, State] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "watched", self.lines or bool(self.observers))

    def within(self, name: str) -> State:
        """The same state one scope further in."""
        state = self.inner.get(name)
        if state is None:
            scope = f"{self.scope}.{name}" if self.scope else name
            state = self.inner[name] = replace(self, scope=scope)
        return state


class Recorder(Protocol):
    """What a recording of a program does in the place of effects (see effects.py)."""

    def random(self, generator: Any, shape: Any, method: str) -> Any:
        """Numbers of a generator's method, drawn anew by the program."""
        ...

    def assign(self, leaf: Any, data: Any) -> None:
        """New data, given anew by the program."""
        ...

    def swept(self) -> None:
        """Take note that gradients are computed, as numbers that no node leads to."""
        ...

    def entered(self, module: Any) -> None:
        """Take note of a module that is called."""
        ...

    def saw(self, node: Any) -> None:
        """Take note of a node whose numbers were read without another node of them."""
        ...


RECORDER: ContextVar[Recorder | None] = ContextVar("tinygrad_edu_recorder", default=None)
OUTSIDE = State()
STATE: ContextVar[State] = ContextVar("tinygrad_edu_state", default=OUTSIDE)


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
    outside = copy_context()

    def told(node: Any, gradient: Any) -> None:
        # In the observer's own context: the sweep's silence about NumPy warnings is not its own.
        outside.copy().run(callback, node, gradient)

    with changed(observers=(*STATE.get().observers, told)):
        yield
