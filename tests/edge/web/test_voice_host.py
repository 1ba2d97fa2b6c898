"""A room's voice in the hands of its host: muting, recording, talk on green only, and taking somebody out."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import Locator, WebSocketRoute, expect

from tests.edge.web.conftest import Pair, Visit
from tests.edge.web.dojo_window import SEEN, DojoWindow
from tests.edge.web.talk_button import ANA, BO, HEARD, button, everybody, join_code, standing, wait_hears, wait_voice
from tests.running import RunningDojo

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVA = "Eva"


async def about(host: DojoWindow, name: str) -> Locator:
    """The menu of what a host can do about somebody, open."""
    await host.person(name).get_by_role("button").click()
    return host.page.locator("#person-menu")


async def test_the_host_mutes_one_and_all(talking: Pair) -> None:
    ana, bo = talking
    await expect(button(bo, "Voice…")).to_be_hidden()
    # What Bo said himself is not for the host to take back.
    await button(bo, "Mute").click()
    await wait_voice(ana, BO, "muted")
    await (await about(ana, BO)).get_by_role("button", name="Mute", exact=True).click()
    await expect(ana.person(BO).get_by_role("img", name="muted by the host")).to_be_visible(timeout=SEEN)
    await expect(standing(bo)).to_have_text("You are muted.")
    await button(bo, "Mute").click()
    await expect(bo.page.locator("#talk-trouble")).to_have_text("The host has muted you.", timeout=SEEN)
    await expect(standing(bo)).to_have_text("You are muted.")
    await unmute(ana, BO)
    # What Bo said himself holds.
    await wait_voice(ana, BO, "muted")
    await button(bo, "Mute").click()
    await expect(standing(bo)).to_have_text(HEARD, timeout=SEEN)
    await wait_voice(ana, BO, "speaking")
    await (await about(ana, BO)).get_by_role("button", name="Mute", exact=True).click()
    await expect(standing(bo)).to_have_text("The host has muted you.", timeout=SEEN)
    await wait_voice(ana, BO, "silenced")
    await wait_hears(ana, False)
    await unmute(ana, BO)
    await expect(standing(bo)).to_have_text(HEARD, timeout=SEEN)
    await wait_voice(ana, BO, "speaking")
    menu = await everybody(ana)
    await expect(menu.get_by_role("button", name="Let all talk again")).to_be_hidden()
    await menu.get_by_role("button", name="Mute all").click()
    await expect(standing(bo)).to_have_text("The host has muted you.", timeout=SEEN)
    await wait_voice(bo, ANA, "speaking")
    await (await everybody(ana)).get_by_role("button", name="Let all talk again").click(timeout=SEEN)
    await expect(standing(bo)).to_have_text(HEARD, timeout=SEEN)


async def unmute(host: DojoWindow, name: str) -> None:
    """Somebody whom the host has muted."""
    menu = await about(host, name)
    await menu.get_by_role("button", name="Let them talk again").click(timeout=SEEN)


async def test_the_host_has_it_recorded_and_everybody_sees_it(talking: Pair, visit: Visit) -> None:
    ana, bo = talking
    recorded = "This room is being recorded."
    menu = await everybody(ana)
    record = menu.get_by_label("Record what is said")
    await expect(record).not_to_be_checked()
    await record.check()
    for window in (ana, bo):
        await expect(window.page.locator("#talk-recording")).to_have_text(recorded, timeout=SEEN)
    await expect(record).to_be_checked()
    await expect(record).to_have_accessible_description("Everybody sees that it is being recorded.", timeout=SEEN)
    late = await visit()
    await late.join(await join_code(ana), EVA)
    await expect(late.page.locator("#talk-recording")).to_have_text(recorded, timeout=SEEN)
    await (await everybody(ana)).get_by_label("Record what is said").uncheck()
    for window in (ana, bo, late):
        await expect(window.page.locator("#talk-recording")).to_be_empty(timeout=SEEN)


async def test_the_host_lets_people_talk_on_green_only(talking: Pair) -> None:
    ana, bo = talking
    box = (await everybody(ana)).get_by_label("Talk on green only")
    for wanted in (True, False):
        await expect(box).to_be_checked(checked=not wanted)
        async with ana.page.expect_response(lambda told: told.request.method == "PATCH", timeout=SEEN) as told:
            await box.set_checked(wanted)
        assert (await (await told.value).json())["greenOnly"] is wanted
        # It is read anew: the box says what holds, not what was pressed.
        await ana.page.keyboard.press("Escape")
        box = (await everybody(ana)).get_by_label("Talk on green only")
        await expect(box).to_be_checked(checked=wanted)
    # Without the API nothing is changed, and the box says so.
    await ana.page.route("**/rooms/*/voice", lambda route: route.abort())
    await box.click()
    await expect(ana.page.locator("#room-voice-menu").get_by_role("alert")).not_to_be_empty(timeout=SEEN)
    await expect(box).not_to_be_checked()
    await ana.page.unroute("**/rooms/*/voice")
    await ana.page.keyboard.press("Escape")
    await expect(standing(bo)).to_have_text(HEARD)


async def test_only_who_leads_sees_what_is_wrong_with_a_recording(talking: Pair, dojo: RunningDojo) -> None:
    for window, shown in zip(talking, ("Recording: the disk is full", ""), strict=True):
        page = await window.page.context.new_page()
        await page.route_web_socket(re.compile("/live"), _with_trouble)
        await page.goto(f"{dojo.http}/#dojo={window.dojo}")
        await wait_voice(DojoWindow(page, dojo.http), ANA, "speaking", "silent")
        await expect(page.locator("#talk-recording-trouble")).to_have_text(shown, timeout=SEEN)
        await page.close()


def _with_trouble(route: WebSocketRoute) -> None:
    """The server's own words, and that its disk is full."""
    server = route.connect_to_server()

    def pass_on(message: str | bytes) -> None:
        if isinstance(message, str) and (told := json.loads(message))["type"] == "VOICE_STATE":
            message = json.dumps({**told, "recordingTrouble": "the disk is full"})
        route.send(message)

    server.on_message(pass_on)


async def test_who_is_taken_out_is_silent(talking: Pair) -> None:
    ana, bo = talking
    await ana.person(BO).get_by_role("button").click()
    await ana.page.locator("#person-menu").get_by_role("button", name="Remove").click()
    await expect(bo.page.locator("#notice-text")).to_contain_text("has taken you out", timeout=SEEN)
    await expect(button(bo, "Stop talking")).to_be_hidden(timeout=SEEN)
    await wait_hears(ana, False)
