"""What the train command says, in English and Japanese."""

from __future__ import annotations

ENGLISH = {
    "moons_title": "Two moons",
    "circles_title": "Two circles",
    "spirals_title": "Two spirals",
    "digits_title": "Handwritten digits",
    "sequence_title": "Adding binary numbers",
    "moons_introduction": (
        "Two half circles of points reach into each other, with noise. The network gets the two "
        "coordinates of a point and says to which of them it belongs; no straight line parts them."
    ),
    "circles_introduction": (
        "A circle of points lies inside another, with noise. The network gets the two coordinates "
        "of a point and says to which of them it belongs; no straight line parts them."
    ),
    "spirals_introduction": (
        "Two arms of points wind around each other. The network gets the two coordinates of a "
        "point and says to which arm it belongs: the boundary has to wind along with them."
    ),
    "digits_introduction": (
        "1,797 images of 8 × 8 grey levels, written by hand. The network gets the 64 grey levels "
        "and gives a score to each of the ten digits."
    ),
    "sequence_introduction": (
        "Two numbers of 8 bits are read digit by digit, the lowest first, as one adds on paper; "
        "after each digit the network says that of the sum. It has to find out by itself that "
        "there is a carry, and to remember it until the next digit."
    ),
    "how": (
        "The model {layers} has {parameters} parameters and was trained in batches of {batch} with "
        "{optimizer} (learning rate {lr:g}, schedule: {schedule}{more})."
    ),
    "more_decay": ", weight decay {weight_decay:g}",
    "more_clip": ", gradients clipped to norm {clip:g}",
    "more_compiled": ", compiled",
    "how_whole": (
        " It was trained for {epochs} epochs. The validation data were only watched meanwhile."
    ),
    "how_stopped": (
        " The validation data stopped it in epoch {epochs} of {asked}, when their loss had not "
        "improved for {patience} epochs; the weights are those of epoch {best}, the best by it."
    ),
    "how_kept": (
        " It was trained for {epochs} epochs. The validation data chose which weights to keep: "
        "those of epoch {best}, where their loss was lowest."
    ),
    "how_tested": " The test data were looked at only once, at the end.",
    "how_tested_sums": (
        " The test data, looked at only once, at the end, are all sums that there are, those that "
        "it learnt from among them."
    ),
    "points": "{count} points",
    "images": "{count} images",
    "sums": "{count} sums",
    "check_right": (
        "Gradient check: along {correct} of {total} random directions through all {parameters} "
        "parameters, finite differences confirm the gradient to at least {digits} digits."
    ),
    "check_other": (
        "Gradient check: of {total} derivatives, along random directions through all {parameters} "
        "parameters, finite differences confirm none."
    ),
    "check_kink": (
        " {kink} meet a kink, accepted: the slopes on its two sides differ, and the gradient is "
        "one of them or between."
    ),
    "check_unclear": " Of {unclear} finite differences cannot tell enough.",
    "check_stand_in": (
        " {wrong} differ, on purpose: the rule of {names} is a stand-in (straight-through)."
    ),
    "check_wrong": " {wrong} are WRONG (worst: {worst}).",
    "model": "The model",
    "layers": "{count} layers, one after the other",
    "columns": "layer|output shape|parameters|FLOPs",
    "total": "total",
    "flops": (
        "FLOPs are those of one forward pass on {rows} row: two for each product of a matrix "
        "product, one for each entry of all else."
    ),
    "training_head": "Training",
    "epoch_line": "Epoch {epoch}/{epochs}",
    "in_validation": "{training} (validation {validation})",
    "loss": "loss",
    "accuracy": "accuracy",
    "right_bits": "right bits",
    "right_sums": "right sums",
    "compiled": "Compiled: each step is recorded once and then runs as one program.",
    "compiled_clip": (
        "Compiled: the forward and backward pass of each step run as one program; gradients are "
        "clipped and weights moved outside of it."
    ),
    "resumed": "Going on from {file}.",
    "nothing_to_resume": "There is no {file} yet: beginning anew.",
    "other_run": (
        "{file} was made by another training{which}: give the same options as before, another "
        "--out, or leave out --resume"
    ),
    "which": " (other {names})",
    "the_task": "task",
    "enough_epochs": (
        "{file} holds {done} epochs already: give --epochs {done} or more, another --out, or leave "
        "out --resume"
    ),
    "no_checkpoint": (
        "{file} is damaged, or no checkpoint of this version: give another --out, or leave out "
        "--resume to begin anew"
    ),
    "interrupted": (
        "Stopped. What was finished is in {folder}. The same command with --resume goes on from "
        "there."
    ),
    "interrupted_early": "Stopped before the first epoch was finished.",
    "kept_results": "The results of an earlier run in {folder} are left as they were.",
    "kept_best": "The weights are those of epoch {best}, where the validation loss was lowest.",
    "stopped": (
        "Stopped in epoch {epoch}: the validation loss has not improved for {patience} epochs. "
        "The weights are those of epoch {best}."
    ),
    "diverged": "The training has diverged. {error}",
    "diverged_help": "Try a smaller --lr, or --clip 1.",
    "last_good": "The last good epoch is in {file}.",
    "results": "Results",
    "on_each": "On each part of the data",
    "data": "data",
    "part": "{name} ({count})",
    "training": "training",
    "validation": "validation",
    "test": "test",
    "points_learnt": "It tells them apart: {right} of {total} test points are on the right side.",
    "points_short": (
        "{right} of {total} test points are on the right side, short of the {goal} that are "
        "within reach. Try more epochs, wider layers, another --lr or another --seed."
    ),
    "points_straight": (
        "{right} of {total} test points are on the right side. Without an activation between "
        "layers the boundary is one straight line, and no straight line parts them."
    ),
    "images_learnt": "{right} of {total} test images are read right, {wrong} wrong.",
    "images_short": (
        "{right} of {total} test images are read right, {wrong} wrong: short of the {goal} that "
        "are within reach. Try more epochs, wider layers or another --lr."
    ),
    "sums_learnt": (
        "It can add: all {total} sums of two 8-bit numbers are right, and it has learnt from only "
        "{seen}."
    ),
    "sums_short": (
        "{right} of {total} sums are right, and {bits} of their bits. Try more epochs, a wider "
        "rnn, another --lr or another --seed."
    ),
    "sums_no_memory": (
        "{right} of {total} sums are right, and {bits} of their bits. Without rnn nothing is "
        "handed on from one digit to the next, so it cannot know of a carry."
    ),
    "longer": (
        "Of {count} sums of two 32-bit numbers, four times as long as any it was shown, {right} "
        "are right."
    ),
    "overfitted": (
        "On the training data {training} are right, on the test data {test}: it has learnt the "
        "examples by heart. Try --patience 10, a dropout:0.2 between the layers, or "
        "--optimizer adamw --weight-decay 0.1."
    ),
    "worked": "Sums worked by the network",
    "answer": "network",
    "right": "right?",
    "over_seeds": "The same over {seeds} seeds",
    "seed": "seed",
    "epochs": "epochs",
    "reached": "goal reached",
    "yes": "✓",
    "no": "✗",
    "of_seeds": (
        "{count} of {seeds} reach the goal of {goal} on the test data; median {median}, worst "
        "{worst}."
    ),
    "diverged_cell": "diverged",
    "report_at": "Report",
    "tables_at": "Tables",
    "try": "Try next",
    "drawing": "Drawing",
    "no_renderer": (
        'The graph is saved as text only (.dot). For a picture: pip install "tinygrad_edu[render]"'
    ),
    "training_heading": "Loss and accuracy while learning",
    "training_alt": (
        "The loss on a logarithmic axis and the share of right answers against the epoch, on "
        "training and validation data."
    ),
    "training_look": (
        "Training data are what the network learns from, validation data what it does not. "
        "While both losses fall, it learns what holds for both; where the validation loss rises "
        "and the other falls on, it learns its examples by heart. The star marks the best epoch."
    ),
    "regions_heading": "Decision regions",
    "regions_alt": (
        "The plane coloured by the output of the network, with the boundary at 0.5 and the points "
        "of the training and the test data."
    ),
    "regions_look": (
        "The colour is the probability that the network gives to target 1. Along the black line "
        "it is 0.5, and around it lies where the network is unsure. Points with a ring are on the "
        "wrong side: near the line that is noise, far from it a mistake of the network."
    ),
    "confusion_heading": "What is taken for what",
    "confusion_alt": "A table of targets against predictions with a count in each cell.",
    "confusion_look": (
        "Each row is a digit as it was meant, each column as it was read. What lies off the "
        "diagonal is wrong; digits that are alike in writing are confused more often."
    ),
    "mistakes_heading": "The digits that were read wrong",
    "mistakes_alt": "Images of the digits, each with its target, its prediction and its share.",
    "mistakes_look": (
        "The percentage is the probability that the network gave to its answer. Would you have "
        "read them right? Where it was wrong and sure, look at what the image has in common "
        "with its answer."
    ),
    "weights_heading": "What the units of the first layer look for",
    "weights_alt": "The weights of each unit as an image of 8 × 8 pixels.",
    "weights_look": (
        "Blue is ink that makes a unit's pre-activation larger, orange ink that makes it smaller. "
        "Look for strokes, edges and holes; pixels that are always paper keep the weights that "
        "they were given at the start."
    ),
    "sums_heading": "Sums bit by bit",
    "sums_alt": "Sums written one below the other with carries, and the answer of the network.",
    "sums_look": (
        "The last row of each sum is what the network says, read from the right to the left. "
        "Compare it where a carry runs through many digits: nobody told the network of carries."
    ),
    "positions_heading": "Right bits by position",
    "positions_alt": "Bars with the share of right bits at each position of the sum.",
    "positions_look": (
        "The lowest bit needs no carry, each further one that of all before it. A network that "
        "cannot remember is right at 1, and from digit to digit nearer to guessing."
    ),
    "graph_heading": "One training step as a computation graph",
    "graph_alt": (
        "Boxes for data, parameters and layers, with the sizes of what is passed between them."
    ),
    "graph_look": (
        "Each layer is one box. Downwards run the values of four rows, upwards the gradients of "
        "the loss; wider lines carry larger ones. te.draw.graph(loss) draws what is inside."
    ),
    "graph_first_digits": (
        " Only the first two digits of each row are drawn: the layers before and behind a "
        "recurrent layer do the same at all further ones."
    ),
    "graph_title": "One training step of {title}, on four rows",
    "next_slower": "Smaller steps: it diverged because the learning rate is too large.",
    "next_rate": "The learning rate that suits this optimiser.",
    "next_longer": "More epochs.",
    "next_layers": "The layers that this task comes with.",
    "next_settings": "The settings that this task comes with.",
    "next_moons_line": "One neuron without a hidden layer: a straight line.",
    "next_moons_noise": "Learning by heart: few epochs are enough, so what do 600 do?",
    "next_seeds": "Is it luck? The same from five starts.",
    "next_circles_three": "Three units can make a triangle; from how many starts do they?",
    "next_circles_line": "One neuron without a hidden layer: no line parts the circles.",
    "next_spirals_tanh": "tanh instead of relu: the boundary stays too smooth to wind.",
    "next_spirals_sgd": "Plain gradient descent instead of Adam.",
    "next_digits_linear": "No hidden layer: how much of reading is linear?",
    "next_digits_dropout": "Two hidden layers with batch normalisation and dropout.",
    "next_sequence_blind": "No recurrence: without a memory there is no carry.",
    "next_sequence_small": "Three units can add; from how many starts do they learn it?",
}

JAPANESE = {
    "moons_title": "二つの半月",
    "circles_title": "二重の円",
    "spirals_title": "二重らせん",
    "digits_title": "手書き数字",
    "sequence_title": "2進数の足し算",
    "moons_introduction": (
        "互いに入り組んだ二つの半円形の点群です（ノイズあり）。ネットワークは点の2つの座標を"
        "受け取り、どちらの半円の点かを答えます。直線では分けられません。"
    ),
    "circles_introduction": (
        "大きな円の内側に小さな円がある点群です（ノイズあり）。ネットワークは点の2つの座標を"
        "受け取り、どちらの円の点かを答えます。直線では分けられません。"
    ),
    "spirals_introduction": (
        "互いに巻き付いた2本の腕をなす点群です。ネットワークは点の2つの座標を受け取り、"
        "どちらの腕の点かを答えます。決定境界もらせんに沿って曲がる必要があります。"
    ),
    "digits_introduction": (
        "8 × 8 画素の手書き数字の画像 1,797 枚です。ネットワークは 64 個の濃淡の値を受け取り、"
        "0 から 9 までの数字それぞれに得点を付けます。"
    ),
    "sequence_introduction": (
        "8 ビットの数2つを、筆算と同じく下の桁から1桁ずつ読み、読むたびに和の同じ桁を答えます。"
        "桁上がりがあることも、それを次の桁まで覚えておくことも、ネットワークが自分で"
        "見つけなければなりません。"
    ),
    "how": (
        "モデル {layers}（パラメータ {parameters} 個）を、バッチサイズ {batch}、"
        "{optimizer}（学習率 {lr:g}、スケジュール {schedule}{more}）で学習させました。"
    ),
    "more_decay": "、重み減衰 {weight_decay:g}",
    "more_clip": "、勾配のノルムの上限 {clip:g}",
    "more_compiled": "、コンパイルあり",
    "how_whole": "学習は {epochs} エポックで、検証データは学習中の観察にだけ使いました。",
    "how_stopped": (
        "検証データの損失が {patience} エポックの間改善しなかったので、{asked} エポックのうち "
        "{epochs} エポックで学習を打ち切り、その損失が最小だったエポック {best} の重みを"
        "採用しました。"
    ),
    "how_kept": (
        "学習は {epochs} エポックで、検証データの損失が最小だったエポック {best} の重みを"
        "採用しました。"
    ),
    "how_tested": "テストデータは最後に一度だけ使いました。",
    "how_tested_sums": (
        "テストデータは最後に一度だけ使いました。テストデータはあり得るすべての和で、学習に"
        "使った和も含みます。"
    ),
    "points": "{count} 点",
    "images": "{count} 枚",
    "sums": "{count} 通り",
    "check_right": (
        "勾配確認：全 {parameters} パラメータの空間でランダムに選んだ {total} 方向のうち "
        "{correct} 方向で、勾配が数値微分と {digits} 桁以上一致。"
    ),
    "check_other": (
        "勾配確認：全 {parameters} パラメータの空間でランダムに選んだ方向の微分 {total} 個のうち、"
        "数値微分で確認できたものはありません。"
    ),
    "check_kink": (
        "{kink} 方向は折れ点（微分できない点）に当たるので合格扱い：左右の傾きが異なり、"
        "勾配はそのどちらか、またはその間の値です。"
    ),
    "check_unclear": "{unclear} 方向は数値微分では判定できません。",
    "check_stand_in": (
        "{names} の勾配は導関数ではなく代用（straight-through）なので、{wrong} 方向は"
        "数値微分と異なります。"
    ),
    "check_wrong": "{wrong} 方向が誤り（最悪：{worst}）。",
    "model": "モデル",
    "layers": "{count} 層（上から順に計算）",
    "columns": "層|出力の形状|パラメータ数|FLOPs",
    "total": "合計",
    "flops": (
        "FLOPs はデータ {rows} 件の順伝播 1 回分です。行列積では積 1 つにつき 2、"
        "そのほかの演算では要素 1 つにつき 1 と数えます。"
    ),
    "training_head": "学習",
    "epoch_line": "エポック {epoch}/{epochs}",
    "in_validation": "{training}（検証 {validation}）",
    "loss": "損失",
    "accuracy": "正解率",
    "right_bits": "正しいビット",
    "right_sums": "正しい和",
    "compiled": (
        "コンパイルあり：学習の1ステップを一度だけ記録し、以後は1つのプログラムとして実行します。"
    ),
    "compiled_clip": (
        "コンパイルあり：各ステップの順伝播と逆伝播を1つのプログラムとして実行します。"
        "勾配クリッピングと重みの更新はその外で行います。"
    ),
    "resumed": "{file} から再開します。",
    "nothing_to_resume": "{file} がまだないので、最初から学習します。",
    "other_run": (
        "{file} は別の設定の学習で作られたものです{which}。前回と同じオプションを付けるか、"
        "--out で別のフォルダを指定するか、--resume を外してください"
    ),
    "which": "（違い：{names}）",
    "the_task": "課題",
    "enough_epochs": (
        "{file} はすでに {done} エポック学習済みです。--epochs を {done} 以上にするか、--out で別の"
        "フォルダを指定するか、--resume を外してください"
    ),
    "no_checkpoint": (
        "{file} は壊れているか、このバージョンのチェックポイントではありません。--out で別の"
        "フォルダを指定するか、--resume を外して最初から学習してください"
    ),
    "interrupted": (
        "中断しました。終わったところまでは {folder} にあります。同じコマンドに --resume を付けると"
        "続きから学習します。"
    ),
    "interrupted_early": "最初のエポックが終わる前に中断しました。",
    "kept_results": "{folder} にある前回の結果はそのまま残してあります。",
    "kept_best": "重みは、検証データの損失が最小だったエポック {best} のものです。",
    "stopped": (
        "エポック {epoch} で終了：検証データの損失が {patience} エポックの間改善しませんでした。"
        "重みはエポック {best} のものです。"
    ),
    "diverged": "学習が発散しました。{error}",
    "diverged_help": "--lr を小さくするか、--clip 1 を付けて試してください。",
    "last_good": "発散する前のエポックは {file} にあります。",
    "results": "結果",
    "on_each": "データごとの結果",
    "data": "データ",
    "part": "{name}（{count}）",
    "training": "訓練",
    "validation": "検証",
    "test": "テスト",
    "points_learnt": "分類できました：テストデータ {total} 点中 {right} 点が正しい側にあります。",
    "points_short": (
        "テストデータ {total} 点中 {right} 点が正しい側にありますが、目標の {goal} に届いて"
        "いません。エポック数や層の幅を増やすか、--lr や --seed を変えて試してください。"
    ),
    "points_straight": (
        "テストデータ {total} 点中 {right} 点が正しい側にあります。層の間に活性化関数がないと"
        "決定境界は1本の直線になり、直線ではこの点群を分けられません。"
    ),
    "images_learnt": "テスト画像 {total} 枚中 {right} 枚を正しく読み、{wrong} 枚を読み誤りました。",
    "images_short": (
        "テスト画像 {total} 枚中 {right} 枚を正しく読み、{wrong} 枚を読み誤りました。"
        "目標の {goal} に届いていません。"
        "エポック数や層の幅を増やすか、--lr を変えて試してください。"
    ),
    "sums_learnt": (
        "足し算ができるようになりました：8 ビットの数どうしの和 {total} 通りがすべて正解です"
        "（学習に使ったのは {seen} 通り）。"
    ),
    "sums_short": (
        "和 {total} 通りのうち {right} 通りが正解、ビットごとの正解率は {bits} です。エポック数や "
        "rnn の幅を増やすか、--lr や --seed を変えて試してください。"
    ),
    "sums_no_memory": (
        "和 {total} 通りのうち {right} 通りが正解、ビットごとの正解率は {bits} です。rnn がないと"
        "前の桁から何も伝わらないので、桁上がりを知ることができません。"
    ),
    "longer": (
        "学習に使った数の4倍の長さの 32 ビットの数どうしの和では、{count} 通りのうち {right} 通りが"
        "正解です。"
    ),
    "overfitted": (
        "正解率は訓練データで {training}、テストデータで {test} です：訓練データを丸暗記しています"
        "（過学習）。--patience 10、層の間の dropout:0.2、または "
        "--optimizer adamw --weight-decay 0.1 を試してください。"
    ),
    "worked": "ネットワークによる足し算",
    "answer": "出力",
    "right": "判定",
    "over_seeds": "{seeds} 通りのシードで繰り返した結果",
    "seed": "シード",
    "epochs": "エポック数",
    "reached": "目標達成",
    "yes": "✓",
    "no": "✗",
    "of_seeds": (
        "テストデータでの目標 {goal} に達したのは {seeds} 回中 {count} 回（中央値 {median}、"
        "最低 {worst}）。"
    ),
    "diverged_cell": "発散",
    "report_at": "レポート",
    "tables_at": "表",
    "try": "次に試すコマンド",
    "drawing": "作図",
    "no_renderer": (
        "グラフはテキスト（.dot）だけを保存しました。"
        '図にするには pip install "tinygrad_edu[render]" を実行してください'
    ),
    "training_heading": "学習中の損失と正解率",
    "training_alt": "訓練データと検証データの損失（対数目盛）・正解率とエポックの関係。",
    "training_look": (
        "訓練データは学習に使うデータ、検証データは学習に使わないデータです。両方の損失が下がる"
        "間は、どちらにも通用することを学んでいます。訓練データの損失だけが下がり続け、検証データの"
        "損失が上がり始めたら、訓練データの丸暗記（過学習）です。星印は最良のエポックです。"
    ),
    "regions_heading": "決定領域",
    "regions_alt": (
        "平面をネットワークの出力で塗り分け、0.5 の決定境界と訓練データ・テストデータの点を"
        "重ねた図。"
    ),
    "regions_look": (
        "色は、正解が 1 である確率としてネットワークが出した値です。黒い線の上では 0.5 で、その"
        "付近では確信がありません。丸で囲んだ点は誤った側にあります。線の近くならノイズのため、"
        "遠くならネットワークの誤りです。"
    ),
    "confusion_heading": "何を何と読み誤ったか",
    "confusion_alt": "正解と予測の組ごとに枚数を示した表（混同行列）。",
    "confusion_look": (
        "行は正解の数字、列は読み取った数字です。対角線から外れたところが誤りです。"
        "形の似た数字ほどよく取り違えます。"
    ),
    "mistakes_heading": "読み誤った数字",
    "mistakes_alt": "数字の画像に、正解・予測・その確率を添えた図。",
    "mistakes_look": (
        "パーセントは、ネットワークが自分の答えに付けた確率です。あなたなら正しく読めたでしょうか。"
        "高い確率で誤ったものは、答えた数字とどこが似ているかを見てください。"
    ),
    "weights_heading": "最初の層のユニットが探すもの",
    "weights_alt": "ユニットごとの重みを 8 × 8 画素の画像で示した図。",
    "weights_look": (
        "青い画素にインクがあるとそのユニットの活性化前の値が大きくなり、橙色の画素にあると"
        "小さくなります。線・輪郭・穴を探してみてください。いつも白い画素の重みは、"
        "初期値のまま残ります。"
    ),
    "sums_heading": "ビットごとの足し算",
    "sums_alt": "筆算の形に並べた足し算（桁上がり付き）とネットワークの出力。",
    "sums_look": (
        "各筆算の最後の行がネットワークの答えで、右から左へ読みます。桁上がりが何桁も続くところを"
        "比べてください。桁上がりがあることは、誰も教えていません。"
    ),
    "positions_heading": "桁ごとの正解率",
    "positions_alt": "和の桁ごとの正解率を示した棒グラフ。",
    "positions_look": (
        "一番下の桁は下からの桁上がりがなく、それより上の桁は、それまでの桁上がりで決まります。"
        "覚えておけないネットワークは 1 の桁だけ正しく、桁が上がるほど当てずっぽうに近づきます。"
    ),
    "graph_heading": "学習1回分の計算グラフ",
    "graph_alt": "データ・パラメータ・層の箱と、その間で渡される勾配の大きさを示した図。",
    "graph_look": (
        "層は1つの箱にまとめてあります。4 件のデータの値が下へ、損失の勾配が上へ流れ、線が太いほど"
        "大きな勾配が伝わっています。層の中身は te.draw.graph(loss) で描けます。"
    ),
    "graph_first_digits": (
        "描いたのは最初の2桁だけです。再帰層の前後の層は、残りの桁でも同じ計算を繰り返します。"
    ),
    "graph_title": "学習1回分の計算グラフ：{title}（データ 4 件）",
    "next_slower": "歩幅を小さく：学習率が大きすぎて発散しました。",
    "next_rate": "この最適化手法に合った学習率で。",
    "next_longer": "エポック数を増やして。",
    "next_layers": "この課題の既定の層で。",
    "next_settings": "この課題の既定の設定で。",
    "next_moons_line": "隠れ層のないニューロン1個：境界は直線になります。",
    "next_moons_noise": "丸暗記：少ないエポックで足りるのに 600 エポック続けると？",
    "next_seeds": "偶然でしょうか。5通りの初期値から繰り返します。",
    "next_circles_three": "隠れユニット3個なら三角形で囲めます。何通りの初期値からできる？",
    "next_circles_line": "隠れ層のないニューロン1個：直線では円を分けられません。",
    "next_spirals_tanh": "relu の代わりに tanh：境界が滑らかすぎて巻き付けません。",
    "next_spirals_sgd": "Adam の代わりに素朴な勾配降下法で。",
    "next_digits_linear": "隠れ層なし：線形なモデルでどこまで読めるでしょうか。",
    "next_digits_dropout": "バッチ正規化とドロップアウトのある隠れ層2つ。",
    "next_sequence_blind": "再帰なし：記憶がなければ桁上がりもありません。",
    "next_sequence_small": "ユニット3個でも足し算はできます。何通りの初期値から学習できる？",
}

TEXTS = {"en": ENGLISH, "ja": JAPANESE}
