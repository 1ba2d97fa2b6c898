"""Looking back on a dojo: replay, snapshots and summary, of what was done in another window."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.edge.web.conftest import Pair
from tests.edge.web.dojo_window import SEEN

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANA, BO = "Ana Lima", "Bo Ek"


async def test_the_replay_shows_who_typed_what_at_any_moment(pair: Pair) -> None:
    ana, bo = pair
    await ana.type("by Ana")
    await bo.wait_text("one\ntwo\nby Ana")
    await bo.type(" by Bo")
    await bo.wait_status("saved")
    dialog = await bo.look_back("Replay")
    text = dialog.locator(".cm-content")
    await expect(text).to_contain_text("by Ana by Bo", timeout=SEEN)
    await expect(dialog.locator(".replay-legend li")).to_have_text([ANA, BO])
    await expect(dialog.locator(".typed-by").last).to_have_text(" by Bo")
    slider = dialog.get_by_label("Moment of the replay")
    await slider.focus()
    await bo.page.keyboard.press("Home")
    await expect(text).not_to_contain_text("by Ana")
    await dialog.get_by_label("Speed").select_option("32")
    await dialog.get_by_role("button", name="Play").click()
    await expect(text).to_contain_text("by Ana by Bo", timeout=SEEN)
    await expect(dialog.get_by_role("button", name="Play")).to_be_visible(timeout=SEEN)
    assert await slider.input_value() == await slider.get_attribute("max")
    await expect(dialog.locator(".replay-who")).to_have_text(f"{BO} types in main.py")
    assert bo.complaints == []


async def test_a_snapshot_is_compared_and_restored_for_everybody(pair: Pair) -> None:
    ana, bo = pair
    dialog = await bo.look_back("Snapshots")
    await expect(dialog.locator(".snapshots")).to_contain_text("No snapshots yet", timeout=SEEN)
    await dialog.get_by_role("button", name="Take a snapshot").click()
    await expect(dialog.locator(".snapshots li[data-snapshot]")).to_have_count(1, timeout=SEEN)
    await expect(dialog.get_by_role("button", name="Restore")).to_be_hidden()
    await dialog.get_by_role("button", name="Close").click()
    await bo.type("three")
    await bo.wait_status("saved")
    await ana.wait_text("one\ntwo\nthree")
    dialog = await ana.look_back("Snapshots")
    await dialog.get_by_role("button", name="Compare").click(timeout=SEEN)
    await expect(dialog.locator(".diff-line[data-kind='added']")).to_have_text(["+three"], timeout=SEEN)
    await expect(dialog.locator(".diff-line[data-kind='removed']")).to_have_count(0)
    await dialog.get_by_role("button", name="Restore").click()
    await expect(dialog.get_by_text("The code is back")).to_be_visible(timeout=SEEN)
    await bo.wait_text("one\ntwo\n")
    assert [ana.complaints, bo.complaints] == [[], []]


async def test_the_end_leads_to_the_summary(pair: Pair) -> None:
    ana, bo = pair
    await bo.type("abc")
    await bo.wait_status("saved")
    await bo.say("done")
    await ana.wait_said("done")
    await (await ana.manage()).get_by_role("button", name="End the dojo").click()
    await bo.wait_status("refused")
    await bo.page.get_by_role("button", name="Look back on it").click(timeout=SEEN)
    dialog = bo.page.locator("#looking-back")
    bos = dialog.locator("tr[data-user]", has_text=BO).locator("td")
    await expect(bos.first).to_have_text("3", timeout=SEEN)
    await expect(bos.nth(2)).to_have_text("1")
    # Tabs move by arrow keys.
    await dialog.get_by_role("tab", name="Summary").focus()
    await bo.page.keyboard.press("ArrowLeft")
    await expect(dialog.locator(".snapshots")).to_contain_text("at the end", timeout=SEEN)
    await expect(dialog.get_by_role("button", name="Take a snapshot")).to_be_visible()
    # Whoever comes later finds it among the past ones, and its summary.
    await bo.to_start()
    await bo.page.locator(f"#dojos-past .dojo[href='#dojo={ana.dojo}']").click()
    await expect(bo.page.locator("#looking-back tr[data-user]").first).to_be_visible(timeout=SEEN)
