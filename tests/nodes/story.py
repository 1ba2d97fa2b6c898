"""One seed's story: a few people in one room on three nodes, whose bus, journal and lives are unreliable.

Everything between the sockets and the database is the engine's own, on a virtual clock: `Hub`, `Room`, the group
commit, the link to the other nodes. The same seed tells the same story.
"""

from __future__ import annotations

import asyncio
import contextlib
import random as dice
from collections.abc import Iterator
from random import Random
from uuid import UUID

import pytest
from pycrdt import Doc

from collab_core.document import delete_set_of
from collab_core.hub import Hub
from collab_core.identity import RoomKey
from collab_core.intake import NotTaken
from collab_core.journal import envelope
from collab_core.journal.memory import MemoryStore
from collab_core.journal.writer import JournalWriter
from collab_core.limits import Limits
from collab_core.merge import merge
from collab_core.metrics import EngineMetrics
from collab_core.splice import Splice
from collab_core.tuning import Tuning
from collab_core.wire.id_ranges import IdRanges
from collab_core.wire.messages import decode_state_vector
from collab_core.wire.update import walk
from tests.convergence.author import PIECES, Author
from tests.nodes.fickle import Air, FickleBus, FickleJournal
from tests.nodes.person import Person
from tests.nodes.virtual_time import clock

TENANT = UUID(int=7)
JSON_USER = UUID(int=0x1E0)
SETTLE_SECONDS = 45.0
"""Of virtual time, after all trouble is over: a quiet room says what it has every 10 s, a node that is gone is noticed
after 25 s at the latest, and a look at the journal every minute must not be needed."""


@contextlib.contextmanager
def client_ids(seed: int) -> Iterator[None]:
    """The nodes' own documents take their client ids from the seed, too: who types first at one place goes by them."""
    random = Random(f"the documents of {seed}")  # not the story's own sequence: that gives the people's ids
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collab_core.document.Doc", lambda: Doc(client_id=random.randrange(1, 2**32)))
        yield


class Node:
    """One node in one life."""

    def __init__(self, store: MemoryStore, air: Air, random: Random) -> None:
        self.dead = False
        self.journal = FickleJournal(store, random)
        epoch = UUID(int=random.getrandbits(128))
        limits = Limits()
        self.writer = JournalWriter(
            self.journal,
            epoch=epoch,
            backlog_bytes=limits.backlog_bytes,
            backlog_bytes_per_room=limits.backlog_bytes_per_room,
            interval_seconds=0.016,
        )
        self.writer.start()
        self.bus = FickleBus(air, epoch)
        self.metrics = EngineMetrics()
        self.hub = Hub(
            self.journal,
            self.writer,
            limits=limits,
            tuning=Tuning(compact_rows=20),
            metrics=self.metrics,
            bus=self.bus,
            clock=clock,
        )

    async def kill(self) -> None:
        """Gone at once, with all that was not committed. What is in flight may still be."""
        self.dead = True
        self.bus.end()
        for room in list(self.hub.rooms.values()):
            self.hub._forget(room)
        self.hub.draining = True
        for opening in list(self.hub._opening.values()):
            opening.cancel()
        for timer in self.hub._evictions.values():
            timer.cancel()
        await self.writer.close()


class Story:
    """`run` tells it, and says what is wrong with its end."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        dice.seed(seed)
        self.key = RoomKey(TENANT, f"seed-{seed}")
        self.store = MemoryStore()
        self.air = Air(random)
        self.nodes = [Node(self.store, self.air, random) for _ in range(3)]
        self.people = [Person(number, random, self.key, self._saved) for number in range(random.randrange(2, 5))]
        self.kills = 0
        self.calm = random.random() < 0.2
        """Some stories have no trouble at all: then nothing may be late."""

    async def run(self) -> None:
        """The story, and its end."""
        for person in self.people:
            await person.connect(self.random.choice(self.nodes))
        for _ in range(self.random.randrange(20, 60)):
            await self._step()
        await self._settle()

    async def _step(self) -> None:
        random = self.random
        choice = random.random()
        if choice < 0.55:
            random.choice(self.here).edit()
        elif choice < 0.60:
            self._compose()
        elif choice < 0.72:
            await asyncio.sleep(random.choice((0.001, 0.02, 0.2, 1.0)))
        elif choice < 0.74:
            await asyncio.sleep(random.choice((3.0, 7.0, 15.0)))
        elif not self.calm:
            await self._trouble(random.random())
        await self._reconnect(0.4)

    async def _trouble(self, choice: float) -> None:
        random = self.random
        node = random.choice(self.nodes)
        if choice < 0.12:
            random.choice(self.people).drop()
        elif choice < 0.15 and self.here[1:]:
            leaver = random.choice(self.here)
            leaver.gone = True
            leaver.drop()
        elif choice < 0.30:
            self.air.loss = random.choice((0.0, 0.05, 0.5))
        elif choice < 0.40:
            self.air.delay = random.choice((0.005, 0.1, 0.5))
        elif choice < 0.55:
            node.bus.part(known=random.random() < 0.5)
        elif choice < 0.70:
            node.bus.mend()
        elif choice < 0.80:
            node.journal.trouble = random.choice((0.0, 0.3, 1.0))
        elif choice < 0.90:
            if self.key in node.hub.rooms:
                node.hub._compact(node.hub.rooms[self.key])
        else:
            await self._kill(node)

    @property
    def here(self) -> list[Person]:
        """Those who will be there at the end."""
        return [person for person in self.people if not person.gone]

    def _saved(self, update: bytes) -> None:
        """A node said that this is saved: then it is, whatever happens next."""
        stored = self.journal()
        walked = walk(update)
        state = decode_state_vector(stored.doc.get_state())
        deleted = delete_set_of(stored.doc.get_update(stored.doc.get_state()))
        for section in walked.sections:
            assert state.get(section.client, 0) >= section.end, "saved, and not in the journal"
        for client, ranges in walked.deletes.items():
            for start, end in ranges:
                assert deleted.get(client, IdRanges()).covers(start, end), "a saved deletion is not in the journal"

    async def _kill(self, node: Node) -> None:
        self.kills += 1
        for person in self.people:
            if person.node is node:
                person.drop()
        await node.kill()
        self.nodes[self.nodes.index(node)] = Node(self.store, self.air, self.random)
        asyncio.get_running_loop().call_later(5.0, self._lease_ended, node)

    def _lease_ended(self, gone: Node) -> None:
        """The others hear it, if they can hear anything."""
        for node in self.nodes:
            if not node.bus.cut:
                node.hub.node_gone(gone.writer.epoch)

    def _compose(self) -> None:
        """Somebody without a document types, on a node that has the room open."""
        rooms = [node.hub.rooms[self.key] for node in self.nodes if self.key in node.hub.rooms]
        if not rooms:
            return
        room = self.random.choice(rooms)
        at = self.random.randrange(len(room.view.text("text")) + 1)
        with contextlib.suppress(NotTaken):
            room.compose(JSON_USER, "text", [Splice(at, at, self.random.choice(PIECES))])

    async def _reconnect(self, probability: float) -> None:
        for person in self.here:
            if person.code is not None:
                assert not person.code.permanent, f"an honest member was closed with {person.code!r}"
                person.drop()
                person.code = None
            if not person.online and self.random.random() < probability:
                person.drop()
                await person.connect(self.random.choice(self.nodes))

    # The end

    async def _settle(self) -> None:
        self.air.loss, self.air.delay = 0.0, 0.005
        for node in self.nodes:
            node.journal.trouble = 0.0
            if node.bus.cut:
                node.bus.mend()
        ends = clock() + SETTLE_SECONDS
        while (wrong := self._wrong()) is not None and clock() < ends:
            await self._reconnect(1.0)
            await asyncio.sleep(0.5)
        assert wrong is None, wrong

    def _wrong(self) -> str | None:
        """What is not yet as it must be at the end; `None` if everything is."""
        if not all(person.online for person in self.here):
            return "not everybody is in"
        made = [update for person in self.here for update in person.author.made]
        stored = self.journal()
        expected = stored.roots()
        for person in self.here:
            if person.author.roots() != expected:
                return f"person {person.number} has {person.author.roots()}, the journal {expected}"
        for number, node in enumerate(self.nodes):
            room = node.hub.rooms.get(self.key)
            if room is not None and room.view.text("text") != expected[0]:
                return f"node {number} has {room.view.text('text')!r}, the journal {expected[0]!r}"
            if node.writer.backlog_bytes:
                return f"node {number} has not committed everything"
        state = decode_state_vector(stored.doc.get_state())
        for update in made:
            for section in walk(update).sections:
                if state.get(section.client, 0) < section.end:
                    return f"an edit of client {section.client} is nowhere"
        return None

    def journal(self) -> Author:
        """What the journal's bytes come to."""
        return stored(self.store, self.key)

    async def end(self) -> None:
        """Nobody is left."""
        for person in self.people:
            person.drop()
            person.author.close()
        for node in self.nodes:
            await node.kill()


def stored(store: MemoryStore, key: RoomKey) -> Author:
    """What a journal's bytes come to."""
    rows = [row for row in store.rows.values() if row.key == key]
    updates = [update for row in rows for update in envelope.decode_updates(row.entries)]
    author = Author(1)
    author.apply(merge([store.bases.get(key, b""), *updates]))
    return author
