"""The languages of pictures and pages: their words and their fonts."""

from __future__ import annotations

import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from tinygrad_edu.errors import UnknownNameError

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
    # losses
    "Loss during training": "学習中の損失",
    "Epoch": "エポック",
    "Loss (log scale)": "損失（対数目盛）",
    "{name} (not drawn in {count} of {total} epochs: zero, infinite or not a number)": (
        "{name}（{total} エポック中 {count} エポックは 0・無限大・非数のため描いていない）"
    ),
    # surfaces and regions
    "Learned Activation Output Surface": "学習後の出力曲面",
    "Decision regions": "決定領域",
    "Input 1": "入力 1",
    "Input 2": "入力 2",
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
