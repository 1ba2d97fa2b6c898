"""What joining costs a voice server, what a peer takes of its memory and sockets, and what joins do to talk."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from typing import Final

from loadtests.bench.fanout import Measured
from loadtests.bench.histogram import Histogram
from loadtests.bench.processes import CpuMeter, memory_kib, tree
from loadtests.bench.voice import LOUD
from loadtests.bench.voice_servers import VoiceServer
from loadtests.bench.voice_stage import stage
from loadtests.voice.crowd import Quiet, join_all, pause_until
from loadtests.voice.microphone import Mode

PEERS: Final = 200
WARM_PEERS: Final = 20
"""That come before: the first of anything costs what the others do not."""
RESTING_SECONDS: Final = 2.0
"""After the joins, until what they needed only for a moment is given back."""
AT_ONCE: Final = 50
CALM_SECONDS: Final = 5.0
AFTER_SECONDS: Final = 2.0
"""After the joins of a storm that still count: what was queued by them arrives then."""


async def cost(server: VoiceServer) -> Measured:
    """`PEERS` join a room in which nobody speaks. Figures: `cpu_ms` of the server for each, `kib_per_peer` that its
    memory grew by, `sockets_per_peer`, `join_p50_ms` (checks and handshake as the client sees them). Raises
    `LoadFailed`."""
    result = Measured()
    async with stage(server) as room:
        await room.add_speakers([Mode.MUTE] * len(LOUD))
        await room.add_listeners(WARM_PEERS)
        await asyncio.sleep(RESTING_SECONDS)
        memory, sockets = _memory(server), _sockets(server)
        meters = [CpuMeter(root) for root in server.roots]
        begun = time.perf_counter()
        await room.add_listeners(PEERS, at_once=4)
        shares = [meter.read().total for meter in meters]
        took = time.perf_counter() - begun
        await asyncio.sleep(RESTING_SECONDS)
        seconds = sorted(client.joined_seconds for client in room.listeners[WARM_PEERS:])
        result.figures |= {
            "cpu_ms": sum(shares) * took * 1000 / PEERS,
            "kib_per_peer": (_memory(server) - memory) / PEERS,
            "sockets_per_peer": (_sockets(server) - sockets) / PEERS,
            "join_p50_ms": seconds[len(seconds) // 2] * 1000,
            "joins_per_second": PEERS / took,
        }
    return result


async def storm(server: VoiceServer, listeners: int) -> Measured:
    """Three speak and `listeners` hear them; then 50 more join at once. Figures: `added_ms`, the longest delay while
    they do beyond the calm before's p99; `calm_p99_ms`, `storm_p99_ms`, `storm_max_ms`, `all_in_seconds`. Raises
    `LoadFailed`."""
    result = Measured()
    async with stage(server) as room:
        await room.add_speakers(LOUD)
        await room.add_listeners(listeners)
        await room.settled()
        calm = await room.stretch(CALM_SECONDS)
        room.check(calm, result)
        with Quiet():
            room.delays = Histogram()
            before = len(room.listeners)
            coming = [room.crowd.client() for _ in range(AT_ONCE)]
            begun = time.perf_counter()
            await join_all([functools.partial(room.room.listen, client) for client in coming], at_once=AT_ONCE)
            took = time.perf_counter() - begun
            for client in coming:
                room.crowd.keep_up(client)
            heard = await pause_until(lambda: all(len(client.streams) >= len(LOUD) for client in coming), 5.0)
            await asyncio.sleep(AFTER_SECONDS)
        if not heard:
            result.problems.append("some who joined at once heard nothing within 5 s")
        assert len(room.listeners) == before
        result.figures |= {
            "added_ms": max(0.0, room.delays.max_ms - calm.delays.percentile(0.99)),
            "calm_p99_ms": calm.delays.percentile(0.99),
            "storm_p99_ms": room.delays.percentile(0.99),
            "storm_max_ms": room.delays.max_ms,
            "all_in_seconds": took,
        }
    return result


def _memory(server: VoiceServer) -> int:
    return sum(memory_kib(pid) for root in server.roots for pid in tree(root))


def _sockets(server: VoiceServer) -> int:
    found = 0
    for root in server.roots:
        for pid in tree(root):
            for entry in os.scandir(f"/proc/{pid}/fd"):
                try:
                    found += os.readlink(entry.path).startswith("socket:")
                except FileNotFoundError:  # closed meanwhile
                    continue
    return found
