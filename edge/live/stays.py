"""Stays: from when to when somebody was in a room."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from edge.dojos import seats

_BEGIN: Final = (
    "INSERT INTO dojo_room_participants (tenant_id, room_id, user_id) VALUES ($1, $2, $3)"
    " ON CONFLICT (tenant_id, room_id, user_id) WHERE left_at IS NULL DO NOTHING"
)
_END: Final = (
    "UPDATE dojo_room_participants SET left_at = now()"
    " WHERE tenant_id = $1 AND room_id = $2 AND user_id = $3 AND left_at IS NULL"
)
_STAYS: Final = (
    "SELECT EXISTS (SELECT FROM dojo_room_participants s JOIN dojo_rooms r USING (tenant_id, room_id)"
    " WHERE s.tenant_id = $1 AND r.dojo_id = $2 AND s.user_id = $3 AND s.left_at IS NULL)"
)


async def begin(db: Any, tenant: UUID, room: UUID, user: UUID) -> None:
    """`user` is in the room, if they were not."""
    await db.execute(_BEGIN, tenant, room, user)


async def end(db: Any, tenant: UUID, dojo: UUID, room: UUID, user: UUID) -> None:
    """`user` has left the room. The seat in the dojo is free if it was the last room they were in."""
    await db.execute(_END, tenant, room, user)
    if not await db.fetchval(_STAYS, tenant, dojo, user):
        await seats.leave(db, tenant, dojo, user)
