"""A conversation: each message once, and to those who come back what they lack."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from edge.live.chat import REMEMBERED, SHOWN_TO_NEWCOMERS, Conversation, Said
from tests.collab_core.client import TEXT

_START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def said(number: int) -> Said:
    at = _START + timedelta(seconds=number)
    return Said(UUID(int=number), UUID(int=9_999), UUID(int=7), "Ana", f"message {number}", at)


def numbers(frames: list[bytes]) -> list[int]:
    assert all(frame[0] == 0x80 | TEXT for frame in frames)
    payloads = [frame[2 if frame[1] < 126 else 4 :] for frame in frames]
    return [int(msgspec.json.decode(payload)["content"].split()[1]) for payload in payloads]


def test_a_message_is_shown_once_however_often_it_is_read() -> None:
    talk = Conversation([said(1)])
    assert talk.add(said(1)) is None
    assert talk.add(said(2)) is not None
    assert talk.add(said(2)) is None
    assert talk.end == 2


def test_a_newcomer_gets_the_last_and_who_returns_what_came_since() -> None:
    talk = Conversation([said(n) for n in range(1, 121)])
    assert numbers(talk.since("")) == list(range(121 - SHOWN_TO_NEWCOMERS, 121))
    assert numbers(talk.since(str(UUID(int=117)))) == [118, 119, 120]
    assert numbers(talk.since(str(UUID(int=120)))) == []
    assert numbers(talk.since("longer ago, or nonsense")) == list(range(1, 121))


def test_only_so_many_are_remembered() -> None:
    talk = Conversation([said(n) for n in range(1, 1_001)])
    assert numbers(talk.since("unknown")) == list(range(1_001 - REMEMBERED, 1_001))
    assert numbers(talk.after(998)) == [999, 1_000]
    assert numbers(talk.after(0)) == list(range(1_001 - REMEMBERED, 1_001))
    assert talk.after(1_000) == []


def test_the_author_alone_gets_the_reference_back() -> None:
    message = said(1).message("mine")
    assert message["ref"] == "mine"
    assert "ref" not in said(1).message()
    assert message["timestamp"] == "2026-11-20T12:00:01.000000Z"
