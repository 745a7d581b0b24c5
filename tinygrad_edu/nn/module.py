"""`Module`: a plain object holding Values and Modules, callable."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import indent
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..engine.context import RECORDER, STATE
from ..engine.effects import structure
from ..engine.value import Value
from ..errors import DtypeError, OperandError, ShapeError, UnknownNameError, closest
from ..spellings import Elsewhere, refuse_unknown

if TYPE_CHECKING:
    from .summary import Summary

Array = np.ndarray[Any, np.dtype[Any]]

BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

# What PyTorch and Keras call the options of layers.
SPELLINGS = {
    "in_features": "inputs",
    "input_size": "inputs",
    "input_dim": "inputs",
    "out_features": "outputs",
    "units": "outputs",
    "hidden_size": "hidden",
    "num_features": "features",
    "normalized_shape": "features",
    "nonlinearity": "activation",
    "p": "rate",
    "eps": "epsilon",
    "kernel_initializer": "init",
    "use_bias": "bias",
    "num_layers": "an RNN is one layer; call one after the other in a module of your own",
    "bidirectional": "call one RNN with x and another with np.flip(x, axis=1)",
    "dropout": "put te.nn.Dropout behind it",
    "batch_first": "leave it out: x is of shape (batch, steps, inputs)",
    "affine": "leave it out: there is always a scale and a shift",
    "elementwise_affine": "leave it out: there is always a scale and a shift",
    "track_running_stats": "leave it out: they are always kept",
    "inplace": "leave it out: nothing writes into a Value",
    "device": "leave it out: everything is computed on the CPU",
}
# What modules of other libraries are asked for.
ON_THE_CPU = "model as it is: everything is computed on the CPU"
AT_THE_START = "dtype={} where the layers are made"
ELSEWHERE = {
    "to": f"{ON_THE_CPU}; for float32 give dtype=np.float32 where the layers are made",
    "cuda": ON_THE_CPU,
    "cpu": ON_THE_CPU,
    "double": AT_THE_START.format("np.float64"),
    "float": AT_THE_START.format("np.float32"),
    "half": AT_THE_START.format("np.float32"),
    "apply": "for _, part in model.named_modules(): ...",
    "modules": "[part for _, part in model.named_modules()]",
    "children": "model.layers, or the attributes that hold them",
    "named_children": "vars(model), or model.named_modules() for those further inside too",
    "buffers": "[buffer for _, buffer in model.named_buffers()]",
    "num_parameters": "sum(each.size for each in model.parameters())",
    "count_params": "sum(each.size for each in model.parameters())",
    "requires_grad_": "parameter.requires_grad = False for each parameter that shall rest",
    "register_buffer": "self.name = te.Value(array, requires_grad=False)",
    "register_parameter": "self.name = te.Value(array)",
    "add_module": "self.name = module",
    "register_module": "self.name = module",
    "register_forward_hook": "with te.observe(listener): ..., which is told of each node",
    "register_full_backward_hook": "with te.observe(listener): ..., told of each gradient",
    "fit": "te.train.fit(model, ...)",
    "predict": "model(x), after model.eval()",
    "save": "te.train.save(model, path)",
    "compile": "step = te.compile(loss_function, optimizer), and step(x, y)",
}

# The longest repr on one line.
WIDTH = 80


class Module:
    """A part of a model: its parameters are the tracked Values it holds, itself or in parts.

    A subclass sets attributes and defines `forward`; calling it records what happens inside under
    a scope such as `mlp.layers.0`. Lists, tuples and dicts of Values and Modules are searched too.
    Untracked Values are buffers, saved with the parameters and moved by no optimiser. `training`
    says whether layers that behave otherwise while a model learns (dropout) shall do so.
    """

    training: bool = True
    _name: str = "module"

    def __init_subclass__(cls, **options: Any) -> None:
        """A module that nothing holds is a scope with the name of its class."""
        super().__init_subclass__(**options)
        cls._name = cls.__name__.lower()

    # Type checkers shall find a wrong option by themselves.
    if not TYPE_CHECKING:

        def __new__(cls, *inputs: Any, **options: Any) -> Self:
            """Refuse an option that `__init__` does not take, and name the one that it does."""
            if cls.__init__ is object.__init__:
                if inputs or options:
                    raise TypeError(f"{cls.__name__} takes no arguments: it defines no __init__")
            elif options:
                signature = list(inspect.signature(cls.__init__).parameters.values())[1:]
                if all(each.kind is not each.VAR_KEYWORD for each in signature):
                    known = [each.name for each in signature if each.kind in BY_NAME]
                    refuse_unknown(cls.__name__, options, known, SPELLINGS)
            return super().__new__(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        for path, part in parts(name, value):
            if isinstance(part, Module):
                object.__setattr__(part, "_name", path)
        if getattr(self, name, None) is not value:
            # Programs that were recorded look at what they were made of.
            if name == "training":
                structure.switch(self)
            else:
                structure.version += 1
        object.__setattr__(self, name, value)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes; defined by each subclass."""
        raise TypeError(f"{type(self).__name__} defines no forward(self, x)")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Run `forward` with this module's name added to the scope."""
        state = STATE.get()
        name = self._name
        if state.recording and (recorder := RECORDER.get()) is not None:
            recorder.entered(self)
        token = STATE.set(state.inner.get(name) or state.within(name))
        try:
            # Without options a call is a tenth faster.
            return self.forward(*inputs, **options) if options else self.forward(*inputs)
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

    def named_leaves(self) -> Iterator[tuple[str, Value]]:
        """Each leaf once, parameters and buffers, with a path such as `layers.0.weight`."""
        for path, part in self._held():
            if isinstance(part, Value) and part.op is None:
                yield path, part

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Each tracked leaf once, with its path."""
        for path, leaf in self.named_leaves():
            if leaf.requires_grad:
                yield path, leaf

    def named_buffers(self) -> Iterator[tuple[str, Value]]:
        """Each untracked leaf once, with its path: running statistics, frozen parameters."""
        for path, leaf in self.named_leaves():
            if not leaf.requires_grad:
                yield path, leaf

    def named_generators(self) -> Iterator[tuple[str, np.random.Generator]]:
        """Each random generator once that is drawn from while the model runs, with its path."""
        for path, part in self._held():
            if isinstance(part, np.random.Generator):
                yield path, part

    def _held(self) -> Iterator[tuple[str, Any]]:
        """What this module and all inside it hold, each once, with dotted paths."""
        seen: set[int] = set()
        for prefix, module in self.named_modules():
            for path, part in members(module):
                if id(part) not in seen:
                    seen.add(id(part))
                    yield (f"{prefix}.{path}" if prefix else path), part

    def parameters(self) -> list[Value]:
        """All parameters, for an optimiser."""
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Self:
        """Let this module and all inside it behave as while learning; returns the module."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Let this module and all inside it behave as in use: no dropout, fixed statistics."""
        return self.train(False)

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers, by path."""
        return {path: np.array(leaf.data) for path, leaf in self.named_leaves()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Give the parameters and buffers the numbers of a `state_dict`, all of them or none.

        The leaves stay the ones an optimiser holds, and keep their dtypes. Without `strict`, names
        that only one side has are passed over. Raises `UnknownNameError` with every missing and
        every unexpected name, `ShapeError` with every pair of shapes that differ, `DtypeError`.
        """
        if not isinstance(state, Mapping):
            raise OperandError(
                "load_state_dict takes a dict of arrays by name, as state_dict() returns it, not "
                f"{type(state).__name__}"
            )
        leaves = dict(self.named_leaves())
        arrays = {name: np.asarray(state[name]) for name in state if name in leaves}
        troubles = [
            f"{name!r} has shape {array.shape}, and the model's has {leaves[name].shape}"
            + (
                "; transpose it (weights are of shape (inputs, outputs) here)"
                if array.shape == leaves[name].shape[::-1]
                else ""
            )
            for name, array in arrays.items()
            if array.shape != leaves[name].shape
        ]
        kind: type[Exception] = ShapeError
        if strict and leaves.keys() != state.keys():
            kind = UnknownNameError
            missing = [name for name in leaves if name not in state]
            troubles += [f"{name!r} is missing" for name in missing]
            for name in state:
                if name not in leaves:
                    longer = [path for path in missing if path.endswith(f".{name}")]
                    near = closest(str(name), longer or missing, count=1, fallback=bool(longer))
                    troubles.append(
                        f"{name!r} is not in the model" + (f"; is it {near!r}?" if near else "")
                    )
        if troubles:
            raise kind("this state does not fit the model:\n  " + "\n  ".join(troubles))
        for name, array in arrays.items():
            if not np.can_cast(array.dtype, leaves[name].dtype, "same_kind"):
                raise DtypeError(
                    f"{name!r} is {array.dtype}, which cannot be made {leaves[name].dtype}"
                )
        for name, array in arrays.items():
            leaves[name].rebind(array.astype(leaves[name].dtype)[()])

    def summary(self, *inputs: Any) -> Summary:
        """What each layer gives, holds and computes for inputs such as these, as a table.

        An input is an array, or its shape as a tuple of ints. The model runs once as in use and
        is as before afterwards. Errors are those of the model.
        """
        from .summary import summarise

        return summarise(self, inputs)

    def __repr__(self) -> str:
        shown = []
        for path, part in members(self):
            if isinstance(part, Module):
                shown.append((path, repr(part)))
            elif isinstance(part, Value) and part.op is None and part.requires_grad:
                shown.append((path, f"Value of shape {part.shape}"))
        return tree(type(self).__name__, shown)


# After the class body, so that a type checker does not take them for attributes.
for each, hint in ELSEWHERE.items():
    setattr(Module, each, Elsewhere(each, hint))


def tree(name: str, parts: Sequence[tuple[str, str]]) -> str:
    """What holds `parts`, given by name and text: on one line, or on one each where that is long.

    On one line, names that are only numbers are left out.
    """
    texts = (text if part.isdigit() else f"{part}={text}" for part, text in parts)
    line = f"{name}({', '.join(texts)})"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    lines = "\n".join(f"({part}): {text}" for part, text in parts)
    return f"{name}(\n{indent(lines, '  ')}\n)"


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Record under `name` inside the current scope."""
    token = STATE.set(STATE.get().within(name))
    try:
        yield
    finally:
        STATE.reset(token)


@contextmanager
def unchanged(model: Module) -> Iterator[None]:
    """Put the buffers, the generators and the modes of all modules back at the end."""
    put_back = remembered(
        [leaf for _, leaf in model.named_buffers()],
        [each for _, each in model.named_generators()],
    )
    modes = [(module, vars(module).get("training")) for _, module in model.named_modules()]
    try:
        yield
    finally:
        put_back()
        for module, mode in modes:
            if mode is None:
                vars(module).pop("training", None)
            else:
                module.training = mode


def remembered(
    buffers: Sequence[Value], generators: Sequence[np.random.Generator]
) -> Callable[[], None]:
    """What a forward pass changes besides the graph, as a function that puts it back."""
    kept = [leaf._data for leaf in buffers]
    states = [each.bit_generator.state for each in generators]

    def put_back() -> None:
        for leaf, data in zip(buffers, kept, strict=True):
            if leaf._data is not data:
                leaf.rebind(data)
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state

    return put_back


def members(module: Module) -> Iterator[tuple[str, Any]]:
    """The Values, Modules and generators in all attributes of a module, with their paths in it."""
    for name, value in vars(module).items():
        yield from parts(name, value)


def parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The Values, Modules and generators in an attribute, with their paths."""
    if isinstance(value, Module | Value | np.random.Generator):
        yield name, value
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from parts(f"{name}.{position}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from parts(f"{name}.{key}", item)
