"""Three voice processes, as they run, share a room: who is heard, what goes between them, and one that is killed."""

from __future__ import annotations

import asyncio
import base64
import itertools
import secrets
import socket
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import msgspec
import pytest
import pytest_asyncio

from dojo.embedded.redis import EmbeddedRedis
from dojo.process import Child, Program
from dojo.settings import RedisSettings, Settings, VoiceSettings
from edge.voice.directory import Directory
from kernel.redis import create_client
from loadtests.voice.client import Client
from loadtests.voice.crowd import Crowd, pause_until
from loadtests.voice.ear import Ear
from loadtests.voice.microphone import Microphone, Mode
from loadtests.voice.speech import Spoken
from loadtests.voice.spread_room import SpreadRoom
from loadtests.voice.streams import Stream
from media_sfu.registry import KEY, LEASE_MILLISECONDS, NAMES, Registered, decode
from media_sfu.relay.packet import RelayPacket, build
from media_sfu.relay.sealing import PairKeys, Sealer

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROGRAM: Final = Program("voice process", (sys.executable, "-m", "dojo.voice_node"))
PROCESSES: Final = 3
LISTENING_SECONDS: Final = 2.0
LEASE_SECONDS: Final = LEASE_MILLISECONDS / 1000
SHARED_SECONDS: Final = 5.0
"""Until all processes of a room send each other what they have. It takes some 0.5 s."""
LOST_SECONDS: Final = 6.0
"""From the kill of a process until its people are heard by those on others."""


class Person:
    """Somebody with ears and a microphone."""

    def __init__(self, number: int, client: Client, microphone: Microphone) -> None:
        self.number = number
        self.client = client
        self.microphone = microphone
        self.heard: dict[int, int] = defaultdict(int)
        """Frames by who said them, as their sound tells."""
        self.named: dict[int, set[int]] = defaultdict(set)
        """The CSRCs that their packets had."""
        self._csrc = 0

    def take(self, _stream: Stream, spoken: Spoken, _arrived: int) -> None:
        self.heard[spoken.speaker] += 1
        self.named[spoken.speaker].add(self._csrc)

    def listen(self, ear: Ear) -> None:
        """To what `ear` opens, and to whose it is said to be, which is not encrypted."""

        def watch(stream: Stream, data: bytes, arrived: int) -> None:
            self._csrc = int.from_bytes(data[12:16], "big")
            ear.watch(stream, data, arrived)

        self.client.watch = watch
        for stream in self.client.streams.values():
            stream.watch = watch

    def forget(self) -> None:
        self.heard.clear()
        self.named.clear()

    @property
    def losses(self) -> int:
        return sum(stream.lost + stream.repeated + stream.time_back for stream in self.client.streams.values())


class House:
    """Three processes and a room."""

    def __init__(self, nodes: list[Child], room: SpreadRoom, crowd: Crowd, redis_url: str) -> None:
        self.nodes = nodes
        self.redis_url = redis_url
        self.room = room
        self.crowd = crowd

    def control(self, node: int) -> str:
        return self.nodes[node].addresses["voice control"]

    async def person(self, node: int, mode: Mode = Mode.MUTE, *, number: int | None = None) -> Person:
        client = self.crowd.client()
        chosen = self.room.number() if number is None else number
        level = await self.room.join(client, self.control(node), chosen)
        self.crowd.keep_up(client)
        person = Person(chosen, client, Microphone(client, chosen, mode=mode, level_id=level))
        self.crowd.listen(client, person.take)
        person.listen(self.crowd.ears[-1])
        self.crowd.speak(person.microphone, chosen / 7 % 1)
        return person

    async def counted(self, name: str, nodes: int = PROCESSES) -> list[float]:
        return [(await self.room.metrics(self.control(node)))[name] for node in range(nodes)]

    async def relayed(self) -> dict[str, list[float]]:
        drops = [f'dropped_total{{why="{why}"}}' for why in ("malformed", "refused", "unauthentic")]
        names = {"sent": "sent_total", "received": "received_total", **{name: name for name in drops}}
        return {key: await self.counted(f"dojo_voice_relay_{name}") for key, name in names.items()}

    @staticmethod
    def dropped(relayed: dict[str, list[float]]) -> float:
        return sum(sum(counts) for name, counts in relayed.items() if name.startswith("dropped"))

    @property
    def spoken(self) -> int:
        return sum(microphone.sent for microphone in self.crowd.microphones)

    async def nobody_relayed(self) -> bool:
        return await self.counted("dojo_voice_relayed_speakers") == [0.0] * len(self.nodes)

    async def registered(self) -> dict[str, Registered]:
        redis = create_client(self.redis_url)
        try:
            names = [name.decode() for name in cast(set[bytes], await redis.smembers(NAMES))]
            told = {name: decode(cast(bytes | None, await redis.get(KEY.format(name=name)))) for name in names}
        finally:
            await redis.aclose()
        return {name: one for name, one in told.items() if one is not None}

    async def shared(self) -> None:
        await until(self._all_share, SHARED_SECONDS)

    async def _all_share(self) -> bool:
        return await self.counted("dojo_voice_shared_rooms") == [1.0] * len(self.nodes)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Ask a process again and again: it tells nothing of its own accord."""
    deadline = time.perf_counter() + seconds
    while not await condition():
        assert time.perf_counter() < deadline, f"{condition.__name__} did not come true within {seconds:g} s"
        await asyncio.sleep(0.02)


async def until_heard(people: Sequence[Person], numbers: set[int]) -> None:
    there = await pause_until(lambda: all(numbers <= person.heard.keys() for person in people), SHARED_SECONDS)
    assert there, [dict(person.heard) for person in people]


@dataclass(frozen=True, slots=True)
class Standing:
    """Three processes and what is needed to ask them for anything."""

    nodes: list[Child]
    secret: bytes
    redis_url: str

    @asynccontextmanager
    async def house(self) -> AsyncIterator[House]:
        async with SpreadRoom(self.secret) as room, Crowd() as crowd:
            yield House(self.nodes, room, crowd, self.redis_url)


@asynccontextmanager
async def processes(redis_url: str, folder: Path) -> AsyncIterator[Standing]:
    secret = secrets.token_bytes(32)
    async with AsyncExitStack() as stack:

        async def start(number: int) -> Child:
            settings = Settings(
                data_dir=folder / str(number),
                redis=RedisSettings(url=redis_url),
                voice=VoiceSettings(port=0, secret=base64.b64encode(secret).decode()),
            )
            node = await Child.start(PROGRAM, settings)
            stack.push_async_callback(node.stop)
            return node

        nodes = await asyncio.gather(*(start(number) for number in range(PROCESSES)))
        yield Standing(list(nodes), secret, redis_url)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def standing(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Standing]:
    """Started once for all tests that leave them as they are: each has a room of its own."""
    async with processes(redis_server.url(), tmp_path_factory.mktemp("voice")) as standing:
        yield standing


@pytest_asyncio.fixture(loop_scope="module")
async def house(standing: Standing) -> AsyncIterator[House]:
    async with standing.house() as house:
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def own_house(redis_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with processes(redis_url, tmp_path) as standing, standing.house() as house:
        yield house


async def test_all_hear_the_same_three_wherever_they_are(house: House) -> None:
    speakers = [await house.person(node, Mode.LOUD) for node in range(PROCESSES)]
    noise = [await house.person(node, Mode.QUIET) for node in range(PROCESSES)]
    listeners = [await house.person(node) for node in range(PROCESSES) for _ in range(2)]
    await house.shared()
    loud = {speaker.number for speaker in speakers}
    await until_heard(listeners, loud)
    for person in (*listeners, *speakers):
        person.forget()
    before = await house.relayed()
    spoken = house.spoken
    await asyncio.sleep(LISTENING_SECONDS)
    for listener in listeners:
        assert listener.heard.keys() == loud
        assert min(listener.heard.values()) >= 0.9 * LISTENING_SECONDS * 50
        assert listener.named == {number: {number} for number in loud}, "CSRCs tell who it is"
    for speaker in speakers:
        # It has a slot for one more; but never hears itself.
        assert loud - {speaker.number} <= speaker.heard.keys() <= {person.number for person in (*noise, *speakers)}
        assert speaker.number not in speaker.heard
    assert [person.losses for person in (*listeners, *speakers, *noise)] == [0] * (4 * PROCESSES)
    assert [(ear.spoilt, ear.sealed) for ear in house.crowd.ears] == [(0, 0)] * (4 * PROCESSES)
    # Every packet goes to the two other processes, once: what came from there goes nowhere but to listeners.
    spoken = house.spoken - spoken
    after = await house.relayed()
    sent, received = (sum(b - a for a, b in zip(before[way], after[way], strict=True)) for way in ("sent", "received"))
    assert sent == pytest.approx((PROCESSES - 1) * spoken, rel=0.1), "but for those under way when counting began"
    assert received == pytest.approx(sent, rel=0.1), "no two processes are asked at the same moment"
    assert house.dropped(after) == 0


async def test_what_is_forged_or_sent_again_is_dropped_and_counted(house: House) -> None:
    """Somebody on the internal network sends a process what it once sent itself, changed, and made up."""
    speaker, listener = await house.person(0, Mode.LOUD), await house.person(1)
    await house.person(2)
    await house.shared()
    await until_heard([listener], {speaker.number})
    registered = await house.registered()
    names = sorted(
        registered, key=lambda name: [house.control(node) for node in range(PROCESSES)].index(registered[name].url)
    )
    host, _, port = registered[names[1]].relay.rpartition(":")
    key = base64.b64decode(registered[names[0]].relay_key)
    sound = RelayPacket(
        room=house.room.room.bytes, participant=99, stream=5, level=10, voice=True, preferred=True, marker=False,
        red=False, number=1, timestamp=960, sound=b"made up",
    )  # fmt: skip
    genuine = PairKeys.derive(key, names[0], names[1])
    sealer = Sealer(genuine, itertools.count(1_000_000))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        outside.connect((host, int(port)))

        async def send(*packets: bytes, counted: str, more: int) -> None:
            name = f'dojo_voice_relay_dropped_total{{why="{counted}"}}'
            before = (await house.room.metrics(house.control(1)))[name]
            for packet in packets:
                outside.send(packet)

            async def told() -> bool:
                return (await house.room.metrics(house.control(1)))[name] >= before + more

            await until(told, 2.0)
            assert (await house.room.metrics(house.control(1)))[name] == before + more

        foreign = Sealer(PairKeys.derive(secrets.token_bytes(32), "nobody", names[1]), itertools.count(1))
        await send(*(some(foreign.seal(build(sound))) for _ in range(20)), counted="unknown", more=20)
        wrong = Sealer(PairKeys(secrets.token_bytes(44), genuine.tag), itertools.count(1_000_000))
        await send(*(some(wrong.seal(build(sound))) for _ in range(20)), counted="unauthentic", more=20)
        to_another = PairKeys(PairKeys.derive(key, names[0], names[2]).master, genuine.tag)
        await send(some(Sealer(to_another, itertools.count(1)).seal(build(sound))), counted="unauthentic", more=1)
        await send(*(bytes([n]) * (n % 71) for n in range(200)), counted="malformed", more=200)
        await send(some(sealer.seal(bytes(90))), counted="malformed", more=1)
        other_room = msgspec.structs.replace(sound, room=bytes(16))
        once = some(sealer.seal(build(other_room)))
        await send(once, counted="astray", more=1)
        await send(once, once, counted="unauthentic", more=2)
    assert listener.heard.keys() == {speaker.number}


async def test_mute_and_removal_act_where_somebody_is(house: House) -> None:
    speaker, listener, third = await house.person(0, Mode.LOUD), await house.person(1), await house.person(2)
    await house.shared()
    await until_heard([listener, third], {speaker.number})
    rights = {"maySpeak": True, "muted": True, "preferred": False}
    path = f"/people/{speaker.number}"
    assert await house.room.command("PUT", house.control(0), path, rights) == 204
    await asyncio.sleep(0.1)
    listener.forget()
    third.forget()
    await asyncio.sleep(0.5)
    assert not listener.heard
    assert not third.heard
    await until(house.nobody_relayed, 3.0)
    assert await house.room.command("PUT", house.control(0), path, {**rights, "muted": False}) == 204
    await until_heard([listener, third], {speaker.number})
    assert await house.room.command("DELETE", house.control(0), path) == 204
    await asyncio.sleep(0.1)
    listener.forget()
    await asyncio.sleep(0.5)
    assert not listener.heard
    assert listener.losses == third.losses == 0


async def test_people_of_a_killed_process_are_heard_from_another(own_house: House, redis_url: str) -> None:
    house = own_house
    speakers = [await house.person(node, Mode.LOUD) for node in range(PROCESSES)]
    listeners = [await house.person(node) for node in range(PROCESSES)]
    loud = {speaker.number for speaker in speakers}
    await house.shared()
    await until_heard(listeners, loud)
    redis = create_client(redis_url)
    directory = Directory(redis, None)
    assert set(await directory.holders(house.room.room)) == {house.control(node) for node in range(PROCESSES)}
    lost = {name for name, told in (await house.registered()).items() if told.url == house.control(0)}.pop()

    await house.nodes[0].kill()
    killed = time.perf_counter()

    async def gone() -> bool:
        return not await directory.lives(lost)

    await until(gone, LEASE_SECONDS + 0.2)
    rest = [listeners[1], listeners[2]]
    again = await directory.seat(house.room.room)
    assert again in {house.control(1), house.control(2)}
    node = [house.control(n) for n in range(PROCESSES)].index(again)
    for person in rest:
        person.forget()
    speakers[0].microphone.stop(house.crowd.pacer)
    back = await house.person(node, Mode.LOUD, number=speakers[0].number)
    await until_heard(rest, loud)
    await until_heard([back], loud - {back.number})
    assert time.perf_counter() - killed < LOST_SECONDS
    assert set(await directory.holders(house.room.room)) == {house.control(1), house.control(2)}
    assert sum(person.losses for person in (*rest, *speakers[1:], back)) == 0
    await redis.aclose()


async def test_who_stops_and_who_comes_leave_the_rest_in_peace(own_house: House) -> None:
    """A process that ends as it should, and two that share a room while the third has nobody."""
    house = own_house
    speaker, listener = await house.person(0, Mode.LOUD), await house.person(1)
    await until_heard([listener], {speaker.number})
    assert (await house.counted("dojo_voice_shared_rooms"))[2] == 0
    late = await house.person(2)
    await until_heard([late], {speaker.number})
    await house.nodes[2].stop()

    async def two() -> bool:
        return await house.counted("dojo_voice_shared_rooms", 2) == [1.0, 1.0]

    await until(two, SHARED_SECONDS)
    listener.forget()
    await until_heard([listener], {speaker.number})
    await house.nodes[1].stop()

    async def alone() -> bool:
        return await house.counted("dojo_voice_shared_rooms", 1) == [0.0]

    await until(alone, SHARED_SECONDS)
    assert speaker.losses == listener.losses == 0


def some(sealed: bytes | None) -> bytes:
    assert sealed is not None
    return sealed
