"""A POST that is repeated is done once."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from kernel.http.idempotency import HEADER
from kernel.secrets import OVERHEAD_BYTES
from tests.collab_core.live import until
from tests.kernel.http.conftest import Shop, token
from tests.kernel.http.serving import problem

THINGS = "/api/v1/things"
KEY = {HEADER: "5e0f"}


async def post(shop: Shop, name: str = "vase", **headers: str) -> tuple[int, Any, str | None]:
    async with shop.client.post(THINGS, json={"name": name}, headers={**KEY, **headers}) as answer:
        return answer.status, await answer.json(), answer.headers.get("Idempotency-Replayed")


async def test_a_hundred_at_once_have_one_effect(shop: Shop) -> None:
    answers = await asyncio.gather(*(post(shop) for _ in range(100)))
    assert await shop.count() == 1
    done = [answer for answer in answers if answer[0] == 201]
    waiting = [answer for answer in answers if answer[0] == 409]
    assert len(done) + len(waiting) == 100
    assert len({body["thingId"] for _, body, _ in done}) == 1
    assert sum(replayed is None for _, _, replayed in done) == 1
    assert {body["code"] for _, body, _ in waiting} <= {"request_in_progress"}
    assert shop.things.after == ["made vase"]


async def test_a_repetition_is_answered_with_the_same_bytes(shop: Shop) -> None:
    first = await post(shop)
    assert (first[0], first[2]) == (201, None)
    assert await post(shop) == (201, first[1], "true")


async def test_what_is_stored_opens_with_the_master_key_only(shop: Shop) -> None:
    _, body, _ = await post(shop)
    async with shop.pool.acquire() as connection:
        stored = await connection.fetchval("SELECT answer FROM idempotency_keys")
    assert b"vase" not in stored
    assert len(stored) == len(msgspec.json.encode(body)) + OVERHEAD_BYTES


async def test_an_answer_that_does_not_open_is_not_given_and_the_work_not_done_again(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    await post(shop)
    await post(shop, **{HEADER: "another"})
    async with shop.pool.acquire() as connection:  # one row's answer in another's place
        await connection.execute(
            "UPDATE idempotency_keys SET answer = (SELECT answer FROM idempotency_keys WHERE key = 'another')"
            " WHERE key <> 'another'"
        )
    status, body, _ = await post(shop)
    assert (status, body["code"]) == (409, "answer_lost")
    assert await shop.count() == 2
    assert "the stored answer of POST /api/v1/things does not open" in caplog.text
    assert (await post(shop, **{HEADER: "another"}))[2] == "true"


async def test_while_the_first_runs_the_second_is_told_so(shop: Shop) -> None:
    shop.things.gate = asyncio.Event()
    first = asyncio.ensure_future(post(shop))
    await shop.things.entered.wait()
    status, body, _ = await post(shop)
    assert (status, body["code"]) == (409, "request_in_progress")
    shop.things.gate.set()
    assert (await first)[0] == 201
    assert (await post(shop))[2] == "true"


async def test_another_body_under_the_same_key_is_a_422(shop: Shop) -> None:
    await post(shop)
    status, body, _ = await post(shop, "bowl")
    assert (status, body["code"]) == (422, "idempotency_key_reused")
    assert await shop.count() == 1


async def test_a_key_is_ones_own_and_its_routes_own(shop: Shop) -> None:
    await post(shop)
    assert (await post(shop, **token("host")))[2] is None
    assert (await post(shop, **token("other")))[2] is None
    assert await shop.count() == 3
    async with shop.client.post(f"{THINGS}/clear", headers=KEY) as answer:
        assert (answer.status, answer.headers.get("Idempotency-Replayed")) == (204, None)
    assert await shop.count() == 1  # another tenant's
    await post(shop, Authorization="Bearer admin", **{HEADER: "another"})
    async with shop.client.post(f"{THINGS}/clear", headers=KEY) as answer:
        assert (answer.status, answer.headers["Idempotency-Replayed"]) == (204, "true")
        assert await answer.read() == b""
    assert await shop.count() == 2


async def test_a_refusal_is_not_kept(shop: Shop) -> None:
    for _ in range(2):
        async with shop.client.post(THINGS, json={"name": "a", "weight": 999_999}, headers=KEY) as answer:
            assert await problem(answer) == (409, "heavy")
    assert (await post(shop, "light"))[0] == 201


async def test_after_a_day_a_key_is_new(shop: Shop) -> None:
    await post(shop)
    async with shop.pool.acquire() as connection:
        await connection.execute("UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second'")
    status, _, replayed = await post(shop, "bowl")
    assert (status, replayed) == (201, None)
    assert await shop.count() == 2


@pytest.mark.parametrize("key", ["", "a b", "a" * 129, "\u00e9"])
async def test_a_key_that_is_none(shop: Shop, key: str) -> None:
    async with shop.client.post(THINGS, json={"name": "a"}, headers={HEADER: key}) as answer:
        assert await problem(answer) == (400, "invalid_idempotency_key")


async def test_a_first_that_is_cut_off_does_not_block_the_second(shop: Shop) -> None:
    shop.things.gate = asyncio.Event()
    first = asyncio.ensure_future(post(shop))
    await shop.things.entered.wait()
    async with shop.pool.acquire() as connection:  # as when the process or its connection dies
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    shop.things.gate.set()
    await until(first.done)
    assert first.result()[0] in (500, 503)
    assert await shop.count() == 0
    assert (await post(shop))[0] == 201
