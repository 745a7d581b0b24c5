"""The update rules: plain NumPy on a parameter, its gradient and what is remembered of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UnknownNameError, closest
from .base import Group, Optimizer, Parameters, State


class SGD(Optimizer):
    """Gradient descent with momentum: v ← momentum · v + g, p ← p − lr · v.

    `lr` > 0; `momentum` in [0, 1). `nesterov` moves by g + momentum · v, the slope a step ahead.
    `weight_decay` ≥ 0 adds weight_decay · p to g, as an L2 penalty would.
    Source: Polyak 1964, equation 9; Nesterov's in the form of Sutskever et al. 2013. As in PyTorch
    the rate stands outside of v, which differs from both where `lr` changes.
    """

    entrywise = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.1,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
        )

    @staticmethod
    def update(parameter: Any, gradient: Any, state: State, options: Group) -> tuple[Any, State]:
        """One step."""
        if weight_decay := options["weight_decay"]:
            gradient = gradient + weight_decay * parameter
        after = {}
        if momentum := options["momentum"]:
            after["velocity"] = velocity = momentum * state.get("velocity", 0.0) + gradient
            gradient = gradient + momentum * velocity if options["nesterov"] else velocity
        # Written so, NumPy reuses the memory of the product.
        return parameter + -options["lr"] * gradient, after


class GD(SGD):
    """Gradient descent on all the data at once: p ← p − lr · g. `lr` > 0.

    The rule is that of `SGD`; the S only says that g comes from a part of the data.
    """

    def __init__(self, params: Parameters, lr: float = 0.1) -> None:
        super().__init__(params, lr)


class Adagrad(Optimizer):
    """A rate of its own for each entry: s ← s + g², p ← p − lr · g/(√s + ε).

    `lr` > 0; `epsilon` > 0; `weight_decay` ≥ 0 adds weight_decay · p to g.
    Source: Duchi, Hazan and Singer 2011, section 1.1, with PyTorch's ε.
    """

    entrywise = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.01,
        *,
        epsilon: float = 1e-10,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, epsilon=epsilon, weight_decay=weight_decay)

    @staticmethod
    def update(parameter: Any, gradient: Any, state: State, options: Group) -> tuple[Any, State]:
        """One step."""
        if weight_decay := options["weight_decay"]:
            gradient = gradient + weight_decay * parameter
        total = state.get("sum_of_squares", 0.0) + gradient * gradient
        change = options["lr"] * gradient / (np.sqrt(total) + options["epsilon"])
        return parameter - change, {"sum_of_squares": total}


class RMSprop(Optimizer):
    """Adagrad that forgets: s ← decay · s + (1 − decay) · g², p ← p − lr · g/(√s + ε).

    `lr` > 0; `decay` in [0, 1); `epsilon` > 0; `momentum` in [0, 1) gathers g/(√s + ε) as `SGD`
    does g; `centered` takes the squared mean of g from s; `weight_decay` ≥ 0 adds
    weight_decay · p to g.
    Source: Hinton 2012, lecture 6e; centered: Graves 2013, equations 38 to 41 with PyTorch's ε.
    """

    entrywise = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.01,
        *,
        decay: float = 0.99,
        epsilon: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params,
            lr,
            decay=decay,
            epsilon=epsilon,
            momentum=momentum,
            centered=centered,
            weight_decay=weight_decay,
        )

    @staticmethod
    def update(parameter: Any, gradient: Any, state: State, options: Group) -> tuple[Any, State]:
        """One step."""
        decay, momentum = options["decay"], options["momentum"]
        if weight_decay := options["weight_decay"]:
            gradient = gradient + weight_decay * parameter
        square = decay * state.get("mean_square", 0.0) + (1 - decay) * gradient * gradient
        after, variance = {"mean_square": square}, square
        if options["centered"]:
            mean = decay * state.get("mean", 0.0) + (1 - decay) * gradient
            after["mean"] = mean
            # Rounding may leave less than 0 where the gradient is always the same.
            variance = np.maximum(square - mean**2, 0.0)
        change = gradient / (np.sqrt(variance) + options["epsilon"])
        if momentum:
            change = after["velocity"] = momentum * state.get("velocity", 0.0) + change
        return parameter - options["lr"] * change, after


class Adam(Optimizer):
    """Momentum and RMSprop with the start's bias taken out: p ← p − lr · m̂/(√v̂ + ε).

    m ← β₁ m + (1 − β₁) g, m̂ = m/(1 − β₁ᵗ); v ← β₂ v + (1 − β₂) g², v̂ = v/(1 − β₂ᵗ). `lr` > 0;
    `betas` in [0, 1); `epsilon` > 0; `weight_decay` ≥ 0 adds weight_decay · p to g.
    Source: Kingma and Ba 2015, algorithm 1.
    """

    entrywise = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, betas=betas, epsilon=epsilon, weight_decay=weight_decay)

    @staticmethod
    def update(parameter: Any, gradient: Any, state: State, options: Group) -> tuple[Any, State]:
        """One step."""
        if weight_decay := options["weight_decay"]:
            gradient = gradient + weight_decay * parameter
        direction, state = adam_direction(gradient, state, options)
        return parameter - options["lr"] * direction, state


class AdamW(Adam):
    """Adam whose weight decay keeps out of the gradient: p ← p − lr · (m̂/(√v̂ + ε) + λ p).

    λ is `weight_decay` ≥ 0, so every weight shrinks at the same rate, however steep its slope.
    The rest is as in `Adam`.
    Source: Loshchilov and Hutter 2019, algorithm 2.
    """

    entrywise = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas=betas, epsilon=epsilon, weight_decay=weight_decay)

    @staticmethod
    def update(parameter: Any, gradient: Any, state: State, options: Group) -> tuple[Any, State]:
        """One step."""
        direction, state = adam_direction(gradient, state, options)
        return parameter - options["lr"] * (direction + options["weight_decay"] * parameter), state


def adam_direction(gradient: Any, state: State, options: Group) -> tuple[Any, State]:
    """m̂/(√v̂ + ε), and the moments."""
    beta1, beta2 = options["betas"]
    t = state.get("steps", 0) + 1
    m = beta1 * state.get("first_moment", 0.0) + (1 - beta1) * gradient
    v = beta2 * state.get("second_moment", 0.0) + (1 - beta2) * (gradient * gradient)
    unbiased_m, unbiased_v = m * (1 / (1 - beta1**t)), v * (1 / (1 - beta2**t))
    direction = unbiased_m / (np.sqrt(unbiased_v) + options["epsilon"])
    return direction, {"steps": t, "first_moment": m, "second_moment": v}


OPTIMIZERS: dict[str, type[Optimizer]] = {
    rule.__name__.lower(): rule for rule in (GD, SGD, Adagrad, RMSprop, Adam, AdamW)
}


def named(name: str) -> type[Optimizer]:
    """The optimiser called `name`, in small letters. Raises `UnknownNameError`."""
    if name in OPTIMIZERS:
        return OPTIMIZERS[name]
    plain = name.lower()
    hint = f"write {plain!r}" if plain in OPTIMIZERS else f"there is {closest(name, OPTIMIZERS)}"
    raise UnknownNameError(f"no optimiser {name!r}; {hint}")
