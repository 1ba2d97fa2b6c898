"""A node whose clock is an hour off: rooms do not mind, and short-lived tokens are refused by that node alone."""

from __future__ import annotations

from pathlib import Path
from random import Random

from collab_core.closes import CloseCode
from tests.chaos.cluster import Cluster
from tests.chaos.scene import Scene

HOUR = 3600.0


async def test_a_clock_that_is_an_hour_ahead(tmp_path: Path) -> None:
    async with Cluster(tmp_path, 2, clock_shifts={1: HOUR}) as cluster:
        scene = Scene(cluster, Random(1))
        scene.add_room("clock", writers=4, readers=2)
        in_dojo = await scene.add_dojo(yjs=2, json=2)
        await scene.begin(5.0)
        await scene.until_saved(3)
        assert {person.node.number for person in scene.people if person not in in_dojo} == {0, 1}
        assert {person.node.number for person in in_dojo} == {0}  # access tokens live ten minutes
        right, wrong = cluster.nodes
        await right.kill()  # now the one with the wrong clock has to commit for it, and to know that it is gone
        people = [person for person in scene.people if person not in in_dojo]
        await scene.until(lambda: all(person.in_room.is_set() and person.node is wrong for person in people))
        await right.start()
        await scene.until_saved(1)
        verdict = await scene.end()
        assert verdict.good, str(verdict)
        await scene.leave()


async def test_a_clock_that_is_an_hour_behind(tmp_path: Path) -> None:
    """To that node nothing signed within the hour is valid yet: it lets nobody in, and nobody loses anything by it."""
    async with Cluster(tmp_path, 2, clock_shifts={1: -HOUR}) as cluster:
        scene = Scene(cluster, Random(1))
        scene.add_room("clock", writers=4, readers=2)
        await scene.add_dojo(yjs=2, json=2)
        await scene.begin(5.0)
        await scene.until_saved(3)
        assert {person.node.number for person in scene.people} == {0}
        right, wrong = cluster.nodes
        refused = {code for person in scene.people for code, _ in person.closes}
        assert refused == {CloseCode.UNAUTHENTICATED, 4001}, "the second is what apps without a CRDT are told"
        assert (await wrong.metrics())["dojo_members"] == 0
        await right.kill()
        await right.start()
        await scene.until_saved(1)
        verdict = await scene.end()
        assert verdict.good, str(verdict)
        await scene.leave()
