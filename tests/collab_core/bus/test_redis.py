"""The bus over a Redis that is cut off, killed, paused, full, refuses, or was never there."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from collab_core.bus import channels
from collab_core.bus.redis import (
    BEAT_SECONDS,
    FLUSH_SECONDS,
    QUEUE_MESSAGES,
    SUBSCRIBE_SECONDS,
    RedisBus,
)
from collab_core.identity import RoomKey
from dojo.embedded.redis import EmbeddedRedis
from kernel.redis import create_client
from tests.collab_core.journal.watching import Watched
from tests.collab_core.live import on_uvloop, until

ROOM = RoomKey(uuid4(), "kata")
NOTICED_SECONDS = 3 * BEAT_SECONDS
"""A Redis that stands still is noticed within."""
SLACK_SECONDS = 1.5
"""On top of a time limit, on a busy machine."""


class Node:
    """A bus, what it heard in one room, and how often it was interrupted."""

    def __init__(self, redis: Redis) -> None:
        self.epoch = uuid4()
        self.bus = RedisBus(redis, self.epoch)
        self.heard = Watched[bytes]()
        self.interrupted = Watched[int]()
        self.bus.on_interrupted(lambda: self.interrupted(1))

    def sample(self, name: str) -> float:
        return {sample.name: sample.value for sample in self.bus.samples()}[f"dojo_bus_{name}"]

    async def until_interrupted(self, times: int = 1) -> None:
        await self.interrupted.until(lambda values: len(values) == times)

    async def until_up(self, up: bool = True) -> None:
        await until(lambda: self.bus.up is up)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    """A Redis of the test's own."""
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(server: EmbeddedRedis) -> AsyncIterator[Redis]:
    client = create_client(server.url(), name="test")
    yield client
    await client.aclose()


@pytest.fixture
async def nodes(client: Redis) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes in the same room."""
    two = Node(client), Node(client)
    for node in two:
        await node.bus.start()
        await node.until_up()
        await node.bus.subscribe(ROOM, node.heard)
    yield two
    for node in two:
        await node.bus.close()


async def meet(*nodes: Node, word: bytes) -> None:
    """All are up and hear the first one."""
    for node in nodes:
        await node.until_up()
    nodes[0].bus.publish(ROOM, word)
    for node in nodes:
        await node.heard.until_last(word)


def paused(server: EmbeddedRedis, *, so: bool = True) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP if so else signal.SIGCONT)


async def cut_off(client: Redis, which: Callable[[dict[str, str]], bool]) -> None:
    """End the connections of buses."""
    for each in await client.client_list():
        if each["name"] == "test-bus" and which(each):
            await client.client_kill_filter(_id=each["id"])


async def test_two_thousand_rooms_at_once(nodes: tuple[Node, Node], client: Redis) -> None:
    speaker, hearer = nodes
    keys = [RoomKey(ROOM.tenant, f"room {number}") for number in range(2_000)]
    heard = Watched[tuple[RoomKey, bytes]]()

    def hearing(key: RoomKey) -> Callable[[bytes], None]:
        return lambda message: heard((key, message))

    await asyncio.gather(*(hearer.bus.subscribe(key, hearing(key)) for key in keys))
    assert hearer.sample("rooms") == 2_001
    for key in keys:
        speaker.bus.publish(key, b"hello")
    await heard.until(lambda values: len(values) == len(keys))
    assert heard.values == [(key, b"hello") for key in keys]
    await cut_off(client, lambda each: int(each["sub"]) > 2)
    await hearer.until_interrupted()
    for key in keys:
        speaker.bus.publish(key, b"again")
    await heard.until(lambda values: len(values) == 2 * len(keys))
    assert heard.values[len(keys) :] == [(key, b"again") for key in keys]
    for key in keys:
        hearer.bus.unsubscribe(key)
    await until(lambda: hearer.sample("rooms") == 1)


@pytest.mark.parametrize("listening", [True, False])
async def test_a_connection_that_ends_is_made_anew(nodes: tuple[Node, Node], client: Redis, listening: bool) -> None:
    ana, ben = nodes
    for number in range(1, 4):
        await cut_off(client, lambda each: (int(each["sub"]) > 0) is listening)
        await asyncio.gather(*(node.until_interrupted(number) for node in nodes))
        await meet(ana, ben, word=b"round %d" % number)
    assert [len(node.interrupted.values) for node in nodes] == [3, 3]
    assert [node.sample("reconnects_total") for node in nodes] == [3, 3]


async def test_one_that_is_paused_is_noticed_and_nothing_is_said_later(
    nodes: tuple[Node, Node], server: EmbeddedRedis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ana, ben = nodes
    lobby = RoomKey(ROOM.tenant, "lobby")
    in_lobby = Watched[bytes]()
    paused(server)
    began = time.monotonic()
    await asyncio.gather(ana.until_up(False), ben.until_up(False))
    assert time.monotonic() - began < NOTICED_SECONDS + SLACK_SECONDS
    for number in range(100):
        ana.bus.publish(ROOM, b"while down %d" % number)
        ana.bus.send(ben.epoch, ROOM, b"while down %d" % number)
    assert ana.sample("dropped_total") >= 200
    assert ana.sample("queue_bytes") == 0
    began = time.monotonic()
    await ben.bus.subscribe(lobby, in_lobby)
    assert time.monotonic() - began < SUBSCRIBE_SECONDS + SLACK_SECONDS
    await asyncio.sleep(3 - NOTICED_SECONDS)  # so long it is paused, and tried again
    assert not ana.bus.up
    paused(server, so=False)
    await asyncio.gather(*(node.until_interrupted() for node in nodes))
    await meet(ana, ben, word=b"after")
    assert ben.heard.values == [b"after"]
    ana.bus.publish(lobby, b"end")
    await in_lobby.until_last(b"end")
    assert [len(node.interrupted.values) for node in nodes] == [1, 1]
    messages = [record.getMessage() for record in caplog.records if record.name == "collab_core.bus.redis"]
    assert len([message for message in messages if "the bus is down" in message]) == 2
    assert len([message for message in messages if "the bus is up again" in message]) == 2


async def test_one_that_is_paused_for_a_moment_is_no_interruption(
    nodes: tuple[Node, Node], server: EmbeddedRedis
) -> None:
    ana, ben = nodes
    paused(server)
    ana.bus.publish(ROOM, b"soon")
    await asyncio.sleep(BEAT_SECONDS / 2)
    paused(server, so=False)
    await ben.heard.until_last(b"soon")
    await asyncio.sleep(2 * BEAT_SECONDS)
    assert [node.sample("reconnects_total") for node in nodes] == [0, 0]


async def test_one_that_is_killed_and_started_again(nodes: tuple[Node, Node], server: EmbeddedRedis) -> None:
    ana, ben = nodes
    for number in range(1, 3):
        await server.kill()
        await asyncio.gather(ana.until_up(False), ben.until_up(False))
        ana.bus.publish(ROOM, b"lost")
        await server.start()
        await asyncio.gather(*(node.until_interrupted(number) for node in nodes))
        await meet(ana, ben, word=b"round %d" % number)
    assert ben.heard.values == [b"round 1", b"round 2"]


async def test_one_that_is_not_there_yet(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    client = create_client(server.url())
    ana, ben = Node(client), Node(client)
    began = time.monotonic()
    for node in (ana, ben):
        await node.bus.start()
        await node.bus.subscribe(ROOM, node.heard)
        assert not node.bus.up
    assert time.monotonic() - began < 4 * SUBSCRIBE_SECONDS + SLACK_SECONDS
    await server.start()
    await asyncio.gather(*(node.until_interrupted() for node in (ana, ben)))
    await meet(ana, ben, word=b"hello")
    for node in (ana, ben):
        await node.bus.close()
        assert not node.bus.up
        node.bus.publish(ROOM, b"closed")
    await client.aclose()
    await server.stop()


async def test_one_whose_memory_is_full_carries_messages_all_the_same(nodes: tuple[Node, Node], client: Redis) -> None:
    ana, ben = nodes
    await client.config_set("maxmemory", 1)
    await meet(ana, ben, word=b"full")
    await cut_off(client, lambda _each: True)
    await asyncio.gather(*(node.until_interrupted() for node in nodes))
    await meet(ana, ben, word=b"still full")


async def test_one_that_refuses_is_down_until_it_does_not(
    nodes: tuple[Node, Node], client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    ana, ben = nodes
    await client.acl_setuser("default", enabled=True, commands=["-publish"])
    ana.bus.publish(ROOM, b"refused")
    await asyncio.gather(ana.until_up(False), ben.until_up(False))
    assert ana.sample("dropped_total") >= 1
    await client.acl_setuser("default", enabled=True, commands=["+publish"])
    await asyncio.gather(*(node.until_interrupted() for node in nodes))
    await meet(ana, ben, word=b"allowed")
    assert "RedisRefused: NOPERM" in caplog.text


class Crossing:
    """A socket behind which every other connection goes to another Redis, as after a failover gone wrong."""

    def __init__(self, *sockets: str) -> None:
        self._sockets = itertools.cycle(sockets)
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(next(self._sockets))
        for one, other in ((reader, there[1]), (there[0], writer)):
            self._tasks.add(asyncio.create_task(self._pass_on(one, other)))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
        finally:
            writer.close()


async def test_speaking_to_one_redis_and_listening_to_another_is_not_up(
    server: EmbeddedRedis,
    client: Redis,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("collab_core.bus.redis.BEATS_UNHEARD", 3)
    other = EmbeddedRedis(tmp_path / "other")
    await other.start()
    crossing = Crossing(*(str(tmp_path / folder / "run" / "redis.sock") for folder in ("redis", "other")))
    door = await asyncio.start_unix_server(crossing.take, tmp_path / "door")
    through = create_client(f"unix://{tmp_path}/door")
    node = Node(through)
    await node.bus.start()
    await node.bus.subscribe(ROOM, node.heard)

    async def others_speak() -> None:
        while "not our own beat" not in caplog.text:
            await client.publish(channels.of_room(ROOM), b"from elsewhere")
            await asyncio.sleep(BEAT_SECONDS / 4)

    await asyncio.wait_for(others_speak(), 20)
    assert b"from elsewhere" in node.heard.values
    assert node.sample("reconnects_total") == 0
    assert not node.bus.up
    await node.bus.close()
    await through.aclose()
    door.close()
    await crossing.close()
    await other.stop()


async def test_a_subscriber_that_is_cut_for_being_slow_is_told(nodes: tuple[Node, Node], client: Redis) -> None:
    ana, ben = nodes
    await client.config_set("client-output-buffer-limit", "pubsub 65536 0 0")
    ana.bus.publish(ROOM, bytes(1024 * 1024))
    await asyncio.gather(*(node.until_interrupted() for node in nodes))
    await meet(ana, ben, word=b"after")
    assert ben.heard.values == [b"after"]


async def test_more_than_the_queue_takes_is_dropped_and_told(nodes: tuple[Node, Node]) -> None:
    ana, ben = nodes
    for number in range(QUEUE_MESSAGES + 5):
        ana.bus.publish(ROOM, b"%d" % number)
    assert ana.sample("dropped_total") == 5
    assert ana.sample("published_total") == QUEUE_MESSAGES
    await ana.until_interrupted()
    await ben.heard.until_last(b"%d" % (QUEUE_MESSAGES - 1))
    assert ben.heard.values == [b"%d" % number for number in range(QUEUE_MESSAGES)]
    assert ana.sample("reconnects_total") == 0
    assert ben.interrupted.values == []


async def test_a_node_that_was_held_up_itself_blames_nobody(nodes: tuple[Node, Node]) -> None:
    ana, ben = nodes
    time.sleep(1.25 * NOTICED_SECONDS)  # noqa: ASYNC251 - the event loop stands still
    await meet(ana, ben, word=b"awake")
    await asyncio.sleep(2 * BEAT_SECONDS)
    assert [node.sample("reconnects_total") for node in nodes] == [0, 0]
    assert [node.interrupted.values for node in nodes] == [[], []]


@on_uvloop
async def test_a_node_on_uvloop_that_was_held_up_itself_blames_nobody(redis_server: EmbeddedRedis) -> None:
    client = create_client(redis_server.url())
    node = Node(client)
    await node.bus.start()
    await node.until_up()
    await node.bus.subscribe(ROOM, node.heard)
    subscribing = asyncio.create_task(node.bus.subscribe(RoomKey(ROOM.tenant, "lobby"), node.heard))
    await asyncio.sleep(0)
    time.sleep(1.25 * NOTICED_SECONDS)  # noqa: ASYNC251
    await subscribing
    await meet(node, word=b"awake")
    await asyncio.sleep(2 * BEAT_SECONDS)
    assert node.sample("reconnects_total") == 0
    assert node.interrupted.values == []
    await node.bus.close()
    await client.aclose()


async def test_a_node_that_was_held_up_is_behind_until_its_own_beat_came(nodes: tuple[Node, Node]) -> None:
    bus = nodes[0].bus

    async def until_caught_up() -> None:
        async with asyncio.timeout(20.0):
            while bus.behind:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.01)

    await until_caught_up()
    time.sleep(1.5)  # noqa: ASYNC251 - the whole process stands still
    assert bus.behind
    await until_caught_up()
    assert bus.up


async def test_what_was_said_before_the_end_gets_out(nodes: tuple[Node, Node]) -> None:
    ana, ben = nodes
    for number in range(3_000):
        ana.bus.publish(ROOM, b"%d" % number)
    ana.bus.publish(ROOM, b"end")
    await ana.bus.close()
    await ben.heard.until_last(b"end")
    assert len(ben.heard.values) == 3_001


async def test_the_end_waits_for_no_one(nodes: tuple[Node, Node], server: EmbeddedRedis) -> None:
    ana, ben = nodes
    paused(server)
    ana.bus.publish(ROOM, b"nobody hears it")
    began = time.monotonic()
    await asyncio.gather(ana.bus.close(), ben.bus.close())
    assert time.monotonic() - began < FLUSH_SECONDS + SLACK_SECONDS
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("bus")] == []
    paused(server, so=False)


async def test_what_it_counts(nodes: tuple[Node, Node]) -> None:
    ana, ben = nodes
    for number in range(10):
        ana.bus.publish(ROOM, b"%d" % number)
    ana.bus.send(ben.epoch, ROOM, b"end")
    await ben.heard.until_last(b"end")
    assert (ana.sample("published_total"), ana.sample("dropped_total")) == (11, 0)
    assert ben.sample("received_total") == 11
    assert ben.sample("up") == 1
    assert 0 < ben.sample("round_trip_seconds") < 1


async def test_a_message_to_a_node_that_makes_no_sense(
    nodes: tuple[Node, Node], client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    ana, ben = nodes
    await client.publish(f"dojo:node:{ben.epoch}", b"\xff")
    await client.publish(f"dojo:node:{ben.epoch}", b"\xff" * 50)
    await meet(ana, ben, word=b"after")
    assert caplog.text.count("a message of the bus is not taken") == 2


async def test_a_wrong_password_is_no_secret_in_the_log(
    server: EmbeddedRedis, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await client.config_set("requirepass", "right-word")
    stranger = create_client(server.url().replace("unix://", "unix://:hidden-word@"))
    node = Node(stranger)
    await node.bus.start()
    await until(lambda: "the bus is down" in caplog.text)
    assert not node.bus.up
    assert "hidden-word" not in caplog.text
    await node.bus.close()
    await stranger.aclose()


async def test_a_bus_that_was_not_started(client: Redis) -> None:
    node = Node(client)
    await node.bus.subscribe(ROOM, node.heard)
    node.bus.publish(ROOM, b"dropped")
    node.bus.unsubscribe(ROOM)
    assert not node.bus.up
    await node.bus.close()
