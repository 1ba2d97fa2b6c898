"""One window with a dojo's room in it, as a person would use it."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Self

from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.edge.web.account import Person, fill_sign_in
from tests.edge.web.window import SEEN_SECONDS, RoomWindow

SEEN = SEEN_SECONDS * 1000
_POLL_SECONDS = 0.02
_CODE = re.compile(r"^[0-9A-Z]{5}-[0-9A-Z]{5}$")


class DojoWindow(RoomWindow):
    """The way in, and then a dojo's room. `said` holds what its socket was sent in text frames."""

    def __init__(self, page: Page, http: str) -> None:
        super().__init__(page, http)
        self.said: list[str] = []
        page.on("websocket", lambda socket: socket.on("framesent", self._note))

    def _note(self, payload: str | bytes) -> None:
        if isinstance(payload, str):
            self.said.append(payload)

    @classmethod
    async def enter(cls, context: BrowserContext, http: str, fragment: str = "#start") -> Self:
        """A window at the way in, or at whatever the fragment names."""
        window = cls(await context.new_page(), http)
        await window.page.goto(f"{http}/{fragment}")
        return window

    async def sign_in(self, person: Person) -> None:
        """At the way in."""
        await self.page.click("#start-sign-in")
        await fill_sign_in(self.page, person.email, person.password)
        await expect(self.page.locator("#dojos")).to_be_visible(timeout=SEEN)

    async def create(self, name: str, *, code: str = "", guests: bool = False) -> str:
        """Open a dojo, and answer its join code."""
        page = self.page
        await page.get_by_role("button", name="New dojo").click()
        dialog = page.locator("#new-dojo-dialog")
        await dialog.get_by_label("Name").fill(name)
        await dialog.get_by_label("Initial code").fill(code)
        if guests:
            await dialog.get_by_label("Guests without").check()
        await dialog.get_by_role("button", name="Create").click()
        await self.wait_status("live")
        await expect(page.locator("#join-code")).to_have_text(_CODE, timeout=SEEN)
        shown = await page.locator("#join-code").text_content()
        await page.keyboard.press("Escape")
        assert shown is not None
        return shown

    async def join(self, join_code: str, name: str | None = None) -> None:
        """Come in by a code; with a name, as a guest."""
        await self.page.get_by_label("Code", exact=True).fill(join_code)
        if name is not None:
            await self.page.fill("#join-name", name)
        await self.page.get_by_role("button", name="Join", exact=True).click()

    @property
    def dojo(self) -> str:
        """The dojo's id."""
        return self.page.url.rpartition("#dojo=")[2].partition("&")[0]

    async def wait_editable(self, editable: bool) -> None:
        editor = self.page.locator("#editor .cm-editor")
        await expect(editor).to_have_attribute("data-editable", str(editable).lower(), timeout=SEEN)

    def person(self, name: str) -> Locator:
        """Somebody's row in the list of people."""
        return self.page.locator("#participants .person").filter(has=self.page.locator(f".name:text-is('{name}')"))

    async def wait_role(self, name: str, role: str) -> None:
        await expect(self.person(name)).to_have_attribute("data-role", role, timeout=SEEN)

    async def act(self, name: str) -> None:
        """Press a button of the turn."""
        await self.page.locator("#turn").get_by_role("button", name=name, exact=True).click(timeout=SEEN)

    async def say(self, text: str) -> None:
        await self.page.fill("#chat-text", text)
        await self.page.press("#chat-text", "Enter")

    async def wait_said(self, *texts: str) -> None:
        """Exactly these messages are shown, in this order."""
        await expect(self.page.locator("#chat-list .said-text")).to_have_text(list(texts), timeout=SEEN)

    async def seconds_left(self) -> int:
        """What the turn's clock shows."""
        shown = await self.page.locator("#turn-time").text_content(timeout=SEEN)
        minutes, _, seconds = (shown or "").partition(":")
        return int(minutes) * 60 + int(seconds)

    async def wait_seconds_left(self, below: int) -> None:
        deadline = time.monotonic() + SEEN_SECONDS
        while (left := await self.seconds_left()) >= below:
            assert time.monotonic() < deadline, f"{left} s left, not below {below}"
            await asyncio.sleep(_POLL_SECONDS)
