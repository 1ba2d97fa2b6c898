"""The talk button in real browsers, with made-up microphones, against the real server."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Literal

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Response, WebSocketRoute, expect

from tests.edge.web.account import wait_until
from tests.edge.web.conftest import Company, Pair, Visit
from tests.edge.web.dojo_window import SEEN, DojoWindow
from tests.edge.web.window import SEEN_SECONDS
from tests.running import RunningDojo

pytestmark = pytest.mark.asyncio(loop_scope="module")
HEARD = "You can be heard."
ANA, BO, CY, DEE, EVA = "Ana Lima", "Bo Ek", "Cy", "Dee", "Eva"
AGAIN_SECONDS = 20.0
"""To talk again after the voice process was killed, its restart included."""

# Whether anything is heard within a second and a half: the made-up microphone beeps once a second.
LISTEN = """async () => {
  const context = new AudioContext()
  const analysers = [...document.querySelectorAll('#talk-slots audio')].map(({ srcObject }) => {
    const analyser = new AnalyserNode(context)
    if (srcObject !== null) new MediaStreamAudioSourceNode(context, { mediaStream: srcObject }).connect(analyser)
    return analyser
  })
  const samples = new Float32Array(2048)
  const end = performance.now() + 1500
  let loudest = 0
  while (performance.now() < end && loudest <= 0.01) {
    for (const analyser of analysers) {
      analyser.getFloatTimeDomainData(samples)
      loudest = Math.max(loudest, ...samples.map(Math.abs))
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await context.close()
  return loudest > 0.01
}"""


SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# What cannot be read or reached on a screen of this width: text below 13 px, or with less contrast than 4.5 to 1 (WCAG
# 1.4.3), buttons lower than 24 px (2.5.8), and anything that makes the page move sideways (1.4.10).
FAULTS = """async (roots) => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number)
  const light = (color) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    const [r, g, b] = channels(color).map((c) => linear(c / 255))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (found) => {
    const { backgroundColor } = getComputedStyle(found)
    const clear = channels(backgroundColor).length === 4 && channels(backgroundColor)[3] === 0
    return clear ? behind(found.parentElement) : backgroundColor
  }
  const faults = []
  if (document.documentElement.scrollWidth > innerWidth) faults.push('the page moves sideways')
  for (const found of document.querySelectorAll(roots.map((root) => `${root} *`).join())) {
    const own = [...found.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')
    const { width, height, right } = found.getBoundingClientRect()
    if (width === 0 || found.matches(':disabled')) continue
    const name = `${found.tagName} ${found.textContent.trim()}`
    if (right > innerWidth) faults.push(`${name}: out of sight`)
    if (found.matches('button') && height < 24) faults.push(`${name}: ${height} px high`)
    if (!own) continue
    const { color, fontSize } = getComputedStyle(found)
    const [low, high] = [light(color), light(behind(found))].sort((a, b) => a - b)
    if ((high + 0.05) / (low + 0.05) < 4.5) faults.push(`${name}: ${color} on ${behind(found)}`)
    if (parseFloat(fontSize) < 13) faults.push(`${name}: ${fontSize}`)
  }
  return faults
}"""


def standing(window: DojoWindow) -> Locator:
    return window.page.locator("#talk-standing")


def button(window: DojoWindow, name: str) -> Locator:
    return window.page.locator("#talk").get_by_role("button", name=name, exact=True)


async def talk(window: DojoWindow) -> None:
    """Join in, and be heard."""
    await button(window, "Talk").click(timeout=SEEN)
    await expect(standing(window)).to_have_text(HEARD, timeout=SEEN)


async def everybody(host: DojoWindow) -> Locator:
    """The menu for the voice of all in the room, open and filled."""
    menu = host.page.get_by_role("region", name="Voice in this room")
    if not await menu.is_visible():
        await button(host, "Voice…").click(timeout=SEEN)
    await expect(menu.get_by_label("Talk on green only")).to_be_enabled(timeout=SEEN)
    return menu


async def about(host: DojoWindow, name: str) -> Locator:
    """The menu of what a host can do about somebody, open."""
    await host.person(name).get_by_role("button").click()
    return host.page.locator("#person-menu")


async def join_code(host: DojoWindow) -> str:
    """Of the dojo that the host has open."""
    return (await host.page.locator("#join-code").text_content()) or ""


async def wait_voice(window: DojoWindow, name: str, *voices: str) -> None:
    """Somebody's voice, as a window shows it."""
    await expect(window.person(name)).to_have_attribute("data-voice", re.compile("|".join(voices)), timeout=SEEN)


async def wait_out(window: DojoWindow, name: str) -> None:
    await expect(window.person(name)).not_to_have_attribute("data-voice", re.compile("."), timeout=SEEN)


async def wait_hears(window: DojoWindow, hears: bool) -> None:
    async def as_wanted() -> bool:
        return bool(await window.page.evaluate(LISTEN)) == hears

    await wait_until(f"the window hears {'something' if hears else 'nothing'}", as_wanted, SEEN_SECONDS)


@pytest_asyncio.fixture(loop_scope="module")
async def talking(signed_in: tuple[Company, Pair]) -> Pair:
    """Ana, who hosts, and Bo, who can be heard; in the dojo of the test before, if it has left them so."""
    ana, bo = signed_in[1]
    if not all([await standing(window).text_content() == HEARD for window in (ana, bo)]):
        for window in (ana, bo):
            await window.page.context.grant_permissions(["microphone"])
            await window.to_start()
        await bo.join(await ana.create("Talk", guests=True))
        await bo.wait_status("live")
        for window in (ana, bo):
            await talk(window)
    for window in (ana, bo):
        window.complaints.clear()
    await wait_voice(ana, BO, "speaking")
    await wait_voice(bo, ANA, "speaking")
    return ana, bo


async def test_two_talk_mute_themselves_and_leave(talking: Pair) -> None:
    ana, bo = talking
    await wait_hears(bo, True)
    await expect(ana.person(BO).get_by_role("img", name="speaking")).to_be_visible(timeout=SEEN)
    mute = button(ana, "Mute")
    await expect(mute).to_have_attribute("aria-pressed", "false")
    await mute.click()
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await expect(standing(ana)).to_have_text("You are muted.")
    await wait_voice(bo, ANA, "muted")
    await wait_hears(bo, False)
    await mute.click()
    await expect(standing(ana)).to_have_text(HEARD)
    await wait_voice(bo, ANA, "speaking")
    await wait_hears(bo, True)
    await button(ana, "Stop talking").click()
    await expect(button(ana, "Talk")).to_be_focused()
    await expect(standing(ana)).to_be_empty()
    await wait_out(bo, ANA)
    await wait_hears(bo, False)
    await talk(ana)
    assert [ana.complaints, bo.complaints] == [[], []]


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


async def test_the_buttons_are_for_every_hand_and_eye(talking: Pair) -> None:
    ana, _ = talking
    page = ana.page
    await button(ana, "Mute").focus()
    for name in ("Stop talking", "Voice…"):
        await page.keyboard.press("Tab")
        await expect(button(ana, name)).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    menu = page.get_by_role("region", name="Voice in this room")
    await expect(menu.get_by_role("button", name="Mute all")).to_be_focused()
    await expect(menu.get_by_label("Talk on green only")).to_have_accessible_description(re.compile("^While the code"))
    await everybody(ana)
    wide = page.viewport_size
    await page.set_viewport_size({"width": 320, "height": 640})
    await button(ana, "Mute").focus()
    await page.keyboard.press("Space")
    await expect(button(ana, "Mute")).to_have_attribute("aria-pressed", "true")
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        faults = await page.evaluate(FAULTS, ["#talk", "#room-voice-menu"])
        assert faults == [], scheme
    await page.keyboard.press("Space")
    await menu.get_by_label("Record what is said").focus()
    await page.keyboard.press("Escape")
    await expect(menu).to_be_hidden()
    await expect(button(ana, "Voice…")).to_be_focused()
    await page.emulate_media(color_scheme=None, reduced_motion=None)
    if wide is not None:
        await page.set_viewport_size(wide)
    await expect(standing(ana)).to_have_text(HEARD, timeout=SEEN)


async def test_ice_is_restarted_where_the_network_changes(talking: Pair) -> None:
    ana, bo = talking
    for _ in range(2):  # the second names the ETag that the first was answered with
        async with ana.page.expect_response(lambda told: told.request.method == "PATCH", timeout=SEEN) as told:
            await ana.page.evaluate("() => dispatchEvent(new Event('online'))")
        assert (await told.value).status == 200
        await wait_hears(bo, True)
        await wait_hears(ana, True)
    await expect(standing(ana)).to_have_text(HEARD)
    assert [ana.complaints, bo.complaints] == [[], []]


async def test_a_guest_talks_over_the_socket(talking: Pair, visit: Visit) -> None:
    ana, _ = talking
    guest = await visit()
    await guest.page.context.grant_permissions(["microphone"])
    await guest.join(await join_code(ana), CY)
    await guest.wait_status("live")
    await talk(guest)
    await wait_voice(ana, CY, "speaking")
    await guest.page.evaluate("() => dispatchEvent(new Event('online'))")
    await wait_until("the guest restarted ICE", lambda: _said(guest, "VOICE_CANDIDATE"), SEEN_SECONDS)
    await wait_hears(guest, True)
    await expect(standing(guest)).to_have_text(HEARD)
    # Its process is gone without a word.
    session = await guest.page.context.new_cdp_session(guest.page)
    async with guest.page.expect_event("crash", timeout=SEEN):
        unanswered = asyncio.create_task(session.send("Page.crash"))
    unanswered.cancel()
    await asyncio.gather(unanswered, return_exceptions=True)
    await expect(ana.person(CY)).to_have_class(re.compile("away"), timeout=SEEN)
    await wait_out(ana, CY)
    assert ana.complaints == []


async def _said(window: DojoWindow, kind: str) -> bool:
    return any(f'"{kind}"' in said for said in window.said)


async def test_without_a_microphone_one_listens(talking: Pair, visit: Visit) -> None:
    ana, _ = talking
    guest = await visit()
    await guest.join(await join_code(ana), DEE)
    await guest.wait_status("live")
    await button(guest, "Talk").click(timeout=SEEN)
    await expect(standing(guest)).to_contain_text("You only listen. Your browser does not let", timeout=SEEN)
    await expect(button(guest, "Mute")).to_be_hidden()
    await wait_voice(ana, DEE, "silent")
    await wait_hears(guest, True)
    await guest.page.context.grant_permissions(["microphone"])
    await button(guest, "Use microphone").click()
    await expect(standing(guest)).to_have_text(HEARD, timeout=SEEN)
    await wait_voice(ana, DEE, "speaking")


async def test_another_window_of_the_same_person_takes_over(talking: Pair, dojo: RunningDojo) -> None:
    ana, bo = talking
    second = await DojoWindow.enter(bo.page.context, dojo.http, f"#dojo={bo.dojo}")
    await second.wait_status("live")
    await talk(second)
    await expect(standing(bo)).to_contain_text("You talk in another window", timeout=SEEN)
    await expect(button(bo, "Talk")).to_be_visible()
    await wait_hears(ana, True)
    await second.page.close()
    await talk(bo)
    await wait_hears(bo, True)


async def test_who_is_taken_out_is_silent(talking: Pair) -> None:
    ana, bo = talking
    await ana.person(BO).get_by_role("button").click()
    await ana.page.locator("#person-menu").get_by_role("button", name="Remove").click()
    await expect(bo.page.locator("#notice-text")).to_contain_text("has taken you out", timeout=SEEN)
    await expect(button(bo, "Stop talking")).to_be_hidden(timeout=SEEN)
    await wait_hears(ana, False)


async def test_a_killed_voice_process_is_come_back_from(talking: Pair, dojo: RunningDojo) -> None:
    ana, bo = talking
    processes = psutil.process_iter(["cmdline", "environ"])
    (voice,) = [
        process
        for process in processes
        if "dojo.voice_node" in (process.info["cmdline"] or ())
        and str(dojo.data_dir) in (process.info["environ"] or {}).get("DOJO_SETTINGS", "")
    ]

    def is_answer(response: Response) -> bool:
        return response.request.method == "POST" and "/voice" in response.url and response.status == 201

    async with (
        ana.page.expect_response(is_answer, timeout=1000 * AGAIN_SECONDS),
        bo.page.expect_response(is_answer, timeout=1000 * AGAIN_SECONDS),
    ):
        voice.kill()
    for window in (ana, bo):
        await expect(standing(window)).to_have_text(HEARD, timeout=SEEN)
    await wait_hears(bo, True)
    await wait_hears(ana, True)


async def test_the_buttons_speak_portuguese(talking: Pair, dojo: RunningDojo) -> None:
    ana, bo = talking
    assert bo.page.context.browser is not None
    state = await bo.page.context.storage_state()
    context = await bo.page.context.browser.new_context(locale="pt-BR", storage_state=state, permissions=["microphone"])
    window = await DojoWindow.enter(context, dojo.http, f"#dojo={ana.dojo}")
    await button(window, "Falar").click(timeout=SEEN)
    await expect(standing(window)).to_have_text("Você pode ser ouvido.", timeout=SEEN)
    await expect(button(window, "Silenciar")).to_have_attribute("aria-pressed", "false")
    await context.close()
