"""Dojos that nobody looks after, ended by workers on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from edge.dojos.lapsing import end_lapsed
from tests.conftest import Database
from tests.edge.dojos.hosting import PATH, DojoApi, Someone
from tests.edge.dojos.past_dojo import PastDojo
from tests.edge.dojos.test_code import written

NO_SHOW, IDLE = timedelta(hours=24), timedelta(hours=48)


@pytest.fixture
async def workers(database: Database) -> AsyncIterator[list[asyncpg.Connection]]:
    connections = [await asyncpg.connect(database.dsn("dojo_worker")) for _ in range(2)]
    yield connections
    for connection in connections:
        await connection.close()


async def passed(workers: list[asyncpg.Connection]) -> None:
    """A pass of each worker, at the same time."""
    await asyncio.gather(*(end_lapsed(worker, no_show=NO_SHOW, idle=IDLE) for worker in workers))


async def earlier(dojos: DojoApi, hours: float) -> None:
    """Everything happened so much earlier."""
    for table, columns in (
        ("dojos", ("scheduled_start_time", "started_at")),
        ("dojo_room_participants", ("joined_at", "left_at")),
        ("dojo_chat_messages", ("timestamp",)),
        ("collab_journal", ("committed_at",)),
    ):
        changes = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
        await dojos.everything.execute(f"UPDATE {table} SET {changes}", timedelta(hours=hours))


async def status(dojos: DojoApi, who: Someone, dojo: str) -> dict[str, Any]:
    return dict((await dojos.get(f"{PATH}/{dojo}", who)).body)


async def test_a_dojo_whose_host_never_came_has_failed(dojos: DojoApi, workers: list[asyncpg.Connection]) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    starts = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = await dojos.dojo(ana, scheduledStartTime=starts)
    await dojos.ask("POST", f"{PATH}/{made['dojoId']}/invitations", {"email": "bia@example.com"}, who=ana)
    await earlier(dojos, 1 + 23.9)
    await passed(workers)
    assert (await status(dojos, ana, made["dojoId"]))["status"] == "SCHEDULED"
    await earlier(dojos, 0.2)
    await passed(workers)
    seen = await status(dojos, ana, made["dojoId"])
    assert (seen["status"], seen["startedAt"], seen["endedAt"] is None) == ("FAILED", None, False)
    (room,) = (await dojos.get(f"{PATH}/{made['dojoId']}/rooms", ana)).body["items"]
    assert room["status"] == "FAILED"
    assert await dojos.everything.fetchval("SELECT count(*) FROM dojo_invitations WHERE revoked_at IS NULL") == 0
    assert await dojos.everything.fetchval("SELECT count(*) FROM dojo_code_snapshots") == 0
    entries = await dojos.everything.fetch(
        "SELECT actor_id, target_id::text, details::text FROM audit_log WHERE action = 'dojo.failed'"
    )
    assert [tuple(entry) for entry in entries] == [(None, made["dojoId"], '{"reason": "no_show"}')]
    await passed(workers)
    assert (await dojos.audited(ana.tenant)).count("dojo.failed") == 1


async def test_an_active_dojo_that_everybody_has_left_is_completed(
    past: PastDojo, workers: list[asyncpg.Connection]
) -> None:
    await written(past)
    room = f"{past.dojo}/rooms/{past.room_id}"
    for what in ("join", "leave"):
        assert (await past.api.put(f"{room}/{what}", past.bob)).status == 200
    await earlier(past.api, 47.9)
    await passed(workers)
    assert (await past.get(past.dojo)).body["status"] == "ACTIVE"
    await earlier(past.api, 0.2)
    await passed(workers)
    seen = (await past.get(past.dojo)).body
    assert seen["status"] == "COMPLETED"
    (snapshot,) = (await past.get(f"{room}/snapshots")).body["items"]
    assert (snapshot["reason"], snapshot["userId"]) == ("END", None)
    code = (await past.get(f"{room}/snapshots/{snapshot['snapshotId']}")).body["code"]
    assert code == {"main.py": "print(é1)", "z.py": "x"}
    await passed(workers)
    assert (await past.api.audited(past.ana.tenant)).count("dojo.completed") == 1


@pytest.mark.parametrize("sign", ["chat", "edit", "leave"])
async def test_any_sign_of_life_keeps_it(past: PastDojo, workers: list[asyncpg.Connection], sign: str) -> None:
    room = f"{past.dojo}/rooms/{past.room_id}"
    await past.api.put(f"{room}/join", past.bob)
    if sign != "leave":
        await past.api.put(f"{room}/leave", past.bob)
    await earlier(past.api, 100)
    match sign:
        case "chat":
            await past.post(past.dojo + "/chat", {"roomId": past.room_id, "content": "oi"})
        case "edit":
            await written(past)
        case _:
            await past.api.put(f"{room}/leave", past.bob)
    await passed(workers)
    assert (await past.get(past.dojo)).body["status"] == "ACTIVE"


async def test_a_stay_that_nobody_ended_keeps_it_for_a_week(past: PastDojo, workers: list[asyncpg.Connection]) -> None:
    await past.api.put(f"{past.dojo}/rooms/{past.room_id}/join", past.bob)
    await earlier(past.api, 6.9 * 24)
    await passed(workers)
    assert (await past.get(past.dojo)).body["status"] == "ACTIVE"
    await earlier(past.api, 0.2 * 24)
    await passed(workers)
    assert (await past.get(past.dojo)).body["status"] == "COMPLETED"
    open_stays = "SELECT count(*) FROM dojo_room_participants WHERE left_at IS NULL"
    assert await past.api.everything.fetchval(open_stays) == 0
