"""Commands to try next: what helps after a failure, what shows something new after a success."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ..runs import command_line
from .learning import RATES, Learnt, rate
from .problems import TASKS, Settings

Text = Mapping[str, str]

NEXT = {
    "moons": (("--layers 1", "line"), ("--layers 64,relu,64,relu,1 --epochs 600", "noise")),
    "circles": (("--layers 1", "line"), ("--layers 3,relu,1 --epochs 300 --seeds 5", "three")),
    "spirals": (("--layers 64,tanh,64,tanh,1", "tanh"), ("--optimizer sgd", "sgd")),
    "digits": (
        ("--layers 10", "linear"),
        ("--layers 64,batchnorm,relu,dropout:0.2,64,relu,10", "dropout"),
    ),
    "sequence": (
        ("--layers 16,tanh,1", "blind"),
        ("--layers rnn:3,1 --epochs 60 --seeds 5", "small"),
    ),
}
FAR = 3.0  # so many times its own, a learning rate is what to change first
NOT_REPEATED = ("task", "out", "seeds", "resume", "compile", "lang", "plots")


def try_next(settings: Settings, text: Text, learnt: Learnt | None = None) -> list[tuple[str, str]]:
    """Commands worth trying after this one, each with what it shows.

    Behind a model that falls short of the goal the first is what would have helped.
    """
    task = settings.task
    commands = [
        (line(settings, options.split(), name), text[f"next_{task}_{name}"])
        for options, name in NEXT[task]
    ]
    commands.append((line(settings, ["--seeds", "5"], "seeds"), text["next_seeds"]))
    if learnt and falls_short(learnt, settings):
        return [remedy(settings, learnt, text), *commands]
    return commands


def falls_short(learnt: Learnt, settings: Settings) -> bool:
    """Whether the goal is not reached."""
    task = TASKS[settings.task]
    return learnt.results["test"][next(iter(task.metrics))] < task.goal


def remedy(settings: Settings, learnt: Learnt | None, text: Text) -> tuple[str, str]:
    """The command to try after a training that falls short, or, None, that diverged."""
    defaults, now, own = TASKS[settings.task].defaults, rate(settings), RATES[settings.optimizer]
    changes: dict[str, Any]
    if learnt is None:
        reason, changes = "slower", {"lr": own if now > own else float(f"{now / 10:.2g}")}
    elif not own / FAR <= now <= own * FAR:
        reason, changes = "rate", {"lr": None}
    elif settings.layers != defaults.layers:
        epochs = max(settings.epochs, defaults.epochs)
        reason, changes = "layers", {"layers": defaults.layers, "epochs": epochs}
    elif settings.epochs < defaults.epochs:
        reason, changes = "longer", {"epochs": defaults.epochs}
    elif options(settings):
        return line(settings, [], "again"), text["next_settings"]
    else:
        reason, changes = "longer", {"epochs": 2 * settings.epochs}
    return line(settings, options(replace(settings, **changes)), "again"), text[f"next_{reason}"]


def options(settings: Settings) -> list[str]:
    """What is to be written for a training with these settings."""
    defaults = TASKS[settings.task].defaults
    words = []
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name not in NOT_REPEATED and value != getattr(defaults, field.name):
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            words += [f"--{field.name.replace('_', '-')}", shown]
    return words


def line(settings: Settings, words: list[str], name: str) -> str:
    """A command with these options, and a folder and the language."""
    language = [] if settings.lang == "en" else ["--lang", settings.lang]
    task = settings.task
    return command_line(["train", task, *words, "--out", f"runs/{task}-{name}", *language])
