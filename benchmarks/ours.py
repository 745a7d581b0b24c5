"""The same step in tinygrad_edu, as its own documentation writes it."""

from __future__ import annotations

from collections.abc import Sequence

import tinygrad_edu as te
from benchmarks.works import Array, Work


class TinygradEdu:
    def __init__(self, work: Work, parameters: Sequence[Array]) -> None:
        self.model = te.nn.MLP(
            list(work.sizes),
            activation=work.activation,
            output=work.output,
            seed=0,
            dtype=work.dtype,
        )
        for parameter, start in zip(self.model.parameters(), parameters, strict=True):
            parameter.data = start.copy()
        self._optimizer = te.optim.SGD(self.model.parameters(), lr=work.learning_rate)

    def prepare(self, array: Array) -> Array:
        return array

    def step(self, x: Array, target: Array) -> te.Value:
        loss = te.nn.losses.mse(self.model(x), target)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss

    def parameters(self) -> list[Array]:
        return [parameter.data for parameter in self.model.parameters()]
