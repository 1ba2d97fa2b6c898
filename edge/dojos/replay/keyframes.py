"""Whole states of a room, stored every few thousand entries, so that any moment is reached from one near it.

The state at a moment is all entries up to then, merged as bytes: an order is not needed for it, and an entry that came
late is in it as soon as it is there. Keyframes are made of rows that have their place for good.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from collab_core.document import Document
from collab_core.engine import EngineRefused
from collab_core.merge import merge
from collab_core.opening import fold
from collab_core.wire.messages import EMPTY_UPDATE
from edge.dojos.replay.player import whole
from edge.dojos.replay.rows import PAGE_ROWS, START, Kept, KeptRow, Position, kept, page_of, settled_before

SEGMENT_ENTRIES: Final = 2_000
"""Merging so many with a state takes about 10 ms, and a keyframe of a long session a few kilobytes."""
SEGMENT_BYTES: Final = 2 * 1024 * 1024
"""A few large entries are a segment, too."""
SEGMENTS_AT_ONCE: Final = 100
"""Made in one transaction at most; the rest the next time."""


class NotReplayable(Exception):
    """The journal of that moment was dropped. `since_ms` is from when on there is one, Unix milliseconds; None: there
    is nothing but the text as it is now."""

    def __init__(self, since_ms: int | None) -> None:
        super().__init__("the history of this moment is not kept any more")
        self.since_ms = since_ms


@dataclass(frozen=True, slots=True)
class Keyframe:
    """What the first `rows` rows come to. Times in Unix milliseconds: the earliest entry since the keyframe before, and
    the latest of all."""

    number: int
    position: Position
    rows: int
    first_ms: int
    last_ms: int


_NEVER: Final = datetime.max.replace(tzinfo=UTC)

ROOM_BEGAN: Final = Keyframe(-1, START, 0, 0, -1)
"""Before the first row, there was nothing."""


@dataclass(frozen=True, slots=True)
class Sought:
    """A room at a moment: `state` holds all entries up to then. `before` is the keyframe it was reached from."""

    before: Keyframe
    before_state: bytes
    state: bytes


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one can go back: the usable keyframes, in order, and what is kept of the journal."""

    frames: tuple[Keyframe, ...]
    kept: Kept

    @property
    def complete(self) -> bool:
        """Whether it goes back to the room's first edit."""
        return not self.kept.lost

    @property
    def since_ms(self) -> int | None:
        """From when on every moment can be had; None if none can."""
        return self.frames[0].last_ms if self.frames else None

    def nearest(self, at_ms: int) -> Keyframe:
        """The last keyframe that holds nothing later. Raises `NotReplayable`."""
        for frame in reversed(self.frames):
            if frame.last_ms <= at_ms:
                return frame
        raise NotReplayable(self.since_ms)


_FRAMES: Final = """
SELECT number, committed_at, node_epoch, node_sequence, rows, first_ms, last_ms
FROM dojo_room_keyframes WHERE tenant_id = $1 AND room_id = $2 ORDER BY number
"""
_STATE: Final = "SELECT state FROM dojo_room_keyframes WHERE tenant_id = $1 AND room_id = $2 AND number = $3"
_INSERT: Final = """
INSERT INTO dojo_room_keyframes
    (tenant_id, room_id, number, committed_at, node_epoch, node_sequence, rows, first_ms, last_ms, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
"""


async def reach(db: Any, tenant: UUID, room: UUID) -> Reach:
    """How far one can go back in a room. `db` speaks for the tenant."""
    there = await kept(db, tenant, room)
    frames = [] if there.lost else [ROOM_BEGAN]
    for row in await db.fetch(_FRAMES, tenant, room):
        position = Position(row["committed_at"], row["node_epoch"], row["node_sequence"])
        if row["rows"] >= there.lost:
            frames.append(Keyframe(row["number"], position, row["rows"], row["first_ms"], row["last_ms"]))
    return Reach(tuple(frames), there)


async def seek(db: Any, tenant: UUID, room: UUID, at_ms: int, reached: Reach) -> Sought:
    """The room as it was at `at_ms`, entries of that very millisecond included. Raises `NotReplayable`."""
    nearest = reached.nearest(at_ms)
    state = await _state_of(db, tenant, room, nearest)
    later = [frame for frame in reached.frames if frame.number > nearest.number]
    wanted = [frame for frame in later if frame.first_ms <= at_ms]
    updates: list[bytes] = []
    if wanted:
        updates += await _updates(db, tenant, room, at_ms, after=nearest.position, up_to=wanted[-1].position)
    tail = later[-1] if later else nearest
    updates += await _updates(db, tenant, room, at_ms, after=tail.position, up_to=None)
    return Sought(nearest, state, await asyncio.to_thread(merge, [state, *updates]))


async def extend(db: Any, tenant: UUID, room: UUID, *, cut: datetime | None = None) -> int:
    """Make the keyframes that are missing, and drop those whose journal was dropped; how many were made. Does nothing
    while somebody else does it for this room.

    With `cut`, there is one of all rows from before that moment too, be they ever so few: what comes after it can then
    be replayed without them. Where something is missing that a later row brings, it is of more rows.
    """
    if not await sole(db, tenant, room):
        return 0
    reached = await reach(db, tenant, room)
    if not reached.frames:
        return 0
    if reached.kept.lost:
        await db.execute(
            "DELETE FROM dojo_room_keyframes WHERE tenant_id = $1 AND room_id = $2 AND rows < $3",
            tenant,
            room,
            reached.kept.lost,
        )
    last = reached.frames[-1]
    making = _Making(db, tenant, room, last, await _state_of(db, tenant, room, last))
    settled = await settled_before(db)
    async with aclosing(_rows_of(db, tenant, room, last.position)) as rows:
        async for row in rows:
            at = row.position.committed_at
            if at >= settled:
                break
            if cut is not None and making.segment.last_at < cut <= at:
                await making.store()
            making.segment.add(row)
            if making.segment.full:
                await making.store()
            if making.made >= SEGMENTS_AT_ONCE:
                return making.made
    if cut is not None and making.segment.first_at < cut:
        await making.store()
    return making.made


async def sole(db: Any, tenant: UUID, room: UUID) -> bool:
    """Whether nobody else makes keyframes of the room, nor will until the transaction of `db` ends."""
    alone: bool = await db.fetchval("SELECT pg_try_advisory_xact_lock($1)", _lock_number(tenant, room))
    return alone


class _Making:
    """Keyframes of one room, made one after the other."""

    def __init__(self, db: Any, tenant: UUID, room: UUID, last: Keyframe, state: bytes) -> None:
        """`last` is the newest that there is, and `state` what it holds."""
        self._db = db
        self._room = (tenant, room)
        self._state = state
        self.last = last
        self.segment = _Segment()
        self.made = 0

    async def store(self) -> None:
        """One of all rows that were added; none if there are no new ones, or while something is missing that a later
        row brings."""
        segment, last = self.segment, self.last
        if segment.position is None:
            return
        folded = await asyncio.to_thread(_folded, self._state, segment.updates)
        if folded is None:
            return
        rows, last_ms = last.rows + segment.rows, max(last.last_ms, segment.last_ms)
        self.last = Keyframe(last.number + 1, segment.position, rows, segment.first_ms, last_ms)
        self._state = folded
        await self._db.execute(
            _INSERT, *self._room, self.last.number, *segment.position, rows, segment.first_ms, last_ms, folded
        )
        self.made += 1
        self.segment = _Segment()


class _Segment:
    """Rows since the last keyframe: `position` is that of the newest, `first_at` and `last_at` when the oldest and the
    newest were committed."""

    def __init__(self) -> None:
        self.position: Position | None = None
        self.rows = 0
        self.updates: list[bytes] = []
        self.first_ms = 0
        self.last_ms = 0
        self.first_at = self.last_at = _NEVER
        self._bytes = 0
        self._tried = SEGMENT_ENTRIES

    @property
    def full(self) -> bool:
        """Whether it is time for a keyframe; after one that could not be made, half a segment later again."""
        if len(self.updates) < self._tried and self._bytes < SEGMENT_BYTES:
            return False
        self._tried = len(self.updates) + SEGMENT_ENTRIES // 2
        self._bytes = 0
        return True

    def add(self, row: KeptRow) -> None:
        entries = row.entries
        times = [entry.at_ms for entry in entries]
        first = self.rows == 0
        self.first_ms = min(times) if first else min(self.first_ms, *times)
        self.last_ms = max(times) if first else max(self.last_ms, *times)
        self.position = row.position
        self.last_at = row.position.committed_at
        self.first_at = self.last_at if first else self.first_at
        self.rows += 1
        self.updates += [entry.update for entry in entries]
        self._bytes += sum(len(entry.update) for entry in entries)


def _folded(state: bytes, updates: list[bytes]) -> bytes | None:
    """One state; None if it lacks something that it depends on."""
    folded = fold(state, updates)
    try:
        return folded if whole(folded, Document(folded).state()) else None
    except EngineRefused:
        return None


async def _state_of(db: Any, tenant: UUID, room: UUID, frame: Keyframe) -> bytes:
    if frame is ROOM_BEGAN:
        return EMPTY_UPDATE
    state: bytes = await db.fetchval(_STATE, tenant, room, frame.number)
    return state


async def _updates(
    db: Any, tenant: UUID, room: UUID, at_ms: int, *, after: Position, up_to: Position | None
) -> list[bytes]:
    """What rows behind `after` hold up to a moment; rows behind `up_to` are not looked at."""
    updates: list[bytes] = []
    async with aclosing(_rows_of(db, tenant, room, after)) as rows:
        async for row in rows:
            if up_to is not None and row.position > up_to:
                break
            updates += [entry.update for entry in row.entries if entry.at_ms <= at_ms]
    return updates


async def _rows_of(db: Any, tenant: UUID, room: UUID, after: Position) -> AsyncGenerator[KeptRow]:
    """All rows behind `after`, in the transaction of `db`."""
    while True:
        page = await page_of(db, tenant, room, after)
        for row in page:
            yield row
        if len(page) < PAGE_ROWS:
            return
        after = page[-1].position


def _lock_number(tenant: UUID, room: UUID) -> int:
    digest = hashlib.blake2b(tenant.bytes + room.bytes, digest_size=8, person=b"dojo-keyframes").digest()
    return int.from_bytes(digest, "big", signed=True)
