"""A room full of synthetic clients: who is in it, and what went on there in a stretch of time."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtests.bench.fanout import BUSY_GENERATOR, LoadFailed, Measured
from loadtests.bench.histogram import Histogram
from loadtests.bench.processes import CpuMeter
from loadtests.bench.servers import SERVER_CORE
from loadtests.bench.voice_servers import VoiceServer
from loadtests.voice.client import Client, ConnectionFailed
from loadtests.voice.crowd import Crowd, Quiet, Totals, join_all, pause_until
from loadtests.voice.microphone import Microphone, Mode
from loadtests.voice.speech import FRAME_SECONDS, Spoken
from loadtests.voice.streams import Stream
from loadtests.voice.venue import Venue

WARM_UP_SECONDS: Final = 3.0
"""Before anything is measured: speakers are found out, slots filled, buffers grown."""
SLOTS: Final = 3
EARS: Final = 25
"""Listeners, spread over all, that look into every packet."""
SETTLE_SECONDS: Final = 10.0
"""How long everybody may take to hear all slots."""
LATE_SECONDS: Final = 0.1
"""A packet sent later than this after its time is worth a remark."""
SHARED_CORE: Final = 0.05
"""Share of the server's core that others may use before delays are theirs as much as the server's."""
LOST_SHARE: Final = 0.001
"""Share of packets that may be missing, beyond those thrown away on purpose, before a run counts as spoilt."""
ARRIVED_SHARE: Final = 0.97
_MICROSECONDS: Final = 1e6
_BILLION: Final = 1e9


@dataclass(frozen=True, slots=True)
class Stretch:
    """What went on for `seconds`."""

    seconds: float
    totals: Totals
    delays: Histogram
    cpu_seconds: float
    """Of the server, all its processes."""
    by_program: dict[str, float]
    generator: float
    """Share of its core."""
    others: float
    """Share of the server's core that went to neither it nor its kernel work: whoever else runs on the machine."""
    latest: float
    """Seconds a packet of ours was sent after its time."""
    complete: int
    """Listeners that got all but `1 - COMPLETE_SHARE` of what three full slots are."""

    @property
    def us_per_packet(self) -> float:
        return self.cpu_seconds * _MICROSECONDS / max(self.totals.packets, 1)


COMPLETE_SHARE: Final = 0.99


class Stage:
    """Clients of one room, and the delays that ears among them found."""

    def __init__(self, server: VoiceServer, room: Venue, crowd: Crowd) -> None:
        self.server = server
        self.room = room
        self.crowd = crowd
        self.speakers: list[Microphone] = []
        self.listeners: list[Client] = []
        self.delays = Histogram()

    async def add_speakers(self, modes: list[Mode]) -> None:
        """One per mode, evenly spread over the 20 ms of a frame."""
        for number, mode in enumerate(modes):
            client = self.crowd.client()
            level = await self.room.speak(client)
            self.crowd.keep_up(client)
            microphone = Microphone(client, len(self.speakers) + 1, mode=mode, red=self.room.red, level_id=level)
            self.speakers.append(microphone)
            self.crowd.speak(microphone, number / len(modes))

    async def add_listeners(self, count: int, *, at_once: int = 8, nack: bool = False) -> None:
        every = max(1, count // EARS)

        async def one(number: int) -> None:
            client = self.crowd.client(nack=nack)
            await self.room.listen(client)
            self.listeners.append(client)
            self.crowd.keep_up(client)
            if number % every == 0:
                self.crowd.listen(client, self.heard)

        await join_all([functools.partial(one, number) for number in range(count)], at_once=at_once)

    def heard(self, stream: Stream, spoken: Spoken, arrived: int) -> None:
        self.delays.add(max(0, arrived - spoken.at) / _BILLION)

    async def settled(self, slots: int = SLOTS) -> None:
        """All listeners hear `slots` streams. Raises `LoadFailed`."""
        if not await pause_until(lambda: all(len(c.streams) >= slots for c in self.listeners), SETTLE_SECONDS):
            deaf = sum(1 for client in self.listeners if len(client.streams) < slots)
            raise LoadFailed(f"{deaf} of {len(self.listeners)} listeners did not hear {slots} speakers")
        await asyncio.sleep(WARM_UP_SECONDS)

    async def stretch(self, seconds: float) -> Stretch:
        """Let it go on for `seconds`, and tell."""
        with Quiet():
            before = self.crowd.totals
            heard = [self._packets(client) for client in self.listeners]
            self.delays = Histogram()
            self.crowd.pacer.schedule.latest = 0
            core = _core_seconds(SERVER_CORE)
            meters = [CpuMeter(root) for root in self.server.roots]
            own, begun = time.process_time(), time.perf_counter()
            await asyncio.sleep(seconds)
            took, own = time.perf_counter() - begun, time.process_time() - own
            shares = [meter.read() for meter in meters]
            core = _core_seconds(SERVER_CORE) - core
            totals = self.crowd.totals - before
            wanted = COMPLETE_SHARE * SLOTS * took / FRAME_SECONDS
            complete = sum(
                1 for client, had in zip(self.listeners, heard, strict=True) if self._packets(client) - had >= wanted
            )
        return Stretch(
            seconds=took,
            totals=totals,
            delays=self.delays,
            cpu_seconds=sum(share.total for share in shares) * took,
            by_program={name: value for share in shares for name, value in share.by_program.items()},
            generator=own / took,
            others=max(0.0, core / took - sum(share.total for share in shares)),
            latest=self.crowd.pacer.schedule.latest / _BILLION,
            complete=complete,
        )

    @staticmethod
    def _packets(client: Client) -> int:
        """That were sent to it: those thrown away here as well."""
        return sum(stream.packets + stream.thrown for stream in client.streams.values())

    def check(self, stretch: Stretch, result: Measured, *, slots: int = SLOTS) -> None:
        """Whatever makes `stretch` worthless or questionable, and the figures every scenario has."""
        sent = stretch.totals.packets + stretch.totals.injected
        wanted = len(self.listeners) * slots * stretch.seconds / FRAME_SECONDS
        if sent < ARRIVED_SHARE * wanted:
            result.problems.append(f"listeners got {sent / wanted:.1%} of what the slots hold")
        if stretch.totals.lost > LOST_SHARE * sent:
            result.problems.append(f"{stretch.totals.lost} packets were lost on a line that loses none")
        if stretch.totals.time_back:
            result.problems.append(f"{stretch.totals.time_back} times a stream's clock went back")
        if overrun := self.crowd.overrun:
            result.problems.append(f"{overrun} packets were lost by the generator itself")
        if spoilt := sum(ear.spoilt + ear.sealed for ear in self.crowd.ears):
            result.problems.append(f"{spoilt} packets could not be opened or were not what a speaker sent")
        if stretch.generator > BUSY_GENERATOR:
            result.warnings.append(f"the generator itself used {stretch.generator:.0%} of its core")
        if stretch.others > SHARED_CORE:
            result.warnings.append(f"others used {stretch.others:.0%} of the server's core")
        if stretch.latest > LATE_SECONDS:
            result.warnings.append(f"the generator was up to {stretch.latest * 1000:.0f} ms late with sending")
        result.figures |= {
            "server_cpu": stretch.cpu_seconds / stretch.seconds,
            "generator_cpu": stretch.generator,
            "packets_per_second": sent / stretch.seconds,
        }
        result.server_by_program = stretch.by_program


def _core_seconds(core: int) -> float:
    """That a core has been busy since the start of the machine."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _, _, irq, softirq, *_ = (int(field) for field in line.split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def stage(server: VoiceServer, *, loss: float = 0.0) -> AsyncIterator[Stage]:
    """An empty room of `server`; `loss` is what clients throw away of what they receive. Raises `LoadFailed` where a
    client cannot connect."""
    async with server.room() as room, Crowd(host=room.host, loss=loss, setup=room.setup) as crowd:
        try:
            yield Stage(server, room, crowd)
        except* ConnectionFailed as failures:
            raise LoadFailed(f"a client could not connect: {failures.exceptions[0]}") from failures
