"""One room's way into the journal's group commit, and what is counted for it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from collab_core.identity import RoomKey
from collab_core.journal.port import Entry, Row

if TYPE_CHECKING:
    from collab_core.journal.writer import JournalWriter

log = logging.getLogger(__name__)
_T = TypeVar("_T")

ENTRY_OVERHEAD_BYTES: Final = 144
"""What an entry takes in memory besides its update's bytes; a bound in bytes must hold for tiny updates too."""
ROW_ENTRIES: Final = 4_096
ROW_BYTES: Final = 8 * 1024 * 1024
"""The largest row: as large as a commit."""


class Cut(NamedTuple):
    """A row as it waits for its commit: numbered, and not to be changed any more, because other nodes may have it."""

    feed: Feed
    row: Row
    entries: int
    """How many of the feed's own entries it holds: none if another node took it, and it is committed for that node."""
    size: int
    follows: int
    """See `Feed.follow`."""


class Feed:
    """One room's way into the journal. Its entries are committed in the order they are appended.

    Entries gather until they are *cut* into a row: by the commit that takes them or, so that other nodes know the row
    by its number, by the room's flush (`cut`), whichever comes first.
    """

    __slots__ = (
        "_bound",
        "_closed",
        "_follows",
        "_on_committed",
        "_on_full",
        "_open",
        "_open_size",
        "_over",
        "_parked",
        "_queued",
        "_refusals",
        "_rows",
        "_told_full",
        "_writer",
        "appended",
        "backlog_bytes",
        "committed",
        "key",
        "on_cut",
        "on_written",
        "predecessors",
    )

    def __init__(
        self,
        writer: JournalWriter,
        key: RoomKey,
        bound: int,
        on_committed: Callable[[int], None],
        on_full: Callable[[bool], None] | None,
    ) -> None:
        self.key = key
        self.appended = 0
        """Entries taken."""
        self.committed = 0
        """Entries committed: the first `committed` of those taken."""
        self.backlog_bytes = 0
        """Memory held by entries taken and not committed."""
        self.on_cut: Callable[[Row], None] | None = None
        """Told each row of the feed's own entries as it is cut."""
        self.on_written: Callable[[Row], None] | None = None
        """Told each row that was committed, before `on_committed`: other nodes' ones too."""
        self.predecessors: Callable[[int], Sequence[Row]] = _none
        """Other nodes' rows that may not be committed and must be, with or before a row that follows number `follows`
        of them."""
        self._writer = writer
        self._bound = bound
        self._on_committed = on_committed
        self._on_full = on_full
        self._open: list[Entry] = []
        self._open_size = 0
        self._follows = 0
        self._rows: deque[Cut] = deque()
        self._queued = False  # in the writer's queue, in its commit, or parked: not to be queued again
        self._parked: Cut | None = None
        self._refusals = 0
        self._over = False
        self._told_full = False
        self._closed = False

    def append(self, entry: Entry) -> int:
        """Take one entry and return the new `appended`. Takes it even when `full`: asking first is the caller's part,
        because an update that the room has relayed must not be dropped here."""
        assert not self._closed, "append to a closed feed"
        size = len(entry.update) + ENTRY_OVERHEAD_BYTES
        self._open.append(entry)
        self._open_size += size
        self.appended += 1
        self._grow(size)
        return self.appended

    def follow(self, number: int) -> None:
        """What was appended last builds on other nodes' rows, up to the one they were counted as: it must not be
        committed without them."""
        self._follows = max(self._follows, number)

    def adopt(self, row: Row) -> None:
        """Commit a row for the node that took it, and is gone. If that node did it after all, nothing happens."""
        assert not self._closed, "append to a closed feed"
        self._cut()
        size = sum(len(entry.update) + ENTRY_OVERHEAD_BYTES for entry in row.entries)
        self._rows.append(Cut(self, row, 0, size, 0))
        self._grow(size)

    def cut(self) -> None:
        """Number what gathered as a row, if anything did."""
        self._cut()

    @property
    def full(self) -> bool:
        """Whether the room should take nothing more: it, or the whole node, holds more than its bound (until the
        backlog is below half of it), or the store refuses one of its rows."""
        return self._over or self._parked is not None or self._writer.full

    def close(self) -> None:
        """Call nobody back any more. What was appended is committed nevertheless."""
        self._closed = True
        self._writer._feeds.discard(self)

    def take(self, entries: int, size: int) -> Cut:
        """The next row for a commit that has room for so many entries and bytes: the oldest one cut, whatever it holds,
        or as much of what gathered as fits, and at least one entry."""
        if not self._rows:
            self._cut(entries, size)
        return self._rows.popleft()

    @property
    def pending(self) -> bool:
        """Whether there is anything left to take."""
        return bool(self._rows or self._open)

    @property
    def numbered(self) -> int:
        """The last number that any row of this node got."""
        return self._writer._sequence

    def _grow(self, size: int) -> None:
        self.backlog_bytes += size
        writer = self._writer
        writer.backlog_bytes += size
        if not self._queued:
            self._queued = True
            writer._enqueue(self)
        if not self._over and self.backlog_bytes > self._bound:
            self._over = True
            asyncio.get_running_loop().call_soon(self._tell_full)
        if not writer.full and writer.backlog_bytes > writer._bound:
            writer.full = True
            asyncio.get_running_loop().call_soon(writer._tell_all_full)

    def _cut(self, most_entries: int = ROW_ENTRIES, most_bytes: int = ROW_BYTES) -> None:
        while self._open:
            held, size = self._open, self._open_size
            count = len(held)
            if count > most_entries or size > most_bytes:
                count = size = 0
                for entry in held[:most_entries]:
                    if count and size >= most_bytes:
                        break
                    count += 1
                    size += len(entry.update) + ENTRY_OVERHEAD_BYTES
            entries, self._open = (held, []) if count == len(held) else (held[:count], held[count:])
            self._open_size -= size
            row = Row(self.key, self._writer.epoch, self._writer.next_sequence(), entries)
            self._rows.append(Cut(self, row, count, size, self._follows))
            if self.on_cut is not None and not self._closed:
                notify(self.on_cut, row)
            if (most_entries, most_bytes) != (ROW_ENTRIES, ROW_BYTES):
                break  # a commit has no room for more
        if not self._open:
            self._follows = 0

    def _tell_full(self) -> None:
        full = self.full
        if full != self._told_full and not self._closed:
            self._told_full = full
            if self._on_full is not None:
                notify(self._on_full, full)


def _none(_follows: int) -> Sequence[Row]:
    return ()


def notify(callback: Callable[[_T], None], value: _T) -> None:
    """Call a listener; what it raises is its own trouble, not the journal's."""
    try:
        callback(value)
    except Exception:
        log.exception("a listener of the journal writer failed")
