"""Changes to a model that is made already: other activations, weights, normalisation, shortcuts.

Each takes a model apart that is built of lists and attributes, changes one thing and leaves every
other weight as it was. None means that there is nothing in the model to be changed so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..activations import ACTIVATIONS, named
from ..activations.facts import curve
from ..engine.operation import Operation
from ..nn.init import drawn
from ..nn.layers import MLP, Linear, Residual, Sequential
from ..nn.module import Module
from ..nn.normalisation import Normalisation
from ..nn.recurrent import RNN

Change = Callable[[Module, int], Module | None]
"""`change(model, seed)` is the changed model, None where there is nothing to change."""


@dataclass(frozen=True)
class Site:
    """Where a model holds a part: an attribute of a module, or a place in a list."""

    owner: Any
    key: Any

    @property
    def part(self) -> Any:
        """What is there."""
        return self.owner[self.key] if isinstance(self.owner, list) else vars(self.owner)[self.key]

    def put(self, part: Any) -> None:
        """Put something else there."""
        if isinstance(self.owner, list):
            self.owner[self.key] = part
        else:
            setattr(self.owner, self.key, part)


def sites(model: Any) -> Iterator[Site]:
    """All parts of a model in the order in which it holds them, each before what is inside it."""
    held = enumerate(model) if isinstance(model, list) else list(vars(model).items())
    for key, part in held:
        yield Site(model, key)
        if isinstance(part, Module | list):
            yield from sites(part)


def taken_apart(model: Module) -> Module:
    """The model with each MLP as the Sequential that computes the same, so that parts can change.

    The layers are those of the model itself.
    """
    if isinstance(model, MLP):
        inner = [part for layer in model.layers[:-1] for part in (layer, model.activation)]
        last = [] if model.output is None else [model.output]
        return Sequential(*inner, model.layers[-1], *last)
    for site in list(sites(model)):
        if isinstance(site.part, MLP):
            site.put(taken_apart(site.part))
    return model


def hidden(model: Module, kind: Callable[[Any], Any]) -> list[Site]:
    """The parts of a kind that come before the last linear layer."""
    found = list(sites(model))
    linear = [place for place, site in enumerate(found) if isinstance(site.part, Linear)]
    return [site for site in found[: linear[-1] if linear else len(found)] if kind(site.part)]


def activation_of(part: Any) -> Operation | None:
    """The activation that a part is, itself or as a NumPy function such as np.tanh."""
    for op in ACTIVATIONS.values():
        if (part is op or any(part is each for each in op.numpy)) and curve(op):
            return op
    return None


def activation(name: str) -> Change:
    """Every hidden activation replaced by the one called `name`."""

    def change(model: Module, seed: int) -> Module | None:
        model, new = taken_apart(model), named(name)
        old = [site for site in hidden(model, activation_of) if activation_of(site.part) is not new]
        for site in old:
            site.put(new)
        return model if old else None

    return change


def initialised(name: str) -> Change:
    """All weight matrices drawn anew by the initialiser called `name`, biases 0."""

    def change(model: Module, seed: int) -> Module | None:
        random, found = np.random.default_rng(seed), False
        for _, module in model.named_modules():
            if not isinstance(module, Linear | RNN):
                continue
            found = True
            leaves = [module.weight]
            if isinstance(module, RNN):
                leaves.append(module.recurrent_weight)
            fans = sum(leaf.shape[-2] for leaf in leaves), module.weight.shape[-1]
            for leaf in leaves:
                rows, columns = leaf.shape
                leaf.data = drawn(name, (rows, columns), random, leaf.dtype, fans)
            if module.bias is not None:
                module.bias.data = np.zeros_like(module.bias.data)
        return model if found else None

    return change


def normalised(kind: Callable[..., Normalisation]) -> Change:
    """A normalisation between each hidden linear layer and its activation."""

    def change(model: Module, seed: int) -> Module | None:
        model = taken_apart(model)
        behind = {
            id(before)
            for site in sites(model)
            if isinstance(site.part, list)
            for before, after in pairwise(site.part)
            if isinstance(after, Normalisation)
        }
        bare = hidden(model, lambda part: isinstance(part, Linear) and id(part) not in behind)
        for site in bare:
            layer = site.part
            site.put(Sequential(layer, kind(layer.weight.shape[-1], dtype=layer.weight.dtype)))
        return model if bare else None

    return change


def shortcuts(model: Module, seed: int) -> Module | None:
    """x + φ(x W + b) in place of φ(x W + b) for each hidden layer that keeps the width."""
    model = taken_apart(model)
    if any(isinstance(module, Residual) for _, module in model.named_modules()):
        return None
    last = hidden(model, lambda part: isinstance(part, Linear))
    inner = {id(site.part) for site in last}
    found = False
    for _, module in list(model.named_modules()):
        if not isinstance(module, Sequential):
            continue
        layers, parts = list(module.layers), []
        while layers:
            part = layers.pop(0)
            square = isinstance(part, Linear) and part.weight.shape[-2] == part.weight.shape[-1]
            if square and id(part) in inner:
                group = [part]
                while layers and (isinstance(layers[0], Normalisation) or activation_of(layers[0])):
                    group.append(layers.pop(0))
                part, found = Residual(Sequential(*group)), True
            parts.append(part)
        module.layers = parts
    return model if found else None


def both(*changes: Change) -> Change:
    """One change after the other; None only where none of them found anything to change."""

    def change(model: Module, seed: int) -> Module | None:
        changed = False
        for each in changes:
            after = each(model, seed)
            model, changed = (after, True) if after is not None else (model, changed)
        return model if changed else None

    return change
