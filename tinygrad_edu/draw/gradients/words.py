"""The words of the pictures of gradient flow."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping

from .. import style

# Keyed by the English text, as those of all pictures are.
JAPANESE: Mapping[str, str] = {
    # axes
    "Layer; the gradient comes from the right": "層（勾配は右から左へ伝わる）",
    "Layer ({first} to {last}); the gradient comes from the right": (
        "層（{first} 〜 {last}）。勾配は右から左へ伝わる"
    ),
    "Layer (the first one is at the bottom)": "層（一番下が最初の層）",
    "Backward pass": "逆伝播の回数",
    "rms of δ = ∂L/∂z, last layer = 1": "δ = ∂L/∂z の二乗平均平方根（最終層 = 1）",
    "rms, last layer = 1": "二乗平均平方根（最終層 = 1）",
    "Time step (the gradient comes from the right)": "時刻（勾配は右から左へ伝わる）",
    "rms of δ = ∂L/∂z, last step = 1": "δ = ∂L/∂z の二乗平均平方根（最後の時刻 = 1）",
    "update ÷ weight (rms)": "更新量 ÷ 重み（二乗平均平方根の比）",
    # what does not fit on an axis
    "below the axis, 0 too: drawn at its edge": "軸の下限未満（0 を含む）：端に描いた",
    "above the axis, infinity too: drawn at its edge": "軸の上限超（無限大を含む）：端に描いた",
    "gap: not a number, or nothing to compare with": "途切れ：非数、または割る数が 0",
    # thresholds
    "watch: below {low} or above {high}": "要観察：{low} 未満または {high} 超",
    "sick if training fails too: below {low} or above {high}": (
        "学習も失敗していれば異常：{low} 未満または {high} 超"
    ),
    # δ by layer
    "Gradient in each layer": "層ごとの勾配",
    "first pass (last layer: {size})": "最初の逆伝播（最終層では {size}）",
    "pass {step} (last layer: {size})": "{step} 回目の逆伝播（最終層では {size}）",
    "theory before training: median": "学習前の理論値（中央値）",
    "theory before training: 95 % of networks": "学習前の理論値（95% の範囲）",
    "after pass {step} the last layer has a δ of 0 or not finite": (
        "{step} 回目より後は、最終層の δ が 0 または非有限"
    ),
    # the trap
    "Weight gradients can hide what δ shows": "∇W だけでは勾配消失を見落とす",
    "Weight gradients beside δ": "∇W と δ の比較",
    "δ = ∂L/∂z: first ÷ last layer {ratio}": "δ = ∂L/∂z：最初の層 ÷ 最終層 = {ratio}",
    "∇W = ∂L/∂W: first ÷ last layer {ratio}": "∇W = ∂L/∂W：最初の層 ÷ 最終層 = {ratio}",
    # depth and time as colours
    "Gradient in each layer during training": "学習中の層ごとの勾配",
    "rms δ ÷ last layer's": "δ の大きさ（最終層 = 1）",
    "colour: median of {width} epochs": "色：{width} エポックごとの中央値",
    "colour: median of {width} passes": "色：逆伝播 {width} 回ごとの中央値",
    "colour: median of each epoch": "色：エポックごとの中央値",
    "colour: each backward pass": "色：逆伝播 1 回ごとの値",
    "no number": "値がない",
    # histograms
    "Activations and δ, layer by layer": "層ごとの活性化後の値と δ の分布",
    "Activations and δ in {shown} of {total} layers": (
        "活性化後の値と δ の分布（{total} 層のうち {shown} 層）"
    ),
    "activation h": "活性化後の値 h",
    "|δ| ÷ rms δ of the last layer": "|δ| ÷ 最終層の δ の二乗平均平方根",
    "pass {step}": "{step} 回目の逆伝播",
    "first pass": "最初の逆伝播",
    "no activation function": "活性化関数なし",
    "not measured": "測定なし",
    "height: share of the entries, each panel on its own scale; the bars at the ends have all "
    "beyond; entries that are 0 or not finite are given in words": (
        "高さ：要素の割合（目盛は図ごとに異なる）、両端の棒は軸の外の値も含む、"
        "0 と有限でない値（非有限）は割合を数字で表示"
    ),
    "0: {shares}": "0：{shares}",
    "not finite: {shares}": "非有限：{shares}",
    # updates
    "How far each step moves the weights": "1 回の更新で重みが動く割合",
    "usual: about 0.001": "目安：およそ 0.001",
    "fine: {low} to {high}": "適正な範囲：{low} 〜 {high}",
    "line: median of {width} measured steps": "線：測定 {width} 回ごとの中央値",
    "no step of an optimiser moved the weights": "オプティマイザによる重みの更新がない",
    # time
    "Gradient over time": "時刻ごとの勾配",
    "a step back: × {factor}": "1 時刻さかのぼるごとに × {factor}",
    "theory before training": "学習前の理論値",
    # the sweep
    "Which networks pass the gradient on, and learn": "勾配は届くか、学習できるか",
    "{key}: {value}": "{key}：{value}",
    "rms δ, first ÷ last layer": "δ の大きさ（最初の層 ÷ 最終層）",
    "number: power of ten of the ratio": "数字：比の常用対数",
    "median over {keys}": "{keys} については中央値",
    "learnt": "学習できた",
    "learnt in some of the runs": "一部の実行で学習できた",
    "not learnt": "学習できなかった",
    "activation": "活性化関数",
    "init": "初期化",
    "depth": "層の数",
    "width": "ユニット数",
    # remedies
    "Remedies: before and after": "対策の前後の比較",
    "Layer": "層",
    "before": "対策なし",
    "after": "対策あり",
    "in brackets: runs that learnt": "括弧内：学習できた回数",
    "loss of guessing": "当てずっぽうの損失",
    "rms δ, last layer = 1": "δ の大きさ（最終層 = 1）",
    "line: median of the seeds; band: smallest to largest": (
        "線：シード間の中央値、帯：最小値から最大値まで"
    ),
}
_ALL = ChainMap(dict(JAPANESE), dict(style.JAPANESE))


def translator(lang: str) -> Callable[[str], str]:
    """The function that says an English label in the language `lang`, as `style.translator`."""
    return (
        style.translator(lang) if lang == "en" or lang not in style.LANGUAGES else _ALL.__getitem__
    )
