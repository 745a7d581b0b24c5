"""``python -m benchmarks.drawing``: how long graphs take to draw, beside torchviz and micrograd.

Every library builds the DOT text of the same computation on single numbers (products, relu, a
balanced sum). Ours alone carries values, gradients, the chain rule on each edge and a legend; then
come what layers and repeats save, and what Graphviz needs to lay it all out.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

import graphviz
import numpy as np

import tinygrad_edu as te
from benchmarks import peers

SIZES = (20, 200, 2000)
ALL = 10**9
REPEATS = 5
DOT_SECONDS = 120.0
PEERS = ("micrograd", "torchviz")


def computation(leaf: Callable[[float], Any], nodes: int) -> Any:
    """Products through relu, summed up in pairs: about so many nodes, a few levels deep."""
    numbers = iter(np.random.default_rng(0).normal(size=2 * (nodes // 5)).tolist())
    terms = [(leaf(x) * leaf(y)).relu() for x, y in zip(numbers, numbers, strict=True)]
    while len(terms) > 1:
        pairs = zip(terms[::2], terms[1::2], strict=False)
        terms = [a + b for a, b in pairs] + terms[len(terms) - len(terms) % 2 :]
    return terms[0]


def micrograd_dot(root: Any) -> str:
    """The DOT text that micrograd's own notebook, trace_graph.ipynb, makes of a value."""
    nodes: dict[int, Any] = {}
    edges = []
    stack = [root]
    while stack:
        value = stack.pop()
        if id(value) not in nodes:
            nodes[id(value)] = value
            for child in value._prev:
                edges.append((child, value))
                stack.append(child)
    dot = graphviz.Digraph(graph_attr={"rankdir": "LR"})
    for name, value in nodes.items():
        label = f"{{ data {value.data:.4f} | grad {value.grad:.4f} }}"
        dot.node(name=str(name), label=label, shape="record")
        if value._op:
            dot.node(name=f"{name}{value._op}", label=value._op)
            dot.edge(f"{name}{value._op}", str(name))
    for child, value in edges:
        dot.edge(str(id(child)), f"{id(value)}{value._op}")
    return str(dot.source)


def sides(nodes: int) -> dict[str, Callable[[], str]]:
    """What draws the computation: the DOT text of each library that is installed."""
    ours = computation(te.Value, nodes)
    ours.backward()
    found = {"ours": lambda: te.draw.graph(ours, max_nodes=ALL).source}
    if peers.is_installed("micrograd"):
        theirs = computation(peers.micrograd_value(), nodes)
        theirs.backward()
        found["micrograd"] = lambda: micrograd_dot(theirs)
    if peers.is_installed("torchviz") and peers.is_installed("torch"):
        tensor = import_module("torch").tensor
        value = computation(lambda x: tensor(x, requires_grad=True), nodes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports distutils
            make_dot = import_module("torchviz").make_dot
        found["torchviz"] = lambda: str(make_dot(value).source)
    return found


def layers(count: int) -> Any:
    """The loss of a network of `count` tanh layers of 32 on 64 samples, with its gradients."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, 64, 32))
    loss = te.nn.losses.mse(te.nn.MLP([32] * (count + 1), "tanh", "tanh")(x), y)
    loss.backward()
    return loss


def seconds(action: Callable[[], object]) -> float:
    """How long it takes once."""
    start = perf_counter()
    action()
    return perf_counter() - start


def in_turn(actions: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """The median time of each, all of them run once in each round."""
    rounds = [[seconds(action) for action in actions] for _ in range(repeats)]
    return [median(times) for times in zip(*rounds, strict=True)]


def laid_out(source: str) -> float | None:
    """How long `dot` takes to draw it; None without one, infinity if it takes too long."""
    if shutil.which("dot") is None:
        return None
    command = ["dot", "-Tsvg", "-q"]
    start = perf_counter()
    try:
        subprocess.run(
            command, input=source.encode(), capture_output=True, timeout=DOT_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        return float("inf")
    return perf_counter() - start


def milliseconds(time: float | None) -> str:
    """A time for the table."""
    if time is None:
        return "–"
    return f"> {DOT_SECONDS:.0f} s" if time == float("inf") else f"{1e3 * time:,.1f} ms"


def measured(name: str, source: Callable[[], str], repeats: int) -> list[str]:
    """A row about one drawing of ours."""
    (time,) = in_turn([source], repeats)
    text = source()
    return [name, milliseconds(time), milliseconds(laid_out(text)), *["–" for _ in PEERS]]


def rows(repeats: int) -> list[list[str]]:
    """The table: our time, dot's time for our text, and our time in times of each peer's."""
    table = [["graph", "our DOT text", "dot -Tsvg", *(f"ours / {peer}" for peer in PEERS)]]
    for nodes in SIZES:
        actions = sides(nodes)
        times = dict(zip(actions, in_turn(list(actions.values()), repeats), strict=True))
        ratios = [f"{times['ours'] / times[p]:.2f}" if p in times else "–" for p in PEERS]
        dot = laid_out(actions["ours"]())
        table.append(
            [f"{nodes:,} numbers", milliseconds(times["ours"]), milliseconds(dot), *ratios]
        )
        print(f"{nodes:,} numbers drawn", file=sys.stderr)
    small, large = (computation(te.Value, nodes) for nodes in (2000, 65_000))
    small.backward()
    large.backward()
    deep = layers(50)
    drawings: dict[str, Callable[[], str]] = {
        "2,000 numbers, folded": lambda: te.draw.graph(small).source,
        "65,000 numbers, folded": lambda: te.draw.graph(large).source,
        "50 layers": lambda: te.draw.graph(deep).source,
        "50 layers, collapsed": lambda: te.draw.graph(deep, collapse="layer").source,
        "50 layers, collapsed, heatmaps": lambda: (
            te.draw.graph(deep, collapse="layer", heatmaps=True).source
        ),
    }
    return table + [measured(name, draw, repeats) for name, draw in drawings.items()]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drawing", description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="rounds; their median counts")
    options = parser.parse_args(arguments)
    table = rows(options.repeats)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = zip(line, widths, strict=True)
        print("  ".join(f"{text:{width}}" for text, width in cells).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
