"""A bus that loses, delays and reorders, and a journal that answers late, out of order, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from uuid import UUID

from collab_core.bus.port import Heard
from collab_core.identity import RoomKey
from collab_core.journal import envelope
from collab_core.journal.memory import MemoryJournal, MemoryStore
from collab_core.journal.port import JournalUnavailable, Row
from collab_core.opening import open_log


class Air:
    """What all buses of a story share: who hears what, and how badly."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.buses: list[FickleBus] = []
        self.loss = 0.0
        self.delay = 0.005
        """Longest time a message is on its way."""

    def carry(self, sender: FickleBus, to: UUID | None, key: RoomKey, message: bytes) -> None:
        for bus in self.buses:
            if (to is not None and bus.epoch != to) or bus.cut or self.random.random() < self.loss:
                continue
            pause = self.random.random() * self.delay
            asyncio.get_running_loop().call_later(pause, bus.deliver, key, message)


class FickleBus:
    """One node's bus. `cut`: it is alone and may not know it; `known`: it knows."""

    alone = False
    behind = False

    def __init__(self, air: Air, epoch: UUID) -> None:
        self.epoch = epoch
        self.cut = False
        self.up = True
        self._air = air
        self._heard: dict[RoomKey, Heard] = {}
        self._interrupted: list[Callable[[], None]] = []
        self._on_down: list[Callable[[], None]] = []
        air.buses.append(self)

    async def subscribe(self, key: RoomKey, heard: Heard) -> None:
        await asyncio.sleep(self._air.random.random() * self._air.delay)
        self._heard[key] = heard

    def unsubscribe(self, key: RoomKey) -> None:
        self._heard.pop(key, None)

    def publish(self, key: RoomKey, message: bytes) -> None:
        if not self.cut:
            self._air.carry(self, None, key, message)

    def send(self, node: UUID, key: RoomKey, message: bytes) -> None:
        if not self.cut:
            self._air.carry(self, node, key, message)

    def on_down(self, callback: Callable[[], None]) -> None:
        self._on_down.append(callback)

    def on_interrupted(self, callback: Callable[[], None]) -> None:
        self._interrupted.append(callback)

    def deliver(self, key: RoomKey, message: bytes) -> None:
        if not self.cut and (heard := self._heard.get(key)) is not None:
            heard(message)

    def part(self, *, known: bool) -> None:
        """Cut this node off."""
        self.cut = True
        self.up = not known
        if known:
            for callback in self._on_down:
                callback()

    def mend(self) -> None:
        """Connect it again."""
        known, self.cut, self.up = not self.up, False, True
        if known:
            for callback in self._interrupted:
                callback()

    def end(self) -> None:
        """The node is dead."""
        self.cut = True
        self._heard.clear()
        self._air.buses.remove(self)


class FickleJournal(MemoryJournal):
    """One node's journal. Every commit is checked: nothing may be stored that builds on what is not."""

    def __init__(self, store: MemoryStore, random: Random) -> None:
        super().__init__(store)
        self._random = random
        self.trouble = 0.0
        """Share of commits that fail, or whose answer is lost, or that happen after they were given up."""
        self.slowness = 0.02

    async def append(self, rows: Sequence[Row]) -> None:
        random = self._random
        await asyncio.sleep(random.random() * self.slowness)
        if random.random() >= self.trouble:
            await super().append(rows)
            check(self.store, {row.key for row in rows})
            await asyncio.sleep(random.random() * self.slowness)
            return
        choice = random.random()
        if choice < 0.3:
            raise JournalUnavailable("nothing happened")
        if choice < 0.6:
            await super().append(rows)
            check(self.store, {row.key for row in rows})
            raise JournalUnavailable("the answer is lost")
        kept = asyncio.ensure_future(self._later(rows, random.random() * 3.0))
        self._kept = kept
        raise JournalUnavailable("it is still running, and will be committed")

    async def _later(self, rows: Sequence[Row], seconds: float) -> None:
        await asyncio.sleep(seconds)
        for row in rows:
            stored = MemoryJournal(self.store)
            await stored.append([row])
        check(self.store, {row.key for row in rows})


def check(store: MemoryStore, keys: set[RoomKey]) -> None:
    """Whether what is stored is whole. Raises `AssertionError`."""
    for key in keys:
        rows = [row for row in store.rows.values() if row.key == key]
        updates = [update for row in rows for update in envelope.decode_updates(row.entries)]
        _, document = open_log(store.bases.get(key, b""), updates)
        assert document is not None, "the journal holds something that builds on what it does not hold"
