"""A member whose socket does not drain: skipped, bounded in memory, caught up in one piece, ended when stuck."""

from __future__ import annotations

import asyncio

from collab_core.closes import CloseCode
from collab_core.limits import KIB, MIB, Limits
from collab_core.tuning import Tuning
from tests.collab_core.client import NOBODY, UPDATE, Client, big_text, presence, settled
from tests.collab_core.live import QUICK, Live, live, on_each_loop, on_uvloop, until

LIMITS = Limits(outbox_bytes=16 * KIB, updates_per_second=100_000, updates_burst=100_000)
KERNEL_BYTES = 128 * KIB
"""More than the sockets of both ends may hold with buffers this small."""


async def full(server: Live, writer: Client, reader: Client, *, user: str = "slow") -> None:
    """Stop `reader` from reading, and type until its socket is full."""
    await reader.stop_reading()
    while not server.seat(user).paused:
        await writer.type(big_text(4 * KIB))
        await writer.until_heard()


@on_each_loop
async def test_a_member_that_does_not_read_is_skipped_and_caught_up_with_one_piece() -> None:
    async with live(limits=LIMITS) as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        slow = await server.member("slow", receive_buffer=4 * KIB)
        await full(server, ana, slow)
        assert server.metrics.members_behind == 1
        seat, connection = server.seat("slow"), server.connection("slow")
        held = connection.unsent
        for _ in range(200):
            await ana.type(big_text(4 * KIB))
            await ben.until_text(ana.text)
            assert connection.unsent <= held
        assert seat.paused
        assert held < KERNEL_BYTES
        slow.read()
        await slow.until_text(ana.text)
        pieces = [len(update) for update in slow.updates]
        assert sum(size > 500 * KIB for size in pieces) == 1, "everything it missed came as one"
        await until(lambda: not seat.paused)
        assert server.metrics.members_behind == 0
        await ana.type("and on it goes")
        await slow.until_text(ana.text)
        assert slow.text == ben.text == server.text()


@on_each_loop
async def test_a_member_may_fall_behind_again_and_again_and_ends_equal() -> None:
    async with live(limits=LIMITS) as server:
        ana = await server.member("ana")
        slow = await server.member("slow", receive_buffer=4 * KIB, dojo=True)
        for _ in range(5):
            await full(server, ana, slow)
            await ana.type(big_text(64 * KIB))
            await slow.type("me too ")  # it writes all the same
            slow.read()
            await slow.until(lambda: len(slow.text) == len(server.text()))
        await ana.until_text(slow.text)
        assert ana.text == server.text()
        await slow.until(lambda: slow.saved == slow.sent)


@on_uvloop
async def test_what_is_said_at_the_drain_may_fill_the_socket_again() -> None:
    """The socket takes a single frame at a time: nothing that matters may be among the dropped ones."""
    async with live(limits=LIMITS) as server:
        ana = await server.member("ana")
        await server.member("ben", dojo=True)
        room, seat = server.room(), server.seat("ben")
        taken: list[bytes] = []

        class OneFrameAtATime:
            unsent = 1

            def write(self, frame: bytes) -> None:
                taken.append(frame)
                room.blocked(seat)

            def close(self, code: CloseCode, reason: str) -> None:
                pass

        seat._connection = OneFrameAtATime()
        room.broadcast.include(seat)
        await ana.type("first")
        await until(lambda: seat.paused)
        await ana.type(" second")
        await settled(ana)
        assert len(taken) == 1
        room.drained(seat)
        assert len(taken) == 2
        assert taken[1].endswith(b"second\x00"), "the document comes before all else"
        seat.asking = {}
        room.drained(seat)
        assert len(taken) == 3
        assert b"first second" in taken[2], "and an answer before the rest"
        room.drained(seat)
        assert b'"writable"' in taken[3]
        assert seat.paused


@on_uvloop
async def test_presence_missed_while_behind_comes_with_the_rest() -> None:
    async with live(limits=LIMITS) as server:
        ana = await server.member("ana")
        slow = await server.member("slow", receive_buffer=4 * KIB)
        await full(server, ana, slow)
        await ana.send(presence(7, 3, b'{"cursor":1}'))
        await ana.until(lambda: presence(7, 3, b'{"cursor":1}') in ana.awareness)
        slow.read()
        await slow.until(lambda: presence(7, 3, b'{"cursor":1}') in slow.awareness)


@on_uvloop
async def test_a_first_sync_larger_than_the_bound_completes() -> None:
    async with live(limits=LIMITS) as server:
        ana = await server.member("ana")
        for _ in range(5):
            await ana.type(big_text(600 * KIB))
        await ana.until_heard()
        newcomer = await server.member("new", receive_buffer=4 * KIB)
        assert len(newcomer.text) == 3_000 * KIB
        assert len(newcomer.step2s) == 1
        await ana.type("!")
        await newcomer.until_text(ana.text)
        assert not server.metrics.closes


@on_uvloop
async def test_a_slow_first_sync_that_goes_on_is_not_stuck() -> None:
    limits = Limits(outbox_bytes=16 * KIB, stuck_seconds=0.1, drain_bytes_per_second=KIB)
    async with live(limits=limits, tuning=QUICK) as server:
        ana = await server.member("ana")
        await ana.type(big_text(900 * KIB))
        await ana.until_heard()
        slow = await server.enter("slow", receive_buffer=4 * KIB)
        await slow.stop_reading()
        await slow.ask()
        await until(lambda: server.seat("slow").paused)
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() - began < 0.5:
            slow._buffer += await loop.sock_recv(slow.socket, 4 * KIB)
            await asyncio.sleep(0.02)
        assert not server.metrics.closes
        slow.read()
        await slow.until_text(ana.text)


@on_each_loop
async def test_a_member_that_stays_stuck_is_closed_with_a_transient_code() -> None:
    limits = Limits(outbox_bytes=16 * KIB, stuck_seconds=0.1, updates_burst=100_000, silent_seconds=3600)
    async with live(limits=limits, tuning=QUICK) as server:
        ana = await server.member("ana")
        slow = await server.member("slow", receive_buffer=4 * KIB)
        await full(server, ana, slow)
        await until(lambda: server.metrics.closes["stuck"] == 1)
        assert len(server.room().members) == 1
        assert server.metrics.members_behind == 0
        slow.read()
        assert (await slow.until_closed()).code == CloseCode.STUCK
        assert not CloseCode.STUCK.permanent
        back = await server.member("slow")
        assert back.text == ana.text


@on_uvloop
async def test_asking_again_and_again_while_behind_costs_no_memory_and_is_answered_once() -> None:
    async with live(limits=LIMITS) as server:
        ana = await server.member("ana")
        slow = await server.member("slow", receive_buffer=4 * KIB)
        await ana.type(big_text(800 * KIB))
        await full(server, ana, slow)
        held, replies = server.connection("slow").unsent, server.metrics.sync_replies
        for _ in range(500):
            await slow.ask()
        heard = server.metrics.messages
        await until(lambda: server.metrics.messages >= heard)
        await settled(ana)
        assert server.metrics.sync_replies == replies
        assert server.connection("slow").unsent <= held
        slow.read()
        await slow.until(lambda: len(slow.step2s) == 2)
        await slow.until_text(ana.text)
        await slow.until_heard()
        assert len(slow.step2s) == 2
        assert server.metrics.sync_replies == replies + 1


@on_uvloop
async def test_a_member_that_leaves_while_behind_is_not_counted_any_more() -> None:
    async with live(limits=LIMITS) as server:
        ana = await server.member("ana")
        slow = await server.member("slow", receive_buffer=4 * KIB)
        await full(server, ana, slow)
        assert server.metrics.members_behind == 1
        await slow.end()
        await until(lambda: server.metrics.members == 1)
        assert server.metrics.members_behind == 0


@on_uvloop
async def test_a_member_behind_the_fold_is_caught_up_with_everything() -> None:
    tuning = Tuning(heartbeat_seconds=3600, fold_pieces=4)
    async with live(limits=LIMITS, tuning=tuning) as server:
        ana = await server.member("ana")
        slow = await server.member("slow", receive_buffer=4 * KIB)
        await full(server, ana, slow)
        behind = server.seat("slow").cursor
        while server.room().log.end - server.room().log.pieces <= behind:
            await ana.type(big_text(KIB))
            await ana.until_heard()
        slow.read()
        await slow.until_text(ana.text)
        assert slow.updates[-1].startswith(UPDATE)


@on_uvloop
async def test_others_hear_nothing_late_because_of_a_slow_one() -> None:
    async with live(limits=LIMITS) as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        for number in range(10):
            slow = await server.member(f"slow{number}", receive_buffer=4 * KIB)
            await full(server, ana, slow, user=f"slow{number}")
        assert server.metrics.members_behind == 10
        await ben.until_text(ana.text)
        flushes = server.metrics.frames_out
        await ana.type("x")
        await ben.until_text(ana.text)
        await settled(ben)
        assert server.metrics.frames_out == flushes + 1, "one frame for the one who reads"
        total = sum(server.connection(f"slow{number}").unsent for number in range(10))
        assert total < 10 * KERNEL_BYTES < 2 * MIB
        assert NOBODY not in ben.awareness
