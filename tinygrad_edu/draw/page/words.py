"""What the page says, in English and Japanese."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..style import translator

JAPANESE: Mapping[str, str] = {
    # the page
    "Step by step through the chain rule": "連鎖律を1ステップずつたどる",
    "computation graph": "計算グラフ",
    "this step": "このステップ",
    "controls": "操作",
    "Play": "再生",
    "Pause": "一時停止",
    "first step": "最初のステップへ",
    "one step back": "1つ戻る",
    "one step on": "1つ進む",
    "last step": "最後のステップへ",
    "step": "ステップ",
    "speed": "速さ",
    "whole graph": "全体を表示",
    "legend": "凡例",
    "thick outline: this step; thick dashes: where its message (↑) goes; white: not yet": (
        "太枠：このステップ、太い破線：勾配（↑）を渡す先、白：まだ計算していない"
    ),
    "Space: play or pause. ← →: one step. Home, End: first and last step.": (
        "スペース：再生・一時停止、← →：1つ戻る・進む、Home・End：最初・最後"
    ),
    "Point at a cell or move with the arrow keys: all its digits are shown here.": (
        "マスを指すか矢印キーで選ぶと、全桁がここに出ます。"
    ),
    "array": "配列",
    "This page needs JavaScript to step through the graph.": (
        "ステップごとの表示には JavaScript が必要です。"
    ),
    "Lines of your code appear here for what is computed inside te.record_lines().": (
        "te.record_lines() の中で計算すると、コードの行も表示されます。"
    ),
    "parameter": "パラメータ",
    "leaf: tracked, no name": "葉（名前のない入力）",
    "constant: no gradient": "定数（勾配なし）",
    "operation": "演算",
    "output": "出力",
    "rms: root mean square of an array; cells: blue is above 0, striped orange below": (
        "rms：配列の二乗平均平方根、マス：青は正、縞のオレンジは負"
    ),
    "value": "値",
    "gradient": "勾配",
    # arrays
    "colours: ±{}": "色の範囲 ±{}",
    "the first {} of {} rows and {} of {} columns": "{1} 行中の先頭 {0} 行、{3} 列中の先頭 {2} 列",
    # forward
    "Forward {} of {}": "順伝播 {} / {}",
    "Backward {} of {}": "逆伝播 {} / {}",
    "{} is given: {}.": "{} は与えられた値：{}。",
    "Compute {}: {}.": "{} を計算する：{}。",
    "Value": "値",
    "Formula": "式",
    "Definition": "定義",
    "Numbers put in": "数を代入",
    "Your code": "あなたのコード",
    "entry {}": "要素 {}",
    "where": "ただし",
    # backward
    "Backward begins: {} = 1.": "逆伝播の開始：{} = 1。",
    "The gradient of {} is complete: {}.": "{} の勾配が決まった：{}。",
    "All {} messages to {} have arrived, and their sum is its gradient: {}.": (
        "{1} に渡される {0} 個の勾配がそろい、その合計が {1} の勾配：{2}。"
    ),
    "{} sends to {} the message {} × {} = {}.": "{} から {} へ渡す勾配：{} × {} = {}。",
    "{} sends to {} the message {}.": "{} から {} へ渡す勾配：{}。",
    "summed over {} samples": "{} サンプル分を合計",
    "summed over {} entries": "{} 要素分を合計",
    "Gradient": "勾配",
    "The only message": "渡された勾配は1つ",
    "Sum of the messages": "渡された勾配の合計",
    "Local derivative": "局所的な微分",
    "Message": "渡す勾配",
    "message": "渡す勾配",
    "message = {}": "渡す勾配 = {}",
    "1 where {}, else 0": "{} なら 1、そうでなければ 0",
    "1 where {}, 1/2 where {}, else 0": "{} なら 1、{} なら 1/2、そうでなければ 0",
    "Incoming gradient × local derivative = message": "届いた勾配 × 局所的な微分 = 渡す勾配",
    "Incoming gradient → message": "届いた勾配 → 渡す勾配",
    "Sum over {} samples, because broadcasting had repeated {}": (
        "ブロードキャストで {1} を繰り返したので、{0} サンプル分を合計"
    ),
    "Sum over {} entries, because broadcasting had repeated {}": (
        "ブロードキャストで {1} を繰り返したので、{0} 要素分を合計"
    ),
    "Gradient before + message = gradient after": "前の勾配 + 渡された勾配 = 後の勾配",
    "before": "前",
    "after": "後",
    # finite differences
    "{} {}": "{}{}",
    "Finite differences": "数値微分と比べる",
    "finite difference": "数値微分",
    "finite differences": "数値微分",
    "Finite differences agree.": "数値微分と一致。",
    "Finite differences agree in {} digits.": "数値微分と {} 桁一致。",
    "A corner lies here.": "ここは折れ点。",
    "Finite differences cannot tell.": "数値微分では判定できない。",
    "They cannot tell: the slope is lost in rounding, or the function jumps here.": (
        "判定できない：傾きが丸め誤差に隠れているか、関数がここで不連続。"
    ),
    "Finite differences differ on purpose.": "数値微分と一致しないのは意図どおり。",
    "Finite differences differ.": "数値微分と一致しない。",
    "They agree in {} digits.": "{} 桁が一致。",
    "All {} entries agree in {} digits of the largest.": (
        "{} 要素すべてが、最大の要素から数えて {} 桁一致。"
    ),
    "{} of {} entries, drawn at random (seed {}), agree in {} digits of the largest.": (
        "{1} 要素から無作為に選んだ {0} 要素（シード {2}）が、最大の要素から数えて {3} 桁一致。"
    ),
    "All of them are zero.": "すべて 0。",
    "Both are zero.": "どちらも 0。",
    "A corner: the slopes on its two sides are {} and {}; the gradient lies between them.": (
        "折れ点：両側の傾きは {} と {} で、勾配はその間の値。"
    ),
    "They differ: a rule on the way may be wrong.": (
        "一致しない：途中の微分の規則が誤っているかもしれない。"
    ),
    "{} passes on a stand-in for its derivative.": "{} は導関数の代わりの値を渡す。",
    "Not checked: the numbers are not finite.": "比べられない：値が有限でない。",
    "The graph is in float32; the differences were taken in float64.": (
        "グラフは float32、数値微分は float64 で計算。"
    ),
}


def phrases(lang: str) -> Callable[[str], str]:
    """The function that says a phrase of the page in the language `lang`.

    Raises `UnknownNameError` for a language other than "en" and "ja".
    """
    translator(lang)
    return JAPANESE.__getitem__ if lang == "ja" else str
