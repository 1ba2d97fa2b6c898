"""Two changes, one after the other, as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collab_core.splice import Splice

_Step = tuple[int, str]
"""(n, ""): keep n characters. (-n, ""): delete n. (0, text): insert text."""


def composed(first: Sequence[Splice], second: Sequence[Splice]) -> list[Splice]:
    """Splices that do to a text what `first` and then, to what it left, `second` do."""
    if not first or not second:
        return list(first or second)
    ahead = _Steps(first)
    made = _Made()
    for count, insert in _steps(second):
        if insert:
            made.insert(insert)
            continue
        ahead.pass_through(abs(count), made, keep=count > 0)
    ahead.rest(made)
    return made.splices()


def _steps(splices: Sequence[Splice]) -> Iterator[_Step]:
    at = 0
    for splice in splices:
        if splice.start > at:
            yield splice.start - at, ""
        if splice.insert:
            yield 0, splice.insert
        if splice.end > splice.start:
            yield splice.start - splice.end, ""
        at = splice.end


class _Made:
    """Steps put together into splices."""

    def __init__(self) -> None:
        self._splices: list[Splice] = []
        self._at = 0
        self._start = 0
        self._inserted: list[str] = []

    def keep(self, count: int) -> None:
        self._end()
        self._at += count
        self._start = self._at

    def delete(self, count: int) -> None:
        self._at += count

    def insert(self, text: str) -> None:
        self._inserted.append(text)

    def _end(self) -> None:
        insert = "".join(self._inserted)
        if insert or self._at > self._start:
            self._splices.append(Splice(self._start, self._at, insert))
        self._inserted = []
        self._start = self._at

    def splices(self) -> list[Splice]:
        self._end()
        return self._splices


class _Steps:
    """What the first change left, read from its start."""

    def __init__(self, splices: Sequence[Splice]) -> None:
        self._steps = _steps(splices)
        self._next: _Step | None = next(self._steps, None)

    def pass_through(self, count: int, made: _Made, *, keep: bool) -> None:
        """Go over `count` characters of it, which the second change keeps or deletes."""
        while count:
            step = self._next
            if step is None:  # behind the first change's last: the text as it was
                (made.keep if keep else made.delete)(count)
                return
            kept, inserted = step
            if kept < 0:
                made.delete(-kept)
                self._next = next(self._steps, None)
            elif inserted:
                part = inserted[:count]
                if keep:
                    made.insert(part)
                count -= len(part)
                self._next = (0, inserted[len(part) :]) if len(part) < len(inserted) else next(self._steps, None)
            else:
                part_length = min(count, kept)
                (made.keep if keep else made.delete)(part_length)
                count -= part_length
                self._next = (kept - part_length, "") if part_length < kept else next(self._steps, None)

    def rest(self, made: _Made) -> None:
        while self._next is not None:
            kept, inserted = self._next
            if inserted:
                made.insert(inserted)
            elif kept > 0:
                made.keep(kept)
            else:
                made.delete(-kept)
            self._next = next(self._steps, None)
