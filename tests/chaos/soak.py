"""People come, type and leave, room after room, and the nodes' memory is to stay where it is."""

from __future__ import annotations

import asyncio
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
SLOPE_KIB_PER_MINUTE: Final = 100.0
"""A flat line, as far as half an hour can tell: 6 MiB an hour, of some 100 MiB."""
FLOOR_BYTES: Final = 2 * 1024 * 1024
"""A short run cannot tell a slope from the allocator's steps: growth below this is none."""


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
    if len(_steady(samples)) < 2:
        say(f"too short to tell a slope: it takes {SHORTEST_SECONDS:g} s")
        return True
    slopes = [slope(samples, node) for node in range(NODES)]
    say("KiB a minute: " + ", ".join(f"{one:.1f}" for one in slopes))
    return all(one <= SLOPE_KIB_PER_MINUTE or growth(samples, node) < FLOOR_BYTES for node, one in enumerate(slopes))


def _steady(samples: list[Sample]) -> list[Sample]:
    if not samples or samples[-1].at < SHORTEST_SECONDS:
        return []
    return [sample for sample in samples if sample.at > samples[-1].at / 2]


def slope(samples: list[Sample], node: int) -> float:
    """KiB a minute, by least squares, of the second half."""
    steady = _steady(samples)
    line = statistics.linear_regression([one.at for one in steady], [one.resident[node] for one in steady])
    return float(line.slope) * 60 / 1024


def growth(samples: list[Sample], node: int) -> int:
    """From the first steady sample to the last, in bytes."""
    steady = _steady(samples)
    return steady[-1].resident[node] - steady[0].resident[node]
