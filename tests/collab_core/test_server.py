"""The live server over real sockets: who gets in, what is refused how, what the shell makes of frames."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time

import psutil
import pytest

from collab_core import connection
from collab_core.closes import CloseCode
from collab_core.limits import KIB, MIB, Limits
from tests.collab_core.client import BINARY, CLOSE, PING, PONG, TEXT, Closed, Frame, masked, varint
from tests.collab_core.live import Live, buffered, live, on_each_loop, on_uvloop, until


@on_each_loop
async def test_two_members_type_and_see_each_other() -> None:
    async with live() as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        await ana.type("hello")
        await ben.until_text("hello")
        await ben.type(" world")
        await ana.until_text("hello world")
        assert server.text() == "hello world"


@on_each_loop
async def test_a_refusal_is_told_by_a_close_after_the_upgrade() -> None:
    async with live() as server:
        started = time.monotonic()
        client = await server.enter(room="closed")
        assert await client.until_closed() == Closed(CloseCode.FORBIDDEN, "nobody may enter here")
        await client.until_hung_up()
        assert time.monotonic() - started < connection.CLOSE_SECONDS, "it waits for no time-out"
        assert server.metrics.closes == {"forbidden": 1}
        await until(lambda: not server.server.connections)


@on_uvloop
async def test_a_door_that_breaks_lets_nobody_in_and_tells_them_to_come_back() -> None:
    async with live() as server:
        client = await server.enter(room="broken")
        assert await client.until_closed() == Closed(CloseCode.ROOM_UNAVAILABLE, "room_unavailable")
        assert server.metrics.closes == {"room_unavailable": 1}
        assert not server.hub.rooms


@on_uvloop
async def test_dojo_v1_is_chosen_when_offered_and_nothing_otherwise() -> None:
    async with live() as server:
        plain, dojo = await server.member("ana"), await server.member("ben", dojo=True)
        assert b"sec-websocket-protocol" not in plain.head.lower()
        assert b"sec-websocket-protocol: dojo.v1" in dojo.head.lower()
        other = await server.client()
        await other.upgrade("/acme/room", subprotocol="graphql-ws, dojo.v1")
        assert b"sec-websocket-protocol: dojo.v1" in other.head.lower()
        unknown = await server.client()
        await unknown.upgrade("/acme/room", subprotocol="graphql-ws")
        assert b"sec-websocket-protocol" not in unknown.head.lower()
        assert plain.told == []
        assert dojo.told[0]["type"] == "joined"


@on_uvloop
async def test_no_extension_is_negotiated() -> None:
    async with live() as server:
        client = await server.client()
        await client.send_raw(
            b"GET /acme/room HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        )
        head = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client.socket, 4096), 5)
        assert b"101" in head.split(b"\r\n")[0]
        assert b"extensions" not in head.lower()


@on_each_loop
async def test_a_get_without_an_upgrade_is_answered_as_http() -> None:
    async with live() as server:
        for path, status, body in (
            (b"/health/live?x=1", b"200 OK", b"well"),
            (b"/other", b"404 Not Found", b"no such path"),
        ):
            client = await server.client()
            await client.send_raw(b"GET " + path + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            answer = await client.everything()
            assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
            assert answer.endswith(b"\r\n\r\n" + body)


@on_each_loop
async def test_request_headers_have_a_bound() -> None:
    async with live() as server:
        client = await server.client()
        await client.send_raw(b"GET / HTTP/1.1\r\nCookie: " + b"x" * 17_000)
        assert (await client.everything()).startswith(b"HTTP/1.1 431 ")


@on_each_loop
async def test_slow_headers_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HANDSHAKE_SECONDS", 0.2)
    async with live() as server:
        silent, slow = await server.client(), await server.client()
        started = time.monotonic()
        await slow.send_raw(b"GET /acme/room HTTP/1.1\r\n")
        for client in (silent, slow):
            with contextlib.suppress(ConnectionResetError):
                assert await client.everything() == b""
        assert 0.15 < time.monotonic() - started < 5.0
        assert not server.server.connections


@on_each_loop
async def test_frames_may_come_with_the_upgrade_in_one_piece() -> None:
    async with live() as server:
        ana = await server.client()
        head = (
            b"GET /acme/room HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await ana.send_raw(head + masked(BINARY, b"\x00\x00\x01\x00") + masked(PING, b"early"))
        await ana.upgraded()
        ana.read()
        await ana.until(lambda: Frame(PONG, b"early") in ana.frames)
        assert len(ana.step2s) == 1


@on_uvloop
async def test_a_text_frame_on_a_plain_connection_is_refused() -> None:
    async with live() as server:
        ana = await server.member()
        await ana.tell({"type": "auth", "token": "t"})
        assert (await ana.until_closed()).code == CloseCode.MALFORMED
        assert server.metrics.closes == {"malformed": 1}


@on_uvloop
async def test_a_text_frame_that_says_nothing_known_is_answered_and_the_connection_goes_on() -> None:
    async with live() as server:
        ana = await server.member(dojo=True)
        for text, code in (
            (b"{", "malformed_json"),
            (b"[" * 100_000, "malformed_json"),
            (b'"\xff"', "malformed_json"),
            (b'{"type":"dance"}', "unknown_type"),
        ):
            await ana.send(text, TEXT)
            await ana.until(lambda: ana.told_of("error"))
            assert ana.told[-1]["code"] == code
            ana.frames.clear()
        await ana.type("still here")
        await ana.until(lambda: server.text() == "still here")


@on_each_loop
async def test_fragments_are_assembled_and_pings_may_come_between_them() -> None:
    async with live() as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        update = ana.edit("in three pieces")
        message = b"\x00\x02" + bytes((len(update),)) + update
        await ana.send_raw(masked(BINARY, message[:3], final=False) + masked(PING, b"between"))
        await ana.until(lambda: Frame(PONG, b"between") in ana.frames)
        await ana.send_raw(masked(0, message[3:9], final=False) + masked(0, message[9:]))
        await ben.until_text("in three pieces")


@on_uvloop
async def test_fragments_over_the_limit_are_refused_before_the_last_of_them() -> None:
    async with live(limits=Limits(message_bytes=4 * KIB)) as server:
        ana = await server.member()
        await ana.send_raw(masked(BINARY, bytes(3 * KIB), final=False) + masked(0, b"", announced=2 * KIB, final=False))
        closed = await ana.until_closed()
        assert closed.code == CloseCode.TOO_LARGE
        assert server.metrics.closes == {"too_large": 1}


@on_each_loop
async def test_a_huge_message_is_refused_on_its_header_and_memory_does_not_grow() -> None:
    async with live() as server:
        ana = await server.member()
        process = psutil.Process()
        before = process.memory_info().rss
        await ana.send_raw(masked(BINARY, b"", announced=100 * MIB))
        sent = 0
        closing = asyncio.get_running_loop().create_task(ana.until_closed())
        while not closing.done() and sent < 100 * MIB:
            await ana.send_raw(bytes(256 * KIB))
            sent += 256 * KIB
        closed = await closing
        assert closed.code == CloseCode.TOO_LARGE
        assert process.memory_info().rss - before < 4 * MIB
        await ana.end()
        await until(lambda: not server.server.connections)


@on_uvloop
async def test_what_follows_a_refused_message_is_never_taken_for_frames() -> None:
    """Its bytes may look like any frame, also like one that would be buffered up to the limit."""
    async with live() as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        seen = server.connection("ana")
        await ana.stop_reading()  # so that it does not answer the close
        await ana.send_raw(masked(BINARY, b"", announced=100 * MIB))
        await until(lambda: server.metrics.closes["too_large"] == 1)
        await ana.send_raw(masked(BINARY, bytes(64 * KIB), announced=900 * KIB))
        await ben.type("fine")
        await ben.until_heard()
        assert buffered(seen) == 0


@on_uvloop
async def test_a_connection_keeps_no_buffer_after_a_large_message() -> None:
    async with live() as server:
        ana = await server.member()
        await ana.type("x" * 900_000)
        await ana.until_heard()
        seen = server.connection()
        assert buffered(seen) == 0
        update = ana.edit("y" * 900_000)
        whole = masked(BINARY, b"\x00\x02" + varint(len(update)) + update)
        await ana.send_raw(whole[: len(whole) // 2])
        await until(lambda: buffered(seen) > 0)
        await ana.send_raw(whole[len(whole) // 2 :])
        await ana.until_heard()
        assert buffered(seen) == 0
        assert len(server.text()) == 1_800_000


@on_uvloop
async def test_broken_framing_is_refused() -> None:
    async with live() as server:
        started = time.monotonic()
        for broken in (
            b"\x82\x00",  # not masked
            b"\xc2\x80\x00\x00\x00\x00",  # a reserved bit
            masked(0x3, b"x"),  # an unknown opcode
            masked(0, b"x"),  # a fragment of nothing
            masked(PING, b"", final=False),
            masked(PING, bytes(126)),
        ):
            client = await server.member()
            await client.send_raw(broken)
            assert (await client.until_closed()).code == CloseCode.MALFORMED
            await client.until_hung_up()
        assert server.metrics.closes == {"malformed": 6}
        assert time.monotonic() - started < connection.CLOSE_SECONDS, "none of them waited for a close frame in vain"


@on_each_loop
async def test_a_client_that_closes_is_answered_and_forgotten() -> None:
    async with live() as server:
        ana = await server.member()
        await ana.send(struct.pack("!H", 1000), CLOSE)
        assert (await ana.until_closed()).code == 1000
        await ana.until_hung_up()
        await until(lambda: not server.server.connections)
        assert not server.room().members
        assert server.metrics.members == 0
        assert not server.metrics.closes


@on_each_loop
async def test_a_client_that_vanishes_is_forgotten() -> None:
    async with live() as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        await ana.end()
        await until(lambda: len(server.server.connections) == 1)
        assert server.metrics.members == 1
        await ben.type("alone")
        await until(lambda: server.text() == "alone")


@on_uvloop
async def test_a_client_that_does_not_answer_a_close_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.1)
    async with live() as server:
        ana = await server.member()
        await ana.stop_reading()
        await ana.tell({"type": "nonsense on a plain connection"})
        await until(lambda: not server.server.connections)
        assert server.metrics.closes == {"malformed": 1}


@on_uvloop
async def test_what_a_closing_connection_sends_is_ignored() -> None:
    async with live() as server:
        ana = await server.member()
        ana.answers = False
        update = ana.edit("too late")
        await ana.send_raw(
            masked(TEXT, b"{}") + masked(BINARY, b"\x00\x02" + varint(len(update)) + update) + masked(CLOSE, b"")
        )
        await ana.until_hung_up()
        assert server.text() == ""
        assert server.metrics.updates == 0


@on_uvloop
async def test_rooms_of_two_tenants_with_the_same_name_are_different() -> None:
    async with live() as server:
        ana, eve = await server.member("ana", tenant="acme"), await server.member("eve", tenant="evil")
        await ana.type("ours")
        await eve.type("theirs")
        await until(lambda: server.room().view.text("t") == "ours")
        await until(lambda: server.room(tenant="evil").view.text("t") == "theirs")
        assert eve.text == "theirs"
        assert ana.text == "ours"
        assert server.metrics.rooms == 2


async def _renewed(server: Live, token: str) -> list[dict[str, object]]:
    ana = await server.member(dojo=True, expires=time.time() + 60)
    await ana.tell({"type": "auth", "token": token})
    await ana.until(lambda: ana.told_of("renewed") or ana.told_of("error"))
    return ana.told_of("renewed") + ana.told_of("error")


@on_uvloop
async def test_a_token_is_renewed_in_band() -> None:
    async with live() as server:
        assert await _renewed(server, "write=1&expires=5000000000") == [
            {"type": "renewed", "expiresAt": 5_000_000_000_000, "canWrite": True}
        ]
        assert await _renewed(server, "forged") == [
            {"type": "error", "code": "token_refused", "message": "token refused"}
        ]


@on_uvloop
async def test_a_renewed_token_brings_its_rights() -> None:
    async with live() as server:
        ana = await server.member(dojo=True)
        await ana.tell({"type": "auth", "token": "write=0&expires=5000000000"})
        await ana.until(lambda: ana.told_of("renewed"))
        await ana.type("no longer")
        await ana.until(lambda: ana.told_of("reset"))
        assert server.text() == ""
