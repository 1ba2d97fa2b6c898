"""At once, but not again too soon; and what was wanted meanwhile is done once."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

from edge.live.paced import Paced

PAUSE = 0.05


async def test_what_is_wanted_often_is_done_at_its_pace() -> None:
    times: list[float] = []
    done = asyncio.Event()

    def act() -> None:
        times.append(time.monotonic())
        if len(times) == 3:
            done.set()

    paced = Paced(PAUSE, act)
    started = time.monotonic()
    while not done.is_set():
        for _ in range(10):
            paced.want()
        await asyncio.sleep(0)
    assert times[0] - started < PAUSE
    assert all(later - earlier >= PAUSE * 0.9 for earlier, later in pairwise(times))
    paced.stop()


async def test_stopped_it_does_nothing_more() -> None:
    acted: list[int] = []
    paced = Paced(0.0, lambda: acted.append(1))
    paced.want()
    paced.stop()
    await asyncio.sleep(0.01)
    assert acted == []
