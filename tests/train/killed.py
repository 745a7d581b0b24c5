"""A training that may be killed at any moment: `python killed.py CHECKPOINT WEIGHTS EPOCHS`.

All that a training can remember is in it: shuffled batches, a dropout's generator, running
statistics, momenta, a schedule that looks back, and the best weights of early stopping.
"""

from __future__ import annotations

import functools
import sys

import tinygrad_edu as te


def model() -> te.nn.Module:
    """Layers with state of every kind."""
    return te.nn.Sequential(
        te.nn.Linear(2, 16, seed=1),
        te.nn.BatchNorm(16),
        te.activations.tanh,
        te.nn.Dropout(0.3, seed=2),
        te.nn.Linear(16, 1, seed=3),
    )


def train(
    network: te.nn.Module, epochs: int, checkpoint: str | None, resume: bool
) -> te.train.History:
    """Train it on the moons."""
    return te.train.fit(
        network,
        te.data.moons(200, seed=4),
        te.nn.losses.bce_with_logits,
        te.optim.Adam(network.parameters(), lr=0.01),
        epochs=epochs,
        batch_size=16,
        seed=5,
        callbacks=[te.train.EarlyStopping(patience=epochs)],
        validation=te.data.moons(100, seed=6),
        metrics={"accuracy": functools.partial(te.train.binary_accuracy, threshold=0)},
        schedule=te.optim.plateau(factor=0.5, patience=3),
        accumulate=2,
        checkpoint=checkpoint,
        resume=resume,
        progress=False,
    )


if __name__ == "__main__":
    checkpoint, weights, epochs = sys.argv[1:]
    print("begin", flush=True)
    network = model()
    train(network, int(epochs), checkpoint, resume=True)
    te.train.save(network, weights)
