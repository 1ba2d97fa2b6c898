"""What the journal's tests share: entries, rows, and values that callbacks deliver and tests wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar
from uuid import UUID, uuid4

from collab_core.identity import RoomKey
from collab_core.journal.port import Entry, Row

T = TypeVar("T")

ACME = UUID("00000000-0000-0000-0000-00000000ac3e")
GLOBEX = UUID("00000000-0000-0000-0000-0000910be000")
ROOM = RoomKey(ACME, "kata")


def entry(update: bytes, at_ms: int = 1_790_000_000_000, author: UUID = ACME) -> Entry:
    return Entry(author, at_ms, update)


def row(update: bytes, sequence: int, epoch: UUID, key: RoomKey = ROOM) -> Row:
    return Row(key, epoch, sequence, [entry(update)])


def rows(*updates: bytes, key: RoomKey = ROOM, epoch: UUID | None = None) -> list[Row]:
    epoch = epoch or uuid4()
    return [row(update, number, epoch, key) for number, update in enumerate(updates, 1)]


def join(base: bytes, updates: Sequence[bytes]) -> bytes:
    """A fold that shows what was folded."""
    return b"|".join(filter(None, (base, *sorted(updates))))


class Watched(Generic[T]):
    """A callback that keeps what it is called with."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self._news = asyncio.Event()

    def __call__(self, value: T) -> None:
        self.values.append(value)
        self._news.set()

    async def until(self, satisfied: Callable[[list[T]], bool], seconds: float = 20.0) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not satisfied(self.values):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s: {self.values[-10:]}") from None

    async def until_last(self, value: T, seconds: float = 20.0) -> None:
        await self.until(lambda values: bool(values) and values[-1] == value, seconds)
