"""What a live node knows of a dojo's room before it opens it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from collab_core.identity import RoomKey
from edge.dojos.states import Status
from edge.live import chat
from edge.live.chat import Said
from edge.live.dojo_shown import DojoShown

_ROOM = (
    "SELECT r.room_id, r.status, d.creator_id, d.language, d.initial_code,"
    " d.name, d.status AS dojo_status"
    " FROM dojo_rooms r JOIN dojos d USING (tenant_id, dojo_id)"
    " WHERE r.tenant_id = $1 AND r.dojo_id = $2 AND (r.room_id = $3 OR ($3 IS NULL AND r.is_main))"
    " ORDER BY r.created_at LIMIT 1"
)
_KNOWN = (
    "SELECT room_id, status FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2"
    " AND (room_id = $3 OR ($3 IS NULL AND is_main)) ORDER BY created_at LIMIT 1"
)
_ACTIVE = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Stage:
    """A dojo's room: whose it is, what it begins with and what was said in it."""

    tenant: UUID
    dojo: UUID
    room: UUID
    creator: UUID
    language: str
    initial_code: str
    shown: DojoShown
    said: tuple[Said, ...]

    @property
    def key(self) -> RoomKey:
        """The engine's name of the room."""
        return key_of(self.tenant, self.room)


def key_of(tenant: UUID, room: UUID) -> RoomKey:
    """The engine's name of a dojo's room."""
    return RoomKey(tenant, str(room))


async def find(db: Any, tenant: UUID, dojo: UUID, room: UUID | None) -> UUID | None:
    """The id of the dojo's room, or of its first one; None if there is no such room, or it is over."""
    row = await db.fetchrow(_KNOWN, tenant, dojo, room)
    return row["room_id"] if row is not None and row["status"] == _ACTIVE else None


async def load(db: Any, tenant: UUID, dojo: UUID, room: UUID) -> Stage | None:
    """All that is known of a room; None if there is no such room, or it is over."""
    row = await db.fetchrow(_ROOM, tenant, dojo, room)
    if row is None or row["status"] != _ACTIVE:
        return None
    said = tuple(await chat.recent(db, tenant, room))
    shown = DojoShown(row["name"], Status(row["dojo_status"]))
    return Stage(tenant, dojo, room, row["creator_id"], row["language"], row["initial_code"], shown, said)
