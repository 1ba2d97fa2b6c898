"""Each second counts once, whoever writes it down."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from edge.dojos import talk_time
from kernel.database import tenant_scope
from tests.conftest import Database
from tests.edge.live.two_seats import ANA, BEN, DOJO, OTHER_ROOM, ROOM, TENANT, Dojo, two_seats


@pytest.fixture
async def dojo(database: Database) -> AsyncIterator[Dojo]:
    async with two_seats(database) as made:
        yield made


async def told(dojo: Dojo, at: float, ana: float, ben: float = 0.0, room: object = ROOM) -> None:
    async with tenant_scope(dojo.pool, TENANT) as db:
        await talk_time.add(db, TENANT, room, {ANA: ana, BEN: ben}, at)  # type: ignore[arg-type]


async def total(dojo: Dojo) -> tuple[float, float]:
    async with tenant_scope(dojo.pool, TENANT) as db:
        found = await talk_time.of_dojo(db, TENANT, DOJO)
    return found[ANA], found[BEN]


async def test_two_nodes_that_heard_the_same_count_once(dojo: Dojo) -> None:
    await told(dojo, 100, 5.0, 1.0)
    await told(dojo, 100, 5.0, 1.0)
    await told(dojo, 110, 8.0, 1.5)
    await told(dojo, 105, 6.0, 1.2)  # late
    assert await total(dojo) == (8.0, 1.5)


async def test_who_connects_anew_begins_at_nothing_and_loses_nothing(dojo: Dojo) -> None:
    await told(dojo, 100, 5.0)
    await told(dojo, 200, 2.0)
    await told(dojo, 210, 3.0)
    assert (await total(dojo))[0] == 8.0


async def test_rooms_add_up(dojo: Dojo) -> None:
    await told(dojo, 100, 5.0)
    await told(dojo, 100, 7.0, room=OTHER_ROOM)
    assert (await total(dojo))[0] == 12.0
