"""What is measured beside δ and ∇W, each against plain NumPy, and the tracker of a training."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.errors import NonFiniteError, OperandError, UnknownNameError
from tinygrad_edu.nn.losses import bce_with_logits, cross_entropy, mse

Array = np.ndarray[Any, np.dtype[Any]]


def data(rows: int = 24, seed: int = 0) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3))
    return x, x[:, :1] * x[:, 1:2] + 0.1 * random.normal(size=(rows, 1))


def trained(
    model: Any, batch: int | None = None, epochs: int = 6, every: int = 2, **options: Any
) -> te.flow.Flow:
    tracker = te.flow.Tracker(every=every)
    te.train.fit(
        model,
        data(),
        mse,
        te.optim.SGD(model.parameters(), lr=0.05),
        epochs=epochs,
        batch_size=batch,
        callbacks=[tracker],
        progress=False,
        **options,
    )
    return tracker.flow


def same(first: te.flow.Flow, second: te.flow.Flow) -> None:
    assert first.series.keys() == second.series.keys()
    for quantity in first.series:
        np.testing.assert_array_equal(first[quantity], second[quantity], err_msg=quantity)
    np.testing.assert_array_equal(first.losses, second.losses)
    np.testing.assert_array_equal(first.guessing, second.guessing)
    assert first.samples.keys() == second.samples.keys()


def test_a_tracker_hears_what_track_hears() -> None:
    model = te.nn.MLP([3, 5, 1], "tanh")
    with te.flow.track(model, every=2) as around:
        flow = trained(model, batch=8)
    same(flow, around)
    assert flow.epochs == [3, 6, 9, 12, 15, 18]


def test_losses_are_those_of_the_history() -> None:
    model = te.nn.MLP([3, 5, 1], "tanh")
    tracker = te.flow.Tracker()
    optimizer = te.optim.SGD(model.parameters(), lr=0.05)
    history = te.train.fit(
        model, data(), mse, optimizer, epochs=4, callbacks=[tracker], progress=False
    )
    assert tracker.flow.losses == history.losses


@pytest.mark.parametrize("batch", [None, 8])
def test_a_resumed_training_is_measured_as_one_that_never_stopped(
    tmp_path: Path, batch: int | None
) -> None:
    whole = trained(te.nn.MLP([3, 5, 4, 1], "relu"), batch)
    file = tmp_path / "training.npz"
    trained(te.nn.MLP([3, 5, 4, 1], "relu"), batch, epochs=3, checkpoint=file)
    resumed = trained(te.nn.MLP([3, 5, 4, 1], "relu"), batch, checkpoint=file, resume=True)
    same(whole, resumed)
    assert whole.epochs == resumed.epochs
    assert whole.sigma_w2 == resumed.sigma_w2


def test_a_tracker_without_a_training_says_so() -> None:
    with pytest.raises(OperandError, match=r"callbacks=\[tracker\]"):
        te.flow.Tracker().flow  # noqa: B018


def test_a_training_that_ends_in_an_error_is_measured_to_its_end() -> None:
    model = te.nn.MLP([3, 5, 1], "tanh")
    tracker = te.flow.Tracker()
    optimizer = te.optim.SGD(model.parameters(), lr=1e200)
    with pytest.raises(NonFiniteError), np.errstate(all="ignore"):
        te.train.fit(model, data(), mse, optimizer, epochs=9, callbacks=[tracker], progress=False)
    assert math.isfinite(tracker.flow.losses[0])
    assert not math.isfinite(tracker.flow.losses[-1])


def test_weights_that_are_not_finite_raise_no_warning() -> None:
    x, y = data()
    model: Any = te.nn.MLP([3, 5, 1], "relu")
    optimizer = te.optim.SGD(model.parameters(), lr=1e200)
    with te.flow.track(model, every=1) as flow:
        for _ in range(4):
            with np.errstate(all="ignore"):
                optimizer.zero_grad()
                mse(model(x), y).backward()
                optimizer.step()
    assert len(flow) == 4
    assert not np.isfinite(flow.losses).all()


# ---- what guessing costs ----


@pytest.mark.parametrize("level", [3.0, 0.0])
def test_guessing_is_the_loss_of_the_mean_answer_or_of_none(level: float) -> None:
    x, y = data()
    y = y + level
    model: Any = te.nn.MLP([3, 5, 1], "tanh")
    model.layers[-1].bias.data = np.array([2.0])
    with te.flow.track(model) as flow:
        mse(model(x), y).backward()
    costs = [np.mean((answer - y) ** 2) for answer in (np.mean(model(x).data), 0.0)]
    assert (costs[0] < costs[1]) == bool(level)
    assert flow.guessing == [pytest.approx(min(costs), rel=1e-12)]


def test_guessing_of_probabilities_and_of_classes() -> None:
    x, y = data()
    two = te.nn.MLP([3, 5, 1], "tanh", "sigmoid")
    sides = np.asarray(y > 0, float)
    with te.flow.track(two) as flow:
        te.nn.losses.bce(two(x), sides).backward()
    z = np.mean(te.nn.Sequential(*two.layers[:1], "tanh", two.layers[1])(x).data)
    share = np.mean(sides)
    expected = share * np.log1p(np.exp(-z)) + (1 - share) * np.log1p(np.exp(z))
    assert flow.guessing == [pytest.approx(min(expected, np.log(2)), rel=1e-12)]

    many = te.nn.MLP([3, 5, 4], "tanh")
    classes = np.arange(24) % 4
    with te.flow.track(many) as flow:
        (cross_entropy(many(x), classes) * 2).backward()
    z = np.mean(many(x).data, axis=0)
    expected = 2 * (np.log(np.sum(np.exp(z))) - np.mean(z[classes]))
    assert flow.guessing == [pytest.approx(min(expected, 2 * np.log(4)), rel=1e-12)]


def test_guessing_cannot_be_told_from_one_row() -> None:
    x, y = data(1)
    model = te.nn.MLP([3, 5, 1], "tanh")
    with te.flow.track(model) as flow:
        mse(model(x), y).backward()
    assert np.isnan(flow.guessing).all()


def test_other_nodes_keep_their_numbers_when_guessing_is_worked_out() -> None:
    x, y = data()
    model = te.nn.MLP([3, 5, 1], "tanh")
    with te.flow.track(model) as flow:
        (mse(model(x), y) + 3 * te.nn.losses.l2(model)).backward()
    penalty = 3 * sum(np.sum(layer.weight.data**2) for layer in model.layers)
    costs = [np.mean((answer - y) ** 2) for answer in (np.mean(model(x).data), 0.0)]
    assert flow.guessing == [pytest.approx(min(costs) + penalty, rel=1e-12)]


# ---- quantities of every tenth pass ----


def test_activations_are_described_as_numpy_describes_them() -> None:
    x, y = data()
    model: Any = te.nn.MLP([3, 40, 1], "tanh", init="normal")
    with te.flow.track(model) as flow:
        mse(model(x), y).backward()
    h = np.tanh(x @ model.layers[0].weight.data)
    found = {name: flow.last(name)["layers.0"] for name in flow.series}
    assert found["activation_mean"] == pytest.approx(np.mean(h), rel=1e-12)
    assert found["activation_std"] == pytest.approx(np.std(h), rel=1e-12)
    assert found["saturated"] == np.mean(1 - h**2 < 0.05)
    assert 0 < found["saturated"] < 1
    assert found["dead"] == 0
    last = model.layers[1].weight.data
    delta = 2 * (h @ last + model.layers[1].bias.data - y) / y.size
    gradient = delta @ last.T
    assert found["activation_gradient"] == pytest.approx(math.sqrt(np.mean(gradient**2)), rel=1e-12)
    passed = gradient * (1 - h**2)
    assert found["delta_mean"] == pytest.approx(np.mean(passed), rel=1e-10)
    assert found["delta_max"] == pytest.approx(np.max(np.abs(passed)), rel=1e-12)
    assert flow.activations == {"layers.0": "tanh"}


def test_units_without_output_for_any_sample_are_dead() -> None:
    model: Any = te.nn.MLP([3, 8, 1], "relu")
    model.layers[0].bias.data = np.array([-100.0] * 2 + [0.0] * 6)
    flow = trained(model, every=1, epochs=12)
    assert flow.last("dead")["layers.0"] == 0.25
    # Half of the entries are 0 in a healthy layer, and its units live.
    assert flow.last("activation_mean")["layers.0"] > 0


def test_a_unit_is_dead_only_if_it_was_so_in_the_last_ten_looks() -> None:
    model = te.nn.Sequential(te.nn.Linear(1, 2), "relu", te.nn.Linear(2, 1))
    first: Any = model[0]
    first.weight.data = np.array([[1.0, -1.0]])
    shares = []
    with te.flow.track(model, every=1) as flow:
        for step in range(24):
            # Before step 12 each unit is awake in turn, then only the first.
            side = 1.0 if step >= 12 or step % 2 else -1.0
            mse(model(np.array([[side], [side]])), np.zeros((2, 1))).backward()
            shares.append(flow["dead"][-1, 0])
    assert shares[1:19] == [0.0] * 18
    assert shares[-1] == 0.5


def test_the_update_is_that_of_the_step_behind_the_pass() -> None:
    x, y = data()
    model = te.nn.MLP([3, 5, 1], "tanh")
    optimizer = te.optim.SGD(model.parameters(), lr=0.1)
    wanted = []
    with te.flow.track(model, every=2) as flow:
        for _ in range(4):
            optimizer.zero_grad()
            mse(model(x), y).backward()
            weight = model.layers[0].weight
            before = weight.data.copy()
            wanted.append(0.1 * np.linalg.norm(weight.grad) / np.linalg.norm(before))
            optimizer.step()
    found = flow["update"][:, 0]
    assert found[[0, 2]] == pytest.approx([wanted[0], wanted[2]], rel=1e-9)
    assert np.isnan(found[[1, 3]]).all()


def test_signal_to_noise_is_that_of_the_batches_since_the_last_look() -> None:
    x, y = data()
    model = te.nn.MLP([3, 5, 1], "tanh")
    seen = []
    with te.flow.track(model, every=3) as flow:
        for step in range(7):
            rows = slice(3 * step, 3 * step + 3)
            model.zero_grad()
            mse(model(x[rows]), y[rows]).backward()
            seen.append(np.array(model.layers[0].weight.grad))
    batch = np.array(seen[4:7])
    noise = math.sqrt(np.mean(np.var(batch, axis=0)))
    signal = math.sqrt(np.mean(np.mean(batch, axis=0) ** 2))
    assert flow["signal_to_noise"][6, 0] == pytest.approx(signal / noise, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_units_that_are_copies_of_each_other_are_found(dtype: Any) -> None:
    x, y = data()
    x, y = x.astype(dtype), y.astype(dtype)
    model: Any = te.nn.MLP([3, 40, 1], "tanh", dtype=dtype)
    with te.flow.track(model, every=1) as flow:
        mse(model(x), y).backward()
        first, last = model.layers
        weights, outward = first.weight.data.copy(), last.weight.data.copy()
        weights[:, 7] = weights[:, 30] = weights[:, 31]
        outward[7] = outward[30] = outward[31]
        first.weight.data, last.weight.data = weights, outward
        mse(model(x), y).backward()
        first.weight.data = np.full_like(weights, 0.3)
        last.weight.data = np.full_like(outward, 0.3)
        mse(model(x), y).backward()
    assert flow["symmetric"][:, 0].tolist() == pytest.approx([0.0, 3 / 40, 1.0])


def test_variances_of_the_weights_are_those_at_the_start() -> None:
    model = te.nn.MLP([3, 5, 1], "tanh")
    first = 3 * np.mean(model.layers[0].weight.data ** 2)
    flow = trained(model)
    assert flow.sigma_w2["layers.0"] == pytest.approx(first, rel=1e-12)
    assert flow.fans == {"layers.0": (3, 5), "layers.1": (5, 1)}


def test_a_recurrent_layer_shows_each_of_its_steps() -> None:
    random = np.random.default_rng(0)
    model = te.nn.Sequential(te.nn.RNN(2, 6), lambda both: both[1], te.nn.Linear(6, 1))
    x, y = random.normal(size=(8, 5, 2)), random.normal(size=(8, 1))
    with te.flow.track(model) as flow:
        mse(model(x), y).backward()
    ((times,),) = flow.over_time.values()
    assert len(times) == 5
    rnn: Any = model[0]
    h = [np.zeros((8, 6))]
    for step in range(5):
        z = x[:, step] @ rnn.weight.data + h[-1] @ rnn.recurrent_weight.data + rnn.bias.data
        h.append(np.tanh(z))
    last: Any = model[2]
    above = 2 * (h[-1] @ last.weight.data + last.bias.data - y) / 8 @ last.weight.data.T
    for step, found in zip(reversed(range(5)), times, strict=True):
        delta = above * (1 - h[step + 1] ** 2)
        assert found == pytest.approx(math.sqrt(np.mean(delta**2)), rel=1e-9)
        above = delta @ rnn.recurrent_weight.data.T
    together = math.sqrt(np.mean(np.square(times)))
    assert flow.delta["layers.0"] == [pytest.approx(together, rel=1e-12)]


# ---- as text ----


def test_the_table_has_a_row_for_each_layer_in_both_languages() -> None:
    model = te.nn.MLP([3, 5, 1], "tanh")
    flow = trained(model)
    for lang in ("en", "ja"):
        lines = flow.table(lang).splitlines()
        assert sum(line.startswith("layers.") for line in lines) == 2
    assert f"{flow.delta['layers.0'][-1]:.2e}" in flow.table()
    assert "<td>layers.1</td>" in flow._repr_html_()
    with pytest.raises(UnknownNameError, match="ja"):
        flow.table("de")


def test_tidy_rows_hold_every_number_once() -> None:
    flow = trained(te.nn.MLP([3, 5, 1], "tanh"))
    tidy = flow.to_dict()
    assert len(set(map(len, tidy.values()))) == 1
    measured = sum(int(np.sum(~np.isnan(flow[quantity]))) for quantity in flow.series)
    assert len(tidy["value"]) == measured
    place = tidy["quantity"].index("update")
    step, layer = tidy["step"][place], tidy["layer"][place]
    assert tidy["value"][place] == flow.series["update"][layer][step]


def test_a_quantity_that_does_not_exist_is_refused() -> None:
    flow = trained(te.nn.MLP([3, 5, 1], "tanh"))
    with pytest.raises(UnknownNameError, match="saturated"):
        flow["saturation"]
    with pytest.raises(UnknownNameError, match="saturated"):
        flow.last("saturation")


def test_a_tracker_may_stand_for_what_it_has_measured() -> None:
    tracker = te.flow.Tracker()
    model = te.nn.MLP([3, 5, 5, 1], "tanh")
    optimizer = te.optim.SGD(model.parameters(), lr=0.05)
    te.train.fit(model, data(), mse, optimizer, epochs=3, callbacks=[tracker], progress=False)
    assert str(te.flow.diagnose(tracker)) == str(te.flow.diagnose(tracker.flow))
    assert len(te.draw.flow(tracker).axes) == len(te.draw.flow(tracker.flow).axes)


LIBRARY: Any = te.flow  # what a type checker would have found


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        (lambda: LIBRARY.track(5), "takes a model"),
        (lambda: LIBRARY.theory(3), "takes a model"),
        (lambda: LIBRARY.Tracker(every=0), "every"),
        (lambda: LIBRARY.theory(te.nn.MLP([2, 3, 1]), x=np.full((4, 2), np.nan)), "not finite"),
        (lambda: LIBRARY.try_remedies(te.nn.MLP([2, 1]), data(), mse, adam), "lambda seed"),
        (lambda: LIBRARY.try_remedies(lambda seed: None, data(), mse, 3), "lambda p"),
        (
            lambda: LIBRARY.try_remedies(
                lambda seed: te.nn.MLP([3, 1]), data(), mse, adam, remedies=[], progress=False
            ),
            "empty list",
        ),
        (lambda: LIBRARY.sweep(str, {"object": [1]}, executor=threads(), progress=False), "dict"),
    ],
)
def test_likely_slips_are_answered(slip: Any, message: str) -> None:
    with pytest.raises(OperandError, match=message):
        slip()


def adam(parameters: list[te.Value]) -> te.optim.Optimizer:
    return te.optim.Adam(parameters)


def threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def test_every_block_of_a_residual_model_has_its_activation_measured() -> None:
    def block() -> te.nn.Module:
        inner = te.nn.Sequential(te.nn.BatchNorm(6), "relu", te.nn.Linear(6, 6))
        return te.nn.Residual(inner)

    model = te.nn.Sequential(
        te.nn.Linear(3, 6), *(block() for _ in range(4)), "relu", te.nn.Linear(6, 1)
    )
    x, y = data()
    with te.flow.track(model) as flow:
        mse(model(x), y).backward()
    measured = flow.last("activation_std")
    assert [name for name in flow.layers[:-1] if np.isnan(measured[name])] == []


def test_learning_is_not_changed_by_being_measured() -> None:
    plain, measured = te.nn.MLP([3, 5, 1], "relu"), te.nn.MLP([3, 5, 1], "relu")
    trained(measured, batch=8)
    te.train.fit(
        plain,
        data(),
        mse,
        te.optim.SGD(plain.parameters(), lr=0.05),
        epochs=6,
        batch_size=8,
        progress=False,
    )
    for one, other in zip(plain.parameters(), measured.parameters(), strict=True):
        np.testing.assert_array_equal(one.data, other.data)


def test_a_model_that_learns_leaves_guessing_behind() -> None:
    x = np.linspace(-1, 1, 32)[:, None]
    y = np.asarray(x > 0, float)
    model = te.nn.MLP([1, 4, 1], "tanh")
    optimizer = te.optim.Adam(model.parameters(), lr=0.1)
    with te.flow.track(model) as flow:
        for _ in range(101):
            optimizer.zero_grad()
            bce_with_logits(model(x), y).backward()
            optimizer.step()
    assert flow.losses[-1] < 0.2 < math.log(2) * 0.9 < flow.guessing[-1]
