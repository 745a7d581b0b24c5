"""Names from other libraries that are not to be found here: errors that say what to write."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

from .errors import OperandError, closest

Given = ParamSpec("Given")
Result = TypeVar("Result")


def refuse_unknown(
    who: str, names: Iterable[str], known: Iterable[str], spellings: Mapping[str, str]
) -> None:
    """Raise `OperandError` for the first option of `names` that is not among the `known` ones.

    `spellings` gives ours for another library's, or words where no option takes its place.
    """
    known = list(known)
    for name in names:
        if name not in known:
            ours = spellings.get(name.lower(), "")
            if ours in known:
                hint = f"write {ours!r}"
            else:
                hint = ours if " " in ours else f"it has {', '.join(known) or 'none'}"
            raise OperandError(f"{who} has no option {name!r}; {hint}")


def refusing(
    spellings: Mapping[str, str],
) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Make a function refuse the options that it does not take, as `refuse_unknown` does."""

    def decorate(function: Callable[Given, Result]) -> Callable[Given, Result]:
        known = [*inspect.signature(function).parameters]

        @wraps(function)
        def checked(*args: Given.args, **options: Given.kwargs) -> Result:
            if options:
                refuse_unknown(function.__name__, options, known, spellings)
            return function(*args, **options)

        return checked

    return decorate


def refuse_name(
    module: str, name: str, elsewhere: Mapping[str, str], known: Iterable[str]
) -> NoReturn:
    """Raise `AttributeError` for a name that `module` lacks: for its `__getattr__`."""
    instead = elsewhere.get(name)
    hint = f"write {instead}" if instead else f"there is {closest(name, known)}"
    raise AttributeError(f"{module} has no {name!r}; {hint}", name=name)


class Elsewhere:
    """A name that objects of a class lack: reading it says what to write.

    `__getattr__` would say it too, and make every attribute slower to read. Attributes of that name
    that an object or a subclass has of its own go before it.
    """

    def __init__(self, name: str, instead: str) -> None:
        self.name, self.instead = name, instead

    def __get__(self, each: Any, kind: Any = None) -> NoReturn:
        raise AttributeError(
            f"{kind.__name__} has no attribute {self.name!r}; write {self.instead}",
            name=self.name,
            obj=each,
        )
