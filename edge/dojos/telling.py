"""What dojos know of a person, for that person: where they took part, what they said, how much they typed."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final
from uuid import UUID

import msgspec

from edge.identity.export import told_of
from kernel.http.fields import Instant

DOJOS: Final = 10_000
"""Newest dojos of an export, and as many messages; `complete` tells whether there are more."""


class ExportedStay(msgspec.Struct, frozen=True, rename="camel"):
    """From when to when they were in a room."""

    joined_at: Instant
    left_at: Instant | None


class ExportedRoom(msgspec.Struct, frozen=True, rename="camel"):
    """What they did in a room. `typed` and `deleted` are UTF-16 code units, counted soon after its end; null until
    then. `talkSeconds`: how long they spoke."""

    room_id: UUID
    name: str
    typed: int | None
    deleted: int | None
    stays: list[ExportedStay]
    talk_seconds: float = 0.0


class ExportedDojo(msgspec.Struct, frozen=True, rename="camel"):
    dojo_id: UUID
    name: str
    status: str
    shown_name: str
    role: str
    participant_status: str
    join_time: Instant
    leave_time: Instant | None
    rooms: list[ExportedRoom]


class ExportedMessage(msgspec.Struct, frozen=True, rename="camel"):
    dojo_id: UUID
    room_id: UUID
    message: str
    timestamp: Instant


class ExportedDojoInvitation(msgspec.Struct, frozen=True, rename="camel"):
    dojo_id: UUID
    email: str
    role: str
    created_at: Instant
    accepted_at: Instant | None
    revoked_at: Instant | None


class DojosOfPerson(msgspec.Struct, frozen=True, rename="camel"):
    """All of it."""

    dojos: list[ExportedDojo]
    messages: list[ExportedMessage]
    invitations_sent: list[ExportedDojoInvitation]
    invitations_received: list[ExportedDojoInvitation]
    complete: bool


_DOJOS: Final = """
SELECT d.dojo_id, d.name, d.status, p.shown_name, p.role, p.status AS participant_status, p.join_time, p.leave_time
FROM dojo_participants p JOIN dojos d USING (tenant_id, dojo_id)
WHERE p.tenant_id = $1 AND p.user_id = $2 ORDER BY p.join_time DESC, d.dojo_id LIMIT $3
"""
# Rooms they were in, and those they typed or talked in without a stay.
_ROOMS: Final = """
SELECT r.dojo_id, r.room_id, r.name,
       CASE WHEN r.typed_complete IS NOT NULL THEN coalesce(t.typed, 0) END AS typed,
       CASE WHEN r.typed_complete IS NOT NULL THEN coalesce(t.deleted, 0) END AS deleted,
       s.joined_at, s.left_at, coalesce(k.seconds, 0.0) AS talk_seconds
FROM dojo_rooms r
LEFT JOIN dojo_typed t ON t.tenant_id = r.tenant_id AND t.room_id = r.room_id AND t.user_id = $2
LEFT JOIN dojo_voice_talk k ON k.tenant_id = r.tenant_id AND k.room_id = r.room_id AND k.user_id = $2
LEFT JOIN dojo_room_participants s ON s.tenant_id = r.tenant_id AND s.room_id = r.room_id AND s.user_id = $2
WHERE r.tenant_id = $1 AND r.dojo_id = ANY($3) AND coalesce(t.user_id, k.user_id, s.user_id) IS NOT NULL
ORDER BY r.created_at, r.room_id, s.joined_at
"""
_MESSAGES: Final = """
SELECT dojo_id, room_id, message, timestamp FROM dojo_chat_messages
WHERE tenant_id = $1 AND user_id = $2 ORDER BY timestamp DESC, message_id LIMIT $3
"""
_INVITATIONS: Final = (
    "SELECT dojo_id, email, role, created_at, accepted_at, revoked_at FROM dojo_invitations WHERE tenant_id = $1 AND "
)


async def tell_person(db: Any, tenant: UUID, user: UUID, email: str | None) -> DojosOfPerson:
    """What dojos know of `user`, in the transaction of `db`, which speaks for `tenant`."""
    found = await db.fetch(_DOJOS, tenant, user, DOJOS + 1)
    rooms: dict[UUID, dict[UUID, ExportedRoom]] = defaultdict(dict)
    for row in await db.fetch(_ROOMS, tenant, user, [dojo["dojo_id"] for dojo in found[:DOJOS]]):
        room = rooms[row["dojo_id"]].setdefault(
            row["room_id"],
            ExportedRoom(row["room_id"], row["name"], row["typed"], row["deleted"], [], row["talk_seconds"]),
        )
        if row["joined_at"] is not None:
            room.stays.append(ExportedStay(row["joined_at"], row["left_at"]))
    messages = await db.fetch(_MESSAGES, tenant, user, DOJOS + 1)
    sent = await db.fetch(_INVITATIONS + "invited_by = $2 ORDER BY created_at", tenant, user)
    received = await db.fetch(_INVITATIONS + "email = $2 ORDER BY created_at", tenant, email)
    return DojosOfPerson(
        [ExportedDojo(**row, rooms=list(rooms[row["dojo_id"]].values())) for row in found[:DOJOS]],
        [told_of(row, ExportedMessage) for row in messages[:DOJOS]],
        [told_of(row, ExportedDojoInvitation) for row in sent],
        [told_of(row, ExportedDojoInvitation) for row in received],
        len(found) <= DOJOS and len(messages) <= DOJOS,
    )
