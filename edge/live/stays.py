"""Stays: from when to when somebody was in a room.

Two nodes may each have a connection of one person, and a node may die. So the nodes write down when they last had
somebody, by the database's clock, and a stay ends when none has had them lately: whoever says so first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from edge.dojos import seats

# Somebody who leaves in this moment has left when this is done, or has not. The count makes the clock be read after the
# row is there.
_BEGIN: Final = (
    "WITH stay AS (INSERT INTO dojo_room_participants (tenant_id, room_id, user_id, seen_at)"
    " VALUES ($1, $2, $3, clock_timestamp()) ON CONFLICT (tenant_id, room_id, user_id) WHERE left_at IS NULL"
    " DO UPDATE SET seen_at = clock_timestamp() RETURNING true)"
    " SELECT clock_timestamp() FROM (SELECT count(*) FROM stay) begun"
)
# Locked in one order, since another node may do the same.
_RENEW: Final = (
    "WITH here AS (SELECT * FROM unnest($2::uuid[], $3::uuid[]) AS h (room_id, user_id)), stays AS ("
    " SELECT s.room_id, s.user_id, s.joined_at FROM dojo_room_participants s JOIN here USING (room_id, user_id)"
    " WHERE s.tenant_id = $1 AND s.left_at IS NULL ORDER BY s.room_id, s.user_id FOR NO KEY UPDATE OF s), seen AS ("
    " UPDATE dojo_room_participants s SET seen_at = clock_timestamp() FROM stays"
    " WHERE s.tenant_id = $1 AND (s.room_id, s.user_id, s.joined_at) = (stays.room_id, stays.user_id, stays.joined_at)"
    " RETURNING s.room_id, s.user_id)"
    " SELECT room_id, user_id FROM here WHERE (room_id, user_id) NOT IN (SELECT room_id, user_id FROM seen)"
)


class Stay(NamedTuple):
    """Somebody in a room."""

    room: UUID
    user: UUID


async def begin(db: Any, tenant: UUID, room: UUID, user: UUID) -> datetime:
    """`user` is in the room, if they were not. When that was, by the database's clock: what they say later ends it."""
    now: datetime = await db.fetchval(_BEGIN, tenant, room, user)
    return now


async def renew(db: Any, tenant: UUID, stays: Sequence[Stay]) -> list[Stay]:
    """These are connected at the moment. Those of them who are not in the room any more, as far as is written."""
    rows = await db.fetch(_RENEW, tenant, [stay.room for stay in stays], [stay.user for stay in stays])
    return [Stay(row["room_id"], row["user_id"]) for row in rows]


async def end(db: Any, tenant: UUID, dojo: UUID, room: UUID, user: UUID) -> bool:
    """`user` has left the room, as lost connections do, unless another node has them; whether they have. The seat in
    the dojo is free if it was the last room they were in."""
    return await seats.leave_room(db, tenant, dojo, room, user, unseen=seats.SEEN_SECONDS)


async def resume(db: Any, tenant: UUID, dojo: UUID, stay: Stay, since: datetime) -> None:
    """Somebody has been connected since `since`, and their stay was ended all the same. Raises `NoSeat`."""
    await seats.resume(db, tenant, dojo, stay.room, stay.user, since=since)
    await begin(db, tenant, stay.room, stay.user)
