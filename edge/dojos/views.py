"""Dojos, rooms and people as the API shows them, made from rows."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from edge.dojos.states import Status
from kernel.http.fields import Instant
from kernel.http.problem import not_found

RoomStatus = Literal["ACTIVE", "FAILED", "FINISHED"]
DojoRole = Literal["HOST", "PARTICIPANT", "OBSERVER"]
Standing = Literal["WAITING", "ADMITTED", "REMOVED", "BANNED"]


class ParticipantView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Somebody of a dojo. `leaveTime` is set while they have given their seat back."""

    user_id: UUID
    user_name: str
    role: DojoRole
    status: Standing
    is_guest: bool
    join_time: Instant
    leave_time: Instant | None
    last_active: Instant


class RoomView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A room: one document, its chat and its roles. `name` says what the challenge is."""

    room_id: UUID
    dojo_id: UUID
    name: str
    sensei_id: UUID | None
    status: RoomStatus
    is_main: bool
    """Made with the dojo; where the live socket leads that names no room."""
    pilot_id: UUID | None
    pilot_name: str | None
    copilot_id: UUID | None
    participant_count: int
    """People in it now."""
    version: int
    created_at: Instant
    ended_at: Instant | None


class DojoView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A dojo. Null `maxParticipants`: no bound but the service's own."""

    dojo_id: UUID
    name: str
    description: str
    language: str
    max_participants: int | None
    scheduled_start_time: Instant | None
    is_private: bool
    initial_code: str
    creator_id: UUID
    tenant_id: UUID
    status: Status
    created_at: Instant
    updated_at: Instant
    started_at: Instant | None
    ended_at: Instant | None
    waiting_room: bool
    allow_guests: bool
    locked: bool
    participant_count: int
    """Seats taken: of people who watch or whose connection is lost too."""
    rooms: list[RoomView]


class CreatedDojo(DojoView, frozen=True, kw_only=True, rename="camel"):
    """A new dojo, and what to share with those who shall join. The code is shown here and never again."""

    join_code: str

    def __repr__(self) -> str:
        return f"CreatedDojo({self.dojo_id})"


class DojoDetail(DojoView, frozen=True, kw_only=True, rename="camel"):
    """A dojo with the people who are in it."""

    participants: list[ParticipantView]


class DojoItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A dojo in a list. `rooms` of active ones only, and only those that are active themselves."""

    dojo_id: UUID
    name: str
    description: str
    language: str
    max_participants: int | None
    scheduled_start_time: Instant | None
    is_private: bool
    creator_id: UUID
    creator_name: str
    tenant_id: UUID
    status: Status
    created_at: Instant
    started_at: Instant | None
    ended_at: Instant | None
    waiting_room: bool
    allow_guests: bool
    locked: bool
    participant_count: int
    rooms: list[RoomView]


ROOMS: Final = (
    "SELECT r.*, s.people, n.shown_name AS pilot_name FROM dojo_rooms r"
    " CROSS JOIN LATERAL (SELECT count(*) AS people FROM dojo_room_participants p"
    "  WHERE p.tenant_id = r.tenant_id AND p.room_id = r.room_id AND p.left_at IS NULL) s"
    " LEFT JOIN dojo_participants n ON n.tenant_id = r.tenant_id AND n.dojo_id = r.dojo_id"
    "  AND n.user_id = (r.turn ->> 'pilot')::uuid"
    " WHERE r.tenant_id = $1"
)
PARTICIPANTS: Final = (
    "SELECT user_id, shown_name, role, status, is_guest, join_time, leave_time, last_active_time FROM dojo_participants"
    " WHERE tenant_id = $1 AND dojo_id = $2"
)
SEATED: Final = (
    "(SELECT count(*) FROM dojo_participants c WHERE c.tenant_id = d.tenant_id AND c.dojo_id = d.dojo_id"
    " AND c.status = 'ADMITTED' AND c.leave_time IS NULL)"
)


async def dojo_view(db: Any, tenant: UUID, dojo: UUID) -> DojoView:
    """The dojo as it is now. Raises `Problem` 404."""
    return DojoView(**await _members(db, tenant, dojo))


async def created_dojo(db: Any, tenant: UUID, dojo: UUID, join_code: str) -> CreatedDojo:
    """The same, with its code."""
    return CreatedDojo(**await _members(db, tenant, dojo), join_code=join_code)


async def dojo_detail(db: Any, tenant: UUID, dojo: UUID) -> DojoDetail:
    """The same, with the people who have a seat."""
    rows = await db.fetch(
        PARTICIPANTS + " AND status = 'ADMITTED' AND leave_time IS NULL ORDER BY join_time, user_id", tenant, dojo
    )
    return DojoDetail(**await _members(db, tenant, dojo), participants=[participant_view(row) for row in rows])


async def rooms_of(db: Any, tenant: UUID, dojo: UUID) -> list[RoomView]:
    """All rooms of a dojo, the first one first."""
    rows = await db.fetch(ROOMS + " AND r.dojo_id = $2 ORDER BY r.created_at, r.room_id", tenant, dojo)
    return [room_view(row) for row in rows]


def participant_view(row: Any) -> ParticipantView:
    return ParticipantView(
        user_id=row["user_id"],
        user_name=row["shown_name"],
        role=row["role"],
        status=row["status"],
        is_guest=row["is_guest"],
        join_time=row["join_time"],
        leave_time=row["leave_time"],
        last_active=row["last_active_time"],
    )


def room_view(row: Any) -> RoomView:
    """Of a row of `ROOMS`."""
    turn = msgspec.json.decode(row["turn"], type=_Turn)
    return RoomView(
        room_id=row["room_id"],
        dojo_id=row["dojo_id"],
        name=row["name"],
        sensei_id=row["sensei_id"],
        status=row["status"],
        is_main=row["is_main"],
        pilot_id=turn.pilot,
        pilot_name=row["pilot_name"],
        copilot_id=turn.copilot,
        participant_count=row["people"],
        version=row["version"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )


class _Turn(msgspec.Struct, frozen=True):
    """What a list shows of the state that `edge.dojos.turns` keeps."""

    pilot: UUID | None = None
    copilot: UUID | None = None


async def _members(db: Any, tenant: UUID, dojo: UUID) -> dict[str, Any]:
    row = await db.fetchrow(
        f"SELECT d.*, {SEATED} AS participant_count FROM dojos d WHERE d.tenant_id = $1 AND d.dojo_id = $2",  # noqa: S608 - a constant
        tenant,
        dojo,
    )
    if row is None:
        raise not_found()
    shown = {name: row[name] for name in DojoView.__struct_fields__ if name not in ("rooms", "status")}
    return {**shown, "status": Status(row["status"]), "rooms": await rooms_of(db, tenant, dojo)}
