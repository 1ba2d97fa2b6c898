"""A dojo's room in real browsers, against the real server: the way in, turns, chat, the host's say, the end."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Dialog, expect

from tests.edge.web.account import Accounts, Person
from tests.edge.web.dojo_window import SEEN, DojoWindow
from tests.running import RunningDojo


@dataclass(frozen=True)
class Company:
    """Two people of one company."""

    ana: Person
    bo: Person


@pytest.fixture(scope="module")
def accounts(dojo: RunningDojo) -> Accounts:
    return Accounts(dojo)


_companies: dict[str, Company] = {}


@pytest.fixture
async def company(accounts: Accounts, dojo: RunningDojo) -> Company:
    """The same for all tests here: an account costs seconds of hashing and mail."""
    known = _companies.get(dojo.http)
    if known is None:
        known = _companies[dojo.http] = Company(Person.new("Ana Lima"), Person.new("Bo Ek"))
        await accounts.sign_up(known.ana)
        await accounts.join(known.ana, known.bo)
    return known


Enter = Callable[..., Awaitable[DojoWindow]]


@pytest.fixture
def enter(browser: Browser, dojo: RunningDojo) -> Enter:
    """A window at the way in, with a browser profile of its own; with a person, signed in."""

    async def one(person: Person | None = None) -> DojoWindow:
        window = await DojoWindow.enter(await browser.new_context(), dojo.http)
        if person is not None:
            await window.sign_in(person)
        return window

    return one


async def agree(dialog: Dialog) -> None:
    await dialog.accept()


async def test_a_dojo_is_opened_joined_by_its_code_and_typed_in_together(enter: Enter, company: Company) -> None:
    ana, bo = await enter(company.ana), await enter(company.bo)
    code = await ana.create("FizzBuzz", code="def fizz():\n    pass")
    await expect(ana.page.locator("#room-name")).to_have_text("FizzBuzz")
    await expect(ana.page.locator("#dojo-status")).to_have_text("Active")
    await expect(ana.page.locator("#file-name")).to_have_text("main.py")
    await ana.wait_text("def fizz():\n    pass")
    # Case, dash and blanks do not matter.
    await bo.join(f" {code.lower().replace('-', ' ')} ")
    await bo.wait_status("live")
    await bo.wait_text("def fizz():\n    pass")
    assert bo.dojo == ana.dojo
    await bo.type("  # Bo")
    await ana.wait_text("def fizz():\n    pass  # Bo")
    await ana.wait_role(company.bo.name, "PARTICIPANT")
    await bo.wait_role(company.ana.name, "SENSEI")
    await expect(ana.page.locator("#people-count")).to_have_text("2")
    await expect(bo.page.locator("#host-button")).to_be_hidden()
    await bo.page.goto(f"{bo.page.url.partition('#')[0]}#start")
    await expect(bo.page.locator("#dojos-active .dojo-name").first).to_have_text("FizzBuzz", timeout=SEEN)
    await expect(ana.person(company.bo.name)).to_have_class(re.compile("away"), timeout=SEEN)
    assert [ana.complaints, bo.complaints] == [[], []]


async def test_a_wrong_code_is_told_and_leads_nowhere(enter: Enter, company: Company) -> None:
    bo = await enter(company.bo)
    await bo.join("AAAAA-AAAAA")
    await expect(bo.page.locator("#join-trouble")).to_contain_text("lets nobody in", timeout=SEEN)
    guest = await enter()
    await guest.join("AAAAA-AAAAA", "Cy")
    await expect(guest.page.locator("#join-trouble")).to_contain_text("lets nobody in", timeout=SEEN)


async def test_turns_rotate_and_only_the_pilot_writes(enter: Enter, company: Company) -> None:
    ana, bo = await enter(company.ana), await enter(company.bo)
    code = await ana.create("Turns")
    await bo.join(code)
    await bo.wait_status("live")
    await ana.wait_role(company.bo.name, "PARTICIPANT")
    await ana.act("Start turns")
    first, second = (ana, bo) if await pilots(ana) else (bo, ana)
    pilot, other = (company.ana, company.bo) if first is ana else (company.bo, company.ana)
    await first.wait_editable(True)
    await second.wait_editable(False)
    await expect(second.page.locator("#notice-text")).to_contain_text(f"{pilot.name} pilots now")
    await second.wait_role(pilot.name, "PILOT")
    await first.type("first ")
    await second.type("no")
    await second.wait_text("first ")
    # Both clocks show the server's time.
    assert abs(await first.seconds_left() - await second.seconds_left()) <= 1
    await first.wait_seconds_left(below=300)
    await first.act("Pass it on")
    await second.wait_editable(True)
    await first.wait_editable(False)
    await expect(first.page.locator("#turn-who")).to_contain_text(f"{other.name} pilots", timeout=SEEN)
    await second.type("second")
    await first.wait_text("first second")
    await ana.act("Pause")
    await expect(bo.page.locator("#turn")).to_have_attribute("data-phase", "PAUSED", timeout=SEEN)
    await ana.act("Stop turns")
    await first.wait_editable(True)
    await second.wait_editable(True)
    assert [ana.complaints, bo.complaints] == [[], []]


async def pilots(window: DojoWindow) -> bool:
    """Whether it is this window's turn, once it is somebody's."""
    turn = window.page.locator("#turn")
    await expect(turn).to_have_attribute("data-phase", "RUNNING", timeout=SEEN)
    return await turn.get_attribute("data-mine") == "true"


async def test_what_the_pilot_types_up_to_the_end_of_the_turn_counts(enter: Enter, company: Company) -> None:
    ana, bo = await enter(company.ana), await enter(company.bo)
    code = await ana.create("Handover")
    await bo.join(code)
    await bo.wait_status("live")
    await ana.wait_role(company.bo.name, "PARTICIPANT")
    await ana.act("Start turns")
    first, second = (ana, bo) if await pilots(ana) else (bo, ana)
    await first.wait_editable(True)
    await first.page.click("#editor .cm-content")
    await first.page.keyboard.type("typed up to the end")
    await ana.act("Pass it on")
    await second.wait_editable(True)
    await second.wait_text("typed up to the end")
    await first.wait_text("typed up to the end")
    assert [text for text in first.said if "turn.flushed" in text] == ['{"type":"turn.flushed","number":1}']
    await expect(first.page.locator("#reset-dialog")).to_be_hidden()
    await second.type("!")
    await first.wait_text("typed up to the end!")


async def test_the_host_hands_over_and_hands_are_seen(enter: Enter, company: Company) -> None:
    ana, bo = await enter(company.ana), await enter(company.bo)
    code = await ana.create("Hands")
    await bo.join(code)
    await bo.wait_status("live")
    await bo.act("Raise your hand")
    await expect(ana.person(company.bo.name).locator(".hand")).to_be_visible(timeout=SEEN)
    await bo.act("Lower your hand")
    await expect(ana.person(company.bo.name).locator(".hand")).to_be_hidden(timeout=SEEN)
    await ana.act("Start turns")
    first, second = (ana, bo) if await pilots(ana) else (bo, ana)
    if first is bo:
        await ana.person(company.ana.name).get_by_role("button").click()
        await ana.page.get_by_role("button", name="Take over").click()
    else:
        await ana.person(company.bo.name).get_by_role("button").click()
        await ana.page.get_by_role("button", name="Hand over to them").click()
    await second.wait_editable(True)
    await first.wait_editable(False)
    await expect(ana.page.locator("#person-menu")).to_be_hidden()


async def test_the_host_makes_somebody_an_observer_and_back(enter: Enter, company: Company) -> None:
    ana, bo = await enter(company.ana), await enter(company.bo)
    code = await ana.create("Observers")
    await bo.join(code)
    await bo.wait_status("live")
    await ana.person(company.bo.name).get_by_role("button").click()
    await ana.page.get_by_role("button", name="Only watch").click()
    await bo.wait_status("read-only")
    await bo.wait_editable(False)
    await ana.wait_role(company.bo.name, "OBSERVER")
    await ana.person(company.bo.name).get_by_role("button").click()
    await ana.page.get_by_role("button", name="Let them take part").click()
    await bo.wait_editable(True)
    await bo.type("again")
    await ana.wait_text("again")


async def test_chat_is_kept_counted_and_read_out(enter: Enter, company: Company) -> None:
    ana, bo = await enter(company.ana), await enter(company.bo)
    code = await ana.create("Chat")
    await ana.say("before <b>you</b> came")
    await ana.wait_said("before <b>you</b> came")
    await bo.join(code)
    await bo.wait_status("live")
    await bo.wait_said("before <b>you</b> came")
    await expect(bo.page.locator("#chat-unread")).to_be_hidden()
    await bo.page.click("#chat-toggle")
    await ana.say("one 🥋")
    await ana.say("two")
    await expect(bo.page.locator("#chat-unread")).to_have_text("2 new", timeout=SEEN)
    await expect(bo.page).to_have_title(re.compile(r"^\(2\) Chat"))
    await expect(bo.page.locator("#chat-announcer")).to_have_text(re.compile("two|2 new messages"), timeout=SEEN)
    await bo.page.click("#chat-toggle")
    await bo.wait_said("before <b>you</b> came", "one 🥋", "two")
    await expect(bo.page.locator("#chat-unread")).to_be_hidden()
    await bo.page.reload()
    await bo.wait_said("before <b>you</b> came", "one 🥋", "two")
    assert [ana.complaints, bo.complaints] == [[], []]


async def test_a_guest_comes_in_by_a_link_with_the_code_and_is_marked(
    browser: Browser, dojo: RunningDojo, enter: Enter, company: Company
) -> None:
    ana = await enter(company.ana)
    code = await ana.create("Guests", guests=True)
    guest = await DojoWindow.enter(await browser.new_context(), dojo.http, f"#join={code}")
    await expect(guest.page.locator("#join-code-field")).to_have_value(code)
    assert code not in guest.page.url
    await guest.join(code, "Cy")
    await guest.wait_status("live")
    await expect(ana.person("Cy")).to_contain_text("guest", timeout=SEEN)
    await guest.type("from outside")
    await ana.wait_text("from outside")
    await guest.page.reload()
    await guest.wait_status("live")
    await guest.wait_text("from outside")
    ana.page.on("dialog", agree)
    await ana.person("Cy").get_by_role("button").click()
    await ana.page.get_by_role("button", name="Remove").click()
    await guest.wait_status("refused")
    await expect(guest.page.locator("#notice-text")).to_contain_text("taken you out", timeout=SEEN)


async def test_newcomers_wait_until_the_host_lets_them_in(enter: Enter, company: Company) -> None:
    ana, bo = await enter(company.ana), await enter(company.bo)
    code = await ana.create("Door")
    await ana.page.get_by_role("button", name="Manage").click()
    async with ana.page.expect_response(re.compile("/api/v1/dojos/"), timeout=SEEN):
        await ana.page.get_by_label("Newcomers wait").check()
    await bo.join(code)
    await expect(ana.page.locator("#waiting")).to_contain_text(company.bo.name, timeout=SEEN)
    await bo.wait_status("waiting", "connecting")
    await ana.page.get_by_role("button", name=f"Let {company.bo.name} in").click()
    await bo.wait_status("live")


async def test_the_host_ends_the_dojo_for_everybody(enter: Enter, company: Company) -> None:
    ana, bo = await enter(company.ana), await enter(company.bo)
    code = await ana.create("End")
    await bo.join(code)
    await bo.wait_status("live")
    await bo.type("kept")
    await bo.wait_status("saved")
    ana.page.on("dialog", agree)
    await ana.page.get_by_role("button", name="Manage").click()
    await ana.page.get_by_role("button", name="End the dojo").click()
    for window in (ana, bo):
        await window.wait_status("refused")
        await expect(window.page.locator("#notice-text")).to_contain_text("This dojo has ended")
        await expect(window.page.locator("#dojo-status")).to_have_text("Completed", timeout=SEEN)
        await window.wait_text("kept")
        await window.wait_editable(False)
    await expect(ana.page.locator("#host-button")).to_be_hidden()


async def test_a_dojo_that_is_not_there_is_told_in_words(enter: Enter, company: Company) -> None:
    bo = await enter(company.bo)
    await bo.page.goto(f"{bo.page.url.partition('#')[0]}#dojo=00000000-0000-4000-8000-000000000000")
    await bo.wait_status("refused")
    await expect(bo.page.locator("#notice-text")).to_contain_text("no such dojo")


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
    await hers.type("B")
    await fresh_dojo.start()
    await hers.wait_status("saved")
    await his.wait_text("AB")
    await hers.say("after")
    await his.wait_said("before", "after")
