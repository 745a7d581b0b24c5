"""`Optimizer`: which parameters are moved, by which options, and what is remembered of them."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from math import inf, nan
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np

from ..engine.value import Value
from ..errors import NotTrackedError, OperandError, ShapeError, UnknownNameError
from ..nn.module import Module
from ..spellings import Elsewhere, refuse_unknown

Group = Mapping[str, Any]
Parameters = Value | Group | Iterable[Value | Group]
State = dict[str, Any]

# Where PyTorch, Keras and the papers write another name.
SPELLINGS = {
    "eps": "epsilon",
    "alpha": "decay",
    "rho": "decay",
    "beta": "momentum",
    "beta1": "betas",
    "beta2": "betas",
    "beta_1": "betas",
    "beta_2": "betas",
    "centred": "centered",
    "learning_rate": "lr",
    "parameters": "params",
    "dampening": "leave it out: the momentum adds the whole gradient",
    "maximize": "leave it out, and give the negative of what shall grow as the loss",
    "amsgrad": "leave it out: there is no such variant",
    "foreach": "leave it out: it is PyTorch's own matter",
    "fused": "leave it out: it is PyTorch's own matter",
}
# What PyTorch's optimisers are asked for.
ELSEWHERE = {
    "param_groups": "optimizer.groups",
    "add_param_group": "the groups where the optimiser is made: [{'params': [...], 'lr': 0.01}]",
    "state": "optimizer.states, in the order of optimizer.params",
    "minimize": "loss.backward() and optimizer.step()",
}


class Options(dict[str, Any]):
    """The options of a group: what is written into it is checked, and a rate is one to scale."""

    def __setitem__(self, name: str, value: Any) -> None:
        # A group of rate 0 rests.
        check = not_negative if name == "lr" else CHECKS.get(name, as_given)
        super().__setitem__(name, check(name, value))
        if name == "lr":
            super().__setitem__("base_lr", self["lr"])


class Optimizer(ABC):
    """Moves parameters against their gradients, each by the same pure rule.

    `params` are leaves, or groups `[{"params": [...], "lr": 0.01}, ...]` with options of their
    own; what a group leaves out is as for all. `groups` is the list of these dicts with every
    option filled in, and may be written to: `groups[0]["lr"] = 0.1`. A rule of your own is a
    subclass with `update`.
    Raises `OperandError`.
    """

    groups: list[Options]
    params: list[Value]
    """All parameters, group by group."""
    entrywise: ClassVar[bool] = False
    """Whether the rule works entry by entry, so that parameters may be updated as one array."""
    states: list[State]
    """What the rule remembers of each parameter: empty until its first step."""

    def __new__(cls, *_: Any, **options: Any) -> Self:
        """Refuse an option that `__init__` does not take, and name the one that it does."""
        signature = inspect.signature(cls.__init__).parameters
        if all(each.kind is not each.VAR_KEYWORD for each in signature.values()):
            refuse_unknown(cls.__name__, options, list(signature)[1:], SPELLINGS)
        return super().__new__(cls)

    def __init__(self, params: Parameters, lr: float, **options: Any) -> None:
        rule = type(self).__name__
        self.defaults = {"lr": lr, **options}
        groups = [params] if isinstance(params, Value | Mapping) else given(rule, params)
        if not groups or not isinstance(groups[0], Mapping):
            groups = [{"params": groups}]
        self.groups = [self.group(each) for each in groups]
        self.places = [(each, group) for group in self.groups for each in group["params"]]
        self.params = [parameter for parameter, _ in self.places]
        if len({id(parameter) for parameter in self.params}) < len(self.params):
            raise OperandError(f"{rule} got the same parameter twice, which would be moved twice")
        self.states = [{} for _ in self.params]

    def group(self, one: Any) -> Options:
        """A group with its leaves in a list and every option checked."""
        rule = type(self).__name__
        if not isinstance(one, Mapping) or "params" not in one:
            raise OperandError(
                f"a group of parameters is a dict such as {{'params': [...], 'lr': 0.01}}, "
                f"not {one!r}"
            )
        refuse_unknown(rule, one, ["params", *self.defaults], SPELLINGS)
        checked = in_range({**self.defaults, **one, "params": leaves(rule, one["params"])})
        return Options({**checked, "base_lr": checked["lr"]})

    @staticmethod
    @abstractmethod
    def update(parameter: Any, gradient: Any, state: State, options: Group) -> tuple[Any, State]:
        """The parameter and the state after one step; nothing is written in place.

        `parameter` and `gradient` are arrays of one shape; `state` is what the last step returned,
        `{}` at first: arrays of that shape, and counts; `options` is the parameter's group.
        """

    def step(self) -> None:
        """Move every parameter that has a gradient. Raises `NotTrackedError` if none has.

        The leaves get new data, so a graph recorded before a step raises `StaleGraphError`
        instead of mixing old and new numbers.
        """
        update, states = self.update, self.states
        moved = False
        for position, (parameter, group) in enumerate(self.places):
            gradient = parameter.grad
            if gradient is None:
                continue
            moved = True
            data, states[position] = update(parameter._data, gradient, states[position], group)
            parameter.rebind(data)
        if not moved:
            raise NotTrackedError("no parameter has a gradient; call loss.backward() before step()")

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.params:
            parameter.grad = None

    @property
    def lr(self) -> float:
        """The learning rate of the first group; assigning sets that of all groups."""
        rate: float = self.groups[0]["lr"]
        return rate

    @lr.setter
    def lr(self, rate: float) -> None:
        for group in self.groups:
            group["lr"] = positive("lr", rate)

    def scale(self, factor: float) -> None:
        """Set each group's `lr` to `factor` × its `base_lr`, the rate that it was given last.

        `factor` is what a schedule returns: `optimizer.scale(schedule(epoch, losses))`. Raises
        `OperandError` for a factor below 0.
        """
        factor = not_negative("the factor of lr", factor)
        for group in self.groups:
            group.update(lr=factor * group["base_lr"])  # past the base rate

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, but for the parameters: numbers and copied arrays.

        `{"optimizer": its name, "groups": [options], "state": [arrays and counts]}`. The groups
        name their parameters by position, and the state has one dict for each, in that order.
        """
        place = {id(parameter): position for position, parameter in enumerate(self.params)}
        return {
            "optimizer": type(self).__name__,
            "groups": [
                {**group, "params": [place[id(each)] for each in group["params"]]}
                for group in self.groups
            ],
            "state": [
                {
                    name: entry if isinstance(entry, int) else np.array(entry)
                    for name, entry in state.items()
                }
                for state in self.states
            ],
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `state_dict()` returned, learning rates and all; all of it or nothing.

        Raises `OperandError` for another optimiser or an option out of range, `UnknownNameError`
        for missing and unknown names, `ShapeError` for other groups, parameters or shapes.
        """
        ours = self.state_dict()
        rule = ours["optimizer"]
        same_names("the state of an optimiser", saved, ours)
        if saved["optimizer"] != rule:
            raise OperandError(
                f"this is the state of {saved['optimizer']}, not of {rule}; make the optimiser "
                "that was saved"
            )
        counts, wanted = (
            [len(group["params"]) for group in each["groups"]] for each in (saved, ours)
        )
        if counts != wanted or len(saved["state"]) != len(self.params):
            raise ShapeError(
                f"the saved {rule} has groups of {counts} parameters, this one of {wanted}; make "
                "it with the same groups"
            )
        loaded = []
        for one, group in zip(saved["groups"], self.groups, strict=True):
            same_names(f"a group of {rule}", one, group)
            # A schedule may have brought the rate down to 0.
            rate = not_negative("lr", one["lr"])
            checked = in_range({**one, "lr": one["base_lr"], "params": group["params"]})
            loaded.append({**checked, "lr": rate, "base_lr": checked["lr"]})
        states = iter(saved["state"])
        self.states = [
            self.restored(parameter, next(states), group)
            for group in loaded
            for parameter in group["params"]
        ]
        for group, one in zip(self.groups, loaded, strict=True):
            group.update(one)

    def restored(self, parameter: Value, state: Mapping[str, Any], group: Group) -> State:
        """The state of one parameter, as this rule would have left it."""
        if not state:
            return {}
        _, example = self.update(parameter._data, np.zeros_like(parameter._data)[()], {}, group)
        who = f"the state of {parameter.name or 'a parameter'} in {type(self).__name__}"
        same_names(who, state, example)
        restored: State = {}
        for name, wanted in example.items():
            if isinstance(wanted, int):
                restored[name] = int(state[name])
                continue
            entry = np.asarray(state[name])
            if entry.shape != wanted.shape:
                raise ShapeError(f"{who}: {name} has shape {entry.shape}, not {wanted.shape}")
            restored[name] = np.array(entry, wanted.dtype)[()]
        return restored

    def __repr__(self) -> str:
        numbers = [f"{len(self.params)} parameters"]
        if len(self.groups) > 1:
            numbers[0] += f" in {len(self.groups)} groups"
        first = self.groups[0]
        numbers += [f"{name}={first[name]!r}" for name in self.defaults]
        return f"{type(self).__name__}({', '.join(numbers)})"


# After the class body, so that a type checker does not take them for attributes.
for each, hint in ELSEWHERE.items():
    setattr(Optimizer, each, Elsewhere(each, hint))


def given(who: str, params: Any) -> list[Any]:
    """The things in `params`; a model is told to give its parameters."""
    if isinstance(params, Module):
        raise OperandError(f"{who} takes a list of parameters; pass model.parameters()")
    if not isinstance(params, Iterable):
        raise OperandError(f"{who} takes a list of parameters, not {params!r}")
    return list(params)


def leaves(who: str, params: Any) -> list[Value]:
    """The leaves in `params`, at least one. Raises `OperandError`."""
    found = [params] if isinstance(params, Value) else given(who, params)
    if not found:
        raise OperandError(f"{who} got no parameters; pass model.parameters()")
    for parameter in found:
        if not isinstance(parameter, Value) or parameter.op is not None:
            raise OperandError(f"{who} updates leaves made with te.Value, not {parameter!r}")
    return found


def same_names(what: str, saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise `UnknownNameError` with every name that is missing or not known."""
    missing, unknown = ([*wanted.keys() - saved], [*saved.keys() - wanted])
    said = [
        f"{word} {', '.join(sorted(names))}"
        for word, names in (("lacks", missing), ("does not know", unknown))
        if names
    ]
    if said:
        raise UnknownNameError(f"{what} {' and '.join(said)}; give what state_dict() returned")


def in_range(group: Group) -> dict[str, Any]:
    """The options as numbers. Raises `OperandError` for one out of its range."""
    checked = {name: CHECKS.get(name, as_given)(name, value) for name, value in group.items()}
    if checked.get("nesterov") and not checked["momentum"]:
        raise OperandError("nesterov looks ahead along the momentum; give momentum=0.9, say")
    return checked


def as_given(_: str, value: Any) -> Any:
    """The option of a rule that only its author knows."""
    return value


def within(low: float, high: float, range_: str, *, low_too: bool = True) -> Callable[..., Any]:
    """A check that a number is from `low` on, or above it, and below `high`."""

    def check(name: str, value: Any) -> float:
        number = float(value) if isinstance(value, Real) else nan
        if not (low < number < high or (low_too and number == low)):
            raise OperandError(f"{name} must be {range_}, not {value!r}")
        # Python numbers are weak: a float32 parameter stays float32.
        return number

    return check


positive = within(0, inf, "a positive number", low_too=False)
not_negative = within(0, inf, "a number from 0 up")
fraction = within(0, 1, "at least 0 and below 1")


def two_fractions(name: str, value: Any) -> tuple[float, float]:
    """Both decay rates of Adam."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise OperandError(f"{name} must be two numbers such as (0.9, 0.999), not {value!r}")
    return fraction(f"{name}[0]", value[0]), fraction(f"{name}[1]", value[1])


def true_or_false(name: str, value: Any) -> bool:
    """A switch."""
    if not isinstance(value, bool | np.bool):
        raise OperandError(f"{name} must be True or False, not {value!r}")
    return bool(value)


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "lr": positive,
    "momentum": fraction,
    "nesterov": true_or_false,
    "decay": fraction,
    "centered": true_or_false,
    "betas": two_fractions,
    "epsilon": positive,
    "weight_decay": not_negative,
}
