"""Slow, silent, greedy and confused clients, on real sockets."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest
from aiohttp import web

from kernel.http.answering import SECURITY_HEADERS, answering
from kernel.http.body import BODY_BYTES, json_response, read_body
from kernel.http.server import ConnectionLimits
from tests.collab_core.live import on_each_loop, until
from tests.kernel.http.serving import raw, serving

SHORT = 0.1
"""A time limit in the tests, in seconds."""
LONG = 30.0
"""A time limit that no test waits for."""
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HUGE = 32 * 2**20
"""More than the kernel buffers between two sockets of one machine, in bytes."""


async def ok(_request: web.Request) -> web.Response:
    return json_response({"ok": True})


async def take(request: web.Request) -> web.Response:
    return json_response(len(await read_body(request)))


async def huge(_request: web.Request) -> web.Response:
    return web.Response(body=bytes(HUGE))


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(bytes(2**16))


def app() -> web.Application:
    made = web.Application(middlewares=[answering])
    made.router.add_get("/", ok)
    made.router.add_post("/", take)
    made.router.add_get("/huge", huge)
    made.router.add_get("/drip", drip)
    return made


@on_each_loop
async def test_a_head_that_does_not_come_to_its_end_is_answered_with_408() -> None:
    async with serving(app(), ConnectionLimits(head_seconds=SHORT)) as (_, port), raw(port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        answer = await client.answer()
        assert (answer.status, answer.json()["code"]) == (408, "request_timeout")
        assert answer.headers["connection"] == "close"
        assert {name.lower() for name in SECURITY_HEADERS} <= answer.headers.keys()
        assert await client.ended() == b""


@on_each_loop
async def test_a_head_that_drips_is_given_no_more_time_for_it() -> None:
    async with serving(app(), ConnectionLimits(head_seconds=SHORT)) as (_, port), raw(port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
        answer = asyncio.ensure_future(client.answer())
        while not answer.done():
            await client.send(b"X-A: b\r\n")
            await asyncio.wait([answer], timeout=SHORT / 10)
        assert answer.result().status == 408


@on_each_loop
async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async with serving(app(), ConnectionLimits(head_seconds=SHORT)) as (_, port), raw(port) as client:
        assert await client.ended() == b""


@on_each_loop
async def test_a_kept_connection_may_be_idle_but_not_slow() -> None:
    async with serving(app(), ConnectionLimits(head_seconds=SHORT)) as (server, port), raw(port) as client:
        await client.send(GET)
        assert (await client.answer()).status == 200
        await asyncio.sleep(2 * SHORT)  # that nothing happens in this time is what is tested
        assert server.connections == 1
        await client.send(GET)
        assert (await client.answer()).status == 200
        await client.send(b"GET / HT")
        assert (await client.answer()).status == 408


@on_each_loop
async def test_an_idle_connection_is_closed_in_the_end() -> None:
    async with serving(app(), ConnectionLimits(idle_seconds=SHORT)) as (_, port), raw(port) as client:
        await client.send(GET)
        assert (await client.answer()).status == 200
        assert await client.ended() == b""


@on_each_loop
async def test_a_body_has_its_own_time() -> None:
    async with serving(app(), ConnectionLimits(head_seconds=SHORT)) as (_, port), raw(port) as client:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"
        await client.send(head + b"12")
        await asyncio.sleep(2 * SHORT)  # longer than a head may take
        await client.send(b"34")
        assert (await client.answer()).json() == 4


@pytest.mark.parametrize("path", ["/huge", "/drip"])
@on_each_loop
async def test_an_answer_that_nobody_reads_is_given_up(path: str) -> None:
    async with serving(app(), ConnectionLimits(read_seconds=SHORT)) as (server, port):
        with socket.create_connection(("127.0.0.1", port)) as unread:
            unread.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await until(lambda: server.connections == 1)
            await until(lambda: server.connections == 0)


@on_each_loop
async def test_an_unread_answer_on_a_closing_connection_is_given_up_too() -> None:
    """The application is done with it: only the bytes that are left hold the connection."""
    async with serving(app(), ConnectionLimits(read_seconds=SHORT)) as (server, port):
        with socket.create_connection(("127.0.0.1", port)) as unread:
            unread.sendall(b"GET /huge HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            await until(lambda: server.connections == 1)
            await until(lambda: server.connections == 0)


@on_each_loop
async def test_a_large_answer_that_is_read_arrives_whole() -> None:
    async with serving(app(), ConnectionLimits(read_seconds=LONG)) as (_, port), raw(port) as client:
        await client.send(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len((await client.answer()).body) == HUGE


@on_each_loop
async def test_connections_are_bounded_and_come_free_again() -> None:
    async with serving(app(), ConnectionLimits(connections=2)) as (server, port), raw(port) as one:
        await one.send(GET)
        assert (await one.answer()).status == 200
        async with raw(port) as two:
            await two.send(GET)
            assert (await two.answer()).status == 200
            async with raw(port) as three:
                answer = await three.answer()
                assert (answer.status, answer.json()["code"]) == (503, "too_many_connections")
                assert answer.headers["retry-after"] == "5"
                assert await three.ended() == b""
        await until(lambda: server.connections == 1)
        async with raw(port) as four:
            await four.send(GET)
            assert (await four.answer()).status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /?token=secret" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET /?token=secret HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET /?token=secret HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 200 + b"\r\n",
        b"GET /?token=secret HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00token=secret\r\n\r\n",
        b"GET /?token=secret HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /?token=secret HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["long line", "long field", "many fields", "other version", "tls", "negative length", "two lengths"],
)
@on_each_loop
async def test_what_is_no_request_is_a_problem_and_leaves_no_trace_of_its_address(
    head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(app()) as (_, port), raw(port) as client:
        await client.send(head)
        answer = await client.answer()
        assert answer.status == 400
        assert answer.json()["code"] == "bad_request"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["server"] == "dojo"
        assert b"secret" not in answer.body
        assert await client.ended() == b""
    assert "secret" not in caplog.text


@on_each_loop
async def test_a_head_has_a_size_as_a_whole() -> None:
    async with serving(app(), ConnectionLimits(head_bytes=4096)) as (_, port), raw(port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Filler: " + b"a" * 3000 + b"\r\nX-More: ")
        await client.send(b"a" * 3000)
        answer = await client.answer()
        assert (answer.status, answer.json()["code"]) == (431, "head_too_large")


@on_each_loop
async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving(app()) as (_, port), raw(port) as client:
        await client.send(GET * 20 + b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [(await client.answer()).status for _ in range(21)] == [200] * 20 + [404]


@on_each_loop
async def test_a_refused_body_is_not_read_for_long() -> None:
    limits = ConnectionLimits(linger_seconds=SHORT)
    async with serving(app(), limits) as (_, port), raw(port) as client:
        head = (
            f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {BODY_BYTES + 1}\r\n\r\n"
        )
        await client.send(head.encode())
        answer = await client.answer()
        assert (answer.status, answer.json()["code"]) == (413, "body_too_large")
        assert await client.ended() == b""


@on_each_loop
async def test_stopping_lets_a_request_under_way_end() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        begun.set()
        await go.wait()
        return json_response("done")

    made = app()
    made.router.add_get("/slow", slow)
    async with serving(made) as (server, port), raw(port) as client:
        await client.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await begun.wait()
        stopping = asyncio.ensure_future(server.stop())
        asyncio.get_running_loop().call_later(SHORT, go.set)
        assert (await client.answer()).json() == "done"
        await stopping
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
