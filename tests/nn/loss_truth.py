"""What losses of one target are, with many digits: value, slopes, and the sizes of their terms.

By the textbooks' definitions, except that log Σ exp is taken relative to the greatest: digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import mpmath as mp
import numpy as np

from tinygrad_edu.nn import losses

Generator = np.random.Generator
Drawn = tuple[Any, Any]
DIGITS = 60


@dataclass(frozen=True)
class Exact:
    """The loss, its slope by each entry of the prediction, and the terms that each is a sum of.

    The `terms` of a sum that cancels are what its error is measured by; 0 is none.
    """

    value: Any
    slopes: list[Any]
    terms: list[Any]
    value_terms: Any = 0


@dataclass(frozen=True)
class Case:
    """A loss with its options, how to draw a prediction and a target, and its truth."""

    loss: Callable[..., Any]
    draw: Callable[[Generator, float], Drawn]
    truth: Callable[[list[Any], Any], Exact]


def exact(number: Any) -> Any:
    return mp.mpf(float(number))


def alone(rng: Generator, size: float) -> Drawn:
    return rng.normal(0, size, 1), rng.normal(0, size, 1)


def share(rng: Generator) -> float:
    """From 0 to 1: anywhere, at an end, or just beside one."""
    near = float(10.0 ** rng.uniform(-15, 0))
    return float(rng.choice([0.0, 1.0, rng.uniform(), near, 1 - near]))


def probability(rng: Generator, size: float) -> Drawn:
    return np.array([share(rng)]), np.array([share(rng)])


def logit(rng: Generator, size: float) -> Drawn:
    return rng.normal(0, size, 1), np.array([share(rng)])


def side(rng: Generator, size: float) -> Drawn:
    return rng.normal(0, size, 1), rng.choice([-1.0, 1.0], 1)


def row(rng: Generator, size: float) -> Drawn:
    count = int(rng.integers(2, 9))
    return rng.normal(0, size, count), np.array(rng.integers(count))


def row_of_three(rng: Generator, size: float) -> Drawn:
    return rng.normal(0, size, 3), np.array(rng.integers(3))


def rivals(rng: Generator, size: float) -> Drawn:
    """Two scores that are about the margin apart."""
    own = rng.normal()
    return np.array([own, own - MARGIN + rng.normal(0, size)]), np.array(0)


def shares(rng: Generator, size: float) -> Drawn:
    target = rng.dirichlet(np.ones(3))
    target[rng.integers(3)] *= rng.integers(2)  # some are 0
    return rng.normal(0, size, 3), target


def logarithms(rng: Generator, size: float) -> Drawn:
    return np.log(np.maximum(rng.dirichlet(np.full(3, 1 / size)), 1e-300)), shares(rng, 1)[1]


def squared(y: list[Any], t: Any) -> Exact:
    apart = y[0] - exact(t[0])
    return Exact(apart**2, [2 * apart], [0])


def absolute(y: list[Any], t: Any) -> Exact:
    apart = y[0] - exact(t[0])
    return Exact(abs(apart), [mp.sign(apart)], [0])


def hubers(y: list[Any], t: Any, delta: float = 1.0) -> Exact:
    apart, most = y[0] - exact(t[0]), exact(delta)
    if abs(apart) <= most:
        return Exact(apart**2 / 2, [apart], [0])
    return Exact(most * (abs(apart) - most / 2), [most * mp.sign(apart)], [0])


def binary(y: list[Any], t: Any) -> Exact:
    p, yes = y[0], exact(t[0])
    no = 1 - yes
    value = (-yes * mp.log(p) if yes else 0) + (-no * mp.log1p(-p) if no else 0)
    return Exact(value, [no / (1 - p) - yes / p], [yes / p + no / (1 - p) if yes * no else 0])


def logistic(z: Any) -> Any:
    return 1 / (1 + mp.exp(-z))


def binary_of_logits(y: list[Any], t: Any, weight: float = 1.0) -> Exact:
    z, yes = y[0], exact(t[0])
    no, yes = 1 - yes, exact(weight) * yes
    value = yes * mp.log1p(mp.exp(-z)) + no * mp.log1p(mp.exp(z))
    up, down = no * logistic(z), yes * logistic(-z)
    return Exact(value, [up - down], [up + down if up * down else 0])


def log_softmax(z: list[Any]) -> list[Any]:
    top = z.index(max(z))
    others = mp.log1p(sum(mp.exp(each - z[top]) for i, each in enumerate(z) if i != top))
    return [each - z[top] - others for each in z]


def entropy(
    y: list[Any],
    t: Any,
    smoothing: float = 0.0,
    weights: Any = None,
) -> Exact:
    """Of a class t, or of probabilities t of the rows' length."""
    count, epsilon = len(y), exact(smoothing)
    one = [exact(each) for each in t] if np.ndim(t) else [mp.mpf(i == int(t)) for i in range(count)]
    trust = [(1 - epsilon) * each + epsilon / count for each in one]
    if weights is not None:
        trust = [exact(w) * each for w, each in zip(weights, trust, strict=True)]
    logs, total = log_softmax(y), sum(trust)
    powers = [mp.exp(each) for each in logs]
    value = -sum(c * each for c, each in zip(trust, logs, strict=True))
    terms = [
        # Of a single class nothing cancels: p − 1 is −Σ of the other p.
        total * p + c if c and c != total else 0
        for p, c in zip(powers, trust, strict=True)
    ]
    slopes = [
        -total * sum(q for j, q in enumerate(powers) if j != i) if c == total else total * p - c
        for i, (p, c) in enumerate(zip(powers, trust, strict=True))
    ]
    return Exact(value, slopes, terms)


def margin_of_two(y: list[Any], t: Any, margin: float = 1.0) -> Exact:
    lacks = exact(margin) - exact(t[0]) * y[0]
    return Exact(max(lacks, mp.mpf(0)), [-exact(t[0]) if lacks > 0 else mp.mpf(0)], [0])


def margin_of_several(y: list[Any], t: Any, margin: float = 1.0) -> Exact:
    own, count = int(t), len(y)
    lacks = [exact(margin) - y[own] + each for each in y]
    slopes = [mp.mpf(each > 0) / count for each in lacks]
    slopes[own] = -sum(s for i, s in enumerate(slopes) if i != own)
    value = sum(max(each, mp.mpf(0)) for i, each in enumerate(lacks) if i != own) / count
    return Exact(value, slopes, [0] * count)


def divergence(y: list[Any], t: Any) -> Exact:
    pairs = [(exact(each), log) for each, log in zip(t, y, strict=True) if each]
    value = sum((each * (mp.log(each) - log) for each, log in pairs), mp.mpf(0))
    terms = sum((abs(each * mp.log(each)) + abs(each * log) for each, log in pairs), mp.mpf(0))
    return Exact(value, [-exact(each) for each in t], [0] * len(y), terms)


# Their digits are few, so float32 holds them too.
WEIGHTS = np.array([0.5, 2.0, 1.25])
# As float32 holds it: a number of all digits, so that differences near it cancel.
MARGIN = float(np.float32(0.3))

CASES: dict[str, Case] = {
    "mse": Case(losses.mse, alone, squared),
    "mae": Case(losses.mae, alone, absolute),
    "huber": Case(losses.huber, alone, hubers),
    "huber delta=0.25": Case(partial(losses.huber, delta=0.25), alone, partial(hubers, delta=0.25)),
    "bce": Case(losses.bce, probability, binary),
    "bce_with_logits": Case(losses.bce_with_logits, logit, binary_of_logits),
    "bce_with_logits weight": Case(
        partial(losses.bce_with_logits, positive_weight=2.5),
        logit,
        partial(binary_of_logits, weight=2.5),
    ),
    "cross_entropy": Case(losses.cross_entropy, row, entropy),
    "cross_entropy smoothing": Case(
        partial(losses.cross_entropy, label_smoothing=0.125), row, partial(entropy, smoothing=0.125)
    ),
    "cross_entropy weights": Case(
        partial(losses.cross_entropy, weights=WEIGHTS),
        row_of_three,
        partial(entropy, weights=WEIGHTS),
    ),
    "cross_entropy smoothing and weights": Case(
        partial(losses.cross_entropy, weights=WEIGHTS, label_smoothing=0.5),
        row_of_three,
        partial(entropy, weights=WEIGHTS, smoothing=0.5),
    ),
    "cross_entropy probabilities": Case(losses.cross_entropy, shares, entropy),
    "cross_entropy probabilities smoothing and weights": Case(
        partial(losses.cross_entropy, weights=WEIGHTS, label_smoothing=0.5),
        shares,
        partial(entropy, weights=WEIGHTS, smoothing=0.5),
    ),
    "hinge": Case(losses.hinge, side, margin_of_two),
    "hinge margin": Case(
        partial(losses.hinge, margin=MARGIN), side, partial(margin_of_two, margin=MARGIN)
    ),
    "hinge classes": Case(losses.hinge, row, margin_of_several),
    "hinge classes margin": Case(
        partial(losses.hinge, margin=MARGIN), rivals, partial(margin_of_several, margin=MARGIN)
    ),
    "kl_divergence": Case(losses.kl_divergence, logarithms, divergence),
}
