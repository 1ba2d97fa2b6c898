from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from collab_core.journal.port import Entry
from edge.dojos.activity import presence
from edge.dojos.seed import seed_update
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
