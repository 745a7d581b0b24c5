"""The comparisons of these tests can fail: each mutant of the compiler breaks one thing.

The compiler compares a program with its recording before it uses it. Here it does not, so that
wrong programs are told by their numbers alone, at some later call.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import sub
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tests.compile import test_aliasing, test_guards, test_levels
from tests.compile.judging import bits, plain, same_at_every_call, same_training
from tinygrad_edu.compile import compiled, level_graph, level_steps, memory, passes, recording
from tinygrad_edu.compile.housing import Containers, Housing
from tinygrad_edu.compile.instructions import Drawn, Instruction, Slot
from tinygrad_edu.compile.levels import Levels
from tinygrad_edu.compile.memory import Memory
from tinygrad_edu.compile.parts import Part
from tinygrad_edu.compile.program import Program
from tinygrad_edu.compile.recording import Recorded
from tinygrad_edu.compile.tape import Tape
from tinygrad_edu.compile.writer import Writer
from tinygrad_edu.engine.effects import Structure
from tinygrad_edu.engine.operation import OPERATIONS

nn = te.nn
Patch = pytest.MonkeyPatch
X = np.random.default_rng(0).standard_normal((6, 4, 3))
Y = np.random.default_rng(1).standard_normal((6, 4, 2))


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: Patch) -> None:
    """Programs are used as they are."""
    monkeypatch.setattr(recording, "same", lambda found, expected: True)


# ---- what a program is compared by ----


def training(build: Callable[[], Any], rule: Callable[[Any], Any]) -> Callable[[], None]:
    """Some steps of a model, its states compared after each."""

    def make() -> Any:
        model = build()
        return model, lambda model, x, y: te.nn.losses.mse(model(x), y), rule(model.parameters())

    def comparison() -> None:
        same_training(make, list(zip(X, Y, strict=True)))

    return comparison


def sgd(params: Any) -> Any:
    return te.optim.SGD(params, lr=0.1)


def adam(params: Any) -> Any:
    return te.optim.Adam(params, lr=0.05)


class Remembering(te.optim.Optimizer):
    """Reads a parameter after it has said what becomes of it."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, 0.1)

    @staticmethod
    def update(parameter: Any, gradient: Any, state: Any, options: Any) -> Any:
        kept = state.get("kept", 0.0)
        moved = parameter - options["lr"] * gradient - 0.01 * kept
        return moved, {"kept": kept * 0.5 + parameter}


def dropout_twice() -> Any:
    generator = np.random.default_rng(3)
    return nn.Sequential(
        nn.Linear(3, 2), nn.Dropout(0.5, seed=generator), nn.Dropout(0.5, seed=generator)
    )


def normalised() -> Any:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm(2))


def mlp() -> Any:
    return nn.MLP([3, 5, 2], activation="tanh")


def differences() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.exp(x - y) * 2.0 + np.tanh(y - x)

    same_at_every_call(f, lambda call: (np.arange(3.0) + call, np.ones(3)))


def signs_of_zero() -> None:
    def f(x: Any) -> Any:
        return np.copysign(1.0, x * 0.0), np.copysign(1.0, x * -0.0)

    same_at_every_call(f, lambda call: (np.ones(2) + call,))


def numbers() -> None:
    def f(x: Any) -> Any:
        total = np.sum(x) * 3.0
        for n in range(4):
            total = total * np.sum(x * (n + 2.0)) + total / 7.0
        return total

    same_at_every_call(f, lambda call: (np.linspace(0, 1, 4) + call,))


def powers() -> None:
    def f(x: Any) -> Any:
        v = te.Value(x)
        return te.grad(np.sum(np.tanh(v) * np.exp(v) + np.tanh(v)), [v])[0]

    same_at_every_call(f, lambda call: (np.linspace(-1, 1 + call, 4),))


def branches() -> None:
    test_guards.test_a_branch_inside_the_package_is_taken_the_other_way()


def changes(*names: str) -> Callable[[], None]:
    def comparison() -> None:
        for name in names:
            test_guards.test_a_change_between_calls_counts(name)

    return comparison


def containers() -> None:
    test_guards.test_a_change_inside_of_a_container_counts("a parameter further in")


def shapes() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) * 2.0)

    with_warnings(same_at_every_call, f, lambda call: (np.ones((2, 3) if call < 3 else (1, 3)),))


def dtypes() -> None:
    def f(x: Any) -> Any:
        return np.tanh(x) * 2.0

    with_warnings(
        same_at_every_call,
        f,
        lambda call: (np.linspace(0, 1, 4).astype(np.float64 if call < 3 else np.float32),),
    )


def with_warnings(function: Callable[..., Any], *args: Any) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", te.errors.RecordingWarning)
        function(*args)


def held_results() -> None:
    w = te.Value(np.arange(4.0))
    step = te.compile(lambda x: plain(np.tanh(x) * w))
    held = []
    for n in range(5):
        x = np.full(4, 0.1 * n)
        held.append((step(x), bits(plain(np.tanh(x) * w))))
        assert all(bits(found) == was for found, was in held)


def results_written_to() -> None:
    test_aliasing.test_writing_into_a_result_changes_no_other()


def gradients_add_up() -> None:
    test_guards.test_gradients_add_up_without_an_optimiser()


# ---- wrong passes over a tape ----


def programmed(change: Callable[..., None]) -> Callable[[Patch], None]:
    """A mutant that changes a tape before it becomes a program."""

    def mutate(monkeypatch: Patch) -> None:
        right = Program.__init__

        def wrong(self: Program, tape: Tape, inputs: Any, held: Any, *args: Any, **kw: Any) -> None:
            change(tape, inputs, held)
            right(self, tape, inputs, held, *args, **kw)

        monkeypatch.setattr(Program, "__init__", wrong)

    return mutate


def renamed(tape: Tape, old: Slot, new: Slot) -> None:
    """Let all that reads one slot read another."""
    tape.instructions[:] = [each.renamed({old: new}) for each in tape.instructions]


def shared(same: Callable[[Instruction, Instruction], bool]) -> Callable[..., None]:
    """A pass that takes one instruction for another."""

    def change(tape: Tape, inputs: Any, held: Any) -> None:
        for number, each in enumerate(list(tape.instructions)):
            for before in tape.instructions[:number]:
                if same(before, each) and not each.guard and before.out != each.out:
                    renamed(tape, each.out, before.out)
                    break

    return change


def draws_alike(a: Instruction, b: Instruction) -> bool:
    return isinstance(a.function, Drawn) and a.function == b.function


def swapped(a: Instruction, b: Instruction) -> bool:
    return a.function is b.function is np.subtract and a.args == b.args[::-1]


def alike_but_for_arguments(a: Instruction, b: Instruction) -> bool:
    return a.function is b.function is np.multiply and a.value.shape == b.value.shape


def without_guards(tape: Tape, inputs: Any, held: Any) -> None:
    tape.instructions[:] = [each for each in tape.instructions if not each.guard]


def folded(kind: Callable[[Any], bool]) -> Callable[..., None]:
    """A pass that takes inputs of a kind for constants."""

    def change(tape: Tape, inputs: Any, held: Any) -> None:
        for place, slot in enumerate(inputs):
            if kind(tape.inputs[slot]):
                tape.constants[slot] = tape.inputs[slot]
                inputs[place] = tape.slot()  # which nobody reads
                tape.inputs[inputs[place]] = tape.inputs[slot]

    return change


def parameters_folded(tape: Tape, inputs: Any, held: Any) -> None:
    for slot in held:
        held[slot] = held[slot].copy()


def draws_folded(tape: Tape, inputs: Any, held: Any) -> None:
    for each in [each for each in tape.instructions if isinstance(each.function, Drawn)]:
        tape.instructions.remove(each)
        tape.constants[each.out] = each.value


def first_term_only(tape: Tape, inputs: Any, held: Any) -> None:
    """Of the last sum of two arrays one is forgotten."""
    sums = [each for each in tape.instructions if each.function is np.add and np.ndim(each.value)]
    renamed(tape, sums[-1].out, next(a for a in sums[-1].args if isinstance(a, Slot)))


# ---- wrong functions ----


def patched(owner: Any, name: str, wrong: Any) -> Callable[[Patch], None]:
    """A mutant of one function; `wrong` is given the right one."""

    def mutate(monkeypatch: Patch) -> None:
        monkeypatch.setattr(owner, name, wrong(getattr(owner, name)))

    return mutate


def unordered(right: Any) -> Any:
    def wrong(each: Instruction) -> Any:
        function, operands, *others = right(each)
        return (function, frozenset(operands), *others)

    return wrong


def signless(right: Any) -> Any:
    return lambda item: (float, item) if item.__class__ is float else right(item)


def named_early(right: Any) -> Any:
    def wrong(self: Writer) -> None:
        self.number += 1
        right(self)
        self.number -= 1

    return wrong


def a_step_early(right: Any) -> Any:
    return lambda self, number: right(self, number + 1)


def uncopied(right: Any) -> Any:
    return lambda self: [text.removesuffix(".copy()") for text in right(self)]


def nothing(right: Any) -> Any:
    return lambda *args, **kwargs: None


def always(right: Any) -> Any:
    return lambda *args, **kwargs: True


def first_result(right: Any) -> Any:
    kept: list[Any] = []

    def wrong(self: Any, args: Any) -> Any:
        kept.append(right(self, args))
        return kept[0]

    return wrong


def unassigned(right: Any) -> Any:
    def wrong(self: Tape, leaf: Any, data: Any) -> None:
        """The new data is lost."""

    return wrong


def returned_memory(right: Any) -> Any:
    """The first result lies where the one of the last call lay."""
    memory: dict[Any, Any] = {}

    def wrong(shape: Any, found: tuple[Any, ...]) -> Any:
        first = found[0]
        if isinstance(first, np.ndarray):
            place = memory.setdefault(first.shape, np.empty_like(first))
            place[...] = first
            found = (place[...], *found[1:])
        return right(shape, found)

    return wrong


def overwritten_gradients(right: Any) -> Any:
    def wrong(self: Recorded, found: Any, args: Any) -> None:
        for leaf in self.grown:
            leaf.grad = None
        right(self, found, args)

    return wrong


MUTANTS: dict[str, tuple[Callable[[Patch], None], Callable[[], None]]] = {
    "two draws are one": (programmed(shared(draws_alike)), training(dropout_twice, sgd)),
    "a draw is a constant": (programmed(draws_folded), training(dropout_twice, sgd)),
    "a - b is b - a": (programmed(shared(swapped)), differences),
    "x · y is x · z": (programmed(shared(alike_but_for_arguments)), powers),
    "a gradient loses a term": (programmed(first_term_only), powers),
    "the order of operands does not matter": (
        patched(passes, "fingerprint", unordered),
        differences,
    ),
    "0 is −0": (patched(passes, "part", signless), signs_of_zero),
    "memory is given back too early": (patched(Memory, "dying", a_step_early), training(mlp, adam)),
    "names are used again too early": (patched(Writer, "spare_names", named_early), numbers),
    "memory is shared at the same time": (
        patched(memory, "meet", lambda right: lambda a, b: False),
        training(mlp, adam),
    ),
    "a parameter is overwritten before it is read": (
        patched(Writer, "untouched", always),
        training(mlp, Remembering),
    ),
    "results are not copied": (patched(Writer, "handed_out", uncopied), results_written_to),
    "guards are dropped": (programmed(without_guards), branches),
    "arguments are constants": (
        programmed(folded(lambda value: isinstance(value, np.ndarray))),
        training(mlp, sgd),
    ),
    "the rate is a constant": (
        programmed(folded(lambda value: isinstance(value, float))),
        changes("rate"),
    ),
    "the count of steps is a constant": (
        programmed(folded(lambda value: value.__class__ is int)),
        training(mlp, adam),
    ),
    "parameters are constants": (programmed(parameters_folded), training(mlp, sgd)),
    "statistics are not assigned": (
        patched(Tape, "assign", unassigned),
        training(normalised, sgd),
    ),
    "every call gives the first result": (
        patched(Recorded, "run", first_result),
        training(mlp, sgd),
    ),
    "results are overwritten": (patched(recording, "filled_in", returned_memory), held_results),
    "gradients do not add up": (
        patched(Recorded, "finish", overwritten_gradients),
        gradients_add_up,
    ),
    "leaves are not looked at": (
        patched(Housing, "settled", always),
        changes("rebound", "frozen", "in place"),
    ),
    "containers are not looked at": (patched(Containers, "same", always), containers),
    "options are not looked at": (patched(Part, "same", always), changes("option", "betas")),
    "states are not taken over": (patched(Part, "take_over", always), changes("optimiser loaded")),
    "shapes are not looked at": (patched(compiled.Compiled, "like", always), shapes),
    "dtypes are not looked at": (patched(compiled.Compiled, "like", always), dtypes),
    "modes are not looked at": (
        patched(Structure, "switch", nothing),
        test_guards.test_train_and_eval,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_is_rejected(name: str, monkeypatch: Patch) -> None:
    mutate, comparison = MUTANTS[name]
    comparison()  # which holds for what is right
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        comparison()


# ---- by levels ----


def random_programs() -> None:
    test_levels.test_random_programs_are_eagers_bit_for_bit(3)


def subtractions() -> None:
    test_levels.check(
        lambda xs, cs: sum((x - xs[0]) * (2.0 - x) for x in xs), test_levels.normal(40)
    )


def mixed_entries() -> None:
    mixing = te.define_elementwise(
        "mixing", lambda x: x - np.mean(x) + 1, lambda out, x: x * 0, formula="m({0})"
    )
    test_levels.check(lambda xs, cs: sum(mixing(x) * x for x in xs), test_levels.normal(40))


def reversed_sums(right: Any) -> Any:
    def wrong(self: Any, out: Any, buffer: Any) -> None:
        for where, gather in self.parts:
            out[where] = np.add.accumulate(gather.read(buffer)[::-1], axis=0)[-1]

    return wrong


def shifted_gather(right: Any) -> Any:
    def wrong(self: Any, buffer: Any) -> Any:
        found = right(self, buffer)
        return np.roll(found, 1) if self.where is None else found

    return wrong


def first_inputs(right: Any) -> Any:
    kept: list[Any] = []

    def wrong(self: Any, leaves: Any, inputs: Any = ()) -> Any:
        kept.append(inputs)
        return right(self, leaves, kept[0])

    return wrong


def spare_forgotten(right: Any) -> Any:
    """Nothing that comes in several times is added up again."""
    made: list[Any] = []

    def wrong(self: Any, gradients: Any) -> None:
        if self not in made:
            made.append(self)
            right(self, gradients)

    return wrong


def one_constant(right: Any) -> Any:
    return lambda constants, dtypes: constants[0]


def added(ufuncs: Any) -> Any:
    return {**ufuncs, sub: np.add}


LEVEL_MUTANTS: dict[str, tuple[Callable[[Patch], None], Callable[[], None]]] = {
    "sums are added from the last term": (
        patched(level_steps.Sums, "into", reversed_sums),
        random_programs,
    ),
    "what is gathered is shifted": (
        patched(level_steps.Gather, "read", shifted_gather),
        random_programs,
    ),
    "a - b is a + b": (patched(level_steps, "UFUNCS", added), subtractions),
    "gradients are added up once": (
        patched(level_steps.Collect, "__call__", spare_forgotten),
        random_programs,
    ),
    "0 · ∞ is not mended": (
        patched(level_steps, "repaired", lambda right: lambda product, g, slope: product),
        test_levels.test_zero_times_infinity_is_zero,
    ),
    "a sum begins with 0": (
        patched(level_steps, "NOTHING", lambda right: 0.0),
        test_levels.test_sums_of_minus_zero,
    ),
    "inputs are constants": (
        patched(Levels, "run", first_inputs),
        test_levels.test_inputs_are_given_anew,
    ),
    "all constants are the first": (
        patched(level_graph, "operand", one_constant),
        test_levels.test_constants_of_all_kinds,
    ),
    "options are not looked at": (
        patched(level_graph, "frozen_options", lambda right: lambda options: ()),
        test_levels.test_options_that_only_look_equal,
    ),
    "nobody tries whether arrays are treated as numbers": (
        patched(level_steps.Group, "works", always),
        mixed_entries,
    ),
}


@pytest.mark.parametrize("name", LEVEL_MUTANTS)
def test_the_mutant_of_levels_is_rejected(name: str, monkeypatch: Patch) -> None:
    mutate, comparison = LEVEL_MUTANTS[name]
    known = set(OPERATIONS)

    def compare() -> None:
        try:
            comparison()
        finally:  # records that it declares
            for declared in set(OPERATIONS) - known:
                del OPERATIONS[declared]

    compare()
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        compare()
