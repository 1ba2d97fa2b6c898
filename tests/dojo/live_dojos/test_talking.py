"""What people in a dojo say over their sockets, and what of it makes no sense."""

from __future__ import annotations

import pytest

from tests.collab_core.client import big_text
from tests.dojo.live_dojos.asking import journaled
from tests.edge.dojos.hosting import PATH, Someone
from tests.edge.live.people import V1, Class, told

pytestmark = pytest.mark.asyncio(loop_scope="package")


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
