from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from edge.dojos import lifecycle
from kernel.http.operation import Role
from tests.edge.dojos.hosting import PATH, DojoApi


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def test_a_dojo_is_open_at_once_with_a_room_and_its_host(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana = await dojos.person(tenant, "Ana Souza")
    body = {
        "name": "  Bowling   kata ",
        "description": "Strikes\nand spares 🎳",
        "language": "python",
        "maxParticipants": 20,
        "isPrivate": True,
        "initialCode": "def score():\n    pass\n",
    }
    answer = await dojos.ask("POST", PATH, body, who=ana)
    assert answer.status == 201
    made = answer.body
    assert {key: made[key] for key in body if key != "name"} == {key: body[key] for key in body if key != "name"}
    assert made["name"] == "Bowling kata"
    assert (made["creatorId"], made["tenantId"]) == (str(ana.user), str(tenant))
    assert (made["status"], made["participantCount"]) == ("ACTIVE", 1)
    assert made["startedAt"] == made["createdAt"] == made["scheduledStartTime"]
    (room,) = made["rooms"]
    assert (room["isMain"], room["senseiId"], room["status"]) == (True, str(ana.user), "ACTIVE")
    seen = (await dojos.get(f"{PATH}/{made['dojoId']}", ana)).body
    assert "joinCode" not in seen
    assert [(person["userName"], person["role"]) for person in seen["participants"]] == [("Ana Souza", "HOST")]
    assert await dojos.audited(tenant) == ["dojo.created"]


async def test_the_join_code_is_nowhere_in_the_database(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    code = (await dojos.dojo(ana))["joinCode"]
    assert len(code) == 11
    for row in await dojos.everything.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    ):
        for text in (code, code.replace("-", "")):
            assert not await dojos.everything.fetchval(
                f"SELECT EXISTS (SELECT FROM {row[0]} t WHERE strpos(t::text, $1) > 0)", text
            ), row[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": " \u2003 "},
        {"name": "two\nlines"},
        {"name": "zero\0"},
        {"name": "x" * 101},
        {"language": ""},
        {"maxParticipants": 0},
        {"maxParticipants": 1001},
        {"maxParticipants": "many"},
        {"scheduledStartTime": "tomorrow"},
        {"scheduledStartTime": "2026-01-01T00:00:00"},
        {"initialCode": "a\0b"},
        {"initialCode": "x" * 100_001},
        {"isPrivate": "yes"},
        {"surprise": 1},
    ],
)
async def test_what_is_wrong_with_a_new_dojo_is_said(dojos: DojoApi, wrong: dict[str, Any]) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    answer = await dojos.ask("POST", PATH, {"name": "Kata", "language": "python", **wrong}, who=ana)
    assert answer.status == 400
    assert answer.code in ("invalid_body", "invalid_name")
    assert await dojos.everything.fetchval("SELECT count(*) FROM dojos") == 0


async def test_four_byte_characters_and_the_longest_code_are_fine(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    code = "😀" * lifecycle.CODE_CHARACTERS
    assert (await dojos.dojo(ana, name="😀", initialCode=code))["initialCode"] == code


async def test_a_guest_of_the_company_opens_none(dojos: DojoApi) -> None:
    gil = await dojos.person(await dojos.company(), "Gil", Role.GUEST)
    answer = await dojos.ask("POST", PATH, {"name": "Kata", "language": "python"}, who=gil)
    assert (answer.status, answer.code) == (403, "forbidden")


async def test_open_dojos_of_one_person_are_limited(dojos: DojoApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "OPEN_DOJOS", 2)
    ana = await dojos.person(await dojos.company(), "Ana")
    first = await dojos.dojo(ana)
    await dojos.dojo(ana)
    answer = await dojos.ask("POST", PATH, {"name": "Kata", "language": "python"}, who=ana)
    assert (answer.status, answer.code) == (409, "too_many_dojos")
    await dojos.put(f"{PATH}/{first['dojoId']}/end", ana)
    await dojos.dojo(ana)


async def test_a_scheduled_dojo_is_started_and_ended(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana = await dojos.person(tenant, "Ana")
    made = await dojos.dojo(ana, scheduledStartTime=in_an_hour())
    assert (made["status"], made["startedAt"]) == ("SCHEDULED", None)
    path = f"{PATH}/{made['dojoId']}"
    started = (await dojos.put(path + "/start", ana)).body
    assert started["status"] == "ACTIVE"
    assert (await dojos.put(path + "/start", ana)).body["startedAt"] == started["startedAt"]
    cancelled = await dojos.put(path + "/cancel", ana)
    assert (cancelled.status, cancelled.code) == (409, "not_possible")
    await dojos.put(f"{path}/rooms/{made['rooms'][0]['roomId']}/join", ana)
    ended = (await dojos.put(path + "/end", ana)).body
    assert (ended["status"], ended["rooms"][0]["status"], ended["rooms"][0]["participantCount"]) == (
        "COMPLETED",
        "FINISHED",
        0,
    )
    assert (await dojos.put(path + "/end", ana)).body["endedAt"] == ended["endedAt"]
    kept = await dojos.everything.fetch("SELECT reason, user_id FROM dojo_code_snapshots")
    assert [tuple(row) for row in kept] == [("END", None)]
    again = await dojos.put(path + "/start", ana)
    assert (again.status, again.code) == (409, "not_possible")
    assert await dojos.audited(tenant) == ["dojo.created", "dojo.started", "dojo.completed"]


async def test_a_dojo_fails_or_is_cancelled(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    failing, later = await dojos.dojo(ana), await dojos.dojo(ana, scheduledStartTime=in_an_hour())
    failed = (await dojos.put(f"{PATH}/{failing['dojoId']}/end?outcome=FAILED", ana)).body
    assert (failed["status"], failed["rooms"][0]["status"]) == ("FAILED", "FAILED")
    early = await dojos.put(f"{PATH}/{later['dojoId']}/end", ana)
    assert (early.status, early.code) == (409, "not_possible")
    assert (await dojos.put(f"{PATH}/{later['dojoId']}/cancel", ana)).body["status"] == "CANCELLED"
    assert (await dojos.put(f"{PATH}/{failing['dojoId']}/end?outcome=LOST", ana)).status == 400


async def test_a_dojo_is_changed_before_and_after_its_start(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    made = await dojos.dojo(ana, scheduledStartTime=in_an_hour(), maxParticipants=5)
    path = f"{PATH}/{made['dojoId']}"
    change = {"name": "Other", "initialCode": "x = 1\n", "scheduledStartTime": in_an_hour(), "maxParticipants": None}
    changed = await dojos.ask("PATCH", path, change, who=ana)
    assert changed.status == 200
    assert (changed.body["name"], changed.body["initialCode"]) == ("Other", "x = 1\n")
    assert changed.body["maxParticipants"] is None
    assert changed.body["language"] == "python"
    await dojos.put(path + "/start", ana)
    late = await dojos.ask("PATCH", path, {"initialCode": "y = 2\n"}, who=ana)
    assert (late.status, late.code) == (409, "already_started")
    assert (await dojos.ask("PATCH", path, {"allowGuests": True}, who=ana)).body["allowGuests"] is True
    await dojos.put(path + "/end", ana)
    over = await dojos.ask("PATCH", path, {"name": "Late"}, who=ana)
    assert (over.status, over.code) == (409, "dojo_over")


@pytest.mark.parametrize(
    ("method", "what"),
    [
        ("PATCH", ""),
        ("PUT", "/start"),
        ("PUT", "/end"),
        ("PUT", "/cancel"),
        ("PUT", "/lock"),
        ("PUT", "/unlock"),
        ("POST", "/join-code"),
        ("POST", "/rooms"),
        ("POST", "/invitations"),
        ("GET", "/invitations"),
    ],
)
async def test_only_host_and_administrators_run_it(dojos: DojoApi, method: str, what: str) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia", Role.HOST)
    body = {"/rooms": {"name": "Side"}, "/invitations": {"email": "x@example.com"}, "": {"name": "Mine"}}.get(what)
    for private, expected in ((False, (403, "not_host")), (True, (404, "not_found"))):
        made = await dojos.dojo(ana, isPrivate=private)
        answer = await dojos.ask(method, f"{PATH}/{made['dojoId']}{what}", body, who=bia)
        assert (answer.status, answer.code) == expected


async def test_an_administrator_runs_private_ones_too(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, boss = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Boss", Role.ADMIN)
    made = await dojos.dojo(ana, isPrivate=True)
    assert (await dojos.put(f"{PATH}/{made['dojoId']}/end", boss)).body["status"] == "COMPLETED"


async def test_unknown_foreign_and_private_dojos_are_alike(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    stranger = await dojos.person(await dojos.company("Globex"), "Sue", Role.ADMIN)
    private, public = await dojos.dojo(ana, isPrivate=True), await dojos.dojo(ana)
    unknown = await dojos.get(f"{PATH}/{uuid4()}", bia)
    assert (unknown.status, unknown.code) == (404, "not_found")
    for made, who in ((private, bia), (private, stranger), (public, stranger)):
        answer = await dojos.get(f"{PATH}/{made['dojoId']}", who)
        assert (answer.status, answer.body) == (404, unknown.body)
        code = await dojos.put(f"{PATH}/{made['dojoId']}/rooms/{made['rooms'][0]['roomId']}/join", who)
        assert (code.status, code.body) == (404, unknown.body)


async def test_two_ends_at_once_are_one(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana = await dojos.person(tenant, "Ana")
    made = await dojos.dojo(ana)
    path = f"{PATH}/{made['dojoId']}/end"
    answers = await asyncio.gather(*(dojos.put(f"{path}?outcome={how}", ana) for how in ("COMPLETED", "FAILED") * 3))
    assert sorted(answer.status for answer in answers) == [200] * 3 + [409] * 3
    assert len(await dojos.audited(tenant)) == 2
