"""The same steps in other libraries, each as its own documentation writes them.

The libraries are optional and carry no types that the whole project could rely on, so all their
imports happen here, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from os import environ
from typing import Any

from benchmarks.works import Array, Side, Work


class PyTorch:
    """Eager ``nn.Sequential``, whose ``Linear`` keeps its weight transposed."""

    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        self._torch = torch = import_module("torch")
        self._loss = import_module("torch.nn.functional").mse_loss
        modules = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid}
        stack: list[Any] = []
        for i, (weight, bias) in enumerate(zip(parameters[0::2], parameters[1::2], strict=True)):
            linear = torch.nn.Linear(*weight.shape)
            linear.weight = torch.nn.Parameter(torch.tensor(weight.T.copy()))
            linear.bias = torch.nn.Parameter(torch.tensor(bias))
            is_last = i == len(parameters) // 2 - 1
            activation = work.output if is_last else work.activation
            stack += [linear] if activation is None else [linear, modules[activation]()]
        self._model = torch.nn.Sequential(*stack)
        self._optimizer = torch.optim.SGD(self._model.parameters(), lr=work.learning_rate)

    def prepare(self, array: Array) -> Any:
        return self._torch.from_numpy(array)

    def step(self, x: Any, target: Any) -> Any:
        loss = self._loss(self._model(x), target)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss

    def parameters(self) -> list[Array]:
        return [p.detach().numpy().T for p in self._model.parameters()]


class MyGrad:
    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        self._mygrad = mygrad = import_module("mygrad")
        activations = import_module("mygrad.nnet.activations")
        self._activations = {
            "tanh": mygrad.tanh,
            "relu": activations.relu,
            "sigmoid": activations.sigmoid,
        }
        self._work = work
        self._parameters = [mygrad.tensor(parameter) for parameter in parameters]

    def prepare(self, array: Array) -> Array:
        return array

    def step(self, x: Any, target: Array) -> Any:
        last = len(self._parameters) - 2
        for i in range(0, last + 2, 2):
            x = x @ self._parameters[i] + self._parameters[i + 1]
            activation = self._work.output if i == last else self._work.activation
            if activation is not None:
                x = self._activations[activation](x)
        loss = self._mygrad.mean(self._mygrad.square(x - target))
        loss.backward()
        for parameter in self._parameters:
            parameter.data -= self._work.learning_rate * parameter.grad
        return loss

    def parameters(self) -> list[Array]:
        return [parameter.data for parameter in self._parameters]


class Autograd:
    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        anp = import_module("autograd.numpy")
        self._activations = {
            "tanh": anp.tanh,
            "relu": lambda x: anp.maximum(x, 0),
            "sigmoid": lambda x: 1 / (1 + anp.exp(-x)),
        }
        self._mean = anp.mean
        self._work = work
        self._parameters = [parameter.copy() for parameter in parameters]
        self._loss_and_gradients = import_module("autograd").value_and_grad(self._loss)

    def _loss(self, parameters: Sequence[Any], x: Any, target: Array) -> Any:
        last = len(parameters) - 2
        for i in range(0, last + 2, 2):
            x = x @ parameters[i] + parameters[i + 1]
            activation = self._work.output if i == last else self._work.activation
            if activation is not None:
                x = self._activations[activation](x)
        return self._mean((x - target) ** 2)

    def prepare(self, array: Array) -> Array:
        return array

    def step(self, x: Array, target: Array) -> Any:
        loss, gradients = self._loss_and_gradients(self._parameters, x, target)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter -= self._work.learning_rate * gradient
        return loss

    def parameters(self) -> list[Array]:
        return self._parameters


class Jax:
    """A pure step under ``jax.jit``, which compiles at the first call."""

    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        # One thread, as the others have.
        environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
        self._jax = jax = import_module("jax")
        jax.config.update("jax_enable_x64", True)
        self._numpy = jnp = import_module("jax.numpy")
        self._work = work
        self._parameters = [jnp.asarray(parameter) for parameter in parameters]
        self._activations = {
            "tanh": jnp.tanh,
            "relu": jax.nn.relu,
            "sigmoid": jax.nn.sigmoid,
        }
        gradient = jax.value_and_grad(self._loss)

        def update(parameters: Any, x: Any, target: Any) -> Any:
            loss, gradients = gradient(parameters, x, target)
            pairs = zip(parameters, gradients, strict=True)
            return loss, [p - work.learning_rate * g for p, g in pairs]

        self._update = jax.jit(update)

    def _loss(self, parameters: Sequence[Any], x: Any, target: Any) -> Any:
        last = len(parameters) - 2
        for i in range(0, last + 2, 2):
            x = x @ parameters[i] + parameters[i + 1]
            activation = self._work.output if i == last else self._work.activation
            if activation is not None:
                x = self._activations[activation](x)
        return ((x - target) ** 2).mean()

    def prepare(self, array: Array) -> Any:
        return self._numpy.asarray(array)

    def step(self, x: Any, target: Any) -> Any:
        loss, self._parameters = self._update(self._parameters, x, target)
        return loss.block_until_ready()

    def parameters(self) -> list[Array]:
        return [import_module("numpy").asarray(each) for each in self._parameters]


class JaxRNN(Jax):
    """The recurrent network of ``benchmarks.compiled``, its loop as ``lax.scan``."""

    def _loss(self, parameters: Sequence[Any], x: Any, target: Any) -> Any:
        w, u, b, v, c = parameters
        jnp = self._numpy

        def advance(h: Any, x_t: Any) -> tuple[Any, None]:
            return jnp.tanh(x_t @ w + h @ u + b), None

        start = jnp.zeros((x.shape[1], u.shape[0]), u.dtype)
        h, _ = self._jax.lax.scan(advance, start, x)
        return ((h @ v + c - target) ** 2).mean()


class PyTorchRNN:
    """The same recurrent network with ``nn.RNN``."""

    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        self._torch = torch = import_module("torch")
        self._loss = import_module("torch.nn.functional").mse_loss
        w, u, b, v, c = parameters
        inputs, hidden = w.shape
        self._rnn = torch.nn.RNN(inputs, hidden).double()
        self._last = torch.nn.Linear(hidden, v.shape[1]).double()
        self._rnn.weight_ih_l0 = torch.nn.Parameter(torch.tensor(w.T.copy()))
        self._rnn.weight_hh_l0 = torch.nn.Parameter(torch.tensor(u.T.copy()))
        self._rnn.bias_ih_l0 = torch.nn.Parameter(torch.tensor(b))
        self._rnn.bias_hh_l0 = torch.nn.Parameter(torch.zeros(hidden).double(), False)
        self._last.weight = torch.nn.Parameter(torch.tensor(v.T.copy()))
        self._last.bias = torch.nn.Parameter(torch.tensor(c))
        self._trained = [
            *(self._rnn.weight_ih_l0, self._rnn.weight_hh_l0, self._rnn.bias_ih_l0),
            *(self._last.weight, self._last.bias),
        ]
        self._optimizer = torch.optim.SGD(self._trained, lr=work.learning_rate)

    def prepare(self, array: Array) -> Any:
        return self._torch.from_numpy(array)

    def step(self, x: Any, target: Any) -> Any:
        _, last = self._rnn(x)
        loss = self._loss(self._last(last[0]), target)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss

    def parameters(self) -> list[Array]:
        return [each.detach().numpy().T for each in self._trained]


PEERS: dict[str, tuple[str, Callable[[Work, Sequence[Array]], Side]]] = {
    "PyTorch": ("torch", PyTorch),
    "MyGrad": ("mygrad", MyGrad),
    "autograd": ("autograd", Autograd),
}


def is_installed(package: str) -> bool:
    return find_spec(package) is not None


def micrograd_value() -> Any:
    """The ``Value`` class of micrograd."""
    return import_module("micrograd.engine").Value


def versions() -> list[str]:
    """What is installed of the libraries compared with, as "name version"."""
    packages = [package for package, _ in PEERS.values()] + ["micrograd"]
    return [f"{package} {version(package)}" for package in packages if is_installed(package)]


def compared(packages: Sequence[str]) -> str:
    """NumPy and the libraries compared with, and which of them are missing."""
    there = [f"{package} {version(package)}" for package in packages if is_installed(package)]
    missing = [package for package in packages if not is_installed(package)]
    text = ", ".join([f"NumPy {version('numpy')}", *there])
    return f"{text}; not installed: {', '.join(missing)}" if missing else text


def blas() -> str:
    """NumPy's BLAS, its processor kernel and its threads, as far as ``threadpoolctl`` can tell."""
    if not is_installed("threadpoolctl"):
        return "BLAS unknown (threadpoolctl is not installed)"
    import_module("numpy")
    pools = import_module("threadpoolctl").threadpool_info()
    return "; ".join(
        f"{pool['internal_api']} {pool['version']}, kernel {pool.get('architecture')}, "
        f"threads {pool['num_threads']}"
        for pool in pools
        if pool["user_api"] == "blas"
    )
