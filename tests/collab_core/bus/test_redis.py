"""The bus over Redis: many rooms, the bounded queue, a node that was held up itself, what gets out before the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from collab_core.bus.redis import BEAT_SECONDS, QUEUE_MESSAGES
from collab_core.identity import RoomKey
from dojo.embedded.redis import EmbeddedRedis
from kernel.redis import create_client
from tests.collab_core.bus.redis_nodes import NOTICED_SECONDS, ROOM, Node, cut_off, meet
from tests.collab_core.journal.watching import Watched
from tests.collab_core.live import on_uvloop, until


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


async def test_a_bus_that_was_not_started(client: Redis) -> None:
    node = Node(client)
    await node.bus.subscribe(ROOM, node.heard)
    node.bus.publish(ROOM, b"dropped")
    node.bus.unsubscribe(ROOM)
    assert not node.bus.up
    await node.bus.close()
