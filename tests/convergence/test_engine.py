"""Thousands of seeded stories of updates that come shuffled, twice, swapped with their neighbours, over many
connections: everybody ends with the same document, real Yjs included.

`DOJO_CONVERGENCE_SEED=n` replays one, `DOJO_CONVERGENCE_SECONDS` and `DOJO_CONVERGENCE_FIRST` make it a longer search.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass
from typing import Final

import pytest

from collab_core.journal.memory import MemoryStore
from tests.convergence.author import Author
from tests.convergence.judge import YjsJudge
from tests.convergence.simulation import Node, Simulation

FIRST: Final = int(os.environ.get("DOJO_CONVERGENCE_FIRST", "0"))
ONLY: Final = os.environ.get("DOJO_CONVERGENCE_SEED")
SECONDS: Final = float(os.environ.get("DOJO_CONVERGENCE_SECONDS", "20"))
LEAST: Final = 500
"""Seeds that must fit into the time even on a slow machine."""
BATCH: Final = 50
"""Rooms on one node at once; after each batch the node is restarted."""


@dataclass(frozen=True, slots=True)
class _Story:
    """One seed's end: what everybody should have, and the bytes that real Yjs is to make it of."""

    seed: int
    text: str
    map: object
    array: object
    watched: list[bytes]
    joined: list[bytes]
    restarted: list[bytes]
    stored: list[bytes]


async def _tell(node: Node, seed: int) -> tuple[Simulation, Author]:
    simulation = Simulation(node, seed)
    await simulation.run()
    truth = simulation.truth()
    what = f"seed {seed}"
    assert simulation.room_text() == truth.content(), f"{what}: the server's document"
    for number, author in enumerate(simulation.authors):
        assert author.roots() == truth.roots(), f"{what}: author {number}"
    assert simulation.watcher.author.roots() == truth.roots(), f"{what}: the watcher"
    assert simulation.watcher.code is None, what
    return simulation, truth


async def _batch(store: MemoryStore, seeds: range) -> list[_Story]:
    node = Node(store)
    told = await asyncio.gather(*(_tell(node, seed) for seed in seeds))
    joiners = [await simulation.join_alone() for simulation, _ in told]
    for simulation, _ in told:
        simulation.leave()
    await node.stop()
    if len(seeds) == BATCH:
        metrics = node.hub.metrics
        assert metrics.updates_held > 0, "nothing came before what it depends on: this proves little"
        assert metrics.updates_known > 0, "nothing came twice"
    restarted = Node(store)
    stories = []
    for seed, (simulation, truth), joiner in zip(seeds, told, joiners, strict=True):
        late = await simulation.join_alone(restarted)
        for who, wire in (("joiner", joiner), ("joiner after the restart", late)):
            assert wire.author.roots() == truth.roots(), f"seed {seed}: {who}"
        loaded = await restarted.journal.load(simulation.key)
        stored = [update for update in (loaded.base, *loaded.updates) if update]
        text, map_, array = truth.roots()
        stories.append(_Story(seed, text, map_, array, simulation.watcher.seen, joiner.seen, late.seen, stored))
        late.leave()
    await restarted.stop()
    return stories


async def _judged(judge: YjsJudge, stories: list[_Story]) -> None:
    """Real Yjs makes the same of what the watcher was sent, of each joiner's first sync, and of the stored rows."""
    verdicts = iter(
        await judge.judge(
            [part for story in stories for part in (story.watched, story.joined, story.restarted, story.stored)]
        )
    )
    for story in stories:
        for who in ("watcher", "joiner", "joiner after the restart", "journal"):
            verdict = next(verdicts)
            what = f"seed {story.seed}: {who} in Yjs"
            assert verdict.errors == [], what
            assert not verdict.pending, what
            assert verdict.text == story.text, what
            assert json.loads(verdict.map) == story.map, what
            assert json.loads(verdict.array) == story.array, what


@pytest.mark.timeout(120 + SECONDS * 2)
async def test_everybody_ends_with_the_same_document() -> None:
    seeds = 0
    async with YjsJudge() as judge:
        if ONLY is not None:
            await _judged(judge, await _batch(MemoryStore(), range(int(ONLY), int(ONLY) + 1)))
            return
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline or seeds < LEAST:
            first = FIRST + seeds
            await _judged(judge, await _batch(MemoryStore(), range(first, first + BATCH)))
            seeds += BATCH
    print(f"{seeds} seeds, from {FIRST} on")  # noqa: T201
