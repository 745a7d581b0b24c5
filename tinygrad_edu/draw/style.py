"""What pictures have in common: their words and fonts, and the look of lines and legends."""

from __future__ import annotations

import math
import textwrap
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from tinygrad_edu.errors import UnknownNameError

# Okabe and Ito's colours, which colour-blind readers can tell apart; the dashes say it twice.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")
GREY = "#666666"

LANGUAGES = ("en", "ja")
EMBEDDED = "embedded Japanese"

# Installed families that hold kana and kanji, the best-made first: Linux, macOS, Windows.
JAPANESE_FAMILIES = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "Source Han Sans JP",
    "IPAexGothic",
    "IPAGothic",
    "TakaoPGothic",
    "TakaoGothic",
    "VL PGothic",
    "VL Gothic",
    "Hiragino Sans",
    "Hiragino Maru Gothic Pro",
    "Yu Gothic",
    "Meiryo",
    "MS Gothic",
)

# Keyed by the English text, so that drawing code can be read where it is written.
JAPANESE: Mapping[str, str] = {
    # derivatives and differences
    "The errors are 0 at every step, or not finite: there is nothing to draw.": (
        "どの刻み幅でも誤差が 0 か、有限でないため、描くものがありません。"
    ),
    # losses
    "Loss during training": "学習中の損失",
    "Epoch": "エポック",
    "Loss (log scale)": "損失（対数目盛）",
    "{name} (not drawn in {count} of {total} epochs: zero, infinite or not a number)": (
        "{name}（{total} エポック中 {count} エポックは 0・無限大・非数のため描いていない）"
    ),
    # ways down a function
    "Ways down the {name} function": "{name} 関数を下る経路",
    "Ways down the function": "関数を下る経路",
    "function value": "関数の値",
    "start": "初期値",
    "minimum ({x}, {y}); distances are from here": "最小点 ({x}, {y})、距離はこの点から測る",
    "a dot at each step": "点：1 ステップごと",
    "a dot every {count} steps": "点：{count} ステップごと",
    "{name} (leaves the picture)": "{name}（途中で図の外に出る）",
    # A number stays on the line of what it counts.
    "{name}: no finite numbers from step {step} on": (
        "{name}： {step}\u00a0ステップ目から有限の値でない"
    ),
    "{name}: at {height} after {steps} steps": "{name}： {steps}\u00a0ステップ後の値\u00a0{height}",
    "{name}: {distance} away after {steps} steps": (
        "{name}： {steps}\u00a0ステップ後の距離\u00a0{distance}"
    ),
    "{name}: {step} steps to within {near}": (
        "{name}： {step}\u00a0ステップで距離\u00a0{near}\u00a0未満"
    ),
    "{name}: {count} of {total} within {near} after {steps} steps": (
        "{name}： {steps}\u00a0ステップ後に {total}\u00a0本中\u00a0{count}\u00a0本が"
        "距離\u00a0{near}\u00a0未満"
    ),
    # surfaces and regions
    "Learned Activation Output Surface": "学習後の出力曲面",
    "Decision regions": "決定領域",
    "Input 1": "入力1",
    "Input 2": "入力2",
    "Output": "出力",
    "target 1": "正解 1",
    "target 0": "正解 0",
    "line: from the output to its target": "縦線：出力と正解の差",
    "decision boundary: output 0.5": "決定境界：出力 0.5",
    "no decision boundary in view: the output is nowhere below 0.5": (
        "この範囲に決定境界はない（出力はどこでも 0.5 以上）"
    ),
    "no decision boundary in view: the output is nowhere above 0.5": (
        "この範囲に決定境界はない（出力はどこでも 0.5 以下）"
    ),
    "no decision boundary in view: the output is 0.5 everywhere": (
        "この範囲に決定境界はない（出力はどこでも 0.5）"
    ),
    "almost flat: it varies by {spread} here": "ほぼ平ら：出力の差は {spread}",
    "outputs outside 0 to 1 are drawn at the edge": "0〜1 を外れた出力は端の値で描いた",
    "no picture: {count} of {total} outputs are not finite numbers": (
        "描けない：{total} 点中 {count} 点の出力が有限の値でない"
    ),
    "{name}: {count} of {total} right": "{name}：{total} 点中 {count} 点正解",
    "on the wrong side": "誤って分類された点",
    # loss and metrics
    "Training": "学習の経過",
    "training data": "訓練データ",
    "validation data": "検証データ",
    "lowest validation loss (epoch {epoch})": "検証データの損失が最小（エポック {epoch}）",
    # classifiers of images
    "Confusion matrix": "混同行列",
    "{right} of {total} right, {wrong} wrong": "{total} 件中 {right} 件正解、{wrong} 件誤り",
    "target {target}, read {answer}": "正解 {target}、予測 {answer}",
    "None of {total} is wrong; the least certain ones": (
        "{total} 件に誤りなし（確信度の低いものから順に）"
    ),
    "The surest {shown} of {count} mistakes in {total}": (
        "{total} 件中 {count} 件の誤りのうち、確信度の高い {shown} 件"
    ),
    "All {count} mistakes in {total}, the surest first": (
        "{total} 件中の誤り {count} 件（確信度の高い順）"
    ),
    "Weights of the first layer, unit by unit": "最初の層の重み（ユニットごと）",
    "Weights of the first layer: {shown} of {units} units": (
        "最初の層の重み（{units} ユニット中 {shown} ユニット）"
    ),
    "weight": "重み",
    # sums
    "Sums bit by bit": "ビットごとの足し算",
    "output: probability that the bit is 1": "出力：ビットが 1 である確率",
    "guessing": "当てずっぽう",
    "Right bits by position ({count} sums)": "桁ごとの正解率（足し算 {count} 通り）",
    "value of the bit": "ビットの重み（2 の累乗）",
    "right bits (%)": "正解率（%）",
    "carry": "桁上がり",
    "network": "出力",
    # gradient magnitudes
    "Gradient magnitude per layer": "層ごとの勾配の大きさ",
    "rms of ∂L/∂(pre-activation)": "∂L/∂（活性化前の値）の二乗平均平方根",
    "{name}: below {limit} in {count} of {total} epochs (▼, drawn at the edge)": (
        "{name}：{total} エポック中 {count} エポックで {limit} 未満（▼ 端に描いた）"
    ),
    "{name}: above {limit} in {count} of {total} epochs (▲, drawn at the edge)": (
        "{name}：{total} エポック中 {count} エポックで {limit} 超（▲ 端に描いた）"
    ),
    "{name}: not a number in {count} of {total} epochs (not drawn)": (
        "{name}：{total} エポック中 {count} エポックで非数（描いていない）"
    ),
    "line: median of {width} epochs; band: smallest to largest": (
        "線：{width} エポックごとの中央値、帯：最小値から最大値まで"
    ),
    # activations as curves
    "Representative activation functions": "代表的な活性化関数",
    "Activation functions": "活性化関数",
    "Activation functions and their derivatives": "活性化関数とその導関数",
    "{name} ({note})": "{name}（{note}）",
    "": "",
    "derivative $f'(x)$": "導関数 $f'(x)$",
    "stand-in for $f'(x)$": "$f'(x)$ の代用",
    "second derivative $f''(x)$": "第2次導関数 $f''(x)$",
    "saturated: $|f'|$ is less than 5 % of its maximum here": (
        "飽和領域：$|f'|$ がこの範囲での最大値の 5 % 未満"
    ),
    "value at a corner, as the rule has it": "角（折れ点）で採用する値",
    "limit from one side, not taken": "片側からの極限（その点では採用しない）",
    "first input, the others at 1": "1 つ目の入力、ほかは 1",
    "first of 2 inputs, the other is 1": "2 つの入力の 1 つ目、もう 1 つは 1",
    "first of 3 inputs, the others are 0": "3 つの入力の 1 つ目、ほかは 0",
    "the gradient is a stand-in": "導関数ではなく代用の勾配",
    # activations as surfaces
    "Activation functions over inputs from {low} to {high}": (
        "活性化関数の出力曲面（入力は {low} から {high} まで）"
    ),
    "{name} Activation": "{name} 関数",
    "Input1": "入力1",
    "Input2": "入力2",
    ", ": "、",
    "; ": "、",
    "Z = 2·Input1 + 3·Input2 + 1 runs from {low} to {high} here: {side}.": (
        "Z = 2·入力1 + 3·入力2 + 1 は {low} から {high} まで動く。{side}。"
    ),
    "the negative side of the functions never appears": "関数の負の側はまったく現れない",
    "the positive side of the functions never appears": "関数の正の側はまったく現れない",
    "both sides of 0 appear": "正の側も負の側も現れる",
    "Exactly the same surface: {names}.": "まったく同じ曲面：{names}",
    "Less than 1 % of the height away from {leader}: {names}.": (
        "{leader} との差が高さの 1% 未満：{names}"
    ),
    "Flat: {names}.": "平ら：{names}",
    "Almost flat (nine tenths of the points within 15 % of the drawn height): {names}.": (
        "ほぼ平ら（9割の点が、描いた高さの 15% の幅に収まる）：{names}"
    ),
    "Flat wherever Z ≤ −3, with a slope of 0: {names}.": ("Z ≤ −3 で平ら（傾きは 0）：{names}"),
    "Not monotone, they fall and rise again: {names}.": "単調でない（下がってから上がる）：{names}",
    "{names}: taken along Input2, as in the article, so Input1 changes nothing.": (
        "{names}：記事と同じく入力2の方向に計算しているので、入力1によって変わらない"
    ),
    "{names}: of the pair (Input1, Input2), not of Z.": "{names}：Z ではなく（入力1, 入力2）の関数",
    # histograms
    "Parameters: shape, mean ± standard deviation": "パラメータの分布（形状、平均 ± 標準偏差）",
    "value of an entry": "要素の値",
    "number of entries": "要素の数",
    "{count} entries are no finite numbers": "{count} 個の要素が有限の数でない",
    # finite differences
    "central difference − extrapolated slope": "中心差分 − 外挿した傾き",
    "central difference − claim": "中心差分 − 検証する値",
    "bar of the slope": "傾きの誤差幅",
    "step h": "刻み幅 h",
    "error": "誤差",
    "relative error": "相対誤差",
    "Differences of {name}": "{name} の差分近似",
    "forward: (f(x + h) − f(x)) / h": "前進差分：(f(x + h) − f(x)) / h",
    "central: (f(x + h) − f(x − h)) / 2h": "中心差分：(f(x + h) − f(x − h)) / 2h",
    "rounding: ε |f(x)| / (h |f′(x)|)": "丸め誤差：ε |f(x)| / (h |f′(x)|)",
    "Central differences": "中心差分",
    "{name}: best at h = {step}": "{name}：h = {step} で最良",
    "h = {step}, the usual step": "h = {step}（よく使われる刻み幅）",
    "right: (f(x + h) − f(x)) / h": "右側：(f(x + h) − f(x)) / h",
    "left: (f(x) − f(x − h)) / h": "左側：(f(x) − f(x − h)) / h",
    "central, their mean": "中心差分（両者の平均）",
    "difference quotient": "差分商",
    "slope {power}": "傾き {power}",
    "rounding": "丸め誤差",
    "remainder": "剰余",
    "both remainders are 0 at every step": "どの刻み幅でも剰余は 0",
    # the report
    "Predictions after learning": "学習後の予測",
    "Input": "入力",
    "Predicted": "予測",
    "Target": "正解",
    "Right?": "判定",
    "right": "正しい",
    "wrong": "誤り",
    "undecided": "判定できない",
    "Pictures": "図",
    "What to look at:": "ここに注目：",
    "Gradient check": "勾配確認",
    "Show every line of the check": "チェック結果をすべて表示",
    "Try next": "次に試すこと",
    "About this run": "この実行について",
    "Command": "コマンド",
    "Seed": "シード",
    "Versions": "バージョン",
}


def translator(lang: str) -> Callable[[str], str]:
    """The function that says an English label of this package in the language `lang`.

    Raises `UnknownNameError` for a language other than "en" and "ja".
    """
    if lang not in LANGUAGES:
        raise UnknownNameError(f"unknown language {lang!r}: write lang='en' or lang='ja'")
    return (lambda text: text) if lang == "en" else JAPANESE.__getitem__


@contextmanager
def figure_context(lang: str = "en") -> Iterator[None]:
    """Matplotlib settings under which figures with labels in `lang` are made.

    The settings end with the context. A figure made in it keeps its fonts, so it can be saved
    later. Raises `UnknownNameError` for an unknown language and `ImportError`, naming what to
    install, where no Japanese font is found.
    """
    translator(lang)
    import matplotlib

    # Families by name and not "sans-serif": a generic name is looked up when the figure is saved,
    # which is after this context has ended. The last one has every sign the first may lack.
    family = [_japanese_family(), "DejaVu Sans"] if lang == "ja" else ["DejaVu Sans"]
    with matplotlib.rc_context({"font.family": family}):
        yield


def new_figure(width: float, height: float, *, compress: bool = False) -> Figure:
    """An empty figure of this size in inches, which keeps labels from covering one another."""
    engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, compress=compress)
    return Figure(figsize=(width, height), dpi=100, layout=engine)


def legend_below(figure: Figure, handles: Sequence[Artist], lang: str, columns: int = 1) -> None:
    """Add a legend under everything else, and the height that it and long titles take."""
    labels = [wrapped(str(handle.get_label()), 60, lang) for handle in handles]
    rows = math.ceil(sum(label.count("\n") + 1 for label in labels) / columns)
    more_lines = max(axes.get_title().count("\n") for axes in figure.axes)
    figure.set_figheight(figure.get_figheight() + 0.22 * rows + 0.17 * more_lines)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def line_styles() -> Iterator[dict[str, Any]]:
    """Endless styles for the lines of one picture, neighbours differing in colour and dashes."""
    for colour, dashes in zip(cycle(COLOURS), cycle(DASHES), strict=False):
        yield {"color": colour, "linestyle": dashes, "linewidth": 1.8}


def panel_grid(count: int) -> tuple[int, int]:
    """Rows and columns for `count` panels: at most four side by side."""
    columns = count if count <= 3 else min(4, math.ceil(math.sqrt(count)))
    return math.ceil(count / columns), columns


def add_axes_3d(figure: Figure, rows: int, columns: int, position: int) -> Any:
    """Three-dimensional axes, which come without type annotations, at `position` of a grid."""
    # With its own depth sorting, a surface would hide the marks drawn on it.
    axes: Any = figure.add_subplot(rows, columns, position, projection="3d", computed_zorder=False)
    # The layout does not see the labels of three-dimensional axes: keep them inside, and
    # uncovered by the next panel, by hand; let short ones follow their axis too.
    axes.set_box_aspect((1, 1, 0.75), zoom=0.9)
    axes.patch.set_visible(False)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_rotate_label(True)
    return axes


def draw_surface(
    axes: Any,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    heights: NDArray[np.float64],
    **style: Any,
) -> None:
    """A surface with a tile between every four points of the grid."""
    rows, columns = heights.shape
    axes.plot_surface(
        x, y, heights, rcount=rows, ccount=columns, linewidth=0, antialiased=False, **style
    )


def wrapped(text: str, width: int, lang: str) -> str:
    """`text` in lines of at most `width` Latin letters."""
    if lang != "ja":
        return textwrap.fill(text, width, break_on_hyphens=False)
    # Kana and kanji are nearly twice as wide as Latin letters; lines may also end after a comma
    # and before a bracket.
    apart = text.replace("、", "、 ").replace("（", " （")
    lines = textwrap.fill(apart, round(0.58 * width), break_on_hyphens=False)
    return lines.replace("、 ", "、").replace(" （", "（")


def plain(name: str) -> str:
    """A name as Matplotlib shows it without reading mathematics into it."""
    return name.replace("$", r"\$")


def short(number: float, digits: int = 6) -> str:
    """A number as in 1e-8, of no more digits than it has."""
    return f"{number:.{digits}g}".replace("e-0", "e-").replace("e+0", "e")


def share(found: NDArray[np.bool_]) -> dict[str, str]:
    """How many are found, of how many in total."""
    return {"count": f"{np.count_nonzero(found):,}", "total": f"{found.size:,}"}


def font_face(text: str) -> str:
    """CSS that brings along the Japanese characters of `text`, as the family EMBEDDED.

    So a page or an SVG file shows them on machines without such a font. Empty where the text has
    none, or where this machine has no Japanese font either.
    """
    characters = {c for c in text if unicodedata.east_asian_width(c) in "WF"}
    if not characters:
        return ""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont
    from matplotlib.font_manager import findfont

    try:
        path = findfont(_japanese_family())
    except ImportError:
        return ""
    buffer = BytesIO()
    subsetter = Subsetter(Options(layout_features=[]))
    subsetter.populate(unicodes=[ord(c) for c in characters])
    with TTFont(path) as font:
        subsetter.subset(font)
        font.flavor = "woff"
        font.save(buffer)
    data = b64encode(buffer.getvalue()).decode()
    face = f'@font-face{{font-family:"{EMBEDDED}";src:url(data:font/woff;base64,{data})}}'
    # A browser may keep text that it laid out before the font was there: lay it out once more.
    return f"{face}@keyframes settle{{from{{letter-spacing:.01em}}}}:root{{animation:settle .5s}}"


def _japanese_family() -> str:
    from matplotlib.font_manager import fontManager, get_font

    known = set(fontManager.get_font_names())
    # Its folder is looked up without importing the package, which would change global settings.
    spec = find_spec("matplotlib_fontja")
    for folder in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(folder, "fonts").glob("*.ttf")):
            family = get_font(path).family_name
            if family not in known:
                fontManager.addfont(path)
            return family
    for family in JAPANESE_FAMILIES:
        if family in known:
            return family
    raise ImportError(
        "no font with Japanese characters was found for lang='ja': "
        'run pip install "tinygrad_edu[ja]" (in its source folder: pip install ".[ja]"), '
        'or write lang="en"'
    )
