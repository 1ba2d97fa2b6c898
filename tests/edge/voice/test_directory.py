"""Which process a room goes to, with a real Redis."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import msgspec
from redis.asyncio import Redis

from edge.voice.directory import FRESH_SECONDS, HOLDERS, HOLDERS_SECONDS, ROOM, SFU, SFUS, Directory, Registered
from kernel.redis import create_client
from media_sfu.registry import KEY, NAMES
from media_sfu.relay import holders

OTHERWISE = "http://127.0.0.1:1"


async def register(redis: Redis, name: str, load: float) -> str:
    url = f"http://{name}:9"
    await redis.sadd(SFUS, name)
    await redis.set(SFU + name, msgspec.json.encode(Registered(url, load, 0.0)), px=60_000)
    return url


async def test_without_anybody_in_redis_it_is_the_one_that_was_set(redis: Redis) -> None:
    for directory in (Directory(None, OTHERWISE), Directory(redis, OTHERWISE)):
        assert await directory.of_room(UUID(int=1)) == OTHERWISE
    assert await Directory(redis, None).of_room(UUID(int=1)) is None


async def test_a_room_goes_to_who_has_least_to_do_and_stays(redis: Redis) -> None:
    await register(redis, "busy", 0.9)
    idle = await register(redis, "idle", 0.1)
    directory, room = Directory(redis, OTHERWISE), uuid4()
    assert await directory.holders(room) == [], "nobody talks there yet"
    assert await directory.of_room(room) == idle
    await register(redis, "idle", 1.0)
    assert await directory.of_room(room) == idle
    assert await directory.holders(room) == [idle]
    assert 0 < await redis.ttl(ROOM + str(room)) <= 24 * 3600


async def test_a_room_whose_process_is_gone_goes_to_another(redis: Redis) -> None:
    await register(redis, "one", 0.0)
    two = await register(redis, "two", 0.5)
    directory, room = Directory(redis, OTHERWISE), uuid4()
    await directory.of_room(room)
    assert await directory.lives("one")
    await redis.delete(SFU + "one")
    assert not await directory.lives("one")
    assert await directory.holders(room) == []
    assert await directory.of_room(room) == two


async def test_all_who_ask_at_once_are_told_the_same(redis: Redis) -> None:
    for name in ("one", "two", "three"):
        await register(redis, name, 0.3)
    room = uuid4()
    told = await asyncio.gather(*(Directory(redis, None).of_room(room) for _ in range(20)))
    assert len(set(told)) == 1


async def test_a_room_moved_to_goes_where_its_people_are(redis: Redis) -> None:
    busy = await register(redis, "busy", 0.0)
    directory, room, next_room = Directory(redis, None), uuid4(), uuid4()
    assert await directory.of_room(room) == busy
    await register(redis, "busy", 0.9)
    await register(redis, "idle", 0.0)
    assert await directory.of_room(next_room, beside=room) == busy


async def test_while_redis_is_away_it_is_the_one_that_was_set() -> None:
    nowhere = create_client("redis://127.0.0.1:1")
    assert await Directory(nowhere, OTHERWISE).of_room(UUID(int=1)) == OTHERWISE
    await nowhere.aclose()


async def hold(redis: Redis, room: UUID, *names: str) -> None:
    await redis.zadd(HOLDERS + str(room), dict.fromkeys(names, 1.0))


def test_names_in_redis_are_those_that_the_processes_write() -> None:
    assert KEY.format(name="one") == SFU + "one"
    assert NAMES == SFUS
    assert holders.KEY.format(room="r") == HOLDERS + "r"


async def test_all_who_have_people_of_a_room_are_named_the_first_one_first(redis: Redis) -> None:
    two, one, three = [await register(redis, name, load) for name, load in [("two", 0.1), ("one", 0.5), ("three", 0.6)]]
    directory, room = Directory(redis, OTHERWISE), uuid4()
    assert await directory.holders(room) == []
    await directory.of_room(room)
    assert await directory.holders(room) == [two]
    await hold(redis, room, "one", "two", "gone")
    assert await directory.holders(room) == [two, one]
    await hold(redis, room, "three")
    await redis.delete(SFU + "two")
    assert await directory.holders(room) == [one, three]


async def test_a_newcomer_goes_where_the_room_is(redis: Redis) -> None:
    one = await register(redis, "one", 0.1)
    directory, room = Directory(redis, OTHERWISE, fresh_seconds=0), uuid4()
    assert await directory.seat(room) == one
    await register(redis, "one", 0.9)
    await register(redis, "two", 0.0)
    assert [await directory.seat(room) for _ in range(5)] == [one] * 5


async def test_a_room_that_is_full_spills_over_and_then_fills_all_it_is_on(redis: Redis) -> None:
    one, two = await register(redis, "one", 0.0), await register(redis, "two", 0.3)
    directory, room = Directory(redis, OTHERWISE, fresh_seconds=0), uuid4()
    assert await directory.of_room(room) == one
    await register(redis, "one", 1.0)
    await register(redis, "three", 1.0)
    assert await directory.seat(room) == two, "who says that it is full is not even asked"
    await register(redis, "one", 0.9)
    assert await directory.seat(room, full=[one]) == two
    assert await directory.of_room(room) == one, "the room is still where it was put"
    await hold(redis, room, "one", "two")
    told = [await directory.seat(room) for _ in range(200)]
    assert set(told) == {one, two}
    # In the proportion of the room that is left, 0.1 to 0.7: some 25 of 200.
    assert 5 <= told.count(one) <= 60
    assert await directory.seat(room, full=[one]) == two
    assert await directory.seat(room, full=[one, two]) is None


async def test_a_lost_room_goes_on_where_people_of_it_are(redis: Redis) -> None:
    for name, load in [("one", 0.0), ("two", 0.5), ("three", 0.2)]:
        await register(redis, name, load)
    directory, room = Directory(redis, OTHERWISE, fresh_seconds=0), uuid4()
    await directory.of_room(room)
    await hold(redis, room, "one", "two")
    await redis.delete(SFU + "one")
    assert await directory.of_room(room) == "http://two:9"


async def test_where_there_is_just_one_it_is_that_one(redis: Redis) -> None:
    nowhere, room = create_client("redis://127.0.0.1:1"), uuid4()
    for directory in (Directory(None, OTHERWISE), Directory(nowhere, OTHERWISE), Directory(redis, OTHERWISE)):
        assert await directory.seat(room) == OTHERWISE
        assert await directory.seat(room, full=[OTHERWISE]) is None
        assert await directory.holders(room) == [OTHERWISE]
    for directory in (Directory(None, None), Directory(nowhere, None), Directory(redis, None)):
        assert await directory.seat(room) is None
        assert await directory.holders(room) == []
    await nowhere.aclose()


async def test_a_crowd_asks_once_which_sfus_there_are(redis: Redis) -> None:
    now = 100.0
    one, two = await register(redis, "one", 0.1), await register(redis, "two", 0.5)
    directory, room = Directory(redis, None, clock=lambda: now), uuid4()
    assert await directory.seat(room) == one
    await register(redis, "one", 1.0)
    assert await directory.seat(room) == one
    now += FRESH_SECONDS
    assert await directory.seat(room) == two


async def test_who_took_somebody_in_is_a_holder_at_once(redis: Redis) -> None:
    one, two, three = [await register(redis, name, 0.1) for name in ("one", "two", "three")]
    directory, room = Directory(redis, None), uuid4()
    assert await directory.holds(room, two) == []
    assert await directory.holders(room) == [two]
    assert await directory.holds(room, one) == [two]
    assert await directory.holding(room) == {"one": one, "two": two}
    # As the voice process itself does.
    await holders.Holders(redis, "two").look([room])
    assert await directory.holds(room, three) == [one, two]
    assert 0 < await redis.pttl(HOLDERS + str(room)) <= holders.HOLD_MILLISECONDS == HOLDERS_SECONDS * 1000
    await holders.Holders(redis, "one").leave([room])
    assert set(await directory.holders(room)) == {two, three}


async def test_one_that_was_started_again_at_the_same_address_is_not_another(redis: Redis) -> None:
    url = await register(redis, "one", 0.1)
    await redis.sadd(SFUS, "new")
    await redis.set(SFU + "new", msgspec.json.encode(Registered(url, 0.1, 9.0)), px=60_000)
    directory, room = Directory(redis, None), uuid4()
    await hold(redis, room, "one")
    assert await directory.holds(room, url) == [], "nobody must be sent away from where they have just come"
    assert await directory.holders(room) == [url]
    assert await redis.zscore(HOLDERS + str(room), "new")


async def test_who_holds_without_redis(redis: Redis) -> None:
    nowhere, room = create_client("redis://127.0.0.1:1"), uuid4()
    for directory in (Directory(None, OTHERWISE), Directory(nowhere, OTHERWISE), Directory(redis, OTHERWISE)):
        assert await directory.holding(room) == {"": OTHERWISE}
        assert await directory.holds(room, OTHERWISE) == []
    await nowhere.aclose()
