"""Each optimiser, schedule and clipping beside PyTorch's, over 20 steps, to 1e-10."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu import optim

torch: Any = pytest.importorskip("torch", reason="PyTorch comes with `pip install --group bench`")
schedulers: Any = torch.optim.lr_scheduler

Array = np.ndarray[Any, np.dtype[Any]]
STEPS = 20
TOLERANCE = 1e-10

# PyTorch's names for our options.
THEIRS = {"epsilon": "eps", "decay": "alpha"}
OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "epsilon": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "decay": 0.9, "epsilon": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.8}),
    ("RMSprop", {"lr": 0.02, "centered": True}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.8, "centered": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.7, 0.9), "epsilon": 1e-3, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.7, 0.9), "epsilon": 1e-3, "weight_decay": 0.3}),
]


class Pair:
    """The same two layers and the same data, here and there."""

    def __init__(self) -> None:
        generator = np.random.default_rng(7)
        draw = generator.standard_normal
        starts: list[Any] = [draw((3, 5)), draw(5), draw((5, 2)), draw(2), np.float64(0.7)]
        self.x, self.y = draw((20, 8, 3)), draw((20, 8, 2))
        self.ours = [te.Value(start) for start in starts]
        self.theirs = [torch.tensor(start, requires_grad=True) for start in starts]

    def backward(self, step: int, scale: float = 1.0) -> None:
        """Gradients of the mean squared error on the batch of this step, in both."""
        for parameter in self.ours:
            parameter.grad = None
        for tensor in self.theirs:
            tensor.grad = None
        w, b, v, c, s = self.ours
        loss = np.mean((np.tanh(self.x[step] @ w + b) @ v * s + c - self.y[step]) ** 2)
        (scale * loss).backward()
        w, b, v, c, s = self.theirs
        x, y = torch.tensor(self.x[step]), torch.tensor(self.y[step])
        (scale * torch.mean((torch.tanh(x @ w + b) @ v * s + c - y) ** 2)).backward()

    def compare(self) -> None:
        """Parameters, and gradients, to 1e-10 in both."""
        for parameter, tensor in zip(self.ours, self.theirs, strict=True):
            np.testing.assert_allclose(
                parameter.data, tensor.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE
            )
            np.testing.assert_allclose(
                parameter.grad, tensor.grad.numpy(), rtol=TOLERANCE, atol=TOLERANCE
            )


def theirs(options: dict[str, Any]) -> dict[str, Any]:
    return {THEIRS.get(name, name): value for name, value in options.items()}


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_twenty_steps(name: str, options: dict[str, Any]) -> None:
    pair = Pair()
    start = [parameter.data for parameter in pair.ours]
    ours = getattr(optim, name)(pair.ours, **options)
    other = getattr(torch.optim, name)(pair.theirs, **theirs(options))
    for step in range(STEPS):
        pair.backward(step)
        ours.step()
        other.step()
        pair.compare()
    for parameter, before in zip(pair.ours, start, strict=True):
        assert np.all(np.abs(parameter.data - before) > 1e-4)


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
def test_groups_with_options_of_their_own(name: str) -> None:
    pair = Pair()

    def groups(parameters: list[Any]) -> list[dict[str, Any]]:
        weights, others = parameters[::2], parameters[1::2]
        return [
            {"params": weights, "weight_decay": 0.2},
            {"params": others, "lr": 0.1, "weight_decay": 0.0},
        ]

    ours = getattr(optim, name)(groups(pair.ours), lr=0.02)
    other = getattr(torch.optim, name)(groups(pair.theirs), lr=0.02)
    for step in range(STEPS):
        pair.backward(step)
        ours.step()
        other.step()
        pair.compare()


@pytest.mark.parametrize("name", ["clip_grad_norm", "clip_grad_value"])
@pytest.mark.parametrize("most", [0.01, 0.5, 1e3])
def test_clipped_gradients(name: str, most: float) -> None:
    pair = Pair()
    ours = optim.SGD(pair.ours, lr=0.1, momentum=0.9)
    other = torch.optim.SGD(pair.theirs, lr=0.1, momentum=0.9)
    for step in range(STEPS):
        pair.backward(step)
        norm = getattr(optim, name)(pair.ours, most)
        their_norm = getattr(torch.nn.utils, name + "_")(pair.theirs, most)
        if norm is not None:
            assert norm == pytest.approx(float(their_norm), rel=TOLERANCE)
        pair.compare()
        ours.step()
        other.step()
        pair.compare()


@pytest.mark.parametrize("broken", [np.inf, -np.inf, np.nan])
def test_clipping_gradients_that_are_not_finite(broken: float) -> None:
    pair = Pair()
    pair.backward(0)
    pair.ours[0].grad = np.where(np.arange(5) == 2, broken, pair.ours[0].grad)
    pair.theirs[0].grad[:, 2] = broken
    norm = optim.clip_grad_norm(pair.ours, 1.0)
    np.testing.assert_equal(norm, float(torch.nn.utils.clip_grad_norm_(pair.theirs, 1.0)))
    pair.compare()


Scheduler = Callable[[Any], Any]
SCHEDULES: list[tuple[optim.Schedule, Scheduler]] = [
    (optim.step_decay(4, 0.3), partial(schedulers.StepLR, step_size=4, gamma=0.3)),
    (optim.step_decay(7), partial(schedulers.StepLR, step_size=7)),
    (optim.cosine(STEPS), partial(schedulers.CosineAnnealingLR, T_max=STEPS)),
    (optim.cosine(25, floor=0.1), partial(schedulers.CosineAnnealingLR, T_max=25, eta_min=0.01)),
    (optim.warm_up(5), schedulers.LinearLR),
    (
        optim.warm_up(8, start=0.1),
        partial(schedulers.LinearLR, start_factor=0.1, total_iters=8),
    ),
    (
        optim.warm_up(5, optim.cosine(15)),
        lambda optimizer: schedulers.SequentialLR(
            optimizer,
            [
                schedulers.LinearLR(optimizer, total_iters=5),
                schedulers.CosineAnnealingLR(optimizer, T_max=15),
            ],
            milestones=[5],
        ),
    ),
]


@pytest.mark.parametrize(
    ("schedule", "scheduler"), SCHEDULES, ids=[repr(schedule) for schedule, _ in SCHEDULES]
)
def test_scheduled_rates(schedule: optim.Schedule, scheduler: Scheduler) -> None:
    pair = Pair()
    ours = optim.Adam(pair.ours, lr=0.1)
    other = torch.optim.Adam(pair.theirs, lr=0.1)
    their_schedule = scheduler(other)
    for step in range(STEPS):
        ours.scale(schedule(step, []))
        assert ours.lr == pytest.approx(other.param_groups[0]["lr"], rel=TOLERANCE, abs=1e-15)
        pair.backward(step)
        ours.step()
        other.step()
        pair.compare()
        their_schedule.step()


@pytest.mark.parametrize(
    "options", [{}, {"factor": 0.5, "patience": 2}, {"patience": 0, "threshold": 0.05}]
)
def test_rates_on_a_plateau(options: dict[str, Any]) -> None:
    schedule = optim.plateau(floor=0.01, **options)
    other = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = schedulers.ReduceLROnPlateau(other, min_lr=0.001, **options)
    ours = optim.SGD([te.Value(0.0)], lr=0.1)
    losses: list[float] = []
    generator = np.random.default_rng(1)
    rates = set()
    for epoch in range(100):
        ours.scale(schedule(epoch, losses))
        assert ours.lr == pytest.approx(other.param_groups[0]["lr"], rel=TOLERANCE)
        rates.add(round(ours.lr, 9))
        losses.append(1 / (1 + 0.1 * min(epoch, 40)) + 0.05 * generator.random())
        scheduler.step(losses[-1])
    assert len(rates) > 2
