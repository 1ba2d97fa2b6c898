"""A browser and a server for the page's tests. The page must be built: `make setup` does that."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from dojo.page import DIST
from tests.edge.web.account import Accounts, Person
from tests.edge.web.dojo_window import DojoWindow, agree
from tests.edge.web.talk_button import ANA, BO, HEARD, standing, talk, wait_voice
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
VOICE_ARGUMENTS = (
    *ARGUMENTS,
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)
"""A made-up microphone that beeps once a second, for whom a test lets use it, and media to this machine itself."""

OpenWindow = Callable[..., Awaitable[RoomWindow]]
Pair = tuple[DojoWindow, DojoWindow]
Visit = Callable[..., Awaitable[DojoWindow]]


@dataclass(frozen=True)
class Company:
    """Two people of one company."""

    ana: Person
    bo: Person


_companies: dict[str, Company] = {}


@pytest.fixture(scope="session")
def dojo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDojo]:
    """One server for all tests that leave it as it was. Take a room of your own: `room`.

    It lets nobody sign in before their address is confirmed."""
    assert (DIST / "index.html").is_file(), "the page is not built: run `make setup`"
    running = RunningDojo(
        tmp_path_factory.mktemp("dojo-page"),
        {"DOJO_IDENTITY__REQUIRE_VERIFIED_EMAIL": "true", "DOJO_VOICE__ENABLED": "true"},
    )
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


async def _company(dojo: RunningDojo) -> Company:
    """The same for all tests of one server: an account costs seconds of hashing and mail."""
    known = _companies.get(dojo.http)
    if known is None:
        accounts = Accounts(dojo)
        known = _companies[dojo.http] = Company(Person.new("Ana Lima"), Person.new("Bo Ek"))
        await accounts.sign_up(known.ana)
        await accounts.join(known.ana, known.bo)
    return known


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def signed_in(dojo: RunningDojo) -> AsyncIterator[tuple[Company, Pair]]:
    """Ana's and Bo's windows, which stay signed in from test to test, and say yes to whatever they are asked. Their
    tests run in the module's loop: `pytest.mark.asyncio(loop_scope="module")`."""
    people = await _company(dojo)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=VOICE_ARGUMENTS, ignore_default_args=["--mute-audio"]
        )
        windows = []
        for person in (people.ana, people.bo):
            window = await DojoWindow.enter(await browser.new_context(), dojo.http)
            await window.sign_in(person)
            window.page.on("dialog", agree)
            windows.append(window)
        yield people, (windows[0], windows[1])
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def at_start(signed_in: tuple[Company, Pair]) -> Pair:
    """Ana and Bo at the way in."""
    for window in signed_in[1]:
        await window.to_start()
        window.said.clear()
        window.complaints.clear()
    return signed_in[1]


@pytest_asyncio.fixture(loop_scope="module")
async def pair(signed_in: tuple[Company, Pair], at_start: Pair) -> Pair:
    """Ana, who has just opened a dojo, and Bo, who has joined it."""
    people, (ana, bo) = signed_in[0], at_start
    await bo.join(await ana.create("Pair", code="one\ntwo\n"))
    await bo.wait_status("live")
    await ana.wait_role(people.bo.name, "PARTICIPANT")
    return ana, bo


@pytest_asyncio.fixture(loop_scope="module")
async def talking(signed_in: tuple[Company, Pair]) -> Pair:
    """Ana, who hosts, and Bo, who can be heard; in the dojo of the test before, if it has left them so."""
    ana, bo = signed_in[1]
    if not all([await standing(window).text_content() == HEARD for window in (ana, bo)]):
        for window in (ana, bo):
            await window.page.context.grant_permissions(["microphone"])
            await window.to_start()
        await bo.join(await ana.create("Talk", guests=True))
        await bo.wait_status("live")
        for window in (ana, bo):
            await talk(window)
    for window in (ana, bo):
        window.complaints.clear()
    await wait_voice(ana, BO, "speaking")
    await wait_voice(bo, ANA, "speaking")
    return ana, bo


@pytest_asyncio.fixture(loop_scope="module")
async def visit(signed_in: tuple[Company, Pair], dojo: RunningDojo) -> AsyncIterator[Visit]:
    """Open a window of somebody who is not signed in; at the way in, or at what a fragment names."""
    browser = signed_in[1][0].page.context.browser
    assert browser is not None
    contexts = []

    async def one(fragment: str = "#start") -> DojoWindow:
        contexts.append(await browser.new_context())
        return await DojoWindow.enter(contexts[-1], dojo.http, fragment)

    yield one
    for context in contexts:
        await context.close()
