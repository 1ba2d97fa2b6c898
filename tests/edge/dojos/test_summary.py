from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from collab_core.journal.port import Entry
from edge.dojos.activity import presence
from edge.dojos.seed import seed_update
from edge.dojos.turns.commands import Applied, Command, Confirm, Flushed, Joined, Pause, Start
from edge.dojos.turns.store import Order, change
from kernel.database import tenant_scope
from tests.edge.dojos.past_dojo import PastDojo
from tests.edge.dojos.replay.writing import ANA, BOB, NOON_MS
from tests.edge.dojos.test_code import written

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_presence_in_two_rooms_at_once_counts_once() -> None:
    stays = [
        (ANA, at(0), at(10)),
        (ANA, at(5), at(15)),
        (ANA, at(20), at(21)),
        (ANA, at(6), at(7)),
        (BOB, at(3), at(3)),
    ]
    assert presence(stays) == {ANA: 16 * 60.0, BOB: 0.0}


async def test_who_typed_talked_and_piloted(past: PastDojo) -> None:
    seeded = seed_update(UUID(past.room_id), "python", "# begin\n")
    await past.write([Entry(past.ana.user, NOON_MS - 1, seeded)])
    await written(past)
    _, bob = past.writers()
    bob.doc.apply_update(seeded)
    gone = bob.delete(NOON_MS + 5000, 0, 3)
    await past.write([gone])
    await past.post(past.dojo + "/chat", {"roomId": past.room_id, "content": "oi"}, past.bob)
    for number, pilot in enumerate((past.ana, past.bob, past.bob)):
        await past.api.everything.execute(
            "INSERT INTO dojo_turns (tenant_id, room_id, turn_number, pilot_id, copilot_id, started_at, ended_at)"
            " VALUES ($1, $2, $3, $4, $5, now(), now() + interval '5 minutes')",
            past.ana.tenant,
            past.room_id,
            number,
            pilot.user,
            past.ana.user,
        )
    await past.api.everything.execute(
        "INSERT INTO dojo_room_participants (tenant_id, room_id, user_id, joined_at, left_at)"
        " VALUES ($1, $2, $3, now() - interval '2 minutes', now() - interval '1 minute')",
        past.ana.tenant,
        past.room_id,
        past.bob.user,
    )
    summary = (await past.get(past.dojo + "/summary", past.bob)).body
    people = {person["userName"]: person for person in summary["people"]}
    assert {name: (person["typed"], person["deleted"]) for name, person in people.items()} == {
        "Ana Souza": (8, 0),
        "Bob Lima": (2, 3),
    }
    assert (people["Bob Lima"]["messages"], people["Bob Lima"]["piloted"]) == (1, 600.0)
    assert (people["Ana Souza"]["piloted"], people["Ana Souza"]["copiloted"]) == (300.0, 900.0)
    assert people["Bob Lima"]["present"] == 60.0
    (room,) = summary["rooms"]
    assert (room["typed"], room["deleted"], room["messages"], room["turns"]) == (10, 3, 1, 3)
    assert room["complete"]


async def test_counts_follow_what_is_added(past: PastDojo) -> None:
    ana, _ = past.writers()
    await past.write([ana.type(NOON_MS, 0, "abc")])
    assert (await past.get(past.dojo + "/summary")).body["rooms"][0]["typed"] == 3
    await past.write([ana.type(NOON_MS, 0, "de")])
    assert (await past.get(past.dojo + "/summary")).body["rooms"][0]["typed"] == 5
    assert (await past.get(past.dojo + "/summary", past.eve)).status == 404


async def command(past: PastDojo, *orders: Command) -> None:
    async with tenant_scope(past.api.pool, past.ana.tenant) as db:
        for order in orders:
            done = await change(db, past.ana.tenant, UUID(past.room_id), [Order(order)])
            assert isinstance(done.answers[0], Applied), done.answers


async def later(past: PastDojo, seconds: int) -> None:
    """Whatever the turn's state holds happened so much earlier."""
    await past.api.everything.execute(
        "UPDATE dojo_rooms SET version = version + 1, turn = (SELECT jsonb_object_agg(key, CASE"
        " WHEN key IN ('started_at', 'paused_since') THEN to_jsonb((value #>> '{}')::timestamptz - $1::interval)"
        " ELSE value END) FROM jsonb_each(turn))",
        timedelta(seconds=seconds),
    )


async def piloted(past: PastDojo) -> dict[str, int]:
    people = (await past.get(past.dojo + "/summary")).body["people"]
    return {person["userName"]: int(person["piloted"] // 10 * 10) for person in people}


@pytest.mark.parametrize("how", ["/end", "/end?outcome=FAILED", "room"])
async def test_the_turn_under_way_counts_without_its_pauses_also_when_the_room_ends(past: PastDojo, how: str) -> None:
    await command(past, Joined(past.bob.user, "n1", True), Start(600), Flushed("n1", 0), Confirm(past.bob.user, 1))
    await later(past, 100)
    assert await piloted(past) == {"Ana Souza": 0, "Bob Lima": 100}
    assert (await past.get(past.dojo + "/summary")).body["rooms"][0]["turns"] == 1
    await command(past, Pause())
    await later(past, 1000)
    assert await piloted(past) == {"Ana Souza": 0, "Bob Lima": 100}
    path = past.room + "/complete" if how == "room" else past.dojo + how
    assert (await past.api.put(path, past.ana)).status == 200
    assert await piloted(past) == {"Ana Souza": 0, "Bob Lima": 100}
    rows = await past.api.everything.fetch("SELECT pilot_id, extract(epoch FROM paused)::int FROM dojo_turns")
    assert [tuple(row) for row in rows] == [(past.bob.user, 1000)]
