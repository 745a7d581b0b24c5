"""What one fresh process measures: one work, every side in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import tinygrad_edu as te
from benchmarks import micrograd_demo, peers, xor_command
from benchmarks.hand_written import HandWritten
from benchmarks.measure import DifferentResultError, step_ratio, verify
from benchmarks.ours import TinygradEdu
from benchmarks.works import WORKS, Array, Side, Work, initial_parameters, make_batches

OURS = "tinygrad_edu"
BLOCKS = 15
PEER_BLOCKS = 7  # enough to place them; their steps take several times as long
BLOCK_SECONDS = 0.03
DEMO_BLOCKS = 3
DEMO_SIZES = (2, 16, 16, 1)
COMMAND_PAIRS = 3


@dataclass
class Result:
    """Ratios and failures by side, and numbers for the remarks below the table."""

    ratios: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, float] = field(default_factory=dict)


def measure_steps(name: str, with_peers: bool) -> Result:
    """Verify and time one training step of every side against the hand-written one."""
    work = WORKS[name]
    parameters, batches = initial_parameters(work), make_batches(work)
    sides: dict[str, Callable[[Work, Sequence[Array]], Side]] = {OURS: TinygradEdu}
    if with_peers:
        sides |= {
            peer: side
            for peer, (package, side) in peers.PEERS.items()
            if peers.is_installed(package)
        }
    result = Result()
    for label, make_side in sides.items():
        hand, side = HandWritten(work, parameters), make_side(work, parameters)
        try:
            verify(work, hand, side, batches)
        except DifferentResultError as error:
            result.failures[label] = str(error)
            continue
        blocks = BLOCKS if label == OURS else PEER_BLOCKS
        ratio, seconds = step_ratio(hand, side, batches, blocks, BLOCK_SECONDS)
        result.ratios[label] = ratio
        result.remarks.setdefault("hand-written step, microseconds", seconds * 1e6)
    return result


def measure_micrograd(with_peers: bool) -> Result:
    """Verify and time micrograd's demo, micrograd against our scalar values."""
    result = Result()
    if not (with_peers and peers.is_installed("micrograd")):
        return result
    reference = micrograd_demo.Network(peers.micrograd_value(), 0, DEMO_SIZES)
    network = micrograd_demo.Network(te.Value, None, DEMO_SIZES)
    try:
        micrograd_demo.verify(reference, network)
    except DifferentResultError as error:
        result.failures[OURS] = str(error)
        return result
    x, y = micrograd_demo.moons()
    nodes = micrograd_demo.all_nodes(reference.loss(x, y), lambda node: node._prev)
    our_nodes = micrograd_demo.all_nodes(network.loss(x, y), lambda node: node.inputs)
    comparison = micrograd_demo.compare(reference, network, DEMO_BLOCKS)
    result.ratios[OURS] = comparison.times_faster
    result.remarks = {
        "nodes in micrograd": len(nodes),
        "nodes in tinygrad_edu": len(our_nodes),
        "times faster without the garbage collector": comparison.times_faster_without_collector,
        "garbage collector's share in micrograd, percent": (
            100 * comparison.reference_collector_share
        ),
        "garbage collector's share in tinygrad_edu, percent": 100 * comparison.collector_share,
    }
    return result


def measure_xor_command() -> Result:
    """Time the whole command and its counterpart by hand."""
    result = Result()
    try:
        result.ratios[OURS], seconds = xor_command.command_ratio(COMMAND_PAIRS)
    except DifferentResultError as error:
        result.failures[OURS] = str(error)
    else:
        result.remarks["whole run with training by hand, seconds"] = seconds
    return result


def measure(name: str, with_peers: bool) -> Result:
    if name == "micrograd":
        return measure_micrograd(with_peers)
    if name == "xor_command":
        return measure_xor_command()
    return measure_steps(name, with_peers)
