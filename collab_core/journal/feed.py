"""One room's way into the journal's group commit, and what is counted for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from collab_core.identity import RoomKey
from collab_core.journal.port import Entry, Row

if TYPE_CHECKING:
    from collab_core.journal.writer import JournalWriter

log = logging.getLogger(__name__)
_T = TypeVar("_T")

ENTRY_OVERHEAD_BYTES: Final = 144
"""What an entry takes in memory besides its update's bytes; a bound in bytes must hold for tiny updates too."""


class Taken(NamedTuple):
    """What one commit takes from one feed."""

    feed: Feed
    row: Row
    size: int


class Feed:
    """One room's way into the journal. Its entries are committed in the order they are appended."""

    __slots__ = (
        "_bound",
        "_closed",
        "_on_committed",
        "_on_full",
        "_over",
        "_parked",
        "_pending",
        "_queued",
        "_refusals",
        "_told_full",
        "_writer",
        "appended",
        "backlog_bytes",
        "committed",
        "key",
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
        self._writer = writer
        self._bound = bound
        self._on_committed = on_committed
        self._on_full = on_full
        self._pending: list[Entry] = []
        self._queued = False  # in the writer's queue, in its commit, or parked: not to be queued again
        self._parked: Taken | None = None
        self._refusals = 0
        self._over = False
        self._told_full = False
        self._closed = False

    def append(self, entry: Entry) -> int:
        """Take one entry and return the new `appended`. Takes it even when `full`: asking first is the caller's part,
        because an update that the room has relayed must not be dropped here."""
        assert not self._closed, "append to a closed feed"
        size = len(entry.update) + ENTRY_OVERHEAD_BYTES
        self._pending.append(entry)
        self.appended += 1
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
        return self.appended

    @property
    def full(self) -> bool:
        """Whether the room should take nothing more: it, or the whole node, holds more than its bound (until the
        backlog is below half of it), or the store refuses one of its rows."""
        return self._over or self._parked is not None or self._writer.full

    def close(self) -> None:
        """Call nobody back any more. What was appended is committed nevertheless."""
        self._closed = True
        self._writer._feeds.discard(self)

    def _tell_full(self) -> None:
        full = self.full
        if full != self._told_full and not self._closed:
            self._told_full = full
            if self._on_full is not None:
                notify(self._on_full, full)


def notify(callback: Callable[[_T], None], value: _T) -> None:
    """Call a listener; what it raises is its own trouble, not the journal's."""
    try:
        callback(value)
    except Exception:
        log.exception("a listener of the journal writer failed")
