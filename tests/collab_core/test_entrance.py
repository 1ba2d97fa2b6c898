"""Connections that wait to be let in, over real sockets: who is turned away how, and who is not."""

from __future__ import annotations

import re

import pytest

from collab_core import entrance
from collab_core.journal.memory import MemoryJournal
from collab_core.limits import Limits
from tests.collab_core.client import Client
from tests.collab_core.live import Live, live, on_each_loop, on_uvloop, until


async def knock(server: Live, tenant: str) -> Client:
    """A client that has asked to come in, and was not answered yet."""
    client = await server.client()
    await client.send_raw(
        f"GET /{tenant}/room HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    return client


async def turned_away(client: Client) -> None:
    answer = await client.everything()
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    found = re.search(rb"\r\nRetry-After: (\d+)\r\n", answer)
    assert found is not None
    assert 1 <= int(found[1]) <= 5


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one admission at once, however long it takes."""
    monkeypatch.setattr(entrance, "AT_ONCE", 1)
    monkeypatch.setattr(entrance, "PLACE_SECONDS", 60.0)


@on_each_loop
async def test_past_the_bound_the_company_that_has_most_is_turned_away(one_at_a_time: None) -> None:
    journal = MemoryJournal()
    async with live(journal=journal, limits=Limits(waiting_connections=3)) as server:
        journal.hold()
        first = await knock(server, "acme")
        await journal.held.wait()
        waiting = []
        for _ in range(3):
            waiting.append(await knock(server, "acme"))
            await until(lambda: server.metrics.admissions_waiting == len(waiting))
        await turned_away(await knock(server, "acme"))
        other = await knock(server, "globex")
        await turned_away(waiting[-1])
        health = await server.client()
        await health.send_raw(b"GET /health/live HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await health.everything()).startswith(b"HTTP/1.1 200 ")
        assert (server.metrics.admissions_waiting, server.metrics.admissions_refused) == (3, 2)
        journal.release()
        for client in (first, other, *waiting[:-1]):
            await client.upgraded()
        await until(lambda: server.metrics.members == 4)
        assert server.metrics.admissions_waiting == 0
        assert server.metrics.admission_seconds > 0


@on_uvloop
async def test_who_waits_too_long_is_turned_away(one_at_a_time: None) -> None:
    journal = MemoryJournal()
    async with live(journal=journal, limits=Limits(waiting_seconds=0.3)) as server:
        journal.hold()
        first = await knock(server, "acme")
        await journal.held.wait()
        await turned_away(await knock(server, "acme"))
        journal.release()
        await first.upgraded()


@on_uvloop
async def test_one_that_is_held_at_the_door_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "AT_ONCE", 1)
    monkeypatch.setattr(entrance, "PLACE_SECONDS", 0.05)
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        await server.member("ana", tenant="globex")
        journal.hold()
        await knock(server, "acme")
        await journal.held.wait()
        await server.member("ben", tenant="globex")
        journal.release()


@on_uvloop
async def test_who_hangs_up_while_waiting_is_forgotten(one_at_a_time: None) -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        journal.hold()
        first = await knock(server, "acme")
        await journal.held.wait()
        impatient = await knock(server, "acme")
        await until(lambda: server.metrics.admissions_waiting == 1)
        await impatient.end()
        await until(lambda: len(server.server.connections) == 1)
        journal.release()
        await first.upgraded()
        await server.member("ben")
        assert server.metrics.members == 2


@on_uvloop
async def test_a_node_that_leaves_turns_away_who_waits(one_at_a_time: None) -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        journal.hold()
        await knock(server, "acme")
        await journal.held.wait()
        waiting = await knock(server, "acme")
        await until(lambda: server.metrics.admissions_waiting == 1)
        await server.server.stop(0.2)
        await turned_away(waiting)
        journal.release()


@on_uvloop
async def test_a_request_that_breaks_the_door_stops_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async with live() as server:
        whose = server.door.whose
        monkeypatch.setattr(server.door, "whose", lambda request: 1 / 0)
        await turned_away(await knock(server, "acme"))
        monkeypatch.setattr(server.door, "whose", whose)
        await server.member("ana")
