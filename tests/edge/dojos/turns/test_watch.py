from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest
from redis.asyncio import Redis

from edge.dojos.turns.commands import (
    SYSTEM,
    Applied,
    Flushed,
    Gone,
    Joined,
    Refused,
    Skip,
    Start,
    Take,
    Who,
)
from edge.dojos.turns.copies import KEPT_AFTER_END_SECONDS, roles_key
from edge.dojos.turns.store import NoRoom
from edge.dojos.turns.watch import MOST_WAITING, TurnsAway
from tests.edge.dojos.turns.hall import DEADLINE_SECONDS, Hall, Node, node, until
from tests.edge.dojos.turns.people import ANA, BIA, CAIO, HOST

LOOK_SECONDS = 6.0
"""Past the longest pause between two looks, and the look itself."""


async def with_people(first: Node, hall: Hall, *people: UUID) -> UUID:
    """An open room in which they are, on `first`."""
    room = await hall.room()
    await first.open(hall, room)
    for user in people:
        first.watch.enter(hall.tenant, room, user, able=True)
    await until(lambda: set(first.state(hall, room).order) == set(people))
    return room


async def start(hall: Hall, room: UUID, seconds: int, *nodes: tuple[str, Node]) -> Applied | Refused:
    """Turns begin, once all `nodes` have heard out those who wrote freely."""
    answer = await nodes[0][1].watch.ask(hall.tenant, room, Start(seconds), HOST)
    for name, each in nodes:
        await each.watch.ask(hall.tenant, room, Flushed(name, 0))
    return answer


async def test_who_enters_and_leaves_is_written(hall: Hall, redis_url: str) -> None:
    async with node(hall, redis_url, "n1") as first:
        room = await with_people(first, hall, ANA, BIA)
        first.watch.leave(hall.tenant, room, ANA)
        await until(lambda: first.state(hall, room).seats[ANA].away_since is not None)
        first.watch.enter(hall.tenant, room, ANA, able=True)
        await until(lambda: first.state(hall, room).seats[ANA].away_since is None)
        assert (await hall.load(room)).state == first.state(hall, room)


async def test_a_new_pilot_is_confirmed_by_their_node(hall: Hall, redis_url: str) -> None:
    async with node(hall, redis_url, "n1") as first:
        room = await with_people(first, hall, ANA, BIA)
        assert isinstance(await start(hall, room, 60, ("n1", first)), Applied)
        assert first.state(hall, room).pilot == ANA
        await until(lambda: first.state(hall, room).confirm_by is None)


async def test_other_nodes_hear_at_once_and_only_ever_newer_versions(hall: Hall, redis_url: str) -> None:
    async with node(hall, redis_url, "n1") as first, node(hall, redis_url, "n2") as second:
        room = await with_people(first, hall, ANA, BIA)
        await second.open(hall, room)
        second.watch.enter(hall.tenant, room, CAIO, able=True)
        await until(lambda: CAIO in first.state(hall, room).order, seconds=1)
        await start(hall, room, 60, ("n1", first), ("n2", second))
        await until(lambda: second.state(hall, room).pilot == ANA, seconds=1)
        await second.watch.ask(hall.tenant, room, Skip(), HOST)
        await until(lambda: first.state(hall, room).handover is not None, seconds=1)
        await first.watch.ask(hall.tenant, room, Flushed("n1", 1))
        await until(lambda: second.state(hall, room).pilot == BIA, seconds=1)
        for seen in (first.told[room], second.told[room]):
            versions = [each.version for each in seen]
            assert versions == sorted(set(versions))


async def test_without_redis_a_look_finds_out(hall: Hall) -> None:
    async with node(hall, None, "n1") as first:
        room = await with_people(first, hall, ANA)
        await hall.do(room, Start(60))
        await until(lambda: first.state(hall, room).pilot == ANA, seconds=LOOK_SECONDS)


async def test_a_turn_whose_time_is_over_passes_on_by_itself(hall: Hall, redis_url: str) -> None:
    async with node(hall, redis_url, "n1") as first, node(hall, redis_url, "n2") as second:
        room = await with_people(first, hall, ANA, BIA)
        await second.open(hall, room)
        await start(hall, room, 60, ("n1", first))
        await until(lambda: first.state(hall, room).confirm_by is None)
        await hall.age(room, 59.7)
        await first.watch._bell.ring(hall.tenant, [room])
        await until(lambda: first.state(hall, room).handover is not None, seconds=2)
        await until(lambda: first.state(hall, room).pilot == BIA, seconds=2)
        await until(lambda: second.state(hall, room) == first.state(hall, room))
        assert await hall.history(room) == [(1, ANA)]


async def test_of_two_nodes_that_claim_at_once_one_gets_it(hall: Hall, redis_url: str) -> None:
    async with node(hall, redis_url, "n1") as first, node(hall, redis_url, "n2") as second:
        room = await with_people(first, hall, ANA)
        await second.open(hall, room)
        second.watch.enter(hall.tenant, room, BIA, able=True)
        await until(lambda: {ANA, BIA} == set(first.state(hall, room).order) == set(second.state(hall, room).order))
        answers = await asyncio.gather(
            first.watch.ask(hall.tenant, room, Take(), Who(ANA)), second.watch.ask(hall.tenant, room, Take(), Who(BIA))
        )
        assert [isinstance(answer, Applied) for answer in answers].count(True) == 1
        await until(lambda: first.state(hall, room).pilot == second.state(hall, room).pilot is not None)


async def test_a_node_that_restarts_or_is_wrong_about_who_is_there_heals(hall: Hall, redis_url: str) -> None:
    room = await hall.room()
    await hall.do(room, Joined(ANA, "n1", True))
    async with node(hall, redis_url, "n1") as first:
        await first.open(hall, room)
        await until(lambda: first.state(hall, room).seats[ANA].away_since is not None)
        first.watch.enter(hall.tenant, room, BIA, able=True)
        await until(lambda: BIA in first.state(hall, room).order)
        await hall.do(room, Gone(BIA))
        await first.watch._bell.ring(hall.tenant, [room])
        await until(lambda: first.watch.held(hall.tenant, room) is not None and BIA in first.state(hall, room).order)


async def test_at_the_end_nobody_is_connected_and_all_keep_their_place(hall: Hall, redis_url: str) -> None:
    async with node(hall, redis_url, "n1") as first:
        room = await with_people(first, hall, ANA, BIA)
    seats = (await hall.load(room)).state.seats
    assert {user: (dict(seat.nodes), seat.able) for user, seat in seats.items()} == {ANA: ({}, True), BIA: ({}, True)}


async def test_the_end_of_a_room_is_told(hall: Hall, redis_url: str, redis: Redis) -> None:
    async with node(hall, redis_url, "n1") as first:
        room = await with_people(first, hall, ANA)
        await hall.everything.execute("UPDATE dojo_rooms SET status = 'FINISHED'")
        await first.watch._bell.ring(hall.tenant, [room])
        await until(lambda: not first.told[room][-1].open)
        answer = await first.watch.ask(hall.tenant, room, Start(60), HOST)
        assert isinstance(answer, Refused)
        assert answer.code == "room_ended"
        key = roles_key(hall.tenant, room)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not 0 < await redis.ttl(key) <= KEPT_AFTER_END_SECONDS:  # noqa: ASYNC110 - nor does Redis
                await asyncio.sleep(0.01)


async def test_copies_follow_the_changes(hall: Hall, redis_url: str, redis: Redis) -> None:
    async with node(hall, redis_url, "n1") as first:
        room = await with_people(first, hall, ANA)
        await first.watch.ask(hall.tenant, room, Start(60), HOST)
        key = roles_key(hall.tenant, room)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await redis.hget(key, "pilot") != str(ANA).encode():  # noqa: ASYNC110 - nor does Redis
                await asyncio.sleep(0.01)


async def test_a_room_that_is_not_there_or_not_open_is_refused(hall: Hall) -> None:
    async with node(hall, None, "n1") as first:
        with pytest.raises(NoRoom):
            await first.open(hall, UUID(int=9))
        room = await hall.room()
        with pytest.raises(NoRoom):
            await first.watch.ask(hall.tenant, room, Start(60), HOST)
        await first.open(hall, room)
        first.watch.shut(hall.tenant, room)
        assert first.watch.held(hall.tenant, room) is None


async def test_more_than_can_wait_is_refused(hall: Hall) -> None:
    async with node(hall, None, "n1") as first:
        room = await with_people(first, hall, ANA)
        asks = [first.watch.ask(hall.tenant, room, Take(), Who(ANA)) for _ in range(MOST_WAITING + 10)]
        answers = await asyncio.gather(*asks, return_exceptions=True)
        assert sum(isinstance(answer, TurnsAway) for answer in answers) == 10
        assert sum(isinstance(answer, Applied) for answer in answers) == MOST_WAITING


async def test_the_clock_is_the_databases(hall: Hall) -> None:
    async with node(hall, None, "n1") as first:
        await with_people(first, hall, ANA)
        row = await hall.everything.fetchval("SELECT clock_timestamp()")
        assert abs((first.watch.now() - row).total_seconds()) < 0.5


async def test_a_handover_takes_milliseconds(hall: Hall, redis_url: str) -> None:
    async with node(hall, redis_url, "n1") as first, node(hall, redis_url, "n2") as second:
        room = await with_people(first, hall, ANA, BIA)
        await second.open(hall, room)
        await start(hall, room, 0, ("n1", first))
        taken = []
        for number in range(1, 21):
            started = time.perf_counter()
            await first.watch.ask(hall.tenant, room, Skip(), HOST)
            await first.watch.ask(hall.tenant, room, Flushed("n1", number), SYSTEM)
            await until(lambda number=number: second.state(hall, room).turn_number == number + 1)  # type: ignore[misc]
            taken.append(time.perf_counter() - started)
        assert sorted(taken)[10] < 0.25, f"half of the handovers took {sorted(taken)[10]:.3f} s or more"


async def test_many_who_come_at_once_are_few_transactions(hall: Hall, redis_url: str) -> None:
    people = [UUID(int=number) for number in range(1, 301)]
    async with node(hall, redis_url, "n1") as first:
        room = await with_people(first, hall, *people)
        assert first.state(hall, room).order[0] in people
        assert (await hall.load(room)).version < 20
