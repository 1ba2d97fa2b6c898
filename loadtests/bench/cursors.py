"""Everyone moves their cursor, and every client echoes what it hears, as stock y-websocket clients do."""

from __future__ import annotations

import asyncio
import gc
import random
import time

from loadtests import dialect as messages
from loadtests.bench.fanout import BUSY_GENERATOR, Measured
from loadtests.bench.histogram import Histogram
from loadtests.bench.member import Entry, Frame, FrameTable, Member, close_all, open_all, until
from loadtests.bench.processes import CpuMeter
from loadtests.bench.servers import Server
from loadtests.lib0 import varuint

MOVE_SECONDS = 1.0
"""Each member moves its cursor this often."""
WARM_UP_SECONDS = 3.0
GRACE_SECONDS = 5.0
"""How long the last moves may take to be seen before they count as lost."""


class _Room:
    """What the members of one room have seen of each other's presence."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        self.sent: dict[tuple[int, int], float] = {}
        """When (client id, clock) was sent."""
        self.window = (float("inf"), float("inf"))
        self.histogram = Histogram()
        self._position = dict.fromkeys(members, 0)
        self._seen: dict[Member, dict[int, int]] = {member: {} for member in members}
        self._deliveries: list[tuple[float, float]] = []
        self._whole: dict[Frame, bytes] = {}
        self.echoes = 0
        for member in members:
            member.on_entries = self.heard

    def heard(self, member: Member, frame: Frame, now: float) -> None:
        """What a stock client does with an awareness frame: take what is newer than what it knows, never its own,
        and send all of that back."""
        seen = self._seen[member]
        own = member.client_id
        changed = []
        for entry in frame.entries:
            client, clock, _ = entry
            if client != own and seen.get(client, 0) < clock:
                seen[client] = clock
                changed.append(entry)
                at = self.sent.get((client, clock))
                if at is not None:
                    self._deliveries.append((at, now))
        if len(changed) == len(frame.entries):
            echo = self._whole.get(frame)
            if echo is None:
                echo = self._whole[frame] = _frame(changed)
            member.send(echo)
            self.echoes += 1
        elif changed:
            member.send(_frame(changed))
            self.echoes += 1

    def move(self, member: Member) -> None:
        """One cursor movement."""
        # Elsewhere each time: the same state again would be a renewal, which a server may pass on much later.
        at = self._position[member] = (self._position[member] + random.randrange(1, 100)) % 2000
        position = b'{"type":null,"tname":"content","item":{"client":%d,"clock":%d},"assoc":0}' % (member.client_id, at)
        state = b'{"user":{"name":"Someone","color":"#30bced"},"cursor":{"anchor":%b,"head":%b}}' % (position, position)
        now = time.perf_counter()
        self.sent[(member.client_id, member.announce(state))] = now

    def work_out(self, result: Measured) -> None:
        """Latencies of moves within the window; a move may be overtaken by the same member's next, but the last must
        have reached everyone."""
        start, end = self.window
        for at, now in self._deliveries:
            if start <= at <= end:
                self.histogram.add(now - at)
        moves = sum(1 for at in self.sent.values() if start <= at <= end)
        wanted = moves * (len(self.members) - 1)
        result.figures |= {
            "p50_ms": self.histogram.percentile(0.5),
            "p95_ms": self.histogram.percentile(0.95),
            "p99_ms": self.histogram.percentile(0.99),
            "moves_seen": self.histogram.count / wanted if wanted else 0.0,
        }
        if unseen := self.unseen():
            result.problems.append(f"{unseen} members' last cursor positions did not reach another member")

    def unseen(self) -> int:
        """Pairs of members of whom one does not know the other's last position."""
        last: dict[int, int] = {}
        for client, clock in self.sent:
            last[client] = max(clock, last.get(client, 0))
        return sum(
            1
            for member, seen in self._seen.items()
            for client, clock in last.items()
            if client != member.client_id and seen.get(client, 0) < clock
        )


def _frame(entries: list[Entry]) -> bytes:
    return messages.awareness(varuint(len(entries)) + b"".join(entry.raw for entry in entries))


async def measure(server: Server, members: int, seconds: float) -> Measured:
    """Figures: `p50_ms`, `p95_ms`, `p99_ms` from a move to its being seen, `moves_seen` (share of moves that were,
    rather than overtaken), `server_cpu`, `generator_cpu`. Raises `LoadFailed`."""
    table = FrameTable(server.dialect)
    ids = random.sample(range(1 << 20, 1 << 31), members)
    present = [Member("cursors", client_id, table, server.dialect, types=False) for client_id in ids]
    room = _Room(present)
    result = Measured()
    try:
        await open_all(present, [server.url("cursors", number) for number in range(members)])
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            mover = asyncio.create_task(_move(room))
            await asyncio.sleep(WARM_UP_SECONDS)
            meter, own, start = CpuMeter(server.pid), time.process_time(), time.perf_counter()
            echoes = room.echoes
            await asyncio.sleep(seconds)
            share, end = meter.read(), time.perf_counter()
            echoes = room.echoes - echoes
            busy = (time.process_time() - own) / (end - start)
            mover.cancel()
            await asyncio.gather(mover, return_exceptions=True)
        finally:
            gc.enable()
            gc.unfreeze()
        room.window = (start, end)
        deadline = time.perf_counter() + GRACE_SECONDS
        await until(lambda: not room.unseen(), deadline)
        result.figures |= {
            "server_cpu": share.total,
            "generator_cpu": busy,
            "echoes_per_second": echoes / (end - start),
        }
        result.server_by_program = share.by_program
        room.work_out(result)
        if busy > BUSY_GENERATOR:
            result.warnings.append(f"the generator itself used {busy:.0%} of its core")
        for member in present:
            member.check()
    finally:
        await close_all(present)
    return result


async def _move(room: _Room) -> None:
    order = random.sample(room.members, len(room.members))
    gap = MOVE_SECONDS / len(order)
    due = time.perf_counter()
    while True:
        for member in order:
            due += gap
            wait = due - time.perf_counter()
            # Even when late, the sockets must be looked at: the generator is also everyone's reader.
            await asyncio.sleep(max(0.0, wait))
            room.move(member)
