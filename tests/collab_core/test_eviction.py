"""A room that nobody is in goes to sleep after a while, folded, and wakes up equal."""

from __future__ import annotations

import time

import pytest

from collab_core.identity import RoomKey
from collab_core.journal.memory import MemoryJournal
from collab_core.journal.postgres import PostgresJournal
from collab_core.tuning import Tuning
from tests.collab_core.client import Client
from tests.collab_core.live import live, on_uvloop, tenant_of, until
from tests.conftest import Database

SOON = Tuning(evict_after_seconds=0.1, heartbeat_seconds=3600)


async def some_history(ana: Client) -> str:
    for number in range(20):
        await ana.type(f"line {number}\n")
    await ana.update(ana.cut(5, 40))
    await ana.until_heard()
    return ana.text


@on_uvloop
async def test_an_empty_room_is_evicted_after_its_grace_and_costs_nothing_then() -> None:
    async with live(tuning=SOON) as server:
        ana = await server.member("ana")
        await some_history(ana)
        assert server.metrics.rooms == 1
        leaving = time.monotonic()
        await ana.end()
        await until(lambda: server.metrics.rooms == 0)
        assert time.monotonic() - leaving >= SOON.evict_after_seconds
        await until(lambda: not server.hub._compactions)
        hub = server.hub
        kept = (hub.rooms, hub._heartbeats, hub._evictions, hub._compacted_at, hub._tenant_rooms, hub._tenant_members)
        assert [len(each) for each in kept] == [0] * len(kept)
        assert not server.writer._feeds


@on_uvloop
async def test_it_is_folded_then_and_wakes_up_equal() -> None:
    journal = MemoryJournal()
    async with live(journal=journal, tuning=SOON) as server:
        ana = await server.member("ana")
        text = await some_history(ana)
        await ana.end()
        await until(lambda: server.metrics.rooms == 0)
        await until(lambda: journal.store.bases and not journal.store.rows)
        ben = await server.member("ben")
        assert ben.text == text == server.text()
        await ben.type("more")
        assert (await server.member("eve")).text == ben.text


@on_uvloop
async def test_a_room_that_was_only_read_is_not_folded_again() -> None:
    journal = MemoryJournal()
    async with live(journal=journal, tuning=SOON) as server:
        ana = await server.member("ana")
        await some_history(ana)
        await ana.end()
        await until(lambda: journal.store.bases and not journal.store.rows)
        base = journal.store.bases[RoomKey(tenant_of("acme"), "room")]
        reader = await server.member("reader")
        await reader.end()
        await until(lambda: server.metrics.rooms_evicted == 2)
        assert not server.hub._compactions
        assert journal.store.bases[RoomKey(tenant_of("acme"), "room")] is base


@on_uvloop
async def test_who_comes_back_within_the_grace_finds_the_room_warm() -> None:
    async with live(tuning=Tuning(evict_after_seconds=5.0, heartbeat_seconds=3600)) as server:
        ana = await server.member("ana")
        await some_history(ana)
        room = server.room()
        await ana.end()
        await until(lambda: room.key in server.hub._evictions)
        back = await server.member("ana")
        assert room.key not in server.hub._evictions, "nor is it evicted under her later"
        assert back.closed is None
        assert server.room() is room
        assert server.metrics.rooms_opened == 1


@on_uvloop
async def test_a_room_stays_open_until_all_of_it_is_committed() -> None:
    journal = MemoryJournal()
    async with live(journal=journal, tuning=SOON) as server:
        ana = await server.member("ana")
        journal.hold()
        text = await some_history(ana)
        await journal.held.wait()
        await ana.end()
        await until(lambda: server.metrics.members == 0)
        first = server.hub._evictions[server.room().key]
        await until(lambda: server.hub._evictions[server.room().key] is not first)
        assert server.metrics.rooms == 1
        journal.release()
        await until(lambda: server.metrics.rooms == 0)
        assert (await server.member("ben")).text == text


@pytest.mark.timeout(60)
async def test_in_postgres_too(database: Database) -> None:
    journal = await PostgresJournal.open(database.dsn("dojo_journal"), database.dsn("dojo_service"))
    try:
        async with live(journal=journal, tuning=SOON) as server:
            ana, eve = await server.member("ana", dojo=True), await server.member("eve", tenant="evil", dojo=True)
            text = await some_history(ana)
            await eve.type("another tenant's")
            await ana.until(lambda: ana.saved == ana.sent)
            await eve.until(lambda: eve.saved == eve.sent)
            await ana.end()
            await eve.end()
            await until(lambda: server.metrics.rooms == 0)
            await until(lambda: not server.hub._compactions)
            loaded = await journal.load(RoomKey(tenant_of("acme"), "room"))
            assert loaded.base
            assert not loaded.updates
            assert (await server.member("ben")).text == text
            assert (await server.member("eve", tenant="evil")).text == "another tenant's"
    finally:
        await journal.close()
