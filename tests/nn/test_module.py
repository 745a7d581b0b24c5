"""Modules find their parameters, name them by where they are, and record under their scope."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.nn.judging import shaken
from tinygrad_edu.errors import DtypeError, OperandError, ShapeError, UnknownNameError


class Model(te.nn.Module):
    """Parameters and parts of every kind."""

    def __init__(self) -> None:
        self.scale = te.Value(1.0)
        self.fixed = te.Value(2.0, requires_grad=False)
        self.title = "a model"
        self.first = te.nn.Linear(2, 3)
        self.pair = (te.nn.Linear(3, 3, bias=False), te.Value([1.0, 2.0]))
        self.table = {"left": te.nn.Linear(3, 1), "right": [te.nn.Linear(3, 1), te.Value(0.0)]}
        self.derived = self.scale * 2

    def forward(self, x: Any) -> Any:
        h = self.first(x) * self.scale
        return self.table["left"](h) + self.table["right"][0](self.pair[0](h))  # type: ignore[index, operator]


NAMES = [
    "scale",
    "pair.1",
    "table.right.1",
    "first.weight",
    "first.bias",
    "pair.0.weight",
    "table.left.weight",
    "table.left.bias",
    "table.right.0.weight",
    "table.right.0.bias",
]


def test_parameters_are_the_tracked_leaves_with_their_paths() -> None:
    model = Model()
    named = dict(model.named_parameters())
    assert list(named) == NAMES  # a module's own before those of its parts, in order
    assert named["pair.0.weight"] is model.pair[0].weight
    assert named["table.right.1"] is model.table["right"][1]  # type: ignore[index]
    assert model.parameters() == [*named.values()]


def test_modules_have_paths_too() -> None:
    names = [name for name, _ in Model().named_modules()]
    assert names == ["", "first", "pair.0", "table.left", "table.right.0"]


def test_a_part_that_is_replaced_takes_its_parameters_along() -> None:
    model = Model()
    model.pair = (te.nn.Linear(3, 3, bias=False), te.Value([3.0]))
    named = dict(model.named_parameters())
    assert list(named) == NAMES
    assert named["pair.1"] is model.pair[1]
    assert named["pair.1"].shape == (1,)


def test_shared_parameters_are_listed_once_and_collect_all_their_gradients() -> None:
    class Tied(te.nn.Module):
        def __init__(self) -> None:
            self.first, self.second = te.nn.Linear(2, 2), te.nn.Linear(2, 2)
            self.second.weight = self.first.weight

        def forward(self, x: Any) -> Any:
            return self.second(self.first(x))

    model = Tied()
    assert [name for name, _ in model.named_parameters()] == [
        "first.weight",
        "first.bias",
        "second.bias",
    ]
    x = np.array([[1.0, -2.0]])
    np.sum(model(x)).backward()
    w = model.first.weight.data
    # d/dW of Σ x W W is xᵀ (W 1)ᵀ + (x W)ᵀ 1ᵀ.
    wanted = x.T @ (w @ np.ones((2, 1))).T + (x @ w).T @ np.ones((1, 2))
    np.testing.assert_allclose(model.first.weight.grad, wanted, rtol=1e-14)


def test_zero_grad_forgets_all_gradients() -> None:
    model = Model()
    np.sum(model(np.ones((4, 2)))).backward()
    assert all(model.first.__dict__[name].grad is not None for name in ("weight", "bias"))
    model.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


def scopes(model: Any, x: Any) -> list[str]:
    heard: list[str] = []
    with te.observe(lambda node, gradient: heard.append(node.scope)):
        model(x)
    return heard


def test_nodes_are_recorded_under_the_path_of_their_layer() -> None:
    model, x = te.nn.MLP([2, 3, 1], "tanh", "sigmoid"), np.ones((4, 2))
    assert scopes(model, x) == ["mlp.layers.0", "mlp", "mlp.layers.1", "mlp"]
    nested = te.nn.Sequential(model, te.nn.Linear(1, 1))
    assert scopes(nested, x) == [
        "sequential.layers.0.layers.0",
        "sequential.layers.0",
        "sequential.layers.0.layers.1",
        "sequential.layers.0",
        "sequential.layers.1",
    ]
    assert scopes(Model(), x)[0] == "model.first"
    assert {"model", "model.table.left", "model.pair.0"} <= set(scopes(Model(), x))


def test_a_scope_ends_with_its_module_even_if_that_fails() -> None:
    model = te.nn.MLP([2, 3, 1])
    with pytest.raises(ShapeError):
        model(np.ones((4, 5)))
    assert (te.Value(1.0) * 2).scope == ""


def test_a_module_without_forward_says_so() -> None:
    class Empty(te.nn.Module):
        pass

    with pytest.raises(TypeError, match=r"Empty defines no forward\(self, x\)"):
        Empty()(1.0)
    assert Empty().parameters() == []


class Every(te.nn.Module):
    """A model with every layer there is."""

    def __init__(self, seed: int = 0, dtype: Any = np.float64) -> None:
        rng = np.random.default_rng(seed)
        self.recurrent = te.nn.RNN(2, 3, seed=rng, dtype=dtype)
        self.body = te.nn.Sequential(
            te.nn.Residual(te.nn.MLP([3, 4, 3], "tanh", seed=rng, dtype=dtype)),
            te.nn.BatchNorm(3, dtype=dtype),
            te.nn.Dropout(0.5, seed=seed),
            te.nn.LayerNorm(3, dtype=dtype),
            te.nn.Linear(3, 1, bias=False, seed=rng, dtype=dtype),
        )
        self.scale = te.Value(np.ones(1, dtype))

    def forward(self, x: Any) -> Any:
        states, _ = self.recurrent(x)
        return self.body(states[:, -1]) * self.scale


X = np.random.default_rng(0).normal(size=(5, 4, 2))


def test_a_module_takes_options_by_name() -> None:
    class Scaled(te.nn.Module):
        def forward(self, x: Any, *, by: float = 1.0) -> Any:
            return x * by

    assert Scaled()(2.0) == 2.0
    assert Scaled()(2.0, by=3.0) == 6.0


def test_modes_reach_every_part_and_return_the_module() -> None:
    model = Every()
    assert all(module.training for _, module in model.named_modules())
    assert model.eval() is model
    assert not any(module.training for _, module in model.named_modules())
    assert model.train() is model
    assert all(module.training for _, module in model.named_modules())
    assert not model.train(False).training
    assert te.nn.Linear(2, 3).training  # no other model was changed


def test_buffers_are_the_untracked_leaves_each_once() -> None:
    model = Model()
    assert dict(model.named_buffers()) == {"fixed": model.fixed}
    every = Every()
    assert [name for name, _ in every.named_buffers()] == [
        "body.layers.1.running_mean",
        "body.layers.1.running_var",
    ]
    names = [name for name, _ in every.named_leaves()]
    both = [*every.named_parameters(), *every.named_buffers()]
    assert sorted(names) == sorted(name for name, _ in both)
    assert len(names) == len(set(names)) == 15


def test_generators_are_those_that_are_drawn_from_while_a_model_runs() -> None:
    model = Every()
    assert [name for name, _ in model.named_generators()] == ["body.layers.2.generator"]
    shared = np.random.default_rng(1)
    twice = te.nn.Sequential(te.nn.Dropout(seed=shared), te.nn.Dropout(seed=shared))
    assert [generator for _, generator in twice.named_generators()] == [shared]
    assert [*te.nn.MLP([2, 3, 1], seed=shared).named_generators()] == []


@given(st.integers(0, 2**32), st.sampled_from([np.float32, np.float64]))
def test_a_state_goes_through_every_layer_and_back(seed: int, dtype: Any) -> None:
    model, other = shaken(Every(seed, dtype), seed), Every(seed + 1, dtype)
    x = X.astype(dtype)
    leaves = [*map(id, other.parameters())]
    wanted = model.eval()(x).data
    assert not np.array_equal(other.eval()(x).data, wanted)
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other(x).data, wanted)
    assert [*map(id, other.parameters())] == leaves  # those that an optimiser holds
    assert all(leaf.dtype == dtype for _, leaf in other.named_leaves())


def test_a_state_is_a_copy_that_may_be_written_to() -> None:
    model = Every()
    state = model.state_dict()
    assert [*state] == [name for name, _ in model.named_leaves()]
    before = model.eval()(X).data
    for array in state.values():
        assert isinstance(array, np.ndarray)
        array[...] = 9.0
    np.testing.assert_array_equal(model(X).data, before)
    model.load_state_dict(state)
    state["scale"][0] = 1.0
    assert model.scale.data[0] == 9.0
    with pytest.raises(ValueError, match="read-only"):
        model.scale.data[0] = 2.0


def test_a_scalar_is_an_array_in_a_state_and_a_scalar_in_the_model() -> None:
    model = Model()
    state = model.state_dict()
    assert state["scale"].shape == ()
    model.load_state_dict(state | {"scale": 3})
    assert isinstance(model.scale.data, np.float64)
    assert model.scale.data == 3.0


def unchanged(model: te.nn.Module, state: dict[str, Any]) -> None:
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


def test_a_state_that_does_not_fit_is_refused_whole_with_every_name() -> None:
    model = shaken(te.nn.MLP([2, 3, 1]))
    before = model.state_dict()
    state = shaken(te.nn.MLP([2, 3, 1]), seed=1).state_dict()
    del state["layers.0.bias"]
    state |= {"layers.1.bias": np.ones(4), "layers.2.weight": np.ones(2), "0.bias": np.ones(3)}
    with pytest.raises(UnknownNameError) as caught:
        model.load_state_dict(state)
    assert str(caught.value).split("\n") == [
        "this state does not fit the model:",
        "  'layers.1.bias' has shape (4,), and the model's has (1,)",
        "  'layers.0.bias' is missing",
        "  'layers.2.weight' is not in the model",
        "  '0.bias' is not in the model; is it 'layers.0.bias'?",
    ]
    unchanged(model, before)
    with pytest.raises(ShapeError, match=r"has shape \(4,\), and the model's has \(1,\)"):
        model.load_state_dict(state, strict=False)
    unchanged(model, before)


def test_without_strict_names_that_one_side_lacks_are_passed_over() -> None:
    model, other = shaken(te.nn.MLP([2, 3, 1])), shaken(te.nn.MLP([2, 3, 1]), seed=1)
    before, state = model.state_dict(), other.state_dict()
    del state["layers.0.bias"]
    model.load_state_dict(state | {"another": np.ones(2)}, strict=False)
    unchanged(model, before | {name: state[name] for name in state})


def test_weights_the_other_way_round_are_told_to_be_transposed() -> None:
    model = te.nn.Linear(2, 3)
    with pytest.raises(ShapeError, match=r"has \(2, 3\); transpose it"):
        model.load_state_dict({"weight": np.ones((3, 2)), "bias": np.ones(3)})


@pytest.mark.parametrize(
    "array", [np.ones(3) * 1j, np.array(["a", "b", "c"]), np.array([None] * 3)]
)
def test_only_real_numbers_are_loaded(array: Any) -> None:
    model = shaken(te.nn.Linear(2, 3))
    before = model.state_dict()
    with pytest.raises(DtypeError, match=r"'bias' is .*, which cannot be made float64"):
        model.load_state_dict({"weight": np.zeros((2, 3)), "bias": array})
    unchanged(model, before)


def test_numbers_of_other_dtypes_are_converted_and_masks_stay_masks() -> None:
    model = te.nn.Linear(2, 2, dtype=np.float32)
    model.mask = te.Value([1.0, 2.0]) > 1.5
    weight = [[1, 2], [3, 4]]
    model.load_state_dict({"weight": weight, "bias": np.ones(2), "mask": np.array([True, True])})
    assert model.weight.dtype == np.float32
    np.testing.assert_array_equal(model.weight.data, weight)
    assert model.state_dict()["mask"].dtype == np.bool_
    with pytest.raises(DtypeError, match="'mask' is float64, which cannot be made bool"):
        model.load_state_dict({"mask": np.ones(2)}, strict=False)


@pytest.mark.parametrize("state", [None, [1.0], "weights.npz"])
def test_a_state_is_a_dict(state: Any) -> None:
    with pytest.raises(OperandError, match="takes a dict of arrays by name"):
        te.nn.Linear(2, 3).load_state_dict(state)


def test_a_graph_of_the_numbers_before_is_stale_after_loading() -> None:
    model = te.nn.Linear(2, 3)
    loss = np.sum(model(np.ones((4, 2))))
    model.load_state_dict(model.state_dict())
    with pytest.raises(te.errors.StaleGraphError):
        loss.backward()


def test_copies_are_models_of_their_own() -> None:
    model = shaken(Every())
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        unchanged(twin, model.state_dict())
        np.testing.assert_array_equal(twin(X).data, copy.deepcopy(model)(X).data)  # same masks
        np.sum(twin(X)).backward()
        assert model.scale.grad is None


def test_a_module_shows_its_parts() -> None:
    class Small(te.nn.Module):
        def __init__(self) -> None:
            self.scale = te.Value([1.0, 2.0])
            self.layer = te.nn.Linear(2, 3)

    assert repr(Small()) == "Small(scale=Value of shape (2,), layer=Linear(2, 3))"
    assert (
        repr(Every())
        == """\
Every(
  (recurrent): RNN(2, 3, activation='tanh')
  (body): Sequential(
    (0): Residual(MLP([3, 4, 3], activation='tanh', output=None))
    (1): BatchNorm(3)
    (2): Dropout(0.5)
    (3): LayerNorm(3)
    (4): Linear(3, 1, bias=False)
  )
  (scale): Value of shape (1,)
)"""
    )
