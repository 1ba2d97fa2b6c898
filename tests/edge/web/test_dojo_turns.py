"""How a dojo takes turns, set by its host and seen by everybody: format, length, order, hands."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.edge.web.conftest import Pair
from tests.edge.web.dojo_window import SEEN, DojoWindow

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANA, BO = "Ana Lima", "Bo Ek"


async def set_terms(window: DojoWindow, *, format_: str, minutes: str, rotation: str | None = None) -> None:
    await window.page.get_by_role("button", name="Format…").click()
    menu = window.page.locator("#turn-terms-menu")
    await menu.get_by_label("Format").select_option(format_)
    if rotation is None:
        await expect(menu.get_by_label("Next pilot")).to_be_hidden()
    else:
        await menu.get_by_label("Next pilot").select_option(rotation)
    await menu.get_by_label("Minutes each").fill(minutes)
    await menu.get_by_role("button", name="Apply").click()
    await expect(menu).to_be_hidden(timeout=SEEN)


async def test_the_host_chooses_format_order_and_length(pair: Pair) -> None:
    ana, bo = pair
    terms = bo.page.locator("#turn-terms")
    await expect(terms).to_have_text("Randori · 5 min each · next: the co-pilot", timeout=SEEN)
    await set_terms(ana, format_="RANDORI", rotation="RANDOM", minutes="0.5")
    await expect(terms).to_have_text("Randori · 0.5 min each · next: drawn at random", timeout=SEEN)
    await ana.act("Start turns")
    await bo.pilots()
    assert await bo.seconds_left() <= 30
    await set_terms(ana, format_="PREPARED", minutes="0")
    await expect(terms).to_have_text("Prepared kata · no time limit", timeout=SEEN)
    await set_terms(ana, format_="PAIRS", minutes="2")
    await expect(terms).to_have_text("Pairs · 2 min each", timeout=SEEN)
    await expect(bo.page.get_by_role("button", name="Format…")).to_be_hidden()
    assert [ana.complaints, bo.complaints] == [[], []]


async def test_a_length_that_cannot_be_is_told_in_the_menu(pair: Pair) -> None:
    ana, _ = pair
    await ana.page.get_by_role("button", name="Format…").click()
    menu = ana.page.locator("#turn-terms-menu")
    await menu.get_by_label("Minutes each").fill("0.01")
    await menu.get_by_role("button", name="Apply").click()
    await expect(menu.locator(".trouble")).to_contain_text("no limit (0)", timeout=SEEN)
    await expect(menu).to_be_visible()


async def test_the_host_changes_who_is_next(pair: Pair) -> None:
    ana, bo = pair

    def queue(window: DojoWindow) -> Locator:
        return window.page.locator("#queue .name")

    for window in pair:
        await window.page.locator("#turn-queue-button").click()
    await expect(queue(bo)).to_have_text([ANA, BO], timeout=SEEN)
    await ana.page.get_by_role("button", name=f"Move {BO} up").click()
    for window in pair:
        await expect(queue(window)).to_have_text([BO, ANA], timeout=SEEN)
    await expect(bo.page.locator("#queue button")).to_have_count(0)
    await bo.page.keyboard.press("Escape")
    await ana.page.keyboard.press("Escape")
    await ana.act("Start turns")
    assert await bo.pilots()


async def test_the_host_sees_hands_in_their_order_and_gives_the_keyboard(pair: Pair) -> None:
    ana, bo = pair
    await ana.act("Start turns")
    if await bo.pilots():
        await ana.act("Pass it on")
    await bo.wait_editable(False)
    await bo.act("Raise your hand")
    button = ana.page.locator("#turn-queue-button")
    await expect(button).to_have_attribute("data-count", "1", timeout=SEEN)
    await expect(ana.page.locator("#announcer")).to_have_text(f"Hand up: {BO}")
    await button.click()
    await ana.page.get_by_role("button", name=f"Give {BO} the keyboard").click()
    await bo.wait_editable(True)
    await ana.wait_editable(False)
    await expect(bo.page.locator("#turn")).to_have_attribute("data-mine", "true")
