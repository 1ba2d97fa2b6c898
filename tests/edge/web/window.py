"""One window with the room page in it, as a person would use it."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import quote

from playwright.async_api import BrowserContext, Error, Locator, Page, expect

SEEN_SECONDS = 20.0
"""Deadline for anything to show in a window: generous, since the machine may be busy with other windows."""
_POLL_SECONDS = 0.02

_TEXT = """() => [...document.querySelectorAll('#editor .cm-line')].map((line) => {
  const copy = line.cloneNode(true)
  for (const other of copy.querySelectorAll('.cm-remote-caret, .cm-placeholder')) other.remove()
  return copy.textContent.replaceAll('\\u200b', '')
}).join('\\n')"""
"""The editor's lines without the carets and names drawn into them."""


class RoomWindow:
    """A page with its own context: another person. `complaints` holds what the browser's console showed as an error."""

    def __init__(self, page: Page, http: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._http = http
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @classmethod
    async def open(cls, context: BrowserContext, http: str, room: str, name: str | None = None) -> RoomWindow:
        """Open the room and wait until its text has arrived; with `name`, go by that."""
        window = cls(await context.new_page(), http)
        await window.page.goto(f"{http}/#room={quote(room)}")
        await window.wait_status("live", "read-only")
        if name is not None:
            await window.rename(name)
        return window

    async def rename(self, name: str) -> None:
        await self.page.fill("#name", name)
        await self.page.press("#name", "Enter")

    async def type(self, text: str) -> None:
        """Type at the end of the text."""
        await self.page.click("#editor .cm-content")
        await self.page.keyboard.press("Control+End")
        await self.page.keyboard.type(text)

    async def text(self) -> str:
        """What the editor shows. Nothing, while the page goes from one address to another."""
        try:
            return str(await self.page.evaluate(_TEXT))
        except Error as error:
            if "navigation" not in error.message:
                raise
            return ""

    async def wait_text(self, wanted: str) -> None:
        deadline = time.monotonic() + SEEN_SECONDS
        while (seen := await self.text()) != wanted:
            assert time.monotonic() < deadline, f"after {SEEN_SECONDS} s the window shows {seen!r}, not {wanted!r}"
            await asyncio.sleep(_POLL_SECONDS)

    @property
    def status(self) -> Locator:
        return self.page.locator("#status")

    async def wait_status(self, *wanted: str) -> None:
        selector = ", ".join(f"#status[data-status='{one}']" for one in wanted)
        await expect(self.page.locator(selector)).to_be_visible(timeout=SEEN_SECONDS * 1000)

    async def wait_people(self, *names: str) -> None:
        """Exactly these others are listed, in this order."""
        people = self.page.locator("#others .name")
        await expect(people).to_have_text(list(names), timeout=SEEN_SECONDS * 1000)

    async def wait_caret(self, name: str) -> None:
        """Another person's caret stands in the text with their name on it."""
        label = self.page.locator(".cm-remote-name", has_text=name)
        await expect(label).to_have_count(1, timeout=SEEN_SECONDS * 1000)
