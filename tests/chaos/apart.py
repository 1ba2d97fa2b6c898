"""What needs namespaces (`tests.chaos.namespaces`): `partition` between nodes and Redis, and a `disk` that is full.

Exit code 0 if all was well; what was wrong is on standard error.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Final

from tests.chaos.cluster import Cluster
from tests.chaos.namespaces import Ground, fill, settle_in, small_disk, take_away
from tests.chaos.scene import Scene

PER_SECOND: Final = 5.0
PARTITION_SECONDS: Final = 4.0
"""With what follows, longer than a node's lease."""
DISK_MEBIBYTES: Final = 256
"""A new cluster has some 40 MiB, and up to 64 MiB of log."""
BACK_SECONDS: Final = 30.0


async def _partition(folder: Path) -> None:
    async with Cluster(folder, 2, grounds=[Ground(0), Ground(1)]) as cluster:
        scene = await _typing(cluster)
        cluster.nodes[0].cut()
        await cluster.nodes[0].until_bus(up=False)
        await asyncio.sleep(PARTITION_SECONDS)
        await scene.until_saved(2)
        await scene.seen_across()
        await scene.seen_across()  # also once the others take the node for gone
        cluster.nodes[0].mend()
        await cluster.nodes[0].until_bus(up=True)
        await scene.until_saved(2)
        await scene.seen_across()
        await _good(scene)


async def _disk(folder: Path) -> None:
    small_disk(folder / "pg", DISK_MEBIBYTES)
    async with Cluster(folder, 2) as cluster:
        scene = await _typing(cluster)
        filler = folder / "pg" / "filler"
        fill(filler)
        await scene.until(lambda: all(person.told["unsaved"] for person in scene.writers), BACK_SECONDS)
        await scene.seen_across()
        filler.unlink()
        if cluster.postgres.pid is None:
            await cluster.postgres.start()  # as its supervisor does
        await scene.until_saved(seconds=BACK_SECONDS)
        await _good(scene)
    take_away(folder / "pg")


async def _typing(cluster: Cluster) -> Scene:
    scene = Scene(cluster, Random(5))
    scene.add_room("apart", writers=6)
    await scene.begin(PER_SECOND)
    await scene.until_saved()
    return scene


async def _good(scene: Scene) -> None:
    assert not any(person.absences for person in scene.people), "somebody lost the connection"
    verdict = await scene.end()
    assert verdict.good, str(verdict)
    await scene.leave()


def main() -> int:
    """`python -m tests.chaos.apart partition` or `disk`."""
    settle_in()
    with tempfile.TemporaryDirectory(prefix="dojo-apart-") as name:
        asyncio.run({"partition": _partition, "disk": _disk}[sys.argv[1]](Path(name)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
