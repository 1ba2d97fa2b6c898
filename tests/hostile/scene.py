"""The scene of an attack: a room with an honest member in it, and the proof that it is intact afterwards."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Final

from collab_core.identity import RoomKey
from collab_core.journal.postgres import PostgresJournal
from dojo.data_directory import DataDirectory
from dojo.embedded.postgres import EmbeddedPostgres
from dojo.names import tenant_id
from tests.convergence.judge import Verdict, YjsJudge
from tests.hostile.intruder import Intruder, RawSocket, intruder
from tests.peers import NodePeers, Peer
from tests.running import RunningDojo

HONEST_TEXT: Final = "def hello():\n    return '\U0001f600 wörld'\n"
JOURNAL_SECONDS: Final = 10.0
"""How long the journal may lag behind what members see."""
_LOOK_AGAIN_SECONDS: Final = 0.05


class Scene:
    """A room, its honest member `ana` (a stock Yjs client in Node) and the way in for others."""

    def __init__(self, dojo: RunningDojo, peers: NodePeers, judge: YjsJudge, room: str, ana: Peer) -> None:
        self.dojo = dojo
        self.peers = peers
        self.judge = judge
        self.room = room
        self.ana = ana

    @classmethod
    async def set(cls, dojo: RunningDojo, peers: NodePeers, judge: YjsJudge, room: str) -> Scene:
        """The room is open and has `HONEST_TEXT`, typed character by character."""
        ana = await peers.open(dojo.live, room, await dojo.token(user="ana"))
        await ana.type(0, HONEST_TEXT)
        return cls(dojo, peers, judge, room, ana)

    async def intruder(self, user: str = "mallory", *, dojo_v1: bool = False) -> AbstractAsyncContextManager[Intruder]:
        """Somebody who may write, and will."""
        return intruder(self.dojo, self.room, await self.dojo.token(user=user), dojo_v1=dojo_v1)

    async def raw(self, user: str = "mallory") -> RawSocket:
        return await RawSocket.open(self.dojo, self.room, await self.dojo.token(user=user))

    async def refused(self, *frames: bytes | str, user: str = "mallory") -> int:
        """Send the frames from a connection of its own; the code it is closed with."""
        async with await self.intruder(user) as mallory:
            for frame in frames:
                await mallory.send(frame)
            return await mallory.closed()

    async def intact(self, text: str = HONEST_TEXT) -> None:
        """The room is open, and member, joiner and journal have the same document with this text. Leaves one edit
        in the room: " intact" is typed at its end, and taken back."""
        ben = await self.peers.open(self.dojo.live, self.room, await self.dojo.token(user="ben"))
        length = len(text.encode("utf-16-le")) // 2
        await self.ana.wait_text(text)
        await self.ana.insert(length, " intact")
        await ben.wait_text(text + " intact")
        await ben.delete(length, 7)
        await self.ana.wait_text(text)
        await self.peers.wait_equal(self.ana, ben)
        cleo = await self.peers.open(self.dojo.live, self.room, await self.dojo.token(user="cleo"))
        await self.peers.wait_equal(self.ana, ben, cleo)
        assert await cleo.text() == text
        state = await self.ana.state()
        assert state.closes == [], f"the honest member was closed: {state.closes}"
        assert await self.peers.faults() == []
        await self.committed(text, state.state_vector)
        await ben.close()
        await cleo.close()

    async def committed(self, text: str, state_vector: dict[int, int]) -> None:
        """Wait until the journal alone, read by real Yjs, holds this text and everything up to the state vector."""
        verdict: Verdict | None = None
        journal = await open_journal(self.dojo)
        try:
            async with asyncio.timeout(JOURNAL_SECONDS):
                while True:
                    verdict = await self._read(journal)
                    if verdict.text == text and dict(verdict.state_vector) == state_vector:
                        assert not verdict.pending
                        assert verdict.errors == []
                        return
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)  # a database cannot be waited for otherwise
        except TimeoutError:
            raise AssertionError(f"the journal has {verdict} and not {text!r}, {state_vector}") from None
        finally:
            await journal.close()

    async def _read(self, journal: PostgresJournal) -> Verdict:
        loaded = await journal.load(RoomKey(tenant_id("acme"), self.room))
        updates = [update for update in (loaded.base, *loaded.updates) if update]
        (verdict,) = await self.judge.judge([updates])
        return verdict


async def open_journal(dojo: RunningDojo) -> PostgresJournal:
    """The server's own journal, read beside it."""
    postgres = EmbeddedPostgres(DataDirectory(dojo.data_dir).postgres)
    return await PostgresJournal.open(postgres.dsn("dojo_journal"), postgres.dsn("dojo_service"))
