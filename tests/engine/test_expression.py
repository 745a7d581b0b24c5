"""Formulas: what is written down is what was computed, in Python and in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import tinygrad_edu as te
from tests.engine.notations import evaluated, in_latex, in_python
from tinygrad_edu.check.samples import Call, apply, arguments, fixed_cases
from tinygrad_edu.engine.context import STATE, changed
from tinygrad_edu.engine.expression import Formula, formula, trace
from tinygrad_edu.engine.operation import Operation

# NumPy's type stubs take np.exp(value) for an array; here Values are untyped.
Value: Any = te.Value
Function = Callable[..., Any]
Tree = Any  # a letter, a number, or (operation, tree, …)

MANY = settings(max_examples=20 * settings().max_examples)

# Sums and products of these are exact.
LETTERS: dict[str, Any] = {
    "x": np.array([0.5, -1.25, 2.0, 3.0]),
    "y": np.array([-0.75, 1.5, 2.0, -2.0]),
    "z": np.array([1.0, 0.25, -1.5, 4.0]),
}
NUMBERS = (0, 1, -1, 2, -2, 3, 0.5, -2.5, 0.125, 1e-7, -1e-7, 25e8)
OPERATIONS: dict[str, tuple[int, Function]] = {
    "+": (2, lambda a, b: a + b),
    "-": (2, lambda a, b: a - b),
    "*": (2, lambda a, b: a * b),
    "/": (2, lambda a, b: a / b),
    "**": (2, lambda a, b: a**b),
    "neg": (1, lambda a: -a),
    "abs": (1, lambda a: abs(a)),
    "square": (1, np.square),
    "reciprocal": (1, lambda a: np.reciprocal(1.0 * a)),
    "sqrt": (1, np.sqrt),
    "exp": (1, np.exp),
    "log": (1, np.log),
    "tanh": (1, np.tanh),
    "sigmoid": (1, te.activations.sigmoid),
    "expm1": (1, np.expm1),
    "maximum": (2, np.maximum),
    "clip": (3, lambda a, b, c: np.clip(a, b, c)),
    "<": (4, lambda a, b, c, d: np.where(np.less(a, b), c, d)),
    ">=": (4, lambda a, b, c, d: np.where(np.greater_equal(a, b), c, d)),
    "!=": (3, lambda a, b, c: np.where(np.not_equal(a, b), c, a)),
    "and": (4, lambda a, b, c, d: np.where(np.greater(a, b) & np.less_equal(b, c), c, d)),
    "or not": (3, lambda a, b, c: np.where(np.greater(a, b) | np.logical_not(np.less(b, c)), c, a)),
}


def named(op: Operation) -> str:
    return op.name


class UnfitError(Exception):
    """A tree that no formula is asked for."""


def computed(tree: Tree, letters: Mapping[str, Any]) -> Any:
    """The value of a tree, whether its letters are arrays or symbols.

    What is not finite on the way is unfit: a formula leaves 0 · ∞ out. So are numbers alone: what
    comes out has more digits than LaTeX shows.
    """
    if isinstance(tree, str):
        return letters[tree]
    if not isinstance(tree, tuple):
        return tree
    name, *parts = tree
    inputs = [computed(part, letters) for part in parts]
    if not any(isinstance(item, te.Value | np.ndarray) for item in inputs):
        raise UnfitError
    try:
        result = OPERATIONS[name][1](*inputs)
    except ValueError:  # integers to a negative power
        raise UnfitError from None
    if not np.all(np.isfinite(result.data if isinstance(result, te.Value) else result)):
        raise UnfitError
    return result


def trees(names: list[str]) -> st.SearchStrategy[Tree]:
    """Expressions of x, y, z and numbers."""
    return st.recursive(
        st.sampled_from([*LETTERS, *LETTERS, *NUMBERS]),
        lambda inner: st.one_of(
            [st.tuples(st.just(name), *[inner] * OPERATIONS[name][0]) for name in names]
        ),
        max_leaves=10,
    )


def check(function: Function, symbols: Mapping[str, Any] = LETTERS, **how: Any) -> Formula:
    """Assert that both notations of a function's formula have the function's values."""
    with np.errstate(all="ignore"):
        wanted = function(*symbols.values())
        written = formula(trace(function, symbols), **how)
        got, seen = in_python(written, symbols), in_latex(written, symbols)
    shape = np.shape(wanted)
    np.testing.assert_allclose(
        np.broadcast_to(got, shape), wanted, rtol=1e-9, atol=1e-12, err_msg=written.text
    )
    np.testing.assert_allclose(
        np.broadcast_to(seen, shape), wanted, rtol=1e-9, atol=1e-12, err_msg=written.latex
    )
    return written


@pytest.mark.parametrize("letters", [True, False])
@MANY
@given(tree=trees(list(OPERATIONS)))
def test_both_notations_keep_the_value_of_any_expression(tree: Tree, letters: bool) -> None:
    try:
        with np.errstate(all="ignore"):
            computed(tree, LETTERS)
    except UnfitError:
        reject()
    written = check(lambda x, y, z: computed(tree, {"x": x, "y": y, "z": z}), letters=letters)
    assert letters or not written.where


CASES: list[Any] = [
    # What is written, and what it must look like.
    (lambda x, y, z: x - (y - z), "x - (y - z)"),
    (lambda x, y, z: x - y - z, "x - y - z"),
    (lambda x, y, z: x - (y + z), "x - (y + z)"),
    (lambda x, y, z: x - (y - (z - (x - y))), "x - (y - (z - (x - y)))"),
    (lambda x, y, z: x / (y / z), "x / (y / z)"),
    (lambda x, y, z: x / (y * z), "x / (y * z)"),
    (lambda x, y, z: x / y / z, "x / y / z"),
    (lambda x, y, z: x / y * z, "x / y * z"),
    (lambda x, y, z: (x + y) * (y - z), "(x + y) * (y - z)"),
    (lambda x, y, z: (-x) ** 2, "(-x) ** 2"),
    (lambda x, y, z: -(x**2), "-x ** 2"),
    (lambda x, y, z: (-x) ** 3.0, "(-x) ** 3"),
    (lambda x, y, z: abs(x) ** -y, "abs(x) ** (-y)"),
    (lambda x, y, z: x**-2, "x ** (-2)"),
    (lambda x, y, z: (x**2) ** 3, "(x ** 2) ** 3"),
    (lambda x, y, z: 2 ** (x**2), "2 ** (x ** 2)"),
    (lambda x, y, z: (2**x) ** y, "(2 ** x) ** y"),
    (lambda x, y, z: (x / y) ** 2, "(x / y) ** 2"),
    (lambda x, y, z: 0.5 - x * -2.5, "0.5 + x * 2.5"),
    (lambda x, y, z: -2 - x, "-2 - x"),
    (lambda x, y, z: x * -y, "-x * y"),
    (lambda x, y, z: (x - y) * -3, "-(x - y) * 3"),
    (lambda x, y, z: x * 1e-7 + 25e8 * y, "x * 1e-07 + 2500000000.0 * y"),
    (lambda x, y, z: 1 / (x + y), "1 / (x + y)"),
    (lambda x, y, z: np.exp(x) ** 2, "exp(x) ** 2"),
    (lambda x, y, z: np.expm1(x) - y, "expm1(x) - y"),
    (lambda x, y, z: y - np.expm1(x), "y - expm1(x)"),
    (lambda x, y, z: np.where(x > y, x, y) * 3, "where(x > y, x, y) * 3"),
    (lambda x, y, z: z - np.where(x > y, x, y), "z - where(x > y, x, y)"),
    (lambda x, y, z: (x > y) * z, "(x > y) * z"),
    (lambda x, y, z: np.where((x > y) & ~(y <= z), x, y), "where((x > y) & (~(y <= z)), x, y)"),
    (lambda x, y, z: np.where((x > y) ^ (y > z), x, y), "where((x > y) ^ (y > z), x, y)"),
    (lambda x, y, z: y * np.sum(x, keepdims=True), "y * sum(x, keepdims=True)"),
    (lambda x, y, z: np.sum(x * y, keepdims=True) + z, "sum(x * y, keepdims=True) + z"),
    (lambda x, y, z: y - np.sum(x + y, keepdims=True), "y - sum(x + y, keepdims=True)"),
    (lambda x, y, z: +x * y, "x * y"),
    (lambda x, y, z: np.minimum(x, np.inf), "minimum(x, inf)"),
    pytest.param(lambda x, y, z: np.sum(x, keepdims=True) * y, "sum(x, keepdims=True) * y"),
    pytest.param(lambda x, y, z: np.log1p(-x / 10), "log1p(-x / 10)"),
    pytest.param(lambda x, y, z: te.activations.sine(x + y, z), "sine(x + y, z)"),
    (lambda x, y, z: te.activations.sine(x, -y), "sine(x, -y)"),
    pytest.param(
        lambda x, y, z: te.activations.squared_relu(x + y) ** 2, "squared_relu(x + y) ** 2"
    ),
    pytest.param(
        lambda x, y, z: np.where((x > y) == (y > z), x, y), "where((x > y) == (y > z), x, y)"
    ),
    pytest.param(lambda x, y, z: (x > y) * -z, "(x > y) * (-z)"),
    pytest.param(
        lambda x, y, z: te.OPERATIONS["gelu_exact_derivative"](x + y),
        "gelu_exact_derivative(x + y)",
    ),
]


@pytest.mark.parametrize(("function", "text"), CASES)
def test_parentheses_stand_where_they_must_and_only_there(function: Function, text: str) -> None:
    assert check(function).text == text


def test_a_factor_that_is_a_matrix_product_keeps_its_parentheses() -> None:
    square = {"x": np.eye(2) * 3, "y": np.ones((2, 2)), "z": np.eye(2)[::-1]}
    written = formula(trace(lambda x, y, z: x * (y @ z), square))
    np.testing.assert_array_equal(
        in_python(written, square), square["x"] * (square["y"] @ square["z"])
    )


@pytest.mark.parametrize(
    ("latex", "value"),
    [
        ("2 - 3 - 4", -5),
        (r"2 - \left(3 - 4\right)", 3),
        (r"-{3}^2 \cdot 2", -18),
        (r"{\left(-3\right)}^2", 9),
        ("{2}^{{3}^{2}}", 512),
        (r"\frac{1 + 2}{4 \cdot 3}", 0.25),
        (r"\left|1 - 3\right| \cdot x", 1),
        (r"3 x + 1", 2.5),
        (r"2 \cdot 10^{-3}", 0.002),
        (r"\sum x \cdot 2 + 1", 2),
        (r"\max\left(x, \exp\left(0\right)\right)", 1),
        (r"\begin{cases} 1 & x < 0 \\ x & \text{otherwise} \end{cases} + 1", 1.5),
        (r"\left(x > 0\right) \land \left(\lnot \left(x \ge 1\right)\right)", True),
    ],
)
def test_the_reader_of_latex_reads(latex: str, value: float) -> None:
    assert evaluated(latex, {"x": 0.5}) == value


@pytest.mark.parametrize(
    "latex",
    [
        r"x \cdot -x",
        r"1 + -x",
        "{x + x}^2",
        "{{x}^2}^2",
        "{-x}^2",
        "x < x < x",
        r"\left(x",
        r"\frac{x}x",
        r"x \land x \lor x",
        r"\exp x",
        "y",
        "x)",
        r"\begin{cases} 1 & x \end{cases}",
    ],
)
def test_the_reader_of_latex_rejects_what_a_page_would_not_show(latex: str) -> None:
    with pytest.raises(AssertionError):
        evaluated(latex, {"x": 0.5})


@pytest.mark.parametrize(
    "wrong",
    [
        Formula("x - y - z", r"x - \left(y - z\right)"),
        Formula("x - (y - z)", "x - y - z"),
        Formula("x - (y - u)", "x - (y - u)", (("u", "-z", "-z"),)),
    ],
)
def test_the_check_rejects_a_wrong_formula(wrong: Formula, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "formula", lambda *given, **how: wrong)
    with pytest.raises(AssertionError):
        check(lambda x, y, z: x - (y - z))


# Every record


@pytest.mark.parametrize(
    "op", [op for op in te.OPERATIONS.values() if op.differentiable], ids=named
)
def test_the_text_of_every_record_can_be_evaluated(op: Operation) -> None:
    """With its options, and without the parameters that have their defaults."""
    for seed, case in enumerate(fixed_cases(op)):
        call = arguments(op, case, "near", seed)
        if op.formula == "{0}":  # not seen in a formula, since it changes no number within bounds
            call = Call(tuple(np.clip(array, -1, 1) for array in call.arrays), call.options)
        symbols = dict(zip("abcdef", call.arrays, strict=False))

        def applied(*values: Any, call: Call = call) -> Any:
            return apply(op, values, call.options)

        written = formula(trace(applied, symbols))
        got, wanted = in_python(written, symbols), applied(*call.arrays)
        np.testing.assert_array_equal(got, wanted, err_msg=written.text)
    defaults = [op.defaults[name] for name in op.arguments[1:] if name in op.defaults]
    if defaults and not op.variadic:
        text = formula(trace(lambda a: op(a, *defaults), {"a": 0.5})).text
        assert text == f"{op.name}(a)"


def readable(op: Operation) -> bool:
    """Whether the reader of LaTeX knows all that is in a record's template."""
    letters = "abcdef"[: len(op.arguments)]
    try:
        evaluated(op.formula.format(*letters), dict.fromkeys(letters, np.array([0.5])))
    except AssertionError:
        return False
    return True


READABLE = [
    op for op in te.OPERATIONS.values() if op.elementwise and op.formula != "{0}" and readable(op)
]
FALLS_APART = {"log1p", "sine", "gelu_exact_derivative"}


def test_the_reader_of_latex_knows_the_usual_records() -> None:
    names = {op.name for op in READABLE}
    assert names >= {"add", "divide", "power", "square", "where", "clip", "exp", "sqrt", "sigmoid"}
    assert names >= FALLS_APART


@pytest.mark.parametrize(
    "op",
    READABLE,
    ids=[op.name for op in READABLE],
)
def test_a_template_takes_sums_and_negatives_for_its_arguments(op: Operation) -> None:
    call = arguments(op, fixed_cases(op)[0], "near", 0)
    # A parameter that the template leaves out, as softplus does β, has its default.
    arrays = [
        array if f"{{{i}}}" in op.formula else op.defaults[op.arguments[i]]
        for i, array in enumerate(call.arrays)
    ]
    symbols = {}
    for i, array in enumerate(arrays):
        symbols[f"a_{i}"], symbols[f"b_{i}"], symbols[f"c_{i}"] = array - 1.5, 1.5, -array
    count = range(len(arrays))

    def of_sums(**letters: Any) -> Any:
        return op(*[letters[f"a_{i}"] + letters[f"b_{i}"] for i in count])

    def of_negatives(**letters: Any) -> Any:
        return op(*[-letters[f"c_{i}"] for i in count])

    wanted = op.forward(*arrays)
    for function in (of_sums, of_negatives):
        traced = trace(
            lambda *values, f=function: f(**dict(zip(symbols, values, strict=True))), symbols
        )
        written = formula(traced)
        assert not written.where
        got = in_latex(written, symbols)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, err_msg=written.latex)


def test_the_input_of_a_layer_may_be_a_sum() -> None:
    """As in a residual network."""
    numbers = {"x": np.array([[2.0]]), "y": np.array([[3.0]]), "z": np.array([[5.0]])}
    check(lambda x, y, z: te.OPERATIONS["affine"](x + y, z, np.array([7.0])), numbers)


# Letters


def test_a_part_that_occurs_twice_gets_a_letter_that_is_free() -> None:
    def product(u: Any, v: Any) -> Any:
        common = u * v + 1
        return common * np.exp(common)

    symbols = {"u": LETTERS["x"], "v": LETTERS["y"]}
    written = check(product, symbols)
    assert written.text == "w * exp(w)"
    assert written.where == (("w", "u * v + 1", r"u \cdot v + 1"),)
    assert str(written) == "w * exp(w), where w = u * v + 1"
    assert written.in_text("ただし") == "w * exp(w), ただし w = u * v + 1"
    assert written.in_latex("so") == r"w \cdot \exp\left(w\right) \quad\text{so } w = u \cdot v + 1"
    whole = check(product, symbols, letters=False)
    assert whole.text == str(whole) == "(u * v + 1) * exp(u * v + 1)"


def test_letters_build_on_each_other_and_never_run_out() -> None:
    def doubled(x: Any) -> Any:
        for _ in range(20):
            x = x * (x - 0.5)
            x = x / (1 + abs(x))
        return x

    written = check(doubled, {"x": LETTERS["x"]})
    names = [letter for letter, _, _ in written.where]
    assert len(set(names)) == len(names) > 20
    for place, (_, text, _) in enumerate(written.where):
        assert not set(names[place:]) & set(re.findall(r"\w+", text))


def test_short_parts_are_repeated() -> None:
    assert check(lambda x, y, z: abs(x) * abs(x) + abs(x)).text == "abs(x) ** 2 + abs(x)"


# Constants and edges


@pytest.mark.parametrize(
    ("number", "text", "latex"),
    [
        (3, "3", "3"),
        (3.0, "3", "3"),
        (-0.5, "-0.5", "-0.5"),
        (np.float64(0.1), "0.1", "0.1"),
        (2 / 3, "0.6666666666666666", "0.666667"),
        (1e-7, "1e-07", r"1 \cdot 10^{-7}"),
        (-1.5e30, "-1.5e+30", r"-1.5 \cdot 10^{30}"),
        (np.inf, "inf", r"\infty"),
        (-np.inf, "-inf", r"-\infty"),
        (True, "1", "1"),
        (np.array([2.5, 2.5]), "2.5", "2.5"),
        (np.array([1.0, 2.0]), "array(...)", r"\text{array}"),
    ],
)
def test_numbers(number: Any, text: str, latex: str) -> None:
    """All digits in Python, six in LaTeX."""
    assert formula(number) == Formula(text, latex)
    assert formula(trace(lambda x: number, {"x": 1.0})) == Formula(text, latex)


def test_an_array_in_a_formula_is_named_and_not_listed() -> None:
    written = formula(trace(lambda x: x * np.arange(1000.0) + 1, {"x": 1.0}))
    assert written == Formula("x * array(...) + 1", r"x \cdot \text{array} + 1")


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("x", "x"),
        ("alpha", r"\alpha"),
        ("beta", r"\beta"),
        ("omega", r"\omega"),
        ("lambd", r"\lambda"),
        ("slope", r"\mathrm{slope}"),
    ],
)
def test_symbols(name: str, latex: str) -> None:
    assert formula(trace(lambda symbol: symbol, {name: 0.5})) == Formula(name, latex)


def test_long_graphs_are_written_without_recursion() -> None:
    def squares(x: Any) -> Any:
        for _ in range(10_000):
            x = x * x + 1
        return x

    def nested(x: Any) -> Any:
        for _ in range(3000):
            x = np.tanh(x)
        return x

    written = formula(trace(squares, {"x": 0.5}))
    assert len(written.where) == 9_999
    assert written.where[0][1] == "x ** 2 + 1"
    assert formula(trace(nested, {"x": 0.5})).text == "tanh(" * 3000 + "x" + ")" * 3000


def test_the_same_function_always_gives_the_same_text() -> None:
    """Not the ids of nodes, nor the order of a set, decide about letters."""

    def function(x: Any, y: Any, z: Any) -> Any:
        a, b = np.exp(x * y), np.tanh(y - z)
        return (a * b + a) / (b + a * z)

    first = formula(trace(function, LETTERS))
    for _ in range(20):
        litter = [Value(1.0) * 2 for _ in range(7)]
        assert formula(trace(function, LETTERS)) == first
        assert litter
    moved = {name: array + 1 for name, array in LETTERS.items()}
    assert formula(trace(function, moved)) == first


def test_what_has_a_definition_is_written_out_where_it_is_asked_for() -> None:
    def function(x: Any) -> Any:
        return te.activations.swish(x) + te.activations.relu(x)

    traced = trace(function, {"x": LETTERS["x"]})
    assert formula(traced).text == "swish(x) + relu(x)"
    inner = formula(traced, lambda op: op.name == "swish")
    assert inner.text == "x * sigmoid(x) + relu(x)"
    everything = formula(traced, lambda op: op.definition is not None)
    assert everything.text == "x * 1 / (1 + exp(-x)) + maximum(0, x)"
    np.testing.assert_allclose(
        in_python(everything, {"x": LETTERS["x"]}), function(LETTERS["x"]), rtol=1e-14
    )


# Recording


def test_a_trace_records_also_what_has_no_derivative_and_under_no_grad() -> None:
    with te.no_grad():
        mask = trace(lambda x: (x > 0) & (x < 1), {"x": 0.5})
        sum_ = trace(lambda x: x + 1, {"x": 0.5})
    assert formula(mask).text == "(x > 0) & (x < 1)"
    assert formula(sum_).text == "x + 1"


def test_a_trace_leaves_the_state_as_it_was() -> None:
    before = STATE.get()
    trace(lambda x: x > 0, {"x": 0.5})
    with pytest.raises(ZeroDivisionError):
        trace(lambda x: 1 / 0, {"x": 0.5})
    assert STATE.get() is before


def test_a_trace_warns_of_nothing_and_passes_options_on() -> None:
    traced = trace(
        lambda x, y, axis: te.activations.softmax(x / y, axis=axis),
        {"x": np.zeros((2, 3)), "y": np.zeros((2, 3))},
        axis=0,
    )
    assert formula(traced).text == "softmax(x / y, axis=0)"


def test_untracked_results_remember_where_they_came_from_only_while_recording() -> None:
    x = Value([1.0, 2.0])
    loose = Value([1.0, 2.0], requires_grad=False)

    def untracked() -> list[Any]:
        with te.no_grad():
            inside = x * 2
        return [x > 1, np.argmax(x), inside, loose + 1, x.detach() * 2]

    for result in untracked():
        assert (result.op, result.inputs, result.requires_grad) == (None, (), False)
    with changed(recording=True):
        names = ["greater", "argmax", "multiply", "add", "multiply"]
        for result, name in zip(untracked(), names, strict=True):
            assert result.op is te.OPERATIONS[name]
            assert isinstance(result.inputs[0], te.Value)
            assert not result.requires_grad
            assert result.grad is None
        kept = np.argmax(x, axis=0)
        assert kept.options == {"axis": 0, "keepdims": False} or kept.options["axis"] == 0
    for result in untracked():
        assert (result.op, result.inputs) == (None, ())


def test_recording_changes_no_gradient() -> None:
    def gradient() -> Any:
        x = Value([-1.0, 0.5, 2.0])
        y = np.where(x > 0, np.exp(x), x * x.detach()) * (x < 1)
        return te.grad(np.sum(y), x)[0]

    plain = gradient()
    with changed(recording=True):
        np.testing.assert_array_equal(gradient(), plain)
    np.testing.assert_allclose(plain, [-1.0, np.exp(0.5), 0.0])
