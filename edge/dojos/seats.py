"""Seats: who may come into a dojo, and that there are never more than it has.

The one way in, for the HTTP API and for the live socket. A seat belongs to a person, not to a connection: observers and
people whose connection was lost keep theirs until they leave. Whoever takes one holds the lock of the dojo's row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal
from uuid import UUID

from edge.dojos import access, names
from edge.dojos.states import Status
from kernel.http.operation import Role

SEATS: Final = 1_000
"""Of a dojo that names no bound, and the most that one can name."""
WAITING: Final = 200
"""People in a waiting room: a host reads that list."""

RoleName = Literal["HOST", "PARTICIPANT", "OBSERVER"]


class Why(StrEnum):
    """Why somebody gets no seat."""

    UNKNOWN = "unknown"
    """There is no such dojo, or none that this person may know of."""
    OVER = "over"
    """It has ended or was cancelled."""
    BANNED = "banned"
    REMOVED = "removed"
    """Was sent out; a join code or an invitation lets them in again."""
    LOCKED = "locked"
    FULL = "full"


class NoSeat(Exception):
    """Somebody gets no seat."""

    def __init__(self, why: Why) -> None:
        super().__init__(f"no seat: {why.value}")
        self.why = why


class Way(StrEnum):
    """What somebody comes in by."""

    ITSELF = "itself"
    """Nothing but who they are."""
    CODE = "code"
    INVITATION = "invitation"
    """It passes the waiting room, but no lock."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who comes: somebody of the tenant, or a guest, who has no `tenant_role`."""

    user: UUID
    name: str
    tenant_role: Role | None
    observes: bool = False
    """Wants to watch only. Guests of the tenant never do anything else."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Somebody's place in a dojo. While `waiting` it is none yet."""

    dojo: UUID
    user: UUID
    shown_name: str
    role: RoleName
    waiting: bool
    is_guest: bool
    status: Status
    """Of the dojo: SCHEDULED or ACTIVE."""


_DOJO: Final = (
    "SELECT d.tenant_id, d.dojo_id, d.status, d.creator_id, d.is_private, d.max_participants, d.waiting_room, d.locked"
    " FROM dojos d WHERE d.tenant_id = $1 AND d.dojo_id = $2 FOR NO KEY UPDATE"
)
_PLACE: Final = (
    "SELECT p.shown_name, p.role, p.status, p.is_guest, p.leave_time, d.status AS dojo_status"
    " FROM dojo_participants p JOIN dojos d USING (tenant_id, dojo_id)"
    " WHERE p.tenant_id = $1 AND p.dojo_id = $2 AND p.user_id = $3"
)
_IN_USE: Final = "SELECT status = 'ACTIVE' FROM tenants WHERE tenant_id = $1"
_TAKEN: Final = (
    "SELECT count(*) FROM dojo_participants"
    " WHERE tenant_id = $1 AND dojo_id = $2 AND status = 'ADMITTED' AND leave_time IS NULL"
)


async def take(db: Any, tenant: UUID, dojo: UUID, who: Newcomer, way: Way = Way.ITSELF) -> Seat:
    """A seat for `who`, in the transaction of `db`, which speaks for `tenant`; who has one keeps it.

    Raises `NoSeat`.
    """
    if who.tenant_role is None and not await db.fetchval(_IN_USE, tenant):
        # Revocations are remembered for minutes, and a guest's token lives for hours.
        raise NoSeat(Why.OVER)
    place = await db.fetchrow(_PLACE, tenant, dojo, who.user)
    if place is not None and place["status"] == "ADMITTED" and place["leave_time"] is None:
        # Without the lock: after a lost network two hundred come back at once.
        return _seat(dojo, who.user, place)
    row = await db.fetchrow(_DOJO, tenant, dojo)
    if row is None:
        raise NoSeat(Why.UNKNOWN)
    place = await db.fetchrow(_PLACE, tenant, dojo, who.user)  # under the lock: what it says stays so
    admitted = await _admitted(db, row, place, who, way)
    if Status(row["status"]).over:
        raise NoSeat(Why.OVER)
    if admitted:
        await check_free(db, tenant, dojo, row["max_participants"])
    elif place is None or place["status"] != "WAITING":
        await _check_waiting_room(db, tenant, dojo)
    shown = await _name(db, tenant, dojo, who, place)
    written = await db.fetchrow(
        "INSERT INTO dojo_participants (tenant_id, dojo_id, user_id, is_guest, shown_name, name_key, role, status)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text)"
        " ON CONFLICT (tenant_id, dojo_id, user_id) DO UPDATE SET shown_name = $5, name_key = $6, status = $8::text,"
        " role = CASE WHEN dojo_participants.role = 'HOST' OR dojo_participants.status IN ('WAITING', 'ADMITTED')"
        "  THEN dojo_participants.role ELSE $7 END, leave_time = NULL,"
        " join_time = CASE WHEN dojo_participants.status = $8::text THEN dojo_participants.join_time ELSE now() END,"
        " last_active_time = now()"
        " RETURNING shown_name, role, status, is_guest, leave_time",
        tenant,
        dojo,
        who.user,
        who.tenant_role is None,
        shown,
        names.key(shown),
        "OBSERVER" if who.observes or who.tenant_role is Role.GUEST else "PARTICIPANT",
        "ADMITTED" if admitted else "WAITING",
    )
    return _seat(dojo, who.user, {**dict(written), "dojo_status": row["status"]})


async def leave(db: Any, tenant: UUID, dojo: UUID, user: UUID) -> bool:
    """Give a seat back; whether there was one to give. The host's stays theirs. Who left may come back while there is
    room."""
    left = await db.fetchval(
        "UPDATE dojo_participants SET leave_time = now(), last_active_time = now()"
        " WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3 AND status = 'ADMITTED' AND leave_time IS NULL"
        " AND role <> 'HOST' RETURNING true",
        tenant,
        dojo,
        user,
    )
    if left:
        await leave_rooms(db, tenant, dojo, user)
    return bool(left)


async def leave_rooms(db: Any, tenant: UUID, dojo: UUID, user: UUID) -> None:
    """End the stays of `user` in all rooms of `dojo`."""
    await db.execute(
        "UPDATE dojo_room_participants s SET left_at = now() FROM dojo_rooms r"
        " WHERE s.tenant_id = $1 AND r.tenant_id = $1 AND r.room_id = s.room_id AND r.dojo_id = $2 AND s.user_id = $3"
        " AND s.left_at IS NULL",
        tenant,
        dojo,
        user,
    )


async def check_free(db: Any, tenant: UUID, dojo: UUID, most: int | None) -> None:
    """Under the lock of the dojo's row, before a seat is taken. Raises `NoSeat`."""
    if await taken(db, tenant, dojo) >= min(most or SEATS, SEATS):
        raise NoSeat(Why.FULL)


async def taken(db: Any, tenant: UUID, dojo: UUID) -> int:
    """Seats that are taken."""
    return int(await db.fetchval(_TAKEN, tenant, dojo))


async def _admitted(db: Any, row: Any, place: Any, who: Newcomer, way: Way) -> bool:
    """Whether `who` comes in at once, or only as far as the waiting room. Raises `NoSeat`."""
    manages = who.user == row["creator_id"] or who.tenant_role is Role.ADMIN
    status = place["status"] if place is not None else None
    if status == "BANNED":
        raise NoSeat(Why.BANNED)
    if status == "ADMITTED" or manages:
        return True
    itself = way is Way.ITSELF and who.tenant_role is not None
    if itself and await access.invited(db, row["tenant_id"], row["dojo_id"], who.user):
        way = Way.INVITATION
    if way is Way.ITSELF:
        if status == "REMOVED":
            raise NoSeat(Why.REMOVED)
        if status is None and (row["is_private"] or who.tenant_role is None):
            raise NoSeat(Why.UNKNOWN)
    if row["locked"]:
        raise NoSeat(Why.LOCKED)
    return way is Way.INVITATION or not row["waiting_room"]


async def _check_waiting_room(db: Any, tenant: UUID, dojo: UUID) -> None:
    waiting = await db.fetchval(
        "SELECT count(*) FROM dojo_participants WHERE tenant_id = $1 AND dojo_id = $2 AND status = 'WAITING'",
        tenant,
        dojo,
    )
    if waiting >= WAITING:
        raise NoSeat(Why.FULL)


async def _name(db: Any, tenant: UUID, dojo: UUID, who: Newcomer, place: Any) -> str:
    """What `who` is shown as. A guest makes way for a member of the same name."""
    if who.tenant_role is None:
        if place is not None:
            return str(place["shown_name"])
        rows = await db.fetch(
            "SELECT name_key FROM dojo_participants WHERE tenant_id = $1 AND dojo_id = $2", tenant, dojo
        )
        return names.apart(who.name, {row["name_key"] for row in rows})
    shown = names.member_name(who.name)
    rows = await db.fetch(
        "SELECT user_id, shown_name, name_key, is_guest FROM dojo_participants WHERE tenant_id = $1 AND dojo_id = $2"
        " AND EXISTS (SELECT FROM dojo_participants g WHERE g.tenant_id = $1 AND g.dojo_id = $2 AND g.is_guest"
        " AND g.name_key = $3)",
        tenant,
        dojo,
        names.key(shown),
    )
    keys = {row["name_key"] for row in rows} | {names.key(shown)}
    for row in rows:
        if row["is_guest"] and row["name_key"] == names.key(shown):
            other = names.apart(row["shown_name"], keys)
            keys.add(names.key(other))
            await db.execute(
                "UPDATE dojo_participants SET shown_name = $4, name_key = $5"
                " WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3",
                tenant,
                dojo,
                row["user_id"],
                other,
                names.key(other),
            )
    return shown


def _seat(dojo: UUID, user: UUID, row: Any) -> Seat:
    status = Status(row["dojo_status"])
    if status.over:
        raise NoSeat(Why.OVER)
    return Seat(dojo, user, row["shown_name"], row["role"], row["status"] == "WAITING", row["is_guest"], status)
