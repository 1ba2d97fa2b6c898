"""What an SFU says of a room: who is in, who speaks, who is heard in which slot."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

CHANNEL: Final = "dojo:voice:"
"""Of Redis, with the room behind it: the state is published there when it changes, and every two seconds."""
PEOPLE: Final = 2_000
"""Of one state; a dojo has half as many seats."""


class VoicePerson(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody with a connection to the SFU."""

    number: int
    user: UUID
    muted: bool
    may_speak: bool
    speaking: bool
    connected: bool
    preferred: bool


class VoiceState(msgspec.Struct, frozen=True):
    """Of one room. Slots hold participant numbers."""

    room: UUID
    sfu: str
    at: float
    """Unix seconds, by the SFU's clock."""
    people: list[VoicePerson]
    slots: list[int | None]
    own: dict[str, list[int | None]] = {}
    """By number, for those to whom other slots are sent: they do not hear themselves."""
    recording: bool = False
    spoken: dict[str, float] = {}
    """By number: seconds they have talked since they connected."""


_decoder: Final = msgspec.json.Decoder(VoiceState)


class NotState(ValueError):
    """Not what an SFU of this version says."""


def decode(payload: bytes) -> VoiceState:
    """A state. Raises `NotState`."""
    try:
        state = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotState(str(error)[:200]) from None
    if len(state.people) > PEOPLE:
        raise NotState(f"{len(state.people)} people in one room")
    return state
