"""What clients of a dojo say in JSON, checked. Sans-I/O: bytes in, a message or a complaint out."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from edge.dojos.turns.actions import Action, Seconds, Version
from edge.live.json.positions import Position

NAME_CHARACTERS: Final = 200
"""Of a file's path, in code points."""
TOKEN_CHARACTERS: Final = 8_192
SDP_CHARACTERS: Final = 64 * 1024
COUNT: Final = 2**31 - 1


class Complaint(Exception):
    """What was said makes no sense; the connection goes on. `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Selection(msgspec.Struct, frozen=True):
    """From where to where."""

    start: Position
    end: Position


File: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS)]
Ref: TypeAlias = Annotated[str, msgspec.Meta(max_length=64)]


class CursorPosition(msgspec.Struct, frozen=True, tag="CURSOR_POSITION"):
    """Where the sender's cursor is."""

    position: Position
    selection: Selection | None = None
    file: File | None = None
    version: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    """Of the text that it is a place in; without it, the text as it is."""


class ChatMessage(msgspec.Struct, frozen=True, tag="CHAT_MESSAGE"):
    """Something said. `ref` comes back to its author, to know it by."""

    content: str
    ref: Ref | None = None


class RunCode(msgspec.Struct, frozen=True, tag="RUN_CODE"):
    """Run the room's code."""

    language: Annotated[str, msgspec.Meta(max_length=50)] | None = None
    file: File | None = None
    ref: Ref | None = None


class TurnRequest(msgspec.Struct, frozen=True, tag="TURN_REQUEST"):
    """Something about the turn, in the words of the HTTP API. `version`: of the state that the sender saw."""

    action: Action = "take"
    seconds: Seconds | None = None
    to: UUID | None = None
    user_id: UUID | None = msgspec.field(name="userId", default=None)
    version: Version | None = None
    ref: Ref | None = None


class RoleRequest(msgspec.Struct, frozen=True, tag="ROLE_REQUEST"):
    """A role for somebody, oneself if `user_id` is not given."""

    role: Literal["PILOT", "COPILOT", "SENSEI", "PARTICIPANT"]
    user_id: UUID | None = msgspec.field(name="userId", default=None)
    version: Version | None = None
    ref: Ref | None = None


class RaiseHand(msgspec.Struct, frozen=True, tag="RAISE_HAND"):
    """Somebody wants to pilot, or no longer."""

    raised: bool = True
    ref: Ref | None = None


Sdp: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=SDP_CHARACTERS)]


class VoiceOffer(msgspec.Struct, frozen=True, tag="VOICE_OFFER"):
    """An SDP offer to the voice of this room, answered with `VOICE_ANSWER`."""

    sdp: Sdp
    ref: Ref | None = None


class VoiceCandidate(msgspec.Struct, frozen=True, tag="VOICE_CANDIDATE"):
    """Candidates of a connection, or its ICE restart: an SDP fragment (RFC 8840)."""

    peer: UUID
    sdp: Sdp
    etag: Annotated[str, msgspec.Meta(pattern="^([!#-)+-~]{1,100}|[*])$")]
    ref: Ref | None = None


class VoiceLeave(msgspec.Struct, frozen=True, tag="VOICE_LEAVE"):
    """No more of voice: one connection, or all of them."""

    peer: UUID | None = None
    ref: Ref | None = None


class VoiceMove(msgspec.Struct, frozen=True, tag="VOICE_MOVE"):
    """Whoever talks in another room of the dojo does so in this one from now on."""

    ref: Ref | None = None


class VoiceMute(msgspec.Struct, frozen=True, tag="VOICE_MUTE"):
    """Be silent, or not any more: oneself; by the host somebody else, or all."""

    muted: bool
    user_id: UUID | None = msgspec.field(name="userId", default=None)
    everybody: bool = msgspec.field(name="all", default=False)
    ref: Ref | None = None


class VoiceServers(msgspec.Struct, frozen=True, tag="VOICE_SERVERS"):
    """Which ICE servers to use?"""

    ref: Ref | None = None


class TurnFlushed(msgspec.Struct, frozen=True, tag="turn.flushed"):
    """Whoever loses the keyboard sent all they had typed: what they sent before this counts."""

    number: int | None = None


class Goodbye(msgspec.Struct, frozen=True, tag="GOODBYE"):
    """The app is about to sleep."""


class Auth(msgspec.Struct, frozen=True, tag="AUTH"):
    """A fresh token."""

    token: Annotated[str, msgspec.Meta(max_length=TOKEN_CHARACTERS)]


class Ping(msgspec.Struct, frozen=True, tag="PING"):
    """Is anybody there? For clients that cannot send WebSocket pings."""


class CodeUpdate(msgspec.Struct, frozen=True, tag="CODE_UPDATE"):
    """An edit, of which only the type is looked at here."""


VoiceMessage: TypeAlias = VoiceOffer | VoiceCandidate | VoiceLeave | VoiceMove | VoiceMute | VoiceServers
Incoming: TypeAlias = (
    CursorPosition
    | ChatMessage
    | RunCode
    | TurnRequest
    | RoleRequest
    | RaiseHand
    | TurnFlushed
    | Goodbye
    | Auth
    | Ping
    | CodeUpdate
    | VoiceMessage
)

_decoder: Final[msgspec.json.Decoder[Incoming]] = msgspec.json.Decoder(Incoming)
_UNKNOWN: Final = re.compile(r"Invalid value '?.*'? - at `\$\.type`", re.DOTALL)


def read(payload: bytes) -> Incoming:
    """What was said. Raises `Complaint`."""
    try:
        return _decoder.decode(payload)
    except msgspec.ValidationError as error:
        text = str(error)
        if _UNKNOWN.fullmatch(text):
            raise Complaint("unknown_type", "no message of this type is known") from None
        raise Complaint("invalid_message", text[:200]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Complaint("malformed_json", "not a JSON object with a type") from None


def check_place(place: Position) -> None:
    """Raise `Complaint` for a place that no text can have."""
    if not (0 <= place.line <= COUNT and 0 <= place.column <= COUNT):
        raise Complaint("bad_position", "line and column are counted from 0")
