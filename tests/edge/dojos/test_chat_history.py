from __future__ import annotations

from uuid import uuid4

import pytest

from tests.edge.dojos.past_dojo import PastDojo


async def said(past: PastDojo, count: int) -> list[str]:
    """Messages of one and the same moment and of later ones, as another process would store them."""
    for number in range(count):
        await past.api.everything.execute(
            "INSERT INTO dojo_chat_messages (tenant_id, dojo_id, room_id, user_id, user_name, message, timestamp)"
            " VALUES ($1, $2, $3, $4, 'Bob', $5, now() - interval '1 hour' + make_interval(secs => $6))",
            past.ana.tenant,
            past.made["dojoId"],
            past.room_id,
            past.bob.user,
            f"m{number}",
            number // 3,
        )
    rows = await past.api.everything.fetch("SELECT message FROM dojo_chat_messages ORDER BY timestamp, message_id")
    return [row["message"] for row in rows]


def contents(body: dict[str, list[dict[str, str]]]) -> list[str]:
    return [item["content"] for item in body["items"]]


async def test_the_last_messages_come_first_and_pages_lead_back_and_forth(past: PastDojo) -> None:
    messages = await said(past, 10)
    path = f"{past.dojo}/chat?limit=4&roomId={past.room_id}"
    last = (await past.get(path)).body
    assert contents(last) == messages[6:]
    middle = (await past.get(f"{path}&before={last['before']}")).body
    assert contents(middle) == messages[2:6]
    first = (await past.get(f"{path}&before={middle['before']}")).body
    assert (contents(first), first["before"]) == (messages[:2], None)
    again = (await past.get(f"{path}&after={first['after']}")).body
    assert contents(again) == messages[2:6]
    end = (await past.get(f"{path}&after={last['after']}")).body
    assert end == {"items": [], "before": None, "after": last["after"]}


async def test_what_is_said_without_a_socket_is_stored_under_the_shown_name(past: PastDojo) -> None:
    body = {"roomId": past.room_id, "content": "  olá \u0007😀\n"}
    answer = await past.post(past.dojo + "/chat", body, past.bob)
    assert answer.status == 201
    assert (answer.body["content"], answer.body["userName"]) == ("olá 😀", "Bob Lima")
    assert (await past.get(past.dojo + "/chat", past.ana)).body["items"] == [answer.body]


@pytest.mark.parametrize(
    ("content", "code"),
    [("", "empty_message"), (" \u0007\n", "empty_message"), ("x" * 2001, "message_too_long"), ("a\0", "invalid_body")],
)
async def test_a_message_that_is_none_is_refused(past: PastDojo, content: str, code: str) -> None:
    answer = await past.post(past.dojo + "/chat", {"roomId": past.room_id, "content": content})
    assert (answer.status, answer.code) == (400, code)


async def test_a_flood_is_stopped(past: PastDojo) -> None:
    codes = [
        (await past.post(past.dojo + "/chat", {"roomId": past.room_id, "content": "x"}, past.bob)).status
        for _ in range(13)
    ]
    assert codes[:10] == [201] * 10
    assert 429 in codes[10:]


async def test_who_is_not_there_says_nothing(past: PastDojo) -> None:
    carl = await past.api.person(past.ana.tenant, "Carl")
    body = {"roomId": past.room_id, "content": "hello"}
    assert (await past.post(past.dojo + "/chat", body, carl)).code == "not_participant"
    assert (await past.post(past.dojo + "/chat", body, past.eve)).status == 404
    assert (await past.get(past.dojo + "/chat", past.eve)).status == 404
    assert (await past.post(past.dojo + "/chat", {**body, "roomId": str(uuid4())})).status == 404
    assert (await past.get(f"{past.dojo}/chat?roomId={uuid4()}")).status == 404
    await past.api.put(past.dojo + "/end", past.ana)
    assert (await past.post(past.dojo + "/chat", body)).code == "dojo_over"


@pytest.mark.parametrize("query", ["before=x", "after=AAAA", "before=!", "limit=0", "limit=201", "before=f" + "_" * 31])
async def test_a_cursor_that_nobody_gave_is_refused(past: PastDojo, query: str) -> None:
    answer = await past.get(f"{past.dojo}/chat?{query}")
    assert (answer.status, answer.code) == (400, "invalid_query")
