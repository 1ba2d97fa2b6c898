"""Synthetic clients and the voice process they measure: what one says, the others hear whole and on time."""

from __future__ import annotations

from loadtests.bench.fanout import Measured
from loadtests.bench.voice_servers import DojoVoice
from loadtests.bench.voice_stage import SLOTS, stage
from loadtests.voice.crowd import pause_until
from loadtests.voice.microphone import Mode

LISTENERS = 6
SECONDS = 2.0


async def test_three_speak_and_all_hear_them() -> None:
    result = Measured()
    async with DojoVoice() as server, stage(server) as room:
        await room.add_speakers([Mode.LOUD] * SLOTS)
        await room.add_listeners(LISTENERS)
        await room.settled()
        found = await room.stretch(SECONDS)
        room.check(found, result)
        ears = room.crowd.ears

    assert result.problems == []
    assert len(ears) == LISTENERS
    assert all(ear.frames > 0 for ear in ears)
    # More where the machine was busy and what came late is counted with it.
    assert found.delays.count >= 0.9 * LISTENERS * SLOTS * 50 * found.seconds
    assert found.us_per_packet > 0


async def test_what_a_client_throws_away_comes_again() -> None:
    async with DojoVoice() as server, stage(server, loss=0.05) as room:
        await room.add_speakers([Mode.LOUD] * SLOTS)
        await room.add_listeners(LISTENERS, nack=True)
        await room.settled()
        recovered = await pause_until(lambda: room.crowd.totals.recovered >= 20, 10.0)
        totals = room.crowd.totals

    assert recovered
    assert totals.lost == 0
    assert sum(ear.spoilt + ear.sealed for ear in room.crowd.ears) == 0
    assert all(ear.red for ear in room.crowd.ears)
