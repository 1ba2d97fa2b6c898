"""What a node that opened a room, or lacks something of it, is answered."""

from __future__ import annotations

from collab_core.bus.deletions import Deletions
from collab_core.bus.host import Host
from collab_core.bus.messages import Answer, Ask, PackedRow
from collab_core.bus.other_rows import OtherRows
from collab_core.bus.own_rows import MESSAGE_BYTES, ROWS_IN_A_MESSAGE, OwnRows, packed
from collab_core.log import RoomLog
from collab_core.marks import Marks
from collab_core.owners import Owners
from collab_core.view import View


class Answers:
    """One room's."""

    def __init__(
        self,
        host: Host,
        log: RoomLog,
        view: View,
        owners: Owners,
        marks: Marks,
        *,
        own: OwnRows,
        others: OtherRows,
        deletions: Deletions,
    ) -> None:
        self._host = host
        self._log = log
        self._view = view
        self._owners = owners
        self._marks = marks
        self._own = own
        self._others = others
        self._deletions = deletions

    def to(self, asked: Ask, life: int, number: int) -> Answer:
        """All rows that may not be committed, and the update that the asker lacks, if it wants that: but that only
        together with all such rows, because it takes the rest for durable."""
        update = owners = marks = b""
        self._own.cut()
        rows: list[PackedRow] = []
        left = MESSAGE_BYTES
        for row in (*self._others, *self._own):
            one = packed(row)
            left -= len(one.entries)
            if left < 0 or len(rows) == ROWS_IN_A_MESSAGE:
                break
            rows.append(one)
        else:
            marks = self._marks.newest()
            if asked.wanted:
                update = self._view.difference(asked.state)
                owners = self._owners.since(asked.state).pack()
        if len(update) + len(owners) > left:
            update = owners = b""
        return Answer(
            life,
            number,
            self._own.committed,
            self._host.composer(),
            dict(self._log.state),
            self._deletions.hash,
            update,
            owners,
            rows,
            self._host.here(),
            marks,
        )
