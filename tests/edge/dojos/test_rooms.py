from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from edge.dojos import rooms
from tests.edge.dojos.hosting import PATH, DojoApi


async def test_rooms_side_by_side_each_with_its_sensei(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana)
    path = f"{PATH}/{made['dojoId']}/rooms"
    absent = await dojos.ask("POST", path, {"name": "Pair 1", "senseiId": str(bia.user)}, who=ana)
    assert (absent.status, absent.code) == (409, "not_in_dojo")
    await dojos.join(bia, made["joinCode"])
    key = {"Idempotency-Key": "pair-1"}
    body = {"name": "Pair 1", "senseiId": str(bia.user)}
    side = await dojos.ask("POST", path, body, who=ana, headers=key)
    assert side.status == 201
    assert (side.body["senseiId"], side.body["isMain"]) == (str(bia.user), False)
    assert (await dojos.ask("POST", path, body, who=ana, headers=key)).body == side.body
    listed = (await dojos.get(path, bia)).body["items"]
    assert [room["roomId"] for room in listed] == [made["rooms"][0]["roomId"], side.body["roomId"]]
    one = f"{path}/{side.body['roomId']}"
    assert (await dojos.put(one + "/join", bia)).body["participantCount"] == 1
    assert (await dojos.put(one + "/join", bia)).body["participantCount"] == 1
    assert (await dojos.put(one + "/leave", bia)).body["participantCount"] == 0
    assert (await dojos.put(one + "/leave", bia)).status == 200
    stays = await dojos.everything.fetch("SELECT joined_at, left_at FROM dojo_room_participants")
    assert [row["joined_at"] < row["left_at"] for row in stays] == [True]


async def test_who_looks_after_a_room_closes_it(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia, caio = [await dojos.person(tenant, name) for name in ("Ana", "Bia", "Caio")]
    made = await dojos.dojo(ana)
    for who in (bia, caio):
        await dojos.join(who, made["joinCode"])
    path = f"{PATH}/{made['dojoId']}/rooms"
    side = (await dojos.ask("POST", path, {"name": "Pair", "senseiId": str(bia.user)}, who=ana)).body
    one = f"{path}/{side['roomId']}"
    await dojos.put(one + "/join", caio)
    refused = await dojos.put(one + "/complete", caio)
    assert (refused.status, refused.code) == (403, "not_sensei")
    closed = (await dojos.put(one + "/complete?outcome=FAILED", bia)).body
    assert (closed["status"], closed["participantCount"]) == ("FAILED", 0)
    assert (await dojos.put(one + "/complete?outcome=FAILED", ana)).body == closed
    assert (await dojos.put(one + "/complete", ana)).code == "room_over"
    assert (await dojos.put(one + "/join", caio)).code == "room_over"
    active = (await dojos.get(path + "?status=ACTIVE", ana)).body["items"]
    assert [room["isMain"] for room in active] == [True]


async def test_a_room_of_another_dojo_is_not_found(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    first, second = await dojos.dojo(ana), await dojos.dojo(ana)
    for room in (second["rooms"][0]["roomId"], str(uuid4())):
        path = f"{PATH}/{first['dojoId']}/rooms/{room}"
        for method, what in (("GET", ""), ("PUT", "/join"), ("PUT", "/leave"), ("PUT", "/complete")):
            assert (await dojos.ask(method, path + what, who=ana)).code == "not_found"


async def test_rooms_are_limited(dojos: DojoApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "ROOMS_OF_A_DOJO", 3)
    ana = await dojos.person(await dojos.company(), "Ana")
    path = f"{PATH}/{(await dojos.dojo(ana))['dojoId']}/rooms"
    answers = await asyncio.gather(*(dojos.ask("POST", path, {"name": "Side"}, who=ana) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [201, 201, 409, 409, 409]


async def test_who_pilots_is_in_the_list(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana)
    await dojos.join(bia, made["joinCode"])
    await dojos.everything.execute(
        "UPDATE dojo_rooms SET turn = jsonb_build_object('pilot', $1::text, 'copilot', $2::text)",
        str(bia.user),
        str(ana.user),
    )
    (item,) = (await dojos.get(f"{PATH}?status=ACTIVE", ana)).body["items"]
    (room,) = item["rooms"]
    assert (room["pilotId"], room["pilotName"], room["copilotId"]) == (str(bia.user), "Bia", str(ana.user))
    assert item["participantCount"] == 2
