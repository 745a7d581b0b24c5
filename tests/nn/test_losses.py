"""Losses: gradients by the verifier, what is averaged, what warns, and what is refused."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.nn.loss_truth import CASES, DIGITS, WEIGHTS, exact
from tinygrad_edu.errors import LossWarning, OperandError, ShapeError, UnknownNameError
from tinygrad_edu.nn import losses

Array = np.ndarray[Any, np.dtype[Any]]
# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value

# Those whose prediction and target have one shape, and a loss for each entry.
PAIRED: dict[str, Callable[..., Any]] = {
    "mse": losses.mse,
    "mae": losses.mae,
    "huber": losses.huber,
    "bce": losses.bce,
    "bce_with_logits": losses.bce_with_logits,
}
SHAPES = [(4, 1), (3,), (2, 3), ()]
SINGLE = 1e-6  # float32
paired = pytest.mark.parametrize("name", PAIRED)
each_case = pytest.mark.parametrize("name", CASES)
seeds = st.integers(0, 2**32 - 1)


def sample(shape: tuple[int, ...], seed: int = 0) -> tuple[Any, Any]:
    """Numbers that serve as probabilities, too, and away from ends and kinks."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 0.9, shape)[()], rng.uniform(0.1, 0.9, shape)[()]


def rows(name: str, count: int, seed: int = 0) -> tuple[Array, Array]:
    """`count` targets of a case, one below the other."""
    rng = np.random.default_rng(seed)
    drawn = [CASES[name].draw(rng, 1.0)]
    while len(drawn) < count:
        more = CASES[name].draw(rng, 1.0)
        if more[0].shape == drawn[0][0].shape:
            drawn.append(more)
    y, t = (np.array(each) for each in zip(*drawn, strict=True))
    if name == "bce":
        y = 0.1 + 0.8 * y
    return y, t


# Three random directions in `make test`; every entry by itself in `make thorough`.
each_mode = pytest.mark.parametrize(
    "mode", ["directions", pytest.param("entries", marks=pytest.mark.thorough)]
)
each_order = pytest.mark.parametrize("order", [1, 2])


@pytest.mark.parametrize(
    ("name", "order"),
    [
        # The second order of a variant is that of the plain loss, but for a factor.
        pytest.param(
            name, order, marks=[pytest.mark.thorough] if order == 2 and " " in name else []
        )
        for name in CASES
        for order in (1, 2)
    ],
)
@each_mode
def test_the_verifier_finds_the_gradients_right(name: str, order: int, mode: Any) -> None:
    y, t = rows(name, 2)
    if name == "bce":
        mode = "entries"  # random directions lead out of [0, 1]
    te.check.assert_gradients(lambda y: CASES[name].loss(y, t), y, order=order, mode=mode)


@pytest.mark.parametrize("name", [*PAIRED, "cross_entropy", "kl_divergence"])
@each_order
@each_mode
def test_the_verifier_finds_the_gradients_of_targets_right(
    name: str, order: int, mode: Any
) -> None:
    y, t = sample((2, 2), 1)
    if name == "kl_divergence":
        y = -y
    if name == "bce":
        mode = "entries"
    te.check.assert_gradients(getattr(losses, name), y, t, order=order, mode=mode)


@pytest.mark.parametrize(
    "loss",
    [
        losses.cross_entropy,
        losses.hinge,
        lambda z, t: losses.cross_entropy(z, t, label_smoothing=0.1) + 0.01 * losses.l2(z),
    ],
)
@each_mode
def test_the_verifier_finds_a_models_gradients_right(loss: Any, mode: Any) -> None:
    x, labels = te.data.blobs(6, spread=2.0)
    report = te.check.model(te.nn.MLP([2, 4, 3], "tanh"), loss, x, labels, mode=mode)
    assert report.ok, report.table()


@each_case
@given(count=st.integers(1, 6), seed=seeds)
def test_what_is_averaged_are_the_losses_of_the_targets(name: str, count: int, seed: int) -> None:
    y, t = rows(name, count, seed)
    loss = CASES[name].loss
    each = loss(Value(y), t, reduction="none")
    per_entry = name.split()[0] in (*PAIRED, "hinge") and "classes" not in name
    assert each.shape == ((count, 1) if per_entry else (count,))
    wanted = []
    with mp.workdps(DIGITS):
        for prediction, target in zip(y, t, strict=True):
            truth = CASES[name].truth([exact(p) for p in prediction], target)
            wanted.append(float(truth.value))

    def near(number: float) -> Any:
        return pytest.approx(number, rel=1e-13, abs=1e-14)

    assert list(each.data.ravel()) == [near(w) for w in wanted]
    assert loss(Value(y), t, reduction="sum").item() == near(sum(wanted))
    weights = WEIGHTS[t].sum() if "weights" in name and t.dtype.kind == "i" else count
    mean = loss(Value(y), t)
    assert mean.item() == near(sum(wanted) / weights)
    assert mean.shape == ()
    assert mean.item() == loss(Value(y), t, reduction="mean").item()


@each_case
def test_rows_may_have_more_axes(name: str) -> None:
    y, t = rows(name, 6)
    loss = CASES[name].loss
    flat = loss(Value(y), t, reduction="none").data
    folded = loss(
        Value(y.reshape(2, 3, *y.shape[1:])), t.reshape(2, 3, *t.shape[1:]), reduction="none"
    )
    np.testing.assert_array_equal(folded.data, flat.reshape(2, 3, *flat.shape[1:]))
    if name.startswith(("cross", "kl")) or "classes" in name:
        single = loss(Value(y[0]), t[0], reduction="none")
        assert single.shape == ()
        assert single.item() == pytest.approx(flat[0], rel=1e-15)


@each_case
def test_float32_goes_in_and_out(name: str) -> None:
    y, t = rows(name, 5)
    single = t.astype(np.float32) if t.dtype.kind == "f" else t
    for reduction in ("mean", "sum", "none"):
        leaf, double = Value(y.astype(np.float32)), Value(y)
        got = CASES[name].loss(leaf, single, reduction=reduction)
        wanted = CASES[name].loss(double, t, reduction=reduction)
        got.sum().backward()
        wanted.sum().backward()
        assert got.dtype == leaf.grad.dtype == np.float32
        np.testing.assert_allclose(got.data, wanted.data, rtol=10 * SINGLE, atol=SINGLE)
        np.testing.assert_allclose(leaf.grad, double.grad, rtol=20 * SINGLE, atol=SINGLE)


@each_case
def test_plain_numbers_have_a_loss_too(name: str) -> None:
    y, t = rows(name, 3)
    loss = CASES[name].loss
    for plain in (y, y.tolist()):
        got = loss(plain, t.tolist())
        assert isinstance(got, te.Value)
        assert not got.requires_grad
        assert got.item() == loss(Value(y), t).item()


@each_case
@pytest.mark.parametrize("reduction", ["avg", "batchmean", "Mean", None, True])
def test_another_reduction_is_refused(name: str, reduction: Any) -> None:
    y, t = rows(name, 3)
    with pytest.raises(UnknownNameError, match=f"no reduction {reduction!r}; write .mean"):
        CASES[name].loss(Value(y), t, reduction=reduction)


@pytest.mark.parametrize("shape", SHAPES)
def test_mse_is_one_record_with_the_slope_of_a_mean(shape: tuple[int, ...]) -> None:
    prediction, target = sample(shape)
    p, t = Value(prediction), Value(target)
    loss = losses.mse(p, t)
    assert loss.op is te.OPERATIONS["mse"]
    loss.backward()
    np.testing.assert_allclose(p.grad, 2 * (prediction - target) / p.size, rtol=1e-14)
    np.testing.assert_allclose(t.grad, -p.grad, rtol=1e-14)


@paired
@given(
    shape=st.lists(st.integers(1, 4), max_size=3).map(tuple),
    other=st.lists(st.integers(1, 4), max_size=3).map(tuple),
)
def test_shapes_that_differ_are_refused_and_others_are_not(
    name: str, shape: tuple[int, ...], other: tuple[int, ...]
) -> None:
    # (4, 1) against (4,) would average over all sixteen pairs, without a word.
    loss = PAIRED[name]
    assert loss(Value(np.full(shape, 0.5)), np.full(shape, 0.5)).shape == ()
    if shape == other:
        return
    for wrong in (np.full(other, 0.5)[()], Value(np.full(other, 0.5))):
        with pytest.raises(ShapeError) as caught:
            loss(Value(np.full(shape, 0.5)), wrong)
        assert f"has shape {shape} and the target {other}" in str(caught.value)
        same_size = math.prod(shape) == math.prod(other)
        hint = f"target.reshape{shape}" if same_size else "one target per prediction"
        assert hint in str(caught.value)


@paired
def test_nothing_has_no_loss(name: str) -> None:
    with pytest.raises(ShapeError, match="there is no loss of nothing"):
        PAIRED[name](Value(np.ones((0, 3))), np.ones((0, 3)))


def test_classes_for_numbers_are_sent_to_cross_entropy() -> None:
    with pytest.raises(ShapeError, match=r"if the targets are classes.*cross_entropy"):
        losses.mse(Value(np.ones((4, 3))), np.arange(4))


@pytest.mark.parametrize("delta", [0, -1.0, math.nan, "1", None, np.ones(2)])
def test_a_delta_that_is_none_is_refused(delta: Any) -> None:
    with pytest.raises(OperandError, match="delta must be a positive number"):
        losses.huber(Value([1.0]), [0.0], delta)


def test_huber_with_a_large_delta_is_half_of_the_squared_error() -> None:
    y, t = sample((3, 2))
    for delta in (10, math.inf):
        assert losses.huber(Value(y), t, delta).item() == losses.mse(Value(y), t).item() / 2


def test_bce_is_exact_where_the_prediction_is_certain() -> None:
    p = Value([0.0, 1.0, 0.0, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = losses.bce(p[:2], np.array([0.0, 1.0]))
        wrong = losses.bce(p[2:], np.array([1.0, 0.0]), reduction="none")
        right.backward()
    assert right.item() == 0
    nothing = losses.bce(p[:2], np.array([0.0, 1.0]), reduction="none")
    assert not np.any(np.signbit(nothing.data))  # it would be shown as −0
    np.testing.assert_array_equal(p.grad, [0.5, -0.5, 0, 0])  # 1 / (1 − p) and −1 / p, halved
    np.testing.assert_array_equal(wrong.data, [np.inf, np.inf])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (slopes,) = te.grad(wrong.sum(), [p])
        second = te.hessian(lambda p: losses.bce(p, np.array([0.0, 1.0]), reduction="sum"))(
            np.array([0.0, 1.0])
        )
    np.testing.assert_array_equal(second, np.eye(2))  # 1 / (1 − p)² and 1 / p²
    np.testing.assert_array_equal(slopes, [0, 0, -np.inf, np.inf])


def test_targets_at_the_ends_have_their_gradients_too() -> None:
    p, t = np.array([[0.2, 0.8]]), Value([[0.0, 1.0]])
    losses.bce(p, t, reduction="sum").backward()
    np.testing.assert_allclose(t.grad, np.log((1 - p) / p), rtol=1e-14)
    logits, t = np.log(p), Value([[0.0, 1.0]])
    losses.cross_entropy(logits, t).backward()
    np.testing.assert_allclose(t.grad, -logits, rtol=1e-14)
    # The verifier moves them a little out of [0, 1].
    ends = np.array([0.0, 1.0])
    for loss in (losses.bce, losses.bce_with_logits):
        te.check.assert_gradients(lambda t, loss=loss: loss(p[0], t), ends)


def test_bce_agrees_with_bce_of_logits() -> None:
    z, t = np.linspace(-5, 5, 11), np.linspace(0, 1, 11)
    of_logits = losses.bce_with_logits(Value(z), t, reduction="none")
    of_probabilities = losses.bce(1 / (1 + np.exp(-z)), t, reduction="none")
    np.testing.assert_allclose(of_probabilities.data, of_logits.data, rtol=1e-13)


@pytest.mark.parametrize("wrong", [-0.001, 1.001, 3.0, -np.inf, np.inf])
def test_bce_names_the_loss_for_logits(wrong: float) -> None:
    with pytest.raises(OperandError, match=r"from 0 to 1.*write te.nn.losses.bce_with_logits"):
        losses.bce(Value([0.5, wrong]), [0.0, 1.0])


def test_a_nan_goes_through_every_loss() -> None:
    for name in PAIRED:
        assert math.isnan(PAIRED[name](Value([0.5, np.nan]), [0.0, 1.0]).item())
    assert math.isnan(losses.cross_entropy(Value([[0.5, np.nan]]), [0]).item())
    assert math.isnan(losses.cross_entropy(Value([[0.5, np.nan]]), [1]).item())
    assert math.isnan(losses.kl_divergence(Value([[-0.5, np.nan]]), [[0.5, 0.5]]).item())
    assert math.isnan(losses.hinge(Value([0.5, np.nan]), [-1, 1]).item())
    assert math.isnan(losses.hinge(Value([[0.5, np.nan]]), [0]).item())


@pytest.mark.parametrize("name", ["bce", "bce_with_logits"])
@pytest.mark.parametrize(
    ("target", "advice"),
    [([-1, 1], r"write \(target \+ 1\) / 2"), ([0, 2], "cross_entropy"), ([3.0, 1], "cross_entr")],
)
def test_labels_for_two_classes_are_0_and_1(name: str, target: Any, advice: str) -> None:
    with pytest.raises(OperandError, match=f"targets from 0 to 1; .*{advice}"):
        PAIRED[name](Value([0.5, 0.5]), target)


def test_bce_with_logits_is_least_where_the_answer_is_the_target() -> None:
    targets = np.array([0.1, 0.5, 0.9])
    logits = Value(np.log(targets / (1 - targets)))
    losses.bce_with_logits(logits, targets).backward()
    np.testing.assert_allclose(logits.grad, 0, atol=1e-16)


def test_a_positive_weight_counts_targets_1_more_than_once() -> None:
    z, t = np.array([[0.3, -1.0], [2.0, 0.7]]), np.array([[1.0, 0.0], [1.0, 1.0]])
    loss = losses.bce_with_logits
    plain = loss(z, t, reduction="none").data
    np.testing.assert_allclose(
        loss(z, t, [3.0, 0.5], reduction="none").data,
        plain * np.where(t == 1, [3.0, 0.5], 1),
        rtol=1e-15,
    )
    np.testing.assert_array_equal(loss(z, t, 1, reduction="none").data, plain)
    for wrong in (np.ones(3), np.ones((3, 2)), np.ones((1, 2, 2))):
        with pytest.raises(ShapeError, match=r"positive_weight of shape .* one for each column"):
            loss(z, t, wrong)
    with pytest.raises(ShapeError, match="positive_weight"):
        loss(Value(np.ones((2, 1))), np.ones((2, 1)), np.ones(3))  # would broadcast to (2, 3)


@given(st.integers(2, 6), st.integers(1, 5), st.floats(-1e6, 1e6), seeds)
def test_cross_entropy_is_the_same_for_shifted_logits_and_renamed_classes(
    classes: int, count: int, shift: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(size=(count, classes)), rng.integers(classes, size=count)
    loss = losses.cross_entropy(z, labels).item()
    assert losses.cross_entropy(z + shift, labels).item() == pytest.approx(loss, abs=1e-9)
    order = rng.permutation(classes)
    renamed = losses.cross_entropy(z[:, order], np.argsort(order)[labels])
    assert renamed.item() == pytest.approx(loss, rel=1e-14)
    one_hot = np.eye(classes)[labels]
    assert losses.cross_entropy(z, one_hot).item() == pytest.approx(loss, rel=1e-15)
    assert losses.cross_entropy(z, one_hot.astype(int)).item() == pytest.approx(loss, rel=1e-15)
    # Mixed with all classes alike: with the same mixture of their losses.
    smooth = losses.cross_entropy(z, labels, label_smoothing=0.3).item()
    every = np.mean([losses.cross_entropy(z, np.full(count, c)).item() for c in range(classes)])
    assert smooth == pytest.approx(0.7 * loss + 0.3 * every, rel=1e-13)


@given(st.integers(2, 5), st.integers(1, 8), st.integers(-1, 4), st.booleans(), seeds)
def test_ignored_rows_do_not_count(
    classes: int, count: int, ignored: int, weighed: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(size=(count, classes)), rng.integers(classes, size=count)
    labels[rng.integers(2, size=count) == 1] = ignored
    kept = labels != ignored
    options: dict[str, Any] = {"label_smoothing": 0.1}
    if weighed:
        options["weights"] = rng.uniform(0.5, 2, classes)
    leaf = Value(z)
    if not kept.any():
        with pytest.raises(OperandError, match="there is nothing to average"):
            losses.cross_entropy(leaf, labels, ignore_index=ignored, **options)
        return
    got = losses.cross_entropy(leaf, labels, ignore_index=ignored, **options)
    got.backward()
    wanted = losses.cross_entropy(z[kept], labels[kept], **options)
    assert got.item() == pytest.approx(wanted.item(), rel=1e-13)
    assert not np.any(leaf.grad[~kept])
    assert np.all(leaf.grad[kept])
    each = losses.cross_entropy(z, labels, ignore_index=ignored, reduction="none", **options).data
    assert not np.any(each[~kept])


def test_a_wrong_class_may_have_the_logit_minus_infinity() -> None:
    z = Value([[1.0, -np.inf, 2.0], [-np.inf, 0.0, -np.inf]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        each = losses.cross_entropy(z, np.array([0, 1]), reduction="none")
        soft = losses.cross_entropy(z, np.array([[1.0, 0, 0], [0, 1, 0]]), reduction="none")
        each.sum().backward()
        second = te.grad(
            lambda z: (te.grad(losses.cross_entropy(z, [0, 1]), z, create_graph=True)[0] ** 2).sum()
        )(z.data)
    np.testing.assert_allclose(each.data, [np.log1p(np.e), 0], rtol=1e-15)
    np.testing.assert_array_equal(soft.data, each.data)
    p = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(z.grad, [[-p, 0, p], [0, 0, 0]], rtol=1e-15)
    assert np.all(np.isfinite(second))
    wrong = losses.cross_entropy(z, np.array([1, 1]))
    assert wrong.item() == np.inf


def test_kl_divergence_may_rule_out_what_never_happens() -> None:
    q = Value([[np.log(0.25), np.log(0.75), -np.inf]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = losses.kl_divergence(q, [[0.5, 0.5, 0.0]])
        loss.backward()
    assert loss.item() == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(0.5 / 0.75), rel=1e-15)
    np.testing.assert_array_equal(q.grad, [[-0.5, -0.5, 0]])
    assert losses.kl_divergence(q, [[0.5, 0.0, 0.5]]).item() == np.inf


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.hinge])
def test_classes_that_are_recorded_serve_as_targets(loss: Any) -> None:
    z = Value(np.random.default_rng(0).normal(size=(4, 3)))
    labels = np.argmax(z * -1, axis=1)
    assert isinstance(labels, te.Value)
    assert loss(z, labels).item() == loss(z, labels.data).item()


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.hinge])
@pytest.mark.parametrize(
    ("scores", "target", "error", "message"),
    [
        ((4, 3), np.zeros(4), OperandError, r"write target.astype\(int\)"),
        ((4, 3), np.array([0, 1, 2, 3]), OperandError, "0 to 2; the targets reach from 0 to 3"),
        ((4, 3), np.array([1, 1, 2, 3]), OperandError, "count from 0: write target - 1"),
        ((4, 3), np.array([0, 1, 2, -1]), OperandError, "the targets reach from -1 to 2"),
        ((4, 3), np.zeros((4, 1), int), ShapeError, r"write target\[..., 0\]"),
        ((4, 3), np.eye(4, dtype=int), ShapeError, "tell 4 classes apart, the scores 3"),
        ((4, 3), np.zeros(5, int), ShapeError, r"of shape \(4,\)"),
        ((4, 3, 5), np.zeros((4, 5), int), ShapeError, r"write np.moveaxis\(scores, 1, -1\)"),
    ],
)
def test_targets_that_are_no_classes_are_refused(
    loss: Any,
    scores: tuple[int, ...],
    target: Any,
    error: type[Exception],
    message: str,
) -> None:
    name = "cross_entropy" if loss is losses.cross_entropy else "hinge"
    if name == "hinge" and error is ShapeError:
        error, message = ShapeError, r"the prediction has shape .* and the target"
    with pytest.raises(error, match=message):
        loss(Value(np.zeros(scores)), target)


def test_a_value_of_classes_names_the_numpy_array() -> None:
    with pytest.raises(OperandError, match=r"leave it a NumPy array: te\.Value makes floats"):
        losses.cross_entropy(Value(np.zeros((2, 3))), Value([0, 1]))


@given(st.integers(2, 6), st.integers(-9, 9))
def test_only_classes_that_there_are_have_a_loss(classes: int, label: int) -> None:
    z = Value(np.zeros((2, classes)))
    for loss in (losses.cross_entropy, losses.hinge):
        if 0 <= label < classes:
            assert loss(z, [0, label]).shape == ()
        else:
            with pytest.raises(OperandError, match=f"takes the numbers 0 to {classes - 1}"):
                loss(z, [0, label])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"label_smoothing": -0.1}, OperandError, "from 0 to 1, not -0.1"),
        ({"label_smoothing": 1.5}, OperandError, "from 0 to 1, not 1.5"),
        ({"weights": [1.0, 2.0]}, ShapeError, r"shape \(3,\), one for each class, not \(2,\)"),
        ({"weights": 2.0}, ShapeError, r"shape \(3,\), one for each class, not \(\)"),
        ({"weights": [0.0, 0.0, 1.0]}, OperandError, "ignored or has the weight 0"),
    ],
)
def test_options_of_cross_entropy_that_make_no_sense_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        losses.cross_entropy(Value(np.zeros((2, 3))), [0, 1], **options)


def test_probabilities_have_no_class_to_ignore() -> None:
    with pytest.raises(OperandError, match=r"target.argmax\(axis=-1\)"):
        losses.cross_entropy(Value(np.zeros((2, 3))), np.full((2, 3), 1 / 3), ignore_index=0)


@pytest.mark.parametrize("target", [[2, 0, 1], [1, 1, 0], [-1, 1, 1], [2.0, 0.0, 1.0]])
def test_rows_of_labels_are_no_probabilities(target: Any) -> None:
    with pytest.raises(OperandError, match=r"one number per row, of shape \(\), and for several"):
        losses.cross_entropy(Value(np.zeros(3)), target)


@pytest.mark.parametrize("shape", [(4, 1), (), (0, 3), (1,)])
def test_cross_entropy_needs_two_classes_and_a_row(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"two classes or more, .*bce_with_logits"):
        losses.cross_entropy(Value(np.zeros(shape)), np.zeros(shape))


@pytest.mark.parametrize("target", [[0, 1], [1, 2], [0.5, 1]])
def test_hinge_takes_sides(target: Any) -> None:
    with pytest.raises(OperandError, match=r"targets −1 and 1; .* write 2 \* target - 1"):
        losses.hinge(Value([1.0, 2.0]), target)


@pytest.mark.parametrize("margin", [0, -1.0, math.nan, "1", None])
def test_a_margin_that_is_none_is_refused(margin: Any) -> None:
    with pytest.raises(OperandError, match="margin must be a positive number"):
        losses.hinge(Value([1.0]), [1.0], margin)


def test_kl_divergence_refuses_what_holds_no_logarithms() -> None:
    t = np.full((2, 2), 0.5)
    with pytest.raises(
        OperandError, match=r"from 0 down; these reach from 0\.5 to 0\.5; .*log_softmax"
    ):
        losses.kl_divergence(Value(t), t)
    with pytest.raises(OperandError, match=r"from 0 down; these reach from 0 to 1; "):
        losses.kl_divergence(Value([1.0, 0.0]), [1.0, 0.0])
    for certain in ([0.0, -np.inf], [0.0]):
        assert losses.kl_divergence(Value(certain), [1.0, 0.0][: len(certain)]).item() == 0
    with pytest.raises(OperandError, match=r"reach down to -0\.5"):
        losses.kl_divergence(Value(np.log(t)), -t)
    with pytest.raises(ShapeError, match="rows of probabilities"):
        losses.kl_divergence(Value(-1.0), 0.5)
    with pytest.raises(ShapeError, match=r"write target.reshape\(2, 2\)"):
        losses.kl_divergence(Value(np.log(t)), t.reshape(4))


SQUASHED: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "bce_with_logits sigmoid": (
        lambda z: losses.bce_with_logits(z, np.ones(z.shape)),
        te.activations.sigmoid,
    ),
    "bce_with_logits hard_sigmoid": (
        lambda z: losses.bce_with_logits(z, np.ones(z.shape)),
        te.activations.hard_sigmoid,
    ),
    "cross_entropy softmax": (
        lambda z: losses.cross_entropy(z, np.ones(z.shape[:-1], int)),
        te.activations.softmax,
    ),
    "cross_entropy sigmoid": (
        lambda z: losses.cross_entropy(z, np.ones(z.shape[:-1], int)),
        te.activations.sigmoid,
    ),
}
MOVED: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda v: v,
    "reshaped": lambda v: v.reshape(2, 6),
    "indexed": lambda v: v[1:, :2],
    "squeezed": lambda v: np.squeeze(v[:1], 0),
    "stacked": lambda v: te.stack([v, v]),
    "turned": lambda v: v.T[::-1],
    "wider": lambda v: v.astype(np.float32).astype(np.float64),
}


@pytest.mark.parametrize("moved", MOVED)
@pytest.mark.parametrize("case", SQUASHED)
def test_a_loss_of_logits_warns_of_probabilities(case: str, moved: str) -> None:
    loss, squash = SQUASHED[case]
    z = Value(np.random.default_rng(0).normal(size=(4, 3)))
    with pytest.warns(LossWarning) as caught:
        loss(MOVED[moved](squash(z)))
    (warning,) = caught
    name, inner = case.split()
    assert str(warning.message).startswith(f"{name} is given what comes out of {inner}, but ")
    assert warning.filename == __file__


@pytest.mark.parametrize("moved", MOVED)
def test_a_loss_of_logits_warns_of_nothing_else(moved: str) -> None:
    z = Value(np.random.default_rng(0).normal(size=(4, 3)))
    p = te.activations.sigmoid(z)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kept in (z, te.activations.tanh(z), p * 4 - 2, np.log(p), te.activations.relu(z)):
            v = MOVED[moved](kept)
            losses.cross_entropy(v, np.ones(v.shape[:-1], int))
            losses.bce_with_logits(v, np.ones(v.shape))
        v = MOVED[moved](te.activations.log_softmax(z))
        losses.cross_entropy(v, np.ones(v.shape[:-1], int))
        losses.kl_divergence(v, np.full(v.shape, 1 / v.shape[-1]))
        losses.bce(MOVED[moved](p), np.ones(MOVED[moved](p).shape))


def test_the_warning_comes_once_for_each_line() -> None:
    model = te.nn.MLP([2, 3], output="softmax")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            losses.cross_entropy(model(np.ones((4, 2))), np.zeros(4, int))
        losses.cross_entropy(model(np.ones((4, 2))), np.zeros(4, int))
        with te.no_grad():
            losses.cross_entropy(model(np.ones((4, 2))), np.zeros(4, int))
    assert len(caught) == 2
    assert len({warning.lineno for warning in caught}) == 2
    assert str(caught[0].message).endswith("goes into softmax: for an MLP write output=None")


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_least_loss_that_the_warning_tells_is_the_least(classes: int) -> None:
    with pytest.warns(LossWarning) as caught:
        losses.cross_entropy(te.activations.softmax(Value(np.zeros((1, classes)))), [0])
    best = losses.cross_entropy(np.eye(classes)[:1], [0]).item()
    assert f"never falls below {best:.2f}." in str(caught[0].message)
    sigmoid = losses.bce_with_logits(np.array([0.0, 1.0]), [0.0, 0.0], reduction="none").data
    assert sigmoid.min() == pytest.approx(0.69, abs=0.005)
    assert 1 / (1 + np.exp(-1)) == pytest.approx(0.73, abs=0.005)


def test_penalties_are_of_the_weights_alone() -> None:
    model: Any = te.nn.MLP([2, 3, 1], seed=1)
    for layer in model.layers:
        layer.bias.data = np.full(layer.bias.shape, -7.0)
    weights = [layer.weight for layer in model.layers]
    size, square = (
        sum(float(np.sum(f(weight.data))) for weight in weights) for f in (np.abs, np.square)
    )
    for chosen in (model, weights, (weight for weight in weights)):
        assert losses.l1(chosen).item() == pytest.approx(size, rel=1e-15)
    assert losses.l2(model).item() == pytest.approx(square, rel=1e-15)
    assert losses.l1(model, lambda name: name.endswith("bias")).item() == 28
    assert losses.l2(model, lambda name: name == "layers.1.bias").item() == 49
    assert losses.l2(model.parameters()).item() == pytest.approx(square + 4 * 49, rel=1e-15)
    assert losses.l1(weights[0]).item() == pytest.approx(np.abs(weights[0].data).sum(), rel=1e-15)
    losses.l1(model).backward()
    losses.l2(model).backward()
    for layer in model.layers:
        wanted = np.sign(layer.weight.data) + 2 * layer.weight.data
        np.testing.assert_allclose(layer.weight.grad, wanted, rtol=1e-15)
        assert layer.bias.grad is None


def test_l1_does_not_pull_at_0() -> None:
    w = Value([0.0, -2.0, 3.0])
    losses.l1(w).backward()
    np.testing.assert_array_equal(w.grad, [0, -1, 1])


@pytest.mark.parametrize("penalty", [losses.l1, losses.l2])
@pytest.mark.parametrize(
    ("given", "select", "error", "message"),
    [
        (te.nn.Sequential(), None, ShapeError, "no parameter has two axes of none"),
        (te.nn.MLP([2, 1]), lambda name: False, ShapeError, "chooses no parameter of layers.0.w"),
        ([], None, ShapeError, "the list of parameters is empty"),
        ([np.ones(2)], None, OperandError, "a list of Values"),
        ([te.Value(1.0)], lambda name: True, OperandError, "chosen already"),
    ],
)
def test_penalties_of_nothing_are_refused(
    penalty: Any, given: Any, select: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        penalty(given, select)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("MSELoss", "mse"),
        ("L1Loss", "mae"),
        ("SmoothL1Loss", "huber"),
        ("smooth_l1", "huber"),
        ("CrossEntropyLoss", "cross_entropy"),
        ("nll_loss", "cross_entropy"),
        ("BCEWithLogitsLoss", "bce_with_logits"),
        ("binary_cross_entropy", "bce"),
        ("kl_div", "kl_divergence"),
        ("MultiMarginLoss", "hinge"),
    ],
)
def test_other_names_of_losses_name_ours(name: str, ours: str) -> None:
    with pytest.raises(AttributeError, match=f"no '{name}'; write te.nn.losses.{ours}$"):
        getattr(losses, name)


def test_a_name_all_but_right_names_the_loss() -> None:
    with pytest.raises(AttributeError, match=r"has no 'hubr'; there is huber$"):
        getattr(losses, "hubr")  # noqa: B009


y, t = np.full((3, 2), 0.5), np.full((3, 2), 1.0)


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (losses.cross_entropy, {"weight": [1, 2]}, "no option 'weight'; write 'weights'"),
        (losses.cross_entropy, {"class_weight": [1, 2]}, "'class_weight'; write 'weights'"),
        (losses.bce_with_logits, {"pos_weight": 2}, "'pos_weight'; write 'positive_weight'"),
        (
            losses.bce_with_logits,
            {"weight": 2},
            r"np\.mean\(weight \* loss\) with reduction='none'",
        ),
        (losses.bce, {"weight": 2}, r"np\.mean\(weight \* loss\) with reduction='none'"),
        (
            losses.bce,
            {"pos_weight": 2},
            "bce has no option 'pos_weight'; it has prediction, target",
        ),
        (losses.huber, {"beta": 2}, "huber has no option 'beta'; write 'delta'"),
        (losses.mae, {"reduce": False}, "write reduction='none'"),
        (losses.hinge, {"weight": 2}, "hinge has no option 'weight'"),
        (losses.kl_divergence, {"log_target": True}, r"leave it out.*np\.exp\(log_target\)"),
    ],
)
def test_other_names_of_options_name_ours(
    loss: Callable[..., Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OperandError, match=message):
        loss(y, t, **options)
