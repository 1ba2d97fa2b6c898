"""Opening rooms: once, for everyone who waits, and not at all when the load fails."""

from __future__ import annotations

import asyncio

from collab_core.closes import CloseCode
from collab_core.identity import RoomKey
from collab_core.journal.memory import MemoryJournal
from collab_core.journal.port import JournalUnavailable, Loaded
from collab_core.tuning import Tuning
from tests.collab_core.client import settled
from tests.collab_core.live import live, on_uvloop, tenant_of, until


class CountedJournal(MemoryJournal):
    """Counts its loads."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0

    async def load(self, key: RoomKey) -> Loaded:
        self.loads += 1
        return await super().load(key)


@on_uvloop
async def test_fifty_who_come_at_one_moment_wait_for_one_load() -> None:
    journal = CountedJournal()
    async with live(journal=journal) as server:
        journal.hold()
        clients = [await server.enter(f"user{number}") for number in range(50)]
        await journal.held.wait()
        for client in clients:
            await client.ask()
        assert server.metrics.rooms == 0
        journal.release()
        for client in clients:
            await client.until(lambda client=client: client.step2s)  # type: ignore[misc]
        assert journal.loads == 1
        assert server.metrics.rooms_opened == 1
        assert server.metrics.members == 50
        assert server.metrics.sync_replies_encoded == 1
        await clients[0].type("all here")
        for client in clients:
            await client.until_text("all here")


@on_uvloop
async def test_what_is_there_is_loaded_and_complete() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        ana = await server.member("ana")
        for word in ("one ", "two ", "three"):
            await ana.type(word)
        await ana.update(ana.cut(0, 4))
        await until(lambda: server.room().feed.committed == 4)
    async with live(journal=journal) as server:
        ben = await server.member("ben")
        assert ben.text == "two three"
        await ben.type(" four")
        assert (await server.member("eve")).text == server.text()


@on_uvloop
async def test_a_failed_load_opens_nothing_and_writes_nothing() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        journal.away = True
        clients = [await server.enter(f"user{number}") for number in range(5)]
        for client in clients:
            client.edit("typed meanwhile")
            assert (await client.until_closed()).code == CloseCode.ROOM_UNAVAILABLE
            await client.until_hung_up()
        assert not CloseCode.ROOM_UNAVAILABLE.permanent
        assert not server.hub.rooms
        assert server.metrics.rooms_failed >= 1
        assert server.metrics.closes == {"room_unavailable": 5}
        assert not journal.store.rows
        journal.away = False
        assert (await server.member("ana")).text == ""


@on_uvloop
async def test_a_load_that_hangs_fails_in_its_time() -> None:
    journal = MemoryJournal()
    async with live(journal=journal, tuning=Tuning(open_seconds=0.1)) as server:
        journal.hold()
        ana = await server.enter("ana")
        assert (await ana.until_closed()).code == CloseCode.ROOM_UNAVAILABLE
        assert server.metrics.rooms_failed == 1
        journal.release()
        await server.member("ana")


@on_uvloop
async def test_damaged_bytes_open_nothing() -> None:
    class Damaged(MemoryJournal):
        async def load(self, key: RoomKey) -> Loaded:
            if key.room == "damaged":
                return Loaded(b"\xff\xff\xff\xff\x07")
            return await super().load(key)

    async with live(journal=Damaged()) as server:
        ana = await server.enter("ana", room="damaged")
        assert (await ana.until_closed()).code == CloseCode.ROOM_UNAVAILABLE
        assert not server.hub.rooms
        await server.member("ana")


@on_uvloop
async def test_who_goes_away_while_the_room_loads_takes_it_from_nobody() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        journal.hold()
        ana, ben = await server.enter("ana"), await server.enter("ben")
        await journal.held.wait()
        await ana.end()
        journal.release()
        await ben.sync()
        await until(lambda: len(server.server.connections) == 1)
        assert server.metrics.members == 1
        assert len(server.room().members) == 1


@on_uvloop
async def test_an_admission_that_is_cancelled_takes_the_room_from_nobody() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        journal.hold()
        await server.enter("ana")
        await journal.held.wait()
        [admitting] = server.server._tasks
        ben = await server.enter("ben")
        await until(lambda: len(server.server._tasks) == 2)
        admitting.cancel()
        await asyncio.wait([admitting])
        journal.release()
        await ben.sync()
        assert server.metrics.rooms_opened == 1


@on_uvloop
async def test_everyone_may_go_away_while_the_room_loads() -> None:
    journal = MemoryJournal()
    tuning = Tuning(evict_after_seconds=0.05)
    async with live(journal=journal, tuning=tuning) as server:
        journal.hold()
        ana = await server.enter("ana")
        await journal.held.wait()
        await ana.end()
        journal.release()
        await until(lambda: server.metrics.rooms_evicted == 1)
        assert server.metrics.members == 0
        assert not server.hub.rooms


@on_uvloop
async def test_a_failed_load_costs_the_tenant_no_room() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        journal.away = True
        for number in range(3):
            client = await server.enter("ana", room=f"room{number}")
            await client.until_closed()
        await until(lambda: not server.hub._opening)
        assert server.hub._tenant_rooms == {}
        journal.away = False
        await server.member("ana")
        assert server.hub._tenant_rooms == {tenant_of("acme"): 1}


@on_uvloop
async def test_a_room_is_compacted_while_it_is_open() -> None:
    journal = MemoryJournal()
    tuning = Tuning(heartbeat_seconds=0.05, compact_rows=20, commit_interval_seconds=0)
    async with live(journal=journal, tuning=tuning) as server:
        ana = await server.member("ana", dojo=True)
        for number in range(30):
            await ana.type(f"{number} ")
            await ana.until(lambda: ana.saved == ana.sent)
        await until(lambda: journal.store.bases)
        await ana.type("and on")
        await ana.until(lambda: ana.saved == ana.sent)
        await settled(ana)
    async with live(journal=journal) as server:
        assert (await server.member("ben")).text == ana.text


async def test_a_store_that_fails_to_compact_costs_nothing() -> None:
    class NoCompaction(MemoryJournal):
        async def compact(self, key: RoomKey, fold: object) -> int:
            raise JournalUnavailable("compact: not today")

    journal = NoCompaction()
    async with live(journal=journal, tuning=Tuning(evict_after_seconds=0.02)) as server:
        ana = await server.member("ana")
        await ana.type("kept as rows")
        await until(lambda: server.room().feed.committed == 1)
        await ana.end()
        await until(lambda: server.metrics.rooms_evicted == 1)
        await asyncio.sleep(0)
        assert (await server.member("ben")).text == "kept as rows"
