"""The talk button in real browsers, with made-up microphones, against the real server."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.async_api import expect

from tests.edge.web.conftest import Pair, Visit
from tests.edge.web.dojo_window import SEEN, DojoWindow
from tests.edge.web.talk_button import (
    ANA,
    BO,
    HEARD,
    button,
    everybody,
    join_code,
    standing,
    talk,
    wait_hears,
    wait_out,
    wait_voice,
)
from tests.running import RunningDojo

pytestmark = pytest.mark.asyncio(loop_scope="module")
DEE = "Dee"

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
