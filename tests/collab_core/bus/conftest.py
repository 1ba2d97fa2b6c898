"""A Redis that a test may do anything to, and two nodes on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from dojo.embedded.redis import EmbeddedRedis
from kernel.redis import create_client
from tests.collab_core.bus.redis_nodes import ROOM, Node


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    """A Redis of the test's own."""
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(server: EmbeddedRedis) -> AsyncIterator[Redis]:
    client = create_client(server.url(), name="test")
    yield client
    await client.aclose()


@pytest.fixture
async def nodes(client: Redis) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes in the same room."""
    two = Node(client), Node(client)
    for node in two:
        await node.bus.start()
        await node.until_up()
        await node.bus.subscribe(ROOM, node.heard)
    yield two
    for node in two:
        await node.bus.close()
