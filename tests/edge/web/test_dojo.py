"""A dojo's room in real browsers, against the real server: the way in, turns, chat, the host's say, the end."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.edge.web.conftest import Pair, Visit
from tests.edge.web.dojo_window import SEEN

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANA, BO = "Ana Lima", "Bo Ek"


async def test_a_dojo_is_opened_joined_by_its_code_and_typed_in_together(at_start: Pair) -> None:
    ana, bo = at_start
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
    await ana.wait_role(BO, "PARTICIPANT")
    await bo.wait_role(ANA, "SENSEI")
    await expect(ana.page.locator("#people-count")).to_have_text("2")
    await expect(bo.page.locator("#host-button")).to_be_hidden()
    await bo.to_start()
    await expect(bo.page.locator("#dojos-active .dojo-name").first).to_have_text("FizzBuzz", timeout=SEEN)
    await expect(ana.person(BO)).to_have_class(re.compile("away"), timeout=SEEN)
    assert [ana.complaints, bo.complaints] == [[], []]


async def test_a_wrong_code_is_told_and_leads_nowhere(at_start: Pair, visit: Visit) -> None:
    _, bo = at_start
    await bo.join("AAAAA-AAAAA")
    await expect(bo.page.locator("#join-trouble")).to_contain_text("lets nobody in", timeout=SEEN)
    guest = await visit()
    await guest.join("AAAAA-AAAAA", "Cy")
    await expect(guest.page.locator("#join-trouble")).to_contain_text("lets nobody in", timeout=SEEN)


async def test_turns_rotate_and_only_the_pilot_writes(at_start: Pair) -> None:
    ana, bo = at_start
    code = await ana.create("Turns")
    await bo.join(code)
    await bo.wait_status("live")
    await ana.wait_role(BO, "PARTICIPANT")
    await ana.act("Start turns")
    first, second = (ana, bo) if await ana.pilots() else (bo, ana)
    pilot, other = (ANA, BO) if first is ana else (BO, ANA)
    await first.wait_editable(True)
    await second.wait_editable(False)
    await expect(second.page.locator("#notice-text")).to_contain_text(f"{pilot} pilots now")
    await second.wait_role(pilot, "PILOT")
    await first.type("first ")
    await second.type("no")
    await second.wait_text("first ")
    # Both clocks show the server's time.
    assert abs(await first.seconds_left() - await second.seconds_left()) <= 1
    await first.wait_seconds_left(below=300)
    await first.act("Pass it on")
    await second.wait_editable(True)
    await first.wait_editable(False)
    await expect(first.page.locator("#turn-who")).to_contain_text(f"{other} pilots", timeout=SEEN)
    await second.type("second")
    await first.wait_text("first second")
    await ana.act("Pause")
    await expect(bo.page.locator("#turn")).to_have_attribute("data-phase", "PAUSED", timeout=SEEN)
    await ana.act("Stop turns")
    await first.wait_editable(True)
    await second.wait_editable(True)
    assert [ana.complaints, bo.complaints] == [[], []]


async def test_what_the_pilot_types_up_to_the_end_of_the_turn_counts(at_start: Pair) -> None:
    ana, bo = at_start
    code = await ana.create("Handover")
    await bo.join(code)
    await bo.wait_status("live")
    await ana.wait_role(BO, "PARTICIPANT")
    await ana.act("Start turns")
    first, second = (ana, bo) if await ana.pilots() else (bo, ana)
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


async def test_the_host_hands_over_and_hands_are_seen(at_start: Pair) -> None:
    ana, bo = at_start
    code = await ana.create("Hands")
    await bo.join(code)
    await bo.wait_status("live")
    await bo.act("Raise your hand")
    await expect(ana.person(BO).locator(".hand")).to_be_visible(timeout=SEEN)
    await bo.act("Lower your hand")
    await expect(ana.person(BO).locator(".hand")).to_be_hidden(timeout=SEEN)
    await ana.act("Start turns")
    first, second = (ana, bo) if await ana.pilots() else (bo, ana)
    if first is bo:
        await ana.person(ANA).get_by_role("button").click()
        await ana.page.get_by_role("button", name="Take over").click()
    else:
        await ana.person(BO).get_by_role("button").click()
        await ana.page.get_by_role("button", name="Hand over to them").click()
    await second.wait_editable(True)
    await first.wait_editable(False)
    await expect(ana.page.locator("#person-menu")).to_be_hidden()


async def test_the_host_makes_somebody_an_observer_and_back(at_start: Pair) -> None:
    ana, bo = at_start
    code = await ana.create("Observers")
    await bo.join(code)
    await bo.wait_status("live")
    await ana.person(BO).get_by_role("button").click()
    await ana.page.get_by_role("button", name="Only watch").click()
    await bo.wait_status("read-only")
    await bo.wait_editable(False)
    await ana.wait_role(BO, "OBSERVER")
    await ana.person(BO).get_by_role("button").click()
    await ana.page.get_by_role("button", name="Let them take part").click()
    await bo.wait_editable(True)
    await bo.type("again")
    await ana.wait_text("again")


async def test_chat_is_kept_counted_and_read_out(at_start: Pair) -> None:
    ana, bo = at_start
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


async def test_a_guest_comes_in_by_a_link_with_the_code_and_is_marked(at_start: Pair, visit: Visit) -> None:
    ana, _ = at_start
    code = await ana.create("Guests", guests=True)
    guest = await visit(f"#join={code}")
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
    # An address is no place for a token that lasts.
    assert guest.sockets
    assert all("ticket=" in url and "token=" not in url for url in guest.sockets)
    await expect(guest.page.locator("#room-name")).to_have_text("Guests")
    for button in ("#rooms-button", "#look-back-button", "#host-button", "#turn-terms-button"):
        await expect(guest.page.locator(button)).to_be_hidden()
    await ana.person("Cy").get_by_role("button").click()
    await ana.page.get_by_role("button", name="Remove").click()
    await guest.wait_status("refused")
    await expect(guest.page.locator("#notice-text")).to_contain_text("taken you out", timeout=SEEN)


async def test_newcomers_wait_until_the_host_lets_them_in(at_start: Pair) -> None:
    ana, bo = at_start
    code = await ana.create("Door")
    await ana.page.get_by_role("button", name="Manage").click()
    async with ana.page.expect_response(re.compile("/api/v1/dojos/"), timeout=SEEN):
        await ana.page.locator("#host-menu").get_by_label("Newcomers wait").check()
    await bo.join(code)
    await expect(ana.page.locator("#waiting")).to_contain_text(BO, timeout=SEEN)
    await bo.wait_status("waiting", "connecting")
    await ana.page.get_by_role("button", name=f"Let {BO} in").click()
    await bo.wait_status("live")


async def test_the_host_ends_the_dojo_for_everybody(at_start: Pair) -> None:
    ana, bo = at_start
    code = await ana.create("End")
    await bo.join(code)
    await bo.wait_status("live")
    await bo.type("kept")
    await bo.wait_status("saved")
    await ana.page.get_by_role("button", name="Manage").click()
    await ana.page.get_by_role("button", name="End the dojo").click()
    for window in (ana, bo):
        await window.wait_status("refused")
        await expect(window.page.locator("#notice-text")).to_contain_text("This dojo has ended")
        await expect(window.page.locator("#dojo-status")).to_have_text("Completed", timeout=SEEN)
        await window.wait_text("kept")
        await window.wait_editable(False)
    await expect(ana.page.locator("#host-button")).to_be_hidden()


async def test_a_dojo_that_is_not_there_is_told_in_words(at_start: Pair) -> None:
    _, bo = at_start
    await bo.go_to("dojo=00000000-0000-4000-8000-000000000000")
    await bo.wait_status("refused")
    await expect(bo.page.locator("#notice-text")).to_contain_text("no such dojo")
