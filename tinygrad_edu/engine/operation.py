"""An operation is one frozen record; values, gradients, labels and tests are read off it.

*Element-wise* records carry `partials`: the local derivative ∂out/∂argument as a function of
`(out, *arguments)`, or a number where it is constant. The engine multiplies by the incoming
gradient, undoes broadcasting and restores the dtype.
*Structural* records carry `pullbacks`: `(g, out, *arguments, **options) -> gradient`.
*Discrete* records (comparisons, argmax) have no derivative; their results are untracked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, overload

import numpy as np

from ..errors import ConversionError, IncompleteRecordError, OperandError, UnknownNameError, closest
from .node import Node, Untraced, record

if TYPE_CHECKING:
    from .value import Value

Kind = TypeVar("Kind", bound="Operation")

Rule = Callable[..., Any] | float
Interval = tuple[float, float]
# A number k is the corner x = k of the first argument; a function is zero at its corners.
Kink = float | Callable[..., Any]

REAL: Interval = (-inf, inf)
POSITIVE: Interval = (0.0, inf)

NOT_NUMPY = frozenset({float, int, bool, list, tuple})

OPERATIONS: dict[str, Operation] = {}
# What NumPy's functions do on Values: records, and compositions of them (see dispatch.py).
UFUNCS: dict[Any, Operation | Callable[..., Any]] = {}
FUNCTIONS: dict[Any, Operation | Callable[..., Any]] = {}


@dataclass(frozen=True)
class ThroughOutput:
    """A rule with a cheaper form on arrays: through the output, where x would cost an exp.

    `rule` is what is recorded, so it is what derivatives of the derivative are taken of;
    `definition` is the cheaper form as a textbook writes it.
    """

    rule: Callable[..., Any]
    on_arrays: Callable[..., Any]
    definition: Callable[..., Any]

    def __call__(self, *given: Any, **options: Any) -> Any:
        """As `rule`."""
        return self.rule(*given, **options)


@dataclass(frozen=True)
class Case:
    """One call to try in the tests: shapes of the arguments, and the options."""

    shapes: tuple[tuple[int, ...], ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Operation:
    """A function of arrays with everything the package needs to know about it.

    `domain` is one interval per argument (the last repeats); `kinks` are where one-sided
    derivatives differ or do not exist; `edges` are functions of the arguments that are zero where
    there is no value, or a jump, so that nothing can be asked there; `extremes` are argument tuples
    at which value and derivatives must stay finite; `formula` is LaTeX with `{0}`, `{1}` for the
    arguments.
    `definition` is the textbook's form, written with other operations, where `forward` is written
    to be exact or fast: formulas are traced from it, and the tests hold both against each other.
    A `surrogate` has rules that stand in for a derivative that teaches nothing (a step's is 0).
    `array_rules` are the rules as the sweep applies them to arrays; `constant` says that all of
    them are numbers.
    """

    name: str
    forward: Callable[..., Any]
    formula: str
    domain: tuple[Interval, ...]
    numpy: tuple[Any, ...] = ()
    kinks: tuple[Kink, ...] = ()
    edges: tuple[Callable[..., Any], ...] = ()
    extremes: tuple[tuple[float, ...], ...] = ()
    cases: tuple[Case, ...] = ()
    definition: Callable[..., Any] | None = None
    surrogate: bool = False
    variadic: bool = False
    count: int = field(init=False)
    arguments: tuple[str, ...] = field(init=False)
    defaults: Mapping[str, Any] = field(init=False)
    options: tuple[str, ...] = field(init=False)
    array_rules: tuple[Any, ...] = field(init=False)
    constant: bool = field(init=False)

    differentiable: ClassVar[bool] = True
    elementwise: ClassVar[bool] = False

    @property
    def rules(self) -> tuple[Any, ...]:
        """The derivative rules, one per argument (one in all for a variadic record)."""
        return ()

    @property
    def names(self) -> tuple[str, ...]:
        """What a call may name: the arguments and the options."""
        return (*self.arguments, *self.options)

    def arity(self) -> int:
        """How many of `forward`'s parameters are arrays; the rest are options."""
        return len(self.rules)

    def __post_init__(self) -> None:
        for name in ("name", "formula", "domain"):
            if not getattr(self, name):
                raise IncompleteRecordError(f"operation {self.name!r} has no {name}; declare it")
        parameters = parameters_of(self.forward)
        names = tuple(parameters)
        count = self.arity()
        if count > len(names):
            raise IncompleteRecordError(
                f"operation {self.name!r} has {count} rules, but its forward takes only "
                f"{', '.join(names) or 'nothing'}; give one rule per array argument"
            )
        for low, high in self.domain:
            if not low < high:
                raise IncompleteRecordError(
                    f"operation {self.name!r} has the empty domain ({low}, {high}); low < high"
                )
        try:
            self.formula.format(*names)
        except (KeyError, IndexError, ValueError) as error:
            raise IncompleteRecordError(
                f"operation {self.name!r} has a formula that cannot be filled in: {error!r}; write "
                "{0}, {1} for the arguments and double every other brace, as in \\sqrt{{{0}}}"
            ) from None
        set_field = object.__setattr__
        set_field(self, "count", count)
        set_field(self, "arguments", names[:count])
        set_field(self, "options", names[count:])
        set_field(
            self,
            "defaults",
            {name: value for name, value in parameters.items() if value is not REQUIRED},
        )
        set_field(self, "constant", not any(callable(rule) for rule in self.rules))
        # On arrays a rule that is an operation has nothing to record.
        set_field(
            self,
            "array_rules",
            tuple(
                rule.forward if isinstance(rule, Operation) else getattr(rule, "on_arrays", rule)
                for rule in self.rules
            ),
        )

    @overload
    def __call__(self, first: Value | Sequence[Value], /, *args: Any, **kwargs: Any) -> Value: ...

    @overload
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply to arrays at NumPy speed, or record where an argument is a Value."""
        for item in args:
            if isinstance(item, Node):
                if not kwargs and len(args) == self.count and not self.variadic:
                    return record(self, args)
                return self.bound(args, kwargs)
        if self.variadic:
            arrays, *others = args
            arrays = tuple(arrays)
            if any(isinstance(item, Node) for item in arrays):
                return self.bound((arrays, *others), kwargs)
            return self.forward(*arrays, *others, **kwargs)
        if kwargs and any(isinstance(item, Node) for item in kwargs.values()):
            return self.bound(args, kwargs)
        if args and args[0].__class__ in NOT_NUMPY:
            count = len(args) if self.elementwise else self.count
            out = self.forward(*numpy_operands(args[:count]), *args[count:], **kwargs)
            return out[()] if out.__class__ is np.ndarray else out
        try:
            return self.forward(*args, **kwargs)
        except Untraced as unknown:
            return unknown.whole(self.forward, args, kwargs)
        except ValueError as error:
            if not isinstance(error.__cause__, Untraced):
                raise
            return error.__cause__.whole(self.forward, args, kwargs)

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The node of a call that names its arguments or has options, some of which are Values."""
        inputs, options = self.bind(args, kwargs)
        if any(isinstance(item, Node) for item in inputs):
            return record(self, inputs, options)
        return self.forward(*inputs, **options)  # the only Value is an option: indices, say

    def bind(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort a call's arguments into arrays and options by the names of `forward`.

        An option that this record lacks may be given as None, as NumPy's own wrappers do.
        """
        names = self.names
        if len(args) > len(names):
            raise OperandError(
                f"{self.name} takes {', '.join(names)}; {len(args)} positional arguments are given"
            )
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name in given:
                raise OperandError(f"{self.name} is given {name!r} twice")
            if name in names:
                given[name] = value
            elif value is not None:
                raise OperandError(unknown_option(self.name, name, names))
        inputs = []
        for name in self.arguments:
            if name not in given and name not in self.defaults:
                raise OperandError(f"{self.name} needs its argument {name!r}")
            inputs.append(given.pop(name) if name in given else self.defaults[name])
        if self.variadic:
            inputs = list(inputs[0])
        return tuple(inputs), {name: plain(value) for name, value in given.items()}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} operation {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return find, (self.name,)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Elementwise(Operation):
    """An operation entry by entry, its arguments broadcast; one partial per argument.

    Parameters of `forward` after a `*` are options, not arrays; the partials are given them too.
    """

    partials: tuple[Rule, ...]

    elementwise: ClassVar[bool] = True

    @property
    def rules(self) -> tuple[Any, ...]:
        """The partials."""
        return self.partials

    def __post_init__(self) -> None:
        count = len(parameters_of(self.forward, by_position=True))
        for rule in self.partials:
            if not callable(rule) and not isinstance(rule, int | float):
                raise IncompleteRecordError(
                    f"operation {self.name!r} has {rule!r} for a partial; give a function of "
                    "(out, *arguments), or a number where the derivative is constant"
                )
        if len(self.partials) != count:
            raise IncompleteRecordError(
                f"operation {self.name!r} has {count} arguments and {len(self.partials)} partials; "
                "give one per argument (0 where it has no derivative)"
            )
        for rule in self.partials:
            check_parameters(self.name, rule, 1 + count, "(out, *arguments)")
        super().__post_init__()

    @classmethod
    def define(
        cls,
        name: str,
        forward: Callable[..., Any],
        partials: Sequence[Rule] | Rule,
        *,
        formula: str,
        domain: Sequence[Interval] | Interval = REAL,
        numpy: Sequence[Any] | Callable[..., Any] = (),
        kinks: Iterable[Kink] = (),
        extremes: Iterable[tuple[float, ...]] = (),
        cases: Iterable[Case | tuple[tuple[tuple[int, ...], ...], Mapping[str, Any]]] = (),
        definition: Callable[..., Any] | None = None,
        surrogate: bool = False,
    ) -> Self:
        """Declare an operation that works entry by entry, and return it as a function.

        `partials[i](out, *arguments)` is the local derivative ∂out/∂argument i, in plain NumPy and
        without branches on data (use `np.where`), or a number where it is constant. Arguments of
        `forward` may have defaults. Raises `IncompleteRecordError` if a part is missing.
        """
        return register(
            cls(
                name=name,
                forward=forward,
                partials=listed(
                    partials, lambda rule: callable(rule) or isinstance(rule, int | float)
                ),
                formula=formula,
                domain=listed(domain, lambda interval: isinstance(interval[0], int | float)),
                numpy=listed(numpy, callable),
                kinks=tuple(kinks),
                extremes=tuple(extremes),
                cases=listed_cases(cases),
                definition=definition,
                surrogate=surrogate,
            )
        )


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Structural(Operation):
    """An operation that moves, mixes or reduces entries; one pullback per array argument.

    A variadic record (concatenate) takes a sequence of arrays and has one pullback, called with
    the position of the array asked for as the option `position`.
    """

    pullbacks: tuple[Callable[..., Any], ...]

    @property
    def rules(self) -> tuple[Any, ...]:
        """The pullbacks."""
        return self.pullbacks

    def __post_init__(self) -> None:
        if not self.pullbacks or not all(callable(rule) for rule in self.pullbacks):
            raise IncompleteRecordError(
                f"operation {self.name!r} needs one pullback per array argument"
            )
        count = len(self.pullbacks)
        for rule in () if self.variadic else self.pullbacks:
            check_parameters(self.name, rule, 2 + count, "(g, out, *arguments, **options)")
        if not self.cases:
            raise IncompleteRecordError(
                f"operation {self.name!r} has no cases: list the shapes and options to test"
            )
        super().__post_init__()

    @classmethod
    def define(
        cls,
        name: str,
        forward: Callable[..., Any],
        pullbacks: Sequence[Callable[..., Any]] | Callable[..., Any],
        *,
        formula: str,
        cases: Iterable[Case | tuple[tuple[tuple[int, ...], ...], Mapping[str, Any]]],
        domain: Sequence[Interval] | Interval = REAL,
        numpy: Sequence[Any] | Callable[..., Any] = (),
        kinks: Iterable[Kink] = (),
        edges: Iterable[Callable[..., Any]] = (),
        extremes: Iterable[tuple[float, ...]] = (),
        definition: Callable[..., Any] | None = None,
        variadic: bool = False,
    ) -> Self:
        """Declare an operation that moves, mixes or reduces entries, and return it as a function.

        `pullbacks[i](g, out, *arguments, **options)` returns the gradient of argument i for an
        incoming gradient `g` of `out`'s shape, in plain NumPy; the first parameters of `forward`
        are its array arguments, one per pullback, the rest are options. `cases` are (shapes,
        options) to test. Raises `IncompleteRecordError` if a part is missing.
        """
        return register(
            cls(
                name=name,
                forward=forward,
                pullbacks=listed(pullbacks, callable),
                formula=formula,
                cases=listed_cases(cases),
                domain=listed(domain, lambda interval: isinstance(interval[0], int | float)),
                numpy=listed(numpy, callable),
                kinks=tuple(kinks),
                edges=tuple(edges),
                extremes=tuple(extremes),
                definition=definition,
                variadic=variadic,
            )
        )


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Discrete(Operation):
    """An operation whose result has no derivative: a mask, an index, a truth value."""

    array_arguments: int = 1

    differentiable: ClassVar[bool] = False

    def arity(self) -> int:
        """As declared: there are no rules to count."""
        return self.array_arguments

    @classmethod
    def define(
        cls,
        name: str,
        forward: Callable[..., Any],
        *,
        formula: str,
        numpy: Sequence[Any] | Callable[..., Any] = (),
        array_arguments: int = 1,
    ) -> Self:
        """Declare an operation without a derivative, as a comparison is; results are untracked."""
        return register(
            cls(
                name=name,
                forward=forward,
                formula=formula,
                domain=(REAL,),
                numpy=listed(numpy, callable),
                array_arguments=array_arguments,
            )
        )


REQUIRED = inspect.Parameter.empty


def parameters_of(forward: Callable[..., Any], by_position: bool = False) -> dict[str, Any]:
    """The parameters of a forward function and their defaults (REQUIRED where there is none)."""
    if not callable(forward):
        raise IncompleteRecordError(f"a forward must be a function of arrays, not {forward!r}")
    if isinstance(forward, np.ufunc):
        names = ("x",) if forward.nin == 1 else tuple(f"x{i + 1}" for i in range(forward.nin))
        return dict.fromkeys(names, REQUIRED)
    signature = inspect.signature(forward)
    return {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
        and not (by_position and parameter.kind is parameter.KEYWORD_ONLY)
    }


def check_parameters(name: str, rule: Rule, count: int, wanted: str) -> None:
    """Refuse a rule that cannot be called with `count` arguments by position."""
    if not callable(rule) or isinstance(rule, Operation | np.ufunc):
        return
    parameters = inspect.signature(rule).parameters.values()
    by_position = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(by_position) < count and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise IncompleteRecordError(
            f"a rule of operation {name!r} takes {len(by_position)} arguments; it is called with "
            f"{count}: {wanted}"
        )


def numpy_operands(args: tuple[Any, ...]) -> list[Any]:
    """Lists as arrays, and Python's numbers as NumPy's where no array decides the dtype."""
    arrays = [np.asarray(a) if isinstance(a, list | tuple) else a for a in args]
    weak = any(isinstance(a, np.ndarray | np.generic) for a in arrays)
    return arrays if weak else [np.asarray(a)[()] for a in arrays]


def unknown_option(function: str, name: str, known: tuple[str, ...]) -> str:
    """What to say of an option that a function takes in NumPy or PyTorch, but not on a Value."""
    if name == "dim" and "axis" in known:
        return f"{function} takes axis=, NumPy's name, where PyTorch writes dim="
    if name == "keepdim" and "keepdims" in known:
        return f"{function} takes keepdims=, NumPy's name, where PyTorch writes keepdim="
    if name == "dtype":
        return (
            f"{function} has no option 'dtype' on a Value; write v.astype(dtype) before or after it"
        )
    return f"{function} has no option {name!r} on a Value; it takes {', '.join(known)}"


def plain(option: Any) -> Any:
    """An option as the graph keeps it: nobody can change it afterwards."""
    if isinstance(option, Node):
        if option.requires_grad:
            raise ConversionError(
                "a tracked Value cannot be an option (an index, an axis, a count): no gradient "
                "flows through it; pass v.data, or v.detach()"
            )
        return option._data
    if isinstance(option, np.ndarray):
        option = option.copy()
        option.setflags(False)
        return option
    if isinstance(option, list | tuple):
        return type(option)(plain(part) for part in option)
    return int(option) if isinstance(option, np.integer) else option


def find(name: str) -> Operation:
    """The operation called `name`; an error that names the closest ones otherwise."""
    if name not in OPERATIONS:
        raise UnknownNameError(f"no operation {name!r}; there is {closest(name, OPERATIONS)}")
    return OPERATIONS[name]


def register(operation: Kind) -> Kind:
    """Enter a record in the registry and in the dispatch of its NumPy functions."""
    if operation.name in OPERATIONS:
        raise IncompleteRecordError(
            f"an operation {operation.name!r} exists already; choose another name"
        )
    OPERATIONS[operation.name] = operation
    enter(operation, operation.numpy)
    return operation


def enter(implementation: Operation | Callable[..., Any], functions: Iterable[Any]) -> None:
    """Let NumPy's `functions` be `implementation` on Values."""
    for function in functions:
        table = UFUNCS if isinstance(function, np.ufunc) else FUNCTIONS
        table[function] = implementation


def listed(item: Any, is_one: Callable[[Any], bool]) -> tuple[Any, ...]:
    """`item` as a tuple, whether one thing or a sequence of them is given."""
    if item is None or (isinstance(item, tuple | list) and not (item and is_one(item))):
        return tuple(item or ())
    return (item,)


def listed_cases(
    cases: Iterable[Case | tuple[tuple[tuple[int, ...], ...], Mapping[str, Any]]],
) -> tuple[Case, ...]:
    """The cases of a declaration, whether written out or as pairs."""
    return tuple(case if isinstance(case, Case) else Case(*case) for case in cases)


define_elementwise = Elementwise.define
define_structural = Structural.define
define_discrete = Discrete.define
