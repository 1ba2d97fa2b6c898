"""What an SFU says is read, and what is none of it is refused."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.voice.state import PEOPLE, NotState, VoiceChange, VoiceState, decode, decode_told
from media_sfu.state import PersonState, RoomChange, RoomState

IDS = {"room": UUID(int=1), "dojo": UUID(int=2), "tenant": UUID(int=3)}
PERSON = PersonState(
    number=7, user=UUID(int=7), muted=False, may_speak=True, preferred=False, speaking=True, connected=True
)
STATE = RoomState(
    **IDS, people=[PERSON], slots=[7, None], own={"7": [None, None]}, recording=True, recording_trouble="the disk",
    spoken={"7": 1.5}, version=4, sfu="a", at=2.0,
)  # fmt: skip
CHANGE = RoomChange(
    room=IDS["room"], version=5, speaking=[7], slots=[7, None], own={}, recording=False, recording_trouble=None,
    spoken={"7": 2.5}, sfu="a", at=3.0,
)  # fmt: skip


def test_states_and_changes_are_told_apart() -> None:
    state = decode_told(msgspec.json.encode(STATE))
    assert isinstance(state, VoiceState)
    assert state == decode(msgspec.json.encode(STATE))
    assert (state.version, state.spoken, state.recording_trouble) == (4, {"7": 1.5}, "the disk")
    assert [(one.number, one.speaking) for one in state.people] == [(7, True)]
    nobody = msgspec.structs.replace(STATE, people=[])
    assert isinstance(decode_told(msgspec.json.encode(nobody)), VoiceState)
    change = decode_told(msgspec.json.encode(CHANGE))
    assert isinstance(change, VoiceChange)
    assert (change.version, change.speaking, change.spoken, change.sfu) == (5, [7], {"7": 2.5}, "a")


def test_more_people_than_a_dojo_can_have_are_refused() -> None:
    for crowd in (
        msgspec.structs.replace(STATE, people=[PERSON] * (PEOPLE + 1)),
        msgspec.structs.replace(CHANGE, speaking=list(range(PEOPLE + 1))),
    ):
        with pytest.raises(NotState):
            decode_told(msgspec.json.encode(crowd))
    with pytest.raises(NotState):
        decode(msgspec.json.encode(CHANGE))


@given(st.binary() | st.sampled_from([STATE, CHANGE]).flatmap(lambda told: _cut(msgspec.json.encode(told))))
def test_what_is_neither_raises_nothing_else(payload: bytes) -> None:
    with pytest.raises(NotState):
        decode_told(payload)


def _cut(whole: bytes) -> st.SearchStrategy[bytes]:
    return st.integers(0, len(whole) - 1).map(lambda length: whole[:length])
