"""A voice server and a browser for these tests, and pages in it that end with their test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.media_sfu.browser.caller import Caller, Voice
from tests.media_sfu.browser.voice_server import VoiceServer, voice_server
from tests.media_sfu.chromium import ARGUMENTS, CHROMIUM, empty_site

Join = Callable[..., Awaitable[Caller]]


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VoiceServer]:
    async with voice_server(tmp_path_factory.mktemp("voice")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def site() -> AsyncIterator[str]:
    async with empty_site() as url:
        yield url


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, ignore_default_args=["--mute-audio"]
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="package")
async def join(browser: Browser, site: str, server: VoiceServer) -> AsyncIterator[Join]:
    """Join a room of this test's own, as the participant of a number."""
    server.fresh_room()
    there: list[Caller] = []

    async def one(number: int, voice: Voice = "hum", *, change: Callable[[str], str] = lambda answer: answer) -> Caller:
        page = await browser.new_page()
        await page.goto(site)
        there.append(await Caller.join(page, server, number, voice=voice, change=change))
        return there[-1]

    yield one
    for caller in there:
        await caller.close()
