"""What happens in a room where nothing happens."""

from __future__ import annotations

import asyncio
import time

from collab_core.closes import CloseCode
from collab_core.limits import Limits
from tests.collab_core.client import NOBODY, PING, presence
from tests.collab_core.live import QUICK, live, on_uvloop, until


@on_uvloop
async def test_everyone_hears_something_in_every_interval_also_when_nobody_shows_presence() -> None:
    async with live(tuning=QUICK) as server:
        clients = [await server.member(f"user{number}") for number in range(3)]
        started = time.monotonic()
        for client in clients:
            await client.until(lambda client=client: len(client.awareness) >= 6)  # type: ignore[misc]
            assert set(client.awareness) == {NOBODY}
        assert time.monotonic() - started < 5.0


@on_uvloop
async def test_renewals_are_passed_on_as_one_frame_to_everyone_owners_included() -> None:
    async with live(tuning=QUICK) as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        await ana.send(presence(1, 1))
        await ben.send(presence(2, 1))
        await ana.until(lambda: any(b"\x02" in message[2:] for message in ana.awareness))
        await until(lambda: server.metrics.presence_broadcasts >= 1)
        broadcasts = server.metrics.presence_broadcasts
        for clock in (2, 3):
            ana.frames.clear()
            ben.frames.clear()
            await ana.send(presence(1, clock))
            await ben.send(presence(2, clock))
            for one in (ana, ben):
                await one.until(lambda one=one, clock=clock: _holds(one.awareness, 1, clock))  # type: ignore[misc]
                await one.until(lambda one=one, clock=clock: _holds(one.awareness, 2, clock))  # type: ignore[misc]
        assert server.metrics.presence_broadcasts <= broadcasts + 1, "an unchanged state is no news"


def _holds(messages: list[bytes], client: int, clock: int) -> bool:
    return any(bytes((client, clock, 2)) + b"{}" in message for message in messages)


@on_uvloop
async def test_a_silent_member_is_pinged_and_stays_while_it_answers() -> None:
    async with live(tuning=QUICK, limits=Limits(silent_seconds=0.45)) as server:
        ana = await server.member("ana")
        await ana.until(lambda: sum(frame.opcode == PING for frame in ana.frames) >= 4)
        assert ana.closed is None
        assert server.metrics.members == 1


@on_uvloop
async def test_one_that_answers_no_ping_is_closed_and_may_come_back() -> None:
    async with live(tuning=QUICK, limits=Limits(silent_seconds=0.3)) as server:
        ana = await server.member("ana")
        ana.answers = False
        assert (await ana.until_closed()).code == CloseCode.SILENT
        assert not CloseCode.SILENT.permanent
        assert server.metrics.closes == {"silent": 1}
        assert any(frame.opcode == PING for frame in ana.frames)


@on_uvloop
async def test_one_that_says_something_is_not_pinged() -> None:
    async with live(tuning=QUICK, limits=Limits(silent_seconds=3.0)) as server:
        ana = await server.member("ana")
        for clock in range(1, 8):
            await ana.send(presence(1, clock))
            heard = len(ana.awareness)
            await ana.until(lambda heard=heard: len(ana.awareness) > heard + 1)  # type: ignore[misc]
        assert not any(frame.opcode == PING for frame in ana.frames)


@on_uvloop
async def test_an_expired_token_ends_the_connection_and_a_renewed_one_does_not() -> None:
    async with live(tuning=QUICK) as server:
        soon = time.time() + 0.5
        ana = await server.member("ana", dojo=True, expires=soon)
        ben = await server.member("ben", dojo=True, expires=soon)
        await ben.tell({"type": "auth", "token": f"write=1&expires={soon + 60}"})
        assert (await ana.until_closed()).code == CloseCode.UNAUTHENTICATED
        assert time.time() >= soon
        beats = len(ben.awareness)
        await ben.until(lambda: len(ben.awareness) > beats + 2)
        assert ben.closed is None
        assert server.metrics.closes == {"unauthenticated": 1}


@on_uvloop
async def test_rooms_that_open_together_do_not_beat_together() -> None:
    async with live(tuning=QUICK) as server:
        await asyncio.gather(*(server.member("ana", room=f"room{number}") for number in range(20)))
        due = sorted(timer.when() for timer in server.hub._heartbeats.values())
        assert due[-1] - due[0] > QUICK.heartbeat_seconds / 4
