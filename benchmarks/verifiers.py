"""Four verifiers of gradients asked the same question: is this rule right for this function here?

Functions and rules are plain NumPy. The others get them as their documentation says that foreign
code is wrapped: a custom Function, a custom VJP around a callback, a primitive. They are optional,
so all their imports happen here, by name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np

import tinygrad_edu as te
from benchmarks.wrong_rules import Trial

Answer = Literal["right", "open", "wrong"]


class Counted:
    """A function that counts its calls, and gives float64."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self._f = f
        self.calls = 0

    def __call__(self, *arrays: Any) -> Any:
        self.calls += 1
        return np.float64(self._f(*arrays))


class Verifier(Protocol):
    """Asks a verifier for its verdict; a verifier that raises has said "wrong"."""

    def answer(self, f: Callable[..., Any], trial: Trial) -> Answer:
        """The verdict on the trial's rule, for `f`, which is the trial's function."""

    def gradient(self, trial: Trial) -> tuple[Any, ...]:
        """What the library takes for the gradient of the trial's function, wrapped."""


# From so many entries on ours looks along directions: one by one they would take seconds.
MANY = 1000


class TinygradEdu:
    def answer(self, f: Callable[..., Any], trial: Trial) -> Answer:
        few = sum(np.size(x) for x in trial.point) < MANY
        report = te.check.gradients(
            f, *trial.point, rule=trial.rule, mode="entries" if few else "directions"
        )
        if not report.ok:
            return "wrong"
        return "right" if report.proven else "open"

    def gradient(self, trial: Trial) -> tuple[Any, ...]:
        return trial.gradient()


class PyTorch:
    """`torch.autograd.gradcheck` as it is called without options, in float64."""

    def __init__(self) -> None:
        self._torch = torch = import_module("torch")
        torch.set_num_threads(1)

        class Wrapped(torch.autograd.Function):  # type: ignore[misc, name-defined]
            @staticmethod
            def forward(ctx: Any, f: Any, rule: Any, *inputs: Any) -> Any:
                ctx.rule = rule
                ctx.save_for_backward(*inputs)
                return torch.tensor(f(*(x.detach().numpy() for x in inputs)))

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                found = ctx.rule(*(x.detach().numpy() for x in ctx.saved_tensors))
                return None, None, *(g * torch.tensor(np.asarray(part)) for part in found)

        self._wrapped = Wrapped

    def _leaves(self, trial: Trial) -> list[Any]:
        return [self._torch.tensor(x, requires_grad=True) for x in trial.point]

    def answer(self, f: Callable[..., Any], trial: Trial) -> Answer:
        def program(*inputs: Any) -> Any:
            return self._wrapped.apply(f, trial.rule, *inputs)

        try:
            self._torch.autograd.gradcheck(program, self._leaves(trial))
        except Exception:
            return "wrong"
        return "right"

    def gradient(self, trial: Trial) -> tuple[Any, ...]:
        leaves = self._leaves(trial)
        self._wrapped.apply(trial.f, trial.rule, *leaves).backward()
        return tuple(leaf.grad.numpy() for leaf in leaves)


class Jax:
    """`jax.test_util.check_grads` of the first order in reverse mode, in float64."""

    def __init__(self) -> None:
        self._jax = jax = import_module("jax")
        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_platforms", "cpu")
        self._check = import_module("jax.test_util").check_grads
        # The callbacks stay the same, so that they are compiled once for each set of shapes.
        self._f: Callable[..., Any] = np.sum
        self._rule: Callable[..., Any] = np.sum
        number = jax.ShapeDtypeStruct((), np.float64)

        def forward(*inputs: Any) -> Any:
            return self._f(*map(np.asarray, inputs))

        def backward(*inputs: Any) -> Any:
            given = self._rule(*map(np.asarray, inputs))
            return tuple(np.asarray(part, np.float64) for part in given)

        def called(*inputs: Any) -> Any:
            return jax.pure_callback(forward, number, *inputs)

        def recorded(*inputs: Any) -> Any:
            return called(*inputs), inputs

        def pulled(inputs: Any, g: Any) -> Any:
            shapes = tuple(jax.ShapeDtypeStruct(shape, np.float64) for shape in self._shapes)
            return tuple(g * part for part in jax.pure_callback(backward, shapes, *inputs))

        self._program = jax.custom_vjp(called)
        self._program.defvjp(recorded, pulled)
        self._shapes: tuple[tuple[int, ...], ...] = ()

    def _take(self, f: Callable[..., Any], trial: Trial) -> None:
        self._f, self._rule = f, trial.rule
        self._shapes = tuple(np.shape(part) for part in trial.gradient())

    def answer(self, f: Callable[..., Any], trial: Trial) -> Answer:
        self._take(f, trial)
        try:
            self._check(self._program, trial.point, order=1, modes=["rev"])
        except Exception:
            return "wrong"
        return "right"

    def gradient(self, trial: Trial) -> tuple[Any, ...]:
        self._take(trial.f, trial)
        argnums = tuple(range(len(trial.point)))
        found = self._jax.grad(self._program, argnums=argnums)(*trial.point)
        return tuple(map(np.asarray, found))


class Autograd:
    """`autograd.test_util.check_grads` of the first order in reverse mode."""

    def __init__(self) -> None:
        self._extend = import_module("autograd.extend")
        self._check = import_module("autograd.test_util").check_grads
        self._autograd = import_module("autograd")

    def _wrapped(self, f: Callable[..., Any], trial: Trial) -> tuple[Any, tuple[int, ...]]:
        program = self._extend.primitive(lambda *inputs: f(*inputs))

        def one(i: int) -> Any:
            return lambda out, *inputs: lambda g: g * trial.rule(*inputs)[i]

        argnums = tuple(range(len(trial.point)))
        self._extend.defvjp(program, *map(one, argnums))
        return program, argnums

    def answer(self, f: Callable[..., Any], trial: Trial) -> Answer:
        program, argnums = self._wrapped(f, trial)
        np.random.seed(0)  # noqa: NPY002 (it draws its directions from there)
        try:
            self._check(program, argnums, modes=["rev"], order=1)(*trial.point)
        except Exception:
            return "wrong"
        return "right"

    def gradient(self, trial: Trial) -> tuple[Any, ...]:
        program, argnums = self._wrapped(trial.f, trial)
        found: tuple[Any, ...] = self._autograd.grad(program, argnums)(*trial.point)
        return found


OURS = "ours"
VERIFIERS: dict[str, Callable[[], Verifier]] = {
    OURS: TinygradEdu,
    "torch": PyTorch,
    "jax": Jax,
    "autograd": Autograd,
}


def available() -> list[str]:
    """The names of the verifiers that are installed."""
    return [name for name in VERIFIERS if name == OURS or find_spec(name)]


def versions(names: list[str]) -> str:
    """What was compared, for the remarks."""
    others = [f"{name} {version(name)}" for name in names if name != OURS]
    return ", ".join([f"NumPy {np.__version__}", *others])


class WrongWrapperError(Exception):
    """A wrapper does not hand a right rule on as it is, so that no verdict of it would count."""


def verify_wrapper(name: str, verifier: Verifier, trial: Trial) -> None:
    """Raise `WrongWrapperError` if the verifier sees another gradient, or rejects a right one."""
    for got, wanted in zip(verifier.gradient(trial), trial.gradient(), strict=True):
        if not np.array_equal(got, wanted):
            raise WrongWrapperError(f"{name} sees {got} where the rule of {trial.kind} is {wanted}")
    if verifier.answer(trial.f, trial) != "right":
        raise WrongWrapperError(f"{name} rejects the right rule of {trial.kind}")
