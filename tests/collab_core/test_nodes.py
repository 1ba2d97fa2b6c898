"""Who is alive: leases in a real Redis, which comes and goes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
from redis.asyncio import Redis

from collab_core.nodes import USUAL, Nodes, Pace, Roll, lease_of
from collab_core.placement import Node
from collab_core.registration import BUSY_ABOVE, Load, Registration
from dojo.embedded.redis import EmbeddedRedis
from kernel.redis import create_client
from tests.collab_core.live import until

SETTLING = USUAL.settling
QUICK = Pace(lease=1.0, renew=0.1)
"""Long enough that a busy machine does not lose a lease by itself."""


def node(name: str, url: str | None = None) -> Node:
    return Node(epoch=uuid4(), name=name, url=url or f"ws://{name}")


# The pure part


def test_a_lease_that_ended_is_told_once() -> None:
    roll, ana, ben = Roll(SETTLING), node("ana"), node("ben")
    assert roll.read("life", [ana, ben], 0.0) == []
    assert roll.read("life", [ana, ben], 10.0) == []
    assert roll.read("life", [ana], 11.0) == [ben.epoch]
    assert roll.nodes == (ana,)
    assert roll.read("life", [ana], 12.0) == []


def test_while_redis_is_away_and_for_a_lease_after_nobody_is_gone() -> None:
    roll, ana, ben = Roll(SETTLING), node("ana"), node("ben")
    roll.read("life", [ana, ben], 0.0)
    roll.away()
    assert set(roll.nodes) == {ana, ben}
    assert roll.read("life", [], 100.0) == []
    assert roll.read("life", [ana], 100.0 + SETTLING - 0.1) == []
    assert set(roll.nodes) == {ana, ben}
    assert roll.read("life", [ana], 100.0 + SETTLING) == [ben.epoch]


def test_a_redis_that_lost_its_memory_proves_nobodys_end() -> None:
    roll, ana, ben = Roll(SETTLING), node("ana"), node("ben")
    roll.read("one life", [ana, ben], 0.0)
    assert roll.read("another", [ana], 50.0) == []
    assert roll.read("another", [ana, ben], 51.0) == []
    assert roll.read("another", [ana], 60.0) == [ben.epoch]


def test_a_node_that_started_again_is_another_one() -> None:
    roll, before = Roll(SETTLING), node("ana")
    after = msgspec.structs.replace(before, epoch=uuid4())
    roll.read("life", [before], 0.0)
    assert roll.read("life", [before, after], 50.0) == []
    assert roll.read("life", [after], 51.0) == [before.epoch]


def test_what_a_node_says_anew_is_what_counts() -> None:
    roll, ana = Roll(SETTLING), node("ana")
    roll.read("life", [ana], 0.0)
    roll.read("life", [msgspec.structs.replace(ana, draining=True)], 1.0)
    assert roll.nodes[0].draining


def test_a_node_is_overloaded_until_it_clearly_is_not() -> None:
    load = Load(0.0, 0.0)
    now = cpu = 0.0

    def overloaded_after(share: float, seconds: int) -> bool:
        nonlocal now, cpu
        for _ in range(seconds):
            now, cpu = now + 1, cpu + share
            load.look(cpu, now)
        return load.overloaded

    assert not overloaded_after(0.5, 30)
    assert not overloaded_after(1.0, 2), "a short peak is no overload"
    assert overloaded_after(1.0, 20)
    assert load.busy > BUSY_ABOVE
    assert overloaded_after(0.7, 30)
    assert not overloaded_after(0.3, 10)


def test_a_node_whose_sockets_run_out_is_overloaded() -> None:
    load = Load(0.0, 0.0)
    load.look(0.1, 1.0, full=0.95)
    assert load.overloaded
    load.look(0.2, 2.0, full=0.5)
    assert not load.overloaded


# With a real Redis


class Watched:
    """A view of the nodes, and who it said has gone."""

    def __init__(self, redis: Redis) -> None:
        self.gone: list[UUID] = []
        self.nodes = Nodes(redis, gone=self.gone.append, pace=QUICK)

    @property
    def names(self) -> set[str]:
        return {each.name for each in self.nodes.alive}


def registered(redis: Redis, who: Node) -> Registration:
    return Registration(redis, who, counts=lambda: (3, 2, 0.0), pace=QUICK)


@asynccontextmanager
async def watched(redis: Redis, *people: Node) -> AsyncIterator[tuple[Watched, list[Registration]]]:
    """A view that has seen all of `people`, and their registrations."""
    view, registrations = Watched(redis), [registered(redis, each) for each in people]
    for each in registrations:
        each.start(url=each._node.url)
    view.nodes.start()
    try:
        await until(lambda: view.names == {each.name for each in people})
        yield view, registrations
    finally:
        for each in registrations:
            await each.close()
        await view.nodes.close()


async def killed(registration: Registration) -> None:
    """As a process that dies: it renews nothing any more, and says nothing."""
    assert registration._task is not None
    registration._task.cancel()
    await asyncio.wait([registration._task])


async def sure(view: Watched) -> None:
    """Let the view come to know this Redis for long enough to believe in ends."""
    await until(lambda: view.nodes._now() >= view.nodes._roll._sure_at)


async def test_nodes_see_each_other_and_one_that_leaves_is_gone_at_once(redis: Redis) -> None:
    ana, ben = node("ana"), node("ben")
    async with watched(redis, ana, ben) as (view, (_, leaving)):
        assert {(each.members, each.rooms) for each in view.nodes.alive} == {(3, 2)}
        assert view.nodes.url_for("room") in {"ws://ana", "ws://ben"}
        await leaving.drain()
        await until(lambda: any(each.draining for each in view.nodes.alive))
        assert view.gone == []
        assert {view.nodes.url_for(f"room {number}") for number in range(50)} == {"ws://ana"}
        await sure(view)
        await leaving.close()
        await until(lambda: view.gone == [ben.epoch])
        assert view.names == {"ana"}


async def test_one_that_dies_is_gone_when_its_lease_ends(redis: Redis) -> None:
    ana, ben = node("ana"), node("ben")
    async with watched(redis, ana, ben) as (view, (_, dying)):
        await sure(view)
        await killed(dying)
        left = await redis.pttl(lease_of(ben.epoch))
        assert 0 < left <= QUICK.lease * 1000
        assert view.gone == []
        await until(lambda: view.gone == [ben.epoch])
        assert not await redis.exists(lease_of(ben.epoch))


async def test_somebodys_nonsense_among_the_leases_hides_nobody(redis: Redis) -> None:
    ana, other = node("ana"), uuid4()
    await redis.sadd("dojo:nodes:epochs", other.bytes, b"short")
    await redis.set(lease_of(other), b'{"name": 7}')
    async with watched(redis, ana) as (view, _):
        assert view.names == {"ana"}


async def test_a_redis_that_was_emptied_makes_nobody_gone(redis: Redis) -> None:
    async with watched(redis, node("ana"), node("ben")) as (view, _):
        await sure(view)
        await redis.flushdb()
        reading = view.nodes._roll._life
        await until(lambda: view.nodes._roll._life != reading)
        await sure(view)
        assert view.gone == []
        assert view.names == {"ana", "ben"}


async def test_a_redis_that_hangs_or_restarts_makes_nobody_gone(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    client = create_client(server.url())
    ana, ben, dead = node("ana"), node("ben"), node("dead")
    try:
        async with watched(client, ana, ben, dead) as (view, (_, _, dying)):
            await sure(view)
            assert server.pid is not None
            os.kill(server.pid, signal.SIGSTOP)
            await until(lambda: not view.nodes.fresh)
            assert view.names == {"ana", "ben", "dead"}
            assert view.nodes.url_for("room") is None, "who is told an old address could not get in"
            os.kill(server.pid, signal.SIGCONT)
            await until(lambda: view.nodes.fresh)
            await sure(view)
            assert view.gone == []
            # Gone and back within one look: only its own name tells.
            await server.kill()
            await killed(dying)
            await server.start()
            reading = view.nodes._roll._life
            await until(lambda: view.nodes._roll._life not in {reading, None})
            assert view.names == {"ana", "ben", "dead"}
            assert view.gone == []
            await until(lambda: view.gone == [dead.epoch])
            assert view.names == {"ana", "ben"}
    finally:
        await client.aclose()
        await server.stop()


async def test_without_redis_there_is_nobody_else() -> None:
    nodes = Nodes(None)
    nodes.start()
    assert (nodes.alive, nodes.fresh, nodes.url_for("room")) == ((), False, None)
    await nodes.close()
    registration = Registration(None, node("ana"), counts=_nothing)
    registration.start(url=None)
    await registration.drain()
    await registration.close()


_nothing: Callable[[], tuple[int, int, float]] = lambda: (0, 0, 0.0)  # noqa: E731
