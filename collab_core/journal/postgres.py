"""The journal in Postgres.

Appending has one connection of its own, as a role that can do nothing but insert, for all tenants at once; everything
else speaks for one tenant, in that tenant's transaction, under row-level security.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from collab_core.authorship import learn
from collab_core.identity import RoomKey
from collab_core.journal import envelope
from collab_core.journal.port import BEGINNING, Entry, Fold, JournalUnavailable, Loaded, Row
from collab_core.owners import Owners
from kernel.database import FAILURES, NotDurable, check_durability, connect, create_pool, tenant_scope

APPEND_SECONDS: Final = 10.0
"""For one group commit. Then its outcome is unknown, and the same rows are sent again on a new connection."""
COMMIT_LATEST: Final = timedelta(seconds=1.5 * APPEND_SECONDS)
"""A row's time is its transaction's start, and it can be seen so much later at most."""
ROOM_SECONDS: Final = 30.0
"""For one statement of a load, a fold or a page of history, and for the wait for a pooled connection."""
CLOSE_SECONDS: Final = 5.0
POOL_CONNECTIONS: Final = 6
"""Loads and folds at once on this node; more of them queue for a connection."""
FOLD_INLINE_UPDATES: Final = 256
FOLD_INLINE_BYTES: Final = 256 * 1024
"""A fold larger than either runs in a thread: inline it would hold up every keystroke on the node for over 1 ms."""
HISTORY_PAGE_ROWS: Final = 200
HISTORY_REMEMBERED_ROWS: Final = 10_000
"""How far back the history's reader recognises a row it has given already."""

# No conflict target: naming one would need the right to read. The primary key is the only one there is.
_APPEND: Final = """
INSERT INTO collab_journal (tenant_id, room, node_epoch, node_sequence, entries)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::bytea[])
ON CONFLICT DO NOTHING
"""
# One statement, one snapshot: a fold committing meanwhile is seen as a whole or not at all. Its last line says when.
_LOAD: Final = """
SELECT NULL::uuid AS node_epoch, NULL::bigint AS node_sequence, base AS bytes, owners, NULL::timestamptz AS moment
FROM collab_base LEFT JOIN collab_owners USING (tenant_id, room)
WHERE tenant_id = $1 AND room = $2 AND folded_at >= $3
UNION ALL
SELECT node_epoch, node_sequence, entries, NULL, NULL FROM collab_journal
WHERE tenant_id = $1 AND room = $2 AND committed_at >= $3
UNION ALL
SELECT NULL, NULL, NULL, NULL, now()
"""
_SAVE_BASE: Final = """
INSERT INTO collab_base AS old (tenant_id, room, base, rows_folded) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, room) DO UPDATE
SET base = excluded.base, folded_at = now(), rows_folded = old.rows_folded + excluded.rows_folded
"""
_SAVE_OWNERS: Final = """
INSERT INTO collab_owners (tenant_id, room, owners) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, room) DO UPDATE SET owners = excluded.owners
"""
# By name, never by range: rows commit out of order, and one with a lower number may be committing right now.
_MOVE_ROWS: Final = """
WITH moved AS (
    DELETE FROM collab_journal
    WHERE tenant_id = $1 AND room = $2
      AND (node_epoch, node_sequence) IN (SELECT * FROM unnest($3::uuid[], $4::bigint[]))
    RETURNING tenant_id, room, node_epoch, node_sequence, committed_at, entries
), kept AS (
    INSERT INTO collab_journal_history (tenant_id, room, node_epoch, node_sequence, committed_at, entries)
    SELECT * FROM moved
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM moved
"""
_HISTORY: Final = """
SELECT committed_at, node_epoch, node_sequence, entries FROM (
    SELECT committed_at, node_epoch, node_sequence, entries FROM collab_journal_history
    WHERE tenant_id = $1 AND room = $2
    UNION ALL
    SELECT committed_at, node_epoch, node_sequence, entries FROM collab_journal
    WHERE tenant_id = $1 AND room = $2
) AS rows
WHERE committed_at >= $3 AND (committed_at, node_epoch, node_sequence) > ($3, $4, $5)
ORDER BY committed_at, node_epoch, node_sequence
LIMIT $6
"""

# What says nothing against the rows themselves is "unavailable", and worth trying again: also a full disk, a server
# that is shutting down or has become read-only, a missing table or right. These say that the rows cannot be stored.
_BAD_ROWS: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class PostgresJournal:
    """`collab_core.journal.port.Journal` in Postgres. Make one with `open`.

    Rows that Postgres takes for wrong in themselves raise asyncpg's own errors (`DataError` and the like) or
    `EnvelopeError`: trying again cannot help. Every other trouble is `JournalUnavailable`.
    """

    def __init__(self, journal_dsn: str, pool: Any) -> None:
        self._journal_dsn = journal_dsn
        self._pool = pool
        self._connection: Any = None
        self._appending = asyncio.Lock()

    @classmethod
    async def open(cls, journal_dsn: str, service_dsn: str) -> PostgresJournal:
        """Connect as `dojo_journal` (appends) and prepare to connect as `dojo_service` (the rest).

        Raises `JournalUnavailable` if Postgres is away, `NotDurable` if it would lose commits.
        """
        pool = await create_pool(
            service_dsn, name="dojo-rooms", statement_seconds=ROOM_SECONDS, max_size=POOL_CONNECTIONS
        )
        journal = cls(journal_dsn, pool)
        try:
            with _unavailable("open"):
                journal._connection = await journal._connect()
        except BaseException:
            await journal.close()
            raise
        return journal

    async def append(self, rows: Sequence[Row]) -> None:
        """See the port. One statement, hence one transaction, on the one appending connection."""
        if not rows:
            return
        # Two nodes may bring the same rows at one moment, and each waits for the other's: always in the same order.
        rows = sorted(rows, key=lambda row: (row.epoch, row.sequence))
        columns = (
            [row.key.tenant for row in rows],
            [row.key.room for row in rows],
            [row.epoch for row in rows],
            [row.sequence for row in rows],
            [envelope.encode(row.entries) for row in rows],
        )
        async with self._appending:
            with _unavailable("append"):
                try:
                    if self._connection is None or self._connection.is_closed():
                        self._connection = await self._connect()
                    await self._connection.execute(_APPEND, *columns)
                except _BAD_ROWS:
                    raise
                except BaseException:
                    # Whatever this connection was in the middle of, nothing may follow it.
                    self._drop_connection()
                    raise

    async def load(self, key: RoomKey) -> Loaded:
        """See the port. Raises `EnvelopeError` if a row is damaged: a room of which a part is missing is not opened."""
        return await self._load(key, BEGINNING)

    async def since(self, key: RoomKey, moment: datetime) -> Loaded:
        """See the port. Raises as `load` does."""
        return await self._load(key, moment - COMMIT_LATEST)

    async def _load(self, key: RoomKey, moment: datetime) -> Loaded:
        with _unavailable("load"):
            async with tenant_scope(self._pool, key.tenant, acquire_seconds=ROOM_SECONDS) as connection:
                found = _split(await connection.fetch(_LOAD, key.tenant, key.room, moment))
        rows = [Row(key, row["node_epoch"], row["node_sequence"], envelope.decode(row["bytes"])) for row in found.rows]
        return Loaded(found.base, rows, found.owners, found.moment)

    async def compact(self, key: RoomKey, fold: Fold) -> int:
        """See the port. What `fold` raises comes out as it is, and nothing is changed then."""
        with _unavailable("compact"):
            async with tenant_scope(self._pool, key.tenant, acquire_seconds=ROOM_SECONDS) as connection:
                return await self._compact(connection, key, fold)

    async def history(self, key: RoomKey) -> AsyncIterator[tuple[datetime, list[Entry]]]:
        """All that is kept of a room, folded or not: (committed at, entries) by time of commit, read page by page.

        The times are the server's, of the transaction's start. A row that was sent twice (an answer was lost, and the
        first was folded before the second came) is given once, unless 10,000 others lie between.
        """
        position: tuple[datetime, UUID, int] = (BEGINNING, UUID(int=0), -1)
        given: OrderedDict[tuple[UUID, int], None] = OrderedDict()
        while True:
            with _unavailable("history"):
                async with tenant_scope(self._pool, key.tenant, acquire_seconds=ROOM_SECONDS) as connection:
                    page = await connection.fetch(_HISTORY, key.tenant, key.room, *position, HISTORY_PAGE_ROWS)
            for row in page:
                name = (row["node_epoch"], row["node_sequence"])
                if name in given:
                    continue
                given[name] = None
                if len(given) > HISTORY_REMEMBERED_ROWS:
                    given.popitem(last=False)
                yield row["committed_at"], envelope.decode(row["entries"])
            if len(page) < HISTORY_PAGE_ROWS:
                return
            position = (page[-1]["committed_at"], page[-1]["node_epoch"], page[-1]["node_sequence"])

    async def close(self) -> None:
        """See the port. What is still under way is cut off after `CLOSE_SECONDS`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await _close(lambda: connection.close(timeout=CLOSE_SECONDS), connection.terminate)
        await _close(self._pool.close, self._pool.terminate)

    async def _connect(self) -> Any:
        connection = await connect(self._journal_dsn, name="dojo-journal", statement_seconds=APPEND_SECONDS)
        try:
            await check_durability(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _compact(self, connection: Any, key: RoomKey, fold: Fold) -> int:
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _lock_number(key)):
            return 0
        base, packed, rows, _ = _split(await connection.fetch(_LOAD, key.tenant, key.room, BEGINNING))
        if not rows:
            return 0
        entries = [entry for row in rows for entry in envelope.decode(row["bytes"])]
        updates = [entry.update for entry in entries]

        def folded() -> tuple[bytes, bytes]:
            owners = Owners.unpack(packed)
            learn(owners, entries)
            return fold(base, updates), owners.pack()

        if len(updates) <= FOLD_INLINE_UPDATES and len(base) + sum(map(len, updates)) <= FOLD_INLINE_BYTES:
            new_base, new_owners = folded()
        else:
            new_base, new_owners = await asyncio.to_thread(folded)
        await connection.execute(_SAVE_BASE, key.tenant, key.room, new_base, len(rows))
        await connection.execute(_SAVE_OWNERS, key.tenant, key.room, new_owners)
        epochs = [row["node_epoch"] for row in rows]
        sequences = [row["node_sequence"] for row in rows]
        moved: int = await connection.fetchval(_MOVE_ROWS, key.tenant, key.room, epochs, sequences)
        if moved != len(rows):
            # Only the holder of the lock removes rows. Undo everything rather than guess who else did.
            raise RuntimeError(f"{moved} of {len(rows)} folded rows of {key} were there to be moved")
        return moved


class _Found(NamedTuple):
    base: bytes
    owners: bytes
    rows: list[Any]
    moment: datetime


def _split(found: Sequence[Any]) -> _Found:
    base = owners = b""
    rows = []
    moment = BEGINNING
    for row in found:
        if row["moment"] is not None:
            moment = row["moment"]
        elif row["node_epoch"] is None:
            base, owners = row["bytes"], row["owners"] or b""
        else:
            rows.append(row)
    return _Found(base, owners, rows, moment)


def _lock_number(key: RoomKey) -> int:
    """A room's advisory lock. Two rooms with the same number only keep each other waiting."""
    digest = hashlib.blake2b(key.tenant.bytes + key.room.encode(), digest_size=8, person=b"dojo-compaction").digest()
    return int.from_bytes(digest, "big", signed=True)


@contextmanager
def _unavailable(what: str) -> Iterator[None]:
    """Say `JournalUnavailable` for what is wrong with the store or the way to it, and let the rest pass."""
    try:
        yield
    except _BAD_ROWS:
        raise
    except (*FAILURES, NotDurable) as error:
        if what == "open" and isinstance(error, NotDurable):
            raise
        raise JournalUnavailable(f"{what}: {type(error).__name__}: {error}") from error


async def _close(politely: Callable[[], Awaitable[None]], at_once: Callable[[], None]) -> None:
    try:
        await asyncio.wait_for(politely(), CLOSE_SECONDS)
    except FAILURES:
        at_once()
    except BaseException:
        at_once()
        raise
