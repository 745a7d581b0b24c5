"""``python -m benchmarks``: run each work in fresh processes and print one table."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from benchmarks import child, peers
from benchmarks.child import OURS, Result
from benchmarks.works import WORKS

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
BARS = {name: work.bar for name, work in WORKS.items()} | {"micrograd": 5.0, "xor_command": 3.0}
# They have tables of their own.
ACTIVATIONS, OVERHEAD, MEMORY, CHECKERS = "activations", "overhead", "memory", "checkers"
EPOCH, TRACKING, COMPILED = "epoch", "tracking", "compiled"
TABLES = (ACTIVATIONS, OVERHEAD, MEMORY, CHECKERS, EPOCH, TRACKING, COMPILED)
TIMES_FASTER = "times faster than micrograd"
NOT_MEASURED = "–"


def available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_process(name: str, threads: int, with_peers: bool) -> Result:
    """Measure one work in a fresh process, every library limited to ``threads``."""
    command = [sys.executable, "-m", "benchmarks", "--in-process", name]
    if not with_peers:
        command.append("--no-peers")
    process = subprocess.run(
        command,
        env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Result(**json.loads(process.stdout))


def run_on_one_thread(module: str, *options: str) -> int:
    """Let a module print its own tables; returns 1 where something fails."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *options]
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
    return subprocess.run(command, env=environment, check=False).returncode


def run_activations(repeats: int, with_peers: bool) -> int:
    """Print the table of the activations; returns 1 where one fails."""
    print("\nOur time ÷ that of others, 10⁶ float32 numbers, one thread:", flush=True)
    without = () if with_peers else ("--no-peers",)
    return run_on_one_thread("activation_speed", "--repeats", str(repeats), *without)


def run_overhead(repeats: int, with_peers: bool) -> int:
    """Print what one operation costs; returns 1 where another library records faster."""
    print("\nOne operation on single numbers, our time ÷ that of others, one thread:", flush=True)
    without = () if with_peers else ("--no-peers",)
    return run_on_one_thread("overhead", "--repeats", str(repeats), *without)


def run_memory(with_peers: bool) -> int:
    """Print what graphs and training take; returns 1 where it is too much."""
    print("\nMemory:", flush=True)
    return run_on_one_thread("memory", *(() if with_peers else ("--no-peers",)))


def run_epoch(repeats: int, with_peers: bool) -> int:
    """Print how long an epoch of training takes, and its memory; returns 1 where one is wrong."""
    print("\nOne epoch of te.train.fit, 784-512-512-10 on 60,000 rows, float32:", flush=True)
    without = [] if with_peers else ["--no-peers"]
    command = [sys.executable, "-m", "benchmarks.epoch", "--repeats", str(repeats), *without]
    return subprocess.run(command, check=False).returncode


def run_checkers(with_peers: bool) -> int:
    """Print how often verifiers of gradients are right; returns 1 where ours falls short."""
    print("\nVerifiers of gradients, on the same functions, rules and points:", flush=True)
    return run_on_one_thread("checkers", *(() if with_peers else ("--only", "ours")))


def run_tracking(repeats: int) -> int:
    """Print what it costs to measure gradient flow; returns 1 where it is too much."""
    print("\nA step of 784-512-512-10 under te.flow.track, one thread:", flush=True)
    return run_on_one_thread("tracking", "--repeats", str(repeats))


def run_compiled(repeats: int, with_peers: bool) -> int:
    """Print what compiled steps take; returns 1 where one takes too much."""
    print("\nCompiled steps, their time ÷ that by hand, one thread:", flush=True)
    without = () if with_peers else ("--no-peers",)
    return run_on_one_thread("compiled", "--repeats", str(repeats), *without)


def cell(values: Sequence[float], higher_is_better: bool = False) -> str:
    """The best of the processes and, in brackets, all of them."""
    if not values:
        return NOT_MEASURED
    best = max(values) if higher_is_better else min(values)
    return f"{best:.2f} ({' '.join(f'{value:.2f}' for value in values)})"


def row(name: str, results: Sequence[Result]) -> list[str]:
    ratios = {
        label: [result.ratios[label] for result in results if label in result.ratios]
        for label in (OURS, *peers.PEERS)
    }
    if name == "micrograd":
        blanks = [NOT_MEASURED] * len(ratios)
        return [name, f"≥ {BARS[name]:g}", *blanks, cell(ratios[OURS], higher_is_better=True)]
    return [name, f"≤ {BARS[name]:g}", *map(cell, ratios.values()), NOT_MEASURED]


def format_table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def remarks(name: str, results: Sequence[Result]) -> list[str]:
    """One line for each number of the remarks, with every process's value."""
    labels = {label: None for result in results for label in result.remarks}
    return [
        f"{name}: {label}: " + " ".join(f"{result.remarks[label]:.4g}" for result in results)
        for label in labels
    ]


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = list(BARS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    works = [*names, *TABLES]
    parser.add_argument("--only", default=",".join(works), metavar="xor,deep,…")
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes for each work")
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--no-peers", action="store_true", help="measure tinygrad_edu alone")
    parser.add_argument("--in-process", choices=names, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(works):
        parser.error(f"no work named {', '.join(sorted(unknown))}; choose from {', '.join(works)}")
    if options.repeats < 1 or options.threads < 1:
        parser.error("--repeats and --threads must be at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    with_peers = not options.no_peers
    if options.in_process:
        print(json.dumps(asdict(child.measure(options.in_process, with_peers))))
        return 0

    header = ["work", "bar", f"{OURS} / hand", *(f"{peer} / hand" for peer in peers.PEERS)]
    table = [[*header, TIMES_FASTER]]
    notes: list[str] = []
    failures: dict[str, None] = {}
    for name in options.only:
        if name in TABLES:
            continue
        results: list[Result] = []
        for i in range(options.repeats):
            results.append(run_process(name, options.threads, with_peers))
            found = ", ".join(f"{side} {r:.2f}" for side, r in results[-1].ratios.items())
            print(f"{name}, process {i + 1} of {options.repeats}: {found}", file=sys.stderr)
        table.append(row(name, results))
        notes += remarks(name, results)
        failures |= {
            f"FAILED {label}: {failure}": None
            for result in results
            for label, failure in result.failures.items()
        }
    if table[1:]:
        print(format_table(table))
        print("\nBest of the processes (each one: median over interleaved blocks).")
        print(f"NumPy {np.__version__}; {peers.blas()}; threads {options.threads}")
        if with_peers:
            print("; ".join(peers.versions()))
        print("\n".join([*notes, *failures]))
    failed = bool(failures)
    if ACTIVATIONS in options.only:
        failed |= bool(run_activations(options.repeats, with_peers))
    if OVERHEAD in options.only:
        failed |= bool(run_overhead(options.repeats, with_peers))
    if MEMORY in options.only:
        failed |= bool(run_memory(with_peers))
    if EPOCH in options.only:
        failed |= bool(run_epoch(options.repeats, with_peers))
    if COMPILED in options.only:
        failed |= bool(run_compiled(options.repeats, with_peers))
    if TRACKING in options.only:
        failed |= bool(run_tracking(options.repeats))
    if CHECKERS in options.only:
        failed |= bool(run_checkers(with_peers))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
