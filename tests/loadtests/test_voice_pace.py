"""When synthetic speakers send: on time whatever happened before, and evenly spread."""

from __future__ import annotations

import asyncio
import time

from loadtests.voice.pace import Pacer, Schedule


def test_a_late_packet_makes_no_later_one_late() -> None:
    schedule = Schedule()
    done: list[str] = []
    schedule.add(0, 20, lambda: done.append("first"))
    schedule.add(10, 20, lambda: done.append("second"))

    now = 65
    while (what := schedule.take(now)) is not None:
        what()

    assert done == ["first", "second", "first", "second", "first", "second", "first"]
    assert schedule.next == 70
    assert schedule.latest == 65


def test_nothing_is_due_before_its_time() -> None:
    schedule = Schedule()
    what = lambda: None  # noqa: E731
    schedule.add(5, 20, what)

    assert schedule.take(4) is None
    assert schedule.take(5) is what
    schedule.remove(what)
    assert schedule.next is None


async def test_the_kernels_timer_keeps_the_pace() -> None:
    pacer = Pacer()
    times: list[float] = []
    enough = asyncio.Event()

    def tick() -> None:
        times.append(time.monotonic())
        if len(times) == 21:
            enough.set()

    begun = time.monotonic()
    pacer.add(0.01, 0.005, tick)
    try:
        async with asyncio.timeout(10.0):
            await enough.wait()
    finally:
        pacer.close()

    assert times[20] - begun >= 0.01 + 20 * 0.005
    assert all(at - begun >= 0.01 + 0.005 * number for number, at in enumerate(times))
