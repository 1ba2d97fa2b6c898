"""Makes ready, before anybody looks, what looking back needs: keyframes and totals of rooms that have ended, and a
keyframe behind whatever the journal's retention is about to drop. A little at a time, for a worker."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from edge.dojos import typed_totals
from edge.dojos.activity import Typed, count_typed
from edge.dojos.replay import keyframes
from edge.dojos.replay.keyframes import extend, sole
from kernel.database import speak_for_tenant

ROOMS: Final = 20
"""Of one pass. A room of 20,000 entries takes some 1.5 s, in slices of a few milliseconds."""

log = logging.getLogger(__name__)

Work = Callable[[Any, UUID, UUID], Awaitable[None]]
"""Does something about a room, in a transaction that speaks for its tenant."""


class Pass(NamedTuple):
    """Rooms that were found to need something, and those of them about which something was done: a long one may need
    several passes, and another worker may be at one."""

    found: int
    done: int


async def keep_ended(worker: Any) -> Pass:
    """Keyframes and totals of rooms that have ended. `worker` is a connection of the worker's role. Raises what asyncpg
    raises when the database is away."""
    rooms = await worker.fetch("SELECT tenant_id, room_id FROM dojo_rooms_uncounted($1)", ROOMS)
    return Pass(len(rooms), sum([await _kept(worker, room, _keep_ended, _give_up_counting) for room in rooms]))


async def keep_before(worker: Any, cutoff: datetime) -> Pass:
    """A keyframe behind all that lies before `cutoff` in the journal: once nothing is found any more, that may be
    dropped. `worker` as above."""
    work, give_up = partial(_keep_before, cutoff), partial(_mark_keyframed, cutoff)
    rooms = await worker.fetch("SELECT tenant_id, room_id FROM dojo_rooms_before_cut($1, $2)", cutoff, ROOMS)
    return Pass(len(rooms), sum([await _kept(worker, room, work, give_up) for room in rooms]))


async def _keep_ended(db: Any, tenant: UUID, room: UUID) -> None:
    if await extend(db, tenant, room) < keyframes.SEGMENTS_AT_ONCE:
        await typed_totals.keep(db, tenant, room, await count_typed(db, tenant, room))


async def _give_up_counting(db: Any, tenant: UUID, room: UUID) -> None:
    await typed_totals.keep(db, tenant, room, Typed(complete=False))


async def _keep_before(cutoff: datetime, db: Any, tenant: UUID, room: UUID) -> None:
    if await extend(db, tenant, room, cut=cutoff) >= keyframes.SEGMENTS_AT_ONCE:
        return
    # Those before the last one lead to nothing once the rows behind them are gone.
    await db.execute(
        "DELETE FROM dojo_room_keyframes WHERE tenant_id = $1 AND room_id = $2 AND number <"
        " (SELECT max(number) FROM dojo_room_keyframes WHERE tenant_id = $1 AND room_id = $2 AND committed_at < $3)",
        tenant,
        room,
        cutoff,
    )
    await _mark_keyframed(cutoff, db, tenant, room)


async def _mark_keyframed(cutoff: datetime, db: Any, tenant: UUID, room: UUID) -> None:
    await db.execute(
        "UPDATE dojo_rooms SET keyframed_before = $3 WHERE tenant_id = $1 AND room_id = $2", tenant, room, cutoff
    )


async def _kept(worker: Any, row: Any, work: Work, give_up: Work) -> bool:
    """Whether something was done about the room. What cannot be made of it is given up: it must hold up neither other
    rooms nor the retention."""
    tenant, room = row
    try:
        async with worker.transaction():
            await speak_for_tenant(worker, tenant)
            if not await sole(worker, tenant, room):
                return False
            await work(worker, tenant, room)
            return True
    except Exception as error:
        if worker.is_closed():
            raise
        log.error("looking back on room %s of tenant %s is not made ready: %s", room, tenant, type(error).__name__)
    async with worker.transaction():
        await speak_for_tenant(worker, tenant)
        await give_up(worker, tenant, room)
    return True
