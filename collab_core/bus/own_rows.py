"""This node's rows of one room, as other nodes must know them: told at the flush, and kept until they are committed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from collab_core.bus.messages import PackedRow
from collab_core.journal import envelope
from collab_core.journal.feed import Feed
from collab_core.journal.port import Row

MESSAGE_BYTES: Final = 1024 * 1024
"""Largest message of edits or answers. Redis ends a subscriber that is 8 MiB behind for a minute; what does not fit is
healed from the journal."""
ROWS_IN_A_MESSAGE: Final = 512


class OwnRows:
    """The rows cut from one feed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._untold: list[Row] = []
        self._uncommitted: deque[Row] = deque()
        self._last = feed.numbered
        """The last number of ours. What this node had of the room before it opened it now is committed."""
        feed.on_cut = self._cut

    def __len__(self) -> int:
        """How many are not committed."""
        return len(self._uncommitted)

    def __iter__(self) -> Iterator[Row]:
        """Those that are not committed, in order."""
        return iter(self._uncommitted)

    def _cut(self, row: Row) -> None:
        self._uncommitted.append(row)
        self._untold.append(row)
        self._last = row.sequence

    def cut(self) -> None:
        """What gathered until now is a row, too."""
        self._feed.cut()

    def written(self, row: Row) -> None:
        """This one and all before it are committed."""
        while self._uncommitted and self._uncommitted[0].sequence <= row.sequence:
            self._uncommitted.popleft()

    @property
    def committed(self) -> int:
        """All rows up to this number are committed."""
        return self._uncommitted[0].sequence - 1 if self._uncommitted else self._last

    def forget_untold(self) -> None:
        """There is nobody to be told."""
        self._untold.clear()

    def untold(self) -> Iterator[list[PackedRow]]:
        """What is to be told, as much of it together as goes into one message. A row that is too large for any stands
        alone."""
        self._feed.cut()
        rows, self._untold = self._untold, []
        together: list[PackedRow] = []
        size = 0
        for row in rows:
            one = packed(row)
            if together and (size + len(one.entries) > MESSAGE_BYTES or len(together) == ROWS_IN_A_MESSAGE):
                yield together
                together, size = [], 0
            together.append(one)
            size += len(one.entries)
        if together:
            yield together


def packed(row: Row) -> PackedRow:
    """A row as the bus carries it."""
    return PackedRow(row.epoch.bytes, row.sequence, envelope.encode(row.entries))
