"""Rooms, members and what ties them to other nodes are collected once everybody has left: nothing holds on to them."""

from __future__ import annotations

import gc
import weakref

from collab_core.bus.local import LocalExchange
from collab_core.journal.memory import MemoryJournal, MemoryStore
from collab_core.member import Member
from collab_core.tuning import Tuning
from tests.collab_core.live import Live, live, on_uvloop, until

SOON = Tuning(evict_after_seconds=0.05, heartbeat_seconds=0.05, digest_seconds=0.1, idle_digest_seconds=0.1)
ROOMS = 5


def tie(server: Live, exchange: LocalExchange) -> None:
    """Put the node on a bus."""
    bus = exchange.join(server.writer.epoch)
    bus.on_interrupted(server.hub._interrupted)
    server.hub._bus = bus


def members_left() -> int:
    gc.collect()
    return sum(isinstance(one, Member) for one in gc.get_objects())


@on_uvloop
async def test_rooms_links_and_members_are_collected_after_eviction() -> None:
    store, exchange = MemoryStore(), LocalExchange()
    members_before = members_left()
    async with (
        live(journal=MemoryJournal(store), tuning=SOON) as one,
        live(journal=MemoryJournal(store), tuning=SOON) as other,
    ):
        for server in (one, other):
            tie(server, exchange)
        clients = []
        for number in range(ROOMS):
            room = f"room-{number}"
            ana, ben = await one.member("ana", room), await other.member("ben", room)
            await ana.type("hello")
            await ben.until_text("hello")
            await ben.type(" world")
            await ana.until_text(ben.text)
            clients += [ana, ben]
        parts: list[weakref.ref[object]] = []
        for server in (one, other):
            for open_room in server.hub.rooms.values():
                for part in (open_room, open_room.link, open_room.log, open_room.view, open_room.presence):
                    parts.append(weakref.ref(part))
        del open_room, part
        assert len(parts) == 2 * ROOMS * 5
        assert members_left() - members_before == 2 * ROOMS
        for client in clients:
            await client.end()
        await until(lambda: one.metrics.rooms == other.metrics.rooms == 0)
        await until(lambda: not one.hub._compactions and not other.hub._compactions)

        def collected() -> bool:
            gc.collect()
            return all(ref() is None for ref in parts)

        await until(collected)
        await until(lambda: members_left() == members_before)
