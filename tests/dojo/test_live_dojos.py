"""Dojos on a live node that is a process of its own: who gets in, what they are told, who may write, who must go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from dojo.embedded.postgres import DATABASE, EmbeddedPostgres
from dojo.embedded.redis import EmbeddedRedis
from edge.dojos.seats import Why
from edge.live import stays
from edge.live.dojo_gate import _REFUSALS
from kernel.database import tenant_scope
from tests.collab_core.client import Client, big_text
from tests.conftest import _created as created
from tests.edge.dojos.hosting import PATH, Someone
from tests.edge.live.people import JSON, V1, Class, Message, eventually, in_class, names, told

WITHIN_SECONDS = 1.0
"""What HTTP changes reaches sockets within it, with Redis there."""
NOT_FOUND, FULL, FORBIDDEN, UNAUTHENTICATED = (4404, 4002), (4409, 4003), (4403, 4004), (4401, 4001)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kata(postgres: EmbeddedPostgres, redis_server: EmbeddedRedis) -> AsyncIterator[Class]:
    """One Dojo for all tests here: each has a company of its own."""
    async with created(postgres, DATABASE) as database, in_class(database, redis_server.url()) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def tenant(kata: Class) -> UUID:
    return await kata.api.company()


@pytest_asyncio.fixture(loop_scope="module")
async def ana(kata: Class, tenant: UUID) -> Someone:
    return await kata.api.person(tenant, "Ana Host")


@pytest_asyncio.fixture(loop_scope="module")
async def ben(kata: Class, tenant: UUID) -> Someone:
    return await kata.api.person(tenant, "Ben Member")


# Who gets in


async def test_all_dialects_meet_in_one_room_that_begins_with_the_initial_code(
    kata: Class, tenant: UUID, ana: Someone, ben: Someone
) -> None:
    dojo = await kata.api.dojo(ana, initialCode="print('hi \U0001f600')\n")
    eve = await kata.api.person(tenant, "Eve Plain")
    plain, host, thin = await asyncio.gather(
        kata.seated(eve, dojo, None), kata.seated(ana, dojo, V1), kata.seated(ben, dojo, JSON)
    )
    for client in (plain, host):
        assert str(client.doc.get("file/main.py", type=type(client._text))) == "print('hi \U0001f600')\n"
    code = await told(thin, "CODE_UPDATE")
    assert (code["file"], code["content"]) == ("main.py", "print('hi \U0001f600')\n")
    full = {"Ana Host": "SENSEI", "Ben Member": "PARTICIPANT", "Eve Plain": "PARTICIPANT"}
    for client in (host, thin):
        await told(client, "PARTICIPANT_LIST", lambda message: names(message) == full)
    assert thin.told[0]["type"] == "CONNECTION_STATUS"
    first = thin.told[0]
    assert (first["status"], first["userId"], first["canWrite"]) == ("CONNECTED", str(ben.user), True)
    assert (first["dojoId"], first["role"]) == (dojo["dojoId"], "PARTICIPANT")


async def test_initial_code_is_there_once_whoever_comes_first_and_however_often(
    kata: Class, ana: Someone, ben: Someone
) -> None:
    dojo = await kata.api.dojo(ana, initialCode="once\n")
    clients = await asyncio.gather(*(kata.seated(who, dojo, V1) for who in (ana, ben) for _ in range(4)))
    for client in clients:
        assert str(client.doc.get("file/main.py", type=type(client._text))) == "once\n"
    assert await journaled(kata, ana) == 1


async def journaled(kata: Class, who: Someone) -> int:
    return int(
        await kata.api.everything.fetchval("SELECT count(*) FROM collab_journal WHERE tenant_id = $1", who.tenant)
    )


@pytest.mark.parametrize(("dialect", "which"), [(None, 0), (V1, 0), (JSON, 1)])
async def test_each_refusal_has_its_close_code(kata: Class, ana: Someone, dialect: str | None, which: int) -> None:
    api = kata.api
    dojo = await api.dojo(ana, maxParticipants=2)
    ben, eve = await api.person(ana.tenant, "Ben"), await api.person(ana.tenant, "Eve")
    stranger = await api.person(await api.company("Other"), "Sam")

    async def code(who: Someone | str, of: Message = dojo, **query: str) -> int:
        return int((await kata.refused(who, of, dialect, **query)).code)

    assert await code("forged") == UNAUTHENTICATED[which]
    assert await code(stranger) == NOT_FOUND[which]
    assert await code(ana, {"dojoId": str(uuid4())}) == NOT_FOUND[which]
    assert await code(ana, {"dojoId": "no-id"}) == NOT_FOUND[which]
    assert await code(ana, room=str(uuid4())) == NOT_FOUND[which]
    assert await code(ana, room="no-id") == NOT_FOUND[which]
    private = await api.dojo(ana, isPrivate=True)
    assert await code(ben, private) == NOT_FOUND[which]
    await kata.seated(ana, dojo, V1)
    await kata.seated(ben, dojo, V1, role="OBSERVER")
    assert await code(eve) == FULL[which], "observers count"
    locked = await api.dojo(ana)
    assert (await api.put(f"{PATH}/{locked['dojoId']}/lock", ana)).status < 300
    assert await code(ben, locked) == FORBIDDEN[which]
    assert (await api.put(f"{PATH}/{locked['dojoId']}/end", ana)).status < 300
    assert await code(ana, locked) == NOT_FOUND[which]


async def test_of_two_who_want_the_last_seat_one_gets_it(kata: Class, ana: Someone) -> None:
    dojo = await kata.api.dojo(ana, maxParticipants=2)
    await kata.seated(ana, dojo)
    people = [await kata.api.person(ana.tenant, f"Person {number}") for number in range(6)]
    clients = await asyncio.gather(*(kata.sit(who, dojo) for who in people))
    for client in clients:
        await client.until(lambda client=client: client.closed is not None or client.told)  # type: ignore[misc]
    assert sum(client.closed is None for client in clients) == 1
    assert {client.closed.code for client in clients if client.closed is not None} == {4003}


async def test_a_dojos_room_cannot_be_had_past_its_rules(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana, isPrivate=True)
    host = await kata.seated(ana, dojo)
    room = host.told[0]["roomId"]
    client = await kata.node.enter_with(f"/api/v1/rooms/{room}/sync?token={ben.token}")
    assert (await client.until_closed()).code == 4403
    free = await kata.node.enter_with(f"/api/v1/rooms/{uuid4()}/sync?token={ben.token}")
    await free.sync()


async def test_a_guest_enters_the_dojo_the_token_is_for(kata: Class, ana: Someone) -> None:
    dojo, other = await kata.api.dojo(ana, allowGuests=True), await kata.api.dojo(ana, allowGuests=True)
    answer = await kata.api.guest(dojo["joinCode"], "Gil")
    token = answer.body["token"]
    guest = await kata.seated(token, dojo)
    listed = await told(guest, "PARTICIPANT_LIST")
    assert [person["isGuest"] for person in listed["participants"]] == [True]
    assert (await kata.refused(token, other)).code == 4004


async def test_who_waits_enters_when_the_host_admits_them(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana, waitingRoom=True)
    for dialect in (JSON, None):
        waiting = await kata.sit(ben, dojo, dialect)
        await eventually(lambda: _waits(kata, ben))
        assert waiting.closed is None
        assert waiting.frames == []
    started = time.monotonic()
    assert (await kata.api.put(f"{PATH}/{dojo['dojoId']}/participants/{ben.user}/admit", ana)).status < 300
    await waiting.sync()
    assert time.monotonic() - started < 3.0


async def _waits(kata: Class, who: Someone) -> bool:
    status = await kata.api.everything.fetchval("SELECT status FROM dojo_participants WHERE user_id = $1", who.user)
    return bool(status == "WAITING")


# What they say


async def test_chat_is_stored_then_shown_in_order_and_kept_for_who_comes_later(
    kata: Class, ana: Someone, ben: Someone
) -> None:
    dojo = await kata.api.dojo(ana)
    host, thin = await kata.seated(ana, dojo, V1), await kata.seated(ben, dojo)
    await host.tell({"type": "CHAT_MESSAGE", "content": "hello\x00 \U0001f600\n there", "ref": "a1"})
    first = await told(thin, "CHAT_MESSAGE")
    assert first["content"] == "hello \U0001f600\n there"
    assert (first["userName"], first["userId"]) == ("Ana Host", str(ana.user))
    assert "ref" not in first
    assert (await told(host, "CHAT_MESSAGE"))["ref"] == "a1"
    for number in range(5):
        await thin.tell({"type": "CHAT_MESSAGE", "content": f"{number}", "userName": "Ana Host"})
    await host.until(lambda: len(host.told_of("CHAT_MESSAGE")) == 6)
    assert [said["content"] for said in host.told_of("CHAT_MESSAGE")[1:]] == list("01234")
    assert {said["userName"] for said in host.told_of("CHAT_MESSAGE")[1:]} == {"Ben Member"}
    back = await kata.seated(ben, dojo, since=first["messageId"])
    await back.until(lambda: len(back.told_of("CHAT_MESSAGE")) == 5)
    fresh = await kata.seated(ben, dojo)
    await fresh.until(lambda: len(fresh.told_of("CHAT_MESSAGE")) == 6)
    stored = await kata.api.everything.fetch(
        "SELECT message FROM dojo_chat_messages WHERE tenant_id = $1 ORDER BY timestamp, message_id", ana.tenant
    )
    assert [row["message"] for row in stored] == ["hello \U0001f600\n there", *"01234"]


async def test_what_is_said_over_http_is_shown_on_sockets(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    thin = await kata.seated(ben, dojo)
    said = {"roomId": thin.told[0]["roomId"], "content": "from an app without a socket"}
    answer = await kata.api.ask("POST", f"{PATH}/{dojo['dojoId']}/chat", said, who=ana)
    assert answer.status < 300, answer.body
    shown = await told(thin, "CHAT_MESSAGE")
    assert (shown["content"], shown["userName"]) == (said["content"], "Ana Host")
    assert shown["messageId"] == answer.body["messageId"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"{", "malformed_json"),
        (b"[1]", "malformed_json"),
        (b'{"type": "NOBODY_KNOWS"}', "unknown_type"),
        (b'{"type": "CHAT_MESSAGE"}', "invalid_message"),
        (b'{"type": "CHAT_MESSAGE", "content": 5}', "invalid_message"),
        (b'{"type": "CHAT_MESSAGE", "content": " \\u0000 "}', "empty_message"),
        (b'{"type": "CHAT_MESSAGE", "content": "\\ud800"}', "malformed_json"),
        (b'{"type": "CURSOR_POSITION", "position": {"line": 7, "column": 0}}', "bad_position"),
        (b'{"type": "TURN_REQUEST", "action": "fly"}', "invalid_message"),
        (b'{"type": "TURN_REQUEST", "action": "start"}', "not_host"),
        (b'{"type": "ROLE_REQUEST", "role": "SENSEI"}', "not_host"),
        (b'{"type": "AUTH", "token": "forged"}', "token_refused"),
    ],
)
async def test_what_makes_no_sense_is_an_error_and_the_connection_goes_on(
    kata: Class, ana: Someone, ben: Someone, said: bytes, code: str
) -> None:
    dojo = await kata.api.dojo(ana)
    thin = await kata.seated(ben, dojo)
    await thin.send(said, 0x1)
    await thin.until(lambda: any(m["type"].upper() == "ERROR" and m["code"] == code for m in thin.told))
    await thin.tell({"type": "PING"})
    await told(thin, "PONG")
    assert "forged" not in str(thin.told_of("ERROR"))


async def test_a_flood_of_chat_is_refused_without_an_end(kata: Class, ana: Someone) -> None:
    host = await kata.seated(ana, await kata.api.dojo(ana))
    await host.tell({"type": "CHAT_MESSAGE", "content": "x" * 2_001})
    assert (await told(host, "ERROR"))["code"] == "message_too_long"
    for number in range(15):
        await host.tell({"type": "CHAT_MESSAGE", "content": str(number)})
    await told(host, "ERROR", lambda message: message["code"] == "too_many_messages")


async def test_cursors_come_together_and_stand_in_the_list(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana, initialCode="one\ntwo\n")
    host, thin = await kata.seated(ana, dojo, V1), await kata.seated(ben, dojo)
    for column in range(4):
        await thin.tell({"type": "CURSOR_POSITION", "position": {"line": 1, "column": column}})
    at = {"line": 1, "column": 3}
    moved = await told(host, "CURSORS", lambda message: message["cursors"][0]["position"] == at)
    assert moved["cursors"][0] == {"userId": str(ben.user), "file": "main.py", "position": at, "selection": None}
    assert len(host.told_of("CURSORS")) < 4
    later = await kata.seated(ana, dojo)
    listed = await told(later, "PARTICIPANT_LIST")
    assert [p["cursorPosition"] for p in listed["participants"] if p["userId"] == str(ben.user)] == [at]


async def test_running_code_is_answered_as_not_available(kata: Class, ana: Someone) -> None:
    host = await kata.seated(ana, await kata.api.dojo(ana))
    await host.tell({"type": "RUN_CODE", "ref": "r"})
    result = await told(host, "CODE_EXECUTION_RESULT")
    assert (result["status"], result["error"], result["ref"]) == ("ERROR", "not available", "r")


async def test_a_goodbye_is_saved_and_then_closed(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    thin, host = await kata.seated(ben, dojo), await kata.seated(ana, dojo, V1)
    await told(thin, "CODE_UPDATE")
    await thin.tell({"type": "CODE_UPDATE", "file": "main.py", "content": "last words", "seq": 1})
    await thin.tell({"type": "GOODBYE"})
    assert (await thin.until_closed()).code == 1000
    assert thin.told_of("SAVED")
    assert await journaled(kata, ana) == 2
    await host.tell({"type": "GOODBYE"})
    assert (await host.until_closed()).code == 1000


# Coming back


async def test_who_drops_keeps_the_place_and_who_returns_has_not_left(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana, maxParticipants=2)
    host, thin = await kata.seated(ana, dojo), await kata.seated(ben, dojo)
    old = await kata.seated(ben, dojo)
    await thin.end()
    await old.end()

    def connected(message: Message) -> dict[str, bool]:
        return {person["userName"]: person["connected"] for person in message["participants"]}

    away = await told(host, "PARTICIPANT_LIST", lambda m: connected(m) == {"Ana Host": True, "Ben Member": False})
    await kata.seated(ben, dojo)
    before = host.told_of("PARTICIPANT_LIST").index(away)
    await host.until(lambda: any(connected(m)["Ben Member"] for m in host.told_of("PARTICIPANT_LIST")[before:]))


async def test_who_has_left_leaves_a_seat_behind(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana, maxParticipants=2)
    thin = await kata.seated(ben, dojo)
    room = UUID(thin.told[0]["roomId"])
    eve = await kata.api.person(ana.tenant, "Eve")
    assert (await kata.refused(eve, dojo)).code == 4003
    await thin.end()
    async with tenant_scope(kata.api.pool, ana.tenant) as db:
        await stays.end(db, ana.tenant, UUID(dojo["dojoId"]), room, ben.user)
    await kata.seated(eve, dojo)
    assert (await kata.refused(ben, dojo)).code == 4003
    over = "SELECT left_at IS NOT NULL FROM dojo_room_participants WHERE tenant_id = $1 AND user_id = $2"
    assert await kata.api.everything.fetchval(over, ana.tenant, ben.user)


async def test_every_reason_for_no_seat_closes_for_good() -> None:
    assert {why: code.permanent for why, (code, _) in _REFUSALS.items()} == dict.fromkeys(Why, True)


# Being sent away


@pytest.mark.parametrize(("what", "codes"), [("end", NOT_FOUND), ("ban", FORBIDDEN), ("remove", FORBIDDEN)])
async def test_http_reaches_open_sockets_within_a_second(
    kata: Class, ana: Someone, ben: Someone, what: str, codes: tuple[int, int]
) -> None:
    dojo = await kata.api.dojo(ana)
    thin, v1, plain = (
        await kata.seated(ben, dojo),
        await kata.seated(ben, dojo, V1),
        await kata.seated(ben, dojo, None),
    )
    host = await kata.seated(ana, dojo)
    started = time.monotonic()
    at = f"{PATH}/{dojo['dojoId']}"
    if what == "end":
        await kata.api.put(f"{at}/end", ana)
    elif what == "ban":
        await kata.api.put(f"{at}/participants/{ben.user}/ban", ana)
    else:
        await kata.api.delete(f"{at}/participants/{ben.user}", ana)
    for client, code in ((thin, codes[1]), (v1, codes[0]), (plain, codes[0])):
        assert (await client.until_closed()).code == code
    assert time.monotonic() - started < WITHIN_SECONDS
    assert thin.told_of("CONNECTION_STATUS")[-1]["status"] == "DISCONNECTED"
    if what == "end":
        assert (await host.until_closed()).code == 4002
    else:
        await told(host, "PARTICIPANT_LIST", lambda message: list(names(message)) == ["Ana Host"])


# Turns


async def start_turns(host: Client) -> Message:
    await host.tell({"type": "TURN_REQUEST", "action": "start", "seconds": 300})
    return await told(host, "TURN", lambda message: message["state"] == "RUNNING")


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
    await host.tell({"type": "TURN_REQUEST", "action": "skip"})
    await told(pilot, "turn.ending")
    started = time.monotonic()
    await told(next_pilot, "TURN", lambda message: message["number"] == running["number"] + 1)
    assert 0.7 < time.monotonic() - started < 2.0
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


# Tokens


async def test_a_token_is_renewed_in_band_and_a_revoked_one_ends(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    thin = await kata.seated(ben, dojo)
    await thin.tell({"type": "AUTH", "token": ana.token})
    assert (await told(thin, "ERROR"))["code"] == "token_refused"
    await thin.tell({"type": "AUTH", "token": ben.token})
    await thin.until(lambda: len(thin.told_of("CONNECTION_STATUS")) == 2)
    await kata.api.everything.execute(
        "UPDATE users SET status = 'SUSPENDED' WHERE tenant_id = $1 AND user_id = $2", ben.tenant, ben.user
    )
    assert (await thin.until_closed()).code == 4001


# Several nodes


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


# A slow reader


async def test_who_did_not_read_is_told_what_is_true_and_no_chat_is_lost(
    kata: Class, ana: Someone, ben: Someone
) -> None:
    dojo = await kata.api.dojo(ana)
    host = await kata.seated(ana, dojo, V1)
    slow = await kata.seated(ben, dojo, V1)
    await slow.stop_reading()
    for _ in range(30):
        await host.type(big_text(200_000))
        await host.until(lambda: host.saved == host.sent)
    for number in range(5):
        await host.tell({"type": "CHAT_MESSAGE", "content": f"unread {number}"})
    await host.until(lambda: len(host.told_of("CHAT_MESSAGE")) == 5)
    slow.read()
    await slow.until_text(host.text)
    await slow.until(lambda: len(slow.told_of("CHAT_MESSAGE")) == 5)
    assert [said["content"] for said in slow.told_of("CHAT_MESSAGE")] == [f"unread {number}" for number in range(5)]
