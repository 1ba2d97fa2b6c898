"""Chromium pages that talk through the voice process: who hears whom, where, and until when."""

from __future__ import annotations

import asyncio

import pytest

from tests.media_sfu.browser.conftest import Join
from tests.media_sfu.browser.voice_server import VoiceServer

pytestmark = pytest.mark.asyncio(loop_scope="package")

SILENT_MS = 1_000.0
"""Within which nobody is heard any more who was removed or muted; the player holds some 100 ms of it."""


async def test_three_talk_and_a_fourth_comes_late(join: Join) -> None:
    callers = [await join(number) for number in (1, 2, 3)]
    for caller in callers:
        await caller.wait_heard(*({1, 2, 3} - {caller.number}))
    late = await join(4, "none")
    await late.wait_heard(1, 2, 3)
    stats = await late.stats()
    assert (stats.lost, stats.sent) == (0, 0)


async def test_sound_is_where_its_speaker_is_said_to_be_and_nowhere_else(join: Join, server: VoiceServer) -> None:
    speaker, listener = await join(1), await join(2)
    await speaker.mute(True)
    await listener.mute(True)
    third = await join(3)
    await listener.wait_heard(3)
    await speaker.wait_heard(3)
    await third.wait_heard()
    await speaker.mute(False)
    await listener.wait_heard(1, 3)
    await third.wait_heard(1)
    slots = [numbers[0] if numbers else None for numbers in await listener.heard()]
    state = await server.state()
    told = state["own"].get("2", state["slots"])
    assert [number for number in slots if number is not None] == [n for n in told if n in (1, 3)]
    await speaker.mute(True)
    await listener.wait_heard(3)


async def test_who_is_muted_by_the_server_is_silent_at_once_and_heard_again(join: Join, server: VoiceServer) -> None:
    _, listener = await join(1), await join(2)
    await listener.wait_heard(1)
    before = await listener.now()
    await server.rights(1, muted=True)
    await listener.wait_heard()
    last = await listener.now() - await listener.silent_for(1)
    assert last - before < SILENT_MS
    await server.rights(1, muted=False)
    await listener.wait_heard(1)


async def test_all_but_one_are_muted(join: Join, server: VoiceServer) -> None:
    callers = [await join(number) for number in (1, 2, 3)]
    await callers[0].wait_heard(2, 3)
    await server.mute_all(but=2)
    await callers[0].wait_heard(2)
    await callers[1].wait_heard()
    await callers[2].wait_heard(2)


async def test_who_is_removed_neither_is_heard_nor_hears(join: Join, server: VoiceServer) -> None:
    removed, listener = await join(1), await join(2)
    await listener.wait_heard(1)
    await removed.wait_heard(2)
    before = await listener.now(), await removed.now()
    await server.remove(1)
    await asyncio.gather(listener.wait_heard(), removed.wait_heard())
    assert await listener.now() - await listener.silent_for(1) - before[0] < SILENT_MS
    assert await removed.now() - await removed.silent_for(2) - before[1] < SILENT_MS
    assert [person["number"] for person in (await server.state())["people"]] == [2]


async def test_a_muted_microphone_sends_hardly_a_packet(join: Join) -> None:
    speaker, listener = await join(1), await join(2, "none")
    await listener.wait_heard(1)
    await speaker.mute(True)
    await listener.wait_heard()
    before, since = (await speaker.stats()).sent, await speaker.now()
    while (passed := (await speaker.now() - since) / 1000) < 1.0:
        await listener.wait_heard()
    assert (await speaker.stats()).sent - before <= 10 * passed


async def test_statistics_know_the_round_trip(join: Join) -> None:
    speaker, listener = await join(1), await join(2)
    await listener.wait_heard(1)
    async with asyncio.timeout(15.0):
        while (await speaker.stats()).round_trip is None:
            await listener.wait_heard(1)
    found = await speaker.stats()
    assert found.round_trip is not None
    assert 0 <= found.round_trip < 1.0
    assert found.told_lost == 0
