"""Bodies that are text of a type of their own, the version they are for, and work outside a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from kernel.buckets import Buckets
from kernel.http.answering import answering
from kernel.http.cors import Cors
from kernel.http.limits import HttpLimits
from kernel.http.openapi import document
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.router import Guard, Router
from tests.kernel.http.conftest import MASTER, ORIGIN, token
from tests.kernel.http.serving import problem, serving
from tests.kernel.http.things import Tokens

NOTES = "/api/v1/notes"
TYPE = "text/vnd.note"


class Notes:
    def __init__(self) -> None:
        self.taken: list[tuple[str, str | None, Any]] = []

    async def put_note(self, call: Call[str, None]) -> web.StreamResponse:
        """Take a note."""
        self.taken.append((call.body, call.if_match, call.db))
        return web.Response(status=201, text=call.body, content_type=TYPE)

    async def patch_note(self, call: Call[str, None]) -> web.StreamResponse:
        """Change a note."""
        self.taken.append((call.body, call.if_match, call.db))
        return web.Response(status=204)

    def operations(self) -> tuple[Operation, ...]:
        text: dict[str, Any] = {
            "access": SIGNED_IN,
            "tag": "notes",
            "body_type": TYPE,
            "body_bytes": 100,
            "apart": True,
        }
        return (
            Operation("POST", NOTES, self.put_note, status=201, media_type=TYPE, **text),
            Operation("PATCH", NOTES, self.patch_note, takes_if_match=True, may_be_empty=True, **text),
        )

    async def not_text(self, _call: Call[None, None]) -> None:
        """Nothing."""


@pytest.fixture
async def notes() -> Notes:
    return Notes()


@pytest.fixture
async def client(notes: Notes, limits: HttpLimits) -> AsyncIterator[aiohttp.ClientSession]:
    app = web.Application(middlewares=[answering])
    Cors([ORIGIN]).add_to(app)
    # Without a database: what is apart asks for none.
    Router(None, Guard(Tokens(), Buckets(None), limits, frozenset({ORIGIN})), MASTER).add(
        notes.operations(), app.router
    )
    async with (
        serving(app) as (_, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=token("admin")) as session,
    ):
        yield session


def typed(text: str | bytes, media_type: str = TYPE, **headers: str) -> dict[str, Any]:
    data = text.encode() if isinstance(text, str) else text
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"data": data, "headers": {"Content-Type": media_type, **named}}


async def test_text_comes_as_it_was_sent(client: aiohttp.ClientSession, notes: Notes) -> None:
    async with client.post(NOTES, **typed("a \N{SNOWMAN}\r\n", If_Match='"one"')) as answer:
        assert (answer.status, answer.content_type) == (201, TYPE)
    async with client.patch(NOTES, **typed("b", f"{TYPE}; charset=utf-8", If_Match='"one"')) as answer:
        assert answer.status == 204
    assert notes.taken == [("a \N{SNOWMAN}\r\n", None, None), ("b", '"one"', None)]


async def test_other_types_long_texts_and_other_bytes_are_refused(client: aiohttp.ClientSession, notes: Notes) -> None:
    async with client.post(NOTES, json={"a": 1}) as answer:
        assert answer.headers["Accept"] == TYPE
        assert await problem(answer) == (415, "unsupported_media_type")
    async with client.post(NOTES, **typed("x" * 101)) as answer:
        assert await problem(answer) == (413, "body_too_large")
    async with client.post(NOTES, **typed(b"\xff\xfe")) as answer:
        assert await problem(answer) == (400, "invalid_body")
    assert notes.taken == []


async def test_options_say_what_may_be_posted_also_to_preflights(client: aiohttp.ClientSession) -> None:
    async with client.options(NOTES) as answer:
        assert (answer.status, answer.headers["Accept-Post"]) == (204, TYPE)
        assert answer.headers["Allow"] == "OPTIONS, PATCH, POST"
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
    async with client.options(NOTES, headers=asked) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Methods"]) == (204, "PATCH, POST")
        assert "If-Match" in answer.headers["Access-Control-Allow-Headers"].split(", ")
        assert answer.headers["Accept-Post"] == TYPE


def test_the_description_says_all_of_it(notes: Notes) -> None:
    described = document(notes.operations(), title="Notes", version="1", description="")["paths"][NOTES]
    assert described["post"]["requestBody"]["content"] == {TYPE: {"schema": {"type": "string"}}}
    assert described["post"]["responses"]["201"]["content"] == {TYPE: {"schema": {"type": "string"}}}
    assert [parameter["name"] for parameter in described["patch"]["parameters"]] == ["If-Match"]
    assert {"200", "204", "415"} <= described["patch"]["responses"].keys()


def test_what_cannot_be_is_refused_at_once(notes: Notes) -> None:
    with pytest.raises(TypeError, match="its body is a str"):
        Operation("POST", NOTES, notes.not_text, access=SIGNED_IN, tag="notes", body_type=TYPE)
    with pytest.raises(TypeError, match="can be apart"):
        Operation("POST", NOTES, notes.put_note, access=SIGNED_IN, tag="notes", apart=True, idempotent=True)
