"""A node that goes away: nobody in any more, everything committed, closes spread over time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import bisect_left

import pytest

from collab_core.closes import CloseCode
from collab_core.connection import LiveConnection
from collab_core.journal.memory import MemoryJournal
from collab_core.limits import Limits
from tests.collab_core.live import live, on_each_loop, on_uvloop, until


@on_each_loop
async def test_what_was_accepted_is_committed_before_anyone_is_closed() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        ana = await server.member("ana", dojo=True)
        journal.hold()
        await ana.type("the last words")
        await journal.held.wait()
        await ana.until_heard()
        stopping = asyncio.get_running_loop().create_task(server.server.stop(10.0))
        await until(lambda: server.hub.draining)
        await ana.until_heard()
        assert ana.closed is None
        journal.release()
        assert (await ana.until_closed()).code == CloseCode.RESTARTING
        assert ana.saved == ana.sent
        await stopping
        assert len(journal.store.rows) == 1
        assert server.metrics.closes == {"restarting": 1}
        assert server.metrics.rooms == server.metrics.members == 0
        assert not server.server.connections


@on_uvloop
async def test_closes_are_spread_over_time() -> None:
    async with live(limits=Limits(closes_share=0.1)) as server:
        clients = [await server.member(f"user{number}", room=f"room{number % 3}") for number in range(40)]
        closed_at: list[float] = []

        async def watch(number: int) -> None:
            assert (await clients[number].until_closed()).code == CloseCode.RESTARTING
            closed_at.append(time.monotonic())

        watching = [asyncio.get_running_loop().create_task(watch(number)) for number in range(40)]
        await server.server.stop(10.0)
        await asyncio.gather(*watching)
        assert 0.9 < max(closed_at) - min(closed_at) < 5.0
        assert server.metrics.closes == {"restarting": 40}


@on_each_loop
async def test_at_most_two_percent_are_closed_in_any_tenth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    closed_at: list[float] = []
    close = LiveConnection.close

    def noted(self: LiveConnection, code: CloseCode, reason: str) -> None:
        closed_at.append(time.monotonic())
        close(self, code, reason)

    async with live() as server:
        for number in range(150):
            await server.enter(f"user{number}", room=f"room{number % 3}")
        await until(lambda: server.metrics.members == 150)
        monkeypatch.setattr(LiveConnection, "close", noted)
        await server.server.stop(15.0)
    assert len(closed_at) == 150
    assert max(bisect_left(closed_at, begin + 0.1) - at for at, begin in enumerate(closed_at)) <= 3
    assert 4.9 < closed_at[-1] - closed_at[0] < 10.0


@on_uvloop
async def test_many_closes_fit_into_the_time_there_is() -> None:
    async with live() as server:
        clients = [await server.member(f"user{number}") for number in range(50)]
        started = time.monotonic()
        await server.server.stop(1.0)
        assert time.monotonic() - started < 4.0
        for client in clients:
            assert (await client.until_closed()).code == CloseCode.RESTARTING


@on_uvloop
async def test_nobody_gets_in_while_it_drains() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        early = await server.client()
        await server.member("ana")
        journal.hold()
        loading = await server.enter("ben", room="loading")
        await journal.held.wait()
        server.hub.draining = True
        await early.upgrade("/acme/room")
        early.read()
        assert (await early.until_closed()).code == CloseCode.RESTARTING
        server.hub.draining = False
        stopping = asyncio.get_running_loop().create_task(server.server.stop(2.0))
        assert (await loading.until_closed()).code == CloseCode.RESTARTING
        journal.release()
        await stopping
        assert not server.hub.rooms


@on_uvloop
async def test_a_room_that_loaded_just_before_lets_nobody_in_after() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        journal.hold()
        ana = await server.enter("ana")
        await journal.held.wait()
        opening = next(iter(server.hub._opening.values()))
        opening.add_done_callback(lambda _task: setattr(server.hub, "draining", True))
        journal.release()
        assert (await ana.until_closed()).code == CloseCode.RESTARTING
        assert server.metrics.members == 0


@on_uvloop
async def test_connections_that_never_said_anything_are_ended_too() -> None:
    async with live() as server:
        client = await server.client()
        await until(lambda: server.server.connections)
        started = time.monotonic()
        await server.server.stop(0.5)
        await until(lambda: not server.server.connections)
        assert time.monotonic() - started < 5.0
        reader = asyncio.get_running_loop().sock_recv(client.socket, 1)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader, 5.0) == b""


@on_uvloop
async def test_a_journal_that_stays_away_does_not_hold_up_the_end() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        ana = await server.member("ana")
        journal.away = True
        await ana.type("not to be saved here")
        await ana.until_heard()
        started = time.monotonic()
        await server.server.stop(0.6)
        assert time.monotonic() - started < 3.0
        assert (await ana.until_closed()).code == CloseCode.RESTARTING
