"""Who gets into a dojo on a live node that is a process of its own, and who does not."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID, uuid4

import pytest

from tests.dojo.live_dojos.asking import FORBIDDEN, FULL, NOT_FOUND, UNAUTHENTICATED, journaled
from tests.edge.dojos.hosting import PATH, Someone
from tests.edge.live.people import JSON, V1, Class, Message, eventually, names, told

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_all_dialects_meet_in_one_room_that_begins_with_the_initial_code(
    kata: Class, tenant: UUID, ana: Someone, ben: Someone
) -> None:
    dojo = await kata.api.dojo(ana, initialCode="print('hi \U0001f600')\n")
    eve = await kata.api.person(tenant, "Eve Plain")
    plain, host, thin = await asyncio.gather(
        kata.seated(eve, dojo, None), kata.seated(ana, dojo, V1), kata.seated(ben, dojo, JSON)
    )
    for client in (plain, host):
        assert str(client.doc.get("file/main.py", type=type(client._text))) == "print('hi \U0001f600')\n"
    code = await told(thin, "CODE_UPDATE")
    assert (code["file"], code["content"]) == ("main.py", "print('hi \U0001f600')\n")
    full = {"Ana Host": "SENSEI", "Ben Member": "PARTICIPANT", "Eve Plain": "PARTICIPANT"}
    for client in (host, thin):
        await told(client, "PARTICIPANT_LIST", lambda message: names(message) == full)
    assert thin.told[0]["type"] == "CONNECTION_STATUS"
    first = thin.told[0]
    assert (first["status"], first["userId"], first["canWrite"]) == ("CONNECTED", str(ben.user), True)
    assert (first["dojoId"], first["role"]) == (dojo["dojoId"], "PARTICIPANT")


async def test_initial_code_is_there_once_whoever_comes_first_and_however_often(
    kata: Class, ana: Someone, ben: Someone
) -> None:
    dojo = await kata.api.dojo(ana, initialCode="once\n")
    clients = await asyncio.gather(*(kata.seated(who, dojo, V1) for who in (ana, ben) for _ in range(4)))
    for client in clients:
        assert str(client.doc.get("file/main.py", type=type(client._text))) == "once\n"
    assert await journaled(kata, ana) == 1


@pytest.mark.parametrize(("dialect", "which"), [(None, 0), (V1, 0), (JSON, 1)])
async def test_each_refusal_has_its_close_code(kata: Class, ana: Someone, dialect: str | None, which: int) -> None:
    api = kata.api
    dojo = await api.dojo(ana, maxParticipants=2)
    ben, eve = await api.person(ana.tenant, "Ben"), await api.person(ana.tenant, "Eve")
    stranger = await api.person(await api.company("Other"), "Sam")

    async def code(who: Someone | str, of: Message = dojo, **query: str) -> int:
        return int((await kata.refused(who, of, dialect, **query)).code)

    assert await code("forged") == UNAUTHENTICATED[which]
    assert await code(stranger) == NOT_FOUND[which]
    assert await code(ana, {"dojoId": str(uuid4())}) == NOT_FOUND[which]
    assert await code(ana, {"dojoId": "no-id"}) == NOT_FOUND[which]
    assert await code(ana, room=str(uuid4())) == NOT_FOUND[which]
    assert await code(ana, room="no-id") == NOT_FOUND[which]
    private = await api.dojo(ana, isPrivate=True)
    assert await code(ben, private) == NOT_FOUND[which]
    await kata.seated(ana, dojo, V1)
    await kata.seated(ben, dojo, V1, role="OBSERVER")
    assert await code(eve) == FULL[which], "observers count"
    locked = await api.dojo(ana)
    assert (await api.put(f"{PATH}/{locked['dojoId']}/lock", ana)).status < 300
    assert await code(ben, locked) == FORBIDDEN[which]
    assert (await api.put(f"{PATH}/{locked['dojoId']}/end", ana)).status < 300
    assert await code(ana, locked) == NOT_FOUND[which]


async def test_of_two_who_want_the_last_seat_one_gets_it(kata: Class, ana: Someone) -> None:
    dojo = await kata.api.dojo(ana, maxParticipants=2)
    await kata.seated(ana, dojo)
    people = [await kata.api.person(ana.tenant, f"Person {number}") for number in range(6)]
    clients = await asyncio.gather(*(kata.sit(who, dojo) for who in people))
    for client in clients:
        await client.until(lambda client=client: client.closed is not None or client.told)  # type: ignore[misc]
    assert sum(client.closed is None for client in clients) == 1
    assert {client.closed.code for client in clients if client.closed is not None} == {4003}


async def test_a_dojos_room_cannot_be_had_past_its_rules(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana, isPrivate=True)
    host = await kata.seated(ana, dojo)
    room = host.told[0]["roomId"]
    client = await kata.node.enter_with(f"/api/v1/rooms/{room}/sync?token={ben.token}")
    assert (await client.until_closed()).code == 4403
    free = await kata.node.enter_with(f"/api/v1/rooms/{uuid4()}/sync?token={ben.token}")
    await free.sync()


async def test_a_guest_enters_the_dojo_the_token_is_for(kata: Class, ana: Someone) -> None:
    dojo, other = await kata.api.dojo(ana, allowGuests=True), await kata.api.dojo(ana, allowGuests=True)
    answer = await kata.api.guest(dojo["joinCode"], "Gil")
    token = answer.body["token"]
    guest = await kata.seated(token, dojo)
    listed = await told(guest, "PARTICIPANT_LIST")
    assert [person["isGuest"] for person in listed["participants"]] == [True]
    assert (await kata.refused(token, other)).code == 4004


async def test_who_waits_enters_when_the_host_admits_them(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana, waitingRoom=True)
    for dialect in (JSON, None):
        waiting = await kata.sit(ben, dojo, dialect)
        await eventually(lambda: _waits(kata, ben))
        assert waiting.closed is None
        assert waiting.frames == []
    started = time.monotonic()
    assert (await kata.api.put(f"{PATH}/{dojo['dojoId']}/participants/{ben.user}/admit", ana)).status < 300
    await waiting.sync()
    assert time.monotonic() - started < 3.0


async def _waits(kata: Class, who: Someone) -> bool:
    status = await kata.api.everything.fetchval("SELECT status FROM dojo_participants WHERE user_id = $1", who.user)
    return bool(status == "WAITING")
