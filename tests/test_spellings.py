"""Names of other libraries: the errors say what to write here, and that is there."""

from __future__ import annotations

import copy
import pickle
import re
from functools import reduce
from typing import Any

import numpy as np
import pytest

import tinygrad_edu as te
from tinygrad_edu.engine.methods import ELSEWHERE as OF_VALUES
from tinygrad_edu.errors import OperandError
from tinygrad_edu.nn import module
from tinygrad_edu.nn.losses import arguments
from tinygrad_edu.optim import base, clipping

NAMES = [
    (te, "Tensor", "te.Value"),
    (te, "tensor", "te.Value(numbers)"),
    (te, "save", "te.train.save(model, path)"),
    (te, "load", "te.train.load(model, path)"),
    (te, "manual_seed", "seed="),
    (te, "DataLoader", "te.data.batches"),
    (te, "StepLR", "te.optim.step_decay"),
    (te, "Linear", "te.nn.Linear"),
    (te, "Adam", "te.optim.Adam"),
    (te, "relu", "te.activations.relu"),
    (te, "mse", "te.nn.losses.mse"),
    (te, "fit", "te.train.fit"),
    (te, "exp", "np.exp"),
    (te, "cat", "np.concatenate"),
    (te.optim, "StepLR", "te.optim.step_decay(every, factor)"),
    (te.optim, "lr_scheduler", "te.optim.step_decay, cosine"),
    (te.optim, "CosineAnnealingLR", "te.optim.cosine(epochs, floor)"),
    (te.optim, "ReduceLROnPlateau", "te.optim.plateau(factor, patience)"),
    (te.optim, "clip_grad_norm_", "te.optim.clip_grad_norm(parameters, most)"),
    (te.optim, "clip_grad_value_", "te.optim.clip_grad_value(parameters, most)"),
    (te.data, "DataLoader", "te.data.batches(x, y, size)"),
    (te.data, "TensorDataset", "a pair of arrays, (x, y)"),
    (te.data, "random_split", "te.data.split(x, y, share)"),
    (te.activations, "ReLU", "te.activations.relu"),
    (te.activations, "LeakyReLU", "te.activations.leaky_relu"),
    (te.nn.init, "kaiming_uniform_", "init='he_uniform' where the layer is made"),
    (te.nn.init, "glorot_normal", "init='xavier_normal' where the layer is made"),
    (te.nn.init, "constant_", "functools.partial(te.nn.init.constant"),
    (te.nn.init, "calculate_gain", "te.nn.init.gain"),
]


@pytest.mark.parametrize(("place", "name", "instead"), NAMES)
def test_a_name_of_another_library_says_what_to_write(place: Any, name: str, instead: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(place, name)
    assert f" has no '{name}'; write {instead}" in str(caught.value)
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("place", "name", "near"),
    [
        (te, "Valu", "Value"),
        (te.optim, "Adem", "Adam"),
        (te.data, "moon", "moons"),
        (te.activations, "sigmoyd", "sigmoid"),
        (te.nn.init, "ortogonal", "orthogonal"),
    ],
)
def test_a_name_all_but_right_names_what_is_near(place: Any, name: str, near: str) -> None:
    with pytest.raises(AttributeError, match=f"has no '{name}'; there is .*{near}"):
        getattr(place, name)


ASKED = ["to", "cuda", "double", "float", "apply", "children", "modules", "num_parameters"]


@pytest.mark.parametrize("name", sorted({*ASKED, *module.ELSEWHERE}))
def test_a_module_is_asked_for_what_it_lacks(name: str) -> None:
    model = te.nn.Linear(2, 3)
    with pytest.raises(
        AttributeError, match=f"Linear has no attribute '{name}'; write ."
    ) as caught:
        getattr(model, name)
    assert caught.value.obj is model
    assert not hasattr(te.nn.MLP, name)


def test_what_a_module_has_of_that_name_goes_before() -> None:
    class Mine(te.nn.Module):
        """Uses some names of PyTorch's for itself."""

        def __init__(self) -> None:
            self.modules = [te.nn.Linear(2, 3)]

        def apply(self, x: int) -> int:
            return x + 1

    model = Mine()
    assert model.apply(1) == 2
    assert [name for name, _ in model.named_parameters()] == [
        "modules.0.weight",
        "modules.0.bias",
    ]
    twin = copy.deepcopy(model)
    assert twin.modules[0].weight.shape == (2, 3)


@pytest.mark.parametrize("name", ["param_groups", "add_param_group", "state", "minimize"])
def test_an_optimiser_is_asked_for_what_it_lacks(name: str) -> None:
    optimizer = te.optim.Adam([te.Value(1.0)])
    with pytest.raises(AttributeError, match=f"Adam has no attribute '{name}'; write .*"):
        getattr(optimizer, name)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (te.nn.Linear, {"in_features": 2, "out_features": 3}, "'in_features'; write 'inputs'"),
        (te.nn.Linear, {"inputs": 2, "out_features": 3}, "'out_features'; write 'outputs'"),
        (te.nn.Linear, {"inputs": 2, "outputs": 3, "eps": 1}, "no option 'eps'; it has inputs, "),
        (te.nn.Linear, {"inputs": 2, "outputs": 3, "device": "cpu"}, "'device'; leave it out"),
        (te.nn.Dropout, {"p": 0.5}, "Dropout has no option 'p'; write 'rate'"),
        (te.nn.BatchNorm, {"num_features": 2}, "'num_features'; write 'features'"),
        (te.nn.BatchNorm, {"features": 2, "eps": 1e-3}, "'eps'; write 'epsilon'"),
        (te.nn.LayerNorm, {"normalized_shape": 2}, "'normalized_shape'; write 'features'"),
        (te.nn.RNN, {"input_size": 2}, "'input_size'; write 'inputs'"),
        (te.nn.RNN, {"inputs": 2, "hidden_size": 3}, "'hidden_size'; write 'hidden'"),
        (te.nn.RNN, {"inputs": 2, "hidden": 3, "num_layers": 2}, "'num_layers'; an RNN is one"),
        (te.nn.RNN, {"inputs": 2, "hidden": 3, "nonlinearity": "tanh"}, "write 'activation'"),
        (te.nn.Sequential, {"layers": []}, "Sequential has no option 'layers'; it has none"),
        (te.optim.SGD, {"params": [te.Value(1.0)], "dampening": 0.1}, "'dampening'; leave it out"),
    ],
)
def test_options_of_another_library_say_what_to_write(
    kind: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OperandError, match=message):
        kind(**options)


@pytest.mark.parametrize(
    ("clip", "option"),
    [(te.optim.clip_grad_norm, "max_norm"), (te.optim.clip_grad_value, "clip_value")],
)
def test_clipping_knows_the_other_names_of_its_bound(clip: Any, option: str) -> None:
    with pytest.raises(OperandError, match=f"has no option '{option}'; write 'most'"):
        clip([te.Value(1.0)], **{option: 1.0})


class Own(te.nn.Module):
    """With an option."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = te.nn.Linear(width, 1)


class Open(te.nn.Module):
    """With any option."""

    def __init__(self, **options: Any) -> None:
        self.options = options


class Bare(te.nn.Module):
    """With none."""


def test_modules_of_ones_own_are_made_as_before() -> None:
    assert Own(3).inner.weight.shape == Own(width=3).inner.weight.shape == (3, 1)
    assert Open(units=3).options == {"units": 3}
    assert Bare().parameters() == []
    for model in (Own(2), Open(p=1), Bare()):
        assert type(copy.deepcopy(model)) is type(pickle.loads(pickle.dumps(model))) is type(model)
    with pytest.raises(OperandError, match="Own has no option 'units'; it has width"):
        Own(units=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Bare takes no arguments"):
        Bare(3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Bare takes no arguments"):
        Bare(width=3)  # type: ignore[call-arg]


HINTS = {
    f"{place}, {name}": hint
    for place, table in {
        "te": te.ELSEWHERE,
        "nn": te.nn.ELSEWHERE,
        "module": module.ELSEWHERE,
        "optim": te.optim.ELSEWHERE,
        "optimizer": base.ELSEWHERE,
        "data": te.data.ELSEWHERE,
        "Value": OF_VALUES,
        "options of layers": module.SPELLINGS,
        "options of losses": arguments.BY_HAND,
        "options of optimisers": base.SPELLINGS,
        "options of clipping": clipping.SPELLINGS,
    }.items()
    for name, hint in table.items()
}


@pytest.mark.parametrize("case", HINTS)
def test_what_a_hint_names_is_there(case: str) -> None:
    homes: dict[str, Any] = {
        "te": te,
        "np": np,
        "optimizer": te.optim.SGD([te.Value(1.0)]),
        "model": te.nn.Sequential(),
    }
    for home, path in re.findall(r"\b(te|np|optimizer|model)((?:\.\w+)+)", HINTS[case]):
        reduce(getattr, path.split(".")[1:], homes[home])
