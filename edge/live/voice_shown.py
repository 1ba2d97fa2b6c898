"""What clients are told of a room's voice. Sans-I/O: states in, messages out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from edge.voice.state import VoiceState

Message = dict[str, Any]
Slots = Sequence[int | None]


def slots_of(state: VoiceState, user: UUID) -> Slots:
    """Whom `user` hears, slot by slot: a speaker hears others than the rest do."""
    for person in state.people if state.own else ():
        if person.user == user and (own := state.own.get(str(person.number))) is not None:
            return own
    return state.slots


def speaking(state: VoiceState) -> list[int]:
    """The numbers of those who can be heard to speak."""
    return [person.number for person in state.people if person.speaking]


def people(state: VoiceState, by_host: Collection[UUID]) -> list[Message]:
    """Who is in. `by_host`: whom the host has muted."""
    return [
        {
            "userId": str(person.user),
            "number": person.number,
            "muted": person.muted,
            "mutedByHost": person.muted and person.user in by_host,
            "maySpeak": person.may_speak,
            "connected": person.connected,
        }
        for person in state.people
    ]


def voice_state(state: VoiceState, slots: Slots, *, whole: bool, by_host: Collection[UUID] = ()) -> Message:
    """`whole`: with everybody who is in. `by_host`: whom the host has muted."""
    message: Message = {
        "type": "VOICE_STATE",
        "recording": state.recording,
        "speaking": speaking(state),
        "slots": list(slots),
    }
    if state.recording_trouble is not None:
        message["recordingTrouble"] = state.recording_trouble
    return {**message, "people": people(state, by_host)} if whole else message


def voice_lost(retry_after: float) -> Message:
    """The voice process is gone: make a new offer after so many seconds."""
    return {"type": "VOICE_LOST", "retryAfterMs": round(retry_after * 1000)}
