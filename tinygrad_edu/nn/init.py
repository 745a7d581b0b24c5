"""Initialisers: first weights whose spread keeps signals alive, `(shape, generator) -> array`.

Options are given by `functools.partial(he_normal, gain=gain("tanh"))`. What depends on the fans
takes `fans=(fan_in, fan_out)` in place of those that the shape has (see `fans`).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .. import activations
from ..activations.facts import curve, facts
from ..engine.operation import Operation
from ..errors import OperandError, ShapeError, UnknownNameError, closest
from ..spellings import refuse_name

Array = np.ndarray[Any, np.dtype[Any]]
Initialiser = Callable[[tuple[int, int], np.random.Generator], Array]
Fans = tuple[int, int]

RELU_GAIN = math.sqrt(2)


def fans(shape: tuple[int, ...]) -> Fans:
    """How many terms each output adds up, and how many outputs each input goes to.

    Of a matrix (inputs, outputs) these are its lengths; axes in front of them, as the window of a
    convolution, multiply both. A recurrence z = x W + h U + b adds up the terms of both products:
    `RNN` gives both matrices the fans (inputs + hidden, hidden). Raises `ShapeError` for fewer
    than two axes.
    """
    if len(shape) < 2:
        raise ShapeError(
            f"weights of shape {shape} have no fans; give a shape (inputs, outputs), "
            "or an initialiser that needs none: zeros, ones, constant, normal, uniform"
        )
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def gain(activation: str | Operation) -> float:
    """What multiplies the weights so that variance survives the activation: 1/√E[φ(ζ)²].

    ζ is drawn from N(0, 1); the activation's card shows the same number. Raises
    `UnknownNameError` for a name that does not exist, `OperandError` for an activation along an
    axis. Source: He et al. 2015, section 2.2, for any φ; √2 for ReLU.
    """
    op = activations.named(activation) if isinstance(activation, str) else activation
    if not isinstance(op, Operation) or not curve(op):
        raise OperandError(
            f"{getattr(op, 'name', op)!r} is no function of one number and has no gain; "
            'name one of te.ACTIVATIONS that is, as in gain("tanh")'
        )
    return facts(op).gain


def zeros(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """0 everywhere: for biases. Units of a layer that all start alike stay alike."""
    return np.zeros(shape)


def ones(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """1 everywhere."""
    return np.ones(shape)


def constant(shape: tuple[int, ...], generator: np.random.Generator, value: float) -> Array:
    """`value` everywhere."""
    return np.full(shape, float(value))


def normal(
    shape: tuple[int, ...], generator: np.random.Generator, mean: float = 0.0, std: float = 1.0
) -> Array:
    """N(mean, std²). Raises `OperandError` for a negative `std`."""
    if not std >= 0:
        raise OperandError(f"normal needs a standard deviation of at least 0, not std={std!r}")
    return generator.normal(mean, std, shape)


def uniform(
    shape: tuple[int, ...], generator: np.random.Generator, low: float = 0.0, high: float = 1.0
) -> Array:
    """U(low, high). Raises `OperandError` for bounds in the wrong order."""
    if not low <= high:
        raise OperandError(f"uniform needs low <= high, not low={low!r} and high={high!r}")
    return generator.uniform(low, high, shape)


def xavier_normal(
    shape: tuple[int, ...],
    generator: np.random.Generator,
    gain: float = 1.0,
    fans: Fans | None = None,
) -> Array:
    """N(0, gain² 2/(fan_in + fan_out)), for tanh and sigmoid.

    Source: Glorot and Bengio 2010, equation 12.
    """
    return generator.standard_normal(shape) * (gain * math.sqrt(2 / sum(of(shape, fans))))


def xavier_uniform(
    shape: tuple[int, ...],
    generator: np.random.Generator,
    gain: float = 1.0,
    fans: Fans | None = None,
) -> Array:
    """U(−a, a) with a² = gain² 6/(fan_in + fan_out): the same variance as `xavier_normal`.

    Source: Glorot and Bengio 2010, equation 16.
    """
    bound = gain * math.sqrt(6 / sum(of(shape, fans)))
    return generator.uniform(-bound, bound, shape)


def he_normal(
    shape: tuple[int, ...],
    generator: np.random.Generator,
    gain: float = RELU_GAIN,
    fans: Fans | None = None,
) -> Array:
    """N(0, gain²/fan_in), which is 2/fan_in for ReLU and its relatives.

    Source: He et al. 2015, equation 10.
    """
    # In these units ReLU's own gain is 1, without a rounding.
    return generator.standard_normal(shape) * (gain / RELU_GAIN * math.sqrt(2 / of(shape, fans)[0]))


def he_uniform(
    shape: tuple[int, ...],
    generator: np.random.Generator,
    gain: float = RELU_GAIN,
    fans: Fans | None = None,
) -> Array:
    """U(−a, a) with a² = 3 gain²/fan_in: the same variance as `he_normal`.

    Source: He et al. 2015, equation 10.
    """
    bound = gain / RELU_GAIN * math.sqrt(6 / of(shape, fans)[0])
    return generator.uniform(-bound, bound, shape)


def lecun_normal(
    shape: tuple[int, ...],
    generator: np.random.Generator,
    gain: float = 1.0,
    fans: Fans | None = None,
) -> Array:
    """N(0, gain²/fan_in), which SELU needs to keep zero mean and unit variance.

    Source: LeCun et al. 1998, section 4.6; Klambauer et al. 2017.
    """
    return generator.standard_normal(shape) * (gain * math.sqrt(1 / of(shape, fans)[0]))


def orthogonal(shape: tuple[int, ...], generator: np.random.Generator, gain: float = 1.0) -> Array:
    """A random matrix Q with Qᵀ Q = gain² I, or Q Qᵀ = gain² I where it is wider than high.

    It changes no vector's length but by `gain`, so that signals neither grow nor shrink through
    many layers or steps. Axes in front of the last count as rows; drawn evenly among all such
    matrices. Source: Saxe et al. 2014, section 3; Mezzadri 2007, section 5, for the signs.
    """
    fans(shape)  # refuses what is no matrix
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.copysign(1.0, np.diagonal(r))
    return np.reshape(gain * (q if rows >= columns else q.T), shape)


def of(shape: tuple[int, ...], given: Fans | None) -> Fans:
    """The fans that are given, or else those of the shape."""
    return fans(shape) if given is None else given


# What a layer's `init=` may name: all that need no option.
INITIALISERS: dict[str, Initialiser] = {
    each.__name__: each
    for each in (
        xavier_normal,
        xavier_uniform,
        he_normal,
        he_uniform,
        lecun_normal,
        orthogonal,
        normal,
        uniform,
        zeros,
        ones,
    )
}
# Where PyTorch and Keras write another name.
SPELLINGS = {"kaiming": "he", "glorot": "xavier"}


def ours(name: str) -> str:
    """How a name of PyTorch's or Keras's is written here, if it is here."""
    plain = name.lower().rstrip("_")
    for other, known in SPELLINGS.items():
        plain = plain.replace(other, known)
    return plain


def named(name: str) -> Initialiser:
    """The initialiser called `name`. Raises `UnknownNameError` that names the closest ones."""
    if name in INITIALISERS:
        return INITIALISERS[name]
    plain = ours(name)
    if plain == "constant":
        raise UnknownNameError(
            "constant needs its value; write functools.partial(te.nn.init.constant, value=0.1)"
        )
    known = plain in INITIALISERS
    hint = f"write {plain!r}" if known else f"there is {closest(name, INITIALISERS)}"
    raise UnknownNameError(f"no initialiser {name!r}; {hint}")


def drawn(
    init: str | Initialiser,
    shape: tuple[int, int],
    generator: np.random.Generator,
    dtype: Any,
    fans: Fans | None = None,
) -> Array:
    """Weights of a layer; `fans` goes to an initialiser that takes them.

    Raises `ShapeError` where the initialiser gives another shape.
    """
    draw: Callable[..., Any] = named(init) if isinstance(init, str) else init
    told = fans is not None and "fans" in inspect.signature(draw).parameters
    weights = draw(shape, generator, fans=fans) if told else draw(shape, generator)
    if np.shape(weights) != shape:
        raise ShapeError(
            f"the initialiser gave weights of shape {np.shape(weights)}; it must give {shape}, "
            "the shape it is called with"
        )
    return np.asarray(weights, dtype)


def elsewhere(name: str) -> NoReturn:
    """Say what to write for a name of PyTorch's."""
    plain = ours(name)
    there = {
        "calculate_gain": "te.nn.init.gain",
        "constant_": "functools.partial(te.nn.init.constant, value=0.1)",
    }
    if plain in INITIALISERS:
        there[name] = f"init={plain!r} where the layer is made; te.nn.init.{plain} draws an array"
    refuse_name("te.nn.init", name, there, INITIALISERS)


# Type checkers shall find a wrong name by themselves.
if not TYPE_CHECKING:
    __getattr__ = elsewhere
