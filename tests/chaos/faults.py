"""What goes wrong in a run: each fault begins, lasts and ends. Which, when and whom is drawn from the seed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.chaos.cluster import Cluster

FIRST_SECONDS: Final = 3.0
"""Quiet at the beginning."""
LAST_SECONDS: Final = 6.0
"""Quiet at the end."""
PAUSE_SECONDS: Final = (1.0, 4.0)
"""From one fault's beginning or end to the next one's beginning."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`target` is what it takes for itself: two faults of one target are never there at once."""

    name: str
    target: str
    at: float
    """Seconds after the run's begin."""
    seconds: float

    def __str__(self) -> str:
        return f"{self.at:6.1f} s  {self.name:<18} {self.target:<9} for {self.seconds:.1f} s"


Way = Callable[[Cluster, int, float], Awaitable[None]]


async def _node_killed(cluster: Cluster, number: int, seconds: float) -> None:
    await cluster.nodes[number].kill()
    await asyncio.sleep(seconds)
    await cluster.nodes[number].start()


async def _node_frozen(cluster: Cluster, number: int, seconds: float) -> None:
    cluster.nodes[number].freeze()
    await asyncio.sleep(seconds)
    cluster.nodes[number].thaw()


async def _node_drained(cluster: Cluster, number: int, seconds: float) -> None:
    await cluster.nodes[number].stop()
    await asyncio.sleep(seconds)
    await cluster.nodes[number].start()


async def _partition(cluster: Cluster, number: int, seconds: float) -> None:
    cluster.nodes[number].cut()
    await asyncio.sleep(seconds)
    cluster.nodes[number].mend()


async def _redis_killed(cluster: Cluster, _number: int, seconds: float) -> None:
    await cluster.kill_redis()
    await asyncio.sleep(seconds)
    await cluster.redis.start()


async def _redis_paused(cluster: Cluster, _number: int, seconds: float) -> None:
    cluster.pause_redis()
    await asyncio.sleep(seconds)
    cluster.resume_redis()


async def _redis_full(cluster: Cluster, _number: int, seconds: float) -> None:
    await cluster.redis_memory("1")
    await asyncio.sleep(seconds)
    await cluster.redis_memory("64mb")


async def _postgres_killed(cluster: Cluster, _number: int, seconds: float) -> None:
    await cluster.kill_postgres()
    await asyncio.sleep(seconds)
    await cluster.postgres.start()


async def _postgres_restarted(cluster: Cluster, _number: int, seconds: float) -> None:
    await cluster.postgres.stop()
    await asyncio.sleep(seconds)
    await cluster.postgres.start()


async def _postgres_paused(cluster: Cluster, _number: int, seconds: float) -> None:
    cluster.pause_postgres()
    await asyncio.sleep(seconds)
    cluster.resume_postgres()


async def _postgres_read_only(cluster: Cluster, _number: int, seconds: float) -> None:
    await cluster.read_only_postgres(read_only=True)
    await asyncio.sleep(seconds)
    await cluster.read_only_postgres(read_only=False)


WAYS: Final[Mapping[str, tuple[str, Way, float, float]]] = {
    "node killed": ("node", _node_killed, 0.0, 6.0),
    "node drained": ("node", _node_drained, 0.0, 3.0),
    "node frozen": ("node", _node_frozen, 2.0, 20.0),
    "partition": ("node", _partition, 2.0, 15.0),
    "redis killed": ("redis", _redis_killed, 0.0, 5.0),
    "redis paused": ("redis", _redis_paused, 2.0, 30.0),
    "redis full": ("redis", _redis_full, 1.0, 6.0),
    "postgres killed": ("postgres", _postgres_killed, 0.0, 4.0),
    "postgres restarted": ("postgres", _postgres_restarted, 0.0, 3.0),
    "postgres paused": ("postgres", _postgres_paused, 1.0, 14.0),
    "postgres read-only": ("postgres", _postgres_read_only, 1.0, 6.0),
}
"""Name -> what it takes, how, and how long at least and at most."""


def plan(random: Random, seconds: float, nodes: int) -> list[Fault]:
    """The faults of a run of so many seconds, in their order."""
    free: dict[str, float] = {}
    faults: list[Fault] = []
    at = FIRST_SECONDS
    while at < seconds - LAST_SECONDS:
        name = random.choice(list(WAYS))
        kind, _, shortest, longest = WAYS[name]
        target = f"node {random.randrange(nodes)}" if kind == "node" else kind
        lasts = min(random.uniform(shortest, longest), max(shortest, seconds - LAST_SECONDS - at))
        well = sum(free.get(f"node {number}", 0.0) <= at for number in range(nodes))
        if free.get(target, 0.0) <= at and (kind != "node" or well > 1):  # somewhere people must be able to go
            faults.append(Fault(name, target, round(at, 2), round(lasts, 2)))
            free[target] = at + lasts + LAST_SECONDS / 2  # a process that starts again takes its while
        at += random.uniform(*PAUSE_SECONDS) + (lasts if random.random() < 0.5 else 0.0)  # every other one alone
    return faults


class Trouble:
    """Makes the faults of a plan happen. One that cannot (its target is down by another) is noted and passed over."""

    def __init__(self, cluster: Cluster, say: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._say = say
        self.begun: dict[Fault, float] = {}
        """When each began, by the clock that counts."""
        self.ended: dict[Fault, float] = {}

    async def make(self, faults: list[Fault]) -> None:
        """All of them; returns when the last is over. Raises what a fault's own machinery raises."""
        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                group.create_task(self._make(fault, start + fault.at))

    async def _make(self, fault: Fault, at: float) -> None:
        await asyncio.sleep(at - time.monotonic())
        _, way, _, _ = WAYS[fault.name]
        number = int(fault.target.rpartition(" ")[2]) if fault.target.startswith("node") else 0
        self._say(f"{fault}")
        self.begun[fault] = time.monotonic()
        await way(self._cluster, number, fault.seconds)
        self.ended[fault] = time.monotonic()
