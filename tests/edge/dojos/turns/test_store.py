from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from edge.dojos.turns.commands import (
    SYSTEM,
    Applied,
    Expire,
    Flushed,
    Hand,
    Joined,
    Refused,
    SetRoles,
    Skip,
    Start,
    Take,
    Who,
)
from edge.dojos.turns.copies import KEPT_AFTER_END_SECONDS, KEPT_SECONDS, Copies, participants_key, roles_key
from edge.dojos.turns.store import NoRoom, Order, change, end_turns, load
from kernel.database import tenant_scope
from tests.edge.dojos.turns.hall import Hall
from tests.edge.dojos.turns.people import ANA, BIA, CAIO, HOST, NODE, check


async def seat(hall: Hall, room: UUID, *people: UUID) -> None:
    for user in people:
        assert isinstance(await hall.do(room, Joined(user, NODE, True)), Applied)


async def test_a_room_is_changed_and_found_again(hall: Hall) -> None:
    room = await hall.room()
    await seat(hall, room, ANA, BIA)
    assert isinstance(await hall.do(room, SetRoles(sensei=hall.host), HOST), Applied)
    assert isinstance(await hall.start(room, Who(hall.host)), Applied)
    found = await hall.load(room)
    check(found.state, found.read_at)
    assert (found.version, found.state.pilot, found.state.sensei) == (6, ANA, hall.host)
    row = await hall.everything.fetchrow("SELECT sensei_id, turn ->> 'pilot' AS p FROM dojo_rooms")
    assert (row["sensei_id"], row["p"]) == (hall.host, str(ANA))


async def test_turns_that_end_are_written_down(hall: Hall) -> None:
    room = await hall.room()
    await seat(hall, room, ANA, BIA)
    await hall.start(room)
    for number in (1, 2):
        await hall.do(room, Skip(), HOST)
        await hall.do(room, Flushed(NODE, number))
    assert await hall.history(room) == [(1, ANA), (2, BIA)]


async def test_the_rooms_that_are_due_are_found_across_tenants(hall: Hall) -> None:
    room, other = await hall.room(), await hall.room()
    await seat(hall, room, ANA, BIA)
    await hall.start(room)
    await hall.age(room, 61)
    due = await hall.everything.fetch("SELECT * FROM dojo_turns_due()")
    assert [tuple(row) for row in due] == [(hall.tenant, room)]
    await hall.do(room, Expire())
    assert (await hall.load(other)).version == 1


async def test_an_older_version_is_stale_only_where_it_matters(hall: Hall) -> None:
    room = await hall.room()
    await seat(hall, room, ANA, BIA)
    await hall.start(room)
    version = (await hall.load(room)).version
    await seat(hall, room, CAIO)
    assert isinstance(await hall.do(room, SetRoles(copilot=CAIO), HOST, version), Applied)
    answer = await hall.do(room, SetRoles(copilot=BIA), HOST, version)
    assert isinstance(answer, Refused)
    assert answer.code == "stale_version"
    ahead = await hall.do(room, SetRoles(copilot=BIA), HOST, version + 100)
    assert isinstance(ahead, Refused)
    assert ahead.code == "stale_version"


async def test_nothing_changes_in_a_room_that_has_ended_or_is_somebody_elses(hall: Hall) -> None:
    room = await hall.room("FINISHED")
    answer = await hall.do(room, Joined(ANA, NODE, True))
    assert isinstance(answer, Refused)
    assert answer.code == "room_ended"
    async with tenant_scope(hall.pool, uuid4()) as db:
        with pytest.raises(NoRoom):
            await load(db, hall.tenant, room)


async def test_all_that_many_do_at_once_is_done(hall: Hall) -> None:
    room = await hall.room()
    people = [uuid4() for _ in range(12)]
    answers = await asyncio.gather(*(hall.do(room, Joined(user, NODE, True)) for user in people))
    assert all(isinstance(answer, Applied) for answer in answers)
    found = await hall.load(room)
    assert set(found.state.order) == set(people)
    assert found.version == 13


async def test_of_those_who_take_the_keyboard_at_once_one_gets_it(hall: Hall) -> None:
    room = await hall.room()
    await seat(hall, room, ANA, BIA, CAIO)
    answers = await asyncio.gather(*(hall.do(room, Take(), Who(user)) for user in (ANA, BIA, CAIO)))
    winners = [answer.state.pilot for answer in answers if isinstance(answer, Applied)]
    losers = [answer.code for answer in answers if isinstance(answer, Refused)]
    assert losers == ["turn_taken", "turn_taken"]
    assert winners == [(await hall.load(room)).state.pilot]


async def test_two_who_skip_at_once_skip_one_turn(hall: Hall) -> None:
    room = await hall.room()
    await seat(hall, room, ANA, BIA, CAIO)
    await hall.start(room)
    answers = await asyncio.gather(*(hall.do(room, Skip(), HOST) for _ in range(4)))
    assert sum(isinstance(answer, Applied) for answer in answers) == 1
    await hall.do(room, Flushed(NODE, 1))
    assert (await hall.load(room)).state.turn_number == 2


async def test_orders_given_together_are_answered_each(hall: Hall) -> None:
    room = await hall.room()
    orders = [
        Order(Joined(ANA, NODE, True)),
        Order(Start(), Who(ANA)),
        Order(Start(60), HOST),
        Order(Hand(True), Who(ANA)),
        Order(Start(60), HOST, expected=1),
    ]
    async with tenant_scope(hall.pool, hall.tenant) as db:
        done = await change(db, hall.tenant, room, orders)
        again = await change(db, hall.tenant, room, [Order(Expire(), SYSTEM)])
    codes = [answer.code if isinstance(answer, Refused) else "" for answer in done.answers]
    assert codes == ["", "not_host", "", "", "stale_version"]
    assert (done.after.version, done.saved, again.saved) == (2, True, False)


async def test_copies_show_the_newest_and_expire(hall: Hall, redis: Redis) -> None:
    room = await hall.room()
    await seat(hall, room, ANA, BIA)
    older = await hall.load(room)
    await hall.start(room)
    copies = Copies(redis)
    await copies.write(await hall.load(room))
    await copies.write(older)
    roles, people = roles_key(hall.tenant, room), participants_key(hall.tenant, room)
    assert await redis.hgetall(roles) == {b"version": b"5", b"pilot": str(ANA).encode(), b"copilot": str(BIA).encode()}
    assert await redis.smembers(people) == {str(ANA).encode(), str(BIA).encode()}
    assert KEPT_AFTER_END_SECONDS < await redis.ttl(roles) <= KEPT_SECONDS
    await hall.everything.execute("UPDATE dojo_rooms SET status = 'FINISHED'")
    await copies.write(await hall.load(room))
    assert await redis.ttl(roles) <= KEPT_AFTER_END_SECONDS
    assert await redis.ttl(people) <= KEPT_AFTER_END_SECONDS


async def test_nobody_in_the_room_leaves_an_empty_copy(hall: Hall, redis: Redis) -> None:
    room = await hall.room()
    await Copies(redis).write(await hall.load(room))
    assert await redis.exists(participants_key(hall.tenant, room)) == 0
    assert (await redis.hgetall(roles_key(hall.tenant, room)))[b"pilot"] == b""


async def test_the_turn_under_way_when_a_room_ends_is_written_down(hall: Hall) -> None:
    room, quiet = await hall.room(), await hall.room()
    await seat(hall, room, ANA, BIA)
    await hall.start(room)
    for each in (room, quiet):
        async with tenant_scope(hall.pool, hall.tenant) as db:
            await end_turns(db, hall.tenant, each)
    assert await hall.history(room) == [(1, ANA)]
    assert await hall.history(quiet) == []
