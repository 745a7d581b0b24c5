"""A model written in one line: `64,relu,64,relu,10`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..activations import ACTIVATIONS, named
from ..errors import ShapeError, UnknownNameError, closest
from ..nn import RNN, BatchNorm, Dropout, LayerNorm, Linear, Module, Sequential

LARGEST = 10_000
OTHERS = ("dropout:0.2", "batchnorm", "layernorm", "rnn:16")
# Where PyTorch, Keras and common sense write another name.
SPELLINGS = {
    "batchnorm1d": "batchnorm",
    "batch_norm": "batchnorm",
    "layer_norm": "layernorm",
    "drop_out": "dropout",
    "dense": "linear",
    "fc": "linear",
}
LATER = ("lstm", "gru", "conv", "conv1d", "conv2d", "attention")


class Recurrent(RNN):
    """An RNN that gives its states at all steps and keeps the last one to itself."""

    def forward(self, x: Any, state: Any = None, truncate: int | None = None) -> Any:
        """The states, of shape (batch, steps, hidden)."""
        return super().forward(x, state, truncate)[0]


def network(
    text: str,
    inputs: int,
    outputs: int,
    *,
    sequences: bool = False,
    seed: int = 0,
) -> Sequential:
    """The layers of `text`, for inputs of width `inputs`.

    Numbers are widths of Linear layers, names activations; `dropout:0.2`, `batchnorm`,
    `layernorm`, and, for `sequences`, `rnn:16`, a recurrent layer of that width. The last must be a
    Linear layer of width `outputs`. A Linear layer starts with weights as the activation after it
    wants them, the last one with those of the one before. All weights are drawn from `seed`, in
    order. Raises `UnknownNameError` for what is no layer, `ShapeError` for widths that do not fit.
    """
    parts = [part.strip().lower() for part in text.split(",")]
    if not all(parts):
        raise UnknownNameError(
            f"there is no layer between two commas, or at an end, of {text!r}; "
            "write as in 64,relu,10"
        )
    if parts[-1] != str(outputs):
        raise ShapeError(wrong_end(parts, outputs))
    generator = np.random.default_rng(seed)
    layers: list[Module | Callable[[Any], Any]] = []
    width = inputs
    for place, part in enumerate(parts):
        name, colon, given = part.partition(":")
        name = SPELLINGS.get(name, name)
        if name.isdecimal() and not colon:
            wide = whole(part, name)
            layers.append(Linear(width, wide, init=initialiser(parts, place), seed=generator))
            width = wide
        elif name == "rnn":
            if not sequences:
                raise ShapeError(
                    "rnn needs sequences, which only the task sequence has; "
                    "write the width of a layer instead"
                )
            wide = whole(part, given)
            layers.append(Recurrent(width, wide, seed=generator))
            width = wide
        elif name == "dropout":
            # A generator of its own: its masks change no weight.
            layers.append(Dropout(share(part, given), seed=np.random.default_rng([seed, place])))
        elif name in ("batchnorm", "layernorm"):
            if colon:
                raise UnknownNameError(f"{part!r}: {name} takes no number; write {name}")
            layers.append(BatchNorm(width) if name == "batchnorm" else LayerNorm(width))
        else:
            function = named_activation(part, sequences)
            if not function.keeps_width:
                if width % 2:
                    raise ShapeError(
                        f"{function.name} halves the width, and the one before it is {width}; "
                        "make it even"
                    )
                width //= 2
            layers.append(function)
    return Sequential(*layers)


def named_activation(part: str, sequences: bool = False) -> Any:
    """The activation, or an error that knows the other layers too."""
    name = part.partition(":")[0]
    if name in LATER:
        raise UnknownNameError(f"there is no {name} yet; for sequences write rnn:16")
    if SPELLINGS.get(name, name) == "linear" and part != "linear":
        raise UnknownNameError(f"{part!r}: a Linear layer is its width alone, as in 64")
    try:
        return named(part)
    except UnknownNameError as error:
        if "; write" in str(error):
            raise
        others = OTHERS if sequences else OTHERS[:-1]
        near = closest(part, [*ACTIVATIONS, *others], fallback=False)
        *listed, last = others
        raise UnknownNameError(
            f"no layer {part!r}; there is {f'{near}; ' if near else ''}"
            f"a width from 1 to {LARGEST}, an activation (relu, tanh, ...; all: tinygrad-edu "
            f"activations --all), {', '.join(listed)} or {last}"
        ) from None


def initialiser(parts: list[str], place: int) -> str:
    """That of the next activation, or, behind the last, of the one before: as in an MLP."""
    behind = [part for part in parts[place + 1 :] if part in ACTIVATIONS]
    before = [part for part in parts[:place] if part in ACTIVATIONS]
    near = behind[:1] or before[-1:]
    return ACTIVATIONS[near[0]].initialiser if near else "xavier_normal"


def whole(part: str, text: str) -> int:
    """A width."""
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= LARGEST:
        raise ShapeError(
            f"{part!r}: a width is a whole number from 1 to {LARGEST}, as in "
            f"{'rnn:16' if part.startswith('rnn') else '64'}"
        )
    return int(text)


def share(part: str, text: str) -> float:
    """The rate of a dropout."""
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate < 1:
        raise ShapeError(
            f"{part!r}: dropout needs the share that is set to 0, at least 0 and below 1, as in "
            "dropout:0.2"
        )
    return rate


def wrong_end(parts: list[str], outputs: int) -> str:
    """What is wrong with the last layer."""
    last = parts[-1]
    if last.isdecimal():
        fitting = ",".join([*parts[:-1], str(outputs)])
        return (
            f"the last layer has width {last}, and this task has {outputs} "
            f"output{'s' if outputs > 1 else ''}; write {fitting}"
        )
    if last in ("sigmoid", "softmax", "log_softmax", "log_sigmoid"):
        return (
            f"leave out the {last} at the end: the loss takes what comes before it, "
            f"of width {outputs}, and applies it itself"
        )
    fitting = ",".join([*parts, str(outputs)])
    return f"the last layer must be a Linear layer of width {outputs}: write {fitting}"
