"""Nested containers of numbers: what functions are differentiated by, and how answers come back.

A *leaf* is a Value, an array, a number, or a list of plain numbers, which is an array as it is for
`te.Value`. Dicts, lists, tuples, named tuples and dataclasses hold leaves and further containers.
A *model* is what has `named_parameters()`: it is never taken apart or changed, its parameters are
leaves as they are, and derivatives by it are dicts of their names. All else inside a container
(None, bools and masks, text, functions) is a *constant*: it is passed on as it is, and None stands
in its place where the derivative would be.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

import numpy as np

from ..errors import ShapeError
from .node import Node
from .operation import Operation

NUMBERS = (int, float, complex, np.number)
# What is most often met, and holds nothing: known at a glance.
WHOLE = (Node, np.ndarray, float, Operation)


class Model(Protocol):
    """What holds parameters under names, as every `te.nn.Module` does."""

    def named_parameters(self) -> Iterable[tuple[str, Any]]:
        """Each parameter once, with its path."""
        ...


def is_model(tree: Any) -> bool:
    """Whether `tree` holds its leaves under names of its own."""
    return hasattr(tree, "named_parameters") and not isinstance(tree, type)


def is_plain(items: list[Any]) -> bool:
    """Whether a list holds plain numbers alone, in lists of one length, and so is an array."""
    if items and all(type(item) is list for item in items):
        return all(map(is_plain, items)) and len({np.shape(item) for item in items}) == 1
    return bool(items) and all(is_number(item) for item in items)


def is_number(item: Any) -> bool:
    """Whether `item` is one number. Bools are not: they choose, and do not move a result."""
    return isinstance(item, NUMBERS) and not isinstance(item, bool)


def is_array(item: Any) -> bool:
    """Whether `item` is a Value or an array of numbers."""
    if isinstance(item, Node):
        return item.requires_grad or item._data.dtype.kind != "b"
    if isinstance(item, np.ndarray):
        return item.dtype.kind in "iufcO"  # complex and object are refused by name later
    return hasattr(item, "__array__") and not isinstance(item, np.generic | type)


def is_leaf(item: Any) -> bool:
    """Whether a derivative can be taken by `item`, or of it."""
    return is_array(item) or is_number(item) or (type(item) is list and is_plain(item))


def parts(tree: Any) -> Mapping[Any, Any] | None:
    """What a container holds, by key, position, field or parameter name; None for another thing."""
    if isinstance(tree, WHOLE):
        return None
    if isinstance(tree, dict):
        return tree
    if isinstance(tree, tuple) or (isinstance(tree, list) and not is_leaf(tree)):
        return dict(enumerate(tree))
    if is_model(tree):
        return dict(tree.named_parameters())
    if is_dataclass(tree) and not isinstance(tree, type):
        return {field.name: getattr(tree, field.name) for field in fields(tree)}
    return None


def rebuilt(tree: Any, held: dict[Any, Any]) -> Any:
    """A container like `tree`, of its type and in its order, that holds other parts."""
    if type(tree) is dict:
        return held
    if isinstance(tree, tuple):
        return tree._make(held.values()) if hasattr(tree, "_make") else type(tree)(held.values())
    another = copy.copy(tree)  # whatever else a subclass carries: a default factory, say
    if isinstance(tree, dict):
        another.update(held)
    elif isinstance(tree, list):
        another[:] = held.values()
    else:
        for name, part in held.items():
            object.__setattr__(another, name, part)  # a frozen dataclass too, and no __init__ runs
    return another


def dotted(path: str, key: Any) -> str:
    """The path of a part, as `layers.0.weight`."""
    return f"{path}.{key}" if path else str(key)


def mapped(
    change: Callable[[Any, str], Any],
    tree: Any,
    constant: Callable[[Any], Any] = lambda item: item,
    path: str = "",
) -> Any:
    """`tree` with `change(leaf, path)` for every leaf and `constant(item)` for every constant.

    Models stay as they are.
    """
    held = parts(tree)
    if held is None:
        return change(tree, path) if is_leaf(tree) else constant(tree)
    if is_model(tree):
        return tree
    return rebuilt(
        tree,
        {key: mapped(change, part, constant, dotted(path, key)) for key, part in held.items()},
    )


def opened(tree: Any) -> Any:
    """`tree` with a dict of its parameters for every model: the form derivatives come in."""
    held = parts(tree)
    if held is None:
        return tree
    inside = {key: opened(part) for key, part in held.items()}
    return inside if is_model(tree) else rebuilt(tree, inside)


def ends(tree: Any) -> Iterator[Any]:
    """The leaves and constants of `tree`, those of models too, in order."""
    held = parts(tree)
    if held is None:
        yield tree
    else:
        for part in held.values():
            yield from ends(part)


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves of `tree` in order."""
    return filter(is_leaf, ends(tree))


def filled(tree: Any, replacements: Iterable[Any]) -> Any:
    """The opened `tree` with the next of `replacements` for every leaf, None for constants."""
    following = iter(replacements)
    return mapped(lambda leaf, path: next(following), tree, lambda item: None)


def matched(tree: Any, given: Any, name: str, whose: str) -> Iterator[Any]:
    """The leaves of `given` that stand where the opened `tree` has leaves.

    `name` is what `given` is called and `whose` what has the structure of `tree`, in the words of
    the `ShapeError` that is raised where keys, lengths or shapes differ.
    """
    held = parts(tree)
    if held is None:
        if not is_leaf(tree):
            return
        wanted = np.shape(tree)
        if not is_leaf(given):
            raise ShapeError(f"{name} is {given!r:.60}; it must be {numbers(wanted)}, as {whose}")
        if np.shape(given) != wanted:
            raise ShapeError(
                f"{name} has shape {np.shape(given)} and {whose} {wanted}; they must be equal"
            )
        yield given
        return
    sequence = isinstance(tree, tuple | list)
    kind = (tuple, list) if sequence else dict if isinstance(tree, dict) else type(tree)
    if not isinstance(given, kind):
        form = f"{type(tree).__name__} of {', '.join(map(str, held)) or 'nothing'}"
        raise ShapeError(f"{name} is {given!r:.60}; give it the form of {whose}: a {form}")
    found = dict(enumerate(given)) if sequence else parts(given) or {}
    if found.keys() != held.keys():
        lacking = [str(key) for key in held if key not in found]
        beyond = [str(key) for key in found if key not in held]
        differences = [f"lacks {', '.join(lacking)}"] * bool(lacking)
        differences += [f"has {', '.join(beyond)} beyond it"] * bool(beyond)
        raise ShapeError(
            f"{name} {' and '.join(differences)}; it must be built as {whose}, which holds "
            f"{', '.join(map(str, held)) or 'nothing'}"
        )
    for key, part in held.items():
        yield from matched(part, found[key], f"{name}.{key}", whose)


def numbers(shape: tuple[int, ...]) -> str:
    """What a leaf of a shape is, in words."""
    return f"an array of shape {shape}" if shape else "a number"
