"""The journal in memory, for tests and simulations: it behaves as the one in Postgres, and fails on request.

Several journals may share one `MemoryStore`, as several nodes share one Postgres.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

from collab_core.authorship import learn
from collab_core.identity import RoomKey
from collab_core.journal import envelope
from collab_core.journal.port import BEGINNING, Entry, Fold, JournalUnavailable, Loaded, Row
from collab_core.owners import Owners


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row as it lies in the store."""

    key: RoomKey
    epoch: UUID
    sequence: int
    committed_at: datetime
    entries: bytes


@dataclass(slots=True)
class MemoryStore:
    """What is committed. `rows` are not folded yet and in order of commit, by (epoch, sequence)."""

    bases: dict[RoomKey, bytes] = field(default_factory=dict)
    owners: dict[RoomKey, bytes] = field(default_factory=dict)
    folded_at: dict[RoomKey, datetime] = field(default_factory=dict)
    rows: dict[tuple[UUID, int], StoredRow] = field(default_factory=dict)
    history: list[StoredRow] = field(default_factory=list)
    folding: set[RoomKey] = field(default_factory=set)


class Failure(Enum):
    """How a call fails. Either way the caller sees `JournalUnavailable` and cannot tell which it was."""

    NOTHING_HAPPENED = "nothing happened"
    ANSWER_LOST = "it was committed, and the answer was lost"


class MemoryJournal:
    """`collab_core.journal.port.Journal` in memory.

    Failures are set up beforehand: `fail_next`, `away`, `hold` and `refuse`; they are noticed at the next call.
    """

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store if store is not None else MemoryStore()
        self.away = False
        """While true every call fails, and nothing happens in the store."""
        self.refuse: Callable[[Row], Exception | None] = lambda _row: None
        """What the store has against a row: the whole `append` it is part of raises that, and stores nothing."""
        self.appended: list[tuple[Row, ...]] = []
        """Every `append` that reached the store, retries included."""
        self.held = asyncio.Event()
        """Set once a call hangs because of `hold`."""
        self._failures: list[Failure] = []
        self._open = asyncio.Event()
        self._open.set()

    def fail_next(self, times: int = 1, how: Failure = Failure.NOTHING_HAPPENED) -> None:
        """Let the next `times` appends fail as `how` says."""
        self._failures.extend([how] * times)

    def hold(self) -> None:
        """Let every call hang, as on a stopped server, until `release`."""
        self.held.clear()
        self._open.clear()

    def release(self) -> None:
        """End `hold`: the calls that hang go on."""
        self._open.set()

    async def append(self, rows: Sequence[Row]) -> None:
        """See the port."""
        stored = [(row, envelope.encode(row.entries)) for row in rows]
        await self._answer()
        failure = self._failures.pop(0) if self._failures else None
        if failure is Failure.NOTHING_HAPPENED:
            raise JournalUnavailable("append: told to fail")
        for row in rows:
            if (objection := self.refuse(row)) is not None:
                raise objection
        self.appended.append(tuple(rows))
        now = datetime.now(UTC)
        for row, entries in stored:
            self.store.rows.setdefault(
                (row.epoch, row.sequence), StoredRow(row.key, row.epoch, row.sequence, now, entries)
            )
        if failure is Failure.ANSWER_LOST:
            raise JournalUnavailable("append: told to lose the answer")

    async def load(self, key: RoomKey) -> Loaded:
        """See the port."""
        return await self.since(key, BEGINNING)

    async def since(self, key: RoomKey, moment: datetime) -> Loaded:
        """See the port."""
        await self._answer()
        now = datetime.now(UTC)
        folded_at = self.store.folded_at.get(key, BEGINNING)
        base = self.store.bases.get(key, b"") if folded_at >= moment else b""
        rows = [
            Row(key, row.epoch, row.sequence, envelope.decode(row.entries))
            for row in self._rows(key)
            if row.committed_at >= moment
        ]
        return Loaded(base, rows, self.store.owners.get(key, b"") if base else b"", now)

    async def compact(self, key: RoomKey, fold: Fold) -> int:
        """See the port. As in Postgres, appends and other rooms go on between reading and writing."""
        if key in self.store.folding:
            return 0
        self.store.folding.add(key)
        try:
            await self._answer()
            rows = self._rows(key)
            if not rows:
                return 0
            entries = [entry for row in rows for entry in envelope.decode(row.entries)]
            folded = fold(self.store.bases.get(key, b""), [entry.update for entry in entries])
            owners = Owners.unpack(self.store.owners.get(key, b""))
            learn(owners, entries)
            await self._answer()
            self.store.bases[key] = folded
            self.store.owners[key] = owners.pack()
            self.store.folded_at[key] = datetime.now(UTC)
            for row in rows:
                self.store.history.append(self.store.rows.pop((row.epoch, row.sequence)))
            return len(rows)
        finally:
            self.store.folding.discard(key)

    async def history(self, key: RoomKey) -> AsyncIterator[tuple[datetime, list[Entry]]]:
        """All that is kept of a room, folded or not: (committed at, entries) by time of commit."""
        await self._answer()
        given = set()
        kept = [row for row in (*self.store.history, *self.store.rows.values()) if row.key == key]
        for row in sorted(kept, key=lambda row: (row.committed_at, row.epoch, row.sequence)):
            if (row.epoch, row.sequence) not in given:
                given.add((row.epoch, row.sequence))
                yield row.committed_at, envelope.decode(row.entries)

    async def close(self) -> None:
        """See the port. The store stays."""

    def _rows(self, key: RoomKey) -> list[StoredRow]:
        return [row for row in self.store.rows.values() if row.key == key]

    async def _answer(self) -> None:
        await asyncio.sleep(0)  # as any store: never within the caller's own pass of the event loop
        if not self._open.is_set():
            self.held.set()
            await self._open.wait()
        if self.away:
            raise JournalUnavailable("told to be away")
