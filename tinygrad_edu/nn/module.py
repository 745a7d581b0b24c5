"""`Module`: a plain object holding Values and Modules, callable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..engine.context import STATE
from ..engine.value import Value


class Module:
    """A part of a model: its parameters are the tracked Values it holds, itself or in parts.

    A subclass sets attributes and defines `forward`; calling it records what happens inside under
    a scope such as `mlp.layers.0`. Lists, tuples and dicts of Values and Modules are searched too.
    """

    _name: str = ""

    def __setattr__(self, name: str, value: Any) -> None:
        for path, part in parts(name, value):
            if isinstance(part, Module):
                object.__setattr__(part, "_name", path)
        object.__setattr__(self, name, value)

    def forward(self, *inputs: Any) -> Any:
        """What the module computes; defined by each subclass."""
        raise TypeError(f"{type(self).__name__} defines no forward(self, x)")

    def __call__(self, *inputs: Any) -> Any:
        """Run `forward` with this module's name added to the scope."""
        state = STATE.get()
        name = self._name or type(self).__name__.lower()
        token = STATE.set(state.inner.get(name) or state.within(name))
        try:
            return self.forward(*inputs)
        finally:
            STATE.reset(token)

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module and all inside it, each once, with dotted paths, in attribute order."""
        seen = {id(self)}
        stack: list[tuple[str, Module]] = [("", self)]
        while stack:
            prefix, module = stack.pop()
            yield prefix, module
            inner = []
            for path, part in members(module):
                if isinstance(part, Module) and id(part) not in seen:
                    seen.add(id(part))
                    # A list may have grown since it was assigned.
                    object.__setattr__(part, "_name", path)
                    inner.append((f"{prefix}.{path}" if prefix else path, part))
            stack.extend(reversed(inner))

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Each tracked leaf once, with a path such as `layers.0.weight`."""
        seen: set[int] = set()
        for prefix, module in self.named_modules():
            for path, part in members(module):
                tracked = isinstance(part, Value) and part.requires_grad and part.op is None
                if tracked and id(part) not in seen:
                    seen.add(id(part))
                    yield (f"{prefix}.{path}" if prefix else path), part

    def parameters(self) -> list[Value]:
        """All parameters, for an optimiser."""
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None


def members(module: Module) -> Iterator[tuple[str, Any]]:
    """The Values and Modules in all attributes of a module, with their paths in it."""
    for name, value in vars(module).items():
        yield from parts(name, value)


def parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The Values and Modules in an attribute, with their paths."""
    if isinstance(value, Module | Value):
        yield name, value
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from parts(f"{name}.{position}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from parts(f"{name}.{key}", item)
