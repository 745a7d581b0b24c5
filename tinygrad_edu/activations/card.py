"""The card of an activation: what it is, its derivative, where it bends, when to use it.

The words stand in cards.toml. Everything else is read off the record: formulas are traced from
its definition and its rule, numbers are computed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import inf, isnan
from typing import Any

import numpy as np

from ..engine.expression import Formula, formula, trace
from ..engine.operation import OPERATIONS, Operation
from ..engine.sweep import gradients
from ..engine.value import Value
from ..errors import UnknownNameError
from . import facts as computed

# The words of the first article's tables, in its order.
ASPECTS = ("strength", "weakness", "improvement", "use", "property", "remedy")

LABELS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "articles": "In the articles",
        "first": "first article, section {number}",
        "second": "second article, no. {number} of 16",
        "neither": "not in the articles",
        "and": "; ",
        "formula": "f(x)",
        "slope": "f′(x)",
        "where": "where",
        "by_output": "f′ through the output y = f(x)",
        "same": "both give f′(1) = {number}",
        "parameter": "∂f/∂{name} (default {value})",
        "pullback": "gradient of x for an incoming gradient g, with y = f(x)",
        "range": "Output range",
        "relation": "Definition",
        "corner": "At x = {x}",
        "slopes": "slope {left} on the left, {right} on the right; the rule takes {chosen}",
        "jump": "f jumps from {left} to {right}; the rule takes {chosen}",
        "smooth": "f and f′ have no jump",
        "corners": "Corners",
        "strength": "Strength",
        "weakness": "Weakness",
        "improvement": "Improvement",
        "use": "Use",
        "property": "Property",
        "remedy": "Remedy",
        "ours": "* our words; the others are the article's",
        "ours_all": "* our words",
        "initialiser": "Initialiser",
        "alt": "Picture",
        "table": "x",
        "limits": "Limits at −∞ and ∞",
        "monotone": "Monotone",
        "yes": "yes",
        "no": "no",
        "centred": "Zero-centred",
        "mean": "{answer}: the mean output is {mean} for inputs from N(0, 1)",
        "lipschitz": "Lipschitz constant, max |f′|",
        "saturated": "Saturated, |f′| < 5 % of its maximum",
        "nowhere": "nowhere",
        "no_maximum": "|f′| has no maximum",
        "repeats": "and so on, periodically",
        "gain": "Gain 1/√E[φ²]",
        "torch_gain": "{gain} (PyTorch's calculate_gain: {torch})",
        "no_torch_gain": "{gain} (PyTorch's calculate_gain has none)",
        "chi": "χ₁ at unit pre-activation variance",
        "chi_values": "He {he}, Xavier {xavier} (below 1 gradients vanish with depth)",
        "cost": "Forward pass on 10⁶ numbers, relu = 1 (timed now)",
        "surrogate": "The gradient is a stand-in (straight-through), not the derivative",
        "paper": "Source",
    },
    "ja": {
        "articles": "記事での位置",
        "first": "1本目の記事 第{number}節",
        "second": "2本目の記事 16種のうち{number}番",
        "neither": "記事にはない",
        "and": "、",
        "formula": "f(x)",
        "slope": "導関数 f′(x)",
        "where": "ただし",
        "by_output": "出力 y = f(x) で表した f′",
        "same": "どちらで計算しても f′(1) = {number}",
        "parameter": "∂f/∂{name}（既定値 {value}）",
        "pullback": "上流の勾配 g に対する x の勾配（y = f(x)）",
        "range": "出力範囲",
        "relation": "定義",
        "corner": "x = {x} では",
        "slopes": "左の傾き {left}、右の傾き {right}。ここでは {chosen} とする",
        "jump": "f が {left} から {right} へ跳ぶ。f′ は {chosen} とする",
        "smooth": "f と f′ に不連続な点はない",
        "corners": "角（折れ点）",
        "strength": "長所",
        "weakness": "短所",
        "improvement": "改善点",
        "use": "用途",
        "property": "特徴",
        "remedy": "対策",
        "ours": "＊は本ライブラリによる補足、ほかは記事の文",
        "ours_all": "＊は本ライブラリによる説明",
        "initialiser": "初期値",
        "alt": "グラフイメージ",
        "table": "x",
        "limits": "−∞ と ∞ での極限",
        "monotone": "単調性",
        "yes": "あり",
        "no": "なし",
        "centred": "出力の中心が 0 か",
        "mean": "{answer}（入力が N(0, 1) のとき出力の平均は {mean}）",
        "lipschitz": "リプシッツ定数 max |f′|",
        "saturated": "飽和領域（|f′| が最大値の 5 % 未満）",
        "nowhere": "なし",
        "no_maximum": "|f′| に最大値がない",
        "repeats": "以下、周期的に続く",
        "gain": "ゲイン 1/√E[φ²]",
        "torch_gain": "{gain}（PyTorch の calculate_gain は {torch}）",
        "no_torch_gain": "{gain}（PyTorch の calculate_gain にはない）",
        "chi": "χ₁（活性化前の値の分散が 1 のとき）",
        "chi_values": "He {he}、Xavier {xavier}（1 より小さいと層を重ねるほど勾配が消える）",
        "cost": "10⁶ 個の順伝播にかかる時間（relu = 1、いま計測）",
        "surrogate": "この勾配は導関数ではなく代用（straight-through）",
        "paper": "出典",
    },
}


@dataclass(frozen=True)
class Card:
    """What to know about an activation, in one language.

    `formula` and `slopes` are in Python's notation and in LaTeX, each slope with its label; `rows`
    are all further lines as (label, text); `table` has three rows of x, f(x) and f′(x); `alt` says
    in a sentence what the curve looks like. `str(card)` is the whole card as text; notebooks show
    it as Markdown with typeset formulas.
    """

    name: str
    title: str
    lang: str
    formula: Formula
    slopes: tuple[tuple[str, Formula], ...]
    rows: tuple[tuple[str, str], ...]
    heading: tuple[str, str, str]
    table: tuple[tuple[float, float, float], ...]
    alt: str
    footnote: str

    def __str__(self) -> str:
        say = LABELS[self.lang]
        colon = ": " if self.lang == "en" else "："
        lines = [f"{self.title}  [{self.name}]", ""]
        lines += [
            f"{label} = {each.in_text(say['where'])}"
            for label, each in ((say["formula"], self.formula), *self.slopes)
        ]
        lines.append("")
        lines += [f"{label}{colon}{text}" for label, text in self.rows]
        lines += [f"{say['alt']}{colon}{self.alt}", "", self.footnote, ""]
        columns = [[name, *map(short, numbers)] for name, numbers in self.columns()]
        widths = [max(map(len, column)) for column in columns]
        for cells in zip(*columns, strict=True):
            lines.append("  ".join(c.rjust(w) for c, w in zip(cells, widths, strict=True)))
        return "\n".join(lines)

    def columns(self) -> list[tuple[str, tuple[float, ...]]]:
        """The three columns of the table, each with its heading."""
        return list(zip(self.heading, zip(*self.table, strict=True), strict=True))

    def _repr_markdown_(self) -> str:
        say = LABELS[self.lang]
        lines = [f"## {self.title}", ""]
        for label, each in ((say["formula"], self.formula), *self.slopes):
            lines += [label, "", f"$${each.in_latex(say['where'])}$$", ""]
        lines += ["| | |", "|---|---|"]
        rows = (*self.rows, (say["alt"], self.alt))
        bar = r"\|"
        lines += [f"| {' | '.join(cell.replace('|', bar) for cell in row)} |" for row in rows]
        lines += ["", self.footnote, "", f"| {' | '.join(self.heading)} |", "|---:|---:|---:|"]
        lines += [f"| {' | '.join(map(short, row))} |" for row in self.table]
        return "\n".join(lines) + "\n"


@cache
def words() -> Mapping[str, Any]:
    """The texts of all cards, by the activation's name."""
    text = files(__package__).joinpath("cards.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def entry_of(name: str) -> Mapping[str, Any]:
    """The texts of one card. Raises `UnknownNameError` where there is none."""
    if name not in words():
        raise UnknownNameError(
            f"{name!r} has no card: cards.toml holds those of te.ACTIVATIONS; "
            "te.draw.activation draws any record"
        )
    return words()[name]  # type: ignore[no-any-return]


def title(name: str, lang: str = "en") -> str:
    """What an activation is called in headings, "Hard Swish" for instance."""
    entry = words().get(name)
    return str(entry["title"][lang]) if entry else name.replace("_", " ").title()


def initialiser(name: str) -> str:
    """The name of the initialiser that suits an activation."""
    return str(entry_of(name)["initialiser"]["name"])


def alternative_text(name: str, lang: str = "en") -> str:
    """One sentence that describes the picture to those who cannot see it."""
    return str(entry_of(name)["alt"][lang])


def make_card(op: Operation, lang: str = "en", full: bool = False) -> Card:
    """The card of an activation; `full` adds limits, gains, χ₁, cost and the paper."""
    if lang not in LABELS:
        raise UnknownNameError(f"unknown language {lang!r}: write lang='en' or lang='ja'")
    say, entry = LABELS[lang], entry_of(op.name)
    rows = [(say["articles"], place(entry, say)), (say["range"], entry["range"])]
    if "relation" in entry:
        rows.append((say["relation"], entry["relation"][lang]))
    bends = corner_rows(op, say) if computed.curve(op) else []
    if "corner" in entry:
        bends.append((say["corners"], entry["corner"][lang]))
    elif computed.curve(op):
        bends = bends or [(say["corners"], say["smooth"])]
    rows += bends
    if op.surrogate:
        rows.append((say["slope"], say["surrogate"]))
    from_article = False
    for aspect in ASPECTS:
        if aspect in entry:
            theirs = entry[aspect].get("article", False)
            from_article |= theirs
            rows.append((say[aspect], entry[aspect][lang] + ("" if theirs else " *")))
    use = entry["initialiser"]
    rows.append((say["initialiser"], f"{use['name']} – {use[lang]}"))
    if full:
        rows += fact_rows(op, say) if computed.curve(op) else []
        rows.append((say["cost"], f"{computed.cost(op, OPERATIONS['relu']):.1f}"))
        rows.append((say["paper"], entry["paper"]))
    heading, table = sample_table(op)
    return Card(
        name=op.name,
        title=entry["title"][lang],
        lang=lang,
        formula=formula_of(op),
        slopes=tuple(slopes_of(op, say)),
        rows=tuple(rows),
        heading=heading,
        table=table,
        alt=entry["alt"][lang],
        footnote=say["ours" if from_article else "ours_all"],
    )


def place(entry: Mapping[str, Any], say: Mapping[str, str]) -> str:
    """Where the articles treat it."""
    found = [say[key].format(number=entry[key]) for key in ("first", "second") if key in entry]
    return say["and"].join(found) or say["neither"]


# Formulas: traced, never typed.


def symbols(op: Operation) -> dict[str, Any]:
    """The arguments' names, each with some data of a shape that the operation takes."""
    if computed.curve(op):
        return dict.fromkeys(op.arguments, 0.5)
    return {"x": np.array([0.5, 0.25])}


def helper(op: Operation) -> bool:
    """Whether a formula should say what the operation stands for, which has no public name."""
    from . import ACTIVATIONS

    return op.name not in ACTIVATIONS


def formula_of(op: Operation) -> Formula:
    """The textbook's definition, or the record's own formula where it is its definition."""
    return formula(trace(op.definition or op, symbols(op)), helper)


def slopes_of(op: Operation, say: Mapping[str, str]) -> list[tuple[str, Formula]]:
    """The derivative, in x and, where the rule goes through the output, in that; parameters too."""
    inputs = symbols(op)
    if not computed.curve(op):
        out = op.forward(inputs["x"])
        samples = {"g": np.ones_like(out), "y": out, **inputs}
        return [(say["pullback"], formula(trace(op.rules[0], samples), helper))]
    both = {"y": 0.25, **inputs}
    lines = []
    for position, rule in enumerate(op.rules):
        rule = getattr(rule, "definition", None) or rule
        if not callable(rule):
            lines.append((label_of(op, position, say), formula(rule)))
            continue
        through = formula(trace(rule, both), helper)
        if uses_output(rule, inputs):
            plain = formula(
                trace(lambda *given, rule=rule: rule(op(*given), *given), inputs),
                helper,
                letters=False,
            )
            lines.append((label_of(op, position, say), plain))
            number = short(float(computed.slope(op, 1.0)), 6)
            lines.append((f"{say['by_output']} ({say['same'].format(number=number)})", through))
        else:
            lines.append((label_of(op, position, say), through))
    # Other forms, GELU's exact one for instance.
    for options in (case.options for case in op.cases[1:]):
        chosen = ", ".join(f"{name}={value!r}" for name, value in options.items())
        body = trace(op.definition or op, inputs, **options)
        lines.append((f"f(x), {chosen}", formula(body, helper)))
        lines.append((f"f′(x), {chosen}", formula(trace(op.rules[0], both, **options), helper)))
    return lines


def label_of(op: Operation, position: int, say: Mapping[str, str]) -> str:
    """What the derivative for an argument is called."""
    if position == 0:
        return say["slope"]
    name = op.arguments[position]
    return say["parameter"].format(name=name, value=op.defaults[name])


def uses_output(rule: Any, inputs: Mapping[str, Any]) -> bool:
    """Whether a rule reads its first argument, the output."""
    y = Value(0.25)
    others = [Value(data) for data in inputs.values()]
    result = rule(y, *others)
    if not isinstance(result, Value) or not result.requires_grad:
        return False
    (slope,) = gradients(result, (y,))
    return bool(slope != 0)


# Numbers: computed, never typed.


def corner_rows(op: Operation, say: Mapping[str, str]) -> list[tuple[str, str]]:
    """A row for each place where f or f′ jumps."""
    rows = []
    for each in computed.corners(op):
        if each.smooth:
            continue
        ends = each.values if each.jump else each.slopes
        text = say["jump" if each.jump else "slopes"].format(
            left=short(ends[0]), right=short(ends[1]), chosen=short(each.chosen)
        )
        rows.append((say["corner"].format(x=short(each.x)), text))
    return rows


def fact_rows(op: Operation, say: Mapping[str, str]) -> list[tuple[str, str]]:
    """What `--all` adds."""
    known = computed.facts(op)
    low, high = known.limits
    answer = {True: say["yes"], False: say["no"]}
    gain = say["no_torch_gain" if known.torch_gain is None else "torch_gain"]
    torch = "" if known.torch_gain is None else short(known.torch_gain)
    return [
        (say["limits"], f"{short(low)}, {short(high)}"),
        (say["monotone"], answer[known.monotone]),
        (
            say["centred"],
            say["mean"].format(answer=answer[known.mean == 0], mean=short(known.mean)),
        ),
        (say["lipschitz"], short(known.lipschitz)),
        (say["saturated"], intervals(known.saturated, say)),
        (say["gain"], gain.format(gain=short(known.gain), torch=torch)),
        (
            say["chi"],
            say["chi_values"].format(he=short(2 * known.chi), xavier=short(known.chi)),
        ),
    ]


def intervals(found: Sequence[tuple[float, float]] | None, say: Mapping[str, str]) -> str:
    """Intervals as a text; of a wave the two next to 0."""
    if found is None:
        return say["no_maximum"]
    inner = [pair for pair in found if abs(sum(pair)) < 8] if len(found) > 4 else found
    texts = [f"({short(low)}, {short(high)})" for low, high in inner]
    if len(found) > 4:
        texts.append(say["repeats"])
    return ", ".join(texts) or say["nowhere"]


def sample_table(
    op: Operation,
) -> tuple[tuple[str, str, str], tuple[tuple[float, float, float], ...]]:
    """x, f(x) and f′(x) at −1, 0 and 1; of an operation along an axis for x = (−1, 0, 1)."""
    x = np.array([-1.0, 0.0, 1.0])
    if computed.curve(op):
        heights, slopes = op(x), computed.slope(op, x)
        heading = ("x", "f(x)", "f′(x)")
    else:
        # Those that halve the axis get b = 1 for each a.
        halving = not getattr(op, "keeps_width", True)
        inputs = Value(np.concatenate([x, np.ones(3)]) if halving else x)
        out = op(inputs)
        rows = [gradients(out[i], (inputs,))[0][i] for i in range(3)]
        heights, slopes = out.data, np.array(rows)
        heading = ("a (b = 1)" if halving else "xᵢ", "f(x)ᵢ", "∂fᵢ/∂xᵢ")
    table = tuple(
        (float(a), float(b) + 0.0, float(c) + 0.0)
        for a, b, c in zip(x, heights, slopes, strict=True)
    )
    return heading, table


def short(number: float, digits: int = 4) -> str:
    """A number for reading: four significant digits, ∞ and a real minus sign."""
    if isnan(number):
        return "–"
    if abs(number) == inf:
        return "∞" if number > 0 else "−∞"
    if abs(number) < 1e-11:
        return "0"
    return f"{number:.{digits}g}".replace("-", "−")
