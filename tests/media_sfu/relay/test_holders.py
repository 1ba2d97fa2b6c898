"""Who has people of a room is known within a lease, by Redis' own clock."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from kernel.redis import RedisAway, create_client
from media_sfu.registry import KEY as PROCESS
from media_sfu.registry import Registry
from media_sfu.relay.holders import HOLD_MILLISECONDS, KEY, ROOMS_AT_ONCE, Holders


async def register(redis_url: str, name: str) -> Registry:
    registry = Registry(redis_url, name, f"http://{name}", load=lambda: 0.0, relay="127.0.0.1:9", relay_key=bytes(32))
    await registry.start()
    return registry


async def test_each_sees_the_others_and_where_they_are(redis: Redis, redis_url: str) -> None:
    registries = [await register(redis_url, name) for name in ("one", "two", "three")]
    shared, own = uuid4(), uuid4()
    one, two = Holders(redis, "one"), Holders(redis, "two")
    assert (await one.look([shared, own])).others == {shared: frozenset(), own: frozenset()}
    seen = await two.look([shared])
    assert seen.others == {shared: frozenset({"one"})}
    assert {name: told.url for name, told in seen.processes.items()} == {"one": "http://one"}
    await one.leave([shared, own])
    assert (await two.look([shared])).others == {shared: frozenset()}
    assert await redis.exists(KEY.format(room=own)) == 0
    for registry in registries:
        await registry.close()


async def test_who_has_no_lease_is_nowhere(redis: Redis) -> None:
    room = uuid4()
    await Holders(redis, "one").look([room])
    seen = await Holders(redis, "two").look([room])
    assert seen.others == {room: frozenset({"one"})}
    assert seen.processes == {}
    await redis.set(PROCESS.format(name="one"), b"\xff{")
    assert (await Holders(redis, "two").look([room])).processes == {}


async def test_who_does_not_renew_is_forgotten(redis: Redis) -> None:
    room = uuid4()
    key = KEY.format(room=room)
    one, two = Holders(redis, "one"), Holders(redis, "two")
    await one.look([room])
    seconds, micros = await redis.time()
    now = seconds * 1000 + micros // 1000
    await redis.zadd(key, {"one": now - HOLD_MILLISECONDS + 2_000})
    assert (await two.look([room])).others == {room: frozenset({"one"})}
    await redis.zadd(key, {"one": now - HOLD_MILLISECONDS - 1})
    assert (await two.look([room])).others == {room: frozenset()}
    assert await redis.zrange(key, 0, -1) == [b"two"]
    assert 0 < await redis.pttl(key) <= HOLD_MILLISECONDS


async def test_many_rooms_are_looked_at_in_parts(redis: Redis) -> None:
    rooms = [UUID(int=number) for number in range(2 * ROOMS_AT_ONCE + 1)]
    await Holders(redis, "one").look(rooms[:10])
    seen = await Holders(redis, "two").look(rooms)
    assert [room for room, others in seen.others.items() if others] == rooms[:10]
    assert (await Holders(redis, "two").look([])).others == {}
    await Holders(redis, "two").leave([])


async def test_it_says_when_redis_is_away() -> None:
    nowhere = create_client("redis://127.0.0.1:1")
    with pytest.raises(RedisAway):
        await Holders(nowhere, "one").look([uuid4()])
    with pytest.raises(RedisAway):
        await Holders(nowhere, "one").leave([uuid4()])
    await nowhere.aclose()
