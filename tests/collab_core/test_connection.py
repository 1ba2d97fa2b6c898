"""The shell between one socket and its room: writing directly, ending, and what both ends may do meanwhile."""

from __future__ import annotations

import socket
import struct

import pytest

from collab_core import connection
from collab_core.closes import CloseCode
from collab_core.limits import KIB, Limits
from collab_core.wire import frames
from tests.collab_core.client import CLOSE, PING, PONG, Client, Frame, big_text, masked
from tests.collab_core.live import live, on_each_loop, on_uvloop, until

SMALL = Limits(outbox_bytes=16 * KIB)


@on_each_loop
async def test_what_the_socket_does_not_take_follows_in_order() -> None:
    async with live(limits=SMALL) as server:
        ana = await server.member("ana", receive_buffer=4 * KIB)
        await ana.until_heard()
        await ana.stop_reading()
        outgoing = server.connection()
        sent = [bytes((number,)) * size for number, size in enumerate((100, 300 * KIB, 7, 50 * KIB, 1))]
        for payload in sent:
            outgoing.write(frames.encode(frames.PONG if len(payload) < 126 else frames.TEXT, payload))
        assert outgoing.unsent > 200 * KIB
        outgoing.close(CloseCode.STUCK, "in order, the close comes last")
        ana.frames.clear()
        ana.read()
        assert (await ana.until_closed()).reason == "in order, the close comes last"
        assert [frame.payload for frame in ana.frames[:-1]] == sent


@on_uvloop
async def test_a_ping_is_answered_with_its_payload() -> None:
    async with live() as server:
        ana = await server.member("ana")
        for payload in (b"", b"x" * 125):
            await ana.send(payload, PING)
            await ana.until(lambda payload=payload: Frame(PONG, payload) in ana.frames)  # type: ignore[misc]


@on_uvloop
async def test_a_ping_that_came_while_the_socket_was_full_is_answered_afterwards() -> None:
    async with live(limits=SMALL) as server:
        ana = await server.member("ana", receive_buffer=4 * KIB)
        ben = await server.member("ben")
        await ana.stop_reading()
        while not server.seat("ana").paused:
            await ben.type(big_text(8 * KIB))
            await ben.until_heard()
        messages = server.connection("ana")
        await ana.send(b"first", PING)
        await ana.send(b"last", PING)
        await until(lambda: messages._ping == b"last")
        ana.read()
        await ana.until(lambda: Frame(PONG, b"last") in ana.frames)
        assert Frame(PONG, b"first") not in ana.frames


@on_each_loop
async def test_nothing_is_written_to_a_connection_that_ends() -> None:
    async with live() as server:
        ana = await server.member("ana")
        await ana.until_heard()
        ending = server.connection()
        ending.close(CloseCode.STUCK, "stuck")
        ending.write(frames.encode(frames.TEXT, b"too late"))
        ending.close(CloseCode.FLOOD, "a second time")
        await ana.until_hung_up()
        assert ana.frames[-1] == Frame(CLOSE, struct.pack("!H", CloseCode.STUCK) + b"stuck")
        await until(lambda: not server.server.connections)
        ending.write(frames.encode(frames.TEXT, b"much too late"))
        assert ending.unsent == 0


@on_each_loop
async def test_a_peer_that_resets_the_connection_disturbs_nobody() -> None:
    async with live() as server:
        ana = await server.member("ana")
        gone = [await server.member(f"gone{number}") for number in range(5)]
        for client in gone:
            await client.stop_reading()
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.socket.close()
        ben = await server.member("ben")
        for word in ("a", "b", "c"):
            await ana.type(word)
        await ben.until_text("abc")
        await until(lambda: server.metrics.members == 2)
        assert len(server.server.connections) == 2


@on_uvloop
async def test_a_long_reason_is_cut_to_what_a_close_frame_holds() -> None:
    async with live() as server:
        ana = await server.member("ana")
        server.connection().close(CloseCode.MALFORMED, "x" * 500)
        assert (await ana.until_closed()).reason == "x" * 120


@on_uvloop
async def test_messages_keep_their_borders_however_they_are_chopped() -> None:
    async with live() as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        updates = [ana.edit(f"{number} ") for number in range(10)]
        stream = b"".join(masked(2, b"\x00\x02" + bytes((len(update),)) + update) for update in updates)
        for at in range(0, len(stream), 7):
            await ana.send_raw(stream[at : at + 7])
            if at % 5 == 0:
                await ben.until_heard()
        await ben.until_text(ana.text)


@on_each_loop
async def test_a_peer_that_hangs_up_without_a_close_frame_is_forgotten() -> None:
    async with live() as server:
        ana = await server.member("ana")
        ana.socket.shutdown(socket.SHUT_WR)
        await ana.until_hung_up()
        await until(lambda: not server.server.connections)
        assert server.metrics.members == 0


@on_uvloop
async def test_one_that_reads_no_close_is_cut_off_even_with_a_full_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.1)
    async with live(limits=SMALL) as server:
        client: Client = await server.member("ana", receive_buffer=4 * KIB)
        await client.until_heard()
        await client.stop_reading()
        ending = server.connection()
        ending.write(frames.encode(frames.TEXT, bytes(500 * KIB)))
        assert ending.unsent > 100 * KIB
        ending.close(CloseCode.STUCK, "stuck")
        await until(lambda: not server.server.connections)
        assert ending.unsent == 0
