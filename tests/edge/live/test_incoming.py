"""What clients say is checked before anybody acts on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.live.incoming import (
    ChatMessage,
    CodeUpdate,
    Complaint,
    CursorPosition,
    RaiseHand,
    TurnFlushed,
    TurnRequest,
    check_place,
    read,
)
from edge.live.json.positions import Position


def complaint(payload: bytes) -> str:
    with pytest.raises(Complaint) as found:
        read(payload)
    return found.value.code


def test_messages_are_known_by_their_type() -> None:
    assert read(b'{"type": "CHAT_MESSAGE", "content": "hi", "more": 1}') == ChatMessage("hi")
    assert read(b'{"type": "RAISE_HAND"}') == RaiseHand(True)
    assert read(b'{"type": "turn.flushed", "number": 3}') == TurnFlushed(3)
    assert read(b'{"type": "TURN_REQUEST"}') == TurnRequest("take")
    assert isinstance(read(b'{"type": "CODE_UPDATE", "content": 5}'), CodeUpdate), "its fields are looked at elsewhere"
    moved = read(b'{"type": "CURSOR_POSITION", "position": {"line": 1, "column": 2}}')
    assert moved == CursorPosition(Position(1, 2))


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
        (b'{"type": "CHAT_MESSAGE", "content": "\\udc00"}', "malformed_json"),
        (b"[" * 100_000, "invalid_message"),
        (b"[]", "invalid_message"),
        (b"{}", "invalid_message"),
        (b'{"type": 1}', "invalid_message"),
        (b'{"type": "chat_message", "content": ""}', "unknown_type"),
        (b'{"type": "CHAT_MESSAGE"}', "invalid_message"),
        (b'{"type": "CHAT_MESSAGE", "content": null}', "invalid_message"),
        (b'{"type": "CURSOR_POSITION", "position": {"line": "1", "column": 2}}', "invalid_message"),
        (b'{"type": "TURN_REQUEST", "action": "extend", "seconds": 1e99}', "invalid_message"),
        (b'{"type": "ROLE_REQUEST", "role": "HOST"}', "invalid_message"),
        (b'{"type": "ROLE_REQUEST", "role": "PILOT", "userId": "me"}', "invalid_message"),
    ],
)
def test_whatever_else_is_a_complaint(payload: bytes, code: str) -> None:
    assert complaint(payload) == code


@given(st.binary() | st.from_regex(rb'\{"type": *"[A-Z_]*".*\}', fullmatch=True))
def test_nothing_but_a_complaint_comes_out(payload: bytes) -> None:
    try:
        code = type(read(payload)).__name__
    except Complaint as found:
        code = found.code
    assert code in {"malformed_json", "invalid_message", "unknown_type", "RaiseHand", "Ping", "Goodbye", "CodeUpdate"}


@pytest.mark.parametrize("place", [Position(-1, 0), Position(0, -1), Position(2**31, 0), Position(0, 2**40)])
def test_places_are_counted_from_zero(place: Position) -> None:
    check_place(Position(0, 2**31 - 1))
    with pytest.raises(Complaint):
        check_place(place)
