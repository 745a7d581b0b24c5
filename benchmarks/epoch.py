"""One epoch of training, time and memory: `te.train.fit` beside a loop by hand and PyTorch eager.

784-512-512-10 with relu, cross-entropy and SGD on 60,000 synthetic rows in batches of 256,
float32: every side in fresh processes, in turn, on the same rows in the same order.

python -m benchmarks.epoch [--no-peers] [--repeats 3]; `python -m benchmarks --only epoch` does too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import tinygrad_edu as te
from benchmarks import peers
from benchmarks.works import WORKS, Array, initial_parameters

OURS, HAND, TORCH = "tinygrad_edu", "NumPy by hand", "PyTorch"
WORK = WORKS["wide"]
ROWS, CLASSES, RATE, SEED = 60_000, WORK.sizes[-1], 0.05, 0
# Losses in float32 after an epoch: sums in another order, 235 steps long.
RTOL = 1e-3


def data() -> tuple[Array, Any]:
    """Rows of ten classes, each around a centre of its own, and their classes."""
    rng = np.random.default_rng(2)
    y = rng.integers(0, CLASSES, ROWS)
    centres = rng.standard_normal((CLASSES, WORK.sizes[0]), np.float32)
    x = rng.standard_normal((ROWS, WORK.sizes[0]), np.float32)
    for row, kind in zip(x, y, strict=True):
        row += np.float32(0.1) * centres[kind]  # row by row: the peak must be the data's
    return x, y


def ours(x: Array, y: Any, parameters: Sequence[Array]) -> float:
    """The mean loss of an epoch of `te.train.fit`."""
    model = te.nn.MLP(WORK.sizes, WORK.activation, dtype=WORK.dtype)
    for leaf, array in zip(model.parameters(), parameters, strict=True):
        leaf.data = array
    optimizer = te.optim.SGD(model.parameters(), lr=RATE)
    history = te.train.fit(
        model,
        (x, y),
        te.nn.losses.cross_entropy,
        optimizer,
        epochs=1,
        batch_size=WORK.batch_size,
        seed=SEED,
        progress=False,
    )
    return history.losses[0]


def by_hand(x: Array, y: Any, parameters: Sequence[Array]) -> float:
    """The mean loss of an epoch as a NumPy programmer would write it."""
    parameters = [parameter.copy() for parameter in parameters]
    order, total = np.random.default_rng(SEED).permutation(ROWS), 0.0
    weights, biases = parameters[0::2], parameters[1::2]
    for begin in range(0, ROWS, WORK.batch_size):
        rows = order[begin : begin + WORK.batch_size]
        count = len(rows)
        inputs = [x[rows]]
        for weight, bias in zip(weights, biases, strict=True):
            z = inputs[-1] @ weight
            z += bias
            inputs.append(np.maximum(z, 0) if len(inputs) < len(weights) else z)
        logits = inputs.pop()
        logits -= logits.max(axis=1, keepdims=True)
        g = np.exp(logits)
        sums = g.sum(axis=1, keepdims=True)
        right = np.arange(count), y[rows]
        total += float(np.sum(np.log(sums[:, 0]) - logits[right]))
        g /= sums
        g[right] -= 1
        g /= count
        for i in reversed(range(len(weights))):
            slope = inputs[i].T @ g, g.sum(axis=0)
            if i:
                g = g @ weights[i].T
                g *= inputs[i] > 0
            weights[i] -= RATE * slope[0]
            biases[i] -= RATE * slope[1]
    return total / ROWS


def pytorch(x: Array, y: Any, parameters: Sequence[Array]) -> float:
    """The mean loss of an epoch of PyTorch's usual loop."""
    torch = import_module("torch")
    model = peers.PyTorch(WORK, parameters)._model
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    rows, classes = torch.from_numpy(x), torch.from_numpy(y)
    order = torch.from_numpy(np.random.default_rng(SEED).permutation(ROWS))
    total = 0.0
    for some in order.split(WORK.batch_size):
        loss = torch.nn.functional.cross_entropy(model(rows[some]), classes[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(some)
    return total / ROWS


SIDES: Mapping[str, Callable[[Array, Any, Sequence[Array]], float]] = {
    HAND: by_hand,
    OURS: ours,
    TORCH: pytorch,
}


def peak() -> int:
    """The most memory this process has had so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(side: str) -> dict[str, float]:
    """Seconds, loss, and what training took beyond the data and the loaded library."""
    if side == TORCH:
        import_module("torch")
    x, y = data()
    parameters = initial_parameters(WORK)
    before, start = peak(), perf_counter()
    loss = SIDES[side](x, y, parameters)
    seconds = perf_counter() - start
    return {"seconds": seconds, "loss": loss, "megabytes": (peak() - before) / 1e6}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.epoch", description=__doc__)
    parser.add_argument("--no-peers", action="store_true", help="leave PyTorch out")
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes for each side")
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        print(json.dumps(measure(options.side)))
        return 0
    sides = [HAND, OURS]
    if not options.no_peers and peers.is_installed("torch"):
        sides.append(TORCH)
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(options.repeats):
        for side in sides:
            command = [sys.executable, "-m", "benchmarks.epoch", "--side", side]
            out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            found[side].append(json.loads(out))
    failed = False
    print(f"{'side':<14}  time ÷ by hand  (each)                 peak beyond the data, MB")
    for side in sides:
        loss, truth = found[side][0]["loss"], found[HAND][0]["loss"]
        if not abs(loss - truth) <= RTOL * truth:
            print(f"FAILED {side}: the mean loss is {loss}, by hand {truth}")
            failed = True
        ratios = [
            mine["seconds"] / hand["seconds"]
            for mine, hand in zip(found[side], found[HAND], strict=True)
        ]
        each = " ".join(f"{ratio:.2f}" for ratio in ratios)
        memory = median(mine["megabytes"] for mine in found[side])
        print(f"{side:<14}  {median(ratios):<14.2f}  ({each:<20})  {memory:.0f}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
