"""Turns begin out of free writing: what was typed before one is told to stop counts."""

from __future__ import annotations

import time

import pytest

from edge.dojos.turns.state import CUT
from tests.dojo.live_dojos.asking import WITHIN_SECONDS
from tests.edge.dojos.hosting import Someone
from tests.edge.live.people import JSON, V1, Class, Message, eventually, told

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_nobodys_typing_is_lost_when_turns_begin(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    eve = await kata.api.person(ana.tenant, "Eve")
    host, other, thin = (
        await kata.seated(ana, dojo, V1),
        await kata.seated(ben, dojo, V1),
        await kata.seated(eve, dojo, JSON),
    )
    code = await told(thin, "CODE_UPDATE")
    await told(host, "TURN", lambda message: len(message["order"]) == 3)
    await host.tell({"type": "ROLE_REQUEST", "role": "PILOT"})
    await told(host, "ROLES", lambda message: message["pilot"] == str(ana.user))
    await host.tell({"type": "TURN_REQUEST", "action": "start", "seconds": 0})
    ending = await told(other, "turn.ending")
    assert (await told(thin, "turn.ending"))["number"] == ending["number"] == 0
    await other.type("typed before the word came; ")
    await other.tell({"type": "turn.flushed", "number": 0})
    edit = {"type": "CODE_UPDATE", "file": "main.py", "baseVersion": code["version"], "seq": 1, "content": "thin; "}
    await thin.tell(edit)
    await told(thin, "CODE_UPDATE", lambda message: message.get("ackSeq") == 1)
    assert not [message for message in host.told_of("TURN") if message["state"] == "RUNNING"], "Eve is heard out"
    await thin.tell({"type": "turn.flushed"})
    running = await told(host, "TURN", lambda message: message["state"] == "RUNNING")
    assert (running["pilot"], running["number"], running["endsAt"]) == (str(ana.user), 1, None)
    await host.until_text("typed before the word came; ")
    await host.type("by the pilot")
    await other.until_text("typed before the word came; by the pilot")
    assert host.told_of("turn.ending") == []
    assert other.told_of("reset") == []
    await other.type("too late")
    await told(other, "reset")
    await thin.tell({**edit, "seq": 2, "content": "also too late"})
    assert (await told(thin, "ERROR"))["code"] == "forbidden"


async def test_who_cannot_be_told_has_a_second(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    host, plain = await kata.seated(ana, dojo, V1), await kata.seated(ben, dojo, None)

    async def known() -> bool:
        seats = "SELECT count(*) FROM dojo_rooms r, jsonb_object_keys(r.turn -> 'seats') WHERE r.tenant_id = $1"
        return bool(await kata.api.everything.fetchval(seats, ana.tenant) == 2)

    await eventually(known)
    started = time.monotonic()
    await host.tell({"type": "TURN_REQUEST", "action": "start"})
    await told(host, "TURN", lambda message: message["state"] == "ENDING")
    await plain.type("plainly")
    await host.until_text("plainly")
    await told(host, "TURN", lambda message: message["state"] == "RUNNING")
    assert CUT.total_seconds() <= time.monotonic() - started < CUT.total_seconds() + WITHIN_SECONDS
    await plain.type("too late")
    assert (await plain.until_closed()).code == 4403
    assert host.text == "plainly"


async def test_who_only_looks_on_delays_nothing(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    host = await kata.seated(ana, dojo, V1)
    watching = await kata.seated(ben, dojo, role="OBSERVER")
    await host.tell({"type": "TURN_REQUEST", "action": "start"})
    await told(watching, "TURN", lambda message: message["state"] == "RUNNING")
    assert watching.told_of("turn.ending") == []


async def test_a_stop_before_the_first_turn_lets_everybody_go_on(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    host, other = await kata.seated(ana, dojo, V1), await kata.seated(ben, dojo, V1)
    await told(host, "TURN", lambda message: len(message["order"]) == 2)
    await host.tell({"type": "TURN_REQUEST", "action": "start"})
    await told(other, "turn.ending")
    await host.tell({"type": "TURN_REQUEST", "action": "stop"})
    await told(other, "TURN", lambda message: message["state"] == "FREE" and other.told.index(message) > 3)
    await other.type("goes on")
    await host.until_text("goes on")


async def test_requests_speak_as_http_does_and_get_their_ref_back(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    host, other = await kata.seated(ana, dojo), await kata.seated(ben, dojo)
    refused: list[tuple[Message, str]] = [
        ({"type": "TURN_REQUEST", "action": "start", "ref": "1"}, "not_host"),
        ({"type": "TURN_REQUEST", "action": "extend", "ref": "2"}, "invalid_message"),
        ({"type": "TURN_REQUEST", "action": "allow", "userId": str(ben.user), "ref": "3"}, "not_host"),
        ({"type": "ROLE_REQUEST", "role": "SENSEI", "ref": "4"}, "not_host"),
        ({"type": "TURN_REQUEST", "action": "take", "version": 10_000, "ref": "5"}, "stale_version"),
    ]
    for message, code in refused:
        await other.tell(message)
        error = await told(other, "ERROR", lambda error, ref=message["ref"]: error.get("ref") == ref)  # type: ignore[misc]
        assert error["code"] == code
    await host.tell({"type": "TURN_REQUEST", "action": "allow", "userId": str(ben.user)})
    await told(other, "ROLES", lambda message: message["writers"] == [str(ben.user)])
    await host.tell({"type": "TURN_REQUEST", "action": "disallow", "userId": str(ben.user)})
    await other.until(lambda: other.told_of("ROLES")[-1]["writers"] == [])
