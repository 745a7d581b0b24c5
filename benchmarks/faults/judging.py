"""The networks that judge the diagnosis: twenty healthy, and five of each of eight illnesses.

Half of them are written down, half are drawn. A healthy one must have learnt. An ill one must have
failed where its twin, the same network without what was planted, has learnt. What is drawn and
does not keep to that is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np

import tinygrad_edu as te
from benchmarks.faults import HEALTHY, Case, Setting
from benchmarks.faults.recipes import (
    RULES,
    TASKS,
    Recipe,
    Rng,
    alike,
    biases,
    frozen,
    grows,
    inputs_times,
    last_bias,
    last_weights,
    missing_value,
    mostly_dead,
    naive_loss,
    ratio,
    recurrent,
    score,
    shrinks,
    targets_times,
)
from tinygrad_edu.activations.facts import curve

OF_EACH, OF_HEALTHY = 5, 20


@dataclass(frozen=True)
class Planted:
    """A network that learns, and what makes it ill."""

    kind: str
    twin: Recipe
    changes: Mapping[str, Any] = field(default_factory=dict)
    also: frozenset[str] = frozenset()
    present: Callable[[Setting, Setting], bool] = lambda new, trained: True
    """Whether the illness is there, before and after the training, where chance has a say."""

    @property
    def recipe(self) -> Recipe:
        return replace(self.twin, **self.changes)

    def honest(self, seed: int) -> bool:
        """Whether the twin learns, and the ill one fails."""
        if not score(self.twin.setting(seed)).learnt:
            return False
        if self.kind == HEALTHY:
            return True
        if not 1e-3 <= ratio(self.twin.setting(seed)) <= 70:
            return False  # nothing else is to be wrong with it
        new, trained = self.recipe.setting(seed), self.recipe.setting(seed)
        return score(trained).failed(self.kind) and self.present(new, trained)

    def case(self, number: int, shift: int = 0) -> Case:
        recipe = self.recipe

        def make(seed: int) -> Setting:
            return recipe.setting(seed + shift)

        return Case(f"{number:02d} {recipe.name}", self.kind, self.also, make)


# ---- written down ----

STANDARD = partial(te.nn.init.xavier_uniform, gain=np.sqrt(1 / 3))  # the older U(±1/√n)
NORMAL = partial(te.nn.init.normal, std=1.0)


def also(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


WRITTEN: Mapping[str, list[Planted]] = {
    "vanishing": [
        Planted(
            "vanishing",
            Recipe("moons", "relu", 10, 16, "SGD", 0.1, 120, 30),
            {"activation": "sigmoid", "init": "xavier_normal"},
        ),
        Planted(
            "vanishing",
            Recipe("spirals", "tanh", 20, 24, "momentum", 0.02, 60, 40, residual=True),
            {"residual": False, "init": STANDARD},
            also("initialisation"),
        ),
        Planted(
            "vanishing",
            Recipe("first bit", "tanh", 2, 24, "SGD", 0.1, 120),
            {"alter": (recurrent(0.3),)},
            also("initialisation"),
        ),
    ],
    "exploding": [
        Planted(
            "exploding",
            Recipe(
                "circles", "relu", 50, 12, "momentum", 0.02, 25, 40, norm="BatchNorm", residual=True
            ),
            {"residual": False},
            present=grows,
        ),
        Planted(
            "exploding",
            Recipe("first bit", "tanh", 2, 32, "momentum", 0.1, 80, 40),
            {"alter": (recurrent(6.0),)},
            also("initialisation", "step_large", "saturated"),
        ),
    ],
    "saturated": [
        Planted(
            "saturated",
            Recipe("circles", "sigmoid", 3, 16, "Adam", 0.03, 200),
            {"alter": (inputs_times(300),)},
            also("vanishing"),
        ),
        Planted(
            "saturated",
            Recipe("moons", "tanh", 4, 16, "SGD", 0.2, 120, 40),
            {"alter": (biases(4, 7, signs=True),)},
            also("vanishing", "initialisation"),
        ),
        Planted(
            "saturated",
            Recipe("circles", "tanh", 3, 16, "Adam", 0.01, 120, output="sigmoid", loss="mse"),
            {"alter": (last_bias(25),)},
            also("initialisation"),
        ),
    ],
    "dead": [
        Planted(
            "dead",
            Recipe("moons", "relu", 4, 24, "Adam", 0.01, 80, 40),
            {"alter": (biases(-9, -6),)},
            also("vanishing", "initialisation"),
        ),
        Planted(
            "dead",
            Recipe("wave", "relu", 20, 32, "Adam", 0.003, 120),
            {"width": 2},
            also("vanishing"),
        ),
    ],
    "initialisation": [
        Planted(
            "initialisation",
            Recipe("digits", "tanh", 6, 32, "SGD", 0.2, 25, 50),
            {"init": partial(te.nn.init.normal, std=0.01)},
            also("vanishing"),
        ),
        Planted(
            "initialisation",
            Recipe("digits", "tanh", 8, 64, "SGD", 0.1, 20, 50),
            {"init": NORMAL},
            also("saturated", "exploding", "step_large", "oscillation"),
        ),
        Planted(
            "initialisation",
            Recipe("wave", "relu", 6, 64, "Adam", 0.002, 50, 32),
            {"init": NORMAL},
            also("exploding", "step_large", "dead", "oscillation"),
        ),
    ],
    "step": [
        Planted(
            "step_large",
            Recipe("circles", "tanh", 3, 16, "SGD", 0.5, 200),
            {"lr": 1000.0},
            also("saturated", "oscillation", "exploding"),
        ),
        Planted("step_small", Recipe("digits", "relu", 3, 32, "Adam", 0.003, 20, 50), {"lr": 1e-7}),
    ],
    "symmetric": [
        Planted(
            "symmetric",
            Recipe("circles", "tanh", 3, 16, "Adam", 0.02, 100),
            {"init": partial(te.nn.init.constant, value=0.2)},
            also("initialisation"),
        ),
        Planted(
            "symmetric",
            Recipe("digits", "relu", 3, 32, "SGD", 0.3, 25, 50),
            {"init": "zeros"},
            also("initialisation", "vanishing", "dead"),
        ),
        Planted(
            "symmetric",
            Recipe("circles", "tanh", 4, 16, "SGD", 0.2, 80, 40),
            {"alter": (alike(0), alike(1), alike(2))},
        ),
    ],
    "non_finite": [
        Planted(
            "non_finite",
            Recipe("wave", "relu", 4, 32, "momentum", 0.01, 100),
            {"lr": 3.0},
            also("step_large", "exploding"),
        ),
        Planted(
            "non_finite",
            Recipe("moons", "tanh", 3, 16, "SGD", 0.3, 100, 40),
            {"alter": (naive_loss, last_weights(400))},
            also("step_large", "initialisation"),
        ),
    ],
    HEALTHY: [
        # Noisy losses of small batches.
        Planted(HEALTHY, Recipe("moons", "tanh", 3, 16, "SGD", 0.3, 25, 4)),
        # Deep, with a way past each layer.
        Planted(
            HEALTHY, Recipe("spirals", "tanh", 24, 24, "momentum", 0.02, 70, 40, residual=True)
        ),
        # Half of the units left out, and about half of the others at zero.
        Planted(HEALTHY, Recipe("digits", "relu", 4, 64, "Adam", 0.003, 40, 50, dropout=0.5)),
        # A small step that is enough.
        Planted(HEALTHY, Recipe("blobs", "elu", 3, 48, "Adam", 2e-4, 120, 50)),
        # A loss that is huge at first.
        Planted(
            HEALTHY,
            Recipe("wave", "gelu", 3, 32, "Adam", 0.02, 400, alter=(last_weights(30),)),
        ),
        # Normalised at depth.
        Planted(HEALTHY, Recipe("circles", "relu", 12, 24, "Adam", 0.01, 60, 40, norm="BatchNorm")),
        # Part of the network rests.
        Planted(
            HEALTHY, Recipe("circles", "relu", 5, 48, "Adam", 0.01, 80, 40, alter=(frozen(3),))
        ),
        # Targets of scale 1000.
        Planted(
            HEALTHY,
            Recipe("wave", "swish", 3, 32, "Adam", 0.1, 250, 32, alter=(targets_times(1e3),)),
        ),
        # A plateau before the loss falls.
        Planted(HEALTHY, Recipe("circles", "sigmoid", 4, 16, "Adam", 0.02, 200)),
        # The sigmoid stands in the network, and so does its flat part.
        Planted(
            HEALTHY,
            Recipe(
                "moons", "arctan", 4, 16, "RMSprop", 0.005, 80, 40, output="sigmoid", loss="bce"
            ),
        ),
    ],
}


# ---- drawn ----

RECTIFIERS = ("relu", "leaky_relu", "elu", "gelu", "swish", "celu", "mish", "prelu", "selu")
SQUASHERS = ("tanh", "softsign", "arctan", "hard_tanh")
FLAT = ("sigmoid", "hard_sigmoid")
# linear has no bends, step no slope.
SUITED = tuple(
    name
    for name, op in te.ACTIVATIONS.items()
    if curve(op) and op.keeps_width and name not in ("linear", "step")
)
RATES = {
    "SGD": (0.05, 0.4),
    "momentum": (0.01, 0.1),
    "Adam": (0.002, 0.02),
    "AdamW": (0.002, 0.02),
    "RMSprop": (0.001, 0.01),
    "Adagrad": (0.02, 0.1),
}
PLAIN = ("moons", "circles", "spirals", "blobs", "wave", "digits")
BENT = ("circles", "spirals", "wave", "digits")  # one direction does not do
SIGNED = ("moons", "circles", "spirals")  # with a target of 0 or 1


def between(random: Rng, low: float, high: float) -> float:
    """A number whose logarithm is drawn evenly."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def recipe(
    random: Rng,
    *,
    tasks: Sequence[str] = PLAIN,
    activations: Sequence[str] = SUITED,
    depth: tuple[int, int] = (2, 20),
    width: tuple[int, int] = (8, 128),
    rules: Sequence[str] = tuple(RULES),
    trimmings: bool = True,
) -> Recipe:
    """Any network that may learn; with `trimmings` also normalised, with dropout or residual."""
    task, rule = str(random.choice(tasks)), str(random.choice(rules))
    layers = round(between(random, *depth))
    batch = random.choice([0, 16, 32, 64])
    low, high = RATES[rule]
    if task == "wave" and rule in ("SGD", "momentum"):
        low, high = low / 10, high / 10
    rows = len(TASKS[task].data(0)[0])
    passes = random.uniform(120, 300) if layers < 10 else 120
    return Recipe(
        task,
        str(random.choice(activations)),
        layers,
        round(between(random, *width)),
        rule,
        between(random, low, high),
        round(passes / (np.ceil(rows / batch) if batch else 1)),
        int(batch) or None,
        norm=str(random.choice(["", "", "BatchNorm", "LayerNorm"])) if trimmings else "",
        residual=bool(trimmings and random.random() < (0.6 if layers > 8 else 0.2)),
        dropout=float(random.choice([0, 0, 0, 0.1, 0.3, 0.5])) if trimmings else 0.0,
        dtype=np.float32 if random.random() < 0.3 else np.float64,
    )


def healthy(random: Rng) -> Planted:
    tasks = (*PLAIN, "adding", "first bit")
    drawn = recipe(random, tasks=tasks)
    if TASKS[drawn.task].recurrent:
        drawn = recipe(random, tasks=(drawn.task,), activations=SQUASHERS, depth=(2, 2))
    elif random.random() < 0.4:
        odd = (frozen(1), last_weights(10), inputs_times(3), biases(-0.5, 0.5))
        drawn = replace(drawn, alter=(odd[random.integers(len(odd))],))
    return Planted(HEALTHY, drawn)


def flat_slopes(random: Rng) -> Planted:
    twin = recipe(random, activations=(*RECTIFIERS, "tanh"), depth=(9, 18))
    plain = {"norm": "", "residual": False, "dropout": 0.0}
    changes = {**plain, "activation": str(random.choice(FLAT)), "init": "xavier_normal"}
    return Planted("vanishing", twin, changes, present=shrinks)


def each_layer_takes_some(random: Rng) -> Planted:
    twin = recipe(
        random, activations=SQUASHERS, depth=(14, 20), rules=("SGD", "momentum"), trimmings=False
    )
    twin = replace(twin, residual=True)
    changes = {"residual": False, "init": STANDARD}
    return Planted("vanishing", twin, changes, also("initialisation"), shrinks)


def each_layer_adds_some(random: Rng) -> Planted:
    twin = recipe(random, activations=RECTIFIERS, depth=(8, 20), trimmings=False)
    changes = {"gain": random.uniform(2, 4)}
    others = also("initialisation", "step_large", "dead", "saturated", "oscillation")
    return Planted("exploding", twin, changes, others, grows)


def sums_without_norm(random: Rng) -> Planted:
    twin = recipe(
        random,
        activations=RECTIFIERS,
        depth=(3, 5),
        width=(8, 24),
        rules=("SGD", "momentum", "Adam"),
        trimmings=False,
    )
    changes = {"depth": int(random.integers(20, 28)), "residual": True}
    return Planted("exploding", twin, changes, also("step_large", "dead", "oscillation"), grows)


def chaos(random: Rng) -> Planted:
    twin = recipe(random, activations=("tanh", "arctan"), depth=(12, 20), trimmings=False)
    changes = {"gain": random.uniform(3, 8)}
    others = also("initialisation", "saturated", "step_large")
    return Planted("exploding", twin, changes, others, grows)


def unscaled_inputs(random: Rng) -> Planted:
    # The biases cannot keep pace, and without them a circle is not to be told from another.
    twin = recipe(
        random, tasks=["circles"], activations=(*SQUASHERS, *FLAT), depth=(2, 4), trimmings=False
    )
    changes = {"alter": (inputs_times(between(random, 100, 1000)),)}
    return Planted("saturated", twin, changes, also("vanishing"))


def outermost(random: Rng) -> Planted:
    twin = recipe(random, activations=(*SQUASHERS, *FLAT), depth=(3, 6), trimmings=False)
    low = random.uniform(7, 12)
    changes = {"alter": (biases(low, low + 3, signs=True),)}
    return Planted("saturated", twin, changes, also("vanishing", "initialisation"))


def all_below_zero(random: Rng) -> Planted:
    activations = ("relu", "relu6", "squared_relu")
    twin = recipe(random, activations=activations, depth=(3, 8), trimmings=False)
    low = random.uniform(-12, -8)
    changes = {"alter": (biases(low, low + 2),)}
    others = also("vanishing", "initialisation", *["saturated"] * (twin.activation == "relu6"))
    return Planted("dead", twin, changes, others, mostly_dead)


def killed(random: Rng) -> Planted:
    rules = ("SGD", "momentum", "Adam")
    twin = recipe(random, activations=("relu",), depth=(3, 6), rules=rules, trimmings=False)
    changes = {"lr": twin.lr * between(random, 10, 100)}
    return Planted("dead", twin, changes, also("step_large", "vanishing"), mostly_dead)


def born_dead(random: Rng) -> Planted:
    twin = recipe(random, activations=("relu",), depth=(14, 20), width=(24, 64), trimmings=False)
    others = also("vanishing", "initialisation")
    return Planted("dead", twin, {"width": 2}, others, mostly_dead)


def too_small(random: Rng) -> Planted:
    activations = (*RECTIFIERS, *SQUASHERS)
    twin = recipe(random, activations=activations, depth=(4, 10), trimmings=False)
    changes = {"gain": between(random, 0.003, 0.1)}
    return Planted("initialisation", twin, changes, also("vanishing"))


def too_large(random: Rng) -> Planted:
    activations = (*RECTIFIERS, *SQUASHERS)
    twin = recipe(random, activations=activations, depth=(4, 8), trimmings=False)
    changes = {"gain": between(random, 6, 30)}
    others = also("exploding", "saturated", "dead", "step_large", "oscillation")
    return Planted("initialisation", twin, changes, others)


def positive(random: Rng) -> Planted:
    twin = recipe(
        random, activations=("relu", "tanh"), depth=(3, 8), width=(32, 128), trimmings=False
    )
    others = also("exploding", "saturated", "dead", "step_large", "oscillation")
    return Planted("initialisation", twin, {"init": "uniform"}, others)


def large_step(random: Rng) -> Planted:
    twin = recipe(random, depth=(2, 8))
    changes = {"lr": twin.lr * between(random, 30, 3000)}
    others = also("exploding", "saturated", "dead", "oscillation", "vanishing")
    return Planted("step_large", twin, changes, others)


def small_step(random: Rng) -> Planted:
    twin = recipe(random, depth=(2, 8))
    return Planted("step_small", twin, {"lr": twin.lr * between(random, 1e-5, 1e-3)})


def constant(random: Rng) -> Planted:
    twin = recipe(random, tasks=BENT, depth=(2, 6), trimmings=False)
    value = 0.0 if random.random() < 0.3 else between(random, 0.03, 0.3)
    changes = {"init": partial(te.nn.init.constant, value=value)}
    return Planted("symmetric", twin, changes, also("initialisation", "vanishing", "dead"))


def in_step(random: Rng) -> Planted:
    twin = recipe(random, tasks=BENT, depth=(3, 5), trimmings=False)
    changes = {"alter": tuple(map(alike, range(twin.depth - 1)))}
    return Planted("symmetric", twin, changes, also("initialisation"))


def diverging(random: Rng) -> Planted:
    rules = ("SGD", "momentum")
    twin = recipe(
        random, tasks=("wave",), activations=RECTIFIERS, depth=(2, 8), rules=rules, trimmings=False
    )
    changes = {"lr": twin.lr * between(random, 10, 1000)}
    return Planted("non_finite", twin, changes, also("step_large", "exploding"))


def overflowing(random: Rng) -> Planted:
    twin = recipe(random, activations=("squared_relu",), depth=(3, 5), trimmings=False)
    changes = {"depth": 12, "gain": random.uniform(4, 8)}
    return Planted("non_finite", twin, changes, also("initialisation", "exploding"))


def hole_in_the_data(random: Rng) -> Planted:
    return Planted("non_finite", recipe(random, depth=(2, 8)), {"alter": (missing_value,)})


def logarithm_of_zero(random: Rng) -> Planted:
    twin = recipe(random, tasks=SIGNED, depth=(2, 6), trimmings=False)
    changes = {"alter": (naive_loss, last_weights(random.uniform(200, 2000)))}
    return Planted("non_finite", twin, changes, also("step_large", "initialisation"))


DRAWN: Mapping[str, Sequence[Callable[[Rng], Planted]]] = {
    "vanishing": (flat_slopes, each_layer_takes_some),
    "exploding": (each_layer_adds_some, sums_without_norm, chaos),
    "saturated": (unscaled_inputs, outermost),
    "dead": (all_below_zero, killed, born_dead),
    "initialisation": (too_small, too_large, positive),
    "step": (large_step, small_step),
    "symmetric": (constant, in_step),
    "non_finite": (diverging, overflowing, hole_in_the_data, logarithm_of_zero),
    HEALTHY: (healthy,),
}


def draws(illness: str, number: int, seed: int) -> Iterator[Planted]:
    """One after the other, not looked at yet."""
    makers, illnesses = DRAWN[illness], list(DRAWN)
    first = int(np.random.default_rng([seed, illnesses.index(illness)]).integers(len(makers)))
    make = makers[(first + number) % len(makers)]
    for attempt in count():
        yield make(np.random.default_rng([seed, illnesses.index(illness), number, attempt]))


def drawn(illness: str, number: int, seed: int) -> Planted:
    """The first that is honest."""
    return next(each for each in draws(illness, number, seed) if each.honest(seed))


def shifted(planted: Planted, seed: int) -> int:
    """What to add to the seed for weights and data with which it is honest; mostly 0."""
    return next(shift for shift in count(0, 1000) if planted.honest(seed + shift))


def cases(seed: int) -> list[Case]:
    """Sixty, in an order that says nothing; draws and trains, which takes about a minute."""
    planted: list[tuple[Planted, int]] = []
    for illness, written in WRITTEN.items():
        wanted = OF_HEALTHY if illness == HEALTHY else OF_EACH
        planted += [(each, shifted(each, seed)) for each in written]
        planted += [(drawn(illness, number, seed), 0) for number in range(wanted - len(written))]
    order = np.random.default_rng(seed).permutation(len(planted))
    return [planted[place][0].case(at, planted[place][1]) for at, place in enumerate(order, 1)]
