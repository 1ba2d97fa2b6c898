"""Signing in on the page, in a real browser, against the real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Request, expect

from tests.edge.web.account import Accounts, Person, fill_sign_in, fill_sign_up
from tests.edge.web.conftest import OpenWindow
from tests.edge.web.window import SEEN_SECONDS, RoomWindow
from tests.running import RunningDojo

SEEN = SEEN_SECONDS * 1000
NEW_PASSWORD = "another horse, another staple"


@pytest.fixture
def accounts(dojo: RunningDojo) -> Accounts:
    return Accounts(dojo)


@pytest.fixture
async def closed_dojo(tmp_path: Path) -> AsyncIterator[RunningDojo]:
    """A server that lets no guests in, and takes a new person's address without a mail."""
    async with RunningDojo(tmp_path / "closed", {"DOJO_GUESTS": "false"}) as running:
        yield running


async def sign_in(window: RoomWindow, person: Person) -> None:
    """From the room as a guest to the room as this person."""
    await window.page.click("#sign-in")
    await fill_sign_in(window.page, person.email, person.password)
    await wait_signed_in(window, person)


async def wait_signed_in(window: RoomWindow, person: Person) -> None:
    await expect(window.page.locator("#name")).to_have_value(person.name, timeout=SEEN)
    await expect(window.page.locator("#account-dialog")).to_be_hidden()
    await window.wait_status("live", "saved")


async def wait_guest(window: RoomWindow) -> None:
    await expect(window.page.locator("#sign-in")).to_be_visible(timeout=SEEN)
    await expect(window.page.locator("#account-button")).to_be_hidden()
    await window.wait_status("live")


async def open_menu(page: Page) -> None:
    await page.click("#account-button")
    await expect(page.locator("#account-menu")).to_be_visible()


def refreshes(page: Page) -> list[Request]:
    """The refresh requests of a page, from now on."""
    seen: list[Request] = []
    page.on("request", lambda request: seen.append(request) if request.url.endswith("/auth/refresh") else None)
    return seen


async def test_a_new_account_from_the_form_over_the_mail_into_the_room(
    open_window: OpenWindow, accounts: Accounts
) -> None:
    ana = Person.new("Ana Lima", "Cerrado Ltda.")
    window = await open_window()
    page = window.page
    await page.click("#sign-in")
    await page.get_by_role("tab", name="Create account").click()
    await page.get_by_label("Company").fill(ana.company)
    await fill_sign_up(page, ana)
    await expect(page.locator("#account-lead")).to_contain_text(f"We sent a mail to {ana.email}", timeout=SEEN)
    await expect(page.locator("#account-resend")).to_be_visible()
    link = await accounts.link(ana.email, "verify")
    other = await page.context.new_page()
    await other.goto(link)
    await expect(other.locator("#account-lead")).to_contain_text("confirmed", timeout=SEEN)
    assert "verify" not in other.url
    await other.close()
    await page.click("#told-back")
    await fill_sign_in(page, ana.email, ana.password)
    await wait_signed_in(window, ana)
    await open_menu(page)
    await expect(page.locator("#account-company")).to_have_text(ana.company)
    await expect(page.locator("#account-email")).to_have_text(ana.email)


async def test_before_the_address_is_confirmed_another_mail_is_offered(
    open_window: OpenWindow, accounts: Accounts
) -> None:
    ana = Person.new("Ana Lima")
    body = {"email": ana.email, "password": ana.password, "fullName": ana.name, "companyName": ana.company}
    await accounts.call("POST", "/users", body)
    first = await accounts.link(ana.email, "verify")
    page = (await open_window()).page
    await page.click("#sign-in")
    await fill_sign_in(page, ana.email, ana.password)
    await expect(page.locator("#account-trouble")).to_contain_text("not confirmed yet", timeout=SEEN)
    await page.click("#account-resend")
    await expect(page.locator("#account-lead")).to_contain_text(ana.email, timeout=SEEN)
    assert await accounts.link(ana.email, "verify", after=1) != first


async def test_a_reload_stays_signed_in_and_no_script_can_read_a_token(
    open_window: OpenWindow, accounts: Accounts
) -> None:
    ana = Person.new("Ana Lima")
    await accounts.sign_up(ana)
    window = await open_window()
    await sign_in(window, ana)
    await window.page.reload()
    await wait_signed_in(window, ana)
    stored = "() => JSON.stringify([document.cookie, {...localStorage}, location.href])"
    kept = await window.page.evaluate(stored)
    assert "rt_" not in kept
    assert "eyJ" not in kept
    assert window.complaints == []


async def test_a_guest_asks_for_no_refresh(open_window: OpenWindow) -> None:
    window = await open_window()
    asked = refreshes(window.page)
    await window.page.reload()
    await wait_guest(window)
    assert asked == []
    assert window.complaints == []


async def test_a_wrong_password_is_told_and_can_be_put_right(open_window: OpenWindow, accounts: Accounts) -> None:
    ana = Person.new("Ana Lima")
    await accounts.sign_up(ana)
    window = await open_window()
    await window.page.click("#sign-in")
    await fill_sign_in(window.page, ana.email, "not her password")
    await expect(window.page.locator("#account-trouble")).to_have_text("The e-mail or the password is not right.")
    await expect(window.page.locator("#sign-in-password")).to_be_focused()
    await window.page.keyboard.type(ana.password)
    await window.page.keyboard.press("Enter")
    await wait_signed_in(window, ana)


async def test_a_company_edits_together_and_another_one_sees_nothing_of_it(
    open_window: OpenWindow, accounts: Accounts
) -> None:
    ana, bo, eve = Person.new("Ana Lima"), Person.new("Bo Ek"), Person.new("Eve Stone", "Other")
    await accounts.sign_up(ana)
    await accounts.join(ana, bo)
    await accounts.sign_up(eve)
    windows = [await open_window() for _ in range(3)]
    for window, person in zip(windows, (ana, bo, eve), strict=True):
        await sign_in(window, person)
    hers, his, other = windows
    await hers.type("ours")
    await his.wait_text("ours")
    await his.wait_people(ana.name)
    await hers.wait_people(bo.name)
    await other.type("alone")
    await other.wait_status("saved")
    assert await other.text() == "alone"
    await other.wait_people()
    assert [window.complaints for window in windows] == [[], [], []]


async def test_what_a_guest_typed_does_not_come_along_to_the_company(
    open_window: OpenWindow, accounts: Accounts
) -> None:
    ana = Person.new("Ana Lima")
    await accounts.sign_up(ana)
    window = await open_window()
    await window.type("as a guest")
    await window.wait_status("saved")
    await sign_in(window, ana)
    await window.wait_text("")


async def test_signing_out_ends_it_in_all_windows(open_window: OpenWindow, accounts: Accounts) -> None:
    ana = Person.new("Ana Lima")
    await accounts.sign_up(ana)
    window = await open_window()
    await sign_in(window, ana)
    second = RoomWindow(await window.page.context.new_page(), "")
    await second.page.goto(window.page.url)
    await wait_signed_in(second, ana)
    await open_menu(window.page)
    await window.page.get_by_role("button", name="Sign out").click()
    await wait_guest(window)
    await wait_guest(second)
    asked = refreshes(window.page)
    await window.page.reload()
    await wait_guest(window)
    assert asked == []


async def test_windows_that_open_at_the_same_time_stay_signed_in(open_window: OpenWindow, accounts: Accounts) -> None:
    ana = Person.new("Ana Lima")
    await accounts.sign_up(ana)
    window = await open_window()
    await sign_in(window, ana)
    pages = [await window.page.context.new_page() for _ in range(3)]
    windows = [window, *(RoomWindow(page, "") for page in pages)]
    for page in pages:
        await page.goto(window.page.url, wait_until="commit")
    await window.page.evaluate("() => void location.reload()")
    for one in windows:
        await wait_signed_in(one, ana)
    for one in windows:
        await one.page.reload()
        await wait_signed_in(one, ana)


async def test_a_session_ended_elsewhere_keeps_the_text_until_the_person_is_back(
    open_window: OpenWindow, accounts: Accounts
) -> None:
    ana = Person.new("Ana Lima")
    await accounts.sign_up(ana)
    window = await open_window()
    await sign_in(window, ana)
    await window.type("mine")
    await window.wait_status("saved")
    await accounts.call("POST", "/auth/logout", {"everywhere": True}, await accounts.login(ana))
    await window.wait_status("sign-in")
    page = window.page
    await expect(page.locator("#account-dialog")).to_be_visible(timeout=SEEN)
    assert await window.text() == "mine"
    await expect(page.locator("#editor .cm-content")).to_have_attribute("aria-readonly", "true")
    # The dialog may be put away, and comes back when asked for.
    await page.keyboard.press("Escape")
    await page.click("#retry")
    await page.evaluate("() => (globalThis.samePage = true)")
    await fill_sign_in(page, ana.email, ana.password)
    await wait_signed_in(window, ana)
    await window.type(" again")
    await window.wait_status("saved")
    assert await window.text() == "mine again"
    assert await page.evaluate("() => globalThis.samePage")


async def test_without_guests_the_dialog_opens_by_itself_and_leads_into_the_room(
    browser: Browser, closed_dojo: RunningDojo, room: str
) -> None:
    ana = Person.new("Ana Lima")
    page = await browser.new_page()
    window = RoomWindow(page, closed_dojo.http)
    await page.goto(f"{closed_dojo.http}/#room={room}")
    await expect(page.locator("#account-dialog")).to_be_visible(timeout=SEEN)
    await window.wait_status("sign-in")
    await expect(page.locator("#editor .cm-content")).to_have_attribute("aria-readonly", "true")
    await page.click("#tab-sign-up")
    await page.get_by_label("Company").fill(ana.company)
    await fill_sign_up(page, ana)
    await wait_signed_in(window, ana)
    await window.type("in")
    await window.wait_status("saved")
    await page.reload()
    await wait_signed_in(window, ana)
    await window.wait_text("in")


async def test_who_belongs_to_two_companies_chooses_one(open_window: OpenWindow, accounts: Accounts) -> None:
    ana, bo = Person.new("Ana Lima", "Alpha"), Person.new("Bo Ek", "Beta")
    await accounts.sign_up(ana)
    await accounts.sign_up(bo)
    await accounts.join(ana, bo)
    window = await open_window()
    await window.page.click("#sign-in")
    await fill_sign_in(window.page, bo.email, bo.password)
    choices = window.page.locator("#choices button")
    await expect(choices).to_have_count(2, timeout=SEEN)
    await choices.filter(has_text="Alpha").click()
    await wait_signed_in(window, bo)
    await open_menu(window.page)
    await expect(window.page.locator("#account-company")).to_have_text("Alpha")


async def test_an_invitation_leads_into_the_company(
    open_window: OpenWindow, accounts: Accounts, dojo: RunningDojo
) -> None:
    ana, bo = Person.new("Ana Lima", "Alpha"), Person.new("Bo Ek")
    await accounts.sign_up(ana)
    token = await accounts.invite(ana, bo)
    window = await open_window()
    page = window.page
    await page.goto("about:blank")
    await page.goto(f"{dojo.http}/#invite={token}")
    await expect(page.locator("#account-lead")).to_contain_text("You were invited", timeout=SEEN)
    assert "invite" not in page.url
    await expect(page.get_by_label("Company")).to_be_hidden()
    await fill_sign_up(page, bo)
    await wait_signed_in(window, bo)
    await open_menu(page)
    await expect(page.locator("#account-company")).to_have_text("Alpha")


async def test_a_forgotten_password_is_replaced_over_the_mail(open_window: OpenWindow, accounts: Accounts) -> None:
    ana = Person.new("Ana Lima")
    await accounts.sign_up(ana)
    window = await open_window()
    page = window.page
    await page.click("#sign-in")
    await page.fill("#sign-in-email", ana.email)
    await page.click("#to-forgot")
    await expect(page.locator("#forgot-email")).to_have_value(ana.email)
    await page.click("#forgot-form .primary")
    await expect(page.locator("#account-lead")).to_contain_text("on its way", timeout=SEEN)
    link = await accounts.link(ana.email, "reset")
    await page.goto("about:blank")
    await page.goto(link)
    assert "reset=" not in page.url
    await page.locator("#reset-password").fill(NEW_PASSWORD)
    await page.click("#reset-form .primary")
    await expect(page.locator("#account-lead")).to_contain_text("new password is set", timeout=SEEN)
    await fill_sign_in(page, ana.email, NEW_PASSWORD)
    await wait_signed_in(window, ana)
    # The link has done its work.
    await page.goto("about:blank")
    await page.goto(link)
    await page.locator("#reset-password").fill(NEW_PASSWORD)
    await page.click("#reset-form .primary")
    await expect(page.locator("#account-trouble")).to_contain_text("expired or was used", timeout=SEEN)
    await expect(page.locator("#forgot-form")).to_be_visible()


async def test_the_token_is_exchanged_ahead_of_its_end(
    browser: Browser, dojo: RunningDojo, accounts: Accounts, room: str
) -> None:
    ana = Person.new("Ana Lima")
    await accounts.sign_up(ana)
    context = await browser.new_context()
    await context.clock.install()
    window = await RoomWindow.open(context, dojo.http, room)
    await sign_in(window, ana)
    async with window.page.expect_response("**/auth/refresh", timeout=SEEN) as refreshed:
        # An access token lives for ten minutes.
        await context.clock.fast_forward("07:40")
    assert (await refreshed.value).status == 200
    await wait_signed_in(window, ana)
