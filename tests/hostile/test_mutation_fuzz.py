"""Mutated updates thrown at a live room in which honest people type, two of them real Yjs in Node.

`DOJO_FUZZ_SEED` replays a run's attacks, `DOJO_FUZZ_MUTATIONS` makes it longer. What people type meanwhile is
timing, so a failure says everything that was accepted.
"""

from __future__ import annotations

import asyncio
import os
from random import Random
from typing import Final

import pytest

from collab_core.wire.lib0 import WireError
from collab_core.wire.update import walk
from tests.convergence.judge import YjsJudge
from tests.durability.writer import Writer
from tests.hostile.mutation import Forger, mutate
from tests.hostile.scene import Scene
from tests.peers import NodePeers, Peer
from tests.running import RunningDojo

SEED: Final = int(os.environ.get("DOJO_FUZZ_SEED", "20261120"))
MUTATIONS: Final = int(os.environ.get("DOJO_FUZZ_MUTATIONS", "300"))
ATTACKERS: Final = 6
"""At once; each mutation comes from a user and a connection of its own."""
FUZZ_SECONDS: Final = 120 + MUTATIONS // 2
_HONEST: Final = {"node1": "①", "node2": "②", "python1": "❸", "python2": "\U0001f680"}
"""What each honest person types, over and over: in no mutation, so that all of it can be counted."""


class _Fuzz:
    """One run: the honest people, and what the attackers sent and got away with."""

    def __init__(self, scene: Scene, mode: str) -> None:
        self.scene = scene
        self.mode = mode
        self.random = Random(f"{SEED}{mode}")
        self.typed = dict.fromkeys(_HONEST, 0)
        self.kept: list[bytes] = []
        """Updates whose senders were let stay."""
        self.pool: list[bytes] = []
        self.left = MUTATIONS
        self.honest_ids: set[int] = {scene.ana.client_id}

    async def attack(self) -> None:
        while self.left > 0:
            self.left -= 1
            update = await self._mutation()
            if self._takes_over(update):
                continue
            async with await self.scene.intruder(f"mallory{self.left}") as mallory:
                await mallory.update(update)
                if await mallory.outcome() is None:
                    self.kept.append(update)

    async def _mutation(self) -> bytes:
        if not self.pool or self.random.random() < 0.2:
            self.pool.append(await self.scene.ana.encoded())
            del self.pool[:-8]
        if self.mode == "bytes":
            return mutate(self.random, self.random.choice(self.pool), self.pool)
        state = (await self.scene.ana.state()).state_vector
        return Forger(self.random, state, spare=self.honest_ids, wild=False).update()

    def _takes_over(self, update: bytes) -> bool:
        """Whether it is a valid update that brings something under the id of somebody who is typing right now: it takes
        the next of their clocks, and no client can tell any more whose edit that is."""
        try:
            return any(section.client in self.honest_ids for section in walk(update).sections)
        except WireError:
            return False

    async def type_in_node(self, name: str, peer: Peer, done: asyncio.Event) -> None:
        while not done.is_set():
            await peer.insert(0, _HONEST[name])
            self.typed[name] += 1
            await asyncio.sleep(0.01)

    async def type_in_python(self, name: str, writer: Writer, done: asyncio.Event) -> None:
        random = Random(name)
        while not done.is_set():
            writer.insert(random.randrange(len(writer.content()) + 1), _HONEST[name])
            self.typed[name] += 1
            await writer.flush()
            await asyncio.sleep(0.01)


@pytest.mark.timeout(FUZZ_SECONDS)
@pytest.mark.parametrize("mode", ["bytes", "structs"])
async def test_mutated_updates_in_a_live_room(
    own_dojo: RunningDojo, peers: NodePeers, judge: YjsJudge, mode: str
) -> None:
    scene = await Scene.set(own_dojo, peers, judge, "fuzz")
    fuzz = _Fuzz(scene, mode)
    nodes = {
        name: await peers.open(own_dojo.live, "fuzz", await own_dojo.token(user=name)) for name in ("node1", "node2")
    }
    writers = {name: Writer() for name in ("python1", "python2")}
    for name, writer in writers.items():
        await writer.connect(own_dojo.live, "fuzz", await own_dojo.token(user=name))
        fuzz.honest_ids.add(writer.doc.client_id)
    fuzz.honest_ids.update(peer.client_id for peer in nodes.values())
    done = asyncio.Event()
    typing = [asyncio.create_task(fuzz.type_in_node(name, peer, done)) for name, peer in nodes.items()]
    if mode == "bytes":
        # Among formats, embeds and collected types pycrdt itself makes edits that no one can take (a struct whose right
        # neighbour is itself), so there it only follows.
        typing += [asyncio.create_task(fuzz.type_in_python(name, writer, done)) for name, writer in writers.items()]
    try:
        await asyncio.gather(*(fuzz.attack() for _ in range(ATTACKERS)))
    finally:
        done.set()
        await asyncio.gather(*typing)
    print(f"{mode}: {len(fuzz.kept)} of {MUTATIONS} mutations were let stay; typed {fuzz.typed}")  # noqa: T201
    print("let stay:", *(update.hex() for update in fuzz.kept), sep="\n")  # noqa: T201
    await _all_agree(fuzz, nodes, writers)


async def _all_agree(fuzz: _Fuzz, nodes: dict[str, Peer], writers: dict[str, Writer]) -> None:
    scene = fuzz.scene
    dojo, peers = scene.dojo, scene.peers
    for writer in writers.values():
        await writer.all_saved()
    honest = [scene.ana, *nodes.values()]
    await peers.wait_equal(*honest)
    joiner = await peers.open(dojo.live, "fuzz", await dojo.token(user="joiner"))
    await peers.wait_equal(*honest, joiner)
    text = await scene.ana.text()
    for peer in (*honest[1:], joiner):
        assert await peer.text() == text
        assert (await peer.state()).closes == []
    for writer in writers.values():
        await writer.has_text(text)
        assert writer.close_code is None
    state = (await scene.ana.state()).state_vector
    await scene.committed(text, state)
    if fuzz.mode == "bytes":
        _all_typed(fuzz, text)
    assert await peers.faults() == []
    for peer in (*honest, joiner):
        await peer.disconnect()
    for writer in writers.values():
        await writer.disconnect()
    await dojo.restart()
    late = await peers.open(dojo.live, "fuzz", await dojo.token(user="late"))
    assert await late.text() == text
    assert await late.fingerprint() == await scene.ana.fingerprint()


def _all_typed(fuzz: _Fuzz, text: str) -> None:
    """Everything honest is there, unless an attacker, who may write, deleted some of it. (There can be more: a mutated
    copy of an honest update under another client id is an insertion like any other.)"""
    missing = {name: count - text.count(_HONEST[name]) for name, count in fuzz.typed.items()}
    if not any(walk(update).deletes for update in fuzz.kept):
        assert max(missing.values()) <= 0, missing
