"""The room page in a real browser, against the real server."""

from __future__ import annotations

import json
import re
import time

from playwright.async_api import Browser, Route, expect

from dojo.names import EMBEDDED_TENANT
from tests.edge.web.conftest import OpenWindow
from tests.edge.web.window import SEEN_SECONDS, RoomWindow
from tests.running import RunningDojo


async def read_only_ticket(dojo: RunningDojo, room: str, user: str = "watcher") -> dict[str, object]:
    """What the API would answer to somebody who may only watch."""
    token = await dojo.token(tenant=EMBEDDED_TENANT, user=user, rooms=room, read_only=True)
    return {"token": token, "userId": user, "name": "Watcher", "expiresIn": 3600, "liveUrl": dojo.live}


async def test_two_windows_type_into_one_text(open_window: OpenWindow) -> None:
    ana, bo = await open_window("Ana"), await open_window("Bo")
    await ana.type("print('from Ana')")
    await bo.wait_text("print('from Ana')")
    await bo.type("  # and Bo")
    await ana.wait_text("print('from Ana')  # and Bo")
    for window, other in ((ana, "Bo"), (bo, "Ana")):
        await window.wait_status("saved")
        await window.wait_people(other)
        await window.wait_caret(other)
        await expect(window.page.locator("#people-count")).to_have_text("2")
        # Also: nothing the page does is against its own content security policy.
        assert window.complaints == []


async def test_a_window_that_closes_leaves_the_others_list(open_window: OpenWindow) -> None:
    ana, bo = await open_window("Ana"), await open_window("Bo")
    await ana.wait_people("Bo")
    await bo.page.close()
    await ana.wait_people()
    await expect(ana.page.locator("#alone")).to_be_visible()


async def test_a_new_name_is_seen_by_everybody_and_kept(open_window: OpenWindow) -> None:
    ana, bo = await open_window("Ana"), await open_window("Bo")
    await ana.wait_people("Bo")
    await bo.rename("  Bodil \t Ek ")
    await ana.wait_people("Bodil Ek")
    await bo.page.reload()
    await bo.wait_status("live")
    await expect(bo.page.locator("#name")).to_have_value("Bodil Ek")
    await ana.wait_people("Bodil Ek")


async def test_a_reload_is_the_same_user_and_the_same_text(open_window: OpenWindow, room: str) -> None:
    ana = await open_window("Ana")
    await ana.type("kept")
    await ana.wait_status("saved")
    ticket = "key => JSON.parse(sessionStorage.getItem(key)).userId"
    before = await ana.page.evaluate(ticket, f"dojo.ticket:{room}")
    await ana.page.reload()
    await ana.wait_status("live")
    await ana.wait_text("kept")
    assert await ana.page.evaluate(ticket, f"dojo.ticket:{room}") == before
    assert ana.complaints == []


async def test_undo_takes_back_only_ones_own_edits(open_window: OpenWindow) -> None:
    ana, bo = await open_window("Ana"), await open_window("Bo")
    await ana.type("mine ")
    await bo.wait_text("mine ")
    await bo.type("yours")
    await ana.wait_text("mine yours")
    await ana.page.keyboard.press("Control+z")
    await ana.wait_text("yours")
    await bo.wait_text("yours")
    await ana.page.keyboard.press("Control+y")
    await bo.wait_text("mine yours")


async def test_without_a_room_one_is_made_up_and_a_reload_stays_in_it(browser: Browser, dojo: RunningDojo) -> None:
    page = await browser.new_page()
    window = RoomWindow(page, dojo.http)
    await page.goto(dojo.http)
    await window.wait_status("live")
    address = page.url
    assert re.search(r"#room=[a-z]+-[a-z]+-\d{4}$", address)
    await expect(page.locator("#room-name")).to_have_text(address.rpartition("=")[2])
    await page.reload()
    await window.wait_status("live")
    assert page.url == address


async def test_the_link_is_copied(browser: Browser, dojo: RunningDojo, room: str) -> None:
    context = await browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    ana = await RoomWindow.open(context, dojo.http, room)
    await ana.page.click("#copy-link")
    await expect(ana.page.locator("#copy-link-label")).to_have_text("Copied")
    assert await ana.page.evaluate("() => navigator.clipboard.readText()") == f"{dojo.http}/#room={room}"


async def test_while_the_server_is_away_typing_goes_on_and_is_saved_when_it_is_back(
    browser: Browser, fresh_dojo: RunningDojo, room: str
) -> None:
    ana = await RoomWindow.open(await browser.new_context(), fresh_dojo.http, room, "Ana")
    bo = await RoomWindow.open(await browser.new_context(), fresh_dojo.http, room, "Bo")
    await ana.type("before ")
    await bo.wait_text("before ")
    await ana.wait_status("saved")
    await fresh_dojo.stop()
    for window in (ana, bo):
        await window.wait_status("offline")
    await ana.wait_people()
    await ana.type("A")
    await bo.type("B")
    assert await ana.text() == "before A"
    await expect(ana.page.locator("#notice")).to_contain_text("kept in this window")
    await fresh_dojo.start()
    for window in (ana, bo):
        await window.wait_status("saved")
    await ana.wait_people("Bo")
    together = await ana.text()
    assert together in ("before AB", "before BA")
    await bo.wait_text(together)
    third = await RoomWindow.open(await browser.new_context(), fresh_dojo.http, room)
    await third.wait_text(together)


async def test_who_may_only_watch_sees_edits_and_can_make_none(
    browser: Browser, dojo: RunningDojo, open_window: OpenWindow, room: str
) -> None:
    ana = await open_window("Ana")
    await ana.type("look")
    context = await browser.new_context()
    ticket = {**await read_only_ticket(dojo, room), "expiresAt": (time.time() + 3600) * 1000}
    await context.add_init_script(f"sessionStorage.setItem('dojo.ticket:{room}', {json.dumps(json.dumps(ticket))})")
    watcher = await RoomWindow.open(context, dojo.http, room)
    await watcher.wait_status("read-only")
    await watcher.wait_text("look")
    await expect(watcher.page.locator("#editor .cm-content")).to_have_attribute("aria-readonly", "true")
    await watcher.type("no")
    await watcher.page.keyboard.press("Control+z")
    await ana.type("!")
    await watcher.wait_text("look!")
    await ana.wait_text("look!")
    assert watcher.complaints == []


async def test_edits_that_are_not_taken_are_given_back_as_a_draft(
    browser: Browser, fresh_dojo: RunningDojo, room: str
) -> None:
    ana = await RoomWindow.open(await browser.new_context(), fresh_dojo.http, room, "Ana")
    await ana.type("shared")
    await ana.wait_status("saved")
    await fresh_dojo.stop()
    await ana.wait_status("offline")
    await ana.type(" refused")
    # Meanwhile Ana's right to edit has been taken away: the next ticket is one to watch with.
    own = await ana.page.evaluate("() => Object.values(sessionStorage).map(JSON.parse).find(t => t.userId).userId")
    ticket = json.dumps(await read_only_ticket(fresh_dojo, room, str(own)))

    async def give(route: Route) -> None:
        await route.fulfill(status=201, content_type="application/json", body=ticket)

    await ana.page.route("**/tickets", give)
    await ana.page.evaluate("() => sessionStorage.clear()")
    async with ana.page.expect_response("**/tickets", timeout=SEEN_SECONDS * 1000):
        pass
    await fresh_dojo.start()
    dialog = ana.page.locator("#reset-dialog")
    await expect(dialog).to_be_visible(timeout=SEEN_SECONDS * 1000)
    await expect(ana.page.locator("#reset-text")).to_have_value("shared refused")
    await dialog.get_by_role("button", name="Go on").click()
    await ana.wait_text("shared")
    await ana.wait_status("read-only")


async def test_a_room_that_cannot_be_is_refused_with_the_reason(browser: Browser, dojo: RunningDojo) -> None:
    page = await browser.new_page()
    window = RoomWindow(page, dojo.http)
    await page.goto(f"{dojo.http}/#room={'x' * 201}")
    await window.wait_status("refused")
    await expect(page.locator("#notice-text")).to_contain_text("200")
    await expect(page.locator("#retry")).to_be_visible()
