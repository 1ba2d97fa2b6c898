"""Speakers take turns while all slots are full: how soon the next one is heard, and whether streams stay whole."""

from __future__ import annotations

import asyncio
from typing import Final

from loadtests.bench.fanout import Measured
from loadtests.bench.histogram import Histogram
from loadtests.bench.voice_servers import VoiceServer
from loadtests.bench.voice_stage import SLOTS, Stage, stage
from loadtests.voice.microphone import Microphone, Mode
from loadtests.voice.speech import Spoken
from loadtests.voice.streams import Stream

LISTENERS: Final = 20
SPEAKERS: Final = 2 * SLOTS
EVERY_SECONDS: Final = 2.5
"""Between two changes: a sentence."""
CHANGES: Final = 12
"""So many that everybody is back where they were."""
PAUSE_SECONDS: Final = 1.0
"""Longer than any SFU should wait for somebody to go on after a pause."""
_BILLION: Final = 1e9


class _Turns:
    """Who began when, and when each listener heard them first."""

    def __init__(self) -> None:
        self.newcomer: Microphone | None = None
        self.first: dict[int, int] = {}
        self.times = Histogram()
        self.unheard = 0

    def begin(self, newcomer: Microphone) -> None:
        self.newcomer = newcomer
        self.first = {}

    def heard(self, stream: Stream, spoken: Spoken, arrived: int) -> None:
        new = self.newcomer
        if new is not None and spoken.speaker == new.number and new.loud_since and spoken.at >= new.loud_since:
            self.first.setdefault(id(stream.watch), arrived)

    def end(self, listeners: int) -> None:
        assert self.newcomer is not None
        for arrived in self.first.values():
            self.times.add((arrived - self.newcomer.loud_since) / _BILLION)
        self.unheard += listeners - len(self.first)
        self.newcomer = None


async def measure(server: VoiceServer) -> Measured:
    """Six microphones are open, three are spoken into. Again and again one speaker falls silent and another one begins:
    first after a pause as between two people's sentences, then at the same moment. Figures: `change_p50_ms`,
    `change_p95_ms`, `change_max_ms` from the newcomer's first loud packet to the first that a listener gets of it,
    after a pause, `at_once_p50_ms` and `at_once_max_ms` without one; `gaps` and `clock_back` of all streams. Raises
    `LoadFailed`."""
    result = Measured()
    turns = _Turns()
    async with stage(server) as room:
        room.heard = turns.heard  # type: ignore[method-assign]
        await room.add_speakers([*[Mode.LOUD] * SLOTS, *[Mode.QUIET] * (SPEAKERS - SLOTS)])
        await room.add_listeners(LISTENERS)
        await room.settled()
        before = room.crowd.totals
        times = [await _take_turns(room, turns, pause) for pause in (PAUSE_SECONDS, 0.0)]
        totals = room.crowd.totals - before
    if turns.unheard:
        result.problems.append(f"{turns.unheard} times a listener did not hear the next speaker at all")
    result.figures |= {
        "change_p50_ms": times[0].percentile(0.5),
        "change_p95_ms": times[0].percentile(0.95),
        "change_max_ms": times[0].max_ms,
        "at_once_p50_ms": times[1].percentile(0.5),
        "at_once_max_ms": times[1].max_ms,
        "gaps": float(totals.lost),
        "clock_back": float(totals.time_back),
    }
    return result


async def _take_turns(room: Stage, turns: _Turns, pause: float) -> Histogram:
    """`CHANGES` of them; how long each took for each listener."""
    turns.times = Histogram()
    for number in range(CHANGES):
        leaving = room.speakers[number % SPEAKERS]
        coming = room.speakers[(number + SLOTS) % SPEAKERS]
        leaving.turn(Mode.QUIET)
        await asyncio.sleep(pause)
        turns.begin(coming)
        coming.turn(Mode.LOUD)
        await asyncio.sleep(EVERY_SECONDS - pause)
        turns.end(LISTENERS)
    return turns.times
