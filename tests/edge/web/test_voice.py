"""The talk button in real browsers, with made-up microphones, against the real server."""

from __future__ import annotations

import asyncio
import re

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Response, expect

from tests.edge.web.account import wait_until
from tests.edge.web.conftest import Company, Pair, Visit
from tests.edge.web.dojo_window import SEEN, DojoWindow
from tests.edge.web.window import SEEN_SECONDS
from tests.running import RunningDojo

pytestmark = pytest.mark.asyncio(loop_scope="module")
HEARD = "You can be heard."
ANA, BO, CY, DEE = "Ana Lima", "Bo Ek", "Cy", "Dee"
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


def standing(window: DojoWindow) -> Locator:
    return window.page.locator("#talk-standing")


def button(window: DojoWindow, name: str) -> Locator:
    return window.page.locator("#talk").get_by_role("button", name=name, exact=True)


async def talk(window: DojoWindow) -> None:
    """Join in, and be heard."""
    await button(window, "Talk").click(timeout=SEEN)
    await expect(standing(window)).to_have_text(HEARD, timeout=SEEN)


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
    await expect(button(bo, "Mute all")).to_be_hidden()
    row = ana.person(BO)
    await row.get_by_role("button").click()
    await ana.page.locator("#person-menu").get_by_role("button", name="Mute", exact=True).click()
    await expect(standing(bo)).to_have_text("The host has muted you.", timeout=SEEN)
    await wait_voice(ana, BO, "muted")
    await wait_hears(ana, False)
    await button(bo, "Mute").click()
    await expect(standing(bo)).to_have_text("You are muted.")
    await button(bo, "Mute").click()
    await expect(bo.page.locator("#talk-trouble")).to_have_text("The host has muted you.", timeout=SEEN)
    await expect(standing(bo)).to_have_text("You are muted.", timeout=SEEN)
    await row.get_by_role("button").click()
    await ana.page.locator("#person-menu").get_by_role("button", name="Let them talk again").click()
    # What Bo said himself holds.
    await button(bo, "Mute").click()
    await expect(standing(bo)).to_have_text(HEARD, timeout=SEEN)
    await wait_voice(ana, BO, "speaking")
    await button(ana, "Mute all").click()
    await expect(standing(bo)).to_have_text("The host has muted you.", timeout=SEEN)
    await wait_voice(bo, ANA, "speaking")
    await ana.person(BO).get_by_role("button").click()
    await ana.page.locator("#person-menu").get_by_role("button", name="Let them talk again").click()
    await expect(standing(bo)).to_have_text(HEARD, timeout=SEEN)


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
