"""Reading what the journal has and an open room has not: when the bus is down, or others could not help."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from collab_core.identity import RoomKey
from collab_core.journal.port import Journal, JournalUnavailable, Loaded
from collab_core.room import Room

AT_ONCE = 4
"""While the bus is down every busy room of a node is read every few seconds. The journal has other work, too."""

logger = logging.getLogger(__name__)


class Readings:
    """One node's readings, at most one at a time for each room."""

    def __init__(self, journal: Journal, *, seconds: float) -> None:
        self._journal = journal
        self._seconds = seconds
        self._moments: dict[RoomKey, datetime] = {}
        """Up to when each open room knows what the journal has."""
        self._tasks: dict[RoomKey, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    def opened(self, key: RoomKey, moment: datetime) -> None:
        """The room was loaded as it was at `moment`."""
        self._moments[key] = moment

    def closed(self, key: RoomKey) -> None:
        """The room leaves this node."""
        self._moments.pop(key, None)
        if (task := self._tasks.pop(key, None)) is not None:
            task.cancel()

    def start(self, room: Room) -> None:
        """Read what is new, and let it join. The room is told also if that failed."""
        task = asyncio.get_running_loop().create_task(self._read(room), name=f"read {room.key.room}")
        self._tasks[room.key] = task
        task.add_done_callback(lambda done: self._tasks.pop(room.key) if self._tasks.get(room.key) is done else None)

    async def _read(self, room: Room) -> None:
        loaded: Loaded | None = None
        try:
            async with self._turns, asyncio.timeout(self._seconds):
                loaded = await self._journal.since(room.key, self._moments[room.key])
            self._moments[room.key] = loaded.moment
        except (JournalUnavailable, TimeoutError, ValueError) as error:
            logger.warning("room %s could not be read again: %s", room.key, error)
        room.link.read(loaded)
