"""What the XOR command says, in English and Japanese."""

from __future__ import annotations

ENGLISH = {
    "title": "XOR: one neuron cannot, a hidden layer can",
    "introduction": (
        "XOR is 1 where exactly one of two inputs is 1. Two networks were trained on its four "
        "points with the same loss, learning rate and number of epochs.\n"
        "Nobody typed the derivative of a network: each operation brings its local derivative, "
        "the recorded graph multiplies them, and finite differences checked the result before "
        "training."
    ),
    "neuron": "The article's network: one sigmoid neuron",
    "hidden": "One change: {hidden} hidden {activation} units",
    "hidden_one": "One change: {hidden} hidden {activation} unit",
    "check_right": (
        "Gradient check: {correct} of {total} gradients are confirmed by finite differences "
        "to at least {digits} digits."
    ),
    "check_kink": (
        " {kink} sit at a kink, accepted: the slopes on the two sides "
        "differ there and the gradient is one of them or between."
    ),
    "check_unclear": " Of {unclear} finite differences cannot tell enough.",
    "check_stand_in": (
        "Gradient check: {correct} of {total} gradients agree; {activation}'s rule is a stand-in "
        "(straight-through), so {wrong} differ from its derivative, on purpose."
    ),
    "check_wrong": (
        "Gradient check: {correct} of {total} gradients are confirmed, {wrong} are WRONG "
        "(worst: {worst})."
    ),
    "compiled": (
        "Compiled: a training step is recorded once and then runs as one program. The network "
        "with the hidden layer runs uncompiled, as its gradient is measured at each step."
    ),
    "compiled_seeds": "Compiled: the steps of all seeds together are one program.",
    "learnt": "It has learnt XOR: loss {loss}, {right} of 4 right.",
    "on_the_way": (
        "{right} of 4 are on the right side of 0.5, but the loss is still {loss}; train longer."
    ),
    "half_linear": (
        "Loss {loss}: it answers about 0.5 to everything. It is linear up to the last sigmoid, so "
        "its decision boundary is one straight line, and no straight line separates XOR."
    ),
    "half": "Loss {loss}: it still answers about 0.5 to everything ({right} of 4 right).",
    "straight_line": (
        "Loss {loss}, {right} of 4 right. One neuron draws one straight line, and no straight "
        "line separates XOR: at least one point stays on the wrong side."
    ),
    "straight_line_hidden": (
        "Loss {loss}, {right} of 4 right. It is linear up to the last sigmoid, so its decision "
        "boundary is one straight line, and no straight line separates XOR."
    ),
    "not_learnt": (
        "Loss {loss}, {right} of 4 right: it has not learnt XOR. Try more epochs, more hidden "
        "units, another learning rate or another seed."
    ),
    "diverged": "Loss {loss}: the training has diverged. Try a smaller --lr.",
    "gradient_table": "Gradient magnitude per layer (rms)",
    "gradient_symbols": (
        "δ = ∂L/∂(pre-activation), ∇W = ∂L/∂W; layers.0 is the hidden layer, layers.1 the output."
    ),
    "over_seeds": "The same over {seeds} seeds",
    "network": "network",
    "learns": "learns XOR",
    "median": "median loss",
    "worst": "worst loss",
    "of": "{learnt} of {seeds}",
    "report_at": "Report",
    "tables_at": "Tables",
    "try": "Try next",
    "drawing": "Drawing",
    "always_half": "always answering 0.5",
    "no_renderer": (
        'The graphs are saved as text only (.dot). For pictures: pip install "tinygrad_edu[render]"'
    ),
    "graph_title": "One neuron, one sample: the chain rule with its numbers",
    "graph_batch_title": "The network on all four samples at once",
    "loss_heading": "Loss while learning",
    "loss_alt": "Loss of both networks against the epoch, on a logarithmic axis.",
    "loss_look": (
        "The line at 0.25 is the loss of always answering 0.5. A curve that stays there does not "
        "tell the points apart yet; one that falls far below it has learnt to."
    ),
    "surfaces_heading": "What each network answers: the learned surfaces",
    "surfaces_alt": (
        "Two surfaces of the output over both inputs from −1 to 1, the height always from 0 to 1."
    ),
    "surfaces_look": (
        "The neuron's surface is a plane or one soft step; a hidden layer that is not linear can "
        "bend it so that it passes through all four points."
    ),
    "regions_heading": "Decision regions",
    "regions_alt": "The input plane coloured by the answer, with the boundary at 0.5.",
    "regions_look": (
        "One neuron draws at most one straight boundary. XOR needs the two opposite corners on "
        "one side, which takes a bent boundary or two."
    ),
    "graph_heading": "The computation graph of one neuron on one sample",
    "graph_alt": (
        "Boxes for inputs, parameters and operations, with values and gradients; on each arrow "
        "the incoming gradient times the local derivative."
    ),
    "graph_look": (
        "Read it backwards, from the loss: at each arrow the incoming gradient is multiplied by "
        "the local derivative, and the product is the gradient handed on. That is all of "
        "backpropagation."
    ),
    "gradients_heading": "Gradient magnitude per layer",
    "gradients_alt": (
        "Root mean square of the loss gradient at each layer's pre-activation against the epoch."
    ),
    "gradients_look": (
        "Where the lines are close, both layers get a gradient of similar size. In deep networks "
        "those of the first layers can fall far below the last: that is the vanishing gradient."
    ),
    "next_linear": "A hidden layer without non-linearity: it stays at 0.25.",
    "next_seeds": "Two hidden units from 100 starts: how often is that enough?",
    "next_relu": "ReLU: see the corner that the gradient check meets.",
}

JAPANESE = {
    "title": "XOR：1個のニューロンでは学習できず、隠れ層があれば学習できる",
    "introduction": (
        "XOR は、2つの入力のうちちょうど一方だけが 1 のときに 1 になる関数です。"
        "その4点を、同じ損失関数・学習率・エポック数で2つのネットワークに学習させました。\n"
        "手で書いてあるのは演算ごとの局所的な微分だけです。ネットワーク全体の微分は"
        "記録された計算グラフから組み立て、学習を始める前に数値微分と照合しています。"
    ),
    "neuron": "記事のネットワーク：シグモイドのニューロン1個",
    "hidden": "変更点は1つ：隠れ層に {activation} を{hidden}個追加",
    "hidden_one": "変更点は1つ：隠れ層に {activation} を{hidden}個追加",
    "check_right": "勾配確認：{total} 個中 {correct} 個の勾配を数値微分で {digits} 桁以上確認。",
    "check_kink": (
        "{kink} 個は折れ点（微分できない点）にあるので合格扱い：左右の傾きが異なり、"
        "勾配はそのどちらか、またはその間の値です。"
    ),
    "check_unclear": "{unclear} 個は数値微分では判定できません。",
    "check_stand_in": (
        "勾配確認：{total} 個中 {correct} 個が一致。{activation} の勾配は導関数ではなく"
        "代用（straight-through）なので、{wrong} 個は数値微分と異なる。"
    ),
    "check_wrong": "勾配確認：{total} 個中 {correct} 個を確認、{wrong} 個が誤り（最悪：{worst}）。",
    "compiled": (
        "コンパイルあり：学習の1ステップを一度だけ記録し、以後は1つのプログラムとして実行します。"
        "隠れ層のあるネットワークは、毎ステップ勾配を測るため、コンパイルせずに実行します。"
    ),
    "compiled_seeds": "コンパイルあり：全シードの1ステップを1つのプログラムとして実行します。",
    "learnt": "XOR を学習できました：損失 {loss}、4点中 {right} 点正解。",
    "on_the_way": (
        "4点中 {right} 点が 0.5 の正しい側にありますが、損失はまだ {loss} です。"
        "エポック数を増やしてみましょう。"
    ),
    "half_linear": (
        "損失 {loss}：どの入力にもほぼ 0.5 と答えています。最後のシグモイドまで線形なので"
        "決定境界は1本の直線になり、直線1本では XOR を分けられません。"
    ),
    "half": "損失 {loss}：まだどの入力にもほぼ 0.5 と答えています（4点中 {right} 点正解）。",
    "straight_line": (
        "損失 {loss}、4点中 {right} 点正解。ニューロン1個が引けるのは直線1本だけで、"
        "直線では XOR を分けられません。少なくとも1点は必ず間違った側に残ります。"
    ),
    "straight_line_hidden": (
        "損失 {loss}、4点中 {right} 点正解。最後のシグモイドまで線形なので"
        "決定境界は1本の直線になり、直線1本では XOR を分けられません。"
    ),
    "not_learnt": (
        "損失 {loss}、4点中 {right} 点正解：XOR を学習できていません。"
        "エポック数や隠れ層のユニット数を増やすか、学習率やシードを変えて試してください。"
    ),
    "diverged": "損失 {loss}：学習が発散しました。--lr を小さくして試してください。",
    "gradient_table": "層ごとの勾配の大きさ（二乗平均平方根）",
    "gradient_symbols": (
        "δ = ∂L/∂(活性化前の値)、∇W = ∂L/∂W。layers.0 が隠れ層、layers.1 が出力層です。"
    ),
    "over_seeds": "{seeds} 通りの初期値で繰り返した結果",
    "network": "ネットワーク",
    "learns": "学習に成功した回数",
    "median": "損失の中央値",
    "worst": "最大の損失",
    "of": "{seeds} 回中 {learnt} 回",
    "report_at": "レポート",
    "tables_at": "表",
    "try": "次に試すコマンド",
    "drawing": "作図",
    "always_half": "常に 0.5 と答えた場合",
    "no_renderer": (
        "グラフはテキスト（.dot）だけを保存しました。"
        '図にするには pip install "tinygrad_edu[render]" を実行してください'
    ),
    "graph_title": "ニューロン1個・データ1件：連鎖律を数値で追う",
    "graph_batch_title": "4件のデータをまとめて流したネットワーク",
    "loss_heading": "学習中の損失",
    "loss_alt": "2つのネットワークの損失とエポックの関係（対数目盛）。",
    "loss_look": (
        "0.25 の線は、常に 0.5 と答えたときの損失です。そこにとどまる曲線は4点をまだ区別できて"
        "おらず、そこから大きく下がった曲線は区別できるようになっています。"
    ),
    "surfaces_heading": "学習後の出力曲面",
    "surfaces_alt": "2つの入力を −1 から 1 まで動かしたときの出力曲面。高さは常に 0 から 1。",
    "surfaces_look": (
        "ニューロン1個の曲面は平面か、なだらかな段差1つです。"
        "非線形な隠れ層があると曲面を曲げて、4点すべてを通せます。"
    ),
    "regions_heading": "決定領域",
    "regions_alt": "入力平面を出力の値で塗り分け、0.5 の決定境界を示した図。",
    "regions_look": (
        "ニューロン1個が引ける境界はせいぜい直線1本です。XOR では向かい合う2つの角を"
        "同じ側に置く必要があり、曲がった境界か2本の境界が必要です。"
    ),
    "graph_heading": "ニューロン1個・データ1件の計算グラフ",
    "graph_alt": (
        "入力・パラメータ・演算の箱に値と勾配を示し、"
        "矢印に「届いた勾配 × 局所的な微分」を示した図。"
    ),
    "graph_look": (
        "損失から逆向きに読んでください。矢印ごとに、届いた勾配に局所的な微分を掛けたものが"
        "次へ渡されます。逆伝播とは、これだけのことです。"
    ),
    "gradients_heading": "層ごとの勾配の大きさ",
    "gradients_alt": "各層の活性化前の値に対する損失の勾配（二乗平均平方根）とエポックの関係。",
    "gradients_look": (
        "線どうしが近ければ、2つの層に同じくらいの大きさの勾配が届いています。"
        "深いネットワークでは最初の層の線がずっと下がることがあります。これが勾配消失です。"
    ),
    "next_linear": "非線形性のない隠れ層：損失は 0.25 のままです。",
    "next_seeds": "隠れユニット2個を100通りの初期値から：何回学習に成功するでしょうか。",
    "next_relu": "ReLU：勾配確認が出会う折れ点を見てみましょう。",
}

TEXTS = {"en": ENGLISH, "ja": JAPANESE}
