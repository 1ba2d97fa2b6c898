"""Who may talk, as Postgres says: seats, numbers, what the host has said."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from edge.dojos.refusals import over
from edge.dojos.states import Status
from edge.dojos.turns.state import decode
from edge.voice.rights import Rights, rights_of
from edge.voice.sfu import Person
from kernel.http.problem import Problem, not_found
from kernel.tokens.voice_grant import LARGEST_NUMBER

_PLACE: Final = (
    "SELECT d.status AS dojo_status, d.is_private, p.role, p.status, p.leave_time, t.status = 'ACTIVE' AS in_use"
    " FROM dojos d JOIN tenants t USING (tenant_id)"
    " LEFT JOIN dojo_participants p ON p.tenant_id = $1 AND p.dojo_id = $2 AND p.user_id = $3"
    " WHERE d.tenant_id = $1 AND d.dojo_id = $2"
)
_ROOM: Final = (
    "SELECT r.room_id, r.status FROM dojo_rooms r WHERE r.tenant_id = $1 AND r.dojo_id = $2"
    " AND (r.room_id = $3 OR ($3::uuid IS NULL AND r.is_main)) ORDER BY r.created_at LIMIT 1"
)
_KNOWN: Final = "SELECT number, room_id FROM dojo_voice_people WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3"
# Under the lock of the dojo's row, which is taken once in a person's time in a dojo: numbers go up by one.
_LOCK: Final = "SELECT FROM dojos WHERE tenant_id = $1 AND dojo_id = $2 FOR NO KEY UPDATE"
_NUMBER: Final = (
    "INSERT INTO dojo_voice_people (tenant_id, dojo_id, user_id, number, room_id)"
    " SELECT $1, $2, $3, coalesce(max(number), 0) + 1, $4 FROM dojo_voice_people WHERE tenant_id = $1 AND dojo_id = $2"
    " ON CONFLICT (tenant_id, dojo_id, user_id) DO NOTHING"
)
_CAME: Final = (
    "UPDATE dojo_voice_people SET muted = false"
    " WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3 RETURNING number, room_id"
)
_MUTED: Final = (
    "SELECT dojo_id, user_id FROM dojo_voice_people"
    " WHERE tenant_id = $1 AND dojo_id = ANY($2::uuid[]) AND muted_by_host"
)
_MOVED: Final = "UPDATE dojo_voice_people SET room_id = $4 WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3"
# In: has a seat in a dojo under way, and did not leave this room. Whoever never was in it (a client without a live
# socket) may talk in it as long as they have the seat.
_RIGHTS: Final = """
SELECT v.user_id, v.number, v.muted OR v.muted_by_host AS muted, p.role, r.turn::text AS turn, r.sensei_id,
       coalesce(x.green_only, false) AS green_only, x.green, coalesce(
           d.status = 'ACTIVE' AND r.status = 'ACTIVE' AND t.status = 'ACTIVE'
           AND p.status = 'ADMITTED' AND p.leave_time IS NULL
           AND (p.is_guest OR EXISTS (
               SELECT FROM users u WHERE u.tenant_id = $1 AND u.user_id = v.user_id AND u.status = 'ACTIVE'))
           AND (SELECT coalesce(bool_or(s.left_at IS NULL), true) FROM dojo_room_participants s
                WHERE s.tenant_id = $1 AND s.room_id = $2 AND s.user_id = v.user_id), false) AS may_be_in
FROM dojo_rooms r
JOIN tenants t USING (tenant_id)
JOIN dojos d USING (tenant_id, dojo_id)
JOIN dojo_voice_people v USING (tenant_id, dojo_id)
LEFT JOIN dojo_participants p ON p.tenant_id = $1 AND p.dojo_id = d.dojo_id AND p.user_id = v.user_id
LEFT JOIN dojo_voice_rooms x ON x.tenant_id = $1 AND x.room_id = $2
WHERE r.tenant_id = $1 AND r.room_id = $2 AND v.user_id = ANY($3::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Somebody's say in a room's voice."""

    number: int
    rights: Rights | None
    """None: they may not be in it."""


async def check_seat(db: Any, tenant: UUID, dojo: UUID, user: UUID) -> None:
    """Whether `user` has a seat in a dojo under way. Raises `Problem`: 404 also if they may not know of it."""
    row = await db.fetchrow(_PLACE, tenant, dojo, user)
    if row is None or row["status"] == "BANNED" or (row["status"] is None and row["is_private"]):
        raise not_found()
    status = Status(row["dojo_status"])
    if status.over or not row["in_use"]:
        raise over()
    if row["status"] != "ADMITTED" or row["leave_time"] is not None:
        raise Problem(403, "not_participant", "take a seat in the dojo first; while you wait nobody hears you")
    if status is not Status.ACTIVE:
        raise Problem(409, "not_started", "this dojo has not started")


async def find_room(db: Any, tenant: UUID, dojo: UUID, room: UUID | None) -> UUID:
    """A room of the dojo that is open, the first one if none is named. Raises `Problem`."""
    row = await db.fetchrow(_ROOM, tenant, dojo, room)
    if row is None:
        raise not_found()
    if row["status"] != "ACTIVE":
        raise Problem(409, "room_over", "this room is closed")
    found: UUID = row["room_id"]
    return found


async def known(db: Any, tenant: UUID, dojo: UUID, user: UUID) -> Person | None:
    """Somebody who has talked in the dojo, in the room where they did last."""
    row = await db.fetchrow(_KNOWN, tenant, dojo, user)
    return None if row is None else Person(tenant, dojo, row["room_id"], user, row["number"])


async def come(db: Any, tenant: UUID, dojo: UUID, room: UUID, user: UUID) -> Person:
    """`user` wants to connect to the voice of `room`; they have a number from then on. Who they are, and where they
    were last."""
    row = await db.fetchrow(_CAME, tenant, dojo, user)
    if row is None:
        await db.execute(_LOCK, tenant, dojo)
        await db.execute(_NUMBER, tenant, dojo, user, room)
        row = await db.fetchrow(_CAME, tenant, dojo, user)
    assert 1 <= row["number"] <= LARGEST_NUMBER
    return Person(tenant, dojo, row["room_id"], user, row["number"])


async def move(db: Any, person: Person, room: UUID) -> None:
    """They talk in `room` now."""
    await db.execute(_MOVED, person.tenant, person.dojo, person.user, room)


async def muted_by_host(db: Any, tenant: UUID, dojos: Collection[UUID]) -> Mapping[UUID, frozenset[UUID]]:
    """Whom the host has muted, connected or not, in each of `dojos`."""
    found: dict[UUID, set[UUID]] = {dojo: set() for dojo in dojos}
    for row in await db.fetch(_MUTED, tenant, list(dojos)):
        found[row["dojo_id"]].add(row["user_id"])
    return {dojo: frozenset(users) for dojo, users in found.items()}


async def standings(db: Any, tenant: UUID, room: UUID, users: Sequence[UUID]) -> Mapping[UUID, Standing]:
    """Of `users` in the voice of `room`. Whoever is not in it must not be there."""
    return {
        row["user_id"]: Standing(
            row["number"],
            rights_of(
                row["user_id"],
                observes=row["role"] == "OBSERVER",
                muted=row["muted"],
                turn=decode(row["turn"], row["sensei_id"]),
                green_only=row["green_only"],
                green=row["green"],
            )
            if row["may_be_in"]
            else None,
        )
        for row in await db.fetch(_RIGHTS, tenant, room, list(users))
    }


async def rights(db: Any, person: Person) -> Rights:
    """What they may do where they are. Raises `Problem` 403: not be there."""
    standing = (await standings(db, person.tenant, person.room, [person.user])).get(person.user)
    if standing is None or standing.rights is None:
        raise Problem(403, "not_participant", "you are not in this room")
    return standing.rights
