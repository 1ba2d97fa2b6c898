"""What Postgres says about rooms that are open here: read at the bell's ring, and every few seconds besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from edge.dojos.states import Status
from edge.live import chat
from edge.live.chat import Said
from edge.live.dojo_shown import DojoShown
from edge.live.place import Standing
from edge.voice.people import muted_by_host

_ROOMS: Final = (
    "SELECT r.room_id, r.status AS room_status, d.dojo_id, d.name, d.status AS dojo_status"
    " FROM dojo_rooms r JOIN dojos d USING (tenant_id, dojo_id) WHERE r.tenant_id = $1 AND r.room_id = ANY($2::uuid[])"
)
_PEOPLE: Final = (
    "SELECT dojo_id, user_id, role FROM dojo_participants"
    " WHERE tenant_id = $1 AND dojo_id = ANY($2::uuid[]) AND user_id = ANY($3::uuid[]) AND status = 'ADMITTED'"
)

_LEFT: Final = (
    "SELECT room_id, user_id, max(left_at) AS left_at FROM dojo_room_participants"
    " WHERE tenant_id = $1 AND room_id = ANY($2::uuid[]) AND user_id = ANY($3::uuid[]) AND by_choice"
    " GROUP BY room_id, user_id"
)
_COMMANDS: Final = (
    "SELECT DISTINCT room_id FROM dojo_room_commands"
    " WHERE tenant_id = $1 AND room_id = ANY($2::uuid[]) AND done_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class News:
    """Of one room."""

    over: bool
    """The room or its dojo has ended, or is no more."""
    dojo: DojoShown | None
    """Unless it is gone."""
    people: Mapping[UUID, Standing]
    """Of those asked about, whoever may be there."""
    left: Mapping[UUID, datetime]
    """Of those asked about, when they said last that they leave."""
    said: Sequence[Said]
    """What was said lately, in the database's order."""
    muted: frozenset[UUID]
    """Of the dojo's people, whom the host has muted."""
    commands: bool
    """HTTP asks something of the node that has the room open."""


async def read(
    db: Any, tenant: UUID, rooms: Sequence[UUID], people: Sequence[UUID], seconds: float
) -> Mapping[UUID, News]:
    """News of all `rooms`, about `people`, and of what was said within the last `seconds`."""
    found = {row["room_id"]: row for row in await db.fetch(_ROOMS, tenant, list(rooms))}
    dojos = list({row["dojo_id"] for row in found.values()})
    standing: dict[UUID, dict[UUID, Standing]] = {dojo: {} for dojo in dojos}
    for row in await db.fetch(_PEOPLE, tenant, dojos, list(people)):
        standing[row["dojo_id"]][row["user_id"]] = Standing(row["role"])
    left: dict[UUID, dict[UUID, datetime]] = {}
    for row in await db.fetch(_LEFT, tenant, list(rooms), list(people)):
        left.setdefault(row["room_id"], {})[row["user_id"]] = row["left_at"]
    muted = await muted_by_host(db, tenant, dojos)
    said: dict[UUID, list[Said]] = {}
    for one in await chat.news(db, tenant, rooms, seconds):
        said.setdefault(one.room, []).append(one)
    asked = {row["room_id"] for row in await db.fetch(_COMMANDS, tenant, list(rooms))}
    return {
        room: News(
            over=(row := found.get(room)) is None or row["room_status"] != "ACTIVE" or Status(row["dojo_status"]).over,
            dojo=None if row is None else DojoShown(row["name"], Status(row["dojo_status"])),
            people={} if row is None else standing[row["dojo_id"]],
            left=left.get(room, {}),
            said=said.get(room, ()),
            muted=frozenset() if row is None else muted[row["dojo_id"]],
            commands=room in asked,
        )
        for room in rooms
    }
