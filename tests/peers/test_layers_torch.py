"""Each layer beside PyTorch's: the same numbers through twenty steps of gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te

torch: Any = pytest.importorskip("torch", reason="the layers are compared with PyTorch's")

STEPS, LR = 20, 0.1
BATCH, TIMES = 6, 5


def close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def made(forward: Callable[..., Any], **parts: Any) -> Any:
    """A module of PyTorch's that holds `parts`; mypy cannot derive from what may not be there."""
    module = type("Theirs", (torch.nn.Module,), {"forward": forward})()
    for name, part in parts.items():
        setattr(module, name, part)
    return module


@dataclass
class Pair:
    """A layer of ours and one of PyTorch's, each with what it gives to the next layer.

    `same` are ours and theirs, that must hold the same numbers; theirs is given by a function,
    because PyTorch keeps weights as (outputs, inputs).
    """

    ours: Any
    theirs: Any
    same: list[tuple[te.Value, Callable[[], Any]]]
    shape: tuple[int, ...] = (BATCH, 4)


def linear(inputs: int, outputs: int, seed: int, bias: bool = True) -> Pair:
    ours = te.nn.Linear(inputs, outputs, bias=bias, seed=seed)
    theirs = torch.nn.Linear(inputs, outputs, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(ours.weight.data.T.copy()))
        if ours.bias is not None:
            ours.bias.data = np.linspace(-1, 1, outputs)
            theirs.bias.copy_(torch.tensor(ours.bias.data.copy()))
    same: list[Any] = [(ours.weight, lambda: theirs.weight.T)]
    if ours.bias is not None:
        same.append((ours.bias, lambda: theirs.bias))
    return Pair(ours, theirs, same)


def residual() -> Pair:
    inner = linear(4, 4, seed=7)

    ours = te.nn.Residual(te.nn.Sequential(inner.ours, "tanh"))
    theirs = made(lambda self, x: x + torch.tanh(self.inner(x)), inner=inner.theirs)
    return Pair(ours, theirs, inner.same)


def batch_norm(shape: tuple[int, ...] = (BATCH, 4), momentum: float = 0.1) -> Pair:
    ours = te.nn.BatchNorm(4, momentum=momentum, epsilon=1e-3)
    flat = torch.nn.BatchNorm1d(4, momentum=momentum, eps=1e-3, dtype=torch.float64)

    theirs = made(lambda self, x: self.flat(x.reshape(-1, 4)).reshape(x.shape), flat=flat)
    same = [
        (ours.weight, lambda: flat.weight),
        (ours.bias, lambda: flat.bias),
        (ours.running_mean, lambda: flat.running_mean),
        (ours.running_var, lambda: flat.running_var),
    ]
    return Pair(ours, theirs, same, shape)


def layer_norm(shape: tuple[int, ...] = (BATCH, 4)) -> Pair:
    ours = te.nn.LayerNorm(4)
    theirs = torch.nn.LayerNorm(4, dtype=torch.float64)
    return Pair(
        ours,
        theirs,
        [(ours.weight, lambda: theirs.weight), (ours.bias, lambda: theirs.bias)],
        shape,
    )


def dropout() -> Pair:
    """PyTorch draws other masks, so its layer is given ours."""
    ours = te.nn.Dropout(0.4, seed=9)

    generator = np.random.default_rng(9)

    def masked(self: Any, x: Any) -> Any:
        if not self.training:
            return torch.nn.functional.dropout(x, 0.4, training=False)
        mask = torch.tensor(generator.random(tuple(x.shape)) >= 0.4)
        return torch.where(mask, x / 0.6, 0.0)

    return Pair(ours, made(masked), [])


def rnn(activation: str = "tanh", truncate: int | None = None, state: bool = False) -> Pair:
    ours = te.nn.RNN(4, 4, activation, seed=3)
    theirs = torch.nn.RNN(4, 4, nonlinearity=activation, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(torch.tensor(ours.weight.data.T.copy()))
        theirs.weight_hh_l0.copy_(torch.tensor(ours.recurrent_weight.data.T.copy()))
        theirs.bias_ih_l0.zero_()
        theirs.bias_hh_l0.zero_()
    theirs.bias_hh_l0.requires_grad_(False)  # PyTorch has two biases where one does
    first = np.random.default_rng(1).normal(size=(BATCH, 4)) if state else None

    def in_pieces(self: Any, x: Any) -> Any:
        h = torch.zeros(1, BATCH, 4) if first is None else torch.tensor(first[None])
        outputs = []
        for piece in torch.split(x, truncate or TIMES, dim=1):
            out, h = self.rnn(piece, h.to(x.dtype))
            h = h.detach()
            outputs.append(out)
        return torch.cat(outputs, dim=1)

    same = [
        (ours.weight, lambda: theirs.weight_ih_l0.T),
        (ours.recurrent_weight, lambda: theirs.weight_hh_l0.T),
        (ours.bias, lambda: theirs.bias_ih_l0),
    ]

    class Ours(te.nn.Module):
        def __init__(self) -> None:
            self.rnn = ours

        def forward(self, x: Any) -> Any:
            return self.rnn(x, first, truncate=truncate)[0]

    return Pair(Ours(), made(in_pieces, rnn=theirs), same, (BATCH, TIMES, 4))


PAIRS: dict[str, Callable[[], Pair]] = {
    "linear": lambda: linear(4, 4, seed=5),
    "linear without bias": lambda: linear(4, 4, seed=5, bias=False),
    "residual": residual,
    "batch norm": batch_norm,
    "batch norm of sequences": lambda: batch_norm((BATCH, TIMES, 4), momentum=0.3),
    "layer norm": layer_norm,
    "layer norm of sequences": lambda: layer_norm((BATCH, TIMES, 4)),
    "dropout": dropout,
    "rnn": rnn,
    "rnn with relu": lambda: rnn("relu"),
    "rnn from a state": lambda: rnn(state=True),
    "rnn truncated": lambda: rnn(truncate=2),
}


@pytest.mark.parametrize("name", PAIRS)
def test_twenty_steps_give_the_weights_that_pytorch_gives(name: str) -> None:
    before, middle, after = linear(3, 4, seed=1), PAIRS[name](), linear(4, 2, seed=2)
    ours = te.nn.Sequential(before.ours, middle.ours, after.ours)
    theirs = torch.nn.Sequential(before.theirs, middle.theirs, after.theirs)
    optimizer = te.optim.SGD(ours.parameters(), lr=LR)
    trained = [p for p in theirs.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) == sum(p.size for p in ours.parameters())
    other = torch.optim.SGD(trained, lr=LR)
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        x, y = rng.normal(size=(*middle.shape[:-1], 3)), rng.normal(size=(*middle.shape[:-1], 2))
        loss = np.mean((ours(x) - y) ** 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        same = ((theirs(torch.tensor(x)) - torch.tensor(y)) ** 2).mean()
        other.zero_grad()
        same.backward()
        other.step()
        close(loss.data, same.item())
        for leaf, twin in (*before.same, *middle.same, *after.same):
            close(leaf.data, twin().detach().numpy())
    x = rng.normal(size=(*middle.shape[:-1], 3))
    ours.eval()
    theirs.eval()
    close(ours(x).data, theirs(torch.tensor(x)).detach().numpy())


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_a_perceptron_learns_as_pytorchs_does(activation: str) -> None:
    ours = te.nn.MLP([3, 5, 4, 2], activation, seed=1)
    pairs = [linear(inputs, outputs, seed=0) for inputs, outputs in ((3, 5), (5, 4), (4, 2))]
    function = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}[activation]
    with torch.no_grad():
        for pair, layer in zip(pairs, ours.layers, strict=True):
            assert layer.bias is not None
            pair.theirs.weight.copy_(torch.tensor(layer.weight.data.T.copy()))
            pair.theirs.bias.copy_(torch.tensor(layer.bias.data.copy()))
    first, second, third = (pair.theirs for pair in pairs)
    optimizer = te.optim.SGD(ours.parameters(), lr=LR)
    other = torch.optim.SGD([p for pair in pairs for p in pair.theirs.parameters()], lr=LR)
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        x, y = rng.normal(size=(BATCH, 3)), rng.normal(size=(BATCH, 2))
        optimizer.zero_grad()
        np.mean((ours(x) - y) ** 2).backward()
        optimizer.step()
        other.zero_grad()
        (
            (third(function(second(function(first(torch.tensor(x)))))) - torch.tensor(y)) ** 2
        ).mean().backward()
        other.step()
    for pair, layer in zip(pairs, ours.layers, strict=True):
        assert layer.bias is not None
        close(layer.weight.data, pair.theirs.weight.detach().numpy().T)
        close(layer.bias.data, pair.theirs.bias.detach().numpy())


def test_weights_of_pytorch_can_be_loaded_transposed() -> None:
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    ours = te.nn.Sequential(te.nn.Linear(3, 4), "tanh", te.nn.Linear(4, 2))
    ours.load_state_dict(
        {f"layers.{name}": tensor.numpy().T for name, tensor in theirs.state_dict().items()}
    )
    x = np.random.default_rng(0).normal(size=(5, 3))
    wanted = theirs(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    np.testing.assert_allclose(ours(x).data, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_gains_are_those_that_pytorch_recommends(activation: str) -> None:
    wanted = torch.nn.init.calculate_gain(activation)
    assert te.nn.init.gain(activation) == pytest.approx(wanted, rel=1e-12)


SHAPE = (400, 300)
PYTORCHS = {
    "xavier_normal": "xavier_normal_",
    "xavier_uniform": "xavier_uniform_",
    "he_normal": "kaiming_normal_",
    "he_uniform": "kaiming_uniform_",
    "orthogonal": "orthogonal_",
    "normal": "normal_",
    "uniform": "uniform_",
}


@pytest.mark.parametrize("name", PYTORCHS)
def test_initialisers_spread_weights_as_pytorchs(name: str) -> None:
    """Quantiles of 120,000 numbers, which agree within five of their standard errors."""
    options = {"nonlinearity": "relu"} if name.startswith("he") else {}
    torch.manual_seed(0)
    theirs = torch.empty(SHAPE[::-1], dtype=torch.float64)  # (outputs, inputs)
    getattr(torch.nn.init, PYTORCHS[name])(theirs, **options)
    ours = te.nn.init.named(name)(SHAPE, np.random.default_rng(0))
    shares = np.linspace(0.05, 0.95, 19)
    spread = ours.std()
    difference = np.quantile(ours, shares) - np.quantile(theirs.numpy(), shares)
    # √(p (1 − p)/n)/density: below 0.0065 of the spread for both distributions at these shares.
    assert np.abs(difference).max() < 5 * np.sqrt(2) * 0.0065 * spread
