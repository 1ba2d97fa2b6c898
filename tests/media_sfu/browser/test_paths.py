"""Networks that change under a call, and networks that let no UDP out."""

from __future__ import annotations

import asyncio

import pytest

from tests.media_sfu.browser.caller import Caller, Stats
from tests.media_sfu.browser.conftest import Join
from tests.media_sfu.browser.relay import Relay
from tests.media_sfu.browser.voice_server import VoiceServer

pytestmark = pytest.mark.asyncio(loop_scope="package")

AUDIBLE_MS = 400.0
"""Concealed, or without the voice: below it is what pages have that a busy machine holds up. What is lost is counted
apart, and a path that is interrupted takes half a second at least."""
REBOUND_MS = 3_500.0
"""Browsers check a path every 0.5 to 2.5 s; until then nobody knows that its port is another."""
MOVED_SECONDS = 15.0
WHILE_SECONDS = 1.5
"""How long one listens on after a change."""


async def quiet_while(speaker: Caller, listener: Caller, before: tuple[Stats, Stats]) -> None:
    """The speaker is heard without a gap since `before`."""
    since = await listener.now()
    while await listener.now() - since < 1000 * WHILE_SECONDS:
        await listener.wait_heard(speaker.number)
    said, heard = await speaker.stats(), await listener.stats()
    assert (said.told_lost or 0) - (before[0].told_lost or 0) == 0
    assert heard.lost - before[1].lost == 0
    assert heard.concealed_ms - before[1].concealed_ms < AUDIBLE_MS
    assert await listener.longest_gap(speaker.number) < AUDIBLE_MS


async def test_a_restart_of_ice_loses_nothing(join: Join) -> None:
    speaker, listener = await join(1), await join(2)
    await listener.wait_heard(1)
    before = await speaker.stats(), await listener.stats()
    await listener.longest_gap(1)
    await speaker.restart()
    await listener.restart()
    await quiet_while(speaker, listener, before)
    assert (await speaker.stats()).state == "connected"
    await speaker.wait_heard(2)


async def test_a_call_that_goes_on_over_another_way_loses_nothing(join: Join, server: VoiceServer) -> None:
    async with Relay(("127.0.0.1", server.port)) as first, Relay(("127.0.0.1", server.port)) as second:
        speaker, listener = await join(1, change=first.through), await join(2)
        await listener.wait_heard(1)
        before = await speaker.stats(), await listener.stats()
        assert before[0].port == first.port
        await listener.longest_gap(1)
        await speaker.restart(second.through)
        async with asyncio.timeout(MOVED_SECONDS):
            while (await speaker.stats()).port != second.port:
                await listener.wait_heard(1)
        await first.__aexit__()
        await quiet_while(speaker, listener, before)
        await speaker.wait_heard(2)


async def test_a_router_that_changes_its_port_interrupts_for_seconds_only(join: Join, server: VoiceServer) -> None:
    async with Relay(("127.0.0.1", server.port)) as relay:
        speaker, listener = await join(1, change=relay.through), await join(2)
        await listener.wait_heard(1)
        await speaker.wait_heard(2)
        before = await speaker.stats()
        await listener.longest_gap(1)
        await speaker.longest_gap(2)
        await relay.rebind()
        async with asyncio.timeout(MOVED_SECONDS):
            await relay.settled.wait()
        await asyncio.gather(listener.wait_heard(1), speaker.wait_heard(2))
        assert await listener.longest_gap(1) < REBOUND_MS
        assert await speaker.longest_gap(2) < REBOUND_MS
        stats = await speaker.stats()
        # The page has not noticed, and no key was made anew.
        assert (stats.state, stats.dtls, stats.pairs) == ("connected", "connected", before.pairs)


async def test_tcp_alone_carries_a_call(join: Join, server: VoiceServer) -> None:
    def without_udp(answer: str) -> str:
        lines = [line for line in answer.splitlines() if not (line.startswith("a=candidate:") and " udp " in line)]
        return "\r\n".join(lines) + "\r\n"

    speaker, listener = await join(1, change=without_udp), await join(2, change=without_udp)
    await listener.wait_heard(1)
    await speaker.wait_heard(2)
    for caller in (speaker, listener):
        stats = await caller.stats()
        assert (stats.protocol, stats.port, stats.lost) == ("tcp", server.port, 0)
