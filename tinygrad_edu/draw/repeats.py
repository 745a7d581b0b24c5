"""What repeats in a sequence: the copies that follow one another, folded into one."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

LONGEST_PERIOD = 1000


def folded(
    forms: Sequence[Hashable],
    sources: Sequence[Sequence[int]],
    anchors: Sequence[bool] | None = None,
) -> list[list[int]]:
    """Group a sequence so that of repeats only one copy is left, with what was folded into it.

    `forms[i]` says what element i is, `sources[i]` which earlier elements it uses. A stretch
    repeats if the same forms follow one another again and use one another in the same way, inside
    of each copy and from each copy to the next. Two elements alone are no repeat, unless they are
    `anchors`; where these are given, a stretch must hold one, and it begins with one if it can.
    Shorter periods are folded first, then repeats of what was folded.

    Each group lists the elements folded into it, copy after copy; the groups are in the order of
    their first elements.
    """
    sequence = Folded(forms, sources, anchors)
    period = 1
    while period <= min(len(sequence.groups) // 2, LONGEST_PERIOD):
        found = list(sequence.repeats(period))
        if found:
            sequence.merge(period, found)
            period = 1
        else:
            period += 1
    return sequence.groups


class Folded:
    """A sequence in the course of being folded."""

    def __init__(
        self,
        forms: Sequence[Hashable],
        sources: Sequence[Sequence[int]],
        anchors: Sequence[bool] | None,
    ) -> None:
        self.known: dict[Hashable, int] = {}
        self.groups = [[i] for i in range(len(forms))]
        self.forms = np.array([self.number(form) for form in forms], int)
        self.sources = list(sources)
        self.anchors = anchors

    def number(self, form: Hashable) -> int:
        """A number that equal forms share."""
        return self.known.setdefault(form, len(self.known))

    def repeats(self, period: int) -> Iterator[tuple[int, int]]:
        """First element and number of copies of each stretch that repeats with this period."""
        forms = self.forms
        breaks = np.flatnonzero(forms[:-period] != forms[period:])
        bounds = np.concatenate(([-1], breaks, [len(forms) - period]))
        for i in np.flatnonzero(np.diff(bounds) > period):
            start, end = int(bounds[i]) + 1, int(bounds[i + 1]) + period
            while end - start >= 2 * period:
                first = self.best_start(start, end, period)
                count = self.copies(first, end, period)
                if count > 1 and (self.anchors is not None or count * period > 2):
                    yield first, count
                start = first + count * period

    def best_start(self, start: int, end: int, period: int) -> int:
        """Where a stretch is cut best: where least passes from copy to copy, at an anchor."""

        def merit(first: int) -> tuple[int, bool, int]:
            count = (end - first) // period
            # Of the last copy, because a second one may find less before it than the others.
            wiring = self.wiring(first + (count - 1) * period, period, period)
            passed = {source for used in wiring for source in used if source < 0}
            anchored = self.anchors is not None and self.anchors[self.groups[first][0]]
            return -len(passed), anchored, count

        return max(range(start, min(start + period, end - 2 * period + 1)), key=merit)

    def copies(self, first: int, end: int, period: int) -> int:
        """How many copies from `first` on are alike in what they use of themselves.

        After the first one, which has none before it, also of the copy before them.
        """
        if self.anchors is not None and not any(
            self.anchors[group[0]] for group in self.groups[first : first + period]
        ):
            return 1
        count = 1
        model: list[list[int]] = []
        while first + (count + 1) * period <= end:
            start = first + count * period
            wiring = self.wiring(start, period, period)
            if count == 1:
                own = [[offset for offset in used if offset >= 0] for used in wiring]
                if own != self.wiring(first, period):
                    break
                model = wiring
            elif wiring != model:
                break
            count += 1
        return count

    def wiring(self, first: int, period: int, before: int = 0) -> list[list[int]]:
        """What each element of a copy uses of the copy, and of so many elements before it."""
        return [
            [source - first for source in used if first - before <= source < first + period]
            for used in self.sources[first : first + period]
        ]

    def merge(self, period: int, found: Sequence[tuple[int, int]]) -> None:
        """Fold stretches, given by first element and number of copies."""
        into = np.arange(len(self.groups))
        for first, count in found:
            into[first : first + count * period] = np.tile(np.arange(first, first + period), count)
            for j in range(first, first + period):
                self.groups[j] = [i for k in range(count) for i in self.groups[j + k * period]]
                self.forms[j] = self.number(("copies", int(self.forms[j]), count))
                # The last copy, because the first one has no copy before it to use.
                self.sources[j] = self.sources[j + (count - 1) * period]
        kept = np.flatnonzero(into == np.arange(len(into)))
        places = np.zeros(len(into), int)
        places[kept] = np.arange(len(kept))
        moved = places[into].tolist()
        self.groups = [self.groups[i] for i in kept]
        self.forms = self.forms[kept]
        self.sources = [list(dict.fromkeys(moved[s] for s in self.sources[i])) for i in kept]


def entries(forms: Sequence[Hashable], sources: Sequence[Sequence[int]]) -> list[int]:
    """Where a sequence begins anew, if it is one stretch over and over; else its beginning alone.

    The first time may be shorter, as the first step of a recurrent network is that has no state.
    """
    whole = Folded(forms, sources, None)
    length = len(whole.forms)
    for period in range(1, length // 2 + 1):
        rest = length % period
        if (whole.forms[rest:-period] == whole.forms[rest + period :]).all() and (
            whole.copies(rest, length, period) == length // period
        ):
            return [*([0] if rest else []), *range(rest, length, period)]
    return [0]
