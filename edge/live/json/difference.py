"""What changed between two texts, as splices, in bounded time.

A general difference of two texts of 10 kB took 1.5 s, and everybody's keystrokes wait for it. People change a few
places at once: what is equal at both ends is left out, lines that stand once in both texts are kept, and what remains
between them is looked at closely only if it differs in a few characters. Everything else is replaced as a whole.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from collab_core.splice import Splice

LINES = 2_000
"""Longer stretches are not compared line by line: 2,000 lines take 1 ms."""
CHANGES = 32
"""Characters that a stretch may differ in to be compared one by one: the work grows with the square, some 1 ms here."""
STRETCHES = 8
"""How many stretches of one difference are compared character by character."""
WORD = 3
"""Fewer equal characters than this between two replacements are chance, not text that was kept."""


class _Same(NamedTuple):
    """`old[old_at : old_at + length]` and `new[new_at : new_at + length]` are equal."""

    old_at: int
    new_at: int
    length: int


def difference(old: str, new: str, cursor: int | None = None) -> list[Splice]:
    """Splices that make `new` of `old`, in order. `cursor` is where the author's cursor stands in `new` and decides
    where the text leaves it open which of several equal characters was typed or deleted."""
    if old == new:
        return []
    start, end = _equal_ends(old, new, cursor)
    middle_old = old[start : len(old) - end]
    middle_new = new[start : len(new) - end]
    return [
        Splice(start + splice.start, start + splice.end, splice.insert) for splice in _between(middle_old, middle_new)
    ]


def _equal_ends(old: str, new: str, cursor: int | None) -> tuple[int, int]:
    """How many characters at the start and at the end are the same."""
    shorter = min(len(old), len(new))
    if cursor is None:
        start = _prefix(old, 0, new, 0)
        return start, _suffix(old, new, shorter - start)
    # What was typed ends at the cursor, and what was deleted stood behind it: what follows is kept before all else.
    end = _suffix(old, new, min(shorter, max(0, len(new) - cursor)))
    start = min(_prefix(old, 0, new, 0), shorter - end)
    return start, _suffix(old, new, shorter - start)


def _prefix(a: str, a_at: int, b: str, b_at: int) -> int:
    """The length of what is the same from these places on."""
    most = min(len(a) - a_at, len(b) - b_at)
    at, step = 0, 16
    while at + step <= most and a[a_at + at : a_at + at + step] == b[b_at + at : b_at + at + step]:
        at += step
        step = min(step * 2, 8192)
    while step:
        if at + step <= most and a[a_at + at : a_at + at + step] == b[b_at + at : b_at + at + step]:
            at += step
        else:
            step //= 2
    return at


def _suffix(a: str, b: str, most: int) -> int:
    """The length of what is the same at the ends, at most `most`."""
    a_end, b_end = len(a), len(b)
    at, step = 0, 16
    while at + step <= most and a[a_end - at - step : a_end - at] == b[b_end - at - step : b_end - at]:
        at += step
        step = min(step * 2, 8192)
    while step:
        if at + step <= most and a[a_end - at - step : a_end - at] == b[b_end - at - step : b_end - at]:
            at += step
        else:
            step //= 2
    return at


def _between(old: str, new: str) -> list[Splice]:
    if not old or not new:
        return [Splice(0, len(old), new)]
    splices: list[Splice] = []
    looks = STRETCHES
    old_at = new_at = 0
    for same in [*_lines(old, new), _Same(len(old), len(new), 0)]:
        piece_old, piece_new = old[old_at : same.old_at], new[new_at : same.new_at]
        if piece_old != piece_new:
            start, end = _equal_ends(piece_old, piece_new, None)
            inner_old = piece_old[start : len(piece_old) - end]
            inner_new = piece_new[start : len(piece_new) - end]
            runs: list[_Same] = []
            if looks and inner_old and inner_new:
                looks -= 1
                runs = _characters(inner_old, inner_new)
            splices += _splices(old_at + start, inner_old, inner_new, runs)
        old_at, new_at = same.old_at + same.length, same.new_at + same.length
    return splices


def _splices(at: int, old: str, new: str, runs: list[_Same]) -> list[Splice]:
    splices: list[Splice] = []
    old_at = new_at = 0
    for same in [*runs, _Same(len(old), len(new), 0)]:
        if same.old_at > old_at or same.new_at > new_at:
            splices.append(Splice(at + old_at, at + same.old_at, new[new_at : same.new_at]))
        old_at, new_at = same.old_at + same.length, same.new_at + same.length
    return splices


def _lines(old: str, new: str) -> list[_Same]:
    """Lines that stand exactly once in both, in an order that both have."""
    if old.count("\n") > LINES or new.count("\n") > LINES:
        return []
    there = _once(new)
    pairs = [(at, there[line], len(line)) for line, at in _once(old).items() if line in there]
    # The longest ascending run of places in `new`, by patience.
    tops: list[int] = []
    piles: list[int] = []
    before: list[int] = []
    for number, (_, place, _) in enumerate(pairs):
        pile = bisect_left(tops, place)
        before.append(piles[pile - 1] if pile else -1)
        tops[pile : pile + 1] = [place]
        piles[pile : pile + 1] = [number]
    kept: list[_Same] = []
    number = piles[-1] if piles else -1
    while number >= 0:
        kept.append(_Same(*pairs[number]))
        number = before[number]
    kept.reverse()
    return kept


def _once(text: str) -> dict[str, int]:
    """Line, with its end -> where it starts, of lines that stand once and are more than a bracket."""
    places: dict[str, int] = {}
    again: set[str] = set()
    at = 0
    for line in text.split("\n"):
        if line in places:
            again.add(line)
        places[line] = at
        at += len(line) + 1
    return {line: place for line, place in places.items() if line not in again and len(line) >= WORD}


def _characters(a: str, b: str) -> list[_Same]:
    """Myers' greedy difference (An O(ND) Difference Algorithm, 1986), given up after `CHANGES`: the runs that are the
    same."""
    if abs(len(a) - len(b)) > CHANGES:
        return []
    reach = {1: 0}
    trace: list[dict[int, int]] = []
    for changes in range(CHANGES + 1):
        trace.append(dict(reach))
        for diagonal in range(-changes, changes + 1, 2):
            if diagonal == -changes or (diagonal != changes and reach[diagonal - 1] < reach[diagonal + 1]):
                x = reach[diagonal + 1]
            else:
                x = reach[diagonal - 1] + 1
            y = x - diagonal
            if x < len(a) and y < len(b):
                x += _prefix(a, x, b, y)
            reach[diagonal] = x
            if x >= len(a) and x - diagonal >= len(b):
                return _kept(_trail(trace, len(a), len(b)), len(a), len(b))
    return []


def _trail(trace: list[dict[int, int]], x: int, y: int) -> list[_Same]:
    runs: list[_Same] = []
    for changes in range(len(trace) - 1, 0, -1):
        reach = trace[changes]
        diagonal = x - y
        down = diagonal == -changes or (diagonal != changes and reach[diagonal - 1] < reach[diagonal + 1])
        before = diagonal + 1 if down else diagonal - 1
        from_x = reach[before]
        start = from_x if down else from_x + 1
        if x > start:
            runs.append(_Same(start, start - diagonal, x - start))
        x, y = from_x, from_x - before
    if x:
        runs.append(_Same(0, 0, x))
    runs.reverse()
    return runs


def _kept(runs: list[_Same], old_end: int, new_end: int) -> list[_Same]:
    """Without those so short that they are chance."""
    kept: list[_Same] = []
    old_at = new_at = 0
    for number, same in enumerate(runs):
        after = runs[number + 1] if number + 1 < len(runs) else _Same(old_end, new_end, 0)
        replaced_before = same.old_at > old_at and same.new_at > new_at
        replaced_after = after.old_at > same.old_at + same.length and after.new_at > same.new_at + same.length
        if same.length < WORD and (replaced_before or replaced_after):
            continue
        kept.append(same)
        old_at, new_at = same.old_at + same.length, same.new_at + same.length
    return kept
