"""Who may write, over sockets, on one node and on two."""

from __future__ import annotations

import time

import pytest

from edge.dojos.turns.state import CUT
from tests.collab_core.client import Client
from tests.dojo.live_dojos.asking import WITHIN_SECONDS, start_turns
from tests.edge.dojos.hosting import PATH, Someone
from tests.edge.live.people import JSON, V1, Class, eventually, names, told

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_in_turn_mode_only_the_pilot_writes(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    host = await kata.seated(ana, dojo, V1)
    other = await kata.seated(ben, dojo, V1)
    plain = await kata.seated(ben, dojo, None)
    running = await start_turns(host)
    clients = {str(ana.user): host, str(ben.user): other}
    pilot = clients.pop(running["pilot"])
    [copilot] = clients.values()
    roles = await told(copilot, "ROLES", lambda message: message["pilot"] is not None)
    assert (roles["pilot"], roles["copilot"]) == (running["pilot"], running["copilot"])
    await pilot.type("by the pilot")
    await copilot.until_text("by the pilot")
    await copilot.type("not mine")
    await told(copilot, "reset")
    await plain.until_text("by the pilot")
    await plain.type("nor mine")
    assert (await plain.until_closed()).code == 4403
    assert pilot.text == "by the pilot"


async def test_a_handover_hears_the_pilot_out_and_tells_everyone(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    host, other = await kata.seated(ana, dojo, V1), await kata.seated(ben, dojo, V1)
    running = await start_turns(host)
    clients = {str(ana.user): host, str(ben.user): other}
    pilot, next_pilot = clients[running["pilot"]], clients[running["copilot"]]
    await host.tell({"type": "TURN_REQUEST", "action": "skip", "version": running["version"]})
    ending = await told(pilot, "turn.ending")
    await pilot.type("just in time")
    await pilot.tell({"type": "turn.flushed", "number": ending["number"]})
    changed = await told(next_pilot, "TURN", lambda message: message["number"] == running["number"] + 1)
    assert changed["pilot"] == running["copilot"]
    await next_pilot.until_text("just in time")
    await next_pilot.type(", and mine")
    await pilot.until_text("just in time, and mine")
    await pilot.type("too late")
    await told(pilot, "reset")


async def test_a_pilot_who_does_not_answer_is_cut_off_after_a_second(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    host, other = await kata.seated(ana, dojo, V1), await kata.seated(ben, dojo)
    running = await start_turns(host)
    clients = {str(ana.user): host, str(ben.user): other}
    pilot, next_pilot = clients[running["pilot"]], clients[running["copilot"]]
    started = time.monotonic()
    await host.tell({"type": "TURN_REQUEST", "action": "skip"})
    await told(pilot, "turn.ending")
    await told(next_pilot, "TURN", lambda message: message["number"] == running["number"] + 1)
    assert CUT.total_seconds() <= time.monotonic() - started < CUT.total_seconds() + WITHIN_SECONDS
    listed = await told(next_pilot, "PARTICIPANT_LIST", lambda m: "PILOT" in names(m).values() and len(m) > 1)
    assert set(names(listed).values()) == {"PILOT", "COPILOT"}


async def test_observers_never_write(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    v1 = await kata.seated(ben, dojo, V1, role="OBSERVER")
    thin = await kata.seated(ben, dojo, JSON, role="OBSERVER")
    assert not (await told(v1, "CONNECTION_STATUS"))["canWrite"]
    await v1.type("no")
    await told(v1, "reset")
    await thin.tell({"type": "CODE_UPDATE", "file": "main.py", "content": "no", "seq": 1})
    assert (await told(thin, "ERROR"))["code"] == "forbidden"


async def test_a_second_node_hears_of_chat_turns_and_bans(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    async with kata.another_node() as second:
        here, there = await kata.seated(ana, dojo, V1), await kata.seated(ben, dojo, node=second)
        await here.tell({"type": "CHAT_MESSAGE", "content": "from here"})
        assert (await told(there, "CHAT_MESSAGE"))["content"] == "from here"
        await there.tell({"type": "CHAT_MESSAGE", "content": "from there"})
        await told(here, "CHAT_MESSAGE", lambda message: message["content"] == "from there")
        await eventually(lambda: _both_in_the_queue(here))
        running = await start_turns(here)
        assert (await told(there, "TURN", lambda message: message["number"] == 1))["pilot"] == running["pilot"]
        started = time.monotonic()
        await kata.api.put(f"{PATH}/{dojo['dojoId']}/participants/{ben.user}/ban", ana)
        assert (await there.until_closed()).code == 4004
        assert time.monotonic() - started < WITHIN_SECONDS


async def _both_in_the_queue(client: Client) -> bool:
    return any(len(message["order"]) == 2 for message in client.told_of("TURN"))
