"""Rooms side by side, and the files of a room: made in one window, seen in another."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.edge.web.conftest import Pair
from tests.edge.web.dojo_window import SEEN

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANA, BO = "Ana Lima", "Bo Ek"


async def open_rooms(page: Page) -> None:
    await page.locator("#rooms-button").click(timeout=SEEN)
    await expect(page.locator("#rooms-menu")).to_be_visible()


async def test_a_side_room_is_opened_entered_and_closed(pair: Pair) -> None:
    ana, bo = pair
    await open_rooms(ana.page)
    await ana.page.get_by_label("Another room").fill("Bowling")
    await ana.page.get_by_role("button", name="Open a room").click()
    await expect(ana.page.locator("#rooms .name")).to_have_text(["Pair", "Bowling"], timeout=SEEN)
    await bo.page.reload()
    await bo.wait_status("live")
    await open_rooms(bo.page)
    await expect(bo.page.get_by_label("Another room")).to_be_hidden()
    await bo.page.get_by_role("link", name="Go into Bowling").click()
    await bo.wait_status("live")
    await bo.wait_text("one\ntwo\n")
    await bo.type("in the side room")
    await bo.wait_status("saved")
    # The other room is another text, and says who is where.
    await ana.wait_text("one\ntwo\n")
    bowling = ana.page.locator("#rooms li", has_text="Bowling")
    await expect(bowling).to_contain_text("1 here", timeout=SEEN)
    await bowling.get_by_role("button", name="Solved", exact=True).click()
    await expect(bowling).to_contain_text("closed", timeout=SEEN)
    await bo.wait_status("refused")
    await expect(bo.page.locator("#notice-text")).to_contain_text("This room is closed", timeout=SEEN)
    await bowling.get_by_role("button", name="Look back").click()
    dialog = ana.page.locator("#looking-back")
    await expect(dialog.locator(".cm-content")).to_contain_text("in the side room", timeout=SEEN)
    await expect(dialog.locator(".replay-who")).to_contain_text(BO)
    assert [ana.complaints, bo.complaints] == [[], []]


async def test_a_pilot_of_a_side_room_shows_in_the_list(pair: Pair) -> None:
    ana, bo = pair
    await ana.act("Start turns")
    pilot = ANA if await ana.pilots() else BO
    await open_rooms(ana.page)
    await expect(ana.page.locator("#rooms li").first).to_contain_text(f"{pilot} pilots", timeout=SEEN)
    assert bo.complaints == []


async def test_a_file_is_added_switched_to_by_everybody_and_deleted(pair: Pair) -> None:
    ana, bo = pair
    await ana.page.get_by_role("button", name="New file").click()
    menu = ana.page.locator("#new-file-menu")
    await menu.get_by_label("Path").fill("../odd")
    await menu.get_by_role("button", name="Add").click()
    await expect(menu.locator(".trouble")).to_contain_text("Write it like")
    await menu.get_by_label("Path").fill("tests/test_pair.ts")
    await menu.get_by_role("button", name="Add").click()
    await expect(ana.page.locator("#file-language")).to_have_text("TypeScript")
    await ana.type("describe")
    choice = bo.page.locator("#file-choice")
    await expect(choice).to_be_visible(timeout=SEEN)
    await bo.wait_text("one\ntwo\n")
    await choice.select_option("tests/test_pair.ts")
    await bo.wait_text("describe")
    await bo.type("()")
    await ana.wait_text("describe()")
    await ana.page.locator("#file-choice").select_option("main.py")
    await ana.wait_text("one\ntwo\n")
    await expect(ana.page.locator("#file-language")).to_have_text("Python")
    # Deleted in one window it is gone in the other, which showed it.
    await bo.page.get_by_role("button", name="New file").click()
    await bo.page.get_by_role("button", name="Delete tests/test_pair.ts").click()
    await bo.wait_text("one\ntwo\n")
    await expect(ana.page.locator("#file-choice")).to_be_hidden(timeout=SEEN)
    assert [ana.complaints, bo.complaints] == [[], []]


async def test_running_is_for_who_may_write_and_says_when_it_cannot_be(pair: Pair) -> None:
    ana, bo = pair
    await ana.page.get_by_role("button", name="Run").click()
    result = ana.page.locator("#run-result")
    await expect(result).to_contain_text("does not run code yet", timeout=SEEN)
    assert any('"RUN_CODE"' in said and '"file":"main.py"' in said for said in ana.said)
    await result.get_by_role("button", name="Close").click()
    await expect(result).to_be_hidden()
    await expect(ana.page.get_by_role("button", name="Run")).to_be_focused()
    await ana.act("Start turns")
    watcher = bo if await ana.pilots() else ana
    await expect(watcher.page.get_by_role("button", name="Run")).to_be_disabled(timeout=SEEN)
    await expect(watcher.page.get_by_role("button", name="New file")).to_be_disabled()
