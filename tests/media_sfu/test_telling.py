"""What is told of rooms, over a real Redis."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from dojo.embedded.redis import EmbeddedRedis
from edge.voice.state import decode_told
from kernel.redis import create_client
from media_sfu.state import PersonState, RoomState
from media_sfu.telling import CHANNEL, Telling
from tests.media_sfu.stage import Stage, until


class Ear:
    """Subscribed to one room."""

    def __init__(self, subscription: Any) -> None:
        self._subscription = subscription

    async def next(self) -> dict[str, Any]:
        while True:
            message = await self._subscription.get_message(ignore_subscribe_messages=True, timeout=5)
            assert message is not None, "nothing was told"
            found: dict[str, Any] = msgspec.json.decode(message["data"])
            decode_told(message["data"])  # as the edge reads it
            return found

    async def nothing(self) -> None:
        assert await self._subscription.get_message(ignore_subscribe_messages=True, timeout=0.05) is None


@asynccontextmanager
async def hearing(redis: Redis, room: UUID) -> AsyncIterator[Ear]:
    async with redis.pubsub() as subscription:
        await subscription.subscribe(CHANNEL.format(room=room))
        message = await subscription.get_message(timeout=5)
        assert message is not None
        yield Ear(subscription)


@pytest.fixture
async def telling(redis: Redis) -> AsyncIterator[Telling]:
    made = Telling(redis, "sfu-1", wall=lambda: 1_700_000_000.5)
    made.start()
    yield made
    await made.close()


async def test_news_are_told_but_not_faster_than_ten_times_a_second(
    redis: Redis, telling: Telling, stage: Stage
) -> None:
    async with hearing(redis, stage.room_id) as ear:
        stage.knock(1)
        telling.look(stage.hall.rooms, 10.0)
        told = await ear.next()
        assert [person["number"] for person in told["people"]] == [1]
        assert (told["sfu"], told["at"], told["room"]) == ("sfu-1", 1_700_000_000.5, str(stage.room_id))
        for number, now in ((2, 10.02), (3, 10.04), (4, 10.09)):
            stage.knock(number)
            telling.look(stage.hall.rooms, now)
        await ear.nothing()
        telling.look(stage.hall.rooms, 10.11)
        news = await ear.next()
        assert "people" not in news
        assert news["version"] > told["version"], "others are in by now"
        telling.look(stage.hall.rooms, 10.5)
        await ear.nothing()  # no news


async def test_who_is_in_is_told_once_a_second_and_who_speaks_ten_times(
    redis: Redis, telling: Telling, stage: Stage
) -> None:
    ana = await stage.join(1)
    ben = await stage.join(2)
    async with hearing(redis, stage.room_id) as ear:
        telling.look(stage.hall.rooms, 10.0)
        whole = await ear.next()
        ben.peer.room.rights(ben.peer, may_speak=True, muted=True, preferred=False)
        telling.look(stage.hall.rooms, 10.11)
        light = await ear.next()
        assert "people" not in light
        assert (light["speaking"], light["slots"], light["own"], light["spoken"]) == ([], [None] * 3, {}, {})
        telling.look(stage.hall.rooms, 10.98)
        await ear.nothing()
        telling.look(stage.hall.rooms, 11.0)
        muted = await ear.next()
        assert [person["muted"] for person in muted["people"]] == [False, True]
        assert muted["version"] == light["version"] > whole["version"]
        await stage.speak(ana, frames=15)
        telling.look(stage.hall.rooms, 11.11)
        light = await ear.next()
        assert "people" not in light
        assert (light["speaking"], light["slots"], light["own"]) == ([1], [1, None, None], {"1": [None, None, None]})
        assert light["spoken"].keys() == {"1"}
        assert light["version"] == muted["version"]
        telling.look(stage.hall.rooms, 12.98)
        await ear.nothing()
        telling.look(stage.hall.rooms, 13.0)
        again = await ear.next()
        assert (again["version"], len(again["people"])) == (light["version"], 2)
        assert stage.room.talked == set()


async def test_what_waits_for_redis_is_the_newest_of_both(redis: Redis, stage: Stage) -> None:
    """A change does not take the place of the people, who would be missing then."""
    telling = Telling(redis, "sfu-1")
    ana = stage.knock(1)
    async with hearing(redis, stage.room_id) as ear:
        telling.look(stage.hall.rooms, 10.0)
        for now in (10.11, 10.22, 10.33):
            stage.room.rights(ana.peer, may_speak=True, muted=now > 10.3, preferred=False)
            telling.look(stage.hall.rooms, now)
        telling.start()
        assert len((await ear.next())["people"]) == 1
        assert (await ear.next())["version"] == stage.room.version
        await ear.nothing()
    await telling.close()


async def test_eight_hundred_are_not_told_of_with_every_word(redis: Redis, telling: Telling, stage: Stage) -> None:
    room = stage.knock(1).peer.room
    one = room.state().people[0]
    room.state = partial(_crowded, room.state(), one)  # type: ignore[method-assign]
    async with redis.pubsub() as subscription:
        await subscription.subscribe(CHANNEL.format(room=stage.room_id))
        assert await subscription.get_message(timeout=5) is not None
        sizes = []
        for step in range(201):
            room.changed = True
            telling.look(stage.hall.rooms, 10.0 + step * 0.02)
            await until(lambda: not telling._states and not telling._changes, "told")
        while message := await subscription.get_message(ignore_subscribe_messages=True, timeout=0.2):
            sizes.append(len(message["data"]))
    states = [size for size in sizes if size > 10_000]
    assert len(states) == 3
    assert 33 <= len(sizes) <= 41
    assert max(set(sizes) - set(states)) < 400


def _crowded(state: RoomState, one: PersonState) -> RoomState:
    return msgspec.structs.replace(state, people=[one] * 800)


async def test_a_room_without_news_is_told_of_every_two_seconds(redis: Redis, telling: Telling, stage: Stage) -> None:
    async with hearing(redis, stage.room_id) as ear:
        stage.knock(1)
        for step in range(301):
            telling.look(stage.hall.rooms, 10.0 + step * 0.02)
            if step in {0, 100, 200, 300}:
                await ear.next()
        await ear.nothing()
    assert telling.told == 4


async def test_an_empty_room_is_told_of_once(redis: Redis, telling: Telling, stage: Stage) -> None:
    async with hearing(redis, stage.room_id) as ear:
        guest = stage.knock(1)
        telling.look(stage.hall.rooms, 10.0)
        await ear.next()
        stage.hall._tell = telling.tell
        stage.hall.leave(guest.grant, guest.admitted.peer)
        told = await ear.next()
        assert told["people"] == []
        assert told["slots"] == [None, None, None]
        for now in (10.2, 13.0):
            telling.look(stage.hall.rooms, now)
        await ear.nothing()
        stage.knock(2)
        telling.look(stage.hall.rooms, 13.02)
        again = await ear.next()
        assert [person["number"] for person in again["people"]] == [2]
        assert again["version"] > told["version"], "also in a room of the same name"


async def test_what_waits_is_told_at_the_end(redis: Redis, stage: Stage) -> None:
    telling = Telling(redis, "sfu-1")
    telling.start()
    async with hearing(redis, stage.room_id) as ear:
        stage.knock(1)
        room = stage.room
        stage.hall.close()
        telling.tell(room)
        await telling.close()
        assert (await ear.next())["people"] == []


async def test_a_room_that_cannot_be_told_of_is_no_reason_not_to_tell_of_others(
    redis: Redis, telling: Telling, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    faulty = stage.knock(1, room=UUID(int=1)).peer.room
    stage.knock(2)

    def fail() -> None:
        raise RuntimeError("by design")

    faulty.state = fail  # type: ignore[assignment, method-assign]
    async with hearing(redis, stage.room_id) as ear:
        with caplog.at_level(logging.ERROR):
            telling.look(stage.hall.rooms, 10.0)
            telling.look(stage.hall.rooms, 20.0)
        assert len((await ear.next())["people"]) == 1
    assert telling.faults == 2
    assert "could not be told" in caplog.text


async def test_without_redis_nothing_is_kept(stage: Stage) -> None:
    telling = Telling(None, "sfu-1")
    telling.start()
    stage.knock(1)
    telling.look(stage.hall.rooms, 10.0)
    telling.tell(stage.room)
    assert not telling._states
    await telling.close()


async def test_redis_goes_and_comes_back(tmp_path: Path, stage: Stage) -> None:
    server = EmbeddedRedis(tmp_path)
    await server.start()
    url = server.url()
    client = create_client(url)
    telling = Telling(client, "sfu-1")
    telling.start()
    try:
        stage.knock(1)
        telling.look(stage.hall.rooms, 10.0)
        await until(lambda: telling.told == 1, "the first message")
        await server.stop()
        telling.look(stage.hall.rooms, 12.0)
        await until(lambda: telling.lost == 1, "a message that is lost")
        await server.start()
        await client.connection_pool.disconnect()
        telling.look(stage.hall.rooms, 14.0)
        await until(lambda: telling.told == 2, "the next message")
    finally:
        await telling.close()
        await client.aclose()
        await server.stop()
