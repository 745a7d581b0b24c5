"""What is drawn of a graph, and what each part of it is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from typing import Any

import numpy as np

from ...engine.node import Node
from ..folding import Key, Use, key_of, uses_by
from ..labels import clipped, distinct_names, number

LONGEST = 24
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def uses_of(nodes: Sequence[Node]) -> list[Use]:
    """The edges into `nodes`."""
    return [use for node in nodes for use in uses_by(node)]


def items_of(nodes: Sequence[Node], uses: Sequence[Use]) -> dict[Key, Any]:
    """`nodes`, and the constants that they use, in the order of their creation."""
    items: dict[Key, Any] = {key_of(node): node for node in nodes}
    items |= {use.key: use.item for use in uses}
    return dict(sorted(items.items()))


def names_of(items: Mapping[Key, Any], uses: list[Use]) -> dict[Key, str]:
    """A name for each node and array, all different; plain numbers are called what they are.

    Those that the user has not named are v1, v2, … where they are tracked and c1, c2, … elsewhere.
    """
    given = {
        key: clipped(name, LONGEST)
        for key, item in items.items()
        if isinstance(item, Node) and (name := item.name)
    }
    given |= {key: clipped(name, LONGEST) for key, name in scoped(items, uses).items()}
    taken = set(given.values())
    seen: Counter[str] = Counter()
    numbered = {True: free("v", taken), False: free("c", taken)}
    names = {}
    for key, item in items.items():
        if key in given:
            name = given[key]
            seen[name] += 1
            again = str(seen[name]).translate(SUBSCRIPTS) if seen[name] > 1 else ""
            names[key] = f"{name}{again}"
        elif isinstance(item, Node) or np.ndim(item):
            names[key] = next(numbered[isinstance(item, Node) and item.requires_grad])
        else:
            names[key] = number(item)
    return names


def scoped(items: Mapping[Key, Any], uses: list[Use]) -> dict[Key, str]:
    """The names that are preceded by a scope, without the outer scopes that all of them share."""
    names = {
        key: name.split(".")
        for key, name in distinct_names(items, uses).items()
        if name != items[key].name
    }
    levels = zip(*names.values(), strict=False)
    shared = max(sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels)) - 1, 0)
    return {key: ".".join(parts[shared:]) for key, parts in names.items()}


def free(letter: str, taken: set[str]) -> Iterator[str]:
    """The letter with 1, 2, 3, …, without those that the user has taken."""
    return (name for i in count(1) if (name := f"{letter}{i}") not in taken)
