"""What the diagnosis says, in English and Japanese."""

from __future__ import annotations

HEADINGS = {
    "en": ("finding", "grade", "where", "measured", "limit", "pass", "source of the limit"),
    "ja": ("所見", "判定", "場所", "測定値", "限界", "回", "限界の出典"),
}
TITLES = {"en": "Gradient flow: {grade}", "ja": "勾配の流れ：{grade}"}
GRADES = {
    "en": {"healthy": "healthy", "watch": "watch", "sick": "sick"},
    "ja": {"healthy": "健全", "watch": "要観察", "sick": "異常"},
}
WHOLE = {"en": "whole model", "ja": "モデル全体"}
NAMES = {
    "en": {
        "non_finite": "not finite",
        "symmetric": "symmetric units",
        "initialisation": "bad initialisation",
        "step_large": "step too large",
        "step_small": "step too small",
        "exploding": "exploding gradient",
        "vanishing": "vanishing gradient",
        "dead": "dead units",
        "saturated": "saturated",
        "oscillation": "oscillating loss",
    },
    "ja": {
        "non_finite": "NaN・無限大",
        "symmetric": "対称なユニット",
        "initialisation": "不適切な初期値",
        "step_large": "更新幅が大きすぎる",
        "step_small": "更新幅が小さすぎる",
        "exploding": "勾配爆発",
        "vanishing": "勾配消失",
        "dead": "死んだユニット",
        "saturated": "飽和",
        "oscillation": "損失の振動",
    },
}
LEARNING = {
    "en": {
        "costs": "{loss} after {steps} passes (guessing costs {guessing}): {state}",
        "alone": "{loss} after {steps} passes ({start} at first): {state}",
        "failed": "NOT LEARNING",
        "learning": "still learning",
        "learnt": "learnt",
        "unknown": "it cannot be told whether it learns",
    },
    "ja": {
        "costs": "逆伝播 {steps} 回の後の損失 {loss}（当てずっぽうなら {guessing}）：{state}",
        "alone": "逆伝播 {steps} 回の後の損失 {loss}（最初は {start}）：{state}",
        "failed": "学習できていません",
        "learning": "学習の途中です",
        "learnt": "学習できました",
        "unknown": "学習できたかどうかは判断できません",
    },
}
NOTHING = {
    "en": {
        "learnt": "Nothing is out of its limits.",
        "failed": (
            "Nothing is out of its limits, and yet it does not learn: the cause is not in the flow "
            "of the gradient. Look at the data, the targets and the size of the model."
        ),
    },
    "ja": {
        "learnt": "限界を超えた項目はありません。",
        "failed": (
            "限界を超えた項目はないのに学習できていません。原因は勾配の流れの外にあります。"
            "データ、正解の値、モデルの大きさを確かめてください。"
        ),
    },
}
# One sentence for each: what was measured, and its limit.
VERDICTS = {
    "en": {
        "non_finite": "From pass {step} on the numbers are not finite{place}.",
        "symmetric": "{value} of the units of {layer} are copies of each other (limit {limit}).",
        "initialisation": (
            "The first weights of {layer} are too {size}: σ_w² = {value}, and {activation} wants "
            "{wanted} (limit {limit})."
        ),
        "step_large": "A step moves the weights by {value} times their size (limit {limit}).",
        "step_small": "A step moves the weights by {value} times their size (limit {limit}).",
        "exploding": "The gradient explodes: rms δ of {layer} ÷ last is {value} (limit {limit}).",
        "vanishing": "The gradient vanishes: rms δ of {layer} ÷ last is {value} (limit {limit}).",
        "exploding_time": (
            "The gradient explodes over time: rms δ of {layer}'s first step ÷ its last is {value} "
            "(limit {limit})."
        ),
        "vanishing_time": (
            "The gradient vanishes over time: rms δ of {layer}'s first step ÷ its last is {value} "
            "(limit {limit})."
        ),
        "dead": "{value} of the units of {layer} are dead (limit {limit}).",
        "saturated": "{value} of {layer} is saturated (limit {limit}).",
        "oscillation": (
            "The loss swings: in {value} of the last steps it turns back (limit {limit})."
        ),
    },
    "ja": {
        "non_finite": "{step} 回目の逆伝播から NaN か無限大が現れます{place}。",
        "symmetric": "{layer} のユニットの {value} が互いに同じ重みです（限界 {limit}）。",
        "initialisation": (
            "{layer} の重みの初期値が{size}ます。σ_w² = {value} に対し、"
            "{activation} に適した値は {wanted} です（限界 {limit}）。"
        ),
        "step_large": "1 回の更新で重みが自身の大きさの {value} 倍動いています（限界 {limit}）。",
        "step_small": "1 回の更新で重みが自身の大きさの {value} 倍しか動きません（限界 {limit}）。",
        "exploding": "勾配爆発：{layer} の δ の rms は最終層の {value} 倍です（限界 {limit}）。",
        "vanishing": "勾配消失：{layer} の δ の rms は最終層の {value} 倍です（限界 {limit}）。",
        "exploding_time": (
            "時間方向の勾配爆発：{layer} の最初の時刻の δ の rms は"
            "最後の時刻の {value} 倍です（限界 {limit}）。"
        ),
        "vanishing_time": (
            "時間方向の勾配消失：{layer} の最初の時刻の δ の rms は"
            "最後の時刻の {value} 倍です（限界 {limit}）。"
        ),
        "dead": "{layer} のユニットの {value} が死んでいます（限界 {limit}）。",
        "saturated": "{layer} の出力の {value} が飽和しています（限界 {limit}）。",
        "oscillation": "損失が振動しています：直近の {value} で増減が反転（限界 {limit}）。",
    },
}
# One sentence of why.
REASONS = {
    "en": {
        "non_finite": (
            "One number that is not finite spoils all that is computed from it, and after one step "
            "every weight."
        ),
        "symmetric": (
            "Units that start with the same weights get the same gradient, so they stay one unit "
            "for ever."
        ),
        "initialisation_large": (
            "Sums over {fan_in} inputs become so large that signals and gradients leave the range "
            "in which {activation} works."
        ),
        "initialisation_small": (
            "Sums over {fan_in} inputs become so small that each layer passes on less of signal "
            "and gradient."
        ),
        "step_large": (
            "About 0.001 is usual; so large a step jumps over the minimum, and what the weights "
            "had learnt is lost."
        ),
        "step_small": "About 0.001 is usual; at this pace the weights stay where they began.",
        "exploding": "On the way back each layer multiplies rms δ by about {factor}.",
        "vanishing": "Each layer passes on about {factor} of rms δ{slope}.",
        "slope": "; {activation}'s slope is at most {steepest}",
        "exploding_time": "On the way back each time step multiplies rms δ by about {factor}.",
        "vanishing_time": "Each time step passes on about {factor} of rms δ{slope}.",
        "dead": (
            "A unit that gives 0 for every sample has slope 0 there, so no gradient can bring it "
            "back."
        ),
        "saturated": (
            "Where {activation} is flat, its slope is below 5 % of its greatest: almost no "
            "gradient passes."
        ),
        "oscillation": "Each step overshoots the minimum, and the next comes back too far.",
    },
    "ja": {
        "non_finite": (
            "NaN や無限大が 1 つでも生じると先の計算すべてに広がり、1 回の更新で全重みが壊れます。"
        ),
        "symmetric": (
            "同じ重みから始めたユニットには同じ勾配が届くので、いつまでも同じ 1 個のままです。"
        ),
        "initialisation_large": (
            "{fan_in} 個の入力の和が大きくなりすぎ、信号も勾配も "
            "{activation} の働く範囲を外れます。"
        ),
        "initialisation_small": (
            "{fan_in} 個の入力の和が小さくなりすぎ、層を通るたびに信号も勾配も弱まります。"
        ),
        "step_large": (
            "目安は 0.001 ほどです。ここまで大きいと最小値を飛び越え、学んだ内容も失われます。"
        ),
        "step_small": "目安は 0.001 ほどです。この歩幅では重みは初期値からほとんど動きません。",
        "exploding": "1 層さかのぼるごとに δ の rms が約 {factor} 倍になります。",
        "vanishing": "1 層さかのぼるごとに δ の rms が約 {factor} 倍に縮みます{slope}。",
        "slope": "（{activation} の微分値は最大でも {steepest}）",
        "exploding_time": "1 時刻さかのぼるごとに δ の rms が約 {factor} 倍になります。",
        "vanishing_time": "1 時刻さかのぼるごとに δ の rms が約 {factor} 倍に縮みます{slope}。",
        "dead": "どのサンプルにも 0 を出すユニットは微分値も 0 なので、勾配では立ち直れません。",
        "saturated": (
            "{activation} が平らな所では微分値が最大値の 5 % を下回り、勾配がほとんど伝わりません。"
        ),
        "oscillation": "1 歩ごとに最小値を行き過ぎ、次の 1 歩でまた戻り過ぎます。",
    },
}
# One line of code, and its comment.
ADVICE = {
    "non_finite": "with te.trace_nonfinite(): loss(model(x), y).backward()",
    "symmetric": 'te.nn.MLP(widths, "{activation}")',
    "initialisation": 'te.nn.MLP(widths, "{activation}")',
    "step_large": "optimizer.lr /= 10",
    "step_small": "optimizer.lr *= 10",
    "exploding": "te.train.fit(..., clip_norm=1)",
    "exploding_time": "te.train.fit(..., clip_norm=1)",
    "vanishing": 'te.nn.MLP(widths, "relu")',
    "vanishing_small": 'te.nn.MLP(widths, "{activation}")',
    "vanishing_residual": "te.nn.Residual(block)",
    "vanishing_time": "te.nn.RNN(inputs, hidden)",
    "dead": 'te.nn.MLP(widths, "leaky_relu")',
    "saturated": "x = (x - x.mean(axis=0)) / x.std(axis=0)",
    "saturated_later": "optimizer.lr /= 10",
    "oscillation": "optimizer.lr /= 3",
}
COMMENTS = {
    "en": {
        "non_finite": "names the operation that bears it",
        "symmetric": "draws each unit's weights at random",
        "initialisation": "the initialisation that its card advises, by itself",
        "step_large": "until ΔW ÷ W is about 0.001",
        "step_small": "until ΔW ÷ W is about 0.001",
        "exploding": "no gradient longer than 1",
        "exploding_time": "no gradient longer than 1",
        "vanishing": "He initialisation by itself",
        "vanishing_small": "the initialisation that its card advises, by itself",
        "vanishing_residual": "a way past each block, for the gradient too",
        "vanishing_time": "orthogonal recurrent weights keep the gradient's length",
        "dead": "lets a little gradient through below 0",
        "saturated": "inputs of mean 0 and standard deviation 1",
        "saturated_later": "until the weights no longer grow into saturation",
        "oscillation": "until the loss falls evenly",
    },
    "ja": {
        "non_finite": "最初に NaN や無限大を生んだ演算がわかる",
        "symmetric": "ユニットごとに異なる乱数の重みで始める",
        "initialisation": "活性化関数に合った初期化が自動で選ばれる",
        "step_large": "ΔW ÷ W が 0.001 程度になるまで",
        "step_small": "ΔW ÷ W が 0.001 程度になるまで",
        "exploding": "勾配クリッピング：勾配の長さを 1 までに抑える",
        "exploding_time": "勾配クリッピング：勾配の長さを 1 までに抑える",
        "vanishing": "He の初期値が自動で選ばれる",
        "vanishing_small": "活性化関数に合った初期化が自動で選ばれる",
        "vanishing_residual": "勾配も各ブロックを迂回して流れる",
        "vanishing_time": "直交行列の再帰重みは勾配の長さを保つ",
        "dead": "0 より下でも勾配を少し通す",
        "saturated": "入力を平均 0、標準偏差 1 にそろえる",
        "saturated_later": "重みが飽和領域まで育たなくなるまで",
        "oscillation": "損失がなめらかに下がるまで",
    },
}
SIZES = {"en": {True: "large", False: "small"}, "ja": {True: "大きすぎ", False: "小さすぎ"}}
PLACES = {"en": ", first in {layer}", "ja": "（最初は {layer}）"}
