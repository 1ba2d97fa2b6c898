"""Seats: who may come into a dojo, and that there are never more than it has.

The one way in, for the HTTP API and for the live socket. A seat belongs to a person, not to a connection: observers and
people whose connection was lost keep theirs until they leave. Whoever takes one holds the lock of the dojo's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
RENEW_SECONDS: Final = 15.0
"""How often a live node says who is connected to it. A thousand people are 67 small row changes a second."""
SEEN_SECONDS: Final = 25.0
"""Somebody seen within so long is connected to some node: renewals, late by a look and a slow transaction, come sooner.
And it is less than the grace, so that a node that has lost them does not take its own word for another's."""
LOST_SECONDS: Final = 60.0
"""Somebody whom nobody has seen for so long is gone, and so is the node that should have said it."""

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
_STAYS: Final = (
    "SELECT EXISTS (SELECT FROM dojo_room_participants s JOIN dojo_rooms r USING (tenant_id, room_id)"
    " WHERE s.tenant_id = $1 AND r.dojo_id = $2 AND s.user_id = $3 AND s.left_at IS NULL)"
)
_LOST: Final = (
    "SELECT r.dojo_id, s.room_id, s.user_id FROM dojo_room_participants s JOIN dojo_rooms r USING (tenant_id, room_id)"
    " WHERE s.tenant_id = $1 AND r.dojo_id = ANY($2::uuid[]) AND s.left_at IS NULL"
    " AND s.seen_at < clock_timestamp() - make_interval(secs => $3)"
)
_GONE: Final = (
    "SELECT NOT EXISTS (SELECT FROM dojo_rooms WHERE tenant_id = $1 AND room_id = $2 AND status = 'ACTIVE')"
    " OR EXISTS (SELECT FROM dojo_room_participants"
    "  WHERE tenant_id = $1 AND room_id = $2 AND user_id = $3 AND by_choice AND left_at >= $4)"
)
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


async def leave(db: Any, tenant: UUID, dojo: UUID, user: UUID, *, by_choice: bool = False) -> bool:
    """Give a seat back; whether there was one to give. The host's stays theirs. Who left may come back while there is
    room. `by_choice`: they said so, and what they have open is to be closed."""
    left = await db.fetchval(
        "UPDATE dojo_participants SET leave_time = now(), last_active_time = now()"
        " WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3 AND status = 'ADMITTED' AND leave_time IS NULL"
        " AND role <> 'HOST' RETURNING true",
        tenant,
        dojo,
        user,
    )
    if left:
        await leave_rooms(db, tenant, dojo, user, by_choice=by_choice)
    return bool(left)


async def leave_room(
    db: Any, tenant: UUID, dojo: UUID, room: UUID, user: UUID, *, by_choice: bool = False, unseen: float | None = None
) -> bool:
    """End the stay of `user` in one room; whether there was one. The seat is free if it was the last. `unseen`: only if
    no live node has had them connected for so many seconds."""
    went = await db.fetchval(
        "UPDATE dojo_room_participants SET left_at = clock_timestamp(), by_choice = $4"
        " WHERE tenant_id = $1 AND room_id = $2 AND user_id = $3 AND left_at IS NULL"
        " AND ($5::float8 IS NULL OR seen_at IS NULL OR seen_at < clock_timestamp() - make_interval(secs => $5))"
        " RETURNING true",
        tenant,
        room,
        user,
        by_choice,
        unseen,
    )
    if went and not await db.fetchval(_STAYS, tenant, dojo, user):
        await leave(db, tenant, dojo, user)
    return bool(went)


async def leave_rooms(db: Any, tenant: UUID, dojo: UUID, user: UUID, *, by_choice: bool = False) -> None:
    """End the stays of `user` in all rooms of `dojo`."""
    await db.execute(
        "UPDATE dojo_room_participants s SET left_at = clock_timestamp(), by_choice = $4 FROM dojo_rooms r"
        " WHERE s.tenant_id = $1 AND r.tenant_id = $1 AND r.room_id = s.room_id AND r.dojo_id = $2 AND s.user_id = $3"
        " AND s.left_at IS NULL",
        tenant,
        dojo,
        user,
        by_choice,
    )


async def end_lost(db: Any, tenant: UUID, dojos: Sequence[UUID]) -> int:
    """End the stays of those whom no live node has had connected for `LOST_SECONDS`, a node that died, say; how many
    there were."""
    lost = await db.fetch(_LOST, tenant, dojos, LOST_SECONDS)
    ended = [
        await leave_room(db, tenant, row["dojo_id"], row["room_id"], row["user_id"], unseen=LOST_SECONDS)
        for row in lost
    ]
    return sum(ended)


async def resume(db: Any, tenant: UUID, dojo: UUID, room: UUID, user: UUID, *, since: datetime) -> None:
    """A seat for `user`, who has been connected to the room since `since` and whose stay was ended all the same: a node
    was held up for so long that its people counted as lost.

    Raises `NoSeat`: the seat is another's by now, or they are rightly gone."""
    row = await db.fetchrow(_DOJO, tenant, dojo)
    place = await db.fetchrow(_PLACE, tenant, dojo, user)
    if row is None or Status(row["status"]).over:
        raise NoSeat(Why.OVER)
    if place is None or place["status"] != "ADMITTED" or await db.fetchval(_GONE, tenant, room, user, since):
        raise NoSeat(Why.REMOVED)
    if place["leave_time"] is not None:
        await check_free(db, tenant, dojo, row["max_participants"])
        await db.execute(
            "UPDATE dojo_participants SET leave_time = NULL, last_active_time = now()"
            " WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3",
            tenant,
            dojo,
            user,
        )


async def check_free(db: Any, tenant: UUID, dojo: UUID, most: int | None) -> None:
    """Under the lock of the dojo's row, before a seat is taken. Raises `NoSeat`."""
    bound = min(most or SEATS, SEATS)
    if await taken(db, tenant, dojo) < bound:
        return
    if not await end_lost(db, tenant, [dojo]) or await taken(db, tenant, dojo) >= bound:
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
