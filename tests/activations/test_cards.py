"""Cards: what they say is complete in both languages, and the record's formulas and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import tinygrad_edu as te
from tests.activations.truth import DIGITS, TRUTH, Value
from tests.engine.notations import in_latex, in_python
from tinygrad_edu.activations import card as cards
from tinygrad_edu.activations import facts as computed
from tinygrad_edu.activations.card import ASPECTS, LABELS, Card
from tinygrad_edu.engine.expression import Formula
from tinygrad_edu.engine.operation import Elementwise, Operation
from tinygrad_edu.errors import UnknownNameError

NAMES = list(te.ACTIVATIONS)
CURVES = [name for name in NAMES if isinstance(te.ACTIVATIONS[name], Elementwise)]
LANGUAGES = ("en", "ja")
each_name = pytest.mark.parametrize("name", NAMES)
each_curve = pytest.mark.parametrize("name", CURVES)
each_language = pytest.mark.parametrize("lang", LANGUAGES)


@pytest.fixture(autouse=True)
def _no_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full card times a million numbers; test_facts.py sees to that."""
    monkeypatch.setattr(computed, "cost", lambda op, relu: 2.5)


def labelled(card: Card) -> dict[str, str]:
    """The rows of a card by their label; of several with one label, all in one text."""
    rows: dict[str, str] = {}
    for label, text in card.rows:
        rows[label] = f"{rows[label]} | {text}" if label in rows else text
    return rows


# Formulas


def samples(op: Operation) -> dict[str, Any]:
    """Numbers for all arguments, away from kinks, with parameters that are not the defaults."""
    rng = np.random.default_rng(0)
    if not isinstance(op, Elementwise):
        return {"x": rng.uniform(-4, 4, 6)}
    x = rng.uniform(-7, 7, 200)
    parameters = {}
    for name in op.arguments[1:]:
        default = op.defaults[name]
        parameters[name] = rng.uniform(default + 0.05, default + 0.4, x.shape)
    return {"x": x, **parameters}


def check_formula(written: Formula, names: Mapping[str, Any], wanted: Any, read: bool) -> None:
    """Assert that a formula has the wanted values, in LaTeX too if all in it can be `read`."""
    with np.errstate(all="ignore"):
        got = in_python(written, names)
        np.testing.assert_allclose(
            np.broadcast_to(got, np.shape(wanted)),
            wanted,
            rtol=1e-11,
            atol=1e-12,
            err_msg=written.text,
        )
        if not read:
            return
        shown = in_latex(written, names)
    np.testing.assert_allclose(
        np.broadcast_to(shown, np.shape(wanted)), wanted, rtol=1e-4, atol=1e-5, err_msg=str(written)
    )


HALVING = {"glu", "swiglu"}


@each_name
def test_the_formula_is_the_forward(name: str) -> None:
    op = te.ACTIVATIONS[name]
    names = samples(op)
    check_formula(op.card().formula, names, op.forward(*names.values()), read=name not in HALVING)


@each_name
def test_the_slopes_are_the_gradients(name: str) -> None:
    """Of x and of each parameter; through the output as well where a textbook has it so."""
    op, say = te.ACTIVATIONS[name], LABELS["en"]
    names = samples(op)
    inputs = [Value(array) for array in names.values()]
    out = op(*inputs)
    incoming: Any = np.ones(out.shape)
    slopes = dict(op.card().slopes)
    if name not in CURVES:
        incoming = np.random.default_rng(1).normal(size=out.shape)
        wanted = {say["pullback"]: inputs[0]}
        names |= {"g": incoming}
    else:
        wanted = {say["slope"]: inputs[0]} | {
            say["parameter"].format(name=parameter, value=op.defaults[parameter]): value
            for parameter, value in zip(op.arguments[1:], inputs[1:], strict=True)
        }
    names |= {"y": out.data}
    by_output = [label for label in slopes if label.startswith(say["by_output"])]
    other_forms = {label for label in slopes if "approximate=" in label}
    assert set(slopes) == {*wanted, *by_output, *other_forms}
    assert len(other_forms) == 2 * (name == "gelu")
    assert len(by_output) == (name in {"sigmoid", "tanh"})
    wanted |= dict.fromkeys(by_output, inputs[0])
    for label, value in wanted.items():
        (slope,) = te.grad(out, value, gradient=incoming)
        check_formula(slopes[label], names, slope, read=name not in HALVING)


def test_the_exact_gelu_stands_on_the_card_too() -> None:
    slopes = dict(te.ACTIVATIONS["gelu"].card().slopes)
    x = te.Value(np.linspace(-3, 3, 25))
    out = te.activations.gelu(x, approximate="none")
    (slope,) = te.grad(out, x, gradient=np.ones(out.shape))
    names = {"x": x.data, "erf": te.erf}
    check_formula(slopes["f(x), approximate='none'"], names, out.data, read=False)
    check_formula(slopes["f′(x), approximate='none'"], names, slope, read=False)


def test_the_textbooks_forms() -> None:
    """As every reader will have seen them."""
    said = {
        "sigmoid": ("1 / (1 + exp(-x))", "sigmoid(x) * (1 - sigmoid(x))", "y * (1 - y)"),
        "tanh": (
            "(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
            "1 - tanh(x) ** 2",
            "1 - y ** 2",
        ),
        "relu": ("maximum(0, x)", "x > 0"),
        "arctan": ("arctan(x)", "1 / (1 + x ** 2)"),
        "softsign": ("x / (1 + abs(x))", "(1 / (1 + abs(x))) ** 2"),
        "tanh_shrink": ("x - tanh(x)", "tanh(x) ** 2"),
    }
    for name, (function, *slopes) in said.items():
        card = te.ACTIVATIONS[name].card()
        assert card.formula.text == function
        assert [slope.text for _, slope in card.slopes] == slopes
    assert te.ACTIVATIONS["sigmoid"].card().formula.latex == (r"\frac{1}{1 + \exp\left(-x\right)}")
    softplus = dict(te.ACTIVATIONS["softplus"].card().slopes)
    assert softplus["f′(x)"].text == "sigmoid(beta * x)"


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
@each_language
def test_the_form_through_the_output_gives_the_same_number(name: str, lang: str) -> None:
    slopes = te.ACTIVATIONS[name].card(lang).slopes
    by_x, (label, by_y) = slopes[0][1], slopes[1]
    with mp.workdps(DIGITS):
        y, slope = float(TRUTH[name].value(mp.mpf(1))), float(TRUTH[name].slope(mp.mpf(1)))
    assert label.startswith(LABELS[lang]["by_output"])
    assert f"f′(1) = {slope:.6g}" in label
    assert in_python(by_x, {"x": 1.0}) == pytest.approx(slope, rel=1e-14)
    assert in_python(by_y, {"y": y}) == pytest.approx(slope, rel=1e-14)


def formulas(card: Card) -> Iterator[Formula]:
    yield card.formula
    yield from (formula for _, formula in card.slopes)


@each_language
@each_name
def test_latex_is_balanced_and_explains_its_letters(name: str, lang: str) -> None:
    card = te.ACTIVATIONS[name].card(lang)
    for written in formulas(card):
        for latex in (written.latex, written.in_latex(LABELS[lang]["where"])):
            depth = 0
            for sign in re.findall(r"(?<!\\)[{}]", latex):
                depth += 1 if sign == "{" else -1
                assert depth >= 0, latex
            assert depth == 0, latex
            for opening, closing in ((r"\\left\b", r"\\right\b"), (r"\\begin\b", r"\\end\b")):
                assert len(re.findall(opening, latex)) == len(re.findall(closing, latex)), latex
            assert "\0" not in latex
        text = written.in_text(LABELS[lang]["where"])
        for letter, _, _ in written.where:
            assert f"{letter} = " in text
        known = {"x", "y", "g", *te.ACTIVATIONS[name].arguments}
        known |= {letter for letter, _, _ in written.where}
        alone = set(re.findall(r"\b[a-z]\b", text.split(LABELS[lang]["where"])[0]))
        assert alone <= known


def test_two_cards_of_a_record_are_the_same() -> None:
    for name in NAMES:
        first, second = (te.ACTIVATIONS[name].card("ja", full=True) for _ in range(2))
        assert first == second
        assert str(first) == str(second)


# Words


def placeholders(text: str) -> list[str]:
    return sorted(field for _, field, _, _ in Formatter().parse(text) if field)


def test_both_languages_have_all_labels() -> None:
    english, japanese = LABELS["en"], LABELS["ja"]
    assert set(LABELS) == set(LANGUAGES)
    assert set(english) == set(japanese)
    for key, text in english.items():
        assert placeholders(text) == placeholders(japanese[key]), key
        assert not re.search("[぀-ヿ一-鿿]", text), key


SAID_ONCE = {"range", "paper", "first", "second"}
SAID_TWICE = {"title", "relation", "alt", "corner", "initialiser", *ASPECTS}
ALWAYS = {"range", "paper", "title", "alt", "strength", "weakness", "use", "initialiser"}


@each_name
def test_the_words_are_complete_in_both_languages(name: str) -> None:
    entry = cards.words()[name]
    assert set(entry) <= SAID_ONCE | SAID_TWICE
    # Of these two the first article names only what its table has.
    assert set(entry) >= ALWAYS - ({"weakness"} if name in {"leaky_relu", "softmax"} else set())
    for key in SAID_TWICE & set(entry):
        texts = dict(entry[key])
        texts.pop("article", None)
        texts.pop("name", None)
        assert set(texts) == set(LANGUAGES), key
        assert all(text.strip() == text != "" for text in texts.values()), key
        assert not re.search("[぀-ヿ一-鿿]", texts["en"]), key
        if key != "title":
            assert re.search("[぀-ヿ一-鿿]", texts["ja"]), key
            assert texts["ja"] != texts["en"]
    assert entry["alt"]["en"].endswith(".")


def test_there_are_words_for_the_activations_and_no_others() -> None:
    assert set(cards.words()) == set(NAMES)


def test_every_initialiser_exists() -> None:
    for name in NAMES:
        op = te.ACTIVATIONS[name]
        assert te.nn.init.named(op.initialiser) is te.nn.init.INITIALISERS[op.initialiser]
        row = labelled(op.card())[LABELS["en"]["initialiser"]]
        assert row.startswith(f"{op.initialiser} – ")
    assert te.ACTIVATIONS["relu"].initialiser == "he_normal"
    assert te.ACTIVATIONS["tanh"].initialiser == "xavier_normal"
    assert te.ACTIVATIONS["selu"].initialiser == "lecun_normal"


# The first article's tables and pictures, word by word.
ARTICLE: dict[str, dict[str, str]] = {
    "sigmoid": {
        "出力範囲": "(0, 1)",
        "長所": "出力を確率として解釈可能",
        "短所": "勾配が小さくなりやすい(勾配消失)",
        "対策": "ReLU, BatchNorm, 初期化改善",
        "グラフイメージ": "S字カーブ(小さいxでは0、大きいxでは1に近づく)",
    },
    "tanh": {
        "出力範囲": "(-1, 1)",
        "長所": "平均が0に近く、学習が安定しやすい",
        "短所": "Sigmoid同様、勾配消失が起こりやすい",
        "対策": "ReLU, BatchNorm, 初期化改善",
        "グラフイメージ": "中心が原点を通るS字カーブ。",
    },
    "relu": {
        "出力範囲": "[0, ∞)",
        "長所": "勾配消失が起きにくく、高速に収束",
        "短所": "x<0の領域で勾配が0(Dead ReLU問題)",
        "グラフイメージ": "負の部分は0、正の部分は直線的に増加。",
    },
    "leaky_relu": {
        "改善点": "ReLUの欠点(負の領域で勾配0)を緩和",
        "グラフイメージ": "負の領域でもわずかに傾きがある。",
    },
    "softmax": {
        "用途": "多クラス分類の出力層",
        "特徴": "出力を確率分布として解釈可能",
        "グラフイメージ": "各クラスのスコアを0〜1に正規化し、合計1となる。",
    },
}
TITLES = {
    "sigmoid": "Sigmoid関数",
    "tanh": "tanh関数",
    "relu": "ReLU関数",
    "leaky_relu": "Leaky ReLU関数",
    "softmax": "Softmax関数",
}


@each_name
def test_the_articles_words_are_its_own_and_all_others_are_marked(name: str) -> None:
    card = te.ACTIVATIONS[name].card("ja")
    theirs = ARTICLE.get(name, {})
    rows = {**labelled(card), LABELS["ja"]["alt"]: card.alt}
    for label, text in theirs.items():
        assert rows[label] == text
    for aspect in ASPECTS:
        label = LABELS["ja"][aspect]
        if label in rows and label not in theirs:
            assert rows[label].endswith(" *")
    entry = cards.words()[name]
    marked = {key for key, text in entry.items() if isinstance(text, dict) and "article" in text}
    labels = {LABELS["ja"][key] for key in marked}
    assert labels == set(theirs) - {LABELS["ja"]["range"]}
    shared = any(key in ASPECTS for key in marked)
    assert card.footnote == LABELS["ja"]["ours" if shared else "ours_all"]
    if name in TITLES:
        assert card.title == TITLES[name]


# The second article's gallery, in its order and with its titles.
GALLERY = [
    *("Linear", "Sigmoid", "ReLU", "Tanh", "Leaky ReLU", "Softmax", "ELU", "Swish"),
    *("Hard Sigmoid", "GELU", "Softplus", "Leaky GELU", "Hard Swish", "Mish", "Arctan"),
    "Sigmoid-Linear",
]


def test_places_in_the_articles() -> None:
    sixteen = te.activations.SIXTEEN
    assert [op.card().title for op in sixteen] == GALLERY
    first = {"sigmoid": 1, "tanh": 2, "relu": 3, "leaky_relu": 4, "softmax": 5}
    for name in NAMES:
        entry = cards.words()[name]
        assert entry.get("first") == first.get(name)
        place = [op.name for op in sixteen].index(name) + 1 if "second" in entry else None
        assert entry.get("second") == place
        said = labelled(te.ACTIVATIONS[name].card("en"))["In the articles"]
        assert (said == "not in the articles") == (te.ACTIVATIONS[name] not in sixteen)
    assert labelled(te.ACTIVATIONS["tanh"].card("en"))["In the articles"] == (
        "first article, section 2; second article, no. 4 of 16"
    )
    assert labelled(te.ACTIVATIONS["tanh"].card("ja"))["記事での位置"] == (
        "1本目の記事 第2節、2本目の記事 16種のうち4番"
    )


@each_language
@each_name
def test_a_card_as_text(name: str, lang: str) -> None:
    card = te.ACTIVATIONS[name].card(lang, full=True)
    text = str(card)
    assert not re.search(r"\{[a-z_]*\}", text)  # no placeholder is left
    assert "None" not in text
    assert text.splitlines()[0] == f"{card.title}  [{name}]"
    assert card.formula.text in text
    for label, formula in card.slopes:
        assert f"{label} = {formula.text}" in text
    colon = {"en": ": ", "ja": "："}[lang]
    for label, words in card.rows:
        assert f"\n{label}{colon}{words}\n" in text
    assert f"\n{LABELS[lang]['alt']}{colon}{card.alt}\n" in text
    assert f"\n{card.footnote}\n" in text
    assert len({len(line) for line in text.splitlines()[-4:]}) == 1  # columns that stand in line
    plain = te.ACTIVATIONS[name].card(lang)
    assert set(plain.rows) < set(card.rows)
    assert te.ACTIVATIONS[name].card(lang=lang, full=False) == plain


@each_language
@each_name
def test_a_card_as_markdown(name: str, lang: str) -> None:
    card = te.ACTIVATIONS[name].card(lang, full=True)
    markdown = card._repr_markdown_()
    lines = markdown.splitlines()
    assert lines[0] == f"## {card.title}"
    typeset = [line for line in lines if line.startswith("$$")]
    assert len(typeset) == 1 + len(card.slopes)
    assert all(line.endswith("$$") and line.count("$$") == 2 for line in typeset)
    rows = [line for line in lines if line.startswith("|")]
    cells = [len(re.findall(r"(?<!\\)\|", line)) - 1 for line in rows]
    assert cells == [2] * (2 + len(card.rows) + 1) + [3] * 5
    assert card.alt in markdown


def test_english_is_the_default_and_another_language_is_refused() -> None:
    op = te.ACTIVATIONS["mish"]
    assert op.card() == op.card("en") == op.card(lang="en")
    with pytest.raises(UnknownNameError, match="unknown language 'fr': write lang='en' or"):
        op.card("fr")


def test_titles_of_what_has_no_card() -> None:
    assert cards.title("hard_swish") == "Hard Swish"
    assert cards.title("relu", "ja") == "ReLU関数"
    assert cards.title("my_own", "ja") == "My Own"
    assert cards.alternative_text("relu", "ja") == ARTICLE["relu"]["グラフイメージ"]


# Numbers


def short(number: float, digits: int = 4) -> str:
    """Four significant digits with a real minus sign."""
    if np.isinf(number):
        return "∞" if number > 0 else "−∞"
    return f"{number:.{digits}g}".replace("-", "−")


@each_curve
def test_the_table_has_true_numbers(name: str) -> None:
    card = te.ACTIVATIONS[name].card()
    assert card.heading == ("x", "f(x)", "f′(x)")
    with mp.workdps(DIGITS):
        true = [
            (x, float(TRUTH[name].value(mp.mpf(x))), float(TRUTH[name].slope(mp.mpf(x))))
            for x in (-1, 0, 1)
        ]
    np.testing.assert_allclose(card.table, true, rtol=1e-15, atol=1e-16)
    assert not re.search(r"-0\.0\b(?!\d)", str(card.table))
    assert str(card).splitlines()[-1].split() == [short(number) for number in true[-1]]


def test_the_tables_along_an_axis() -> None:
    powers = np.exp([-1.0, 0.0, 1.0])
    shares = powers / powers.sum()
    tables = {
        "softmax": (shares, shares * (1 - shares)),
        "softmin": (shares[::-1], -(shares * (1 - shares))[::-1]),
        "log_softmax": (np.log(shares), 1 - shares),
    }
    for name, (values, slopes) in tables.items():
        card = te.ACTIVATIONS[name].card()
        assert card.heading == ("xᵢ", "f(x)ᵢ", "∂fᵢ/∂xᵢ")
        np.testing.assert_allclose(
            card.table, np.stack([[-1, 0, 1], values, slopes], 1), rtol=1e-14
        )
    gate = 1 / (1 + np.exp(-1))
    glu, swiglu = (te.ACTIVATIONS[name].card() for name in ("glu", "swiglu"))
    assert glu.heading == swiglu.heading == ("a (b = 1)", "f(x)ᵢ", "∂fᵢ/∂xᵢ")
    np.testing.assert_allclose(glu.table, [(a, a * gate, gate) for a in (-1, 0, 1)], rtol=1e-14)
    with mp.workdps(DIGITS):
        silu = [
            (a, float(TRUTH["silu"].value(mp.mpf(a))), float(TRUTH["silu"].slope(mp.mpf(a))))
            for a in (-1, 0, 1)
        ]
    np.testing.assert_allclose(swiglu.table, silu, rtol=1e-14)


# What the corner rows say: at x, left, right, and what the rule takes.
CORNER_ROWS: dict[str, list[str]] = {
    "relu": ["x = 0: slope 0 on the left, 1 on the right; the rule takes 0"],
    "leaky_relu": ["x = 0: slope 0.01 on the left, 1 on the right; the rule takes 0.01"],
    "prelu": ["x = 0: slope 0.25 on the left, 1 on the right; the rule takes 0.25"],
    "selu": ["x = 0: slope 1.758 on the left, 1.051 on the right; the rule takes 1.758"],
    "relu6": [
        "x = 0: slope 0 on the left, 1 on the right; the rule takes 0",
        "x = 6: slope 1 on the left, 0 on the right; the rule takes 0",
    ],
    "hard_sigmoid": [
        "x = −1: slope 0 on the left, 0.5 on the right; the rule takes 0.5",
        "x = 1: slope 0.5 on the left, 0 on the right; the rule takes 0.5",
    ],
    "hard_tanh": [
        "x = −1: slope 0 on the left, 1 on the right; the rule takes 1",
        "x = 1: slope 1 on the left, 0 on the right; the rule takes 1",
    ],
    "sigmoid_linear": [
        "x = 0: slope 0 on the left, 1 on the right; the rule takes 1",
        "x = 1: slope 1 on the left, 0 on the right; the rule takes 1",
    ],
    "hard_swish": [
        "x = −3: slope 0 on the left, −0.5 on the right; the rule takes 0",
        "x = 3: slope 1.5 on the left, 1 on the right; the rule takes 1",
    ],
    "soft_shrink": [
        "x = −0.5: slope 1 on the left, 0 on the right; the rule takes 0",
        "x = 0.5: slope 0 on the left, 1 on the right; the rule takes 0",
    ],
    "hard_shrink": [
        "x = −0.5: f jumps from −0.5 to 0; the rule takes 0",
        "x = 0.5: f jumps from 0 to 0.5; the rule takes 0",
    ],
    "threshold": ["x = 1: f jumps from 0 to 1; the rule takes 0"],
    "step": ["x = 0: f jumps from 0 to 1; the rule takes 1"],
}


@each_name
def test_the_card_states_each_corner_and_what_the_rule_takes_there(name: str) -> None:
    card = te.ACTIVATIONS[name].card()
    rows = [f"{label[3:]}: {text}" for label, text in card.rows if label.startswith("At x")]
    assert rows == CORNER_ROWS.get(name, [])
    corner = cards.words()[name].get("corner")
    # A corner has its reason; ELU has one with other parameters.
    assert (corner is not None) == (name in CORNER_ROWS or name == "elu")
    smooth = labelled(card).get("Corners") == LABELS["en"]["smooth"]
    assert smooth == (name in CURVES and corner is None)
    in_japanese = [text for label, text in te.ACTIVATIONS[name].card("ja").rows if "では" in label]
    assert len(in_japanese) == len(rows)
    for theirs, ours in zip(in_japanese, rows, strict=True):
        assert re.findall(r"[−\d.]+(?=\D|$)", theirs.replace("。", " ")) == numbers(ours)[1:]


def numbers(text: str) -> list[str]:
    return re.findall(r"−?\d+(?:\.\d+)?", text)


# Ranges


def pieces(name: str) -> list[tuple[float, float, bool, bool]]:
    """A range in words as intervals: low, high, and whether each end belongs to it."""
    found = []
    for piece in cards.words()[name]["range"].split(" ∪ "):
        inner = piece[1:-1].replace("∞", "inf").replace("π", "np.pi")
        ends = [float(eval(end, {"np": np, "inf": np.inf})) for end in inner.split(", ")]
        if piece[0] == "{":
            found += [(end, end, True, True) for end in ends]
        else:
            found.append((ends[0], ends[1], piece[0] == "[", piece[-1] == "]"))
    return found


DENSE = np.linspace(-12, 12, 9601)
FAR = np.array([-1e4, 1e4])


def values_of(name: str) -> tuple[Any, Any]:
    """Values at moderate numbers, and all values, those far out included."""
    op: Operation = te.ACTIVATIONS[name]
    if name in CURVES:
        return op.forward(DENSE), op.forward(np.concatenate([DENSE, FAR]))
    rows = np.random.default_rng(0).uniform(-12, 12, (4000, 2))
    found = np.sort(op.forward(rows), axis=None)
    return found, found


@each_name
def test_outputs_fill_the_range_and_stay_in_it(name: str) -> None:
    found, everything = values_of(name)
    covered: Any = np.zeros(found.shape, bool)
    # What the card rounds may be beyond the bound by half of the last digit.
    decimals = re.search(r"\d\.(\d{3,})", cards.words()[name]["range"])
    room = 0.5 * 10.0 ** -len(decimals[1]) if decimals else 0.0
    for low, high, with_low, with_high in pieces(name):
        # An open end is not reached, but by rounding far out.
        above = found >= low - room if with_low else found > low - room
        below = found <= high + room if with_high else found < high + room
        covered |= above & below
        inside = everything[(low - room <= everything) & (everything <= high + room)]
        for end, reached in ((low, inside.min()), (high, inside.max())):
            assert abs(reached - end) <= 5e-3 if np.isfinite(end) else abs(reached) > 5
        for end, closed, place in (
            (low, with_low, found.argmin()),
            (high, with_high, found.argmax()),
        ):
            # Reached exactly, or at a turn that is not the end of what is looked at.
            turn = 0 < place < found.size - 1 and abs(found[place] - end) <= max(room, 1e-6)
            assert (turn or np.any(found == end)) == closed
    assert np.all(covered), f"{found[~covered][:3]} not in {cards.words()[name]['range']}"


# Numbers in words


def least(name: str, near: float) -> tuple[float, float]:
    """Where a function is least, and how large it is there, to 50 digits."""
    with mp.workdps(DIGITS):
        x = mp.findroot(TRUTH[name].slope, near)
        return float(x), float(TRUTH[name].value(x))


@pytest.mark.parametrize(
    ("name", "near"), [("swish", -1.3), ("silu", -1.3), ("gelu", -0.75), ("mish", -1.2)]
)
def test_the_words_know_where_a_function_is_least(name: str, near: float) -> None:
    x, value = least(name, near)
    for lang in LANGUAGES:
        said = cards.words()[name]["property"][lang]
        assert f"{value:.4f}" in said
        assert f"x ≈ {x:.3f}" in said or f"x≈{x:.3f}" in said
        assert f"{value:.2f}" in cards.words()[name]["alt"][lang]
    assert cards.words()[name]["range"] == f"[{value:.4f}, ∞)"
    if name == "gelu":
        assert x == pytest.approx(-0.752, abs=5e-4)


def test_other_numbers_in_words() -> None:
    words = cards.words()
    for lang in LANGUAGES:
        for name in ("gelu", "mish"):
            second = 1 / computed.facts(te.ACTIVATIONS[name]).gain ** 2
            assert f"{second:.3f}" in words[name]["initialiser"][lang]
        # (1/4)¹⁰
        assert 0.25**10 < 1e-6
        assert f"{2 / (1 + 0.25**2):.2f}" in words["prelu"]["initialiser"][lang]
        squared = computed.facts(te.ACTIVATIONS["squared_relu"])
        assert f"{1 / squared.gain**2:.2g}" in words["squared_relu"]["initialiser"][lang]
        assert f"{2 / squared.gain**2:.2g}" in words["squared_relu"]["initialiser"][lang]
        assert f"{1.67326324235437728:.4f}" in words["selu"]["relation"][lang]
        assert f"{1.05070098735548049:.4f}" in words["selu"]["relation"][lang]
    with mp.workdps(DIGITS):
        tanh_form, exact = TRUTH["gelu"].value, TRUTH["gelu approximate=none"].value
        at = [mp.mpf(i) / 100 for i in range(200, 350)]
        gaps = [abs(tanh_form(x) - exact(x)) for x in at]
    assert f"{float(max(gaps)):.1e}".replace("e-0", "e-") == "4.7e-4"
    assert float(at[gaps.index(max(gaps))]) == pytest.approx(2.7, abs=0.05)
    for lang in LANGUAGES:
        assert "4.7e-4" in words["gelu"]["relation"][lang]
        assert "±2.7" in words["gelu"]["relation"][lang]


# What `full` adds


@each_curve
def test_a_full_card_says_the_facts(name: str) -> None:
    card = te.ACTIVATIONS[name].card(full=True)
    rows, known = labelled(card), computed.facts(te.ACTIVATIONS[name])
    low, high = ("–" if np.isnan(end) else short(end) for end in known.limits)
    assert rows["Limits at −∞ and ∞"] == f"{low}, {high}"
    assert rows["Monotone"] == ("yes" if known.monotone else "no")
    centred = "yes" if known.mean == 0 else "no"
    assert rows["Zero-centred"].startswith(f"{centred}: the mean output is {short(known.mean)} ")
    assert rows["Lipschitz constant, max |f′|"] == short(known.lipschitz)
    assert rows["Gain 1/√E[φ²]"].startswith(f"{short(known.gain)} (PyTorch's calculate_gain")
    he, xavier = short(2 * known.chi), short(known.chi)
    assert rows["χ₁ at unit pre-activation variance"].startswith(f"He {he}, Xavier {xavier} ")
    assert rows["Forward pass on 10⁶ numbers, relu = 1 (timed now)"] == "2.5"
    assert rows["Source"] == cards.words()[name]["paper"]


def test_saturation_in_words() -> None:
    label = LABELS["en"]["saturated"]
    said = {name: labelled(te.ACTIVATIONS[name].card(full=True))[label] for name in CURVES}
    assert said["tanh"] == "(−∞, −2.178), (2.178, ∞)"
    assert said["linear"] == "nowhere"
    assert said["squared_relu"] == "|f′| has no maximum"
    assert said["sine"] == "(−1.621, −1.521), (1.521, 1.621), and so on, periodically"
    assert said["hard_shrink"] == "(−0.5, 0.5)"


def test_gains_beside_pytorchs() -> None:
    label = LABELS["en"]["gain"]
    said = {name: labelled(te.ACTIVATIONS[name].card(full=True))[label] for name in CURVES}
    assert said["tanh"] == "1.593 (PyTorch's calculate_gain: 1.667)"
    assert said["relu"] == "1.414 (PyTorch's calculate_gain: 1.414)"
    assert said["mish"] == "1.487 (PyTorch's calculate_gain has none)"


@each_language
def test_a_stand_in_is_called_one(lang: str) -> None:
    say = LABELS[lang]
    for name in NAMES:
        said = say["surrogate"] in [text for _, text in te.ACTIVATIONS[name].card(lang).rows]
        assert said == (name == "step")


def test_numbers_for_reading() -> None:
    for number, text in (
        (0.0, "0"),
        (-0.0, "0"),
        (1e-13, "0"),
        (-1.23456, "−1.235"),
        (12345.6, "1.235e+04"),
        (float("nan"), "–"),
        (-np.inf, "−∞"),
        (np.inf, "∞"),
    ):
        assert cards.short(number) == text
    assert cards.short(1 / 3, 6) == "0.333333"
