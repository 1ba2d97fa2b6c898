"""One participant: a page of Chromium that talks to the voice server. Its script is caller.js."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, Self

import msgspec
from playwright.async_api import Page

from tests.media_sfu.browser.voice_server import Admitted, VoiceServer

SCRIPT: Final = (Path(__file__).parent / "caller.js").read_text("utf-8")
HEARD_SECONDS: Final = 15.0
"""Deadline for a voice to be heard, or not any more: generous, since the machine may be busy."""
LATELY_MS: Final = 600.0
"""A voice comes and goes 2.5 times a second."""
_POLL_SECONDS: Final = 0.05

Voice = Literal["hum", "microphone", "none"]


class Stats(msgspec.Struct, frozen=True, rename="camel"):
    """Of a connection since it began."""

    state: str
    dtls: str
    pairs: int
    """How often another path was chosen."""
    protocol: str | None
    port: int | None
    """Of the server, as the page knows it."""
    received: int
    lost: int
    """On the way to this page, in all slots."""
    concealed_ms: float
    """Made up by the player where sound was missing that was no silence."""
    told_lost: int | None
    """On the way to the server, as that reports."""
    round_trip: float | None
    """Seconds."""
    sent: int


class Caller:
    """Participant `number`, whose voice is a tone of its own."""

    def __init__(self, page: Page, server: VoiceServer, number: int) -> None:
        self.page = page
        self.number = number
        self.connected_ms = 0.0
        """From the offer to the path and the keys."""
        self._server = server
        self._admitted = Admitted("", "")
        self._answer = ""

    @classmethod
    async def join(
        cls,
        page: Page,
        server: VoiceServer,
        number: int,
        *,
        voice: Voice = "hum",
        change: Callable[[str], str] = lambda answer: answer,
    ) -> Self:
        """In the server's room, connected, in a page of a site. `change`: what becomes of the answer on its way."""
        await page.add_script_tag(content=SCRIPT)
        await page.evaluate("(number) => { globalThis.caller = new Caller(number) }", number)
        caller = cls(page, server, number)
        caller._admitted = await server.admit(number, await page.evaluate("(voice) => caller.offer(voice)", voice))
        caller._answer = caller._admitted.answer
        caller.connected_ms = await page.evaluate("(sdp) => caller.answer(sdp)", change(caller._answer))
        return caller

    async def restart(self, change: Callable[[str], str] = lambda answer: answer) -> None:
        """ICE, by PATCH. `change`: what becomes of the answer on its way."""
        offer = await self.page.evaluate("() => caller.restart()")
        lines = [line for line in offer.splitlines() if re.match(r"a=(group|ice-ufrag|ice-pwd|mid):", line)]
        mid = next(line for line in lines if line.startswith("a=mid:"))
        said = [line for line in lines if not line.startswith("a=mid:")]
        fragment = "\r\n".join([*dict.fromkeys(said), "m=audio 9 UDP/TLS/RTP/SAVPF 0", mid, ""])
        self._admitted = await self._server.restart(self.number, self._admitted, fragment)
        for name in ("ice-ufrag", "ice-pwd"):
            found = re.search(rf"a={name}:\S+", self._admitted.answer)
            assert found is not None
            self._answer = re.sub(rf"a={name}:\S+", found[0].replace("\\", r"\\"), self._answer)
        await self.page.evaluate("(sdp) => caller.restarted(sdp)", change(self._answer))

    async def stats(self) -> Stats:
        return msgspec.convert(await self.page.evaluate("() => caller.stats()"), Stats)

    async def mute(self, muted: bool) -> None:
        """Its own microphone."""
        await self.page.evaluate("(muted) => caller.mute(muted)", muted)

    async def heard(self) -> list[list[int]]:
        """Whose voices were heard lately, slot by slot."""
        found: list[list[int]] = await self.page.evaluate("(ms) => caller.heard(ms)", LATELY_MS)
        return found

    async def wait_heard(self, *numbers: int) -> None:
        """Exactly these are heard, each in a slot of its own, which names them as its source."""
        deadline = time.monotonic() + HEARD_SECONDS
        while True:
            heard = await self.heard()
            named = await self.page.evaluate("() => caller.named()")
            there = {slot: numbers[0] for slot, numbers in enumerate(heard) if len(numbers) == 1}
            alone = all(len(numbers) <= 1 for numbers in heard)
            if alone and sorted(there.values()) == sorted(numbers) and all(named[s] == n for s, n in there.items()):
                return
            assert time.monotonic() < deadline, f"{self.number} hears {heard} from {named}, not {numbers}"
            await asyncio.sleep(_POLL_SECONDS)

    async def silent_for(self, number: int) -> float:
        """How long ago `number` was heard last, ms."""
        return float(await self.page.evaluate("(number) => caller.silentFor(number)", number))

    async def longest_gap(self, number: int) -> float:
        """The longest time without `number`'s voice, between two times with it, since this was asked last, ms."""
        return float((await self.page.evaluate("() => caller.gaps()")).get(str(number), 0))

    async def now(self) -> float:
        """This page's clock, ms."""
        return float(await self.page.evaluate("() => performance.now()"))

    async def close(self) -> None:
        await self.page.close()
