"""The nodes that are alive, as every process sees them: leases in Redis, read every second.

A node is alive while its lease runs, and only Redis counts its time: no clock is compared with another, and a node
whose clock is an hour off is as alive as any. Redis knows nothing for good, though: while it does not answer, after it
was restarted, and when somebody emptied it, nobody's missing lease means anything until every living node has had a
full lease's time to come back.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
from redis.asyncio import Redis

from collab_core.placement import Node, preferred
from kernel.redis import RedisAway, or_away

EPOCHS: Final = "dojo:nodes:epochs"
"""A set: which leases there may be, so that nobody has to search through all keys."""
LIFE: Final = "dojo:nodes:life"
"""A word that is lost with everything else. Another one: leases were lost that had not ended."""
MOST_NODES: Final = 1_000
"""Read at once, some 300 bytes each. More are not looked at."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a lease runs, and how often it is renewed and everybody looks, in seconds. Four renewals may be lost."""

    lease: float = 5.0
    renew: float = 1.0

    @property
    def settling(self) -> float:
        """From the first answer of a Redis that may have lost leases until all that are alive are there again."""
        return self.lease + self.renew

    def pause(self) -> float:
        """Until the next renewal or look, each time another: processes started together must not ask together."""
        return self.renew * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load, hides nothing


USUAL: Final = Pace()


def lease_of(epoch: UUID) -> str:
    """The key of a node's lease."""
    return f"dojo:nodes:lease:{epoch.hex}"


class Roll:
    """Who is alive, made from one reading after the other, sans I/O. Times are seconds of one clock."""

    def __init__(self, settling: float) -> None:
        """`settling` as `Pace` has it."""
        self._settling = settling
        self.nodes: tuple[Node, ...] = ()
        self._life: str | None = None
        self._sure_at = 0.0
        """From then on a lease that is not there has ended."""

    def away(self) -> None:
        """Nothing could be read: everybody stays, and the next reading proves nobody's end."""
        self._life = None

    def read(self, life: str, found: Iterable[Node], now: float) -> list[UUID]:
        """Take a reading; the epochs of those who have gone since the last one. `life` names the Redis and what it
        remembers: it changes when leases may have been lost."""
        if life != self._life:
            self._life = life
            self._sure_at = now + self._settling
        here = {node.epoch: node for node in found}
        missing = [node for node in self.nodes if node.epoch not in here]
        if now < self._sure_at:
            here.update((node.epoch, node) for node in missing)
            missing = []
        self.nodes = tuple(here.values())
        return [node.epoch for node in missing]


class Nodes:
    """`start` it, `close` it at the end."""

    def __init__(
        self,
        redis: Redis | None,
        *,
        gone: Callable[[UUID], None] = lambda _epoch: None,
        pace: Pace = USUAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`gone` is called with the epoch of each node whose lease has ended, or that left; it raises nothing. Without
        `redis` there are no others."""
        self._redis = redis
        self._gone = gone
        self._pace = pace
        self._now = clock
        self._roll = Roll(pace.settling)
        self._read_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def alive(self) -> Sequence[Node]:
        """Those who were alive when Redis was last heard of."""
        return self._roll.nodes

    @property
    def fresh(self) -> bool:
        """Whether that was within a lease."""
        return self._read_at is not None and self._now() - self._read_at <= self._pace.lease

    def url_for(self, key: str) -> str | None:
        """The address of the node that `key` prefers; None if nobody can tell, or if it has none of its own."""
        if not self.fresh:
            return None
        node = preferred(key, self.alive)
        return None if node is None else node.url

    def start(self) -> None:
        """Look until `close`."""
        if self._redis is not None:
            self._task = asyncio.get_running_loop().create_task(self._keep_looking(self._redis), name="look at nodes")

    async def close(self) -> None:
        """Stop. A look under way is cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_looking(self, redis: Redis) -> None:
        answers = True
        while True:
            try:
                life, found = await read(redis)
            except RedisAway as error:
                if answers:
                    log.warning("the nodes are taken for what they were until Redis is back (%s)", error)
                answers = False
                self._roll.away()
            except Exception:  # looking must not end, whatever it met
                log.exception("the nodes could not be read")
                self._roll.away()
            else:
                answers = True
                now = self._read_at = self._now()
                for epoch in self._roll.read(life, found, now):
                    log.info("node %s is gone", epoch)
                    self._gone(epoch)
            await asyncio.sleep(self._pace.pause())


async def read(redis: Redis) -> tuple[str, list[Node]]:
    """The leases that run, and the name of this life of Redis. Raises `RedisAway`."""
    with or_away():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.info("server")
            pipe.set(LIFE, uuid4().hex, nx=True)
            pipe.get(LIFE)
            pipe.smembers(EPOCHS)
            info, _, life, epochs = await pipe.execute()
        known = [epoch for epoch in sorted(epochs)[:MOST_NODES] if len(epoch) == 16]
        leases: list[Any] = await redis.mget([lease_of(UUID(bytes=epoch)) for epoch in known]) if known else []
        ended = [epoch for epoch, lease in zip(known, leases, strict=True) if lease is None]
        if ended:
            # Who is alive after all puts itself back with its next renewal.
            await redis.srem(EPOCHS, *ended)
    return f"{info['run_id']} {life!r}", [node for lease in leases if (node := _node(lease)) is not None]


def _node(lease: bytes | None) -> Node | None:
    if lease is None:
        return None
    try:
        return msgspec.json.decode(lease, type=Node)
    except msgspec.DecodeError as error:
        log.warning("a node's lease cannot be read: %s", error)
        return None
