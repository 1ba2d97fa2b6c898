"""Which process a room goes to, with a real Redis."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import msgspec
from redis.asyncio import Redis

from edge.voice.directory import ROOM, SFU, SFUS, Directory, Registered
from kernel.redis import create_client

OTHERWISE = "http://127.0.0.1:1"


async def register(redis: Redis, name: str, load: float) -> str:
    url = f"http://{name}:9"
    await redis.sadd(SFUS, name)
    await redis.set(SFU + name, msgspec.json.encode(Registered(url, load, 0.0)), px=60_000)
    return url


async def test_without_anybody_in_redis_it_is_the_one_that_was_set(redis: Redis) -> None:
    for directory in (Directory(None, OTHERWISE), Directory(redis, OTHERWISE)):
        assert await directory.of_room(UUID(int=1)) == OTHERWISE
        assert await directory.known(UUID(int=1)) == OTHERWISE
    assert await Directory(redis, None).of_room(UUID(int=1)) is None


async def test_a_room_goes_to_who_has_least_to_do_and_stays(redis: Redis) -> None:
    await register(redis, "busy", 0.9)
    idle = await register(redis, "idle", 0.1)
    directory, room = Directory(redis, OTHERWISE), uuid4()
    assert await directory.known(room) is None, "nobody talks there yet"
    assert await directory.of_room(room) == idle
    await register(redis, "idle", 1.0)
    assert await directory.of_room(room) == await directory.known(room) == idle
    assert 0 < await redis.ttl(ROOM + str(room)) <= 24 * 3600


async def test_a_room_whose_process_is_gone_goes_to_another(redis: Redis) -> None:
    await register(redis, "one", 0.0)
    two = await register(redis, "two", 0.5)
    directory, room = Directory(redis, OTHERWISE), uuid4()
    await directory.of_room(room)
    assert await directory.lives("one")
    await redis.delete(SFU + "one")
    assert not await directory.lives("one")
    assert await directory.known(room) is None
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
