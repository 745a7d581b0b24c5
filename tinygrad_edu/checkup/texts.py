"""What the command `flow` says, in English and Japanese."""

from __future__ import annotations

ENGLISH = {
    "title": "Gradient flow: {depth} layers of {width}, {activation}",
    "network": (
        "{depth} hidden layers of {width}, {activation}, weights {weights}{more}; {task}, "
        "{rows} points; {optimizer}, lr {lr:g}, batch {batch}, {epochs} epochs, seed {seed}"
    ),
    "residual": "residual connections",
    "training": "training",
    "loss": "{loss} after {epochs} epochs ({guessing}: guessing){right} — {state}",
    "diverged": "The training diverged: {error} — {state}",
    "right": ", {share} right",
    "failed": "NOT LEARNING",
    "learning": "STILL LEARNING",
    "learnt": "LEARNT",
    "delta_head": "== rms δ, last layer to first, in the median pass: {step} of {passes} ==",
    "columns": "layer|rms δ|÷ last|1e-12 to 1e+4, log scale",
    "verdict": "Verdict: {verdict}",
    "why": "Why: {why}",
    "nothing_why": "The gradient reaches every layer.",
    "theory": (
        "Theory before training: first ÷ last layer {predicted} (95 % of networks {low} … "
        "{high}); measured {measured}."
    ),
    "no_theory": "Theory knows no such network.",
    "remedies_head": "== Remedies, {seeds} seeds each, same weights and data ==",
    "hint": "What would help? Try the remedies: {command}",
    "write": "Write next: {code}",
    "sweep_head": "== Sweep over {keys}: {count} networks ==",
    "resumed": "Going on from {file}: {done} of {count} are there already.",
    "failed_cells": "{count} networks of the sweep failed: {which}. The same command tries again.",
    "ratio": "δ ratio",
    "cell_loss": "loss",
    "cell_learnt": "learnt",
    "activation": "activation",
    "init": "initialiser",
    "depth": "depth",
    "width": "width",
    "report_at": "Report",
    "tables_at": "Tables",
    "try": "Try next",
    "drawing": "Drawing",
    "interrupted": "Stopped. What was finished is in {folder}.",
    "interrupted_early": "Stopped before there was anything to keep.",
    "interrupted_sweep": " The same command goes on with the sweep.",
    "introduction": (
        "Backpropagation hands δ = ∂L/∂z from the last layer to the first. Here it was measured in "
        "each layer while the network learnt, and laid beside what theory predicts. A layer that "
        "gets almost no δ learns almost nothing."
    ),
    "verdict_heading": "Verdict",
    "loss_table": "What the loss says",
    "loss_columns": "epochs|loss on all data|guessing|right|verdict",
    "findings": "What is out of its limits",
    "comparison": "Theory beside measurement",
    "comparison_table": "rms δ in the first backward pass",
    "comparison_said": (
        "Theory knows only widths, first weights and the activation, and speaks of networks before "
        "training. Measured is the first backward pass. 95 % of networks should lie between the "
        "two ends; a number that is a little outside is no fault."
    ),
    "comparison_columns": "layer|rms δ ÷ last: theory|95 % of networks|measured|inside",
    "measured": "Each layer, measured",
    "gradients_table": "Gradients and updates",
    "signals_table": "Activations, as last measured",
    "remedies": "Remedies",
    "remedies_said": (
        "Each remedy changes one thing and is run again from the same weights and data. It has "
        "cured if at least four of five seeds learn with it, and more than without."
    ),
    "remedies_table": "Before and after",
    "more": "More remedies: {command}",
    "sweep": "Sweep",
    "sweep_table": "δ ratio, loss and learning",
    "sweep_said": (
        "Each network is trained once, with everything else the same. The δ ratio is rms δ of the "
        "first layer ÷ that of the last, the median over the training."
    ),
    "check_right": (
        "The gradient is right: along {correct} of {total} random directions it agrees with finite "
        "differences. What vanishes or explodes is no mistake of backpropagation."
    ),
    "check_unclear": (
        "Finite differences confirm the gradient along {correct} of {total} random directions; the "
        "lines below say why not along all."
    ),
    "next_remedy": "Which remedies help, tried over {seeds} seeds?",
    "next_cured": "The ReLU family with He initialisation.",
    "next_deeper": "Twice the depth: does the gradient still come through?",
    "next_residual": "Residual connections: a way past each layer.",
    "next_sweep": "Activation × initialiser × depth: where does the gradient survive?",
    "layers_heading": "δ in each layer: measured over predicted",
    "layers_alt": "rms δ of each layer on a logarithmic axis, over the band of the theory.",
    "layers_look": (
        "Read it from the right: δ starts at the last layer and is handed back. A straight slope "
        "means that each layer multiplies it by the same number. The line of the first pass should "
        "lie in the band; that of the last pass shows what training has made of it."
    ),
    "epochs_heading": "δ in each layer, epoch by epoch",
    "epochs_alt": "A heatmap of layer and epoch; the colour is log10 of δ ÷ the last layer's.",
    "epochs_look": (
        "White is as strong as in the last layer, orange weaker, blue stronger. Does the colour of "
        "the first layers get paler while it learns, or does it stay as dark as at the start?"
    ),
    "histograms_heading": "Activations and δ as histograms",
    "histograms_alt": "For each layer a histogram of its activations and one of |δ|.",
    "histograms_look": (
        "On the left, activations: piled up at an end they are saturated, all at one place they no "
        "longer tell samples apart. On the right, |δ|: healthy layers lie one above the other, a "
        "vanishing gradient walks to the left."
    ),
    "updates_heading": "How far a step moves the weights",
    "updates_alt": "rms of the update ÷ rms of the weights of each layer over the training.",
    "updates_look": (
        "About 1e-3 a step is usual. A layer far below stays where it began; one above 1e-1 "
        "forgets with each step what it had learnt."
    ),
    "trap_heading": "The trap: weight gradients beside δ",
    "trap_alt": "rms δ and rms ∇W of each layer, both divided by those of the last layer.",
    "trap_look": (
        "∇W is δ times the input of the layer. Where inputs are large, ∇W can look healthy while "
        "δ vanishes, so look at both."
    ),
    "remedies_heading": "Before and after each remedy",
    "remedies_alt": "Loss curves and δ by layer, before and with each remedy.",
    "remedies_look": (
        "The line of the training without a remedy is the same in all panels. A remedy that only "
        "lifts δ, and not the loss, has treated a symptom."
    ),
    "grid_heading": "The sweep",
    "grid_alt": "For each network of the grid the δ ratio as a colour and whether it learnt.",
    "grid_look": (
        "The number is log10 of the δ ratio. Near 0 the gradient comes through whole. Look for "
        "where learning stops along the depth, and which initialiser moves that border."
    ),
}

JAPANESE = {
    "title": "勾配の流れ：{width} ユニット × {depth} 層、{activation}",
    "network": (
        "隠れ層 {depth} 層（各 {width} ユニット、{activation}）、初期値 {weights}{more}。"
        "{task}（{rows} 点）。{optimizer}、学習率 {lr:g}、バッチサイズ {batch}、"
        "{epochs} エポック、シード {seed}"
    ),
    "residual": "残差接続",
    "training": "学習",
    "loss": "{epochs} エポック後の損失 {loss}（{guessing}：当てずっぽう）{right} — {state}",
    "diverged": "学習が発散しました。{error} — {state}",
    "right": "、正解率 {share}",
    "failed": "学習できていません",
    "learning": "学習の途中です",
    "learnt": "学習できました",
    "delta_head": "== δ の大きさ（比が中央値の {step} 回目、全 {passes} 回。最終層から順に） ==",
    "columns": "層|δ の rms|÷ 最終層|1e-12 〜 1e+4（対数目盛）",
    "verdict": "判定：{verdict}",
    "why": "理由：{why}",
    "nothing_why": "勾配はどの層にも届いています。",
    "theory": (
        "学習前の理論値：最初の層 ÷ 最終層は {predicted}"
        "（ネットワークの 95 % が {low} 〜 {high}）。測定値は {measured} です。"
    ),
    "no_theory": "このネットワークには使える理論がありません。",
    "remedies_head": "== 対策の比較（重みとデータは同じ、シード {seeds} 通り） ==",
    "hint": "どうすれば学習できるか、対策を試すには：{command}",
    "write": "次に書く行：{code}",
    "sweep_head": "== {keys} を変えた {count} 通りの比較 ==",
    "resumed": "{file} の続きから始めます（{count} 通りのうち {done} 通りは計算済み）。",
    "failed_cells": (
        "{count} 通りは計算できませんでした：{which}。同じコマンドでもう一度計算します。"
    ),
    "ratio": "δ の比",
    "cell_loss": "損失",
    "cell_learnt": "学習",
    "activation": "活性化関数",
    "init": "初期値",
    "depth": "層の数",
    "width": "ユニット数",
    "report_at": "レポート",
    "tables_at": "表",
    "try": "次に試すコマンド",
    "drawing": "作図",
    "interrupted": "中断しました。終わったところまでは {folder} にあります。",
    "interrupted_early": "残せる結果が出る前に中断しました。",
    "interrupted_sweep": "同じコマンドで比較の続きから計算できます。",
    "introduction": (
        "誤差逆伝播では、δ = ∂L/∂z を最終層から最初の層へ順に伝えます。学習中の各層の δ を測り、"
        "理論の予測と並べました。δ がほとんど届かない層は、ほとんど学習できません。"
    ),
    "verdict_heading": "判定",
    "loss_table": "損失からわかること",
    "loss_columns": "エポック数|全データの損失|当てずっぽうの損失|正解率|判定",
    "findings": "限界を超えた項目",
    "comparison": "理論と測定の比較",
    "comparison_table": "最初の逆伝播での δ の rms",
    "comparison_said": (
        "理論が使うのは、層の幅・重みの初期値・活性化関数だけで、予測は学習前のネットワークに"
        "ついてのものです。測定値は最初の逆伝播のものです。ネットワークの 95 % が"
        "この範囲に入ります。わずかに外れても異常ではありません。"
    ),
    "comparison_columns": "層|δ の rms ÷ 最終層（理論）|95 % の範囲|測定値|範囲内",
    "measured": "層ごとの測定値",
    "gradients_table": "勾配と更新量",
    "signals_table": "活性化後の値（最後の測定値）",
    "remedies": "対策",
    "remedies_said": (
        "どの対策も変えるのは1か所だけで、同じ重みと同じデータから学習し直しています。"
        "シード5通りのうち4通り以上で学習でき、対策なしより多ければ「治った」と判定します。"
    ),
    "remedies_table": "対策の前と後",
    "more": "ほかの対策も試すには：{command}",
    "sweep": "条件を変えた比較",
    "sweep_table": "δ の比・損失・学習の成否",
    "sweep_said": (
        "ほかの条件を同じにして、1通りにつき1回学習しました。δ の比は、最初の層の δ の rms を"
        "最終層のそれで割った値（学習中の中央値）です。"
    ),
    "check_right": (
        "勾配は正しく計算されています：ランダムに選んだ {total} 方向のうち {correct} 方向で"
        "数値微分と一致しました。勾配の消失や爆発は、誤差逆伝播の誤りではありません。"
    ),
    "check_unclear": (
        "ランダムに選んだ {total} 方向のうち、数値微分で勾配を確認できたのは {correct} 方向です。"
        "残りの理由は下の表にあります。"
    ),
    "next_remedy": "どの対策が効くか、シード {seeds} 通りで試します。",
    "next_cured": "ReLU と He の初期値に替えます。",
    "next_deeper": "層を2倍に：勾配はまだ届くでしょうか。",
    "next_residual": "残差接続：各層に迂回路を作ります。",
    "next_sweep": "活性化関数 × 初期値 × 層の数：勾配が生き残るのはどこでしょうか。",
    "layers_heading": "層ごとの δ：測定と理論",
    "layers_alt": "層ごとの δ の rms（対数目盛）を、理論の範囲に重ねた図。",
    "layers_look": (
        "右から左へ読みます。δ は最終層で生まれ、前の層へ伝わります。傾きが一定なら、どの層でも"
        "同じ割合で変わっています。最初の逆伝播の線は理論の帯に入るはずです。最後の線は、学習で"
        "それがどう変わったかを示します。"
    ),
    "epochs_heading": "層ごとの δ の移り変わり",
    "epochs_alt": "層とエポックのヒートマップ。色は δ ÷ 最終層の δ の常用対数。",
    "epochs_look": (
        "白は最終層と同じ強さ、橙は弱い所、青は強い所です。学習が進むにつれて最初のほうの層の"
        "色は薄くなるでしょうか、それとも濃いままでしょうか。"
    ),
    "histograms_heading": "活性化後の値と δ の分布",
    "histograms_alt": "層ごとの活性化後の値と |δ| のヒストグラム。",
    "histograms_look": (
        "左は活性化後の値です。端に集まっていれば飽和、1か所に固まっていればデータを区別できて"
        "いません。右は |δ| です。健全なら各層の山が縦にそろい、勾配消失では山が左へずれて"
        "いきます。"
    ),
    "updates_heading": "1回の更新で重みが動く割合",
    "updates_alt": "層ごとの更新量の rms ÷ 重みの rms と学習の進み具合の関係。",
    "updates_look": (
        "1回につき 1e-3 くらいが目安です。それよりずっと小さい層は初期値のまま動かず、1e-1 を"
        "超える層は、学んだことを更新のたびに失います。"
    ),
    "trap_heading": "落とし穴：∇W と δ の比較",
    "trap_alt": "層ごとの δ の rms と ∇W の rms。どちらも最終層を 1 とする。",
    "trap_look": (
        "∇W は δ と層への入力の積です。入力が大きいと、δ が消えていても ∇W は健全に見えることが"
        "あります。必ず両方を見てください。"
    ),
    "remedies_heading": "対策の前と後",
    "remedies_alt": "対策ごとの損失の曲線と層ごとの δ を、対策なしと並べた図。",
    "remedies_look": (
        "対策なしの線はどの図でも同じです。δ だけが大きくなって損失が下がらない対策は、症状を"
        "抑えただけです。"
    ),
    "grid_heading": "条件を変えた比較",
    "grid_alt": "条件ごとの δ の比を色で、学習できたかどうかを印で示した図。",
    "grid_look": (
        "数字は δ の比の常用対数で、0 に近いほど勾配がそのまま届いています。層を増やすとどこで"
        "学習できなくなるか、その境目が初期値でどう動くかを見てください。"
    ),
}

TEXTS = {"en": ENGLISH, "ja": JAPANESE}
