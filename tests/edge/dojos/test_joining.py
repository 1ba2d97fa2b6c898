from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from kernel.http.operation import Role
from tests.edge.dojos.hosting import PATH, DojoApi


async def test_a_code_opens_a_private_dojo_however_it_is_typed(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana, isPrivate=True)
    answer = await dojos.join(bia, " " + made["joinCode"].replace("-", " ").lower())
    assert answer.status == 200
    assert answer.body == {
        "dojoId": made["dojoId"],
        "userId": str(bia.user),
        "userName": "Bia",
        "role": "PARTICIPANT",
        "status": "ADMITTED",
        "dojoStatus": "ACTIVE",
        "rooms": [made["rooms"][0]["roomId"]],
        "liveUrl": "ws://127.0.0.1:0",
        "iceServers": [],
    }
    assert (await dojos.get(f"{PATH}/{made['dojoId']}", bia)).status == 200
    assert (await dojos.join(bia, made["joinCode"])).body == answer.body
    assert set(await dojos.people(made["dojoId"], bia)) == {"Ana", "Bia"}


async def test_every_code_that_opens_nothing_is_answered_alike(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    stranger = await dojos.person(await dojos.company("Globex"), "Sue")
    ended, locked, banning, rotated, theirs = [await dojos.dojo(ana) for _ in range(4)] + [await dojos.dojo(stranger)]
    await dojos.put(f"{PATH}/{ended['dojoId']}/end", ana)
    await dojos.put(f"{PATH}/{locked['dojoId']}/lock", ana)
    await dojos.join(bia, banning["joinCode"])
    await dojos.put(f"{PATH}/{banning['dojoId']}/participants/{bia.user}/ban", ana)
    fresh = await dojos.ask("POST", f"{PATH}/{rotated['dojoId']}/join-code", who=ana)
    unknown = await dojos.join(bia, "00000-00000")
    assert (unknown.status, unknown.code) == (404, "invalid_join_code")
    for code in ("nonsense", *(made["joinCode"] for made in (ended, locked, banning, rotated, theirs))):
        for answer in (await dojos.join(bia, code), await dojos.guest(code)):
            assert (answer.status, answer.body) == (404, unknown.body)
    assert (await dojos.join(bia, fresh.body["joinCode"])).status == 200
    assert (await dojos.join(ana, locked["joinCode"])).status == 200


async def test_ten_tries_a_minute_from_one_address(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    made = await dojos.dojo(ana)
    tries = [await dojos.guest("00000-00000", network="192.0.2.7") for _ in range(5)]
    for _ in range(5):
        answer = await dojos.ask("POST", PATH + "/join", {"joinCode": "00000"}, who=ana, network="192.0.2.7")
        tries.append(answer)
    assert [answer.status for answer in tries] == [404] * 10
    late = await dojos.ask("POST", PATH + "/join", {"joinCode": made["joinCode"]}, who=ana, network="192.0.2.7")
    assert (late.status, late.code) == (429, "too_many_requests")
    assert 0 < int(late.headers["Retry-After"]) <= 6
    assert (await dojos.join(ana, made["joinCode"])).status == 200


@pytest.mark.parametrize("body", [{}, {"joinCode": 1}, {"joinCode": ""}, {"joinCode": "x" * 41}, {"joinCode": None}])
async def test_what_is_no_code_at_all_is_a_bad_request(dojos: DojoApi, body: object) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    answer = await dojos.ask("POST", PATH + "/join", body, who=ana)
    assert (answer.status, answer.code) == (400, "invalid_body")


async def test_the_last_seat_is_taken_once(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    people = [await dojos.person(tenant, f"P{number}") for number in range(8)]
    made = await dojos.dojo(people[0], maxParticipants=3, allowGuests=True)
    room = f"{PATH}/{made['dojoId']}/rooms/{made['rooms'][0]['roomId']}/join"
    answers = await asyncio.gather(
        *(dojos.join(who, made["joinCode"], role="OBSERVER") for who in people[1:4]),
        *(dojos.put(room, who) for who in people[4:]),
        *(dojos.guest(made["joinCode"], f"G{number}") for number in range(3)),
    )
    refused = [answer for answer in answers if answer.status >= 400]
    assert len(answers) - len(refused) == 2
    assert {(answer.status, answer.code) for answer in refused} == {(409, "dojo_full")}
    assert len(await dojos.people(made["dojoId"], people[0])) == 3


async def test_who_has_a_seat_keeps_it_and_who_leaves_gives_it_back(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia, caio = [await dojos.person(tenant, name) for name in ("Ana", "Bia", "Caio")]
    made = await dojos.dojo(ana, maxParticipants=2)
    path, code = f"{PATH}/{made['dojoId']}", made["joinCode"]
    await dojos.join(bia, code)
    assert (await dojos.join(bia, code)).status == 200
    assert (await dojos.join(caio, code)).code == "dojo_full"
    assert (await dojos.delete(f"{path}/participants/{bia.user}", bia)).status == 204
    assert (await dojos.delete(f"{path}/participants/{bia.user}", bia)).status == 204
    assert (await dojos.join(caio, code)).status == 200
    assert (await dojos.join(bia, code)).code == "dojo_full"
    await dojos.delete(f"{path}/participants/{caio.user}", caio)
    await dojos.put(path + "/lock", ana)
    assert (await dojos.join(bia, code)).status == 200, "who left is not new"


async def test_a_scheduled_dojo_can_be_joined_and_an_observer_stays_one(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    gil = await dojos.person(tenant, "Gil", Role.GUEST)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = await dojos.dojo(ana, scheduledStartTime=later)
    joined = (await dojos.join(bia, made["joinCode"], role="OBSERVER")).body
    assert (joined["role"], joined["dojoStatus"]) == ("OBSERVER", "SCHEDULED")
    assert (await dojos.join(bia, made["joinCode"])).body["role"] == "OBSERVER"
    assert (await dojos.join(gil, made["joinCode"])).body["role"] == "OBSERVER"
    assert (await dojos.join(ana, made["joinCode"], role="OBSERVER")).body["role"] == "HOST"


async def test_the_waiting_room(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia, caio = [await dojos.person(tenant, name) for name in ("Ana", "Bia", "Caio")]
    made = await dojos.dojo(ana, waitingRoom=True, maxParticipants=2)
    path = f"{PATH}/{made['dojoId']}"
    assert (await dojos.join(bia, made["joinCode"])).body["status"] == "WAITING"
    entered = await dojos.put(f"{path}/rooms/{made['rooms'][0]['roomId']}/join", caio)
    assert (entered.status, entered.body["participantStatus"]) == (200, "WAITING")
    assert entered.body["participantCount"] == 0
    assert set(await dojos.people(made["dojoId"], bia)) == {"Ana"}
    assert set(await dojos.people(made["dojoId"], ana, "WAITING")) == {"Bia", "Caio"}
    hidden = await dojos.get(f"{path}/participants?status=WAITING", bia)
    assert (hidden.status, hidden.code) == (403, "not_host")
    assert (await dojos.put(f"{path}/participants/{bia.user}/admit", bia)).code == "not_host"
    assert (await dojos.put(f"{path}/participants/{bia.user}/admit", ana)).body["status"] == "ADMITTED"
    full = await dojos.put(f"{path}/participants/{caio.user}/admit", ana)
    assert (full.status, full.code) == (409, "dojo_full")
    assert (await dojos.join(bia, made["joinCode"])).body["status"] == "ADMITTED"
    assert {"dojo.joined", "dojo.participant_admitted"} <= set(await dojos.audited(tenant))


async def test_rotating_ends_the_old_code_and_a_dojo_that_is_over_has_none(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    made = await dojos.dojo(ana)
    path = f"{PATH}/{made['dojoId']}/join-code"
    first, second = [(await dojos.ask("POST", path, who=ana)).body["joinCode"] for _ in range(2)]
    assert len({made["joinCode"], first, second}) == 3
    assert (await dojos.join(ana, first)).status == 404
    await dojos.put(f"{PATH}/{made['dojoId']}/end", ana)
    assert (await dojos.ask("POST", path, who=ana)).code == "dojo_over"
