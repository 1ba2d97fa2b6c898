"""The same through the real server: stock Yjs clients in Node type while other people's updates come shuffled,
twice and over many connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.convergence.author import PIECES, Author
from tests.convergence.carrier import Carrier
from tests.peers import NodePeers, Peer
from tests.running import RunningDojo

SEEDS: Final = 24
AT_ONCE: Final = 8
"""Rooms at the same time."""
EDITS: Final = 40
"""Of each author, before the shuffle."""
END: Final = "⟦end⟧"
"""The last thing every author types: whoever has it has everything before it."""


@pytest.fixture
async def dojo(tmp_path: Path) -> AsyncIterator[RunningDojo]:
    async with RunningDojo(tmp_path / "dojo") as running:
        yield running


@pytest.fixture
async def peers() -> AsyncIterator[NodePeers]:
    async with NodePeers() as running:
        yield running
        assert await running.faults() == []


class _Story:
    """One room: two stock clients, and two authors whose histories arrive in disorder."""

    def __init__(self, dojo: RunningDojo, peers: NodePeers, seed: int) -> None:
        self.room = f"shuffle-{seed}"
        self.random = Random(seed)
        self._dojo = dojo
        self._peers = peers
        self.stock: list[Peer] = []

    async def tell(self) -> tuple[str, str]:
        """Run it; returns the room's text and fingerprint."""
        live, room = self._dojo.live, self.room
        for name in ("ana", "ben"):
            self.stock.append(await self._peers.open(live, room, await self._dojo.token(user=name)))
        authors = self._histories()
        await asyncio.gather(
            *(self._carry(author, f"author{number}") for number, author in enumerate(authors)),
            *(self._type(peer) for peer in self.stock),
        )
        for number in range(len(authors)):
            await self._peers.wait(self.stock, {"contains": {"root": "text", "contains": f"{END}{number}"}})
        joiner = await self._peers.open(live, room, await self._dojo.token(user="joiner"))
        await self._peers.wait_equal(*self.stock, joiner)
        text = await joiner.text()
        for peer in self.stock:
            assert await peer.text() == text, room
            assert (await peer.state()).closes == [], room
        fingerprint = await joiner.fingerprint()
        for peer in (*self.stock, joiner):
            await peer.close()
        return text, fingerprint

    def _histories(self) -> list[Author]:
        """Two people who write together and apart, before any of it is sent."""
        authors = [Author(self.random.randrange(1, 2**32)) for _ in range(2)]
        for _ in range(EDITS):
            for author in authors:
                author.edit(self.random)
            if self.random.random() < 0.2:
                authors[0].meet(authors[1])
        for number, author in enumerate(authors):
            author.insert(self.random.randrange(len(author.content()) + 1), f"{END}{number}")
        return authors

    async def _carry(self, author: Author, user: str) -> None:
        updates = list(author.made)
        updates += self.random.sample(updates, len(updates) // 4)
        self.random.shuffle(updates)
        token = await self._dojo.token(user=user)
        carriers = [Carrier(author) for _ in range(3)]
        for carrier in carriers:
            await carrier.connect(self._dojo.live, self.room, token)
        for update in updates:
            await self.random.choice(carriers).send(update)
            if self.random.random() < 0.3:
                await asyncio.sleep(0)
        for carrier in carriers:
            await carrier.taken()
        codes = [await carrier.leave() for carrier in carriers]
        assert codes == [1000] * len(carriers), self.room

    async def _type(self, peer: Peer) -> None:
        for _ in range(15):
            await peer.insert(0, self.random.choice(PIECES))


@pytest.mark.timeout(150)
async def test_stock_clients_among_shuffled_updates(dojo: RunningDojo, peers: NodePeers) -> None:
    stories = [_Story(dojo, peers, seed) for seed in range(SEEDS)]
    ends: list[tuple[str, str]] = []
    for at in range(0, SEEDS, AT_ONCE):
        ends += await asyncio.gather(*(story.tell() for story in stories[at : at + AT_ONCE]))
    await dojo.restart()
    for story, (text, fingerprint) in zip(stories, ends, strict=True):
        late = await peers.open(dojo.live, story.room, await dojo.token(user="late"))
        assert await late.text() == text, story.room
        assert await late.fingerprint() == fingerprint, story.room
        await late.close()
