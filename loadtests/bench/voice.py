"""Voice in full swing: what a forwarded packet costs, how long it is under way, and how many hear on one core."""

from __future__ import annotations

from typing import Final

from loadtests.bench.fanout import Measured
from loadtests.bench.voice_servers import VoiceServer
from loadtests.bench.voice_stage import SLOTS, stage
from loadtests.voice.microphone import Mode

LOUD: Final = [Mode.LOUD] * SLOTS
OPEN_MICROPHONES: Final = 50
LOSS: Final = 0.01


async def cost(server: VoiceServer, listeners: int, seconds: float) -> Measured:
    """Three speak, `listeners` hear them. Figures: `us_per_packet` (CPU of the server per packet it sent), `p50_ms`,
    `p99_ms`. Raises `LoadFailed`."""
    result = Measured()
    async with stage(server) as room:
        await room.add_speakers(LOUD)
        await room.add_listeners(listeners)
        await room.settled()
        found = await room.stretch(seconds)
        room.check(found, result)
    result.figures |= {
        "us_per_packet": found.us_per_packet,
        "p50_ms": found.delays.percentile(0.5),
        "p99_ms": found.delays.percentile(0.99),
    }
    return result


async def delay(server: VoiceServer, few: int, many: int, seconds: float) -> Measured:
    """Three speak; first `few` hear them, then `many`. Figures: `p50_ms`, `p99_ms`, and with many `many_p50_ms`,
    `many_p99_ms`, `many_p999_ms`: from the speaker's system call to the arrival in the listener's socket, as the kernel
    stamps it. Raises `LoadFailed`."""
    result = Measured()
    async with stage(server) as room:
        await room.add_speakers(LOUD)
        await room.add_listeners(few)
        await room.settled()
        first = await room.stretch(seconds)
        room.check(first, result)
        await room.add_listeners(many - few)
        await room.settled()
        second = await room.stretch(seconds)
        room.check(second, result)
    result.figures |= {
        "p50_ms": first.delays.percentile(0.5),
        "p99_ms": first.delays.percentile(0.99),
        "many_p50_ms": second.delays.percentile(0.5),
        "many_p99_ms": second.delays.percentile(0.99),
        "many_p999_ms": second.delays.percentile(0.999),
    }
    return result


async def crowd(server: VoiceServer, listeners: int, seconds: float) -> Measured:
    """50 microphones are open: three of them are spoken into, half of the others send a room's noise in full, the rest
    are silent. 1% of what listeners receive is thrown away and asked for again. Figures: `listeners` who got
    everything, `recovered_percent` of what was thrown away, `p999_ms`. Raises `LoadFailed`."""
    rest = OPEN_MICROPHONES - SLOTS
    result = Measured()
    async with stage(server, loss=LOSS) as room:
        await room.add_speakers([*LOUD, *[Mode.QUIET] * (rest // 2), *[Mode.DTX] * (rest - rest // 2)])
        await room.add_listeners(listeners, nack=True)
        await room.settled()
        found = await room.stretch(seconds)
        room.check(found, result)
    thrown = max(found.totals.injected, 1)
    result.figures |= {
        "listeners": float(found.complete),
        "recovered_percent": 100 * found.totals.recovered / thrown,
        "us_per_packet": found.us_per_packet,
        "p50_ms": found.delays.percentile(0.5),
        "p999_ms": found.delays.percentile(0.999),
    }
    return result
