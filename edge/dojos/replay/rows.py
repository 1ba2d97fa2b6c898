"""The journal's rows of one room, in the order of their commits, as far as they are kept.

A row's position (time of commit, node's epoch, number) stays the same when compaction moves the row to the history.
Rows of one node stand in the order in which it accepted them; those of two nodes may stand before what they need.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from collab_core.authorship import learn
from collab_core.journal.envelope import decode, decode_updates
from collab_core.journal.port import Entry
from collab_core.merge import merge
from collab_core.owners import Owners
from kernel.database import tenant_scope

PAGE_ROWS: Final = 500
ACQUIRE_SECONDS: Final = 5.0
"""How long a page waits for a database connection."""
LEARNT_INLINE: Final = 500
"""Entries whose authors are noted without leaving the event loop: a millisecond or two."""
SETTLED_SECONDS: Final = 25
"""A row's time is that of its transaction's start, and the journal's transaction, one statement and its commit, is
given up after 10 s each: nothing appears before rows that are older than this."""


class Position(NamedTuple):
    """Where a row stands."""

    committed_at: datetime
    epoch: UUID
    sequence: int


START: Final = Position(datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0), -1)


class KeptRow(NamedTuple):
    """One row of the journal. Its entries are unpacked when they are asked for: whoever looks for a place in the
    journal passes most rows by."""

    position: Position
    packed: bytes

    @property
    def entries(self) -> list[Entry]:
        """What it holds, in arrival order."""
        return decode(self.packed)


class Kept(NamedTuple):
    """How much of a room's journal there is: rows ever written, rows left, and when the last was committed."""

    written: int
    left: int
    last: datetime | None

    @property
    def lost(self) -> int:
        """Rows that the retention has dropped: always the oldest."""
        return max(0, self.written - self.left)


# Both halves begin at the position by an index; only what lies behind it is sorted.
_ROWS: Final = """
SELECT committed_at, node_epoch, node_sequence, entries FROM (
    SELECT committed_at, node_epoch, node_sequence, entries FROM collab_journal_history
    WHERE tenant_id = $1 AND room = $2 AND committed_at >= $3
    UNION ALL
    SELECT committed_at, node_epoch, node_sequence, entries FROM collab_journal
    WHERE tenant_id = $1 AND room = $2 AND committed_at >= $3
) AS rows
WHERE (committed_at, node_epoch, node_sequence) > ($3, $4, $5)
ORDER BY committed_at, node_epoch, node_sequence
LIMIT $6
"""
# One statement, one snapshot: rows that commit or are folded meanwhile are counted on both sides or on none.
_KEPT: Final = """
WITH unfolded AS (SELECT count(*) AS n FROM collab_journal WHERE tenant_id = $1 AND room = $2),
     folded AS (SELECT count(*) AS n, max(committed_at) AS last FROM collab_journal_history
                WHERE tenant_id = $1 AND room = $2)
SELECT unfolded.n + coalesce((SELECT rows_folded FROM collab_base WHERE tenant_id = $1 AND room = $2), 0) AS written,
       unfolded.n + folded.n AS left,
       greatest(folded.last, (SELECT max(committed_at) FROM collab_journal WHERE tenant_id = $1 AND room = $2)) AS last
FROM unfolded, folded
"""
_NOW: Final = """
SELECT true AS base, base AS bytes FROM collab_base WHERE tenant_id = $1 AND room = $2
UNION ALL
SELECT false, entries FROM collab_journal WHERE tenant_id = $1 AND room = $2
"""


_OWNERS: Final = "SELECT owners FROM collab_owners WHERE tenant_id = $1 AND room = $2"
_UNFOLDED: Final = "SELECT entries FROM collab_journal WHERE tenant_id = $1 AND room = $2"


async def page_of(db: Any, tenant: UUID, room: UUID, after: Position) -> list[KeptRow]:
    """Up to `PAGE_ROWS` rows behind `after`; fewer if there are no more. `db` speaks for the tenant."""
    found = await db.fetch(_ROWS, tenant, str(room), *after, PAGE_ROWS)
    return [
        KeptRow(Position(row["committed_at"], row["node_epoch"], row["node_sequence"]), row["entries"]) for row in found
    ]


async def rows_after(pool: Any, tenant: UUID, room: UUID, after: Position) -> AsyncGenerator[KeptRow]:
    """All rows behind `after`, read page by page, each in a transaction of its own: whoever reads may be slow."""
    while True:
        async with tenant_scope(pool, tenant, acquire_seconds=ACQUIRE_SECONDS) as db:
            page = await page_of(db, tenant, room, after)
        for row in page:
            yield row
        if len(page) < PAGE_ROWS:
            return
        after = page[-1].position


async def kept(db: Any, tenant: UUID, room: UUID) -> Kept:
    """How much there is of the room's journal."""
    row = await db.fetchrow(_KEPT, tenant, str(room))
    return Kept(row["written"], row["left"], row["last"])


async def state_now(db: Any, tenant: UUID, room: UUID) -> bytes:
    """The room as the journal has it at this moment, as one update."""
    found = await db.fetch(_NOW, tenant, str(room))
    updates = [row["bytes"] for row in found if row["base"]]
    updates += [update for row in found if not row["base"] for update in decode_updates(row["bytes"])]
    return merge(updates)


async def owners_now(db: Any, tenant: UUID, room: UUID) -> Owners:
    """Who typed under which client id, as far as it is known at this moment."""
    owners = Owners.unpack(await db.fetchval(_OWNERS, tenant, str(room)) or b"")
    entries = [entry for row in await db.fetch(_UNFOLDED, tenant, str(room)) for entry in decode(row["entries"])]
    if len(entries) <= LEARNT_INLINE:
        learn(owners, entries)
    else:
        await asyncio.to_thread(learn, owners, entries)
    return owners


async def settled_before(db: Any) -> datetime:
    """Rows from before this moment, by the database's clock, have their place among the others for good."""
    now: datetime = await db.fetchval("SELECT clock_timestamp()")
    return now - timedelta(seconds=SETTLED_SECONDS)
