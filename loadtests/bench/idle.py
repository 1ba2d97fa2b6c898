"""What a connection costs that does nothing."""

from __future__ import annotations

import asyncio
import random

from loadtests.bench import processes
from loadtests.bench.fanout import Measured
from loadtests.bench.member import FrameTable, Member, close_all, open_all
from loadtests.bench.servers import Server

SETTLE_SECONDS = 3.0
"""After which buffers that are freed lazily are freed."""


async def measure(server: Server, rooms: int, members: int) -> Measured:
    """Open `rooms` x `members` connections, all synced, and then as many again in rooms of their own.

    Figure: `kib_per_connection`, the growth of the socket process's proportional set size from the first to the
    second, rooms included. The first ones use up what a started process has lying free, so the second show the full
    price. Raises `LoadFailed`.
    """
    present: list[Member] = []
    sizes = [await _settled_memory(server)]
    try:
        for label in ("first", "second"):
            more = _members(server, label, rooms, members)
            present += more
            await open_all(more, [server.url(member.room, number) for number, member in enumerate(more)])
            sizes.append(await _settled_memory(server))
        for member in present:
            member.check()
    finally:
        await close_all(present)
    count = rooms * members
    start, first, second = sizes
    return Measured(
        {
            "kib_per_connection": (second - first) / count,
            "kib_per_connection_from_start": (first - start) / count,
            "memory_at_start_kib": float(start),
        }
    )


def _members(server: Server, label: str, rooms: int, members: int) -> list[Member]:
    table = FrameTable(server.dialect)
    return [
        Member(f"{label}-{room}", random.randrange(1 << 20, 1 << 31), table, server.dialect, types=False)
        for room in range(rooms)
        for _ in range(members)
    ]


async def _settled_memory(server: Server) -> int:
    await asyncio.sleep(SETTLE_SECONDS)
    return processes.memory_kib(server.live_pid)
