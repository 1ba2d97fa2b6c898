"""The bus over a Redis that is cut off, killed, paused, full, refuses, or was never there."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from collab_core.bus import channels
from collab_core.bus.redis import BEAT_SECONDS, FLUSH_SECONDS, SUBSCRIBE_SECONDS
from collab_core.identity import RoomKey
from dojo.embedded.redis import EmbeddedRedis
from kernel.redis import create_client
from tests.collab_core.bus.redis_nodes import NOTICED_SECONDS, ROOM, SLACK_SECONDS, Node, cut_off, meet, paused
from tests.collab_core.journal.watching import Watched
from tests.collab_core.live import until


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


async def test_the_end_waits_for_no_one(nodes: tuple[Node, Node], server: EmbeddedRedis) -> None:
    ana, ben = nodes
    paused(server)
    ana.bus.publish(ROOM, b"nobody hears it")
    began = time.monotonic()
    await asyncio.gather(ana.bus.close(), ben.bus.close())
    assert time.monotonic() - began < FLUSH_SECONDS + SLACK_SECONDS
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("bus")] == []
    paused(server, so=False)


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
