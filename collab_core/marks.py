"""Marks of edits made on somebody's behalf: by them an edit that is sent again, to whichever node, is known. Pure.

Whoever has no document of their own sends an edit again when its acknowledgement was lost. A CRDT knows its own updates
again; such an edit would be composed afresh. So the journal's entry holds its mark, and every node that has the edit
from a row, off the bus or out of the journal, has the mark with it. Rows that are folded lose theirs: what was learned
before stays known while somebody has the room open, and nodes tell it to those that open it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from collab_core.journal.port import MARK_BYTES, Entry

REMEMBERED: Final = 8_192
"""Marks of one room, 170 bytes each. Somebody has one edit in flight, and is back within a minute; 100 people who send
one a second fill this in 80 s."""
TOLD: Final = 2_048
"""The newest of them, that another node is told: 16 KiB."""


def mark_of(*parts: bytes) -> bytes:
    """Eight bytes for what tells an edit apart from all others. 64 bits: of the marks that a room remembers two are
    equal by chance once in 10^11 rooms."""
    digest = blake2b(digest_size=MARK_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


class Marks:
    """Of one open room, the newest `REMEMBERED`."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        """`entries` are committed."""
        self._marks: OrderedDict[bytes, int] = OrderedDict()
        self.learn(entries)

    def find(self, mark: bytes) -> int | None:
        """The position in this node's feed that commits the edit; 0 if it came another way. `None`: unknown."""
        return self._marks.get(mark) if mark else None

    def note(self, mark: bytes, position: int = 0) -> None:
        """There is an edit of this mark. Empty is none."""
        if not mark or (not position and mark in self._marks):
            return
        self._marks[mark] = position
        if len(self._marks) > REMEMBERED:
            self._marks.popitem(last=False)

    def learn(self, entries: Iterable[Entry]) -> None:
        """These are in the room."""
        for entry in entries:
            self.note(entry.mark)

    def newest(self) -> bytes:
        """What another node that opens the room, or is healed, is told: oldest first, one after the other."""
        return b"".join(list(self._marks)[-TOLD:])

    def absorb(self, marks: bytes) -> None:
        """What another node told."""
        for start in range(0, len(marks) - MARK_BYTES + 1, MARK_BYTES):
            self.note(marks[start : start + MARK_BYTES])
