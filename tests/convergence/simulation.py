"""A room of the real engine, in process, with people whose messages arrive in any order.

Everything is the engine's own (`Hub`, `Room`, the journal's group commit over the journal in memory); only the
sockets are not: a connection here is two queues. What a person sends is put anywhere into the queue of any of
their connections, twice now and then, and connections lag, stop reading, break and come back.
"""

from __future__ import annotations

import asyncio
import time
from random import Random
from uuid import UUID, uuid4

from collab_core.admission import Admission, Dialect
from collab_core.closes import CloseCode
from collab_core.hub import Hub
from collab_core.identity import RoomKey
from collab_core.journal.memory import MemoryJournal, MemoryStore
from collab_core.journal.writer import JournalWriter
from collab_core.limits import Limits
from collab_core.member import Member
from collab_core.merge import merge
from collab_core.metrics import EngineMetrics
from collab_core.room import Room
from collab_core.tuning import Tuning
from collab_core.wire.lib0 import Reader, write_var_bytes
from collab_core.wire.messages import AWARENESS, STEP1, SYNC, awareness_frame, sync_step2, update_frame
from tests.convergence.author import Author
from tests.hostile import forge

TENANT = UUID(int=7)
SETTLE_SECONDS = 10.0
QUIET_PASSES = 4
"""Passes of the event loop without anything sent, after which nothing more will come."""


class Node:
    """One node of the engine over a store that outlives it."""

    def __init__(self, store: MemoryStore) -> None:
        limits = Limits(members_per_room=10_000)
        self.journal = MemoryJournal(store)
        self.writer = JournalWriter(
            self.journal,
            epoch=uuid4(),
            backlog_bytes=limits.backlog_bytes,
            backlog_bytes_per_room=limits.backlog_bytes_per_room,
            interval_seconds=0.0,
        )
        self.writer.start()
        self.hub = Hub(self.journal, self.writer, limits=limits, tuning=Tuning(), metrics=EngineMetrics())

    async def stop(self) -> None:
        """Leave as a node does that is told to."""
        assert await self.writer.drain(10.0)
        await self.hub.drain(0.5)
        await self.writer.close()


class Wire:
    """One connection of one person: implements `collab_core.member.Connection` for the room."""

    def __init__(self, node: Node, key: RoomKey, author: Author, user: UUID) -> None:
        self.author = author
        self.queue: list[bytes] = []
        """What the person has sent and the room has not got yet."""
        self.seen: list[bytes] = []
        """The sync updates this connection was sent, in order."""
        self.code: CloseCode | None = None
        self.stopped = False
        """Whether it does not read at the moment."""
        self._node = node
        self._admission = Admission(key, user, "someone", True, time.time() + 3600)
        self._room: Room | None = None
        self._member: Member | None = None

    async def join(self) -> None:
        """Connect as a stock client does: SyncStep1 first."""
        self._room, self._member = await self._node.hub.join(self._admission, Dialect.YJS, self)
        state = bytearray(b"\x00\x00")
        write_var_bytes(state, self.author.doc.get_state())
        self.queue.insert(0, bytes(state))

    def leave(self) -> None:
        """The connection is lost, and with it everything under way."""
        if self._room is not None and self._member is not None:
            self._node.hub.left(self._room, self._member)
        self._room = self._member = None
        self.queue.clear()
        self.stopped = False

    @property
    def open(self) -> bool:
        return self._member is not None and self.code is None

    def deliver(self) -> None:
        """The room gets the next message."""
        assert self._room is not None
        assert self._member is not None
        self._room.receive(self._member, self.queue.pop(0))

    def stop_reading(self) -> None:
        if self._room is not None and self._member is not None and not self.stopped:
            self.stopped = True
            self._room.blocked(self._member)

    def read_on(self) -> None:
        if self._room is not None and self._member is not None and self.stopped:
            self.stopped = False
            self._room.drained(self._member)

    # The room's side

    def write(self, frame: bytes) -> None:
        reader = Reader(_payload(frame))
        kind = reader.var_uint()
        if kind == AWARENESS:
            return
        assert kind == SYNC
        step = reader.var_uint()
        body = reader.var_bytes()
        if step == STEP1:
            self.queue.append(sync_step2(self.author.doc.get_update(body)))
        else:
            self.seen.append(body)
            self.author.apply(body)

    def close(self, code: CloseCode, reason: str) -> None:
        self.code = code

    @property
    def unsent(self) -> int:
        return 0


def _payload(frame: bytes) -> bytes:
    length = frame[1]
    return frame[2:] if length < 126 else frame[4:] if length == 126 else frame[10:]


class Simulation:
    """One seed's story in one room."""

    def __init__(self, node: Node, seed: int) -> None:
        self.random = random = Random(seed)
        self.key = RoomKey(TENANT, f"seed-{seed}")
        self._node = node
        self.authors: list[Author] = []
        self.wires: list[Wire] = []
        self._by_author: dict[int, list[Wire]] = {}
        self._shuffle = random.choice((0.0, 0.3, 1.0))
        for number in range(random.randrange(2, 5)):
            author = Author(random.randrange(1, 2**32), lambda update, number=number: self._send(number, update))  # type: ignore[misc]
            user = UUID(int=random.getrandbits(128))
            self.authors.append(author)
            mine = [Wire(node, self.key, author, user) for _ in range(random.randrange(1, 4))]
            self._by_author[number] = mine
            self.wires += mine
        self.watcher = Wire(node, self.key, Author(1), UUID(int=1))
        """Joins first, never leaves, and only reads."""

    async def run(self) -> None:
        """Let them edit, then let everything arrive."""
        random = self.random
        await self.watcher.join()
        self.watcher.deliver()
        for wire in self.wires:
            if random.random() < 0.8:
                await wire.join()
        for _ in range(random.randrange(8, 40)):
            await self._step()
        await self._settle()

    async def _step(self) -> None:
        random = self.random
        choice = random.random()
        wire = random.choice(self.wires)
        if choice < 0.45:
            random.choice(self.authors).edit(random)
        elif choice < 0.50:
            first, second = random.sample(self.authors, 2)
            first.meet(second)
        elif choice < 0.85:
            for _ in range(random.randrange(1, 5)):
                wire = random.choice(self.wires)
                if wire.open and wire.queue:
                    wire.deliver()
            if random.random() < 0.5:
                await asyncio.sleep(0)
        elif choice < 0.90:
            if wire.open:
                cursor = forge.string(f'{{"cursor":{random.randrange(99)}}}')
                entry = b"\x01" + forge.uint(wire.author.doc.client_id) + forge.uint(random.randrange(50)) + cursor
                wire.queue.append(awareness_frame(entry))
        elif choice < 0.94:
            wire.stop_reading()
        elif choice < 0.97:
            wire.read_on()
        else:
            wire.leave()
            await asyncio.sleep(0)
        await self._reconnect(0.3)

    def _send(self, number: int, update: bytes) -> None:
        """An author's update goes to some of their connections, somewhere in the queue."""
        random = self.random
        frame = update_frame(update)
        wires = [wire for wire in self._by_author[number] if wire.open]
        if not wires:
            return  # offline: the next connection's sync brings it
        copies = 1 + (random.random() < 0.2)
        for _ in range(copies):
            queue = random.choice(wires).queue
            if random.random() >= self._shuffle:
                queue.append(frame)
            elif random.random() < 0.5:
                queue.insert(max(0, len(queue) - 1), frame)  # before its neighbour
            else:
                queue.insert(random.randrange(len(queue) + 1), frame)

    async def _reconnect(self, probability: float) -> None:
        for wire in self.wires:
            if wire.code is not None:
                assert not wire.code.permanent, f"an honest member was closed with {wire.code!r}"
                wire.leave()
                wire.code = None
            if not wire.open and self.random.random() < probability:
                await wire.join()

    async def _settle(self) -> None:
        for wire in self.wires:
            wire.read_on()
        quiet = 0
        while quiet < QUIET_PASSES:
            await self._reconnect(1.0)
            quiet += 1
            for wire in self.random.sample(self.wires, len(self.wires)):
                while wire.open and wire.queue:
                    wire.deliver()
                    quiet = 0
            await asyncio.sleep(0)
        room = self._node.hub.rooms[self.key]
        async with asyncio.timeout(SETTLE_SECONDS):
            while room.log.pending:  # noqa: ASYNC110 - a room tells nobody but its members that it has flushed
                await asyncio.sleep(0.001)
        assert await self._node.writer.drain(SETTLE_SECONDS)

    def room_text(self) -> str:
        """What the server's own document says."""
        return self._node.hub.rooms[self.key].view.text("text")

    async def join_alone(self, node: Node | None = None) -> Wire:
        """A newcomer with an empty document, synced; on another node, if one is given."""
        wire = Wire(node or self._node, self.key, Author(2), UUID(int=2))
        await wire.join()
        wire.deliver()
        return wire

    def truth(self) -> Author:
        """What everybody's updates come to, merged as bytes, without any room."""
        author = Author(3)
        author.apply(merge([update for each in self.authors for update in each.made]))
        return author

    def leave(self) -> None:
        for wire in (*self.wires, self.watcher):
            wire.leave()
        for author in self.authors:
            author.close()
