"""A step that is recorded once and replayed: forward, backward and update as one program."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.context import RECORDER, STATE, changed
from ..engine.effects import structure
from ..engine.node import Node, Untraced, frames_to_the_user
from ..engine.value import Value
from ..errors import OperandError, RecordingWarning, TracingError, UnsupportedError
from ..nn.module import Module
from ..optim import Optimizer
from .ends import Unfit, arguments, detached, each_end, ends_of, first_of, kinds_of, read_only
from .housing import Containers, Housing
from .level_recording import RecordedByLevels, Unsuited, uncollected
from .levels import suits
from .recording import (
    NoResultError,
    OtherNumbersError,
    Recorded,
    check_as_ever,
    finite,
    forget,
    traced,
)
from .tape import Tape

# Of the arguments; whether derivatives are tracked, and modules learn.
Kinds = tuple[tuple[Any, ...], tuple[bool, int]]
ndarray = np.ndarray

# So many programs of one kind of arguments, one for each way through its branches.
MOST_BRANCHES = 8
# So many kinds of arguments are remembered.
MOST_KINDS = 64
# So many programs are made in a row that are used once.
MOST_UNUSED = 12
# A recording that is not finite is tried so often.
MOST_FAILURES = 3
# Python takes long over programs of more lines, and they are no quicker for it.
MOST_INSTRUCTIONS = 50_000


def compile(f: Callable[..., Any], optimizer: Optimizer | None = None) -> Compiled:
    """`f`, a backward pass and the optimiser's step as one program: `step = te.compile(f, opt)`.

    `f` takes arrays, Values and numbers, and containers of them, and returns a loss, or a tuple
    that begins with one; so does `step`, with results that are not tracked. Without an optimiser
    the gradients are added to the leaves' `.grad`, with one they stay inside and `.grad` is None;
    where `f` returns what is not tracked, there is no backward pass. The first call runs as ever,
    the second one records, and later ones replay what was recorded. It records again where shapes,
    dtypes, integers, a module's mode or parameters have changed. What `f` computes from its
    arguments, from Values, by dropout and by `te.random` is computed anew at each call; other
    numbers (a global array) are those of the recording. A function that returns something else
    when it is recorded is left uncompiled, with a `RecordingWarning`. Where the graph is made of
    single numbers it runs by levels. `step.source` is the program as Python, or as a list of its
    levels. Raises `TracingError` where `f` needs the number behind a Value, `OperandError` where it
    changes its arguments or calls `backward()`.
    """
    if isinstance(f, type) or not callable(f):
        raise OperandError(
            f"te.compile takes a function of arrays and Values first, not {f!r:.60}; as in "
            "te.compile(lambda x, y: te.nn.losses.mse(model(x), y), optimizer)"
        )
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise OperandError(
            f"te.compile takes an optimiser such as te.optim.SGD(model.parameters(), lr=0.1), not "
            f"{optimizer!r:.60}"
        )
    if optimizer is not None and isinstance(f, Module):
        raise OperandError(
            "with an optimiser te.compile takes the loss, not the model; as in "
            "te.compile(lambda x, y: te.nn.losses.mse(model(x), y), optimizer)"
        )
    return Compiled(f, optimizer)


class Keywords(dict[str, Any]):
    """Arguments that are given by name, behind the others."""


class Compiled:
    """What `te.compile` returns: call it as you would call the function.

    `f` and `optimizer` are what it was made of, `source` is its program. A copy begins anew.
    """

    returns_no_graph = True

    def __init__(self, f: Callable[..., Any], optimizer: Optimizer | None) -> None:
        self.f, self.optimizer = f, optimizer
        self.name = self.__name__ = getattr(f, "__name__", None) or f"{f!r:.80}"
        self.__wrapped__ = f
        self.housing, self.containers = Housing([], set(), None), Containers([])
        self.version = -1
        # For each kind of arguments the programs, one for each way that branches were taken.
        self.programs: dict[Kinds, list[Recorded | RecordedByLevels]] = {}
        self.latest: tuple[Kinds, Recorded | RecordedByLevels] | None = None
        # Kinds that stay uncompiled, and how often a recording was of no use.
        self.refused: set[Kinds] = set()
        self.failures: dict[Kinds, int] = {}
        # The branching records that programs call as they are, by their sites on the tape.
        self.whole: dict[Kinds, Container[int]] = {}
        # Whether each result is a Value, and the graph made of single numbers, at the first call.
        self.values: list[bool] = []
        self.of_numbers = False
        # The leaves and modules that took part, and in which modes they were looked for.
        self.found: dict[int, Value] = {}
        self.modules: dict[int, Any] = {}
        self.modes: set[int] = set()
        self._said: set[str] = set()
        self._unused = 0  # programs in a row that no second call has used
        self._fruitless = 0
        self._inside = False
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        count = sum(map(len, self.programs.values()))
        programs = "1 program" if count == 1 else f"{count} programs"
        return f"<compiled {self.name}, {programs}>"

    @property
    def source(self) -> str:
        """The latest program: Python, or the steps of a program by levels; empty before it."""
        return "" if self.latest is None else self.latest[1].source

    def __reduce__(self) -> Any:
        return type(self), (self.f, self.optimizer)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__") and hasattr(self.__dict__.get("f"), name):
            raise AttributeError(
                f"a compiled function has no {name!r}; the function that it was made of has: "
                f"step.f.{name}"
            )
        raise AttributeError(f"a compiled function has no attribute {name!r}")

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        name = None if owner is None else name_of(self, kind)
        if name is None:
            return self
        raise TypeError(
            f"te.compile takes a function, not a method of a class: in __init__ write "
            f"self.step = te.compile(self.{name}, …) under another name"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns, without a graph."""
        if kwargs:
            args = (*args, Keywords(sorted(kwargs.items())))
        state = STATE.get()
        if state.watched or RECORDER.get() is not None:
            return self.surrounded(args)
        with self._lock:
            return self.called(args)

    def called(self, args: tuple[Any, ...]) -> Any:
        """By the latest program if that holds."""
        if self._inside:  # the function calls this step itself
            return self.eager(args)
        self._inside = True
        try:
            if self.latest is not None and self.version == structure.version:
                kinds, recorded = self.latest
                now = STATE.get().tracking, structure.mode
                if kinds[1] == now and self.like(args, kinds[0]) and self.settled():
                    try:
                        found = recorded.run(args)
                    except NoResultError:
                        return self.eager(args)
                    if found is None:
                        return self.elsewhere(args, kinds, recorded)
                    self._unused = 0
                    return found[0]
            return self.anew(args)
        finally:
            self._inside = False

    def surrounded(self, args: tuple[Any, ...]) -> Any:
        """A call that another recording, or an observer, shall see the inside of."""
        if RECORDER.get() is not None:
            if self.optimizer is not None:
                raise TracingError(
                    "a compiled step with an optimiser is called inside of another compiled "
                    "function; call it beside that, or compile one function of both losses"
                )
            return self.eager(args)
        if STATE.get().observers:
            raise TracingError(
                "a compiled step makes no nodes that te.observe or te.trace_nonfinite could tell "
                f"of; inside of them call {self.name} itself"
            )
        with changed(lines=False), self._lock:
            return self.called(args)

    def settled(self) -> bool:
        """Whether modules hold the parts, and leaves are of the form, that programs know."""
        return self.containers.same() and self.housing.settled()

    # ---- which program ----

    def like(self, args: tuple[Any, ...], known: tuple[Any, ...]) -> bool:
        """Whether arguments are of the kinds that were recorded."""
        if len(args) != len(known):
            return False
        for each, kind in zip(args, known):  # noqa: B905 (strict costs as much as a comparison)
            if each.__class__ is not ndarray:
                try:
                    return kinds_of(args, self.housing.known) == known
                except Unfit:
                    return False
            if each.shape != kind[0] or each.dtype is not kind[1] or each.strides != kind[2]:
                return False
        return True

    def anew(self, args: tuple[Any, ...]) -> Any:
        """A call that the latest program does not know: another program, as ever, or recorded."""
        if self.version != structure.version or not self.settled():
            self.modes, self.found, self.modules = set(), {}, {}
            return self.look(args)
        if structure.mode not in self.modes:
            return self.look(args)  # other leaves may take part
        try:
            now = STATE.get().tracking, structure.mode
            kinds = kinds_of(args, self.housing.known), now
        except Unfit as unfit:
            self.say(f"te.compile leaves {self.name} uncompiled: {unfit}")
            return self.eager(args)
        if kinds in self.refused:
            return self.eager(args)
        if kinds in self.programs:
            return self.elsewhere(args, kinds)
        if self._unused >= MOST_UNUSED:
            self.say(
                f"te.compile leaves {self.name} uncompiled for arguments of new kinds: each of the "
                f"last {MOST_UNUSED} calls was of another kind, by a whole number (a count of "
                "epochs?), a text or a function among them. Leave it out, or write float(n)"
            )
            return self.eager(args)
        self.tell(kinds)
        return self.record(args, kinds)

    def elsewhere(
        self, args: tuple[Any, ...], kinds: Kinds, tried: Recorded | RecordedByLevels | None = None
    ) -> Any:
        """One of the other programs whose guards hold, else a new one."""
        for recorded in self.programs[kinds]:
            if recorded is not tried:
                try:
                    found = recorded.run(args)
                except NoResultError:
                    return self.eager(args)
                if found is not None:
                    self.latest = kinds, recorded
                    return found[0]
        # A record that branches is a call of its own from then on, right on either way: there
        # are as many ways through a program as products of its branches.
        sites = {id(each): each.branching for each in self.programs[kinds]}
        if branching := frozenset[int]().union(*sites.values()):
            known = self.whole.get(kinds, frozenset())
            if isinstance(known, frozenset):
                known |= branching
                self.whole[kinds] = known if len(known) < MOST_BRANCHES else range(sys.maxsize)
            self.programs[kinds] = [p for p in self.programs[kinds] if not sites[id(p)]]
        for each in self.programs[kinds]:
            each.forgive()
        if len(self.programs[kinds]) >= MOST_BRANCHES:
            self.refuse(kinds, f"it branches on its numbers in {MOST_BRANCHES} ways and more")
            return self.eager(args)
        return self.record(args, kinds)

    def tell(self, kinds: Kinds) -> None:
        """Say once that it records again."""
        if any(known[1] == kinds[1] for known in self.programs):
            self.say(
                "te.compile records again for arguments of another kind: another shape, dtype or "
                "memory layout, another integer (write float(n) where it is only computed with), "
                "text, name or function; each kind has its program from then on. This is said once"
            )

    def say(self, message: str) -> None:
        """Warn, once."""
        if message not in self._said:
            self._said.add(message)
            warn(message)

    def refuse(self, kinds: Kinds, why: str) -> None:
        """Leave a kind of arguments uncompiled, and say so."""
        self.programs.pop(kinds, None)
        self.refused.add(kinds)
        if self.latest is not None and self.latest[0] == kinds:
            self.latest = None
        warn(f"te.compile leaves {self.name} uncompiled for these arguments: {why}")

    # ---- as ever ----

    def of(self, args: tuple[Any, ...]) -> Any:
        """What the function returns."""
        if args and args[-1].__class__ is Keywords:
            return self.f(*args[:-1], **args[-1])
        return self.f(*args)

    def eager(self, args: tuple[Any, ...]) -> Any:
        """Without a program."""
        with changed(recording=False):
            returned = self.of(args)
        results = each_end(detached, returned)  # a leaf among them is about to move
        self.backward(returned)
        if self.optimizer is not None:
            self.optimizer.step()
            self.optimizer.zero_grad()
        return results

    def backward(self, returned: Any) -> None:
        """The backward pass from what the function returned."""
        loss = first_of(returned)
        if isinstance(loss, Value) and loss.op is not None and loss.grad is not None:
            raise OperandError(
                f"{self.name} has called loss.backward() itself, which is done for it, and the "
                "optimiser's zero_grad() and step() too in te.compile(f, optimizer): let it return "
                "the loss, and no more"
            )
        if self.optimizer is not None:
            if not isinstance(loss, Value):
                raise OperandError(
                    "a function that is compiled with an optimiser returns the loss, a Value, or "
                    f"a tuple that begins with it, not {loss!r:.60}"
                )
            self.optimizer.zero_grad()
            loss.backward()
        elif isinstance(loss, Value) and loss.requires_grad and loss.size == 1:
            loss.backward()

    def look(self, args: tuple[Any, ...]) -> Any:
        """Run as ever, and note down which leaves take part."""
        found = self.found

        def listen(node: Node, gradient: Any) -> None:
            if gradient is None:
                for item in node.inputs:
                    if isinstance(item, Value) and item.op is None:
                        found.setdefault(id(item), item)

        # What the calls before this one have led to.
        self._fruitless = self._fruitless + 1 if self.latest is None and self.modes == set() else 0
        if self._fruitless == MOST_FAILURES + 1:
            warn(
                f"te.compile has not come to record {self.name}: at each call a module is given "
                "another attribute or mode (self.last = ... in its forward, say); return such "
                "values instead"
            )
        version, mode = structure.version, structure.mode
        views = read_only(args)  # of containers it makes copies
        held = Containers(views)
        token = RECORDER.set(Looking(found, self.modules))
        try:
            # Not by te.observe, which calls in a context of its own: half of what recording costs.
            with changed(recording=True, observers=(listen,)):
                returned = self.of(views)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise OperandError(
                f"{self.name} changes an array that it is given, which a program would not; write "
                "x = x + 1 in place of x += 1, and np.where or te.set_at in place of x[i] = …"
            ) from error
        finally:
            RECORDER.reset(token)
        if not held.same():
            raise OperandError(
                f"{self.name} changes a list or dict that it is given, which a program would not; "
                "let it return what is new"
            )
        ends = ends_of(returned)
        for each in ends:
            if isinstance(each, Value) and each.op is None:
                found.setdefault(id(each), each)
        self.values = [isinstance(each, Value) for each in ends]
        loss = first_of(returned)
        self.of_numbers = isinstance(loss, Value) and loss.requires_grad and suits(loss)
        results = each_end(detached, returned)
        self.backward(returned)
        moved: set[int] = set()
        if self.optimizer is not None:
            moved = {id(each) for each in self.optimizer.params if each.grad is not None}
            self.optimizer.step()
            self.optimizer.zero_grad()
        given = {id(each) for each in arguments(args)}
        leaves = [leaf for key, leaf in found.items() if key not in given]
        # Programs of before do not hold any more.
        self.programs, self.latest, self.refused, self.failures = {}, None, set(), {}
        self.whole = {}
        self.housing = Housing(leaves, moved, self.optimizer)
        self.containers = Containers(self.modules.values())
        self._unused = 0
        self.version = version if version == structure.version else -1
        self.modes.add(mode)
        return results

    # ---- recording ----

    def record(self, args: tuple[Any, ...], kinds: Kinds) -> Any:
        """Make a program of this call, by which it runs already."""
        if self.of_numbers and STATE.get().tracking:
            try:
                with uncollected():
                    by_levels = RecordedByLevels(
                        self.of, self.backward, args, self.housing, self.values
                    )
            except (Unsuited, Untraced, UnsupportedError, OtherNumbersError):
                self.of_numbers = False
            else:
                self.keep(by_levels, kinds)
                try:
                    return by_levels.run(args)[0]
                except NoResultError:
                    return self.eager(args)
        tape = Tape(whole=self.whole.get(kinds, ()))
        try:
            run = traced(self.of, self.backward, args, self.housing.leaves, tape, self.values)
            if len(tape.instructions) > MOST_INSTRUCTIONS:
                raise Untraced(f"it takes more than {MOST_INSTRUCTIONS:,} calls of NumPy")
            if not all(finite(each) for each in run.numbers()):
                # Only step by step what is not finite is mended, or reported.
                forget(tape)
                self.failed(kinds)
                return self.eager(args)
            check_as_ever(self.of, args, run, self.housing.leaves)
            try:
                recorded = Recorded(run, self.housing, args)
            except TracingError as error:  # in a rule of the user's own, which steps uncompiled
                raise Untraced(str(error)) from error
            results = recorded.tried(tape, args)
        except Untraced as unknown:
            forget(tape)
            results = self.eager(args)  # what is wrong with these arguments is not with others
            self.refuse(kinds, str(unknown))
            return results
        except NoResultError:
            self.failed(kinds)
            return self.eager(args)
        except OtherNumbersError as wrong:
            self.refuse(kinds, str(wrong))
            return self.eager(args)
        except BaseException as error:
            forget(tape)
            if isinstance(error.__cause__, TracingError):  # NumPy has taken it for one of its own
                raise error.__cause__ from None
            raise
        finally:
            tape.close()
        self.keep(recorded, kinds)
        return results

    def keep(self, recorded: Recorded | RecordedByLevels, kinds: Kinds) -> None:
        """Remember a program."""
        self.programs.setdefault(kinds, []).append(recorded)
        if len(self.programs) > MOST_KINDS:
            self.programs.pop(next(iter(self.programs)))
        self.latest = kinds, recorded
        self._unused += 1

    def failed(self, kinds: Kinds) -> None:
        """Count a recording that was of no use."""
        self.failures[kinds] = self.failures.get(kinds, 0) + 1
        if self.failures[kinds] >= MOST_FAILURES:
            self.refuse(
                kinds,
                "numbers overflow, or have no value, at every call (look for the log or root of 0, "
                "and 0/0), and only the uncompiled way mends or reports that",
            )


def name_of(item: Any, kind: Any) -> str | None:
    """What a class calls one of its attributes, if it is one."""
    return next((name for name, each in vars(kind).items() if each is item), None)


def warn(message: str) -> None:
    """Say something about the line outside of this package that has called a program."""
    warnings.warn(message, RecordingWarning, stacklevel=frames_to_the_user())


@dataclass(frozen=True)
class Looking:
    """Notes down leaves that are read or given new data, and modules, and lets all happen."""

    found: dict[int, Value]
    modules: dict[int, Any]

    def entered(self, module: Any) -> None:
        """A module that takes part."""
        self.modules[id(module)] = module

    def random(self, generator: np.random.Generator, shape: Any, method: str) -> Any:
        """As ever."""
        return getattr(generator, method)(shape)

    def swept(self) -> None:
        """Nothing: leaves are told of as they are used."""

    def assign(self, leaf: Value, data: Any) -> None:
        """As ever."""
        self.saw(leaf)
        leaf.data = data

    def saw(self, node: Value) -> None:
        """A leaf that takes part."""
        if node.op is None:
            self.found.setdefault(id(node), node)
