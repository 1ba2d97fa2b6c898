"""A reconnect storm: thousands connect to one node at once, while others type in a room of theirs."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Final, TypeVar

from loadtests.bench.fanout import Measured, all_arrived, press, work_out
from loadtests.bench.member import FrameTable, Member, close_all, open_all
from loadtests.bench.newcomers import newcomers
from loadtests.bench.processes import CpuMeter
from loadtests.bench.servers import Server

TYPISTS: Final = 20
RATE: Final = 4.0
"""Characters a second, of each."""
CALM_SECONDS: Final = 3.0
"""Of typing before the storm, which is measured for comparison."""
WITHIN_SECONDS: Final = 60.0
ROOM: Final = 50
"""Newcomers of one room."""

Outcome = TypeVar("Outcome")


async def typed_while(typists: Sequence[Member], going_on: asyncio.Task[Outcome]) -> tuple[Outcome, float, float]:
    """Type until `going_on` has ended; its result, and from when to when (`time.perf_counter`)."""
    period = 1 / RATE
    phases = sorted((random.uniform(0, period), index) for index in range(len(typists)))
    begun = time.perf_counter()
    while not going_on.done():
        now = time.perf_counter()
        await press(typists, phases, period, now, now + period)
    return going_on.result(), begun, time.perf_counter()


async def measure(server: Server, count: int) -> Measured:
    """Figures: `p99_ms` and `max_ms` of what typists see of each other while the storm lasts, `calm_p99_ms` before it,
    `all_in_seconds`, `half_in_seconds`, `tries` per newcomer, and `cpu_ms` of the server for each. Raises
    `LoadFailed`."""
    table = FrameTable(server.dialect)
    typists = [Member("typists", number + 1, table, server.dialect, types=True) for number in range(TYPISTS)]
    rooms = [f"storm-{number // ROOM}" for number in range(count)]
    who = [(room, server.url(room, TYPISTS + number)) for number, room in enumerate(rooms)]
    result, calm = Measured(), Measured()
    try:
        await open_all(typists, [server.url("typists", number) for number in range(TYPISTS)])
        _, calm_from, calm_to = await typed_while(typists, asyncio.create_task(asyncio.sleep(CALM_SECONDS)))
        meter = CpuMeter(server.pid)
        async with newcomers(who, within=WITHIN_SECONDS) as coming:
            arrived, begun, ended = await typed_while(typists, coming)
            share = meter.read()
            await all_arrived([typists], saved=False)
        work_out([typists], (calm_from, calm_to), calm)
        work_out([typists], (begun, ended), result)
        result.problems += calm.problems
        seconds = sorted(arrived.seconds)
        result.figures |= {
            "calm_p99_ms": calm.figures["p99_ms"],
            "all_in_seconds": seconds[-1],
            "half_in_seconds": seconds[len(seconds) // 2],
            "tries": sum(arrived.tries) / count,
            "cpu_ms": share.total * (ended - begun) * 1000 / count,
        }
        result.server_by_program = share.by_program
    finally:
        await close_all(typists)
    return result
