"""What every bus promises, asked of the one within a process and of the one over Redis alike."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from collab_core.bus.local import LocalBus, LocalExchange
from collab_core.bus.port import Bus
from collab_core.bus.redis import RedisBus
from collab_core.identity import RoomKey
from dojo.embedded.redis import EmbeddedRedis
from kernel.redis import create_client
from tests.collab_core.journal.watching import Watched
from tests.collab_core.live import until

ACME, GLOBEX = uuid4(), uuid4()
ROOM = RoomKey(ACME, "kata")
MANY = 5_000

Join = Callable[[UUID], Awaitable[Bus]]


@pytest.fixture(params=["local", "redis"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where Redis is, for the bus over Redis."""
    if request.param == "local":
        return None
    server: EmbeddedRedis = request.getfixturevalue("redis_server")
    return server.url()


@pytest.fixture
async def join(url: str | None) -> AsyncIterator[Join]:
    """Starts the bus of one more node."""
    opened: list[RedisBus] = []
    exchange = LocalExchange()
    client = create_client(url) if url is not None else None

    async def another(epoch: UUID) -> LocalBus | RedisBus:
        if client is None:
            return exchange.join(epoch)
        bus = RedisBus(client, epoch)
        opened.append(bus)
        await bus.start()
        await until(lambda: bus.up)
        return bus

    yield another
    for bus in opened:
        await bus.close()
    if client is not None:
        await client.aclose()


def ignore(_message: bytes) -> None:
    """For what a test does not look at."""


async def test_what_one_says_the_others_in_the_room_hear_in_order(join: Join) -> None:
    speaker, *hearers = [await join(uuid4()) for _ in range(3)]
    heard = [Watched[bytes]() for _ in hearers]
    for bus, each in zip(hearers, heard, strict=True):
        await bus.subscribe(ROOM, each)
    said = [b"%d" % number for number in range(MANY)]
    for message in said:
        speaker.publish(ROOM, message)
    for each in heard:
        await each.until_last(said[-1])
        assert each.values == said


async def test_both_ways_at_once(join: Join) -> None:
    ana, ben = await join(uuid4()), await join(uuid4())
    to_ana, to_ben = Watched[bytes](), Watched[bytes]()
    await asyncio.gather(ana.subscribe(ROOM, to_ana), ben.subscribe(ROOM, to_ben))
    for number in range(100):
        ana.publish(ROOM, b"a%d" % number)
        ben.publish(ROOM, b"b%d" % number)
        if number % 10 == 0:
            await asyncio.sleep(0)
    await to_ana.until(lambda values: b"b99" in values)
    await to_ben.until(lambda values: b"a99" in values)
    # One's own may come back or not.
    assert [one for one in to_ana.values if one.startswith(b"b")] == [b"b%d" % number for number in range(100)]
    assert [one for one in to_ben.values if one.startswith(b"a")] == [b"a%d" % number for number in range(100)]


async def test_a_room_is_its_tenant_s_whatever_it_is_called(join: Join) -> None:
    speaker, hearer = await join(uuid4()), await join(uuid4())
    names = ["kata", f"{GLOBEX}:kata", ":", "*", "kata?", "a b\r\nc", "käta \U0001f94b", "k" * 1_000, ""]
    keys = [RoomKey(tenant, name) for tenant in (ACME, GLOBEX) for name in names]
    heard = {key: Watched[bytes]() for key in keys}
    for key in keys:
        await hearer.subscribe(key, heard[key])
    for number, key in enumerate(keys):
        speaker.publish(key, b"to %d" % number)
        speaker.publish(key, b"end")
    for number, key in enumerate(keys):
        await heard[key].until_last(b"end")
        assert heard[key].values == [b"to %d" % number, b"end"]


async def test_a_message_is_any_bytes_and_may_be_large(join: Join) -> None:
    speaker, hearer = await join(uuid4()), await join(uuid4())
    heard = Watched[bytes]()
    await hearer.subscribe(ROOM, heard)
    said = [b"", b"\r\n", b"$5\r\n", bytes(range(256)), bytes(2 * 1024 * 1024), b"end"]
    for message in said:
        speaker.publish(ROOM, message)
    await heard.until_last(b"end")
    assert heard.values == said


async def test_what_is_sent_to_a_node_only_that_one_hears_and_in_order_with_the_rest(join: Join) -> None:
    here, there = uuid4(), uuid4()
    speaker, hearer, other = await join(uuid4()), await join(here), await join(there)
    heard, others, elsewhere = Watched[bytes](), Watched[bytes](), Watched[bytes]()
    await hearer.subscribe(ROOM, heard)
    await hearer.subscribe(RoomKey(GLOBEX, "kata"), elsewhere)
    await other.subscribe(ROOM, others)
    speaker.publish(ROOM, b"1")
    speaker.send(here, ROOM, b"2")
    speaker.publish(ROOM, b"3")
    speaker.send(here, RoomKey(ACME, "nobody has it open"), b"lost")
    speaker.send(uuid4(), ROOM, b"lost")
    speaker.publish(ROOM, b"end")
    await heard.until_last(b"end")
    await others.until_last(b"end")
    assert heard.values == [b"1", b"2", b"3", b"end"]
    assert others.values == [b"1", b"3", b"end"]
    assert elsewhere.values == []


async def test_a_node_may_send_to_itself(join: Join) -> None:
    epoch = uuid4()
    bus = await join(epoch)
    heard = Watched[bytes]()
    await bus.subscribe(ROOM, heard)
    bus.send(epoch, ROOM, b"note")
    await heard.until_last(b"note")


async def test_after_leaving_a_room_nothing_is_heard(join: Join) -> None:
    speaker, hearer = await join(uuid4()), await join(uuid4())
    lobby = RoomKey(ACME, "lobby")
    heard, after = Watched[bytes](), Watched[bytes]()
    await hearer.subscribe(ROOM, heard)
    await hearer.subscribe(lobby, after)
    speaker.publish(ROOM, b"before")
    await heard.until_last(b"before")
    speaker.publish(ROOM, b"on its way")
    hearer.unsubscribe(ROOM)
    hearer.unsubscribe(RoomKey(ACME, "never was in it"))
    speaker.publish(ROOM, b"after")
    speaker.publish(lobby, b"end")
    await after.until_last(b"end")
    assert heard.values == [b"before"]


async def test_whoever_goes_and_comes_again_at_once_hears(join: Join) -> None:
    speaker, hearer = await join(uuid4()), await join(uuid4())
    for number in range(50):
        heard = Watched[bytes]()
        await hearer.subscribe(ROOM, heard)
        speaker.publish(ROOM, b"%d" % number)
        await heard.until_last(b"%d" % number)
        hearer.unsubscribe(ROOM)
        if number % 3:
            await asyncio.sleep(0)
        if number % 5 == 0:  # and away again before it is confirmed
            again = asyncio.create_task(hearer.subscribe(ROOM, ignore))
            await asyncio.sleep(0)
            hearer.unsubscribe(ROOM)
            await again


async def test_the_last_who_wants_to_hear_a_room_does(join: Join) -> None:
    speaker, hearer = await join(uuid4()), await join(uuid4())
    former, heard = Watched[bytes](), Watched[bytes]()
    await hearer.subscribe(ROOM, former)
    await hearer.subscribe(ROOM, heard)
    speaker.publish(ROOM, b"end")
    await heard.until_last(b"end")
    assert former.values == []


async def test_a_hearer_that_fails_costs_nobody_anything(join: Join, caplog: pytest.LogCaptureFixture) -> None:
    here = uuid4()
    speaker, hearer = await join(uuid4()), await join(here)
    heard = Watched[bytes]()

    def hear(message: bytes) -> None:
        heard(message)
        if message != b"end":
            raise RuntimeError("cannot take it")

    await hearer.subscribe(ROOM, hear)
    speaker.publish(ROOM, b"1")
    speaker.send(here, ROOM, b"2")
    speaker.publish(ROOM, b"end")
    await heard.until_last(b"end")
    assert heard.values == [b"1", b"2", b"end"]
    assert hearer.up
    failures = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [str(record.exc_info[1]) for record in failures if record.exc_info] == ["cannot take it"] * 2


async def test_who_is_not_interrupted_is_not_called(join: Join) -> None:
    bus = await join(uuid4())
    called = Watched[None]()
    bus.on_interrupted(lambda: called(None))
    heard = Watched[bytes]()
    await bus.subscribe(ROOM, heard)
    (await join(uuid4())).publish(ROOM, b"end")
    await heard.until_last(b"end")
    assert bus.up
    assert not bus.alone
    assert called.values == []
