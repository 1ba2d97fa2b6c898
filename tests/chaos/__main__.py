"""`python -m tests.chaos --seconds 60 --seed 1`: people type on three nodes while everything fails that can."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Final

from tests.chaos import soak
from tests.chaos.checker import Verdict, emptied
from tests.chaos.cluster import Cluster
from tests.chaos.faults import Fault, Trouble, plan
from tests.chaos.people import Gap
from tests.chaos.scene import Scene

NODES: Final = 3
PER_SECOND: Final = 3.0
"""Edits of each writer."""
KILL_SECONDS: Final = 1.0
"""A kill is heard of at once: who is lost later is lost for another reason."""
AFTER_SECONDS: Final = 5.0
"""How long after a fault's end a silence may still have come from it."""


def say(line: str) -> None:
    """To the terminal; the nodes' own logs go elsewhere."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def run(seconds: float, seed: int, folder: Path) -> bool:
    """One run; whether all was well."""
    random = Random(seed)
    faults = plan(random, seconds, NODES)
    async with Cluster(folder, NODES) as cluster:
        scene = Scene(cluster, random)
        scene.add_room("chaos", writers=6, readers=3)
        await scene.add_dojo(yjs=3, json=3)
        await scene.begin(PER_SECOND)
        trouble = Trouble(cluster, say)
        started = time.monotonic()
        await trouble.make(faults)
        await asyncio.sleep(max(0.0, started + seconds - time.monotonic()))
        say("the end of all trouble")
        verdict = await scene.end()
        await scene.leave()
        left = await emptied(cluster)
        _report(scene, trouble, verdict, left, started)
        if not verdict.good:
            _write_traces(scene, verdict)
        return verdict.good and not left


def _alone(fault: Fault, trouble: Trouble) -> bool:
    """Whether nothing else was wrong when it began, and for as long as people need to find another node."""
    begun = trouble.begun[fault]
    others = (other for other in trouble.begun if other != fault)
    return not any(
        trouble.begun[other] < begun + AFTER_SECONDS and trouble.ended[other] + AFTER_SECONDS > begun
        for other in others
    )


def _write_traces(scene: Scene, verdict: Verdict) -> None:
    """Into the log, among what the nodes say."""
    lines = sorted((line for person in scene.people for line in person.trace), key=lambda line: float(line.split()[0]))
    texts = [f"{room}: {text}" for room, text in verdict.texts.items()]
    sys.stderr.write("\n".join([*lines, *texts]) + "\n")
    sys.stderr.flush()


def _report(scene: Scene, trouble: Trouble, verdict: Verdict, left: object, started: float) -> None:
    say("")
    say(f"{'fault':<19} {'what':<9} {'begins':>8} {'lasts':>8} {'longest silence':>16} {'people':>7}")
    failovers: list[float] = []
    for fault, begun in sorted(trouble.begun.items(), key=lambda pair: pair[1]):
        ended = trouble.ended[fault]
        gaps = [gap for gap in scene.gaps(begun - 1.0, ended + AFTER_SECONDS) if _concerns(fault, gap)]
        gaps = [gap for gap in gaps if gap.end > begun]
        longest = max((gap.end - gap.begin for gap in gaps), default=0.0)
        times = f"{begun - started:>7.1f}s {ended - begun:>7.1f}s {longest:>15.1f}s"
        say(f"{fault.name:<19} {fault.target:<9} {times} {len(gaps):>7}")
        if fault.name == "node killed" and _alone(fault, trouble):
            away = [absence for person in scene.people for absence in person.absences if _concerns(fault, absence)]
            failovers.extend(absence.end - begun for absence in away if begun <= absence.begin <= begun + KILL_SECONDS)
    say("")
    say(str(verdict))
    say(f"left on the nodes after everybody had gone: {left or 'nothing'}")
    say(f"longest silence of anybody: {scene.longest_gap():.1f} s")
    if failovers:
        failovers.sort()
        p95 = failovers[min(len(failovers) - 1, int(0.95 * len(failovers)))]
        say(f"failover: {len(failovers)} members of nodes killed while all else was well")
        say(f"          were in the room again within {failovers[len(failovers) // 2]:.2f} s (p50), {p95:.2f} s (p95)")


def _concerns(fault: Fault, gap: Gap) -> bool:
    """Whether somebody who was at that node can have met this fault."""
    return not fault.target.startswith("node") or fault.target == f"node {gap.node}"


def main() -> int:
    """Exit code 1 on any loss or difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="runs, with rising seeds")
    parser.add_argument("--soak", action="store_true", help="no faults: watch the nodes' memory")
    arguments = parser.parse_args()
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        with tempfile.TemporaryDirectory(prefix="dojo-chaos-") as name:
            log = Path(tempfile.gettempdir()) / f"dojo-chaos-{seed}.log"
            with log.open("wb") as file:
                os.dup2(file.fileno(), 2)
            say(f"seed {seed}, {arguments.seconds:g} s; the processes' logs are in {log}")
            going = soak.run(arguments.seconds, Path(name), say) if arguments.soak else None
            good = asyncio.run(going or run(arguments.seconds, seed, Path(name)))
        if not good:
            say(f"FAILED with seed {seed}. The same faults again: make chaos SECONDS={arguments.seconds:g} SEED={seed}")
            say("(faults, people and pauses come again by the seed; the timing of processes does not)")
            return 1
        log.unlink()
    say("all was well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
