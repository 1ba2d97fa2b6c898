"""What a dojo came to: who typed, talked, piloted and was there for how long."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from edge.dojos import access, talk_time, typed_totals
from edge.dojos.activity import Typed, count_typed, presence
from edge.dojos.replay.rows import kept
from edge.dojos.replay.stream import people_of
from edge.dojos.turns.pauses import paused
from edge.dojos.turns.state import decode
from kernel.http.fields import Instant
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.problem import busy

AT_ONCE: Final = 2
"""Summaries of one process that are counted at the same time."""
REMEMBERED: Final = 500
"""Rooms whose counts are kept in memory, for as long as nothing was added to them."""


class PersonSummary(msgspec.Struct, frozen=True, rename="camel"):
    """What one person did. Characters are UTF-16 code units; times in seconds."""

    user_id: UUID
    user_name: str
    is_guest: bool
    typed: int
    deleted: int
    messages: int
    piloted: float
    copiloted: float
    present: float
    talk_seconds: float = 0.0
    """How long they could be heard to speak."""


class RoomSummary(msgspec.Struct, frozen=True, rename="camel"):
    """What happened in one room. `duration` is in seconds; `complete` is false if a part of what was typed is not kept
    any more."""

    room_id: UUID
    name: str
    turns: int
    duration: float
    typed: int
    deleted: int
    messages: int
    complete: bool


class Summary(msgspec.Struct, frozen=True, rename="camel"):
    """A dojo, looked back on. `duration` is in seconds, up to now while it is under way."""

    dojo_id: UUID
    started_at: Instant | None
    ended_at: Instant | None
    duration: float
    people: list[PersonSummary]
    rooms: list[RoomSummary]


class Piloted(NamedTuple):
    """A turn, without its pauses."""

    room: UUID
    pilot: UUID
    copilot: UUID | None
    seconds: float


_TURNS: Final = """
SELECT t.room_id, t.pilot_id, t.copilot_id, extract(epoch FROM t.ended_at - t.started_at - t.paused)::float8
FROM dojo_turns t JOIN dojo_rooms r USING (tenant_id, room_id) WHERE t.tenant_id = $1 AND r.dojo_id = $2
"""


class Summaries:
    """`GET /api/v1/dojos/{dojoId}/summary`."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[UUID, UUID], tuple[int, Typed]] = OrderedDict()
        self._counting = 0

    def operations(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "GET",
                "/api/v1/dojos/{dojoId}/summary",
                self.get_summary,
                access=SIGNED_IN,
                tag="dojos",
                problems={"summary_busy": 503},
                cost=10.0,
            ),
        )

    async def get_summary(self, call: Call[None, None]) -> Summary:
        """Who typed, talked, piloted and was there for how long.

        What was typed counts for whoever typed it, what was deleted for whoever deleted it; a restored snapshot counts
        for who restored it. The turn under way counts up to now; pauses and breaks do not count.
        """
        dojo = await access.seen(call)
        db, tenant, dojo_id = call.db, call.caller.tenant, dojo["dojo_id"]
        now: datetime = await db.fetchval("SELECT clock_timestamp()")
        rooms = await db.fetch(
            "SELECT room_id, name, created_at, ended_at, turn::text, sensei_id FROM dojo_rooms"
            " WHERE tenant_id = $1 AND dojo_id = $2 ORDER BY created_at, room_id",
            tenant,
            dojo_id,
        )
        typed = await typed_totals.kept(db, tenant, [row["room_id"] for row in rooms])
        for row in rooms:
            if row["room_id"] not in typed:
                typed[row["room_id"]] = await self._typed(db, tenant, row["room_id"])
        said = await db.fetch(
            "SELECT room_id, user_id, count(*) AS n FROM dojo_chat_messages WHERE tenant_id = $1 AND dojo_id = $2"
            " GROUP BY room_id, user_id",
            tenant,
            dojo_id,
        )
        turns = [Piloted(*row) for row in await db.fetch(_TURNS, tenant, dojo_id)]
        turns += [turn for row in rooms if (turn := _under_way(row, now)) is not None]
        stays = await db.fetch(
            "SELECT s.user_id, s.joined_at, s.left_at FROM dojo_room_participants s"
            " JOIN dojo_rooms r USING (tenant_id, room_id) WHERE s.tenant_id = $1 AND r.dojo_id = $2",
            tenant,
            dojo_id,
        )
        end = dojo["ended_at"] or now
        talked = await talk_time.of_dojo(db, tenant, dojo_id)
        present = presence((row["user_id"], row["joined_at"], row["left_at"] or end) for row in stays)
        return Summary(
            dojo_id,
            dojo["started_at"],
            dojo["ended_at"],
            (end - dojo["started_at"]).total_seconds() if dojo["started_at"] is not None else 0.0,
            [
                PersonSummary(
                    person.user_id,
                    person.user_name,
                    person.is_guest,
                    sum(each.typed[person.user_id] for each in typed.values()),
                    sum(each.deleted[person.user_id] for each in typed.values()),
                    sum(row["n"] for row in said if row["user_id"] == person.user_id),
                    sum(turn.seconds for turn in turns if turn.pilot == person.user_id),
                    sum(turn.seconds for turn in turns if turn.copilot == person.user_id),
                    present.get(person.user_id, 0.0),
                    talked.get(person.user_id, 0.0),
                )
                for person in await people_of(db, tenant, dojo_id)
            ],
            [
                RoomSummary(
                    row["room_id"],
                    row["name"],
                    sum(turn.room == row["room_id"] for turn in turns),
                    ((row["ended_at"] or end) - row["created_at"]).total_seconds(),
                    typed[row["room_id"]].typed.total(),
                    typed[row["room_id"]].deleted.total(),
                    sum(each["n"] for each in said if each["room_id"] == row["room_id"]),
                    typed[row["room_id"]].complete,
                )
                for row in rooms
            ],
        )

    async def _typed(self, db: Any, tenant: UUID, room: UUID) -> Typed:
        """Counted once for as long as nothing is added to the room."""
        written = (await kept(db, tenant, room)).written
        known = self._known.get((tenant, room))
        if known is not None and known[0] == written:
            self._known.move_to_end((tenant, room))
            return known[1]
        if self._counting >= AT_ONCE:
            raise busy("summary_busy", "other summaries are being counted; try again in a few seconds", seconds=3)
        self._counting += 1
        try:
            typed = await count_typed(db, tenant, room)
        finally:
            self._counting -= 1
        self._known[tenant, room] = (written, typed)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return typed


def _under_way(room: Any, now: datetime) -> Piloted | None:
    """The turn that nobody has ended yet, of a row of rooms."""
    state = decode(room["turn"], room["sensei_id"])
    if room["ended_at"] is not None or state.pilot is None or state.started_at is None:
        return None
    length = max(now - state.started_at, timedelta()) - paused(state, now)
    return Piloted(room["room_id"], state.pilot, state.copilot, length.total_seconds())
