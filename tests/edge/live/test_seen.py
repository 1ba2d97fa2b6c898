"""What a node says of the people connected to it, with real rooms on a real Postgres."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from collab_core.admission import Admission, Dialect
from collab_core.closes import CloseCode
from collab_core.hub import Hub
from collab_core.journal.memory import MemoryJournal
from collab_core.journal.writer import JournalWriter
from collab_core.limits import Limits
from collab_core.metrics import EngineMetrics
from edge.dojos import seats
from edge.dojos.turns.watch import Watch
from edge.live import stage
from edge.live.live_dojos import LiveDojos
from edge.live.place import Place, SeatedAdmission, Standing
from edge.live.seen import Seen
from edge.live.stays import Stay
from kernel.database import tenant_scope
from tests.collab_core.live import CALM
from tests.conftest import Database
from tests.edge.live.json.scene import Wire
from tests.edge.live.two_seats import ANA, BEN, DOJO, HOST, ROOM, TENANT, Dojo, two_seats


@dataclass(frozen=True, slots=True)
class OneNode:
    """A live node without its sockets."""

    dojo: Dojo
    hub: Hub
    live: LiveDojos
    seen: Seen

    async def connect(self, user: UUID, entered_at: datetime) -> Wire:
        assert await self.live.prepare(TENANT, DOJO, ROOM)
        place = Place(
            DOJO, ROOM, Standing.PARTICIPANT, watches=False, guest=False, may_edit=True, entered_at=entered_at
        )
        admission = SeatedAdmission(
            stage.key_of(TENANT, ROOM), user, "somebody", can_write=True, expires_at=time.time() + 3600, place=place
        )
        wire = Wire()
        await self.hub.join(admission, Dialect.JSON, wire)
        return wire


@pytest.fixture
async def node(database: Database) -> AsyncIterator[OneNode]:
    journal = MemoryJournal()
    writer = JournalWriter(
        journal, epoch=uuid4(), backlog_bytes=1 << 20, backlog_bytes_per_room=1 << 20, interval_seconds=0.001
    )
    writer.start()
    async with two_seats(database) as dojo:
        watch = Watch(dojo.pool, None, node="one")
        live = LiveDojos(dojo.pool, journal, None, renew=_renew, watch=watch, node="one")
        hub = Hub(
            journal,
            writer,
            limits=Limits(),
            tuning=CALM,
            metrics=EngineMetrics(),
            applications=live.application,
        )
        yield OneNode(dojo, hub, live, Seen(live.scope, live.open))
        await hub.drain(1.0)
        await watch.close()
        await live.close()
        await writer.close()


async def _renew(_token: str, current: Admission) -> Admission:
    return current


async def test_who_is_connected_is_seen(node: OneNode) -> None:
    dojo = node.dojo
    await node.connect(ANA, await dojo.come(ANA))
    await dojo.pass_time(seats.LOST_SECONDS + 1, ANA)
    await node.seen.say()
    assert not await dojo.end(ANA)
    assert not await dojo.end_lost()
    assert await dojo.present() == [Stay(ROOM, ANA)]


async def test_who_is_connected_to_no_node_any_more_leaves(node: OneNode) -> None:
    """Of those whom a node had that died; somebody here keeps the room open."""
    dojo = node.dojo
    await node.connect(HOST, await dojo.come(HOST))
    await dojo.come(ANA)
    await dojo.pass_time(seats.LOST_SECONDS + 1, ANA)
    await node.seen.say()
    assert await dojo.present() == [Stay(ROOM, HOST)]
    assert await dojo.seated() == {HOST}


async def test_a_node_that_was_held_up_says_that_its_people_are_there(node: OneNode) -> None:
    dojo = node.dojo
    wire = await node.connect(ANA, await dojo.come(ANA))
    await dojo.pass_time(seats.LOST_SECONDS + 1, ANA)
    await dojo.end_lost()
    assert await dojo.seated() == {HOST}
    await node.seen.say()
    assert await dojo.present() == [Stay(ROOM, ANA)]
    assert await dojo.seated() == {HOST, ANA}
    assert wire.closed is None


async def test_whose_seat_is_taken_meanwhile_has_to_go(node: OneNode) -> None:
    dojo = node.dojo
    wire = await node.connect(ANA, await dojo.come(ANA))
    await dojo.pass_time(seats.LOST_SECONDS + 1, ANA)
    await dojo.come(BEN)
    await node.seen.say()
    assert wire.closed is CloseCode.ROOM_FULL
    assert await dojo.seated() == {HOST, BEN}


async def test_who_left_elsewhere_is_not_brought_back(node: OneNode) -> None:
    dojo = node.dojo
    await node.connect(ANA, await dojo.come(ANA))
    async with tenant_scope(dojo.pool, TENANT) as db:
        await seats.leave(db, TENANT, DOJO, ANA, by_choice=True)
    await node.seen.say()
    assert await dojo.present() == []
    assert await dojo.seated() == {HOST}
