"""The reference page in a real browser, under the policy it is served with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, expect

from dojo import contract
from dojo.page import Page
from kernel.http.answering import answering

LIVE = "ws://127.0.0.1:8081"


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Where the page is."""
    app = web.Application(middlewares=[answering])
    contract.Reference(contract.operations(), LIVE).add_to(app.router)
    Page(LIVE).add_to(app.router)
    async with TestServer(app) as server:
        yield str(server.make_url(contract.PAGE_PATH))


async def test_every_operation_is_shown_found_and_opened_without_help_from_elsewhere(
    browser: Browser, address: str
) -> None:
    page = await browser.new_page()
    trouble: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: trouble.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(address)
    number = len(contract.operations())
    await expect(page.locator("details")).to_have_count(number)
    await expect(page.get_by_role("status")).to_have_text(f"{number} of {number} operations")

    await page.get_by_label("Find an operation").fill("post login")
    await expect(page.locator("details:visible")).to_have_count(1)
    await page.locator("summary:visible").click()
    login = page.locator("#login")
    await expect(login).to_contain_text("No access token is needed.")
    await expect(login.locator("dl")).to_contain_text("invalid_credentials")
    await expect(login.locator("table").first).to_contain_text("password")

    await page.goto(f"{address}#listUsers")
    await page.reload()
    await expect(page.locator("#listUsers")).to_have_attribute("open", "")
    await expect(page.locator("#listUsers")).to_contain_text("For: admin, host.")

    origin = address.removesuffix(contract.PAGE_PATH)
    assert all(url.startswith(origin) for url in asked)
    assert trouble == []
    await page.close()
