"""A compiled step beside the same step by hand and in other libraries, and how it grows.

python -m benchmarks.compiled [--repeats 3] [--no-peers] [--only xor,rnn] [--figure growth.svg]
`python -m benchmarks --only compiled` runs it too.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from itertools import cycle, islice
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import tinygrad_edu as te
from benchmarks import peers
from benchmarks.hand_written import HandWritten
from benchmarks.measure import DifferentResultError, verify
from benchmarks.ours import TinygradEdu
from benchmarks.works import WORKS, Array, Batch, Side, Work, initial_parameters, make_batches

OURS, EAGER, HAND = "tinygrad_edu", "uncompiled", "hand"
PEERS: dict[str, tuple[str, Callable[..., Side]]] = {
    **peers.PEERS,
    "jax.jit": ("jax", peers.Jax),
}
NOT_MEASURED = "–"
BARS = {"xor": 0.75, "deep": 1.0, "small": 0.85, "wide": 0.97, "rnn": 1.0, "mish": 0.8}
FIRST_STEP_BAR, MEMORY_BAR = 20.0, 1.0
ROUNDS, BLOCK_SECONDS = 15, 0.02
RNN = Work("rnn", (16, 64, 1), "tanh", None, 32, np.float64, 0.05, 1e-9, 1.0)
RNN_STEPS = 100
MISH = Work("mish", (1_000_000,), "mish", None, 1, np.float32, 0.0, 1e-4, 0.8)
ALL = {**WORKS, "rnn": RNN, "mish": MISH}
WIDTHS = (4, 16, 64, 200, 680, 2200)


class Compiled(TinygradEdu):
    """The step of `TinygradEdu` as one program."""

    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        super().__init__(work, parameters)
        self.step = te.compile(  # type: ignore[method-assign]
            lambda x, target: te.nn.losses.mse(self.model(x), target), self._optimizer
        )


# ---- a recurrent network ----


def rnn_parameters(seed: int = 0) -> list[Array]:
    """W and U with Xavier's variance, biases, and the last layer."""
    rng = np.random.default_rng(seed)
    inputs, hidden, outputs = RNN.sizes
    return [
        rng.normal(0, (2 / (inputs + hidden)) ** 0.5, (inputs, hidden)),
        rng.normal(0, hidden**-0.5, (hidden, hidden)),
        np.zeros(hidden) + 0.01,
        rng.normal(0, hidden**-0.5, (hidden, outputs)),
        np.zeros(outputs) + 0.01,
    ]


def rnn_batches(count: int = 8, seed: int = 1) -> list[Batch]:
    """Different sequences, (steps, batch, inputs), whose targets are means over them."""
    rng = np.random.default_rng(seed)
    made: list[Batch] = []
    for _ in range(count):
        x = rng.uniform(-1, 1, (RNN_STEPS, RNN.batch_size, RNN.sizes[0]))
        made.append((x, x[-10:].mean((0, 2))[:, None]))
    return made


class RNNByHand:
    """Elman's network and back-propagation through time, in place where it helps."""

    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        self._parameters = [each.copy() for each in parameters]

    def prepare(self, array: Array) -> Array:
        return array

    def step(self, x: Array, target: Array) -> Any:
        w, u, b, v, c = self._parameters
        h = np.zeros((x.shape[1], len(u)))
        states = [h]
        for x_t in x:
            z = x_t @ w
            z += h @ u
            z += b
            h = np.tanh(z, out=z)
            states.append(h)
        error = h @ v
        error += c
        error -= target
        loss = (error * error).mean()
        error *= 2 / error.size
        gradients = [np.zeros_like(w), np.zeros_like(u), np.zeros_like(b), h.T @ error]
        gradients.append(error.sum(axis=0))
        delta = error @ v.T
        for t in reversed(range(len(x))):
            slope = states[t + 1] * states[t + 1]
            np.subtract(1, slope, out=slope)
            delta *= slope
            gradients[0] += x[t].T @ delta
            gradients[1] += states[t].T @ delta
            gradients[2] += delta.sum(axis=0)
            if t:
                delta = delta @ u.T
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            gradient *= RNN.learning_rate
            parameter -= gradient
        return loss

    def parameters(self) -> list[Array]:
        return self._parameters


class RNNOurs:
    """The same, uncompiled: `loss` is what is compiled."""

    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        self._parameters = [te.Value(each) for each in parameters]
        self._optimizer = te.optim.SGD(self._parameters, lr=RNN.learning_rate)

    def loss(self, x: Array, target: Array) -> te.Value:
        w, u, b, v, c = self._parameters
        h: Any = np.zeros((x.shape[1], u.shape[0]))
        for t in range(x.shape[0]):
            h = np.tanh(x[t] @ w + h @ u + b)
        return te.nn.losses.mse(h @ v + c, target)

    def prepare(self, array: Array) -> Array:
        return array

    def step(self, x: Array, target: Array) -> Any:
        loss = self.loss(x, target)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss

    def parameters(self) -> list[Array]:
        return [each.data for each in self._parameters]


class RNNCompiled(RNNOurs):
    """As one program."""

    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        super().__init__(work, parameters)
        self.step = te.compile(self.loss, self._optimizer)  # type: ignore[method-assign]


# ---- an elementwise function, forward and backward ----


class Elementwise:
    """Calls of a function that gives the sum over mish(x) and its gradient, as steps.

    Its "parameters" are the latest gradient, so that it is compared too.
    """

    def __init__(self, function: Callable[[Any], tuple[Any, Any]]) -> None:
        self._function = function
        self._latest = np.zeros(1, np.float32)

    def prepare(self, array: Array) -> Array:
        return array

    def step(self, x: Array, target: Array) -> Any:
        loss, self._latest = self._function(x)
        return loss

    def parameters(self) -> list[Array]:
        return [np.asarray(self._latest)]


def mish_by_hand(x: Array) -> tuple[Any, Any]:
    """x tanh(softplus(x)) and its textbook derivative, in place where it helps."""
    power = np.exp(x)
    gate = np.tanh(np.log1p(power))
    total = (x * gate).sum()
    slope = gate * gate
    np.subtract(1, slope, out=slope)
    slope *= x
    slope *= power / (1 + power)
    slope += gate
    return total, slope


def mish_ours() -> Callable[..., Any]:
    """The value and gradient, to be compiled."""
    return te.value_and_grad(lambda x: np.sum(te.activations.mish(x)))


class MishPyTorch(Elementwise):
    """On one thread, as the others."""

    def __init__(self) -> None:
        torch = self._torch = import_module("torch")
        functional = import_module("torch.nn.functional")

        def both(x: Any) -> tuple[Any, Any]:
            leaf = x.requires_grad_(True)
            leaf.grad = None
            total = functional.mish(leaf).sum()
            total.backward()
            return total.detach(), leaf.grad

        super().__init__(both)
        torch.set_num_threads(1)

    def prepare(self, array: Array) -> Any:
        return self._torch.from_numpy(array)


def mish_batches(count: int = 4, seed: int = 1) -> list[Batch]:
    """Different numbers; the targets are not used."""
    rng = np.random.default_rng(seed)
    return [(rng.normal(0, 2, MISH.sizes).astype(np.float32), np.zeros(1)) for _ in range(count)]


# ---- measuring ----


def sides_of(name: str, with_peers: bool) -> dict[str, Callable[[], Side]]:
    """How each side of a work is made."""
    work = ALL[name]
    if name == "mish":
        made: dict[str, Callable[[], Side]] = {
            HAND: lambda: Elementwise(mish_by_hand),
            OURS: lambda: Elementwise(te.compile(mish_ours())),
            EAGER: lambda: Elementwise(mish_ours()),
        }
        if with_peers and peers.is_installed("torch"):
            made["PyTorch"] = MishPyTorch
        return made
    parameters = rnn_parameters() if name == "rnn" else initial_parameters(work)
    kinds: dict[str, Callable[..., Side]] = {HAND: HandWritten, OURS: Compiled, EAGER: TinygradEdu}
    if name == "rnn":
        kinds = {HAND: RNNByHand, OURS: RNNCompiled, EAGER: RNNOurs}
    others: dict[str, Callable[..., Side]] = {}
    if name == "rnn":
        others = {"PyTorch": peers.PyTorchRNN, "jax.jit": peers.JaxRNN}
    for label, (package, side) in PEERS.items() if with_peers else ():
        if peers.is_installed(package) and (name != "rnn" or label in others):
            kinds[label] = others.get(label, side)
    return {label: partial(side, work, parameters) for label, side in kinds.items()}


def batches_of(name: str) -> list[Batch]:
    """Different inputs for each of the first steps."""
    if name == "rnn":
        return rnn_batches()
    return mish_batches() if name == "mish" else make_batches(ALL[name])


def check(name: str, hand: Side, side: Side, batches: Sequence[Batch]) -> None:
    """Compare the first steps. Raises `DifferentResultError`."""
    if name != "mish":
        verify(ALL[name], hand, side, batches)
        return
    for x, target in (*batches, *batches):
        expected = hand.step(x, target)
        found = side.step(side.prepare(x), target)
        if not abs(float(found) - float(expected)) <= MISH.rtol * abs(float(expected)):
            raise DifferentResultError(f"mish: sum {float(found)}, by hand {float(expected)}")
        (gradient,), (wanted,) = side.parameters(), hand.parameters()
        if gradient.shape != wanted.shape or not np.abs(gradient - wanted).max() <= MISH.rtol:
            raise DifferentResultError("mish: another gradient than by hand")


def seconds(step: Callable[..., Any], batches: Sequence[Any], times: int) -> float:
    """Of the processor: what others do on the machine counts little."""
    start = process_time()
    for x, target in islice(cycle(batches), times):
        step(x, target)
    return process_time() - start


def in_turn(
    sides: Mapping[str, Side], batches: Sequence[Batch], rounds: int
) -> dict[str, list[float]]:
    """Seconds of one step of each side, in blocks that alternate."""
    prepared = {
        label: [(side.prepare(x), side.prepare(target)) for x, target in batches]
        for label, side in sides.items()
    }
    counts = {}
    for label, side in sides.items():
        seconds(side.step, prepared[label], len(batches))
        once = seconds(side.step, prepared[label], len(batches)) / len(batches)
        counts[label] = max(2, round(BLOCK_SECONDS / once))
    times: dict[str, list[float]] = {label: [] for label in sides}
    for _ in range(rounds):
        for label, side in sides.items():
            count = counts[label]
            times[label].append(seconds(side.step, prepared[label], count) / count)
    return times


def peak(make: Callable[[], Side], batches: Sequence[Batch]) -> int:
    """The most bytes that a side's arrays and one of its later steps hold.

    Not the objects of Python's own that stay: those of the generated code do not grow with arrays.
    """
    gc.collect()
    tracemalloc.start()
    try:
        side = make()
        for x, target in islice(cycle(batches), 6):
            side.step(x, target)
        gc.collect()
        numbers = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
        arrays = sum(
            each.size for each in tracemalloc.take_snapshot().filter_traces([numbers]).traces
        )
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        side.step(*batches[0])
        return arrays + tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def first_steps(make: Callable[[], Side], eager: Side, batches: Sequence[Batch]) -> float:
    """All calls until a program runs (one as ever, one recording), in uncompiled steps."""
    found = []
    for _ in range(3):
        side = make()
        start = process_time()
        for x, target in batches[:2]:
            side.step(x, target)
        elapsed = process_time() - start
        start = process_time()
        for x, target in batches:
            eager.step(x, target)
        found.append(elapsed / ((process_time() - start) / len(batches)))
    return median(found)


@dataclass
class Row:
    """What was found for one work."""

    name: str
    ratios: dict[str, float] = field(default_factory=dict)
    microseconds: float = 0.0
    first: float = 0.0
    memory: float = 0.0
    failures: list[str] = field(default_factory=list)


def measure(name: str, rounds: int, with_peers: bool) -> Row:
    """Verify every side, then time all in turn."""
    row, batches, makers = Row(name), batches_of(name), sides_of(name, with_peers)
    sides: dict[str, Side] = {HAND: makers[HAND]()}
    for label, make in makers.items():
        if label == HAND:
            continue
        side = make()
        try:
            check(name, makers[HAND](), side, batches)
        except DifferentResultError as error:
            row.failures.append(f"FAILED {label}: {error}")
            continue
        sides[label] = side
    times = in_turn(sides, batches, rounds)
    row.ratios = {
        label: median(a / b for a, b in zip(found, times[HAND], strict=True))
        for label, found in times.items()
        if label != HAND
    }
    row.microseconds = median(times[HAND]) * 1e6
    if OURS not in sides:
        return row
    row.first = first_steps(makers[OURS], makers[EAGER](), batches)
    row.memory = peak(makers[OURS], batches) / peak(makers[HAND], batches)
    if row.ratios[OURS] > BARS[name]:
        row.failures.append(f"FAILED {name}: {row.ratios[OURS]:.2f}, wanted ≤ {BARS[name]}")
    if row.first > FIRST_STEP_BAR:
        row.failures.append(f"FAILED {name}: the first steps take {row.first:.0f} uncompiled ones")
    if row.memory > MEMORY_BAR and name != "xor":  # there Python's own objects are nearly all
        row.failures.append(f"FAILED {name}: memory {row.memory:.2f} of that by hand")
    return row


def growth(rounds: int = 5) -> list[tuple[int, float, float, float]]:
    """Numbers of parameters; seconds of a replay, of a step by hand and uncompiled; batch 4."""
    found = []
    for width in WIDTHS:
        sizes = (width, width, width, width)
        work = Work("small", sizes, "relu", None, 4, np.float32, 0.01, 1e-4, 1.0)
        parameters, batches = initial_parameters(work), make_batches(work, 4)
        sides: dict[str, Side] = {
            HAND: HandWritten(work, parameters),
            OURS: Compiled(work, parameters),
            EAGER: TinygradEdu(work, parameters),
        }
        same_steps(sides[HAND], sides[OURS], batches)
        times = in_turn(sides, batches, rounds)
        count = sum(each.size for each in parameters)
        found.append((count, median(times[OURS]), median(times[HAND]), median(times[EAGER])))
    return found


def same_steps(hand: Side, side: Side, batches: Sequence[Batch]) -> None:
    """Take some steps on both sides. Raises `DifferentResultError` where they come apart."""
    before = [each.copy() for each in hand.parameters()]
    for x, target in batches:
        losses = side.step(x, target).item(), hand.step(x, target).item()
        pairs = [(np.array(losses[:1]), np.array(losses[1:]))]
        pairs += zip(side.parameters(), hand.parameters(), strict=True)
        if not all(np.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in pairs):
            raise DifferentResultError("a step of another size differs from the one by hand")
    if all(np.array_equal(a, b) for a, b in zip(before, side.parameters(), strict=True)):
        raise DifferentResultError("nothing has moved")


def figure(found: Sequence[tuple[int, float, float, float]]) -> Figure:
    """Time of a step against the number of parameters, both axes in powers of ten."""
    drawn = Figure(figsize=(5, 3.4), layout="constrained")
    axes = drawn.add_subplot()
    counts, ours, hand, eager = zip(*found, strict=True)
    axes.loglog(counts, [each * 1e6 for each in eager], "^:", label="uncompiled")
    axes.loglog(counts, [each * 1e6 for each in ours], "o-", label="te.compile")
    axes.loglog(counts, [each * 1e6 for each in hand], "s--", label="NumPy by hand")
    axes.set(xlabel="parameters", ylabel="one step (microseconds)")
    axes.legend(frameon=False)
    return drawn


def main() -> int:
    """Measure and print; 1 where a bar is missed or a side computes something else."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compiled", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--repeats", type=int, default=3, help=f"times {ROUNDS} blocks")
    parser.add_argument("--no-peers", action="store_true", help="measure tinygrad_edu alone")
    parser.add_argument("--only", default=",".join((*ALL, "growth")), metavar="xor,rnn,…")
    parser.add_argument("--figure", help="where to draw how a step grows")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    names = options.only.split(",")
    if unknown := set(names) - {*ALL, "growth"}:
        parser.error(f"no work named {', '.join(sorted(unknown))}")
    labels = [OURS, EAGER, *([] if options.no_peers else PEERS)]
    widths = [6, 6, *(max(len(label) + 2, 8) for label in labels), 11, 11, 9]
    head = ["÷ hand", "bar", *labels, "hand, µs", "first steps", "memory"]
    print("  ".join(text.rjust(width) for text, width in zip(head, widths, strict=True)))
    failures: list[str] = []
    for name in names:
        if name == "growth":
            continue
        row = measure(name, options.repeats * ROUNDS, not options.no_peers)
        cells = [
            f"{row.ratios[each]:.2f}" if each in row.ratios else NOT_MEASURED for each in labels
        ]
        texts = [name, f"{BARS[name]:g}", *cells, f"{row.microseconds:.1f}"]
        texts += [f"{row.first:.1f}", f"{row.memory:.2f}"]
        line = zip(texts, widths, strict=True)
        print("  ".join(text.rjust(width) for text, width in line), flush=True)
        failures += row.failures
    if "growth" in names:
        found = growth()
        print("\nparameters   replay, µs   by hand, µs   replay, ns a parameter")
        for count, ours, hand, _ in found:
            print(f"{count:10d} {ours * 1e6:12.1f} {hand * 1e6:13.1f} {ours / count * 1e9:24.2f}")
        if options.figure:
            figure(found).savefig(options.figure, dpi=200)
    packages = [] if options.no_peers else [package for package, _ in PEERS.values()]
    print("\n".join([peers.compared(packages), *failures]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
