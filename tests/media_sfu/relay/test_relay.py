"""Two processes' relays with real sockets and a real Redis, and rooms that only write down what they are told."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from dojo.embedded.redis import EmbeddedRedis
from kernel.redis import create_client
from media_sfu.frame import Frame
from media_sfu.registry import Registered, Registry
from media_sfu.relay.holders import Holders, Seen
from media_sfu.relay.relay import MOST_LINKS, Relay, RoomRelay
from media_sfu.relay.sealing import PairKeys, Sealer
from media_sfu.rtp import RtpPacket
from media_sfu.source import Source
from media_sfu.udp import UdpSocket

SOON = 3.0
"""Seconds: several beats."""


class QuietRoom:
    """A room in which whatever comes is written down."""

    def __init__(self, room: UUID) -> None:
        self.id = room
        self.relay: RoomRelay | None = None
        self.preferred: list[int] = []
        self.heard: list[int] = []
        self.ended: list[int] = []

    def relayed(self, number: int, packet: RtpPacket, frames: Sequence[Frame], now: float, *, preferred: bool) -> bool:
        self.heard.append(number)
        return True

    def unrelayed(self, number: int) -> None:
        self.ended.append(number)


class Process:
    """One relay with its rooms, registered."""

    def __init__(self, redis: Redis, name: str, redis_url: str = "redis://127.0.0.1:1") -> None:
        self.name = name
        self.rooms: dict[UUID, QuietRoom] = {}
        self.key = name.encode().ljust(32, b"-")
        self.relay = Relay(
            Holders(redis, name),
            UdpSocket.bind("127.0.0.1", 0),
            name,
            self.key,
            rooms=lambda: self.rooms,
            slots=3,
            clock=time.monotonic,
        )
        host, port = self.relay.address
        self.registry = Registry(
            redis_url, name, f"http://{name}", load=lambda: 0.5, relay=f"{host}:{port}", relay_key=self.key
        )
        self.registered = Registered(f"http://{name}", 0.5, 0.0, f"{host}:{port}", base64.b64encode(self.key).decode())
        self._frame = 0

    def enter(self, room: UUID) -> QuietRoom:
        self.rooms[room] = QuietRoom(room)
        self.relay.step(time.monotonic())
        return self.rooms[room]

    def say(self, room: QuietRoom, source: Source) -> None:
        self._frame += 1
        packet = RtpPacket(False, 111, self._frame, self._frame * 960, 1, 10 + self._frame % 7, True, bytes(40))
        assert room.relay is not None
        room.relay.said(source, packet, [Frame(self._frame, self._frame * 960, False, bytes(40))], time.monotonic())


@asynccontextmanager
async def running(redis: Redis, redis_url: str, *names: str) -> AsyncIterator[list[Process]]:
    processes = [Process(redis, name, redis_url) for name in names]
    for process in processes:
        await process.registry.start()
        process.relay.start()
    try:
        yield processes
    finally:
        for process in processes:
            await process.relay.close()
            await process.registry.close()


async def until(condition: object, seconds: float = SOON) -> None:
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a socket tells of nothing but what it reads
            await asyncio.sleep(0.01)


async def test_a_room_is_shared_while_two_have_people_of_it(redis: Redis, redis_url: str) -> None:
    room = uuid4()
    async with running(redis, redis_url, "one", "two") as (one, two):
        here = one.enter(room)
        one.enter(uuid4())
        there = two.enter(room)
        await until(lambda: here.relay is not None and there.relay is not None)
        assert (one.relay.shared, two.relay.shared) == (1, 1)
        source = Source(7)
        for _ in range(5):
            one.say(here, source)
        await until(lambda: len(there.heard) == 5)
        assert there.heard == [7] * 5
        assert two.relay.speakers == 1
        assert two.relay.counts.received == one.relay.counts.sent == 5
        # What came from there is not sent on, so it never comes back.
        assert two.relay.counts.sent == 0
        assert here.heard == []
        del two.rooms[room]
        two.relay.step(time.monotonic())
        await until(lambda: here.relay is None)
        assert there.ended == [7]
        assert one.relay.shared == 0


async def test_a_room_that_was_left_and_entered_again_is_another_one(redis: Redis, redis_url: str) -> None:
    room = uuid4()
    async with running(redis, redis_url, "one", "two") as (one, two):
        before, there = one.enter(room), two.enter(room)
        await until(lambda: before.relay is not None and there.relay is not None)
        after = one.enter(room)
        await until(lambda: after.relay is not None)
        assert before.relay is None
        two.say(there, Source(3))
        await until(lambda: after.heard == [3])
        assert before.heard == []


async def test_a_process_whose_lease_ends_is_sent_nothing_more(redis: Redis, redis_url: str) -> None:
    room = uuid4()
    async with running(redis, redis_url, "one", "two") as (one, two):
        here, there = one.enter(room), two.enter(room)
        await until(lambda: here.relay is not None and there.relay is not None)
        await two.registry.close()
        await until(lambda: here.relay is None)


async def test_without_redis_all_goes_on_as_it_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    await server.start()
    redis = create_client(server.url())
    try:
        async with running(redis, server.url(), "one", "two") as (one, two):
            room = uuid4()
            here, there = one.enter(room), two.enter(room)
            await until(lambda: here.relay is not None and there.relay is not None)
            await server.stop()
            await asyncio.sleep(0.7)  # a beat and more: what it finds then must change nothing
            one.say(here, Source(7))
            await until(lambda: there.heard == [7])
    finally:
        await redis.aclose()
        await server.stop()


def seen(*processes: Process, rooms: Sequence[UUID]) -> Seen:
    names = frozenset(process.name for process in processes)
    return Seen(dict.fromkeys(rooms, names), {process.name: process.registered for process in processes})


async def test_what_a_process_registers_may_be_nonsense(redis: Redis) -> None:
    one, two, room = Process(redis, "one"), Process(redis, "two"), uuid4()
    here = one.enter(room)
    good = two.registered
    for relay, key in [
        ("", good.relay_key),
        ("nowhere", good.relay_key),
        ("127.0.0.1:x", good.relay_key),
        ("[::1]:5", good.relay_key),
        (good.relay, "?"),
        (good.relay, ""),
        (good.relay, "QUJD"),
    ]:
        told = Registered("http://two", 0.1, 0.0, relay, key)
        one.relay.settle(Seen({room: frozenset({"two"})}, {"two": told}))
        assert here.relay is None
    one.relay.settle(Seen({room: frozenset({"two"})}, {"two": good}))
    assert here.relay is not None
    await one.relay.close()
    await two.relay.close()


async def test_the_processes_that_are_remembered_are_bounded(redis: Redis) -> None:
    one, two, room = Process(redis, "one"), Process(redis, "two"), uuid4()
    here = one.enter(room)
    one.relay.settle(seen(two, rooms=[room]))
    for number in range(MOST_LINKS + 20):
        gone = Registered("http://gone", 0.1, 0.0, "127.0.0.1:9", base64.b64encode(bytes(32)).decode())
        told = {"two": two.registered, f"gone{number}": gone}
        one.relay.settle(Seen({room: frozenset(told)}, told))
    assert here.relay is not None
    assert len(one.relay._links) == MOST_LINKS
    assert "two" in one.relay._links
    await one.relay.close()
    await two.relay.close()


async def test_what_cannot_be_encrypted_is_not_sent(redis: Redis) -> None:
    one, two, room = Process(redis, "one"), Process(redis, "two"), uuid4()
    here = one.enter(room)
    one.relay.settle(seen(two, rooms=[room]))
    assert here.relay is not None
    here.relay.targets[0].sealer.seal = lambda plain: None  # type: ignore[method-assign]
    one.say(here, Source(7))
    assert (one.relay.counts.refused, one.relay.counts.sent) == (1, 0)
    await one.relay.close()
    await two.relay.close()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(data=st.binary(max_size=200), sealed=st.booleans())
async def test_any_datagram_is_dropped_and_counted(redis: Redis, data: bytes, *, sealed: bool) -> None:
    one, two, room = Process(redis, "one"), Process(redis, "two"), uuid4()
    here = one.enter(room)
    one.relay.settle(seen(two, rooms=[room]))
    path = two.relay._udp.path(one.relay.address)
    if sealed:
        packet = Sealer(PairKeys.derive(two.key, "two", "one"), iter([1])).seal(data)
        assert packet is not None
        data = packet
    one.relay.receive(data, path)
    counts = one.relay.counts
    assert counts.unknown + counts.unauthentic + counts.malformed + counts.astray == 1
    assert here.heard == []
    await one.relay.close()
    await two.relay.close()
