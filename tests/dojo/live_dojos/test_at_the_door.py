"""Whoever comes before the dojo has begun, or with a guest's ticket."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from edge.live.dojo_gate import KNOCK_SECONDS
from tests.edge.dojos.hosting import PATH, Someone
from tests.edge.live.people import JSON, V1, Class, eventually, told

pytestmark = pytest.mark.asyncio(loop_scope="package")

EARLY = 15
"""People who come too early."""
SOON = timedelta(minutes=5)


async def test_the_hosts_start_lets_all_in_at_once_who_wait(kata: Class, ana: Someone) -> None:
    begins = (datetime.now(UTC) + SOON).isoformat()
    dojo = await kata.api.dojo(ana, scheduledStartTime=begins)
    people = [await kata.api.person(ana.tenant, f"Person {number}") for number in range(EARLY)]
    host = await kata.seated(ana, dojo, V1)
    assert (host.told[1]["dojoName"], host.told[1]["dojoStatus"]) == ("Kata", "SCHEDULED")
    dialects = [JSON, V1, None] * (EARLY // 3)
    waiting = await asyncio.gather(
        *(kata.sit(who, dojo, dialect) for who, dialect in zip(people, dialects, strict=True))
    )

    async def all_have_a_seat() -> bool:
        found = await kata.api.everything.fetchval(
            "SELECT count(*) FROM dojo_participants WHERE tenant_id = $1", ana.tenant
        )
        return bool(found == EARLY + 1)

    await eventually(all_have_a_seat)
    assert all(client.frames == [] and client.closed is None for client in waiting)
    assert (await kata.api.put(f"{PATH}/{dojo['dojoId']}/start", ana)).status < 300
    started = time.monotonic()
    for client in waiting:
        await client.until(lambda client=client: len(client.frames) > 0)  # type: ignore[misc]
        assert client.closed is None
    assert time.monotonic() - started < KNOCK_SECONDS, "it is the bell that they heard"
    await told(host, "CONNECTION_STATUS", lambda message: message["dojoStatus"] == "ACTIVE")
    await told(waiting[0], "CONNECTION_STATUS", lambda message: message["dojoStatus"] == "ACTIVE")


async def test_a_new_name_is_told(kata: Class, ana: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    host = await kata.seated(ana, dojo)
    await kata.api.ask("PATCH", f"{PATH}/{dojo['dojoId']}", {"name": "Bowling"}, who=ana)
    await told(host, "CONNECTION_STATUS", lambda message: message["dojoName"] == "Bowling")


async def test_a_guests_ticket_opens_one_socket_of_its_dojo(kata: Class, ana: Someone) -> None:
    dojo, other = await kata.api.dojo(ana, allowGuests=True), await kata.api.dojo(ana, allowGuests=True)
    token = (await kata.api.guest(dojo["joinCode"], "Gil")).body["token"]

    async def ticket() -> str:
        answer = await kata.api.ask("POST", f"{PATH}/guests/tickets", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status, answer.body["expiresIn"]) == (201, 30)
        return str(answer.body["ticket"])

    async def sit(shown: str, path: str) -> tuple[int, str] | None:
        client = await kata.node.enter_with(f"{path}?ticket={shown}")
        await client.until(lambda: client.closed is not None or len(client.told) > 0)
        return None if client.closed is None else (client.closed.code, client.closed.reason)

    live = f"{PATH}/{dojo['dojoId']}/live"
    once = await ticket()
    assert await sit(once, live) is None
    assert await sit(once, live) == (4401, "token refused: used")
    assert await sit(await ticket(), f"{PATH}/{other['dojoId']}/live") == (4403, "token is for another dojo")
    assert await sit(await ticket(), "/api/v1/rooms/kata/sync") == (4401, "token refused: wrong_type")
    assert await sit(token, live) == (4401, "token refused: wrong_type")
