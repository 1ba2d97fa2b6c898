"""Where people are sent: to the node that their dojo prefers, while somebody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from redis.asyncio import Redis

from collab_core.placement import Node, preferred
from collab_core.registration import Registration
from edge.dojos.live_addresses import LiveAddresses
from tests.collab_core.live import until
from tests.edge.dojos.hosting import DojoApi

OTHERWISE = "ws://127.0.0.1:0"
"""What these tests' settings tell everybody."""


@asynccontextmanager
async def alive(dojos: DojoApi, redis: Redis, *names: str) -> AsyncIterator[Sequence[Registration]]:
    """Live nodes of these names, and an API that knows of them."""
    found = [Registration(redis, Node(epoch=uuid4(), name=name), counts=lambda: (0, 0, 0.0)) for name in names]
    for name, each in zip(names, found, strict=True):
        each.start(url=f"wss://{name}")
    try:
        await until(lambda: {node.name for node in dojos.services.nodes.alive} == set(names))
        yield found
    finally:
        await asyncio.gather(*(each.close() for each in found))


async def told(dojos: DojoApi, dojo: str) -> str:
    answer = await dojos.ask("GET", f"/api/v1/config?dojoId={dojo}")
    assert answer.status == 200
    return str(answer.body["liveUrl"])


async def test_who_joins_is_told_the_node_that_the_dojo_prefers(dojos: DojoApi, redis: Redis) -> None:
    tenant = await dojos.company()
    ana, bia = await dojos.person(tenant, "Ana"), await dojos.person(tenant, "Bia")
    made = [await dojos.dojo(ana, allowGuests=True) for _ in range(8)]
    assert await told(dojos, made[0]["dojoId"]) == OTHERWISE
    async with alive(dojos, redis, "one", "two"):
        wanted = {}
        for each in made:
            node = preferred(f"dojo {each['dojoId']}", dojos.services.nodes.alive)
            assert node is not None
            wanted[each["dojoId"]] = node.url
        for each in made:
            joined = await dojos.join(bia, each["joinCode"])
            guest = await dojos.guest(each["joinCode"])
            assert joined.body["liveUrl"] == guest.body["liveUrl"] == wanted[each["dojoId"]]
            assert await told(dojos, each["dojoId"]) == wanted[each["dojoId"]]
        assert (await dojos.ask("GET", "/api/v1/config")).body["liveUrl"] == OTHERWISE


async def test_nobody_is_sent_to_a_node_that_goes_away(dojos: DojoApi, redis: Redis) -> None:
    made = [str(UUID(int=number)) for number in range(20)]
    async with alive(dojos, redis, "one", "two") as (one, _):
        assert {await told(dojos, dojo) for dojo in made} == {"wss://one", "wss://two"}
        await one.drain()
        await until(lambda: any(node.draining for node in dojos.services.nodes.alive))
        assert {await told(dojos, dojo) for dojo in made} == {"wss://two"}


async def test_a_node_without_an_address_of_its_own_is_behind_the_one_for_all(dojos: DojoApi, redis: Redis) -> None:
    alone = Registration(redis, Node(epoch=uuid4(), name="one"), counts=lambda: (0, 0, 0.0))
    alone.start(url=None)
    await until(lambda: dojos.services.nodes.alive)
    assert await told(dojos, str(uuid4())) == OTHERWISE
    await alone.close()


async def test_rooms_of_their_own_are_sent_somewhere_too(dojos: DojoApi, redis: Redis) -> None:
    addresses = LiveAddresses(dojos.services.nodes, "wss://all")
    tenant = uuid4()
    assert addresses.of_room(tenant, "kata") == addresses.anywhere() == "wss://all"
    async with alive(dojos, redis, "one", "two"):
        rooms = {addresses.of_room(tenant, f"kata {number}") for number in range(20)}
        assert rooms == {"wss://one", "wss://two"}
