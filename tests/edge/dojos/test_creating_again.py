"""Creating a dojo again under the same idempotency key: who lost the answer on the way gets the same dojo and code."""

from __future__ import annotations

import asyncio

from kernel.http.operation import Role
from tests.edge.dojos.hosting import PATH, Answer, DojoApi, Someone

KEY = {"Idempotency-Key": "a-kata-on-friday"}
REPLAYED = "Idempotency-Replayed"


async def create(dojos: DojoApi, who: Someone, name: str = "Kata") -> Answer:
    body = {"name": name, "language": "python", "isPrivate": False}
    return await dojos.ask("POST", PATH, body, who=who, headers=KEY)


async def test_the_same_key_gives_the_same_dojo_and_a_code_that_lets_people_in(dojos: DojoApi) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    first, second = await create(dojos, ana), await create(dojos, ana)
    assert (first.status, first.headers.get(REPLAYED)) == (201, None)
    assert (second.status, second.headers.get(REPLAYED)) == (201, "true")
    assert second.body == first.body
    joined = await dojos.join(bia, second.body["joinCode"])
    assert (joined.status, joined.body["dojoId"]) == (200, first.body["dojoId"])
    assert await dojos.everything.fetchval("SELECT count(*) FROM dojos") == 1
    assert await dojos.audited(tenant) == ["dojo.created", "dojo.joined"]


async def test_many_at_once_open_one_dojo(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    answers = await asyncio.gather(*(create(dojos, ana) for _ in range(10)))
    assert {answer.status for answer in answers} <= {201, 409}
    assert {answer.code for answer in answers if answer.status == 409} <= {"request_in_progress"}
    assert len({answer.body["joinCode"] for answer in answers if answer.status == 201}) == 1
    assert await dojos.everything.fetchval("SELECT count(*) FROM dojos") == 1


async def test_another_body_is_refused_and_shows_no_code(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    await create(dojos, ana)
    other = await create(dojos, ana, "Another kata")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert "joinCode" not in other.body
    assert await dojos.everything.fetchval("SELECT count(*) FROM dojos") == 1


async def test_somebody_elses_key_is_another_key(dojos: DojoApi) -> None:
    tenant, foreign = await dojos.company(), await dojos.company("Globex")
    people = [await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia", Role.HOST)]
    people.append(await dojos.person(foreign, "Caio"))
    answers = [await create(dojos, who) for who in people]
    assert [(answer.status, answer.headers.get(REPLAYED)) for answer in answers] == [(201, None)] * 3
    assert len({answer.body["dojoId"] for answer in answers}) == 3
    assert len({answer.body["joinCode"] for answer in answers}) == 3


async def test_the_code_lies_readable_nowhere(dojos: DojoApi) -> None:
    ana = await dojos.person(await dojos.company(), "Ana")
    code = (await create(dojos, ana)).body["joinCode"]
    kept = await dojos.everything.fetchval("SELECT answer FROM idempotency_keys")
    assert code.encode() not in kept
    assert code.replace("-", "").encode() not in kept
