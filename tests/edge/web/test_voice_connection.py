"""Voice as the network changes, over the socket of a guest, in another window, and after its process was killed."""

from __future__ import annotations

import asyncio
import re

import psutil
import pytest
from playwright.async_api import Response, expect

from tests.edge.web.account import wait_until
from tests.edge.web.conftest import Pair, Visit
from tests.edge.web.dojo_window import SEEN, DojoWindow
from tests.edge.web.talk_button import HEARD, button, join_code, standing, talk, wait_hears, wait_out, wait_voice
from tests.edge.web.window import SEEN_SECONDS
from tests.running import RunningDojo

pytestmark = pytest.mark.asyncio(loop_scope="module")
CY = "Cy"
AGAIN_SECONDS = 20.0
"""To talk again after the voice process was killed, its restart included."""


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
