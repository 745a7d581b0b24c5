"""Repeats in a sequence: what is folded, where it begins, and what only looks alike."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu.draw.repeats import entries, folded


def chain(length: int) -> list[list[int]]:
    """Each element uses the one before it."""
    return [[i - 1] if i else [] for i in range(length)]


def pattern(forms: str, sources: Sequence[Sequence[int]], anchors: str = "") -> str:
    """The groups as text: "x3 y" for three of x, then one of y."""
    flags = [form in anchors for form in forms] if anchors else None
    groups = folded(forms, sources, flags)
    return " ".join(f"{forms[g[0]]}{len(g) if len(g) > 1 else ''}" for g in groups)


def test_a_chain_of_one_operation_is_one_group() -> None:
    assert folded("ttttt", chain(5)) == [[0, 1, 2, 3, 4]]


def test_a_repeat_of_several_elements_keeps_one_group_for_each() -> None:
    assert folded("xabababy", chain(8)) == [[0], [1, 3, 5], [2, 4, 6], [7]]


def test_repeats_of_repeats_are_folded_from_the_inside_out() -> None:
    # Two neurons of three inputs for each of four samples: s = s + w·x three times, then relu.
    neuron = "mamamar"
    sources: list[list[int]] = []
    for start in range(0, 8 * len(neuron), len(neuron)):
        sources += [[], [start], [], [start + 2, start + 1], [], [start + 4, start + 3]]
        sources.append([start + 5])
    assert pattern(8 * neuron, sources) == "m24 a24 r8"


def test_where_a_copy_begins_is_where_least_is_passed_on() -> None:
    # Three neurons of "m a r", each used by nothing, after an element that looks like their last.
    sources = [[], [], [1], [2], [], [4], [5], [], [7], [8]]
    assert folded("rmarmarmar", sources) == [[0], [1, 4, 7], [2, 5, 8], [3, 6, 9]]


def test_a_beginning_that_is_alike_by_accident_is_left_out() -> None:
    # "a" adds up "m"s, three at a time; the "a" in front belongs to something else.
    steps = [[], [1], [], [2, 3], [], [4, 5]]
    assert folded("amamama", [[], *steps]) == [[0], [1, 3, 5], [2, 4, 6]]


def test_what_is_connected_differently_is_no_repeat() -> None:
    # The third "b" uses the "a" of another copy; the fourth nothing.
    assert pattern("abab", [[], [0], [], [2]]) == "a2 b2"
    assert pattern("ababab", [[], [0], [], [2], [], [2]]) == "a2 b2 a b"
    # In each copy but the first, "a" uses the one before it: the last does not.
    assert pattern("aaaa", [[], [0], [1], []]) == "a3 a"


def test_two_neighbours_alone_are_a_coincidence_unless_they_are_layers() -> None:
    assert pattern("xaay", chain(4)) == "x a a y"
    assert pattern("xaay", chain(4), anchors="a") == "x a2 y"


def test_with_anchors_repeats_hold_one_and_begin_with_one() -> None:
    assert pattern("tttLtLt", chain(7), anchors="L") == "t t t L2 t2"
    # t L t L t: as many copies either way.
    assert pattern("tLtLt", chain(5), anchors="L") == "t L2 t2"
    assert pattern("ttttt", chain(5), anchors="L") == "t t t t t"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3)), max_size=24))
def test_every_element_is_in_one_group_of_its_kind(elements: list[tuple[str, int]]) -> None:
    forms = [form for form, _ in elements]
    sources = [[i - back] if i >= back else [] for i, (_, back) in enumerate(elements)]
    groups = folded(forms, sources)
    assert sorted(i for group in groups for i in group) == list(range(len(forms)))
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)
    for group in groups:
        assert group == sorted(group)
        assert len({forms[i] for i in group}) == 1


def test_entries_begin_where_the_same_operations_begin_anew() -> None:
    assert entries("mma", chain(3)) == [0]
    assert entries("mmamma", [[], [0], [1], [], [], [4]]) == [0]  # connected differently
    assert entries("mmamma", [[], [0], [1], [], [3, 2], [4]]) == [0, 3]
    step = [[], [], [0, 1], [2]]
    steps = [[i + k for i in used] for k in (0, 4, 8) for used in step]
    assert entries("hxat" * 3, steps) == [0, 4, 8]
    # The first step has no state to multiply.
    first = [[], [0], [1]]
    assert entries(
        "xat" + "hxat" * 2, first + [[i + 3 + k for i in used] for k in (0, 4) for used in step]
    ) == [0, 3, 7]
    assert entries("ttt", chain(3)) == [0, 1, 2]
    assert entries("x", [[]]) == [0]
