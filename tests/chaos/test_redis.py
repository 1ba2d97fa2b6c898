"""Redis killed and restarted, paused, full, and out of one node's reach: nobody waits for it, and all is healed."""

from __future__ import annotations

import asyncio

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.conftest import Typing
from tests.chaos.scene import WITHOUT_BUS_SECONDS

PAUSED_SECONDS = 3.0

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_redis_killed_and_restarted(cluster: Cluster, typing: Typing) -> None:
    async with typing(dojo=True) as scene:
        await scene.until_saved()
        await cluster.kill_redis()
        try:
            await scene.until_saved(3)
            await scene.seen_across()
        finally:
            await cluster.redis.start()
        await scene.seen_across()
        assert scene.longest_gap() < WITHOUT_BUS_SECONDS
        assert not any(person.absences for person in scene.people)


async def test_redis_paused(cluster: Cluster, typing: Typing) -> None:
    async with typing() as scene:
        await scene.until_saved()
        cluster.pause_redis()
        try:
            await cluster.nodes[0].until_bus(up=False)
            await scene.until_saved(3)
            await asyncio.sleep(PAUSED_SECONDS)
        finally:
            cluster.resume_redis()
        await scene.seen_across()
        assert not any(person.absences for person in scene.people)


async def test_redis_full(cluster: Cluster, typing: Typing) -> None:
    async with typing() as scene:
        await scene.until_saved()
        await cluster.redis_memory("1")
        try:
            await scene.until_saved(3)
            await scene.seen_across()
        finally:
            await cluster.redis_memory("64mb")
        assert not any(person.absences for person in scene.people)


async def test_one_node_cut_off_from_redis(cluster: Cluster, typing: Typing) -> None:
    async with typing() as scene:
        await scene.until_saved()
        cluster.nodes[0].cut()
        try:
            await cluster.nodes[0].until_bus(up=False)
            await scene.until_saved(3)
            await scene.seen_across()
        finally:
            cluster.nodes[0].mend()
        await cluster.nodes[0].until_bus(up=True)
        await scene.seen_across()
        assert not any(person.absences for person in scene.people)
