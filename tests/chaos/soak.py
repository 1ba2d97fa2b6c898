"""People come, type and leave, room after room, and the nodes' memory is to stay where it is."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tests.chaos.checker import emptied
from tests.chaos.cluster import Cluster
from tests.chaos.scene import Scene

NODES: Final = 3
ROUND_SECONDS: Final = 10.0
"""People are in a room for so long; then they leave it and it is put to sleep."""
ROOMS: Final = 4
WRITERS: Final = 6
PER_SECOND: Final = 8.0
SHORTEST_SECONDS: Final = 480.0
"""A run's second half is judged. In the first one caches fill, all of them bounded: from 74 to 83 MiB within two
minutes, some 3 MiB more until 15, most of it statements that each database connection has prepared."""
PARTS: Final = 3
"""Of the second half. The allocator takes memory in steps of a MiB or so, at any time; a leak grows in every part."""
LEAK_BYTES: Final = 128 * 1024
"""A part's growth that counts: 26 KiB a minute in half an hour's run."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory of each node, all rooms empty."""

    at: float
    resident: tuple[int, ...]


async def run(seconds: float, folder: Path, say: Callable[[str], None]) -> bool:
    """Whether the line is flat on every node, and no round lost anything."""
    samples: list[Sample] = []
    random = Random(0)
    async with Cluster(folder, NODES) as cluster:
        begun = time.monotonic()
        number = 0
        while time.monotonic() - begun < seconds:
            number += 1
            scene = Scene(cluster, random)
            for room in range(ROOMS):
                scene.add_room(f"soak-{number}-{room}", writers=WRITERS)
            await scene.add_dojo(yjs=2, json=2)
            await scene.begin(PER_SECOND)
            await asyncio.sleep(ROUND_SECONDS)
            verdict = await scene.end()
            await scene.leave()
            left = await emptied(cluster)
            if left or not verdict.good:
                say(f"round {number}: {verdict}\nleft: {left}")
                return False
            resident = tuple(node.resident_bytes() for node in cluster.nodes)
            samples.append(Sample(time.monotonic() - begun, resident))
            shown = ", ".join(f"{one / 1024 / 1024:.1f}" for one in resident)
            say(f"{samples[-1].at:7.0f} s  {verdict.made} edits  MiB: {shown}")
    if samples[-1].at < SHORTEST_SECONDS:
        say(f"too short to tell a leak: it takes {SHORTEST_SECONDS:g} s")
        return True
    grown = [growth(samples, node) for node in range(NODES)]
    for node, parts in enumerate(grown):
        say(f"node {node + 1}, KiB in each part of the second half: " + ", ".join(f"{one / 1024:.0f}" for one in parts))
    return not any(leaks(parts) for parts in grown)


def growth(samples: list[Sample], node: int) -> list[int]:
    """How much a node's memory grew in each part of the second half, in bytes: from the median of a fifth of a part to
    that of the next, so that a moment's need counts for nothing."""
    steady = [sample for sample in samples if sample.at > samples[-1].at / 2]
    size = len(steady) // PARTS
    near = max(1, size // 5)
    ends = [steady[:near], *(steady[size * part - near : size * part] for part in range(1, PARTS)), steady[-near:]]
    levels = [int(statistics.median(sample.resident[node] for sample in end)) for end in ends]
    return [after - before for before, after in itertools.pairwise(levels)]


def leaks(parts: list[int]) -> bool:
    """Whether memory grew all the time."""
    return all(one > LEAK_BYTES for one in parts)
