"""How many updates per second one room takes before it gets slow."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

from loadtests.bench.fanout import LoadFailed, Measured, Shape, measure
from loadtests.bench.processes import CpuMeter
from loadtests.bench.servers import Server

SLOW_MS = 100.0
"""The p99 over which a room counts as slow."""
START = 500.0
"""Updates per second of the first step: well below every server's ceiling."""
GROWTH = 2.0
"""From step to step while it goes well."""
REFINEMENTS = 4
"""Halvings of the gap between the last good rate and the first bad one: a result within 7%."""
TRIES = 2
"""A rate counts as too much when it failed this often: one pause of the machine is not the server's."""
SUSTAINED = 0.97
"""Share of a rate that must really have been sent."""
CALM_SECONDS = 30.0
CALM_INTERVAL_SECONDS = 0.5
CALM_CPU = 0.2
"""Share of a core below which an overloaded server has worked off what it had queued."""
HIGHEST = 128_000.0
"""Where to stop: more than a generator on one core can send."""


async def find(server: Server, shape: Shape, seconds: float) -> Measured:
    """Raise the rate of `shape`'s writers until the p99 passes `SLOW_MS` or updates get lost.

    Figures: `ceiling` (updates per second, the highest that was sustained), and `server_cpu`, `generator_cpu`,
    `p99_ms` at it. A warning says what was wrong at the lowest rate that was too much. Raises `LoadFailed` if even
    the first rate is.
    """
    best: Measured | None = None
    good, bad = 0.0, 0.0
    too_much = ""
    rate = START
    refined = 0
    while rate <= HIGHEST and refined <= REFINEMENTS:
        for _ in range(TRIES):
            tried = await _try(server, shape, rate, seconds)
            if not (failing := _failing(tried, rate)):
                break
            await _calm_down(server)
        if failing:
            bad, too_much = rate, f"{rate:,.0f} updates/s were too much: {failing}"
        else:
            good, best = rate, tried
        rate = (good + bad) / 2 if bad else rate * GROWTH
        refined += bool(bad)
    if best is None:
        raise LoadFailed(too_much)
    best.figures["ceiling"] = best.figures["updates_per_second"]
    best.warnings.append(too_much or f"it was not looked further than {HIGHEST:,.0f} updates/s")
    return best


async def _calm_down(server: Server) -> None:
    """Wait until the server has got over a rate that was too much for it, or `CALM_SECONDS` have passed."""
    deadline = time.monotonic() + CALM_SECONDS
    while time.monotonic() < deadline:
        meter = CpuMeter(server.pid)
        await asyncio.sleep(CALM_INTERVAL_SECONDS)
        if meter.read().total < CALM_CPU:
            return


async def _try(server: Server, shape: Shape, rate: float, seconds: float) -> Measured:
    wanted = Shape(shape.rooms, shape.members, shape.writers, rate / (shape.rooms * shape.writers))
    try:
        return await measure(server, wanted, seconds, label=f"ceiling-{uuid4().hex}", compare=False)
    except LoadFailed as error:
        return Measured(problems=[str(error)])


def _failing(tried: Measured, rate: float) -> str:
    """What keeps a rate from counting as sustained; empty if nothing does."""
    if tried.problems:
        return "; ".join(tried.problems)
    if tried.figures["p99_ms"] > SLOW_MS:
        return f"p99 {tried.figures['p99_ms']:.0f} ms"
    sent = tried.figures["updates_per_second"]
    if sent < SUSTAINED * rate:
        return f"the generator sent only {sent:,.0f}/s, using {tried.figures['generator_cpu']:.0%} of its core"
    return ""
