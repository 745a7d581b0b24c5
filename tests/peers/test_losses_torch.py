"""Losses against PyTorch: values and gradients of every option, and twenty steps of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.nn import losses

torch: Any = pytest.importorskip("torch", reason="PyTorch is in the dependency group bench")
functional: Any = torch.nn.functional

Array = np.ndarray[Any, np.dtype[Any]]
Loss = Callable[..., Any]
NEAR = 1e-10
ROWS, CLASSES = 6, 4
WEIGHTS = [0.3, 1.0, 2.5, 0.7]


def numbers(rng: np.random.Generator) -> Array:
    return rng.normal(0, 2, (ROWS, CLASSES))


def probabilities(rng: np.random.Generator) -> Array:
    return rng.dirichlet(np.ones(CLASSES), ROWS)


def shares(rng: np.random.Generator) -> Array:
    return rng.uniform(0, 1, (ROWS, CLASSES))


def labels(rng: np.random.Generator) -> Array:
    return rng.integers(CLASSES, size=ROWS)


def some_ignored(rng: np.random.Generator) -> Array:
    return np.where(np.arange(ROWS) % 3 == 1, -100, labels(rng))


def sides(rng: np.random.Generator) -> Array:
    return rng.choice([-1.0, 1.0], (ROWS, CLASSES))


@dataclass(frozen=True)
class Pair:
    """A loss of ours and of PyTorch's, the target they take, and the end of the network."""

    ours: Loss
    theirs: Loss
    target: Callable[[np.random.Generator], Array] = numbers
    options: dict[str, Any] = field(default_factory=dict)
    their_options: dict[str, Any] | None = None
    our_end: Callable[[Any], Any] = np.positive
    their_end: Callable[[Any], Any] = torch.positive

    def our_loss(self, z: Any, t: Array, reduction: str = "mean") -> Any:
        return self.ours(self.our_end(z), t, reduction=reduction, **self.options)

    def their_loss(self, z: Any, t: Any, reduction: str = "mean") -> Any:
        options = self.options if self.their_options is None else self.their_options
        return self.theirs(self.their_end(z), t, reduction=reduction, **options)


def entropy(**options: Any) -> Pair:
    theirs = {"weight" if name == "weights" else name: each for name, each in options.items()}
    if "weight" in theirs:
        theirs["weight"] = torch.tensor(theirs["weight"], dtype=torch.float64)
    target = some_ignored if "ignore_index" in options else labels
    return Pair(losses.cross_entropy, functional.cross_entropy, target, options, theirs)


def entropy_of_probabilities(**options: Any) -> Pair:
    pair = entropy(**options)
    return Pair(pair.ours, pair.theirs, probabilities, options, pair.their_options)


def their_divergence(q: Any, t: Any, reduction: str) -> Any:
    if reduction == "none":
        return functional.kl_div(q, t, reduction="none").sum(dim=-1)
    return functional.kl_div(q, t, reduction="batchmean" if reduction == "mean" else reduction)


def their_hinge(y: Any, t: Any, reduction: str, margin: float) -> Any:
    nothing = torch.zeros_like(y)
    return functional.margin_ranking_loss(y, nothing, t, margin=margin, reduction=reduction)


PAIRS: dict[str, Pair] = {
    "mse": Pair(losses.mse, functional.mse_loss),
    "mae": Pair(losses.mae, functional.l1_loss),
    "huber": Pair(losses.huber, functional.huber_loss),
    "huber delta": Pair(losses.huber, functional.huber_loss, options={"delta": 0.4}),
    "bce": Pair(
        losses.bce,
        functional.binary_cross_entropy,
        shares,
        our_end=te.activations.sigmoid,
        their_end=torch.sigmoid,
    ),
    "bce_with_logits": Pair(
        losses.bce_with_logits, functional.binary_cross_entropy_with_logits, shares
    ),
    "bce_with_logits positive_weight": Pair(
        losses.bce_with_logits,
        functional.binary_cross_entropy_with_logits,
        shares,
        {"positive_weight": WEIGHTS},
        {"pos_weight": torch.tensor(WEIGHTS, dtype=torch.float64)},
    ),
    "cross_entropy": entropy(),
    "cross_entropy smoothing": entropy(label_smoothing=0.2),
    "cross_entropy weights": entropy(weights=WEIGHTS),
    "cross_entropy ignoring": entropy(ignore_index=-100),
    "cross_entropy all options": entropy(weights=WEIGHTS, label_smoothing=0.2, ignore_index=-100),
    "cross_entropy probabilities": entropy_of_probabilities(),
    "cross_entropy probabilities smoothing": entropy_of_probabilities(label_smoothing=0.2),
    "cross_entropy probabilities weights": entropy_of_probabilities(weights=WEIGHTS),
    "cross_entropy probabilities all options": entropy_of_probabilities(
        weights=WEIGHTS, label_smoothing=0.2
    ),
    "hinge": Pair(losses.hinge, their_hinge, sides, {"margin": 1.0}),
    "hinge margin": Pair(losses.hinge, their_hinge, sides, {"margin": 0.3}),
    "hinge classes": Pair(losses.hinge, functional.multi_margin_loss, labels),
    "hinge classes margin": Pair(
        losses.hinge, functional.multi_margin_loss, labels, {"margin": 0.3}
    ),
    "kl_divergence": Pair(
        losses.kl_divergence,
        their_divergence,
        probabilities,
        our_end=te.activations.log_softmax,
        their_end=lambda z: functional.log_softmax(z, dim=-1),
    ),
}
each_pair = pytest.mark.parametrize("name", PAIRS)


@each_pair
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("seed", range(3))
def test_values_and_gradients_are_pytorchs(name: str, reduction: str, seed: int) -> None:
    pair, rng = PAIRS[name], np.random.default_rng(seed)
    z, t = numbers(rng), pair.target(rng)
    ours, theirs = te.Value(z), torch.tensor(z, requires_grad=True)
    got = pair.our_loss(ours, t, reduction)
    wanted = pair.their_loss(theirs, torch.tensor(t), reduction)
    np.testing.assert_allclose(got.data, wanted.detach().numpy(), rtol=NEAR, atol=NEAR)
    weights = rng.normal(size=got.shape)
    np.sum(got * weights).backward()
    (wanted * torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=NEAR, atol=NEAR)


@pytest.mark.parametrize("name", [name for name in PAIRS if name.startswith("cross_entropy")])
def test_rows_with_more_axes_are_pytorchs_with_the_classes_moved(name: str) -> None:
    pair, rng = PAIRS[name], np.random.default_rng(7)
    z = np.stack([numbers(rng) for _ in range(3)])
    t = np.stack([pair.target(rng) for _ in range(3)])
    ours, theirs = te.Value(z), torch.tensor(z, requires_grad=True)
    pair.our_loss(ours, t).backward()
    moved = torch.tensor(t if t.ndim == 2 else np.moveaxis(t, -1, 1))
    pair.their_loss(theirs.movedim(-1, 1), moved).backward()
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=NEAR, atol=NEAR)


@each_pair
def test_twenty_steps_lead_where_pytorchs_lead(name: str) -> None:
    pair, rng = PAIRS[name], np.random.default_rng(0)
    x, t = rng.normal(size=(ROWS, 3)), pair.target(rng)
    model = te.nn.MLP([3, 5, CLASSES], "tanh", seed=1)
    leaves = model.parameters()
    twins = [torch.tensor(np.array(leaf.data), requires_grad=True) for leaf in leaves]
    leaf: Any
    for _ in range(20):
        model.zero_grad()
        loss = pair.our_loss(model(x), t) + 1e-2 * losses.l2(model) + 1e-3 * losses.l1(model)
        loss.backward()
        first, shift, second, end = twins
        z = torch.tanh(torch.tensor(x) @ first + shift) @ second + end
        penalty = 1e-2 * (first.square().sum() + second.square().sum())
        penalty = penalty + 1e-3 * (first.abs().sum() + second.abs().sum())
        wanted = pair.their_loss(z, torch.tensor(t)) + penalty
        slopes = torch.autograd.grad(wanted, twins)
        assert loss.item() == pytest.approx(wanted.item(), rel=NEAR)
        for leaf, twin, slope in zip(leaves, twins, slopes, strict=True):
            leaf.data = leaf.data - 0.1 * leaf.grad
            with torch.no_grad():
                twin -= 0.1 * slope
            np.testing.assert_allclose(leaf.data, twin.detach().numpy(), rtol=NEAR, atol=NEAR)
