"""Weights as files, and whole trainings from which exactly the same training goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError, NonFiniteError, OperandError, OtherTrainingError
from ..files import remove_remains, writable_folder
from ..nn.module import Module
from . import storage
from .callbacks import Callback, Called, Run
from .history import History

FORMAT = 1


def save(model: Module, path: str | os.PathLike[str]) -> None:
    """Write parameters and running statistics to a file in `.npz` or `.safetensors`.

    Its folder is made if need be; the file is whole or absent. `np.load` reads the first kind, by
    the names of `state_dict`. Raises `FileError` for another suffix.
    """
    check_model("save", model)
    storage.form_of(path)
    writable_folder(Path(path).parent)
    storage.write(path, model.state_dict())


def load(model: Module, path: str | os.PathLike[str]) -> None:
    """Give a model of the same layers the weights in a file of `save`, or in a checkpoint.

    A checkpoint has those of its last epoch, also where `EarlyStopping` gave the model back those
    of the best. Raises `FileNotFoundError`, `FileError` for a damaged file, `ShapeError` or
    `UnknownNameError` where names or shapes differ; the model is then as it was.
    """
    check_model("load", model)
    tree = storage.read(path)
    model.load_state_dict(tree["model"] if "format" in tree and "model" in tree else tree)


def check_model(name: str, model: Any) -> None:
    """Refuse what is no model."""
    if not isinstance(model, Module):
        raise OperandError(f"write te.train.{name}(model, path), not {name}({model!r:.40}, ...)")


class Checkpoint:
    """A training in a file: weights, statistics, optimiser, generators, history and callbacks.

    `settings` are what must be the same for the training to go on as it would have: a file that
    was made with others is refused.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        run: Run,
        shuffle: np.random.Generator,
        callbacks: Sequence[Callback],
        settings: Mapping[str, Any],
    ) -> None:
        storage.form_of(path)
        self.path = Path(path)
        writable_folder(self.path.parent)
        remove_remains(self.path)
        self.run = run
        self.generators = {
            "shuffle": shuffle,
            **{f"model.{name}": each for name, each in run.model.named_generators()},
        }
        self.callbacks = [each for each in callbacks if not isinstance(each, Called)]
        self.settings = json.loads(json.dumps(settings))  # as they will be read

    def write(self) -> None:
        """Replace the file by the training as it is now.

        Raises `NonFiniteError`, and leaves the file as it was, where a weight is not finite.
        """
        weights = self.run.model.state_dict()
        for name, array in weights.items():
            if not np.all(np.isfinite(array)):
                raise NonFiniteError(
                    f"{name} is not finite after the last step: lower the learning rate, or clip "
                    f"gradients with clip_norm=1; {self.path} holds the epoch before, if any"
                )
        storage.write(
            self.path,
            {
                "format": FORMAT,
                "settings": self.settings,
                "model": weights,
                "optimizer": self.run.optimizer.state_dict(),
                "generators": {
                    name: each.bit_generator.state for name, each in self.generators.items()
                },
                "history": {
                    "columns": self.run.history.to_dict(),
                    "stopped": self.run.history.stopped,
                },
                "callbacks": [each.state_dict() for each in self.callbacks],
            },
        )

    def read(self) -> History:
        """Put everything back as it was written; returns the history up to there.

        Raises `FileError` for a damaged file or one of another kind, `OtherTrainingError` for
        other settings; nothing is changed then.
        """
        held = storage.read(self.path)
        if not isinstance(held, dict) or held.get("format") != FORMAT:
            raise FileError(
                f"{self.path} is no checkpoint of te.train.fit of this version; "
                "te.train.load(model, path) reads weights alone"
            )
        made, now = held["settings"], self.settings
        names = [name for name in {**made, **now} if made.get(name) != now.get(name)]
        differences = [
            f"other {name}"
            if name in ("data", "validation")
            else f"{name}={made.get(name)!r} (now {now.get(name)!r})"
            for name in names
        ]
        if held["generators"].keys() != self.generators.keys():
            names.append("generators")
            differences.append(f"the generators {', '.join(held['generators'])}")
        history = History(**held["history"])
        if names:
            raise OtherTrainingError(
                f"{self.path} was made with {', '.join(differences)}; give fit the same, or "
                "another file, or resume=False to begin anew",
                names,
                len(history),
            )
        if len(history) > self.run.epochs:
            raise OtherTrainingError(
                f"{self.path} holds {len(history)} epochs already, and epochs={self.run.epochs}; "
                "give more, or another file, or resume=False to begin anew",
                ["epochs"],
                len(history),
            )
        self.run.model.load_state_dict(held["model"])
        self.run.optimizer.load_state_dict(held["optimizer"])
        for name, state in held["generators"].items():
            self.generators[name].bit_generator.state = state
        for callback, state in zip(self.callbacks, held["callbacks"], strict=True):
            callback.load_state_dict(state)
        return history
