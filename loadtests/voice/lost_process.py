"""A voice process is killed in the middle of a session: how long its people are deaf and mute."""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import os
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
from redis.asyncio import Redis

from dojo.embedded.redis import EmbeddedRedis
from dojo.process import Child, Program
from dojo.settings import RedisSettings, Settings, VoiceSettings
from edge.voice.directory import Directory
from edge.voice.moving import LOOK_SECONDS, Move, Moving
from kernel.redis import create_client
from loadtests.voice.client import Client, ConnectionFailed
from loadtests.voice.crowd import Crowd, join_all, pause_until
from loadtests.voice.microphone import Microphone, Mode
from loadtests.voice.spread_room import SpreadRoom
from media_sfu.registry import KEY, NAMES

PROCESSES: Final = 3
PEOPLE: Final = 800
"""Of the process that is killed."""
STAYING: Final = 5
"""Listeners of each of the others."""
WARM_UP_SECONDS: Final = 3.0
LONGEST_SECONDS: Final = 30.0
"""Whoever does not talk again by then counts with this."""
TRIES: Final = 5
EDGE_AT_ONCE: Final = 8
"""Requests to Redis under way: the edge has a process of its own for them, and here it has a part of the generator."""
_PROGRAM: Final = Program("voice process", (sys.executable, "-m", "dojo.voice_node"))


@dataclass
class LostProcess:
    """`figures`: seconds from the kill. `problems`: what makes them worthless."""

    figures: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Person:
    number: int
    client: Client
    mode: Mode
    told: float = LONGEST_SECONDS
    """Seconds from the kill until they were told when to come again."""
    connected: float = LONGEST_SECONDS
    talking: float = LONGEST_SECONDS
    """Connected, and the first packet of somebody was heard."""
    tries: int = 0


class _House:
    def __init__(self, nodes: list[Child], redis: Redis, room: SpreadRoom, crowd: Crowd) -> None:
        self.nodes = nodes
        self.room = room
        self.crowd = crowd
        self.redis = redis
        self.directory = Directory(redis, None)
        self.edge = asyncio.Semaphore(EDGE_AT_ONCE)

    def control(self, node: int) -> str:
        return self.nodes[node].addresses["voice control"]

    async def enter(self, number: int, control: str, mode: Mode) -> _Person:
        person = _Person(number, self.crowd.client(), mode)
        await self.connect(person, control)
        return person

    async def connect(self, person: _Person, control: str) -> None:
        level = await self.room.join(person.client, control, person.number)
        self.crowd.keep_up(person.client)
        if person.mode is not Mode.MUTE:
            microphone = Microphone(person.client, person.number, mode=person.mode, level_id=level)
            self.crowd.speak(microphone, person.number % 7 / 7)

    async def name(self, control: str) -> str:
        for name in await self.redis.smembers(NAMES):
            told = await self.redis.get(KEY.format(name=_text(name)))
            if told is not None and f'"{control}"' in _text(told):
                return _text(name)
        raise LookupError("the process is not registered")


async def lost_process(
    people: int = PEOPLE, *, speakers: int = PROCESSES, server_core: int | None = None
) -> LostProcess:
    """One of three processes is killed; `people` were on it and `speakers` talk, on all of them in turn. They are
    told as a live node tells them, and connect where the edge would let them. Figures: `told_p95_s`, `connected_p95_s`,
    `talking_p50_s`, `talking_p95_s` (must be at most 6), `talking_max_s`, `tries`, `generator_cpu` (share of a core,
    from the word that it is gone until all talk), `on_busier` (share of those who came again that one process took).
    `server_core`: where all processes under test run."""
    result = LostProcess()
    async with _house(server_core) as house:
        name = await house.name(house.control(0))
        staying = [
            await house.enter(house.room.number(), house.control(node), Mode.MUTE)
            for node in range(1, PROCESSES)
            for _ in range(STAYING)
        ]
        talking_on = [
            await house.enter(house.room.number(), house.control(1 + speaker % (PROCESSES - 1)), Mode.DTX)
            for speaker in range(speakers - 1)
        ]
        moving = await _fill(house, people)
        for person in (*talking_on, moving[0]):
            person.mode = Mode.LOUD
        for microphone in house.crowd.microphones:
            microphone.turn(Mode.LOUD)
        everyone = [person.client for person in (*staying, *moving)]
        # The one of them who speaks has one to hear less.
        if not await pause_until(lambda: all(len(c.streams) >= speakers - 1 for c in everyone), LONGEST_SECONDS):
            deaf = sum(len(client.streams) < speakers - 1 for client in everyone)
            result.problems.append(f"{deaf} of {len(everyone)} did not hear all speakers before the kill")
        await asyncio.sleep(WARM_UP_SECONDS)

        if not await house.directory.lives(name):
            result.problems.append("the process had no time to renew its lease: it was taken for gone before its end")
        for microphone in house.crowd.microphones:
            if microphone.client is moving[0].client:
                microphone.stop(house.crowd.pacer)
        await house.nodes[0].kill()
        killed = time.perf_counter()
        await _until_gone(house.directory, name)
        told = time.perf_counter() - killed
        taken: dict[str, int] = {}
        own = time.process_time()
        async with asyncio.TaskGroup() as group:
            for move in Moving().moves(moving):
                move.person.told = told
                group.create_task(_come_again(house, move, killed, taken))
        own = time.process_time() - own
        took = time.perf_counter() - killed - told
        unheard = [person for person in moving if person.talking >= LONGEST_SECONDS]
        if unheard:
            result.problems.append(f"{len(unheard)} people never talked again")
        if overrun := house.crowd.overrun:
            result.problems.append(f"{overrun} packets were lost by the generator itself")
        talking = sorted(person.talking for person in moving)
        result.figures |= {
            "people": float(len(moving)),
            "told_p95_s": told,
            "connected_p95_s": _percentile(sorted(person.connected for person in moving), 0.95),
            "talking_p50_s": _percentile(talking, 0.5),
            "talking_p95_s": _percentile(talking, 0.95),
            "talking_max_s": talking[-1],
            "tries": sum(person.tries for person in moving) / len(moving),
            "generator_cpu": own / took,
            "on_busier": max(taken.values()) / sum(taken.values()),
        }
    return result


async def _fill(house: _House, people: int) -> list[_Person]:
    moving: list[_Person] = []

    async def enter(number: int, mode: Mode) -> None:
        moving.append(await house.enter(number, house.control(0), mode))

    # They speak when all are in: what is measured is how people come again.
    await enter(house.room.number(), Mode.DTX)
    numbers = [house.room.number() for _ in range(people - 1)]
    await join_all([lambda number=number: enter(number, Mode.MUTE) for number in numbers])  # type: ignore[misc]
    return moving


async def _until_gone(directory: Directory, name: str) -> None:
    """As a live node finds out."""
    rule = Moving()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if rule.look({name: await directory.lives(name)}):
            return


async def _come_again(house: _House, move: Move[_Person], killed: float, taken: dict[str, int]) -> None:
    await asyncio.sleep(move.pause)
    person = move.person
    while person.tries < TRIES:
        person.tries += 1
        heard = asyncio.Event()
        person.client = client = house.crowd.client()
        client.first_media = heard.set
        try:
            async with house.edge:
                control = await house.directory.seat(house.room.room)
            if control is None:
                raise ConnectionFailed("no voice process is known")
            await house.connect(person, control)
        except (ConnectionFailed, aiohttp.ClientError):
            await asyncio.sleep(secrets.randbelow(1_000) / 1_000)
            continue
        taken[control] = taken.get(control, 0) + 1
        person.connected = time.perf_counter() - killed
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(heard.wait(), LONGEST_SECONDS - person.connected)
            person.talking = time.perf_counter() - killed
        return


@asynccontextmanager
async def _house(server_core: int | None) -> AsyncIterator[_House]:
    secret = secrets.token_bytes(32)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dojo-lost-")))
        server = EmbeddedRedis(folder / "redis")
        await server.start()
        stack.push_async_callback(server.stop)
        nodes: list[Child] = []
        for number in range(PROCESSES):
            settings = Settings(
                data_dir=folder / str(number),
                redis=RedisSettings(url=server.url()),
                voice=VoiceSettings(port=0, secret=base64.b64encode(secret).decode()),
                log_level="warning",
            )
            nodes.append(await Child.start(_PROGRAM, settings))
            stack.push_async_callback(nodes[-1].stop)
        for pid in (server.pid, *(node.pid for node in nodes)):
            if server_core is not None and pid is not None:
                os.sched_setaffinity(pid, {server_core})
        redis = create_client(server.url())
        stack.push_async_callback(redis.aclose)
        room = await stack.enter_async_context(SpreadRoom(secret))
        yield _House(nodes, redis, room, await stack.enter_async_context(Crowd()))


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _text(told: bytes | str) -> str:
    return told.decode() if isinstance(told, bytes) else told


def main() -> int:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--speakers", type=int, default=PROCESSES)
    parser.add_argument("--server-core", type=int)
    chosen = parser.parse_args()
    result = asyncio.run(lost_process(chosen.people, speakers=chosen.speakers, server_core=chosen.server_core))
    for name, value in result.figures.items():
        print(f"{name:>18} {value:.2f}")
    for problem in result.problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
