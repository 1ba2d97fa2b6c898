"""Stays and seats while people are connected to several nodes, and after nodes that died; by the database's clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from edge.dojos import seats
from edge.dojos.seats import NoSeat, Why
from edge.live.stays import Stay
from kernel.database import tenant_scope
from tests.conftest import Database
from tests.edge.live.two_seats import ANA, BEN, DOJO, HOST, OTHER_ROOM, ROOM, TENANT, Dojo, two_seats


@pytest.fixture
async def dojo(database: Database) -> AsyncIterator[Dojo]:
    async with two_seats(database) as made:
        yield made


async def test_a_node_cannot_end_what_another_has_seen_lately(dojo: Dojo) -> None:
    """Ana moved: the old node's grace is over, and the new one has her."""
    await dojo.come(ANA)
    await dojo.pass_time(seats.SEEN_SECONDS + 1, ANA)
    await dojo.come(ANA)  # to the other node
    assert not await dojo.end(ANA)
    assert await dojo.present() == [Stay(ROOM, ANA)]
    assert await dojo.seated() == {HOST, ANA}
    await dojo.pass_time(seats.SEEN_SECONDS + 1, ANA)
    assert await dojo.renew(Stay(ROOM, ANA)) == []
    assert not await dojo.end(ANA), "the other node has said so again"
    await dojo.pass_time(seats.SEEN_SECONDS + 1, ANA)
    assert await dojo.end(ANA)
    assert not await dojo.end(ANA), "whoever says it first"
    assert await dojo.seated() == {HOST}


async def test_a_seat_is_kept_for_another_room(dojo: Dojo) -> None:
    await dojo.come(ANA)
    await dojo.pass_time(seats.SEEN_SECONDS + 1, ANA)
    await dojo.come(ANA, OTHER_ROOM)
    assert await dojo.end(ANA)
    assert await dojo.present() == [Stay(OTHER_ROOM, ANA)]
    assert await dojo.seated() == {HOST, ANA}


async def test_those_of_a_dead_node_leave_by_themselves(dojo: Dojo) -> None:
    await dojo.come(ANA)
    await dojo.pass_time(seats.LOST_SECONDS - 5, ANA)
    assert not await dojo.end_lost()
    await dojo.pass_time(10, ANA)
    assert await dojo.end_lost() == 1
    assert await dojo.present() == []
    assert await dojo.seated() == {HOST}


async def test_their_seats_are_free_when_somebody_needs_one(dojo: Dojo) -> None:
    """Also if no node has the room open any more."""
    await dojo.come(ANA)
    with pytest.raises(NoSeat) as full:
        await dojo.come(BEN)
    assert full.value.why is Why.FULL
    await dojo.pass_time(seats.LOST_SECONDS + 1, ANA)
    await dojo.come(BEN)
    assert await dojo.seated() == {HOST, BEN}


async def test_who_came_over_http_is_not_waited_for(dojo: Dojo) -> None:
    """No node has ever seen them: nobody can say that they are lost."""
    await dojo.come(ANA)
    await dojo.everything.execute("UPDATE dojo_room_participants SET seen_at = NULL")
    assert not await dojo.end_lost()
    assert await dojo.present() == [Stay(ROOM, ANA)]
    assert await dojo.end(ANA), "the node that had them says so"


async def test_who_was_taken_for_lost_is_there_again(dojo: Dojo) -> None:
    """A node was held up for minutes; then it goes on, and its people have never gone."""
    since = await dojo.come(ANA)
    await dojo.pass_time(seats.LOST_SECONDS + 1, ANA)
    await dojo.end_lost()
    assert await dojo.renew(Stay(ROOM, ANA), Stay(ROOM, HOST)) == [Stay(ROOM, ANA), Stay(ROOM, HOST)]
    await dojo.resume(ANA, since)
    assert await dojo.renew(Stay(ROOM, ANA)) == []
    assert await dojo.seated() == {HOST, ANA}


async def test_not_if_the_seat_is_anothers_by_then(dojo: Dojo) -> None:
    since = await dojo.come(ANA)
    await dojo.pass_time(seats.LOST_SECONDS + 1, ANA)
    await dojo.come(BEN)
    with pytest.raises(NoSeat) as full:
        await dojo.resume(ANA, since)
    assert full.value.why is Why.FULL
    assert await dojo.seated() == {HOST, BEN}


@pytest.mark.parametrize("what", ["left", "removed", "room over", "dojo over"])
async def test_nor_if_they_are_rightly_gone(dojo: Dojo, what: str) -> None:
    since = await dojo.come(ANA)
    match what:
        case "left":
            async with tenant_scope(dojo.pool, TENANT) as db:
                await seats.leave(db, TENANT, DOJO, ANA, by_choice=True)
        case "removed":
            await dojo.everything.execute("UPDATE dojo_participants SET status = 'REMOVED' WHERE user_id = $1", ANA)
        case "room over":
            await dojo.everything.execute("UPDATE dojo_rooms SET status = 'FINISHED' WHERE room_id = $1", ROOM)
        case _:
            await dojo.everything.execute("UPDATE dojos SET status = 'COMPLETED'")
    with pytest.raises(NoSeat) as gone:
        await dojo.resume(ANA, since)
    assert gone.value.why in {Why.REMOVED, Why.OVER}


async def test_who_leaves_by_choice_leaves_whoever_has_seen_them(dojo: Dojo) -> None:
    await dojo.come(ANA)
    async with tenant_scope(dojo.pool, TENANT) as db:
        assert await seats.leave_room(db, TENANT, DOJO, ROOM, ANA, by_choice=True)
    assert await dojo.seated() == {HOST}
    assert await dojo.renew(Stay(ROOM, uuid4())) != []
