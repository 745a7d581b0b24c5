"""The judge of compiled functions: at every call they give what they give uncompiled, bit for bit.

Both start from copies of the same state, and are given other numbers at each call.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import tinygrad_edu as te

Function = Callable[..., Any]
CALLS = 5  # as ever, recorded, and replayed three times


def numbers(item: Any) -> Any:
    """The array in a Value; other things as they are."""
    return item.data if isinstance(item, te.Value) else item


def bits(item: Any) -> tuple[Any, ...]:
    """What two results must share to be the same: kind, dtype, shape and every bit."""
    if isinstance(item, tuple | list):
        return (type(item), *map(bits, item))
    if isinstance(item, dict):
        return (dict, *((key, bits(each)) for key, each in item.items()))
    if item is None or isinstance(item, int | float | str):
        return type(item), repr(item)
    array = np.asarray(numbers(item))
    kind = te.Value if isinstance(item, te.Value) else type(item)
    return kind, array.dtype, array.shape, array.tobytes()


def shifted(arrays: Sequence[Any], call: int) -> tuple[Any, ...]:
    """Other numbers of the same kinds: the order of the entries is another at each call."""
    return tuple(np.roll(a, call) if isinstance(a, np.ndarray) and a.ndim else a for a in arrays)


def same_at_every_call(
    f: Function, arguments: Callable[[int], tuple[Any, ...]], calls: int = CALLS
) -> Any:
    """Compare a function of its arguments alone with its program; returns the compiled one."""
    step = te.compile(f)
    for call in range(calls):
        given = arguments(call)
        assert bits(step(*given)) == bits(plain(f(*given))), f"call {call}\n{step.source}"
    return step


def plain(returned: Any) -> Any:
    """Results as a compiled function returns them: without a graph."""
    if isinstance(returned, tuple):
        return tuple(map(plain, returned))
    return returned.detach() if isinstance(returned, te.Value) else returned


def state(model: te.nn.Module, optimizer: Any) -> Any:
    """All that training goes on from."""
    kept = optimizer.state_dict() if optimizer else {}
    generators = [each.bit_generator.state for _, each in model.named_generators()]
    return bits(model.state_dict()), bits(kept.get("state", [])), repr(generators)


def twins(
    make: Callable[[], tuple[te.nn.Module, Function, Any]],
) -> tuple[Any, Any]:
    """A step of training uncompiled, and compiled, each of a model of its own."""
    return Uncompiled(*make()), Stepped(*make())


class Uncompiled:
    """Forward, backward and update as they are written by hand."""

    def __init__(self, model: te.nn.Module, f: Function, optimizer: Any) -> None:
        self.model, self.f, self.optimizer = model, f, optimizer

    def __call__(self, *args: Any) -> Any:
        returned = self.f(self.model, *args)
        loss = returned[0] if isinstance(returned, tuple) else returned
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return plain(returned)

    def state(self) -> Any:
        return state(self.model, self.optimizer)


class Stepped(Uncompiled):
    """The same, compiled."""

    def __init__(self, model: te.nn.Module, f: Function, optimizer: Any) -> None:
        super().__init__(model, f, optimizer)
        self.step = te.compile(lambda *args: f(model, *args), optimizer)

    def __call__(self, *args: Any) -> Any:
        return self.step(*args)


def same_training(
    make: Callable[[], tuple[te.nn.Module, Function, Any]],
    batches: Iterator[tuple[Any, ...]] | Sequence[tuple[Any, ...]],
) -> Any:
    """Compare results, weights and states after every step; returns the compiled one."""
    by_hand, compiled = twins(make)
    for number, batch in enumerate(batches):
        assert bits(compiled(*batch)) == bits(by_hand(*batch)), f"step {number}"
        assert compiled.state() == by_hand.state(), f"step {number}"
    assert compiled.step.latest is not None, "it was replayed"
    return compiled


def copied(array: Any) -> Any:
    """The numbers as they are now."""
    return copy.deepcopy(array)
