"""People who write in a room, each in a document of their own, and what the journal gets of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

from pycrdt import Doc, Map, Text

from collab_core.identity import RoomKey
from collab_core.journal.port import Entry, Row
from collab_core.journal.postgres import PostgresJournal

ANA = UUID("00000000-0000-4000-8000-0000000000a1")
BOB = UUID("00000000-0000-4000-8000-0000000000b0")
NOON_MS = 1_790_000_000_000


class Writer:
    """Somebody with a document and a clock that the test moves."""

    def __init__(self, user: UUID, client_id: int) -> None:
        self.user = user
        self.doc: Doc[Any] = Doc(client_id=client_id)
        self._made: list[bytes] = []
        self.doc.observe(lambda event: self._made.append(event.update))

    def change(self, at_ms: int, work: Callable[[Doc[Any]], None]) -> Entry:
        """All that `work` does, as one entry."""
        self._made.clear()
        with self.doc.transaction():
            work(self.doc)
        (update,) = self._made
        return Entry(self.user, at_ms, update)

    def type(self, at_ms: int, at: int, text: str, file: str = "main.py") -> Entry:
        """Insert at a place counted in bytes of UTF-8."""
        return self.change(at_ms, lambda doc: doc.get(f"file/{file}", type=Text).insert(at, text))

    def delete(self, at_ms: int, start: int, end: int, file: str = "main.py") -> Entry:
        def cut(doc: Doc[Any]) -> None:
            del doc.get(f"file/{file}", type=Text)[start:end]

        return self.change(at_ms, cut)

    def describe(self, at_ms: int, file: str, language: object, order: object) -> Entry:
        def put(doc: Doc[Any]) -> None:
            doc.get("files", type=Map)[file] = {"language": language, "order": order}

        return self.change(at_ms, put)

    def hear(self, *entries: Entry) -> None:
        for entry in entries:
            self.doc.apply_update(entry.update)

    def text(self, file: str = "main.py") -> str:
        return str(self.doc.get(f"file/{file}", type=Text))


async def journalled(journal: PostgresJournal, key: RoomKey, entries: Sequence[Entry], per_row: int = 20) -> None:
    """Commit the entries as one node would, some at a time."""
    epoch = uuid4()
    for number, at in enumerate(range(0, len(entries), per_row), 1):
        await journal.append([Row(key, epoch, number, list(entries[at : at + per_row]))])
