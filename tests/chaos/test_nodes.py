"""A node that is killed, drained, or frozen and wakes as if nothing had been; nodes that fold the same room."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest

from tests.chaos.checker import emptied
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import Typing

FAILOVER_SECONDS = 3.0
"""From a node's kill until its members type again elsewhere."""
FROZEN_SECONDS = 7.0
"""Longer than others wait for what it owes them: they commit it in its place."""

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_killed_node(cluster: Cluster, typing: Typing) -> None:
    node = cluster.nodes[0]
    async with typing(dojo=True) as scene:
        await scene.until_saved()
        members = scene.at(node)
        killed = time.monotonic()
        await node.kill()
        await scene.until(lambda: all(member.absences and member.in_room.is_set() for member in members))
        assert max(member.absences[0].end for member in members) - killed < FAILOVER_SECONDS
        await scene.until_saved(2)
        await node.start()
        await scene.until_saved(2)
    assert len(members) == 2


async def test_a_node_that_drains(cluster: Cluster, typing: Typing) -> None:
    node = cluster.nodes[1]
    async with typing() as scene:
        await scene.until_saved()
        members = scene.at(node)
        assert await node.stop() == "exit code 0"
        await scene.until(lambda: all(member.absences and member.in_room.is_set() for member in members))
        assert {member.closes[0][0] for member in members} == {4500}
        await scene.until_saved()
        await node.start()


async def test_a_node_that_is_frozen_and_wakes(cluster: Cluster, typing: Typing) -> None:
    node = cluster.nodes[2]
    async with typing() as scene:
        await scene.until_saved()
        others = [person for person in scene.writers if person.node is not node]
        node.freeze()
        try:
            begun = time.monotonic()
            while time.monotonic() < begun + FROZEN_SECONDS:
                before = {person.name: sum(op.saved for op in person.ops) for person in others}
                await scene.until(
                    lambda before=before: all(  # type: ignore[misc]
                        sum(op.saved for op in person.ops) > before[person.name] for person in others
                    ),
                    FROZEN_SECONDS,
                )
                await asyncio.sleep(0.2)
        finally:
            node.thaw()
        await scene.until_saved()
        assert all(gap.end - gap.begin < FAILOVER_SECONDS for gap in scene.gaps() if gap.node != node.number)


async def test_nodes_that_fold_the_same_room(cluster: Cluster, typing: Typing) -> None:
    async with typing() as scene:
        key = scene.people[0].place.key
        database = await asyncpg.connect(cluster.postgres.dsn("postgres"))
        try:
            folded: list[int] = []

            async def folded_again() -> bool:
                rows = await database.fetchval(
                    "SELECT rows_folded FROM collab_base WHERE tenant_id = $1 AND room = $2", key.tenant, key.room
                )
                if rows and (not folded or rows > folded[-1]):
                    folded.append(rows)
                return len(folded) >= 2

            async with asyncio.timeout(30):
                while not await folded_again():  # noqa: ASYNC110 - the database's state
                    await asyncio.sleep(0.1)
        finally:
            await database.close()


async def test_nothing_is_left_when_everybody_has_gone(cluster: Cluster, typing: Typing) -> None:
    async with typing() as scene:
        await scene.until_saved()
    assert await emptied(cluster) == {}
