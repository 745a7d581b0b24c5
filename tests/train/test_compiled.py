"""`fit(compile=True)` ends with the weights and the history of `fit`, or says why it cannot."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_edu as te
from tinygrad_edu.errors import NonFiniteError, RecordingWarning, TracingError
from tinygrad_edu.train.program import Recording

quietly = partial(te.train.fit, progress=False)
nn, optim = te.nn, te.optim
X, Y = te.data.moons(23, seed=1)
sides = partial(te.train.binary_accuracy, threshold=0)
VALIDATION = te.data.moons(9, seed=2)


class Twice(nn.Module):
    """Two inputs, layers that are shared, and a prediction that is looked at."""

    def __init__(self, seed: int) -> None:
        self.first, self.last = nn.Linear(2, 4, seed=seed), nn.Linear(4, 1, seed=seed + 1)

    def forward(self, x: Any) -> Any:
        return self.last(np.tanh(self.first(x)) * self.first(-x))


class Noisy(nn.Module):
    """A network that draws normal numbers and keeps a statistic while it learns."""

    def __init__(self, seed: int) -> None:
        self.inner = nn.MLP([2, 4, 1], "tanh", seed=seed)
        self.generator = np.random.default_rng(seed)
        self.mean = te.Value(np.zeros(2), requires_grad=False)

    def forward(self, x: Any) -> Any:
        if self.training:
            te.assign(self.mean, 0.9 * self.mean + 0.1 * np.mean(x, axis=0))
            x = x + 0.1 * te.random(self.generator, x.shape, "normal")
        return self.inner(x - self.mean)


MODELS: dict[str, Callable[[int], nn.Module]] = {
    "tanh": lambda seed: nn.MLP([2, 5, 1], "tanh", seed=seed),
    "relu": lambda seed: nn.MLP([2, 6, 3, 1], "relu", seed=seed),
    "dropout": lambda seed: nn.Sequential(
        nn.Linear(2, 6, seed=seed), nn.Dropout(0.3, seed=seed), nn.Linear(6, 1, seed=seed)
    ),
    "batchnorm": lambda seed: nn.Sequential(
        nn.Linear(2, 6, seed=seed), nn.BatchNorm(6), np.tanh, nn.Linear(6, 1, seed=seed)
    ),
    "layernorm": lambda seed: nn.Sequential(
        nn.Linear(2, 4, seed=seed), nn.LayerNorm(4), nn.Linear(4, 1, seed=seed)
    ),
    "shared": Twice,
    "noisy": Noisy,
}
OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.05),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5),
    "adam": lambda p: optim.Adam(p, lr=0.02),
    "adamw": lambda p: optim.AdamW(p, lr=0.02, weight_decay=0.1),
}
OPTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "none": dict,
    "stopping": lambda: {
        "callbacks": te.train.EarlyStopping(patience=1, least=0.01),
        "validation": VALIDATION,
    },
    "metrics": lambda: {"metrics": sides},
    "schedule": lambda: {"schedule": optim.cosine(4)},
    "plateau": lambda: {"schedule": optim.plateau(0.5, 1), "validation": VALIDATION},
    "norm": lambda: {"clip_norm": 0.1},
    "value": lambda: {"clip_value": 0.01},
    "accumulate": lambda: {"accumulate": 3, "metrics": sides},
    "a callback that moves weights": lambda: {"callbacks": shrink},
}


def shrink(run: te.train.Run) -> None:
    for parameter in run.model.parameters():
        parameter.data = 0.5 * parameter.data


def bits(model: nn.Module, optimizer: optim.Optimizer, history: te.train.History) -> Any:
    """All that a training leaves, but for the seconds it took."""
    states = [
        (name, np.asarray(entry).tobytes())
        for state in optimizer.states
        for name, entry in state.items()
    ]
    columns = {name: numbers for name, numbers in history.to_dict().items() if name != "seconds"}
    generators = [each.bit_generator.state for _, each in model.named_generators()]
    weights = {name: array.tobytes() for name, array in model.state_dict().items()}
    return weights, states, generators, columns, history.stopped


def both(
    make: Callable[[int], nn.Module], rule: Callable[..., optim.Optimizer], **options: Any
) -> list[Any]:
    """What is left without a program, and with."""
    found = []
    for compile in (False, True):
        model = make(3)
        optimizer = rule(model.parameters())
        made = {key: each() if key == "options" else each for key, each in options.items()}
        made |= made.pop("options", {})
        history = quietly(
            model, (X, Y), te.nn.losses.bce_with_logits, optimizer, compile=compile, **made
        )
        found.append(bits(model, optimizer, history))
    return found


@given(
    st.sampled_from(sorted(MODELS)),
    st.sampled_from(sorted(OPTIMIZERS)),
    st.sampled_from([None, 3, 5, 11, 23]),
    st.sampled_from(sorted(OPTIONS)),
)
def test_it_ends_as_without(model: str, rule: str, batch_size: int | None, options: str) -> None:
    """23 rows leave a smaller last batch: of two, of three, or of one, which BatchNorm refuses."""
    assume((model, batch_size) != ("batchnorm", 11))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain, compiled = both(
            MODELS[model],
            OPTIMIZERS[rule],
            epochs=4,
            batch_size=batch_size,
            options=OPTIONS[options],
        )
    assert compiled == plain


@pytest.mark.parametrize("options", sorted(OPTIONS))
@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_with_every_option(model: str, options: str) -> None:
    plain, compiled = both(
        MODELS[model], OPTIMIZERS["adam"], epochs=3, batch_size=7, options=OPTIONS[options]
    )
    assert compiled == plain


def test_it_is_programs_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each kind of batch: of 23 rows six make three whole batches and one of five."""
    made: list[Recording] = []
    forwards = 0

    def noted(*arguments: Any) -> Recording:
        made.append(Recording(*arguments))
        return made[-1]

    def loss(prediction: Any, target: Any) -> Any:
        nonlocal forwards
        forwards += 1
        return te.nn.losses.mse(prediction, target)

    monkeypatch.setattr("tinygrad_edu.train.loop.Recording", noted)
    for options, each in (({}, 2), ({"clip_norm": 1.0}, 2), ({"accumulate": 4}, 2)):
        made.clear()
        forwards = 0
        model = MODELS["tanh"](0)
        optimizer = OPTIMIZERS["adam"](model.parameters())
        quietly(model, (X, Y), loss, optimizer, epochs=50, batch_size=6, compile=True, **options)
        (program,) = made
        assert sum(map(len, program.programs.values())) == each
        assert "tanh" in program.source
        # One as ever, and two for each recording, which is compared with it, of 200 batches.
        assert forwards == 1 + 2 * each


def test_several_inputs_and_integer_targets() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(4, 3, seed=1)

        def forward(self, x: Any, z: Any) -> Any:
            return self.layer(np.concatenate([x, z], axis=1))

    classes = np.arange(23) % 3
    found = []
    for compile in (False, True):
        model = Both()
        optimizer = optim.Adam(model.parameters())
        history = quietly(
            model,
            ((X, X[::-1]), classes),
            te.nn.losses.cross_entropy,
            optimizer,
            epochs=5,
            batch_size=4,
            metrics=te.train.accuracy,
            compile=compile,
        )
        found.append(bits(model, optimizer, history))
    assert found[1] == found[0]


def test_float32_and_recurrent_layers_agree_to_its_precision() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            self.rnn = nn.RNN(2, 6, seed=0, dtype=np.float32)
            self.answer = nn.Linear(6, 1, seed=1, dtype=np.float32)

        def forward(self, x: Any) -> Any:
            return self.answer(self.rnn(x)[1])

    x = np.random.default_rng(0).normal(size=(23, 5, 2)).astype(np.float32)
    losses = []
    for compile in (False, True):
        model = Reader()
        optimizer = optim.SGD(model.parameters(), lr=0.05)
        history = quietly(
            model,
            (x, Y.astype(np.float32)),
            te.nn.losses.mse,
            optimizer,
            epochs=5,
            batch_size=8,
            compile=compile,
        )
        losses.append(history.losses)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert losses[1][-1] < losses[1][0]


@given(st.sampled_from(sorted(MODELS)), st.sampled_from(sorted(OPTIMIZERS)), st.booleans())
def test_a_resumed_training_is_the_uninterrupted_one(model: str, rule: str, first: bool) -> None:
    """Compiled before the interruption and not after it, and the other way round."""
    whole = both(MODELS[model], OPTIMIZERS[rule], epochs=4, batch_size=8)[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        for epochs, compile in ((2, first), (4, not first)):
            network = MODELS[model](3)
            optimizer = OPTIMIZERS[rule](network.parameters())
            history = quietly(
                network,
                (X, Y),
                te.nn.losses.bce_with_logits,
                optimizer,
                epochs=epochs,
                batch_size=8,
                checkpoint=path,
                resume=True,
                compile=compile,
            )
        assert bits(network, optimizer, history) == whole


def test_best_weights_are_those_of_their_epoch() -> None:
    """A program writes into the weights' own memory, not into what was kept of them."""
    losses = []
    model = MODELS["tanh"](0)
    stopping = te.train.EarlyStopping(patience=2, least=1.0)  # only the first epoch improves

    def note(run: te.train.Run) -> None:
        losses.append(te.train.evaluate(run.model, VALIDATION, te.nn.losses.bce_with_logits))

    quietly(
        model,
        (X, Y),
        te.nn.losses.bce_with_logits,
        optim.Adam(model.parameters(), lr=0.1),
        epochs=9,
        batch_size=5,
        validation=VALIDATION,
        callbacks=[stopping, note],
        compile=True,
    )
    assert stopping.best_epoch == 1
    assert te.train.evaluate(model, VALIDATION, te.nn.losses.bce_with_logits) == losses[0]
    assert losses[-1] != losses[0]


class Numbers(nn.Module):
    """A neuron for each of some single weights, as micrograd has it."""

    def __init__(self, seed: int) -> None:
        draw = np.random.default_rng(seed).uniform
        self.hidden = [[te.Value(draw(-1, 1)) for _ in range(3)] for _ in range(4)]
        self.last = [te.Value(draw(-1, 1)) for _ in range(4)]

    def forward(self, x: Any) -> Any:
        rows = []
        for a, b in x:
            neurons = [np.tanh(u * a + v * b + w) for u, v, w in self.hidden]
            rows.append(sum(w * h for w, h in zip(self.last, neurons, strict=True)))
        return np.stack(rows)[:, None]


@pytest.mark.parametrize("options", ["none", "norm", "stopping", "metrics"])
def test_models_of_single_numbers(options: str) -> None:
    plain, compiled = both(
        Numbers, OPTIMIZERS["adam"], epochs=4, batch_size=7, options=OPTIONS[options]
    )
    for name, weight in plain[0].items():
        np.testing.assert_allclose(
            np.frombuffer(compiled[0][name]), np.frombuffer(weight), rtol=1e-12
        )
    for name, column in plain[3].items():
        np.testing.assert_allclose(compiled[3][name], column, rtol=1e-12)


# ---- what is not finite ----


@pytest.mark.parametrize("options", [{}, {"clip_norm": 1.0}, {"accumulate": 2}])
@pytest.mark.parametrize("model", ["tanh", "batchnorm", "dropout"])
@pytest.mark.parametrize("bad", [0, 2, 9])
@pytest.mark.parametrize("loss", ["mse", "mae"])
@pytest.mark.parametrize("number", [np.inf, np.nan, 1e200])
def test_it_stops_where_fit_stops(
    model: str, options: dict[str, Any], bad: int, loss: str, number: float
) -> None:
    """In the first step, in the one that is recorded, or in a replay."""
    y = Y.copy()
    y[2 * bad] = number  # its batch comes wherever the shuffling puts it
    found = []
    for compile in (False, True):
        network = MODELS[model](0)
        optimizer = OPTIMIZERS["adam"](network.parameters())
        told = ""
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                quietly(
                    network,
                    (X, y),
                    getattr(te.nn.losses, loss),
                    optimizer,
                    epochs=2,
                    batch_size=4,
                    compile=compile,
                    **options,
                )
            except NonFiniteError as error:
                told = str(error).split("\n")[0]
        found.append((told, bits(network, optimizer, te.train.History())))
    assert found[1] == found[0]
    assert bool(found[0][0]) == (not (loss == "mae" and number == 1e200))


def test_a_step_that_overflows_is_the_uncompiled_one() -> None:
    """Large logits: the program meets an overflow that the engine's rules mend."""
    for rate in (0.1, 400.0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecordingWarning)
            plain, compiled = both(
                MODELS["tanh"], lambda p, lr=rate: optim.SGD(p, lr=lr), epochs=6, batch_size=4
            )
        assert compiled == plain


# ---- what cannot be compiled ----


def refused(match: str, **options: Any) -> None:
    """Assert that nothing is trained, and that the error says what to write."""
    model = options.pop("model", MODELS["tanh"](0))
    before = {name: array.copy() for name, array in model.state_dict().items()}
    with pytest.raises(TracingError, match=match):
        quietly(
            model,
            (X, Y),
            options.pop("loss", te.nn.losses.mse),
            optim.SGD(model.parameters(), lr=0.1),
            epochs=2,
            compile=True,
            **options,
        )
    if not options.pop("moved", False):
        for name, array in model.state_dict().items():
            assert np.array_equal(array, before[name])


def test_what_looks_into_a_step_is_refused_before_it() -> None:
    refused("compile=False", callbacks=te.flow.Tracker())
    model = MODELS["tanh"](0)
    for watching in (partial(te.flow.track, model), te.trace_nonfinite):
        context: AbstractContextManager[Any] = watching()
        with context:
            refused("compile=False", model=model)
    quietly(
        model,
        (X, Y),
        te.nn.losses.mse,
        optim.SGD(model.parameters(), lr=0.1),
        epochs=1,
        callbacks=te.flow.Tracker(),
        compile=False,
    )


def test_random_numbers_that_a_program_would_repeat_are_refused() -> None:
    class Drawing(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(2, 1, seed=0)
            self.generator = np.random.default_rng(0)

        def forward(self, x: Any) -> Any:
            return self.inner(x + self.generator.standard_normal(np.shape(x)))

    model = Drawing()
    with pytest.raises(TracingError, match=r"te\.random\(.*, or write compile=False"):
        quietly(
            model,
            (X, Y),
            te.nn.losses.mse,
            optim.SGD(model.parameters(), lr=0.1),
            epochs=5,
            compile=True,
        )


def test_the_line_that_needs_a_number_is_named() -> None:
    def loss(prediction: Any, target: Any) -> Any:
        error = te.nn.losses.mse(prediction, target)
        return error * float(error.detach())

    model = MODELS["tanh"](0)
    with pytest.raises(TracingError, match=r"test_compiled\.py:\d+: return error \* float"):
        quietly(model, (X, Y), loss, optim.SGD(model.parameters(), lr=0.1), epochs=3, compile=True)


def test_no_word_of_the_smaller_last_batch() -> None:
    model = MODELS["tanh"](0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecordingWarning)
        history = quietly(
            model,
            (X, Y),
            te.nn.losses.mse,
            optim.SGD(model.parameters(), lr=0.1),
            epochs=3,
            batch_size=5,
            compile=True,
        )
    assert len(history) == 3
