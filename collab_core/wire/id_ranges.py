"""Sets of clocks of one client, as sorted disjoint half-open ranges: what Yjs calls a delete set's items."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]
"""[start, end), in clocks."""


class IdRanges:
    """A set of clocks. Adding keeps ranges sorted, disjoint and not adjacent; all look-ups are logarithmic."""

    __slots__ = ("ends", "starts")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[Range]:
        return zip(self.starts, self.ends, strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdRanges) and self.starts == other.starts and self.ends == other.ends

    __hash__ = None  # type: ignore[assignment]  # mutable: identity would be a lie, equality is by content

    def __bool__(self) -> bool:
        return bool(self.starts)

    def __repr__(self) -> str:
        return f"IdRanges({list(self)})"

    def add(self, start: int, end: int) -> None:
        """Unite with [start, end)."""
        starts, ends = self.starts, self.ends
        if not starts or start > ends[-1]:  # the common case: behind everything
            starts.append(start)
            ends.append(end)
            return
        first = bisect_left(ends, start)  # the first range that touches or follows
        last = bisect_right(starts, end)  # one past the last range that touches
        if first < last:
            start = min(start, starts[first])
            end = max(end, ends[last - 1])
        starts[first:last] = [start]
        ends[first:last] = [end]

    def covers(self, start: int, end: int) -> bool:
        """Whether all of [start, end) is in the set."""
        at = bisect_right(self.starts, start) - 1
        return at >= 0 and self.ends[at] >= end

    def missing(self, start: int, end: int) -> list[Range]:
        """The parts of [start, end) that are not in the set, in order."""
        parts: list[Range] = []
        at = bisect_right(self.ends, start)
        while start < end:
            if at == len(self.starts) or self.starts[at] >= end:
                parts.append((start, end))
                break
            if start < self.starts[at]:
                parts.append((start, self.starts[at]))
            start = self.ends[at]
            at += 1
        return parts


DeleteSet = dict[int, IdRanges]
"""Client id -> deleted clocks."""
