from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import msgspec
import pytest
from redis.asyncio import Redis

from edge.dojos.bell import CHANNEL, Bell, Rung, read
from kernel.redis import create_client
from tests.edge.dojos.hosting import PATH, DojoApi

HEARD_SECONDS = 5.0


@asynccontextmanager
async def hearing(redis: Redis) -> AsyncIterator[Callable[[UUID], Awaitable[Rung]]]:
    """The next ring of a tenant."""
    async with redis.pubsub() as subscription:
        await subscription.subscribe(CHANNEL)

        async def of(tenant: UUID) -> Rung:
            async with asyncio.timeout(HEARD_SECONDS):
                while True:
                    message = await subscription.get_message(ignore_subscribe_messages=True, timeout=0.2)
                    rung = read(message["data"]) if message is not None else None
                    if rung is not None and rung.tenant == tenant:
                        return rung

        yield of


async def test_what_changes_rings_for_all_rooms_of_the_dojo(dojos: DojoApi, redis: Redis) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = await dojos.dojo(ana)
    path = f"{PATH}/{made['dojoId']}"
    side = (await dojos.ask("POST", path + "/rooms", {"name": "Side"}, who=ana)).body
    rooms = {UUID(made["rooms"][0]["roomId"]), UUID(side["roomId"])}
    async with hearing(redis) as rung:
        for method, what, body in (
            ("PUT", "/lock", None),
            ("PUT", "/unlock", None),
            ("PATCH", "", {"name": "Other"}),
            ("PUT", f"/rooms/{side['roomId']}/join", None),
            ("PUT", f"/rooms/{side['roomId']}/complete", None),
        ):
            assert (await dojos.ask(method, path + what, body, who=ana)).status == 200
            assert set((await rung(tenant)).rooms) == rooms, what
        await dojos.join(bia, made["joinCode"])
        await rung(tenant)
        await dojos.ask("PATCH", f"{path}/participants/{bia.user}", {"role": "OBSERVER"}, who=ana)
        await rung(tenant)
        await dojos.put(f"{path}/participants/{bia.user}/ban", ana)
        await rung(tenant)
        await dojos.put(path + "/end", ana)
        await rung(tenant)


async def test_without_redis_nothing_is_rung_and_nothing_fails() -> None:
    away = create_client("unix:///nowhere/redis.sock")
    try:
        for redis in (None, away):
            await Bell(redis).ring(uuid4(), [uuid4()])
    finally:
        await away.aclose()


@pytest.mark.parametrize("message", [b"", b"\xff", b"{}", msgspec.msgpack.encode(["x", []])])
def test_what_is_no_ring_is_none(message: bytes) -> None:
    assert read(message) is None


def test_a_ring_is_read_as_it_was_sent() -> None:
    rung = Rung(uuid4(), (uuid4(), uuid4()))
    assert read(msgspec.msgpack.encode(rung)) == rung
