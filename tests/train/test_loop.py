"""`fit` is the loop that one would write by hand, and says where it breaks."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as te
from tinygrad_edu.errors import (
    NonFiniteError,
    NotTrackedError,
    OperandError,
    ShapeError,
    UnknownNameError,
)
from tinygrad_edu.terminal import Terminal

quietly = partial(te.train.fit, progress=False)
X, Y = te.data.moons(50, seed=1)


def network(seed: int = 0) -> te.nn.MLP:
    return te.nn.MLP([2, 6, 1], "tanh", seed=seed)


class Noisy(te.nn.Module):
    """A network that draws numbers and keeps a statistic while it learns."""

    def __init__(self, seed: int = 0) -> None:
        self.inner = network(seed)
        self.generator = np.random.default_rng(seed)
        self.calls = te.Value(0.0, requires_grad=False)

    def forward(self, x: Any) -> Any:
        if self.training:
            self.calls.data = self.calls.data + 1
            x = x + 0.1 * self.generator.standard_normal(np.shape(x))
        return self.inner(x)


def same_weights(one: te.nn.Module, other: te.nn.Module) -> None:
    """Assert that two models agree bit for bit."""
    left, right = one.state_dict(), other.state_dict()
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert array.tobytes() == right[name].tobytes(), name


@pytest.mark.parametrize("batch_size", [None, 16, 50, 64])
def test_it_is_the_loop_one_writes_by_hand(batch_size: int | None) -> None:
    model, by_hand = network(), network()
    history = quietly(
        model,
        (X, Y),
        te.nn.losses.mse,
        te.optim.SGD(model.parameters(), lr=0.1),
        epochs=3,
        batch_size=batch_size,
        seed=7,
    )
    optimizer, shuffle = te.optim.SGD(by_hand.parameters(), lr=0.1), np.random.default_rng(7)
    for epoch in range(3):
        total = 0.0
        if batch_size is None:
            parts: Sequence[Any] = [(X, Y)]
        else:
            parts = list(te.data.batches(X, Y, batch_size, seed=shuffle))
        for x, y in parts:
            loss = te.nn.losses.mse(by_hand(x), y)
            total += loss.item() * len(x) / len(X)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert history.losses[epoch] == pytest.approx(total, rel=1e-14)
    same_weights(model, by_hand)
    assert history.columns() == ["loss", "lr", "seconds"]
    assert history["lr"] == [0.1] * 3
    assert not model.training, "ready to predict"


@given(size=st.integers(1, 25), groups=st.integers(1, 4))
def test_accumulated_batches_make_the_step_of_one_large_batch(size: int, groups: int) -> None:
    found = []
    for batch_size, accumulate in ((size, groups), (size * groups, 1)):
        model = network()
        optimizer = te.optim.SGD(model.parameters(), lr=0.5)
        quietly(
            model,
            (X, Y),
            te.nn.losses.mse,
            optimizer,
            epochs=2,
            batch_size=batch_size,
            accumulate=accumulate,
        )
        found.append(model.state_dict())
    for name, array in found[0].items():
        np.testing.assert_allclose(array, found[1][name], rtol=1e-9, atol=1e-12)


def test_validation_and_metrics_are_columns_and_change_nothing() -> None:
    model, plain = Noisy(), Noisy()
    sides = partial(te.train.binary_accuracy, threshold=0)
    optimizers = [te.optim.Adam(each.parameters()) for each in (model, plain)]
    loss = te.nn.losses.bce_with_logits
    modes = []

    def watched(prediction: Any, target: Any) -> float:
        modes.append(model.training)
        return float(sides(prediction, target))

    history = quietly(
        model,
        (X, Y),
        loss,
        optimizers[0],
        epochs=2,
        batch_size=25,
        validation=te.data.moons(30, seed=9),
        metrics={"accuracy": watched},
    )
    quietly(plain, (X, Y), loss, optimizers[1], epochs=2, batch_size=25)
    assert modes == [True, True, False, False] * 2
    same_weights(model, plain)
    assert history.columns() == [
        *("loss", "accuracy", "validation_loss", "validation_accuracy", "lr", "seconds")
    ]
    x, y = te.data.moons(30, seed=9)
    with te.no_grad():
        logits = model(x).data
    truth = np.mean(np.logaddexp(0, (1 - 2 * y) * logits))
    assert history["validation_loss"][-1] == pytest.approx(truth, rel=1e-12)
    assert history["validation_accuracy"][-1] == pytest.approx(np.mean((logits > 0) == (y > 0.5)))


def test_evaluate_is_the_mean_over_all_rows_and_keeps_modes() -> None:
    model = Noisy()
    model.inner.eval()
    model.training = True
    found = te.train.evaluate(model, (X, Y), te.nn.losses.mse, batch_size=7)
    assert found["loss"] == pytest.approx(np.mean((model.inner(X).data - Y) ** 2), rel=1e-12)
    assert (model.training, model.inner.training) == (True, False)
    assert model.calls.item() == 0
    named = te.train.evaluate(
        model, (X, Y), te.nn.losses.mse, metrics=[partial(te.train.binary_accuracy, threshold=0)]
    )
    assert named.keys() == {"loss", "binary_accuracy"}


def test_a_schedule_is_asked_before_every_step() -> None:
    asked: list[tuple[float, int]] = []

    def halves(epoch: float, losses: Sequence[float]) -> float:
        asked.append((epoch, len(losses)))
        return float(0.5**epoch)

    model = network()
    optimizer = te.optim.SGD(model.parameters(), lr=0.2)
    history = quietly(
        model, (X, Y), te.nn.losses.mse, optimizer, epochs=2, batch_size=25, schedule=halves
    )
    assert asked == [(0, 0), (0.5, 0), (1, 1), (1.5, 1)]
    assert history["lr"] == pytest.approx([0.2 * 0.5**0.5, 0.2 * 0.5**1.5])


@pytest.mark.parametrize("clip", ["clip_norm", "clip_value"])
def test_gradients_are_clipped(clip: str) -> None:
    model = network()
    start = model.state_dict()
    optimizer = te.optim.SGD(model.parameters(), lr=1.0)
    bound: dict[str, Any] = {clip: 0.01}
    quietly(model, (X, 100 * Y), te.nn.losses.mse, optimizer, epochs=1, **bound)
    moved = np.concatenate(
        [np.ravel(array - start[name]) for name, array in model.state_dict().items()]
    )
    size = np.linalg.norm(moved) if clip == "clip_norm" else np.max(np.abs(moved))
    assert size == pytest.approx(0.01, rel=1e-5)


def test_several_inputs_and_callbacks() -> None:
    class Sum(te.nn.Module):
        def __init__(self) -> None:
            self.weight = te.Value(np.ones((2, 1)))

        def forward(self, left: Any, right: Any) -> Any:
            return (left + right) @ self.weight

    model = Sum()
    seen: list[tuple[int, float]] = []

    def watch(run: te.train.Run) -> None:
        seen.append((run.epoch, run.history["loss"][-1]))
        if run.epoch == 3:
            run.stop("three are enough")

    history = quietly(
        model,
        ((X, X), Y),
        te.nn.losses.mse,
        te.optim.SGD(model.parameters(), lr=0.01),
        epochs=9,
        batch_size=20,
        callbacks=[watch],
    )
    assert seen == list(enumerate(history.losses, 1))
    assert len(history) == 3
    assert history.stopped == "three are enough"


def test_early_stopping_gives_back_the_best_weights() -> None:
    """The loss of the epochs is given, so that the third is the best."""
    given_losses = iter([3.0, 2.0, 1.0, 2.0, 1.0, 0.999, 9.0])
    model = network()
    states: list[dict[str, Any]] = []

    def keep(run: te.train.Run) -> None:
        states.append(run.model.state_dict())
        run.history["loss"][-1] = next(given_losses)

    stopping = te.train.EarlyStopping(patience=3, least=0.01)
    history = quietly(
        model,
        (X, Y),
        te.nn.losses.mse,
        te.optim.SGD(model.parameters(), lr=0.1),
        epochs=20,
        callbacks=[keep, stopping],
    )
    assert len(history) == 6
    assert "loss has not improved for 3 epochs; the best was 1 in epoch 3" in history.stopped
    for name, array in model.state_dict().items():
        assert array.tobytes() == states[2][name].tobytes()


def test_early_stopping_watches_what_it_is_told_to() -> None:
    model = network()
    stopping = te.train.EarlyStopping(2, monitor="right", restore=False)
    history = quietly(
        model,
        (X, Y),
        te.nn.losses.mse,
        te.optim.SGD(model.parameters(), lr=0.1),
        epochs=20,
        callbacks=[stopping],
        metrics={"right": lambda prediction, target: 1.0},
    )
    assert len(history) == 3
    assert "the best was 1 in epoch 1" in history.stopped
    with pytest.raises(UnknownNameError, match="accuracy"):
        quietly(
            model,
            (X, Y),
            te.nn.losses.mse,
            te.optim.SGD(model.parameters(), lr=0.1),
            epochs=2,
            callbacks=[te.train.EarlyStopping(monitor="accuracy")],
        )
    with pytest.raises(OperandError, match="patience"):
        te.train.EarlyStopping(0)
    with pytest.raises(OperandError, match="least"):
        te.train.EarlyStopping(least=-1)


# ---- going on ----


def noisy_training(model: te.nn.Module, epochs: int, file: Any, resume: bool = False) -> Any:
    return quietly(
        model,
        (X, Y),
        te.nn.losses.mse,
        te.optim.Adam(model.parameters(), lr=0.01),
        epochs=epochs,
        batch_size=20,
        validation=(X, Y),
        callbacks=[te.train.EarlyStopping(patience=4)],
        checkpoint=file,
        resume=resume,
    )


@settings(max_examples=5)
@given(first=st.integers(1, 5))
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_resumed_training_is_the_uninterrupted_one(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, first: int
) -> None:
    file = tmp_path_factory.mktemp("resume") / f"a{suffix}"
    whole, before, after = Noisy(), Noisy(), Noisy(seed=3)
    history = noisy_training(whole, 6, None)
    noisy_training(before, first, file, resume=True)  # there is no file yet
    resumed = noisy_training(after, 6, file, resume=True)
    same_weights(whole, after)
    assert whole.generator.bit_generator.state == after.generator.bit_generator.state
    for name in set(history) - {"seconds"}:
        assert resumed[name] == history[name]
    loaded = Noisy(seed=5)
    te.train.load(loaded, file)
    assert loaded.calls.item() == 18, "the last epoch's, not the best one's"


def test_a_checkpoint_of_another_training_is_refused_and_kept(tmp_path: Any) -> None:
    file = tmp_path / "a.npz"
    noisy_training(Noisy(), 2, file)
    held = file.read_bytes()
    model = Noisy(seed=1)
    start = model.state_dict()
    differences = r"with lr=0.01 \(now 0.001\), batch_size=20 \(now 10\), seed=0 \(now 4\);"
    with pytest.raises(OperandError, match=differences):
        quietly(
            model,
            (X, Y),
            te.nn.losses.mse,
            te.optim.Adam(model.parameters()),
            epochs=3,
            batch_size=10,
            seed=4,
            validation=(X, Y),
            callbacks=[te.train.EarlyStopping(patience=4)],
            checkpoint=file,
            resume=True,
        )
    assert file.read_bytes() == held
    for name, array in model.state_dict().items():
        assert array.tobytes() == start[name].tobytes()


class Scaled(te.train.Callback):
    """A callback that remembers nothing, but is there."""


OTHER_TRAININGS: dict[str, dict[str, Any]] = {
    "model": {"model": lambda: te.nn.MLP([2, 6, 1], "relu")},
    "generators": {"model": Noisy},
    "data": {"data": (2 * X, Y)},
    "loss": {"loss": te.nn.losses.mae},
    "rule": {"optimizer": te.optim.RMSprop},
    "decay": {"optimizer": partial(te.optim.Adam, weight_decay=0.1)},
    "schedule": {"schedule": te.optim.cosine(6)},
    "validation": {"validation": None},
    "metrics": {"metrics": [te.train.binary_accuracy]},
    "callbacks": {"callbacks": [Scaled()]},
    "clipping": {"clip_norm": 1.0},
    "accumulation": {"accumulate": 2},
    "fewer epochs": {"epochs": 1},
}


def small_training(file: Any, **changed: Any) -> Any:
    options: dict[str, Any] = {
        **{"data": (X, Y), "loss": te.nn.losses.mse, "epochs": 4, "batch_size": 10},
        **{"validation": (X, Y), "schedule": te.optim.cosine(4), **changed},
    }
    model = options.pop("model", network)()
    optimizer = options.pop("optimizer", te.optim.Adam)(model.parameters(), lr=0.01)
    data, loss = options.pop("data"), options.pop("loss")
    return quietly(model, data, loss, optimizer, checkpoint=file, resume=True, **options)


@pytest.mark.parametrize("name", OTHER_TRAININGS)
def test_another_training_does_not_go_on_from_a_file(tmp_path: Any, name: str) -> None:
    file = tmp_path / "a.npz"
    small_training(file)
    held = file.read_bytes()
    with pytest.raises(OperandError, match=r"was made with .*(\(now |other )|holds 4 epochs"):
        small_training(file, **OTHER_TRAININGS[name])
    assert file.read_bytes() == held
    assert len(small_training(file, callbacks=[lambda run: None])) == 4, "a function may come anew"


# ---- what is not finite ----


class Rooted(te.nn.Module):
    """Its slope is infinite where its weight is 0."""

    def __init__(self, weight: float) -> None:
        self.weight = te.Value(weight, name="weight")

    def forward(self, x: Any) -> Any:
        return np.sqrt(self.weight) * x


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (0.0, r"epoch 1, step 1 of 1: a gradient is not finite: the derivative of sqrt"),
        (-1.0, r"epoch 1, step 1 of 1: the loss is nan: sqrt of .* gave nan"),
    ],
)
def test_the_operation_that_bore_a_nan_is_named(weight: float, message: str) -> None:
    model = Rooted(weight)
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match=message) as caught:
        quietly(
            model,
            (X, X),
            te.nn.losses.mse,
            te.optim.SGD(model.parameters(), lr=0.1),
            epochs=2,
        )
    assert model.weight.item() == weight
    assert len(caught.value.history) == 0
    assert "test_loop.py" in str(caught.value), "the line"


def test_a_nan_leaves_the_last_good_checkpoint(tmp_path: Any) -> None:
    file = tmp_path / "a.npz"
    model = network()
    x = X.copy()

    def poison(run: te.train.Run) -> None:
        if run.epoch == 2:
            x[3, 1] = np.nan

    with pytest.raises(NonFiniteError, match=r"epoch 3, step 1 of 1.*in mlp\.layers\.0") as caught:
        quietly(
            model,
            (x, Y),
            te.nn.losses.mse,
            te.optim.SGD(model.parameters(), lr=0.1),
            epochs=5,
            callbacks=[poison],
            checkpoint=file,
        )
    assert "the data" in str(caught.value)
    assert caught.value.__notes__ == [
        f"The last good epoch is in {file}: te.train.load(model, path)."
    ]
    loaded = network(seed=1)
    te.train.load(loaded, file)
    same_weights(loaded, model)


def test_weights_that_a_step_has_made_infinite_are_named(tmp_path: Any) -> None:
    file = tmp_path / "a.npz"
    for checkpoint in (None, file):
        model = network()
        with (
            np.errstate(all="ignore"),
            pytest.raises(
                NonFiniteError, match=r"weight .*lower the learning rate|not finite after"
            ),
        ):
            quietly(
                model,
                (X, 1e200 * Y),
                lambda prediction, y: (prediction * y).mean(),
                te.optim.SGD(model.parameters(), lr=1e200),
                epochs=5,
                checkpoint=checkpoint,
            )
    assert not file.exists()


# ---- what cannot be meant ----


def options(**changed: Any) -> Callable[[], Any]:
    def call() -> Any:
        model = changed.pop("model", None) or network()
        parameters = model.parameters() if isinstance(model, te.nn.Module) else [te.Value(1.0)]
        optimizer = changed.pop("optimizer", None) or te.optim.SGD(parameters)
        data, loss = changed.pop("data", (X, Y)), changed.pop("loss", te.nn.losses.mse)
        return quietly(model, data, loss, optimizer, **{"epochs": 1, **changed})

    return call


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"model": np.tanh}, OperandError, "fit trains a te.nn.Module"),
        ({"optimizer": "adam"}, OperandError, "te.optim.Adam"),
        ({"optimizer": te.optim.SGD([te.Value(1.0)])}, OperandError, "none of this model's"),
        ({"data": X}, ShapeError, r"\(x, y\)"),
        ({"data": (X, Y[:-1])}, ShapeError, "50, 2.*49, 1|49"),
        ({"data": (X[:0], Y[:0])}, ShapeError, "no rows"),
        ({"data": (X, 3.0)}, ShapeError, "number"),
        ({"loss": lambda p, y: (p - y) ** 2}, ShapeError, r'reduction="mean"'),
        ({"loss": lambda p, y: 0.5}, OperandError, "te.nn.losses"),
        ({"loss": lambda p, y: te.Value(0.5).detach()}, NotTrackedError, "does not depend"),
        ({"epochs": 0}, OperandError, "epochs"),
        ({"epochs": 2.5}, OperandError, "epochs"),
        ({"batch_size": 0}, OperandError, "batch_size"),
        ({"accumulate": 0}, OperandError, "accumulate"),
        ({"resume": True}, OperandError, "checkpoint="),
        ({"checkpoint": "weights.pt"}, ValueError, "npz"),
        ({"checkpoint": "/"}, OperandError, "a file in it"),
        ({"loss": "mse"}, OperandError, r"as te\.nn\.losses\.mse, not 'mse'"),
        ({"schedule": "cosine"}, OperandError, r"as te\.optim\.cosine\(epochs\)"),
        ({"schedule": te.optim.cosine}, OperandError, "the class cosine itself"),
        ({"metrics": ["accuracy"]}, OperandError, r"as te\.train\.accuracy"),
        ({"metrics": [np.mean, np.mean]}, OperandError, "the same name; give a dict"),
        ({"callbacks": [te.train.EarlyStopping]}, OperandError, r"EarlyStopping\(patience=5\)"),
        ({"callbacks": "stop"}, OperandError, "a callback must be a function"),
        ({"seed": "a"}, OperandError, "seed must be a whole number"),
        ({"clip_norm": 0}, OperandError, "clip_norm must be a positive number"),
        ({"validation": 0.2}, ShapeError, r"validation must be \(x, y\).*te\.data\.split"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        options(**changed)()


def test_one_callback_and_one_metric_need_no_list() -> None:
    model = network()
    history = quietly(
        model,
        (X, Y),
        te.nn.losses.mse,
        te.optim.SGD(model.parameters()),
        epochs=3,
        callbacks=te.train.EarlyStopping(1, monitor="still"),
        metrics={"still": lambda prediction, target: 0.0},
        progress=False,
    )
    assert len(history) == 2


# ---- what is shown ----


def test_a_pipe_gets_about_ten_lines() -> None:
    model = network()
    stream = io.StringIO()
    te.train.fit(
        model,
        (X, Y),
        te.nn.losses.mse,
        te.optim.SGD(model.parameters()),
        epochs=30,
        progress=Terminal(stream),
    )
    lines = stream.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1/30", *(f"{n}/30" for n in range(3, 31, 3))]
    assert all("loss 0." in line for line in lines)


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    model = network()
    optimizer = te.optim.SGD(model.parameters())
    te.train.fit(model, (X, Y), te.nn.losses.mse, optimizer, epochs=1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("epoch 1/1  loss ")
