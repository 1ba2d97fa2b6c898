"""Who gets into a dojo and when, as its host sets it: invitations, schedule, switches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from tests.edge.web.account import Accounts
from tests.edge.web.conftest import Company, Pair, Visit
from tests.edge.web.dojo_window import SEEN
from tests.running import RunningDojo

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANA, BO = "Ana Lima", "Bo Ek"


async def test_an_invitation_lets_in_by_its_link_and_a_revoked_one_does_not(
    signed_in: tuple[Company, Pair], at_start: Pair, dojo: RunningDojo
) -> None:
    (people, _), (ana, bo) = signed_in, at_start
    accounts = Accounts(dojo)
    await ana.create("By mail")
    menu = await ana.manage()
    email, listed = people.bo.email, ana.page.locator("#invitations .name")

    async def invite(mails: int) -> str:
        """The fragment of the link in the newest mail, which is mail number `mails` + 1."""
        await menu.get_by_label("E-mail").fill(email)
        await menu.get_by_role("button", name="Invite").click()
        await expect(listed).to_have_text([email], timeout=SEEN)
        return (await accounts.link(email, "dojo-invite", after=mails)).partition("#")[2]

    before = len(accounts.links(email, "dojo-invite"))
    fragment = await invite(before)
    await menu.get_by_role("button", name="Revoke").click()
    await expect(listed).to_have_count(0, timeout=SEEN)
    await bo.go_to(fragment)
    await expect(bo.page.locator("#invitation-trouble")).to_contain_text("no longer valid", timeout=SEEN)
    assert fragment not in bo.page.url
    await bo.go_to(await invite(before + 1))
    await bo.wait_status("live")
    await ana.wait_role(BO, "PARTICIPANT")
    assert bo.dojo == ana.dojo


async def test_an_invitation_waits_until_one_has_signed_in(
    signed_in: tuple[Company, Pair], at_start: Pair, dojo: RunningDojo, visit: Visit
) -> None:
    (people, _), (ana, _) = signed_in, at_start
    await ana.create("Sign in first")
    menu = await ana.manage()
    before = len(Accounts(dojo).links(people.bo.email, "dojo-invite"))
    await menu.get_by_label("E-mail").fill(people.bo.email)
    await menu.get_by_label("As somebody who").select_option("OBSERVER")
    await menu.get_by_role("button", name="Invite").click()
    link = await Accounts(dojo).link(people.bo.email, "dojo-invite", after=before)
    bo = await visit(f"#{link.partition('#')[2]}")
    await expect(bo.page.locator("#account-dialog")).to_be_visible(timeout=SEEN)
    await bo.page.fill("#sign-in-email", people.bo.email)
    await bo.page.fill("#sign-in-password", people.bo.password)
    await bo.page.click("#sign-in-form .primary")
    await bo.wait_status("read-only")
    await ana.wait_role(BO, "OBSERVER")


async def test_a_scheduled_dojo_waits_for_its_host_to_begin(at_start: Pair) -> None:
    ana, bo = at_start
    await ana.page.get_by_role("button", name="New dojo").click()
    dialog = ana.page.locator("#new-dojo-dialog")
    await dialog.get_by_label("Name").fill("Tomorrow")
    await dialog.get_by_label("Starts at").fill(f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%dT10:00}")
    await dialog.get_by_label("Private").uncheck()
    await dialog.get_by_role("button", name="Create").click()
    await expect(ana.page.locator("#dojo-status")).to_contain_text("Scheduled · ", timeout=SEEN)
    await bo.to_start()
    await bo.page.locator("#dojos-upcoming .dojo", has_text="Tomorrow").click()
    await bo.wait_status("waiting")
    await expect(bo.page.locator("#notice-text")).to_contain_text("not begun yet")
    menu = ana.page.locator("#host-menu")
    await expect(menu).to_be_visible(timeout=SEEN)
    await menu.get_by_role("button", name="Start now").click()
    await bo.wait_status("live")
    await expect(bo.page.locator("#dojo-status")).to_have_text("Active", timeout=SEEN)


async def test_the_host_changes_what_the_dojo_is(at_start: Pair) -> None:
    ana, bo = at_start
    await ana.create("Before")
    await bo.to_start()
    await expect(bo.page.locator("#dojos-active .dojo", has_text="Before")).to_have_count(0)
    menu = await ana.manage()
    await menu.get_by_role("button", name="Settings…").click()
    dialog = ana.page.locator("#dojo-settings")
    await expect(dialog.get_by_label("Starts at")).to_be_hidden()
    await expect(dialog.get_by_label("Name")).to_have_value("Before")
    await dialog.get_by_label("Name").fill("Afterwards")
    await dialog.get_by_label("Private").uncheck()
    await dialog.get_by_label("Newcomers wait").check()
    await dialog.get_by_label("At most").fill("3")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_be_hidden(timeout=SEEN)
    await expect(ana.page.locator("#room-name")).to_have_text("Afterwards", timeout=SEEN)
    await bo.to_start()
    row = bo.page.locator("#dojos-active .dojo", has_text="Afterwards")
    await expect(row).to_contain_text("waiting room", timeout=SEEN)
    await row.click()
    await bo.wait_status("waiting")
    await expect(bo.page.locator("#notice-text")).to_contain_text("has not let you in yet")
    await ana.manage()
    await ana.page.get_by_role("button", name=f"Let {BO} in").click(timeout=SEEN)
    await bo.wait_status("live")
