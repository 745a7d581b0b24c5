"""The remedies that can be tried: what each changes, and in which order they are taken."""

from __future__ import annotations

from dataclasses import dataclass

from ..nn.normalisation import BatchNorm, LayerNorm
from . import surgery
from .surgery import Change, both

# Of the L2 remedy.
PENALTY = 1e-3


@dataclass(frozen=True)
class Remedy:
    """A change of a model or of its training, in both languages, and the code that makes it."""

    name: str
    title: dict[str, str]
    code: str
    change: Change | None = None
    clip_norm: float | None = None
    penalty: float = 0.0
    rate: float = 1.0


REMEDIES: dict[str, Remedy] = {
    remedy.name: remedy
    for remedy in (
        Remedy(
            "relu",
            {"en": "ReLU, weights as before", "ja": "ReLU（重みはそのまま）"},
            'activation="relu"  # and init= as it was',
            surgery.activation("relu"),
        ),
        Remedy(
            "leaky_relu",
            {"en": "Leaky ReLU, weights as before", "ja": "Leaky ReLU（重みはそのまま）"},
            'activation="leaky_relu"  # and init= as it was',
            surgery.activation("leaky_relu"),
        ),
        Remedy(
            "elu",
            {"en": "ELU, weights as before", "ja": "ELU（重みはそのまま）"},
            'activation="elu"  # and init= as it was',
            surgery.activation("elu"),
        ),
        Remedy(
            "relu_he",
            {"en": "ReLU and He initialisation", "ja": "ReLU と He の初期値"},
            'te.nn.MLP(widths, "relu", init="he_normal")',
            both(surgery.activation("relu"), surgery.initialised("he_normal")),
        ),
        Remedy(
            "batchnorm",
            {"en": "BatchNorm", "ja": "BatchNorm"},
            "te.nn.Sequential(te.nn.Linear(a, b), te.nn.BatchNorm(b), activation, ...)",
            surgery.normalised(BatchNorm),
        ),
        Remedy(
            "xavier",
            {"en": "Xavier initialisation", "ja": "Xavier の初期値"},
            'init="xavier_normal"',
            surgery.initialised("xavier_normal"),
        ),
        Remedy(
            "he",
            {"en": "He initialisation", "ja": "He の初期値"},
            'init="he_normal"',
            surgery.initialised("he_normal"),
        ),
        Remedy(
            "clipping",
            {"en": "gradient clipping", "ja": "勾配クリッピング"},
            "te.train.fit(..., clip_norm=1)",
            clip_norm=1.0,
        ),
        Remedy(
            "l2",
            {"en": "L2 regularisation", "ja": "L2正則化"},
            f"loss + {PENALTY:g} * te.nn.losses.l2(model)",
            penalty=PENALTY,
        ),
        Remedy(
            "smaller_step",
            {"en": "a tenth of the step", "ja": "学習率を 10 分の 1 に"},
            "the optimiser with lr / 10",
            rate=0.1,
        ),
        Remedy(
            "smallest_step",
            {"en": "a hundredth of the step", "ja": "学習率を 100 分の 1 に"},
            "the optimiser with lr / 100",
            rate=0.01,
        ),
        Remedy(
            "least_step",
            {"en": "a thousandth of the step", "ja": "学習率を 1000 分の 1 に"},
            "the optimiser with lr / 1000",
            rate=0.001,
        ),
        Remedy(
            "larger_step",
            {"en": "ten times the step", "ja": "学習率を 10 倍に"},
            "the optimiser with 10 * lr",
            rate=10.0,
        ),
        Remedy(
            "much_larger_step",
            {"en": "a hundred times the step", "ja": "学習率を 100 倍に"},
            "the optimiser with 100 * lr",
            rate=100.0,
        ),
        Remedy(
            "largest_step",
            {"en": "a thousand times the step", "ja": "学習率を 1000 倍に"},
            "the optimiser with 1000 * lr",
            rate=1000.0,
        ),
        Remedy(
            "giant_step",
            {"en": "ten thousand times the step", "ja": "学習率を 1 万倍に"},
            "the optimiser with 10_000 * lr",
            rate=10_000.0,
        ),
        Remedy(
            "layernorm",
            {"en": "LayerNorm", "ja": "LayerNorm"},
            "te.nn.Sequential(te.nn.Linear(a, b), te.nn.LayerNorm(b), activation, ...)",
            surgery.normalised(LayerNorm),
        ),
        Remedy(
            "residual",
            {"en": "residual connections", "ja": "残差接続"},
            "te.nn.Residual(te.nn.Sequential(te.nn.Linear(n, n), activation))",
            surgery.shortcuts,
        ),
    )
}

# The articles' order: the ReLU family, BatchNorm, Xavier and He; clipping and L2 for explosion.
VANISHING = ("relu", "leaky_relu", "elu", "relu_he", "batchnorm", "xavier", "he")
EXPLODING = ("clipping", "l2", "xavier", "he", "batchnorm")
SMALLER = ("smaller_step", "smallest_step", "least_step")
ORDERS: dict[str, tuple[str, ...]] = {
    "vanishing": VANISHING,
    "saturated": VANISHING,
    "exploding": (*EXPLODING, *SMALLER),
    "non_finite": (*EXPLODING, *SMALLER),
    "dead": ("leaky_relu", "elu", "batchnorm", "xavier", "he", *SMALLER),
    "initialisation": ("xavier", "he", "batchnorm", "relu", "relu_he"),
    "symmetric": ("xavier", "he"),
    "step_large": (*SMALLER, "clipping"),
    "oscillation": (*SMALLER, "clipping"),
    "step_small": ("larger_step", "much_larger_step", "largest_step", "giant_step"),
}
