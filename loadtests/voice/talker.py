"""A person with a headless Chromium: a page that talks and hears, driven by talker.js."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

import msgspec
from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import Error as PageError

SCRIPT: Final = Path(__file__).parent / "talker.js"
RED: Final = ("audio/red", "audio/opus")
"""As Dojo's own page prefers it."""
PLAIN: Final = ("audio/opus",)
NOWHERE: Final = "http://127.0.0.1:9/talker"
"""An empty page, for which nobody is asked. Of this machine: only there may a page without TLS have a microphone."""
HEARD_SECONDS: Final = 20.0
"""Until somebody who speaks must be heard."""
_EMPTY: Final = "<!doctype html><title>Talker</title>"
_ARGUMENTS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns",
)  # fmt: skip


class TalkerFailed(Exception):
    """There is no Chromium, or a page could not do what it was to."""


class Times(msgspec.Struct, frozen=True):
    """Of a join, in ms since the offer was there."""

    answered: float
    connected: float
    heard: float
    """The first sound of somebody else was decoded."""


class Totals(msgspec.Struct, frozen=True, rename="camel"):
    """Of a page since it connected, in the words of getStats: of all slots in which anything was heard, and of what it
    says itself. Samples are of 48,000 a second."""

    dtls: str
    slots: int
    packets: int
    lost: int
    """On the way to it, and not recovered by then."""
    discarded: int
    """Came too late to be played, or twice."""
    redundant: int
    """Frames that RED or in-band FEC brought, needed or not."""
    samples: int
    concealed: int
    silent_concealed: int
    events: int
    stretched: int
    shortened: int
    delay: float
    """Seconds in the jitter buffer, on average."""
    nacks: int
    sent: int
    sent_again: int
    nacked: int
    """NACKs that it got."""
    lost_up: int
    """Of what it sent, as the server says."""
    round_trip: float


class Talker:
    """`page` has no connection before `join`, or `offer` and `answer`."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    async def open(cls, browser: Browser, url: str = NOWHERE, codecs: tuple[str, ...] = RED) -> Self:
        """A page at `url`, which need not know anything of it, with the microphone open. Raises `TalkerFailed`."""
        try:
            page = await browser.new_page()
            await page.route(NOWHERE, lambda route: route.fulfill(content_type="text/html", body=_EMPTY))
            await page.add_init_script(path=SCRIPT)
            await page.goto(url, wait_until="networkidle")
            await page.evaluate("(codecs) => (globalThis.talker = new Talker()).prepare(codecs)", codecs)
        except PageError as error:
            raise TalkerFailed(f"a page could not be opened: {error}") from error
        return cls(page)

    async def join(self, url: str, headers: Mapping[str, str]) -> Times:
        """Post the offer there and wait until somebody is heard. Raises `TalkerFailed`."""
        expression = "([url, headers, patience]) => talker.join(url, headers, patience)"
        try:
            times = await self.page.evaluate(expression, [url, dict(headers), HEARD_SECONDS * 1000])
        except PageError as error:
            raise TalkerFailed(f"a page could not join: {error}") from error
        return msgspec.convert(times, Times)

    async def leave(self, headers: Mapping[str, str]) -> None:
        """After `join`."""
        await self.page.evaluate("(headers) => talker.leave(headers)", dict(headers))

    async def offer(self) -> str:
        return str(await self.page.evaluate("() => talker.offer()"))

    async def answer(self, sdp: str) -> None:
        await self.page.evaluate("(sdp) => talker.answer(sdp)", sdp)

    async def heard(self) -> None:
        """Wait until it hears somebody. Raises `TalkerFailed`."""
        try:
            await self.page.evaluate("(patience) => talker.heard(patience)", HEARD_SECONDS * 1000)
        except PageError as error:
            raise TalkerFailed(str(error)) from error

    async def totals(self) -> Totals:
        return msgspec.convert(await self.page.evaluate("() => talker.totals()"), Totals)

    async def close(self) -> None:
        await self.page.close()


@asynccontextmanager
async def chromium(microphone: Path | None = None) -> AsyncIterator[Browser]:
    """A browser whose microphone says what is in the file, over and over; without one, it beeps. Raises
    `TalkerFailed`."""
    program = shutil.which("chromium")
    if program is None:
        raise TalkerFailed("Chromium is not installed (Debian's package chromium; `make test` installs it)")
    arguments = [*_ARGUMENTS, *([f"--use-file-for-fake-audio-capture={microphone}"] if microphone else [])]
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(
                executable_path=program, args=arguments, ignore_default_args=["--mute-audio"]
            )
        except PageError as error:
            raise TalkerFailed(f"Chromium did not start: {error}") from error
        try:
            yield browser
        finally:
            await browser.close()
