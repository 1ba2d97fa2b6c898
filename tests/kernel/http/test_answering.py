"""What every answer carries."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from kernel.http.answering import SECURITY_HEADERS, answering, answering_https
from kernel.http.problem import Problem
from kernel.telemetry import JsonLines, redact
from tests.conftest import Database
from tests.kernel.http.serving import problem, serving

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def page(_request: web.Request) -> web.Response:
    return web.Response(text="hello", headers={"Content-Security-Policy": "default-src 'self'"})


async def odd(_request: web.Request) -> web.Response:
    raise Problem(409, "odd", "half an emoji: \ud83d", seen=1)


async def bug(_request: web.Request) -> web.Response:
    logging.getLogger("test").info("inside")
    raise RuntimeError("secret detail")


def app(middleware: object = answering) -> web.Application:
    made = web.Application(middlewares=[middleware])  # type: ignore[list-item]
    made.router.add_get("/page", page)
    made.router.add_get("/odd", odd)
    made.router.add_get("/bug", bug)
    return made


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with serving(app()) as (_, port), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        yield client


@pytest.mark.parametrize("path", ["/odd", "/bug", "/nothing"])
async def test_what_is_no_page_may_load_nothing(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as answer:
        assert dict(answer.headers) | SECURITY_HEADERS == dict(answer.headers)
        assert "Strict-Transport-Security" not in answer.headers
        await problem(answer)


async def test_a_page_keeps_its_own_policy(client: aiohttp.ClientSession) -> None:
    async with client.get("/page") as answer:
        assert answer.headers["Content-Security-Policy"] == "default-src 'self'"
        assert answer.headers["X-Frame-Options"] == "DENY"


async def test_behind_https_browsers_are_told_to_stay_there() -> None:
    async with (
        serving(app(answering_https)) as (_, port),
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{port}/page") as answer,
    ):
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_a_problem_can_be_said_whatever_it_quotes(client: aiohttp.ClientSession) -> None:
    async with client.get("/odd") as answer:
        assert await problem(answer) == (409, "odd")
        assert (await answer.json())["seen"] == 1


async def test_a_fault_says_nothing_outside_and_everything_in_the_log(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonLines("test"))
    caplog.set_level(logging.INFO)
    async with client.get("/bug", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}) as answer:
        assert await problem(answer) == (500, "internal_error")
        assert "secret" not in await answer.text()
        request_id = answer.headers["X-Request-ID"]
    assert "secret detail" in caplog.text
    assert caplog.text.count(request_id) >= 2
    assert TRACE in caplog.text


async def test_the_log_shows_no_row_that_postgres_quotes(database: Database) -> None:
    connection = await asyncpg.connect(database.dsn("postgres"))
    await connection.execute(
        "CREATE TEMP TABLE people (email text UNIQUE); INSERT INTO people VALUES ('ana@example.com')"
    )
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await connection.execute("INSERT INTO people VALUES ('ana@example.com')")
    await connection.close()
    assert "ana@example.com" in str(caught.value)
    assert "ana@example.com" not in redact(str(caught.value))
    assert "people_email_key" in redact(str(caught.value))
