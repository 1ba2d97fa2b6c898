"""One window with a dojo's room in it, as a person would use it."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Self

from playwright.async_api import BrowserContext, Dialog, Locator, Page, WebSocket, expect

from tests.edge.web.account import Person, fill_sign_in
from tests.edge.web.window import SEEN_SECONDS, RoomWindow

SEEN = SEEN_SECONDS * 1000
_POLL_SECONDS = 0.02
_CODE = re.compile(r"^[0-9A-Z]{5}-[0-9A-Z]{5}$")


async def agree(dialog: Dialog) -> None:
    """Yes to whatever the page asks."""
    await dialog.accept()


class DojoWindow(RoomWindow):
    """The way in, and then a dojo's room. `said` holds what its socket was sent in text frames, `sockets` the addresses
    of all it opened."""

    def __init__(self, page: Page, http: str) -> None:
        super().__init__(page, http)
        self.said: list[str] = []
        self.sockets: list[str] = []
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        self.sockets.append(socket.url)
        socket.on("framesent", self._note)

    def _note(self, payload: str | bytes) -> None:
        if isinstance(payload, str):
            self.said.append(payload)

    @classmethod
    async def enter(cls, context: BrowserContext, http: str, fragment: str = "#start") -> Self:
        """A window at the way in, or at whatever the fragment names."""
        window = cls(await context.new_page(), http)
        await window.page.goto(f"{http}/{fragment}")
        return window

    async def go_to(self, fragment: str) -> None:
        """Open an address of the page anew, as a link from outside would."""
        await self.page.goto("about:blank")
        await self.page.goto(f"{self._http}/#{fragment}")

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

    async def pilots(self) -> bool:
        """Whether it is this window's turn, once it is somebody's."""
        turn = self.page.locator("#turn")
        await expect(turn).to_have_attribute("data-phase", "RUNNING", timeout=SEEN)
        return await turn.get_attribute("data-mine") == "true"

    async def manage(self) -> Locator:
        """The host's menu, open."""
        menu = self.page.locator("#host-menu")
        await self.page.get_by_role("button", name="Manage").click(timeout=SEEN)
        await expect(menu).to_be_visible()
        return menu

    async def look_back(self, view: str) -> Locator:
        """A view of the dialog that looks back, open; of the same one anew if it was open."""
        dialog = self.page.locator("#looking-back")
        if not await dialog.is_visible():
            await self.page.locator("#look-back-button").click(timeout=SEEN)
        await dialog.get_by_role("tab", name=view).click()
        return dialog

    async def to_start(self) -> None:
        """Back to the way in, with lists that are new."""
        await self.go_to("start")
        await expect(self.page.locator("#dojos")).to_be_visible(timeout=SEEN)

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
