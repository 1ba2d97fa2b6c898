"""Firefox as people have it, in one call with Chromium: both are heard, also across an ICE restart."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from media_sfu import sdpfrag
from media_sfu.hall import Admitted
from tests.media_sfu.chromium import empty_site, voice_page
from tests.media_sfu.firefox import Firefox, driven_firefox
from tests.media_sfu.live_hall import POLL_SECONDS, SCRIPT, LiveHall, running_hall, until

FIREFOX: Final = 7
CHROMIUM: Final = 4_000_000_000
"""Participant numbers: any of 32 bits is a CSRC."""

HEARD_SECONDS: Final = 20.0
"""Until both hear each other, on a busy machine."""
RESTART_SECONDS: Final = 10.0
ENERGY: Final = 0.001
"""Of a second of the made-up microphones; silence has none."""
MORE: Final = 50
"""Packets: a second of speech."""

Seen = dict[str, Any]


async def test_firefox_and_chromium_hear_each_other_and_firefox_restarts_ice(tmp_path: Path) -> None:
    async with (
        running_hall() as stage,
        empty_site() as url,
        driven_firefox(tmp_path) as firefox,
        voice_page() as chromium,
    ):
        await firefox.open(url)
        await firefox.run(SCRIPT)
        await chromium.evaluate(SCRIPT)
        admitted = stage.admit(FIREFOX, await firefox.run("return await talk({})"))
        await firefox.run("await answered(args[0])", admitted.answer)
        answer = stage.admit(CHROMIUM, await chromium.evaluate("() => talk({})")).answer
        await chromium.evaluate("sdp => answered(sdp)", answer)

        async def at_firefox() -> Seen:
            return dict(await firefox.run("return await seen()"))

        async def at_chromium() -> Seen:
            return dict(await chromium.evaluate("() => seen()"))

        before = {FIREFOX: await heard(at_firefox, CHROMIUM), CHROMIUM: await heard(at_chromium, FIREFOX)}
        state = stage.hall.state(stage.room)
        assert state is not None
        for number, other in ((FIREFOX, CHROMIUM), (CHROMIUM, FIREFOX)):
            slots = state.own.get(str(number), state.slots)
            assert [slot["speakers"] for slot in before[number]["slots"]] == [
                [speaker] if speaker == other else [] for speaker in slots
            ], "they must be in the slots that the hall tells, and nobody hears themselves"

        peer = stage.peer(FIREFOX)
        leg, old = peer.leg, peer.agent.fragments
        await restart(stage, firefox, admitted)
        await until(
            lambda: len(peer.agent.fragments) == 1 and peer.agent.fragments != old,
            RESTART_SECONDS,
            "Firefox nominates with the new credentials",
        )
        assert peer.leg is leg, "keys, slots and numbers stay"
        after = {
            FIREFOX: await heard(at_firefox, CHROMIUM, beyond=before[FIREFOX]),
            CHROMIUM: await heard(at_chromium, FIREFOX, beyond=before[CHROMIUM]),
        }
        for number in (FIREFOX, CHROMIUM):
            assert [slot["lost"] for slot in after[number]["slots"]] == [0, 0, 0]
            assert after[number]["state"] == "connected"


async def restart(stage: LiveHall, firefox: Firefox, admitted: Admitted) -> None:
    """New credentials by a fragment, as PATCH carries them, and what comes back put into the answer."""
    offer = await firefox.run("return await restart()")
    mine = {name: _attribute(offer, name) for name in ("ice-ufrag", "ice-pwd")}
    fragment = "".join(f"a={name}:{value}\r\n" for name, value in mine.items())
    fragment += "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    restarted = stage.hall.patch(stage.grant(FIREFOX), admitted.peer, admitted.etag, fragment)
    assert restarted is not None, "other credentials are a restart"
    assert sdpfrag.read(restarted.answer).credentials == stage.peer(FIREFOX).local
    answer = admitted.answer
    for name in mine:
        answer = re.sub(rf"a={name}:\S+", f"a={name}:{_attribute(restarted.answer, name)}", answer)
    await firefox.run("await answered(args[0])", answer)


async def heard(look: Callable[[], Awaitable[Seen]], other: int, *, beyond: Seen | None = None) -> Seen:
    """What a browser has seen once `other` is to be heard in just one of its slots, for a second more than `beyond`."""
    deadline = time.monotonic() + HEARD_SECONDS
    while True:
        seen = await look()
        slots = [(slot, at) for at, slot in enumerate(seen["slots"]) if other in slot["speakers"]]
        if len(slots) == 1:
            slot, at = slots[0]
            past = {"packets": 0, "energy": 0.0} if beyond is None else beyond["slots"][at]
            if slot["packets"] >= past["packets"] + MORE and slot["energy"] > past["energy"] + ENERGY:
                return seen
        assert time.monotonic() < deadline, f"{other} is not to be heard: {seen}"
        await asyncio.sleep(POLL_SECONDS)


def _attribute(sdp: str, name: str) -> str:
    found = re.search(rf"^a={name}:(\S+)", sdp, re.MULTILINE)
    assert found is not None
    return found[1]
