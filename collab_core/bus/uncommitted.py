"""Other nodes' rows that joined a room here and are not known to be committed. Pure.

An acknowledged edit must be committed with all it depends on. So each of these rows is kept until its node says that it
is committed; an edit made here that builds on one is committed in one transaction with it (the journal takes a row
once, whoever brings it), and if the node that took it is gone, whoever has the row commits it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from collab_core.journal.port import Row
from collab_core.wire.update import Walk

Name = tuple[UUID, int]
"""(epoch, sequence): one row, over all nodes and times."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One row. `count` rises with each that came, `ranges` are the clocks (client, start, end) that it brought."""

    row: Row
    count: int
    size: int
    ranges: tuple[tuple[int, int, int], ...]


class Uncommitted:
    """One room's rows of other nodes, in the order in which they joined."""

    def __init__(self) -> None:
        self._kept: dict[Name, Kept] = {}
        self._by_client: dict[int, list[tuple[int, int, int]]] = {}
        """Client id -> (start, end, count), sorted. The newest count first decides what must be committed."""
        self._count = 0
        self.size = 0
        """Bytes of the rows' updates."""

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, name: Name) -> bool:
        return name in self._kept

    def keep(self, row: Row, ranges: Iterable[tuple[int, int, int]]) -> None:
        """A row joined. Keeping one twice changes nothing."""
        name = (row.epoch, row.sequence)
        if name in self._kept:
            return
        self._count += 1
        size = sum(len(entry.update) for entry in row.entries)
        kept = Kept(row, self._count, size, tuple(ranges))
        self._kept[name] = kept
        self.size += size
        for client, start, end in kept.ranges:
            insort(self._by_client.setdefault(client, []), (start, end, kept.count))

    def needed_by(self, walked: Walk) -> int:
        """The count of the newest row that an update builds on; 0 if it builds on none."""
        if not self._by_client:
            return 0
        newest = 0
        for section in walked.sections:
            # All that came before of one's own client, too, which another node may have brought.
            newest = max(newest, self._newest(section.client, 0, section.end))
            for need in section.needs:
                newest = max(newest, self._newest(need.client, need.clock, need.clock + 1))
            for parent in section.parents:
                newest = max(newest, self._newest(parent.client, parent.clock, parent.clock + 1))
        for client, ranges in walked.deletes.items():
            for start, end in ranges:
                newest = max(newest, self._newest(client, start, end))
        return newest

    def _newest(self, client: int, start: int, end: int) -> int:
        ranges = self._by_client.get(client)
        if not ranges:
            return 0
        newest = 0
        for low, high, count in ranges[: bisect_right(ranges, (end,))]:
            if high > start and low < end:
                newest = max(newest, count)
        return newest

    def marked(self, mark: bytes) -> int:
        """The count of the row that holds the edit of this mark; 0 if none does."""
        for kept in self._kept.values():
            if any(entry.mark == mark for entry in kept.row.entries):
                return kept.count
        return 0

    def through(self, count: int) -> list[Row]:
        """All rows up to a count. Each builds at most on those before it, so together they lack nothing."""
        return [kept.row for kept in self._kept.values() if kept.count <= count]

    def committed(self, epoch: UUID, sequence: int) -> None:
        """A node says that its rows up to `sequence` are committed."""
        for name, kept in list(self._kept.items()):
            if kept.row.epoch == epoch and kept.row.sequence <= sequence:
                self._drop(name, kept)

    def written(self, name: Name) -> None:
        """A row is committed, whoever did it."""
        kept = self._kept.get(name)
        if kept is not None:
            self._drop(name, kept)

    def of(self, epoch: UUID) -> list[Row]:
        """What one node brought, in order."""
        return [kept.row for kept in self._kept.values() if kept.row.epoch == epoch]

    @property
    def epochs(self) -> set[UUID]:
        """Whose rows there are."""
        return {epoch for epoch, _ in self._kept}

    def all(self) -> list[Row]:
        """Everything, in order."""
        return [kept.row for kept in self._kept.values()]

    def _drop(self, name: Name, kept: Kept) -> None:
        del self._kept[name]
        self.size -= kept.size
        for client, start, end in kept.ranges:
            ranges = self._by_client[client]
            ranges.remove((start, end, kept.count))
            if not ranges:
                del self._by_client[client]
