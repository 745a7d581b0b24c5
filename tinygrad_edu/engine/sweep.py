"""Reverse mode: one generator walks a graph backwards and yields each node's final gradient.

`backward()`, `grad()`, the trackers and the drawings are consumers of `sweep`. Its arithmetic is
plain NumPy on arrays; with `create_graph` the same rules are given nodes and record themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import lru_cache, partial
from math import isfinite
from sys import getrefcount
from typing import Any

import numpy as np

from ..errors import MatrixError, NotTrackedError, ShapeError, StaleGraphError
from .blocks import BLOCK
from .chain import chain, chain_in_blocks
from .context import RECORDER, STATE, changed
from .node import Node, Untraced, copied, describe, frozen, make_leaf
from .operation import OPERATIONS

ndarray = np.ndarray
float64 = np.float64


def references_to_a_fresh_array() -> int:
    """What `getrefcount` says of an array that only one local variable holds."""
    message = np.empty(0)
    return getrefcount(message)


FRESH = references_to_a_fresh_array()


def order(root: Node) -> list[Node]:
    """The tracked nodes that `root` depends on, itself first, each before all of its inputs.

    Creation order is a topological order, so sorting by serial number is enough. Raises
    `StaleGraphError` where an input was given new data after its use was recorded.
    """
    found = {root.serial: root}
    unseen = [root]
    while unseen:  # depth first, which leaves little to sort
        node = unseen.pop()
        serial = node.serial
        for item in node.inputs:
            if isinstance(item, Node):
                used = item.serial
                if used > serial:
                    raise StaleGraphError(stale(node, item))
                if used not in found and item.requires_grad:
                    found[used] = item
                    if item.op is not None:
                        unseen.append(item)
    return list(map(found.__getitem__, sorted(found, reverse=True)))


def refuse_newer_inputs(node: Node) -> None:
    """Raise `StaleGraphError` where an input has been given new data since `node` was recorded."""
    for item in node.inputs:
        if isinstance(item, Node) and item.serial > node.serial:
            raise StaleGraphError(stale(node, item))


def stale(node: Node, leaf: Node) -> str:
    """What to say when `leaf` was rebound after `node` was computed from it."""
    made_by = node.op.name if node.op else "a node"
    return (
        f"the data of {describe(leaf)} was replaced after {made_by} had used it, so this graph's "
        "gradients would mix old and new numbers; compute the result again, then call backward()"
    )


def without_slope(node: Node, error: Exception) -> str:
    """What to say where the gradient of a matrix function needs an inverse that there is not."""
    made_by = node.op.name if node.op else "a node"
    return (
        f"{made_by} of {', '.join(map(describe, node.inputs))} has a value here, and no gradient: "
        f"{error}. What to do: add a small multiple of np.eye(n)"
    )


def sweep(root: Node, gradient: Any, create_graph: bool = False) -> Iterator[tuple[Node, Any]]:
    """Yield `(node, ∂root/∂node)` from `root` down to the leaves, each once and final.

    `gradient` has the root's shape. Arrays that are yielded for inner nodes are read-only and may
    be shared; with `create_graph` nodes are yielded in place of arrays.
    """
    if not create_graph and (recorder := RECORDER.get()) is not None:
        recorder.swept()
    pending: dict[int, Any] = {root.serial: gradient}
    observers = STATE.get().observers
    times: Callable[[Any, Any], Any] = OPERATIONS["chain_product"] if create_graph else chain
    for node in order(root):
        g = pending.pop(node.serial)
        if observers:
            for callback in observers:
                callback(node, g._data if create_graph else g)
        op = node.op
        if op is None:
            yield node, g
            continue
        if g.__class__ is ndarray:
            g.setflags(False)  # type: ignore[call-arg]
        yield node, g
        inputs, elementwise, options = node.inputs, op.elementwise, node.options
        given: tuple[Any, ...]
        if create_graph:
            refuse_newer_inputs(node)  # an observer may have updated a leaf meanwhile
            rules, given = op.rules, (node, *inputs) if elementwise else (g, node, *inputs)
        elif elementwise:
            rules, given = op.array_rules, (node._data, *node.arrays)
        else:
            rules, given = op.array_rules, (g, node._data, *node.arrays)
        if not elementwise and op.variadic:
            rules = tuple(partial(rules[0], position=i) for i in range(len(inputs)))
        position = -1
        for item in inputs:  # zip takes three times as long for so few
            position += 1
            if not isinstance(item, Node) or not item.requires_grad:
                continue
            rule = rules[position]
            if elementwise and (rule.__class__ is int or rule.__class__ is float):
                message = g if rule == 1 else -g if rule == -1 else times(g, rule or False)
            elif elementwise and g.__class__ is ndarray and g.nbytes > BLOCK:
                message = chain_in_blocks(g, rule, given, options)
            else:
                try:
                    message = rule(*given, **options) if options else rule(*given)
                except Untraced as unknown:
                    message = unknown.whole(rule, given, options)
                except np.linalg.LinAlgError as error:
                    raise MatrixError(without_slope(node, error)) from error
                if elementwise:
                    slope = message
                    # Of two numbers as chain does: a call of it takes as long as their product.
                    message = g * slope if g.__class__ is float64 else None
                    if message.__class__ is not float64 or not isfinite(message):
                        message = times(g, slope)
            like = item._data
            if message.__class__ is not like.__class__ or (
                message.__class__ is not float64
                and (message.shape != like.shape or message.dtype is not like.dtype)
            ):
                message = conform(message, like, node)
            if not elementwise and getrefcount(message) > FRESH and message.__class__ is ndarray:
                message = message[...]  # the rule keeps it: a view, so that leaves copy it
            serial = item.serial
            pending[serial] = pending[serial] + message if serial in pending else message


def conform(message: Any, like: Any, node: Node) -> Any:
    """A gradient in the shape and dtype of the input it belongs to: broadcasting is undone.

    `node` is the node whose rule gave it, for the error.
    """
    if message.__class__ is not ndarray and not hasattr(message, "dtype"):
        message = np.asarray(message)  # of a list, or of one of Python's own numbers
    given, wanted = message.shape, like.shape
    if given != wanted:
        axes = repeated_axes(given, wanted)
        if axes:
            if isinstance(message, Node):
                message = OPERATIONS["sum"](message, axes)
            elif axes == (0,) and len(given) == 2 and message.flags.c_contiguous:
                # What BLAS does in a fraction of the time: for few rows NumPy's loops cost more
                # than the sums, and for long rows it goes through the sums as often as there are.
                message = np.dot(ones(given[0], message.dtype), message)
            else:
                message = np.add.reduce(message, axes)
        if message.shape != wanted:
            if [n for n in message.shape if n != 1] != [n for n in wanted if n != 1]:
                raise ShapeError(
                    f"a rule of {node.op.name if node.op else node} gave a gradient of shape "
                    f"{given} for an input of shape {wanted}; a pullback returns the shape of its "
                    "argument, or that shape broadcast"
                )
            message = OPERATIONS["reshape"](message, wanted)
    if message.dtype is not like.dtype and message.dtype != like.dtype:
        message = OPERATIONS["astype"](message, like.dtype)
    return message[()] if message.__class__ is ndarray and not wanted else message


@lru_cache(maxsize=256)
def ones(count: int, dtype: Any) -> Any:
    """So many, read-only."""
    return frozen(np.ones(count, dtype))


@lru_cache(maxsize=1024)
def repeated_axes(shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of `shape` along which an input of shape `wanted` was repeated."""
    extra = max(len(shape) - len(wanted), 0)
    aligned = enumerate(wanted[len(wanted) - len(shape) + extra :], extra)
    stretched = (axis for axis, length in aligned if length == 1 and shape[axis] != 1)
    return (*range(extra), *stretched)


def start(root: Node, gradient: Any) -> Any:
    """The gradient a sweep begins with: ones for a single element, else the one that is given."""
    if not root.requires_grad:
        raise NotTrackedError(
            "this value depends on no tracked leaf, so it has no gradient; wrap an input with "
            "te.Value(...), and look for no_grad(), detach() or requires_grad=False on the way "
            "(what a function of te.compile returns has no graph either: compile the whole loss)"
        )
    data = root._data
    if gradient is None:
        if data.size != 1:
            raise ShapeError(
                f"only a single number has a gradient by itself, and this value has shape "
                f"{data.shape}; reduce it with .sum() or .mean(), or pass gradient= of that shape"
            )
        one = data.dtype.type(1)
        return np.full(data.shape, one) if data.ndim else one
    seed: Any = gradient if isinstance(gradient, Node) else frozen(np.asarray(gradient))
    if seed.dtype.kind not in "biuf":
        raise ShapeError(f"gradient= must be real numbers, not {seed.dtype}")
    if seed.shape != data.shape:
        raise ShapeError(
            f"gradient= has shape {seed.shape}, but the value has shape {data.shape}; "
            "they must be equal (np.broadcast_to makes them so)"
        )
    if seed.dtype != data.dtype:
        seed = OPERATIONS["astype"](seed, data.dtype)
    return seed


@np.errstate(all="ignore")  # as a decorator it costs half of what a with statement does
def backward(root: Node, gradient: Any = None) -> None:
    """Fill `.grad` under `root`: leaves add up over passes, inner nodes keep the last one."""
    seed = start(root, gradient)
    if isinstance(seed, Node):
        seed = copied(seed._data)
    for node, g in sweep(root, seed):
        if node.op is not None:
            node.grad = g
        elif node.grad is not None:
            node.grad = node.grad + g
        elif g.__class__ is not ndarray or (g.flags.writeable and g.base is None):
            node.grad = g
        else:
            # It may be shared with other leaves, or be a view of one that is.
            node.grad = g.copy()


def gradients(
    root: Node, xs: tuple[Node, ...], gradient: Any = None, create_graph: bool = False
) -> tuple[Any, ...]:
    """∂root/∂x for each x, zeros where `root` does not depend on it; no `.grad` is touched."""
    kind = type(root)
    seed = start(root, gradient) if root.requires_grad else None
    found: dict[int, Any] = {}
    wanted = {id(x) for x in xs}
    if seed is not None:
        if create_graph and not isinstance(seed, Node):
            seed = make_leaf(kind, frozen(np.asarray(seed)), requires_grad=False)
        elif not create_graph and isinstance(seed, Node):
            seed = copied(seed._data)
        tracking = changed(tracking=True) if create_graph else nullcontext()
        with tracking, np.errstate(all="ignore"):
            for node, g in sweep(root, seed, create_graph):
                if id(node) in wanted:
                    found[id(node)] = g
    results = []
    for x in xs:
        g = found.get(id(x))
        if create_graph:
            if g is None:
                g = make_leaf(kind, frozen(np.zeros_like(x._data)), requires_grad=False)
        else:
            g = np.zeros_like(x._data)[()] if g is None else copied(g)
        results.append(g)
    return tuple(results)
