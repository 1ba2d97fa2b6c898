"""A dojo's room in two windows while its server is away and comes back."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.edge.web.account import Accounts, Person
from tests.edge.web.dojo_window import SEEN, DojoWindow
from tests.running import RunningDojo


async def test_while_the_server_is_away_the_place_is_kept(browser: Browser, fresh_dojo: RunningDojo) -> None:
    ana, bo = Person.new("Ana Lima"), Person.new("Bo Ek")
    accounts = Accounts(fresh_dojo)
    await accounts.sign_up(ana)
    await accounts.join(ana, bo)
    hers = await DojoWindow.enter(await browser.new_context(), fresh_dojo.http)
    his = await DojoWindow.enter(await browser.new_context(), fresh_dojo.http)
    await hers.sign_in(ana)
    await his.sign_in(bo)
    code = await hers.create("Away")
    await his.join(code)
    await his.wait_status("live")
    await hers.say("before")
    await his.wait_said("before")
    await hers.type("A")
    await hers.wait_status("saved")
    await fresh_dojo.stop()
    for window in (hers, his):
        await window.wait_status("offline")
        await expect(window.page.locator("#notice-text")).to_contain_text("No connection at the moment")
    await hers.type("B")
    await expect(hers.page.locator("#notice-text")).to_contain_text("Your edits are kept in this window")
    await fresh_dojo.start()
    # "Try again"; it is hidden by then if the window has come back by itself.
    await hers.page.locator("#retry").dispatch_event("click", timeout=SEEN)
    await hers.wait_status("saved")
    await his.wait_text("AB")
    await hers.say("after")
    await his.wait_said("before", "after")
