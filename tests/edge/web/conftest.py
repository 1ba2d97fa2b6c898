"""A browser and a server for the page's tests. The page must be built: `make setup` does that."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from dojo.page import DIST
from tests.edge.web.window import RoomWindow
from tests.running import RunningDojo

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

OpenWindow = Callable[..., Awaitable[RoomWindow]]


@pytest.fixture(scope="session")
def dojo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDojo]:
    """One server for all tests that leave it as it was. Take a room of your own: `room`.

    It lets nobody sign in before their address is confirmed."""
    assert (DIST / "index.html").is_file(), "the page is not built: run `make setup`"
    running = RunningDojo(tmp_path_factory.mktemp("dojo-page"), {"DOJO_IDENTITY__REQUIRE_VERIFIED_EMAIL": "true"})
    running.start_blocking()
    yield running
    running.stop_blocking()


@pytest.fixture
async def fresh_dojo(tmp_path: Path) -> AsyncIterator[RunningDojo]:
    """A server of this test's own, to be stopped and started."""
    async with RunningDojo(tmp_path / "dojo") as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    """A room name of this test's own."""
    return str(request.node.name)


@pytest.fixture
def open_window(browser: Browser, dojo: RunningDojo, room: str) -> OpenWindow:
    """Open the test's room as another person: each window has a browser profile of its own."""

    async def open_one(name: str | None = None) -> RoomWindow:
        return await RoomWindow.open(await browser.new_context(), dojo.http, room, name)

    return open_one
