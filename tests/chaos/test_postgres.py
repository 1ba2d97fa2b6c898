"""Postgres killed, restarted, paused and read-only: everybody goes on typing, is told, and all is saved in the end."""

from __future__ import annotations

import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.conftest import Typing
from tests.chaos.scene import Scene

UNSAVED_SECONDS = 8.0
"""Until everyone knows that nothing is saved."""
SAVED_SECONDS = 25.0
"""From the return until everyone has something saved. A hanging commit is given up after 10 s."""

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def all_unsaved(scene: Scene) -> None:
    """Wait until all are told."""
    await scene.until(lambda: all(person.told["unsaved"] for person in scene.writers), UNSAVED_SECONDS)


async def test_postgres_killed_and_restarted(cluster: Cluster, typing: Typing) -> None:
    async with typing() as scene:
        await scene.until_saved()
        await cluster.kill_postgres()
        try:
            await all_unsaved(scene)
            await scene.seen_across()
        finally:
            await cluster.postgres.start()
        await scene.until_saved(seconds=SAVED_SECONDS)
        assert not any(person.absences for person in scene.people)


async def test_postgres_paused(cluster: Cluster, typing: Typing) -> None:
    async with typing() as scene:
        await scene.until_saved()
        cluster.pause_postgres()
        try:
            await all_unsaved(scene)
            await scene.seen_across()
        finally:
            cluster.resume_postgres()
        await scene.until_saved(seconds=SAVED_SECONDS)
        assert not any(person.absences for person in scene.people)


async def test_postgres_read_only(cluster: Cluster, typing: Typing) -> None:
    async with typing() as scene:
        await scene.until_saved()
        await cluster.read_only_postgres(read_only=True)
        try:
            await all_unsaved(scene)
            await scene.seen_across()
        finally:
            await cluster.read_only_postgres(read_only=False)
        await scene.until_saved(seconds=SAVED_SECONDS)
        assert not any(person.absences for person in scene.people)
