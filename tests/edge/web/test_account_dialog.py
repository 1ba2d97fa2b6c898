"""The account dialog by itself: what it says, how it is used by keyboard, in whose language."""

from __future__ import annotations

import json
import re

from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from tests.edge.web.account import fill_sign_in
from tests.edge.web.conftest import OpenWindow
from tests.edge.web.window import RoomWindow
from tests.running import RunningDojo


async def answer_with(page: Page, path: str, status: int, code: str, headers: dict[str, str]) -> None:
    async def give(route: Route) -> None:
        body = json.dumps({"status": status, "code": code})
        await route.fulfill(status=status, headers=headers, content_type="application/problem+json", body=body)

    await page.route(path, give)


async def test_too_many_attempts_are_counted_down(open_window: OpenWindow) -> None:
    page = (await open_window()).page
    await answer_with(page, "**/auth/login", 429, "too_many_attempts", {"Retry-After": "2"})
    await page.click("#sign-in")
    await fill_sign_in(page, "ana@example.com", "x")
    button = page.locator("#sign-in-form .primary")
    await expect(page.locator("#account-trouble")).to_contain_text("2 s")
    await expect(button).to_have_attribute("aria-disabled", "true")
    await expect(button).to_have_text(re.compile("Wait"))
    await expect(button).to_have_text("Sign in")
    await expect(button).to_have_attribute("aria-disabled", "false")
    await expect(page.locator("#account-trouble")).to_be_empty()


async def test_a_busy_server_and_no_server_are_told_apart(open_window: OpenWindow) -> None:
    page = (await open_window()).page
    await answer_with(page, "**/auth/login", 503, "busy", {})
    await page.click("#sign-in")
    await fill_sign_in(page, "ana@example.com", "x")
    trouble = page.locator("#account-trouble")
    await expect(trouble).to_contain_text("Many people")
    await page.unroute("**/auth/login")
    await page.route("**/auth/login", lambda route: route.abort())
    await page.click("#sign-in-form .primary")
    await expect(trouble).to_contain_text("No connection")


async def test_the_tabs_of_the_dialog_work_by_keyboard(open_window: OpenWindow) -> None:
    page = (await open_window()).page
    await page.focus("#sign-in")
    await page.keyboard.press("Enter")
    await expect(page.locator("#sign-in-email")).to_be_focused()
    await page.focus("#tab-sign-in")
    await page.keyboard.press("ArrowRight")
    tab = page.get_by_role("tab", name="Create account")
    await expect(tab).to_be_focused()
    await expect(tab).to_have_attribute("aria-selected", "true")
    await expect(page.locator("#sign-up-form")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#account-dialog")).to_be_hidden()
    await expect(page.locator("#sign-in")).to_be_focused()


async def test_a_browser_that_prefers_portuguese_is_spoken_to_in_it(
    browser: Browser, dojo: RunningDojo, room: str
) -> None:
    context: BrowserContext = await browser.new_context(locale="pt-BR")
    window = await RoomWindow.open(context, dojo.http, room)
    await expect(window.page.locator("html")).to_have_attribute("lang", "pt-BR")
    await expect(window.page.locator("#status-label")).to_have_text("Ao vivo")
    await window.page.click("#sign-in")
    await expect(window.page.locator("#account-title")).to_have_text("Entrar no Dojo")
    await expect(window.page.get_by_role("textbox", name="Senha")).to_be_visible()
