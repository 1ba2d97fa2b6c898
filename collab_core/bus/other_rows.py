"""Other nodes' rows of one room: joined, or held until they can; kept until they are committed, here if need be."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final
from uuid import UUID

from collab_core.bus.host import Host
from collab_core.bus.messages import PackedRow
from collab_core.bus.uncommitted import Name, Uncommitted
from collab_core.identity import RoomKey
from collab_core.journal import envelope
from collab_core.journal.feed import Feed
from collab_core.journal.port import Row
from collab_core.marks import Marks
from collab_core.metrics import EngineMetrics
from collab_core.wire.update import Walk, walk

logger = logging.getLogger(__name__)

HELD_ROWS: Final = 1_024
"""Rows that wait for something they build on. More of them are not worth keeping: all is asked for anew."""
JOINED_ROWS: Final = 8_192
"""Rows remembered as joined: a reading of the journal gives those of the last seconds again."""


class OtherRows:
    """What became of the rows that other nodes told."""

    def __init__(
        self,
        key: RoomKey,
        host: Host,
        feed: Feed,
        marks: Marks,
        *,
        most_bytes: int,
        metrics: EngineMetrics,
        lacking: Callable[[], None],
    ) -> None:
        """`lacking` is called when a row cannot join for want of another."""
        self._key = key
        self._host = host
        self._feed = feed
        self._marks = marks
        self._most_bytes = most_bytes
        self._metrics = metrics
        self._lacking = lacking
        self._uncommitted = Uncommitted()
        self._held: OrderedDict[Name, Row] = OrderedDict()
        self._joined: OrderedDict[Name, None] = OrderedDict()
        self._adopted: set[Name] = set()
        feed.predecessors = self._uncommitted.through

    def __len__(self) -> int:
        """How many joined and are not known to be committed."""
        return len(self._uncommitted)

    def __iter__(self) -> Iterator[Row]:
        """Those, in the order in which they joined."""
        return iter(self._uncommitted.all())

    @property
    def epochs(self) -> set[UUID]:
        """Whose they are."""
        return self._uncommitted.epochs

    def marked(self, mark: bytes) -> int:
        """As `Uncommitted.marked`."""
        return self._uncommitted.marked(mark)

    def builds_on(self, walked: Walk) -> None:
        """An edit was taken here, and is in the feed: it must not be committed without what it builds on."""
        if needed := self._uncommitted.needed_by(walked):
            self._feed.follow(needed)

    def unpacked(self, told: PackedRow) -> Row:
        """A row as it was told. Raises `EnvelopeError`."""
        return Row(self._key, UUID(bytes=told.epoch), told.sequence, envelope.decode(told.entries))

    def take(self, row: Row) -> None:
        """Let a row join, or hold it. Taking one twice changes nothing."""
        name = (row.epoch, row.sequence)
        if name in self._uncommitted or name in self._held:
            return
        if not self._join(row):
            self._held[name] = row
            self._lacking()
            if len(self._held) > HELD_ROWS:
                self._held.popitem(last=False)

    def _join(self, row: Row) -> bool:
        ranges: list[tuple[int, int, int]] = []
        complete = True
        for entry in row.entries:
            walked = walk(entry.update)
            ranges.extend((section.client, section.start, section.end) for section in walked.sections)
            if self._host.follow(entry, walked):
                self._marks.note(entry.mark)
            else:
                complete = False
        if complete:
            self._note_joined((row.epoch, row.sequence))
            self._uncommitted.keep(row, ranges)
            if self._uncommitted.size > self._most_bytes:
                self.adopt(row.epoch)  # its node does not get it committed; our own feed is bounded, and says so
        return complete

    def _note_joined(self, name: Name) -> None:
        self._joined[name] = None
        if len(self._joined) > JOINED_ROWS:
            self._joined.popitem(last=False)

    def retry(self) -> None:
        """Look again at what waits, as long as something joins by it."""
        moved = True
        while moved and self._held:
            moved = False
            for name, row in list(self._held.items()):
                if self._join(row):
                    del self._held[name]
                    moved = True

    def knows(self, row: Row) -> bool:
        """Whether the row joined, and not too long ago to be remembered."""
        return (row.epoch, row.sequence) in self._joined

    def committed(self, epoch: UUID, sequence: int) -> None:
        """A node says that its rows up to `sequence` are committed."""
        self._uncommitted.committed(epoch, sequence)

    def written(self, row: Row) -> None:
        """A row is committed, by whomever."""
        name = (row.epoch, row.sequence)
        self._uncommitted.written(name)
        self._adopted.discard(name)

    def read(self, row: Row) -> None:
        """A row was read from the journal, and joined."""
        self.written(row)
        name = (row.epoch, row.sequence)
        self._held.pop(name, None)
        self._note_joined(name)

    def adopt(self, epoch: UUID) -> None:
        """Commit what that node took and does not commit."""
        rows = self._uncommitted.of(epoch)
        if rows:
            logger.warning("room %s: %d rows of node %s are committed for it", self._key, len(rows), epoch)
        for row in rows:
            if (row.epoch, row.sequence) not in self._adopted:
                self._adopted.add((row.epoch, row.sequence))
                self._feed.adopt(row)
                self._metrics.bus_rows_adopted += 1
