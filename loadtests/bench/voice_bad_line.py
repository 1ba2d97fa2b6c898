"""Two people with browsers talk over bad lines: how much of what each hears had to be made up."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.async_api import Browser

from loadtests.bench.fanout import LoadFailed, Measured
from loadtests.bench.servers import GENERATOR_CORE, SERVER_CORE
from loadtests.bench.voice_servers import DojoVoice, VoiceServer
from loadtests.voice.bad_line import BadLine, Conditions
from loadtests.voice.bad_relay import BadRelay, host_candidate, only_way
from loadtests.voice.client import ConnectionFailed
from loadtests.voice.dojo import DojoRoom
from loadtests.voice.narration import NarrationFailed, narrate
from loadtests.voice.talker import PLAIN, RED, Talker, TalkerFailed, Totals, chromium

LINE: Final = Conditions(loss=0.05, delay=0.04, jitter=0.01)
OVERTAKING: Final = replace(LINE, in_order=False)
"""What jitter without a queue makes of it: some networks with several ways to a place are such."""
TALK_SECONDS: Final = 60.0
"""At least: 3,000 packets each way. What is made up is a dozen moments of them, so chance still moves the figure."""
SETTLE_SECONDS: Final = 5.0
"""For jitter buffers to find out about the line."""
LOSS_OFF: Final = 0.015
"""How far the share that was lost may be from what it should be."""
PLAYED_SHARE: Final = 0.95
"""Of the time: a page that played less was not given enough of the core."""
LATE_SECONDS: Final = 0.02
"""A packet that a relay delivers so long after its time is worth a remark: the machine was busy, the line too bad."""
_RATE: Final = 48_000


@dataclass(frozen=True, slots=True)
class Heard:
    """What one page heard in `seconds`."""

    seconds: float
    before: Totals
    after: Totals

    def grew(self, name: str) -> float:
        """Of a total that only grows."""
        return float(getattr(self.after, name) - getattr(self.before, name))

    @property
    def concealed(self) -> float:
        """Share of what was played that was made up, silence not counted."""
        return (self.grew("concealed") - self.grew("silent_concealed")) / max(1.0, self.grew("samples"))

    @property
    def nacks(self) -> float:
        """A second."""
        return self.grew("nacks") / self.seconds


async def measure(server: VoiceServer, seconds: float) -> Measured:
    """Two pages say a text at the same time and hear each other, both ways over `LINE`: with RED, without, and with RED
    where packets overtake each other.

    Figures, each of the page that has it worse: `concealed_percent`, `nacks_per_second`, and the same with `plain_` and
    `overtaking_` in front. Raises `LoadFailed`."""
    assert isinstance(server, DojoVoice)
    result = Measured()
    seconds = max(seconds, TALK_SECONDS)
    try:
        with _both_cores(), TemporaryDirectory(prefix="bench-voice-") as folder:
            spoken = Path(folder) / "speech.wav"
            await asyncio.to_thread(narrate, spoken)
            async with chromium(spoken) as browser:
                redundant = await _talk(server, browser, RED, LINE, seconds=seconds, result=result)
                plain = await _talk(server, browser, PLAIN, LINE, seconds=seconds, result=result)
                overtaking = await _talk(server, browser, RED, OVERTAKING, seconds=seconds, result=result)
    except (TalkerFailed, NarrationFailed, ConnectionFailed) as error:
        raise LoadFailed(str(error)) from error
    result.figures |= _figures("", redundant) | _figures("plain_", plain) | _figures("overtaking_", overtaking)
    return result


@contextmanager
def _both_cores() -> Iterator[None]:
    """For pages and relays, too: what is measured is sound, and the server leaves nearly all of its core. A page or a
    relay that waits for a core would be a worse line."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE, GENERATOR_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _figures(prefix: str, pages: list[Heard]) -> dict[str, float]:
    return {
        f"{prefix}concealed_percent": 100 * max(page.concealed for page in pages),
        f"{prefix}other_concealed_percent": 100 * min(page.concealed for page in pages),
        f"{prefix}nacks_per_second": max(page.nacks for page in pages),
        f"{prefix}events_per_minute": 60 * max(page.grew("events") / page.seconds for page in pages),
        f"{prefix}lost_down_percent": 100 * statistics.mean(
            page.grew("lost") / max(1.0, page.grew("lost") + page.grew("packets")) for page in pages
        ),
        f"{prefix}lost_up_percent": 100 * statistics.mean(
            page.grew("lost_up") / max(1.0, page.grew("sent")) for page in pages
        ),
        f"{prefix}buffer_ms": 1000 * statistics.mean(page.after.delay for page in pages),
        f"{prefix}sent_per_second": statistics.mean(page.grew("sent") / page.seconds for page in pages),
    }  # fmt: skip


async def _talk(
    server: DojoVoice,
    browser: Browser,
    codecs: tuple[str, ...],
    line: Conditions,
    *,
    seconds: float,
    result: Measured,
) -> list[Heard]:
    """What two pages heard of each other in a room of their own."""
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(server.room())
        assert isinstance(room, DojoRoom)
        talkers = [
            await stack.enter_async_context(_talker(room, browser, codecs, line, result, seed=2 * number))
            for number in range(2)
        ]
        for talker in talkers:
            await talker.heard()
        await asyncio.sleep(SETTLE_SECONDS)
        before = [await talker.totals() for talker in talkers]
        begun = time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - begun
        after = [await talker.totals() for talker in talkers]
    pages = [Heard(took, first, last) for first, last in zip(before, after, strict=True)]
    for number, page in enumerate(pages, 1):
        if page.after.dtls != "connected" or page.after.slots != 1:
            result.problems.append(f"page {number} heard {page.after.slots} others, DTLS {page.after.dtls}")
        if codecs is RED and not page.grew("redundant"):
            result.problems.append(f"page {number} heard nothing by RED")
        if page.grew("samples") < PLAYED_SHARE * _RATE * took:
            result.problems.append(f"page {number} played {page.grew('samples') / _RATE:.0f} s of {took:.0f}")
    return pages


@asynccontextmanager
async def _talker(
    room: DojoRoom, browser: Browser, codecs: tuple[str, ...], line: Conditions, result: Measured, *, seed: int
) -> AsyncIterator[Talker]:
    """Connected over a relay of its own."""
    talker = await Talker.open(browser, codecs=codecs)
    _, answer = await room.admit(await talker.offer())
    if ("red/48000" in answer.lower()) != (codecs is RED):
        result.problems.append("RED was not agreed upon as it should be")
    async with BadRelay(host_candidate(answer), BadLine(line, seed), BadLine(line, seed + 1)) as relay:
        await talker.answer(only_way(answer, relay.address))
        yield talker
        await talker.close()
    for name, way in (("up", relay.up), ("down", relay.down)):
        lost = way.lost / max(1, way.lost + way.carried)
        if abs(lost - LINE.loss) > LOSS_OFF:
            result.problems.append(f"a line {name} lost {lost:.1%} instead of {LINE.loss:.1%}")
    if relay.latest > LATE_SECONDS:
        result.warnings.append(f"a packet came {1000 * relay.latest:.0f} ms later than it should have")
