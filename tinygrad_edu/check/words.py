"""What the verifier says, in English and Japanese."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import UnknownNameError
from .verdict import Verdict

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "columns": "derivative|claimed|expected|bar|verdict",
        "count": "Derivatives judged: {total} ({kinds})",
        "correct": "correct",
        "kink": "kink",
        "inconclusive": "inconclusive",
        "wrong": "wrong",
        "digits": "correct ({digits:.0f} digits)",
        "rounded": "correct up to the rounding of what it is computed from",
        "inside": "kink, inside: between the slopes on its sides",
        "outside": "WRONG at a kink: not between the slopes on its sides",
        "why": "inconclusive: {reason}",
        "WRONG": "WRONG",
        "ratio": "WRONG: {ratio:.6g} times the right one",
        "share": "WRONG: off by {share:.1e} of it",
        "because": "WRONG: {reason}",
        "more": "... and {count} more",
    },
    "ja": {
        "columns": "微分|検証する値|期待される値|誤差幅|判定",
        "count": "判定した微分：{total} 個（{kinds}）",
        "correct": "正しい",
        "kink": "折れ点",
        "inconclusive": "判定不能",
        "wrong": "誤り",
        "digits": "正しい（{digits:.0f} 桁）",
        "rounded": "計算に使う値の丸め誤差の範囲で正しい",
        "inside": "折れ点（両側の傾きの間にある）",
        "outside": "誤り：折れ点で、両側の傾きの間にない",
        "why": "判定不能：{reason}",
        "WRONG": "誤り",
        "ratio": "誤り：正しい値の {ratio:.6g} 倍",
        "share": "誤り：相対誤差 {share:.1e}",
        "because": "誤り：{reason}",
        "more": "… ほか {count} 個",
    },
}
REASONS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "value": "the function is not finite here",
        "random": "two calls with the same input differ, so the function is not deterministic",
        "jump": "the function jumps here, or its tangent is vertical",
        "steps": "no step gives a finite difference",
        "near": "a kink is near or here, and the slopes on its sides are not known well enough",
        "kinks": 'some entries sit at kinks; mode="entries" judges each of them',
        "corners": "some entries sit at kinks; each entry is judged by itself",
        "rough": "the function is too rough here, or too noisy, for differences over these steps",
        "tiny": "numbers this small lose their digits",
        "edge": "the function ends here, and the one side that is left does not tell enough",
        "rounding": "rounding hides the slope; it is known to ±{bar:.1e} only",
        "beyond": "the slope is beyond the largest number of float64",
        "lost": "right as a formula, but float64 loses its digits; write it another way",
        "claim": "it is no finite number",
        "shape": "there is none, the gradient has another shape than the input",
        "own": "the rule's own rounding is as large as its error",
        "surrogate": "its rule stands in for the derivative on purpose",
        "extreme": "it is {claim} at this declared extreme",
        "widened": "float32 goes in and another dtype comes out; compute in the dtype of the input",
        "float32": "float32 gives {claim:.8g} and float64 {expected:.8g}",
    },
    "ja": {
        "value": "この点で関数の値が有限でない",
        "random": "同じ入力で 2 回計算した値が異なる（関数が決定的でない）",
        "jump": "関数がここで不連続か、接線が垂直",
        "steps": "どの刻み幅でも差分が有限にならない",
        "near": "折れ点があるか近く、両側の傾きが十分には分からない",
        "kinks": '折れ点にある要素がある（mode="entries" なら個別に判定できる）',
        "corners": "折れ点にある要素がある（要素ごとに判定する）",
        "rough": "関数が細かく変動しすぎる（またはノイズが大きい）",
        "tiny": "数が小さすぎて桁が失われる",
        "edge": "定義域の端で、片側だけでは判定できない",
        "rounding": "丸め誤差に隠れ、傾きは ±{bar:.1e} までしか分からない",
        "beyond": "傾きが倍精度の最大の数を超える",
        "lost": "式としては正しいが、倍精度では桁が失われる（別の形に書き直すとよい）",
        "claim": "有限の数でない",
        "shape": "勾配の形が入力と異なる",
        "own": "誤差が、検証する値そのものの丸め誤差と同程度",
        "surrogate": "微分の代わりに使う規則であり、微分と違うのは意図したもの",
        "extreme": "極端な入力として宣言されたこの点で、値が {claim} になる",
        "widened": "単精度で入力したのに別の型で出力される（入力の型のまま計算するとよい）",
        "float32": "単精度では {claim:.8g}、倍精度では {expected:.8g}",
    },
}


def words(lang: str) -> Mapping[str, str]:
    """The words of one language. Raises `UnknownNameError` for a language that is not there."""
    if lang not in WORDS:
        raise UnknownNameError(f"no language {lang!r}; there is {' and '.join(WORDS)}")
    return WORDS[lang]


def sentence(verdict: Verdict, lang: str = "en") -> str:
    """A verdict in words."""
    say = words(lang)
    reason = verdict.reason
    if reason in REASONS[lang]:
        reason = REASONS[lang][reason].format(**vars(verdict))
    if verdict.kind == "correct":
        return say[reason or "digits"].format(digits=verdict.digits)
    if verdict.kind == "kink":
        return say["inside" if verdict.inside else "outside"]
    if verdict.kind == "inconclusive":
        return say["why"].format(reason=reason)
    if reason:
        return say["because"].format(reason=reason)
    if verdict.expected and abs(verdict.expected) > verdict.bar:
        ratio = verdict.claim / verdict.expected
        if abs(ratio - 1) < 1e-4:
            return say["share"].format(share=abs(ratio - 1))
        return say["ratio"].format(ratio=ratio)
    return say["WRONG"]
