"""What an SFU says of a room: who is in, who speaks, who is heard in which slot.

All of it when its people change, at most once a second, and every two seconds; in between what changes while they talk.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec

CHANNEL: Final = "dojo:voice:"
"""Of Redis, with the room behind it: states and changes are published there."""
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


class VoiceState(msgspec.Struct, frozen=True, rename="camel"):
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
    recording_trouble: str | None = None
    """What is wrong with it, for the host; also after it ended, while not all of it is in the store."""
    spoken: dict[str, float] = {}
    """By number: seconds they have talked since they connected; for some seconds also of those who have left."""
    version: int = 0
    """Of the people, but for who is speaking: another one with each change."""


class VoiceChange(msgspec.Struct, frozen=True, rename="camel"):
    """The same of a room whose people are those of the state with this `version`: one that was told before, or one that
    follows. `speaking`: their numbers; `spoken`: of those who have talked since that state."""

    room: UUID
    sfu: str
    at: float
    version: int
    speaking: list[int]
    slots: list[int | None]
    own: dict[str, list[int | None]]
    recording: bool
    recording_trouble: str | None
    spoken: dict[str, float]


_NOTHING: Final = msgspec.Raw()


class _Kind(msgspec.Struct, frozen=True):
    people: msgspec.Raw = _NOTHING


_decoder: Final = msgspec.json.Decoder(VoiceState)
_change_decoder: Final = msgspec.json.Decoder(VoiceChange)
_kind_decoder: Final = msgspec.json.Decoder(_Kind)


class NotState(ValueError):
    """Not what an SFU of this version says."""


def decode(payload: bytes) -> VoiceState:
    """A state. Raises `NotState`."""
    state: VoiceState = _read(payload, _decoder)
    if len(state.people) > PEOPLE:
        raise NotState(f"{len(state.people)} people in one room")
    return state


def decode_told(payload: bytes) -> VoiceState | VoiceChange:
    """What was published. Raises `NotState`."""
    kind: _Kind = _read(payload, _kind_decoder)
    if kind.people != _NOTHING:
        return decode(payload)
    change: VoiceChange = _read(payload, _change_decoder)
    if max(len(change.speaking), len(change.own), len(change.spoken)) > PEOPLE:
        raise NotState("more people in one room than there can be")
    return change


def _read(payload: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotState(str(error)[:200]) from None
