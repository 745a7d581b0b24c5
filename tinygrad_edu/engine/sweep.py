"""Reverse mode: one generator walks a graph backwards and yields each node's final gradient.

`backward()`, `grad()`, the trackers and the drawings are consumers of `sweep`. Its arithmetic is
plain NumPy on arrays; with `create_graph` the same rules are given nodes and record themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import copy_context
from math import isfinite
from typing import Any

import numpy as np

from ..errors import NotTrackedError, ShapeError, StaleGraphError
from .context import STATE
from .node import Node, describe, frozen, make_leaf
from .operation import OPERATIONS, define_elementwise

ndarray = np.ndarray
multiply = np.multiply
vdot = np.vdot


def order(root: Node) -> list[Node]:
    """The tracked nodes that `root` depends on, itself first, each before all of its inputs.

    Creation order is a topological order, so sorting by serial number is enough. Raises
    `StaleGraphError` where an input was given new data after its use was recorded.
    """
    found = {root.serial: root}
    stack = [root]
    while stack:
        node = stack.pop()
        serial = node.serial
        for item in node.inputs:
            if isinstance(item, Node):
                if item.serial > serial:
                    raise StaleGraphError(stale(node, item))
                if item.requires_grad and item.serial not in found:
                    found[item.serial] = item
                    if item.op is not None:
                        stack.append(item)
    return [found[serial] for serial in sorted(found, reverse=True)]


def stale(node: Node, leaf: Node) -> str:
    """What to say when `leaf` was rebound after `node` was computed from it."""
    made_by = node.op.name if node.op else "a node"
    return (
        f"the data of {describe(leaf)} was replaced after {made_by} had used it, so this graph's "
        "gradients would mix old and new numbers; compute the result again, then call backward()"
    )


def sweep(root: Node, gradient: Any, create_graph: bool = False) -> Iterator[tuple[Node, Any]]:
    """Yield `(node, ∂root/∂node)` from `root` down to the leaves, each once and final.

    `gradient` has the root's shape. Arrays that are yielded for inner nodes are read-only and may
    be shared; with `create_graph` nodes are yielded in place of arrays.
    """
    pending: dict[int, Any] = {root.serial: gradient}
    observers = STATE.get().observers
    outside = copy_context() if observers else None
    for node in order(root):
        g = pending.pop(node.serial, None)
        if g is None:
            continue
        if outside is not None:
            for callback in observers:
                outside.run(callback, node, g._data if create_graph else g)
        op = node.op
        if op is None:
            yield node, g
            continue
        if g.__class__ is ndarray:
            g.setflags(False)
        yield node, g
        inputs = node.inputs
        out: Any = node if create_graph else node._data
        arguments: Any = None
        if op.elementwise:
            for item, partial in zip(inputs, op.rules, strict=True):
                if not isinstance(item, Node) or not item.requires_grad:
                    continue
                if partial.__class__ is int:
                    message = g if partial == 1 else -g if partial == -1 else g * partial
                else:
                    if arguments is None:
                        arguments = inputs if create_graph else plain_arrays(inputs)
                    message = chain(g, partial(out, *arguments))  # type: ignore[operator]
                message = conform(message, item._data)
                serial = item.serial
                if serial in pending:
                    message = pending[serial] + message
                pending[serial] = message
        else:
            arguments = inputs if create_graph else plain_arrays(inputs)
            rules = op.rules
            for position, item in enumerate(inputs):
                if not isinstance(item, Node) or not item.requires_grad:
                    continue
                if op.variadic:
                    message = rules[0](g, out, *arguments, position=position, **node.options)  # type: ignore[operator]
                else:
                    message = rules[position](g, out, *arguments, **node.options)  # type: ignore[operator]
                message = conform(message, item._data)
                serial = item.serial
                if serial in pending:
                    message = pending[serial] + message
                pending[serial] = message


def plain_arrays(inputs: tuple[Any, ...]) -> list[Any]:
    """The numbers behind a node's inputs."""
    return [item._data if isinstance(item, Node) else item for item in inputs]


def chain(g: Any, partial: Any) -> Any:
    """Incoming gradient times local derivative, with 0 · ∞ = 0 where nothing comes in.

    A Boolean partial is a selection. Only non-finite products are looked at again: an unselected
    entry, or one whose incoming gradient is exactly zero, passes on exactly zero, whatever the
    branch that was not taken holds.
    """
    if isinstance(g, Node) or isinstance(partial, Node):
        return chain_product(g, partial)
    product = g * partial
    if product.__class__ is ndarray:
        if isfinite(vdot(product, product)):
            return product
    elif isfinite(product):
        return product
    return repaired(g, partial, product)


def repaired(g: Any, partial: Any, product: Any) -> Any:
    """`product` with zeros where nothing was selected or nothing came in."""
    nothing = np.equal(g, 0)
    if np.asarray(partial).dtype == bool:
        nothing = nothing | np.logical_not(partial)
    return np.where(nothing & ~np.isfinite(product), np.zeros((), product.dtype), product)[()]


def conform(message: Any, like: Any) -> Any:
    """A gradient in the shape and dtype of the input it belongs to: broadcasting is undone."""
    kind = message.__class__
    if kind is not ndarray and kind is like.__class__:
        return message
    shape, wanted = message.shape, like.shape
    if shape != wanted:
        message = undo_broadcast(message, shape, wanted)
    if message.dtype != like.dtype:
        message = OPERATIONS["astype"](message, dtype=like.dtype)
    return message


def undo_broadcast(message: Any, shape: tuple[int, ...], wanted: tuple[int, ...]) -> Any:
    """The sum of `message` over the axes along which an input of shape `wanted` was repeated."""
    extra = len(shape) - len(wanted)
    stretched = tuple(
        axis
        for axis in range(len(shape))
        if axis < extra or (wanted[axis - extra] == 1 and shape[axis] != 1)
    )
    total = OPERATIONS["sum"](message, axis=stretched, keepdims=False) if stretched else message
    return total if total.shape == wanted else OPERATIONS["reshape"](total, shape=wanted)


def start(root: Node, gradient: Any) -> Any:
    """The gradient a sweep begins with: ones for a single element, else the one that is given."""
    if not root.requires_grad:
        raise NotTrackedError(
            "this value depends on no tracked leaf, so it has no gradient; wrap an input with "
            "te.Value(...), and look for no_grad(), detach() or requires_grad=False on the way"
        )
    data = root._data
    if gradient is None:
        if data.size != 1:
            raise ShapeError(
                f"only a single number has a gradient by itself, and this value has shape "
                f"{data.shape}; reduce it with .sum() or .mean(), or pass gradient= of that shape"
            )
        return np.ones_like(data)[()]
    if isinstance(gradient, Node):
        seed: Any = gradient
    else:
        seed = np.array(gradient)
        if seed.dtype.kind not in "biuf":
            raise ShapeError(f"gradient= must be real numbers, not {seed.dtype}")
    if seed.shape != data.shape:
        raise ShapeError(
            f"gradient= has shape {seed.shape}, but the value has shape {data.shape}; "
            "they must be equal (np.broadcast_to makes them so)"
        )
    return seed if isinstance(seed, Node) else seed.astype(data.dtype)[()]


def backward(root: Node, gradient: Any = None) -> None:
    """Fill `.grad` of every node under `root`: leaves add up over passes, inner nodes keep the last."""
    seed = start(root, gradient)
    if isinstance(seed, Node):
        seed = np.array(seed._data)[()]
    with np.errstate(all="ignore"):
        for node, g in sweep(root, seed):
            if node.op is not None or g.__class__ is not ndarray:
                node.grad = g if node.op is not None or node.grad is None else node.grad + g
            elif node.grad is None:
                # A message may be shared with other leaves, or be a view of one that is.
                node.grad = g if g.flags.writeable and g.base is None else g.copy()
            else:
                node.grad = node.grad + g


def gradients(
    root: Node, xs: tuple[Node, ...], gradient: Any = None, create_graph: bool = False
) -> tuple[Any, ...]:
    """∂root/∂x for each x, without touching any `.grad`; zeros where `root` does not depend on x."""
    kind = type(root)
    seed = start(root, gradient) if root.requires_grad else None
    found: dict[int, Any] = {}
    wanted = {id(x) for x in xs}
    if seed is not None:
        if create_graph and not isinstance(seed, Node):
            seed = make_leaf(kind, frozen(np.asarray(seed)), requires_grad=False)
        elif not create_graph and isinstance(seed, Node):
            seed = np.array(seed._data)[()]
        with np.errstate(all="ignore"):
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
            g = np.zeros_like(x._data)[()] if g is None else np.array(g)[()]
        results.append(g)
    return tuple(results)


chain_product = define_elementwise(
    "chain_product",
    lambda g, partial: chain(g, partial),
    (lambda out, g, partial: partial, lambda out, g, partial: g),
    formula=r"{0} \cdot {1}",
    domain=((-1e3, 1e3), (-1e3, 1e3)),
    extremes=((0.0, float("inf")),),
)
