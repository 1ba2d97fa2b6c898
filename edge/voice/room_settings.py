"""What the host has set for a room's voice: that talking is for green only, and that it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

_READ: Final = (
    "SELECT coalesce(x.green_only, false) AS green_only, x.green, x.recording_id FROM dojo_rooms r"
    " LEFT JOIN dojo_voice_rooms x USING (tenant_id, room_id) WHERE r.tenant_id = $1 AND r.room_id = $2"
)
_WRITE: Final = (
    "INSERT INTO dojo_voice_rooms (tenant_id, room_id, green_only, recording_id) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (tenant_id, room_id) DO UPDATE SET green_only = $3, recording_id = $4"
)
_RECORDED: Final = (
    "SELECT r.dojo_id, x.recording_id FROM dojo_voice_rooms x JOIN dojo_rooms r USING (tenant_id, room_id)"
    " JOIN dojos d USING (tenant_id, dojo_id) WHERE r.tenant_id = $1 AND r.room_id = $2"
    " AND x.recording_id IS NOT NULL AND r.status = 'ACTIVE' AND d.status = 'ACTIVE'"
)


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """Of one room."""

    green_only: bool
    green: bool | None
    recording: UUID | None
    """The recording under way."""


async def read(db: Any, tenant: UUID, room: UUID) -> RoomSettings:
    """Of a room that is there."""
    row = await db.fetchrow(_READ, tenant, room)
    return RoomSettings(row["green_only"], row["green"], row["recording_id"])


async def change(
    db: Any, tenant: UUID, room: UUID, *, green_only: bool | None, recording: bool | None
) -> tuple[RoomSettings, RoomSettings]:
    """What was and what is. None leaves as it is. The caller holds the lock of the dojo's row."""
    was = await read(db, tenant, room)
    recorded = was.recording
    if recording is not None and recording != (recorded is not None):
        recorded = uuid4() if recording else None
    now = RoomSettings(was.green_only if green_only is None else green_only, was.green, recorded)
    if now != was:
        await db.execute(_WRITE, tenant, room, now.green_only, now.recording)
    return was, now


async def recorded(db: Any, tenant: UUID, room: UUID) -> str | None:
    """Where the recording under way goes: a prefix of blob names. None if the room is not to be recorded."""
    row = await db.fetchrow(_RECORDED, tenant, room)
    return None if row is None else f"{tenant}/{row['dojo_id']}/{room}/{row['recording_id']}"
