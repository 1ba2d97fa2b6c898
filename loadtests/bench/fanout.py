"""People typing in rooms: how long until the others see it, and what it costs the server."""

from __future__ import annotations

import asyncio
import functools
import gc
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pycrdt import Doc, Text

from loadtests.bench.histogram import Histogram
from loadtests.bench.member import ROOT, FrameTable, LoadFailed, Member, close_all, keep_present, open_all, until
from loadtests.bench.processes import CpuMeter
from loadtests.bench.servers import Server
from loadtests.client import Disconnected, SyncClient

WARM_UP_SECONDS = 2.0
"""Before anything is measured: compilers warm up, buffers grow."""
GRACE_SECONDS = 5.0
"""How long the last updates may take to arrive everywhere before they count as lost."""
BUSY_GENERATOR = 0.90
"""Share of its core from which on the generator measures itself as much as the server."""
ROOMS_COMPARED = 3
"""Rooms whose final text is compared with what was typed, by joining them."""
YIELD_EVERY = 8
"""Sends that are late in a row before the sockets are looked at again."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`rooms` rooms of `members` each, of whom `writers` type `rate` characters per second each."""

    rooms: int
    members: int
    writers: int
    rate: float

    @property
    def updates_per_second(self) -> float:
        return self.rooms * self.writers * self.rate


@dataclass(slots=True)
class Measured:
    """Figures by name, and whatever makes them worthless (`problems`) or questionable (`warnings`)."""

    figures: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    server_by_program: dict[str, float] = field(default_factory=dict)


async def measure(
    server: Server, shape: Shape, seconds: float, *, label: str, saved: bool = False, compare: bool = True
) -> Measured:
    """Run `shape` for `seconds` after a warm-up, in fresh rooms named after `label`.

    Figures: `p50_ms`, `p99_ms`, `max_ms` over all deliveries, `server_cpu` and `generator_cpu` as shares of a core,
    `updates_per_second`, `deliveries`; with `saved` also `saved_p50_ms` and `saved_p99_ms`, from sending to `saved`.
    Raises `LoadFailed`.
    """
    table = FrameTable(server.dialect)
    rooms = [_room(server, f"{label}-{number}", shape, table) for number in range(shape.rooms)]
    members = [member for room in rooms for member in room]
    subprotocols = ["dojo.v1" if saved and member.keyboard else None for member in members]
    urls = [server.url(member.room, number) for number, member in enumerate(members)]
    result = Measured()
    heartbeat: asyncio.Task[None] | None = None
    try:
        await open_all(members, urls, subprotocols)
        for member in members:
            member.announce(b'{"user":{"name":"Someone","color":"#30bced"}}')
        heartbeat = asyncio.create_task(keep_present(members))
        window = await _type(server, members, shape.rate, seconds, result)
        await all_arrived(rooms, saved=saved)
        work_out(rooms, window, result)
        if saved:
            _work_out_saved(members, window, result)
        if compare and not result.problems:  # a server that is behind would keep the newcomer waiting as well
            await _compare_texts(server, rooms, result)
        for member in members:
            member.check()
    finally:
        if heartbeat is not None:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)
        await close_all(members)
    return result


def _room(server: Server, name: str, shape: Shape, table: FrameTable) -> list[Member]:
    ids = random.sample(range(1 << 20, 1 << 31), shape.members)
    return [
        Member(name, client_id, table, server.dialect, types=number < shape.writers)
        for number, client_id in enumerate(ids)
    ]


async def _type(
    server: Server, members: Sequence[Member], rate: float, seconds: float, result: Measured
) -> tuple[float, float]:
    """Type at `rate` per writer, evenly spread, each writer at a random phase. Returns the measured window."""
    writers = [member for member in members if member.keyboard]
    period = 1 / rate
    phases = sorted((random.uniform(0, period), index) for index in range(len(writers)))
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        begun = time.perf_counter()
        await press(writers, phases, period, begun, begun + WARM_UP_SECONDS)
        meter = CpuMeter(server.pid)
        own = time.process_time()
        start = time.perf_counter()
        late = await press(writers, phases, period, start, start + seconds)
        end = time.perf_counter()
        share = meter.read()
        own = (time.process_time() - own) / (end - start)
    finally:
        gc.enable()
        gc.unfreeze()
    sent = sum(1 for writer in writers for at in writer.sent if start <= at <= end)
    result.figures |= {"server_cpu": share.total, "generator_cpu": own, "updates_per_second": sent / (end - start)}
    result.server_by_program = share.by_program
    if own > BUSY_GENERATOR:
        result.warnings.append(f"the generator itself used {own:.0%} of its core")
    if late > 0.1:
        result.warnings.append(f"the generator was up to {late * 1000:.0f} ms late with sending")
    return start, end


async def press(
    writers: Sequence[Member], phases: Sequence[tuple[float, int]], period: float, start: float, end: float
) -> float:
    """Press keys until `end`; how late the latest was, in seconds."""
    cycle = start
    latest = 0.0
    hurried = 0
    while True:
        for phase, index in phases:
            due = cycle + phase
            if due >= end:
                return latest
            wait = due - time.perf_counter()
            if wait > 0:
                hurried = 0
                await asyncio.sleep(wait)
            else:
                latest = max(latest, -wait)
                hurried += 1
                if hurried % YIELD_EVERY == 0:
                    await asyncio.sleep(0)
                    if time.perf_counter() > end:
                        return latest
            writers[index].press()
        cycle += period


async def all_arrived(rooms: Sequence[Sequence[Member]], *, saved: bool) -> None:
    """Wait until nothing is on its way any more, or `GRACE_SECONDS` have passed."""
    deadline = time.perf_counter() + GRACE_SECONDS
    for room in rooms:
        expected = {member.client_id: member.keyboard.clock for member in room if member.keyboard}
        for member in room:
            missing = sum(expected.values()) - expected.get(member.client_id, 0)
            await until(functools.partial(_complete, member, missing, saved=saved), deadline)


def _complete(member: Member, missing: int, *, saved: bool) -> bool:
    return _received(member) >= missing and not (saved and _unsaved(member))


def _received(member: Member) -> int:
    own = member.client_id
    return sum(length for frame in member.frames for client, _, length in frame.ranges if client != own)


def _unsaved(member: Member) -> bool:
    if member.keyboard is None:
        return False
    return max(_saved_up_to(member), default=0) < member.answers + member.keyboard.clock


def _saved_up_to(member: Member) -> list[int]:
    return [int(str(event["upTo"])) for _, event in member.events if event.get("type") == "saved"]


def work_out(rooms: Sequence[Sequence[Member]], window: tuple[float, float], result: Measured) -> None:
    """Every delivery's latency, and whether each member got each update exactly once and in its author's order."""
    histogram = Histogram()
    start, end = window
    missing = repeated = gaps = 0
    for room in rooms:
        sent = {member.client_id: member.sent for member in room if member.keyboard}
        for member in room:
            following = dict.fromkeys(sent, 0)
            following.pop(member.client_id, None)
            for frame, at in zip(member.frames, member.times, strict=True):
                for client, clock, length in frame.ranges:
                    known = following.get(client)
                    if known is None:
                        continue  # one's own, sent back
                    if clock < known:
                        repeated += min(known, clock + length) - clock
                    elif clock > known:
                        gaps += 1
                    times = sent[client]
                    for number in range(max(clock, known), clock + length):
                        if start <= times[number] <= end:
                            histogram.add(at - times[number])
                    following[client] = max(known, clock + length)
            missing += sum(len(sent[client]) - clock for client, clock in following.items())
    if missing:
        result.problems.append(f"{missing} deliveries never came")
    if repeated:
        result.problems.append(f"{repeated} updates were delivered twice to a member")
    if gaps:
        result.problems.append(f"{gaps} times an author's updates came out of order")
    result.figures |= {
        "p50_ms": histogram.percentile(0.5),
        "p99_ms": histogram.percentile(0.99),
        "max_ms": histogram.max_ms,
        "deliveries": float(histogram.count),
    }


def _work_out_saved(members: Sequence[Member], window: tuple[float, float], result: Measured) -> None:
    histogram = Histogram()
    start, end = window
    for member in members:
        if member.keyboard is None:
            continue
        number = 0
        for at, event in member.events:
            if event.get("type") != "saved":
                continue
            up_to = int(str(event["upTo"])) - member.answers
            while number < min(up_to, len(member.sent)):
                if start <= member.sent[number] <= end:
                    histogram.add(at - member.sent[number])
                number += 1
        if number < len(member.sent):
            result.problems.append(f"{len(member.sent) - number} updates of a writer were never told to be saved")
    result.figures |= {
        "saved_p50_ms": histogram.percentile(0.5),
        "saved_p99_ms": histogram.percentile(0.99),
        "saved_max_ms": histogram.max_ms,
    }


async def _compare_texts(server: Server, rooms: Sequence[Sequence[Member]], result: Measured) -> None:
    """A newcomer's text must be what all the updates make together."""
    for room in rooms[:ROOMS_COMPARED]:
        name = room[0].room
        try:
            joiner = await SyncClient.open(server.url(name, 0), Doc(), room=name, dialect=server.dialect)
        except (Disconnected, TimeoutError, OSError) as error:
            result.problems.append(f"nobody could join room {name} at the end: {error}")
            return
        text = str(joiner.doc.get(ROOT, type=Text))
        await joiner.close()
        # Runs do not interleave: each writer types behind its own last character. Between them, the order is by
        # client id, the lowest first.
        typed = sorted((member.client_id, member.keyboard.text()) for member in room if member.keyboard)
        if text != "".join(part for _, part in typed):
            result.problems.append(f"the text of room {name} is not what was typed")


__all__ = ["LoadFailed", "Measured", "Shape", "measure"]
