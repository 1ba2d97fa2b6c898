"""The talk button of a window, whose voice is shown beside it, and whether anything is heard there."""

from __future__ import annotations

import re

from playwright.async_api import Locator, expect

from tests.edge.web.account import wait_until
from tests.edge.web.dojo_window import SEEN, DojoWindow
from tests.edge.web.window import SEEN_SECONDS

HEARD = "You can be heard."
ANA, BO = "Ana Lima", "Bo Ek"

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


async def everybody(host: DojoWindow) -> Locator:
    """The menu for the voice of all in the room, open and filled."""
    menu = host.page.get_by_role("region", name="Voice in this room")
    if not await menu.is_visible():
        await button(host, "Voice…").click(timeout=SEEN)
    await expect(menu.get_by_label("Talk on green only")).to_be_enabled(timeout=SEEN)
    return menu


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
